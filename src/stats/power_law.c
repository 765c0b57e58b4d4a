#include "stats/power_law.h"

#include "core/arena.h"
#include "solve/lbfgs.h"
#include "stats/bootstrap.h"
#include "stats/line.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PARAMETERS = 3, RESAMPLES = 400, STEPS = 500 };
static const double usual_delta = 1e-3;

/* The logarithms of both, [2][count]. */
static status logarithms(const double *x, const double *y, size_t count, double **out, error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!(x[i] > 0) || !(y[i] > 0) || isinf(x[i]) || isinf(y[i]))
            return error_set(err, STATUS_INVALID, "a power law: point %zu is (%g, %g); expected finite numbers above 0", i + 1, x[i], y[i]);
    *out = memory_alloc((2 * count + 1) * sizeof **out);
    for (size_t i = 0; *out && i < count; i++) {
        (*out)[i] = log(x[i]);
        (*out)[count + i] = log(y[i]);
    }
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a power law through %zu points", count);
}

static size_t different(const double *x, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = x[j] != x[i];
        found += first;
    }
    return found;
}

/* The t test of the square beside 1 and x: what of the square the line leaves over, against the residuals. */
static void find_curvature(const double *x, const double *y, size_t count, const calibration_line *l, power_law *out)
{
    double n = (double)count, s3 = 0, s2 = l->sxx, square = 0, against = 0, rest = 0;
    for (size_t i = 0; i < count; i++)
        s3 += pow(x[i] - l->mean_x, 3);
    for (size_t i = 0; i < count; i++) {
        double d = x[i] - l->mean_x, left = d * d - s2 / n - s3 / s2 * d, residual = y[i] - l->intercept - l->slope * x[i];
        square += left * left;
        against += left * residual;
    }
    if (count < 4 || !(square > 1e-12 * s2 * s2))
        return;
    out->curvature = against / square;
    for (size_t i = 0; i < count; i++) {
        double d = x[i] - l->mean_x, left = d * d - s2 / n - s3 / s2 * d;
        double residual = y[i] - l->intercept - l->slope * x[i] - out->curvature * left;
        rest += residual * residual;
    }
    double sem = sqrt(rest / (n - 3) / square);
    if (sem > 0)
        out->curvature_p = 2 * student_below(-fabs(out->curvature) / sem, n - 3);
}

status power_law_fit(const double *x, const double *y, size_t count, power_law *out, error *err)
{
    double *logs;
    calibration_line l;
    TRY(logarithms(x, y, count, &logs, err));
    status result = different(logs, count) < 2 ? error_set(err, STATUS_INVALID, "a power law needs 2 different x, found %zu points of %zu", count,
                                                           different(logs, count))
                                               : line_fit(logs, logs + count, NULL, count, &l, err);
    if (result == STATUS_OK) {
        interval slope = line_slope_interval(&l, .95), at = line_intercept_interval(&l, .95);
        *out = (power_law){.scale = exp(l.intercept), .exponent = l.slope, .scale_limits = {exp(at.low), exp(at.high)},
                           .exponent_limits = slope, .spread = l.s_y, .curvature = NAN, .curvature_p = NAN, .points = count};
        find_curvature(logs, logs + count, count, &l, out);
    }
    memory_free(logs);
    return result;
}

/* ---- with a floor --------------------------------------------------------------------------------------------------- */

/* Parameters: ln scale at the middle of the points, exponent, ln floor. */
typedef struct floor_problem {
    const double *x, *y; /* logarithms, x about its middle */
    size_t count;
    double delta;
    const size_t *picks; /* NULL: each point once */
    double start[PARAMETERS]; /* of the resamples: where all points led */
} floor_problem;

static double huber(double residual, double delta, double *slope)
{
    if (fabs(residual) <= delta) {
        *slope = residual;
        return residual * residual / 2;
    }
    *slope = copysign(delta, residual);
    return delta * (fabs(residual) - delta / 2);
}

static status floor_loss(void *context, const double *p, double *value, double *gradient, error *err)
{
    const floor_problem *f = context;
    (void)err;
    *value = 0;
    memset(gradient, 0, PARAMETERS * sizeof *gradient);
    for (size_t i = 0; i < f->count; i++) {
        size_t k = f->picks ? f->picks[i] : i;
        double falls = p[0] - p[1] * f->x[k], most = fmax(falls, p[2]), slope;
        double both = most + log(exp(falls - most) + exp(p[2] - most)), share = exp(falls - both); /* share: of what falls */
        *value += huber(both - f->y[k], f->delta, &slope) / (double)f->count;
        slope /= (double)f->count;
        gradient[0] += slope * share;
        gradient[1] -= slope * share * f->x[k];
        gradient[2] += slope * (1 - share);
    }
    /* Huber's function is flat for a small delta: in units of delta the gradient means the same for all. */
    double unit = f->delta < 1 ? f->delta : 1;
    *value /= unit;
    for (size_t k = 0; k < PARAMETERS; k++)
        gradient[k] /= unit;
    return STATUS_OK;
}

static status descend(floor_problem *f, double *p, double *loss, error *err)
{
    lbfgs_report r;
    TRY(lbfgs_minimise(floor_loss, f, PARAMETERS, p, &(lbfgs_options){.most = STEPS, .tolerance = 1e-9}, &r, err));
    *loss = r.value;
    return STATUS_OK;
}

/* From a grid: floors at shares of the least y, exponents over what scaling laws have shown, the scale through the middle. */
static status search(floor_problem *f, double *best, double *loss, error *err)
{
    static const double floors[] = {1e-4, .3, .7, .95}, exponents[] = {.05, .2, .5, 1, 2};
    double least = INFINITY, mean = 0;
    for (size_t i = 0; i < f->count; i++) {
        least = fmin(least, f->y[i]);
        mean += f->y[i] / (double)f->count;
    }
    *loss = INFINITY;
    for (size_t i = 0; i < COUNT_OF(floors); i++)
        for (size_t k = 0; k < COUNT_OF(exponents); k++) {
            double p[PARAMETERS] = {0, exponents[k], least + log(floors[i])}, found;
            p[0] = mean + log1p(-fmin(.99, exp(p[2] - mean)));
            TRY(descend(f, p, &found, err));
            if (found < *loss) {
                *loss = found;
                memcpy(best, p, sizeof p);
            }
        }
    return isfinite(*loss) ? STATUS_OK : error_set(err, STATUS_INVALID, "a power law with a floor: no fit settled");
}

/* As they are reported: floor, scale at x = 1, exponent. A floor below a millionth of the least y is none. */
static void translate(const floor_problem *f, const double *p, double middle, double *out)
{
    double least = INFINITY;
    for (size_t i = 0; i < f->count; i++)
        least = fmin(least, f->y[i]);
    out[0] = p[2] < least + log(1e-6) ? 0 : exp(p[2]);
    out[1] = exp(p[0] + p[1] * middle);
    out[2] = p[1];
}

typedef struct resampled {
    const floor_problem *problem;
    double middle;
} resampled;

/* Resamples start from the fit of all points; NaN where fewer than 3 different x were drawn or no fit settles. */
static void resample(const void *context, const size_t *picks, size_t count, double *values)
{
    const resampled *r = context;
    floor_problem f = *r->problem;
    double p[PARAMETERS], loss, low = INFINITY, high = -INFINITY;
    size_t between = 0;
    f.picks = picks;
    f.count = count;
    memcpy(p, f.start, sizeof p);
    values[0] = values[1] = values[2] = NAN;
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, f.x[picks[i]]);
        high = fmax(high, f.x[picks[i]]);
    }
    for (size_t i = 0; i < count; i++)
        between += f.x[picks[i]] > low && f.x[picks[i]] < high;
    if (between > 0 && descend(&f, p, &loss, NULL) == STATUS_OK)
        translate(r->problem, p, r->middle, values);
}

status power_floor_fit(const double *x, const double *y, size_t count, const power_floor_options *how, power_floor *out, error *err)
{
    double *logs, middle = 0, best[PARAMETERS], loss, values[PARAMETERS];
    interval limits[PARAMETERS] = {{NAN, NAN}, {NAN, NAN}, {NAN, NAN}};
    if (count < 4 || different(x, count) < 3)
        return error_set(err, STATUS_INVALID, "a power law with a floor needs 4 points at 3 different x, found %zu points at %zu", count,
                         different(x, count));
    TRY(logarithms(x, y, count, &logs, err));
    for (size_t i = 0; i < count; i++)
        middle += logs[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        logs[i] -= middle;
    floor_problem f = {.x = logs, .y = logs + count, .count = count, .delta = how->delta > 0 ? how->delta : usual_delta};
    status result = search(&f, best, &loss, err);
    if (result == STATUS_OK && how->resamples != 1) {
        memcpy(f.start, best, sizeof best);
        bootstrap b = {.items = count, .seed = how->seed, .purpose = how->purpose, .resamples = how->resamples ? how->resamples : RESAMPLES};
        result = bootstrap_intervals(&b, resample, &(resampled){&f, middle}, PARAMETERS, limits, err);
    }
    if (result == STATUS_OK) {
        translate(&f, best, middle, values);
        *out = (power_floor){values[0], values[1], values[2], limits[0], limits[1], limits[2], loss * fmin(1, f.delta), count};
    }
    memory_free(logs);
    return result;
}
