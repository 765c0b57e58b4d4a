#include "serve/request.h"

#include "core/jsonio.h"

#include <string.h>

static const char *type_words(const json_t *v)
{
    static const char *const words[] = {[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",   [JSON_STRING] = "a string",
                                        [JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
                                        [JSON_FALSE] = "false", [JSON_NULL] = "null"};
    return v ? words[json_typeof(v)] : "nothing";
}

bool request_expected(request_reader *r, const char *what, const json_t *found)
{
    if (json_is_integer(found))
        return problem_set(r->problem, 400, r->name, "%s: expected %s, found %lld", r->name, what,
                           (long long)json_integer_value(found));
    if (json_is_real(found))
        return problem_set(r->problem, 400, r->name, "%s: expected %s, found %g", r->name, what, json_real_value(found));
    return problem_set(r->problem, 400, r->name, "%s: expected %s, found %s", r->name, what, type_words(found));
}

bool request_no_memory(request_reader *r)
{
    return problem_set(r->problem, 503, NULL, "out of memory for this request");
}

static const request_row *find_row(request_kind kind, const char *name)
{
    for (size_t i = 0; i < request_table_count; i++)
        if ((request_table[i].kinds & kind) && strcmp(request_table[i].name, name) == 0)
            return &request_table[i];
    return NULL;
}

/* "false|0" and so on, each as JSON. */
static bool is_neutral(const char *neutral, const json_t *value)
{
    slice rest = slice_of(neutral), part;
    while (slice_cut(&rest, '|', &part)) {
        json_t *known = json_loadb(part.text, part.length, JSON_DECODE_ANY, NULL);
        bool same = known && (json_is_number(known) && json_is_number(value)
                                  ? json_number_value(known) == json_number_value(value)
                                  : json_equal(known, value));
        json_decref(known);
        if (same)
            return true;
    }
    return false;
}

static bool unknown(request_reader *r, request_kind kind, const char *name)
{
    const char **names = ARENA_ARRAY(r->arena, const char *, request_table_count);
    size_t count = 0;
    if (!names)
        return request_no_memory(r);
    for (size_t i = 0; i < request_table_count; i++)
        if (request_table[i].kinds & kind)
            names[count++] = request_table[i].name;
    int nearest = text_nearest(name, names, count);
    if (nearest >= 0)
        return problem_set(r->problem, 400, name, "unknown parameter \"%.60s\"; did you mean %s?", name, names[nearest]);
    return problem_set(r->problem, 400, name, "unknown parameter \"%.60s\"", name);
}

static bool read_one(request_reader *r, request_kind kind, const char *name, const json_t *value)
{
    const request_row *row = find_row(kind, name);
    r->name = name;
    if (!row)
        return unknown(r, kind, name);
    if (row->fate == IGNORED || json_is_null(value))
        return true;
    if (row->fate != NEUTRAL)
        return request_read_row(r, row, value);
    if (is_neutral(row->neutral, value))
        return true;
    return problem_set(r->problem, 400, name, "%s is not supported here: leave it out (or give %s)", name, row->neutral);
}

/* What only holds together. */
static bool check_whole(request_reader *r)
{
    const request *q = r->out;
    problem *p = r->problem;
    if ((q->kind == REQUEST_CHAT) && q->message_count == 0)
        return problem_set(p, 400, "messages", "messages: expected at least one message");
    if (q->kind == REQUEST_COMPLETIONS && q->prompt_count == 0)
        return problem_set(p, 400, "prompt", "prompt: expected a text, token ids, or a list of them");
    if (q->kind == REQUEST_TOKENIZE && q->message_count == 0 && q->prompt_count == 0)
        return problem_set(p, 400, "prompt", "expected a text in \"prompt\" (or \"content\"), or \"messages\"");
    if (q->kind == REQUEST_DETOKENIZE && q->prompt_count == 0)
        return problem_set(p, 400, "tokens", "tokens: expected a list of token ids");
    if (q->kind == REQUEST_CHAT && q->top > 0 && !q->logprobs)
        return problem_set(p, 400, "top_logprobs", "top_logprobs needs logprobs: true");
    if (q->continues && q->messages[q->message_count - 1].role != MESSAGE_ASSISTANT)
        return problem_set(p, 400, "continue_final_message", "continue_final_message: the last message is not the assistant's");
    if (q->no_generation_prompt && !q->continues)
        return problem_set(p, 400, "add_generation_prompt", "add_generation_prompt: false needs continue_final_message: true");
    if (q->stream && (q->echo || q->prompt_logprobs >= 0))
        return problem_set(p, 400, "stream", "stream cannot go together with %s", q->echo ? "echo" : "prompt_logprobs");
    if (q->include_usage && !q->stream)
        return problem_set(p, 400, "stream_options", "stream_options needs stream: true");
    if (q->n > 1 && q->prompt_count > 1 && q->n > REQUEST_MOST_PARTS / (int64_t)q->prompt_count)
        return problem_set(p, 400, "n", "n times the number of prompts: expected at most %d answers", REQUEST_MOST_PARTS);
    return true;
}

/* The last message becomes the start of the answer. */
static bool set_prefill(request_reader *r)
{
    request *q = r->out;
    if (!q->continues)
        return true;
    message *last = &q->messages[q->message_count - 1];
    block *blocks = ARENA_ARRAY(r->arena, block, last->count + 1);
    if (!blocks)
        return request_no_memory(r);
    for (size_t i = 0; i < last->count; i++) {
        blocks[i] = last->blocks[i];
        if (blocks[i].kind == BLOCK_TEXT)
            blocks[i].kind = BLOCK_PREFILL;
    }
    last->blocks = blocks;
    return true;
}

static void drop_json(void *context)
{
    json_decref(context);
}

static bool read_all(request_reader *r, request_kind kind, json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
        if (!read_one(r, kind, name, value))
            return false;
    if (r->out->no_calls)
        r->out->tools = NULL;
    return check_whole(r) && set_prefill(r);
}

bool request_parse(arena *a, request_kind kind, slice body, request *out, problem *p)
{
    json_t *json;
    error err = {0};
    *out = (request){.kind = kind, .max_tokens = -1, .temperature = 1, .top_p = 1, .n = 1, .prompt_logprobs = -1};
    if (jsonio_parse(body, "the body", &json, &err) != STATUS_OK)
        return problem_set(p, err.code == STATUS_MEMORY ? 503 : 400, NULL, "%s", err.message);
    if (!arena_on_free(a, drop_json, json))
        return problem_set(p, 503, NULL, "out of memory for this request");
    if (!json_is_object(json))
        return problem_set(p, 400, NULL, "the body: expected a JSON object, found %s", type_words(json));
    request_reader r = {.arena = a, .out = out, .problem = p, .body = json};
    return read_all(&r, kind, json);
}
