/* feedback.h - the stages of a growth that learn from feedback: preference, dpo, rl (private to src/train).
 *
 *     feedback f = {.recipe = r, .index = 1, .town = t, .tokenizer = k, .config = &config, .policy = parameters, .work = g.work};
 *     TRY(feedback_open(arena, &f, resumed, err));      // f.working: the weights that the stage trains
 *     ...                                               // a resumed stage: parameters_restore(f.working, ...)
 *     TRY(feedback_run(arena, &f, &run, &log, err));    // run: without its parameters, configuration and seed
 *     f.product, f.product_config                       // what the growth goes on with, or is
 *     f.record                                          // for the manifest
 *
 * feedback.c opens and runs, feedback_told.c says what came of it.
 *
 * A stage `preference` trains a copy of the policy, with a head. As the last stage its model is what is grown; else it is
 * saved in the folder "preference" and the policy goes on as it was. `dpo` and `rl` train the policy; what it was when
 * the stage began is their reference, which lies in the growth's folder until the growth ends. A stage `dpo` with `lora` trains an
 * adapter: the policy stays until the stage ends, and is the reference itself.
 */
#ifndef ASSAY_TRAIN_FEEDBACK_H
#define ASSAY_TRAIN_FEEDBACK_H

#include "train/pairs.h"
#include "train/trainer.h"

#define FEEDBACK_REFERENCE "reference.safetensors"
#define FEEDBACK_PREFERENCE "preference"

typedef struct feedback {
    const recipe *recipe;
    size_t index; /* of the stage */
    const town *town;
    const tokenizer *tokenizer;
    const lm_config *config; /* of the policy */
    parameters *policy;
    const char *work; /* folder of the growth */
    unsigned char random[16];
    /* made by feedback_open */
    lm_config working_config;
    parameters *working;
    step_part *parts;      /* of the working ones; with an adapter of the policy's and then of the adapter's */
    adapter *low;          /* NULL: none is trained */
    bool resumed;
    parameters *reference; /* the policy's values as the stage found them */
    /* made by feedback_run */
    lm_config product_config;
    parameters *product;
    json_t *record; /* the caller's */
} feedback;

status feedback_open(arena *a, feedback *f, bool resumed, error *err);
status feedback_run(arena *a, feedback *f, stage_run *run, stage_log *log, error *err);
/* Adds what of files and folders beside the recipe decides the result, to be hashed into the growth's key. */
status feedback_identity(const recipe *r, strbuf *out, error *err);
/* Writes metrics.jsonl, a line for every step of such stages, where there were any. */
status feedback_write_metrics(const char *folder, const json_t *records, error *err);
/* What a stage's record says, in lines for people. */
void feedback_describe(const json_t *record, strbuf *out);

#endif
