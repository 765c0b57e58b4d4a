/* quant_product.h - private to src/kernels: rows times a weight in a storage format.
 *
 * The weight is brought once into panels of 16 columns (rows of the weight as it is stored), which take as many bytes as
 * its blocks did (Q4_K and Q5_K 3 % and 2 % more). Inside a panel four neighbouring elements of each column lie together,
 * which is what the integer dot products of processors read. Elements are unsigned there: q as quant_parts has it.
 *
 * Rows are quantised in blocks of 32 to integers of 8 bits, d = largest magnitude / 127, x about d q: so each element of a
 * row is off by at most 1/254 of the largest in its block, and a product by what that makes. In a block the integers are
 * multiplied and added exactly; blocks are added in order, in f32: acc = fma(float(sum (q - bias) p), scale d, acc), and
 * for formats with minima acc = fma(-least, d sum p, acc) after that. So the bits of a result depend on its row and its
 * column alone, and are the same in every instruction set. A block that holds a NaN or an infinity makes the row's
 * results NaN. F16 is no block of integers: rows stay f32, and acc = fma(x, w, acc) in order.
 */
#ifndef ASSAY_KERNELS_QUANT_PRODUCT_H
#define ASSAY_KERNELS_QUANT_PRODUCT_H

#include "kernels/kernels.h"

enum {
    QUANT_PANEL = 16,  /* columns */
    QUANT_BLOCK = 32,  /* elements of a row that share a d */
    QUANT_TILE = 8,    /* most rows that are multiplied together */
};

/* Of a tile of n rows, one block after the other: q [n][32] i8, d [n] f32, two e [n] of 4 bytes. e holds what the bias
 * costs, -bias sum q, as i32 (Q6_K: of the first and of the last 16 elements; else of all), or d sum q as f32 where the
 * format has minima. Of F16: x [n] f32 for each element. */
static inline size_t quant_tile_bytes(quant_format f, size_t n, size_t k)
{
    return f == QUANT_F16 ? n * k * sizeof(float) : k / QUANT_BLOCK * n * (QUANT_BLOCK + 12);
}

/* How a panel lies: `quants` bytes for each 32 elements of its columns, then for each block of the format `scales` bytes:
 * d (and m) [16] f16, then for each group of elements scale [16] (and least [16]) of a byte. F16: 32 bytes for each element,
 * no scales. */
typedef struct quant_layout {
    size_t elements; /* of a block of the format */
    size_t quants, scales;
} quant_layout;
quant_layout quant_layout_of(quant_format f);
size_t quant_panel_bytes(quant_format f, size_t k); /* of a panel of k elements a column */

typedef struct quant_routines {
    /* n rows (at most QUANT_TILE) of k elements into a tile. */
    void (*prepare)(quant_format f, kernel_type type, size_t n, size_t k, const void *x, size_t stride, void *tile);
    /* y[n][columns] = the tile times `columns` columns of panels that lie one after the other. `skip`: how many bytes lie
     * between these panels and those that are likely to come next (a hint for fetching ahead). */
    void (*multiply)(quant_format f, size_t n, size_t k, const void *tile, const uint8_t *panels, size_t columns, size_t skip,
                     kernel_type out, void *y, size_t y_stride);
} quant_routines;

extern const quant_routines quant_portable, quant_avx2, quant_avx512, quant_vnni;

/* The product behind kernel_matmul (kernels.h), for specs with a format. */
typedef struct quant_product quant_product;
status quant_product_new(arena *a, const kernel_matmul_spec *spec, size_t threads, quant_product **out, error *err);
const char *quant_product_implementation(const quant_product *p);
size_t quant_product_packed_bytes(const quant_product *p);
size_t quant_product_scratch_bytes(const quant_product *p);
void quant_product_pack(const quant_product *p, thread_pool *pool, const void *weight, void *packed);
void quant_product_run(const quant_product *p, thread_pool *pool, size_t rows, const void *x, size_t x_stride,
                       const void *packed, void *y, size_t y_stride, void *scratch);

#endif
