/* laplacian.c - value and Laplacian of a small network at many places, for bench/peers/laplacian.py.
 *
 *     bench_laplacian FOLDER f32|f64 SECONDS THREADS
 *
 * FOLDER/in holds layers w0, b0, w1, b1, ... in f64 and places x [N, coordinates]; tanh between the layers, the last one gives a number.
 * FOLDER/out gets "value" and "laplacian" [N]. Prints the seconds of all N, and on stderr where they go. */
#include "profile.h"
#include "tensors.h"

#include "core/file.h"
#include "graph/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    arena *arena;
    safetensors *in;
    element_type type;
    graph *graph;
    node *places, *outputs[2];
    node *weights[32];
    size_t count;
} work;

static const void *elements(const work *w, const safetensors_tensor *t)
{
    if (w->type == TYPE_F64)
        return t->data;
    size_t n = (size_t)safetensors_elements(t);
    float *out = ARENA_ARRAY(w->arena, float, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((const double *)t->data)[i];
    return out;
}

static status build(work *w, error *err)
{
    const safetensors_tensor *t = safetensors_find(w->in, "x");
    if (!t || t->rank != 2 || t->type != SAFETENSORS_F64)
        return error_set(err, STATUS_INVALID, "expected x [N, coordinates] in f64");
    w->graph = graph_new(w->arena);
    w->places = graph_input(w->graph, "places", w->type, tensor_shape(t));
    node *x = graph_input(w->graph, "x", w->type, SHAPE(t->shape[1])), *y = op_reshape(x, SHAPE(1, t->shape[1])), *both[2];
    for (int i = 0; i < 16; i++) {
        const char *names[2] = {arena_printf(w->arena, "w%d", i), arena_printf(w->arena, "b%d", i)};
        if (!safetensors_find(w->in, names[0]))
            break;
        for (int k = 0; k < 2; k++)
            w->weights[w->count++] = graph_input(w->graph, names[k], w->type, tensor_shape(safetensors_find(w->in, names[k])));
        y = op_add(op_linear(i ? op_tanh(y) : y, w->weights[w->count - 2]), w->weights[w->count - 1]);
    }
    both[0] = op_sum_all(y);
    if (!graph_laplacian(both, 1, x, NULL, &both[1]) || !graph_vmap(both, 2, &x, &w->places, 1, w->outputs))
        return error_set(err, STATUS_MEMORY, "out of memory");
    return STATUS_OK;
}

static status new_plan(const work *w, bool profile, plan **p, error *err)
{
    TRY(plan_new(w->graph, w->outputs, 2, &(plan_options){.profile = profile, .frozen = w->weights, .frozen_count = w->count}, p, err));
    plan_bind(*p, w->places, elements(w, safetensors_find(w->in, "x")));
    for (size_t i = 0; i < w->count; i++)
        plan_bind(*p, w->weights[i], elements(w, safetensors_find(w->in, w->weights[i]->site)));
    return STATUS_OK;
}

static status run(arena *a, char **words, error *err)
{
    work w = {.arena = a, .type = strcmp(words[2], "f64") == 0 ? TYPE_F64 : TYPE_F32};
    double limit = strtod(words[3], NULL), best = 1e9;
    thread_pool *pool;
    plan *p, *profiled;
    TRY(safetensors_open(a, file_join(a, words[1], "in"), &w.in, err));
    TRY(build(&w, err));
    TRY(thread_pool_new((size_t)strtoul(words[4], NULL, 10), &pool, err));
    TRY(new_plan(&w, false, &p, err));
    TRY(profile_time(p, pool, limit, &best, err));
    safetensors_tensor out[2];
    for (size_t i = 0; i < 2; i++)
        out[i] = (safetensors_tensor){.name = i ? "laplacian" : "value", .type = w.type == TYPE_F64 ? SAFETENSORS_F64 : SAFETENSORS_F32, .rank = 1,
                                      .shape = {w.places->shape.size[0]}, .data = plan_output(p, i),
                                      .bytes = (size_t)w.places->shape.size[0] * element_size(w.type)};
    TRY(safetensors_write(file_join(a, words[1], "out"), out, 2, NULL, 0, err));
    TRY(new_plan(&w, true, &profiled, err));
    for (int i = 0; i < 5; i++)
        TRY(plan_run(profiled, pool, err));
    printf("{\"seconds\": %.6f, \"bytes\": %zu}\n", best, plan_peak_bytes(p));
    TRY(profile_print(a, profiled, pool, 12, err));
    plan_free(p);
    plan_free(profiled);
    thread_pool_free(pool);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status s = argc == 5 ? run(a, argv, &err) : error_set(&err, STATUS_USAGE, "usage: bench_laplacian FOLDER f32|f64 SECONDS THREADS");
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_laplacian: %s\n", err.message);
    return status_exit_code(s);
}
