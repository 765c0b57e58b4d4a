#include "stats/rank.h"

#include "core/arena.h"
#include "stats/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

void values_sort(double *values, size_t count)
{
    if (count > 1)
        qsort(values, count, sizeof *values, by_value);
}

/* How many of the sorted values lie below x, or with `too` at x as well. */
static size_t count_below(const double *sorted, size_t count, double x, bool too)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < x || (too && sorted[middle] == x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ranks_of(const double *values, size_t count, double *ranks)
{
    double *sorted = memory_alloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < count; i++)
        sorted[i] = values[i];
    values_sort(sorted, count);
    for (size_t i = 0; i < count; i++)
        ranks[i] = ((double)count_below(sorted, count, values[i], false) + (double)count_below(sorted, count, values[i], true) + 1) / 2;
    memory_free(sorted);
    return true;
}

double pearson(const double *x, const double *y, size_t count)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        mx += x[i] / (double)count;
        my += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return count > 1 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static status check(const char *what, const double *x, const double *y, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(x[i]) || isnan(y[i]))
            return error_set(err, STATUS_INVALID, "%s: pair %zu holds what is no number", what, i + 1);
    return STATUS_OK;
}

static status no_memory(size_t count, error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the ranks of %zu pairs", count);
}

/* ---- all orders -------------------------------------------------------------------------------------------------- */

/* The next order of the values, of which equal ones are not told apart; false after the last. */
static bool next_order(double *values, size_t count)
{
    size_t i = count - 1, k = count - 1;
    while (i > 0 && values[i - 1] >= values[i])
        i--;
    if (i == 0)
        return false;
    while (values[k] <= values[i - 1])
        k--;
    double swap = values[i - 1];
    values[i - 1] = values[k];
    values[k] = swap;
    for (size_t low = i, high = count - 1; low < high; low++, high--) {
        swap = values[low];
        values[low] = values[high];
        values[high] = swap;
    }
    return true;
}

typedef double order_statistic(const double *x, const double *y, size_t count);

/* Sum over pairs of deviations of ranks from their mean: whole quarters, so that equal sums are equal bits. */
static double rank_product(const double *x, const double *y, size_t count)
{
    double sum = 0, middle = ((double)count + 1) / 2;
    for (size_t i = 0; i < count; i++)
        sum += (x[i] - middle) * (y[i] - middle);
    return sum;
}

/* Pairs of pairs in the same order less those in the opposite one. */
static double concordance(const double *x, const double *y, size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            sum += ((x[i] > x[j]) - (x[i] < x[j])) * ((y[i] > y[j]) - (y[i] < y[j]));
    return sum;
}

static double exact_p(order_statistic *statistic, const double *x, const double *y, size_t count)
{
    double order[CORRELATION_EXACT], seen = fabs(statistic(x, y, count)), all = 0, far = 0;
    memcpy(order, y, count * sizeof *order);
    values_sort(order, count);
    do {
        all++;
        far += fabs(statistic(x, order, count)) >= seen;
    } while (next_order(order, count));
    return far / all;
}

/* ---- Spearman ---------------------------------------------------------------------------------------------------- */

status spearman(const double *x, const double *y, size_t count, rank_correlation *out, error *err)
{
    *out = (rank_correlation){.value = NAN, .p = NAN, .n = count};
    TRY(check("Spearman's correlation", x, y, count, err));
    double *ranks = memory_alloc((2 * count + 1) * sizeof *ranks);
    if (!ranks || !ranks_of(x, count, ranks) || !ranks_of(y, count, ranks + count)) {
        memory_free(ranks);
        return no_memory(count, err);
    }
    double r = out->value = pearson(ranks, ranks + count, count), freedom = (double)count - 2;
    out->exact = count <= CORRELATION_EXACT;
    if (!isnan(r) && out->exact)
        out->p = exact_p(rank_product, ranks, ranks + count, count);
    else if (!isnan(r))
        out->p = fabs(r) < 1 ? 2 * student_below(-fabs(r) * sqrt(freedom / ((1 - r) * (1 + r))), freedom) : 0;
    memory_free(ranks);
    return STATUS_OK;
}

/* ---- Kendall ----------------------------------------------------------------------------------------------------- */

typedef struct pair {
    double x, y;
} pair;

static int by_x_then_y(const void *a, const void *b)
{
    const pair *p = a, *q = b;
    int first = (p->x > q->x) - (p->x < q->x);
    return first ? first : (p->y > q->y) - (p->y < q->y);
}

/* Sorts by y and counts the exchanges of neighbours that it takes (Knight, Journal of the American Statistical Association 61,
 * 1966). */
static double merge_sort(pair *items, pair *room, size_t count)
{
    if (count < 2)
        return 0;
    size_t half = count / 2, i = 0, j = half, k = 0;
    double swaps = merge_sort(items, room, half) + merge_sort(items + half, room, count - half);
    while (i < half || j < count) {
        if (j == count || (i < half && items[i].y <= items[j].y)) {
            room[k++] = items[i++];
        } else {
            swaps += (double)(half - i);
            room[k++] = items[j++];
        }
    }
    memcpy(items, room, count * sizeof *items);
    return swaps;
}

/* Sums over groups of t equal ones: t (t - 1) / 2, t (t - 1) (t - 2), t (t - 1) (2 t + 5). */
typedef struct ties {
    double pairs, triples, variance;
} ties;

static void add_ties(ties *t, double size)
{
    t->pairs += size * (size - 1) / 2;
    t->triples += size * (size - 1) * (size - 2);
    t->variance += size * (size - 1) * (2 * size + 5);
}

typedef struct kendall_counts {
    double pairs, both, exchanges; /* all pairs of pairs; equal in x and y; in opposite order */
    ties x, y;
} kendall_counts;

static kendall_counts count_orders(pair *items, pair *room, size_t count)
{
    kendall_counts c = {.pairs = (double)count * ((double)count - 1) / 2};
    qsort(items, count, sizeof *items, by_x_then_y);
    for (size_t start = 0, end; start < count; start = end) {
        size_t same = start;
        for (end = start; end < count && items[end].x == items[start].x; end++)
            if (items[end].y != items[same].y) {
                c.both += (double)(end - same) * ((double)(end - same) - 1) / 2;
                same = end;
            }
        c.both += (double)(end - same) * ((double)(end - same) - 1) / 2;
        add_ties(&c.x, (double)(end - start));
    }
    c.exchanges = merge_sort(items, room, count);
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start; end < count && items[end].y == items[start].y;)
            end++;
        add_ties(&c.y, (double)(end - start));
    }
    return c;
}

/* P(at most `exchanges` of n things in any order are inverted), without ties: the share of orders of k things with m inversions is
 * the mean over the places that the k-th may take. */
static status inversions_p(size_t n, double exchanges, double *p, error *err)
{
    size_t most = n * (n - 1) / 2, wanted = (size_t)exchanges;
    double *share = memory_alloc(2 * (most + 1) * sizeof *share), *next;
    if (!share)
        return no_memory(n, err);
    next = share + most + 1;
    memset(share, 0, (most + 1) * sizeof *share);
    share[0] = 1;
    for (size_t k = 2; k <= n; k++) {
        double sum = 0; /* of the last k shares */
        for (size_t m = 0; m <= wanted; m++) {
            sum += share[m] - (m >= k ? share[m - k] : 0);
            next[m] = sum / (double)k;
        }
        memcpy(share, next, (wanted + 1) * sizeof *share); /* beyond `wanted` nothing is read */
    }
    *p = 0;
    for (size_t m = 0; m <= wanted; m++)
        *p += share[m];
    memory_free(share);
    return STATUS_OK;
}

static status kendall_p(const kendall_counts *c, size_t count, rank_correlation *out, error *err)
{
    double n = (double)count, difference = c->pairs - c->x.pairs - c->y.pairs + c->both - 2 * c->exchanges;
    if (c->x.pairs == 0 && c->y.pairs == 0 && count <= KENDALL_EXACT) {
        double fewer = fmin(c->exchanges, c->pairs - c->exchanges), tail = 0;
        TRY(inversions_p(count, fewer, &tail, err));
        out->exact = true;
        out->p = 2 * fewer == c->pairs ? 1 : fmin(1, 2 * tail);
        return STATUS_OK;
    }
    double variance = (n * (n - 1) * (2 * n + 5) - c->x.variance - c->y.variance) / 18 + 2 * c->x.pairs * c->y.pairs / (n * (n - 1)) +
                      c->x.triples * c->y.triples / (9 * n * (n - 1) * (n - 2));
    out->p = variance > 0 ? fmin(1, 2 * normal_above(fabs(difference) / sqrt(variance))) : NAN;
    return STATUS_OK;
}

status kendall(const double *x, const double *y, size_t count, rank_correlation *out, error *err)
{
    *out = (rank_correlation){.value = NAN, .p = NAN, .n = count};
    TRY(check("Kendall's correlation", x, y, count, err));
    pair *items = memory_alloc(2 * (count + 1) * sizeof *items);
    if (!items)
        return no_memory(count, err);
    for (size_t i = 0; i < count; i++)
        items[i] = (pair){x[i], y[i]};
    kendall_counts c = count_orders(items, items + count + 1, count);
    memory_free(items);
    double base = sqrt(c.pairs - c.x.pairs) * sqrt(c.pairs - c.y.pairs);
    if (!(base > 0))
        return STATUS_OK;
    double tau = (c.pairs - c.x.pairs - c.y.pairs + c.both - 2 * c.exchanges) / base;
    out->value = fmax(-1, fmin(1, tau));
    if (count <= CORRELATION_EXACT) {
        out->exact = true;
        out->p = exact_p(concordance, x, y, count);
        return STATUS_OK;
    }
    return kendall_p(&c, count, out, err);
}
