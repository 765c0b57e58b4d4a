/* First reverse derivatives of fused operations, as fused operations. They speak of the first result; other results are
 * differentiated through the lowering. */
#include "graph/rules.h"

static node *as_rows(node *x)
{
    if (!x)
        return NULL;
    int64_t k = shape_last(x->shape);
    return op_reshape(x, SHAPE(shape_count(shape_without_last(x->shape)), k));
}

void grad_linear(backward *b, node *n, node *dy)
{
    node *x = n->sources[0], *weight = n->sources[1];
    node *rows = as_rows(op_cast(dy, node_type(x)));
    if (backward_wants(b, x)) {
        node *dx = op_matmul(rows, op_cast(weight, node_type(x)), false, false);
        backward_add(b, x, op_reshape(dx, x->shape));
    }
    if (backward_wants(b, weight))
        backward_add(b, weight, rows ? op_matmul_as(rows, as_rows(x), true, false, node_type(weight)) : NULL);
}

void grad_softmax(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], fused_softmax_grad(n, dy));
}

void grad_rms_norm(backward *b, node *n, node *dy)
{
    double epsilon = n->attributes->x[0];
    node *rstd = fused_rms_norm_part(n->sources[0], n->sources[1], epsilon, 1);
    for (int i = 0; i < 2; i++)
        if (backward_wants(b, n->sources[i]))
            backward_add(b, n->sources[i], fused_rms_norm_grad(n->sources[0], n->sources[1], rstd, dy, epsilon, i));
}

void grad_silu_mul(backward *b, node *n, node *dy)
{
    for (int i = 0; i < 2; i++)
        if (backward_wants(b, n->sources[i]))
            backward_add(b, n->sources[i], fused_silu_mul_grad(n->sources[0], n->sources[1], dy, i));
}

void grad_rotary(backward *b, node *n, node *dy)
{
    node **s = n->sources;
    if (backward_wants(b, s[0]))
        backward_add(b, s[0], fused_rotary(dy, s[1], s[2], s[3], n->attributes->flags ^ ROTARY_BACKWARD));
}

void grad_attention(backward *b, node *n, node *dy)
{
    node **s = n->sources;
    node *mask = n->op == OP_MASKED_ATTENTION ? s[4] : NULL;
    node *lse = fused_attention_part(s[0], s[1], s[2], s[3], mask, *n->attributes, 1);
    node *sources[8] = {s[0], s[1], s[2], s[3], n, lse, dy, mask};
    for (int i = 0; i < 3; i++)
        if (backward_wants(b, s[i]))
            backward_add(b, s[i], fused_attention_grad(sources, *n->attributes, i));
}

void grad_cross_entropy(backward *b, node *n, node *dy)
{
    node **s = n->sources;
    node *lse = fused_cross_entropy_part(s[0], s[1], s[2], 1);
    if (backward_wants(b, s[0]))
        backward_add(b, s[0], fused_cross_entropy_grad(s[0], s[1], s[2], lse, dy));
    if (backward_wants(b, s[2])) {
        node *loss = op_sub(lse, op_cast(op_take_last(s[0], s[1]), node_type(n)));
        backward_add(b, s[2], op_select(target_counts(s[0], s[1]), op_mul(dy, loss), graph_scalar(n->graph, node_type(n), 0)));
    }
}

void grad_sum_squares(backward *b, node *n, node *dy)
{
    node *x = n->sources[0];
    backward_add(b, x, op_mul(x, op_cast(op_scale(dy, 2), node_type(x))));
}
