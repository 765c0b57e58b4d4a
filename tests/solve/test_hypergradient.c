/* What the solvers are for: hypergradients of ridge regression by every way there is, and warm against cold starts
 * (bilevel_optimization.md, section 7, checks 1 to 5 and 10). */
#include "solve/dense.h"
#include "solve/krylov.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

enum { ROWS = 30, D = 12 };

/* f = 1/2 |X w - y|^2 + 1/2 e^l |w|^2 over training rows, F = 1/2 |X w - y|^2 over others; H = X^T X + e^l. */
typedef struct ridge {
    double x[2][ROWS * D], y[2][ROWS], l;
} ridge;

static void some_ridge(ridge *r)
{
    random_stream s = random_stream_at(11, "test/ridge", 0, 0, 0, 0);
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; i < ROWS; i++) {
            r->y[part][i] = random_normal(&s);
            for (size_t k = 0; k < D; k++) {
                r->x[part][i * D + k] = random_normal(&s) / 3;
                r->y[part][i] += r->x[part][i * D + k] * (double)(k % 3);
            }
        }
    r->l = -.5;
}

/* out = X^T v for a part. */
static void times_transpose(const ridge *r, int part, const double *v, double *out)
{
    for (size_t k = 0; k < D; k++) {
        out[k] = 0;
        for (size_t i = 0; i < ROWS; i++)
            out[k] += r->x[part][i * D + k] * v[i];
    }
}

/* v = X w - y for a part; with `plain` X w. */
static void residuals(const ridge *r, int part, const double *w, bool plain, double *v)
{
    for (size_t i = 0; i < ROWS; i++) {
        v[i] = plain ? 0 : -r->y[part][i];
        for (size_t k = 0; k < D; k++)
            v[i] += r->x[part][i * D + k] * w[k];
    }
}

static status times_hessian(void *context, const double *w, double *out, error *err)
{
    const ridge *r = context;
    double v[ROWS];
    (void)err;
    residuals(r, 0, w, true, v);
    times_transpose(r, 0, v, out);
    for (size_t k = 0; k < D; k++)
        out[k] += exp(r->l) * w[k];
    return STATUS_OK;
}

/* The dense Hessian, column by column. */
static void hessian(ridge *r, double *h)
{
    for (size_t k = 0; k < D; k++) {
        double unit[D] = {0};
        unit[k] = 1;
        times_hessian(r, unit, h + k * D, NULL);
    }
}

static void best_weights(ridge *r, double *w)
{
    double h[D * D];
    hessian(r, h);
    times_transpose(r, 0, r->y[0], w);
    assert_int_equal(dense_solve(D, h, 1, w, NULL), STATUS_OK);
}

static double outer(ridge *r, double l)
{
    double w[D], v[ROWS], sum = 0, before = r->l;
    r->l = l;
    best_weights(r, w);
    residuals(r, 1, w, false, v);
    for (size_t i = 0; i < ROWS; i++)
        sum += v[i] * v[i] / 2;
    r->l = before;
    return sum;
}

/* dF/dl = -e^l w* . q with H q = F_w. */
static double gradient_by(const ridge *r, const double *w, const double *q)
{
    double sum = 0;
    for (size_t k = 0; k < D; k++)
        sum -= exp(r->l) * w[k] * q[k];
    return sum;
}

static void every_way_agrees(void **state)
{
    (void)state;
    ridge r;
    double w[D], v[ROWS], slope[D], h[D * D], q[D];
    some_ridge(&r);
    best_weights(&r, w);
    residuals(&r, 1, w, false, v);
    times_transpose(&r, 1, v, slope);
    linear_map map = {D, times_hessian, &r};

    hessian(&r, h);
    memcpy(q, slope, sizeof q);
    assert_int_equal(dense_solve(D, h, 1, q, NULL), STATUS_OK);
    double closed = gradient_by(&r, w, q), step = 1e-4;
    double differences = (8 * (outer(&r, r.l + step) - outer(&r, r.l - step)) - (outer(&r, r.l + 2 * step) - outer(&r, r.l - 2 * step))) / (12 * step);
    NEAR(differences, closed, 1e-8 * fabs(closed) + 1e-10);

    hessian(&r, h);
    memcpy(q, slope, sizeof q);
    assert_int_equal(dense_cholesky(D, h, NULL), STATUS_OK);
    assert_int_equal(dense_cholesky_solve(D, h, 1, q, NULL), STATUS_OK);
    NEAR(gradient_by(&r, w, q), closed, 1e-12 * fabs(closed));

    krylov_report report;
    krylov_options tight = {.tolerance = 1e-12, .most = 4 * D};
    assert_int_equal(krylov_cg(&map, slope, q, &tight, &report, NULL), STATUS_OK);
    assert_true(report.converged);
    NEAR(gradient_by(&r, w, q), closed, 1e-8 * fabs(closed));
    assert_int_equal(krylov_minres(&map, slope, q, &tight, &report, NULL), STATUS_OK);
    NEAR(gradient_by(&r, w, q), closed, 1e-8 * fabs(closed));

    krylov_largest largest;
    assert_int_equal(krylov_power(&map, 1, "test", 1e-9, 10000, NULL, &largest, NULL), STATUS_OK);
    assert_int_equal(krylov_neumann(&map, slope, 1 / largest.value, 3000, q, NULL, NULL), STATUS_OK);
    NEAR(gradient_by(&r, w, q), closed, 1e-8 * fabs(closed));

    /* Unrolled from 0, in forward mode: w' = w - a (H w - X^T y), dw' = dw - a (H dw + e^l w). */
    double u[D] = {0}, du[D] = {0}, hu[D], hdu[D], xty[D], a = 1 / largest.value;
    times_transpose(&r, 0, r.y[0], xty);
    for (int t = 0; t < 3000; t++) {
        times_hessian(&r, u, hu, NULL);
        times_hessian(&r, du, hdu, NULL);
        for (size_t k = 0; k < D; k++) {
            du[k] -= a * (hdu[k] + exp(r.l) * u[k]);
            u[k] -= a * (hu[k] - xty[k]);
        }
    }
    double unrolled = 0;
    for (size_t k = 0; k < D; k++)
        unrolled += slope[k] * du[k];
    NEAR(unrolled, closed, 1e-8 * fabs(closed));
}

static void unrolling_from_the_optimum_is_the_series(void **state)
{
    (void)state; /* check 3: K steps from w* are K terms, to 1e-12 */
    ridge r;
    double w[D], v[ROWS], slope[D], q[D], du[D] = {0}, hdu[D], a = .05;
    some_ridge(&r);
    best_weights(&r, w);
    residuals(&r, 1, w, false, v);
    times_transpose(&r, 1, v, slope);
    linear_map map = {D, times_hessian, &r};
    for (size_t terms = 1; terms <= 20; terms++) {
        double unrolled = 0;
        times_hessian(&r, du, hdu, NULL);
        for (size_t k = 0; k < D; k++)
            du[k] -= a * (hdu[k] + exp(r.l) * w[k]);
        for (size_t k = 0; k < D; k++)
            unrolled += slope[k] * du[k];
        assert_int_equal(krylov_neumann(&map, slope, a, terms, q, NULL, NULL), STATUS_OK);
        NEAR(gradient_by(&r, w, q), unrolled, 1e-12);
    }
}

/* The nearest solution of A w = b to w0: w0 + A^+ (b - A w0). */
static void nearest(const double *row, double b, const double *w0, double *w)
{
    double a[] = {row[0], row[1]}, left[] = {b - row[0] * w0[0] - row[1] * w0[1]};
    assert_int_equal(dense_least_squares(1, 2, a, left, -1, w, NULL, NULL), STATUS_OK);
    w[0] += w0[0];
    w[1] += w0[1];
}

static void warm_and_cold_starts(void **state)
{
    (void)state;
    const double row[] = {1, 1};
    double w[2];
    nearest(row, 2, (const double[]){3, 1}, w); /* check 5 */
    NEAR(w[0], 2, 1e-14);
    NEAR(w[1], 0, 1e-14);
    /* checks 4 and 10: u = 1 from both starts, f = 0 for both, but F = .25 cold and 0 warm */
    double cold[2], warm[2];
    nearest(row, 1, (const double[]){0, 0}, cold);
    nearest(row, 1, (const double[]){1, 0}, warm);
    NEAR(cold[0] + cold[1], warm[0] + warm[1], 1e-14);
    NEAR(.5 * ((cold[0] - 1) * (cold[0] - 1) + cold[1] * cold[1]), .25, 1e-14);
    NEAR(.5 * ((warm[0] - 1) * (warm[0] - 1) + warm[1] * warm[1]), 0, 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_agrees),
        cmocka_unit_test(unrolling_from_the_optimum_is_the_series),
        cmocka_unit_test(warm_and_cold_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
