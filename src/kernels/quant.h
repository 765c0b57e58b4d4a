/* quant.h - how weights may be stored: f16, and blocks of small integers with scales (the layouts of llama.cpp's GGUF).
 *
 * A storage format is a property beside the element type: a weight of type f32 stored as Q4_0 takes 18 bytes for 32
 * elements. Rows are stored one after the other, each a whole number of blocks. The table below is the one place where
 * a format is named; quant.c holds its functions, quant_product.c how products read it.
 *
 *     size_t bytes;
 *     TRY(quant_row_bytes(QUANT_Q8_0, 64, &bytes, err));           // 2 blocks of 34
 *     if (!quant_store(QUANT_Q8_0, 64, x, blocks)) ...             // x is not finite, or too large
 *     quant_expand(QUANT_Q8_0, 64, blocks, y);                     // |y[i] - x[i]| <= largest |x| of its block / 200
 *
 * What a block holds (d, m: f16 scales, little-endian; q: integers; element i of the block is):
 *   F16    one half-precision number.
 *   Q8_0   d, 32 x i8:                           d q[i]
 *   Q4_0   d, 16 bytes of two nibbles:           d (q[i] - 8); byte j holds elements j (low) and j + 16 (high)
 *   Q4_K   256 elements in 8 groups of 32, each with a scale s and a minimum t of 6 bits: d s q[i] - m t, q of 4 bits
 *   Q5_K   the same with q of 5 bits
 *   Q6_K   256 elements in 16 groups of 16, each with a scale s of 8 signed bits: d s (q[i] - 32), q of 6 bits
 */
#ifndef ASSAY_KERNELS_QUANT_H
#define ASSAY_KERNELS_QUANT_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, name, elements of a block, bytes of a block) */
#define QUANT_FORMATS(X)                                                                                           \
    X(F16, "F16", 1, 2)                                                                                            \
    X(Q8_0, "Q8_0", 32, 34)                                                                                        \
    X(Q4_0, "Q4_0", 32, 18)                                                                                        \
    X(Q4_K, "Q4_K", 256, 144)                                                                                      \
    X(Q5_K, "Q5_K", 256, 176)                                                                                      \
    X(Q6_K, "Q6_K", 256, 210)

typedef enum quant_format {
    QUANT_PLAIN, /* none: elements of the tensor's own type */
#define X(name, ...) QUANT_##name,
    QUANT_FORMATS(X)
#undef X
    QUANT_COUNT
} quant_format;

const char *quant_name(quant_format f);
/* The format of a name, such as "Q4_K", in any case of letters. PLAIN has no name that is found. */
bool quant_find(const char *name, quant_format *out);
size_t quant_block_elements(quant_format f);
size_t quant_block_bytes(quant_format f); /* 0 for PLAIN */
/* Bytes of a row of so many elements. STATUS_INVALID: not a whole number of blocks, negative, or too many to count. */
status quant_row_bytes(quant_format f, int64_t elements, size_t *bytes, error *err);

/* The values of `elements` elements (whole blocks) in f32, each product and difference rounded as the formula above
 * says, from left to right. Blocks need no alignment. */
void quant_expand(quant_format f, size_t elements, const void *blocks, float *out);
/* The nearest values of the format: Q8_0 and Q4_0 with the scales that llama.cpp's reference chooses (largest magnitude
 * / 127; signed largest / -8), F16 to nearest even. False when the format cannot be written (quant_can_store), or some
 * element is not finite or beyond what the format's scale can hold; what is in `blocks` then means nothing. */
bool quant_can_store(quant_format f);
bool quant_store(quant_format f, size_t elements, const float *x, void *blocks);

#endif
