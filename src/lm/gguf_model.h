/* gguf_model.h - models in GGUF files: their configuration, their weights, how they speak.
 *
 * A file's metadata say in keys such as "llama.block_count" what config.json says; the tensors have names of their own
 * ("blk.0.attn_q.weight" is model.layers.0.self_attn.q_proj.weight), and some lie otherwise (lm/families.h, lm_gguf). Where
 * a file and its model's config.json differ in what they can express, the file's keys hold and what llama.cpp assumes of
 * the rest: a Gemma's query_pre_attn_scalar follows from its shape, rotary positions that are scaled angle by angle are a
 * tensor of divisors.
 *
 *     gguf *g;
 *     lm_config c;
 *     TRY(gguf_open(arena, "model.gguf", &g, err));
 *     TRY(gguf_model_config(g, &c, err));
 *     TRY(gguf_model_weights(arena, g, &c, &weights, err));        // in the order of lm_weight_at(&c, i)
 *
 * checkpoint_open (lm/checkpoint.h) takes a file wherever it takes a folder; nobody else needs to call these.
 */
#ifndef ASSAY_LM_GGUF_MODEL_H
#define ASSAY_LM_GGUF_MODEL_H

#include "lm/chat.h"
#include "lm/families.h"
#include "lm/tensor.h"
#include "nn/gguf.h"

/* Whether the file is there and begins with the four letters. */
bool gguf_model_is(const char *path);

/* Keys behind "ARCHITECTURE.", and which number of the configuration they are. */
typedef struct gguf_model_key {
    const char *key;
    size_t offset;                            /* in lm_config */
    bool needed;
    enum { ANY_NORM, RMS_NORM, LAYER_NORM } norm; /* for families with such norms alone */
} gguf_model_key;
extern const gguf_model_key gguf_model_keys[];
extern const size_t gguf_model_key_count;
/* The family's own key for it, or NULL where the family has none. */
const lm_key *gguf_model_key_of(const lm_family *f, const gguf_model_key *k);

/* The row of the file's architecture. STATUS_UNSUPPORTED names one that is not built. */
status gguf_model_row(const gguf *g, const lm_gguf **out, error *err);
/* The configuration. STATUS_INVALID names a key that is missing or wrong; STATUS_UNSUPPORTED what the builder cannot do:
 * experts, layers of several shapes, a file that is a part of several. */
status gguf_model_config(const gguf *g, lm_config *out, error *err);

/* The name of a weight in GGUF files, in `out`; NULL where such files have none. */
const char *gguf_model_name(const lm_weight *w, char out[64]);
/* All weights, checked for shape and type; tensors that the configuration does not call for are refused. They
 * stay where they lie in the file, but for rows of queries and keys that have to be put in order. */
status gguf_model_weights(arena *a, const gguf *g, const lm_config *c, lm_tensor **out, error *err);

/* The chat templates, and the special tokens by the names that templates give them. */
status gguf_model_chat(arena *a, const gguf *g, chat_files *out, error *err);

#endif
