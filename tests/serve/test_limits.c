/* What the server takes and for how long: sizes, queues, times, many at once, and the end. */
#include "subjects.h"

#include <sys/resource.h>

/* ---- limits ------------------------------------------------------------------------------------------------------ */

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

/* ---- many -------------------------------------------------------------------------------------------------------- */

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

/* ---- the end ----------------------------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(a_full_queue_is_429),
        cmocka_unit_test(a_request_that_takes_too_long_is_504),
        cmocka_unit_test(five_hundred_wait_at_rest),
        cmocka_unit_test(a_stop_waits_for_what_is_asked),
        cmocka_unit_test(a_stop_cuts_what_takes_too_long),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
