/* The engine against the graph without a cache, and against itself: alone, in company, with other threads. */
#include "lm/engine_fixture.h"
#include "lm/graph_fixture.h"

#include "graph/ops.h"
#include "graph/plan.h"

#include <math.h>

static void company_threads_and_slots_change_no_bits(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine_result together[REQUESTS], threaded[REQUESTS], crowded[REQUESTS], alone;
    engine *e = make_engine(NULL, NULL), *t = make_engine(NULL, two);
    engine *few = make_engine(&(engine_options){.sequences = 5}, two);
    generate(e, requests, together, REQUESTS);
    generate(t, requests, threaded, REQUESTS);
    generate(few, requests, crowded, REQUESTS); /* slots are used again and again */
    for (size_t i = 0; i < REQUESTS; i++) {
        generate(e, &requests[i], &alone, 1);
        same_bits(&alone, &together[i]);
        same_bits(&alone, &threaded[i]);
        same_bits(&alone, &crowded[i]);
    }
    engine_free(e);
    engine_free(t);
    engine_free(few);
}

/* Log-probabilities [count][vocabulary] of a sequence by the graph without a cache, in f32. */
static const float *reference(const int32_t *ids, size_t count)
{
    graph *g = graph_new(memory);
    transformer t;
    plan *p = NULL;
    error err = {0};
    assert_int_equal(transformer_build(memory, g, &model->config, transformer_types_all(TYPE_F32), (int64_t)count, &t, &err),
                     STATUS_OK);
    node *out = op_log_softmax(transformer_logits(&t, t.hidden));
    if (plan_new(g, &out, 1, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    run_text(memory, p, &t, model, ids, count);
    size_t bytes = count * (size_t)model->config.vocabulary * sizeof(float);
    float *copy = arena_alloc(memory, bytes);
    memcpy(copy, plan_output(p, 0), bytes);
    plan_free(p);
    return copy;
}

static void the_cache_gives_what_the_whole_sequence_gives(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(&(engine_options){.compute = TYPE_F32}, two);
    engine_result results[REQUESTS];
    generate(e, requests, results, REQUESTS);
    size_t vocabulary = (size_t)model->config.vocabulary;
    for (size_t i = 0; i < REQUESTS; i += 5) {
        size_t count = requests[i].prompt_count + results[i].count;
        int32_t *ids = ARENA_ARRAY(memory, int32_t, count);
        memcpy(ids, requests[i].prompt, requests[i].prompt_count * sizeof *ids);
        if (results[i].count)
            memcpy(ids + requests[i].prompt_count, results[i].ids, results[i].count * sizeof *ids);
        const float *expected = reference(ids, count);
        for (size_t k = 0; k < results[i].count; k++) {
            const float *row = expected + (requests[i].prompt_count + k - 1) * vocabulary;
            float want = row[results[i].ids[k]];
            if (fabsf(want - results[i].logprobs[k]) > 2e-4f * (1 + fabsf(want)))
                fail_msg("request %zu, token %zu: %g, expected %g", i, k, (double)results[i].logprobs[k], (double)want);
            for (size_t v = 0; requests[i].rule.temperature == 0 && v < vocabulary; v++)
                assert_true(row[v] <= want + 2e-4f); /* greedy took the largest */
        }
    }
    engine_free(e);
}

/* What generation reports for its own tokens is, bit for bit, what scoring gives them. */
static void scoring_agrees_with_generation(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, two), *few = make_engine(&(engine_options){.sequences = 3}, NULL);
    engine_result results[REQUESTS];
    generate(e, requests, results, REQUESTS);
    token_list continuations[REQUESTS][3];
    engine_score_request asks[REQUESTS];
    engine_score scores[REQUESTS], again[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++) {
        continuations[i][0] = (token_list){.ids = (int32_t *)results[i].ids, .count = results[i].count};
        continuations[i][1] = (token_list){0};
        continuations[i][2] = (token_list){.ids = (int32_t *)results[(i + 1) % REQUESTS].ids,
                                           .count = results[(i + 1) % REQUESTS].count};
        asks[i] = (engine_score_request){.prefix = requests[i].prompt, .prefix_count = requests[i].prompt_count,
                                         .continuations = continuations[i], .continuation_count = 3};
    }
    error err = {0};
    if (engine_score_all(e, memory, asks, scores, REQUESTS, &err) != STATUS_OK ||
        engine_score_all(few, memory, asks, again, REQUESTS, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < REQUESTS; i++) {
        double sum = 0;
        for (size_t k = 0; k < results[i].count; k++)
            sum += (double)results[i].logprobs[k];
        assert_int_equal(scores[i].code, STATUS_OK);
        assert_true(scores[i].logprobs[0] == sum && scores[i].logprobs[1] == 0);
        assert_memory_equal(scores[i].logprobs, again[i].logprobs, 3 * sizeof(double));
        assert_true(results[(i + 1) % REQUESTS].count == 0 || scores[i].logprobs[2] < 0);
    }
    engine_free(e);
    engine_free(few);
}

static void stop_strings_end_the_text_in_front_of_them(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, NULL);
    engine_result free_running, stopped;
    size_t i = 0;
    do { /* an answer with some text in it */
        requests[i].max_tokens = LONGEST;
        generate(e, &requests[i], &free_running, 1);
    } while ((strlen(free_running.text) < 12 || !utf8_valid(slice_sub(slice_of(free_running.text), 4, 7)) ||
              free_running.reason != ENGINE_STOP_LENGTH) && ++i < REQUESTS);
    assert_true(i < REQUESTS);
    slice text = slice_of(free_running.text);
    slice stops[] = {SLICE("never in there"), slice_sub(text, 4, 7)};
    requests[i].stops = stops;
    requests[i].stop_count = 2;
    generate(e, &requests[i], &stopped, 1);
    assert_int_equal(stopped.reason, ENGINE_STOP_STRING);
    size_t where = slice_find(text, stops[1], 0);
    assert_int_equal(strlen(stopped.text), where);
    assert_memory_equal(stopped.text, text.text, where);
    assert_true(stopped.count <= free_running.count);
    assert_memory_equal(stopped.ids, free_running.ids, stopped.count * sizeof(int32_t));
    engine_free(e);
}

static void the_end_of_text_and_the_context_end_answers(void **state)
{
    (void)state;
    checkpoint changed = *model;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, NULL);
    engine_result first, ended, filled;
    requests[1].max_tokens = 1000; /* more than the context holds */
    generate(e, &requests[1], &filled, 1);
    if (filled.reason == ENGINE_STOP_LENGTH)
        assert_int_equal(requests[1].prompt_count + filled.count, engine_context(e));
    generate(e, &requests[0], &first, 1);
    assert_true(first.count > 0);
    changed.config.eos[0] = first.ids[0]; /* the first token now is the end */
    engine *other;
    assert_int_equal(engine_new(&changed, NULL, NULL, &other, NULL), STATUS_OK);
    generate(other, &requests[0], &ended, 1);
    assert_int_equal(ended.reason, ENGINE_STOP_END);
    assert_true(ended.count == 0 && ended.text[0] == '\0');
    assert_true((float)ended.logprob == first.logprobs[0]);
    engine_free(other);
    engine_free(e);
}

static void bad_requests_are_told_why_and_disturb_no_others(void **state)
{
    (void)state;
    engine_request *good = make_requests(), requests[6];
    engine_result results[6], alone;
    int32_t *many = ARENA_ARRAY(memory, int32_t, 300), outside[] = {7, 12345};
    for (size_t i = 0; i < 6; i++)
        requests[i] = good[2];
    requests[0].prompt = many;
    requests[0].prompt_count = 300;
    requests[1].prompt_count = 0;
    requests[2].prompt = outside;
    requests[2].prompt_count = 2;
    requests[3].max_tokens = 0;
    requests[5].candidates = outside;
    requests[5].candidate_count = 1;
    requests[5].candidates_after = requests[5].prompt_count + 1;
    engine *e = make_engine(NULL, NULL);
    generate(e, requests, results, 6);
    generate(e, &good[2], &alone, 1);
    assert_int_equal(results[0].code, STATUS_INVALID);
    assert_non_null(strstr(results[0].problem, "300"));
    assert_non_null(strstr(results[0].problem, "256"));
    assert_int_equal(results[1].code, STATUS_INVALID);
    assert_non_null(strstr(results[2].problem, "12345"));
    assert_int_equal(results[3].code, STATUS_INVALID);
    same_bits(&alone, &results[4]);
    assert_int_equal(results[5].code, STATUS_INVALID);
    assert_non_null(strstr(results[5].problem, "candidates"));
    engine_score_request ask = {.prefix = many, .prefix_count = 250, .continuations = (token_list[]){{.ids = many, .count = 10}},
                                .continuation_count = 1};
    engine_score score;
    assert_int_equal(engine_score_all(e, memory, &ask, &score, 1, NULL), STATUS_OK);
    assert_int_equal(score.code, STATUS_INVALID);
    assert_non_null(strstr(score.problem, "260"));
    engine_free(e);
}

static void a_limit_on_memory_is_kept(void **state)
{
    (void)state;
    engine *e;
    error err = {0};
    assert_int_equal(engine_new(model, &(engine_options){.memory_limit = 100 << 10}, NULL, &e, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "256 positions"));
    assert_non_null(strstr(err.message, "KiB in all, and the limit is 100 KiB"));
    assert_int_equal(engine_new(model, &(engine_options){.cache_limit = 100 << 10}, NULL, &e, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "256 positions needs 256 KiB of cache, and its limit is 100 KiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_threads_and_slots_change_no_bits),
        cmocka_unit_test(the_cache_gives_what_the_whole_sequence_gives),
        cmocka_unit_test(scoring_agrees_with_generation),
        cmocka_unit_test(stop_strings_end_the_text_in_front_of_them),
        cmocka_unit_test(the_end_of_text_and_the_context_end_answers),
        cmocka_unit_test(bad_requests_are_told_why_and_disturb_no_others),
        cmocka_unit_test(a_limit_on_memory_is_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
