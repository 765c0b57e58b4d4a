/* The Jinja interpreter against what jinja2 gives for the same templates, as `transformers` sets it up: the fixtures
 * beside this file, whose expected texts bench/peers/templates.py writes. Then what jinja2 has not: whose words the
 * bytes are, limits, and allocation failures. */
#include "memory.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "jinja/jinja.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Saturday, 7 March 2026, 14:05:09: the time of the fixtures. */
static struct tm fixture_time(void)
{
    struct tm now = {.tm_year = 126, .tm_mon = 2, .tm_mday = 7, .tm_hour = 14, .tm_min = 5, .tm_sec = 9};
    timegm(&now);
    return now;
}

static status render_with(arena *a, slice template, const json_t *variables, const jinja_settings *settings,
                          jinja_output *out, error *err)
{
    const char *key;
    json_t *value;
    jinja_template *t;
    *out = (jinja_output){0};
    TRY(jinja_parse(a, template, "fixture", &t, err));
    jinja_dict *given = jinja_dict_new(a);
    static const char *const always[] = {"messages", "tools", "documents", "add_generation_prompt"};
    for (size_t i = 0; i < COUNT_OF(always); i++)
        jinja_dict_put(given, always[i], jinja_none());
    json_object_foreach((json_t *)variables, key, value)
        jinja_dict_put(given, key, jinja_from_json(a, value, JINJA_DATA));
    return jinja_render(t, a, given, settings, out, err);
}

static size_t points(slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.length; i++)
        n += ((unsigned char)s.text[i] & 0xc0) != 0x80;
    return n;
}

static void check_spans(const char *name, size_t number, const json_t *expected, const jinja_output *out)
{
    if (out->generation_count != json_array_size(expected))
        fail_msg("%s %zu: %zu generated spans, expected %zu", name, number, out->generation_count, json_array_size(expected));
    for (size_t i = 0; i < out->generation_count; i++) {
        const json_t *span = json_array_get(expected, i);
        assert_int_equal(points(slice_sub(out->text, 0, out->generation[i].start)), json_integer_value(json_array_get(span, 0)));
        assert_int_equal(points(slice_sub(out->text, 0, out->generation[i].end)), json_integer_value(json_array_get(span, 1)));
    }
}

static void check_case(const char *name, size_t number, slice template, const json_t *wanted)
{
    struct tm now = fixture_time();
    jinja_settings settings = {.now = &now};
    jinja_output out;
    error err = {0};
    status result = render_with(memory, template, json_object_get(wanted, "variables"), &settings, &out, &err);
    const json_t *text = json_object_get(wanted, "text");
    if (!text) {
        if (result == STATUS_OK)
            fail_msg("%s %zu: jinja2 raises %s; here it gives \"%s\"", name, number,
                     json_string_value(json_object_get(wanted, "error")), out.text.text);
        assert_true(result == STATUS_INVALID || result == STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, "fixture:"));
        return;
    }
    if (result != STATUS_OK)
        fail_msg("%s %zu: %s", name, number, err.message);
    if (out.text.length != json_string_length(text) || memcmp(out.text.text, json_string_value(text), out.text.length) != 0)
        fail_msg("%s %zu: expected\n%s\nfound\n%.*s", name, number, json_string_value(text), SLICE_ARGS(out.text));
    check_spans(name, number, json_object_get(wanted, "generation"), &out);
}

static void small_templates_render_as_in_jinja2(void **state)
{
    (void)state;
    slice text, line;
    size_t number = 0;
    assert_int_equal(file_read(memory, ASSAY_SOURCE_DIR "/tests/jinja/cases.jsonl", 1 << 24, &text, NULL), STATUS_OK);
    while (slice_cut(&text, '\n', &line)) {
        json_t *value;
        if (!line.length)
            continue;
        assert_int_equal(jsonio_parse(line, "cases", &value, NULL), STATUS_OK);
        const json_t *template = json_object_get(value, "template");
        check_case("cases.jsonl", ++number, (slice){json_string_value(template), json_string_length(template)}, value);
        json_decref(value);
    }
    assert_true(number > 250);
}

static void whole_templates_render_as_in_jinja2(void **state)
{
    (void)state;
    static const char *const names[] = {"tools", "thinking"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        slice text;
        json_t *cases;
        const char *folder = ASSAY_SOURCE_DIR "/tests/jinja";
        assert_int_equal(file_read(memory, arena_printf(memory, "%s/%s.jinja", folder, names[i]), 1 << 20, &text, NULL), STATUS_OK);
        assert_int_equal(jsonio_read(arena_printf(memory, "%s/%s.json", folder, names[i]), 1 << 24, &cases, NULL), STATUS_OK);
        assert_true(json_array_size(cases) >= 10);
        for (size_t k = 0; k < json_array_size(cases); k++)
            check_case(names[i], k + 1, text, json_array_get(cases, k));
        json_decref(cases);
    }
}

/* The template's own bytes and a user's bytes, through all that a template does with them. */
static void bytes_know_whose_words_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *template, *text, *marks; /* 1: data */
    } cases[] = {
        {"<u>{{ x }}</u>", "<u> ab </u>", "00011110000"},
        {"{{ '<' + x.strip() + '>' }}", "<ab>", "0110"},
        {"{{ x|trim|upper ~ '!' }}", "AB!", "110"},
        {"{{ x[1:2] }}{{ x[::-1] }}-", "a ba -", "111110"},
        {"{{ x.split('b')[0] }}|{{ x|replace('a', 'zz') }}", " a| zzb ", "11010011"},
        {"{{ [x, 'y']|join(',') }}", " ab ,y", "111100"},
        {"{{ x|tojson }}", "\" ab \"", "011110"},
        {"{{ {'k': x}|tojson }}", "{\"k\": \" ab \"}", "0000000111100"},
        {"{% set y %}({{ x }}){% endset %}{{ y }}", "( ab )", "011110"},
        {"{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(x) }}", "< ab >", "011110"},
        {"{{ '%s.' % x }}{{ '{}!'.format(x) }}", " ab . ab !", "1111011110"},
        {"{{ [x] }}", "[' ab ']", "00111100"},
        {"{% for c in x.strip() %}{{ c }}-{% endfor %}", "a-b-", "1010"},
        {"{{ x|length }}{{ x == 'q' }}", "4False", "000000"},
        {"{{ d.k }}{{ d|list|first }}", "v<k>", "1111"},
        {"{{ x|indent(1, true) }}", "  ab ", "01111"},
        {"{{ 'q' * 2 ~ x * 2 }}", "qq ab  ab ", "0011111111"},
    };
    json_t *variables = json_pack("{s:s, s:{s:s}}", "x", " ab ", "d", "<k>", "v");
    json_object_set_new(json_object_get(variables, "d"), "k", json_string("v"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        jinja_output out;
        error err = {0};
        if (render_with(memory, slice_of(cases[i].template), variables, NULL, &out, &err) != STATUS_OK)
            fail_msg("%s: %s", cases[i].template, err.message);
        assert_string_equal(arena_strndup(memory, out.text.text, out.text.length), cases[i].text);
        for (size_t k = 0; k < out.text.length; k++)
            if ((out.data && out.data[k]) != (cases[i].marks[k] == '1'))
                fail_msg("%s: byte %zu of \"%s\" is marked wrongly", cases[i].template, k, cases[i].text);
    }
    json_decref(variables);
}

static void errors_name_line_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *template, *words;
    } cases[] = {
        {"a\nb\n{{ x.y }}", "fixture:3: 'x' is undefined"},
        {"{% if 1 %}\n{{ {}.a.b }}{% endif %}", "fixture:2: a dict has no attribute 'a'"},
        {"\n\n{% for x in 5 %}{% endfor %}", "fixture:3: a int cannot be gone through"},
        {"\n{{ raise_exception('only users') }}", "fixture:2: the template raises: only users"},
        {"{{ 1 + }}", "fixture:1: expected an expression, found the end of the tag"},
        {"\n{% if x %}\n", "fixture:2: unexpected end of the template; expected {% endif %}"},
        {"{% include 'x' %}", "include"},
        {"{{ 'a'|urlize }}", "urlize"},
        {"{{ 9999999999999999999 }}", "64 bits"},
        {"{{ strftime_now('%Y') }}", "asks for the date"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        jinja_output out;
        error err = {0};
        assert_int_not_equal(render_with(memory, slice_of(cases[i].template), NULL, NULL, &out, &err), STATUS_OK);
        if (!strstr(err.message, cases[i].words))
            fail_msg("expected \"%s\" in \"%s\"", cases[i].words, err.message);
    }
}

/* Templates that would run, grow or nest without end fail soon. */
static void hostile_templates_end(void **state)
{
    (void)state;
    static const char *const templates[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ 'a' * 99999999999 }}",
        "{{ [0] * 99999999999 }}",
        "{{ 'a'|center(9999999999) }}",
        "{{ '%99999d' % 1 * 99999 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
        "{% set ns = namespace(l=[], m=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{{ 2 ** 99999 }}",
    };
    jinja_settings settings = {.steps = 3000000, .memory = 1 << 26, .output = 1 << 20};
    for (size_t i = 0; i < COUNT_OF(templates); i++) {
        arena *a = arena_new(NULL);
        jinja_output out;
        error err = {0};
        status result = render_with(a, slice_of(templates[i]), NULL, &settings, &out, &err);
        if (result != STATUS_INVALID && result != STATUS_UNSUPPORTED)
            fail_msg("%s: %s", templates[i], result == STATUS_OK ? "rendered" : err.message);
        arena_free(a);
    }
    strbuf deep = strbuf_new(memory, 1 << 24);
    for (int i = 0; i < 100000; i++)
        strbuf_add(&deep, "{{ (");
    error err = {0};
    jinja_output out;
    assert_int_equal(render_with(memory, strbuf_slice(&deep), NULL, NULL, &out, &err), STATUS_INVALID);
}

static void a_template_says_what_it_reads_and_writes(void **state)
{
    (void)state;
    jinja_template *t;
    assert_int_equal(jinja_parse(memory, SLICE("<a>{{ '<think>' ~ enable_thinking }}{# <c> #}"), "t", &t, NULL), STATUS_OK);
    assert_true(jinja_names(t, "enable_thinking") && !jinja_names(t, "tools"));
    assert_true(jinja_writes(t, SLICE("<a>")) && jinja_writes(t, SLICE("<think>")) && !jinja_writes(t, SLICE("<c>")));
}

static void no_allocation_failure_crashes(void **state)
{
    (void)state;
    slice text;
    json_t *cases;
    assert_int_equal(file_read(memory, ASSAY_SOURCE_DIR "/tests/jinja/tools.jinja", 1 << 20, &text, NULL), STATUS_OK);
    assert_int_equal(jsonio_read(ASSAY_SOURCE_DIR "/tests/jinja/tools.json", 1 << 24, &cases, NULL), STATUS_OK);
    const json_t *variables = json_object_get(json_array_get(cases, 3), "variables");
    bool finished = false;
    for (unsigned long n = 1; n < 100000 && !finished; n += n < 40 ? 1 : 1 + n / 7) {
        arena *a = arena_new(NULL);
        jinja_output out;
        error err = {0};
        memory_fail_at(n);
        status result = render_with(a, text, variables, NULL, &out, &err);
        memory_fail_at(0);
        assert_true(result == STATUS_OK || result == STATUS_MEMORY);
        finished = result == STATUS_OK;
        arena_free(a);
    }
    assert_true(finished);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_templates_render_as_in_jinja2),
        cmocka_unit_test(whole_templates_render_as_in_jinja2),
        cmocka_unit_test(bytes_know_whose_words_they_are),
        cmocka_unit_test(errors_name_line_and_reason),
        cmocka_unit_test(hostile_templates_end),
        cmocka_unit_test(a_template_says_what_it_reads_and_writes),
        cmocka_unit_test(no_allocation_failure_crashes),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
