#include "lm/tool_calls.h"

#include "core/jsonio.h"

#include <string.h>

static bool writes_any(const chat_format *f, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] && chat_format_writes(f, slice_of(words[i])))
            return true;
    return false;
}

tool_form tool_form_of(const chat_format *f)
{
    /* What a template of the form writes, and what those write that look like it. */
    static const struct {
        const char *mark, *too;
        tool_form form;
    } rows[] = {
        {"<tool_call>", "arguments", TOOL_FORM_TAGGED},
        {"[TOOL_CALLS]", "[TOOL_CALLS]", TOOL_FORM_LISTED},
        {"{\"name\": ", "\"parameters\": ", TOOL_FORM_BARE},
    };
    static const char *const others[] = {"<function=", "<arg_key>", "<invoke", "tool_name", "<|tool_call", "<tool_calls>"};
    if (!f || !chat_format_names(f, "tools") || writes_any(f, others, COUNT_OF(others)))
        return TOOL_FORM_NONE;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (chat_format_writes(f, slice_of(rows[i].mark)) && chat_format_writes(f, slice_of(rows[i].too)))
            return rows[i].form;
    return TOOL_FORM_NONE;
}

/* ---- one call --------------------------------------------------------------------------------------------------- */

typedef struct reader {
    arena *arena;
    const json_t *tools;
    slice whole;
    uint64_t salt;
    tool_reading *out;
    bool no_memory;
} reader;

static bool is_offered(const reader *r, const char *name)
{
    size_t i;
    json_t *tool;
    json_array_foreach((json_t *)r->tools, i, tool) {
        const char *known = json_string_value(json_object_get(tool, "name"));
        if (known && strcmp(known, name) == 0)
            return true;
    }
    return false;
}

static slice make_id(reader *r)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned char digest[SHA256_BYTES];
    char id[TOOL_ID_CHARACTERS];
    strbuf text = strbuf_new(r->arena, (size_t)1 << 30);
    strbuf_printf(&text, "%llu %zu ", (unsigned long long)r->salt, r->out->count);
    strbuf_add_slice(&text, r->whole);
    sha256_of(text.text ? text.text : "", text.length, digest);
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = digits[digest[i] % 62];
    char *kept = arena_strndup(r->arena, id, sizeof id);
    r->no_memory |= text.failed || !kept;
    return (slice){kept, sizeof id};
}

static bool add_call(reader *r, const char *name, const json_t *arguments)
{
    if (r->out->count == TOOL_CALLS_MOST)
        return false;
    strbuf text = strbuf_new(r->arena, (size_t)1 << 28);
    slice id = make_id(r);
    const char *kept = arena_strdup(r->arena, name);
    r->no_memory |= jsonio_print(arguments, 0, &text, NULL) != STATUS_OK || text.failed || !kept;
    if (r->no_memory)
        return false;
    r->out->calls[r->out->count++] = (chat_call){.id = id, .name = slice_of(kept), .arguments = strbuf_slice(&text)};
    return true;
}

/* {"name", "arguments" or "parameters"}, also as OpenAI writes it: {"type": "function", "function": {...}} */
static bool take_object(reader *r, const json_t *call, bool marked)
{
    const json_t *function = json_object_get(call, "function");
    if (json_is_object(function))
        call = function;
    const char *name = json_string_value(json_object_get(call, "name"));
    const json_t *given = json_object_get(call, "arguments");
    given = given ? given : json_object_get(call, "parameters");
    if (!name || !name[0] || strlen(name) != json_string_length(json_object_get(call, "name")) || !json_is_object(given))
        return false;
    return (marked || is_offered(r, name)) && add_call(r, name, given);
}

/* ---- forms ------------------------------------------------------------------------------------------------------ */

/* Up to where the first bracket is closed; 0: never. */
static size_t bracketed(slice s)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.length; i++) {
        char c = s.text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else {
            quoted = c == '"';
            depth += c == '{' || c == '[';
            depth -= depth > 0 && (c == '}' || c == ']');
            if (depth == 0)
                return c == '}' || c == ']' ? i + 1 : 0;
        }
    }
    return 0;
}

/* The JSON object or list at the head of *rest, which moves behind it; NULL where there is none. */
static json_t *take_json(slice *rest)
{
    json_t *value = NULL;
    *rest = slice_trim(*rest);
    size_t length = bracketed(*rest);
    if (length == 0 || jsonio_parse(slice_sub(*rest, 0, length), "call", &value, NULL) != STATUS_OK)
        return NULL;
    *rest = slice_sub(*rest, length, rest->length);
    return value;
}

/* Texts between marks are calls; the others stay. A mark without a call behind it makes all of it text. */
static bool read_tagged(reader *r, strbuf *left)
{
    slice open = SLICE("<tool_call>"), close = SLICE("</tool_call>"), rest = r->whole;
    for (size_t at; (at = slice_find(rest, open, 0)) != SIZE_MAX;) {
        strbuf_add_slice(left, slice_sub(rest, 0, at));
        rest = slice_sub(rest, at + open.length, rest.length);
        json_t *call = take_json(&rest);
        bool taken = call && take_object(r, call, true);
        json_decref(call);
        rest = slice_trim(rest);
        bool closed = slice_starts(rest, close);
        if (!taken || (!closed && rest.length > 0)) /* the model may have ended with the call */
            return false;
        rest = slice_sub(rest, closed ? close.length : 0, rest.length);
    }
    strbuf_add_slice(left, rest);
    return r->out->count > 0;
}

/* Objects, or lists of them, one behind the other, and nothing else. */
static bool read_values(reader *r, slice rest, bool marked)
{
    for (rest = slice_trim(rest); rest.length > 0; rest = slice_trim(rest)) {
        json_t *value = take_json(&rest), *each;
        size_t i;
        bool taken = json_is_array(value) ? json_array_size(value) > 0 : value && take_object(r, value, marked);
        if (json_is_array(value))
            json_array_foreach(value, i, each)
                taken = taken && take_object(r, each, marked);
        json_decref(value);
        if (!taken)
            return false;
        rest = slice_trim(rest);
        if (rest.length > 0 && rest.text[0] == ';')
            rest = slice_sub(rest, 1, rest.length);
    }
    return r->out->count > 0;
}

/* f{...}, also with [ARGS], or [CALL_ID]...[ARGS], between. */
static bool read_named(reader *r, slice rest, bool marked)
{
    size_t brace = slice_find(rest, SLICE("{"), 0);
    if (brace == SIZE_MAX)
        return false;
    slice name = slice_sub(rest, 0, brace);
    size_t args = slice_find(name, SLICE("[ARGS]"), 0), id = slice_find(name, SLICE("[CALL_ID]"), 0), end = args < id ? args : id;
    name = slice_trim(args == SIZE_MAX ? name : slice_sub(name, 0, end));
    rest = slice_sub(rest, brace, rest.length);
    for (size_t i = 0; i < name.length; i++)
        if (strchr(" \t\r\n[]{}\"", name.text[i]))
            return false;
    const char *word = arena_strndup(r->arena, name.text, name.length);
    json_t *given = take_json(&rest);
    r->no_memory |= !word;
    bool taken = word && name.length > 0 && json_is_object(given) && (marked || is_offered(r, word)) && slice_trim(rest).length == 0 &&
                 add_call(r, word, given);
    json_decref(given);
    return taken;
}

/* Behind each mark a list or a named call; what stands before the first stays. */
static bool read_listed(reader *r, strbuf *left)
{
    slice mark = SLICE("[TOOL_CALLS]"), rest = r->whole;
    size_t at = slice_find(rest, mark, 0);
    if (at == SIZE_MAX)
        return read_values(r, rest, false) || (r->out->count = 0, read_named(r, rest, false));
    strbuf_add_slice(left, slice_sub(rest, 0, at));
    while (at != SIZE_MAX) {
        rest = slice_sub(rest, at + mark.length, rest.length);
        at = slice_find(rest, mark, 0);
        slice one = slice_trim(at == SIZE_MAX ? rest : slice_sub(rest, 0, at));
        size_t before = r->out->count;
        if (!read_values(r, one, true) && (r->out->count = before, !read_named(r, one, true)))
            return false;
    }
    return true;
}

static bool read_bare(reader *r)
{
    slice rest = slice_trim(r->whole), tag = SLICE("<|python_tag|>");
    bool marked = slice_starts(rest, tag);
    return read_values(r, marked ? slice_sub(rest, tag.length, rest.length) : rest, marked);
}

status tool_calls_read(arena *a, tool_form form, const json_t *tools, slice text, uint64_t salt, tool_reading *out, error *err)
{
    *out = (tool_reading){.text = text, .calls = ARENA_ARRAY(a, chat_call, TOOL_CALLS_MOST)};
    strbuf left = strbuf_new(a, text.length + 1);
    reader r = {.arena = a, .tools = tools, .whole = text, .salt = salt, .out = out};
    if (!out->calls)
        return error_set(err, STATUS_MEMORY, "out of memory while reading calls of tools");
    strbuf_add(&left, "");
    bool found = form == TOOL_FORM_TAGGED   ? read_tagged(&r, &left)
                 : form == TOOL_FORM_LISTED ? read_listed(&r, &left)
                 : form == TOOL_FORM_BARE   ? read_bare(&r)
                                            : false;
    if (r.no_memory || left.failed)
        return error_set(err, STATUS_MEMORY, "out of memory while reading calls of tools");
    if (found)
        out->text = slice_trim(strbuf_slice(&left));
    else
        out->count = 0;
    return STATUS_OK;
}
