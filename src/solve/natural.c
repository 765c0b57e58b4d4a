#include "solve/natural.h"

#include "core/arena.h"
#include "solve/dense.h"
#include "solve/krylov.h"

#include <math.h>
#include <string.h>

typedef struct sample_rows {
    size_t samples, n;
    const double *x; /* centred, over sqrt(samples) */
    double *between; /* [samples] */
} sample_rows;

static status no_memory(size_t samples, size_t n, error *err)
{
    return error_set(err, STATUS_MEMORY, "natural gradient: out of memory for %zu samples of %zu parameters", samples, n);
}

/* out = X v */
static void times(const sample_rows *r, const double *v, double *out)
{
    for (size_t s = 0; s < r->samples; s++) {
        double sum = 0;
        for (size_t i = 0; i < r->n; i++)
            sum += r->x[s * r->n + i] * v[i];
        out[s] = sum;
    }
}

/* out = X^T v */
static void times_transposed(const sample_rows *r, const double *v, double *out)
{
    memset(out, 0, r->n * sizeof *out);
    for (size_t s = 0; s < r->samples; s++)
        for (size_t i = 0; i < r->n; i++)
            out[i] += r->x[s * r->n + i] * v[s];
}

static double length_of(size_t n, const double *v)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

static status metric_product(void *context, const double *v, double *out, error *err)
{
    const sample_rows *r = context;
    (void)err;
    times(r, v, r->between);
    times_transposed(r, r->between, out);
    return STATUS_OK;
}

/* Rows less their mean, over sqrt(samples), into x. */
static status centre(size_t samples, size_t n, const double *rows, double *mean, double *x, error *err)
{
    double share = 1 / (double)samples, root = sqrt(share);
    for (size_t s = 0; s < samples; s++)
        for (size_t i = 0; i < n; i++) {
            if (!isfinite(rows[s * n + i]))
                return error_set(err, STATUS_INVALID, "natural gradient: derivative %zu of sample %zu is not a finite number", i + 1, s + 1);
            mean[i] += rows[s * n + i] * share;
        }
    for (size_t s = 0; s < samples; s++)
        for (size_t i = 0; i < n; i++)
            x[s * n + i] = (rows[s * n + i] - mean[i]) * root;
    return STATUS_OK;
}

static status centre_values(size_t samples, const double *values, double *e, natural_report *out, error *err)
{
    double squares = 0;
    for (size_t s = 0; s < samples; s++) {
        if (!isfinite(values[s]))
            return error_set(err, STATUS_INVALID, "natural gradient: the value of sample %zu is not a finite number", s + 1);
        out->mean += values[s] / (double)samples;
    }
    for (size_t s = 0; s < samples; s++) {
        e[s] = (values[s] - out->mean) / sqrt((double)samples);
        squares += e[s] * e[s];
    }
    out->deviation = sqrt(squares);
    return STATUS_OK;
}

static void add_to_diagonal(size_t n, double *a, double amount)
{
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += amount;
}

/* step = X^T (X X^T + damping)^-1 e */
static status solve_samples(const sample_rows *r, const double *e, double damping, arena *a, double *step, error *err)
{
    size_t m = r->samples;
    double *gram = ARENA_ARRAY(a, double, m * m);
    if (!gram)
        return no_memory(m, r->n, err);
    memcpy(r->between, e, m * sizeof *e);
    TRY(dense_gram(m, r->n, r->x, gram, err));
    add_to_diagonal(m, gram, damping);
    TRY(dense_cholesky(m, gram, err));
    TRY(dense_cholesky_solve(m, gram, 1, r->between, err));
    times_transposed(r, r->between, step);
    return STATUS_OK;
}

/* step = (X^T X + damping)^-1 force, dense */
static status solve_parameters(const sample_rows *r, const double *force, double damping, arena *a, double *step, error *err)
{
    size_t n = r->n;
    double *metric = ARENA_ARRAY(a, double, n * n), *columns = ARENA_ARRAY(a, double, n * r->samples);
    if (!metric || !columns)
        return no_memory(r->samples, n, err);
    for (size_t s = 0; s < r->samples; s++)
        for (size_t i = 0; i < n; i++)
            columns[i * r->samples + s] = r->x[s * n + i];
    memcpy(step, force, n * sizeof *step);
    TRY(dense_gram(n, r->samples, columns, metric, err));
    add_to_diagonal(n, metric, damping);
    TRY(dense_cholesky(n, metric, err));
    return dense_cholesky_solve(n, metric, 1, step, err);
}

static status solve(const sample_rows *r, const double *e, const double *force, const natural_options *o, arena *a, double *step,
                    natural_report *out, error *err)
{
    out->converged = true;
    if (o->way == NATURAL_SAMPLES)
        return solve_samples(r, e, o->damping, a, step, err);
    if (o->way == NATURAL_PARAMETERS)
        return solve_parameters(r, force, o->damping, a, step, err);
    sample_rows copy = *r;
    linear_map metric = {r->n, metric_product, &copy};
    krylov_options how = {.damping = o->damping, .tolerance = o->tolerance, .most = o->steps};
    krylov_report report;
    TRY(krylov_cg(&metric, force, step, &how, &report, err));
    out->converged = report.converged;
    out->steps = report.steps;
    return STATUS_OK;
}

static status step_of(arena *a, size_t samples, size_t n, const double *rows, const double *values, const natural_options *o, double *step,
                      natural_report *out, error *err)
{
    double *x = ARENA_ARRAY(a, double, samples * n), *mean = ARENA_ARRAY(a, double, n), *e = ARENA_ARRAY(a, double, samples);
    double *force = ARENA_ARRAY(a, double, n);
    sample_rows r = {samples, n, x, ARENA_ARRAY(a, double, samples)};
    if (!x || !mean || !e || !force || !r.between)
        return no_memory(samples, n, err);
    TRY(centre(samples, n, rows, mean, x, err));
    TRY(centre_values(samples, values, e, out, err));
    times_transposed(&r, e, force);
    out->gradient = 2 * length_of(n, force);
    TRY(solve(&r, e, force, o, a, step, out, err));
    times(&r, step, r.between);
    out->length = o->rate * length_of(samples, r.between);
    out->shortened = o->most > 0 && out->length > o->most;
    double factor = out->shortened ? o->rate * (o->most / out->length) : o->rate;
    for (size_t i = 0; i < n; i++)
        step[i] *= -factor;
    out->length = out->shortened ? o->most : out->length;
    return STATUS_OK;
}

status natural_step(size_t samples, size_t n, const double *rows, const double *values, const natural_options *o, double *step,
                    natural_report *out, error *err)
{
    *out = (natural_report){0};
    if (samples < 2 || n < 1)
        return error_set(err, STATUS_INVALID, "natural gradient: expected at least 2 samples and 1 parameter, found %zu and %zu", samples, n);
    if (!(o->damping > 0) || !(o->rate > 0))
        return error_set(err, STATUS_INVALID, "natural gradient: expected a damping and a rate above 0, found %g and %g", o->damping, o->rate);
    arena *a = arena_new(NULL);
    status result = a ? step_of(a, samples, n, rows, values, o, step, out, err) : no_memory(samples, n, err);
    arena_free(a);
    return result;
}
