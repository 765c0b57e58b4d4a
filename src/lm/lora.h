/* lora.h - low-rank adapters in PEFT's format, merged into the weights of a model as they are loaded.
 *
 * An adapter is a folder with adapter_config.json and adapter_model.safetensors: for some weights W [out, in] a pair
 * A [r, in] and B [out, r], and W becomes W + s B A with s = lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora (Hu et
 * al., arXiv 2106.09685). The sum is made in f32 and rounded once, to the type that the weight has on disk (f16: kept in
 * f32). Weights that lie as [in, out] (GPT-2's) get the transposed sum; the file's fan_in_fan_out says no more than that.
 *
 *     TRY(lora_merge(arena, "out/adapter", &config, weights, err));   // weights: in the order of lm_weight_at
 */
#ifndef ASSAY_LM_LORA_H
#define ASSAY_LM_LORA_H

#include "lm/config.h"
#include "lm/tensor.h"

/* Replaces the weights that the adapter changes by merged copies in the arena. STATUS_INVALID names what is missing or
 * fits no weight of this model; STATUS_UNSUPPORTED what is beyond this reader: another method than LoRA, DoRA, trained
 * biases, whole modules, ranks of embeddings, alpha by module. */
status lora_merge(arena *a, const char *folder, const lm_config *c, lm_tensor *weights, error *err);
/* values += s B A for weight i: values as the weight lies (shape of lm_weight_at), a [r, in], b [out, r]. Scratch in an arena of its
 * own. */
status lora_add(const lm_config *c, size_t i, size_t r, double scale, const float *a, const float *b, float *values, error *err);
/* lora_alpha / r, or lora_alpha / sqrt(r). */
double lora_scale(double alpha, int64_t rank, bool by_root);

#endif
