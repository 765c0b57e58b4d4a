/* multiple.h - many tests at once: what may still be called a finding.
 *
 *     double adjusted[5];
 *     if (!holm(p, 5, adjusted)) ...                     // adjusted[i] <= .05: a finding, at most 5 % chance of any false one
 *     if (!benjamini_hochberg(p, 5, adjusted)) ...       // of what is below .05 at most 5 % is false, on average
 *
 * Which: Holm where one false finding spoils the conclusion (comparisons of two runs, gates); Benjamini and Hochberg where many
 * tasks are screened. Both keep the order of p; NaN stays NaN and is not counted; both return false when memory is out.
 */
#ifndef ASSAY_STATS_MULTIPLE_H
#define ASSAY_STATS_MULTIPLE_H

#include <stdbool.h>
#include <stddef.h>

/* Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): valid for tests that hang together in any way. */
bool holm(const double *p, size_t count, double *adjusted);
/* Benjamini and Hochberg's (Journal of the Royal Statistical Society B 57, 1995): for independent or positively dependent tests. */
bool benjamini_hochberg(const double *p, size_t count, double *adjusted);

#endif
