/* The vocabulary: lists, the table of keys, what is asked about tokens. */
#include "lm/tokenizer_internal.h"

#include "core/hash.h"

#include <string.h>

status tokenizer_out_of_memory(const char *name, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", name ? name : "tokenizer");
}

status tokenizer_unsupported(const char *name, const char *part, const char *found, error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, "%s: %s is %s, which is not supported", name, part, found);
}

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

/* ---- letters of byte-level files ---- */

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

bool tokenizer_letters_to_bytes(slice letters, char *bytes, size_t *count)
{
    static _Thread_local int16_t table[512];
    static _Thread_local bool ready;
    if (!ready) {
        memset(table, 0xff, sizeof table);
        for (int b = 0; b < 256; b++)
            table[tokenizer_byte_letter((unsigned char)b)] = (int16_t)b;
        ready = true;
    }
    *count = 0;
    for (size_t at = 0; at < letters.length;) {
        uint32_t letter = utf8_next(letters, &at);
        if (letter >= 512 || table[letter] < 0)
            return false;
        bytes[(*count)++] = (char)table[letter];
    }
    return true;
}

void tokenizer_bytes_to_letters(slice bytes, strbuf *out)
{
    for (size_t i = 0; i < bytes.length; i++)
        strbuf_add_utf8(out, tokenizer_byte_letter((unsigned char)bytes.text[i]));
}

/* ---- making ---- */

status tokenizer_begin(arena *a, const char *name, tokenizer **out, error *err)
{
    tokenizer *t = ARENA_NEW(a, tokenizer);
    *out = t;
    if (!t)
        return tokenizer_out_of_memory(name, err);
    t->arena = a;
    t->name = name;
    t->unknown = -1;
    t->model = tokenizer_bpe;
    for (size_t b = 0; b < 256; b++)
        t->byte_ids[b] = -1;
    return STATUS_OK;
}

status tokenizer_room(tokenizer *t, size_t count, error *err)
{
    if (count > INT32_MAX / 2)
        return error_set(err, STATUS_UNSUPPORTED, "%s: %zu tokens are more than can be numbered", t->name, count);
    t->tokens = ARENA_ARRAY(t->arena, slice, count + 1);
    t->marks = ARENA_ARRAY(t->arena, unsigned char, count + 1);
    t->count = count;
    return t->tokens && t->marks ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

status tokenizer_add_step(tokenizer *t, step_list *list, step s, error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        step *steps = arena_regrow(t->arena, list->steps, list->count, capacity, sizeof *steps);
        if (!steps)
            return tokenizer_out_of_memory(t->name, err);
        list->steps = steps;
        list->capacity = capacity;
    }
    list->steps[list->count++] = s;
    return STATUS_OK;
}

status tokenizer_add_added(tokenizer *t, added_token token, error *err)
{
    size_t n = t->added_count;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        added_token *added = arena_regrow(t->arena, t->added, n, n ? 2 * n : 1, sizeof *added);
        if (!added)
            return tokenizer_out_of_memory(t->name, err);
        t->added = added;
    }
    t->added[t->added_count++] = token;
    return STATUS_OK;
}

static size_t token_slot(const tokenizer *t, slice key)
{
    size_t at = hash64(key.text, key.length, 0) & t->token_mask;
    while (t->token_table[at] && !slice_equal(t->tokens[t->token_table[at] - 1], key))
        at = (at + 1) & t->token_mask;
    return at;
}

/* The model's tokens first, so that an added token that repeats one of them does not hide it. */
status tokenizer_index(tokenizer *t, error *err)
{
    size_t size = 16;
    while (size < 2 * t->count)
        size *= 2;
    t->token_table = ARENA_ARRAY(t->arena, uint32_t, size);
    t->token_mask = size - 1;
    if (!t->token_table)
        return tokenizer_out_of_memory(t->name, err);
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < t->count; i++) {
            if (!t->tokens[i].text || (t->marks[i] & MARK_MODEL ? 0u : 1u) != pass)
                continue;
            size_t at = token_slot(t, t->tokens[i]);
            if (!t->token_table[at])
                t->token_table[at] = (uint32_t)i + 1;
            if (pass == 0 && t->tokens[i].length > t->longest)
                t->longest = t->tokens[i].length;
        }
    return STATUS_OK;
}

bool tokenizer_find_bytes(tokenizer *t)
{
    bool all = true;
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        int length = snprintf(text, sizeof text, "<0x%02X>", b);
        t->byte_ids[b] = tokenizer_model_find(t, (slice){text, (size_t)length}, TOKENIZER_SPECIALS);
        all = all && t->byte_ids[b] >= 0;
    }
    return all;
}

/* An added token that is sought in normalized text is also shown as it is there: so does the reference. */
static status show_normalized(tokenizer *t, const added_token *a, slice normal, error *err)
{
    if (slice_equal(normal, a->text) || a->special)
        return STATUS_OK;
    if (!t->texts)
        t->texts = ARENA_ARRAY(t->arena, slice, t->count + 1);
    if (!t->texts)
        return tokenizer_out_of_memory(t->name, err);
    t->texts[a->id] = normal;
    return STATUS_OK;
}

static status added_tries(tokenizer *t, error *err)
{
    trie_key *written = ARENA_ARRAY(t->arena, trie_key, t->added_count + 1);
    trie_key *normal = ARENA_ARRAY(t->arena, trie_key, t->added_count + 1);
    size_t counts[2] = {0};
    if (!written || !normal)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < t->added_count; i++) {
        const added_token *a = &t->added[i];
        if (!a->normalized) {
            written[counts[0]++] = (trie_key){a->text, (int32_t)i};
            continue;
        }
        normal_text text = {.text = strbuf_new(t->arena, 1 << 20)};
        TRY(tokenizer_normalize(t, a->text, &text, err));
        TRY(show_normalized(t, a, strbuf_slice(&text.text), err));
        if (text.text.length) /* one that is normalized away is never found */
            normal[counts[1]++] = (trie_key){strbuf_slice(&text.text), (int32_t)i};
    }
    TRY(trie_build(t->arena, written, counts[0], &t->as_written, err));
    return trie_build(t->arena, normal, counts[1], &t->normalized, err);
}

status tokenizer_finish(tokenizer *t, error *err)
{
    if (!t->token_table)
        TRY(tokenizer_index(t, err));
    if (t->bytes)
        for (unsigned b = 0; b < 256; b++) {
            char byte = (char)b;
            t->byte_ids[b] = tokenizer_model_find(t, (slice){&byte, 1}, TOKENIZER_SPECIALS);
        }
    if (t->model == tokenizer_bpe)
        TRY(tokenizer_merge_table(t, err));
    TRY(added_tries(t, err));
    TRY(tokenizer_show_all(t, err));
    TRY(tokenizer_cache(t, err));
    t->name = NULL; /* belongs to the caller */
    return STATUS_OK;
}

/* ---- questions ---- */

int32_t tokenizer_model_find(const tokenizer *t, slice key, unsigned flags)
{
    uint32_t found = t->token_table[token_slot(t, key)];
    if (!found || !(t->marks[found - 1] & MARK_MODEL))
        return -1;
    if (!(flags & TOKENIZER_SPECIALS) && (t->marks[found - 1] & MARK_SPECIAL))
        return -1;
    return (int32_t)(found - 1);
}

int32_t tokenizer_find(const tokenizer *t, slice bytes)
{
    for (size_t i = 0; i < t->added_count; i++)
        if (t->added[i].text.length == bytes.length && slice_equal(t->added[i].text, bytes))
            return t->added[i].id;
    return (int32_t)t->token_table[token_slot(t, bytes)] - 1;
}

size_t tokenizer_size(const tokenizer *t)
{
    return t->count;
}

static bool known(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->count && t->tokens[id].text;
}

slice tokenizer_bytes(const tokenizer *t, int32_t id)
{
    return known(t, id) ? t->shown[id] : (slice){"", 0};
}

bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
    return known(t, id) && (t->marks[id] & MARK_SPECIAL);
}

size_t tokenizer_added_count(const tokenizer *t)
{
    return t->added_count;
}

int32_t tokenizer_added_at(const tokenizer *t, size_t i)
{
    return t->added[i].id;
}

void tokenizer_piece(const tokenizer *t, int32_t id, strbuf *out)
{
    if (!known(t, id))
        return;
    if (t->bytes && (t->marks[id] & MARK_MODEL) && !(t->marks[id] & MARK_SPECIAL))
        tokenizer_bytes_to_letters(t->tokens[id], out);
    else
        strbuf_add_slice(out, t->tokens[id]);
}
