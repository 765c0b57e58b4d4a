/* Builders of fused operations. An operation with several results makes one node for each (attribute `part`); a plan
 * computes the parts of one call together. */
#include "graph/rules.h"

#include <math.h>

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

static void expect(bool good, op_code op, const char *what)
{
    if (!good)
        BUG("%s: expected %s", op_info_of(op)->name, what);
}

static bool is_tensor(const node *n, element_type type, shape s)
{
    return node_type(n) == type && shape_equal(n->shape, s);
}

node *op_linear_as(node *x, node *weight, element_type out)
{
    if (!x || !weight)
        return NULL;
    bool mixed = x->type == TYPE_BF16 && weight->type == TYPE_F32;
    expect(node_is_float(x) && (x->type == weight->type || mixed), OP_LINEAR,
           "x and weight of one type, or x in bf16 and the weight in f32");
    expect(out == node_type(x) || (x->type == TYPE_BF16 && out == TYPE_F32), OP_LINEAR, "a result of x's type, or f32");
    expect(x->shape.rank >= 1 && weight->shape.rank == 2 && shape_last(x->shape) == weight->shape.size[1], OP_LINEAR,
           "x [..., K] and weight [N, K]");
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
    expect(node_is_float(x) && x->shape.rank >= 1, op, "a float tensor of rank 1 or more");
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

static void check_rms_weight(const node *x, const node *weight)
{
    expect(node_is_float(x) && x->shape.rank >= 1 && weight->shape.rank == 1 &&
               weight->shape.size[0] == shape_last(x->shape) &&
               (weight->type == x->type || (x->type == TYPE_BF16 && weight->type == TYPE_F32)),
           OP_RMS_NORM, "x [..., K] and weight [K] of its type (or f32 where x is bf16)");
}

node *fused_rms_norm_part(node *x, node *weight, double epsilon, int part)
{
    if (!x || !weight)
        return NULL;
    check_rms_weight(x, weight);
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
    expect(node_is_float(gate) && is_tensor(up, node_type(gate), gate->shape), OP_SILU_MUL, "gate and up of one shape and type");
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
    expect(node_is_float(x) && x->shape.rank == 3 && x->shape.size[2] % 2 == 0, OP_ROTARY, "x [T, H, D] with D even");
    expect(is_tensor(position, TYPE_I32, SHAPE(x->shape.size[0])), OP_ROTARY, "positions i32 [T]");
    expect(cosine->shape.rank == 2 && cosine->shape.size[1] == x->shape.size[2] / 2 && node_type(cosine) == table &&
               is_tensor(sine, table, cosine->shape),
           OP_ROTARY, "cosine and sine [P, D / 2]");
    return part_node(OP_ROTARY, node_type(x), x->shape, (node *[]){x, position, cosine, sine},
                     (node_attributes){.flags = flags}, 0);
}

node *op_rotary(node *x, node *position, node *cosine, node *sine)
{
    return fused_rotary(x, position, cosine, sine, 0);
}

node_attributes attention_attributes(const node *q, attention_options o)
{
    expect(o.scale >= 0 && o.soft_cap >= 0 && o.window >= 0, OP_ATTENTION, "scale, soft cap and window 0 or more");
    int64_t window = o.window > INT32_MAX ? 0 : o.window; /* no position is that far away */
    double scale = o.scale > 0 || !q || q->shape.rank == 0 ? o.scale : 1 / sqrt((double)shape_last(q->shape));
    return (node_attributes){.x = {scale, o.soft_cap}, .a = {window, o.both_ways}};
}

node *fused_attention_part(node *q, node *k, node *v, node *start, node_attributes a, int part)
{
    if (!q || !k || !v || !start)
        return NULL;
    shape s = q->shape, keys = k->shape;
    expect(node_is_float(q) && s.rank == 3 && keys.rank == 3, OP_ATTENTION, "q [T, H, D], k and v [T, G, D]");
    expect(keys.size[0] == s.size[0] && keys.size[2] == s.size[2] && keys.size[1] > 0 && s.size[1] % keys.size[1] == 0 &&
               node_type(k) == node_type(q) && is_tensor(v, node_type(q), keys),
           OP_ATTENTION, "k and v [T, G, D] of q's type, G a divisor of H");
    expect(is_tensor(start, TYPE_I32, SHAPE(s.size[0])), OP_ATTENTION, "start i32 [T]");
    return part_node(OP_ATTENTION, part ? wide_type(node_type(q)) : node_type(q), part ? shape_without_last(s) : s,
                     (node *[]){q, k, v, start}, a, part);
}

node *op_attention(node *q, node *k, node *v, node *start, attention_options o)
{
    return fused_attention_part(q, k, v, start, attention_attributes(q, o), 0);
}

node *fused_attention_grad(node *const sources[7], node_attributes a, int part)
{
    const node *of = sources[part];
    return of ? part_node(OP_ATTENTION_GRAD, node_type(of), of->shape, sources, a, part) : NULL;
}

node *fused_cross_entropy_part(node *logits, node *target, node *weight, int part)
{
    if (!logits || !target || !weight)
        return NULL;
    expect(node_is_float(logits) && logits->shape.rank == 2, OP_CROSS_ENTROPY, "logits [T, V]");
    shape rows = SHAPE(logits->shape.size[0]);
    element_type type = wide_type(node_type(logits));
    expect(is_tensor(target, TYPE_I32, rows), OP_CROSS_ENTROPY, "target i32 [T]");
    expect(is_tensor(weight, type, rows), OP_CROSS_ENTROPY, "weight [T] in f32 (f64 for f64)");
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
    expect(node_is_float(x), OP_SUM_SQUARES, "a float tensor");
    return part_node(OP_SUM_SQUARES, wide_type(node_type(x)), SHAPE_SCALAR, &x, (node_attributes){0}, 0);
}

bool op_adamw(node *value, node *mean, node *square, node *gradient, node *rates, adamw_options o, node **new_value,
              node **new_mean, node **new_square)
{
    *new_value = *new_mean = *new_square = NULL;
    if (!value || !mean || !square || !gradient || !rates)
        return false;
    element_type type = node_type(value);
    expect(type == TYPE_F32 || type == TYPE_F64, OP_ADAMW, "f32 or f64");
    expect(is_tensor(mean, type, value->shape) && is_tensor(square, type, value->shape) &&
               is_tensor(gradient, type, value->shape) && is_tensor(rates, type, SHAPE(4)),
           OP_ADAMW, "mean, square and gradient like the value, rates [4]");
    node *sources[] = {value, mean, square, gradient, rates};
    node_attributes a = {.x = {o.beta1, o.beta2, o.epsilon, o.decay}};
    *new_value = part_node(OP_ADAMW, type, value->shape, sources, a, 0);
    *new_mean = part_node(OP_ADAMW, type, value->shape, sources, a, 1);
    *new_square = part_node(OP_ADAMW, type, value->shape, sources, a, 2);
    return *new_value && *new_mean && *new_square;
}

enum { CACHE_PAGE = 64 };

static void check_cache(op_code op, const node *k_cache, const node *v_cache, const node *pages, const node *slot,
                        const node *position)
{
    expect(node_is_float(k_cache) && k_cache->shape.rank == 4 && k_cache->shape.size[1] == CACHE_PAGE &&
               is_tensor(v_cache, node_type(k_cache), k_cache->shape),
           op, "caches [P, 64, G, D]");
    expect(pages->shape.rank == 2 && pages->type == TYPE_I32, op, "pages i32 [S, M]");
    expect(slot->shape.rank == 1 && slot->type == TYPE_I32 && is_tensor(position, TYPE_I32, slot->shape), op,
           "slot and position i32 [T]");
}

bool op_cache_append(node *k_cache, node *v_cache, node *k, node *v, node *pages, node *slot, node *position, node **new_k,
                     node **new_v)
{
    *new_k = *new_v = NULL;
    if (!k_cache || !v_cache || !k || !v || !pages || !slot || !position)
        return false;
    check_cache(OP_CACHE_APPEND, k_cache, v_cache, pages, slot, position);
    shape rows = SHAPE(slot->shape.size[0], k_cache->shape.size[2], k_cache->shape.size[3]);
    expect(is_tensor(k, node_type(k_cache), rows) && is_tensor(v, node_type(k_cache), rows), OP_CACHE_APPEND,
           "k and v [T, G, D] of the caches' type");
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
    check_cache(OP_CACHE_ATTENTION, k_cache, v_cache, pages, slot, position);
    expect(q->type == k_cache->type && q->shape.rank == 3 && q->shape.size[0] == slot->shape.size[0] &&
               q->shape.size[2] == k_cache->shape.size[3] && k_cache->shape.size[2] > 0 &&
               q->shape.size[1] % k_cache->shape.size[2] == 0,
           OP_CACHE_ATTENTION, "q [T, H, D] of the caches' type, H a multiple of G");
    expect(!o.both_ways, OP_CACHE_ATTENTION, "queries that see what was there before them: what comes later is not in the cache");
    return part_node(OP_CACHE_ATTENTION, node_type(q), q->shape, (node *[]){q, k_cache, v_cache, pages, slot, position},
                     attention_attributes(q, o), 0);
}
