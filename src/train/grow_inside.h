/* grow_inside.h - one growth at work (private to src/train): grow.c trains, grow_write.c writes what came of it. */
#ifndef ASSAY_TRAIN_GROW_INSIDE_H
#define ASSAY_TRAIN_GROW_INSIDE_H

#include "lm/checkpoint.h"
#include "train/grow.h"
#include "train/growth.h"
#include "train/trainer.h"

/* Everything that one growth holds on to. */
typedef struct growing {
    const grow_options *options;
    arena *arena;
    recipe *recipe;
    growth growth;
    const town *town;
    tokenizer *tokenizer;
    lm_config config;
    parameters *parameters;
    parameters *working;            /* those that the stage at work trains: often the same */
    thread_pool *pool;
    checkpoint *base;               /* NULL: none */
    char base_identity[SHA256_HEX]; /* checkpoint_identity; empty: none */
    stage_log *logs;              /* of every stage */
    size_t stage;                 /* the one at work */
    json_t *stages;               /* finished ones, for the manifest */
    json_t *seconds;              /* of their steps, a list for each */
    json_t *restored;             /* what the training checkpoint said of the stage at work, or NULL; its weights are read
                                     when the stage knows which it trains */
    uint64_t tokens;
} growing;

/* Writes everything into the folder at work, and fills sha256, root and words of `out`. */
status grow_write(growing *g, grow_result *out, error *err);
/* Fills `out` from the summary of a finished folder. */
status grow_read(growing *g, grow_result *out, error *err);

#endif
