/* x.name, x[key], x[a:b:c]. */
#include "jinja/run.h"

#include <string.h>

/* Methods by type. What Python has and is missing here is named, so that it is an error and not undefined; what would
 * change the value is undefined, as in the sandbox. */
static const struct {
    jinja_kind kind;
    const jinja_native *methods;
    const char *left_out, *changing;
} types[] = {
    {JINJA_STRING, jinja_string_methods, " encode maketrans translate isidentifier ", ""},
    {JINJA_STRING, jinja_string_questions, "", ""},
    {JINJA_DICT, jinja_dict_methods, " fromkeys ", " clear pop popitem setdefault update "},
    {JINJA_LIST, jinja_list_methods, "", " append clear extend insert pop remove reverse sort "},
    {JINJA_TUPLE, jinja_tuple_methods, "", ""},
    {JINJA_CYCLER, jinja_cycler_methods, "", ""},
    {JINJA_LOOP, jinja_loop_methods, "", ""},
    {JINJA_FLOAT, jinja_number_methods, " as_integer_ratio hex fromhex conjugate ", ""},
    {JINJA_INT, jinja_number_methods, " bit_length bit_count to_bytes from_bytes as_integer_ratio conjugate ", ""},
};

static bool listed(const char *list, slice name)
{
    char word[40];
    if (!list[0] || name.length + 3 > sizeof word)
        return false;
    word[0] = ' ';
    memcpy(word + 1, name.text, name.length);
    word[name.length + 1] = ' ';
    word[name.length + 2] = '\0';
    return strstr(list, word) != NULL;
}

const jinja_native *jinja_method(jinja_value v, slice name, bool *refused)
{
    *refused = false;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].kind == v.kind) {
            for (const jinja_native *m = types[i].methods; m->name; m++)
                if (slice_is(name, m->name))
                    return m;
            *refused = *refused || listed(types[i].left_out, name) || listed(types[i].changing, name);
        }
    return NULL;
}

/* An attribute that is there in Python; *found says so. */
static status own_attribute(jinja_run *r, jinja_value v, slice name, jinja_value *out, bool *found)
{
    bool refused;
    *found = true;
    const jinja_native *method = jinja_method(v, name, &refused);
    if (method)
        return jinja_bind(r, method, v, out);
    if (refused) {
        for (size_t i = 0; i < COUNT_OF(types); i++)
            if (types[i].kind == v.kind && listed(types[i].left_out, name))
                return jinja_unsupported(r, "the method %s.%.*s is not supported", jinja_type_name(v), SLICE_ARGS(name));
        return jinja_undefined_hint(r, arena_printf(r->arena, "access to attribute '%.*s' of '%s' object is unsafe.",
                                                    SLICE_ARGS(name), jinja_type_name(v)), out);
    }
    if (v.kind == JINJA_NAMESPACE) {
        const jinja_value *value = jinja_find_text(v.dict, name);
        *found = value != NULL;
        if (value)
            *out = *value;
        return STATUS_OK;
    }
    if (v.kind == JINJA_LOOP)
        return jinja_loop_attribute(r, v.loop, name, out, found);
    if (v.kind == JINJA_TUPLE && v.list->group && (slice_is(name, "grouper") || slice_is(name, "list"))) {
        *out = v.list->items[slice_is(name, "list") ? 1 : 0];
        return STATUS_OK;
    }
    if (v.kind == JINJA_MACRO && slice_is(name, "name")) {
        *out = jinja_none();
        if (v.macro->name)
            TRY(jinja_word(r, v.macro->name, out));
        return STATUS_OK;
    }
    if (v.kind == JINJA_CYCLER && slice_is(name, "current")) {
        *out = v.cycler->items[v.cycler->at];
        return STATUS_OK;
    }
    *found = false;
    return STATUS_OK;
}

/* Moves a Python index into [0, length), or false. */
static bool index_in(int64_t index, size_t length, size_t *at)
{
    if (index < 0)
        index += (int64_t)length;
    *at = (size_t)index;
    return index >= 0 && (size_t)index < length;
}

/* An item that is there; *found says so. */
static status own_item(jinja_run *r, jinja_value v, jinja_value key, jinja_value *out, bool *found)
{
    *found = false;
    if (v.kind == JINJA_DICT) {
        const jinja_value *value = NULL;
        if (key.kind != JINJA_LIST && key.kind != JINJA_DICT)
            TRY(jinja_find(r, v.dict, key, &value));
        *found = value != NULL;
        if (value)
            *out = *value;
        return STATUS_OK;
    }
    if (!jinja_is_integer(key))
        return STATUS_OK;
    size_t length = 0, at;
    if (v.kind == JINJA_STRING || v.kind == JINJA_LIST || v.kind == JINJA_TUPLE || v.kind == JINJA_RANGE)
        TRY(jinja_length(r, v, &length));
    if (!index_in(jinja_as_int(key), length, &at))
        return STATUS_OK;
    *found = true;
    if (v.kind == JINJA_STRING) {
        size_t start = jinja_byte_of(v.string, at), end = start;
        utf8_next(jinja_slice(v), &end);
        TRY(jinja_step(r, v.string->points == v.string->length ? 1 : start / 16 + 1));
        return jinja_piece(r, v.string, start, end, out);
    }
    *out = v.kind == JINJA_RANGE ? jinja_int(v.range->start + (int64_t)at * v.range->step) : v.list->items[at];
    return STATUS_OK;
}

static status name_value(jinja_run *r, slice name, jinja_value *out)
{
    jinja_string *s;
    TRY(JINJA_NEW(r, &s));
    *s = (jinja_string){.text = name.text, .length = name.length, .points = jinja_points(name)};
    *out = (jinja_value){.kind = JINJA_STRING, .string = s};
    return STATUS_OK;
}

status jinja_attribute(jinja_run *r, jinja_value v, slice name, jinja_value *out)
{
    bool found;
    jinja_value key;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    TRY(own_attribute(r, v, name, out, &found));
    if (found)
        return STATUS_OK;
    if (v.kind == JINJA_DICT) {
        const jinja_value *value = jinja_find_text(v.dict, name);
        TRY(jinja_step(r, v.dict->count / 4 + 1));
        if (value) {
            *out = *value;
            return STATUS_OK;
        }
    }
    TRY(name_value(r, name, &key));
    return jinja_undefined_of(r, v, key, out);
}

status jinja_item(jinja_run *r, jinja_value v, jinja_value key, jinja_value *out)
{
    bool found;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    TRY(own_item(r, v, key, out, &found));
    if (!found && key.kind == JINJA_STRING)
        TRY(own_attribute(r, v, jinja_slice(key), out, &found));
    return found ? STATUS_OK : jinja_undefined_of(r, v, key, out);
}

/* ---- slices ---- */

static status bound_of(jinja_run *r, jinja_value v, int64_t *out, bool *given)
{
    *given = v.kind != JINJA_ABSENT && v.kind != JINJA_NONE;
    if (*given && !jinja_is_integer(v))
        return jinja_fail(r, "the bounds of a slice must be integers or None, not %s", jinja_type_name(v));
    *out = *given ? jinja_as_int(v) : 0;
    return STATUS_OK;
}

/* Start, and number of items, of a slice of `length` items, as Python's slice.indices says. */
static status resolve(jinja_run *r, const jinja_value bounds[3], int64_t length, int64_t *start, int64_t *step, size_t *count)
{
    int64_t stop;
    bool has_start, has_stop, has_step;
    TRY(bound_of(r, bounds[0], start, &has_start));
    TRY(bound_of(r, bounds[1], &stop, &has_stop));
    TRY(bound_of(r, bounds[2], step, &has_step));
    if (!has_step)
        *step = 1;
    if (*step == 0)
        return jinja_fail(r, "a slice's step cannot be zero");
    if (*step < -INT64_MAX)
        *step = -INT64_MAX;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? length - 1 : length;
    int64_t *ends[] = {start, &stop};
    bool given[] = {has_start, has_stop};
    for (int i = 0; i < 2; i++) {
        if (!given[i])
            *ends[i] = (i == 0) == (*step > 0) ? low : high;
        else if (*ends[i] < 0)
            *ends[i] = *ends[i] + length < low ? low : *ends[i] + length;
        else if (*ends[i] > high)
            *ends[i] = high;
    }
    if (*step > 0)
        *count = *start < stop ? (size_t)((stop - *start - 1) / *step + 1) : 0;
    else
        *count = *start > stop ? (size_t)((*start - stop - 1) / -*step + 1) : 0;
    return STATUS_OK;
}

static status cut_text(jinja_run *r, const jinja_string *s, int64_t start, int64_t step, size_t count, jinja_value *out)
{
    if (count == 0)
        return jinja_piece(r, s, 0, 0, out);
    TRY(jinja_step(r, 1 + s->length / 16));
    if (step == 1)
        return jinja_piece(r, s, jinja_byte_of(s, (size_t)start), jinja_byte_of(s, (size_t)start + count), out);
    void *memory; /* where each code point starts */
    TRY(jinja_alloc(r, (s->points + 1) * sizeof(size_t), &memory));
    size_t *starts = memory;
    for (size_t i = 0, at = 0; at < s->length; i++) {
        starts[i] = at;
        utf8_next((slice){s->text, s->length}, &at);
        starts[i + 1] = at;
    }
    jinja_writer w = jinja_writer_new(r);
    for (size_t i = 0; i < count; i++) {
        size_t at = starts[start + (int64_t)i * step], end = starts[start + (int64_t)i * step + 1];
        jinja_write_bytes(&w, s->text + at, end - at, s->marks ? s->marks + at : NULL);
    }
    return jinja_written(&w, out);
}

status jinja_cut(jinja_run *r, jinja_value v, const jinja_value bounds[3], jinja_value *out)
{
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (v.kind != JINJA_STRING && v.kind != JINJA_LIST && v.kind != JINJA_TUPLE && v.kind != JINJA_RANGE)
        return jinja_fail(r, "a %s cannot be sliced", jinja_type_name(v));
    size_t length, count = 0;
    int64_t start, step;
    TRY(jinja_length(r, v, &length));
    TRY(resolve(r, bounds, (int64_t)length, &start, &step, &count));
    if (v.kind == JINJA_STRING)
        return cut_text(r, v.string, start, step, count, out);
    if (v.kind == JINJA_RANGE) {
        jinja_range *part;
        TRY(JINJA_NEW(r, &part));
        part->start = v.range->start + start * v.range->step;
        part->step = v.range->step * step;
        part->stop = part->start + (int64_t)count * part->step;
        *out = (jinja_value){.kind = JINJA_RANGE, .range = part};
        return STATUS_OK;
    }
    jinja_list *part;
    TRY(jinja_make_list(r, &part));
    for (size_t i = 0; i < count; i++)
        TRY(jinja_push(r, part, v.list->items[start + (int64_t)i * step]));
    *out = jinja_list_value(part, v.kind);
    return STATUS_OK;
}
