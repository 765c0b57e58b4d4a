/* Cholesky factors and triangular systems: builders and rules (Murray 2016, arXiv:1602.07527, section 3). */
#include "graph/rules.h"

static bool is_square(const node *a)
{
    return a->shape.rank >= 2 && a->shape.size[a->shape.rank - 1] == a->shape.size[a->shape.rank - 2] &&
           (a->type == TYPE_F32 || a->type == TYPE_F64);
}

static node *transposed(node *x)
{
    if (!x)
        return NULL;
    axes order = {.count = x->shape.rank};
    for (int i = 0; i < order.count; i++)
        order.axis[i] = i < order.count - 2 ? i : 2 * order.count - 3 - i;
    return op_transpose(x, order);
}

/* The lower triangle, its diagonal times `diagonal`. */
static node *lower_triangle(node *x, double diagonal)
{
    if (!x)
        return NULL;
    int64_t n = shape_last(x->shape);
    node *row = graph_iota(x->graph, TYPE_I32, SHAPE(n, n), 0), *column = graph_iota(x->graph, TYPE_I32, SHAPE(n, n), 1);
    node *below = op_select(op_less(column, row), x, graph_scalar(x->graph, node_type(x), 0));
    return op_select(op_equal(column, row), op_scale(x, diagonal), below);
}

static node *symmetric(node *x)
{
    return op_scale(op_add(x, transposed(x)), 0.5);
}

node *op_cholesky(node *a)
{
    if (!a)
        return NULL;
    char text[NODE_TEXT];
    if (!is_square(a))
        return graph_refuse(a->graph, "cholesky: expected square matrices [..., N, N] in f32 or f64, found %s", node_text(a, text));
    node *even = symmetric(a);
    return node_new(a->graph, OP_CHOLESKY, node_type(a), a->shape, &even, 1, NULL);
}

node *op_triangular_solve(node *l, node *b, bool transpose)
{
    if (!l || !b)
        return NULL;
    shape s = b->shape;
    char left[NODE_TEXT], right[NODE_TEXT];
    if (is_square(l) && s.rank == l->shape.rank)
        s.size[s.rank - 1] = shape_last(l->shape);
    if (!is_square(l) || b->type != l->type || !shape_equal(s, l->shape))
        return graph_refuse(l->graph, "triangular_solve: matrices %s and right sides %s do not fit: expected [..., N, N] and [..., "
                            "N, M] in f32 or f64", node_text(l, left), node_text(b, right));
    return node_new(l->graph, OP_TRIANGULAR_SOLVE, node_type(b), b->shape, (node *[]){l, b}, 2,
                    &(node_attributes){.flags = transpose});
}

/* L^-1 X L^-T, or with transpose L^-T X L^-1. */
static node *between_inverses(node *l, node *x, bool transpose)
{
    return transposed(op_triangular_solve(l, transposed(op_triangular_solve(l, x, transpose)), transpose));
}

void grad_cholesky(backward *b, node *n, node *dy)
{
    node *inner = lower_triangle(op_matmul(n, dy, true, false), 0.5);
    backward_add(b, n->sources[0], symmetric(between_inverses(n, inner, true)));
}

node *jvp_cholesky(node *n, node *const *tangents)
{
    return op_matmul(n, lower_triangle(between_inverses(n, tangents[0], false), 0.5), false, false);
}

void grad_triangular_solve(backward *b, node *n, node *dy)
{
    bool transpose = n->attributes->flags;
    node *db = op_triangular_solve(n->sources[0], dy, !transpose);
    backward_add(b, n->sources[1], db);
    if (!backward_wants(b, n->sources[0]))
        return;
    node *product = transpose ? op_matmul(n, db, false, true) : op_matmul(db, n, false, true);
    backward_add(b, n->sources[0], lower_triangle(op_neg(product), 1));
}

node *jvp_triangular_solve(node *n, node *const *tangents)
{
    bool transpose = n->attributes->flags;
    node *side = tangents[1];
    if (tangents[0]) {
        node *moved = op_matmul(lower_triangle(tangents[0], 1), n, transpose, false);
        side = side ? op_sub(side, moved) : op_neg(moved);
    }
    return op_triangular_solve(n->sources[0], side, transpose);
}
