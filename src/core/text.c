#include "core/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

slice slice_of(const char *text)
{
    return (slice){text, text ? strlen(text) : 0};
}

bool slice_equal(slice a, slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

bool slice_is(slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

bool slice_starts(slice a, slice prefix)
{
    return a.length >= prefix.length && slice_equal(slice_sub(a, 0, prefix.length), prefix);
}

bool slice_ends(slice a, slice suffix)
{
    return a.length >= suffix.length && slice_equal(slice_sub(a, a.length - suffix.length, a.length), suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

slice slice_trim(slice a)
{
    while (a.length && is_space(a.text[0])) {
        a.text++;
        a.length--;
    }
    while (a.length && is_space(a.text[a.length - 1]))
        a.length--;
    return a;
}

slice slice_sub(slice a, size_t start, size_t end)
{
    if (end > a.length)
        end = a.length;
    if (start > end)
        start = end;
    return (slice){a.text ? a.text + start : NULL, end - start};
}

bool slice_cut(slice *rest, char separator, slice *part)
{
    if (!rest->text)
        return false;
    const char *found = rest->length ? memchr(rest->text, separator, rest->length) : NULL;
    if (!found) {
        *part = *rest;
        *rest = (slice){NULL, 0};
        return true;
    }
    size_t at = (size_t)(found - rest->text);
    *part = slice_sub(*rest, 0, at);
    *rest = slice_sub(*rest, at + 1, rest->length);
    return true;
}

size_t slice_find(slice haystack, slice needle, size_t from)
{
    if (needle.length > haystack.length)
        return SIZE_MAX;
    for (size_t at = from; at <= haystack.length - needle.length; at++)
        if (needle.length == 0 || memcmp(haystack.text + at, needle.text, needle.length) == 0)
            return at;
    return SIZE_MAX;
}

size_t slice_find_nocase(slice haystack, slice needle, size_t from)
{
    if (needle.length > haystack.length)
        return SIZE_MAX;
    for (size_t at = from; at <= haystack.length - needle.length; at++) {
        size_t i = 0;
        while (i < needle.length &&
               tolower((unsigned char)haystack.text[at + i]) == tolower((unsigned char)needle.text[i]))
            i++;
        if (i == needle.length)
            return at;
    }
    return SIZE_MAX;
}

char *slice_copy(arena *a, slice s)
{
    return arena_strndup(a, s.text ? s.text : "", s.length);
}

bool slice_to_int(slice s, int64_t *value)
{
    char digits[32];
    if (s.length == 0 || s.length >= sizeof digits || is_space(s.text[0]))
        return false;
    memcpy(digits, s.text, s.length);
    digits[s.length] = '\0';
    char *end;
    errno = 0;
    long long parsed = strtoll(digits, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *value = parsed;
    return true;
}

bool slice_to_double(slice s, double *value)
{
    char digits[64];
    if (s.length == 0 || s.length >= sizeof digits || is_space(s.text[0]))
        return false;
    memcpy(digits, s.text, s.length);
    digits[s.length] = '\0';
    char *end;
    errno = 0;
    double parsed = strtod(digits, &end);
    if (errno == ERANGE || *end != '\0')
        return false;
    *value = parsed;
    return true;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[65];
    if (n > 64 || m > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

int text_nearest(const char *word, const char *const *candidates, size_t count)
{
    int nearest = -1;
    size_t best = 3;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < best && distance < strlen(word)) {
            best = distance;
            nearest = (int)i;
        }
    }
    return nearest;
}

strbuf strbuf_new(arena *a, size_t limit)
{
    return (strbuf){.arena = a, .limit = limit};
}

void strbuf_free(strbuf *b)
{
    if (!b->arena)
        memory_free(b->text);
    *b = (strbuf){.arena = b->arena, .limit = b->limit};
}

void strbuf_clear(strbuf *b)
{
    b->length = 0;
    b->failed = false;
    if (b->text)
        b->text[0] = '\0';
}

/* Makes room for `more` bytes and the NUL. */
static bool strbuf_reserve(strbuf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > b->limit || b->length > b->limit - more) {
        b->failed = true;
        return false;
    }
    size_t needed = b->length + more + 1;
    if (needed <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *text = b->arena ? arena_alloc(b->arena, capacity) : memory_alloc(capacity);
    if (!text) {
        b->failed = true;
        return false;
    }
    if (b->length)
        memcpy(text, b->text, b->length);
    if (!b->arena)
        memory_free(b->text);
    b->text = text;
    b->capacity = capacity;
    return true;
}

void strbuf_add_bytes(strbuf *b, const void *bytes, size_t length)
{
    if (!strbuf_reserve(b, length))
        return;
    if (length)
        memcpy(b->text + b->length, bytes, length);
    b->length += length;
    b->text[b->length] = '\0';
}

void strbuf_add(strbuf *b, const char *text)
{
    strbuf_add_bytes(b, text, strlen(text));
}

void strbuf_add_slice(strbuf *b, slice s)
{
    strbuf_add_bytes(b, s.text, s.length);
}

void strbuf_add_char(strbuf *b, char c)
{
    strbuf_add_bytes(b, &c, 1);
}

void strbuf_printf(strbuf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0)
        b->failed = true;
    else if (strbuf_reserve(b, (size_t)length)) {
        vsnprintf(b->text + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void strbuf_add_wrapped(strbuf *b, const char *text, size_t at, size_t indent, size_t width)
{
    slice rest = slice_of(text), word;
    for (bool first = true; slice_cut(&rest, ' ', &word); first = false) {
        if (!first && at + 1 + word.length > width) {
            strbuf_printf(b, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            strbuf_add_char(b, ' ');
            at++;
        }
        strbuf_add_slice(b, word);
        at += word.length;
    }
    strbuf_add_char(b, '\n');
}

slice strbuf_slice(const strbuf *b)
{
    return (slice){b->text ? b->text : "", b->length};
}

void strbuf_add_utf8(strbuf *b, uint32_t code)
{
    unsigned char bytes[4];
    size_t n;
    if (code < 0x80) {
        bytes[0] = (unsigned char)code;
        n = 1;
    } else if (code < 0x800) {
        bytes[0] = (unsigned char)(0xC0 | code >> 6);
        n = 2;
    } else if (code < 0x10000) {
        bytes[0] = (unsigned char)(0xE0 | code >> 12);
        n = 3;
    } else {
        bytes[0] = (unsigned char)(0xF0 | code >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        bytes[i] = (unsigned char)(0x80 | (code >> 6 * (n - 1 - i) & 0x3F));
    strbuf_add_bytes(b, bytes, n);
}

/* Length that the lead byte announces, 0 for a byte that cannot lead. */
static size_t utf8_announced(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

uint32_t utf8_next(slice s, size_t *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s.text + *at;
    size_t n = utf8_announced(*p);
    if (n == 0 || n > s.length - *at) {
        (*at)++;
        return 0xFFFD;
    }
    uint32_t code = n == 1 ? *p : *p & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            (*at)++;
            return 0xFFFD;
        }
        code = code << 6 | (p[i] & 0x3Fu);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        (*at)++;
        return 0xFFFD;
    }
    *at += n;
    return code;
}

bool utf8_valid(slice s)
{
    for (size_t at = 0; at < s.length;) {
        size_t before = at;
        if (utf8_next(s, &at) == 0xFFFD && !(at - before == 3))
            return false;
    }
    return true;
}

size_t utf8_open_tail(slice s)
{
    for (size_t back = 1; back <= 3 && back <= s.length; back++) {
        unsigned char c = (unsigned char)s.text[s.length - back];
        if ((c & 0xC0) == 0x80)
            continue;
        return utf8_announced(c) > back ? back : 0;
    }
    return 0;
}
