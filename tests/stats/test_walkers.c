/* Walkers of known densities (sortlets.md, check 8), their draws' addresses, and errors by blocking of series with known correlation. */
#include "core/random.h"
#include "stats/blocking.h"
#include "stats/walkers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.10g, expected %.10g (within %.2g)", found, expected, tolerance);
}

/* exp(-2 r) in space: hydrogen's ground state. */
static status cloud(void *context, const double *places, double *out, error *err)
{
    size_t count = *(const size_t *)context;
    (void)err;
    for (size_t k = 0; k < count; k++)
        out[k] = -2 * sqrt(places[3 * k] * places[3 * k] + places[3 * k + 1] * places[3 * k + 1] + places[3 * k + 2] * places[3 * k + 2]);
    return STATUS_OK;
}

static void begin(arena *a, size_t *count, walkers *w)
{
    error err = {0};
    walkers_options o = {.count = *count, .width = 3, .seed = 4, .purpose = "test/walkers"};
    assert_int_equal(walkers_new(a, &o, cloud, count, w, &err), STATUS_OK);
    for (size_t i = 0; i < 3 * *count; i++)
        w->places[i] = 0.3 * (double)(i % 7) - 0.8;
    assert_int_equal(walkers_look(w, &err), STATUS_OK);
}

static void hydrogen_by_walkers(void **state)
{
    (void)state;
    enum { READINGS = 1024 };
    arena *a = arena_new(NULL);
    size_t count = 256;
    walkers w;
    error err = {0};
    begin(a, &count, &w);
    assert_int_equal(walkers_move(&w, 300, true, &err), STATUS_OK);
    w.taken = w.tried = 0;
    double radii[READINGS], inverses[READINGS];
    for (int i = 0; i < READINGS; i++) {
        assert_int_equal(walkers_move(&w, 4, false, &err), STATUS_OK);
        radii[i] = inverses[i] = 0;
        for (size_t k = 0; k < count; k++) {
            radii[i] -= w.logs[k] / 2 / (double)count;
            inverses[i] -= 2 / w.logs[k] / (double)count;
        }
    }
    blocking_error e;
    assert_int_equal(blocking(READINGS, radii, &e, &err), STATUS_OK);
    assert_true(e.settled && e.block > 1 && e.error > 0.001 && e.error < 0.01);
    near(e.mean, 1.5, 4 * e.error);
    assert_int_equal(blocking(READINGS, inverses, &e, &err), STATUS_OK);
    near(e.mean, 1, 4 * e.error);
    assert_true(e.error < 0.02);
    near((double)w.taken / (double)w.tried, 0.5, 0.03);
    arena_free(a);
}

/* Who else walks changes nothing. */
static void draws_have_addresses(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    size_t few = 5, many = 9;
    walkers w, v;
    error err = {0};
    begin(a, &few, &w);
    begin(a, &many, &v);
    assert_int_equal(walkers_move(&w, 20, false, &err), STATUS_OK);
    assert_int_equal(walkers_move(&v, 12, false, &err), STATUS_OK);
    assert_int_equal(walkers_move(&v, 8, false, &err), STATUS_OK);
    assert_memory_equal(w.places, v.places, 3 * few * sizeof *w.places);
    assert_true(w.taken > 0 && w.taken < w.tried);
    arena_free(a);
}

static status nowhere(void *context, const double *places, double *out, error *err)
{
    (void)context, (void)places, (void)err;
    out[0] = -INFINITY;
    return STATUS_OK;
}

static status broken(void *context, const double *places, double *out, error *err)
{
    (void)context, (void)err;
    out[0] = places[0] == 0 ? 0 : NAN;
    return STATUS_OK;
}

static void what_cannot_be_walked_is_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    walkers w;
    error err = {0};
    walkers_options o = {.count = 1, .width = 1, .seed = 4, .purpose = "test/walkers"};
    assert_int_equal(walkers_new(a, &o, nowhere, NULL, &w, &err), STATUS_OK);
    assert_int_equal(walkers_look(&w, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "walker 1 stands where the density is zero"));
    assert_int_equal(walkers_new(a, &o, broken, NULL, &w, &err), STATUS_OK);
    assert_int_equal(walkers_look(&w, &err), STATUS_OK);
    assert_int_equal(walkers_move(&w, 1, false, &err), STATUS_INVALID);
    arena_free(a);
}

/* x' = c x + draw has the variance 1 / (1 - c^2) and neighbours' correlation c: the mean of n has the variance
 * (1 + c) / (1 - c) / (1 - c^2) / n, about. */
static void correlated_series(void **state)
{
    (void)state;
    enum { N = 1 << 15 };
    static double x[N];
    const double correlations[] = {0, 0.5, 0.9};
    for (int c = 0; c < 3; c++) {
        random_stream r = random_stream_at(8, "test/blocking", (uint64_t)c, 0, 0, 0);
        double last = 0, rho = correlations[c];
        for (int i = 0; i < N; i++)
            x[i] = last = rho * last + random_normal(&r);
        blocking_error e;
        error err = {0};
        assert_int_equal(blocking(N, x, &e, &err), STATUS_OK);
        double expected = sqrt((1 + rho) / (1 - rho) / (1 - rho * rho) / N);
        assert_true(e.settled && e.used == N);
        near(e.error, expected, 0.15 * expected);
        near(e.mean, 0, 4 * expected);
        assert_true(c == 0 ? e.block <= 2 : e.block >= (c == 1 ? 4 : 16));
    }
}

static void short_series_are_refused(void **state)
{
    (void)state;
    double x[20] = {0};
    blocking_error e;
    error err = {0};
    assert_int_equal(blocking(15, x, &e, &err), STATUS_INVALID);
    x[17] = NAN;
    assert_int_equal(blocking(20, x, &e, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "number 18"));
    x[17] = 0;
    assert_int_equal(blocking(20, x, &e, &err), STATUS_OK);
    near(e.error, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hydrogen_by_walkers),              cmocka_unit_test(draws_have_addresses),
        cmocka_unit_test(what_cannot_be_walked_is_refused), cmocka_unit_test(correlated_series),
        cmocka_unit_test(short_series_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
