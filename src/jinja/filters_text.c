/* Filters that make texts. */
#include "jinja/filters.h"

#include <string.h>
#include <utf8proc.h>

/* The method of the same meaning, on str(self). */
static status by_method(jinja_run *r, jinja_value self, const char *method, const jinja_value *args, jinja_value *out)
{
    const jinja_string *s;
    bool refused;
    TRY(jinja_to_string(r, self, &s));
    jinja_value text = {.kind = JINJA_STRING, .string = s};
    const jinja_native *native = jinja_method(text, slice_of(method), &refused);
    jinja_value none[JINJA_PARAMETERS] = {{.kind = JINJA_ABSENT}};
    return native->run(r, text, args ? args : none, NULL, out);
}

FILTER(run_upper) { UNUSED(call); UNUSED(args); return by_method(r, self, "upper", NULL, out); }
FILTER(run_lower) { UNUSED(call); UNUSED(args); return by_method(r, self, "lower", NULL, out); }
FILTER(run_capitalize) { UNUSED(call); UNUSED(args); return by_method(r, self, "capitalize", NULL, out); }
FILTER(run_trim) { UNUSED(call); return by_method(r, self, "strip", args, out); }

FILTER(run_center)
{
    UNUSED(call);
    jinja_value given[JINJA_PARAMETERS] = {args[0].kind == JINJA_ABSENT ? jinja_int(80) : args[0], {.kind = JINJA_ABSENT}};
    return by_method(r, self, "center", given, out);
}

FILTER(run_replace)
{
    UNUSED(call);
    jinja_value given[JINJA_PARAMETERS] = {{.kind = JINJA_STRING}, {.kind = JINJA_STRING}, args[2]};
    TRY(jinja_to_string(r, args[0], &given[0].string));
    TRY(jinja_to_string(r, args[1], &given[1].string));
    if (given[2].kind == JINJA_NONE)
        given[2].kind = JINJA_ABSENT;
    return by_method(r, self, "replace", given, out);
}

static bool parts_words(uint32_t c)
{
    return jinja_is_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c));
}

/* Words between white space and opening brackets: the first letter large, the others small. */
FILTER(run_title)
{
    UNUSED(args);
    UNUSED(call);
    const jinja_string *s;
    TRY(jinja_to_string(r, self, &s));
    slice text = {s->text, s->length};
    jinja_writer w = jinja_writer_new(r);
    for (size_t at = 0; at < s->length;) {
        size_t first = at;
        bool between = parts_words(utf8_next(text, &first));
        size_t end = first;
        for (size_t next = end; !between && next < s->length && !parts_words(utf8_next(text, &next));)
            end = next;
        jinja_write_case(&w, s, at, first, CASE_UPPER);
        jinja_write_case(&w, s, first, end, CASE_LOWER);
        at = end;
    }
    return jinja_written(&w, out);
}

FILTER(run_string)
{
    UNUSED(args);
    UNUSED(call);
    out->kind = JINJA_STRING;
    return jinja_to_string(r, self, &out->string);
}

FILTER(run_safe)
{
    UNUSED(args);
    UNUSED(call);
    const jinja_string *s;
    jinja_string *safe;
    TRY(jinja_to_string(r, self, &s));
    TRY(JINJA_NEW(r, &safe));
    *safe = *s;
    safe->safe = true;
    *out = (jinja_value){.kind = JINJA_STRING, .string = safe};
    return STATUS_OK;
}

/* Adding to a safe empty text escapes. */
static status escape(jinja_run *r, jinja_value self, bool always, jinja_value *out)
{
    const jinja_string *s;
    jinja_string plain, empty = {.text = "", .safe = true};
    TRY(jinja_to_string(r, self, &s));
    if (s->safe && !always) {
        *out = self;
        return STATUS_OK;
    }
    plain = *s;
    plain.safe = false;
    jinja_value left = {.kind = JINJA_STRING, .string = &empty}, right = {.kind = JINJA_STRING, .string = &plain};
    return jinja_arithmetic(r, OP_ADD, left, right, out);
}

FILTER(run_escape) { UNUSED(args); UNUSED(call); return escape(r, self, false, out); }
FILTER(run_forceescape) { UNUSED(args); UNUSED(call); return escape(r, self, true, out); }

FILTER(run_format)
{
    UNUSED(args);
    const jinja_string *s;
    jinja_value given;
    TRY(jinja_to_string(r, self, &s));
    if (call->count && call->named_count)
        return jinja_fail(r, "format: arguments with and without names cannot be mixed");
    if (call->named_count) {
        jinja_dict *dict = jinja_dict_new(r->arena);
        for (size_t i = 0; i < call->named_count; i++) {
            const char *name = slice_copy(r->arena, call->names[i]);
            jinja_dict_put(dict, name ? name : "", call->named[i]);
        }
        given = jinja_of_dict(dict);
    } else {
        jinja_list *list;
        TRY(jinja_make_list(r, &list));
        for (size_t i = 0; i < call->count; i++)
            TRY(jinja_push(r, list, call->positional[i]));
        given = jinja_list_value(list, JINJA_TUPLE);
    }
    if (given.kind == JINJA_ABSENT)
        return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
    return jinja_percent(r, s, given, out);
}

FILTER(run_indent)
{
    UNUSED(call);
    const jinja_string *s;
    bool refused, first = jinja_flag(args[1]), blank = jinja_flag(args[2]);
    int64_t width = 4;
    TRY(jinja_arg_text(r, self, "the text to indent", &s));
    if (args[0].kind != JINJA_STRING)
        TRY(jinja_arg_int(r, args[0], "width", 4, &width));
    jinja_writer w = jinja_writer_new(r), indention = jinja_writer_new(r);
    if (args[0].kind == JINJA_STRING)
        jinja_write_string(&indention, args[0].string);
    for (int64_t i = 0; args[0].kind != JINJA_STRING && i < width && indention.failed == STATUS_OK; i++)
        jinja_write(&indention, " ");
    jinja_value space, whole, lines, none[JINJA_PARAMETERS] = {{.kind = JINJA_ABSENT}};
    TRY(jinja_written(&indention, &space));
    jinja_write_string(&w, s); /* a line break behind it keeps an empty last line */
    jinja_write(&w, "\n");
    TRY(jinja_written(&w, &whole));
    TRY(jinja_method(whole, SLICE("splitlines"), &refused)->run(r, whole, none, NULL, &lines));
    w = jinja_writer_new(r);
    for (size_t i = 0; i < lines.list->count; i++) {
        const jinja_string *line = lines.list->items[i].string;
        if (i)
            jinja_write(&w, "\n");
        if (i == 0 ? first : blank || line->length)
            jinja_write_string(&w, space.string);
        jinja_write_string(&w, line);
    }
    return jinja_written(&w, out);
}

FILTER(run_truncate)
{
    UNUSED(call);
    const jinja_string *s, *end;
    int64_t length, leeway;
    jinja_value dots;
    TRY(jinja_word(r, "...", &dots));
    TRY(jinja_arg_text(r, self, "the text to truncate", &s));
    TRY(jinja_arg_int(r, args[0], "length", 255, &length));
    TRY(jinja_arg_text(r, args[2].kind == JINJA_ABSENT ? dots : args[2], "end", &end));
    TRY(jinja_arg_int(r, args[3].kind == JINJA_NONE ? (jinja_value){.kind = JINJA_ABSENT} : args[3], "leeway", 5, &leeway));
    if (length < (int64_t)end->points || leeway < 0)
        return jinja_fail(r, "truncate: the length must hold the end, and the leeway cannot be negative");
    *out = self;
    if ((int64_t)s->points <= length + leeway)
        return STATUS_OK;
    size_t cut = jinja_byte_of(s, (size_t)(length - (int64_t)end->points)), at = cut;
    while (!jinja_flag(args[1]) && at > 0 && s->text[at - 1] != ' ')
        at--;
    jinja_writer w = jinja_writer_new(r);
    jinja_write_bytes(&w, s->text, jinja_flag(args[1]) || at == 0 ? cut : at - 1, s->marks);
    jinja_write_string(&w, end);
    return jinja_written(&w, out);
}

FILTER(run_wordcount)
{
    UNUSED(args);
    UNUSED(call);
    const jinja_string *s;
    int64_t n = 0;
    bool inside = false;
    TRY(jinja_to_string(r, self, &s));
    for (size_t at = 0; at < s->length;) {
        uint32_t c = utf8_next((slice){s->text, s->length}, &at);
        utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
        bool word = c == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
                    (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
        n += word && !inside;
        inside = word;
    }
    *out = jinja_int(n);
    return jinja_step(r, 1 + s->length / 8);
}

static void write_quoted(jinja_writer *w, const jinja_string *s, bool query)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s->length; i++) {
        unsigned char c = (unsigned char)s->text[i], mark = s->marks ? s->marks[i] : 0;
        bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (kept || (c == ' ' && query))
            jinja_write_marked(w, kept ? (char[]){(char)c} : "+", 1, mark);
        else
            jinja_write_marked(w, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3, mark);
    }
}

FILTER(run_urlencode)
{
    UNUSED(args);
    UNUSED(call);
    const jinja_string *s;
    jinja_writer w = jinja_writer_new(r);
    if (self.kind == JINJA_STRING || !jinja_is_iterable(self)) {
        TRY(jinja_to_string(r, self, &s));
        write_quoted(&w, s, false);
        return jinja_written(&w, out);
    }
    jinja_list *pairs, *pair;
    if (self.kind == JINJA_DICT)
        self = (jinja_value){.kind = JINJA_VIEW, .dict = self.dict, .detail = VIEW_ITEMS};
    TRY(jinja_items(r, self, &pairs));
    for (size_t i = 0; i < pairs->count; i++) {
        TRY(jinja_items(r, pairs->items[i], &pair));
        if (pair->count != 2)
            return jinja_fail(r, "urlencode wants pairs");
        for (size_t k = 0; k < 2; k++) {
            TRY(jinja_to_string(r, pair->items[k], &s));
            jinja_write(&w, k ? "=" : i ? "&" : "");
            write_quoted(&w, s, true);
        }
    }
    return jinja_written(&w, out);
}

static status json_separators(jinja_run *r, jinja_value v, jinja_json *how)
{
    static const jinja_string comma = {", ", 2, 2, NULL, false}, bare = {",", 1, 1, NULL, false}, colon = {": ", 2, 2, NULL, false};
    how->between = how->pretty ? &bare : &comma;
    how->behind_key = &colon;
    if (v.kind == JINJA_ABSENT || v.kind == JINJA_NONE)
        return STATUS_OK;
    if ((v.kind != JINJA_TUPLE && v.kind != JINJA_LIST) || v.list->count != 2)
        return jinja_fail(r, "tojson: separators must be two strings");
    TRY(jinja_arg_text(r, v.list->items[0], "separators", &how->between));
    return jinja_arg_text(r, v.list->items[1], "separators", &how->behind_key);
}

FILTER(run_tojson)
{
    UNUSED(call);
    jinja_json how = {.ascii = jinja_flag(args[0]), .sorted = jinja_flag(args[3])};
    int64_t width;
    how.pretty = args[1].kind != JINJA_ABSENT && args[1].kind != JINJA_NONE;
    if (how.pretty && args[1].kind == JINJA_STRING) {
        how.indent = jinja_slice(args[1]);
    } else if (how.pretty) {
        TRY(jinja_arg_int(r, args[1], "indent", 0, &width));
        if (width > 1000)
            return jinja_fail(r, "tojson: an indent of more than 1000");
        char *spaces = arena_alloc(r->arena, 1001);
        if (!spaces)
            return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
        memset(spaces, ' ', 1000);
        how.indent = (slice){spaces, width > 0 ? (size_t)width : 0};
    }
    TRY(json_separators(r, args[2], &how));
    jinja_writer w = jinja_writer_new(r);
    TRY(jinja_write_json(&w, self, &how, 0));
    return jinja_written(&w, out);
}

FILTER(run_join)
{
    UNUSED(call);
    jinja_list *items;
    const jinja_string *separator = NULL, *s;
    TRY(jinja_items(r, self, &items));
    if (args[0].kind != JINJA_ABSENT)
        TRY(jinja_to_string(r, args[0], &separator));
    jinja_writer w = jinja_writer_new(r);
    for (size_t i = 0; i < items->count && w.failed == STATUS_OK; i++) {
        jinja_value item = items->items[i];
        if (args[1].kind != JINJA_ABSENT && args[1].kind != JINJA_NONE)
            TRY(jinja_path(r, item, args[1], (jinja_value){.kind = JINJA_ABSENT}, false, &item));
        TRY(jinja_to_string(r, item, &s));
        if (i && separator)
            jinja_write_string(&w, separator);
        jinja_write_string(&w, s);
    }
    return jinja_written(&w, out);
}

const jinja_native jinja_text_filters[] = {
    {"upper", "", 0, run_upper},
    {"lower", "", 0, run_lower},
    {"capitalize", "", 0, run_capitalize},
    {"title", "", 0, run_title},
    {"trim", "chars", 0, run_trim},
    {"center", "width", 0, run_center},
    {"replace", "old,new,count", 2, run_replace},
    {"string", "", 0, run_string},
    {"safe", "", 0, run_safe},
    {"escape", "", 0, run_escape},
    {"e", "", 0, run_escape},
    {"forceescape", "", 0, run_forceescape},
    {"format", NULL, 0, run_format},
    {"indent", "width,first,blank", 0, run_indent},
    {"truncate", "length,killwords,end,leeway", 0, run_truncate},
    {"wordcount", "", 0, run_wordcount},
    {"urlencode", "", 0, run_urlencode},
    {"tojson", "ensure_ascii,indent,separators,sort_keys", 0, run_tojson},
    {"join", "d,attribute", 0, run_join},
    {0},
};
