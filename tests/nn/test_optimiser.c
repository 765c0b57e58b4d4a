/* Optimisers as graphs: steps worked out by hand, Muon's iterates from known singular values, and steps as functions that are
 * differentiated (autodiff_needs, checks 6 and 7). */
#include "graph/composite.h"
#include "graph/plan.h"
#include "nn/optimiser.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g (within %.2g)", found, expected, tolerance);
}

static plan *plan_of(node *const *outputs, size_t count)
{
    plan *p;
    error err = {0};
    if (plan_new(outputs[0]->graph, outputs, count, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

static void run(plan *p)
{
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void values_of(node *n, double *out)
{
    plan *p = plan_of(&n, 1);
    run(p);
    memcpy(out, plan_output(p, 0), (size_t)shape_count(n->shape) * sizeof *out);
    plan_free(p);
}

static double value_of(node *n)
{
    double out;
    values_of(n, &out);
    return out;
}

static node *rates_of(graph *g, const optimiser *o, int64_t step, double learning_rate, double factor)
{
    double rates[OPTIMISER_RATES];
    optimiser_rates(o, step, learning_rate, rates);
    rates[3] = factor;
    return graph_constant(g, TYPE_F64, SHAPE(OPTIMISER_RATES), rates);
}

/* ---- SGD ---- */

/* A number that begins at 1, after steps with gradients 1 and 2. */
static double two_steps(const optimiser *o, double factor)
{
    graph *g = graph_new(NULL);
    node *w = graph_scalar(g, TYPE_F64, 1), *m = graph_scalar(g, TYPE_F64, 0);
    assert_int_equal(optimiser_states(o, false), o->momentum > 0);
    for (int i = 0; i < 2; i++)
        assert_true(optimiser_update(o, false, w, &m, graph_scalar(g, TYPE_F64, i + 1), rates_of(g, o, i, 0.1, factor), &w, &m));
    double out = value_of(w);
    graph_free(g);
    return out;
}

static void steps_of_sgd(void **state)
{
    (void)state;
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD}, 1), 0.7, 1e-15);
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD}, 0.5), 0.85, 1e-15);                                       /* clipped */
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD, .momentum = 0.9}, 1), 0.61, 1e-15);                        /* m = 1, 2.9 */
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD, .momentum = 0.9, .nesterov = true}, 1), 0.349, 1e-15);      /* 1.9, 4.61 */
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD, .decay = 0.5}, 1), 0.6075, 1e-15);                          /* g = 1.5, 2.425 */
    near(two_steps(&(optimiser){.kind = OPTIMISER_SGD, .decay = 0.5, .momentum = 0.9}, 0.5), 0.665, 1e-15);  /* m = 1, 2.35 */
}

/* ---- Muon ---- */

/* What five steps make of a singular value that is a share s of the Frobenius norm. */
static double five_times(double s)
{
    for (int i = 0; i < MUON_STEPS; i++)
        s = 3.4445 * s - 4.7750 * s * s * s + 2.0315 * s * s * s * s * s;
    return s;
}

/* U diag(s) V^T with U a turn in the plane and V two orthonormal rows in space; tall: transposed. */
static void with_singular_values(const double s[2], bool tall, double out[6])
{
    const double c = 0.6, d = 0.8, v[2][3] = {{2.0 / 3, 1.0 / 3, 2.0 / 3}, {-1 / sqrt(2), 0, 1 / sqrt(2)}};
    const double u[2][2] = {{c, -d}, {d, c}};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            out[tall ? 2 * k + i : 3 * i + k] = u[i][0] * s[0] * v[0][k] + u[i][1] * s[1] * v[1][k];
}

static void singular_values_go_through_the_polynomial(void **state)
{
    (void)state;
    const double s[2] = {3, 0.2}, norm = sqrt(9.04), expected[2] = {five_times(3 / norm), five_times(0.2 / norm)};
    assert_true(expected[0] > 0.6 && expected[0] < 1.3 && expected[1] > 0.6 && expected[1] < 1.3);
    for (int tall = 0; tall < 2; tall++) {
        graph *g = graph_new(NULL);
        double x[6], y[6], wanted[6];
        with_singular_values(s, tall, x);
        with_singular_values(expected, tall, wanted);
        values_of(optimiser_orthogonal(graph_constant(g, TYPE_F64, tall ? SHAPE(3, 2) : SHAPE(2, 3), x), MUON_STEPS), y);
        for (int i = 0; i < 6; i++)
            near(y[i], wanted[i], 1e-13);
        graph_free(g);
    }
}

/* Two steps with one gradient: m = (1 - mu) g, then (1 - mu^2) g, and Nesterov's direction is a multiple of g both times, which
 * the norm takes away: both steps are rate scale U p(s) V^T, and decay shrinks the value first. */
static void steps_of_muon(void **state)
{
    (void)state;
    const double s[2] = {1, 1}, one = five_times(1 / sqrt(2)), polished[2] = {one, one};
    for (int variant = 0; variant < 4; variant++) {
        bool tall = variant & 1, original = variant & 2;
        optimiser o = {.kind = OPTIMISER_MUON, .momentum = 0.95, .nesterov = true, .decay = 0.5,
                       .scale = original ? MUON_SCALE_ORIGINAL : MUON_SCALE_MATCH};
        double scale = original ? sqrt(tall ? 1.5 : 1) : 0.2 * sqrt(3), gradient[6], step[6], found[6];
        graph *g = graph_new(NULL);
        shape form = tall ? SHAPE(3, 2) : SHAPE(2, 3);
        with_singular_values(s, tall, gradient);
        with_singular_values(polished, tall, step);
        node *w = graph_fill(g, TYPE_F64, form, 1), *m = graph_fill(g, TYPE_F64, form, 0), *d = graph_constant(g, TYPE_F64, form, gradient);
        assert_int_equal(optimiser_states(&o, true), 1);
        for (int i = 0; i < 2; i++)
            assert_true(optimiser_update(&o, true, w, &m, d, rates_of(g, &o, i, 0.1, 1), &w, &m));
        values_of(w, found);
        for (int i = 0; i < 6; i++)
            near(found[i], 0.95 * (0.95 - 0.1 * scale * step[i]) - 0.1 * scale * step[i], 1e-13);
        graph_free(g);
    }
}

/* What is no matrix takes AdamW's step, of the rate's size at first whatever the gradient (check 7). */
static void the_rest_takes_adamw(void **state)
{
    (void)state;
    const optimiser ways[2] = {{.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
                               {.kind = OPTIMISER_MUON, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .momentum = 0.9}};
    for (int i = 0; i < 2; i++) {
        graph *g = graph_new(NULL);
        node *zero = graph_scalar(g, TYPE_F64, 0), *states[2] = {zero, zero}, *kept[2], *next, *slope;
        node *w = graph_scalar(g, TYPE_F64, 3), *d = graph_scalar(g, TYPE_F64, -0.2);
        assert_int_equal(optimiser_states(&ways[i], false), 2);
        assert_true(optimiser_update(&ways[i], false, w, states, d, rates_of(g, &ways[i], 0, 0.01, 1), &next, kept));
        near(value_of(next), 3 + 0.01 * 0.2 / (0.2 + 1e-8), 1e-14);
        assert_true(graph_grad(next, &d, 1, NULL, &slope));
        near(value_of(slope), -0.01 * 1e-8 / (0.2 * 0.2), 1e-9); /* about 0 */
        graph_free(g);
    }
}

/* ---- differentiated ---- */
typedef struct descent {
    const optimiser *how;
    node *rate, *curvature;
    bool matrix;
} descent;

/* A step on curvature / 2 sum(w^2) + sum(w^4) / 10; state: w and what is kept. */
static bool descend(void *context, int64_t step, node *const *state, node **next)
{
    const descent *d = context;
    node *w = state[0], *slope, *square = op_square(w);
    node *loss = op_add(op_mul(op_scale(d->curvature, 0.5), op_sum_all(square)), op_scale(op_sum_all(op_square(square)), 0.1));
    double rates[3];
    optimiser_rates(d->how, step, 1, rates);
    node *parts[2] = {d->rate, graph_constant(w->graph, TYPE_F64, SHAPE(3), (double[]){rates[1], rates[2], 1})};
    return graph_grad(loss, &w, 1, NULL, &slope) &&
           optimiser_update(d->how, d->matrix, w, state + 1, slope, op_concat(parts, 2, 0), &next[0], &next[1]);
}

static const optimiser kinds[] = {
    {.kind = OPTIMISER_SGD},
    {.kind = OPTIMISER_SGD, .momentum = 0.8, .decay = 0.1},
    {.kind = OPTIMISER_SGD, .momentum = 0.8, .nesterov = true},
    {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-3, .decay = 0.1},
    {.kind = OPTIMISER_MUON, .momentum = 0.8, .decay = 0.1},
    {.kind = OPTIMISER_MUON, .momentum = 0.8, .nesterov = true},
};

/* d (sum of squares after some steps) / d (rate, curvature) through graph_scan against differences, with and without checkpoints. */
static void unrolled_steps(void **state)
{
    (void)state;
    enum { STEPS = 7 };
    static const double start[6] = {0.5, -1, 2, 0.3, 0.8, -0.4}, h = 1e-6;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (int way = 0; way < 2; way++) {
            graph *g = graph_new(NULL);
            node *rate = graph_input(g, "rate", TYPE_F64, SHAPE(1)), *curvature = graph_input(g, "curvature", TYPE_F64, SHAPE_SCALAR);
            node *w = graph_constant(g, TYPE_F64, SHAPE(2, 3), start), *zero = graph_fill(g, TYPE_F64, SHAPE(2, 3), 0);
            node *first[3] = {w, zero, zero}, *last[3], *wrt[2] = {rate, curvature}, *outputs[3];
            descent d = {&kinds[k], rate, curvature, true};
            assert_true(graph_scan(g, STEPS, way ? 0 : -1, descend, &d, first, 1 + optimiser_states(&kinds[k], true), last));
            outputs[0] = op_sum_all(op_square(last[0]));
            assert_true(graph_grad(outputs[0], wrt, 2, NULL, &outputs[1]));
            plan *p = plan_of(outputs, 3);
            double at[2] = {0.05, 0.7}, slopes[2], ends[2];
            plan_bind(p, rate, &at[0]);
            plan_bind(p, curvature, &at[1]);
            run(p);
            memcpy(slopes, (double[]){*(const double *)plan_output(p, 1), *(const double *)plan_output(p, 2)}, sizeof slopes);
            for (int of = 0; of < 2; of++) {
                for (int side = 0; side < 2; side++) {
                    at[of] += side ? -2 * h : h;
                    run(p);
                    ends[side] = *(const double *)plan_output(p, 0);
                }
                at[of] += h;
                near(slopes[of], (ends[0] - ends[1]) / (2 * h), 1e-7 * (1 + fabs(slopes[of])));
            }
            assert_true(fabs(slopes[0]) > 0.01);
            plan_free(p);
            graph_free(g);
        }
}

/* Check 6: two steps on h w^2 / 2 from w0. */
static bool descend_parabola(void *context, int64_t step, node *const *state, node **next)
{
    const descent *d = context;
    node *slope, *w = state[0];
    (void)step;
    node *parts[2] = {d->rate, graph_constant(w->graph, TYPE_F64, SHAPE(3), (double[]){1, 1, 1})};
    return graph_grad(op_scale(op_mul(d->curvature, op_square(w)), 0.5), &w, 1, NULL, &slope) &&
           optimiser_update(d->how, false, w, NULL, slope, op_concat(parts, 2, 0), &next[0], NULL);
}

static void two_unrolled_steps(void **state)
{
    (void)state;
    const double h = 1.7, w0 = 0.9, a = 0.2;
    graph *g = graph_new(NULL);
    node *rate = graph_constant(g, TYPE_F64, SHAPE(1), &a), *w = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &w0), *wrt[2] = {w, rate}, *d[2], *end;
    descent how = {&kinds[0], rate, graph_scalar(g, TYPE_F64, h), false};
    assert_true(graph_scan(g, 2, 0, descend_parabola, &how, &w, 1, &end));
    assert_true(graph_grad(end, wrt, 2, NULL, d));
    near(value_of(d[0]), (1 - a * h) * (1 - a * h), 1e-15);
    near(value_of(d[1]), -2 * h * w0 * (1 - a * h), 1e-15);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_sgd),
        cmocka_unit_test(singular_values_go_through_the_polynomial),
        cmocka_unit_test(steps_of_muon),
        cmocka_unit_test(the_rest_takes_adamw),
        cmocka_unit_test(unrolled_steps),
        cmocka_unit_test(two_unrolled_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
