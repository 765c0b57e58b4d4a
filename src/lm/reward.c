#include "lm/reward.h"

bool reward_is(const checkpoint *c)
{
    return c->config.labels == 1;
}

status reward_open(arena *a, const checkpoint *c, reward_head *out, error *err)
{
    if (!reward_is(c)) {
        error_set(err, STATUS_UNSUPPORTED, "%s is no preference model: expected one label, found %s", c->name,
                  c->config.labels ? "several" : "a language model");
        return error_hint(err, "`assay grow organisms/preference.yaml` makes one");
    }
    const lm_tensor *t = &c->weights[lm_weight_find(&c->config, LM_SCORE, -1)];
    *out = (reward_head){.values = ARENA_ARRAY(a, float, (size_t)c->config.hidden), .width = (size_t)c->config.hidden};
    if (!out->values)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", c->name);
    return lm_tensor_to_f32(t, out->values, err);
}

static double product(const reward_head *head, const float *hidden)
{
    double sum = 0;
    for (size_t i = 0; i < head->width; i++)
        sum += (double)head->values[i] * (double)hidden[i];
    return sum;
}

status reward_read(engine *e, const reward_head *head, arena *a, const token_list *texts, size_t count, reward_result *out,
                   error *err)
{
    arena *scratch = arena_new(NULL);
    engine_request *requests = ARENA_ARRAY(scratch, engine_request, count + 1);
    engine_reading *readings = ARENA_ARRAY(scratch, engine_reading, count + 1);
    engine_result *results = ARENA_ARRAY(scratch, engine_result, count + 1);
    status result = requests && readings && results ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for rewards");
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        size_t n = texts[i].count;
        readings[i] = (engine_reading){.site = "final.norm", .at = {ENGINE_SPAN, n ? n - 1 : 0, n}};
        requests[i] = (engine_request){.prompt = texts[i].ids, .prompt_count = n, .readings = &readings[i], .reading_count = 1};
    }
    if (result == STATUS_OK)
        result = engine_generate(e, scratch, requests, results, count, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        out[i] = (reward_result){.code = results[i].code};
        if (results[i].code != STATUS_OK)
            out[i].problem = arena_strdup(a, results[i].problem);
        else
            out[i].reward = product(head, results[i].readings[0].values);
    }
    arena_free(scratch);
    return result;
}
