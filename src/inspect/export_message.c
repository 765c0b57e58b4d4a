/* Messages of transcripts (a text, or blocks) as Inspect writes them. */
#include "inspect/export.h"

#include "core/jsonio.h"

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Arguments are JSON as the model wrote it, which may be broken: then they are kept as one text. */
static json_t *arguments_of(const char *text)
{
    json_t *value = NULL;
    if (jsonio_parse(slice_of(text), "arguments", &value, NULL) == STATUS_OK && json_is_object(value))
        return value;
    json_decref(value);
    return json_pack("{s:s}", "arguments", text);
}

static void add_tool_result(json_t *list, const json_t *block)
{
    json_t *message = json_pack("{s:s, s:s}", "role", "tool", "content", text_at(block, "text"));
    if (json_object_get(block, "id"))
        json_object_set(message, "tool_call_id", json_object_get(block, "id"));
    if (json_object_get(block, "name"))
        json_object_set(message, "function", json_object_get(block, "name"));
    json_array_append_new(list, message);
}

static void add_block(json_t *content, json_t *calls, const json_t *block)
{
    const char *kind = text_at(block, "type"), *text = text_at(block, "text");
    if (strcmp(kind, "image") == 0)
        json_array_append_new(content, json_pack("{s:s, s:s}", "type", "image", "image", text));
    else if (strcmp(kind, "reasoning") == 0)
        json_array_append_new(content, json_pack("{s:s, s:s}", "type", "reasoning", "reasoning", text));
    else if (strcmp(kind, "tool_call") == 0)
        json_array_append_new(calls, json_pack("{s:s, s:s, s:o, s:s}", "id", text_at(block, "id"), "function",
                                               text_at(block, "name"), "arguments", arguments_of(text), "type", "function"));
    else
        json_array_append_new(content, json_pack("{s:s, s:s}", "type", "text", "text", text));
}

void export_message(json_t *list, const json_t *message)
{
    const json_t *blocks = json_object_get(message, "content");
    const char *role = text_at(message, "role");
    if (!json_is_array(blocks)) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "role", role, "content", json_is_string(blocks) ? json_string_value(blocks) : ""));
        return;
    }
    json_t *content = json_array(), *calls = json_array();
    bool results = false;
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        const json_t *block = json_array_get(blocks, i);
        bool result = strcmp(text_at(block, "type"), "tool_result") == 0;
        results = results || result;
        if (result)
            add_tool_result(list, block);
        else
            add_block(content, calls, block);
    }
    if (json_array_size(content) || json_array_size(calls) || !results) {
        json_t *one = json_pack("{s:s, s:O}", "role", strcmp(role, "tool") == 0 ? "user" : role, "content", content);
        if (json_array_size(calls))
            json_object_set(one, "tool_calls", calls);
        json_array_append_new(list, one);
    }
    json_decref(content);
    json_decref(calls);
}
