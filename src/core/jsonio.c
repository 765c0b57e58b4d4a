#include "core/jsonio.h"

#include "core/file.h"

#include <math.h>
#include <string.h>

/* Brackets that are open at once at most, those in strings left out. The parser calls itself for each, and it may run on
 * the small stack of a sample's thread. */
static size_t depth_of(slice text)
{
    size_t depth = 0, most = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
            most = depth > most ? depth : most;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return most;
}

static status parse(slice text, const char *name, size_t line, size_t flags, json_t **out, error *err)
{
    *out = NULL;
    if (slice_starts(text, SLICE("\xEF\xBB\xBF")))
        text = slice_sub(text, 3, text.length);
    if (depth_of(text) > JSONIO_DEPTH)
        return error_set(err, STATUS_INVALID, "%s: not valid JSON here: lists and objects nested more than %d deep", name, JSONIO_DEPTH);
    json_error_t where;
    json_t *value = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &where);
    if (!value) {
        if (json_error_code(&where) == json_error_out_of_memory)
            return error_set(err, STATUS_MEMORY, "%s: out of memory while reading JSON", name);
        return error_set(err, STATUS_INVALID, "%s:%zu:%d: not valid JSON: %s", name,
                         (size_t)(where.line > 0 ? where.line : 1) + line, where.column > 0 ? where.column : 1,
                         where.text);
    }
    *out = value;
    return STATUS_OK;
}

status jsonio_parse_line(slice text, const char *name, size_t line, json_t **out, error *err)
{
    return parse(text, name, line, 0, out, err);
}

status jsonio_parse(slice text, const char *name, json_t **out, error *err)
{
    return parse(text, name, 0, 0, out, err);
}

status jsonio_parse_real(slice text, const char *name, json_t **out, error *err)
{
    return parse(text, name, 0, JSON_DECODE_INT_AS_REAL, out, err);
}

status jsonio_read(const char *path, size_t limit, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    slice text;
    status result = file_read(a, path, limit, &text, err);
    if (result == STATUS_OK)
        result = jsonio_parse(text, path, out, err);
    arena_free(a);
    return result;
}

static int add_chunk(const char *bytes, size_t length, void *context)
{
    strbuf *b = context;
    strbuf_add_bytes(b, bytes, length);
    return b->failed ? -1 : 0;
}

static status print(const json_t *value, size_t flags, strbuf *out, error *err)
{
    if (json_dump_callback(value, add_chunk, out, flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)) != 0)
        return error_set(err, STATUS_MEMORY, "cannot write JSON: out of memory, or past the limit of %zu bytes",
                         out->limit);
    return STATUS_OK;
}

status jsonio_print(const json_t *value, int indent, strbuf *out, error *err)
{
    return print(value, indent > 0 ? JSON_INDENT(indent) : 0, out, err);
}

status jsonio_canonical(const json_t *value, strbuf *out, error *err)
{
    return print(value, JSON_COMPACT | JSON_SORT_KEYS, out, err);
}

status jsonio_write(const char *path, const json_t *value, int indent, error *err)
{
    strbuf text = strbuf_new(NULL, (size_t)1 << 32);
    status result = jsonio_print(value, indent, &text, err);
    if (result == STATUS_OK) {
        strbuf_add_char(&text, '\n');
        result = text.failed ? error_set(err, STATUS_MEMORY, "cannot write %s: out of memory", path)
                             : file_write(path, strbuf_slice(&text), err);
    }
    strbuf_free(&text);
    return result;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a number",  "true",     "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

static status wrong(const char *key, const char *name, const char *expected, const json_t *found, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: expected %s at \"%s\", found %s", name, expected, key, type_name(found));
}

status jsonio_get_string(const json_t *object, const char *key, const char *name, const char **out, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return wrong(key, name, "a string", value, err);
    *out = json_string_value(value);
    return STATUS_OK;
}

status jsonio_get_int(const json_t *object, const char *key, const char *name, int64_t *out, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        return wrong(key, name, "an integer", value, err);
    *out = json_integer_value(value);
    return STATUS_OK;
}

status jsonio_get_number(const json_t *object, const char *key, const char *name, double *out, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return wrong(key, name, "a number", value, err);
    *out = json_number_value(value);
    return STATUS_OK;
}

status jsonio_get_array(const json_t *object, const char *key, const char *name, const json_t **out, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value))
        return wrong(key, name, "an array", value, err);
    *out = value;
    return STATUS_OK;
}

status jsonio_get_object(const json_t *object, const char *key, const char *name, const json_t **out, error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_object(value))
        return wrong(key, name, "an object", value, err);
    *out = value;
    return STATUS_OK;
}

json_t *jsonio_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

double jsonio_number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
