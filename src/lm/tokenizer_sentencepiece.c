/* SentencePiece models: the file (a protocol buffer, core/wire.h), and what makes a tokenizer of a
 * vocabulary with types and scores, wherever it comes from.
 *
 * Of the message ModelProto: 1 pieces {1 text, 2 score, 3 type}, 2 trainer {3 model type, 24 white space as suffix,
 * 35 bytes for unknown characters, 44 text of the unknown token}, 3 normalizer {2 character map, 3 a space in front,
 * 4 remove extra spaces, 5 write spaces as U+2581}, 5 denormalizer {2 character map}. */
#include "lm/tokenizer_internal.h"

#include "core/hash.h"
#include "core/wire.h"

#include <string.h>

static status broken_file(const tokenizer *t, const char *what, error *err)
{
    error_set(err, STATUS_INVALID, "%s: %s breaks off or is no protocol buffer", t->name, what);
    return error_hint(err, "the file is truncated or not a SentencePiece model; fetch or write it again");
}

/* ---- the model's file ---- */

static status count_pieces(tokenizer *t, slice file, error *err)
{
    size_t count = 0;
    wire_field f;
    bool broken;
    while (wire_next(&file, &f, &broken))
        count += f.number == 1 && f.kind == WIRE_BYTES;
    if (broken)
        return broken_file(t, "the model", err);
    TRY(tokenizer_room(t, count, err));
    t->scores = ARENA_ARRAY(t->arena, double, count + 1);
    return t->scores ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

static status read_piece(tokenizer *t, size_t id, slice message, error *err)
{
    wire_field f;
    bool broken;
    uint64_t type = PIECE_NORMAL;
    float score = 0;
    slice text = {"", 0};
    while (wire_next(&message, &f, &broken)) {
        if (f.number == 1 && f.kind == WIRE_BYTES)
            text = f.bytes;
        else if (f.number == 2 && f.kind == WIRE_32)
            score = wire_float(&f);
        else if (f.number == 3 && f.kind == WIRE_VARINT)
            type = f.value;
    }
    if (broken)
        return broken_file(t, "a piece", err);
    return tokenizer_set_piece(t, id, text, score, type, err);
}

static status read_trainer(tokenizer *t, slice message, sentencepiece_rules *rules, error *err)
{
    wire_field f;
    bool broken;
    while (wire_next(&message, &f, &broken)) {
        if (f.kind == WIRE_VARINT && f.number == 3) {
            if (f.value != 1 && f.value != 2)
                return tokenizer_unsupported(t->name, "the model", f.value == 3 ? "of words" : "of characters", err);
            rules->unigram = f.value == 1;
        } else if (f.kind == WIRE_VARINT && f.number == 24) {
            rules->suffix = f.value;
        } else if (f.kind == WIRE_VARINT && f.number == 35) {
            rules->byte_fallback = f.value;
        } else if (f.kind == WIRE_BYTES && f.number == 44) {
            rules->unknown_text = f.bytes;
        }
    }
    return broken ? broken_file(t, "the trainer's part", err) : STATUS_OK;
}

static status read_normalizer(tokenizer *t, slice message, sentencepiece_rules *rules, error *err)
{
    wire_field f;
    bool broken;
    while (wire_next(&message, &f, &broken)) {
        if (f.kind == WIRE_BYTES && f.number == 2)
            rules->charsmap = f.bytes;
        else if (f.kind == WIRE_VARINT && f.number == 3)
            rules->dummy_prefix = f.value;
        else if (f.kind == WIRE_VARINT && f.number == 4)
            rules->remove_extra = f.value;
        else if (f.kind == WIRE_VARINT && f.number == 5)
            rules->escape = f.value;
    }
    return broken ? broken_file(t, "the normalizer's part", err) : STATUS_OK;
}

static status read_denormalizer(tokenizer *t, slice message, error *err)
{
    sentencepiece_rules rules = {0};
    TRY(read_normalizer(t, message, &rules, err));
    return rules.charsmap.length ? tokenizer_unsupported(t->name, "the model", "one with a denormalizer", err) : STATUS_OK;
}

static status read_model(tokenizer *t, slice file, error *err)
{
    sentencepiece_rules rules = {.unigram = true, .dummy_prefix = true, .remove_extra = true, .escape = true,
                                 .unknown_text = SLICE(" \xe2\x81\x87 ")};
    slice rest = file;
    size_t id = 0;
    wire_field f;
    bool broken;
    TRY(count_pieces(t, file, err));
    while (wire_next(&rest, &f, &broken)) {
        if (f.kind != WIRE_BYTES)
            continue;
        if (f.number == 1)
            TRY(read_piece(t, id++, f.bytes, err));
        else if (f.number == 2)
            TRY(read_trainer(t, f.bytes, &rules, err));
        else if (f.number == 3)
            TRY(read_normalizer(t, f.bytes, &rules, err));
        else if (f.number == 5)
            TRY(read_denormalizer(t, f.bytes, err));
    }
    return tokenizer_sentencepiece_finish(t, &rules, err);
}

status tokenizer_parse_sentencepiece(arena *a, slice file, const char *name, tokenizer **out, error *err)
{
    tokenizer *t;
    *out = NULL;
    TRY(tokenizer_begin(a, name, &t, err));
    sha256_of(file.text, file.length, t->digest);
    TRY(read_model(t, file, err));
    *out = t;
    return STATUS_OK;
}

/* ---- a tokenizer of pieces ---- */

status tokenizer_set_piece(tokenizer *t, size_t id, slice text, float score, uint64_t type, error *err)
{
    static const unsigned char marks[] = {[PIECE_NORMAL] = MARK_MODEL, [PIECE_CONTROL] = MARK_SPECIAL,
                                          [PIECE_USER] = MARK_MODEL | MARK_USER, [PIECE_UNUSED] = MARK_MODEL | MARK_UNUSED,
                                          [PIECE_BYTE] = MARK_BYTE};
    if (type < PIECE_NORMAL || type > PIECE_BYTE)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the token %zu is of the unknown type %llu", t->name, id,
                         (unsigned long long)type);
    if (text.length == 0 || !utf8_valid(text) || memchr(text.text, 0, text.length) || !(score > -1e30f && score < 1e30f))
        return error_set(err, STATUS_INVALID, "%s: the token %zu is empty, no UTF-8, or has a score that is no number", t->name, id);
    t->tokens[id] = (slice){slice_copy(t->arena, text), text.length};
    if (!t->tokens[id].text)
        return tokenizer_out_of_memory(t->name, err);
    t->marks[id] = marks[type];
    t->scores[id] = (double)score;
    t->has_unused = t->has_unused || type == PIECE_UNUSED;
    if (type == PIECE_UNKNOWN && t->unknown >= 0)
        return error_set(err, STATUS_INVALID, "%s: the tokens %d and %zu are both for what is unknown", t->name, t->unknown, id);
    if (type == PIECE_UNKNOWN)
        t->unknown = (int32_t)id;
    return STATUS_OK;
}

/* No text twice, and a token for each byte where unknown characters become bytes. */
static status check_pieces(tokenizer *t, const sentencepiece_rules *rules, error *err)
{
    if (t->unknown < 0)
        return error_set(err, STATUS_INVALID, "%s: no token stands for what is unknown", t->name);
    TRY(tokenizer_index(t, err));
    size_t bytes = 0;
    for (size_t i = 0; i < t->count; i++) {
        if ((t->marks[i] & MARK_MODEL) && tokenizer_model_find(t, t->tokens[i], TOKENIZER_SPECIALS) != (int32_t)i)
            return error_set(err, STATUS_INVALID, "%s: two tokens are \"" SLICE_FORMAT "\"", t->name, SLICE_ARGS(t->tokens[i]));
        if (!(t->marks[i] & MARK_BYTE))
            continue;
        int byte = tokenizer_byte_of(t->tokens[i]);
        if (byte < 0 || t->byte_ids[byte] >= 0)
            return error_set(err, STATUS_INVALID, "%s: the token %zu is of the type for bytes, but not the only one for one", t->name, i);
        t->byte_ids[byte] = (int32_t)i;
        bytes++;
    }
    if (rules->byte_fallback && bytes != 256)
        return error_set(err, STATUS_INVALID, "%s: unknown characters become bytes, but there are tokens for %zu bytes of 256",
                         t->name, bytes);
    t->byte_fallback = rules->byte_fallback;
    return STATUS_OK;
}

/* The worst and the best of ordinary pieces: what is unknown and what users defined is scored by them. */
static void find_scores(tokenizer *t)
{
    double least = 0, most = 0;
    bool any = false;
    for (size_t i = 0; i < t->count; i++) {
        if (t->marks[i] != MARK_MODEL)
            continue;
        least = !any || t->scores[i] < least ? t->scores[i] : least;
        most = !any || t->scores[i] > most ? t->scores[i] : most;
        any = true;
    }
    t->unknown_score = (double)((float)least - 10.0f);
    t->user_score = most;
}

static status add_user_symbols(tokenizer *t, error *err)
{
    trie_key *keys = ARENA_ARRAY(t->arena, trie_key, t->count + 1);
    size_t count = 0;
    if (!keys)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < t->count; i++) {
        if (t->marks[i] & MARK_USER)
            keys[count++] = (trie_key){t->tokens[i], (int32_t)i};
        if (t->marks[i] & MARK_SPECIAL) /* only where they are asked for */
            TRY(tokenizer_add_added(t, (added_token){.text = t->tokens[i], .id = (int32_t)i, .special = true}, err));
    }
    return trie_build(t->arena, keys, count, &t->user, err);
}

static status show_pieces(tokenizer *t, const sentencepiece_rules *rules, error *err)
{
    decoding *d = &t->decoder;
    d->run = RUN_CHARACTERS;
    d->mark = rules->escape ? SLICE("\xe2\x96\x81") : SLICE(" ");
    d->strip_mark = rules->dummy_prefix || rules->remove_extra;
    d->strip_marks = rules->remove_extra;
    TRY(tokenizer_add_step(t, &d->steps, (step){.text = SLICE("\xe2\x96\x81"), .content = SLICE(" "), .show = show_replace}, err));
    t->shown = ARENA_ARRAY(t->arena, slice, t->count + 1);
    slice unknown = {slice_copy(t->arena, rules->unknown_text), rules->unknown_text.length};
    if (!t->shown || !unknown.text)
        return tokenizer_out_of_memory(t->name, err);
    t->shown[t->unknown] = unknown;
    return STATUS_OK;
}

status tokenizer_sentencepiece_finish(tokenizer *t, const sentencepiece_rules *rules, error *err)
{
    t->single = true;
    t->model = rules->unigram ? tokenizer_unigram : tokenizer_pieces;
    TRY(check_pieces(t, rules, err));
    find_scores(t);
    TRY(add_user_symbols(t, err));
    step s = {.user = &t->user, .normalize = normalize_sentencepiece,
              .flags = (rules->dummy_prefix ? SPM_DUMMY_PREFIX : 0u) | (rules->remove_extra ? SPM_REMOVE_EXTRA : 0u) |
                       (rules->escape ? SPM_ESCAPE : 0u) | (rules->suffix ? SPM_SUFFIX : 0u)};
    if (rules->charsmap.length)
        TRY(charsmap_read(t->arena, rules->charsmap, t->name, &s.map, err));
    TRY(tokenizer_add_step(t, &t->normalizers, s, err));
    if (rules->unigram)
        TRY(tokenizer_unigram_finish(t, err));
    TRY(show_pieces(t, rules, err));
    return tokenizer_finish(t, err);
}
