/* Encoding: added tokens, normalizers, cutters, model, and the cache of pieces. */
#include "lm/tokenizer_internal.h"

#include "core/hash.h"

#include <string.h>

enum {
    CACHE_SLOTS = 1 << 15,
    CACHE_FULL = CACHE_SLOTS / 2,
    CACHE_PIECE = 48, /* bytes of the longest piece that is kept */
    TEXT_LIMIT = 1 << 30,
};

typedef struct cached_piece {
    const char *text;
    uint32_t length, count;
    const int32_t *ids;
    unsigned flags;
} cached_piece;

/* What encoding needs beside the tables; one thread at a time. */
struct piece_cache {
    pthread_mutex_t lock;
    arena *arena;
    pcre2_match_data *match;
    cached_piece *slots;
    size_t used;
};

static void cache_close(void *context)
{
    piece_cache *c = context;
    pcre2_match_data_free(c->match);
    pthread_mutex_destroy(&c->lock);
}

status tokenizer_cache(tokenizer *t, error *err)
{
    piece_cache *c = t->cache = ARENA_NEW(t->arena, piece_cache);
    if (!c)
        return tokenizer_out_of_memory(t->name, err);
    c->arena = arena_new(t->arena);
    c->slots = ARENA_ARRAY(c->arena, cached_piece, CACHE_SLOTS);
    c->match = pcre2_match_data_create(1, NULL);
    if (!c->slots || !c->match) {
        pcre2_match_data_free(c->match);
        return tokenizer_out_of_memory(t->name, err);
    }
    pthread_mutex_init(&c->lock, NULL);
    return arena_on_free(t->arena, cache_close, c) ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

static void cache_keep(piece_cache *c, cached_piece *slot, slice piece, unsigned flags, const int32_t *ids, size_t count)
{
    if (c->used >= CACHE_FULL || piece.length > CACHE_PIECE)
        return;
    char *text = arena_strndup(c->arena, piece.text, piece.length);
    int32_t *kept = ARENA_ARRAY(c->arena, int32_t, count + 1);
    if (!text || !kept)
        return; /* only a cache */
    if (count)
        memcpy(kept, ids, count * sizeof *ids);
    *slot = (cached_piece){text, (uint32_t)piece.length, (uint32_t)count, kept, flags};
    c->used++;
}

status tokenizer_encode_piece(cutting *cut, slice piece, error *err)
{
    piece_cache *c = cut->t->cache;
    if (piece.length > CACHE_PIECE)
        return cut->t->model(cut->t, piece, cut->flags, cut->out, err);
    size_t at = hash64(piece.text, piece.length, 1) % CACHE_SLOTS;
    while (c->slots[at].text) {
        const cached_piece *kept = &c->slots[at];
        if (kept->length == piece.length && kept->flags == cut->flags && memcmp(kept->text, piece.text, piece.length) == 0) {
            for (uint32_t i = 0; i < kept->count; i++)
                TRY(token_list_add(cut->out, kept->ids[i], err));
            return STATUS_OK;
        }
        at = (at + 1) % CACHE_SLOTS;
    }
    size_t start = cut->out->count;
    TRY(cut->t->model(cut->t, piece, cut->flags, cut->out, err));
    size_t count = cut->out->count - start;
    cache_keep(c, &c->slots[at], piece, cut->flags, count ? cut->out->ids + start : NULL, count);
    return STATUS_OK;
}

status tokenizer_cut_on(cutting *c, size_t next, slice piece, bool first, error *err)
{
    if (piece.length == 0)
        return STATUS_OK;
    if (next == c->t->cutters.count)
        return tokenizer_encode_piece(c, piece, err);
    const step *s = &c->t->cutters.steps[next];
    return s->cut(s, c, next + 1, piece, first, err);
}

status tokenizer_normalize(const tokenizer *t, slice text, normal_text *out, error *err)
{
    size_t count = t->normalizers.count;
    normal_text turn[2] = {{.text = strbuf_new(NULL, TEXT_LIMIT)}, {.text = strbuf_new(NULL, TEXT_LIMIT)}};
    slice now = text;
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        normal_text *to = i + 1 == count ? out : &turn[i % 2];
        if (to != out)
            strbuf_clear(&to->text);
        result = t->normalizers.steps[i].normalize(&t->normalizers.steps[i], now, to, err);
        out->moved = out->moved || to->moved;
        if (result == STATUS_OK && to->text.failed)
            result = error_set(err, STATUS_MEMORY, "out of memory while normalizing a text of %zu bytes", text.length);
        now = strbuf_slice(&to->text);
    }
    if (count == 0)
        strbuf_add_slice(&out->text, text);
    if (result == STATUS_OK && out->text.failed)
        result = error_set(err, STATUS_MEMORY, "out of memory while normalizing a text of %zu bytes", text.length);
    strbuf_free(&turn[0].text);
    strbuf_free(&turn[1].text);
    return result;
}

/* ---- added tokens ---- */

static bool word_before(slice text, size_t at)
{
    if (at == 0)
        return false;
    size_t from = at - 1;
    while (from > 0 && ((unsigned char)text.text[from] & 0xc0) == 0x80)
        from--;
    return letter_word(utf8_next(text, &from));
}

static bool word_after(slice text, size_t at)
{
    return at < text.length && letter_word(utf8_next(text, &at));
}

static size_t spaces_before(slice text, size_t from, size_t at)
{
    while (at > from) {
        size_t start = at - 1, end;
        while (start > from && ((unsigned char)text.text[start] & 0xc0) == 0x80)
            start--;
        end = start;
        if (!letter_space(utf8_next(text, &end)))
            break;
        at = start;
    }
    return at;
}

static size_t spaces_after(slice text, size_t at)
{
    while (at < text.length) {
        size_t next = at;
        if (!letter_space(utf8_next(text, &next)))
            break;
        at = next;
    }
    return at;
}

static bool any_marked(const unsigned char *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (data[i])
            return true;
    return false;
}

/* A text in which added tokens are sought. */
typedef struct search {
    cutting *c;
    const trie *set;
    slice text;
    bool first;                /* it begins the whole text */
    const unsigned char *data; /* marks of its bytes */
    bool marked;               /* no telling which are marked: as if all were */
    status (*part)(cutting *c, slice text, bool first, error *err); /* takes what lies between the tokens */
} search;

/* Whether the token at [start, end) is one, and no plain letters: half a word of those that stand alone, special where
 * that is not asked for, special or as good as that in marked words. */
static bool counts(const search *s, const added_token *a, size_t start, size_t end)
{
    const tokenizer_marks *marks = s->c->marks;
    bool control = a->special || (marks && marks->control && marks->control[a->id]);
    if (a->special && !(s->c->added_flags & TOKENIZER_SPECIALS))
        return false;
    if (control && (s->marked || (s->data && any_marked(s->data + start, end - start))))
        return false;
    return !a->single_word || !(word_before(s->text, start) || word_after(s->text, end));
}

/* As in the reference: the leftmost, longest of the set; one that does not count still takes its place, so that nothing is
 * found inside of it. */
static status split_added(const search *s, error *err)
{
    size_t done = 0;
    slice text = s->text;
    for (size_t at = 0; s->set->nodes[0].count && at < text.length;) {
        size_t length = 0;
        if (!s->set->first[(unsigned char)text.text[at]]) {
            at++;
            continue;
        }
        int32_t index = trie_longest(s->set, slice_sub(text, at, text.length), &length);
        if (index < 0) {
            at++;
            continue;
        }
        const added_token *a = &s->c->t->added[index];
        size_t start = at, end = at + length;
        at = end;
        if (!counts(s, a, start, end))
            continue;
        if (a->lstrip)
            start = spaces_before(text, done < start ? done : start, start);
        if (a->rstrip)
            end = spaces_after(text, end);
        if (done < start)
            TRY(s->part(s->c, slice_sub(text, done, start), s->first && done == 0, err));
        TRY(token_list_add(s->c->out, a->id, err));
        done = end;
    }
    return done < text.length ? s->part(s->c, slice_sub(text, done, text.length), s->first && done == 0, err) : STATUS_OK;
}

static status normal_part(cutting *c, slice text, bool first, error *err)
{
    return tokenizer_cut_on(c, 0, text, first, err);
}

/* Normalizing loses which bytes are marked: then no special token counts in a text with a marked byte. */
static status written_part(cutting *c, slice text, bool first, error *err)
{
    const unsigned char *data = c->marks && c->marks->data ? c->marks->data + (text.text - c->whole.text) : NULL;
    search s = {.c = c, .set = &c->t->normalized, .text = text, .first = first, .data = data, .part = normal_part};
    if (c->t->normalizers.count == 0)
        return split_added(&s, err);
    normal_text normal = {.text = strbuf_new(NULL, TEXT_LIMIT)};
    status result = tokenizer_normalize(c->t, text, &normal, err);
    s.text = strbuf_slice(&normal.text);
    s.first = first && !normal.moved;
    s.data = NULL;
    s.marked = data && any_marked(data, text.length);
    if (result == STATUS_OK)
        result = split_added(&s, err);
    strbuf_free(&normal.text);
    return result;
}

/* ---- whole texts ---- */

/* Offset of the first byte that is not UTF-8, or the length. */
static size_t valid_up_to(slice text)
{
    size_t at = 0;
    while (at < text.length) {
        uint64_t eight;
        if (text.length - at >= 8) {
            memcpy(&eight, text.text + at, 8);
            if (!(eight & 0x8080808080808080u)) {
                at += 8;
                continue;
            }
        }
        size_t before = at;
        if (utf8_next(text, &at) == 0xfffd && at - before != 3)
            return before;
    }
    return at;
}

static status check_text(slice text, error *err)
{
    size_t at = valid_up_to(text);
    if (at == text.length)
        return STATUS_OK;
    error_set(err, STATUS_INVALID, "the text is not UTF-8: the byte 0x%02x at offset %zu begins no character",
              (unsigned)(unsigned char)text.text[at], at);
    return error_hint(err, "write the text in UTF-8 (iconv -f latin1 -t utf8), or take the byte out");
}

static status add_all(token_list *out, const int32_t *ids, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++)
        TRY(token_list_add(out, ids[i], err));
    return STATUS_OK;
}

static status encode(const tokenizer *t, slice text, unsigned flags, const tokenizer_marks *marks, token_list *out,
                     error *err)
{
    size_t start = out->count;
    TRY(check_text(text, err));
    pthread_mutex_lock(&t->cache->lock);
    cutting c = {.t = t, .flags = marks ? 0 : flags & TOKENIZER_SPECIALS, .out = out, .match = t->cache->match,
                 .added_flags = flags, .whole = text, .marks = marks};
    search s = {.c = &c, .set = &t->as_written, .text = text, .first = true, .data = marks ? marks->data : NULL,
                .part = written_part};
    status result = flags & TOKENIZER_TEMPLATE ? add_all(out, t->before, t->before_count, err) : STATUS_OK;
    if (result == STATUS_OK)
        result = split_added(&s, err);
    if (result == STATUS_OK && (flags & TOKENIZER_TEMPLATE))
        result = add_all(out, t->after, t->after_count, err);
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
