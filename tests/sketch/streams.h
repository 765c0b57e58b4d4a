/* streams.h - what the tests of sketches share: streams with an address, and one sketch of every kind and option. */
#ifndef ASSAY_TESTS_SKETCH_STREAMS_H
#define ASSAY_TESTS_SKETCH_STREAMS_H

#include "core/arena.h"
#include "core/random.h"
#include "sketch/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const sketch_options every_sketch[] = {
    {.kind = SKETCH_KLL, .k = 200},
    {.kind = SKETCH_KLL, .k = 200, .paired = true},
    {.kind = SKETCH_KLL, .k = 200, .sampled = true},
    {.kind = SKETCH_LINEAR, .k = 200},
    {.kind = SKETCH_CUBIC, .k = 200},
    {.kind = SKETCH_KNOTS, .words = 600},
    {.kind = SKETCH_KNOTS, .words = 600, .unguarded = true},
    {.kind = SKETCH_KNOTS, .words = 100},
    {.kind = SKETCH_KNOTS, .words = 600, .lower = 4, .buffer = .3},
    {.kind = SKETCH_KNOTS, .words = 600, .height = 3},
    {.kind = SKETCH_KNOTS, .words = 600, .guard = .8},
    {.kind = SKETCH_SPLINE, .words = 600},
    {.kind = SKETCH_SPLINE, .words = 600, .unguarded = true},
    {.kind = SKETCH_TDIGEST, .scale = SKETCH_K0},
    {.kind = SKETCH_TDIGEST, .scale = SKETCH_K1},
    {.kind = SKETCH_TDIGEST, .scale = SKETCH_K2},
    {.kind = SKETCH_TDIGEST, .scale = SKETCH_K3, .points = 1},
};
static const size_t every_sketch_count = COUNT_OF(every_sketch);

static inline sketch *sketch_make(sketch_options o, uint64_t seed)
{
    sketch *s = NULL;
    error err = {0};
    o.seed = seed;
    if (sketch_new(&o, &s, &err) != STATUS_OK)
        BUG("%s", err.message);
    return s;
}

/* "uniform", "normal", "lognormal", "sorted" (1 to n), "scales" (900 binary orders of magnitude), "clusters" (a Cantor set),
 * "nested" (400 blocks, each within a part of the one before), "closing" (far left, far right, ever nearer), "one-sided" (nearer to 1 in 200
 * blocks, nine of ten values from below). */
static inline double *stream_make(const char *name, size_t n, uint64_t seed)
{
    double *x = memory_alloc((n + 1) * sizeof *x);
    random_stream r = random_stream_at(seed, name, 0, 0, 0, 0);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, "uniform") == 0) {
            x[i] = random_uniform(&r);
        } else if (strcmp(name, "normal") == 0) {
            x[i] = random_normal(&r);
        } else if (strcmp(name, "lognormal") == 0) {
            x[i] = exp(2 * random_normal(&r));
        } else if (strcmp(name, "sorted") == 0) {
            x[i] = (double)(i + 1);
        } else if (strcmp(name, "scales") == 0) {
            x[i] = (random_below(&r, 2) ? 1 : -1) * exp2(900 * (random_uniform(&r) - .5));
        } else if (strcmp(name, "clusters") == 0) {
            double scale = 1;
            x[i] = 0;
            for (int digit = 0; digit < 12; digit++)
                x[i] += (scale /= 16) * 15 * (double)random_below(&r, 2);
        } else if (strcmp(name, "nested") == 0) {
            x[i] = exp2(-.9 * floor(400 * (double)i / (double)n)) * (random_uniform(&r) - .37);
        } else if (strcmp(name, "closing") == 0) {
            x[i] = (i & 1 ? 1 : -1) * (double)(n - i) * (double)(n - i);
        } else if (strcmp(name, "one-sided") == 0) {
            double far = exp2(-.2 * floor(200 * (double)i / (double)n)) * random_uniform(&r);
            x[i] = random_below(&r, 10) ? 1 - far : 1 + far;
        } else {
            BUG("no stream %s", name);
        }
    }
    return x;
}

static inline double *stream_copy(const double *x, size_t n)
{
    double *copy = memory_alloc((n + 1) * sizeof *copy);
    memcpy(copy, x, n * sizeof *x);
    return copy;
}

static inline int stream_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void stream_sort(double *x, size_t n)
{
    qsort(x, n, sizeof *x, stream_order);
}

/* Mean over the positions of the stream of |estimated - true| inclusive rank; the largest in *most. `sorted` is the stream, sorted. */
static inline double stream_error(sketch *s, const double *sorted, size_t n, double *most)
{
    double sum = 0, worst = 0;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && sorted[j] == sorted[i]; j++)
            continue;
        double e = fabs(sketch_rank(s, sorted[i], true) - (double)j / (double)n);
        sum += e * (double)(j - i);
        worst = e > worst ? e : worst;
    }
    if (most)
        *most = worst;
    return sum / (double)n;
}

#endif
