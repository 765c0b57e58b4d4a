/* The server before subjects that are no model: its routes, what it answers, and what it refuses. */
#include "subjects.h"

/* ---- answers ----------------------------------------------------------------------------------------------------- */

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

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void wrong_requests_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *header;
        long code;
        const char *param, *word;
    } rows[] = {
        {"/nix", NULL, NULL, 404, NULL, "/nix"},
        {"/", NULL, NULL, 404, NULL, "POST /v1/chat/completions"},
        {"/tokenizer_info", NULL, NULL, 400, NULL, "no tokens"},
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

/* ---- counts ------------------------------------------------------------------------------------------------------ */

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
        "assay_request_seconds_bucket{le=\"+Inf\"} 4\n", "assay_request_latency_count 4\n", "assay_request_latency{quantile=\"0.5\"} ",
        "# TYPE assay_request_latency summary\n", "assay_queue_latency_count ",
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
        cmocka_unit_test(metrics_count),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
