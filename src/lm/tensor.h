/* tensor.h - a weight as it lies in a file: numbers of one type, or rows of blocks (kernels/quant.h).
 *
 *     const lm_tensor *t = &checkpoint->weights[i];
 *     float *values = ARENA_ARRAY(a, float, (size_t)lm_tensor_elements(t));
 *     TRY(lm_tensor_to_f32(t, values, err));
 */
#ifndef ASSAY_LM_TENSOR_H
#define ASSAY_LM_TENSOR_H

#include "kernels/quant.h"
#include "nn/safetensors.h"

typedef struct lm_tensor {
    const char *name;      /* in the file */
    safetensors_type type; /* of the elements; of blocks: F32, the type of their values */
    quant_format format;   /* QUANT_PLAIN: no blocks. Others have two dimensions, and rows of whole blocks */
    int rank;
    int64_t shape[2];
    const void *data;      /* need not be aligned */
    size_t bytes;
    bool mapped;           /* lies in a mapped file, and can be read from there again */
} lm_tensor;

/* A tensor of at most two dimensions. */
lm_tensor lm_tensor_of(const safetensors_tensor *t);
int64_t lm_tensor_elements(const lm_tensor *t);
/* "BF16", "Q4_K": what a message or an identity calls the type. */
const char *lm_tensor_type_name(const lm_tensor *t);
/* All elements; STATUS_UNSUPPORTED for types that are no numbers (nn/safetensors.h). */
status lm_tensor_to_f32(const lm_tensor *t, float *out, error *err);

#endif
