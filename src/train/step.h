/* step.h - one training step as one graph: loss, gradients, clipping, AdamW.
 *
 * The builder of a model makes the loss from parameters that are inputs of the graph; step_build adds the rest. Every
 * step then runs the same plan, which writes the new values and moments over the old ones (donated buffers).
 *
 *     node *loss = ...;                                           // a scalar in f32
 *     training_step s;
 *     TRY(step_build(arena, loss, parameters, count, NULL, &options, &s, err));
 *     TRY(step_plan(arena, &s, &p, err));
 *     step_bind(p, &s, i, value, mean, square); ...
 *     float rates[3]; step_rates(&options, step, learning_rate, rates); plan_bind(p, s.rates, rates);
 *     TRY(plan_run(p, pool, err));
 *     const float *loss_value = plan_output(p, STEP_LOSS);
 *
 * Clipping is by the norm over all parameters, as in torch.nn.utils.clip_grad_norm_: gradients are multiplied by
 * min(1, clip / (norm + 1e-6)). Decay is put on tensors of rank two and more alone (not on norms). A step may train some
 * of the parameters alone: the others stay as they are, and no gradient is made for them.
 */
#ifndef ASSAY_TRAIN_STEP_H
#define ASSAY_TRAIN_STEP_H

#include "graph/graph.h"
#include "graph/plan.h"

typedef struct step_options {
    double beta1, beta2, epsilon, decay;
    double clip; /* 0: none */
} step_options;

/* Outputs of the plan: loss and norm (before clipping), then value, mean and square of every trained parameter. */
enum { STEP_LOSS, STEP_NORM, STEP_FIRST };

typedef struct training_step {
    graph *graph;
    size_t count;
    node **parameters, **means, **squares; /* inputs; of f32; means and squares NULL where it is not trained */
    node *rates;                           /* input f32 [3] */
    node **outputs;                        /* STEP_FIRST + 3 count */
    size_t output_count;
} training_step;

/* trained[i]: whether parameter i is; NULL: all. */
status step_build(arena *a, node *loss, node *const *parameters, size_t count, const bool *trained,
                  const step_options *options, training_step *out, error *err);
/* Has the plan, made afterwards, give this value too; *at: its output. */
status step_watch(arena *a, training_step *s, node *value, size_t *at, error *err);
status step_plan(arena *a, const training_step *s, bool profile, plan **out, error *err);
/* Binds parameter i and its moments, whether it is trained or not; once is enough for all runs. */
void step_bind(plan *p, const training_step *s, size_t i, float *value, float *mean, float *square);
/* Learning rate and bias corrections of step `step` (from 0 since the moments were zero). */
void step_rates(const step_options *options, int64_t step, double learning_rate, float rates[3]);

#endif
