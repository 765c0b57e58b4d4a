/* sketches.h - private to the study of sketches: methods at equal words, and what they make of a stream. */
#ifndef ASSAY_STUDIES_SKETCHES_SKETCHES_H
#define ASSAY_STUDIES_SKETCHES_SKETCHES_H

#include "sketch/sketch.h"
#include "studies/sketches/streams.h"

enum { SKETCHES_SIZES = 12, SKETCHES_BINS = 20 };

/* A method at some number of words. */
typedef struct sketch_method {
    const char *name;
    sketch_options options; /* of kinds of KLL and t-digest without their size */
} sketch_method;

extern const sketch_method sketch_methods[];
extern const size_t sketch_method_count;
/* The methods of these names are compared in findings: KLL, and the interpolated sketch that is recommended. */
#define SKETCHES_BASE "kll"
#define SKETCHES_BEST "knots"

typedef struct sketches_data {
    stream *streams;
    size_t stream_count, repeats;
    size_t sizes[SKETCHES_SIZES], size_count;
    unsigned (*k)[SKETCHES_SIZES]; /* of KLL, for each stream and size */
    size_t shards;
} sketches_data;

/* The largest k with which KLL keeps at most so many words of a stream of n. STATUS_USAGE where none does. */
status sketches_largest_k(size_t words, size_t n, unsigned *k, error *err);

status sketches_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status sketches_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
