/* SentencePiece's character maps: a double-array trie from texts to what they become, and normalization with it, as
 * SentencePiece does it and as Hugging Face's Precompiled does.
 *
 * The bytes of a map: length of the trie (32 bits, little-endian), the trie's units of 32 bits, and the texts that it
 * points into, each with a NUL behind it. A unit holds 8 bits of label, a mark for a leaf, and the offset of its
 * children (J. Aoe's double array, in the form of darts-clone). Every index is checked against the array's end. */
#include "lm/tokenizer_internal.h"

#include <string.h>
#include <utf8proc.h>

struct charsmap {
    const uint32_t *units;
    size_t count;
    slice texts;
};

status charsmap_read(arena *a, slice bytes, const char *name, charsmap **out, error *err)
{
    uint32_t length = 0;
    if (bytes.length < 4)
        return error_set(err, STATUS_INVALID, "%s: the character map has %zu bytes, expected at least 4", name, bytes.length);
    for (size_t i = 0; i < 4; i++)
        length |= (uint32_t)(unsigned char)bytes.text[i] << (8 * i);
    if (length % 4 || length > bytes.length - 4)
        return error_set(err, STATUS_INVALID, "%s: the character map claims a trie of %u bytes in %zu", name, length,
                         bytes.length - 4);
    charsmap *m = ARENA_NEW(a, charsmap);
    uint32_t *units = ARENA_ARRAY(a, uint32_t, length / 4 + 1);
    char *texts = arena_alloc(a, bytes.length - 4 - length + 1);
    *out = m;
    if (!m || !units || !texts)
        return tokenizer_out_of_memory(name, err);
    for (size_t i = 0; i < length; i++)
        units[i / 4] |= (uint32_t)(unsigned char)bytes.text[4 + i] << (8 * (i % 4));
    m->units = units;
    m->count = length / 4;
    m->texts = (slice){texts, bytes.length - 4 - length};
    if (m->texts.length)
        memcpy(texts, bytes.text + 4 + length, m->texts.length);
    return STATUS_OK;
}

static uint32_t unit_offset(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

bool charsmap_find(const charsmap *m, slice text, bool longest, slice *becomes, size_t *length)
{
    bool found = false;
    if (m->count == 0)
        return false;
    uint32_t at = unit_offset(m->units[0]);
    for (size_t i = 0; i < text.length && (longest || !found); i++) {
        unsigned char byte = (unsigned char)text.text[i];
        at ^= byte;
        if (at >= m->count || (m->units[at] & 0x800000ffu) != byte)
            break;
        uint32_t unit = m->units[at];
        at ^= unit_offset(unit);
        if (!(unit >> 8 & 1))
            continue;
        uint32_t value = at < m->count ? m->units[at] & 0x7fffffffu : UINT32_MAX;
        if (value >= m->texts.length)
            break;
        slice rest = slice_sub(m->texts, value, m->texts.length);
        const char *end = memchr(rest.text, 0, rest.length);
        *becomes = slice_sub(rest, 0, end ? (size_t)(end - rest.text) : rest.length);
        *length = i + 1;
        found = true;
    }
    return found;
}

/* ---- Precompiled ---- */

static void add_mapped(const charsmap *m, slice part, slice instead, bool known, normal_text *out, bool at_start)
{
    (void)m;
    out->moved = out->moved || (at_start && known && instead.length == 0);
    strbuf_add_slice(&out->text, known ? instead : part);
}

/* A grapheme cluster of up to five bytes is looked up as a whole, and then each of its characters; the shortest known
 * prefix decides. That is how the reference does it, and models were trained so. */
static void map_cluster(const charsmap *m, slice cluster, bool at_start, normal_text *out)
{
    slice instead = {0};
    size_t length;
    if (cluster.length < 6 && charsmap_find(m, cluster, false, &instead, &length)) {
        add_mapped(m, cluster, instead, true, out, at_start);
        return;
    }
    for (size_t at = 0; at < cluster.length;) {
        size_t start = at;
        utf8_next(cluster, &at);
        slice part = slice_sub(cluster, start, at);
        bool known = charsmap_find(m, part, false, &instead, &length);
        add_mapped(m, part, instead, known, out, at_start && start == 0);
    }
}

status normalize_charsmap(const step *s, slice in, normal_text *out, error *err)
{
    (void)err;
    utf8proc_int32_t state = 0;
    size_t start = 0, at = 0;
    while (at < in.length) {
        uint32_t code = utf8_next(in, &at);
        size_t next = at;
        bool more = next < in.length;
        uint32_t following = more ? utf8_next(in, &next) : 0;
        if (more && !utf8proc_grapheme_break_stateful((utf8proc_int32_t)code, (utf8proc_int32_t)following, &state))
            continue;
        map_cluster(s->map, slice_sub(in, start, at), start == 0, out);
        start = at;
        state = 0;
    }
    return STATUS_OK;
}

/* ---- SentencePiece ---- */

/* What the start of a text becomes, and how much of it: a symbol of the user as it is, the longest of the map, or one
 * character. */
static slice next_part(const step *s, slice in, size_t *length)
{
    slice instead;
    if (s->user && s->user->nodes && trie_longest(s->user, in, length) >= 0)
        return slice_sub(in, 0, *length);
    if (s->map && charsmap_find(s->map, in, true, &instead, length))
        return instead;
    *length = 0;
    utf8_next(in, length);
    return slice_sub(in, 0, *length);
}

static void add_spaced(const step *s, slice part, strbuf *out)
{
    for (size_t i = 0; i < part.length; i++) {
        if (part.text[i] == ' ' && (s->flags & SPM_ESCAPE))
            strbuf_add(out, "\xe2\x96\x81");
        else
            strbuf_add_char(out, part.text[i]);
    }
}

status normalize_sentencepiece(const step *s, slice in, normal_text *out, error *err)
{
    (void)err;
    bool remove = s->flags & SPM_REMOVE_EXTRA, after_space = remove;
    size_t at = 0, n = 0, begun = out->text.length;
    while (remove && at < in.length && slice_is(next_part(s, slice_sub(in, at, in.length), &n), " "))
        at += n;
    if (at == in.length)
        return STATUS_OK;
    if ((s->flags & SPM_DUMMY_PREFIX) && !(s->flags & SPM_SUFFIX))
        add_spaced(s, SLICE(" "), &out->text);
    for (; at < in.length; at += n) {
        slice part = next_part(s, slice_sub(in, at, in.length), &n);
        while (after_space && part.length && part.text[0] == ' ')
            part = slice_sub(part, 1, part.length);
        add_spaced(s, part, &out->text);
        if (part.length)
            after_space = remove && part.text[part.length - 1] == ' ';
    }
    slice space = s->flags & SPM_ESCAPE ? SLICE("\xe2\x96\x81") : SLICE(" ");
    while (remove && !out->text.failed && out->text.length > begun && slice_ends(strbuf_slice(&out->text), space))
        out->text.text[out->text.length -= space.length] = '\0';
    if ((s->flags & SPM_DUMMY_PREFIX) && (s->flags & SPM_SUFFIX))
        add_spaced(s, SLICE(" "), &out->text);
    return STATUS_OK;
}
