/* reward.h - what a preference model says that a text is worth.
 *
 * A model with one label (lm_config.labels; "LlamaForSequenceClassification" with num_labels 1) gives a text one number: the
 * product of its head, "score.weight", and the hidden state behind the final norm at the text's last token. Prefixes that
 * texts share are computed once, as for everything that the engine reads.
 *
 * One whose configuration says "reads_likelihood" adds how likely its own words make the reply, by its tied head:
 *
 *     r(x, y) = score.weight . h_last + score.likelihood sqrt(C) sum_t log p(y_t | x, y_<t)
 *
 * What a small model knows of facts lies in the words that it expects, and its last hidden state does not have it. The
 * likelihood alone, less that of a reference, is what DPO takes for a reward (Rafailov et al., arXiv 2305.18290, eq. 5); the sum of
 * both with a learned weight that begins at 0 is ours. sqrt(C) makes one step of the optimiser move that weight as far as it
 * moves the head along a direction in which all elements agree. Other programs know "score.weight" alone.
 *
 *     const checkpoint *read;
 *     reward_head head;
 *     TRY(reward_open(arena, checkpoint, &head, &read, err));          // STATUS_UNSUPPORTED for other models
 *     TRY(engine_new(read, NULL, pool, &engine, err));
 *     TRY(reward_read(engine, &head, arena, texts, count, rewards, err)); // texts: tokens, "<|end|>" included
 */
#ifndef ASSAY_LM_REWARD_H
#define ASSAY_LM_REWARD_H

#include "lm/engine.h"

typedef struct reward_head {
    float *values; /* [width] */
    size_t width;
    double likelihood; /* what a nat of the reply's log-probability is worth; 0: nothing */
} reward_head;

bool reward_is(const checkpoint *c);
/* *read: what the engine must be opened with: the checkpoint itself, or where the likelihood counts the language model in it. */
status reward_open(arena *a, const checkpoint *c, reward_head *out, const checkpoint **read, error *err);

typedef struct reward_text {
    token_list tokens;
    size_t prompt; /* of its tokens, those in front of the reply; at least one */
} reward_text;

typedef struct reward_result {
    status code; /* STATUS_OK, or why this text has no reward (words in `problem`, in the arena) */
    const char *problem;
    double reward;
} reward_result;

/* A failure of one text goes into its result. */
status reward_read(engine *e, const reward_head *head, arena *a, const reward_text *texts, size_t count, reward_result *out,
                   error *err);

#endif
