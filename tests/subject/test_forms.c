/* The wire forms: what is sent and what is read of Anthropic messages, completions, tools, reasoning, prefills and scores;
 * what a look at a backend finds; limits kept before the server refuses. */
#include "api_desk.h"

#include "core/jsonio.h"
#include "core/progress.h"

#include <math.h>

static json_t *sent_body(const desk *d)
{
    json_t *sent;
    assert_int_equal(jsonio_parse(slice_of(strstr(d->server->last_request, "\r\n\r\n") + 4), "body", &sent, NULL), STATUS_OK);
    return sent;
}

static void check_sent(const desk *d, const char *first_line, const char *expected)
{
    json_t *sent = sent_body(d), *wanted = json_loads(expected, 0, NULL);
    json_object_del(sent, "seed");
    assert_non_null(wanted);
    assert_int_equal(strncmp(d->server->last_request, first_line, strlen(first_line)), 0);
    if (!json_equal(sent, wanted))
        fail_msg("sent %s", strstr(d->server->last_request, "\r\n\r\n") + 4);
    json_decref(sent);
    json_decref(wanted);
}

static status ask(desk *d, const message *messages, size_t count, generate_request q, generate_reply *reply)
{
    q.messages = messages;
    q.count = count;
    q.max_tokens = 7;
    q.address.study = "test";
    d->err = (error){0};
    return broker_generate(d->broker, d->arena, &q, reply, &d->err);
}

/* ---- Anthropic -------------------------------------------------------------------------------------------------- */

static void messages_have_the_anthropic_form(void **state)
{
    (void)state;
    static const act acts[] = {
        {.body = "{\"type\": \"message\", \"content\": [{\"type\": \"thinking\", \"thinking\": \"hm\", \"signature\": \"x\"},"
                 "{\"type\": \"text\", \"text\": \"It is \"}, {\"type\": \"text\", \"text\": \"Paris.\"},"
                 "{\"type\": \"tool_use\", \"id\": \"t2\", \"name\": \"look\", \"input\": {\"at\": \"map\"}}],"
                 "\"stop_reason\": \"stop_sequence\", \"usage\": {\"input_tokens\": 5, \"cache_read_input_tokens\": 4,"
                 "\"cache_creation_input_tokens\": 2, \"output_tokens\": 9}}"},
    };
    setenv("ANTHROPIC_API_KEY", "sk-ant-secret", 1);
    desk d = desk_open((server){.acts = acts, .act_count = 1}, "/v1/messages", (subject_options){0});
    unsetenv("ANTHROPIC_API_KEY");
    block call[] = {{.kind = BLOCK_REASONING, .text = "secret"}, {.kind = BLOCK_TEXT, .text = "let me look"},
                    {.kind = BLOCK_TOOL_CALL, .text = "{\"at\": 1}", .name = "look", .id = "t1"}};
    block result[] = {{.kind = BLOCK_TOOL_RESULT, .text = "a town", .id = "t1"}};
    block image[] = {{.kind = BLOCK_IMAGE, .text = "data:image/png;base64,AAAA"}, {.kind = BLOCK_TEXT, .text = "this?"}};
    block start[] = {{.kind = BLOCK_PREFILL, .text = "The answer:"}};
    message talk[] = {message_text(d.arena, MESSAGE_SYSTEM, "be brief"), message_text(d.arena, MESSAGE_USER, "capital?"),
                      {MESSAGE_ASSISTANT, call, 3}, {MESSAGE_TOOL, result, 1}, {MESSAGE_USER, image, 2}, {MESSAGE_ASSISTANT, start, 1}};
    const char *stops[] = {"\n"};
    generate_reply r;
    generate_request q = {.temperature = 0.5, .top_k = 3, .stops = stops, .stop_count = 1,
                          .tools = "[{\"name\": \"look\", \"description\": \"looks\", \"parameters\": {\"type\": \"object\"}}]"};
    if (ask(&d, talk, 6, q, &r) != STATUS_OK)
        fail_msg("%s", d.err.message);
    check_sent(&d, "POST /v1/messages HTTP/1.1\r\n",
               "{\"model\": \"some:model\", \"max_tokens\": 7, \"system\": \"be brief\", \"temperature\": 0.5, \"top_k\": 3,"
               "\"stop_sequences\": [\"\\n\"], \"tools\": [{\"name\": \"look\", \"description\": \"looks\", \"input_schema\": {\"type\": \"object\"}}],"
               "\"messages\": [{\"role\": \"user\", \"content\": \"capital?\"}, {\"role\": \"assistant\", \"content\": ["
               "{\"type\": \"text\", \"text\": \"let me look\"}, {\"type\": \"tool_use\", \"id\": \"t1\", \"name\": \"look\", \"input\": {\"at\": 1}}]},"
               "{\"role\": \"user\", \"content\": [{\"type\": \"tool_result\", \"tool_use_id\": \"t1\", \"content\": \"a town\"}]},"
               "{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"source\": {\"type\": \"base64\", \"media_type\": \"image/png\", \"data\": \"AAAA\"}},"
               "{\"type\": \"text\", \"text\": \"this?\"}]}, {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"The answer:\"}]}]}");
    assert_non_null(strstr(d.server->last_request, "x-api-key: sk-ant-secret\r\n"));
    assert_non_null(strstr(d.server->last_request, "anthropic-version: 2023-06-01\r\n"));
    assert_null(strstr(d.server->last_request, "Bearer"));
    assert_string_equal(r.text, "It is Paris.");
    assert_int_equal(r.reason, STOP_STRING);
    assert_true(r.prompt_tokens == 11 && r.cached_tokens == 4 && r.completion_tokens == 9 && isnan(r.logprob));
    assert_int_equal(r.block_count, 4);
    assert_true(r.blocks[0].kind == BLOCK_REASONING && strcmp(r.blocks[0].text, "hm") == 0);
    assert_true(r.blocks[3].kind == BLOCK_TOOL_CALL && strcmp(r.blocks[3].id, "t2") == 0 && strstr(r.blocks[3].text, "map"));
    assert_int_equal(ask(&d, talk, 1, (generate_request){0}, &r), STATUS_UNSUPPORTED); /* a system prompt alone */
    desk_close(&d);
}

static void anthropic_answers_are_read_whatever_their_form(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        status code;
        stop_reason reason;
    } cases[] = {
        {"{\"content\": [{\"type\": \"text\", \"text\": \"a\"}], \"stop_reason\": \"end_turn\"}", STATUS_OK, STOP_END},
        {"{\"content\": [{\"type\": \"text\", \"text\": \"a\"}], \"stop_reason\": \"max_tokens\"}", STATUS_OK, STOP_LENGTH},
        {"{\"content\": [], \"stop_reason\": \"refusal\"}", STATUS_OK, STOP_REFUSED},
        {"{\"content\": [{\"type\": \"redacted_thinking\", \"data\": \"x\"}], \"stop_reason\": \"end_turn\"}", STATUS_OK, STOP_END},
        {"{\"content\": []}", STATUS_INVALID, STOP_END},
        {"{\"content\": \"a\"}", STATUS_INVALID, STOP_END},
        {"{\"content\": [7]}", STATUS_INVALID, STOP_END},
        {"{\"content\": [{\"type\": \"text\", \"text\": 7}]}", STATUS_INVALID, STOP_END},
        {"{\"content\": [{\"type\": \"tool_use\", \"input\": 7}], \"stop_reason\": 5}", STATUS_OK, STOP_END},
        {"{\"type\": \"error\"}", STATUS_INVALID, STOP_END},
        {"7", STATUS_INVALID, STOP_END},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const act acts[] = {{.body = cases[i].body}};
        desk d = desk_open((server){.acts = acts, .act_count = 1}, "/v1/messages", (subject_options){.retries = -1});
        message m = message_text(d.arena, MESSAGE_USER, "hello");
        generate_reply r;
        status code = ask(&d, &m, 1, (generate_request){0}, &r);
        if (code != cases[i].code || (code == STATUS_OK && r.reason != cases[i].reason))
            fail_msg("case %zu: %s %d", i, status_word(code), (int)r.reason);
        desk_close(&d);
    }
}

/* ---- OpenAI ----------------------------------------------------------------------------------------------------- */

static void tools_and_reasoning_are_blocks(void **state)
{
    (void)state;
    static const act acts[] = {
        {.body = "{\"choices\": [{\"message\": {\"content\": null, \"reasoning_content\": \"hm\", \"tool_calls\": [{\"id\": \"c1\","
                 "\"type\": \"function\", \"function\": {\"name\": \"look\", \"arguments\": \"{\\\"at\\\": 2}\"}}]}, \"finish_reason\": \"tool_calls\"}],"
                 "\"usage\": {\"prompt_tokens\": 8, \"completion_tokens\": 4, \"prompt_tokens_details\": {\"cached_tokens\": 6}}}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": \"two\", \"reasoning\": \"ah\"}, \"finish_reason\": \"stop\", \"stop_reason\": \"END\"}]}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": null, \"tool_calls\": {}}}]}"},
    };
    desk d = desk_open((server){.acts = acts, .act_count = 3}, "/v1", (subject_options){.retries = -1});
    block call[] = {{.kind = BLOCK_TOOL_CALL, .text = "{}", .name = "look", .id = "c0"}};
    block result[] = {{.kind = BLOCK_TOOL_RESULT, .text = "a town", .id = "c0"}};
    message talk[] = {message_text(d.arena, MESSAGE_USER, "look"), {MESSAGE_ASSISTANT, call, 1}, {MESSAGE_TOOL, result, 1}};
    generate_reply r;
    generate_request q = {.tools = "[{\"name\": \"look\", \"parameters\": {\"type\": \"object\"}}]"};
    if (ask(&d, talk, 3, q, &r) != STATUS_OK)
        fail_msg("%s", d.err.message);
    check_sent(&d, "POST /v1/chat/completions HTTP/1.1\r\n",
               "{\"model\": \"some:model\", \"max_tokens\": 7, \"temperature\": 0.0, \"tools\": [{\"type\": \"function\", \"function\":"
               "{\"name\": \"look\", \"parameters\": {\"type\": \"object\"}}}], \"messages\": [{\"role\": \"user\", \"content\": \"look\"},"
               "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"c0\", \"type\": \"function\", \"function\": {\"name\":"
               "\"look\", \"arguments\": \"{}\"}}]}, {\"role\": \"tool\", \"tool_call_id\": \"c0\", \"content\": \"a town\"}]}");
    assert_string_equal(r.text, "");
    assert_true(r.block_count == 2 && r.blocks[0].kind == BLOCK_REASONING && r.blocks[1].kind == BLOCK_TOOL_CALL);
    assert_string_equal(r.blocks[1].text, "{\"at\": 2}");
    assert_true(r.cached_tokens == 6 && !r.uncounted);
    assert_int_equal(ask(&d, talk, 1, (generate_request){0}, &r), STATUS_OK);
    assert_string_equal(r.text, "two"); /* hidden reasoning is no part of it */
    assert_true(r.reason == STOP_STRING && r.uncounted && r.block_count == 1);
    assert_int_equal(ask(&d, talk, 1, (generate_request){0}, &r), STATUS_INVALID);
    desk_close(&d);
}

static void completions_take_plain_text(void **state)
{
    (void)state;
    static const act acts[] = {{.body = "{\"choices\": [{\"text\": \" Paris\", \"finish_reason\": \"length\", \"logprobs\": {\"tokens\": [\" Paris\"],"
                                        "\"token_logprobs\": [-0.25]}}], \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 1}}"}};
    desk d = desk_open((server){.acts = acts, .act_count = 1}, "/v1/completions", (subject_options){0});
    block start[] = {{.kind = BLOCK_PREFILL, .text = "It is"}};
    message talk[] = {message_text(d.arena, MESSAGE_USER, "The capital?"), {MESSAGE_ASSISTANT, start, 1}};
    generate_reply r;
    if (ask(&d, talk, 2, (generate_request){.logprobs = true}, &r) != STATUS_OK)
        fail_msg("%s", d.err.message);
    check_sent(&d, "POST /v1/completions HTTP/1.1\r\n",
               "{\"model\": \"some:model\", \"prompt\": \"The capital?\\nIt is\", \"max_tokens\": 7, \"temperature\": 0.0, \"logprobs\": 1}");
    assert_string_equal(r.text, " Paris");
    assert_true(r.reason == STOP_LENGTH && r.logprob == -0.25);
    desk_close(&d);
}

static void llama_cpp_gives_log_probabilities_in_its_own_way(void **state)
{
    (void)state;
    static const act acts[] = {{.body = "{\"choices\": [{\"text\": \"ab\"}], \"completion_probabilities\": [{\"token\": \"a\", \"logprob\": -1.5},"
                                        "{\"token\": \"b\", \"logprob\": -0.5}]}"}};
    desk d = desk_open((server){.acts = acts, .act_count = 1}, "/v1/completions", (subject_options){0});
    message m = message_text(d.arena, MESSAGE_USER, "hello");
    generate_reply r;
    assert_int_equal(ask(&d, &m, 1, (generate_request){.logprobs = true}, &r), STATUS_OK);
    assert_true(r.logprob == -2);
    desk_close(&d);
}

/* ---- looking and scoring ---------------------------------------------------------------------------------------- */

static bool holds(const char *body, const char *words)
{
    return strstr(body, words) != NULL;
}

/* A vLLM of one-letter tokens: token c has the log-probability -c/100. The template is U...A, then the answer. */
static void add_entry(char *text, size_t size, size_t *used, char c)
{
    *used += (size_t)snprintf(text + *used, size - *used, "%s{\"%d\": {\"logprob\": %.2f, \"rank\": 1}}", *used ? ", " : "", c, -c / 100.0);
}

static act play_vllm(void *context, const char *body, size_t number)
{
    static _Thread_local char reply[65536], list[32768];
    (void)number, (void)context;
    json_t *q;
    size_t used = 0;
    assert_int_equal(jsonio_parse(slice_of(body), "body", &q, NULL), STATUS_OK);
    if (!json_object_get(q, "prompt_logprobs")) {
        json_decref(q);
        return (act){0};
    }
    snprintf(list, sizeof list, "null");
    used = 4;
    const json_t *messages = json_object_get(q, "messages"), *m;
    size_t i;
    json_array_foreach(messages, i, m) {
        add_entry(list, sizeof list, &used, json_string_value(json_object_get(m, "role"))[0]);
        for (const char *p = json_string_value(json_object_get(m, "content")); *p; p++)
            add_entry(list, sizeof list, &used, *p);
    }
    if (!json_is_false(json_object_get(q, "add_generation_prompt")))
        add_entry(list, sizeof list, &used, 'a');
    json_decref(q);
    snprintf(reply, sizeof reply, "{\"choices\": [{\"message\": {\"content\": \"x\"}}], \"prompt_logprobs\": [%s],"
             "\"usage\": {\"prompt_tokens\": 10, \"completion_tokens\": 1}}", list);
    return (act){.body = reply};
}

static void vllm_scores_through_prompt_logprobs(void **state)
{
    (void)state;
    desk d = desk_open((server){.decide = play_vllm, .models = "{\"data\": [{\"id\": \"some:model\", \"owned_by\": \"vllm\"}]}"}, "/v1",
                       (subject_options){0});
    subject_probe found;
    assert_int_equal(subject_require(d.subject, SUBJECT_SCORES, "a study", &d.err), STATUS_UNSUPPORTED);
    if (subject_look(d.subject, d.arena, SUBJECT_SCORES | SUBJECT_PREFILL, NULL, &found, &d.err) != STATUS_OK)
        fail_msg("%s", d.err.message);
    assert_int_equal(subject_require(d.subject, SUBJECT_SCORES | SUBJECT_PREFILL, "a study", &d.err), STATUS_OK);
    assert_int_equal(subject_require(d.subject, SUBJECT_LOGPROBS, "a study", &d.err), STATUS_UNSUPPORTED);
    assert_int_equal(found.requests, 3);
    message m = message_text(d.arena, MESSAGE_USER, "pick");
    const char *options[] = {"ab", "c"};
    score_request q = {.messages = &m, .count = 1, .continuations = options, .continuation_count = 2, .address = {.study = "t"}};
    score_reply r;
    if (broker_score(d.broker, d.arena, &q, &r, &d.err) != STATUS_OK)
        fail_msg("%s", d.err.message);
    assert_true(fabs(r.logprobs[0] - (-('a' + 'b') / 100.0)) < 1e-9);
    assert_true(fabs(r.logprobs[1] - (-'c' / 100.0)) < 1e-9);
    assert_true(r.token_counts[0] == 2 && r.token_counts[1] == 1 && r.prompt_tokens == 30);
    desk_close(&d);
}

/* Completions with echo: tokens are words with the space before them. */
static act play_echo(void *context, const char *body, size_t number)
{
    static _Thread_local char reply[65536];
    (void)number, (void)context;
    json_t *q, *tokens = json_array(), *values = json_array();
    assert_int_equal(jsonio_parse(slice_of(body), "body", &q, NULL), STATUS_OK);
    const char *prompt = json_string_value(json_object_get(q, "prompt"));
    bool echo = json_is_true(json_object_get(q, "echo"));
    for (const char *p = prompt; echo && *p;) {
        size_t n = 1 + strcspn(p + 1, " \n");
        json_array_append_new(tokens, json_stringn(p, n));
        json_array_append_new(values, p == prompt ? json_null() : json_real(-(double)n));
        p += n;
    }
    int count = (int)json_array_size(tokens);
    json_array_append_new(tokens, json_string(" more"));
    json_array_append_new(values, json_real(-100));
    json_t *answer = json_pack("{s:[{s:s+, s:{s:o, s:o}}], s:{s:i, s:i}}", "choices", "text", echo ? prompt : "", " more", "logprobs",
                               "tokens", tokens, "token_logprobs", values, "usage", "prompt_tokens", count, "completion_tokens", 1);
    char *text = json_dumps(answer, 0);
    snprintf(reply, sizeof reply, "%s", text);
    free(text);
    json_decref(answer);
    json_decref(q);
    return (act){.body = reply};
}

static void completions_score_through_echo(void **state)
{
    (void)state;
    desk d = desk_open((server){.decide = play_echo}, "/v1/completions", (subject_options){0});
    subject_probe found;
    assert_int_equal(subject_look(d.subject, d.arena, SUBJECT_SCORES, NULL, &found, &d.err), STATUS_OK);
    assert_true(d.subject->abilities & SUBJECT_SCORES);
    message m = message_text(d.arena, MESSAGE_USER, "the capital of France is");
    block start[] = {{.kind = BLOCK_PREFILL, .text = "It is"}};
    message talk[] = {m, {MESSAGE_ASSISTANT, start, 1}};
    const char *options[] = {" Paris", " the town of Rome"}, *bad[] = {"nt it"};
    score_request q = {.messages = talk, .count = 2, .continuations = options, .continuation_count = 2, .address = {.study = "t"}};
    score_reply r;
    if (broker_score(d.broker, d.arena, &q, &r, &d.err) != STATUS_OK)
        fail_msg("%s", d.err.message);
    assert_true(fabs(r.logprobs[0] - (-6)) < 1e-9);
    assert_true(fabs(r.logprobs[1] - (-4 - 5 - 3 - 5)) < 1e-9);
    assert_true(r.token_counts[0] == 1 && r.token_counts[1] == 4);
    q.continuations = bad; /* "isnt it": the token " isnt" begins before it */
    q.continuation_count = 1;
    assert_int_equal(broker_score(d.broker, d.arena, &q, &r, &d.err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(d.err.message, "no token begins"));
    desk_close(&d);
}

static act play_top(void *context, const char *body, size_t number)
{
    (void)number, (void)context;
    if (!holds(body, "top_logprobs"))
        return (act){.body = "{\"choices\": [{\"message\": {\"content\": \"A\"}, \"logprobs\": {\"content\": [{\"token\": \"A\", \"logprob\": -0.1}]}}]}"};
    return (act){.body = "{\"choices\": [{\"message\": {\"content\": \"A\"}, \"logprobs\": {\"content\": [{\"token\": \"A\", \"logprob\": -0.1,"
                         "\"top_logprobs\": [{\"token\": \"A\", \"logprob\": -0.1}, {\"token\": \"B\", \"logprob\": -2.5},"
                         "{\"token\": \"C\", \"logprob\": -9999.0}]}]}}]}"};
}

static void chat_chooses_among_the_tokens_that_are_listed(void **state)
{
    (void)state;
    desk d = desk_open((server){.decide = play_top}, "/v1", (subject_options){0});
    subject_probe found;
    assert_int_equal(subject_look(d.subject, d.arena, SUBJECT_CHOOSES | SUBJECT_LOGPROBS, NULL, &found, &d.err), STATUS_OK);
    assert_true((d.subject->abilities & SUBJECT_CHOOSES) && (d.subject->abilities & SUBJECT_LOGPROBS));
    assert_false(d.subject->abilities & SUBJECT_SCORES);
    message m = message_text(d.arena, MESSAGE_USER, "A, B or C?");
    const char *options[] = {"A", "B"}, *far[] = {"A", "C"};
    score_request q = {.messages = &m, .count = 1, .continuations = options, .continuation_count = 2, .address = {.study = "t"}};
    score_reply r;
    assert_int_equal(broker_score(d.broker, d.arena, &q, &r, &d.err), STATUS_OK);
    assert_true(r.logprobs[0] == -0.1 && r.logprobs[1] == -2.5);
    q.continuations = far; /* -9999 says "not listed" */
    assert_int_equal(broker_score(d.broker, d.arena, &q, &r, &d.err), STATUS_UNSUPPORTED);
    desk_close(&d);
}

static act play_seeds(void *context, const char *body, size_t number)
{
    static _Thread_local char reply[256];
    json_t *q;
    (void)context;
    assert_int_equal(jsonio_parse(slice_of(body), "body", &q, NULL), STATUS_OK);
    snprintf(reply, sizeof reply, "{\"choices\": [{\"message\": {\"content\": \"w%lld\"}}]}",
             (long long)(context ? (json_int_t)number : json_integer_value(json_object_get(q, "seed"))));
    json_decref(q);
    return (act){.body = reply};
}

static void seeds_are_tried_before_they_are_believed(void **state)
{
    (void)state;
    for (int deaf = 0; deaf < 2; deaf++) {
        desk d = desk_open((server){.decide = play_seeds, .context = deaf ? &deaf : NULL}, "/v1", (subject_options){0});
        subject_probe found;
        assert_int_equal(subject_look(d.subject, d.arena, SUBJECT_SEEDS, NULL, &found, &d.err), STATUS_OK);
        assert_int_equal((d.subject->abilities & SUBJECT_SEEDS) != 0, !deaf);
        desk_close(&d);
    }
}

typedef struct drawer {
    char key[80], *value;
    int kept;
} drawer;

static bool drawer_find(void *context, arena *a, const char *key, const char **value)
{
    drawer *x = context;
    *value = x->value && strcmp(key, x->key) == 0 ? arena_strdup(a, x->value) : NULL;
    return *value != NULL;
}

static void drawer_keep(void *context, const char *key, const char *value)
{
    drawer *x = context;
    snprintf(x->key, sizeof x->key, "%s", key);
    free(x->value);
    x->value = strdup(value);
    x->kept++;
}

static void what_a_look_found_is_kept_and_said(void **state)
{
    (void)state;
    static const act acts[] = {{.code = 400, .body = "{\"error\": {\"message\": \"Unsupported value: 'temperature' does not support 0\"}}"},
                               {.body = GOOD}};
    drawer x = {0};
    const answer_cache cache = {drawer_find, drawer_keep, &x};
    desk d = desk_open((server){.acts = acts, .act_count = 2, .models = "{\"data\": [{\"id\": \"another\"}]}"}, "/v1", (subject_options){0});
    subject_probe found;
    assert_int_equal(subject_look(d.subject, d.arena, SUBJECT_GENERATES, &cache, &found, &d.err), STATUS_OK);
    assert_non_null(strstr(found.notes, "takes no temperature"));
    assert_non_null(strstr(found.notes, "does not list \"some:model\""));
    assert_true(found.requests == 3 && found.prompt_tokens == 11 && x.kept == 1);
    subject *again;
    const char *name = d.subject->specification;
    assert_int_equal(subject_open(d.arena, name, NULL, &again, &d.err), STATUS_OK);
    assert_int_equal(subject_look(again, d.arena, SUBJECT_GENERATES, &cache, &found, &d.err), STATUS_OK);
    assert_int_equal(found.requests, 0);
    assert_non_null(strstr(found.notes, "takes no temperature"));
    assert_int_equal(atomic_load(&d.server->requests), 2);
    subject_close(again);
    free(x.value);
    desk_close(&d);
}

/* ---- limits ----------------------------------------------------------------------------------------------------- */

/* Three requests in a window of 300 ms; a fourth gets 429. */
typedef struct window {
    double begun;
    int used, refused;
} window;

static act play_window(void *context, const char *body, size_t number)
{
    static char headers[8][256];
    window *w = context;
    double now = clock_seconds();
    (void)body;
    if (now - w->begun >= 0.3) {
        w->begun = now;
        w->used = 0;
    }
    bool full = w->used >= 3;
    w->refused += full;
    int left = w->used < 3 ? 3 - ++w->used : 0;
    char *h = headers[number % 8];
    snprintf(h, sizeof headers[0],
             "x-ratelimit-limit-requests: 3\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %dms\r\n", left,
             (int)(300 - (now - w->begun) * 1000) + 20);
    return full ? (act){.code = 429, .headers = h, .body = "{}"} : (act){.headers = h};
}

typedef struct asker {
    desk *desk;
    int good;
} asker;

static void *ask_some(void *context)
{
    asker *t = context;
    arena *a = arena_new(NULL);
    for (int i = 0; i < 4; i++) {
        message m = message_text(a, MESSAGE_USER, "hello");
        generate_request q = {.messages = &m, .count = 1, .max_tokens = 4, .address = {.study = "t"}};
        generate_reply reply;
        t->good += broker_generate(t->desk->broker, a, &q, &reply, NULL) == STATUS_OK;
    }
    arena_free(a);
    return NULL;
}

static void announced_limits_are_kept_before_the_server_refuses(void **state)
{
    (void)state;
    window w = {0};
    desk d = desk_open((server){.decide = play_window, .context = &w}, "/v1", (subject_options){.in_flight = 8});
    message m = message_text(d.arena, MESSAGE_USER, "first");
    generate_reply r;
    pthread_t ids[4];
    asker tasks[4];
    assert_int_equal(ask(&d, &m, 1, (generate_request){0}, &r), STATUS_OK); /* from here on the limit is known */
    double begun = clock_seconds();
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        tasks[i] = (asker){.desk = &d};
        pthread_create(&ids[i], NULL, ask_some, &tasks[i]);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(tasks[i].good, 4);
    }
    assert_int_equal(w.refused, 0);
    assert_int_equal(broker_count(d.broker).retries, 0);
    assert_true(clock_seconds() - begun >= 1.2); /* 17 requests, 3 at a time */
    desk_close(&d);
}

static void an_answer_that_stops_half_way_is_given_up(void **state)
{
    (void)state;
    static const act acts[] = {{.how = STALL}, {.body = GOOD}};
    desk d = desk_open((server){.acts = acts, .act_count = 2}, "/v1", (subject_options){.idle_seconds = 0.3, .timeout_seconds = 60});
    message m = message_text(d.arena, MESSAGE_USER, "hello");
    generate_reply r;
    double begun = clock_seconds();
    assert_int_equal(ask(&d, &m, 1, (generate_request){0}, &r), STATUS_OK);
    assert_int_equal(r.retries, 1);
    assert_true(clock_seconds() - begun < 20);
    desk_close(&d);
}

static void makers_are_named_in_short(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s;
    error err = {0};
    unsetenv("OPENAI_BASE_URL");
    unsetenv("ANTHROPIC_BASE_URL");
    assert_int_equal(subject_open(a, "anthropic:claude-x", NULL, &s, &err), STATUS_OK);
    assert_string_equal(s->identity, "anthropic https://api.anthropic.com/v1/messages claude-x");
    assert_string_equal(s->billed, "api.anthropic.com/claude-x");
    subject_close(s);
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/proxy/v1/", 1);
    assert_int_equal(subject_open(a, "openai:ft:gpt:a", NULL, &s, &err), STATUS_OK);
    assert_string_equal(s->identity, "openai http://127.0.0.1:9/proxy/v1/chat/completions ft:gpt:a");
    subject_close(s);
    setenv("OPENAI_BASE_URL", "ftp://x", 1);
    assert_int_equal(subject_open(a, "openai:m", NULL, &s, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "OPENAI_BASE_URL"));
    unsetenv("OPENAI_BASE_URL");
    static const char *const bad[] = {"openai:", "http://u:p@h/v1#m", "http://h/v1?key=1#m", "http:///v1#m", "http://h/v1", "https://h/v1#", "http://h /v1#m"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (subject_open(a, bad[i], NULL, &s, &err) != STATUS_USAGE)
            fail_msg("%s: %s", bad[i], err.message);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_have_the_anthropic_form),
        cmocka_unit_test(anthropic_answers_are_read_whatever_their_form),
        cmocka_unit_test(tools_and_reasoning_are_blocks),
        cmocka_unit_test(completions_take_plain_text),
        cmocka_unit_test(llama_cpp_gives_log_probabilities_in_its_own_way),
        cmocka_unit_test(vllm_scores_through_prompt_logprobs),
        cmocka_unit_test(completions_score_through_echo),
        cmocka_unit_test(chat_chooses_among_the_tokens_that_are_listed),
        cmocka_unit_test(seeds_are_tried_before_they_are_believed),
        cmocka_unit_test(what_a_look_found_is_kept_and_said),
        cmocka_unit_test(announced_limits_are_kept_before_the_server_refuses),
        cmocka_unit_test(an_answer_that_stops_half_way_is_given_up),
        cmocka_unit_test(makers_are_named_in_short),
    };
    unsetenv("OPENAI_API_KEY");
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
