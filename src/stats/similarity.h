/* similarity.h - how alike two distributions over the same options are (global_opinions.md, section 3).
 *
 *     double p[] = {.7, .2, .1}, q[] = {.4, .4, .2};
 *     similarity(p, q, 3);              // .741826: 1 less the Jensen-Shannon DISTANCE, the root of the divergence
 *     divergence_js(p, q, 3);           // .066654 bits
 *
 * Logarithms have base 2, so that distance and similarity lie in [0, 1]; base e only shrinks the distance, by sqrt(ln 2)
 * (Endres and Schindelin, "A new metric for probability distributions", IEEE Transactions on Information Theory 49, 2003).
 * Shares of 0 are legal and never smoothed: 0 log 0 = 0.
 */
#ifndef ASSAY_STATS_SIMILARITY_H
#define ASSAY_STATS_SIMILARITY_H

#include "core/random.h"

#include <stdbool.h>
#include <stddef.h>

/* Divides by the sum. False (and nothing is changed) where a share is negative or no number, or the sum is not above 0. */
bool shares_normalise(double *shares, size_t count);
/* Jensen-Shannon divergence of two distributions, in bits: 0 to 1. */
double divergence_js(const double *p, const double *q, size_t count);
/* 1 - sqrt(divergence): 1 for equal distributions, 0 for those without a common option. */
double similarity(const double *p, const double *q, size_t count);
/* The same with natural logarithms: at least 1 - sqrt(ln 2). */
double similarity_natural(const double *p, const double *q, size_t count);
/* 1-Wasserstein distance where the options lie in order at equal steps, as a share of the way from first to last; for one
 * option 0. */
double wasserstein_steps(const double *p, const double *q, size_t count);
/* Entropy as a share of that of equal shares: 1 for equal shares, 0 for a single option; NaN for one option. */
double entropy_ratio(const double *p, size_t count);

/* Expected similarity to `q` of the shares among `draws` draws from `p`: exact for two options (a sum over the binomial
 * distribution), else the mean over `repeats` simulated samples. Below similarity(p, q) by what draws cost; NaN for no draws. */
double similarity_of_draws(const double *p, const double *q, size_t count, size_t draws, size_t repeats, random_stream *r);
/* Shares among `draws` draws from `p`. */
void shares_draw(const double *p, size_t count, size_t draws, random_stream *r, double *out);

#endif
