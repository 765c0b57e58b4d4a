/* mean.h - means of items with honest intervals.
 *
 *     mean_estimate m = mean_of(values, 4);                    // (1, 0, 1, 1): .75, error .2165 (population deviation)
 *     mean_estimate c = mean_clustered(values, clusters, n);   // items of one template are not independent
 */
#ifndef ASSAY_STATS_MEAN_H
#define ASSAY_STATS_MEAN_H

#include "stats/distribution.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mean_estimate {
    double mean, deviation; /* deviation: of the population, sqrt(sum (x - mean)^2 / n) */
    double error;           /* standard error */
    interval limits;        /* 95 % */
    size_t n, clusters;
} mean_estimate;

/* The standard error is deviation / sqrt(n), as the Inverse Scaling prize has it; limits are +-1.96 of it. NaN for none; of a single
 * value error and limits are NaN: it says nothing of its spread. A value that is NaN makes all of it NaN. */
mean_estimate mean_of(const double *values, size_t n);

/* Cluster-robust: error^2 = G/(G-1) sum_g (sum_{i in g} (x_i - mean))^2 / n^2 (the sandwich estimator of a mean, Liang and
 * Zeger 1986, with the usual small-sample factor); limits by Student's t with G - 1 degrees of freedom. Clusters are named by any
 * numbers. With one cluster error and limits are NaN. False when memory is out. */
bool mean_clustered(const double *values, const uint64_t *clusters, size_t n, mean_estimate *out);

#endif
