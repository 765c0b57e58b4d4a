#include "lm/transformer.h"

#include "graph/ops.h"
#include "kernels/kernels.h"

#include <math.h>

transformer_types transformer_types_training(void)
{
    return (transformer_types){TYPE_F32, TYPE_BF16, TYPE_F32};
}

transformer_types transformer_types_all(element_type type)
{
    return (transformer_types){type, type, type};
}

/* What building goes by: the transformer in the making, and where the next weight is. */
typedef struct builder {
    transformer *t;
    size_t next;
    node *cosine, *sine;
    double scale; /* of attention scores */
} builder;

static node *cast(node *x, element_type type)
{
    return !x || x->type == type ? x : op_cast(x, type);
}

/* The next weight in the order of lm_weight_at; layers are built in that order. */
static node *next_weight(builder *b)
{
    return b->t->weights[b->next++];
}

/* A norm of the stream, given on in the type of products. */
static node *norm(builder *b, node *x)
{
    const transformer *t = b->t;
    node *weight = next_weight(b);
    if (t->types.residual != TYPE_BF16)
        weight = cast(weight, t->types.residual);
    return cast(op_rms_norm(x, weight, t->config.norm_epsilon), t->types.compute);
}

/* A product with a weight; bf16 values meet f32 masters as they are (the operation rounds them). */
static node *linear(builder *b, node *x, node *weight, element_type out)
{
    element_type compute = b->t->types.compute;
    if (weight && weight->type != compute && !(compute == TYPE_BF16 && weight->type == TYPE_F32))
        weight = op_cast(weight, compute);
    return out == compute ? op_linear(x, weight) : op_linear_as(x, weight, out);
}

static node *heads(builder *b, node *x, int count, const char *name, int layer)
{
    node *y = linear(b, x, next_weight(b), b->t->types.compute);
    y = op_reshape(y, SHAPE(b->t->tokens_count, count, b->t->config.head_size));
    return graph_name(y, "blocks.%d.attn.%s", layer, name);
}

static node *mix(builder *b, int i, node *q, node *k, node *v)
{
    transformer *t = b->t;
    q = op_rotary(q, t->positions, b->cosine, b->sine);
    k = op_rotary(k, t->positions, b->cosine, b->sine);
    if (!t->slots)
        return op_attention(q, k, v, t->starts, (attention_options){.scale = b->scale});
    op_cache_append(t->k_caches[i], t->v_caches[i], k, v, t->slots, t->positions, &t->new_k_caches[i],
                    &t->new_v_caches[i]);
    return op_cache_attention(q, t->new_k_caches[i], t->new_v_caches[i], t->slots, t->positions,
                              (attention_options){.scale = b->scale});
}

static node *block(builder *b, int i, node *x)
{
    const lm_config *c = &b->t->config;
    element_type compute = b->t->types.compute, residual = b->t->types.residual;
    int64_t tokens = b->t->tokens_count;
    x = graph_name(x, "blocks.%d.resid_pre", i);
    node *n = graph_name(norm(b, x), "blocks.%d.attn.norm", i);
    node *q = heads(b, n, c->heads, "q", i);
    node *k = heads(b, n, c->kv_heads, "k", i);
    node *v = heads(b, n, c->kv_heads, "v", i);
    node *mixed = graph_name(mix(b, i, q, k, v), "blocks.%d.attn.mix", i);
    mixed = op_reshape(mixed, SHAPE(tokens, (int64_t)c->heads * c->head_size));
    node *out = graph_name(linear(b, mixed, next_weight(b), residual), "blocks.%d.attn.out", i);
    x = graph_name(op_add(x, out), "blocks.%d.resid_mid", i);
    n = graph_name(norm(b, x), "blocks.%d.mlp.norm", i);
    node *gate = linear(b, n, next_weight(b), compute);
    node *up = linear(b, n, next_weight(b), compute);
    node *act = graph_name(op_silu_mul(gate, up), "blocks.%d.mlp.act", i);
    out = graph_name(linear(b, act, next_weight(b), residual), "blocks.%d.mlp.out", i);
    return graph_name(op_add(x, out), "blocks.%d.resid_post", i);
}

/* cos and sin of position * theta^(-2i/D), as constants; f64 graphs get the f32 values widened, so that all types
 * turn by the same angles. */
static status rotary_tables(builder *b, int64_t positions, error *err)
{
    transformer *t = b->t;
    size_t half = (size_t)t->config.head_size / 2, count = (size_t)positions * half;
    element_type type = t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32;
    arena *a = arena_new(NULL);
    float *inverse = ARENA_ARRAY(a, float, half);
    float *tables[2] = {ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count)};
    double *wide = ARENA_ARRAY(a, double, count);
    if (!inverse || !tables[0] || !tables[1] || !wide) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for rotary tables of %lld positions", (long long)positions);
    }
    kernel_rotary_frequencies((size_t)t->config.head_size, t->config.rope_theta, inverse);
    kernel_rotary_table((size_t)positions, (size_t)t->config.head_size, inverse, tables[0], tables[1]);
    node *nodes[2];
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < count; i++)
            wide[i] = (double)tables[k][i];
        const void *elements = type == TYPE_F64 ? (const void *)wide : tables[k];
        nodes[k] = graph_constant(t->graph, type, SHAPE(positions, (int64_t)half), elements);
    }
    b->cosine = nodes[0];
    b->sine = nodes[1];
    arena_free(a);
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
        t->weights[i] = graph_input(g, w.name, t->types.weights,
                                    w.rank == 1 ? SHAPE(w.shape[0]) : SHAPE(w.shape[0], w.shape[1]));
    }
    t->tokens = graph_input(g, "tokens", TYPE_I32, SHAPE(tokens));
    t->positions = graph_input(g, "positions", TYPE_I32, SHAPE(tokens));
    return true;
}

static status build(transformer *t, int64_t positions, error *err)
{
    builder b = {.t = t, .scale = 1 / sqrt((double)t->config.head_size)};
    TRY(rotary_tables(&b, positions, err));
    node *embedding = next_weight(&b);
    node *x = graph_name(cast(op_gather_rows(embedding, t->tokens), t->types.residual), "embed");
    for (int i = 0; i < t->config.layers; i++)
        x = block(&b, i, x);
    t->hidden = graph_name(norm(&b, x), "final.norm");
    t->head = t->config.tied ? embedding : next_weight(&b);
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
    builder b = {.t = (transformer *)t};
    element_type out = t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32;
    return graph_name(linear(&b, hidden, t->head, out), "logits");
}

node *transformer_loss(const transformer *t, node **targets, node **weights)
{
    *targets = graph_input(t->graph, "targets", TYPE_I32, SHAPE(t->tokens_count));
    *weights = graph_input(t->graph, "token_weights", t->types.compute == TYPE_F64 ? TYPE_F64 : TYPE_F32,
                           SHAPE(t->tokens_count));
    return op_sum_all(op_cross_entropy(transformer_logits(t, t->hidden), *targets, *weights));
}

status transformer_build_cached(arena *a, graph *g, const lm_config *config, transformer_types types, int64_t tokens,
                                int64_t rows, int64_t slots, int64_t capacity, transformer *out, error *err)
{
    *out = (transformer){.graph = g, .config = *config, .types = types, .tokens_count = tokens};
    if (!make_inputs(a, out, g, tokens))
        return error_set(err, STATUS_MEMORY, "out of memory for the graph of a model");
    out->slots = graph_input(g, "slots", TYPE_I32, SHAPE(tokens));
    out->rows = graph_input(g, "rows", TYPE_I32, SHAPE(rows));
    shape cache = SHAPE(slots, capacity, config->kv_heads, config->head_size);
    for (int i = 0; i < config->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "cache.%d.k", i);
        out->k_caches[i] = graph_input(g, name, types.compute, cache);
        snprintf(name, sizeof name, "cache.%d.v", i);
        out->v_caches[i] = graph_input(g, name, types.compute, cache);
    }
    TRY(build(out, capacity, err));
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
