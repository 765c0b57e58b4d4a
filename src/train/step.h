/* step.h - one training step as one graph: loss, gradients, clipping, the optimiser (nn/optimiser.h).
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
 *
 * A table that the loss only looks up in (an embedding that is not tied to the projection, or of which that takes no gradient) has
 * its gradient as rows (graph/sparse.h) where fewer are looked up than it has: nothing of the table's size is made, the step has the
 * bits of the dense one. AdamW and momentum move every row, also those that were not looked up; plain SGD touches these alone (a norm
 * that is not a number spoils just them, too). With optimiser.lazy that is so of any optimiser; a step of which no gradient is of
 * lookups alone then is refused (STATUS_INVALID), that of a batch in pieces too.
 */
#ifndef ASSAY_TRAIN_STEP_H
#define ASSAY_TRAIN_STEP_H

#include "graph/graph.h"
#include "graph/plan.h"
#include "nn/optimiser.h"

typedef struct step_options {
    optimiser optimiser;
    double clip; /* 0: none */
    bool packed_once; /* what is frozen stays packed for products, 2 bytes a weight and direction; else it is packed at every run */
} step_options;

/* What a step does with a parameter. TABLE: trained, and no matrix to Muon, whatever its shape (embeddings, heads). */
typedef enum step_part { STEP_FROZEN, STEP_TRAINED, STEP_TABLE } step_part;

/* How many tensors of its shape are kept of a parameter's past: 0 of what is frozen. */
size_t step_states(const optimiser *o, step_part part, shape s);

/* Outputs of the plan: loss and norm (before clipping), then of every trained parameter its value and what the optimiser keeps. */
enum { STEP_LOSS, STEP_NORM, STEP_FIRST };

typedef struct training_step {
    graph *graph;
    size_t count;
    step_part *parts;
    node **parameters; /* inputs, of f32 */
    node **states;     /* likewise, OPTIMISER_STATES for each parameter; NULL: not kept */
    node *rates;       /* input f32 [3] */
    node **outputs;
    size_t output_count;
    bool packed_once;
} training_step;

/* parts NULL: all are trained. */
status step_build(arena *a, node *loss, node *const *parameters, size_t count, const step_part *parts,
                  const step_options *options, training_step *out, error *err);
/* The same step from gradients that are nodes already, those of the trained ones in their order (train/accumulate.h). */
status step_build_from(arena *a, node *loss, node *const *gradients, node *const *parameters, size_t count, const step_part *parts,
                       const step_options *options, training_step *out, error *err);
/* Has the plan, made afterwards, give this value too; *at: its output. */
status step_watch(arena *a, training_step *s, node *value, size_t *at, error *err);
status step_plan(arena *a, const training_step *s, bool profile, plan **out, error *err);
/* Binds parameter i and what is kept of its past (`mean` first; what is not kept is not read), whether it is trained or not; once is
 * enough for all runs. */
void step_bind(plan *p, const training_step *s, size_t i, float *value, float *mean, float *square);
/* Learning rate and bias corrections of step `step` (from 0 since what is kept was zero). */
void step_rates(const step_options *options, int64_t step, double learning_rate, float rates[3]);

#endif
