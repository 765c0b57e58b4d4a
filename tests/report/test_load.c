/* Run objects from a store: which run a word names, figures made anew, transcripts of the chosen samples. */
#include "folder.h"

#include "core/arena.h"
#include "report/load.h"
#include "report/report.h"
#include "run/study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static char path[600];

static int64_t add_run(store *s, arena *a, const char *key, const char *name, size_t samples)
{
    store_run wanted = {.key = key, .study = "sycophancy", .subject = name, .seed = 3, .sample_count = samples,
                        .description = "{\"parameters\": {\"items\": 7, \"forms\": \"answer\"}}", .machine = "{\"threads\": 2}"};
    store_run run;
    bool resumed;
    error err;
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, &err), STATUS_OK);
    for (size_t i = 0; i < samples; i++) {
        char record[128];
        snprintf(record, sizeof record, "{\"group\": \"answer\", \"verdict\": \"%s\", \"asked\": \"q%zu\"}", i % 3 ? "good" : "bad", i);
        store_sample one = {.run = run.id, .index = i, .record = record,
                            .transcript = "[{\"role\": \"subject\", \"messages\": [{\"role\": \"user\", \"content\": \"Q\"}], "
                                          "\"answer\": \"A\"}]"};
        assert_int_equal(store_sample_add(s, &one, &err), STATUS_OK);
    }
    assert_int_equal(store_event_add(s, run.id, "tokens", "{\"count\": 41}", &err), STATUS_OK);
    if (samples > 100)
        assert_int_equal(store_event_add(s, run.id, "planted", "{\"dose\": 0.5}", &err), STATUS_OK);
    assert_int_equal(store_run_finish(s, run.id, "finished",
                                      "{\"forms\": {\"answer\": {\"rate\": 0.5, \"base\": 0, \"excess\": 0.5, \"estimate\": 0.5, "
                                      "\"low\": 0.4, \"high\": 0.6, \"n\": 9, \"unreadable\": 0}}}",
                                      "{\"requests\": 3}", &err),
                     STATUS_OK);
    return run.id;
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/runs.db", test_folder());
    store *s;
    error err;
    arena *a = arena_new(NULL);
    if (store_open(path, STORE_WRITE, &s, &err) != STATUS_OK)
        return 1;
    add_run(s, a, "k1", "oracle:0.5", 300);
    add_run(s, a, "k2", "other", 4);
    arena_free(a);
    return store_close(s, &err) != STATUS_OK;
}

static void a_run_is_found_by_number_by_subject_and_as_the_last(void **state)
{
    (void)state;
    store *s;
    error err;
    arena *a = arena_new(NULL);
    assert_int_equal(store_open(path, STORE_READ, &s, &err), STATUS_OK);
    int64_t id = 0;
    assert_int_equal(report_find_run(s, a, "last", &id, &err), STATUS_OK);
    assert_int_equal(id, 2);
    assert_int_equal(report_find_run(s, a, "oracle:0.5", &id, &err), STATUS_OK);
    assert_int_equal(id, 1);
    assert_int_equal(report_find_run(s, a, "2", &id, &err), STATUS_OK);
    assert_int_equal(id, 2);
    assert_int_equal(report_find_run(s, a, "7", &id, &err), STATUS_NOT_FOUND);
    assert_int_equal(report_find_run(s, a, "nobody", &id, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "nobody"));
    store_close(s, NULL);
    arena_free(a);
}

static void a_run_is_loaded_with_its_figures_and_chosen_transcripts(void **state)
{
    (void)state;
    store *s;
    error err;
    json_t *run = NULL;
    assert_int_equal(store_open(path, STORE_READ, &s, &err), STATUS_OK);
    assert_int_equal(report_load_run(s, 1, REPORT_LOAD_CHOSEN, &run, &err), STATUS_OK);
    assert_int_equal(json_array_size(json_object_get(run, "samples")), REPORT_SAMPLES);
    const json_t *sample = json_array_get(json_object_get(run, "samples"), 0);
    json_t *turns = report_turns(json_object_get(sample, "transcript"));
    assert_int_equal(json_array_size(turns), 2);
    json_decref(turns);
    size_t known = 0; /* the study makes the figures, where this build has it */
    for (size_t i = 0; i < study_catalogue_count; i++)
        known += strcmp(study_catalogue[i]->name, "sycophancy") == 0;
    assert_int_equal(json_array_size(json_object_get(json_object_get(run, "figures"), "findings")), known);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(run, "audit"), "count")), 41);
    assert_true(report_dose(run, "answer") == 0.5);
    json_decref(run);
    assert_int_equal(report_load_run(s, 2, REPORT_LOAD_SUMMARY, &run, &err), STATUS_OK);
    assert_int_equal(json_array_size(json_object_get(run, "samples")), 0);
    assert_true(isnan(report_dose(run, "answer")));
    json_decref(run);
    assert_int_equal(report_load_run(s, 9, REPORT_LOAD_ALL, &run, &err), STATUS_NOT_FOUND);
    store_close(s, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_found_by_number_by_subject_and_as_the_last),
        cmocka_unit_test(a_run_is_loaded_with_its_figures_and_chosen_transcripts),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
