/* lbfgs.h - the least value of a smooth function of many numbers, from its gradient: L-BFGS.
 *
 *     static status loss(void *context, const double *x, double *value, double *gradient, error *err) { ... }
 *     lbfgs_report r;
 *     TRY(lbfgs_minimise(loss, data, n, x, NULL, &r, err));     // x: where to begin, then where it ended
 *     if (!r.converged) ...
 *
 * The curvature is kept as the last `memory` pairs of steps and changes of gradient; steps hold Wolfe's strong conditions. Source:
 * Nocedal and Wright, Numerical Optimization (2nd edition, 2006), algorithms 7.4, 7.5, 3.5 and 3.6. A place where the function is
 * not finite is a wall: the step is halved until it stays in front of it.
 */
#ifndef ASSAY_SOLVE_LBFGS_H
#define ASSAY_SOLVE_LBFGS_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Value and gradient[n] at x[n]. */
typedef status lbfgs_function(void *context, const double *x, double *value, double *gradient, error *err);

typedef struct lbfgs_options {
    size_t memory;    /* pairs; 0: 10 */
    size_t most;      /* steps; 0: 1000 */
    double tolerance; /* of the largest number of the gradient; 0: 1e-8 */
} lbfgs_options;

typedef struct lbfgs_report {
    double value, gradient; /* at the end; the largest number of the gradient */
    size_t steps, evaluations;
    bool converged; /* the gradient is within the tolerance; false: out of steps, or no step lowers the value any more */
} lbfgs_report;

/* STATUS_INVALID where the function or its gradient is not finite at the start; a status of the function is passed on. `options` NULL:
 * all as usual. */
status lbfgs_minimise(lbfgs_function *function, void *context, size_t n, double *x, const lbfgs_options *options, lbfgs_report *out,
                      error *err);

#endif
