/* Methods of strings that cut, search and change. */
#include "jinja/run.h"

#include <string.h>

#define METHOD(name)                                                                                               \
    static status name(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call,            \
                       jinja_value *out)

/* A parameter that a method does not look at. */
#define UNUSED(x) (void)(x)

static slice text_of(const jinja_string *s)
{
    return (slice){s->text, s->length};
}

/* An argument that may be left out or None. */
static status optional_text(jinja_run *r, jinja_value v, const char *what, const jinja_string **out)
{
    *out = NULL;
    return v.kind == JINJA_ABSENT || v.kind == JINJA_NONE ? STATUS_OK : jinja_arg_text(r, v, what, out);
}

/* ---- cutting ---- */

static status strip(jinja_run *r, jinja_value self, jinja_value argument, bool left, bool right, jinja_value *out)
{
    const jinja_string *chars;
    size_t start, end;
    TRY(optional_text(r, argument, "chars", &chars));
    TRY(jinja_step(r, chars ? 1 + self.string->length / 16 * (1 + chars->length / 4) : 1 + self.string->length / 16));
    jinja_strip(self.string, chars, left, right, &start, &end);
    return jinja_piece(r, self.string, start, end, out);
}

METHOD(run_strip) { UNUSED(call); return strip(r, self, args[0], true, true, out); }
METHOD(run_lstrip) { UNUSED(call); return strip(r, self, args[0], true, false, out); }
METHOD(run_rstrip) { UNUSED(call); return strip(r, self, args[0], false, true, out); }

static status push_piece(jinja_run *r, jinja_list *list, const jinja_string *s, size_t start, size_t end)
{
    jinja_value piece;
    TRY(jinja_piece(r, s, start, end, &piece));
    return jinja_push(r, list, piece);
}

/* split() without a separator: runs of white space. */
static status split_words(jinja_run *r, const jinja_string *s, int64_t most, jinja_list *list)
{
    slice text = text_of(s);
    size_t start, end;
    jinja_strip(s, NULL, true, false, &start, &end);
    while (start < s->length) {
        size_t at = start;
        if (most >= 0 && (int64_t)list->count == most)
            return push_piece(r, list, s, start, s->length); /* white space at the far end stays */
        while (at < s->length) {
            size_t next = at;
            if (jinja_is_space(utf8_next(text, &next)))
                break;
            at = next;
        }
        TRY(push_piece(r, list, s, start, at));
        while (at < s->length) {
            size_t next = at;
            if (!jinja_is_space(utf8_next(text, &next)))
                break;
            at = next;
        }
        start = at;
    }
    return STATUS_OK;
}

static status reverse_list(jinja_list *list)
{
    for (size_t i = 0; i + 1 < list->count - i; i++) {
        jinja_value kept = list->items[i];
        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = kept;
    }
    return STATUS_OK;
}

/* rsplit() without a separator. */
static status split_words_back(jinja_run *r, const jinja_string *s, int64_t most, jinja_list *list)
{
    slice text = text_of(s);
    size_t start, end;
    jinja_strip(s, NULL, false, true, &start, &end);
    while (end > 0) {
        size_t at = end;
        if (most >= 0 && (int64_t)list->count == most) {
            TRY(push_piece(r, list, s, 0, end));
            break;
        }
        for (bool word = true; at > 0 && word;) {
            size_t before = at - 1, next;
            while (before > 0 && ((unsigned char)s->text[before] & 0xc0) == 0x80)
                before--;
            next = before;
            word = !jinja_is_space(utf8_next(text, &next));
            at = word ? before : at;
        }
        if (at < end)
            TRY(push_piece(r, list, s, at, end));
        jinja_string head = {.text = s->text, .length = at};
        jinja_strip(&head, NULL, false, true, &start, &end);
    }
    return list->count ? reverse_list(list) : STATUS_OK;
}

/* Where `needle` starts last in text[0:end), or SIZE_MAX. */
static size_t find_last(slice text, slice needle, size_t end)
{
    for (size_t at = end >= needle.length ? end - needle.length + 1 : 0; at-- > 0;)
        if (memcmp(text.text + at, needle.text, needle.length) == 0)
            return at;
    return SIZE_MAX;
}

static status split(jinja_run *r, jinja_value self, const jinja_value *args, bool back, jinja_value *out)
{
    const jinja_string *s = self.string, *separator;
    int64_t most;
    jinja_list *list;
    TRY(optional_text(r, args[0], "sep", &separator));
    TRY(jinja_arg_int(r, args[1], "maxsplit", -1, &most));
    TRY(jinja_make_list(r, &list));
    TRY(jinja_step(r, 1 + s->length / 16));
    *out = jinja_list_value(list, JINJA_LIST);
    if (!separator)
        return back ? split_words_back(r, s, most, list) : split_words(r, s, most, list);
    if (separator->length == 0)
        return jinja_fail(r, "split() with an empty separator");
    size_t start = 0, end = s->length;
    while (most < 0 || (int64_t)list->count < most) {
        size_t at = back ? find_last(text_of(s), text_of(separator), end) : slice_find(text_of(s), text_of(separator), start);
        if (at == SIZE_MAX)
            break;
        TRY(push_piece(r, list, s, back ? at + separator->length : start, back ? end : at));
        start = back ? start : at + separator->length;
        end = back ? at : end;
    }
    TRY(push_piece(r, list, s, start, end));
    return back ? reverse_list(list) : STATUS_OK;
}

METHOD(run_split) { UNUSED(call); return split(r, self, args, false, out); }
METHOD(run_rsplit) { UNUSED(call); return split(r, self, args, true, out); }

/* Line ends of str.splitlines. */
static bool ends_line(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

METHOD(run_splitlines)
{
    UNUSED(call);
    const jinja_string *s = self.string;
    jinja_list *list;
    bool keep = args[0].kind != JINJA_ABSENT && jinja_truth(args[0]);
    TRY(jinja_make_list(r, &list));
    size_t start = 0;
    for (size_t at = 0; at < s->length;) {
        size_t here = at;
        uint32_t c = utf8_next(text_of(s), &at);
        if (!ends_line(c))
            continue;
        if (c == '\r' && at < s->length && s->text[at] == '\n')
            at++;
        TRY(push_piece(r, list, s, start, keep ? at : here));
        start = at;
    }
    if (start < s->length)
        TRY(push_piece(r, list, s, start, s->length));
    *out = jinja_list_value(list, JINJA_LIST);
    return jinja_step(r, 1 + s->length / 16);
}

static status partition(jinja_run *r, jinja_value self, jinja_value argument, bool back, jinja_value *out)
{
    const jinja_string *s = self.string, *separator;
    jinja_list *list;
    TRY(jinja_arg_text(r, argument, "sep", &separator));
    if (separator->length == 0)
        return jinja_fail(r, "partition() with an empty separator");
    TRY(jinja_make_list(r, &list));
    size_t at = back ? find_last(text_of(s), text_of(separator), s->length) : slice_find(text_of(s), text_of(separator), 0);
    size_t end = at == SIZE_MAX ? 0 : at + separator->length;
    if (at == SIZE_MAX)
        at = end = back ? 0 : s->length;
    TRY(push_piece(r, list, s, 0, at));
    TRY(push_piece(r, list, s, at, end));
    TRY(push_piece(r, list, s, end, s->length));
    *out = jinja_list_value(list, JINJA_TUPLE);
    return jinja_step(r, 1 + s->length / 16);
}

METHOD(run_partition) { UNUSED(call); return partition(r, self, args[0], false, out); }
METHOD(run_rpartition) { UNUSED(call); return partition(r, self, args[0], true, out); }

METHOD(run_removeprefix)
{
    UNUSED(call);
    const jinja_string *prefix;
    TRY(jinja_arg_text(r, args[0], "prefix", &prefix));
    bool there = slice_starts(text_of(self.string), text_of(prefix));
    return jinja_piece(r, self.string, there ? prefix->length : 0, self.string->length, out);
}

METHOD(run_removesuffix)
{
    UNUSED(call);
    const jinja_string *suffix;
    TRY(jinja_arg_text(r, args[0], "suffix", &suffix));
    bool there = slice_ends(text_of(self.string), text_of(suffix));
    return jinja_piece(r, self.string, 0, self.string->length - (there ? suffix->length : 0), out);
}

/* ---- searching ---- */

/* The part of a string that start and end choose, as bytes. */
static status window(jinja_run *r, const jinja_string *s, const jinja_value *args, size_t *from, size_t *to)
{
    int64_t start, end, points = (int64_t)s->points;
    TRY(jinja_arg_int(r, args[0].kind == JINJA_NONE ? (jinja_value){.kind = JINJA_ABSENT} : args[0], "start", 0, &start));
    TRY(jinja_arg_int(r, args[1].kind == JINJA_NONE ? (jinja_value){.kind = JINJA_ABSENT} : args[1], "end", points, &end));
    start = start < 0 ? start + points < 0 ? 0 : start + points : start;
    end = end < 0 ? end + points < 0 ? 0 : end + points : end > points ? points : end;
    *from = start > points ? SIZE_MAX : jinja_byte_of(s, (size_t)start); /* past the end: nothing is found, not even "" */
    *to = jinja_byte_of(s, (size_t)end);
    return jinja_step(r, 1 + s->length / 16);
}

static status find(jinja_run *r, jinja_value self, const jinja_value *args, bool back, int64_t *out)
{
    const jinja_string *s = self.string, *needle;
    size_t from, to;
    TRY(jinja_arg_text(r, args[0], "sub", &needle));
    TRY(window(r, s, args + 1, &from, &to));
    *out = -1;
    if (from > to || needle->length > to - from)
        return STATUS_OK;
    slice part = slice_sub(text_of(s), from, to);
    size_t at = back ? find_last(part, text_of(needle), part.length) : slice_find(part, text_of(needle), 0);
    if (at != SIZE_MAX)
        *out = (int64_t)jinja_points(slice_sub(text_of(s), 0, from + at));
    return STATUS_OK;
}

static status find_as_value(jinja_run *r, jinja_value self, const jinja_value *args, bool back, bool must, jinja_value *out)
{
    int64_t at;
    TRY(find(r, self, args, back, &at));
    *out = jinja_int(at);
    return at < 0 && must ? jinja_fail(r, "index(): the text is not there") : STATUS_OK;
}

METHOD(run_find) { UNUSED(call); return find_as_value(r, self, args, false, false, out); }
METHOD(run_rfind) { UNUSED(call); return find_as_value(r, self, args, true, false, out); }
METHOD(run_index) { UNUSED(call); return find_as_value(r, self, args, false, true, out); }
METHOD(run_rindex) { UNUSED(call); return find_as_value(r, self, args, true, true, out); }

METHOD(run_count)
{
    UNUSED(call);
    const jinja_string *needle;
    size_t from, to;
    int64_t n = 0;
    TRY(jinja_arg_text(r, args[0], "sub", &needle));
    TRY(window(r, self.string, args + 1, &from, &to));
    if (from <= to) {
        slice part = slice_sub(text_of(self.string), from, to);
        if (needle->length == 0)
            n = (int64_t)jinja_points(part) + 1;
        else
            for (size_t at = 0; (at = slice_find(part, text_of(needle), at)) != SIZE_MAX; at += needle->length)
                n++;
    }
    *out = jinja_int(n);
    return STATUS_OK;
}

static status affix(jinja_run *r, jinja_value self, const jinja_value *args, bool end, jinja_value *out)
{
    size_t from, to;
    TRY(window(r, self.string, args + 1, &from, &to));
    bool tuple = args[0].kind == JINJA_TUPLE, found = false;
    size_t count = tuple ? args[0].list->count : 1;
    for (size_t i = 0; i < count && !found; i++) {
        const jinja_string *what;
        TRY(jinja_arg_text(r, tuple ? args[0].list->items[i] : args[0], end ? "suffix" : "prefix", &what));
        if (from <= to) {
            slice part = slice_sub(text_of(self.string), from, to);
            found = end ? slice_ends(part, text_of(what)) : slice_starts(part, text_of(what));
        }
    }
    *out = jinja_bool(found);
    return STATUS_OK;
}

METHOD(run_startswith) { UNUSED(call); return affix(r, self, args, false, out); }
METHOD(run_endswith) { UNUSED(call); return affix(r, self, args, true, out); }

/* ---- changing ---- */

METHOD(run_replace)
{
    UNUSED(call);
    const jinja_string *s = self.string, *from, *to;
    int64_t most, n = 0;
    TRY(jinja_arg_text(r, args[0], "old", &from));
    TRY(jinja_arg_text(r, args[1], "new", &to));
    TRY(jinja_arg_int(r, args[2], "count", -1, &most));
    jinja_writer w = jinja_writer_new(r);
    size_t at = 0;
    while ((most < 0 || n < most) && w.failed == STATUS_OK) {
        size_t found = from->length ? slice_find(text_of(s), text_of(from), at) : at, end = found;
        if (found == SIZE_MAX || (from->length == 0 && n > (int64_t)s->points))
            break;
        jinja_write_bytes(&w, s->text + at, found - at, s->marks ? s->marks + at : NULL);
        jinja_write_string(&w, to);
        n++;
        at = found + from->length;
        if (from->length == 0) { /* between all letters */
            if (at >= s->length)
                break;
            utf8_next(text_of(s), &end);
            jinja_write_bytes(&w, s->text + at, end - at, s->marks ? s->marks + at : NULL);
            at = end;
        }
    }
    if (n == 0 && w.failed == STATUS_OK)
        return jinja_piece(r, s, 0, s->length, out);
    jinja_write_bytes(&w, s->text + at, s->length - at, s->marks ? s->marks + at : NULL);
    TRY(jinja_step(r, 1 + s->length / 16));
    return jinja_written(&w, out);
}

static status change_case(jinja_run *r, jinja_value self, jinja_case to, jinja_value *out)
{
    jinja_writer w = jinja_writer_new(r);
    jinja_write_case(&w, self.string, 0, self.string->length, to);
    TRY(jinja_step(r, 1 + self.string->length / 4));
    return jinja_written(&w, out);
}

METHOD(run_upper) { UNUSED(call); UNUSED(args); return change_case(r, self, CASE_UPPER, out); }
METHOD(run_lower) { UNUSED(call); UNUSED(args); return change_case(r, self, CASE_LOWER, out); }
METHOD(run_swapcase) { UNUSED(call); UNUSED(args); return change_case(r, self, CASE_SWAP, out); }

METHOD(run_capitalize)
{
    UNUSED(call);
    UNUSED(args);
    const jinja_string *s = self.string;
    jinja_writer w = jinja_writer_new(r);
    size_t first = 0;
    if (s->length)
        utf8_next(text_of(s), &first);
    jinja_write_case(&w, s, 0, first, CASE_TITLE);
    jinja_write_case(&w, s, first, s->length, CASE_LOWER);
    return jinja_written(&w, out);
}

/* A capital behind everything that has no case. */
METHOD(run_title)
{
    UNUSED(call);
    UNUSED(args);
    const jinja_string *s = self.string;
    jinja_writer w = jinja_writer_new(r);
    bool inside = false;
    for (size_t at = 0; at < s->length;) {
        size_t end = at;
        uint32_t c = utf8_next(text_of(s), &end);
        jinja_write_case(&w, s, at, end, inside ? CASE_LOWER : CASE_TITLE);
        inside = jinja_is_cased(c);
        at = end;
    }
    return jinja_written(&w, out);
}

static status justify(jinja_run *r, jinja_value self, const jinja_value *args, int where, jinja_value *out)
{
    const jinja_string *fill;
    int64_t width;
    jinja_value space;
    TRY(jinja_word(r, " ", &space));
    TRY(jinja_arg_int(r, args[0], "width", 0, &width));
    TRY(jinja_arg_text(r, args[1].kind == JINJA_ABSENT ? space : args[1], "fillchar", &fill));
    if (fill->points != 1)
        return jinja_fail(r, "the fill character must be one letter");
    int64_t room = width - (int64_t)self.string->points;
    if (room < 0)
        room = 0;
    int64_t left = where < 0 ? 0 : where > 0 ? room : room / 2 + (room & width & 1);
    jinja_writer w = jinja_writer_new(r);
    for (int64_t i = 0; i < left && w.failed == STATUS_OK; i++)
        jinja_write_string(&w, fill);
    jinja_write_string(&w, self.string);
    for (int64_t i = left; i < room && w.failed == STATUS_OK; i++)
        jinja_write_string(&w, fill);
    return jinja_written(&w, out);
}

METHOD(run_ljust) { UNUSED(call); return justify(r, self, args, -1, out); }
METHOD(run_rjust) { UNUSED(call); return justify(r, self, args, 1, out); }
METHOD(run_center) { UNUSED(call); return justify(r, self, args, 0, out); }

METHOD(run_zfill)
{
    UNUSED(call);
    const jinja_string *s = self.string;
    int64_t width;
    TRY(jinja_arg_int(r, args[0], "width", 0, &width));
    size_t sign = s->length && (s->text[0] == '-' || s->text[0] == '+');
    jinja_writer w = jinja_writer_new(r);
    jinja_write_bytes(&w, s->text, sign, s->marks);
    for (int64_t i = (int64_t)s->points; i < width && w.failed == STATUS_OK; i++)
        jinja_write(&w, "0");
    jinja_write_bytes(&w, s->text + sign, s->length - sign, s->marks ? s->marks + sign : NULL);
    return jinja_written(&w, out);
}

METHOD(run_expandtabs)
{
    UNUSED(call);
    const jinja_string *s = self.string;
    int64_t size, column = 0;
    TRY(jinja_arg_int(r, args[0], "tabsize", 8, &size));
    jinja_writer w = jinja_writer_new(r);
    for (size_t at = 0; at < s->length && w.failed == STATUS_OK;) {
        size_t end = at;
        uint32_t c = utf8_next(text_of(s), &end);
        int64_t spaces = c == '\t' && size > 0 ? size - column % size : 0;
        if (c != '\t')
            jinja_write_bytes(&w, s->text + at, end - at, s->marks ? s->marks + at : NULL);
        for (int64_t i = 0; i < spaces && w.failed == STATUS_OK; i++)
            jinja_write(&w, " ");
        column = c == '\n' || c == '\r' ? 0 : c == '\t' ? column + spaces : column + 1;
        at = end;
    }
    return jinja_written(&w, out);
}

METHOD(run_join)
{
    UNUSED(call);
    jinja_list *items;
    TRY(jinja_items(r, args[0], &items));
    jinja_writer w = jinja_writer_new(r);
    for (size_t i = 0; i < items->count; i++) {
        if (items->items[i].kind != JINJA_STRING)
            return jinja_fail(r, "join(): item %zu is a %s, not a string", i, jinja_type_name(items->items[i]));
        if (i)
            jinja_write_string(&w, self.string);
        jinja_write_string(&w, items->items[i].string);
    }
    return jinja_written(&w, out);
}

METHOD(run_format) { UNUSED(args); return jinja_braces(r, self.string, call, out); }

METHOD(run_format_map)
{
    UNUSED(call);
    if (args[0].kind != JINJA_DICT)
        return jinja_fail(r, "format_map() wants a dict");
    const jinja_dict *dict = args[0].dict;
    void *names;
    TRY(jinja_alloc(r, (dict->count + 1) * sizeof(slice), &names));
    for (size_t i = 0; i < dict->count; i++)
        ((slice *)names)[i] = jinja_slice(dict->keys[i]);
    jinja_call named = {.names = names, .named = dict->values, .named_count = dict->count};
    return jinja_braces(r, self.string, &named, out);
}

const jinja_native jinja_string_methods[] = {
    {"strip", "chars", 0, run_strip},
    {"lstrip", "chars", 0, run_lstrip},
    {"rstrip", "chars", 0, run_rstrip},
    {"split", "sep,maxsplit", 0, run_split},
    {"rsplit", "sep,maxsplit", 0, run_rsplit},
    {"splitlines", "keepends", 0, run_splitlines},
    {"partition", "sep", 1, run_partition},
    {"rpartition", "sep", 1, run_rpartition},
    {"removeprefix", "prefix", 1, run_removeprefix},
    {"removesuffix", "suffix", 1, run_removesuffix},
    {"startswith", "prefix,start,end", 1, run_startswith},
    {"endswith", "suffix,start,end", 1, run_endswith},
    {"find", "sub,start,end", 1, run_find},
    {"rfind", "sub,start,end", 1, run_rfind},
    {"index", "sub,start,end", 1, run_index},
    {"rindex", "sub,start,end", 1, run_rindex},
    {"count", "sub,start,end", 1, run_count},
    {"replace", "old,new,count", 2, run_replace},
    {"upper", "", 0, run_upper},
    {"lower", "", 0, run_lower},
    {"casefold", "", 0, run_lower},
    {"swapcase", "", 0, run_swapcase},
    {"capitalize", "", 0, run_capitalize},
    {"title", "", 0, run_title},
    {"ljust", "width,fillchar", 1, run_ljust},
    {"rjust", "width,fillchar", 1, run_rjust},
    {"center", "width,fillchar", 1, run_center},
    {"zfill", "width", 1, run_zfill},
    {"expandtabs", "tabsize", 0, run_expandtabs},
    {"join", "iterable", 1, run_join},
    {"format", NULL, 0, run_format},
    {"format_map", "mapping", 1, run_format_map},
    {0},
};
