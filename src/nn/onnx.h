/* onnx.h - networks in ONNX files: read, and built as graphs.
 *
 *     onnx_model *m;
 *     TRY(onnx_read(arena, "network.onnx", &m, err));
 *     graph *g = graph_new(arena);
 *     node *x = graph_input(g, "x", TYPE_F32, SHAPE(100, 28, 28, 1));       // the shape that the file gives its input, with a batch of 100
 *     node *y;
 *     TRY(onnx_build(m, x, &y, err));                                       // the first output
 *
 * Networks of one input in f32 whose shapes follow from the file and the input: a row of src/nn/onnx_build.c for each operation
 * (docs/models.md lists them). What is not among them is refused by name, and so are second outputs (but Split's) that something reads. Values are
 * laid out as the file has them (images with channels first); weights become constants. Integers (shapes, and what exporters compute from
 * shapes) are known when the graph is built and never run.
 */
#ifndef ASSAY_NN_ONNX_H
#define ASSAY_NN_ONNX_H

#include "core/text.h"
#include "graph/graph.h"

enum { ONNX_FLOAT = 1, ONNX_INT32 = 6, ONNX_INT64 = 7, ONNX_BOOL = 9 }; /* types of tensors that are read; the last three as i64 */

typedef struct onnx_tensor {
    slice name;
    shape shape;
    int type;
    const float *floats;
    const int64_t *integers;
} onnx_tensor;

typedef struct onnx_attribute {
    slice name, text;
    int64_t integer;
    float number;
    const int64_t *integers;
    const float *floats;
    size_t count, float_count; /* of integers, of floats */
    onnx_tensor tensor; /* type 0: none */
} onnx_attribute;

typedef struct onnx_node {
    slice operation, name, domain; /* name and domain may be empty */
    slice *inputs, *outputs;
    onnx_attribute *attributes;
    size_t input_count, output_count, attribute_count;
} onnx_node;

typedef struct onnx_model {
    const char *name; /* of the file, for messages */
    int64_t opset;    /* version of the standard operations */
    onnx_tensor *tensors;
    onnx_node *nodes;
    size_t tensor_count, node_count;
    slice input, output; /* the first of each that is no tensor of the file */
    shape input_shape;   /* -1 where the file leaves a size open */
} onnx_model;

status onnx_read(arena *a, const char *path, onnx_model **out, error *err);
/* From bytes in memory, which must outlive the model. */
status onnx_parse(arena *a, slice bytes, const char *name, onnx_model **out, error *err);
/* STATUS_UNSUPPORTED for an operation that is not known, STATUS_INVALID for shapes that do not fit (both are named). */
status onnx_build(const onnx_model *m, node *input, node **output, error *err);
/* Names of the operations that are read; NULL behind the last one. */
const char *onnx_operation_name(size_t i);

#endif
