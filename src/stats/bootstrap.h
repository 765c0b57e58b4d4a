/* bootstrap.h - intervals by drawing the units again, with addressed draws: percentile and BCa.
 *
 * A statistic is a function of a list of picks (indices of items, with repetitions). Paired data stay paired because
 * one pick takes all arms of an item. With `clusters`, whole clusters are drawn and all their items picked; with `strata`, each is
 * drawn from by itself, so that their sizes stay (one or the other).
 *
 *     static double mean(const void *context, const size_t *picks, size_t count) { ... }
 *     bootstrap b = {.items = n, .seed = seed, .purpose = "sycophancy/answer"};
 *     interval ci;
 *     TRY(bootstrap_interval(&b, mean, values, &ci, err));
 *
 * Resample r draws at the address (seed, purpose, r): the same interval for any order of work.
 *
 * Percentile limits are those that studies report: simple, and right for figures whose spread does not hang on their value. With
 * `.corrected` they are BCa limits (bias-corrected and accelerated; Efron, Journal of the American Statistical Association 82, 1987;
 * Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 14.3), better for skewed figures (variances, ratios,
 * correlations): the tails are moved by how often resamples lie below the figure itself, and by the skewness of what leaving out
 * a unit (an item, or a cluster) at a time does to it. They cost one more evaluation for each unit.
 */
#ifndef ASSAY_STATS_BOOTSTRAP_H
#define ASSAY_STATS_BOOTSTRAP_H

#include "core/error.h"
#include "stats/distribution.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOOTSTRAP_RESAMPLES = 2000 };

typedef double bootstrap_statistic(const void *context, const size_t *picks, size_t count);

typedef struct bootstrap {
    size_t items;
    const size_t *clusters; /* of each item: numbers from 0; NULL: every item on its own */
    const size_t *strata;   /* of each item: numbers from 0; NULL: all are one */
    uint64_t seed;
    const char *purpose;
    size_t resamples; /* 0: 2000 */
    double level;     /* 0: .95 */
    bool corrected;   /* BCa; not over strata */
} bootstrap;

/* Between these, on this thread, bootstrap_interval does nothing and both limits are NaN: for who has a summary made again and again for
 * its estimates alone (a jackknife around it). */
void bootstrap_pause(void);
void bootstrap_resume(void);
/* Whether this thread is between them: tests by permutation are left out as well then. */
bool bootstrap_paused(void);
/* The interval; resamples whose statistic is NaN are left out, and where they are more than half (or there are
 * no items) both limits are NaN. BCa's are NaN too where the figure is, where leaving a unit out makes it NaN, and with fewer than two
 * units; where all resamples lie on one side of the figure there is no correction to be had, and they are NaN (a figure at the edge of
 * its range: take another interval). Where all resamples equal the figure both limits are it. */
status bootstrap_interval(const bootstrap *b, bootstrap_statistic *statistic, const void *context, interval *out,
                          error *err);
/* Several statistics of the same resamples, so that what they share cancels in their differences: `statistics` writes `width`
 * numbers. Limits as above, for each. */
typedef void bootstrap_statistics(const void *context, const size_t *picks, size_t count, double *values);
status bootstrap_intervals(const bootstrap *b, bootstrap_statistics *statistics, const void *context, size_t width, interval *out,
                           error *err);
/* Percentile limits of what a statistic was in each resample, where somebody kept that; the values are sorted. */
interval bootstrap_limits(double *values, size_t resamples, double level);
/* Quantile of sorted values, linear between order statistics (type 7); NaN for none. */
double quantile_sorted(const double *sorted, size_t count, double p);

#endif
