/* best_of.h - the best of n draws, in closed form.
 *
 * From one pool of draws with scores, the mean value of the reply that a ranker would pick out of n of them, over all subsets of
 * n (sycophancy.md, section 4): with the pool sorted by score, best first, and m draws in all,
 *
 *     B_n = sum_i value_(i) C(m - i, n - 1) / C(m, n),   i = 1 .. m - n + 1
 *
 * which has no bias, and far less noise than fresh maxima. Draws of equal score share their weights equally, as a ranker that
 * breaks ties by chance would make them.
 *
 *     double syc[64], scores[64];                              // of 64 draws for one prompt
 *     for (size_t n = 1; n <= 64; n *= 2)
 *         curve[k++] = best_of_expected(scores, syc, 64, n);
 */
#ifndef ASSAY_STATS_BEST_OF_H
#define ASSAY_STATS_BEST_OF_H

#include <stddef.h>

/* NaN where n is 0 or above `count`, or a score is NaN. */
double best_of_expected(const double *scores, const double *values, size_t count, size_t n);
/* KL divergence of the best of n from a single draw, in nats, where scores are never equal: ln n - (n - 1) / n (Stiennon et al.,
 * arXiv 2009.01325, appendix G.3). With ties it is an upper bound (Beirami et al., arXiv 2401.01879). */
double best_of_kl(size_t n);

#endif
