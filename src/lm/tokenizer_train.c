/* Learning the merges of a byte-level BPE tokenizer. */
#include "lm/tokenizer_internal.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

/* A distinct piece of the documents, as the tokens it is made of so far. */
typedef struct word {
    slice text;
    int32_t *ids;
    uint32_t length;
    uint64_t times;
} word;

typedef struct pair {
    int32_t left, right;
    int64_t times;
} pair;

typedef struct trainer {
    arena *arena;
    tokenizer *t;
    pcre2_code *code;
    word *words;
    size_t word_count, word_capacity;
    uint32_t *word_table; /* index + 1 */
    size_t word_mask;
    pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *pair_table;
    size_t pair_mask;
} trainer;

static status out_of_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while training the tokenizer");
}

static size_t word_slot(const trainer *r, slice text)
{
    size_t at = hash64(text.text, text.length, 2) & r->word_mask;
    while (r->word_table[at] && !slice_equal(r->words[r->word_table[at] - 1].text, text))
        at = (at + 1) & r->word_mask;
    return at;
}

static status grow_words(trainer *r)
{
    size_t capacity = r->word_capacity ? 2 * r->word_capacity : 4096;
    r->words = arena_regrow(r->arena, r->words, r->word_count, capacity, sizeof *r->words);
    r->word_table = ARENA_ARRAY(r->arena, uint32_t, 2 * capacity);
    if (!r->words || !r->word_table)
        return STATUS_MEMORY;
    r->word_capacity = capacity;
    r->word_mask = 2 * capacity - 1;
    for (size_t i = 0; i < r->word_count; i++)
        r->word_table[word_slot(r, r->words[i].text)] = (uint32_t)i + 1;
    return STATUS_OK;
}

static status count_piece(void *context, slice piece, error *err)
{
    trainer *r = context;
    if (r->word_count == r->word_capacity && grow_words(r) != STATUS_OK)
        return out_of_memory(err);
    size_t at = word_slot(r, piece);
    if (!r->word_table[at]) {
        r->words[r->word_count] = (word){.text = piece, .length = (uint32_t)piece.length};
        r->word_table[at] = (uint32_t)++r->word_count;
    }
    r->words[r->word_table[at] - 1].times++;
    return STATUS_OK;
}

static status count_documents(trainer *r, const slice *documents, size_t count, error *err)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    status result = match ? STATUS_OK : out_of_memory(err);
    for (size_t i = 0; result == STATUS_OK && i < count; i++)
        result = tokenizer_cut(r->code, match, documents[i], count_piece, r, err);
    pcre2_match_data_free(match);
    for (size_t i = 0; result == STATUS_OK && i < r->word_count; i++) {
        word *w = &r->words[i];
        w->ids = ARENA_ARRAY(r->arena, int32_t, w->length);
        if (!w->ids)
            return out_of_memory(err);
        for (uint32_t k = 0; k < w->length; k++)
            w->ids[k] = r->t->byte_ids[(unsigned char)w->text.text[k]];
    }
    return result;
}

static size_t pair_slot(const trainer *r, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t at = (h ^ h >> 31) & r->pair_mask;
    while (r->pair_table[at] &&
           (r->pairs[r->pair_table[at] - 1].left != left || r->pairs[r->pair_table[at] - 1].right != right))
        at = (at + 1) & r->pair_mask;
    return at;
}

static status add_pair(trainer *r, int32_t left, int32_t right, int64_t times)
{
    if (r->pair_count == r->pair_capacity) {
        size_t capacity = r->pair_capacity ? 2 * r->pair_capacity : 4096;
        r->pairs = arena_regrow(r->arena, r->pairs, r->pair_count, capacity, sizeof *r->pairs);
        r->pair_table = ARENA_ARRAY(r->arena, uint32_t, 2 * capacity);
        if (!r->pairs || !r->pair_table)
            return STATUS_MEMORY;
        r->pair_capacity = capacity;
        r->pair_mask = 2 * capacity - 1;
        for (size_t i = 0; i < r->pair_count; i++)
            r->pair_table[pair_slot(r, r->pairs[i].left, r->pairs[i].right)] = (uint32_t)i + 1;
    }
    size_t at = pair_slot(r, left, right);
    if (!r->pair_table[at]) {
        r->pairs[r->pair_count] = (pair){left, right, 0};
        r->pair_table[at] = (uint32_t)++r->pair_count;
    }
    r->pairs[r->pair_table[at] - 1].times += times;
    return STATUS_OK;
}

static status add_word_pairs(trainer *r, const word *w, int sign)
{
    for (uint32_t k = 0; k + 1 < w->length; k++)
        if (add_pair(r, w->ids[k], w->ids[k + 1], sign * (int64_t)w->times) != STATUS_OK)
            return STATUS_MEMORY;
    return STATUS_OK;
}

static const pair *most_frequent(const trainer *r)
{
    const pair *best = NULL;
    for (size_t i = 0; i < r->pair_count; i++) {
        const pair *p = &r->pairs[i];
        if (!best || p->times > best->times ||
            (p->times == best->times && (p->left < best->left || (p->left == best->left && p->right < best->right))))
            best = p;
    }
    return best && best->times > 1 ? best : NULL;
}

/* Joins the pair wherever it stands in the word, from the left. */
static status join_in_word(trainer *r, word *w, merge m)
{
    uint32_t k = 0;
    while (k + 1 < w->length && (w->ids[k] != m.left || w->ids[k + 1] != m.right))
        k++;
    if (k + 1 >= w->length)
        return STATUS_OK;
    if (add_word_pairs(r, w, -1) != STATUS_OK)
        return STATUS_MEMORY;
    uint32_t to = k;
    while (k < w->length) {
        bool here = k + 1 < w->length && w->ids[k] == m.left && w->ids[k + 1] == m.right;
        w->ids[to++] = here ? m.result : w->ids[k];
        k += here ? 2 : 1;
    }
    w->length = to;
    return add_word_pairs(r, w, 1);
}

static status learn(trainer *r, size_t vocabulary, error *err)
{
    tokenizer *t = r->t;
    for (size_t i = 0; i < r->word_count; i++)
        if (add_word_pairs(r, &r->words[i], 1) != STATUS_OK)
            return out_of_memory(err);
    while (t->count < vocabulary) {
        const pair *best = most_frequent(r);
        if (!best)
            break;
        merge m = {best->left, best->right, (int32_t)t->count};
        slice left = t->tokens[m.left], right = t->tokens[m.right];
        char *text = arena_alloc(t->arena, left.length + right.length + 1);
        if (!text)
            return out_of_memory(err);
        memcpy(text, left.text, left.length);
        memcpy(text + left.length, right.text, right.length);
        t->tokens[t->count++] = (slice){text, left.length + right.length};
        t->merges[t->merge_count++] = m;
        for (size_t i = 0; i < r->word_count; i++)
            if (join_in_word(r, &r->words[i], m) != STATUS_OK)
                return out_of_memory(err);
    }
    return STATUS_OK;
}

/* Special tokens and bytes; the bytes in the order of the letters that stand for them. */
static status begin(tokenizer *t, size_t vocabulary, error *err)
{
    static const char *const specials[] = {
#define X(name, text) text,
        TOKEN_TABLE(X)
#undef X
    };
    t->tokens = ARENA_ARRAY(t->arena, slice, vocabulary);
    t->marks = ARENA_ARRAY(t->arena, unsigned char, vocabulary);
    t->merges = ARENA_ARRAY(t->arena, merge, vocabulary);
    char *bytes = arena_alloc(t->arena, 256);
    if (!t->tokens || !t->marks || !t->merges || !bytes)
        return out_of_memory(err);
    for (int32_t i = 0; i < TOKEN_SPECIAL_COUNT; i++) {
        t->tokens[i] = slice_of(specials[i]);
        t->marks[i] = MARK_SPECIAL;
        TRY(tokenizer_add_added(t, (added_token){.text = t->tokens[i], .id = i, .special = true}, err));
    }
    t->count = TOKEN_SPECIAL_COUNT;
    for (uint32_t letter = 0; letter < 512; letter++)
        for (unsigned b = 0; b < 256; b++)
            if (tokenizer_byte_letter((unsigned char)b) == letter) {
                bytes[b] = (char)b;
                t->byte_ids[b] = (int32_t)t->count;
                t->tokens[t->count++] = (slice){&bytes[b], 1};
            }
    return STATUS_OK;
}

status tokenizer_train(arena *a, const slice *documents, size_t count, const tokenizer_recipe *recipe, tokenizer **out,
                       error *err)
{
    *out = NULL;
    if (recipe->vocabulary < TOKEN_SPECIAL_COUNT + 256 || recipe->vocabulary > 1 << 20)
        return error_set(err, STATUS_USAGE, "a vocabulary of %zu entries: expected %d (the special tokens and all bytes) to %d",
                         recipe->vocabulary, TOKEN_SPECIAL_COUNT + 256, 1 << 20);
    tokenizer *t;
    TRY(tokenizer_begin(a, "tokenizer", &t, err));
    arena *scratch = arena_new(a);
    trainer r = {.arena = scratch, .t = t};
    if (!scratch)
        return out_of_memory(err);
    t->bytes = t->decoder.bytes = true;
    t->pattern = arena_strdup(a, recipe->pattern ? recipe->pattern : TOKENIZER_PATTERN);
    status result = t->pattern ? tokenizer_pattern(t, t->pattern, &r.code, err) : out_of_memory(err);
    if (result == STATUS_OK)
        result = tokenizer_add_step(t, &t->cutters, (step){.code = r.code, .behavior = SPLIT_ISOLATED, .cut = cut_split}, err);
    if (result == STATUS_OK)
        result = begin(t, recipe->vocabulary, err);
    if (result == STATUS_OK)
        result = count_documents(&r, documents, count, err);
    if (result == STATUS_OK)
        result = learn(&r, recipe->vocabulary, err);
    arena_free(scratch);
    for (size_t i = 0; i < t->count; i++)
        t->marks[i] |= MARK_MODEL;
    if (result == STATUS_OK)
        result = tokenizer_finish(t, err);
    if (result == STATUS_OK)
        *out = t;
    return result;
}
