/* permutation.h - is a difference of means more than chance? Tests by exchanging labels, without assuming a distribution.
 *
 *     permutation_options how = {.seed = seed, .purpose = "study/groups"};
 *     permutation_result r;
 *     TRY(permutation_two(x, n, y, m, &how, &r, err));          // two samples: items are exchanged between them
 *     TRY(permutation_paired(differences, n, &how, &r, err));   // pairs: signs are turned
 *
 * p is two-sided: the share of all exchanges whose difference lies at least as far from 0. It is exact where there are at most
 * PERMUTATION_EXACT of them; otherwise PERMUTATION_DRAWS are drawn at addresses, and p = (1 + far) / (1 + draws), which is never 0 and keeps
 * the level (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010). The null hypothesis is that
 * labels mean nothing (two samples), or that differences lie symmetrically about 0 (pairs); two groups with equal means but
 * unequal spread break the first.
 */
#ifndef ASSAY_STATS_PERMUTATION_H
#define ASSAY_STATS_PERMUTATION_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PERMUTATION_EXACT = 65536, PERMUTATION_DRAWS = 20000 };

typedef struct permutation_options {
    uint64_t seed;
    const char *purpose; /* with the seed, the address of the draws */
    size_t draws;        /* 0: PERMUTATION_DRAWS */
} permutation_options;

typedef struct permutation_result {
    double difference; /* of the means: x less y, or the mean difference */
    double p;
    bool exact;
    size_t orders; /* gone through, or drawn */
} permutation_result;

/* STATUS_INVALID for an empty sample or a number that is not finite. */
status permutation_two(const double *x, size_t x_count, const double *y, size_t y_count, const permutation_options *how,
                       permutation_result *out, error *err);
/* Differences of 0 stay: they say nothing either way. */
status permutation_paired(const double *differences, size_t count, const permutation_options *how, permutation_result *out, error *err);

#endif
