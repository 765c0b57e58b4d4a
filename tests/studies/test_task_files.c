/* Bad files: what is wrong, where, and what to do. */
#include "studies/bench.h"
#include "studies/task_bench.h"

#include "studies/task/library.h"

#include <zlib.h>

#define GOOD "task: t\ndata: {path: d.jsonl}\nprompt: '{{ q }}'\nchoices: [' x', ' y']\nanswer: a\nmetric: classification_acc\n"
#define ROW "{\"q\": \"what?\", \"a\": \"x\"}\n"

/* Prepares and expects a refusal whose message and hint hold these words. */
static void refused(const place *p, const char *words, const char *hint)
{
    bench b = bench_open(&task_study, (const char *[]){"name", p->yaml, NULL}, 1);
    status result = task_study.prepare(&b.run, &b.err);
    if (result == STATUS_OK)
        fail_msg("expected a refusal with '%s'", words);
    if (!strstr(b.err.message, words))
        fail_msg("expected '%s' in '%s'", words, b.err.message);
    if (hint && !strstr(b.err.hint, hint))
        fail_msg("expected '%s' in the hint '%s'", hint, b.err.hint);
    bench_close(&b);
}

static void test_bad_tasks(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message, *hint;
    } cases[] = {
        {"task: t\ntsak: u\n", "t.yaml:2:7: unknown key 'tsak'", "did you mean 'task'"},
        {GOOD "promt: x\n", "unknown key 'promt'", "did you mean 'prompt'"},
        {"task: t\n", "t.yaml:1:1: the key 'data' is missing", NULL},
        {"data: {path: d.jsonl}\n", "the key 'task' (its name) is missing", NULL},
        {"- a\n- b\n", "expected keys and values, found a list", NULL},
        {"task: t\ndata: d.jsonl\n", "t.yaml:2:7: expected keys and values", NULL},
        {"task: t\ndata: {path: d.jsonl}\nmetric: exact\n", "expected 'prompt'", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\n", "the key 'metric' is missing", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nmetric: clasification_acc\n", "t.yaml:4:9: there is no metric 'clasification_acc'",
         "did you mean 'classification_acc'"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nmetric: nonsense\n", "there is no metric 'nonsense'", "the metrics are classification_acc"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nmetric: exact\n", "the metric 'exact' needs 'answer'", "docs/tasks.md"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nmetric: classification_acc\n", "needs 'choices'", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nchoices: [one]\nmetric: classification_acc\n",
         "t.yaml:5:11: expected at least two choices, found 1", "sequence_prob"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nchoices: [one, one]\nmetric: classification_acc\n",
         "the choice 'one' stands twice", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nchoices: one\nmetric: classification_acc\n", "expected a list of choices", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nother_prompt: y\nanswer: a\nchoices: [a, b, c]\nmetric: logodds\n",
         "compares two choices, found 3", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nmetric: exact\ninvert: 3\n", "invert", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nmetric: sequence_prob\ninvert: true\n", "cannot be inverted", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nmetric: pattern\npattern: '(['\n", "not a regular expression", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: '{{ q'\nanswer: a\nmetric: exact\n", "t.yaml:3", "template"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: '{{ qu }}'\nanswer: a\nmetric: exact\n", "t.yaml:3:10: there is no column 'qu' in", "did you mean 'q'"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: b\nmetric: exact\n", "there is no column 'b'", "the columns are q, a"},
        {"task: t\ndata: {path: d.jsonl, where: {z: 1}}\nprompt: x\nanswer: a\nmetric: exact\n", "there is no column 'z'", "columns are q, a"},
        {"task: t\ndata: {path: d.jsonl, where: {a: other}}\nprompt: x\nanswer: a\nmetric: exact\n", "no row of its data fits 'where'", NULL},
        {"task: t\ndata: {path: d.jsonl, set: gsm8k}\nprompt: x\nanswer: a\nmetric: exact\n", "expected the data as a 'set'", "gsm8k"},
        {"task: t\ndata: {set: gsm9k, files: x}\nprompt: x\nanswer: a\nmetric: exact\n", "there is no data set 'gsm9k'", "gsm8k"},
        {"task: t\ndata: {path: none.jsonl}\nprompt: x\nanswer: a\nmetric: exact\n", "none.jsonl: no such file", NULL},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nanswer: a\nmetric: exact\nshots: {count: 1}\n", "expected at least 2 items to draw 1", "--shots"},
        {"task: t\ndata: {path: d.jsonl}\nprompt: x\nmetric: graded\nrubric: y\ngrades: {A: 2, B: 0}\n", "grades", NULL},
        {"%TAG ! x\n---\n", "directives", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        place p = place_new(cases[i].yaml, "d.jsonl", ROW);
        if (strstr(cases[i].message, "grades"))
            refused(&p, "t.yaml:6", NULL);
        else if (strstr(cases[i].message, "invert"))
            refused(&p, "t.yaml", NULL);
        else
            refused(&p, cases[i].message, cases[i].hint);
        place_free(&p);
    }
}

static void test_bad_data(void **state)
{
    (void)state;
    static const struct {
        const char *data, *message, *hint;
    } cases[] = {
        {"", "d.jsonl: expected rows, found none", NULL},
        {"\n\n", "expected rows, found none", NULL},
        {ROW "{\"q\": \"what?\", \n", "d.jsonl:2:", "one object a line"},
        {ROW "[1, 2]\n", "d.jsonl:2: expected an object with columns, found a list", NULL},
        {ROW "{\"q\": \"what?\"}\n", "d.jsonl:2", "columns"},
        {ROW "{\"q\": \"what?\", \"a\": null}\n", "d.jsonl:2: expected a text or a number at 'a', found null", NULL},
        {ROW "{\"q\": \"what?\", \"a\": [\"x\"]}\n", "d.jsonl:2: expected a text or a number at 'a', found a list", NULL},
        {ROW "{\"q\": \"what?\", \"a\": \"z\"}\n", "d.jsonl:2: expected the answer to name one of the 2 choices, found 'z'", NULL},
        {ROW "{\"q\": 1, \"q\": 2, \"a\": \"x\"}\n", "d.jsonl:2:", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        place p = place_new(GOOD, "d.jsonl", cases[i].data);
        refused(&p, cases[i].message, cases[i].hint);
        place_free(&p);
    }
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    place p = place_new(GOOD, "d.jsonl", NULL);
    static const char nul[] = ROW "{\"q\": \"wh\0t?\", \"a\": \"x\"}\n", latin[] = ROW "{\"q\": \"caf\xe9\", \"a\": \"x\"}\n";
    write_text(p.data, nul, sizeof nul - 1);
    refused(&p, "d.jsonl:2:", NULL);
    write_text(p.data, latin, sizeof latin - 1);
    refused(&p, "d.jsonl:2:", NULL);
    place_free(&p);
}

static void test_tables_that_are_cut(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: '{{ q }}'\nanswer: a\nmetric: exact\n", "d.csv", "q,a\nwhat?,x\nwhy?\n");
    refused(&p, "d.csv:3: expected 2 fields, as many as columns, found 1", "quotes");
    static const char open[] = "q,a\n\"what?,x\n";
    write_text(p.data, open, sizeof open - 1);
    refused(&p, "d.csv:2: a quote is opened here and never closed", NULL);
    static const char twice[] = "q,q\na,b\n";
    write_text(p.data, twice, sizeof twice - 1);
    refused(&p, "d.csv:2: a row cannot be read: two columns have one name", NULL);
    place_free(&p);
}

static void write_gz(const char *path, const char *text, size_t cut)
{
    gzFile f = gzopen(path, "wb");
    gzwrite(f, text, (unsigned)strlen(text));
    gzclose(f);
    if (cut) {
        arena *a = arena_new(NULL);
        slice all;
        assert_int_equal(file_read(a, path, 1 << 20, &all, NULL), STATUS_OK);
        write_text(path, all.text, all.length - cut);
        arena_free(a);
    }
}

static size_t items_of(const place *p)
{
    bench b = bench_open(&task_study, (const char *[]){"name", p->yaml, NULL}, 1);
    if (task_study.prepare(&b.run, &b.err) != STATUS_OK)
        fail_msg("%s", b.err.message);
    size_t n = b.run.sample_count;
    bench_close(&b);
    return n;
}

static void test_gzip(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.jsonl.gz}\nprompt: '{{ q }}'\nchoices: [' x', ' y']\nanswer: a\nmetric: classification_acc\n",
                        "d.jsonl.gz", NULL);
    write_gz(p.data, ROW ROW ROW, 0);
    assert_int_equal(items_of(&p), 3);
    write_gz(p.data, ROW ROW ROW, 12);
    refused(&p, "d.jsonl.gz: ", NULL);
    place_free(&p);
}

/* A BOM is skipped, Windows' line ends are, a line of ten million bytes is a line, and "\u0000" is asked as U+FFFD. */
static void test_what_is_taken(void **state)
{
    (void)state;
    place p = place_new(GOOD, "d.jsonl", "\xEF\xBB\xBF" ROW "\r\n{\"q\": \"wh\\u0000t \\\\\\\\u0000?\", \"a\": \" y \"}\r\n");
    assert_int_equal(items_of(&p), 2);
    strbuf large = strbuf_new(NULL, 1 << 25);
    strbuf_add(&large, "{\"a\": \"x\", \"q\": \"");
    for (int i = 0; i < 1000000; i++)
        strbuf_add(&large, "0123456789");
    strbuf_add(&large, "\"}\n");
    write_text(p.data, large.text, large.length);
    assert_int_equal(items_of(&p), 1);
    strbuf_free(&large);
    place_free(&p);
}

/* Every file inside the program is read, names no key that is not known, and has data that the list of sets knows. */
static void test_tasks_of_the_program(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err = {0};
    task_library all;
    unsetenv("ASSAY_DATA");
    unsetenv("ASSAY_TASKS");
    setenv("ASSAY_CACHE", "/nonexistent", 1);
    if (task_library_read(a, NULL, NULL, &all, &err) != STATUS_OK)
        fail_msg("%s: %s", err.message, err.hint);
    assert_true(all.count > 250);
    for (size_t i = 0; i < all.count; i++) {
        assert_null(all.tasks[i].files);
        assert_non_null(strstr(all.tasks[i].missing, "assay pull data:"));
        assert_null(strchr(all.tasks[i].name, '{'));
        assert_true(i == 0 || strcmp(all.tasks[i - 1].name, all.tasks[i].name) < 0);
        assert_non_null(all.tasks[i].spec->paper);
    }
    if (task_library_find(a, "mwe/persona/*,gsm8k", NULL, NULL, &all, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(all.count > 100);
    assert_int_equal(task_library_find(a, "gsm8l", NULL, NULL, &all, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.hint, "task:gsm8k"));
    arena_free(a);
}

/* The page names every metric, and its example runs. */
static void test_the_page(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    slice page;
    assert_int_equal(file_read(a, ASSAY_SOURCE_DIR "/docs/tasks.md", 1 << 20, &page, NULL), STATUS_OK);
    for (size_t i = 0; i < task_metric_count; i++) {
        const char *row = arena_printf(a, "\n| `%s` |", task_metrics[i].name);
        if (slice_find(page, slice_of(row), 0) == SIZE_MAX)
            fail_msg("docs/tasks.md has no row of the metric %s", task_metrics[i].name);
    }
    static const char *const files[] = {"pets.csv", "pets.yaml"};
    slice parts[2];
    for (size_t i = 0; i < 2; i++) {
        slice mark = slice_of(arena_printf(a, "file=%s\n", files[i]));
        size_t at = slice_find(page, mark, 0), end = slice_find(page, SLICE("\n```"), at);
        assert_true(at != SIZE_MAX && end != SIZE_MAX);
        parts[i] = slice_sub(page, at + mark.length, end + 1);
    }
    place p = place_new(slice_copy(a, parts[1]), "pets.csv", slice_copy(a, parts[0]));
    assert_int_equal(items_of(&p), 4);
    place_free(&p);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_tasks), cmocka_unit_test(test_bad_data), cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_tables_that_are_cut), cmocka_unit_test(test_gzip), cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_tasks_of_the_program), cmocka_unit_test(test_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
