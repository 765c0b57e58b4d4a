/* Areas under ROC curves: by hand from the definition, DeLong's variance by its sums over pairs, and scores that separate. */
#include "stats/roc.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

enum { N = 60 };

/* Two scores of the same items, with ties. */
static void some_scores(uint64_t seed, double shift, double *x, double *y, bool *kind)
{
    random_stream r = random_stream_at(seed, "test/roc", 0, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        double shared = random_normal(&r);
        kind[i] = i % 3 == 0;
        x[i] = floor(3 * (shared + random_normal(&r) + (kind[i] ? shift : 0)));
        y[i] = floor(3 * (shared + random_normal(&r) + (kind[i] ? shift : 0)));
    }
}

static double wins(double a, double b)
{
    return a > b ? 1 : a == b ? .5 : 0;
}

/* DeLong's components as the paper defines them, by all pairs (equations 3 to 6). */
static double by_pairs(const double *x, const double *y, const bool *kind, double *area)
{
    double v10[2][N], v01[2][N], mean[2] = {0}, cov = 0;
    const double *scores[] = {x, y};
    size_t m = 0, n = 0;
    for (size_t i = 0; i < N; i++)
        *(kind[i] ? &m : &n) += 1;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < N; i++) {
            v10[s][i] = v01[s][i] = 0;
            for (size_t j = 0; j < N; j++) {
                if (kind[i] && !kind[j])
                    v10[s][i] += wins(scores[s][i], scores[s][j]) / (double)n;
                if (!kind[i] && kind[j])
                    v01[s][i] += wins(scores[s][j], scores[s][i]) / (double)m;
            }
            mean[s] += kind[i] ? v10[s][i] / (double)m : 0;
        }
    for (size_t i = 0; i < N; i++)
        cov += kind[i] ? (v10[0][i] - mean[0]) * (v10[1][i] - mean[1]) / (double)(m - 1) / (double)m
                       : (v01[0][i] - mean[0]) * (v01[1][i] - mean[1]) / (double)(n - 1) / (double)n;
    *area = mean[0];
    return cov;
}

static void agrees_with_the_sums_over_pairs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        double x[N], y[N], first, second;
        bool kind[N];
        roc_area a;
        roc_difference d;
        some_scores(seed, .7, x, y, kind);
        double xx = by_pairs(x, x, kind, &first), yy = by_pairs(y, y, kind, &second), xy = by_pairs(x, y, kind, &first);
        assert_int_equal(roc_area_of(x, kind, N, .95, &a, NULL), STATUS_OK);
        NEAR(a.area, first, 1e-12);
        NEAR(a.error, sqrt(xx), 1e-12);
        NEAR(a.limits.low, fmax(0, first - 1.959963984540054 * sqrt(xx)), 1e-9);
        assert_true(a.positives == 20 && a.negatives == 40);
        assert_int_equal(roc_compare(x, y, kind, N, .95, &d, NULL), STATUS_OK);
        NEAR(d.difference, first - second, 1e-12);
        NEAR(d.error, sqrt(xx + yy - 2 * xy), 1e-12);
        NEAR(d.p, erfc(fabs(first - second) / sqrt(xx + yy - 2 * xy) / sqrt(2)), 1e-12);
    }
}

static void by_hand(void **state)
{
    (void)state; /* 1 3 against 2 0: three of four pairs in order; components 1/2 1 and 1/2 1 */
    const double scores[] = {1, 3, 2, 0};
    const bool kind[] = {true, true, false, false};
    roc_area a;
    assert_int_equal(roc_area_of(scores, kind, 4, .95, &a, NULL), STATUS_OK);
    NEAR(a.area, .75, 1e-15);
    NEAR(a.error, sqrt(.125 / 2 + .125 / 2), 1e-15);
    const double flat[] = {5, 5, 5, 5};
    assert_int_equal(roc_area_of(flat, kind, 4, .95, &a, NULL), STATUS_OK);
    NEAR(a.area, .5, 0);
    roc_difference d;
    const double doubled[] = {2, 6, 4, 0};
    assert_int_equal(roc_compare(scores, doubled, kind, 4, .95, &d, NULL), STATUS_OK);
    NEAR(d.difference, 0, 0);
    NEAR(d.p, 1, 0);
}

/* Areas that specifications work out: meta_pretraining.md, section 7, check 5; maia.md, section 8, checks 2 and 9. */
static void areas_of_the_specifications(void **state)
{
    (void)state;
    static const struct {
        double scores[4];
        bool kind[4];
        double area;
    } cases[] = {
        {{.1, .4, .35, .8}, {false, false, true, true}, .75},
        {{.3, .3, .3, .3}, {false, false, true, true}, .5},
        {{.9, .8, .1, .8}, {true, true, false, false}, .875}, /* (1 + 1 + 1 + 1/2) / 4 */
    };
    roc_area a;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(roc_area_of(cases[i].scores, cases[i].kind, 4, .95, &a, NULL), STATUS_OK);
        NEAR(a.area, cases[i].area, 1e-15);
    }
    /* 6 shapes x 6 colours x 16: what is red or square, told from the rest by what is red alone. */
    enum { SCENES = 576 };
    double red_or_square[SCENES];
    bool red[SCENES];
    for (int i = 0; i < SCENES; i++) {
        red[i] = i % 6 == 0;
        red_or_square[i] = red[i] || i / 6 % 6 == 0;
    }
    assert_int_equal(roc_area_of(red_or_square, red, SCENES, .95, &a, NULL), STATUS_OK);
    assert_int_equal(a.positives, 96);
    NEAR(a.area, 5. / 6 + 1. / 12, 1e-12);
    NEAR(a.area, .916667, 5e-7);
}

/* The test holds its level on scores that are equally good, and sees a difference where there is one. */
static void holds_its_level(void **state)
{
    (void)state;
    enum { SERIES = 400 };
    size_t found = 0, covered = 0;
    double truth = .5 * erfc(-1. / 2 / sqrt(2)); /* shared and own noise have variance 2, a difference of two 4: Phi(1 / 2) */
    for (uint64_t seed = 0; seed < SERIES; seed++) {
        double x[N], y[N];
        bool kind[N];
        roc_difference d;
        roc_area a;
        some_scores(1000 + seed, 1, x, y, kind);
        assert_int_equal(roc_compare(x, y, kind, N, .95, &d, NULL), STATUS_OK);
        assert_int_equal(roc_area_of(x, kind, N, .95, &a, NULL), STATUS_OK);
        found += d.p < .05;
        covered += a.limits.low <= truth && truth <= a.limits.high;
    }
    assert_in_range(found, 6, 38);
    assert_in_range(covered, 360, 396);
}

static void separated_and_bad(void **state)
{
    (void)state;
    const double scores[] = {1, 2, 3, 4, 5, 6, 7}, nan[] = {1, NAN, 3, 4, 5, 6, 7};
    const bool low[] = {false, false, false, false, true, true, true}, none[7] = {false}, one[] = {false, true, false, false, false, false, false};
    roc_area a;
    error err = {0};
    assert_int_equal(roc_area_of(scores, low, 7, .95, &a, &err), STATUS_OK);
    NEAR(a.area, 1, 0);
    NEAR(a.error, 0, 0);
    NEAR(a.limits.low, pow(.025, 1. / 3), 1e-9); /* not the point that a normal interval would be */
    NEAR(a.limits.high, 1, 0);
    assert_int_equal(roc_area_of(scores, one, 7, .95, &a, &err), STATUS_OK);
    NEAR(a.area, 1. / 6, 1e-12);
    assert_true(isnan(a.error) && a.limits.low == 0 && a.limits.high == 1);
    assert_int_equal(roc_area_of(scores, none, 7, .95, &a, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "both kinds"));
    assert_int_equal(roc_area_of(nan, low, 7, .95, &a, &err), STATUS_INVALID);
    assert_int_equal(roc_area_of(NULL, NULL, 0, .95, &a, &err), STATUS_INVALID);
    roc_difference d;
    assert_int_equal(roc_compare(scores, nan, low, 7, .95, &d, &err), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_sums_over_pairs),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(areas_of_the_specifications),
        cmocka_unit_test(holds_its_level),
        cmocka_unit_test(separated_and_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
