#include "serve/inside.h"

#include "core/progress.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const double WATCH_SECONDS = 0.25, CUT_SECONDS = 5;

static void set_defaults(serve_options *o)
{
    o->host = o->host ? o->host : "127.0.0.1";
    o->body_bytes = o->body_bytes ? o->body_bytes : (size_t)8 << 20;
    o->connections = o->connections ? o->connections : 1024;
    o->queue = o->queue ? o->queue : 1024;
    o->idle_seconds = o->idle_seconds > 0 ? o->idle_seconds : 60;
    o->request_seconds = o->request_seconds > 0 ? o->request_seconds : 600;
    o->drain_seconds = o->drain_seconds > 0 ? o->drain_seconds : 10;
}

/* A connection is a file: the system's usual limit of 1024 would be the server's. */
static void raise_file_limit(size_t connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static status start(server *s, error *err)
{
    if (subject_local_parts(s->subject, &s->local))
        TRY(speak_start(s, err));
    else
        TRY(broker_new(s->subject, &(broker_options){.askers = SERVER_MOST_WORKERS}, &s->broker, err));
    TRY(work_start(s, err));
    return http_start(s, err);
}

/* Signals are for the caller's thread: the server's own are born with all of them blocked. */
static status start_quietly(server *s, error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status result = start(s, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

status serve_new(subject *who, const serve_options *options, server **out, error *err)
{
    arena *a = arena_new(NULL);
    server *s = ARENA_NEW(a, server);
    *out = NULL;
    if (!s) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory");
    }
    *s = (server){.arena = a, .subject = who, .listener = -1, .started = time(NULL)};
    if (options)
        s->options = *options;
    set_defaults(&s->options);
    s->model = s->options.model ? s->options.model : who->specification;
    snprintf(s->fingerprint, sizeof s->fingerprint, "assay_%.16s",
             strncmp(who->identity, "sha256:", 7) == 0 ? who->identity + 7 : who->class->name);
    if (metrics_init(&s->metrics, err) != STATUS_OK) {
        arena_free(a);
        return STATUS_MEMORY;
    }
    pthread_mutex_init(&s->wires_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->engine_work, NULL);
    raise_file_limit(s->options.connections);
    status result = start_quietly(s, err);
    if (result == STATUS_OK)
        *out = s;
    else
        serve_free(s);
    return result;
}

const char *serve_address(const server *s)
{
    return s->address;
}

/* ---- watching --------------------------------------------------------------------------------------------------- */

/* Whether the other side has gone while its request waits: nobody reads from a connection that is suspended. */
static bool has_left(int socket)
{
    struct pollfd p = {.fd = socket, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void watch_wire(const server *s, wire *l, double now)
{
    job *j = l->job;
    if (!j) { /* between requests, or in the middle of a request's head */
        if (now - l->since > s->options.idle_seconds)
            shutdown(l->socket, SHUT_RDWR);
        return;
    }
    double age = now - j->received;
    pthread_mutex_lock(&j->lock);
    bool waits = j->suspended, working = j->handed && !j->finished;
    pthread_mutex_unlock(&j->lock);
    if (working && age > s->options.request_seconds)
        job_expire(j);
    if (waits && has_left(l->socket))
        job_cancel(j);
    /* A body that drips in, an answer that drips out. */
    if (!working && age > s->options.request_seconds + s->options.idle_seconds)
        shutdown(l->socket, SHUT_RDWR);
}

static void watch(server *s)
{
    double now = clock_seconds();
    pthread_mutex_lock(&s->wires_lock);
    for (wire *l = s->wires; l; l = l->next)
        watch_wire(s, l, now);
    pthread_mutex_unlock(&s->wires_lock);
}

static void cut_all(server *s)
{
    pthread_mutex_lock(&s->wires_lock);
    for (wire *l = s->wires; l; l = l->next)
        if (l->job)
            job_cancel(l->job);
    pthread_mutex_unlock(&s->wires_lock);
}

static void nap(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
    nanosleep(&t, NULL);
}

static bool drained(server *s, double seconds)
{
    double end = clock_seconds() + seconds;
    while (atomic_load(&s->open) > 0 && clock_seconds() < end) {
        watch(s);
        nap(0.02);
    }
    return atomic_load(&s->open) == 0;
}

/* Whoever is asked while a job is cut: an API that hangs. */
static void interrupt_subject(server *s)
{
    if (s->broker)
        broker_interrupt(s->broker);
    if (s->subject->class->interrupt && s->broker)
        s->subject->class->interrupt(s->subject);
}

static void stop_serving(server *s)
{
    atomic_store(&s->stopping, true);
    if (s->daemon && s->listener < 0)
        s->listener = MHD_quiesce_daemon(s->daemon);
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -2;
    if (!drained(s, s->options.drain_seconds)) {
        cut_all(s);
        interrupt_subject(s);
        drained(s, CUT_SECONDS);
    }
}

status serve_wait(server *s, const atomic_bool *stop, error *err)
{
    (void)err;
    while (!atomic_load(stop)) {
        watch(s);
        nap(WATCH_SECONDS);
    }
    stop_serving(s);
    return STATUS_OK;
}

/* Order matters: threads that answer end first, then nothing is suspended, and the connections can be closed. */
void serve_free(server *s)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    if (s->daemon) {
        cut_all(s);
        interrupt_subject(s);
    }
    work_stop(s);
    speak_end(s);
    http_stop(s);
    broker_free(s->broker);
    pthread_cond_destroy(&s->engine_work);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->wires_lock);
    metrics_free(&s->metrics);
    arena_free(s->arena);
}
