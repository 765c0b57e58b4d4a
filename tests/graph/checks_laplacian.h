/* checks_laplacian.h - graph_laplacian, generated from a table of cases: Jacobian and Laplacian of every row in its first few
 * coordinates against forward mode twice along each of them. f64. */
#ifndef ASSAY_TESTS_GRAPH_CHECKS_LAPLACIAN_H
#define ASSAY_TESTS_GRAPH_CHECKS_LAPLACIAN_H

#include "harness.h"

enum { MOST_COORDINATES = 16 };

/* Sets *jacobian and *laplacian of y by forward mode along each coordinate of x, coordinates first. */
static void one_by_one(arena *a, const test_case *c, node *y, node *x, double *const starts[], evaluation *jacobian,
                       double *laplacian)
{
    size_t n = (size_t)shape_count(x->shape), each = (size_t)shape_count(y->shape);
    *jacobian = (evaluation){ARENA_ARRAY(a, double, n * each + 1), n * each};
    for (size_t d = 0; d < n; d++) {
        double unit[MOST_COORDINATES] = {0};
        unit[d] = 1;
        node *along = graph_constant(c->g, TYPE_F64, x->shape, unit), *once, *twice;
        assert_true(graph_jvp(&y, 1, &x, &along, 1, &once));
        assert_true(graph_jvp(&once, 1, &x, &along, 1, &twice));
        evaluation first = evaluate(a, c, &once, 1, NULL, starts), second = evaluate(a, c, &twice, 1, NULL, starts);
        for (size_t i = 0; i < each; i++) {
            jacobian->values[d * each + i] = first.values[i];
            laplacian[i] += second.values[i];
        }
    }
}

static void check_laplacian(int row, int variant)
{
    arena *a = arena_new(NULL);
    test_case c;
    assert_true(make_case(&c, TYPE_F64, row, variant));
    double *starts[CASE_INPUTS];
    draw_inputs(a, &c, false, starts);
    node *wrt[CASE_INPUTS];
    int which[CASE_INPUTS];
    size_t count = variables(&c, wrt, which);
    for (size_t v = 0; v < count; v++) {
        int64_t n = shape_count(wrt[v]->shape);
        for (int o = 0; o < c.output_count && n > 0 && n <= MOST_COORDINATES; o++) {
            node *y = c.outputs[o], *jacobian, *laplacian;
            if (!node_is_float(y))
                continue;
            assert_true(graph_laplacian(&y, 1, wrt[v], &jacobian, &laplacian));
            evaluation expected;
            evaluation sums = {ARENA_ARRAY(a, double, (size_t)shape_count(y->shape) + 1), (size_t)shape_count(y->shape)};
            one_by_one(a, &c, y, wrt[v], starts, &expected, sums.values);
            expect_close("Jacobian", row, variant, TYPE_F64, evaluate(a, &c, &jacobian, 1, NULL, starts), expected, 1e-12, 1e-6);
            expect_close("Laplacian", row, variant, TYPE_F64, evaluate(a, &c, &laplacian, 1, NULL, starts), sums, 1e-10, 1e-6);
        }
    }
    graph_free(c.g);
    arena_free(a);
}

static void laplacians_agree_with_forward_mode(void **state)
{
    (void)state;
    for (int row = 0; row < case_rows(); row++) {
        bool derivative;
        for (int variant = 0; has_variant(row, variant, &derivative); variant++)
            if (derivative)
                check_laplacian(row, variant);
    }
}

#endif
