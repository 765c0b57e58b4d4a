/* Tails and quantiles against published tables (Abramowitz and Stegun; NIST) and closed forms. */
#include "stats/distribution.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void normal_tails_and_quantiles(void **state)
{
    (void)state;
    NEAR(normal_quantile(.975), 1.959963984540054, 1e-12);
    NEAR(normal_quantile(.99), 2.326347874040841, 1e-12);
    NEAR(normal_quantile(.95), 1.644853626951473, 1e-12);
    NEAR(normal_quantile(.80), 0.8416212335729143, 1e-12);
    NEAR(normal_quantile(1e-10) / -6.361340902404056, 1, 1e-12);
    NEAR(normal_above(1.959963984540054), .025, 1e-14);
    NEAR(normal_below(normal_quantile(.31)), .31, 1e-14);
    assert_true(isnan(normal_quantile(0)) && isnan(normal_quantile(1)));
}

static void student_quantiles(void **state)
{
    (void)state;
    NEAR(student_quantile(.975, 1), 12.706204736, 1e-8); /* tan(.475 pi) */
    NEAR(student_quantile(.975, 3), 3.182446305, 1e-8);
    NEAR(student_quantile(.99, 29), 2.462021, 1e-5);
    NEAR(student_quantile(.975, 10), 2.228138852, 1e-8);
    NEAR(student_quantile(.05, 5), -2.015048373, 1e-8);
    NEAR(student_quantile(.975, 1e7), 1.95996, 1e-4);
    NEAR(student_below(1, 1), .75, 1e-14); /* Cauchy */
    NEAR(student_below(-sqrt(2), 2), .5 - .5 / sqrt(2), 1e-14);
}

/* scipy.stats.nct.cdf; and without a shift the plain distribution. */
static void student_with_a_shift(void **state)
{
    (void)state;
    static const double rows[][4] = {{2, 5, 1, .7780746626162148},      {-1.5, 3, .7, .034151474218530514}, {4, 10, 5, .20412320680547838},
                                     {0, 4, 1.3, .09680048458561032},   {1, 2.5, -2, .9966493485564797},    {30, 20, 28, .6231714238302404}};
    for (size_t i = 0; i < 6; i++)
        NEAR(student_shifted_below(rows[i][0], rows[i][1], rows[i][2]), rows[i][3], 1e-10);
    NEAR(student_shifted_below(1.3, 7, 0), student_below(1.3, 7), 1e-12);
    NEAR(student_shifted_below(-1.3, 7, 0), student_below(-1.3, 7), 1e-12);
    NEAR(student_shifted_below(45, 1e6, 44), normal_below(1), 1e-3);
    assert_true(isnan(student_shifted_below(NAN, 3, 1)) && isnan(student_shifted_below(1, 0, 1)) && isnan(student_shifted_below(1, 3, INFINITY)));
}

static void chi_square_and_f(void **state)
{
    (void)state;
    NEAR(chi_square_quantile(.95, 1), 3.841458821, 1e-8);
    NEAR(chi_square_quantile(.95, 10), 18.307038053, 1e-8);
    NEAR(chi_square_quantile(.01, 5), .554298077, 1e-8);
    NEAR(chi_square_above(3, 2), exp(-1.5), 1e-14);
    NEAR(fisher_quantile(.95, 1, 10), 4.964602744, 1e-8);
    NEAR(fisher_quantile(.95, 3, 20), 3.098391212, 1e-7);
    NEAR(fisher_above(4, 2, 2), .2, 1e-14); /* 1 / (1 + F) */
    NEAR(gamma_lower(.5, 2), erf(sqrt(2)), 1e-14);
    NEAR(gamma_lower(3, 1) + gamma_upper(3, 1), 1, 1e-15);
}

static void binomial_tails_are_their_sums(void **state)
{
    (void)state;
    const struct {
        uint64_t n;
        double p;
    } cases[] = {{1, .3}, {10, .02}, {61, .01}, {200, .5}, {500, .97}};
    for (size_t c = 0; c < 5; c++)
        for (uint64_t k = 0; k <= cases[c].n; k += 1 + cases[c].n / 7) {
            double above = 0, all = 0;
            for (uint64_t j = 0; j <= cases[c].n; j++) {
                double each = binomial_exactly(cases[c].n, cases[c].p, j);
                all += each;
                above += j >= k ? each : 0;
            }
            NEAR(all, 1, 1e-10);
            NEAR(binomial_at_least(cases[c].n, cases[c].p, k), above, 1e-10);
            if (k > 0)
                NEAR(binomial_at_most(cases[c].n, cases[c].p, k - 1), 1 - above, 1e-10);
        }
    NEAR(binomial_exactly(3, 0, 0), 1, 0);
    NEAR(binomial_exactly(3, 1, 3), 1, 0);
    assert_true(isnan(binomial_at_least(3, 2, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_tails_and_quantiles),
        cmocka_unit_test(student_quantiles),
        cmocka_unit_test(student_with_a_shift),
        cmocka_unit_test(chi_square_and_f),
        cmocka_unit_test(binomial_tails_are_their_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
