/* diversity.h - how varied a list of texts is (model_written_evals.md, section 4).
 *
 *     distinct_n(a, lines, 3, 2);               // "i like red", "i like blue", "i like red": 3 / 6 = .5
 *     vendi_score(cosines, 2, &v, err);         // of {1, .5, .5, 1}: 1.754765
 *     cluster_entropy(sizes, 4);                // of 4, 3, 2, 1: H / ln 4 = .923220
 *
 * NaN where there is nothing to measure.
 */
#ifndef ASSAY_STATS_DIVERSITY_H
#define ASSAY_STATS_DIVERSITY_H

#include "core/arena.h"
#include "core/error.h"

/* Different runs of n words over all of them (Li and others, arXiv 1510.03055). */
double distinct_n(arena *a, const char *const *texts, size_t count, size_t n);
/* Mean BLEU of each text against all others (Zhu and others, arXiv 1802.01886): runs of one to four words, add-one smoothing from two
 * words on (Lin and Och, 2004), nearest reference length. 1: every text is there twice. */
double self_bleu(arena *a, const char *const *texts, size_t count);
/* exp of the entropy of the eigenvalues of K / n (Friedman and Dieng, arXiv 2210.02410): 1 all alike, n none alike another.
 * `similarity` is n x n with ones on its diagonal, and destroyed. */
status vendi_score(double *similarity, size_t n, double *out, error *err);
/* Entropy of the shares over the logarithm of their number. */
double cluster_entropy(const size_t *sizes, size_t count);

#endif
