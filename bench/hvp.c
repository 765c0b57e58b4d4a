/* hvp.c - products with the Hessian of a loss, forward over reverse, in f32, for bench/peers/hvp.py.
 *
 *     bench_hvp mlp FOLDER SECONDS THREADS       a network of tanh layers with cross-entropy
 *     bench_hvp lm FOLDER SECONDS THREADS        the language model of FOLDER/config.json
 *
 * FOLDER/in holds "value:NAME" and "tangent:NAME" in f32 and the batch (mlp: x, labels; lm: tokens, targets, positions, starts, weights);
 * FOLDER/out gets "product:NAME". Prints the seconds of a product and of a gradient alone, the plan's bytes, and where the time goes. */
#include "profile.h"
#include "tensors.h"

#include "core/file.h"
#include "graph/ops.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILED = 30, DOCUMENTS = 8 };

typedef struct work {
    arena *arena;
    safetensors *in;
    graph *graph;
    node *loss;
    node **weights, **tangents, **gradients, **products;
    node *batch[5];
    const char *names[5];
    size_t count, batch_count;
} work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

static node *batch_input(work *w, const char *name)
{
    const safetensors_tensor *t = safetensors_find(w->in, name);
    if (!t)
        return NULL;
    w->names[w->batch_count] = name;
    return w->batch[w->batch_count++] = graph_input(w->graph, name, t->type == SAFETENSORS_I32 ? TYPE_I32 : TYPE_F32, tensor_shape(t));
}

/* Layers w0, b0, w1, b1, ... of the file. */
static status build_mlp(work *w, error *err)
{
    w->graph = graph_new(w->arena);
    w->weights = ARENA_ARRAY(w->arena, node *, 64);
    node *x = batch_input(w, "x"), *labels = batch_input(w, "labels");
    if (!x || !labels)
        return error_set(err, STATUS_INVALID, "expected x and labels");
    for (int i = 0; i < 32; i++) {
        char *names[2] = {arena_printf(w->arena, "w%d", i), arena_printf(w->arena, "b%d", i)};
        const safetensors_tensor *t[2];
        for (int k = 0; k < 2; k++)
            t[k] = safetensors_find(w->in, arena_printf(w->arena, "value:%s", names[k]));
        if (!t[0] || !t[1])
            break;
        for (int k = 0; k < 2; k++)
            w->weights[w->count + (size_t)k] = graph_input(w->graph, names[k], TYPE_F32, tensor_shape(t[k]));
        x = op_add(op_linear(i ? op_tanh(x) : x, w->weights[w->count]), w->weights[w->count + 1]);
        w->count += 2;
    }
    int64_t rows = labels->shape.size[0];
    w->loss = op_sum_all(op_cross_entropy(x, labels, graph_fill(w->graph, TYPE_F32, SHAPE(rows), 1 / (double)rows)));
    return STATUS_OK;
}

/* The loss of one document, for all of them at once: attention is then known to stay within each, where the graph of packed documents
 * would have forward mode make the scores between all of their tokens. */
static status build_lm(work *w, const char *folder, error *err)
{
    lm_config config;
    stage_graph g;
    step_options none = {0};
    const safetensors_tensor *tokens = safetensors_find(w->in, "tokens");
    if (!tokens)
        return error_set(err, STATUS_INVALID, "expected tokens");
    TRY(lm_config_read(file_join(w->arena, folder, "config.json"), &config, err));
    int64_t rows = DOCUMENTS, row = tokens->shape[0] / rows;
    TRY(stage_graph_build(w->arena, &config, (size_t)row, TYPE_F32, FREEZE_NONE, &none, &g, err));
    *w = (work){.arena = w->arena, .in = w->in, .graph = g.graph, .weights = g.model.weights,
                .count = g.model.weight_count, .batch_count = 5,
                .names = {"tokens", "targets", "positions", "starts", "weights"}};
    node *one[5] = {g.model.tokens, g.targets, g.model.positions, g.model.starts, g.weights}, *many[5], *loss = g.step.outputs[STEP_LOSS];
    for (int i = 0; i < 5; i++) {
        w->batch[i] = graph_input(g.graph, arena_printf(w->arena, "all_%s", w->names[i]), (element_type)one[i]->type, SHAPE(tokens->shape[0]));
        many[i] = op_reshape(w->batch[i], SHAPE(rows, row));
    }
    many[3] = op_sub(many[3], op_broadcast(op_slice(many[3], 1, 0, 1), SHAPE(rows, row))); /* starts, counted from the document's own */
    if (!graph_vmap(&loss, 1, one, many, 5, &loss))
        return no_memory(err);
    w->loss = op_sum_all(loss);
    return STATUS_OK;
}

static status bind(const work *w, plan *p, error *err)
{
    for (size_t i = 0; i < w->batch_count; i++) {
        const safetensors_tensor *t;
        TRY(safetensors_expect(w->in, w->names[i], w->batch[i]->shape.size, w->batch[i]->shape.rank, &t, err));
        plan_bind(p, w->batch[i], t->data);
    }
    for (size_t i = 0; i < 2 * w->count; i++) {
        const node *weight = w->weights[i / 2];
        const safetensors_tensor *t;
        const char *name = arena_printf(w->arena, "%s:%s", i % 2 ? "tangent" : "value", weight->site);
        TRY(safetensors_expect(w->in, name, weight->shape.size, weight->shape.rank, &t, err));
        plan_bind(p, i % 2 ? w->tangents[i / 2] : weight, t->data);
    }
    return STATUS_OK;
}

static status measure(const work *w, node **outputs, thread_pool *pool, double limit, bool profile, double *best, plan **out, error *err)
{
    plan *p;
    TRY(plan_new(w->graph, outputs, w->count, &(plan_options){.profile = profile}, &p, err));
    TRY(bind(w, p, err));
    TRY(profile_time(p, pool, limit, best, err));
    *out = p;
    return STATUS_OK;
}

static status write_products(const work *w, const plan *p, const char *path, error *err)
{
    safetensors_tensor *list = ARENA_ARRAY(w->arena, safetensors_tensor, w->count);
    for (size_t i = 0; i < w->count; i++) {
        const shape s = w->products[i]->shape;
        list[i] = (safetensors_tensor){.name = arena_printf(w->arena, "product:%s", w->weights[i]->site), .type = SAFETENSORS_F32,
                                       .rank = s.rank, .data = plan_output(p, i), .bytes = (size_t)shape_count(s) * sizeof(float)};
        memcpy(list[i].shape, s.size, (size_t)s.rank * sizeof s.size[0]);
    }
    return safetensors_write(path, list, w->count, NULL, 0, err);
}

static status run(arena *a, char **words, error *err)
{
    work w = {.arena = a};
    const char *folder = words[2];
    double limit = strtod(words[3], NULL), product, gradient, slower;
    thread_pool *pool;
    plan *p, *q, *profiled;
    TRY(safetensors_open(a, file_join(a, folder, "in"), &w.in, err));
    TRY(strcmp(words[1], "lm") == 0 ? build_lm(&w, folder, err) : build_mlp(&w, err));
    TRY(thread_pool_new((size_t)strtoul(words[4], NULL, 10), &pool, err));
    w.tangents = ARENA_ARRAY(a, node *, w.count);
    w.gradients = ARENA_ARRAY(a, node *, w.count);
    w.products = ARENA_ARRAY(a, node *, w.count);
    if (!w.tangents || !w.gradients || !w.products)
        return no_memory(err);
    for (size_t i = 0; i < w.count; i++)
        w.tangents[i] = graph_input(w.graph, arena_printf(a, "tangent:%s", w.weights[i]->site), TYPE_F32, w.weights[i]->shape);
    if (!graph_grad(w.loss, w.weights, w.count, NULL, w.gradients) ||
        !graph_jvp(w.gradients, w.count, w.weights, w.tangents, w.count, w.products))
        return no_memory(err);
    TRY(measure(&w, w.products, pool, limit, false, &product, &p, err));
    TRY(measure(&w, w.gradients, pool, limit / 4, false, &gradient, &q, err));
    TRY(write_products(&w, p, file_join(a, folder, "out"), err));
    TRY(measure(&w, w.products, pool, 0, true, &slower, &profiled, err));
    for (int i = 0; i < PROFILED - 4; i++)
        TRY(plan_run(profiled, pool, err));
    printf("{\"seconds\": %.6f, \"gradient_seconds\": %.6f, \"bytes\": %zu, \"steps\": %zu}\n", product, gradient, plan_peak_bytes(p), plan_steps(p));
    TRY(profile_print(a, profiled, pool, 30, err));
    plan_free(p);
    plan_free(q);
    plan_free(profiled);
    thread_pool_free(pool);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status s = argc == 5 ? run(a, argv, &err) : error_set(&err, STATUS_USAGE, "usage: bench_hvp mlp|lm FOLDER SECONDS THREADS");
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_hvp: %s\n", err.message);
    return status_exit_code(s);
}
