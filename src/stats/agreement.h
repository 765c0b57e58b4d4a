/* agreement.h - do raters agree beyond chance? Kappas of Cohen and Fleiss, Krippendorff's alpha.
 *
 *     double k = cohen_kappa((double[]){20, 5, 10, 15}, 2);                      // .40: two raters, a table of counts
 *     double f = fleiss_kappa(counts, items, categories);                       // several raters, whoever they are
 *     agreement_data d = {.ratings = r, .raters = 4, .units = 12, .scale = AGREEMENT_NOMINAL};      // NaN: not rated
 *     TRY(krippendorff_alpha(&d, &a, err));                                     // a.alpha .743
 *
 * Which: alpha wherever ratings are missing or have an order; the kappas where their peers report them. 1 is full agreement, 0 what
 * chance gives; below 0 raters disagree on purpose. All are NaN where nothing varies (raters who always say the same leave no
 * disagreement to be expected, and no figure can tell them from good ones).
 */
#ifndef ASSAY_STATS_AGREEMENT_H
#define ASSAY_STATS_AGREEMENT_H

#include "core/error.h"
#include "stats/distribution.h"

#include <stddef.h>

/* Cohen's kappa of two raters (Educational and Psychological Measurement 20, 1960): table[i * categories + k] items that the
 * first put into category i and the second into k. NaN for an empty table. */
double cohen_kappa(const double *table, size_t categories);

/* Fleiss' kappa of several raters (Psychological Bulletin 76, 1971): counts[i * categories + k] raters put item i into category k.
 * Items with fewer than two raters are left out; where numbers differ, an item's agreement is over its own pairs. NaN where all
 * ratings are of one category, or there are none. */
double fleiss_kappa(const size_t *counts, size_t items, size_t categories);

/* How far apart two values are (Krippendorff, "Computing Krippendorff's alpha-reliability", 2011): nominal 0 or 1; ordinal by the
 * number of ratings that lie between, half of the two values' own among them; interval (a - b)^2; ratio ((a - b) / (a + b))^2. */
typedef enum agreement_scale { AGREEMENT_NOMINAL, AGREEMENT_ORDINAL, AGREEMENT_INTERVAL, AGREEMENT_RATIO } agreement_scale;

typedef struct agreement_data {
    const double *ratings; /* [raters][units]; NaN: missing */
    size_t raters, units;
    agreement_scale scale;
} agreement_data;

typedef struct agreement {
    double alpha;          /* NaN where all ratings are equal, or no unit has two */
    double observed, expected; /* disagreement */
    size_t units, ratings; /* of units with at least two */
} agreement;

/* STATUS_INVALID for infinite ratings, negative ones on the ratio scale, and more than 4,096 different values. */
status krippendorff_alpha(const agreement_data *d, agreement *out, error *err);
/* 95 % limits by drawing the units again (percentile bootstrap, stats/bootstrap.h; NaN as there). */
status krippendorff_limits(const agreement_data *d, uint64_t seed, const char *purpose, interval *out, error *err);

#endif
