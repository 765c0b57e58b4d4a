/* Percentile bootstrap: addressed, paired, clustered. */
#include "stats/bootstrap.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static double mean_of(const void *context, const size_t *picks, size_t count)
{
    const double *values = context;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[picks[i]];
    return count ? sum / (double)count : NAN;
}

static void mean_interval_is_the_normal_one(void **state)
{
    (void)state;
    double values[400];
    for (size_t i = 0; i < 400; i++)
        values[i] = i < 120;
    bootstrap b = {.items = 400, .seed = 5, .purpose = "test"};
    interval ci, again;
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &ci, NULL), STATUS_OK);
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &again, NULL), STATUS_OK);
    assert_true(ci.low == again.low && ci.high == again.high);
    double half = 1.96 * sqrt(.3 * .7 / 400);
    NEAR(ci.low, .3 - half, .004);
    NEAR(ci.high, .3 + half, .004);
    for (size_t i = 0; i < 400; i++) /* so that limits are not on a grid */
        values[i] += 1e-4 * (double)(i * i);
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &ci, NULL), STATUS_OK);
    b.seed = 6;
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &again, NULL), STATUS_OK);
    assert_true(ci.low != again.low || ci.high != again.high);
}

static void clusters_widen(void **state)
{
    (void)state; /* 40 clusters of 10 equal values: the sample is 40, not 400 */
    double values[400];
    size_t clusters[400];
    for (size_t i = 0; i < 400; i++) {
        clusters[i] = i % 40;
        values[i] = clusters[i] < 12;
    }
    bootstrap b = {.items = 400, .clusters = clusters, .seed = 5, .purpose = "test"};
    interval ci;
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &ci, NULL), STATUS_OK);
    double half = 1.96 * sqrt(.3 * .7 / 40);
    NEAR(ci.low, .3 - half, .02);
    NEAR(ci.high, .3 + half, .02);
}

/* Two strata of known shares: the mean of all varies by what is drawn inside of them alone, and the number of each stays. */
static void strata_are_drawn_from_by_themselves(void **state)
{
    (void)state;
    double values[400], mixed[400];
    size_t strata[400];
    for (size_t i = 0; i < 400; i++) {
        strata[i] = i % 4 == 0;
        values[i] = i % 4 == 0;            /* nothing varies inside a stratum */
        mixed[i] = strata[i] ? 1 : i < 120; /* 90 of the 300 others */
    }
    bootstrap b = {.items = 400, .strata = strata, .seed = 5, .purpose = "test"};
    interval ci;
    assert_int_equal(bootstrap_interval(&b, mean_of, values, &ci, NULL), STATUS_OK);
    NEAR(ci.low, .25, 1e-12);
    NEAR(ci.high, .25, 1e-12);
    assert_int_equal(bootstrap_interval(&b, mean_of, mixed, &ci, NULL), STATUS_OK);
    double half = 1.96 * .75 * sqrt(.3 * .7 / 300), mean = .25 + .75 * .3;
    NEAR(ci.low, mean - half, .004);
    NEAR(ci.high, mean + half, .004);
}

static void nothing_gives_nan(void **state)
{
    (void)state;
    bootstrap b = {.items = 0, .seed = 5, .purpose = "test"};
    interval ci;
    assert_int_equal(bootstrap_interval(&b, mean_of, NULL, &ci, NULL), STATUS_OK);
    assert_true(isnan(ci.low) && isnan(ci.high));
    double sorted[] = {1, 2, 3, 4};
    NEAR(quantile_sorted(sorted, 4, .5), 2.5, 0);
    NEAR(quantile_sorted(sorted, 4, 1), 4, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_interval_is_the_normal_one),
        cmocka_unit_test(clusters_widen),
        cmocka_unit_test(strata_are_drawn_from_by_themselves),
        cmocka_unit_test(nothing_gives_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
