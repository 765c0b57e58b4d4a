/* One request and its answer. */
#include "serve/inside.h"

#include "core/progress.h"

#include <stdlib.h>

enum { MOST_ANSWER = 1 << 30 };

strbuf job_text(void)
{
    return strbuf_new(NULL, MOST_ANSWER);
}

job *job_new(server *s, struct MHD_Connection *c)
{
    job *j = memory_alloc(sizeof *j);
    if (!j)
        return NULL;
    *j = (job){.server = s, .connection = c, .received = clock_seconds(), .body = strbuf_new(NULL, s->options.body_bytes),
               .out = job_text(), .created = (long long)time(NULL)};
    atomic_init(&j->references, 1);
    pthread_mutex_init(&j->lock, NULL);
    snprintf(j->id, sizeof j->id, "%llx-%llu", (unsigned long long)s->started, (unsigned long long)atomic_fetch_add(&s->numbers, 1));
    atomic_fetch_add(&s->open, 1);
    return j;
}

void job_release(job *j)
{
    if (atomic_fetch_sub(&j->references, 1) != 1)
        return;
    for (size_t i = 0; i < j->part_count; i++)
        json_decref(j->parts[i].choice);
    json_decref(j->prompt_logprobs);
    atomic_fetch_sub(&j->server->body_bytes, j->body.length);
    strbuf_free(&j->body);
    strbuf_free(&j->out);
    arena_free(j->arena);
    pthread_mutex_destroy(&j->lock);
    memory_free(j);
}

/* Its place in the queue is free before the client has the answer, so that it can ask again at once. */
static void make_place(job *j)
{
    if (j->handed && !atomic_exchange(&j->left, true))
        atomic_fetch_sub(&j->server->in_flight, 1);
}

void job_leave(job *j)
{
    make_place(j);
    job_release(j);
}

/* Under the lock: the connection's thread goes on with it. */
static void wake(job *j)
{
    if (!j->suspended)
        return;
    j->suspended = false;
    MHD_resume_connection(j->connection);
}

/* Under the lock: the text becomes the answer, unless there is one already (its time was over). */
static void settle(job *j, int http, const char *type, strbuf *text)
{
    if (j->ready) {
        strbuf_free(text);
        return;
    }
    if (text->failed) {
        http = 503;
        type = "text/plain";
        strbuf_free(text);
        *text = job_text();
        strbuf_add(text, "out of memory\n");
    }
    j->out = *text;
    j->http = http;
    j->type = type;
    j->ready = j->finished = true;
    wake(j);
}

void job_finish(job *j, int http, const char *type, strbuf *text)
{
    make_place(j);
    pthread_mutex_lock(&j->lock);
    settle(j, http, type, text);
    pthread_mutex_unlock(&j->lock);
}

void job_fail(job *j, const problem *p)
{
    strbuf text = job_text();
    problem_print(p, &text);
    strbuf_add_char(&text, '\n');
    job_finish(j, p->http, "application/json", &text);
}

void job_expire(job *j)
{
    problem p;
    strbuf text = job_text();
    if (atomic_exchange(&j->late, true))
        return;
    job_cancel_problem(j, &p);
    pthread_mutex_lock(&j->lock);
    if (j->ready && !j->finished) { /* a stream: its last event */
        strbuf_add(&j->out, "data: ");
        problem_print(&p, &j->out);
        strbuf_add(&j->out, "\n\n");
        j->finished = j->broken = true;
        wake(j);
    } else if (!j->ready) {
        problem_print(&p, &text);
        strbuf_add_char(&text, '\n');
        settle(j, p.http, "application/json", &text);
    }
    pthread_mutex_unlock(&j->lock);
    job_cancel(j);
}

/* Under the lock. What has been sent goes. */
static void make_room(job *j)
{
    if (j->sent == 0 || j->sent < j->out.length)
        return;
    strbuf_clear(&j->out);
    j->sent = 0;
}

void job_stream(job *j, slice piece)
{
    pthread_mutex_lock(&j->lock);
    if (j->finished) { /* its time was over */
        pthread_mutex_unlock(&j->lock);
        return;
    }
    make_room(j);
    if (!j->gone)
        strbuf_add_slice(&j->out, piece);
    bool far_behind = j->out.length - j->sent > SERVER_UNSENT_BYTES || j->out.failed;
    if (!j->ready) { /* from here on the connection's thread reads these without the lock */
        j->http = 200;
        j->type = "text/event-stream; charset=utf-8";
        j->ready = j->streaming = true;
    }
    wake(j);
    pthread_mutex_unlock(&j->lock);
    if (far_behind)
        job_cancel(j);
}

void job_stream_end(job *j, bool broken)
{
    make_place(j);
    pthread_mutex_lock(&j->lock);
    if (!j->finished) {
        j->finished = true;
        j->broken = broken || j->out.failed;
        wake(j);
    }
    pthread_mutex_unlock(&j->lock);
}

void job_cancel(job *j)
{
    server *s = j->server;
    if (atomic_exchange(&j->cancelled, true))
        return;
    atomic_store(&s->some_cancelled, true);
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->engine_work);
    pthread_mutex_unlock(&s->lock);
}

void job_cancel_problem(const job *j, problem *p)
{
    if (atomic_load(&j->late))
        problem_set(p, 504, NULL, "the request took longer than the %g seconds that this server gives to one",
                    j->server->options.request_seconds);
    else if (atomic_load(&j->server->stopping))
        problem_set(p, 503, NULL, "the server is stopping");
    else
        problem_set(p, 499, NULL, "the client left, or read too slowly");
}
