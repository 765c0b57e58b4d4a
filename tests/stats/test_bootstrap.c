/* Bootstrap: addressed, paired, clustered; percentile and BCa. */
#include "stats/bootstrap.h"

#include "core/random.h"

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

/* Two answers to each of 400 items that differ in 40 + 20 of them: a pick takes both, so that the difference of the shares varies as
 * d = +-1 does, with variance (40 + 20) / 400 - .05^2; drawn apart it would vary more than three times as much. */
typedef struct answers {
    double first[400], second[400];
} answers;

static double gap_of(const void *context, const size_t *picks, size_t count)
{
    const answers *a = context;
    return mean_of(a->first, picks, count) - mean_of(a->second, picks, count);
}

static void pairs_stay_together(void **state)
{
    (void)state;
    answers a;
    for (size_t i = 0; i < 400; i++) {
        a.first[i] = i < 220;
        a.second[i] = (i >= 40 && i < 220) || i >= 380;
    }
    bootstrap b = {.items = 400, .seed = 5, .purpose = "test"};
    interval ci;
    assert_int_equal(bootstrap_interval(&b, gap_of, &a, &ci, NULL), STATUS_OK);
    double half = 1.959964 * sqrt((.15 - .05 * .05) / 400), apart = 1.959964 * sqrt((.55 * .45 + .5 * .5) / 400);
    NEAR(ci.low, .05 - half, .004);
    NEAR(ci.high, .05 + half, .004);
    assert_true(apart > 1.8 * half);
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

/* The spatial test data of Efron and Tibshirani (1993, table 14.1, column A): the variance is 171.5; 90 % limits, table 14.2: percentile
 * [100.8, 233.9], BCa [115.8, 259.6], both of 2,000 resamples, with acceleration .061. */
static double variance_of(const void *context, const size_t *picks, size_t count)
{
    const double *values = context;
    double mean = mean_of(values, picks, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[picks[i]] - mean) * (values[picks[i]] - mean);
    return sum / (double)count;
}

static void corrected_limits_of_the_spatial_data(void **state)
{
    (void)state;
    static const double a[] = {48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41};
    bootstrap b = {.items = 26, .seed = 2, .purpose = "test", .level = .9, .resamples = 100000};
    interval plain, corrected;
    assert_int_equal(bootstrap_interval(&b, variance_of, a, &plain, NULL), STATUS_OK);
    b.corrected = true;
    assert_int_equal(bootstrap_interval(&b, variance_of, a, &corrected, NULL), STATUS_OK);
    NEAR(plain.low, 97.9, .5); /* numpy, 400,000 resamples: [97.9, 235.8] and [115.6, 261.2]: 2,000 of them are few */
    NEAR(plain.high, 235.8, 1);
    NEAR(corrected.low, 115.6, 1);
    NEAR(corrected.high, 261.2, 2);
}

/* Samples of 20 from an exponential distribution: percentile limits of the variance miss it far more often than BCa's. */
static void corrected_limits_cover_better(void **state)
{
    (void)state;
    enum { SERIES = 300, N = 20 };
    size_t plain = 0, corrected = 0;
    for (uint64_t s = 0; s < SERIES; s++) {
        double x[N];
        random_stream r = random_stream_at(7, "test/bca", s, 0, 0, 0);
        for (size_t i = 0; i < N; i++)
            x[i] = -log(1 - random_uniform(&r));
        bootstrap b = {.items = N, .seed = s, .purpose = "test", .resamples = 500};
        interval ci;
        assert_int_equal(bootstrap_interval(&b, variance_of, x, &ci, NULL), STATUS_OK);
        plain += ci.low <= 1 && 1 <= ci.high;
        b.corrected = true;
        assert_int_equal(bootstrap_interval(&b, variance_of, x, &ci, NULL), STATUS_OK);
        corrected += ci.low <= 1 && 1 <= ci.high;
    }
    assert_true(corrected > plain + SERIES / 50);
}

static void corrected_limits_where_there_are_none(void **state)
{
    (void)state;
    double same[] = {3, 3, 3, 3}, skewed[6] = {0, 0, 0, 0, 0, 1};
    size_t one_cluster[] = {0, 0, 0, 0}, two[] = {0, 0, 1, 1, 0, 1};
    bootstrap b = {.items = 4, .seed = 2, .purpose = "test", .corrected = true};
    interval ci;
    assert_int_equal(bootstrap_interval(&b, mean_of, same, &ci, NULL), STATUS_OK);
    assert_true(ci.low == 3 && ci.high == 3);
    b.clusters = one_cluster;
    assert_int_equal(bootstrap_interval(&b, mean_of, same, &ci, NULL), STATUS_OK);
    assert_true(isnan(ci.low) && isnan(ci.high));
    b.clusters = NULL;
    b.items = 1;
    assert_int_equal(bootstrap_interval(&b, mean_of, same, &ci, NULL), STATUS_OK);
    assert_true(isnan(ci.low));
    b.items = 4;
    same[2] = NAN;
    assert_int_equal(bootstrap_interval(&b, mean_of, same, &ci, NULL), STATUS_OK);
    assert_true(isnan(ci.low) && isnan(ci.high));
    b.items = 6;
    b.clusters = two; /* two clusters: three different resamples, and limits among them */
    assert_int_equal(bootstrap_interval(&b, mean_of, skewed, &ci, NULL), STATUS_OK);
    assert_true(ci.low >= 0 && ci.high <= 1. / 3 + 1e-12 && ci.low <= ci.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrected_limits_of_the_spatial_data),
        cmocka_unit_test(corrected_limits_cover_better),
        cmocka_unit_test(corrected_limits_where_there_are_none),
        cmocka_unit_test(mean_interval_is_the_normal_one),
        cmocka_unit_test(clusters_widen),
        cmocka_unit_test(pairs_stay_together),
        cmocka_unit_test(strata_are_drawn_from_by_themselves),
        cmocka_unit_test(nothing_gives_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
