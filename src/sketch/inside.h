/* inside.h - private to src/sketch: the parts behind the interface.
 *
 * curve      what every query is put to: values v[0] < v[1] < ..., the rank just below each (low) and at it (high); between v[j] and
 *            v[j+1] it rises from high[j] to low[j+1]
 * kll        compactors; gives a curve of steps, lines or cubics
 * knots      a curve that is kept, with compactors below it
 * tdigest    centroids
 */
#ifndef ASSAY_SKETCH_INSIDE_H
#define ASSAY_SKETCH_INSIDE_H

#include "core/random.h"
#include "sketch/sketch.h"

/* ---- sorting (sort.c) ------------------------------------------------------------------------------------------- */

/* Rising; no NaN among them. STATUS_MEMORY. */
status sketch_sort(double *x, size_t count, error *err);
/* Merges two rising runs; `out` may overlap the end of `b` as in-place merging to the right needs it. */
void sketch_merge_runs(const double *a, size_t a_count, const double *b, size_t b_count, double *out);

/* ---- coins ------------------------------------------------------------------------------------------------------- */

typedef struct coins {
    random_stream stream;
    uint64_t bits;
    unsigned left; /* bits that were not used yet */
} coins;

coins coins_new(uint64_t seed);
unsigned coin(coins *c); /* 0 or 1 */

/* ---- curves (curve.c) -------------------------------------------------------------------------------------------- */

typedef struct curve {
    double *v, *low, *high;
    double *slope_in, *slope_out; /* of cubics: at the end and at the beginning of the segments that meet at a knot, times its width */
    size_t count, capacity;
    bool cubic, scaled;
    bool centred; /* where it rises, a rank is that of the middle of a value: half below, half above */
} curve;

status curve_reserve(curve *c, size_t capacity, error *err); /* keeps what is there */
void curve_free(curve *c);
/* Sets `scaled`, and the slopes of cubics: once the knots are in place. */
void curve_prepare(curve *c);
bool curve_gaps_differ(const double *v, size_t count);
/* Where x lies between a and b, from 0 to 1. */
double curve_place(double a, double b, double x, bool scaled);
/* Ranks as weights; `total` beyond the last knot. */
double curve_rank(const curve *c, double x, bool inclusive, double total);
/* Value of the segment that begins at knot j, at x strictly inside. */
double curve_between(const curve *c, size_t j, double x);
double curve_quantile(const curve *c, double target, bool inclusive);
/* Cubic through knots l, r with the neighbours ll and rr (SIZE_MAX: none), at x: what deleting the knot at x would leave there. */
double curve_cubic_at(const curve *c, size_t ll, size_t l, size_t r, size_t rr, double x);
size_t curve_at_most(const double *v, size_t count, double x); /* how many are <= x */

/* ---- KLL (kll.c, kll_block.c, kll_merge.c) ----------------------------------------------------------------------- */

enum { KLL_M = 8, KLL_LEVELS = 61, KLL_WIDTHS = 24, KLL_BLOCK = 2048, KLL_BLOCK_WIDTH = 32, KLL_BLOCK_LEVELS = 9 };

/* Level i holds items[at[i]] to items[at[i + 1] - 1], of weight 2^(base + i) each; what is in front of at[0] is free. All levels but 0 are
 * sorted. */
typedef struct kll {
    uint32_t k, least_k;
    bool paired, sampled;
    unsigned levels, base;
    uint16_t widths[KLL_WIDTHS]; /* by depth below the top; from `narrow` on KLL_M */
    unsigned narrow;
    uint32_t at[KLL_LEVELS + 2];
    uint32_t capacity, physical; /* of the levels together; of `items` */
    double *items;
    bool sorted; /* level 0 */
    coins coins;
    uint64_t open, last; /* of pairs: levels that wait for the second coin, and what the first one was */
    double kept;         /* the sampler: a uniform draw among `seen` values, until these are 2^base; changes at the next-th */
    uint64_t seen, next;
} kll;

status kll_init(kll *s, const sketch_options *o, error *err);
void kll_free(kll *s);
status kll_push(kll *s, double x, error *err);
status kll_push_many(kll *s, const double *x, size_t count, error *err);
/* `weight` values x at once: through the sampler, or into the levels of its bits, which are there. */
status kll_push_weighted(kll *s, double x, uint64_t weight, error *err);
/* Compresses until the values fit into the capacity of the levels. */
status kll_squeeze(kll *s, error *err);
status kll_merge(kll *into, const kll *from, error *err);
/* What is kept, sorted, equal values next to each other; `values` and `weights` of kll_kept(s) places. */
size_t kll_kept(const kll *s);
status kll_view(const kll *s, double *values, uint64_t *weights, error *err);
/* The curve of steps (`lines` false), or through expected ranks (true), of n values from least to most. */
status kll_curve(const kll *s, bool lines, uint64_t n, double least, double most, curve *out, error *err);
uint32_t kll_total_capacity(uint32_t k, unsigned levels);
size_t kll_words(const kll *s);
uint64_t kll_weight(const kll *s);
/* For files: storage for so many levels, with the given populations (level 0 first); the items are then filled in. */
status kll_shape(kll *s, unsigned levels, const uint32_t *populations, error *err);

/* What passes several levels of compactors at once: `count` = kept * 2^levels values, at most KLL_BLOCK; `widths` of the levels' compactors,
 * powers of two from 8 to KLL_BLOCK_WIDTH that do not fall; half of the last one, `kept`, is left, of weight 2^levels. */
typedef struct kll_pass {
    unsigned levels;
    uint16_t widths[KLL_BLOCK_LEVELS];
    size_t count, kept;
} kll_pass;

/* `draws`: coins, count / 4 of them at most; `last`: the coin of the last compaction, which is one alone. `out`: the values kept, rising. */
void kll_block(const double *x, const kll_pass *pass, const uint64_t *draws, unsigned last, bool paired, double *out);
void kll_sort8(double x[8]);
/* Extremes, and whether there is a NaN. */
bool kll_survey(const double *x, size_t count, double *least, double *most);

/* ---- knots (knots.c, knots_reduce.c) ------------------------------------------------------------------------------ */

typedef struct knots {
    size_t width;      /* of each buffer */
    size_t room;       /* words for the function */
    double guard;      /* gamma; infinite: unguarded */
    bool cubic;
    unsigned lower, height;
    double *level[SKETCH_MOST_LOWER + 1];
    size_t fill[SKETCH_MOST_LOWER + 1];
    uint64_t batches;  /* since `lower` last grew, those before counted by half each time */
    sketch_guard_counts counts;
    coins coins;
    double total;      /* weight in the function */
    /* The function, packed: values, ranks at them, ranks below those that have their own. */
    double *packed;
    uint8_t *shape;
    size_t count, extra;
} knots;

enum { KNOT_RAMP, KNOT_JUMP, KNOT_BOTH }; /* low == high; low == the last knot's high; neither */

status knots_init(knots *s, const sketch_options *o, error *err);
void knots_free(knots *s);
status knots_push_many(knots *s, const double *x, size_t count, error *err);
status knots_merge(knots *into, const knots *from, error *err);
status knots_curve(const knots *s, double least, double most, curve *out, error *err);
size_t knots_words(const knots *s);
double knots_weight(const knots *s);
status knots_unpack(const knots *s, curve *out, error *err);
status knots_pack(knots *s, const curve *c, error *err);
/* Words of a knot, given the rank at the one before it. */
static inline unsigned knot_shape(double before, double low, double high)
{
    return low == high ? KNOT_RAMP : low == before ? KNOT_JUMP : KNOT_BOTH;
}
size_t knots_room_for(size_t count, size_t extra);

/* What a function must fit into, and what it takes in. */
typedef struct knots_limits {
    size_t room;            /* words */
    double guard, total;    /* no segment may weigh more than guard * total */
    bool force;             /* or else those knots go that leave the lightest segments */
    const uint32_t *fresh;  /* for each knot: twice how many of `batch` values that were just added lie below it, with half of those at it; or NULL */
    size_t batch;
    random_stream *draws;   /* for which of two knots goes; NULL: always the one whose loss is least */
} knots_limits;

/* Takes knots away until the function fits. *fits is false, and the curve spoilt, where the guard lets no more go; *forced counts knots that
 * had to go against it. */
status knots_reduce(curve *c, const knots_limits *l, bool *fits, uint64_t *forced, error *err);

/* ---- t-digest (tdigest.c) ----------------------------------------------------------------------------------------- */

typedef struct centroid {
    double mean, weight;
} centroid;

typedef struct tdigest {
    sketch_scale scale;
    double delta;
    centroid *all;
    size_t count, capacity;
    double *buffer;
    size_t fill, room;
    bool backwards; /* the next sweep */
    uint64_t below, above; /* infinities */
    coins coins;
} tdigest;

status tdigest_init(tdigest *s, const sketch_options *o, error *err);
void tdigest_free(tdigest *s);
status tdigest_push_many(tdigest *s, const double *x, size_t count, error *err);
status tdigest_merge(tdigest *into, const tdigest *from, error *err);
status tdigest_flush(tdigest *s, error *err);
status tdigest_curve(tdigest *s, double least, double most, curve *out, error *err);
size_t tdigest_words(const tdigest *s);
double tdigest_weight(const tdigest *s);

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

struct sketch {
    sketch_options options; /* with defaults filled in */
    uint64_t n;
    double least, most;
    union {
        kll kll;
        knots knots;
        tdigest tdigest;
    };
    curve view;
    bool viewed; /* `view` is that of now */
};

static inline bool sketch_is_kll(const sketch *s)
{
    return s->options.kind <= SKETCH_CUBIC;
}
static inline bool sketch_is_knots(const sketch *s)
{
    return s->options.kind == SKETCH_KNOTS || s->options.kind == SKETCH_SPLINE;
}

#endif
