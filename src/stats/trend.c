#include "stats/trend.h"

#include "core/random.h"
#include "stats/bootstrap.h"
#include "stats/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double flat_band = 0.02, sure_level = 0.975, read_level = 0.95, most_weight = 4;

const char *trend_word(trend_class class)
{
    static const char *const words[] = {
#define X(name, word) word,
        TREND_CLASSES(X)
#undef X
    };
    return words[class];
}

/* ---- fits ------------------------------------------------------------------------------------------------------- */

/* Weighted moments about the centre give both fits in closed form. */
status trend_fit_points(const double *z, const double *m, const double *weights, size_t count, trend_fit *out, error *err)
{
    double w0 = 0, wz = 0, wm = 0, s2 = 0, s3 = 0, s4 = 0, t1 = 0, t2 = 0;
    for (size_t i = 0; i < count; i++) {
        double w = weights ? weights[i] : 1;
        w0 += w;
        wz += w * z[i];
        wm += w * m[i];
    }
    double centre = wz / w0, mean = wm / w0;
    for (size_t i = 0; i < count; i++) {
        double w = (weights ? weights[i] : 1) / w0, d = z[i] - centre, e = m[i] - mean;
        s2 += w * d * d;
        s3 += w * d * d * d;
        s4 += w * d * d * d * d;
        t1 += w * d * e;
        t2 += w * d * d * e;
    }
    if (!(s2 > 0))
        return error_set(err, STATUS_INVALID, "a trend needs at least 2 different sizes, found %zu points of one", count);
    *out = (trend_fit){.slope = t1 / s2, .centre = centre, .c0 = NAN, .c1 = NAN, .c2 = NAN, .vertex = NAN};
    out->intercept = mean - out->slope * centre;
    double left = s4 - s3 * s3 / s2 - s2 * s2; /* of d^2 once 1 and d are taken out of it; 0 for two different sizes */
    if (!(left > 1e-12 * s4))
        return STATUS_OK;
    out->c2 = (t2 - s3 * t1 / s2) / left;
    out->c1 = (t1 - out->c2 * s3) / s2;
    out->c0 = mean - out->c2 * s2;
    out->vertex = out->c2 == 0 ? NAN : centre - out->c1 / (2 * out->c2);
    return STATUS_OK;
}

/* ---- figures of the sizes --------------------------------------------------------------------------------------- */

/* Sums over the models of one size, so that a draw costs sizes times examples. */
typedef struct work {
    arena *arena;
    const trend_data *data;
    trend *out;
    size_t *size_of;   /* of each model */
    double *sums;      /* [sizes][examples], of the scores that count */
    double *counts;    /* the same, how many count */
    double *weights;   /* of the sizes in the fits */
    double *residuals; /* of seeds, pooled and shrunk */
    size_t residual_count;
    size_t cluster_count, *starts, *members; /* examples by cluster */
} work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a trend");
}

static status find_sizes(work *w, error *err)
{
    const trend_data *d = w->data;
    trend *t = w->out;
    double *sorted = ARENA_ARRAY(w->arena, double, d->models + 1);
    w->size_of = ARENA_ARRAY(w->arena, size_t, d->models + 1);
    if (!sorted || !w->size_of)
        return no_memory(err);
    for (size_t i = 0; i < d->models; i++) {
        if (!(d->sizes[i] > 0) || !isfinite(d->sizes[i]))
            return error_set(err, STATUS_INVALID, "expected a size above 0 of model %zu of a trend, found %g", i + 1, d->sizes[i]);
        sorted[i] = d->sizes[i];
    }
    values_sort(sorted, d->models);
    for (size_t i = 0; i < d->models; i++)
        if (i == 0 || sorted[i] != sorted[t->sizes - 1])
            sorted[t->sizes++] = sorted[i];
    if (t->sizes > TREND_MOST_SIZES)
        return error_set(err, STATUS_INVALID, "expected at most %d sizes in a trend, found %zu", TREND_MOST_SIZES, t->sizes);
    t->size = sorted;
    t->z = ARENA_ARRAY(w->arena, double, t->sizes + 1);
    t->m = ARENA_ARRAY(w->arena, double, t->sizes + 1);
    t->sem = ARENA_ARRAY(w->arena, double, t->sizes + 1);
    t->seeds = ARENA_ARRAY(w->arena, size_t, t->sizes + 1);
    if (!t->z || !t->m || !t->sem || !t->seeds)
        return no_memory(err);
    for (size_t s = 0; s < t->sizes; s++)
        t->z[s] = log10(t->size[s]);
    for (size_t i = 0; i < d->models; i++) {
        while (t->size[w->size_of[i]] != d->sizes[i])
            w->size_of[i]++;
        t->seeds[w->size_of[i]]++;
    }
    return STATUS_OK;
}

/* The mean of a model's scores that count; NaN where none does. */
static double mean_of_model(const trend_data *d, size_t model)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < d->examples; i++) {
        double x = d->scores[model * d->examples + i];
        sum += isnan(x) ? 0 : x;
        n += !isnan(x);
    }
    return n > 0 ? sum / n : NAN;
}

/* Means over the models of a size, example by example. */
static status add_scores(work *w, error *err)
{
    const trend_data *d = w->data;
    size_t all = w->out->sizes * d->examples;
    w->sums = ARENA_ARRAY(w->arena, double, all + 1);
    w->counts = ARENA_ARRAY(w->arena, double, all + 1);
    w->weights = ARENA_ARRAY(w->arena, double, w->out->sizes + 1);
    if (!w->sums || !w->counts || !w->weights)
        return no_memory(err);
    for (size_t k = 0; k < d->models; k++) {
        if (isnan(mean_of_model(d, k)))
            return error_set(err, STATUS_INVALID, "model %zu of a trend has no score that counts among %zu", k + 1, d->examples);
        for (size_t i = 0; i < d->examples; i++) {
            double x = d->scores[k * d->examples + i];
            w->sums[w->size_of[k] * d->examples + i] += isnan(x) ? 0 : x;
            w->counts[w->size_of[k] * d->examples + i] += !isnan(x);
        }
    }
    return STATUS_OK;
}

/* m, and the population deviation of the examples' means over the root of their number. */
static void size_figures(work *w, size_t s)
{
    const size_t n = w->data->examples;
    const double *sums = w->sums + s * n, *counts = w->counts + s * n;
    double sum = 0, count = 0, examples = 0, squares = 0, mean = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sums[i];
        count += counts[i];
        examples += counts[i] > 0;
        mean += counts[i] > 0 ? sums[i] / counts[i] : 0;
    }
    mean /= examples;
    for (size_t i = 0; i < n; i++)
        squares += counts[i] > 0 ? (sums[i] / counts[i] - mean) * (sums[i] / counts[i] - mean) : 0;
    w->out->m[s] = sum / count;
    w->out->sem[s] = sqrt(squares / examples / examples);
}

/* ---- seeds ------------------------------------------------------------------------------------------------------ */

/* What the examples' own noise makes models of one size differ: the variance between their scores of one example, over
 * the number of examples. */
static double noise_of_size(const work *w, size_t s)
{
    const trend_data *d = w->data;
    double sum = 0, examples = 0;
    for (size_t i = 0; i < d->examples; i++) {
        double n = w->counts[s * d->examples + i], mean = w->sums[s * d->examples + i] / n, squares = 0;
        if (n < 2)
            continue;
        for (size_t k = 0; k < d->models; k++) {
            double x = d->scores[k * d->examples + i];
            squares += w->size_of[k] != s || isnan(x) ? 0 : (x - mean) * (x - mean);
        }
        sum += squares / (n - 1);
        examples++;
    }
    return examples > 0 ? sum / examples / examples : 0;
}

static status find_residuals(work *w, error *err)
{
    const trend_data *d = w->data;
    trend *t = w->out;
    double squares = 0, noise = 0, freedom = 0;
    w->residuals = ARENA_ARRAY(w->arena, double, d->models + 1);
    if (!w->residuals)
        return no_memory(err);
    for (size_t s = 0; s < t->sizes; s++) {
        double g = (double)t->seeds[s], mean = 0;
        for (size_t k = 0; k < d->models && g > 1; k++)
            mean += w->size_of[k] == s ? mean_of_model(d, k) / g : 0;
        for (size_t k = 0; k < d->models && g > 1; k++)
            if (w->size_of[k] == s) {
                double r = mean_of_model(d, k) - mean;
                squares += r * r;
                w->residuals[w->residual_count++] = r * sqrt(g / (g - 1));
            }
        freedom += g - 1;
        noise += g > 1 ? (g - 1) * noise_of_size(w, s) : 0;
    }
    double whole = freedom > 0 ? squares / freedom : 0, left = freedom > 0 ? whole - noise / freedom : 0;
    t->between_seeds = left > 0 ? sqrt(left) : 0;
    /* Few residuals say little of their spread: they are drawn with the variance of Student's t. */
    double few = freedom > 3 ? sqrt(freedom / (freedom - 2)) : sqrt(3);
    for (size_t i = 0; i < w->residual_count; i++)
        w->residuals[i] *= whole > 0 ? few * t->between_seeds / sqrt(whole) : 0;
    for (size_t s = 0; s < t->sizes; s++)
        t->sem[s] = sqrt(t->sem[s] * t->sem[s] + t->between_seeds * t->between_seeds / (double)t->seeds[s]);
    return STATUS_OK;
}

/* 1 / sem^2, at most 4 times the median one's; equal where all are 0. */
static status find_weights(work *w, error *err)
{
    const trend *t = w->out;
    double *sorted = ARENA_ARRAY(w->arena, double, t->sizes + 1);
    if (!sorted)
        return no_memory(err);
    for (size_t s = 0; s < t->sizes; s++)
        sorted[s] = t->sem[s] * t->sem[s];
    values_sort(sorted, t->sizes);
    double least = quantile_sorted(sorted, t->sizes, .5) / most_weight;
    if (!(least > 0))
        least = sorted[t->sizes - 1] > 0 ? sorted[t->sizes - 1] / most_weight : 1;
    for (size_t s = 0; s < t->sizes; s++)
        w->weights[s] = 1 / fmax(t->sem[s] * t->sem[s], least);
    return STATUS_OK;
}

/* ---- draws ------------------------------------------------------------------------------------------------------ */

/* Examples by cluster: members[starts[c] .. starts[c + 1]). */
static status group_examples(work *w, error *err)
{
    const trend_data *d = w->data;
    if (!d->clusters)
        return STATUS_OK;
    for (size_t i = 0; i < d->examples; i++)
        if (d->clusters[i] >= w->cluster_count)
            w->cluster_count = d->clusters[i] + 1;
    if (w->cluster_count > d->examples)
        return error_set(err, STATUS_INVALID, "expected clusters of examples numbered from 0, found %zu of %zu examples",
                         w->cluster_count, d->examples);
    w->starts = ARENA_ARRAY(w->arena, size_t, w->cluster_count + 2);
    w->members = ARENA_ARRAY(w->arena, size_t, d->examples + 1);
    if (!w->starts || !w->members)
        return no_memory(err);
    for (size_t i = 0; i < d->examples; i++)
        w->starts[d->clusters[i] + 2]++;
    for (size_t c = 2; c < w->cluster_count + 2; c++)
        w->starts[c] += w->starts[c - 1];
    for (size_t i = 0; i < d->examples; i++) /* starts[c + 1] runs from the start of c to its end */
        w->members[w->starts[d->clusters[i] + 1]++] = i;
    return STATUS_OK;
}

static void add_example(const work *w, size_t example, double *sum, double *count)
{
    const size_t n = w->data->examples, sizes = w->out->sizes;
    for (size_t s = 0; s < sizes; s++) {
        sum[s] += w->sums[s * n + example];
        count[s] += w->counts[s * n + example];
    }
}

/* The sizes' figures on one resample; false where a size has no example that counts in it. */
static bool draw(const work *w, uint64_t number, double *m)
{
    const trend_data *d = w->data;
    const trend *t = w->out;
    double sum[TREND_MOST_SIZES] = {0}, count[TREND_MOST_SIZES] = {0};
    random_stream r = random_stream_at(d->seed, d->purpose, number, 0, 0, 0), seeds = random_stream_at(d->seed, d->purpose, number, 1, 0, 0);
    if (!d->clusters)
        for (size_t i = 0; i < d->examples; i++)
            add_example(w, (size_t)random_below(&r, d->examples), sum, count);
    for (size_t i = 0; i < w->cluster_count; i++) {
        size_t c = (size_t)random_below(&r, w->cluster_count);
        for (size_t k = w->starts[c]; k < w->starts[c + 1]; k++)
            add_example(w, w->members[k], sum, count);
    }
    for (size_t s = 0; s < t->sizes; s++) {
        if (!(count[s] > 0))
            return false;
        m[s] = sum[s] / count[s];
        for (size_t g = 0; g < t->seeds[s] && w->residual_count > 0 && t->between_seeds > 0; g++)
            m[s] += w->residuals[random_below(&seeds, w->residual_count)] / (double)t->seeds[s];
    }
    return true;
}

/* What is looked at on every draw. */
enum { LOOK_SLOPE, LOOK_C2, LOOK_EFFECT, LOOK_LAST, LOOK_FIRST_LEAST, LOOK_LAST_LEAST, LOOK_FIRST_MOST, LOOK_LAST_MOST, LOOKS };

typedef struct looks {
    double *values[LOOKS];
    size_t count;
    size_t least, most; /* the sizes with the least and the largest figure in the data */
} looks;

static void look(looks *l, const trend_fit *f, const double *m, size_t sizes)
{
    const double seen[LOOKS] = {[LOOK_SLOPE] = f->slope,
                                [LOOK_C2] = f->c2,
                                [LOOK_EFFECT] = m[sizes - 1] - m[0],
                                [LOOK_LAST] = m[sizes - 1],
                                [LOOK_FIRST_LEAST] = m[0] - m[l->least],
                                [LOOK_LAST_LEAST] = m[sizes - 1] - m[l->least],
                                [LOOK_FIRST_MOST] = m[0] - m[l->most],
                                [LOOK_LAST_MOST] = m[sizes - 1] - m[l->most]};
    for (size_t i = 0; i < LOOKS; i++)
        l->values[i][l->count] = seen[i];
    l->count++;
}

static interval limits(const looks *l, size_t what, double level)
{
    double tail = (1 - level) / 2;
    return (interval){quantile_sorted(l->values[what], l->count, tail), quantile_sorted(l->values[what], l->count, 1 - tail)};
}

static status make_draws(work *w, looks *l, error *err)
{
    trend *t = w->out;
    size_t draws = w->data->draws ? w->data->draws : TREND_DRAWS;
    double m[TREND_MOST_SIZES];
    for (size_t i = 0; i < LOOKS; i++)
        if (!(l->values[i] = ARENA_ARRAY(w->arena, double, draws + 1)))
            return no_memory(err);
    for (size_t s = 0; s < t->sizes; s++) {
        l->least = t->m[s] < t->m[l->least] ? s : l->least;
        l->most = t->m[s] > t->m[l->most] ? s : l->most;
    }
    TRY(group_examples(w, err));
    for (uint64_t i = 0; i < draws; i++) {
        trend_fit f;
        if (!draw(w, i, m))
            continue;
        TRY(trend_fit_points(t->z, m, w->weights, t->sizes, &f, err));
        look(l, &f, m, t->sizes);
    }
    if (2 * l->count < draws)
        return error_set(err, STATUS_INVALID, "too few of %zu examples count to draw a trend's resamples from", w->data->examples);
    for (size_t i = 0; i < LOOKS; i++)
        values_sort(l->values[i], l->count);
    return STATUS_OK;
}

/* ---- the class -------------------------------------------------------------------------------------------------- */

static void describe_order(trend *t)
{
    double before = 0;
    t->monotone = t->sizes > 1;
    for (size_t s = 1; s < t->sizes; s++) {
        double step = t->m[s] - t->m[s - 1];
        t->monotone = t->monotone && step != 0 && step * (t->m[1] - t->m[0]) > 0;
        t->reversals += step * before < 0;
        before = step != 0 ? step : before;
    }
}

static trend_class classify(const trend *t, const looks *l)
{
    bool inside = t->fit.vertex > t->z[0] && t->fit.vertex < t->z[t->sizes - 1];
    if (t->c2_sure.low > 0 && inside && limits(l, LOOK_FIRST_LEAST, read_level).low > 0 && limits(l, LOOK_LAST_LEAST, read_level).low > 0)
        return TREND_U_SHAPED;
    if (t->c2_sure.high < 0 && inside && limits(l, LOOK_FIRST_MOST, read_level).high < 0 && limits(l, LOOK_LAST_MOST, read_level).high < 0)
        return TREND_INVERTED_U;
    if (t->slope_limits.low > -flat_band && t->slope_limits.high < flat_band && t->c2_sure.low <= 0 && t->c2_sure.high >= 0)
        return TREND_FLAT;
    return t->slope_sure.low > 0 ? TREND_STANDARD : t->slope_sure.high < 0 ? TREND_INVERSE : TREND_UNCLEAR;
}

static status find_class(work *w, error *err)
{
    trend *t = w->out;
    looks l = {0};
    TRY(make_draws(w, &l, err));
    t->effect_limits = limits(&l, LOOK_EFFECT, read_level);
    t->above_limits = limits(&l, LOOK_LAST, read_level);
    t->above_limits.low -= w->data->baseline;
    t->above_limits.high -= w->data->baseline;
    t->slope_limits = limits(&l, LOOK_SLOPE, read_level);
    t->slope_sure = limits(&l, LOOK_SLOPE, sure_level);
    if (t->sizes >= 3) {
        t->c2_limits = limits(&l, LOOK_C2, read_level);
        t->c2_sure = limits(&l, LOOK_C2, sure_level);
    }
    if (!t->reason)
        t->class = classify(t, &l);
    return STATUS_OK;
}

status trend_find(arena *a, const trend_data *data, trend *out, error *err)
{
    const interval none = {NAN, NAN};
    work w = {.arena = a, .data = data, .out = out};
    *out = (trend){.class = TREND_UNCLASSED, .slope_limits = none, .c2_limits = none, .slope_sure = none, .c2_sure = none,
                   .effect_limits = none, .above_limits = none};
    if (data->models == 0 || data->examples == 0)
        return error_set(err, STATUS_INVALID, "expected models and examples for a trend, found %zu and %zu", data->models, data->examples);
    TRY(find_sizes(&w, err));
    TRY(add_scores(&w, err));
    for (size_t s = 0; s < out->sizes; s++)
        size_figures(&w, s);
    TRY(find_residuals(&w, err));
    TRY(find_weights(&w, err));
    out->effect = out->m[out->sizes - 1] - out->m[0];
    out->above_baseline = out->m[out->sizes - 1] - data->baseline;
    describe_order(out);
    rank_correlation rank;
    TRY(spearman(out->z, out->m, out->sizes, &rank, err));
    out->spearman = rank.value;
    if (out->sizes < TREND_LEAST_SIZES)
        out->reason = "fewer than 4 sizes";
    else if (out->z[out->sizes - 1] - out->z[0] < 1 - 1e-9)
        out->reason = "less than a factor of 10 between the sizes";
    if (out->sizes < 2) {
        out->fit = (trend_fit){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
        return STATUS_OK;
    }
    TRY(trend_fit_points(out->z, out->m, w.weights, out->sizes, &out->fit, err));
    return find_class(&w, err);
}
