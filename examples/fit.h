/* fit.h - what the examples share: weights, a loss, a plan that makes steps of an optimiser (AdamW unless `options` is changed before fit_compile).
 *
 *     fit f;
 *     TRY(fit_begin(&f, arena, specs, COUNT_OF(specs), seed, err));
 *     node *x = graph_input(f.graph, "x", TYPE_F32, SHAPE(128, 784));
 *     node *loss = ... op_linear(x, f.nodes[0]) ...;                 // a scalar
 *     TRY(fit_compile(&f, loss, err));
 *     plan_bind(f.step_plan, x, pixels);
 *     for (...) TRY(fit_step(&f, pool, learning_rate, &value, err));
 *     fit_end(&f);
 */
#ifndef ASSAY_EXAMPLES_FIT_H
#define ASSAY_EXAMPLES_FIT_H

#include "graph/composite.h"
#include "graph/plan.h"
#include "train/parameters.h"
#include "train/step.h"

typedef struct fit_weight {
    const char *name;
    shape shape;
    double spread; /* standard deviation of the first values; 0: ones; negative: zeros */
} fit_weight;

typedef struct fit {
    arena *arena;
    graph *graph;
    parameters *weights;
    node **nodes; /* inputs of the graph, in the order of the weights */
    training_step step;
    step_options options;
    plan *step_plan;
    float rates[3];
    int64_t steps;
    bool profile; /* set before fit_compile: the plan measures its steps */
    order_stream order; /* for the order of examples and other draws */
} fit;

status fit_begin(fit *f, arena *a, const fit_weight *weights, size_t count, uint64_t seed, error *err);
status fit_compile(fit *f, node *loss, error *err);
status fit_step(fit *f, thread_pool *pool, double learning_rate, float *loss, error *err);
/* A plan for other outputs of the same graph, with the weights bound; the caller frees it. */
status fit_plan(const fit *f, node *const *outputs, size_t count, plan **out, error *err);
void fit_end(fit *f);

#endif
