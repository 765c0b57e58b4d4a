/* Building texts with their marks; str() and repr(). */
#include "jinja/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

jinja_writer jinja_writer_new(jinja_run *r)
{
    return (jinja_writer){.run = r, .failed = STATUS_OK};
}

/* Room for `more` bytes, and for marks when `marked`. */
static bool reserve(jinja_writer *w, size_t more, bool marked)
{
    if (w->failed != STATUS_OK)
        return false;
    if (w->length + more > w->run->output_most) {
        w->failed = jinja_fail(w->run, "the template writes more than is allowed");
        return false;
    }
    size_t capacity = w->capacity;
    void *text = w->text, *marks = w->marks;
    if (w->length + more > capacity) {
        capacity = 2 * capacity > w->length + more ? 2 * capacity : w->length + more + 32;
        w->failed = jinja_alloc(w->run, capacity, &text);
        if (w->failed != STATUS_OK)
            return false;
        if (w->length)
            memcpy(text, w->text, w->length);
    }
    if ((marked && !w->marks) || (w->marks && capacity > w->capacity)) {
        w->failed = jinja_alloc(w->run, capacity, &marks);
        if (w->failed != STATUS_OK)
            return false;
        if (w->marks)
            memcpy(marks, w->marks, w->length);
    }
    w->text = text;
    w->marks = marks;
    w->capacity = capacity;
    w->failed = jinja_step(w->run, more / 64);
    return w->failed == STATUS_OK;
}

void jinja_write_bytes(jinja_writer *w, const char *text, size_t length, const unsigned char *marks)
{
    if (!length || !reserve(w, length, marks != NULL))
        return;
    memcpy(w->text + w->length, text, length);
    if (marks)
        memcpy(w->marks + w->length, marks, length);
    w->length += length;
}

void jinja_write_marked(jinja_writer *w, const char *text, size_t length, unsigned char mark)
{
    if (!length || !reserve(w, length, mark != 0))
        return;
    memcpy(w->text + w->length, text, length);
    if (mark)
        memset(w->marks + w->length, mark, length);
    w->length += length;
}

void jinja_write(jinja_writer *w, const char *text)
{
    jinja_write_bytes(w, text, strlen(text), NULL);
}

void jinja_write_string(jinja_writer *w, const jinja_string *s)
{
    jinja_write_bytes(w, s->text, s->length, s->marks);
}

void jinja_write_point(jinja_writer *w, uint32_t point, unsigned char mark)
{
    char bytes[4];
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(first[n] | point);
    jinja_write_marked(w, bytes, n, mark);
}

status jinja_written(jinja_writer *w, jinja_value *out)
{
    TRY(w->failed);
    jinja_string *s;
    TRY(JINJA_NEW(w->run, &s));
    *s = (jinja_string){.text = w->text ? w->text : "", .length = w->length, .marks = w->marks};
    s->points = jinja_points((slice){s->text, s->length});
    *out = (jinja_value){.kind = JINJA_STRING, .string = s};
    return STATUS_OK;
}

void jinja_mark_from(jinja_writer *w, size_t start, unsigned char mark)
{
    if (start >= w->length || !reserve(w, 0, true))
        return;
    for (size_t i = start; i < w->length; i++)
        w->marks[i] |= mark;
}

unsigned char jinja_marks_of(const jinja_string *s, size_t start, size_t end)
{
    unsigned char all = 0;
    for (size_t i = start; s->marks && i < end; i++)
        all |= s->marks[i];
    return all;
}

size_t jinja_points(slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.length; i++)
        n += ((unsigned char)s.text[i] & 0xc0) != 0x80;
    return n;
}

size_t jinja_byte_of(const jinja_string *s, size_t point)
{
    if (point >= s->points)
        return s->length;
    if (s->points == s->length)
        return point;
    size_t at = 0;
    for (size_t seen = 0;; at++)
        if (((unsigned char)s->text[at] & 0xc0) != 0x80 && seen++ == point)
            return at;
}

/* ---- str() and repr() ---- */

/* The shortest digits that read back as the same number, written as Python writes them. */
void jinja_float_text(double v, char out[JINJA_FLOAT_TEXT])
{
    if (isnan(v) || isinf(v)) {
        snprintf(out, JINJA_FLOAT_TEXT, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    char digits[JINJA_FLOAT_TEXT];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, v);
        if (strtod(digits, NULL) == v)
            break;
    }
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    size_t precision = strcspn(digits, "e") - (digits[0] == '-') - 1;
    precision -= precision > 0; /* the point */
    if (exponent < -4 || exponent >= 16) {
        *strchr(digits, 'e') = '\0';
        snprintf(out, JINJA_FLOAT_TEXT, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        int decimals = (int)precision - exponent;
        snprintf(out, JINJA_FLOAT_TEXT, "%.*f", decimals > 1 ? decimals : 1, v);
    }
}

static void write_escape(jinja_writer *w, uint32_t point, unsigned char mark)
{
    char text[12];
    const char *known = point == '\n' ? "\\n" : point == '\r' ? "\\r" : point == '\t' ? "\\t" : NULL;
    snprintf(text, sizeof text, point > 0xffff ? "\\U%08x" : point > 0xff ? "\\u%04x" : "\\x%02x", point);
    const char *shown = known ? known : text;
    jinja_write_marked(w, shown, strlen(shown), mark);
}

static void write_quoted(jinja_writer *w, const jinja_string *s)
{
    slice text = {s->text, s->length};
    bool doubles = slice_find(text, SLICE("'"), 0) != SIZE_MAX && slice_find(text, SLICE("\""), 0) == SIZE_MAX;
    char quote = doubles ? '"' : '\'';
    jinja_write_marked(w, &quote, 1, 0);
    for (size_t at = 0; at < s->length;) {
        size_t start = at;
        uint32_t point = utf8_next(text, &at);
        unsigned char mark = s->marks ? s->marks[start] : 0;
        if (point == (uint32_t)quote || point == '\\')
            jinja_write_marked(w, point == '\\' ? "\\\\" : "\\'", 2, mark);
        else if (!jinja_is_printable(point))
            write_escape(w, point, mark);
        else
            jinja_write_bytes(w, s->text + start, at - start, s->marks ? s->marks + start : NULL);
    }
    jinja_write_marked(w, &quote, 1, 0);
}

enum { REPR_DEPTH = 200 };

static void write_items(jinja_writer *w, const jinja_list *list, char open, char close, int depth)
{
    jinja_write_marked(w, &open, 1, 0);
    for (size_t i = 0; i < list->count && w->failed == STATUS_OK; i++) {
        if (i)
            jinja_write(w, ", ");
        jinja_write_repr(w, list->items[i], depth + 1);
    }
    if (open == '(' && list->count == 1)
        jinja_write(w, ",");
    jinja_write_marked(w, &close, 1, 0);
}

static void write_dict(jinja_writer *w, const jinja_dict *dict, int depth)
{
    jinja_write(w, "{");
    for (size_t i = 0; i < dict->count && w->failed == STATUS_OK; i++) {
        if (i)
            jinja_write(w, ", ");
        jinja_write_repr(w, dict->keys[i], depth + 1);
        jinja_write(w, ": ");
        jinja_write_repr(w, dict->values[i], depth + 1);
    }
    jinja_write(w, "}");
}

static void write_view(jinja_writer *w, jinja_value v, int depth)
{
    static const char *const begins[] = {[VIEW_KEYS] = "dict_keys([", [VIEW_VALUES] = "dict_values([", [VIEW_ITEMS] = "dict_items(["};
    jinja_write(w, begins[v.detail]);
    for (size_t i = 0; i < v.dict->count && w->failed == STATUS_OK; i++) {
        jinja_write(w, i ? ", " : "");
        if (v.detail == VIEW_ITEMS)
            jinja_write(w, "(");
        if (v.detail != VIEW_VALUES)
            jinja_write_repr(w, v.dict->keys[i], depth + 1);
        if (v.detail == VIEW_ITEMS)
            jinja_write(w, ", ");
        if (v.detail != VIEW_KEYS)
            jinja_write_repr(w, v.dict->values[i], depth + 1);
        if (v.detail == VIEW_ITEMS)
            jinja_write(w, ")");
    }
    jinja_write(w, "])");
}

static void write_number(jinja_writer *w, jinja_value v)
{
    char text[JINJA_FLOAT_TEXT];
    if (v.kind == JINJA_FLOAT)
        jinja_float_text(v.number, text);
    else
        snprintf(text, sizeof text, "%lld", (long long)v.integer);
    jinja_write(w, text);
}

static void write_range(jinja_writer *w, const jinja_range *range)
{
    char text[96];
    if (range->step == 1)
        snprintf(text, sizeof text, "range(%lld, %lld)", (long long)range->start, (long long)range->stop);
    else
        snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)range->start, (long long)range->stop,
                 (long long)range->step);
    jinja_write(w, text);
}

/* Objects that Python would print with their address, or that have a text of their own. */
static void write_object(jinja_writer *w, jinja_value v)
{
    if (v.kind == JINJA_MACRO) {
        jinja_write(w, "<Macro ");
        jinja_write(w, v.macro->name ? "'" : "anonymous");
        jinja_write(w, v.macro->name ? v.macro->name : "");
        jinja_write(w, v.macro->name ? "'>" : ">");
        return;
    }
    jinja_write(w, "<");
    jinja_write(w, jinja_type_name(v));
    jinja_write(w, " object>");
}

void jinja_write_repr(jinja_writer *w, jinja_value v, int depth)
{
    if (depth > REPR_DEPTH && w->failed == STATUS_OK)
        w->failed = jinja_fail(w->run, "a value is nested too deep to be written");
    if (w->failed != STATUS_OK)
        return;
    switch (v.kind) {
    case JINJA_UNDEFINED:
        jinja_write(w, "Undefined");
        return;
    case JINJA_NONE:
        jinja_write(w, "None");
        return;
    case JINJA_BOOL:
        jinja_write(w, v.truth ? "True" : "False");
        return;
    case JINJA_INT:
    case JINJA_FLOAT:
        write_number(w, v);
        return;
    case JINJA_STRING:
        write_quoted(w, v.string);
        return;
    case JINJA_LIST:
        write_items(w, v.list, '[', ']', depth);
        return;
    case JINJA_TUPLE:
        write_items(w, v.list, '(', ')', depth);
        return;
    case JINJA_DICT:
        write_dict(w, v.dict, depth);
        return;
    case JINJA_NAMESPACE:
        jinja_write(w, "<Namespace ");
        write_dict(w, v.dict, depth);
        jinja_write(w, ">");
        return;
    case JINJA_VIEW:
        write_view(w, v, depth);
        return;
    case JINJA_RANGE:
        write_range(w, v.range);
        return;
    default:
        write_object(w, v);
    }
}

void jinja_write_value(jinja_writer *w, jinja_value v)
{
    if (v.kind == JINJA_STRING)
        jinja_write_string(w, v.string);
    else if (v.kind != JINJA_UNDEFINED)
        jinja_write_repr(w, v, 0);
}

status jinja_to_string(jinja_run *r, jinja_value v, const jinja_string **out)
{
    if (v.kind != JINJA_STRING) {
        jinja_writer w = jinja_writer_new(r);
        jinja_write_value(&w, v);
        TRY(jinja_written(&w, &v));
    }
    *out = v.string;
    return STATUS_OK;
}
