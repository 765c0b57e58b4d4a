/* A subject with a tool of a plug-in: it answers, or calls the tool and is told what came of it, until it answers. */
#include "subject/plugin_subject.h"

#include "core/jsonio.h"

enum { MOST_ROUNDS = 16, MOST_RESULT = 1 << 20 };

status tool_prepare(arena *a, plugin_subject *p, error *err)
{
    const plugin_declaration *d = plugin_host_declaration(p->named.host);
    json_t *schema;
    strbuf text = strbuf_new(a, 2 << 20);
    TRY(jsonio_parse(slice_of(d->schema), plugin_host_path(p->named.host), &schema, err));
    json_t *list = json_pack("[{s:s, s:s, s:o}]", "name", d->name, "description", d->about ? d->about : d->title, "parameters", schema);
    status result = list ? jsonio_print(list, 0, &text, err) : error_set(err, STATUS_MEMORY, "out of memory while reading a tool");
    json_decref(list);
    p->tools = text.text;
    return result;
}

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while a tool is called");
}

/* The text of the result for the model; what is wrong with the call is told to the model too, what is wrong with the plug-in is
 * an error. */
static status call_tool(agent_request *r, const block *b, const char **out, error *err)
{
    const plugin_declaration *d = plugin_host_declaration(r->self->named.host);
    json_t *arguments = NULL, *answer;
    error problem = {0};
    if (!b->name || strcmp(b->name, d->name) != 0) {
        *out = arena_printf(r->arena, "error: there is no tool called %s", b->name ? b->name : "");
        return *out ? STATUS_OK : no_memory(err);
    }
    if (jsonio_parse(slice_of(b->text), "arguments", &arguments, &problem) != STATUS_OK || !json_is_object(arguments)) {
        json_decref(arguments);
        *out = arena_printf(r->arena, "error: the arguments are not a JSON object");
        return *out ? STATUS_OK : no_memory(err);
    }
    json_t *first = json_pack("{s:s, s:o}", "do", "call", "arguments", arguments);
    const plugin_call call = {.first = first, .want = "result"};
    status result = first ? plugin_host_talk(r->self->named.host, &call, &answer, &problem) : no_memory(&problem);
    json_decref(first);
    if (result == STATUS_INVALID) { /* it says what is wrong */
        *out = arena_printf(r->arena, "error: %s", problem.message);
        return *out ? STATUS_OK : no_memory(err);
    }
    if (result != STATUS_OK) {
        if (err)
            *err = problem;
        return result;
    }
    const json_t *value = json_object_get(answer, "result");
    strbuf text = strbuf_new(r->arena, MOST_RESULT);
    if (json_is_string(value))
        strbuf_add(&text, json_string_value(value));
    else
        result = jsonio_print(value, 0, &text, err);
    json_decref(answer);
    if (result == STATUS_OK && text.failed)
        result = error_set(err, STATUS_INVALID, "the tool %s: a result of more than %d bytes, or memory is out", d->name, MOST_RESULT);
    *out = text.text ? text.text : "";
    return result;
}

/* What the subject said, and one message for each result, behind what there was. */
static status add_round(agent_request *r, const generate_reply *reply, message **messages, size_t *count, error *err)
{
    size_t calls = 0, n = 0;
    for (size_t i = 0; i < reply->block_count; i++)
        calls += reply->blocks[i].kind == BLOCK_TOOL_CALL;
    message *list = arena_regrow(r->arena, *messages, *count, *count + 1 + calls, sizeof *list);
    block *said = ARENA_ARRAY(r->arena, block, calls + 1), *results = ARENA_ARRAY(r->arena, block, calls);
    if (!list || !said || !results)
        return no_memory(err);
    if (reply->text && *reply->text)
        said[n++] = (block){.kind = BLOCK_TEXT, .text = reply->text};
    size_t place = *count, done = 0;
    list[place] = (message){.role = MESSAGE_ASSISTANT, .blocks = said};
    for (size_t i = 0; i < reply->block_count; i++) {
        const block *b = &reply->blocks[i];
        if (b->kind != BLOCK_TOOL_CALL)
            continue;
        said[n++] = *b;
        results[done] = (block){.kind = BLOCK_TOOL_RESULT, .name = b->name, .id = b->id};
        TRY(call_tool(r, b, &results[done].text, err));
        list[place + 1 + done] = (message){.role = MESSAGE_TOOL, .blocks = &results[done], .count = 1};
        done++;
    }
    list[place].count = n;
    *messages = list;
    *count = place + 1 + done;
    return STATUS_OK;
}

static bool calls_tools(const generate_reply *reply)
{
    for (size_t i = 0; i < reply->block_count; i++)
        if (reply->blocks[i].kind == BLOCK_TOOL_CALL)
            return true;
    return false;
}

static status go_round(agent_request *r, generate_reply *reply, error *err)
{
    message *messages = arena_regrow(r->arena, r->request->messages, r->request->count, r->request->count, sizeof *messages);
    size_t count = r->request->count;
    if (!messages)
        return no_memory(err);
    for (int round = 0; round < MOST_ROUNDS; round++) {
        generate_request q = *r->request;
        q.messages = messages;
        q.count = count;
        q.tools = r->self->tools;
        q.claim = NULL;
        TRY(plugin_ask_beneath(r, &q, reply, err));
        if (!calls_tools(reply))
            return STATUS_OK;
        plugin_wait_beneath(r->self, true);
        status result = add_round(r, reply, &messages, &count, err);
        plugin_wait_beneath(r->self, false);
        TRY(result);
    }
    return error_set(err, STATUS_INVALID, "%s: calls tools without end (%d rounds)", r->self->name, MOST_ROUNDS);
}

status tool_answer(agent_request *r, generate_reply *reply, error *err)
{
    plugin_wait_beneath(r->self, false);
    status result = go_round(r, reply, err);
    plugin_wait_beneath(r->self, true);
    plugin_take_tokens(r, reply);
    return result;
}
