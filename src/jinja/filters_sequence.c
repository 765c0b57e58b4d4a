/* Filters on lists and what can be gone through; looking filters up. */
#include "jinja/filters.h"

#include <ctype.h>
#include <string.h>

static status lower_text(jinja_run *r, jinja_value v, jinja_value *out)
{
    jinja_writer w = jinja_writer_new(r);
    jinja_write_case(&w, v.string, 0, v.string->length, CASE_LOWER);
    return jinja_written(&w, out);
}

static bool all_digits(slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!isdigit((unsigned char)s.text[i]))
            return false;
    return s.length > 0 && s.length < 10;
}

static status path_step(jinja_run *r, jinja_value item, jinja_value key, jinja_value fallback, jinja_value *out)
{
    TRY(jinja_item(r, item, key, out));
    if (out->kind == JINJA_UNDEFINED && fallback.kind != JINJA_ABSENT && fallback.kind != JINJA_NONE)
        *out = fallback;
    return STATUS_OK;
}

status jinja_path(jinja_run *r, jinja_value item, jinja_value path, jinja_value fallback, bool ignore_case, jinja_value *out)
{
    *out = item;
    if (path.kind == JINJA_STRING) {
        slice rest = jinja_slice(path), part;
        size_t at = 0;
        while (slice_cut(&rest, '.', &part)) {
            jinja_value key = jinja_int(0);
            int64_t index;
            if (all_digits(part) && slice_to_int(part, &index))
                key = jinja_int(index);
            else
                TRY(jinja_piece(r, path.string, at, at + part.length, &key));
            at += part.length + 1;
            TRY(path_step(r, *out, key, fallback, out));
        }
    } else if (path.kind != JINJA_ABSENT && path.kind != JINJA_NONE) {
        TRY(path_step(r, *out, path, fallback, out));
    }
    return ignore_case && out->kind == JINJA_STRING ? lower_text(r, *out, out) : STATUS_OK;
}

/* ---- ends and wholes ---- */

FILTER(run_first)
{
    UNUSED(args);
    UNUSED(call);
    jinja_iterator *it;
    bool more;
    TRY(jinja_iterate(r, self, &it));
    TRY(jinja_next(r, it, out, &more));
    return more ? STATUS_OK : jinja_undefined_hint(r, "No first item, sequence was empty.", out);
}

FILTER(run_last)
{
    UNUSED(args);
    UNUSED(call);
    jinja_list *items;
    if (self.kind == JINJA_ITERATOR)
        return jinja_fail(r, "last: a generator cannot be gone through backwards; make it a list first");
    TRY(jinja_items(r, self, &items));
    if (!items->count)
        return jinja_undefined_hint(r, "No last item, sequence was empty.", out);
    *out = items->items[items->count - 1];
    return STATUS_OK;
}

FILTER(run_list)
{
    UNUSED(args);
    UNUSED(call);
    jinja_list *items;
    TRY(jinja_items(r, self, &items));
    *out = jinja_list_value(items, JINJA_LIST);
    return STATUS_OK;
}

FILTER(run_items)
{
    UNUSED(args);
    UNUSED(call);
    jinja_list *items;
    if (self.kind != JINJA_UNDEFINED && self.kind != JINJA_DICT)
        return jinja_fail(r, "items: only a dict has items, not %s", jinja_type_name(self));
    if (self.kind == JINJA_DICT)
        self = (jinja_value){.kind = JINJA_VIEW, .dict = self.dict, .detail = VIEW_ITEMS};
    TRY(jinja_items(r, self, &items));
    return jinja_make_iterator(r, items, out);
}

FILTER(run_reverse)
{
    UNUSED(args);
    UNUSED(call);
    jinja_list *items, *reversed;
    if (self.kind == JINJA_STRING) {
        jinja_value bounds[3] = {{.kind = JINJA_ABSENT}, {.kind = JINJA_ABSENT}, jinja_int(-1)};
        return jinja_cut(r, self, bounds, out);
    }
    bool generator = self.kind == JINJA_ITERATOR; /* of which Python makes a list first */
    TRY(jinja_items(r, self, &items));
    TRY(jinja_make_list(r, &reversed));
    for (size_t i = items->count; i-- > 0;)
        TRY(jinja_push(r, reversed, items->items[i]));
    if (!generator)
        return jinja_make_iterator(r, reversed, out);
    *out = jinja_list_value(reversed, JINJA_LIST);
    return STATUS_OK;
}

/* ---- one by one ---- */

/* A call without its first argument. */
static jinja_call rest_of(const jinja_call *call, size_t used)
{
    jinja_call rest = *call;
    rest.positional += used;
    rest.count -= used;
    return rest;
}

static jinja_value named(const jinja_call *call, const char *name)
{
    for (size_t i = 0; i < call->named_count; i++)
        if (slice_is(call->names[i], name))
            return call->named[i];
    return (jinja_value){.kind = JINJA_ABSENT};
}

static status map_one(jinja_run *r, jinja_value item, const jinja_call *call, jinja_value *out)
{
    jinja_value attribute = named(call, "attribute");
    if (call->count == 0 && attribute.kind != JINJA_ABSENT)
        return jinja_path(r, item, attribute, named(call, "default"), false, out);
    if (call->count == 0 || call->positional[0].kind != JINJA_STRING)
        return jinja_fail(r, "map wants the name of a filter, or attribute=");
    slice name = jinja_slice(call->positional[0]);
    const jinja_native *filter = jinja_filter(name);
    if (!filter)
        return jinja_fail(r, "no filter is named '%.*s'", (int)(name.length < 60 ? name.length : 60), name.text);
    jinja_call rest = rest_of(call, 1);
    return jinja_call_native(r, filter, "the filter", item, &rest, out);
}

FILTER(run_map)
{
    UNUSED(args);
    jinja_list *items, *mapped;
    TRY(jinja_make_list(r, &mapped));
    if (jinja_truth(self)) {
        TRY(jinja_items(r, self, &items));
        for (size_t i = 0; i < items->count; i++) {
            jinja_value value;
            TRY(map_one(r, items->items[i], call, &value));
            TRY(jinja_push(r, mapped, value));
        }
    }
    return jinja_make_iterator(r, mapped, out);
}

/* Whether the item passes the test named in the call (behind `used` arguments); its own truth without one. */
static status passes(jinja_run *r, jinja_value item, const jinja_call *call, size_t used, bool *yes)
{
    *yes = jinja_truth(item);
    if (call->count <= used)
        return STATUS_OK;
    slice name = jinja_slice(call->positional[used]);
    const jinja_native *test = jinja_test(name);
    if (!test)
        return jinja_fail(r, "no test is named '%.*s'", (int)(name.length < 60 ? name.length : 60), name.text);
    jinja_call rest = rest_of(call, used + 1);
    jinja_value result;
    TRY(jinja_call_native(r, test, "the test", item, &rest, &result));
    *yes = jinja_truth(result);
    return STATUS_OK;
}

static status choose(jinja_run *r, jinja_value self, const jinja_call *call, bool by_attribute, bool keep, jinja_value *out)
{
    jinja_list *items, *chosen;
    TRY(jinja_make_list(r, &chosen));
    if (by_attribute && call->count == 0 && jinja_truth(self))
        return jinja_fail(r, "selectattr and rejectattr want the name of an attribute");
    if (jinja_truth(self)) {
        TRY(jinja_items(r, self, &items));
        for (size_t i = 0; i < items->count; i++) {
            jinja_value value = items->items[i];
            bool yes;
            if (by_attribute)
                TRY(jinja_path(r, value, call->positional[0], (jinja_value){.kind = JINJA_ABSENT}, false, &value));
            TRY(passes(r, value, call, by_attribute, &yes));
            if (yes == keep)
                TRY(jinja_push(r, chosen, items->items[i]));
        }
    }
    return jinja_make_iterator(r, chosen, out);
}

FILTER(run_select) { UNUSED(args); return choose(r, self, call, false, true, out); }
FILTER(run_reject) { UNUSED(args); return choose(r, self, call, false, false, out); }
FILTER(run_selectattr) { UNUSED(args); return choose(r, self, call, true, true, out); }
FILTER(run_rejectattr) { UNUSED(args); return choose(r, self, call, true, false, out); }

FILTER(run_sum)
{
    UNUSED(call);
    jinja_list *items;
    TRY(jinja_items(r, self, &items));
    *out = args[1].kind == JINJA_ABSENT ? jinja_int(0) : args[1];
    if (out->kind == JINJA_STRING)
        return jinja_fail(r, "sum: strings cannot be summed; use join");
    for (size_t i = 0; i < items->count; i++) {
        jinja_value value;
        TRY(jinja_path(r, items->items[i], args[0], (jinja_value){.kind = JINJA_ABSENT}, false, &value));
        TRY(jinja_arithmetic(r, OP_ADD, *out, value, out));
    }
    return STATUS_OK;
}

/* ---- parts ---- */

/* Items [start, end) as a list, filled up by `fill` to `wanted` items. */
static status push_part(jinja_run *r, jinja_list *parts, const jinja_list *items, size_t start, size_t end, jinja_value fill,
                        size_t wanted)
{
    jinja_list *part;
    TRY(jinja_make_list(r, &part));
    for (size_t i = start; i < end; i++)
        TRY(jinja_push(r, part, items->items[i]));
    while (fill.kind != JINJA_ABSENT && fill.kind != JINJA_NONE && part->count < wanted)
        TRY(jinja_push(r, part, fill));
    return jinja_push(r, parts, jinja_list_value(part, JINJA_LIST));
}

FILTER(run_batch)
{
    UNUSED(call);
    jinja_list *items, *parts;
    int64_t count;
    TRY(jinja_arg_int(r, args[0], "linecount", 0, &count));
    TRY(jinja_items(r, self, &items));
    TRY(jinja_make_list(r, &parts));
    if (count <= 0)
        return jinja_fail(r, "batch: the number of items must be positive");
    for (size_t i = 0; i < items->count; i += (size_t)count) {
        size_t end = items->count - i > (size_t)count ? i + (size_t)count : items->count;
        TRY(push_part(r, parts, items, i, end, args[1], (size_t)count));
    }
    return jinja_make_iterator(r, parts, out);
}

FILTER(run_slice)
{
    UNUSED(call);
    jinja_list *items, *parts;
    int64_t slices;
    TRY(jinja_arg_int(r, args[0], "slices", 0, &slices));
    TRY(jinja_items(r, self, &items));
    TRY(jinja_make_list(r, &parts));
    if (slices <= 0)
        return jinja_fail(r, "slice: the number of slices must be positive");
    size_t each = items->count / (size_t)slices, extra = items->count % (size_t)slices, at = 0;
    for (size_t i = 0; i < (size_t)slices; i++) {
        size_t end = at + each + (i < extra);
        TRY(push_part(r, parts, items, at, end, args[1], i < extra ? 0 : end - at + 1));
        at = end;
    }
    return jinja_make_iterator(r, parts, out);
}

const jinja_native jinja_sequence_filters[] = {
    {"first", "", 0, run_first},
    {"last", "", 0, run_last},
    {"list", "", 0, run_list},
    {"items", "", 0, run_items},
    {"reverse", "", 0, run_reverse},
    {"map", NULL, 0, run_map},
    {"select", NULL, 0, run_select},
    {"reject", NULL, 0, run_reject},
    {"selectattr", NULL, 0, run_selectattr},
    {"rejectattr", NULL, 0, run_rejectattr},
    {"sum", "attribute,start", 0, run_sum},
    {"batch", "linecount,fill_with", 1, run_batch},
    {"slice", "slices,fill_with", 1, run_slice},
    {0},
};

const jinja_native *jinja_filter(slice name)
{
    static const jinja_native *const tables[] = {jinja_text_filters, jinja_number_filters, jinja_sequence_filters,
                                                 jinja_sort_filters};
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const jinja_native *f = tables[t]; f->name; f++)
            if (slice_is(name, f->name))
                return f;
    return NULL;
}

bool jinja_filter_left_out(slice name)
{
    static const char *const names[] = {"pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}
