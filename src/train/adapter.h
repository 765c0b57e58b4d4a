/* adapter.h - training a low-rank change of a model's weights while the weights stay (LoRA: Hu et al., arXiv 2106.09685).
 *
 * For chosen matrices W [out, in] a pair A [r, in], B [out, r] is trained, and the model computes with W + s B A, s = alpha / r.
 * The graph of the model is rewritten for it (graph_low_rank): the base is an input that nothing is added to, so that a step
 * holds no gradient, no moments and no second copy of it. A begins at normal draws of deviation 1 / sqrt(3 in) (that of PEFT's
 * uniform ones), B at zeros, so that the first outputs are the base's, bit for bit.
 *
 *     adapter *l;
 *     TRY(adapter_new(arena, &config, &stage->lora, base, &l, err));         // base: the weights, which are not changed
 *     adapter_initialise(l, &stream);
 *     TRY(adapter_apply(arena, l, &loss, 1, &inputs, &loss, err));          // inputs: A, B, A, B, ..., to be trained
 *     ...                                                                   // train l->parameters
 *     TRY(adapter_write(l, "out/adapter", "embedded", err));                // PEFT's format: lm/lora.h reads it
 *     TRY(adapter_merge(l, base, err));                                     // W += s B A, in f32
 */
#ifndef ASSAY_TRAIN_ADAPTER_H
#define ASSAY_TRAIN_ADAPTER_H

#include "lm/config.h"
#include "train/parameters.h"
#include "train/recipe.h"

#define ADAPTER_FOLDER "adapter" /* of a growth */

typedef struct adapter {
    const lm_config *config;
    const recipe_lora *options;
    const parameters *base;
    double scale;
    size_t count;           /* pairs */
    size_t *weights;        /* [count]: which weights of the model they change (lm_weight_at) */
    parameters *parameters; /* A of pair 0, B of pair 0, A of pair 1, ...; named as in PEFT's files */
} adapter;

/* STATUS_INVALID when a target is no matrix of the model's layers. `options`, `config` and `base` must outlive it. */
status adapter_new(arena *a, const lm_config *config, const recipe_lora *options, const parameters *base, adapter **out, error *err);
void adapter_initialise(adapter *l, order_stream *stream);
/* *inputs: new inputs of f32, in the order of l->parameters; changed [count]: the values through the changed weights, which may stand in
 * the same place. */
status adapter_apply(arena *a, const adapter *l, node *const *values, size_t count, node ***inputs, node **changed, error *err);
status adapter_merge(const adapter *l, parameters *base, error *err);
/* Both of the end: writes the adapter into the folder, `name` being what the base is called, and merges it into the base. */
status adapter_keep(const adapter *l, const char *folder, const char *name, parameters *base, error *err);
/* Makes the folder with adapter_config.json and adapter_model.safetensors (f32). `base`: what the model is called. */
status adapter_write(const adapter *l, const char *folder, const char *base, error *err);

#endif
