/* gguf_write.h - writes GGUF files (nn/gguf.h): keys, then tensors, whose data are made one after the other as they are
 * written, so that no more than the largest of them is in memory.
 *
 *     gguf_writer *w;
 *     TRY(gguf_writer_new(arena, &w, err));
 *     gguf_put_text(w, "general.architecture", SLICE("llama"));
 *     gguf_put_int(w, "llama.block_count", 4);
 *     gguf_put_tensor(w, "output_norm.weight", GGUF_TENSOR_F32, 1, (int64_t[]){256});   // sizes innermost first
 *     TRY(gguf_write(w, "model.gguf", make_data, my_state, err));
 *
 * The file is of version 3, little-endian, with an alignment of 32. Keys and tensors stand in it in the order in which they were
 * put; a key twice, or a tensor twice, is our own mistake. Putting fails for lack of memory alone, which gguf_write says.
 */
#ifndef ASSAY_NN_GGUF_WRITE_H
#define ASSAY_NN_GGUF_WRITE_H

#include "nn/gguf.h"

typedef struct gguf_writer gguf_writer;

status gguf_writer_new(arena *a, gguf_writer **out, error *err);

void gguf_put_text(gguf_writer *w, const char *key, slice text);
void gguf_put_int(gguf_writer *w, const char *key, uint32_t value);  /* U32 */
void gguf_put_number(gguf_writer *w, const char *key, double value); /* F32 */
void gguf_put_flag(gguf_writer *w, const char *key, bool value);
void gguf_put_texts(gguf_writer *w, const char *key, const slice *texts, size_t count);
void gguf_put_ints(gguf_writer *w, const char *key, const int32_t *values, size_t count); /* I32 */
void gguf_put_flags(gguf_writer *w, const char *key, const bool *values, size_t count);
/* A value of another file, as it is. */
void gguf_put_value(gguf_writer *w, const gguf_value *v);

/* The first size must be a whole number of the type's blocks. */
void gguf_put_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int rank, const int64_t *shape);
/* Bytes of the tensors put so far, and of number i. */
size_t gguf_put_bytes(const gguf_writer *w);
size_t gguf_put_tensor_bytes(const gguf_writer *w, size_t i);

/* Fills the bytes of tensor number i; asked for in order. */
typedef status gguf_filler(void *context, size_t i, void *out, error *err);
/* The file appears only when it is whole. */
status gguf_write(const gguf_writer *w, const char *path, gguf_filler *fill, void *context, error *err);

#endif
