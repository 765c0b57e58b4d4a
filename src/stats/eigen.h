/* eigen.h - eigenvalues of symmetric matrices of moderate size.
 *
 *     double k[] = {1, .5, .5, 1}, values[2];
 *     TRY(symmetric_eigenvalues(k, 2, values, err));      // .5, 1.5; k is no longer what it was
 *
 * Householder's reduction to three diagonals, then bisection by Sturm's counts: every value to the last digits, for any
 * symmetric matrix, in (4/3) n^3 operations (Golub and Van Loan, Matrix Computations, 8.3 and 8.4).
 */
#ifndef ASSAY_STATS_EIGEN_H
#define ASSAY_STATS_EIGEN_H

#include "core/error.h"

/* The n values in rising order. `matrix`, row by row, is destroyed; only its lower half is read. */
status symmetric_eigenvalues(double *matrix, size_t n, double *values, error *err);

#endif
