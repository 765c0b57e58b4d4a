#include "kernels/cpu/onednn_inside.h"

#include <string.h>

static const onednn_role roles[ONEDNN_TENSORS] = {
    {DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md}, {DNNL_ARG_DST, dnnl_query_dst_md}};

struct tile_product {
    tile_spec spec;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t descriptor;
    dnnl_primitive_t primitive;
    const char *implementation;
    size_t scratch, threads;
    onednn_worker *workers; /* one for each thread */
};

typedef struct layout {
    dnnl_memory_desc_t x, w, y;
} layout;

size_t tile_k_multiple(kernel_type type)
{
    return type == KERNEL_BF16 ? 32 : 16;
}

/* Version 3 renamed some calls of version 2, and made descriptors objects. The rest of the file is written for version 3. */
#if DNNL_VERSION_MAJOR >= 3

static void layout_drop(layout *l)
{
    dnnl_memory_desc_destroy(l->x);
    dnnl_memory_desc_destroy(l->w);
    dnnl_memory_desc_destroy(l->y);
}

static dnnl_status_t create_descriptor(tile_product *t, const layout *l, dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(&t->descriptor, t->engine, l->x, l->w, NULL, l->y, attributes);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

#else

static void layout_drop(layout *l)
{
    (void)l;
}

static dnnl_status_t create_descriptor(tile_product *t, const layout *l, dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t matmul;
    dnnl_status_t s = dnnl_matmul_desc_init(&matmul, &l->x, &l->w, NULL, &l->y);
    return s != dnnl_success ? s : dnnl_primitive_desc_create(&t->descriptor, &matmul, attributes, t->engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

#endif

static dnnl_status_t describe_plain(dnnl_memory_desc_t *md, kernel_type type, size_t rows, size_t columns, size_t i,
                                    size_t j)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns}, strides = {(dnnl_dim_t)i, (dnnl_dim_t)j};
    return dnnl_memory_desc_create_with_strides(md, 2, dims, onednn_type(type), strides);
}

static dnnl_status_t describe_blocked(dnnl_memory_desc_t *md, kernel_type type, size_t rows, size_t columns)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    return dnnl_memory_desc_create_with_tag(md, 2, dims, onednn_type(type),
                                            type == KERNEL_BF16 ? dnnl_BA16a64b2a : dnnl_BA16a64b);
}

static dnnl_status_t describe(layout *l, const tile_spec *s)
{
    dnnl_status_t done = describe_plain(&l->x, s->type, s->m, s->k, s->x_transposed ? 1 : s->x_stride,
                                          s->x_transposed ? s->x_stride : 1);
    if (done == dnnl_success)
        done = describe_plain(&l->y, s->out, s->m, s->n, s->y_stride, 1);
    if (done != dnnl_success)
        return done;
    if (s->w_layout == TILE_BLOCKED)
        return describe_blocked(&l->w, s->type, s->k, s->n);
    bool transposed = s->w_layout == TILE_TRANSPOSED;
    return describe_plain(&l->w, s->type, s->k, s->n, transposed ? 1 : s->w_stride, transposed ? s->w_stride : 1);
}

static void tile_product_drop(void *context)
{
    tile_product *t = context;
    for (size_t i = 0; t->workers && i < t->threads; i++)
        onednn_worker_drop(&t->workers[i]);
    if (t->primitive)
        dnnl_primitive_destroy(t->primitive);
    if (t->descriptor)
        dnnl_primitive_desc_destroy(t->descriptor);
    if (t->engine)
        dnnl_engine_destroy(t->engine);
}

/* Scratch comes from the caller, and sums are written over y where asked for. */
static dnnl_status_t create(tile_product *t)
{
    layout l = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = dnnl_engine_create(&t->engine, dnnl_cpu, 0);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_create(&attributes);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (s == dnnl_success && t->spec.accumulate) {
        s = dnnl_post_ops_create(&ops);
        if (s == dnnl_success)
            s = append_sum(ops);
        if (s == dnnl_success)
            s = dnnl_primitive_attr_set_post_ops(attributes, ops);
    }
    if (s == dnnl_success)
        s = describe(&l, &t->spec);
    if (s == dnnl_success)
        s = create_descriptor(t, &l, attributes);
    layout_drop(&l);
    if (ops)
        dnnl_post_ops_destroy(ops);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (s == dnnl_success)
        s = dnnl_primitive_desc_query(t->descriptor, dnnl_query_impl_info_str, 0, (void *)&t->implementation);
    return s;
}

status tile_product_new(arena *a, const tile_spec *spec, size_t threads, tile_product **out, error *err)
{
    TRY(onednn_use_one_thread(err));
    tile_product *t = ARENA_NEW(a, tile_product);
    if (!t)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    t->spec = *spec;
    t->threads = threads;
    t->workers = ARENA_ARRAY(a, onednn_worker, threads);
    if (!t->workers || !arena_on_free(a, tile_product_drop, t))
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    dnnl_status_t s = create(t);
    if (s == dnnl_out_of_memory)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    if (s != dnnl_success || strncmp(t->implementation, "ref", 3) == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "oneDNN has no fast product of %s for %zu x %zu x %zu on this machine (found %s)",
                         kernel_type_name(spec->type), spec->m, spec->k, spec->n,
                         s == dnnl_success ? t->implementation : "none");
    t->scratch = onednn_scratch_bytes(t->descriptor);
    s = dnnl_primitive_create(&t->primitive, t->descriptor);
    for (size_t i = 0; s == dnnl_success && i < threads; i++)
        s = onednn_worker_create(&t->workers[i], t->descriptor, roles, t->engine);
    if (s != dnnl_success)
        return error_set(err, STATUS_MEMORY, "oneDNN cannot make %s (its status %d)", t->implementation, (int)s);
    *out = t;
    return STATUS_OK;
}

const char *tile_product_implementation(const tile_product *t)
{
    return t->implementation;
}

size_t tile_product_scratch_bytes(const tile_product *t)
{
    return t->scratch;
}

void tile_product_run(const tile_product *t, size_t worker, const void *x, const void *w, void *y, void *scratch)
{
    if (worker >= t->threads)
        BUG("a product made for %zu threads is run by worker %zu", t->threads, worker);
    onednn_worker_run(&t->workers[worker], t->primitive, roles, (const void *[]){x, w, y}, t->scratch ? scratch : NULL);
}

static uint16_t weight_bf16(const uint16_t *weight, bool transposed, size_t k, size_t n, size_t i, size_t j)
{
    return i >= k || j >= n ? 0 : transposed ? weight[j * k + i] : weight[i * n + j];
}

/* Pairs of neighbours in k lie together: [k / 32][16][64][2]. */
static void pack_bf16(bool transposed, size_t k, size_t n, size_t kp, const uint16_t *weight, size_t block, uint16_t *to)
{
    size_t first = block * TILE_N;
    to += first * kp;
    if (first + TILE_N > n || k % 2 != 0) {
        for (size_t i = 0; i < kp; i++)
            for (size_t j = 0; j < TILE_N; j++)
                to[(i / 2 * TILE_N + j) * 2 + i % 2] = weight_bf16(weight, transposed, k, n, i, first + j);
        return;
    }
    for (size_t pair = 0; pair < kp / 2; pair++) {
        uint16_t *row = to + pair * 2 * TILE_N;
        if (2 * pair >= k)
            memset(row, 0, 2 * TILE_N * sizeof *row);
        else if (transposed)
            for (size_t j = 0; j < TILE_N; j++)
                memcpy(row + 2 * j, weight + (first + j) * k + 2 * pair, 4);
        else
            for (size_t j = 0; j < TILE_N; j++) {
                row[2 * j] = weight[2 * pair * n + first + j];
                row[2 * j + 1] = weight[(2 * pair + 1) * n + first + j];
            }
    }
}

static void pack_f32(bool transposed, size_t k, size_t n, size_t kp, const float *weight, size_t block, float *to)
{
    size_t first = block * TILE_N, columns = n - first < TILE_N ? n - first : TILE_N;
    to += first * kp;
    for (size_t i = 0; i < kp; i++, to += TILE_N) {
        if (i >= k || columns < TILE_N)
            memset(to, 0, TILE_N * sizeof *to);
        if (i < k)
            for (size_t j = 0; j < columns; j++)
                to[j] = transposed ? weight[(first + j) * k + i] : weight[i * n + first + j];
    }
}

void tile_pack_block(kernel_type type, bool transposed, size_t k, size_t n, size_t kp, const void *weight, size_t block,
                     void *to)
{
    if (type == KERNEL_BF16)
        pack_bf16(transposed, k, n, kp, weight, block, to);
    else
        pack_f32(transposed, k, n, kp, weight, block, to);
}
