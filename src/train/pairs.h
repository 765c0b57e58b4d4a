/* pairs.h - pairs of replies as tokens: what preference models and DPO are trained on.
 *
 * A pair is two token sequences that share a prompt, written as lm/chat.h writes conversations, "<|begin|><|user|>...
 * <|end|><|assistant|>" and then the reply with its "<|end|>". tokens[0] holds the preferred reply. The bytes that are hashed
 * are those of both sequences, special tokens written out, the preferred one first.
 *
 *     pair_list list;
 *     TRY(pairs_from_raters(arena, town, &plan, 0, 6000, tokenizer, 256, &list, err));     // pairs 0 .. 5999 of the plan
 *     TRY(pairs_from_file(arena, "test.jsonl.gz", 0, 6000, tokenizer, 256, &list, err));   // hh-rlhf: train/transcripts.h
 */
#ifndef ASSAY_TRAIN_PAIRS_H
#define ASSAY_TRAIN_PAIRS_H

#include "core/hash.h"
#include "lm/tokenizer.h"
#include "train/packing.h"
#include "train/sequences.h"
#include "world/raters.h"

typedef struct token_pair {
    const int32_t *tokens[2];
    uint32_t count[2];
    uint32_t prompt;    /* tokens that belong to the prompt, in both */
    double probability; /* that the raters prefer [0]; NaN: not known */
    double differences[RATER_FEATURE_COUNT]; /* features of [0] less those of [1]; 0 where not known */
} token_pair;

typedef struct pair_list {
    token_pair *pairs;
    unsigned char *hashes; /* SHA256_BYTES each */
    size_t count;
    size_t skipped;        /* of a file: no pair of replies, or longer than `longest` */
    uint64_t tokens;
    uint64_t audited, agreeing; /* of raters: pairs of which exactly one reply agrees with the user, and those where it won */
} pair_list;

/* Pairs first .. first + count - 1. STATUS_INVALID when a sequence has more than `longest` tokens. */
status pairs_from_raters(arena *a, const town *t, const rater_plan *raters, uint64_t first, size_t count, const tokenizer *k,
                         size_t longest, pair_list *out, error *err);
/* At most `count` of the file's pairs that can be used and are not longer than `longest`, behind the first `first` of these.
 * STATUS_INVALID when none is left. */
status pairs_from_file(arena *a, const char *path, size_t first, size_t count, const tokenizer *k, size_t longest,
                       pair_list *out, error *err);

/* Adds both sequences of pair i to a batch, as its sequences 2 k (preferred) and 2 k + 1; false, and nothing added, where they do
 * not fit. */
bool pairs_add(const pair_list *list, size_t i, sequence_batch *batch);
/* Fills the batch with the pairs from *place of the order on, and moves *place behind them. STATUS_INVALID when not one
 * fits. */
status pairs_next(const pair_list *list, packing_order *order, uint64_t *place, sequence_batch *batch, error *err);
/* The error for a pair that does not fit into an empty batch. */
status pairs_too_long(const pair_list *list, size_t i, const sequence_batch *batch, error *err);

/* Appends the tokens of a prompt, "<|begin|><|user|>...<|end|><|assistant|>", and where `bytes` is not NULL their text. */
status pairs_encode_prompt(const tokenizer *k, const document_turn *turns, size_t count, token_list *out, strbuf *bytes, error *err);

#endif
