/* Runs on scripts: records, resuming, failures, limits, roles, replay, comparison. */
#include "folder.h"
#include "toy.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/describe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

typedef struct bench {
    arena *arena;
    store *store;
    param_values *params;
    run_role roles[2];
    run_request request;
} bench;

static const char *script_file(arena *a, const char *name, const char *text)
{
    char *path = file_join(a, test_folder(), name);
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    return arena_printf(a, "script:%s", path);
}

static bench *bench_new(const char *script, const char *items)
{
    static int n;
    arena *a = arena_new(NULL);
    bench *b = ARENA_NEW(a, bench);
    b->arena = a;
    assert_int_equal(store_open(arena_printf(a, "%s/%d.db", test_folder(), ++n), STORE_WRITE, &b->store, NULL), STATUS_OK);
    assert_int_equal(param_values_new(a, toy_params, COUNT_OF(toy_params), &b->params, NULL), STATUS_OK);
    assert_int_equal(param_set(b->params, "items", items, NULL), STATUS_OK);
    b->roles[0] = (run_role){.name = "subject", .specification = script_file(a, arena_printf(a, "%d.yaml", n), script)};
    b->request = (run_request){.study = &toy_study, .params = b->params, .seed = 3, .roles = b->roles, .role_count = 1,
                               .store = b->store};
    return b;
}

static void bench_free(bench *b)
{
    assert_int_equal(store_close(b->store, NULL), STATUS_OK);
    arena_free(b->arena);
}

static run_outcome run_good(bench *b)
{
    run_outcome out;
    error err = {0};
    if (run_study(b->arena, &b->request, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return out;
}

static const char *text_of(bench *b, const json_t *value)
{
    strbuf s = strbuf_new(b->arena, 1 << 20);
    assert_int_equal(jsonio_print(value, 0, &s, NULL), STATUS_OK);
    return s.text;
}

static void a_run_gives_its_summary(void **state)
{
    (void)state;
    bench *b = bench_new(toy_script, "200");
    run_outcome out = run_good(b);
    assert_true(out.done == 200 && out.failed == 0 && !out.resumed && out.id == 1);
    assert_string_equal(json_string_value(json_object_get(out.json, "study")), "toy");
    assert_int_equal(json_integer_value(json_object_get(out.json, "seed")), 3);
    assert_int_equal(json_integer_value(json_object_get(out.json, "missing")), 0);
    json_t *stored, *said;
    store_sample x;
    assert_int_equal(store_sample_get(b->store, b->arena, 1, 12, 0, &x, NULL), STATUS_OK);
    assert_int_equal(jsonio_parse(slice_of(x.transcript), "transcript", &said, NULL), STATUS_OK);
    const json_t *turn = json_array_get(said, 0), *asked = json_array_get(json_object_get(turn, "messages"), 0);
    assert_string_equal(json_string_value(json_object_get(turn, "role")), "subject");
    assert_string_equal(json_string_value(json_object_get(asked, "content")), "what is 12 plus 6");
    assert_non_null(strstr(x.record, json_string_value(json_object_get(turn, "answer"))));
    store_run row;
    assert_int_equal(store_run_get(b->store, b->arena, 1, &row, NULL), STATUS_OK);
    assert_string_equal(row.state, "finished");
    json_decref(said);
    assert_int_equal(run_result_json(b->store, b->arena, 1, &stored, NULL), STATUS_OK);
    assert_string_equal(text_of(b, stored), text_of(b, out.json));
    json_decref(stored);
    run_outcome_clear(&out);
    bench_free(b);
}

static atomic_bool flag;

/* Sets the flag after so many microseconds. */
static void *stop_soon(void *context)
{
    usleep(*(const useconds_t *)context);
    atomic_store(&flag, true);
    return NULL;
}

/* Interrupted again and again, a run ends with the bytes of an undisturbed one. */
static void an_interrupted_run_is_gone_on_with(void **state)
{
    (void)state;
    bench *b = bench_new(toy_script, "20000"), *calm = bench_new(toy_script, "20000");
    b->roles[0].specification = calm->roles[0].specification;
    run_outcome out, other = run_good(calm);
    b->request.interrupt = &flag;
    b->request.in_flight = 3;
    int interrupts = 0;
    status result;
    error err = {0};
    do {
        pthread_t stopper;
        useconds_t pause = 5000 * ((useconds_t)interrupts + 1); /* longer each time: slow machines get to the end too */
        atomic_store(&flag, false);
        assert_int_equal(pthread_create(&stopper, NULL, stop_soon, &pause), 0);
        result = run_study(b->arena, &b->request, &out, &err);
        pthread_join(stopper, NULL);
        interrupts += result == STATUS_INTERRUPTED;
    } while (result == STATUS_INTERRUPTED && interrupts < 1000);
    assert_int_equal(result, STATUS_OK);
    assert_true(interrupts > 0 && out.resumed && out.id == 1);
    assert_string_equal(text_of(b, out.json), text_of(b, other.json));
    run_outcome_clear(&out);
    run_outcome_clear(&other);
    bench_free(b);
    bench_free(calm);
}

static void failed_samples_are_recorded_and_asked_again(void **state)
{
    (void)state;
    static const char failing[] = "default: yes\nrules:\n  - contains: what is 7 plus\n    fails: the line is dead\n";
    bench *b = bench_new(failing, "50");
    run_outcome out = run_good(b);
    assert_true(out.failed == 1 && out.done == 49);
    assert_string_equal(out.first_problem, "the line is dead");
    assert_int_equal(json_integer_value(json_object_get(out.json, "missing")), 1);
    run_outcome_clear(&out);
    store_sample x;
    assert_int_equal(store_sample_get(b->store, b->arena, 1, 7, 0, &x, NULL), STATUS_OK);
    assert_int_equal(x.code, STATUS_NETWORK);
    assert_non_null(strstr(x.transcript, "the line is dead"));
    out = run_good(b); /* the same command asks the one that is missing */
    assert_true(out.resumed && out.id == 1 && out.effort.requests == 1);
    run_outcome_clear(&out);
    bench_free(b);
}

static void a_hopeless_run_is_stopped(void **state)
{
    (void)state;
    bench *b = bench_new("default: yes\nrules:\n  - contains: what\n    fails: nobody there\n", "5000");
    run_outcome out;
    error err = {0};
    assert_int_equal(run_study(b->arena, &b->request, &out, &err), STATUS_NETWORK);
    assert_non_null(strstr(err.message, "nobody there"));
    store_run row;
    assert_int_equal(store_run_get(b->store, b->arena, 1, &row, NULL), STATUS_OK);
    assert_true(row.failed >= 20 && row.failed < 200);
    assert_string_equal(row.state, "failed");
    bench_free(b);
}

static void limits_stop_a_run_and_keep_what_is_done(void **state)
{
    (void)state;
    bench *b = bench_new(toy_script, "500");
    run_outcome out;
    error err = {0};
    b->request.limits.tokens = 1000;
    assert_int_equal(run_study(b->arena, &b->request, &out, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "1000 tokens"));
    b->request.limits.tokens = 0;
    out = run_good(b);
    assert_true(out.resumed && out.done == 500 && out.effort.requests < 500);
    run_outcome_clear(&out);
    bench_free(b);
}

static void roles_are_filled_or_asked_for(void **state)
{
    (void)state;
    bench *b = bench_new(toy_script, "20");
    run_outcome out;
    error err = {0};
    b->roles[1] = (run_role){.name = "judge", .specification = script_file(b->arena, "judge.yaml", "default: right\n")};
    b->request.role_count = 2;
    out = run_good(b);
    assert_int_equal(out.effort.requests, 40);
    run_outcome_clear(&out);
    b->roles[1].name = "juge";
    assert_int_equal(run_study(b->arena, &b->request, &out, &err), STATUS_USAGE);
    b->request.role_count = 0;
    assert_int_equal(run_study(b->arena, &b->request, &out, &err), STATUS_USAGE);
    assert_non_null(strstr(err.hint, "-m SUBJECT"));
    b->request.role_count = 1;
    b->request.dry_run = true;
    assert_int_equal(run_study(b->arena, &b->request, &out, &err), STATUS_OK);
    assert_null(out.json);
    bench_free(b);
}

static void a_replay_compares_bytes(void **state)
{
    (void)state;
    bench *b = bench_new(toy_script, "300");
    run_outcome out = run_good(b);
    run_outcome_clear(&out);
    run_replayed r;
    run_request plain = {.in_flight = 7};
    assert_int_equal(run_replay(b->arena, b->store, 1, &toy_study, &plain, 0, &r, NULL), STATUS_OK);
    assert_true(r.compared == 300 && r.equal == 300);
    assert_int_equal(run_replay(b->arena, b->store, 1, &toy_study, &plain, 10, &r, NULL), STATUS_OK);
    assert_int_equal(r.compared, 10);
    run_role other = {.name = "subject", .specification = script_file(b->arena, "other.yaml", "default: hm.\n")};
    run_request changed = {.roles = &other, .role_count = 1};
    assert_int_equal(run_replay(b->arena, b->store, 1, &toy_study, &changed, 0, &r, NULL), STATUS_OK);
    assert_true(r.compared == 300 && r.equal < 300 && r.difference_count == (300 - r.equal < 100 ? 300 - r.equal : 100));
    for (size_t i = 1; i < r.difference_count; i++)
        assert_true(r.differences[i - 1].index < r.differences[i].index);
    bench_free(b);
}

/* Studies ask whether somebody gave a value. What stands in a stored description because it is the default was not given. */
static void a_default_is_not_given_when_a_run_is_read_again(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    param_values *values, *again;
    error err = {0};
    for (int given = 0; given < 2; given++) {
        assert_int_equal(param_values_new(a, toy_params, COUNT_OF(toy_params), &values, &err), STATUS_OK);
        if (given)
            assert_int_equal(param_set(values, "items", "7", &err), STATUS_OK);
        json_t *description = json_pack("{s:o}", "parameters", param_json(values));
        assert_int_equal(describe_params(a, &toy_study, description, &again, &err), STATUS_OK);
        assert_true(param_given(again, "items") == (given == 1));
        assert_int_equal(param_int(again, "items"), given ? 7 : 200);
        json_decref(description);
    }
    arena_free(a);
}

static void two_runs_are_compared_in_pairs(void **state)
{
    (void)state;
    bench *b = bench_new("default: yes\n", "100");
    run_outcome out = run_good(b);
    run_outcome_clear(&out);
    /* Unsure on 10 .. 19 and nowhere else: 5 discordant pairs in each group, so p = 2 / 2^5. */
    b->roles[0].specification = script_file(b->arena, "c.yaml", "default: yes\nrules:\n  - matches: 'is 1\\d plus'\n    answer: hm\n");
    out = run_good(b);
    assert_int_equal(out.id, 2);
    run_outcome_clear(&out);
    json_t *c;
    assert_int_equal(run_compare(b->store, b->arena, 1, 2, &c, NULL), STATUS_OK);
    assert_int_equal(json_integer_value(json_object_get(c, "shared")), 100);
    const json_t *rows = json_object_get(c, "rows");
    assert_int_equal(json_array_size(rows), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *r = json_array_get(rows, i);
        double sign = strcmp(json_string_value(json_object_get(r, "verdict")), "unsure") == 0 ? 1 : -1;
        assert_true(fabs(json_number_value(json_object_get(r, "difference")) - sign * 0.1) < 1e-12);
        assert_true(fabs(json_number_value(json_object_get(r, "p")) - 0.0625) < 1e-12);
        assert_true(json_number_value(json_object_get(r, "low")) < sign * 0.1);
        assert_true(json_number_value(json_object_get(r, "high")) > sign * 0.1);
    }
    json_decref(c);
    bench_free(b);
}

static void numbers_are_compared_by_their_means(void **state)
{
    (void)state;
    bench *b = bench_new("default: '0.5'\n", "100");
    run_outcome out = run_good(b);
    run_outcome_clear(&out);
    /* More on 10 .. 19, which are one text of ten: of ten clusters one differs, and either sign of it is as far from 0. */
    b->roles[0].specification = script_file(b->arena, "m.yaml", "default: '0.5'\nrules:\n  - matches: 'is 1\\d plus'\n    answer: '0.75'\n");
    out = run_good(b);
    run_outcome_clear(&out);
    json_t *c;
    assert_int_equal(run_compare(b->store, b->arena, 1, 2, &c, NULL), STATUS_OK);
    const json_t *means = json_object_get(c, "means");
    assert_int_equal(json_array_size(means), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *r = json_array_get(means, i);
        assert_int_equal(json_integer_value(json_object_get(r, "n")), 50);
        assert_int_equal(json_integer_value(json_object_get(r, "clusters")), 10);
        assert_true(fabs(json_number_value(json_object_get(r, "a")) - .5) < 1e-12);
        assert_true(fabs(json_number_value(json_object_get(r, "difference")) - .025) < 1e-12);
        assert_true(json_number_value(json_object_get(r, "low")) == 0 && json_number_value(json_object_get(r, "high")) > .025);
        assert_true(json_number_value(json_object_get(r, "p")) == 1 && json_number_value(json_object_get(r, "p_holm")) == 1);
    }
    json_decref(c);
    /* More on every item: all signs alike, 2 of 2^10. */
    b->roles[0].specification = script_file(b->arena, "n.yaml", "default: '0.6'\n");
    out = run_good(b);
    run_outcome_clear(&out);
    assert_int_equal(run_compare(b->store, b->arena, 1, 3, &c, NULL), STATUS_OK);
    const json_t *r = json_array_get(json_object_get(c, "means"), 1);
    assert_true(fabs(json_number_value(json_object_get(r, "p")) - 2. / 1024) < 1e-12);
    assert_true(fabs(json_number_value(json_object_get(r, "p_holm")) - 4 * 2. / 1024) < 1e-12); /* two rows of shares, two of means */
    assert_true(fabs(json_number_value(json_object_get(r, "low")) - .1) < 1e-12 && fabs(json_number_value(json_object_get(r, "high")) - .1) < 1e-12);
    json_decref(c);
    bench_free(b);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t ended = 0;
    for (unsigned long n = 1; n < 400 && ended < 3; n++) {
        bench *b = bench_new(toy_script, "3");
        run_outcome out;
        error err = {0};
        b->request.in_flight = 1;
        memory_fail_at(n);
        status result = run_study(b->arena, &b->request, &out, &err);
        bool reached = memory_count() >= n;
        memory_fail_at(0);
        if (result == STATUS_OK) {
            assert_int_equal(out.done + out.failed, 3);
            run_outcome_clear(&out);
        } else {
            assert_int_equal(result, STATUS_MEMORY);
            assert_true(err.message[0] != 0);
        }
        ended += !reached;
        store_close(b->store, NULL);
        arena_free(b->arena);
    }
    assert_int_equal(ended, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_gives_its_summary),
        cmocka_unit_test(an_interrupted_run_is_gone_on_with),
        cmocka_unit_test(failed_samples_are_recorded_and_asked_again),
        cmocka_unit_test(a_hopeless_run_is_stopped),
        cmocka_unit_test(limits_stop_a_run_and_keep_what_is_done),
        cmocka_unit_test(roles_are_filled_or_asked_for),
        cmocka_unit_test(a_replay_compares_bytes),
        cmocka_unit_test(a_default_is_not_given_when_a_run_is_read_again),
        cmocka_unit_test(two_runs_are_compared_in_pairs),
        cmocka_unit_test(numbers_are_compared_by_their_means),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
