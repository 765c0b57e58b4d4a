#include "kernels/cpu/onednn_conv.h"
#include "kernels/cpu/onednn_inside.h"

#include <string.h>

enum { IMAGE, WEIGHT, RESULT_IMAGE }; /* x or dx; the weight; y or dy: oneDNN's names for them differ by kind */

static const onednn_role roles[][ONEDNN_TENSORS] = {
    [KERNEL_CONV_FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                             {DNNL_ARG_DST, dnnl_query_dst_md}},
    [KERNEL_CONV_INPUT_GRAD] = {{DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                                {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
    [KERNEL_CONV_WEIGHT_GRAD] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md},
                                 {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
};

/* Which of them the arguments of a run are. */
static const int order[][3] = {
    [KERNEL_CONV_FORWARD] = {IMAGE, WEIGHT, RESULT_IMAGE},
    [KERNEL_CONV_INPUT_GRAD] = {RESULT_IMAGE, WEIGHT, IMAGE},
    [KERNEL_CONV_WEIGHT_GRAD] = {IMAGE, RESULT_IMAGE, WEIGHT},
};

struct conv_tile {
    kernel_conv_spec spec;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t descriptor, reorder_descriptor;
    dnnl_primitive_t primitive, reorder;
    dnnl_memory_t plain, packed; /* of the reorder */
    const char *implementation;
    size_t scratch, weight_bytes, threads;
    onednn_worker *workers;
};

typedef struct layout {
    dnnl_memory_desc_t x, w, y, plain;
} layout;

typedef struct geometry {
    dnnl_dims_t stride, dilation, before, after;
} geometry;

#if DNNL_VERSION_MAJOR >= 3

static void layout_drop(layout *l)
{
    dnnl_memory_desc_t all[] = {l->x, l->w, l->y, l->plain};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        dnnl_memory_desc_destroy(all[i]);
}

static dnnl_status_t create_descriptor(conv_tile *t, const layout *l, const geometry *g, dnnl_primitive_attr_t attributes)
{
    switch (t->spec.kind) {
    case KERNEL_CONV_FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(&t->descriptor, t->engine, dnnl_forward_training,
                                                              dnnl_convolution_direct, l->x, l->w, NULL, l->y, g->stride,
                                                              g->dilation, g->before, g->after, attributes);
    case KERNEL_CONV_INPUT_GRAD:
        return dnnl_convolution_backward_data_primitive_desc_create(&t->descriptor, t->engine, dnnl_convolution_direct,
                                                                    l->x, l->w, l->y, g->stride, g->dilation, g->before,
                                                                    g->after, NULL, attributes);
    case KERNEL_CONV_WEIGHT_GRAD:
        return dnnl_convolution_backward_weights_primitive_desc_create(&t->descriptor, t->engine, dnnl_convolution_direct,
                                                                       l->x, l->w, NULL, l->y, g->stride, g->dilation,
                                                                       g->before, g->after, NULL, attributes);
    }
    BUG("no convolution of kind %d", (int)t->spec.kind);
}

static dnnl_status_t create_reorder(conv_tile *t, const layout *l, const_dnnl_memory_desc_t packed, bool pack)
{
    return dnnl_reorder_primitive_desc_create(&t->reorder_descriptor, pack ? (const_dnnl_memory_desc_t)l->plain : packed,
                                              t->engine, pack ? packed : (const_dnnl_memory_desc_t)l->plain, t->engine, NULL);
}

static dnnl_status_t create_plain(conv_tile *t, const layout *l)
{
    return dnnl_memory_create(&t->plain, l->plain, t->engine, DNNL_MEMORY_NONE);
}

#else

static void layout_drop(layout *l)
{
    (void)l;
}

static dnnl_status_t create_descriptor(conv_tile *t, const layout *l, const geometry *g, dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t s = dnnl_invalid_arguments;
    switch (t->spec.kind) {
    case KERNEL_CONV_FORWARD:
        s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, &l->x, &l->w, NULL,
                                                       &l->y, g->stride, g->dilation, g->before, g->after);
        break;
    case KERNEL_CONV_INPUT_GRAD:
        s = dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &l->x, &l->w, &l->y, g->stride,
                                                             g->dilation, g->before, g->after);
        break;
    case KERNEL_CONV_WEIGHT_GRAD:
        s = dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &l->x, &l->w, NULL, &l->y,
                                                                g->stride, g->dilation, g->before, g->after);
        break;
    }
    return s != dnnl_success ? s : dnnl_primitive_desc_create(&t->descriptor, &d, attributes, t->engine, NULL);
}

static dnnl_status_t create_reorder(conv_tile *t, const layout *l, const dnnl_memory_desc_t *packed, bool pack)
{
    return dnnl_reorder_primitive_desc_create(&t->reorder_descriptor, pack ? &l->plain : packed, t->engine,
                                              pack ? packed : &l->plain, t->engine, NULL);
}

static dnnl_status_t create_plain(conv_tile *t, const layout *l)
{
    return dnnl_memory_create(&t->plain, &l->plain, t->engine, DNNL_MEMORY_NONE);
}

#endif

static dnnl_dim_t dim(size_t x)
{
    return (dnnl_dim_t)x;
}

static dnnl_status_t describe(layout *l, const kernel_conv_spec *s)
{
    const kernel_windows *w = &s->at;
    dnnl_dims_t x = {dim(w->images), dim(w->channels), dim(w->in[0]), dim(w->in[1])};
    dnnl_dims_t y = {dim(w->images), dim(s->outputs), dim(w->out[0]), dim(w->out[1])};
    dnnl_dims_t single = {dim(s->outputs), dim(w->channels), dim(w->kernel[0]), dim(w->kernel[1])};
    dnnl_dims_t grouped = {dim(s->groups), dim(s->outputs / s->groups), dim(w->channels / s->groups), dim(w->kernel[0]),
                           dim(w->kernel[1])};
    dnnl_data_type_t type = onednn_type(s->type), weight = s->kind == KERNEL_CONV_WEIGHT_GRAD ? dnnl_f32 : type;
    bool one = s->groups == 1;
    dnnl_status_t done = dnnl_memory_desc_create_with_tag(&l->x, 4, x, type, dnnl_nhwc);
    if (done == dnnl_success)
        done = dnnl_memory_desc_create_with_tag(&l->y, 4, y, type, dnnl_nhwc);
    if (done == dnnl_success)
        done = dnnl_memory_desc_create_with_tag(&l->w, one ? 4 : 5, one ? single : grouped, weight, dnnl_format_tag_any);
    if (done == dnnl_success)
        done = dnnl_memory_desc_create_with_tag(&l->plain, one ? 4 : 5, one ? single : grouped, weight,
                                                one ? dnnl_oihw : dnnl_goihw);
    return done;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is left behind the image so that the windows end where they end; negative where the last rows are not reached. A step from a
 * single window, and between the places of a window of one, is never made: oneDNN, which counts in 32 bits, is told none that is larger
 * than the image. */
static void measure(geometry *g, const kernel_windows *w)
{
    for (int i = 0; i < 2; i++) {
        g->stride[i] = dim(w->out[i] > 1 ? w->stride[i] : least(w->stride[i], w->in[i] + w->before[i] + 1));
        g->dilation[i] = w->kernel[i] > 1 ? dim(w->dilation[i]) - 1 : 0;
        g->before[i] = dim(w->before[i]);
        g->after[i] = dim((w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1) - dim(w->in[i]) -
                      dim(w->before[i]);
    }
}

static void conv_tile_drop(void *context)
{
    conv_tile *t = context;
    for (size_t i = 0; t->workers && i < t->threads; i++)
        onednn_worker_drop(&t->workers[i]);
    dnnl_memory_t memories[] = {t->plain, t->packed};
    dnnl_primitive_t primitives[] = {t->primitive, t->reorder};
    dnnl_primitive_desc_t descriptors[] = {t->descriptor, t->reorder_descriptor};
    for (size_t i = 0; i < 2; i++) {
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
        if (primitives[i])
            dnnl_primitive_destroy(primitives[i]);
        if (descriptors[i])
            dnnl_primitive_desc_destroy(descriptors[i]);
    }
    if (t->engine)
        dnnl_engine_destroy(t->engine);
}

static dnnl_status_t create(conv_tile *t, const layout *l)
{
    geometry g;
    measure(&g, &t->spec.at);
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attributes);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (s == dnnl_success)
        s = create_descriptor(t, l, &g, attributes);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (s == dnnl_success)
        s = dnnl_primitive_desc_query(t->descriptor, dnnl_query_impl_info_str, 0, (void *)&t->implementation);
    return s;
}

static dnnl_status_t create_packing(conv_tile *t, const layout *l)
{
    bool pack = t->spec.kind != KERNEL_CONV_WEIGHT_GRAD;
    dnnl_query_t query = roles[t->spec.kind][WEIGHT].query;
    t->weight_bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(t->descriptor, query, 0));
    dnnl_status_t s = create_reorder(t, l, dnnl_primitive_desc_query_md(t->descriptor, query, 0), pack);
    if (s == dnnl_success)
        s = dnnl_primitive_create(&t->reorder, t->reorder_descriptor);
    if (s == dnnl_success)
        s = create_plain(t, l);
    if (s == dnnl_success)
        s = dnnl_memory_create(&t->packed, dnnl_primitive_desc_query_md(t->descriptor, query, 0), t->engine,
                               DNNL_MEMORY_NONE);
    return s;
}

static dnnl_status_t create_rest(conv_tile *t, const layout *l)
{
    dnnl_status_t s = create_packing(t, l);
    t->scratch = onednn_scratch_bytes(t->descriptor);
    if (s == dnnl_success)
        s = dnnl_primitive_create(&t->primitive, t->descriptor);
    for (size_t i = 0; s == dnnl_success && i < t->threads; i++)
        s = onednn_worker_create(&t->workers[i], t->descriptor, roles[t->spec.kind], t->engine);
    return s;
}

status conv_tile_new(arena *a, const kernel_conv_spec *spec, size_t threads, conv_tile **out, error *err)
{
    TRY(onednn_use_one_thread(err));
    conv_tile *t = ARENA_NEW(a, conv_tile);
    if (!t)
        return error_set(err, STATUS_MEMORY, "no memory for a convolution");
    t->spec = *spec;
    t->threads = threads;
    t->workers = ARENA_ARRAY(a, onednn_worker, threads);
    if (!t->workers || !arena_on_free(a, conv_tile_drop, t))
        return error_set(err, STATUS_MEMORY, "no memory for a convolution");
    layout l = {0};
    dnnl_status_t s = dnnl_engine_create(&t->engine, dnnl_cpu, 0);
    if (s == dnnl_success)
        s = describe(&l, spec);
    if (s == dnnl_success)
        s = create(t, &l);
    bool slow = s == dnnl_success && strncmp(t->implementation, "ref", 3) == 0;
    if (s == dnnl_success && !slow)
        s = create_rest(t, &l);
    layout_drop(&l);
    if (slow || s == dnnl_unimplemented)
        return error_set(err, STATUS_UNSUPPORTED, "oneDNN has no fast convolution of %s from %zu to %zu channels here",
                         kernel_type_name(spec->type), spec->at.channels, spec->outputs);
    if (s != dnnl_success)
        return error_set(err, STATUS_MEMORY, "oneDNN cannot make a convolution (its status %d)", (int)s);
    *out = t;
    return STATUS_OK;
}

const char *conv_tile_implementation(const conv_tile *t)
{
    return t->implementation;
}

size_t conv_tile_scratch_bytes(const conv_tile *t)
{
    return t->scratch;
}

size_t conv_tile_weight_bytes(const conv_tile *t)
{
    return t->weight_bytes;
}

static void reorder(const conv_tile *t, dnnl_memory_t from, dnnl_memory_t to)
{
    onednn_use_one_thread(NULL);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if (dnnl_primitive_execute(t->reorder, t->workers[0].stream, 2, arguments) != dnnl_success)
        BUG("oneDNN: a weight's order cannot be changed");
}

void conv_tile_pack(const conv_tile *t, const void *weight, void *packed)
{
    onednn_point(t->plain, weight);
    onednn_point(t->packed, packed);
    reorder(t, t->plain, t->packed);
}

void conv_tile_unpack(const conv_tile *t, const void *packed, void *weight)
{
    onednn_point(t->plain, weight);
    onednn_point(t->packed, packed);
    reorder(t, t->packed, t->plain);
}

void conv_tile_run(const conv_tile *t, size_t worker, const void *a, const void *b, void *result, void *scratch)
{
    if (worker >= t->threads)
        BUG("a convolution made for %zu threads is run by worker %zu", t->threads, worker);
    const int *o = order[t->spec.kind];
    const void *given[] = {a, b, result}, *at[ONEDNN_TENSORS];
    for (int i = 0; i < ONEDNN_TENSORS; i++)
        at[o[i]] = given[i];
    onednn_worker_run(&t->workers[worker], t->primitive, roles[t->spec.kind], at, t->scratch ? scratch : NULL);
}
