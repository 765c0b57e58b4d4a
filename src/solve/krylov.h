/* krylov.h - linear systems, the largest eigenvalue and the trace of a symmetric matrix that is known by its products alone.
 *
 * A matrix is a function that multiplies: a Hessian by a plan of a graph (forward over reverse), a Gauss-Newton or Fisher matrix, a
 * dense one. Vectors are flat f64 arrays, as long as all parameters together.
 *
 *     static status times_hessian(void *context, const double *x, double *y, error *err) { ... }     // y = H x
 *     linear_map h = {n, times_hessian, plans};
 *     krylov_report r;
 *     TRY(krylov_cg(&h, gradient, q, &(krylov_options){.damping = 1e-3}, &r, err));                  // (H + .001) q = gradient
 *     if (!r.converged) ...                                                                        // r.residual says how far it got
 *
 * Which one: conjugate gradients where the matrix (with its damping) is positive definite; MINRES where it is symmetric and may
 * have eigenvalues of both signs, or be singular; the Neumann series where the answer of K steps of gradient descent is wanted
 * rather than the limit (bilevel_optimization.md 3.2), since its K terms ARE what unrolling K steps from a stationary point gives.
 *
 * An answer that ran out of steps is an answer (STATUS_OK, converged false): truncated solves are used on purpose. What makes
 * the method itself meaningless is STATUS_INVALID: a direction of negative curvature in conjugate gradients, a series that
 * grows, numbers that are not finite. A status of the product is passed on.
 */
#ifndef ASSAY_SOLVE_KRYLOV_H
#define ASSAY_SOLVE_KRYLOV_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y = A x; `x` and `y` are different arrays of n numbers. */
typedef status linear_product(void *context, const double *x, double *y, error *err);

typedef struct linear_map {
    size_t n;
    linear_product *product;
    void *context;
} linear_map;

typedef struct krylov_options {
    const linear_map *precondition; /* an approximation of (A + damping)^-1, symmetric and positive definite; NULL: none. CG alone */
    double damping;                 /* (A + damping I) x = b */
    double tolerance;               /* of |b - A x| / |b|; 0: 1e-6 */
    size_t most;                    /* products; 0: 100 */
    bool warm;                      /* begin at the x that is there, not at 0 */
} krylov_options;

typedef struct krylov_report {
    size_t steps;
    double residual; /* |b - (A + damping) x| / |b| as the recurrence has it; 0 where b is 0 */
    bool converged;
} krylov_report;

/* Conjugate gradients (Hestenes and Stiefel 1952). STATUS_INVALID at a direction p with p . (A + damping) p <= 0; x then holds
 * what was found before. */
status krylov_cg(const linear_map *a, const double *b, double *x, const krylov_options *o, krylov_report *out, error *err);
/* MINRES (Paige and Saunders, SIAM Journal on Numerical Analysis 12, 1975): the least |b - A x| over the same spaces, for any
 * symmetric matrix. Where b lies outside of the range of a singular matrix it ends, not converged, at a least-squares solution. */
status krylov_minres(const linear_map *a, const double *b, double *x, const krylov_options *o, krylov_report *out, error *err);

/* x = step sum_{j = 0}^{terms - 1} (I - step A)^j b. With `terms` terms it is what `terms` steps of gradient descent with that step
 * size make of b. For a symmetric positive semi-definite matrix and step <= 2 / its largest eigenvalue no term is longer than the one
 * before it: a longer one is STATUS_INVALID (the series diverges), with the largest step that would do, estimated from the term.
 * *last, if not NULL, gets the length of the last term over that of the first. */
status krylov_neumann(const linear_map *a, const double *b, double step, size_t terms, double *x, double *last, error *err);

typedef struct krylov_largest {
    double value; /* of largest magnitude, with its sign */
    size_t steps;
    bool converged; /* |A v - value v| <= tolerance |value| */
} krylov_largest;

/* Power iteration from an addressed random start. `vector`, if not NULL, gets the unit eigenvector. tolerance 0: 1e-6; most 0: 1000.
 * Where two eigenvalues of opposite sign are about as large it does not converge, and says so. */
status krylov_power(const linear_map *a, uint64_t seed, const char *purpose, double tolerance, size_t most, double *vector,
                    krylov_largest *out, error *err);

typedef struct krylov_trace {
    double value, error; /* the mean over probes and its standard error; NaN for one probe */
    size_t probes;
} krylov_trace;

/* Hutchinson's estimate of the trace: the mean of z . A z over vectors z of random signs, which has no bias (Communications in
 * Statistics - Simulation 19, 1990). Probe i draws at the address (seed, purpose, i). */
status krylov_hutchinson(const linear_map *a, uint64_t seed, const char *purpose, size_t probes, krylov_trace *out, error *err);

/* A dense matrix [n][n] as a linear_map: `product` with a pointer to one of these as the context. */
typedef struct dense_matrix {
    size_t n;
    const double *values;
} dense_matrix;

linear_product dense_product;

#endif
