/* Compactors of one width, many beside each other: a value's place in a column does not matter to a sketch, so that a stretch of the stream
 * is taken as 8 rows, and columns are sorted, merged in pairs until they are as wide as the level's compactor, and halved. The compiler turns
 * the loops over columns into vectors. */
#include "sketch/inside.h"

#include <string.h>

/* Min and max in the form that keeps both values whatever they are (-0 and 0 compare equal). */
#define EXCHANGE(a, b)                                                                                                 \
    do {                                                                                                               \
        double lower_ = (a) < (b) ? (a) : (b), upper_ = (a) < (b) ? (b) : (a);                                         \
        (a) = lower_;                                                                                                  \
        (b) = upper_;                                                                                                  \
    } while (0)

/* Knuth's network of 19 exchanges. */
#define SORT8(x0, x1, x2, x3, x4, x5, x6, x7)                                                                          \
    do {                                                                                                               \
        EXCHANGE(x0, x2);                                                                                              \
        EXCHANGE(x1, x3);                                                                                              \
        EXCHANGE(x4, x6);                                                                                              \
        EXCHANGE(x5, x7);                                                                                              \
        EXCHANGE(x0, x4);                                                                                              \
        EXCHANGE(x1, x5);                                                                                              \
        EXCHANGE(x2, x6);                                                                                              \
        EXCHANGE(x3, x7);                                                                                              \
        EXCHANGE(x0, x1);                                                                                              \
        EXCHANGE(x2, x3);                                                                                              \
        EXCHANGE(x4, x5);                                                                                              \
        EXCHANGE(x6, x7);                                                                                              \
        EXCHANGE(x2, x4);                                                                                              \
        EXCHANGE(x3, x5);                                                                                              \
        EXCHANGE(x1, x4);                                                                                              \
        EXCHANGE(x3, x6);                                                                                              \
        EXCHANGE(x1, x2);                                                                                              \
        EXCHANGE(x3, x4);                                                                                              \
        EXCHANGE(x5, x6);                                                                                              \
    } while (0)

void kll_sort8(double x[8])
{
    SORT8(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]);
}

#if defined(__x86_64__)
#define WIDER __attribute__((target("avx2")))
#endif
#define ALWAYS static inline __attribute__((always_inline))

enum { FEW = 8 }; /* columns that are exchanged at a time */

/* Rising columns side by side. The r-th values of all of them are at x + order[r] * columns. */
typedef struct table {
    double x[KLL_BLOCK];
    size_t columns, rows;
    uint16_t order[KLL_BLOCK_WIDTH];
} table;

ALWAYS void exchange(double *restrict a, double *restrict b, size_t columns)
{
    if (columns % FEW == 0) {
        for (size_t c = 0; c < columns; c += FEW)
            for (size_t i = c; i < c + FEW; i++)
                EXCHANGE(a[i], b[i]);
    } else {
        for (size_t i = 0; i < columns; i++)
            EXCHANGE(a[i], b[i]);
    }
}

ALWAYS void take_rows(const double *restrict x, table *restrict t)
{
    size_t n = t->columns;
    double *restrict y = t->x;
    for (size_t c = 0; c < n; c++) {
        double x0 = x[c], x1 = x[n + c], x2 = x[2 * n + c], x3 = x[3 * n + c];
        double x4 = x[4 * n + c], x5 = x[5 * n + c], x6 = x[6 * n + c], x7 = x[7 * n + c];
        SORT8(x0, x1, x2, x3, x4, x5, x6, x7);
        y[c] = x0;
        y[n + c] = x1;
        y[2 * n + c] = x2;
        y[3 * n + c] = x3;
        y[4 * n + c] = x4;
        y[5 * n + c] = x5;
        y[6 * n + c] = x6;
        y[7 * n + c] = x7;
    }
    for (uint16_t r = 0; r < 8; r++)
        t->order[r] = r;
    t->rows = 8;
}

/* Rows that fall and then rise, or rise and then fall, into rising ones (Batcher). */
ALWAYS void straighten(table *t, uint16_t *order, size_t rows)
{
    for (size_t step = rows / 2; step; step /= 2)
        for (size_t r = 0; r < rows; r++)
            if (!(r & step))
                exchange(t->x + order[r] * t->columns, t->x + order[r + step] * t->columns, t->columns);
}

/* The left half of the columns with the right half: a row of storage becomes two that are half as long. */
ALWAYS void merge_columns(table *t)
{
    size_t rows = t->rows;
    for (size_t r = 0; r < rows; r++) {
        t->order[rows + r] = (uint16_t)(2 * t->order[r] + 1);
        t->order[r] = (uint16_t)(2 * t->order[r]);
    }
    t->columns /= 2;
    for (size_t r = 0; r < rows; r++)
        exchange(t->x + t->order[r] * t->columns, t->x + t->order[2 * rows - 1 - r] * t->columns, t->columns);
    straighten(t, t->order, rows);
    straighten(t, t->order + rows, rows);
    t->rows = 2 * rows;
}

/* Every other value of each column, from the one that its coin names. */
ALWAYS void halve(table *t, const double *restrict odd)
{
    t->rows /= 2;
    for (size_t r = 0; r < t->rows; r++) {
        double *restrict a = t->x + t->order[2 * r] * t->columns;
        const double *restrict b = t->x + t->order[2 * r + 1] * t->columns;
        for (size_t c = 0; c < t->columns; c++)
            a[c] = odd[c] > 0 ? b[c] : a[c];
        t->order[r] = t->order[2 * r];
    }
}

/* Coins for so many columns as zeros and ones; in pairs the second of two neighbours gets the opposite. */
ALWAYS void toss(const uint64_t *draws, size_t *at, size_t columns, bool paired, double *restrict odd)
{
    for (size_t c = 0; c < columns; c++) {
        size_t bit = *at + (paired ? c & ~(size_t)1 : c);
        double one = (double)(draws[bit / 64] >> bit % 64 & 1);
        odd[c] = paired && (c & 1) ? 1 - one : one;
    }
    *at += columns;
}

ALWAYS void pass_all(const double *x, const kll_pass *pass, const uint64_t *draws, unsigned last, bool paired, double *out)
{
    table t;
    double odd[KLL_BLOCK / 8];
    size_t at = 0;
    t.columns = pass->count / 8;
    take_rows(x, &t);
    for (unsigned level = 0; level < pass->levels; level++) {
        while (t.rows < pass->widths[level])
            merge_columns(&t);
        if (t.columns == 1)
            odd[0] = last;
        else
            toss(draws, &at, t.columns, paired, odd);
        halve(&t, odd);
    }
    for (size_t r = 0; r < t.rows; r++)
        out[r] = t.x[t.order[r]];
}

ALWAYS bool survey_all(const double *x, size_t count, double *least, double *most)
{
    enum { LANES = 8 };
    double low[LANES], high[LANES];
    size_t bad = 0, i = 0;
    for (size_t l = 0; l < LANES; l++) {
        low[l] = *least;
        high[l] = *most;
    }
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            double v = x[i + l];
            low[l] = v < low[l] ? v : low[l];
            high[l] = v > high[l] ? v : high[l];
            bad += v != v;
        }
    for (; i < count; i++) {
        low[0] = x[i] < low[0] ? x[i] : low[0];
        high[0] = x[i] > high[0] ? x[i] : high[0];
        bad += x[i] != x[i];
    }
    for (size_t l = 0; l < LANES; l++) {
        *least = low[l] < *least ? low[l] : *least;
        *most = high[l] > *most ? high[l] : *most;
    }
    return bad == 0;
}

#ifdef WIDER
WIDER static void pass_wider(const double *x, const kll_pass *pass, const uint64_t *draws, unsigned last, bool paired, double *out)
{
    pass_all(x, pass, draws, last, paired, out);
}

WIDER static bool survey_wider(const double *x, size_t count, double *least, double *most)
{
    return survey_all(x, count, least, most);
}
#endif

bool kll_survey(const double *x, size_t count, double *least, double *most)
{
#ifdef WIDER
    if (__builtin_cpu_supports("avx2"))
        return survey_wider(x, count, least, most);
#endif
    return survey_all(x, count, least, most);
}

void kll_block(const double *x, const kll_pass *pass, const uint64_t *draws, unsigned last, bool paired, double *out)
{
#ifdef WIDER
    if (__builtin_cpu_supports("avx2")) {
        pass_wider(x, pass, draws, last, paired, out);
        return;
    }
#endif
    pass_all(x, pass, draws, last, paired, out);
}
