/* A checkpoint as a subject: prompts, prefill, scores, refusals, identity. */
#include "lm/model_fixture.h"

#include "subject/local.h"

#include <math.h>

static arena *memory;
static const char *model;
static tokenizer *words;
static lm_config config;
static subject *local;

static subject *open_subject(const char *style)
{
    subject *s;
    error err = {0};
    subject_options options = {.threads = 1, .prompt_style = style};
    if (subject_open(memory, model, &options, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    model = file_join(memory, test_folder(), "model");
    words = fixture_tokenizer(memory);
    config = fixture_config(words);
    if (checkpoint_save(model, &config, words, fixture_weights(memory, &config, 4), NULL) != STATUS_OK)
        return -1;
    local = open_subject(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    subject_close(local);
    arena_free(memory);
    return 0;
}

static generate_request ask(const message *messages, size_t count)
{
    return (generate_request){.messages = messages, .count = count, .max_tokens = 12, .temperature = 1, .top_p = 1,
                              .logprobs = true, .address = {.seed = 3, .study = "test"}, .position = -1};
}

static generate_reply reply_to(subject *s, const generate_request *r)
{
    generate_reply reply;
    error err = {0};
    if (s->class->generate(s, memory, &r, &reply, 1, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return reply;
}

static void prompts_are_those_of_the_template(void **state)
{
    (void)state;
    message said[] = {message_text(memory, MESSAGE_SYSTEM, "Be brief."), message_text(memory, MESSAGE_USER, "Who bakes?")};
    subject_audit audit;
    assert_int_equal(local->class->audit(local, memory, said, 2, &audit, NULL), STATUS_OK);
    strbuf text = strbuf_new(memory, 1 << 10);
    for (size_t i = 0; i < audit.count; i++)
        strbuf_add_slice(&text, tokenizer_bytes(words, audit.ids[i]));
    assert_string_equal(text.text, "<|begin|><|system|>Be brief.<|end|><|user|>Who bakes?<|end|><|assistant|>");
    assert_int_equal(audit.bos, TOKEN_BEGIN);
    assert_int_equal(strlen(audit.template_hash), 64);
    generate_request r = ask(said, 2);
    generate_reply reply = reply_to(local, &r);
    assert_int_equal(reply.code, STATUS_OK);
    assert_int_equal(reply.prompt_tokens, audit.count);
    assert_true(reply.completion_tokens > 0 && reply.logprob < 0);
}

static void the_address_alone_decides_the_draws(void **state)
{
    (void)state;
    message said = message_text(memory, MESSAGE_USER, "Who bakes?");
    generate_request r = ask(&said, 1), other = r;
    other.address.sample = 1;
    generate_reply a = reply_to(local, &r), b = reply_to(local, &other), c = reply_to(local, &r);
    assert_string_equal(a.text, c.text);
    assert_true(a.logprob == c.logprob);
    assert_string_not_equal(a.text, b.text);
}

/* The start of an answer is part of the prompt, not of the reply. */
static void the_start_of_an_answer_can_be_given(void **state)
{
    (void)state;
    block start = {BLOCK_PREFILL, "Ada bakes", NULL, NULL};
    message said[] = {message_text(memory, MESSAGE_USER, "Who bakes?"), {MESSAGE_ASSISTANT, &start, 1}};
    subject_audit audit;
    assert_int_equal(local->class->audit(local, memory, said, 2, &audit, NULL), STATUS_OK);
    strbuf text = strbuf_new(memory, 1 << 10);
    for (size_t i = 0; i < audit.count; i++)
        strbuf_add_slice(&text, tokenizer_bytes(words, audit.ids[i]));
    assert_string_equal(text.text, "<|begin|><|user|>Who bakes?<|end|><|assistant|>Ada bakes");
    message wrong[] = {said[1], said[0]};
    generate_request r = ask(wrong, 2);
    generate_reply reply = reply_to(local, &r);
    assert_int_equal(reply.code, STATUS_INVALID);
    assert_non_null(strstr(reply.problem, "last message"));
}

static void scores_are_the_log_probabilities_of_answers(void **state)
{
    (void)state;
    message said = message_text(memory, MESSAGE_USER, "Who bakes?");
    generate_request r = ask(&said, 1);
    r.temperature = 0;
    r.max_tokens = 5;
    generate_reply greedy = reply_to(local, &r);
    const char *answers[] = {greedy.text, "Ben", ""};
    score_request s = {.messages = &said, .count = 1, .continuations = answers, .continuation_count = 3};
    const score_request *list = &s;
    score_reply scores;
    error err = {0};
    assert_int_equal(local->class->score(local, memory, &list, &scores, 1, &err), STATUS_OK);
    assert_int_equal(scores.code, STATUS_OK);
    assert_true(scores.logprobs[1] < 0 && scores.logprobs[2] == 0 && scores.token_counts[2] == 0);
    assert_true(scores.token_counts[1] > 0);
    assert_int_equal(scores.prompt_tokens, greedy.prompt_tokens + scores.token_counts[0] + scores.token_counts[1]);
    /* Given the start of an answer, what is scored is what follows it. */
    block start = {BLOCK_PREFILL, "Ben", NULL, NULL};
    message given[] = {said, {MESSAGE_ASSISTANT, &start, 1}};
    const char *rest[] = {" mends shoes."}, *all[] = {"Ben mends shoes."};
    score_request one = {.messages = given, .count = 2, .continuations = rest, .continuation_count = 1};
    score_request two = {.messages = &said, .count = 1, .continuations = all, .continuation_count = 1};
    score_request three = {.messages = &said, .count = 1, .continuations = (const char *[]){"Ben"}, .continuation_count = 1};
    const score_request *lists[] = {&one, &two, &three};
    score_reply out[3];
    assert_int_equal(local->class->score(local, memory, lists, out, 3, &err), STATUS_OK);
    assert_int_equal(out[0].token_counts[0] + out[2].token_counts[0], out[1].token_counts[0]);
    assert_true(fabs(out[0].logprobs[0] + out[2].logprobs[0] - out[1].logprobs[0]) < 1e-5);
    assert_int_equal(out[0].joined, 0);
}

/* Where a prompt ends inside a word, its last tokens become others when the rest follows: they are scored with every
 * continuation, from one place, and the reply says how many they are. */
static void scores_tell_where_prompt_and_answer_join(void **state)
{
    (void)state;
    message said = message_text(memory, MESSAGE_USER, "Who bakes?");
    block inside = {BLOCK_PREFILL, "Ben men", NULL, NULL}, before = {BLOCK_PREFILL, "Ben", NULL, NULL};
    message cut[] = {said, {MESSAGE_ASSISTANT, &inside, 1}}, whole[] = {said, {MESSAGE_ASSISTANT, &before, 1}};
    score_request one = {.messages = cut, .count = 2, .continuations = (const char *[]){"ds shoes.", "u."}, .continuation_count = 2};
    score_request two = {.messages = whole, .count = 2, .continuations = (const char *[]){" mends shoes.", " menu."}, .continuation_count = 2};
    const score_request *lists[] = {&one, &two};
    score_reply out[2];
    error err = {0};
    assert_int_equal(local->class->score(local, memory, lists, out, 2, &err), STATUS_OK);
    assert_true(out[0].joined > 0);
    assert_int_equal(out[1].joined, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(out[0].token_counts[i], out[1].token_counts[i]);
        assert_true(out[0].logprobs[i] == out[1].logprobs[i]);
    }
}

static void what_the_model_cannot_read_is_refused_alone(void **state)
{
    (void)state;
    block picture = {BLOCK_IMAGE, "data:image/png;base64,AAAA", NULL, NULL};
    message seen = {MESSAGE_USER, &picture, 1}, said = message_text(memory, MESSAGE_USER, "Who bakes?");
    message tool = message_text(memory, MESSAGE_TOOL, "42");
    generate_request a = ask(&seen, 1), b = ask(&said, 1), c = ask(&tool, 1), d = ask(&said, 1);
    char *much = arena_alloc(memory, 4000);
    memset(much, 'x', 3999);
    message too_long = message_text(memory, MESSAGE_USER, much);
    d.messages = &too_long;
    const generate_request *list[] = {&a, &b, &c, &d};
    generate_reply replies[4];
    assert_int_equal(local->class->generate(local, memory, list, replies, 4, NULL), STATUS_OK);
    assert_int_equal(replies[0].code, STATUS_UNSUPPORTED);
    assert_non_null(strstr(replies[0].problem, "image"));
    assert_int_equal(replies[1].code, STATUS_OK);
    assert_int_equal(replies[2].code, STATUS_UNSUPPORTED);
    assert_non_null(strstr(replies[2].problem, "tool"));
    assert_int_equal(replies[3].code, STATUS_INVALID);
    assert_non_null(strstr(replies[3].problem, "context holds 256"));
}

static slice text_of_prompt(subject *s, const message *messages, size_t count)
{
    subject_audit audit;
    error err = {0};
    if (s->class->audit(s, memory, messages, count, &audit, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    strbuf text = strbuf_new(memory, 1 << 14);
    for (size_t i = 0; i < audit.count; i++)
        strbuf_add_slice(&text, tokenizer_bytes(words, audit.ids[i]));
    return strbuf_slice(&text);
}

/* Blocks of all kinds reach a template that is not ours, and its identity is another. */
static void a_foreign_template_is_rendered(void **state)
{
    (void)state;
    static const char template[] =
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ '(' ~ m.reasoning_content ~ ')' if m.reasoning_content }}"
        "{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
        "{{ m.name }}{{ m.tool_call_id }};{% endfor %}{% if add_generation_prompt %}[assistant]{{ mood }}{% endif %}";
    const char *file = file_join(memory, model, "chat_template.jinja");
    assert_int_equal(file_write(file, slice_of(template), NULL), STATUS_OK);
    subject *s = open_subject(NULL);
    assert_non_null(strstr(s->identity, " template:"));
    block reasons[] = {{BLOCK_REASONING, "Look.", NULL, NULL}, {BLOCK_TEXT, "I look", NULL, NULL},
                       {BLOCK_TOOL_CALL, "{\"n\": 1}", "find", "c1"}};
    block result = {BLOCK_TOOL_RESULT, "Ada", "find", "c1"}, start = {BLOCK_PREFILL, "Ada<|end|>", NULL, NULL};
    message said[] = {message_text(memory, MESSAGE_USER, "Who?"), {MESSAGE_ASSISTANT, reasons, 3}, {MESSAGE_TOOL, &result, 1},
                      {MESSAGE_ASSISTANT, &start, 1}};
    assert_true(slice_is(text_of_prompt(s, said, 3),
                         "<|begin|>[user]Who?;[assistant](Look.)I lookfind{\"n\": 1};[tool]Adafindc1;[assistant]"));
    assert_true(slice_ends(text_of_prompt(s, said, 4), SLICE("[tool]Adafindc1;[assistant]Ada<|end|>")));
    subject_close(s);
    const char *arguments[] = {"mood=\"gay\""};
    subject_options options = {.threads = 1, .template_arguments = arguments, .template_argument_count = 1};
    error err = {0};
    assert_int_equal(subject_open(memory, model, &options, &s, &err), STATUS_OK);
    assert_non_null(strstr(s->identity, "mood=\"gay\""));
    assert_true(slice_ends(text_of_prompt(s, said, 1), SLICE("[assistant]gay")));
    subject_close(s);
    unlink(file);
}

static const char *prompt_with(subject *s, const message *messages, size_t count, const char *tools)
{
    token_list ids = {.arena = memory};
    strbuf text = strbuf_new(memory, 1 << 16);
    error err = {0};
    if (subject_local_prompt(s, memory, messages, count, tools, &ids, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        strbuf_add_slice(&text, tokenizer_bytes(words, ids.ids[i]));
    return text.text;
}

static void tools_are_shown_and_calls_are_read(void **state)
{
    (void)state;
    static const char tools[] = "[{\"name\": \"add\", \"description\": \"<|end|>\", \"parameters\": {\"type\": \"object\"}}]";
    static const char template[] = "{% if tools %}{{ tools | tojson }} <tool_call>{\"name\": 1, \"arguments\": 2}{% endif %}"
                                   "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>";
    const char *path = file_join(memory, test_folder(), "tools.jinja"), *text;
    message said = message_text(memory, MESSAGE_USER, "Two and three?");
    const block *blocks;
    size_t count;
    error err = {0};
    subject *s;
    assert_int_equal(file_write(path, slice_of(template), NULL), STATUS_OK);
    assert_int_equal(subject_open(memory, model, &(subject_options){.threads = 1, .template_name = path}, &s, &err), STATUS_OK);
    assert_true((s->abilities & SUBJECT_TOOLS) && !(local->abilities & SUBJECT_TOOLS));
    assert_string_equal(prompt_with(s, &said, 1, NULL), "<|user|>Two and three?<|assistant|>");
    assert_string_equal(prompt_with(s, &said, 1, tools),
                        "[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"description\": \"<|end|>\", \"parameters\": "
                        "{\"type\": \"object\"}}}] <tool_call>{\"name\": 1, \"arguments\": 2}<|user|>Two and three?<|assistant|>");
    /* A special token in somebody's description is letters. */
    token_list ids = {.arena = memory};
    assert_int_equal(subject_local_prompt(s, memory, &said, 1, tools, &ids, &err), STATUS_OK);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_not_equal(ids.ids[i], TOKEN_END);
    assert_int_equal(subject_local_calls(s, memory, tools, 1, SLICE("So. <tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 2}}</tool_call>"),
                                         &text, &blocks, &count, &err), STATUS_OK);
    assert_string_equal(text, "So.");
    assert_true(count == 1 && blocks[0].kind == BLOCK_TOOL_CALL && strlen(blocks[0].id) == TOOL_ID_CHARACTERS);
    assert_string_equal(blocks[0].name, "add");
    assert_string_equal(blocks[0].text, "{\"a\": 2}");
    generate_request r = ask(&said, 1);
    r.tools = tools;
    generate_reply with = reply_to(s, &r), refused = reply_to(local, &r);
    assert_int_equal(with.code, STATUS_OK);
    assert_int_equal(with.block_count, 0); /* random weights call nothing */
    assert_int_equal(refused.code, STATUS_UNSUPPORTED);
    assert_non_null(strstr(refused.problem, "takes no tools"));
    subject_close(s);
}

static void a_template_that_cannot_be_run_needs_the_plain_style(void **state)
{
    (void)state;
    const char *file = file_join(memory, model, "chat_template.jinja");
    assert_int_equal(file_write(file, SLICE("{% include 'x' %}"), NULL), STATUS_OK);
    subject *s;
    error err = {0};
    assert_int_equal(subject_open(memory, model, NULL, &s, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "chat template:1"));
    assert_non_null(strstr(err.hint, "plain"));
    s = open_subject("plain");
    assert_string_not_equal(s->identity, local->identity);
    message said = message_text(memory, MESSAGE_USER, "Who bakes?");
    generate_request r = ask(&said, 1);
    assert_int_equal(reply_to(s, &r).code, STATUS_OK);
    subject_close(s);
    unlink(file);
    s = open_subject("chat");
    assert_string_equal(s->identity, local->identity);
    subject_close(s);
}

static void an_interrupt_leaves_no_answer_half(void **state)
{
    (void)state;
    message said = message_text(memory, MESSAGE_USER, "Who bakes?");
    generate_request r = ask(&said, 1);
    subject *s = open_subject(NULL);
    s->class->interrupt(s);
    assert_int_equal(reply_to(s, &r).code, STATUS_INTERRUPTED);
    subject_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_are_those_of_the_template),
        cmocka_unit_test(the_address_alone_decides_the_draws),
        cmocka_unit_test(the_start_of_an_answer_can_be_given),
        cmocka_unit_test(scores_are_the_log_probabilities_of_answers),
        cmocka_unit_test(scores_tell_where_prompt_and_answer_join),
        cmocka_unit_test(what_the_model_cannot_read_is_refused_alone),
        cmocka_unit_test(a_foreign_template_is_rendered),
        cmocka_unit_test(tools_are_shown_and_calls_are_read),
        cmocka_unit_test(a_template_that_cannot_be_run_needs_the_plain_style),
        cmocka_unit_test(an_interrupt_leaves_no_answer_half),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
