/* graph_laplacian: every row of the table against forward mode along each coordinate (tests/graph/checks_laplacian.h), closed
 * forms (autodiff_needs, checks 4 and 5), and networks of 30 coordinates. */
#include "cases_table.h"

#include "checks_laplacian.h"
#include "graph/composite.h"

static double *numbers(arena *a, graph *g, node *const *outputs, size_t count)
{
    return run_and_read(a, plan_for(g, outputs, count, NULL), outputs, count).values;
}

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g (within %.2g)", found, expected, tolerance);
}

/* Numbers that look random. */
static node *weights(graph *g, shape s, double scale, double phase)
{
    node *flat = graph_iota(g, TYPE_F64, SHAPE(shape_count(s)), 0);
    return op_reshape(op_scale(op_sin(op_shift(op_scale(flat, 12.9898), phase)), scale), s);
}

static void hydrogen(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *r = graph_constant(g, TYPE_F64, SHAPE(3), (double[]){2.0 / 3, -1.0 / 3, 2.0 / 3}), *norm = op_norm(r);
    node *functions[3] = {op_exp(op_neg(norm)), op_neg(norm), op_square(norm)}, *j[3], *l[3];
    assert_true(graph_laplacian(functions, 3, r, j, l));
    double *v = numbers(a, g, l, 3);
    near(v[0], -exp(-1), 1e-15); /* e^-r (1 - 2 / r) */
    near(v[1], -2, 1e-15);       /* of the logarithm: -2 / r */
    near(v[2], 6, 1e-14);
    v = numbers(a, g, j, 1);
    near(v[0], -exp(-1) * 2 / 3, 1e-15);
    graph_free(g);
    arena_free(a);
}

/* A net of tanh, 3-16-1: by rule, by three products with the Hessian, by differences. */
static void net_of_tanh(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F64, SHAPE(3));
    node *hidden = op_tanh(op_linear(x, weights(g, SHAPE(16, 3), 1, 0.4))), *y = op_sum_all(op_linear(hidden, weights(g, SHAPE(1, 16), 1, 2)));
    node *outputs[5] = {y}, *dy;
    assert_true(graph_laplacian(&y, 1, x, NULL, &outputs[1]));
    assert_true(graph_grad(y, &x, 1, NULL, &dy));
    for (int d = 0; d < 3; d++) {
        double unit[3] = {d == 0, d == 1, d == 2};
        node *along = graph_constant(g, TYPE_F64, SHAPE(3), unit), *h;
        assert_true(graph_jvp(&dy, 1, &x, &along, 1, &h));
        outputs[2 + d] = op_slice(h, 0, d, d + 1);
    }
    plan *p = plan_for(g, outputs, 5, NULL);
    double at[3] = {0.3, -0.8, 0.5}, h = 1e-4, difference = 0, rule = 0, products = 0;
    plan_bind(p, x, at);
    for (int k = 0; k < 7; k++) {
        if (k)
            at[(k - 1) / 2] += k % 2 ? h : -2 * h;
        assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
        difference += *(const double *)plan_output(p, 0) * (k ? 1 : -6) / (h * h);
        for (int d = 0; k == 0 && d < 3; d++)
            products += *(const double *)plan_output(p, (size_t)(2 + d));
        if (k == 0)
            rule = *(const double *)plan_output(p, 1);
        if (k && k % 2 == 0)
            at[(k - 1) / 2] += h;
    }
    near(rule, products, 1e-10);
    near(rule, difference, 1e-5);
    plan_free(p);
    graph_free(g);
    arena_free(a);
}

/* Ten particles in three dimensions: distances, attention over particles, layer norm, sorting, products of what depends on the
 * coordinates; against the sum of the diagonal of the Hessian, entry by entry. */
static void thirty_coordinates(void **state)
{
    (void)state;
    enum { N = 30, WIDTH = 8 };
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = weights(g, SHAPE(N), 1, 0.7), *r = op_reshape(x, SHAPE(10, 3));
    node *features[2] = {r, op_pair_distances(r)};
    node *h = op_tanh(op_linear(op_concat(features, 2, 1), weights(g, SHAPE(WIDTH, 13), 0.5, 1)));
    node *q = op_linear(h, weights(g, SHAPE(WIDTH, WIDTH), 0.7, 2)), *k = op_linear(h, weights(g, SHAPE(WIDTH, WIDTH), 0.7, 3));
    h = op_add(h, op_matmul(op_softmax(op_matmul(q, k, false, true)), h, false, false));
    h = op_layer_norm(h, NULL, NULL, 0.1);
    node *score = op_reshape(op_linear(h, weights(g, SHAPE(1, WIDTH), 1, 4)), SHAPE(10));
    node *order = graph_iota(g, TYPE_F64, SHAPE(10), 0);
    node *f = op_add(op_sum_all(op_mul(order, op_sort(score, false))), op_logsumexp(score)), *j, *l, *df, *sum = NULL;
    assert_true(graph_laplacian(&f, 1, x, &j, &l));
    assert_true(graph_grad(f, &x, 1, NULL, &df));
    for (int d = 0; d < N; d++) {
        double unit[N] = {0};
        unit[d] = 1;
        node *along = graph_constant(g, TYPE_F64, SHAPE(N), unit), *column;
        assert_true(graph_jvp(&df, 1, &x, &along, 1, &column));
        node *entry = op_slice(column, 0, d, d + 1);
        sum = sum ? op_add(sum, entry) : entry;
    }
    node *outputs[4] = {l, sum, j, df};
    double *v = numbers(a, g, outputs, 4);
    assert_true(fabs(v[0]) > 0.1); /* there is something to agree on */
    near(v[0], v[1], 1e-9);
    for (int d = 0; d < N; d++)
        near(v[2 + d], v[2 + N + d], 1e-11);
    graph_free(g);
    arena_free(a);
}

/* Walkers: the Laplacian of one under vmap. */
static void many_walkers(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *r = graph_input(g, "r", TYPE_F64, SHAPE(3)), *f = op_exp(op_neg(op_norm(r))), *l, *each;
    node *walkers = weights(g, SHAPE(5, 3), 2, 0.1);
    assert_true(graph_laplacian(&f, 1, r, NULL, &l));
    assert_true(graph_vmap(&l, 1, &r, &walkers, 1, &each));
    node *outputs[2] = {each, op_norm(walkers)};
    double *v = numbers(a, g, outputs, 2);
    for (int i = 0; i < 5; i++)
        near(v[i], exp(-v[5 + i]) * (1 - 2 / v[5 + i]), 1e-13);
    graph_free(g);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laplacians_agree_with_forward_mode),
        cmocka_unit_test(hydrogen),
        cmocka_unit_test(net_of_tanh),
        cmocka_unit_test(thirty_coordinates),
        cmocka_unit_test(many_walkers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
