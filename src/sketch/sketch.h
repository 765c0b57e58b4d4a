/* sketch.h - quantiles of a stream in little memory: KLL, KLL with interpolation, t-digest, behind one interface.
 *
 * A sketch reads numbers one after the other, keeps a few hundred words, and says at any time how many of the numbers were at most
 * q, or below which number a given share of them lies. Sketches of parts of a stream merge into a sketch of the whole.
 *
 *     sketch *s;
 *     TRY(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .k = 200, .seed = 1}, &s, err));
 *     TRY(sketch_update_many(s, latencies, count, err));            // or sketch_update, one by one
 *     double median = sketch_quantile(s, .5, true), share = sketch_rank(s, .1, true);
 *     TRY(sketch_merge(s, other, err));
 *     TRY(sketch_save(s, &bytes, err));
 *     sketch_free(s);
 *
 * The kinds:
 *     SKETCH_KLL      compactors of falling widths (Karnin, Lang, Liberty 2016), exactly as Apache DataSketches sizes them; any
 *                     stream's ranks within a bound (sketch_error)
 *     SKETCH_LINEAR   the same, asked by straight lines between the values kept
 *     SKETCH_CUBIC    the same, asked by monotone cubics (Fritsch and Carlson)
 *     SKETCH_KNOTS    the compactor at the top holds a piecewise linear rank function instead of values (Schiefer and others 2023)
 *     SKETCH_SPLINE   the same with monotone cubics between its knots
 *     SKETCH_TDIGEST  t-digest (Dunning and Ertl), merging form, scale functions K0 to K3
 *
 * Ranks: #{x <= q} (inclusive) or #{x < q}, divided by the count. Values compare as doubles; infinities are values as any other, NaN is refused
 * with its place in the stream. Every coin has an address (core/random.h): the same seed and the same calls give the same bits.
 *
 * Interpolation. Where the gaps between values differ more than 10^6-fold, or overflow, values of one sign are interpolated in the
 * order-preserving integer of their bits, which is close to their logarithm. A value that stands alone stands at its expected rank; one
 * that repeats is a step, never a ramp.
 *
 * Memory: words of 8 bytes that are kept between calls (sketch_words): every buffer in its full size, and the tables. Queries keep an index
 * beside that until the next update; it is not counted, as no peer's is. A sketch belongs to one thread at a time, for queries too.
 */
#ifndef ASSAY_SKETCH_SKETCH_H
#define ASSAY_SKETCH_SKETCH_H

#include "core/error.h"
#include "core/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sketch_kind {
    SKETCH_KLL,
    SKETCH_LINEAR,
    SKETCH_CUBIC,
    SKETCH_KNOTS,
    SKETCH_SPLINE,
    SKETCH_TDIGEST,
    SKETCH_KIND_COUNT
} sketch_kind;

typedef enum sketch_scale { SKETCH_K0, SKETCH_K1, SKETCH_K2, SKETCH_K3, SKETCH_SCALE_COUNT } sketch_scale;

/* "kll", "linear", "cubic", "knots", "spline", "tdigest"; NULL behind the last one. */
extern const char *const sketch_kind_names[SKETCH_KIND_COUNT + 1];
extern const char *const sketch_scale_names[SKETCH_SCALE_COUNT + 1]; /* "K0", ... */

enum { SKETCH_LEAST_K = 8, SKETCH_MOST_K = 65535, SKETCH_LEAST_WORDS = 64, SKETCH_MOST_WORDS = 1 << 22, SKETCH_MOST_LOWER = 40 };

/* Zero means the default everywhere. */
typedef struct sketch_options {
    sketch_kind kind;
    uint64_t seed;
    unsigned k;     /* the first three kinds: width of the top compactor, 8 to 65535; 200 */
    bool paired;    /* they: the second coin of a pair is the first one's opposite, which lowers the variance */
    bool sampled;   /* they: below the last compactor that is wider than 8 one of 2^h values is drawn; memory stops growing with n */
    size_t words;   /* knots and spline: all they may keep, buffer included; 600 */
    bool unguarded; /* they: any knot may go, however much weight its segment gets */
    double guard;   /* they: a segment may hold this multiple of 1/M of the weight, M = knots that fit; 2 */
    double buffer;  /* they: share of the words for buffers, all levels below the knots together; 1/8 */
    unsigned lower; /* they: randomised levels of compactors below the knots; 0 */
    unsigned height; /* they: the knots stand for so many levels at the top, and `lower` grows with the stream; 0: it does not */
    sketch_scale scale;  /* t-digest */
    double compression;  /* t-digest: delta; 100 */
    double points;       /* t-digest: its buffer, as a multiple of delta; 5 */
} sketch_options;

typedef struct sketch sketch;

/* STATUS_USAGE for options out of range. */
status sketch_new(const sketch_options *options, sketch **out, error *err);
void sketch_free(sketch *s); /* NULL is allowed */

/* STATUS_INVALID for NaN, with the place in the stream counted from 1; what stood before it has been read. */
status sketch_update(sketch *s, double x, error *err);
status sketch_update_many(sketch *s, const double *x, size_t count, error *err);

/* Adds what `from` has read. Kinds must fit: the first three go with each other, the others with their own. */
status sketch_merge(sketch *into, const sketch *from, error *err);

const sketch_options *sketch_options_of(const sketch *s);
uint64_t sketch_count(const sketch *s);
double sketch_least(const sketch *s), sketch_most(const sketch *s); /* exact; NaN when nothing was read */
/* Shares and values; NaN when nothing was read or memory is out. Quantiles: the least value whose inclusive rank is at least phi
 * (inclusive), or above phi; 0 and 1 give the exact ends. */
double sketch_rank(sketch *s, double x, bool inclusive);
double sketch_quantile(sketch *s, double phi, bool inclusive);
/* Many at once; `x` in any order. STATUS_INVALID for NaN, or a phi outside [0, 1], or an empty sketch. */
status sketch_ranks(sketch *s, const double *x, size_t count, bool inclusive, double *out, error *err);
status sketch_quantiles(sketch *s, const double *phi, size_t count, bool inclusive, double *out, error *err);
/* Shares up to each of the rising splits, and 1 (count + 1 figures); shares between them, which sum to 1. */
status sketch_cdf(sketch *s, const double *splits, size_t count, bool inclusive, double *out, error *err);
status sketch_pmf(sketch *s, const double *splits, size_t count, bool inclusive, double *out, error *err);

/* With 99 % confidence a rank (or the mass between two splits) is off by no more than this share, for any stream: DataSketches' fit for
 * KLL, for the least k that was merged in; 0 while all ranks are exact. NaN for the other kinds: nothing of the sort is known. */
double sketch_error(const sketch *s, bool pmf);
double sketch_kll_error(unsigned k, bool pmf);
/* Width of the compactor `depth` levels below the top. */
uint32_t sketch_kll_capacity(unsigned k, unsigned depth);

size_t sketch_words(const sketch *s);
size_t sketch_retained(const sketch *s); /* values, knots or centroids */
double sketch_weight(const sketch *s);   /* of all that is kept: the count, always */
/* Knots and spline: batches that the guard turned away (they went through a compaction), and knots that had to go against it. */
typedef struct sketch_guard_counts {
    uint64_t refused, forced;
} sketch_guard_counts;
sketch_guard_counts sketch_guarded(const sketch *s);

/* k(q) of a scale function and its inverse. */
double sketch_scale_k(sketch_scale scale, double delta, double n, double q);
double sketch_scale_q(sketch_scale scale, double delta, double n, double k);

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* A format of our own: "ASSAYSKT", version, kind, options, state, and a checksum over all of it (SipHash). Little-endian. A loaded sketch
 * goes on as the saved one would have. */
status sketch_save(const sketch *s, strbuf *out, error *err);
/* Reads either format; `name` stands in messages. STATUS_INVALID for anything that is not a whole sketch. */
status sketch_load(slice bytes, const char *name, sketch **out, error *err);
/* Whether the bytes begin as a file of sketch_save does. */
bool sketch_is_saved(slice bytes);

/* Apache DataSketches' KLL of floats or doubles, version 1 (2 for a single item), family 15. Writing: kinds of KLL without a sampler, else
 * STATUS_UNSUPPORTED; floats must hold the values exactly unless `rounded`. Reading tells floats from doubles by the length. */
typedef enum sketch_item { SKETCH_FLOATS, SKETCH_DOUBLES } sketch_item;
status sketch_save_datasketches(const sketch *s, sketch_item item, bool rounded, strbuf *out, error *err);
status sketch_load_datasketches(slice bytes, const char *name, uint64_t seed, sketch **out, error *err);

#endif
