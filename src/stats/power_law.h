/* power_law.h - how a loss falls with size: y = a x^b, and y = floor + a x^-b.
 *
 *     TRY(power_law_fit(x, y, n, &p, err));                     // ln y = ln a + b ln x: b -.076, [-.080, -.072]
 *     TRY(power_floor_fit(x, y, n, &how, &f, err));             // floor 1.69, a 406, b .34, and their intervals
 *
 * Without a floor: a straight line in logarithms by least squares (Kaplan and others, arXiv 2001.08361, write L = (N_c / N)^alpha:
 * alpha = -b and N_c = a^(1 / alpha)); limits by Student's t, as for any line. They hold where the errors of ln y are independent
 * and alike; a curve that bends (a floor) makes b too flat and its limits too narrow: look at `curvature`.
 *
 * With a floor: L = E + A / N^alpha (Henighan and others, arXiv 2010.14701; Hoffmann and others, arXiv 2203.15556, section 3.3), fitted as
 * Hoffmann and others do: the least sum of Huber's function of ln y - log-sum-exp(ln A - alpha ln x, ln E) by L-BFGS over ln A,
 * alpha and ln E from a grid of starts. Their delta of .001 is the default; POWER_LEAST_SQUARES takes squares instead. Limits are
 * percentile bootstrap over the points (as Besiroglu and others do when they repeat that fit, arXiv 2404.10102). With few points
 * (below about 8) they say little.
 */
#ifndef ASSAY_STATS_POWER_LAW_H
#define ASSAY_STATS_POWER_LAW_H

#include "core/error.h"
#include "stats/distribution.h"

#include <stddef.h>
#include <stdint.h>

typedef struct power_law {
    double scale, exponent; /* y = scale x^exponent */
    interval scale_limits, exponent_limits; /* 95 %; NaN for 2 points */
    double spread;          /* standard deviation of ln y about the line */
    double curvature, curvature_p; /* of a parabola through the logarithms, and the two-sided p of its being 0; NaN below 4 points */
    size_t points;
} power_law;

/* STATUS_INVALID for fewer than 2 different x, or numbers that are not finite and above 0. */
status power_law_fit(const double *x, const double *y, size_t count, power_law *out, error *err);

#define POWER_LEAST_SQUARES 1e300 /* as delta */

typedef struct power_floor_options {
    double delta; /* of Huber's function; 0: .001 */
    uint64_t seed;
    const char *purpose;
    size_t resamples; /* 0: 400; 1: no limits */
} power_floor_options;

typedef struct power_floor {
    double floor, scale, exponent; /* y = floor + scale x^-exponent; floor 0 where the points show none */
    interval floor_limits, scale_limits, exponent_limits; /* 95 % */
    double loss;                   /* what was minimised, a point */
    size_t points;
} power_floor;

/* STATUS_INVALID for fewer than 4 points or 3 different x, numbers that are not finite and above 0, and where no fit settles. */
status power_floor_fit(const double *x, const double *y, size_t count, const power_floor_options *how, power_floor *out, error *err);

#endif
