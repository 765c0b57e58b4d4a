/* newton.h - the least value of a smooth function of many numbers, from its gradient and products with its Hessian: Newton-CG.
 *
 *     static status loss(void *context, const double *x, double *value, double *gradient, error *err) { ... }
 *     static status times_hessian(void *context, const double *x, const double *v, double *out, error *err) { ... }
 *     newton_report r;
 *     TRY(newton_minimise(loss, times_hessian, plans, n, x, NULL, &r, err));       // x: where to begin, then where it ended
 *
 * Each step solves H d = -gradient by conjugate gradients, only as exactly as the gradient is large (to min(1/2, sqrt |gradient|)
 * of it), which makes the last steps superlinear; a direction of negative curvature ends the solve with what it has, or with the
 * gradient's own direction. The step is halved until it lowers the value enough (Armijo). Source: Nocedal and Wright, Numerical
 * Optimization (2nd edition, 2006), algorithm 7.1. Worth it where products with the Hessian cost a few gradients
 * (graph_jvp of graph_grad) and L-BFGS needs many more steps.
 */
#ifndef ASSAY_SOLVE_NEWTON_H
#define ASSAY_SOLVE_NEWTON_H

#include "solve/lbfgs.h"

/* out[n] = H(x) v */
typedef status newton_product(void *context, const double *x, const double *v, double *out, error *err);

typedef struct newton_options {
    size_t most;      /* steps; 0: 100 */
    size_t products;  /* for one step, at most; 0: 200 */
    double tolerance; /* of the largest number of the gradient; 0: 1e-8 */
} newton_options;

typedef struct newton_report {
    double value, gradient; /* at the end; the largest number of the gradient */
    size_t steps, evaluations, products;
    bool converged; /* the gradient is within the tolerance; false: out of steps, or no step lowers the value any more */
} newton_report;

/* STATUS_INVALID where the function or its gradient is not finite at the start; a status of the function or the product is passed on.
 * `options` NULL: all as usual. */
status newton_minimise(lbfgs_function *function, newton_product *product, void *context, size_t n, double *x, const newton_options *options,
                       newton_report *out, error *err);

#endif
