/* The server before the base model: streams, log-probabilities, forms, many at once, and memory over many requests. */
#include "desk.h"

#include "core/file.h"
#include "folder.h"
#include "near.h"
#include "sanitized.h"
#include "subject/local.h"

#include <math.h>

static desk d; /* one server for all tests */
static arena *life;
static subject *base;

#define ASK "\"messages\": [{\"role\": \"user\", \"content\": \"Who sells bread?\"}]"

static reply ask(const char *path, const char *body)
{
    reply r = desk_ask(&d, path, body);
    if (r.code != 200)
        fail_msg("%s: %ld: %s", body, r.code, r.body.text ? r.body.text : "(nothing)");
    return r;
}

/* All pieces of a stream: their texts joined; *events counts them, *done: it ended as it should. */
static const char *joined(const char *stream, size_t *events, bool *done, json_t **usage)
{
    strbuf text = strbuf_new(life, 1 << 24);
    *events = 0;
    *done = false;
    *usage = NULL;
    strbuf_add(&text, "");
    for (const char *at = stream; (at = strstr(at, "data: ")); at++) {
        const char *end = strstr(at, "\n\n");
        slice event = {at + 6, (size_t)(end - at - 6)};
        json_t *json;
        *done = slice_is(event, "[DONE]");
        if (*done || jsonio_parse(event, "event", &json, NULL) != STATUS_OK)
            continue;
        json_array_append_new(d.replies, json);
        const json_t *piece = desk_at(json, "choices.0.delta.content");
        if (!piece)
            piece = desk_at(json, "choices.0.text");
        if (json_is_string(piece))
            strbuf_add(&text, json_string_value(piece));
        if (json_is_object(json_object_get(json, "usage")))
            *usage = json_object_get(json, "usage");
        (*events)++;
    }
    return text.text;
}

static void a_stream_says_what_the_whole_answer_says(void **state)
{
    (void)state;
    size_t events;
    bool done;
    json_t *usage;
    reply whole = ask("/v1/chat/completions", "{" ASK ", \"temperature\": 0, \"max_tokens\": 40}");
    reply pieces = ask("/v1/chat/completions",
                       "{" ASK ", \"temperature\": 0, \"max_tokens\": 40, \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
    assert_string_equal(joined(pieces.body.text, &events, &done, &usage), desk_text(&whole, "choices.0.message.content"));
    assert_true(done && events > 3);
    assert_true(json_equal(json_object_get(usage, "total_tokens"), desk_at(whole.json, "usage.total_tokens")));
}

static void stop_strings_and_seeds_hold(void **state)
{
    (void)state;
    reply r = ask("/v1/completions", "{\"prompt\": \"Ada sells\", \"temperature\": 0, \"max_tokens\": 20, \"stop\": [\".\"]}");
    assert_null(strchr(desk_text(&r, "choices.0.text"), '.'));
    assert_string_equal(desk_text(&r, "choices.0.finish_reason"), "stop");
    static const char body[] = "{\"prompt\": \"Ada sells\", \"temperature\": 1.5, \"max_tokens\": 12, \"seed\": 5, \"n\": 4}";
    reply one = ask("/v1/completions", body), two = ask("/v1/completions", body);
    assert_true(json_equal(desk_at(one.json, "choices"), desk_at(two.json, "choices")));
    assert_int_equal(json_array_size(desk_at(one.json, "choices")), 4);
    assert_string_not_equal(desk_text(&one, "choices.0.text"), desk_text(&one, "choices.1.text"));
    /* A choice does not depend on how many there are. */
    reply alone = ask("/v1/completions", "{\"prompt\": \"Ada sells\", \"temperature\": 1.5, \"max_tokens\": 12, \"seed\": 5}");
    assert_string_equal(desk_text(&alone, "choices.0.text"), desk_text(&one, "choices.0.text"));
}

static const json_t *ids_of(const char *text)
{
    reply r = ask("/tokenize", arena_printf(life, "{\"prompt\": \"%s\"}", text));
    return desk_at(r.json, "tokens");
}

/* What lm-evaluation-harness asks: prompts as ids, echoed, with one token more; against the subject's own scoring. */
static void echoed_prompts_are_scored_as_the_subject_scores(void **state)
{
    (void)state;
    const json_t *context = ids_of("Ada sells"), *whole = ids_of("Ada sells bread and fish.");
    json_t *body = json_pack("{s:[O, O], s:i, s:i, s:i, s:b, s:i}", "prompt", whole, context, "max_tokens", 1, "temperature", 0,
                             "logprobs", 1, "echo", 1, "seed", 1234);
    char *text = json_dumps(body, 0);
    reply r = ask("/v1/completions", text);
    const json_t *logprobs = desk_at(r.json, "choices.0.logprobs.token_logprobs");
    size_t from = json_array_size(context), count = json_array_size(whole);
    assert_int_equal(json_array_size(logprobs), count + 1);
    assert_int_equal(json_array_size(desk_at(r.json, "choices.0.logprobs.tokens")), count + 1);
    assert_true(json_is_null(json_array_get(logprobs, 0)));
    double sum = 0;
    int32_t ids[64];
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)json_integer_value(json_array_get(whole, i));
        sum += i >= from ? json_number_value(json_array_get(logprobs, i)) : 0;
    }
    /* The same by another server's engine, asked for a continuation's score. */
    checkpoint *c;
    engine *e;
    engine_score score;
    error err = {0};
    assert_int_equal(checkpoint_open_base(life, &c, &err), STATUS_OK);
    assert_int_equal(engine_new(c, NULL, NULL, &e, &err), STATUS_OK);
    token_list continuation = {.ids = ids + from, .count = count - from};
    engine_score_request q = {.prefix = ids, .prefix_count = from, .continuations = &continuation, .continuation_count = 1};
    assert_int_equal(engine_score_all(e, life, &q, &score, 1, &err), STATUS_OK);
    assert_true(fabs(score.logprobs[0] - sum) < 1e-6 * fabs(sum));
    engine_free(e);
    const json_t *offsets = desk_at(r.json, "choices.0.logprobs.text_offset");
    assert_int_equal(json_integer_value(json_array_get(offsets, 0)), 0);
    assert_non_null(strstr(desk_text(&r, "choices.0.text"), "Ada sells bread and fish."));
    free(text);
    json_decref(body);
}

static void nothing_written_still_scores(void **state)
{
    (void)state;
    reply r = ask("/v1/completions", "{\"prompt\": \"Ada sells bread.\", \"max_tokens\": 0, \"logprobs\": 2, \"echo\": true}");
    assert_string_equal(desk_text(&r, "choices.0.text"), "Ada sells bread.");
    assert_int_equal(json_integer_value(desk_at(r.json, "usage.completion_tokens")), 0);
    r = ask("/v1/chat/completions", "{" ASK ", \"max_tokens\": 1, \"prompt_logprobs\": 1}");
    const json_t *prompt = desk_at(r.json, "prompt_logprobs");
    assert_int_equal(json_array_size(prompt), (size_t)json_integer_value(desk_at(r.json, "usage.prompt_tokens")));
    assert_true(json_is_null(json_array_get(prompt, 0)) && json_object_size(json_array_get(prompt, 1)) >= 1);
}

static void logprobs_of_chats_add_up(void **state)
{
    (void)state;
    reply r = ask("/v1/chat/completions", "{" ASK ", \"temperature\": 0, \"max_tokens\": 5, \"logprobs\": true, \"top_logprobs\": 20}");
    const json_t *list = desk_at(r.json, "choices.0.logprobs.content");
    double mass = 0;
    assert_true(json_array_size(list) > 0);
    const json_t *top = desk_at(json_array_get(list, 0), "top_logprobs");
    assert_int_equal(json_array_size(top), 20);
    for (size_t i = 0; i < 20; i++)
        mass += exp(json_number_value(desk_at(json_array_get(top, i), "logprob")));
    assert_true(mass > 0.5 && mass <= 1 + 1e-5);
    assert_true(json_equal(desk_at(json_array_get(top, 0), "token"), desk_at(json_array_get(list, 0), "token")));
}

static double counted(const char *name)
{
    reply r = desk_ask(&d, "/metrics", NULL);
    const char *at = strstr(r.body.text, arena_printf(life, "\n%s ", name));
    if (!at)
        fail_msg("no %s in: %s", name, r.body.text);
    return strtod(at + strlen(name) + 2, NULL);
}

/* The sketch that /metrics shows has read the log-probabilities that answers hold, of streams too. */
static void logprobs_are_kept_as_a_sketch(void **state)
{
    (void)state;
    double count = counted("assay_token_logprob_count"), total = counted("assay_token_logprob_sum"), sum = 0;
    reply r = ask("/v1/completions", "{\"prompt\": \"Ada sells\", \"temperature\": 0, \"max_tokens\": 6, \"logprobs\": 0}");
    const json_t *each = desk_at(r.json, "choices.0.logprobs.token_logprobs"), *one;
    size_t i;
    json_array_foreach(each, i, one)
        sum += json_number_value(one);
    assert_true(json_array_size(each) > 2 && sum < 0);
    assert_true(counted("assay_token_logprob_count") - count == (double)json_array_size(each));
    NEAR(counted("assay_token_logprob_sum") - total, sum, 1e-4);
    assert_true(counted("assay_token_logprob{quantile=\"0.1\"}") <= 0);
    ask("/v1/completions", "{\"prompt\": \"Ada sells\", \"temperature\": 0, \"max_tokens\": 6, \"stream\": true}");
    NEAR(counted("assay_token_logprob_sum") - total, 2 * sum, 2e-4);
}

static void forms_are_kept(void **state)
{
    (void)state;
    reply r = ask("/v1/chat/completions",
                  "{" ASK ", \"temperature\": 1, \"seed\": 3, \"max_tokens\": 200, \"response_format\": {\"type\": \"json_schema\","
                  "\"json_schema\": {\"name\": \"x\", \"schema\": {\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\","
                  "\"maxLength\": 20}, \"old\": {\"type\": \"boolean\"}}, \"required\": [\"name\", \"old\"]}}}}");
    json_t *said;
    assert_int_equal(jsonio_parse(slice_of(desk_text(&r, "choices.0.message.content")), "said", &said, NULL), STATUS_OK);
    assert_true(json_is_string(json_object_get(said, "name")) && json_is_boolean(json_object_get(said, "old")));
    json_decref(said);
    r = ask("/v1/chat/completions", "{" ASK ", \"temperature\": 1, \"max_tokens\": 60, \"response_format\": {\"type\": \"json_object\"}}");
    assert_int_equal(jsonio_parse(slice_of(desk_text(&r, "choices.0.message.content")), "said", &said, NULL), STATUS_OK);
    assert_true(json_is_object(said));
    json_decref(said);
    r = ask("/v1/chat/completions", "{" ASK ", \"structured_outputs\": {\"choice\": [\"Zanzibar\", \"Quito\"]}}");
    const char *choice = desk_text(&r, "choices.0.message.content");
    assert_true(strcmp(choice, "Zanzibar") == 0 || strcmp(choice, "Quito") == 0);
    r = desk_ask(&d, "/v1/chat/completions", "{" ASK ", \"guided_json\": {\"type\": \"object\", \"patternProperties\": {}}}");
    assert_int_equal(r.code, 400);
    assert_non_null(strstr(desk_text(&r, "error.message"), "patternProperties"));
}

static void an_answer_goes_on_where_it_was_begun(void **state)
{
    (void)state;
    reply whole = ask("/v1/chat/completions", "{" ASK ", \"temperature\": 0, \"max_tokens\": 40}");
    const char *text = desk_text(&whole, "choices.0.message.content"), *space = strchr(text, ' ');
    assert_non_null(space);
    reply rest = ask("/v1/chat/completions",
                     arena_printf(life, "{\"messages\": [{\"role\": \"user\", \"content\": \"Who sells bread?\"}, {\"role\": \"assistant\","
                                        "\"content\": \"%.*s\"}], \"continue_final_message\": true, \"add_generation_prompt\": false,"
                                        "\"temperature\": 0, \"max_tokens\": 40}", (int)(space - text), text));
    assert_string_equal(desk_text(&rest, "choices.0.message.content"), space);
}

static void tokens_go_there_and_back(void **state)
{
    (void)state;
    reply r = ask("/tokenize", "{\"prompt\": \"<|begin|>h\xc3\xa9llo <|user|>\", \"return_token_strs\": true}");
    char *ids = json_dumps(desk_at(r.json, "tokens"), 0);
    assert_int_equal(json_array_size(desk_at(r.json, "token_strs")), (size_t)json_integer_value(desk_at(r.json, "count")));
    r = ask("/detokenize", arena_printf(life, "{\"tokens\": %s}", ids));
    assert_string_equal(desk_text(&r, "prompt"), "<|begin|>h\xc3\xa9llo <|user|>");
    free(ids);
    assert_int_equal(desk_ask(&d, "/detokenize", "{\"tokens\": [9999999]}").code, 400);
    reply about = desk_ask(&d, "/tokenizer_info", NULL);
    assert_string_equal(desk_text(&about, "bos_token"), "<|begin|>");
    assert_non_null(strstr(desk_text(&about, "chat_template"), "<|assistant|>"));
    r = ask("/tokenize", "{" ASK "}");
    reply answer = ask("/v1/chat/completions", "{" ASK ", \"max_tokens\": 1}");
    assert_true(json_equal(desk_at(r.json, "count"), desk_at(answer.json, "usage.prompt_tokens")));
}

#define TOOLS "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {\"type\": \"object\"}}}]"

/* Tools go to a template that shows them; who has none says so. */
static void tools_are_put_to_the_template(void **state)
{
    (void)state;
    reply r = desk_ask(&d, "/v1/chat/completions", "{" ASK ", " TOOLS "}");
    assert_int_equal(r.code, 400);
    assert_string_equal(desk_text(&r, "error.param"), "tools");
    assert_int_equal(ask("/v1/chat/completions", "{" ASK ", " TOOLS ", \"tool_choice\": \"none\", \"max_tokens\": 1}").code, 200);
    const char *path = file_join(life, test_folder(), "tools.jinja");
    assert_int_equal(file_write(path, SLICE("{{ bos_token }}{% if tools %}<|system|>{{ tools | tojson }}<tool_call>arguments<|end|>{% endif %}"
                                            "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"), NULL), STATUS_OK);
    subject *s;
    desk other;
    assert_int_equal(subject_open(life, "base", &(subject_options){.threads = 1, .template_name = path}, &s, NULL), STATUS_OK);
    desk_open(&other, s, (serve_options){.seed = 1});
    reply bare = desk_ask(&other, "/v1/chat/completions", "{" ASK ", \"temperature\": 0, \"max_tokens\": 30}");
    reply none = desk_ask(&other, "/v1/chat/completions", "{" ASK ", " TOOLS ", \"tool_choice\": \"none\", \"temperature\": 0, \"max_tokens\": 30}");
    reply with = desk_ask(&other, "/v1/chat/completions", "{" ASK ", " TOOLS ", \"temperature\": 0, \"max_tokens\": 30}");
    assert_true(json_equal(desk_at(bare.json, "choices"), desk_at(none.json, "choices")));
    assert_true(json_equal(desk_at(bare.json, "usage.prompt_tokens"), desk_at(none.json, "usage.prompt_tokens")));
    assert_true(json_integer_value(desk_at(with.json, "usage.prompt_tokens")) > json_integer_value(desk_at(none.json, "usage.prompt_tokens")) + 10);
    reply stream = desk_ask(&other, "/v1/chat/completions", "{" ASK ", " TOOLS ", \"temperature\": 0, \"max_tokens\": 30, \"stream\": true}");
    size_t events;
    bool done;
    json_t *usage;
    assert_string_equal(joined(stream.body.text, &events, &done, &usage), desk_text(&with, "choices.0.message.content"));
    assert_true(done);
    assert_int_equal(desk_ask(&other, "/v1/chat/completions", "{" ASK ", " TOOLS ", \"guided_choice\": [\"a\"]}").code, 400);
    assert_int_equal(desk_ask(&other, "/v1/chat/completions", "{" ASK ", " TOOLS ", \"stream\": true, \"logprobs\": true}").code, 400);
    desk_close(&other);
    subject_close(s);
}

static void what_the_engine_cannot_do_is_400(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } rows[] = {
        {"{\"prompt\": [1, 99999]}", NULL},
        {"{\"prompt\": \"a\", \"max_tokens\": 0}", "max_tokens"},
        {"{\"prompt\": \"\"}", "prompt"},
        {"{\"prompt\": \"a\", \"response_format\": {\"type\": \"json_object\"}, \"max_tokens\": 1}", NULL},
        {"{\"prompt\": \"a\", \"guided_choice\": [\"a long text for two tokens\"], \"max_tokens\": 2}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reply r = desk_ask(&d, "/v1/completions", rows[i].body);
        if (r.code != 400)
            fail_msg("%s: %ld %s", rows[i].body, r.code, r.body.text);
        if (rows[i].param)
            assert_string_equal(desk_text(&r, "error.param"), rows[i].param);
    }
    strbuf body = strbuf_new(life, 1 << 16);
    strbuf_add(&body, "{\"prompt\": [1");
    for (int i = 0; i < 2000; i++)
        strbuf_add(&body, ",300");
    strbuf_add(&body, "]}");
    reply r = desk_ask(&d, "/v1/completions", body.text);
    assert_int_equal(r.code, 400);
    assert_non_null(strstr(desk_text(&r, "error.message"), "2001 tokens"));
    /* A stream that cannot begin is refused as any other request. */
    r = desk_ask(&d, "/v1/completions", "{\"prompt\": [1, 99999], \"stream\": true}");
    assert_int_equal(r.code, 400);
}

/* Hundreds of streams at once: each gets all of its own answer, which is the one it gets alone. */
static void many_streams_at_once_are_each_their_own(void **state)
{
    (void)state;
    enum { MANY = 250, KINDS = 5 };
    static int fds[MANY];
    const char *alone[KINDS], *body[KINDS];
    for (int k = 0; k < KINDS; k++) {
        body[k] = arena_printf(life, "{\"prompt\": \"<|begin|><|user|>Number %d<|end|><|assistant|>\", \"temperature\": 1, \"seed\": %d,"
                                     "\"max_tokens\": 16, \"stream\": true}", k, k);
        size_t events;
        bool done;
        json_t *usage;
        alone[k] = joined(ask("/v1/completions", body[k]).body.text, &events, &done, &usage);
    }
    for (size_t i = 0; i < MANY; i++) {
        const char *post = raw_post(life, "/v1/completions", body[i % KINDS]);
        fds[i] = raw_connect(&d);
        raw_send(fds[i], post, strlen(post));
    }
    for (size_t i = 0; i < MANY; i++) {
        strbuf out = strbuf_new(life, 1 << 20);
        size_t events;
        bool done;
        json_t *usage;
        raw_read(fds[i], &out, "[DONE]\n\n", 120);
        close(fds[i]);
        assert_non_null(out.text);
        assert_string_equal(joined(out.text, &events, &done, &usage), alone[i % KINDS]);
        assert_true(done);
    }
}

/* Whoever leaves in the middle of a stream ends its generation. */
static void a_stream_that_is_left_ends(void **state)
{
    (void)state;
    const char *post = raw_post(life, "/v1/completions", "{\"prompt\": [1, 300], \"temperature\": 2, \"max_tokens\": 1000, \"stream\": true}");
    for (int i = 0; i < 20; i++) {
        strbuf out = strbuf_new(life, 1 << 20);
        int fd = raw_connect(&d);
        raw_send(fd, post, strlen(post));
        raw_read(fd, &out, "data: ", 20);
        close(fd);
    }
    reply r;
    for (int i = 0; i < 100; i++) {
        r = desk_ask(&d, "/metrics", NULL);
        if (strstr(r.body.text, "assay_requests_in_flight 0\n"))
            return;
        usleep(50000);
    }
    fail_msg("still in flight: %s", strstr(r.body.text, "assay_requests_in_flight"));
}

static size_t resident_bytes(void)
{
    long pages = 0, all;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%ld %ld", &all, &pages), 2);
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A client that keeps its connection and asks `count` times. */
static void ask_often(size_t count)
{
    const char *post = raw_post(life, "/v1/completions", "{\"prompt\": [1, 300, 301], \"max_tokens\": 1, \"logprobs\": 3}");
    size_t length = strlen(post);
    int fd = raw_connect(&d);
    arena *scratch = arena_new(NULL);
    for (size_t i = 0; i < count; i++) {
        arena_reset(scratch);
        strbuf out = strbuf_new(scratch, 1 << 20);
        raw_send(fd, post, length);
        if (raw_read(fd, &out, "\"usage\"", 20))
            fail_msg("the connection was closed after %zu requests", i);
        while (out.text[out.length - 1] != '\n')
            assert_false(raw_read(fd, &out, "\n", 5));
    }
    arena_free(scratch);
    close(fd);
}

static void memory_stays_over_ten_thousand_requests(void **state)
{
    (void)state;
    ask_often(2000);
    size_t before = resident_bytes();
    ask_often(8000);
    size_t after = resident_bytes();
    print_message("resident after 2,000 requests: %zu KiB; after 10,000: %zu KiB\n", before >> 10, after >> 10);
    if (!SANITIZED) /* address sanitizers keep what is freed for a while */
        assert_true(after < before + ((size_t)4 << 20));
}

static int open_all(void **state)
{
    (void)state;
    error err = {0};
    curl_global_init(CURL_GLOBAL_ALL);
    life = arena_new(NULL);
    if (subject_open(life, "base", &(subject_options){.threads = 2}, &base, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    desk_open(&d, base, (serve_options){.seed = 1});
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    desk_close(&d);
    subject_close(base);
    arena_free(life);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_says_what_the_whole_answer_says),
        cmocka_unit_test(stop_strings_and_seeds_hold),
        cmocka_unit_test(echoed_prompts_are_scored_as_the_subject_scores),
        cmocka_unit_test(nothing_written_still_scores),
        cmocka_unit_test(logprobs_of_chats_add_up),
        cmocka_unit_test(logprobs_are_kept_as_a_sketch),
        cmocka_unit_test(forms_are_kept),
        cmocka_unit_test(an_answer_goes_on_where_it_was_begun),
        cmocka_unit_test(tokens_go_there_and_back),
        cmocka_unit_test(tools_are_put_to_the_template),
        cmocka_unit_test(what_the_engine_cannot_do_is_400),
        cmocka_unit_test(many_streams_at_once_are_each_their_own),
        cmocka_unit_test(a_stream_that_is_left_ends),
        cmocka_unit_test(memory_stays_over_ten_thousand_requests),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
