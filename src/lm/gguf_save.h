/* gguf_save.h - writes a model as a GGUF file that llama.cpp loads: metadata, tokenizer, chat template, tensors.
 *
 *     gguf_saved done;
 *     TRY(gguf_model_save("base-q8.gguf", checkpoint, GGUF_TENSOR_Q8_0, &done, err));
 *     TRY(checkpoint_open(arena, "base-q8.gguf", &written, err));
 *     TRY(gguf_model_check(checkpoint, written, err));                 // the file says all that the model is
 *
 * Matrices get the type that is asked for, where their rows are whole blocks of it, else BF16 or F16; vectors and learned positions
 * are F32, as llama.cpp has them.
 */
#ifndef ASSAY_LM_GGUF_SAVE_H
#define ASSAY_LM_GGUF_SAVE_H

#include "lm/checkpoint.h"
#include "nn/gguf_write.h"

typedef struct gguf_saved {
    size_t tensors, stored; /* all; matrices of the type that was asked for */
    size_t others;          /* matrices of another, since their rows are not whole blocks */
    size_t bytes;           /* of the tensors */
} gguf_saved;

/* Types: F32, F16, BF16, Q8_0, Q4_0. STATUS_UNSUPPORTED names what has no place in such files: a family, a kind of
 * tokenizer, a way to scale positions. The file appears only when it is whole. */
status gguf_model_save(const char *path, const checkpoint *c, gguf_tensor_type type, gguf_saved *out, error *err);
/* Whether a file that was written and opened again says of the configuration what the model's says: STATUS_UNSUPPORTED
 * names the key that such files cannot express. */
status gguf_model_check(const checkpoint *model, const checkpoint *written, error *err);

/* Puts the keys of a tokenizer, of which the model's vocabulary has so many entries: words, types, merges, the cut, what is
 * put around a text (bos and eos: the ids that this may be). Byte-level BPE alone, cut in a way that has a name in GGUF
 * files (tokenizer_gguf.c): STATUS_UNSUPPORTED. */
status tokenizer_put_gguf(const tokenizer *t, size_t vocabulary, int32_t bos, int32_t eos, gguf_writer *w, error *err);

#endif
