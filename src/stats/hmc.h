/* hmc.h - draws from a density that is known up to a factor, by Hamiltonian Monte Carlo.
 *
 *     static double log_density(const void *context, const double *x, double *gradient) { ... }
 *     hmc_options o = {.seed = 7, .purpose = "feedback/weights"};
 *     TRY(hmc_draw(log_density, data, width, &o, draws, &report, err));      // draws: [4][1500][width]
 *
 * Each chain starts at a place of its own and warms up: the step size by dual averaging towards an acceptance of 0.8 and a
 * scale for each coordinate from what the chain has visited (Hoffman and Gelman, "The No-U-Turn Sampler", JMLR 15 (2014),
 * section 3.2; Stan's diagonal metric). After that nothing is adapted. The length of a path is drawn anew for each draw, up to
 * about a third of a turn of a normal distribution, so that no period can lock it. Coordinates are best of like scale.
 *
 * Draw i of chain c has its address: the same draws for any order of work. A density may have kinks (Laplace): proposals
 * are accepted or not by the density itself, a wrong gradient only costs acceptance.
 */
#ifndef ASSAY_STATS_HMC_H
#define ASSAY_STATS_HMC_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

/* log density at x[width], up to a constant; writes its gradient[width]. -INFINITY outside of the support. */
typedef double hmc_density(const void *context, const double *x, double *gradient);

typedef struct hmc_options {
    uint64_t seed;
    const char *purpose;
    size_t chains, warmup, draws; /* 0: 4, 1000, 1500 */
    double spread;                /* chains start uniformly within +-spread of 0; 0: 1 */
} hmc_options;

typedef struct hmc_report {
    double acceptance;    /* mean probability of acceptance after the warm-up */
    uint64_t evaluations; /* of the density */
} hmc_report;

/* Writes draws[chains][draws][width]. STATUS_INVALID when a chain finds no place of finite density. */
status hmc_draw(hmc_density *density, const void *context, size_t width, const hmc_options *options, double *draws,
                hmc_report *report, error *err);

#endif
