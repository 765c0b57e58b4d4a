/* Agents: a plug-in that answers requests, and may ask a subject beneath it; and tools: a subject that answers, and may call a
 * plug-in. Both are written plugin:PATH[?NAME=VALUE&...][,SUBJECT]; what the plug-in declares decides. The subject beneath has a broker of
 * its own, so that what agents ask at once goes out in one batch. Its tokens count as the agent's. */
#include "subject/plugin_subject.h"

#include "core/jsonio.h"
#include "core/random.h"
#include "subject/classes.h"
#include "subject/question.h"

#include <math.h>

enum { TURNS = 1 << 16 }; /* questions beneath, of one request at most: their addresses follow from the request's */

/* ---- the subject beneath ---------------------------------------------------------------------------------------- */

void plugin_wait_beneath(const plugin_subject *p, bool begins)
{
    if (p->broker)
        (begins ? broker_leave : broker_enter)(p->broker);
}

status plugin_ask_beneath(agent_request *r, generate_request *q, generate_reply *reply, error *err)
{
    if (r->asked >= TURNS)
        return error_set(err, STATUS_INVALID, "%s asks without end: %d questions", r->self->name, TURNS);
    q->address = r->request->address;
    q->address.turn = q->address.turn * TURNS + r->asked++;
    TRY(broker_generate(r->self->broker, r->arena, q, reply, err));
    r->prompt_tokens += reply->prompt_tokens;
    r->completion_tokens += reply->completion_tokens;
    r->cached_tokens += reply->cached_tokens;
    r->uncounted |= reply->uncounted;
    return STATUS_OK;
}

/* ---- agents ----------------------------------------------------------------------------------------------------- */

static status ask(agent_request *r, const json_t *asked, json_t **out, error *err)
{
    question q;
    generate_reply reply;
    TRY(question_read(r->arena, asked, false, &q, err));
    generate_request request = {.messages = q.messages, .count = q.count, .max_tokens = q.max_tokens ? q.max_tokens : r->request->max_tokens,
                                .temperature = q.temperature, .top_p = 1, .stops = q.stops, .stop_count = q.stop_count,
                                .logprobs = q.logprobs, .tools = q.tools, .position = r->request->position,
                                .reference_good = r->request->reference_good, .reference_bad = r->request->reference_bad};
    TRY(plugin_ask_beneath(r, &request, &reply, err));
    *out = json_pack("{s:o}", "answer", question_answer(&reply));
    return *out ? STATUS_OK : error_set(err, STATUS_INVALID, "an answer is not UTF-8, or memory is out");
}

static status score(agent_request *r, const json_t *asked, json_t **out, error *err)
{
    question q;
    score_reply reply;
    TRY(question_read(r->arena, asked, true, &q, err));
    const score_request request = {.messages = q.messages, .count = q.count, .continuations = q.continuations,
                                   .continuation_count = q.continuation_count, .address = r->request->address,
                                   .position = r->request->position};
    TRY(broker_score(r->self->broker, r->arena, &request, &reply, err));
    r->prompt_tokens += reply.prompt_tokens;
    *out = json_pack("{s:o}", "scores", question_scores(&reply, q.continuation_count));
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while passing on scores");
}

static status on_request(void *context, const json_t *said, json_t **reply, error *err)
{
    agent_request *r = context;
    const json_t *asked = json_object_get(said, "ask");
    if (!r->self->broker)
        return error_set(err, STATUS_USAGE, "nobody stands beneath the agent: name a subject behind it, as in %s,base", r->self->name);
    return asked ? ask(r, asked, reply, err) : score(r, json_object_get(said, "score"), reply, err);
}

static void on_again(void *context)
{
    agent_request *r = context;
    r->asked = 0;
}

static void on_waiting(void *context, bool begins)
{
    plugin_wait_beneath(((agent_request *)context)->self, begins);
}

/* {"answer": "text"} or {"answer": {"text", "reason", "prompt_tokens", "completion_tokens"}} */
static status read_answer(agent_request *r, const json_t *answer, generate_reply *reply, error *err)
{
    const json_t *text = json_is_object(answer) ? json_object_get(answer, "text") : answer;
    const json_t *prompt = json_object_get(answer, "prompt_tokens"), *completion = json_object_get(answer, "completion_tokens");
    const char *reason = json_string_value(json_object_get(answer, "reason"));
    generate_request whole = *r->request;
    whole.max_tokens = 0; /* an agent's answer ends where it ends it */
    if (!json_is_string(text) || strlen(json_string_value(text)) != json_string_length(text))
        return error_set(err, STATUS_INVALID, "the agent %s: expected a text at \"answer\"", r->self->name);
    if (subject_finish_text(r->arena, json_string_value(text), &whole, reply) != STATUS_OK)
        return error_set(err, STATUS_MEMORY, "out of memory while reading an answer");
    if (reason && strcmp(reason, "refused") == 0)
        reply->reason = STOP_REFUSED;
    if (reason && strcmp(reason, "length") == 0)
        reply->reason = STOP_LENGTH;
    bool counted = json_is_integer(prompt) && json_is_integer(completion) && json_integer_value(prompt) >= 0 &&
                   json_integer_value(completion) >= 0 && json_integer_value(prompt) < (1 << 30) && json_integer_value(completion) < (1 << 30);
    if (counted) { /* its own, beside those beneath */
        r->prompt_tokens += (int)json_integer_value(prompt);
        r->completion_tokens += (int)json_integer_value(completion);
    } else if (r->asked == 0) {
        r->prompt_tokens = subject_prompt_words(r->request);
        r->completion_tokens = reply->completion_tokens;
    }
    return STATUS_OK;
}

static json_t *first_message(const generate_request *q)
{
    json_t *stops = json_array();
    for (size_t i = 0; i < q->stop_count; i++)
        json_array_append_new(stops, json_string(q->stops[i]));
    random_stream draws = random_stream_at(q->address.seed, q->address.study, q->address.sample, q->address.repeat, q->address.turn, 1);
    json_t *first = json_pack("{s:s, s:o, s:i, s:f, s:o, s:I}", "do", "generate", "messages", message_list_json(q->messages, q->count),
                              "max_tokens", q->max_tokens, "temperature", q->temperature, "stop", stops, "seed",
                              (json_int_t)(random_u64_at(&draws, 0) >> 11));
    json_t *tools = NULL;
    if (first && q->tools && jsonio_parse(slice_of(q->tools), "tools", &tools, NULL) == STATUS_OK)
        json_object_set_new(first, "tools", tools);
    return first;
}

void plugin_take_tokens(const agent_request *r, generate_reply *reply)
{
    reply->prompt_tokens = r->prompt_tokens;
    reply->completion_tokens = r->completion_tokens;
    reply->cached_tokens = r->cached_tokens;
    reply->uncounted = r->uncounted;
}

static status agent_answer(agent_request *r, generate_reply *reply, error *err)
{
    json_t *answer, *first = first_message(r->request);
    const plugin_call call = {.first = first, .want = "answer", .request = on_request, .again = on_again, .waiting = on_waiting, .context = r};
    if (!first)
        return error_set(err, STATUS_INVALID, "a question is not UTF-8, or memory is out");
    plugin_wait_beneath(r->self, false);
    status result = plugin_host_talk(r->self->named.host, &call, &answer, err);
    plugin_wait_beneath(r->self, true);
    json_decref(first);
    if (result == STATUS_OK)
        result = read_answer(r, json_object_get(answer, "answer"), reply, err);
    json_decref(answer);
    plugin_take_tokens(r, reply);
    return result;
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

static status plugin_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies, size_t count,
                              error *err)
{
    (void)err;
    plugin_subject *p = self->state;
    for (size_t i = 0; i < count; i++) {
        agent_request r = {.self = p, .arena = a, .request = requests[i]};
        error problem = {0};
        replies[i].logprob = NAN;
        status result = p->is_tool ? tool_answer(&r, &replies[i], &problem) : agent_answer(&r, &replies[i], &problem);
        if (result == STATUS_OK)
            continue;
        replies[i].code = result;
        replies[i].problem = arena_strdup(a, problem.message);
    }
    return STATUS_OK;
}

static void plugin_close(subject *self)
{
    plugin_subject *p = self->state;
    broker_free(p->broker);
    subject_close(p->beneath);
}

static void plugin_interrupt(subject *self)
{
    plugin_subject *p = self->state;
    plugin_host_interrupt(p->named.host, true);
    if (p->broker)
        broker_interrupt(p->broker);
}

static status open_broker(plugin_subject *p, error *err)
{
    return broker_new(p->beneath, &(broker_options){.askers = PLUGIN_MOST_DIALOGUES}, &p->broker, err);
}

static void plugin_resume(subject *self)
{
    plugin_subject *p = self->state;
    plugin_host_interrupt(p->named.host, false);
    if (!p->beneath)
        return;
    broker_free(p->broker);
    p->broker = NULL;
    if (p->beneath->class->resume)
        p->beneath->class->resume(p->beneath);
    open_broker(p, NULL); /* where it fails, the next question says that nobody stands beneath */
}

static status plugin_probe(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err)
{
    plugin_subject *p = self->state;
    *out = (subject_probe){0};
    return p->beneath ? subject_look(p->beneath, a, needs & ~(unsigned)SUBJECT_SCORES, cache, out, err) : STATUS_OK;
}

/* What the template beneath makes of the request's own messages: a wrong beginning of a text shows in any of them. */
static status plugin_audit(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    plugin_subject *p = self->state;
    return p->beneath->class->audit ? p->beneath->class->audit(p->beneath, a, messages, count, out, err) : STATUS_OK;
}

static const subject *plugin_chosen(const subject *self, double position)
{
    (void)position;
    return ((const plugin_subject *)self->state)->beneath;
}

static status check_kind(const plugin_subject *p, error *err)
{
    plugin_kind kind = plugin_host_declaration(p->named.host)->kind;
    if (kind != PLUGIN_AGENT && kind != PLUGIN_TOOL) {
        error_set(err, STATUS_USAGE, "-m %s: %s is a %s, and a subject is an agent, or a tool with a subject behind it", p->name,
                  plugin_host_path(p->named.host), plugin_kind_name(kind));
        return kind == PLUGIN_STUDY ? error_hint(err, "a study stands behind the verb: assay run %s -m SUBJECT", plugin_host_path(p->named.host))
                                    : STATUS_USAGE;
    }
    if (kind != PLUGIN_TOOL || p->named.beneath)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "%s: a tool needs a subject that calls it", p->name);
    return error_hint(err, "name one behind a comma: %s,SUBJECT", p->name);
}

static status open_beneath(arena *a, plugin_subject *p, const subject_options *options, error *err)
{
    if (!p->named.beneath)
        return STATUS_OK;
    if (subject_open(a, p->named.beneath, options, &p->beneath, err) != STATUS_OK)
        return error_context(err, "the subject beneath %s", plugin_host_path(p->named.host));
    char who[160];
    snprintf(who, sizeof who, "the tool %s", plugin_host_declaration(p->named.host)->name);
    status result = p->is_tool ? subject_require(p->beneath, SUBJECT_GENERATES | SUBJECT_TOOLS, who, err) : STATUS_OK;
    if (result == STATUS_OK)
        result = open_broker(p, err);
    if (result != STATUS_OK)
        subject_close(p->beneath);
    return result;
}

status subject_open_plugin(arena *a, const char *specification, const char *rest, const subject_options *options, subject **out,
                           error *err)
{
    static const subject_class alone = {.name = "plugin", .generate = plugin_generate, .close = plugin_close, .interrupt = plugin_interrupt,
                                        .resume = plugin_resume};
    static const subject_class above = {.name = "plugin", .generate = plugin_generate, .close = plugin_close, .interrupt = plugin_interrupt,
                                        .resume = plugin_resume, .probe = plugin_probe, .audit = plugin_audit, .chosen = plugin_chosen};
    plugin_subject *p = ARENA_NEW(a, plugin_subject);
    subject *s = ARENA_NEW(a, subject);
    if (!p || !s || !(p->name = arena_strdup(a, specification)))
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    TRY(plugin_named_open(a, rest, &(plugin_host_options){.timeout_seconds = options->timeout_seconds}, &p->named, err));
    TRY(check_kind(p, err));
    const plugin_declaration *d = plugin_host_declaration(p->named.host);
    p->is_tool = d->kind == PLUGIN_TOOL;
    if (p->is_tool)
        TRY(tool_prepare(a, p, err));
    TRY(open_beneath(a, p, options, err));
    bool seeds = (p->is_tool || d->seeds) && (!p->beneath || (p->beneath->abilities & SUBJECT_SEEDS));
    *s = (subject){.class = p->beneath ? &above : &alone,
                   .specification = p->name,
                   .identity = p->beneath ? arena_printf(a, "%s (%s)", p->named.identity, p->beneath->identity) : p->named.identity,
                   .parts = {p->beneath},
                   .abilities = SUBJECT_GENERATES | (seeds ? (unsigned)SUBJECT_SEEDS : 0U),
                   .batch = p->beneath && p->beneath->batch > 32 ? 2 * p->beneath->batch : 64,
                   .concurrent = true,
                   .state = p};
    if (!s->identity) {
        plugin_close(s);
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    }
    *out = s;
    return STATUS_OK;
}
