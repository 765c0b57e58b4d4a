/* bench_sketch FILE K: how long KLL takes for the doubles of a file, and for questions, in nanoseconds of processor time; one JSON line.
 * bench/peers/sketches.py runs it beside Apache DataSketches. */
#include "core/arena.h"
#include "core/file.h"
#include "sketch/sketch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct times {
    double bulk, single, ranks, quantiles;
} times;

static void must(status result, const error *err)
{
    if (result != STATUS_OK) {
        fprintf(stderr, "bench_sketch: %s\n", err->message);
        exit(1);
    }
}

static void keep_least(double *least, double seconds, size_t count)
{
    double ns = 1e9 * seconds / (double)count;
    *least = *least == 0 || ns < *least ? ns : *least;
}

static void measure(const double *x, size_t n, unsigned k, times *out, error *err)
{
    enum { ASKED = 100000 };
    static double splits[ASKED], shares[ASKED], answers[ASKED + 1];
    sketch *bulk, *single;
    double at = processor_seconds();
    must(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .k = k, .seed = 1}, &bulk, err), err);
    must(sketch_update_many(bulk, x, n, err), err);
    keep_least(&out->bulk, processor_seconds() - at, n);
    at = processor_seconds();
    must(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .k = k, .seed = 2}, &single, err), err);
    for (size_t i = 0; i < n; i++)
        must(sketch_update(single, x[i], err), err);
    keep_least(&out->single, processor_seconds() - at, n);
    double least = sketch_least(bulk), most = sketch_most(bulk);
    for (size_t i = 0; i < ASKED; i++) {
        splits[i] = least + (most - least) * (double)i / ASKED;
        shares[i] = (double)i / ASKED;
    }
    at = processor_seconds(); /* with the making of the index */
    must(sketch_cdf(bulk, splits, ASKED, true, answers, err), err);
    keep_least(&out->ranks, processor_seconds() - at, ASKED);
    must(sketch_update(bulk, x[0], err), err);
    at = processor_seconds();
    must(sketch_quantiles(bulk, shares, ASKED, true, answers, err), err);
    keep_least(&out->quantiles, processor_seconds() - at, ASKED);
    sketch_free(bulk);
    sketch_free(single);
}

int main(int argc, char **argv)
{
    arena *a = arena_new(NULL);
    slice bytes;
    error err = {0};
    times t = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: bench_sketch FILE K\n");
        return 2;
    }
    must(file_map(a, argv[1], &bytes, &err), &err);
    unsigned k = (unsigned)strtoul(argv[2], NULL, 10);
    size_t n = bytes.length / sizeof(double);
    double *x = memory_alloc(n * sizeof *x + 1);
    if (!x || n == 0)
        return 1;
    memcpy(x, bytes.text, n * sizeof *x);
    for (int round = 0; round < 5; round++)
        measure(x, n, k, &t, &err);
    printf("{\"n\": %zu, \"k\": %u, \"bulk\": %.3f, \"single\": %.3f, \"ranks\": %.3f, \"quantiles\": %.3f}\n", n, k, t.bulk, t.single, t.ranks,
           t.quantiles);
    memory_free(x);
    arena_free(a);
    return 0;
}
