/* Templates of checkpoints, opened and rendered. */
#include "lm/chat.h"

#include "core/file.h"
#include "core/jsonio.h"

#include <string.h>

struct chat_format {
    const char *name;
    const tokenizer *tokenizer;
    jinja_template *template;
    const char *text;
    char hash[SHA256_HEX];
    const char *identity;
    const chat_text *specials;
    size_t special_count;
    jinja_dict *constants; /* special tokens and arguments */
    bool *control;         /* added tokens that the template writes */
    struct tm date;
    bool has_date;
};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a chat template");
}

static status render(const chat_format *f, arena *a, const chat_turn *turns, size_t count, unsigned flags, const json_t *tools,
                     bool *date_missing, jinja_output *out, error *err);

/* ---- opening ---- */

static const chat_text *find_named(const chat_files *files, const char *name)
{
    for (size_t i = 0; i < files->template_count; i++)
        if (strcmp(files->templates[i].name, name) == 0)
            return &files->templates[i];
    return NULL;
}

/* The text, and what it is called in messages. */
static status choose_template(arena *a, chat_format *f, const chat_files *files, const char *wanted, const char **source, error *err)
{
    const chat_text *found = find_named(files, wanted ? wanted : "default");
    slice text;
    if (!found && !wanted && files->template_count == 1)
        found = &files->templates[0];
    if (found) {
        f->text = found->text;
        *source = arena_printf(a, "%s: chat template", f->name);
        return *source ? STATUS_OK : no_memory(err);
    }
    if (wanted) {
        TRY(file_read(a, wanted, (size_t)1 << 22, &text, err));
        f->text = text.text;
        *source = wanted;
        return STATUS_OK;
    }
    error_set(err, STATUS_UNSUPPORTED, files->template_count ? "%s has several chat templates and none is named default"
                                                             : "%s has no chat template", f->name);
    return error_hint(err, "give one with --template FILE%s, or --prompt-style plain, which puts the texts to the model as they are",
                      files->template_count ? " or --template NAME" : "");
}

/* NAME=JSON */
static status add_argument(arena *a, chat_format *f, const char *text, error *err)
{
    static const char *const reserved[] = {"messages", "tools", "documents", "add_generation_prompt"};
    const char *equals = strchr(text, '=');
    json_t *value;
    if (!equals || equals == text)
        return error_set(err, STATUS_USAGE, "a template's argument: expected NAME=JSON, found \"%s\"", text);
    const char *name = arena_strndup(a, text, (size_t)(equals - text));
    if (!name)
        return no_memory(err);
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return error_set(err, STATUS_USAGE, "a template's argument cannot be \"%s\"", name);
    if (jsonio_parse(slice_of(equals + 1), name, &value, err) != STATUS_OK) {
        error_set(err, STATUS_USAGE, "the template's argument %s: \"%s\" is not JSON", name, equals + 1);
        return error_hint(err, "strings stand in quotes: --template-arg '%s=\"%s\"'", name, equals + 1);
    }
    jinja_dict_put(f->constants, name, jinja_from_json(a, value, JINJA_TEMPLATE));
    json_decref(value);
    return STATUS_OK;
}

/* YYYY-MM-DD, and THH:MM:SS where the time matters. */
static status read_date(chat_format *f, const char *text, error *err)
{
    int year, month, day, hour = 0, minute = 0, second = 0, used = 0, more = 0;
    bool good = sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3;
    if (good && text[used])
        good = sscanf(text + used, "T%2d:%2d:%2d%n", &hour, &minute, &second, &more) == 3 && text[used + more] == '\0';
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute,
                      .tm_sec = second};
    struct tm kept = date;
    if (good) {
        timegm(&date); /* the days of the week and the year; moves what is out of range */
        good = date.tm_mday == kept.tm_mday && date.tm_mon == kept.tm_mon && date.tm_hour == kept.tm_hour &&
               date.tm_min == kept.tm_min && date.tm_sec == kept.tm_sec && year > 0;
    }
    if (!good)
        return error_set(err, STATUS_USAGE, "the template's date \"%s\": expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS", text);
    f->date = date;
    f->has_date = true;
    return STATUS_OK;
}

static status describe(arena *a, chat_format *f, const chat_options *o, error *err)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(f->text, strlen(f->text), digest);
    sha256_hex(digest, f->hash);
    strbuf text = strbuf_new(a, 1 << 20);
    bool own = strcmp(f->text, chat_template) == 0;
    if (!own)
        strbuf_printf(&text, " template:%.16s", f->hash);
    for (size_t i = 0; i < o->argument_count; i++)
        strbuf_printf(&text, " %s", o->arguments[i]);
    if (o->date)
        strbuf_printf(&text, " date=%s", o->date);
    f->identity = text.text ? text.text : "";
    return text.failed ? no_memory(err) : STATUS_OK;
}

/* Added tokens such as <think> or [TOOL] that the template writes are as good as special: a user's are letters. Not so
 * those that are mere text, such as several spaces. */
static status find_control(arena *a, chat_format *f, error *err)
{
    f->control = ARENA_ARRAY(a, bool, tokenizer_size(f->tokenizer) + 1);
    if (!f->control)
        return no_memory(err);
    for (size_t i = 0; i < tokenizer_added_count(f->tokenizer); i++) {
        int32_t id = tokenizer_added_at(f->tokenizer, i);
        slice text = tokenizer_bytes(f->tokenizer, id);
        char first = text.length > 2 ? text.text[0] : '\0', last = text.length > 2 ? text.text[text.length - 1] : '\0';
        bool tag = (first == '<' && last == '>') || (first == '[' && last == ']');
        f->control[id] = tag && jinja_writes(f->template, text);
    }
    return STATUS_OK;
}

/* Whether the template writes the date into an ordinary conversation: better said once, before anything is asked. */
static status check_date(const chat_format *f, error *err)
{
    const chat_turn talk[] = {{.role = "system", .text = SLICE("Hello.")}, {.role = "user", .text = SLICE("Hello.")}};
    bool missing = false;
    for (size_t from = 0; from < COUNT_OF(talk) && !missing; from++) {
        arena *scratch = arena_new(NULL);
        jinja_output out;
        if (!scratch)
            return no_memory(err);
        render(f, scratch, talk + from, COUNT_OF(talk) - from, CHAT_ANSWER, NULL, &missing, &out, NULL); /* what else is wrong shows later */
        arena_free(scratch);
    }
    if (!missing)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "the chat template of %s writes today's date, and none was given", f->name);
    return error_hint(err, "say which with --template-date, such as --template-date 2026-03-07: so that the same command gives "
                           "the same answers another day");
}

status chat_format_open(arena *a, const char *name, const chat_files *files, const tokenizer *t,
                        const chat_options *options, chat_format **out, error *err)
{
    static const chat_options none;
    const chat_options *o = options ? options : &none;
    const char *source;
    chat_format *f = ARENA_NEW(a, chat_format);
    if (!f)
        return no_memory(err);
    *f = (chat_format){.name = name, .tokenizer = t, .specials = files->specials, .special_count = files->special_count,
                       .constants = jinja_dict_new(a)};
    TRY(choose_template(a, f, files, o->template, &source, err));
    if (jinja_parse(a, slice_of(f->text), source, &f->template, err) != STATUS_OK) {
        error_hint(err, "give another with --template FILE, or --prompt-style plain");
        return err ? err->code : STATUS_INVALID;
    }
    for (size_t i = 0; i < files->special_count; i++)
        jinja_dict_put(f->constants, files->specials[i].name,
                       jinja_text(a, slice_of(files->specials[i].text), JINJA_TEMPLATE));
    for (size_t i = 0; i < o->argument_count; i++)
        TRY(add_argument(a, f, o->arguments[i], err));
    if (o->date)
        TRY(read_date(f, o->date, err));
    TRY(describe(a, f, o, err));
    TRY(find_control(a, f, err));
    *out = f;
    if (jinja_of_dict(f->constants).kind == JINJA_ABSENT)
        return no_memory(err);
    return f->has_date || !jinja_names(f->template, "strftime_now") ? STATUS_OK : check_date(f, err);
}

const char *chat_format_text(const chat_format *f)
{
    return f->text;
}

bool chat_format_names(const chat_format *f, const char *variable)
{
    return jinja_names(f->template, variable);
}

bool chat_format_writes(const chat_format *f, slice words)
{
    return jinja_writes(f->template, words);
}

const char *chat_format_hash(const chat_format *f)
{
    return f->hash;
}

const char *chat_format_identity(const chat_format *f)
{
    return f->identity;
}

bool chat_format_writes_bos(const chat_format *f, int32_t bos)
{
    slice text = tokenizer_bytes(f->tokenizer, bos);
    return bos >= 0 && (jinja_names(f->template, "bos_token") || (text.length && jinja_writes(f->template, text)));
}

/* ---- rendering ---- */

/* Arguments that are a JSON object become one, so that templates can write it; else the text stays. */
static jinja_value arguments_value(arena *a, slice text)
{
    json_t *value;
    if (jsonio_parse(text, "arguments", &value, NULL) != STATUS_OK)
        return jinja_text(a, text, JINJA_DATA);
    jinja_value out = json_is_object(value) ? jinja_from_json(a, value, JINJA_DATA) : jinja_text(a, text, JINJA_DATA);
    json_decref(value);
    return out;
}

static jinja_value calls_value(arena *a, const chat_turn *turn)
{
    jinja_list *calls = jinja_list_new(a);
    for (size_t i = 0; i < turn->call_count; i++) {
        const chat_call *c = &turn->calls[i];
        jinja_dict *function = jinja_dict_new(a), *call = jinja_dict_new(a);
        jinja_dict_put(function, "name", jinja_text(a, c->name, JINJA_DATA));
        jinja_dict_put(function, "arguments", arguments_value(a, c->arguments));
        jinja_dict_put(call, "id", jinja_text(a, c->id, JINJA_DATA));
        jinja_dict_put(call, "type", jinja_text(a, SLICE("function"), JINJA_TEMPLATE));
        jinja_dict_put(call, "function", jinja_of_dict(function));
        jinja_list_add(calls, jinja_of_dict(call));
    }
    return jinja_of_list(calls);
}

/* A turn as templates know it. Reasoning has two names among them. */
static jinja_value turn_value(arena *a, const chat_turn *turn)
{
    jinja_dict *m = jinja_dict_new(a);
    jinja_dict_put(m, "role", jinja_text(a, slice_of(turn->role), JINJA_TEMPLATE));
    jinja_dict_put(m, "content", jinja_text(a, turn->text, JINJA_DATA));
    if (turn->reasoning.text) {
        jinja_dict_put(m, "reasoning_content", jinja_text(a, turn->reasoning, JINJA_DATA));
        jinja_dict_put(m, "thinking", jinja_text(a, turn->reasoning, JINJA_DATA));
    }
    if (turn->call_count)
        jinja_dict_put(m, "tool_calls", calls_value(a, turn));
    if (turn->call_id.text)
        jinja_dict_put(m, "tool_call_id", jinja_text(a, turn->call_id, JINJA_DATA));
    if (turn->name.text)
        jinja_dict_put(m, "name", jinja_text(a, turn->name, JINJA_DATA));
    return jinja_of_dict(m);
}

static status check_words(const chat_turn *turns, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!utf8_valid(turns[i].text) || !utf8_valid(turns[i].reasoning))
            return error_set(err, STATUS_INVALID, "message %zu is not UTF-8", i + 1);
    return STATUS_OK;
}

/* Where the template puts the end of the given words: two letters for private use and a space, of which the space goes
 * where a template trims. */
#define END_OF_START "\xef\xa3\xbf\xef\xa3\xbe "

static slice without_space_behind(slice s)
{
    while (s.length && strchr(" \t\n\r\v\f", s.text[s.length - 1]))
        s.length--;
    return s;
}

/* Cuts the text where the start of the answer ends. */
static status cut_behind(const chat_format *f, slice given, jinja_output *out, error *err)
{
    slice mark = SLICE(END_OF_START), bare = slice_sub(mark, 0, mark.length - 1), text = out->text;
    size_t at = SIZE_MAX;
    for (size_t next = 0; (next = slice_find(text, bare, next)) != SIZE_MAX; next++)
        at = next;
    if (at == SIZE_MAX || slice_find(text, slice_trim(given), 0) == SIZE_MAX)
        return error_set(err, STATUS_UNSUPPORTED, "%s: its chat template does not keep the start of an answer as it is given",
                         f->name);
    bool whole = slice_starts(slice_sub(text, at, text.length), mark);
    out->text = slice_sub(text, 0, at);
    if (!whole)
        out->text = without_space_behind(out->text);
    while (out->generation_count && out->generation[out->generation_count - 1].start >= out->text.length)
        out->generation_count--;
    if (out->generation_count && out->generation[out->generation_count - 1].end > out->text.length)
        out->generation[out->generation_count - 1].end = out->text.length;
    return STATUS_OK;
}

static jinja_value messages_value(arena *a, const chat_turn *turns, size_t count, bool open)
{
    jinja_list *messages = jinja_list_new(a);
    for (size_t i = 0; i < count; i++) {
        chat_turn turn = turns[i];
        if (open && i + 1 == count) {
            strbuf text = strbuf_new(a, turn.text.length + sizeof END_OF_START);
            strbuf_add_slice(&text, turn.text);
            strbuf_add(&text, END_OF_START);
            turn.text = strbuf_slice(&text);
            if (text.failed)
                return (jinja_value){.kind = JINJA_ABSENT};
        }
        jinja_list_add(messages, turn_value(a, &turn));
    }
    return jinja_of_list(messages);
}

static status render(const chat_format *f, arena *a, const chat_turn *turns, size_t count, unsigned flags, const json_t *tools,
                     bool *date_missing, jinja_output *out, error *err)
{
    static const char *const fixed[] = {"tools", "documents"};
    jinja_dict *variables = jinja_dict_new(a);
    bool open = (flags & CHAT_CONTINUE) && count > 0;
    TRY(check_words(turns, count, err));
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        jinja_dict_put(variables, fixed[i], jinja_none());
    jinja_dict_merge(variables, f->constants);
    jinja_dict_put(variables, "messages", messages_value(a, turns, count, open));
    if (tools)
        jinja_dict_put(variables, "tools", jinja_from_json(a, tools, JINJA_DATA));
    jinja_dict_put(variables, "add_generation_prompt", jinja_bool((flags & CHAT_ANSWER) && !open));
    jinja_settings settings = {.now = f->has_date ? &f->date : NULL, .date_missing = date_missing};
    if (jinja_of_dict(variables).kind == JINJA_ABSENT)
        return no_memory(err);
    TRY(jinja_render(f->template, a, variables, &settings, out, err));
    return open ? cut_behind(f, turns[count - 1].text, out, err) : STATUS_OK;
}

status chat_render(const chat_format *f, arena *a, const chat_turn *turns, size_t count, unsigned flags,
                   const json_t *tools, jinja_output *out, error *err)
{
    return render(f, a, turns, count, flags, tools, NULL, out, err);
}

status chat_tokens(const chat_format *f, const jinja_output *prompt, slice behind, token_list *out, error *err)
{
    size_t length = prompt->text.length, total = length + behind.length;
    tokenizer_marks marks = {.data = prompt->data, .control = f->control};
    if (!behind.length)
        return tokenizer_encode_marked(f->tokenizer, prompt->text, &marks, out, err);
    arena *scratch = arena_new(NULL);
    char *text = arena_alloc(scratch, total);
    unsigned char *data = arena_alloc(scratch, total);
    status result = text && data ? STATUS_OK : no_memory(err);
    if (result == STATUS_OK) {
        memcpy(text, prompt->text.text, length);
        memcpy(text + length, behind.text, behind.length);
        if (prompt->data)
            memcpy(data, prompt->data, length);
        memset(data + length, 1, behind.length);
        marks.data = data;
        result = tokenizer_encode_marked(f->tokenizer, (slice){text, total}, &marks, out, err);
    }
    arena_free(scratch);
    return result;
}
