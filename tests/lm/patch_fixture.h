/* Requests with interventions, for the tests of what they do and of what can go wrong. */
#ifndef TESTS_LM_PATCH_FIXTURE_H
#define TESTS_LM_PATCH_FIXTURE_H

#include "lm/engine_fixture.h"

#include "lm/sites.h"

enum { MIXED = 17, PROMPT = 150 };

static inline const float *drawn(size_t count, uint64_t seed, double size)
{
    float *values = ARENA_ARRAY(memory, float, count);
    random_stream r = random_stream_at(seed, "test/values", 0, 0, 0, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(size * (2 * random_uniform(&r) - 1));
    return values;
}

static inline size_t width_of(const char *site)
{
    return lm_site_at(&model->config, lm_site_find(&model->config, site)).width;
}

static inline engine_intervention *intervention(const char *site, site_action what, engine_positions at, const float *values, size_t rows)
{
    engine_intervention *v = ARENA_NEW(memory, engine_intervention);
    *v = (engine_intervention){site, what, at, values, rows, width_of(site)};
    return v;
}

/* Half of them clean, the others with patches of all kinds at different sites and positions; two begin alike but for theirs. */
static inline engine_request *mixed_requests(void)
{
    static const char *const sites[] = {"embed", "blocks.0.attn.q", "blocks.1.attn.v", "blocks.0.mlp.act", "blocks.1.resid_mid"};
    static const engine_positions where[] = {{ENGINE_ALL, 0, 0}, {ENGINE_PROMPT, 0, 0}, {ENGINE_ANSWER, 0, 0},
                                             {ENGINE_SPAN, 70, 90}, {ENGINE_SPAN, 3, ENGINE_TO_END}};
    engine_request *list = make_requests();
    int32_t *text = ARENA_ARRAY(memory, int32_t, PROMPT);
    random_stream r = random_stream_at(9, "test/text", 0, 0, 0, 0);
    for (size_t i = 0; i < PROMPT; i++)
        text[i] = (int32_t)random_below(&r, (uint64_t)model->config.vocabulary);
    for (size_t i = 0; i < MIXED; i++) {
        list[i].max_tokens = 12;
        if (i % 4 < 2) { /* pairs of a clean and a patched one of the same text */
            list[i].prompt = text;
            list[i].prompt_count = PROMPT - (i % 3) * 20;
        }
        list[i].prompt_logprobs = i % 5 == 0;
        list[i].intervention_count = i % 2;
        if (i % 2 == 0)
            continue;
        const engine_positions *at = &where[list[i].prompt_count > 90 ? i / 2 % 5 : i / 2 % 3];
        const char *site = sites[i % 5];
        list[i].interventions = intervention(site, (site_action)(i / 2 % 3), *at, drawn(width_of(site), i, 2), 1);
    }
    return list;
}

static inline bool differ(const engine_result *a, const engine_result *b)
{
    return a->count != b->count || memcmp(a->ids, b->ids, a->count * sizeof *a->ids) != 0 ||
           memcmp(a->logprobs, b->logprobs, a->count * sizeof *a->logprobs) != 0;
}

#endif
