/* rl_inside.h - the parts of a policy-gradient step (private to src/train).
 *
 *     rl_graph.c   the graph of a step: losses, gradients, what is watched
 *     rl_batch.c   from replies to a batch with advantages
 *     rl.c         the steps
 */
#ifndef ASSAY_TRAIN_RL_INSIDE_H
#define ASSAY_TRAIN_RL_INSIDE_H

#include "train/rl.h"
#include "train/sequences.h"

/* Numbers for each row of the batch (a token of a reply); all [rows_most], 0 in padding. */
typedef struct rl_rows {
    float *old, *reference, *advantages, *weights, *old_values, *returns;
} rl_rows;

typedef struct rl_graph {
    graph *graph;
    sequence_graph model;
    node *old, *reference, *advantages, *weights, *old_values, *returns; /* inputs */
    node *values, *entropies; /* [rows]; values NULL without a value head */
    training_step step;
    plan *plan;    /* of a gradient step */
    plan *look;    /* of the values alone (ppo) */
    size_t logprobs_at, entropies_at; /* outputs of `plan` */
    float rates[3];
} rl_graph;

status rl_graph_new(arena *a, const stage_run *run, const sequence_batch *batch, const rl_rows *rows, rl_graph *out, error *err);
void rl_graph_free(rl_graph *g);
/* The loss of a method (train/rl.h) over the graph's log-probabilities, inputs, values and entropies. */
node *rl_loss(const rl_graph *g, const recipe_feedback *o);

status rl_rows_new(arena *a, size_t count, rl_rows *out, error *err);
/* Packs whole groups of replies while they fit; returns how many groups did. */
size_t rl_pack(const rollout_reply *replies, size_t groups, size_t group, sequence_batch *batch, rl_rows *rows);
/* Fills advantages, weights and returns of the packed replies; reference and (ppo) old_values are known. *kl: mean over
 * replies of the sum of their tokens' log-ratios. */
status rl_advantages(arena *a, const recipe_feedback *o, const rollout_reply *replies, const sequence_batch *batch, rl_rows *rows,
                     double *kl, error *err);

#endif
