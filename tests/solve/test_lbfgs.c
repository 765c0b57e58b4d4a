/* L-BFGS on functions whose least value is known. */
#include "solve/lbfgs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

/* Rosenbrock's valley in n dimensions: least at (1, ..., 1). */
static status valley(void *context, const double *x, double *value, double *gradient, error *err)
{
    size_t n = *(size_t *)context;
    (void)err;
    *value = 0;
    memset(gradient, 0, n * sizeof *gradient);
    for (size_t i = 0; i + 1 < n; i++) {
        double rise = x[i + 1] - x[i] * x[i], off = 1 - x[i];
        *value += 100 * rise * rise + off * off;
        gradient[i] -= 400 * rise * x[i] + 2 * off;
        gradient[i + 1] += 200 * rise;
    }
    return STATUS_OK;
}

static void goes_down_the_valley(void **state)
{
    (void)state;
    size_t n = 2;
    double x[20] = {-1.2, 1};
    error err = {0};
    lbfgs_report r;
    assert_int_equal(lbfgs_minimise(valley, &n, n, x, NULL, &r, &err), STATUS_OK);
    assert_true(r.converged && r.steps < 60 && r.evaluations < 80);
    NEAR(x[0], 1, 1e-7);
    NEAR(x[1], 1, 1e-7);
    n = 20;
    for (size_t i = 0; i < n; i++)
        x[i] = i % 2 ? 1 : -1.2;
    assert_int_equal(lbfgs_minimise(valley, &n, n, x, &(lbfgs_options){.memory = 5}, &r, &err), STATUS_OK);
    assert_true(r.converged && r.gradient <= 1e-8);
    for (size_t i = 0; i < n; i++)
        NEAR(x[i], 1, 1e-6);
    memset(x, 0, sizeof x);
    assert_int_equal(lbfgs_minimise(valley, &n, n, x, &(lbfgs_options){.most = 3}, &r, &err), STATUS_OK);
    assert_true(!r.converged && r.steps == 3);
}

/* -ln x - ln(1 - x) + 3 x: not a number beyond 0 and 1; least where -1/x + 1/(1 - x) + 3 = 0. */
static status walls(void *context, const double *x, double *value, double *gradient, error *err)
{
    (void)context, (void)err;
    *value = -log(*x) - log(1 - *x) + 3 * *x;
    *gradient = -1 / *x + 1 / (1 - *x) + 3;
    return STATUS_OK;
}

static void stays_in_front_of_walls(void **state)
{
    (void)state;
    double x = .999;
    error err = {0};
    lbfgs_report r;
    assert_int_equal(lbfgs_minimise(walls, NULL, 1, &x, NULL, &r, &err), STATUS_OK);
    assert_true(r.converged);
    NEAR(x, (5 - sqrt(13)) / 6, 1e-8);
    x = 2; /* begins behind one */
    assert_int_equal(lbfgs_minimise(walls, NULL, 1, &x, NULL, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "not finite"));
}

static status slope(void *context, const double *x, double *value, double *gradient, error *err)
{
    (void)context;
    if (*x < -1e6)
        return error_set(err, STATUS_LIMIT, "far enough");
    *value = *x;
    *gradient = 1;
    return STATUS_OK;
}

static status corner(void *context, const double *x, double *value, double *gradient, error *err)
{
    (void)context, (void)err;
    *value = fabs(*x);
    *gradient = *x < 0 ? -1 : 1;
    return STATUS_OK;
}

static void ends_where_there_is_no_least(void **state)
{
    (void)state;
    double x = 0;
    error err = {0};
    lbfgs_report r;
    assert_int_equal(lbfgs_minimise(slope, NULL, 1, &x, NULL, &r, &err), STATUS_LIMIT);
    assert_string_equal(err.message, "far enough");
    x = .3; /* a corner has no place of gradient 0 */
    assert_int_equal(lbfgs_minimise(corner, NULL, 1, &x, NULL, &r, &err), STATUS_OK);
    assert_false(r.converged);
    NEAR(x, 0, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_down_the_valley),
        cmocka_unit_test(stays_in_front_of_walls),
        cmocka_unit_test(ends_where_there_is_no_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
