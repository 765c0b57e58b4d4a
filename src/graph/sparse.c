#include "graph/sparse.h"

#include "graph/rules.h"

node *op_sum_by_index(node *rows, node *index, node **distinct)
{
    *distinct = NULL;
    if (!rows || !index)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    graph *g = rows->graph;
    if (index->type != TYPE_I32 || index->shape.rank != 1 || rows->shape.rank < 1 || rows->shape.size[0] != index->shape.size[0])
        return graph_refuse(g, "sum_by_index: expected rows [I, ...] and indices i32 [I], found %s and %s", node_text(rows, left),
                            node_text(index, right));
    int64_t n = index->shape.size[0];
    node *less = graph_scalar(g, TYPE_I32, -1), *counted = op_max(index, less), *order = op_argsort(counted, false);
    node *sorted = op_gather_last(counted, order);
    node *shifted[2] = {graph_fill(g, TYPE_I32, SHAPE(n > 0), -1), n && sorted ? op_slice(sorted, 0, 0, n - 1) : sorted};
    node *fresh = op_less(op_concat(shifted, 2, 0), sorted); /* the first of its kind */
    node *place = op_shift(op_cumulative_sum(op_cast(fresh, TYPE_I32), 0, false), -1);
    node *none = graph_fill(g, TYPE_I32, SHAPE(n), -1);
    *distinct = op_put_rows(none, op_select(fresh, place, none), sorted);
    return op_scatter_rows(rows, op_put_rows(none, order, place), n);
}

/* What a value passes through that stays zero where it was. */
static bool passes_on(const node *x)
{
    return x->op == OP_AFTER || x->op == OP_IDENTITY || (x->op == OP_CAST && node_is_float(x->sources[0]));
}

/* Rows of all terms of x (of one without any: 1), or more than `most` where there are more, or other terms. */
static int64_t count_rows(const node *x, int64_t most)
{
    while (passes_on(x))
        x = x->sources[0];
    if (x->op == OP_SCATTER_ROWS) {
        int64_t n = shape_count(x->sources[1]->shape);
        return n > 0 ? n : 1;
    }
    if (x->op != OP_ADD || most <= 0 || !shape_equal(x->sources[0]->shape, x->sources[1]->shape))
        return most + 1;
    int64_t n = count_rows(x->sources[1], most); /* the shorter one, as sums of gradients are made */
    return n > most ? n : n + count_rows(x->sources[0], most - n);
}

/* As one list: [I ..., row] -> [I, row]. */
static node *in_one_line(node *x, int leading)
{
    shape s = {.rank = 1, .size = {1}};
    for (int i = 0; i < leading; i++)
        s.size[0] *= x->shape.size[i];
    for (int i = leading; i < x->shape.rank; i++)
        s.size[s.rank++] = x->shape.size[i];
    return op_reshape(x, s);
}

static sparse_rows collect(node *x)
{
    sparse_rows s = {.entries = x->shape.size[0]};
    if (x->op == OP_SCATTER_ROWS) {
        int leading = x->sources[1]->shape.rank;
        s.rows = op_sum_by_index(in_one_line(x->sources[0], leading), in_one_line(x->sources[1], leading), &s.index);
    } else if (x->op == OP_ADD) { /* sums of each side first, and these together: the order of x */
        sparse_rows a = collect(x->sources[0]), b = collect(x->sources[1]);
        node *rows = op_concat((node *[]){a.rows, b.rows}, 2, 0), *index = op_concat((node *[]){a.index, b.index}, 2, 0);
        s.rows = op_sum_by_index(rows, index, &s.index);
    } else {
        s = collect(x->sources[0]);
        s.rows = x->op == OP_CAST && s.rows ? op_cast(s.rows, node_type(x)) : s.rows;
    }
    return s;
}

bool sparse_rows_of(node *x, int64_t most, sparse_rows *out)
{
    *out = (sparse_rows){0};
    if (!x || !node_is_float(x) || count_rows(x, most) > most)
        return false;
    *out = collect(x);
    return out->rows && out->index;
}
