/* tensors.h - tensors of a file as values of a graph. */
#ifndef ASSAY_BENCH_TENSORS_H
#define ASSAY_BENCH_TENSORS_H

#include "graph/graph.h"
#include "nn/safetensors.h"

#include <string.h>

static inline shape tensor_shape(const safetensors_tensor *t)
{
    shape s = {.rank = t->rank};
    memcpy(s.size, t->shape, (size_t)t->rank * sizeof s.size[0]);
    return s;
}

#endif
