/* roc.h - how well a score tells two kinds apart: the area under the ROC curve, with DeLong's interval and test.
 *
 *     roc_area a;
 *     TRY(roc_area_of(scores, bad, n, .95, &a, err));            // area .854, error .035, [.785, .923]
 *     roc_difference d;
 *     TRY(roc_compare(first, second, bad, n, .95, &d, err));     // two scores of the same items: difference, interval, p
 *
 * The area is the probability that an item of the kind `positive` has a higher score than one that is not, ties counted half
 * (Mann and Whitney). Its variance is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), computed from ranks (Sun and
 * Xu, IEEE Signal Processing Letters 21, 2014); limits are normal, cut to [0, 1]. Where the variance is 0 though there is more than
 * one item of each kind (scores that separate them, area 0 or 1) a normal interval would be a point; then the limit is the exact one
 * of m successes in m trials, m the smaller number: an area A makes m disjoint pairs stand in order with probability A^m, and all
 * pairs no more often.
 */
#ifndef ASSAY_STATS_ROC_H
#define ASSAY_STATS_ROC_H

#include "core/error.h"
#include "stats/distribution.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct roc_area {
    double area, error; /* error: DeLong's; NaN with a single item of a kind */
    interval limits;    /* [0, 1] where the error is NaN */
    size_t positives, negatives;
} roc_area;

/* STATUS_INVALID for a score that is NaN, and without items of both kinds. */
status roc_area_of(const double *scores, const bool *positive, size_t count, double level, roc_area *out, error *err);

typedef struct roc_difference {
    double first, second, difference, error; /* areas; first - second */
    interval limits;
    double p; /* two-sided, normal; 1 where the scores order all pairs alike; NaN where the error is 0 and the areas differ, or it is NaN */
} roc_difference;

status roc_compare(const double *first, const double *second, const bool *positive, size_t count, double level, roc_difference *out,
                   error *err);

/* Standard error from the area alone (Hanley and McNeil, Radiology 143, 1982): for planning, where there are no scores yet. */
double auroc_error(double area, double positives, double negatives);

#endif
