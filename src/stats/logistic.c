#include "stats/logistic.h"

#include "core/random.h"
#include "stats/bootstrap.h"
#include "stats/chains.h"
#include "stats/hmc.h"
#include "stats/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- pairs that are alike ---- */

/* A row is x, then how often its first side won and lost; its first value that is not 0 is positive. */
typedef struct counted {
    size_t rows, features;
    double scale, *table; /* [rows][features + 2] */
} counted;

static int by_row(const void *x, const void *y, void *features)
{
    const double *a = x, *b = y;
    for (size_t k = 0; k < *(size_t *)features; k++)
        if (a[k] != b[k])
            return a[k] < b[k] ? -1 : 1;
    return 0;
}

static void put_pair(const logistic_data *d, size_t pair, double *row)
{
    const double *x = d->x + pair * d->features;
    double sign = 0;
    for (size_t k = 0; k < d->features && sign == 0; k++)
        sign = x[k] > 0 ? 1 : x[k] < 0 ? -1 : 0;
    for (size_t k = 0; k < d->features; k++)
        row[k] = x[k] == 0 ? 0 : sign * x[k];
    row[d->features] = sign == 0 || d->chosen[pair] == (sign > 0); /* where nothing differs, either way says the same */
    row[d->features + 1] = 1 - row[d->features];
}

static status count_pairs(arena *a, const logistic_data *d, counted *c, error *err)
{
    size_t width = d->features + 2, features = d->features;
    c->features = features;
    c->table = arena_array(a, d->pairs + 1, width * sizeof(double));
    if (!c->table)
        return error_set(err, STATUS_MEMORY, "no memory for %zu pairs of %zu features", d->pairs, d->features);
    for (size_t i = 0; i < d->pairs; i++)
        put_pair(d, i, c->table + i * width);
    qsort_r(c->table, d->pairs, width * sizeof(double), by_row, &features);
    for (size_t i = 0; i < d->pairs; i++) {
        double *row = c->table + i * width, *last = c->table + (c->rows ? c->rows - 1 : 0) * width;
        if (c->rows > 0 && by_row(row, last, &features) == 0) {
            last[features] += row[features];
            last[features + 1] += row[features + 1];
        } else {
            memmove(c->table + c->rows++ * width, row, width * sizeof *row);
        }
    }
    return STATUS_OK;
}

/* ---- the posterior ---- */

static double log_sigmoid(double z)
{
    return z > 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k] * y[k];
    return sum;
}

static double log_posterior(const void *context, const double *beta, double *gradient)
{
    const counted *c = context;
    double sum = 0;
    for (size_t k = 0; k < c->features; k++) {
        sum -= fabs(beta[k]) / c->scale;
        gradient[k] = beta[k] > 0 ? -1 / c->scale : beta[k] < 0 ? 1 / c->scale : 0;
    }
    for (size_t i = 0; i < c->rows; i++) {
        const double *x = c->table + i * (c->features + 2);
        double won = x[c->features], lost = x[c->features + 1], z = dot(beta, x, c->features);
        double log_p = log_sigmoid(z), slope = won - (won + lost) * exp(log_p);
        sum += won * log_p + lost * (log_p - z); /* log(1 - sigmoid(z)) = log sigmoid(z) - z */
        for (size_t k = 0; k < c->features; k++)
            gradient[k] += slope * x[k];
    }
    return sum;
}

static double sigmoid(double z)
{
    return exp(log_sigmoid(z));
}

static status summarise(const logistic_posterior *p, size_t k, double *sorted, error *err)
{
    size_t n = p->chains * p->draws;
    logistic_weight *w = &p->weights[k];
    for (size_t i = 0; i < n; i++) {
        sorted[i] = p->values[i * p->features + k];
        w->mean += sorted[i] / (double)n;
    }
    values_sort(sorted, n);
    w->median = quantile_sorted(sorted, n, .5);
    w->low = quantile_sorted(sorted, n, .025);
    w->high = quantile_sorted(sorted, n, .975);
    w->effect = sigmoid(w->median);
    w->effect_low = sigmoid(w->low);
    w->effect_high = sigmoid(w->high);
    chains_diagnosis diagnosis;
    TRY(chains_diagnose(&(chains){p->chains, p->draws, p->features, p->values}, k, &diagnosis, err));
    w->r_hat = diagnosis.r_hat;
    w->ess = diagnosis.ess;
    return STATUS_OK;
}

static status check(const logistic_data *d, const logistic_options *o, error *err)
{
    if (d->pairs == 0 || d->features == 0 || d->features > LOGISTIC_MOST_FEATURES)
        return error_set(err, STATUS_INVALID, "a regression needs pairs and 1 to %d features, found %zu pairs of %zu",
                         LOGISTIC_MOST_FEATURES, d->pairs, d->features);
    if (!(o->scale > 0) || isinf(o->scale))
        return error_set(err, STATUS_INVALID, "the prior's scale must be positive, found %g", o->scale);
    for (size_t i = 0; i < d->pairs * d->features; i++)
        if (!isfinite(d->x[i]))
            return error_set(err, STATUS_INVALID, "feature %zu of pair %zu is not a finite number", i % d->features + 1,
                             i / d->features + 1);
    return STATUS_OK;
}

status logistic_fit(arena *a, const logistic_data *d, const logistic_options *o, logistic_posterior *out, error *err)
{
    TRY(check(d, o, err));
    arena *scratch = arena_new(a);
    if (!scratch)
        return error_set(err, STATUS_MEMORY, "no memory for a regression");
    hmc_options h = {o->seed, o->purpose, o->chains ? o->chains : 4, o->warmup ? o->warmup : 1000, o->draws ? o->draws : 1500, 0};
    hmc_report report;
    counted c = {.scale = o->scale};
    *out = (logistic_posterior){.features = d->features, .chains = h.chains, .draws = h.draws, .scale = o->scale};
    out->weights = ARENA_ARRAY(a, logistic_weight, d->features);
    out->values = arena_array(a, h.chains * h.draws, d->features * sizeof(double));
    double *sorted = ARENA_ARRAY(scratch, double, h.chains * h.draws);
    status s = out->weights && out->values && sorted ? count_pairs(scratch, d, &c, err)
                                                     : error_set(err, STATUS_MEMORY, "no memory for the draws of a regression");
    if (s == STATUS_OK)
        s = hmc_draw(log_posterior, &c, d->features, &h, out->values, &report, err);
    for (size_t k = 0; k < d->features && s == STATUS_OK; k++)
        s = summarise(out, k, sorted, err);
    if (s == STATUS_OK)
        out->acceptance = report.acceptance;
    arena_free(scratch);
    return s;
}

/* ---- what it is worth on other pairs ---- */

status logistic_log_score(const logistic_posterior *p, const logistic_data *d, double *out, error *err)
{
    if (d->features != p->features || d->pairs == 0)
        return error_set(err, STATUS_INVALID, "a regression of %zu features cannot score %zu pairs of %zu", p->features, d->pairs,
                         d->features);
    double sum = 0;
    size_t n = p->chains * p->draws;
    for (size_t i = 0; i < d->pairs; i++) {
        double mean = 0;
        for (size_t j = 0; j < n; j++) {
            double z = dot(p->values + j * p->features, d->x + i * d->features, p->features);
            mean += sigmoid(d->chosen[i] ? z : -z) / (double)n;
        }
        sum += log(mean);
    }
    *out = sum / (double)d->pairs;
    return STATUS_OK;
}

double logistic_accuracy(const logistic_posterior *p, const logistic_data *d)
{
    double right = 0;
    for (size_t i = 0; i < d->pairs; i++) {
        double z = 0;
        for (size_t k = 0; k < p->features; k++)
            z += p->weights[k].mean * d->x[i * d->features + k];
        right += z == 0 ? .5 : (z > 0) == d->chosen[i];
    }
    return right / (double)d->pairs;
}

/* ---- choice of the scale ---- */

/* The pairs of a fold, or all others, copied one behind the other. */
static size_t take(const logistic_data *d, const size_t *order, size_t fold, size_t folds, bool inside, double *x, bool *chosen)
{
    size_t n = 0;
    for (size_t i = 0; i < d->pairs; i++) {
        if ((i % folds == fold) != inside)
            continue;
        memcpy(x + n * d->features, d->x + order[i] * d->features, d->features * sizeof *x);
        chosen[n++] = d->chosen[order[i]];
    }
    return n;
}

typedef struct folding {
    const logistic_data *d;
    const size_t *order;
    size_t folds;
    double *x;
    bool *chosen;
} folding;

static status score_fold(arena *a, const folding *f, const logistic_options *o, size_t fold, double *score, error *err)
{
    const logistic_data *d = f->d;
    logistic_posterior p;
    size_t seen = take(d, f->order, fold, f->folds, false, f->x, f->chosen);
    TRY(logistic_fit(a, &(logistic_data){seen, d->features, f->x, f->chosen}, o, &p, err));
    size_t held = take(d, f->order, fold, f->folds, true, f->x, f->chosen);
    double mean;
    TRY(logistic_log_score(&p, &(logistic_data){held, d->features, f->x, f->chosen}, &mean, err));
    *score += mean * (double)held / (double)d->pairs;
    return STATUS_OK;
}

status logistic_choose_scale(const logistic_data *d, const double *scales, size_t count, size_t folds, const logistic_options *o,
                             double *best, double *scores, error *err)
{
    if (count == 0 || folds < 2 || d->pairs < folds)
        return error_set(err, STATUS_INVALID, "choosing among %zu scales in %zu parts needs at least 2 parts and a pair for each, found "
                         "%zu pairs", count, folds, d->pairs);
    arena *a = arena_new(NULL), *fit = a ? arena_new(a) : NULL;
    folding f = {.d = d, .folds = folds};
    size_t *order = a ? ARENA_ARRAY(a, size_t, d->pairs) : NULL;
    f.x = a ? arena_array(a, d->pairs, d->features * sizeof(double)) : NULL;
    f.chosen = a ? ARENA_ARRAY(a, bool, d->pairs) : NULL;
    status s = fit && order && f.x && f.chosen ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory to divide %zu pairs", d->pairs);
    for (size_t i = 0; i < d->pairs && s == STATUS_OK; i++)
        order[i] = i;
    if (s == STATUS_OK) {
        random_stream r = random_stream_at(o->seed, o->purpose, 0, 0, 0, 1);
        random_shuffle(&r, order, d->pairs, sizeof *order);
    }
    f.order = order;
    double highest = -INFINITY;
    for (size_t i = 0; i < count && s == STATUS_OK; i++) {
        logistic_options with = *o;
        with.scale = scales[i];
        with.chains = 2, with.warmup = 300, with.draws = 300; /* the mean needs few draws */
        double score = 0;
        for (size_t fold = 0; fold < folds && s == STATUS_OK; fold++) {
            s = score_fold(fit, &f, &with, fold, &score, err);
            arena_reset(fit);
        }
        if (s == STATUS_OK && scores)
            scores[i] = score;
        if (s == STATUS_OK && score > highest) {
            highest = score;
            *best = scales[i];
        }
    }
    arena_free(a);
    return s;
}

/* ---- features that go together ---- */

typedef struct moments {
    double xx, yy, xy;
} moments;

static moments moments_of(const logistic_data *d, size_t j, size_t k)
{
    double n = (double)d->pairs, mx = 0, my = 0;
    moments m = {0};
    for (size_t i = 0; i < d->pairs; i++) {
        mx += d->x[i * d->features + j] / n;
        my += d->x[i * d->features + k] / n;
    }
    for (size_t i = 0; i < d->pairs; i++) {
        double x = d->x[i * d->features + j] - mx, y = d->x[i * d->features + k] - my;
        m.xx += x * x;
        m.yy += y * y;
        m.xy += x * y;
    }
    return m;
}

double logistic_confounding(const logistic_data *d, size_t *first, size_t *second)
{
    double largest = 0;
    *first = *second = 0;
    for (size_t j = 0; j < d->features; j++)
        for (size_t k = j + 1; k < d->features; k++) {
            moments m = moments_of(d, j, k);
            double r = m.xx > 0 && m.yy > 0 ? fabs(m.xy) / sqrt(m.xx * m.yy) : 0;
            if (r > largest) {
                largest = r;
                *first = j, *second = k;
            }
        }
    return largest;
}
