/* Partial derivatives of elementwise operations, and the two modes that follow from them. */
#include "graph/rules.h"

static node *fill_like(const node *n, double value)
{
    return graph_fill(n->graph, node_type(n), n->shape, value);
}

node *partial_identity(node *n, int i)
{
    (void)i;
    return fill_like(n, 1);
}

node *partial_neg(node *n, int i)
{
    (void)i;
    return fill_like(n, -1);
}

node *partial_abs(node *n, int i)
{
    return op_sign(n->sources[i]);
}

node *partial_exp(node *n, int i)
{
    (void)i;
    return n;
}

node *partial_log(node *n, int i)
{
    return op_reciprocal(n->sources[i]);
}

node *partial_sqrt(node *n, int i)
{
    (void)i;
    node *zero = fill_like(n, 0), *at_zero = op_equal(n, zero);
    /* nothing infinite is made even where it is not taken: higher orders would multiply it by 0 */
    node *half = op_scale(op_reciprocal(op_select(at_zero, fill_like(n, 1), n)), 0.5);
    return op_select(at_zero, zero, half);
}

node *partial_rsqrt(node *n, int i)
{
    (void)i;
    return op_scale(op_mul(n, op_square(n)), -0.5);
}

node *partial_reciprocal(node *n, int i)
{
    (void)i;
    return op_neg(op_square(n));
}

node *partial_tanh(node *n, int i)
{
    (void)i;
    return op_shift(op_neg(op_square(n)), 1);
}

node *partial_sigmoid(node *n, int i)
{
    (void)i;
    return op_mul(n, op_shift(op_neg(n), 1));
}

node *partial_sin(node *n, int i)
{
    return op_cos(n->sources[i]);
}

node *partial_cos(node *n, int i)
{
    return op_neg(op_sin(n->sources[i]));
}

node *partial_erf(node *n, int i)
{
    return op_scale(op_exp(op_neg(op_square(n->sources[i]))), 1.12837916709551257390); /* 2 / sqrt(pi) */
}

node *partial_add(node *n, int i)
{
    (void)i;
    return fill_like(n, 1);
}

node *partial_sub(node *n, int i)
{
    return fill_like(n, i ? -1 : 1);
}

node *partial_mul(node *n, int i)
{
    return n->sources[1 - i];
}

node *partial_div(node *n, int i)
{
    node *r = op_reciprocal(n->sources[1]);
    return i ? op_neg(op_mul(n, r)) : r;
}

node *partial_pow(node *n, int i)
{
    node *a = n->sources[0], *b = n->sources[1], *zero = fill_like(n, 0);
    if (i == 0)
        return op_select(op_equal(b, zero), zero, op_mul(b, op_pow(a, op_shift(b, -1))));
    node *positive = op_less(zero, a);
    return op_select(positive, op_mul(n, op_log(op_select(positive, a, fill_like(n, 1)))), zero);
}

/* 1 for the operand that wins, half for ties. */
static node *winner(node *low, node *high)
{
    node *half = graph_scalar(low->graph, node_type(low), 0.5);
    return op_select(op_equal(low, high), half, op_cast(op_less(low, high), node_type(low)));
}

node *partial_max(node *n, int i)
{
    return winner(n->sources[1 - i], n->sources[i]);
}

node *partial_min(node *n, int i)
{
    return winner(n->sources[i], n->sources[1 - i]);
}

/* x times a partial derivative, leaving out what multiplies by one. */
static node *times(node *x, node *partial)
{
    if (partial && partial->op == OP_FILL && partial->attributes->x[0] == 1)
        return x;
    if (partial && partial->op == OP_FILL && partial->attributes->x[0] == -1)
        return op_neg(x);
    return op_mul(x, partial);
}

void grad_elementwise(backward *b, node *n, node *dy)
{
    for (int i = 0; i < n->source_count; i++)
        if (backward_wants(b, n->sources[i]))
            backward_add(b, n->sources[i], times(dy, rule_partial(n->op)(n, i)));
}

node *jvp_elementwise(node *n, node *const *tangents)
{
    node *sum = NULL;
    for (int i = 0; i < n->source_count; i++) {
        if (!tangents[i])
            continue;
        node *term = times(tangents[i], rule_partial(n->op)(n, i));
        sum = sum ? op_add(sum, term) : term;
    }
    return sum;
}

void grad_cast(backward *b, node *n, node *dy)
{
    backward_add(b, n->sources[0], op_cast(dy, node_type(n->sources[0])));
}

node *jvp_cast(node *n, node *const *tangents)
{
    return op_cast(tangents[0], node_type(n));
}

void grad_select(backward *b, node *n, node *dy)
{
    node *zero = node_zeros(n);
    if (backward_wants(b, n->sources[1]))
        backward_add(b, n->sources[1], op_select(n->sources[0], dy, zero));
    if (backward_wants(b, n->sources[2]))
        backward_add(b, n->sources[2], op_select(n->sources[0], zero, dy));
}

node *jvp_select(node *n, node *const *tangents)
{
    node *zero = node_zeros(n);
    return op_select(n->sources[0], tangents[1] ? tangents[1] : zero, tangents[2] ? tangents[2] : zero);
}
