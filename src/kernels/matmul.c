#include "kernels/cpu/direct.h"
#include "kernels/cpu/fast.h"
#include "kernels/cpu/onednn.h"
#include "kernels/kernels.h"
#include "kernels/quant_product.h"

#include <string.h>

/* Columns come in panels of PANEL (the last one has the rest); a packed panel's blocks lie one after another, so a panel is
 * a place in the packed weight. Where oneDNN has no fast bf16 product (no AVX512_BF16), weight and rows are widened and
 * the product runs in f32. Only oneDNN's "brg" kernels are used: they give a row the same bits at every place of a tile
 * (its older ones for AVX2 do not). Where it has none, our own tile product of the same layout does the work.
 *
 * Where routines of our own were found to give the bits of these tiles (direct.h), they run instead: they are faster and
 * need no padding. */
enum { PANEL = 256, GROUP = 4 /* row tiles in a task */, BIG = 512 * 1024 };

struct kernel_matmul {
    kernel_matmul_spec spec;
    kernel_type compute, tile_out;
    size_t threads;
    size_t kp, np; /* padded */
    size_t panels;
    quant_product *quant; /* of a weight in a storage format, which does all the work; else NULL */
    tile_product *whole, *last; /* of the full panels and of the last one; NULL: our own */
    direct_product direct_whole, direct_last;
    bool direct; /* both were found */
    size_t tile_scratch, worker_scratch;
};

static size_t round_up(size_t x, size_t multiple)
{
    return (x + multiple - 1) / multiple * multiple;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t panel_width(const kernel_matmul *m, size_t panel)
{
    return panel + 1 < m->panels ? PANEL : m->np - panel * PANEL;
}

/* A tile's results go to scratch first: a primitive has fixed strides, the caller's rows do not. */
static status new_tile(arena *a, const kernel_matmul *m, size_t panel, tile_product **out, direct_product *direct, error *err)
{
    size_t width = panel_width(m, panel);
    tile_spec s = {.type = m->compute,
                   .out = m->tile_out,
                   .m = KERNEL_ROW_TILE,
                   .k = m->kp,
                   .n = width,
                   .x_stride = m->kp,
                   .w_layout = TILE_BLOCKED,
                   .w_stride = width,
                   .y_stride = width};
    TRY(tile_product_new(a, &s, m->threads, out, err));
    if (strncmp(tile_product_implementation(*out), "brg", 3) != 0)
        return error_set(err, STATUS_UNSUPPORTED, "%s is not of the fast kind", tile_product_implementation(*out));
    return direct_match(&s, *out, direct, err);
}

static status choose(arena *a, kernel_matmul *m, kernel_type compute, bool ours, error *err)
{
    m->compute = compute;
    m->tile_out = compute == KERNEL_F32 ? KERNEL_F32 : m->spec.out;
    m->kp = round_up(m->spec.k, tile_k_multiple(compute));
    m->np = round_up(m->spec.n, TILE_N);
    m->panels = (m->np + PANEL - 1) / PANEL;
    m->whole = m->last = NULL;
    m->direct = false;
    m->direct_whole = m->direct_last = (direct_product){0};
    if (ours)
        return STATUS_OK;
    if (m->panels > 1)
        TRY(new_tile(a, m, 0, &m->whole, &m->direct_whole, err));
    TRY(new_tile(a, m, m->panels - 1, &m->last, &m->direct_last, err));
    m->direct = m->direct_last.chunk > 0 && (m->panels == 1 || m->direct_whole.chunk > 0);
    return STATUS_OK;
}

/* Rows need no padding and no other type. */
static bool reads_in_place(const kernel_matmul *m)
{
    return m->kp == m->spec.k && m->compute == m->spec.type;
}

status kernel_matmul_new(arena *a, const kernel_matmul_spec *spec, size_t threads, kernel_matmul **out, error *err)
{
    bool half = spec->type == KERNEL_BF16;
    if ((!half && spec->type != KERNEL_F32) || (spec->out != KERNEL_F32 && (!half || spec->out != KERNEL_BF16)))
        return error_set(err, STATUS_UNSUPPORTED, "no product of %s giving %s: expected bf16 or f32",
                         kernel_type_name(spec->type), kernel_type_name(spec->out));
    if (spec->k == 0 || spec->n == 0)
        return error_set(err, STATUS_UNSUPPORTED, "product with an empty weight: %zu x %zu", spec->k, spec->n);
    kernel_matmul *m = ARENA_NEW(a, kernel_matmul);
    if (!m)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    m->spec = *spec;
    m->threads = threads;
    *out = m;
    if (spec->format != QUANT_PLAIN)
        return quant_product_new(a, spec, threads, &m->quant, err);
    status s = half ? choose(a, m, KERNEL_BF16, false, err) : STATUS_UNSUPPORTED;
    if (s == STATUS_UNSUPPORTED)
        s = choose(a, m, KERNEL_F32, false, err);
    if (s == STATUS_UNSUPPORTED)
        s = choose(a, m, KERNEL_F32, true, err);
    if (s != STATUS_OK)
        return s;
    if (m->last)
        m->tile_scratch = tile_product_scratch_bytes(m->last);
    if (m->whole && tile_product_scratch_bytes(m->whole) > m->tile_scratch)
        m->tile_scratch = tile_product_scratch_bytes(m->whole);
    m->worker_scratch = m->direct ? 2 * DIRECT_SCRATCH + (reads_in_place(m) ? 0 : DIRECT_ROWS * m->kp * sizeof(float))
                                  : m->tile_scratch + KERNEL_ROW_TILE * (m->kp + PANEL) * sizeof(float);
    *out = m;
    return STATUS_OK;
}

const char *kernel_matmul_implementation(const kernel_matmul *m)
{
    static const char *const ours[] = {"own:portable", "own:avx2", "own:avx512"};
    if (m->quant)
        return quant_product_implementation(m->quant);
    return m->last ? tile_product_implementation(m->last) : ours[kernel_isa_used()];
}

bool kernel_matmul_is_direct(const kernel_matmul *m)
{
    return m->direct;
}

size_t kernel_matmul_packed_bytes(const kernel_matmul *m)
{
    if (m->quant)
        return quant_product_packed_bytes(m->quant);
    return m->kp * m->np * kernel_type_size(m->compute);
}

size_t kernel_matmul_scratch_bytes(const kernel_matmul *m)
{
    if (m->quant)
        return quant_product_scratch_bytes(m->quant);
    return m->threads * m->worker_scratch;
}

typedef struct pack_job {
    const kernel_matmul *m;
    const void *weight;
    void *packed;
} pack_job;

static float weight_at(const kernel_matmul *m, const void *weight, size_t i, size_t j)
{
    size_t at = m->spec.transposed ? j * m->spec.k + i : i * m->spec.n + j;
    if (i >= m->spec.k || j >= m->spec.n)
        return 0;
    return bf16_to_f32(((const uint16_t *)weight)[at]);
}

/* A bf16 weight for an f32 product: one block of columns, element by element. */
static void pack_widened(const kernel_matmul *m, const void *weight, size_t block, float *packed)
{
    for (size_t i = 0; i < m->kp; i++)
        for (size_t j = 0; j < TILE_N; j++)
            packed[(block * m->kp + i) * TILE_N + j] = weight_at(m, weight, i, block * TILE_N + j);
}

static void pack_task(void *context, size_t task, size_t worker)
{
    const pack_job *job = context;
    const kernel_matmul *m = job->m;
    (void)worker;
    if (m->compute == m->spec.type)
        tile_pack_block(m->compute, m->spec.transposed, m->spec.k, m->spec.n, m->kp, job->weight, task, job->packed);
    else
        pack_widened(m, job->weight, task, job->packed);
}

void kernel_matmul_pack(const kernel_matmul *m, thread_pool *pool, const void *weight, void *packed)
{
    pack_job job = {m, weight, packed};
    if (m->quant)
        quant_product_pack(m->quant, pool, weight, packed);
    else
        thread_pool_run(pool, m->np / TILE_N, pack_task, &job);
}

typedef struct run_job {
    const kernel_matmul *m;
    size_t rows, x_stride, y_stride;
    size_t groups, group; /* `group` rows in a task */
    size_t span;          /* blocks of columns in a task (direct) */
    bool panel_major;
    const char *x, *packed;
    char *y, *scratch;
} run_job;

/* Rows with zeros behind them up to kp, in the type that is computed. */
static void copy_rows(const run_job *job, size_t row, size_t count, char *to)
{
    const kernel_matmul *m = job->m;
    size_t size = kernel_type_size(m->spec.type), to_size = kernel_type_size(m->compute);
    const char *from = job->x + row * job->x_stride * size;
    for (size_t r = 0; r < count; r++, to += m->kp * to_size, from += job->x_stride * size) {
        kernel_cast(m->spec.k, m->spec.type, from, m->compute, to);
        memset(to + m->spec.k * to_size, 0, (m->kp - m->spec.k) * to_size);
    }
}

/* ---- oneDNN's tiles, or our own where it has none ---- */

static const void *tile_rows(const run_job *job, size_t row, size_t count, char *copy)
{
    const kernel_matmul *m = job->m;
    size_t bytes = m->kp * kernel_type_size(m->compute);
    if (count == KERNEL_ROW_TILE && job->x_stride == m->kp && reads_in_place(m))
        return job->x + row * bytes;
    copy_rows(job, row, count, copy);
    memset(copy + count * bytes, 0, (KERNEL_ROW_TILE - count) * bytes);
    return copy;
}

static void run_tile(const run_job *job, size_t row, size_t panel, size_t worker)
{
    const kernel_matmul *m = job->m;
    char *scratch = job->scratch + worker * m->worker_scratch;
    char *x_copy = scratch + m->tile_scratch, *y_copy = x_copy + KERNEL_ROW_TILE * m->kp * sizeof(float);
    size_t count = least(KERNEL_ROW_TILE, job->rows - row), width = panel_width(m, panel);
    size_t columns = least(width, m->spec.n - panel * PANEL), size = kernel_type_size(m->spec.out);
    const void *x = tile_rows(job, row, count, x_copy);
    const char *w = job->packed + panel * PANEL * m->kp * kernel_type_size(m->compute);
    char *y = job->y + (row * job->y_stride + panel * PANEL) * size;
    tile_product *tile = panel + 1 < m->panels ? m->whole : m->last;
    /* A primitive's rows are `width` apart; only results of exactly that width can be written in place. */
    bool direct = count == KERNEL_ROW_TILE && columns == width && job->y_stride == width && m->tile_out == m->spec.out;
    char *to = direct ? y : y_copy;
    if (tile)
        tile_product_run(tile, worker, x, w, to, scratch);
    for (size_t j = 0; j < width && !tile; j += TILE_N) /* blocks of [kp][64] */
        fast()->product(count, m->kp, x, m->kp, w + j * m->kp * sizeof(float), (float *)(void *)to + j, width);
    for (size_t r = 0; r < count && !direct; r++)
        kernel_cast(columns, m->tile_out, y_copy + r * width * kernel_type_size(m->tile_out), m->spec.out,
                    y + r * job->y_stride * size);
}

static void run_task(void *context, size_t task, size_t worker)
{
    const run_job *job = context;
    const kernel_matmul *m = job->m;
    size_t panel = job->panel_major ? task / job->groups : task % m->panels;
    size_t group = job->panel_major ? task % job->groups : task / m->panels;
    size_t end = least(job->rows, (group + 1) * job->group);
    for (size_t row = group * job->group; row < end; row += KERNEL_ROW_TILE)
        run_tile(job, row, panel, worker);
}

/* ---- directly ---- */

/* Rows are fetched (copied, where they must be) once for each task. With so many rows there are tasks enough for all workers
 * when each takes a whole panel, and memory sees longer stretches of the result. */
enum { MANY_ROWS = 2048 };

/* 64 columns of at most DIRECT_ROWS rows; x as it is or copied. */
static void run_block(const run_job *job, size_t row, size_t count, size_t block, const void *x, size_t x_stride,
                      float *sums)
{
    const kernel_matmul *m = job->m;
    const direct_product *d = block * TILE_N / PANEL + 1 < m->panels ? &m->direct_whole : &m->direct_last;
    size_t first = block * TILE_N, columns = least(TILE_N, m->spec.n - first), size = kernel_type_size(m->spec.out);
    const char *w = job->packed + first * m->kp * kernel_type_size(m->compute);
    char *y = job->y + (row * job->y_stride + first) * size;
    float *wide = sums + DIRECT_ROWS * TILE_N;
    if (d->out == m->spec.out) {
        direct_block(d, count, x, x_stride, w, y, job->y_stride, columns, sums);
        return;
    }
    direct_block(d, count, x, x_stride, w, wide, TILE_N, columns, sums);
    for (size_t r = 0; r < count; r++)
        kernel_cast(columns, d->out, wide + r * TILE_N, m->spec.out, y + r * job->y_stride * size);
}

/* Some rows of `span` blocks of columns. */
static void direct_task(void *context, size_t task, size_t worker)
{
    const run_job *job = context;
    const kernel_matmul *m = job->m;
    size_t row = task % job->groups * DIRECT_ROWS, count = least(DIRECT_ROWS, job->rows - row), x_stride = job->x_stride;
    const char *x = job->x + row * x_stride * kernel_type_size(m->spec.type);
    size_t blocks = (m->spec.n + TILE_N - 1) / TILE_N, first = task / job->groups * job->span;
    size_t end = least(blocks, first + job->span);
    char *scratch = job->scratch + worker * m->worker_scratch;
    if (!reads_in_place(m)) {
        char *copy = scratch + 2 * DIRECT_SCRATCH;
        copy_rows(job, row, count, copy);
        x = copy;
        x_stride = m->kp;
    }
    for (; first < end; first++)
        run_block(job, row, count, first, x, x_stride, (float *)(void *)scratch);
}

/* Neighbouring tasks share rows while the whole weight fits the second-level cache, and a panel of the weight when not. */
void kernel_matmul_run(const kernel_matmul *m, thread_pool *pool, size_t rows, const void *x, size_t x_stride,
                       const void *packed, void *y, size_t y_stride, void *scratch)
{
    if (m->quant) {
        quant_product_run(m->quant, pool, rows, x, x_stride, packed, y, y_stride, scratch);
        return;
    }
    size_t group = rows < 16 * KERNEL_ROW_TILE ? KERNEL_ROW_TILE : GROUP * KERNEL_ROW_TILE;
    run_job job = {.m = m,
                   .rows = rows,
                   .x_stride = x_stride,
                   .y_stride = y_stride,
                   .groups = (rows + group - 1) / group,
                   .group = group,
                   .panel_major = kernel_matmul_packed_bytes(m) > BIG,
                   .x = x,
                   .packed = packed,
                   .y = y,
                   .scratch = scratch};
    if (!m->direct) {
        thread_pool_run(pool, job.groups * m->panels, run_task, &job);
        return;
    }
    size_t blocks = (m->spec.n + TILE_N - 1) / TILE_N;
    job.span = reads_in_place(m) && rows < MANY_ROWS ? 1 : PANEL / TILE_N;
    job.groups = (rows + DIRECT_ROWS - 1) / DIRECT_ROWS;
    thread_pool_run(pool, job.groups * ((blocks + job.span - 1) / job.span), direct_task, &job);
}
