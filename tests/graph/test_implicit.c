/* Derivatives through what training arrives at: hand checks of meta_pretraining.md (section 7: 1, 2, 3, 6, 7) and of
 * bilevel_optimization.md (section 7: 8, 9), by graphs, conjugate gradients and series. f64. */
#include "near.h"
#include "plans.h"

#include "core/random.h"
#include "graph/composite.h"
#include "graph/ops.h"
#include "solve/krylov.h"
#include "solve/lbfgs.h"

#include <string.h>

/* ---- two tasks and one number ----
 * Pretraining 1/2 sum phi_t (th - a_t)^2 with a = (0, 2) ends at th* = 1 for phi = (1, 1); one step of fine-tuning with rate .5 on
 * 1/2 (th - 2)^2 ends at 1.5, where the validation loss 1/2 (th - 2)^2 is .125. */

typedef struct toy {
    graph *g;
    node *theta, *raw, *phi, *slope; /* slope: of pretraining */
    node *outputs[4];                /* validation loss, v, the curvature of pretraining, <slope, 1>'s derivative in raw */
} toy;

static toy make_toy(bool sigmoid)
{
    toy t = {.g = graph_new(NULL)};
    double a[2] = {0, 2};
    t.theta = graph_input(t.g, "theta", TYPE_F64, SHAPE_SCALAR);
    t.raw = graph_input(t.g, "raw", TYPE_F64, SHAPE(2));
    t.phi = sigmoid ? op_scale(op_sigmoid(t.raw), 2) : t.raw;
    node *goals = graph_constant(t.g, TYPE_F64, SHAPE(2), a), *tuning, *along;
    node *loss = op_scale(op_sum_all(op_mul(t.phi, op_square(op_sub(t.theta, goals)))), 0.5);
    assert_true(graph_grad(loss, &t.theta, 1, NULL, &t.slope));
    assert_true(graph_grad(op_scale(op_square(op_shift(t.theta, -2)), 0.5), &t.theta, 1, NULL, &tuning));
    node *tuned = op_sub(t.theta, op_scale(tuning, 0.5));
    t.outputs[0] = op_scale(op_square(op_shift(tuned, -2)), 0.5);
    assert_true(graph_grad(t.outputs[0], &t.theta, 1, NULL, &t.outputs[1]));
    assert_true(graph_grad(t.slope, &t.theta, 1, NULL, &t.outputs[2]));
    assert_true(graph_grad(op_mul(t.slope, graph_scalar(t.g, TYPE_F64, 1)), &t.raw, 1, NULL, &along));
    t.outputs[3] = along;
    return t;
}

static status times_curvature(void *context, const double *x, double *y, error *err)
{
    (void)err;
    *y = *(const double *)context * *x;
    return STATUS_OK;
}

static void two_tasks_by_hand(void **state)
{
    (void)state;
    static const struct {
        size_t terms; /* 0: the inverse */
        double gradient;
    } rows[] = {{1, .025}, {2, .045}, {21, .123847}, {0, .125}};
    for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
        toy t = make_toy(sigmoid);
        double theta = 1, raw[2] = {sigmoid ? 0 : 1, sigmoid ? 0 : 1}; /* 2 sigmoid(0) = 1, with slope 1/2 */
        plan *p = plan_of(t.g, t.outputs, 4, NULL);
        plan_bind(p, t.theta, &theta);
        plan_bind(p, t.raw, raw);
        run(p);
        double v = *(const double *)plan_output(p, 1), h = *(const double *)plan_output(p, 2);
        const double *mixed = plan_output(p, 3);
        NEAR(*(const double *)plan_output(p, 0), .125, 1e-15);
        NEAR(v, -.25, 1e-15);
        NEAR(h, 2, 1e-15);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            double q = v / h;
            linear_map map = {1, times_curvature, &h};
            if (rows[i].terms)
                assert_int_equal(krylov_neumann(&map, &v, .1, rows[i].terms, &q, NULL, NULL), STATUS_OK);
            double share = sigmoid ? .5 : 1, tolerance = rows[i].terms == 21 ? 5e-7 : 1e-15;
            NEAR(-mixed[0] * q, share * rows[i].gradient, tolerance);
            NEAR(-mixed[1] * q, -share * rows[i].gradient, tolerance);
        }
        plan_free(p);
        graph_free(t.g);
    }
}

/* ---- a net of 51 weights whose examples are weighted in four groups ---- */
enum { IN = 3, HIDDEN = 10, WEIGHTS = HIDDEN * (IN + 2) + 1, EXAMPLES = 24, GROUPS = 4 };
static const double DECAY = 0.1, RATE = 0.03, SHARE = 5. / EXAMPLES; /* the errors weigh enough that the net does not die */

typedef struct net {
    graph *g;
    node *w, *phi, *v, *dphi, *u;
    plan *inner, *outer, *map;
    double ws[WEIGHTS], phis[GROUPS], vs[WEIGHTS], dphis[GROUPS], us[WEIGHTS];
} net;

/* What each plan gives: inner: slope, H v, the loss; outer: F, its slope, the derivative of <slope, v> in phi; map, of one step of descent:
 * J v along (v, dphi), J^T u, H v. */
enum { SLOPE, PRODUCT, TRAINING, OUTER = 0, OUTER_SLOPE, MIXED, FORWARD = 0, BACKWARD, CURVED };

static node *part(node *w, int64_t *at, shape s)
{
    int64_t from = *at;
    *at += shape_count(s);
    return op_reshape(op_slice(w, 0, from, *at), s);
}

/* Squared errors of the examples from `first` on. */
static node *errors(const net *n, int64_t first, int64_t count)
{
    int64_t at = 0;
    node *w1 = part(n->w, &at, SHAPE(HIDDEN, IN)), *b1 = part(n->w, &at, SHAPE(HIDDEN)), *w2 = part(n->w, &at, SHAPE(HIDDEN));
    node *b2 = part(n->w, &at, SHAPE_SCALAR);
    node *angle = op_shift(graph_iota(n->g, TYPE_F64, SHAPE(count * IN), 0), (double)(first * IN));
    node *x = op_sin(op_reshape(op_scale(op_square(angle), 0.37), SHAPE(count, IN)));
    node *y = op_sin(op_scale(op_reduce_sum(x, AXES(1), false), 2));
    node *h = op_tanh(op_add(op_linear(x, w1), b1));
    return op_square(op_sub(op_add(op_reduce_sum(op_mul(h, w2), AXES(1), false), b2), y));
}

static net *make_net(void)
{
    static net made;
    net *n = &made;
    *n = (net){.g = graph_new(NULL)};
    n->w = graph_input(n->g, "w", TYPE_F64, SHAPE(WEIGHTS));
    n->phi = graph_input(n->g, "phi", TYPE_F64, SHAPE(GROUPS));
    n->v = graph_input(n->g, "v", TYPE_F64, SHAPE(WEIGHTS));
    n->dphi = graph_input(n->g, "dphi", TYPE_F64, SHAPE(GROUPS));
    n->u = graph_input(n->g, "u", TYPE_F64, SHAPE(WEIGHTS));
    node *shares = op_reshape(op_broadcast(op_reshape(op_scale(op_sigmoid(n->phi), 2), SHAPE(GROUPS, 1)), SHAPE(GROUPS, EXAMPLES / GROUPS)),
                              SHAPE(EXAMPLES));
    node *f = op_add(op_scale(op_sum_all(op_mul(shares, errors(n, 0, EXAMPLES))), SHARE),
                     op_scale(op_sum_all(op_square(n->w)), DECAY / 2));
    node *outer[3] = {op_scale(op_sum_all(errors(n, EXAMPLES, EXAMPLES)), SHARE)}, *inner[3], *map[3], *step;
    assert_true(graph_grad(f, &n->w, 1, NULL, &inner[SLOPE]));
    assert_true(graph_jvp(&inner[SLOPE], 1, &n->w, &n->v, 1, &inner[PRODUCT]));
    assert_true(graph_grad(outer[OUTER], &n->w, 1, NULL, &outer[OUTER_SLOPE]));
    assert_true(graph_grad(op_sum_all(op_mul(inner[SLOPE], n->v)), &n->phi, 1, NULL, &outer[MIXED]));
    step = op_sub(n->w, op_scale(inner[SLOPE], RATE));
    node *wrt[2] = {n->w, n->phi}, *tangents[2] = {n->v, n->dphi};
    assert_true(graph_jvp(&step, 1, wrt, tangents, 2, &map[FORWARD]));
    assert_true(graph_grad(op_sum_all(op_mul(step, n->u)), &n->w, 1, NULL, &map[BACKWARD]));
    map[CURVED] = inner[PRODUCT];
    inner[TRAINING] = f;
    n->inner = plan_of(n->g, inner, 3, NULL);
    n->outer = plan_of(n->g, outer, 3, NULL);
    n->map = plan_of(n->g, map, 3, NULL);
    plan *all[3] = {n->inner, n->outer, n->map};
    for (int i = 0; i < 3; i++) {
        plan_bind(all[i], n->w, n->ws);
        plan_bind(all[i], n->phi, n->phis);
        plan_bind(all[i], n->v, n->vs);
        plan_bind(all[i], n->dphi, n->dphis);
        plan_bind(all[i], n->u, n->us);
    }
    random_stream r = random_stream_at(5, "test/net", 0, 0, 0, 0);
    for (int i = 0; i < WEIGHTS; i++)
        n->ws[i] = 0.5 * random_normal(&r);
    for (int i = 0; i < GROUPS; i++)
        n->phis[i] = 0.4 * random_normal(&r);
    return n;
}

static void free_net(net *n)
{
    plan_free(n->inner);
    plan_free(n->outer);
    plan_free(n->map);
    graph_free(n->g);
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static const double *ran(plan *p, size_t output)
{
    run(p);
    return plan_output(p, output);
}

static status times_hessian(void *context, const double *x, double *y, error *err)
{
    net *n = context;
    (void)err;
    memcpy(n->vs, x, sizeof n->vs);
    memcpy(y, ran(n->inner, PRODUCT), sizeof n->vs);
    return STATUS_OK;
}

static status training(void *context, const double *x, double *value, double *gradient, error *err)
{
    net *n = context;
    (void)err;
    memcpy(n->ws, x, sizeof n->ws);
    memcpy(gradient, ran(n->inner, SLOPE), sizeof n->ws);
    *value = *(const double *)plan_output(n->inner, TRAINING);
    return STATUS_OK;
}

/* Steps of Newton until the slope is below 1e-12. */
static void settle(net *n)
{
    linear_map h = {WEIGHTS, times_hessian, n};
    double slope[WEIGHTS], step[WEIGHTS];
    krylov_report report;
    for (int k = 0; k < 20; k++) {
        memcpy(slope, ran(n->inner, SLOPE), sizeof slope);
        if (dot(slope, slope, WEIGHTS) < 1e-24)
            return;
        assert_int_equal(krylov_cg(&h, slope, step, &(krylov_options){.tolerance = 1e-12, .most = 400}, &report, NULL), STATUS_OK);
        for (int i = 0; i < WEIGHTS; i++)
            n->ws[i] -= step[i];
    }
    fail_msg("training has not ended: slope %g", sqrt(dot(slope, slope, WEIGHTS)));
}

/* dF/dphi = -(d <f_w, q> / dphi), H q = F_w. */
static void implicit(net *n, double gradient[GROUPS])
{
    double slope[WEIGHTS], q[WEIGHTS];
    krylov_report report;
    linear_map h = {WEIGHTS, times_hessian, n};
    memcpy(slope, ran(n->outer, OUTER_SLOPE), sizeof slope);
    assert_int_equal(krylov_cg(&h, slope, q, &(krylov_options){.tolerance = 1e-12, .most = 400}, &report, NULL), STATUS_OK);
    memcpy(n->vs, q, sizeof q);
    const double *mixed = ran(n->outer, MIXED);
    for (int i = 0; i < GROUPS; i++)
        gradient[i] = -mixed[i];
}

static void by_differences(net *n, double gradient[GROUPS])
{
    double h = 1e-4, w[WEIGHTS];
    memcpy(w, n->ws, sizeof w);
    for (int i = 0; i < GROUPS; i++) {
        double ends[2], middle = n->phis[i];
        for (int side = 0; side < 2; side++) {
            n->phis[i] = middle + (side ? -h : h);
            memcpy(n->ws, w, sizeof w);
            settle(n);
            ends[side] = *ran(n->outer, OUTER);
        }
        n->phis[i] = middle;
        gradient[i] = (ends[0] - ends[1]) / (2 * h);
    }
    memcpy(n->ws, w, sizeof w);
}

/* Through steps of descent that stay at the optimum, in forward mode. */
static void unrolled(net *n, double gradient[GROUPS])
{
    double slope[WEIGHTS];
    memcpy(slope, ran(n->outer, OUTER_SLOPE), sizeof slope);
    for (int i = 0; i < GROUPS; i++) {
        memset(n->vs, 0, sizeof n->vs);
        memset(n->dphis, 0, sizeof n->dphis);
        n->dphis[i] = 1;
        for (int k = 0; k < 5500; k++) {
            double next[WEIGHTS];
            memcpy(next, ran(n->map, FORWARD), sizeof next);
            memcpy(n->vs, next, sizeof next);
        }
        gradient[i] = dot(slope, n->vs, WEIGHTS);
    }
}

static void a_trained_net_three_ways(void **state)
{
    (void)state;
    net *n = make_net();
    double ways[3][GROUPS];
    double start[WEIGHTS];
    lbfgs_report found;
    memcpy(start, n->ws, sizeof start);
    assert_int_equal(lbfgs_minimise(training, n, WEIGHTS, start, &(lbfgs_options){.most = 4000, .tolerance = 1e-6}, &found, NULL), STATUS_OK);
    memcpy(n->ws, start, sizeof start);
    settle(n);
    implicit(n, ways[0]);
    unrolled(n, ways[1]);
    by_differences(n, ways[2]);
    double size = sqrt(dot(ways[0], ways[0], GROUPS));
    assert_true(size > 1e-4);
    for (int way = 1; way < 3; way++) {
        double cosine = dot(ways[0], ways[way], GROUPS) / size / sqrt(dot(ways[way], ways[way], GROUPS));
        assert_true(cosine > .999);
        for (int i = 0; i < GROUPS; i++)
            NEAR(ways[way][i], ways[0][i], 1e-5 * size);
    }
    free_net(n);
}

/* The step of descent w - a f_w: its derivative along v is v - a H v, and both modes agree. */
static void both_modes_of_a_step(void **state)
{
    (void)state;
    net *n = make_net();
    random_stream r = random_stream_at(6, "test/modes", 0, 0, 0, 0);
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < WEIGHTS; i++) {
            n->vs[i] = random_normal(&r);
            n->us[i] = random_normal(&r);
        }
        run(n->map);
        const double *forward = plan_output(n->map, FORWARD), *curved = plan_output(n->map, CURVED);
        for (int i = 0; i < WEIGHTS; i++)
            NEAR(forward[i], n->vs[i] - RATE * curved[i], 1e-10);
        NEAR(dot(n->us, forward, WEIGHTS), dot(plan_output(n->map, BACKWARD), n->vs, WEIGHTS), 1e-12);
    }
    free_net(n);
}

/* The first step of Adam where the gradient is 0: the root of v = 0 is guarded, and so is its derivative. */
static void the_first_step_of_adam_at_no_gradient(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *w = graph_scalar(g, TYPE_F64, 3), *zero = graph_scalar(g, TYPE_F64, 0), *dw = graph_input(g, "dw", TYPE_F64, SHAPE_SCALAR);
    node *rates = graph_constant(g, TYPE_F64, SHAPE(4), (double[]){1e-3, 1 - .9, 1 - .999, 1}), *outputs[2], *m, *v;
    assert_true(op_adamw(w, zero, zero, dw, rates, (adamw_options){.9, .999, 1e-8, 0}, &outputs[0], &m, &v));
    assert_true(graph_grad(outputs[0], &dw, 1, NULL, &outputs[1]));
    plan *p = plan_of(g, outputs, 2, NULL);
    double slope = 0;
    plan_bind(p, dw, &slope);
    run(p);
    NEAR(*(const double *)plan_output(p, 0), 3, 0);
    assert_true(isfinite(*(const double *)plan_output(p, 1)));
    plan_free(p);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tasks_by_hand),
        cmocka_unit_test(a_trained_net_three_ways),
        cmocka_unit_test(both_modes_of_a_step),
        cmocka_unit_test(the_first_step_of_adam_at_no_gradient),
    };
    return cmocka_run_group_tests_name("graph/implicit", tests, NULL, NULL);
}
