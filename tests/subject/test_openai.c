/* The chat API against a small server of our own that plays what servers do: quotas, failures, hangs, half answers, bad
 * JSON, wrong keys. */
#include "api_desk.h"

#include "core/jsonio.h"
#include "core/progress.h"

#include <math.h>

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static const char key[] = "sk-very-secret-0123456789";

static desk desk_new(const act *acts, size_t count, subject_options options)
{
    return desk_open((server){.acts = acts, .act_count = count}, "/v1", options);
}

static status ask(desk *d, generate_request q, generate_reply *reply)
{
    message m = message_text(d->arena, MESSAGE_USER, "What is the capital of \"France\"?\n");
    if (!q.messages) {
        q.messages = &m;
        q.count = 1;
    }
    if (q.max_tokens == 0)
        q.max_tokens = 64;
    q.address.study = "test";
    d->err = (error){0};
    return broker_generate(d->broker, d->arena, &q, reply, &d->err);
}

static void requests_have_the_documented_form(void **state)
{
    (void)state;
    static const act acts[] = {{.body = GOOD}};
    setenv("OPENAI_API_KEY", key, 1);
    desk d = desk_new(acts, 1, (subject_options){0});
    generate_reply reply;
    const char *stops[] = {"\n", "END"};
    block parts[] = {{.kind = BLOCK_TEXT, .text = "look: "}, {.kind = BLOCK_IMAGE, .text = "data:image/png;base64,AA"}};
    message talk[] = {message_text(d.arena, MESSAGE_SYSTEM, "be brief"), message_text(d.arena, MESSAGE_USER, "h\xc3\xa9llo"),
                      {.role = MESSAGE_USER, .blocks = parts, .count = 2}};
    generate_request q = {.messages = talk, .count = 3, .max_tokens = 7, .temperature = 0.5, .top_p = 0.9, .stops = stops,
                          .stop_count = 2};
    assert_int_equal(ask(&d, q, &reply), STATUS_OK);
    assert_string_equal(reply.text, "Paris.");
    assert_int_equal(reply.reason, STOP_END);
    assert_true(reply.prompt_tokens == 11 && reply.completion_tokens == 3 && reply.retries == 0 && isnan(reply.logprob));
    char *text = d.server->last_request, *body = strstr(text, "\r\n\r\n") + 4;
    assert_int_equal(strncmp(text, "POST /v1/chat/completions HTTP/1.1\r\n", 36), 0);
    assert_non_null(strstr(text, "Authorization: Bearer sk-very-secret-0123456789\r\n"));
    json_t *sent;
    assert_int_equal(jsonio_parse(slice_of(body), "body", &sent, NULL), STATUS_OK);
    json_int_t seed = json_integer_value(json_object_get(sent, "seed"));
    assert_true(seed >= 0 && seed <= 0x7fffffff);
    json_object_del(sent, "seed");
    json_t *expected = json_loads("{\"model\": \"some:model\", \"messages\": [{\"role\": \"system\", \"content\": \"be brief\"},"
                                  "{\"role\": \"user\", \"content\": \"h\xc3\xa9llo\"}, {\"role\": \"user\", \"content\": ["
                                  "{\"type\": \"text\", \"text\": \"look: \"}, {\"type\": \"image_url\", \"image_url\": "
                                  "{\"url\": \"data:image/png;base64,AA\"}}]}], \"max_tokens\": 7, \"temperature\": 0.5,"
                                  "\"top_p\": 0.9, \"stop\": [\"\\n\", \"END\"]}", 0, NULL);
    assert_true(json_equal(sent, expected));
    json_decref(sent);
    json_decref(expected);
    assert_null(strstr(d.subject->specification, key));
    assert_null(strstr(d.subject->identity, key));
    unsetenv("OPENAI_API_KEY");
    desk_close(&d);
}

static void busy_servers_are_asked_again(void **state)
{
    (void)state;
    static const act acts[] = {
        {.how = CLOSE}, /* first: libcurl itself tries again where a connection that it kept has gone */
        {.code = 429, .body = "{\"error\": {\"message\": \"slow down\"}}"},
        {.code = 500, .body = "oops"},
        {.how = HALF},
        {.body = "{\"choices\": ["},
        {.body = "{\"choices\": []}"},
        {.body = GOOD},
    };
    desk d = desk_new(acts, COUNT_OF(acts), (subject_options){.retries = 6});
    generate_reply reply;
    assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_OK);
    assert_string_equal(reply.text, "Paris.");
    assert_int_equal(reply.retries, 6);
    assert_true(reply.seconds_retrying > 0);
    assert_int_equal(broker_count(d.broker).retries, 6);
    desk_close(&d);
}

static void retries_end_and_are_counted(void **state)
{
    (void)state;
    static const struct {
        act act;
        status code;
        size_t requests;
        const char *words;
    } cases[] = {
        {{.code = 503, .body = "{\"error\": {\"message\": \"no room for sk-very-secret-0123456789\"}}"}, STATUS_NETWORK, 3, "no room for ****"},
        {{.code = 400, .body = "{\"error\": {\"message\": \"too long\"}}"}, STATUS_INVALID, 1, "too long"},
        {{.body = "<html>"}, STATUS_INVALID, 3, "not JSON"},
        {{.body = "[]"}, STATUS_INVALID, 3, "not a JSON object"},
        {{.body = "{\"choices\": []}"}, STATUS_INVALID, 3, "empty"},
        {{.body = "{\"choices\": [{}]}"}, STATUS_INVALID, 3, "no message"},
        {{.how = CLOSE}, STATUS_NETWORK, 3, "after 2 retries"},
        {{.how = HANG}, STATUS_NETWORK, 3, "imeout"},
        {{.how = ENDLESS}, STATUS_INVALID, 1, "longer than 10 MiB"},
    };
    setenv("OPENAI_API_KEY", key, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        desk d = desk_new(&cases[i].act, 1, (subject_options){.retries = 2, .timeout_seconds = cases[i].act.how == HANG ? 0.2 : 20});
        generate_reply reply;
        status code = ask(&d, (generate_request){0}, &reply);
        if (code != cases[i].code || !strstr(d.err.message, cases[i].words))
            fail_msg("case %zu: %s: %s", i, status_word(code), d.err.message);
        assert_int_equal(atomic_load(&d.server->requests), cases[i].requests);
        assert_null(strstr(d.err.message, key));
        desk_close(&d);
    }
    unsetenv("OPENAI_API_KEY");
}

static void a_refused_key_names_the_variable_and_not_the_key(void **state)
{
    (void)state;
    static const act acts[] = {{.code = 401, .body = "{\"error\": {\"message\": \"bad key sk-very-secret-0123456789\"}}"}};
    setenv("MY_KEY", key, 1);
    desk d = desk_new(acts, 1, (subject_options){.api_key_variable = "MY_KEY"});
    generate_reply reply;
    assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_REFUSED);
    assert_non_null(strstr(d.err.message, "refused the key (HTTP 401)"));
    assert_non_null(strstr(d.err.hint, "MY_KEY"));
    assert_null(strstr(d.err.message, key));
    assert_null(strstr(d.err.hint, key));
    assert_int_equal(atomic_load(&d.server->requests), 1);
    desk_close(&d);
    unsetenv("MY_KEY");
    d = desk_new(acts, 1, (subject_options){0});
    assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_REFUSED);
    assert_non_null(strstr(d.err.hint, "OPENAI_API_KEY"));
    subject *s;
    const subject_options named = {.api_key_variable = "MY_KEY"};
    assert_int_equal(subject_open(d.arena, "http://h/v1#m", &named, &s, &d.err), STATUS_USAGE);
    setenv("MY_KEY", "two words", 1);
    assert_int_equal(subject_open(d.arena, "http://h/v1#m", &named, &s, &d.err), STATUS_USAGE);
    assert_null(strstr(d.err.message, "two words"));
    unsetenv("MY_KEY");
    desk_close(&d);
}

static void other_final_answers(void **state)
{
    (void)state;
    static const struct {
        act act;
        const char *words;
    } cases[] = {
        {{.code = 404, .body = "{}"}, "some:model"},
        {{.code = 429, .body = "{\"error\": {\"code\": \"insufficient_quota\"}}"}, "quota"},
        {{.code = 402, .body = "{}"}, "quota"},
        {{.code = 403, .body = "{}"}, "refused the key"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        desk d = desk_new(&cases[i].act, 1, (subject_options){0});
        generate_reply reply;
        assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_REFUSED);
        assert_non_null(strstr(d.err.message, cases[i].words));
        assert_int_equal(atomic_load(&d.server->requests), 1);
        desk_close(&d);
    }
}

static void answers_are_read_whatever_their_form(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
        stop_reason reason;
        double logprob;
    } cases[] = {
        {"{\"choices\": [{\"message\": {\"content\": \"a\"}, \"finish_reason\": \"length\"}]}", "a", STOP_LENGTH, NAN},
        {"{\"choices\": [{\"message\": {\"content\": null, \"refusal\": \"I cannot.\"}}]}", "I cannot.", STOP_REFUSED, NAN},
        {"{\"choices\": [{\"message\": {\"content\": \"\"}, \"finish_reason\": \"content_filter\"}]}", "", STOP_REFUSED, NAN},
        {"{\"choices\": [{\"message\": {\"content\": null}, \"finish_reason\": \"stop\"}]}", "", STOP_END, NAN},
        {"{\"choices\": [{\"message\": {\"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"text\", \"text\": \"b\"}]}}]}",
         "ab", STOP_END, NAN},
        {"{\"choices\": [{\"message\": {\"content\": \"a b\"}, \"logprobs\": {\"content\": [{\"logprob\": -0.5}, {\"logprob\": -0.25}]}}]}",
         "a b", STOP_END, -0.75},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const act acts[] = {{.body = cases[i].body}};
        desk d = desk_new(acts, 1, (subject_options){0});
        generate_reply reply;
        assert_int_equal(ask(&d, (generate_request){.logprobs = !isnan(cases[i].logprob)}, &reply), STATUS_OK);
        assert_string_equal(reply.text, cases[i].text);
        assert_int_equal(reply.reason, cases[i].reason);
        assert_true(isnan(cases[i].logprob) ? isnan(reply.logprob) : reply.logprob == cases[i].logprob);
        desk_close(&d);
    }
    static const act far_away[] = {{.body = "{\"choices\": [{\"message\": {\"content\": \"a\"}, \"logprobs\": {\"content\": [{\"logprob\": -9999.0}]}}]}"}};
    desk d = desk_new(far_away, 1, (subject_options){0});
    generate_reply reply;
    assert_int_equal(ask(&d, (generate_request){.logprobs = true}, &reply), STATUS_OK);
    assert_true(isnan(reply.logprob));
    assert_int_equal(ask(&d, (generate_request){.top_k = 5}, &reply), STATUS_UNSUPPORTED);
    desk_close(&d);
}

static void servers_that_want_the_newer_limit_get_it(void **state)
{
    (void)state;
    static const act acts[] = {
        {.code = 400, .body = "{\"error\": {\"message\": \"Use 'max_completion_tokens' instead of max_tokens\"}}"},
        {.body = GOOD},
    };
    desk d = desk_new(acts, 2, (subject_options){0});
    generate_reply reply;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_OK);
        assert_non_null(strstr(d.server->last_request, "\"max_completion_tokens\": 64"));
        assert_null(strstr(d.server->last_request, "\"max_tokens\""));
    }
    assert_int_equal(atomic_load(&d.server->requests), 3);
    desk_close(&d);
}

static void servers_without_logprobs_are_asked_without(void **state)
{
    (void)state;
    static const act acts[] = {{.code = 400, .body = "{\"error\": {\"message\": \"logprobs is not supported\"}}"}, {.body = GOOD}};
    desk d = desk_new(acts, 2, (subject_options){0});
    generate_reply reply;
    assert_int_equal(ask(&d, (generate_request){.logprobs = true}, &reply), STATUS_OK);
    assert_true(isnan(reply.logprob));
    assert_null(strstr(d.server->last_request, "logprobs"));
    desk_close(&d);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    static const act acts[] = {{.code = 429, .headers = "Retry-After: 1\r\n", .body = "{}"}, {.body = GOOD}};
    desk d = desk_new(acts, 2, (subject_options){0});
    generate_reply reply;
    double start = clock_seconds();
    assert_int_equal(ask(&d, (generate_request){0}, &reply), STATUS_OK);
    assert_true(clock_seconds() - start >= 1);
    assert_true(reply.seconds_retrying >= 1);
    desk_close(&d);
}

typedef struct asking {
    desk *desk;
    status last;
    int count, good;
} asking;

static void *ask_many(void *context)
{
    asking *t = context;
    arena *a = arena_new(NULL);
    for (int i = 0; i < t->count; i++) {
        message m = message_text(a, MESSAGE_USER, "hello");
        generate_request q = {.messages = &m, .count = 1, .max_tokens = 4, .address = {.study = "t"}};
        generate_reply reply;
        t->last = broker_generate(t->desk->broker, a, &q, &reply, NULL);
        t->good += t->last == STATUS_OK && strcmp(reply.text, "Paris.") == 0;
        if (t->last == STATUS_INTERRUPTED)
            break;
    }
    arena_free(a);
    return NULL;
}

static void many_requests_are_in_flight(void **state)
{
    (void)state;
    static const act acts[] = {{.body = GOOD}};
    desk d = desk_new(acts, 1, (subject_options){.in_flight = 16});
    d.server->delay = 5000;
    pthread_t ids[48];
    asking tasks[48];
    for (size_t i = 0; i < 48; i++) {
        tasks[i] = (asking){.desk = &d, .count = 5};
        pthread_create(&ids[i], NULL, ask_many, &tasks[i]);
    }
    for (size_t i = 0; i < 48; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(tasks[i].good, 5);
    }
    int most = atomic_load(&d.server->most);
    assert_in_range(most, 8, 16);
    assert_int_equal(atomic_load(&d.server->requests), 240);
    desk_close(&d);
}

static void an_interrupt_ends_what_hangs(void **state)
{
    (void)state;
    static const act acts[] = {{.how = HANG}};
    desk d = desk_new(acts, 1, (subject_options){.in_flight = 4});
    pthread_t ids[8];
    asking tasks[8];
    for (size_t i = 0; i < 8; i++) {
        tasks[i] = (asking){.desk = &d, .count = 5};
        pthread_create(&ids[i], NULL, ask_many, &tasks[i]);
    }
    while (atomic_load(&d.server->requests) < 4)
        usleep(1000);
    double start = clock_seconds();
    broker_interrupt(d.broker);
    for (size_t i = 0; i < 8; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(tasks[i].last, STATUS_INTERRUPTED);
    }
    assert_true(clock_seconds() - start < 1);
    desk_close(&d);
}

static void nobody_there_is_said_soon(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s;
    const subject_options options = {.retries = 50, .retry_seconds = 0.01};
    assert_int_equal(subject_open(a, "http://127.0.0.1:1/v1#m", &options, &s, NULL), STATUS_OK);
    broker *b;
    assert_int_equal(broker_new(s, &(broker_options){0}, &b, NULL), STATUS_OK);
    message m = message_text(a, MESSAGE_USER, "hello");
    generate_request q = {.messages = &m, .count = 1, .max_tokens = 4, .address = {.study = "t"}};
    generate_reply reply;
    error err = {0};
    assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_NETWORK);
    assert_non_null(strstr(err.message, "after 4 retries"));
    broker_free(b);
    subject_close(s);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_have_the_documented_form),
        cmocka_unit_test(busy_servers_are_asked_again),
        cmocka_unit_test(retries_end_and_are_counted),
        cmocka_unit_test(a_refused_key_names_the_variable_and_not_the_key),
        cmocka_unit_test(other_final_answers),
        cmocka_unit_test(answers_are_read_whatever_their_form),
        cmocka_unit_test(servers_that_want_the_newer_limit_get_it),
        cmocka_unit_test(servers_without_logprobs_are_asked_without),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(many_requests_are_in_flight),
        cmocka_unit_test(an_interrupt_ends_what_hangs),
        cmocka_unit_test(nobody_there_is_said_soon),
    };
    unsetenv("OPENAI_API_KEY");
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
