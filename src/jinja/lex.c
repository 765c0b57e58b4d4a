/* Text into tokens, with the rules of white space around tags: `-` eats all of it, `+` keeps it, and otherwise white
 * space before a {% tag %} or {# comment #} that begins its line goes, and one line break behind it. */
#include "jinja/program.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct lexer {
    arena *arena;
    slice text;
    size_t at;
    int line;
    const char *name;
    jinja_tokens *out;
    bool line_starting; /* the last tag ended with a line break */
    char open[JINJA_NESTING]; /* brackets that are open in this tag */
    size_t open_count;
    error *err;
} lexer;

static status fail(const lexer *x, const char *what)
{
    return error_set(x->err, STATUS_INVALID, "%s:%d: %s", x->name, x->line, what);
}

static status add(lexer *x, jinja_token token)
{
    jinja_tokens *t = x->out;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 256;
        jinja_token *items = arena_regrow(x->arena, t->items, t->count, capacity, sizeof *items);
        if (!items)
            return error_set(x->err, STATUS_MEMORY, "%s: out of memory", x->name);
        t->items = items;
        t->capacity = capacity;
    }
    t->items[t->count++] = token;
    return STATUS_OK;
}

static bool here(const lexer *x, const char *what)
{
    size_t length = strlen(what);
    return x->text.length - x->at >= length && memcmp(x->text.text + x->at, what, length) == 0;
}

static void move(lexer *x, size_t to)
{
    for (; x->at < to; x->at++)
        x->line += x->text.text[x->at] == '\n';
}

static size_t skip_space(const lexer *x, size_t at)
{
    while (at < x->text.length) {
        size_t next = at;
        if (!jinja_is_space(utf8_next(x->text, &next)))
            break;
        at = next;
    }
    return at;
}

/* The end of text[from:to] without the white space at its end. */
static size_t before_space(slice text, size_t from, size_t to)
{
    while (to > from) {
        size_t start = to - 1;
        while (start > from && ((unsigned char)text.text[start] & 0xc0) == 0x80)
            start--;
        size_t next = start;
        if (!jinja_is_space(utf8_next(text, &next)))
            break;
        to = start;
    }
    return to;
}

/* The text before a tag, cut as the tag's sign and the settings say. `tag` is not for {{ }}. */
static status add_data(lexer *x, size_t from, size_t to, char sign, bool tag)
{
    size_t end = to;
    if (sign == '-') {
        end = before_space(x->text, from, to);
    } else if (sign != '+' && tag) {
        size_t line = to;
        while (line > from && x->text.text[line - 1] != '\n')
            line--;
        if ((line > from || x->line_starting) && before_space(x->text, line, to) == line)
            end = line;
    }
    status result = end > from ? add(x, (jinja_token){.kind = TOKEN_DATA_TEXT, .line = x->line,
                                                      .text = slice_sub(x->text, from, end)})
                               : STATUS_OK;
    move(x, to);
    return result;
}

/* If a tag's end (`close`: "%}" or "#}") stands here, moves behind it and the white space that goes with it. */
static bool skip_end(lexer *x, const char *close)
{
    size_t at = x->at;
    bool plus = here(x, "+"), minus = here(x, "-");
    if (plus || minus)
        x->at++;
    if (!here(x, close)) {
        x->at = at;
        return false;
    }
    size_t end = x->at + strlen(close);
    if (minus)
        end = skip_space(x, end);
    else if (!plus && end < x->text.length && x->text.text[end] == '\n')
        end++;
    x->at = at;
    move(x, end);
    x->line_starting = x->text.text[end - 1] == '\n';
    return true;
}

static status skip_comment(lexer *x)
{
    int line = x->line;
    move(x, x->at + 2);
    if (here(x, "-") || here(x, "+"))
        move(x, x->at + 1);
    if (x->at == x->text.length)
        return STATUS_OK; /* Jinja lets this one pass */
    for (; x->at < x->text.length; move(x, x->at + 1))
        if (skip_end(x, "#}"))
            return STATUS_OK;
    x->line = line;
    return fail(x, "the comment that begins here has no end: expected #}");
}

/* ---- inside a tag ---- */

/* The end of the letter of a name at `at`, or `at`: letters and digits of all scripts, marks on them, and _. */
static size_t name_letter(slice s, size_t at, bool first)
{
    size_t end = at;
    uint32_t c = utf8_next(s, &end);
    if (c < 0x80) {
        bool letter = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return letter || (!first && c >= '0' && c <= '9') ? end : at;
    }
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    bool letter = (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) || k == UTF8PROC_CATEGORY_NL;
    bool behind = k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_PC;
    return letter || (!first && behind) ? end : at;
}

static unsigned digit_of(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                    : c >= 'A' && c <= 'F'   ? (unsigned)(c - 'A') + 10
                                                                             : 99;
}

/* `digits` hexadecimal digits at `at`, or false. */
static bool hex_at(slice s, size_t at, size_t digits, uint32_t *code)
{
    *code = 0;
    for (size_t i = 0; i < digits; i++) {
        if (at + i >= s.length || digit_of(s.text[at + i]) > 15)
            return false;
        *code = *code * 16 + digit_of(s.text[at + i]);
    }
    return true;
}

/* One escape at s.text[*at] == '\\'. */
static status unescape(lexer *x, slice s, size_t *at, strbuf *out)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s.text[*at + 1];
    const char *known = strchr(from, c);
    if (c && known) {
        strbuf_add_char(out, to[known - from]);
        *at += 2;
    } else if (c == '\n') {
        *at += 2;
    } else if (c >= '0' && c <= '7') {
        uint32_t code = 0;
        size_t i = *at + 1;
        for (; i < s.length && i < *at + 4 && s.text[i] >= '0' && s.text[i] <= '7'; i++)
            code = code * 8 + digit_of(s.text[i]);
        strbuf_add_utf8(out, code);
        *at = i;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        uint32_t code;
        if (!hex_at(s, *at + 2, digits, &code))
            return fail(x, "a \\x, \\u or \\U in a string has too few hexadecimal digits");
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return fail(x, "a \\u or \\U in a string is no character");
        strbuf_add_utf8(out, code);
        *at += 2 + digits;
    } else if (c == 'N') {
        return error_set(x->err, STATUS_UNSUPPORTED, "%s:%d: \\N{...} in a string is not supported", x->name, x->line);
    } else if ((unsigned char)c >= 0x80) { /* Jinja writes such a letter as an escape first, and reads that */
        size_t next = *at + 1;
        uint32_t code = utf8_next(s, &next);
        strbuf_printf(out, code > 0xffff ? "\\U%08x" : code > 0xff ? "\\u%04x" : "\\x%02x", code);
        *at = next;
    } else {
        strbuf_add_char(out, '\\'); /* no escape: it stands for itself */
        (*at)++;
    }
    return STATUS_OK;
}

static status add_string(lexer *x)
{
    char quote = x->text.text[x->at];
    size_t end = x->at + 1;
    bool escapes = false;
    for (; end < x->text.length && x->text.text[end] != quote; end++)
        if (x->text.text[end] == '\\') {
            escapes = true;
            end++;
        }
    if (end >= x->text.length)
        return fail(x, "the string that begins here has no end");
    jinja_token token = {.kind = TOKEN_STRING, .line = x->line, .text = slice_sub(x->text, x->at + 1, end)};
    if (escapes) {
        strbuf out = strbuf_new(x->arena, token.text.length * 6 + 1);
        for (size_t at = 0; at < token.text.length;)
            if (token.text.text[at] == '\\')
                TRY(unescape(x, token.text, &at, &out));
            else
                strbuf_add_char(&out, token.text.text[at++]);
        if (out.failed)
            return error_set(x->err, STATUS_MEMORY, "%s: out of memory", x->name);
        token.text = out.text ? strbuf_slice(&out) : (slice){"", 0};
    }
    move(x, end + 1);
    return add(x, token);
}

/* Digits of the base, single underscores between them; the end. */
static size_t digits_end(slice s, size_t at, unsigned base)
{
    while (at < s.length && (digit_of(s.text[at]) < base ||
                             (s.text[at] == '_' && at + 1 < s.length && digit_of(s.text[at + 1]) < base)))
        at++;
    return at;
}

static status integer_value(lexer *x, slice digits, unsigned base, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.length; i++)
        if (digits.text[i] != '_' && (__builtin_mul_overflow(*out, (int64_t)base, out) ||
                                      __builtin_add_overflow(*out, (int64_t)digit_of(digits.text[i]), out)))
            return error_set(x->err, STATUS_UNSUPPORTED, "%s:%d: the integer does not fit in 64 bits", x->name, x->line);
    return STATUS_OK;
}

/* The end of a float that starts here, or 0: digits with a fraction, an exponent, or both. */
static size_t float_end(const lexer *x)
{
    slice s = x->text;
    size_t at = digits_end(s, x->at, 10);
    bool fraction = at + 1 < s.length && s.text[at] == '.' && digit_of(s.text[at + 1]) < 10;
    if (fraction)
        at = digits_end(s, at + 1, 10);
    if (at < s.length && (s.text[at] == 'e' || s.text[at] == 'E')) {
        size_t power = at + 1;
        if (power < s.length && (s.text[power] == '+' || s.text[power] == '-'))
            power++;
        if (power < s.length && digit_of(s.text[power]) < 10)
            return digits_end(s, power, 10);
    }
    return fraction ? at : 0;
}

static status add_number(lexer *x)
{
    slice s = x->text;
    jinja_token token = {.kind = TOKEN_INTEGER, .line = x->line};
    size_t end = x->at > 0 && s.text[x->at - 1] == '.' ? 0 : float_end(x);
    if (end) {
        char digits[400];
        size_t n = 0;
        for (size_t i = x->at; i < end; i++)
            if (s.text[i] != '_') {
                if (n + 1 >= sizeof digits)
                    return fail(x, "the number has too many digits");
                digits[n++] = s.text[i];
            }
        digits[n] = '\0';
        token.kind = TOKEN_FLOAT;
        token.value = jinja_float(strtod(digits, NULL));
    } else {
        char letter = s.text[x->at] == '0' && x->at + 1 < s.length ? (char)(s.text[x->at + 1] | 0x20) : '\0';
        unsigned base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
        size_t start = x->at + (base == 10 ? 0 : 2);
        if (base != 10 && start < s.length && s.text[start] == '_')
            start++;
        end = digits_end(s, start, base);
        if (base != 10 && end == start) { /* 0 and a word behind it */
            base = 10;
            start = x->at;
            end = start + 1;
        } else if (base == 10 && s.text[start] == '0') { /* zeros alone: what follows is a number of its own */
            end = start;
            while (end < s.length && (s.text[end] == '0' || (s.text[end] == '_' && end + 1 < s.length && s.text[end + 1] == '0')))
                end++;
        }
        token.value = (jinja_value){.kind = JINJA_INT};
        TRY(integer_value(x, slice_sub(s, start, end), base, &token.value.integer));
    }
    move(x, end);
    return add(x, token);
}

static status balance(lexer *x, char c)
{
    static const char opening[] = "([{", closing[] = ")]}";
    const char *opens = strchr(opening, c), *closes = strchr(closing, c);
    char what[64];
    if (opens) {
        if (x->open_count == sizeof x->open)
            return fail(x, "brackets are nested too deep");
        x->open[x->open_count++] = closing[opens - opening];
    } else if (closes && (x->open_count == 0 || x->open[x->open_count - 1] != c)) {
        if (x->open_count)
            snprintf(what, sizeof what, "unexpected '%c', expected '%c'", c, x->open[x->open_count - 1]);
        else
            snprintf(what, sizeof what, "unexpected '%c'", c);
        return fail(x, what);
    } else if (closes) {
        x->open_count--;
    }
    return STATUS_OK;
}

static status add_sign(lexer *x)
{
    static const char *const signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
                                        "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";"};
    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (here(x, signs[i])) {
            TRY(balance(x, signs[i][0]));
            TRY(add(x, (jinja_token){.kind = TOKEN_SIGN, .line = x->line, .text = slice_of(signs[i])}));
            move(x, x->at + strlen(signs[i]));
            return STATUS_OK;
        }
    char what[64];
    unsigned char c = (unsigned char)x->text.text[x->at];
    snprintf(what, sizeof what, c > 0x20 && c < 0x7f ? "unexpected character '%c'" : "unexpected byte 0x%02x", c);
    return fail(x, what);
}

/* From behind {{ or {% to behind its end. */
static status lex_tag(lexer *x, bool block)
{
    int line = x->line;
    x->open_count = 0;
    for (;;) {
        if (x->at >= x->text.length) {
            x->line = line;
            return fail(x, block ? "the tag that begins here has no end: expected %}"
                                 : "the expression that begins here has no end: expected }}");
        }
        int at_line = x->line;
        if (x->open_count == 0 && block && skip_end(x, "%}"))
            return add(x, (jinja_token){.kind = TOKEN_BLOCK_END, .line = at_line});
        if (x->open_count == 0 && !block && (here(x, "}}") || here(x, "-}}"))) {
            bool minus = here(x, "-");
            size_t end = x->at + (minus ? 3 : 2);
            move(x, minus ? skip_space(x, end) : end);
            x->line_starting = x->text.text[x->at - 1] == '\n';
            return add(x, (jinja_token){.kind = TOKEN_PRINT_END, .line = at_line});
        }
        unsigned char c = (unsigned char)x->text.text[x->at];
        size_t behind = skip_space(x, x->at);
        if (behind > x->at) {
            move(x, behind);
        } else if (c >= '0' && c <= '9') {
            TRY(add_number(x));
        } else if (name_letter(x->text, x->at, true) > x->at) {
            size_t end = x->at, next = name_letter(x->text, end, true);
            while (next > end) {
                end = next;
                next = end < x->text.length ? name_letter(x->text, end, false) : end;
            }
            TRY(add(x, (jinja_token){.kind = TOKEN_WORD, .line = x->line, .text = slice_sub(x->text, x->at, end)}));
            move(x, end);
        } else {
            TRY(c == '"' || c == '\'' ? add_string(x) : add_sign(x));
        }
    }
}

/* ---- between tags ---- */

/* Where a {% raw %} tag that starts at `at` ends, or 0; *sign is its first sign. Behind it no line break is eaten. */
static size_t raw_begin(const lexer *x, size_t at, char *sign)
{
    lexer y = *x;
    y.at = at + 2;
    *sign = here(&y, "-") || here(&y, "+") ? y.text.text[y.at++] : '\0';
    y.at = skip_space(&y, y.at);
    if (!here(&y, "raw"))
        return 0;
    y.at = skip_space(&y, y.at + 3);
    if (here(&y, "-%}"))
        return skip_space(&y, y.at + 3);
    return here(&y, "%}") ? y.at + 2 : 0;
}

/* The text up to {% endraw %} as it is. */
static status lex_raw(lexer *x)
{
    int line = x->line;
    for (size_t at = x->at; at + 1 < x->text.length; at++) {
        if (x->text.text[at] != '{' || x->text.text[at + 1] != '%')
            continue;
        lexer y = *x;
        y.at = at + 2;
        char sign = here(&y, "-") || here(&y, "+") ? y.text.text[y.at++] : '\0';
        y.at = skip_space(&y, y.at);
        if (!here(&y, "endraw"))
            continue;
        y.at = skip_space(&y, y.at + 6);
        if (!skip_end(&y, "%}"))
            continue;
        TRY(add_data(x, x->at, at, sign, true));
        x->line_starting = y.line_starting;
        move(x, y.at);
        return STATUS_OK;
    }
    x->line = line;
    return fail(x, "{% raw %} has no end: expected {% endraw %}");
}

static status lex_all(lexer *x)
{
    size_t from = x->at;
    for (size_t at = x->at; at + 1 < x->text.length; at++) {
        char c = x->text.text[at] == '{' ? x->text.text[at + 1] : '\0', sign;
        if (c != '{' && c != '%' && c != '#')
            continue;
        size_t raw = c == '%' ? raw_begin(x, at, &sign) : 0;
        if (!raw)
            sign = at + 2 < x->text.length ? x->text.text[at + 2] : '\0';
        TRY(add_data(x, from, at, sign, c != '{'));
        if (raw) {
            x->line_starting = x->text.text[raw - 1] == '\n';
            move(x, raw);
            TRY(lex_raw(x));
        } else if (c == '#') {
            TRY(skip_comment(x));
        } else {
            TRY(add(x, (jinja_token){.kind = c == '{' ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN, .line = x->line}));
            move(x, at + 2 + (sign == '-' || sign == '+'));
            TRY(lex_tag(x, c == '%'));
        }
        from = x->at;
        at = x->at - 1;
    }
    TRY(add_data(x, from, x->text.length, '+', false));
    return add(x, (jinja_token){.kind = TOKEN_EOF, .line = x->line});
}

/* Line breaks of all kinds become \n, and the last one goes. */
static char *normalized(arena *a, slice text, size_t *length)
{
    char *out = arena_alloc(a, text.length + 1);
    *length = 0;
    for (size_t i = 0; out && i < text.length; i++) {
        if (text.text[i] == '\r' && i + 1 < text.length && text.text[i + 1] == '\n')
            continue;
        out[(*length)++] = text.text[i] == '\r' ? '\n' : text.text[i];
    }
    if (out && *length && out[*length - 1] == '\n')
        (*length)--;
    return out;
}

status jinja_lex(arena *a, slice text, const char *name, jinja_tokens *out, error *err)
{
    *out = (jinja_tokens){0};
    if (!utf8_valid(text))
        return error_set(err, STATUS_INVALID, "%s: the template is not UTF-8", name);
    size_t length;
    const char *copy = normalized(a, text, &length);
    if (!copy)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    lexer x = {.arena = a, .text = {copy, length}, .line = 1, .name = name, .out = out, .line_starting = true, .err = err};
    return lex_all(&x);
}
