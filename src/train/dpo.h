/* dpo.h - direct preference optimisation: a policy trained on pairs, against itself as it was (Rafailov et al., arXiv
 * 2305.18290).
 *
 * The implicit reward of a reply is beta (log pi(reply) - log pi_ref(reply)), sums over the reply's tokens with its "<|end|>";
 * the loss is loss_dpo (train/losses.h) over the pairs of a batch. The reference reads every batch once, with the same plan
 * as the policy's but without gradients. Where an adapter is trained (run->adapter), the reference is the base that it changes, which
 * stays as it is: no second copy of the weights is there.
 *
 *     TRY(dpo_train(arena, &run, &pairs, reference, &log, err));      // reference: values, in the order of lm_weight_at
 *     TRY(dpo_judge(arena, &run, &held_out, reference, &figures, err));
 */
#ifndef ASSAY_TRAIN_DPO_H
#define ASSAY_TRAIN_DPO_H

#include "train/pairs.h"
#include "train/trainer.h"

/* Trains run->parameters from log->steps to the end of the stage. log->metrics gets for every step: loss, accuracy (share of
 * its pairs whose preferred reply has the larger implicit reward), margin (mean difference of the two), norm, and the policy's mean
 * log-probability of a token: logprob of all replies, logprob_preferred and logprob_rejected of the two sides. */
status dpo_train(arena *a, const stage_run *run, const pair_list *pairs, const float *const *reference, stage_log *log, error *err);

/* On pairs that it has not seen: pairs, accuracy, margin, loss, and drift: the means of log pi - log pi_ref of whole
 * preferred and rejected replies. The caller owns the object. */
status dpo_judge(arena *a, const stage_run *run, const pair_list *held_out, const float *const *reference, json_t **out, error *err);

#endif
