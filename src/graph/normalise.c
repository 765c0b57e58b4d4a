/* Normalisation to mean 0 and variance 1 (batch, instance, group and layer normalisation): builders, rules and meanings.
 *
 * x is seen as [outer, count, groups, share]: `count` rows of channels, of which `share` neighbours have their statistics in
 * common, and each of the `outer` has its own. A batch has one outer and shares of 1, images as outer make instance
 * normalisation, larger shares make groups, and rows of one group each are layer normalisation.
 *
 * Attributes: a[0] = how many leading axes number the outer ones, a[1] = share; x[0] = epsilon. Results are y, the mean and the
 * variance (over the elements, not one fewer); the derivatives of these two go through the lowering. */
#include "graph/rules.h"

static node *wide(node *x)
{
    return x ? op_cast(x, wide_type(node_type(x))) : NULL;
}

/* [outer axes ..., groups] */
static shape statistics_shape(const node *x, const node_attributes *a)
{
    shape s = {.rank = (int)a->a[0] + 1};
    for (int i = 0; i + 1 < s.rank; i++)
        s.size[i] = x->shape.size[i];
    s.size[a->a[0]] = shape_last(x->shape) / a->a[1];
    return s;
}

/* [outer, count, groups, share] */
static shape grouped_shape(const node *x, const node_attributes *a)
{
    int64_t outer = 1, count = 1;
    for (int i = 0; i + 1 < x->shape.rank; i++)
        *(i < (int)a->a[0] ? &outer : &count) *= x->shape.size[i];
    return SHAPE(outer, count, shape_last(x->shape) / a->a[1], a->a[1]);
}

static node *part_of(node *x, node *weight, node *bias, const node_attributes *of, int part)
{
    if (!x || !weight || !bias)
        return NULL;
    node_attributes a = *of;
    a.part = part;
    return node_new(x->graph, OP_NORMALISE, part ? wide_type(node_type(x)) : node_type(x),
                    part ? statistics_shape(x, of) : x->shape, (node *[]){x, weight, bias}, 3, &a);
}

static bool fits(const node *x, const node *of_channels)
{
    return of_channels->shape.rank == 1 && of_channels->shape.size[0] == shape_last(x->shape) &&
           (of_channels->type == x->type || (x->type == TYPE_BF16 && of_channels->type == TYPE_F32));
}

/* The three results; `what` is the builder's name. */
static void normalise(const char *what, node *x, node *weight, node *bias, int kept, int64_t groups, double epsilon, node *results[3])
{
    char text[NODE_TEXT], left[NODE_TEXT], right[NODE_TEXT];
    results[0] = results[1] = results[2] = NULL;
    if (!x)
        return;
    int64_t channels = x->shape.rank ? shape_last(x->shape) : 0;
    if (!node_is_float(x) || x->shape.rank <= kept || channels < 1 || groups < 1 || channels % groups != 0) {
        graph_refuse(x->graph, "normalise (%s): expected floats [..., C] of more than %d axes, C at least 1 and a multiple of %lld, "
                               "found %s",
                     what, kept, (long long)groups, node_text(x, text));
        return;
    }
    element_type type = weight ? node_type(weight) : bias ? node_type(bias) : wide_type(node_type(x));
    weight = weight ? weight : graph_fill(x->graph, type, SHAPE(channels), 1);
    bias = bias ? bias : graph_fill(x->graph, type, SHAPE(channels), 0);
    if (!weight || !bias)
        return;
    if (!fits(x, weight) || !fits(x, bias)) {
        graph_refuse(x->graph, "normalise (%s): expected a weight and a bias [C] of the type of x [..., C], or f32 where that is bf16, "
                               "found x %s, %s and %s",
                     what, node_text(x, text), node_text(weight, left), node_text(bias, right));
        return;
    }
    if (weight->type != bias->type) { /* one of them bf16 */
        weight = wide(weight);
        bias = wide(bias);
    }
    node_attributes a = {.a = {kept, channels / groups}, .x = {epsilon}};
    for (int i = 0; i < 3; i++)
        results[i] = part_of(x, weight, bias, &a, i);
}

node *op_batch_norm(node *x, node *weight, node *bias, double epsilon, node **mean, node **variance)
{
    node *r[3];
    normalise("batch_norm", x, weight, bias, 0, x && x->shape.rank ? shape_last(x->shape) : 1, epsilon, r);
    if (mean)
        *mean = r[1];
    if (variance)
        *variance = r[2];
    return r[0];
}

node *op_group_norm(node *x, int64_t groups, node *weight, node *bias, double epsilon)
{
    node *r[3];
    normalise("group_norm", x, weight, bias, 1, groups, epsilon, r);
    return r[0];
}

node *op_instance_norm(node *x, node *weight, node *bias, double epsilon)
{
    return op_group_norm(x, x && x->shape.rank ? shape_last(x->shape) : 1, weight, bias, epsilon);
}

node *op_layer_norm(node *x, node *weight, node *bias, double epsilon)
{
    node *r[3];
    normalise("layer_norm", x, weight, bias, x && x->shape.rank ? x->shape.rank - 1 : 0, 1, epsilon, r);
    return r[0];
}

/* ---- meanings ---- */
/* x less its mean, grouped and in f32, and the statistics with the reduced axes kept as 1. */
static node *centred(const node *n, node *x, node **mean, node **variance)
{
    node *w = x ? op_reshape(wide(x), grouped_shape(n->sources[0], n->attributes)) : NULL;
    *mean = op_reduce_mean(w, AXES(1, 3), true);
    node *c = op_sub(w, *mean);
    *variance = op_reduce_mean(op_square(c), AXES(1, 3), true);
    return c;
}

static node *normalised(const node *n, node *x, node *weight)
{
    node *mean, *variance, *c = centred(n, x, &mean, &variance);
    node *y = op_mul(c, op_rsqrt(op_shift(variance, n->attributes->x[0])));
    return y ? op_mul(op_reshape(y, n->sources[0]->shape), wide(weight)) : NULL;
}

node *lower_normalise(node *n)
{
    node *mean, *variance;
    if (n->attributes->part == 0)
        return op_cast(op_add(normalised(n, n->sources[0], n->sources[1]), wide(n->sources[2])), node_type(n));
    centred(n, n->sources[0], &mean, &variance);
    return variance ? op_reshape(n->attributes->part == 1 ? mean : variance, n->shape) : NULL;
}

/* The bias does not matter to the gradients of x and the weight. */
static node *value_without_bias(const node *n, node *const *sources)
{
    return op_cast(normalised(n, sources[0], sources[1]), node_type(n->sources[0]));
}

node *lower_normalise_grad(node *n)
{
    node *dy = n->sources[4];
    if (n->attributes->part < 2)
        return lower_by_gradient(n, value_without_bias, dy, n->attributes->part);
    axes all = {.count = dy->shape.rank - 1};
    for (int i = 0; i < all.count; i++)
        all.axis[i] = i;
    return op_cast(op_reduce_sum(wide(dy), all, false), node_type(n));
}

/* ---- rules ---- */
void grad_normalise(backward *b, node *n, node *dy)
{
    node **s = n->sources;
    node *mean = part_of(s[0], s[1], s[2], n->attributes, 1), *variance = part_of(s[0], s[1], s[2], n->attributes, 2);
    for (int i = 0; i < 3; i++) {
        if (!backward_wants(b, s[i]))
            continue;
        node_attributes a = *n->attributes;
        a.part = i;
        backward_add(b, s[i], node_new(n->graph, OP_NORMALISE_GRAD, node_type(s[i]), s[i]->shape,
                                       (node *[]){s[0], s[1], mean, variance, dy}, 5, &a));
    }
}

/* Examples are outer ones; what sums over them, and a weight for each, is the lowering's. */
node *batch_normalise(node *n, node *const *sources, const bool *batched, int64_t size)
{
    bool gradient = n->op == OP_NORMALISE_GRAD;
    if (batched[1] || (!gradient && batched[2]) || (gradient && n->attributes->part > 0))
        return NULL;
    node *all[5];
    for (int i = 0; i < n->source_count; i++) {
        bool of_channels = i == 1 || (i == 2 && !gradient);
        all[i] = of_channels || batched[i] ? sources[i] : op_broadcast(sources[i], shape_insert(n->sources[i]->shape, 0, size));
    }
    node_attributes a = *n->attributes;
    a.a[0]++;
    return node_new(n->graph, (op_code)n->op, node_type(n), shape_insert(n->shape, 0, size), all, n->source_count, &a);
}
