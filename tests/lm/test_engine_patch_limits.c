/* Interventions that are wrong, overflow, or do not fit: told to those who asked, and nobody else is harmed. */
#include "lm/patch_fixture.h"

#include <math.h>

static void wrong_interventions_are_told_why(void **state)
{
    (void)state;
    const float *row = drawn(704 * 20, 3, 1);
    float *infinite = memcpy(ARENA_ARRAY(memory, float, 256), row, 256 * sizeof(float));
    infinite[5] = INFINITY;
    engine_request good = make_requests()[2];
    good.prompt_count = 9;
    good.max_tokens = 4;
    const struct {
        engine_intervention list[2];
        const char *words[3];
    } cases[] = {
        {{{"blocks.9.attn.out", SITE_ADD, {0}, row, 1, 256}}, {"'blocks.9.attn.out'", "embed, blocks.0 to blocks.1", ".mlp.act"}},
        {{{"logits", SITE_ADD, {0}, row, 1, 300}}, {"'logits'", "final.norm", ""}},
        {{{NULL, SITE_ADD, {0}, row, 1, 300}}, {"no site", "", ""}},
        {{{"embed", SITE_ADD, {0}, row, 1, 255}}, {"255", "embed has 256", "intervention 0"}},
        {{{"blocks.0.mlp.act", SITE_ADD, {0}, row, 1, 256}}, {"256", "704", "mlp.act"}},
        {{{"embed", SITE_ADD, {ENGINE_PROMPT, 0, 0}, row, 8, 256}}, {"8 rows", "expected 1, or 9", ""}},
        {{{"embed", SITE_ADD, {ENGINE_ALL, 0, 0}, row, 9, 256}}, {"9 rows", "expected 1, or 13", ""}},
        {{{"embed", SITE_ADD, {ENGINE_SPAN, 4, 4}, row, 1, 256}}, {"4 to 4", "0 to 13", "9 of the prompt"}},
        {{{"embed", SITE_ADD, {ENGINE_SPAN, 4, 14}, row, 1, 256}}, {"4 to 14", "0 to 13", ""}},
        {{{"embed", SITE_ADD, {ENGINE_SPAN, 13, ENGINE_TO_END}, row, 1, 256}}, {"from 13 on", "has 13", ""}},
        {{{"embed", SITE_ADD, {0}, NULL, 1, 256}}, {"0 rows", "", ""}},
        {{{"embed", SITE_ADD, {0}, infinite, 1, 256}}, {"element 5 of row 0", "finite", ""}},
        {{{"embed", (site_action)7, {0}, row, 1, 256}}, {"does 7", "", ""}},
        {{{"embed", SITE_ADD, {ENGINE_SPAN, 2, 5}, row, 1, 256}, {"embed", SITE_ADD, {ENGINE_SPAN, 4, 6}, row, 1, 256}},
         {"add to embed", "position 4", ""}},
    };
    engine *e = make_engine(NULL, NULL);
    engine_result alone;
    generate(e, &good, &alone, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        engine_request requests[2] = {good, good};
        engine_result results[2];
        requests[0].interventions = cases[i].list;
        requests[0].intervention_count = cases[i].list[1].site ? 2 : 1;
        generate(e, requests, results, 2);
        assert_int_equal(results[0].code, STATUS_INVALID);
        for (size_t k = 0; k < 3; k++)
            if (cases[i].words[k] && !strstr(results[0].problem, cases[i].words[k]))
                fail_msg("case %zu: %s", i, results[0].problem);
        same_bits(&alone, &results[1]);
    }
    engine_request reading = good;
    reading.readings = &(engine_reading){"blocks.0.attn", {0}};
    reading.reading_count = 1;
    generate(e, &reading, &alone, 1);
    assert_int_equal(alone.code, STATUS_INVALID);
    assert_non_null(strstr(alone.problem, "reading 0 is at 'blocks.0.attn'"));
    token_list continuation = {.ids = (int32_t *)(uintptr_t)good.prompt, .count = 2};
    engine_score_request ask = {.prefix = good.prompt, .prefix_count = 9, .continuations = &continuation, .continuation_count = 1,
                                .interventions = &(engine_intervention){"embed", SITE_ADD, {ENGINE_SPAN, 3, 12}, row, 1, 256},
                                .intervention_count = 1};
    engine_score score;
    assert_int_equal(engine_score_all(e, memory, &ask, &score, 1, NULL), STATUS_OK);
    assert_int_equal(score.code, STATUS_INVALID);
    assert_non_null(strstr(score.problem, "3 to 12"));
    continuation.count = 1; /* nothing of it is computed, and the site is still looked for */
    ask.interventions = &(engine_intervention){"blocks.0.answer", SITE_ADD, {ENGINE_ANSWER, 0, 0}, row, 1, 256};
    assert_int_equal(engine_score_all(e, memory, &ask, &score, 1, NULL), STATUS_OK);
    assert_int_equal(score.code, STATUS_INVALID);
    assert_non_null(strstr(score.problem, "'blocks.0.answer'"));
    engine_free(e);
}

/* Values grow beyond all bounds in one request: the others, and those that get its pages afterwards, keep their bits. */
static void what_overflows_harms_nobody_else(void **state)
{
    (void)state;
    engine_request *requests = mixed_requests();
    engine_result right[MIXED], results[MIXED];
    engine *e = make_engine(&(engine_options){.cache_limit = 512 << 10}, two);
    generate(e, requests, right, MIXED);
    float *huge = ARENA_ARRAY(memory, float, 256);
    for (size_t i = 0; i < 256; i++)
        huge[i] = 3e38f;
    engine_request bad = requests[3];
    bad.intervention_count = 2;
    bad.interventions = (engine_intervention[]){{"blocks.0.resid_mid", SITE_SCALE, {ENGINE_ALL, 0, 0}, huge, 1, 256},
                                                {"blocks.0.attn.norm", SITE_SCALE, {ENGINE_ALL, 0, 0}, huge, 1, 256}};
    requests[3] = bad;
    for (int round = 0; round < 3; round++) {
        generate(e, requests, results, MIXED);
        for (size_t i = 0; i < MIXED; i++)
            if (i != 3)
                same_answers(&requests[i], &right[i], &results[i]);
    }
    assert_true(engine_cache_of(e).evicted_pages > 0);
    no_page_is_lost(e);
    engine_free(e);
}

/* A model with many sites for its size. */
static checkpoint *deep_model(void)
{
    lm_config c = fixture_config(model->tokenizer);
    checkpoint *deep = NULL;
    error err = {0};
    c.layers = 8;
    if (checkpoint_save(file_join(memory, test_folder(), "deep"), &c, model->tokenizer, fixture_weights(memory, &c, 6), &err) !=
            STATUS_OK ||
        checkpoint_open(memory, file_join(memory, test_folder(), "deep"), &deep, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return deep;
}

/* Sites that do not fit beside what is there: those who asked for them are told, the others get their answers. */
static void a_limit_on_memory_ends_patched_requests_alone(void **state)
{
    (void)state;
    checkpoint *deep = deep_model();
    engine_request requests[2] = {make_requests()[8], make_requests()[9]};
    engine_result right, results[2];
    engine *wide = NULL, *small = NULL;
    size_t count = lm_site_count(&deep->config);
    engine_options least = {.sequences = 2, .cache_limit = 256 << 10, .memory_limit = 1 << 20};
    error err = {0};
    while (engine_new(deep, &least, NULL, &small, &err) == STATUS_LIMIT)
        least.memory_limit += 1 << 20;
    if (!small || engine_new(deep, NULL, NULL, &wide, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    engine_intervention *list = ARENA_ARRAY(memory, engine_intervention, 3 * count);
    for (size_t i = 0; i < 3 * count; i++) {
        lm_site *site = ARENA_NEW(memory, lm_site);
        *site = lm_site_at(&deep->config, i / 3);
        list[i] = (engine_intervention){site->name, (site_action)(i % 3), {0}, drawn(site->width, i, 1), 1, site->width};
    }
    generate(wide, &requests[1], &right, 1);
    requests[0].interventions = list;
    requests[0].intervention_count = 3 * count;
    generate(wide, requests, results, 2);
    assert_int_equal(results[0].code, STATUS_OK); /* with room enough */
    same_bits(&right, &results[1]);
    generate(small, requests, results, 2);
    assert_int_equal(results[0].code, STATUS_LIMIT);
    assert_non_null(strstr(results[0].problem, "294 interventions and readings"));
    same_bits(&right, &results[1]);
    assert_true(engine_memory(small) <= least.memory_limit);
    engine_free(wide);
    engine_free(small);
}

/* A cache that takes what the memory limit leaves still leaves room for sites. */
static void a_full_cache_leaves_room_for_sites(void **state)
{
    (void)state;
    checkpoint *deep = deep_model();
    engine *e;
    engine_request q = make_requests()[2];
    engine_result r;
    size_t count = lm_site_count(&deep->config);
    engine_intervention *list = ARENA_ARRAY(memory, engine_intervention, count);
    error err = {0};
    if (engine_new(deep, &(engine_options){.sequences = 256, .memory_limit = 64 << 20}, NULL, &e, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(engine_cache_of(e).pages < 2 * 256 * 4 && engine_cache_of(e).pages > 100);
    for (size_t i = 0; i < count; i++) {
        lm_site *site = ARENA_NEW(memory, lm_site);
        *site = lm_site_at(&deep->config, i);
        list[i] = (engine_intervention){site->name, SITE_ADD, {0}, drawn(site->width, i, 1), 1, site->width};
    }
    q.interventions = list;
    q.intervention_count = count;
    generate(e, &q, &r, 1);
    if (r.code != STATUS_OK)
        fail_msg("%s", r.problem);
    engine_free(e);
}

/* More sets of sites than plans are kept for: each answer is that of a fresh engine. */
static void openings_come_and_go(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    engine_request q = make_requests()[2];
    engine_result first[8], again;
    size_t most = 0;
    for (size_t i = 0; i < 24; i++) {
        lm_site site = lm_site_at(&model->config, 3 * (i % 8));
        engine_intervention v = {site.name, SITE_ADD, {0}, drawn(site.width, i % 8, 1), 1, site.width};
        q.interventions = &v;
        q.intervention_count = 1;
        generate(e, &q, i < 8 ? &first[i] : &again, 1);
        if (i >= 8)
            same_bits(&first[i % 8], &again);
        if (i == 11)
            most = engine_memory(e);
    }
    assert_true(engine_memory(e) < most + most / 4); /* plans that went gave their memory back */
    engine_free(e);
}

static void lost_memory_is_said_and_survived(void **state)
{
    (void)state;
    engine_request *requests = mixed_requests();
    engine *e = make_engine(NULL, NULL);
    engine_result right[4], results[4];
    requests[2].readings = &(engine_reading){"blocks.0.attn.out", {ENGINE_ALL, 0, 0}};
    requests[2].reading_count = 1;
    generate(e, requests, right, 4);
    engine_free(e);
    bool failed = true;
    unsigned long n = 1;
    for (; failed && n < 100000; n += 1 + n / 16) { /* each plan anew */
        e = make_engine(NULL, NULL);
        failed = generate_without_memory(e, n, requests, right, 4);
        no_page_is_lost(e);
        generate(e, requests, results, 4);
        for (size_t i = 0; i < 4; i++)
            same_answers(&requests[i], &right[i], &results[i]);
        engine_free(e);
    }
    assert_false(failed);
    assert_true(n > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_interventions_are_told_why),
        cmocka_unit_test(what_overflows_harms_nobody_else),
        cmocka_unit_test(a_limit_on_memory_ends_patched_requests_alone),
        cmocka_unit_test(a_full_cache_leaves_room_for_sites),
        cmocka_unit_test(openings_come_and_go),
        cmocka_unit_test(lost_memory_is_said_and_survived),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
