/* logit.h - logistic regression by maximum likelihood, which says when there is no maximum.
 *
 *     logit_data d = {.rows = n, .features = 2, .x = x, .outcome = y, .intercept = true};
 *     logit_result r;
 *     TRY(logit_fit(arena, &d, &r, err));
 *     if (r.separated != LOGIT_OVERLAP) ...             // no finite estimate: r.direction[k] says along which features
 *     r.weights[1].value, .error, .limits, .p           // weights[0] is the intercept
 *
 * Newton's method (iteratively reweighted least squares; McCullagh and Nelder, Generalized Linear Models, 1989, 4.4); errors from the
 * inverse information, Wald's limits and tests. A maximum exists only where no direction of the weights puts all outcomes on
 * their sides of the plane (Albert and Anderson, Biometrika 71, 1984): where one does, the data are *separated*, completely or (with
 * some rows on the plane) quasi-completely, estimates run off to infinity, and what other programs print then is where they
 * stopped. Here the direction in which they run is checked against every row and returned. For such data use the regression
 * with a prior (stats/logistic.h), or drop the feature and say so.
 */
#ifndef ASSAY_STATS_LOGIT_H
#define ASSAY_STATS_LOGIT_H

#include "core/arena.h"
#include "core/error.h"
#include "stats/distribution.h"

#include <stdbool.h>

enum { LOGIT_MOST_FEATURES = 512 };

typedef struct logit_data {
    size_t rows, features;
    const double *x; /* [rows][features], finite */
    const bool *outcome;
    bool intercept;
} logit_data;

typedef struct logit_weight {
    double value, error, z, p; /* p: two-sided, Wald */
    interval limits;           /* 95 % */
} logit_weight;

typedef enum logit_separation { LOGIT_OVERLAP, LOGIT_QUASI, LOGIT_COMPLETE } logit_separation;

typedef struct logit_result {
    size_t count;          /* of weights: the intercept first, if there is one */
    logit_weight *weights; /* NaN where separated */
    double *covariance;    /* [count][count]; NaN where separated */
    double log_likelihood; /* NaN where separated: it is approached, not reached */
    logit_separation separated;
    double *direction;     /* [count], where separated: the largest number is 1 or -1; else NULL */
    size_t steps;
} logit_result;

/* STATUS_INVALID for no rows, numbers that are not finite, or features that hang on each other (a column that is a sum of others, or
 * constant beside an intercept). */
status logit_fit(arena *a, const logit_data *d, logit_result *out, error *err);

#endif
