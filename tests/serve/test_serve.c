/* The server before subjects that are no model: routes, refusals, limits, slow and rude clients, the end. */
#include "desk.h"

#include "core/file.h"
#include "folder.h"
#include "near.h"

#include <sys/resource.h>

#define HI "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}"

/* ---- subjects --------------------------------------------------------------------------------------------------- */

static subject *script(arena *a)
{
    error err = {0};
    subject *s;
    const char *path = file_join(a, test_folder(), "script.yaml");
    assert_int_equal(file_write(path, SLICE("default: I do not know.\nrules:\n"
                                            "  - contains: capital of France\n    answer: Paris is it.\n"
                                            "  - contains: forbidden\n    answer: No.\n    refuses: true\n"
                                            "  - contains: broken\n    fails: the line is dead\n"
                                            "  - contains: either\n    answers: [left, right]\n"), &err), STATUS_OK);
    if (subject_open(a, arena_printf(a, "script:%s", path), NULL, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Answers when the gate is open. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool open, interrupted;
    int waiting, answered;
    const char *text;
} gate;

static status wait_at_gate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies, size_t count,
                           error *err)
{
    gate *g = self->state;
    (void)a, (void)requests;
    pthread_mutex_lock(&g->lock);
    g->waiting++;
    while (!g->open && !g->interrupted)
        pthread_cond_wait(&g->change, &g->lock);
    g->waiting--;
    g->answered++;
    bool interrupted = g->interrupted;
    pthread_mutex_unlock(&g->lock);
    if (interrupted)
        return error_set(err, STATUS_INTERRUPTED, "interrupted");
    for (size_t i = 0; i < count; i++)
        replies[i] = (generate_reply){.text = g->text, .reason = STOP_END, .prompt_tokens = 1, .completion_tokens = 1};
    return STATUS_OK;
}

static void interrupt_gate(subject *self)
{
    gate *g = self->state;
    pthread_mutex_lock(&g->lock);
    g->interrupted = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static void open_gate(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static const subject_class gate_class = {.name = "gate", .generate = wait_at_gate, .interrupt = interrupt_gate};

static void gate_make(gate *g, subject *s, const char *text)
{
    *g = (gate){.text = text};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->change, NULL);
    *s = (subject){.class = &gate_class, .specification = "gate", .identity = "gate", .abilities = SUBJECT_GENERATES, .batch = 1,
                   .concurrent = true, .instant = true, .state = g};
}

static int gate_waiting(gate *g)
{
    pthread_mutex_lock(&g->lock);
    int n = g->waiting;
    pthread_mutex_unlock(&g->lock);
    return n;
}

static void wait_until(bool (*is)(void *), void *context, const char *what)
{
    for (int i = 0; i < 1000; i++) {
        if (is(context))
            return;
        usleep(10000);
    }
    fail_msg("%s did not happen in ten seconds", what);
}

static bool one_waits(void *context)
{
    return gate_waiting(context) == 1;
}

static bool none_waits(void *context)
{
    return gate_waiting(context) == 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void a_script_answers_chats(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){.model = "parrot"});
    reply r = desk_ask(&d, "/v1/chat/completions",
                       "{\"model\": \"parrot\", \"messages\": [{\"role\": \"user\", \"content\": \"the capital of France?\"}]}");
    assert_int_equal(r.code, 200);
    assert_string_equal(desk_text(&r, "choices.0.message.content"), "Paris is it.");
    assert_string_equal(desk_text(&r, "choices.0.finish_reason"), "stop");
    assert_string_equal(desk_text(&r, "object"), "chat.completion");
    assert_string_equal(desk_text(&r, "model"), "parrot");
    assert_int_equal(json_integer_value(desk_at(r.json, "usage.completion_tokens")), 3);
    r = desk_ask(&d, "/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"forbidden\"}]}");
    assert_string_equal(desk_text(&r, "choices.0.finish_reason"), "content_filter");
    r = desk_ask(&d, "/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"broken\"}]}");
    assert_true(r.code >= 500);
    assert_non_null(strstr(desk_text(&r, "error.message"), "the line is dead"));
    r = desk_ask(&d, "/v1/models", NULL);
    assert_string_equal(desk_text(&r, "data.0.id"), "parrot");
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

static void a_whole_answer_is_a_stream_of_one_piece(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){0});
    reply r = desk_ask(&d, "/v1/chat/completions",
                       "{\"stream\": true, \"stream_options\": {\"include_usage\": true},"
                       "\"messages\": [{\"role\": \"user\", \"content\": \"the capital of France?\"}]}");
    assert_int_equal(r.code, 200);
    assert_non_null(strstr(r.head.text, "text/event-stream"));
    assert_non_null(strstr(r.body.text, "\"delta\": {\"content\": \"Paris is it.\"}"));
    assert_non_null(strstr(r.body.text, "\"total_tokens\""));
    assert_string_equal(r.body.text + r.body.length - 14, "data: [DONE]\n\n");
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

static void a_seed_draws_the_same_again(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    char first[40] = "";
    int lefts = 0;
    desk_open(&d, s, (serve_options){0});
    for (int seed = 0; seed < 16; seed++) {
        for (int k = 0; k < 2; k++) {
            reply r = desk_ask(&d, "/v1/chat/completions",
                               arena_printf(a, "{\"seed\": %d, \"messages\": [{\"role\": \"user\", \"content\": \"either\"}]}", seed));
            const char *said = desk_text(&r, "choices.0.message.content");
            if (k == 0)
                snprintf(first, sizeof first, "%s", said);
            assert_string_equal(said, first);
        }
        lefts += strcmp(first, "left") == 0;
    }
    assert_true(lefts > 0 && lefts < 16);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */

static void wrong_requests_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *header;
        long code;
        const char *param, *word;
    } rows[] = {
        {"/nix", NULL, NULL, 404, NULL, "/nix"},
        {"/v1/chat/completions", NULL, NULL, 405, NULL, "GET"},
        {"/v1/models", "{}", NULL, 405, NULL, "POST"},
        {"/v1/chat/completions", HI, "Content-Type: text/plain", 415, NULL, "application/json"},
        {"/v1/chat/completions", "{\"messages\"", NULL, 400, NULL, "not valid JSON"},
        {"/v1/chat/completions", "{}", NULL, 400, "messages", "messages"},
        {"/v1/chat/completions", "{\"model\": \"other\", \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", NULL, 404, "model", "other"},
        {"/v1/completions", "{\"prompt\": \"Hi\"}", NULL, 400, "prompt", "chats alone"},
        {"/v1/chat/completions", "{\"logprobs\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", NULL, 400, "logprobs", "log-prob"},
        {"/v1/chat/completions", "{\"guided_choice\": [\"a\"], \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", NULL, 400,
         "response_format", "form"},
        {"/tokenize", "{\"prompt\": \"Hi\"}", NULL, 400, NULL, "no tokens"},
        {"/v1/chat/completions", HI, "Host: evil.example", 403, NULL, "evil.example"},
        {"/health", NULL, "Host: 169.254.0.1:80", 403, NULL, "169.254"},
        {"/health", NULL, "Host: 127.evil.example", 403, NULL, "evil"},
    };
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){0});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *headers[] = {rows[i].header, NULL};
        reply r = desk_ask_with(&d, rows[i].path, rows[i].body, headers);
        if (r.code != rows[i].code)
            fail_msg("%s %s: %ld: %s", rows[i].path, rows[i].body ? rows[i].body : "", r.code, r.body.text ? r.body.text : "");
        if (!strstr(desk_text(&r, "error.message"), rows[i].word))
            fail_msg("%s: %s", rows[i].path, r.body.text);
        if (rows[i].param)
            assert_string_equal(desk_text(&r, "error.param"), rows[i].param);
        assert_non_null(desk_text(&r, "error.type"));
    }
    static const char *const good[] = {"Host: localhost", "Host: LOCALHOST:1", "Host: [::1]:9", "Host: 127.0.0.1"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(desk_ask_with(&d, "/health", NULL, (const char *[]){good[i], NULL}).code, 200);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

static void a_key_is_asked_for(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){.key = "secret"});
    reply r = desk_ask(&d, "/v1/models", NULL);
    assert_int_equal(r.code, 401);
    assert_non_null(strstr(r.head.text, "WWW-Authenticate: Bearer"));
    assert_string_equal(desk_text(&r, "error.code"), "invalid_api_key");
    static const char *const wrong[] = {"Authorization: Bearer secre", "Authorization: Bearer secret1", "Authorization: secret",
                                        "Authorization: Bearer ", "Authorization: Basic secret"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(desk_ask_with(&d, "/v1/chat/completions", HI, (const char *[]){wrong[i], NULL}).code, 401);
    assert_int_equal(desk_ask_with(&d, "/v1/chat/completions", HI, (const char *[]){"Authorization: Bearer secret", NULL}).code, 200);
    assert_int_equal(desk_ask(&d, "/health", NULL).code, 200);
    assert_int_equal(desk_ask(&d, "/metrics", NULL).code, 401);
    desk_close(&d);
    server *none;
    error err = {0};
    assert_int_equal(serve_new(s, &(serve_options){.host = "0.0.0.0"}, &none, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "no API key"));
    assert_int_equal(serve_new(s, &(serve_options){.host = "nowhere.example"}, &none, &err), STATUS_USAGE);
    subject_close(s);
    arena_free(a);
}

static void web_pages_are_let_in_by_name(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    const char *page[] = {"Origin: http://localhost:3000", NULL}, *other[] = {"Origin: http://evil.example", NULL};
    desk_open(&d, s, (serve_options){.origins = (const char *[]){"http://localhost:3000"}, .origin_count = 1});
    assert_non_null(strstr(desk_ask_with(&d, "/health", NULL, page).head.text, "Access-Control-Allow-Origin: http://localhost:3000"));
    assert_null(strstr(desk_ask_with(&d, "/health", NULL, other).head.text, "Access-Control"));
    strbuf out = strbuf_new(a, 1 << 16);
    int fd = raw_connect(&d);
    static const char ask[] = "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n"
                              "Access-Control-Request-Method: POST\r\n\r\n";
    raw_send(fd, ask, sizeof ask - 1);
    raw_read(fd, &out, "\r\n\r\n", 10);
    close(fd);
    assert_int_equal(strncmp(out.text, "HTTP/1.1 204", 12), 0);
    assert_non_null(strstr(out.text, "Access-Control-Allow-Headers: Authorization, Content-Type"));
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

/* ---- limits ----------------------------------------------------------------------------------------------------- */

static void large_bodies_are_refused(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){.body_bytes = 4096});
    char *large = arena_alloc(a, 10001);
    memset(large, ' ', 10000);
    assert_int_equal(desk_ask(&d, "/v1/chat/completions", large).code, 413);
    /* Without a length, in chunks: seen only on the way. */
    strbuf out = strbuf_new(a, 1 << 20);
    int fd = raw_connect(&d);
    const char *head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n";
    raw_send(fd, head, strlen(head));
    for (int i = 0; i < 5; i++) {
        raw_send(fd, "400\r\n", 5);
        raw_send(fd, large, 0x400);
        raw_send(fd, "\r\n", 2);
    }
    raw_send(fd, "0\r\n\r\n", 5);
    raw_read(fd, &out, "error", 10);
    assert_int_equal(strncmp(out.text, "HTTP/1.1 413", 12), 0);
    close(fd);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

typedef struct asking {
    desk *desk;
    const char *body;
    reply reply;
    pthread_t thread;
} asking;

static void *ask_in_thread(void *context)
{
    asking *q = context;
    desk own = *q->desk;
    own.arena = arena_new(NULL);
    own.replies = json_array();
    q->reply = desk_ask(&own, "/v1/chat/completions", q->body);
    q->reply.json = NULL;
    json_decref(own.replies);
    arena_free(own.arena);
    return NULL;
}

static void a_full_queue_is_429(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    gate_make(&g, &s, "late");
    desk_open(&d, &s, (serve_options){.queue = 1});
    asking first = {.desk = &d, .body = HI};
    pthread_create(&first.thread, NULL, ask_in_thread, &first);
    wait_until(one_waits, &g, "the first request");
    reply r = desk_ask(&d, "/v1/chat/completions", HI);
    assert_int_equal(r.code, 429);
    assert_non_null(strstr(r.head.text, "Retry-After:"));
    assert_string_equal(desk_text(&r, "error.type"), "rate_limit_error");
    open_gate(&g);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.reply.code, 200);
    assert_int_equal(desk_ask(&d, "/v1/chat/completions", HI).code, 200);
    desk_close(&d);
}

static void a_request_that_takes_too_long_is_504(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    gate_make(&g, &s, "late");
    desk_open(&d, &s, (serve_options){.request_seconds = 0.5});
    asking first = {.desk = &d, .body = HI};
    pthread_create(&first.thread, NULL, ask_in_thread, &first);
    wait_until(one_waits, &g, "the request");
    double begin = clock_seconds();
    pthread_join(first.thread, NULL); /* the client is told in time, though nobody can take the question back */
    assert_true(clock_seconds() - begin < 5 && gate_waiting(&g) == 1);
    assert_int_equal(first.reply.code, 504);
    open_gate(&g);
    assert_int_equal(desk_ask(&d, "/v1/chat/completions", HI).code, 200);
    desk_close(&d);
}

/* ---- rude clients ----------------------------------------------------------------------------------------------- */

static void broken_http_is_4xx(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: abc\r\n\r\n{}",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n{}",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    };
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){.idle_seconds = 1});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        strbuf out = strbuf_new(a, 1 << 20);
        int fd = raw_connect(&d);
        raw_send(fd, rows[i], strlen(rows[i]));
        bool closed = raw_read(fd, &out, "\r\n\r\n", 10);
        close(fd);
        /* Either a 4xx (or 505, as HTTP has it for versions), or no word and the end. */
        bool refused = out.length > 12 && (out.text[9] == '4' || strncmp(out.text + 9, "505", 3) == 0);
        if (!refused && !(closed && out.length == 0))
            fail_msg("row %zu: %s", i, out.text ? out.text : "(open)");
    }
    char *head = arena_alloc(a, 100000);
    strbuf out = strbuf_new(a, 1 << 20);
    int fd = raw_connect(&d);
    memset(head, 'a', 99999);
    raw_send(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", 42);
    raw_send(fd, head, 99999);
    raw_read(fd, &out, "\r\n\r\n", 10);
    close(fd);
    assert_true(out.length == 0 || out.text[9] == '4');
    assert_int_equal(desk_ask(&d, "/health", NULL).code, 200);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

static void half_a_request_is_cut(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "", "GET /hea", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"mess",
    };
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    int fds[COUNT_OF(halves)];
    desk_open(&d, s, (serve_options){.idle_seconds = 1});
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        fds[i] = raw_connect(&d);
        raw_send(fds[i], halves[i], strlen(halves[i]));
    }
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        strbuf out = strbuf_new(a, 1 << 16);
        if (!raw_read(fds[i], &out, NULL, 10))
            fail_msg("half %zu is still open", i);
        close(fds[i]);
    }
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

/* A byte now and then keeps a connection busy, but not for ever. */
static void a_dripping_request_is_cut(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){.idle_seconds = 1, .request_seconds = 1});
    int fd = raw_connect(&d);
    double begin = clock_seconds();
    bool closed = false;
    raw_send(fd, "GET /health HTTP/1.1\r\nX: ", 25);
    while (!closed && clock_seconds() < begin + 15) {
        strbuf out = strbuf_new(a, 1 << 16);
        raw_send(fd, "a", 1);
        closed = raw_read(fd, &out, NULL, 0.2);
    }
    close(fd);
    assert_true(closed);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

typedef struct cutting {
    desk *desk;
    int cut;
} cutting;

static bool is_cut(void *context)
{
    const cutting *c = context;
    char line[64];
    snprintf(line, sizeof line, "\nassay_requests_cut_total %d\n", c->cut);
    return strstr(desk_ask(c->desk, "/metrics", NULL).body.text, line);
}

/* Somebody who reads nothing of a large answer is cut, and others are served meanwhile. */
static void a_slow_reader_is_cut_and_stalls_nobody(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    arena *a = arena_new(NULL);
    size_t size = (size_t)64 << 20; /* more than two sockets hold */
    char *large = arena_alloc(a, size + 1);
    memset(large, 'x', size);
    gate_make(&g, &s, large);
    open_gate(&g);
    desk_open(&d, &s, (serve_options){.idle_seconds = 1});
    for (int stream = 0; stream < 2; stream++) {
        int fd = raw_connect(&d);
        const char *ask = raw_post(a, "/v1/chat/completions",
                                   stream ? "{\"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}" : HI);
        raw_send(fd, ask, strlen(ask));
        usleep(300000);
        double begin = clock_seconds();
        assert_int_equal(desk_ask(&d, "/health", NULL).code, 200);
        assert_true(clock_seconds() - begin < 1);
        wait_until(is_cut, &(cutting){&d, stream + 1}, "the cut");
        strbuf out = strbuf_new(a, (size_t)128 << 20);
        assert_true(raw_read(fd, &out, NULL, 20)); /* what lay in the sockets, then the end */
        if (out.length >= size)
            fail_msg("stream %d: the whole answer came, %zu bytes", stream, out.length);
        close(fd);
    }
    desk_close(&d);
    arena_free(a);
}

/* A client that leaves while its request waits is noticed: it does not stay in the queue. */
static void a_client_that_leaves_is_let_go(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    arena *a = arena_new(NULL);
    gate_make(&g, &s, "late");
    desk_open(&d, &s, (serve_options){0});
    int fd = raw_connect(&d);
    const char *ask = raw_post(a, "/v1/chat/completions", "{\"n\": 5, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}");
    raw_send(fd, ask, strlen(ask));
    wait_until(one_waits, &g, "the request");
    close(fd);
    usleep(800000);
    open_gate(&g);
    wait_until(none_waits, &g, "the end of the request");
    usleep(300000);
    assert_int_equal(g.answered, 1); /* the other four were not asked */
    desk_close(&d);
    arena_free(a);
}

/* ---- many ------------------------------------------------------------------------------------------------------- */

static double processor_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void five_hundred_wait_at_rest(void **state)
{
    (void)state;
    enum { MANY = 500 };
    desk d;
    gate g;
    subject s;
    arena *a = arena_new(NULL);
    static int fds[MANY];
    gate_make(&g, &s, "at last");
    desk_open(&d, &s, (serve_options){0});
    const char *ask = raw_post(a, "/v1/chat/completions", "{\"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}");
    for (size_t i = 0; i < MANY; i++) {
        fds[i] = raw_connect(&d);
        raw_send(fds[i], ask, strlen(ask));
    }
    usleep(1000000);
    double before = processor_seconds(), begin = clock_seconds();
    usleep(2000000);
    double share = (processor_seconds() - before) / (clock_seconds() - begin);
    print_message("processor time while %d streams wait: %.2f %%\n", MANY, 100 * share);
    assert_true(share < 0.05);
    open_gate(&g);
    for (size_t i = 0; i < MANY; i++) {
        strbuf out = strbuf_new(a, 1 << 20);
        raw_read(fds[i], &out, "[DONE]", 20);
        if (!out.text || !strstr(out.text, "at last"))
            fail_msg("stream %zu: %s", i, out.text ? out.text : "(nothing)");
        close(fds[i]);
    }
    desk_close(&d);
    arena_free(a);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void a_stop_waits_for_what_is_asked(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    gate_make(&g, &s, "in time");
    desk_open(&d, &s, (serve_options){.drain_seconds = 20});
    asking first = {.desk = &d, .body = HI};
    pthread_create(&first.thread, NULL, ask_in_thread, &first);
    wait_until(one_waits, &g, "the request");
    atomic_store(&d.stop, true);
    usleep(600000);
    open_gate(&g);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.reply.code, 200);
    desk_close(&d);
}

static void a_stop_cuts_what_takes_too_long(void **state)
{
    (void)state;
    desk d;
    gate g;
    subject s;
    gate_make(&g, &s, "never");
    desk_open(&d, &s, (serve_options){.drain_seconds = 0.3});
    asking first = {.desk = &d, .body = HI};
    pthread_create(&first.thread, NULL, ask_in_thread, &first);
    wait_until(one_waits, &g, "the request");
    double begin = clock_seconds();
    desk_stop(&d);
    assert_true(clock_seconds() - begin < 5);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.reply.code, 503);
    desk_close(&d);
}

static void metrics_count(void **state)
{
    (void)state;
    desk d;
    arena *a = arena_new(NULL);
    subject *s = script(a);
    desk_open(&d, s, (serve_options){0});
    for (int i = 0; i < 3; i++)
        desk_ask(&d, "/v1/chat/completions", HI);
    desk_ask(&d, "/v1/chat/completions", "{");
    reply r = desk_ask(&d, "/metrics", NULL);
    static const char *const lines[] = {
        "assay_requests_total{route=\"/v1/chat/completions\",code=\"200\"} 3\n",
        "assay_requests_total{route=\"/v1/chat/completions\",code=\"400\"} 1\n",
        "assay_completion_tokens_total 12\n", "assay_requests_in_flight 0\n", "assay_request_seconds_count 4\n",
        "assay_request_seconds_bucket{le=\"+Inf\"} 4\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!strstr(r.body.text, lines[i]))
            fail_msg("no %sin: %s", lines[i], r.body.text);
    desk_close(&d);
    subject_close(s);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_answers_chats),
        cmocka_unit_test(a_whole_answer_is_a_stream_of_one_piece),
        cmocka_unit_test(a_seed_draws_the_same_again),
        cmocka_unit_test(wrong_requests_are_refused_with_their_reason),
        cmocka_unit_test(a_key_is_asked_for),
        cmocka_unit_test(web_pages_are_let_in_by_name),
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(a_full_queue_is_429),
        cmocka_unit_test(a_request_that_takes_too_long_is_504),
        cmocka_unit_test(broken_http_is_4xx),
        cmocka_unit_test(half_a_request_is_cut),
        cmocka_unit_test(a_dripping_request_is_cut),
        cmocka_unit_test(a_slow_reader_is_cut_and_stalls_nobody),
        cmocka_unit_test(a_client_that_leaves_is_let_go),
        cmocka_unit_test(five_hundred_wait_at_rest),
        cmocka_unit_test(a_stop_waits_for_what_is_asked),
        cmocka_unit_test(a_stop_cuts_what_takes_too_long),
        cmocka_unit_test(metrics_count),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
