/* Permutation tests: Fisher's own example, Efron and Tibshirani's mice, and how often they are wrong. */
#include "stats/permutation.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

static const permutation_options how = {.seed = 1, .purpose = "test"};

/* Darwin's fifteen pairs of maize, in eighths of an inch (Fisher, The Design of Experiments, 1935, section 21): of 2^15 = 32,768 signs,
 * 1,726 give a sum at least as far from 0 as 314. */
static void fishers_maize(void **state)
{
    (void)state;
    const double differences[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    permutation_result r;
    error err = {0};
    assert_int_equal(permutation_paired(differences, 15, &how, &r, &err), STATUS_OK);
    NEAR(r.difference, 314. / 15, 1e-12);
    assert_true(r.exact && r.orders == 32768);
    NEAR(r.p, 1726. / 32768, 1e-15);
}

/* Survival of seven treated and nine other mice (Efron and Tibshirani, 1993, table 2.1; section 15.2 gives .132 one-sided by draws): 3,184 of
 * all 11,440 divisions lie at least as far from 0 (scipy.stats.permutation_test on the absolute difference). */
static void mice(void **state)
{
    (void)state;
    const double treated[] = {94, 197, 16, 38, 99, 141, 23}, others[] = {52, 104, 146, 10, 51, 30, 40, 27, 46};
    permutation_result r, turned;
    assert_int_equal(permutation_two(treated, 7, others, 9, &how, &r, NULL), STATUS_OK);
    assert_true(r.exact && r.orders == 11440);
    NEAR(r.difference, 30.63492063492064, 1e-12);
    NEAR(r.p, 3184. / 11440, 1e-12);
    assert_int_equal(permutation_two(others, 9, treated, 7, &how, &turned, NULL), STATUS_OK);
    NEAR(turned.p, r.p, 0);
    NEAR(turned.difference, -r.difference, 1e-12);
}

/* Both by draws, where means are equal: at most about 5 % below .05. Draws are the same for every call. */
static void keeps_the_level(void **state)
{
    (void)state;
    enum { SERIES = 300 };
    size_t two = 0, paired = 0;
    permutation_options few = {.seed = 2, .purpose = "test", .draws = 199};
    for (uint64_t s = 0; s < SERIES; s++) {
        double x[20], y[25];
        random_stream r = random_stream_at(9, "test/null", s, 0, 0, 0);
        for (size_t i = 0; i < 20; i++)
            x[i] = exp(random_normal(&r));
        for (size_t i = 0; i < 25; i++)
            y[i] = exp(random_normal(&r));
        permutation_result a, b;
        assert_int_equal(permutation_two(x, 20, y, 25, &few, &a, NULL), STATUS_OK);
        for (size_t i = 0; i < 20; i++)
            x[i] -= y[i];
        assert_int_equal(permutation_paired(x, 20, &few, &b, NULL), STATUS_OK);
        two += a.p <= .05;
        paired += b.p <= .05;
        assert_true(!a.exact && a.orders == 199 && a.p > 0 && b.p > 0);
    }
    assert_in_range(two, 4, 28); /* 15 +- 3.4 standard errors */
    assert_in_range(paired, 4, 28);
}

static void bad_input(void **state)
{
    (void)state;
    permutation_result r;
    error err = {0};
    const double one[] = {1}, same[] = {3, 3, 3}, nan[] = {1, NAN};
    assert_int_equal(permutation_two(one, 0, same, 3, &how, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "first sample is empty"));
    assert_int_equal(permutation_two(same, 3, nan, 2, &how, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "number 2 of the second sample"));
    assert_int_equal(permutation_paired(NULL, 0, &how, &r, &err), STATUS_INVALID);
    assert_int_equal(permutation_two(one, 1, same, 3, &how, &r, &err), STATUS_OK);
    NEAR(r.p, .25, 1e-15);
    assert_int_equal(permutation_two(same, 3, same, 3, &how, &r, &err), STATUS_OK);
    NEAR(r.p, 1, 0);
    assert_int_equal(permutation_paired((const double[]){0, 0}, 2, &how, &r, &err), STATUS_OK);
    NEAR(r.p, 1, 0);
    /* Sums that are equal but for rounding: .1 + .2 and .3 */
    assert_int_equal(permutation_paired((const double[]){.1, .2, -.3}, 3, &how, &r, &err), STATUS_OK);
    NEAR(r.p, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fishers_maize),
        cmocka_unit_test(mice),
        cmocka_unit_test(keeps_the_level),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
