/* checks_vmap.h - graph_vmap, generated from a table of cases: every row, several shapes, against a loop over the examples.
 *
 *   values      f64, f32, bf16; all inputs of the operation batched; in f64, for the first variants, each one alone
 *   gradients   per-example gradients (vmap over grad) against a loop, and the gradient of the batch (grad over vmap) against
 *               them
 */
#ifndef ASSAY_TESTS_GRAPH_CHECKS_VMAP_H
#define ASSAY_TESTS_GRAPH_CHECKS_VMAP_H

#include "harness.h"

enum { EXAMPLES = 3 };

/* The inputs of one example: its own draws; indices turned round, or (attention) one sequence instead of several. */
static void draw_example(arena *a, const test_case *c, int example, bool coarse, double *starts[CASE_INPUTS])
{
    draw_inputs(a, c, coarse, starts);
    for (int k = 0; k < c->input_count; k++) {
        size_t n = (size_t)shape_count(c->inputs[k].n->shape);
        const test_input *in = &c->inputs[k];
        double *values = starts[k], *copy = ARENA_ARRAY(a, double, n + 1);
        assert_non_null(copy);
        if (n)
            memcpy(copy, values, n * sizeof *copy);
        for (size_t i = 0; i < n; i++) {
            if (!in->given || !c->fixed_indices)
                values[i] = copy[(i + (size_t)example) % n];
            else if (c->may_be_zero && example % 2)
                values[i] = 0;
        }
    }
}

typedef struct batch {
    test_case c;
    node *all[CASE_INPUTS];               /* inputs with the new axis, NULL where not batched */
    double *starts[EXAMPLES][CASE_INPUTS]; /* of each example */
    int size;
} batch;

static void make_batch(arena *a, batch *v, element_type type, int op, int variant, unsigned mask, int size)
{
    assert_true(make_case(&v->c, type, op, variant));
    v->size = size;
    for (int k = 0; k < v->c.input_count; k++) {
        node *n = v->c.inputs[k].n;
        v->all[k] = mask >> k & 1 ? graph_input(v->c.g, arena_printf(a, "%s_all", n->site), node_type(n), shape_insert(n->shape, 0, size))
                                  : NULL;
    }
    for (int b = 0; b < EXAMPLES; b++) {
        draw_example(a, &v->c, b, type != TYPE_F64, v->starts[b]);
        for (int k = 0; k < v->c.input_count; k++)
            if (!(mask >> k & 1))
                v->starts[b][k] = v->starts[0][k];
    }
}

static size_t batched_inputs(const batch *v, node *from[CASE_INPUTS], node *to[CASE_INPUTS])
{
    size_t n = 0;
    for (int k = 0; k < v->c.input_count; k++)
        if (v->all[k]) {
            from[n] = v->c.inputs[k].n;
            to[n++] = v->all[k];
        }
    return n;
}

/* Runs outputs that read the inputs with the new axis (and those without it). */
static evaluation evaluate_all(arena *a, const batch *v, node *const *outputs, size_t count)
{
    plan *p = plan_for(v->c.g, outputs, count, NULL);
    bind_inputs(a, &v->c, v->starts[0], p);
    for (int k = 0; k < v->c.input_count; k++) {
        if (!v->all[k])
            continue;
        element_type type = node_type(v->all[k]);
        size_t each = (size_t)shape_count(v->c.inputs[k].n->shape);
        void *elements = arena_array(a, each * (size_t)v->size + 1, element_size(type));
        for (int b = 0; b < v->size; b++)
            for (size_t i = 0; i < each; i++)
                set_element(type, elements, (size_t)b * each + i, v->starts[b][k][i]);
        plan_bind(p, v->all[k], elements);
    }
    return run_and_read(a, p, outputs, count);
}

static double tolerance_of(int op, element_type type)
{
    case_info info = case_info_of(op);
    return type == TYPE_F64 ? 1e-12 : 2 * (type == TYPE_F32 ? info.tolerance_f32 : info.tolerance_bf16);
}

/* Compares outputs of the batch with those of a loop. */
static void compare_with_loop(arena *a, const batch *v, const char *what, int op, int variant, node *const *batched,
                              node *const *single, size_t count, double tolerance)
{
    for (size_t o = 0; o < count; o++) {
        size_t each = (size_t)shape_count(single[o]->shape);
        evaluation all = evaluate_all(a, v, &batched[o], 1);
        assert_int_equal(all.count, each * (size_t)v->size);
        for (int b = 0; b < v->size; b++)
            expect_close(what, op, variant, v->c.type, (evaluation){all.values + (size_t)b * each, each},
                         evaluate(a, &v->c, &single[o], 1, NULL, v->starts[b]), tolerance, 1e-30);
    }
}

static void check_batch_of(arena *a, int op, int variant, element_type type, unsigned mask, int size)
{
    batch v;
    make_batch(a, &v, type, op, variant, mask, size);
    node *from[CASE_INPUTS], *to[CASE_INPUTS], *batched[CASE_OUTPUTS];
    size_t n = batched_inputs(&v, from, to);
    if (n) {
        assert_true(graph_vmap(v.c.outputs, (size_t)v.c.output_count, from, to, n, batched));
        compare_with_loop(a, &v, "batch", op, variant, batched, v.c.outputs, (size_t)v.c.output_count, tolerance_of(op, type));
    }
    graph_free(v.c.g);
}

static void check_batches(arena *a, int op, int variant)
{
    unsigned everything = (1u << CASE_INPUTS) - 1;
    for (element_type type = TYPE_F64; type <= TYPE_BF16; type++)
        check_batch_of(a, op, variant, type, everything, EXAMPLES);
    for (unsigned k = 0; k < CASE_INPUTS && variant < 4; k++)
        check_batch_of(a, op, variant, TYPE_F64, 1u << k, EXAMPLES);
    if (variant == 0)
        for (int size = 0; size < 2; size++)
            check_batch_of(a, op, variant, TYPE_F32, everything, size);
}

/* vmap over grad against a loop; grad over vmap against vmap over grad. */
static void check_batched_gradients(arena *a, int op, int variant)
{
    batch v;
    make_batch(a, &v, TYPE_F64, op, variant, (1u << CASE_INPUTS) - 1, EXAMPLES);
    node *wrt[CASE_INPUTS], *gradients[CASE_INPUTS], *from[CASE_INPUTS], *to[CASE_INPUTS], *each[CASE_INPUTS], *total[CASE_INPUTS];
    int which[CASE_INPUTS];
    size_t count = variables(&v.c, wrt, which), n = batched_inputs(&v, from, to);
    node *f = objective(&v.c), *losses;
    assert_true(graph_grad(f, wrt, count, NULL, gradients));
    assert_true(graph_vmap(gradients, count, from, to, n, each));
    compare_with_loop(a, &v, "per-example gradient", op, variant, each, gradients, count, 1e-11);
    assert_true(graph_vmap(&f, 1, from, to, n, &losses));
    for (size_t i = 0; i < count; i++)
        wrt[i] = v.all[which[i]];
    assert_true(graph_grad(op_sum_all(losses), wrt, count, NULL, total));
    for (size_t i = 0; i < count; i++)
        expect_close("gradient of a batch", op, variant, TYPE_F64, evaluate_all(a, &v, &total[i], 1),
                     evaluate_all(a, &v, &each[i], 1), 1e-11, 1e-30);
    graph_free(v.c.g);
}

static void for_all_batches(void (*check)(arena *a, int op, int variant), bool smooth)
{
    for (int op = 0; op < case_rows(); op++) {
        bool derivative;
        for (int variant = 0; has_variant(op, variant, &derivative); variant++) {
            if (smooth && !derivative)
                continue;
            arena *a = arena_new(NULL);
            check(a, op, variant);
            arena_free(a);
        }
    }
}

static void batches_agree_with_a_loop(void **state)
{
    (void)state;
    for_all_batches(check_batches, false);
}

static void gradients_agree_with_a_loop(void **state)
{
    (void)state;
    for_all_batches(check_batched_gradients, true);
}

#endif
