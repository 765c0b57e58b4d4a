/* Steps of fused operations: the kernels' argument lists. */
#include "graph/plan_internal.h"
#include "kernels/kernels.h"

/* f64 is computed through the lowering; so are the shapes that a kernel does not take. */
bool has_fast_kernel(plan_builder *b, const node *n)
{
    if (op_info_of(n->op)->family != FAMILY_FUSED)
        return true;
    if (n->op == OP_LINEAR && n->sources[1]->format != QUANT_PLAIN && shape_count(n->sources[1]->shape) > 0)
        return n->sources[1]->type != TYPE_F64; /* no rows are none too many: lowering would need the weight's elements */
    for (int i = 0; i < n->source_count; i++)
        if (n->sources[i]->type == TYPE_F64 || shape_count(n->sources[i]->shape) == 0)
            return false;
    if (n->op == OP_CONV || n->op == OP_CONV_INPUT_GRAD || n->op == OP_CONV_WEIGHT_GRAD)
        return has_fast_conv(b, n);
    if (n->op == OP_MAX_POOL || n->op == OP_MAX_POOL_GRAD)
        return n->type == TYPE_F32;
    return n->op != OP_LOG_SOFTMAX;
}

static kernel_type type_of(const node *n)
{
    return (kernel_type)n->type;
}

static size_t axis(const node *n, int i)
{
    return (size_t)n->shape.size[i];
}

/* Rows and width of a tensor seen as rows over its last axis. */
static size_t width_of(const node *n)
{
    return (size_t)shape_last(n->shape);
}

static size_t rows_of(const node *n)
{
    return (size_t)shape_count(shape_without_last(n->shape));
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* A prepare function that only sets `run`. */
#define SIMPLE(name)                                                                                               \
    status prepare_##name(plan_builder *b, step *s, error *err)                                                    \
    {                                                                                                              \
        (void)b;                                                                                                   \
        (void)err;                                                                                                 \
        s->run = run_##name;                                                                                       \
        return STATUS_OK;                                                                                          \
    }

static void run_softmax(const step *s, const step_memory *m)
{
    kernel_softmax(type_of(s->node), m->pool, rows_of(s->node), width_of(s->node), m->in[0], m->out[0]);
}
SIMPLE(softmax)

static void run_softmax_grad(const step *s, const step_memory *m)
{
    kernel_softmax_backward(type_of(s->node), m->pool, rows_of(s->node), width_of(s->node), m->in[0], m->in[1], m->out[0]);
}
SIMPLE(softmax_grad)

status prepare_log_softmax(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)s;
    (void)err;
    BUG("log_softmax is always lowered");
}

/* ---- RMS norm ---- */
static void run_rms_norm(const step *s, const step_memory *m)
{
    const node *x = s->node->sources[0];
    kernel_rms_norm(type_of(x), type_of(s->node->sources[1]), m->pool, rows_of(x), width_of(x), s->node->attributes->x[0],
                    m->in[0], m->in[1], m->out[0] ? m->out[0] : m->scratch, m->out[1]);
}

status prepare_rms_norm(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_rms_norm;
    s->scratch_bytes = s->out[0].place == NONE ? node_bytes(s->node->sources[0]) : 0;
    return STATUS_OK;
}

/* Scratch: the kernel's, dx when nobody wants it, the weight's gradient in f32 when that is not its type. */
typedef struct norm_scratch {
    size_t dx, dweight;
} norm_scratch;

static void run_rms_norm_grad(const step *s, const step_memory *m)
{
    const norm_scratch *at = s->data;
    const node *x = s->node->sources[0], *weight = s->node->sources[1];
    char *scratch = m->scratch;
    bool direct = weight->type == TYPE_F32;
    void *dweight = !m->out[1] ? NULL : direct ? m->out[1] : scratch + at->dweight;
    kernel_rms_norm_backward(type_of(x), type_of(weight), m->pool, rows_of(x), width_of(x), m->in[0], m->in[1], m->in[2],
                             m->in[3], NULL, m->out[0] ? m->out[0] : scratch + at->dx, dweight, scratch);
    if (dweight && !direct)
        kernel_cast(width_of(x), KERNEL_F32, dweight, type_of(weight), m->out[1]);
}

status prepare_rms_norm_grad(plan_builder *b, step *s, error *err)
{
    const node *x = s->node->sources[0];
    norm_scratch *at = ARENA_NEW(b->p->arena, norm_scratch);
    if (!at)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    at->dx = aligned(kernel_rms_norm_backward_scratch_bytes(type_of(x), rows_of(x), width_of(x)));
    at->dweight = at->dx + (s->out[0].place == NONE ? aligned(node_bytes(x)) : 0);
    s->scratch_bytes = at->dweight + width_of(x) * sizeof(float);
    s->run = run_rms_norm_grad;
    s->data = at;
    return STATUS_OK;
}

/* ---- gated SiLU ---- */
static void run_silu_mul(const step *s, const step_memory *m)
{
    const node *x = s->node;
    size_t width = x->shape.rank ? width_of(x) : 1, rows = x->shape.rank ? rows_of(x) : 1;
    kernel_gated_silu(type_of(x), m->pool, rows, width, m->in[0], m->in[1], width, m->out[0]);
}
SIMPLE(silu_mul)

static void run_silu_mul_grad(const step *s, const step_memory *m)
{
    const node *x = s->node->sources[0];
    size_t width = x->shape.rank ? width_of(x) : 1, rows = x->shape.rank ? rows_of(x) : 1;
    kernel_gated_silu_backward(type_of(x), m->pool, rows, width, m->in[0], m->in[1], width, m->in[2],
                               m->out[0] ? m->out[0] : m->scratch, m->out[1] ? m->out[1] : m->scratch);
}

status prepare_silu_mul_grad(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_silu_mul_grad;
    s->scratch_bytes = s->out[0].place == NONE || s->out[1].place == NONE ? node_bytes(s->node->sources[0]) : 0;
    return STATUS_OK;
}

static void run_rotary(const step *s, const step_memory *m)
{
    const node *x = s->node;
    size_t stride = axis(x, 1) * axis(x, 2);
    kernel_rotary(type_of(x), m->pool, axis(x, 0), axis(x, 1), axis(x, 2), m->in[0], stride, m->in[1],
                  axis(x->sources[2], 0), m->in[2], m->in[3], x->attributes->flags & ROTARY_BACKWARD, m->out[0], stride);
}
SIMPLE(rotary)

/* ---- attention ---- */
static kernel_scores scores_of(const node *n)
{
    const node_attributes *a = n->attributes;
    return (kernel_scores){.scale = a->x[0], .cap = a->x[1], .window = (size_t)a->a[0], .both_ways = a->a[1]};
}

static kernel_attention attention_of(const node *n, const void *start, const void *mask)
{
    const node *q = n->sources[0], *k = n->sources[1];
    size_t size = axis(q, 2), queries = axis(q, 1) * size, keys = axis(k, 1) * size;
    return (kernel_attention){.mask = mask, .mask_width = mask ? axis(n->sources[n->source_count - 1], 1) : 0,
                              .type = type_of(q), .tokens = axis(q, 0), .query_heads = axis(q, 1), .key_heads = axis(k, 1),
                              .head_size = size, .scores = scores_of(n), .start = start, .q_stride = queries,
                              .k_stride = keys, .v_stride = keys, .out_stride = queries};
}

static void run_attention(const step *s, const step_memory *m)
{
    const size_t *out_at = s->data;
    kernel_attention a = attention_of(s->node, m->in[3], s->node->op == OP_MASKED_ATTENTION ? m->in[4] : NULL);
    kernel_attention_forward(&a, m->pool, m->in[0], m->in[1], m->in[2], m->out[0] ? m->out[0] : (char *)m->scratch + *out_at,
                             m->out[1], m->scratch);
}

status prepare_attention(plan_builder *b, step *s, error *err)
{
    kernel_attention a = attention_of(s->node, NULL, NULL);
    size_t *out_at = ARENA_NEW(b->p->arena, size_t);
    if (!out_at)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    *out_at = aligned(kernel_attention_scratch_bytes(&a, b->threads));
    s->scratch_bytes = *out_at + (s->out[0].place == NONE ? node_bytes(s->node->sources[0]) : 0);
    s->run = run_attention;
    s->data = out_at;
    return STATUS_OK;
}

static void run_attention_grad(const step *s, const step_memory *m)
{
    const size_t *spare = s->data;
    kernel_attention a = attention_of(s->node, m->in[3], s->node->op == OP_MASKED_ATTENTION_GRAD ? m->in[7] : NULL);
    void *d[3];
    for (int i = 0; i < 3; i++)
        d[i] = m->out[i] ? m->out[i] : (char *)m->scratch + spare[i];
    kernel_attention_backward(&a, m->pool, m->in[0], m->in[1], m->in[2], m->in[4], m->in[5], m->in[6], d[0], d[1], d[2],
                              m->scratch);
}

status prepare_attention_grad(plan_builder *b, step *s, error *err)
{
    kernel_attention a = attention_of(s->node, NULL, NULL);
    size_t *spare = ARENA_ARRAY(b->p->arena, size_t, 3);
    if (!spare)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    size_t end = aligned(kernel_attention_backward_scratch_bytes(&a, b->threads));
    for (int i = 0; i < 3; i++) {
        spare[i] = end;
        end += s->out[i].place == NONE ? aligned(node_bytes(s->node->sources[i])) : 0;
    }
    s->scratch_bytes = end;
    s->run = run_attention_grad;
    s->data = spare;
    return STATUS_OK;
}

/* ---- cross-entropy ---- */
static void run_cross_entropy(const step *s, const step_memory *m)
{
    const node *x = s->node->sources[0];
    size_t rows = axis(x, 0), bytes = aligned(rows * sizeof(float));
    kernel_cross_entropy(type_of(x), m->pool, rows, axis(x, 1), m->in[0], axis(x, 1), m->in[1], m->in[2],
                         m->out[0] ? m->out[0] : m->scratch, m->out[1] ? m->out[1] : (char *)m->scratch + bytes);
}

status prepare_cross_entropy(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_cross_entropy;
    s->scratch_bytes = 2 * aligned(axis(s->node, 0) * sizeof(float));
    return STATUS_OK;
}

static void run_cross_entropy_grad(const step *s, const step_memory *m)
{
    const node *x = s->node;
    kernel_cross_entropy_backward(type_of(x), m->pool, axis(x, 0), axis(x, 1), m->in[0], axis(x, 1), m->in[1], m->in[2],
                                  m->in[3], m->in[4], 1, m->out[0]);
}
SIMPLE(cross_entropy_grad)

static void run_sum_squares(const step *s, const step_memory *m)
{
    const node *x = s->node->sources[0];
    *(float *)m->out[0] = (float)kernel_sum_squares(type_of(x), m->pool, (size_t)shape_count(x->shape), m->in[0], m->scratch);
}

status prepare_sum_squares(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_sum_squares;
    s->scratch_bytes = kernel_sum_squares_scratch_bytes((size_t)shape_count(s->node->sources[0]->shape));
    return STATUS_OK;
}

/* ---- optimiser and cache: made in place; a result that does not lie over its source starts as a copy of it ---- */
static void *start_from(const step *s, const step_memory *m, int part)
{
    if (m->out[part] != m->in[part])
        memcpy(m->out[part], m->in[part], node_bytes(s->node->sources[part]));
    return m->out[part];
}

static kernel_adamw adamw_of(const node *n, const float *rates)
{
    const double *x = n->attributes->x;
    return (kernel_adamw){.rate = (double)rates[0], .beta1 = x[0], .beta2 = x[1], .epsilon = x[2], .decay = x[3],
                          .gradient_scale = (double)rates[3], .correction1 = (double)rates[1], .correction2 = (double)rates[2]};
}

static void run_adamw(const step *s, const step_memory *m)
{
    kernel_adamw how = adamw_of(s->node, m->in[4]);
    void *state[3];
    for (int i = 0; i < 3; i++)
        state[i] = start_from(s, m, i);
    kernel_adamw_step(type_of(s->node), m->pool, (size_t)shape_count(s->node->shape), &how, state[0], state[1], state[2],
                      m->in[3], NULL);
}

/* Every part gets a place, wanted or not. */
static status all_parts(plan_builder *b, step *s, error *err)
{
    for (int i = 0; i < s->out_count; i++) {
        if (s->out[i].place == NONE)
            s->out[i] = (location){new_place(b, PLACE_SLAB, node_bytes(s->node->sources[i])), 0, node_bytes(s->node->sources[i])};
        if (s->out[i].place == NONE)
            return error_set(err, STATUS_MEMORY, "no memory for a plan");
    }
    return STATUS_OK;
}

status prepare_adamw(plan_builder *b, step *s, error *err)
{
    s->run = run_adamw;
    return all_parts(b, s, err);
}

/* ---- gradients that are zero but for some rows: sources from `at` on are these and their indices ---- */
static kernel_sparse sparse_of(const step *s, const step_memory *m, int at, int64_t entries)
{
    const node *rows = s->node->sources[at];
    return (kernel_sparse){.type = type_of(rows), .entries = (size_t)entries, .width = (size_t)shape_count(shape_remove(rows->shape, 0)),
                           .count = axis(rows, 0), .index = m->in[at + 1], .rows = m->in[at]};
}

static void run_sparse_sum_squares(const step *s, const step_memory *m)
{
    kernel_sparse x = sparse_of(s, m, 0, s->node->attributes->a[0]);
    *(float *)m->out[0] = (float)kernel_sparse_sum_squares(&x, m->pool, m->scratch);
}

status prepare_sparse_sum_squares(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    shape table = s->node->sources[0]->shape;
    table.size[0] = s->node->attributes->a[0];
    s->run = run_sparse_sum_squares;
    s->scratch_bytes = kernel_sum_squares_scratch_bytes((size_t)shape_count(table));
    return STATUS_OK;
}

static void run_sparse_adamw(const step *s, const step_memory *m)
{
    kernel_sparse gradient = sparse_of(s, m, 3, s->node->shape.size[0]);
    kernel_adamw how = adamw_of(s->node, m->in[5]);
    float *state[3];
    for (int i = 0; i < 3; i++)
        state[i] = start_from(s, m, i);
    kernel_sparse_adamw_step(&gradient, m->pool, &how, state[0], state[1], state[2]);
}

status prepare_sparse_adamw(plan_builder *b, step *s, error *err)
{
    s->run = run_sparse_adamw;
    return all_parts(b, s, err);
}

static kernel_cache cache_of(const node *cache, const node *pages, const void *table)
{
    return (kernel_cache){.type = type_of(cache), .slots = axis(pages, 0), .capacity = axis(pages, 1) * KERNEL_KEY_BLOCK,
                          .key_heads = axis(cache, 2), .head_size = axis(cache, 3), .pages = table};
}

static void run_cache_append(const step *s, const step_memory *m)
{
    const node *cache = s->node->sources[0];
    kernel_cache c = cache_of(cache, s->node->sources[4], m->in[4]);
    c.k = start_from(s, m, 0);
    c.v = start_from(s, m, 1);
    size_t stride = axis(cache, 2) * axis(cache, 3);
    kernel_cache_append(&c, m->pool, axis(s->node->sources[5], 0), m->in[5], m->in[6], m->in[2], stride, m->in[3], stride);
}

status prepare_cache_append(plan_builder *b, step *s, error *err)
{
    s->run = run_cache_append;
    return all_parts(b, s, err);
}

static void run_cache_attention(const step *s, const step_memory *m)
{
    const node *q = s->node->sources[0];
    kernel_cache c = cache_of(s->node->sources[1], s->node->sources[3], m->in[3]);
    union { /* only read */
        const void *from;
        void *to;
    } k = {.from = m->in[1]}, v = {.from = m->in[2]};
    c.k = k.to;
    c.v = v.to;
    size_t stride = axis(q, 1) * axis(q, 2);
    kernel_cache_attention(&c, m->pool, axis(q, 0), axis(q, 1), scores_of(s->node), m->in[4], m->in[5], m->in[0],
                           stride, m->out[0], stride, m->scratch);
}

status prepare_cache_attention(plan_builder *b, step *s, error *err)
{
    (void)err;
    kernel_cache c = cache_of(s->node->sources[1], s->node->sources[3], NULL);
    const node *q = s->node->sources[0];
    s->run = run_cache_attention;
    s->scratch_bytes = kernel_cache_attention_scratch_bytes(&c, axis(q, 0), axis(q, 1), b->threads);
    return STATUS_OK;
}
