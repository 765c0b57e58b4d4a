/* Logistic regression: Spector and Mazzeo's students, a 2 x 2 table in closed form, and data without a maximum. */
#include "stats/logit.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

/* Grade point average, test score, new teaching method; improved or not (Spector and Mazzeo, Journal of Economic Education 11, 1980). */
static const double students[32][3] = {
    {2.66, 20, 0}, {2.89, 22, 0}, {3.28, 24, 0}, {2.92, 12, 0}, {4, 21, 0}, {2.86, 17, 0}, {2.76, 17, 0}, {2.87, 21, 0},
    {3.03, 25, 0}, {3.92, 29, 0}, {2.63, 20, 0}, {3.32, 23, 0}, {3.57, 23, 0}, {3.26, 25, 0}, {3.53, 26, 0}, {2.74, 19,
    0}, {2.75, 25, 0}, {2.83, 19, 0}, {3.12, 23, 1}, {3.16, 25, 1}, {2.06, 22, 1}, {3.62, 28, 1}, {2.89, 14, 1}, {3.51,
    26, 1}, {3.54, 24, 1}, {2.83, 27, 1}, {3.39, 17, 1}, {2.67, 24, 1}, {3.65, 21, 1}, {4, 23, 1}, {3.1, 21, 1}, {2.39,
    19, 1}};
static const bool improved[32] = {
    false, false, false, false, true, false, false, false, false, true, false, false, false, true, false, false, false,
    false, false, true, false, true, false, false, true, true, true, false, true, true, false, true};

static void spectors_students(void **state)
{
    (void)state; /* Greene, Econometric Analysis, table "Estimated probability models": -13.021 (4.931), 2.826 (1.263), .095 (.142), 2.379 (1.065) */
    static const double value[] = {-13.02134686, 2.82611259, .09515766, 2.37868766}, sem[] = {4.93132421, 1.26294108, .14155421, 1.06456425};
    static const double p[] = {.00827746, .02523911, .50143424, .0254552};
    arena *a = arena_new(NULL);
    error err = {0};
    logit_result r;
    assert_int_equal(logit_fit(a, &(logit_data){32, 3, &students[0][0], improved, true}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_OVERLAP);
    assert_int_equal(r.count, 4);
    NEAR(r.log_likelihood, -12.889634222131416, 1e-9);
    for (size_t k = 0; k < 4; k++) {
        NEAR(r.weights[k].value, value[k], 1e-6);
        NEAR(r.weights[k].error, sem[k], 1e-5);
        NEAR(r.weights[k].p, p[k], 1e-6);
        NEAR(r.covariance[5 * k], sem[k] * sem[k], 1e-4);
        NEAR(r.weights[k].limits.high, value[k] + 1.959964 * sem[k], 1e-4);
    }
    arena_free(a);
}

/* One feature of two values: the weight is the log odds ratio, its variance the sum of the reciprocals of the four counts. */
static void a_table_of_four(void **state)
{
    (void)state;
    enum { N = 100 };
    double x[N];
    bool y[N];
    for (size_t i = 0; i < N; i++) { /* 60 with: 40 yes; 40 without: 10 yes */
        x[i] = i < 60 ? 1000 : 0;
        y[i] = i < 40 || i >= 90;
    }
    arena *a = arena_new(NULL);
    logit_result r;
    assert_int_equal(logit_fit(a, &(logit_data){N, 1, x, y, true}, &r, NULL), STATUS_OK);
    NEAR(r.weights[1].value * 1000, log(40. * 30 / (20 * 10)), 1e-8);
    NEAR(r.weights[1].error * 1000, sqrt(1. / 40 + 1. / 20 + 1. / 10 + 1. / 30), 1e-8);
    NEAR(r.weights[0].value, log(10. / 30), 1e-8);
    arena_free(a);
}

static void separation_is_named(void **state)
{
    (void)state;
    /* Complete: x1 - x2 divides the kinds. Quasi-complete: feature 2 is only ever shown by what was chosen. */
    const double complete[] = {3, 1, 4, 2, 5, 1, 1, 3, 2, 4, 1, 5}, quasi[] = {1, 1, 2, 0, 3, 1, 3, 0, 1, 0, 2, 0, 4, 0, 2.5, 0};
    const bool first[] = {true, true, true, false, false, false}, some[] = {true, true, true, false, false, false, true, true};
    arena *a = arena_new(NULL);
    error err = {0};
    logit_result r;
    assert_int_equal(logit_fit(a, &(logit_data){6, 2, complete, first, true}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_COMPLETE);
    assert_true(isnan(r.weights[1].value) && isnan(r.weights[1].p) && isnan(r.log_likelihood) && isnan(r.covariance[0]));
    for (size_t i = 0; i < 6; i++) {
        double z = r.direction[0] + r.direction[1] * complete[2 * i] + r.direction[2] * complete[2 * i + 1];
        assert_true(first[i] ? z > 0 : z < 0);
    }
    assert_int_equal(logit_fit(a, &(logit_data){8, 2, quasi, some, true}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_QUASI);
    NEAR(r.direction[2], 1, 0); /* only the second feature runs off */
    NEAR(r.direction[1], 0, 0);
    /* Without an intercept, all of one kind: whatever the weights, more is likelier. */
    const double ones[] = {1, 2, 3};
    assert_int_equal(logit_fit(a, &(logit_data){3, 1, ones, (bool[]){true, true, true}, false}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_COMPLETE);
    assert_int_equal(logit_fit(a, &(logit_data){3, 0, NULL, (bool[]){true, true, true}, true}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_COMPLETE);
    /* One item of each kind exchanged: now there is a maximum. */
    const bool mixed[] = {true, true, false, false, false, true};
    assert_int_equal(logit_fit(a, &(logit_data){6, 2, complete, mixed, true}, &r, &err), STATUS_OK);
    assert_int_equal(r.separated, LOGIT_OVERLAP);
    assert_null(r.direction);
    assert_true(isfinite(r.weights[1].value) && isfinite(r.weights[1].error));
    arena_free(a);
}

/* Strong but overlapping data far from 0 are not called separated; weights are those that made them. */
static void strong_is_not_separated(void **state)
{
    (void)state;
    enum { N = 4000 };
    arena *a = arena_new(NULL);
    double *x = ARENA_ARRAY(a, double, 2 * N);
    bool *y = ARENA_ARRAY(a, bool, N);
    random_stream r = random_stream_at(5, "test/logit", 0, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        x[2 * i] = 20 * random_normal(&r);
        x[2 * i + 1] = random_normal(&r);
        y[i] = random_uniform(&r) < 1 / (1 + exp(-(1 + 2 * x[2 * i] - 1.5 * x[2 * i + 1])));
    }
    logit_result fit;
    error err = {0};
    assert_int_equal(logit_fit(a, &(logit_data){N, 2, x, y, true}, &fit, &err), STATUS_OK);
    assert_int_equal(fit.separated, LOGIT_OVERLAP);
    static const double truth[] = {1, 2, -1.5};
    for (size_t k = 0; k < 3; k++)
        NEAR(fit.weights[k].value, truth[k], 3.5 * fit.weights[k].error);
    arena_free(a);
}

static void bad_input(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err = {0};
    logit_result r;
    const bool y[] = {true, false, true};
    assert_int_equal(logit_fit(a, &(logit_data){0, 1, NULL, NULL, true}, &r, &err), STATUS_INVALID);
    assert_int_equal(logit_fit(a, &(logit_data){3, 1, (double[]){1, NAN, 2}, y, true}, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "row 2"));
    assert_int_equal(logit_fit(a, &(logit_data){3, 1, (double[]){7, 7, 7}, y, true}, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "rank 1"));
    assert_int_equal(logit_fit(a, &(logit_data){3, 2, (double[]){1, 2, 2, 4, 3, 6}, y, false}, &r, &err), STATUS_INVALID);
    assert_int_equal(logit_fit(a, &(logit_data){1, 2, (double[]){1, 2}, y, true}, &r, &err), STATUS_INVALID);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spectors_students), cmocka_unit_test(a_table_of_four), cmocka_unit_test(separation_is_named),
        cmocka_unit_test(strong_is_not_separated), cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
