/* Clients that are broken, slow, gone, or hostile. */
#include "subjects.h"

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
    static const char name[] = "\nassay_requests_cut_total ";
    const char *body = desk_ask(c->desk, "/metrics", NULL).body.text; /* NULL where a loaded machine had this one cut, too */
    const char *line = body ? strstr(body, name) : NULL;
    return line && strtol(line + strlen(name), NULL, 10) >= c->cut;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_http_is_4xx),
        cmocka_unit_test(half_a_request_is_cut),
        cmocka_unit_test(a_dripping_request_is_cut),
        cmocka_unit_test(a_slow_reader_is_cut_and_stalls_nobody),
        cmocka_unit_test(a_client_that_leaves_is_let_go),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
