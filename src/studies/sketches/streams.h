/* streams.h - private to the study of sketches: streams of numbers, made or read.
 *
 * Every made stream is a pure function of (seed, name, repeat); a real one is a column of a file, in its order, shuffled, or sorted.
 */
#ifndef ASSAY_STUDIES_SKETCHES_STREAMS_H
#define ASSAY_STUDIES_SKETCHES_STREAMS_H

#include "run/study.h"

typedef enum stream_family { STREAM_SMOOTH, STREAM_REAL, STREAM_ADVERSARIAL, STREAM_ORDERED, STREAM_TIES, STREAM_FAMILIES } stream_family;
extern const char *const stream_family_names[STREAM_FAMILIES + 1]; /* "smooth", "real", "adversarial", "ordered", "ties" */

typedef struct stream {
    const char *name;
    stream_family family;
    double *values; /* of a file; NULL: made */
    size_t count;
    int made;       /* row of the table of made streams */
    enum { ORDER_AS_IS, ORDER_SHUFFLED, ORDER_SORTED } order; /* of a file */
} stream;

/* The streams that `families` (names separated by commas; "all") and the files ask for. A file is a path with one number a line, or
 * PATH#COLUMN of a CSV file; .gz is read as well. `identity` gets the hash of what the files hold, or NULL. */
status streams_open(arena *a, const char *families, const param_values *params, size_t length, stream **out, size_t *count,
                    const char **identity, error *err);
/* The numbers of a repeat into x, of `s->count` places. */
void stream_fill(const stream *s, uint64_t seed, uint64_t repeat, double *x);

#endif
