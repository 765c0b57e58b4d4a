/* onednn_conv.h - a convolution of one fixed shape, or a gradient of it, run by oneDNN on the calling thread.
 *
 * Images are read and written as they lie (channels last); the weight is brought into an order of oneDNN's choice first
 * (conv_tile_pack), or a gradient of weights back from it (conv_tile_unpack), where sums of such gradients may be made
 * in between. Threads as in onednn.h. */
#ifndef ASSAY_KERNELS_CPU_ONEDNN_CONV_H
#define ASSAY_KERNELS_CPU_ONEDNN_CONV_H

#include "kernels/kernels.h"

typedef struct conv_tile conv_tile;

/* For spec->at.images images in each run, by workers 0 to threads - 1. STATUS_UNSUPPORTED when oneDNN has nothing but a
 * reference implementation. A gradient of weights is in f32 whatever the type is. */
status conv_tile_new(arena *a, const kernel_conv_spec *spec, size_t threads, conv_tile **out, error *err);
const char *conv_tile_implementation(const conv_tile *t);
size_t conv_tile_scratch_bytes(const conv_tile *t); /* for each worker; a multiple of 64 */
size_t conv_tile_weight_bytes(const conv_tile *t);  /* in oneDNN's order; a multiple of 4 */
void conv_tile_pack(const conv_tile *t, const void *weight, void *packed);
void conv_tile_unpack(const conv_tile *t, const void *packed, void *weight);
/* (x, packed weight, y), (dy, packed weight, dx) or (x, dy, packed dweight). */
void conv_tile_run(const conv_tile *t, size_t worker, const void *a, const void *b, void *result, void *scratch);

#endif
