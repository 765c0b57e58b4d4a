/* ONNX operations on images [N, C, H, W] and series [N, C, L]: channels stand first in the file, last in the graph. */
#include "nn/onnx_build.h"

#include <stdio.h>

/* The channels [N, C, ...] to the end and back. What has just been brought back is taken as it was. */
static node *channels_last(node *x)
{
    axes order = {.count = x->shape.rank};
    bool back = x->op == OP_TRANSPOSE;
    for (int i = 0; i < order.count; i++) {
        order.axis[i] = i == 0 ? 0 : i + 1 < order.count ? i + 1 : 1;
        back = back && x->attributes->a[i] == (i == 0 ? 0 : i == 1 ? order.count - 1 : i - 1);
    }
    return back ? x->sources[0] : op_transpose(x, order);
}

static node *channels_first(node *x)
{
    if (!x)
        return NULL;
    axes order = {.count = x->shape.rank};
    for (int i = 0; i < order.count; i++)
        order.axis[i] = i == 0 ? 0 : i == 1 ? order.count - 1 : i - 1;
    return op_transpose(x, order);
}

/* A series as an image of one row, and back. */
static node *as_image(node *x)
{
    const shape s = x->shape;
    return s.rank == 4 ? x : op_reshape(x, SHAPE(s.size[0], s.size[1], 1, s.size[2]));
}

static node *as_series(node *x, int rank)
{
    return rank == 4 || !x ? x : op_reshape(x, SHAPE(x->shape.size[0], x->shape.size[1], x->shape.size[3]));
}

/* Entry i of a list of integers, or the fallback when there is none. */
static status entry(const onnx_builder *b, const char *name, size_t count, size_t i, int64_t least, int64_t fallback, int64_t *out)
{
    const onnx_attribute *a = onnx_attribute_of(b, name);
    *out = a && a->count ? (a->count == count ? a->integers[i] : least - 1) : fallback;
    if (*out >= least && *out <= ONNX_PLACES)
        return STATUS_OK;
    char text[128];
    snprintf(text, sizeof text, "'%s' of %zu integers of at least %lld", name, count, (long long)least);
    return onnx_refuse(b, NULL, text);
}

/* Axes of a series count from 1: it has one row. */
static status read_windows(const onnx_builder *b, const node *x, size_t dimensions, const int64_t kernel[2], window_options *o)
{
    const onnx_attribute *pad = onnx_attribute_of(b, "auto_pad");
    bool same = pad && (slice_is(pad->text, "SAME_UPPER") || slice_is(pad->text, "SAME_LOWER"));
    if (pad && pad->text.length && !same && !slice_is(pad->text, "NOTSET") && !slice_is(pad->text, "VALID"))
        return onnx_refuse(b, x, "an auto_pad of NOTSET, VALID, SAME_UPPER or SAME_LOWER");
    if (onnx_whole(b, "ceil_mode", 0) != 0)
        return onnx_refuse(b, x, "a ceil_mode of 0");
    *o = (window_options){.stride = {1, 1}, .dilation = {1, 1}};
    for (size_t i = 2 - dimensions; i < 2; i++) {
        size_t at = i - (2 - dimensions);
        TRY(entry(b, "strides", dimensions, at, 1, 1, &o->stride[i]));
        TRY(entry(b, "dilations", dimensions, at, 1, 1, &o->dilation[i]));
        TRY(entry(b, "pads", 2 * dimensions, at, 0, 0, &o->before[i]));
        TRY(entry(b, "pads", 2 * dimensions, dimensions + at, 0, 0, &o->after[i]));
        int64_t size = x->shape.size[2 + i], span = o->dilation[i] * (kernel[i] - 1) + 1;
        if (same) { /* as many windows as strides begin in the image */
            int64_t windows = (size + o->stride[i] - 1) / o->stride[i], total = (windows - 1) * o->stride[i] + span - size;
            total = total > 0 ? total : 0;
            o->before[i] = slice_is(pad->text, "SAME_UPPER") ? total / 2 : total - total / 2;
            o->after[i] = total - o->before[i];
        }
        if (size + o->before[i] + o->after[i] < span)
            return onnx_refuse(b, x, "images that hold a window");
    }
    return STATUS_OK;
}

status onnx_conv(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node, *weight = in[1].node, *bias = count > 2 ? in[2].node : NULL;
    int64_t groups = onnx_whole(b, "group", 1);
    window_options o;
    int rank = x->shape.rank;
    const int64_t *s = weight->shape.size;
    bool fits = (rank == 3 || rank == 4) && weight->shape.rank == rank && groups >= 1 && groups <= s[0] && s[0] % groups == 0 &&
                x->shape.size[1] % groups == 0 && s[1] == x->shape.size[1] / groups && shape_count(weight->shape) > 0;
    if (!fits)
        return onnx_refuse(b, x, "images [N, C, H, W] or series [N, C, L] and a weight [O, C / group, rows, columns] or [O, C / group, length]");
    x = as_image(x);
    weight = as_image(weight);
    if (!x || !weight)
        return STATUS_OK; /* the graph knows why */
    TRY(read_windows(b, x, (size_t)rank - 2, &weight->shape.size[2], &o));
    if (bias && !shape_equal(bias->shape, SHAPE(weight->shape.size[0])))
        return onnx_refuse(b, bias, "a bias for each channel");
    node *y = op_conv(channels_last(x), weight, groups, o);
    out->node = as_series(channels_first(bias ? op_add(y, bias) : y), rank);
    return STATUS_OK;
}

status onnx_pool(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    int64_t kernel[2] = {1, 1};
    window_options o;
    int rank = in[0].node->shape.rank;
    (void)count;
    if (rank != 3 && rank != 4)
        return onnx_refuse(b, in[0].node, "images [N, C, H, W] or series [N, C, L]");
    size_t dimensions = (size_t)rank - 2;
    for (size_t i = 0; i < dimensions; i++)
        TRY(entry(b, "kernel_shape", dimensions, i, 1, 0, &kernel[2 - dimensions + i]));
    node *x = as_image(in[0].node), *y;
    if (!x)
        return STATUS_OK;
    TRY(read_windows(b, x, dimensions, kernel, &o));
    if (slice_is(b->at->operation, "MaxPool")) {
        y = op_max_pool(channels_last(x), kernel, o);
    } else {
        y = op_average_pool(channels_last(x), kernel, o);
        if ((o.before[0] || o.before[1] || o.after[0] || o.after[1]) && onnx_whole(b, "count_include_pad", 0) == 0)
            y = op_div(y, op_average_pool(graph_fill(b->graph, TYPE_F32, SHAPE(1, x->shape.size[2], x->shape.size[3], 1), 1), kernel, o));
    }
    out->node = as_series(channels_first(y), rank);
    return STATUS_OK;
}

status onnx_global_pool(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node;
    axes which = {.count = x->shape.rank - 2};
    (void)count;
    if (which.count < 1 || shape_count(x->shape) == 0)
        return onnx_refuse(b, x, "images [N, C, H, W]");
    for (int i = 0; i < which.count; i++)
        which.axis[i] = 2 + i;
    out->node = (slice_is(b->at->operation, "GlobalMaxPool") ? op_reduce_max : op_reduce_mean)(x, which, true);
    return STATUS_OK;
}

/* ---- normalisation ---- */
static bool per_channel(const node *x, const node *of)
{
    return x && shape_equal(x->shape, SHAPE(of->shape.size[1]));
}

/* By the statistics in the file. Further outputs are what a step of training would keep: a network that names them is being trained. */
status onnx_batch_norm(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node;
    bool trains = onnx_whole(b, "training_mode", 0) != 0;
    (void)count;
    for (size_t i = 1; i < b->at->output_count; i++)
        trains = trains || b->at->outputs[i].length;
    if (trains)
        return error_hint((onnx_refuse(b, x, "the form for inference: training_mode 0, and no outputs but the first"), b->err),
                          "export the network after model.eval(), so that batch normalisation uses the statistics that it has learnt");
    if (onnx_whole(b, "spatial", 1) != 1 || x->shape.rank < 2)
        return onnx_refuse(b, x, "statistics for each channel of [N, C, ...]");
    for (size_t i = 1; i < 5; i++)
        if (!per_channel(in[i].node, x))
            return onnx_refuse(b, in[i].node, "a number for each channel");
    double epsilon = onnx_number(b, "epsilon", 1e-5);
    out->node = channels_first(op_batch_norm_frozen(channels_last(x), in[1].node, in[2].node, in[3].node, in[4].node, epsilon));
    return STATUS_OK;
}

/* InstanceNormalization, and LayerNormalization over the last axis. */
status onnx_row_norm(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node, *bias = count > 2 ? in[2].node : NULL;
    double epsilon = onnx_number(b, "epsilon", 1e-5);
    if (slice_is(b->at->operation, "InstanceNormalization")) {
        if (x->shape.rank < 3 || shape_count(x->shape) == 0 || !per_channel(in[1].node, x) || !per_channel(bias, x))
            return onnx_refuse(b, x, "images [N, C, ...] and two numbers for each channel");
        out->node = channels_first(op_instance_norm(channels_last(x), in[1].node, bias, epsilon));
        return STATUS_OK;
    }
    int axis, last = x->shape.rank - 1;
    bool fits = onnx_axis(onnx_whole(b, "axis", -1), x->shape.rank, &axis) && axis == last && shape_count(x->shape) > 0 &&
                shape_equal(in[1].node->shape, SHAPE(x->shape.size[last])) && (!bias || shape_equal(bias->shape, in[1].node->shape));
    if (!fits)
        return onnx_refuse(b, x, "the last axis, and a weight and a bias as long as it");
    out->node = op_layer_norm(x, in[1].node, bias, epsilon);
    return STATUS_OK;
}

/* With zeros. */
status onnx_pad(onnx_builder *b, const onnx_value *in, size_t count, onnx_value *out)
{
    node *x = in[0].node, *fill = count > 2 ? in[2].node : NULL;
    const onnx_attribute *mode = onnx_attribute_of(b, "mode");
    const int64_t *pads;
    size_t length;
    TRY(onnx_list(b, in, count, 1, "pads", &pads, &length));
    bool zeros = onnx_number(b, "value", 0) == 0 &&
                 (!fill || (fill->op == OP_FILL && fill->attributes->x[0] == 0) ||
                  (fill->op == OP_CONSTANT && shape_count(fill->shape) == 1 && *(const float *)fill->data == 0));
    bool fits = (!mode || !mode->text.length || slice_is(mode->text, "constant")) && zeros && !(count > 3 && (in[3].numbers || in[3].node));
    if (!fits || !pads || length != 2 * (size_t)x->shape.rank)
        return onnx_refuse(b, x, "a mode of 'constant' with zeros, and two widths for each axis");
    for (int i = 0; x && i < x->shape.rank; i++) {
        int64_t before = pads[i], after = pads[i + x->shape.rank];
        if (before < 0 || after < 0 || before > ONNX_PLACES || after > ONNX_PLACES)
            return onnx_refuse(b, x, "widths of at least 0");
        if (before || after)
            x = op_pad(x, i, before, after);
        if (x && shape_count(x->shape) > INT32_MAX)
            return onnx_refuse(b, x, "at most 2^31 elements");
    }
    out->node = x;
    return STATUS_OK;
}
