/* graph_scan and checkpoints: the same gradients with memory that grows as the square root of the steps; steps of optimisers
 * differentiated (autodiff_needs, checks 6 and 7). */
#include "derivatives.h"
#include "plans.h"

#include "graph/ops.h"
#include "graph/plan.h"
#include "graph/composite.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g (within %.2g)", found, expected, tolerance);
}

static double value_of(graph *g, node *n)
{
    plan *p = plan_of(g, &n, 1, NULL);
    run(p);
    double v = *(const double *)plan_output(p, 0);
    plan_free(p);
    return v;
}

/* ---- two steps of descent on h w^2 / 2 ---- */
typedef struct descent {
    node *curvature, *rate;
} descent;

static bool descend(void *context, int64_t step, node *const *state, node **next)
{
    const descent *d = context;
    (void)step;
    node *w = state[0], *dw;
    if (!graph_grad(op_mul(op_scale(d->curvature, 0.5), op_square(w)), &w, 1, NULL, &dw))
        return false;
    next[0] = op_sub(w, op_mul(d->rate, dw));
    return true;
}

static void two_steps_of_descent(void **state)
{
    (void)state;
    for (int64_t interval = -1; interval < 3; interval++) {
        graph *g = graph_new(NULL);
        double h = 0.7, a = 0.3, w0 = 2;
        node *w = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &w0), *rate = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &a), *end;
        descent d = {graph_constant(g, TYPE_F64, SHAPE_SCALAR, &h), rate};
        assert_true(graph_scan(g, 2, interval, descend, &d, &w, 1, &end));
        near(value_of(g, end), w0 * (1 - a * h) * (1 - a * h), 1e-15);
        near(value_of(g, gradient(end, w)), (1 - a * h) * (1 - a * h), 1e-15);
        near(value_of(g, gradient(end, rate)), -2 * h * w0 * (1 - a * h), 1e-15);
        node *second = gradient(gradient(end, rate), rate), *along = graph_scalar(g, TYPE_F64, 1), *forward, *slope = gradient(end, rate);
        near(value_of(g, second), 2 * h * h * w0, 1e-14);
        assert_true(graph_jvp(&slope, 1, &rate, &along, 1, &forward));
        near(value_of(g, forward), 2 * h * h * w0, 1e-14);
        graph_free(g);
    }
}

/* ---- Adam ---- */
typedef struct adam {
    node *rate, *target;
    double beta1, beta2, epsilon;
} adam;

/* One step on sum((w - target)^4 + (w - target)^2) / 2; state: w, m, v. */
static bool adam_step(void *context, int64_t step, node *const *state, node **next)
{
    const adam *o = context;
    node *w = state[0], *d = op_square(op_sub(w, o->target)), *dw;
    if (!graph_grad(op_scale(op_sum_all(op_add(op_square(d), d)), 0.5), &w, 1, NULL, &dw))
        return false;
    double t = (double)(step + 1);
    node *parts[4] = {o->rate, graph_fill(w->graph, TYPE_F64, SHAPE(1), 1 - pow(o->beta1, t)),
                      graph_fill(w->graph, TYPE_F64, SHAPE(1), 1 - pow(o->beta2, t)), graph_fill(w->graph, TYPE_F64, SHAPE(1), 1)};
    return op_adamw(w, state[1], state[2], dw, op_concat(parts, 4, 0), (adamw_options){o->beta1, o->beta2, o->epsilon, 0}, &next[0],
                    &next[1], &next[2]);
}

static void first_step_of_adam(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    double rate = 0.01, epsilon = 1e-8;
    node *w = graph_scalar(g, TYPE_F64, 3), *zero = graph_scalar(g, TYPE_F64, 0);
    node *rates = graph_constant(g, TYPE_F64, SHAPE(4), (double[]){rate, 1 - 0.9, 1 - 0.999, 1});
    const double slopes[3] = {5, -0.2, 1e-3};
    for (int i = 0; i < 3; i++) {
        node *dw = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &slopes[i]), *next, *m, *v;
        assert_true(op_adamw(w, zero, zero, dw, rates, (adamw_options){0.9, 0.999, epsilon, 0}, &next, &m, &v));
        near(value_of(g, next) - 3, -rate * slopes[i] / (fabs(slopes[i]) + epsilon), 1e-14);
        double size = fabs(slopes[i]) + epsilon;
        near(value_of(g, gradient(next, dw)), -rate * epsilon / (size * size), 1e-9);
    }
    graph_free(g);
}

/* d (end state) / d (rate) through many steps, against differences; plain and with checkpoints. */
static void adam_unrolled(void **state)
{
    (void)state;
    enum { STEPS = 23 };
    double ends[2], slopes[2], h = 1e-6, starts[3] = {0.5, -1, 2}, goals[3] = {0.1, 0.4, -0.7};
    for (int way = 0; way < 2; way++) {
        graph *g = graph_new(NULL);
        node *rate = graph_input(g, "rate", TYPE_F64, SHAPE(1)), *w = graph_constant(g, TYPE_F64, SHAPE(3), starts);
        node *target = graph_constant(g, TYPE_F64, SHAPE(3), goals), *zero = graph_fill(g, TYPE_F64, SHAPE(3), 0);
        adam o = {rate, target, 0.9, 0.99, 1e-3};
        node *first[3] = {w, zero, zero}, *last[3];
        assert_true(graph_scan(g, STEPS, way ? 0 : -1, adam_step, &o, first, 3, last));
        node *f = op_sum_all(op_square(last[0])), *outputs[2] = {f, gradient(f, rate)};
        plan *p = plan_of(g, outputs, 2, NULL);
        for (int side = 1; side >= -1; side--) {
            double at = 0.05 + side * h;
            plan_bind(p, rate, &at);
            run(p);
            if (side)
                ends[side < 0] = *(const double *)plan_output(p, 0);
            else
                slopes[way] = *(const double *)plan_output(p, 1);
        }
        near(slopes[way], (ends[0] - ends[1]) / (2 * h), 1e-6 * fabs(slopes[way]));
        plan_free(p);
        graph_free(g);
    }
    near(slopes[1], slopes[0], 1e-12 * fabs(slopes[0]));
}

/* ---- memory ---- */
enum { ROWS = 64, WIDTH = 32 };

typedef struct network {
    node *weight, *rate, *data;
} network;

/* One step of descent on the weights of a little net, all of its data at once: what it keeps for a gradient is much more than
 * the weights. */
static bool train(void *context, int64_t step, node *const *state, node **next)
{
    const network *n = context;
    (void)step;
    node *w = state[0], *dw;
    node *y = op_tanh(op_linear(op_tanh(op_linear(n->data, w)), w)), *loss = op_sum_all(op_square(op_sub(y, n->data)));
    if (!graph_grad(loss, &w, 1, NULL, &dw))
        return false;
    next[0] = op_sub(w, op_mul(n->rate, dw));
    return true;
}

typedef struct unrolled {
    size_t peak, steps;
    double slope;
} unrolled;

static unrolled unroll(int64_t steps, int64_t interval)
{
    graph *g = graph_new(NULL);
    node *w = graph_input(g, "w", TYPE_F32, SHAPE(WIDTH, WIDTH)), *rate = graph_input(g, "rate", TYPE_F32, SHAPE_SCALAR);
    network n = {w, rate, graph_input(g, "data", TYPE_F32, SHAPE(ROWS, WIDTH))};
    node *end;
    assert_true(graph_scan(g, steps, interval, train, &n, &w, 1, &end));
    node *f = op_sum_all(op_square(end)), *wrt[2] = {w, rate}, *d[2];
    assert_true(graph_grad(f, wrt, 2, NULL, d));
    plan *p = plan_of(g, d, 2, &(plan_options){.threads = 1});
    unrolled u = {plan_peak_bytes(p), plan_steps(p), 0};
    static float ws[WIDTH * WIDTH], data[ROWS * WIDTH];
    float alpha = 1e-4f;
    for (int i = 0; i < WIDTH * WIDTH; i++)
        ws[i] = 0.2f * sinf(1.3f * (float)i);
    for (int i = 0; i < ROWS * WIDTH; i++)
        data[i] = cosf(0.7f * (float)i);
    plan_bind(p, w, ws);
    plan_bind(p, rate, &alpha);
    plan_bind(p, n.data, data);
    run(p);
    u.slope = (double)*(const float *)plan_output(p, 1);
    plan_free(p);
    graph_free(g);
    return u;
}

static void memory_grows_as_the_square_root(void **state)
{
    (void)state;
    const int64_t steps[4] = {4, 16, 64, 256};
    unrolled before = {0};
    double growth = 0;
    for (int i = 0; i < 4; i++) {
        unrolled u = unroll(steps[i], 0), plain = unroll(steps[i], -1);
        print_message("%3lld steps: peak %zu bytes with checkpoints, %zu without; %zu and %zu plan steps\n", (long long)steps[i],
                      u.peak, plain.peak, u.steps, plain.steps);
        near(u.slope, plain.slope, 1e-4 * fabs(plain.slope));
        if (i) {
            double grown = (double)u.peak - (double)before.peak;
            assert_true((double)u.peak <= 2.2 * (double)before.peak);
            assert_true(i == 1 || (grown > 1.6 * growth && grown < 2.4 * growth)); /* what is constant apart: twice for 4 times */
            growth = grown;
        }
        if (i > 1)
            assert_true(u.peak * 2 < plain.peak);
        before = u;
    }
}

/* A long chain of wide values: a gradient through it, and a Hessian-vector product, forward over reverse. */
enum { LONG = 4096 };

static bool roll(void *context, int64_t step, node *const *state, node **next)
{
    const node *const *w = context;
    (void)step;
    next[0] = op_sin(op_add(op_mul(op_tanh(state[0]), (node *)(uintptr_t)w[0]), op_scale(state[0], 0.5)));
    return true;
}

static size_t product_peak(int64_t steps, int64_t interval, size_t *gradient_peak, float *value)
{
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(LONG)), *w = graph_input(g, "w", TYPE_F32, SHAPE(LONG)), *end, *d, *product;
    node *along = graph_input(g, "along", TYPE_F32, SHAPE(LONG));
    const node *context[1] = {w};
    assert_true(graph_scan(g, steps, interval, roll, context, &x, 1, &end));
    assert_true(graph_grad(op_sum_all(op_square(end)), &w, 1, NULL, &d));
    assert_true(graph_jvp(&d, 1, &w, &along, 1, &product));
    plan *p = plan_of(g, &d, 1, &(plan_options){.threads = 1}), *q = plan_of(g, &product, 1, &(plan_options){.threads = 1});
    static float xs[LONG], ws[LONG], vs[LONG];
    for (int i = 0; i < LONG; i++) {
        xs[i] = sinf(0.37f * (float)i);
        ws[i] = 0.6f + 0.3f * cosf((float)i);
        vs[i] = cosf(0.11f * (float)i);
    }
    plan_bind(q, x, xs);
    plan_bind(q, w, ws);
    plan_bind(q, along, vs);
    run(q);
    memcpy(value, plan_output(q, 0), LONG * sizeof *value);
    *gradient_peak = plan_peak_bytes(p);
    size_t peak = plan_peak_bytes(q);
    plan_free(p);
    plan_free(q);
    graph_free(g);
    return peak;
}

static void products_with_the_hessian_keep_the_square_root(void **state)
{
    (void)state;
    static float one[LONG], two[LONG];
    size_t before = 0;
    for (int64_t steps = 4; steps <= 256; steps *= 4) {
        size_t gradient, whole, peak = product_peak(steps, 0, &gradient, one), plain = product_peak(steps, -1, &whole, two);
        print_message("%3lld steps: gradient %zu values, product %zu with checkpoints; %zu and %zu without\n", (long long)steps,
                      gradient / sizeof one, peak / sizeof one, whole / sizeof one, plain / sizeof one);
        for (int i = 0; i < LONG; i++)
            near((double)one[i], (double)two[i], 1e-5 * fmax(1, fabs((double)two[i])));
        assert_true(peak <= 3 * gradient);              /* each value has a tangent, and both are computed again */
        assert_true(before == 0 || (double)peak <= 2.2 * (double)before); /* four times the steps, at most twice the memory */
        before = peak;
    }
}

/* A checkpoint by hand: what stands in it is computed twice, and nothing else changes. */
static void a_checkpoint_changes_no_bits(void **state)
{
    (void)state;
    float values[2][96], x[96];
    for (int i = 0; i < 96; i++)
        x[i] = sinf((float)i);
    for (int way = 0; way < 2; way++) {
        graph *g = graph_new(NULL);
        node *in = graph_input(g, "x", TYPE_F32, SHAPE(12, 8)), *h = op_scale(in, 2);
        if (way)
            graph_checkpoint_begin(g);
        node *q = op_softmax(h), *y = op_mul(op_log_softmax(h), op_rms_norm(q, graph_fill(g, TYPE_F32, SHAPE(8), 1), 1e-5));
        if (way)
            graph_checkpoint_end(g);
        node *d = gradient(op_sum_all(op_mul(y, in)), in);
        plan *made = plan_of(g, &d, 1, NULL);
        plan_bind(made, in, x);
        run(made);
        memcpy(values[way], plan_output(made, 0), sizeof x);
        plan_free(made);
        graph_free(g);
    }
    assert_memory_equal(values[0], values[1], sizeof x);
}

/* Through checkpoints go total gradients of nodes inside, second derivatives of both kinds, and batches. */
static void other_transforms_go_through_checkpoints(void **state)
{
    (void)state;
    double values[2][3 + 3 + 3 + 3 + 6];
    for (int way = 0; way < 2; way++) {
        graph *g = graph_new(NULL);
        const double at[3] = {0.3, -0.9, 1.4}, many[6] = {0.3, -0.9, 1.4, 2, 0.1, -1};
        node *x = graph_constant(g, TYPE_F64, SHAPE(3), at), *xs = graph_constant(g, TYPE_F64, SHAPE(2, 3), many);
        node *direction = graph_iota(g, TYPE_F64, SHAPE(3), 0), *h = x, *inner = NULL;
        for (int k = 0; k < 3; k++) {
            if (way)
                graph_checkpoint_begin(g);
            node *p = op_softmax(h);
            inner = k == 1 ? p : inner;
            h = op_add(op_mul(h, op_tanh(p)), op_cumulative_sum(h, 0, k == 2));
            if (way)
                graph_checkpoint_end(g);
        }
        node *wrt[2] = {x, inner}, *outputs[5];
        assert_true(graph_grad(op_sum_all(op_square(h)), wrt, 2, NULL, outputs));
        assert_true(graph_jvp(outputs, 1, &x, &direction, 1, &outputs[2]));
        assert_true(graph_grad(outputs[0], &x, 1, direction, &outputs[3]));
        assert_true(graph_vmap(outputs, 1, &x, &xs, 1, &outputs[4]));
        plan *p = plan_of(g, outputs, 5, NULL);
        run(p);
        for (size_t i = 0; i < 5; i++)
            memcpy(values[way] + 3 * i, plan_output(p, i), (i == 4 ? 6 : 3) * sizeof(double));
        plan_free(p);
        graph_free(g);
    }
    for (int i = 0; i < 18; i++)
        near(values[1][i], values[0][i], 1e-12 * fmax(1, fabs(values[0][i])));
    for (int i = 0; i < 3; i++) { /* H v both ways; the first example is the one alone */
        near(values[0][6 + i], values[0][9 + i], 1e-10 * fmax(1, fabs(values[0][6 + i])));
        near(values[0][12 + i], values[0][i], 1e-12 * fmax(1, fabs(values[0][i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_steps_of_descent),        cmocka_unit_test(first_step_of_adam),
        cmocka_unit_test(adam_unrolled),               cmocka_unit_test(memory_grows_as_the_square_root),
        cmocka_unit_test(a_checkpoint_changes_no_bits), cmocka_unit_test(other_transforms_go_through_checkpoints),
        cmocka_unit_test(products_with_the_hessian_keep_the_square_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
