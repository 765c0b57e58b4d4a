/* fault_server.h - a small HTTP server for tests that plays what servers do: quotas, failures, hangs, half answers, bad
 * JSON, redirects, slow drips. One thread a connection; what each request gets is an `act`, from a list by the number of
 * the request or from a function. Requests to .../models are answered apart (`models`; 404 where it is NULL) and not
 * counted among the others. */
#ifndef ASSAY_TESTS_SUBJECT_FAULT_SERVER_H
#define ASSAY_TESTS_SUBJECT_FAULT_SERVER_H

#include "core/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOOD                                                                                                       \
    "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"Paris.\"}, \"finish_reason\": \"stop\"}]," \
    " \"usage\": {\"prompt_tokens\": 11, \"completion_tokens\": 3}}"

typedef enum act_how { ANSWER, HANG, CLOSE, HALF, ENDLESS, DRIP, STALL } act_how;

/* What the server does with a request; the last one of a list repeats. HALF: half the body, then the end; DRIP: a byte at
 * a time for ever; STALL: half the body, then nothing. */
typedef struct act {
    int code;
    const char *headers, *body; /* NULL: GOOD */
    act_how how;
} act;

enum { SERVER_REQUEST_BYTES = 65536, SERVER_CONNECTIONS = 2048 };

typedef struct fault_server {
    int listener, port;
    pthread_t thread;
    const act *acts;
    size_t act_count;
    /* Instead of the list: `body` is the request's. Called under the lock. */
    act (*decide)(void *context, const char *body, size_t number);
    /* After GOOD has been sent whole. Called under the lock. */
    void (*answered)(void *context, const char *body);
    void *context;
    const char *models;
    atomic_size_t requests;
    atomic_int now, most; /* requests in flight */
    useconds_t delay;
    pthread_mutex_t lock;
    char last_request[SERVER_REQUEST_BYTES]; /* under the lock */
    atomic_bool closing;
} server;

typedef struct connection {
    server *server;
    int socket;
} connection;

/* Reads one request, head and body; false at the end of the connection. */
static bool read_request(server *s, int socket, char *text, size_t size)
{
    size_t used = 0;
    for (;;) {
        struct pollfd p = {.fd = socket, .events = POLLIN};
        if (poll(&p, 1, 50) == 0) {
            if (atomic_load(&s->closing))
                return false;
            continue;
        }
        ssize_t n = recv(socket, text + used, size - 1 - used, 0);
        if (n <= 0)
            return false;
        used += (size_t)n;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        size_t need = end ? (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 15, NULL, 10) : 0) : 0;
        if (need && used >= need)
            return true;
    }
}

static bool send_text(int socket, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = send(socket, text, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

/* Nothing more, until the other side has had enough. */
static void wait_for_end(server *s, int socket)
{
    char byte;
    for (int i = 0; i < 2000 && !atomic_load(&s->closing); i++) {
        struct pollfd p = {.fd = socket, .events = POLLIN};
        if (poll(&p, 1, 10) > 0 && recv(socket, &byte, 1, 0) <= 0)
            return;
    }
}

/* Whether the connection goes on; *whole: an answer went out. */
static bool play(server *s, int socket, const act *a, bool *whole)
{
    static char filler[1 << 16];
    char head[1024];
    const char *body = a->body ? a->body : GOOD;
    size_t length = strlen(body), claimed = a->how == ENDLESS ? (size_t)64 << 20 : a->how == DRIP ? 1 << 20 : length;
    snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
             a->code ? a->code : 200, claimed, a->headers ? a->headers : "");
    *whole = false;
    if (a->how == CLOSE)
        return false;
    if (a->how == HANG) {
        wait_for_end(s, socket);
        return false;
    }
    usleep(s->delay);
    send_text(socket, head, strlen(head));
    switch (a->how) {
    case ENDLESS:
        memset(filler, ' ', sizeof filler);
        for (int i = 0; i < 1024 && send_text(socket, filler, sizeof filler); i++)
            ;
        return false;
    case DRIP:
        for (int i = 0; i < 4000 && !atomic_load(&s->closing) && send_text(socket, " ", 1); i++)
            usleep(5000);
        return false;
    case HALF:
        send_text(socket, body, length / 2);
        return false;
    case STALL:
        send_text(socket, body, length / 2);
        wait_for_end(s, socket);
        return false;
    default:
        *whole = send_text(socket, body, length);
        return *whole;
    }
}

static act choose(server *s, const char *request, const char *body)
{
    if (strncmp(request, "GET ", 4) == 0)
        return (act){.code = s->models ? 200 : 404, .body = s->models ? s->models : "{}"};
    size_t number = atomic_fetch_add(&s->requests, 1);
    int now = atomic_fetch_add(&s->now, 1) + 1, most = atomic_load(&s->most);
    while (now > most && !atomic_compare_exchange_weak(&s->most, &most, now))
        ;
    pthread_mutex_lock(&s->lock);
    memcpy(s->last_request, request, strlen(request) + 1);
    act a = s->decide ? s->decide(s->context, body, number) : s->acts[number < s->act_count ? number : s->act_count - 1];
    pthread_mutex_unlock(&s->lock);
    return a;
}

static void *serve_connection(void *context)
{
    connection *c = context;
    server *s = c->server;
    char *text = malloc(SERVER_REQUEST_BYTES);
    bool open = text != NULL, whole;
    while (open && read_request(s, c->socket, text, SERVER_REQUEST_BYTES)) {
        const char *body = strstr(text, "\r\n\r\n") + 4;
        bool posted = strncmp(text, "GET ", 4) != 0;
        act a = choose(s, text, body);
        open = play(s, c->socket, &a, &whole);
        if (posted && whole && s->answered && !a.body) {
            pthread_mutex_lock(&s->lock);
            s->answered(s->context, body);
            pthread_mutex_unlock(&s->lock);
        }
        if (posted)
            atomic_fetch_sub(&s->now, 1);
    }
    close(c->socket);
    free(text);
    free(c);
    return NULL;
}

static void *serve(void *context)
{
    server *s = context;
    static pthread_t ids[8][SERVER_CONNECTIONS]; /* of up to eight servers of a test at once */
    static atomic_int used;
    pthread_t *mine = ids[atomic_fetch_add(&used, 1) % 8];
    size_t count = 0;
    while (!atomic_load(&s->closing)) {
        struct pollfd p = {.fd = s->listener, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0)
            continue;
        int one = 1;
        connection *c = malloc(sizeof *c);
        *c = (connection){s, accept(s->listener, NULL, NULL)};
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (count == SERVER_CONNECTIONS || pthread_create(&mine[count], NULL, serve_connection, c) != 0)
            abort();
        count++;
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(mine[i], NULL);
    return NULL;
}

/* Takes acts, or decide, answered, context, models and delay from `plan`. */
static server *server_start(server plan)
{
    server *s = calloc(1, sizeof *s);
    *s = plan;
    pthread_mutex_init(&s->lock, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(s->listener, 512), 0);
    getsockname(s->listener, (struct sockaddr *)&address, &length);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static inline server *server_new(const act *acts, size_t count)
{
    return server_start((server){.acts = acts, .act_count = count});
}

static void server_free(server *s)
{
    atomic_store(&s->closing, true);
    pthread_join(s->thread, NULL);
    close(s->listener);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

#endif
