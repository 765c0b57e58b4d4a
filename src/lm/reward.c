#include "lm/reward.h"

#include <math.h>
#include <string.h>

bool reward_is(const checkpoint *c)
{
    return c->config.labels == 1;
}

static status no_memory(const checkpoint *c, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", c->name);
}

/* The language model whose words are as likely as the preference model finds them: the same weights without the head. */
static status language_model(arena *a, const checkpoint *c, const checkpoint **out, error *err)
{
    checkpoint *view = ARENA_NEW(a, checkpoint);
    if (!view)
        return no_memory(c, err);
    *view = *c;
    view->config.labels = 0;
    view->config.likelihood = false;
    for (size_t i = 0; i < lm_weight_count(&view->config); i++)
        if (strcmp(lm_weight_at(&view->config, i).name, lm_weight_at(&c->config, i).name) != 0)
            BUG("%s: the head of a preference model stands in front of its other weights", c->name);
    *out = view;
    return STATUS_OK;
}

static status read_likelihood(arena *a, const checkpoint *c, reward_head *out, const checkpoint **read, error *err)
{
    float weight;
    *read = c;
    if (!c->config.likelihood)
        return STATUS_OK;
    TRY(lm_tensor_to_f32(&c->weights[lm_weight_find(&c->config, LM_LIKELIHOOD, -1)], &weight, err));
    out->likelihood = (double)weight * sqrt((double)c->config.hidden);
    return language_model(a, c, read, err);
}

status reward_open(arena *a, const checkpoint *c, reward_head *out, const checkpoint **read, error *err)
{
    if (!reward_is(c)) {
        error_set(err, STATUS_UNSUPPORTED, "%s is no preference model: expected one label, found %s", c->name,
                  c->config.labels ? "several" : "a language model");
        return error_hint(err, "`assay grow organisms/preference.yaml` makes one");
    }
    const lm_tensor *t = &c->weights[lm_weight_find(&c->config, LM_SCORE, -1)];
    *out = (reward_head){.values = ARENA_ARRAY(a, float, (size_t)c->config.hidden), .width = (size_t)c->config.hidden};
    if (!out->values)
        return no_memory(c, err);
    TRY(lm_tensor_to_f32(t, out->values, err));
    return read_likelihood(a, c, out, read, err);
}

static double worth(const reward_head *head, const engine_result *from, const reward_text *text)
{
    double sum = 0, likelihood = 0;
    for (size_t i = 0; i < head->width; i++)
        sum += (double)head->values[i] * (double)from->readings[0].values[i];
    for (size_t i = text->prompt; head->likelihood != 0 && i < text->tokens.count; i++)
        likelihood += (double)from->prompt_logprobs[i];
    return sum + head->likelihood * likelihood;
}

status reward_read(engine *e, const reward_head *head, arena *a, const reward_text *texts, size_t count, reward_result *out,
                   error *err)
{
    arena *scratch = arena_new(NULL);
    engine_request *requests = ARENA_ARRAY(scratch, engine_request, count + 1);
    engine_reading *readings = ARENA_ARRAY(scratch, engine_reading, count + 1);
    engine_result *results = ARENA_ARRAY(scratch, engine_result, count + 1);
    status result = requests && readings && results ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for rewards");
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        size_t n = texts[i].tokens.count;
        if (texts[i].prompt == 0 || texts[i].prompt > n)
            BUG("a text of %zu tokens with a prompt of %zu", n, texts[i].prompt);
        readings[i] = (engine_reading){.site = "final.norm", .at = {ENGINE_SPAN, n ? n - 1 : 0, n}};
        requests[i] = (engine_request){.prompt = texts[i].tokens.ids, .prompt_count = n, .readings = &readings[i], .reading_count = 1,
                                       .prompt_logprobs = head->likelihood != 0 && texts[i].prompt < n, .prompt_from = texts[i].prompt};
    }
    if (result == STATUS_OK)
        result = engine_generate(e, scratch, requests, results, count, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        out[i] = (reward_result){.code = results[i].code};
        if (results[i].code != STATUS_OK)
            out[i].problem = arena_strdup(a, results[i].problem);
        else
            out[i].reward = worth(head, &results[i], &texts[i]);
    }
    arena_free(scratch);
    return result;
}
