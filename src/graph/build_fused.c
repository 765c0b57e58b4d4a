/* Builders of fused operations. An operation with several results makes one node for each (attribute `part`); a plan
 * computes the parts of one call together. */
#include "graph/rules.h"

#include <math.h>
#include <stdio.h>

static node *part_node(op_code op, element_type type, shape s, node *const *sources, node_attributes a, int part)
{
    for (int i = 0; i < op_info_of(op)->sources; i++)
        if (!sources[i])
            return NULL;
    if (part < 0 || part >= op_info_of(op)->parts)
        BUG("%s has no part %d", op_info_of(op)->name, part);
    a.part = part;
    return node_new(sources[0]->graph, op, type, s, sources, op_info_of(op)->sources, &a);
}

/* Where the sources do not fit, notes what was expected and which there are. */
static bool expect(bool good, op_code op, const char *what, node *const *sources, int count)
{
    char text[NODE_TEXT], found[512] = "";
    size_t at = 0;
    for (int i = 0; !good && i < count && at < sizeof found; i++)
        at += (size_t)snprintf(found + at, sizeof found - at, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " and ",
                               node_text(sources[i], text));
    if (!good)
        graph_refuse(sources[0]->graph, "%s: expected %s, found %s", op_info_of(op)->name, what, found);
    return good;
}

#define NODES(...) (node *[]){__VA_ARGS__}, (int)(sizeof((node *[]){__VA_ARGS__}) / sizeof(node *))

static bool is_tensor(const node *n, element_type type, shape s)
{
    return node_type(n) == type && shape_equal(n->shape, s);
}

node *op_linear_as(node *x, node *weight, element_type out)
{
    if (!x || !weight)
        return NULL;
    bool mixed = x->type == TYPE_BF16 && weight->type == TYPE_F32;
    if (!expect(node_is_float(x) && (x->type == weight->type || mixed), OP_LINEAR,
                "x and weight of one type, or x in bf16 and the weight in f32", NODES(x, weight)) ||
        !expect(out == node_type(x) || (x->type == TYPE_BF16 && out == TYPE_F32), OP_LINEAR, "a result of x's type, or f32 of bf16",
                NODES(x, weight)) ||
        !expect(x->shape.rank >= 1 && weight->shape.rank == 2 && shape_last(x->shape) == weight->shape.size[1], OP_LINEAR,
                "x [..., K] and weight [N, K]", NODES(x, weight)))
        return NULL;
    return part_node(OP_LINEAR, out, shape_with_last(x->shape, weight->shape.size[0]), (node *[]){x, weight},
                     (node_attributes){0}, 0);
}

node *op_linear(node *x, node *weight)
{
    return x ? op_linear_as(x, weight, node_type(x)) : NULL;
}

static node *rowwise(op_code op, node *x)
{
    if (!x)
        return NULL;
    if (!expect(node_is_float(x) && x->shape.rank >= 1, op, "rows of floats", NODES(x)))
        return NULL;
    return part_node(op, node_type(x), x->shape, &x, (node_attributes){0}, 0);
}

node *op_softmax(node *x)
{
    return rowwise(OP_SOFTMAX, x);
}

node *op_log_softmax(node *x)
{
    return rowwise(OP_LOG_SOFTMAX, x);
}

node *fused_softmax_grad(node *y, node *dy)
{
    return y ? part_node(OP_SOFTMAX_GRAD, node_type(y), y->shape, (node *[]){y, dy}, (node_attributes){0}, 0) : NULL;
}

static bool fits_rms_weight(const node *x, const node *weight)
{
    return node_is_float(x) && x->shape.rank >= 1 && weight->shape.rank == 1 && weight->shape.size[0] == shape_last(x->shape) &&
           (weight->type == x->type || (x->type == TYPE_BF16 && weight->type == TYPE_F32));
}

node *fused_rms_norm_part(node *x, node *weight, double epsilon, int part)
{
    if (!x || !weight)
        return NULL;
    if (!expect(fits_rms_weight(x, weight), OP_RMS_NORM, "x [..., K] and weight [K] of its type (or f32 where x is bf16)",
                NODES(x, weight)))
        return NULL;
    return part_node(OP_RMS_NORM, part ? wide_type(node_type(x)) : node_type(x),
                     part ? shape_without_last(x->shape) : x->shape, (node *[]){x, weight},
                     (node_attributes){.x = {epsilon}}, part);
}

node *op_rms_norm(node *x, node *weight, double epsilon)
{
    return fused_rms_norm_part(x, weight, epsilon, 0);
}

node *fused_rms_norm_grad(node *x, node *weight, node *rstd, node *dy, double epsilon, int part)
{
    if (!x || !weight)
        return NULL;
    return part_node(OP_RMS_NORM_GRAD, node_type(part ? weight : x), part ? weight->shape : x->shape,
                     (node *[]){x, weight, rstd, dy}, (node_attributes){.x = {epsilon}}, part);
}

node *op_silu_mul(node *gate, node *up)
{
    if (!gate || !up)
        return NULL;
    if (!expect(node_is_float(gate) && is_tensor(up, node_type(gate), gate->shape), OP_SILU_MUL,
                "gate and up of one shape and type of floats", NODES(gate, up)))
        return NULL;
    return part_node(OP_SILU_MUL, node_type(gate), gate->shape, (node *[]){gate, up}, (node_attributes){0}, 0);
}

node *fused_silu_mul_grad(node *gate, node *up, node *dy, int part)
{
    return gate ? part_node(OP_SILU_MUL_GRAD, node_type(gate), gate->shape, (node *[]){gate, up, dy},
                            (node_attributes){0}, part)
                : NULL;
}

node *fused_rotary(node *x, node *position, node *cosine, node *sine, int32_t flags)
{
    if (!x || !position || !cosine || !sine)
        return NULL;
    element_type table = wide_type(node_type(x));
    if (!expect(node_is_float(x) && x->shape.rank == 3 && x->shape.size[2] % 2 == 0, OP_ROTARY, "x [T, H, D] with D even", NODES(x)) ||
        !expect(is_tensor(position, TYPE_I32, SHAPE(x->shape.size[0])), OP_ROTARY, "positions i32 [T] of x [T, H, D]",
                NODES(x, position)) ||
        !expect(cosine->shape.rank == 2 && cosine->shape.size[1] == x->shape.size[2] / 2 && node_type(cosine) == table &&
                    is_tensor(sine, table, cosine->shape),
                OP_ROTARY, "cosine and sine [P, D / 2] of x [T, H, D], in f32 (f64 for f64)", NODES(x, cosine, sine)))
        return NULL;
    return part_node(OP_ROTARY, node_type(x), x->shape, (node *[]){x, position, cosine, sine},
                     (node_attributes){.flags = flags}, 0);
}

node *op_rotary(node *x, node *position, node *cosine, node *sine)
{
    return fused_rotary(x, position, cosine, sine, 0);
}

node_attributes attention_attributes(const node *q, attention_options o)
{
    int64_t window = o.window > INT32_MAX ? 0 : o.window; /* no position is that far away */
    double scale = o.scale != 0 || !q || q->shape.rank == 0 ? o.scale : 1 / sqrt((double)shape_last(q->shape));
    return (node_attributes){.x = {scale, o.soft_cap}, .a = {window, o.both_ways, o.row}};
}

/* No score is turned round. */
static bool fits_scores(op_code op, node *q, const node_attributes *a)
{
    if (a->x[0] >= 0 && a->x[1] >= 0 && a->a[0] >= 0)
        return true;
    graph_refuse(q->graph, "%s: expected a scale, a soft cap and a window of 0 or more, found %g, %g and %lld", op_info_of(op)->name,
                 a->x[0], a->x[1], (long long)a->a[0]);
    return false;
}

node *fused_attention_part(node *q, node *k, node *v, node *start, node *mask, node_attributes a, int part)
{
    if (!q || !k || !v || !start)
        return NULL;
    shape s = q->shape, keys = k->shape;
    if (s.rank == 3 && s.size[0] == 0 && a.a[2] > 0)
        a.a[2] = 0; /* no tokens are rows of any length, whose scores would have to be laid out */
    if (!fits_scores(OP_ATTENTION, q, &a) ||
        !expect(node_is_float(q) && s.rank == 3 && keys.rank == 3, OP_ATTENTION, "q [T, H, D], k and v [T, G, D]", NODES(q, k, v)) ||
        !expect(keys.size[0] == s.size[0] && keys.size[2] == s.size[2] && keys.size[1] > 0 && s.size[1] % keys.size[1] == 0 &&
                    node_type(k) == node_type(q) && is_tensor(v, node_type(q), keys),
                OP_ATTENTION, "k and v [T, G, D] of the type of q [T, H, D], G a divisor of H", NODES(q, k, v)) ||
        !expect(a.a[2] == 0 || (a.a[2] > 0 && s.size[0] % a.a[2] == 0), OP_ATTENTION, "tokens that are whole rows (options)", NODES(q)) ||
        !expect(is_tensor(start, TYPE_I32, SHAPE(s.size[0])), OP_ATTENTION, "start i32 [T] of q [T, H, D]", NODES(q, start)))
        return NULL;
    if (mask && !expect(mask->type == TYPE_U8 && mask->shape.rank == 2 && mask->shape.size[0] == s.size[0], OP_MASKED_ATTENTION,
                        "mask u8 [T, L] of q [T, H, D]", NODES(q, mask)))
        return NULL;
    return part_node(mask ? OP_MASKED_ATTENTION : OP_ATTENTION, part ? wide_type(node_type(q)) : node_type(q), part ? shape_without_last(s) : s,
                     (node *[]){q, k, v, start, mask}, a, part);
}

node *op_attention(node *q, node *k, node *v, node *start, attention_options o)
{
    return fused_attention_part(q, k, v, start, NULL, attention_attributes(q, o), 0);
}

node *op_masked_attention(node *q, node *k, node *v, node *start, node *mask, attention_options o)
{
    return mask ? fused_attention_part(q, k, v, start, mask, attention_attributes(q, o), 0) : NULL;
}

node *fused_attention_grad(node *const sources[8], node_attributes a, int part)
{
    const node *of = sources[part];
    op_code op = sources[7] ? OP_MASKED_ATTENTION_GRAD : OP_ATTENTION_GRAD;
    return of ? part_node(op, node_type(of), of->shape, sources, a, part) : NULL;
}

node *fused_cross_entropy_part(node *logits, node *target, node *weight, int part)
{
    if (!logits || !target || !weight)
        return NULL;
    shape rows = SHAPE(logits->shape.size[0]);
    element_type type = wide_type(node_type(logits));
    if (!expect(node_is_float(logits) && logits->shape.rank == 2, OP_CROSS_ENTROPY, "logits [T, V]", NODES(logits)) ||
        !expect(is_tensor(target, TYPE_I32, rows), OP_CROSS_ENTROPY, "target i32 [T] of logits [T, V]", NODES(logits, target)) ||
        !expect(is_tensor(weight, type, rows), OP_CROSS_ENTROPY, "weight [T] of logits [T, V], in f32 (f64 for f64)",
                NODES(logits, weight)))
        return NULL;
    return part_node(OP_CROSS_ENTROPY, type, rows, (node *[]){logits, target, weight}, (node_attributes){0}, part);
}

node *op_cross_entropy(node *logits, node *target, node *weight)
{
    return fused_cross_entropy_part(logits, target, weight, 0);
}

node *fused_cross_entropy_grad(node *logits, node *target, node *weight, node *lse, node *dloss)
{
    return logits ? part_node(OP_CROSS_ENTROPY_GRAD, node_type(logits), logits->shape,
                              (node *[]){logits, target, weight, lse, dloss}, (node_attributes){0}, 0)
                  : NULL;
}

node *op_sum_squares(node *x)
{
    if (!x)
        return NULL;
    if (!expect(node_is_float(x), OP_SUM_SQUARES, "floats", NODES(x)))
        return NULL;
    return part_node(OP_SUM_SQUARES, wide_type(node_type(x)), SHAPE_SCALAR, &x, (node_attributes){0}, 0);
}

bool op_adamw(node *value, node *mean, node *square, node *gradient, node *rates, adamw_options o, node **new_value,
              node **new_mean, node **new_square)
{
    *new_value = *new_mean = *new_square = NULL;
    if (!value || !mean || !square || !gradient || !rates)
        return false;
    element_type type = node_type(value);
    if (!expect(type == TYPE_F32 || type == TYPE_F64, OP_ADAMW, "a value in f32 or f64", NODES(value)) ||
        !expect(is_tensor(mean, type, value->shape) && is_tensor(square, type, value->shape) &&
                    is_tensor(gradient, type, value->shape),
                OP_ADAMW, "mean, square and gradient like the value", NODES(value, mean, square, gradient)) ||
        !expect(is_tensor(rates, type, SHAPE(4)), OP_ADAMW, "rates [4] of the value's type", NODES(value, rates)))
        return false;
    node *sources[] = {value, mean, square, gradient, rates};
    node_attributes a = {.x = {o.beta1, o.beta2, o.epsilon, o.decay}};
    *new_value = part_node(OP_ADAMW, type, value->shape, sources, a, 0);
    *new_mean = part_node(OP_ADAMW, type, value->shape, sources, a, 1);
    *new_square = part_node(OP_ADAMW, type, value->shape, sources, a, 2);
    return *new_value && *new_mean && *new_square;
}

static bool are_sparse_rows(op_code op, node *rows, node *index)
{
    return expect(node_is_float(rows) && rows->shape.rank >= 1 && is_tensor(index, TYPE_I32, SHAPE(rows->shape.size[0])), op,
                  "rows [I, ...] in floats and their indices i32 [I]", NODES(rows, index));
}

node *op_sparse_sum_squares(node *rows, node *index, int64_t n)
{
    if (!rows || !index || !are_sparse_rows(OP_SPARSE_SUM_SQUARES, rows, index))
        return NULL;
    shape table = rows->shape;
    table.size[0] = n;
    if (!expect(shape_countable(table), OP_SPARSE_SUM_SQUARES, "a table of 0 rows or more, of at most 2^48 elements", NODES(rows)))
        return NULL;
    return part_node(OP_SPARSE_SUM_SQUARES, wide_type(node_type(rows)), SHAPE_SCALAR, (node *[]){rows, index},
                     (node_attributes){.a = {n}}, 0);
}

bool op_sparse_adamw(node *value, node *mean, node *square, node *rows, node *index, node *rates, adamw_options o, node **new_value,
                     node **new_mean, node **new_square)
{
    *new_value = *new_mean = *new_square = NULL;
    if (!value || !mean || !square || !rows || !index || !rates || !are_sparse_rows(OP_SPARSE_ADAMW, rows, index))
        return false;
    element_type type = node_type(value);
    if (!expect((type == TYPE_F32 || type == TYPE_F64) && value->shape.rank >= 1, OP_SPARSE_ADAMW, "a table in f32 or f64",
                NODES(value)) ||
        !expect(is_tensor(mean, type, value->shape) && is_tensor(square, type, value->shape), OP_SPARSE_ADAMW,
                "mean and square like the value", NODES(value, mean, square)) ||
        !expect(node_type(rows) == type && shape_equal(shape_remove(value->shape, 0), shape_remove(rows->shape, 0)), OP_SPARSE_ADAMW,
                "rows like those of the value", NODES(value, rows)) ||
        !expect(is_tensor(rates, type, SHAPE(4)), OP_SPARSE_ADAMW, "rates [4] of the value's type", NODES(value, rates)))
        return false;
    node *sources[] = {value, mean, square, rows, index, rates};
    node_attributes a = {.x = {o.beta1, o.beta2, o.epsilon, o.decay}};
    *new_value = part_node(OP_SPARSE_ADAMW, type, value->shape, sources, a, 0);
    *new_mean = part_node(OP_SPARSE_ADAMW, type, value->shape, sources, a, 1);
    *new_square = part_node(OP_SPARSE_ADAMW, type, value->shape, sources, a, 2);
    return *new_value && *new_mean && *new_square;
}

enum { CACHE_PAGE = 64 };

static bool fits_cache(op_code op, node *k_cache, node *v_cache, node *pages, node *slot, node *position)
{
    return expect(node_is_float(k_cache) && k_cache->shape.rank == 4 && k_cache->shape.size[1] == CACHE_PAGE &&
                      is_tensor(v_cache, node_type(k_cache), k_cache->shape),
                  op, "caches [P, 64, G, D] of one type", NODES(k_cache, v_cache)) &&
           expect(pages->shape.rank == 2 && pages->type == TYPE_I32, op, "pages i32 [S, M]", NODES(pages)) &&
           expect(slot->shape.rank == 1 && slot->type == TYPE_I32 && is_tensor(position, TYPE_I32, slot->shape), op,
                  "slot and position i32 [T]", NODES(slot, position));
}

bool op_cache_append(node *k_cache, node *v_cache, node *k, node *v, node *pages, node *slot, node *position, node **new_k,
                     node **new_v)
{
    *new_k = *new_v = NULL;
    if (!k_cache || !v_cache || !k || !v || !pages || !slot || !position)
        return false;
    if (!fits_cache(OP_CACHE_APPEND, k_cache, v_cache, pages, slot, position))
        return false;
    shape rows = SHAPE(slot->shape.size[0], k_cache->shape.size[2], k_cache->shape.size[3]);
    if (!expect(is_tensor(k, node_type(k_cache), rows) && is_tensor(v, node_type(k_cache), rows), OP_CACHE_APPEND,
                "k and v [T, G, D] of the type of the caches [P, 64, G, D], for slots [T]", NODES(k, v, k_cache, slot)))
        return false;
    node *sources[] = {k_cache, v_cache, k, v, pages, slot, position};
    *new_k = part_node(OP_CACHE_APPEND, node_type(k_cache), k_cache->shape, sources, (node_attributes){0}, 0);
    *new_v = part_node(OP_CACHE_APPEND, node_type(k_cache), k_cache->shape, sources, (node_attributes){0}, 1);
    return *new_k && *new_v;
}

node *op_cache_attention(node *q, node *k_cache, node *v_cache, node *pages, node *slot, node *position,
                         attention_options o)
{
    if (!q || !k_cache || !v_cache || !pages || !slot || !position)
        return NULL;
    node_attributes a = attention_attributes(q, o);
    if (!fits_scores(OP_CACHE_ATTENTION, q, &a) || !fits_cache(OP_CACHE_ATTENTION, k_cache, v_cache, pages, slot, position) ||
        !expect(q->type == k_cache->type && q->shape.rank == 3 && q->shape.size[0] == slot->shape.size[0] &&
                    q->shape.size[2] == k_cache->shape.size[3] && k_cache->shape.size[2] > 0 &&
                    q->shape.size[1] % k_cache->shape.size[2] == 0,
                OP_CACHE_ATTENTION, "q [T, H, D] of the type of the caches [P, 64, G, D], H a multiple of G, for slots [T]",
                NODES(q, k_cache, slot)) ||
        !expect(!o.both_ways, OP_CACHE_ATTENTION,
                "queries that see what was there before them (what comes later is not in the cache)", NODES(q)))
        return NULL;
    return part_node(OP_CACHE_ATTENTION, node_type(q), q->shape, (node *[]){q, k_cache, v_cache, pages, slot, position},
                     a, 0);
}
