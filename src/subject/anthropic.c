/* The Anthropic messages form: the system prompt beside the messages, content in blocks, results of tools in the
 * user's messages, a last message of the assistant gone on with. No log-probabilities, no seed. */
#include "subject/api.h"

#include "core/jsonio.h"

#include <math.h>

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* data:image/png;base64,AAAA -> its parts; any other URL is named. */
static json_t *image_json(arena *a, const char *url)
{
    const char *comma = strchr(url, ','), *mark = strstr(url, ";base64,");
    if (strncmp(url, "data:", 5) != 0 || !mark || !comma)
        return json_pack("{s:s, s:{s:s, s:s}}", "type", "image", "source", "type", "url", "url", url);
    return json_pack("{s:s, s:{s:s, s:s, s:s}}", "type", "image", "source", "type", "base64", "media_type",
                     arena_strndup(a, url + 5, (size_t)(mark - url - 5)), "data", comma + 1);
}

static json_t *call_json(const block *b)
{
    json_t *input = NULL;
    if (jsonio_parse(slice_of(b->text), "arguments", &input, NULL) != STATUS_OK)
        input = json_object();
    return json_pack("{s:s, s:s, s:s, s:o}", "type", "tool_use", "id", b->id ? b->id : "", "name", b->name ? b->name : "",
                     "input", input);
}

/* NULL: memory is out or the text is not UTF-8. Hidden reasoning is not sent back. */
static json_t *block_json(arena *a, const block *b)
{
    switch (b->kind) {
    case BLOCK_IMAGE:
        return image_json(a, b->text);
    case BLOCK_TOOL_CALL:
        return call_json(b);
    case BLOCK_TOOL_RESULT:
        return json_pack("{s:s, s:s, s:s}", "type", "tool_result", "tool_use_id", b->id ? b->id : "", "content",
                         b->text ? b->text : "");
    default:
        return json_pack("{s:s, s:s}", "type", "text", "text", b->text ? b->text : "");
    }
}

static json_t *content_json(arena *a, const message *m)
{
    if (m->count == 1 && m->blocks[0].kind == BLOCK_TEXT)
        return json_string(m->blocks[0].text);
    json_t *list = json_array();
    int failed = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind != BLOCK_REASONING)
            failed |= json_array_append_new(list, block_json(a, &m->blocks[i]));
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

static const char *system_text(arena *a, const generate_request *q)
{
    strbuf b = strbuf_new(a, (size_t)1 << 28);
    for (size_t i = 0; i < q->count; i++)
        if (q->messages[i].role == MESSAGE_SYSTEM) {
            strbuf_add(&b, b.length ? "\n\n" : "");
            strbuf_add(&b, message_plain(a, &q->messages[i]));
        }
    return b.length ? b.text : NULL;
}

static json_t *messages_json(arena *a, const generate_request *q)
{
    json_t *list = json_array();
    int failed = 0;
    for (size_t i = 0; i < q->count; i++) {
        message_role role = q->messages[i].role;
        if (role != MESSAGE_SYSTEM)
            failed |= json_array_append_new(list, json_pack("{s:s, s:o}", "role",
                                                            role == MESSAGE_ASSISTANT ? "assistant" : "user", "content",
                                                            content_json(a, &q->messages[i])));
    }
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

/* {"name", "description", "parameters"} -> {"name", "description", "input_schema"}. */
static json_t *tool_json(json_t *tool)
{
    json_t *out = json_copy(tool), *schema = json_incref(json_object_get(tool, "parameters"));
    json_object_del(out, "parameters");
    if (json_object_set_new(out, "input_schema", schema ? schema : json_pack("{s:s}", "type", "object")) == 0)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *body_json(const api_call *c, arena *a)
{
    const generate_request *q = c->request;
    json_t *body = json_pack("{s:s, s:i, s:o}", "model", c->api->model, "max_tokens", q->max_tokens, "messages",
                             messages_json(a, q));
    int failed = body ? 0 : -1;
    const char *system = system_text(a, q);
    if (system)
        failed |= json_object_set_new(body, "system", json_string(system));
    if (!(c->habits & API_NO_TEMPERATURE))
        failed |= json_object_set_new(body, "temperature", json_real(q->temperature));
    if (q->top_p > 0 && q->top_p < 1)
        failed |= json_object_set_new(body, "top_p", json_real(q->top_p));
    if (q->top_k > 0)
        failed |= json_object_set_new(body, "top_k", json_integer(q->top_k));
    if (q->stop_count > 0) {
        json_t *stops = json_array();
        for (size_t i = 0; i < q->stop_count; i++)
            failed |= json_array_append_new(stops, json_string(q->stops[i]));
        failed |= json_object_set_new(body, "stop_sequences", stops);
    }
    failed |= api_set_tools(body, q->tools, tool_json);
    if (!failed)
        return body;
    json_decref(body);
    return NULL;
}

static const char *unsupported(const api *s, const generate_request *q)
{
    (void)s;
    bool spoken = false;
    for (size_t i = 0; i < q->count; i++)
        spoken |= q->messages[i].role != MESSAGE_SYSTEM;
    if (!spoken)
        return "the messages API needs a message beside the system prompt";
    return q->temperature > 1 ? "the messages API takes temperatures up to 1" : NULL;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static const char *malformed(const json_t *answer)
{
    const json_t *content = json_object_get(answer, "content");
    if (!json_is_object(answer))
        return "it is not a JSON object";
    if (!json_is_array(content))
        return "it has no list of content blocks";
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *b = json_array_get(content, i);
        const char *type = json_string_value(json_object_get(b, "type"));
        if (!type)
            return "a content block has no type";
        if (strcmp(type, "text") == 0 && !json_is_string(json_object_get(b, "text")))
            return "a text block has no text";
    }
    if (json_array_size(content) == 0 && !json_is_string(json_object_get(answer, "stop_reason")))
        return "it has neither content nor a reason to stop";
    return NULL;
}

static stop_reason reason_of(const json_t *answer)
{
    static const struct {
        const char *word;
        stop_reason reason;
    } rows[] = {
        {"max_tokens", STOP_LENGTH},
        {"model_context_window_exceeded", STOP_LENGTH},
        {"stop_sequence", STOP_STRING},
        {"refusal", STOP_REFUSED},
    };
    const char *word = json_string_value(json_object_get(answer, "stop_reason"));
    for (size_t i = 0; word && i < COUNT_OF(rows); i++)
        if (strcmp(word, rows[i].word) == 0)
            return rows[i].reason;
    return STOP_END; /* end_turn, tool_use, pause_turn */
}

static void read_block(arena *a, const json_t *b, strbuf *text, api_blocks *list, size_t *beside)
{
    const char *type = json_string_value(json_object_get(b, "type"));
    if (strcmp(type, "text") == 0) {
        const char *words = json_string_value(json_object_get(b, "text"));
        strbuf_add(text, words);
        api_blocks_add(a, list, (block){.kind = BLOCK_TEXT, .text = words});
    } else if (strcmp(type, "thinking") == 0) {
        (*beside)++;
        api_blocks_add(a, list, (block){.kind = BLOCK_REASONING, .text = json_string_value(json_object_get(b, "thinking"))});
    } else if (strcmp(type, "tool_use") == 0) {
        strbuf input = strbuf_new(a, API_ANSWER_BYTES);
        const json_t *value = json_object_get(b, "input");
        bool good = json_is_object(value) && jsonio_print(value, 0, &input, NULL) == STATUS_OK && !input.failed;
        (*beside)++;
        api_blocks_add(a, list, (block){.kind = BLOCK_TOOL_CALL,
                                        .text = good ? input.text : "{}",
                                        .name = json_string_value(json_object_get(b, "name")),
                                        .id = json_string_value(json_object_get(b, "id"))});
    }
}

static status read_answer(arena *a, const json_t *answer, const generate_request *q, generate_reply *reply)
{
    (void)q;
    const json_t *content = json_object_get(answer, "content"), *usage = json_object_get(answer, "usage");
    strbuf text = strbuf_new(a, API_ANSWER_BYTES);
    api_blocks list = {0};
    size_t beside = 0;
    for (size_t i = 0; i < json_array_size(content); i++)
        read_block(a, json_array_get(content, i), &text, &list, &beside);
    reply->text = text.text ? text.text : arena_strdup(a, "");
    reply->reason = reason_of(answer);
    reply->blocks = beside ? list.items : NULL;
    reply->block_count = beside ? list.count : 0;
    reply->cached_tokens = api_count(usage, "cache_read_input_tokens");
    int64_t prompt = (int64_t)api_count(usage, "input_tokens") + api_count(usage, "cache_creation_input_tokens") +
                     reply->cached_tokens;
    reply->prompt_tokens = prompt < 1 << 30 ? (int)prompt : 1 << 30;
    reply->completion_tokens = api_count(usage, "output_tokens");
    reply->uncounted = reply->prompt_tokens == 0 && reply->completion_tokens == 0;
    reply->logprob = NAN;
    return text.failed || list.failed || !reply->text ? STATUS_MEMORY : STATUS_OK;
}

const api_form anthropic_form = {
    .name = "anthropic",
    .path = "/messages",
    .key_variable = "ANTHROPIC_API_KEY",
    .key_header = "x-api-key: ",
    .header = "anthropic-version: 2023-06-01",
    .abilities = SUBJECT_GENERATES | SUBJECT_TOOLS,
    .habits = API_PREFILLS | API_TOP_K | API_NO_SEED | API_NO_LOGPROBS,
    .unsupported = unsupported,
    .body = body_json,
    .malformed = malformed,
    .read = read_answer,
};
