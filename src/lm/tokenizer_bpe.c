/* Byte-pair encoding: joins of a piece in the order in which the pairs were learned, and SentencePiece's form of it, in
 * which the pair that gives the best piece is joined. */
#include "lm/tokenizer_internal.h"

#include <string.h>

enum { SMALL = 96 /* symbols that need no memory of their own */ };

static uint64_t pair_hash(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static const merge *merge_find(const tokenizer *t, int32_t left, int32_t right)
{
    for (size_t i = pair_hash(left, right) & t->merge_mask; t->merge_table[i]; i = (i + 1) & t->merge_mask) {
        const merge *m = &t->merges[t->merge_table[i] - 1];
        if (m->left == left && m->right == right)
            return m;
    }
    return NULL;
}

/* Where a pair stands twice the later place holds, as in the reference. */
status tokenizer_merge_table(tokenizer *t, error *err)
{
    size_t size = 16;
    while (size < 2 * t->merge_count)
        size *= 2;
    t->merge_table = ARENA_ARRAY(t->arena, uint32_t, size);
    t->merge_mask = size - 1;
    if (!t->merge_table)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < t->merge_count; i++) {
        const merge *m = &t->merges[i], *old = merge_find(t, m->left, m->right);
        size_t at = pair_hash(m->left, m->right) & t->merge_mask;
        while (t->merge_table[at] && &t->merges[t->merge_table[at] - 1] != old)
            at = (at + 1) & t->merge_mask;
        t->merge_table[at] = (uint32_t)i + 1;
    }
    return STATUS_OK;
}

/* One joinable place: a heap keeps the best on top, the leftmost of equal ones. */
typedef struct candidate {
    double order; /* rank, or the negative score: the smallest is joined first */
    int32_t result;
    uint32_t at, length; /* `length` in bytes; pieces only */
} candidate;

/* The symbols of a piece, as a list linked both ways. */
typedef struct joiner {
    const tokenizer *t;
    unsigned flags;
    int32_t *ids;               /* JOINED: part of a symbol on the left */
    uint32_t *next, *previous;  /* `end`: none */
    uint32_t *start, *length;   /* bytes of a symbol; pieces only */
    candidate *heap;
    size_t heap_count;
    uint32_t end;
    slice text;
    uint32_t *splits; /* by id of an unused piece: bytes of its left part, 0 before it was joined */
    int32_t small_ids[SMALL];
    uint32_t small_links[2 * SMALL];
    candidate small_heap[3 * SMALL + 1];
} joiner;

enum { JOINED = -2, UNKNOWN = -1 };

static bool before(candidate a, candidate b)
{
    return a.order != b.order ? a.order < b.order : a.at < b.at;
}

static void heap_push(joiner *j, candidate c)
{
    size_t i = j->heap_count++;
    for (; i > 0 && before(c, j->heap[(i - 1) / 2]); i = (i - 1) / 2)
        j->heap[i] = j->heap[(i - 1) / 2];
    j->heap[i] = c;
}

static candidate heap_pop(joiner *j)
{
    candidate top = j->heap[0], last = j->heap[--j->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= j->heap_count)
            break;
        if (child + 1 < j->heap_count && before(j->heap[child + 1], j->heap[child]))
            child++;
        if (!before(j->heap[child], last))
            break;
        j->heap[i] = j->heap[child];
        i = child;
    }
    j->heap[i] = last;
    return top;
}

/* Joins the symbol at `at` with the next one. */
static void join(joiner *j, uint32_t at, int32_t result)
{
    uint32_t right = j->next[at];
    j->ids[at] = result;
    j->ids[right] = JOINED;
    j->next[at] = j->next[right];
    if (j->next[right] < j->end)
        j->previous[j->next[right]] = at;
}

/* ---- by merges ---- */

static const merge *merge_at(const joiner *j, uint32_t at)
{
    const merge *m = merge_find(j->t, j->ids[at], j->ids[j->next[at]]);
    if (m && !(j->flags & TOKENIZER_SPECIALS) && (j->t->marks[m->result] & MARK_SPECIAL))
        return NULL;
    return m;
}

static void consider(joiner *j, uint32_t at)
{
    if (at >= j->end || j->next[at] >= j->end)
        return;
    const merge *m = merge_at(j, at);
    if (m)
        heap_push(j, (candidate){.order = (double)(m - j->t->merges), .result = m->result, .at = at});
}

static void join_all(joiner *j)
{
    for (uint32_t i = 0; i + 1 < j->end; i++)
        consider(j, i);
    while (j->heap_count) {
        candidate c = heap_pop(j);
        if (j->ids[c.at] == JOINED || j->next[c.at] >= j->end)
            continue;
        const merge *m = merge_at(j, c.at);
        if (!m || m->result != c.result) /* changed since it was pushed */
            continue;
        join(j, c.at, c.result);
        consider(j, c.at);
        if (j->previous[c.at] < j->end)
            consider(j, j->previous[c.at]);
    }
}

/* Not initialised whole: most pieces are short, and the small arrays are long. */
static status joiner_open(joiner *j, arena **a, const tokenizer *t, slice piece, unsigned flags, bool spans, error *err)
{
    size_t n = piece.length;
    j->t = t;
    j->flags = flags;
    j->text = piece;
    j->splits = NULL;
    j->heap_count = 0;
    j->end = 0;
    *a = NULL;
    if (n >= UINT32_MAX / 4)
        return error_set(err, STATUS_UNSUPPORTED, "a piece of %zu bytes is too long to encode", n);
    if (n <= SMALL && !spans) {
        j->ids = j->small_ids;
        j->next = j->small_links;
        j->previous = j->small_links + SMALL;
        j->heap = j->small_heap;
        return STATUS_OK;
    }
    *a = arena_new(NULL);
    j->ids = ARENA_ARRAY(*a, int32_t, n);
    j->next = ARENA_ARRAY(*a, uint32_t, n);
    j->previous = ARENA_ARRAY(*a, uint32_t, n);
    j->heap = ARENA_ARRAY(*a, candidate, 3 * n + 1); /* each join pushes at most two more */
    j->start = spans ? ARENA_ARRAY(*a, uint32_t, n) : NULL;
    j->length = spans ? ARENA_ARRAY(*a, uint32_t, n) : NULL;
    if (j->ids && j->next && j->previous && j->heap && (!spans || (j->start && j->length)))
        return STATUS_OK;
    return error_set(err, STATUS_MEMORY, "out of memory for a piece of %zu bytes", n);
}

static void add_symbol(joiner *j, int32_t id)
{
    j->ids[j->end] = id;
    j->next[j->end] = j->end + 1;
    j->previous[j->end] = j->end - 1; /* before the first: past the end */
    j->end++;
}

/* Id of one character with what files put around it, or -1. */
static int32_t character_id(const tokenizer *t, slice c, bool is_first, bool is_last, unsigned flags)
{
    if (t->bytes)
        return t->byte_ids[(unsigned char)c.text[0]];
    bool prefix = !is_first && t->prefix.length, suffix = is_last && t->suffix.length;
    if (!prefix && !suffix)
        return tokenizer_model_find(t, c, flags);
    char text[256];
    size_t length = 0;
    slice parts[] = {prefix ? t->prefix : (slice){0}, c, suffix ? t->suffix : (slice){0}};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].length)
            memcpy(text + length, parts[i].text, parts[i].length); /* prefix and suffix are at most 100 bytes each */
        length += parts[i].length;
    }
    return tokenizer_model_find(t, (slice){text, length}, flags);
}

static size_t character_bytes(const tokenizer *t, slice piece, size_t at)
{
    size_t end = at;
    if (t->bytes)
        return 1;
    utf8_next(piece, &end);
    return end - at;
}

/* What is not in the vocabulary becomes bytes, or one unknown token each, or one for a run of them. The order is the
 * reference's: an unknown token that is kept back comes behind bytes that follow it. */
static status add_symbols(joiner *j, slice piece, error *err)
{
    const tokenizer *t = j->t;
    bool kept = false;
    for (size_t at = 0, n; at < piece.length; at += n) {
        n = character_bytes(t, piece, at);
        slice c = slice_sub(piece, at, at + n);
        int32_t id = character_id(t, c, at == 0, at + n == piece.length, j->flags);
        if (id >= 0) {
            if (kept)
                add_symbol(j, t->unknown);
            kept = false;
            add_symbol(j, id);
            continue;
        }
        bool bytes = t->byte_fallback;
        for (size_t k = 0; bytes && k < n; k++)
            bytes = t->byte_ids[(unsigned char)c.text[k]] >= 0;
        for (size_t k = 0; bytes && k < n; k++)
            add_symbol(j, t->byte_ids[(unsigned char)c.text[k]]);
        if (!bytes && t->unknown == UNKNOWN_MISSING)
            return error_set(err, STATUS_UNSUPPORTED, "\"" SLICE_FORMAT "\" is not in the vocabulary, and neither is the token "
                             "that the tokenizer's file names for what is unknown", SLICE_ARGS(c));
        if (bytes || t->unknown < 0)
            continue;
        if (kept && !t->fuse_unknown)
            add_symbol(j, t->unknown);
        kept = true;
    }
    if (kept)
        add_symbol(j, t->unknown);
    return STATUS_OK;
}

status tokenizer_bpe(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err)
{
    int32_t whole = t->ignore_merges ? tokenizer_model_find(t, piece, flags) : -1;
    if (whole >= 0)
        return token_list_add(out, whole, err);
    joiner j;
    arena *a;
    status result = joiner_open(&j, &a, t, piece, flags, false, err);
    if (result == STATUS_OK)
        result = add_symbols(&j, piece, err);
    if (result == STATUS_OK)
        join_all(&j);
    for (uint32_t i = 0; result == STATUS_OK && i < j.end; i++)
        if (j.ids[i] >= 0)
            result = token_list_add(out, j.ids[i], err);
    arena_free(a);
    return result;
}

/* ---- by pieces: SentencePiece ---- */

static void consider_piece(joiner *j, uint32_t left)
{
    if (left >= j->end || j->next[left] >= j->end)
        return;
    const tokenizer *t = j->t;
    uint32_t right = j->next[left];
    size_t length = (size_t)j->length[left] + j->length[right];
    if (j->ids[left] == JOINED || length > t->longest || (j->ids[left] >= 0 && (t->marks[j->ids[left]] & MARK_USER)) ||
        (j->ids[right] >= 0 && (t->marks[j->ids[right]] & MARK_USER)))
        return;
    int32_t id = tokenizer_model_find(t, (slice){j->text.text + j->start[left], length}, j->flags);
    if (id < 0)
        return;
    heap_push(j, (candidate){.order = -t->scores[id], .result = id, .at = left, .length = (uint32_t)length});
    if ((t->marks[id] & MARK_UNUSED) && j->splits)
        j->splits[id] = j->length[left];
}

static void join_pieces(joiner *j)
{
    for (uint32_t i = 0; i + 1 < j->end; i++)
        consider_piece(j, i);
    while (j->heap_count) {
        candidate c = heap_pop(j);
        uint32_t right = j->ids[c.at] == JOINED ? j->end : j->next[c.at];
        if (right >= j->end || j->length[c.at] + j->length[right] != c.length)
            continue;
        join(j, c.at, c.result);
        j->length[c.at] = c.length;
        if (j->previous[c.at] < j->end)
            consider_piece(j, j->previous[c.at]);
        consider_piece(j, c.at);
    }
}

static void add_characters(joiner *j)
{
    const tokenizer *t = j->t;
    for (size_t at = 0, n; at < j->text.length; at += n) {
        slice rest = slice_sub(j->text, at, j->text.length);
        int32_t id = t->user.nodes ? trie_longest(&t->user, rest, &n) : -1;
        if (t->bytes) {
            n = 1;
            id = t->byte_ids[(unsigned char)rest.text[0]];
        } else if (id < 0) {
            n = 0;
            utf8_next(rest, &n);
            id = tokenizer_model_find(t, slice_sub(rest, 0, n), j->flags);
        }
        j->start[j->end] = (uint32_t)at;
        j->length[j->end] = (uint32_t)n;
        add_symbol(j, id);
    }
}

/* Unknown characters in a row are one unknown token, or each the bytes that it is made of. */
static status put_piece(const joiner *j, int32_t id, slice text, token_list *out, bool *unknown, error *err)
{
    const tokenizer *t = j->t;
    bool known = id >= 0 && id != t->unknown, again = *unknown;
    *unknown = !known;
    if (known)
        return token_list_add(out, id, err);
    if (t->byte_fallback) {
        for (size_t i = 0; i < text.length; i++)
            TRY(token_list_add(out, t->byte_ids[(unsigned char)text.text[i]], err));
        return STATUS_OK;
    }
    return again ? STATUS_OK : token_list_add(out, t->unknown, err);
}

/* A piece that is not used falls back into what it was joined from. */
static status put_unused(const joiner *j, slice text, token_list *out, bool *unknown, error *err)
{
    arena *a = arena_new(NULL);
    slice *stack = ARENA_ARRAY(a, slice, text.length + 1); /* parts are not empty */
    size_t depth = 0;
    status result = stack ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    if (stack)
        stack[depth++] = text;
    while (result == STATUS_OK && depth) {
        slice s = stack[--depth];
        int32_t id = tokenizer_model_find(j->t, s, j->flags);
        uint32_t left = id >= 0 && (j->t->marks[id] & MARK_UNUSED) ? j->splits[id] : 0;
        if (left) {
            stack[depth++] = slice_sub(s, left, s.length);
            stack[depth++] = slice_sub(s, 0, left);
        } else {
            result = put_piece(j, id, s, out, unknown, err);
        }
    }
    arena_free(a);
    return result;
}

status tokenizer_pieces(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err)
{
    int32_t whole = t->ignore_merges ? tokenizer_model_find(t, piece, flags) : -1;
    if (whole >= 0)
        return token_list_add(out, whole, err);
    joiner j;
    arena *a;
    bool unused = false, unknown = false;
    status result = joiner_open(&j, &a, t, piece, flags, true, err);
    if (result == STATUS_OK && t->has_unused)
        j.splits = ARENA_ARRAY(a, uint32_t, t->count);
    if (result == STATUS_OK && t->has_unused && !j.splits)
        result = error_set(err, STATUS_MEMORY, "out of memory");
    if (result == STATUS_OK) {
        add_characters(&j);
        join_pieces(&j);
    }
    for (uint32_t i = 0; result == STATUS_OK && i < j.end; i++) {
        if (j.ids[i] == JOINED)
            continue;
        slice text = {piece.text + j.start[i], j.length[i]};
        unused = j.splits && j.ids[i] >= 0 && (t->marks[j.ids[i]] & MARK_UNUSED);
        result = unused ? put_unused(&j, text, out, &unknown, err) : put_piece(&j, j.ids[i], text, out, &unknown, err);
    }
    arena_free(a);
    return result;
}
