/* The study of sketches on short streams: it asks nobody, ends the same when replayed, and says what the specification claims. */
#include "core/jsonio.h"
#include "near.h"
#include "run/run.h"
#include "shared.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

extern const study sketches_study;

typedef struct bench {
    arena *arena;
    store *store;
    char path[64];
    param_values *params;
} bench;

static bench bench_new(void)
{
    bench b = {.arena = arena_new(NULL)};
    error err = {0};
    snprintf(b.path, sizeof b.path, "/tmp/test-sketches-%ld.db", (long)getpid());
    unlink(b.path);
    if (store_open(b.path, STORE_WRITE, &b.store, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(param_values_new(b.arena, sketches_study.params, sketches_study.param_count, &b.params, NULL), STATUS_OK);
    assert_int_equal(param_set(b.params, "length", "30000", NULL), STATUS_OK);
    assert_int_equal(param_set(b.params, "repeats", "2", NULL), STATUS_OK);
    assert_int_equal(param_set(b.params, "words", "400", NULL), STATUS_OK);
    return b;
}

static void bench_free(bench *b)
{
    char name[80];
    store_close(b->store, NULL);
    arena_free(b->arena);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", b->path, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(name);
    }
}

static run_outcome run_good(bench *b)
{
    run_outcome out;
    error err = {0};
    run_request q = {.study = &sketches_study, .params = b->params, .seed = 4, .store = b->store};
    if (run_study(b->arena, &q, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return out;
}

static void without_a_subject(void **state)
{
    (void)state;
    bench b = bench_new();
    run_replayed replayed;
    error err = {0};
    assert_int_equal(param_set(b.params, "streams", "smooth,ties", NULL), STATUS_OK);
    run_outcome out = run_good(&b);
    assert_int_equal(out.done, 12);
    assert_string_equal(json_string_value(json_object_get(out.json, "subject")), STUDY_WITHOUT_SUBJECT);
    const char *name;
    json_t *form;
    json_object_foreach(json_object_get(out.summary, "forms"), name, form)
        if (strcmp(json_string_value(json_object_get(form, "family")), "smooth") == 0)
            assert_true(jsonio_number_at(form, "estimate") < .4);
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(out.summary, "cells"), i, cell)
        assert_true(json_integer_value(json_object_get(cell, "words")) <= 400 && json_integer_value(json_object_get(cell, "words")) > 370);
    assert_true(json_array_size(json_object_get(out.figures, "charts")) == 6);
    run_request again = {.study = &sketches_study};
    if (run_replay(b.arena, b.store, out.id, &sketches_study, &again, 3, &replayed, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(replayed.compared == 3 && replayed.equal == 3);
    run_outcome_clear(&out);
    run_role nobody = {.name = "subject", .specification = "base"};
    run_request wrong = {.study = &sketches_study, .params = b.params, .seed = 5, .store = b.store, .roles = &nobody, .role_count = 1};
    assert_int_equal(run_study(b.arena, &wrong, &out, &err), STATUS_USAGE);
    bench_free(&b);
}

/* On real data at most half of KLL's mean error. */
static void real_streams(void **state)
{
    (void)state;
    bench b = bench_new();
    const char *file = shared_data(b.arena, "streams/flights_200k.csv.gz");
    if (!file) {
        bench_free(&b);
        skip();
    }
    assert_int_equal(param_set(b.params, "streams", "real", NULL), STATUS_OK);
    assert_int_equal(param_set(b.params, "repeats", "1", NULL), STATUS_OK);
    assert_int_equal(param_set(b.params, "file", arena_printf(b.arena, "%s#distance_mi", file), NULL), STATUS_OK);
    run_outcome out = run_good(&b);
    const char *name;
    json_t *form;
    assert_int_equal(json_object_size(json_object_get(out.summary, "forms")), 3);
    json_object_foreach(json_object_get(out.summary, "forms"), name, form)
        assert_true(jsonio_number_at(form, "estimate") < .5);
    run_outcome_clear(&out);
    bench_free(&b);
}

static void wrong_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } rows[] = {
        {"words", "400,20", "expected up to"}, {"streams", "smoth", "no family"}, {"streams", "real", "no stream"}, {"file", "none.txt", "none.txt"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bench b = bench_new();
        run_outcome out;
        error err = {0};
        assert_int_equal(param_set(b.params, rows[i].name, rows[i].value, NULL), STATUS_OK);
        run_request q = {.study = &sketches_study, .params = b.params, .seed = 4, .store = b.store};
        assert_int_not_equal(run_study(b.arena, &q, &out, &err), STATUS_OK);
        if (!strstr(err.message, rows[i].says))
            fail_msg("expected '%s' in '%s'", rows[i].says, err.message);
        bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_subject),
        cmocka_unit_test(real_streams),
        cmocka_unit_test(wrong_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
