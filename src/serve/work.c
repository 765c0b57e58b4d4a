/* Threads that read requests: few, whatever the number of connections. */
#include "serve/inside.h"

#include "core/progress.h"

enum { READERS = 2, ASKERS_OF_BATCHES = 16 };

void queue_put(job_queue *q, job *j)
{
    j->next = NULL;
    if (!q->end)
        q->end = &q->first;
    *q->end = j;
    q->end = &j->next;
    q->count++;
}

job *queue_take(job_queue *q)
{
    job *j = q->first;
    if (!j)
        return NULL;
    q->first = j->next;
    if (!q->first)
        q->end = &q->first;
    q->count--;
    return j;
}

void work_put(server *s, job *j)
{
    pthread_mutex_lock(&s->lock);
    queue_put(&s->queue, j);
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

/* Model names are checked as OpenAI does: a client that asks for another model must not get this one's answers. */
static bool check_model(const server *s, const request *q, problem *p)
{
    if (!q->model || slice_equal(slice_of(q->model), slice_of(s->model)) ||
        slice_equal(slice_of(q->model), slice_of(s->subject->specification)))
        return true;
    problem_set(p, 404, "model", "there is no model \"%.200s\" here; this server has \"%.200s\"", q->model, s->model);
    p->code = "model_not_found";
    return false;
}

static void read_job(server *s, job *j)
{
    problem p = {0};
    metrics_time(&s->metrics, &s->metrics.queued, clock_seconds() - j->gathered);
    j->arena = arena_new(NULL);
    if (atomic_load(&j->cancelled))
        job_cancel_problem(j, &p);
    else if (!j->arena)
        problem_set(&p, 503, NULL, "out of memory for this request");
    else if (request_parse(j->arena, j->route->kind, strbuf_slice(&j->body), &j->request, &p))
        check_model(s, &j->request, &p);
    if (p.http != 0) {
        answer_problem(j, &p);
        job_leave(j);
        return;
    }
    if (j->request.kind & (REQUEST_TOKENIZE | REQUEST_DETOKENIZE))
        tokens_answer(s, j);
    else if (s->local.engine)
        speak_answer(s, j);
    else
        ask_answer(s, j);
}

static void *work(void *context)
{
    server *s = context;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        job *j = queue_take(&s->queue);
        if (j) {
            pthread_mutex_unlock(&s->lock);
            read_job(s, j);
            pthread_mutex_lock(&s->lock);
        } else if (s->closing) {
            break;
        } else {
            pthread_cond_wait(&s->work, &s->lock);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

status work_start(server *s, error *err)
{
    size_t count = s->local.engine ? READERS : s->subject->concurrent ? SERVER_MOST_WORKERS : ASKERS_OF_BATCHES;
    while (s->worker_count < count) {
        if (pthread_create(&s->workers[s->worker_count], NULL, work, s) != 0)
            return error_set(err, STATUS_MEMORY, "a thread cannot be started");
        s->worker_count++;
    }
    return STATUS_OK;
}

void work_stop(server *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    while (s->worker_count > 0)
        pthread_join(s->workers[--s->worker_count], NULL);
}
