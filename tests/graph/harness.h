/* harness.h - what the generated tests share: the inputs of a case, running its graph, comparing. */
#ifndef ASSAY_TESTS_GRAPH_HARNESS_H
#define ASSAY_TESTS_GRAPH_HARNESS_H

#include "cases.h"

#include "core/random.h"
#include "graph/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- inputs and outputs of cases ---- */
static inline node *add_input(test_case *c, element_type type, shape s, double low, double high, const int32_t *given)
{
    static const char *const names[CASE_INPUTS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    node *n = graph_input(c->g, names[c->input_count], type, s);
    c->inputs[c->input_count++] = (test_input){n, low, high, given};
    return n;
}

static inline node *real(test_case *c, shape s, double low, double high)
{
    return add_input(c, c->type, s, low, high, NULL);
}

/* f32 where the main operands are bf16. */
static inline node *wide_real(test_case *c, shape s, double low, double high)
{
    return add_input(c, wide_type(c->type), s, low, high, NULL);
}

static inline node *whole(test_case *c, shape s, int low, int high)
{
    return add_input(c, TYPE_I32, s, low, high, NULL);
}

static inline node *given(test_case *c, shape s, const int32_t *values)
{
    return add_input(c, TYPE_I32, s, 0, 0, values);
}

static inline void out(test_case *c, node *n)
{
    c->outputs[c->output_count++] = n;
}

/* ---- running ---- */
enum { MOST_ELEMENTS = 1 << 16, PROBES = 24, MANY = 256, FEW_PROBES = 6 };

typedef struct evaluation {
    double *values; /* of all outputs, widened */
    size_t count;
} evaluation;

static inline double element_at(element_type type, const void *x, size_t i)
{
    switch (type) {
    case TYPE_F64:
        return ((const double *)x)[i];
    case TYPE_F32:
        return (double)((const float *)x)[i];
    case TYPE_BF16:
        return (double)bf16_to_f32(((const bf16 *)x)[i]);
    case TYPE_I32:
        return ((const int32_t *)x)[i];
    default:
        return ((const uint8_t *)x)[i];
    }
}

static inline void set_element(element_type type, void *x, size_t i, double value)
{
    if (type == TYPE_F64)
        ((double *)x)[i] = value;
    else if (type == TYPE_F32)
        ((float *)x)[i] = (float)value;
    else if (type == TYPE_BF16)
        ((bf16 *)x)[i] = bf16_from_f32((float)value);
    else if (type == TYPE_I32)
        ((int32_t *)x)[i] = (int32_t)value;
    else
        ((uint8_t *)x)[i] = (uint8_t)value;
}

/* The numbers of input k: drawn, then rounded to bf16, so that every type holds them exactly. */
static inline void fill_input(const test_case *c, int k, bool coarse, double *values)
{
    const test_input *in = &c->inputs[k];
    random_stream r = random_stream_at(7, "test/ops", (uint64_t)k, 0, 0, 0);
    size_t n = (size_t)shape_count(in->n->shape);
    assert_true(n <= MOST_ELEMENTS);
    for (size_t i = 0; i < n; i++) {
        double u = random_uniform(&r);
        if (in->given)
            values[i] = in->given[i];
        else if (!node_is_float(in->n))
            values[i] = floor((in->n->type == TYPE_U8 ? 0 : in->low) + u * (in->high - in->low + 1));
        else
            values[i] = in->low + u * (in->high - in->low);
        if (coarse && node_is_float(in->n))
            values[i] = (double)bf16_round((float)values[i]);
    }
}

/* Inputs as numbers: all of them behind each other. */
static inline double *draw_inputs(arena *a, const test_case *c, bool coarse, double *starts[CASE_INPUTS])
{
    size_t total = 0;
    for (int k = 0; k < c->input_count; k++)
        total += (size_t)shape_count(c->inputs[k].n->shape);
    double *all = ARENA_ARRAY(a, double, total + 1), *at = all;
    assert_non_null(all);
    for (int k = 0; k < c->input_count; k++) {
        starts[k] = at;
        fill_input(c, k, coarse, at);
        at += shape_count(c->inputs[k].n->shape);
    }
    return all;
}

static inline void bind_inputs(arena *a, const test_case *c, double *const starts[], plan *p)
{
    for (int k = 0; k < c->input_count; k++) {
        const node *n = c->inputs[k].n;
        size_t count = (size_t)shape_count(n->shape);
        void *elements = arena_array(a, count + 1, element_size(node_type(n)));
        assert_non_null(elements);
        for (size_t i = 0; i < count; i++)
            set_element(node_type(n), elements, i, starts[k][i]);
        plan_bind(p, n, elements);
    }
}

static inline plan *plan_for(graph *g, node *const *outputs, size_t count, const plan_options *o)
{
    plan *p;
    error err = {0};
    if (plan_new(g, outputs, count, o, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Runs a plan whose inputs are bound, reads its outputs behind each other, and frees it. */
static inline evaluation run_and_read(arena *a, plan *p, node *const *outputs, size_t count)
{
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    evaluation e = {0};
    for (size_t i = 0; i < count; i++)
        e.count += (size_t)shape_count(outputs[i]->shape);
    e.values = ARENA_ARRAY(a, double, e.count + 1);
    assert_non_null(e.values);
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0, n = (size_t)shape_count(outputs[i]->shape); k < n; k++)
            e.values[at++] = element_at(node_type(outputs[i]), plan_output(p, i), k);
    plan_free(p);
    return e;
}

static inline evaluation evaluate(arena *a, const test_case *c, node *const *outputs, size_t count, const plan_options *o,
                                  double *const starts[])
{
    plan *p = plan_for(c->g, outputs, count, o);
    bind_inputs(a, c, starts, p);
    return run_and_read(a, p, outputs, count);
}

/* ---- the derivative under test: of the sum of the float outputs, each times a fixed weighting ---- */
static inline bool make_case(test_case *c, element_type type, int op, int variant)
{
    *c = (test_case){.g = graph_new(NULL), .type = type};
    if (!case_of(op))
        fail_msg("operation %s has no test case", case_info_of(op).name);
    bool there = case_of(op)(c, op, variant);
    if (!there)
        graph_free(c->g);
    else
        for (int i = 0; i < c->output_count; i++)
            assert_non_null(c->outputs[i]);
    return there;
}

static inline node *objective(const test_case *c)
{
    node *sum = NULL;
    element_type type = c->type == TYPE_F64 ? TYPE_F64 : TYPE_F32;
    for (int i = 0; i < c->output_count; i++) {
        if (!node_is_float(c->outputs[i]))
            continue;
        node *y = op_reshape(c->outputs[i], SHAPE(-1));
        y = op_cast(y, type);
        node *weights = op_sin(op_shift(graph_iota(c->g, type, y->shape, 0), 0.5 + i));
        node *term = op_sum_all(op_mul(y, weights));
        sum = sum ? op_add(sum, term) : term;
    }
    return sum;
}

static inline size_t variables(const test_case *c, node *list[CASE_INPUTS], int which[CASE_INPUTS])
{
    size_t n = 0;
    for (int k = 0; k < c->input_count; k++)
        if (node_is_float(c->inputs[k].n)) {
            which[n] = k;
            list[n++] = c->inputs[k].n;
        }
    return n;
}

static inline bool differentiable(const test_case *c, int op)
{
    return !c->no_derivative && (case_info_of(op).order > 0);
}

static inline void expect_close(const char *what, int op, int variant, element_type type, evaluation found, evaluation expected,
                         double tolerance, double least_scale)
{
    double scale = least_scale;
    for (size_t i = 0; i < expected.count; i++)
        if (isfinite(expected.values[i]))
            scale = fmax(scale, fabs(expected.values[i]));
    assert_int_equal(found.count, expected.count);
    for (size_t i = 0; i < found.count; i++) {
        double x = found.values[i], y = expected.values[i];
        if (x != y && !(fabs(x - y) <= tolerance * scale))
            fail_msg("%s of %s, variant %d, %s: element %zu is %.9g, expected %.9g (largest %.3g, tolerance %.2g)", what,
                     case_info_of(op).name, variant, element_word(type), i, x, y, scale, tolerance);
    }
}

static inline bool has_variant(int op, int variant, bool *derivative)
{
    test_case c;
    if (!make_case(&c, TYPE_F64, op, variant))
        return false;
    node *list[CASE_INPUTS];
    int which[CASE_INPUTS];
    *derivative = differentiable(&c, op) && variables(&c, list, which) > 0;
    graph_free(c.g);
    return true;
}

#endif
