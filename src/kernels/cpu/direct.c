#include "kernels/cpu/direct.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#endif

enum { QUARTERS = TILE_N / 16, GROUP = 6 /* rows: 24 sums, 4 columns, a row, in 32 registers */, AHEAD = 4096 /* bytes */ };

/* Loops over registers must be gone before registers are given out; Clang sees to that by itself. */
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#define INLINE static inline __attribute__((always_inline))

/* sums[r][64] (+)= rows of x times `count` steps of the weight; a step is a pair of neighbours in bf16, an element in f32:
 * 4 bytes of each row and 4 bytes of each column either way. `rows` is a constant wherever this is called. */
INLINE void chunk_of(bool half, size_t rows, size_t count, const char *x, size_t x_bytes, const char *w, bool first, float *sums)
{
    __m512 sum[GROUP][QUARTERS];
    UNROLL
    for (size_t r = 0; r < rows; r++)
        UNROLL
        for (size_t q = 0; q < QUARTERS; q++)
            sum[r][q] = _mm512_setzero_ps();
    for (size_t i = 0; i < count; i++, x += 4, w += 4 * TILE_N) {
        __m512i column[QUARTERS];
        UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            column[q] = _mm512_loadu_si512(w + 64 * q);
            _mm_prefetch(w + AHEAD + 64 * q, _MM_HINT_T0);
        }
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            int32_t bits;
            memcpy(&bits, x + r * x_bytes, 4);
            __m512i row = _mm512_set1_epi32(bits);
            UNROLL
            for (size_t q = 0; q < QUARTERS; q++)
                sum[r][q] = half ? _mm512_dpbf16_ps(sum[r][q], (__m512bh)row, (__m512bh)column[q])
                                 : _mm512_fmadd_ps(_mm512_castsi512_ps(row), _mm512_castsi512_ps(column[q]), sum[r][q]);
        }
    }
    UNROLL
    for (size_t r = 0; r < rows; r++)
        UNROLL
        for (size_t q = 0; q < QUARTERS; q++) {
            float *to = sums + r * TILE_N + 16 * q;
            _mm512_storeu_ps(to, first ? sum[r][q] : _mm512_add_ps(_mm512_loadu_ps(to), sum[r][q]));
        }
}

#define CHUNK(half, rows)                                                                                              \
    static void chunk_##half##_##rows(size_t count, const char *x, size_t x_bytes, const char *w, bool first, float *sums) \
    {                                                                                                                  \
        chunk_of(half, rows, count, x, x_bytes, w, first, sums);                                                       \
    }
#define CHUNKS(half) CHUNK(half, 1) CHUNK(half, 2) CHUNK(half, 3) CHUNK(half, 4) CHUNK(half, 5) CHUNK(half, 6)
CHUNKS(0)
CHUNKS(1)

typedef void chunk_routine(size_t count, const char *x, size_t x_bytes, const char *w, bool first, float *sums);
#define ROUTINES(half) {chunk_##half##_1, chunk_##half##_2, chunk_##half##_3, chunk_##half##_4, chunk_##half##_5, chunk_##half##_6}
static chunk_routine *const chunks[2][GROUP] = {ROUTINES(0), ROUTINES(1)};

/* oneDNN rounds by this instruction too (it takes numbers too small to be normal for zero). */
static void store_bf16(const float *sums, size_t columns, uint16_t *y)
{
    for (size_t i = 0; i < columns; i += 16) {
        __mmask16 mask = (__mmask16)(columns - i < 16 ? (1u << (columns - i)) - 1 : 0xffff);
        _mm256_mask_storeu_epi16(y + i, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(sums + i)));
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool machine_has(kernel_type type)
{
    return kernel_isa_used() == KERNEL_AVX512 && (type == KERNEL_F32 || __builtin_cpu_supports("avx512bf16"));
}

void direct_block(const direct_product *d, size_t rows, const void *x, size_t x_stride, const void *w, void *y,
                  size_t y_stride, size_t columns, float *sums)
{
    size_t half = d->type == KERNEL_BF16, per_step = half ? 2 : 1, x_bytes = x_stride * kernel_type_size(d->type);
    for (size_t at = 0; at < d->k; at += d->chunk) {
        size_t steps = (d->k - at < d->chunk ? d->k - at : d->chunk) / per_step;
        for (size_t r = 0; r < rows; r += GROUP) {
            size_t count = rows - r < GROUP ? rows - r : GROUP;
            chunks[half][count - 1](steps, (const char *)x + r * x_bytes + at / per_step * 4, x_bytes,
                                    (const char *)w + at / per_step * 4 * TILE_N, at == 0, sums + r * TILE_N);
        }
    }
    for (size_t r = 0; r < rows; r++) {
        char *to = (char *)y + r * y_stride * kernel_type_size(d->out);
        if (d->out == KERNEL_BF16)
            store_bf16(sums + r * TILE_N, columns, (uint16_t *)(void *)to);
        else
            memcpy(to, sums + r * TILE_N, columns * sizeof(float));
    }
}

#else

static bool machine_has(kernel_type type)
{
    (void)type;
    return false;
}

void direct_block(const direct_product *d, size_t rows, const void *x, size_t x_stride, const void *w, void *y,
                  size_t y_stride, size_t columns, float *sums)
{
    BUG("no direct product on this machine");
}

#endif

/* ---- finding the order of the tile ---- */

enum { TRIAL_ROWS = 16 };

typedef struct trial {
    const tile_spec *spec;
    void *x, *w, *tile, *own;
    float *sums;
} trial;

/* Random signs and fractions, magnitudes over some powers of two; from row 13 on so small that results are hardly numbers,
 * or so large that they overflow. */
static void fill(kernel_type type, size_t rows, size_t columns, bool extremes, void *to)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < rows * columns; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        uint32_t row = (uint32_t)(i / columns), bits = (uint32_t)(state >> 32);
        uint32_t exponent = extremes && row == 13 ? 5 : extremes && row == 14 ? 252 : 121;
        bits = (bits & 0x807fffff) | (exponent + (bits >> 23 & 3)) << 23;
        if (type == KERNEL_BF16)
            ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
        else
            memcpy((float *)to + i, &bits, sizeof bits);
    }
}

/* Equal bits, or both not a number. */
static bool equal(kernel_type type, size_t count, const void *a, const void *b)
{
    size_t size = kernel_type_size(type);
    for (size_t i = 0; i < count; i++) {
        uint32_t p = 0, q = 0;
        memcpy(&p, (const char *)a + i * size, size);
        memcpy(&q, (const char *)b + i * size, size);
        uint32_t infinity = type == KERNEL_BF16 ? 0x7f80 : 0x7f800000, sign = type == KERNEL_BF16 ? 0x8000 : 0x80000000;
        if (p != q && ((p & ~sign) <= infinity || (q & ~sign) <= infinity))
            return false;
    }
    return true;
}

/* Whether all columns of rows first .. end - 1, taken together, get the tile's bits. */
static bool agrees(const trial *t, const direct_product *d, size_t first, size_t end)
{
    const tile_spec *s = t->spec;
    size_t in = kernel_type_size(s->type), out = kernel_type_size(s->out);
    for (size_t j = 0; j < s->n; j += TILE_N)
        direct_block(d, end - first, (const char *)t->x + first * s->k * in, s->k, (const char *)t->w + j * s->k * in,
                       (char *)t->own + (first * s->n + j) * out, s->n, TILE_N, t->sums);
    return equal(s->out, (end - first) * s->n, (const char *)t->own + first * s->n * out,
                 (const char *)t->tile + first * s->n * out);
}

static bool agrees_in_all(const trial *t, const direct_product *d)
{
    return agrees(t, d, 0, 1) && agrees(t, d, 1, 3) && agrees(t, d, 3, 6) && agrees(t, d, 0, TRIAL_ROWS);
}

status direct_match(const tile_spec *spec, const tile_product *tile, direct_product *out, error *err)
{
    enum { LEAST = 64 };
    *out = (direct_product){.type = spec->type, .out = spec->out, .k = spec->k};
    if (!machine_has(spec->type) || spec->w_layout != TILE_BLOCKED || spec->accumulate || spec->x_transposed ||
         spec->x_stride != spec->k || spec->y_stride != spec->n)
        return STATUS_OK;
    size_t in = kernel_type_size(spec->type), results = spec->m * spec->n * kernel_type_size(spec->out);
    arena *a = arena_new(NULL);
    trial t = {.spec = spec, .x = arena_alloc(a, spec->m * spec->k * in), .w = arena_alloc(a, spec->k * spec->n * in),
               .tile = arena_alloc(a, results), .own = arena_alloc(a, results),
               .sums = arena_alloc(a, DIRECT_SCRATCH)};
    void *scratch = arena_alloc(a, tile_product_scratch_bytes(tile) + 64);
    if (!t.x || !t.w || !t.tile || !t.own || !t.sums || !scratch) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "no memory for a product");
    }
    fill(spec->type, spec->m, spec->k, true, t.x);
    fill(spec->type, spec->k, spec->n, false, t.w);
    tile_product_run(tile, 0, t.x, t.w, t.tile, scratch);
    direct_product d = *out;
    d.chunk = spec->k; /* one chain over all of k, or chunks of a power of two */
    for (size_t next = 4096; d.chunk && !agrees_in_all(&t, &d); next /= 2)
        d.chunk = next < LEAST ? 0 : next;
    out->chunk = d.chunk;
    arena_free(a);
    return STATUS_OK;
}
