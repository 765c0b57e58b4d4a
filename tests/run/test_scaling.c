/* Trends over the members of a family: which members make a series, what is refused, and what reports say of it. */
#include "folder.h"

#include "run/scaling.h"
#include "run/scores.h"
#include "run/several.h"
#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { ITEMS = 300, MEMBERS = 5 };

static const double parameters[MEMBERS] = {1e5, 3e5, 1e6, 3e6, 5e6};

/* Scores of one form whose first `right` samples are right; loss beside accuracy. */
static json_t *scores_of(const char *form, size_t right)
{
    json_t *scores = json_object();
    for (size_t i = 0; i < ITEMS; i++) {
        bool good = (i * 7) % ITEMS < right;
        json_t *record = json_pack("{s:s, s:s, s:{s:i, s:f}}", "group", form, "verdict", good ? "good" : "bad", "scores", "accuracy", (int)good,
                                   "loss", good ? -.1 : -2.);
        scores_add(scores, i, record);
        json_decref(record);
    }
    return scores;
}

static family sized_list(arena *a)
{
    static const char *const names[MEMBERS] = {"a", "b", "c", "d", "e"};
    family f;
    assert_int_equal(family_of_subjects(a, names, MEMBERS, &f, NULL), STATUS_OK);
    for (size_t i = 0; i < MEMBERS; i++) {
        f.members[i].parameters = f.members[i].x = parameters[i];
        f.members[i].tokenizer = "one";
    }
    return f;
}

static json_t *falling(void)
{
    static const size_t right[MEMBERS] = {270, 240, 200, 150, 120};
    json_t *scores = json_array();
    for (size_t i = 0; i < MEMBERS; i++)
        json_array_append_new(scores, scores_of("memo_trap", right[i]));
    return scores;
}

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text ? text : "";
}

static json_t *trends_of(const family *f, const json_t *scores)
{
    json_t *trends, *summaries = json_pack("[{s:{s:{s:f}}}]", "forms", "memo_trap", "chance", .5);
    error err = {0};
    if (scaling_trends(f, summaries, scores, &trends, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    json_decref(summaries);
    return trends;
}

static void a_planted_fall_is_inverse(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    family f = sized_list(a);
    json_t *scores = falling(), *trends = trends_of(&f, scores), *findings = json_array();
    assert_int_equal(json_array_size(trends), 2);
    const json_t *t = json_array_get(trends, 0);
    assert_string_equal(text_of(t, "form"), "memo_trap");
    assert_string_equal(text_of(t, "class"), "inverse");
    assert_true(json_is_true(json_object_get(t, "monotone")));
    assert_true(fabs(json_number_value(json_object_get(json_object_get(t, "effect"), "estimate")) + .5) < 1e-9);
    assert_true(fabs(json_number_value(json_object_get(json_object_get(t, "above_chance"), "estimate")) + .1) < 1e-9);
    assert_string_equal(text_of(json_array_get(trends, 1), "measure"), "loss");
    assert_string_equal(text_of(json_array_get(trends, 1), "class"), "inverse");
    scaling_findings(trends, 12, findings);
    assert_int_equal(json_array_size(findings), 1); /* losses stand in the table */
    const char *words = json_string_value(json_array_get(findings, 0));
    if (!strstr(words, "memo trap (accuracy) gets worse with size (inverse scaling): 90.0 % at 100 k parameters, 40.0 % at 5 M"))
        fail_msg("%s", words);
    json_t *table = scaling_table(trends);
    assert_int_equal(json_array_size(json_object_get(table, "rows")), 2);
    json_decref(table);
    json_decref(findings);
    json_decref(trends);
    json_decref(scores);
    arena_free(a);
}

static void losses_over_different_tokenizers_are_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    family f = sized_list(a);
    f.members[3].tokenizer = "two";
    json_t *scores = falling(), *trends = trends_of(&f, scores), *findings = json_array();
    assert_string_equal(text_of(json_array_get(trends, 0), "class"), "inverse"); /* accuracies may be compared */
    assert_string_equal(text_of(json_array_get(trends, 1), "class"), "refused");
    scaling_findings(trends, 12, findings);
    assert_non_null(strstr(json_string_value(json_array_get(findings, 1)), "different tokenizers are not compared"));
    json_decref(findings);
    json_decref(trends);
    f.members[3].tokenizer = NULL; /* not known is not the same */
    trends = trends_of(&f, scores);
    assert_string_equal(text_of(json_array_get(trends, 1), "class"), "refused");
    json_decref(trends);
    json_decref(scores);
    arena_free(a);
}

static void unknown_sizes_have_no_trend(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    family f = sized_list(a);
    json_t *scores = falling();
    for (size_t i = 0; i < MEMBERS; i++)
        f.members[i].parameters = 0;
    json_t *trends = trends_of(&f, scores);
    assert_int_equal(json_array_size(trends), 0);
    assert_null(scaling_table(trends));
    json_decref(trends);
    f.members[0].parameters = f.members[1].parameters = 1e6; /* two of one size */
    trends = trends_of(&f, scores);
    assert_int_equal(json_array_size(trends), 0);
    json_decref(trends);
    f.members[1].parameters = 2e6;
    trends = trends_of(&f, scores);
    assert_string_equal(text_of(json_array_get(trends, 0), "class"), "unclassed");
    json_decref(trends);
    json_decref(scores);
    arena_free(a);
}

/* Sizes by seeds by stages: a series for each stage, with the seeds of a size averaged. */
static void other_axes_make_series_of_their_own(void **state)
{
    (void)state;
    enum { STAGES = 2, SEEDS = 2, ALL = STAGES * SEEDS * MEMBERS };
    static const char *const sizes[MEMBERS] = {"100k", "300k", "1m", "3m", "5m"}, *const stages[STAGES] = {"0", "9"}, *const seeds[SEEDS] = {"1", "2"};
    arena *a = arena_new(NULL);
    family f = {.name = "f", .axes = {"size", "stage", "seed"}, .axis_count = 3, .members = ARENA_ARRAY(a, family_member, ALL)};
    json_t *scores = json_array();
    for (size_t i = 0; i < MEMBERS; i++)
        for (size_t k = 0; k < STAGES; k++)
            for (size_t g = 0; g < SEEDS; g++) {
                f.members[f.count++] = (family_member){.values = {sizes[i], stages[k], seeds[g]}, .x = parameters[i], .tokenizer = "t"};
                json_array_append_new(scores, scores_of("x", k == 0 ? 150 : 100 + 40 * i));
            }
    json_t *trends = trends_of(&f, scores);
    assert_int_equal(json_array_size(trends), 4); /* two measures, two stages */
    assert_string_equal(text_of(json_array_get(trends, 0), "series"), "stage 0");
    assert_string_equal(text_of(json_array_get(trends, 0), "class"), "flat");
    assert_string_equal(text_of(json_array_get(trends, 1), "series"), "stage 9");
    assert_string_equal(text_of(json_array_get(trends, 1), "class"), "standard");
    const json_t *models = json_object_get(json_array_get(trends, 1), "models");
    assert_int_equal(json_array_size(models), MEMBERS);
    assert_int_equal(json_integer_value(json_array_get(models, 0)), SEEDS);
    json_decref(trends);
    json_decref(scores);
    arena_free(a);
}

static void verdicts_are_scores_where_there_are_no_others(void **state)
{
    (void)state;
    json_t *scores = json_object();
    static const char *const verdicts[] = {"good", "bad", "unreadable", "refused"};
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        json_t *record = json_pack("{s:s, s:s, s:i}", "group", "g", "verdict", verdicts[i], "cluster", (int)i / 2);
        scores_add(scores, i, record);
        json_decref(record);
    }
    scores_add(scores, 9, json_null());
    const json_t *good = json_object_get(json_object_get(scores, "g"), "good");
    assert_int_equal(json_object_size(good), 2);
    assert_int_equal(json_integer_value(json_object_get(good, "0")), 1);
    assert_int_equal(json_integer_value(json_object_get(good, "1")), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(scores, "g"), "cluster"), "3")), 1);
    json_decref(scores);
}

static void lists_families_and_series_can_be_mixed(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = file_join(a, test_folder(), "families.yaml");
    static const char text[] = "families:\n  d:\n    subject: 'oracle:{dose}{tail}'\n    axes: {dose: [0, 1], tail: {none: '', some: .0}}\n"
                               "    default: {dose: '*', tail: '*'}\n    without: [{dose: 1, tail: some}]\n";
    error err = {0};
    family f;
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    const char *const one[] = {"family:d"}, *const mixed[] = {"x", "family:d@tail=none", "y"}, *const twice[] = {"x", "y", "x"};
    assert_int_equal(family_of_specifications(a, one, 1, path, &f, &err), STATUS_OK);
    assert_true(f.count == 3 && strcmp(f.name, "d") == 0);
    assert_int_equal(family_of_specifications(a, mixed, 3, path, &f, &err), STATUS_OK);
    assert_true(f.count == 4 && strcmp(f.axes[0], "subject") == 0);
    assert_string_equal(f.members[2].specification, "oracle:1");
    assert_string_equal(f.members[3].specification, "y");
    assert_int_equal(family_of_specifications(a, twice, 3, path, &f, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "named twice"));
    assert_int_equal(family_of_specifications(a, one, 1, NULL, &f, &err), STATUS_USAGE);
    assert_int_equal(family_of_specifications(a, (const char *const[]){"series:/nowhere"}, 1, NULL, &f, &err), STATUS_NOT_FOUND);
    assert_int_equal(family_of_specifications(a, (const char *const[]){"family:d@dose=1,tail=some"}, 1, path, &f, &err), STATUS_USAGE);
    static const char *const bad[] = {"7", "[7]", "[{dos: 1}]", "[{}]", "[{dose: [1]}]"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *with = arena_printf(a, "families:\n  d:\n    subject: 's{dose}'\n    axes: {dose: [0, 1]}\n    default: {dose: '*'}\n    without: %s\n", bad[i]);
        assert_int_equal(file_write(path, slice_of(with), NULL), STATUS_OK);
        if (family_of_specifications(a, one, 1, path, &f, &err) == STATUS_OK)
            fail_msg("%s was read", bad[i]);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_fall_is_inverse),
        cmocka_unit_test(losses_over_different_tokenizers_are_refused),
        cmocka_unit_test(unknown_sizes_have_no_trend),
        cmocka_unit_test(other_axes_make_series_of_their_own),
        cmocka_unit_test(verdicts_are_scores_where_there_are_no_others),
        cmocka_unit_test(lists_families_and_series_can_be_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
