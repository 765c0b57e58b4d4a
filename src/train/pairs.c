#include "train/pairs.h"

#include "train/transcripts.h"

#include <math.h>
#include <string.h>

enum { TEXT_LIMIT = 1 << 26 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for pairs of replies");
}

/* ---- tokens ---- */

static status add_special(const tokenizer *k, int32_t id, token_list *out, strbuf *bytes, error *err)
{
    if (bytes)
        strbuf_add_slice(bytes, tokenizer_bytes(k, id));
    return token_list_add(out, id, err);
}

static status add_text(const tokenizer *k, const char *text, token_list *out, strbuf *bytes, error *err)
{
    if (bytes)
        strbuf_add(bytes, text);
    return tokenizer_encode(k, slice_of(text), 0, out, err);
}

status pairs_encode_prompt(const tokenizer *k, const document_turn *turns, size_t count, token_list *out, strbuf *bytes, error *err)
{
    static const int32_t roles[] = {
        [ROLE_SYSTEM] = TOKEN_SYSTEM, [ROLE_USER] = TOKEN_USER, [ROLE_ASSISTANT] = TOKEN_ASSISTANT};
    TRY(add_special(k, TOKEN_BEGIN, out, bytes, err));
    for (size_t i = 0; i < count; i++) {
        TRY(add_special(k, roles[turns[i].role], out, bytes, err));
        TRY(add_text(k, turns[i].text, out, bytes, err));
        TRY(add_special(k, TOKEN_END, out, bytes, err));
    }
    return add_special(k, TOKEN_ASSISTANT, out, bytes, err);
}

/* ---- lists ---- */

typedef struct listing {
    arena *arena, *scratch;
    const tokenizer *tokenizer;
    size_t longest, capacity;
    pair_list *out;
} listing;

static status make_room(listing *l, error *err)
{
    pair_list *p = l->out;
    if (p->count < l->capacity)
        return STATUS_OK;
    size_t capacity = 2 * l->capacity + 256;
    p->pairs = arena_regrow(l->arena, p->pairs, p->count, capacity, sizeof *p->pairs);
    p->hashes = arena_regrow(l->arena, p->hashes, p->count * SHA256_BYTES, capacity * SHA256_BYTES, 1);
    l->capacity = capacity;
    return p->pairs && p->hashes ? STATUS_OK : no_memory(err);
}

/* Adds a pair; *longest gets the tokens of its longer sequence, and nothing is added when they are too many. */
static status add_pair(listing *l, const document_turn *turns, size_t count, const char *const replies[2], double probability,
                       size_t *longest, error *err)
{
    TRY(make_room(l, err));
    token_pair *pair = &l->out->pairs[l->out->count];
    strbuf bytes = strbuf_new(l->scratch, TEXT_LIMIT);
    *pair = (token_pair){.probability = probability};
    *longest = 0;
    for (size_t i = 0; i < 2; i++) {
        token_list ids = {.arena = l->scratch};
        TRY(pairs_encode_prompt(l->tokenizer, turns, count, &ids, &bytes, err));
        pair->prompt = (uint32_t)ids.count;
        TRY(add_text(l->tokenizer, replies[i], &ids, &bytes, err));
        TRY(add_special(l->tokenizer, TOKEN_END, &ids, &bytes, err));
        *longest = ids.count > *longest ? ids.count : *longest;
        if (ids.count > l->longest)
            return STATUS_OK;
        int32_t *copy = ARENA_ARRAY(l->arena, int32_t, ids.count);
        if (!copy)
            return no_memory(err);
        memcpy(copy, ids.ids, ids.count * sizeof *copy);
        pair->tokens[i] = copy;
        pair->count[i] = (uint32_t)ids.count;
    }
    if (bytes.failed)
        return no_memory(err);
    sha256_of(bytes.text, bytes.length, l->out->hashes + l->out->count * SHA256_BYTES);
    l->out->tokens += pair->count[0] + pair->count[1];
    l->out->count++;
    return STATUS_OK;
}

static status add_rated(listing *l, const town *t, const rater_plan *raters, uint64_t index, error *err)
{
    rater_pair made;
    size_t longest;
    TRY(rater_pair_make(l->scratch, t, raters, index, &made, err));
    const char *replies[2] = {made.replies[made.preferred], made.replies[!made.preferred]};
    TRY(add_pair(l, made.prompt.turns, made.prompt.count, replies, made.probability, &longest, err));
    if (longest > l->longest)
        return error_set(err, STATUS_INVALID,
                         "expected replies with their prompts of at most %zu tokens (the stage's 'sequence'), found %zu in pair %llu",
                         l->longest, longest, (unsigned long long)index);
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        l->out->pairs[l->out->count - 1].differences[f] =
            made.features[made.preferred][f] - made.features[!made.preferred][f];
    double won = made.features[made.preferred][RATER_AGREES], lost = made.features[!made.preferred][RATER_AGREES];
    l->out->audited += won != lost;
    l->out->agreeing += won > lost;
    return STATUS_OK;
}

status pairs_from_raters(arena *a, const town *t, const rater_plan *raters, uint64_t first, size_t count, const tokenizer *k,
                         size_t longest, pair_list *out, error *err)
{
    *out = (pair_list){0};
    listing l = {.arena = a, .scratch = arena_new(NULL), .tokenizer = k, .longest = longest, .out = out};
    status result = l.scratch ? rater_plan_check(raters, err) : no_memory(err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        result = add_rated(&l, t, raters, first + i, err);
        arena_reset(l.scratch);
    }
    arena_free(l.scratch);
    return result;
}

static void drop_last(pair_list *list)
{
    const token_pair *p = &list->pairs[--list->count];
    list->tokens -= p->count[0] + p->count[1];
}

status pairs_from_file(arena *a, const char *path, size_t first, size_t count, const tokenizer *k, size_t longest,
                       pair_list *out, error *err)
{
    transcript_list list;
    *out = (pair_list){0};
    arena *texts = arena_new(NULL);
    listing l = {.arena = a, .scratch = arena_new(NULL), .tokenizer = k, .longest = longest, .out = out};
    status result = texts && l.scratch ? transcripts_read(texts, path, 0, &list, err) : no_memory(err);
    if (result == STATUS_OK)
        out->skipped = list.skipped;
    for (size_t i = 0, fitting = 0; result == STATUS_OK && i < list.count && out->count < count; i++) {
        const char *replies[2] = {list.pairs[i].chosen, list.pairs[i].rejected};
        size_t found;
        result = add_pair(&l, list.pairs[i].prompt.turns, list.pairs[i].prompt.count, replies, NAN, &found, err);
        out->skipped += result == STATUS_OK && found > longest;
        if (result == STATUS_OK && found <= longest && fitting++ < first)
            drop_last(out);
        arena_reset(l.scratch);
    }
    if (result == STATUS_OK && out->count == 0)
        result = error_set(err, STATUS_INVALID, "%s: expected pairs of at most %zu tokens, found none behind the first %zu", path,
                           longest, first);
    arena_free(l.scratch);
    arena_free(texts);
    return result;
}

/* ---- batches ---- */

bool pairs_add(const pair_list *list, size_t i, sequence_batch *batch)
{
    const token_pair *p = &list->pairs[i];
    size_t tokens = batch->tokens_used, rows = batch->rows_used, count = batch->count;
    for (size_t k = 0; k < 2; k++)
        if (!sequence_batch_add(batch, p->tokens[k], p->count[k], p->prompt)) {
            batch->tokens_used = tokens;
            batch->rows_used = rows;
            batch->count = count;
            return false;
        }
    return true;
}

status pairs_too_long(const pair_list *list, size_t i, const sequence_batch *batch, error *err)
{
    const token_pair *p = &list->pairs[i];
    error_set(err, STATUS_INVALID, "a pair of replies with their prompts takes %u tokens, and a batch holds %zu",
              p->count[0] + p->count[1], batch->tokens_most);
    return error_hint(err, "raise the stage's 'batch_tokens'");
}

status pairs_next(const pair_list *list, packing_order *order, uint64_t *place, sequence_batch *batch, error *err)
{
    sequence_batch_clear(batch);
    size_t index = packing_order_at(order, *place);
    while (pairs_add(list, index, batch))
        index = packing_order_at(order, ++*place);
    if (batch->count == 0)
        return pairs_too_long(list, index, batch, err);
    sequence_batch_pad(batch, TOKEN_PAD);
    return STATUS_OK;
}
