/* Filters that compare: sort, dictsort, groupby, unique, min, max. */
#include "jinja/filters.h"

#include <string.h>

typedef struct sorting {
    jinja_run *run;
    const jinja_value *keys;
    bool reverse;
} sorting;

/* Merges order[0:middle) and order[middle:count), both sorted; equal items keep their order. */
static status merge(sorting *s, size_t *order, size_t *spare, size_t middle, size_t count)
{
    size_t left = 0, right = middle;
    for (size_t i = 0; i < count; i++) {
        bool take_right = left == middle;
        if (!take_right && right < count) {
            jinja_value a = s->keys[order[right]], b = s->keys[order[left]];
            TRY(s->reverse ? jinja_less(s->run, b, a, "<", &take_right) : jinja_less(s->run, a, b, "<", &take_right));
        }
        spare[i] = take_right ? order[right++] : order[left++];
    }
    memcpy(order, spare, count * sizeof *order);
    return STATUS_OK;
}

static status sort_part(sorting *s, size_t *order, size_t *spare, size_t count)
{
    if (count < 2)
        return STATUS_OK;
    TRY(sort_part(s, order, spare, count / 2));
    TRY(sort_part(s, order + count / 2, spare, count - count / 2));
    return merge(s, order, spare, count / 2, count);
}

/* The items in the order of their keys. */
static status sort_items(jinja_run *r, const jinja_list *items, const jinja_list *keys, bool reverse, jinja_list **out)
{
    void *memory;
    size_t n = items->count;
    TRY(jinja_alloc(r, (2 * n + 1) * sizeof(size_t), &memory));
    size_t *order = memory;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    TRY(sort_part(&(sorting){r, keys->items, reverse}, order, order + n, n));
    TRY(jinja_make_list(r, out));
    for (size_t i = 0; i < n; i++)
        TRY(jinja_push(r, *out, items->items[order[i]]));
    return STATUS_OK;
}

/* One key an item: the list of what the paths "a,b" give. */
static status path_keys(jinja_run *r, const jinja_list *items, jinja_value paths, bool ignore_case, jinja_list **out)
{
    TRY(jinja_make_list(r, out));
    for (size_t i = 0; i < items->count; i++) {
        jinja_list *key;
        jinja_value value;
        TRY(jinja_make_list(r, &key));
        slice rest = jinja_slice(paths), part;
        size_t at = 0;
        if (paths.kind != JINJA_STRING) {
            TRY(jinja_path(r, items->items[i], paths, (jinja_value){.kind = JINJA_ABSENT}, ignore_case, &value));
            TRY(jinja_push(r, key, value));
        }
        while (paths.kind == JINJA_STRING && slice_cut(&rest, ',', &part)) {
            jinja_value path;
            TRY(jinja_piece(r, paths.string, at, at + part.length, &path));
            at += part.length + 1;
            TRY(jinja_path(r, items->items[i], path, (jinja_value){.kind = JINJA_ABSENT}, ignore_case, &value));
            TRY(jinja_push(r, key, value));
        }
        TRY(jinja_push(r, *out, jinja_list_value(key, JINJA_LIST)));
    }
    return STATUS_OK;
}

FILTER(run_sort)
{
    UNUSED(call);
    jinja_list *items, *keys, *sorted;
    TRY(jinja_items(r, self, &items));
    TRY(path_keys(r, items, args[2], !jinja_flag(args[1]), &keys));
    TRY(sort_items(r, items, keys, jinja_flag(args[0]), &sorted));
    *out = jinja_list_value(sorted, JINJA_LIST);
    return STATUS_OK;
}

FILTER(run_dictsort)
{
    UNUSED(call);
    jinja_list *items, *keys, *sorted;
    jinja_value part = jinja_int(0);
    if (self.kind != JINJA_DICT)
        return jinja_fail(r, "dictsort wants a dict, not %s", jinja_type_name(self));
    if (args[1].kind != JINJA_ABSENT && !jinja_is_text(args[1], "key") && !jinja_is_text(args[1], "value"))
        return jinja_fail(r, "dictsort sorts by \"key\" or \"value\"");
    if (jinja_is_text(args[1], "value"))
        part = jinja_int(1);
    TRY(jinja_items(r, (jinja_value){.kind = JINJA_VIEW, .dict = self.dict, .detail = VIEW_ITEMS}, &items));
    TRY(path_keys(r, items, part, !jinja_flag(args[0]), &keys));
    TRY(sort_items(r, items, keys, jinja_flag(args[2]), &sorted));
    *out = jinja_list_value(sorted, JINJA_LIST);
    return STATUS_OK;
}

static status push_group(jinja_run *r, jinja_list *groups, jinja_value name, const jinja_list *members)
{
    jinja_list *group;
    TRY(jinja_make_list(r, &group));
    group->group = true;
    TRY(jinja_push(r, group, name));
    TRY(jinja_push(r, group, jinja_list_value(members, JINJA_LIST)));
    return jinja_push(r, groups, jinja_list_value(group, JINJA_TUPLE));
}

FILTER(run_groupby)
{
    UNUSED(call);
    jinja_list *items, *keys, *sorted, *groups, *members = NULL;
    jinja_value last = jinja_none();
    bool ignore_case = !jinja_flag(args[2]);
    TRY(jinja_items(r, self, &items));
    TRY(jinja_make_list(r, &keys));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value key;
        TRY(jinja_path(r, items->items[i], args[0], args[1], ignore_case, &key));
        TRY(jinja_push(r, keys, key));
    }
    TRY(sort_items(r, items, keys, false, &sorted));
    TRY(jinja_make_list(r, &groups));
    for (size_t i = 0; i < sorted->count; i++) {
        jinja_value key, name;
        bool same = false;
        TRY(jinja_path(r, sorted->items[i], args[0], args[1], ignore_case, &key));
        if (members)
            TRY(jinja_equal(r, key, last, &same));
        if (!same) {
            TRY(jinja_path(r, sorted->items[i], args[0], args[1], false, &name));
            TRY(jinja_make_list(r, &members));
            TRY(push_group(r, groups, name, members));
            last = key;
        }
        TRY(jinja_push(r, members, sorted->items[i]));
    }
    *out = jinja_list_value(groups, JINJA_LIST);
    return STATUS_OK;
}

FILTER(run_unique)
{
    UNUSED(call);
    jinja_list *items, *seen, *kept;
    TRY(jinja_items(r, self, &items));
    TRY(jinja_make_list(r, &seen));
    TRY(jinja_make_list(r, &kept));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value key;
        bool there;
        TRY(jinja_path(r, items->items[i], args[1], (jinja_value){.kind = JINJA_ABSENT}, !jinja_flag(args[0]), &key));
        TRY(jinja_contains(r, jinja_list_value(seen, JINJA_LIST), key, &there));
        if (there)
            continue;
        TRY(jinja_push(r, seen, key));
        TRY(jinja_push(r, kept, items->items[i]));
    }
    return jinja_make_iterator(r, kept, out);
}

static status extreme(jinja_run *r, jinja_value self, const jinja_value *args, bool largest, jinja_value *out)
{
    jinja_list *items;
    jinja_value best = jinja_none();
    TRY(jinja_items(r, self, &items));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value key;
        bool better = i == 0;
        TRY(jinja_path(r, items->items[i], args[1], (jinja_value){.kind = JINJA_ABSENT}, !jinja_flag(args[0]), &key));
        if (i)
            TRY(largest ? jinja_less(r, best, key, ">", &better) : jinja_less(r, key, best, "<", &better));
        if (better) {
            best = key;
            *out = items->items[i];
        }
    }
    return items->count ? STATUS_OK : jinja_undefined_hint(r, "No aggregated item, sequence was empty.", out);
}

FILTER(run_min) { UNUSED(call); return extreme(r, self, args, false, out); }
FILTER(run_max) { UNUSED(call); return extreme(r, self, args, true, out); }

const jinja_native jinja_sort_filters[] = {
    {"sort", "reverse,case_sensitive,attribute", 0, run_sort},
    {"dictsort", "case_sensitive,by,reverse", 0, run_dictsort},
    {"groupby", "attribute,default,case_sensitive", 1, run_groupby},
    {"unique", "case_sensitive,attribute", 0, run_unique},
    {"min", "case_sensitive,attribute", 0, run_min},
    {"max", "case_sensitive,attribute", 0, run_max},
    {0},
};
