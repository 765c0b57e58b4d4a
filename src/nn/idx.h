/* idx.h - arrays of bytes in IDX files, the form that MNIST comes in.
 *
 * Two zero bytes, the type (0x08: unsigned bytes, the only one read here), the number of axes, each axis' size as a big-endian
 * u32, then the elements in row-major order. Gzip is undone.
 *
 *     idx_array images;
 *     TRY(idx_read(arena, "train-images-idx3-ubyte.gz", &images, err));     // images.shape is [60000, 28, 28]
 */
#ifndef ASSAY_NN_IDX_H
#define ASSAY_NN_IDX_H

#include "core/text.h"
#include "graph/graph.h"

typedef struct idx_array {
    shape shape;
    const uint8_t *elements;
} idx_array;

/* STATUS_INVALID for a file that is no IDX of bytes, or longer or shorter than its header says. */
status idx_read(arena *a, const char *path, idx_array *out, error *err);
/* The same from bytes in memory, which must outlive the array; `name` is for messages. */
status idx_parse(slice bytes, const char *name, idx_array *out, error *err);

#endif
