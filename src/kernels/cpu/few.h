/* few.h - products of few rows, which go as fast as the weight comes from memory.
 *
 * oneDNN's tiles have a fixed height, so one row costs as much arithmetic as 32. These routines read the same packed
 * weight ([columns / 64][k / 2][64][2] in bf16, [columns / 64][k][64] in f32) and multiply the rows that there are.
 *
 * The same bits. oneDNN's "brg" kernels keep one running sum for each result over a chunk of k, and add the chunks up in
 * order; how long a chunk is follows from the shape by rules of its own. So few_rows_match tries the lengths on random
 * rows and takes the one that gives all bits of the tile; where none does, the tile must be used.
 *
 *     few_rows f;
 *     if (few_rows_match(&spec, tile, &f))
 *         few_rows_block(&f, rows, x, x_stride, w, sums);       // for each 64 columns
 */
#ifndef ASSAY_KERNELS_CPU_FEW_H
#define ASSAY_KERNELS_CPU_FEW_H

#include "kernels/cpu/onednn.h"

enum { FEW_ROWS = 16 }; /* most rows: beyond, the tile is as fast */

typedef struct few_rows {
    kernel_type type, out; /* of rows and weight; of what is stored */
    size_t k;              /* padded as the tile's */
    size_t chunk;          /* 0: there is no such routine for this tile */
} few_rows;

/* The routine that gives the bits of the tile (TILE_BLOCKED). STATUS_MEMORY; where there is none, STATUS_OK with a
 * chunk of 0. */
status few_rows_match(const tile_spec *spec, const tile_product *tile, few_rows *out, error *err);

/* Columns 64 * block .. + 63 of `rows` rows (1 to FEW_ROWS): x [rows][k] with its stride; w is the block's part of the packed
 * weight; y gets the first `columns` of each row, rows y_stride apart. */
void few_rows_block(const few_rows *f, size_t rows, const void *x, size_t x_stride, const void *w, void *y, size_t y_stride,
                    size_t columns);

#endif
