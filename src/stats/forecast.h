/* forecast.h - how good stated probabilities are, and how to mend them: ECE, Brier's score, isotonic and Platt's calibration.
 *
 *     calibration_bin bins[10];
 *     double gap = calibration_error(stated, right, n, bins, 10);               // ECE
 *     brier_score b = brier(stated, right, n);                                  // .2 = .05 - .03 + .18
 *     TRY(platt_fit(scores, right, n, &p, err));   platt_apply(&p, score);      // few examples: two parameters
 *     TRY(isotonic_fit(arena, scores, right01, NULL, n, &m, err));   isotonic_apply(&m, score);     // many: any rising curve
 *
 * ECE depends on its bins and cannot tell a useful forecast from one that always states the base rate; Brier's score is proper, so
 * give both. A mended forecast is judged on examples that it was not fitted to. STATUS_INVALID for probabilities outside of [0, 1]
 * where a function returns a status; NaN where it returns a number.
 */
#ifndef ASSAY_STATS_FORECAST_H
#define ASSAY_STATS_FORECAST_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Expected calibration error (Guo and others, arXiv 1706.04599): in `bins` equal bins of [0, 1] the distance of the share that is
 * right from the mean probability, weighed by the items in the bin. NaN for no items, and where a probability is none. */
typedef struct calibration_bin {
    size_t count;
    double stated, right; /* means */
} calibration_bin;
double calibration_error(const double *stated, const bool *right, size_t count, calibration_bin *bins, size_t bin_count);

/* Brier's score and Murphy's partition of it (Journal of Applied Meteorology 12, 1973): over the groups of equal stated
 * probabilities, so that score = reliability - resolution + uncertainty holds exactly. Where nearly every probability is different
 * the parts say little (each group is one item): round the probabilities first, as forecasters do. All NaN for no items, and where a
 * probability is none. */
typedef struct brier_score {
    double score;       /* mean squared distance: 0 the best, .25 for always stating one half */
    double reliability; /* 0: among items stated at p a share p is right */
    double resolution;  /* how far the groups' shares lie from the base rate: larger is better */
    double uncertainty; /* base rate (1 - base rate) */
    size_t groups;
} brier_score;
brier_score brier(const double *stated, const bool *right, size_t count);

/* p = 1 / (1 + exp(slope score + intercept)), fitted to targets that are drawn towards one half as by one more item of each
 * kind (Platt 1999), by Newton's method with backtracking (Lin, Lin and Weng, Machine Learning 68, 2007). The targets make the fit
 * finite where scores separate the kinds. STATUS_INVALID without items of both kinds, or for a score that is not finite. */
typedef struct platt {
    double slope, intercept;
    size_t steps;
} platt;
status platt_fit(const double *scores, const bool *right, size_t count, platt *out, error *err);
double platt_apply(const platt *p, double score);

/* The rising curve with the least weighted squares of `y` over `x`: pool adjacent violators (Ayer and others, Annals of Mathematical
 * Statistics 26, 1955; for probabilities Zadrozny and Elkan, KDD 2002). Items of equal x count as one, at their mean. */
typedef struct isotonic {
    size_t count;  /* of different x */
    double *x, *y; /* rising; straight lines between, constant beyond both ends */
} isotonic;
/* `weights` NULL: equal ones. STATUS_INVALID for no items, numbers that are not finite, and weights that are not above 0. */
status isotonic_fit(arena *a, const double *x, const double *y, const double *weights, size_t count, isotonic *out, error *err);
double isotonic_apply(const isotonic *m, double x); /* NaN for NaN */

#endif
