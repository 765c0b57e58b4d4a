/* json.dumps: the filter tojson. */
#include "jinja/run.h"

#include <math.h>
#include <string.h>

enum { JSON_DEPTH = 200 };

static void write_escaped(jinja_writer *w, uint32_t point, unsigned char mark)
{
    char text[16];
    if (point > 0xffff)
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    else
        snprintf(text, sizeof text, "\\u%04x", point);
    jinja_write_marked(w, text, strlen(text), mark);
}

static void write_string(jinja_writer *w, const jinja_string *s, bool ascii)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    slice text = {s->text, s->length};
    jinja_write(w, "\"");
    for (size_t at = 0; at < s->length;) {
        size_t start = at;
        uint32_t point = utf8_next(text, &at);
        unsigned char mark = s->marks ? s->marks[start] : 0;
        const char *known = point && point < 0x80 ? strchr(from, (int)point) : NULL;
        if (known)
            jinja_write_marked(w, (char[]){'\\', to[known - from]}, 2, mark);
        else if (point < 0x20 || (ascii && point > 0x7e))
            write_escaped(w, point, mark);
        else
            jinja_write_bytes(w, s->text + start, at - start, s->marks ? s->marks + start : NULL);
    }
    jinja_write(w, "\"");
}

static void write_number(jinja_writer *w, jinja_value v)
{
    char text[JINJA_FLOAT_TEXT];
    if (v.kind != JINJA_FLOAT)
        snprintf(text, sizeof text, "%lld", (long long)v.integer);
    else if (isfinite(v.number))
        jinja_float_text(v.number, text);
    else
        snprintf(text, sizeof text, "%s", isnan(v.number) ? "NaN" : v.number < 0 ? "-Infinity" : "Infinity");
    jinja_write(w, text);
}

static void new_line(jinja_writer *w, const jinja_json *how, int depth)
{
    if (!how->pretty)
        return;
    jinja_write(w, "\n");
    for (int i = 0; i < depth; i++)
        jinja_write_bytes(w, how->indent.text, how->indent.length, NULL);
}

static status write_key(jinja_writer *w, jinja_value key, const jinja_json *how)
{
    if (key.kind == JINJA_STRING) {
        write_string(w, key.string, how->ascii);
        return STATUS_OK;
    }
    if (!jinja_is_number(key) && key.kind != JINJA_NONE)
        return jinja_fail(w->run, "keys must be str, int, float, bool or None, not %s", jinja_type_name(key));
    jinja_write(w, "\"");
    TRY(jinja_write_json(w, key, how, 0));
    jinja_write(w, "\"");
    return STATUS_OK;
}

/* The members in the order of their keys, by insertion: dicts are small. */
static status sorted_members(jinja_run *r, const jinja_dict *dict, size_t **out)
{
    void *memory;
    TRY(jinja_alloc(r, (dict->count + 1) * sizeof **out, &memory));
    size_t *order = *out = memory;
    for (size_t i = 0; i < dict->count; i++) {
        size_t at = i;
        for (bool less = true; at > 0; at--) {
            TRY(jinja_less(r, dict->keys[i], dict->keys[order[at - 1]], "<", &less));
            if (!less)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return STATUS_OK;
}

static status write_dict(jinja_writer *w, const jinja_dict *dict, const jinja_json *how, int depth)
{
    size_t *order = NULL;
    if (how->sorted)
        TRY(sorted_members(w->run, dict, &order));
    jinja_write(w, "{");
    for (size_t i = 0; i < dict->count && w->failed == STATUS_OK; i++) {
        size_t at = order ? order[i] : i;
        if (i)
            jinja_write_string(w, how->between);
        new_line(w, how, depth + 1);
        TRY(write_key(w, dict->keys[at], how));
        jinja_write_string(w, how->behind_key);
        TRY(jinja_write_json(w, dict->values[at], how, depth + 1));
    }
    if (dict->count)
        new_line(w, how, depth);
    jinja_write(w, "}");
    return w->failed;
}

static status write_list(jinja_writer *w, const jinja_list *list, const jinja_json *how, int depth)
{
    jinja_write(w, "[");
    for (size_t i = 0; i < list->count && w->failed == STATUS_OK; i++) {
        if (i)
            jinja_write_string(w, how->between);
        new_line(w, how, depth + 1);
        TRY(jinja_write_json(w, list->items[i], how, depth + 1));
    }
    if (list->count)
        new_line(w, how, depth);
    jinja_write(w, "]");
    return w->failed;
}

status jinja_write_json(jinja_writer *w, jinja_value v, const jinja_json *how, int depth)
{
    if (depth > JSON_DEPTH)
        return jinja_fail(w->run, "a value is nested too deep to be written as JSON");
    switch (v.kind) {
    case JINJA_NONE:
        jinja_write(w, "null");
        return w->failed;
    case JINJA_BOOL:
        jinja_write(w, v.truth ? "true" : "false");
        return w->failed;
    case JINJA_INT:
    case JINJA_FLOAT:
        write_number(w, v);
        return w->failed;
    case JINJA_STRING:
        write_string(w, v.string, how->ascii);
        return w->failed;
    case JINJA_LIST:
    case JINJA_TUPLE:
        return write_list(w, v.list, how, depth);
    case JINJA_DICT:
        return write_dict(w, v.dict, how, depth);
    default:
        return jinja_fail(w->run, "a %s cannot be written as JSON", jinja_type_name(v));
    }
}
