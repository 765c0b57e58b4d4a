/* transformer.h - the one builder that makes the graph of a model, for training and for generation.
 *
 * The graph follows from the configuration and from the row of its family (lm/families.h): which norms, biases and
 * projections there are, how positions enter, how far attention sees. Its weights are graph inputs with the names and
 * the order of lm_weight_at (lm/config.h), as they lie in files: a fused projection is one product, and its result is
 * split. What else the graph reads are inputs of the transformer struct. Training:
 *
 *     transformer t;
 *     TRY(transformer_build(arena, g, &config, transformer_types_training(), tokens, &t, err));
 *     node *loss = transformer_loss(&t, &targets, &weights);    // a scalar, to be given to graph_grad
 *     graph_grad(loss, t.weights, t.weight_count, NULL, gradients);
 *
 * Tokens are packed: [T] tokens of several sequences one behind another, each with its position in its sequence and
 * the index of the first token of its sequence.
 *
 * Sites, the names under which values can be read and changed (i counts layers from 0; T tokens, C hidden size):
 *
 *     embed                  [T, C]      rows of the embedding
 *     blocks.i.resid_pre     [T, C]      the residual stream that the block reads
 *     blocks.i.attn.norm     [T, C]      what attention reads: after the first norm, where there is one
 *     blocks.i.attn.q .k .v  [T, H, D]   before rotation, after norms of their own (k and v: key-value heads)
 *     blocks.i.attn.mix      [T, H, D]   the values that each head gathered
 *     blocks.i.attn.out      [T, C]      what attention adds to the stream, after a norm of its own if there is one
 *     blocks.i.resid_mid     [T, C]
 *     blocks.i.mlp.norm      [T, C]      what the MLP reads (in a parallel block from resid_pre, else from resid_mid)
 *     blocks.i.mlp.act       [T, F]      silu(gate) * up, or the activation of an ungated MLP
 *     blocks.i.mlp.out       [T, C]      what the MLP adds to the stream
 *     blocks.i.resid_post    [T, C]
 *     final.norm             [T, C]
 *     logits                 [R, V]      f32 (f64 in f64), after a soft cap if there is one
 */
#ifndef ASSAY_LM_TRANSFORMER_H
#define ASSAY_LM_TRANSFORMER_H

#include "graph/graph.h"
#include "lm/config.h"

/* Element types: of the weights as they are given, of products and what lies between them, of the residual stream. */
typedef struct transformer_types {
    element_type weights, compute, residual;
    /* How the weights are stored (quant_format), in the order of lm_weight_at; NULL: all plainly, in `weights`. A matrix in
     * a format is an input of type f32 (f64 where compute is) whose blocks products and the embedding read; biases and
     * norms are plain. The list must outlive the building. */
    const uint8_t *formats;
    /* The element types of those that are stored plainly, likewise; NULL: all `weights`. */
    const uint8_t *elements;
} transformer_types;

/* f32 weights (the masters), computed in bf16 along an f32 stream. Generation from bf16 weights in these types gives
 * the values that training computes from masters that round to them. */
transformer_types transformer_types_training(void);
/* Everything in one type. */
transformer_types transformer_types_all(element_type type);

typedef struct transformer {
    graph *graph;
    lm_config config;
    transformer_types types;
    int64_t tokens_count; /* T */
    node **weights;       /* inputs, in the order of lm_weight_at */
    size_t weight_count;
    node *tokens, *positions; /* inputs, i32 [T]; positions below config.context */
    node *starts;             /* input, i32 [T]: index of the first token of each token's sequence (no cache) */
    node *hidden;             /* [T, C] after the final norm */
    node *head;               /* the matrix [V, C] of the logits; [labels, C] of a model with labels */
    /* With a cache (transformer_build_cached), else NULL. */
    node *pages;              /* input, i32 [slots, slot_pages]: which pages a slot's positions are in (graph/ops.h) */
    node *slots;              /* input, i32 [T]: the slot of each token's sequence; -1: an idle row */
    node *rows;               /* input, i32 [R]: which tokens get logits */
    node *logits;             /* [R, V] */
    node **k_caches, **v_caches;         /* inputs, [layers] of [pages, 64, G, D] */
    node **new_k_caches, **new_v_caches; /* outputs to which they are donated */
    /* [slot_pages * 64, turning elements / 2] in f32 (f64 in f64), of layers that see everything and of those with a window, where
     * the family turns and has two bases: inputs with a cache (transformer_rotary), else constants. */
    node *cosine[2], *sine[2];
} transformer;

/* The graph over T packed tokens; the lists of the struct lie in the arena. STATUS_MEMORY; a configuration must have
 * passed lm_config_check. */
status transformer_build(arena *a, graph *g, const lm_config *config, transformer_types types, int64_t tokens,
                         transformer *out, error *err);
/* Logits of rows of `hidden` (all: t->hidden), in f32 (f64 for f64); named "logits". */
node *transformer_logits(const transformer *t, node *hidden);
/* The sum over tokens of weight * cross-entropy, a scalar (f32; f64 for f64). *targets (i32 [T]) and *weights (f32 or
 * f64 [T]) become inputs "targets" and "token_weights". Logits beyond 64 MiB are never held whole
 * (op_cross_entropy_by_rows); graph_value_and_grad then makes them once. */
node *transformer_loss(const transformer *t, node **targets, node **weights);

/* A cache of `pages` pages of 64 positions; each of `slots` sequences has a row of `slot_pages` page numbers. */
typedef struct transformer_cache {
    int64_t pages, slots, slot_pages;
} transformer_cache;

/* The graph of one step with a cache: T tokens of any sequences (several new tokens of one sequence must come in
 * rising order of position), logits for R of them. */
status transformer_build_cached(arena *a, graph *g, const lm_config *config, transformer_types types, int64_t tokens,
                                int64_t rows, const transformer_cache *cache, transformer *out, error *err);

/* Whether there are such tables: `local` 0 those of layers that see everything, 1 those of layers with a window. */
bool transformer_has_rotary(const lm_config *c, int local);
/* Rows first .. first + positions - 1 of the tables: cosine and sine [positions, turning elements / 2]. */
status transformer_rotary(const lm_config *c, int local, size_t first, size_t positions, float *cosine, float *sine, error *err);

/* Multiplications and additions of the matrix products for one token (twice the parameters they use, without
 * attention's own), for speed figures. */
double transformer_flops(const lm_config *config);

#endif
