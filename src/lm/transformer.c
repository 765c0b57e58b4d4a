#include "lm/transformer.h"

#include "graph/composite.h"
#include "graph/ops.h"
#include "kernels/kernels.h"
#include "lm/families.h"

#include <math.h>

transformer_types transformer_types_training(void)
{
    return (transformer_types){TYPE_F32, TYPE_BF16, TYPE_F32, NULL, NULL};
}

transformer_types transformer_types_all(element_type type)
{
    return (transformer_types){type, type, type, NULL, NULL};
}

/* What building goes by. */
typedef struct builder {
    transformer *t;
    const lm_config *c;
    element_type wide; /* what norms, biases and activations are computed in: f32, or f64 */
} builder;

static node *cast(node *x, element_type type)
{
    return !x || x->type == type ? x : op_cast(x, type);
}

static bool has(const builder *b, lm_part part, int layer)
{
    return lm_weight_find(b->c, part, layer) != SIZE_MAX;
}

static node *weight_of(const builder *b, lm_part part, int layer)
{
    size_t i = lm_weight_find(b->c, part, layer);
    if (i == SIZE_MAX)
        BUG("%s has no weight of part %d", b->c->family->architecture, (int)part);
    return b->t->weights[i];
}

/* The bias of a norm or projection, or NULL. */
static node *bias_of(const builder *b, lm_part part, int layer)
{
    static const lm_part biases[LM_PART_COUNT] = {
        [LM_ATTENTION_NORM] = LM_ATTENTION_NORM_BIAS, [LM_Q] = LM_Q_BIAS, [LM_K] = LM_K_BIAS, [LM_V] = LM_V_BIAS,
        [LM_QKV] = LM_QKV_BIAS, [LM_O] = LM_O_BIAS, [LM_MLP_NORM] = LM_MLP_NORM_BIAS, [LM_GATE] = LM_GATE_BIAS,
        [LM_UP] = LM_UP_BIAS, [LM_DOWN] = LM_DOWN_BIAS, [LM_FINAL_NORM] = LM_FINAL_NORM_BIAS,
    };
    lm_part bias = biases[part];
    return bias && has(b, bias, layer) ? cast(weight_of(b, bias, layer), b->wide) : NULL;
}

/* ---- norms ---- */

static node *layer_norm(const builder *b, node *x, node *weight, node *bias)
{
    x = cast(x, b->wide);
    node *centred = op_sub(x, op_reduce_mean(x, AXES(-1), true));
    node *spread = op_reduce_mean(op_square(centred), AXES(-1), true);
    node *y = op_mul(op_mul(centred, op_rsqrt(op_shift(spread, b->c->norm_epsilon))), cast(weight, b->wide));
    return bias ? op_add(y, bias) : y;
}

/* The norm of x over its last axis, by the weight of a part. */
static node *norm(const builder *b, node *x, lm_part part, int layer)
{
    node *weight = weight_of(b, part, layer);
    if (!x)
        return NULL;
    if (b->c->family->traits & LM_LAYER_NORM)
        return layer_norm(b, x, weight, bias_of(b, part, layer));
    if (b->c->family->traits & LM_NORM_PLUS_ONE)
        weight = op_shift(cast(weight, b->wide), 1);
    else if (x->type != TYPE_BF16)
        weight = cast(weight, (element_type)x->type);
    return op_rms_norm(x, weight, b->c->norm_epsilon);
}

/* ---- products ---- */

/* A product with a weight; bf16 values meet f32 masters as they are (the operation rounds them). turned: the weight lies
 * as [inputs, outputs]. */
static node *linear(const builder *b, node *x, node *weight, bool turned, element_type out)
{
    element_type compute = b->t->types.compute;
    if (turned && weight && weight->type == compute)
        return op_matmul_as(x, weight, false, false, out);
    if (turned)
        weight = op_transpose(weight, AXES(1, 0));
    if (weight && weight->type != compute && !(compute == TYPE_BF16 && weight->type == TYPE_F32))
        weight = op_cast(weight, compute);
    return out == compute ? op_linear(x, weight) : op_linear_as(x, weight, out);
}

/* A product with the weight of a part, and its bias where there is one, rounded once. */
static node *project(const builder *b, node *x, lm_part part, int layer, element_type out)
{
    bool turned = b->c->family->traits & LM_CONV1D;
    node *weight = weight_of(b, part, layer);
    node *bias = bias_of(b, part, layer);
    return bias ? cast(op_add(linear(b, x, weight, turned, b->wide), bias), out) : linear(b, x, weight, turned, out);
}

/* ---- attention ---- */

static node *as_heads(const builder *b, node *x, int count)
{
    return op_reshape(x, SHAPE(b->t->tokens_count, count, b->c->head_size));
}

/* Queries, keys and values [T, H or G, D] out of one product. */
static void split_heads(const builder *b, node *all, node *out[3])
{
    const lm_config *c = b->c;
    int64_t tokens = b->t->tokens_count, size = c->head_size, at = 0;
    if (c->family->traits & LM_QKV_BY_HEAD)
        all = op_reshape(all, SHAPE(tokens, c->heads, 3, size));
    for (int k = 0; k < 3; k++) {
        int count = k ? c->kv_heads : c->heads;
        node *part = c->family->traits & LM_QKV_BY_HEAD ? op_slice(all, 2, k, k + 1) : op_slice(all, 1, at, at + count * size);
        out[k] = as_heads(b, part, count);
        at += count * size;
    }
}

/* The same from three products, with norms over heads where there are such. */
static node *heads(const builder *b, node *x, int which, int layer)
{
    static const lm_part projections[] = {LM_Q, LM_K, LM_V}, norms[] = {LM_Q_NORM, LM_K_NORM};
    element_type compute = b->t->types.compute;
    int count = which ? b->c->kv_heads : b->c->heads;
    node *y = project(b, x, projections[which], layer, compute);
    bool normed = which < 2 && has(b, norms[which], layer), whole = b->c->family->traits & LM_QK_NORM_WHOLE;
    if (normed && whole)
        y = cast(norm(b, y, norms[which], layer), compute);
    y = as_heads(b, y, count);
    return normed && !whole ? cast(norm(b, y, norms[which], layer), compute) : y;
}

/* Turned by the positions; elements of a head beyond those that turn stay. */
static node *turn(const builder *b, node *x, bool local)
{
    int64_t turning = lm_config_rotary_size(b->c), size = b->c->head_size;
    if (!b->c->family->theta_key)
        return x;
    if (turning == size)
        return op_rotary(x, b->t->positions, b->t->cosine[local], b->t->sine[local]);
    node *parts[2] = {op_rotary(op_slice(x, 2, 0, turning), b->t->positions, b->t->cosine[local], b->t->sine[local]),
                      op_slice(x, 2, turning, size)};
    return op_concat(parts, 2, 2);
}

static node *mix(const builder *b, int i, node *q, node *k, node *v)
{
    transformer *t = b->t;
    int window = lm_config_window(b->c, i);
    bool local = window > 0 && b->c->rope_local_theta > 0;
    attention_options o = {.scale = lm_config_scale(b->c, i), .soft_cap = b->c->attention_cap, .window = window};
    q = turn(b, q, local);
    k = turn(b, k, local);
    if (!t->slots)
        return op_attention(q, k, v, t->starts, o);
    op_cache_append(t->k_caches[i], t->v_caches[i], k, v, t->pages, t->slots, t->positions, &t->new_k_caches[i],
                    &t->new_v_caches[i]);
    return op_cache_attention(q, t->new_k_caches[i], t->new_v_caches[i], t->pages, t->slots, t->positions, o);
}

/* What attention adds to the stream, from the stream's norm. */
static node *attention(const builder *b, int i, node *n)
{
    static const char *const names[] = {"q", "k", "v"};
    const lm_config *c = b->c;
    node *parts[3];
    if (has(b, LM_QKV, i))
        split_heads(b, project(b, n, LM_QKV, i, b->t->types.compute), parts);
    for (int k = 0; k < 3; k++) {
        if (!has(b, LM_QKV, i))
            parts[k] = heads(b, n, k, i);
        parts[k] = graph_name(parts[k], "blocks.%d.attn.%s", i, names[k]);
    }
    node *mixed = graph_name(mix(b, i, parts[0], parts[1], parts[2]), "blocks.%d.attn.mix", i);
    mixed = op_reshape(mixed, SHAPE(b->t->tokens_count, (int64_t)c->heads * c->head_size));
    return project(b, mixed, LM_O, i, b->t->types.residual);
}

/* ---- the MLP ---- */

static node *activate(lm_activation activation, node *x)
{
    switch (activation) {
    case LM_SILU:
        return op_silu(x);
    case LM_GELU:
        return op_gelu(x);
    case LM_GELU_TANH: /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel, arXiv 1606.08415 */
        return op_mul(op_scale(x, 0.5),
                      op_shift(op_tanh(op_mul(op_scale(x, 0.79788456080286535588),
                                              op_shift(op_scale(op_square(x), 0.044715), 1))), 1));
    case LM_RELU:
        return op_relu(x);
    case LM_ACTIVATION_COUNT:
        break;
    }
    BUG("activation %d", (int)activation);
}

/* What the MLP adds to the stream, from the stream's norm. */
static node *mlp(const builder *b, int i, node *n)
{
    element_type compute = b->t->types.compute;
    int64_t width = b->c->intermediate;
    bool fused = has(b, LM_GATE_UP, i), gated = fused || has(b, LM_GATE, i);
    node *both = fused ? project(b, n, LM_GATE_UP, i, compute) : NULL, *gate = NULL, *act;
    if (gated)
        gate = fused ? op_slice(both, 1, 0, width) : project(b, n, LM_GATE, i, compute);
    node *up = fused ? op_slice(both, 1, width, 2 * width) : project(b, n, LM_UP, i, compute);
    if (gated && b->c->activation == LM_SILU)
        act = op_silu_mul(gate, up);
    else if (gated)
        act = cast(op_mul(activate(b->c->activation, cast(gate, b->wide)), cast(up, b->wide)), compute);
    else
        act = cast(activate(b->c->activation, cast(up, b->wide)), compute);
    return project(b, graph_name(act, "blocks.%d.mlp.act", i), LM_DOWN, i, b->t->types.residual);
}

/* ---- the stream ---- */

static node *block(const builder *b, int i, node *x)
{
    element_type compute = b->t->types.compute, residual = b->t->types.residual;
    x = graph_name(x, "blocks.%d.resid_pre", i);
    node *n = has(b, LM_ATTENTION_NORM, i) ? norm(b, x, LM_ATTENTION_NORM, i) : x, *before = x;
    n = graph_name(cast(n, compute), "blocks.%d.attn.norm", i);
    node *out = attention(b, i, n);
    if (has(b, LM_ATTENTION_POST_NORM, i))
        out = cast(norm(b, out, LM_ATTENTION_POST_NORM, i), residual);
    x = graph_name(op_add(x, graph_name(out, "blocks.%d.attn.out", i)), "blocks.%d.resid_mid", i);
    n = b->c->parallel ? before : x;
    n = has(b, LM_MLP_NORM, i) ? norm(b, n, LM_MLP_NORM, i) : n;
    n = graph_name(cast(n, compute), "blocks.%d.mlp.norm", i);
    out = mlp(b, i, n);
    if (has(b, LM_MLP_POST_NORM, i))
        out = cast(norm(b, out, LM_MLP_POST_NORM, i), residual);
    return graph_name(op_add(x, graph_name(out, "blocks.%d.mlp.out", i)), "blocks.%d.resid_post", i);
}

static node *embed(const builder *b, node *embedding)
{
    const transformer *t = b->t;
    node *x = cast(op_gather_rows(embedding, t->tokens), t->types.residual);
    if (b->c->family->traits & LM_EMBED_SCALED) {
        double scale = sqrt((double)b->c->hidden); /* published models hold it in the type that they compute in */
        x = op_scale(x, t->types.compute == TYPE_BF16 ? (double)bf16_round((float)scale) : scale);
    }
    if (has(b, LM_POSITIONS, -1))
        x = op_add(x, cast(op_gather_rows(weight_of(b, LM_POSITIONS, -1), t->positions), t->types.residual));
    return graph_name(x, "embed");
}

bool transformer_has_rotary(const lm_config *c, int local)
{
    return local ? c->rope_local_theta > 0 : c->family->theta_key != NULL;
}

status transformer_rotary(const lm_config *c, int local, size_t first, size_t positions, float *cosine, float *sine, error *err)
{
    static const lm_rope unscaled;
    size_t size = (size_t)lm_config_rotary_size(c), count = positions * (size / 2);
    arena *a = arena_new(NULL);
    float *inverse = ARENA_ARRAY(a, float, size / 2 + 1);
    if (!inverse) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for rotary tables");
    }
    double amplitude = lm_rope_frequencies(local ? &unscaled : &c->rope, (int)size, local ? c->rope_local_theta : c->rope_theta,
                                           inverse);
    kernel_rotary_table(first, positions, size, inverse, cosine, sine);
    for (size_t i = 0; i < count && amplitude != 1; i++) {
        cosine[i] *= (float)amplitude;
        sine[i] *= (float)amplitude;
    }
    arena_free(a);
    return STATUS_OK;
}

/* Tables as constants; f64 graphs get the f32 values widened, so that all types turn by the same angles. */
static status rotary_constants(transformer *t, element_type wide, int local, size_t positions, error *err)
{
    int64_t half = lm_config_rotary_size(&t->config) / 2;
    size_t count = positions * (size_t)half;
    arena *a = arena_new(NULL);
    float *tables[2] = {ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count)};
    double *widened = ARENA_ARRAY(a, double, wide == TYPE_F64 ? count : 1);
    status result = tables[0] && tables[1] && widened
                        ? transformer_rotary(&t->config, local, 0, positions, tables[0], tables[1], err)
                        : error_set(err, STATUS_MEMORY, "out of memory for rotary tables of %zu positions", positions);
    for (int k = 0; k < 2 && result == STATUS_OK; k++) {
        for (size_t i = 0; i < count && wide == TYPE_F64; i++)
            widened[i] = (double)tables[k][i];
        node *n = graph_constant(t->graph, wide, SHAPE((int64_t)positions, half),
                                 wide == TYPE_F64 ? (const void *)widened : tables[k]);
        (k ? t->sine : t->cosine)[local] = n;
    }
    arena_free(a);
    return result;
}

/* With a cache, tables are inputs: its graphs share them. */
static status rotary_tables(transformer *t, element_type wide, size_t positions, error *err)
{
    int64_t half = lm_config_rotary_size(&t->config) / 2;
    for (int local = 0; local < 2; local++) {
        if (!transformer_has_rotary(&t->config, local))
            continue;
        if (!t->slots) {
            TRY(rotary_constants(t, wide, local, positions, err));
            continue;
        }
        t->cosine[local] = graph_input(t->graph, local ? "rotary.local.cosine" : "rotary.cosine", wide,
                                       SHAPE((int64_t)positions, half));
        t->sine[local] = graph_input(t->graph, local ? "rotary.local.sine" : "rotary.sine", wide, SHAPE((int64_t)positions, half));
    }
    return STATUS_OK;
}

static bool make_inputs(arena *a, transformer *t, graph *g, int64_t tokens)
{
    t->weight_count = lm_weight_count(&t->config);
    t->weights = ARENA_ARRAY(a, node *, t->weight_count + 4 * (size_t)t->config.layers);
    if (!t->weights)
        return false;
    t->k_caches = t->weights + t->weight_count;
    t->v_caches = t->k_caches + t->config.layers;
    t->new_k_caches = t->v_caches + t->config.layers;
    t->new_v_caches = t->new_k_caches + t->config.layers;
    for (size_t i = 0; i < t->weight_count; i++) {
        lm_weight w = lm_weight_at(&t->config, i);
        quant_format format = t->types.formats ? (quant_format)t->types.formats[i] : QUANT_PLAIN;
        element_type type = t->types.elements ? (element_type)t->types.elements[i] : t->types.weights;
        if (format != QUANT_PLAIN)
            type = t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32;
        t->weights[i] = graph_input_stored(g, w.name, type,
                                           w.rank == 1 ? SHAPE(w.shape[0]) : SHAPE(w.shape[0], w.shape[1]), format);
    }
    t->tokens = graph_input(g, "tokens", TYPE_I32, SHAPE(tokens));
    t->positions = graph_input(g, "positions", TYPE_I32, SHAPE(tokens));
    return true;
}

static status build(transformer *t, int64_t positions, error *err)
{
    builder b = {.t = t, .c = &t->config, .wide = t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32};
    TRY(rotary_tables(t, b.wide, (size_t)positions, err));
    node *embedding = weight_of(&b, LM_EMBEDDING, -1);
    node *x = embed(&b, embedding);
    for (int i = 0; i < t->config.layers; i++)
        x = block(&b, i, x);
    t->hidden = graph_name(cast(norm(&b, x, LM_FINAL_NORM, -1), t->types.compute), "final.norm");
    t->head = t->config.labels ? weight_of(&b, LM_SCORE, -1) : t->config.tied ? embedding : weight_of(&b, LM_HEAD, -1);
    return graph_status(t->graph, err);
}

status transformer_build(arena *a, graph *g, const lm_config *config, transformer_types types, int64_t tokens,
                         transformer *out, error *err)
{
    *out = (transformer){.graph = g, .config = *config, .types = types, .tokens_count = tokens};
    if (!make_inputs(a, out, g, tokens))
        return error_set(err, STATUS_MEMORY, "out of memory for the graph of a model");
    out->starts = graph_input(g, "starts", TYPE_I32, SHAPE(tokens));
    return build(out, config->context, err);
}

node *transformer_logits(const transformer *t, node *hidden)
{
    double cap = t->config.logit_cap;
    builder b = {.t = (transformer *)(uintptr_t)t, .c = &t->config, .wide = t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32};
    node *logits = linear(&b, hidden, t->head, false, b.wide);
    if (cap > 0)
        logits = op_scale(op_tanh(op_scale(logits, 1 / cap)), cap);
    return graph_name(logits, "logits");
}

/* Logits of more bytes than this are made in blocks of tokens (and gradients of the head then gather a block at a time). */
static const int64_t logits_at_once = (int64_t)64 << 20;

static node *logits_of(void *context, node *rows)
{
    return transformer_logits(context, rows);
}

node *transformer_loss(const transformer *t, node **targets, node **weights)
{
    *targets = graph_input(t->graph, "targets", TYPE_I32, SHAPE(t->tokens_count));
    *weights = graph_input(t->graph, "token_weights", t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32,
                           SHAPE(t->tokens_count));
    int64_t bytes = t->tokens_count * t->config.vocabulary * (int64_t)sizeof(float);
    int64_t rows = bytes > logits_at_once ? KERNEL_TOKEN_BLOCK : t->tokens_count;
    return op_sum_all(op_cross_entropy_by_rows(t->hidden, logits_of, (void *)(uintptr_t)t, *targets, *weights, rows));
}

status transformer_build_cached(arena *a, graph *g, const lm_config *config, transformer_types types, int64_t tokens,
                                int64_t rows, const transformer_cache *cache, transformer *out, error *err)
{
    *out = (transformer){.graph = g, .config = *config, .types = types, .tokens_count = tokens};
    if (!make_inputs(a, out, g, tokens))
        return error_set(err, STATUS_MEMORY, "out of memory for the graph of a model");
    out->slots = graph_input(g, "slots", TYPE_I32, SHAPE(tokens));
    out->rows = graph_input(g, "rows", TYPE_I32, SHAPE(rows));
    out->pages = graph_input(g, "pages", TYPE_I32, SHAPE(cache->slots, cache->slot_pages));
    shape s = SHAPE(cache->pages, KERNEL_KEY_BLOCK, config->kv_heads, config->head_size);
    for (int i = 0; i < config->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "cache.%d.k", i);
        out->k_caches[i] = graph_input(g, name, types.compute, s);
        snprintf(name, sizeof name, "cache.%d.v", i);
        out->v_caches[i] = graph_input(g, name, types.compute, s);
    }
    TRY(build(out, cache->slot_pages * KERNEL_KEY_BLOCK, err));
    out->logits = transformer_logits(out, op_gather_rows(out->hidden, out->rows));
    return graph_status(g, err);
}

double transformer_flops(const lm_config *config)
{
    double sum = 0;
    for (size_t i = 0; i < lm_weight_count(config); i++) {
        lm_weight w = lm_weight_at(config, i);
        bool used = w.rank == 2 && (w.role != LM_WEIGHT_EMBEDDING || config->tied);
        sum += used ? 2 * (double)w.count : 0;
    }
    return sum;
}
