#include "studies/global_opinions/literal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { DEPTH = 16, TEXT_LIMIT = 1 << 20 };

typedef struct cursor {
    slice text;
    size_t at;
    const char *name;
    size_t line;
    int depth;
} cursor;

static status wrong(const cursor *c, error *err, const char *expected)
{
    char found[24] = "the end";
    if (c->at < c->text.length) {
        size_t length = c->text.length - c->at < 16 ? c->text.length - c->at : 16;
        for (size_t i = 0; i < length; i++)
            found[i] = isprint((unsigned char)c->text.text[c->at + i]) ? c->text.text[c->at + i] : '?';
        found[length] = '\0';
    }
    return error_set(err, STATUS_INVALID, "%s:%zu: expected %s at character %zu of a printed Python value, found '%s'", c->name, c->line,
                     expected, c->at + 1, found);
}

static void skip_space(cursor *c)
{
    while (c->at < c->text.length && isspace((unsigned char)c->text.text[c->at]))
        c->at++;
}

static bool take(cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_space(c);
    if (c->text.length - c->at < length || memcmp(c->text.text + c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

static int hex_of(char h)
{
    return h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
}

/* Behind a backslash. False: no such escape, or a code that no text can hold here. */
static bool read_escape(cursor *c, strbuf *out)
{
    static const char plain[][2] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}, {'\'', '\''}, {'"', '"'}};
    char kind = c->at < c->text.length ? c->text.text[c->at++] : '\0';
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (kind == plain[i][0]) {
            strbuf_add_char(out, plain[i][1]);
            return true;
        }
    int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    uint32_t code = 0;
    for (int i = 0; i < digits; i++) {
        int h = c->at < c->text.length ? hex_of(c->text.text[c->at++]) : -1;
        if (h < 0 || code > 0x10FFFF)
            return false;
        code = code << 4 | (uint32_t)h;
    }
    if (digits == 0 || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return false;
    strbuf_add_utf8(out, code);
    return true;
}

static status read_text(cursor *c, strbuf *out, error *err)
{
    char quote = c->text.text[c->at++];
    strbuf_clear(out);
    strbuf_add(out, "");
    for (;;) {
        if (c->at >= c->text.length)
            return wrong(c, err, "the closing quote");
        char next = c->text.text[c->at++];
        if (next == quote)
            return out->failed ? wrong(c, err, "a shorter text") : STATUS_OK;
        if (next == '\0' || (next == '\\' && !read_escape(c, out))) {
            c->at--;
            return wrong(c, err, "a character");
        }
        if (next != '\\')
            strbuf_add_char(out, next);
    }
}

static status read_value(cursor *c, strbuf *scratch, json_t **out, error *err);

static status read_list(cursor *c, strbuf *scratch, const char *end, json_t **out, error *err)
{
    json_t *list = json_array(), *item = NULL;
    status result = STATUS_OK;
    while (result == STATUS_OK && !take(c, end)) {
        result = json_array_size(list) && !take(c, ",") ? wrong(c, err, "a comma") : STATUS_OK;
        if (result != STATUS_OK || take(c, end))
            break;
        result = read_value(c, scratch, &item, err);
        if (result == STATUS_OK && json_array_append_new(list, item) != 0)
            result = error_set(err, STATUS_MEMORY, "%s: out of memory", c->name);
    }
    if (result != STATUS_OK) {
        json_decref(list);
        list = NULL;
    }
    *out = list;
    return result;
}

static status read_entry(cursor *c, strbuf *scratch, json_t *map, error *err)
{
    json_t *value = NULL;
    skip_space(c);
    if (c->at >= c->text.length || (c->text.text[c->at] != '\'' && c->text.text[c->at] != '"'))
        return wrong(c, err, "a text as a key");
    TRY(read_text(c, scratch, err));
    json_t *key = json_stringn(scratch->text, scratch->length);
    status result = !key ? wrong(c, err, "a text in UTF-8") : !take(c, ":") ? wrong(c, err, "a colon") : read_value(c, scratch, &value, err);
    if (result == STATUS_OK && json_object_get(map, json_string_value(key))) {
        result = error_set(err, STATUS_INVALID, "%s:%zu: the key '%.80s' comes twice", c->name, c->line, json_string_value(key));
        json_decref(value);
    } else if (result == STATUS_OK && json_object_set_new(map, json_string_value(key), value) != 0) {
        result = error_set(err, STATUS_MEMORY, "%s: out of memory", c->name);
    }
    json_decref(key);
    return result;
}

static status read_map(cursor *c, strbuf *scratch, json_t **out, error *err)
{
    json_t *map = json_object();
    status result = STATUS_OK;
    while (result == STATUS_OK && !take(c, "}")) {
        result = json_object_size(map) && !take(c, ",") ? wrong(c, err, "a comma") : STATUS_OK;
        if (result != STATUS_OK || take(c, "}"))
            break;
        result = read_entry(c, scratch, map, err);
    }
    if (result != STATUS_OK) {
        json_decref(map);
        map = NULL;
    }
    *out = map;
    return result;
}

static status read_number(cursor *c, json_t **out, error *err)
{
    size_t end = c->at;
    double value;
    while (end < c->text.length && end - c->at < 64 && strchr("+-.eE0123456789", c->text.text[end]) && c->text.text[end])
        end++;
    if (!slice_to_double(slice_sub(c->text, c->at, end), &value) || !isfinite(value))
        return wrong(c, err, "a value");
    c->at = end;
    *out = json_real(value);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "%s: out of memory", c->name);
}

static status read_value(cursor *c, strbuf *scratch, json_t **out, error *err)
{
    status result;
    *out = NULL;
    if (c->depth == DEPTH)
        return wrong(c, err, "fewer lists inside of each other");
    c->depth++;
    skip_space(c);
    char first = c->at < c->text.length ? c->text.text[c->at] : '\0';
    if (first == '\'' || first == '"') {
        result = read_text(c, scratch, err);
        *out = result == STATUS_OK ? json_stringn(scratch->text, scratch->length) : NULL;
        if (result == STATUS_OK && !*out)
            result = wrong(c, err, "a text in UTF-8");
    } else if (take(c, "[")) {
        result = read_list(c, scratch, "]", out, err);
    } else if (take(c, "defaultdict(<class 'list'>,")) {
        result = read_value(c, scratch, out, err);
        if (result == STATUS_OK && !take(c, ")")) {
            json_decref(*out);
            *out = NULL;
            result = wrong(c, err, "a closing bracket");
        }
    } else if (take(c, "(")) {
        result = read_list(c, scratch, ")", out, err);
    } else if (take(c, "{")) {
        result = read_map(c, scratch, out, err);
    } else if (take(c, "None") || take(c, "nan")) {
        *out = json_null();
        result = STATUS_OK;
    } else if (take(c, "True") || take(c, "False")) {
        *out = json_boolean(c->text.text[c->at - 2] == 'u');
        result = STATUS_OK;
    } else {
        result = read_number(c, out, err);
    }
    c->depth--;
    return result;
}

status literal_read(slice text, const char *name, size_t line, json_t **out, error *err)
{
    cursor c = {.text = text, .name = name, .line = line};
    strbuf scratch = strbuf_new(NULL, TEXT_LIMIT);
    status result = read_value(&c, &scratch, out, err);
    skip_space(&c);
    if (result == STATUS_OK && c.at < text.length) {
        result = wrong(&c, err, "nothing more");
        json_decref(*out);
        *out = NULL;
    }
    strbuf_free(&scratch);
    return result;
}
