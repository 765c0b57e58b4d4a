/* mixture.h - which shares of known distributions make up one that was measured.
 *
 *     double norland[] = {1, 0}, sudonia[] = {0, 1}, measured[] = {.3, .7};
 *     const double *parts[] = {norland, sudonia};
 *     mixture_fit(measured, parts, 2, 2, NULL, weights, &fit);       // weights .3 and .7
 *
 * The weights are those over the simplex with the least Kullback-Leibler divergence of the measured cells from the mix. A few steps of
 * expectation-maximisation (w_c <- w_c sum_i t_i P_c(i) / sum_c' w_c' P_c'(i), with t divided by its sum; Dempster, Laird and Rubin, 1977)
 * come first; they alone would take 100,000 steps to bring weights to 0, so sequential quadratic programming ends it (Kim, Carbonetto,
 * Stephens and Anitescu, "A fast algorithm for maximum likelihood estimation of mixture proportions using sequential quadratic
 * programming", Journal of Computational and Graphical Statistics 29, 2020). The problem is convex; where parts are nearly alike many
 * weights fit about as well, which the condition number says.
 */
#ifndef ASSAY_STATS_MIXTURE_H
#define ASSAY_STATS_MIXTURE_H

#include <stddef.h>

enum { MIXTURE_PARTS = 64 };

typedef struct mixture_fit_report {
    size_t steps;      /* of quadratic programming */
    double divergence; /* of the measured from the mix, in nats, per unit of its sum; cells that no part has are left out */
    double missing;    /* share of the measured in such cells */
} mixture_fit_report;

/* `target` and each of `parts` hold `cells` numbers from 0 on (several distributions one after the other). `start` NULL: equal
 * weights; a weight of 0 there stays 0. At most `most` steps, 0: until the divergence is within 1e-10 nats of the least. Nothing is
 * fitted (NaN weights) for no part, more than MIXTURE_PARTS, or a target without mass on any part. */
void mixture_fit(const double *target, const double *const *parts, size_t count, size_t cells, const double *start, size_t most,
                 double *weights, mixture_fit_report *report);
/* Distributions one after the other: row r is shares[offsets[r] .. offsets[r + 1]), sums to 1, and counts `times[r]` times (NULL: once). */
typedef struct mixture_rows {
    const double *shares, *times;
    const size_t *offsets;
    size_t rows;
} mixture_rows;

/* The same for somebody who is evener or sharper than any mix: each row is taken for the mix's shares raised to the power s and divided by
 * their sum, with one s for all rows. A model that has not learnt all of its corpus has s below 1, one that was tuned by preferences s
 * above 1; without s the first looks like a mix with more of whoever stands in the middle. For a given s the weights are those that fit
 * the rows raised to 1/s; s is the one, of 1/4 to 4, with the least divergence of the rows from the mix raised to it (golden section,
 * `most` steps, 0: 30). `start` as above. `room` has as many numbers as there are cells. report->divergence is per row. */
void mixture_fit_sharp(const mixture_rows *rows, const double *const *parts, size_t count, const double *start, size_t most, double *room,
                       double *weights, double *sharpness, mixture_fit_report *report);
/* Ratio of the largest to the least singular value of the parts as columns: 1 for parts that have nothing in common and are of
 * one length; infinite where one is made up of the others. */
double mixture_condition(const double *const *parts, size_t count, size_t cells);

#endif
