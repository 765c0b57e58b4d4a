#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

enum { RUN = 16 };

static void insert_sort(double *x, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double v = x[i];
        size_t j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

/* At most 8: a network, with infinities where nothing is (infinities among the values end up on the same side). */
static void sort_eight(double *x, size_t count)
{
    double eight[8];
    for (size_t i = 0; i < 8; i++)
        eight[i] = i < count ? x[i] : INFINITY;
    kll_sort8(eight);
    memcpy(x, eight, count * sizeof *x);
}

/* At most RUN. */
static void sort_run(double *x, size_t count)
{
    double both[RUN];
    if (count <= 4) {
        insert_sort(x, count);
    } else if (count <= 8) {
        sort_eight(x, count);
    } else {
        sort_eight(x, 8);
        sort_eight(x + 8, count - 8);
        sketch_merge_runs(x, 8, x + 8, count - 8, both);
        memcpy(x, both, count * sizeof *x);
    }
}

enum { WORTH_SPLITTING = 40, MOST_COPIED = 1024 };

/* No branch depends on the values: which run gives is arithmetic. */
static void merge_plain(const double *a, size_t a_count, const double *b, size_t b_count, double *out)
{
    size_t i = 0, j = 0;
    while (i < a_count && j < b_count) {
        double p = a[i], q = b[j];
        bool first = p <= q;
        *out++ = first ? p : q;
        i += first;
        j += !first;
    }
    if (i < a_count)
        memcpy(out, a + i, (a_count - i) * sizeof *a);
    else if (j < b_count && out != b + j)
        memmove(out, b + j, (b_count - j) * sizeof *b);
}

/* How many of `a` are among the first `half` of both. */
static size_t split_of(const double *a, size_t a_count, const double *b, size_t b_count, size_t half)
{
    size_t low = half > b_count ? half - b_count : 0, high = half < a_count ? half : a_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        bool more = a[middle] <= b[half - middle - 1];
        low = more ? middle + 1 : low;
        high = more ? high : middle;
    }
    return low;
}

/* Two merges at once, of the lower and of the upper half: each step waits for the one before it, so that two chains are twice as fast. */
static void merge_halves(const double *a, size_t a_count, const double *b, size_t b_count, double *out)
{
    size_t half = (a_count + b_count) / 2, i_end = split_of(a, a_count, b, b_count, half), j_end = half - i_end;
    size_t i = 0, j = 0, k = i_end, l = j_end;
    double *upper = out + half;
    while (i < i_end && j < j_end && k < a_count && l < b_count) {
        double p = a[i], q = b[j], r = a[k], s = b[l];
        bool first = p <= q, other = r <= s;
        *out++ = first ? p : q;
        *upper++ = other ? r : s;
        i += first;
        j += !first;
        k += other;
        l += !other;
    }
    merge_plain(a + i, i_end - i, b + j, j_end - j, out);
    merge_plain(a + k, a_count - k, b + l, b_count - l, upper);
}

void sketch_merge_runs(const double *a, size_t a_count, const double *b, size_t b_count, double *out)
{
    double copy[MOST_COPIED]; /* `out` may lie over `b` */
    if (a_count + b_count < WORTH_SPLITTING || b_count > MOST_COPIED || a_count == 0 || b_count == 0) {
        merge_plain(a, a_count, b, b_count, out);
        return;
    }
    memcpy(copy, b, b_count * sizeof *b);
    merge_halves(a, a_count, copy, b_count, out);
}

status sketch_sort(double *x, size_t count, error *err)
{
    if (count <= RUN) {
        sort_run(x, count);
        return STATUS_OK;
    }
    double *other = memory_alloc(count * sizeof *other), *from = x, *to = other;
    if (!other)
        return error_set(err, STATUS_MEMORY, "out of memory for sorting %zu numbers", count);
    for (size_t i = 0; i < count; i += RUN)
        sort_run(x + i, count - i < RUN ? count - i : RUN);
    for (size_t run = RUN; run < count; run *= 2) {
        for (size_t i = 0; i < count; i += 2 * run) {
            size_t first = count - i < run ? count - i : run;
            size_t second = count - i - first < run ? count - i - first : run;
            sketch_merge_runs(from + i, first, from + i + first, second, to + i);
        }
        double *kept = from;
        from = to;
        to = kept;
    }
    if (from != x)
        memcpy(x, from, count * sizeof *x);
    memory_free(other);
    return STATUS_OK;
}
