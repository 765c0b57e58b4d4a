/* ONNX operations that compute element by element, products, sums, softmax. */
#include "nn/onnx_build.h"

status onnx_identity(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    if (count > 2 && in[2].numbers && in[2].count && in[2].numbers[0] != 0) /* of Dropout */
        return onnx_refuse(b, in[0].node, "a network that is not being trained");
    *out = in[0];
    return STATUS_OK;
}

static node *elu(const onnx_builder *b, node *x)
{
    node *below = op_min(x, graph_scalar(b->graph, TYPE_F32, 0)); /* so that nothing overflows on the other side */
    return op_add(op_relu(x), op_scale(op_shift(op_exp(below), -1), onnx_number(b, "alpha", 1)));
}

static node *hard_sigmoid(const onnx_builder *b, node *x)
{
    return op_clamp(op_shift(op_scale(x, onnx_number(b, "alpha", 0.2)), onnx_number(b, "beta", 0.5)), 0, 1);
}

static node *gelu(const onnx_builder *b, node *x)
{
    const onnx_attribute *a = onnx_attribute_of(b, "approximate");
    return a && slice_is(a->text, "tanh") ? op_gelu_tanh(x) : op_gelu(x);
}

status onnx_unary(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    static const struct {
        const char *name;
        node *(*op)(node *);
    } rows[] = {{"Relu", op_relu},         {"Tanh", op_tanh}, {"Sigmoid", op_sigmoid}, {"Softplus", op_softplus}, {"Exp", op_exp}, {"Log", op_log},
                {"Neg", op_neg},           {"Abs", op_abs},   {"Sqrt", op_sqrt},       {"Erf", op_erf},           {"Sin", op_sin}, {"Cos", op_cos},
                {"Reciprocal", op_reciprocal}, {"Sign", op_sign}, {"Floor", op_floor}};
    (void)count;
    node *x = in[0].node;
    slice name = b->at->operation;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (slice_is(name, rows[i].name))
            out->node = rows[i].op(x);
    if (slice_is(name, "LeakyRelu"))
        out->node = op_leaky_relu(x, onnx_number(b, "alpha", 0.01));
    else if (slice_is(name, "Elu"))
        out->node = elu(b, x);
    else if (slice_is(name, "HardSigmoid"))
        out->node = hard_sigmoid(b, x);
    else if (slice_is(name, "HardSwish"))
        out->node = op_mul(x, op_clamp(op_shift(op_scale(x, 1.0 / 6), 0.5), 0, 1));
    else if (slice_is(name, "Gelu"))
        out->node = gelu(b, x);
    return STATUS_OK;
}

/* PRelu: a slope for each channel, as a tensor that stretches. */
status onnx_slope(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    node *x = in[0].node, *slope = in[1].node;
    if (slope->shape.rank > x->shape.rank || !onnx_stretch_together(x->shape, slope->shape))
        return onnx_refuse(b, x, "slopes that stretch to it");
    out->node = op_sub(op_relu(x), op_mul(slope, op_relu(op_neg(x))));
    return STATUS_OK;
}

bool onnx_stretch_together(shape a, shape b)
{
    for (int i = 1; i <= a.rank && i <= b.rank; i++) {
        int64_t x = a.size[a.rank - i], y = b.size[b.rank - i];
        if (x != y && x != 1 && y != 1)
            return false;
    }
    return true;
}

/* ---- two values, and more ---- */
static bool calculate(slice name, int64_t x, int64_t y, int64_t *z)
{
    if (slice_is(name, "Add"))
        return !__builtin_add_overflow(x, y, z);
    if (slice_is(name, "Sub"))
        return !__builtin_sub_overflow(x, y, z);
    if (slice_is(name, "Mul"))
        return !__builtin_mul_overflow(x, y, z);
    if (!slice_is(name, "Div") || y == 0 || (x == INT64_MIN && y == -1))
        return false;
    *z = x / y;
    return true;
}

/* Of sizes. */
static status integers(onnx_builder *b, const onnx_value *in, onnx_value *out)
{
    size_t n = in[0].count > in[1].count ? in[0].count : in[1].count;
    bool fits = in[0].numbers && in[1].numbers && (in[0].count == n || in[0].count == 1) && (in[1].count == n || in[1].count == 1);
    int64_t *z = fits ? onnx_numbers(b, n) : NULL;
    if (!fits)
        return onnx_refuse(b, in[0].node ? in[0].node : in[1].node, "two values of one type");
    if (!z)
        return b->err->code;
    for (size_t i = 0; i < n; i++)
        if (!calculate(b->at->operation, in[0].numbers[in[0].count == 1 ? 0 : i], in[1].numbers[in[1].count == 1 ? 0 : i], &z[i]))
            return onnx_refuse(b, NULL, "integers that can be computed");
    *out = (onnx_value){.numbers = z, .count = n, .single = in[0].single && in[1].single};
    return STATUS_OK;
}

status onnx_binary(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    char text[128];
    (void)count;
    if (!in[0].node || !in[1].node)
        return integers(b, in, out);
    if (!onnx_stretch_together(in[0].node->shape, in[1].node->shape))
        return onnx_refuse(b, in[0].node, shape_text(in[1].node->shape, text));
    slice name = b->at->operation;
    out->node = (slice_is(name, "Add")   ? op_add
                 : slice_is(name, "Sub") ? op_sub
                 : slice_is(name, "Mul") ? op_mul
                                         : op_div)(in[0].node, in[1].node);
    return STATUS_OK;
}

/* Sum, Max, Min of any number of values. */
status onnx_many(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    slice name = b->at->operation;
    node *(*op)(node *, node *) = slice_is(name, "Sum") ? op_add : slice_is(name, "Max") ? op_max : op_min, *all = in[0].node;
    char text[128];
    for (size_t i = 1; i < count && all; i++) {
        if (!in[i].node || !onnx_stretch_together(all->shape, in[i].node->shape))
            return onnx_refuse(b, all, in[i].node ? shape_text(in[i].node->shape, text) : "values in f32");
        all = op(all, in[i].node);
        if (all && shape_count(all->shape) > INT32_MAX)
            return onnx_refuse(b, all, "at most 2^31 elements");
    }
    out->node = all;
    return STATUS_OK;
}

/* The exponent may be integers in the file. Two is a square, of negative values too. */
status onnx_power(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    (void)count;
    node *x = in[0].node, *y = in[1].node;
    if (!y && in[1].count == 1 && in[1].numbers[0] == 2)
        out->node = op_square(x);
    else if (!y && in[1].count == 1)
        out->node = op_pow(x, graph_scalar(b->graph, TYPE_F32, (double)in[1].numbers[0]));
    else if (y && onnx_stretch_together(x->shape, y->shape))
        out->node = op_pow(x, y);
    else
        return onnx_refuse(b, x, "an exponent that stretches to it");
    return STATUS_OK;
}

/* Limits are attributes before version 11, then inputs, either of which may be left out. */
status onnx_clip(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node, *limits[2] = {NULL, NULL};
    static const char *const names[2] = {"min", "max"};
    for (size_t i = 0; i < 2; i++) {
        const onnx_attribute *a = onnx_attribute_of(b, names[i]);
        if (a && b->model->opset < 11)
            limits[i] = graph_scalar(b->graph, TYPE_F32, (double)a->number);
        else if (1 + i < count && (in[1 + i].node || in[1 + i].numbers))
            limits[i] = in[1 + i].node;
        else
            continue;
        if (!limits[i] || shape_count(limits[i]->shape) != 1)
            return onnx_refuse(b, limits[i], "one number in f32 as a limit");
        x = (i ? op_min : op_max)(x, op_reshape(limits[i], SHAPE_SCALAR));
    }
    out->node = x;
    return STATUS_OK;
}

/* To f32, and to whole numbers of what are whole numbers: f32 itself stays as it is. */
status onnx_cast(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    int64_t to = onnx_whole(b, "to", 0);
    (void)count;
    if (in[0].node ? to != ONNX_FLOAT : to != ONNX_INT64 && to != ONNX_INT32 && to != ONNX_FLOAT)
        return onnx_refuse(b, in[0].node, "a cast to f32 (1), or of sizes to i64 (7) or i32 (6)");
    *out = in[0];
    if (in[0].node || to != ONNX_FLOAT)
        return STATUS_OK;
    float *list = ARENA_ARRAY(b->arena, float, in[0].count + 1);
    for (size_t i = 0; list && i < in[0].count; i++)
        list[i] = (float)in[0].numbers[i];
    *out = (onnx_value){.node = list ? graph_constant(b->graph, TYPE_F32, in[0].single ? SHAPE_SCALAR : SHAPE((int64_t)in[0].count), list) : NULL};
    return list ? STATUS_OK : error_set(b->err, STATUS_MEMORY, "no memory for %s", b->model->name);
}

/* ---- products ---- */
status onnx_matmul(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    shape x = in[0].node->shape, y = in[1].node->shape;
    bool fits = x.rank >= 2 && y.rank >= 2 && (x.rank == y.rank || x.rank == 2 || y.rank == 2) && x.size[x.rank - 1] == y.size[y.rank - 2];
    (void)count;
    for (int i = 0; fits && x.rank == y.rank && i < x.rank - 2; i++)
        fits = x.size[i] == y.size[i] || x.size[i] == 1 || y.size[i] == 1;
    if (!fits)
        return onnx_refuse(b, in[0].node, "rows as long as a matrix is high");
    out->node = op_matmul(in[0].node, in[1].node, false, false);
    return STATUS_OK;
}

status onnx_gemm(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    bool ta = onnx_whole(b, "transA", 0) != 0, tb = onnx_whole(b, "transB", 0) != 0;
    shape x = in[0].node->shape, y = in[1].node->shape;
    if (x.rank != 2 || y.rank != 2 || x.size[ta ? 0 : 1] != y.size[tb ? 1 : 0])
        return onnx_refuse(b, in[0].node, "two matrices that fit");
    out->node = op_scale(op_matmul(in[0].node, in[1].node, ta, tb), onnx_number(b, "alpha", 1));
    node *c = count > 2 ? in[2].node : NULL;
    if (!c)
        return count > 2 && in[2].numbers ? onnx_refuse(b, NULL, "a value in f32 to add") : STATUS_OK;
    if (c->shape.rank > 2 || !onnx_stretch_together(SHAPE(x.size[ta ? 1 : 0], y.size[tb ? 0 : 1]), c->shape))
        return onnx_refuse(b, c, "what can be added to the product");
    out->node = op_add(out->node, op_scale(c, onnx_number(b, "beta", 1)));
    return STATUS_OK;
}

/* ---- over axes ---- */
status onnx_reduce(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node;
    bool keep = onnx_whole(b, "keepdims", 1) != 0, empty = onnx_whole(b, "noop_with_empty_axes", 0) != 0;
    const int64_t *list;
    size_t length;
    axes which;
    TRY(onnx_list(b, in, count, 1, "axes", &list, &length));
    if (empty && length == 0) {
        out->node = x;
        return STATUS_OK;
    }
    TRY(onnx_axes(b, in, count, 1, x->shape.rank, &which));
    slice name = b->at->operation;
    if (shape_count(x->shape) == 0)
        return onnx_refuse(b, x, "elements to reduce");
    if (slice_is(name, "ReduceMean"))
        out->node = op_reduce_mean(x, which, keep);
    else if (slice_is(name, "ReduceSum"))
        out->node = op_reduce_sum(x, which, keep);
    else if (slice_is(name, "ReduceMax"))
        out->node = op_reduce_max(x, which, keep);
    else
        out->node = op_neg(op_reduce_max(op_neg(x), which, keep));
    return STATUS_OK;
}

/* Before version 13 all axes from the given one on were one row. */
status onnx_softmax(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node, *(*op)(node *) = slice_is(b->at->operation, "Softmax") ? op_softmax : op_log_softmax;
    bool rows = b->model->opset < 13;
    int axis, rank = x->shape.rank;
    (void)count;
    if (!onnx_axis(onnx_whole(b, "axis", rows ? 1 : -1), rank, &axis) || shape_count(x->shape) == 0)
        return onnx_refuse(b, x, "an axis of it, and elements");
    if (rows) {
        int64_t before = 1;
        for (int i = 0; i < axis; i++)
            before *= x->shape.size[i];
        out->node = op_reshape(op(op_reshape(x, SHAPE(before, shape_count(x->shape) / before))), x->shape);
        return STATUS_OK;
    }
    axes swap = {.count = rank};
    for (int i = 0; i < rank; i++)
        swap.axis[i] = i;
    swap.axis[axis] = rank - 1;
    swap.axis[rank - 1] = axis;
    out->node = op_transpose(op(op_transpose(x, swap)), swap);
    return STATUS_OK;
}
