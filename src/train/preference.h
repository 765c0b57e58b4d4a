/* preference.h - preference models: a scalar for a prompt with its reply, trained on pairs.
 *
 * The model is the transformer with a head of one row, "score.weight" [1, C] (lm_config.labels = 1): the reward is the
 * product of the head and the hidden state (after the final norm) of the last token, the reply's "<|end|>", in f32. So do
 * LlamaForSequenceClassification with num_labels 1 in `transformers` and its kin, and that is how it is saved. A stage with
 * `likelihood: true` adds the log-probability of the reply by the same weights, times a weight that is learned (lm/reward.h).
 *
 *     parameters *p;
 *     TRY(preference_parameters(arena, &config, policy, false, &labelled, &p, err));      // the policy's weights, and a head of zeros
 *     TRY(preference_train(arena, &run, &pairs, &log, err));                        // run.config: labelled, run.parameters: p
 *     TRY(preference_judge(arena, &run, &held_out, &figures, err));
 */
#ifndef ASSAY_TRAIN_PREFERENCE_H
#define ASSAY_TRAIN_PREFERENCE_H

#include "train/pairs.h"
#include "train/trainer.h"

/* The configuration with one label, and its weights: copies of the policy's with a head of zeros, so that at first all
 * replies are worth the same. likelihood: the model reads that of the reply too (lm/reward.h); STATUS_UNSUPPORTED where the
 * head of words is not the embedding. */
status preference_parameters(arena *a, const lm_config *config, const parameters *policy, bool likelihood, lm_config *labelled,
                             parameters **out, error *err);

/* What is trained whatever the stage freezes, in `parts` of all weights: the head, and the weight of the likelihood. */
void preference_parts(const lm_config *labelled, step_part *parts);

/* Trains from log->steps to the end of the stage (loss_preference over the pairs of a batch). log->metrics gets for every step: loss,
 * accuracy (share of its pairs whose preferred reply is worth more, ties half), margin (mean of r_w - r_l), reward (mean of all replies),
 * norm, and, where the model reads it, logprob: its mean log-probability of a token of the replies. */
status preference_train(arena *a, const stage_run *run, const pair_list *pairs, stage_log *log, error *err);

/* Rewards of the pairs' sequences: [2 count], of pair i at 2 i (preferred) and 2 i + 1. */
status preference_rewards(arena *a, const stage_run *run, const pair_list *pairs, double **out, error *err);

/* What the model makes of pairs that it has not seen, as an object that the caller owns:
 *     pairs         how many
 *     accuracy      share in which the preferred reply is worth more (ties count half)
 *     ceiling       the accuracy of one who knows the raters' taste: the mean of max(p, 1 - p); null where p is not known
 *     loss          mean of -log sigmoid(r_w - r_l)
 *     calibration   mean difference between predicted and found shares over ten bins of predictions (expected calibration
 *                   error; Guo et al., arXiv 1706.04599, eq. 3, for a prediction about the reply that was listed first by hash)
 *     p_error       mean |sigmoid(r_w - r_l) - p|, p the raters' probability; null where it is not known
 *     correlation   of r_w - r_l with log(p / (1 - p)), likewise (p cut to .001 .. .999)
 *     sycophantic   of the pairs of one true reply and one that agrees with the user and is false: the share in which the
 *                   latter is worth more, with the raters' own probability of that (mean) and their number; null for none */
status preference_judge(arena *a, const stage_run *run, const pair_list *held_out, json_t **out, error *err);

#endif
