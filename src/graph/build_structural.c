/* Builders of structural operations: shapes worked out and checked here; what moves nothing adds no node. */
#include "graph/rules.h"

#include <stdio.h>

/* Counts a negative axis from the end; false, and noted, where there is no such axis. */
static bool fix_axis(const char *what, const node *x, int *axis)
{
    char text[NODE_TEXT];
    int fixed = *axis < 0 ? *axis + x->shape.rank : *axis;
    if (fixed < 0 || fixed >= x->shape.rank) {
        graph_refuse(x->graph, "%s: %s has no axis %d", what, node_text(x, text), *axis);
        return false;
    }
    *axis = fixed;
    return true;
}

static node *reduce(op_code op, node *x, axes which, bool keep)
{
    if (!x)
        return NULL;
    node_attributes a = {0};
    shape s = x->shape;
    char text[NODE_TEXT];
    for (int i = 0; i < which.count; i++) {
        int axis = which.axis[i];
        if (!fix_axis(op_info_of(op)->name, x, &axis))
            return NULL;
        if (a.a[axis])
            return graph_refuse(x->graph, "%s: axis %d of %s is named twice", op_info_of(op)->name, axis, node_text(x, text));
        a.a[axis] = 1;
        s.size[axis] = 1;
    }
    if (which.count == 0)
        return x;
    node *y = node_new(x->graph, op, node_type(x), s, &x, 1, &a);
    if (keep || !y)
        return y;
    shape rest = {0};
    for (int i = 0; i < s.rank; i++)
        if (!a.a[i])
            rest.size[rest.rank++] = s.size[i];
    return op_reshape(y, rest);
}

node *op_reduce_sum(node *x, axes which, bool keep)
{
    return reduce(OP_REDUCE_SUM, x, which, keep);
}

node *op_reduce_max(node *x, axes which, bool keep)
{
    return reduce(OP_REDUCE_MAX, x, which, keep);
}

node *op_reduce_mean(node *x, axes which, bool keep)
{
    if (!x)
        return NULL;
    double n = 1;
    for (int i = 0; i < which.count; i++) {
        int axis = which.axis[i];
        if (!fix_axis("reduce_mean", x, &axis))
            return NULL;
        n *= (double)x->shape.size[axis];
    }
    return op_scale(op_reduce_sum(x, which, keep), 1 / n);
}

node *op_sum_all(node *x)
{
    if (!x)
        return NULL;
    axes all = {.count = x->shape.rank};
    for (int i = 0; i < all.count; i++)
        all.axis[i] = i;
    return op_reduce_sum(x, all, false);
}

node *op_reshape(node *x, shape s)
{
    if (!x)
        return NULL;
    char from[NODE_TEXT], to[128];
    int open = 0;
    shape rest = s;
    while (open < s.rank && s.size[open] != -1)
        open++;
    if (open < s.rank)
        rest.size[open] = 1;
    int64_t count = shape_count(x->shape), n = shape_countable(rest) ? shape_count(rest) : -1;
    if (open < s.rank)
        s.size[open] = n > 0 ? count / n : 0;
    if (n < 0 || shape_count(s) != count)
        return graph_refuse(x->graph, "reshape: %s cannot be given the shape %s", node_text(x, from), shape_text(s, to));
    if (shape_equal(x->shape, s))
        return x;
    if (x->op == OP_RESHAPE && !x->site)
        return op_reshape(x->sources[0], s);
    if (x->op == OP_FILL && !x->site)
        return graph_fill(x->graph, node_type(x), s, x->attributes->x[0]);
    return node_new(x->graph, OP_RESHAPE, node_type(x), s, &x, 1, NULL);
}

node *op_broadcast(node *x, shape s)
{
    if (!x || shape_equal(x->shape, s))
        return x;
    char from[NODE_TEXT], to[128];
    bool fits = x->shape.rank <= s.rank;
    for (int i = 1; fits && i <= x->shape.rank; i++)
        fits = x->shape.size[x->shape.rank - i] == 1 || x->shape.size[x->shape.rank - i] == s.size[s.rank - i];
    if (!fits)
        return graph_refuse(x->graph, "broadcast: %s does not stretch to %s", node_text(x, from), shape_text(s, to));
    if (x->op == OP_FILL && !x->site)
        return graph_fill(x->graph, node_type(x), s, x->attributes->x[0]);
    shape aligned = {.rank = s.rank};
    for (int i = 0; i < s.rank; i++)
        aligned.size[i] = i < s.rank - x->shape.rank ? 1 : x->shape.size[i - (s.rank - x->shape.rank)];
    x = op_reshape(x, aligned);
    if (!x || shape_equal(aligned, s))
        return x;
    return node_new(x->graph, OP_BROADCAST, node_type(x), s, &x, 1, NULL);
}

node *op_transpose(node *x, axes order)
{
    if (!x)
        return NULL;
    char text[NODE_TEXT];
    if (order.count != x->shape.rank)
        return graph_refuse(x->graph, "transpose: expected an order of %d axes for %s, found %d", x->shape.rank, node_text(x, text),
                            order.count);
    node_attributes a = {0};
    shape s = {.rank = order.count};
    bool used[RANK_MAX] = {false}, same = true;
    for (int i = 0; i < order.count; i++) {
        int axis = order.axis[i];
        if (!fix_axis("transpose", x, &axis))
            return NULL;
        if (used[axis])
            return graph_refuse(x->graph, "transpose: axis %d of %s is named twice", axis, node_text(x, text));
        used[axis] = true;
        a.a[i] = axis;
        s.size[i] = x->shape.size[axis];
        same = same && axis == i;
    }
    return same ? x : node_new(x->graph, OP_TRANSPOSE, node_type(x), s, &x, 1, &a);
}

node *op_slice(node *x, int axis, int64_t start, int64_t end)
{
    if (!x)
        return NULL;
    if (!fix_axis("slice", x, &axis))
        return NULL;
    char text[NODE_TEXT];
    int64_t size = x->shape.size[axis];
    if (start < 0 || end < start || end > size)
        return graph_refuse(x->graph, "slice: %s has no places %lld to %lld along axis %d, of size %lld", node_text(x, text),
                            (long long)start, (long long)end, axis, (long long)size);
    if (start == 0 && end == size)
        return x;
    shape s = x->shape;
    s.size[axis] = end - start;
    return node_new(x->graph, OP_SLICE, node_type(x), s, &x, 1, &(node_attributes){.a = {start}, .flags = axis});
}

node *op_pad(node *x, int axis, int64_t before, int64_t after)
{
    if (!x)
        return NULL;
    if (!fix_axis("pad", x, &axis))
        return NULL;
    char text[NODE_TEXT];
    const int64_t most = (int64_t)1 << 48;
    if (before < 0 || after < 0 || before > most || after > most)
        return graph_refuse(x->graph, "pad: no %lld places before and %lld after %s", (long long)before, (long long)after,
                            node_text(x, text));
    if (before == 0 && after == 0)
        return x;
    shape s = x->shape;
    s.size[axis] += before + after;
    return node_new(x->graph, OP_PAD, node_type(x), s, &x, 1, &(node_attributes){.a = {before}, .flags = axis});
}

node *op_concat(node *const *parts, size_t count, int axis)
{
    if (count == 0)
        BUG("concat: nothing to join");
    for (size_t i = 0; i < count; i++)
        if (!parts[i])
            return NULL;
    if (count == 1)
        return parts[0];
    node *first = parts[0];
    if (!fix_axis("concat", first, &axis))
        return NULL;
    shape s = first->shape;
    s.size[axis] = 0;
    for (size_t i = 0; i < count; i++) {
        shape other = parts[i]->shape;
        char left[NODE_TEXT], right[NODE_TEXT];
        if (other.rank == s.rank)
            s.size[axis] += other.size[axis];
        other.size[axis] = first->shape.size[axis];
        if (parts[i]->type != first->type || !shape_equal(other, first->shape))
            return graph_refuse(first->graph, "concat: %s does not join %s along axis %d", node_text(parts[i], right),
                                node_text(first, left), axis);
    }
    return node_new(first->graph, OP_CONCAT, node_type(first), s, parts, (int)count, &(node_attributes){.flags = axis});
}

/* Appends n, or the parts of which it is made; false when there are too many for one node. */
static bool append_parts(node *n, int axis, node **parts, size_t *count)
{
    bool made_of = n->op == OP_CONCAT && n->attributes->flags == axis && !n->site;
    size_t more = made_of ? n->source_count : 1;
    if (*count + more > UINT8_MAX)
        return false;
    memcpy(parts + *count, made_of ? n->sources : &n, more * sizeof *parts);
    *count += more;
    return true;
}

node *node_joined_pads(node *x, node *y)
{
    if (!x || !y || x->op != OP_PAD || y->op != OP_PAD || x->site || y->site || x->type != y->type ||
        x->attributes->flags != y->attributes->flags || !shape_equal(x->shape, y->shape))
        return NULL;
    int axis = x->attributes->flags;
    node *low = x->attributes->a[0] <= y->attributes->a[0] ? x : y, *high = low == x ? y : x, *parts[UINT8_MAX];
    int64_t begin = low->attributes->a[0], middle = begin + low->sources[0]->shape.size[axis],
            end = high->attributes->a[0] + high->sources[0]->shape.size[axis];
    size_t count = 0;
    if (middle != high->attributes->a[0] || !append_parts(low->sources[0], axis, parts, &count) ||
        !append_parts(high->sources[0], axis, parts, &count))
        return NULL;
    return op_pad(op_concat(parts, count, axis), axis, begin, x->shape.size[axis] - end);
}

/* Notes that `of` and the indices do not fit. */
static node *refuse_index(const char *what, const node *of, const node *index, const char *expected)
{
    char left[NODE_TEXT], right[NODE_TEXT];
    return graph_refuse(of->graph, "%s: %s and indices %s do not fit: expected %s", what, node_text(of, left),
                        node_text(index, right), expected);
}

node *op_gather_rows(node *table, node *index)
{
    if (!table || !index)
        return NULL;
    if (index->type != TYPE_I32 || table->shape.rank < 1 || table->shape.rank - 1 + index->shape.rank > RANK_MAX)
        return refuse_index("gather_rows", table, index, "a table of rows, indices in i32, and 8 axes at most in the result");
    shape s = index->shape;
    for (int i = 1; i < table->shape.rank; i++)
        s.size[s.rank++] = table->shape.size[i];
    return node_new(table->graph, OP_GATHER_ROWS, node_type(table), s, (node *[]){table, index}, 2, NULL);
}

/* The shape of one row when `rows` is [index's shape ..., row ...]; false when it is not. */
static bool row_shape(const node *rows, const node *index, shape *row)
{
    shape head = rows->shape;
    *row = (shape){0};
    head.rank = index->shape.rank;
    if (index->type != TYPE_I32 || rows->shape.rank < index->shape.rank || !shape_equal(head, index->shape))
        return false;
    for (int i = index->shape.rank; i < rows->shape.rank; i++)
        row->size[row->rank++] = rows->shape.size[i];
    return true;
}

node *op_scatter_rows(node *rows, node *index, int64_t n)
{
    if (!rows || !index)
        return NULL;
    shape s;
    if (!row_shape(rows, index, &s) || s.rank == RANK_MAX || n < 0)
        return refuse_index("scatter_rows", rows, index, "rows [I ..., row ...] for indices [I ...] in i32, into 0 rows or more");
    s = shape_insert(s, 0, n);
    return node_new(rows->graph, OP_SCATTER_ROWS, node_type(rows), s, (node *[]){rows, index}, 2, NULL);
}

node *op_put_rows(node *table, node *index, node *rows)
{
    if (!table || !index || !rows)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    shape row;
    if (!row_shape(rows, index, &row))
        return refuse_index("put_rows", rows, index, "rows [I ..., row ...] for indices [I ...] in i32");
    if (table->shape.rank < 1 || table->type != rows->type || !shape_equal(shape_remove(table->shape, 0), row))
        return graph_refuse(table->graph, "put_rows: rows %s do not fit the table %s", node_text(rows, right),
                            node_text(table, left));
    return node_new(table->graph, OP_PUT_ROWS, node_type(table), table->shape, (node *[]){table, index, rows}, 3, NULL);
}

/* x and index of one shape but for the last axis. */
static bool fits_but_last(const node *x, const node *index)
{
    return index->type == TYPE_I32 && x->shape.rank >= 1 && index->shape.rank == x->shape.rank &&
           shape_equal(shape_without_last(x->shape), shape_without_last(index->shape));
}

node *op_gather_last(node *x, node *index)
{
    if (!x || !index)
        return NULL;
    if (!fits_but_last(x, index))
        return refuse_index("gather_last", x, index, "the same axes but for the last, and i32");
    return node_new(x->graph, OP_GATHER_LAST, node_type(x), index->shape, (node *[]){x, index}, 2, NULL);
}

node *op_scatter_last(node *x, node *index, int64_t n)
{
    if (!x || !index)
        return NULL;
    if (!fits_but_last(x, index) || !shape_equal(x->shape, index->shape) || x->type == TYPE_U8 || n < 0)
        return refuse_index("scatter_last", x, index, "an index in i32 for each number, into 0 places or more");
    return node_new(x->graph, OP_SCATTER_LAST, node_type(x), shape_with_last(x->shape, n), (node *[]){x, index}, 2, NULL);
}

node *op_cumulative_sum(node *x, int axis, bool reverse)
{
    if (!x)
        return NULL;
    char text[NODE_TEXT];
    if (!fix_axis("cumulative_sum", x, &axis))
        return NULL;
    if (x->type == TYPE_U8)
        return graph_refuse(x->graph, "cumulative_sum does not take %s", node_text(x, text));
    return node_new(x->graph, OP_CUMULATIVE_SUM, node_type(x), x->shape, &x, 1,
                    &(node_attributes){.a = {reverse}, .flags = axis});
}

node *op_argsort(node *x, bool descending)
{
    if (!x)
        return NULL;
    char text[NODE_TEXT];
    if (x->shape.rank < 1 || x->type == TYPE_U8 || shape_last(x->shape) > INT32_MAX)
        return graph_refuse(x->graph, "argsort: expected rows of at most %d numbers, found %s", INT32_MAX, node_text(x, text));
    return node_new(x->graph, OP_ARGSORT, TYPE_I32, x->shape, &x, 1, &(node_attributes){.flags = descending});
}

node *op_after(node *x, node *token)
{
    return x ? node_new(x->graph, OP_AFTER, node_type(x), x->shape, (node *[]){x, token}, 2, NULL) : NULL;
}

node *op_take_last(node *x, node *index)
{
    if (!x || !index)
        return NULL;
    if (index->type != TYPE_I32 || x->shape.rank < 1 || !shape_equal(shape_without_last(x->shape), index->shape))
        return refuse_index("take_last", x, index, "one index in i32 for each row");
    return node_new(x->graph, OP_TAKE_LAST, node_type(x), index->shape, (node *[]){x, index}, 2, NULL);
}

/* `own` with the leading axes of size 1 as large as those of `other`, of the same rank. */
static shape stretched_leading(shape own, shape other)
{
    for (int i = 0; i < own.rank - 2; i++)
        if (own.size[i] == 1)
            own.size[i] = other.size[i];
    return own;
}

node *op_matmul_as(node *a, node *b, bool transpose_a, bool transpose_b, element_type out)
{
    if (!a || !b)
        return NULL;
    char left[NODE_TEXT], right[NODE_TEXT];
    int ra = a->shape.rank, rb = b->shape.rank;
    if (a->type != b->type || !node_is_float(a) || (out != node_type(a) && !(a->type == TYPE_BF16 && out == TYPE_F32)))
        return graph_refuse(a->graph, "matmul: no product in %s of %s and %s", element_word(out), node_text(a, left),
                            node_text(b, right));
    bool fits = ra >= 2 && rb >= 2 && (ra == rb || ra == 2 || rb == 2);
    int64_t m = 0, n = 0, k = 0, l = 0;
    shape s = ra >= rb ? a->shape : b->shape;
    if (fits) {
        m = a->shape.size[transpose_a ? ra - 1 : ra - 2];
        k = a->shape.size[transpose_a ? ra - 2 : ra - 1];
        l = b->shape.size[transpose_b ? rb - 1 : rb - 2];
        n = b->shape.size[transpose_b ? rb - 2 : rb - 1];
        fits = k == l;
        for (int i = 0; fits && ra == rb && i < ra - 2; i++)
            fits = a->shape.size[i] == b->shape.size[i] || a->shape.size[i] == 1 || b->shape.size[i] == 1;
    }
    char inner[64] = "";
    if (k != l)
        snprintf(inner, sizeof inner, ": the inner sizes are %lld and %lld", (long long)k, (long long)l);
    if (!fits)
        return graph_refuse(a->graph, "matmul: %s%s and %s%s do not fit%s", node_text(a, left), transpose_a ? ", transposed," : "",
                            node_text(b, right), transpose_b ? ", transposed," : "", inner);
    if (ra == rb) {
        a = op_broadcast(a, stretched_leading(a->shape, b->shape));
        b = op_broadcast(b, stretched_leading(b->shape, a ? a->shape : b->shape));
        if (!a || !b)
            return NULL;
        s = a->shape;
    }
    s.size[s.rank - 2] = m;
    s.size[s.rank - 1] = n;
    if (ra > 2 && rb == 2 && !transpose_a) { /* one tall product */
        node *tall = op_reshape(a, SHAPE(shape_count(shape_without_last(a->shape)), k));
        return op_reshape(op_matmul_as(tall, b, false, transpose_b, out), s);
    }
    return node_new(a->graph, OP_MATMUL, out, s, (node *[]){a, b}, 2,
                    &(node_attributes){.flags = (transpose_a ? 1 : 0) | (transpose_b ? 2 : 0)});
}

node *op_matmul(node *a, node *b, bool transpose_a, bool transpose_b)
{
    return a ? op_matmul_as(a, b, transpose_a, transpose_b, node_type(a)) : NULL;
}

node *op_random_uniform(node *key, element_type type, shape s)
{
    if (!key)
        return NULL;
    char text[NODE_TEXT];
    if (key->type != TYPE_I32 || !shape_equal(key->shape, SHAPE(4)) || (type != TYPE_F32 && type != TYPE_F64))
        return graph_refuse(key->graph, "random_uniform: expected a key i32 [4] and a result in f32 or f64, found %s and %s",
                            node_text(key, text), element_word(type));
    return node_new(key->graph, OP_RANDOM_UNIFORM, type, s, &key, 1, NULL);
}
