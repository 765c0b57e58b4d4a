/* Shared prefixes, pages and eviction change no bits and lose no pages. */
#include "lm/engine_fixture.h"

#include <math.h>

/* Prompts that share beginnings of many lengths with one text, and some that share none; some ask about their prompt. */
static engine_request *sharing_requests(void)
{
    engine_request *list = make_requests();
    int32_t *text = ARENA_ARRAY(memory, int32_t, 230);
    random_stream r = random_stream_at(9, "test/text", 0, 0, 0, 0);
    for (size_t k = 0; k < 230; k++)
        text[k] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
    for (size_t i = 0; i < REQUESTS; i++) {
        engine_request *q = &list[i];
        size_t shared = i % 9 == 8 ? 0 : i % 4 == 3 ? 64 * (1 + i % 3) : 1 + 7 * i % 200, own = i % 3 ? i % 20 : 0;
        if (shared + own == 0)
            continue;
        int32_t *ids = ARENA_ARRAY(memory, int32_t, shared + own);
        memcpy(ids, text, shared * sizeof *ids);
        for (size_t k = 0; k < own; k++)
            ids[shared + k] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
        q->prompt = ids;
        q->prompt_count = shared + own;
        q->prompt_logprobs = i % 5 == 0;
        q->prompt_from = i % 10 == 0 ? 0 : q->prompt_count / 2;
        q->top = i % 7 == 0 ? 3 : 0;
    }
    return list;
}

static void what_is_known_changes_no_bits(void **state)
{
    (void)state;
    engine_request *requests = sharing_requests(), backwards[REQUESTS];
    engine_result alone[REQUESTS], cold[REQUESTS], warm[REQUESTS], turned[REQUESTS], one;
    engine *e = make_engine(NULL, NULL), *t = make_engine(NULL, two);
    for (size_t i = 0; i < REQUESTS; i++) {
        generate(e, &requests[i], &alone[i], 1);
        assert_int_equal(alone[i].reused, 0);
        engine_forget(e);
        backwards[REQUESTS - 1 - i] = requests[i];
    }
    assert_int_equal(engine_cache_of(e).pages_free, engine_cache_of(e).pages);
    generate(t, requests, cold, REQUESTS);
    assert_true(engine_cache_of(t).reused_tokens > 1000); /* among those that came together */
    generate(t, requests, warm, REQUESTS);
    generate(e, backwards, turned, REQUESTS);
    size_t reused = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        same_answers(&requests[i], &alone[i], &cold[i]);
        same_answers(&requests[i], &alone[i], &warm[i]);
        same_answers(&requests[i], &alone[i], &turned[REQUESTS - 1 - i]);
        generate(t, &requests[i], &one, 1); /* alone, with everything known */
        same_answers(&requests[i], &alone[i], &one);
        reused += one.reused;
    }
    assert_true(reused > 2000);
    no_page_is_lost(e);
    no_page_is_lost(t);
    engine_free(e);
    engine_free(t);
}

/* Room for one sequence of full length: pages go and are computed again. */
static void a_tiny_cache_gives_the_same_answers(void **state)
{
    (void)state;
    engine_request *requests = sharing_requests();
    engine_result wide[REQUESTS], tiny[REQUESTS], small[REQUESTS];
    engine *e = make_engine(NULL, two), *t = make_engine(&(engine_options){.cache_limit = 256 << 10}, two);
    engine *s = make_engine(&(engine_options){.cache_limit = 1 << 20, .sequences = 7}, NULL);
    assert_int_equal(engine_cache_of(t).pages, 4);
    generate(e, requests, wide, REQUESTS);
    generate(t, requests, tiny, REQUESTS);
    generate(s, requests, small, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        same_answers(&requests[i], &wide[i], &tiny[i]);
        same_answers(&requests[i], &wide[i], &small[i]);
    }
    assert_true(engine_cache_of(t).evicted_pages > 0 && engine_cache_of(s).evicted_pages > 0);
    no_page_is_lost(t);
    no_page_is_lost(s);
    engine_free(e);
    engine_free(t);
    engine_free(s);
}

/* What is said of a prompt's tokens is what scoring says of them as continuations, and the alternatives are in order. */
static void log_probabilities_of_prompts_are_those_of_scoring(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, two);
    for (size_t i = 0; i < REQUESTS; i += 8) {
        engine_request q = requests[i];
        if (q.prompt_count < 4)
            continue;
        q.max_tokens = 0;
        q.prompt_logprobs = true;
        q.top = 4;
        engine_result r;
        engine_score score;
        generate(e, &q, &r, 1);
        assert_int_equal(r.code, STATUS_OK);
        assert_int_equal(r.count, 0);
        assert_true(isnan(r.prompt_logprobs[0]));
        token_list rest = {.ids = (int32_t *)(uintptr_t)q.prompt + 2, .count = q.prompt_count - 2};
        engine_score_request ask = {.prefix = q.prompt, .prefix_count = 2, .continuations = &rest, .continuation_count = 1};
        engine_forget(e);
        assert_int_equal(engine_score_all(e, memory, &ask, &score, 1, NULL), STATUS_OK);
        double sum = 0;
        for (size_t k = 2; k < q.prompt_count; k++) {
            const engine_top *top = r.prompt_top + k * 4;
            sum += (double)r.prompt_logprobs[k];
            for (size_t j = 0; j < 4; j++) {
                assert_true(j == 0 || top[j].logprob <= top[j - 1].logprob);
                assert_true(top[j].id != q.prompt[k] || top[j].logprob == r.prompt_logprobs[k]);
            }
            assert_true(r.prompt_logprobs[k] <= top[0].logprob);
        }
        assert_true(sum == score.logprobs[0]);
    }
    engine_free(e);
}

static void a_choice_has_the_probabilities_of_the_model(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    int32_t prefix[] = {5, 9, 100}, first[] = {7}, second[] = {80, 90, 11}, third[] = {80, 12};
    token_list list[] = {{.ids = first, .count = 1}, {.ids = second, .count = 3}, {.ids = third, .count = 2}};
    engine_score_request ask = {.prefix = prefix, .prefix_count = 3, .continuations = list, .continuation_count = 3};
    engine_score score;
    engine_choice choice;
    assert_int_equal(engine_score_all(e, memory, &ask, &score, 1, NULL), STATUS_OK);
    double sum = 0, passed = 0;
    for (size_t i = 0; i < 3; i++)
        sum += exp(score.logprobs[i] / 2);
    for (size_t i = 0; i < 3; i++) {
        double p = exp(score.logprobs[i] / 2) / sum;
        assert_int_equal(engine_choose(e, memory, &ask, 2, passed + p / 2, &choice, NULL), STATUS_OK);
        assert_int_equal(choice.picked, i);
        assert_true(fabs(choice.probabilities[i] - p) < 1e-12);
        passed += p;
    }
    assert_int_equal(engine_choose(e, memory, &ask, 0, 0.5, &choice, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(score.logprobs[i] <= score.logprobs[choice.picked]);
    engine_free(e);
}

/* Whichever allocation fails: an error or the right answer, and the engine goes on. */
static void lost_memory_is_said_and_survived(void **state)
{
    (void)state;
    engine_request *requests = sharing_requests();
    engine *e = make_engine(NULL, NULL);
    engine_result right[4], results[4];
    generate(e, requests, right, 4);
    bool failed = true;
    for (unsigned long n = 1; failed && n < 400; n++) {
        engine_forget(e);
        failed = generate_without_memory(e, n, requests, right, 4);
    }
    no_page_is_lost(e);
    generate(e, requests, results, 4);
    for (size_t i = 0; i < 4; i++)
        same_answers(&requests[i], &right[i], &results[i]);
    engine_free(e);
}

/* Forty prefixes of one text: it is read once, then all go on together, not one behind the other. */
static void prefixes_of_one_text_go_together(void **state)
{
    (void)state;
    enum { PREFIXES = 40, STEP = 5, WRITTEN = 3 };
    engine *e = make_engine(NULL, NULL);
    engine_request requests[PREFIXES];
    engine_result results[PREFIXES];
    int32_t text[PREFIXES * STEP];
    random_stream r = random_stream_at(9, "test/prefixes", 0, 0, 0, 0);
    for (size_t i = 0; i < COUNT_OF(text); i++)
        text[i] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
    for (size_t i = 0; i < PREFIXES; i++)
        requests[i] = (engine_request){.prompt = text, .prompt_count = (i + 1) * STEP, .max_tokens = WRITTEN};
    for (int known = 0; known < 2; known++) {
        engine_times before = engine_times_of(e);
        generate(e, requests, results, PREFIXES);
        uint64_t steps = engine_times_of(e).steps - before.steps, rows = engine_times_of(e).rows - before.rows;
        assert_in_range(steps, WRITTEN, known ? WRITTEN + 1 : WRITTEN + 2);
        assert_in_range(rows, PREFIXES * WRITTEN, PREFIXES * WRITTEN + (known ? 0 : PREFIXES * STEP) + PREFIXES * 8);
    }
    engine_free(e);
}

/* Questions that begin alike, in groups that go on alike, with answers of one and of two tokens: what two share is read once,
 * though only a few are in flight at a time, and the second token of an answer is one row more. */
static void questions_that_begin_alike_are_read_once(void **state)
{
    (void)state;
    enum { GROUPS = 4, EACH = 10, ITEMS = GROUPS * EACH, COMMON = 24, GROUP = 12, OWN = 20, LONG = COMMON + GROUP + OWN };
    engine *e = make_engine(&(engine_options){.sequences = 12}, NULL);
    int32_t texts[ITEMS][LONG], one[] = {7}, two_tokens[] = {80, 12};
    token_list answers[] = {{.ids = one, .count = 1}, {.ids = two_tokens, .count = 2}};
    engine_score_request asks[ITEMS];
    engine_score together[ITEMS], alone;
    random_stream r = random_stream_at(11, "test/alike", 0, 0, 0, 0);
    for (size_t i = 0; i < ITEMS; i++) {
        size_t as = i == 0 ? 0 : i < GROUPS ? COMMON : COMMON + GROUP; /* the groups take turns */
        memcpy(texts[i], texts[i < GROUPS ? 0 : i % GROUPS], as * sizeof(int32_t));
        for (size_t k = as; k < LONG; k++)
            texts[i][k] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
        asks[i] = (engine_score_request){.prefix = texts[i], .prefix_count = LONG, .continuations = answers, .continuation_count = 2};
    }
    assert_int_equal(engine_score_all(e, memory, asks, together, ITEMS, NULL), STATUS_OK);
    uint64_t rows = engine_times_of(e).rows, least = COMMON + GROUPS * GROUP + ITEMS * (OWN + 1);
    if (rows > least + least / 50)
        fail_msg("%zu rows were computed; %zu are different", (size_t)rows, (size_t)least);
    for (size_t i = 0; i < ITEMS; i++) {
        engine_forget(e);
        assert_int_equal(engine_score_all(e, memory, &asks[i], &alone, 1, NULL), STATUS_OK);
        assert_memory_equal(together[i].logprobs, alone.logprobs, 2 * sizeof(double));
    }
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_changes_no_bits),
        cmocka_unit_test(prefixes_of_one_text_go_together),
        cmocka_unit_test(questions_that_begin_alike_are_read_once),
        cmocka_unit_test(a_tiny_cache_gives_the_same_answers),
        cmocka_unit_test(log_probabilities_of_prompts_are_those_of_scoring),
        cmocka_unit_test(a_choice_has_the_probabilities_of_the_model),
        cmocka_unit_test(lost_memory_is_said_and_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
