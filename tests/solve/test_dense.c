/* Dense linear algebra by closed forms: second differences, Hilbert's matrix, reflections, the shortest of many solutions. */
#include "solve/dense.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

/* The matrix of 1 / (i + j + 1); its inverse has whole numbers. */
static void hilbert(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = 1 / (double)(i + j + 1);
}

static void solves_by_hand(void **state)
{
    (void)state; /* 2x + y = 5, x - 3y = -1 (not symmetric), for two right sides */
    error err = {0};
    double a[] = {2, 1, 1, -3}, b[] = {5, 3, -1, -2};
    assert_int_equal(dense_solve(2, a, 2, b, &err), STATUS_OK);
    NEAR(b[0], 2, 1e-14);
    NEAR(b[2], 1, 1e-14);
    NEAR(b[1], 1, 1e-14);
    NEAR(b[3], 1, 1e-14);
    assert_int_equal(dense_solve(0, NULL, 1, NULL, &err), STATUS_OK);
    assert_true(strlen(dense_library()) > 3 && strncmp(dense_library(), "none", 4) != 0);
}

static void inverts_hilberts_matrix(void **state)
{
    (void)state; /* (Choi, American Mathematical Monthly 90, 1983): of order 3 */
    static const double inverse[] = {9, -36, 30, -36, 192, -180, 30, -180, 180};
    error err = {0};
    double a[9], l[9], one[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    hilbert(3, a);
    hilbert(3, l);
    assert_int_equal(dense_solve(3, a, 3, one, &err), STATUS_OK);
    assert_int_equal(dense_cholesky(3, l, &err), STATUS_OK);
    NEAR(dense_cholesky_logdet(3, l), log(1. / 2160), 1e-11);
    NEAR(l[1], 0, 0);
    NEAR(l[3], .5, 1e-15);
    double b[] = {1, 2, 3};
    assert_int_equal(dense_cholesky_solve(3, l, 1, b, &err), STATUS_OK);
    NEAR(b[0], 9 - 72 + 90, 1e-10);
    NEAR(b[1], -36 + 384 - 540, 1e-10);
    assert_int_equal(dense_cholesky_inverse(3, l, l, &err), STATUS_OK);
    for (size_t i = 0; i < 9; i++) {
        NEAR(one[i], inverse[i], 1e-10);
        NEAR(l[i], inverse[i], 1e-10);
    }
}

static void refuses_what_has_no_answer(void **state)
{
    (void)state;
    error err = {0};
    double singular[] = {1, 2, 2, 4}, b[] = {1, 1}, nan[] = {1, NAN, 0, 1}, indefinite[] = {1, 2, 2, 1}, large[15 * 15], side[15] = {1};
    assert_int_equal(dense_solve(2, singular, 1, b, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "singular"));
    assert_int_equal(dense_solve(2, nan, 1, b, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "row 1, column 2"));
    hilbert(15, large); /* condition number 1e17: its factors exist, but no digit of x is right */
    assert_int_equal(dense_solve(15, large, 1, side, &err), STATUS_INVALID);
    assert_int_equal(dense_cholesky(2, indefinite, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "not positive definite"));
    assert_int_equal(dense_symmetric_eigen(DENSE_MOST + 1, NULL, NULL, false, &err), STATUS_LIMIT);
    double value, diagonal = INFINITY;
    assert_int_equal(dense_symmetric_eigen(1, &diagonal, &value, false, &err), STATUS_INVALID);
}

/* bilevel_optimization.md, check 4: w1 + w2 = u is solved by (u / 2, u / 2); and more equations than unknowns: a line. */
static void takes_the_shortest_or_the_nearest(void **state)
{
    (void)state;
    error err = {0};
    double row[] = {1, 1}, u[] = {1}, w[2], design[] = {1, 0, 1, 1, 1, 2, 1, 3}, y[] = {1, 3, 4, 8}, line[2];
    size_t rank;
    assert_int_equal(dense_least_squares(1, 2, row, u, -1, w, &rank, &err), STATUS_OK);
    NEAR(w[0], .5, 1e-15);
    NEAR(w[1], .5, 1e-15);
    assert_int_equal(rank, 1);
    assert_int_equal(dense_least_squares(4, 2, design, y, -1, line, &rank, &err), STATUS_OK);
    NEAR(line[0], .7, 1e-14);
    NEAR(line[1], 2.2, 1e-14);
    assert_int_equal(rank, 2);
    double flat[] = {1, 1, 1, 1}, two[] = {2, 4}, x[2]; /* of rank 1: 1.5 each */
    assert_int_equal(dense_least_squares(2, 2, flat, two, -1, x, &rank, &err), STATUS_OK);
    NEAR(x[0], 1.5, 1e-14);
    NEAR(x[1], 1.5, 1e-14);
    assert_int_equal(rank, 1);
}

/* The second difference of n values has the eigenvalues 2 - 2 cos(k pi / (n + 1)), and sines as vectors. */
static void eigenvalues_of_the_second_difference(void **state)
{
    (void)state;
    enum { N = 40 };
    double m[N * N] = {0}, values[N], pi = acos(-1);
    for (size_t i = 0; i < N; i++) {
        m[i * N + i] = 2;
        if (i)
            m[i * N + i - 1] = -1; /* the lower half is enough */
    }
    assert_int_equal(dense_symmetric_eigen(N, m, values, true, NULL), STATUS_OK);
    for (size_t k = 0; k < N; k++) {
        double sign = 0;
        NEAR(values[k], 2 - 2 * cos((double)(k + 1) * pi / (N + 1)), 1e-12);
        for (size_t i = 0; i < N; i++) {
            double sine = sqrt(2. / (N + 1)) * sin((double)((i + 1) * (k + 1)) * pi / (N + 1));
            sign = sign != 0 ? sign : m[k * N + i] * sine > 0 ? 1 : -1;
            NEAR(m[k * N + i], sign * sine, 1e-12);
        }
    }
}

/* Q D Q^T with Q a reflection: the eigenvalues are D's, and the matrix is full. */
static void eigenvalues_of_a_turned_diagonal(void **state)
{
    (void)state;
    enum { N = 17 };
    double v[N], norm = 0, m[N * N], values[N], d[N];
    for (size_t i = 0; i < N; i++) {
        v[i] = 1 + (double)((i * 7) % 5);
        norm += v[i] * v[i];
        d[i] = (double)i * (double)i - 20;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            m[i * N + j] = 0;
            for (size_t k = 0; k < N; k++)
                m[i * N + j] += ((double)(i == k) - 2 * v[i] * v[k] / norm) * d[k] * ((double)(j == k) - 2 * v[j] * v[k] / norm);
        }
    assert_int_equal(dense_symmetric_eigen(N, m, values, false, NULL), STATUS_OK);
    for (size_t k = 0; k < N; k++)
        NEAR(values[k], d[k], 1e-10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_by_hand), cmocka_unit_test(inverts_hilberts_matrix), cmocka_unit_test(refuses_what_has_no_answer),
        cmocka_unit_test(takes_the_shortest_or_the_nearest), cmocka_unit_test(eigenvalues_of_the_second_difference),
        cmocka_unit_test(eigenvalues_of_a_turned_diagonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
