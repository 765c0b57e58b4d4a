/* The figures of a growth's page, from steps whose means are known. */
#include "folder.h"
#include "memory.h"
#include "near.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/growth_card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

/* A folder whose metrics.jsonl is `text`; NULL: without one. */
static const char *folder_with(const char *name, const char *text)
{
    const char *folder = file_join(memory, test_folder(), name);
    assert_int_equal(file_make_folders(folder, NULL), STATUS_OK);
    if (text)
        assert_int_equal(file_write(file_join(memory, folder, "metrics.jsonl"), slice_of(text), NULL), STATUS_OK);
    return folder;
}

static json_t *must_make(const char *folder)
{
    json_t *card;
    error err = {0};
    if (growth_card(memory, folder, &card, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return card;
}

/* Step i of `steps`: reward i, utility up to the middle and down again, kl i / 10. */
static const char *rl_steps(int steps)
{
    strbuf text = strbuf_new(memory, 1 << 20);
    for (int i = 1; i <= steps; i++)
        strbuf_printf(&text,
                      "{\"stage\": 2, \"kind\": \"rl\", \"step\": %d, \"reward\": %d, \"utility\": %d, \"kl\": %g, \"true\": 0.5, "
                      "\"false_agreement\": %g, \"entropy\": 1, \"clip_share\": 0}\n",
                      i, i, -i, i / 10.0, i / 100.0);
    return text.text;
}

static double cell(const json_t *card, size_t row, const char *key)
{
    const json_t *rows = json_object_get(json_array_get(json_object_get(card, "tables"), 0), "rows");
    return jsonio_number_at(json_array_get(rows, row), key);
}

static void steps_are_gathered(void **state)
{
    (void)state;
    json_t *card = must_make(folder_with("rl", rl_steps(50)));
    const json_t *table = json_array_get(json_object_get(card, "tables"), 0), *rows = json_object_get(table, "rows");
    assert_int_equal(json_array_size(json_object_get(card, "tables")), 1);
    assert_int_equal(json_array_size(rows), 17); /* 50 steps, 3 a row */
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "steps")), "1 to 3");
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 16), "steps")), "49 to 50");
    NEAR(cell(card, 0, "reward"), 2, 1e-12);
    NEAR(cell(card, 16, "reward"), 49.5, 1e-12);
    NEAR(cell(card, 16, "kl"), 4.95, 1e-12);
    NEAR(cell(card, 1, "false_agreement"), .05, 1e-12);
    const json_t *charts = json_object_get(card, "charts");
    assert_int_equal(json_array_size(charts), 3);
    assert_int_equal(json_array_size(json_object_get(json_array_get(charts, 0), "points")), 100); /* two series */
    assert_string_equal(json_string_value(json_object_get(json_array_get(charts, 1), "unit")), "number");
    assert_null(json_object_get(json_array_get(charts, 2), "unit"));
    json_decref(card);
}

static const char *finding(const json_t *card, size_t i)
{
    const char *text = json_string_value(json_array_get(json_object_get(card, "findings"), i));
    return text ? text : "";
}

static void over_optimisation_is_said(void **state)
{
    (void)state;
    json_t *card = must_make(folder_with("over", rl_steps(20)));
    assert_non_null(strstr(finding(card, 0), "reward goes from 1.5 to 19.5"));
    assert_non_null(strstr(finding(card, 0), "utility from -1.5 to -19.5"));
    assert_non_null(strstr(finding(card, 1), "from 1.5 to 19.5 %"));
    assert_non_null(strstr(finding(card, 2), "THE REWARD RISES WHILE THE TRUE UTILITY FALLS"));
    json_decref(card);
    /* One step, and nothing known of the utility: nothing is claimed of it. */
    card = must_make(folder_with("one", "{\"stage\": 0, \"kind\": \"rl\", \"reward\": 1, \"kl\": 0, \"true\": 1, \"false_agreement\": 0}\n"));
    assert_null(strstr(finding(card, 0), "utility"));
    assert_string_equal(finding(card, 2), "");
    json_decref(card);
}

static void dpo_and_rl_have_a_table_each(void **state)
{
    (void)state;
    const char *text = arena_printf(memory, "%s%s",
                                    "{\"stage\": 1, \"kind\": \"dpo\", \"step\": 1, \"loss\": 0.6931, \"accuracy\": 0.5, \"margin\": 0, \"norm\": 1}\n"
                                    "{\"stage\": 1, \"kind\": \"dpo\", \"step\": 2, \"loss\": 0.5, \"accuracy\": 0.7, \"margin\": 1, \"norm\": 1}\n",
                                    rl_steps(3));
    json_t *card = must_make(folder_with("both", text));
    assert_int_equal(json_array_size(json_object_get(card, "tables")), 2);
    NEAR(cell(card, 1, "accuracy"), .7, 1e-12);
    assert_non_null(strstr(finding(card, 0), "loss goes from 0.6931 to 0.5"));
    json_decref(card);
}

static void growths_without_steps_have_none(void **state)
{
    (void)state;
    json_t *card = must_make(folder_with("plain", NULL));
    assert_true(json_is_null(card));
    json_decref(card);
    card = must_make(folder_with("other", "{\"stage\": 0, \"kind\": \"pretrain\"}\n"));
    assert_true(json_is_null(card));
    json_decref(card);
}

static bool has_column(const json_t *table, const char *key)
{
    const json_t *columns = json_object_get(table, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(columns, i), "key")), key) == 0)
            return true;
    return false;
}

/* Columns and pictures are of what the steps measured: a preference model that reads no likelihoods has no log-probabilities, and
 * neither has DPO of growths that kept none. */
static void what_was_not_measured_is_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *more, *key;
        bool shown;
        size_t charts;
    } cases[] = {{"preference", "", "logprob", false, 2},
                 {"preference", ", \"logprob\": -2", "logprob", true, 2},
                 {"dpo", "", "logprob_preferred", false, 2},
                 {"dpo", ", \"logprob_preferred\": -2, \"logprob_rejected\": -3", "logprob_preferred", true, 3}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *card = must_make(folder_with(arena_printf(memory, "shown-%zu", i),
                                             arena_printf(memory, "{\"stage\": 0, \"kind\": \"%s\", \"loss\": 0.5, \"accuracy\": 0.75, \"margin\": 1%s}\n",
                                                          cases[i].kind, cases[i].more)));
        const json_t *table = json_array_get(json_object_get(card, "tables"), 0), *charts = json_object_get(card, "charts");
        assert_true(has_column(table, "loss") && has_column(table, "margin"));
        assert_true(has_column(table, cases[i].key) == cases[i].shown);
        assert_int_equal(json_array_size(charts), cases[i].charts);
        if (cases[i].shown)
            NEAR(cell(card, 0, cases[i].key), -2, 0);
        json_decref(card);
    }
    json_t *card = must_make(folder_with("two-lines", "{\"stage\": 0, \"kind\": \"dpo\", \"loss\": 1, \"logprob_preferred\": -2, \"logprob_rejected\": -3}\n"));
    const json_t *charts = json_object_get(card, "charts"), *points = json_object_get(json_array_get(charts, json_array_size(charts) - 1), "points");
    assert_int_equal(json_array_size(points), 2); /* both sides in one picture */
    assert_string_equal(json_string_value(json_object_get(json_array_get(points, 1), "series")), "rejected replies");
    NEAR(jsonio_number_at(json_array_get(points, 1), "y"), -3, 0);
    json_decref(card);
}

static void what_is_no_metrics_file_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"kind\": \"rl\"}\n", "{\"stage\": 1}\n", "[]\n", "reward 3\n", "{\"stage\": 9e99, \"kind\": \"rl\"}\n"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        json_t *card;
        error err = {0};
        assert_int_equal(growth_card(memory, folder_with(arena_printf(memory, "bad-%zu", i), texts[i]), &card, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "metrics.jsonl"));
        assert_null(card);
    }
    /* A stage far away is no reason to look for all those in front of it. */
    json_t *card = must_make(folder_with("far", "{\"stage\": 9000000000000000000, \"kind\": \"rl\", \"reward\": 1}\n"));
    assert_true(json_is_null(card));
    json_decref(card);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_gathered),
        cmocka_unit_test(over_optimisation_is_said),
        cmocka_unit_test(dpo_and_rl_have_a_table_each),
        cmocka_unit_test(growths_without_steps_have_none),
        cmocka_unit_test(what_was_not_measured_is_not_shown),
        cmocka_unit_test(what_is_no_metrics_file_is_refused),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
