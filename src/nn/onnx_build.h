/* onnx_build.h - what the builders of ONNX operations share (src/nn/onnx_build.c holds their table). Private to the module.
 *
 * A value is a node of the graph in f32, or integers that are known before anything runs: shapes, and what networks compute from shapes. */
#ifndef ASSAY_NN_ONNX_BUILD_H
#define ASSAY_NN_ONNX_BUILD_H

#include "graph/composite.h"
#include "nn/onnx.h"

enum { ONNX_NUMBERS = 4096, ONNX_INPUTS = 255, ONNX_PLACES = 1 << 20 };

typedef struct onnx_value {
    node *node;
    const int64_t *numbers; /* where there is no node; both NULL: an input that is left out */
    size_t count;           /* of numbers */
    bool single;            /* one number without an axis */
} onnx_value;

typedef struct onnx_name onnx_name;

typedef struct onnx_builder {
    const onnx_model *model;
    graph *graph;
    node *input;
    arena *arena;      /* numbers and lists, until the graph is built */
    onnx_name *names;  /* what is read and made, sorted by name */
    size_t name_count;
    onnx_value *values, *tensors; /* outputs of nodes; tensors of the file that have been used */
    size_t *first;                /* of each node: where its outputs begin */
    const onnx_node *at; /* the node that is built */
    error *err;
} onnx_builder;

/* in: as many values as the node has inputs, at least as many as its row demands; the others are empty. out: as many as it has outputs, and
 * at least one; what is left empty is not built. */
typedef status onnx_operation(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out);

/* Says that the node at hand does not fit, with the shape of x (may be NULL), and what is expected. */
status onnx_refuse(const onnx_builder *b, const node *x, const char *expected);
const onnx_attribute *onnx_attribute_of(const onnx_builder *b, const char *name);
int64_t onnx_whole(const onnx_builder *b, const char *name, int64_t fallback);
double onnx_number(const onnx_builder *b, const char *name, double fallback);
/* Integers that stand in an attribute or, in later versions, in input i; *list is NULL where neither does. */
status onnx_list(const onnx_builder *b, const onnx_value *in, size_t count, size_t i, const char *name, const int64_t **list, size_t *length);
/* The axis counted from the end where it is negative; false where there is none of the kind among `rank`. */
bool onnx_axis(int64_t axis, int rank, int *out);
/* Axes named by an attribute or by input i, each once; all where none are named. */
status onnx_axes(const onnx_builder *b, const onnx_value *in, size_t count, size_t i, int rank, axes *out);
/* Room for as many numbers, or NULL with an error. */
int64_t *onnx_numbers(const onnx_builder *b, size_t count);
bool onnx_stretch_together(shape a, shape b);

onnx_operation onnx_identity, onnx_unary, onnx_slope, onnx_binary, onnx_many, onnx_power, onnx_clip, onnx_matmul, onnx_gemm, onnx_reduce,
    onnx_softmax, onnx_cast;
onnx_operation onnx_constant, onnx_shape_of, onnx_reshape, onnx_flatten, onnx_squeeze, onnx_unsqueeze, onnx_transpose, onnx_concat,
    onnx_gather, onnx_slice, onnx_split;
onnx_operation onnx_conv, onnx_pool, onnx_global_pool, onnx_batch_norm, onnx_row_norm, onnx_pad;

#endif
