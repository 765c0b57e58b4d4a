/* body_quant.h - rows times weights in storage formats (kernels/quant_product.h says how both lie).
 *
 * Sixteen columns are the lanes. A block is 8 groups of 4 elements: a group's 64 bytes, 4 of each column, are multiplied
 * with 4 bytes of a row that all lanes share. STEP rows are computed at a time; more than the registers hold would only
 * be slower, so it depends on the instruction set and changes no bits.
 */
#include "kernels/quant_parts.h"
#include "kernels/quant_product.h"

/* ---- sixteen lanes of i32, 64 lanes of u8 ---- */
/* clang-format off */
#if SIMD == 512

typedef __m512i i16x, u64x;
SIMD_FN i16x i_set(int32_t x) { return _mm512_set1_epi32(x); }
SIMD_FN v16 i_float(i16x x) { return _mm512_cvtepi32_ps(x); }
SIMD_FN u64x u_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
SIMD_FN u64x u_or(u64x a, u64x b) { return _mm512_or_si512(a, b); }
SIMD_FN u64x u_shift(u64x a, int left, int mask) /* each byte shifted left (or right), and masked */
{
    __m512i moved = left >= 0 ? _mm512_sll_epi16(a, _mm_cvtsi32_si128(left)) : _mm512_srl_epi16(a, _mm_cvtsi32_si128(-left));
    return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}
SIMD_FN v16 v_load_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
SIMD_FN v16 v_load_u8(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p))); }
SIMD_FN v16 v_load_i8(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p))); }
SIMD_FN void v_store_i8(int8_t *p, v16 x) /* whole numbers */
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
#ifdef SIMD_VNNI
SIMD_FN i16x i_dot(i16x sum, u64x w, const int8_t *x, bool small)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    (void)small;
    return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}
#else
/* Two products of 8 by 8 bits fit 16 bits where w < 128; else bytes of even and of odd place go apart, in 16 bits. */
SIMD_FN i16x i_dot(i16x sum, u64x w, const int8_t *x, bool small)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    __m512i a = _mm512_set1_epi32(four);
    if (small)
        return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, a), _mm512_set1_epi16(1)));
    __m512i even = _mm512_madd_epi16(_mm512_and_si512(w, _mm512_set1_epi16(255)), _mm512_srai_epi16(_mm512_slli_epi16(a, 8), 8));
    __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(w, 8), _mm512_srai_epi16(a, 8));
    return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}
#endif

#elif SIMD == 256

typedef struct i16x { __m256i a, b; } i16x, u64x;
SIMD_FN i16x i_set(int32_t x) { return (i16x){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
SIMD_FN v16 i_float(i16x x) { return (v16){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
SIMD_FN __m256i load_256(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
SIMD_FN __m128i load_128(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
SIMD_FN u64x u_load(const uint8_t *p) { return (u64x){load_256(p), load_256(p + 32)}; }
SIMD_FN u64x u_or(u64x a, u64x b) { return (u64x){_mm256_or_si256(a.a, b.a), _mm256_or_si256(a.b, b.b)}; }
SIMD_FN __m256i shift_256(__m256i a, int left, int mask)
{
    __m256i moved = left >= 0 ? _mm256_sll_epi16(a, _mm_cvtsi32_si128(left)) : _mm256_srl_epi16(a, _mm_cvtsi32_si128(-left));
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}
SIMD_FN u64x u_shift(u64x a, int left, int mask) { return (u64x){shift_256(a.a, left, mask), shift_256(a.b, left, mask)}; }
SIMD_FN v16 v_load_f16(const uint8_t *p) { return (v16){_mm256_cvtph_ps(load_128(p)), _mm256_cvtph_ps(load_128(p + 16))}; }
SIMD_FN v16 v_load_u8(const uint8_t *p)
{
    __m128i x = load_128(p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)))};
}
SIMD_FN v16 v_load_i8(const uint8_t *p)
{
    __m128i x = load_128(p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)))};
}
SIMD_FN void v_store_i8(int8_t *p, v16 x)
{
    __m256i both = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)); /* 0-3, 8-11, 4-7, 12-15 */
    both = _mm256_permute4x64_epi64(both, 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi16(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
}
SIMD_FN __m256i dot_256(__m256i sum, __m256i w, __m256i a, bool small) /* as for 512 */
{
    if (small)
        return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1)));
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(a, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
SIMD_FN i16x i_dot(i16x sum, u64x w, const int8_t *x, bool small)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    __m256i a = _mm256_set1_epi32(four);
    return (i16x){dot_256(sum.a, w.a, a, small), dot_256(sum.b, w.b, a, small)};
}

#else

typedef struct i16x { int32_t i[16]; } i16x;
typedef struct u64x { uint8_t u[64]; } u64x;
SIMD_FN i16x i_set(int32_t x)
{
    i16x r;
    for (int i = 0; i < 16; i++)
        r.i[i] = x;
    return r;
}
SIMD_FN v16 i_float(i16x x) { V_LANES((float)x.i[i]); }
SIMD_FN u64x u_load(const uint8_t *p)
{
    u64x r;
    memcpy(r.u, p, sizeof r.u);
    return r;
}
SIMD_FN u64x u_or(u64x a, u64x b)
{
    for (int i = 0; i < 64; i++)
        a.u[i] |= b.u[i];
    return a;
}
SIMD_FN u64x u_shift(u64x a, int left, int mask)
{
    for (int i = 0; i < 64; i++)
        a.u[i] = (uint8_t)((left >= 0 ? a.u[i] << left : a.u[i] >> -left) & mask);
    return a;
}
SIMD_FN v16 v_load_f16(const uint8_t *p) { V_LANES(f16_to_f32((uint16_t)(p[2 * i] | p[2 * i + 1] << 8))); }
SIMD_FN v16 v_load_u8(const uint8_t *p) { V_LANES((float)p[i]); }
SIMD_FN v16 v_load_i8(const uint8_t *p) { V_LANES((float)(int8_t)p[i]); }
SIMD_FN void v_store_i8(int8_t *p, v16 x)
{
    for (int i = 0; i < 16; i++)
        p[i] = (int8_t)x.f[i];
}
SIMD_FN i16x i_dot(i16x sum, u64x w, const int8_t *x, bool small)
{
    (void)small;
    for (int i = 0; i < 64; i++)
        sum.i[i / 4] += w.u[i] * x[i % 4];
    return sum;
}

#endif
/* clang-format on */

/* ---- the elements of a group, and scales ---- */

SIMD_FN u64x quant_group(quant_format f, const uint8_t *quants, int g)
{
    if (f == QUANT_Q8_0)
        return u_load(quants + 64 * g);
    u64x low = u_shift(u_load(quants + 64 * (g / 2)), g % 2 ? -4 : 0, 15);
    if (f == QUANT_Q5_K)
        return u_or(low, u_shift(u_load(quants + 256), 4 - g, 16));
    if (f == QUANT_Q6_K)
        return u_or(low, u_shift(u_load(quants + 256 + 64 * (g / 4)), 4 - g % 4 * 2, 48));
    return low;
}

/* Of a panel, for a block. */
SIMD_FN size_t quant_scale_bytes(quant_format f)
{
    return f == QUANT_Q4_K || f == QUANT_Q5_K ? 40 : f == QUANT_Q6_K ? 36 : 32;
}

/* Of block j (of 32 elements), and its first or second half. */
SIMD_FN v16 quant_scale(quant_format f, const uint8_t *scales, size_t j, size_t half)
{
    if (f == QUANT_Q8_0 || f == QUANT_Q4_0)
        return v_load_f16(scales + 32 * j);
    if (f == QUANT_Q6_K) {
        scales += j / 8 * 288;
        return v_mul(v_load_f16(scales), v_load_i8(scales + 32 + 16 * (j % 8 * 2 + half)));
    }
    scales += j / 8 * 320;
    return v_mul(v_load_f16(scales), v_load_u8(scales + 64 + 32 * (j % 8)));
}

SIMD_FN v16 quant_least(const uint8_t *scales, size_t j)
{
    scales += j / 8 * 320;
    return v_mul(v_load_f16(scales + 32), v_load_u8(scales + 80 + 32 * (j % 8)));
}

/* ---- rows into tiles ---- */

/* A block that holds what is not finite, or nothing but values so small that 1 / d is not finite. */
static float odd_block(v16 x, v16 y, int8_t q[QUANT_BLOCK])
{
    float values[QUANT_BLOCK];
    bool finite = true;
    v_store(values, x);
    v_store(values + 16, y);
    for (int i = 0; i < QUANT_BLOCK; i++)
        finite = finite && isfinite(values[i]);
    memset(q, 0, QUANT_BLOCK);
    return finite ? 0 : NAN;
}

/* One block of a row: its integers (to nearest, ties to even), d, and sums: of all, and, where halves are asked for, of the
 * first and the last 16. A NaN may hide from the largest, but not from the sum. NaN: an odd block, nothing is written. */
SIMD_FN float quant_block(v16 x, v16 y, bool halves, int8_t q[QUANT_BLOCK], float sums[2])
{
    float d = v_highest(v_max(v_abs(x), v_abs(y))) / 127, inverse = 1 / d;
    v16 low = v_round(v_mul(x, v_set(inverse))), high = v_round(v_mul(y, v_set(inverse)));
    sums[0] = v_sum(halves ? low : v_add(low, high));
    sums[1] = halves ? v_sum(high) : 0;
    if (!(inverse <= 3e38f) || !(fabsf(sums[0] + sums[1]) <= 127 * QUANT_BLOCK))
        return NAN;
    v_store_i8(q, low);
    v_store_i8(q + 16, high);
    return d;
}

SIMD_FN void prepare_row(quant_format f, kernel_type type, size_t n, size_t r, size_t k, const void *x, size_t at, char *tile)
{
    const bool minima = f == QUANT_Q4_K || f == QUANT_Q5_K, halves = f == QUANT_Q6_K;
    const int bias = quant_bias(f);
    for (size_t i = 0; i < k; i += QUANT_BLOCK, tile += n * (QUANT_BLOCK + 12)) {
        v16 low = v_get(type, x, at + i), high = v_get(type, x, at + i + 16);
        int8_t *q = (int8_t *)tile + r * QUANT_BLOCK;
        float sums[2], d = quant_block(low, high, halves, q, sums), least;
        int32_t *e = (int32_t *)(void *)(tile + n * (QUANT_BLOCK + 4)) + r;
        if (isnan(d)) {
            d = odd_block(low, high, q);
            sums[0] = sums[1] = 0;
        }
        ((float *)(void *)(tile + n * QUANT_BLOCK))[r] = d;
        e[0] = -bias * (int32_t)sums[0];
        e[n] = -bias * (int32_t)sums[1];
        least = d * sums[0];
        if (minima)
            memcpy(e, &least, sizeof least);
    }
}

static void prepare_halves(kernel_type type, size_t n, size_t k, const void *x, size_t stride, float *tile)
{
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < k; i++)
            tile[i * n + r] = type == KERNEL_BF16 ? bf16_to_f32(((const uint16_t *)x)[r * stride + i])
                                                  : ((const float *)x)[r * stride + i];
}

static void quant_prepare(quant_format f, kernel_type type, size_t n, size_t k, const void *x, size_t stride, void *tile)
{
    if (f == QUANT_F16)
        prepare_halves(type, n, k, x, stride, tile);
    for (size_t r = 0; r < n && f != QUANT_F16; r++) { /* the types as constants */
        if (type == KERNEL_BF16)
            prepare_row(f, KERNEL_BF16, n, r, k, x, r * stride, tile);
        else
            prepare_row(f, KERNEL_F32, n, r, k, x, r * stride, tile);
    }
}

/* ---- products ---- */

#define EACH_1(X) X(0)
#define EACH_2(X) EACH_1(X) X(1)
#define EACH_4(X) EACH_2(X) X(2) X(3)
#define EACH_8(X) EACH_4(X) X(4) X(5) X(6) X(7)

#define QUANT_ZERO(r) v16 acc##r = v_zero();
#define QUANT_INTEGER(r) i16x sum##r;
#define QUANT_BIAS(r) sum##r = i_set(f == QUANT_Q4_K || f == QUANT_Q5_K ? 0 : e[half * n + r]);
#define QUANT_DOT(r) sum##r = i_dot(sum##r, w, q + r * QUANT_BLOCK + 4 * g, f != QUANT_Q8_0);
#define QUANT_SCALE(r) acc##r = v_fma(i_float(sum##r), v_mul(scale, v_set(d[r])), acc##r);
#define QUANT_LEAST(r) acc##r = v_fnma(least, v_set(((const float *)(const void *)e)[r]), acc##r);
#define QUANT_PUT(r) v_put_up_to(out, y, r * y_stride, acc##r, columns);
#define F16_FMA(r) acc##r = v_fma(v_set(x[r]), w, acc##r);

/* Groups `from` to `from` + 4. */
#define QUANT_GROUP(c, g_)                                                                                         \
    {                                                                                                              \
        enum { g = g_ };                                                                                           \
        u64x w = quant_group(f, quants, g);                                                                        \
        EACH_##c(QUANT_DOT)                                                                                        \
    }
#define QUANT_HALF(c, half_)                                                                                       \
    {                                                                                                              \
        enum { half = half_ };                                                                                     \
        if (half == 0 || f == QUANT_Q6_K) {                                                                        \
            EACH_##c(QUANT_BIAS)                                                                                   \
        }                                                                                                          \
        QUANT_GROUP(c, 4 * half_)                                                                                  \
        QUANT_GROUP(c, 4 * half_ + 1)                                                                              \
        QUANT_GROUP(c, 4 * half_ + 2)                                                                              \
        QUANT_GROUP(c, 4 * half_ + 3)                                                                              \
        if (half == 1 || f == QUANT_Q6_K) {                                                                        \
            v16 scale = quant_scale(f, scales, j, half);                                                           \
            EACH_##c(QUANT_SCALE)                                                                                  \
        }                                                                                                          \
    }

/* With few rows memory is the limit: what comes next is fetched early, behind the task's end from where its worker is
 * likely to go on. Measured: at 4 KiB ahead Q4_0 runs at 80 % of a plain read, at 32 KiB at all of it. Addresses beyond the
 * weight do no harm, so they are numbers here. */
enum { AHEAD = 32 * 1024 };
typedef struct following {
    uintptr_t end;
    size_t skip;
} following;

/* The lines that begin in the `bytes` at `at`, which is where a panel read evenly, its scales too, would be. */
SIMD_FN void fetch_ahead(uintptr_t at, size_t bytes, following next)
{
    at += AHEAD;
    at += at >= next.end ? next.skip : 0;
    for (uintptr_t line = (at + 63) & ~(uintptr_t)63; line < at + bytes; line += 64)
        __builtin_prefetch((const void *)line);
}

/* c rows of a tile of n, from row `first`, times one panel. */
#define QUANT_ROWS(c)                                                                                              \
    SIMD_FN void quant_rows_##c(quant_format f, size_t n, size_t first, size_t blocks, const char *tile,           \
                                const uint8_t *quants, size_t block_bytes, following next, size_t columns,         \
                                kernel_type out, void *y, size_t y_stride)                                         \
    {                                                                                                              \
        const uint8_t *scales = quants + blocks * block_bytes;                                                     \
        const uintptr_t panel = (uintptr_t)quants, share = block_bytes + quant_scale_bytes(f);                     \
        const int8_t *q = (const int8_t *)tile + first * QUANT_BLOCK;                                              \
        const float *d = (const float *)(const void *)(tile + n * QUANT_BLOCK) + first;                            \
        const int32_t *e = (const int32_t *)(const void *)(tile + n * (QUANT_BLOCK + 4)) + first;                  \
        EACH_##c(QUANT_ZERO)                                                                                       \
        for (size_t j = 0; j < blocks; j++) {                                                                      \
            EACH_##c(QUANT_INTEGER)                                                                                \
            if (c <= 4)                                                                                            \
                fetch_ahead(panel + j * share, share, next);                                                       \
            QUANT_HALF(c, 0)                                                                                       \
            QUANT_HALF(c, 1)                                                                                       \
            if (f == QUANT_Q4_K || f == QUANT_Q5_K) {                                                              \
                v16 least = quant_least(scales, j);                                                                \
                EACH_##c(QUANT_LEAST)                                                                              \
            }                                                                                                      \
            quants += block_bytes;                                                                                 \
            q += n * (QUANT_BLOCK + 12);                                                                           \
            d += n * (QUANT_BLOCK + 12) / 4;                                                                       \
            e += n * (QUANT_BLOCK + 12) / 4;                                                                       \
        }                                                                                                          \
        EACH_##c(QUANT_PUT)                                                                                        \
    }                                                                                                              \
    SIMD_FN void half_rows_##c(size_t n, size_t first, size_t k, const float *x, const uint8_t *weight,            \
                               following next, size_t columns, kernel_type out, void *y, size_t y_stride)          \
    {                                                                                                              \
        EACH_##c(QUANT_ZERO)                                                                                       \
        x += first;                                                                                                \
        for (size_t i = 0; i < k; i++, x += n, weight += 2 * QUANT_PANEL) {                                        \
            if (c <= 4)                                                                                            \
                fetch_ahead((uintptr_t)weight, 2 * QUANT_PANEL, next);                                             \
            v16 w = v_load_f16(weight);                                                                            \
            EACH_##c(F16_FMA)                                                                                      \
        }                                                                                                          \
        EACH_##c(QUANT_PUT)                                                                                        \
    }
QUANT_ROWS(1)
QUANT_ROWS(2)
#if SIMD == 512
QUANT_ROWS(4)
QUANT_ROWS(8)
enum { STEP = 8 };
#else
enum { STEP = 2 };
#endif

#define QUANT_CALL(c)                                                                                              \
    if (f == QUANT_F16)                                                                                            \
        half_rows_##c(n, r, k, tile, panel, next, columns, out, to, y_stride);                                     \
    else                                                                                                           \
        quant_rows_##c(f, n, r, k / QUANT_BLOCK, tile, panel, bytes, next, columns, out, to, y_stride)

/* A tile times one panel, with a constant format. */
SIMD_FN void quant_panel(quant_format f, size_t n, size_t k, const void *tile, const uint8_t *panel, size_t bytes,
                         following next, size_t columns, kernel_type out, void *y, size_t y_stride)
{
    for (size_t r = 0; r < n;) {
        void *to = (char *)y + r * y_stride * element_size(out);
        size_t left = n - r < STEP ? n - r : STEP;
#if SIMD == 512
        if (left == 8) {
            QUANT_CALL(8);
        } else if (left >= 4) {
            left = 4;
            QUANT_CALL(4);
        } else
#endif
        if (left >= 2) {
            left = 2;
            QUANT_CALL(2);
        } else {
            QUANT_CALL(1);
        }
        r += left;
    }
}

#define QUANT_MULTIPLY(NAME, word, ...)                                                                            \
    static void multiply_##NAME(size_t n, size_t k, const void *tile, const uint8_t *panel, size_t bytes,          \
                                following next, size_t columns, kernel_type out, void *y, size_t y_stride)         \
    {                                                                                                              \
        quant_panel(QUANT_##NAME, n, k, tile, panel, bytes, next, columns, out, y, y_stride);                      \
    }
QUANT_FORMATS(QUANT_MULTIPLY)

/* One row of f32 times WIDE panels at a time: with one the additions would wait for each other. */
enum { WIDE = 4 };
static void half_row(size_t k, const float *x, const uint8_t *panels, size_t bytes, kernel_type out, void *y)
{
    v16 a = v_zero(), b = v_zero(), c = v_zero(), d = v_zero();
    for (size_t i = 0; i < k; i++, panels += 2 * QUANT_PANEL) {
        v16 value = v_set(x[i]);
        a = v_fma(value, v_load_f16(panels), a);
        b = v_fma(value, v_load_f16(panels + bytes), b);
        c = v_fma(value, v_load_f16(panels + 2 * bytes), c);
        d = v_fma(value, v_load_f16(panels + 3 * bytes), d);
    }
    v_put(out, y, 0, a);
    v_put(out, y, QUANT_PANEL, b);
    v_put(out, y, 2 * QUANT_PANEL, c);
    v_put(out, y, 3 * QUANT_PANEL, d);
}

static void quant_multiply(quant_format f, size_t n, size_t k, const void *tile, const uint8_t *panels, size_t columns,
                           size_t skip, kernel_type out, void *y, size_t y_stride)
{
    static void (*const multiply[QUANT_COUNT])(size_t, size_t, const void *, const uint8_t *, size_t, following, size_t,
                                               kernel_type, void *, size_t) = {
#define X(NAME, ...) [QUANT_##NAME] = multiply_##NAME,
        QUANT_FORMATS(X)
#undef X
    };
    size_t block_bytes = quant_layout_of(f).quants, bytes = quant_panel_bytes(f, k), c = 0;
    following next = {(uintptr_t)panels + (columns + QUANT_PANEL - 1) / QUANT_PANEL * bytes, skip};
    for (; f == QUANT_F16 && n == 1 && c + WIDE * QUANT_PANEL <= columns; c += WIDE * QUANT_PANEL, panels += WIDE * bytes)
        half_row(k, tile, panels, bytes, out, (char *)y + c * element_size(out));
    for (; c < columns; c += QUANT_PANEL, panels += bytes)
        multiply[f](n, k, tile, panels, block_bytes, next, columns - c < QUANT_PANEL ? columns - c : QUANT_PANEL, out,
                    (char *)y + c * element_size(out), y_stride);
}
