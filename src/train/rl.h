/* rl.h - policy gradients: a policy trained on the worth of its own replies (stage `rl`).
 *
 * A step draws `group` replies to each of `prompts` prompts (train/rollout.h), has them judged, turns rewards into
 * advantages, and makes `epochs` gradient steps on them. With r the reward of a reply, pi_old the policy that drew it,
 * pi_ref what it was when the stage began, k_t = log pi_old(t) - log pi_ref(t) for token t, and ratio_t = pi(t) / pi_old(t):
 *
 *     reinforce  A = R - mean of the other R of the group, R = r - beta sum_t k_t     loss: -ratio_t A, mean over replies of
 *                                                                                  sums over tokens: the gradient of
 *                                                                                  E[r] - beta KL(pi || pi_ref)
 *     grpo       A = (r - mean) / (deviation + 1e-4) of the group                     clipped by clip_ratio, + beta k3(pi, pi_ref);
 *                (Shao et al., arXiv 2402.03300, eq. 3)                              means over tokens, then over replies
 *     ppo        A by GAE (discount, lambda) from a value head, with the reward -beta k_t of each token and r at the last,
 *                whitened over the batch                                         clipped by clip_ratio, + value_weight times
 *                (Schulman et al., arXiv 1707.06347; Ouyang et al.,               the value loss (clip_value); means over tokens
 *                arXiv 2203.02155, section 3.5 for the penalty)
 *
 * entropy_weight takes that times the entropy off the loss. The value head is one more parameter, "value.weight" [C], zero at
 * first; it reads the state that predicts the token and is not part of the model that is grown.
 *
 *     parameters *p;
 *     TRY(rl_parameters(arena, policy, &config, stage, &p, err));
 *     TRY(rl_train(arena, &run, &data, reference, &log, err));
 */
#ifndef ASSAY_TRAIN_RL_H
#define ASSAY_TRAIN_RL_H

#include "train/rollout.h"
#include "train/trainer.h"

typedef struct rl_data {
    const rollout_prompt *prompts; /* `prompts` for every step, in order */
    size_t count;
    const rater_taste *taste;
    rollout_judge *judge; /* NULL: the raters' true utility */
    const tokenizer *tokenizer;
    uint64_t seed, stage;
    status (*keep)(void *context, int64_t step, error *err); /* a checkpoint of the policy; NULL: none */
    void *keep_context;
} rl_data;

/* The policy's parameters themselves, and for ppo the value head behind them, with what the stage's optimiser keeps of it. */
status rl_parameters(arena *a, const parameters *policy, const lm_config *config, const recipe_stage *s, parameters **out, error *err);

/* Trains from log->steps to the end of the stage. log->metrics gets for every step:
 *     step, reward, reward_deviation   over the replies
 *     utility       mean true utility to the raters (world/raters.h): what a preference model only guesses
 *     true, agrees, false_agreement    shares of replies with these features (world/raters.h); the last: agree and are false
 *     kl            mean over replies of sum_t k_t; drift: mean over tokens of k3(pi, pi_ref) after the step's last epoch's reading
 *     first_ratio   largest |ratio - 1| in the first epoch: exactly 0
 *     ratio, clip_share   of the last epoch: mean ratio, share of tokens whose ratio lies outside of 1 -+ clip_ratio
 *     entropy       mean over tokens, of the first epoch
 *     value_loss    mean over tokens of (v - R)^2 / 2 before the step (ppo; else null)
 *     loss, norm    of the last epoch
 *     tokens        of replies; left_out: groups that did not fit into batch_tokens and taught nothing */
status rl_train(arena *a, const stage_run *run, const rl_data *data, const float *const *reference, stage_log *log, error *err);

/* Means over the last tenth of the steps (at least one), and over the first, of reward, utility, kl, drift, true, agrees,
 * false_agreement and entropy; the caller owns the object. */
json_t *rl_figures(const stage_log *log);

#endif
