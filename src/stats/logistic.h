/* logistic.h - what decides between two things: Bayesian logistic regression on comparisons.
 *
 * Of a pair, x[k] says how much more the first shows feature k (+1 the first alone, -1 the second alone, 0 neither or both; or
 * a difference in any unit), and `chosen` whether the first was preferred:
 *
 *     p(the first is preferred) = sigmoid(sum_k beta_k x_k),   beta_k ~ Laplace(0, scale)
 *
 * (Sharma et al., "Towards Understanding Sycophancy in Language Models", arXiv 2310.13548, section 4.1.) sigmoid(beta_k) is the
 * probability that what shows k is preferred, all else tied. Which of a pair is the first must have been drawn by lot; then
 * no intercept is needed, and a column of ones measures the lean towards the place.
 *
 *     logistic_data d = {.pairs = n, .features = 4, .x = x, .chosen = chosen};
 *     logistic_posterior p;
 *     TRY(logistic_fit(arena, &d, &(logistic_options){.scale = .5, .seed = 1, .purpose = "feedback"}, &p, err));
 *     p.weights[1].median, .low, .high, .r_hat, .ess
 *
 * Pairs that are alike are counted once, with how often they went each way, so many pairs of few features cost little.
 * Turning a pair round (x to -x, chosen to not chosen) changes nothing, not a bit. A narrow prior shrinks: say its scale.
 */
#ifndef ASSAY_STATS_LOGISTIC_H
#define ASSAY_STATS_LOGISTIC_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOGISTIC_MOST_FEATURES = 256 };

typedef struct logistic_data {
    size_t pairs, features;
    const double *x; /* [pairs][features], finite */
    const bool *chosen;
} logistic_data;

typedef struct logistic_options {
    double scale; /* of the prior, > 0 */
    uint64_t seed;
    const char *purpose;
    size_t chains, warmup, draws; /* 0: 4 chains, 1000 to warm up, 1500 kept of each */
} logistic_options;

typedef struct logistic_weight {
    double mean, median, low, high;              /* of beta; the limits hold 95 % of the posterior */
    double effect, effect_low, effect_high;      /* the same of sigmoid(beta) */
    double r_hat, ess;                           /* stats/chains.h */
} logistic_weight;

typedef struct logistic_posterior {
    size_t features, chains, draws;
    double scale, acceptance;
    logistic_weight *weights; /* [features] */
    double *values;           /* [chains][draws][features] */
} logistic_posterior;

/* STATUS_INVALID when the data are empty, hold what is not finite, or the scale is not positive. */
status logistic_fit(arena *a, const logistic_data *d, const logistic_options *o, logistic_posterior *out, error *err);

/* Mean log-probability that the posterior gives to what was chosen, a pair (nats; ln .5 = -.693 knows nothing). */
status logistic_log_score(const logistic_posterior *p, const logistic_data *d, double *out, error *err);
/* Share of pairs whose preferred side sign(sum_k E[beta_k] x_k) names; 0 counts half. */
double logistic_accuracy(const logistic_posterior *p, const logistic_data *d);

/* The scale among `scales` whose posteriors score best on parts that they did not see (`folds` parts, pairs dealt by address);
 * scores[count], if not NULL, gets the mean score of each. */
status logistic_choose_scale(const logistic_data *d, const double *scales, size_t count, size_t folds, const logistic_options *o,
                             double *best, double *scores, error *err);

/* The largest |correlation| between the columns of two features, and which: weights of features that go together cannot be
 * told apart. Columns that never change are left out; 0 when there are no two. */
double logistic_confounding(const logistic_data *d, size_t *first, size_t *second);

#endif
