/* Filters that make numbers, or take a value as it is. */
#include "jinja/filters.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

FILTER(run_abs)
{
    UNUSED(args);
    UNUSED(call);
    if (self.kind == JINJA_FLOAT) {
        *out = jinja_float(fabs(self.number));
        return STATUS_OK;
    }
    if (jinja_is_integer(self) && jinja_as_int(self) >= 0) {
        *out = jinja_int(jinja_as_int(self));
        return STATUS_OK;
    }
    return jinja_negate(r, self, true, out);
}

/* A number's digits without white space around and underscores within; false when there is anything else than
 * letters of a number. */
static bool clean(const jinja_string *s, char out[128])
{
    size_t start, end, n = 0;
    jinja_strip(s, NULL, true, true, &start, &end);
    if (end - start == 0 || end - start > 120)
        return false;
    for (size_t i = start; i < end; i++) {
        bool digits = i > start && i + 1 < end && isalnum((unsigned char)s->text[i - 1]) && isalnum((unsigned char)s->text[i + 1]);
        if (s->text[i] == '_' && digits)
            continue;
        if (!isalnum((unsigned char)s->text[i]) && !strchr("+-.", s->text[i]))
            return false;
        out[n++] = s->text[i];
    }
    out[n] = '\0';
    return true;
}

static bool text_to_float(const jinja_string *s, double *out)
{
    char digits[128], *end;
    if (!clean(s, digits) || strpbrk(digits, "xXpP") || (strchr(digits, '(')))
        return false;
    *out = strtod(digits, &end);
    return *end == '\0';
}

static bool text_to_int(const jinja_string *s, int64_t base, int64_t *out)
{
    char digits[128], *end;
    if (!clean(s, digits) || (base != 0 && (base < 2 || base > 36)))
        return false;
    size_t sign = digits[0] == '-' || digits[0] == '+';
    char letter = digits[sign] == '0' ? (char)tolower((unsigned char)digits[sign + 1]) : '\0';
    int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named && (base == 0 || base == named)) {
        memmove(digits + sign, digits + sign + 2, strlen(digits + sign + 2) + 1);
        base = named;
    }
    if (!isalnum((unsigned char)digits[sign]) || (base == 16 && tolower((unsigned char)digits[sign + 1]) == 'x'))
        return false;
    *out = strtoll(digits, &end, base ? (int)base : 10);
    return *end == '\0' && *out != INT64_MAX && *out != INT64_MIN;
}

static bool whole(double v, int64_t *out)
{
    if (!(fabs(v) < 9e18))
        return false;
    *out = (int64_t)v;
    return true;
}

FILTER(run_int)
{
    UNUSED(call);
    int64_t base, value;
    double number = 0;
    TRY(jinja_arg_int(r, args[1], "base", 10, &base));
    *out = args[0].kind == JINJA_ABSENT ? jinja_int(0) : args[0];
    if (self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, self);
    if (jinja_is_integer(self)) {
        *out = jinja_int(jinja_as_int(self));
        return STATUS_OK;
    }
    if (self.kind == JINJA_STRING && text_to_int(self.string, base, &value)) {
        *out = jinja_int(value);
        return STATUS_OK;
    }
    bool is_number = self.kind == JINJA_FLOAT || (self.kind == JINJA_STRING && text_to_float(self.string, &number));
    if (self.kind == JINJA_FLOAT)
        number = self.number;
    if (!is_number || !isfinite(number))
        return STATUS_OK;
    if (!whole(number, &value))
        return jinja_unsupported(r, "an integer does not fit in 64 bits");
    *out = jinja_int(value);
    return STATUS_OK;
}

FILTER(run_float)
{
    UNUSED(call);
    double number;
    *out = args[0].kind == JINJA_ABSENT ? jinja_float(0) : args[0];
    if (self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, self);
    if (jinja_is_number(self))
        *out = jinja_float(jinja_as_double(self));
    else if (self.kind == JINJA_STRING && text_to_float(self.string, &number))
        *out = jinja_float(number);
    return STATUS_OK;
}

/* To the nearest multiple of 10^-precision of what the number really is, ties to even. */
static double rounded(double v, int64_t precision)
{
    char digits[700];
    if (!isfinite(v) || precision > 300)
        return v;
    if (precision < 0) {
        double unit = pow(10, (double)-precision);
        return isfinite(unit) ? rint(v / unit) * unit : 0;
    }
    snprintf(digits, sizeof digits, "%.*f", (int)precision, v);
    return strtod(digits, NULL);
}

FILTER(run_round)
{
    UNUSED(call);
    int64_t precision;
    TRY(jinja_arg_int(r, args[0], "precision", 0, &precision));
    if (self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, self);
    if (!jinja_is_number(self))
        return jinja_fail(r, "round wants a number, not %s", jinja_type_name(self));
    bool common = args[1].kind == JINJA_ABSENT || jinja_is_text(args[1], "common");
    if (common && jinja_is_integer(self) && precision >= 0)
        *out = jinja_int(jinja_as_int(self));
    else if (common && jinja_is_integer(self))
        *out = jinja_int((int64_t)rounded((double)jinja_as_int(self), precision));
    else if (common)
        *out = jinja_float(rounded(self.number, precision));
    else if (jinja_is_text(args[1], "ceil"))
        *out = jinja_float(ceil(jinja_as_double(self) * pow(10, (double)precision)) / pow(10, (double)precision));
    else if (jinja_is_text(args[1], "floor"))
        *out = jinja_float(floor(jinja_as_double(self) * pow(10, (double)precision)) / pow(10, (double)precision));
    else
        return jinja_fail(r, "round: the method must be common, ceil or floor");
    return STATUS_OK;
}

FILTER(run_filesizeformat)
{
    UNUSED(call);
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    char text[64];
    bool binary = jinja_flag(args[0]);
    double base = binary ? 1024 : 1000, unit;
    jinja_value v, absent[JINJA_PARAMETERS] = {{.kind = JINJA_ABSENT}};
    TRY(run_float(r, self, absent, call, &v));
    double bytes = v.number;
    if (bytes == 1) {
        snprintf(text, sizeof text, "1 Byte");
    } else if (bytes < base) {
        snprintf(text, sizeof text, "%lld Bytes", (long long)bytes);
    } else {
        int i = 0;
        for (unit = base * base; i < 7 && bytes >= unit; i++)
            unit *= base;
        snprintf(text, sizeof text, "%.1f %s", base * bytes / unit, units[binary][i]);
    }
    const char *kept = arena_strdup(r->arena, text);
    return kept ? jinja_word(r, kept, out) : error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
}

FILTER(run_default)
{
    UNUSED(call);
    *out = self;
    if (self.kind == JINJA_UNDEFINED || (jinja_flag(args[1]) && !jinja_truth(self))) {
        *out = args[0];
        if (args[0].kind == JINJA_ABSENT)
            return jinja_word(r, "", out);
    }
    return STATUS_OK;
}

FILTER(run_length)
{
    UNUSED(args);
    UNUSED(call);
    size_t length;
    TRY(jinja_length(r, self, &length));
    *out = jinja_int((int64_t)length);
    return STATUS_OK;
}

FILTER(run_attr)
{
    UNUSED(call);
    const jinja_string *name;
    bool refused;
    TRY(jinja_arg_text(r, args[0], "name", &name));
    slice word = {name->text, name->length};
    if (self.kind == JINJA_DICT && !jinja_method(self, word, &refused) && !refused)
        return jinja_undefined_of(r, self, args[0], out);
    return jinja_attribute(r, self, word, out);
}

const jinja_native jinja_number_filters[] = {
    {"abs", "", 0, run_abs},
    {"int", "default,base", 0, run_int},
    {"float", "default", 0, run_float},
    {"round", "precision,method", 0, run_round},
    {"filesizeformat", "binary", 0, run_filesizeformat},
    {"default", "default_value,boolean", 0, run_default},
    {"d", "default_value,boolean", 0, run_default},
    {"length", "", 0, run_length},
    {"count", "", 0, run_length},
    {"attr", "name", 1, run_attr},
    {0},
};
