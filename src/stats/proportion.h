/* proportion.h - shares of a whole: intervals, exact tests, and what a count can detect.
 *
 *     interval w = wilson(30, 50, .95);               // [.4618, .7239]
 *     interval x = clopper_pearson(2, 61, .95);       // two-sided [.0040, .1135]
 *     double upper = exact_upper(2, 61, .95);         // one-sided .0996
 *
 * Always say whether a limit is one- or two-sided. Where n = 0 the interval is [0, 1].
 */
#ifndef ASSAY_STATS_PROPORTION_H
#define ASSAY_STATS_PROPORTION_H

#include "stats/distribution.h"

#include <stddef.h>

/* Wilson's score interval, two-sided; `successes` may be a fraction (ties that count half). */
interval wilson(double successes, double n, double level);
/* Clopper and Pearson's exact interval, two-sided. */
interval clopper_pearson(uint64_t successes, uint64_t n, double level);
/* The one-sided exact limits: with confidence `level` the share is at most (at least) this. */
double exact_upper(uint64_t successes, uint64_t n, double level);
double exact_lower(uint64_t successes, uint64_t n, double level);

/* P(X >= k) under share p: the one-sided exact test that the share is not above p. */
double binomial_test_above(uint64_t successes, uint64_t n, double p);
/* Two-sided: the probability of all outcomes that are no likelier than the one seen. */
double binomial_test(uint64_t successes, uint64_t n, double p);
/* McNemar's exact test, two-sided, from the two discordant counts; 1 where there are none. It keeps the level for every n, and is
 * cautious: at few discordant pairs its true level is far below alpha. */
double mcnemar_exact(uint64_t only_first, uint64_t only_second);
/* The mid-p version, which counts the outcome seen half: nearer to the level, seldom above it (Fagerland, Lydersen and Laake, BMC Medical
 * Research Methodology 13:91, 2013). */
double mcnemar_mid(uint64_t only_first, uint64_t only_second);
/* The sign test, two-sided, differences of 0 left out; NaN where a difference is. */
double sign_test(const double *differences, size_t count);

/* The least count c with P(Bin(n, p0) >= c) <= alpha (n + 1 where there is none). */
uint64_t critical_count(uint64_t n, double p0, double alpha);
/* The least share p with P(Bin(n, p) >= critical count) >= power: the limit of detection of a counted share. */
double binomial_lod(uint64_t n, double p0, double alpha, double power);

/* Difference of two shares counted on the same n items, both = items counted in both arms: Newcombe's hybrid score
 * interval (Statistics in Medicine 17, 1998, method 10). It stays honest where a count is 0 or n. */
interval paired_difference(double first, double second, double both, double n, double level);

#endif
