#include "kernels/cpu/onednn.h"
#include "kernels/kernels.h"

#include <string.h>

/* The result is cut into tiles of ROWS x COLUMNS; a tile is one task, which adds up the token blocks in order. oneDNN
 * reads a transposed and b as it is and brings both into its own layout as it goes; that costs it about a tenth, and
 * saves passes over memory of our own. Without fast bf16 products the task widens its slices block by block. */
enum { ROWS = 128, COLUMNS = 256 };

struct kernel_outer {
    kernel_outer_spec spec;
    size_t threads;
    bool widened;
    size_t row_tiles, column_tiles;
    tile_product *tiles[2][2]; /* [last row tile][last column tile] */
    size_t tile_scratch, worker_scratch, tail_bytes;
};

static size_t extent(size_t total, size_t tile, size_t size)
{
    size_t rest = total - tile * size;
    return rest < size ? rest : size;
}

/* Widened and padded slices are copied, with the tile's own sizes as strides. */
static status new_tile(arena *a, const kernel_outer *o, bool last_row, bool last_column, tile_product **out, error *err)
{
    size_t m = last_row ? extent(o->spec.m, o->row_tiles - 1, ROWS) : ROWS;
    size_t n = last_column ? extent(o->spec.n, o->column_tiles - 1, COLUMNS) : COLUMNS;
    tile_spec s = {.type = o->widened ? KERNEL_F32 : o->spec.type,
                   .out = KERNEL_F32,
                   .m = m,
                   .k = KERNEL_TOKEN_BLOCK,
                   .n = n,
                   .x_transposed = true,
                   .x_stride = o->widened ? ROWS : o->spec.a_stride,
                   .w_layout = TILE_PLAIN,
                   .w_stride = o->widened ? COLUMNS : o->spec.b_stride,
                   .y_stride = o->spec.n,
                   .accumulate = true};
    return tile_product_new(a, &s, o->threads, out, err);
}

static status choose(arena *a, kernel_outer *o, bool widened, error *err)
{
    o->widened = widened;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            o->tiles[i][j] = NULL;
            if ((i == 0 && o->row_tiles < 2) || (j == 0 && o->column_tiles < 2))
                continue;
            TRY(new_tile(a, o, i == 1, j == 1, &o->tiles[i][j], err));
            size_t scratch = tile_product_scratch_bytes(o->tiles[i][j]);
            if (scratch > o->tile_scratch)
                o->tile_scratch = scratch;
        }
    return STATUS_OK;
}

status kernel_outer_new(arena *a, const kernel_outer_spec *spec, size_t threads, kernel_outer **out, error *err)
{
    if (spec->type != KERNEL_BF16 && spec->type != KERNEL_F32)
        return error_set(err, STATUS_UNSUPPORTED, "no product of %s: expected bf16 or f32", kernel_type_name(spec->type));
    if (spec->m == 0 || spec->n == 0)
        return error_set(err, STATUS_UNSUPPORTED, "product with an empty result: %zu x %zu", spec->m, spec->n);
    kernel_outer *o = ARENA_NEW(a, kernel_outer);
    if (!o)
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    o->spec = *spec;
    o->threads = threads;
    o->spec.a_stride = spec->a_stride ? spec->a_stride : spec->m;
    o->spec.b_stride = spec->b_stride ? spec->b_stride : spec->n;
    o->row_tiles = (spec->m + ROWS - 1) / ROWS;
    o->column_tiles = (spec->n + COLUMNS - 1) / COLUMNS;
    status s = choose(a, o, false, err);
    if (s == STATUS_UNSUPPORTED && spec->type == KERNEL_BF16)
        s = choose(a, o, true, err);
    if (s != STATUS_OK)
        return s;
    size_t size = kernel_type_size(spec->type);
    o->tail_bytes = KERNEL_TOKEN_BLOCK * (o->spec.a_stride + o->spec.b_stride) * size;
    o->worker_scratch = o->tile_scratch + (o->widened ? KERNEL_TOKEN_BLOCK * (ROWS + COLUMNS) * sizeof(float) : 0);
    *out = o;
    return STATUS_OK;
}

const char *kernel_outer_implementation(const kernel_outer *o)
{
    return tile_product_implementation(o->tiles[1][1]);
}

/* Bytes of the last block of tokens, which is copied only when it is not whole. */
static size_t tail_of(const kernel_outer *o, size_t tokens)
{
    return tokens % KERNEL_TOKEN_BLOCK ? o->tail_bytes : 0;
}

size_t kernel_outer_scratch_bytes(const kernel_outer *o, size_t tokens)
{
    size_t bytes = tail_of(o, tokens) + o->threads * o->worker_scratch;
    return bytes ? bytes : 64; /* so that there is something to count from */
}

typedef struct outer_job {
    const kernel_outer *o;
    size_t tokens;
    const char *a, *b;
    const char *a_tail, *b_tail; /* the last block, filled up with zeros */
    float *w;
    bool accumulate;
    char *scratch;
} outer_job;

static void widen(const kernel_outer *o, const char *from, size_t stride, size_t columns, float *to, size_t to_stride)
{
    for (size_t t = 0; t < KERNEL_TOKEN_BLOCK; t++)
        kernel_cast(columns, o->spec.type, from + t * stride * kernel_type_size(o->spec.type), KERNEL_F32,
                    to + t * to_stride);
}

static void outer_task(void *context, size_t task, size_t worker)
{
    const outer_job *job = context;
    const kernel_outer *o = job->o;
    size_t size = kernel_type_size(o->spec.type), i = task / o->column_tiles, j = task % o->column_tiles;
    size_t rows = extent(o->spec.m, i, ROWS), columns = extent(o->spec.n, j, COLUMNS);
    tile_product *tile = o->tiles[i + 1 == o->row_tiles][j + 1 == o->column_tiles];
    float *w = job->w + i * ROWS * o->spec.n + j * COLUMNS;
    char *scratch = job->scratch + worker * o->worker_scratch;
    float *a_wide = (float *)(void *)(scratch + o->tile_scratch), *b_wide = a_wide + KERNEL_TOKEN_BLOCK * ROWS;
    for (size_t r = 0; r < rows && !job->accumulate; r++)
        memset(w + r * o->spec.n, 0, columns * sizeof *w);
    for (size_t t = 0; t < job->tokens; t += KERNEL_TOKEN_BLOCK) {
        bool whole = job->tokens - t >= KERNEL_TOKEN_BLOCK;
        const char *a = (whole ? job->a + t * o->spec.a_stride * size : job->a_tail) + i * ROWS * size;
        const char *b = (whole ? job->b + t * o->spec.b_stride * size : job->b_tail) + j * COLUMNS * size;
        if (!o->widened) {
            tile_product_run(tile, worker, a, b, w, scratch);
            continue;
        }
        widen(o, a, o->spec.a_stride, rows, a_wide, ROWS);
        widen(o, b, o->spec.b_stride, columns, b_wide, COLUMNS);
        tile_product_run(tile, worker, a_wide, b_wide, w, scratch);
    }
}

/* Rows of exactly `width` elements: the last row of a slice of a wider matrix must not be read to its stride's end. */
static void copy_tail(char *to, const char *from, size_t rows, size_t stride, size_t width, size_t size)
{
    memset(to, 0, KERNEL_TOKEN_BLOCK * stride * size);
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * stride * size, from + r * stride * size, width * size);
}

void kernel_outer_run(const kernel_outer *o, thread_pool *pool, size_t tokens, const void *a, const void *b, float *w,
                      bool accumulate, void *scratch)
{
    size_t size = kernel_type_size(o->spec.type), rest = tokens % KERNEL_TOKEN_BLOCK, first = tokens - rest;
    char *a_tail = NULL, *b_tail = NULL;
    if (rest) {
        a_tail = scratch;
        b_tail = a_tail + KERNEL_TOKEN_BLOCK * o->spec.a_stride * size;
        copy_tail(a_tail, (const char *)a + first * o->spec.a_stride * size, rest, o->spec.a_stride, o->spec.m, size);
        copy_tail(b_tail, (const char *)b + first * o->spec.b_stride * size, rest, o->spec.b_stride, o->spec.n, size);
    }
    outer_job job = {o, tokens, a, b, a_tail, b_tail, w, accumulate, (char *)scratch + tail_of(o, tokens)};
    thread_pool_run(pool, o->row_tiles * o->column_tiles, outer_task, &job);
}
