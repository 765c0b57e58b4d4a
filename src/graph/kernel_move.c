/* Steps that fill and move. */
#include "graph/plan_internal.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include "core/random.h"

void run_copy(const step *s, const step_memory *m)
{
    if (m->in[0] != m->out[0])
        memcpy(m->out[0], m->in[0], *(const size_t *)s->data);
}

static size_t count_of(const step *s)
{
    return (size_t)shape_count(s->node->shape);
}

static kernel_type type_of(const node *n)
{
    return (kernel_type)n->type;
}

/* ---- leaves ---- */
static void run_fill(const step *s, const step_memory *m)
{
    kernel_fill(type_of(s->node), count_of(s), s->node->attributes->x[0], m->out[0]);
}

status prepare_fill(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_fill;
    return STATUS_OK;
}

static void run_iota(const step *s, const step_memory *m)
{
    const shape *x = &s->node->shape;
    int64_t inner = 1, size = x->size[s->node->attributes->flags], n = shape_count(*x);
    for (int i = s->node->attributes->flags + 1; i < x->rank; i++)
        inner *= x->size[i];
    for (int64_t i = 0; i < n; i++)
        reference_set(type_of(s->node), m->out[0], (size_t)i, (double)(i / inner % size));
}

status prepare_iota(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_iota;
    return STATUS_OK;
}

/* Keys [L ..., 4], one for each equal part of the result. */
static void run_random_uniform(const step *s, const step_memory *m)
{
    size_t keys = (size_t)shape_count(s->node->sources[0]->shape) / 4, each = keys ? count_of(s) / keys : 0;
    uint32_t out[4];
    for (size_t k = 0; k < keys; k++) {
        const uint32_t *key = (const uint32_t *)m->in[0] + 4 * k;
        for (size_t i = 0; i < each; i++) {
            random_philox((uint32_t[4]){(uint32_t)i, (uint32_t)((uint64_t)i >> 32), key[2], key[3]}, key, out);
            if (s->node->type == TYPE_F32)
                ((float *)m->out[0])[k * each + i] = (float)(out[0] >> 8) * 0x1p-24f;
            else
                ((double *)m->out[0])[k * each + i] = (double)(((uint64_t)out[0] << 32 | out[1]) >> 11) * 0x1p-53;
        }
    }
}

status prepare_random_uniform(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_random_uniform;
    return STATUS_OK;
}

/* ---- strided copies: broadcast, transpose, slice, pad, concat ---- */
typedef struct movement {
    size_t rank, shape[RANK_MAX], from[RANK_MAX], to[RANK_MAX]; /* strides in elements */
    size_t size, from_offset, to_offset;                      /* bytes */
    bool zero_first;
} movement;

static void strides_of(shape s, size_t strides[RANK_MAX])
{
    size_t stride = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= (size_t)s.size[i];
    }
}

static void run_movements(const step *s, const step_memory *m)
{
    const movement *x = s->data;
    if (x[0].zero_first)
        memset(m->out[0], 0, count_of(s) * x[0].size);
    for (int32_t i = 0; i < s->in_count; i++)
        kernel_copy_strided(m->pool, x[i].rank, x[i].shape, x[i].size, (const char *)m->in[i] + x[i].from_offset,
                            x[i].from, (char *)m->out[0] + x[i].to_offset, x[i].to);
}

/* One movement for each source, over `area` with row-major strides of source and result; NULL when memory is out. */
static movement *new_movements(plan_builder *b, step *s)
{
    movement *x = ARENA_ARRAY(b->p->arena, movement, (size_t)s->in_count);
    for (int32_t i = 0; x && i < s->in_count; i++) {
        shape area = s->node->sources[i]->shape;
        x[i].rank = (size_t)area.rank;
        x[i].size = element_size(node_type(s->node));
        for (int k = 0; k < area.rank; k++)
            x[i].shape[k] = (size_t)area.size[k];
        strides_of(area, x[i].from);
        strides_of(s->node->shape, x[i].to);
    }
    s->run = run_movements;
    s->data = x;
    return x;
}

static status moved(const movement *x, error *err)
{
    return x ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory for a plan");
}

status prepare_broadcast(plan_builder *b, step *s, error *err)
{
    movement *x = new_movements(b, s);
    for (int k = 0; x && k < s->node->shape.rank; k++) {
        if (x->shape[k] == 1)
            x->from[k] = 0;
        x->shape[k] = (size_t)s->node->shape.size[k];
    }
    return moved(x, err);
}

status prepare_transpose(plan_builder *b, step *s, error *err)
{
    movement *x = new_movements(b, s);
    size_t from[RANK_MAX];
    if (x)
        memcpy(from, x->from, sizeof from);
    for (int k = 0; x && k < s->node->shape.rank; k++) {
        x->from[k] = from[s->node->attributes->a[k]];
        x->shape[k] = (size_t)s->node->shape.size[k];
    }
    return moved(x, err);
}

status prepare_slice(plan_builder *b, step *s, error *err)
{
    movement *x = new_movements(b, s);
    if (x) {
        int axis = s->node->attributes->flags;
        x->shape[axis] = (size_t)s->node->shape.size[axis];
        x->from_offset = (size_t)s->node->attributes->a[0] * x->from[axis] * x->size;
    }
    return moved(x, err);
}

status prepare_pad(plan_builder *b, step *s, error *err)
{
    movement *x = new_movements(b, s);
    if (x) {
        x->to_offset = (size_t)s->node->attributes->a[0] * x->to[s->node->attributes->flags] * x->size;
        x->zero_first = true;
    }
    return moved(x, err);
}

status prepare_concat(plan_builder *b, step *s, error *err)
{
    movement *x = new_movements(b, s);
    size_t at = 0, axis = (size_t)s->node->attributes->flags;
    for (int32_t i = 0; x && i < s->in_count; i++) {
        x[i].to_offset = at * x[i].to[axis] * x[i].size;
        at += x[i].shape[axis];
    }
    return moved(x, err);
}
