/* Unigram: of all ways to write a piece as tokens the one with the largest sum of scores (Kudo, arXiv 1804.10959). */
#include "lm/tokenizer_internal.h"

#include <math.h>
#include <string.h>

/* How much less than the worst token a character costs that none begins with. */
static const double unknown_penalty = 10;

/* The best way to write the text up to here. */
typedef struct place {
    double score;
    int32_t id;
    uint32_t start; /* of the last token; UINT32_MAX: not reached */
} place;

status tokenizer_unigram_finish(tokenizer *t, error *err)
{
    trie_key *keys = ARENA_ARRAY(t->arena, trie_key, t->count + 1);
    if (!keys)
        return tokenizer_out_of_memory(t->name, err);
    double least = INFINITY;
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (!(t->marks[i] & MARK_MODEL) || t->tokens[i].length == 0)
            continue;
        if (!t->single && t->scores[i] < least)
            least = t->scores[i];
        keys[count++] = (trie_key){t->tokens[i], (int32_t)i};
    }
    if (!t->single)
        t->unknown_score = least - unknown_penalty;
    return trie_build(t->arena, keys, count, &t->pieces, err);
}

static void offer(const tokenizer *t, place *to, uint32_t start, int32_t id, double score)
{
    score = t->single ? (double)(float)score : score; /* which of two equally good ways wins hangs on it */
    if (to->start != UINT32_MAX && !(score > to->score))
        return;
    *to = (place){score, id, start};
}

/* A user's symbol is worth as much as the best token for each of its bytes, less a little. */
static double score_of(const tokenizer *t, int32_t id, size_t length)
{
    return t->marks[id] & MARK_USER ? (double)((float)length * (float)t->user_score - 0.1f) : t->scores[id];
}

static status reach_all(const tokenizer *t, slice text, unsigned flags, place *places, error *err)
{
    for (size_t at = 0, n; at < text.length; at += n) {
        bool single = false;
        size_t after = at;
        utf8_next(text, &after);
        n = after - at;
        uint32_t node = 0;
        for (size_t end = at; end < text.length;) {
            node = trie_next(&t->pieces, node, (unsigned char)text.text[end++]);
            if (!node)
                break;
            int32_t id = t->pieces.nodes[node].value;
            if (id < 0 || (t->marks[id] & MARK_UNUSED) || (!(flags & TOKENIZER_SPECIALS) && (t->marks[id] & MARK_SPECIAL)))
                continue;
            offer(t, &places[end], (uint32_t)at, id, score_of(t, id, end - at) + places[at].score);
            single = single || end == after;
        }
        if (single)
            continue;
        if (t->unknown < 0)
            return error_set(err, STATUS_UNSUPPORTED, "the vocabulary has neither a token for the character at byte %zu of a "
                             "piece nor one for what is unknown", at);
        offer(t, &places[after], (uint32_t)at, t->unknown, t->unknown_score + places[at].score);
    }
    return STATUS_OK;
}

/* Characters that no token begins with: their bytes where the file says so, else one unknown token for all. */
static status put_unknown(const tokenizer *t, slice text, token_list *out, error *err)
{
    bool bytes = t->byte_fallback;
    for (size_t i = 0; bytes && i < text.length; i++)
        bytes = t->byte_ids[(unsigned char)text.text[i]] >= 0;
    for (size_t i = 0; bytes && i < text.length; i++)
        TRY(token_list_add(out, t->byte_ids[(unsigned char)text.text[i]], err));
    return bytes ? STATUS_OK : token_list_add(out, t->unknown, err);
}

/* The tokens from the end to the start, turned round in place: each place learns where its token ends. */
static status put_path(const tokenizer *t, slice text, place *places, token_list *out, unsigned flags, error *err)
{
    uint32_t end = (uint32_t)text.length, next = UINT32_MAX;
    while (end > 0) {
        uint32_t start = places[end].start;
        places[end].start = next;
        next = end;
        end = start;
    }
    for (uint32_t from = 0; next != UINT32_MAX;) {
        uint32_t to = next;
        int32_t id = places[to].id;
        next = places[to].start;
        while (id == t->unknown && next != UINT32_MAX && places[next].id == t->unknown) {
            to = next;
            next = places[to].start;
        }
        slice part = slice_sub(text, from, to);
        from = to;
        int32_t known = id == t->unknown && !t->single ? tokenizer_model_find(t, part, flags) : -1;
        if (known >= 0) /* unknown characters that together are a token */
            TRY(token_list_add(out, known, err));
        else
            TRY(id == t->unknown ? put_unknown(t, part, out, err) : token_list_add(out, id, err));
    }
    return STATUS_OK;
}

status tokenizer_unigram(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err)
{
    if (piece.length >= UINT32_MAX)
        return error_set(err, STATUS_UNSUPPORTED, "a piece of %zu bytes is too long to encode", piece.length);
    place *places = memory_alloc((piece.length + 1) * sizeof *places);
    if (!places)
        return error_set(err, STATUS_MEMORY, "out of memory for a piece of %zu bytes", piece.length);
    for (size_t i = 0; i <= piece.length; i++)
        places[i] = (place){.start = UINT32_MAX};
    places[0].start = 0;
    status result = reach_all(t, piece, flags, places, err);
    if (result == STATUS_OK)
        result = put_path(t, piece, places, out, flags, err);
    memory_free(places);
    return result;
}
