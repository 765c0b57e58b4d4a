/* Connections: requests are gathered, answers sent, by the one thread of libmicrohttpd. A request that is refused early is
 * read to its end all the same (within limits), so that the client sees why instead of a broken connection. */
#include "serve/inside.h"

#include "core/progress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTION_MEMORY = 32768, STREAM_BLOCK = 16384, SWALLOW_TIMES = 4, ALL_BODIES = 1 << 28 };

typedef enum MHD_Result answer_result;

static const route no_route = {.method = "", .path = "other", .open = true};

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void set_wire(wire *l, job *j)
{
    if (!l)
        return;
    server *s = j ? j->server : l->job ? l->job->server : NULL;
    if (!s)
        return;
    pthread_mutex_lock(&s->wires_lock);
    l->job = j;
    l->since = clock_seconds();
    pthread_mutex_unlock(&s->wires_lock);
}

static void on_connection(void *context, struct MHD_Connection *c, void **own, enum MHD_ConnectionNotificationCode code)
{
    server *s = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        wire *l = memory_alloc(sizeof *l);
        *own = l;
        if (!l)
            return;
        *l = (wire){.socket = info->connect_fd, .since = clock_seconds()};
        pthread_mutex_lock(&s->wires_lock);
        l->next = s->wires;
        l->back = &s->wires;
        if (l->next)
            l->next->back = &l->next;
        s->wires = l;
        s->wire_count++;
        pthread_mutex_unlock(&s->wires_lock);
        return;
    }
    wire *l = *own;
    if (!l)
        return;
    pthread_mutex_lock(&s->wires_lock);
    *l->back = l->next;
    if (l->next)
        l->next->back = l->back;
    s->wire_count--;
    pthread_mutex_unlock(&s->wires_lock);
    memory_free(l);
    *own = NULL;
}

/* The answer is sent, or cannot be any more. */
static void on_completed(void *context, struct MHD_Connection *c, void **own, enum MHD_RequestTerminationCode code)
{
    server *s = context;
    job *j = *own;
    (void)c;
    if (!j)
        return;
    *own = NULL;
    set_wire(j->wire, NULL);
    pthread_mutex_lock(&j->lock);
    j->gone = true;
    bool unfinished = j->handed && !j->finished;
    int http = code == MHD_REQUEST_TERMINATED_COMPLETED_OK || j->http ? j->http : 499;
    pthread_mutex_unlock(&j->lock);
    if (unfinished)
        job_cancel(j);
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        metrics_cut(&s->metrics);
    metrics_request(&s->metrics, j->route ? j->route->path : no_route.path, http, clock_seconds() - j->received);
    atomic_fetch_sub(&s->open, 1);
    job_release(j);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static ssize_t read_stream(void *context, uint64_t at, char *to, size_t most)
{
    job *j = context;
    ssize_t result = 0;
    (void)at;
    pthread_mutex_lock(&j->lock);
    size_t left = j->out.length - j->sent;
    if (left > 0) {
        size_t n = left < most ? left : most;
        memcpy(to, j->out.text + j->sent, n);
        j->sent += n;
        result = (ssize_t)n;
    } else if (j->finished) {
        result = j->broken ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        j->suspended = true;
        MHD_suspend_connection(j->connection);
    }
    pthread_mutex_unlock(&j->lock);
    return result;
}

static void add_headers(const server *s, const job *j, struct MHD_Response *r)
{
    MHD_add_response_header(r, "Content-Type", j->type);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (j->streaming) {
        MHD_add_response_header(r, "Cache-Control", "no-cache");
        MHD_add_response_header(r, "X-Accel-Buffering", "no");
    }
    if (j->http == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (j->http == 429 || j->http == 503)
        MHD_add_response_header(r, "Retry-After", "1");
    if (j->http == 413 || atomic_load(&s->stopping))
        MHD_add_response_header(r, "Connection", "close");
    if (j->cors) {
        MHD_add_response_header(r, "Access-Control-Allow-Origin", j->cors);
        MHD_add_response_header(r, "Vary", "Origin");
    }
}

static answer_result send_answer(server *s, job *j, const char *allowed)
{
    struct MHD_Response *r =
        j->streaming ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, j, NULL)
                     : MHD_create_response_from_buffer(j->out.length, j->out.text ? j->out.text : "", MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    add_headers(s, j, r);
    if (allowed)
        MHD_add_response_header(r, "Allow", allowed);
    answer_result result = MHD_queue_response(j->connection, (unsigned)j->http, r);
    MHD_destroy_response(r);
    return result;
}

static answer_result refuse(server *s, job *j, const problem *p, const char *allowed)
{
    job_fail(j, p);
    return send_answer(s, j, allowed);
}

/* A page asks whether it may ask. */
static answer_result preflight(job *j)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Access-Control-Allow-Origin", j->cors);
    MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, POST");
    MHD_add_response_header(r, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    MHD_add_response_header(r, "Access-Control-Max-Age", "600");
    MHD_add_response_header(r, "Vary", "Origin");
    j->http = 204;
    answer_result result = MHD_queue_response(j->connection, 204, r);
    MHD_destroy_response(r);
    return result;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* The first sight of a request: its head. */
static answer_result begin(server *s, struct MHD_Connection *c, const char *path, const char *method, void **own)
{
    job *j = job_new(s, c);
    const char *allowed, *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    if (!j)
        return MHD_NO;
    *own = j;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    j->wire = info ? info->socket_context : NULL;
    set_wire(j->wire, j);
    const route *found = route_find(method, path, &allowed);
    j->route = found ? found : &no_route;
    guard_request(s, j, found ? method : "", &j->problem);
    int64_t bytes = 0;
    if (length && (!slice_to_int(slice_of(length), &bytes) || bytes > (int64_t)s->options.body_bytes)) {
        problem_set(&j->problem, 413, NULL, "the body has %.20s bytes, and this server takes %zu", length, s->options.body_bytes);
        return refuse(s, j, &j->problem, NULL);
    }
    return MHD_YES;
}

static answer_result gather(server *s, job *j, const char *data, size_t *size)
{
    size_t n = *size;
    *size = 0;
    if (j->problem.http == 0 && j->body.length + n > s->options.body_bytes)
        problem_set(&j->problem, 413, NULL, "the body has more than the %zu bytes that this server takes", s->options.body_bytes);
    if (j->problem.http == 0 && atomic_load(&s->body_bytes) + n > ALL_BODIES)
        problem_set(&j->problem, 429, NULL, "too many large requests at once");
    if (j->problem.http != 0) {
        j->swallowed += n;
        return j->swallowed > SWALLOW_TIMES * s->options.body_bytes ? MHD_NO : MHD_YES;
    }
    strbuf_add_bytes(&j->body, data, n);
    if (j->body.failed)
        problem_set(&j->problem, 503, NULL, "out of memory for this request");
    else
        atomic_fetch_add(&s->body_bytes, n);
    return MHD_YES;
}

static bool may_queue(server *s, problem *p)
{
    if (atomic_load(&s->stopping))
        return problem_set(p, 503, NULL, "the server is stopping");
    if (atomic_fetch_add(&s->in_flight, 1) < s->options.queue)
        return true;
    atomic_fetch_sub(&s->in_flight, 1);
    return problem_set(p, 429, NULL, "%zu requests are waiting already; ask again later", s->options.queue);
}

static answer_result hand_over(server *s, job *j)
{
    problem p;
    if (!may_queue(s, &p))
        return refuse(s, j, &p, NULL);
    j->handed = true;
    j->gathered = clock_seconds();
    atomic_fetch_add(&j->references, 1);
    pthread_mutex_lock(&j->lock);
    j->suspended = true;
    MHD_suspend_connection(j->connection);
    pthread_mutex_unlock(&j->lock);
    work_put(s, j);
    return MHD_YES;
}

static answer_result dispatch(server *s, job *j, const char *path, const char *method)
{
    const char *allowed;
    if (j->route != &no_route && j->problem.http == 0) {
        if (j->route->kind)
            return hand_over(s, j);
        j->route->answer(s, j);
        return send_answer(s, j, NULL);
    }
    if (j->problem.http != 0)
        return refuse(s, j, &j->problem, NULL);
    route_find(method, path, &allowed);
    if (strcmp(method, "OPTIONS") == 0 && j->cors && allowed[0])
        return preflight(j);
    problem p;
    strbuf names = strbuf_new(NULL, 4096);
    route_names(&names);
    if (allowed[0])
        problem_set(&p, 405, NULL, "%.20s is not a method of %.200s", method, path);
    else
        problem_set(&p, 404, NULL, "there is no route %.20s %.200s; there are%s", method, path, names.failed ? " others" : names.text);
    strbuf_free(&names);
    return refuse(s, j, &p, allowed[0] ? allowed : NULL);
}

static answer_result on_request(void *context, struct MHD_Connection *c, const char *path, const char *method,
                                const char *version, const char *data, size_t *size, void **own)
{
    server *s = context;
    job *j = *own;
    (void)version;
    if (!j)
        return begin(s, c, path, method, own);
    if (*size > 0)
        return gather(s, j, data, size);
    if (!j->handed)
        return dispatch(s, j, path, method);
    pthread_mutex_lock(&j->lock);
    bool ready = j->ready;
    if (!ready) { /* woken for nothing */
        j->suspended = true;
        MHD_suspend_connection(c);
    }
    pthread_mutex_unlock(&j->lock);
    return ready ? send_answer(s, j, NULL) : MHD_YES;
}

/* ---- the daemon ------------------------------------------------------------------------------------------------- */

static void no_log(void *context, const char *format, va_list args)
{
    (void)context, (void)format, (void)args;
}

static status resolve(server *s, struct sockaddr_storage *address, socklen_t *length, error *err)
{
    struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    char port[16];
    const char *host = strcasecmp(s->options.host, "localhost") == 0 ? "127.0.0.1" : s->options.host;
    snprintf(port, sizeof port, "%d", s->options.port);
    if (getaddrinfo(host, port, &wanted, &found) != 0) {
        error_set(err, STATUS_USAGE, "%s is no address to listen on; expected a numeric address or localhost", s->options.host);
        return error_hint(err, "127.0.0.1 serves this machine alone, 0.0.0.0 all its networks (with --api-key-env)");
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *length = (socklen_t)found->ai_addrlen;
    freeaddrinfo(found);
    s->loopback = guard_host_is_loopback(host);
    return STATUS_OK;
}

/* A socket of our own, so that what is wrong with the address can be said in the system's words. */
static status listen_on(const server *s, const struct sockaddr_storage *address, socklen_t length, int *out, error *err)
{
    int on = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_system(err, "opening a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, length) != 0 || listen(fd, 1024) != 0) {
        bool taken = errno == EADDRINUSE;
        error_system(err, "listening on %s port %d", s->options.host, s->options.port);
        if (taken)
            error_hint(err, "another program has it: choose another port, or 0 for any that is free");
        close(fd);
        return err ? err->code : STATUS_IO;
    }
    *out = fd;
    return STATUS_OK;
}

static status say_address(server *s, int fd, error *err)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &length) != 0)
        return error_system(err, "reading the address of a socket");
    bool six = bound.ss_family == AF_INET6;
    int port = ntohs(six ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
    s->address = arena_printf(s->arena, six ? "http://[%s]:%d" : "http://%s:%d", s->options.host, port);
    return s->address ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}

status http_start(server *s, error *err)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    int fd = -1;
    TRY(resolve(s, &address, &length, err));
    if (!s->loopback && !s->options.key) {
        error_set(err, STATUS_USAGE, "%s can be reached from other machines, and no API key is set", s->options.host);
        return error_hint(err, "--api-key-env NAME takes the key from the environment variable NAME");
    }
    TRY(listen_on(s, &address, length, &fd, err));
    status result = say_address(s, fd, err);
    if (result != STATUS_OK) {
        close(fd);
        return result;
    }
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
        0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->options.connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->options.idle_seconds < 1 ? 1 : s->options.idle_seconds),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!s->daemon) {
        close(fd);
        return error_set(err, STATUS_IO, "the HTTP server on %s cannot be started", s->address);
    }
    return STATUS_OK;
}

void http_stop(server *s)
{
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
