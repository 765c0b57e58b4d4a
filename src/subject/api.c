/* Subjects that answer by HTTP. The key comes from an environment variable and goes into one header; it stands in no
 * message, file or log. */
#include "subject/api.h"

#include "core/jsonio.h"

#include <math.h>
#include <sodium.h>

enum { DEFAULT_IN_FLIGHT = 32, DEFAULT_TIMEOUT = 120, DEFAULT_RETRIES = 6, CONNECT_SECONDS = 15, IDLE_SECONDS = 60 };

/* ---- calls ------------------------------------------------------------------------------------------------------ */

bool api_write(api_call *c, arena *a)
{
    c->habits = atomic_load(&c->api->habits);
    strbuf_free(&c->body);
    if (!c->write)
        return true;
    json_t *body = c->write(c, a);
    c->body = strbuf_new(NULL, (size_t)1 << 28);
    if (!body || jsonio_print(body, 0, &c->body, NULL) != STATUS_OK)
        c->body.failed = true;
    json_decref(body);
    c->exchange.body = c->body.text;
    c->exchange.length = c->body.length;
    return !c->body.failed;
}

int api_set_tools(json_t *body, const char *text, json_t *(*tool)(json_t *tool))
{
    json_t *tools, *each;
    size_t i;
    if (!text)
        return 0;
    if (jsonio_parse(slice_of(text), "tools", &tools, NULL) != STATUS_OK)
        return -1;
    json_t *list = json_array();
    int failed = 0;
    json_array_foreach(tools, i, each)
        failed |= json_array_append_new(list, tool(each));
    json_decref(tools);
    return failed | json_object_set_new(body, "tools", list);
}

/* What a request takes of rate limits, before anybody counts: four bytes to a token, and all that it may answer. */
static rate_cost cost_of(const api_call *c)
{
    double in = c->exchange.body ? ceil((double)c->exchange.length / 4) : 0, out = c->request ? c->request->max_tokens : 1;
    return (rate_cost){.of = {[RATE_REQUESTS] = 1, [RATE_TOKENS] = in + out, [RATE_INPUT] = in, [RATE_OUTPUT] = out}};
}

void api_send(arena *a, api_call *calls, size_t count)
{
    http_exchange **sent = ARENA_ARRAY(a, http_exchange *, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        api_call *c = &calls[i];
        if (!c->refusal && (!sent || !api_write(c, a))) {
            c->refusal = "the request could not be written (not UTF-8, or out of memory)";
            c->refused = STATUS_INVALID;
        }
        if (c->refusal)
            continue;
        c->exchange.context = c;
        c->exchange.url = c->url;
        c->exchange.cost = cost_of(c);
        sent[n++] = &c->exchange;
    }
    while (n > 0) {
        size_t again = 0;
        http_run(calls[0].api->client, sent, n);
        for (size_t i = 0; i < n; i++)
            if (!api_read(sent[i]->context))
                sent[again++] = sent[i];
        n = again;
    }
}

void api_clear(api_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(calls[i].answer);
        calls[i].answer = NULL;
        strbuf_free(&calls[i].body);
        http_exchange_clear(&calls[i].exchange);
    }
}

/* ---- generating ------------------------------------------------------------------------------------------------- */

static status fill_reply(arena *a, const api_call *c, generate_reply *reply, error *err)
{
    const http_exchange *x = &c->exchange;
    reply->logprob = NAN;
    reply->retries = x->retries;
    reply->seconds_generating = x->seconds_generating;
    reply->seconds_waiting = x->seconds_waiting;
    reply->seconds_retrying = x->seconds_retrying;
    TRY(api_outcome(a, c, &reply->code, &reply->problem, err));
    if (reply->code == STATUS_OK && c->api->form->read(a, c->answer, c->request, reply) != STATUS_OK)
        return error_set(err, STATUS_MEMORY, "out of memory while reading an answer of %s", c->url);
    return STATUS_OK;
}

static status api_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                           size_t count, error *err)
{
    api *s = self->state;
    api_call *calls = ARENA_ARRAY(a, api_call, count + 1);
    if (!calls)
        return error_set(err, STATUS_MEMORY, "out of memory while asking %s", s->url);
    for (size_t i = 0; i < count; i++)
        calls[i] = (api_call){.api = s,
                              .request = requests[i],
                              .url = s->url,
                              .claim = requests[i]->claim,
                              .write = s->form->body,
                              .check = s->form->malformed,
                              .refused = STATUS_UNSUPPORTED,
                              .refusal = s->form->unsupported(s, requests[i])};
    api_send(a, calls, count);
    status result = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        status one = fill_reply(a, &calls[i], &replies[i], result == STATUS_OK ? err : NULL);
        result = result == STATUS_OK ? one : result;
    }
    api_clear(calls, count);
    return result;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void api_close(subject *self)
{
    api *s = self->state;
    http_client_free(s->client);
    if (s->key) {
        sodium_memzero(s->key, strlen(s->key));
        s->key = NULL;
    }
}

static void api_interrupt(subject *self)
{
    http_client_interrupt(((api *)self->state)->client);
}

static void api_resume(subject *self)
{
    http_client_resume(((api *)self->state)->client);
}

static status make_client(api *s, const subject_options *options, size_t in_flight, error *err)
{
    const char *headers[2];
    size_t count = 0, size = s->key ? strlen(s->key) + strlen(s->form->key_header) + 1 : 0;
    char *line = s->key ? memory_alloc(size) : NULL;
    if (s->key && !line)
        return error_set(err, STATUS_MEMORY, "out of memory while opening an API");
    if (line) {
        snprintf(line, size, "%s%s", s->form->key_header, s->key);
        headers[count++] = line;
    }
    if (s->form->header)
        headers[count++] = s->form->header;
    status result = http_client_new(
        &(http_options){.name = s->url,
                        .headers = headers,
                        .header_count = count,
                        .connect_seconds = CONNECT_SECONDS,
                        .idle_seconds = options->idle_seconds > 0 ? options->idle_seconds : IDLE_SECONDS,
                        .timeout_seconds = options->timeout_seconds > 0 ? options->timeout_seconds : DEFAULT_TIMEOUT,
                        .in_flight = in_flight,
                        .answer_bytes = API_ANSWER_BYTES,
                        .retries = options->retries < 0 ? 0 : options->retries ? options->retries : DEFAULT_RETRIES,
                        .retry_seconds = options->retry_seconds > 0 ? options->retry_seconds : 0.5,
                        .judge = api_judge},
        &s->client, err);
    if (line) {
        sodium_memzero(line, size);
        memory_free(line);
    }
    return result;
}

status subject_open_api(arena *a, const char *specification, const char *rest, const subject_options *options,
                        subject **out, error *err)
{
    static const subject_class class = {.name = "api",
                                        .generate = api_generate,
                                        .score = api_score,
                                        .close = api_close,
                                        .interrupt = api_interrupt,
                                        .resume = api_resume,
                                        .probe = api_probe};
    (void)rest;
    subject *self = ARENA_NEW(a, subject);
    api *s = ARENA_NEW(a, api);
    char *name = arena_strdup(a, specification);
    if (!self || !s || !name)
        return error_set(err, STATUS_MEMORY, "out of memory while opening an API");
    TRY(api_address(a, specification, options, s, err));
    atomic_init(&s->habits, s->form->habits);
    size_t in_flight = options->in_flight ? options->in_flight : DEFAULT_IN_FLIGHT;
    TRY(make_client(s, options, in_flight, err));
    const char *host = strstr(s->url, "://") + 3;
    *self = (subject){.class = &class,
                      .specification = name,
                      .identity = arena_printf(a, "%s %s %s", s->form->name, s->url, s->model),
                      .billed = arena_printf(a, "%.*s/%s", (int)strcspn(host, "/"), host, s->model),
                      .abilities = s->form->abilities,
                      .batch = in_flight,
                      .concurrent = true,
                      .state = s};
    if (!self->identity || !self->billed) {
        api_close(self);
        return error_set(err, STATUS_MEMORY, "out of memory while opening an API");
    }
    *out = self;
    return STATUS_OK;
}
