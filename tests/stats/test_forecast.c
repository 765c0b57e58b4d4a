/* Stated probabilities: by hand, and beside scikit-learn's isotonic and sigmoid calibration. */
#include "stats/forecast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

static void miscalibration_by_hand(void **state)
{
    (void)state;
    calibration_bin bins[10];
    const double stated[] = {.95, .95, .55, .55};
    const bool right[] = {true, false, true, false};
    NEAR(calibration_error(stated, right, 4, bins, 10), .5 * .45 + .5 * .05, 1e-12);
    assert_int_equal(bins[9].count, 2);
    NEAR(calibration_error((const double[]){1}, (const bool[]){true}, 1, bins, 10), 0, 0);
    assert_true(isnan(calibration_error(NULL, NULL, 0, bins, 10)));
    assert_true(isnan(calibration_error((const double[]){NAN}, right, 1, bins, 10)));
    assert_true(isnan(calibration_error((const double[]){1.5}, right, 1, bins, 10)));
}

/* Ten days of rain: stated .8 five times (4 wet), .2 five times (2 wet). */
static void briers_score_and_its_parts(void **state)
{
    (void)state;
    const double stated[] = {.8, .2, .8, .2, .8, .2, .8, .2, .8, .2};
    const bool wet[] = {true, true, true, false, true, true, true, false, false, false};
    brier_score b = brier(stated, wet, 10);
    NEAR(b.score, (4 * .04 + .64 + 2 * .64 + 3 * .04) / 10, 1e-12);
    NEAR(b.reliability, .5 * 0 + .5 * .04, 1e-12);
    NEAR(b.resolution, .5 * .04 + .5 * .04, 1e-12);
    NEAR(b.uncertainty, .24, 1e-12);
    NEAR(b.score, b.reliability - b.resolution + b.uncertainty, 1e-15);
    assert_int_equal(b.groups, 2);
    assert_true(isnan(brier(stated, wet, 0).score));
    assert_true(isnan(brier((const double[]){.5, NAN}, wet, 2).score));
    assert_true(isnan(brier((const double[]){.5, -.1}, wet, 2).reliability));
    b = brier((const double[]){1, 0}, (const bool[]){true, false}, 2);
    NEAR(b.score, 0, 0);
    NEAR(b.resolution, b.uncertainty, 0);
}

/* scikit-learn 1.9, sklearn.calibration._sigmoid_calibration. */
static void platts_sigmoid(void **state)
{
    (void)state;
    const double scores[] = {-2, -1.5, -1, -.3, 0, .2, .7, 1.1, 1.8, 2.5};
    const bool right[] = {false, false, true, false, false, true, false, true, true, true}, all[] = {true, true, true};
    platt p;
    error err = {0};
    assert_int_equal(platt_fit(scores, right, 10, &p, &err), STATUS_OK);
    NEAR(p.slope, -.6829661, 1e-5);
    NEAR(p.intercept, .0973321, 1e-5);
    NEAR(platt_apply(&p, 1), 1 / (1 + exp(p.slope + p.intercept)), 1e-15);
    NEAR(platt_apply(&p, 1e6), 1, 1e-12);
    NEAR(platt_apply(&p, -1e6), 0, 1e-12);
    assert_int_equal(platt_fit(scores, all, 3, &p, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "both kinds"));
    assert_int_equal(platt_fit(NULL, NULL, 0, &p, &err), STATUS_INVALID);
    assert_int_equal(platt_fit((const double[]){1, NAN}, right + 1, 2, &p, &err), STATUS_INVALID);
    /* Scores that separate the kinds: a finite fit, as the targets are not 0 and 1. */
    assert_int_equal(platt_fit((const double[]){-1, -2, 1, 2}, (const bool[]){false, false, true, true}, 4, &p, &err), STATUS_OK);
    assert_true(isfinite(p.slope) && p.slope < 0 && fabs(p.intercept) < 1e-9);
    NEAR(2 * (platt_apply(&p, 1) - .75) + 4 * (platt_apply(&p, 2) - .75), 0, 1e-6); /* the condition of the maximum */
    assert_int_equal(platt_fit((const double[]){3, 3, 3}, (const bool[]){false, true, true}, 3, &p, &err), STATUS_OK); /* all ties */
    NEAR(platt_apply(&p, 3), (.75 + .75 + 1. / 3) / 3, 1e-6);
}

/* scikit-learn 1.9, IsotonicRegression(out_of_bounds="clip"), with weights and a tie. */
static void isotonic_beside_scikit_learn(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3, 3, 4, 5, 6}, y[] = {1, 3, 2, 4, 2.5, 5, 4.5}, w[] = {1, 2, 1, 1, 3, 1, 1};
    static const double at[] = {0, 1, 1.5, 2, 3, 4, 4.5, 5, 6, 9};
    static const double expected[] = {1, 1, 1.89285714, 2.78571429, 2.78571429, 2.78571429, 3.76785714, 4.75, 4.75, 4.75};
    arena *a = arena_new(NULL);
    error err = {0};
    isotonic m;
    assert_int_equal(isotonic_fit(a, x, y, w, 7, &m, &err), STATUS_OK);
    assert_int_equal(m.count, 6);
    for (size_t i = 0; i < 10; i++)
        NEAR(isotonic_apply(&m, at[i]), expected[i], 1e-8);
    assert_true(isnan(isotonic_apply(&m, NAN)));
    /* Falling: one mean for all. */
    assert_int_equal(isotonic_fit(a, x, (const double[]){7, 6, 5, 5, 3, 2, 0}, NULL, 7, &m, &err), STATUS_OK);
    for (size_t i = 0; i < m.count; i++)
        NEAR(m.y[i], 4, 1e-12);
    assert_int_equal(isotonic_fit(a, x, y, NULL, 1, &m, &err), STATUS_OK);
    NEAR(isotonic_apply(&m, 5), 1, 0);
    assert_int_equal(isotonic_fit(a, x, y, NULL, 0, &m, &err), STATUS_INVALID);
    assert_int_equal(isotonic_fit(a, (const double[]){NAN, 1}, y, NULL, 2, &m, &err), STATUS_INVALID);
    assert_int_equal(isotonic_fit(a, x, y, (const double[]){0, 1}, 2, &m, &err), STATUS_INVALID);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(miscalibration_by_hand),
        cmocka_unit_test(briers_score_and_its_parts),
        cmocka_unit_test(platts_sigmoid),
        cmocka_unit_test(isotonic_beside_scikit_learn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
