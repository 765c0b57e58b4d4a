/* The messages of a chat, and the tools. */
#include "serve/request.h"

#include "core/jsonio.h"

#include <string.h>

enum { MOST_MESSAGES = 10000 };

static bool bad(request_reader *r, size_t i, const char *what)
{
    return problem_set(r->problem, 400, r->name, "messages[%zu]: %s", i, what);
}

/* A text without zero bytes, which messages cannot hold. */
static const char *text_of(const json_t *v)
{
    const char *text = json_string_value(v);
    return text && strlen(text) == json_string_length(v) ? text : NULL;
}

static bool read_role(request_reader *r, size_t i, const json_t *m, message_role *role)
{
    const char *name = json_string_value(json_object_get(m, "role"));
    if (name && strcmp(name, "developer") == 0)
        name = "system";
    for (message_role k = 0; name && k < MESSAGE_ROLE_COUNT; k++)
        if (strcmp(message_role_name(k), name) == 0) {
            *role = k;
            return true;
        }
    return bad(r, i, "role: expected system, developer, user, assistant or tool");
}

/* {"type": "text", "text": ...} or {"type": "image_url", "image_url": {"url": ...}}, and the kinds that answers have. */
static bool read_part(request_reader *r, size_t i, const json_t *part, block *out)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    if (type && (strcmp(type, "text") == 0 || strcmp(type, "refusal") == 0)) {
        *out = (block){.kind = BLOCK_TEXT, .text = text_of(json_object_get(part, type))};
        return out->text ? true : bad(r, i, "content: expected a part with a text (without zero bytes)");
    }
    if (type && strcmp(type, "image_url") == 0) {
        *out = (block){.kind = BLOCK_IMAGE, .text = text_of(json_object_get(json_object_get(part, "image_url"), "url"))};
        return out->text ? true : bad(r, i, "content: expected image_url: {\"url\": ...}");
    }
    return bad(r, i, "content: a part is of type text or image_url");
}

static bool read_call(request_reader *r, size_t i, const json_t *call, block *out)
{
    const json_t *function = json_object_get(call, "function");
    *out = (block){.kind = BLOCK_TOOL_CALL, .id = text_of(json_object_get(call, "id")),
                   .name = text_of(json_object_get(function, "name")), .text = text_of(json_object_get(function, "arguments"))};
    return out->id && out->name && out->text ? true
                                             : bad(r, i, "tool_calls: expected id and function: {\"name\", \"arguments\": text}");
}

static bool read_content(request_reader *r, size_t i, const json_t *m, message *out, block *blocks)
{
    const json_t *content = json_object_get(m, "content");
    if (json_is_string(content)) {
        blocks[out->count] = (block){.kind = BLOCK_TEXT, .text = text_of(content)};
        return blocks[out->count++].text ? true : bad(r, i, "content: expected a text without zero bytes");
    }
    if (!content || json_is_null(content))
        return true;
    if (!json_is_array(content))
        return bad(r, i, "content: expected a text or a list of parts");
    for (size_t k = 0; k < json_array_size(content); k++)
        if (!read_part(r, i, json_array_get(content, k), &blocks[out->count++]))
            return false;
    return true;
}

/* A tool's message is one result. */
static bool read_result(request_reader *r, size_t i, const json_t *m, message *out, block *blocks)
{
    const char *id = text_of(json_object_get(m, "tool_call_id")), *text = message_plain(r->arena, out);
    if (!id)
        return bad(r, i, "tool_call_id: expected a text");
    if (!text)
        return request_no_memory(r);
    blocks[0] = (block){.kind = BLOCK_TOOL_RESULT, .id = id, .name = text_of(json_object_get(m, "name")), .text = text};
    out->count = 1;
    return true;
}

static bool read_message(request_reader *r, size_t i, const json_t *m, message *out)
{
    const json_t *content = json_object_get(m, "content"), *calls = json_object_get(m, "tool_calls");
    const char *thought = text_of(json_object_get(m, "reasoning_content"));
    if (!json_is_object(m))
        return bad(r, i, "expected an object");
    if (!read_role(r, i, m, &out->role))
        return false;
    if (json_is_array(calls) && json_array_size(calls) > 0 && out->role != MESSAGE_ASSISTANT)
        return bad(r, i, "tool_calls belong to the assistant's messages");
    block *blocks = ARENA_ARRAY(r->arena, block, json_array_size(content) + json_array_size(calls) + 3);
    if (!blocks)
        return request_no_memory(r);
    out->blocks = blocks;
    if (thought && out->role == MESSAGE_ASSISTANT)
        blocks[out->count++] = (block){.kind = BLOCK_REASONING, .text = thought};
    if (!read_content(r, i, m, out, blocks))
        return false;
    for (size_t k = 0; k < json_array_size(calls); k++)
        if (!read_call(r, i, json_array_get(calls, k), &blocks[out->count++]))
            return false;
    if (out->role == MESSAGE_TOOL)
        return read_result(r, i, m, out, blocks);
    return out->count > 0 ? true : bad(r, i, "content: expected a text or a list of parts");
}

bool request_read_messages(request_reader *r, const json_t *v)
{
    size_t count = json_array_size(v);
    if (!json_is_array(v) || count == 0 || count > MOST_MESSAGES)
        return request_expected(r, "a list of 1 to 10000 messages", v);
    message *messages = ARENA_ARRAY(r->arena, message, count);
    if (!messages)
        return request_no_memory(r);
    for (size_t i = 0; i < count; i++)
        if (!read_message(r, i, json_array_get(v, i), &messages[i]))
            return false;
    r->out->messages = messages;
    r->out->message_count = count;
    return true;
}

/* Kept as generate_request has them: [{"name", "description", "parameters"}]. */
bool request_read_tools(request_reader *r, const json_t *v)
{
    strbuf text = strbuf_new(r->arena, (size_t)1 << 26);
    size_t count = json_array_size(v);
    if (!json_is_array(v))
        return request_expected(r, "a list of tools", v);
    if (count == 0)
        return true;
    strbuf_add_char(&text, '[');
    for (size_t i = 0; i < count; i++) {
        const json_t *tool = json_array_get(v, i), *function = json_object_get(tool, "function");
        const char *type = json_string_value(json_object_get(tool, "type"));
        if (!type || strcmp(type, "function") != 0 || !json_is_string(json_object_get(function, "name")))
            return problem_set(r->problem, 400, r->name, "tools[%zu]: expected {\"type\": \"function\", \"function\": {\"name\", ...}}", i);
        if (i)
            strbuf_add_char(&text, ',');
        if (jsonio_print(function, 0, &text, NULL) != STATUS_OK)
            return request_no_memory(r);
    }
    strbuf_add_char(&text, ']');
    if (text.failed)
        return request_no_memory(r);
    r->out->tools = text.text;
    return true;
}
