/* Products against the scalar reference, and the promise of the same bits for any rows and threads. */
#include "kernels/cpu/direct.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

static void *filled(arena *a, kernel_type type, size_t count, uint64_t seed)
{
    random_stream r = random_stream_at(seed, "test/products", 0, 0, 0, 0);
    char *x = arena_alloc(a, (count + 1) * kernel_type_size(type));
    for (size_t i = 0; i < count; i++)
        reference_set(type, x, i, random_uniform(&r) * 2 - 1);
    return x;
}

/* Largest difference, in units of the largest magnitude of the reference. */
static double distance(kernel_type type, size_t count, const void *x, const void *reference)
{
    double most = 0, scale = 1e-30;
    for (size_t i = 0; i < count; i++) {
        double d = fabs(reference_get(type, x, i) - reference_get(type, reference, i));
        scale = fmax(scale, fabs(reference_get(type, reference, i)));
        most = fmax(most, isnan(d) ? INFINITY : d);
    }
    return most / scale;
}

static double tolerance(kernel_type out)
{
    return out == KERNEL_F64 ? 1e-14 : out == KERNEL_F32 ? 2e-6 : 5e-3;
}

static void matmul_of(size_t k, size_t n, size_t rows, kernel_type type, kernel_type out, bool transposed)
{
    arena *a = arena_new(NULL);
    error err;
    kernel_matmul *m;
    kernel_matmul_spec spec = {type, out, k, n, transposed, QUANT_PLAIN};
    if (kernel_matmul_new(a, &spec, 1, &m, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(strncmp(kernel_matmul_implementation(m), "ref", 3) != 0);
    size_t x_stride = k + 3, y_stride = n + 5;
    void *x = filled(a, type, rows * x_stride, 1), *w = filled(a, type, k * n, 2);
    void *y = filled(a, out, rows * y_stride, 3), *expected = filled(a, out, rows * y_stride, 3);
    void *packed = arena_alloc(a, kernel_matmul_packed_bytes(m)), *scratch = arena_alloc(a, kernel_matmul_scratch_bytes(m));
    kernel_matmul_pack(m, NULL, w, packed);
    kernel_matmul_run(m, NULL, rows, x, x_stride, packed, y, y_stride, scratch);
    reference_matmul(&spec, rows, x, x_stride, w, expected, y_stride);
    double d = distance(out, rows * y_stride, y, expected); /* also what lies between the rows: untouched */
    if (d > tolerance(out))
        fail_msg("k %zu n %zu rows %zu %s: %g", k, n, rows, kernel_type_name(type), d);
    arena_free(a);
}

static void matmul_matches_the_reference(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {3, 5, 2},     {32, 64, 32},  {33, 65, 33}, {250, 130, 7},
                                      {256, 256, 40}, {64, 300, 70}, {17, 257, 31}, {96, 513, 1}, {8, 64, 0}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int transposed = 0; transposed < 2; transposed++) {
            matmul_of(sizes[i][0], sizes[i][1], sizes[i][2], KERNEL_BF16, KERNEL_F32, transposed);
            matmul_of(sizes[i][0], sizes[i][1], sizes[i][2], KERNEL_BF16, KERNEL_BF16, transposed);
            matmul_of(sizes[i][0], sizes[i][1], sizes[i][2], KERNEL_F32, KERNEL_F32, transposed);
        }
}

static void matmul_bits_at(arena *a, size_t k, size_t n, kernel_type type, kernel_type out, thread_pool *pool)
{
    size_t most = k * n <= 512 * 128 ? 2100 : 1000; /* work is cut otherwise where rows are many */
    error err;
    kernel_matmul *m;
    if (kernel_matmul_new(a, &(kernel_matmul_spec){type, out, k, n, true, QUANT_PLAIN}, 2, &m, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    size_t size = kernel_type_size(type), out_size = kernel_type_size(out);
    char *x = filled(a, type, most * k, 4), *y = arena_alloc(a, most * n * out_size), *z = arena_alloc(a, most * n * out_size);
    void *packed = arena_alloc(a, kernel_matmul_packed_bytes(m));
    void *scratch = arena_alloc(a, kernel_matmul_scratch_bytes(m));
    kernel_matmul_pack(m, pool, filled(a, type, k * n, 5), packed);
    kernel_matmul_run(m, NULL, most, x, k, packed, y, n, scratch);
    const size_t counts[] = {1, 2, 3, 5, 7, 12, 16, 17, 45, 65, 500, most};
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (int threads = 1; threads <= 2; threads++) {
            size_t first = counts[i] == most ? 0 : 333; /* another place in the tile than in the full run */
            memset(z, 0xff, counts[i] * n * out_size);
            kernel_matmul_run(m, threads == 2 ? pool : NULL, counts[i], x + first * k * size, k, packed, z, n, scratch);
            assert_memory_equal(z, y + first * n * out_size, counts[i] * n * out_size);
        }
}

static void matmul_gives_the_same_bits_for_any_rows_and_threads(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{2048, 512}, {1024, 4096}, {512, 128}, {11008, 512}, {250, 100},
                                      {288, 768},  {8192, 320},  {768, 330}};
    error err;
    thread_pool *pool;
    assert_int_equal(thread_pool_new(2, &pool, &err), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int kind = 0; kind < 3; kind++) {
            arena *a = arena_new(NULL);
            matmul_bits_at(a, sizes[i][0], sizes[i][1], kind == 2 ? KERNEL_F32 : KERNEL_BF16,
                           kind == 1 ? KERNEL_BF16 : KERNEL_F32, pool);
            arena_free(a);
        }
    thread_pool_free(pool);
}

/* On machines that have the instructions our own routines must be found; rows may lie apart, and nothing between them is
 * touched. */
static void products_are_direct_where_the_machine_can(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{2048, 512}, {1024, 300}, {512, 128}, {11008, 64}, {288, 768}, {8192, 128}};
    enum { ROWS = 9 };
    bool half = false, single = kernel_isa_used() == KERNEL_AVX512;
#if defined(PRODUCTS_ISA)
    single = false; /* oneDNN has no tile there that they could agree with */
#elif defined(__x86_64__)
    half = single && __builtin_cpu_supports("avx512bf16");
#endif
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int kind = 0; kind < 3; kind++) {
            kernel_type type = kind == 2 ? KERNEL_F32 : KERNEL_BF16, out = kind == 1 ? KERNEL_BF16 : KERNEL_F32;
            size_t k = sizes[i][0], n = sizes[i][1], size = kernel_type_size(type), out_size = kernel_type_size(out);
            arena *a = arena_new(NULL);
            error err;
            kernel_matmul *m;
            assert_int_equal(kernel_matmul_new(a, &(kernel_matmul_spec){type, out, k, n, true, QUANT_PLAIN}, 1, &m, &err), STATUS_OK);
            bool expected = type == KERNEL_BF16 ? half : single;
            if (type == KERNEL_F32 || half || !single) /* else bf16 may run in f32 */
                assert_int_equal(kernel_matmul_is_direct(m), expected);
            char *x = filled(a, type, 32 * k, 9), *apart = arena_alloc(a, ROWS * (k + 5) * size);
            char *y = arena_alloc(a, 32 * n * out_size), *z = arena_alloc(a, ROWS * (n + 3) * out_size);
            void *packed = arena_alloc(a, kernel_matmul_packed_bytes(m)), *scratch = arena_alloc(a, kernel_matmul_scratch_bytes(m));
            kernel_matmul_pack(m, NULL, filled(a, type, k * n, 10), packed);
            kernel_matmul_run(m, NULL, 32, x, k, packed, y, n, scratch);
            memset(z, 0x55, ROWS * (n + 3) * out_size);
            for (size_t r = 0; r < ROWS; r++)
                memcpy(apart + r * (k + 5) * size, x + r * k * size, k * size);
            kernel_matmul_run(m, NULL, ROWS, apart, k + 5, packed, z, n + 3, scratch);
            for (size_t r = 0; r < ROWS; r++) {
                assert_memory_equal(z + r * (n + 3) * out_size, y + r * n * out_size, n * out_size);
                for (size_t b = n * out_size; b < (n + 3) * out_size; b++)
                    assert_int_equal(z[r * (n + 3) * out_size + b], 0x55);
            }
            arena_free(a);
        }
}

#if defined(__x86_64__) && !defined(PRODUCTS_ISA)
/* Our own routine against the tile that it stands for. */
static void direct_of(size_t k, size_t n, kernel_type type, kernel_type out)
{
    enum { TILE = 32 };
    arena *a = arena_new(NULL);
    error err;
    tile_product *tile;
    direct_product d;
    tile_spec spec = {.type = type, .out = out, .m = TILE, .k = k, .n = n, .x_stride = k, .w_layout = TILE_BLOCKED, .w_stride = n,
                      .y_stride = n};
    assert_int_equal(tile_product_new(a, &spec, 1, &tile, &err), STATUS_OK);
    assert_int_equal(direct_match(&spec, tile, &d, &err), STATUS_OK);
    assert_true(d.chunk > 0);
    size_t size = kernel_type_size(type), out_size = kernel_type_size(out);
    char *x = filled(a, type, TILE * k, 11), *w = filled(a, type, k * n, 12);
    char *y = arena_alloc(a, TILE * n * out_size), *z = arena_alloc(a, TILE * n * out_size);
    void *scratch = arena_alloc(a, tile_product_scratch_bytes(tile) + DIRECT_SCRATCH);
    tile_product_run(tile, 0, x, w, y, scratch);
    static const size_t cuts[] = {0, 1, 3, 6, 10, 15, 21, TILE}; /* 1 to 6 rows at once, and more */
    for (size_t i = 0; i + 1 < COUNT_OF(cuts); i++)
        for (size_t j = 0; j < n; j += TILE_N)
            direct_block(&d, cuts[i + 1] - cuts[i], x + cuts[i] * k * size, k, w + j * k * size, z + (cuts[i] * n + j) * out_size,
                         n, TILE_N, scratch);
    assert_memory_equal(y, z, TILE * n * out_size);
    arena_free(a);
}

static void direct_products_have_the_bits_of_tiles(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{2048, 256}, {1024, 256},  {512, 128}, {11008, 256}, {8192, 256},
                                      {288, 256},  {32, 64},     {768, 192}, {3072, 256},  {4096, 64}};
    if (kernel_isa_used() != KERNEL_AVX512)
        skip();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        direct_of(sizes[i][0], sizes[i][1], KERNEL_F32, KERNEL_F32);
        if (!__builtin_cpu_supports("avx512bf16"))
            continue;
        direct_of(sizes[i][0], sizes[i][1], KERNEL_BF16, KERNEL_F32);
        direct_of(sizes[i][0], sizes[i][1], KERNEL_BF16, KERNEL_BF16);
    }
}
#endif

static void outer_of(size_t m, size_t n, size_t tokens, kernel_type type, thread_pool *pool)
{
    arena *a = arena_new(NULL);
    error err;
    kernel_outer *o;
    kernel_outer_spec spec = {type, m, n, m + 8, n + 1};
    if (kernel_outer_new(a, &spec, 2, &o, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    void *x = filled(a, type, tokens * (m + 8), 6), *y = filled(a, type, tokens * (n + 1), 7);
    float *w = filled(a, KERNEL_F32, m * n, 8), *expected = filled(a, KERNEL_F32, m * n, 8);
    float *again = filled(a, KERNEL_F32, m * n, 8);
    void *scratch = arena_alloc(a, kernel_outer_scratch_bytes(o, tokens));
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        kernel_outer_run(o, NULL, tokens, x, y, w, accumulate, scratch);
        kernel_outer_run(o, pool, tokens, x, y, again, accumulate, scratch);
        reference_outer(&spec, tokens, x, y, expected, accumulate);
        double d = distance(KERNEL_F32, m * n, w, expected);
        if (d > 3e-6)
            fail_msg("m %zu n %zu tokens %zu %s: %g", m, n, tokens, kernel_type_name(type), d);
        assert_memory_equal(w, again, m * n * sizeof *w);
    }
    arena_free(a);
}

static void weight_gradients_match_the_reference_with_any_threads(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 0}, {130, 40, 513}, {128, 256, 512}, {200, 300, 100}, {65, 257, 1100}};
    error err;
    thread_pool *pool;
    assert_int_equal(thread_pool_new(2, &pool, &err), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        outer_of(sizes[i][0], sizes[i][1], sizes[i][2], KERNEL_BF16, pool);
        outer_of(sizes[i][0], sizes[i][1], sizes[i][2], KERNEL_F32, pool);
    }
    thread_pool_free(pool);
}

static void gemm_of(kernel_gemm_spec spec, thread_pool *pool)
{
    arena *a = arena_new(NULL);
    error err;
    kernel_gemm *g;
    if (kernel_gemm_new(a, &spec, 2, &g, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    size_t count = spec.batch * spec.m * spec.n;
    void *x = filled(a, spec.type, spec.batch * spec.m * spec.k, 9), *w = filled(a, spec.type, spec.batch * spec.k * spec.n, 10);
    void *y = filled(a, spec.out, count, 11), *again = filled(a, spec.out, count, 12), *expected = filled(a, spec.out, count, 13);
    void *scratch = arena_alloc(a, kernel_gemm_scratch_bytes(g));
    kernel_gemm_run(g, NULL, x, w, y, scratch);
    kernel_gemm_run(g, pool, x, w, again, scratch);
    for (size_t i = 0; i < spec.batch; i++)
        reference_gemm(&spec, i, 0, spec.m, x, w, expected);
    double d = distance(spec.out, count, y, expected);
    if (d > tolerance(spec.out))
        fail_msg("batch %zu m %zu k %zu n %zu: %g", spec.batch, spec.m, spec.k, spec.n, d);
    if (spec.type == KERNEL_F64)
        assert_memory_equal(y, expected, count * sizeof(double));
    assert_memory_equal(y, again, count * kernel_type_size(spec.out));
    arena_free(a);
}

static void batched_products_match_the_reference(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {2, 3, 4}, {70, 33, 65}, {64, 64, 64}, {5, 0, 3}, {0, 4, 4}, {130, 17, 9}};
    error err;
    thread_pool *pool;
    assert_int_equal(thread_pool_new(2, &pool, &err), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int flags = 0; flags < 16; flags++) {
            kernel_gemm_spec s = {.type = flags & 4 ? KERNEL_F64 : KERNEL_F32,
                                  .out = flags & 4 ? KERNEL_F64 : KERNEL_F32,
                                  .batch = 3,
                                  .m = sizes[i][0],
                                  .n = sizes[i][2],
                                  .k = sizes[i][1],
                                  .transpose_a = flags & 1,
                                  .transpose_b = flags & 2};
            s.a_step = s.m * s.k;
            s.b_step = flags & 8 ? 0 : s.k * s.n;
            gemm_of(s, pool);
        }
    thread_pool_free(pool);
}

/* How fast each is, bench_laplacian shows (a test that waits for a clock would fail by chance). */
static void products_in_f64_are_named_by_their_vectors(void **state)
{
    (void)state;
    enum { SIDE = 96 };
    kernel_isa isa = kernel_isa_used();
    arena *a = arena_new(NULL);
    kernel_gemm_spec spec = {.type = KERNEL_F64, .out = KERNEL_F64, .batch = 1, .m = SIDE, .n = SIDE, .k = SIDE};
    kernel_gemm *g;
    assert_int_equal(kernel_gemm_new(a, &spec, 1, &g, NULL), STATUS_OK);
    for (int i = KERNEL_PORTABLE; i <= (int)isa; i++) {
        kernel_isa_limit((kernel_isa)i);
        assert_string_equal(kernel_gemm_implementation(g), kernel_isa_name((kernel_isa)i));
    }
    kernel_isa_limit(KERNEL_AVX512);
    arena_free(a);
}

int main(void)
{
#ifdef PRODUCTS_ISA /* test_products_avx2.c: what machines without AVX-512 get from oneDNN, and our own products */
    setenv("DNNL_MAX_CPU_ISA", PRODUCTS_ISA, 1);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_matches_the_reference),
        cmocka_unit_test(matmul_gives_the_same_bits_for_any_rows_and_threads),
        cmocka_unit_test(products_are_direct_where_the_machine_can),
#if defined(__x86_64__) && !defined(PRODUCTS_ISA)
        cmocka_unit_test(direct_products_have_the_bits_of_tiles),
#endif
        cmocka_unit_test(weight_gradients_match_the_reference_with_any_threads),
        cmocka_unit_test(batched_products_match_the_reference),
        cmocka_unit_test(products_in_f64_are_named_by_their_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
