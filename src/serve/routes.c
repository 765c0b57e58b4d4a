/* Which route does what, and the answers that need nobody. */
#include "serve/inside.h"

#include "core/jsonio.h"

#include <string.h>

static void answer_json(job *j, json_t *body)
{
    strbuf text = job_text();
    if (!body || jsonio_print(body, 0, &text, NULL) != STATUS_OK)
        text.failed = true;
    strbuf_add_char(&text, '\n');
    json_decref(body);
    job_finish(j, 200, "application/json", &text);
}

static void answer_models(server *s, job *j)
{
    json_t *one = json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", s->model, "object", "model", "created", (json_int_t)s->started,
                            "owned_by", "assay", "root", s->subject->specification);
    if (one && s->local.engine)
        json_object_set_new(one, "max_model_len", json_integer(engine_context(s->local.engine)));
    answer_json(j, json_pack("{s:s, s:[o]}", "object", "list", "data", one));
}

static void answer_health(server *s, job *j)
{
    if (atomic_load(&s->stopping)) {
        problem p;
        problem_set(&p, 503, NULL, "the server is stopping");
        job_fail(j, &p);
        return;
    }
    answer_json(j, json_pack("{s:s}", "status", "ok"));
}

static void answer_metrics(server *s, job *j)
{
    metric_now now = {.in_flight = atomic_load(&s->in_flight)};
    pthread_mutex_lock(&s->wires_lock);
    now.connections = s->wire_count;
    pthread_mutex_unlock(&s->wires_lock);
    pthread_mutex_lock(&s->lock);
    now.queue = s->queue.count;
    pthread_mutex_unlock(&s->lock);
    strbuf text = job_text();
    metrics_print(&s->metrics, &now, &text);
    job_finish(j, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static const route routes[] = {
    {"POST", "/v1/chat/completions", REQUEST_CHAT, NULL, false},
    {"POST", "/v1/completions", REQUEST_COMPLETIONS, NULL, false},
    {"POST", "/tokenize", REQUEST_TOKENIZE, NULL, false},
    {"POST", "/detokenize", REQUEST_DETOKENIZE, NULL, false},
    {"POST", "/v1/tokenize", REQUEST_TOKENIZE, NULL, false},
    {"POST", "/v1/detokenize", REQUEST_DETOKENIZE, NULL, false},
    {"GET", "/tokenizer_info", 0, tokens_describe, false},
    {"GET", "/v1/models", 0, answer_models, false},
    {"GET", "/health", 0, answer_health, true},
    {"GET", "/metrics", 0, answer_metrics, false},
};

void route_names(strbuf *out)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        strbuf_printf(out, "%s %s %s", i ? "," : "", routes[i].method, routes[i].path);
}

const route *route_find(const char *method, const char *path, const char **allowed)
{
    *allowed = "";
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        *allowed = routes[i].method;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
    }
    return NULL;
}
