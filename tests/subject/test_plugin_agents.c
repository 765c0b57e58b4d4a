/* Agents and tools of plug-ins as subjects: what is asked beneath, what is counted, what a tool is told and tells, and what becomes of
 * those that go wrong. */
#include "api_desk.h"
#include "folder.h"

#include "core/file.h"
#include "plugin/starts.h"

#include <sys/stat.h>

static bool no_python(void)
{
    return system("python3 -c 'import json' 2> /dev/null") != 0;
}

static const char *write_plugin(arena *a, const char *name, const char *text)
{
    const char *path = file_join(a, test_folder(), name), *helper = file_join(a, test_folder(), "assay_plugin.py");
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(file_write(helper, plugin_helper(), NULL), STATUS_OK);
    return path;
}

static const char *start_of(arena *a, const char *kind, const char *name)
{
    for (const plugin_start *s = plugin_starts(); s->kind; s++)
        if (strcmp(s->kind, kind) == 0 && strcmp(s->language, "python") == 0)
            return plugin_start_fill(a, s, name);
    fail();
    return NULL;
}

static status ask_once(broker *b, arena *a, const char *question, uint64_t sample, generate_reply *reply, error *err)
{
    message m = message_text(a, MESSAGE_USER, question);
    generate_request q = {.messages = &m, .count = 1, .max_tokens = 16, .position = -1, .top_p = 1,
                          .address = {.seed = 1, .study = "test", .sample = sample}};
    return broker_generate(b, a, &q, reply, err);
}

/* ---- tools ------------------------------------------------------------------------------------------------------ */

#define CALL(name, arguments)                                                                                                    \
    "{\"choices\": [{\"message\": {\"content\": null, \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", \"function\": "    \
    "{\"name\": \"" name "\", \"arguments\": \"" arguments "\"}}]}, \"finish_reason\": \"tool_calls\"}], "                         \
    "\"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 2}}"

/* A subject behind HTTP that calls the tool once and then answers with GOOD; what it was told is kept. */
typedef struct caller {
    const char *call;
    bool endless;
    char told[SERVER_REQUEST_BYTES];
} caller;

static act decide(void *context, const char *body, size_t number)
{
    (void)number;
    caller *c = context;
    const char *told = strstr(body, "\"tool\"");
    if (told)
        snprintf(c->told, sizeof c->told, "%s", body);
    return told && !c->endless ? (act){0} : (act){.body = c->call};
}

static status use_tool(caller *c, const char *program, generate_reply *reply, char *words, size_t room)
{
    arena *a = arena_new(NULL);
    server *s = server_start((server){.decide = decide, .context = c});
    const char *path = write_plugin(a, "tool.py", program ? program : start_of(a, "tool", "sum"));
    const char *name = arena_printf(a, "plugin:%s,http://127.0.0.1:%d/v1#some:model", path, s->port);
    subject *tooled;
    broker *b;
    error err = {0};
    status result = subject_open(a, name, &(subject_options){.retries = -1}, &tooled, &err);
    if (result == STATUS_OK) {
        assert_int_equal(broker_new(tooled, &(broker_options){.askers = 1}, &b, NULL), STATUS_OK);
        result = ask_once(b, a, "What is 2 plus 3?", 0, reply, &err);
        snprintf(words, room, "%s", result == STATUS_OK ? reply->text : err.message);
        broker_free(b);
        subject_close(tooled);
    } else {
        snprintf(words, room, "%s", err.message);
    }
    server_free(s);
    arena_free(a);
    return result;
}

static void a_tool_is_called_and_its_result_told(void **state)
{
    (void)state;
    if (no_python())
        skip();
    caller c = {.call = CALL("sum", "{\\\"a\\\": 2, \\\"b\\\": 3}")};
    generate_reply reply;
    char words[1024];
    if (use_tool(&c, NULL, &reply, words, sizeof words) != STATUS_OK)
        fail_msg("%s", words);
    assert_string_equal(words, "Paris.");
    assert_non_null(strstr(c.told, "\"content\": \"5\""));
    assert_non_null(strstr(c.told, "Adds two numbers."));
    assert_non_null(strstr(c.told, "\"required\""));
    assert_int_equal(reply.prompt_tokens, 7 + 11); /* of both rounds */
    assert_int_equal(reply.completion_tokens, 2 + 3);
}

static void what_is_wrong_with_a_call_is_told_to_the_model(void **state)
{
    (void)state;
    if (no_python())
        skip();
    static const struct {
        const char *call, *told;
    } cases[] = {
        {CALL("sum", "{\\\"a\\\": 2}"), "TypeError"},
        {CALL("sum", "[1]"), "error: the arguments are not a JSON object"},
        {CALL("product", "{}"), "error: there is no tool called product"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        caller c = {.call = cases[i].call};
        generate_reply reply;
        char words[1024];
        if (use_tool(&c, NULL, &reply, words, sizeof words) != STATUS_OK)
            fail_msg("%s", words);
        if (!strstr(c.told, cases[i].told))
            fail_msg("not told \"%s\": %s", cases[i].told, c.told);
    }
}

static void a_tool_that_fails_or_is_called_for_ever_is_an_error(void **state)
{
    (void)state;
    if (no_python())
        skip();
    caller c = {.call = CALL("sum", "{\\\"a\\\": 2, \\\"b\\\": 3}")};
    generate_reply reply;
    char words[1024];
    assert_int_equal(use_tool(&c,
                              "#!/usr/bin/env python3\nimport os\nfrom assay_plugin import Tool\ntool = Tool(\"sum\", parameters={})\n"
                              "@tool.call\ndef call(**given):\n    os._exit(7)\ntool.main()\n",
                              &reply, words, sizeof words),
                     STATUS_IO);
    assert_non_null(strstr(words, "ended with exit code 7"));
    c.endless = true;
    assert_int_equal(use_tool(&c, NULL, &reply, words, sizeof words), STATUS_INVALID);
    assert_non_null(strstr(words, "calls tools without end (16 rounds)"));
}

/* ---- agents ----------------------------------------------------------------------------------------------------- */

typedef struct agent_desk {
    arena *arena;
    subject *subject;
    broker *broker;
} agent_desk;

static agent_desk open_agent(const char *program, const char *behind)
{
    agent_desk d = {.arena = arena_new(NULL)};
    error err = {0};
    const char *script = file_join(d.arena, test_folder(), "say.yaml");
    assert_int_equal(file_write(script, SLICE("default: it is ten\nrules:\n  - contains: draw\n    answers: [a b, c d e]\n"), NULL), STATUS_OK);
    const char *path = write_plugin(d.arena, "agent.py", program);
    const char *name = arena_printf(d.arena, "plugin:%s%s%s", path, behind, strchr(behind, ',') ? script : "");
    if (subject_open(d.arena, name, NULL, &d.subject, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(broker_new(d.subject, &(broker_options){.askers = 8}, &d.broker, NULL), STATUS_OK);
    return d;
}

static void close_agent(agent_desk *d)
{
    broker_free(d->broker);
    subject_close(d->subject);
    arena_free(d->arena);
}

static void an_agent_asks_beneath_and_its_tokens_count(void **state)
{
    (void)state;
    if (no_python())
        skip();
    arena *a = arena_new(NULL);
    agent_desk d = open_agent(start_of(a, "agent", "commonest"), "?times=4,script:");
    generate_reply reply, again;
    assert_true(d.subject->abilities & SUBJECT_SEEDS);
    assert_non_null(strstr(d.subject->identity, "{\"times\":4} (script "));
    assert_int_equal(ask_once(d.broker, a, "how much?", 0, &reply, NULL), STATUS_OK);
    assert_string_equal(reply.text, "it is ten");
    assert_int_equal(reply.completion_tokens, 4 * 3);
    assert_int_equal(reply.prompt_tokens, 4 * 2);
    for (uint64_t i = 0; i < 20; i++) { /* draws follow from the address of the request alone */
        assert_int_equal(ask_once(d.broker, a, "draw", i, &reply, NULL), STATUS_OK);
        assert_int_equal(ask_once(d.broker, a, "draw", i, &again, NULL), STATUS_OK);
        assert_string_equal(reply.text, again.text);
    }
    close_agent(&d);
    arena_free(a);
}

static const char careless[] = "#!/usr/bin/env python3\n"
                               "import os\n"
                               "from assay_plugin import Agent\n"
                               "agent = Agent('careless')\n"
                               "@agent.answer\n"
                               "def answer(messages, ask, options):\n"
                               "    text = messages[-1]['content']\n"
                               "    if text == 'die': os._exit(9)\n"
                               "    if text == 'number': return 5\n"
                               "    if text == 'own': return {'text': 'mine', 'prompt_tokens': 100, 'completion_tokens': 20, 'reason': 'refused'}\n"
                               "    return f\"{text} {options['max_tokens']}\"\n"
                               "agent.main()\n";

static void one_bad_request_costs_no_other(void **state)
{
    (void)state;
    if (no_python())
        skip();
    arena *a = arena_new(NULL);
    agent_desk d = open_agent(careless, "");
    generate_reply reply;
    error err = {0};
    assert_int_equal(ask_once(d.broker, a, "hello", 0, &reply, &err), STATUS_OK);
    assert_string_equal(reply.text, "hello 16");
    assert_int_equal(ask_once(d.broker, a, "die", 1, &reply, &err), STATUS_IO);
    assert_non_null(strstr(err.message, "ended with exit code 9"));
    assert_int_equal(ask_once(d.broker, a, "number", 2, &reply, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "expected a text at \"answer\""));
    assert_int_equal(ask_once(d.broker, a, "own", 3, &reply, &err), STATUS_OK);
    assert_int_equal(reply.prompt_tokens, 100);
    assert_int_equal(reply.completion_tokens, 20);
    assert_int_equal(reply.reason, STOP_REFUSED);
    d.subject->class->interrupt(d.subject); /* as a chat does, which then goes on */
    assert_int_equal(ask_once(d.broker, a, "hello", 4, &reply, &err), STATUS_INTERRUPTED);
    d.subject->class->resume(d.subject);
    assert_int_equal(ask_once(d.broker, a, "hello", 5, &reply, &err), STATUS_OK);
    close_agent(&d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tool_is_called_and_its_result_told),
        cmocka_unit_test(what_is_wrong_with_a_call_is_told_to_the_model),
        cmocka_unit_test(a_tool_that_fails_or_is_called_for_ever_is_an_error),
        cmocka_unit_test(an_agent_asks_beneath_and_its_tokens_count),
        cmocka_unit_test(one_bad_request_costs_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
