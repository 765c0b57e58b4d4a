/* Truth, equality, order, membership, length, and going through values: as Python has them. */
#include "jinja/run.h"

#include <math.h>
#include <string.h>

const char *jinja_type_name(jinja_value v)
{
    static const char *const names[] = {
        [JINJA_ABSENT] = "missing value", [JINJA_UNDEFINED] = "Undefined", [JINJA_NONE] = "None", [JINJA_BOOL] = "bool",
        [JINJA_INT] = "int", [JINJA_FLOAT] = "float", [JINJA_STRING] = "str", [JINJA_LIST] = "list",
        [JINJA_TUPLE] = "tuple", [JINJA_DICT] = "dict", [JINJA_RANGE] = "range", [JINJA_VIEW] = "dict view",
        [JINJA_ITERATOR] = "generator", [JINJA_NAMESPACE] = "Namespace", [JINJA_MACRO] = "Macro",
        [JINJA_LOOP] = "LoopContext", [JINJA_NATIVE] = "function", [JINJA_CYCLER] = "Cycler", [JINJA_JOINER] = "Joiner"};
    _Static_assert(COUNT_OF(names) == JINJA_KIND_COUNT, "every kind has a name");
    return names[v.kind];
}

bool jinja_is_string(jinja_value v)
{
    return v.kind == JINJA_STRING;
}

slice jinja_slice(jinja_value v)
{
    return v.kind == JINJA_STRING ? (slice){v.string->text, v.string->length} : (slice){"", 0};
}

bool jinja_is_text(jinja_value v, const char *text)
{
    return v.kind == JINJA_STRING && slice_is(jinja_slice(v), text);
}

bool jinja_is_integer(jinja_value v)
{
    return v.kind == JINJA_INT || v.kind == JINJA_BOOL;
}

bool jinja_is_number(jinja_value v)
{
    return jinja_is_integer(v) || v.kind == JINJA_FLOAT;
}

int64_t jinja_as_int(jinja_value v)
{
    return v.kind == JINJA_BOOL ? v.truth : v.integer;
}

double jinja_as_double(jinja_value v)
{
    return v.kind == JINJA_FLOAT ? v.number : (double)jinja_as_int(v);
}

static size_t range_length(const jinja_range *r)
{
    if (r->step > 0 ? r->start >= r->stop : r->start <= r->stop)
        return 0;
    uint64_t span = r->step > 0 ? (uint64_t)r->stop - (uint64_t)r->start : (uint64_t)r->start - (uint64_t)r->stop;
    uint64_t step = r->step > 0 ? (uint64_t)r->step : -(uint64_t)r->step;
    return (span - 1) / step + 1;
}

/* Items of what knows their number; SIZE_MAX for others. */
static size_t known_length(jinja_value v)
{
    switch (v.kind) {
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_STRING:
        return v.string->points;
    case JINJA_LIST:
    case JINJA_TUPLE:
        return v.list->count;
    case JINJA_DICT:
    case JINJA_VIEW:
        return v.dict->count;
    case JINJA_RANGE:
        return range_length(v.range);
    default:
        return SIZE_MAX;
    }
}

bool jinja_has_length(jinja_value v)
{
    return known_length(v) != SIZE_MAX || v.kind == JINJA_LOOP;
}

status jinja_length(jinja_run *r, jinja_value v, size_t *length)
{
    if (v.kind == JINJA_LOOP) {
        int64_t n;
        TRY(jinja_loop_length(r, v.loop, &n));
        *length = (size_t)n;
        return STATUS_OK;
    }
    *length = known_length(v);
    return *length == SIZE_MAX ? jinja_fail(r, "a %s has no length", jinja_type_name(v)) : STATUS_OK;
}

bool jinja_truth(jinja_value v)
{
    switch (v.kind) {
    case JINJA_ABSENT:
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v.truth;
    case JINJA_INT:
        return v.integer != 0;
    case JINJA_FLOAT:
        return v.number != 0;
    default:
        return known_length(v) != 0;
    }
}

static status enter(jinja_run *r)
{
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "values are nested too deep");
    return jinja_step(r, 1);
}

/* ---- equality ---- */

static status equal_lists(jinja_run *r, const jinja_list *a, const jinja_list *b, bool *equal)
{
    *equal = a->count == b->count;
    for (size_t i = 0; *equal && i < a->count; i++)
        TRY(jinja_equal(r, a->items[i], b->items[i], equal));
    return STATUS_OK;
}

static status equal_dicts(jinja_run *r, const jinja_dict *a, const jinja_dict *b, bool *equal)
{
    *equal = a->count == b->count;
    for (size_t i = 0; *equal && i < a->count; i++) {
        const jinja_value *other;
        TRY(jinja_find(r, b, a->keys[i], &other));
        *equal = other != NULL;
        if (other)
            TRY(jinja_equal(r, a->values[i], *other, equal));
    }
    return STATUS_OK;
}

static bool equal_numbers(jinja_value a, jinja_value b)
{
    if (jinja_is_integer(a) && jinja_is_integer(b))
        return jinja_as_int(a) == jinja_as_int(b);
    return jinja_as_double(a) == jinja_as_double(b);
}

static bool equal_ranges(const jinja_range *a, const jinja_range *b)
{
    size_t n = range_length(a);
    return n == range_length(b) && (n == 0 || (a->start == b->start && (n == 1 || a->step == b->step)));
}

static status equal_values(jinja_run *r, jinja_value a, jinja_value b, bool *equal)
{
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *equal = equal_numbers(a, b);
        return STATUS_OK;
    }
    if (a.kind != b.kind) {
        *equal = false;
        return STATUS_OK;
    }
    switch (a.kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        *equal = true;
        return STATUS_OK;
    case JINJA_STRING:
        *equal = slice_equal(jinja_slice(a), jinja_slice(b));
        return jinja_step(r, *equal ? a.string->length / 64 : 0);
    case JINJA_LIST:
    case JINJA_TUPLE:
        return equal_lists(r, a.list, b.list, equal);
    case JINJA_DICT:
        return equal_dicts(r, a.dict, b.dict, equal);
    case JINJA_RANGE:
        *equal = equal_ranges(a.range, b.range);
        return STATUS_OK;
    case JINJA_NATIVE:
        *equal = a.native->native == b.native->native && a.native->self.kind == b.native->self.kind;
        return STATUS_OK;
    default:
        *equal = a.dict == b.dict && a.detail == b.detail; /* the same object */
        return STATUS_OK;
    }
}

status jinja_equal(jinja_run *r, jinja_value a, jinja_value b, bool *equal)
{
    TRY(enter(r));
    status result = equal_values(r, a, b, equal);
    r->depth--;
    return result;
}

/* ---- order ---- */

static bool less_text(slice a, slice b) /* UTF-8 sorts as its code points */
{
    int order = memcmp(a.text, b.text, a.length < b.length ? a.length : b.length);
    return order < 0 || (order == 0 && a.length < b.length);
}

static status less_lists(jinja_run *r, const jinja_list *a, const jinja_list *b, const char *sign, bool *less)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        bool equal;
        TRY(jinja_equal(r, a->items[i], b->items[i], &equal));
        if (!equal)
            return jinja_less(r, a->items[i], b->items[i], sign, less);
    }
    *less = a->count < b->count;
    return STATUS_OK;
}

status jinja_less(jinja_run *r, jinja_value a, jinja_value b, const char *sign, bool *less)
{
    *less = false;
    if (jinja_is_integer(a) && jinja_is_integer(b)) {
        *less = jinja_as_int(a) < jinja_as_int(b);
        return jinja_step(r, 1);
    }
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *less = jinja_as_double(a) < jinja_as_double(b);
        return jinja_step(r, 1);
    }
    if (a.kind == JINJA_STRING && b.kind == JINJA_STRING) {
        *less = less_text(jinja_slice(a), jinja_slice(b));
        return jinja_step(r, 1);
    }
    if (a.kind == b.kind && (a.kind == JINJA_LIST || a.kind == JINJA_TUPLE)) {
        TRY(enter(r));
        status result = less_lists(r, a.list, b.list, sign, less);
        r->depth--;
        return result;
    }
    if (a.kind == JINJA_UNDEFINED || b.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, a.kind == JINJA_UNDEFINED ? a : b);
    return jinja_fail(r, "'%s' is not supported between %s and %s", sign, jinja_type_name(a), jinja_type_name(b));
}

/* ---- membership ---- */

static status contains_item(jinja_run *r, jinja_value container, jinja_value item, bool *found)
{
    jinja_iterator *it;
    TRY(jinja_iterate(r, container, &it));
    for (bool more = true; more && !*found;) {
        jinja_value other;
        TRY(jinja_next(r, it, &other, &more));
        if (more)
            TRY(jinja_equal(r, other, item, found));
    }
    return STATUS_OK;
}

status jinja_contains(jinja_run *r, jinja_value container, jinja_value item, bool *found)
{
    const jinja_value *value;
    *found = false;
    switch (container.kind) {
    case JINJA_STRING:
        if (item.kind != JINJA_STRING)
            return jinja_fail(r, "'in <string>' requires a string on its left, not %s", jinja_type_name(item));
        TRY(jinja_step(r, 1 + container.string->length / 16));
        *found = slice_find(jinja_slice(container), jinja_slice(item), 0) != SIZE_MAX;
        return STATUS_OK;
    case JINJA_DICT:
        TRY(jinja_find(r, container.dict, item, &value));
        *found = value != NULL;
        return STATUS_OK;
    default:
        if (!jinja_is_iterable(container))
            return jinja_fail(r, "a %s holds nothing that could be 'in' it", jinja_type_name(container));
        return contains_item(r, container, item, found);
    }
}

/* ---- going through ---- */

bool jinja_is_iterable(jinja_value v)
{
    return known_length(v) != SIZE_MAX || v.kind == JINJA_ITERATOR || v.kind == JINJA_LOOP;
}

status jinja_iterate(jinja_run *r, jinja_value v, jinja_iterator **out)
{
    if (v.kind == JINJA_ITERATOR) {
        *out = v.iterator;
        return STATUS_OK;
    }
    if (v.kind == JINJA_LOOP)
        return jinja_unsupported(r, "going through 'loop' itself is not supported");
    if (!jinja_is_iterable(v))
        return jinja_fail(r, "a %s cannot be gone through", jinja_type_name(v));
    TRY(JINJA_NEW(r, out));
    (*out)->source = v;
    return STATUS_OK;
}

static status next_point(jinja_run *r, jinja_iterator *it, jinja_value *item)
{
    const jinja_string *s = it->source.string; /* `at` counts bytes */
    size_t end = it->at;
    utf8_next((slice){s->text, s->length}, &end);
    TRY(jinja_piece(r, s, it->at, end, item));
    it->at = end;
    return STATUS_OK;
}

static status next_pair(jinja_run *r, const jinja_dict *dict, size_t at, jinja_value *item)
{
    jinja_list *pair;
    TRY(jinja_make_list(r, &pair));
    TRY(jinja_push(r, pair, dict->keys[at]));
    TRY(jinja_push(r, pair, dict->values[at]));
    *item = jinja_list_value(pair, JINJA_TUPLE);
    return STATUS_OK;
}

static status next_chosen(jinja_run *r, jinja_iterator *it, jinja_value *item, bool *more)
{
    for (*more = true; *more;) {
        bool holds = false;
        TRY(jinja_next(r, it->inner, item, more));
        if (*more)
            TRY(it->test(r, it->context, *item, &holds));
        if (holds)
            return STATUS_OK;
    }
    return STATUS_OK;
}

status jinja_next(jinja_run *r, jinja_iterator *it, jinja_value *item, bool *more)
{
    TRY(jinja_step(r, 1));
    if (it->inner)
        return next_chosen(r, it, item, more);
    jinja_value v = it->source;
    *more = it->at < (v.kind == JINJA_STRING ? v.string->length : known_length(v));
    if (!*more)
        return STATUS_OK;
    switch (v.kind) {
    case JINJA_STRING:
        return next_point(r, it, item);
    case JINJA_LIST:
    case JINJA_TUPLE:
        *item = v.list->items[it->at++];
        return STATUS_OK;
    case JINJA_DICT:
        *item = v.dict->keys[it->at++];
        return STATUS_OK;
    case JINJA_RANGE:
        *item = jinja_int(v.range->start + (int64_t)it->at++ * v.range->step);
        return STATUS_OK;
    case JINJA_VIEW:
        if (v.detail == VIEW_ITEMS)
            return next_pair(r, v.dict, it->at++, item);
        *item = v.detail == VIEW_KEYS ? v.dict->keys[it->at] : v.dict->values[it->at];
        it->at++;
        return STATUS_OK;
    default:
        BUG("an iterator over a %s", jinja_type_name(v));
    }
}

status jinja_items(jinja_run *r, jinja_value v, jinja_list **out)
{
    jinja_iterator *it;
    TRY(jinja_iterate(r, v, &it));
    TRY(jinja_make_list(r, out));
    for (bool more = true; more;) {
        jinja_value item;
        TRY(jinja_next(r, it, &item, &more));
        if (more)
            TRY(jinja_push(r, *out, item));
    }
    return STATUS_OK;
}
