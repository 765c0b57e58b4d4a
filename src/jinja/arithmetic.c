/* + - * / // % ** of numbers, texts, lists and tuples. */
#include "jinja/run.h"

#include <math.h>
#include <string.h>

static const char *const signs[] = {[OP_ADD] = "+", [OP_SUB] = "-",      [OP_MUL] = "*", [OP_DIV] = "/",
                                    [OP_FLOORDIV] = "//", [OP_MOD] = "%", [OP_POW] = "**"};

static status too_large(jinja_run *r)
{
    return jinja_unsupported(r, "an integer does not fit in 64 bits");
}

static status power(jinja_run *r, int64_t base, int64_t exponent, jinja_value *out)
{
    if (exponent < 0) {
        if (base == 0)
            return jinja_fail(r, "0 cannot be raised to a negative power");
        *out = jinja_float(pow((double)base, (double)exponent));
        return STATUS_OK;
    }
    int64_t result = 1;
    for (bool overflow = false; exponent; exponent >>= 1) {
        if (exponent & 1)
            overflow = __builtin_mul_overflow(result, base, &result);
        if (overflow || (exponent > 1 && __builtin_mul_overflow(base, base, &base)))
            return too_large(r);
    }
    *out = jinja_int(result);
    return STATUS_OK;
}

/* Python's // and % round towards minus infinity. */
static status divide(jinja_run *r, jinja_operator op, int64_t a, int64_t b, jinja_value *out)
{
    if (b == 0)
        return jinja_fail(r, "division by zero");
    if (op == OP_DIV) {
        *out = jinja_float((double)a / (double)b);
        return STATUS_OK;
    }
    if (b == -1) {
        int64_t quotient;
        if (__builtin_sub_overflow((int64_t)0, a, &quotient))
            return too_large(r);
        *out = jinja_int(op == OP_MOD ? 0 : quotient);
        return STATUS_OK;
    }
    int64_t quotient = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    *out = jinja_int(op == OP_MOD ? rest : quotient);
    return STATUS_OK;
}

static status of_integers(jinja_run *r, jinja_operator op, int64_t a, int64_t b, jinja_value *out)
{
    int64_t result;
    bool overflow;
    switch (op) {
    case OP_ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case OP_SUB:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case OP_MUL:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    case OP_POW:
        return power(r, a, b, out);
    default:
        return divide(r, op, a, b, out);
    }
    *out = jinja_int(result);
    return overflow ? too_large(r) : STATUS_OK;
}

/* % of floats, with the sign of b. */
static double modulo(double a, double b)
{
    double rest = fmod(a, b);
    if (rest == 0)
        return copysign(0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

static status of_floats(jinja_run *r, jinja_operator op, double a, double b, jinja_value *out)
{
    if (b == 0 && (op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD))
        return jinja_fail(r, "division by zero");
    if (op == OP_POW && ((a == 0 && b < 0) || (a < 0 && b != floor(b))))
        return jinja_fail(r, "this power is not a real number");
    double quotient;
    switch (op) {
    case OP_ADD:
        *out = jinja_float(a + b);
        return STATUS_OK;
    case OP_SUB:
        *out = jinja_float(a - b);
        return STATUS_OK;
    case OP_MUL:
        *out = jinja_float(a * b);
        return STATUS_OK;
    case OP_DIV:
        *out = jinja_float(a / b);
        return STATUS_OK;
    case OP_MOD:
        *out = jinja_float(modulo(a, b));
        return STATUS_OK;
    case OP_POW:
        *out = jinja_float(pow(a, b));
        return isinf(out->number) && !isinf(a) && !isinf(b) ? jinja_fail(r, "the power is too large") : STATUS_OK;
    case OP_FLOORDIV:
        quotient = (a - modulo(a, b)) / b;
        *out = jinja_float(quotient - floor(quotient) > 0.5 ? floor(quotient) + 1 : floor(quotient));
        return STATUS_OK;
    }
    BUG("operator %d", (int)op);
}

/* What is added to a safe text is escaped, as Python's Markup does. */
static void write_escaped(jinja_writer *w, const jinja_string *s)
{
    static const struct {
        char letter;
        const char *text;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < s->length; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < COUNT_OF(escapes) && !text; k++)
            text = s->text[i] == escapes[k].letter ? escapes[k].text : NULL;
        unsigned char mark = s->marks ? s->marks[i] : 0;
        if (text)
            jinja_write_marked(w, text, strlen(text), mark);
        else
            jinja_write_marked(w, s->text + i, 1, mark);
    }
}

static status add_texts(jinja_run *r, const jinja_string *a, const jinja_string *b, jinja_value *out)
{
    jinja_writer w = jinja_writer_new(r);
    if (b->safe && !a->safe)
        write_escaped(&w, a);
    else
        jinja_write_string(&w, a);
    if (a->safe && !b->safe)
        write_escaped(&w, b);
    else
        jinja_write_string(&w, b);
    TRY(jinja_written(&w, out));
    ((jinja_string *)out->string)->safe = a->safe || b->safe;
    return STATUS_OK;
}

static status repeat(jinja_run *r, jinja_value v, int64_t times, jinja_value *out)
{
    if (times < 0)
        times = 0;
    if (v.kind == JINJA_STRING) {
        jinja_writer w = jinja_writer_new(r);
        for (int64_t i = 0; i < times && v.string->length && w.failed == STATUS_OK; i++)
            jinja_write_string(&w, v.string);
        return jinja_written(&w, out);
    }
    jinja_list *list;
    TRY(jinja_make_list(r, &list));
    for (int64_t i = 0; i < times && v.list->count; i++)
        for (size_t k = 0; k < v.list->count; k++)
            TRY(jinja_push(r, list, v.list->items[k]));
    *out = jinja_list_value(list, v.kind);
    return STATUS_OK;
}

static status add_lists(jinja_run *r, jinja_value a, jinja_value b, jinja_value *out)
{
    jinja_list *list;
    TRY(jinja_make_list(r, &list));
    for (size_t i = 0; i < a.list->count; i++)
        TRY(jinja_push(r, list, a.list->items[i]));
    for (size_t i = 0; i < b.list->count; i++)
        TRY(jinja_push(r, list, b.list->items[i]));
    *out = jinja_list_value(list, a.kind);
    return STATUS_OK;
}

static bool is_sequence(jinja_value v)
{
    return v.kind == JINJA_STRING || v.kind == JINJA_LIST || v.kind == JINJA_TUPLE;
}

status jinja_arithmetic(jinja_run *r, jinja_operator op, jinja_value a, jinja_value b, jinja_value *out)
{
    if (jinja_is_integer(a) && jinja_is_integer(b))
        return of_integers(r, op, jinja_as_int(a), jinja_as_int(b), out);
    if (jinja_is_number(a) && jinja_is_number(b))
        return of_floats(r, op, jinja_as_double(a), jinja_as_double(b), out);
    if (op == OP_ADD && a.kind == JINJA_STRING && b.kind == JINJA_STRING)
        return add_texts(r, a.string, b.string, out);
    if (op == OP_ADD && a.kind == b.kind && (a.kind == JINJA_LIST || a.kind == JINJA_TUPLE))
        return add_lists(r, a, b, out);
    if (op == OP_MUL && is_sequence(a) && jinja_is_integer(b))
        return repeat(r, a, jinja_as_int(b), out);
    if (op == OP_MUL && is_sequence(b) && jinja_is_integer(a))
        return repeat(r, b, jinja_as_int(a), out);
    if (op == OP_MOD && a.kind == JINJA_STRING)
        return jinja_percent(r, a.string, b, out);
    if (a.kind == JINJA_UNDEFINED || b.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, a.kind == JINJA_UNDEFINED ? a : b);
    return jinja_fail(r, "'%s' is not supported between %s and %s", signs[op], jinja_type_name(a), jinja_type_name(b));
}

status jinja_negate(jinja_run *r, jinja_value v, bool minus, jinja_value *out)
{
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (!jinja_is_number(v))
        return jinja_fail(r, "a %s has no sign", jinja_type_name(v));
    if (v.kind == JINJA_FLOAT) {
        *out = jinja_float(minus ? -v.number : v.number);
        return STATUS_OK;
    }
    if (minus)
        return of_integers(r, OP_SUB, 0, jinja_as_int(v), out);
    *out = jinja_int(jinja_as_int(v));
    return STATUS_OK;
}
