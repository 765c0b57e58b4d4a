/* onednn.h - a product of one fixed shape, run by oneDNN on the calling thread.
 *
 * The rest of the library sees oneDNN through this file alone (versions 2.6 and 3.x of its C API). A tile product is
 * made once for exact sizes and strides; it may be run by many workers at the same time, each with its own number and
 * scratch.
 *
 * Threads. Distributions build oneDNN with OpenMP, which would start threads of its own and split the work by their
 * number. Before a thread creates or runs anything it tells the OpenMP runtime that oneDNN brings along to give it one
 * thread (omp_set_num_threads, found by name at run time; the setting belongs to the thread that makes it). oneDNN then
 * calls its loops directly, without a parallel region.
 */
#ifndef ASSAY_KERNELS_CPU_ONEDNN_H
#define ASSAY_KERNELS_CPU_ONEDNN_H

#include "kernels/kernels.h"

typedef enum tile_layout {
    TILE_PLAIN,      /* [k][n] with a row stride */
    TILE_TRANSPOSED, /* [n][k] with a row stride */
    TILE_BLOCKED     /* oneDNN's BA16a64b2a (bf16) or BA16a64b (f32): k a multiple of TILE_K, n of TILE_N */
} tile_layout;

enum { TILE_N = 64 };
size_t tile_k_multiple(kernel_type type); /* 32 for bf16, 16 for f32 */

typedef struct tile_spec {
    kernel_type type, out;
    size_t m, k, n;
    bool x_transposed; /* x is stored [k][m] */
    size_t x_stride;
    tile_layout w_layout;
    size_t w_stride; /* unused where blocked */
    size_t y_stride;
    bool accumulate; /* y += x w instead of y = x w (f32 out) */
} tile_spec;

typedef struct tile_product tile_product;

/* Makes all that workers 0 to threads - 1 need, so that running allocates nothing of ours. STATUS_UNSUPPORTED when oneDNN
 * has nothing but a reference implementation for it. Released with the arena. */
status tile_product_new(arena *a, const tile_spec *spec, size_t threads, tile_product **out, error *err);
const char *tile_product_implementation(const tile_product *t);
size_t tile_product_scratch_bytes(const tile_product *t); /* for each worker; a multiple of 64 */
void tile_product_run(const tile_product *t, size_t worker, const void *x, const void *w, void *y, void *scratch);

/* Brings columns 64 * block .. + 63 of a weight into the blocked layout, zeros beyond k and n. `to` is the start of the
 * whole packed weight, `kp` is k rounded up. */
void tile_pack_block(kernel_type type, bool transposed, size_t k, size_t n, size_t kp, const void *weight, size_t block,
                     void *to);

#endif
