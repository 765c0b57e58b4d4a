/* "%s" % x and "{}".format(x), as far as both are the same for all texts: Python's two small languages. */
#include "jinja/run.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How one value is to be written. */
typedef struct field {
    char fill[5], align, sign, type; /* align: < > = ^, 0: by type */
    bool alternate, zero, comma;
    int64_t width, precision; /* precision -1: not given */
} field;

enum { WIDTH_MOST = 100000, PRECISION_MOST = 300 };

static void pad(jinja_writer *w, const char *fill, int64_t count)
{
    for (int64_t i = 0; i < count && w->failed == STATUS_OK; i++)
        jinja_write(w, fill);
}

/* `sign` and the digits behind it, in the field. */
static void write_padded(jinja_writer *w, const field *f, const char *sign, const jinja_string *body, char align)
{
    int64_t room = f->width - (int64_t)strlen(sign) - (int64_t)body->points;
    if (room < 0)
        room = 0;
    int64_t left = align == '>' ? room : align == '^' ? room / 2 : 0;
    pad(w, f->fill, left);
    jinja_write(w, sign);
    if (align == '=')
        pad(w, f->fill, room);
    jinja_write_string(w, body);
    if (align != '=')
        pad(w, f->fill, room - left);
}

static void group_thousands(char *digits, size_t size)
{
    size_t whole = strspn(digits, "0123456789"), length = strlen(digits), extra = whole ? (whole - 1) / 3 : 0;
    if (length + extra + 1 > size)
        return;
    memmove(digits + whole + extra, digits + whole, length - whole + 1);
    for (size_t from = whole, to = whole + extra, n = 0; from > 0 && to > from; n++) {
        if (n && n % 3 == 0)
            digits[--to] = ',';
        digits[--to] = digits[--from];
    }
}

static void write_digits(jinja_writer *w, const field *f, bool negative, char *digits, size_t size)
{
    if (f->comma)
        group_thousands(digits, size);
    jinja_string body = {.text = digits, .length = strlen(digits), .points = strlen(digits)};
    const char *sign = negative ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
    field padded = *f;
    char align = f->align ? f->align : f->zero ? '=' : '>';
    if (f->zero && (!f->align || align == '='))
        snprintf(padded.fill, sizeof padded.fill, "0");
    write_padded(w, &padded, sign, &body, align);
}

static status write_integer(jinja_writer *w, const field *f, int64_t v)
{
    char digits[700];
    uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;
    char type = f->type ? f->type : 'd';
    if (type == 'b') {
        size_t n = 0;
        for (int bit = 63; bit >= 0; bit--)
            if (n || size >> bit || bit == 0)
                digits[n++] = (char)('0' + ((size >> bit) & 1));
        digits[n] = '\0';
    } else {
        const char *format = type == 'x'   ? (f->alternate ? "0x%llx" : "%llx")
                             : type == 'X' ? (f->alternate ? "0X%llX" : "%llX")
                             : type == 'o' ? (f->alternate ? "0o%llo" : "%llo")
                                           : "%llu";
        snprintf(digits, sizeof digits, format, (unsigned long long)size);
    }
    write_digits(w, f, v < 0, digits, sizeof digits);
    return w->failed;
}

static status write_float(jinja_writer *w, const field *f, double v)
{
    char digits[1000], type = f->type ? f->type : 'r';
    double size = fabs(v);
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    if (isnan(v) || isinf(v))
        snprintf(digits, sizeof digits, "%s", isnan(v) ? "nan" : "inf");
    else if (type == 'f' || type == 'F')
        snprintf(digits, sizeof digits, f->alternate ? "%#.*f" : "%.*f", precision, size);
    else if (type == '%')
        snprintf(digits, sizeof digits, "%.*f%%", precision, size * 100);
    else if (type == 'e')
        snprintf(digits, sizeof digits, "%.*e", precision, size);
    else if (type == 'E')
        snprintf(digits, sizeof digits, "%.*E", precision, size);
    else if (type == 'g' || (type == 'r' && f->precision >= 0))
        snprintf(digits, sizeof digits, f->alternate ? "%#.*g" : "%.*g", precision, size);
    else if (type == 'G')
        snprintf(digits, sizeof digits, "%.*G", precision, size);
    else
        jinja_float_text(size, digits);
    write_digits(w, f, signbit(v) && !isnan(v), digits, sizeof digits);
    return w->failed;
}

static status write_text(jinja_writer *w, const field *f, const jinja_string *s, char align)
{
    jinja_value v = {.kind = JINJA_STRING, .string = s};
    if (f->precision >= 0 && (size_t)f->precision < s->points)
        TRY(jinja_piece(w->run, s, 0, jinja_byte_of(s, (size_t)f->precision), &v));
    write_padded(w, f, "", v.string, f->align ? f->align : align);
    return w->failed;
}

static status read_digits(jinja_run *r, slice s, size_t *at, int64_t most, int64_t *out)
{
    *out = 0;
    for (; *at < s.length && isdigit((unsigned char)s.text[*at]); (*at)++) {
        *out = *out * 10 + (s.text[*at] - '0');
        if (*out > most)
            return jinja_fail(r, "a width or precision above %lld in a format", (long long)most);
    }
    return STATUS_OK;
}

/* ---- % ---- */

/* What is still to be written by % and from what. */
typedef struct percent {
    jinja_run *run;
    jinja_value args;
    size_t used;
} percent;

static status next_argument(percent *p, jinja_value *out)
{
    bool tuple = p->args.kind == JINJA_TUPLE;
    if (p->used >= (tuple ? p->args.list->count : 1))
        return jinja_fail(p->run, "not enough arguments for the format");
    *out = tuple ? p->args.list->items[p->used] : p->args;
    p->used++;
    return STATUS_OK;
}

/* (name) in front of a conversion. */
static status named_argument(percent *p, slice s, size_t *at, jinja_value *out)
{
    size_t end = *at + 1;
    for (int open = 1; end < s.length; end++) {
        open += s.text[end] == '(' ? 1 : s.text[end] == ')' ? -1 : 0;
        if (open == 0)
            break;
    }
    if (end >= s.length || p->args.kind != JINJA_DICT)
        return jinja_fail(p->run, end >= s.length ? "a format has a '(' without ')'" : "the format requires a dict");
    const jinja_value *value = jinja_find_text(p->args.dict, slice_sub(s, *at + 1, end));
    if (!value)
        return jinja_fail(p->run, "the format names a key that the dict lacks");
    p->used = SIZE_MAX;
    *at = end + 1;
    *out = *value;
    return STATUS_OK;
}

static status star_or_digits(percent *p, slice s, size_t *at, int64_t most, int64_t *out)
{
    if (*at >= s.length || s.text[*at] != '*')
        return read_digits(p->run, s, at, most, out);
    jinja_value v;
    TRY(next_argument(p, &v));
    (*at)++;
    if (!jinja_is_integer(v) || jinja_as_int(v) > most || jinja_as_int(v) < -most)
        return jinja_fail(p->run, "* in a format wants an integer");
    *out = jinja_as_int(v);
    return STATUS_OK;
}

static status write_conversion(jinja_writer *w, field *f, char type, jinja_value v)
{
    jinja_run *r = w->run;
    const jinja_string *s;
    f->type = type == 'i' || type == 'u' ? 'd' : type;
    if (strchr("diuxXo", type)) {
        if (v.kind == JINJA_FLOAT && strchr("diu", type) && fabs(v.number) < 9e18)
            v = jinja_int((int64_t)v.number);
        if (!jinja_is_integer(v))
            return jinja_fail(r, "%%%c in a format wants a number, not %s", type, jinja_type_name(v));
        return write_integer(w, f, jinja_as_int(v));
    }
    if (strchr("eEfFgG", type)) {
        if (!jinja_is_number(v))
            return jinja_fail(r, "%%%c in a format wants a number, not %s", type, jinja_type_name(v));
        return write_float(w, f, jinja_as_double(v));
    }
    jinja_writer shown = jinja_writer_new(r);
    if (type == 's')
        jinja_write_value(&shown, v);
    else if (type == 'r' || type == 'a')
        jinja_write_repr(&shown, v, 0);
    else if (type == 'c' && jinja_is_integer(v) && jinja_as_int(v) >= 0 && jinja_as_int(v) < 0x110000)
        jinja_write_point(&shown, (uint32_t)jinja_as_int(v), 0);
    else if (type == 'c' && v.kind == JINJA_STRING && v.string->points == 1)
        jinja_write_string(&shown, v.string);
    else
        return jinja_fail(r, "a format has the conversion %%%c that it cannot have here", type > 0x20 && type < 0x7f ? type : '?');
    TRY(jinja_written(&shown, &v));
    TRY(jinja_to_string(r, v, &s));
    f->zero = false;
    return write_text(w, f, s, '>');
}

static status percent_field(jinja_writer *w, percent *p, slice s, size_t *at)
{
    field f = {.fill = " ", .precision = -1};
    jinja_value v = {.kind = JINJA_ABSENT};
    if (*at < s.length && s.text[*at] == '(')
        TRY(named_argument(p, s, at, &v));
    for (; *at < s.length && strchr("-+ #0", s.text[*at]); (*at)++) {
        char c = s.text[*at];
        f.align = c == '-' ? '<' : f.align;
        f.sign = c == '+' || (c == ' ' && f.sign != '+') ? c : f.sign;
        f.alternate = f.alternate || c == '#';
        f.zero = f.zero || c == '0';
    }
    TRY(star_or_digits(p, s, at, WIDTH_MOST, &f.width));
    if (f.width < 0) {
        f.align = '<';
        f.width = -f.width;
    }
    if (*at < s.length && s.text[*at] == '.') {
        (*at)++;
        TRY(star_or_digits(p, s, at, PRECISION_MOST, &f.precision));
    }
    while (*at < s.length && strchr("hlL", s.text[*at]))
        (*at)++;
    if (*at >= s.length)
        return jinja_fail(p->run, "a format ends in the middle of a conversion");
    char type = s.text[(*at)++];
    if (type == '%') {
        jinja_write(w, "%");
        return w->failed;
    }
    if (v.kind == JINJA_ABSENT)
        TRY(next_argument(p, &v));
    return write_conversion(w, &f, type, v);
}

status jinja_percent(jinja_run *r, const jinja_string *format, jinja_value args, jinja_value *out)
{
    percent p = {.run = r, .args = args};
    slice s = {format->text, format->length};
    jinja_writer w = jinja_writer_new(r);
    for (size_t at = 0; at < s.length;) {
        size_t next = at;
        while (next < s.length && s.text[next] != '%')
            next++;
        jinja_write_bytes(&w, s.text + at, next - at, format->marks ? format->marks + at : NULL);
        at = next + 1;
        if (next < s.length)
            TRY(percent_field(&w, &p, s, &at));
    }
    bool all_used = args.kind == JINJA_TUPLE ? p.used >= args.list->count
                                             : args.kind == JINJA_DICT || args.kind == JINJA_LIST || p.used >= 1;
    if (!all_used)
        return jinja_fail(r, "not all arguments were used by the format");
    return jinja_written(&w, out);
}

/* ---- {} ---- */

typedef struct braces {
    jinja_run *run;
    const jinja_call *call;
    size_t next; /* of {} without a number */
    bool numbered, automatic;
} braces;

static bool all_digits(slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!isdigit((unsigned char)s.text[i]))
            return false;
    return s.length > 0;
}

static status find_argument(braces *b, slice name, jinja_value *out)
{
    size_t index = b->next;
    if (name.length && !all_digits(name)) {
        for (size_t i = 0; i < b->call->named_count; i++)
            if (slice_equal(b->call->names[i], name)) {
                *out = b->call->named[i];
                return STATUS_OK;
            }
        return jinja_fail(b->run, "the format names '%.*s', which was not given", (int)(name.length < 60 ? name.length : 60),
                          name.text);
    }
    if (name.length) {
        size_t at = 0;
        int64_t number;
        TRY(read_digits(b->run, name, &at, 1000, &number));
        index = (size_t)number;
        b->numbered = true;
    } else {
        b->automatic = true;
        b->next++;
    }
    if (b->numbered && b->automatic)
        return jinja_fail(b->run, "a format mixes {} and {0}");
    if (index >= b->call->count)
        return jinja_fail(b->run, "the format wants more arguments than were given");
    *out = b->call->positional[index];
    return STATUS_OK;
}

/* name, then .attribute and [index] */
static status find_value(braces *b, slice path, jinja_value *out)
{
    size_t end = 0;
    while (end < path.length && path.text[end] != '.' && path.text[end] != '[')
        end++;
    if (end == 0 && path.length)
        return jinja_fail(b->run, "a format looks into a value without naming it");
    TRY(find_argument(b, slice_sub(path, 0, end), out));
    while (end < path.length) {
        bool item = path.text[end] == '[';
        size_t start = ++end;
        while (end < path.length && (item ? path.text[end] != ']' : path.text[end] != '.' && path.text[end] != '['))
            end++;
        slice word = slice_sub(path, start, end);
        if (item && end >= path.length)
            return jinja_fail(b->run, "a format has a '[' without ']'");
        end += item;
        jinja_value key;
        if (item && all_digits(word)) {
            size_t at = 0;
            int64_t number;
            TRY(read_digits(b->run, word, &at, 1000000, &number));
            key = jinja_int(number);
            TRY(jinja_item(b->run, *out, key, out));
        } else {
            TRY(jinja_attribute(b->run, *out, word, out));
        }
    }
    return STATUS_OK;
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static status read_field(jinja_run *r, slice s, field *f)
{
    size_t at = 0, behind = 0;
    *f = (field){.fill = " ", .precision = -1};
    if (s.length)
        utf8_next(s, &behind);
    if (behind < s.length && strchr("<>=^", s.text[behind])) {
        memcpy(f->fill, s.text, behind);
        f->fill[behind] = '\0';
        f->align = s.text[behind];
        at = behind + 1;
    } else if (s.length && strchr("<>=^", s.text[0])) {
        f->align = s.text[0];
        at = 1;
    }
    if (at < s.length && strchr("+- ", s.text[at]))
        f->sign = s.text[at++];
    if (at < s.length && s.text[at] == '#') {
        f->alternate = true;
        at++;
    }
    if (at < s.length && s.text[at] == '0') {
        f->zero = true;
        at++;
    }
    TRY(read_digits(r, s, &at, WIDTH_MOST, &f->width));
    if (at < s.length && s.text[at] == ',') {
        f->comma = true;
        at++;
    }
    if (at < s.length && s.text[at] == '.') {
        at++;
        TRY(read_digits(r, s, &at, PRECISION_MOST, &f->precision));
    }
    if (at < s.length && strchr("bcdeEfFgGnosxX%", s.text[at]))
        f->type = s.text[at++];
    return at == s.length ? STATUS_OK : jinja_fail(r, "a format has a specification that cannot be read");
}

static status write_formatted(jinja_writer *w, jinja_value v, slice specification)
{
    field f;
    const jinja_string *s;
    if (!specification.length) {
        jinja_write_value(w, v);
        return w->failed;
    }
    TRY(read_field(w->run, specification, &f));
    bool floats = f.type && strchr("eEfFgG%", f.type);
    if (jinja_is_integer(v) && (v.kind == JINJA_INT || f.type) && !floats && f.type != 's')
        return write_integer(w, &f, jinja_as_int(v));
    if (jinja_is_number(v) && (floats || v.kind == JINJA_FLOAT))
        return write_float(w, &f, jinja_as_double(v));
    if ((f.type && f.type != 's') || (v.kind != JINJA_STRING && v.kind != JINJA_BOOL))
        return jinja_fail(w->run, "a %s cannot be written with this format", jinja_type_name(v));
    TRY(jinja_to_string(w->run, v, &s));
    if (f.zero && !f.align)
        snprintf(f.fill, sizeof f.fill, "0");
    return write_text(w, &f, s, '<');
}

static status braces_field(jinja_writer *w, braces *b, slice s)
{
    size_t colon = slice_find(s, SLICE(":"), 0), bang = slice_find(s, SLICE("!"), 0);
    size_t end = colon != SIZE_MAX && (bang == SIZE_MAX || colon < bang) ? colon : bang != SIZE_MAX ? bang : s.length;
    slice specification = {"", 0};
    jinja_value v;
    TRY(find_value(b, slice_sub(s, 0, end), &v));
    if (end < s.length && s.text[end] == '!') {
        char how = end + 1 < s.length ? s.text[end + 1] : '\0';
        jinja_writer shown = jinja_writer_new(b->run);
        if (how == 'r')
            jinja_write_repr(&shown, v, 0);
        else if (how == 's')
            jinja_write_value(&shown, v);
        else
            return jinja_fail(b->run, "a format has a conversion other than !r and !s");
        TRY(jinja_written(&shown, &v));
        end += 2;
        if (end < s.length && s.text[end] != ':')
            return jinja_fail(b->run, "a format has letters behind its conversion");
    }
    if (end < s.length)
        specification = slice_sub(s, end + 1, s.length);
    if (slice_find(specification, SLICE("{"), 0) != SIZE_MAX)
        return jinja_unsupported(b->run, "a format within a format is not supported");
    return write_formatted(w, v, specification);
}

status jinja_braces(jinja_run *r, const jinja_string *format, const jinja_call *call, jinja_value *out)
{
    braces b = {.run = r, .call = call};
    slice s = {format->text, format->length};
    jinja_writer w = jinja_writer_new(r);
    for (size_t at = 0; at < s.length;) {
        char c = s.text[at];
        bool doubled = (c == '{' || c == '}') && at + 1 < s.length && s.text[at + 1] == c;
        if (doubled || (c != '{' && c != '}')) {
            jinja_write_bytes(&w, s.text + at, 1, format->marks ? format->marks + at : NULL);
            at += doubled ? 2 : 1;
            continue;
        }
        size_t end = at + 1;
        for (int open = 1; end < s.length; end++) {
            open += s.text[end] == '{' ? 1 : s.text[end] == '}' ? -1 : 0;
            if (open == 0)
                break;
        }
        if (c == '}' || end >= s.length)
            return jinja_fail(r, "a format has a single '%c'", c);
        TRY(braces_field(&w, &b, slice_sub(s, at + 1, end)));
        at = end + 1;
    }
    return jinja_written(&w, out);
}
