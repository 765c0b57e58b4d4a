#include "stats/page.h"

#include "core/arena.h"
#include "stats/distribution.h"

#include <math.h>
#include <string.h>

/* Ranks are counted in halves, so that those of ties are whole: twice the mean rank of what equals values[at]. */
static size_t double_rank(const double *values, size_t columns, size_t at)
{
    size_t below = 0, equal = 0;
    for (size_t i = 0; i < columns; i++) {
        below += values[i] < values[at];
        equal += values[i] == values[at];
    }
    return 2 * below + equal + 1;
}

/* Probabilities of 2 L of one row, [0 .. most]: columns take the ranks that are left, each with equal probability.
 * `states` holds (1 << columns) * (most + 1) numbers. */
static void distribution_of_row(const size_t *ranks, size_t columns, size_t most, double *states, double *out)
{
    size_t width = most + 1, sets = (size_t)1 << columns;
    memset(states, 0, sets * width * sizeof *states);
    states[0] = 1;
    for (size_t set = 0; set < sets; set++) {
        const double *from = states + set * width;
        size_t placed = 0;
        for (size_t i = 0; i < columns; i++)
            placed += set >> i & 1;
        for (size_t i = 0; i < columns; i++) {
            size_t step = (placed + 1) * ranks[i];
            double *to = states + (set | (size_t)1 << i) * width;
            if (set >> i & 1)
                continue;
            for (size_t s = 0; s + step <= most; s++)
                to[s + step] += from[s] / (double)(columns - placed);
        }
    }
    memcpy(out, states + (sets - 1) * width, width * sizeof *out);
}

/* Whether the row has the same ranks as the one before it, in any order: then so is its distribution. */
static bool same_ranks(const size_t *a, const size_t *b, size_t columns)
{
    size_t counts[2 * PAGE_EXACT_COLUMNS + 2] = {0};
    for (size_t i = 0; i < columns; i++) {
        counts[a[i]]++;
        counts[b[i]]--;
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        if (counts[i] != 0)
            return false;
    return true;
}

/* P(sum of the rows' 2 L >= twice), by convolving the rows' distributions. */
static status exact_p(const size_t *ranks, size_t rows, size_t columns, size_t twice, double *p, error *err)
{
    size_t most = columns * (columns + 1) * (2 * columns + 1) / 3, width = most + 1;
    arena *a = arena_new(NULL);
    double *states = ARENA_ARRAY(a, double, width << columns), *row = ARENA_ARRAY(a, double, width);
    double *sum = ARENA_ARRAY(a, double, rows * most + 1), *next = ARENA_ARRAY(a, double, rows * most + 1);
    if (!states || !row || !sum || !next) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for Page's test");
    }
    sum[0] = 1;
    for (size_t r = 0; r < rows; r++) {
        if (r == 0 || !same_ranks(ranks + r * columns, ranks + (r - 1) * columns, columns))
            distribution_of_row(ranks + r * columns, columns, most, states, row);
        memset(next, 0, ((r + 1) * most + 1) * sizeof *next);
        for (size_t s = 0; s <= r * most; s++)
            for (size_t d = 0; d < width && sum[s] > 0; d++)
                next[s + d] += sum[s] * row[d];
        double *old = sum;
        sum = next;
        next = old;
    }
    *p = 0;
    for (size_t s = rows * most; s + 1 > twice; s--) /* the small ones first */
        *p += sum[s];
    *p = fmin(*p, 1);
    arena_free(a);
    return STATUS_OK;
}

/* Mean n k (k+1)^2 / 4; each row adds sum (j - mean)^2 sum (rank - mean)^2 / (k - 1) to the variance. */
static double normal_z(const size_t *ranks, size_t rows, size_t columns, double statistic)
{
    double k = (double)columns, variance = 0;
    for (size_t r = 0; r < rows; r++) {
        double squares = 0;
        for (size_t i = 0; i < columns; i++) {
            double d = (double)ranks[r * columns + i] / 2 - (k + 1) / 2;
            squares += d * d;
        }
        variance += k * (k * k - 1) / 12 * squares / (k - 1);
    }
    return variance > 0 ? (statistic - (double)rows * k * (k + 1) * (k + 1) / 4) / sqrt(variance) : NAN;
}

status page_test(const double *values, size_t rows, size_t columns, page_result *out, error *err)
{
    *out = (page_result){0};
    if (rows < 1 || columns < 2)
        return error_set(err, STATUS_INVALID, "Page's test: expected 1 row and 2 columns at least, found %zu and %zu", rows, columns);
    for (size_t i = 0; i < rows * columns; i++)
        if (isnan(values[i]))
            return error_set(err, STATUS_INVALID, "Page's test: row %zu, column %zu is no number", i / columns + 1, i % columns + 1);
    arena *a = arena_new(NULL);
    size_t *ranks = arena_array(a, rows, columns * sizeof *ranks), twice = 0;
    status result = ranks ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for Page's test");
    for (size_t i = 0; ranks && i < rows * columns; i++) {
        ranks[i] = double_rank(values + i / columns * columns, columns, i % columns);
        twice += (i % columns + 1) * ranks[i];
    }
    if (result == STATUS_OK) {
        out->statistic = (double)twice / 2;
        out->exact = rows <= PAGE_EXACT_ROWS && columns <= PAGE_EXACT_COLUMNS;
        out->z = normal_z(ranks, rows, columns, out->statistic);
        if (out->exact)
            result = exact_p(ranks, rows, columns, twice, &out->p, err);
        else
            out->p = isnan(out->z) ? 1 : normal_above(out->z);
    }
    arena_free(a);
    return result;
}
