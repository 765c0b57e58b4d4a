/* Checkpoints inside of checkpoints: loops of loops, gradients inside of loops, derivatives of both kinds through them, and what they
 * hold. */
#include "plans.h"

#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "sanitized.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * fmax(1, fabs(expected))))
        fail_msg("found %.17g, expected %.17g (within %.2g)", found, expected, tolerance);
}

/* ---- a loop of loops ---- */
typedef struct loops {
    int64_t outer, inner, outer_interval, inner_interval; /* intervals as graph_scan takes them */
    node *w;
    bool by_hand; /* checkpoints of their own around the steps of the inner loop */
} loops;

static bool inner_step(void *context, int64_t step, node *const *state, node **next)
{
    const loops *l = context;
    node *x = state[0];
    if (l->by_hand)
        graph_checkpoint_begin(x->graph);
    node *p = op_tanh(op_mul(x, l->w));
    next[0] = op_sin(op_add(op_add(p, op_scale(x, 0.5)), op_scale(op_square(p), 0.01 * (double)(step + 1))));
    if (l->by_hand)
        graph_checkpoint_end(x->graph);
    return true;
}

static bool outer_step(void *context, int64_t step, node *const *state, node **next)
{
    loops *l = context;
    (void)step;
    return graph_scan(state[0]->graph, l->inner, l->inner_interval, inner_step, l, state, 1, next);
}

static node *looped(loops *l, node *x)
{
    node *last;
    return graph_scan(x->graph, l->outer, l->outer_interval, outer_step, l, &x, 1, &last) ? last : NULL;
}

static const struct {
    const char *name;
    int64_t outer, inner;
    bool by_hand;
} ways[] = {{"none", -1, -1, false}, {"outer", 0, -1, false}, {"inner", -1, 0, false}, {"both", 0, 0, false},
            {"three deep", 0, 0, true}, {"every step", 1, 1, false}};

enum { WIDE = 5, OUTPUTS = 6 };

/* Value, gradient, H v both ways, a total gradient of what stands inside, and batches: the same through any checkpoints. */
static void any_derivative_goes_through(void **state)
{
    (void)state;
    double values[COUNT_OF(ways)][OUTPUTS * 2 * WIDE];
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        graph *g = graph_new(NULL);
        double many[2 * WIDE];
        for (int k = 0; k < 2 * WIDE; k++)
            many[k] = sin(1.7 * k);
        node *x = graph_constant(g, TYPE_F64, SHAPE(WIDE), many), *xs = graph_constant(g, TYPE_F64, SHAPE(2, WIDE), many);
        node *w = op_cos(graph_iota(g, TYPE_F64, SHAPE(WIDE), 0)), *v = op_sin(graph_iota(g, TYPE_F64, SHAPE(WIDE), 0));
        loops l = {.outer = 5, .inner = 7, .outer_interval = ways[i].outer, .inner_interval = ways[i].inner, .w = w, .by_hand = ways[i].by_hand};
        node *f = op_sum_all(op_exp(looped(&l, x))), *wrt[2] = {w, x}, *d[2], *out[OUTPUTS];
        assert_true(graph_value_and_grad(f, wrt, 2, &out[0], d));
        out[1] = d[0];
        assert_true(graph_jvp(d, 1, &w, &v, 1, &out[2]));
        assert_true(graph_grad(d[0], &w, 1, v, &out[3]));
        assert_true(graph_vmap(d, 1, &x, &xs, 1, &out[4]));
        assert_true(graph_jvp(&f, 1, &w, &v, 1, &out[5]));
        plan *p = plan_of(g, out, OUTPUTS, NULL);
        run(p);
        memset(values[i], 0, sizeof values[i]);
        for (size_t k = 0; k < OUTPUTS; k++)
            memcpy(values[i] + 2 * WIDE * k, plan_output(p, k), (size_t)shape_count(out[k]->shape) * sizeof(double));
        plan_free(p);
        graph_free(g);
        for (int k = 0; k < OUTPUTS * 2 * WIDE; k++)
            near(values[i][k], values[0][k], 1e-12);
        double slope = 0;
        for (int k = 0; k < WIDE; k++) {
            near(values[i][4 * WIDE + k], values[i][6 * WIDE + k], 1e-10);  /* H v, forward and reverse */
            near(values[i][8 * WIDE + k], values[i][2 * WIDE + k], 1e-12);  /* the first example is the one alone */
            slope += values[i][2 * WIDE + k] * sin(k);
        }
        near(values[i][10 * WIDE], slope, 1e-12);
    }
    assert_true(fabs(values[0][2 * WIDE + 1]) > 1e-6 && fabs(values[0][4 * WIDE + 1]) > 1e-6);
}

/* ---- a problem of two levels, whose outer steps are gradients through inner loops ---- */
typedef struct bilevel {
    node *a, *b, *held_out, *rate, *weight; /* weight: the hyperparameter of the step that is being built */
    int64_t inner_interval;
} bilevel;

/* A step of descent on |A w - b|^2 / 2 + e^h |w|^2 / 2. */
static bool fit_step(void *context, int64_t step, node *const *state, node **next)
{
    const bilevel *t = context;
    (void)step;
    node *w = state[0], *d;
    node *loss = op_scale(op_add(op_sum_all(op_square(op_sub(op_linear(w, t->a), t->b))), op_mul(op_exp(t->weight), op_sum_all(op_square(w)))), 0.5);
    if (!graph_grad(loss, &w, 1, NULL, &d))
        return false;
    next[0] = op_sub(w, op_scale(d, 0.05));
    return true;
}

static bool hyper_step(void *context, int64_t step, node *const *state, node **next)
{
    bilevel *t = context;
    node *h = state[0], *w = graph_fill(h->graph, TYPE_F64, SHAPE(3), 0), *last, *d;
    (void)step;
    t->weight = h;
    if (!graph_scan(h->graph, 9, t->inner_interval, fit_step, t, &w, 1, &last))
        return false;
    node *loss = op_sum_all(op_square(op_sub(op_linear(last, t->a), t->held_out)));
    if (!graph_grad(loss, &h, 1, NULL, &d))
        return false;
    next[0] = op_sub(h, op_mul(t->rate, d));
    return true;
}

static void outer_loops_over_gradients_of_inner_ones(void **state)
{
    (void)state;
    const double as[12] = {1, 0.3, -0.2, 0.4, 1.2, 0.1, -0.5, 0.2, 0.9, 0.3, -0.7, 0.6}, bs[4] = {1, -0.5, 0.7, 0.2}, held[4] = {0.8, -0.2, 0.4, 0.5};
    double first[3] = {0};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        graph *g = graph_new(NULL);
        bilevel t = {.a = graph_constant(g, TYPE_F64, SHAPE(4, 3), as), .b = graph_constant(g, TYPE_F64, SHAPE(4), bs),
                     .held_out = graph_constant(g, TYPE_F64, SHAPE(4), held), .rate = graph_input(g, "rate", TYPE_F64, SHAPE_SCALAR),
                     .inner_interval = ways[i].inner};
        node *h = graph_scalar(g, TYPE_F64, -1), *last, *d, *second, *along = graph_scalar(g, TYPE_F64, 1);
        assert_true(graph_scan(g, 6, ways[i].outer, hyper_step, &t, &h, 1, &last));
        assert_true(graph_grad(last, &t.rate, 1, NULL, &d));
        assert_true(graph_jvp(&d, 1, &t.rate, &along, 1, &second));
        node *outputs[3] = {last, d, second};
        plan *p = plan_of(g, outputs, 3, NULL);
        double found[3][3], step = 1e-5;
        for (int side = -1; side <= 1; side++) {
            double rate = 0.7 + side * step;
            plan_bind(p, t.rate, &rate);
            run(p);
            for (size_t k = 0; k < 3; k++)
                found[side + 1][k] = *(const double *)plan_output(p, k);
        }
        near(found[1][1], (found[2][0] - found[0][0]) / (2 * step), 1e-8);
        near(found[1][2], (found[2][1] - found[0][1]) / (2 * step), 1e-7);
        for (size_t k = 0; k < 3; k++) {
            first[k] = i == 0 ? found[1][k] : first[k];
            near(found[1][k], first[k], 1e-12);
        }
        plan_free(p);
        graph_free(g);
    }
    assert_true(fabs(first[1]) > 1e-4 && fabs(first[2]) > 1e-4);
}

/* ---- what is held ---- */
enum { LONG = 4096 };

typedef struct held {
    size_t gradient, product, steps; /* bytes of a gradient, of a Hessian-vector product; steps of the gradient's plan */
} held;

static held hold(int64_t steps, size_t way, float *product)
{
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(LONG)), *w = graph_input(g, "w", TYPE_F32, SHAPE(LONG)), *d, *hv;
    node *v = graph_input(g, "v", TYPE_F32, SHAPE(LONG));
    loops l = {.outer = steps, .inner = steps, .outer_interval = ways[way].outer, .inner_interval = ways[way].inner, .w = w,
               .by_hand = ways[way].by_hand};
    assert_true(graph_grad(op_sum_all(op_square(looped(&l, x))), &w, 1, NULL, &d));
    assert_true(graph_jvp(&d, 1, &w, &v, 1, &hv));
    plan *p = plan_of(g, &d, 1, &(plan_options){.threads = 1}), *q = plan_of(g, &hv, 1, &(plan_options){.threads = 1});
    static float xs[LONG], ws[LONG], vs[LONG];
    for (int i = 0; i < LONG; i++) {
        xs[i] = sinf(0.37f * (float)i);
        ws[i] = 0.6f + 0.3f * cosf((float)i);
        vs[i] = cosf(0.11f * (float)i);
    }
    plan_bind(q, x, xs);
    plan_bind(q, w, ws);
    plan_bind(q, v, vs);
    run(q);
    memcpy(product, plan_output(q, 0), LONG * sizeof *product);
    held h = {plan_peak_bytes(p), plan_peak_bytes(q), plan_steps(p)};
    plan_free(p);
    plan_free(q);
    graph_free(g);
    return h;
}

/* Through n steps of n a gradient holds of the order of n^2 values without checkpoints, n^1.5 with those of one loop, n with both. */
static void both_loops_hold_little(void **state)
{
    (void)state;
    enum { NONE, OUTER, INNER, BOTH, KINDS };
    static float products[KINDS][LONG];
    held before = {0};
    for (int64_t n = 4; n <= 36; n *= 3) {
        held h[KINDS];
        for (size_t k = 0; k < KINDS; k++) {
            h[k] = hold(n, k, products[k]);
            print_message("%2lld steps of %2lld, checkpoints in %s: gradient %zu values, product %zu; %zu plan steps\n", (long long)n, (long long)n,
                          ways[k].name, h[k].gradient / sizeof *products, h[k].product / sizeof *products, h[k].steps);
            for (int i = 0; i < LONG; i++)
                near((double)products[k][i], (double)products[NONE][i], 2e-5);
        }
        if (n > 4) {
            assert_true(2 * h[BOTH].gradient < h[OUTER].gradient && h[BOTH].gradient < h[INNER].gradient);
            assert_true(h[BOTH].product <= 3 * h[BOTH].gradient);
            assert_true(h[BOTH].steps < 4 * h[NONE].steps);
        }
        if (before.gradient)
            assert_true(h[BOTH].gradient < 3 * before.gradient);
        if (n == 36)
            assert_true(2 * h[BOTH].gradient < h[INNER].gradient && 6 * h[BOTH].gradient < h[OUTER].gradient);
        before = h[BOTH];
    }
}

/* Cross-entropy by rows is a checkpoint for every block of tokens, inside of another one too: its logits are never there whole. */
static void logits_by_rows_inside_a_checkpoint(void **state)
{
    (void)state;
    enum { TOKENS = 4096, WORDS = 2000, WIDTH = 16, ROWS = 512 };
    static float xs[TOKENS * WIDTH], ws[WORDS * WIDTH], gradients[2][WORDS * WIDTH];
    static int32_t targets[TOKENS];
    for (int i = 0; i < TOKENS * WIDTH; i++)
        xs[i] = sinf((float)i);
    for (int i = 0; i < WORDS * WIDTH; i++)
        ws[i] = cosf(0.3f * (float)i);
    for (int i = 0; i < TOKENS; i++)
        targets[i] = i * 37 % WORDS;
    for (int way = 0; way < 2; way++) {
        graph *g = graph_new(NULL);
        node *x = graph_input(g, "x", TYPE_F32, SHAPE(TOKENS, WIDTH)), *w = graph_input(g, "w", TYPE_F32, SHAPE(WORDS, WIDTH));
        node *target = graph_input(g, "target", TYPE_I32, SHAPE(TOKENS)), *weight = graph_fill(g, TYPE_F32, SHAPE(TOKENS), 1), *out[2];
        if (way)
            graph_checkpoint_begin(g);
        node *loss = op_sum_all(op_projected_cross_entropy(op_tanh(x), w, target, weight, TYPE_F32, ROWS));
        if (way)
            graph_checkpoint_end(g);
        assert_true(graph_value_and_grad(loss, &w, 1, &out[0], &out[1]));
        plan *p = plan_of(g, out, 2, &(plan_options){.threads = 1});
        print_message("%s: %zu bytes, %zu steps; all logits are %zu\n", way ? "inside of another" : "checkpoints", plan_peak_bytes(p), plan_steps(p),
                      (size_t)TOKENS * WORDS * sizeof(float));
        assert_true(plan_peak_bytes(p) < TOKENS * WORDS * sizeof(float) / 2);
        plan_bind(p, x, xs);
        plan_bind(p, w, ws);
        plan_bind(p, target, targets);
        run(p);
        memcpy(gradients[way], plan_output(p, 1), sizeof gradients[way]);
        plan_free(p);
        graph_free(g);
    }
    assert_memory_equal(gradients[0], gradients[1], sizeof gradients[0]);
}

/* ---- by hand ---- */
/* Checkpoints around nothing but others, one behind the other, and empty ones. */
static void any_nesting_is_the_same_function(void **state)
{
    (void)state;
    double found[2][4];
    for (int way = 0; way < 2; way++) {
        graph *g = graph_new(NULL);
        node *x = graph_constant(g, TYPE_F64, SHAPE(4), (double[]){0.3, -0.9, 1.4, 2}), *y = x, *inner = NULL, *wrt[2], *d[2];
        for (int k = 0; k < 3; k++) {
            for (int deep = 0; way && deep < 20 * k; deep++)
                graph_checkpoint_begin(g);
            if (way)
                graph_checkpoint_begin(g), graph_checkpoint_end(g);
            y = op_mul(op_softmax(y), op_log_softmax(y));
            inner = k == 1 ? y : inner;
            for (int deep = 0; way && deep < 20 * k; deep++) {
                y = deep % 7 == 3 ? op_tanh(y) : y;
                graph_checkpoint_end(g);
            }
            for (int deep = 0; !way && deep < 20 * k; deep++)
                y = deep % 7 == 3 ? op_tanh(y) : y;
        }
        wrt[0] = x, wrt[1] = inner;
        assert_true(graph_grad(op_sum_all(op_square(y)), wrt, 2, NULL, d));
        plan *p = plan_of(g, d, 2, NULL);
        run(p);
        for (int i = 0; i < 4; i++)
            found[way][i] = ((const double *)plan_output(p, 0))[i] + 10 * ((const double *)plan_output(p, 1))[i];
        plan_free(p);
        graph_free(g);
    }
    for (int i = 0; i < 4; i++) {
        near(found[1][i], found[0][i], 1e-14);
        assert_true(fabs(found[0][i]) > 0);
    }
}

/* A sum that others only come after is no step of a plan. */
static void tokens_that_nothing_reads_are_not_made(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static double xs[MANY];
    for (int way = 0; way < 4; way++) {
        graph *g = graph_new(NULL);
        node *x = graph_input(g, "x", TYPE_F64, way & 1 ? SHAPE(40, 50) : SHAPE(MANY)), *y = op_tanh(op_shift(x, 0.5)), *sum = op_sum_all(y);
        node *outputs[2] = {op_after(op_sin(x), sum), way & 2 ? y : op_cos(y)};
        for (int i = 0; i < MANY; i++)
            xs[i] = 0.001 * i;
        plan *p = plan_of(g, outputs, 2, NULL);
        plan_bind(p, x, xs);
        plan_step_profile steps[8];
        size_t count = plan_profile(p, steps, COUNT_OF(steps));
        for (size_t i = 0; i < count && i < COUNT_OF(steps); i++)
            assert_string_not_equal(steps[i].name, "reduce_sum");
        run(p);
        for (int i = 0; i < MANY; i++)
            near(((const double *)plan_output(p, 0))[i], sin(xs[i]), 1e-15);
        plan_free(p);
        graph_free(g);
    }
}

/* ---- drawn at random ---- */
enum { POOL = 40, DEEPEST = 4, SIZE = 3 };

/* One smooth operation on nodes of the pool, or (the last kind) a gradient of one of them in an input, taken where the program stands. */
static node *drawn(random_stream *r, node *const *pool, size_t count, uint64_t kinds)
{
    node *x = pool[random_below(r, count)], *y = pool[count - 1 - random_below(r, count < 4 ? count : 4)], *d;
    switch (random_below(r, kinds)) {
    case 0:
        return op_mul(x, y);
    case 1:
        return op_tanh(op_add(x, y));
    case 2:
        return op_softmax(op_sub(y, x));
    case 3:
        return op_sin(y);
    case 4:
        return op_log_softmax(y);
    case 5:
        return op_cumulative_sum(op_mul(y, op_cos(x)), 0, true);
    case 6:
        return op_silu(y);
    default:
        return graph_grad(op_sum_all(op_sin(y)), &pool[random_below(r, 2)], 1, NULL, &d) ? op_tanh(d) : NULL;
    }
}

/* The same program with checkpoints that begin and end anywhere, or without any: value, gradients in an input and in a node somewhere inside,
 * and a product with the Hessian. */
static void random_program(uint64_t which, bool checkpoints, double *out)
{
    random_stream r = random_stream_at(7, "test/nested", which, 0, 0, 0), where = random_stream_at(7, "test/nested/where", which, 0, 0, 0);
    graph *g = graph_new(NULL);
    double start[2][SIZE] = {{0.3, -0.8, 1.1}, {-0.4, 0.9, 0.2}};
    node *pool[POOL], *wrt[3], *d[5], *v = op_sin(graph_iota(g, TYPE_F64, SHAPE(SIZE), 0));
    size_t count = 0;
    int depth = 0;
    for (; count < 2; count++)
        pool[count] = graph_constant(g, TYPE_F64, SHAPE(SIZE), start[count]);
    while (count < POOL) {
        for (uint64_t k = random_below(&where, 3); k > 0 && depth > 0; k--, depth--)
            if (checkpoints)
                graph_checkpoint_end(g);
        for (uint64_t k = random_below(&where, 3); k > 0 && depth < DEEPEST; k--, depth++)
            if (checkpoints)
                graph_checkpoint_begin(g);
        for (uint64_t k = 1 + random_below(&where, 4); k > 0 && count < POOL; k--, count++)
            assert_non_null(pool[count] = drawn(&r, pool, count, 7 + which % 2));
    }
    for (; depth > 0; depth--)
        if (checkpoints)
            graph_checkpoint_end(g);
    node *f = op_sum_all(op_square(op_add(pool[POOL - 1], op_add(pool[POOL - 3], op_scale(pool[POOL / 2], 0.3)))));
    wrt[0] = pool[0], wrt[1] = pool[1], wrt[2] = which % 2 ? pool[0] : pool[8]; /* a gradient on the way may read a copy of what is inside */
    assert_true(graph_value_and_grad(f, wrt, 3, &d[3], d));
    assert_true(graph_jvp(d, 1, wrt, &v, 1, &d[4]));
    plan *p = plan_of(g, d, 5, NULL);
    run(p);
    for (size_t k = 0; k < 5; k++)
        memcpy(out + SIZE * k, plan_output(p, k), (k == 3 ? 1 : SIZE) * sizeof *out);
    plan_free(p);
    graph_free(g);
}

static void programs_drawn_at_random_keep_their_derivatives(void **state)
{
    (void)state;
    size_t moving = 0;
    for (uint64_t i = 0; i < (SANITIZED ? 40 : 300); i++) {
        double with[5 * SIZE] = {0}, without[5 * SIZE] = {0}, largest = 1;
        random_program(i, false, without);
        random_program(i, true, with);
        for (int k = 0; k < 5 * SIZE; k++)
            largest = fmax(largest, fabs(without[k]));
        for (int k = 0; k < 5 * SIZE; k++)
            if (!(fabs(with[k] - without[k]) <= 1e-9 * largest))
                fail_msg("program %llu, number %d: %.17g without checkpoints, %.17g with them", (unsigned long long)i, k, without[k], with[k]);
        moving += fabs(without[0]) > 1e-6 && fabs(without[4 * SIZE + 1]) > 1e-6;
    }
    assert_true(moving > (SANITIZED ? 20 : 150));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_derivative_goes_through),
        cmocka_unit_test(outer_loops_over_gradients_of_inner_ones),
        cmocka_unit_test(both_loops_hold_little),
        cmocka_unit_test(logits_by_rows_inside_a_checkpoint),
        cmocka_unit_test(any_nesting_is_the_same_function),
        cmocka_unit_test(tokens_that_nothing_reads_are_not_made),
        cmocka_unit_test(programs_drawn_at_random_keep_their_derivatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
