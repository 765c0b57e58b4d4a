/* Methods of dicts, lists, tuples and numbers. What would change the value is not here (lookup.c). */
#include "jinja/run.h"

#include <math.h>

#define METHOD(name)                                                                                               \
    static status name(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call,            \
                       jinja_value *out)
#define UNUSED(x) (void)(x)

static status view(jinja_value self, int which, jinja_value *out)
{
    *out = (jinja_value){.kind = JINJA_VIEW, .dict = self.dict, .detail = which};
    return STATUS_OK;
}

METHOD(run_keys) { UNUSED(r); UNUSED(args); UNUSED(call); return view(self, VIEW_KEYS, out); }
METHOD(run_values) { UNUSED(r); UNUSED(args); UNUSED(call); return view(self, VIEW_VALUES, out); }
METHOD(run_items) { UNUSED(r); UNUSED(args); UNUSED(call); return view(self, VIEW_ITEMS, out); }

METHOD(run_get)
{
    UNUSED(call);
    const jinja_value *value;
    TRY(jinja_find(r, self.dict, args[0], &value));
    *out = value ? *value : args[1].kind == JINJA_ABSENT ? jinja_none() : args[1];
    return STATUS_OK;
}

METHOD(run_copy)
{
    UNUSED(r);
    UNUSED(args);
    UNUSED(call);
    *out = self; /* nobody changes it */
    return STATUS_OK;
}

const jinja_native jinja_dict_methods[] = {
    {"keys", "", 0, run_keys}, {"values", "", 0, run_values},      {"items", "", 0, run_items},
    {"copy", "", 0, run_copy}, {"get", "key,default", 1, run_get}, {0},
};

METHOD(run_list_count)
{
    UNUSED(call);
    int64_t n = 0;
    for (size_t i = 0; i < self.list->count; i++) {
        bool equal;
        TRY(jinja_equal(r, self.list->items[i], args[0], &equal));
        n += equal;
    }
    *out = jinja_int(n);
    return STATUS_OK;
}

METHOD(run_list_index)
{
    UNUSED(call);
    int64_t count = (int64_t)self.list->count, start, end;
    TRY(jinja_arg_int(r, args[1], "start", 0, &start));
    TRY(jinja_arg_int(r, args[2], "end", count, &end));
    start = start < 0 ? start + count < 0 ? 0 : start + count : start;
    end = end < 0 ? end + count : end > count ? count : end;
    for (int64_t i = start; i < end; i++) {
        bool equal;
        TRY(jinja_equal(r, self.list->items[i], args[0], &equal));
        if (equal) {
            *out = jinja_int(i);
            return STATUS_OK;
        }
    }
    return jinja_fail(r, "index(): the item is not in the %s", jinja_type_name(self));
}

const jinja_native jinja_list_methods[] = {
    {"copy", "", 0, run_copy}, {"count", "value", 1, run_list_count}, {"index", "value,start,end", 1, run_list_index}, {0},
};

const jinja_native jinja_tuple_methods[] = {
    {"count", "value", 1, run_list_count}, {"index", "value,start,end", 1, run_list_index}, {0},
};

METHOD(run_is_integer)
{
    UNUSED(r);
    UNUSED(args);
    UNUSED(call);
    *out = jinja_bool(self.kind != JINJA_FLOAT || (isfinite(self.number) && floor(self.number) == self.number));
    return STATUS_OK;
}

const jinja_native jinja_number_methods[] = {{"is_integer", "", 0, run_is_integer}, {0}};
