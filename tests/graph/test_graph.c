/* The checks that can be done by hand: derivatives of any order, both modes, products with second derivatives. */
#include "derivatives.h"
#include "graph/ops.h"
#include "graph/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("expected %.17g, found %.17g", expected, found);
}

/* Runs the graph and copies the elements of each output (f64) behind each other. */
static void evaluate(graph *g, node *const *outputs, size_t count, double *values)
{
    plan *p;
    error err = {0};
    if (plan_new(g, outputs, count, NULL, &p, &err) != STATUS_OK || plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count; i++) {
        size_t n = (size_t)shape_count(outputs[i]->shape);
        memcpy(values, plan_output(p, i), n * sizeof(double));
        values += n;
    }
    plan_free(p);
}

static node *number(graph *g, double value)
{
    return graph_constant(g, TYPE_F64, SHAPE_SCALAR, &value);
}

static node *vector(graph *g, const double *values, int64_t n)
{
    return graph_constant(g, TYPE_F64, SHAPE(n), values);
}

static node *tangent(node *y, node *x)
{
    node *d, *one = graph_fill(x->graph, TYPE_F64, x->shape, 1);
    assert_true(graph_jvp(&y, 1, &x, &one, 1, &d));
    return d;
}

static void gradients_of_slices_are_joined(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_fill(g, TYPE_F64, SHAPE(2, 6), 0), *sum = NULL;
    for (int i = 0; i < 3; i++) {
        node *part = op_scale(op_slice(x, -1, 2 * i, 2 * i + 2), i + 1);
        sum = sum ? op_add(sum, part) : part;
    }
    node *d = gradient(op_sum_all(sum), x);
    assert_int_equal(d->op, OP_CONCAT);
    assert_int_equal(d->source_count, 3);
    double values[12], expected[12] = {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3};
    evaluate(g, &d, 1, values);
    assert_memory_equal(values, expected, sizeof expected);
    node *apart = gradient(op_sum_all(op_add(op_slice(x, -1, 0, 2), op_slice(x, -1, 4, 6))), x);
    evaluate(g, &apart, 1, values);
    assert_memory_equal(values, ((double[12]){1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1}), sizeof values);
    graph_free(g);
}

static void cube_has_three_derivatives(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = number(g, 2), *y = op_mul(x, op_mul(x, x));
    node *d1 = gradient(y, x), *d2 = gradient(d1, x), *d3 = gradient(d2, x), *d4 = gradient(d3, x);
    node *f1 = tangent(y, x), *f2 = tangent(f1, x), *f3 = tangent(f2, x), *mixed = tangent(gradient(y, x), x);
    node *outputs[] = {y, d1, d2, d3, d4, f1, f2, f3, mixed};
    double v[9], expected[9] = {8, 12, 12, 6, 0, 12, 12, 6, 12};
    evaluate(g, outputs, 9, v);
    for (int i = 0; i < 9; i++)
        assert_near(v[i], expected[i], 1e-12);
    graph_free(g);
}

static void hessian_times_vector(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *p = vector(g, (double[]){1, 2}, 2), *v = vector(g, (double[]){1, 1}, 2);
    node *x = op_slice(p, 0, 0, 1), *y = op_slice(p, 0, 1, 2);
    node *f = op_sum_all(op_mul(op_square(x), y)), *df = gradient(f, p), *forward, *reverse;
    assert_true(graph_jvp(&df, 1, &p, &v, 1, &forward));
    assert_true(graph_grad(df, &p, 1, v, &reverse));
    node *outputs[7] = {df, forward, reverse}, *units[2] = {vector(g, (double[]){1, 0}, 2), vector(g, (double[]){0, 1}, 2)};
    for (int i = 0; i < 2; i++) { /* H = [[2 y, 2 x], [2 x, 0]], row by row, both ways */
        assert_true(graph_jvp(&df, 1, &p, &units[i], 1, &outputs[3 + i]));
        assert_true(graph_grad(df, &p, 1, units[i], &outputs[5 + i]));
    }
    double values[14], expected[14] = {4, 1, 6, 2, 6, 2, 4, 2, 2, 0, 4, 2, 2, 0};
    evaluate(g, outputs, 7, values);
    for (int i = 0; i < 14; i++)
        assert_near(values[i], expected[i], 1e-12);
    graph_free(g);
}

/* Inputs that stand beside earlier nodes are found when they are bound. */
static void tangents_that_are_inputs(void **state)
{
    (void)state;
    static const double values[3] = {2, 3, 5}, along[3] = {0.5, -1, 2}, expected[3] = {19, 18, 2};
    static const char *const names[6] = {"w0", "w1", "w2", "t0", "t1", "t2"};
    graph *g = graph_new(NULL);
    node *w[3], *t[3], *gradients[3], *products[3];
    for (int i = 0; i < 3; i++)
        w[i] = graph_input(g, names[i], TYPE_F64, SHAPE(1));
    node *f = op_sum_all(op_mul(op_mul(op_square(w[0]), w[1]), w[2])); /* w0^2 w1 w2 */
    for (int i = 2; i >= 0; i--)
        t[i] = graph_input(g, names[3 + i], TYPE_F64, SHAPE(1));
    assert_true(graph_grad(f, w, 3, NULL, gradients));
    assert_true(graph_jvp(gradients, 3, w, t, 3, products));
    plan *p;
    assert_int_equal(plan_new(g, products, 3, NULL, &p, NULL), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        plan_bind(p, w[i], &values[i]);
        plan_bind(p, t[i], &along[i]);
    }
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < 3; i++)
        assert_near(*(const double *)plan_output(p, (size_t)i), expected[i], 1e-12);
    plan_free(p);
    graph_free(g);
}

static void softmax_and_its_jacobian(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = vector(g, (double[]){0, log(2), log(3)}, 3), *p = op_softmax(x), *outputs[7] = {p};
    for (int i = 0; i < 3; i++) {
        node *unit = vector(g, (double[]){i == 0, i == 1, i == 2}, 3);
        assert_true(graph_grad(p, &x, 1, unit, &outputs[1 + i]));
    }
    double v[3] = {0.3, -1, 2};
    node *lse = op_log(op_sum_all(op_exp(x))), *direction = vector(g, v, 3), *d = gradient(lse, x);
    assert_true(graph_jvp(&d, 1, &x, &direction, 1, &outputs[4]));
    double values[15], probability[3] = {1.0 / 6, 1.0 / 3, 0.5}, mean = 0;
    evaluate(g, outputs, 5, values);
    for (int i = 0; i < 3; i++) {
        assert_near(values[i], probability[i], 1e-15);
        assert_near(values[3 + 3 * i] + values[4 + 3 * i] + values[5 + 3 * i], 0, 1e-15);
        mean += probability[i] * v[i];
    }
    for (int i = 0; i < 3; i++)
        assert_near(values[12 + i], probability[i] * v[i] - probability[i] * mean, 1e-15);
    graph_free(g);
}

/* A net of tanh, 3-16-1: H v by forward over reverse, reverse over reverse, and differences of the gradient. */
static void second_derivatives_of_a_net(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    double w1[48], w2[16], at[3] = {0.2, -0.5, 0.9}, v[3] = {1, -2, 0.5}, h = 1e-5;
    for (int i = 0; i < 48; i++)
        w1[i] = sin(1.0 + i * 1.7);
    for (int i = 0; i < 16; i++)
        w2[i] = cos(0.3 + i * 2.1);
    node *x = graph_input(g, "x", TYPE_F64, SHAPE(1, 3)), *direction = graph_constant(g, TYPE_F64, SHAPE(1, 3), v);
    node *hidden = op_tanh(op_linear(x, graph_constant(g, TYPE_F64, SHAPE(16, 3), w1)));
    node *y = op_sum_all(op_linear(hidden, graph_constant(g, TYPE_F64, SHAPE(1, 16), w2)));
    node *dy = gradient(y, x), *outputs[3] = {dy};
    assert_true(graph_jvp(&dy, 1, &x, &direction, 1, &outputs[1]));
    assert_true(graph_grad(dy, &x, 1, direction, &outputs[2]));
    plan *p;
    assert_int_equal(plan_new(g, outputs, 3, NULL, &p, NULL), STATUS_OK);
    double difference[3] = {0}, forward[3], reverse[3];
    for (int side = 1; side >= -1; side--) {
        double moved[3];
        for (int i = 0; i < 3; i++)
            moved[i] = at[i] + side * h * v[i];
        plan_bind(p, x, moved);
        assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
        for (int i = 0; i < 3; i++)
            difference[i] += side * ((const double *)plan_output(p, 0))[i] / (2 * h);
        if (side == 0) {
            memcpy(forward, plan_output(p, 1), sizeof forward);
            memcpy(reverse, plan_output(p, 2), sizeof reverse);
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_near(forward[i], reverse[i], 1e-12);
        assert_near(forward[i], difference[i], 1e-8);
    }
    plan_free(p);
    graph_free(g);
}

static void mixed_second_derivative(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *w = number(g, 3), *phi = number(g, 0.7), *q = number(g, 5);
    node *dw = gradient(op_mul(phi, op_square(w)), w), *mixed = gradient(op_mul(dw, q), phi);
    double value;
    evaluate(g, &mixed, 1, &value);
    assert_near(value, 2 * 3 * 5, 1e-12);
    graph_free(g);
}

static void gradients_of_inner_nodes_are_total(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = number(g, 2), *h = op_exp(x), *y = op_mul(h, x), *wrt[2] = {x, h}, *d[2];
    assert_true(graph_grad(y, wrt, 2, NULL, d));
    double v[2];
    evaluate(g, d, 2, v);
    assert_near(v[0], 3 * exp(2), 1e-12);
    assert_near(v[1], 2, 1e-12);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_slices_are_joined), cmocka_unit_test(cube_has_three_derivatives),
        cmocka_unit_test(hessian_times_vector),           cmocka_unit_test(softmax_and_its_jacobian),
        cmocka_unit_test(second_derivatives_of_a_net),    cmocka_unit_test(mixed_second_derivative),
        cmocka_unit_test(gradients_of_inner_nodes_are_total), cmocka_unit_test(tangents_that_are_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
