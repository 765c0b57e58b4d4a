/* dense.h - dense linear algebra in f64: solve, Cholesky, least squares, the symmetric eigenproblem.
 *
 *     double a[] = {4, 1, 1, 3}, b[] = {1, 2};
 *     TRY(dense_solve(2, a, 1, b, err));                   // b is x: .0909, .6364; a is destroyed
 *
 *     TRY(dense_cholesky(n, a, err));                      // once
 *     TRY(dense_cholesky_solve(n, a, columns, b, err));    // as often as wanted
 *
 * Matrices lie row by row. The work is LAPACK's (through LAPACKE), on OpenBLAS held to one thread, so that the same input gives
 * the same bits on one kind of CPU. What LAPACK would answer with noise is refused: numbers that are not finite, matrices that
 * are singular to the last digit (STATUS_INVALID), and more than DENSE_MOST rows (STATUS_LIMIT; STATUS_UNSUPPORTED where there
 * is no LAPACK); larger problems are for solve/krylov.h, which needs products alone. Source: Anderson and others, LAPACK Users'
 * Guide (3rd edition, 1999).
 */
#ifndef ASSAY_SOLVE_DENSE_H
#define ASSAY_SOLVE_DENSE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { DENSE_MOST = 20000 };

/* A X = B for a square matrix: `b` [n][columns] becomes X, `a` is destroyed. STATUS_INVALID where the reciprocal of the condition
 * number (1-norm, LAPACK's estimate) is below the rounding error of a double: no digit of X would mean anything. */
status dense_solve(size_t n, double *a, size_t columns, double *b, error *err);

/* A = L L^T of a symmetric matrix, of which the lower half is read: L stands in the lower half of `a` then, zeros above it.
 * STATUS_INVALID where A is not positive definite. */
status dense_cholesky(size_t n, double *a, error *err);
/* A X = B by the factor that dense_cholesky left. */
status dense_cholesky_solve(size_t n, const double *l, size_t columns, double *b, error *err);
/* A^-1 from the factor, whole, into `out` [n][n], which may be `l`. */
status dense_cholesky_inverse(size_t n, const double *l, double *out, error *err);
/* ln det A from the factor. */
double dense_cholesky_logdet(size_t n, const double *l);

/* out [rows][rows] = A A^T of a [rows][columns], both halves. */
status dense_gram(size_t rows, size_t columns, const double *a, double *out, error *err);

/* The x of least length among those with the least |A x - b| (the pseudo-inverse: A^+ b); `a` [rows][columns] is destroyed.
 * Singular values below `cut` times the largest count as 0 (below 0: the rounding error times the longer side); *rank, if not
 * NULL, gets the number of the others. */
status dense_least_squares(size_t rows, size_t columns, double *a, const double *b, double cut, double *x, size_t *rank, error *err);

/* Eigenvalues of a symmetric matrix in rising order, only its lower half is read. With `vectors` the row i of `a` becomes the
 * unit eigenvector of values[i] (its largest number is positive); without, `a` is destroyed. */
status dense_symmetric_eigen(size_t n, double *a, double *values, bool vectors, error *err);

/* What does the work, for `assay doctor`: OpenBLAS with its version and build, "LAPACK" where it is another one, or why there is none. */
const char *dense_library(void);

#endif
