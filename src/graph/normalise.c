/* Normalisation over the rows of each channel: builders, rules and meanings.
 *
 * x is seen as [groups ..., rows ..., C]. Each group has its own statistics: of a batch there is one (batch normalisation), of
 * images each may be one (instance normalisation). Attributes: a[0] = how many leading axes number the groups; x[0] = epsilon.
 * Results are y, the mean and the variance (over the rows, not one fewer), whose derivatives go through the lowering. */
#include "graph/rules.h"

static shape statistics_shape(const node *x, int64_t kept)
{
    shape s = {.rank = (int)kept + 1};
    for (int i = 0; i < (int)kept; i++)
        s.size[i] = x->shape.size[i];
    s.size[kept] = shape_last(x->shape);
    return s;
}

static node *wide(node *x)
{
    return x ? op_cast(x, wide_type(node_type(x))) : NULL;
}

/* Part `part` of the call; the sources have been checked. */
static node *norm_part(node *x, node *weight, node *bias, int64_t kept, double epsilon, int part)
{
    if (!x || !weight || !bias)
        return NULL;
    node_attributes a = {.part = part, .a = {kept}, .x = {epsilon}};
    return node_new(x->graph, OP_BATCH_NORM, part ? wide_type(node_type(x)) : node_type(x),
                    part ? statistics_shape(x, kept) : x->shape, (node *[]){x, weight, bias}, 3, &a);
}

static bool fits(const node *x, const node *of_channels)
{
    return of_channels->shape.rank == 1 && of_channels->shape.size[0] == shape_last(x->shape) &&
           (of_channels->type == x->type || (x->type == TYPE_BF16 && of_channels->type == TYPE_F32));
}

static node *norm(node *x, node *weight, node *bias, int64_t kept, double epsilon, node **mean, node **variance)
{
    node *unused;
    mean = mean ? mean : &unused;
    variance = variance ? variance : &unused;
    *mean = *variance = NULL;
    if (!x)
        return NULL;
    char text[NODE_TEXT], first[NODE_TEXT], second[NODE_TEXT];
    if (!node_is_float(x) || x->shape.rank < (int)kept + 1 || shape_count(x->shape) == 0)
        return graph_refuse(x->graph, "batch_norm: expected x [..., C] of floats and not empty, with %lld leading axes, found %s",
                            (long long)kept, node_text(x, text));
    element_type type = weight ? node_type(weight) : bias ? node_type(bias) : wide_type(node_type(x));
    shape channels = SHAPE(shape_last(x->shape));
    weight = weight ? weight : graph_fill(x->graph, type, channels, 1);
    bias = bias ? bias : graph_fill(x->graph, type, channels, 0);
    if (weight && bias && (!fits(x, weight) || !fits(x, bias) || weight->type != bias->type))
        return graph_refuse(x->graph, "batch_norm: expected weight and bias [C] of one type, that of x or f32 where x is bf16, found %s "
                            "and %s for %s", node_text(weight, first), node_text(bias, second), node_text(x, text));
    *mean = norm_part(x, weight, bias, kept, epsilon, 1);
    *variance = norm_part(x, weight, bias, kept, epsilon, 2);
    return norm_part(x, weight, bias, kept, epsilon, 0);
}

node *op_batch_norm(node *x, node *weight, node *bias, double epsilon, node **mean, node **variance)
{
    return norm(x, weight, bias, 0, epsilon, mean, variance);
}

node *op_instance_norm(node *x, node *weight, node *bias, double epsilon)
{
    return norm(x, weight, bias, 1, epsilon, NULL, NULL);
}

/* ---- meanings ---- */
/* All but the kept axes and the last. */
static axes rows_of(const node *n)
{
    axes rows = {0};
    for (int i = (int)n->attributes->a[0]; i + 1 < n->sources[0]->shape.rank; i++)
        rows.axis[rows.count++] = i;
    return rows;
}

/* x less its mean, in f32, and the statistics with the reduced axes kept as 1. */
static node *centred(const node *n, node *x, node **mean, node **variance)
{
    node *w = wide(x);
    *mean = op_reduce_mean(w, rows_of(n), true);
    node *c = op_sub(w, *mean);
    *variance = op_reduce_mean(op_square(c), rows_of(n), true);
    return c;
}

static node *normalised(const node *n, node *x, node *weight)
{
    node *mean, *variance, *c = centred(n, x, &mean, &variance);
    return op_mul(op_mul(c, op_rsqrt(op_shift(variance, n->attributes->x[0]))), wide(weight));
}

node *lower_batch_norm(node *n)
{
    node *mean, *variance;
    if (n->attributes->part == 0)
        return op_cast(op_add(normalised(n, n->sources[0], n->sources[1]), wide(n->sources[2])), node_type(n));
    centred(n, n->sources[0], &mean, &variance);
    return op_reshape(n->attributes->part == 1 ? mean : variance, n->shape);
}

/* The bias does not matter to the gradients of x and the weight. */
static node *value_without_bias(const node *n, node *const *sources)
{
    return op_cast(normalised(n, sources[0], sources[1]), node_type(n->sources[0]));
}

node *lower_batch_norm_grad(node *n)
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
void grad_batch_norm(backward *b, node *n, node *dy)
{
    node **s = n->sources;
    int64_t kept = n->attributes->a[0];
    double epsilon = n->attributes->x[0];
    node *mean = norm_part(s[0], s[1], s[2], kept, epsilon, 1), *variance = norm_part(s[0], s[1], s[2], kept, epsilon, 2);
    for (int i = 0; i < 3; i++) {
        if (!backward_wants(b, s[i]))
            continue;
        node_attributes a = {.part = i, .a = {kept}, .x = {epsilon}};
        backward_add(b, s[i], node_new(n->graph, OP_BATCH_NORM_GRAD, node_type(s[i]), s[i]->shape,
                                       (node *[]){s[0], s[1], mean, variance, dy}, 5, &a));
    }
}

/* Examples are groups; what sums over them, and a weight for each, is the lowering's. */
node *batch_batch_norm(node *n, node *const *sources, const bool *batched, int64_t size)
{
    bool gradient = n->op == OP_BATCH_NORM_GRAD;
    if (batched[1] || (!gradient && batched[2]) || (gradient && n->attributes->part > 0) || n->shape.rank >= RANK_MAX)
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
