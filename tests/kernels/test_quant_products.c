/* Products with weights in storage formats: against f64 products of the expanded weights, with the error that rounding
 * the rows to 8 bits allows; the same bits in every instruction set, for any rows and threads. */
#include "core/random.h"
#include "kernels/quant_product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

static const quant_format formats[] = {QUANT_F16, QUANT_Q8_0, QUANT_Q4_0, QUANT_Q4_K, QUANT_Q5_K, QUANT_Q6_K};

/* Blocks of random bytes with ordinary scales: values of size about 0.1. */
static uint8_t *weight_of(arena *a, quant_format f, size_t n, size_t k)
{
    static const size_t scale_at[QUANT_COUNT][2] = {[QUANT_Q4_K] = {0, 2}, [QUANT_Q5_K] = {0, 2}, [QUANT_Q6_K] = {208, 208}};
    static const uint8_t exponent[QUANT_COUNT] = {[QUANT_Q8_0] = 0x10, [QUANT_Q4_0] = 0x20, [QUANT_Q4_K] = 0x08,
                                                  [QUANT_Q5_K] = 0x08, [QUANT_Q6_K] = 0x04};
    size_t block = quant_block_bytes(f), bytes = n * (k / quant_block_elements(f)) * block;
    uint8_t *w = arena_alloc(a, bytes + 1);
    random_stream r = random_stream_at(5, "test/weight", (uint64_t)f, 0, 0, 0);
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)random_u64(&r);
    for (size_t at = 0; at < bytes; at += block)
        for (int i = 0; i < 2; i++) {
            uint8_t *high = w + at + scale_at[f][i] + 1;
            *high = f == QUANT_F16 ? (*high & 0x83) | 0x2c : (*high & 0x83) | exponent[f];
        }
    return w;
}

static void *rows_of(arena *a, kernel_type type, size_t count, uint64_t seed)
{
    char *x = arena_alloc(a, (count + 1) * kernel_type_size(type));
    random_stream r = random_stream_at(seed, "test/rows", 0, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        float v = (float)random_normal(&r);
        if (type == KERNEL_BF16)
            ((uint16_t *)(void *)x)[i] = kernel_bf16_from_f32(v);
        else
            ((float *)(void *)x)[i] = v;
    }
    return x;
}

static double at(kernel_type type, const void *x, size_t i)
{
    return type == KERNEL_BF16 ? (double)kernel_bf16_to_f32(((const uint16_t *)x)[i]) : (double)((const float *)x)[i];
}

typedef struct product {
    kernel_matmul *m;
    void *packed, *scratch;
} product;

static product product_of(arena *a, quant_format f, size_t k, size_t n, kernel_type type, kernel_type out, const void *w,
                          thread_pool *pool)
{
    error err;
    product p;
    kernel_matmul_spec spec = {type, out, k, n, true, f};
    if (kernel_matmul_new(a, &spec, 2, &p.m, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    p.packed = arena_alloc(a, kernel_matmul_packed_bytes(p.m));
    p.scratch = arena_alloc(a, kernel_matmul_scratch_bytes(p.m));
    assert_true(p.packed && p.scratch);
    kernel_matmul_pack(p.m, pool, w, p.packed);
    return p;
}

/* What a row's rounding to steps of d = largest / 127 in each block of 32 can make of a product, beside f32's errors. */
static double bound_of(quant_format f, kernel_type type, size_t k, const void *x, const float *w)
{
    double sum = 0, size = 0;
    for (size_t j = 0; j < k; j += 32) {
        double largest = 0, weights = 0;
        for (size_t i = j; i < j + 32 && i < k; i++) {
            largest = fmax(largest, fabs(at(type, x, i)));
            weights += fabs((double)w[i]);
            size += fabs(at(type, x, i) * (double)w[i]);
        }
        sum += largest / 254 * weights;
    }
    return (f == QUANT_F16 ? 0 : 1.001 * sum) + 1e-5 * size;
}

static void matches(quant_format f, size_t k, size_t n, size_t rows, kernel_type type, kernel_type out)
{
    arena *a = arena_new(NULL);
    size_t x_stride = k + 3, y_stride = n + 5;
    const uint8_t *blocks = weight_of(a, f, n, k);
    float *w = ARENA_ARRAY(a, float, n * k);
    quant_expand(f, n * k, blocks, w);
    void *x = rows_of(a, type, rows * x_stride, 1), *y = rows_of(a, out, rows * y_stride, 2);
    void *before = rows_of(a, out, rows * y_stride, 2);
    product p = product_of(a, f, k, n, type, out, blocks, NULL);
    kernel_matmul_run(p.m, NULL, rows, x, x_stride, p.packed, y, y_stride, p.scratch);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < y_stride; c++) {
            double got = at(out, y, r * y_stride + c), sum = 0;
            const char *row = (const char *)x + r * x_stride * kernel_type_size(type);
            for (size_t i = 0; c < n && i < k; i++)
                sum += at(type, row, i) * (double)w[c * k + i];
            double bound = c < n ? bound_of(f, type, k, row, w + c * k) : 0;
            if (c >= n) /* what lies between the rows is untouched */
                sum = at(out, before, r * y_stride + c);
            else if (out == KERNEL_BF16)
                bound += fabs(sum) * 0x1p-8;
            if (!(fabs(got - sum) <= bound))
                fail_msg("%s k %zu n %zu: row %zu column %zu is %g, not %g within %g", quant_name(f), k, n, r, c, got, sum, bound);
        }
    arena_free(a);
}

static void products_are_near_those_of_the_expanded_weight(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{256, 1, 1}, {256, 16, 2}, {512, 33, 7}, {768, 100, 19}, {1024, 64, 131}, {256, 5, 0}};
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            matches(formats[i], sizes[s][0], sizes[s][1], sizes[s][2], KERNEL_F32, KERNEL_F32);
            matches(formats[i], sizes[s][0], sizes[s][1], sizes[s][2], KERNEL_BF16, KERNEL_F32);
            matches(formats[i], sizes[s][0], sizes[s][1], sizes[s][2], KERNEL_BF16, KERNEL_BF16);
        }
    matches(QUANT_Q8_0, 32, 17, 3, KERNEL_F32, KERNEL_F32);
    matches(QUANT_Q4_0, 96, 17, 3, KERNEL_F32, KERNEL_F32);
    matches(QUANT_F16, 37, 17, 3, KERNEL_F32, KERNEL_F32);
    matches(QUANT_F16, 1, 1, 1, KERNEL_F32, KERNEL_F32);
}

/* Rows of integers up to 127 are not rounded: what is left is the error of f32. */
static void rows_of_small_integers_lose_nothing(void **state)
{
    (void)state;
    enum { K = 512, N = 21, ROWS = 11 };
    for (size_t f = 0; f < COUNT_OF(formats); f++) {
        arena *a = arena_new(NULL);
        const uint8_t *blocks = weight_of(a, formats[f], N, K);
        float *w = ARENA_ARRAY(a, float, N * K), *x = ARENA_ARRAY(a, float, ROWS * K), *y = ARENA_ARRAY(a, float, ROWS * N);
        quant_expand(formats[f], N * K, blocks, w);
        random_stream r = random_stream_at(9, "test/integers", 0, 0, 0, 0);
        for (size_t i = 0; i < ROWS * K; i++)
            x[i] = i % 32 == 7 ? -127 : (float)random_below(&r, 255) - 127;
        product p = product_of(a, formats[f], K, N, KERNEL_F32, KERNEL_F32, blocks, NULL);
        kernel_matmul_run(p.m, NULL, ROWS, x, K, p.packed, y, N, p.scratch);
        for (size_t i = 0; i < ROWS * N; i++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < K; k++) {
                double term = (double)x[i / N * K + k] * (double)w[i % N * K + k];
                sum += term;
                size += fabs(term);
            }
            if (!(fabs((double)y[i] - sum) <= 2e-6 * size))
                fail_msg("%s: element %zu is %g, not %g", quant_name(formats[f]), i, (double)y[i], sum);
        }
        arena_free(a);
    }
}

static void the_bits_depend_on_nothing_but_the_row(void **state)
{
    (void)state;
    enum { ROWS = 512, K = 512, N = 200 };
    error err;
    thread_pool *pool;
    assert_int_equal(thread_pool_new(2, &pool, &err), STATUS_OK);
    for (size_t f = 0; f < COUNT_OF(formats); f++) {
        arena *a = arena_new(NULL);
        float *x = rows_of(a, KERNEL_F32, ROWS * K, 4), *y = ARENA_ARRAY(a, float, ROWS * N), *z = ARENA_ARRAY(a, float, ROWS * N);
        product p = product_of(a, formats[f], K, N, KERNEL_F32, KERNEL_F32, weight_of(a, formats[f], N, K), pool);
        kernel_matmul_run(p.m, NULL, ROWS, x, K, p.packed, y, N, p.scratch);
        static const size_t counts[] = {1, 2, 3, 7, 8, 65, 130, 400};
        for (size_t i = 0; i < COUNT_OF(counts); i++)
            for (int threads = 1; threads <= 2; threads++)
                for (size_t first = 3; first < 100; first += 92) {
                    memset(z, 0xff, ROWS * N * sizeof *z);
                    kernel_matmul_run(p.m, threads == 2 ? pool : NULL, counts[i], x + first * K, K, p.packed, z, N, p.scratch);
                    assert_memory_equal(z, y + first * N, counts[i] * N * sizeof *z);
                }
        arena_free(a);
    }
    thread_pool_free(pool);
}

static void instruction_sets_agree_bit_for_bit(void **state)
{
    (void)state;
    enum { K = 768, N = 50, ROWS = QUANT_TILE };
    static const struct {
        const char *name;
        const quant_routines *routines;
        kernel_isa isa;
    } sets[] = {{"portable", &quant_portable, KERNEL_PORTABLE},
#if defined(__x86_64__)
                {"avx2", &quant_avx2, KERNEL_AVX2}, {"avx512", &quant_avx512, KERNEL_AVX512}, {"vnni", &quant_vnni, KERNEL_AVX512},
#endif
    };
    for (size_t f = 0; f < COUNT_OF(formats); f++)
        for (size_t s = 1; s < COUNT_OF(sets); s++) {
            bool there = sets[s].isa <= kernel_isa_used();
#if defined(__x86_64__)
            there = there && (sets[s].routines != &quant_vnni || __builtin_cpu_supports("avx512vnni"));
#endif
            for (size_t n = 1; n <= ROWS && there; n++) {
                arena *a = arena_new(NULL);
                kernel_type type = n % 2 ? KERNEL_F32 : KERNEL_BF16;
                void *x = rows_of(a, type, ROWS * K, n);
                product p = product_of(a, formats[f], K, N, type, KERNEL_F32, weight_of(a, formats[f], N, K), NULL);
                size_t bytes = quant_tile_bytes(formats[f], n, K);
                void *tiles[2] = {arena_alloc(a, bytes), arena_alloc(a, bytes)};
                float *y[2] = {ARENA_ARRAY(a, float, n * N), ARENA_ARRAY(a, float, n * N)};
                for (int k = 0; k < 2; k++) {
                    const quant_routines *with = sets[k ? s : 0].routines;
                    with->prepare(formats[f], type, n, K, x, K, tiles[k]);
                    with->multiply(formats[f], n, K, tiles[k], p.packed, N, 0, KERNEL_F32, y[k], N);
                }
                if (memcmp(tiles[0], tiles[1], bytes) != 0 || memcmp(y[0], y[1], n * N * sizeof(float)) != 0)
                    fail_msg("%s: %s differs from portable for %zu rows", quant_name(formats[f]), sets[s].name, n);
                arena_free(a);
            }
        }
}

/* A NaN, an infinity: their own row is NaN, the others are as they were. Zeros give zeros, tiny values no NaN. */
static void odd_values_stay_in_their_row(void **state)
{
    (void)state;
    enum { K = 256, N = 20, ROWS = 6 };
    for (size_t f = 1; f < COUNT_OF(formats); f++) {
        arena *a = arena_new(NULL);
        float *x = rows_of(a, KERNEL_F32, ROWS * K, 8), *y = ARENA_ARRAY(a, float, ROWS * N), *z = ARENA_ARRAY(a, float, ROWS * N);
        product p = product_of(a, formats[f], K, N, KERNEL_F32, KERNEL_F32, weight_of(a, formats[f], N, K), NULL);
        kernel_matmul_run(p.m, NULL, ROWS, x, K, p.packed, y, N, p.scratch);
        x[1 * K + 200] = NAN;
        x[2 * K + 3] = -INFINITY;
        memset(x + 4 * K, 0, K * sizeof *x);
        for (size_t i = 0; i < K; i++)
            x[5 * K + i] = i % 2 ? 1e-44f : -1e-40f;
        kernel_matmul_run(p.m, NULL, ROWS, x, K, p.packed, z, N, p.scratch);
        for (size_t c = 0; c < N; c++) {
            assert_true(isnan(z[N + c]) && isnan(z[2 * N + c]));
            assert_true(z[4 * N + c] == 0 && fabsf(z[5 * N + c]) < 1e-30f);
        }
        assert_memory_equal(z, y, N * sizeof *z);
        assert_memory_equal(z + 3 * N, y + 3 * N, N * sizeof *z);
        arena_free(a);
    }
}

static void weights_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        kernel_matmul_spec spec;
        status expected;
    } bad[] = {
        {{KERNEL_F32, KERNEL_F32, 33, 16, true, QUANT_Q8_0}, STATUS_INVALID},
        {{KERNEL_F32, KERNEL_F32, 32, 16, true, QUANT_Q4_K}, STATUS_INVALID},
        {{KERNEL_F32, KERNEL_F32, 256, 16, false, QUANT_Q4_K}, STATUS_UNSUPPORTED},
        {{KERNEL_F64, KERNEL_F64, 256, 16, true, QUANT_Q4_K}, STATUS_UNSUPPORTED},
        {{KERNEL_F32, KERNEL_F32, 0, 16, true, QUANT_Q8_0}, STATUS_UNSUPPORTED},
        {{KERNEL_F32, KERNEL_F32, (size_t)1 << 40, (size_t)1 << 40, true, QUANT_Q8_0}, STATUS_INVALID},
        {{KERNEL_F32, KERNEL_F32, SIZE_MAX / 32 * 32, 1, true, QUANT_Q8_0}, STATUS_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        arena *a = arena_new(NULL);
        error err;
        kernel_matmul *m;
        assert_int_equal(kernel_matmul_new(a, &bad[i].spec, 1, &m, &err), bad[i].expected);
        assert_true(err.message[0]);
        arena_free(a);
    }
}

static void panels_take_hardly_more_than_the_blocks(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT_OF(formats); f++) {
        arena *a = arena_new(NULL);
        size_t row;
        product p = product_of(a, formats[f], 1024, 64, KERNEL_F32, KERNEL_F32, weight_of(a, formats[f], 64, 1024), NULL);
        assert_int_equal(quant_row_bytes(formats[f], 1024, &row, NULL), STATUS_OK);
        assert_true((double)kernel_matmul_packed_bytes(p.m) <= 1.03 * 64 * (double)row);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_near_those_of_the_expanded_weight),
        cmocka_unit_test(rows_of_small_integers_lose_nothing),
        cmocka_unit_test(the_bits_depend_on_nothing_but_the_row),
        cmocka_unit_test(instruction_sets_agree_bit_for_bit),
        cmocka_unit_test(odd_values_stay_in_their_row),
        cmocka_unit_test(weights_that_do_not_fit_are_refused),
        cmocka_unit_test(panels_take_hardly_more_than_the_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
