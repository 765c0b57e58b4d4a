#include "stats/bootstrap.h"

#include "core/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double quantile_sorted(const double *sorted, size_t count, double p)
{
    if (count == 0)
        return NAN;
    double place = p * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* Items grouped by cluster: members[starts[c] .. starts[c + 1]). */
typedef struct groups {
    size_t count, largest;
    size_t *starts, *members;
} groups;

static bool groups_make(const bootstrap *b, const size_t *of, groups *g)
{
    for (size_t i = 0; i < b->items; i++)
        if (of[i] >= g->count)
            g->count = of[i] + 1;
    g->starts = calloc(g->count + 2, sizeof *g->starts);
    g->members = calloc(b->items + 1, sizeof *g->members);
    if (!g->starts || !g->members)
        return false;
    for (size_t i = 0; i < b->items; i++)
        g->starts[of[i] + 2]++;
    for (size_t c = 0; c < g->count; c++) {
        if (g->starts[c + 2] > g->largest)
            g->largest = g->starts[c + 2];
        g->starts[c + 2] += g->starts[c + 1];
    }
    for (size_t i = 0; i < b->items; i++) /* starts[c + 1] runs from the start of c to its end */
        g->members[g->starts[of[i] + 1]++] = i;
    return true;
}

static size_t draw(const bootstrap *b, const groups *g, uint64_t resample, size_t *picks)
{
    random_stream r = random_stream_at(b->seed, b->purpose, resample, 0, 0, 0);
    size_t count = 0;
    if (!b->clusters && !b->strata) {
        for (size_t i = 0; i < b->items; i++)
            picks[i] = random_below(&r, b->items);
        return b->items;
    }
    if (b->strata) {
        for (size_t s = 0; s < g->count; s++)
            for (size_t m = g->starts[s]; m < g->starts[s + 1]; m++)
                picks[count++] = g->members[g->starts[s] + random_below(&r, g->starts[s + 1] - g->starts[s])];
        return count;
    }
    for (size_t i = 0; i < g->count; i++) {
        size_t c = random_below(&r, g->count);
        for (size_t m = g->starts[c]; m < g->starts[c + 1]; m++)
            picks[count++] = g->members[m];
    }
    return count;
}

static _Thread_local int paused;

void bootstrap_pause(void)
{
    paused++;
}

void bootstrap_resume(void)
{
    paused--;
}

interval bootstrap_limits(double *values, size_t resamples, double level)
{
    size_t kept = 0;
    double tail = (1 - level) / 2;
    for (size_t r = 0; r < resamples; r++)
        if (!isnan(values[r]))
            values[kept++] = values[r];
    qsort(values, kept, sizeof *values, by_value);
    if (2 * kept <= resamples)
        return (interval){NAN, NAN};
    return (interval){quantile_sorted(values, kept, tail), quantile_sorted(values, kept, 1 - tail)};
}

status bootstrap_intervals(const bootstrap *b, bootstrap_statistics *statistics, const void *context, size_t width, interval *out,
                           error *err)
{
    size_t resamples = b->resamples ? b->resamples : BOOTSTRAP_RESAMPLES;
    double level = b->level > 0 ? b->level : .95;
    for (size_t i = 0; i < width; i++)
        out[i] = (interval){NAN, NAN};
    if (b->items == 0 || width == 0 || paused)
        return STATUS_OK;
    if (b->clusters && b->strata)
        BUG("a bootstrap over clusters within strata is not made");
    groups g = {0};
    const size_t *of = b->clusters ? b->clusters : b->strata;
    bool good = (!of || groups_make(b, of, &g)) && width < SIZE_MAX / resamples;
    size_t room = b->clusters ? g.count * g.largest : b->items;
    size_t *picks = calloc(room + 1, sizeof *picks);
    double *values = good ? calloc(resamples * width, sizeof *values) : NULL, *sorted = calloc(resamples, sizeof *sorted);
    if (good && picks && values && sorted) {
        for (uint64_t r = 0; r < resamples; r++)
            statistics(context, picks, draw(b, &g, r, picks), values + r * width);
        for (size_t i = 0; i < width; i++) {
            for (size_t r = 0; r < resamples; r++)
                sorted[r] = values[r * width + i];
            out[i] = bootstrap_limits(sorted, resamples, level);
        }
    } else {
        good = false;
    }
    free(g.starts);
    free(g.members);
    free(picks);
    free(values);
    free(sorted);
    return good ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a bootstrap over %zu items", b->items);
}

/* A single statistic as several of them. */
typedef struct single {
    bootstrap_statistic *statistic;
    const void *context;
} single;

static void write_single(const void *context, const size_t *picks, size_t count, double *values)
{
    const single *s = context;
    values[0] = s->statistic(s->context, picks, count);
}

status bootstrap_interval(const bootstrap *b, bootstrap_statistic *statistic, const void *context, interval *out,
                          error *err)
{
    return bootstrap_intervals(b, write_single, &(single){statistic, context}, 1, out, err);
}
