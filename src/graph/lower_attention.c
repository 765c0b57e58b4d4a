/* What attention and the cache of keys and values mean, with the whole matrix of scores. */
#include "graph/rules.h"

#include <math.h>

static node *wide(node *x)
{
    return x ? op_cast(x, wide_type(node_type(x))) : NULL;
}

/* Products into scores: scaled, then capped. */
static node *scored(const node *n, node *products)
{
    double cap = n->attributes->x[1];
    node *scores = op_scale(products, n->attributes->x[0]);
    return cap > 0 ? op_scale(op_tanh(op_scale(scores, 1 / cap)), cap) : scores;
}

/* Where both masks (u8) hold. */
static node *both(node *a, node *b)
{
    return a && b ? op_cast(op_mul(op_cast(a, TYPE_I32), op_cast(b, TYPE_I32)), TYPE_U8) : NULL;
}

/* Where key <= query (or both ways) and, with a window, they are less than that apart: u8. */
static node *in_sight(const node *n, node *query, node *key)
{
    int64_t window = n->attributes->a[0];
    bool both_ways = n->attributes->a[1];
    node *seen = both_ways ? op_equal(key, key) : op_less_equal(key, query), *way = op_sub(query, key);
    if (!seen || window == 0)
        return seen;
    node *near = op_less(both_ways ? op_abs(way) : way, graph_scalar(n->graph, TYPE_I32, (double)window));
    return both(seen, near);
}

/* [T, groups * r, D] -> [T / row, groups, r * row, D]: blocks of `row` tokens between which nobody sees anybody. */
static node *in_blocks(node *x, int64_t row, int64_t groups)
{
    int64_t blocks = row ? x->shape.size[0] / row : 1, r = x->shape.size[1] / groups, d = x->shape.size[2];
    node *split = op_reshape(x, SHAPE(blocks, row, groups, r, d));
    return op_reshape(op_transpose(split, AXES(0, 2, 3, 1, 4)), SHAPE(blocks, groups, r * row, d));
}

/* Which keys of its block each query sees: u8 [blocks, 1, 1, row, row]. mask: NULL, or u8 [T, L], counted from where sequences start. */
static node *seen_in_blocks(const node *n, node *start, node *mask, int64_t blocks, int64_t row)
{
    node *query = graph_iota(n->graph, TYPE_I32, SHAPE(row, row), 0), *key = graph_iota(n->graph, TYPE_I32, SHAPE(row, row), 1);
    node *first = op_reshape(start, SHAPE(blocks, 1, 1, row, 1));
    if (blocks > 1)
        first = op_sub(first, op_scale(graph_iota(n->graph, TYPE_I32, SHAPE(blocks, 1, 1, row, 1), 0), (double)row));
    node *seen = both(op_less_equal(first, key), in_sight(n, query, key));
    if (n->attributes->a[1]) /* keys of later sequences start after the query */
        seen = both(seen, op_less_equal(op_reshape(first, SHAPE(blocks, 1, 1, 1, row)), query));
    if (mask) {
        node *each = op_reshape(op_cast(mask, TYPE_I32), SHAPE(blocks, 1, 1, row, shape_last(mask->shape)));
        seen = both(seen, op_less(graph_scalar(n->graph, TYPE_I32, 0), op_gather_last(each, op_sub(key, first))));
    }
    return seen;
}

/* Over keys; where a query sees none, -inf and 0 become numbers that let all weights be 0. */
static node *sound(node *x, node *blind, double instead)
{
    return blind && x ? op_select(blind, graph_scalar(x->graph, node_type(x), instead), x) : x;
}

static node *attention_of(const node *n, node *const *sources, node *mask, int part)
{
    node *q = wide(sources[0]), *k = wide(sources[1]), *v = wide(sources[2]), *start = sources[3], *blind = NULL;
    if (!q || !k || !v || !start)
        return NULL;
    int64_t t = q->shape.size[0], h = q->shape.size[1], d = q->shape.size[2], groups = k->shape.size[1], r = h / groups;
    int64_t row = n->attributes->a[2] ? n->attributes->a[2] : t, blocks = row ? t / row : 1;
    node *scores = op_matmul(in_blocks(q, row, groups), in_blocks(k, row, groups), false, true);
    scores = scored(n, op_reshape(scores, SHAPE(blocks, groups, r, row, row)));
    node *seen = seen_in_blocks(n, start, mask, blocks, row);
    if (mask)
        blind = op_equal(op_reduce_max(op_cast(seen, TYPE_I32), AXES(-1), true), graph_scalar(n->graph, TYPE_I32, 0));
    scores = op_select(seen, scores, graph_scalar(q->graph, node_type(q), -INFINITY));
    node *most = sound(op_stop_gradient(op_reduce_max(scores, AXES(-1), true)), blind, 0);
    node *e = op_exp(op_sub(scores, most)), *sum = sound(op_reduce_sum(e, AXES(-1), true), blind, 1);
    if (part) {
        node *lse = op_reshape(op_add(op_log(sum), most), SHAPE(blocks, h, row));
        return op_reshape(op_transpose(lse, AXES(0, 2, 1)), SHAPE(t, h));
    }
    node *weights = op_reshape(op_div(e, sum), SHAPE(blocks, groups, r * row, row));
    node *out = op_matmul(weights, in_blocks(v, row, groups), false, false);
    out = op_transpose(op_reshape(out, SHAPE(blocks, groups, r, row, d)), AXES(0, 3, 1, 2, 4));
    return op_cast(op_reshape(out, SHAPE(t, h, d)), node_type(sources[0]));
}

node *lower_attention(node *n)
{
    return attention_of(n, n->sources, n->op == OP_MASKED_ATTENTION ? n->sources[4] : NULL, n->attributes->part);
}

node *lower_attention_grad(node *n)
{
    node *wrapped[4], *gradient = NULL;
    for (int i = 0; i < 4; i++)
        wrapped[i] = op_identity(n->sources[i]);
    node *out = attention_of(n, wrapped, n->op == OP_MASKED_ATTENTION_GRAD ? n->sources[7] : NULL, 0);
    return out && graph_grad(out, &wrapped[n->attributes->part], 1, n->sources[6], &gradient) ? gradient : NULL;
}

/* The cache's inner order (kernels/kernels.h, kernel_cache): pages of keys [G, D, 64], pages of values [G, 64, D]; as
 * rows of positions [P * 64, G * D], and back. */
enum { PAGE = 64 };

static node *cache_rows(node *cache, bool keys)
{
    const int64_t *s = cache->shape.size;
    node *inner = keys ? op_reshape(cache, SHAPE(s[0], s[2], s[3], PAGE)) : op_reshape(cache, SHAPE(s[0], s[2], PAGE, s[3]));
    inner = keys ? op_transpose(inner, AXES(0, 3, 1, 2)) : op_transpose(inner, AXES(0, 2, 1, 3));
    return op_reshape(inner, SHAPE(s[0] * PAGE, s[2] * s[3]));
}

static node *cache_from_rows(node *rows, shape cache, bool keys)
{
    const int64_t *s = cache.size;
    node *inner = op_reshape(rows, SHAPE(s[0], PAGE, s[2], s[3]));
    inner = keys ? op_transpose(inner, AXES(0, 2, 3, 1)) : op_transpose(inner, AXES(0, 2, 1, 3));
    return op_reshape(inner, cache);
}

node *lower_cache_append(node *n)
{
    int part = n->attributes->part;
    node *cache = n->sources[part], *rows = n->sources[2 + part], *pages = n->sources[4], *slot = n->sources[5];
    node *position = n->sources[6];
    graph *g = n->graph;
    node *size = graph_scalar(g, TYPE_I32, PAGE), *page = op_div(position, size);
    const int64_t *s = pages->shape.size;
    node *index = op_add(op_mul(slot, graph_scalar(g, TYPE_I32, (double)s[1])), page);
    node *home = op_gather_rows(op_reshape(pages, SHAPE(s[0] * s[1])), index);
    node *at = op_add(op_mul(home, size), op_sub(position, op_mul(page, size)));
    at = op_select(op_less(slot, graph_scalar(g, TYPE_I32, 0)), graph_scalar(g, TYPE_I32, -1), at);
    node *flat = op_reshape(rows, SHAPE(rows->shape.size[0], rows->shape.size[1] * rows->shape.size[2]));
    return cache_from_rows(op_put_rows(cache_rows(cache, part == 0), at, flat), cache->shape, part == 0);
}

/* [T, G, M * 64, D]: all positions of each row's slot. */
static node *slot_keys(node *cache, node *pages, node *slot, bool keys)
{
    const int64_t *s = cache->shape.size;
    int64_t t = slot->shape.size[0], m = pages->shape.size[1];
    node *table = op_reshape(cache_rows(cache, keys), SHAPE(s[0], PAGE * s[2] * s[3]));
    node *mine = op_gather_rows(table, op_gather_rows(pages, slot));
    return wide(op_transpose(op_reshape(mine, SHAPE(t, m * PAGE, s[2], s[3])), AXES(0, 2, 1, 3)));
}

node *lower_cache_attention(node *n)
{
    node *q = wide(n->sources[0]), *pages = n->sources[3], *slot = n->sources[4], *position = n->sources[5];
    const int64_t *s = n->sources[1]->shape.size;
    if (!q)
        return NULL;
    graph *g = n->graph;
    int64_t t = q->shape.size[0], groups = s[2], r = q->shape.size[1] / groups, d = s[3], capacity = pages->shape.size[1] * PAGE;
    node *keys = slot_keys(n->sources[1], pages, slot, true), *values = slot_keys(n->sources[2], pages, slot, false);
    node *scores = op_matmul(op_reshape(q, SHAPE(t, groups, r, d)), keys, false, true);
    scores = scored(n, scores);
    node *seen = in_sight(n, op_reshape(position, SHAPE(t, 1)), graph_iota(g, TYPE_I32, SHAPE(t, capacity), 1));
    scores = op_select(op_reshape(seen, SHAPE(t, 1, 1, capacity)), scores, graph_scalar(g, node_type(q), -INFINITY));
    node *e = op_exp(op_sub(scores, op_stop_gradient(op_reduce_max(scores, AXES(-1), true))));
    node *out = op_matmul(op_div(e, op_reduce_sum(e, AXES(-1), true)), values, false, false);
    node *idle = op_reshape(op_less(slot, graph_scalar(g, TYPE_I32, 0)), SHAPE(t, 1, 1));
    out = op_select(idle, graph_scalar(g, node_type(q), 0), op_reshape(out, q->shape));
    return op_cast(out, node_type(n));
}
