/* Builders of structural operations: shapes worked out and checked here; what moves nothing adds no node. */
#include "graph/rules.h"

static int fix_axis(const char *what, int axis, int rank)
{
    int fixed = axis < 0 ? axis + rank : axis;
    if (fixed < 0 || fixed >= rank)
        BUG("%s: no axis %d in a tensor of rank %d", what, axis, rank);
    return fixed;
}

static node *reduce(op_code op, node *x, axes which, bool keep)
{
    if (!x)
        return NULL;
    node_attributes a = {0};
    shape s = x->shape;
    for (int i = 0; i < which.count; i++) {
        int axis = fix_axis(op_info_of(op)->name, which.axis[i], x->shape.rank);
        if (a.a[axis])
            BUG("%s: axis %d named twice", op_info_of(op)->name, axis);
        a.a[axis] = 1;
        s.size[axis] = 1;
    }
    if (which.count == 0)
        return x;
    node *y = node_new(x->graph, op, node_type(x), s, &x, 1, &a);
    if (keep)
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
    for (int i = 0; i < which.count; i++)
        n *= (double)x->shape.size[fix_axis("reduce_mean", which.axis[i], x->shape.rank)];
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
    int open = -1;
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        if (s.size[i] == -1 && open < 0)
            open = i;
        else
            n *= s.size[i];
    }
    int64_t count = shape_count(x->shape);
    if (open >= 0)
        s.size[open] = n ? count / n : 0;
    char from[128], to[128];
    if (shape_count(s) != count)
        BUG("reshape: %s does not fit %s", shape_text(x->shape, from), shape_text(s, to));
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
    char from[128], to[128];
    bool fits = x->shape.rank <= s.rank;
    for (int i = 1; fits && i <= x->shape.rank; i++)
        fits = x->shape.size[x->shape.rank - i] == 1 || x->shape.size[x->shape.rank - i] == s.size[s.rank - i];
    if (!fits)
        BUG("broadcast: %s does not stretch to %s", shape_text(x->shape, from), shape_text(s, to));
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
    if (order.count != x->shape.rank)
        BUG("transpose: expected %d axes, found %d", x->shape.rank, order.count);
    node_attributes a = {0};
    shape s = {.rank = order.count};
    bool used[RANK_MAX] = {false}, same = true;
    for (int i = 0; i < order.count; i++) {
        int axis = fix_axis("transpose", order.axis[i], order.count);
        if (used[axis])
            BUG("transpose: axis %d named twice", axis);
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
    axis = fix_axis("slice", axis, x->shape.rank);
    int64_t size = x->shape.size[axis];
    if (start < 0 || end < start || end > size)
        BUG("slice: %lld to %lld of an axis of size %lld", (long long)start, (long long)end, (long long)size);
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
    axis = fix_axis("pad", axis, x->shape.rank);
    if (before < 0 || after < 0)
        BUG("pad: %lld before, %lld after", (long long)before, (long long)after);
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
    axis = fix_axis("concat", axis, first->shape.rank);
    shape s = first->shape;
    s.size[axis] = 0;
    for (size_t i = 0; i < count; i++) {
        shape other = parts[i]->shape;
        char left[128], right[128];
        if (other.rank == s.rank)
            s.size[axis] += other.size[axis];
        other.size[axis] = first->shape.size[axis];
        if (parts[i]->type != first->type || !shape_equal(other, first->shape))
            BUG("concat: %s does not join %s on axis %d", shape_text(parts[i]->shape, right), shape_text(first->shape, left),
                axis);
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

static void check_index(const char *what, const node *index)
{
    if (index->type != TYPE_I32)
        BUG("%s: expected indices of type i32, found %s", what, element_word(node_type(index)));
}

node *op_gather_rows(node *table, node *index)
{
    if (!table || !index)
        return NULL;
    check_index("gather_rows", index);
    if (table->shape.rank < 1 || table->shape.rank - 1 + index->shape.rank > RANK_MAX)
        BUG("gather_rows: ranks %d and %d", table->shape.rank, index->shape.rank);
    shape s = index->shape;
    for (int i = 1; i < table->shape.rank; i++)
        s.size[s.rank++] = table->shape.size[i];
    return node_new(table->graph, OP_GATHER_ROWS, node_type(table), s, (node *[]){table, index}, 2, NULL);
}

/* The shape of one row when `rows` is [index's shape ..., row ...]. */
static shape row_shape(const char *what, const node *rows, const node *index)
{
    shape head = rows->shape, tail = {0};
    head.rank = index->shape.rank;
    if (rows->shape.rank < index->shape.rank || !shape_equal(head, index->shape))
        BUG("%s: the rows' first axes must be those of the indices", what);
    for (int i = index->shape.rank; i < rows->shape.rank; i++)
        tail.size[tail.rank++] = rows->shape.size[i];
    return tail;
}

node *op_scatter_rows(node *rows, node *index, int64_t n)
{
    if (!rows || !index)
        return NULL;
    check_index("scatter_rows", index);
    shape s = shape_insert(row_shape("scatter_rows", rows, index), 0, n);
    return node_new(rows->graph, OP_SCATTER_ROWS, node_type(rows), s, (node *[]){rows, index}, 2, NULL);
}

node *op_put_rows(node *table, node *index, node *rows)
{
    if (!table || !index || !rows)
        return NULL;
    check_index("put_rows", index);
    if (table->shape.rank < 1 || table->type != rows->type ||
        !shape_equal(shape_remove(table->shape, 0), row_shape("put_rows", rows, index)))
        BUG("put_rows: the rows do not fit the table");
    return node_new(table->graph, OP_PUT_ROWS, node_type(table), table->shape, (node *[]){table, index, rows}, 3, NULL);
}

/* x and index of one shape but for the last axis. */
static void check_last(const char *what, const node *x, const node *index)
{
    char left[128], right[128];
    check_index(what, index);
    if (x->shape.rank < 1 || index->shape.rank != x->shape.rank ||
        !shape_equal(shape_without_last(x->shape), shape_without_last(index->shape)))
        BUG("%s: indices %s do not fit rows %s", what, shape_text(index->shape, right), shape_text(x->shape, left));
}

node *op_gather_last(node *x, node *index)
{
    if (!x || !index)
        return NULL;
    check_last("gather_last", x, index);
    return node_new(x->graph, OP_GATHER_LAST, node_type(x), index->shape, (node *[]){x, index}, 2, NULL);
}

node *op_scatter_last(node *x, node *index, int64_t n)
{
    if (!x || !index)
        return NULL;
    check_last("scatter_last", x, index);
    if (!shape_equal(x->shape, index->shape) || x->type == TYPE_U8 || n < 0)
        BUG("scatter_last: expected an index for each number, and a size of 0 or more");
    return node_new(x->graph, OP_SCATTER_LAST, node_type(x), shape_with_last(x->shape, n), (node *[]){x, index}, 2, NULL);
}

node *op_cumulative_sum(node *x, int axis, bool reverse)
{
    if (!x)
        return NULL;
    axis = fix_axis("cumulative_sum", axis, x->shape.rank);
    if (x->type == TYPE_U8)
        BUG("cumulative_sum does not take elements of type u8");
    return node_new(x->graph, OP_CUMULATIVE_SUM, node_type(x), x->shape, &x, 1,
                    &(node_attributes){.a = {reverse}, .flags = axis});
}

node *op_argsort(node *x, bool descending)
{
    if (!x)
        return NULL;
    if (x->shape.rank < 1 || x->type == TYPE_U8 || shape_last(x->shape) > INT32_MAX)
        BUG("argsort: expected numbers along an axis of at most %d", INT32_MAX);
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
    check_index("take_last", index);
    if (x->shape.rank < 1 || !shape_equal(shape_without_last(x->shape), index->shape))
        BUG("take_last: one index for each row is expected");
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
    char left[128], right[128];
    int ra = a->shape.rank, rb = b->shape.rank;
    if (a->type != b->type || !node_is_float(a) || (out != node_type(a) && !(a->type == TYPE_BF16 && out == TYPE_F32)))
        BUG("matmul: types %s and %s to %s", element_word(node_type(a)), element_word(node_type(b)), element_word(out));
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
    if (!fits)
        BUG("matmul: %s%s times %s%s", shape_text(a->shape, left), transpose_a ? " transposed" : "",
            shape_text(b->shape, right), transpose_b ? " transposed" : "");
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
    if (key->type != TYPE_I32 || !shape_equal(key->shape, SHAPE(4)) || (type != TYPE_F32 && type != TYPE_F64))
        BUG("random_uniform: expected a key of 4 i32 and a result in f32 or f64");
    return node_new(key->graph, OP_RANDOM_UNIFORM, type, s, &key, 1, NULL);
}
