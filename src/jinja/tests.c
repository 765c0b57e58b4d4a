/* x is test. */
#include "jinja/filters.h"

static status truth(bool yes, jinja_value *out)
{
    *out = jinja_bool(yes);
    return STATUS_OK;
}

/* Tests of the kind alone. */
#define KIND_TEST(name, condition)                                                                                 \
    FILTER(name)                                                                                                   \
    {                                                                                                              \
        UNUSED(r);                                                                                                 \
        UNUSED(args);                                                                                              \
        UNUSED(call);                                                                                              \
        return truth(condition, out);                                                                              \
    }

KIND_TEST(is_defined, self.kind != JINJA_UNDEFINED)
KIND_TEST(is_undefined, self.kind == JINJA_UNDEFINED)
KIND_TEST(is_none, self.kind == JINJA_NONE)
KIND_TEST(is_boolean, self.kind == JINJA_BOOL)
KIND_TEST(is_true, self.kind == JINJA_BOOL && self.truth)
KIND_TEST(is_false, self.kind == JINJA_BOOL && !self.truth)
KIND_TEST(is_integer, self.kind == JINJA_INT)
KIND_TEST(is_float, self.kind == JINJA_FLOAT)
KIND_TEST(is_number, jinja_is_number(self))
KIND_TEST(is_string, self.kind == JINJA_STRING)
KIND_TEST(is_mapping, self.kind == JINJA_DICT)
KIND_TEST(is_iterable, jinja_is_iterable(self))
KIND_TEST(is_sequence, self.kind == JINJA_UNDEFINED || self.kind == JINJA_STRING || self.kind == JINJA_LIST ||
                           self.kind == JINJA_TUPLE || self.kind == JINJA_DICT || self.kind == JINJA_RANGE)
KIND_TEST(is_callable, self.kind == JINJA_NATIVE || self.kind == JINJA_MACRO || self.kind == JINJA_JOINER ||
                           self.kind == JINJA_LOOP || self.kind == JINJA_UNDEFINED)
KIND_TEST(is_escaped, self.kind == JINJA_STRING && self.string->safe)
KIND_TEST(is_filter, self.kind == JINJA_STRING && (jinja_filter(jinja_slice(self)) || jinja_filter_left_out(jinja_slice(self))))
KIND_TEST(is_test, self.kind == JINJA_STRING && jinja_test(jinja_slice(self)))

static status rest_is(jinja_run *r, jinja_value self, jinja_value by, int64_t wanted, jinja_value *out)
{
    jinja_value rest;
    bool equal;
    TRY(jinja_arithmetic(r, OP_MOD, self, by, &rest));
    TRY(jinja_equal(r, rest, jinja_int(wanted), &equal));
    return truth(equal, out);
}

FILTER(is_odd) { UNUSED(args); UNUSED(call); return rest_is(r, self, jinja_int(2), 1, out); }
FILTER(is_even) { UNUSED(args); UNUSED(call); return rest_is(r, self, jinja_int(2), 0, out); }
FILTER(is_divisibleby) { UNUSED(call); return rest_is(r, self, args[0], 0, out); }

static status by_method(jinja_run *r, jinja_value self, const char *method, jinja_value *out)
{
    bool refused;
    jinja_value text = {.kind = JINJA_STRING};
    TRY(jinja_to_string(r, self, &text.string));
    return jinja_method(text, slice_of(method), &refused)->run(r, text, NULL, NULL, out);
}

FILTER(is_lower) { UNUSED(args); UNUSED(call); return by_method(r, self, "islower", out); }
FILTER(is_upper) { UNUSED(args); UNUSED(call); return by_method(r, self, "isupper", out); }

FILTER(is_in)
{
    UNUSED(call);
    bool found;
    TRY(jinja_contains(r, args[0], self, &found));
    return truth(found, out);
}

FILTER(is_sameas)
{
    UNUSED(call);
    jinja_value other = args[0];
    if (self.kind != other.kind)
        return truth(false, out);
    bool by_value = self.kind == JINJA_NONE || self.kind == JINJA_BOOL || self.kind == JINJA_INT || self.kind == JINJA_STRING;
    bool same = self.dict == other.dict && self.detail == other.detail;
    if (by_value)
        TRY(jinja_equal(r, self, other, &same));
    return truth(same, out);
}

static status equal(jinja_run *r, jinja_value a, jinja_value b, bool wanted, jinja_value *out)
{
    bool yes;
    TRY(jinja_equal(r, a, b, &yes));
    return truth(yes == wanted, out);
}

FILTER(is_eq) { UNUSED(call); return equal(r, self, args[0], true, out); }
FILTER(is_ne) { UNUSED(call); return equal(r, self, args[0], false, out); }

static status less(jinja_run *r, jinja_value a, jinja_value b, const char *sign, bool or_equal, jinja_value *out)
{
    bool yes, same = false;
    TRY(jinja_less(r, a, b, sign, &yes));
    if (or_equal && !yes)
        TRY(jinja_equal(r, a, b, &same));
    return truth(yes || same, out);
}

FILTER(is_lt) { UNUSED(call); return less(r, self, args[0], "<", false, out); }
FILTER(is_le) { UNUSED(call); return less(r, self, args[0], "<=", true, out); }
FILTER(is_gt) { UNUSED(call); return less(r, args[0], self, ">", false, out); }
FILTER(is_ge) { UNUSED(call); return less(r, args[0], self, ">=", true, out); }

static const jinja_native tests[] = {
    {"defined", "", 0, is_defined},
    {"undefined", "", 0, is_undefined},
    {"none", "", 0, is_none},
    {"boolean", "", 0, is_boolean},
    {"true", "", 0, is_true},
    {"false", "", 0, is_false},
    {"integer", "", 0, is_integer},
    {"float", "", 0, is_float},
    {"number", "", 0, is_number},
    {"string", "", 0, is_string},
    {"mapping", "", 0, is_mapping},
    {"iterable", "", 0, is_iterable},
    {"sequence", "", 0, is_sequence},
    {"callable", "", 0, is_callable},
    {"escaped", "", 0, is_escaped},
    {"filter", "", 0, is_filter},
    {"test", "", 0, is_test},
    {"odd", "", 0, is_odd},
    {"even", "", 0, is_even},
    {"divisibleby", "num", 1, is_divisibleby},
    {"lower", "", 0, is_lower},
    {"upper", "", 0, is_upper},
    {"in", "seq", 1, is_in},
    {"sameas", "other", 1, is_sameas},
    {"eq", "b", 1, is_eq},
    {"equalto", "b", 1, is_eq},
    {"==", "b", 1, is_eq},
    {"ne", "b", 1, is_ne},
    {"!=", "b", 1, is_ne},
    {"lt", "b", 1, is_lt},
    {"lessthan", "b", 1, is_lt},
    {"<", "b", 1, is_lt},
    {"le", "b", 1, is_le},
    {"<=", "b", 1, is_le},
    {"gt", "b", 1, is_gt},
    {"greaterthan", "b", 1, is_gt},
    {">", "b", 1, is_gt},
    {"ge", "b", 1, is_ge},
    {">=", "b", 1, is_ge},
};

const jinja_native *jinja_test(slice name)
{
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        if (slice_is(name, tests[i].name))
            return &tests[i];
    return NULL;
}
