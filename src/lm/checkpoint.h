/* checkpoint.h - models as Hugging Face folders (config.json, model.safetensors, tokenizer.json and what goes with them), and
 * as GGUF files, which hold all of that in one (lm/gguf_model.h).
 *
 *     checkpoint *c;
 *     TRY(checkpoint_open(arena, "out/s50", &c, err));           // or checkpoint_open_base: the one in this program
 *     for (size_t i = 0; i < lm_weight_count(&c->config); i++)
 *         TRY(lm_tensor_to_f32(&c->weights[i], values[i], err));
 *     TRY(checkpoint_save("out/copy", &c->config, c->tokenizer, tensors, err));
 *
 * Opening checks everything: all weights there, with the shapes that the configuration says, and none unknown.
 */
#ifndef ASSAY_LM_CHECKPOINT_H
#define ASSAY_LM_CHECKPOINT_H

#include "core/hash.h"
#include "lm/chat.h"
#include "lm/config.h"
#include "lm/tensor.h"
#include "lm/tokenizer.h"

typedef struct checkpoint {
    const char *name; /* the folder or file, or "base" */
    lm_config config;
    tokenizer *tokenizer;
    chat_files chat; /* its templates and the names of its special tokens */
    const lm_tensor *weights; /* in the order of lm_weight_at; mapped */
    const gguf *gguf; /* the file, where it is one; else NULL */
} checkpoint;

enum { CHECKPOINT_ADAPTERS = 8 };
#define CHECKPOINT_BASE "base" /* the name of the model inside this program */

/* Opens a folder or a GGUF file, or "FOLDER+ADAPTER" with folders of adapters behind it, which are merged in that order
 * (lm/lora.h); "base+ADAPTER" too. STATUS_NOT_FOUND: the folder or one of its files; STATUS_INVALID, STATUS_UNSUPPORTED: what is wrong
 * with which file. Everything lives as long as the arena. */
status checkpoint_open(arena *a, const char *folder, checkpoint **out, error *err);
/* Whether the words name folders or a GGUF file that are there, or the base: what can be said without opening anything. */
bool checkpoint_plausible(const char *folder);
/* The base model inside this program (lm/embedded.h). STATUS_NOT_FOUND when the program was built without one. */
status checkpoint_open_base(arena *a, checkpoint **out, error *err);

/* SHA-256 over names, types, shapes and bytes of the weights, the tokenizer, and what of the configuration changes
 * results. The same model gives the same identity wherever and however it lies. */
status checkpoint_identity(const checkpoint *c, char hex[SHA256_HEX], error *err);

/* Writes everything but the weights into an existing folder: config.json, generation_config.json, tokenizer.json,
 * tokenizer_config.json (with the template), special_tokens_map.json. For models with our special tokens. */
status checkpoint_write_setting(const char *folder, const lm_config *config, const tokenizer *t, error *err);
/* Writes model.safetensors into an existing folder: the values [lm_weight_count] in f32, rounded to config->type. */
status checkpoint_write_weights(const char *folder, const lm_config *config, const float *const *values, error *err);
/* A folder that appears whole: `write` fills one beside `folder`, which is renamed. An existing folder is replaced if it is
 * a checkpoint (it has a config.json) or empty, else refused. */
typedef status checkpoint_writer(const char *folder, void *context, error *err);
status checkpoint_write_folder(const char *folder, checkpoint_writer *write, void *context, error *err);
/* Both, settings and weights, in such a folder. */
status checkpoint_save(const char *folder, const lm_config *config, const tokenizer *t, const float *const *values,
                       error *err);

#endif
