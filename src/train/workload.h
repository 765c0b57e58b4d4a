/* workload.h - the work that a model is run for, each kind measured step by step as it is really planned (graph/account.h).
 *
 *     checkpoint *c;
 *     TRY(checkpoint_open(arena, "base", &c, err));
 *     workload_options o = {.what = "decode", .tokens = 512, .sequences = 8, .runs = 10};
 *     workload w;
 *     TRY(workload_measure(arena, c, &o, pool, &w, err));
 *     puts(w.title);
 *     plan_account_text(&w.account, 20, &out);
 *
 * What is measured is the plan that the trainer and the engine make themselves, with tokens drawn at random: a training step
 * on fresh weights of the model's shape, or steps of the engine on its own weights. A plan that does not fit the memory is
 * refused before it is allocated, as everywhere (STATUS_MEMORY).
 */
#ifndef ASSAY_TRAIN_WORKLOAD_H
#define ASSAY_TRAIN_WORKLOAD_H

#include "core/threads.h"
#include "graph/account.h"
#include "lm/checkpoint.h"

typedef struct workload_options {
    const char *what;     /* of workload_kinds; NULL: the first */
    size_t tokens;        /* of a batch, or of each prompt; 0: the kind's own number (within the model's context) */
    size_t row;           /* training: tokens of each document of the batch; 0: as many as the model's context, at most tokens */
    size_t sequences;     /* decoding: sequences that are written at once; 0: 1 */
    element_type compute; /* TYPE_BF16 or TYPE_F32; TYPE_F64 (0): bf16 */
    size_t runs;          /* runs that are measured, behind one or two that are not; 0: 10 */
} workload_options;

typedef struct workload {
    const char *title; /* a line that says what was run */
    plan_account account;
} workload;

typedef struct workload_kind {
    const char *name;
    const char *help;
    size_t tokens;
    status (*measure)(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err);
} workload_kind;
extern const workload_kind workload_kinds[];
extern const size_t workload_kind_count;
extern const char *const workload_names[]; /* of the kinds, NULL-terminated */

/* The graph is gone when it returns: rows have no nodes (NULL). STATUS_USAGE for options that the model cannot have, naming both. */
status workload_measure(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err);

#endif
