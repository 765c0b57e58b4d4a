/* ONNX operations one by one, by hand: each case is written as a file of one node (and its tensors), read, built and run. Whole networks that
 * PyTorch exported (versions 9 to 20 of the operations) were compared when this was written; nothing of them is needed here. */
#include "nn/onnx_bytes.h"

#include "core/file.h"
#include "core/random.h"
#include "graph/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- files of one node ---- */
enum { MOST = 32 };

typedef struct given { /* a tensor of the file: floats, or integers */
    int rank;
    int64_t size[4];
    float floats[8];
    int64_t integers[8];
    bool whole;
} given;

typedef struct property {
    const char *name;
    int kind; /* field of the attribute: 2 number, 3 integer, 4 text, 8 integers */
    float number;
    int64_t integers[4];
    int count;
    const char *text;
} property;

typedef struct example {
    const char *operation;
    int64_t opset;
    shape x;
    float xs[MOST];
    given tensors[5]; /* inputs behind x; rank -1 ends the list */
    property properties[4];
    shape y;
    float ys[MOST];
    const char *outputs; /* further ones, a letter each */
} example;

#define NO_MORE {.rank = -1}
#define FLOATS(n, ...) {.rank = 1, .size = {n}, .floats = {__VA_ARGS__}}
#define WHOLES(n, ...) {.rank = 1, .size = {n}, .integers = {__VA_ARGS__}, .whole = true}
#define WHOLE(name_, value) {.name = (name_), .kind = 3, .integers = {value}}
#define NUMBER(name_, value) {.name = (name_), .kind = 2, .number = (value)}
#define LIST(name_, n, ...) {.name = (name_), .kind = 8, .integers = {__VA_ARGS__}, .count = (n)}
#define TEXT(name_, value) {.name = (name_), .kind = 4, .text = (value)}

static void put_shape(message *whole, unsigned field, const char *name, shape s)
{
    message sizes = {.length = 0}, tensor = {.length = 0}, type = {.length = 0}, v = {.length = 0};
    for (int i = 0; i < s.rank; i++) {
        message axis = {.length = 0};
        put_number(&axis, 1, (uint64_t)s.size[i]);
        put_message(&sizes, 1, &axis);
    }
    put_number(&tensor, 1, ONNX_FLOAT);
    put_message(&tensor, 2, &sizes);
    put_message(&type, 1, &tensor);
    put_text(&v, 1, name);
    put_message(&v, 2, &type);
    put_message(whole, field, &v);
}

static void put_given(message *whole, const char *name, const given *t)
{
    message m = {.length = 0};
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) {
        put_number(&m, 1, (uint64_t)t->size[i]);
        count *= t->size[i];
    }
    put_number(&m, 2, t->whole ? ONNX_INT64 : ONNX_FLOAT);
    put_text(&m, 8, name);
    put_bytes(&m, 9, t->whole ? (const void *)t->integers : t->floats, (size_t)count * (t->whole ? 8 : 4));
    put_message(whole, 5, &m);
}

static void put_property(message *n, const property *p)
{
    message a = {.length = 0};
    put_text(&a, 1, p->name);
    if (p->kind == 2) {
        put_varint(&a, 2 << 3 | 5);
        memcpy(a.bytes + a.length, &p->number, 4);
        a.length += 4;
    } else if (p->kind == 3) {
        put_number(&a, 3, (uint64_t)p->integers[0]);
    } else if (p->kind == 4) {
        put_text(&a, 4, p->text);
    }
    for (int i = 0; i < p->count; i++)
        put_number(&a, 8, (uint64_t)p->integers[i]);
    put_message(n, 5, &a);
}

static message file_of(const example *e)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    message whole = {.length = 0}, n = {.length = 0}, set = {.length = 0}, file = {.length = 0};
    put_text(&n, 1, "x");
    for (size_t i = 0; i < 5 && e->tensors[i].rank >= 0; i++)
        put_text(&n, 1, e->tensors[i].size[0] == -1 ? "" : names[i]); /* left out */
    put_text(&n, 2, "y");
    for (const char *o = e->outputs; o && *o; o++)
        put_bytes(&n, 2, o, 1);
    put_text(&n, 3, "the_node");
    put_text(&n, 4, e->operation);
    for (size_t i = 0; i < 4 && e->properties[i].name; i++)
        put_property(&n, &e->properties[i]);
    put_message(&whole, 1, &n);
    for (size_t i = 0; i < 5 && e->tensors[i].rank >= 0; i++)
        if (e->tensors[i].size[0] != -1)
            put_given(&whole, names[i], &e->tensors[i]);
    put_shape(&whole, 11, "x", e->x);
    put_shape(&whole, 12, "y", e->y);
    put_number(&set, 2, (uint64_t)e->opset);
    put_message(&file, 8, &set);
    put_message(&file, 7, &whole);
    return file;
}

static status built(arena *a, const example *e, node **y, error *err)
{
    message file = file_of(e);
    onnx_model *m;
    char *bytes = arena_alloc(a, file.length + 1);
    memcpy(bytes, file.bytes, file.length);
    TRY(onnx_parse(a, (slice){bytes, file.length}, "one.onnx", &m, err));
    return onnx_build(m, graph_constant(graph_new(a), TYPE_F32, e->x, e->xs), y, err);
}

static void check(const example *e)
{
    arena *a = arena_new(NULL);
    error err = {0};
    node *y;
    plan *p;
    char found[128], expected[128];
    if (built(a, e, &y, &err) != STATUS_OK)
        fail_msg("%s, version %d: %s", e->operation, (int)e->opset, err.message);
    if (!shape_equal(y->shape, e->y))
        fail_msg("%s, version %d: %s, expected %s", e->operation, (int)e->opset, shape_text(y->shape, found), shape_text(e->y, expected));
    assert_int_equal(plan_new(y->graph, &y, 1, NULL, &p, &err), STATUS_OK);
    assert_int_equal(plan_run(p, NULL, &err), STATUS_OK);
    const float *values = plan_output(p, 0);
    for (int64_t i = 0; i < shape_count(e->y); i++)
        if (!(fabs((double)values[i] - (double)e->ys[i]) <= 2e-6 * fmax(1, fabs((double)e->ys[i]))))
            fail_msg("%s, version %d, element %d: %.8g, expected %.8g", e->operation, (int)e->opset, (int)i, (double)values[i], (double)e->ys[i]);
    plan_free(p);
    arena_free(a);
}

/* ---- what they compute ---- */

/* (x - mean) / sqrt(variance + epsilon) scale + bias; the variances with epsilon are 4 and 1/4. */
#define STATISTICS {FLOATS(2, 2, 1), FLOATS(2, 0.5f, -1), FLOATS(2, 1, 3), FLOATS(2, 3.5f, -0.25f), NO_MORE}

static void batch_normalisation(void **state)
{
    (void)state;
    for (int64_t opset = 7; opset <= 20; opset++) {
        example e = {.operation = "BatchNormalization", .opset = opset, .x = SHAPE(2, 2, 1, 2), .xs = {1, 2, 3, 4, -1, 3, 3.5f, 2}, .tensors = STATISTICS,
                     .properties = {NUMBER("epsilon", 0.5f), NUMBER("momentum", 0.9f)},
                     .y = SHAPE(2, 2, 1, 2), .ys = {0.5f, 1.5f, -1, 1, -1.5f, 2.5f, 0, -3}};
        check(&e);
        e.x = e.y = SHAPE(4, 2); /* rows */
        memcpy(e.ys, (float[]){0.5f, -3, 2.5f, 1, -1.5f, -1, 3, -3}, 8 * sizeof(float));
        check(&e);
        if (opset >= 14) {
            e.properties[2] = (property)WHOLE("training_mode", 0);
            check(&e);
        }
    }
    example plain = {.operation = "BatchNormalization", .opset = 13, .x = SHAPE(1, 1, 1), .xs = {2}, .y = SHAPE(1, 1, 1), /* epsilon 1e-5 */
                     .tensors = {FLOATS(1, 3), FLOATS(1, 0), FLOATS(1, 1), FLOATS(1, 0), NO_MORE}, .ys = {948.683298f}};
    check(&plain);
}

static const example examples[] = {
    {.operation = "InstanceNormalization", .opset = 13, .x = SHAPE(1, 2, 2), .xs = {1, 3, 10, 30}, .tensors = {FLOATS(2, 1, 2), FLOATS(2, 0, 5), NO_MORE},
     .properties = {NUMBER("epsilon", 0)}, .y = SHAPE(1, 2, 2), .ys = {-1, 1, 3, 7}},
    {.operation = "LayerNormalization", .opset = 17, .x = SHAPE(2, 2), .xs = {1, 3, 10, 30}, .tensors = {FLOATS(2, 1, 2), FLOATS(2, 0, 5), NO_MORE},
     .properties = {NUMBER("epsilon", 0)}, .y = SHAPE(2, 2), .ys = {-1, 7, -1, 7}},
    {.operation = "Clip", .opset = 7, .x = SHAPE(4), .xs = {-1, 2, 7, 5}, .tensors = {NO_MORE}, .properties = {NUMBER("min", 0), NUMBER("max", 6)},
     .y = SHAPE(4), .ys = {0, 2, 6, 5}},
    {.operation = "Clip", .opset = 11, .x = SHAPE(4), .xs = {-1, 2, 7, 5}, .tensors = {{.rank = 0, .floats = {0}}, {.rank = 0, .floats = {6}}, NO_MORE},
     .y = SHAPE(4), .ys = {0, 2, 6, 5}},
    {.operation = "Clip", .opset = 13, .x = SHAPE(4), .xs = {-1, 2, 7, 5}, .tensors = {{.size = {-1}}, {.rank = 0, .floats = {6}}, NO_MORE},
     .y = SHAPE(4), .ys = {-1, 2, 6, 5}},
    {.operation = "GlobalAveragePool", .opset = 13, .x = SHAPE(1, 2, 1, 2), .xs = {1, 3, 5, 9}, .tensors = {NO_MORE}, .y = SHAPE(1, 2, 1, 1), .ys = {2, 7}},
    {.operation = "GlobalAveragePool", .opset = 13, .x = SHAPE(2, 1, 3), .xs = {1, 2, 6, 0, 1, -4}, .tensors = {NO_MORE}, .y = SHAPE(2, 1, 1), .ys = {3, -1}},
    {.operation = "GlobalMaxPool", .opset = 13, .x = SHAPE(1, 2, 1, 2), .xs = {1, 3, 5, -9}, .tensors = {NO_MORE}, .y = SHAPE(1, 2, 1, 1), .ys = {3, 5}},
    {.operation = "AveragePool", .opset = 13, .x = SHAPE(1, 1, 2, 2), .xs = {1, 2, 3, 6}, .tensors = {NO_MORE},
     .properties = {LIST("kernel_shape", 2, 2, 2), LIST("pads", 4, 1, 0, 0, 0)}, .y = SHAPE(1, 1, 2, 1), .ys = {1.5f, 3}}, /* of what is there */
    {.operation = "AveragePool", .opset = 13, .x = SHAPE(1, 1, 2, 2), .xs = {1, 2, 3, 6}, .tensors = {NO_MORE},
     .properties = {LIST("kernel_shape", 2, 2, 2), LIST("pads", 4, 1, 0, 0, 0), WHOLE("count_include_pad", 1)}, .y = SHAPE(1, 1, 2, 1), .ys = {0.75f, 3}},
    {.operation = "MaxPool", .opset = 13, .x = SHAPE(1, 1, 5), .xs = {1, 5, 2, 3, 4}, .tensors = {NO_MORE},
     .properties = {LIST("kernel_shape", 1, 2), LIST("strides", 1, 2), LIST("pads", 2, 1, 0)}, .y = SHAPE(1, 1, 3), .ys = {1, 5, 4}, .outputs = "i"},
    {.operation = "Conv", .opset = 13, .x = SHAPE(1, 1, 4), .xs = {1, 2, 3, 4}, .tensors = {{.rank = 3, .size = {2, 1, 2}, .floats = {1, 1, -1, 2}}, FLOATS(2, 0, 10), NO_MORE},
     .properties = {LIST("pads", 2, 0, 1)}, .y = SHAPE(1, 2, 4), .ys = {3, 5, 7, 4, 13, 14, 15, 6}},
    {.operation = "Concat", .opset = 13, .x = SHAPE(1, 2, 1), .xs = {1, 2}, .tensors = {{.rank = 3, .size = {1, 1, 1}, .floats = {7}}, NO_MORE},
     .properties = {WHOLE("axis", -2)}, .y = SHAPE(1, 3, 1), .ys = {1, 2, 7}},
    {.operation = "Add", .opset = 13, .x = SHAPE(2, 2), .xs = {1, 2, 3, 4}, .tensors = {{.rank = 2, .size = {2, 1}, .floats = {10, 20}}, NO_MORE}, .y = SHAPE(2, 2),
     .ys = {11, 12, 23, 24}},
    {.operation = "Sum", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {FLOATS(2, 10, 20), FLOATS(1, 100), NO_MORE}, .y = SHAPE(2), .ys = {111, 122}},
    {.operation = "Max", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {FLOATS(2, 0, 20), FLOATS(1, 1.5f), NO_MORE}, .y = SHAPE(2), .ys = {1.5f, 20}},
    {.operation = "Min", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {FLOATS(2, 0, 20), FLOATS(1, 1.5f), NO_MORE}, .y = SHAPE(2), .ys = {0, 1.5f}},
    {.operation = "Pow", .opset = 13, .x = SHAPE(3), .xs = {-3, 2, 0}, .tensors = {{.rank = 0, .integers = {2}, .whole = true}, NO_MORE}, .y = SHAPE(3), .ys = {9, 4, 0}},
    {.operation = "Gemm", .opset = 13, .x = SHAPE(2, 1), .xs = {1, 2}, .tensors = {{.rank = 2, .size = {2, 2}, .floats = {1, 2, 3, 4}}, FLOATS(1, 100), NO_MORE},
     .properties = {WHOLE("transA", 1), WHOLE("transB", 1), NUMBER("alpha", 2), NUMBER("beta", 0.5f)}, .y = SHAPE(1, 2), .ys = {60, 72}},
    {.operation = "MatMul", .opset = 13, .x = SHAPE(2, 1, 2), .xs = {1, 2, 3, 4}, .tensors = {{.rank = 3, .size = {2, 2, 1}, .floats = {1, 1, 2, -1}}, NO_MORE},
     .y = SHAPE(2, 1, 1), .ys = {3, 2}},
    {.operation = "ReduceMean", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 6, 4, 5, 9}, .tensors = {NO_MORE}, .properties = {LIST("axes", 1, -1)}, .y = SHAPE(2, 1),
     .ys = {3, 6}},
    {.operation = "ReduceMean", .opset = 18, .x = SHAPE(2, 3), .xs = {1, 2, 6, 4, 5, 9}, .tensors = {WHOLES(1, 0), NO_MORE}, .properties = {WHOLE("keepdims", 0)},
     .y = SHAPE(3), .ys = {2.5f, 3.5f, 7.5f}},
    {.operation = "ReduceSum", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 6, 4, 5, 9}, .tensors = {WHOLES(2, 1, 0), NO_MORE}, .properties = {WHOLE("keepdims", 0)},
     .y = SHAPE_SCALAR, .ys = {27}},
    {.operation = "ReduceSum", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {NO_MORE}, .properties = {WHOLE("noop_with_empty_axes", 1)}, .y = SHAPE(2), .ys = {1, 2}},
    {.operation = "ReduceMax", .opset = 13, .x = SHAPE(2, 2), .xs = {1, 2, 6, 4}, .tensors = {NO_MORE}, .y = SHAPE(1, 1), .ys = {6}},
    {.operation = "ReduceMin", .opset = 13, .x = SHAPE(2, 2), .xs = {1, 2, 6, 4}, .tensors = {NO_MORE}, .properties = {LIST("axes", 1, 1)}, .y = SHAPE(2, 1), .ys = {1, 4}},
    {.operation = "Softmax", .opset = 13, .x = SHAPE(2, 2), .xs = {0, 1.0986123f, 0, 0}, .tensors = {NO_MORE}, .properties = {WHOLE("axis", 0)}, .y = SHAPE(2, 2),
     .ys = {0.5f, 0.75f, 0.5f, 0.25f}},
    {.operation = "Softmax", .opset = 11, .x = SHAPE(1, 2, 2), .xs = {0, 0, 0, 0}, .tensors = {NO_MORE}, .y = SHAPE(1, 2, 2), .ys = {0.25f, 0.25f, 0.25f, 0.25f}}, /* one row */
    {.operation = "LogSoftmax", .opset = 13, .x = SHAPE(1, 2), .xs = {0, 0}, .tensors = {NO_MORE}, .y = SHAPE(1, 2), .ys = {-0.69314718f, -0.69314718f}},
    {.operation = "Reshape", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {WHOLES(3, 0, -1, 1), NO_MORE}, .y = SHAPE(2, 3, 1), .ys = {1, 2, 3, 4, 5, 6}},
    {.operation = "Flatten", .opset = 13, .x = SHAPE(2, 1, 2), .xs = {1, 2, 3, 4}, .tensors = {NO_MORE}, .properties = {WHOLE("axis", -1)}, .y = SHAPE(2, 2), .ys = {1, 2, 3, 4}},
    {.operation = "Squeeze", .opset = 11, .x = SHAPE(1, 2, 1), .xs = {1, 2}, .tensors = {NO_MORE}, .properties = {LIST("axes", 1, 2)}, .y = SHAPE(1, 2), .ys = {1, 2}},
    {.operation = "Squeeze", .opset = 13, .x = SHAPE(1, 2, 1), .xs = {1, 2}, .tensors = {NO_MORE}, .y = SHAPE(2), .ys = {1, 2}},
    {.operation = "Unsqueeze", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {WHOLES(2, 0, -1), NO_MORE}, .y = SHAPE(1, 2, 1), .ys = {1, 2}},
    {.operation = "Transpose", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {NO_MORE}, .y = SHAPE(3, 2), .ys = {1, 4, 2, 5, 3, 6}},
    {.operation = "Gather", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {WHOLES(2, -1, 0), NO_MORE}, .properties = {WHOLE("axis", 1)}, .y = SHAPE(2, 2),
     .ys = {3, 1, 6, 4}},
    {.operation = "Gather", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {{.rank = 0, .integers = {1}, .whole = true}, NO_MORE}, .y = SHAPE(3), .ys = {4, 5, 6}},
    {.operation = "Slice", .opset = 13, .x = SHAPE(2, 3), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {WHOLES(1, 1), WHOLES(1, 99), WHOLES(1, -1), NO_MORE}, .y = SHAPE(2, 2),
     .ys = {2, 3, 5, 6}},
    {.operation = "Slice", .opset = 9, .x = SHAPE(3), .xs = {1, 2, 3}, .tensors = {NO_MORE}, .properties = {LIST("starts", 1, 0), LIST("ends", 1, -1)}, .y = SHAPE(2), .ys = {1, 2}},
    {.operation = "Split", .opset = 11, .x = SHAPE(1, 4), .xs = {1, 2, 3, 4}, .tensors = {NO_MORE}, .properties = {WHOLE("axis", 1), LIST("split", 2, 3, 1)}, .y = SHAPE(1, 3),
     .ys = {1, 2, 3}, .outputs = "z"},
    {.operation = "Pad", .opset = 13, .x = SHAPE(1, 2), .xs = {1, 2}, .tensors = {WHOLES(4, 0, 1, 1, 0), {.rank = 0, .floats = {0}}, NO_MORE}, .y = SHAPE(2, 3), .ys = {0, 1, 2}},
    {.operation = "Pad", .opset = 9, .x = SHAPE(2), .xs = {1, 2}, .tensors = {NO_MORE}, .properties = {LIST("pads", 2, 0, 1), TEXT("mode", "constant")}, .y = SHAPE(3), .ys = {1, 2, 0}},
    {.operation = "Dropout", .opset = 12, .x = SHAPE(2), .xs = {1, 2}, .tensors = {{.rank = 0, .floats = {0.5f}}, NO_MORE}, .y = SHAPE(2), .ys = {1, 2}, .outputs = "m"},
    {.operation = "Identity", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {NO_MORE}, .y = SHAPE(2), .ys = {1, 2}},
    {.operation = "Cast", .opset = 13, .x = SHAPE(2), .xs = {1, 2}, .tensors = {NO_MORE}, .properties = {WHOLE("to", 1)}, .y = SHAPE(2), .ys = {1, 2}},
    {.operation = "LeakyRelu", .opset = 13, .x = SHAPE(2), .xs = {-2, 3}, .tensors = {NO_MORE}, .y = SHAPE(2), .ys = {-0.02f, 3}},
    {.operation = "PRelu", .opset = 13, .x = SHAPE(1, 2, 2), .xs = {-2, 3, -2, -4}, .tensors = {{.rank = 2, .size = {2, 1}, .floats = {0.5f, 2}}, NO_MORE}, .y = SHAPE(1, 2, 2),
     .ys = {-1, 3, -4, -8}},
    {.operation = "Elu", .opset = 13, .x = SHAPE(2), .xs = {-0.6931472f, 300}, .tensors = {NO_MORE}, .properties = {NUMBER("alpha", 2)}, .y = SHAPE(2), .ys = {-1, 300}},
    {.operation = "HardSigmoid", .opset = 13, .x = SHAPE(3), .xs = {-9, 1, 9}, .tensors = {NO_MORE}, .y = SHAPE(3), .ys = {0, 0.7f, 1}},
    {.operation = "HardSwish", .opset = 14, .x = SHAPE(3), .xs = {-4, 1, 4}, .tensors = {NO_MORE}, .y = SHAPE(3), .ys = {0, 0.6666667f, 4}},
    {.operation = "Gelu", .opset = 20, .x = SHAPE(2), .xs = {1, -1}, .tensors = {NO_MORE}, .y = SHAPE(2), .ys = {0.84134475f, -0.15865525f}},
    {.operation = "Gelu", .opset = 20, .x = SHAPE(2), .xs = {1, -1}, .tensors = {NO_MORE}, .properties = {TEXT("approximate", "tanh")}, .y = SHAPE(2),
     .ys = {0.84119199f, -0.15880801f}},
};

static void operations_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check(&examples[i]);
}

/* Those of one value, against the C library. */
static double relu(double x)
{
    return fmax(x, 0);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return log1p(exp(x));
}

static double reciprocal(double x)
{
    return 1 / x;
}

static double negative(double x)
{
    return -x;
}

static double sign_of(double x)
{
    return (x > 0) - (x < 0);
}

static void functions_of_one_value(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double (*function)(double);
    } rows[] = {{"Relu", relu},         {"Tanh", tanh}, {"Sigmoid", sigmoid}, {"Softplus", softplus}, {"Exp", exp},   {"Log", log},     {"Neg", negative}, {"Abs", fabs},
                {"Sqrt", sqrt},         {"Erf", erf},   {"Sin", sin},         {"Cos", cos},           {"Floor", floor}, {"Sign", sign_of}, {"Reciprocal", reciprocal}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        example e = {.operation = rows[i].name, .opset = 13, .x = SHAPE(5), .xs = {-1.5f, -0.25f, 0.5f, 1, 2.75f}, .tensors = {NO_MORE}, .y = SHAPE(5)};
        bool positive = strcmp(rows[i].name, "Log") == 0 || strcmp(rows[i].name, "Sqrt") == 0;
        for (int k = 0; k < 5; k++) {
            e.xs[k] = positive ? fabsf(e.xs[k]) : e.xs[k];
            e.ys[k] = (float)rows[i].function((double)e.xs[k]);
        }
        check(&e);
    }
}

/* What exporters write for x.view(x.size(0), -1): Shape, Gather, Unsqueeze, Concat, Reshape, with constants that are nodes. */
static void shapes_are_computed_beforehand(void **state)
{
    (void)state;
    message whole = {.length = 0}, set = {.length = 0}, file = {.length = 0};
    static const struct {
        const char *operation, *inputs[2], *output;
        property p;
    } nodes[] = {
        {"Shape", {"x", NULL}, "s", {0}},
        {"Constant", {NULL, NULL}, "zero", WHOLE("value_int", 0)},
        {"Gather", {"s", "zero"}, "n", WHOLE("axis", 0)},
        {"Constant", {NULL, NULL}, "first", LIST("value_ints", 1, 0)},
        {"Unsqueeze", {"n", "first"}, "list", {0}},
        {"Constant", {NULL, NULL}, "rest", LIST("value_ints", 1, -1)},
        {"Concat", {"list", "rest"}, "to", WHOLE("axis", 0)},
        {"Reshape", {"x", "to"}, "y", {0}},
    };
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        message n = {.length = 0};
        for (int k = 0; k < 2 && nodes[i].inputs[k]; k++)
            put_text(&n, 1, nodes[i].inputs[k]);
        put_text(&n, 2, nodes[i].output);
        put_text(&n, 4, nodes[i].operation);
        if (nodes[i].p.name)
            put_property(&n, &nodes[i].p);
        put_message(&whole, 1, &n);
    }
    put_shape(&whole, 11, "x", SHAPE(3, 2, 2));
    put_shape(&whole, 12, "y", SHAPE(3, 4));
    put_number(&set, 2, 13);
    put_message(&file, 8, &set);
    put_message(&file, 7, &whole);
    arena *a = arena_new(NULL);
    onnx_model *m;
    node *y;
    error err = {0};
    assert_int_equal(onnx_parse(a, (slice){file.bytes, file.length}, "view.onnx", &m, &err), STATUS_OK);
    if (onnx_build(m, graph_fill(graph_new(a), TYPE_F32, SHAPE(3, 2, 2), 1), &y, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(shape_equal(y->shape, SHAPE(3, 4)));
    arena_free(a);
}

/* ---- what is refused ---- */
static void refusals_name_operation_node_and_reason(void **state)
{
    (void)state;
    const struct {
        example e;
        status code;
        const char *words[2];
    } cases[] = {
        {{.operation = "BatchNormalization", .opset = 9, .x = SHAPE(1, 2, 1), .tensors = STATISTICS, .outputs = "mvsw"}, STATUS_INVALID,
         {"BatchNormalization 'the_node'", "no outputs but the first"}},
        {{.operation = "BatchNormalization", .opset = 15, .x = SHAPE(1, 2, 1), .tensors = STATISTICS, .outputs = "mv", .properties = {WHOLE("training_mode", 1)}}, STATUS_INVALID,
         {"BatchNormalization 'the_node'", "training_mode 0"}},
        {{.operation = "BatchNormalization", .opset = 15, .x = SHAPE(1, 3, 1), .tensors = STATISTICS}, STATUS_INVALID, {"'the_node'", "a number for each channel"}},
        {{.operation = "BatchNormalization", .opset = 7, .x = SHAPE(1, 2, 1), .tensors = STATISTICS, .properties = {WHOLE("spatial", 0)}}, STATUS_INVALID,
         {"'the_node'", "statistics for each channel"}},
        {{.operation = "BatchNormalization", .opset = 15, .x = SHAPE(1, 2, 1), .tensors = {FLOATS(2, 1, 1), NO_MORE}}, STATUS_INVALID, {"'the_node'", "more inputs"}},
        {{.operation = "Resize", .opset = 13, .x = SHAPE(1, 2, 1), .tensors = {NO_MORE}}, STATUS_UNSUPPORTED, {"the operation 'Resize'", "(node 'the_node')"}},
        {{.operation = "MaxPool", .opset = 13, .x = SHAPE(1, 1, 5), .tensors = {NO_MORE}, .properties = {LIST("kernel_shape", 1, 2), WHOLE("ceil_mode", 1)}}, STATUS_INVALID,
         {"MaxPool 'the_node'", "a ceil_mode of 0"}},
        {{.operation = "Pad", .opset = 9, .x = SHAPE(2), .tensors = {NO_MORE}, .properties = {LIST("pads", 2, 0, 1), TEXT("mode", "reflect")}}, STATUS_INVALID,
         {"Pad 'the_node'", "'constant' with zeros"}},
        {{.operation = "Pad", .opset = 9, .x = SHAPE(2), .tensors = {NO_MORE}, .properties = {LIST("pads", 2, 0, 1), NUMBER("value", 1)}}, STATUS_INVALID, {"Pad", "with zeros"}},
        {{.operation = "Relu", .opset = 13, .x = SHAPE(2), .tensors = {FLOATS(1, 1), NO_MORE}}, STATUS_INVALID, {"Relu 'the_node'", "fewer inputs"}},
        {{.operation = "Reshape", .opset = 13, .x = SHAPE(2, 3), .tensors = {WHOLES(2, 4, -1), NO_MORE}}, STATUS_INVALID, {"Reshape 'the_node'", "as many elements"}},
        {{.operation = "Gather", .opset = 13, .x = SHAPE(2), .tensors = {WHOLES(1, 2), NO_MORE}}, STATUS_INVALID, {"Gather 'the_node'", "places that are there"}},
        {{.operation = "Shape", .opset = 13, .x = SHAPE(2), .tensors = {NO_MORE}}, STATUS_UNSUPPORTED, {"its output 'y'", "integers"}},
        {{.operation = "MatMul", .opset = 13, .x = SHAPE(1, 2), .tensors = {WHOLES(2, 1, 1), NO_MORE}}, STATUS_INVALID, {"MatMul 'the_node'", "values in f32"}},
        {{.operation = "Conv", .opset = 13, .x = SHAPE(1, 1, 2), .tensors = {{.rank = 3, .size = {1, 1, 1}, .floats = {1}}, WHOLES(1, 3), NO_MORE}}, STATUS_INVALID,
         {"Conv 'the_node'", "values in f32"}},
        {{.operation = "Relu", .opset = 6, .x = SHAPE(2), .tensors = {NO_MORE}}, STATUS_UNSUPPORTED, {"version 6", "expected 7 or later"}},
        {{.operation = "Slice", .opset = 13, .x = SHAPE(3), .tensors = {WHOLES(1, 2), WHOLES(1, 0), WHOLES(1, 0), WHOLES(1, -1), NO_MORE}}, STATUS_INVALID,
         {"Slice 'the_node'", "steps of 1"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        error err = {0};
        node *y;
        assert_int_equal(built(a, &cases[i].e, &y, &err), cases[i].code);
        for (int k = 0; k < 2; k++)
            if (!strstr(err.message, cases[i].words[k]))
                fail_msg("expected '%s' in: %s", cases[i].words[k], err.message);
        assert_int_equal(built(a, &cases[i].e, &y, NULL), cases[i].code);
        arena_free(a);
    }
}

/* A second output may be named, but not read; an operation of another maker is not the standard one of that name. */
static void what_is_not_built_is_said_where_it_is_read(void **state)
{
    (void)state;
    message file = file_of(&(example){.operation = "Dropout", .opset = 13, .x = SHAPE(2), .tensors = {NO_MORE}, .outputs = "m"});
    arena *a = arena_new(NULL);
    onnx_model *m;
    node *y, *x = graph_fill(graph_new(a), TYPE_F32, SHAPE(2), 1);
    error err = {0};
    assert_int_equal(onnx_parse(a, (slice){file.bytes, file.length}, "mask.onnx", &m, &err), STATUS_OK);
    m->output = SLICE("m");
    assert_int_equal(onnx_build(m, x, &y, &err), STATUS_UNSUPPORTED);
    assert_string_equal(err.message, "mask.onnx: 'm' is output 2 of Dropout 'the_node': its first output alone is built");
    m->output = SLICE("y");
    assert_int_equal(onnx_build(m, x, &y, &err), STATUS_OK);
    m->nodes[0].domain = SLICE("com.example");
    assert_int_equal(onnx_build(m, x, &y, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'com.example.Dropout' (node 'the_node')"));
    arena_free(a);
}

/* All parts of a Split, by lengths, in equal parts, and with a shorter last one. */
static void every_part_of_a_split_is_built(void **state)
{
    (void)state;
    static const struct {
        example e;
        float expected[3][3]; /* 0 behind the last */
    } cases[] = {
        {{.operation = "Split", .opset = 13, .x = SHAPE(5), .xs = {1, 2, 3, 4, 5}, .tensors = {WHOLES(3, 2, 2, 1), NO_MORE}, .outputs = "zw"}, {{1, 2}, {3, 4}, {5}}},
        {{.operation = "Split", .opset = 11, .x = SHAPE(6), .xs = {1, 2, 3, 4, 5, 6}, .tensors = {NO_MORE}, .outputs = "zw"}, {{1, 2}, {3, 4}, {5, 6}}},
        {{.operation = "Split", .opset = 18, .x = SHAPE(5), .xs = {1, 2, 3, 4, 5}, .tensors = {NO_MORE}, .outputs = "z", .properties = {WHOLE("num_outputs", 2)}},
         {{1, 2, 3}, {4, 5}, {0}}},
    };
    static const char *const names[] = {"y", "z", "w"};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t k = 0; k < 1 + strlen(cases[i].e.outputs); k++) {
            message file = file_of(&cases[i].e);
            arena *a = arena_new(NULL);
            onnx_model *m;
            error err = {0};
            node *y;
            plan *p;
            assert_int_equal(onnx_parse(a, (slice){file.bytes, file.length}, "split.onnx", &m, &err), STATUS_OK);
            m->output = slice_of(names[k]);
            if (onnx_build(m, graph_constant(graph_new(a), TYPE_F32, cases[i].e.x, cases[i].e.xs), &y, &err) != STATUS_OK)
                fail_msg("%s", err.message);
            assert_int_equal(plan_new(y->graph, &y, 1, NULL, &p, &err), STATUS_OK);
            assert_int_equal(plan_run(p, NULL, &err), STATUS_OK);
            int64_t count = 0;
            while (count < 3 && cases[i].expected[k][count] > 0)
                count++;
            assert_true(shape_equal(y->shape, SHAPE(count)));
            assert_memory_equal(plan_output(p, 0), cases[i].expected[k], (size_t)count * sizeof(float));
            plan_free(p);
            arena_free(a);
        }
    example uneven = {.operation = "Split", .opset = 13, .x = SHAPE(5), .xs = {1}, .tensors = {NO_MORE}, .outputs = "z"};
    arena *a = arena_new(NULL);
    error err = {0};
    node *y;
    assert_int_equal(built(a, &uneven, &y, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "parts of one length"));
    arena_free(a);
}

/* Every operation with inputs of any kind and number, properties of any value, in any version: built, or refused with a word. What is built
 * can be planned. */
static void whatever_is_given_is_built_or_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"axis", "axes", "keepdims", "pads", "kernel_shape", "strides", "dilations", "group", "perm", "starts", "ends",
                                        "to", "start", "end", "ceil_mode", "value_int", "value_ints", "allowzero", "count_include_pad", "epsilon"};
    size_t built_ones = 0, refused = 0;
    for (size_t row = 0; onnx_operation_name(row); row++)
        for (uint64_t trial = 0; trial < 400; trial++) {
            random_stream r = random_stream_at(1, "test/onnx", row, trial, 0, 0);
            example e = {.operation = onnx_operation_name(row), .opset = 7 + (int64_t)random_below(&r, 14), .x = {.rank = (int)random_below(&r, 6)}};
            for (int i = 0; i < e.x.rank; i++)
                e.x.size[i] = 1 + (int64_t)random_below(&r, 2);
            size_t inputs = (size_t)random_below(&r, 6);
            e.outputs = random_below(&r, 2) ? "zw" : NULL;
            for (size_t i = 0; i < 5; i++) {
                given *t = &e.tensors[i];
                *t = (given){.rank = i < inputs ? (int)random_below(&r, 5) : -1, .whole = random_below(&r, 2)};
                for (int k = 0, count = 1; k < t->rank; k++) {
                    t->size[k] = count < 5 ? (int64_t)random_below(&r, 12) % 3 : 1; /* at most 8 */
                    t->size[k] = t->size[k] == 0 && random_below(&r, 4) ? 1 : t->size[k];
                    count *= t->size[k] ? (int)t->size[k] : 1;
                }
                for (int k = 0; k < 8; k++) {
                    t->integers[k] = (int64_t)random_below(&r, 5) - 2;
                    t->floats[k] = (float)random_normal(&r);
                }
            }
            for (size_t i = 0, count = (size_t)random_below(&r, 5); i < count; i++) {
                property *p = &e.properties[i];
                *p = (property){.name = names[random_below(&r, COUNT_OF(names))], .kind = random_below(&r, 2) ? 3 : 8, .count = (int)random_below(&r, 5)};
                for (int k = 0; k < 4; k++)
                    p->integers[k] = random_below(&r, 20) ? (int64_t)random_below(&r, 5) - 1 : (int64_t)random_u64(&r);
            }
            arena *a = arena_new(NULL);
            error err = {0};
            node *y;
            if (built(a, &e, &y, &err) == STATUS_OK) {
                plan *p;
                status s = plan_new(y->graph, &y, 1, &(plan_options){.memory_limit = 1 << 24}, &p, &err);
                built_ones++;
                if (s == STATUS_OK)
                    s = plan_run(p, NULL, &err), plan_free(p);
                if (s != STATUS_OK && s != STATUS_LIMIT && s != STATUS_MEMORY)
                    fail_msg("%s is built, but not run: %s", e.operation, err.message);
            } else {
                refused++;
                assert_true(err.message[0]);
            }
            arena_free(a);
        }
    print_message("%zu built, %zu refused\n", built_ones, refused);
    assert_true(built_ones > 500 && refused > 500);
}

/* docs/models.md lists all operations of the table, and none besides. */
static void the_page_lists_what_is_read(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    slice page;
    error err = {0};
    assert_int_equal(file_read(a, ASSAY_SOURCE_DIR "/docs/models.md", 1 << 22, &page, &err), STATUS_OK);
    size_t from = slice_find(page, SLICE("Operations of ONNX files that are read:"), 0), to = slice_find(page, SLICE("\n\n"), from), ticks = 0, rows = 0;
    assert_true(from != SIZE_MAX && to != SIZE_MAX);
    slice list = slice_sub(page, from, to);
    for (; onnx_operation_name(rows); rows++) {
        char *quoted = arena_printf(a, "`%s`", onnx_operation_name(rows));
        if (slice_find(list, slice_of(quoted), 0) == SIZE_MAX)
            fail_msg("docs/models.md does not list %s", quoted);
    }
    for (size_t i = 0; i < list.length; i++)
        ticks += list.text[i] == '`';
    assert_int_equal(ticks, 2 * rows);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_normalisation),
        cmocka_unit_test(operations_by_hand),
        cmocka_unit_test(functions_of_one_value),
        cmocka_unit_test(shapes_are_computed_beforehand),
        cmocka_unit_test(refusals_name_operation_node_and_reason),
        cmocka_unit_test(what_is_not_built_is_said_where_it_is_read),
        cmocka_unit_test(every_part_of_a_split_is_built),
        cmocka_unit_test(whatever_is_given_is_built_or_refused),
        cmocka_unit_test(the_page_lists_what_is_read),
    };
    return cmocka_run_group_tests_name("nn/onnx_operations", tests, NULL, NULL);
}
