/* Builders of elementwise operations: broadcasting, types, and the few simplifications that change no bits. */
#include "graph/rules.h"

/* Whether the operation takes its elements; noted where it does not. */
static bool takes(op_code op, const node *x)
{
    op_types allowed = op_info_of(op)->types;
    char text[NODE_TEXT];
    if ((allowed != FLOATS || node_is_float(x)) && (allowed != NUMBERS || x->type != TYPE_U8))
        return true;
    graph_refuse(x->graph, "%s does not take %s: it is for %s", op_info_of(op)->name, node_text(x, text),
                 allowed == FLOATS ? "floats" : "numbers");
    return false;
}

static node *unary(op_code op, node *x)
{
    if (!x)
        return NULL;
    return takes(op, x) ? node_new(x->graph, op, node_type(x), x->shape, &x, 1, NULL) : NULL;
}

/* The shape to which both stretch; false where there is none. */
static bool common_shape(shape a, shape b, shape *out)
{
    shape s = a.rank >= b.rank ? a : b;
    for (int i = 1; i <= s.rank; i++) {
        int64_t m = i <= a.rank ? a.size[a.rank - i] : 1, n = i <= b.rank ? b.size[b.rank - i] : 1;
        if (m != n && m != 1 && n != 1)
            return false;
        s.size[s.rank - i] = m == 1 ? n : m;
    }
    *out = s;
    return true;
}

static node *binary(op_code op, node *a, node *b, bool compare)
{
    if (!a || !b)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    shape s;
    if (!takes(op, a))
        return NULL;
    if (a->type != b->type)
        return graph_refuse(a->graph, "%s: expected operands of one type, found %s and %s", op_info_of(op)->name, node_text(a, left),
                            node_text(b, right));
    if (!common_shape(a->shape, b->shape, &s))
        return graph_refuse(a->graph, "%s: %s and %s do not broadcast", op_info_of(op)->name, node_text(a, left),
                            node_text(b, right));
    node *sources[2] = {op_broadcast(a, s), op_broadcast(b, s)};
    return node_new(a->graph, op, compare ? TYPE_U8 : node_type(a), s, sources, 2, NULL);
}

node *op_identity(node *x)
{
    return unary(OP_IDENTITY, x);
}

node *op_stop_gradient(node *x)
{
    return unary(OP_STOP_GRADIENT, x);
}

node *op_cast(node *x, element_type type)
{
    if (!x || node_type(x) == type)
        return x;
    return node_new(x->graph, OP_CAST, type, x->shape, &x, 1, NULL);
}

#define X(NAME, name)                                                                                              \
    node *op_##name(node *x)                                                                                       \
    {                                                                                                              \
        return unary(OP_##NAME, x);                                                                                \
    }
X(NEG, neg)
X(ABS, abs)
X(SIGN, sign)
X(FLOOR, floor)
X(EXP, exp)
X(LOG, log)
X(SQRT, sqrt)
X(RSQRT, rsqrt)
X(RECIPROCAL, reciprocal)
X(TANH, tanh)
X(SIGMOID, sigmoid)
X(SIN, sin)
X(COS, cos)
X(ERF, erf)
#undef X

#define X(NAME, name, compare)                                                                                     \
    node *op_##name(node *a, node *b)                                                                              \
    {                                                                                                              \
        return binary(OP_##NAME, a, b, compare);                                                                   \
    }
X(ADD, add, false)
X(SUB, sub, false)
X(MUL, mul, false)
X(DIV, div, false)
X(POW, pow, false)
X(MAX, max, false)
X(MIN, min, false)
X(EQUAL, equal, true)
X(LESS, less, true)
X(LESS_EQUAL, less_equal, true)
#undef X

node *op_select(node *mask, node *a, node *b)
{
    if (!mask || !a || !b)
        return NULL;
    char first[NODE_TEXT], left[NODE_TEXT], right[NODE_TEXT];
    shape s;
    bool fits = common_shape(mask->shape, a->shape, &s) && common_shape(s, b->shape, &s);
    if (!fits || mask->type != TYPE_U8 || a->type != b->type)
        return graph_refuse(a->graph, "select: expected a u8 mask and values of one type that broadcast, found %s, %s, %s",
                            node_text(mask, first), node_text(a, left), node_text(b, right));
    node *sources[3] = {op_broadcast(mask, s), op_broadcast(a, s), op_broadcast(b, s)};
    return node_new(a->graph, OP_SELECT, node_type(a), s, sources, 3, NULL);
}

node *op_scale(node *x, double factor)
{
    if (!x || factor == 1)
        return x;
    return op_mul(x, graph_scalar(x->graph, node_type(x), factor));
}

node *op_shift(node *x, double amount)
{
    if (!x)
        return NULL;
    return op_add(x, graph_scalar(x->graph, node_type(x), amount));
}

node *op_square(node *x)
{
    return op_mul(x, x);
}

node *op_silu(node *x)
{
    return op_mul(x, op_sigmoid(x));
}
