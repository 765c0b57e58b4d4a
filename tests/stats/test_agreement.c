/* Agreement of raters: the printed examples of Fleiss and Krippendorff, and what cannot be told. */
#include "stats/agreement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

/* The example of Fleiss's paper, as it is often printed: ten subjects, fourteen raters, five categories, kappa .210. */
static void fleiss_kappa_of_the_printed_example(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 0, 0, 0, 14, 0, 2, 6, 4, 2, 0, 0, 3, 5, 6, 0, 3, 9, 2, 0, 2, 2, 8, 1, 1,
                                    7, 7, 0, 0, 0, 3, 2, 6, 3, 0, 2, 5, 3, 2, 2, 6, 5, 2, 1, 0, 0, 2, 2, 3, 7};
    NEAR(fleiss_kappa(counts, 10, 5), .20993, 1e-5);
    assert_true(isnan(fleiss_kappa((const size_t[]){1, 0, 0, 1}, 2, 2)));
    NEAR(fleiss_kappa((const size_t[]){3, 0, 0, 3}, 2, 2), 1, 1e-12);
}

static void cohens_kappa_by_hand(void **state)
{
    (void)state;
    NEAR(cohen_kappa((const double[]){20, 5, 10, 15}, 2), .4, 1e-12);
    /* Three categories: agreed (44 + 20 + 2) / 100, chance .53 .50 + .31 .34 + .16 .16 */
    NEAR(cohen_kappa((const double[]){44, 5, 4, 2, 20, 9, 4, 9, 3}, 3), (.67 - (.53 * .5 + .31 * .34 + .16 * .16)) / (1 - (.53 * .5 + .31 * .34 + .16 * .16)),
         1e-12);
    assert_true(isnan(cohen_kappa((const double[]){7, 0, 0, 0}, 2))); /* both always say the same */
    assert_true(isnan(cohen_kappa((const double[]){0, 0, 0, 0}, 2)));
    assert_true(isnan(fleiss_kappa(NULL, 0, 2)));
}

/* Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section E: four observers, twelve units, missing data. Nominal
 * .743, ordinal .815, interval .849, ratio .797. */
#define X NAN
static const double printed[] = {1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X,
                                 1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3,
                                 X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X,
                                 1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X};
#undef X

static void krippendorffs_example(void **state)
{
    (void)state;
    static const double expected[] = {.743421052631579, .8153875037548814, .8491071428571428, .7974027747116121};
    for (int s = AGREEMENT_NOMINAL; s <= AGREEMENT_RATIO; s++) {
        agreement a;
        error err = {0};
        assert_int_equal(krippendorff_alpha(&(agreement_data){printed, 4, 12, (agreement_scale)s}, &a, &err), STATUS_OK);
        NEAR(a.alpha, expected[s], 1e-12);
        assert_int_equal(a.units, 11);
        assert_int_equal(a.ratings, 40);
    }
    interval limits, again;
    agreement_data d = {printed, 4, 12, AGREEMENT_ORDINAL};
    assert_int_equal(krippendorff_limits(&d, 1, "test", &limits, NULL), STATUS_OK);
    assert_int_equal(krippendorff_limits(&d, 1, "test", &again, NULL), STATUS_OK);
    assert_memory_equal(&limits, &again, sizeof limits);
    assert_true(limits.low < .815 && limits.high > .815 && limits.low > .3 && limits.high <= 1);
}

static void what_cannot_be_told(void **state)
{
    (void)state;
    agreement a;
    error err = {0};
    const double constant[] = {2, 2, 2, 2}, alone[] = {1, NAN, NAN, 2}, infinite[] = {1, INFINITY, 1, 2}, negative[] = {1, -1, 1, 2};
    assert_int_equal(krippendorff_alpha(&(agreement_data){constant, 2, 2, AGREEMENT_NOMINAL}, &a, &err), STATUS_OK);
    assert_true(isnan(a.alpha) && a.units == 2);
    assert_int_equal(krippendorff_alpha(&(agreement_data){alone, 2, 2, AGREEMENT_NOMINAL}, &a, &err), STATUS_OK);
    assert_true(isnan(a.alpha) && a.units == 0);
    assert_int_equal(krippendorff_alpha(&(agreement_data){NULL, 0, 0, AGREEMENT_ORDINAL}, &a, &err), STATUS_OK);
    assert_true(isnan(a.alpha));
    assert_int_equal(krippendorff_alpha(&(agreement_data){infinite, 2, 2, AGREEMENT_INTERVAL}, &a, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "unit 2"));
    assert_int_equal(krippendorff_alpha(&(agreement_data){negative, 2, 2, AGREEMENT_RATIO}, &a, &err), STATUS_INVALID);
    const double opposite[] = {0, 1, 0, 1, 1, 0, 1, 0}; /* two raters who never agree: observed 1, expected 8 / 14 */
    assert_int_equal(krippendorff_alpha(&(agreement_data){opposite, 2, 4, AGREEMENT_NOMINAL}, &a, &err), STATUS_OK);
    NEAR(a.alpha, 1 - 14. / 8, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fleiss_kappa_of_the_printed_example),
        cmocka_unit_test(cohens_kappa_by_hand),
        cmocka_unit_test(krippendorffs_example),
        cmocka_unit_test(what_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
