/* The same bits: a whole training step for any number of threads, with and without groups of elementwise nodes, with and without
 * donated buffers; a document's logits in any batch. */
#include "core/random.h"
#include "graph/plan.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOKENS = 210, ROW = 70, STEPS = 3, STATES = 1 + OPTIMISER_STATES };

static lm_config small_config(void)
{
    lm_config c = lm_config_base(512);
    c.hidden = 64, c.intermediate = 96, c.layers = 2, c.heads = 4, c.kv_heads = 2, c.head_size = 16, c.context = 128;
    return c;
}

typedef struct batch {
    int32_t tokens[TOKENS], targets[TOKENS], positions[TOKENS], starts[TOKENS];
    float weights[TOKENS];
} batch;

static batch drawn_batch(const lm_config *c)
{
    batch b;
    random_stream r = random_stream_at(1, "tests/bits", 0, 0, 0, 0);
    for (int i = 0; i < TOKENS; i++) {
        b.tokens[i] = (int32_t)random_below(&r, (uint64_t)c->vocabulary);
        b.targets[i] = (int32_t)random_below(&r, (uint64_t)c->vocabulary);
        b.positions[i] = i % ROW;
        b.starts[i] = i - i % ROW;
        b.weights[i] = 1.0F / TOKENS;
    }
    return b;
}

typedef struct way {
    size_t threads;
    bool unfused, donated;
} way;

static void bind_batch(plan *p, const stage_graph *g, const batch *b)
{
    plan_bind(p, g->model.tokens, b->tokens);
    plan_bind(p, g->model.positions, b->positions);
    plan_bind(p, g->model.starts, b->starts);
    plan_bind(p, g->targets, b->targets);
    plan_bind(p, g->weights, b->weights);
}

/* Without donated buffers: what came out is what goes in next. */
static void carry_over(const plan *p, parameters *weights)
{
    for (size_t i = 0; i < weights->count; i++) {
        parameter *x = &weights->items[i];
        float *to[STATES] = {x->value, x->mean, x->square};
        for (size_t k = 0; k < STATES; k++)
            memcpy(to[k], plan_output(p, STEP_FIRST + STATES * i + k), x->elements * sizeof(float));
    }
}

/* The parameters after STEPS steps from the same start; losses [STEPS]. */
static parameters *trained(arena *a, element_type compute, way how, float *losses)
{
    lm_config config = small_config();
    step_options options = {.optimiser = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}, .clip = 1};
    stage_graph g;
    parameters *weights;
    plan *p = NULL;
    thread_pool *pool;
    float rates[3];
    error err = {0};
    batch b = drawn_batch(&config);
    assert_int_equal(thread_pool_new(how.threads, &pool, &err), STATUS_OK);
    assert_int_equal(stage_parameters(a, &config, &weights, &err), STATUS_OK);
    order_stream init = order_stream_at((unsigned char[SHA256_BYTES]){1}, "init");
    parameters_initialise(weights, &init);
    assert_int_equal(parameters_train(weights, NULL, &options.optimiser, &err), STATUS_OK);
    assert_int_equal(stage_graph_build(a, &config, TOKENS, compute, FREEZE_NONE, &options, &g, &err), STATUS_OK);
    plan_options o = {.threads = how.threads, .unfused = how.unfused};
    status made = how.donated ? step_plan(a, &g.step, false, &p, &err) : plan_new(g.graph, g.step.outputs, g.step.output_count, &o, &p, &err);
    if (made != STATUS_OK)
        fail_msg("%s", err.message);
    bind_batch(p, &g, &b);
    plan_bind(p, g.step.rates, rates);
    for (size_t i = 0; i < weights->count; i++)
        step_bind(p, &g.step, i, weights->items[i].value, weights->items[i].mean, weights->items[i].square);
    for (int s = 0; s < STEPS; s++) {
        step_rates(&options, s, 1e-3, rates);
        assert_int_equal(plan_run(p, pool, &err), STATUS_OK);
        losses[s] = *(const float *)plan_output(p, STEP_LOSS);
        if (!how.donated)
            carry_over(p, weights);
    }
    plan_free(p);
    thread_pool_free(pool);
    return weights;
}

static void training_steps_give_the_same_bits(void **state)
{
    (void)state;
    static const way ways[] = {{2, false, false}, {3, false, false}, {1, true, false}, {2, true, false}, {1, false, true}, {2, false, true}};
    static const element_type types[] = {TYPE_F32, TYPE_BF16};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        arena *a = arena_new(NULL);
        float expected[STEPS], losses[STEPS];
        parameters *first = trained(a, types[t], (way){1, false, false}, expected);
        assert_true(expected[STEPS - 1] < expected[0]); /* it learns */
        for (size_t w = 0; w < COUNT_OF(ways); w++) {
            parameters *other = trained(a, types[t], ways[w], losses);
            assert_memory_equal(losses, expected, sizeof losses);
            for (size_t i = 0; i < first->count; i++) {
                const parameter *x = &first->items[i], *y = &other->items[i];
                size_t bytes = x->elements * sizeof(float);
                if (memcmp(x->value, y->value, bytes) != 0 || memcmp(x->mean, y->mean, bytes) != 0 || memcmp(x->square, y->square, bytes) != 0)
                    fail_msg("%s in %s: other bits with %zu threads%s%s", x->name, element_word(types[t]), ways[w].threads,
                             ways[w].unfused ? ", without groups" : "", ways[w].donated ? ", in donated buffers" : "");
            }
        }
        arena_free(a);
    }
}

/* The logits of `tokens` tokens of the batch from `from` on (whole documents), in `out`. */
static void logits_of(element_type compute, const batch *b, size_t from, size_t tokens, size_t threads, float *out)
{
    arena *a = arena_new(NULL);
    lm_config config = small_config();
    graph *g = graph_new(a);
    transformer t;
    parameters *weights;
    plan *p;
    thread_pool *pool;
    error err = {0};
    transformer_types types = compute == TYPE_BF16 ? transformer_types_training() : transformer_types_all(compute);
    assert_int_equal(thread_pool_new(threads, &pool, &err), STATUS_OK);
    assert_int_equal(stage_parameters(a, &config, &weights, &err), STATUS_OK);
    order_stream init = order_stream_at((unsigned char[SHA256_BYTES]){1}, "init");
    parameters_initialise(weights, &init);
    assert_int_equal(transformer_build(a, g, &config, types, (int64_t)tokens, &t, &err), STATUS_OK);
    node *logits = transformer_logits(&t, t.hidden);
    assert_int_equal(plan_new(g, &logits, 1, &(plan_options){.threads = threads}, &p, &err), STATUS_OK);
    for (size_t i = 0; i < t.weight_count; i++)
        plan_bind(p, t.weights[i], weights->items[i].value);
    int32_t starts[TOKENS];
    for (size_t i = 0; i < tokens; i++)
        starts[i] = b->starts[from + i] - (int32_t)from;
    plan_bind(p, t.tokens, b->tokens + from);
    plan_bind(p, t.positions, b->positions + from);
    plan_bind(p, t.starts, starts);
    assert_int_equal(plan_run(p, pool, &err), STATUS_OK);
    memcpy(out, plan_output(p, 0), tokens * (size_t)config.vocabulary * sizeof(float));
    plan_free(p);
    thread_pool_free(pool);
    arena_free(a);
}

static void a_document_has_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    static const element_type types[] = {TYPE_F32, TYPE_BF16};
    lm_config config = small_config();
    batch b = drawn_batch(&config);
    size_t width = (size_t)config.vocabulary;
    float *all = malloc(TOKENS * width * sizeof *all), *alone = malloc(TOKENS * width * sizeof *alone);
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        logits_of(types[t], &b, 0, TOKENS, 2, all);
        for (size_t from = 0; from < TOKENS; from += ROW) {
            logits_of(types[t], &b, from, ROW, 1 + from / ROW, alone);
            assert_memory_equal(alone, all + from * width, ROW * width * sizeof *alone);
        }
    }
    free(all);
    free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_steps_give_the_same_bits),
        cmocka_unit_test(a_document_has_the_same_bits_in_any_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
