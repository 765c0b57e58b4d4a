#include "kernels/cpu/fast.h"
#include "kernels/cpu/onednn.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

/* f64 runs in our own vectors, in bands of rows; the rest in oneDNN, in row tiles of ROWS (bf16 where it has a fast product,
 * else refused: such products are the packed ones' business). */
enum { ROWS = 64 };

struct kernel_gemm {
    kernel_gemm_spec spec;
    size_t threads;
    size_t tiles; /* row tiles of one matrix */
    tile_product *whole, *last;
    size_t worker_scratch;
};

static status new_tile(arena *a, const kernel_gemm *g, size_t rows, tile_product **out, error *err)
{
    const kernel_gemm_spec *s = &g->spec;
    tile_spec t = {.type = s->type,
                   .out = s->out,
                   .m = rows,
                   .k = s->k,
                   .n = s->n,
                   .x_transposed = s->transpose_a,
                   .x_stride = s->transpose_a ? s->m : s->k,
                   .w_layout = s->transpose_b ? TILE_TRANSPOSED : TILE_PLAIN,
                   .w_stride = s->transpose_b ? s->k : s->n,
                   .y_stride = s->n};
    return tile_product_new(a, &t, g->threads, out, err);
}

status kernel_gemm_new(arena *a, const kernel_gemm_spec *spec, size_t threads, kernel_gemm **out, error *err)
{
    bool f64 = spec->type == KERNEL_F64 && spec->out == KERNEL_F64;
    bool f32 = spec->type == KERNEL_F32 && spec->out == KERNEL_F32;
    bool half = spec->type == KERNEL_BF16 && (spec->out == KERNEL_BF16 || spec->out == KERNEL_F32);
    if (!f64 && !f32 && !half)
        return error_set(err, STATUS_UNSUPPORTED, "no product of %s giving %s", kernel_type_name(spec->type),
                         kernel_type_name(spec->out));
    kernel_gemm *g = ARENA_NEW(a, kernel_gemm);
    if (!g)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    g->spec = *spec;
    g->threads = threads;
    g->tiles = (spec->m + ROWS - 1) / ROWS;
    *out = g;
    if (f64)
        g->worker_scratch = FAST_PANEL_F64 * spec->k * sizeof(double);
    if (f64 || spec->m == 0 || spec->n == 0 || spec->k == 0)
        return STATUS_OK;
    if (g->tiles > 1)
        TRY(new_tile(a, g, ROWS, &g->whole, err));
    TRY(new_tile(a, g, spec->m - (g->tiles - 1) * ROWS, &g->last, err));
    g->worker_scratch = tile_product_scratch_bytes(g->last);
    if (g->whole && tile_product_scratch_bytes(g->whole) > g->worker_scratch)
        g->worker_scratch = tile_product_scratch_bytes(g->whole);
    return STATUS_OK;
}

const char *kernel_gemm_implementation(const kernel_gemm *g)
{
    return g->last ? tile_product_implementation(g->last) : kernel_isa_name(kernel_isa_used());
}

size_t kernel_gemm_scratch_bytes(const kernel_gemm *g)
{
    return g->threads * (g->worker_scratch + 64);
}

typedef struct gemm_job {
    const kernel_gemm *g;
    const char *a, *b;
    char *c, *scratch;
} gemm_job;

static void gemm_task(void *context, size_t task, size_t worker)
{
    const gemm_job *job = context;
    const kernel_gemm *g = job->g;
    const kernel_gemm_spec *s = &g->spec;
    size_t i = task / g->tiles, tile = task % g->tiles, row = tile * ROWS;
    size_t to = row + ROWS < s->m ? row + ROWS : s->m, size = kernel_type_size(s->type);
    char *scratch = job->scratch + worker * (g->worker_scratch + 64);
    if (s->type == KERNEL_F64) {
        fast()->gemm_f64(s, row, to, (const double *)(const void *)job->a + i * s->a_step, (const double *)(const void *)job->b + i * s->b_step,
                         (double *)(void *)job->c + i * s->m * s->n, (double *)(void *)scratch);
        return;
    }
    if (!g->last) { /* k = 0: zeros */
        reference_gemm(s, i, row, to, job->a, job->b, job->c);
        return;
    }
    size_t a_at = i * s->a_step + (s->transpose_a ? row : row * s->k);
    tile_product_run(tile + 1 < g->tiles ? g->whole : g->last, worker, job->a + a_at * size,
                     job->b + i * s->b_step * size, job->c + (i * s->m + row) * s->n * kernel_type_size(s->out), scratch);
}

void kernel_gemm_run(const kernel_gemm *g, thread_pool *pool, const void *a, const void *b, void *c, void *scratch)
{
    gemm_job job = {g, a, b, c, scratch};
    thread_pool_run(pool, g->spec.batch * g->tiles, gemm_task, &job);
}
