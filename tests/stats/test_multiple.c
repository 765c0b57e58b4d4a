/* Many tests at once: by hand, and the example of the paper. */
#include "stats/multiple.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "near.h"

static void holm_steps_down(void **state)
{
    (void)state;
    double p[] = {.01, .04, .03, .005, NAN}, adjusted[5];
    assert_true(holm(p, 5, adjusted));
    NEAR(adjusted[0], .03, 1e-12);
    NEAR(adjusted[1], .06, 1e-12);
    NEAR(adjusted[2], .06, 1e-12);
    NEAR(adjusted[3], .02, 1e-12);
    assert_true(isnan(adjusted[4]));
}

/* Benjamini and Hochberg's own example (1995, section 4): at .05 the first four of fifteen are found. */
static void benjamini_and_hochbergs_example(void **state)
{
    (void)state;
    const double p[] = {.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1};
    double q[15], shuffled[] = {.5719, NAN, .0004, .0001}, out[4];
    assert_true(benjamini_hochberg(p, 15, q));
    size_t found = 0;
    for (size_t i = 0; i < 15; i++)
        found += q[i] <= .05;
    assert_int_equal(found, 4);
    NEAR(q[0], .0015, 1e-12);
    NEAR(q[3], .035625, 1e-12);
    assert_true(benjamini_hochberg(shuffled, 4, out));
    NEAR(out[3], .0003, 1e-12);
    NEAR(out[2], .0006, 1e-12);
    NEAR(out[0], .5719, 1e-12);
    assert_true(isnan(out[1]));
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    double out[2], none[] = {NAN, NAN}, same[] = {.02, .02};
    assert_true(holm(NULL, 0, NULL) && benjamini_hochberg(NULL, 0, NULL));
    assert_true(holm(none, 2, out) && isnan(out[0]) && isnan(out[1]));
    assert_true(benjamini_hochberg(none, 2, out) && isnan(out[0]) && isnan(out[1]));
    assert_true(holm(same, 2, out));
    NEAR(out[0], .04, 1e-15);
    NEAR(out[1], .04, 1e-15);
    assert_true(benjamini_hochberg(same, 2, out));
    NEAR(out[0], .02, 1e-15);
    NEAR(out[1], .02, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holm_steps_down),
        cmocka_unit_test(benjamini_and_hochbergs_example),
        cmocka_unit_test(nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
