#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <math.h>
#include <string.h>

/* torch computes theta ** (arange(0, d, 2) / d) and the rest in f32. */
void kernel_rotary_frequencies(size_t head_size, double theta, float *inverse)
{
    for (size_t i = 0; i < head_size / 2; i++)
        inverse[i] = 1.0f / powf((float)theta, (float)(2 * i) / (float)head_size);
}

void kernel_rotary_table(size_t first, size_t positions, size_t head_size, const float *inverse, float *cosine,
                         float *sine)
{
    size_t half = head_size / 2;
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            float angle = (float)(first + p) * inverse[i];
            cosine[p * half + i] = cosf(angle);
            sine[p * half + i] = sinf(angle);
        }
}

enum { BAND_ELEMENTS = 16384, ADAMW_BLOCK = 8192 };

static size_t band_rows(size_t width)
{
    return width >= BAND_ELEMENTS || width == 0 ? 1 : BAND_ELEMENTS / width;
}

static size_t bands(size_t rows, size_t band)
{
    return (rows + band - 1) / band;
}

static bool narrow_float(kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_BF16;
}

typedef struct rotary_job {
    kernel_type type;
    size_t rows, heads, head_size, x_stride, y_stride;
    const char *x;
    const int32_t *position;
    size_t positions;
    const float *cosine, *sine;
    bool backward;
    char *y;
    size_t band;
} rotary_job;

static void rotary_task(void *context, size_t task, size_t worker)
{
    const rotary_job *j = context;
    (void)worker;
    size_t from = task * j->band, rest = j->rows - from, size = kernel_type_size(j->type);
    fast()->rotary(j->type, rest < j->band ? rest : j->band, j->heads, j->head_size, j->x + from * j->x_stride * size,
                   j->x_stride, j->position + from, j->positions, j->cosine, j->sine, j->backward, j->y + from * j->y_stride * size,
                   j->y_stride);
}

void kernel_rotary(kernel_type type, thread_pool *pool, size_t rows, size_t heads, size_t head_size, const void *x,
                   size_t x_stride, const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward,
                   void *y, size_t y_stride)
{
    rotary_job job = {type, rows, heads, head_size, x_stride, y_stride, x, position, positions, cosine, sine, backward, y,
                      band_rows(heads * head_size)};
    if (narrow_float(type))
        thread_pool_run(pool, bands(rows, job.band), rotary_task, &job);
    else
        reference_rotary(type, rows, heads, head_size, x, x_stride, position, positions, cosine, sine, backward, y, y_stride);
}

typedef struct silu_job {
    kernel_type type;
    size_t rows, width, stride, band;
    const char *gate, *up, *dy;
    char *y, *dgate, *dup;
} silu_job;

static void silu_task(void *context, size_t task, size_t worker)
{
    const silu_job *j = context;
    (void)worker;
    size_t from = task * j->band, rest = j->rows - from, count = rest < j->band ? rest : j->band;
    size_t in = from * j->stride * kernel_type_size(j->type), out = from * j->width * kernel_type_size(j->type);
    if (j->y)
        fast()->gated_silu(j->type, count, j->width, j->gate + in, j->up + in, j->stride, j->y + out);
    else
        fast()->gated_silu_backward(j->type, count, j->width, j->gate + in, j->up + in, j->stride, j->dy + out,
                                    j->dgate + in, j->dup + in);
}

void kernel_gated_silu(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *gate, const void *up,
                       size_t stride, void *y)
{
    silu_job job = {.type = type, .rows = rows, .width = width, .stride = stride, .band = band_rows(width),
                    .gate = gate, .up = up, .y = y};
    if (narrow_float(type))
        thread_pool_run(pool, bands(rows, job.band), silu_task, &job);
    else
        reference_gated_silu(type, rows, width, gate, up, stride, y);
}

void kernel_gated_silu_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *gate,
                                const void *up, size_t stride, const void *dy, void *dgate, void *dup)
{
    silu_job job = {.type = type, .rows = rows, .width = width, .stride = stride, .band = band_rows(width),
                    .gate = gate, .up = up, .dy = dy, .dgate = dgate, .dup = dup};
    if (narrow_float(type))
        thread_pool_run(pool, bands(rows, job.band), silu_task, &job);
    else
        reference_gated_silu_backward(type, rows, width, gate, up, stride, dy, dgate, dup);
}

typedef struct gather {
    size_t rows, bytes;
    const char *table;
    const int32_t *ids;
    char *out;
} gather;

enum { GATHER_ROWS = 64 };

static void gather_task(void *context, size_t task, size_t worker)
{
    const gather *g = context;
    (void)worker;
    for (size_t r = task * GATHER_ROWS; r < g->rows && r < (task + 1) * GATHER_ROWS; r++)
        memcpy(g->out + r * g->bytes, g->table + (size_t)g->ids[r] * g->bytes, g->bytes);
}

void kernel_gather(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *table,
                   const int32_t *ids, void *out)
{
    gather g = {rows, width * kernel_type_size(type), table, ids, out};
    thread_pool_run(pool, (rows + GATHER_ROWS - 1) / GATHER_ROWS, gather_task, &g);
}

size_t kernel_scatter_add_scratch_bytes(size_t rows, size_t entries)
{
    return (rows + entries + 1) * sizeof(int32_t);
}

/* A counting sort lists the rows of each entry in order; then an entry is one task's alone. */
typedef struct scatter_job {
    kernel_type type;
    size_t width, entries, band;
    const char *dy;
    const int32_t *ends, *order; /* order[ends[v - 1]] to order[ends[v] - 1] are the rows of entry v */
    float *dtable;
    bool accumulate;
} scatter_job;

static void scatter_task(void *context, size_t task, size_t worker)
{
    const scatter_job *j = context;
    (void)worker;
    for (size_t v = task * j->band; v < j->entries && v < (task + 1) * j->band; v++) {
        float *to = j->dtable + v * j->width;
        if (!j->accumulate)
            memset(to, 0, j->width * sizeof *to);
        for (int32_t i = v ? j->ends[v - 1] : 0; i < j->ends[v]; i++)
            fast()->add_to(j->type, j->width, j->dy + (size_t)j->order[i] * j->width * kernel_type_size(j->type), to);
    }
}

void kernel_scatter_add(kernel_type type, thread_pool *pool, size_t rows, size_t width, size_t entries, const void *dy,
                        const int32_t *ids, void *dtable, bool accumulate, void *scratch)
{
    if (!narrow_float(type)) {
        reference_scatter_add(type, rows, width, entries, dy, ids, dtable, accumulate);
        return;
    }
    int32_t *ends = scratch, *order = ends + entries;
    memset(ends, 0, entries * sizeof *ends);
    for (size_t r = 0; r < rows; r++)
        ends[ids[r]]++;
    for (size_t v = 0, start = 0; v < entries; v++) { /* the start of v for now; filling moves it to the end */
        size_t count = (size_t)ends[v];
        ends[v] = (int32_t)start;
        start += count;
    }
    for (size_t r = 0; r < rows; r++)
        order[ends[ids[r]]++] = (int32_t)r;
    scatter_job job = {type, width, entries, 16, dy, ends, order, dtable, accumulate};
    thread_pool_run(pool, bands(entries, job.band), scatter_task, &job);
}

typedef struct adamw_job {
    size_t count;
    const kernel_adamw *how;
    float *p, *m, *v;
    const float *gradient;
    uint16_t *copy;
} adamw_job;

static void adamw_task(void *context, size_t task, size_t worker)
{
    const adamw_job *j = context;
    (void)worker;
    size_t at = task * ADAMW_BLOCK, rest = j->count - at;
    fast()->adamw(rest < ADAMW_BLOCK ? rest : ADAMW_BLOCK, j->how, j->p + at, j->m + at, j->v + at, j->gradient + at,
                  j->copy ? j->copy + at : NULL);
}

void kernel_adamw_step(kernel_type type, thread_pool *pool, size_t count, const kernel_adamw *how, void *p, void *m,
                       void *v, const void *gradient, uint16_t *copy)
{
    adamw_job job = {count, how, p, m, v, gradient, copy};
    if (type == KERNEL_F32)
        thread_pool_run(pool, bands(count, ADAMW_BLOCK), adamw_task, &job);
    else
        reference_adamw_step(type, count, how, p, m, v, gradient, copy);
}
