/* Power laws: exact ones are found again; limits cover; what bends is said to bend. */
#include "stats/power_law.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

static void a_straight_line_in_logarithms(void **state)
{
    (void)state; /* Kaplan and others' L = (8.8e13 / N)^.076 */
    double x[6], y[6];
    error err = {0};
    power_law p;
    for (size_t i = 0; i < 6; i++) {
        x[i] = pow(10, 5 + (double)i);
        y[i] = pow(8.8e13 / x[i], .076);
    }
    assert_int_equal(power_law_fit(x, y, 6, &p, &err), STATUS_OK);
    NEAR(p.exponent, -.076, 1e-12);
    NEAR(pow(p.scale, 1 / .076) / 8.8e13, 1, 1e-9);
    NEAR(p.spread, 0, 1e-12);
    assert_int_equal(power_law_fit(x, y, 2, &p, &err), STATUS_OK);
    assert_true(isnan(p.exponent_limits.low) && isnan(p.curvature));
    y[2] = 0;
    assert_int_equal(power_law_fit(x, y, 6, &p, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "point 3"));
    assert_int_equal(power_law_fit((double[]){2, 2}, (double[]){1, 3}, 2, &p, &err), STATUS_INVALID);
    assert_int_equal(power_law_fit((double[]){1, NAN}, (double[]){1, 3}, 2, &p, &err), STATUS_INVALID);
    assert_int_equal(power_law_fit(NULL, NULL, 0, &p, &err), STATUS_INVALID);
}

static void limits_of_the_line_cover(void **state)
{
    (void)state;
    size_t inside = 0, bent = 0;
    for (uint64_t s = 0; s < 1000; s++) {
        double x[8], y[8];
        power_law p;
        random_stream r = random_stream_at(1, "test/power_law", s, 0, 0, 0);
        for (size_t i = 0; i < 8; i++) {
            x[i] = pow(3, (double)i);
            y[i] = 5 * pow(x[i], -.3) * exp(.05 * random_normal(&r));
        }
        assert_int_equal(power_law_fit(x, y, 8, &p, NULL), STATUS_OK);
        inside += p.exponent_limits.low <= -.3 && -.3 <= p.exponent_limits.high;
        bent += p.curvature_p < .05;
    }
    assert_in_range(inside, 926, 974);
    assert_in_range(bent, 26, 74);
}

/* L = 1.69 + 406.4 / N^.34 (Hoffmann and others, equation 10), over their sizes. */
static void a_floor_is_found(void **state)
{
    (void)state;
    enum { N = 9 };
    double x[N], y[N];
    error err = {0};
    power_floor f;
    power_law p;
    for (size_t i = 0; i < N; i++) {
        x[i] = 7e7 * pow(16e9 / 7e7, (double)i / (N - 1));
        y[i] = 1.69 + 406.4 * pow(x[i], -.34);
    }
    power_floor_options o = {.seed = 1, .purpose = "test", .resamples = 200};
    assert_int_equal(power_floor_fit(x, y, N, &o, &f, &err), STATUS_OK);
    NEAR(f.floor, 1.69, 1e-4);
    NEAR(f.exponent, .34, 1e-3);
    NEAR(f.scale / 406.4, 1, .02);
    NEAR(f.floor_limits.low, 1.69, 1e-3);
    NEAR(f.floor_limits.high, 1.69, 1e-3);
    assert_int_equal(power_law_fit(x, y, N, &p, &err), STATUS_OK);
    assert_true(p.curvature > 0 && p.curvature_p < 1e-6); /* the line says itself that it bends */
    /* One bad point: Huber's function hardly sees it, least squares do. */
    y[4] *= 1.3;
    assert_int_equal(power_floor_fit(x, y, N, &o, &f, &err), STATUS_OK);
    NEAR(f.floor, 1.69, .02);
    power_floor_options squares = {.delta = POWER_LEAST_SQUARES, .resamples = 1};
    assert_int_equal(power_floor_fit(x, y, N, &squares, &f, &err), STATUS_OK);
    assert_true(fabs(f.floor - 1.69) > .03);
    assert_true(isnan(f.floor_limits.low));
}

static void noise_and_no_floor(void **state)
{
    (void)state;
    enum { N = 24 };
    double x[N], y[N];
    error err = {0};
    power_floor f;
    random_stream r = random_stream_at(8, "test/power_law", 0, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        x[i] = pow(1.6, (double)i);
        y[i] = .5 + 4 * pow(x[i], -.5) * exp(.02 * random_normal(&r));
    }
    power_floor_options o = {.delta = POWER_LEAST_SQUARES, .seed = 3, .purpose = "test", .resamples = 200};
    assert_int_equal(power_floor_fit(x, y, N, &o, &f, &err), STATUS_OK);
    assert_true(f.floor_limits.low < .5 && .5 < f.floor_limits.high && f.floor_limits.high - f.floor_limits.low < .05);
    assert_true(f.exponent_limits.low < .5 && .5 < f.exponent_limits.high && f.exponent_limits.high - f.exponent_limits.low < .05);
    for (size_t i = 0; i < N; i++)
        y[i] = 4 * pow(x[i], -.5);
    assert_int_equal(power_floor_fit(x, y, N, &o, &f, &err), STATUS_OK);
    assert_true(f.floor < 1e-3 * y[N - 1]);
    NEAR(f.exponent, .5, 1e-3);
    assert_int_equal(power_floor_fit(x, y, 3, &o, &f, &err), STATUS_INVALID);
    assert_int_equal(power_floor_fit((double[]){1, 1, 2, 2}, y, 4, &o, &f, &err), STATUS_INVALID);
    assert_int_equal(power_floor_fit(x, (double[]){1, -1, 2, 2}, 4, &o, &f, &err), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straight_line_in_logarithms),
        cmocka_unit_test(limits_of_the_line_cover),
        cmocka_unit_test(a_floor_is_found),
        cmocka_unit_test(noise_and_no_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
