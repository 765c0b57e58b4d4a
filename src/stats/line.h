/* line.h - the calibration line: response y against dose d, and what a reading means (instrument_calibration.md
 * sections 4.1, 4.3, 4.4, 4.5).
 *
 *     calibration_line l;
 *     TRY(line_fit(doses, responses, NULL, 5, &l, err));    // S = .9072, a = .0163, s_y = .00789
 *     line_reading x = line_read(&l, .30, 1, .95);          // .3127 +- .0304
 *
 * The unit of a point is an organism, not an item.
 */
#ifndef ASSAY_STATS_LINE_H
#define ASSAY_STATS_LINE_H

#include "core/error.h"
#include "stats/distribution.h"

typedef struct calibration_line {
    size_t points;
    double slope, intercept;
    double s_y;                        /* sqrt(RSS / (N - 2)); NaN for 2 points */
    double slope_error, intercept_error; /* standard errors */
    double mean_x, mean_y, sxx;        /* weighted; weights scaled to the sum N */
    double freedom;                    /* N - 2 */
} calibration_line;

/* Weighted least squares; weights proportional to 1 / Var(y), NULL for equal ones. STATUS_INVALID for fewer than two
 * points or a single dose. */
status line_fit(const double *x, const double *y, const double *weights, size_t count, calibration_line *out,
                error *err);
interval line_slope_interval(const calibration_line *l, double level);
interval line_intercept_interval(const calibration_line *l, double level);

typedef struct line_reading {
    double dose, error; /* the dose read, and its standard error */
    interval limits;    /* with t(N - 2) */
} line_reading;

/* The dose behind a mean y0 of m readings. */
line_reading line_read(const calibration_line *l, double y0, double m, double level);
/* (y - a) / (S d). */
double line_recovery(const calibration_line *l, double dose, double y);

typedef struct lack_of_fit {
    double f, p;
    double freedom1, freedom2; /* k - 2, N - k */
    double ss_error, ss_pure;  /* about the line, within doses */
} lack_of_fit;

/* F test of linearity from repeated doses; F and p are NaN where the data do not allow it (fewer than 3 doses, no
 * repeats). */
status line_lack_of_fit(const double *x, const double *y, size_t count, lack_of_fit *out, error *err);

#endif
