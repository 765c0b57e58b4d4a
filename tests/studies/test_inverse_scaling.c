/* The inverse-scaling study on answers of the test's own: who obeys, who falls for what it remembers, and who cannot tell. */
#include "bench.h"

#include "near.h"
#include "world/sayings.h"

#include <string.h>

extern const study inverse_scaling_study;

/* What a made-up subject likes: the answer that ends as the prompt asks, or the other one. */
typedef struct taste {
    double obeys, other; /* log-probabilities */
} taste;

static void by_ending(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    const taste *likes = context;
    char ending[32];
    assert_int_equal(sscanf(messages[0].blocks[0].text, "Write a line that ends in %31[^:]", ending), 1);
    for (size_t i = 0; i < count; i++) {
        const char *at = strstr(continuations[i], ending);
        logprobs[i] = at && strcmp(at + strlen(ending), ".") == 0 ? likes->obeys : likes->other;
    }
}

static void right_answers_are_counted_with_their_losses(void **state)
{
    (void)state;
    taste obedient = {-1, -2};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "120", NULL}, 3);
    b.score = by_ending;
    b.context = &obedient;
    bench_run(&b);
    assert_int_equal(b.run.sample_count, 480);
    NEAR(bench_number(&b, "memo-0.estimate"), 1, 0);
    NEAR(bench_number(&b, "memo-200.estimate"), 1, 0);
    NEAR(bench_number(&b, "memo-200.loss.estimate"), log(1 + exp(-1)), 1e-9);
    NEAR(bench_number(&b, "memo-200.mass"), exp(-1) + exp(-2), 1e-9);
    NEAR(bench_number(&b, "memo-200.chance"), .5, 0);
    NEAR(bench_number(&b, "memo-200.loss.chance"), log(2), 1e-12);
    const json_t *record = json_array_get(b.records, 7);
    assert_true(json_integer_value(json_object_get(json_object_get(record, "scores"), "accuracy")) == 1);
    NEAR(json_number_value(json_object_get(json_object_get(record, "scores"), "loss")), -log(1 + exp(-1)), 1e-9);
    assert_non_null(json_object_get(record, "cluster"));
    bench_close(&b);

    /* With the classes exchanged the accuracy is 1 - accuracy. */
    taste stubborn = {-2, -1};
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "120", NULL}, 3);
    b.score = by_ending;
    b.context = &stubborn;
    bench_run(&b);
    NEAR(bench_number(&b, "memo-2.estimate"), 0, 0);
    NEAR(bench_number(&b, "memo-2.loss.estimate"), log(1 + exp(1)), 1e-9);
    assert_int_equal(json_array_size(json_object_get(b.figures, "findings")), 4);
    bench_close(&b);

    /* Who gives next to nothing to both is told apart. */
    taste stranger = {-20, -21};
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "20", NULL}, 3);
    b.score = by_ending;
    b.context = &stranger;
    bench_run(&b);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(b.figures, "findings"), 4)), "In 4 of 4 tasks"));
    bench_close(&b);
}

static void who_cannot_tell_is_at_chance(void **state)
{
    (void)state;
    taste even = {-3, -3};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "400", NULL}, 1);
    b.score = by_ending;
    b.context = &even;
    bench_run(&b);
    NEAR(bench_number(&b, "memo-20.loss.estimate"), log(2), 1e-9);
    NEAR(bench_number(&b, "memo-20.ties"), 400, 0);
    NEAR(bench_number(&b, "memo-20.estimate"), .5, .1); /* the first of equals counts, and places are drawn */
    bench_close(&b);
}

static void samples_that_failed_are_counted_apart(void **state)
{
    (void)state;
    taste obedient = {-1, -2};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "10", NULL}, 1);
    b.score = by_ending;
    b.context = &obedient;
    bench_run(&b);
    for (size_t i = 0; i < 10; i++)
        json_array_set_new(b.records, i, json_null());
    json_array_set_new(b.records, 12, json_null());
    json_decref(b.summary);
    json_decref(b.figures);
    assert_int_equal(inverse_scaling_study.summarise(&b.run, b.records, &b.summary, &b.err), STATUS_OK);
    assert_int_equal(inverse_scaling_study.figures(&b.run, b.summary, &b.figures, &b.err), STATUS_OK);
    assert_true(isnan(bench_number(&b, "memo-0.estimate")));
    NEAR(bench_number(&b, "memo-2.n"), 9, 0);
    NEAR(bench_number(&b, "memo-2.failed"), 1, 0);
    bench_close(&b);
}

static void traps_are_named(void **state)
{
    (void)state;
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo, fallacy", "items", "5", NULL}, 1);
    assert_int_equal(inverse_scaling_study.prepare(&b.run, &b.err), STATUS_OK);
    assert_int_equal(b.run.sample_count, 30);
    bench_close(&b);
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memory", NULL}, 1);
    assert_int_equal(inverse_scaling_study.prepare(&b.run, &b.err), STATUS_USAGE);
    assert_non_null(strstr(b.err.message, "memory"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_answers_are_counted_with_their_losses),
        cmocka_unit_test(who_cannot_tell_is_at_chance),
        cmocka_unit_test(samples_that_failed_are_counted_apart),
        cmocka_unit_test(traps_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
