/* rollout.h - replies of a model under training, and what they are worth.
 *
 * The engine that answers for everybody (lm/engine.h) samples from the weights that are trained: its checkpoint points at the
 * f32 masters themselves, and its plans round and compute as a training graph does. Log-probabilities come from the routine
 * that makes the loss, so that those of the sampler and of a training step with the same weights are equal to the bit, and the
 * first ratio of a policy gradient is exactly 1.
 *
 *     rollout_sampler s = {.config = &config, .parameters = p, .tokenizer = k, .pool = pool, .longest = 256};
 *     TRY(rollout_sample(arena, &s, prompts, 16, 8, 32, step, replies, err));      // 8 replies to each of 16 prompts
 *     TRY(rollout_rewards(judge, taste, prompts, 8, replies, 128, err));
 *
 * A reply's draws have the address (seed, "rollout", stage, number of the prompt, number of the reply): they do not depend on
 * what is sampled beside them.
 */
#ifndef ASSAY_TRAIN_ROLLOUT_H
#define ASSAY_TRAIN_ROLLOUT_H

#include "lm/engine.h"
#include "lm/reward.h"
#include "train/parameters.h"
#include "world/raters.h"

typedef struct rollout_prompt {
    rater_prompt rated;
    const int32_t *tokens; /* "<|begin|>...<|assistant|>" */
    size_t count;
} rollout_prompt;

typedef struct rollout_sampler {
    const lm_config *config;
    const parameters *parameters; /* in the order of lm_weight_at; more may stand behind */
    const tokenizer *tokenizer;
    thread_pool *pool;
    element_type compute; /* TYPE_BF16 or TYPE_F32 */
    size_t longest;       /* tokens of a prompt with its reply */
    uint64_t seed, stage;
} rollout_sampler;

typedef struct rollout_reply {
    const int32_t *tokens; /* the prompt, the reply, and "<|end|>" where it came to its end */
    size_t count, prompt;  /* in all; of the prompt */
    const float *logprobs; /* [count - prompt], by the policy that drew them */
    const char *text;
    bool ended;
    double reward;
    double features[RATER_FEATURE_COUNT];
} rollout_reply;

/* `group` replies to each of `count` prompts, drawn at temperature 1: replies [count * group], those to a prompt one behind the
 * other. `first`: the number of the first prompt. */
status rollout_sample(arena *a, const rollout_sampler *s, const rollout_prompt *prompts, size_t count, size_t group, size_t max_tokens,
                      uint64_t first, rollout_reply *replies, error *err);

/* Who judges replies: a preference model, or NULL for the raters' true utility. */
typedef struct rollout_judge rollout_judge;
/* Opens the folder of a preference model; its tokens must be the policy's. The judge lives in the arena. */
status rollout_judge_open(arena *a, const char *folder, const tokenizer *k, size_t longest, thread_pool *pool, rollout_judge **out,
                          error *err);
/* Fills reward and features of count * group replies. */
status rollout_rewards(rollout_judge *judge, const rater_taste *taste, const rollout_prompt *prompts, size_t group,
                       rollout_reply *replies, size_t count, error *err);

#endif
