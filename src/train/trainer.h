/* trainer.h - runs one stage of training: batches in, steps, training checkpoints, loss curve out.
 *
 *     stage_run run = {.recipe = stage, .config = &config, .parameters = p, .documents = &corpus, .seed = seed, ...};
 *     TRY(stage_train(arena, &run, &log, err));
 *
 * A stage builds the graph of its step once (train/step.h) and runs its plan for every batch. Given the parameters, the
 * documents, the seed of their order and the place to begin at, the result is the same bits for any number of threads.
 */
#ifndef ASSAY_TRAIN_TRAINER_H
#define ASSAY_TRAIN_TRAINER_H

#include "core/progress.h"
#include "core/threads.h"
#include "lm/transformer.h"
#include "train/accumulate.h"
#include "train/adapter.h"
#include "train/corpus.h"
#include "train/parameters.h"
#include "train/recipe.h"
#include "train/step.h"

#include <stdatomic.h>

/* What a stage has come to; grows with every step and is part of training checkpoints. */
typedef struct stage_log {
    int64_t steps;      /* done */
    uint64_t place;     /* in the order of documents: of the next step's first */
    uint64_t *firsts;   /* place of the first document of every step done; capacity: steps of the stage + 1 */
    float *losses;      /* of every step done */
    float *seconds;     /* that it took; NaN: not known (checkpoints that know none) */
    uint64_t tokens;    /* in batches, without padding */
    uint64_t targets;   /* whose loss counted */
    json_t *digests;    /* [{"step": n, "sha256": hex of the master weights}, ...] */
    json_t *metrics;    /* of stages that learn from feedback: an object for every step done */
} stage_log;

typedef struct stage_run {
    const recipe_stage *stage;
    const lm_config *config;
    parameters *parameters;  /* that are trained: those of the adapter where there is one */
    const adapter *adapter;  /* NULL: the weights themselves; else they are adapter->base */
    const step_part *parts;  /* of stages of feedback: what a step does with each (stage_parameter_at) */
    const corpus *documents; /* of stages of documents (stage_train) */
    unsigned char seed[SHA256_BYTES];
    thread_pool *pool;
    element_type compute; /* TYPE_BF16 or TYPE_F32 */
    const char *title;    /* of the progress */
    progress_mode progress;
    const atomic_bool *interrupted; /* may be NULL */
    double save_seconds;
    /* Called between steps every save_seconds, and before STATUS_INTERRUPTED is returned. */
    status (*save)(void *context, const stage_log *log, error *err);
    void *save_context;
} stage_run;

status stage_log_new(arena *a, const recipe_stage *stage, stage_log *out, error *err);
/* What every step took, null where it is not known. It is no part of what a growth is: the same growth takes other times. */
json_t *stage_log_seconds(const stage_log *log);
/* For training checkpoints. */
json_t *stage_log_json(const stage_log *log);
status stage_log_read(const json_t *from, const recipe_stage *stage, stage_log *into, error *err);

/* Trains from log->steps to the end of the stage: pretraining and tuning on documents. */
status stage_train(arena *a, const stage_run *run, stage_log *log, error *err);

/* What every kind of stage goes through: steps until the stage is done, with progress, digests, training checkpoints and
 * interruptions in between. `step` does one and calls stage_log_step; `tell` (may be NULL: the loss and tokens a second)
 * says how it went. */
typedef struct stage_loop {
    status (*step)(void *work, stage_log *log, error *err);
    void (*tell)(void *work, const stage_log *log, progress *to);
    void *work;
} stage_loop;
status stage_run_loop(const stage_run *run, const stage_loop *loop, stage_log *log, error *err);
/* What input i of the graph of a step is bound to: of the weights, then of an adapter's matrices where one is trained. */
const parameter *stage_parameter_at(const stage_run *run, size_t i);
/* Counts a step that is done. STATUS_INVALID when its loss is not a number. */
status stage_log_step(stage_log *log, uint64_t first, float loss, uint64_t tokens, uint64_t targets, error *err);

/* The graph of a step for batches of `tokens` tokens. compute: TYPE_BF16 (f32 masters and stream) or TYPE_F32. */
typedef struct stage_graph {
    graph *graph; /* a child of the arena */
    transformer model;
    training_step step;
    node *targets, *weights; /* inputs, as transformer_loss makes them */
    node *loss, **parameters; /* what the loss reads: the model's weights, then an adapter's */
    size_t count;
    step_part *parts;
} stage_graph;

/* The loss alone; a step is built from it (step_build, accumulation_new). low: NULL, or the adapter that is trained. */
status stage_loss_build(arena *a, const lm_config *config, size_t tokens, element_type compute, freeze_kind freeze,
                        const adapter *low, stage_graph *out, error *err);

status stage_graph_build(arena *a, const lm_config *config, size_t tokens, element_type compute, freeze_kind freeze,
                         const step_options *options, stage_graph *out, error *err);
step_options stage_step_options(const recipe_stage *s);
/* Which weights a stage trains, in the order of lm_weight_at; NULL when memory is out. */
step_part *stage_parts(arena *a, const lm_config *config, freeze_kind freeze);
/* Zeroed weights of this shape, with the spreads of fresh ones. */
status stage_parameters(arena *a, const lm_config *config, parameters **out, error *err);

#endif
