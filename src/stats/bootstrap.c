#include "stats/bootstrap.h"

#include "core/random.h"
#include "stats/rank.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

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

bool bootstrap_paused(void)
{
    return paused > 0;
}

/* Limits at two tails, as shares of the resamples; the values are sorted. */
static interval limits_at(double *values, size_t resamples, double low, double high)
{
    size_t kept = 0;
    for (size_t r = 0; r < resamples; r++)
        if (!isnan(values[r]))
            values[kept++] = values[r];
    values_sort(values, kept);
    if (2 * kept <= resamples || isnan(low) || isnan(high))
        return (interval){NAN, NAN};
    return (interval){quantile_sorted(values, kept, low), quantile_sorted(values, kept, high)};
}

interval bootstrap_limits(double *values, size_t resamples, double level)
{
    double tail = (1 - level) / 2;
    return limits_at(values, resamples, tail, 1 - tail);
}

/* ---- BCa ----------------------------------------------------------------------------------------------------------- */

/* The figures of all units, and without each of them: [1 + units][width]. */
static double *leave_out(const bootstrap *b, const groups *g, bootstrap_statistics *statistics, const void *context, size_t width,
                         size_t *picks, size_t *units)
{
    size_t most = b->clusters ? g->count : b->items;
    double *values = width < SIZE_MAX / sizeof(double) / (most + 1) ? calloc((most + 1) * width, sizeof *values) : NULL;
    if (!values)
        return NULL;
    for (size_t i = 0; i < b->items; i++)
        picks[i] = i;
    statistics(context, picks, b->items, values);
    *units = 0;
    for (size_t u = 0; u < most; u++) {
        size_t count = 0;
        if (b->clusters && g->starts[u] == g->starts[u + 1])
            continue; /* a number that no item has */
        for (size_t i = 0; i < b->items; i++)
            if ((b->clusters ? b->clusters[i] : i) != u)
                picks[count++] = i;
        statistics(context, picks, count, values + ++*units * width);
    }
    return values;
}

typedef struct correction {
    double bias, acceleration; /* z0 and a */
} correction;

/* NaN where it cannot be had. Resamples equal to the figure count half. */
static correction correction_of(const double *values, size_t resamples, const double *without, size_t units, size_t stride)
{
    double below = 0, kept = 0, mean = 0, squares = 0, cubes = 0, figure = without[0];
    for (size_t r = 0; r < resamples; r++) {
        double x = values[r * stride];
        below += x < figure ? 1 : x == figure ? .5 : 0;
        kept += !isnan(x);
    }
    for (size_t u = 1; u <= units; u++)
        mean += without[u * stride] / (double)units;
    for (size_t u = 1; u <= units; u++) {
        double d = mean - without[u * stride];
        squares += d * d;
        cubes += d * d * d;
    }
    if (isnan(figure) || isnan(mean) || units < 2)
        return (correction){NAN, NAN};
    return (correction){normal_quantile(below / kept), squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0};
}

/* The share of resamples at which the limit of a one-sided tail lies. */
static double moved(correction c, double tail)
{
    double z = c.bias + normal_quantile(tail);
    return normal_below(c.bias + z / (1 - c.acceleration * z));
}

/* ---- both ---------------------------------------------------------------------------------------------------------- */

status bootstrap_intervals(const bootstrap *b, bootstrap_statistics *statistics, const void *context, size_t width, interval *out,
                           error *err)
{
    size_t resamples = b->resamples ? b->resamples : BOOTSTRAP_RESAMPLES, units = 0;
    double tail = (1 - (b->level > 0 ? b->level : .95)) / 2;
    for (size_t i = 0; i < width; i++)
        out[i] = (interval){NAN, NAN};
    if (b->items == 0 || width == 0 || paused)
        return STATUS_OK;
    if (b->strata && (b->clusters || b->corrected))
        BUG("a bootstrap over clusters within strata, or BCa over strata, is not made");
    groups g = {0};
    const size_t *of = b->clusters ? b->clusters : b->strata;
    bool good = (!of || groups_make(b, of, &g)) && width < SIZE_MAX / resamples;
    size_t room = b->clusters ? g.count * g.largest : b->items;
    size_t *picks = calloc((room > b->items ? room : b->items) + 1, sizeof *picks);
    double *values = good ? calloc(resamples * width, sizeof *values) : NULL, *sorted = calloc(resamples, sizeof *sorted);
    double *without = good && picks && b->corrected ? leave_out(b, &g, statistics, context, width, picks, &units) : NULL;
    good = good && picks && values && sorted && (without || !b->corrected);
    for (uint64_t r = 0; good && r < resamples; r++)
        statistics(context, picks, draw(b, &g, r, picks), values + r * width);
    for (size_t i = 0; good && i < width; i++) {
        correction c = b->corrected ? correction_of(values + i, resamples, without + i, units, width) : (correction){0};
        for (size_t r = 0; r < resamples; r++)
            sorted[r] = values[r * width + i];
        out[i] = b->corrected ? limits_at(sorted, resamples, moved(c, tail), moved(c, 1 - tail)) : limits_at(sorted, resamples, tail, 1 - tail);
    }
    free(g.starts);
    free(g.members);
    free(picks);
    free(values);
    free(sorted);
    free(without);
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
