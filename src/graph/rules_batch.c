/* Batching rules: an operation on sources of which some have a new leading axis, as one operation on all of them. What each
 * rule must keep: element b of the result is the operation on element b of the batched sources. */
#include "graph/rules.h"

static shape batched_shape(const node *n, int64_t size)
{
    return shape_insert(n->shape, 0, size);
}

/* Source i with the new axis, repeated where it has none. */
static node *stretched(const node *n, node *const *sources, const bool *batched, int64_t size, int i)
{
    return batched[i] ? sources[i] : op_broadcast(sources[i], shape_insert(n->sources[i]->shape, 0, size));
}

static node *again(const node *n, node *const *sources, int64_t size, const node_attributes *a)
{
    return node_new(n->graph, (op_code)n->op, node_type(n), batched_shape(n, size), sources, n->source_count, a);
}

/* Operations that work row by row, whatever the leading axes are. */
node *batch_leading(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[UINT8_MAX];
    for (int i = 0; i < n->source_count; i++)
        all[i] = stretched(n, sources, batched, size, i);
    return again(n, all, size, n->attributes);
}

node *batch_elementwise(node *n, node *const *sources, const bool *batched, int64_t size)
{
    return batch_leading(n, sources, batched, size);
}

node *batch_random(node *n, node *const *sources, const bool *batched, int64_t size)
{
    (void)batched;
    return again(n, sources, size, n->attributes);
}

/* ---- shapes: the axes that attributes name move up by one ---- */
node *batch_reduce(node *n, node *const *sources, const bool *batched, int64_t size)
{
    (void)batched;
    node_attributes a = *n->attributes;
    for (int i = RANK_MAX - 1; i > 0; i--)
        a.a[i] = n->attributes->a[i - 1];
    a.a[0] = 0;
    return again(n, sources, size, &a);
}

node *batch_broadcast(node *n, node *const *sources, const bool *batched, int64_t size)
{
    (void)batched;
    return op_broadcast(sources[0], batched_shape(n, size));
}

node *batch_reshape(node *n, node *const *sources, const bool *batched, int64_t size)
{
    (void)batched;
    return op_reshape(sources[0], batched_shape(n, size));
}

node *batch_transpose(node *n, node *const *sources, const bool *batched, int64_t size)
{
    (void)batched;
    (void)size;
    axes order = {.count = n->shape.rank + 1};
    for (int i = 0; i < n->shape.rank; i++)
        order.axis[i + 1] = (int)n->attributes->a[i] + 1;
    return op_transpose(sources[0], order);
}

/* Operations whose flags are an axis: slice, pad, concat, cumulative sum. */
node *batch_axis(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[UINT8_MAX];
    node_attributes a = *n->attributes;
    a.flags++;
    for (int i = 0; i < n->source_count; i++)
        all[i] = stretched(n, sources, batched, size, i);
    return again(n, all, size, &a);
}

node *batch_after(node *n, node *const *sources, const bool *batched, int64_t size)
{
    return batched[0] ? op_after(sources[0], sources[1]) : op_after(stretched(n, sources, batched, size, 0), sources[1]);
}

/* ---- rows by index: tables of the batch behind each other, indices moved to their own ---- */
/* index [B, I ...] + b * rows, and -1 where it lies outside of 0 .. rows - 1. */
static node *own_index(node *index, int64_t size, int64_t rows)
{
    if (!index)
        return NULL;
    graph *g = index->graph;
    if (rows > 0 && size > INT32_MAX / rows)
        return graph_refuse(g, "vmap: %lld tables of %lld rows are more rows than an index can name", (long long)size, (long long)rows);
    node *low = op_less(index, graph_scalar(g, TYPE_I32, 0)), *inside = op_less(index, graph_scalar(g, TYPE_I32, (double)rows));
    node *moved = op_add(index, op_scale(graph_iota(g, TYPE_I32, index->shape, 0), (double)rows));
    node *none = graph_scalar(g, TYPE_I32, -1);
    return op_select(low, none, op_select(inside, moved, none));
}

/* The first two axes as one. */
static node *joined(node *x)
{
    if (!x)
        return NULL;
    shape s = shape_remove(x->shape, 0);
    s.size[0] *= x->shape.size[0];
    return op_reshape(x, s);
}

node *batch_gather_rows(node *n, node *const *sources, const bool *batched, int64_t size)
{
    if (!batched[0])
        return op_gather_rows(sources[0], sources[1]);
    node *index = stretched(n, sources, batched, size, 1);
    return op_gather_rows(joined(sources[0]), own_index(index, size, n->sources[0]->shape.size[0]));
}

node *batch_scatter_rows(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *rows = stretched(n, sources, batched, size, 0), *index = stretched(n, sources, batched, size, 1);
    int64_t entries = n->shape.size[0];
    return op_reshape(op_scatter_rows(rows, own_index(index, size, entries), size * entries), batched_shape(n, size));
}

node *batch_put_rows(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *table = stretched(n, sources, batched, size, 0), *index = stretched(n, sources, batched, size, 1);
    node *rows = stretched(n, sources, batched, size, 2);
    return op_reshape(op_put_rows(joined(table), own_index(index, size, n->shape.size[0]), rows), batched_shape(n, size));
}

/* ---- products ---- */
/* A batched matrix [B, M, K] beside one with more axes [.., L.., K, N]: [B, 1.., M, K]. */
static node *with_rank(node *x, int rank)
{
    shape s = x ? x->shape : SHAPE_SCALAR;
    while (x && s.rank < rank)
        s = shape_insert(s, 1, 1);
    return op_reshape(x, s);
}

node *batch_matmul(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *a = sources[0], *b = sources[1];
    bool ta = n->attributes->flags & 1, tb = n->attributes->flags & 2;
    int rank = n->shape.rank + 1;
    (void)size;
    /* a single matrix stays one; else both get all axes, of size 1 where they have none (the builder stretches them) */
    if (batched[0] || a->shape.rank > 2)
        a = batched[0] ? with_rank(a, rank) : op_reshape(a, shape_insert(a->shape, 0, 1));
    if (batched[1] || b->shape.rank > 2)
        b = batched[1] ? with_rank(b, rank) : op_reshape(b, shape_insert(b->shape, 0, 1));
    return op_matmul_as(a, b, ta, tb, node_type(n));
}

node *batch_linear(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *x = sources[0], *weight = sources[1];
    if (!batched[1])
        return op_linear_as(x, weight, node_type(n));
    const node *one = n->sources[0];
    int64_t k = shape_last(one->shape), rows = shape_count(shape_without_last(one->shape));
    weight = op_cast(weight, node_type(one));
    x = batched[0] ? op_reshape(x, SHAPE(size, rows, k)) : op_reshape(x, SHAPE(rows, k));
    return op_reshape(op_matmul_as(x, weight, false, true, node_type(n)), batched_shape(n, size));
}

/* ---- layers over tokens: the tokens of the batch behind each other ---- */
node *batch_rms_norm(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[4];
    if (batched[1] || (n->op == OP_RMS_NORM_GRAD && n->attributes->part == 1))
        return NULL; /* a weight, or a gradient of one, for each example */
    for (int i = 0; i < n->source_count; i++)
        all[i] = i == 1 ? sources[1] : stretched(n, sources, batched, size, i);
    return again(n, all, size, n->attributes);
}

node *batch_rotary(node *n, node *const *sources, const bool *batched, int64_t size)
{
    if (batched[2] || batched[3])
        return NULL;
    node *x = joined(stretched(n, sources, batched, size, 0)), *position = joined(stretched(n, sources, batched, size, 1));
    return op_reshape(fused_rotary(x, position, sources[2], sources[3], n->attributes->flags), batched_shape(n, size));
}

/* Examples are packed as sequences of their own: `start` counts from the example's first token. */
node *batch_attention(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[8] = {NULL};
    int64_t tokens = n->sources[0]->shape.size[0];
    for (int i = 0; i < n->source_count; i++) {
        all[i] = stretched(n, sources, batched, size, i);
        if (i == 3 && all[i])
            all[i] = op_add(all[i], op_scale(graph_iota(n->graph, TYPE_I32, all[i]->shape, 0), (double)tokens));
        all[i] = joined(all[i]);
    }
    int part = n->attributes->part;
    bool forward = n->op == OP_ATTENTION || n->op == OP_MASKED_ATTENTION;
    node_attributes a = *n->attributes;
    a.a[2] = a.a[2] ? a.a[2] : tokens;
    node *y = forward ? fused_attention_part(all[0], all[1], all[2], all[3], all[4], a, part) : fused_attention_grad(all, a, part);
    return op_reshape(y, batched_shape(n, size));
}

node *batch_cross_entropy(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[5];
    for (int i = 0; i < n->source_count; i++)
        all[i] = joined(stretched(n, sources, batched, size, i));
    node *y = n->op == OP_CROSS_ENTROPY ? fused_cross_entropy_part(all[0], all[1], all[2], n->attributes->part)
                                        : fused_cross_entropy_grad(all[0], all[1], all[2], all[3], all[4]);
    return op_reshape(y, batched_shape(n, size));
}

/* ---- images: those of the batch behind each other ---- */
static node *over_images(node *n, node *const *sources, int64_t size)
{
    shape s = n->shape;
    s.size[0] *= size;
    node *all = node_new(n->graph, (op_code)n->op, node_type(n), s, sources, n->source_count, n->attributes);
    return all ? op_reshape(all, batched_shape(n, size)) : NULL;
}

node *batch_images(node *n, node *const *sources, const bool *batched, int64_t size)
{
    node *all[3];
    for (int i = 0; i < n->source_count; i++)
        all[i] = joined(stretched(n, sources, batched, size, i));
    return over_images(n, all, size);
}

/* A weight for each example is the products' business: the lowering's. */
node *batch_conv(node *n, node *const *sources, const bool *batched, int64_t size)
{
    if (batched[1])
        return NULL;
    return over_images(n, (node *[]){joined(sources[0]), sources[1]}, size);
}
