/* What clients ask, read from JSON: every parameter that is known, and how others are refused. */
#include "serve/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define TALK "\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]"

typedef struct reading {
    arena *arena;
    request r;
    problem p;
} reading;

static bool read_body(reading *x, request_kind kind, const char *body)
{
    arena_reset(x->arena);
    x->p = (problem){0};
    bool good = request_parse(x->arena, kind, slice_of(body), &x->r, &x->p);
    assert_true(good == (x->p.http == 0));
    return good;
}

static void setup(reading *x)
{
    *x = (reading){.arena = arena_new(NULL)};
}

static void defaults_are_those_of_openai(void **state)
{
    (void)state;
    reading x;
    setup(&x);
    assert_true(read_body(&x, REQUEST_CHAT, "{" TALK "}"));
    assert_true(x.r.temperature == 1 && x.r.top_p == 1 && x.r.n == 1 && x.r.max_tokens == -1 && !x.r.has_seed && !x.r.stream);
    assert_int_equal(x.r.message_count, 1);
    assert_int_equal(x.r.messages[0].role, MESSAGE_USER);
    assert_string_equal(x.r.messages[0].blocks[0].text, "Hi");
    arena_free(x.arena);
}

static void every_parameter_is_read(void **state)
{
    (void)state;
    reading x;
    setup(&x);
    assert_true(read_body(&x, REQUEST_CHAT,
                          "{" TALK ", \"max_completion_tokens\": 7, \"temperature\": 0.5, \"top_p\": 0.25, \"top_k\": 3, \"seed\": -4,"
                          "\"n\": 2, \"stop\": [\"a\", \"\", \"b\"], \"logprobs\": true, \"top_logprobs\": 5, \"stream\": true,"
                          "\"stream_options\": {\"include_usage\": true}, \"user\": \"me\", \"frequency_penalty\": 0.0}"));
    assert_true(x.r.max_tokens == 7 && x.r.temperature == 0.5 && x.r.top_p == 0.25 && x.r.top_k == 3 && x.r.seed == -4 && x.r.has_seed);
    assert_true(x.r.n == 2 && x.r.stop_count == 2 && slice_is(x.r.stops[1], "b") && x.r.logprobs && x.r.top == 5);
    assert_true(x.r.stream && x.r.include_usage);
    arena_free(x.arena);
}

static void prompts_come_in_four_forms(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t count, ids;
    } rows[] = {{"\"one\"", 1, 0}, {"[\"one\", \"two\"]", 2, 0}, {"[1, 2, 3]", 1, 3}, {"[[1, 2], [3]]", 2, 2}};
    reading x;
    char body[128];
    setup(&x);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof body, "{\"prompt\": %s, \"logprobs\": 1, \"echo\": true, \"max_tokens\": 0}", rows[i].json);
        assert_true(read_body(&x, REQUEST_COMPLETIONS, body));
        assert_int_equal(x.r.prompt_count, rows[i].count);
        assert_int_equal(x.r.prompts[0].ids.count, rows[i].ids);
        assert_true((x.r.prompts[0].text.text != NULL) == (rows[i].ids == 0));
        assert_true(x.r.logprobs && x.r.top == 1 && x.r.echo && x.r.max_tokens == 0);
    }
    arena_free(x.arena);
}

static void messages_keep_their_parts(void **state)
{
    (void)state;
    reading x;
    setup(&x);
    assert_true(read_body(&x, REQUEST_CHAT,
                          "{\"messages\": [{\"role\": \"developer\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}]},"
                          "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"1\", \"type\": \"function\","
                          "\"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]},"
                          "{\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"42\"},"
                          "{\"role\": \"assistant\", \"content\": \"So\"}],"
                          "\"continue_final_message\": true, \"add_generation_prompt\": false}"));
    assert_int_equal(x.r.messages[0].role, MESSAGE_SYSTEM);
    assert_int_equal(x.r.messages[1].blocks[0].kind, BLOCK_TOOL_CALL);
    assert_string_equal(x.r.messages[1].blocks[0].name, "f");
    assert_int_equal(x.r.messages[2].blocks[0].kind, BLOCK_TOOL_RESULT);
    assert_string_equal(x.r.messages[2].blocks[0].text, "42");
    assert_int_equal(x.r.messages[3].blocks[0].kind, BLOCK_PREFILL);
    arena_free(x.arena);
}

static void forms_of_answers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        request_form form;
    } rows[] = {
        {"\"response_format\": {\"type\": \"text\"}", FORM_TEXT},
        {"\"response_format\": {\"type\": \"json_object\"}", FORM_JSON},
        {"\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\", \"schema\": {\"type\": \"null\"}}}", FORM_SCHEMA},
        {"\"guided_choice\": [\"a\", \"b\"]", FORM_CHOICE},
        {"\"structured_outputs\": {\"choice\": [\"a\"], \"json\": null}", FORM_CHOICE},
        {"\"guided_json\": {\"type\": \"null\"}", FORM_SCHEMA},
    };
    reading x;
    char body[256];
    setup(&x);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof body, "{" TALK ", %s}", rows[i].json);
        assert_true(read_body(&x, REQUEST_CHAT, body));
        assert_int_equal(x.r.form, rows[i].form);
    }
    arena_free(x.arena);
}

/* The parameter that the refusal names, and a word of its message. */
static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        request_kind kind;
        const char *body, *param, *word;
    } rows[] = {
        {REQUEST_CHAT, "", "", "JSON"},
        {REQUEST_CHAT, "[]", "", "object"},
        {REQUEST_CHAT, "{\"a\": 1, \"a\": 2}", "", "duplicate"},
        {REQUEST_CHAT, "{}", "messages", "at least one"},
        {REQUEST_CHAT, "{\"messages\": []}", "messages", "list"},
        {REQUEST_CHAT, "{\"messages\": \"hi\"}", "messages", "list"},
        {REQUEST_CHAT, "{\"messages\": [{\"role\": \"king\", \"content\": \"a\"}]}", "messages", "role"},
        {REQUEST_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": 3}]}", "messages", "content"},
        {REQUEST_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\\u0000b\"}]}", "", "not valid"},
        {REQUEST_CHAT, "{\"messages\": [3]}", "messages", "object"},
        {REQUEST_CHAT, "{" TALK ", \"temprature\": 1}", "temprature", "did you mean temperature"},
        {REQUEST_CHAT, "{" TALK ", \"prompt\": \"a\"}", "prompt", "unknown"},
        {REQUEST_CHAT, "{" TALK ", \"temperature\": \"hot\"}", "temperature", "found a string"},
        {REQUEST_CHAT, "{" TALK ", \"temperature\": -1}", "temperature", "-1"},
        {REQUEST_CHAT, "{" TALK ", \"top_p\": 0}", "top_p", "number"},
        {REQUEST_CHAT, "{" TALK ", \"max_tokens\": 1.5}", "max_tokens", "1.5"},
        {REQUEST_CHAT, "{" TALK ", \"max_tokens\": 1, \"max_completion_tokens\": 2}", "max_completion_tokens", "differ"},
        {REQUEST_CHAT, "{" TALK ", \"n\": 0}", "n", "whole number"},
        {REQUEST_CHAT, "{" TALK ", \"n\": 100000}", "n", "128"},
        {REQUEST_CHAT, "{" TALK ", \"stop\": [1]}", "stop", "found 1"},
        {REQUEST_CHAT, "{" TALK ", \"top_logprobs\": 3}", "top_logprobs", "logprobs: true"},
        {REQUEST_CHAT, "{" TALK ", \"logprobs\": true, \"top_logprobs\": 21}", "top_logprobs", "20"},
        {REQUEST_CHAT, "{" TALK ", \"logit_bias\": {\"3\": 1}}", "logit_bias", "not supported"},
        {REQUEST_CHAT, "{" TALK ", \"presence_penalty\": 0.5}", "presence_penalty", "not supported"},
        {REQUEST_CHAT, "{" TALK ", \"tool_choice\": \"required\"}", "tool_choice", "\"auto\" or \"none\""},
        {REQUEST_CHAT, "{" TALK ", \"tool_choice\": {\"type\": \"function\"}}", "tool_choice", "\"auto\" or \"none\""},
        {REQUEST_CHAT, "{" TALK ", \"response_format\": {\"type\": \"xml\"}}", "response_format", "json_schema"},
        {REQUEST_CHAT, "{" TALK ", \"guided_choice\": []}", "guided_choice", "list"},
        {REQUEST_CHAT, "{" TALK ", \"guided_choice\": [\"a\"], \"guided_json\": {}}", "guided_json", "twice"},
        {REQUEST_CHAT, "{" TALK ", \"structured_outputs\": {\"regex\": \"a\"}}", "structured_outputs", "regex"},
        {REQUEST_CHAT, "{" TALK ", \"stream_options\": {\"include_usage\": true}}", "stream_options", "stream: true"},
        {REQUEST_CHAT, "{" TALK ", \"continue_final_message\": true}", "continue_final_message", "assistant"},
        {REQUEST_CHAT, "{" TALK ", \"add_generation_prompt\": false}", "add_generation_prompt", "continue_final_message"},
        {REQUEST_CHAT, "{" TALK ", \"tools\": [{\"type\": \"web\"}]}", "tools", "tools[0]"},
        {REQUEST_COMPLETIONS, "{}", "prompt", "expected"},
        {REQUEST_COMPLETIONS, "{\"prompt\": []}", "prompt", "found 0"},
        {REQUEST_COMPLETIONS, "{\"prompt\": [[]]}", "prompt", "none empty"},
        {REQUEST_COMPLETIONS, "{\"prompt\": [1, \"a\"]}", "prompt", "token ids"},
        {REQUEST_COMPLETIONS, "{\"prompt\": [-1]}", "prompt", "-1"},
        {REQUEST_COMPLETIONS, "{\"prompt\": [99999999999]}", "prompt", "99999999999"},
        {REQUEST_COMPLETIONS, "{\"prompt\": \"a\", \"echo\": true, \"stream\": true}", "stream", "echo"},
        {REQUEST_COMPLETIONS, "{\"prompt\": \"a\", \"best_of\": 3}", "best_of", "beyond n"},
        {REQUEST_COMPLETIONS, "{\"prompt\": \"a\", \"suffix\": \"b\"}", "suffix", "not supported"},
        {REQUEST_TOKENIZE, "{\"prompt\": [1]}", "prompt", "text"},
        {REQUEST_TOKENIZE, "{\"prompt\": \"a\", \"content\": \"a\"}", "content", "either"},
        {REQUEST_DETOKENIZE, "{}", "tokens", "list"},
        {REQUEST_DETOKENIZE, "{\"tokens\": [\"a\"]}", "tokens", "token ids"},
    };
    reading x;
    setup(&x);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (read_body(&x, rows[i].kind, rows[i].body))
            fail_msg("taken: %s", rows[i].body);
        if (x.p.http != 400 || strcmp(x.p.param, rows[i].param) != 0 || !strstr(x.p.message, rows[i].word))
            fail_msg("%s: %d, \"%s\", %s", rows[i].body, x.p.http, x.p.param, x.p.message);
    }
    arena_free(x.arena);
}

/* Where memory runs out at any point, the request is refused and nothing is lost. */
static void no_memory_is_a_refusal(void **state)
{
    (void)state;
    static const char body[] = "{" TALK ", \"stop\": [\"a\"], \"guided_choice\": [\"x\"], \"tools\": [{\"type\": \"function\","
                               "\"function\": {\"name\": \"f\"}}]}";
    bool done = false;
    for (unsigned long n = 1; !done; n++) {
        reading x = {.arena = arena_new(NULL)};
        memory_fail_at(n);
        bool good = request_parse(x.arena, REQUEST_CHAT, slice_of(body), &x.r, &x.p);
        done = memory_count() < n;
        memory_fail_at(0);
        assert_true(good == done && (good || x.p.http >= 400));
        arena_free(x.arena);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_openai), cmocka_unit_test(every_parameter_is_read),
        cmocka_unit_test(prompts_come_in_four_forms),   cmocka_unit_test(messages_keep_their_parts),
        cmocka_unit_test(forms_of_answers_are_read),    cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(no_memory_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
