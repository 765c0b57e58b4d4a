/* Losses that are graphs, brought to their least value by the solvers: ridge regression against its closed form, logistic regression by
 * L-BFGS and by Newton-CG (products with the Hessian, forward over reverse) against each other, and what Newton-CG does where
 * the curvature is negative. f64, 1e-10. */
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "solve/dense.h"
#include "solve/newton.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 120, WIDTH = 9 };
static const double strength = 0.02;
static double x[ROWS][WIDTH], y[ROWS], classes[ROWS];

static void make_data(void)
{
    random_stream r = random_stream_at(6, "test/minimise", 0, 0, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        double sum = 0.3 * random_normal(&r);
        for (int k = 0; k < WIDTH; k++) {
            x[i][k] = random_normal(&r) * (k + 1); /* columns of unlike size: the curvature is uneven */
            sum += x[i][k] * (k % 3 - 1.0);
        }
        y[i] = sum;
        classes[i] = random_uniform(&r) < 1 / (1 + exp(-sum / 4));
    }
}

/* ---- a loss as a function of flat numbers ---- */
typedef struct problem {
    graph *g;
    node *w, *v;
    plan *loss, *product; /* value and gradient; H v */
    double at[WIDTH], along[WIDTH];
} problem;

static status evaluate(void *context, const double *at, double *value, double *gradient, error *err)
{
    problem *p = context;
    memcpy(p->at, at, sizeof p->at);
    TRY(plan_run(p->loss, NULL, err));
    *value = *(const double *)plan_output(p->loss, 0);
    memcpy(gradient, plan_output(p->loss, 1), sizeof p->at);
    return STATUS_OK;
}

static status times_hessian(void *context, const double *at, const double *v, double *out, error *err)
{
    problem *p = context;
    memcpy(p->at, at, sizeof p->at);
    memcpy(p->along, v, sizeof p->along);
    TRY(plan_run(p->product, NULL, err));
    memcpy(out, plan_output(p->product, 0), sizeof p->along);
    return STATUS_OK;
}

static node *half_ridge(node *w)
{
    return op_scale(op_sum_all(op_square(w)), strength / 2);
}

static node *scores(node *w)
{
    node *rows = graph_constant(w->graph, TYPE_F64, SHAPE(ROWS, WIDTH), x);
    return op_reshape(op_linear(rows, op_reshape(w, SHAPE(1, WIDTH))), SHAPE(ROWS));
}

static node *ridge(node *w)
{
    node *miss = op_sub(scores(w), graph_constant(w->graph, TYPE_F64, SHAPE(ROWS), y));
    return op_add(op_scale(op_reduce_mean(op_square(miss), AXES(0), false), 0.5), half_ridge(w));
}

static node *logistic(node *w)
{
    node *each = op_binary_cross_entropy(scores(w), graph_constant(w->graph, TYPE_F64, SHAPE(ROWS), classes));
    return op_add(op_reduce_mean(each, AXES(0), false), half_ridge(w));
}

/* Saddles: sum of (w^2 - 1)^2 / 4, concave around 0. */
static node *wells(node *w)
{
    return op_scale(op_sum_all(op_square(op_shift(op_square(w), -1))), 0.25);
}

static void open_problem(problem *p, node *(*loss)(node *))
{
    *p = (problem){.g = graph_new(NULL)};
    node *outputs[2], *product;
    error err = {0};
    p->w = graph_input(p->g, "w", TYPE_F64, SHAPE(WIDTH));
    p->v = graph_input(p->g, "v", TYPE_F64, SHAPE(WIDTH));
    outputs[0] = loss(p->w);
    assert_true(graph_grad(outputs[0], &p->w, 1, NULL, &outputs[1]));
    assert_true(graph_jvp(&outputs[1], 1, &p->w, &p->v, 1, &product));
    if (plan_new(p->g, outputs, 2, NULL, &p->loss, &err) != STATUS_OK || plan_new(p->g, &product, 1, NULL, &p->product, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    plan_bind(p->loss, p->w, p->at);
    plan_bind(p->product, p->w, p->at);
    plan_bind(p->product, p->v, p->along);
}

static void close_problem(problem *p)
{
    plan_free(p->loss);
    plan_free(p->product);
    graph_free(p->g);
}

static void all_near(const double *found, const double *expected, double tolerance)
{
    for (int k = 0; k < WIDTH; k++)
        if (!(fabs(found[k] - expected[k]) <= tolerance))
            fail_msg("number %d: found %.15g, expected %.15g", k, found[k], expected[k]);
}

/* (X^T X / n + strength) w = X^T y / n */
static void ridge_in_closed_form(double w[WIDTH])
{
    double a[WIDTH * WIDTH];
    for (int i = 0; i < WIDTH; i++) {
        w[i] = 0;
        for (int r = 0; r < ROWS; r++)
            w[i] += x[r][i] * y[r] / ROWS;
        for (int j = 0; j < WIDTH; j++) {
            a[i * WIDTH + j] = i == j ? strength : 0;
            for (int r = 0; r < ROWS; r++)
                a[i * WIDTH + j] += x[r][i] * x[r][j] / ROWS;
        }
    }
    assert_int_equal(dense_solve(WIDTH, a, 1, w, NULL), STATUS_OK);
}

static void ridge_regression(void **state)
{
    (void)state;
    double expected[WIDTH], found[WIDTH] = {0}, again[WIDTH] = {0};
    problem p;
    lbfgs_report by_pairs;
    newton_report by_products;
    ridge_in_closed_form(expected);
    open_problem(&p, ridge);
    assert_int_equal(lbfgs_minimise(evaluate, &p, WIDTH, found, &(lbfgs_options){.tolerance = 1e-12}, &by_pairs, NULL), STATUS_OK);
    assert_true(by_pairs.gradient < 1e-11);
    all_near(found, expected, 1e-10);
    assert_int_equal(newton_minimise(evaluate, times_hessian, &p, WIDTH, again, &(newton_options){.tolerance = 1e-12}, &by_products, NULL), STATUS_OK);
    all_near(again, expected, 1e-10);
    assert_true(by_products.steps <= 12); /* a parabola: only as many as the solves are cut short */
    close_problem(&p);
}

static void logistic_regression(void **state)
{
    (void)state;
    double found[WIDTH] = {0}, again[WIDTH] = {0}, gradient[WIDTH], value;
    problem p;
    lbfgs_report by_pairs;
    newton_report by_products;
    open_problem(&p, logistic);
    assert_int_equal(lbfgs_minimise(evaluate, &p, WIDTH, found, &(lbfgs_options){.tolerance = 1e-11}, &by_pairs, NULL), STATUS_OK);
    assert_true(by_pairs.converged);
    assert_int_equal(newton_minimise(evaluate, times_hessian, &p, WIDTH, again, &(newton_options){.tolerance = 1e-11}, &by_products, NULL), STATUS_OK);
    assert_true(by_products.converged && by_products.steps < by_pairs.steps);
    all_near(again, found, 1e-9);
    /* The gradient at the end, by hand. */
    assert_int_equal(evaluate(&p, again, &value, gradient, NULL), STATUS_OK);
    for (int k = 0; k < WIDTH; k++) {
        double sum = strength * again[k];
        for (int r = 0; r < ROWS; r++) {
            double score = 0;
            for (int j = 0; j < WIDTH; j++)
                score += x[r][j] * again[j];
            sum += (1 / (1 + exp(-score)) - classes[r]) * x[r][k] / ROWS;
        }
        assert_true(fabs(sum) < 1e-10);
    }
    assert_true(value < log(2) && fabs(value - by_products.value) < 1e-12);
    close_problem(&p);
}

static void negative_curvature_is_gone_downhill(void **state)
{
    (void)state;
    double found[WIDTH], expected[WIDTH];
    for (int k = 0; k < WIDTH; k++) {
        found[k] = k % 2 ? 0.05 * (k + 1) : -0.03 * (k + 1);
        expected[k] = k % 2 ? 1 : -1;
    }
    problem p;
    newton_report r;
    open_problem(&p, wells);
    assert_int_equal(newton_minimise(evaluate, times_hessian, &p, WIDTH, found, &(newton_options){.tolerance = 1e-12}, &r, NULL), STATUS_OK);
    assert_true(r.converged);
    all_near(found, expected, 1e-10);
    close_problem(&p);
}

static status broken(void *context, const double *at, double *value, double *gradient, error *err)
{
    (void)context, (void)at, (void)err;
    *value = NAN;
    memset(gradient, 0, WIDTH * sizeof *gradient);
    return STATUS_OK;
}

static status no_product(void *context, const double *at, const double *v, double *out, error *err)
{
    (void)context, (void)at, (void)v, (void)out;
    return error_set(err, STATUS_LIMIT, "no more products");
}

static void failures_are_passed_on(void **state)
{
    (void)state;
    double at[WIDTH] = {1};
    problem p;
    newton_report r;
    error err = {0};
    assert_int_equal(newton_minimise(broken, no_product, NULL, WIDTH, at, NULL, &r, &err), STATUS_INVALID);
    open_problem(&p, ridge);
    assert_int_equal(newton_minimise(evaluate, no_product, &p, WIDTH, at, NULL, &r, &err), STATUS_LIMIT);
    assert_string_equal(err.message, "no more products");
    close_problem(&p);
}

int main(void)
{
    make_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ridge_regression),
        cmocka_unit_test(logistic_regression),
        cmocka_unit_test(negative_curvature_is_gone_downhill),
        cmocka_unit_test(failures_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
