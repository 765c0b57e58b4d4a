/* The hand checks of bilevel_optimization.md with its own numbers, derived by graphs: a ridge of one number (section 7, checks 1 and 3),
 * starts that decide which of many solutions is found (4, 5, 10), fixed points of truncated hypergradients (6), and the rotating
 * constraint of section 6. f64. */
#include "derivatives.h"
#include "near.h"
#include "plans.h"

#include "graph/composite.h"
#include "solve/krylov.h"

#include <string.h>

static node *scalar(graph *g, const char *name)
{
    return graph_input(g, name, TYPE_F64, SHAPE_SCALAR);
}

/* ---- checks 1 and 3: f = 1/2 (2 w - 3)^2 + 1/2 e^l w^2, F = 1/2 (w - 1)^2 ---- */
static node *inner_ridge(node *w, node *l)
{
    return op_scale(op_add(op_square(op_shift(op_scale(w, 2), -3)), op_mul(op_exp(l), op_square(w))), 0.5);
}

static bool descend_ridge(void *context, int64_t step, node *const *state, node **next)
{
    (void)step;
    next[0] = op_sub(state[0], op_scale(gradient(inner_ridge(state[0], context), state[0]), 0.1));
    return next[0] != NULL;
}

/* What l is worth through `steps` steps of descent; *w: where they end. */
static double unrolled_ridge(double from, int64_t steps, double *w)
{
    graph *g = graph_new(NULL);
    node *l = scalar(g, "l"), *first = graph_scalar(g, TYPE_F64, from), *last;
    assert_true(graph_scan(g, steps, 0, descend_ridge, l, &first, 1, &last));
    node *outputs[2] = {last, gradient(op_scale(op_square(op_shift(last, -1)), 0.5), l)};
    plan *p = plan_of(g, outputs, 2, NULL);
    double zero = 0;
    plan_bind(p, l, &zero);
    run(p);
    *w = *(const double *)plan_output(p, 0);
    double out = *(const double *)plan_output(p, 1);
    plan_free(p);
    graph_free(g);
    return out;
}

typedef struct curvature {
    plan *p;
    node *v;
} curvature;

static status times_curvature(void *context, const double *x, double *y, error *err)
{
    curvature *c = context;
    plan_bind(c->p, c->v, x);
    TRY(plan_run(c->p, NULL, err));
    *y = *(const double *)plan_output(c->p, 2);
    return STATUS_OK;
}

static void a_ridge_of_one_number(void **state)
{
    (void)state;
    double w, l = 0, v = 1;
    NEAR(unrolled_ridge(0, 80, &w), -.048, 1e-14); /* to convergence: the derivative itself */
    NEAR(w, 1.2, 1e-14);
    NEAR(unrolled_ridge(1.2, 1, &w), -.024, 1e-14); /* from the optimum K steps are K terms */
    NEAR(unrolled_ridge(1.2, 2, &w), -.036, 1e-14);
    NEAR(w, 1.2, 1e-14);

    graph *g = graph_new(NULL);
    node *at = scalar(g, "w"), *level = scalar(g, "l"), *direction = scalar(g, "v"), *slope = gradient(inner_ridge(at, level), at);
    node *outputs[4] = {slope, gradient(op_scale(op_square(op_shift(at, -1)), 0.5), at), along(slope, at, direction),
                        gradient(op_mul(slope, direction), level)};
    curvature c = {plan_of(g, outputs, 4, NULL), direction};
    w = 1.2;
    plan_bind(c.p, at, &w);
    plan_bind(c.p, level, &l);
    plan_bind(c.p, direction, &v);
    run(c.p);
    double outer = *(const double *)plan_output(c.p, 1), h = *(const double *)plan_output(c.p, 2), mixed = *(const double *)plan_output(c.p, 3);
    NEAR(*(const double *)plan_output(c.p, 0), 0, 1e-15);
    NEAR(outer, .2, 1e-15);
    NEAR(h, 5, 1e-14);
    NEAR(mixed, 1.2, 1e-15);
    static const struct {
        size_t terms; /* K + 1 */
        double expected;
    } rows[] = {{1, -.024}, {2, -.036}, {3, -.042}, {6, -.04725}, {100, -.048}};
    linear_map map = {1, times_curvature, &c};
    double q;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(krylov_neumann(&map, &outer, .1, rows[i].terms, &q, NULL, NULL), STATUS_OK);
        NEAR(-mixed * q, rows[i].expected, 1e-14);
    }
    krylov_report report;
    assert_int_equal(krylov_cg(&map, &outer, &q, NULL, &report, NULL), STATUS_OK);
    NEAR(-mixed * q, -.048, 1e-14);
    NEAR(-mixed * outer, -.24, 1e-14); /* the identity in place of the inverse, without a: q = F_w */
    plan_free(c.p);
    graph_free(g);
}

/* ---- checks 4, 5 and 10: w1 + w2 = u has many solutions; which one is found depends on the start ---- */
static bool descend_sum(void *context, int64_t step, node *const *state, node **next)
{
    (void)step;
    node *f = op_scale(op_square(op_sub(op_sum_all(state[0]), context)), 0.5);
    next[0] = op_sub(state[0], op_scale(gradient(f, state[0]), 0.3)); /* the curvature is 2: misses shrink by .4 a step */
    return next[0] != NULL;
}

typedef struct sums {
    graph *g;
    node *u, *w0;
    plan *p; /* w, f, F, dF/du through all steps */
} sums;

static sums make_sums(void)
{
    sums s = {.g = graph_new(NULL)};
    node *last;
    s.u = scalar(s.g, "u");
    s.w0 = graph_input(s.g, "w0", TYPE_F64, SHAPE(2));
    assert_true(graph_scan(s.g, 45, 0, descend_sum, s.u, &s.w0, 1, &last));
    node *goal = graph_constant(s.g, TYPE_F64, SHAPE(2), (double[]){1, 0}), *f = op_square(op_sub(op_sum_all(last), s.u));
    node *outer = op_scale(op_sum_all(op_square(op_sub(last, goal))), 0.5);
    node *outputs[4] = {last, op_scale(f, 0.5), outer, gradient(outer, s.u)};
    s.p = plan_of(s.g, outputs, 4, NULL);
    return s;
}

static const double *solve_sum(sums *s, const double *u, const double *w0)
{
    plan_bind(s->p, s->u, u);
    plan_bind(s->p, s->w0, w0);
    run(s->p);
    return plan_output(s->p, 0);
}

static void starts_decide_which_solution_is_found(void **state)
{
    (void)state;
    sums s = make_sums();
    const double zero[2] = {0, 0}, goal[2] = {1, 0}, far[2] = {3, 1};
    double u = 2;
    const double *w = solve_sum(&s, &u, far); /* check 5: the nearest point */
    NEAR(w[0], 2, 1e-14);
    NEAR(w[1], 0, 1e-14);
    u = 0;
    for (int t = 0; t < 60; t++) { /* check 4, cold: w = (u / 2, u / 2), so that F has its least at u = 1 */
        w = solve_sum(&s, &u, zero);
        NEAR(w[0], u / 2, 1e-14);
        NEAR(w[1], u / 2, 1e-14);
        u -= *(const double *)plan_output(s.p, 3);
    }
    NEAR(u, 1, 1e-14);
    u = 1;
    solve_sum(&s, &u, zero);
    double cold_f = *(const double *)plan_output(s.p, 1), cold = *(const double *)plan_output(s.p, 2);
    w = solve_sum(&s, &u, goal); /* warm: it stays where it is */
    NEAR(w[0], 1, 0);
    NEAR(w[1], 0, 0);
    NEAR(cold, .25, 1e-14);
    NEAR(*(const double *)plan_output(s.p, 2), 0, 0);
    NEAR(cold_f, *(const double *)plan_output(s.p, 1), 1e-28); /* check 10: the same u and f, another F */
    plan_free(s.p);
    graph_free(s.g);
}

/* ---- check 6: f = 1/2 sum h_j (w_j - u)^2, F = 1/2 |w - t|^2 has no u with F = 0 ---- */
static const double stiffness[2] = {1, .01};

static bool descend_stiff(void *context, int64_t step, node *const *state, node **next)
{
    (void)step;
    node *h = graph_constant(state[0]->graph, TYPE_F64, SHAPE(2), stiffness);
    next[0] = op_sub(state[0], op_mul(h, op_sub(state[0], context))); /* a = 1 */
    return next[0] != NULL;
}

static status times_stiffness(void *context, const double *x, double *y, error *err)
{
    (void)context, (void)err;
    for (int i = 0; i < 2; i++)
        y[i] = stiffness[i] * x[i];
    return STATUS_OK;
}

/* dF/du at w = w*(u): through `steps` steps from it, or (0) by a system with the damped curvature. */
static double stiff_slope(double u, int64_t steps, double damping)
{
    const double goal[2] = {1, 0}, miss[2] = {u - 1, u};
    double q[2];
    if (!steps) {
        krylov_report report;
        linear_map map = {2, times_stiffness, NULL};
        assert_int_equal(krylov_cg(&map, miss, q, &(krylov_options){.damping = damping, .tolerance = 1e-14}, &report, NULL), STATUS_OK);
        return stiffness[0] * q[0] + stiffness[1] * q[1]; /* f_wu = -h */
    }
    graph *g = graph_new(NULL);
    node *at = scalar(g, "u"), *first = graph_constant(g, TYPE_F64, SHAPE(2), (double[]){u, u}), *last;
    assert_true(graph_scan(g, steps, 0, descend_stiff, at, &first, 1, &last));
    node *outer = op_scale(op_sum_all(op_square(op_sub(last, graph_constant(g, TYPE_F64, SHAPE(2), goal)))), 0.5), *d = gradient(outer, at);
    plan *p = plan_of(g, &d, 1, NULL);
    plan_bind(p, at, &u);
    run(p);
    double out = *(const double *)plan_output(p, 0);
    plan_free(p);
    graph_free(g);
    return out;
}

static void truncation_moves_the_fixed_point(void **state)
{
    (void)state;
    static const struct {
        int64_t steps;
        double damping, u, tolerance;
    } rows[] = {{0, 0, .5, 1e-12}, {1, 0, .990099, 5e-7}, {100, 0, .612, 5e-4}, {0, 1, .980583, 5e-7}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double u = 0, slope = 1;
        for (int t = 0; t < 200 && fabs(slope) > 1e-14; t++)
            u -= .7 * (slope = stiff_slope(u, rows[i].steps, rows[i].damping));
        NEAR(u, rows[i].u, rows[i].tolerance);
        if (rows[i].steps)
            NEAR(u, 1 / (2 - pow(.99, (double)rows[i].steps)), 1e-12);
    }
}

/* ---- section 6, 1: a constraint that turns: f = 1/2 (w . x(u) - 1)^2, x(u) = (cos u, sin u), F = 1/2 |w - (2, 0)|^2 ---- */
typedef struct turning {
    graph *g;
    node *u, *from;
    plan *p; /* the nearest solution to `from`, F there, dF/du through it, dF/du by the pseudo-inverse */
} turning;

static turning make_turning(void)
{
    turning t = {.g = graph_new(NULL)};
    t.u = scalar(t.g, "u");
    t.from = graph_input(t.g, "from", TYPE_F64, SHAPE(2));
    node *parts[2] = {op_reshape(op_cos(t.u), SHAPE(1)), op_reshape(op_sin(t.u), SHAPE(1))}, *x = op_concat(parts, 2, 0);
    node *w = op_sub(t.from, op_mul(x, op_shift(op_sum_all(op_mul(t.from, x)), -1)));
    node *goal = graph_constant(t.g, TYPE_F64, SHAPE(2), (double[]){2, 0}), *outer = op_scale(op_sum_all(op_square(op_sub(w, goal))), 0.5);
    /* The curvature is x x^T, its own pseudo-inverse: q = x (x . F_w), and -d <f_w, q> / du with w and q held. */
    node *held = op_stop_gradient(w), *q = op_stop_gradient(op_mul(x, op_sum_all(op_mul(x, op_sub(held, goal)))));
    node *f = op_scale(op_square(op_shift(op_sum_all(op_mul(held, x)), -1)), 0.5);
    node *outputs[4] = {w, outer, gradient(outer, t.u), op_neg(gradient(op_sum_all(op_mul(gradient(f, held), q)), t.u))};
    t.p = plan_of(t.g, outputs, 4, NULL);
    return t;
}

static void a_constraint_that_turns(void **state)
{
    (void)state;
    static const double turn = -1.0471975511965976; /* -pi / 3 */
    static const struct {
        bool warm, pseudo_inverse;
        double rate, u0, w0[2], u, w[2], value, tolerance;
    } rows[] = {
        {false, false, .05, .3, {0, 0}, 0, {1, 0}, .5, 1e-12},
        {true, false, .05, .3, {0, 0}, turn, {1.66, -.20}, .078, 5e-4},
        {true, false, .5, .3, {0, 0}, turn, {1.60, -.23}, .109, 5e-4},
        {true, false, .5, 1.2, {0, 0}, turn, {1.81, -.11}, .023, 5e-4},
        {true, true, .05, .3, {0, 0}, .3, {.96, .30}, .589, 5e-4}, /* it does not move */
        {false, true, .05, .3, {0, 0}, .3, {.96, .30}, .589, 5e-4},
        {true, true, .05, .3, {0, .5}, turn, {2.06, .03}, .0022, 5e-5},
        {false, true, .05, .3, {0, .5}, turn, {.72, -.74}, 1.098, 5e-4},
    };
    turning t = make_turning();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double u = rows[i].u0, from[2] = {rows[i].w0[0], rows[i].w0[1]};
        plan_bind(t.p, t.u, &u);
        plan_bind(t.p, t.from, from);
        for (int step = 0; step < 20000; step++) {
            run(t.p);
            if (rows[i].warm)
                memcpy(from, plan_output(t.p, 0), sizeof from);
            u -= rows[i].rate * *(const double *)plan_output(t.p, rows[i].pseudo_inverse ? 3 : 2);
        }
        const double *w = plan_output(t.p, 0);
        NEAR(u, rows[i].u, 1e-12);
        NEAR(w[0], rows[i].w[0], 5e-3);
        NEAR(w[1], rows[i].w[1], 5e-3);
        NEAR(*(const double *)plan_output(t.p, 1), rows[i].value, rows[i].tolerance);
    }
    double u = turn, zero[2] = {0, 0}; /* retrained from nothing with the u that the warm start found */
    plan_bind(t.p, t.u, &u);
    plan_bind(t.p, t.from, zero);
    run(t.p);
    const double *w = plan_output(t.p, 0);
    NEAR(w[0], .5, 1e-14);
    NEAR(w[1], -.866, 5e-4);
    NEAR(*(const double *)plan_output(t.p, 1), 1.5, 1e-14);
    plan_free(t.p);
    graph_free(t.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ridge_of_one_number),
        cmocka_unit_test(starts_decide_which_solution_is_found),
        cmocka_unit_test(truncation_moves_the_fixed_point),
        cmocka_unit_test(a_constraint_that_turns),
    };
    return cmocka_run_group_tests_name("graph/bilevel", tests, NULL, NULL);
}
