/* Requests in the OpenAI forms: chat completions and completions. */
#include "subject/openai.h"

#include "core/jsonio.h"
#include "core/random.h"

json_int_t api_seed(const request_address *at)
{
    random_stream draws = random_stream_at(at->seed, at->study, at->sample, at->repeat, at->turn, 1);
    return (json_int_t)(random_u64(&draws) & 0x7fffffff);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static json_t *part_json(const block *b)
{
    if (b->kind == BLOCK_IMAGE)
        return json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", b->text);
    return json_pack("{s:s, s:s}", "type", "text", "text", b->text);
}

static bool is_said(const block *b)
{
    return b->kind == BLOCK_TEXT || b->kind == BLOCK_PREFILL || b->kind == BLOCK_IMAGE;
}

/* A plain string where there is nothing but text; hidden reasoning is never sent back. NULL on failure. */
static json_t *content_json(arena *a, const message *m)
{
    json_t *parts = json_array();
    bool images = false;
    strbuf text = strbuf_new(a, (size_t)1 << 28);
    strbuf_add(&text, "");
    for (size_t i = 0; i < m->count; i++) {
        if (!is_said(&m->blocks[i]))
            continue;
        images |= m->blocks[i].kind == BLOCK_IMAGE;
        json_array_append_new(parts, part_json(&m->blocks[i]));
        if (m->blocks[i].kind != BLOCK_IMAGE)
            strbuf_add(&text, m->blocks[i].text);
    }
    if (images)
        return parts;
    json_decref(parts);
    return text.failed ? NULL : json_string(text.text ? text.text : "");
}

static json_t *tool_calls_json(const message *m)
{
    json_t *calls = json_array();
    for (size_t i = 0; i < m->count; i++) {
        const block *b = &m->blocks[i];
        if (b->kind == BLOCK_TOOL_CALL)
            json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", b->id ? b->id : "", "type", "function",
                                                   "function", "name", b->name ? b->name : "", "arguments",
                                                   b->text ? b->text : "{}"));
    }
    return calls;
}

static int add_message(arena *a, json_t *list, const message *m)
{
    json_t *object = json_pack("{s:s}", "role", message_role_name(m->role)), *calls = tool_calls_json(m);
    int failed = json_object_set_new(object, "content", content_json(a, m));
    if (json_array_size(calls) > 0)
        failed |= json_object_set(object, "tool_calls", calls);
    json_decref(calls);
    failed |= json_array_append_new(list, object);
    return failed;
}

/* Results of tools are messages of their own, one each. */
static int add_results(json_t *list, const message *m)
{
    int failed = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind == BLOCK_TOOL_RESULT)
            failed |= json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "role", "tool", "tool_call_id",
                                                            m->blocks[i].id ? m->blocks[i].id : "", "content",
                                                            m->blocks[i].text ? m->blocks[i].text : ""));
    return failed;
}

static bool has_other_than_results(const message *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind != BLOCK_TOOL_RESULT)
            return true;
    return m->count == 0;
}

json_t *openai_messages(arena *a, const message *messages, size_t count)
{
    json_t *list = json_array();
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed |= add_results(list, &messages[i]);
        if (has_other_than_results(&messages[i]))
            failed |= add_message(a, list, &messages[i]);
    }
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

static bool has_kind(const message *messages, size_t count, block_kind kind)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < messages[i].count; j++)
            if (messages[i].blocks[j].kind == kind)
                return true;
    return false;
}

/* ---- settings that both forms share ----------------------------------------------------------------------------- */

static int set_stops(json_t *body, const generate_request *q)
{
    if (q->stop_count == 0)
        return 0;
    int failed = 0;
    json_t *stops = json_array();
    for (size_t i = 0; i < q->stop_count; i++)
        failed |= json_array_append_new(stops, json_string(q->stops[i]));
    return failed | json_object_set_new(body, "stop", stops);
}

static int set_draws(json_t *body, const generate_request *q, unsigned habits)
{
    int failed = 0;
    if (!(habits & API_NO_TEMPERATURE))
        failed |= json_object_set_new(body, "temperature", json_real(q->temperature));
    if (!(habits & API_NO_SEED))
        failed |= json_object_set_new(body, "seed", json_integer(api_seed(&q->address)));
    if (q->top_p > 0 && q->top_p < 1)
        failed |= json_object_set_new(body, "top_p", json_real(q->top_p));
    if (q->top_k > 0)
        failed |= json_object_set_new(body, "top_k", json_integer(q->top_k));
    return failed;
}

/* {"name", "description", "parameters"} -> {"type": "function", "function": {...}}. */
static json_t *tool_json(json_t *tool)
{
    return json_pack("{s:s, s:O}", "type", "function", "function", tool);
}

static const char *unsupported(const api *s, const generate_request *q)
{
    if (q->stop_count > API_MOST_STOPS)
        return "a chat API takes at most 4 stop strings";
    if (q->top_k > 0 && !(atomic_load(&s->habits) & API_TOP_K))
        return "a chat API has no top-k sampling";
    return NULL;
}

/* ---- chat completions ------------------------------------------------------------------------------------------- */

const char *openai_chat_unsupported(const api *s, const generate_request *q)
{
    if (has_kind(q->messages, q->count, BLOCK_PREFILL) && !(atomic_load(&s->habits) & (API_CONTINUES | API_PREFILLS)))
        return "this chat API is not known to go on with a prefilled answer";
    return unsupported(s, q);
}

json_t *openai_chat_body(const api_call *c, arena *a)
{
    const generate_request *q = c->request;
    json_t *body = json_pack("{s:s, s:o, s:i}", "model", c->api->model, "messages",
                             openai_messages(a, q->messages, q->count),
                             c->habits & API_NEWER_LIMIT ? "max_completion_tokens" : "max_tokens", q->max_tokens);
    int failed = body ? set_draws(body, q, c->habits) : -1;
    if (q->logprobs && !(c->habits & API_NO_LOGPROBS))
        failed |= json_object_set_new(body, "logprobs", json_true());
    if ((c->habits & API_CONTINUES) && has_kind(q->messages, q->count, BLOCK_PREFILL)) {
        failed |= json_object_set_new(body, "continue_final_message", json_true());
        failed |= json_object_set_new(body, "add_generation_prompt", json_false());
    }
    failed |= set_stops(body, q) | api_set_tools(body, q->tools, tool_json);
    if (!failed)
        return body;
    json_decref(body);
    return NULL;
}

/* ---- completions ------------------------------------------------------------------------------------------------ */

const char *openai_prompt(arena *a, const message *messages, size_t count)
{
    strbuf b = strbuf_new(a, (size_t)1 << 28);
    strbuf_add(&b, "");
    for (size_t i = 0; i < count; i++) {
        bool prefill = has_kind(&messages[i], 1, BLOCK_PREFILL);
        for (size_t j = 0; j < messages[i].count; j++)
            if (messages[i].blocks[j].kind == BLOCK_TEXT || messages[i].blocks[j].kind == BLOCK_PREFILL)
                strbuf_add(&b, messages[i].blocks[j].text);
        if (!prefill)
            strbuf_add_char(&b, '\n');
    }
    return b.failed ? NULL : b.text;
}

const char *openai_completions_unsupported(const api *s, const generate_request *q)
{
    if (q->tools)
        return "the completions API takes no tools";
    for (block_kind kind = 0; kind < BLOCK_KIND_COUNT; kind++)
        if (kind != BLOCK_TEXT && kind != BLOCK_PREFILL && kind != BLOCK_REASONING && has_kind(q->messages, q->count, kind))
            return "the completions API takes nothing but text";
    return unsupported(s, q);
}

json_t *openai_completions_body(const api_call *c, arena *a)
{
    const generate_request *q = c->request;
    json_t *body = json_pack("{s:s, s:s, s:i}", "model", c->api->model, "prompt",
                             openai_prompt(a, q->messages, q->count), "max_tokens", q->max_tokens);
    int failed = body ? set_draws(body, q, c->habits) | set_stops(body, q) : -1;
    if (q->logprobs && !(c->habits & API_NO_LOGPROBS))
        failed |= json_object_set_new(body, "logprobs", json_integer(1));
    if (!failed)
        return body;
    json_decref(body);
    return NULL;
}
