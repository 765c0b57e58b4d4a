/* attention.c - attention of one file's queries, keys and values, with and without a mask, for bench/peers/attention.py.
 *
 *     bench_attention IN OUT THREADS REPEATS
 *
 * IN is a safetensors file: q, k, v and dout f32 [B, L, H, D], perhaps mask u8 [B, L, L], and as metadata `type` (f32 or bf16) and
 * `both_ways` (yes or no: causal). OUT gets out, dq, dk, dv in f32. Prints the best seconds of a plan that makes out alone, and of one
 * that makes the gradients too: {"forward": s, "both": s}. */
#include "graph/ops.h"
#include "graph/plan.h"
#include "measure.h"
#include "tensors.h"

#include <stdio.h>
#include <stdlib.h>

enum { Q, K, V, DOUT, GIVEN, MADE = 4 };

typedef struct work {
    graph *graph;
    const safetensors_tensor *given[GIVEN], *mask;
    element_type type;
    node *inputs[GIVEN], *start, *mask_input, *made[MADE];
    void *values[GIVEN];
    int32_t *starts;
    double seconds[2];
} work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* In the type that is measured; the length of a sequence becomes that of packed tokens. */
static status read_given(arena *a, const safetensors *file, work *w, error *err)
{
    static const char *const names[GIVEN] = {"q", "k", "v", "dout"};
    const char *type = safetensors_metadata(file, "type");
    w->type = type && strcmp(type, "bf16") == 0 ? TYPE_BF16 : TYPE_F32;
    w->mask = safetensors_find(file, "mask");
    for (size_t i = 0; i < GIVEN; i++) {
        const safetensors_tensor *t = w->given[i] = safetensors_find(file, names[i]);
        if (!t || t->rank != 4)
            return error_set(err, STATUS_INVALID, "expected the tensor '%s' of rank 4", names[i]);
        size_t count = (size_t)safetensors_elements(t);
        float *wide = ARENA_ARRAY(a, float, count);
        w->values[i] = wide;
        if (!wide)
            return no_memory(err);
        TRY(safetensors_to_f32(t, wide, err));
        uint16_t *narrow = w->type == TYPE_BF16 ? ARENA_ARRAY(a, uint16_t, count) : NULL;
        for (size_t k = 0; narrow && k < count; k++)
            narrow[k] = kernel_bf16_from_f32(wide[k]);
        if (narrow)
            w->values[i] = narrow;
    }
    return STATUS_OK;
}

static status build(arena *a, const safetensors *file, work *w, error *err)
{
    static const char *const names[GIVEN] = {"q", "k", "v", "dout"};
    const char *ways = safetensors_metadata(file, "both_ways");
    attention_options o = {.both_ways = ways && strcmp(ways, "yes") == 0};
    const int64_t *s = w->given[Q]->shape, tokens = s[0] * s[1];
    w->graph = graph_new(a);
    w->starts = ARENA_ARRAY(a, int32_t, (size_t)tokens);
    if (!w->graph || !w->starts)
        return no_memory(err);
    for (int64_t t = 0; t < tokens; t++)
        w->starts[t] = (int32_t)(t / s[1] * s[1]);
    for (size_t i = 0; i < GIVEN; i++)
        w->inputs[i] = graph_input(w->graph, names[i], w->type, SHAPE(tokens, s[2], s[3]));
    w->start = graph_input(w->graph, "start", TYPE_I32, SHAPE(tokens));
    node **x = w->inputs;
    if (w->mask)
        w->mask_input = graph_input(w->graph, "mask", TYPE_U8, SHAPE(tokens, s[1]));
    w->made[0] = w->mask ? op_masked_attention(x[Q], x[K], x[V], w->start, w->mask_input, o) : op_attention(x[Q], x[K], x[V], w->start, o);
    if (!graph_grad(w->made[0], x, 3, x[DOUT], w->made + 1))
        return no_memory(err);
    return graph_status(w->graph, err);
}

/* The best of `repeats` runs of a plan that makes the first `count` results. */
static status measure(work *w, size_t count, int repeats, thread_pool *pool, plan **out, double *best, error *err)
{
    TRY(plan_new(w->graph, w->made, count, &(plan_options){.threads = thread_pool_size(pool)}, out, err));
    for (size_t i = 0; i < (count > 1 ? (size_t)GIVEN : (size_t)DOUT); i++)
        plan_bind(*out, w->inputs[i], w->values[i]);
    plan_bind(*out, w->start, w->starts);
    if (w->mask)
        plan_bind(*out, w->mask_input, w->mask->data);
    *best = 1e9;
    for (int i = 0; i < repeats; i++) {
        double began = clock_seconds();
        TRY(plan_run(*out, pool, err));
        double seconds = clock_seconds() - began;
        *best = seconds < *best ? seconds : *best;
    }
    return STATUS_OK;
}

static status write_made(arena *a, const work *w, const plan *p, const char *path, error *err)
{
    static const char *const names[MADE] = {"out", "dq", "dk", "dv"};
    safetensors_tensor list[MADE];
    size_t count = (size_t)safetensors_elements(w->given[Q]);
    for (size_t i = 0; i < MADE; i++) {
        float *wide = ARENA_ARRAY(a, float, count);
        const void *values = plan_output(p, i);
        if (!wide)
            return no_memory(err);
        for (size_t k = 0; k < count; k++)
            wide[k] = w->type == TYPE_BF16 ? kernel_bf16_to_f32(((const uint16_t *)values)[k]) : ((const float *)values)[k];
        list[i] = *w->given[Q];
        list[i].name = names[i];
        list[i].data = wide;
        list[i].bytes = count * sizeof(float);
        list[i].type = SAFETENSORS_F32;
    }
    return safetensors_write(path, list, MADE, NULL, 0, err);
}

static status run(arena *a, char **words, error *err)
{
    work w = {0};
    safetensors *file;
    thread_pool *pool;
    plan *forward, *both;
    int repeats = measure_number(words, 5, 4, 10);
    TRY(safetensors_open(a, words[1], &file, err));
    TRY(thread_pool_new((size_t)measure_number(words, 5, 3, 2), &pool, err));
    TRY(read_given(a, file, &w, err));
    TRY(build(a, file, &w, err));
    TRY(measure(&w, 1, repeats, pool, &forward, &w.seconds[0], err));
    TRY(measure(&w, MADE, repeats, pool, &both, &w.seconds[1], err));
    TRY(write_made(a, &w, both, words[2], err));
    printf("{\"forward\": %.6f, \"both\": %.6f}\n", w.seconds[0], w.seconds[1]);
    plan_free(forward);
    plan_free(both);
    thread_pool_free(pool);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status s = argc == 5 ? run(a, argv, &err) : error_set(&err, STATUS_USAGE, "usage: bench_attention IN OUT THREADS REPEATS");
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_attention: %s\n", err.message);
    return status_exit_code(s);
}
