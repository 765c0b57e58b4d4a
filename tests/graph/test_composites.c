/* graph/composite.h: the generated checks, and what they do not see: values in closed form, ends, zeros, infinities. */
#include "cases_composite.h"

#include "checks.h"
#include "checks_laplacian.h"
#include "checks_vmap.h"

/* Runs outputs (f64, without inputs) and returns their elements behind each other. */
static double *numbers(arena *a, graph *g, node *const *outputs, size_t count)
{
    return run_and_read(a, plan_for(g, outputs, count, NULL), outputs, count).values;
}

static void near(double found, double expected, double tolerance)
{
    if (found != expected && !(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g", found, expected);
}

static node *vector(graph *g, const double *x, int64_t n)
{
    return graph_constant(g, TYPE_F64, SHAPE(n), x);
}

/* First and second derivatives by reverse over reverse, elementwise. */
static void two_derivatives(node *y, node *x, node **outputs)
{
    outputs[0] = y;
    assert_true(graph_grad(y, &x, 1, NULL, &outputs[1]));
    assert_true(graph_grad(outputs[1], &x, 1, NULL, &outputs[2]));
}

static void softplus_is_smooth_and_never_overflows(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    double x[5] = {0, -800, 800, 1.5, -2};
    node *outputs[3];
    node *at = vector(g, x, 5);
    two_derivatives(op_softplus(at), at, outputs);
    double *v = numbers(a, g, outputs, 3);
    for (int i = 0; i < 5; i++) {
        double p = 1 / (1 + exp(-x[i]));
        near(v[i], x[i] > 700 ? x[i] : log1p(exp(x[i])), 1e-13);
        near(v[5 + i], p, 1e-15);
        near(v[10 + i], p * (1 - p), 1e-15);
    }
    graph_free(g);
    arena_free(a);
}

/* At 0 every derivative of a norm is 0, of any order, and nothing becomes NaN. */
static void norms_are_safe_at_zero(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *r = graph_constant(g, TYPE_F64, SHAPE(2, 3), (double[]){0, 0, 0, 3, 0, 4}), *norm = op_norm(r), *sum = op_sum_all(norm);
    node *outputs[5] = {norm}, *direction = graph_fill(g, TYPE_F64, SHAPE(2, 3), 1);
    assert_true(graph_grad(sum, &r, 1, NULL, &outputs[1]));
    assert_true(graph_grad(outputs[1], &r, 1, direction, &outputs[2]));
    assert_true(graph_jvp(&outputs[1], 1, &r, &direction, 1, &outputs[3]));
    outputs[4] = op_pair_distances(r);
    double *v = numbers(a, g, outputs, 5), expected[24] = {0, 5, 0, 0, 0, 0.6, 0, 0.8};
    for (int way = 0; way < 2; way++) { /* H 1 of |r| at (3, 0, 4): (1 - u u.1) / 5 */
        double u[3] = {0.6, 0, 0.8};
        for (int i = 0; i < 3; i++)
            expected[8 + 6 * way + 3 + i] = (1 - u[i] * 1.4) / 5;
    }
    expected[21] = expected[22] = 5;
    for (int i = 0; i < 24; i++)
        near(v[i], expected[i], 1e-14);
    graph_free(g);
    arena_free(a);
}

/* The square root itself: second derivatives at 0 are 0, not NaN. */
static void square_root_at_zero(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = vector(g, (double[]){0, 4}, 2), *outputs[3];
    two_derivatives(op_sqrt(x), x, outputs);
    double *v = numbers(a, g, outputs, 3), expected[6] = {0, 2, 0, 0.25, 0, -1.0 / 32};
    for (int i = 0; i < 6; i++)
        near(v[i], expected[i], 1e-15);
    graph_free(g);
    arena_free(a);
}

static void logsumexp_with_nothing_in_it(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    double none = -INFINITY;
    node *x = graph_constant(g, TYPE_F64, SHAPE(3, 3), (double[]){none, none, none, none, 2, 1, 1000, 1000, none});
    node *outputs[4] = {op_logsumexp(x)}, *sign;
    assert_true(graph_grad(outputs[0], &x, 1, NULL, &outputs[1]));
    outputs[2] = op_logsumexp_signed(x, graph_constant(g, TYPE_F64, SHAPE(3, 3), (double[]){1, 1, 1, 1, -1, 1, 1, -1, 1}), &sign);
    outputs[3] = sign;
    double *v = numbers(a, g, outputs, 4), p = 1 / (1 + exp(-1));
    const double expected[18] = {none, 2 + log1p(exp(-1)), 1000 + log(2), 0, 0, 0, 0, p, 1 - p, 0.5, 0.5, 0,
                                 none, log(exp(2) - exp(1)), none, 0, -1, 0};
    for (int i = 0; i < 18; i++)
        near(v[i], expected[i], 1e-13 * fmax(1, fabs(expected[i])));
    graph_free(g);
    arena_free(a);
}

/* autodiff_needs, check 13. */
static void sorting_carries_gradients_back(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = vector(g, (double[]){3, 1, 2}, 3), *order = op_argsort(x, false);
    node *f = op_sum_all(op_mul(op_shift(graph_iota(g, TYPE_F64, SHAPE(3), 0), 1), op_gather_last(x, order)));
    node *outputs[4] = {NULL, op_permutation_parity(order, TYPE_F64), NULL, op_sort(vector(g, (double[]){NAN, 2, -1, 2}, 4), true)};
    assert_true(graph_grad(f, &x, 1, NULL, &outputs[0]));
    outputs[2] = op_permutation_parity(graph_constant(g, TYPE_I32, SHAPE(3), (int32_t[]){1, 0, 2}), TYPE_F64);
    double *v = numbers(a, g, outputs, 4);
    const double expected[8] = {3, 1, 2, 1, -1, 2, 2, -1};
    for (int i = 0; i < 8; i++)
        near(v[i], expected[i], 0);
    assert_true(isnan(v[8]));
    graph_free(g);
    arena_free(a);
}

/* A step along a sparse gradient of an embedding is the step along the whole one. */
static void sums_by_index_are_those_of_the_table(void **state)
{
    (void)state;
    enum { LOOKUPS = 9, WORDS = 6 };
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *index = graph_constant(g, TYPE_I32, SHAPE(LOOKUPS), (int32_t[]){4, 1, -3, 4, 0, 1, 4, -1, 5});
    node *table = op_reshape(op_sin(graph_iota(g, TYPE_F64, SHAPE(2 * WORDS), 0)), SHAPE(WORDS, 2)), *rows = op_gather_rows(table, index);
    node *f = op_sum_all(op_exp(rows)), *wrt[2] = {table, rows}, *d[2], *distinct;
    assert_true(graph_grad(f, wrt, 2, NULL, d));
    node *sums = op_sum_by_index(d[1], index, &distinct);
    node *outputs[4] = {op_sub(table, d[0]), op_put_rows(table, distinct, op_sub(op_gather_rows(table, distinct), sums)), distinct, sums};
    double *v = numbers(a, g, outputs, 4);
    for (int i = 0; i < 2 * WORDS; i++)
        near(v[2 * WORDS + i], v[i], 1e-15);
    const double ids[LOOKUPS] = {0, 1, 4, 5, -1, -1, -1, -1, -1};
    for (int i = 0; i < LOOKUPS; i++)
        near(v[4 * WORDS + i], ids[i], 0);
    for (int i = 8; i < 2 * LOOKUPS; i++)
        near(v[4 * WORDS + LOOKUPS + i], 0, 0);
    node *nothing = op_sum_by_index(graph_fill(g, TYPE_F64, SHAPE(0, 2), 1), graph_fill(g, TYPE_I32, SHAPE(0), 1), &distinct);
    outputs[0] = nothing;
    outputs[1] = distinct;
    numbers(a, g, outputs, 2);
    graph_free(g);
    arena_free(a);
}

static void sampling_between_points_and_beyond(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = vector(g, (double[]){1, 3, 2}, 3), *at = vector(g, (double[]){-1, 0, 0.25, 1, 1.5, 2, 7}, 7);
    node *outputs[3] = {op_sample_linear(x, at)};
    assert_true(graph_grad(outputs[0], &at, 1, NULL, &outputs[1]));
    node *plane = graph_constant(g, TYPE_F64, SHAPE(2, 2), (double[]){1, 2, 3, 5});
    outputs[2] = op_sample_bilinear(plane, vector(g, (double[]){0.5, 1}, 2), vector(g, (double[]){0.5, 0.25}, 2));
    double *v = numbers(a, g, outputs, 3);
    const double expected[16] = {1, 1, 1.5, 3, 2.5, 2, 2, 0, 2, 2, -1, -1, -1, 0, 2.75, 3.5};
    for (int i = 0; i < 16; i++)
        near(v[i], expected[i], 1e-15);
    graph_free(g);
    arena_free(a);
}

static void factors_of_a_matrix_done_by_hand(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *m = graph_constant(g, TYPE_F64, SHAPE(3, 3), (double[]){4, 12, -16, 12, 37, -43, -16, -43, 98});
    node *x = graph_constant(g, TYPE_F64, SHAPE(3, 1), (double[]){1, -2, 3}), *b = op_matmul(m, x, false, false);
    node *indefinite = graph_constant(g, TYPE_F64, SHAPE(2, 2), (double[]){1, 2, 2, 1});
    node *outputs[5] = {op_cholesky(m), op_solve_positive(m, b), op_log_determinant(m), NULL, op_cholesky(indefinite)};
    assert_true(graph_grad(outputs[2], &m, 1, NULL, &outputs[3])); /* the inverse */
    outputs[3] = op_matmul(outputs[3], m, false, false);
    double *v = numbers(a, g, outputs, 5);
    const double expected[22] = {2, 0, 0, 6, 1, 0, -8, 5, 3, 1, -2, 3, log(36), 1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (int i = 0; i < 22; i++)
        near(v[i], expected[i], i < 9 ? 1e-14 : 1e-9); /* condition 1e4 */
    for (int i = 22; i < 26; i++)
        assert_true(isnan(v[i]));
    graph_free(g);
    arena_free(a);
}

static void straight_through_has_the_value_of_one_and_the_slope_of_the_other(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = vector(g, (double[]){0.1, 2.7, -0.4}, 3), *y = op_straight_through(op_floor(x), op_scale(x, 3)), *outputs[2] = {y};
    assert_true(graph_grad(y, &x, 1, NULL, &outputs[1]));
    double *v = numbers(a, g, outputs, 2);
    const double expected[6] = {0, 2, -1, 3, 3, 3};
    for (int i = 0; i < 6; i++)
        near(v[i], expected[i], 0);
    graph_free(g);
    arena_free(a);
}

/* autodiff_needs, check 14 (the published vectors: tests/core): a draw is a function of its key and its place alone. */
static void draws_have_addresses(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    const int32_t keys[8] = {7, -1, 2, 3, 7, -1, 2, 4};
    node *first = graph_constant(g, TYPE_I32, SHAPE(4), keys), *second = graph_constant(g, TYPE_I32, SHAPE(4), keys + 4);
    node *outputs[3] = {op_random_uniform(second, TYPE_F64, SHAPE(5)), op_random_uniform(first, TYPE_F64, SHAPE(10, 10)),
                        op_random_uniform(first, TYPE_F64, SHAPE(3))};
    double *v = numbers(a, g, outputs, 3);
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < (k ? 100 : 5); i++) {
            uint32_t words[4], key[2] = {7, UINT32_MAX};
            random_philox((uint32_t[4]){i, 0, 2, k ? 3 : 4}, key, words);
            near(v[(k ? 5 : 0) + i], (double)(((uint64_t)words[0] << 32 | words[1]) >> 11) * 0x1p-53, 0);
        }
    for (int i = 0; i < 3; i++)
        near(v[105 + i], v[5 + i], 0);
    graph_free(g);
    arena_free(a);
}

/* Moments of 100,000 draws, and that two keys have nothing to do with each other. */
static void draws_are_normal(void **state)
{
    (void)state;
    enum { N = 100000 };
    graph *g = graph_new(NULL);
    node *keys = graph_constant(g, TYPE_I32, SHAPE(2, 4), (int32_t[]){1, 2, 3, 4, 1, 2, 3, 5}), *key = graph_input(g, "key", TYPE_I32, SHAPE(4));
    node *z = op_random_normal(key, TYPE_F64, SHAPE(N)), *both;
    assert_true(graph_vmap(&z, 1, &key, &keys, 1, &both));
    plan *p = plan_for(g, &both, 1, NULL);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    const double *x = plan_output(p, 0);
    double moment[5] = {0}, product = 0;
    for (int i = 0; i < N; i++) {
        for (int k = 1; k < 5; k++)
            moment[k] += pow(x[i], k) / N;
        product += x[i] * x[N + i] / N;
    }
    double unit = 1 / sqrt(N); /* standard errors: 1, sqrt 2, sqrt 15, sqrt 96 times it */
    near(moment[1], 0, 4 * unit);
    near(moment[2], 1, 4 * sqrt(2) * unit);
    near(moment[3], 0, 4 * sqrt(15) * unit);
    near(moment[4], 3, 4 * sqrt(96) * unit);
    near(product, 0, 4 * unit);
    plan_free(p);
    graph_free(g);
}

/* meta_pretraining, check 4. */
static void contrastive_losses_done_by_hand(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    const double pairs[8] = {1, 0, 0, 2, 3, 0, 0, 4}, alike[8] = {1, 1, 2, 2, 1, 1, 5, 5}; /* lengths do not count */
    node *outputs[2] = {op_nt_xent(graph_constant(g, TYPE_F64, SHAPE(4, 2), pairs), 0.5),
                        op_nt_xent(graph_constant(g, TYPE_F64, SHAPE(4, 2), alike), 0.5)};
    double *v = numbers(a, g, outputs, 2);
    for (int i = 0; i < 4; i++) {
        near(v[i], log(exp(2) + 2) - 2, 1e-14); /* .239545 */
        near(v[4 + i], log(3), 1e-14);
    }
    near(v[0], 0.239545, 5e-7);
    graph_free(g);
    arena_free(a);
}

/* A field that is the same everywhere moves every point by it; v = c t moves t to t e^c, in 2^k steps to t (1 + c / 2^k)^(2^k),
 * as long as nothing runs over the end. */
static void flows_in_closed_form(void **state)
{
    (void)state;
    enum { N = 40 };
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *t = graph_iota(g, TYPE_F64, SHAPE(N), 0);
    node *outputs[3] = {op_flow(graph_fill(g, TYPE_F64, SHAPE(N), -2.5), 5), op_flow(op_scale(t, 0.1), 0), op_flow(op_scale(t, -0.3), 6)};
    double *v = numbers(a, g, outputs, 3);
    for (int i = 0; i < N; i++) {
        near(v[i], -2.5, 1e-13);
        near(v[N + i], 0.1 * i, 1e-13);
        near(v[2 * N + i], i * (pow(1 - 0.3 / 64, 64) - 1), 1e-12);
    }
    graph_free(g);
    arena_free(a);
}

/* meta_pretraining, check 9: a GIN layer, h <- (1 + eps) h + the sum of the neighbours', on a path of three nodes. */
static void a_graph_layer_on_a_path(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    static const struct {
        double h[3];
        int32_t from[4], to[4]; /* both ways of each edge */
    } named[2] = {{{1, 2, 3}, {0, 1, 1, 2}, {1, 0, 2, 1}}, {{3, 1, 2}, {1, 2, 2, 0}, {2, 1, 0, 2}}}; /* nodes 0, 1, 2 called 1, 2, 0 */
    node *outputs[4];
    for (int k = 0; k < 2; k++) {
        node *h = graph_constant(g, TYPE_F64, SHAPE(3, 1), named[k].h), *from = graph_constant(g, TYPE_I32, SHAPE(4), named[k].from);
        node *to = graph_constant(g, TYPE_I32, SHAPE(4), named[k].to);
        outputs[2 * k] = op_add(h, op_scatter_rows(op_gather_rows(h, from), to, 3));
        outputs[2 * k + 1] = op_reduce_mean(outputs[2 * k], AXES(0), false);
    }
    double *v = numbers(a, g, outputs, 4);
    const double expected[8] = {3, 6, 5, 14.0 / 3, 5, 3, 6, 14.0 / 3};
    for (int i = 0; i < 8; i++)
        near(v[i], expected[i], 1e-14);
    graph_free(g);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GENERATED_CHECKS,
        cmocka_unit_test(batches_agree_with_a_loop),
        cmocka_unit_test(gradients_agree_with_a_loop),
        cmocka_unit_test(laplacians_agree_with_forward_mode),
        cmocka_unit_test(softplus_is_smooth_and_never_overflows),
        cmocka_unit_test(norms_are_safe_at_zero),
        cmocka_unit_test(square_root_at_zero),
        cmocka_unit_test(logsumexp_with_nothing_in_it),
        cmocka_unit_test(sorting_carries_gradients_back),
        cmocka_unit_test(sums_by_index_are_those_of_the_table),
        cmocka_unit_test(sampling_between_points_and_beyond),
        cmocka_unit_test(factors_of_a_matrix_done_by_hand),
        cmocka_unit_test(straight_through_has_the_value_of_one_and_the_slope_of_the_other),
        cmocka_unit_test(draws_have_addresses),
        cmocka_unit_test(draws_are_normal),
        cmocka_unit_test(contrastive_losses_done_by_hand),
        cmocka_unit_test(flows_in_closed_form),
        cmocka_unit_test(a_graph_layer_on_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
