/* chains.h - have several Markov chains found the same distribution, and how many draws are they worth?
 *
 *     chains c = {.chains = 4, .draws = 1500, .width = 3, .values = draws};     // [chain][draw][width]
 *     status s = chains_diagnose(&c, 0, &d, err);     // d.r_hat 1.001, d.ess 4100
 *
 * Both figures follow Vehtari, Gelman, Simpson, Carpenter and Buerkner, "Rank-normalization, folding, and localization: an
 * improved R-hat", Bayesian Analysis 16 (2021): each chain is split in two, values are replaced by the normal quantiles of
 * their ranks, and R-hat is the larger of that of the values and of their distances from the median (which sees chains
 * of different width). The effective sample size is that of the bulk: autocorrelations summed by Geyer's initial
 * monotone sequence over all split chains.
 */
#ifndef ASSAY_STATS_CHAINS_H
#define ASSAY_STATS_CHAINS_H

#include "core/error.h"

#include <stddef.h>

typedef struct chains {
    size_t chains, draws, width;
    const double *values; /* [chain][draw][width] */
} chains;

typedef struct chains_diagnosis {
    double r_hat; /* 1 when all chains agree; below 1.01 is good; NaN when nothing moved */
    double ess;   /* independent draws that would say as much about the centre; NaN when nothing moved */
} chains_diagnosis;

/* Of one of the `width` quantities. STATUS_INVALID for chains of fewer than 8 draws, and for a draw that is NaN. */
status chains_diagnose(const chains *c, size_t which, chains_diagnosis *out, error *err);

#endif
