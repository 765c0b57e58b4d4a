/* Graphs of ONNX networks: operations are visited from the output back, each is built when what it reads is there. Everything
 * that a file says is checked before a builder of the graph sees it. */
#include "nn/onnx.h"

#include "graph/composite.h"

#include <stdlib.h>
#include <string.h>

typedef struct place {
    slice name;
    size_t node; /* whose output it is */
} place;

typedef struct builder {
    const onnx_model *model;
    graph *graph;
    node *input;
    place *places; /* outputs of all nodes, sorted by name */
    size_t place_count;
    node **values; /* by node: its first output */
    const onnx_node *at; /* the node that is built */
    error *err;
} builder;

typedef status operation_build(builder *b, node *const *in, node **out);

static status does_not_fit(const builder *b, const node *x, const char *expected)
{
    char text[128];
    return error_set(b->err, STATUS_INVALID, "%s: %.*s of a value of shape %s: expected %s", b->model->name,
                     (int)b->at->operation.length, b->at->operation.text, x ? shape_text(x->shape, text) : "(none)", expected);
}

static const onnx_attribute *attribute(const builder *b, const char *name)
{
    for (size_t i = 0; i < b->at->attribute_count; i++)
        if (slice_is(b->at->attributes[i].name, name))
            return &b->at->attributes[i];
    return NULL;
}

static int64_t whole(const builder *b, const char *name, int64_t fallback)
{
    const onnx_attribute *a = attribute(b, name);
    return a ? a->integer : fallback;
}

/* The tensor of the file that input i of the node at hand is, or NULL. */
static const onnx_tensor *tensor_input(const builder *b, size_t i)
{
    for (size_t k = 0; i < b->at->input_count && k < b->model->tensor_count; k++)
        if (slice_equal(b->model->tensors[k].name, b->at->inputs[i]))
            return &b->model->tensors[k];
    return NULL;
}

/* ---- operations ---- */
static status build_identity(builder *b, node *const *in, node **out)
{
    (void)b;
    *out = in[0];
    return STATUS_OK;
}

static status build_unary(builder *b, node *const *in, node **out)
{
    static const struct {
        const char *name;
        node *(*op)(node *);
    } rows[] = {{"Relu", op_relu}, {"Tanh", op_tanh}, {"Sigmoid", op_sigmoid}, {"Exp", op_exp}, {"Neg", op_neg}, {"Sqrt", op_sqrt}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (slice_is(b->at->operation, rows[i].name))
            *out = rows[i].op(in[0]);
    return STATUS_OK;
}

static status build_leaky(builder *b, node *const *in, node **out)
{
    const onnx_attribute *a = attribute(b, "alpha");
    *out = op_leaky_relu(in[0], a ? (double)a->number : 0.01);
    return STATUS_OK;
}

static bool stretch_together(shape a, shape b)
{
    for (int i = 1; i <= a.rank && i <= b.rank; i++) {
        int64_t x = a.size[a.rank - i], y = b.size[b.rank - i];
        if (x != y && x != 1 && y != 1)
            return false;
    }
    return true;
}

static status build_binary(builder *b, node *const *in, node **out)
{
    char text[128];
    if (!stretch_together(in[0]->shape, in[1]->shape))
        return does_not_fit(b, in[0], shape_text(in[1]->shape, text));
    node *(*op)(node *, node *) = slice_is(b->at->operation, "Add")   ? op_add
                                  : slice_is(b->at->operation, "Sub") ? op_sub
                                  : slice_is(b->at->operation, "Mul") ? op_mul
                                                                      : op_div;
    *out = op(in[0], in[1]);
    return STATUS_OK;
}

static status build_matmul(builder *b, node *const *in, node **out)
{
    shape x = in[0]->shape, y = in[1]->shape;
    if (x.rank < 2 || y.rank != 2 || x.size[x.rank - 1] != y.size[0])
        return does_not_fit(b, in[0], "rows as long as a matrix is high");
    *out = op_matmul(in[0], in[1], false, false);
    return STATUS_OK;
}

static status build_gemm(builder *b, node *const *in, node **out)
{
    bool ta = whole(b, "transA", 0) != 0, tb = whole(b, "transB", 0) != 0;
    const onnx_attribute *alpha = attribute(b, "alpha"), *beta = attribute(b, "beta");
    shape x = in[0]->shape, y = in[1]->shape;
    if (x.rank != 2 || y.rank != 2 || x.size[ta ? 0 : 1] != y.size[tb ? 1 : 0])
        return does_not_fit(b, in[0], "two matrices that fit");
    *out = op_scale(op_matmul(in[0], in[1], ta, tb), alpha ? (double)alpha->number : 1);
    if (!in[2])
        return STATUS_OK;
    if (in[2]->shape.rank > 2 || !stretch_together(SHAPE(x.size[ta ? 1 : 0], y.size[tb ? 0 : 1]), in[2]->shape))
        return does_not_fit(b, in[2], "what can be added to the product");
    *out = op_add(*out, op_scale(in[2], beta ? (double)beta->number : 1));
    return STATUS_OK;
}

static status build_transpose(builder *b, node *const *in, node **out)
{
    const onnx_attribute *a = attribute(b, "perm");
    axes order = {.count = in[0]->shape.rank};
    bool used[RANK_MAX] = {false};
    for (int i = 0; i < order.count; i++) {
        int64_t axis = a && a->count == (size_t)order.count ? a->integers[i] : order.count - 1 - i;
        if ((a && a->count != (size_t)order.count) || axis < 0 || axis >= order.count || used[axis])
            return does_not_fit(b, in[0], "an order of all its axes");
        used[axis] = true;
        order.axis[i] = (int)axis;
    }
    *out = op_transpose(in[0], order);
    return STATUS_OK;
}

static status build_reshape(builder *b, node *const *in, node **out)
{
    const onnx_tensor *to = tensor_input(b, 1);
    if (!to || to->type != ONNX_INT64 || to->shape.rank != 1 || to->shape.size[0] > RANK_MAX)
        return does_not_fit(b, in[0], "a new shape that stands in the file");
    shape s = {.rank = (int)to->shape.size[0]};
    int64_t known = 1, count = shape_count(in[0]->shape);
    int open = -1;
    for (int i = 0; i < s.rank; i++) {
        s.size[i] = to->integers[i] == 0 && i < in[0]->shape.rank ? in[0]->shape.size[i] : to->integers[i];
        if (s.size[i] == -1 && open < 0)
            open = i;
        else if (s.size[i] < 1 || known > count / s.size[i])
            return does_not_fit(b, in[0], "a new shape of as many elements");
        else
            known *= s.size[i];
    }
    if (open >= 0)
        s.size[open] = count / known;
    if ((open >= 0 ? known * s.size[open] : known) != count)
        return does_not_fit(b, in[0], "a new shape of as many elements");
    *out = op_reshape(in[0], s);
    return STATUS_OK;
}

static status build_flatten(builder *b, node *const *in, node **out)
{
    int64_t axis = whole(b, "axis", 1), before = 1, count = shape_count(in[0]->shape);
    axis += axis < 0 ? in[0]->shape.rank : 0;
    if (axis < 0 || axis > in[0]->shape.rank || count == 0)
        return does_not_fit(b, in[0], "an axis of it to cut at");
    for (int i = 0; i < axis; i++)
        before *= in[0]->shape.size[i];
    *out = op_reshape(in[0], SHAPE(before, count / before));
    return STATUS_OK;
}

/* Before version 13 all axes from the given one on were one row; only the last axis is taken, where both agree. */
static status build_softmax(builder *b, node *const *in, node **out)
{
    int64_t axis = whole(b, "axis", b->model->opset < 13 ? 1 : -1), last = in[0]->shape.rank - 1;
    if (in[0]->shape.rank < 1 || (axis != -1 && axis != last))
        return does_not_fit(b, in[0], "softmax along the last axis");
    *out = op_softmax(in[0]);
    return STATUS_OK;
}

/* ---- images: [N, C, H, W] in the file, channels last in the graph ---- */
static node *channels_last(node *x)
{
    return op_transpose(x, AXES(0, 2, 3, 1));
}

static node *channels_first(node *x)
{
    return op_transpose(x, AXES(0, 3, 1, 2));
}

enum { MOST_PLACES = 1 << 20 };

/* Entry i of a list of integers, or the fallback when there is none. */
static status entry(const builder *b, const char *name, size_t count, size_t i, int64_t least, int64_t fallback, int64_t *out)
{
    const onnx_attribute *a = attribute(b, name);
    *out = a && a->count ? (a->count == count ? a->integers[i] : least - 1) : fallback;
    if (*out >= least && *out <= MOST_PLACES)
        return STATUS_OK;
    return error_set(b->err, STATUS_INVALID, "%s: %.*s with '%s': expected %zu integers of at least %lld", b->model->name,
                     (int)b->at->operation.length, b->at->operation.text, name, count, (long long)least);
}

static status read_windows(const builder *b, const node *x, const int64_t kernel[2], window_options *o)
{
    const onnx_attribute *pad = attribute(b, "auto_pad");
    bool same = pad && (slice_is(pad->text, "SAME_UPPER") || slice_is(pad->text, "SAME_LOWER"));
    if (pad && pad->text.length && !same && !slice_is(pad->text, "NOTSET") && !slice_is(pad->text, "VALID"))
        return does_not_fit(b, x, "an auto_pad of NOTSET, VALID, SAME_UPPER or SAME_LOWER");
    if (whole(b, "ceil_mode", 0) != 0)
        return does_not_fit(b, x, "a ceil_mode of 0");
    for (size_t i = 0; i < 2; i++) {
        TRY(entry(b, "strides", 2, i, 1, 1, &o->stride[i]));
        TRY(entry(b, "dilations", 2, i, 1, 1, &o->dilation[i]));
        TRY(entry(b, "pads", 4, i, 0, 0, &o->before[i]));
        TRY(entry(b, "pads", 4, 2 + i, 0, 0, &o->after[i]));
        int64_t size = x->shape.size[2 + i], span = o->dilation[i] * (kernel[i] - 1) + 1;
        if (same) { /* as many windows as strides begin in the image */
            int64_t windows = (size + o->stride[i] - 1) / o->stride[i], total = (windows - 1) * o->stride[i] + span - size;
            total = total > 0 ? total : 0;
            o->before[i] = slice_is(pad->text, "SAME_UPPER") ? total / 2 : total - total / 2;
            o->after[i] = total - o->before[i];
        }
        if (size + o->before[i] + o->after[i] < span)
            return does_not_fit(b, x, "images that hold a window");
    }
    return STATUS_OK;
}

static status build_conv(builder *b, node *const *in, node **out)
{
    node *x = in[0], *weight = in[1];
    int64_t groups = whole(b, "group", 1);
    window_options o;
    bool fits = x->shape.rank == 4 && weight->shape.rank == 4 && groups >= 1 && groups <= weight->shape.size[0] &&
                weight->shape.size[0] % groups == 0 && x->shape.size[1] % groups == 0 &&
                weight->shape.size[1] == x->shape.size[1] / groups && weight->shape.size[2] > 0 && weight->shape.size[3] > 0;
    if (!fits)
        return does_not_fit(b, x, "images [N, C, H, W] and a weight [O, C / group, rows, columns]");
    TRY(read_windows(b, x, &weight->shape.size[2], &o));
    node *y = op_conv(channels_last(x), weight, groups, o);
    if (in[2] && !shape_equal(in[2]->shape, SHAPE(weight->shape.size[0])))
        return does_not_fit(b, in[2], "a bias for each channel");
    *out = channels_first(in[2] ? op_add(y, in[2]) : y);
    return STATUS_OK;
}

static status build_pool(builder *b, node *const *in, node **out)
{
    int64_t kernel[2];
    window_options o;
    if (in[0]->shape.rank != 4)
        return does_not_fit(b, in[0], "images [N, C, H, W]");
    for (size_t i = 0; i < 2; i++)
        TRY(entry(b, "kernel_shape", 2, i, 1, 0, &kernel[i]));
    TRY(read_windows(b, in[0], kernel, &o));
    if (slice_is(b->at->operation, "MaxPool")) {
        *out = channels_first(op_max_pool(channels_last(in[0]), kernel, o));
        return STATUS_OK;
    }
    bool beyond = o.before[0] || o.before[1] || o.after[0] || o.after[1];
    if (beyond && whole(b, "count_include_pad", 0) == 0)
        return does_not_fit(b, in[0], "means over places within the image, or count_include_pad");
    *out = channels_first(op_average_pool(channels_last(in[0]), kernel, o));
    return STATUS_OK;
}

static status build_global_pool(builder *b, node *const *in, node **out)
{
    if (in[0]->shape.rank != 4 || shape_count(in[0]->shape) == 0)
        return does_not_fit(b, in[0], "images [N, C, H, W]");
    *out = op_reduce_mean(in[0], AXES(2, 3), true);
    return STATUS_OK;
}

enum { MOST_INPUTS = 3 };

static const struct {
    const char *name;
    size_t least, most; /* inputs that are values of the graph; further ones are the builder's */
    operation_build *build;
} operations[] = {
    {"Identity", 1, 1, build_identity},   {"Dropout", 1, 1, build_identity}, {"Relu", 1, 1, build_unary},
    {"Tanh", 1, 1, build_unary},          {"Sigmoid", 1, 1, build_unary},    {"Exp", 1, 1, build_unary},
    {"Neg", 1, 1, build_unary},           {"Sqrt", 1, 1, build_unary},       {"LeakyRelu", 1, 1, build_leaky},
    {"Add", 2, 2, build_binary},          {"Sub", 2, 2, build_binary},       {"Mul", 2, 2, build_binary},
    {"Div", 2, 2, build_binary},          {"MatMul", 2, 2, build_matmul},    {"Gemm", 2, 3, build_gemm},
    {"Transpose", 1, 1, build_transpose}, {"Reshape", 1, 1, build_reshape},  {"Flatten", 1, 1, build_flatten},
    {"Softmax", 1, 1, build_softmax},     {"Conv", 2, 3, build_conv},        {"MaxPool", 1, 1, build_pool},
    {"AveragePool", 1, 1, build_pool},    {"GlobalAveragePool", 1, 1, build_global_pool},
};

/* ---- the order of building ---- */
static int by_name(const void *a, const void *b)
{
    const slice *x = &((const place *)a)->name, *y = &((const place *)b)->name;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static const place *producer(const builder *b, slice name)
{
    place key = {.name = name};
    return bsearch(&key, b->places, b->place_count, sizeof key, by_name);
}

/* The value of a name that is there already; *waits_for is the node that makes it where it is not. */
static status find_value(builder *b, slice name, node **out, size_t *waits_for)
{
    const onnx_model *m = b->model;
    const place *p = producer(b, name);
    *out = NULL;
    *waits_for = m->node_count;
    if (slice_equal(name, m->input)) {
        *out = b->input;
        return STATUS_OK;
    }
    for (size_t i = 0; i < m->tensor_count && !p; i++)
        if (slice_equal(m->tensors[i].name, name) && m->tensors[i].type == ONNX_FLOAT) {
            *out = graph_constant(b->graph, TYPE_F32, m->tensors[i].shape, m->tensors[i].floats);
            return *out ? STATUS_OK : error_set(b->err, STATUS_MEMORY, "no memory for %s", m->name);
        }
    if (!p)
        return error_set(b->err, STATUS_INVALID, "%s: nothing makes the value '%.*s'", m->name, (int)name.length, name.text);
    *out = b->values[p->node];
    *waits_for = p->node;
    return STATUS_OK;
}

/* Builds node i when all that it reads is there; *waits_for is what must be built first, or the count of nodes. */
static status build_node(builder *b, size_t i, size_t *waits_for)
{
    const onnx_node *n = &b->model->nodes[i];
    size_t row = 0;
    node *in[MOST_INPUTS] = {NULL};
    while (row < COUNT_OF(operations) && !slice_is(n->operation, operations[row].name))
        row++;
    if (row == COUNT_OF(operations))
        return error_set(b->err, STATUS_UNSUPPORTED, "%s: the operation '%.*s' is not among those that are read", b->model->name,
                         (int)n->operation.length, n->operation.text);
    b->at = n;
    for (size_t k = 0; k < operations[row].most && k < n->input_count; k++) {
        if (!n->inputs[k].length && k >= operations[row].least) /* an input that is left out */
            continue;
        TRY(find_value(b, n->inputs[k], &in[k], waits_for));
        if (!in[k])
            return STATUS_OK;
    }
    for (size_t k = 0; k < operations[row].least; k++)
        if (!in[k])
            return does_not_fit(b, NULL, "more inputs");
    *waits_for = b->model->node_count;
    TRY(operations[row].build(b, in, &b->values[i]));
    if (!b->values[i]) {
        TRY(graph_status(b->graph, b->err)); /* what does not fit */
        return error_set(b->err, STATUS_MEMORY, "no memory for %s", b->model->name);
    }
    return shape_count(b->values[i]->shape) <= INT32_MAX ? STATUS_OK : does_not_fit(b, b->values[i], "at most 2^31 elements");
}

/* A stack of nodes, each of which waits for the one above it. */
static status build_all(builder *b, size_t *stack, bool *open, size_t first)
{
    size_t depth = 0, none = b->model->node_count;
    stack[depth++] = first;
    open[first] = true;
    while (depth) {
        size_t waits_for = none;
        TRY(build_node(b, stack[depth - 1], &waits_for));
        if (waits_for == none) {
            open[stack[--depth]] = false;
            continue;
        }
        if (open[waits_for])
            return error_set(b->err, STATUS_INVALID, "%s: an operation needs its own result", b->model->name);
        open[waits_for] = true;
        stack[depth++] = waits_for;
    }
    return STATUS_OK;
}

static status check_input(const onnx_model *m, const node *x, error *err)
{
    char expected[128], found[128];
    bool fits = x->type == TYPE_F32 && x->shape.rank == m->input_shape.rank && shape_count(x->shape) > 0;
    for (int i = 0; fits && i < x->shape.rank; i++)
        fits = m->input_shape.size[i] == -1 || m->input_shape.size[i] == x->shape.size[i];
    if (fits)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s takes f32 of shape %s (-1: any size), not %s of %s", m->name,
                     shape_text(m->input_shape, expected), element_word((element_type)x->type), shape_text(x->shape, found));
}

status onnx_build(const onnx_model *m, node *input, node **output, error *err)
{
    TRY(check_input(m, input, err));
    arena *a = arena_new(NULL);
    builder b = {.model = m, .graph = input->graph, .input = input, .err = err};
    b.places = ARENA_ARRAY(a, place, m->node_count + 1);
    b.values = ARENA_ARRAY(a, node *, m->node_count + 1);
    size_t *stack = ARENA_ARRAY(a, size_t, m->node_count + 1);
    bool *open = ARENA_ARRAY(a, bool, m->node_count + 1);
    status s = b.places && b.values && stack && open ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory for %s", m->name);
    for (size_t i = 0; s == STATUS_OK && i < m->node_count; i++)
        if (m->nodes[i].output_count)
            b.places[b.place_count++] = (place){m->nodes[i].outputs[0], i};
    size_t first = m->node_count;
    if (s == STATUS_OK) {
        qsort(b.places, b.place_count, sizeof *b.places, by_name);
        s = find_value(&b, m->output, output, &first);
    }
    if (s == STATUS_OK && first < m->node_count)
        s = build_all(&b, stack, open, first);
    if (s == STATUS_OK && first < m->node_count)
        *output = b.values[first];
    arena_free(a);
    return s;
}
