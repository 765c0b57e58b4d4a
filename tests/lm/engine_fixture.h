/* A small model for tests of the engine, requests, and comparing answers bit by bit. */
#ifndef TESTS_LM_ENGINE_FIXTURE_H
#define TESTS_LM_ENGINE_FIXTURE_H

#include "lm/model_fixture.h"

#include "lm/engine.h"

enum { REQUESTS = 64, LONGEST = 24 };

static arena *memory;
static checkpoint *model;
static thread_pool *two;

static inline int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    tokenizer *t = fixture_tokenizer(memory);
    lm_config c = fixture_config(t); /* with the widths of the base model, since products differ by width */
    c.hidden = 256, c.heads = 4, c.kv_heads = 2, c.head_size = 64, c.intermediate = 704, c.init_range = 0.06;
    error err = {0};
    if (checkpoint_save(file_join(memory, test_folder(), "m"), &c, t, fixture_weights(memory, &c, 4), &err) != STATUS_OK ||
        checkpoint_open(memory, file_join(memory, test_folder(), "m"), &model, &err) != STATUS_OK ||
        thread_pool_new(2, &two, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    thread_pool_free(two);
    arena_free(memory);
    return 0;
}

static inline engine *make_engine(const engine_options *options, thread_pool *pool)
{
    engine *e;
    error err = {0};
    if (engine_new(model, options, pool, &e, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return e;
}

static inline void generate(engine *e, const engine_request *requests, engine_result *results, size_t count)
{
    error err = {0};
    if (engine_generate(e, memory, requests, results, count, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

/* 64 prompts of different lengths (some longer than a page of the cache), rules and draws. */
static inline engine_request *make_requests(void)
{
    engine_request *list = ARENA_ARRAY(memory, engine_request, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        random_stream r = random_stream_at(9, "test/prompt", i, 0, 0, 0);
        size_t count = 1 + random_below(&r, i % 8 == 0 ? 150 : 30);
        int32_t *ids = ARENA_ARRAY(memory, int32_t, count);
        for (size_t k = 0; k < count; k++)
            ids[k] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
        list[i] = (engine_request){.prompt = ids, .prompt_count = count, .max_tokens = (int)(1 + i % LONGEST),
                                   .random = random_stream_at(9, "test/draw", i, 0, 0, 0)};
        if (i % 3)
            list[i].rule = (sampler_rule){0.5 + 0.1 * (double)(i % 7), i % 5 ? 1 : 0.9, i % 4 ? 0 : 20};
    }
    return list;
}

static inline void same_bits(const engine_result *a, const engine_result *b)
{
    assert_int_equal(a->code, STATUS_OK);
    assert_int_equal(b->code, STATUS_OK);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->reason, b->reason);
    assert_string_equal(a->text, b->text);
    if (a->count) {
        assert_memory_equal(a->ids, b->ids, a->count * sizeof *a->ids);
        assert_memory_equal(a->logprobs, b->logprobs, a->count * sizeof *a->logprobs);
    }
    assert_memory_equal(&a->logprob, &b->logprob, sizeof a->logprob);
}

/* Everything that a request asked for, bit by bit. */
static inline void same_answers(const engine_request *q, const engine_result *a, const engine_result *b)
{
    same_bits(a, b);
    if (q->prompt_logprobs)
        assert_memory_equal(a->prompt_logprobs, b->prompt_logprobs, q->prompt_count * sizeof(float));
    if (q->top && a->count)
        assert_memory_equal(a->top, b->top, a->count * (size_t)q->top * sizeof *a->top);
    if (q->top && q->prompt_logprobs)
        for (size_t i = 0; i < q->prompt_count * (size_t)q->top; i++)
            assert_int_equal(a->prompt_top[i].id, b->prompt_top[i].id);
    for (size_t i = 0; i < q->reading_count; i++) {
        const engine_activation *x = &a->readings[i], *y = &b->readings[i];
        assert_int_equal(x->count, y->count);
        assert_true(x->count == 0 || memcmp(x->values, y->values, x->count * x->width * sizeof(float)) == 0);
    }
}

static inline void no_page_is_lost(const engine *e)
{
    engine_cache c = engine_cache_of(e);
    assert_int_equal(c.pages_free + c.pages_known, c.pages);
}

/* Generates while the n-th allocation fails: what is answered all the same is right, and nothing else goes wrong. Whether
 * anything failed. */
static inline bool generate_without_memory(engine *e, unsigned long n, const engine_request *requests,
                                           const engine_result *right, size_t count)
{
    engine_result *results = ARENA_ARRAY(memory, engine_result, count);
    memory_fail_at(n);
    status code = engine_generate(e, memory, requests, results, count, NULL);
    memory_fail_at(0);
    bool failed = code != STATUS_OK;
    assert_true(code == STATUS_OK || code == STATUS_MEMORY);
    for (size_t i = 0; code == STATUS_OK && i < count; i++) {
        failed = failed || results[i].code != STATUS_OK;
        if (results[i].code == STATUS_OK)
            same_answers(&requests[i], &right[i], &results[i]);
        else
            assert_int_equal(results[i].code, STATUS_MEMORY);
    }
    assert_false(engine_busy(e));
    return failed;
}

#endif
