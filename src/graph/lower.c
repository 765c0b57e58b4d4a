/* What fused operations mean: rows and layers. Arithmetic in f32 (f64 for f64), rounded once at the end. */
#include "graph/rules.h"

static node *wide(node *x)
{
    return x ? op_cast(x, wide_type(node_type(x))) : NULL;
}

static node *back(node *y, const node *like)
{
    return op_cast(y, node_type(like));
}

node *lower_by_gradient(node *n, value_builder *value, node *seed, int which)
{
    node *wrapped[8] = {NULL}, *gradient = NULL;
    for (int i = 0; i < n->source_count; i++)
        wrapped[i] = op_identity(n->sources[i]);
    node *y = value(n, wrapped);
    if (!y || !graph_grad(y, &wrapped[which], 1, seed, &gradient))
        return NULL;
    return gradient;
}

node *lower_linear(node *n)
{
    node *x = n->sources[0], *weight = op_cast(n->sources[1], node_type(x));
    int64_t k = shape_last(x->shape);
    shape rows = SHAPE(k ? shape_count(x->shape) / k : shape_count(shape_without_last(x->shape)), k);
    return op_reshape(op_matmul_as(op_reshape(x, rows), weight, false, true, node_type(n)), n->shape);
}

/* exp(x - max) and the max, both keeping the last axis. */
static node *shifted_exp(node *x, node **most)
{
    *most = op_stop_gradient(op_reduce_max(x, AXES(-1), true));
    return op_exp(op_sub(x, *most));
}

static node *softmax_of(node *x)
{
    node *most, *e = shifted_exp(x, &most);
    return op_div(e, op_reduce_sum(e, AXES(-1), true));
}

/* log of the sum of exp over the last axis, which goes. */
static node *logsumexp_of(node *x, bool keep)
{
    node *most, *e = shifted_exp(x, &most), *sum = op_reduce_sum(e, AXES(-1), true);
    node *lse = op_add(op_log(sum), most);
    return keep || !lse ? lse : op_reshape(lse, shape_without_last(lse->shape));
}

node *lower_softmax(node *n)
{
    return back(softmax_of(wide(n->sources[0])), n);
}

node *lower_softmax_grad(node *n)
{
    node *y = wide(n->sources[0]), *dy = wide(n->sources[1]);
    return back(op_mul(y, op_sub(dy, op_reduce_sum(op_mul(y, dy), AXES(-1), true))), n);
}

node *lower_log_softmax(node *n)
{
    node *x = wide(n->sources[0]);
    return back(op_sub(x, logsumexp_of(x, true)), n);
}

static node *rms_norm_of(const node *n, node *const *sources, int part)
{
    node *x = wide(sources[0]);
    node *r = op_rsqrt(op_shift(op_reduce_mean(op_square(x), AXES(-1), true), n->attributes->x[0]));
    if (!r)
        return NULL;
    return part ? op_reshape(r, shape_without_last(r->shape))
                : op_cast(op_mul(op_mul(x, r), wide(sources[1])), node_type(sources[0]));
}

static node *rms_norm_value(const node *n, node *const *sources)
{
    return rms_norm_of(n, sources, 0);
}

node *lower_rms_norm(node *n)
{
    return rms_norm_of(n, n->sources, n->attributes->part);
}

node *lower_rms_norm_grad(node *n)
{
    return lower_by_gradient(n, rms_norm_value, n->sources[3], n->attributes->part);
}

static node *silu_mul_value(const node *n, node *const *sources)
{
    return back(op_mul(op_silu(wide(sources[0])), wide(sources[1])), n);
}

node *lower_silu_mul(node *n)
{
    return silu_mul_value(n, n->sources);
}

node *lower_silu_mul_grad(node *n)
{
    return lower_by_gradient(n, silu_mul_value, n->sources[2], n->attributes->part);
}

node *lower_rotary(node *n)
{
    node *x = wide(n->sources[0]);
    int64_t rows = n->shape.size[0], half = n->shape.size[2] / 2;
    node *c = op_reshape(op_gather_rows(n->sources[2], n->sources[1]), SHAPE(rows, 1, half));
    node *s = op_reshape(op_gather_rows(n->sources[3], n->sources[1]), SHAPE(rows, 1, half));
    if (n->attributes->flags & ROTARY_BACKWARD)
        s = op_neg(s);
    node *low = op_slice(x, 2, 0, half), *high = op_slice(x, 2, half, 2 * half);
    node *turned[2] = {op_sub(op_mul(low, c), op_mul(high, s)), op_add(op_mul(high, c), op_mul(low, s))};
    return back(op_concat(turned, 2, 2), n);
}

node *target_counts(const node *logits, node *target)
{
    graph *g = target->graph;
    node *below = op_less(target, graph_scalar(g, TYPE_I32, (double)shape_last(logits->shape)));
    return op_select(op_less(target, graph_scalar(g, TYPE_I32, 0)), graph_scalar(g, TYPE_U8, 0), below);
}

static node *cross_entropy_of(node *logits, node *target, node *weight, int part)
{
    node *x = wide(logits), *lse = logsumexp_of(x, false);
    if (part || !lse)
        return lse;
    node *loss = op_mul(weight, op_sub(lse, op_take_last(x, target)));
    return op_select(target_counts(logits, target), loss, graph_scalar(x->graph, node_type(weight), 0));
}

static node *cross_entropy_value(const node *n, node *const *sources)
{
    (void)n;
    return cross_entropy_of(sources[0], sources[1], sources[2], 0);
}

node *lower_cross_entropy(node *n)
{
    return cross_entropy_of(n->sources[0], n->sources[1], n->sources[2], n->attributes->part);
}

node *lower_cross_entropy_grad(node *n)
{
    return lower_by_gradient(n, cross_entropy_value, n->sources[4], 0);
}

node *lower_sum_squares(node *n)
{
    return op_sum_all(op_square(wide(n->sources[0])));
}

node *lower_sparse_sum_squares(node *n)
{
    return op_sum_squares(op_scatter_rows(n->sources[0], n->sources[1], n->attributes->a[0]));
}

node *lower_sparse_adamw(node *n)
{
    node *const *s = n->sources, *next[3];
    const double *x = n->attributes->x;
    node *gradient = op_scatter_rows(s[3], s[4], s[0]->shape.size[0]);
    adamw_options o = {x[0], x[1], x[2], x[3]};
    return op_adamw(s[0], s[1], s[2], gradient, s[5], o, &next[0], &next[1], &next[2]) ? next[n->attributes->part] : NULL;
}

node *lower_adamw(node *n)
{
    node *value = n->sources[0], *mean = n->sources[1], *square = n->sources[2], *rates = n->sources[4];
    const double *x = n->attributes->x;
    node *rate = op_reshape(op_slice(rates, 0, 0, 1), SHAPE_SCALAR);
    node *correction1 = op_reshape(op_slice(rates, 0, 1, 2), SHAPE_SCALAR);
    node *correction2 = op_reshape(op_slice(rates, 0, 2, 3), SHAPE_SCALAR);
    node *g = op_mul(n->sources[3], op_reshape(op_slice(rates, 0, 3, 4), SHAPE_SCALAR));
    node *m = op_add(mean, op_scale(op_sub(g, mean), 1 - x[0]));
    node *v = op_add(op_scale(square, x[1]), op_scale(op_square(g), 1 - x[1]));
    if (n->attributes->part)
        return n->attributes->part == 1 ? m : v;
    node *kept = op_mul(value, op_shift(op_neg(op_scale(rate, x[3])), 1));
    node *size = op_shift(op_div(op_sqrt(v), op_sqrt(correction2)), x[2]);
    return op_sub(kept, op_mul(op_div(rate, correction1), op_div(m, size)));
}
