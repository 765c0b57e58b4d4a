/* fusion.c - reductions of elementwise values: made as the values pass in the cache, and of values that were stored.
 *
 *     bench_fusion THREADS        milliseconds of a run and bytes of the plan, both ways, f32
 *
 * Both plans do the elementwise part in one group. The second reduces behind an `after` node, which no group takes in. */
#include "graph/composite.h"
#include "graph/plan.h"
#include "measure.h"

#include <stdio.h>

typedef enum part { SQUARES, EXPONENTIALS, SLOPES } part;

typedef struct sum_case {
    const char *name;
    shape x;
    axes reduced;
    part what;
    bool largest, kept; /* a maximum; the values are an output too */
} sum_case;

static const sum_case cases[] = {
    {"loss of 4194304 squared differences", {1, {4194304}}, {1, {0}}, SQUARES, false, false},
    {"variances of rows 4096 x 512", {2, {4096, 512}}, {1, {1}}, SQUARES, false, false},
    {"sums of exponentials of rows 4096 x 512", {2, {4096, 512}}, {1, {1}}, EXPONENTIALS, false, false},
    {"the same, exponentials kept", {2, {4096, 512}}, {1, {1}}, EXPONENTIALS, false, true},
    {"largest of rows 4096 x 512", {2, {4096, 512}}, {1, {1}}, SQUARES, true, false},
    {"sums of exponentials of rows 128 x 32000", {2, {128, 32000}}, {1, {1}}, EXPONENTIALS, false, false},
    {"bias gradient 100352 x 32", {2, {100352, 32}}, {1, {0}}, SLOPES, false, false},
    {"bias gradient 100352 x 32, slopes kept", {2, {100352, 32}}, {1, {0}}, SLOPES, false, true},
    {"bias gradient 8192 x 512, slopes kept", {2, {8192, 512}}, {1, {0}}, SLOPES, false, true},
    {"bias gradient 4096 x 1024", {2, {4096, 1024}}, {1, {0}}, SLOPES, false, false},
    {"bias gradient 1024 x 4096", {2, {1024, 4096}}, {1, {0}}, SLOPES, false, false},
};

static node *values_of(const sum_case *k, node *x, node *y, node *row)
{
    switch (k->what) {
    case SQUARES:
        return op_square(op_sub(x, y));
    case EXPONENTIALS:
        return op_exp(op_sub(x, row));
    case SLOPES:
        return op_mul(y, op_sub(graph_scalar(x->graph, TYPE_F32, 1), op_square(x))); /* of tanh, whose values x are */
    }
    return NULL;
}

typedef struct reading {
    double seconds;
    size_t bytes;
} reading;

static status measure(const sum_case *k, thread_pool *pool, bool stored, reading *out, error *err)
{
    arena *a = arena_new(NULL);
    graph *g = graph_new(a);
    size_t count = (size_t)shape_count(k->x);
    shape row = k->x;
    row.size[row.rank - 1] = 1;
    node *x = graph_input(g, "x", TYPE_F32, k->x), *y = graph_input(g, "y", TYPE_F32, k->x), *z = graph_input(g, "row", TYPE_F32, row);
    node *values = values_of(k, x, y, z), *from = stored ? op_after(values, x) : values;
    node *outputs[2] = {k->largest ? op_reduce_max(from, k->reduced, false) : op_reduce_sum(from, k->reduced, false), values};
    float *elements = ARENA_ARRAY(a, float, count), *others = ARENA_ARRAY(a, float, count);
    plan *p;
    status s = elements && others ? plan_new(g, outputs, k->kept ? 2 : 1, &(plan_options){.threads = thread_pool_size(pool)}, &p, err)
                                  : error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; s == STATUS_OK && i < count; i++) {
        elements[i] = (float)(i * 2654435761u % 1000) / 1000.0F;
        others[i] = (float)(i * 40503u % 1000) / 1000.0F;
    }
    if (s == STATUS_OK) {
        plan_bind(p, x, elements);
        plan_bind(p, y, others);
        plan_bind(p, z, others);
        MEASURE_BEST(out->seconds, if (s == STATUS_OK) s = plan_run(p, pool, err));
        out->bytes = plan_peak_bytes(p);
        if ((plan_counts_of(p).reductions == 0) != stored)
            s = error_set(err, STATUS_INVALID, "%s: the reduction is %s a group of elementwise nodes", k->name, stored ? "in" : "outside of");
        plan_free(p);
    }
    arena_free(a);
    return s;
}

int main(int argc, char **argv)
{
    error err = {0};
    thread_pool *pool = NULL;
    status s = thread_pool_new((size_t)measure_number(argv, argc, 1, 0), &pool, &err);
    printf("%-45s %10s %10s %7s %10s %10s\n", "", "passing ms", "stored ms", "ratio", "MB", "stored MB");
    for (size_t i = 0; i < COUNT_OF(cases) && s == STATUS_OK; i++) {
        reading r[2] = {{0}};
        for (int stored = 0; stored < 2 && s == STATUS_OK; stored++)
            s = measure(&cases[i], pool, stored, &r[stored], &err);
        if (s == STATUS_OK)
            printf("%-45s %10.3f %10.3f %7.2f %10.2f %10.2f\n", cases[i].name, 1e3 * r[0].seconds, 1e3 * r[1].seconds,
                   r[1].seconds / r[0].seconds, (double)r[0].bytes / 1e6, (double)r[1].bytes / 1e6);
    }
    thread_pool_free(pool);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_fusion: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
