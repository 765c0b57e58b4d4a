/* CSV as RFC 4180 has it, and what is refused. */
#include "core/csv.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* All records as one text: fields with | between them, records with / behind. */
static const char *read_all(arena *a, slice text, char separator, error *err)
{
    csv_reader r = csv_open(text, separator, "t.csv");
    csv_record record;
    bool more = true;
    strbuf out = strbuf_new(a, 1 << 26);
    strbuf_add(&out, "");
    while (csv_next(&r, a, &record, &more, err) == STATUS_OK && more) {
        for (size_t i = 0; i < record.count; i++) {
            strbuf_add(&out, i ? "|" : "");
            strbuf_add_slice(&out, record.fields[i]);
        }
        strbuf_add_char(&out, '/');
    }
    return err->code == STATUS_OK ? out.text : NULL;
}

static void reads(const char *text, char separator, const char *expected)
{
    arena *a = arena_new(NULL);
    error err = {0};
    const char *found = read_all(a, slice_of(text), separator, &err);
    if (!found)
        fail_msg("%s", err.message);
    assert_string_equal(found, expected);
    arena_free(a);
}

static void refused(slice text, const char *words)
{
    arena *a = arena_new(NULL);
    error err = {0};
    assert_null(read_all(a, text, ',', &err));
    assert_int_equal(err.code, STATUS_INVALID);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in '%s'", words, err.message);
    arena_free(a);
}

static void test_records(void **state)
{
    (void)state;
    reads("a,b\nc,d\n", ',', "a|b/c|d/");
    reads("a,b\r\nc,d", ',', "a|b/c|d/");
    reads("a,,\n", ',', "a||/");
    reads(",\n", ',', "|/");
    reads("", ',', "");
    reads("\n\r\n\na\n\n", ',', "a/");
    reads("\xEF\xBB\xBF" "a\n", ',', "a/");
    reads("a \n", ',', "a /");
}

static void test_quotes(void **state)
{
    (void)state;
    reads("\"a,b\",c\n", ',', "a,b|c/");
    reads("\"a\nb\",c\n", ',', "a\nb|c/");
    reads("\"a\r\nb\"\r\nc\n", ',', "a\r\nb/c/");
    reads("\"say \"\"hi\"\"\"\n", ',', "say \"hi\"/");
    reads("\"\",\"\"\"\"\n", ',', "|\"/");
    reads("\"\"", ',', "/");
}

static void test_written_fields_read_back(void **state)
{
    (void)state;
    static const char *const fields[] = {"plain", "a,b", "say \"hi\"", "two\nlines", "", "\"", "end\r\n"};
    arena *a = arena_new(NULL);
    strbuf b = strbuf_new(a, 1 << 12);
    for (size_t i = 0; i < 7; i++) {
        if (i)
            strbuf_add_char(&b, ',');
        csv_add(&b, fields[i]);
    }
    strbuf_add_char(&b, '\n');
    assert_memory_equal(b.text, "plain,\"a,b\",\"say \"\"hi\"\"\",", 25);
    csv_reader r = csv_open(strbuf_slice(&b), ',', "t.csv");
    csv_record record;
    bool more;
    assert_int_equal(csv_next(&r, a, &record, &more, NULL), STATUS_OK);
    assert_true(more);
    assert_int_equal(record.count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_true(slice_is(record.fields[i], fields[i]));
    arena_free(a);
}

static void test_tabs_know_no_quotes(void **state)
{
    (void)state;
    reads("a\tsay \"hi\"\n\"b\tc\n", '\t', "a|say \"hi\"/\"b|c/");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    refused(SLICE("a,b\n\"c\nd"), "t.csv:2: a quote is opened here and never closed");
    refused(SLICE("a,b\nc,d\"e\n"), "t.csv:2: a quote inside a field");
    refused(SLICE("\"a\nb\" ,c\n"), "t.csv:2: text behind the closing quote");
    refused(SLICE("a\nb\0c\n"), "t.csv:2: expected text, found a NUL byte");
    refused(SLICE("a\nb\n\xff\n"), "t.csv:3: expected text in UTF-8");
}

static void test_lines_are_counted_through_quotes(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    csv_reader r = csv_open(SLICE("h\n\n\"x\ny\"\nz\n"), ',', "t.csv");
    csv_record record;
    bool more;
    const size_t lines[] = {1, 3, 5};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(csv_next(&r, a, &record, &more, NULL), STATUS_OK);
        assert_true(more);
        assert_int_equal(record.line, lines[i]);
    }
    arena_free(a);
}

/* A field of ten million bytes is a field; more fields than CSV_FIELDS are refused. */
static void test_large(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err = {0};
    size_t size = 10000000;
    char *text = arena_alloc(a, size + 3);
    memset(text, 'x', size + 2);
    text[0] = '"';
    text[size + 1] = '"';
    csv_reader r = csv_open((slice){text, size + 2}, ',', "t.csv");
    csv_record record;
    bool more;
    assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_OK);
    assert_int_equal(record.fields[0].length, size);
    memset(text, ',', size);
    r = csv_open((slice){text, size}, ',', "t.csv");
    assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "more than 65536 fields"));
    arena_free(a);
}

static void test_columns_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "answer", "note"};
    arena *a = arena_new(NULL);
    error err = {0};
    csv_record record;
    bool more;
    size_t at[3];
    csv_reader r = csv_open(SLICE("extra, answer ,id\n1,2,3\n4\n"), ',', "t.csv");
    assert_int_equal(csv_columns(&r, a, names, 3, 2, at, &err), STATUS_OK);
    assert_int_equal(at[0], 2);
    assert_int_equal(at[1], 1);
    assert_true(at[2] == SIZE_MAX);
    assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_OK);
    assert_true(slice_is(csv_cell(&record, at[0]), "3"));
    assert_int_equal(csv_cell(&record, at[2]).length, 0);
    assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_OK);
    assert_int_equal(csv_cell(&record, at[0]).length, 0); /* a record that is too short */
    static const char *const lacking[] = {"id,note\n1,2\n", "", "answer\n"};
    for (size_t i = 0; i < COUNT_OF(lacking); i++) {
        r = csv_open(slice_of(lacking[i]), ',', "t.csv");
        assert_int_equal(csv_columns(&r, a, names, 3, 2, at, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "t.csv: expected a first line with the columns id and answer, found no '"));
    }
    arena_free(a);
}

typedef struct pair {
    double left, right;
} pair;

static status read_pair(arena *a, const csv_reader *r, const csv_record *record, const size_t *at, void *element, error *err)
{
    pair *p = element;
    (void)a;
    if (!slice_to_double(csv_cell(record, at[0]), &p->left))
        return error_set(err, STATUS_INVALID, "%s:%zu: no number", r->name, record->line);
    return slice_to_double(csv_cell(record, at[1]), &p->right) ? STATUS_OK : (p->right = -1, STATUS_OK);
}

static void test_rows_become_elements(void **state)
{
    (void)state;
    static const char *const names[] = {"left", "right"};
    csv_table t = {.columns = names, .count = 2, .required = 1, .size = sizeof(pair), .most = 100, .what = "pairs", .hint = "draw some", .row = read_pair};
    arena *a = arena_new(NULL);
    error err = {0};
    strbuf text = strbuf_new(a, 1 << 16);
    strbuf_add(&text, "right,left\n");
    for (int i = 0; i < 100; i++) /* past the first room */
        strbuf_printf(&text, "%d,%d\n", 2 * i, i);
    csv_reader r = csv_open(strbuf_slice(&text), ',', "pairs.csv");
    void *out;
    size_t count;
    assert_int_equal(csv_rows(a, &r, &t, &out, &count, &err), STATUS_OK);
    assert_int_equal(count, 100);
    for (int i = 0; i < 100; i++)
        assert_true(((pair *)out)[i].left == i && ((pair *)out)[i].right == 2 * i);
    const struct {
        const char *text, *message, *hint;
        size_t most;
    } bad[] = {{"right\n1\n", "the column left", "draw some", 100}, {"left\n1\n2\n3\n", "pairs.csv: expected at most 2 pairs", "", 2},
               {"left\n1\nx\n", "pairs.csv:3: no number", "", 2}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        t.most = bad[i].most;
        r = csv_open(slice_of(bad[i].text), ',', "pairs.csv");
        assert_int_equal(csv_rows(a, &r, &t, &out, &count, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, bad[i].message));
        assert_string_equal(err.hint, bad[i].hint);
    }
    r = csv_open(SLICE("left,right\n"), ',', "pairs.csv");
    assert_int_equal(csv_rows(a, &r, &t, &out, &count, &err), STATUS_OK);
    assert_true(count == 0 && !out);
    r = csv_open(SLICE("left\n7\n"), ',', "pairs.csv");
    assert_int_equal(csv_rows(a, &r, &t, &out, &count, &err), STATUS_OK);
    assert_true(count == 1 && ((pair *)out)->right == -1); /* a column that need not be there */
    arena_free(a);
}

/* What is written by the rules is read as it was. */
static void test_round_trips(void **state)
{
    (void)state;
    static const char letters[] = "ab\",\n\r ";
    random_stream draw = random_stream_at(1, "csv", 0, 0, 0, 0);
    for (int trial = 0; trial < 2000; trial++) {
        arena *a = arena_new(NULL);
        strbuf text = strbuf_new(a, 1 << 16);
        char fields[24][12] = {{0}};
        size_t rows = 1 + (size_t)random_below(&draw, 6), columns = 1 + (size_t)random_below(&draw, 4);
        for (size_t i = 0; i < rows * columns; i++) {
            size_t length = (size_t)random_below(&draw, 10);
            for (size_t k = 0; k < length; k++)
                fields[i][k] = letters[random_below(&draw, sizeof letters - 1)];
            strbuf_add(&text, "\"");
            for (size_t k = 0; k < length; k++)
                strbuf_add(&text, (char[]){fields[i][k], fields[i][k] == '"' ? '"' : '\0', '\0'});
            strbuf_add(&text, (i + 1) % columns ? "\"," : random_below(&draw, 2) ? "\"\r\n" : "\"\n");
        }
        csv_reader r = csv_open(strbuf_slice(&text), ',', "t.csv");
        csv_record record;
        bool more;
        for (size_t i = 0; i < rows; i++) {
            error err = {0};
            assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_OK);
            assert_true(more);
            assert_int_equal(record.count, columns);
            for (size_t k = 0; k < columns; k++)
                assert_true(slice_is(record.fields[k], fields[i * columns + k]));
        }
        assert_int_equal(csv_next(&r, a, &record, &more, NULL), STATUS_OK);
        assert_false(more);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records), cmocka_unit_test(test_quotes), cmocka_unit_test(test_written_fields_read_back),
        cmocka_unit_test(test_tabs_know_no_quotes),
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_lines_are_counted_through_quotes), cmocka_unit_test(test_large),
        cmocka_unit_test(test_columns_by_name), cmocka_unit_test(test_rows_become_elements), cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
