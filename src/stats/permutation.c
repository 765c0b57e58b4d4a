#include "stats/permutation.h"

#include "core/arena.h"
#include "core/random.h"

#include <math.h>
#include <string.h>

/* Sums that differ by rounding alone are equal. */
static const double rounding = 1e-12;

static status check(const double *values, size_t count, const char *which, error *err)
{
    if (count == 0)
        return error_set(err, STATUS_INVALID, "a permutation test: %s is empty", which);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return error_set(err, STATUS_INVALID, "a permutation test: number %zu of %s is not finite", i + 1, which);
    return STATUS_OK;
}

static double total(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

/* Ways to choose k of n, at most PERMUTATION_EXACT + 1. */
static double choices(size_t n, size_t k)
{
    double ways = 1;
    for (size_t i = 1; i <= k && ways <= PERMUTATION_EXACT; i++)
        ways = ways * (double)(n - k + i) / (double)i;
    return ways;
}

/* The next set of k places among n, in the order of a dictionary; false after the last. */
static bool next_places(size_t *places, size_t k, size_t n)
{
    size_t i = k;
    while (i > 0 && places[i - 1] == n - k + i - 1)
        i--;
    if (i == 0)
        return false;
    places[i - 1]++;
    for (; i < k; i++)
        places[i] = places[i - 1] + 1;
    return true;
}

/* Exchanges with the sum of the smaller sample: how far it is from what it would be without a difference. */
typedef struct pool {
    const double *values;
    size_t count, chosen;
    double expected, seen, slack;
} pool;

static bool is_far(const pool *p, double sum)
{
    return fabs(sum - p->expected) >= p->seen - p->slack;
}

static double count_far(const pool *p, size_t *places, double *orders)
{
    double far = 0;
    for (size_t i = 0; i < p->chosen; i++)
        places[i] = i;
    do {
        double sum = 0;
        for (size_t i = 0; i < p->chosen; i++)
            sum += p->values[places[i]];
        far += is_far(p, sum);
        (*orders)++;
    } while (next_places(places, p->chosen, p->count));
    return far;
}

static double draw_far(const pool *p, size_t *places, const permutation_options *how, size_t draws)
{
    double far = 0;
    for (size_t d = 0; d < draws; d++) {
        random_stream r = random_stream_at(how->seed, how->purpose, d, 0, 0, 0);
        double sum = 0;
        for (size_t i = 0; i < p->count; i++)
            places[i] = i;
        for (size_t i = 0; i < p->chosen; i++) { /* the first steps of a shuffle */
            size_t k = i + random_below(&r, p->count - i), taken = places[k];
            places[k] = places[i];
            sum += p->values[taken];
        }
        far += is_far(p, sum);
    }
    return far;
}

status permutation_two(const double *x, size_t x_count, const double *y, size_t y_count, const permutation_options *how,
                       permutation_result *out, error *err)
{
    *out = (permutation_result){.difference = NAN, .p = NAN};
    TRY(check(x, x_count, "the first sample", err));
    TRY(check(y, y_count, "the second sample", err));
    size_t n = x_count + y_count, draws = how->draws ? how->draws : PERMUTATION_DRAWS;
    double *all = memory_alloc(n * sizeof *all), orders = 0, size = 0;
    size_t *places = memory_alloc(n * sizeof *places);
    if (!all || !places) {
        memory_free(all);
        memory_free(places);
        return error_set(err, STATUS_MEMORY, "out of memory for a permutation test of %zu numbers", n);
    }
    memcpy(all, x, x_count * sizeof *all);
    memcpy(all + x_count, y, y_count * sizeof *all);
    for (size_t i = 0; i < n; i++)
        size += fabs(all[i]);
    bool first = x_count <= y_count;
    pool p = {.values = all, .count = n, .chosen = first ? x_count : y_count, .slack = rounding * size};
    p.expected = total(all, n) * (double)p.chosen / (double)n;
    p.seen = fabs((first ? total(x, x_count) : total(y, y_count)) - p.expected);
    out->difference = total(x, x_count) / (double)x_count - total(y, y_count) / (double)y_count;
    out->exact = choices(n, p.chosen) <= PERMUTATION_EXACT;
    if (out->exact) {
        double far = count_far(&p, places, &orders);
        out->orders = (size_t)orders;
        out->p = far / orders;
    } else {
        out->orders = draws;
        out->p = (1 + draw_far(&p, places, how, draws)) / (1 + (double)draws);
    }
    memory_free(all);
    memory_free(places);
    return STATUS_OK;
}

status permutation_paired(const double *differences, size_t count, const permutation_options *how, permutation_result *out, error *err)
{
    *out = (permutation_result){.difference = NAN, .p = NAN};
    TRY(check(differences, count, "the list of differences", err));
    size_t draws = how->draws ? how->draws : PERMUTATION_DRAWS, all = count < 60 ? (size_t)1 << count : SIZE_MAX;
    double seen = fabs(total(differences, count)), size = 0, far = 0;
    for (size_t i = 0; i < count; i++)
        size += fabs(differences[i]);
    out->difference = total(differences, count) / (double)count;
    out->exact = all <= PERMUTATION_EXACT;
    out->orders = out->exact ? all : draws;
    for (size_t d = 0; d < out->orders; d++) {
        random_stream r = random_stream_at(how->seed, how->purpose, d, 0, 0, 0);
        uint64_t signs = d;
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            if (!out->exact && i % 64 == 0)
                signs = random_u64(&r);
            sum += signs >> i % 64 & 1 ? -differences[i] : differences[i];
        }
        far += fabs(sum) >= seen - rounding * size;
    }
    out->p = out->exact ? far / (double)all : (1 + far) / (1 + (double)draws);
    return STATUS_OK;
}
