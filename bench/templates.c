/* templates.c - renders templates, so that scripts in bench/peers/ can compare them with jinja2 and `transformers`.
 *
 *     bench_templates LINES
 *     bench_templates ids FOLDER CHATS
 *
 * The second prints the ids of conversations (each line a list of {"role", "content"} and, where there are some,
 * "reasoning_content", "tool_calls", "tool_call_id", "name") by the tokenizer and template of a checkpoint's folder, an
 * answer wanted. In the first each line is {"template": TEXT, "variables": {...}, "now": [year, month, day, hour, minute, second]}; what is printed
 * for it is {"text": TEXT, "generation": [[start, end], ...], "data": N} (places in code points; N bytes are marked as
 * data: all variables are) or {"error": WORDS}.
 */
#include "core/file.h"
#include "core/jsonio.h"
#include "lm/chat.h"

#include <stdlib.h>

static bool read_now(const json_t *list, struct tm *out)
{
    if (json_array_size(list) != 6)
        return false;
    int parts[6];
    for (size_t i = 0; i < 6; i++)
        parts[i] = (int)json_integer_value(json_array_get(list, i));
    *out = (struct tm){.tm_year = parts[0] - 1900, .tm_mon = parts[1] - 1, .tm_mday = parts[2], .tm_hour = parts[3],
                       .tm_min = parts[4], .tm_sec = parts[5]};
    timegm(out); /* the day of the week and of the year */
    return true;
}

static size_t points(const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static status render(arena *a, const json_t *line, json_t **out, error *err)
{
    const char *key;
    json_t *value;
    jinja_template *t;
    jinja_output rendered;
    struct tm now;
    const json_t *text = json_object_get(line, "template");
    jinja_settings settings = {.now = read_now(json_object_get(line, "now"), &now) ? &now : NULL};
    TRY(jinja_parse(a, (slice){json_string_value(text), json_string_length(text)}, "template", &t, err));
    jinja_dict *variables = jinja_dict_new(a);
    json_object_foreach(json_object_get(line, "variables"), key, value)
        jinja_dict_put(variables, key, jinja_from_json(a, value, JINJA_DATA));
    TRY(jinja_render(t, a, variables, &settings, &rendered, err));
    json_t *spans = json_array();
    for (size_t i = 0; i < rendered.generation_count; i++)
        json_array_append_new(spans, json_pack("[I, I]", (json_int_t)points(rendered.text.text, rendered.generation[i].start),
                                               (json_int_t)points(rendered.text.text, rendered.generation[i].end)));
    size_t marked = 0;
    for (size_t i = 0; rendered.data && i < rendered.text.length; i++)
        marked += rendered.data[i];
    *out = json_pack("{s:s%, s:o, s:I}", "text", rendered.text.text, rendered.text.length, "generation", spans, "data",
                     (json_int_t)marked);
    return STATUS_OK;
}

static status run(arena *a, const char *path, error *err)
{
    slice text, line;
    TRY(file_read(a, path, (size_t)1 << 30, &text, err));
    for (size_t number = 0; slice_cut(&text, '\n', &line); number++) {
        json_t *value, *out = NULL;
        error own = {0};
        if (line.length == 0)
            continue;
        TRY(jsonio_parse_line(line, path, number, &value, err));
        arena *scratch = arena_new(NULL);
        if (render(scratch, value, &out, &own) != STATUS_OK)
            out = json_pack("{s:s}", "error", own.message);
        char *printed = json_dumps(out, JSON_COMPACT);
        puts(printed ? printed : "null");
        free(printed);
        json_decref(out);
        json_decref(value);
        arena_free(scratch);
    }
    return STATUS_OK;
}

/* ---- ids ---- */

static status read_from(void *context, const char *file, const char **path, slice *text, error *err)
{
    arena *a = arena_new(NULL); /* for the whole program */
    *path = file_join(a, context, file);
    *text = (slice){0};
    return file_exists(*path) ? file_read(a, *path, (size_t)1 << 28, text, err) : STATUS_OK;
}

static slice member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return (slice){json_string_value(value), json_string_length(value)};
}

static chat_turn turn_of(arena *a, const json_t *message)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    chat_call *list = ARENA_ARRAY(a, chat_call, json_array_size(calls) + 1);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
        char *arguments = json_dumps(json_object_get(function, "arguments"), JSON_COMPACT);
        list[i] = (chat_call){member(call, "id"), member(function, "name"), slice_of(arena_strdup(a, arguments))};
        free(arguments);
    }
    return (chat_turn){.role = json_string_value(json_object_get(message, "role")), .text = member(message, "content"),
                       .reasoning = member(message, "reasoning_content"), .calls = list, .call_count = json_array_size(calls),
                       .call_id = member(message, "tool_call_id"), .name = member(message, "name")};
}

static status print_ids(const chat_format *f, arena *a, const json_t *chat, error *err)
{
    token_list ids = {.arena = a};
    jinja_output prompt;
    chat_turn *turns = ARENA_ARRAY(a, chat_turn, json_array_size(chat) + 1);
    for (size_t i = 0; i < json_array_size(chat); i++)
        turns[i] = turn_of(a, json_array_get(chat, i));
    TRY(chat_render(f, a, turns, json_array_size(chat), CHAT_ANSWER, NULL, &prompt, err));
    TRY(chat_tokens(f, &prompt, (slice){"", 0}, &ids, err));
    printf("[");
    for (size_t i = 0; i < ids.count; i++)
        printf("%s%d", i ? ", " : "", (int)ids.ids[i]);
    puts("]");
    return STATUS_OK;
}

static status run_ids(arena *a, char *folder, const char *path, error *err)
{
    slice text, line;
    chat_files files;
    tokenizer *t;
    chat_format *f;
    TRY(tokenizer_read(a, file_join(a, folder, "tokenizer.json"), &t, err));
    TRY(chat_files_read(a, read_from, folder, &files, err));
    TRY(chat_format_open(a, folder, &files, t, &(chat_options){.date = "2026-03-07"}, &f, err));
    TRY(file_read(a, path, (size_t)1 << 30, &text, err));
    for (size_t number = 0; slice_cut(&text, '\n', &line); number++) {
        json_t *chat;
        error own = {0};
        if (line.length == 0)
            continue;
        TRY(jsonio_parse_line(line, path, number, &chat, err));
        arena *scratch = arena_new(NULL);
        if (print_ids(f, scratch, chat, &own) != STATUS_OK)
            puts("null");
        arena_free(scratch);
        json_decref(chat);
    }
    return STATUS_OK;
}

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = count == 2                                     ? run(a, words[1], &err)
                    : count == 4 && strcmp(words[1], "ids") == 0 ? run_ids(a, words[2], words[3], &err)
                    : error_set(&err, STATUS_USAGE, "usage: see the head of bench/templates.c");
    if (result != STATUS_OK)
        fprintf(stderr, "bench_templates: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
