#include "lm/tokenizer_internal.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
    CACHE_SLOTS = 1 << 15,
    CACHE_FULL = CACHE_SLOTS / 2,
    CACHE_PIECE = 48, /* bytes of the longest piece that is kept */
};

typedef struct cached_piece {
    const char *text;
    uint32_t length, count;
    const int32_t *ids;
} cached_piece;

/* What encoding needs beside the tables; one thread at a time. */
struct piece_cache {
    pthread_mutex_t lock;
    arena *arena;
    pcre2_match_data *match;
    cached_piece *slots;
    size_t used;
};

status token_list_add(token_list *list, int32_t id, error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        int32_t *ids = arena_regrow(list->arena, list->ids, list->count, capacity, sizeof *ids);
        if (!ids)
            return error_set(err, STATUS_MEMORY, "out of memory for %zu tokens", capacity);
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->count++] = id;
    return STATUS_OK;
}

uint32_t tokenizer_byte_letter(unsigned char byte)
{
    static const unsigned char first[] = {33, 161, 174}, last[] = {126, 172, 255};
    uint32_t hidden = 0; /* bytes below `byte` that cannot be printed */
    uint32_t from = 0;
    for (size_t i = 0; i < 3; i++) {
        if (byte < first[i])
            return 256 + hidden + (byte - from);
        if (byte <= last[i])
            return byte;
        hidden += first[i] - from;
        from = last[i] + 1u;
    }
    return byte;
}

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

int32_t tokenizer_find(const tokenizer *t, slice bytes)
{
    for (size_t i = hash64(bytes.text, bytes.length, 0) & t->token_mask; t->token_table[i]; i = (i + 1) & t->token_mask)
        if (slice_equal(t->tokens[t->token_table[i] - 1], bytes))
            return (int32_t)(t->token_table[i] - 1);
    return -1;
}

static size_t table_size(size_t entries)
{
    size_t size = 16;
    while (size < 2 * entries)
        size *= 2;
    return size;
}

static void cache_close(void *context)
{
    piece_cache *c = context;
    pcre2_match_data_free(c->match);
    pthread_mutex_destroy(&c->lock);
}

static void code_close(void *context)
{
    pcre2_code_free(context);
}

static int by_length(const void *a, const void *b)
{
    const added_token *x = a, *y = b;
    if (x->text.length != y->text.length)
        return x->text.length > y->text.length ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static status fill_tables(tokenizer *t, const char *name, error *err)
{
    for (size_t i = 0; i < t->merge_count; i++) {
        const merge *m = &t->merges[i];
        if (merge_find(t, m->left, m->right))
            return error_set(err, STATUS_INVALID, "%s: merge %zu is there twice", name, i);
        size_t at = pair_hash(m->left, m->right) & t->merge_mask;
        while (t->merge_table[at])
            at = (at + 1) & t->merge_mask;
        t->merge_table[at] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (tokenizer_find(t, t->tokens[i]) >= 0) /* an added token may repeat one of the model's: the first holds */
            continue;
        size_t at = hash64(t->tokens[i].text, t->tokens[i].length, 0) & t->token_mask;
        while (t->token_table[at])
            at = (at + 1) & t->token_mask;
        t->token_table[at] = (uint32_t)i + 1;
    }
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        t->byte_ids[b] = tokenizer_find(t, (slice){&byte, 1});
        if (t->byte_ids[b] < 0)
            return error_set(err, STATUS_UNSUPPORTED, "%s: the vocabulary has no token for the byte 0x%02x", name, b);
    }
    return STATUS_OK;
}

status tokenizer_finish(tokenizer *t, const char *name, error *err)
{
    size_t merges = table_size(t->merge_count), tokens = table_size(t->count);
    t->merge_table = ARENA_ARRAY(t->arena, uint32_t, merges);
    t->merge_mask = merges - 1;
    t->token_table = ARENA_ARRAY(t->arena, uint32_t, tokens);
    t->token_mask = tokens - 1;
    t->cache = ARENA_NEW(t->arena, piece_cache);
    if (!t->merge_table || !t->token_table || !t->cache)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    TRY(fill_tables(t, name, err));
    if (t->added_count)
        qsort(t->added, t->added_count, sizeof *t->added, by_length);
    for (size_t i = 0; i < t->added_count; i++)
        t->added_first[(unsigned char)t->added[i].text.text[0]] = true;
    TRY(tokenizer_compile(t->pattern, name, &t->code, err));
    if (!arena_on_free(t->arena, code_close, t->code))
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    piece_cache *c = t->cache;
    c->arena = arena_new(t->arena);
    c->slots = ARENA_ARRAY(c->arena, cached_piece, CACHE_SLOTS);
    c->match = pcre2_match_data_create(1, NULL);
    if (!c->slots || !c->match) {
        pcre2_match_data_free(c->match);
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    }
    pthread_mutex_init(&c->lock, NULL);
    return arena_on_free(t->arena, cache_close, c) ? STATUS_OK : error_set(err, STATUS_MEMORY, "%s: out of memory", name);
}

size_t tokenizer_size(const tokenizer *t)
{
    return t->count;
}

slice tokenizer_bytes(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->count ? t->tokens[id] : (slice){"", 0};
}

bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->count && t->special[id];
}

/* One joinable place in a piece: a heap keeps the lowest rank, then the leftmost, on top. */
typedef struct candidate {
    const merge *merge;
    uint32_t at;
} candidate;

typedef struct joiner {
    int32_t *ids; /* -1: joined to the left */
    uint32_t *next, *previous;
    candidate *heap;
    size_t heap_count;
    uint32_t end;
} joiner;

static bool before(candidate a, candidate b)
{
    return a.merge != b.merge ? a.merge < b.merge : a.at < b.at; /* merges lie in order of rank */
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

static void consider(const tokenizer *t, joiner *j, uint32_t at)
{
    if (at >= j->end || j->next[at] >= j->end)
        return;
    const merge *m = merge_find(t, j->ids[at], j->ids[j->next[at]]);
    if (m)
        heap_push(j, (candidate){m, at});
}

static void join_all(const tokenizer *t, joiner *j)
{
    for (uint32_t i = 0; i + 1 < j->end; i++)
        consider(t, j, i);
    while (j->heap_count) {
        candidate c = heap_pop(j);
        uint32_t right = j->ids[c.at] < 0 ? j->end : j->next[c.at];
        if (right >= j->end || j->ids[c.at] != c.merge->left || j->ids[right] != c.merge->right)
            continue; /* changed since it was pushed */
        j->ids[c.at] = c.merge->result;
        j->ids[right] = -1;
        j->next[c.at] = j->next[right];
        if (j->next[right] < j->end)
            j->previous[j->next[right]] = c.at;
        consider(t, j, c.at);
        if (j->previous[c.at] < j->end)
            consider(t, j, j->previous[c.at]);
    }
}

/* The ids of one piece, by joining; each join pushes at most two more candidates. */
static status join_piece(const tokenizer *t, slice piece, token_list *out, error *err)
{
    size_t n = piece.length;
    if (n >= UINT32_MAX / 4)
        return error_set(err, STATUS_UNSUPPORTED, "a piece of %zu bytes is too long to encode", n);
    arena *a = arena_new(NULL);
    joiner j = {.ids = ARENA_ARRAY(a, int32_t, n), .next = ARENA_ARRAY(a, uint32_t, n),
                .previous = ARENA_ARRAY(a, uint32_t, n), .heap = ARENA_ARRAY(a, candidate, 3 * n + 1),
                .end = (uint32_t)n};
    status result = j.ids && j.next && j.previous && j.heap ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    if (result == STATUS_OK) {
        for (uint32_t i = 0; i < j.end; i++) {
            j.ids[i] = t->byte_ids[(unsigned char)piece.text[i]];
            j.next[i] = i + 1;
            j.previous[i] = i - 1; /* before the first: past the end */
        }
        join_all(t, &j);
    }
    for (uint32_t i = 0; result == STATUS_OK && i < j.end; i++)
        if (j.ids[i] >= 0)
            result = token_list_add(out, j.ids[i], err);
    arena_free(a);
    return result;
}

typedef struct encoding {
    const tokenizer *t;
    token_list *out;
} encoding;

static void cache_keep(piece_cache *c, cached_piece *slot, slice piece, const int32_t *ids, size_t count)
{
    if (c->used >= CACHE_FULL || piece.length > CACHE_PIECE)
        return;
    char *text = arena_strndup(c->arena, piece.text, piece.length);
    int32_t *kept = ARENA_ARRAY(c->arena, int32_t, count);
    if (!text || !kept)
        return; /* only a cache */
    memcpy(kept, ids, count * sizeof *ids);
    *slot = (cached_piece){text, (uint32_t)piece.length, (uint32_t)count, kept};
    c->used++;
}

static status encode_piece(void *context, slice piece, error *err)
{
    encoding *e = context;
    piece_cache *c = e->t->cache;
    size_t at = hash64(piece.text, piece.length, 1) % CACHE_SLOTS;
    while (c->slots[at].text) {
        const cached_piece *kept = &c->slots[at];
        if (kept->length == piece.length && memcmp(kept->text, piece.text, piece.length) == 0) {
            for (uint32_t i = 0; i < kept->count; i++)
                TRY(token_list_add(e->out, kept->ids[i], err));
            return STATUS_OK;
        }
        at = (at + 1) % CACHE_SLOTS;
    }
    size_t start = e->out->count;
    int32_t whole = e->t->ignore_merges ? tokenizer_find(e->t, piece) : -1;
    if (whole >= 0)
        TRY(token_list_add(e->out, whole, err));
    else
        TRY(join_piece(e->t, piece, e->out, err));
    cache_keep(c, &c->slots[at], piece, e->out->ids + start, e->out->count - start);
    return STATUS_OK;
}

static bool any_marked(const unsigned char *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (data[i])
            return true;
    return false;
}

/* Whether an added token that stands at `at` may be one: special ones where they are asked for, and nowhere in words
 * that are marked. */
static bool counts(const added_token *added, size_t at, unsigned flags, const tokenizer_marks *marks)
{
    bool control = added->special || (marks && marks->control && marks->control[added->id]);
    if (added->special && !(flags & TOKENIZER_SPECIALS))
        return false;
    return !control || !marks || !marks->data || !any_marked(marks->data + at, added->text.length);
}

/* The first added token at or after `from` (the longest where several begin), or NULL. */
static const added_token *next_added(const tokenizer *t, slice text, size_t from, unsigned flags,
                                     const tokenizer_marks *marks, size_t *where)
{
    for (size_t i = from; i < text.length; i++) {
        if (!t->added_first[(unsigned char)text.text[i]])
            continue;
        for (size_t k = 0; k < t->added_count; k++)
            if (slice_starts(slice_sub(text, i, text.length), t->added[k].text) && counts(&t->added[k], i, flags, marks)) {
                *where = i;
                return &t->added[k];
            }
    }
    return NULL;
}

static status encode(const tokenizer *t, slice text, unsigned flags, const tokenizer_marks *marks, token_list *out,
                     error *err)
{
    encoding e = {t, out};
    size_t start = out->count, done = 0;
    status result = STATUS_OK;
    pthread_mutex_lock(&t->cache->lock);
    while (result == STATUS_OK && done < text.length) {
        size_t where = text.length;
        const added_token *added = next_added(t, text, done, flags, marks, &where);
        result = tokenizer_cut(t->code, t->cache->match, slice_sub(text, done, where), encode_piece, &e, err);
        done = where;
        if (result == STATUS_OK && added) {
            result = token_list_add(out, added->id, err);
            done += added->text.length;
        }
    }
    pthread_mutex_unlock(&t->cache->lock);
    if (result != STATUS_OK)
        out->count = start;
    return result;
}

status tokenizer_encode(const tokenizer *t, slice text, unsigned flags, token_list *out, error *err)
{
    return encode(t, text, flags, NULL, out, err);
}

status tokenizer_encode_marked(const tokenizer *t, slice text, const tokenizer_marks *marks, token_list *out,
                               error *err)
{
    return encode(t, text, TOKENIZER_SPECIALS, marks, out, err);
}

typedef enum character { CHARACTER_WHOLE, CHARACTER_WRONG, CHARACTER_CUT } character;

/* Bytes of the character at the start of `s`, or of the largest start of one that turned out wrong (each such run
 * becomes one U+FFFD, as the Unicode standard recommends: 3.9, table 3-8) or is cut off by the end of `s`. */
static size_t character_length(slice s, character *what)
{
    unsigned char first = (unsigned char)s.text[0];
    size_t need = first < 0x80                      ? 1
                  : first >= 0xc2 && first <= 0xdf ? 2
                  : (first & 0xf0) == 0xe0         ? 3
                  : first >= 0xf0 && first <= 0xf4 ? 4
                                                   : 0;
    *what = need == 1 ? CHARACTER_WHOLE : CHARACTER_WRONG;
    if (need < 2)
        return 1;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t n = 1;
    for (; n < need && n < s.length; n++) {
        unsigned char c = (unsigned char)s.text[n];
        if (c < low || c > high)
            return n;
        low = 0x80;
        high = 0xbf;
    }
    *what = n == need ? CHARACTER_WHOLE : CHARACTER_CUT;
    return n;
}

/* Adds whole characters; returns how many bytes at the end may still become one (0 when `last`). */
static size_t add_characters(slice s, bool last, strbuf *out)
{
    size_t at = 0;
    while (at < s.length) {
        character what;
        size_t n = character_length(slice_sub(s, at, s.length), &what);
        if (what == CHARACTER_CUT && !last)
            return n;
        if (what == CHARACTER_WHOLE)
            strbuf_add_bytes(out, s.text + at, n);
        else
            strbuf_add_utf8(out, 0xfffd);
        at += n;
    }
    return 0;
}

status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t count, strbuf *out, error *err)
{
    strbuf bytes = strbuf_new(NULL, (size_t)1 << 32);
    for (size_t i = 0; i < count; i++)
        if (!tokenizer_is_special(t, ids[i]))
            strbuf_add_slice(&bytes, tokenizer_bytes(t, ids[i]));
    if (!bytes.failed)
        add_characters(strbuf_slice(&bytes), true, out);
    bool failed = bytes.failed || out->failed;
    strbuf_free(&bytes);
    return failed ? error_set(err, STATUS_MEMORY, "out of memory for the text of %zu tokens", count) : STATUS_OK;
}

void token_stream_add(token_stream *s, const tokenizer *t, int32_t id, strbuf *out)
{
    if (tokenizer_is_special(t, id))
        return;
    strbuf bytes = strbuf_new(NULL, (size_t)1 << 20);
    strbuf_add_bytes(&bytes, s->held, s->held_count);
    strbuf_add_slice(&bytes, tokenizer_bytes(t, id));
    if (bytes.failed) {
        out->failed = true;
    } else {
        s->held_count = add_characters(strbuf_slice(&bytes), false, out);
        memcpy(s->held, bytes.text + bytes.length - s->held_count, s->held_count);
    }
    strbuf_free(&bytes);
}

void token_stream_end(token_stream *s, strbuf *out)
{
    add_characters((slice){s->held, s->held_count}, true, out);
    s->held_count = 0;
}
