/* Reverse and forward rules of structural operations, in primitives. */
#include "graph/rules.h"

void grad_reduce_sum(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_broadcast(dy, n->sources[0]->shape));
}

/* 1 / number of ties at each place that has the maximum, else 0. */
static node *maximum_share(node *n)
{
    node *x = n->sources[0];
    node *mask = op_cast(op_equal(x, n), node_type(x));
    axes reduced = {0};
    for (int i = 0; i < x->shape.rank; i++)
        if (n->attributes->a[i])
            reduced.axis[reduced.count++] = i;
    return op_div(mask, op_reduce_sum(mask, reduced, true));
}

void grad_reduce_max(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_mul(maximum_share(n), dy));
}

node *jvp_reduce_max(node *n, node *const *tangents)
{
    axes reduced = {0};
    for (int i = 0; i < n->shape.rank; i++)
        if (n->attributes->a[i])
            reduced.axis[reduced.count++] = i;
    return op_reduce_sum(op_mul(maximum_share(n), tangents[0]), reduced, true);
}

void grad_broadcast(backward *b, node *n, node *dy)
{
    node *x = n->sources[0];
    axes stretched = {0};
    for (int i = 0; i < x->shape.rank; i++)
        if (x->shape.size[i] != n->shape.size[i])
            stretched.axis[stretched.count++] = i;
    backward_add(b, x, op_reduce_sum(dy, stretched, true));
}

void grad_reshape(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_reshape(dy, n->sources[0]->shape));
}

void grad_transpose(backward *b, node *n, node *dy)
{
    axes inverse = {.count = n->shape.rank};
    for (int i = 0; i < n->shape.rank; i++)
        inverse.axis[n->attributes->a[i]] = i;
    backward_add(b, n->sources[0], op_transpose(dy, inverse));
}

void grad_slice(backward *b, node *n, node *dy)
{
    int axis = n->attributes->flags;
    int64_t before = n->attributes->a[0], total = n->sources[0]->shape.size[axis];
    backward_add(b, n->sources[0], op_pad(dy, axis, before, total - before - n->shape.size[axis]));
}

void grad_pad(backward *b, node *n, node *dy)
{
    int axis = n->attributes->flags;
    int64_t before = n->attributes->a[0];
    backward_add(b, n->sources[0], op_slice(dy, axis, before, before + n->sources[0]->shape.size[axis]));
}

void grad_concat(backward *b, node *n, node *dy)
{
    int axis = n->attributes->flags;
    int64_t at = 0;
    for (int i = 0; i < n->source_count; i++) {
        int64_t size = n->sources[i]->shape.size[axis];
        if (backward_wants(b, n->sources[i]))
            backward_add(b, n->sources[i], op_slice(dy, axis, at, at + size));
        at += size;
    }
}

void grad_gather_rows(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_scatter_rows(dy, n->sources[1], n->sources[0]->shape.size[0]));
}

void grad_scatter_rows(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_gather_rows(dy, n->sources[1]));
}

void grad_put_rows(backward *b, node *n, node *dy)
{
    if (backward_wants(b, n->sources[0]))
        backward_add(b, n->sources[0], op_put_rows(dy, n->sources[1], node_zeros(n->sources[2])));
    if (backward_wants(b, n->sources[2]))
        backward_add(b, n->sources[2], op_gather_rows(dy, n->sources[1]));
}

void grad_take_last(backward *b, node *n, node *dy)
{
    node *x = n->sources[0];
    shape column = shape_insert(n->shape, n->shape.rank, 1);
    node *place = graph_iota(n->graph, TYPE_I32, x->shape, -1);
    node *here = op_equal(place, op_reshape(n->sources[1], column));
    backward_add(b, x, op_select(here, op_reshape(dy, column), graph_scalar(n->graph, node_type(x), 0)));
}

void grad_gather_last(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_scatter_last(dy, n->sources[1], shape_last(n->sources[0]->shape)));
}

void grad_scatter_last(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_gather_last(dy, n->sources[1]));
}

void grad_cumulative_sum(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_cumulative_sum(dy, n->attributes->flags, !n->attributes->a[0]));
}

void grad_after(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], dy);
}

node *jvp_after(node *n, node *const *tangents)
{
    return tangents[0] ? op_after(tangents[0], n->sources[1]) : node_zeros(n);
}

/* Sums the leading axes that `like` does not have. */
static node *sum_leading(node *x, const node *like)
{
    if (!x || x->shape.rank == like->shape.rank)
        return x;
    axes leading = {.count = x->shape.rank - like->shape.rank};
    for (int i = 0; i < leading.count; i++)
        leading.axis[i] = i;
    return op_reduce_sum(x, leading, false);
}

void grad_matmul(backward *b, node *n, node *dy)
{
    node *x = n->sources[0], *y = n->sources[1];
    bool tx = n->attributes->flags & 1, ty = n->attributes->flags & 2;
    dy = op_cast(dy, node_type(x));
    if (backward_wants(b, x))
        backward_add(b, x, sum_leading(tx ? op_matmul(y, dy, ty, true) : op_matmul(dy, y, false, !ty), x));
    if (backward_wants(b, y))
        backward_add(b, y, sum_leading(ty ? op_matmul(dy, x, true, tx) : op_matmul(x, dy, !tx, false), y));
}

/* The operation itself on the tangents (zeros for those at rest); indices stay. */
node *jvp_linear(node *n, node *const *tangents)
{
    node *sources[UINT8_MAX];
    for (int i = 0; i < n->source_count; i++)
        sources[i] = !node_is_float(n->sources[i]) ? n->sources[i] : tangents[i] ? tangents[i] : node_zeros(n->sources[i]);
    return node_with_sources(n, sources, false);
}

node *jvp_bilinear(node *n, node *const *tangents)
{
    node *sum = NULL;
    for (int i = 0; i < 2; i++) {
        if (!tangents[i])
            continue;
        node *sources[2] = {n->sources[0], n->sources[1]};
        sources[i] = tangents[i];
        node *term = node_with_sources(n, sources, false);
        sum = sum ? op_add(sum, term) : term;
    }
    return sum;
}
