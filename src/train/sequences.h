/* sequences.h - batches of whole sequences, each a prompt and a reply, for training on feedback.
 *
 * Like batches of documents (train/packing.h), a batch is tokens in a row, in which no sequence sees another. Beside them
 * stand the sequences' last tokens (`ends`), and the *rows*: the tokens that predict a reply's, in order, each with the token
 * that came (`targets`) and the number of its sequence (`segments`). What is left over is padding: tokens that see
 * themselves alone, rows and ends of -1 (which read zeros and count for nothing).
 *
 *     sequence_batch b;
 *     TRY(sequence_batch_new(arena, 4096, 2048, 128, &b, err));
 *     sequence_batch_clear(&b);
 *     while (sequence_batch_add(&b, tokens, count, prompt)) ...        // false: it no longer fits
 *     sequence_batch_pad(&b, TOKEN_PAD);
 */
#ifndef ASSAY_TRAIN_SEQUENCES_H
#define ASSAY_TRAIN_SEQUENCES_H

#include "core/arena.h"
#include "core/error.h"
#include "graph/plan.h"
#include "lm/transformer.h"
#include "train/adapter.h"
#include "train/recipe.h"

typedef struct sequence_batch {
    int32_t *tokens, *positions, *starts; /* [tokens_most] */
    int32_t *rows, *targets, *segments;   /* [rows_most] */
    int32_t *ends;                        /* [most] */
    size_t *firsts;                       /* [most + 1]: the first row of each sequence */
    size_t tokens_most, rows_most, most;
    size_t tokens_used, rows_used, count;
} sequence_batch;

/* rows 0: none are kept. */
status sequence_batch_new(arena *a, size_t tokens, size_t rows, size_t sequences, sequence_batch *out, error *err);
void sequence_batch_clear(sequence_batch *b);
/* A sequence of `count` tokens of which the first `prompt` (at least one) are the prompt. */
bool sequence_batch_add(sequence_batch *b, const int32_t *tokens, size_t count, size_t prompt);
void sequence_batch_pad(sequence_batch *b, int32_t pad);

/* The graph of a model over such batches: log-probabilities of the tokens that came. In f32 (f64 for f64), [rows]. */
typedef struct sequence_graph {
    transformer model;
    node *rows, *targets, *segments, *ends; /* inputs, i32 */
    node *hidden;    /* [rows, C], of the rows */
    node *logits;    /* [rows, V] */
    node *logprobs;  /* [rows]; 0 in padding */
    node *last;      /* [sequences, C], of the last tokens */
} sequence_graph;

/* freeze: FREEZE_HEAD keeps gradients from coming through the head. */
status sequence_graph_build(arena *a, graph *g, const lm_config *config, const sequence_batch *sizes, element_type compute,
                            freeze_kind freeze, sequence_graph *out, error *err);
/* Has all of these read the weights that an adapter changes (train/adapter.h): *all is the model's weights and the adapter's matrices,
 * *count of them. */
status sequence_graph_adapt(arena *a, const adapter *low, sequence_graph *g, node ***all, size_t *count, error *err);
/* Binds the inputs above, the model's tokens, positions and starts (not its weights). */
void sequence_graph_bind(plan *p, const sequence_graph *g, const sequence_batch *b);
/* The sum of values [rows] over each sequence: [sequences]. */
node *sequence_graph_sums(const sequence_graph *g, node *values);

/* A model that stays as it is, and what it says of a batch: the reference of DPO and of KL penalties. */
typedef struct sequence_reader {
    graph *graph;
    sequence_graph model;
    plan *plan;
} sequence_reader;
/* values: the weights in f32, in the order of lm_weight_at; they must not change (or be bound anew). */
status sequence_reader_new(arena *a, const lm_config *config, const float *const *values, const sequence_batch *batch,
                           element_type compute, sequence_reader *out, error *err);
void sequence_reader_free(sequence_reader *r);
/* Log-probabilities of the batch's rows, until the next run. */
status sequence_reader_run(sequence_reader *r, thread_pool *pool, const float **logprobs, error *err);

#endif
