/* Steps of normalisation (src/graph/normalise.c). */
#include "graph/plan_internal.h"

typedef struct norm_step {
    kernel_norm norm;
    size_t spare[2]; /* in scratch: results that nobody wants, or that are made in another type */
} norm_step;

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static norm_step *new_norm_step(plan_builder *b, step *s)
{
    norm_step *x = ARENA_NEW(b->p->arena, norm_step);
    const node *images = s->node->sources[0];
    if (!x)
        return NULL;
    size_t outer = 1, inner = (size_t)shape_last(images->shape);
    for (int64_t i = 0; i < s->node->attributes->a[0]; i++)
        outer *= (size_t)images->shape.size[i];
    x->norm = (kernel_norm){.type = (kernel_type)images->type, .weight_type = (kernel_type)s->node->sources[1]->type,
                                  .outer = outer, .count = (size_t)shape_count(images->shape) / (outer * inner), .inner = inner,
                            .share = (size_t)s->node->attributes->a[1], .epsilon = s->node->attributes->x[0]};
    s->scratch_bytes = aligned(kernel_norm_scratch_bytes(&x->norm));
    s->data = x;
    return x;
}

/* Room in scratch for [floats], behind what is there. */
static size_t room(step *s, size_t floats)
{
    size_t at = s->scratch_bytes;
    s->scratch_bytes += aligned(floats * sizeof(float));
    return at;
}

static void run_normalise(const step *s, const step_memory *m)
{
    const norm_step *x = s->data;
    float *statistics[2];
    for (int i = 0; i < 2; i++)
        statistics[i] = m->out[1 + i] ? m->out[1 + i] : (void *)((char *)m->scratch + x->spare[i]);
    kernel_norm_forward(&x->norm, m->pool, m->in[0], m->in[1], m->in[2], m->out[0], statistics[0], statistics[1], m->scratch);
}

status prepare_normalise(plan_builder *b, step *s, error *err)
{
    norm_step *x = new_norm_step(b, s);
    if (!x)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    for (int i = 0; i < 2; i++)
        x->spare[i] = room(s, x->norm.outer * (x->norm.inner / x->norm.share));
    s->run = run_normalise;
    return STATUS_OK;
}

static void run_normalise_grad(const step *s, const step_memory *m)
{
    const norm_step *x = s->data;
    bool direct = x->norm.weight_type == KERNEL_F32;
    float *sums[2];
    for (int i = 0; i < 2; i++)
        sums[i] = !m->out[1 + i] ? NULL : direct ? m->out[1 + i] : (void *)((char *)m->scratch + x->spare[i]);
    kernel_norm_backward(&x->norm, m->pool, m->in[0], m->in[1], m->in[2], m->in[3], m->in[4], m->out[0], sums[0], sums[1],
                               m->scratch);
    for (int i = 0; i < 2; i++)
        if (sums[i] && !direct)
            kernel_cast(x->norm.inner, KERNEL_F32, sums[i], x->norm.weight_type, m->out[1 + i]);
}

status prepare_normalise_grad(plan_builder *b, step *s, error *err)
{
    norm_step *x = new_norm_step(b, s);
    if (!x)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    for (int i = 0; i < 2; i++)
        x->spare[i] = room(s, x->norm.inner);
    s->run = run_normalise_grad;
    return STATUS_OK;
}
