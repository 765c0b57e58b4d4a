/* Solvers over products: the hand checks of autodiff_needs.md (section 7, no. 9) and bilevel_optimization.md (section 7, nos. 1, 3, 6, 7),
 * and dense solves as the reference. */
#include "solve/krylov.h"

#include "core/random.h"
#include "solve/dense.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

enum { N = 50 };

/* Q D Q with Q a random reflection: symmetric, with the eigenvalues d. */
static void turned(size_t n, const double *d, double *m)
{
    double v[N], norm = 0;
    random_stream r = random_stream_at(3, "test/krylov", 0, 0, 0, 0);
    for (size_t i = 0; i < n; i++) {
        v[i] = random_normal(&r);
        norm += v[i] * v[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            m[i * n + j] = 0;
            for (size_t k = 0; k < n; k++)
                m[i * n + j] += ((double)(i == k) - 2 * v[i] * v[k] / norm) * d[k] * ((double)(j == k) - 2 * v[j] * v[k] / norm);
        }
}

/* Eigenvalues from 1 to 1000, at equal ratios. */
static void stiff(double *m, double sign)
{
    double d[N];
    for (size_t i = 0; i < N; i++)
        d[i] = pow(1000, (double)i / (N - 1)) * (i % 2 ? sign : 1);
    turned(N, d, m);
}

static void some_numbers(double *b)
{
    random_stream r = random_stream_at(4, "test/krylov", 0, 0, 0, 0);
    for (size_t i = 0; i < N; i++)
        b[i] = random_normal(&r);
}

static double worst_residual(const double *m, const double *x, const double *b, double damping)
{
    double r[N], size = 0, all = 0;
    dense_product(&(dense_matrix){N, m}, x, r, NULL);
    for (size_t i = 0; i < N; i++) {
        size += b[i] * b[i];
        all += (b[i] - r[i] - damping * x[i]) * (b[i] - r[i] - damping * x[i]);
    }
    return sqrt(all / size);
}

static void cg_of_a_stiff_matrix(void **state)
{
    (void)state; /* autodiff check 9: condition 1e3, 1e-8 within 200 products */
    double m[N * N], b[N], x[N], exact[N];
    error err = {0};
    krylov_report r;
    stiff(m, 1);
    some_numbers(b);
    memcpy(exact, b, sizeof b);
    linear_map a = {N, dense_product, &(dense_matrix){N, m}};
    assert_int_equal(krylov_cg(&a, b, x, &(krylov_options){.tolerance = 1e-10, .most = 200}, &r, &err), STATUS_OK);
    assert_true(r.converged && r.steps <= 200);
    assert_true(worst_residual(m, x, b, 0) < 1e-9);
    double copy[N * N];
    memcpy(copy, m, sizeof m);
    assert_int_equal(dense_solve(N, copy, 1, exact, &err), STATUS_OK);
    for (size_t i = 0; i < N; i++)
        NEAR(x[i], exact[i], 1e-8);
    /* Out of products: an answer, and said so. A warm start goes on from it. */
    assert_int_equal(krylov_cg(&a, b, x, &(krylov_options){.most = 5}, &r, &err), STATUS_OK);
    assert_true(!r.converged && r.steps == 5 && r.residual > 1e-6);
    double before = r.residual;
    assert_int_equal(krylov_cg(&a, b, x, &(krylov_options){.most = 60, .warm = true}, &r, &err), STATUS_OK);
    assert_true(r.residual < before / 10);
}

/* Divides by the diagonal. */
static status jacobi(void *context, const double *x, double *y, error *err)
{
    const dense_matrix *m = context;
    (void)err;
    for (size_t i = 0; i < m->n; i++)
        y[i] = x[i] / m->values[i * m->n + i];
    return STATUS_OK;
}

static void cg_damped_and_preconditioned(void **state)
{
    (void)state;
    double m[N * N] = {0}, b[N], x[N];
    error err = {0};
    krylov_report plain, better;
    for (size_t i = 0; i < N; i++) { /* badly scaled, nearly diagonal */
        m[i * N + i] = pow(10, 6 * (double)i / (N - 1)) + 1;
        if (i)
            m[i * N + i - 1] = m[(i - 1) * N + i] = .3;
    }
    some_numbers(b);
    dense_matrix matrix = {N, m};
    linear_map a = {N, dense_product, &matrix}, p = {N, jacobi, &matrix};
    krylov_options o = {.damping = .5, .most = 1000, .tolerance = 1e-11};
    assert_int_equal(krylov_cg(&a, b, x, &o, &plain, &err), STATUS_OK);
    assert_true(plain.converged && worst_residual(m, x, b, .5) < 1e-10);
    o.precondition = &p;
    assert_int_equal(krylov_cg(&a, b, x, &o, &better, &err), STATUS_OK);
    assert_true(better.converged && worst_residual(m, x, b, .5) < 1e-10);
    if (2 * better.steps >= plain.steps)
        fail_msg("%zu products with the preconditioner, %zu without", better.steps, plain.steps);
}

static void cg_by_hand(void **state)
{
    (void)state; /* bilevel check 7: two products, (.5, 2) */
    double m[] = {2, 0, 0, .5}, b[] = {1, 1}, x[2], nothing[] = {0, 0};
    krylov_report r;
    linear_map a = {2, dense_product, &(dense_matrix){2, m}};
    assert_int_equal(krylov_cg(&a, b, x, NULL, &r, NULL), STATUS_OK);
    assert_int_equal(r.steps, 2);
    NEAR(x[0], .5, 1e-15);
    NEAR(x[1], 2, 1e-15);
    assert_int_equal(krylov_cg(&a, nothing, x, NULL, &r, NULL), STATUS_OK);
    assert_true(r.converged && r.steps == 0 && x[0] == 0 && x[1] == 0);
}

static void cg_refuses_negative_curvature(void **state)
{
    (void)state;
    double m[] = {1, 0, 0, -1}, b[] = {1, 2}, x[2];
    error err = {0};
    krylov_report r;
    linear_map a = {2, dense_product, &(dense_matrix){2, m}};
    assert_int_equal(krylov_cg(&a, b, x, NULL, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "not positive definite"));
    assert_non_null(strstr(err.hint, "MINRES"));
    assert_int_equal(krylov_cg(&a, b, x, &(krylov_options){.damping = 2}, &r, &err), STATUS_OK);
    NEAR(x[0], 1. / 3, 1e-12);
    NEAR(x[1], 2, 1e-12);
    double nan[] = {NAN, 1};
    assert_int_equal(krylov_cg(&a, nan, x, NULL, &r, &err), STATUS_INVALID);
    double bad[] = {NAN, 0, 0, 1};
    assert_int_equal(krylov_cg(&(linear_map){2, dense_product, &(dense_matrix){2, bad}}, b, x, NULL, &r, &err), STATUS_INVALID);
    assert_int_equal(krylov_minres(&(linear_map){2, dense_product, &(dense_matrix){2, bad}}, b, x, NULL, &r, &err), STATUS_INVALID);
}

static void minres_of_both_signs(void **state)
{
    (void)state;
    double m[N * N], b[N], x[N];
    error err = {0};
    krylov_report r;
    stiff(m, -1);
    some_numbers(b);
    linear_map a = {N, dense_product, &(dense_matrix){N, m}};
    assert_int_equal(krylov_minres(&a, b, x, &(krylov_options){.tolerance = 1e-9, .most = 500}, &r, &err), STATUS_OK);
    assert_true(r.converged && worst_residual(m, x, b, 0) < 1e-8);
    NEAR(r.residual, worst_residual(m, x, b, 0), 1e-9);
    assert_int_equal(krylov_minres(&a, b, x, &(krylov_options){.most = 7}, &r, &err), STATUS_OK);
    assert_true(!r.converged);
    NEAR(r.residual, worst_residual(m, x, b, 0), 1e-10); /* what the recurrence says is true */
    double before = r.residual;
    assert_int_equal(krylov_minres(&a, b, x, &(krylov_options){.damping = .1, .most = 300, .warm = true}, &r, &err), STATUS_OK);
    assert_true(r.residual < before && worst_residual(m, x, b, .1) < 1e-5);
}

static void minres_of_a_singular_matrix(void **state)
{
    (void)state; /* diag(2, -1, 0): of b = (2, 3, 5) the last number cannot be reached */
    double m[] = {2, 0, 0, 0, -1, 0, 0, 0, 0}, b[] = {2, 3, 5}, x[3];
    krylov_report r;
    linear_map a = {3, dense_product, &(dense_matrix){3, m}};
    assert_int_equal(krylov_minres(&a, b, x, NULL, &r, NULL), STATUS_OK);
    assert_false(r.converged);
    NEAR(2 * x[0], 2, 1e-8);
    NEAR(-x[1], 3, 1e-8);
    NEAR(r.residual, 5 / sqrt(38), 1e-8);
    double inside[] = {2, 3, 0};
    assert_int_equal(krylov_minres(&a, inside, x, NULL, &r, NULL), STATUS_OK);
    assert_true(r.converged);
    NEAR(x[0], 1, 1e-10);
    NEAR(x[1], -3, 1e-10);
    NEAR(x[2], 0, 1e-10);
}

/* bilevel check 1: the inner problem 1/2 (2 w - 3)^2 + 1/2 e^l w^2 has H = 5 and w* = 1.2; dF/dl = -w* q with q from F_w = .2. */
static void neumann_by_hand(void **state)
{
    (void)state;
    static const struct {
        size_t terms;
        double gradient;
    } rows[] = {{1, -.024}, {2, -.036}, {3, -.042}, {6, -.047250}, {60, -.048}};
    double h = 5, b = .2, q, last;
    linear_map a = {1, dense_product, &(dense_matrix){1, &h}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(krylov_neumann(&a, &b, .1, rows[i].terms, &q, &last, NULL), STATUS_OK);
        NEAR(-1.2 * q, rows[i].gradient, 1e-12);
        NEAR(last, pow(.5, (double)rows[i].terms - 1), 1e-15);
    }
    /* check 3: K steps of descent from w* on f + (w - w*) . -F_w end at K terms. */
    double w = 0;
    for (int k = 0; k < 2; k++)
        w -= .1 * (5 * w - .2);
    assert_int_equal(krylov_neumann(&a, &b, .1, 2, &q, NULL, NULL), STATUS_OK);
    NEAR(q, w, 1e-15);
    /* check 6: the factor 1 - (1 - a h)^K in each direction */
    double m[] = {1, 0, 0, .01}, one[] = {1, 1}, x[2];
    assert_int_equal(krylov_neumann(&(linear_map){2, dense_product, &(dense_matrix){2, m}}, one, 1, 100, x, NULL, NULL), STATUS_OK);
    double d1 = m[0] * x[0], d2 = m[3] * x[1];
    NEAR(d1, 1, 1e-12);
    NEAR(d2, 1 - pow(.99, 100), 1e-12);
    NEAR(d1 / (d1 + d2), 1 / (2 - pow(.99, 100)), 1e-12); /* .612 */
    krylov_report report;
    assert_int_equal(krylov_neumann(&(linear_map){2, dense_product, &(dense_matrix){2, m}}, one, 1, 1, x, NULL, NULL), STATUS_OK);
    NEAR(m[0] * x[0] / (m[0] * x[0] + m[3] * x[1]), .990099, 5e-7); /* one step: 1 / 1.01 */
    assert_int_equal(krylov_cg(&(linear_map){2, dense_product, &(dense_matrix){2, m}}, one, x, &(krylov_options){.damping = 1}, &report, NULL), STATUS_OK);
    NEAR(m[0] * x[0] / (m[0] * x[0] + m[3] * x[1]), .980583, 5e-7); /* damped by 1: 1/2 and 1/101 */
}

static void neumann_guards_against_divergence(void **state)
{
    (void)state; /* autodiff check 9: step 2.1 / lambda_max */
    double m[N * N], b[N], x[N];
    error err = {0};
    krylov_largest largest;
    stiff(m, 1);
    some_numbers(b);
    linear_map a = {N, dense_product, &(dense_matrix){N, m}};
    assert_int_equal(krylov_power(&a, 1, "test", 1e-8, 0, NULL, &largest, &err), STATUS_OK);
    NEAR(largest.value, 1000, 1e-5);
    assert_int_equal(krylov_neumann(&a, b, 2.1 / largest.value, 200, x, NULL, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "diverges"));
    assert_int_equal(krylov_neumann(&a, b, 1.9 / largest.value, 20000, x, NULL, &err), STATUS_OK);
    assert_true(worst_residual(m, x, b, 0) < 1e-8);
    assert_int_equal(krylov_neumann(&a, b, 0, 3, x, NULL, &err), STATUS_INVALID);
    double negative = -1, one = 1, q; /* a direction of negative curvature: every term is longer */
    assert_int_equal(krylov_neumann(&(linear_map){1, dense_product, &(dense_matrix){1, &negative}}, &one, .1, 3, &q, NULL, &err), STATUS_INVALID);
}

static void power_iteration(void **state)
{
    (void)state;
    double m[] = {2, 1, 1, -4}, v[2], both[] = {0, 1, 1, 0}, zero[4] = {0};
    error err = {0};
    krylov_largest r;
    linear_map a = {2, dense_product, &(dense_matrix){2, m}};
    assert_int_equal(krylov_power(&a, 1, "test", 1e-10, 0, v, &r, &err), STATUS_OK);
    assert_true(r.converged);
    NEAR(r.value, -1 - sqrt(10), 1e-9);
    NEAR(2 * v[0] + v[1], r.value * v[0], 1e-8);
    NEAR(v[0] * v[0] + v[1] * v[1], 1, 1e-12);
    /* 1 and -1 are as large: it cannot settle, and says so. */
    assert_int_equal(krylov_power(&(linear_map){2, dense_product, &(dense_matrix){2, both}}, 1, "test", 0, 50, NULL, &r, &err), STATUS_OK);
    assert_true(!r.converged && r.steps == 50);
    assert_int_equal(krylov_power(&(linear_map){2, dense_product, &(dense_matrix){2, zero}}, 1, "test", 0, 0, NULL, &r, &err), STATUS_OK);
    assert_true(r.converged && r.value == 0);
    assert_int_equal(krylov_power(&(linear_map){0, dense_product, NULL}, 1, "test", 0, 0, NULL, &r, &err), STATUS_INVALID);
}

static void hutchinsons_trace(void **state)
{
    (void)state;
    double m[N * N], diagonal[] = {1, 0, 0, 0, 2, 0, 0, 0, 4}, trace = 0, off = 0;
    krylov_trace t, again;
    stiff(m, 1);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            trace += i == j ? m[i * N + j] : 0;
            off += i == j ? 0 : m[i * N + j] * m[i * N + j];
        }
    linear_map a = {N, dense_product, &(dense_matrix){N, m}};
    assert_int_equal(krylov_hutchinson(&a, 5, "test", 4000, &t, NULL), STATUS_OK);
    assert_true(fabs(t.value - trace) < 4 * t.error);
    NEAR(t.error, sqrt(2 * off / 4000), .05 * sqrt(2 * off / 4000)); /* the variance is 2 sum of squares off the diagonal */
    assert_int_equal(krylov_hutchinson(&a, 5, "test", 4000, &again, NULL), STATUS_OK);
    assert_memory_equal(&t, &again, sizeof t);
    /* Of a diagonal matrix every probe gives the trace. */
    assert_int_equal(krylov_hutchinson(&(linear_map){3, dense_product, &(dense_matrix){3, diagonal}}, 5, "test", 2, &t, NULL), STATUS_OK);
    NEAR(t.value, 7, 0);
    NEAR(t.error, 0, 0);
    assert_int_equal(krylov_hutchinson(&a, 5, "test", 0, &t, NULL), STATUS_INVALID);
}

static status broken(void *context, const double *x, double *y, error *err)
{
    (void)context, (void)x, (void)y;
    return error_set(err, STATUS_IO, "no product today");
}

static void failing_products_are_passed_on(void **state)
{
    (void)state;
    double b[] = {1, 2}, x[2];
    error err = {0};
    krylov_report r;
    krylov_largest l;
    krylov_trace t;
    linear_map a = {2, broken, NULL};
    assert_int_equal(krylov_cg(&a, b, x, NULL, &r, &err), STATUS_IO);
    assert_int_equal(krylov_minres(&a, b, x, NULL, &r, &err), STATUS_IO);
    assert_int_equal(krylov_neumann(&a, b, .1, 3, x, NULL, &err), STATUS_IO);
    assert_int_equal(krylov_power(&a, 1, "test", 0, 0, NULL, &l, &err), STATUS_IO);
    assert_int_equal(krylov_hutchinson(&a, 1, "test", 2, &t, &err), STATUS_IO);
    assert_string_equal(err.message, "no product today");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cg_of_a_stiff_matrix), cmocka_unit_test(cg_damped_and_preconditioned), cmocka_unit_test(cg_by_hand),
        cmocka_unit_test(cg_refuses_negative_curvature), cmocka_unit_test(minres_of_both_signs), cmocka_unit_test(minres_of_a_singular_matrix),
        cmocka_unit_test(neumann_by_hand), cmocka_unit_test(neumann_guards_against_divergence), cmocka_unit_test(power_iteration),
        cmocka_unit_test(hutchinsons_trace), cmocka_unit_test(failing_products_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
