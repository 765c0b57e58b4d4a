/* Interventions and readings during generation: against the graph rewritten by hand, and against requests alone. */
#include "lm/patch_fixture.h"
#include "lm/graph_fixture.h"

#include "graph/ops.h"
#include "graph/plan.h"

#include <math.h>

/* ---- the table of sites ---- */

static void the_table_has_the_sites_of_the_graph(void **state)
{
    (void)state;
    const lm_config *c = &model->config;
    graph *g = graph_new(memory);
    transformer t;
    assert_int_equal(transformer_build(memory, g, c, transformer_types_training(), 5, &t, NULL), STATUS_OK);
    node *logits = transformer_logits(&t, t.hidden);
    for (size_t i = 0; i < lm_site_count(c); i++) {
        lm_site s = lm_site_at(c, i);
        const node *n = graph_find(&logits, 1, s.name);
        if (!n || (size_t)shape_count(n->shape) != 5 * s.width)
            fail_msg("%s is not in the graph, or not %zu wide", s.name, s.width);
        assert_int_equal(lm_site_find(c, s.name), i);
    }
    static const char *const others[] = {"", "logits", "tokens", "blocks.2.attn.out", "blocks.0.attn", "blocks.00.attn.out",
                                         "blocks.-1.attn.out", "blocks.99999999999999999999.attn.out", "blocks.0", "embed "};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_true(lm_site_find(c, others[i]) == SIZE_MAX);
    assert_int_equal(lm_site_count(c), 2 + 12 * c->layers);
}

/* ---- nothing changed ---- */

static void null_patches_change_no_bits(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, two), *other = make_engine(NULL, NULL);
    engine_request q = make_requests()[8], read = q, patched = q;
    engine_result clean, source, same;
    q.prompt_logprobs = patched.prompt_logprobs = true;
    q.max_tokens = patched.max_tokens = 8;
    generate(e, &q, &clean, 1);
    read.max_tokens = 0;
    for (size_t i = 0; i < lm_site_count(&model->config); i++) {
        lm_site site = lm_site_at(&model->config, i);
        read.readings = &(engine_reading){site.name, {ENGINE_PROMPT, 0, 0}};
        read.reading_count = 1;
        generate(other, &read, &source, 1);
        const engine_activation *own = &source.readings[0];
        assert_int_equal(own->count, q.prompt_count);
        float *ones = ARENA_ARRAY(memory, float, site.width), *zeros = ARENA_ARRAY(memory, float, site.width);
        for (size_t k = 0; k < site.width; k++)
            ones[k] = 1;
        engine_intervention nulls[] = {{site.name, SITE_REPLACE, {ENGINE_PROMPT, 0, 0}, own->values, own->count, site.width},
                                       {site.name, SITE_ADD, {ENGINE_ALL, 0, 0}, zeros, 1, site.width},
                                       {site.name, SITE_SCALE, {ENGINE_ALL, 0, 0}, ones, 1, site.width}};
        for (size_t k = 0; k < 4; k++) { /* each alone, and all of them */
            patched.interventions = nulls + k % 3;
            patched.intervention_count = k == 3 ? 3 : 1;
            generate(e, &patched, &same, 1);
            same_answers(&q, &clean, &same);
        }
    }
    no_page_is_lost(e);
    engine_free(e);
    engine_free(other);
}

/* ---- something changed ---- */

static void patches_change_what_comes_behind_them_alone(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    engine_request q = make_requests()[8], patched;
    q.prompt_logprobs = true;
    q.max_tokens = LONGEST;
    q.rule.temperature = 0;
    engine_result clean, one, answer;
    generate(e, &q, &clean, 1);
    size_t at = 10;
    patched = q;
    patched.intervention_count = 1;
    patched.interventions = intervention("blocks.0.resid_post", SITE_ADD, (engine_positions){ENGINE_SPAN, at, at + 1},
                                         drawn(256, 1, 3), 1);
    generate(e, &patched, &one, 1);
    assert_int_equal(one.code, STATUS_OK);
    assert_memory_equal(clean.prompt_logprobs + 1, one.prompt_logprobs + 1, at * sizeof(float));
    for (size_t i = at + 1; i < q.prompt_count; i++)
        assert_true(clean.prompt_logprobs[i] != one.prompt_logprobs[i]);
    assert_true(differ(&clean, &one));
    patched.interventions = intervention("blocks.0.resid_post", SITE_REPLACE, (engine_positions){ENGINE_ANSWER, 0, 0},
                                         drawn(256, 2, 3), 1);
    generate(e, &patched, &answer, 1);
    assert_memory_equal(clean.prompt_logprobs + 1, answer.prompt_logprobs + 1, (q.prompt_count - 1) * sizeof(float));
    assert_int_equal(clean.ids[0], answer.ids[0]);
    assert_true(clean.logprobs[0] == answer.logprobs[0] && clean.count > 1 && answer.count > 1);
    assert_true(clean.logprobs[1] != answer.logprobs[1]);
    assert_memory_not_equal(clean.ids, answer.ids, (clean.count < answer.count ? clean.count : answer.count) * sizeof(int32_t));
    engine_free(e);
}

static void clean_and_patched_requests_equal_each_alone(void **state)
{
    (void)state;
    engine_request *requests = mixed_requests(), backwards[MIXED];
    engine_result alone[MIXED], clean[MIXED], results[MIXED];
    engine *lonely = make_engine(NULL, NULL);
    for (size_t i = 0; i < MIXED; i++) {
        engine_forget(lonely);
        generate(lonely, &requests[i], &alone[i], 1);
        assert_int_equal(alone[i].reused, 0);
        engine_request q = requests[i];
        q.intervention_count = 0;
        engine_forget(lonely);
        generate(lonely, &q, &clean[i], 1);
        assert_true(i % 2 ? differ(&alone[i], &clean[i]) : !differ(&alone[i], &clean[i]));
        backwards[MIXED - 1 - i] = requests[i];
    }
    for (int kind = 0; kind < 4; kind++) {
        const engine_options options[] = {{0}, {0}, {.sequences = 3}, {.cache_limit = 1 << 20}};
        engine *e = make_engine(&options[kind], kind ? two : NULL);
        for (int round = 0; round < 3; round++) { /* nothing known, everything known, after the others */
            generate(e, round == 2 ? backwards : requests, results, MIXED);
            for (size_t i = 0; i < MIXED; i++)
                same_answers(&requests[i], &alone[i], &results[round == 2 ? MIXED - 1 - i : i]);
        }
        for (size_t i = 0; i < MIXED; i++) {
            engine_request q = requests[i];
            q.intervention_count = 0;
            generate(e, &q, results, 1);
            same_answers(&q, &clean[i], results);
            generate(e, &requests[i], results, 1);
            same_answers(&requests[i], &alone[i], results);
        }
        assert_true(engine_cache_of(e).reused_tokens > 1000);
        no_page_is_lost(e);
        engine_free(e);
    }
    engine_free(lonely);
}

static void known_prefixes_are_shared_up_to_what_is_changed(void **state)
{
    (void)state;
    engine *e = make_engine(NULL, NULL);
    engine_request q = mixed_requests()[0];
    engine_result r;
    assert_int_equal(q.prompt_count, PROMPT);
    q.max_tokens = 3;
    q.prompt_logprobs = false;
    generate(e, &q, &r, 1);
    engine_request a = q, b = q, from_start = q;
    a.intervention_count = b.intervention_count = from_start.intervention_count = 1;
    a.interventions = intervention("blocks.0.attn.out", SITE_ADD, (engine_positions){ENGINE_SPAN, 100, 103}, drawn(256, 5, 2), 1);
    b.interventions = intervention("blocks.0.attn.out", SITE_ADD, (engine_positions){ENGINE_SPAN, 100, 103}, drawn(256, 6, 2), 1);
    from_start.interventions = intervention("embed", SITE_ADD, (engine_positions){ENGINE_ALL, 0, 0}, drawn(256, 7, 2), 1);
    const struct {
        const engine_request *q;
        size_t reused;
    } steps[] = {{&a, 100}, {&a, PROMPT - 1}, {&b, 100}, {&q, PROMPT - 1}, {&from_start, 0}, {&b, PROMPT - 1},
                 {&from_start, PROMPT - 1}};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        generate(e, steps[i].q, &r, 1);
        assert_int_equal(r.code, STATUS_OK);
        assert_int_equal(r.reused, steps[i].reused);
    }
    no_page_is_lost(e);
    engine_free(e);
}

/* ---- against the graph ---- */

typedef struct whole_text {
    const float *logprobs, *site; /* [count][vocabulary], [count][width] */
} whole_text;

/* A sequence by the graph without a cache, in f32; `instead` NULL: as it is, else the values at the site. */
static whole_text by_graph(const int32_t *ids, size_t count, const char *site, const float *instead)
{
    graph *g = graph_new(memory);
    transformer t;
    plan *p = NULL;
    error err = {0};
    assert_int_equal(transformer_build(memory, g, &model->config, transformer_types_all(TYPE_F32), (int64_t)count, &t, &err),
                     STATUS_OK);
    node *out[2] = {op_log_softmax(transformer_logits(&t, t.hidden)), NULL};
    out[1] = graph_find(out, 1, site);
    site_edit edit = {site, SITE_REPLACE, instead ? graph_constant(g, TYPE_F32, out[1]->shape, instead) : NULL, NULL};
    if (instead)
        assert_int_equal(graph_rewrite(out, 2, &edit, 1, out, &err), STATUS_OK);
    if (plan_new(g, out, 2, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    run_text(memory, p, &t, model, ids, count);
    const float *kept[2];
    for (size_t i = 0; i < 2; i++) {
        size_t bytes = (size_t)shape_count(out[i]->shape) * sizeof(float);
        kept[i] = memcpy(arena_alloc(memory, bytes), plan_output(p, i), bytes);
    }
    plan_free(p);
    return (whole_text){kept[0], kept[1]};
}

static void near(const float *found, const float *expected, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(found[i] - expected[i]) <= 1e-5f * (1 + fabsf(expected[i]))))
            fail_msg("%s, element %zu: %.9g, expected %.9g", what, i, (double)found[i], (double)expected[i]);
}

static void answers_are_those_of_the_rewritten_graph(void **state)
{
    (void)state;
    enum { FROM = 5, TO = 9 };
    engine *e = make_engine(&(engine_options){.compute = TYPE_F32}, two);
    engine_request q = make_requests()[8];
    size_t n = q.prompt_count, vocabulary = (size_t)model->config.vocabulary;
    assert_true(n > 2 * TO);
    q.max_tokens = 0;
    q.prompt_logprobs = true;
    for (size_t i = 0; i < lm_site_count(&model->config); i++) {
        lm_site site = lm_site_at(&model->config, i);
        engine_result r;
        size_t w = site.width;
        whole_text clean = by_graph(q.prompt, n, site.name, NULL);
        float *changed = ARENA_ARRAY(memory, float, n * w);
        const float *rows = drawn((TO - FROM) * w, i, 1), *row = drawn(w, i + 100, 1);
        for (size_t k = 0; k < n * w; k++) { /* one row for each, then scaled where both hold, then added everywhere */
            size_t t = k / w;
            float x = t >= FROM && t < TO ? rows[k - FROM * w] : clean.site[k];
            changed[k] = (t >= FROM + 2 ? x * row[k % w] : x) + row[k % w];
        }
        whole_text expected = by_graph(q.prompt, n, site.name, changed);
        engine_intervention list[] = {{site.name, SITE_ADD, {ENGINE_ALL, 0, 0}, row, 1, w},
                                      {site.name, SITE_REPLACE, {ENGINE_SPAN, FROM, TO}, rows, TO - FROM, w},
                                      {site.name, SITE_SCALE, {ENGINE_SPAN, FROM + 2, ENGINE_TO_END}, row, 1, w}};
        q.interventions = list;
        q.intervention_count = 3;
        q.readings = (engine_reading[]){{site.name, {ENGINE_ALL, 0, 0}}, {site.name, {ENGINE_SPAN, 7, 8}}};
        q.reading_count = 2;
        generate(e, &q, &r, 1);
        if (r.code != STATUS_OK)
            fail_msg("%s: %s", site.name, r.problem);
        for (size_t t = 1; t < n; t++)
            near(&r.prompt_logprobs[t], &expected.logprobs[(t - 1) * vocabulary + (size_t)q.prompt[t]], 1, site.name);
        assert_int_equal(r.readings[0].count, n);
        near(r.readings[0].values, expected.site, n * w, site.name);
        assert_true(r.readings[1].from == 7 && r.readings[1].count == 1 && r.readings[1].width == w);
        assert_memory_equal(r.readings[1].values, r.readings[0].values + 7 * w, w * sizeof(float));
        q.intervention_count = 0;
        generate(e, &q, &r, 1);
        near(r.readings[0].values, clean.site, n * w, site.name);
    }
    engine_free(e);
}

/* What is read of an answer is what is read of the same tokens as a prompt, with the same bits, cold and warm. */
static void readings_do_not_depend_on_how_the_text_came(void **state)
{
    (void)state;
    engine_request *requests = mixed_requests();
    engine *e = make_engine(NULL, two);
    engine_result results[MIXED], prompt;
    engine_reading readings[] = {{"blocks.1.attn.mix", {ENGINE_ALL, 0, 0}}, {"blocks.0.mlp.out", {ENGINE_ANSWER, 0, 0}}};
    for (size_t i = 0; i < MIXED; i += 2) {
        requests[i].readings = readings;
        requests[i].reading_count = 2;
    }
    for (int round = 0; round < 2; round++) {
        generate(e, requests, results, MIXED);
        for (size_t i = 0; i < MIXED; i += 2) {
            size_t count = requests[i].prompt_count + results[i].count;
            int32_t *ids = ARENA_ARRAY(memory, int32_t, count);
            memcpy(ids, requests[i].prompt, requests[i].prompt_count * sizeof *ids);
            if (results[i].count)
                memcpy(ids + requests[i].prompt_count, results[i].ids, results[i].count * sizeof *ids);
            engine_request q = {.prompt = ids, .prompt_count = count, .readings = readings, .reading_count = 1};
            generate(e, &q, &prompt, 1);
            const engine_activation *whole = &prompt.readings[0], *parts = results[i].readings;
            size_t written = results[i].count - (results[i].reason == ENGINE_STOP_LENGTH); /* the last one is not read again */
            assert_int_equal(whole->count, count);
            assert_int_equal(parts[0].count, requests[i].prompt_count + written);
            assert_memory_equal(parts[0].values, whole->values, parts[0].count * whole->width * sizeof(float));
            assert_true(parts[1].from == requests[i].prompt_count && parts[1].count == written);
        }
    }
    engine_free(e);
}

static void scoring_under_a_patch_is_that_of_the_text(void **state)
{
    (void)state;
    static const engine_positions where[] = {{ENGINE_ALL, 0, 0}, {ENGINE_PROMPT, 0, 0}, {ENGINE_ANSWER, 0, 0},
                                             {ENGINE_SPAN, 60, 103}};
    enum { PREFIX = 100 };
    engine *e = make_engine(NULL, two);
    engine_request q = mixed_requests()[0];
    int32_t *text = (int32_t *)(uintptr_t)q.prompt;
    token_list list[] = {{.ids = text + PREFIX, .count = 1}, {.ids = text + PREFIX, .count = 20}, {.ids = text, .count = 2}};
    engine_score_request asks[5];
    engine_score scores[5];
    engine_result r;
    for (size_t i = 0; i < 5; i++) {
        asks[i] = (engine_score_request){.prefix = text, .prefix_count = PREFIX, .continuations = list, .continuation_count = 3};
        if (i == 4)
            continue;
        asks[i].intervention_count = 1;
        asks[i].interventions = intervention("blocks.0.resid_post", SITE_ADD, where[i], drawn(256 * (i == 3 ? 43 : 1), i, 2),
                                             i == 3 ? 43 : 1);
    }
    assert_int_equal(engine_score_all(e, memory, asks, scores, 5, NULL), STATUS_OK);
    for (size_t i = 0; i < 5; i++) {
        if (scores[i].code != STATUS_OK)
            fail_msg("%s", scores[i].problem);
        engine_intervention v = {0};
        engine_request whole = {.prompt = text, .prompt_count = PREFIX + 20, .prompt_logprobs = true};
        if (i < 4) {
            v = asks[i].interventions[0];
            v.at = i == 1 ? (engine_positions){ENGINE_SPAN, 0, PREFIX} : i == 2 ? (engine_positions){ENGINE_SPAN, PREFIX, PREFIX + 20} : v.at;
            whole.interventions = &v;
            whole.intervention_count = 1;
        }
        engine_forget(e);
        generate(e, &whole, &r, 1);
        assert_int_equal(r.code, STATUS_OK);
        double sum = 0;
        for (size_t k = 0; k < 20; k++)
            sum += (double)r.prompt_logprobs[PREFIX + k];
        assert_true(scores[i].logprobs[0] == (double)r.prompt_logprobs[PREFIX]);
        assert_true(scores[i].logprobs[1] == sum);
        for (size_t k = 0; k < i; k++)
            assert_true(scores[k].logprobs[1] != scores[i].logprobs[1]);
    }
    assert_true(scores[2].logprobs[0] == scores[4].logprobs[0]); /* nothing is changed in front of it */
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_the_sites_of_the_graph),
        cmocka_unit_test(null_patches_change_no_bits),
        cmocka_unit_test(patches_change_what_comes_behind_them_alone),
        cmocka_unit_test(clean_and_patched_requests_equal_each_alone),
        cmocka_unit_test(known_prefixes_are_shared_up_to_what_is_changed),
        cmocka_unit_test(answers_are_those_of_the_rewritten_graph),
        cmocka_unit_test(readings_do_not_depend_on_how_the_text_came),
        cmocka_unit_test(scoring_under_a_patch_is_that_of_the_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
