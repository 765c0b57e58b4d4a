/* Natural gradients from samples: a parameter by hand, three ways of solving against each other, the limit of the step's length, what is
 * refused, and hydrogen and a Gaussian trial brought to their best (sortlets.md, check 2). */
#include "core/random.h"
#include "solve/natural.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.15g, expected %.15g (within %.2g)", found, expected, tolerance);
}

static natural_report must_step(size_t samples, size_t n, const double *rows, const double *values, const natural_options *o, double *step)
{
    natural_report r;
    error err = {0};
    if (natural_step(samples, n, rows, values, o, step, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

/* Rows 1 2 3, values 2 4 6: covariance 4/3, variance 2/3. */
static void one_parameter_by_hand(void **state)
{
    (void)state;
    const double rows[] = {1, 2, 3}, values[] = {2, 4, 6};
    for (int way = 0; way < 3; way++) {
        double step;
        natural_report r = must_step(3, 1, rows, values, &(natural_options){.way = (natural_way)way, .rate = 0.1, .damping = 1.0 / 3}, &step);
        near(step, -0.1 * 4.0 / 3, 1e-14);
        near(r.mean, 4, 1e-15);
        near(r.deviation, sqrt(8.0 / 3), 1e-14);
        near(r.gradient, 8.0 / 3, 1e-14);
        near(r.length, 0.1 * 4 / 3 * sqrt(2.0 / 3), 1e-14);
        r = must_step(3, 1, rows, values, &(natural_options){.way = (natural_way)way, .rate = 0.1, .damping = 1.0 / 3, .most = 0.01}, &step);
        assert_true(r.shortened);
        near(step, -0.01 / sqrt(2.0 / 3), 1e-14);
        near(r.length, 0.01, 1e-15);
    }
}

static void three_ways_agree(void **state)
{
    (void)state;
    enum { MOST = 60 };
    double rows[MOST * MOST], values[MOST], steps[3][MOST];
    const size_t sizes[2][2] = {{30, MOST}, {MOST, 30}};
    for (int s = 0; s < 2; s++) {
        size_t samples = sizes[s][0], n = sizes[s][1];
        random_stream r = random_stream_at(5, "test/natural", (uint64_t)s, 0, 0, 0);
        for (size_t i = 0; i < samples * n; i++)
            rows[i] = random_normal(&r) + (double)(i % n);
        for (size_t i = 0; i < samples; i++)
            values[i] = random_normal(&r) - 3;
        for (int way = 0; way < 3; way++) {
            natural_options o = {.way = (natural_way)way, .rate = 0.2, .damping = 1e-2, .most = s ? 0.05 : 0, .tolerance = 1e-13, .steps = 1000};
            natural_report report = must_step(samples, n, rows, values, &o, steps[way]);
            assert_true(report.converged && report.shortened == (s == 1));
            for (size_t i = 0; i < n; i++)
                near(steps[way][i], steps[0][i], 1e-9);
        }
    }
}

static void what_means_nothing_is_refused(void **state)
{
    (void)state;
    double rows[] = {1, NAN, 3}, values[] = {1, 2, 3}, good[] = {1, 2, 3}, step;
    natural_report r;
    error err = {0};
    natural_options o = {.rate = 0.1, .damping = 1e-3};
    assert_int_equal(natural_step(3, 1, rows, values, &o, &step, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "derivative 1 of sample 2"));
    values[2] = INFINITY;
    assert_int_equal(natural_step(3, 1, good, values, &o, &step, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "sample 3"));
    o.damping = 0;
    assert_int_equal(natural_step(3, 1, good, good, &o, &step, &r, &err), STATUS_INVALID);
    assert_int_equal(natural_step(1, 1, good, good, &(natural_options){.rate = 1, .damping = 1}, &step, &r, &err), STATUS_INVALID);
}

/* r from |exp(-a r)|^2 in space: Gamma(3, 1 / (2 a)), the sum of three exponential draws. */
static double radius(random_stream *r, double a)
{
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum -= log(1 - random_uniform(r));
    return sum / (2 * a);
}

/* Hydrogen with exp(-a r), E_loc = -a^2/2 + (a - 1)/r: at the exact a = 1 nothing fluctuates, so the steps end there. */
static void hydrogen_finds_its_exponent(void **state)
{
    (void)state;
    enum { SAMPLES = 400 };
    double a = 0.6, rows[SAMPLES], values[SAMPLES], step;
    natural_report report = {0};
    for (uint64_t k = 0; k < 60; k++) {
        random_stream draws = random_stream_at(1, "test/hydrogen", k, 0, 0, 0);
        for (int i = 0; i < SAMPLES; i++) {
            double r = radius(&draws, a);
            rows[i] = -r;
            values[i] = -a * a / 2 + (a - 1) / r;
        }
        report = must_step(SAMPLES, 1, rows, values, &(natural_options){.rate = 0.5, .damping = 1e-3}, &step);
        a += step;
    }
    near(a, 1, 1e-6);
    near(report.mean, -0.5, 1e-6);
    near(report.deviation, 0, 1e-5);
}

/* exp(-b r^2) on hydrogen: E_loc = 3 b - 2 b^2 r^2 - 1/r; the best is b = 8 / (9 pi), E = -4 / (3 pi). Here the values fluctuate, so the
 * end is as good as the samples, and the mean over the last steps better. r^2 is the sum of three squared normal draws of variance 1 / (4 b). */
static void a_gaussian_finds_its_width(void **state)
{
    (void)state;
    enum { SAMPLES = 20000 };
    double b = 0.6, ends = 0, *rows = malloc(SAMPLES * sizeof *rows), *values = malloc(SAMPLES * sizeof *values), step, energy = 0;
    assert_non_null(rows);
    assert_non_null(values);
    for (uint64_t k = 0; k < 40; k++) {
        random_stream draws = random_stream_at(2, "test/gaussian", k, 0, 0, 0);
        for (int i = 0; i < SAMPLES; i++) {
            double square = 0;
            for (int c = 0; c < 3; c++) {
                double x = random_normal(&draws) / sqrt(4 * b);
                square += x * x;
            }
            rows[i] = -square;
            values[i] = 3 * b - 2 * b * b * square - 1 / sqrt(square);
        }
        energy = must_step(SAMPLES, 1, rows, values, &(natural_options){.way = NATURAL_PARAMETERS, .rate = 1, .damping = 1e-3}, &step).mean;
        b += step;
        ends += k < 20 ? 0 : b / 20;
    }
    near(ends, 8 / (9 * 3.14159265358979), 0.01);
    near(energy, -4 / (3 * 3.14159265358979), 0.01);
    free(rows);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_parameter_by_hand),        cmocka_unit_test(three_ways_agree),
        cmocka_unit_test(what_means_nothing_is_refused), cmocka_unit_test(hydrogen_finds_its_exponent),
        cmocka_unit_test(a_gaussian_finds_its_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
