/* Windows over images, convolutions and pools: builders, rules and meanings.
 *
 * Windows and their sum are each other's transposes. The three products of a convolution (forward, gradient of the input,
 * gradient of the weight) are bilinear, and each one's derivatives are the other two, so that every order of reverse mode
 * stays among them.
 *
 * Attributes: a = kernel, stride, dilation, before (rows and columns each); b = groups, then the image's rows and columns, then
 * those of the result of the forward operation. */
#include "graph/rules.h"

#include <math.h>

window_layout window_layout_of(const node *n)
{
    const int64_t *a = n->attributes->a, *b = n->attributes->b;
    return (window_layout){.kernel = {a[0], a[1]}, .stride = {a[2], a[3]}, .dilation = {a[4], a[5]}, .before = {a[6], a[7]},
                           .groups = b[0], .in = {b[1], b[2]}, .out = {b[3], b[4]}};
}

static node_attributes attributes_of(const window_layout *w)
{
    return (node_attributes){.a = {w->kernel[0], w->kernel[1], w->stride[0], w->stride[1], w->dilation[0], w->dilation[1],
                                   w->before[0], w->before[1]},
                             .b = {w->groups, w->in[0], w->in[1], w->out[0], w->out[1]}};
}

/* False, and noted, where the windows do not fit. */
static bool lay_out(const char *what, const node *x, const int64_t kernel[2], int64_t groups, window_options o, window_layout *out)
{
    const int64_t most = (int64_t)1 << 30;
    char text[NODE_TEXT];
    if (x->shape.rank != 4 || !node_is_float(x)) {
        graph_refuse(x->graph, "%s: expected images [N, H, W, C] of floats, found %s", what, node_text(x, text));
        return false;
    }
    window_layout w = {.groups = groups};
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = kernel[i];
        w.stride[i] = o.stride[i] ? o.stride[i] : 1;
        w.dilation[i] = o.dilation[i] ? o.dilation[i] : 1;
        w.before[i] = o.before[i];
        w.in[i] = x->shape.size[1 + i];
        bool known = kernel[i] >= 1 && kernel[i] <= most && w.stride[i] >= 1 && w.dilation[i] >= 1 && w.dilation[i] <= most &&
                     o.before[i] >= 0 && o.before[i] <= most && o.after[i] >= 0 && o.after[i] <= most;
        int64_t spare = known ? w.in[i] + o.before[i] + o.after[i] - w.dilation[i] * (kernel[i] - 1) - 1 : -1;
        if (spare < 0) {
            graph_refuse(x->graph, "%s: a window of %lld x %lld places, strides %lld and %lld apart, does not fit images %s", what,
                         (long long)kernel[0], (long long)kernel[1], (long long)o.stride[0], (long long)o.stride[1],
                         node_text(x, text));
            return false;
        }
        w.out[i] = spare / w.stride[i] + 1;
    }
    *out = w;
    return true;
}

static shape image_shape(int64_t images, const int64_t size[2], int64_t channels)
{
    return SHAPE(images, size[0], size[1], channels);
}

/* ---- windows ---- */
static node *windows(node *x, const window_layout *w)
{
    node_attributes a = attributes_of(w);
    return node_new(x->graph, OP_WINDOWS, node_type(x),
                    SHAPE(x->shape.size[0], w->out[0], w->out[1], w->kernel[0], w->kernel[1], x->shape.size[3]), &x, 1, &a);
}

static node *windows_sum(node *y, const window_layout *w)
{
    if (!y)
        return NULL;
    node_attributes a = attributes_of(w);
    return node_new(y->graph, OP_WINDOWS_SUM, node_type(y), image_shape(y->shape.size[0], w->in, y->shape.size[5]), &y, 1, &a);
}

node *op_windows(node *x, const int64_t kernel[2], window_options o)
{
    if (!x)
        return NULL;
    window_layout w;
    return lay_out("windows", x, kernel, 1, o, &w) ? windows(x, &w) : NULL;
}

void grad_windows(backward *b, node *n, node *dy)
{
    window_layout w = window_layout_of(n);
    backward_add(b, n->sources[0], windows_sum(dy, &w));
}

void grad_windows_sum(backward *b, node *n, node *dy)
{
    window_layout w = window_layout_of(n);
    backward_add(b, n->sources[0], dy ? windows(dy, &w) : NULL);
}

node *op_average_pool(node *x, const int64_t kernel[2], window_options o)
{
    return op_reduce_mean(op_windows(x, kernel, o), AXES(3, 4), false);
}

/* ---- the largest of each window ---- */
static node *max_pool_value(const node *n, node *const *sources)
{
    window_layout w = window_layout_of(n);
    node *x = sources[0], *places = x ? windows(x, &w) : NULL;
    if (!places)
        return NULL;
    node *inside = windows(graph_fill(x->graph, node_type(x), x->shape, 1), &w);
    node *nothing = graph_scalar(x->graph, node_type(x), -INFINITY);
    node *held = op_select(op_equal(inside, graph_scalar(x->graph, node_type(x), 1)), places, nothing);
    return op_reduce_max(held, AXES(3, 4), false);
}

node *op_max_pool(node *x, const int64_t kernel[2], window_options o)
{
    if (!x)
        return NULL;
    window_layout w;
    if (!lay_out("max_pool", x, kernel, 1, o, &w))
        return NULL;
    node_attributes a = attributes_of(&w);
    return node_new(x->graph, OP_MAX_POOL, node_type(x), image_shape(x->shape.size[0], w.out, x->shape.size[3]), &x, 1, &a);
}

void grad_max_pool(backward *b, node *n, node *dy)
{
    node *x = n->sources[0];
    backward_add(b, x, node_new(n->graph, OP_MAX_POOL_GRAD, node_type(x), x->shape, (node *[]){x, n, dy}, 3, n->attributes));
}

node *lower_max_pool(node *n)
{
    return max_pool_value(n, n->sources);
}

node *lower_max_pool_grad(node *n)
{
    return lower_by_gradient(n, max_pool_value, n->sources[2], 0);
}

/* ---- convolution ---- */
node *op_conv(node *x, node *weight, int64_t groups, window_options o)
{
    if (!x || !weight)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    bool fits = x->shape.rank == 4 && weight->shape.rank == 4 && x->type == weight->type && groups >= 1 &&
                weight->shape.size[0] % groups == 0 && x->shape.size[3] % groups == 0 &&
                weight->shape.size[1] == x->shape.size[3] / groups;
    if (!fits)
        return graph_refuse(x->graph, "conv: weight %s in %lld groups does not fit images %s: expected [O, C / groups, rows, "
                            "columns] for [N, H, W, C]", node_text(weight, right), (long long)groups, node_text(x, left));
    window_layout w;
    if (!lay_out("conv", x, &weight->shape.size[2], groups, o, &w))
        return NULL;
    node_attributes a = attributes_of(&w);
    return node_new(x->graph, OP_CONV, node_type(x), image_shape(x->shape.size[0], w.out, weight->shape.size[0]),
                    (node *[]){x, weight}, 2, &a);
}

node *op_conv_1d(node *x, node *weight, int64_t groups, window_options o)
{
    if (!x || !weight)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    if (x->shape.rank != 3 || weight->shape.rank != 3)
        return graph_refuse(x->graph, "conv_1d: expected x [N, L, C] and weight [O, C / groups, K], found %s and %s",
                            node_text(x, left), node_text(weight, right));
    o.stride[1] = o.dilation[1] = 1;
    o.before[1] = o.after[1] = 0;
    node *y = op_conv(op_reshape(x, shape_insert(x->shape, 2, 1)), op_reshape(weight, shape_insert(weight->shape, 3, 1)), groups,
                      o);
    return y ? op_reshape(y, shape_remove(y->shape, 2)) : NULL;
}

static node *input_grad(node *dy, node *weight, const node_attributes *a)
{
    if (!dy || !weight)
        return NULL;
    int64_t channels = weight->shape.size[1] * a->b[0];
    return node_new(dy->graph, OP_CONV_INPUT_GRAD, node_type(dy), image_shape(dy->shape.size[0], &a->b[1], channels),
                    (node *[]){dy, weight}, 2, a);
}

static node *weight_grad(node *x, node *dy, const node_attributes *a)
{
    if (!x || !dy)
        return NULL;
    shape s = SHAPE(dy->shape.size[3], x->shape.size[3] / a->b[0], a->a[0], a->a[1]);
    return node_new(x->graph, OP_CONV_WEIGHT_GRAD, node_type(x), s, (node *[]){x, dy}, 2, a);
}

static node *forward(node *x, node *weight, const node_attributes *a)
{
    if (!x || !weight)
        return NULL;
    return node_new(x->graph, OP_CONV, node_type(x), image_shape(x->shape.size[0], &a->b[3], weight->shape.size[0]),
                    (node *[]){x, weight}, 2, a);
}

void grad_conv(backward *b, node *n, node *dy)
{
    if (backward_wants(b, n->sources[0]))
        backward_add(b, n->sources[0], input_grad(dy, n->sources[1], n->attributes));
    if (backward_wants(b, n->sources[1]))
        backward_add(b, n->sources[1], weight_grad(n->sources[0], dy, n->attributes));
}

void grad_conv_input_grad(backward *b, node *n, node *dx)
{
    if (backward_wants(b, n->sources[0]))
        backward_add(b, n->sources[0], forward(dx, n->sources[1], n->attributes));
    if (backward_wants(b, n->sources[1]))
        backward_add(b, n->sources[1], weight_grad(dx, n->sources[0], n->attributes));
}

void grad_conv_weight_grad(backward *b, node *n, node *dw)
{
    if (backward_wants(b, n->sources[0]))
        backward_add(b, n->sources[0], input_grad(n->sources[1], dw, n->attributes));
    if (backward_wants(b, n->sources[1]))
        backward_add(b, n->sources[1], forward(n->sources[0], dw, n->attributes));
}

/* Windows and weights as matrices, one for each group: [G, P, K] times [G, O / G, K] transposed. */
static node *conv_value(const node *n, node *const *sources)
{
    node *x = sources[0], *weight = sources[1];
    if (!x || !weight)
        return NULL;
    window_layout w = window_layout_of(n);
    int64_t g = w.groups, per = x->shape.size[3] / g, outputs = weight->shape.size[0], k = w.kernel[0] * w.kernel[1];
    int64_t places = x->shape.size[0] * w.out[0] * w.out[1];
    element_type wide = wide_type(node_type(x));
    node *rows = op_reshape(windows(x, &w), SHAPE(places, k, g, per));
    rows = op_reshape(op_transpose(rows, AXES(2, 0, 1, 3)), SHAPE(g, places, k * per));
    node *columns = op_transpose(op_reshape(weight, SHAPE(g, outputs / g, per, k)), AXES(0, 1, 3, 2));
    columns = op_reshape(columns, SHAPE(g, outputs / g, k * per));
    node *y = op_transpose(op_matmul_as(rows, columns, false, true, wide), AXES(1, 0, 2));
    return op_reshape(y, image_shape(x->shape.size[0], w.out, outputs));
}

node *lower_conv(node *n)
{
    return op_cast(conv_value(n, n->sources), node_type(n));
}

/* The gradient of the wide value in x or the weight, whose own values do not matter to it. */
static node *lower_conv_grad(node *n, int which)
{
    element_type wide = wide_type(node_type(n));
    node *pair[2] = {op_cast(n->sources[0], wide), op_cast(n->sources[1], wide)};
    node *seed = pair[which], *gradient = NULL;
    pair[which] = op_identity(graph_fill(n->graph, wide, n->shape, 0));
    node *y = conv_value(n, pair);
    if (!y || !seed || !graph_grad(y, &pair[which], 1, seed, &gradient))
        return NULL;
    return op_cast(gradient, node_type(n));
}

node *lower_conv_input_grad(node *n)
{
    return lower_conv_grad(n, 0);
}

node *lower_conv_weight_grad(node *n)
{
    return lower_conv_grad(n, 1);
}
