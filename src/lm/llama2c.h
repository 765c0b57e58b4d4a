/* llama2c.h - models of llama2.c (github.com/karpathy/llama2.c) into checkpoint folders.
 *
 * A model is one file: version 0 (no magic: seven sizes and f32 weights), 1 (a header of 256 bytes, f32) or 2 (the same
 * header, 8-bit weights in groups that share a scale). Its tokenizer is another file of pieces with scores. Queries and
 * keys lie there for rotations of neighbouring elements; rows are put in the order of checkpoint folders, where element i
 * turns with element i + half. 8-bit weights become f32, each the product that llama2.c computes with.
 *
 *     TRY(llama2c_convert("stories260K.bin", "tok512.bin", "out/stories", &summary, err));
 *
 * Files say nothing of the arithmetic: a model that was trained with another one than Llama's converts, and answers badly.
 */
#ifndef ASSAY_LM_LLAMA2C_H
#define ASSAY_LM_LLAMA2C_H

#include "lm/config.h"

typedef struct llama2c_model {
    lm_config config;
    float **values; /* in the order of lm_weight_at */
    int version;
} llama2c_model;

/* Reads a model; everything lies in the arena. STATUS_INVALID: sizes that make no model, or do not fit the file's length. */
status llama2c_parse(arena *a, slice bytes, const char *name, llama2c_model *out, error *err);
/* The tokenizer.json that gives the ids of llama2.c's encoder: pairs are joined by falling score of what they make. The
 * caller owns the value. STATUS_INVALID: other than `vocabulary` pieces, or a broken file. */
status llama2c_tokenizer(slice bytes, const char *name, size_t vocabulary, json_t **out, error *err);
typedef struct llama2c_summary {
    int version;
    lm_config config;
} llama2c_summary;
/* Both files (words: the tokenizer's) into a new checkpoint folder (lm/checkpoint.h, checkpoint_write_folder). */
status llama2c_convert(const char *model, const char *words, const char *folder, llama2c_summary *out, error *err);

#endif
