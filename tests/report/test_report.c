/* Terminal tables, CSV, choice of transcripts, the document of several runs, and the page. */
#include "core/arena.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "report/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *read_json(const char *text)
{
    json_t *value = NULL;
    error err;
    if (jsonio_parse(slice_of(text), "test", &value, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return value;
}

static void tables_are_aligned_by_what_characters_take(void **state)
{
    (void)state;
    json_t *table = read_json("{\"title\": \"T\", \"columns\": [{\"key\": \"a\", \"label\": \"form\"}, {\"key\": \"b\", \"label\": "
                              "\"excess\", \"kind\": \"interval\"}, {\"key\": \"n\", \"kind\": \"count\"}], \"rows\": [{\"a\": "
                              "\"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\", \"b\": [0.25, 0.2, 0.301], \"n\": 400}, {\"a\": \"x\", \"b\": [null, null, "
                              "null]}, {\"a\": \"\u4e2d\", \"b\": [-0.011, -0.02, 0], \"n\": 3}]}");
    strbuf out = strbuf_new(NULL, 1 << 16);
    report_print_table(table, false, &out);
    assert_string_equal(out.text, "T\n"
                                  "  form                 excess    n\n"
                                  "  \u00e9\u00e9\u00e9\u00e9\u00e9\u00e9  25.0 % [20.0, 30.1]  400\n"
                                  "  x                         -    -\n"
                                  "  \u4e2d       -1.1 % [-2.0, 0.0]    3\n");
    strbuf_free(&out);
    json_decref(table);
}

static const char two_runs[] =
    "[{\"run\": 1, \"study\": \"none\", \"subject\": \"a,b\", \"seed\": 3, \"state\": \"done\", \"sample_count\": 2, \"plant\": "
    "{\"dose\": 0.5, \"forms\": [\"x\"]}, \"summary\": {\"forms\": {\"x\": {\"estimate\": 0.56, \"low\": 0.52, \"high\": 0.6, "
    "\"n\": 10, \"bounds\": [0.5, 0.7]}, \"y\": {\"estimate\": 0.01, \"low\": -0.01, \"high\": 0.03}}}, \"figures\": {}, "
    "\"samples\": [{\"index\": 0, \"record\": {\"group\": \"x\", \"verdict\": \"bad\", \"asked\": \"</script><!--\"}, "
    "\"transcript\": []}]},"
    "{\"run\": 2, \"study\": \"none\", \"subject\": \"c\", \"seed\": 3, \"state\": \"done\", \"sample_count\": 2, \"plant\": "
    "{\"dose\": 1}, \"summary\": {\"forms\": {\"x\": {\"estimate\": 0.98, \"low\": 0.9, \"high\": 1}, \"y\": {\"estimate\": "
    "null}}}, \"figures\": {\"findings\": [\"R&D <b>\"]}, \"samples\": []}]";

static void a_form_that_was_not_planted_has_dose_0(void **state)
{
    (void)state;
    json_t *runs = read_json(two_runs);
    assert_true(report_dose(json_array_get(runs, 0), "x") == 0.5);
    assert_true(report_dose(json_array_get(runs, 0), "y") == 0);
    assert_true(report_dose(json_array_get(runs, 1), "y") == 1);
    json_object_del(json_array_get(runs, 1), "plant");
    assert_true(isnan(report_dose(json_array_get(runs, 1), "y")));
    json_decref(runs);
}

static void findings_over_doses_are_counted_from_the_readings(void **state)
{
    (void)state;
    json_t *runs = read_json(two_runs), *document = NULL;
    error err;
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK);
    const json_t *findings = json_object_get(document, "findings");
    assert_int_equal(json_array_size(findings), 3);
    assert_string_equal(json_string_value(json_array_get(findings, 0)),
                        "2 subjects with known doses gave 3 readings; the 95 % interval covers the planted dose in 2 of them.");
    assert_string_equal(json_string_value(json_array_get(findings, 1)),
                        "The reading farthest from its dose is x on a,b: 56.0 % where 50.0 % was planted.");
    const json_t *chart = json_array_get(json_object_get(document, "charts"), 0);
    assert_string_equal(json_string_value(json_object_get(chart, "kind")), "dose");
    assert_int_equal(json_array_size(json_object_get(chart, "points")), 4);
    json_decref(document);
    json_object_set_new(json_array_get(runs, 1), "study", json_string("other"));
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK); /* several studies: a section each */
    assert_int_equal(json_array_size(json_object_get(document, "sections")), 2);
    json_decref(document);
    json_decref(runs);
}

static const char *title_of(const json_t *document)
{
    return json_string_value(json_object_get(document, "title"));
}

/* A study that asks nobody is named alone, and its runs say so. */
static void what_has_no_subject_names_none(void **state)
{
    (void)state;
    json_t *runs = read_json(two_runs), *document = NULL, *one;
    error err;
    for (size_t i = 0; i < 2; i++)
        json_object_set_new(json_array_get(runs, i), "subject", json_string("none"));
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK);
    assert_string_equal(title_of(document), "none: 2 runs"); /* the study's name */
    json_decref(document);
    one = json_pack("[O]", json_array_get(runs, 0));
    assert_int_equal(report_document(one, NULL, "today", &document, &err), STATUS_OK);
    assert_string_equal(title_of(document), "none");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(document, "runs"), 0), "subject")), "no subject");
    json_decref(document);
    json_decref(one);
    json_object_set_new(json_array_get(runs, 0), "study", json_string("other"));
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK);
    assert_string_equal(title_of(document), "Several studies");
    json_decref(document);
    json_object_set_new(json_array_get(runs, 1), "subject", json_string("somebody"));
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK);
    assert_string_equal(title_of(document), "Several studies: somebody");
    json_decref(document);
    json_decref(runs);
}

/* The page of a growth has the quantiles that the growth kept as sketches. */
static void a_growth_shows_its_quantiles(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    char folder[] = "/tmp/assay-growth-XXXXXX";
    error err = {0};
    json_t *document = NULL;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(file_write(file_join(a, folder, "metrics.jsonl"), slice_of("{\"stage\": 1, \"kind\": \"rl\", \"reward\": 2}\n"), &err), STATUS_OK);
    assert_int_equal(file_write(file_join(a, folder, "growth.json"),
                                slice_of("{\"quantiles\": [{\"stage\": 1, \"metric\": \"logprob\", \"count\": 40, \"p50\": -1.25}]}"), &err), STATUS_OK);
    if (report_growth(a, folder, "today", &document, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    const json_t *run = json_array_get(json_object_get(document, "runs"), 0), *tables = json_object_get(json_object_get(run, "figures"), "tables");
    const json_t *last = json_array_get(tables, json_array_size(tables) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "title")), "Quantiles over the steps");
    const json_t *row = json_array_get(json_object_get(last, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "metric")), "logprob");
    assert_true(json_number_value(json_object_get(row, "p50")) == -1.25);
    json_decref(document);
    assert_int_equal(remove(file_join(a, folder, "metrics.jsonl")), 0);
    assert_int_equal(remove(file_join(a, folder, "growth.json")), 0);
    assert_int_equal(remove(folder), 0);
    arena_free(a);
}

static void data_cannot_end_the_script_and_needs_no_network(void **state)
{
    (void)state;
    json_t *runs = read_json(two_runs), *document = NULL;
    error err;
    strbuf page = strbuf_new(NULL, 1 << 28);
    assert_int_equal(report_document(runs, NULL, "today", &document, &err), STATUS_OK);
    assert_int_equal(report_html_text(document, &page, &err), STATUS_OK);
    slice all = strbuf_slice(&page);
    size_t ends = 0;
    for (size_t at = slice_find_nocase(all, SLICE("</script"), 0); at != SIZE_MAX;
         at = slice_find_nocase(all, SLICE("</script"), at + 1))
        ends++;
    assert_int_equal(ends, 2);
    assert_int_equal(slice_find(all, SLICE("<!--"), 0), SIZE_MAX);
    assert_int_equal(slice_find(all, SLICE("<link"), 0), SIZE_MAX);
    assert_int_equal(slice_find(all, SLICE("<script src"), 0), SIZE_MAX);
    assert_true(slice_find(all, SLICE("R&amp;D &lt;b>"), 0) != SIZE_MAX);
    /* What the page's script will read is what was put in. */
    size_t start = slice_find(all, SLICE("id=\"assay-data\">"), 0) + sizeof "id=\"assay-data\">" - 1;
    size_t end = slice_find(all, SLICE("</script"), start);
    json_t *back = NULL;
    assert_int_equal(jsonio_parse(slice_sub(all, start, end), "page", &back, &err), STATUS_OK);
    assert_true(json_equal(back, document));
    json_decref(back);
    json_decref(document);
    json_decref(runs);
    strbuf_free(&page);
}

static void fields_with_commas_are_quoted(void **state)
{
    (void)state;
    json_t *runs = read_json(two_runs);
    strbuf out = strbuf_new(NULL, 1 << 16);
    error err;
    assert_int_equal(report_csv(runs, &out, &err), STATUS_OK);
    assert_non_null(strstr(out.text, "\r\n1,\"a,b\",none,3,0.5,x,,,,0.56000000000000005,0.52000000000000002,0.59999999999999998,10,"
                                     ",0.5,0.69999999999999996\r\n"));
    strbuf_clear(&out);
    assert_int_equal(report_csv_samples(runs, &out, &err), STATUS_OK);
    assert_string_equal(out.text, "run,subject,index,group,verdict,asked,answered,expected,scored,problem\r\n"
                                  "1,\"a,b\",0,x,bad,</script><!--,,,,\r\n");
    strbuf_free(&out);
    json_decref(runs);
}

static void every_kind_of_sample_is_shown(void **state)
{
    (void)state;
    json_t *samples = json_array();
    for (int i = 0; i < 100; i++)
        json_array_append_new(samples, json_pack("{s:i, s:{s:s, s:s}}", "index", i, "record", "group", i % 2 ? "a" : "b", "verdict",
                                                 i == 97 ? "bad" : "good"));
    json_t *chosen = report_choose_samples(samples, 9);
    assert_int_equal(json_array_size(chosen), 9);
    int bad = 0, last = -1;
    for (size_t i = 0; i < 9; i++) {
        const json_t *sample = json_array_get(chosen, i);
        int index = (int)json_integer_value(json_object_get(sample, "index"));
        assert_true(index > last);
        last = index;
        bad += index == 97;
    }
    assert_int_equal(bad, 1);
    json_decref(chosen);
    json_decref(samples);
}

static void repeated_messages_are_shown_once(void **state)
{
    (void)state;
    json_t *transcript = read_json(
        "[{\"role\": \"subject\", \"messages\": [{\"role\": \"user\", \"content\": \"Q\"}], \"answer\": \"A\"},"
        "{\"role\": \"subject\", \"messages\": [{\"role\": \"user\", \"content\": \"Q\"}, {\"role\": \"assistant\", \"content\": "
        "\"A\"}, {\"role\": \"user\", \"content\": \"Sure?\"}], \"answer\": \"B\"},"
        "{\"role\": \"judge\", \"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"J\"}]}], "
        "\"answer\": \"C\"}]");
    json_t *turns = report_turns(transcript);
    static const char *const expected[] = {"Q", "A", "Sure?", "B", "J", "C"};
    assert_int_equal(json_array_size(turns), COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(turns, i), "text")), expected[i]);
    assert_string_equal(json_string_value(json_object_get(json_array_get(turns, 4), "to")), "judge");
    assert_true(json_is_true(json_object_get(json_array_get(turns, 4), "anew")));
    assert_null(json_object_get(json_array_get(turns, 2), "anew"));
    json_decref(turns);
    json_decref(transcript);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_aligned_by_what_characters_take),
        cmocka_unit_test(a_form_that_was_not_planted_has_dose_0),
        cmocka_unit_test(findings_over_doses_are_counted_from_the_readings),
        cmocka_unit_test(what_has_no_subject_names_none),
        cmocka_unit_test(a_growth_shows_its_quantiles),
        cmocka_unit_test(data_cannot_end_the_script_and_needs_no_network),
        cmocka_unit_test(fields_with_commas_are_quoted),
        cmocka_unit_test(every_kind_of_sample_is_shown),
        cmocka_unit_test(repeated_messages_are_shown_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
