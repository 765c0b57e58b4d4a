/* judge.h - figures read through a judge that errs, and by standard addition (instrument_calibration.md 3.5, 3.6).
 *
 *     judge_reading r = rogan_gladen(.22, 500, .90, 100, .95, 200, .95);   // .200, SE .0271, [.147, .253]
 */
#ifndef ASSAY_STATS_JUDGE_H
#define ASSAY_STATS_JUDGE_H

#include "stats/distribution.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct judge_reading {
    double share;   /* within [0, 1] */
    double raw;     /* before clipping */
    double error;   /* standard error, the judge's own error included */
    interval limits;
} judge_reading;

/* Flagged share r of n judged items; sensitivity from m1 bad items, specificity from m0 good ones (infinite: taken as
 * exact). Where the Youden index is below .5 the judge is void and all results are NaN (Rogan and Gladen, 1978). */
judge_reading rogan_gladen(double flagged, double n, double sensitivity, double m1, double specificity, double m0,
                           double level);

typedef struct judged_counts {
    double both, human_only, judge_only, neither;
} judged_counts;

/* Prediction-powered estimate from judge share `judge` on N items and human labels on a random n of them; lambda NaN:
 * the variance-optimal one (Angelopoulos and others, 2023). */
judge_reading prediction_powered(double judge, double N, judged_counts labelled, double lambda, double level);
double prediction_powered_lambda(double judge, double N, judged_counts labelled);
/* Cohen's kappa of two raters. */
double kappa(judged_counts c);

/* Fleiss' kappa of several raters (Psychological Bulletin 76, 1971): counts[i * categories + k] raters put item i into category k.
 * Items with fewer than two raters are left out; where numbers differ, an item's agreement is over its own pairs. NaN where all
 * ratings are of one category, or there are none. */
double fleiss_kappa(const size_t *counts, size_t items, size_t categories);

/* Expected calibration error of stated probabilities (Guo and others, arXiv 1706.04599): in `bins` equal bins of [0, 1] the distance
 * of the share that is right from the mean probability, weighed by the items in the bin. NaN for none. */
typedef struct calibration_bin {
    size_t count;
    double stated, right; /* means */
} calibration_bin;
double calibration_error(const double *stated, const bool *right, size_t count, calibration_bin *bins, size_t bin_count);

/* Spike recovery: readings y at shares x of items routed to a bad twin. */
typedef struct spike_series {
    const double *shares, *readings;
    size_t count;
    double twin;        /* t: bad share of the twin on routed items */
    double blank;       /* b0 */
    double certificate; /* S_c, the slope of the certificate */
    double items;       /* n, for s_0 */
} spike_series;

typedef struct spike_result {
    double intercept, slope;
    double sensitivity;   /* S_u = (B + a - b0) / t */
    double own_dose;      /* q */
    double matrix_effect; /* S_u / S_c - 1 */
    double s_0, lod;      /* sqrt(y0 (1 - y0) / n); 3.97 s_0 / S_u */
} spike_result;

/* NaN throughout where there are fewer than two shares. */
spike_result spike_evaluate(const spike_series *s);
/* Rec(x) for one of its readings. */
double spike_recovery(const spike_series *s, size_t i);

#endif
