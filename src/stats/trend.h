/* trend.h - does a figure rise, fall, or turn as models grow? (inverse_scaling.md, section 4)
 *
 * A series of models of rising size answers the same examples. The figure m of each size is a mean over examples (larger is
 * better: accuracies, or losses with their sign changed), z = log10(size). A line and a parabola are fitted to m over z by
 * least squares, weighted by 1 / sem^2, and everything is repeated on 2,000 resamples of the EXAMPLES: one resample serves all
 * models, so that what they share cancels.
 *
 *     double scores[5 * 400];                                   // model after model, one score an example; NaN: left out
 *     trend_data d = {.sizes = params, .models = 5, .scores = scores, .examples = 400, .baseline = .5, .seed = 1, .purpose = "x"};
 *     trend t;
 *     TRY(trend_find(arena, &d, &t, err));
 *     trend_word(t.class);                                      // "inverse"
 *
 * Classes, in the order in which they are tried:
 *     U-shaped      the parabola opens upwards (limits of c2 above 0), its vertex lies strictly inside the range, and both ends
 *                   lie above the least size's figure
 *     inverted-U    the mirror of that
 *     flat          the slope's 95 % limits lie inside +-0.02 per decade, and the limits of c2 hold 0
 *     standard      the slope's limits lie above 0
 *     inverse       the slope's limits lie below 0
 *     unclear       none of these
 *     unclassed     fewer than 4 sizes, or less than a decade between the first and the last (`reason` says which)
 *
 * Where the rules are ours. The contest that the specification follows had people judge its trends; the bands, the tests and
 * their order are rules of this laboratory, fixed before any data were looked at. The specification asks for 95 % limits
 * of slope and of c2, and also that at most 5 % of series without a trend get another class than flat; both at 95 % would alone
 * make that 10 %, so a slope or a turn is claimed by limits at 97.5 % each (Bonferroni); the 95 % ones are for readers and for the band of
 * "flat". Flat goes before standard and inverse: a slope that is certain but smaller than the band is no trend. A series that
 * is too small to tell is "unclear", never "flat": with 5 sizes over 1.7 decades a figure needs a standard error of about
 * .005 beyond what the models share. A size weighs at most 4 times what the median size weighs: at a figure of exactly 0 or 1 the
 * sem is 0. Several models of one size (seeds) are averaged, and their differences enter as the specification's draws over
 * seeds: each draw adds to each size the mean of as many residuals, drawn from those of all sizes together and shrunk to
 * the variance that the examples' own noise leaves (times f / (f - 2) for f degrees of freedom, as few seeds say little of it); so a
 * size with a single seed is not taken to be without such noise. Where no size has several seeds nothing is known of it, and the limits
 * are those of these very models. Of 1,000 simulated series without a trend 2.9 % (300 examples, one seed) and 4.6 % (400
 * examples, three seeds that differ by .01) were claimed to have one.
 */
#ifndef ASSAY_STATS_TREND_H
#define ASSAY_STATS_TREND_H

#include "core/arena.h"
#include "core/error.h"
#include "stats/distribution.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TREND_LEAST_SIZES = 4, TREND_DRAWS = 2000, TREND_MOST_SIZES = 64 };

#define TREND_CLASSES(X)                                                                                                       \
    X(UNCLASSED, "unclassed")                                                                                                  \
    X(STANDARD, "standard")                                                                                                    \
    X(INVERSE, "inverse")                                                                                                      \
    X(U_SHAPED, "U-shaped")                                                                                                    \
    X(INVERTED_U, "inverted-U")                                                                                                \
    X(FLAT, "flat")                                                                                                            \
    X(UNCLEAR, "unclear")

typedef enum trend_class {
#define X(name, word) TREND_##name,
    TREND_CLASSES(X)
#undef X
    TREND_CLASS_COUNT
} trend_class;

const char *trend_word(trend_class class);

/* A line and a parabola through points. */
typedef struct trend_fit {
    double slope, intercept; /* m = intercept + slope z */
    double centre;           /* weighted mean of z */
    double c0, c1, c2;       /* m = c0 + c1 (z - centre) + c2 (z - centre)^2 */
    double vertex;           /* centre - c1 / (2 c2); NaN where c2 is 0 */
} trend_fit;

/* `z` at least two different values; with fewer than three c0, c1 and c2 are NaN. `weights` NULL: equal ones. */
status trend_fit_points(const double *z, const double *m, const double *weights, size_t count, trend_fit *out, error *err);

typedef struct trend_data {
    const double *sizes;    /* of each model: parameters, or training FLOPs; equal ones are seeds of one size */
    size_t models;
    const double *scores;   /* [models][examples], larger is better; NaN: this model's answer does not count */
    size_t examples;
    const size_t *clusters; /* of each example, numbers from 0, which are drawn as wholes; NULL: each on its own */
    double baseline;        /* the figure of random answers; NaN: none */
    uint64_t seed;          /* with `purpose`, the address of the draws */
    const char *purpose;
    size_t draws;           /* 0: 2000 */
} trend_data;

typedef struct trend {
    trend_class class;
    const char *reason;      /* of TREND_UNCLASSED; else NULL */
    size_t sizes;            /* different ones, rising */
    double *size, *z, *m, *sem; /* of each; sem holds the variance between seeds too */
    size_t *seeds;           /* models of each size */
    double between_seeds;    /* standard deviation between models of one size beyond the examples' own noise */
    trend_fit fit;
    interval slope_limits, c2_limits; /* 95 % */
    interval slope_sure, c2_sure;     /* 97.5 % each: what the class goes by */
    bool monotone;           /* every successive difference has the same sign */
    size_t reversals;        /* successive differences of the other sign than the one before */
    double spearman;         /* NaN where one figure stands for all sizes */
    double effect;           /* m(largest) - m(smallest) */
    interval effect_limits;  /* 95 % */
    double above_baseline;   /* m(largest) - baseline; NaN without a baseline */
    interval above_limits;
} trend;

/* STATUS_INVALID for no example, a size that is not above 0, a model without a score that counts, or more than
 * TREND_MOST_SIZES different sizes. Limits are NaN for a trend that cannot be classed. */
status trend_find(arena *a, const trend_data *data, trend *out, error *err);

#endif
