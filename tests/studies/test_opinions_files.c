/* What a run of global-opinions leaves in files, and translations that people have checked. */
#include "studies/opinions_bench.h"

#include "core/csv.h"
#include "core/file.h"

#include <stdlib.h>

static const char surveys[] = "[{\"question\": \"One?\", \"country\": \"Spain\", \"options\": [\"a, or so\", \"b\"], \"distribution\": [0.9, 0.1]},"
                              " {\"question\": \"Two?\", \"country\": \"Spain\", \"options\": [\"a\", \"b\"], \"distribution\": [1, 0]},"
                              " {\"question\": \"Three?\", \"country\": \"Mexico\", \"options\": [\"a\", \"b\"], \"distribution\": [1, 3]},"
                              " {\"question\": \"Four?\", \"country\": \"Mexico\", \"options\": [\"a\", \"b\"], \"distribution\": [1, 3]}]";

static const char *translates(const message *messages, size_t count, void *context)
{
    (void)count, (void)context;
    const char *text = messages[0].blocks[0].text;
    bool back = strstr(text, "into English") != NULL;
    if (strstr(text, "One?") || strstr(text, "Uno?"))
        return back ? "Q: One?\n1. a, or so\n2. b" : "Q: \"Uno?\" <script>alert(1)</script>\n1. alfa\n2. beta\n";
    if (strstr(text, "Two?") || strstr(text, "Due?"))
        return back ? "Q: Two?\n1. a" : "Q: Due?\n1. alfa\n2. beta";
    if (strstr(text, "Three?") || strstr(text, "Tres?"))
        return back ? "Q: Three?\n1. a\n2. b" : "Q: Tres?\n1. alfa\n2. beta";
    return "I cannot.";
}

static void even(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)options, (void)context;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = log(1 / (double)count);
}

static bench open_bench(const char *checked)
{
    const char *const settings[] = {"data", write_file("files.json", surveys), "conditions", "default,language", "languages", "Spanish",
                                    checked ? "translations" : NULL, checked, NULL};
    bench b = bench_open(&global_opinions_study, settings, 1);
    b.answer = translates;
    b.answers = "translator";
    b.absent = checked ? "translator" : NULL;
    b.score = even;
    return b;
}

static const char *written(bench *b, const char *name)
{
    slice text;
    char *path = file_join(b->arena, test_folder(), name);
    assert_int_equal(file_read(b->arena, path, 1 << 24, &text, &b->err), STATUS_OK);
    return text.text;
}

/* The field of a column in the record whose first field that is `key` stands in the column `by`. */
static const char *field(bench *b, const char *name, const char *by, const char *key, const char *column)
{
    csv_reader r = csv_open(slice_of(written(b, name)), ',', name);
    csv_record head, record;
    bool more;
    size_t find = SIZE_MAX, at_key = SIZE_MAX;
    assert_int_equal(csv_next(&r, b->arena, &head, &more, &b->err), STATUS_OK);
    for (size_t i = 0; i < head.count; i++) {
        find = slice_is(head.fields[i], column) ? i : find;
        at_key = slice_is(head.fields[i], by) ? i : at_key;
    }
    assert_true(find != SIZE_MAX && at_key != SIZE_MAX);
    for (;;) {
        assert_int_equal(csv_next(&r, b->arena, &record, &more, &b->err), STATUS_OK);
        if (!more)
            return NULL;
        assert_int_equal(record.count, head.count);
        if (slice_is(record.fields[at_key], key))
            return slice_copy(b->arena, record.fields[find]);
    }
}

static void write_all(bench *b)
{
    strbuf told = strbuf_new(b->arena, 1 << 16);
    assert_int_equal(global_opinions_study.write_files(&b->run, b->records, test_folder(), &told, &b->err), STATUS_OK);
    assert_non_null(strstr(told.text, "countries.csv"));
}

static void tables_hold_what_was_read(void **state)
{
    (void)state;
    bench b = open_bench(NULL);
    bench_run(&b);
    write_all(&b);
    assert_string_equal(field(&b, "countries.csv", "country", "Spain", "questions"), "2");
    assert_string_equal(field(&b, "countries.csv", "country", "Spain", "iso"), "724");
    NEAR(strtod(field(&b, "countries.csv", "country", "Spain", "similarity"), NULL),
         at(json_object_get(json_object_get(json_array_get(json_object_get(b.summary, "countries"), 0), "conditions"), "default"), "similarity"), 1e-15);
    assert_string_equal(field(&b, "answers.csv", "question", "One?", "country_shares"), "[0.9,0.1]");
    assert_string_equal(field(&b, "answers.csv", "question", "One?", "subject_shares"), "[0.5,0.5]");
    NEAR(strtod(field(&b, "answers.csv", "question", "Two?", "similarity"), NULL), .442077, 1e-6);
    assert_string_equal(field(&b, "answers.csv", "question", "Two?", "options"), "2");
    NEAR(strtod(field(&b, "answers.csv", "question", "Two?", "mass"), NULL), 1, 1e-9);
    NEAR(strtod(field(&b, "answers.csv", "question", "Three?", "wasserstein"), NULL), .25, 1e-9);
    bench_close(&b);
}

static void every_translation_is_shown_and_failures_are_counted(void **state)
{
    (void)state;
    bench b = open_bench(NULL);
    bench_run(&b);
    const json_t *t = json_object_get(condition_of(&b, "language:Spanish"), "translations");
    NEAR(at(t, "usable"), 2, 0);
    NEAR(at(json_object_get(t, "problems"), "what came back has too few options"), 1, 0);
    NEAR(at(json_object_get(t, "problems"), "the translation has no question behind \"Q:\""), 1, 0);
    assert_true(json_is_false(json_object_get(t, "checked")));
    char *figures = json_dumps(b.figures, 0);
    assert_non_null(strstr(figures, "checked by nobody"));
    free(figures);
    write_all(&b);
    assert_string_equal(field(&b, "translations.csv", "question", "One?", "back_options"), "a, or so\nb");
    assert_string_equal(field(&b, "translations.csv", "question", "Two?", "back"), "Q: Two?\n1. a");
    assert_string_equal(field(&b, "translations.csv", "question", "Two?", "problem"), "what came back has too few options");
    assert_string_equal(field(&b, "translations.csv", "question", "Four?", "translation"), "");
    const char *page = written(&b, "translations.html"); /* nothing that a model wrote acts as markup */
    assert_non_null(strstr(page, "4 translations; 2 of them could not be used"));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)"));
    assert_null(strstr(page, "<script>alert"));
    bench_close(&b);
}

/* Fills the verdicts of a table in their order, and writes it under another name. */
static const char *fill(bench *b, const char *const verdicts[4])
{
    static const char *const names[] = {"id", "language", "translation", "translated_options", "sha256"};
    static const char *const questions[] = {"One?", "Two?", "Three?", "Four?"};
    strbuf text = strbuf_new(b->arena, 1 << 20);
    strbuf_add(&text, "id,language,translation,translated_options,sha256,verdict,checker\n");
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 5; k++) {
            csv_add(&text, field(b, "translations.csv", "question", questions[i], names[k]));
            strbuf_add_char(&text, ',');
        }
        strbuf_printf(&text, "%s,ann\n", verdicts[i]);
    }
    return arena_strdup(b->arena, write_file("checked.csv", text.text)); /* the next file has its name in the same place */
}

static void only_what_people_let_pass_is_asked(void **state)
{
    (void)state;
    bench b = open_bench(NULL);
    bench_run(&b);
    write_all(&b);
    const char *path = fill(&b, (const char *const[]){"accept", "reject", "", "accept"});
    bench again = open_bench(path);
    bench_run(&again); /* without a translator */
    const json_t *t = json_object_get(condition_of(&again, "language:Spanish"), "translations");
    assert_true(json_is_true(json_object_get(t, "checked")));
    NEAR(at(t, "usable"), 1, 0);
    NEAR(at(json_object_get(t, "verdicts"), "accept"), 2, 0);
    NEAR(at(json_object_get(t, "checkers"), "ann"), 4, 0);
    NEAR(at(json_object_get(t, "problems"), "who checked the translation rejected it"), 1, 0);
    NEAR(at(json_object_get(t, "problems"), "nobody has checked the translation yet"), 1, 0);
    NEAR(at(json_object_get(t, "problems"), "the question of the checked translation is empty"), 1, 0);
    const json_t *one = json_object_get(json_object_get(json_object_get(json_array_get(again.records, 0), "conditions"), "language:Spanish"), "translation");
    assert_string_equal(json_string_value(json_object_get(one, "verdict")), "accept");
    assert_int_equal(strlen(json_string_value(json_object_get(one, "sha256"))), 64);
    assert_non_null(strchr(again.run.identity, ' ')); /* the file is part of what the run is */
    bench_close(&again);
    bench_close(&b);
}

static opinion_checked *read_checked(arena *a, const char *text, size_t *count, error *err)
{
    opinion_checked *list = NULL;
    *count = 0;
    return opinions_read_checked(a, slice_of(text), "test", &list, count, err) == STATUS_OK ? list : NULL;
}

static void tables_of_translations_are_read_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "found no 'id'"},
        {"id,language,translation,verdict\n", "translated_options"},
        {"id,language,translation,translated_options,verdict\nq,Spanish,a,b,perhaps\n", "test:2: expected accept"},
        {"id,language,translation,translated_options,verdict\n,Spanish,a,b,accept\n", "an id"},
        {"id,language,translation,translated_options,verdict\nq,Spanish,a,b,accept\nq,Spanish,a,b,reject\n", "comes twice"},
        {"id,language,translation,translated_options,verdict\nq,\"Spanish\n", "test:2"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        arena *a = arena_new(NULL);
        error err = {0};
        size_t count;
        assert_null(read_checked(a, wrong[i].text, &count, &err));
        if (!strstr(err.message, wrong[i].says))
            fail_msg("expected '%s' in: %s", wrong[i].says, err.message);
        arena_free(a);
    }
    arena *a = arena_new(NULL);
    error err = {0};
    size_t count;
    char hex[65];
    opinions_hash("Uno?", (const char *const[]){"alfa", "beta"}, 2, hex);
    const char *text = arena_printf(a, "language,id,verdict,translation,translated_options,sha256\nSpanish,b,accept,Uno?,\"alfa\nbeta\",%s\n"
                                       "Spanish,a,accept,Uno!,\"alfa\n\nbeta\n\",%s\n", hex, hex);
    opinion_checked *list = read_checked(a, text, &count, &err);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].id, "a");
    assert_int_equal(list[0].verdict, VERDICT_EDIT); /* it is not what was made */
    assert_int_equal(list[0].option_count, 2);
    assert_int_equal(list[1].verdict, VERDICT_ACCEPT);
    arena_free(a);
}

static void the_town_needs_no_translations(void **state)
{
    (void)state;
    static const bench_wrong cases[] = {
        {{"questions", "town", "translations", "/nonexistent"}, "dialects", STATUS_USAGE},
    };
    bench_refuses(&global_opinions_study, cases, COUNT_OF(cases));
}

int main(void)
{
    unsetenv("ASSAY_DATA");
    setenv("ASSAY_CACHE", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_hold_what_was_read),
        cmocka_unit_test(every_translation_is_shown_and_failures_are_counted),
        cmocka_unit_test(only_what_people_let_pass_is_asked),
        cmocka_unit_test(tables_of_translations_are_read_or_refused),
        cmocka_unit_test(the_town_needs_no_translations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
