/* accumulate.h - a training step whose gradient is computed in pieces: the memory of a piece, the step of the whole batch.
 *
 * The loss of a batch is a sum over its tokens, each with its weight (train/packing.h), so that the sum of the losses of its pieces is
 * the loss, and the sum of their gradients the gradient. One plan adds a piece's to the sums so far; a second one clips the sums
 * and makes the step (train/step.h). Documents stay whole and in order: the step is that of the whole batch but for the order in
 * which f32 terms are added.
 * Sums are whole, those of tables that are only looked up in too (pieces look up different rows); a piece adds its rows to them.
 *
 *     accumulation *s;
 *     TRY(accumulation_new(arena, loss, parameters, count, parts, &options, &s, err));
 *     accumulation_bind(s, i, value, mean, square); ...       // every parameter
 *     plan_bind(s->piece, tokens, ...); ...                   // what the loss reads; plan_bind(s->step, s->update.rates, rates)
 *     accumulation_begin(s);
 *     for each piece { ...fill in its tokens...; TRY(plan_run(s->piece, pool, err)); }
 *     TRY(plan_run(s->step, pool, err));
 *     loss = *(const float *)plan_output(s->step, STEP_LOSS);
 */
#ifndef ASSAY_TRAIN_ACCUMULATE_H
#define ASSAY_TRAIN_ACCUMULATE_H

#include "train/step.h"

typedef struct accumulation {
    plan *piece, *step;
    training_step update; /* what `step` runs; its parameters are inputs of a graph of its own */
    node *const *parameters; /* those that the loss reads */
    size_t count, trained;
    float **sums; /* loss, then the gradient of every trained parameter */
    node **inputs; /* of the pieces' graph, for the sums */
    size_t *bytes;
} accumulation;

/* parts NULL: all are trained. *out, also when it fails, is to be freed before the loss's graph and the arena. */
status accumulation_new(arena *a, node *loss, node *const *parameters, size_t count, const step_part *parts,
                        const step_options *options, accumulation **out, error *err);
/* Parameter i and its moments, which are NULL where it is not trained. */
void accumulation_bind(accumulation *s, size_t i, float *value, float *mean, float *square);
/* Sets the sums to zero: a batch begins. */
void accumulation_begin(accumulation *s);
void accumulation_free(accumulation *s); /* its plans; the lists lie in the arena */

#endif
