#include "stats/logit.h"

#include "solve/dense.h"

#include <math.h>
#include <string.h>

enum { STEPS = 100 };
static const double settled = 1e-9, far_out = 30, side = 1e-6;

typedef struct fit {
    const logit_data *data;
    size_t count, rows;
    double *scale;                              /* [count]: each column is divided by its largest number */
    double *beta, *step, *next, *gradient; /* [count]; step: the last one that was made */
    double *information;                   /* [count][count] */
    double log_likelihood;
} fit;

/* Number k of row i with the intercept in front, scaled. */
static double at(const fit *f, size_t i, size_t k)
{
    const logit_data *d = f->data;
    if (d->intercept && k == 0)
        return 1;
    return d->x[i * d->features + k - d->intercept] / f->scale[k];
}

static double along(const fit *f, size_t i, const double *weights)
{
    double sum = 0;
    for (size_t k = 0; k < f->count; k++)
        sum += at(f, i, k) * weights[k];
    return sum;
}

static double log_sigmoid(double z)
{
    return z > 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
}

static double log_likelihood(const fit *f, const double *weights)
{
    double sum = 0;
    for (size_t i = 0; i < f->rows; i++) {
        double z = along(f, i, weights);
        sum += log_sigmoid(f->data->outcome[i] ? z : -z);
    }
    return sum;
}

static void measure(fit *f)
{
    size_t n = f->count;
    memset(f->gradient, 0, n * sizeof *f->gradient);
    memset(f->information, 0, n * n * sizeof *f->information);
    for (size_t i = 0; i < f->rows; i++) {
        double p = exp(log_sigmoid(along(f, i, f->beta))), q = exp(log_sigmoid(-along(f, i, f->beta)));
        for (size_t k = 0; k < n; k++) {
            double x = at(f, i, k);
            f->gradient[k] += x * (f->data->outcome[i] ? q : -p);
            for (size_t j = 0; j <= k; j++)
                f->information[k * n + j] += x * at(f, i, j) * p * q;
        }
    }
}

/* Which rows a direction puts on their sides: none may lie on the wrong one. */
static logit_separation check_direction(const fit *f, const double *direction)
{
    double largest = 0;
    size_t on_plane = 0;
    for (size_t i = 0; i < f->rows; i++)
        largest = fmax(largest, fabs(along(f, i, direction)));
    if (!(largest > 0) || !isfinite(largest))
        return LOGIT_OVERLAP;
    for (size_t i = 0; i < f->rows; i++) {
        double z = along(f, i, direction) / largest, good = f->data->outcome[i] ? z : -z;
        if (good < -side)
            return LOGIT_OVERLAP;
        on_plane += good <= side;
    }
    return on_plane ? LOGIT_QUASI : LOGIT_COMPLETE;
}

/* Columns that hang on each other are found before any outcome is looked at, by the rank of X. */
static status check(arena *a, const fit *f, error *err)
{
    const logit_data *d = f->data;
    double *x = arena_array(a, d->rows, f->count * sizeof *x), *side_of = ARENA_ARRAY(a, double, d->rows + 1);
    double *unused = ARENA_ARRAY(a, double, f->count);
    size_t rank;
    if (!x || !side_of || !unused)
        return error_set(err, STATUS_MEMORY, "out of memory for a regression of %zu rows", d->rows);
    for (size_t i = 0; i < d->rows; i++)
        for (size_t k = 0; k < f->count; k++)
            x[i * f->count + k] = at(f, i, k);
    if (d->rows > DENSE_MOST) { /* the rank of X is that of X^T X, at half of the digits */
        double *square = arena_array(a, f->count, f->count * sizeof *square), *values = ARENA_ARRAY(a, double, f->count);
        if (!square || !values)
            return error_set(err, STATUS_MEMORY, "out of memory for a regression of %zu rows", d->rows);
        for (size_t i = 0; i < d->rows; i++)
            for (size_t k = 0; k < f->count; k++)
                for (size_t j = 0; j <= k; j++)
                    square[k * f->count + j] += x[i * f->count + k] * x[i * f->count + j];
        TRY(dense_symmetric_eigen(f->count, square, values, false, err));
        rank = 0;
        for (size_t k = 0; k < f->count; k++)
            rank += values[k] > 1e-12 * values[f->count - 1];
    } else {
        TRY(dense_least_squares(d->rows, f->count, x, side_of, 1e-9, unused, &rank, err));
    }
    if (rank < f->count)
        return error_set(err, STATUS_INVALID, "a regression: the %zu columns (with the intercept) have rank %zu over %zu rows; drop features "
                         "that are sums of others or never change", f->count, rank, d->rows);
    return STATUS_OK;
}

static status prepare(arena *a, const logit_data *d, fit *f, error *err)
{
    if (d->rows == 0 || d->features + d->intercept == 0 || d->features > LOGIT_MOST_FEATURES)
        return error_set(err, STATUS_INVALID, "a regression needs rows and 1 to %d features, found %zu rows of %zu", LOGIT_MOST_FEATURES,
                         d->rows, d->features);
    for (size_t i = 0; i < d->rows * d->features; i++)
        if (!isfinite(d->x[i]))
            return error_set(err, STATUS_INVALID, "feature %zu of row %zu is not a finite number", i % d->features + 1, i / d->features + 1);
    *f = (fit){.data = d, .count = d->features + d->intercept, .rows = d->rows};
    f->scale = ARENA_ARRAY(a, double, f->count);
    f->beta = ARENA_ARRAY(a, double, f->count);
    f->step = ARENA_ARRAY(a, double, f->count);
    f->next = ARENA_ARRAY(a, double, f->count);
    f->gradient = ARENA_ARRAY(a, double, f->count);
    f->information = arena_array(a, f->count, f->count * sizeof(double));
    if (!f->scale || !f->beta || !f->step || !f->next || !f->gradient || !f->information)
        return error_set(err, STATUS_MEMORY, "out of memory for a regression of %zu features", d->features);
    for (size_t i = 0; i < d->rows; i++)
        for (size_t k = 0; k < d->features; k++)
            f->scale[k + d->intercept] = fmax(f->scale[k + d->intercept], fabs(d->x[i * d->features + k]));
    for (size_t k = 0; k < f->count; k++)
        f->scale[k] = f->scale[k] > 0 ? f->scale[k] : 1;
    return check(a, f, err);
}

/* One step of Newton's method, halved until the likelihood does not fall. Along a separating direction it never shrinks (each one
 * adds about 1 to every z), so that steps that shrink tell a maximum from a place far out. `going` false: the information has
 * become singular, everything is certain. */
static status newton_step(fit *f, double *moved, double *reached, bool *going, error *err)
{
    size_t n = f->count;
    measure(f);
    memcpy(f->next, f->gradient, n * sizeof *f->next);
    status result = dense_cholesky(n, f->information, err);
    if (result == STATUS_OK)
        result = dense_cholesky_solve(n, f->information, 1, f->next, err);
    *going = result == STATUS_OK;
    if (result != STATUS_OK)
        return result == STATUS_INVALID ? STATUS_OK : result;
    memcpy(f->step, f->next, n * sizeof *f->step);
    double before = f->log_likelihood;
    for (int halving = 0; halving < 60; halving++) {
        for (size_t k = 0; k < n; k++)
            f->beta[k] += f->step[k];
        f->log_likelihood = log_likelihood(f, f->beta);
        if (f->log_likelihood >= before - 1e-12 * fabs(before))
            break;
        for (size_t k = 0; k < n; k++) {
            f->beta[k] -= f->step[k];
            f->step[k] /= 2;
        }
    }
    *moved = *reached = 0;
    for (size_t i = 0; i < f->rows; i++) {
        *moved = fmax(*moved, fabs(along(f, i, f->step)));
        *reached = fmax(*reached, fabs(along(f, i, f->beta)));
    }
    return STATUS_OK;
}

static status report(fit *f, logit_result *out, error *err)
{
    size_t n = f->count;
    measure(f);
    TRY(dense_cholesky(n, f->information, err));
    TRY(dense_cholesky_inverse(n, f->information, out->covariance, err));
    double z95 = normal_quantile(.975);
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < n; j++)
            out->covariance[k * n + j] /= f->scale[k] * f->scale[j];
    for (size_t k = 0; k < n; k++) {
        double value = f->beta[k] / f->scale[k], sem = sqrt(out->covariance[k * n + k]);
        out->weights[k] = (logit_weight){value, sem, value / sem, fmin(1, 2 * normal_above(fabs(value / sem))),
                                         {value - z95 * sem, value + z95 * sem}};
    }
    out->log_likelihood = f->log_likelihood;
    return STATUS_OK;
}

static void give_direction(const fit *f, logit_result *out)
{
    double largest = 0;
    for (size_t k = 0; k < f->count; k++)
        largest = fmax(largest, fabs(f->step[k] / f->scale[k]));
    for (size_t k = 0; k < f->count; k++) {
        double share = f->step[k] / f->scale[k] / largest;
        out->direction[k] = fabs(share) < side ? 0 : share;
    }
}

status logit_fit(arena *a, const logit_data *d, logit_result *out, error *err)
{
    arena *scratch = arena_new(NULL);
    fit f;
    status result = scratch ? prepare(scratch, d, &f, err) : error_set(err, STATUS_MEMORY, "out of memory for a regression");
    if (result != STATUS_OK) {
        arena_free(scratch);
        return result;
    }
    size_t n = f.count;
    *out = (logit_result){.count = n, .log_likelihood = NAN, .weights = ARENA_ARRAY(a, logit_weight, n),
                          .covariance = arena_array(a, n, n * sizeof(double)), .direction = ARENA_ARRAY(a, double, n)};
    if (!out->weights || !out->covariance || !out->direction)
        result = error_set(err, STATUS_MEMORY, "out of memory for a regression of %zu features", d->features);
    double moved = INFINITY, reached = 0;
    bool going = true;
    f.log_likelihood = result == STATUS_OK ? log_likelihood(&f, f.beta) : 0;
    while (result == STATUS_OK && going && moved > settled && out->steps < STEPS) {
        result = newton_step(&f, &moved, &reached, &going, err);
        out->steps += going;
        if (going && reached > far_out)
            out->separated = check_direction(&f, f.step);
        going = going && out->separated == LOGIT_OVERLAP;
    }
    if (result == STATUS_OK && out->separated == LOGIT_OVERLAP && moved > settled)
        out->separated = check_direction(&f, f.step);
    if (result == STATUS_OK && out->separated == LOGIT_OVERLAP && moved > settled)
        result = error_set(err, STATUS_INVALID, "a regression did not settle in %zu steps, and no separating direction was found", out->steps);
    for (size_t k = 0; result == STATUS_OK && k < n; k++)
        out->weights[k] = (logit_weight){NAN, NAN, NAN, NAN, {NAN, NAN}};
    for (size_t k = 0; result == STATUS_OK && k < n * n; k++)
        out->covariance[k] = NAN;
    if (result == STATUS_OK && out->separated == LOGIT_OVERLAP) {
        out->direction = NULL;
        result = report(&f, out, err);
    } else if (result == STATUS_OK) {
        give_direction(&f, out);
    }
    arena_free(scratch);
    return result;
}
