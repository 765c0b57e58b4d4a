/* natural.h - natural gradients from samples: stochastic reconfiguration.
 *
 *     natural_report r;
 *     TRY(natural_step(samples, n, rows, values, &(natural_options){.rate = .1, .damping = 1e-3, .most = .03}, step, &r, err));
 *     for (i < n) parameters[i] += step[i];
 *
 * Sample s drawn from |Psi|^2 has a row of n derivatives d log|Psi| / d parameter and a value, its local energy. With
 * X = (row - mean row) / sqrt(samples) and e = (value - mean value) / sqrt(samples) half the gradient of the mean value is X^T e, and
 * the metric is S = X^T X, the covariance of the rows. The step is
 *
 *     - rate (S + damping)^-1 X^T e  =  - rate X^T (X X^T + damping)^-1 e,
 *
 * shortened, where it is longer, to sqrt(step . S step) = most: how far, to second order, the distribution moves in standard deviations
 * of log|Psi|. NATURAL_SAMPLES solves the second form, a dense system of as many rows as samples (Chen and Heyl 2024, Nature Physics 20,
 * "minSR"); NATURAL_CG the first by conjugate gradients over products with X and X^T; NATURAL_PARAMETERS the first, dense, for
 * few parameters. They agree as far as the solve goes. Source: Sorella, Physical Review Letters 80, 4558 (1998).
 */
#ifndef ASSAY_SOLVE_NATURAL_H
#define ASSAY_SOLVE_NATURAL_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum natural_way { NATURAL_SAMPLES, NATURAL_PARAMETERS, NATURAL_CG } natural_way;

typedef struct natural_options {
    natural_way way;
    double rate;
    double damping;   /* above 0 */
    double most;      /* of sqrt(step . S step); 0: no limit */
    double tolerance; /* of NATURAL_CG; 0: 1e-6 */
    size_t steps;     /* likewise, at most; 0: 100 */
} natural_options;

typedef struct natural_report {
    double mean, deviation; /* of the values */
    double gradient;        /* length of the gradient of the mean value, 2 |X^T e| */
    double length;          /* sqrt(step . S step), as it was taken */
    bool shortened, converged; /* converged: of NATURAL_CG; else true */
    size_t steps;           /* of NATURAL_CG */
} natural_report;

/* rows [samples][n]. STATUS_INVALID where a number is not finite, or the damping is not above 0; a status of the solver is passed on. */
status natural_step(size_t samples, size_t n, const double *rows, const double *values, const natural_options *o, double *step,
                    natural_report *out, error *err);

#endif
