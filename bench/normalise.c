/* normalise.c - normalisations with their gradients in f32, for bench/peers/normalise_speed.py.
 *
 *     bench_normalise THREADS           milliseconds of a forward and backward pass of each, the best of several
 */
#include "graph/composite.h"
#include "graph/plan.h"
#include "measure.h"

#include <stdio.h>

typedef struct norm_case {
    const char *name;
    shape x;
    enum { BATCH, FROZEN, INSTANCE, GROUP, LAYER } kind;
} norm_case;

static const norm_case cases[] = {
    {"batch_norm 64x28x28x32", {4, {64, 28, 28, 32}}, BATCH},       {"batch_norm 64x7x7x512", {4, {64, 7, 7, 512}}, BATCH},
    {"batch_norm frozen 64x28x28x32", {4, {64, 28, 28, 32}}, FROZEN}, {"instance_norm 64x28x28x32", {4, {64, 28, 28, 32}}, INSTANCE},
    {"group_norm 64x28x28x32", {4, {64, 28, 28, 32}}, GROUP},       {"layer_norm 4096x512", {2, {4096, 512}}, LAYER},
};

static node *normalised(const norm_case *k, node *x, node *weight, node *bias)
{
    shape channels = weight->shape;
    switch (k->kind) {
    case BATCH:
        return op_batch_norm(x, weight, bias, 1e-5, NULL, NULL);
    case FROZEN:
        return op_batch_norm_frozen(x, weight, bias, graph_fill(x->graph, TYPE_F32, channels, 0.1),
                                    graph_fill(x->graph, TYPE_F32, channels, 0.9), 1e-5);
    case INSTANCE:
        return op_instance_norm(x, weight, bias, 1e-5);
    case GROUP:
        return op_group_norm(x, 8, weight, bias, 1e-5);
    case LAYER:
        return op_layer_norm(x, weight, bias, 1e-5);
    }
    return NULL;
}

/* y and the gradients of x, weight and bias for a given dy. */
static status measure(const norm_case *k, thread_pool *pool, double *best, error *err)
{
    arena *a = arena_new(NULL);
    graph *g = graph_new(a);
    size_t count = (size_t)shape_count(k->x);
    shape channels = SHAPE(k->x.size[k->x.rank - 1]);
    node *x = graph_input(g, "x", TYPE_F32, k->x), *dy = graph_input(g, "dy", TYPE_F32, k->x), *outputs[4];
    node *weight = graph_input(g, "weight", TYPE_F32, channels), *bias = graph_input(g, "bias", TYPE_F32, channels);
    outputs[0] = normalised(k, x, weight, bias);
    float *values = ARENA_ARRAY(a, float, count);
    plan *p;
    if (!values || !graph_grad(outputs[0], (node *[]){x, weight, bias}, 3, dy, outputs + 1)) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i * 2654435761u % 1000) / 1000.0F;
    status s = plan_new(g, outputs, 4, &(plan_options){.threads = thread_pool_size(pool)}, &p, err);
    if (s == STATUS_OK) {
        node *const inputs[] = {x, dy, weight, bias};
        for (size_t i = 0; i < COUNT_OF(inputs); i++)
            plan_bind(p, inputs[i], values);
        MEASURE_BEST(*best, if (s == STATUS_OK) s = plan_run(p, pool, err));
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
    printf("{");
    for (size_t i = 0; i < COUNT_OF(cases) && s == STATUS_OK; i++) {
        double seconds = 0;
        s = measure(&cases[i], pool, &seconds, &err);
        printf("%s\"%s\": %.4f", i ? ", " : "", cases[i].name, 1e3 * seconds);
    }
    printf("}\n");
    thread_pool_free(pool);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_normalise: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
