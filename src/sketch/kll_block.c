/* Compactors of width 8, many beside each other: a value's place in a column does not matter to a sketch, so that a stretch of the stream is
 * taken as 8 rows, and each column is a compactor. The compiler turns the loops over columns into vectors. */
#include "sketch/inside.h"

#include <string.h>

enum { COLUMNS = 1 << KLL_BLOCK_LOG };

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

/* Two rising fours, a and b, into one rising eight (Batcher). */
#define MERGE4(a0, a1, a2, a3, b0, b1, b2, b3)                                                                         \
    do {                                                                                                               \
        EXCHANGE(a0, b3);                                                                                              \
        EXCHANGE(a1, b2);                                                                                              \
        EXCHANGE(a2, b1);                                                                                              \
        EXCHANGE(a3, b0);                                                                                              \
        EXCHANGE(a0, a2);                                                                                              \
        EXCHANGE(a1, a3);                                                                                              \
        EXCHANGE(b3, b1);                                                                                              \
        EXCHANGE(b2, b0);                                                                                              \
        EXCHANGE(a0, a1);                                                                                              \
        EXCHANGE(a2, a3);                                                                                              \
        EXCHANGE(b3, b2);                                                                                              \
        EXCHANGE(b1, b0);                                                                                              \
    } while (0)

void kll_sort8(double x[8])
{
    SORT8(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]);
}

/* Rows of COLUMNS doubles: four of each compactor's survivors. */
typedef struct fours {
    double row[4][COLUMNS];
} fours;

#if defined(__x86_64__)
#define WIDER __attribute__((target("avx2")))
#endif
#define ALWAYS static inline __attribute__((always_inline))

/* Sorts each column of the 8 rows of x and keeps every other value, from the one that its coin names. */
ALWAYS void first_halving(const double *restrict x, size_t columns, const double *restrict coins_, fours *restrict out)
{
    for (size_t c = 0; c < columns; c++) {
        double x0 = x[c], x1 = x[columns + c], x2 = x[2 * columns + c], x3 = x[3 * columns + c];
        double x4 = x[4 * columns + c], x5 = x[5 * columns + c], x6 = x[6 * columns + c], x7 = x[7 * columns + c];
        bool o = coins_[c] > 0;
        SORT8(x0, x1, x2, x3, x4, x5, x6, x7);
        out->row[0][c] = o ? x1 : x0;
        out->row[1][c] = o ? x3 : x2;
        out->row[2][c] = o ? x5 : x4;
        out->row[3][c] = o ? x7 : x6;
    }
}

/* Merges column c with column c + half, and keeps every other value of the eight. */
ALWAYS void next_halving(const fours *restrict in, size_t half, const double *restrict coins_, fours *restrict out)
{
    for (size_t c = 0; c < half; c++) {
        double a0 = in->row[0][c], a1 = in->row[1][c], a2 = in->row[2][c], a3 = in->row[3][c];
        double b0 = in->row[0][c + half], b1 = in->row[1][c + half], b2 = in->row[2][c + half], b3 = in->row[3][c + half];
        bool o = coins_[c] > 0;
        MERGE4(a0, a1, a2, a3, b0, b1, b2, b3);
        out->row[0][c] = o ? a1 : a0;
        out->row[1][c] = o ? a3 : a2;
        out->row[2][c] = o ? b2 : b3; /* the upper half comes out backwards */
        out->row[3][c] = o ? b0 : b1;
    }
}

ALWAYS void halve_all(const double *restrict x, unsigned j, const double *restrict coins_, double *restrict out)
{
    fours a, b, *in = &a, *to = &b;
    size_t columns = (size_t)1 << j;
    first_halving(x, columns, coins_, in);
    for (coins_ += columns; columns > 2; columns /= 2) {
        next_halving(in, columns / 2, coins_, to);
        coins_ += columns / 2;
        fours *kept = in;
        in = to;
        to = kept;
    }
    for (size_t r = 0; r < 4; r++) {
        out[r] = in->row[r][0];
        out[4 + r] = in->row[3 - r][1]; /* up, then down: what the network merges */
    }
    MERGE4(out[0], out[1], out[2], out[3], out[7], out[6], out[5], out[4]);
}

static void halve_plain(const double *x, unsigned j, const double *coins_, double *out)
{
    halve_all(x, j, coins_, out);
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
WIDER static void halve_wider(const double *x, unsigned j, const double *coins_, double *out)
{
    halve_all(x, j, coins_, out);
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

void kll_block(const double *x, unsigned j, const uint64_t draws[2], bool paired, double out[8])
{
    double coins_[2 * COLUMNS];
    size_t at = 0;
    for (size_t columns = (size_t)1 << j; columns >= 2; columns /= 2)
        for (size_t c = 0; c < columns; c++, at++) {
            size_t bit = paired ? at - (c & 1) : at; /* neighbours are a pair: the second gets the opposite */
            unsigned one = (unsigned)(draws[bit / 64] >> bit % 64 & 1);
            coins_[at] = (double)(paired && (c & 1) ? 1 - one : one);
        }
#ifdef WIDER
    if (__builtin_cpu_supports("avx2")) {
        halve_wider(x, j, coins_, out);
        return;
    }
#endif
    halve_plain(x, j, coins_, out);
}
