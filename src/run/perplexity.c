#include "run/perplexity.h"

#include "core/file.h"
#include "lm/engine.h"
#include "stats/bootstrap.h"
#include "train/corpus.h"

#include <math.h>

/* Drawn apart: recipes count their seeds from 1. */
#define DRAWN_APART UINT64_C(0x6865c0b7d1f4a92e)
enum { FILE_MOST = 64 << 20, PIECE_MOST = 1024, GROUP = 32 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for texts to measure on");
}

status perplexity_town(arena *a, const checkpoint *c, uint64_t world_seed, size_t tokens, perplexity_texts *out, error *err)
{
    return perplexity_documents(a, c, world_seed, document_plan_default(PURPOSE_PRETRAIN), tokens, out, err);
}

status perplexity_documents(arena *a, const checkpoint *c, uint64_t world_seed, document_plan plan, size_t tokens, perplexity_texts *out,
                            error *err)
{
    const town *t;
    corpus documents;
    *out = (perplexity_texts){0};
    if (!chat_tokenizer_fits(c->tokenizer))
        return error_set(err, STATUS_UNSUPPORTED, "%s has other special tokens than the models of the town", c->name);
    plan.seed = DRAWN_APART;
    TRY(town_new(a, world_seed, &t, err));
    TRY(corpus_build(a, t, &plan, c->tokenizer, tokens, (size_t)c->config.context, &documents, err));
    out->lists = ARENA_ARRAY(a, token_list, documents.count + 1);
    if (!out->lists)
        return no_memory(err);
    for (size_t i = 0; i < documents.count; i++) {
        const token_document *d = &documents.documents[i];
        if (d->count < 2)
            continue;
        out->lists[out->count++] = (token_list){.ids = (int32_t *)(uintptr_t)d->tokens, .count = d->count, .capacity = d->count};
        out->tokens += d->count - 1;
    }
    return STATUS_OK;
}

/* As much of the text as can be needed, cut behind a line or a character. */
static slice beginning(slice text, size_t tokens)
{
    size_t most = tokens < SIZE_MAX / 16 ? 16 * tokens : SIZE_MAX;
    if (text.length <= most)
        return text;
    size_t end = most;
    while (end > 0 && text.text[end - 1] != '\n')
        end--;
    end = end ? end : most;
    return slice_sub(text, 0, end - utf8_open_tail(slice_sub(text, 0, end)));
}

status perplexity_file(arena *a, const checkpoint *c, const char *path, size_t tokens, perplexity_texts *out, error *err)
{
    slice text;
    token_list all = {.arena = a};
    *out = (perplexity_texts){0};
    TRY(file_read(a, path, FILE_MOST, &text, err));
    TRY(tokenizer_encode(c->tokenizer, beginning(text, tokens), 0, &all, err));
    bool begins = c->config.bos >= 0;
    size_t piece = (size_t)(c->config.context < PIECE_MOST ? c->config.context : PIECE_MOST) - begins;
    if (all.count < 2)
        return error_set(err, STATUS_INVALID, "%s holds no text to measure on", path);
    out->lists = ARENA_ARRAY(a, token_list, all.count / piece + 1);
    if (!out->lists)
        return no_memory(err);
    for (size_t at = 0; at < all.count && out->tokens < tokens; at += piece) {
        size_t end = at + piece < all.count ? at + piece : all.count;
        token_list *list = &out->lists[out->count];
        *list = (token_list){.arena = a};
        if (begins)
            TRY(token_list_add(list, c->config.bos, err));
        for (size_t i = at; i < end; i++)
            TRY(token_list_add(list, all.ids[i], err));
        out->count += list->count > 1;
        out->tokens += list->count - 1;
    }
    return STATUS_OK;
}

static status group_losses(engine *e, arena *a, const token_list *lists, size_t count, double *losses, error *err)
{
    engine_request *requests = ARENA_ARRAY(a, engine_request, count);
    engine_result *results = ARENA_ARRAY(a, engine_result, count);
    if (!requests || !results)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        requests[i] = (engine_request){.prompt = lists[i].ids, .prompt_count = lists[i].count, .prompt_logprobs = true, .prompt_from = 1};
    TRY(engine_generate(e, a, requests, results, count, err));
    for (size_t i = 0; i < count; i++) {
        if (results[i].code != STATUS_OK)
            return error_set(err, results[i].code, "a text to measure on: %s", results[i].problem);
        losses[i] = 0;
        for (size_t k = 1; k < lists[i].count; k++)
            losses[i] -= (double)results[i].prompt_logprobs[k];
    }
    return STATUS_OK;
}

status perplexity_losses(const checkpoint *c, thread_pool *pool, const perplexity_texts *texts, const atomic_bool *interrupted,
                         double *losses, error *err)
{
    engine *e;
    size_t longest = 1;
    for (size_t i = 0; i < texts->count; i++)
        longest = texts->lists[i].count > longest ? texts->lists[i].count : longest;
    engine_options options = {.sequences = GROUP, .context = (int)longest};
    TRY(engine_new(c, &options, pool, &e, err));
    arena *scratch = arena_new(NULL);
    status result = STATUS_OK;
    for (size_t at = 0; result == STATUS_OK && at < texts->count; at += GROUP) {
        size_t count = texts->count - at < GROUP ? texts->count - at : GROUP;
        result = group_losses(e, scratch, texts->lists + at, count, losses + at, err);
        if (result == STATUS_OK && interrupted && atomic_load(interrupted))
            result = error_set(err, STATUS_INTERRUPTED, "interrupted while %s was measured", c->name);
        arena_reset(scratch);
    }
    arena_free(scratch);
    engine_free(e);
    return result;
}

typedef struct pairs {
    const perplexity_texts *texts;
    const double *before, *after;
} pairs;

static double mean_difference(const void *context, const size_t *picks, size_t count)
{
    const pairs *p = context;
    double sum = 0, tokens = 0;
    for (size_t i = 0; i < count; i++) {
        sum += p->after[picks[i]] - p->before[picks[i]];
        tokens += (double)(p->texts->lists[picks[i]].count - 1);
    }
    return sum / tokens;
}

status perplexity_compare(const perplexity_texts *texts, const double *before, const double *after, perplexity_cost *out, error *err)
{
    pairs p = {texts, before, after};
    bootstrap b = {.items = texts->count, .seed = 1, .purpose = "perplexity"};
    double sums[2] = {0, 0}, tokens = (double)texts->tokens;
    for (size_t i = 0; i < texts->count; i++) {
        sums[0] += before[i];
        sums[1] += after[i];
    }
    *out = (perplexity_cost){.before = sums[0] / tokens, .after = sums[1] / tokens, .difference = (sums[1] - sums[0]) / tokens};
    return bootstrap_interval(&b, mean_difference, &p, &out->limits, err);
}
