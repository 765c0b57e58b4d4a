#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

static const double differing_gaps = 1e6;

/* ---- memory ----------------------------------------------------------------------------------------------------- */

status curve_reserve(curve *c, size_t capacity, error *err)
{
    if (capacity <= c->capacity)
        return STATUS_OK;
    double *block = memory_alloc(5 * capacity * sizeof *block);
    if (!block)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu knots", capacity);
    memset(block, 0, 5 * capacity * sizeof *block);
    double *parts[5] = {c->v, c->low, c->high, c->slope_in, c->slope_out};
    for (size_t i = 0; i < 5 && c->count; i++)
        memcpy(block + i * capacity, parts[i], c->count * sizeof *block);
    memory_free(c->v);
    c->v = block;
    c->low = block + capacity;
    c->high = block + 2 * capacity;
    c->slope_in = block + 3 * capacity;
    c->slope_out = block + 4 * capacity;
    c->capacity = capacity;
    return STATUS_OK;
}

void curve_free(curve *c)
{
    memory_free(c->v);
    *c = (curve){0};
}

/* ---- where a value lies between two others ---------------------------------------------------------------------- */

/* Signed integers in the order of the doubles. */
static int64_t key_of(double x)
{
    int64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

static double of_key(int64_t key)
{
    double x;
    key = key < 0 ? key ^ INT64_MAX : key;
    memcpy(&x, &key, sizeof x);
    return x;
}

static bool uses_keys(double a, double b, bool scaled)
{
    return !isfinite(b - a) || (scaled && ((a > 0 && b > 0) || (a < 0 && b < 0)));
}

/* Width of the segment in the coordinate that it is interpolated in. */
static double width(double a, double b, bool scaled)
{
    return uses_keys(a, b, scaled) ? (double)((uint64_t)key_of(b) - (uint64_t)key_of(a)) : b - a;
}

double curve_place(double a, double b, double x, bool scaled)
{
    if (uses_keys(a, b, scaled))
        return (double)((uint64_t)key_of(x) - (uint64_t)key_of(a)) / width(a, b, scaled);
    return (x - a) / (b - a);
}

static double placed(double a, double b, double share, bool scaled)
{
    double x;
    if (uses_keys(a, b, scaled)) {
        uint64_t whole = (uint64_t)key_of(b) - (uint64_t)key_of(a), part = (uint64_t)(share * (double)whole);
        x = of_key((int64_t)((uint64_t)key_of(a) + (part > whole ? whole : part)));
    } else {
        x = a + share * (b - a);
    }
    return x < a ? a : x > b ? b : x;
}

bool curve_gaps_differ(const double *v, size_t count)
{
    double least = INFINITY, most = 0;
    for (size_t i = 1; i < count; i++) {
        double gap = v[i] - v[i - 1];
        least = gap > 0 && gap < least ? gap : least;
        most = gap > most ? gap : most;
    }
    return most > differing_gaps * least;
}

/* ---- slopes ------------------------------------------------------------------------------------------------------ */

/* Fritsch and Butland's mean of the slopes s, t of two segments of widths g, h: zero where either is flat. */
static double inner_slope(double g, double s, double h, double t)
{
    if (!(s > 0 && t > 0))
        return 0;
    double w1 = 2 * h + g, w2 = h + 2 * g;
    return (w1 + w2) / (w1 / s + w2 / t);
}

/* At the open end of a segment (h, t) with the neighbour (g, s): three points, clipped so that the cubic stays monotone. */
static double end_slope(double h, double t, double g, double s)
{
    double d = ((2 * h + g) * t - h * s) / (h + g);
    return d < 0 ? 0 : d > 3 * t ? 3 * t : d;
}

typedef struct segment {
    double width, slope;
    bool there, keys;
} segment;

static segment segment_of(const curve *c, size_t l, size_t r)
{
    segment s = {0};
    if (l == SIZE_MAX || r == SIZE_MAX)
        return s;
    s.width = width(c->v[l], c->v[r], c->scaled);
    s.slope = (c->low[r] - c->high[l]) / s.width;
    s.keys = uses_keys(c->v[l], c->v[r], c->scaled);
    s.there = true;
    return s;
}

/* Segments go on into each other where no step is between them and they use one coordinate. */
static bool joined(const curve *c, const segment *a, size_t knot, const segment *b)
{
    return a->there && b->there && a->keys == b->keys && c->low[knot] == c->high[knot];
}

/* Slopes at both ends of segment s = (l, r), times its width. */
static void slopes(const curve *c, size_t ll, size_t l, size_t r, size_t rr, double *begin, double *end)
{
    segment s = segment_of(c, l, r), before = segment_of(c, ll, l), after = segment_of(c, r, rr);
    bool left = joined(c, &before, l, &s), right = joined(c, &s, r, &after);
    double a = s.slope, b = s.slope;
    if (left)
        a = inner_slope(before.width, before.slope, s.width, s.slope);
    else if (right)
        a = end_slope(s.width, s.slope, after.width, after.slope);
    if (right)
        b = inner_slope(s.width, s.slope, after.width, after.slope);
    else if (left)
        b = end_slope(s.width, s.slope, before.width, before.slope);
    double rise = c->low[r] - c->high[l]; /* the line's: for gaps so small that slopes overflow */
    *begin = isfinite(a * s.width) ? a * s.width : rise;
    *end = isfinite(b * s.width) ? b * s.width : rise;
}

void curve_prepare(curve *c)
{
    c->scaled = curve_gaps_differ(c->v, c->count);
    for (size_t j = 0; c->cubic && j + 1 < c->count; j++)
        slopes(c, j ? j - 1 : SIZE_MAX, j, j + 1, j + 2 < c->count ? j + 2 : SIZE_MAX, &c->slope_out[j], &c->slope_in[j + 1]);
}

/* Hermite's cubic as the line and what it departs from it by, so that a line comes out as a line. */
static double cubic(double a, double b, double begin, double end, double t)
{
    double rise = b - a, y = a + rise * t + t * (1 - t) * ((begin - rise) * (1 - t) - (end - rise) * t);
    return y < a ? a : y > b ? b : y;
}

double curve_cubic_at(const curve *c, size_t ll, size_t l, size_t r, size_t rr, double x)
{
    double begin, end;
    slopes(c, ll, l, r, rr, &begin, &end);
    return cubic(c->high[l], c->low[r], begin, end, curve_place(c->v[l], c->v[r], x, c->scaled));
}

/* ---- ranks and quantiles ----------------------------------------------------------------------------------------- */

static double value_at(const curve *c, size_t j, double t)
{
    double a = c->high[j], b = c->low[j + 1];
    return c->cubic ? cubic(a, b, c->slope_out[j], c->slope_in[j + 1], t) : a + (b - a) * t;
}

double curve_between(const curve *c, size_t j, double x)
{
    if (c->low[j + 1] == c->high[j])
        return c->high[j];
    return value_at(c, j, curve_place(c->v[j], c->v[j + 1], x, c->scaled));
}

size_t curve_at_most(const double *v, size_t count, double x)
{
    const double *from = v;
    if (count == 0)
        return 0;
    while (count > 1) { /* halves without a branch that could be guessed wrong */
        size_t half = count / 2;
        from += half * (size_t)(from[half - 1] <= x);
        count -= half;
    }
    return (size_t)(from - v) + (*from <= x);
}

double curve_rank(const curve *c, double x, bool inclusive, double total)
{
    size_t j = curve_at_most(c->v, c->count, x);
    if (j == 0 || j == c->count)
        return j == 0 ? 0 : c->v[j - 1] == x && !inclusive ? c->low[j - 1] : total;
    bool there = c->v[j - 1] == x;
    double low = c->low[j - 1], high = c->high[j - 1], after = c->high[j];
    if (there && low < high)
        return inclusive ? high : low;
    double rank = there ? high : curve_between(c, j - 1, x);
    if (c->centred && c->low[j] > high) { /* a value that stands alone is in the middle of its own weight */
        rank += inclusive ? .5 : -.5;
        rank = rank > after ? after : rank < low ? low : rank;
    }
    return rank;
}

/* The place in segment j where the curve reaches `target`. */
static double reached(const curve *c, size_t j, double target)
{
    double a = c->high[j], b = c->low[j + 1], low = 0, high = 1;
    if (!c->cubic)
        return (target - a) / (b - a);
    for (int i = 0; i < 52; i++) {
        double middle = .5 * (low + high);
        if (value_at(c, j, middle) < target)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double curve_quantile(const curve *c, double target, bool inclusive)
{
    /* The first knot whose rank reaches the target, or passes it. */
    size_t from = curve_at_most(c->high, c->count, inclusive ? nextafter(target, -1) : target);
    if (from == c->count)
        return c->v[c->count - 1];
    if (from == 0 || (inclusive ? c->low[from] < target : c->low[from] <= target))
        return c->v[from];
    return placed(c->v[from - 1], c->v[from], reached(c, from - 1, target), c->scaled);
}
