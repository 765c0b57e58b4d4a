/* rank.h - do two figures rise together? Correlations of ranks, with exact tests for few pairs; and sorting.
 *
 *     rank_correlation c;
 *     TRY(spearman(x, y, n, &c, err));       // c.value .80, c.p .33, c.exact true
 *     TRY(kendall(x, y, n, &c, err));        // tau-b, which takes ties into account
 *
 * p is two-sided: the probability, if y stood in any order with equal chance, of a correlation at least so far from 0. It is exact
 * up to CORRELATION_EXACT pairs by going through all orders, ties as they are; Kendall's is exact without ties up to
 * KENDALL_EXACT pairs from the numbers of inversions (Kendall, Rank Correlation Methods, 1948); beyond that Spearman's is that of
 * t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees of freedom, and Kendall's that of the normal distribution with the variance
 * that ties leave (Kendall 1948, chapter 4).
 */
#ifndef ASSAY_STATS_RANK_H
#define ASSAY_STATS_RANK_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { CORRELATION_EXACT = 9, KENDALL_EXACT = 100 };

typedef struct rank_correlation {
    double value; /* -1 to 1; NaN where one side is constant, or there are fewer than two pairs */
    double p;     /* two-sided; NaN where value is */
    bool exact;
    size_t n;
} rank_correlation;

/* Both refuse numbers that are NaN (STATUS_INVALID); infinite ones have their rank. */
status spearman(const double *x, const double *y, size_t count, rank_correlation *out, error *err);
status kendall(const double *x, const double *y, size_t count, rank_correlation *out, error *err);
/* Pearson's correlation; NaN where one side is constant or there are fewer than two pairs. */
double pearson(const double *x, const double *y, size_t count);

/* Ranks from 1, ties at their mean rank. False when memory is out. */
bool ranks_of(const double *values, size_t count, double *ranks);
/* Rising order. */
void values_sort(double *values, size_t count);

#endif
