/* direct.h - our own products, which read oneDNN's packed weights and give oneDNN's bits.
 *
 * oneDNN's tiles have a fixed height, so that one row costs as much as 32, and each tile reads its columns again. These
 * routines multiply the rows that there are: few go as fast as the weight comes from memory, many share what is loaded.
 * The layout is that of TILE_BLOCKED: [columns / 64][k / 2][64][2] in bf16, [columns / 64][k][64] in f32.
 *
 * The same bits. oneDNN's "brg" kernels keep one running sum for each result over a chunk of k, and add the chunks up in
 * order; how long a chunk is follows from the shape by rules of its own. So direct_match tries the lengths on random rows
 * and takes the one that gives all bits of the tile; where none does, the tile must be used.
 *
 *     direct_product d;
 *     TRY(direct_match(&spec, tile, &d, err));
 *     if (d.chunk > 0)
 *         direct_block(&d, rows, x, x_stride, w, y, y_stride, 64, sums);       // for each 64 columns
 */
#ifndef ASSAY_KERNELS_CPU_DIRECT_H
#define ASSAY_KERNELS_CPU_DIRECT_H

#include "kernels/cpu/onednn.h"

enum { DIRECT_ROWS = 96 /* most rows of a call */, DIRECT_SCRATCH = DIRECT_ROWS * TILE_N * sizeof(float) };

typedef struct direct_product {
    kernel_type type, out; /* of rows and weight; of what is stored */
    size_t k;              /* padded as the tile's */
    size_t chunk;          /* 0: there is no such routine for this tile */
} direct_product;

/* The routine that gives the bits of the tile (TILE_BLOCKED). STATUS_MEMORY; where there is none, STATUS_OK with a
 * chunk of 0. */
status direct_match(const tile_spec *spec, const tile_product *tile, direct_product *out, error *err);

/* 64 columns of `rows` rows (1 to DIRECT_ROWS): x [rows][k] with its stride; w is these columns' part of the packed weight; y
 * gets the first `columns` of each row, rows y_stride apart. sums: scratch of DIRECT_SCRATCH bytes. */
void direct_block(const direct_product *d, size_t rows, const void *x, size_t x_stride, const void *w, void *y,
                  size_t y_stride, size_t columns, float *sums);

#endif
