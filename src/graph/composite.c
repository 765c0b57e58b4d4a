#include "graph/composite.h"
#include "graph/backward.h"

#include <math.h>

static node *number_like(const node *like, double value)
{
    return like ? graph_scalar(like->graph, node_type(like), value) : NULL;
}

static node *wide(node *x)
{
    return x ? op_cast(x, wide_type(node_type(x))) : NULL;
}

static node *back(node *y, const node *like)
{
    return y ? op_cast(y, node_type(like)) : NULL;
}

/* x without its last axis, whose size is 1. */
static node *without_last(node *x)
{
    return x ? op_reshape(x, shape_without_last(x->shape)) : NULL;
}

/* ---- activations ---- */
node *op_relu(node *x)
{
    return x ? op_max(x, number_like(x, 0)) : NULL;
}

node *op_leaky_relu(node *x, double slope)
{
    return x ? op_select(op_less(number_like(x, 0), x), x, op_scale(x, slope)) : NULL;
}

node *op_gelu(node *x)
{
    return op_mul(op_scale(x, 0.5), op_shift(op_erf(op_scale(x, 0.70710678118654752440)), 1));
}

node *op_gelu_tanh(node *x)
{
    if (!x)
        return NULL;
    node *w = wide(x), *cubic = op_mul(op_shift(op_scale(op_square(w), 0.044715), 1), w);
    node *gate = op_shift(op_tanh(op_scale(cubic, 0.79788456080286535588)), 1); /* sqrt(2 / pi) */
    return back(op_mul(op_scale(w, 0.5), gate), x);
}

/* In x's type, which must be wide. */
static node *softplus_of(node *x)
{
    if (!x)
        return NULL;
    /* max(x, 0) + log(1 + exp(-|x|)): no overflow. Both by one mask: max and |x| would lose the second derivative at 0. */
    node *below = op_less_equal(x, number_like(x, 0));
    node *positive = op_select(below, number_like(x, 0), x), *shrinking = op_select(below, x, op_neg(x));
    return op_add(positive, op_log(op_shift(op_exp(shrinking), 1)));
}

node *op_softplus(node *x)
{
    return x ? back(softplus_of(wide(x)), x) : NULL;
}

node *op_log_sigmoid(node *x)
{
    return op_neg(op_softplus(op_neg(x)));
}

node *op_clamp(node *x, double low, double high)
{
    if (!x)
        return NULL;
    node *l = number_like(x, low), *h = number_like(x, high);
    return op_select(op_less(x, l), l, op_select(op_less(h, x), h, x));
}

node *op_straight_through(node *value, node *through)
{
    /* the difference is 0 whatever is rounded */
    return op_add(op_stop_gradient(value), op_sub(through, op_stop_gradient(through)));
}

/* ---- losses ---- */
node *op_huber(node *difference, double delta)
{
    if (!difference)
        return NULL;
    node *size = op_abs(difference), *far = op_scale(op_shift(size, -delta / 2), delta);
    return op_select(op_less_equal(size, number_like(size, delta)), op_scale(op_square(difference), 0.5), far);
}

node *op_binary_cross_entropy(node *logit, node *target)
{
    return logit ? back(op_sub(softplus_of(wide(logit)), op_mul(wide(logit), wide(target))), logit) : NULL;
}

/* Joins parts [n ...] by the first axis, pair by pair: any number of them. */
static node *joined(node **parts, size_t count)
{
    for (; count > 1; count = (count + 1) / 2)
        for (size_t i = 0; i < count; i += 2)
            parts[i / 2] = i + 1 < count ? op_concat(&parts[i], 2, 0) : parts[i];
    return parts[0];
}

node *op_cross_entropy_by_rows(node *x, logits_builder *logits, void *context, node *target, node *row_weight, int64_t rows)
{
    if (!x || !target || !row_weight)
        return NULL;
    char texts[3][NODE_TEXT];
    if (rows < 1 || x->shape.rank != 2 || target->shape.rank != 1 || target->shape.size[0] != x->shape.size[0] ||
        !shape_equal(target->shape, row_weight->shape))
        return graph_refuse(x->graph, "cross-entropy by rows: expected x [T, K], target and weight [T], and 1 row or more at a "
                            "time, found %s, %s, %s and %lld", node_text(x, texts[0]), node_text(target, texts[1]),
                            node_text(row_weight, texts[2]), (long long)rows);
    graph *g = x->graph;
    int64_t tokens = x->shape.size[0], count = tokens > rows ? (tokens + rows - 1) / rows : 1;
    arena *scratch = arena_new(NULL);
    node **losses = ARENA_ARRAY(scratch, node *, (size_t)count), *loss = NULL;
    for (int64_t c = count; losses && c-- > 0;) { /* the last first: gradients then gather from the first on, as without chunks */
        int64_t from = c * rows, to = from + rows < tokens ? from + rows : tokens;
        if (count > 1)
            graph_checkpoint_begin(g);
        node *some = count > 1 ? op_slice(x, 0, from, to) : x;
        losses[c] = op_cross_entropy(logits(context, some), op_slice(target, 0, from, to), op_slice(row_weight, 0, from, to));
        if (count > 1)
            graph_checkpoint_end(g);
    }
    if (losses)
        loss = joined(losses, (size_t)count);
    else
        graph_fail(g);
    arena_free(scratch);
    return loss;
}

typedef struct projection {
    node *weight;
    element_type type;
} projection;

static node *project(void *context, node *rows)
{
    const projection *p = context;
    return op_linear_as(rows, p->weight, p->type);
}

node *op_projected_cross_entropy(node *x, node *weight, node *target, node *row_weight, element_type logits, int64_t rows)
{
    return weight ? op_cross_entropy_by_rows(x, project, &(projection){weight, logits}, target, row_weight, rows) : NULL;
}

/* ---- rows ---- */
/* exp(x - top) and top, which keeps the last axis: the largest element, or 0 where that is not finite. */
static node *shifted_exp(node *x, node **top)
{
    node *most = op_stop_gradient(op_reduce_max(x, AXES(-1), true));
    if (!most)
        return NULL;
    *top = op_select(op_less(op_abs(most), number_like(x, INFINITY)), most, number_like(x, 0));
    return op_exp(op_sub(x, *top));
}

/* log(sum) + top, and -inf where sum is 0: there the derivative is 0. */
static node *log_of_sum(node *sum, node *top)
{
    if (!sum || !top)
        return NULL;
    node *none = op_equal(sum, number_like(sum, 0));
    node *log = op_add(op_log(op_select(none, number_like(sum, 1), sum)), top);
    return without_last(op_select(none, number_like(sum, -INFINITY), log));
}

node *op_logsumexp(node *x)
{
    if (!x)
        return NULL;
    node *top = NULL, *e = shifted_exp(wide(x), &top);
    return back(log_of_sum(op_reduce_sum(e, AXES(-1), true), top), x);
}

node *op_logsumexp_signed(node *x, node *sign, node **sign_of_sum)
{
    *sign_of_sum = NULL;
    if (!x || !sign)
        return NULL;
    node *top = NULL, *e = shifted_exp(wide(x), &top);
    node *sum = op_reduce_sum(op_mul(op_stop_gradient(wide(sign)), e), AXES(-1), true);
    *sign_of_sum = back(without_last(op_sign(sum)), x);
    return back(log_of_sum(op_abs(sum), top), x);
}

node *op_batch_norm_frozen(node *x, node *weight, node *bias, node *mean, node *variance, double epsilon)
{
    if (!x || !variance)
        return NULL;
    node *scale = op_rsqrt(op_shift(variance, epsilon));
    if (weight)
        scale = op_mul(scale, wide(weight));
    node *y = op_mul(op_sub(wide(x), mean), scale);
    return back(bias ? op_add(y, wide(bias)) : y, x);
}

void op_batch_norm_running(node **mean, node **variance, node *batch_mean, node *batch_variance, int64_t count, double momentum)
{
    char text[NODE_TEXT];
    if (!*mean || !*variance || !batch_mean || !batch_variance)
        return;
    if (count < 2) {
        *mean = *variance = graph_refuse(batch_mean->graph, "batch_norm_running: no variance over %lld rows less one, for %s",
                                         (long long)count, node_text(batch_variance, text));
        return;
    }
    node *spread = op_scale(op_stop_gradient(batch_variance), (double)count / (double)(count - 1));
    *mean = op_add(op_scale(*mean, 1 - momentum), op_scale(op_stop_gradient(batch_mean), momentum));
    *variance = op_add(op_scale(*variance, 1 - momentum), op_scale(spread, momentum));
}

node *op_norm(node *x)
{
    if (!x)
        return NULL;
    node *squares = op_reduce_sum(op_square(wide(x)), AXES(-1), false);
    if (!squares)
        return NULL;
    node *zero = op_equal(squares, number_like(squares, 0));
    node *root = op_sqrt(op_select(zero, number_like(squares, 1), squares));
    return back(op_select(zero, number_like(squares, 0), root), x);
}

/* ---- order ---- */
node *op_sort(node *x, bool descending)
{
    return op_gather_last(x, op_argsort(x, descending));
}

node *op_top_k(node *x, int64_t k, node **index)
{
    if (index)
        *index = NULL;
    if (!x)
        return NULL;
    char text[NODE_TEXT];
    if (k < 0 || x->shape.rank < 1 || k > shape_last(x->shape))
        return graph_refuse(x->graph, "top_k: the rows of %s have no %lld largest", node_text(x, text), (long long)k);
    node *first = op_slice(op_argsort(x, true), -1, 0, k);
    if (index)
        *index = first;
    return op_gather_last(x, first);
}

node *op_permutation_parity(node *permutation, element_type type)
{
    if (!permutation)
        return NULL;
    shape s = permutation->shape;
    char text[NODE_TEXT];
    graph *g = permutation->graph;
    if (s.rank < 1 || s.rank >= RANK_MAX || permutation->type != TYPE_I32)
        return graph_refuse(g, "permutation_parity: expected indices i32 [..., N] of rank 1 to %d, found %s", RANK_MAX - 1,
                            node_text(permutation, text));
    int64_t n = shape_last(s);
    node *first = op_reshape(permutation, shape_insert(s, s.rank, 1)), *second = op_reshape(permutation, shape_insert(s, s.rank - 1, 1));
    node *before = op_less(graph_iota(g, TYPE_I32, SHAPE(n, n), 0), graph_iota(g, TYPE_I32, SHAPE(n, n), 1));
    node *inverted = op_mul(op_cast(op_less(second, first), TYPE_I32), op_cast(before, TYPE_I32));
    node *count = op_reduce_sum(inverted, AXES(-2, -1), false);
    node *odd = count ? op_sub(count, op_scale(op_div(count, number_like(count, 2)), 2)) : NULL;
    return odd ? op_cast(op_shift(op_scale(odd, -2), 1), type) : NULL;
}

/* ---- along an axis ---- */
static node *swap_with_last(node *x, int axis)
{
    if (!x)
        return NULL;
    axes order = {.count = x->shape.rank};
    if (axis < 0)
        axis += order.count;
    char text[NODE_TEXT];
    if (axis < 0 || axis >= order.count)
        return graph_refuse(x->graph, "%s has no axis %d", node_text(x, text), axis);
    for (int i = 0; i < order.count; i++)
        order.axis[i] = i == axis ? order.count - 1 : i == order.count - 1 ? axis : i;
    return op_transpose(x, order);
}

node *op_gather_along(node *x, node *index, int axis)
{
    node *rows = swap_with_last(x, axis);
    return swap_with_last(op_gather_last(rows, swap_with_last(index, axis)), axis);
}

node *op_scatter_along(node *x, node *index, int axis, int64_t n)
{
    node *rows = swap_with_last(x, axis);
    return swap_with_last(op_scatter_last(rows, swap_with_last(index, axis), n), axis);
}

/* ---- sampling ---- */
/* The left neighbour (i32) of each coordinate on a grid of n points, its right one, and the way between them, 0 to 1. */
static node *between(node *at, int64_t n, node **left, node **right)
{
    node *inside = op_clamp(at, 0, (double)(n - 1));
    node *low = op_min(op_floor(inside), number_like(at, (double)(n > 1 ? n - 2 : 0)));
    *left = low ? op_cast(low, TYPE_I32) : NULL;
    *right = n > 1 && *left ? op_add(*left, number_like(*left, 1)) : *left;
    return op_sub(inside, op_stop_gradient(low));
}

static node *mix(node *a, node *b, node *way)
{
    return op_add(a, op_mul(way, op_sub(b, a)));
}

node *op_sample_linear(node *x, node *at)
{
    if (!x || !at)
        return NULL;
    char left_text[NODE_TEXT], right_text[NODE_TEXT];
    if (x->shape.rank < 1 || shape_last(x->shape) < 1 || node_type(at) != wide_type(node_type(x)))
        return graph_refuse(x->graph, "sample_linear: expected x [..., N], N at least 1, and coordinates in f32 (f64 for f64), found "
                            "%s and %s", node_text(x, left_text), node_text(at, right_text));
    node *left, *right, *way = between(at, shape_last(x->shape), &left, &right);
    return back(mix(wide(op_gather_last(x, left)), wide(op_gather_last(x, right)), way), x);
}

/* The elements at (row, column) of planes of `width` columns that lie as rows of `flat`, widened. */
static node *at_point(node *flat, node *row, node *column, int64_t width)
{
    return wide(op_gather_last(flat, op_add(op_scale(row, (double)width), column)));
}

node *op_sample_bilinear(node *x, node *row, node *column)
{
    if (!x || !row || !column)
        return NULL;
    shape s = x->shape;
    char texts[3][NODE_TEXT];
    element_type type = wide_type(node_type(x));
    if (s.rank < 2 || s.size[s.rank - 1] < 1 || s.size[s.rank - 2] < 1 || node_type(row) != type || node_type(column) != type ||
        shape_count(SHAPE(s.size[s.rank - 2], s.size[s.rank - 1])) > INT32_MAX)
        return graph_refuse(x->graph, "sample_bilinear: expected x [..., H, W] with points, and coordinates in f32 (f64 for f64), "
                            "found %s, %s and %s", node_text(x, texts[0]), node_text(row, texts[1]), node_text(column, texts[2]));
    int64_t h = s.size[s.rank - 2], w = s.size[s.rank - 1];
    node *up, *down, *left, *right;
    node *below = between(row, h, &up, &down), *beside = between(column, w, &left, &right);
    node *flat = op_reshape(x, shape_with_last(shape_without_last(s), h * w));
    node *top = mix(at_point(flat, up, left, w), at_point(flat, up, right, w), beside);
    node *bottom = mix(at_point(flat, down, left, w), at_point(flat, down, right, w), beside);
    return back(mix(top, bottom, below), x);
}

node *op_flow(node *velocity, int squarings)
{
    if (!velocity)
        return NULL;
    element_type type = node_type(velocity);
    char text[NODE_TEXT];
    if (velocity->shape.rank < 1 || !node_is_float(velocity) || type != wide_type(type) || squarings < 0)
        return graph_refuse(velocity->graph, "flow: expected velocities [..., N] in f32 or f64 and 0 squarings or more, found %s and %d",
                            node_text(velocity, text), squarings);
    node *place = graph_iota(velocity->graph, type, velocity->shape, -1), *moved = op_scale(velocity, ldexp(1, -squarings));
    for (int i = 0; i < squarings; i++)
        moved = op_add(moved, op_sample_linear(moved, op_add(place, moved)));
    return moved;
}

/* ---- geometry ---- */
node *op_pair_distances(node *r)
{
    if (!r)
        return NULL;
    shape s = r->shape;
    char text[NODE_TEXT];
    if (s.rank < 2 || s.rank >= RANK_MAX)
        return graph_refuse(r->graph, "pair_distances: expected points [..., N, D], found %s", node_text(r, text));
    node *from = op_reshape(r, shape_insert(s, s.rank - 1, 1)), *to = op_reshape(r, shape_insert(s, s.rank - 2, 1));
    return op_norm(op_sub(from, to));
}

/* Rows of length 1, zeros where they were zeros. */
static node *unit_rows(node *x)
{
    node *norm = op_norm(x);
    if (!norm)
        return NULL;
    norm = op_reshape(norm, shape_insert(norm->shape, norm->shape.rank, 1));
    node *zero = op_equal(norm, number_like(norm, 0));
    return op_div(x, op_select(zero, number_like(norm, 1), norm));
}

node *op_cosine_similarity(node *a, node *b)
{
    if (!a)
        return NULL;
    return back(op_matmul(unit_rows(wide(a)), unit_rows(wide(b)), false, true), a);
}

node *op_nt_xent(node *z, double temperature)
{
    if (!z)
        return NULL;
    shape s = z->shape;
    char text[NODE_TEXT];
    if (s.rank != 2 || s.size[0] % 2 != 0 || s.size[0] < 2 || !(temperature > 0))
        return graph_refuse(z->graph, "nt_xent: expected [2N, D], N at least 1, and a temperature above 0, found %s and %g",
                            node_text(z, text), temperature);
    graph *g = z->graph;
    int64_t rows = s.size[0], half = rows / 2;
    node *w = wide(z), *score = op_scale(op_cosine_similarity(w, w), 1 / temperature);
    node *self = op_equal(graph_iota(g, TYPE_I32, SHAPE(rows, rows), 0), graph_iota(g, TYPE_I32, SHAPE(rows, rows), 1));
    node *others = score ? op_logsumexp(op_select(self, number_like(score, (double)-INFINITY), score)) : NULL;
    node *row = graph_iota(g, TYPE_I32, SHAPE(rows), 0), *lower = graph_fill(g, TYPE_I32, SHAPE(rows), (double)half);
    node *view = op_select(op_less(row, lower), op_add(row, lower), op_sub(row, lower));
    return back(op_sub(others, op_take_last(score, view)), z);
}

/* ---- positive definite matrices ---- */
node *op_solve_positive(node *a, node *b)
{
    node *l = op_cholesky(a);
    return op_triangular_solve(l, op_triangular_solve(l, b, false), true);
}

node *op_log_determinant(node *a)
{
    node *l = op_cholesky(a);
    if (!l)
        return NULL;
    shape rows = shape_without_last(l->shape);
    node *diagonal = op_take_last(l, graph_iota(a->graph, TYPE_I32, rows, -1));
    return op_scale(op_reduce_sum(op_log(diagonal), AXES(-1), false), 2);
}

/* ---- draws ---- */
node *op_random_normal(node *key, element_type type, shape s)
{
    char text[128];
    if (key && !shape_countable(s))
        return graph_refuse(key->graph, "random_normal: %s are more elements than there can be", shape_text(s, text));
    int64_t n = key ? shape_count(s) : 0;
    node *u = op_random_uniform(key, TYPE_F64, SHAPE(2, n));
    node *radius = op_sqrt(op_scale(op_log(op_shift(op_neg(op_slice(u, 0, 0, 1)), 1)), -2));
    node *angle = op_cos(op_scale(op_slice(u, 0, 1, 2), 6.28318530717958647693)); /* 2 pi */
    node *z = op_mul(radius, angle);
    return z ? op_cast(op_reshape(z, s), type) : NULL;
}
