/* OpenAI's forms of answers. */
#include "serve/inside.h"

#include "core/jsonio.h"

#include <string.h>

static bool is_chat(const job *j)
{
    return j->request.kind == REQUEST_CHAT;
}

json_t *json_text(slice bytes)
{
    if (utf8_valid(bytes))
        return json_stringn(bytes.text ? bytes.text : "", bytes.length);
    strbuf clean = strbuf_new(NULL, (size_t)1 << 30);
    for (size_t at = 0; at < bytes.length;)
        strbuf_add_utf8(&clean, utf8_next(bytes, &at));
    json_t *text = clean.failed ? NULL : json_stringn(clean.text, clean.length);
    strbuf_free(&clean);
    return text;
}

json_t *answer_usage(const job *j)
{
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)j->prompt_tokens, "completion_tokens",
                     (json_int_t)j->completion_tokens, "total_tokens", (json_int_t)(j->prompt_tokens + j->completion_tokens),
                     "prompt_tokens_details", "cached_tokens", (json_int_t)j->cached_tokens);
}

static json_t *frame(const job *j, const char *object, json_t *choices)
{
    const server *s = j->server;
    char id[64];
    snprintf(id, sizeof id, "%s-%s", is_chat(j) ? "chatcmpl" : "cmpl", j->id);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", id, "object", object, "created", (json_int_t)j->created, "model",
                     j->request.model ? j->request.model : s->model, "system_fingerprint", s->fingerprint, "choices", choices);
}

static json_t *finish_word(const char *finish)
{
    return finish ? json_string(finish) : json_null();
}

/* The list of a chat's tokens stands in an object. */
static json_t *logprobs_of(const job *j, json_t *logprobs)
{
    if (!logprobs)
        return json_null();
    return is_chat(j) ? json_pack("{s:o, s:n}", "content", logprobs, "refusal") : logprobs;
}

json_t *answer_choice(const job *j, size_t index, slice text, const char *finish, json_t *logprobs)
{
    logprobs = logprobs_of(j, logprobs);
    if (is_chat(j))
        return json_pack("{s:I, s:{s:s, s:o, s:n}, s:o, s:o}", "index", (json_int_t)index, "message", "role", "assistant",
                         "content", json_text(text), "refusal", "logprobs", logprobs, "finish_reason", finish_word(finish));
    return json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)index, "text", json_text(text), "logprobs", logprobs,
                     "finish_reason", finish_word(finish));
}

void answer_whole(job *j)
{
    json_t *choices = json_array();
    for (size_t i = 0; i < j->part_count; i++) {
        json_array_append_new(choices, j->parts[i].choice);
        j->parts[i].choice = NULL;
    }
    json_t *body = frame(j, is_chat(j) ? "chat.completion" : "text_completion", choices);
    json_object_set_new(body, "usage", answer_usage(j));
    if (j->prompt_logprobs) {
        json_object_set_new(body, "prompt_logprobs", j->prompt_logprobs);
        j->prompt_logprobs = NULL;
    }
    strbuf text = job_text();
    if (!body || json_array_size(choices) != j->part_count || jsonio_print(body, 0, &text, NULL) != STATUS_OK)
        text.failed = true;
    strbuf_add_char(&text, '\n');
    json_decref(body);
    job_finish(j, 200, "application/json", &text);
}

/* ---- streams ---------------------------------------------------------------------------------------------------- */

static void send_event(job *j, json_t *body)
{
    strbuf event = strbuf_new(NULL, (size_t)1 << 28);
    strbuf_add(&event, "data: ");
    if (body && jsonio_print(body, 0, &event, NULL) == STATUS_OK) {
        strbuf_add(&event, "\n\n");
        job_stream(j, strbuf_slice(&event));
    } else {
        job_cancel(j);
    }
    strbuf_free(&event);
    json_decref(body);
}

/* A choice's piece; all but the last event of a stream that ends with its usage say that it is not there yet. */
static void send_choice(job *j, json_t *choice)
{
    json_t *body = frame(j, is_chat(j) ? "chat.completion.chunk" : "text_completion", json_pack("[o]", choice));
    if (j->request.include_usage)
        json_object_set_new(body, "usage", json_null());
    j->begun = true;
    send_event(j, body);
}

void answer_role(job *j, size_t index)
{
    if (is_chat(j))
        send_choice(j, json_pack("{s:I, s:{s:s, s:s}, s:n, s:n}", "index", (json_int_t)index, "delta", "role", "assistant",
                                 "content", "", "logprobs", "finish_reason"));
}

void answer_calls(json_t *choice, const block *blocks, size_t count)
{
    json_t *said = json_object_get(choice, "message"), *calls = json_array();
    for (size_t i = 0; i < count; i++) {
        const block *b = &blocks[i];
        if (b->kind == BLOCK_REASONING && b->text)
            json_object_set_new(said, "reasoning_content", json_text(slice_of(b->text)));
        if (b->kind == BLOCK_TOOL_CALL)
            json_array_append_new(calls, json_pack("{s:i, s:s, s:s, s:{s:s, s:s}}", "index", (int)json_array_size(calls), "id",
                                                   b->id ? b->id : "", "type", "function", "function", "name",
                                                   b->name ? b->name : "", "arguments", b->text ? b->text : "{}"));
    }
    if (json_array_size(calls) > 0)
        json_object_set(said, "tool_calls", calls);
    if (json_array_size(calls) > 0 && json_string_length(json_object_get(said, "content")) == 0)
        json_object_set_new(said, "content", json_null());
    json_decref(calls);
}

/* The beginning of a stream that brings more than text: calls of tools, reasoning; of a chat's whole message. */
static void answer_delta(job *j, size_t index, const json_t *whole)
{
    json_t *delta = json_copy((json_t *)whole);
    json_object_del(delta, "refusal");
    json_object_set_new(delta, "content", json_string(""));
    send_choice(j, json_pack("{s:I, s:o, s:n, s:n}", "index", (json_int_t)index, "delta", delta, "logprobs", "finish_reason"));
}

void answer_piece(job *j, size_t index, slice text, const char *finish, json_t *logprobs)
{
    logprobs = logprobs_of(j, logprobs);
    if (!is_chat(j)) {
        send_choice(j, json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)index, "text", json_text(text), "logprobs",
                                 logprobs, "finish_reason", finish_word(finish)));
        return;
    }
    json_t *delta = text.length ? json_pack("{s:o}", "content", json_text(text)) : json_object();
    send_choice(j, json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)index, "delta", delta, "logprobs", logprobs,
                             "finish_reason", finish_word(finish)));
}

void answer_at_once(job *j, size_t index)
{
    json_t *choice = j->parts[index].choice, *said = json_object_get(choice, "message");
    const json_t *content = json_object_get(said, "content");
    slice text = {json_string_value(content), json_string_length(content)};
    if (json_object_get(said, "tool_calls") || json_object_get(said, "reasoning_content"))
        answer_delta(j, index, said);
    else
        answer_role(j, index);
    answer_piece(j, index, text, json_string_value(json_object_get(choice, "finish_reason")), NULL);
}

void answer_end(job *j)
{
    if (j->request.include_usage) {
        json_t *body = frame(j, is_chat(j) ? "chat.completion.chunk" : "text_completion", json_array());
        json_object_set_new(body, "usage", answer_usage(j));
        send_event(j, body);
    }
    job_stream(j, SLICE("data: [DONE]\n\n"));
    job_stream_end(j, false);
}

void answer_problem(job *j, const problem *p)
{
    if (!j->begun) {
        job_fail(j, p);
        return;
    }
    strbuf event = strbuf_new(NULL, 1 << 16);
    strbuf_add(&event, "data: ");
    problem_print(p, &event);
    strbuf_add(&event, "\n\n");
    job_stream(j, strbuf_slice(&event));
    strbuf_free(&event);
    job_stream_end(j, true);
}
