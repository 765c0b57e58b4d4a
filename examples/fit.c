#include "fit.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

status fit_begin(fit *f, arena *a, const fit_weight *weights, size_t count, uint64_t seed, error *err)
{
    *f = (fit){.arena = a, .graph = graph_new(a), .options.optimiser = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .decay = 0.01}};
    const char **names = ARENA_ARRAY(a, const char *, count);
    shape *shapes = ARENA_ARRAY(a, shape, count);
    f->nodes = ARENA_ARRAY(a, node *, count);
    if (!f->graph || !names || !shapes || !f->nodes)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        names[i] = weights[i].name;
        shapes[i] = weights[i].shape;
        f->nodes[i] = graph_input(f->graph, weights[i].name, TYPE_F32, weights[i].shape);
    }
    TRY(parameters_new(a, names, shapes, count, &f->weights, err));
    for (size_t i = 0; i < count; i++)
        f->weights->items[i].spread = weights[i].spread > 0 ? weights[i].spread : 0;
    unsigned char digest[SHA256_BYTES];
    order_seed(NULL, 0, &seed, sizeof seed, digest);
    order_stream first = order_stream_at(digest, "weights");
    parameters_initialise(f->weights, &first);
    for (size_t i = 0; i < count; i++)
        if (weights[i].spread < 0)
            memset(f->weights->items[i].value, 0, f->weights->items[i].elements * sizeof(float));
    f->order = order_stream_at(digest, "examples");
    return STATUS_OK;
}

status fit_compile(fit *f, node *loss, error *err)
{
    TRY(parameters_train(f->weights, NULL, &f->options.optimiser, err));
    TRY(step_build(f->arena, loss, f->nodes, f->weights->count, NULL, &f->options, &f->step, err));
    TRY(step_plan(f->arena, &f->step, f->profile, &f->step_plan, err));
    for (size_t i = 0; i < f->weights->count; i++)
        step_bind(f->step_plan, &f->step, i, f->weights->items[i].value, f->weights->items[i].mean, f->weights->items[i].square);
    plan_bind(f->step_plan, f->step.rates, f->rates);
    return STATUS_OK;
}

status fit_step(fit *f, thread_pool *pool, double learning_rate, float *loss, error *err)
{
    step_rates(&f->options, f->steps++, learning_rate, f->rates);
    TRY(plan_run(f->step_plan, pool, err));
    *loss = *(const float *)plan_output(f->step_plan, STEP_LOSS);
    return STATUS_OK;
}

status fit_plan(const fit *f, node *const *outputs, size_t count, plan **out, error *err)
{
    TRY(plan_new(f->graph, outputs, count, NULL, out, err));
    for (size_t i = 0; i < f->weights->count; i++)
        plan_bind(*out, f->nodes[i], f->weights->items[i].value);
    return STATUS_OK;
}

void fit_end(fit *f)
{
    plan_free(f->step_plan);
    graph_free(f->graph);
}
