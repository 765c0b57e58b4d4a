/* bench_quant [columns] [threads]: products with weights in storage formats, K = 2048, beside a plain read of the same bytes
 * and beside bf16.
 *
 * Decoding (1 and 4 rows) should be bound by memory: with the default of 65,536 columns no weight fits a cache. The plain
 * read adds up the same packed bytes on the same threads, in the same run; its share is what is printed. Prefill (512 rows)
 * is bound by arithmetic. Each figure is the best of several runs. */
#include "measure.h"

#include "core/random.h"
#include "core/text.h"
#include "kernels/kernels.h"

#include <stdio.h>

enum { K = 2048, ROWS = 512 };

static int row(thread_pool *pool, quant_format f, size_t n, const void *x, void *y)
{
    arena *a = arena_new(NULL);
    error err;
    kernel_matmul *m;
    kernel_matmul_spec spec = {KERNEL_BF16, KERNEL_BF16, K, n, true, f};
    size_t row_bytes = 2 * K;
    if (kernel_matmul_new(a, &spec, thread_pool_size(pool), &m, &err) != STATUS_OK ||
        (f != QUANT_PLAIN && quant_row_bytes(f, K, &row_bytes, &err) != STATUS_OK)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    size_t bytes = kernel_matmul_packed_bytes(m);
    uint8_t *blocks = memory_alloc(n * row_bytes), *packed = memory_alloc(bytes);
    void *scratch = arena_alloc(a, kernel_matmul_scratch_bytes(m));
    if (!blocks || !packed || !scratch)
        return 1;
    for (size_t i = 0; i < n * row_bytes; i++)
        blocks[i] = (uint8_t)(i * 2654435761u >> 27 & 0x3b); /* no scale is NaN or infinite */
    kernel_matmul_pack(m, pool, blocks, packed);
    double plain, one, four, many;
    plain = (double)bytes / measure_read(pool, packed, bytes / MEASURE_PIECE * MEASURE_PIECE, 10);
    MEASURE_BEST(one, kernel_matmul_run(m, pool, 1, x, K, packed, y, n, scratch));
    MEASURE_BEST(four, kernel_matmul_run(m, pool, 4, x, K, packed, y, n, scratch));
    size_t some = n < 8192 ? n : 8192; /* columns that make the many rows quick enough to repeat */
    arena *b = arena_new(a);
    spec.n = some;
    if (kernel_matmul_new(b, &spec, thread_pool_size(pool), &m, &err) != STATUS_OK)
        return 1;
    kernel_matmul_pack(m, pool, blocks, packed);
    scratch = arena_alloc(b, kernel_matmul_scratch_bytes(m));
    MEASURE_BEST(many, kernel_matmul_run(m, pool, ROWS, x, K, packed, y, some, scratch));
    double size = (double)bytes;
    printf("%-6s %6.1f MB  read %5.1f GB/s   1 row %5.1f GB/s (%3.0f %%)   4 rows %5.1f GB/s (%3.0f %%)   512 rows %6.0f GFLOP/s   %s\n",
           f == QUANT_PLAIN ? "BF16" : quant_name(f), size * 1e-6, size / plain * 1e-9, size / one * 1e-9, plain / one * 100,
           size / four * 1e-9, plain / four * 100, 2.0 * ROWS * K * (double)some / many * 1e-9, kernel_matmul_implementation(m));
    memory_free(blocks);
    memory_free(packed);
    arena_free(a);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t columns = 65536, threads = 0;
    if ((argc > 1 && !slice_to_int(slice_of(argv[1]), &columns)) || (argc > 2 && !slice_to_int(slice_of(argv[2]), &threads)) ||
        columns < 1 || columns > 1 << 20 || threads < 0) {
        fprintf(stderr, "usage: bench_quant [columns] [threads]\n");
        return 2;
    }
    error err;
    thread_pool *pool;
    if (thread_pool_new((size_t)threads, &pool, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    size_t n = (size_t)columns;
    uint16_t *x = memory_alloc(2 * (size_t)ROWS * K), *y = memory_alloc(2 * ROWS * n);
    random_stream r = random_stream_at(1, "bench", 0, 0, 0, 0);
    for (size_t i = 0; x && i < (size_t)ROWS * K; i++)
        x[i] = kernel_bf16_from_f32((float)random_normal(&r));
    if (!x || !y)
        return 1;
    memset(y, 0, 2 * ROWS * n);
    printf("%s; K %d, %zu columns, %zu threads\n", kernel_description(), K, n, thread_pool_size(pool));
    int failed = 0;
    for (int f = QUANT_PLAIN; f < QUANT_COUNT && !failed; f++)
        failed = row(pool, (quant_format)f, n, x, y);
    thread_pool_free(pool);
    memory_free(x);
    memory_free(y);
    return failed;
}
