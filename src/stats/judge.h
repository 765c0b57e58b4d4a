/* judge.h - figures read through a judge that errs, and by standard addition (instrument_calibration.md 3.5, 3.6).
 *
 *     judge_reading r = rogan_gladen(.22, 500, .90, 100, .95, 200, .95);   // .200, SE .0271, [.147, .253]
 */
#ifndef ASSAY_STATS_JUDGE_H
#define ASSAY_STATS_JUDGE_H

#include "stats/distribution.h"

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
