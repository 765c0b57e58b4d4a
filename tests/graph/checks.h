/* checks.h - the checks generated from a table of cases: every row, several shapes, every float type. A row without a case
 * fails.
 *
 *   values      f32 and bf16 in the kernels that plans pick, against the reference in f64 on the same inputs, within the
 *               table's tolerance of the largest magnitude
 *   gradients   the same for the derivatives of a weighted sum of the outputs; in f64 against central differences
 *   modes       forward mode against reverse mode in f64
 *   second      Hessian times vector by both modes, against differences of gradients
 *   integers    i32 and u8 exactly as f64 computes the same whole numbers
 *   bits        plans with and without grouping, with one and two threads: equal bytes
 */
#ifndef ASSAY_TESTS_GRAPH_CHECKS_H
#define ASSAY_TESTS_GRAPH_CHECKS_H

#include "harness.h"

/* ---- values and gradients in f32 and bf16 against f64 ---- */
/* Output by output, so that each is measured by its own magnitude. */
static void compare_types(arena *a, int op, int variant, element_type type, bool gradients)
{
    test_case narrow, wide;
    if (!make_case(&narrow, type, op, variant))
        return;
    make_case(&wide, TYPE_F64, op, variant);
    case_info info = case_info_of(op);
    double *starts[CASE_INPUTS], tolerance = type == TYPE_F32 ? info.tolerance_f32 : info.tolerance_bf16;
    draw_inputs(a, &narrow, true, starts);
    node *of_narrow[CASE_INPUTS], *of_wide[CASE_INPUTS], **left = narrow.outputs, **right = wide.outputs;
    size_t count = (size_t)narrow.output_count;
    if (gradients) {
        int which[CASE_INPUTS];
        count = variables(&narrow, of_narrow, which);
        variables(&wide, of_wide, which);
        /* rules add steps that round: a few times the operation's own tolerance, and its neighbours' */
        tolerance = type == TYPE_F32 ? 8 * tolerance + 2e-5 : 3 * tolerance + 2e-2;
        assert_true(graph_grad(objective(&narrow), of_narrow, count, NULL, of_narrow));
        assert_true(graph_grad(objective(&wide), of_wide, count, NULL, of_wide));
        left = of_narrow;
        right = of_wide;
    }
    for (size_t i = 0; i < count; i++)
        expect_close(gradients ? "gradient" : "value", op, variant, type,
                     evaluate(a, &narrow, &left[i], 1, NULL, starts),
                     evaluate(a, &wide, &right[i], 1, &(plan_options){.reference = true}, starts), tolerance,
                     gradients && type == TYPE_BF16 ? 1 : 0); /* 1 - y^2 and its like lose what bf16 cannot hold */
    graph_free(narrow.g);
    graph_free(wide.g);
}

typedef void op_check(arena *a, int op, int variant);

/* Runs the check on every row and variant. */
static void for_all(op_check *check, bool derivatives)
{
    for (int op = 0; op < case_rows(); op++) {
        bool derivative;
        assert_true(has_variant(op, 0, &derivative));
        for (int variant = 0; has_variant(op, variant, &derivative); variant++) {
            if (derivatives && !derivative)
                continue;
            arena *a = arena_new(NULL);
            check(a, op, variant);
            arena_free(a);
        }
    }
}

static void check_values(arena *a, int op, int variant)
{
    compare_types(a, op, variant, TYPE_F32, false);
    compare_types(a, op, variant, TYPE_BF16, false);
}

static void check_gradients_in_kernels(arena *a, int op, int variant)
{
    compare_types(a, op, variant, TYPE_F32, true);
    compare_types(a, op, variant, TYPE_BF16, true);
}

static void values_agree_with_the_meaning(void **state)
{
    (void)state;
    for_all(check_values, false);
}

static void gradients_agree_with_the_meaning(void **state)
{
    (void)state;
    for_all(check_gradients_in_kernels, true);
}

/* ---- integers ---- */
static void compare_integers(arena *a, int op, int variant, element_type type)
{
    test_case whole_numbers, wide;
    if (!make_case(&whole_numbers, type, op, variant))
        return;
    make_case(&wide, TYPE_F64, op, variant);
    double *starts[CASE_INPUTS];
    draw_inputs(a, &whole_numbers, false, starts);
    for (int i = 0; i < wide.output_count; i++) {
        evaluation expected = evaluate(a, &wide, &wide.outputs[i], 1, NULL, starts);
        for (size_t k = 0; case_info_of(op).truncates && k < expected.count; k++)
            expected.values[k] = isfinite(expected.values[k]) ? trunc(expected.values[k]) : 0;
        const plan_options reference = {.reference = true};
        expect_close("value", op, variant, type, evaluate(a, &whole_numbers, &whole_numbers.outputs[i], 1, NULL, starts),
                     expected, 0, 0);
        expect_close("reference", op, variant, type,
                     evaluate(a, &whole_numbers, &whole_numbers.outputs[i], 1, &reference, starts), expected, 0, 0);
    }
    graph_free(whole_numbers.g);
    graph_free(wide.g);
}

static void check_integers(arena *a, int op, int variant)
{
    case_info info = case_info_of(op);
    if (info.integers)
        compare_integers(a, op, variant, TYPE_I32);
    if (info.bytes)
        compare_integers(a, op, variant, TYPE_U8);
}

static void integers_are_exact(void **state)
{
    (void)state;
    for_all(check_integers, false);
}

/* ---- f64: differences, modes, second derivatives ---- */
typedef struct derivatives {
    test_case c;
    node *f, *wrt[CASE_INPUTS], *gradients[CASE_INPUTS], *tangents[CASE_INPUTS];
    int which[CASE_INPUTS];
    size_t count;
    double *starts[CASE_INPUTS];
    double *direction[CASE_INPUTS];
} derivatives;

static void make_derivatives(arena *a, derivatives *d, int op, int variant)
{
    make_case(&d->c, TYPE_F64, op, variant);
    draw_inputs(a, &d->c, false, d->starts);
    d->count = variables(&d->c, d->wrt, d->which);
    d->f = objective(&d->c);
    assert_true(graph_grad(d->f, d->wrt, d->count, NULL, d->gradients));
    for (size_t i = 0; i < d->count; i++) {
        size_t n = (size_t)shape_count(d->wrt[i]->shape);
        random_stream r = random_stream_at(11, "test/direction", i, 0, 0, 0);
        d->direction[i] = ARENA_ARRAY(a, double, n + 1);
        for (size_t k = 0; k < n; k++)
            d->direction[i][k] = 2 * random_uniform(&r) - 1;
        d->tangents[i] = graph_constant(d->c.g, TYPE_F64, d->wrt[i]->shape, d->direction[i]);
    }
}

/* The objective where element k of variable i is moved by `by`; the plan reads the starts of variables where they lie. */
static double moved(const derivatives *d, plan *p, size_t i, size_t k, double by)
{
    double *x = &d->starts[d->which[i]][k], middle = *x;
    error err = {0};
    *x = middle + by;
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    *x = middle;
    return *(const double *)plan_output(p, 0);
}

/* Every element of small variables, some of large ones: modes and second derivatives look at all of them at once. */
static void check_differences(arena *a, int op, int variant)
{
    derivatives d;
    make_derivatives(a, &d, op, variant);
    evaluation e = evaluate(a, &d.c, d.gradients, d.count, NULL, d.starts);
    plan *p = plan_for(d.c.g, &d.f, 1, NULL);
    bind_inputs(a, &d.c, d.starts, p);
    for (size_t i = 0; i < d.count; i++)
        plan_bind(p, d.wrt[i], d.starts[d.which[i]]);
    double scale = 1e-3, h = 1e-6;
    for (size_t i = 0; i < e.count; i++)
        scale = fmax(scale, fabs(e.values[i]));
    size_t at = 0;
    for (size_t i = 0; i < d.count; i++) {
        size_t n = (size_t)shape_count(d.wrt[i]->shape), probes = n > MANY ? FEW_PROBES : PROBES, stride = n > probes ? n / probes : 1;
        for (size_t k = 0; k < n; k += stride) {
            double above = moved(&d, p, i, k, h), below = moved(&d, p, i, k, -h);
            double expected = (above - below) / (2 * h), found = e.values[at + k];
            if (case_info_of(op).constant)
                expected = 0;
            if (!(fabs(found - expected) <= 1e-6 * scale + 2e-9 * fabs(above) / h * 1e-6))
                fail_msg("gradient of %s, variant %d, input %zu, element %zu: %.9g, by differences %.9g",
                         case_info_of(op).name, variant, i, k, found, expected);
        }
        at += n;
    }
    plan_free(p);
    graph_free(d.c.g);
}

static void check_modes(arena *a, int op, int variant)
{
    derivatives d;
    make_derivatives(a, &d, op, variant);
    node *forward;
    assert_true(graph_jvp(&d.f, 1, d.wrt, d.tangents, d.count, &forward));
    double found = evaluate(a, &d.c, &forward, 1, NULL, d.starts).values[0], expected = 0, scale = 1e-9;
    evaluation e = evaluate(a, &d.c, d.gradients, d.count, NULL, d.starts);
    size_t at = 0;
    for (size_t i = 0; i < d.count; i++)
        for (size_t k = 0, n = (size_t)shape_count(d.wrt[i]->shape); k < n; k++) {
            double term = e.values[at++] * d.direction[i][k];
            expected += term;
            scale += fabs(term);
        }
    if (!(fabs(found - expected) <= 1e-11 * scale))
        fail_msg("%s, variant %d: forward mode gives %.15g, reverse mode %.15g", case_info_of(op).name, variant, found, expected);
    graph_free(d.c.g);
}

static void check_second(arena *a, int op, int variant)
{
    if (case_info_of(op).order < 2)
        return;
    derivatives d;
    make_derivatives(a, &d, op, variant);
    node *forward[CASE_INPUTS], *reverse[CASE_INPUTS], *along = NULL;
    assert_true(graph_jvp(d.gradients, d.count, d.wrt, d.tangents, d.count, forward));
    for (size_t i = 0; i < d.count; i++) {
        node *term = op_sum_all(op_mul(d.gradients[i], d.tangents[i]));
        along = along ? op_add(along, term) : term;
    }
    assert_true(graph_grad(along, d.wrt, d.count, NULL, reverse));
    evaluation f = evaluate(a, &d.c, forward, d.count, NULL, d.starts), r = evaluate(a, &d.c, reverse, d.count, NULL, d.starts);
    expect_close("Hessian times vector by both modes", op, variant, TYPE_F64, f, r, 1e-9, 1e-6);
    double h = 1e-5;
    evaluation sides[2];
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < d.count; i++)
            for (size_t k = 0, n = (size_t)shape_count(d.wrt[i]->shape); k < n; k++)
                d.starts[d.which[i]][k] += (s ? -2 : 1) * h * d.direction[i][k];
        sides[s] = evaluate(a, &d.c, d.gradients, d.count, NULL, d.starts);
    }
    for (size_t i = 0; i < f.count; i++)
        sides[0].values[i] = (sides[0].values[i] - sides[1].values[i]) / (2 * h);
    expect_close("Hessian times vector by differences", op, variant, TYPE_F64, f, sides[0], 1e-5, 1e-3);
    graph_free(d.c.g);
}

static void gradients_agree_with_differences(void **state)
{
    (void)state;
    for_all(check_differences, true);
}

static void forward_mode_agrees_with_reverse_mode(void **state)
{
    (void)state;
    for_all(check_modes, true);
}

static void second_derivatives_agree(void **state)
{
    (void)state;
    for_all(check_second, true);
}

/* ---- equal bits ---- */
static void bytes_of(arena *a, const test_case *c, node *const *outputs, size_t count, const plan_options *o,
                     thread_pool *pool, double *const starts[], unsigned char **bytes, size_t *size)
{
    plan *p = plan_for(c->g, outputs, count, o);
    error err = {0};
    bind_inputs(a, c, starts, p);
    for (int run = 0; run < 2; run++) /* the second must not depend on what the first left behind */
        if (plan_run(p, pool, &err) != STATUS_OK)
            fail_msg("%s", err.message);
    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += (size_t)shape_count(outputs[i]->shape) * element_size(node_type(outputs[i]));
    *bytes = arena_alloc(a, *size + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = (size_t)shape_count(outputs[i]->shape) * element_size(node_type(outputs[i]));
        if (n)
            memcpy(*bytes + at, plan_output(p, i), n);
        at += n;
    }
    plan_free(p);
}

static thread_pool *two;

static void check_bits(arena *a, int op, int variant)
{
    for (element_type type = TYPE_F64; type <= TYPE_BF16; type++) {
        test_case c;
        make_case(&c, type, op, variant);
        double *starts[CASE_INPUTS];
        draw_inputs(a, &c, false, starts);
        node *outputs[CASE_OUTPUTS + CASE_INPUTS], *wrt[CASE_INPUTS];
        size_t count = 0;
        for (int i = 0; i < c.output_count; i++)
            outputs[count++] = c.outputs[i];
        int which[CASE_INPUTS];
        size_t n = differentiable(&c, op) ? variables(&c, wrt, which) : 0;
        if (n)
            assert_true(graph_grad(objective(&c), wrt, n, NULL, outputs + count));
        count += n;
        unsigned char *one, *other;
        size_t size, other_size;
        plan_options o = {.threads = 2}, unfused = {.threads = 2, .unfused = true};
        bytes_of(a, &c, outputs, count, &o, NULL, starts, &one, &size);
        bytes_of(a, &c, outputs, count, &o, two, starts, &other, &other_size);
        if (memcmp(one, other, size) != 0)
            fail_msg("%s, variant %d, %s: two threads give other bits", case_info_of(op).name, variant, element_word(type));
        bytes_of(a, &c, outputs, count, &unfused, two, starts, &other, &other_size);
        if (memcmp(one, other, size) != 0)
            fail_msg("%s, variant %d, %s: grouping changes bits", case_info_of(op).name, variant, element_word(type));
        graph_free(c.g);
    }
}

static void grouping_and_threads_change_no_bits(void **state)
{
    (void)state;
    assert_int_equal(thread_pool_new(2, &two, NULL), STATUS_OK);
    for_all(check_bits, false);
    thread_pool_free(two);
}

#define GENERATED_CHECKS                                                                                           \
    cmocka_unit_test(values_agree_with_the_meaning), cmocka_unit_test(integers_are_exact),                         \
        cmocka_unit_test(gradients_agree_with_the_meaning), cmocka_unit_test(gradients_agree_with_differences),    \
        cmocka_unit_test(forward_mode_agrees_with_reverse_mode), cmocka_unit_test(second_derivatives_agree),       \
        cmocka_unit_test(grouping_and_threads_change_no_bits)

#endif
