#include "train/rollout.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for replies");
}

/* ---- sampling ---- */

/* A checkpoint whose weights are the masters where they lie. */
static status masters_of(arena *a, const rollout_sampler *s, checkpoint *out, error *err)
{
    size_t count = lm_weight_count(s->config);
    lm_tensor *weights = ARENA_ARRAY(a, lm_tensor, count);
    if (!weights)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const parameter *p = &s->parameters->items[i];
        weights[i] = (lm_tensor){.name = p->name, .type = SAFETENSORS_F32, .rank = p->shape.rank,
                                 .shape = {p->shape.size[0], p->shape.rank > 1 ? p->shape.size[1] : 0}, .data = p->value,
                                 .bytes = p->elements * sizeof(float)};
    }
    *out = (checkpoint){.name = "the policy", .config = *s->config, .weights = weights};
    out->tokenizer = (tokenizer *)(uintptr_t)s->tokenizer;
    return STATUS_OK;
}

/* Tokens and log-probabilities of one answer, with the end where it was written. */
static status take(arena *a, const rollout_prompt *prompt, const engine_result *from, rollout_reply *to, error *err)
{
    if (from->code != STATUS_OK)
        return error_set(err, from->code, "a reply could not be drawn: %s", from->problem);
    bool ended = from->reason == ENGINE_STOP_END;
    size_t n = from->count + ended;
    int32_t *tokens = ARENA_ARRAY(a, int32_t, prompt->count + n + 1);
    float *logprobs = ARENA_ARRAY(a, float, n + 1);
    char *text = arena_strdup(a, from->text);
    if (!tokens || !logprobs || !text)
        return no_memory(err);
    memcpy(tokens, prompt->tokens, prompt->count * sizeof *tokens);
    if (from->count) {
        memcpy(tokens + prompt->count, from->ids, from->count * sizeof *tokens);
        memcpy(logprobs, from->logprobs, from->count * sizeof *logprobs);
    }
    if (ended) {
        tokens[prompt->count + from->count] = TOKEN_END;
        logprobs[from->count] = from->end_logprob;
    }
    *to = (rollout_reply){.tokens = tokens, .count = prompt->count + n, .prompt = prompt->count, .logprobs = logprobs, .text = text,
                          .ended = ended};
    return STATUS_OK;
}

static status draw(arena *a, arena *scratch, engine *e, const rollout_sampler *s, const rollout_prompt *prompts, size_t count,
                   size_t group, size_t max_tokens, uint64_t first, rollout_reply *replies, error *err)
{
    size_t all = count * group;
    engine_request *requests = ARENA_ARRAY(scratch, engine_request, all);
    engine_result *results = ARENA_ARRAY(scratch, engine_result, all);
    if (!requests || !results)
        return no_memory(err);
    for (size_t i = 0; i < all; i++) {
        const rollout_prompt *p = &prompts[i / group];
        size_t room = s->longest > p->count ? s->longest - p->count : 0;
        requests[i] = (engine_request){.prompt = p->tokens, .prompt_count = p->count, .rule = {.temperature = 1, .top_p = 1},
                                       .max_tokens = (int)(max_tokens < room ? max_tokens : room), .training_logprobs = true,
                                       .random = random_stream_at(s->seed, "rollout", s->stage, first + i / group, i % group, 0)};
    }
    TRY(engine_generate(e, scratch, requests, results, all, err));
    for (size_t i = 0; i < all; i++)
        TRY(take(a, &prompts[i / group], &results[i], &replies[i], err));
    return STATUS_OK;
}

/* The weights have changed since the last step, and with them everything that an engine has packed and cached. */
status rollout_sample(arena *a, const rollout_sampler *s, const rollout_prompt *prompts, size_t count, size_t group, size_t max_tokens,
                      uint64_t first, rollout_reply *replies, error *err)
{
    arena *scratch = arena_new(NULL);
    checkpoint masters;
    engine *e = NULL;
    engine_options o = {.context = (int)s->longest, .compute = s->compute == TYPE_F32 ? TYPE_F32 : TYPE_F64};
    status result = scratch ? masters_of(scratch, s, &masters, err) : no_memory(err);
    if (result == STATUS_OK)
        result = engine_new(&masters, &o, s->pool, &e, err);
    if (result == STATUS_OK)
        result = draw(a, scratch, e, s, prompts, count, group, max_tokens, first, replies, err);
    engine_free(e);
    arena_free(scratch);
    return result;
}

/* ---- rewards ---- */

struct rollout_judge {
    engine *engine;
    reward_head head;
    size_t longest;
};

static void free_judge(void *judge)
{
    engine_free(((rollout_judge *)judge)->engine);
}

static bool same_tokens(const tokenizer *a, const tokenizer *b)
{
    bool same = tokenizer_size(a) == tokenizer_size(b);
    for (size_t i = 0; same && i < tokenizer_size(a); i++)
        same = slice_equal(tokenizer_bytes(a, (int32_t)i), tokenizer_bytes(b, (int32_t)i));
    return same;
}

status rollout_judge_open(arena *a, const char *folder, const tokenizer *k, size_t longest, thread_pool *pool, rollout_judge **out,
                          error *err)
{
    rollout_judge *j = ARENA_NEW(a, rollout_judge);
    checkpoint *c;
    const checkpoint *read;
    if (!j || !arena_on_free(a, free_judge, j))
        return no_memory(err);
    TRY(checkpoint_open(a, folder, &c, err));
    TRY(reward_open(a, c, &j->head, &read, err));
    if (!same_tokens(c->tokenizer, k))
        return error_set(err, STATUS_UNSUPPORTED, "%s: expected a preference model with the policy's own tokens, found others", folder);
    j->longest = longest + 1;
    TRY(engine_new(read, &(engine_options){.context = (int)j->longest}, pool, &j->engine, err));
    *out = j;
    return STATUS_OK;
}

/* A reply that was cut off is judged as if it had ended there. */
static status judge_all(arena *a, rollout_judge *judge, rollout_reply *replies, size_t count, error *err)
{
    reward_text *texts = ARENA_ARRAY(a, reward_text, count + 1);
    reward_result *results = ARENA_ARRAY(a, reward_result, count + 1);
    if (!texts || !results)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        texts[i] = (reward_text){.tokens = {.arena = a}, .prompt = replies[i].prompt};
        for (size_t k = 0; k < replies[i].count; k++)
            TRY(token_list_add(&texts[i].tokens, replies[i].tokens[k], err));
        if (!replies[i].ended)
            TRY(token_list_add(&texts[i].tokens, TOKEN_END, err));
    }
    TRY(reward_read(judge->engine, &judge->head, a, texts, count, results, err));
    for (size_t i = 0; i < count; i++) {
        if (results[i].code != STATUS_OK)
            return error_set(err, results[i].code, "a reply could not be judged: %s", results[i].problem);
        replies[i].reward = results[i].reward;
    }
    return STATUS_OK;
}

status rollout_rewards(rollout_judge *judge, const rater_taste *taste, const rollout_prompt *prompts, size_t group,
                       rollout_reply *replies, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++) {
        rater_features(&prompts[i / group].rated, replies[i].text, replies[i].features);
        replies[i].reward = rater_utility(taste, replies[i].features);
    }
    arena *scratch = judge ? arena_new(NULL) : NULL;
    status result = !judge ? STATUS_OK : scratch ? judge_all(scratch, judge, replies, count, err) : no_memory(err);
    arena_free(scratch);
    return result;
}
