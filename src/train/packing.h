/* packing.h - from documents to batches of fixed size.
 *
 * A batch is `tokens` tokens in a row. Documents lie in it one after the other in the order given, and none sees
 * another: `starts` says for each token where its document begins in the batch, `positions` how far it is into its
 * document. What is left over at the end is padding (token `pad`, weight 0, a document of its own for each token). A
 * batch ends before the first document that no longer fits, so it holds documents first .. end-1 of the order: what a
 * manifest needs to say which data a step has seen.
 *
 *     packing p = {.documents = documents, .count = n, .tokens = 8192, .longest = 512, .pad = 0};
 *     uint64_t place = 0;                                   // counts documents over all epochs
 *     TRY(packing_order_new(arena, seed, n, &order, err));
 *     TRY(packing_next(&p, &order, &place, &batch, err));   // fills tokens, targets, weights, positions, starts
 *
 * `weights[i]` is what the loss at place i (predicting targets[i]) counts: 1 / n for the n counted targets of the
 * batch, so that the loss of a step is the plain sum of weights[i] * loss[i].
 */
#ifndef ASSAY_TRAIN_PACKING_H
#define ASSAY_TRAIN_PACKING_H

#include "core/arena.h"
#include "core/error.h"
#include "train/order.h"

#include <stdbool.h>

typedef struct token_document {
    const int32_t *tokens;
    const uint8_t *counted; /* 1: the loss of predicting this token counts; the first token never does */
    uint32_t count;
} token_document;

typedef struct packing {
    const token_document *documents;
    size_t count;
    size_t tokens, longest; /* of a batch, of a document */
    int32_t pad;
} packing;

/* The order of the documents, epoch after epoch; the permutation of the current epoch is kept. */
typedef struct packing_order {
    order_stream stream;
    uint32_t *indices; /* count */
    size_t count;
    uint64_t epoch;
    bool begun, made; /* made: no permutation, every epoch is 0, 1, 2, ... */
} packing_order;

typedef struct packed_batch {
    int32_t *tokens, *targets, *positions, *starts;
    float *weights;
    uint64_t first, end; /* documents of the order, counted over epochs */
    uint64_t tokens_used, targets_counted;
} packed_batch;

/* Shuffled; set `made` for the order in which the documents were made. */
status packing_order_new(arena *a, const unsigned char seed[SHA256_BYTES], size_t count, packing_order *out, error *err);
/* The document at a place of the order (places only ever rise, or begin anew at 0). */
size_t packing_order_at(packing_order *o, uint64_t place);

status packed_batch_new(arena *a, size_t tokens, packed_batch *out, error *err);
/* Fills the batch with the documents from *place on and moves *place behind them. STATUS_INVALID when a document has
 * more than `longest` tokens or fewer than 2, or the batch would count no target. */
status packing_next(const packing *p, packing_order *order, uint64_t *place, packed_batch *batch, error *err);
/* Piece k of `pieces` of a batch of `tokens` tokens: the documents that begin in that share of it, with the weights that they have in
 * the batch, and padding to `room` tokens: at least packing_room. Returns whether it holds any document. */
bool packing_piece(const packed_batch *whole, size_t tokens, size_t pieces, size_t k, int32_t pad, size_t room, packed_batch *piece);
/* What a piece can need: its share, and the longest document but one token. */
size_t packing_room(const packing *p, size_t pieces);

#endif
