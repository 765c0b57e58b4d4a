/* Making values, and the run's limits. */
#include "jinja/run.h"

#include <stdarg.h>
#include <string.h>

/* ---- limits and errors ---- */

static status fail_with(jinja_run *r, status code, const char *format, va_list args)
{
    error_setv(r->err, code, format, args);
    error_context(r->err, "%s:%d", r->template->name, r->line);
    return code;
}

status jinja_fail(jinja_run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status result = fail_with(r, STATUS_INVALID, format, args);
    va_end(args);
    return result;
}

status jinja_unsupported(jinja_run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status result = fail_with(r, STATUS_UNSUPPORTED, format, args);
    va_end(args);
    return result;
}

status jinja_step(jinja_run *r, size_t steps)
{
    if (steps > r->steps_left)
        return jinja_fail(r, "the template takes more steps than are allowed");
    r->steps_left -= steps;
    return STATUS_OK;
}

status jinja_alloc(jinja_run *r, size_t size, void **out)
{
    *out = NULL;
    if (size > r->memory_left)
        return jinja_fail(r, "the template needs more memory than is allowed");
    r->memory_left -= size;
    *out = arena_alloc(r->arena, size ? size : 1);
    return *out ? STATUS_OK : error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
}

arena *jinja_run_arena(jinja_run *r)
{
    return r->arena;
}

const struct tm *jinja_run_now(const jinja_run *r)
{
    return r->now;
}

/* ---- from outside ---- */

static const jinja_value absent = {.kind = JINJA_ABSENT};

jinja_value jinja_none(void)
{
    return (jinja_value){.kind = JINJA_NONE};
}

jinja_value jinja_bool(bool truth)
{
    return (jinja_value){.kind = JINJA_BOOL, .truth = truth};
}

jinja_value jinja_int(int64_t integer)
{
    return (jinja_value){.kind = JINJA_INT, .integer = integer};
}

/* The text with U+FFFD for what is not UTF-8, or NULL. */
static const char *mended(arena *a, slice text, size_t *length)
{
    strbuf out = strbuf_new(a, 3 * text.length + 1);
    if (utf8_valid(text))
        strbuf_add_slice(&out, text);
    else
        for (size_t at = 0; at < text.length;)
            strbuf_add_utf8(&out, utf8_next(text, &at));
    *length = out.length;
    return out.failed ? NULL : out.text ? out.text : "";
}

jinja_value jinja_text(arena *a, slice text, jinja_origin origin)
{
    jinja_string *s = ARENA_NEW(a, jinja_string);
    const char *copy = s ? mended(a, text, &s->length) : NULL;
    if (!copy)
        return absent;
    s->text = copy;
    s->points = jinja_points((slice){copy, s->length});
    if (origin == JINJA_DATA && s->length) {
        unsigned char *marks = arena_alloc(a, s->length);
        if (!marks)
            return absent;
        memset(marks, JINJA_MARK_DATA, s->length);
        s->marks = marks;
    }
    return (jinja_value){.kind = JINJA_STRING, .string = s};
}

enum { JSON_DEPTH = 200 };

static jinja_value from_json(arena *a, const json_t *value, jinja_origin origin, int depth)
{
    if (depth > JSON_DEPTH)
        return absent;
    if (json_is_object(value)) {
        jinja_dict *dict = jinja_dict_new(a);
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)value, key, member) {
            jinja_value item = from_json(a, member, origin, depth + 1);
            jinja_dict_put(dict, key, item);
            if (dict && dict->count && origin == JINJA_DATA)
                dict->keys[dict->count - 1] = jinja_text(a, slice_of(key), origin);
        }
        return jinja_of_dict(dict);
    }
    if (json_is_array(value)) {
        jinja_list *list = jinja_list_new(a);
        for (size_t i = 0; i < json_array_size(value); i++)
            jinja_list_add(list, from_json(a, json_array_get(value, i), origin, depth + 1));
        return jinja_of_list(list);
    }
    if (json_is_string(value))
        return jinja_text(a, (slice){json_string_value(value), json_string_length(value)}, origin);
    if (json_is_boolean(value))
        return jinja_bool(json_is_true(value));
    if (json_is_integer(value))
        return jinja_int(json_integer_value(value));
    if (json_is_real(value))
        return jinja_float(json_real_value(value));
    return jinja_none();
}

jinja_value jinja_from_json(arena *a, const json_t *value, jinja_origin origin)
{
    return from_json(a, value, origin, 0);
}

jinja_list *jinja_list_new(arena *a)
{
    jinja_list *list = ARENA_NEW(a, jinja_list);
    if (list)
        list->arena = a;
    return list;
}

void jinja_list_add(jinja_list *list, jinja_value item)
{
    if (!list || list->failed || item.kind == JINJA_ABSENT) {
        if (list)
            list->failed = true;
        return;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        jinja_value *items = arena_regrow(list->arena, list->items, list->count, capacity, sizeof *items);
        if (!items) {
            list->failed = true;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
}

jinja_value jinja_of_list(const jinja_list *list)
{
    return !list || list->failed ? absent : (jinja_value){.kind = JINJA_LIST, .list = list};
}

jinja_dict *jinja_dict_new(arena *a)
{
    jinja_dict *dict = ARENA_NEW(a, jinja_dict);
    if (dict)
        dict->arena = a;
    return dict;
}

static void dict_add(jinja_dict *dict, jinja_value key, jinja_value value)
{
    if (key.kind == JINJA_ABSENT || value.kind == JINJA_ABSENT) {
        dict->failed = true;
        return;
    }
    if (dict->count == dict->capacity) {
        size_t capacity = dict->capacity ? 2 * dict->capacity : 4;
        jinja_value *keys = arena_regrow(dict->arena, dict->keys, dict->count, capacity, sizeof *keys);
        jinja_value *values = arena_regrow(dict->arena, dict->values, dict->count, capacity, sizeof *values);
        if (!keys || !values) {
            dict->failed = true;
            return;
        }
        dict->keys = keys;
        dict->values = values;
        dict->capacity = capacity;
    }
    dict->keys[dict->count] = key;
    dict->values[dict->count++] = value;
}

const jinja_value *jinja_find_text(const jinja_dict *dict, slice key)
{
    for (size_t i = 0; i < dict->count; i++)
        if (dict->keys[i].kind == JINJA_STRING && slice_equal(jinja_slice(dict->keys[i]), key))
            return &dict->values[i];
    return NULL;
}

void jinja_dict_put(jinja_dict *dict, const char *key, jinja_value value)
{
    if (!dict || dict->failed)
        return;
    jinja_value *there = (jinja_value *)jinja_find_text(dict, slice_of(key));
    if (there && value.kind != JINJA_ABSENT)
        *there = value;
    else
        dict_add(dict, jinja_text(dict->arena, slice_of(key), JINJA_TEMPLATE), value);
}

void jinja_dict_merge(jinja_dict *dict, const jinja_dict *from)
{
    for (size_t i = 0; dict && !dict->failed && from && i < from->count; i++) {
        jinja_value *there = (jinja_value *)jinja_find_text(dict, jinja_slice(from->keys[i]));
        if (there)
            *there = from->values[i];
        else
            dict_add(dict, from->keys[i], from->values[i]);
    }
    if (dict && (!from || from->failed))
        dict->failed = true;
}

jinja_value jinja_of_dict(jinja_dict *dict)
{
    return !dict || dict->failed ? absent : (jinja_value){.kind = JINJA_DICT, .dict = dict};
}

jinja_value jinja_dict_at(const jinja_dict *dict, const char *key)
{
    const jinja_value *value = jinja_find_text(dict, slice_of(key));
    return value ? *value : absent;
}

/* ---- inside a run ---- */

status jinja_piece(jinja_run *r, const jinja_string *s, size_t start, size_t end, jinja_value *out)
{
    jinja_string *piece;
    TRY(JINJA_NEW(r, &piece));
    slice text = {s->text + start, end - start};
    *piece = (jinja_string){.text = text.text, .length = text.length, .marks = s->marks ? s->marks + start : NULL,
                            .points = s->points == s->length ? text.length : jinja_points(text), .safe = s->safe};
    *out = (jinja_value){.kind = JINJA_STRING, .string = piece};
    return jinja_step(r, 1 + text.length / 16);
}

status jinja_word(jinja_run *r, const char *text, jinja_value *out)
{
    jinja_string *s;
    TRY(JINJA_NEW(r, &s));
    slice bytes = slice_of(text);
    *s = (jinja_string){.text = text, .length = bytes.length, .points = jinja_points(bytes)};
    *out = (jinja_value){.kind = JINJA_STRING, .string = s};
    return STATUS_OK;
}

status jinja_undefined_hint(jinja_run *r, const char *hint, jinja_value *out)
{
    jinja_missing *missing;
    TRY(JINJA_NEW(r, &missing));
    missing->hint = hint;
    *out = (jinja_value){.kind = JINJA_UNDEFINED, .missing = missing};
    return STATUS_OK;
}

status jinja_undefined_of(jinja_run *r, jinja_value owner, jinja_value name, jinja_value *out)
{
    jinja_missing *missing;
    TRY(JINJA_NEW(r, &missing));
    missing->owner = jinja_type_name(owner);
    missing->name = name;
    *out = (jinja_value){.kind = JINJA_UNDEFINED, .missing = missing};
    return STATUS_OK;
}

status jinja_fail_undefined(jinja_run *r, jinja_value value)
{
    const jinja_missing *m = value.missing;
    if (m && m->hint)
        return jinja_fail(r, "%s", m->hint);
    if (!m)
        return jinja_fail(r, "a value is undefined");
    slice name = jinja_slice(m->name);
    if (name.length > 200)
        name.length = 200;
    if (!m->owner)
        return jinja_fail(r, "'" SLICE_FORMAT "' is undefined", SLICE_ARGS(name));
    if (m->name.kind != JINJA_STRING)
        return jinja_fail(r, "a %s has no element %lld", m->owner,
                          (long long)(jinja_is_integer(m->name) ? jinja_as_int(m->name) : 0));
    return jinja_fail(r, "a %s has no attribute '" SLICE_FORMAT "'", m->owner, SLICE_ARGS(name));
}

status jinja_make_list(jinja_run *r, jinja_list **out)
{
    TRY(JINJA_NEW(r, out));
    (*out)->arena = r->arena;
    return STATUS_OK;
}

status jinja_push(jinja_run *r, jinja_list *list, jinja_value item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        void *items;
        TRY(jinja_alloc(r, capacity * sizeof *list->items, &items));
        if (list->count)
            memcpy(items, list->items, list->count * sizeof *list->items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return jinja_step(r, 1);
}

status jinja_make_dict(jinja_run *r, jinja_dict **out)
{
    TRY(JINJA_NEW(r, out));
    (*out)->arena = r->arena;
    return STATUS_OK;
}

status jinja_store(jinja_run *r, jinja_dict *dict, jinja_value key, jinja_value value)
{
    const jinja_value *there;
    TRY(jinja_find(r, dict, key, &there));
    if (there) {
        *(jinja_value *)there = value;
        return STATUS_OK;
    }
    if (r->memory_left < 4 * sizeof value)
        return jinja_fail(r, "the template needs more memory than is allowed");
    r->memory_left -= 4 * sizeof value;
    dict_add(dict, key, value);
    return dict->failed ? error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name) : STATUS_OK;
}

static bool can_be_key(jinja_value v)
{
    if (v.kind != JINJA_TUPLE)
        return v.kind != JINJA_LIST && v.kind != JINJA_DICT;
    for (size_t i = 0; i < v.list->count; i++)
        if (v.list->items[i].kind == JINJA_TUPLE || !can_be_key(v.list->items[i]))
            return false; /* tuples in tuples are left out: they could be nested without end */
    return true;
}

status jinja_find(jinja_run *r, const jinja_dict *dict, jinja_value key, const jinja_value **found)
{
    *found = NULL;
    if (!can_be_key(key))
        return jinja_fail(r, "a %s cannot be a dict's key", jinja_type_name(key));
    TRY(jinja_step(r, dict->count / 4 + 1));
    if (key.kind == JINJA_STRING) {
        *found = jinja_find_text(dict, jinja_slice(key));
        return STATUS_OK;
    }
    for (size_t i = 0; i < dict->count; i++) {
        bool equal;
        TRY(jinja_equal(r, dict->keys[i], key, &equal));
        if (equal) {
            *found = &dict->values[i];
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

status jinja_make_iterator(jinja_run *r, const jinja_list *items, jinja_value *out)
{
    jinja_iterator *it;
    TRY(JINJA_NEW(r, &it));
    it->source = jinja_list_value(items, JINJA_LIST);
    *out = (jinja_value){.kind = JINJA_ITERATOR, .iterator = it};
    return STATUS_OK;
}

status jinja_bind(jinja_run *r, const jinja_native *native, jinja_value self, jinja_value *out)
{
    jinja_bound *bound;
    TRY(JINJA_NEW(r, &bound));
    *bound = (jinja_bound){native, self};
    *out = (jinja_value){.kind = JINJA_NATIVE, .native = bound};
    return STATUS_OK;
}
