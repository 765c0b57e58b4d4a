/* Products with weights in storage formats: panels, tasks, choice of the instruction set. */
#include "kernels/quant_product.h"

#include "kernels/quant_parts.h"

#include <assert.h>
#include <string.h>

enum {
    ROWS = 128,             /* prepared at a time */
    TASK_ROWS = 32,         /* multiplied in a task */
    PANELS = 4,             /* in a task: at least, */
    TASK_BYTES = 192 * 1024, /* at most (enough to read ahead in), */
    TASKS = 16,             /* and few enough for so many tasks: they even out between threads */
    ALONE = 4,              /* rows that are not worth waking anybody for */
};

struct quant_product {
    kernel_matmul_spec spec;
    size_t panels, panel_bytes, task_panels, scratch;
};

static const quant_layout layouts[] = {
    [QUANT_F16] = {1, 32, 0},         [QUANT_Q8_0] = {32, 512, 32},    [QUANT_Q4_0] = {32, 256, 32},
    [QUANT_Q4_K] = {256, 256, 320},   [QUANT_Q5_K] = {256, 320, 320},  [QUANT_Q6_K] = {256, 384, 288},
};
static_assert(COUNT_OF(layouts) == QUANT_COUNT, "each format has a row");

/* What `quants` counts: 32 elements of a column, of F16 one. */
static size_t least_block(quant_format f)
{
    return f == QUANT_F16 ? 1 : QUANT_BLOCK;
}

quant_layout quant_layout_of(quant_format f)
{
    return layouts[f];
}

size_t quant_panel_bytes(quant_format f, size_t k)
{
    const quant_layout *l = &layouts[f];
    return (k / least_block(f) * l->quants + k / l->elements * l->scales + 63) / 64 * 64;
}

/* ---- instruction sets ---- */

static bool has_vnni(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

static const quant_routines *routines(void)
{
#if defined(__x86_64__)
    static const quant_routines *const tables[] = {&quant_portable, &quant_avx2, &quant_avx512};
    kernel_isa isa = kernel_isa_used();
    return isa == KERNEL_AVX512 && has_vnni() ? &quant_vnni : tables[isa];
#else
    return &quant_portable;
#endif
}

const char *quant_product_implementation(const quant_product *p)
{
    static const char *const names[] = {"own:quant:portable", "own:quant:avx2", "own:quant:avx512"};
    (void)p;
#if defined(__x86_64__)
    if (routines() == &quant_vnni)
        return "own:quant:avx512_vnni";
#endif
    return names[kernel_isa_used()];
}

/* ---- the object ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

status quant_product_new(arena *a, const kernel_matmul_spec *spec, size_t threads, quant_product **out, error *err)
{
    (void)threads; /* rows are prepared once for all of them */
    size_t row;
    *out = NULL;
    if (!spec->transposed)
        return error_set(err, STATUS_UNSUPPORTED, "a weight in %s is read as [outputs, inputs], not turned", quant_name(spec->format));
    if (spec->k > INT64_MAX)
        return error_set(err, STATUS_INVALID, "a weight of %zu columns", spec->k);
    TRY(quant_row_bytes(spec->format, (int64_t)spec->k, &row, err));
    quant_product *p = ARENA_NEW(a, quant_product);
    if (!p)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    p->spec = *spec;
    p->panels = (spec->n + QUANT_PANEL - 1) / QUANT_PANEL;
    p->panel_bytes = quant_panel_bytes(spec->format, spec->k);
    p->task_panels = least(TASK_BYTES / p->panel_bytes, p->panels / TASKS) / PANELS * PANELS;
    p->task_panels = p->task_panels < PANELS ? PANELS : p->task_panels;
    p->scratch = ROWS / QUANT_TILE * quant_tile_bytes(spec->format, QUANT_TILE, spec->k);
    if (p->panels > PTRDIFF_MAX / p->panel_bytes)
        return error_set(err, STATUS_INVALID, "a weight of %zu x %zu is too large", spec->n, spec->k);
    *out = p;
    return STATUS_OK;
}

size_t quant_product_packed_bytes(const quant_product *p)
{
    return p->panels * p->panel_bytes;
}

size_t quant_product_scratch_bytes(const quant_product *p)
{
    return p->scratch;
}

/* ---- panels ---- */

/* The 32 elements of a column: four by four, in the low halves of bytes, the high halves, and what bits are left. */
static void put_quants(quant_format f, const uint8_t q[QUANT_BLOCK], size_t column, uint8_t *quants)
{
    size_t bytes = layouts[f].quants;
    for (size_t i = 0; i < QUANT_BLOCK; i++) {
        size_t group = i / 4, at = 4 * column + i % 4;
        if (bytes == 512) {
            quants[64 * group + at] = q[i];
            continue;
        }
        quants[64 * (group / 2) + at] |= (uint8_t)((q[i] & 15) << (group % 2 * 4));
        if (bytes == 320)
            quants[256 + at] |= (uint8_t)(q[i] >> 4 << group);
        if (bytes == 384)
            quants[256 + 64 * (group / 4) + at] |= (uint8_t)(q[i] >> 4 << (group % 4 * 2));
    }
}

static void put_f16(uint16_t bits, size_t column, uint8_t *to)
{
    memcpy(to + 2 * column, &bits, sizeof bits);
}

static void put_scales(quant_format f, const quant_parts *parts, size_t column, uint8_t *scales)
{
    put_f16(parts->d, column, scales);
    if (f == QUANT_Q6_K)
        for (size_t g = 0; g < 16; g++)
            scales[32 + 16 * g + column] = (uint8_t)parts->scale[g];
    if (f != QUANT_Q4_K && f != QUANT_Q5_K)
        return;
    put_f16(parts->m, column, scales + 32);
    for (size_t g = 0; g < 8; g++) {
        scales[64 + 32 * g + column] = (uint8_t)parts->scale[g];
        scales[80 + 32 * g + column] = parts->least[g];
    }
}

typedef struct pack_job {
    const quant_product *p;
    const uint8_t *weight;
    uint8_t *packed;
    size_t row_bytes;
} pack_job;

static void pack_column(const pack_job *job, size_t panel, size_t column)
{
    const kernel_matmul_spec *s = &job->p->spec;
    const quant_layout *l = &layouts[s->format];
    size_t block_bytes = quant_block_bytes(s->format);
    const uint8_t *from = job->weight + (panel * QUANT_PANEL + column) * job->row_bytes;
    uint8_t *to = job->packed + panel * job->p->panel_bytes, *scales = to + s->k / QUANT_BLOCK * l->quants;
    for (size_t k = 0; s->format == QUANT_F16 && k < s->k; k++)
        memcpy(to + 2 * (QUANT_PANEL * k + column), from + 2 * k, 2);
    for (size_t k = 0; s->format != QUANT_F16 && k < s->k; k += l->elements, from += block_bytes, scales += l->scales) {
        quant_parts parts;
        quant_split(s->format, from, &parts);
        for (size_t i = 0; i < l->elements; i += QUANT_BLOCK)
            put_quants(s->format, parts.q + i, column, to + (k + i) / QUANT_BLOCK * l->quants);
        put_scales(s->format, &parts, column, scales);
    }
}

/* Columns beyond the last have scales of 0. */
static void pack_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const pack_job *job = context;
    const quant_product *p = job->p;
    memset(job->packed + task * p->panel_bytes, 0, p->panel_bytes);
    for (size_t c = 0; c < QUANT_PANEL && task * QUANT_PANEL + c < p->spec.n; c++)
        pack_column(job, task, c);
}

void quant_product_pack(const quant_product *p, thread_pool *pool, const void *weight, void *packed)
{
    pack_job job = {.p = p, .weight = weight, .packed = packed,
                    .row_bytes = p->spec.k / quant_block_elements(p->spec.format) * quant_block_bytes(p->spec.format)};
    thread_pool_run(pool, p->panels, pack_task, &job);
}

/* ---- products ---- */

/* Rows go by tiles of 8; what is left over goes by 4, 2 and 1. */
static size_t tile_rows(size_t left)
{
    return left >= QUANT_TILE ? QUANT_TILE : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

typedef struct run_job {
    const quant_product *p;
    const quant_routines *with;
    size_t rows, x_stride, y_stride, groups, skip;
    const char *x;
    const uint8_t *packed;
    char *y, *scratch;
} run_job;

static char *tile_at(const run_job *job, size_t row)
{
    return job->scratch + quant_tile_bytes(job->p->spec.format, row, job->p->spec.k);
}

static void prepare_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const run_job *job = context;
    const kernel_matmul_spec *s = &job->p->spec;
    size_t end = task * QUANT_TILE + QUANT_TILE < job->rows ? task * QUANT_TILE + QUANT_TILE : job->rows, n;
    for (size_t row = task * QUANT_TILE; row < end; row += n) {
        n = tile_rows(end - row);
        const char *x = job->x + row * job->x_stride * kernel_type_size(s->type);
        job->with->prepare(s->format, s->type, n, s->k, x, job->x_stride, tile_at(job, row));
    }
}

/* Some panels of columns for up to TASK_ROWS rows: tasks that share panels are neighbours. */
static void multiply_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const run_job *job = context;
    const quant_product *p = job->p;
    size_t panel = task / job->groups * p->task_panels, row = task % job->groups * TASK_ROWS, n, size = kernel_type_size(p->spec.out);
    size_t end = row + TASK_ROWS < job->rows ? row + TASK_ROWS : job->rows, column = panel * QUANT_PANEL;
    size_t columns = p->spec.n - column < p->task_panels * QUANT_PANEL ? p->spec.n - column : p->task_panels * QUANT_PANEL;
    for (; row < end; row += n) {
        n = tile_rows(end - row);
        job->with->multiply(p->spec.format, n, p->spec.k, tile_at(job, row), job->packed + panel * p->panel_bytes, columns,
                            job->skip, p->spec.out, job->y + (row * job->y_stride + column) * size, job->y_stride);
    }
}

void quant_product_run(const quant_product *p, thread_pool *pool, size_t rows, const void *x, size_t x_stride,
                       const void *packed, void *y, size_t y_stride, void *scratch)
{
    run_job job = {.p = p, .with = routines(), .x_stride = x_stride, .y_stride = y_stride, .packed = packed, .scratch = scratch,
                   .skip = (thread_pool_size(pool) - 1) * p->task_panels * p->panel_bytes};
    for (size_t row = 0; row < rows; row += job.rows) {
        job.rows = rows - row < ROWS ? rows - row : ROWS;
        job.x = (const char *)x + row * x_stride * kernel_type_size(p->spec.type);
        job.y = (char *)y + row * y_stride * kernel_type_size(p->spec.out);
        job.groups = (job.rows + TASK_ROWS - 1) / TASK_ROWS;
        thread_pool_run(job.rows <= ALONE ? NULL : pool, (job.rows + QUANT_TILE - 1) / QUANT_TILE, prepare_task, &job);
        thread_pool_run(pool, (p->panels + p->task_panels - 1) / p->task_panels * job.groups, multiply_task, &job);
    }
}
