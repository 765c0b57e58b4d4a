/* desk.h - a server in the test's own process, and clients for it: libcurl, and raw sockets for what libcurl would not send.
 * Include it in the one file of the program. */
#ifndef ASSAY_TESTS_SERVE_DESK_H
#define ASSAY_TESTS_SERVE_DESK_H

#include "core/jsonio.h"
#include "core/progress.h"
#include "serve/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct desk {
    arena *arena;
    subject *subject;
    server *server;
    int port;
    atomic_bool stop;
    pthread_t thread;
    bool ended;
    json_t *replies; /* all that were read: they live as long as the desk */
} desk;

static inline void *desk_wait(void *context)
{
    desk *d = context;
    assert_int_equal(serve_wait(d->server, &d->stop, NULL), STATUS_OK);
    return NULL;
}

/* Serves the subject; the caller closes it. */
static inline void desk_open(desk *d, subject *s, serve_options options)
{
    error err = {0};
    *d = (desk){.arena = arena_new(NULL), .subject = s, .replies = json_array()};
    if (serve_new(s, &options, &d->server, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    d->port = (int)strtol(strrchr(serve_address(d->server), ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&d->thread, NULL, desk_wait, d), 0);
}

/* Stops as Ctrl-C does. */
static inline void desk_stop(desk *d)
{
    atomic_store(&d->stop, true);
    pthread_join(d->thread, NULL);
    d->ended = true;
}

static inline void desk_close(desk *d)
{
    if (!d->ended)
        desk_stop(d);
    serve_free(d->server);
    json_decref(d->replies);
    arena_free(d->arena);
}

/* ---- libcurl ---------------------------------------------------------------------------------------------------- */

typedef struct reply {
    long code;
    strbuf head, body;
    json_t *json; /* NULL: the body is not JSON; the desk's */
    CURLcode curl;
} reply;

static inline size_t desk_take(char *data, size_t size, size_t count, void *context)
{
    strbuf_add_bytes(context, data, size * count);
    return size * count;
}

/* body NULL: GET. Headers end with NULL; Content-Type is that of JSON unless another is among them. */
static inline reply desk_ask_with(const desk *d, const char *path, const char *body, const char *const *headers)
{
    reply r = {.head = strbuf_new(d->arena, 1 << 20), .body = strbuf_new(d->arena, 1 << 28)};
    CURL *easy = curl_easy_init();
    bool typed = false;
    struct curl_slist *list = NULL;
    for (size_t i = 0; headers && headers[i]; i++) {
        list = curl_slist_append(list, headers[i]);
        typed |= strncasecmp(headers[i], "Content-Type:", 13) == 0;
    }
    if (!typed)
        list = curl_slist_append(list, "Content-Type: application/json");
    curl_easy_setopt(easy, CURLOPT_URL, arena_printf(d->arena, "http://127.0.0.1:%d%s", d->port, path));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, desk_take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &r.body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, desk_take);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &r.head);
    if (body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    r.curl = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r.code);
    curl_slist_free_all(list);
    curl_easy_cleanup(easy);
    if (r.body.length && jsonio_parse(strbuf_slice(&r.body), "answer", &r.json, NULL) != STATUS_OK)
        r.json = NULL;
    if (r.json)
        json_array_append_new(d->replies, r.json);
    return r;
}

static inline reply desk_ask(const desk *d, const char *path, const char *body)
{
    return desk_ask_with(d, path, body, NULL);
}

/* A value by its path, "choices.0.message.content". */
static inline json_t *desk_at(const json_t *value, const char *path)
{
    char name[64];
    while (value && *path) {
        size_t n = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        value = json_is_array(value) ? json_array_get(value, strtoul(name, NULL, 10)) : json_object_get(value, name);
        path += n + (path[n] == '.');
    }
    return (json_t *)value;
}

static inline const char *desk_text(const reply *r, const char *path)
{
    const char *text = json_string_value(desk_at(r->json, path));
    if (!text)
        fail_msg("no text at %s in: %s", path, r->body.text ? r->body.text : "(nothing)");
    return text;
}

/* ---- raw sockets ------------------------------------------------------------------------------------------------ */

static inline int raw_connect(const desk *d)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail_msg("cannot connect");
    return fd;
}

static inline void raw_send(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, text, length, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has had enough */
        text += n;
        length -= (size_t)n;
    }
}

/* Adds what comes until the other side closes, `until` is there, or the time is over. True: it closed. */
static inline bool raw_read(int fd, strbuf *out, const char *until, double seconds)
{
    char piece[4096];
    double end = clock_seconds() + seconds;
    while (clock_seconds() < end) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0)
            continue;
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return true;
        strbuf_add_bytes(out, piece, (size_t)n);
        if (until && strstr(out->text, until))
            return false;
    }
    return false;
}

static inline const char *raw_post(arena *a, const char *path, const char *body)
{
    return arena_printf(a, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path,
                        strlen(body), body);
}

#endif
