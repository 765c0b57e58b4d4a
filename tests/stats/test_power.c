/* Sizes and powers: Cohen's tables, statsmodels, and each other. (Those of instrument_calibration.md are in test_calibration.c.) */
#include "stats/power.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "near.h"

/* Cohen, Statistical Power Analysis (1988), table 2.4.1: d = .2, .5, .8 at .05, power .80: 393, 64, 26 a sample. */
static void means_as_in_cohens_table(void **state)
{
    (void)state;
    NEAR(sample_two_means(.2, 1, .05, .8), 394, 0); /* 393.4 a sample: the table rounds */
    NEAR(sample_two_means(.5, 1, .05, .8), 64, 0);
    NEAR(sample_two_means(.8, 1, .05, .8), 26, 0);
    NEAR(sample_two_means(-5, 10, .05, .8), 64, 0);
    NEAR(sample_one_mean(.5, 1, .05, .8), 34, 0);
    NEAR(power_two_means(64, .5, 1, .05), .8014595579222542, 1e-9); /* statsmodels */
    NEAR(power_one_mean(34, .5, 1, .05), .8077775012792737, 1e-9);
    NEAR(power_one_mean(5, 1.2, 1, .05), .5302212511402787, 1e-9);
    NEAR(power_two_means(50, 0, 1, .05), .05, 1e-9); /* nothing there: alpha */
    NEAR(sample_paired_means(.5, 1, .05, .8), 32, 0); /* the normal formula: two too few */
}

static void shares(void **state)
{
    (void)state;
    NEAR(power_two_shares(sample_two_shares(.05, .1, .05, .8), .05, .1, .05), .8, 2e-3);
    assert_true(power_two_shares(434, .05, .1, .05) < .8 && power_two_shares(435, .05, .1, .05) >= .8);
    NEAR(power_paired_shares(sample_paired_shares(.05, .2, .05, .8), .05, .2, .05), .8, 2e-3);
    /* sqrt terms by hand: p0 = .5, p1 = .6: (1.959964 .5 + .841621 .489898)^2 / .01 = 193.8 */
    NEAR(sample_one_share(.5, .6, .05, .8), 194, 0);
    NEAR(power_paired_shares(detectable_paired(100, .3, .05, .8) > 0 ? 100 : 0, detectable_paired(100, .3, .05, .8), .3, .05), .8, 1e-9);
}

static void nothing_to_see_and_bad_input(void **state)
{
    (void)state;
    assert_true(isinf(sample_two_means(0, 1, .05, .8)) && isinf(sample_two_shares(.1, .1, .05, .8)) && isinf(sample_one_share(.1, .1, .05, .8)));
    assert_true(isnan(sample_two_means(1, 0, .05, .8)) && isnan(sample_two_means(NAN, 1, .05, .8)) && isnan(sample_two_means(1, 1, .05, 1)));
    assert_true(isnan(sample_two_shares(-.1, .5, .05, .8)) && isnan(sample_one_share(.5, 1.2, .05, .8)) && isnan(power_two_shares(0, .1, .2, .05)));
    assert_true(isnan(power_paired_shares(100, .3, .2, .05)) && isnan(power_one_mean(1, 1, 1, .05)));
    NEAR(sample_two_means(100, 1, .05, .8), 2, 0); /* two of each are the least */
    NEAR(sample_one_mean(1e-7, 1, .05, .8) / 7.848879734349086e14, 1, 1e-9); /* as if the deviation were known */
    NEAR(sample_two_means(1.0001e-4, 1, .05, .8) / sample_two_means(.9999e-4, 1, .05, .8), .9996, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_as_in_cohens_table),
        cmocka_unit_test(shares),
        cmocka_unit_test(nothing_to_see_and_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
