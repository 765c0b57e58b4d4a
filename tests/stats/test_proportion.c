/* Intervals and exact tests of shares, to the digits of the calibration and sycophancy pages. */
#include "stats/proportion.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void wilson_as_the_data_audit_says(void **state)
{
    (void)state;
    interval w = wilson(30, 50, .95); /* check 7 of sycophancy.md */
    NEAR(w.low, .4618, 5e-5);
    NEAR(w.high, .7239, 5e-5);
    w = wilson(0, 20, .95); /* z^2 / (n + z^2) */
    NEAR(w.low, 0, 0);
    NEAR(w.high, 3.841458821 / 23.841458821, 1e-9);
    w = wilson(20, 20, .95);
    NEAR(w.high, 1, 0);
    w = wilson(0, 0, .95);
    assert_true(w.low == 0 && w.high == 1);
}

static void exact_limits(void **state)
{
    (void)state; /* check 14 of instrument_calibration.md, and section 4.7 */
    NEAR(exact_upper(2, 61, .95), .0996, 5e-5);
    interval x = clopper_pearson(2, 61, .95);
    NEAR(x.high, .1135, 5e-5);
    NEAR(binomial_at_most(61, .01, 2), .9766, 5e-5);
    NEAR(exact_upper(2, 60, .95), .1012, 5e-5);
    NEAR(exact_upper(2, 20, .95), .2826, 5e-5);
    NEAR(exact_upper(0, 5, .95), .4507, 5e-5);
    NEAR(exact_upper(0, 30, .95), .0950, 5e-5);
    NEAR(clopper_pearson(0, 30, .95).high, .1157, 5e-5);
    NEAR(exact_upper(0, 20, .95), .139, 5e-4);
    NEAR(exact_upper(1, 50, .95), .0914, 5e-5); /* maia.md, section 6b */
    NEAR(clopper_pearson(0, 20, .95).high, .168, 5e-4);
    NEAR(clopper_pearson(5, 5, .95).high, 1, 0);
    NEAR(binomial_at_most(61, .02, 2), .877, 5e-4);
    NEAR(binomial_at_most(61, .05, 2), .406, 5e-4);
    NEAR(binomial_at_most(61, .10, 2), .049, 5e-4);
}

static void tests_of_counts(void **state)
{
    (void)state;
    NEAR(mcnemar_exact(0, 5), 2 / 32.0, 1e-12);
    NEAR(mcnemar_exact(0, 0), 1, 0);
    NEAR(mcnemar_exact(3, 3), 1, 0);
    double differences[] = {1, 2, 3, -1, 0, 4};
    NEAR(sign_test(differences, 6), 2 * (1 + 5) / 32.0, 1e-12);
    NEAR(binomial_test(1, 10, .5), 22 / 1024.0, 1e-12);
    NEAR(binomial_test_above(7, 100, .02), .0041, 5e-5);
    NEAR(binomial_test(2, 4, .2), .1536 + .0256 + .0016, 1e-9);
    NEAR(binomial_test(0, 4, .2), 1, 1e-9); /* 1 is exactly as likely */
}

/* Eight children's airways before and after a transplantation (Bentur and others 2009, the example of Fagerland, Lydersen and Laake,
 * BMC Medical Research Methodology 13:91, 2013): 1 and 7 discordant, exact p .070, mid-p .039. */
static void mcnemar_of_few_pairs(void **state)
{
    (void)state;
    NEAR(mcnemar_exact(1, 7), .0703125, 1e-12);
    NEAR(mcnemar_mid(1, 7), .0390625, 1e-12);
    NEAR(mcnemar_mid(7, 1), .0390625, 1e-12);
    NEAR(mcnemar_mid(0, 0), 1, 0);
    NEAR(mcnemar_mid(3, 3), 1 - 20. / 64, 1e-12);
    NEAR(mcnemar_exact(3, 3), 1, 0);
    assert_true(isnan(sign_test((const double[]){1, NAN}, 2)));
    NEAR(sign_test((const double[]){1, 2, 0, 4}, 3), .5, 1e-12);
    NEAR(sign_test(NULL, 0), 1, 0);
}

static void what_a_count_detects(void **state)
{
    (void)state; /* check 6 and the table of section 4.9 */
    assert_int_equal(critical_count(100, .02, .01), 7);
    NEAR(binomial_at_least(100, .02, 7), .0041, 5e-5);
    NEAR(binomial_lod(100, .02, .01, .95), .115, 5e-4);
    assert_int_equal(critical_count(300, .02, .01), 13);
    NEAR(binomial_at_least(300, .02, 13), .0082, 5e-5);
    NEAR(binomial_lod(300, .02, .01, .95), .064, 5e-4);
    NEAR(binomial_lod(1000, .02, .01, .95), .042, 5e-4);
    assert_int_equal(critical_count(100, 0, .01), 1);
    NEAR(binomial_lod(100, 0, .01, .95), 1 - pow(.05, .01), 1e-9);
    NEAR(binomial_lod(300, 0, .01, .95), .010, 5e-4);
    NEAR(binomial_lod(1000, 0, .01, .95), .003, 5e-4);
    NEAR(binomial_lod(100, .25, .01, .95), .436, 5e-4);
    NEAR(binomial_lod(300, .25, .01, .95), .357, 5e-4);
}

static void paired_differences(void **state)
{
    (void)state; /* Newcombe 1998, table III: 36 both, 12 and 2 discordant, 0 neither; and the empty margins */
    interval d = paired_difference(36 + 12, 36 + 2, 36, 50, .95);
    NEAR(d.low, .0569, 5e-5);
    NEAR(d.high, .3404, 5e-5);
    d = paired_difference(0, 0, 0, 400, .95);
    assert_true(d.low < -.009 && d.high > .009 && d.high < .011);
    d = paired_difference(400, 0, 0, 400, .95);
    assert_true(d.low > .98 && d.low < .99 && d.high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_as_the_data_audit_says), cmocka_unit_test(exact_limits),
        cmocka_unit_test(tests_of_counts),               cmocka_unit_test(mcnemar_of_few_pairs),
        cmocka_unit_test(what_a_count_detects),          cmocka_unit_test(paired_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
