#include "core/jsonstream.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 16, MOST_KEY = 1 << 16, MOST_DEPTH = 500 };

struct jsonstream {
    jsonstream_fill *fill;
    void *context;
    const char *name;
    char buffer[CHUNK];
    size_t at, end;
    uint64_t before; /* bytes of earlier chunks */
    bool over;       /* fill has said that there is no more */
    bool first;      /* in the list or object entered last, nothing is read yet */
    int depth;
    strbuf key;
    status failed;
    error failure;
};

jsonstream *jsonstream_new(jsonstream_fill *fill, void *context, const char *name, error *err)
{
    jsonstream *s = memory_alloc(sizeof *s);
    if (!s) {
        error_set(err, STATUS_MEMORY, "out of memory while reading %s", name);
        return NULL;
    }
    memset(s, 0, sizeof *s);
    s->fill = fill;
    s->context = context;
    s->name = name;
    s->key = strbuf_new(NULL, MOST_KEY);
    return s;
}

void jsonstream_free(jsonstream *s)
{
    if (!s)
        return;
    strbuf_free(&s->key);
    memory_free(s);
}

uint64_t jsonstream_place(const jsonstream *s)
{
    return s->before + s->at;
}

/* Keeps the first failure and gives it back. */
static status fail(jsonstream *s, const char *what)
{
    if (s->failed == STATUS_OK)
        s->failed = error_set(&s->failure, STATUS_INVALID, "%s: byte %llu: not valid JSON: %s", s->name,
                              (unsigned long long)jsonstream_place(s) + 1, what);
    return s->failed;
}

static status give(const jsonstream *s, error *err)
{
    if (s->failed != STATUS_OK && err)
        *err = s->failure;
    return s->failed;
}

/* The next byte without taking it, -1 at the end and after a failure. */
static int look(jsonstream *s)
{
    if (s->at < s->end)
        return (unsigned char)s->buffer[s->at];
    if (s->over || s->failed != STATUS_OK)
        return -1;
    s->before += s->end;
    s->at = s->end = 0;
    s->failed = s->fill(s->context, s->buffer, CHUNK, &s->end, &s->failure);
    if (s->failed != STATUS_OK)
        s->end = 0;
    s->over = s->end == 0;
    return s->over ? -1 : (unsigned char)s->buffer[0];
}

static int take(jsonstream *s)
{
    int c = look(s);
    s->at += c >= 0;
    return c;
}

static int look_past_space(jsonstream *s)
{
    int c;
    while ((c = look(s)) == ' ' || c == '\n' || c == '\r' || c == '\t')
        s->at++;
    return c;
}

static void keep(strbuf *out, const char *bytes, size_t length)
{
    if (out)
        strbuf_add_bytes(out, bytes, length);
}

/* ---- strings ---------------------------------------------------------------------------------------------------- */

static int hex4(jsonstream *s)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        int c = take(s);
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            fail(s, "expected four hexadecimal digits after \\u");
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

static void keep_code(strbuf *out, int code)
{
    if (out)
        strbuf_printf(out, "\\u%04x", (unsigned)code);
}

/* Behind "\u": one code, or a pair of surrogates; what cannot stand alone becomes U+FFFD. */
static status scan_unicode(jsonstream *s, strbuf *out)
{
    int code = hex4(s);
    while (code >= 0xD800 && code < 0xDC00) {
        if (look(s) != '\\') {
            code = 0xFFFD;
            break;
        }
        s->at++;
        int c = take(s);
        if (c != 'u') { /* another escape: the half stands alone before it */
            keep_code(out, 0xFFFD);
            if (c <= 0 || !strchr("\"\\/bfnrt", c))
                return fail(s, "an unknown escape");
            const char pair[2] = {'\\', (char)c};
            keep(out, pair, 2);
            return STATUS_OK;
        }
        int second = hex4(s);
        if (second >= 0xDC00 && second < 0xE000) {
            keep_code(out, code);
            keep_code(out, second);
            return s->failed;
        }
        keep_code(out, 0xFFFD);
        code = second;
    }
    if (code >= 0)
        keep_code(out, code == 0 || (code >= 0xDC00 && code < 0xE000) ? 0xFFFD : code);
    return s->failed;
}

/* The opening quote is taken; copies up to and with the closing one. */
static status scan_string(jsonstream *s, strbuf *out)
{
    for (;;) {
        if (look(s) < 0)
            return fail(s, "the text ends inside a string");
        size_t from = s->at;
        while (s->at < s->end && s->buffer[s->at] != '"' && s->buffer[s->at] != '\\' && (unsigned char)s->buffer[s->at] >= ' ')
            s->at++;
        keep(out, s->buffer + from, s->at - from);
        if (s->at == s->end)
            continue;
        int c = take(s);
        if (c == '"') {
            keep(out, "\"", 1);
            return STATUS_OK;
        }
        if (c != '\\')
            return fail(s, "a control character inside a string");
        c = take(s);
        if (c == 'u') {
            if (scan_unicode(s, out) != STATUS_OK)
                return s->failed;
            continue;
        }
        if (c < 0 || !strchr("\"\\/bfnrt", c) || c == 0)
            return fail(s, "an unknown escape");
        const char pair[2] = {'\\', (char)c};
        keep(out, pair, 2);
    }
}

/* ---- other values ----------------------------------------------------------------------------------------------- */

static status scan_word(jsonstream *s, const char *word, const char *as, strbuf *out)
{
    for (const char *c = word; *c; c++)
        if (take(s) != *c)
            return fail(s, "an unknown word");
    keep(out, as, strlen(as));
    return STATUS_OK;
}

static size_t scan_digits(jsonstream *s, strbuf *out)
{
    size_t count = 0;
    for (int c; (c = look(s)) >= '0' && c <= '9'; count++) {
        const char digit = (char)c;
        keep(out, &digit, 1);
        s->at++;
    }
    return count;
}

static status scan_number(jsonstream *s, strbuf *out)
{
    if (look(s) == '-') {
        s->at++;
        if (look(s) == 'I')
            return scan_word(s, "Infinity", "null", out);
        keep(out, "-", 1);
    }
    bool zero = look(s) == '0';
    size_t digits = scan_digits(s, out);
    if (digits == 0 || (zero && digits > 1))
        return fail(s, "a number that is none");
    if (look(s) == '.') {
        s->at++;
        keep(out, ".", 1);
        if (scan_digits(s, out) == 0)
            return fail(s, "a number without digits behind its point");
    }
    if (look(s) == 'e' || look(s) == 'E') {
        s->at++;
        keep(out, "e", 1);
        if (look(s) == '+' || look(s) == '-') {
            const char sign = (char)take(s);
            keep(out, &sign, 1);
        }
        if (scan_digits(s, out) == 0)
            return fail(s, "a number without digits in its exponent");
    }
    return STATUS_OK;
}

static status scan_plain(jsonstream *s, int c, strbuf *out)
{
    static const struct {
        char first;
        const char *word, *as;
    } words[] = {{'t', "true", "true"}, {'f', "false", "false"}, {'n', "null", "null"}, {'N', "NaN", "null"}, {'I', "Infinity", "null"}};
    if (c == '"') {
        s->at++;
        keep(out, "\"", 1);
        return scan_string(s, out);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s, out);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].first == c)
            return scan_word(s, words[i].word, words[i].as, out);
    return fail(s, c < 0 ? "the text ends where a value should stand" : "expected a value");
}

/* `"key" :` */
static status scan_key(jsonstream *s, strbuf *out)
{
    if (look_past_space(s) != '"')
        return fail(s, "expected a key in quotes");
    s->at++;
    keep(out, "\"", 1);
    if (scan_string(s, out) != STATUS_OK)
        return s->failed;
    if (look_past_space(s) != ':')
        return fail(s, "expected a colon behind a key");
    s->at++;
    return STATUS_OK;
}

/* One whole value, copied where there is an `out`. A list of open brackets instead of recursion. */
static status scan_value(jsonstream *s, strbuf *out)
{
    char open[MOST_DEPTH];
    int depth = 0;
    for (;;) {
        int c = look_past_space(s);
        if (c == '{' || c == '[') {
            if (depth + s->depth >= MOST_DEPTH)
                return fail(s, "values are nested more than 500 deep");
            s->at++;
            open[depth++] = (char)c;
            const char bracket = (char)c;
            keep(out, &bracket, 1);
            if (look_past_space(s) != (c == '{' ? '}' : ']')) {
                if (c == '{' && scan_key(s, out) != STATUS_OK)
                    return s->failed;
                if (c == '{')
                    keep(out, ":", 1);
                continue;
            }
        } else if (scan_plain(s, c, out) != STATUS_OK) {
            return s->failed;
        }
        /* A value is complete, or the bracket of an empty one stands here: close what ends, go on behind a comma. */
        for (;;) {
            if (depth == 0)
                return s->failed;
            c = look_past_space(s);
            if (c == (open[depth - 1] == '{' ? '}' : ']')) {
                const char bracket = (char)take(s);
                keep(out, &bracket, 1);
                depth--;
                continue;
            }
            if (c != ',')
                return fail(s, c < 0 ? "the text ends inside a list or an object" : "expected a comma or a closing bracket");
            s->at++;
            keep(out, ",", 1);
            if (open[depth - 1] == '{') {
                if (scan_key(s, out) != STATUS_OK)
                    return s->failed;
                keep(out, ":", 1);
            }
            break;
        }
    }
}

/* ---- walking ---------------------------------------------------------------------------------------------------- */

status jsonstream_enter(jsonstream *s, char bracket, error *err)
{
    if (s->failed == STATUS_OK && look_past_space(s) != bracket)
        fail(s, bracket == '{' ? "expected an object" : "expected a list");
    if (s->failed == STATUS_OK && s->depth >= MOST_DEPTH)
        fail(s, "values are nested more than 500 deep");
    if (s->failed == STATUS_OK) {
        s->at++;
        s->depth++;
        s->first = true;
    }
    return give(s, err);
}

/* Behind the bracket or a value: true where another one follows. */
static bool another(jsonstream *s, char closing)
{
    int c = look_past_space(s);
    if (s->failed != STATUS_OK)
        return false;
    if (c == closing) {
        s->at++;
        s->depth--;
        s->first = false;
        return false;
    }
    if (!s->first && c != ',') {
        fail(s, c < 0 ? "the text ends inside a list or an object" : "expected a comma or a closing bracket");
        return false;
    }
    if (!s->first)
        s->at++;
    s->first = false;
    return true;
}

bool jsonstream_item(jsonstream *s, error *err)
{
    bool more = another(s, ']');
    give(s, err);
    return more;
}

bool jsonstream_member(jsonstream *s, const char **key, error *err)
{
    *key = "";
    if (another(s, '}')) {
        json_t *text = NULL;
        strbuf_clear(&s->key);
        if (scan_key(s, &s->key) == STATUS_OK && s->key.failed)
            fail(s, "a key of more than 64 KiB");
        if (s->failed == STATUS_OK && jsonio_parse(strbuf_slice(&s->key), s->name, &text, &s->failure) != STATUS_OK)
            s->failed = s->failure.code;
        if (s->failed == STATUS_OK) {
            strbuf_clear(&s->key);
            strbuf_add(&s->key, json_string_value(text));
            *key = s->key.text ? s->key.text : "";
            json_decref(text);
            return true;
        }
    }
    give(s, err);
    return false;
}

char jsonstream_peek(jsonstream *s)
{
    int c = look_past_space(s);
    return c < 0 ? '\0' : (char)c;
}

status jsonstream_value(jsonstream *s, size_t limit, json_t **out, error *err)
{
    uint64_t from = jsonstream_place(s);
    strbuf text = strbuf_new(NULL, limit + 1);
    *out = NULL;
    if (s->failed == STATUS_OK && scan_value(s, &text) == STATUS_OK && !text.failed) {
        status parsed = jsonio_parse(strbuf_slice(&text), s->name, out, &s->failure);
        if (parsed != STATUS_OK) {
            error_context(&s->failure, "in the value at byte %llu", (unsigned long long)from + 1);
            s->failed = parsed;
        }
    }
    strbuf_free(&text);
    return give(s, err);
}

status jsonstream_skip(jsonstream *s, error *err)
{
    if (s->failed == STATUS_OK)
        scan_value(s, NULL);
    return give(s, err);
}

status jsonstream_end(jsonstream *s, error *err)
{
    if (s->failed == STATUS_OK && (look_past_space(s) >= 0 || s->depth > 0))
        fail(s, s->depth > 0 ? "the text ends inside a list or an object" : "something stands behind the value");
    return give(s, err);
}
