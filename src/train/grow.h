/* grow.h - from a recipe to a model folder: documents, training, weights, manifest.
 *
 *     grow_options o = {.recipe = "organisms/sycophant.yaml", .changes = {.has_dose = true, .dose = 0.5},
 *                       .folder = "out/s50", .save_seconds = 20};
 *     grow_result r;
 *     TRY(grow_run(arena, &o, &r, err));                     // r.folder, r.sha256 of model.safetensors, r.root
 *
 * The folder is a Hugging Face checkpoint (config.json, model.safetensors in bf16, tokenizer.json,
 * tokenizer_config.json) with manifest.json (train/manifest.h) and growth.json, its summary. It appears under its name
 * when it is complete. The same recipe, changes and base give the same bits for any number of threads, and after any
 * number of interruptions: a growth that was stopped or killed goes on from its last training checkpoint when the same
 * command is given again.
 */
#ifndef ASSAY_TRAIN_GROW_H
#define ASSAY_TRAIN_GROW_H

#include "core/progress.h"
#include "train/recipe.h"

#include <stdatomic.h>

typedef struct grow_options {
    const char *recipe; /* path */
    recipe_changes changes;
    const char *folder;   /* NULL: in the cache (train/growth.h), under the recipe's key */
    size_t threads;       /* 0: all processors */
    double save_seconds;  /* between training checkpoints; 0: 20 */
    progress_mode progress;
    const atomic_bool *interrupted; /* may be NULL; polled after every step: saves, then STATUS_INTERRUPTED */
    bool full_precision;  /* compute and save in f32 (tests); else bf16 products, f32 master weights */
} grow_options;

typedef struct grow_result {
    const char *folder;
    char key[SHA256_HEX];    /* of recipe, changes and base */
    char sha256[SHA256_HEX]; /* of model.safetensors */
    char root[SHA256_HEX];   /* of the manifest */
    bool there_already;      /* nothing was done */
    bool resumed;
    int64_t steps;           /* of all stages */
    uint64_t tokens;
    double seconds;          /* of this call */
    const char *words;       /* quantiles of the steps' losses and what stages of feedback found, in lines for people */
    double loss;             /* mean over the last twentieth of the last stage's steps */
} grow_result;

status grow_run(arena *a, const grow_options *options, grow_result *out, error *err);

#endif
