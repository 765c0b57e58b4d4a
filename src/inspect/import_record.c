/* What a sample of a log says, as transcript and record of the store. */
#include "inspect/import.h"

#include <math.h>
#include <stdio.h>

enum { MOST_TRANSCRIPT = 64 << 20, MOST_SHOWN = 2000, MOST_MESSAGES = 100000 };

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

/* A part of a message's content as a block; kinds that have none of their own are named in brackets. */
static json_t *block_of(const json_t *part)
{
    static const struct {
        const char *kind, *member;
    } kinds[] = {{"text", "text"}, {"reasoning", "reasoning"}, {"image", "image"}};
    const char *kind = text_at(part, "type");
    for (size_t i = 0; kind && i < COUNT_OF(kinds); i++)
        if (strcmp(kind, kinds[i].kind) == 0) {
            const char *text = text_at(part, kinds[i].member);
            return json_pack("{s:s, s:s}", "type", kind, "text", text ? text : "");
        }
    return json_pack("{s:s, s:o}", "type", "text", "text", json_sprintf("[%.40s]", kind ? kind : "unknown content"));
}

static void add_calls(json_t *blocks, const json_t *calls)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        const char *name = text_at(call, "function"), *id = text_at(call, "id");
        strbuf arguments = strbuf_new(NULL, IMPORT_SAMPLE);
        if (!json_is_object(json_object_get(call, "arguments")) ||
            jsonio_print(json_object_get(call, "arguments"), 0, &arguments, NULL) != STATUS_OK)
            strbuf_clear(&arguments);
        json_array_append_new(blocks, json_pack("{s:s, s:s, s:s, s:s}", "type", "tool_call", "name", name ? name : "", "id",
                                                id ? id : "", "text", arguments.text && !arguments.failed ? arguments.text : "{}"));
        strbuf_free(&arguments);
    }
}

/* The text of a content: itself, or its text parts together. */
static json_t *plain_text(const json_t *content)
{
    if (json_is_string(content))
        return json_incref((json_t *)(uintptr_t)content);
    strbuf text = strbuf_new(NULL, IMPORT_SAMPLE);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        if (text_at(part, "text"))
            strbuf_add(&text, text_at(part, "text"));
    }
    json_t *out = json_string(text.text && !text.failed ? text.text : "");
    strbuf_free(&text);
    return out;
}

static json_t *message_of(const json_t *from)
{
    const char *role = text_at(from, "role");
    const json_t *content = json_object_get(from, "content"), *calls = json_object_get(from, "tool_calls");
    json_t *message = json_pack("{s:s}", "role", role ? role : "user");
    bool tool = role && strcmp(role, "tool") == 0;
    if (json_is_string(content) && json_array_size(calls) == 0 && !tool) {
        json_object_set(message, "content", (json_t *)(uintptr_t)content);
        return message;
    }
    json_t *blocks = json_array();
    if (tool) {
        const char *name = text_at(from, "function"), *id = text_at(from, "tool_call_id");
        json_array_append_new(blocks, json_pack("{s:s, s:s, s:s, s:o}", "type", "tool_result", "name", name ? name : "", "id",
                                                id ? id : "", "text", plain_text(content)));
    } else if (json_is_string(content) && json_string_length(content) > 0) {
        json_array_append_new(blocks, json_pack("{s:s, s:O}", "type", "text", "text", content));
    }
    for (size_t i = 0; !tool && i < json_array_size(content); i++)
        json_array_append_new(blocks, block_of(json_array_get(content, i)));
    add_calls(blocks, calls);
    json_object_set_new(message, "content", blocks);
    return message;
}

/* ---- exchanges -------------------------------------------------------------------------------------------------- */

static const char *reason_of(const char *stop)
{
    static const struct {
        const char *stop, *reason;
    } words[] = {{"max_tokens", "length"}, {"model_length", "length"}, {"content_filter", "refused"}};
    for (size_t i = 0; stop && i < COUNT_OF(words); i++)
        if (strcmp(stop, words[i].stop) == 0)
            return words[i].reason;
    return "end";
}

static json_t *messages_of(const json_t *input, size_t count, bool *cut)
{
    json_t *messages = json_array();
    *cut = *cut || count > MOST_MESSAGES;
    if (json_is_string(input))
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", input));
    for (size_t i = 0; i < count && i < MOST_MESSAGES; i++)
        json_array_append_new(messages, message_of(json_array_get(input, i)));
    return messages;
}

static void add_answer(json_t *exchange, const json_t *output)
{
    const json_t *choice = json_array_get(json_object_get(output, "choices"), 0);
    const json_t *message = json_object_get(choice, "message"), *usage = json_object_get(output, "usage");
    if (!choice)
        return;
    json_object_set_new(exchange, "answer", plain_text(json_object_get(message, "content")));
    if (json_array_size(json_object_get(message, "tool_calls")))
        json_object_set(exchange, "tool_calls", json_object_get(message, "tool_calls"));
    json_object_set_new(exchange, "reason", json_string(reason_of(text_at(choice, "stop_reason"))));
    if (json_is_integer(json_object_get(usage, "input_tokens")) && json_is_integer(json_object_get(usage, "output_tokens"))) {
        json_object_set(exchange, "prompt_tokens", json_object_get(usage, "input_tokens"));
        json_object_set(exchange, "completion_tokens", json_object_get(usage, "output_tokens"));
    }
}

/* An event that we wrote has beside it what the event itself has no place for. */
static json_t *exchange_of(const json_t *event, bool *cut)
{
    const json_t *data = json_object_get(event, "data"), *rest = json_object_get(json_object_get(event, "metadata"), "assay");
    const json_t *input = json_object_get(data ? data : event, data ? "messages" : "input");
    const char *role = text_at(event, "role"), *error_text = text_at(event, "error");
    json_t *exchange = json_pack("{s:s, s:o}", "role", role ? role : "subject", "messages",
                                 messages_of(input, json_array_size(input), cut));
    if (!data && !error_text)
        add_answer(exchange, json_object_get(event, "output"));
    if (json_is_object(rest)) /* its own words win over what they were translated to */
        json_object_update(exchange, (json_t *)(uintptr_t)rest);
    if (error_text)
        json_object_set_new(exchange, "problem", json_string(error_text));
    return exchange;
}

/* A sample without events: the conversation up to its last answer. */
static json_t *whole_conversation(const json_t *sample, bool *cut)
{
    const json_t *messages = json_object_get(sample, "messages");
    size_t count = json_array_size(messages);
    const char *role = text_at(json_array_get(messages, count ? count - 1 : 0), "role");
    bool answered = role && strcmp(role, "assistant") == 0;
    if (count == 0)
        return NULL;
    json_t *exchange = json_pack("{s:s, s:o}", "role", "subject", "messages", messages_of(messages, count - answered, cut));
    if (answered)
        add_answer(exchange, json_object_get(sample, "output"));
    if (answered && !json_object_get(exchange, "answer"))
        json_object_set_new(exchange, "answer", plain_text(json_object_get(json_array_get(messages, count - 1), "content")));
    return exchange;
}

/* Takes the exchange; one that no longer fits ends the transcript. */
static status print(json_t *exchange, strbuf *out, bool *cut, error *err)
{
    strbuf text = strbuf_new(NULL, MOST_TRANSCRIPT);
    status result = exchange ? jsonio_print(exchange, 0, &text, err) : STATUS_OK;
    json_decref(exchange);
    if (result == STATUS_OK && exchange && !text.failed && out->length + text.length + 8 < MOST_TRANSCRIPT) {
        strbuf_add(out, out->length > 1 ? ", " : "");
        strbuf_add_slice(out, strbuf_slice(&text));
    } else if (result == STATUS_OK && exchange) {
        *cut = true;
    }
    strbuf_free(&text);
    if (result != STATUS_OK && text.failed) { /* too long is cut; anything else is ours */
        *cut = true;
        result = STATUS_OK;
    }
    return result;
}

status import_transcript(const json_t *sample, strbuf *out, bool *cut, error *err)
{
    const json_t *events = json_object_get(sample, "events");
    size_t count = json_array_size(events);
    bool before = *cut;
    *out = strbuf_new(NULL, MOST_TRANSCRIPT);
    *cut = false;
    strbuf_add_char(out, '[');
    for (size_t i = 0; i < count && !*cut; i++)
        TRY(print(exchange_of(json_array_get(events, i), cut), out, cut, err));
    if (count == 0)
        TRY(print(whole_conversation(sample, cut), out, cut, err));
    strbuf_add_char(out, ']');
    *cut = *cut || before;
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory while reading a sample") : STATUS_OK;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

double import_value(const json_t *value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"C", 1}, {"I", 0}, {"P", .5}, {"N", 0}, {"yes", 1}, {"true", 1}, {"no", 0}, {"false", 0}};
    const char *text = json_string_value(value);
    if (json_is_number(value))
        return json_number_value(value);
    if (json_is_boolean(value))
        return json_is_true(value);
    for (size_t i = 0; text && i < COUNT_OF(words); i++)
        if (strcmp(text, words[i].word) == 0)
            return words[i].value;
    double number;
    return text && slice_to_double(slice_of(text), &number) ? number : NAN;
}

static const char *verdict_of(const json_t *value)
{
    const char *text = json_string_value(value);
    double number = import_value(value);
    if (text && strcmp(text, "P") == 0)
        return "partial";
    if (text && strcmp(text, "N") == 0)
        return "unreadable";
    return number == 1 ? "good" : number == 0 ? "bad" : NULL;
}

/* At most MOST_SHOWN bytes, not cutting a character. */
static json_t *shown(const char *text)
{
    slice s = slice_of(text);
    if (s.length > MOST_SHOWN) {
        s.length = MOST_SHOWN;
        s.length -= utf8_open_tail(s);
    }
    return json_stringn(s.text ? s.text : "", s.length);
}

/* A text, or the last message of a list that has one. */
static json_t *shown_input(const json_t *input)
{
    if (json_is_string(input))
        return shown(json_string_value(input));
    json_t *text = plain_text(json_object_get(json_array_get(input, json_array_size(input) ? json_array_size(input) - 1 : 0), "content"));
    json_t *out = shown(json_string_value(text));
    json_decref(text);
    return out;
}

json_t *import_record(const json_t *sample, const char *scorer, bool cut)
{
    static const char *const kept[] = {"id", "epoch", "input", "target", "choices", "scores", "metadata", "limit", "uuid"};
    const json_t *scores = json_object_get(sample, "scores"), *id = json_object_get(sample, "id");
    const json_t *score = scorer ? json_object_get(scores, scorer) : NULL, *target = json_object_get(sample, "target");
    const char *answer = text_at(score, "answer"), *why = text_at(score, "explanation");
    json_int_t epoch = json_integer_value(json_object_get(sample, "epoch"));
    json_t *record = json_object(), *own = json_object();
    json_object_set_new(record, "group", json_string(scorer ? scorer : "all"));
    json_t *name = json_is_string(id) ? json_incref((json_t *)(uintptr_t)id) : json_sprintf("%lld", (long long)json_integer_value(id));
    if (epoch > 1) {
        json_t *longer = json_sprintf("%s epoch %lld", json_string_value(name), (long long)epoch);
        json_decref(name);
        name = longer;
    }
    json_object_set_new(record, "id", name);
    if (score && verdict_of(json_object_get(score, "value")))
        json_object_set_new(record, "verdict", json_string(verdict_of(json_object_get(score, "value"))));
    json_object_set_new(record, "asked", shown_input(json_object_get(sample, "input")));
    if (answer || text_at(json_object_get(sample, "output"), "completion"))
        json_object_set_new(record, "answered", shown(answer ? answer : text_at(json_object_get(sample, "output"), "completion")));
    json_object_set_new(record, "expected", json_is_string(target) ? shown(json_string_value(target))
                                                                     : shown(json_string_value(json_array_get(target, 0))));
    if (why)
        json_object_set_new(record, "scored", shown(why));
    if (cut)
        json_object_set_new(record, "cut", json_true());
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (json_object_get(sample, kept[i]))
            json_object_set(own, kept[i], json_object_get(sample, kept[i]));
    json_object_set_new(record, "inspect", own);
    return record;
}
