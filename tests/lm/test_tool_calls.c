/* Calls of tools: the form that a template teaches, and what is a call in a model's text. */
#include "lm/model_fixture.h"

#include "core/jsonio.h"
#include "lm/tool_calls.h"

#include <ctype.h>

static arena *memory;
static tokenizer *words;
static json_t *offered;

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    words = fixture_tokenizer(memory);
    return jsonio_parse(SLICE("[{\"name\": \"add\", \"parameters\": {\"type\": \"object\"}}, {\"name\": \"look-up\"}]"), "tools", &offered,
                        NULL) == STATUS_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(offered);
    arena_free(memory);
    return 0;
}

static tool_form form_of(const char *template)
{
    chat_text text = {"default", template};
    chat_files files = {.templates = &text, .template_count = 1};
    chat_format *f;
    error err = {0};
    if (chat_format_open(memory, "model", &files, words, NULL, &f, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return tool_form_of(f);
}

static void a_template_says_how_calls_are_written(void **state)
{
    (void)state;
    assert_int_equal(form_of("{{ tools | tojson }}<tool_call>\n{\"name\": 1, \"arguments\": 2}\n</tool_call>"), TOOL_FORM_TAGGED);
    assert_int_equal(form_of("{% if tools %}{{ '[AVAILABLE_TOOLS]' }}{% endif %}{{ '[TOOL_CALLS]' }}"), TOOL_FORM_LISTED);
    assert_int_equal(form_of("{% if tools %}{{ '{\"name\": \"' + x + '\", ' }}{{ '\"parameters\": ' }}{% endif %}"), TOOL_FORM_BARE);
    assert_int_equal(form_of("{{ tools }}<tool_call>\n<function=f>arguments"), TOOL_FORM_NONE);
    assert_int_equal(form_of("{{ tools }}<tool_call>f\n<arg_key>arguments"), TOOL_FORM_NONE);
    assert_int_equal(form_of("{{ tools }}{{ '{\"tool_name\": ' }}{{ '{\"name\": ' }}{{ '\"parameters\": ' }}"), TOOL_FORM_NONE);
    assert_int_equal(form_of("{{ tools }}<tool_call></tool_call> arguments <tool_calls>["), TOOL_FORM_NONE);
    assert_int_equal(form_of("<tool_call>{\"arguments\"}"), TOOL_FORM_NONE); /* shows no tools */
    assert_int_equal(form_of(chat_template), TOOL_FORM_NONE);
    assert_int_equal(tool_form_of(NULL), TOOL_FORM_NONE);
}

/* As "TEXT | name {arguments} | ..." */
static const char *said(tool_form form, const char *text)
{
    tool_reading r;
    strbuf out = strbuf_new(memory, 1 << 20);
    error err = {0};
    if (tool_calls_read(memory, form, offered, slice_of(text), 7, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    strbuf_add_slice(&out, r.text);
    for (size_t i = 0; i < r.count; i++) {
        assert_int_equal(r.calls[i].id.length, TOOL_ID_CHARACTERS);
        for (size_t k = 0; k < r.calls[i].id.length; k++)
            assert_true(isalnum((unsigned char)r.calls[i].id.text[k]));
        strbuf_printf(&out, " | " SLICE_FORMAT " " SLICE_FORMAT, SLICE_ARGS(r.calls[i].name), SLICE_ARGS(r.calls[i].arguments));
    }
    return out.text ? out.text : "";
}

typedef struct saying {
    const char *text, *said; /* NULL: the text itself, whole */
} saying;

static void check(tool_form form, const saying *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(said(form, rows[i].text), rows[i].said ? rows[i].said : rows[i].text);
}

static void tagged_calls(void **state)
{
    (void)state;
    static const saying rows[] = {
        {"No tool is needed.", NULL},
        {"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": \"}\"}}\n</tool_call>", " | add {\"a\": 1, \"b\": \"}\"}"},
        {"Let me see.\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"add\", \"arguments\": {\"x\": "
         "[{}]}}</tool_call>", "Let me see. | add {} | add {\"x\": [{}]}"},
        {"<tool_call>{\"name\": \"unheard\", \"arguments\": {}}", " | unheard {}"},       /* cut off behind the call */
        {"<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\": {}}}</tool_call>", " | add {}"},
        {"<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1</tool_call>", NULL},
        {"<tool_call>{\"name\": \"add\", \"arguments\": \"a\"}</tool_call>", NULL},
        {"<tool_call>{\"arguments\": {}}</tool_call>", NULL},
        {"<tool_call>add(1, 2)</tool_call>", NULL},
        {"a <tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call> b <tool_call>", NULL}, /* all or nothing */
        {"<tool_call>{\"name\": \"add\", \"arguments\": {}} and so on", NULL},
        {"{\"name\": \"add\", \"arguments\": {}}", NULL},                                       /* a quotation, perhaps */
    };
    check(TOOL_FORM_TAGGED, rows, COUNT_OF(rows));
}

static void bare_calls(void **state)
{
    (void)state;
    static const saying rows[] = {
        {"{\"name\": \"add\", \"parameters\": {\"a\": 1}}", " | add {\"a\": 1}"},
        {" {\"name\": \"add\", \"parameters\": {}}; {\"name\": \"look-up\", \"parameters\": {\"q\": \"x\"}}\n", " | add {} | look-up {\"q\": \"x\"}"},
        {"<|python_tag|>{\"name\": \"unheard\", \"parameters\": {}}", " | unheard {}"},
        {"{\"name\": \"unheard\", \"parameters\": {}}", NULL}, /* JSON that was asked for, perhaps */
        {"{\"name\": \"add\", \"parameters\": {}} is what I would call.", NULL},
        {"I call {\"name\": \"add\", \"parameters\": {}}", NULL},
        {"{\"name\": \"add\"}", NULL},
        {"[]", NULL},
        {"", NULL},
    };
    check(TOOL_FORM_BARE, rows, COUNT_OF(rows));
}

static void listed_calls(void **state)
{
    (void)state;
    static const saying rows[] = {
        {"[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"a\": 1}}, {\"name\": \"unheard\", \"arguments\": {}}]", " | add {\"a\": 1} | unheard {}"},
        {"[{\"name\": \"add\", \"arguments\": {\"a\": 1}}]", " | add {\"a\": 1}"}, /* the mark is special, and left out */
        {"[{\"name\": \"unheard\", \"arguments\": {}}]", NULL},
        {"Well. [TOOL_CALLS]add{\"a\": 1}[TOOL_CALLS]look-up[ARGS]{}", "Well. | add {\"a\": 1} | look-up {}"},
        {"add{\"a\": 1}", " | add {\"a\": 1}"},
        {"[TOOL_CALLS]add[CALL_ID]abcdefghi[ARGS]{\"a\": 1}", " | add {\"a\": 1}"},
        {"multiply{\"a\": 1}", NULL},
        {"set {a}", NULL},
        {"[TOOL_CALLS]", NULL},
        {"[TOOL_CALLS][{\"name\": \"add\"", NULL},
    };
    check(TOOL_FORM_LISTED, rows, COUNT_OF(rows));
    assert_string_equal(said(TOOL_FORM_NONE, "<tool_call>{\"name\": \"add\", \"arguments\": {}}"), "<tool_call>{\"name\": \"add\", \"arguments\": {}}");
}

static void ids_differ_and_come_again(void **state)
{
    (void)state;
    slice text = SLICE("<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call><tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>");
    tool_reading a, b, c;
    assert_int_equal(tool_calls_read(memory, TOOL_FORM_TAGGED, offered, text, 1, &a, NULL), STATUS_OK);
    assert_int_equal(tool_calls_read(memory, TOOL_FORM_TAGGED, offered, text, 1, &b, NULL), STATUS_OK);
    assert_int_equal(tool_calls_read(memory, TOOL_FORM_TAGGED, offered, text, 3, &c, NULL), STATUS_OK);
    assert_true(a.count == 2 && !slice_equal(a.calls[0].id, a.calls[1].id) && slice_equal(a.calls[0].id, b.calls[0].id));
    assert_false(slice_equal(a.calls[0].id, c.calls[0].id));
}

/* More calls than are taken, and brackets without end: text, soon. */
static void what_is_too_much_stays_text(void **state)
{
    (void)state;
    strbuf many = strbuf_new(memory, 1 << 24), deep = strbuf_new(memory, 1 << 24);
    for (int i = 0; i <= TOOL_CALLS_MOST; i++)
        strbuf_add(&many, "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>");
    assert_string_equal(said(TOOL_FORM_TAGGED, many.text), many.text);
    strbuf_add(&deep, "<tool_call>{\"name\": \"add\", \"arguments\": ");
    for (int i = 0; i < 100000; i++)
        strbuf_add(&deep, "{\"a\":");
    assert_string_equal(said(TOOL_FORM_TAGGED, deep.text), deep.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_says_how_calls_are_written), cmocka_unit_test(tagged_calls), cmocka_unit_test(bare_calls),
        cmocka_unit_test(listed_calls), cmocka_unit_test(ids_differ_and_come_again), cmocka_unit_test(what_is_too_much_stays_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
