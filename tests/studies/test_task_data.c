/* The public sets themselves, where they lie on this machine: the rules that the specification of model-written evaluations
 * names (section 7, checks 4 to 6), and that every task of the program whose data are there makes items. Skipped elsewhere. */
#include "shared.h"
#include "studies/task/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Data of ASSAY_DATA, else of ../shared/data, which the study is then told of. */
static void need_data(void)
{
    const char *folder = getenv("ASSAY_DATA");
    if (folder && folder[0])
        return;
    arena *a = arena_new(NULL);
    const char *set = shared_data(a, "model-written-evals");
    if (set)
        setenv("ASSAY_DATA", arena_strndup(a, set, strlen(set) - strlen("/model-written-evals")), 1);
    arena_free(a);
    if (!set)
        skip();
}

typedef struct labels {
    size_t yes, no;
    char start[256]; /* what stands before the first quotation mark */
    const char *file;
} labels;

static status count_label(void *context, const json_t *row, size_t line, error *err)
{
    (void)err;
    labels *l = context;
    const char *answer = json_string_value(json_object_get(row, "answer_matching_behavior"));
    const char *question = json_string_value(json_object_get(row, "question"));
    l->yes += strcmp(answer, " Yes") == 0;
    l->no += strcmp(answer, " No") == 0;
    size_t length = strcspn(question, "\"");
    if (line == 1)
        snprintf(l->start, sizeof l->start, "%.*s", (int)length, question);
    if (strlen(l->start) != length || strncmp(question, l->start, length) != 0)
        fail_msg("%s:%zu begins otherwise than line 1", l->file, line);
    return STATUS_OK;
}

static void each_file(const char *pattern, task_row *row, void (*after)(const task *t, void *context), void *context, size_t size)
{
    arena *a = arena_new(NULL);
    error err = {0};
    task_library l;
    if (task_library_find(a, pattern, NULL, NULL, &l, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < l.count; i++) {
        if (!l.tasks[i].files) {
            print_message("skipped: %s: %s\n", l.tasks[i].name, l.tasks[i].missing);
            continue;
        }
        slice text;
        arena *one = arena_new(a);
        memset(context, 0, size);
        *(const char **)((char *)context + size - sizeof(char *)) = l.tasks[i].name;
        if (file_read_gz(one, l.tasks[i].files[0], (size_t)1 << 28, &text, &err) != STATUS_OK ||
            task_data_each(&l.tasks[i].spec->data, l.tasks[i].files[0], text, row, context, NULL, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        after(&l.tasks[i], context);
        arena_free(one);
    }
    arena_free(a);
}

static void check_labels(const task *t, void *context)
{
    const labels *l = context;
    if (l->yes != l->no || l->yes == 0 || l->yes > 500)
        fail_msg("%s: %zu yes and %zu no; expected as many of both, at most 500", t->name, l->yes, l->no);
}

static void test_persona_files_keep_their_rules(void **state)
{
    (void)state;
    labels l;
    need_data();
    each_file("mwe/persona/*", count_label, check_labels, &l, sizeof l);
}

/* Check 5: files and lines of the advanced AI risks, by who wrote them, and that every line is what a study can ask. */
typedef struct risks {
    size_t rows;
    const char *file;
} risks;

static struct {
    size_t files, rows, least, most;
} risk_counts;

static status count_risk(void *context, const json_t *row, size_t line, error *err)
{
    (void)err;
    risks *r = context;
    const char *question = json_string_value(json_object_get(row, "question")), *matching = json_string_value(json_object_get(row, "answer_matching_behavior"));
    const char *other = json_string_value(json_object_get(row, "answer_not_matching_behavior"));
    r->rows++;
    if (!question || !matching || !other || !strstr(question, "\n (A)") || !strstr(question, "\n (B)"))
        fail_msg("%s:%zu has no two choices", r->file, line);
    if (strlen(matching) != 4 || strlen(other) != 4 || strcmp(other, matching) == 0 || !strstr(question, matching) || !strstr(question, other))
        fail_msg("%s:%zu: '%s' matches and '%s' does not", r->file, line, matching, other);
    return STATUS_OK;
}

static void add_risks(const task *t, void *context)
{
    (void)t;
    const risks *r = context;
    risk_counts.files++;
    risk_counts.rows += r->rows;
    risk_counts.least = r->rows < risk_counts.least ? r->rows : risk_counts.least;
    risk_counts.most = r->rows > risk_counts.most ? r->rows : risk_counts.most;
}

static void test_advanced_ai_risks(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t files, rows, least, most;
    } wanted[] = {{"mwe/ai-risk/*", 17, 16400, 1, 1000}, {"mwe/ai-risk-human/*", 16, 8116, 1, 1000}, {"mwe/ai-risk-gold/*", 16, 160, 10, 10}};
    risks r;
    need_data();
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        risk_counts.files = risk_counts.rows = risk_counts.most = 0;
        risk_counts.least = SIZE_MAX;
        each_file(wanted[i].pattern, count_risk, add_risks, &r, sizeof r);
        if (risk_counts.files != wanted[i].files || risk_counts.rows != wanted[i].rows)
            fail_msg("%s: %zu files with %zu lines, expected %zu with %zu", wanted[i].pattern, risk_counts.files, risk_counts.rows, wanted[i].files, wanted[i].rows);
        assert_in_range(risk_counts.least, wanted[i].least, wanted[i].most);
        assert_in_range(risk_counts.most, wanted[i].least, wanted[i].most);
    }
}

typedef struct blanks {
    size_t rows, he, his, him;
    double women, least, most;
    const char *file;
} blanks;

static bool has_pronouns(const json_t *row, const char *const wanted[3])
{
    const json_t *options = json_object_get(row, "pronoun_options");
    bool same = json_array_size(options) == 3;
    for (size_t i = 0; i < 3 && same; i++)
        same = strcmp(json_string_value(json_array_get(options, i)), wanted[i]) == 0;
    return same;
}

static status count_blank(void *context, const json_t *row, size_t line, error *err)
{
    (void)err;
    blanks *b = context;
    const char *sentence = json_string_value(json_object_get(row, "sentence_with_blank"));
    const char *blank = strchr(sentence, '_');
    double share = json_number_value(json_object_get(row, "BLS_percent_women_2019"));
    if (!blank || strchr(blank + 1, '_'))
        fail_msg("%s:%zu does not hold exactly one blank", b->file, line);
    b->rows++;
    b->he += has_pronouns(row, (const char *const[]){"he", "she", "they"});
    b->his += has_pronouns(row, (const char *const[]){"his", "her", "their"});
    b->him += has_pronouns(row, (const char *const[]){"him", "her", "them"});
    b->women += share;
    b->least = b->rows == 1 || share < b->least ? share : b->least;
    b->most = share > b->most ? share : b->most;
    return STATUS_OK;
}

static void check_blanks(const task *t, void *context)
{
    (void)t;
    const blanks *b = context;
    assert_int_equal(b->rows, 2990);
    assert_int_equal(b->he, 1783);
    assert_int_equal(b->his, 988);
    assert_int_equal(b->him, 219);
    assert_true(b->women / (double)b->rows > 43.745 && b->women / (double)b->rows < 43.755);
    assert_true(b->least > .69 && b->least < .71 && b->most > 98.69 && b->most < 98.71);
}

static void test_winogenerated(void **state)
{
    (void)state;
    blanks b;
    need_data();
    each_file("winogenerated", count_blank, check_blanks, &b, sizeof b);
}

/* Templates, choices and answers of every row of every set. */
static void test_every_task_makes_its_items(void **state)
{
    (void)state;
    need_data();
    arena *a = arena_new(NULL);
    error err = {0};
    task_library l;
    size_t absent = 0, items = 0;
    if (task_library_read(a, NULL, NULL, &l, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < l.count; i++) {
        arena *one = arena_new(a);
        task_make make = {.arena = one};
        task_items out = {0};
        size_t counted;
        if (!l.tasks[i].files) {
            absent++;
        } else {
            if (task_items_make(&make, &l.tasks[i], &l.tasks[i].spec->data, l.tasks[i].files, l.tasks[i].file_count, 0, &out, &err) != STATUS_OK)
                fail_msg("task:%s: %s", l.tasks[i].name, err.message);
            assert_int_equal(task_library_count(&l.tasks[i], &counted, &err), STATUS_OK);
            assert_int_equal(counted, out.count);
            items += counted;
        }
        arena_free(one);
    }
    print_message("%zu tasks, %zu of them without data here; %zu items\n", l.count, absent, items);
    assert_true(items > 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_persona_files_keep_their_rules), cmocka_unit_test(test_advanced_ai_risks), cmocka_unit_test(test_winogenerated),
        cmocka_unit_test(test_every_task_makes_its_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
