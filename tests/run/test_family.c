/* Families of checkpoints: which members a specification takes, where they lie, and what they say together. */
#include "folder.h"

#include "run/family.h"

#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

static const char text[] = "models: members\n"
                           "families:\n"
                           "  pythia:\n"
                           "    repository: 'E/pythia-{size}'\n"
                           "    revision: step{stage}\n"
                           "    folder: 'pythia-{size}/step{stage}'\n"
                           "    axes:\n"
                           "      size: [70m, 1.4b]\n"
                           "      stage: [0, 8, 1000..3000/1000]\n"
                           "    default: {size: 70m, stage: 3000}\n"
                           "  tuned:\n"
                           "    subject: 'oracle:0{stage}'\n"
                           "    axes:\n"
                           "      stage: {base: '', sft: .25, rl: .5}\n";

static const char *families(arena *a)
{
    const char *path = file_join(a, test_folder(), "families.yaml");
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    return path;
}

static void members_are_all_that_was_chosen(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = families(a), *kept = file_join(a, test_folder(), "members");
    static const char *const sizes[] = {"70m", "1.4b"}, *const stages[] = {"0", "8", "1000", "2000", "3000"};
    error err = {0};
    family f;
    assert_int_equal(family_read(a, path, "family:pythia@stage=*", &f, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "5 of 5"));
    assert_non_null(strstr(err.hint, "huggingface-cli download E/pythia-70m --revision step0 --local-dir "));
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(file_make_folders(arena_printf(a, "%s/pythia-%s/step%s", kept, sizes[i], stages[k]), NULL), STATUS_OK);
    assert_int_equal(family_read(a, path, "family:pythia@stage=*", &f, &err), STATUS_OK);
    assert_true(f.count == 5 && f.curve == 1 && f.axis_count == 2);
    for (size_t k = 0; k < 5; k++) {
        assert_string_equal(f.members[k].values[0], "70m");
        assert_string_equal(f.members[k].values[1], stages[k]);
        assert_string_equal(f.members[k].specification, arena_printf(a, "%s/pythia-70m/step%s", kept, stages[k]));
        assert_true(f.members[k].x == strtod(stages[k], NULL));
    }
    assert_int_equal(family_read(a, path, "family:pythia@size=*,stage=8|2000", &f, &err), STATUS_OK);
    assert_true(f.count == 4 && f.curve == 0 && f.members[0].x == 70e6 && f.members[3].x == 1.4e9);
    assert_string_equal(f.members[3].repository, "E/pythia-1.4b");
    assert_string_equal(f.members[3].revision, "step2000");
    assert_int_equal(family_read(a, path, "family:pythia", &f, &err), STATUS_OK);
    assert_int_equal(f.count, 1);
    assert_int_equal(family_read(a, path, "family:tuned@stage=*", &f, &err), STATUS_OK);
    assert_true(f.count == 3 && f.members[2].x == 2);
    assert_string_equal(f.members[0].specification, "oracle:0");
    assert_string_equal(f.members[1].specification, "oracle:0.25");
    arena_free(a);
}

static void slips_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *specification, *words;
    } cases[] = {
        {"family:pithia", "no family"},
        {"family:pythia@sise=70m", "no axis \"sise\""},
        {"family:pythia@size=71m", "no value \"71m\""},
        {"family:pythia@size", "expected AXIS=VALUE"},
        {"family:pythia@size=", "expected AXIS=VALUE"},
        {"family:pythia@size=70m|,stage=8", "no value \"\""},
        {"family:tuned", "has no default"},
    };
    static const char *const bad[] = {
        "families: {x: {axes: {a: [1]}}}\n",
        "families: {x: {folder: f, subject: s, axes: {a: [1]}}}\n",
        "families: {x: {folder: '{b}', axes: {a: [1]}, default: {a: 1}}}\n",
        "families: {x: {folder: f, axes: {a: [1, 1]}, default: {a: 1}}}\n",
        "families: {x: {folder: f, axes: {a: []}}}\n",
        "families: {x: {folder: f, axes: {a: 7}}}\n",
        "families: {x: {folder: f, axes: {a: [[1]]}}}\n",
        "families: {x: {folder: f, axes: {a: [0..9000000]}}}\n",
        "families: {x: {folder: f, axes: {a: ['b|c']}}}\n",
        "families: {x: {folder: f}}\n",
        "families: {x: {foldr: f, axes: {a: [1]}}}\n",
        "families: {x: 7}\n",
        "families: 7\n",
        "7\n",
    };
    arena *a = arena_new(NULL);
    const char *path = families(a), *other = file_join(a, test_folder(), "bad.yaml");
    family f;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        error err = {0};
        if (family_read(a, path, cases[i].specification, &f, &err) != STATUS_USAGE || !strstr(err.message, cases[i].words))
            fail_msg("%s: %s", cases[i].specification, err.message);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        error err = {0};
        assert_int_equal(file_write(other, slice_of(bad[i]), NULL), STATUS_OK);
        if (family_read(a, other, "family:x", &f, &err) == STATUS_OK || !err.message[0])
            fail_msg("%s was read", bad[i]);
    }
    arena_free(a);
}

static void the_shipped_files_can_be_read(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err = {0};
    family f;
    assert_int_equal(family_read(a, ASSAY_SOURCE_DIR "/data/families.yaml", "family:pythia@size=*,stage=*", &f, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "of 1232 members")); /* 8 sizes, 154 stages */
    assert_int_equal(family_read(a, ASSAY_SOURCE_DIR "/data/families.yaml", "family:olmo2-7b@stage=*", &f, &err), STATUS_NOT_FOUND);
    arena_free(a);
}

static void figures_hold_a_table_and_a_curve(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    family f;
    error err = {0};
    assert_int_equal(family_read(a, families(a), "family:tuned@stage=*", &f, &err), STATUS_OK);
    json_t *summaries = json_pack("[{s:{s:{s:f, s:f, s:f}}}, {s:{s:{s:n}}}, {s:{s:{s:f, s:f, s:f}}}]", "forms", "a_b", "estimate",
                                  0.1, "low", 0.0, "high", 0.2, "forms", "a_b", "estimate", "forms", "a_b", "estimate", 0.5,
                                  "low", 0.4, "high", 0.6);
    const int64_t runs[] = {4, 5, 6};
    json_t *figures;
    assert_int_equal(family_figures(&f, summaries, NULL, runs, &figures, &err), STATUS_OK);
    assert_string_equal(json_string_value(json_array_get(json_object_get(figures, "findings"), 0)),
                        "a b: 10.0 % at stage base, 50.0 % at stage rl.");
    const json_t *table = json_array_get(json_object_get(figures, "tables"), 0), *rows = json_object_get(table, "rows");
    assert_int_equal(json_array_size(rows), 3);
    assert_int_equal(json_array_size(json_object_get(table, "columns")), 3);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "a_b"))); /* it gave no figure */
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 2), "run")), 6);
    const json_t *points = json_object_get(json_array_get(json_object_get(figures, "charts"), 0), "points");
    assert_int_equal(json_array_size(points), 2);
    assert_true(json_number_value(json_object_get(json_array_get(points, 1), "x")) == 2);
    json_decref(figures);
    json_decref(summaries);
    arena_free(a);
}

/* A loss is a number, not a share: it stands in the table as such, and in no picture of shares. */
static void losses_are_not_shown_as_shares(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    family f;
    assert_int_equal(family_read(a, families(a), "family:tuned@stage=base|rl", &f, NULL), STATUS_OK);
    json_t *summaries = json_pack("[{s:{s:{s:s, s:f, s:f, s:f}}}, {s:{s:{s:s, s:f, s:f, s:f}}}]", "forms", "l", "metric", "classification_loss",
                                  "estimate", 0.7, "low", 0.6, "high", 0.8, "forms", "l", "metric", "classification_loss", "estimate", 2.5, "low",
                                  2.25, "high", 2.75);
    json_t *figures;
    assert_int_equal(family_figures(&f, summaries, NULL, (const int64_t[]){1, 2}, &figures, NULL), STATUS_OK);
    const json_t *rows = json_object_get(json_array_get(json_object_get(figures, "tables"), 0), "rows");
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "l")), "2.5 [2.25, 2.75]");
    assert_int_equal(json_array_size(json_object_get(figures, "charts")), 0);
    assert_int_equal(json_array_size(json_object_get(figures, "findings")), 0);
    json_decref(figures);
    json_decref(summaries);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_all_that_was_chosen),
        cmocka_unit_test(slips_are_named),
        cmocka_unit_test(the_shipped_files_can_be_read),
        cmocka_unit_test(figures_hold_a_table_and_a_curve),
        cmocka_unit_test(losses_are_not_shown_as_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
