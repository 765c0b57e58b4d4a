/* Graphs of ONNX networks: operations are visited from the output back, each is built when what it reads is there. Everything
 * that a file says is checked before a builder of the graph sees it. */
#include "nn/onnx_build.h"

#include <stdlib.h>
#include <string.h>

/* ---- what builders share ---- */

/* The node's name, or that of its first output. */
static slice node_name(const onnx_node *n)
{
    return n->name.length || !n->output_count ? n->name : n->outputs[0];
}

status onnx_refuse(const onnx_builder *b, const node *x, const char *expected)
{
    char text[128];
    slice name = node_name(b->at);
    return error_set(b->err, STATUS_INVALID, "%s: %.*s '%.*s' of a value of shape %s: expected %s", b->model->name,
                     (int)b->at->operation.length, b->at->operation.text, (int)name.length, name.text, x ? shape_text(x->shape, text) : "(none)",
                     expected);
}

const onnx_attribute *onnx_attribute_of(const onnx_builder *b, const char *name)
{
    for (size_t i = 0; i < b->at->attribute_count; i++)
        if (slice_is(b->at->attributes[i].name, name))
            return &b->at->attributes[i];
    return NULL;
}

int64_t onnx_whole(const onnx_builder *b, const char *name, int64_t fallback)
{
    const onnx_attribute *a = onnx_attribute_of(b, name);
    return a ? a->integer : fallback;
}

double onnx_number(const onnx_builder *b, const char *name, double fallback)
{
    const onnx_attribute *a = onnx_attribute_of(b, name);
    return a ? (double)a->number : fallback;
}

status onnx_list(const onnx_builder *b, const onnx_value *in, size_t count, size_t i, const char *name, const int64_t **list, size_t *length)
{
    const onnx_attribute *a = onnx_attribute_of(b, name);
    *list = a ? a->integers : NULL;
    *length = a ? a->count : 0;
    if (i >= count || !(in[i].node || in[i].numbers))
        return STATUS_OK;
    if (!in[i].numbers)
        return onnx_refuse(b, in[i].node, "integers that are known beforehand");
    *list = in[i].numbers;
    *length = in[i].count;
    return STATUS_OK;
}

bool onnx_axis(int64_t axis, int rank, int *out)
{
    bool fits = axis >= -rank && axis < rank;
    *out = fits ? (int)(axis < 0 ? axis + rank : axis) : 0;
    return fits;
}

status onnx_axes(const onnx_builder *b, const onnx_value *in, size_t count, size_t i, int rank, axes *out)
{
    const int64_t *list;
    size_t length;
    bool named[RANK_MAX] = {false};
    TRY(onnx_list(b, in, count, i, "axes", &list, &length));
    *out = (axes){.count = 0};
    for (size_t k = 0; k < length; k++) {
        int axis;
        if (!onnx_axis(list[k], rank, &axis) || named[axis])
            return onnx_refuse(b, in[0].node, "axes of it, each once");
        named[axis] = true;
    }
    for (int k = 0; k < rank; k++)
        if (length == 0 || named[k])
            out->axis[out->count++] = k;
    return STATUS_OK;
}

int64_t *onnx_numbers(const onnx_builder *b, size_t count)
{
    if (count > ONNX_NUMBERS) {
        error_set(b->err, STATUS_UNSUPPORTED, "%s: %zu integers in one value: at most %d are computed with", b->model->name, count, ONNX_NUMBERS);
        return NULL;
    }
    int64_t *list = ARENA_ARRAY(b->arena, int64_t, count + 1);
    if (!list)
        error_set(b->err, STATUS_MEMORY, "no memory for %s", b->model->name);
    return list;
}

/* ---- operations ---- */
/* Which inputs may be integers, a bit each; no others are. */
enum { NONE = 0, FIRST = 1, SECOND = 2, THIRD = 4, FOURTH = 8, BOTH = FIRST | SECOND, ALL = ~0 };

static const struct operation {
    const char *name;
    size_t least, most; /* inputs that it must have, and those that are looked at (all others are an error) */
    int integers;
    onnx_operation *build;
} operations[] = {
    {"Identity", 1, 1, FIRST, onnx_identity},
    {"Dropout", 1, 3, THIRD, onnx_identity},
    {"Constant", 0, 0, NONE, onnx_constant},
    {"Cast", 1, 1, FIRST, onnx_cast},
    {"Relu", 1, 1, NONE, onnx_unary},
    {"LeakyRelu", 1, 1, NONE, onnx_unary},
    {"PRelu", 2, 2, NONE, onnx_slope},
    {"Elu", 1, 1, NONE, onnx_unary},
    {"Gelu", 1, 1, NONE, onnx_unary},
    {"HardSigmoid", 1, 1, NONE, onnx_unary},
    {"HardSwish", 1, 1, NONE, onnx_unary},
    {"Softplus", 1, 1, NONE, onnx_unary},
    {"Sigmoid", 1, 1, NONE, onnx_unary},
    {"Tanh", 1, 1, NONE, onnx_unary},
    {"Erf", 1, 1, NONE, onnx_unary},
    {"Exp", 1, 1, NONE, onnx_unary},
    {"Log", 1, 1, NONE, onnx_unary},
    {"Sqrt", 1, 1, NONE, onnx_unary},
    {"Reciprocal", 1, 1, NONE, onnx_unary},
    {"Neg", 1, 1, NONE, onnx_unary},
    {"Abs", 1, 1, NONE, onnx_unary},
    {"Sign", 1, 1, NONE, onnx_unary},
    {"Floor", 1, 1, NONE, onnx_unary},
    {"Sin", 1, 1, NONE, onnx_unary},
    {"Cos", 1, 1, NONE, onnx_unary},
    {"Clip", 1, 3, NONE, onnx_clip},
    {"Add", 2, 2, BOTH, onnx_binary},
    {"Sub", 2, 2, BOTH, onnx_binary},
    {"Mul", 2, 2, BOTH, onnx_binary},
    {"Div", 2, 2, BOTH, onnx_binary},
    {"Pow", 2, 2, SECOND, onnx_power},
    {"Sum", 1, ONNX_INPUTS, NONE, onnx_many},
    {"Max", 1, ONNX_INPUTS, NONE, onnx_many},
    {"Min", 1, ONNX_INPUTS, NONE, onnx_many},
    {"MatMul", 2, 2, NONE, onnx_matmul},
    {"Gemm", 2, 3, NONE, onnx_gemm},
    {"ReduceMean", 1, 2, SECOND, onnx_reduce},
    {"ReduceSum", 1, 2, SECOND, onnx_reduce},
    {"ReduceMax", 1, 2, SECOND, onnx_reduce},
    {"ReduceMin", 1, 2, SECOND, onnx_reduce},
    {"Softmax", 1, 1, NONE, onnx_softmax},
    {"LogSoftmax", 1, 1, NONE, onnx_softmax},
    {"Shape", 1, 1, FIRST, onnx_shape_of},
    {"Reshape", 2, 2, SECOND, onnx_reshape},
    {"Flatten", 1, 1, NONE, onnx_flatten},
    {"Squeeze", 1, 2, BOTH, onnx_squeeze},
    {"Unsqueeze", 1, 2, BOTH, onnx_unsqueeze},
    {"Transpose", 1, 1, NONE, onnx_transpose},
    {"Concat", 1, ONNX_INPUTS, ALL, onnx_concat},
    {"Gather", 2, 2, BOTH, onnx_gather},
    {"Slice", 1, 5, ALL, onnx_slice},
    {"Split", 1, 2, SECOND, onnx_split},
    {"Pad", 1, 4, SECOND | FOURTH, onnx_pad},
    {"Conv", 2, 3, NONE, onnx_conv},
    {"MaxPool", 1, 1, NONE, onnx_pool},
    {"AveragePool", 1, 1, NONE, onnx_pool},
    {"GlobalMaxPool", 1, 1, NONE, onnx_global_pool},
    {"GlobalAveragePool", 1, 1, NONE, onnx_global_pool},
    {"BatchNormalization", 5, 5, NONE, onnx_batch_norm},
    {"InstanceNormalization", 3, 3, NONE, onnx_row_norm},
    {"LayerNormalization", 2, 3, NONE, onnx_row_norm},
};

const char *onnx_operation_name(size_t i)
{
    return i < COUNT_OF(operations) ? operations[i].name : NULL;
}

/* ---- the order of building ---- */

/* A tensor of the file (`tensor`), or an output of a node. */
struct onnx_name {
    slice name;
    bool tensor;
    size_t at, output; /* of which tensor or node, and which output */
};

static int by_name(const void *a, const void *b)
{
    const slice *x = &((const onnx_name *)a)->name, *y = &((const onnx_name *)b)->name;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static bool is_there(const onnx_value *v)
{
    return v->node || v->numbers;
}

static status tensor_value(onnx_builder *b, size_t i, onnx_value *out)
{
    const onnx_tensor *t = &b->model->tensors[i];
    onnx_value *v = &b->tensors[i];
    if (!is_there(v) && t->type == ONNX_FLOAT) {
        v->node = graph_constant(b->graph, TYPE_F32, t->shape, t->floats);
        if (!v->node)
            return error_set(b->err, STATUS_MEMORY, "no memory for %s", b->model->name);
    } else if (!is_there(v)) {
        if (t->shape.rank > 1 || shape_count(t->shape) > ONNX_NUMBERS)
            return error_set(b->err, STATUS_UNSUPPORTED, "%s: the integers '%.*s': at most %d along one axis are read", b->model->name,
                             (int)t->name.length, t->name.text, ONNX_NUMBERS);
        *v = (onnx_value){.numbers = t->integers, .count = (size_t)shape_count(t->shape), .single = t->shape.rank == 0};
    }
    *out = *v;
    return STATUS_OK;
}

/* The value of a name that is there already; *waits_for is the node that makes it where it is not. */
static status find_value(onnx_builder *b, slice name, onnx_value *out, size_t *waits_for)
{
    const onnx_model *m = b->model;
    *waits_for = m->node_count;
    *out = (onnx_value){.node = NULL};
    if (slice_equal(name, m->input)) {
        out->node = b->input;
        return STATUS_OK;
    }
    onnx_name key = {.name = name};
    const onnx_name *p = bsearch(&key, b->names, b->name_count, sizeof key, by_name);
    if (!p)
        return error_set(b->err, STATUS_INVALID, "%s: nothing makes the value '%.*s'", m->name, (int)name.length, name.text);
    if (p->tensor)
        return tensor_value(b, p->at, out);
    const onnx_node *n = &m->nodes[p->at];
    const onnx_value *outputs = &b->values[b->first[p->at]];
    if (is_there(outputs) && !is_there(&outputs[p->output]))
        return error_set(b->err, STATUS_UNSUPPORTED, "%s: '%.*s' is output %zu of %.*s '%.*s': its first output alone is built", m->name,
                         (int)name.length, name.text, p->output + 1, (int)n->operation.length, n->operation.text,
                         (int)node_name(n).length, node_name(n).text);
    *out = outputs[p->output];
    *waits_for = is_there(out) ? m->node_count : p->at;
    return STATUS_OK;
}

/* Operations of other makers may have the names of standard ones. */
static const struct operation *find_operation(const onnx_node *n)
{
    bool standard = !n->domain.length || slice_is(n->domain, "ai.onnx");
    for (size_t row = 0; standard && row < COUNT_OF(operations); row++)
        if (slice_is(n->operation, operations[row].name))
            return &operations[row];
    return NULL;
}

static status not_known(const onnx_builder *b, const onnx_node *n)
{
    slice name = node_name(n);
    error_set(b->err, STATUS_UNSUPPORTED, "%s: the operation '%.*s%s%.*s' (node '%.*s') is not among those that are read", b->model->name,
              (int)n->domain.length, n->domain.text, n->domain.length ? "." : "", (int)n->operation.length, n->operation.text, (int)name.length,
              name.text);
    return error_hint(b->err, "docs/models.md lists the operations of ONNX files that are read");
}

/* What node n reads; *waits_for is what must be built first, or the count of nodes. */
static status gather_inputs(onnx_builder *b, const onnx_node *n, const struct operation *row, onnx_value *in, size_t *waits_for)
{
    *waits_for = b->model->node_count;
    if (n->input_count > row->most)
        return onnx_refuse(b, NULL, "fewer inputs");
    for (size_t k = 0; k < n->input_count; k++) {
        if (!n->inputs[k].length) /* left out */
            continue;
        TRY(find_value(b, n->inputs[k], &in[k], waits_for));
        if (!is_there(&in[k]))
            return STATUS_OK;
    }
    *waits_for = b->model->node_count;
    for (size_t k = 0; k < row->least; k++)
        if (k >= n->input_count || !is_there(&in[k]))
            return onnx_refuse(b, NULL, "more inputs");
    for (size_t k = 0; k < n->input_count; k++)
        if (in[k].numbers && !(k < 31 ? row->integers >> k & 1 : row->integers == ALL))
            return onnx_refuse(b, in[0].node, "values in f32");
    return STATUS_OK;
}

/* Builds node i when all that it reads is there. */
static status build_node(onnx_builder *b, size_t i, size_t *waits_for)
{
    const onnx_node *n = &b->model->nodes[i];
    const struct operation *row = find_operation(n);
    onnx_value in[ONNX_INPUTS] = {{0}}, *out = &b->values[b->first[i]];
    b->at = n;
    if (!row)
        return not_known(b, n);
    TRY(gather_inputs(b, n, row, in, waits_for));
    if (*waits_for != b->model->node_count)
        return STATUS_OK;
    TRY(row->build(b, in, n->input_count, out));
    if (!is_there(out)) {
        TRY(graph_status(b->graph, b->err)); /* what does not fit */
        return error_set(b->err, STATUS_MEMORY, "no memory for %s", b->model->name);
    }
    return !out->node || shape_count(out->node->shape) <= INT32_MAX ? STATUS_OK : onnx_refuse(b, out->node, "at most 2^31 elements");
}

/* A stack of nodes, each of which waits for the one above it. */
static status build_all(onnx_builder *b, size_t *stack, bool *open, size_t first)
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

enum { LEAST_VERSION = 7 };

static void name_all(onnx_builder *b)
{
    const onnx_model *m = b->model;
    for (size_t i = 0; i < m->node_count; i++)
        for (size_t k = 0; k < m->nodes[i].output_count; k++)
            if (m->nodes[i].outputs[k].length)
                b->names[b->name_count++] = (onnx_name){.name = m->nodes[i].outputs[k], .at = i, .output = k};
    for (size_t i = 0; i < m->tensor_count; i++)
        b->names[b->name_count++] = (onnx_name){.name = m->tensors[i].name, .tensor = true, .at = i};
    qsort(b->names, b->name_count, sizeof *b->names, by_name);
}

status onnx_build(const onnx_model *m, node *input, node **output, error *err)
{
    error own = {0};
    err = err ? err : &own;
    TRY(check_input(m, input, err));
    if (m->opset < LEAST_VERSION)
        return error_set(err, STATUS_UNSUPPORTED, "%s is written for version %lld of the operations: expected %d or later, which stretch values as they do today",
                         m->name, (long long)m->opset, LEAST_VERSION);
    arena *a = arena_new(NULL);
    onnx_builder b = {.model = m, .graph = input->graph, .input = input, .arena = a, .err = err};
    size_t names = m->tensor_count;
    b.first = ARENA_ARRAY(a, size_t, m->node_count + 1);
    for (size_t i = 0; b.first && i < m->node_count; i++) {
        b.first[i + 1] = b.first[i] + m->nodes[i].output_count + 1;
        names += m->nodes[i].output_count;
    }
    b.names = ARENA_ARRAY(a, onnx_name, names + 1);
    b.values = ARENA_ARRAY(a, onnx_value, names + m->node_count + 1);
    b.tensors = ARENA_ARRAY(a, onnx_value, m->tensor_count + 1);
    size_t *stack = ARENA_ARRAY(a, size_t, m->node_count + 1);
    bool *open = ARENA_ARRAY(a, bool, m->node_count + 1);
    status s = b.first && b.names && b.values && b.tensors && stack && open ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory for %s", m->name);
    size_t first = m->node_count;
    onnx_value last = {.node = NULL};
    if (s == STATUS_OK) {
        name_all(&b);
        s = find_value(&b, m->output, &last, &first);
    }
    if (s == STATUS_OK && first < m->node_count)
        s = build_all(&b, stack, open, first);
    if (s == STATUS_OK && first < m->node_count)
        s = find_value(&b, m->output, &last, &first);
    if (s == STATUS_OK && !last.node)
        s = error_set(err, STATUS_UNSUPPORTED, "%s: its output '%.*s' holds integers: networks of f32 are read", m->name, (int)m->output.length,
                      m->output.text);
    if (s == STATUS_OK)
        *output = last.node;
    arena_free(a);
    return s;
}
