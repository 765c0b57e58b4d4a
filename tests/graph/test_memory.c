/* What plans say they need: attention over thousands of tokens without its scores, cross-entropy over a large vocabulary without
 * its logits, and higher orders that are refused before anything is allocated. */
#include "core/machine.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "sanitized.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static plan *plan_of(graph *g, node *const *outputs, size_t count)
{
    plan *p;
    error err = {0};
    if (plan_new(g, outputs, count, &(plan_options){.threads = 1}, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

/* ---- attention ---- */
enum { HEADS = 2, HEAD = 16 };

typedef struct attending {
    graph *g;
    node *q, *k, *v, *gradients[3];
} attending;

static attending attend(int64_t tokens, element_type type)
{
    attending a = {.g = graph_new(NULL)};
    shape s = SHAPE(tokens, HEADS, HEAD);
    a.q = graph_input(a.g, "q", type, s);
    a.k = graph_input(a.g, "k", type, s);
    a.v = graph_input(a.g, "v", type, s);
    node *start = graph_input(a.g, "start", TYPE_I32, SHAPE(tokens)), *wrt[3] = {a.q, a.k, a.v};
    node *y = op_attention(a.q, a.k, a.v, start, (attention_options){.scale = 0});
    assert_true(graph_grad(op_sum_all(op_square(y)), wrt, 3, NULL, a.gradients));
    return a;
}

static size_t gradient_peak(int64_t tokens)
{
    attending a = attend(tokens, TYPE_F32);
    plan *p = plan_of(a.g, a.gradients, 3);
    size_t peak = plan_peak_bytes(p);
    plan_free(p);
    graph_free(a.g);
    return peak;
}

static void attention_is_linear_in_the_tokens(void **state)
{
    (void)state;
    size_t half = gradient_peak(1000), whole = gradient_peak(2000);
    print_message("gradient through attention: %zu bytes for 1000 tokens, %zu for 2000\n", half, whole);
    assert_true((double)whole < 2.1 * (double)half);
    assert_true(whole < 2000 * 2000 * sizeof(float)); /* less than the scores of one head */
}

/* The plan's figures at 500, 1000, 2000 and 4000 tokens lie on a straight line: each is within a hundredth of the one through the
 * first and the last. The process takes no more than they say: the peak after a run at 4000 tokens. */
static void attention_grows_by_the_same_for_every_token(void **state)
{
    (void)state;
    enum { SIZES = 4 };
    static const int64_t tokens[SIZES] = {500, 1000, 2000, 4000};
    double peaks[SIZES];
    for (int i = 0; i < SIZES; i++)
        peaks[i] = (double)gradient_peak(tokens[i]);
    double slope = (peaks[SIZES - 1] - peaks[0]) / (double)(tokens[SIZES - 1] - tokens[0]);
    for (int i = 0; i < SIZES; i++) {
        double line = peaks[0] + slope * (double)(tokens[i] - tokens[0]);
        print_message("gradient through attention of %lld tokens: %.0f bytes (line %.0f)\n", (long long)tokens[i], peaks[i], line);
        assert_true(fabs(peaks[i] - line) <= 0.01 * line);
    }
    assert_true(slope < 4000 * sizeof(float)); /* a row of scores of one head is not in it */
}

static void the_process_takes_what_the_plan_says(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* their own memory counts too */
#else
    enum { MANY = 24000 };
    attending a = attend(MANY, TYPE_F32);
    plan *p = plan_of(a.g, a.gradients, 3);
    size_t input = (size_t)shape_count(a.q->shape) * sizeof(float), before = machine_process_peak();
    float *xs = malloc(input);
    for (size_t i = 0; i < input / sizeof(float); i++)
        xs[i] = 0.01F * (float)(i % 17);
    plan_bind(p, a.q, xs);
    plan_bind(p, a.k, xs);
    plan_bind(p, a.v, xs);
    node *starts = graph_find(a.gradients, 3, "start");
    assert_non_null(starts);
    int32_t *start = malloc(MANY * sizeof *start);
    for (int t = 0; t < MANY; t++)
        start[t] = t / 200 * 200; /* short sequences: what is taken does not depend on them, the time does */
    plan_bind(p, starts, start);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    size_t after = machine_process_peak(), said = plan_peak_bytes(p) + input + MANY * sizeof *start;
    print_message("%d tokens: the plan says %zu bytes, the process took at most %zu more\n", MANY, plan_peak_bytes(p), after - before);
    assert_true(plan_peak_bytes(p) > (size_t)16 << 20); /* so that the rest does not count */
    assert_true((double)(after - before) < 1.1 * (double)said + (1 << 20));
    free(xs);
    free(start);
    plan_free(p);
    graph_free(a.g);
#endif
}

/* A second derivative holds the scores: it says so, and is refused above a limit, with the scores named. */
static void second_derivatives_say_what_they_need(void **state)
{
    (void)state;
    attending a = attend(2000, TYPE_F32);
    node *direction = graph_fill(a.g, TYPE_F32, a.q->shape, 1), *products;
    assert_true(graph_jvp(a.gradients, 1, &a.q, &direction, 1, &products));
    plan *p;
    error err = {0};
    assert_int_equal(plan_new(a.g, &products, 1, &(plan_options){.memory_limit = 16 << 20, .threads = 1}, &p, &err), STATUS_LIMIT);
    assert_null(p);
    assert_non_null(strstr(err.message, "16777216"));
    assert_non_null(strstr(err.message, "2000, 2000]")); /* the largest values: scores of all pairs */
    assert_int_equal(plan_new(a.g, &products, 1, &(plan_options){.threads = 1}, &p, &err), STATUS_OK);
    size_t scores = (size_t)HEADS * 2000 * 2000 * sizeof(float);
    double times = (double)plan_peak_bytes(p) / (double)scores;
    print_message("second derivative of 2000 tokens: %.2f times the scores\n", times);
    assert_true(times > 1 && times < 16); /* said beforehand: nothing of it is there yet */
    plan_free(p);
    graph_free(a.g);
}

/* ---- the vocabulary ---- */
enum { TOKENS = 2048, WIDTH = 24, WORDS = 5000, AT_ONCE = 512 }; /* weights gather gradients by 512 tokens */

typedef enum project_how { WHOLE, IN_CHUNKS, IN_CHUNKS_ONCE } project_how;

typedef struct projected {
    float loss[TOKENS], dx[TOKENS * WIDTH];
    float *dweight; /* WORDS * WIDTH */
    float sum;
    size_t peak, products;
} projected;

static size_t products_in(const plan *p)
{
    size_t products = 0, count = plan_profile(p, NULL, 0);
    plan_step_profile *steps = calloc(count, sizeof *steps);
    assert_non_null(steps);
    plan_profile(p, steps, count);
    for (size_t i = 0; i < count; i++)
        products += steps[i].flops > 0;
    free(steps);
    return products;
}

static void project(projected *r, project_how how)
{
    static float xs[TOKENS * WIDTH], ws[WORDS * WIDTH], weights[TOKENS];
    static int32_t targets[TOKENS];
    for (int i = 0; i < TOKENS * WIDTH; i++)
        xs[i] = sinf(1.7f * (float)i);
    for (int i = 0; i < WORDS * WIDTH; i++)
        ws[i] = cosf(0.9f * (float)i);
    for (int i = 0; i < TOKENS; i++) {
        targets[i] = i % 7 == 3 ? -1 : i * 37 % WORDS;
        weights[i] = 1 + 0.01f * (float)i;
    }
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(TOKENS, WIDTH)), *w = graph_input(g, "w", TYPE_F32, SHAPE(WORDS, WIDTH));
    node *target = graph_input(g, "target", TYPE_I32, SHAPE(TOKENS)), *weight = graph_input(g, "weight", TYPE_F32, SHAPE(TOKENS));
    node *loss = how != WHOLE ? op_projected_cross_entropy(x, w, target, weight, TYPE_F32, AT_ONCE)
                        : op_cross_entropy(op_linear(x, w), target, weight);
    node *wrt[2] = {x, w}, *outputs[4] = {loss, NULL, NULL, op_sum_all(loss)};
    if (how == IN_CHUNKS_ONCE) {
        assert_true(graph_value_and_grad(outputs[3], wrt, 2, &outputs[3], outputs + 1));
        outputs[0] = graph_fill(g, TYPE_F32, SHAPE(TOKENS), 0); /* only their sum is asked for */
    } else {
        assert_true(graph_grad(outputs[3], wrt, 2, NULL, outputs + 1));
    }
    plan *p = plan_of(g, outputs, 4);
    plan_bind(p, x, xs);
    plan_bind(p, w, ws);
    plan_bind(p, target, targets);
    plan_bind(p, weight, weights);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    r->peak = plan_peak_bytes(p);
    r->products = products_in(p);
    r->sum = *(const float *)plan_output(p, 3);
    r->dweight = malloc(sizeof ws);
    assert_non_null(r->dweight);
    memcpy(r->loss, plan_output(p, 0), sizeof r->loss);
    memcpy(r->dx, plan_output(p, 1), sizeof r->dx);
    memcpy(r->dweight, plan_output(p, 2), sizeof ws);
    plan_free(p);
    graph_free(g);
}

static void logits_are_never_held_whole(void **state)
{
    (void)state;
    static projected whole, chunks, once;
    project(&whole, WHOLE);
    project(&chunks, IN_CHUNKS);
    project(&once, IN_CHUNKS_ONCE);
    print_message("cross-entropy over %d words: %zu bytes, %zu in chunks of %d tokens; the logits alone have %zu\n", WORDS,
                  whole.peak, chunks.peak, AT_ONCE, TOKENS * WORDS * sizeof(float));
    assert_memory_equal(whole.loss, chunks.loss, sizeof whole.loss);
    assert_memory_equal(whole.dx, chunks.dx, sizeof whole.dx);
    for (int i = 0; i < WORDS * WIDTH; i++)
        if (!(fabsf(whole.dweight[i] - chunks.dweight[i]) <= 1e-4f))
            fail_msg("gradient %d: %g in chunks, %g at once", i, (double)chunks.dweight[i], (double)whole.dweight[i]);
    assert_true(chunks.peak < TOKENS * WORDS * sizeof(float));
    assert_true(2 * chunks.peak < whole.peak);
    print_message("products: %zu, %zu in chunks, %zu in chunks made once (%zu bytes)\n", whole.products, chunks.products,
                  once.products, once.peak);
    assert_int_equal(whole.products, 3);
    assert_int_equal(chunks.products, 4 * TOKENS / AT_ONCE);
    assert_int_equal(once.products, 3 * TOKENS / AT_ONCE);
    assert_memory_equal(&once.sum, &whole.sum, sizeof once.sum);
    assert_memory_equal(once.dx, chunks.dx, sizeof once.dx);
    assert_memory_equal(once.dweight, chunks.dweight, sizeof(float) * WORDS * WIDTH);
    assert_true(once.peak < TOKENS * WORDS * sizeof(float));
    free(once.dweight);
    free(whole.dweight);
    free(chunks.dweight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_linear_in_the_tokens),
        cmocka_unit_test(attention_grows_by_the_same_for_every_token),
        cmocka_unit_test(the_process_takes_what_the_plan_says),
        cmocka_unit_test(second_derivatives_say_what_they_need),
        cmocka_unit_test(logits_are_never_held_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
