/* Lines, limits, components, power and judges: section 7 of instrument_calibration.md, to the digits given. */
#include "stats/judge.h"
#include "stats/limits.h"
#include "stats/line.h"
#include "stats/power.h"
#include "stats/rank.h"
#include "stats/roc.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void plain_limits_of_blanks(void **state)
{
    (void)state; /* check 1 */
    double blanks[] = {.01, .02, .00, .03, .02}, mean = 0, squares = 0;
    for (size_t i = 0; i < 5; i++)
        mean += blanks[i] / 5;
    for (size_t i = 0; i < 5; i++)
        squares += (blanks[i] - mean) * (blanks[i] - mean);
    double sd = sqrt(squares / 4), lob = blank_limit_plain(mean, sd, .01);
    NEAR(mean, .016, 1e-12);
    NEAR(sd, .0114, 5e-5);
    NEAR(lob, .0425, 5e-5);
    NEAR(limit_of_detection(lob, .0158, 5, 5), .0685, 5e-5);
    NEAR(limit_of_detection(0, 1, 25, 5), 1.666, 5e-4);
}

static void the_line_and_an_unknown(void **state)
{
    (void)state; /* checks 2 and 3 */
    double d[] = {0, .1, .25, .5, 1}, y[] = {.02, .10, .24, .48, .92};
    calibration_line l;
    assert_int_equal(line_fit(d, y, NULL, 5, &l, NULL), STATUS_OK);
    NEAR(l.slope, .9072, 5e-5);
    NEAR(l.intercept, .0163, 5e-5);
    NEAR(l.s_y, .00789, 5e-6);
    NEAR(line_lod(l.s_y, l.slope), .0345, 5e-5);
    NEAR(3.3 * l.s_y / l.slope, .0287, 5e-5);
    NEAR(line_loq(l.s_y, l.slope), .0870, 5e-5);
    line_reading x = line_read(&l, .30, 1, .95);
    NEAR(x.dose, .3127, 5e-5);
    NEAR(x.error, .0095, 6e-5);
    NEAR((x.limits.high - x.limits.low) / 2, .0304, 5e-5);
    interval s = line_slope_interval(&l, .95);
    assert_true(s.low < .9072 && s.high > .9072 && s.low > .85);
}

static void weights_repeat_points(void **state)
{
    (void)state; /* a point of weight 2 moves the line as two points do */
    double d[] = {0, .5, 1}, y[] = {0, .7, 1}, w[] = {1, 2, 1};
    double d2[] = {0, .5, .5, 1}, y2[] = {0, .7, .7, 1};
    calibration_line a, b;
    assert_int_equal(line_fit(d, y, w, 3, &a, NULL), STATUS_OK);
    assert_int_equal(line_fit(d2, y2, NULL, 4, &b, NULL), STATUS_OK);
    NEAR(a.slope, b.slope, 1e-12);
    NEAR(a.intercept, b.intercept, 1e-12);
    double same[] = {.5, .5};
    assert_int_equal(line_fit(same, y, NULL, 2, &a, NULL), STATUS_INVALID);
    assert_int_equal(line_fit(d, y, NULL, 1, &a, NULL), STATUS_INVALID);
}

static void an_exact_line_is_recovered_exactly(void **state)
{
    (void)state;
    double d[] = {0, .125, .25, .5, 1};
    calibration_line l;
    assert_int_equal(line_fit(d, d, NULL, 5, &l, NULL), STATUS_OK);
    NEAR(l.slope, 1, 0);
    NEAR(l.intercept, 0, 0);
    NEAR(line_recovery(&l, .25, .25), 1, 0);
}

static void variance_components(void **state)
{
    (void)state; /* check 4 */
    double y[] = {.20, .24, .30, .28, .26, .22};
    uint64_t g[] = {7, 7, 8, 8, 9, 9};
    anova_components c;
    assert_int_equal(anova(y, g, 6, &c, NULL), STATUS_OK);
    NEAR(c.msb, .0026, 1e-9);
    NEAR(c.msw, .0006, 1e-9);
    NEAR(c.s_r, .0245, 5e-5);
    NEAR(c.s_R, .0400, 5e-5);
    NEAR(c.icc, .625, 1e-9);
    NEAR(c.replicates, 2, 1e-12);
    NEAR(c.R_limit, 2.77 * .04, 1e-6);
    assert_int_equal(anova(y, g, 2, &c, NULL), STATUS_INVALID);
}

static void lack_of_fit_and_ranks(void **state)
{
    (void)state; /* check 5 */
    double d[] = {0, 0, .5, .5, 1, 1}, y[] = {0, .02, .40, .44, 1.0, .98};
    lack_of_fit f;
    assert_int_equal(line_lack_of_fit(d, y, 6, &f, NULL), STATUS_OK);
    NEAR(f.ss_error, .00973, 5e-6);
    NEAR(f.ss_pure, .0012, 1e-9);
    NEAR(f.f, 21.3, .05);
    NEAR(f.p, .019, 5e-4);
    NEAR(f.freedom1, 1, 0);
    NEAR(f.freedom2, 3, 0);
    rank_correlation rho;
    double u[] = {1, 2, 3, 4}, v[] = {1, 3, 2, 4};
    assert_int_equal(spearman(u, v, 4, &rho, NULL), STATUS_OK);
    NEAR(rho.value, .8, 1e-12);
}

static void blanks_with_a_base_effect(void **state)
{
    (void)state; /* check 13 */
    blank_limit b = blank_limit_of(0, .0025, .0001, 5, 6, .01);
    NEAR(b.c1, .2, 1e-12);
    NEAR(b.c2, .833333, 5e-7);
    NEAR(b.root, .024152, 5e-7);
    NEAR(b.freedom, 5.42, 5e-3);
    NEAR(b.t, 3.2585, 5e-5);
    NEAR(b.half_width, .0787, 5e-5);
    b = blank_limit_of(0, .0013, .0001, 10, 3, .01);
    NEAR(b.freedom, 11.59, 5e-3);
    NEAR(b.t, 2.6953, 5e-5);
    NEAR(b.half_width, .0628, 6e-5);
    b = blank_limit_of(0, .0001, .0002, 10, 3, .01);
    NEAR(b.freedom, 29, 0);
}

static void sizes(void **state)
{
    (void)state; /* checks 7 to 9 and the table of section 4.9 */
    NEAR(auroc_error(.8, 50, 50), .0445, 5e-5);
    NEAR(auroc_error(.9, 20, 20), .0514, 5e-5);
    NEAR(seeds_sd(.03, .09, 3, 300), .0200, 5e-5);
    NEAR(seeds_sd(.03, .09, 3, 3000), .0176, 5e-5);
    NEAR(items_per_seed(100, 1, .09, .03), 100, 1e-9);
    NEAR(design_effect(20, .3), 6.7, 1e-12);
    NEAR(sample_two_shares(.05, .10, .05, .8), 435, 0);
    NEAR(sample_two_shares(.05, .15, .05, .8), 141, 0);
    NEAR(sample_two_shares(.10, .20, .05, .8), 199, 0);
    NEAR(sample_two_shares(.50, .60, .05, .8), 388, 0);
    NEAR(sample_two_shares(.50, .55, .05, .8), 1565, 0);
    NEAR(sample_paired_shares(.10, .20, .05, .8), 155, 0);
    NEAR(sample_paired_shares(.05, .10, .05, .8), 312, 0);
    NEAR(sample_paired_shares(.10, .30, .05, .8), 234, 0);
    NEAR(sample_paired_means(.05, .30, .05, .8), 283, 0);
    NEAR(sample_auroc(.6, .05, .8), 129, 0);
    NEAR(sample_auroc(.7, .05, .8), 31, 0);
    NEAR(sample_auroc(.8, .05, .8), 13, 0);
    NEAR(detectable_paired(312, .10, .05, .8), .05, 1e-3);
}

static void judges(void **state)
{
    (void)state; /* check 15, section 3.6 */
    judge_reading r = rogan_gladen(.22, 500, .90, 100, .95, 200, .95);
    NEAR(r.share, .200, 1e-9);
    NEAR(r.error, .0271, 5e-5);
    NEAR(r.limits.low, .147, 5e-4);
    NEAR(r.limits.high, .253, 5e-4);
    r = rogan_gladen(.22, 500, .90, INFINITY, .95, INFINITY, .95);
    NEAR(r.error, .0218, 5e-5);
    assert_true(isnan(rogan_gladen(.2, 100, .7, 50, .7, 50, .95).share));
    judged_counts c = {36, 4, 8, 152};
    r = prediction_powered(.22, 5000, c, 1, .95);
    NEAR(r.share, .200, 1e-9);
    NEAR(r.error, .0182, 5e-5);
    NEAR(r.limits.low, .164, 5e-4);
    NEAR(r.limits.high, .236, 5e-4);
    NEAR(prediction_powered_lambda(.22, 5000, c), .762, 5e-4);
    r = prediction_powered(.22, 5000, c, NAN, .95);
    NEAR(r.error, .0168, 5e-5);
    NEAR(r.limits.low, .167, 5e-4);
    NEAR(r.limits.high, .233, 5e-4);
    r = rogan_gladen(.22, 5000, .9, 40, .95, 160, .95);
    NEAR(r.error, .0209, 5e-5);
}

static void spikes(void **state)
{
    (void)state; /* check 15, section 3.5 */
    double x[] = {0, .1, .25, .5}, y[] = {.04, .13, .25, .46};
    spike_series s = {x, y, 4, .95, .01, .97, 300};
    spike_result r = spike_evaluate(&s);
    NEAR(r.intercept, .0425, 5e-5);
    NEAR(r.slope, .8352, 5e-5);
    NEAR(r.sensitivity, .9134, 5e-5);
    NEAR(r.matrix_effect, -.058, 5e-4);
    NEAR(r.own_dose, .0356, 5e-5);
    NEAR(spike_recovery(&s, 1), 1.010, 5e-4);
    NEAR(spike_recovery(&s, 2), .942, 5e-4);
    NEAR(spike_recovery(&s, 3), .942, 5e-4);
    NEAR(r.s_0, .0113, 5e-5);
    NEAR(r.lod, .0492, 1e-4);
    double q = .03, on[4];
    for (size_t i = 0; i < 4; i++)
        on[i] = .01 + .97 * ((1 - x[i]) * q + x[i] * .95);
    s.readings = on;
    r = spike_evaluate(&s);
    NEAR(r.matrix_effect, 0, 1e-12);
    NEAR(spike_recovery(&s, 3), 1, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_limits_of_blanks),
        cmocka_unit_test(the_line_and_an_unknown),
        cmocka_unit_test(weights_repeat_points),
        cmocka_unit_test(an_exact_line_is_recovered_exactly),
        cmocka_unit_test(variance_components),
        cmocka_unit_test(lack_of_fit_and_ranks),
        cmocka_unit_test(blanks_with_a_base_effect),
        cmocka_unit_test(sizes),
        cmocka_unit_test(judges),
        cmocka_unit_test(spikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
