/* Ids to text, whole and as a stream. */
#include "lm/tokenizer_internal.h"

#include <string.h>

static const size_t text_limit = (size_t)1 << 32;

/* ---- what decoders do to one token ---- */

void show_replace(const step *s, slice in, bool first, strbuf *out)
{
    (void)first;
    normal_text text = {.text = strbuf_new(NULL, text_limit)};
    if (normalize_replace(s, in, &text, NULL) != STATUS_OK || text.text.failed)
        out->failed = true;
    else
        strbuf_add_slice(out, strbuf_slice(&text.text));
    strbuf_free(&text.text);
}

void show_metaspace(const step *s, slice in, bool first, strbuf *out)
{
    for (size_t at = 0; at < in.length;) {
        slice rest = slice_sub(in, at, in.length);
        if (!slice_starts(rest, s->content)) {
            strbuf_add_char(out, in.text[at++]);
            continue;
        }
        if (!first || s->prepend == PREPEND_NEVER)
            strbuf_add_char(out, ' ');
        at += s->content.length;
    }
}

static void replace_all(strbuf *text, slice from, slice to)
{
    slice whole = strbuf_slice(text);
    if (text->failed || slice_find(whole, from, 0) == SIZE_MAX)
        return;
    strbuf changed = strbuf_new(NULL, text->limit);
    show_replace(&(step){.text = from, .content = to}, whole, false, &changed);
    strbuf_clear(text);
    strbuf_add_slice(text, strbuf_slice(&changed));
    text->failed = text->failed || changed.failed;
    strbuf_free(&changed);
}

void show_wordpiece(const step *s, slice in, bool first, strbuf *out)
{
    static const char *const clean[][2] = {{" .", "."},     {" ?", "?"},   {" !", "!"},           {" ,", ","},
                                           {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"},       {" do not", " don't"},
                                           {" 's", "'s"},   {" 've", "'ve"}, {" 're", "'re"}};
    strbuf text = strbuf_new(NULL, text_limit);
    if (!first && slice_starts(in, s->text))
        in = slice_sub(in, s->text.length, in.length);
    else if (!first)
        strbuf_add_char(&text, ' ');
    strbuf_add_slice(&text, in);
    for (size_t i = 0; s->flags && i < COUNT_OF(clean); i++)
        replace_all(&text, slice_of(clean[i][0]), slice_of(clean[i][1]));
    strbuf_add_slice(out, strbuf_slice(&text));
    out->failed = out->failed || text.failed;
    strbuf_free(&text);
}

void show_strip(const step *s, slice in, bool first, strbuf *out)
{
    (void)first;
    for (size_t i = 0; i < s->start && slice_starts(in, s->content); i++)
        in = slice_sub(in, s->content.length, in.length);
    for (size_t i = 0; i < s->stop && slice_ends(in, s->content); i++)
        in = slice_sub(in, 0, in.length - s->content.length);
    strbuf_add_slice(out, in);
}

static slice text_of(const tokenizer *t, size_t id)
{
    return t->texts && t->texts[id].text ? t->texts[id] : t->tokens[id];
}

/* One token as the steps make it, as the first of a text or behind others. */
static void show_token(const tokenizer *t, int32_t id, bool first, bool last, strbuf *out)
{
    const decoding *d = &t->decoder;
    slice now = text_of(t, (size_t)id);
    strbuf turn[2] = {strbuf_new(NULL, text_limit), strbuf_new(NULL, text_limit)};
    for (size_t i = 0; i < d->steps.count; i++) {
        strbuf_clear(&turn[i % 2]);
        d->steps.steps[i].show(&d->steps.steps[i], now, first, &turn[i % 2]);
        now = strbuf_slice(&turn[i % 2]);
    }
    if (d->joined && !first)
        strbuf_add_char(out, ' ');
    if (d->suffix.length)
        show_replace(&(step){.text = d->suffix, .content = last ? SLICE("") : SLICE(" ")}, now, first, out);
    else
        strbuf_add_slice(out, now);
    out->failed = out->failed || turn[0].failed || turn[1].failed;
    strbuf_free(&turn[0]);
    strbuf_free(&turn[1]);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tokenizer_byte_of(slice token)
{
    if (token.length != 6 || !slice_starts(token, SLICE("<0x")) || token.text[5] != '>')
        return -1;
    int high = hex_digit(token.text[3]), low = hex_digit(token.text[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* Where tokens are bytes: letters back to bytes, all or none; the model's own are bytes already in `bytes` mode. */
static status show_bytes(tokenizer *t, size_t id, error *err)
{
    slice text = t->shown[id] = text_of(t, id);
    if (t->bytes && (t->marks[id] & MARK_MODEL) && text.text == t->tokens[id].text)
        return STATUS_OK;
    size_t count;
    char *bytes = arena_alloc(t->arena, text.length + 1);
    if (!bytes)
        return tokenizer_out_of_memory(t->name, err);
    if (tokenizer_letters_to_bytes(text, bytes, &count))
        t->shown[id] = (slice){bytes, count};
    return STATUS_OK;
}

static status show_text(tokenizer *t, size_t id, strbuf *text, error *err)
{
    slice key = t->tokens[id];
    bool may = t->decoder.run != RUN_NONE && (!t->single || (t->marks[id] & MARK_BYTE));
    int byte = may ? tokenizer_byte_of(key) : -1;
    if (byte >= 0) {
        t->marks[id] |= MARK_BYTE;
        char one = (char)byte;
        t->shown[id] = (slice){arena_strndup(t->arena, &one, 1), 1};
        return t->shown[id].text ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
    }
    t->shown[id] = key;
    if (t->marks[id] & MARK_SPECIAL) /* never shown but as itself */
        return STATUS_OK;
    strbuf_clear(text);
    show_token(t, (int32_t)id, false, false, text);
    slice shown = strbuf_slice(text);
    if (!text->failed && !slice_equal(shown, key))
        t->shown[id] = (slice){arena_strndup(t->arena, shown.text, shown.length), shown.length};
    return text->failed || !t->shown[id].text ? tokenizer_out_of_memory(t->name, err) : STATUS_OK;
}

status tokenizer_show_all(tokenizer *t, error *err)
{
    strbuf text = strbuf_new(NULL, 1 << 26);
    status result = STATUS_OK;
    if (!t->shown)
        t->shown = ARENA_ARRAY(t->arena, slice, t->count + 1);
    if (!t->shown)
        result = tokenizer_out_of_memory(t->name, err);
    for (size_t id = 0; result == STATUS_OK && id < t->count; id++)
        if (t->tokens[id].text && !t->shown[id].text)
            result = t->decoder.bytes ? show_bytes(t, id, err) : show_text(t, id, &text, err);
    strbuf_free(&text);
    return result;
}

/* ---- characters ---- */

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

/* Text that goes out, through what is stripped at both ends of the whole. */
static void put_text(const tokenizer *t, token_stream *s, slice text, strbuf *out)
{
    const step *ends = t->decoder.ends;
    s->text = s->text || text.length;
    if (!ends) {
        strbuf_add_slice(out, text);
        return;
    }
    for (size_t at = 0; at < text.length;) {
        bool same = slice_starts(slice_sub(text, at, text.length), ends->content);
        if (same && !s->inside && s->stripped < ends->start) {
            s->stripped++;
            at += ends->content.length;
            continue;
        }
        s->inside = true;
        if (same) {
            at += ends->content.length;
            if (s->kept < ends->stop)
                s->kept++;
            else
                strbuf_add_slice(out, ends->content);
            continue;
        }
        for (; s->kept; s->kept--)
            strbuf_add_slice(out, ends->content);
        strbuf_add_char(out, text.text[at++]);
    }
}

/* Adds whole characters; returns how many bytes at the end may still become one (0 when `last`). Of a wrong one each
 * byte becomes U+FFFD, or all together. */
static size_t put_characters(const tokenizer *t, token_stream *s, slice bytes, bool last, strbuf *out)
{
    size_t at = 0, good = 0;
    bool each = !t->decoder.bytes;
    while (at < bytes.length) {
        character what;
        size_t n = character_length(slice_sub(bytes, at, bytes.length), &what);
        if (what != CHARACTER_WHOLE)
            put_text(t, s, slice_sub(bytes, good, at), out);
        if (what == CHARACTER_CUT && !last)
            return n;
        if (what != CHARACTER_WHOLE) {
            n = each ? 1 : n;
            put_text(t, s, SLICE("\xef\xbf\xbd"), out);
            good = at + n;
        }
        at += n;
    }
    put_text(t, s, slice_sub(bytes, good, bytes.length), out);
    return 0;
}

/* Bytes behind those that are held. */
static void put_bytes(const tokenizer *t, token_stream *s, slice more, bool last, strbuf *out)
{
    if (s->held_count == 0 && !last && more.length) { /* the usual case: nothing to put together */
        s->held_count = put_characters(t, s, more, false, out);
        memcpy(s->held, more.text + more.length - s->held_count, s->held_count);
        return;
    }
    strbuf bytes = strbuf_new(NULL, text_limit);
    strbuf_add_bytes(&bytes, s->held, s->held_count);
    strbuf_add_slice(&bytes, more);
    s->held_count = 0;
    if (bytes.failed) {
        out->failed = true;
    } else if (bytes.length) {
        s->held_count = put_characters(t, s, strbuf_slice(&bytes), last, out);
        memcpy(s->held, bytes.text + bytes.length - s->held_count, s->held_count);
    }
    strbuf_free(&bytes);
}

/* ---- tokens ---- */

/* The bytes of a run that has ended: text, or U+FFFD for each. */
static void end_run(const tokenizer *t, token_stream *s, strbuf *run, strbuf *out)
{
    bool good = run && run->length && utf8_valid(strbuf_slice(run));
    if (good)
        put_text(t, s, strbuf_slice(run), out);
    for (size_t i = 0; run && !good && i < run->length; i++)
        put_text(t, s, SLICE("\xef\xbf\xbd"), out);
    if (run)
        strbuf_clear(run);
    if (s->held_count)
        put_bytes(t, s, (slice){"", 0}, true, out);
}

static void put_shown(const tokenizer *t, token_stream *s, int32_t id, bool last, strbuf *out)
{
    const decoding *d = &t->decoder;
    bool first = !s->begun;
    s->begun = true;
    if ((first && (d->first_differs || d->joined)) || (last && d->suffix.length)) {
        strbuf text = strbuf_new(NULL, text_limit);
        show_token(t, id, first, last, &text);
        put_text(t, s, strbuf_slice(&text), out);
        out->failed = out->failed || text.failed;
        strbuf_free(&text);
        return;
    }
    slice text = t->shown[id];
    if (d->strip_mark && !s->text && !s->marked && slice_starts(t->tokens[id], d->mark) && text.length) {
        text = slice_sub(text, 1, text.length);
        s->marked = !d->strip_marks;
    }
    put_text(t, s, text, out);
}

/* `run` gathers a run of bytes whole; NULL: in a stream. */
static void put_token(const tokenizer *t, token_stream *s, int32_t id, strbuf *run, strbuf *out)
{
    const decoding *d = &t->decoder;
    if (id < 0 || (size_t)id >= t->count || !t->tokens[id].text)
        return;
    if (t->marks[id] & MARK_SPECIAL) {
        if (d->run == RUN_CHARACTERS)
            end_run(t, s, run, out);
        return;
    }
    if (d->bytes) {
        put_bytes(t, s, t->shown[id], false, out);
        return;
    }
    if (t->marks[id] & MARK_BYTE) {
        s->begun = true;
        if (run && d->run == RUN_WHOLE)
            strbuf_add_slice(run, t->shown[id]);
        else
            put_bytes(t, s, t->shown[id], false, out);
        return;
    }
    end_run(t, s, run, out);
    if (!d->suffix.length) {
        put_shown(t, s, id, false, out);
        return;
    }
    if (s->waiting)
        put_shown(t, s, s->waiting - 1, false, out);
    s->waiting = id + 1;
}

static void put_end(const tokenizer *t, token_stream *s, strbuf *run, strbuf *out)
{
    if (s->waiting)
        put_shown(t, s, s->waiting - 1, true, out);
    end_run(t, s, run, out);
    *s = (token_stream){0};
}

status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t count, strbuf *out, error *err)
{
    strbuf run = strbuf_new(NULL, text_limit);
    token_stream s = {0};
    for (size_t i = 0; i < count; i++)
        put_token(t, &s, ids[i], &run, out);
    put_end(t, &s, &run, out);
    bool failed = run.failed || out->failed;
    strbuf_free(&run);
    return failed ? error_set(err, STATUS_MEMORY, "out of memory for the text of %zu tokens", count) : STATUS_OK;
}

void token_stream_add(token_stream *s, const tokenizer *t, int32_t id, strbuf *out)
{
    s->tokenizer = t;
    put_token(t, s, id, NULL, out);
}

void token_stream_end(token_stream *s, strbuf *out)
{
    if (s->tokenizer)
        put_end(s->tokenizer, s, NULL, out);
}
