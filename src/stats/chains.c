#include "stats/chains.h"

#include "stats/bootstrap.h"
#include "stats/distribution.h"
#include "stats/rank.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The split chains one behind the other: `count` chains of `length` draws. A middle draw that is left over is not used. */
typedef struct split {
    size_t count, length;
    double *values, *sorted;
} split;

static bool split_make(const chains *c, size_t which, split *s)
{
    s->count = 2 * c->chains;
    s->length = c->draws / 2;
    size_t n = s->count * s->length;
    s->values = malloc(n * sizeof *s->values);
    s->sorted = malloc(n * sizeof *s->sorted);
    if (!s->values || !s->sorted)
        return false;
    for (size_t k = 0; k < s->count; k++) {
        size_t first = k % 2 ? c->draws - s->length : 0;
        for (size_t i = 0; i < s->length; i++)
            s->values[k * s->length + i] = c->values[((k / 2) * c->draws + first + i) * c->width + which];
    }
    return true;
}

static void split_free(split *s)
{
    free(s->values);
    free(s->sorted);
}

static void split_sort(split *s)
{
    memcpy(s->sorted, s->values, s->count * s->length * sizeof *s->sorted);
    values_sort(s->sorted, s->count * s->length);
}

/* How many of the sorted values lie below x (or, with `too`, at x as well). */
static size_t rank_of(const split *s, double x, bool too)
{
    size_t low = 0, high = s->count * s->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->sorted[middle] < x || (too && s->sorted[middle] <= x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Each value becomes the normal quantile of its rank (Blom's offsets); ties share their mean rank. */
static void rank_normalise(split *s)
{
    split_sort(s);
    size_t n = s->count * s->length;
    for (size_t i = 0; i < n; i++) {
        double rank = ((double)rank_of(s, s->values[i], false) + (double)rank_of(s, s->values[i], true) + 1) / 2;
        s->values[i] = normal_quantile((rank - .375) / ((double)n + .25));
    }
}

typedef struct spread {
    double within, total; /* mean variance of a chain; estimate of the variance of the distribution */
} spread;

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static spread spread_of(const split *s)
{
    double length = (double)s->length, within = 0, between = 0, all = mean_of(s->values, s->count * s->length);
    for (size_t k = 0; k < s->count; k++) {
        const double *x = s->values + k * s->length;
        double mean = mean_of(x, s->length), sum = 0;
        for (size_t i = 0; i < s->length; i++)
            sum += (x[i] - mean) * (x[i] - mean);
        within += sum / (length - 1) / (double)s->count;
        between += (mean - all) * (mean - all) / (double)(s->count - 1);
    }
    return (spread){within, within * (length - 1) / length + between};
}

static double r_hat_of(const split *s)
{
    spread v = spread_of(s);
    return sqrt(v.total / v.within);
}

/* Mean over chains of the autocovariance at a lag, divided by the length. */
static double covariance_at(const split *s, size_t lag)
{
    double sum = 0;
    for (size_t k = 0; k < s->count; k++) {
        const double *x = s->values + k * s->length;
        double mean = mean_of(x, s->length);
        for (size_t i = 0; i + lag < s->length; i++)
            sum += (x[i] - mean) * (x[i + lag] - mean);
    }
    return sum / (double)s->count / (double)s->length;
}

/* Geyer's initial monotone sequence: sums of pairs of autocorrelations, as long as they are positive, never rising. */
static double ess_of(const split *s)
{
    spread v = spread_of(s);
    double n = (double)(s->count * s->length), time = -1, last = INFINITY;
    if (!(v.total > 0))
        return NAN;
    for (size_t lag = 0; lag + 1 < s->length; lag += 2) {
        double even = lag == 0 ? 1 : 1 - (v.within - covariance_at(s, lag)) / v.total;
        double pair = even + 1 - (v.within - covariance_at(s, lag + 1)) / v.total;
        if (!(pair > 0)) {
            time += fmax(even, 0); /* what the next pair would have begun with, once */
            break;
        }
        last = pair < last ? pair : last;
        time += 2 * last;
    }
    time = fmax(time, 1 / log10(n)); /* chains that swing may be worth more than their number, but not without bound */
    return n / time;
}

status chains_diagnose(const chains *c, size_t which, chains_diagnosis *out, error *err)
{
    if (c->chains < 1 || c->draws < 8)
        return error_set(err, STATUS_INVALID, "chains are diagnosed from 8 draws on, found %zu chains of %zu", c->chains, c->draws);
    for (size_t i = 0; i < c->chains * c->draws; i++)
        if (isnan(c->values[i * c->width + which]))
            return error_set(err, STATUS_INVALID, "draw %zu of chain %zu is no number", i % c->draws + 1, i / c->draws + 1);
    split s = {0};
    if (!split_make(c, which, &s)) {
        split_free(&s);
        return error_set(err, STATUS_MEMORY, "no memory to diagnose %zu draws", c->chains * c->draws);
    }
    split_sort(&s);
    double median = quantile_sorted(s.sorted, s.count * s.length, .5);
    rank_normalise(&s);
    double centre = r_hat_of(&s);
    out->ess = ess_of(&s);
    split_free(&s);
    s = (split){0};
    bool made = split_make(c, which, &s);
    for (size_t i = 0; made && i < s.count * s.length; i++)
        s.values[i] = fabs(s.values[i] - median);
    if (made) {
        rank_normalise(&s);
        out->r_hat = fmax(centre, r_hat_of(&s));
    }
    split_free(&s);
    return made ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory to diagnose %zu draws", c->chains * c->draws);
}
