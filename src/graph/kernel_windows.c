/* Steps of windows, convolutions and pools (src/graph/windows.c). */
#include "graph/plan_internal.h"

static kernel_windows windows_of(const node *n, const node *images, int64_t channels)
{
    window_layout w = window_layout_of(n);
    kernel_windows k = {.images = (size_t)images->shape.size[0], .channels = (size_t)channels};
    for (int i = 0; i < 2; i++) {
        k.in[i] = (size_t)w.in[i];
        k.out[i] = (size_t)w.out[i];
        k.kernel[i] = (size_t)w.kernel[i];
        k.stride[i] = (size_t)w.stride[i];
        k.dilation[i] = (size_t)w.dilation[i];
        k.before[i] = (size_t)w.before[i];
    }
    return k;
}

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a plan");
}

/* ---- windows and pools ---- */
static void run_windows(const step *s, const step_memory *m)
{
    (s->node->op == OP_WINDOWS ? kernel_windows_copy : kernel_windows_sum)(s->data, (kernel_type)s->node->type, m->pool, m->in[0],
                                                                          m->out[0]);
}

static void run_max_pool(const step *s, const step_memory *m)
{
    kernel_max_pool(s->data, m->pool, m->in[0], m->out[0]);
}

static void run_max_pool_grad(const step *s, const step_memory *m)
{
    kernel_max_pool_backward(s->data, m->pool, m->in[0], m->in[1], m->in[2], m->out[0]);
}

static status prepare(plan_builder *b, step *s, step_run *run, error *err)
{
    const node *n = s->node;
    kernel_windows *w = ARENA_NEW(b->p->arena, kernel_windows);
    if (!w)
        return no_memory(err);
    *w = windows_of(n, n, shape_last(n->shape));
    s->run = run;
    s->data = w;
    return STATUS_OK;
}

status prepare_windows(plan_builder *b, step *s, error *err)
{
    return prepare(b, s, run_windows, err);
}

status prepare_max_pool(plan_builder *b, step *s, error *err)
{
    return prepare(b, s, run_max_pool, err);
}

status prepare_max_pool_grad(plan_builder *b, step *s, error *err)
{
    return prepare(b, s, run_max_pool_grad, err);
}

/* ---- convolutions ---- */
static kernel_conv_spec conv_spec_of(const node *n)
{
    const node *images = n->op == OP_CONV_INPUT_GRAD ? n : n->sources[0];
    const node *weight = n->op == OP_CONV_WEIGHT_GRAD ? n : n->sources[1];
    kernel_conv_kind kind = n->op == OP_CONV              ? KERNEL_CONV_FORWARD
                            : n->op == OP_CONV_INPUT_GRAD ? KERNEL_CONV_INPUT_GRAD
                                                          : KERNEL_CONV_WEIGHT_GRAD;
    return (kernel_conv_spec){.kind = kind, .type = (kernel_type)n->type,
                              .at = windows_of(n, images, shape_last(images->shape)),
                              .outputs = (size_t)weight->shape.size[0], .groups = (size_t)n->attributes->b[0]};
}

static bool same_windows(const kernel_windows *a, const kernel_windows *b)
{
    bool same = a->images == b->images && a->channels == b->channels;
    for (int i = 0; i < 2; i++)
        same = same && a->in[i] == b->in[i] && a->out[i] == b->out[i] && a->kernel[i] == b->kernel[i] &&
               a->stride[i] == b->stride[i] && a->dilation[i] == b->dilation[i] && a->before[i] == b->before[i];
    return same;
}

/* Of all convolutions of one kind and shape in a plan: its steps run one after the other. */
static status conv_for(plan_builder *b, const node *n, kernel_conv **out, error *err)
{
    kernel_conv_spec spec = conv_spec_of(n);
    for (conv_object *x = b->convs; x; x = x->next)
        if (x->spec.kind == spec.kind && x->spec.type == spec.type && x->spec.outputs == spec.outputs &&
            x->spec.groups == spec.groups && same_windows(&x->spec.at, &spec.at)) {
            *out = x->conv;
            return x->conv ? STATUS_OK : STATUS_UNSUPPORTED;
        }
    conv_object *x = ARENA_NEW(b->scratch, conv_object);
    if (!x)
        return no_memory(err);
    *x = (conv_object){.spec = spec, .next = b->convs};
    status made = kernel_conv_new(b->p->arena, &spec, b->threads, &x->conv, err);
    if (made == STATUS_OK || made == STATUS_UNSUPPORTED)
        b->convs = x;
    b->p->counts.convolutions += made == STATUS_OK;
    *out = x->conv;
    return made;
}

bool has_fast_conv(plan_builder *b, const node *n)
{
    kernel_conv *c;
    return conv_for(b, n, &c, NULL) != STATUS_UNSUPPORTED; /* where memory is out, the step says so */
}

static void run_conv(const step *s, const step_memory *m)
{
    kernel_conv_run(s->data, m->pool, m->in[0], m->in[1], m->out[0], m->scratch);
}

status prepare_conv(plan_builder *b, step *s, error *err)
{
    kernel_conv_spec spec = conv_spec_of(s->node);
    const kernel_windows *w = &spec.at;
    kernel_conv *c;
    TRY(conv_for(b, s->node, &c, err));
    s->run = run_conv;
    s->data = c;
    s->implementation = kernel_conv_implementation(c);
    s->scratch_bytes = kernel_conv_scratch_bytes(c);
    size_t inputs = w->channels / spec.groups * w->kernel[0] * w->kernel[1]; /* of one output */
    s->flops = 2.0 * (double)(w->images * w->out[0] * w->out[1] * spec.outputs) * (double)inputs;
    return STATUS_OK;
}
