/* reward.h - what a preference model says that a text is worth.
 *
 * A model with one label (lm_config.labels; "LlamaForSequenceClassification" with num_labels 1) gives a text one number: the
 * product of its head, "score.weight", and the hidden state behind the final norm at the text's last token. Prefixes that
 * texts share are computed once, as for everything that the engine reads.
 *
 *     reward_head head;
 *     TRY(reward_open(arena, checkpoint, &head, err));                       // STATUS_UNSUPPORTED for other models
 *     TRY(reward_read(engine, &head, arena, texts, count, rewards, err));    // texts: tokens, "<|end|>" included
 */
#ifndef ASSAY_LM_REWARD_H
#define ASSAY_LM_REWARD_H

#include "lm/engine.h"

typedef struct reward_head {
    float *values; /* [width] */
    size_t width;
} reward_head;

bool reward_is(const checkpoint *c);
status reward_open(arena *a, const checkpoint *c, reward_head *out, error *err);

typedef struct reward_result {
    status code; /* STATUS_OK, or why this text has no reward (words in `problem`, in the arena) */
    const char *problem;
    double reward;
} reward_result;

/* The engine must be of the same checkpoint. A failure of one text goes into its result. */
status reward_read(engine *e, const reward_head *head, arena *a, const token_list *texts, size_t count, reward_result *out,
                   error *err);

#endif
