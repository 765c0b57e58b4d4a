/* simd.h - sixteen f32 lanes, whatever the machine: one __m512, two __m256, or a plain array.
 *
 * A file defines SIMD as 512, 256 or 0 and includes this header, then the kernels' bodies (body_*.h): the same source
 * is compiled once for each instruction set. All operations round as IEEE 754 says and every kernel uses the lanes in
 * the same way, so the results of the three agree bit for bit. `max` and `min` return the second operand when one is a
 * NaN. `_part` variants touch the first n lanes only (0 <= n <= 16); loading leaves zeros in the others.
 *
 * SIMD_VNNI: 512 with the integer dot products of AVX-512 VNNI (body_quant.h).
 *
 * No include guard against a second SIMD: each instruction set has a file of its own.
 */
#ifndef ASSAY_KERNELS_CPU_SIMD_H
#define ASSAY_KERNELS_CPU_SIMD_H

#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#if SIMD > 0
#include <immintrin.h>
#endif

#if SIMD == 512 && defined(SIMD_VNNI)
#define SIMD_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#elif SIMD == 512
#define SIMD_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"
#elif SIMD == 256
#define SIMD_TARGET "avx2,fma,f16c" /* all processors with AVX2 have F16C */
#endif
#if SIMD > 0 && defined(__clang__)
#define SIMD_PRAGMA_(x) _Pragma(#x)
#define SIMD_PRAGMA(target_) SIMD_PRAGMA_(clang attribute push(__attribute__((target(target_))), apply_to = function))
SIMD_PRAGMA(SIMD_TARGET)
#define SIMD_END _Pragma("clang attribute pop")
#elif SIMD > 0
#define SIMD_PRAGMA_(x) _Pragma(#x)
#define SIMD_PRAGMA(target_) SIMD_PRAGMA_(GCC target(target_))
SIMD_PRAGMA(SIMD_TARGET)
#define SIMD_END
#else
#define SIMD_END
#endif

/* clang-format off: one line for each operation reads best here */
#if SIMD > 0
#define SIMD_FN static inline __attribute__((always_inline, unused))
#else /* lanes are loops here: inlining them all would make the compiler work for minutes */
#define SIMD_FN static __attribute__((noinline, unused))
#endif

enum { LANES = 16 };

#if SIMD == 512

/* Loops over registers must be gone before registers are given out; Clang sees to that by itself. */
#if defined(__clang__)
#define SIMD_UNROLL
#else
#define SIMD_UNROLL _Pragma("GCC unroll 16")
#endif

typedef __m512 v16;
typedef __mmask16 m16;

SIMD_FN v16 v_set(float x) { return _mm512_set1_ps(x); }
SIMD_FN v16 v_load(const float *p) { return _mm512_loadu_ps(p); }
SIMD_FN void v_store(float *p, v16 x) { _mm512_storeu_ps(p, x); }
SIMD_FN __mmask16 v_first(size_t n) { return (__mmask16)((1u << n) - 1); }
SIMD_FN v16 v_load_part(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
SIMD_FN void v_store_part(float *p, v16 x, size_t n) { _mm512_mask_storeu_ps(p, v_first(n), x); }
SIMD_FN v16 v_widen(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
SIMD_FN v16 v_load_bf16(const uint16_t *p) { return v_widen(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
SIMD_FN v16 v_load_bf16_part(const uint16_t *p, size_t n) { return v_widen(_mm256_maskz_loadu_epi16(v_first(n), p)); }
SIMD_FN __m256i v_narrow(v16 x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
SIMD_FN void v_store_bf16(uint16_t *p, v16 x) { _mm256_storeu_si256((__m256i *)(void *)p, v_narrow(x)); }
SIMD_FN void v_store_bf16_part(uint16_t *p, v16 x, size_t n) { _mm256_mask_storeu_epi16(p, v_first(n), v_narrow(x)); }
SIMD_FN v16 v_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
SIMD_FN v16 v_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
SIMD_FN v16 v_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
SIMD_FN v16 v_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
SIMD_FN v16 v_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
SIMD_FN v16 v_fnma(v16 a, v16 b, v16 c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a b */
SIMD_FN v16 v_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
SIMD_FN v16 v_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
SIMD_FN v16 v_sqrt(v16 a) { return _mm512_sqrt_ps(a); }
SIMD_FN v16 v_abs(v16 a) { return _mm512_abs_ps(a); }
SIMD_FN v16 v_neg(v16 a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
SIMD_FN v16 v_sign_of(v16 a, v16 sign) /* |a| with the sign bit of `sign` */
{
    return _mm512_or_ps(v_abs(a), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
SIMD_FN v16 v_round(v16 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD_FN v16 v_floor(v16 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
SIMD_FN v16 v_scale2(v16 a, v16 n) { return _mm512_scalef_ps(a, n); } /* a 2^n, n integral, |n| <= 252 */
SIMD_FN m16 v_less(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
SIMD_FN m16 v_less_equal(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
SIMD_FN m16 v_equal(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
SIMD_FN v16 v_select(m16 m, v16 a, v16 b) { return _mm512_mask_blend_ps(m, b, a); } /* m ? a : b */
SIMD_FN void v_store_mask(uint8_t *p, m16 m) { _mm_storeu_si128((__m128i *)(void *)p, _mm_maskz_set1_epi8(m, 1)); } /* 1 or 0 */
SIMD_FN m16 v_load_mask(const uint8_t *p) /* which bytes are not 0 */
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm_test_epi8_mask(bytes, bytes);
}
SIMD_FN v16 v_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
/* Lane j of x[i] and lane i of x[j] change places, for all i and j. */
SIMD_FN void v_transpose(v16 x[16])
{
    v16 y[16];
    SIMD_UNROLL
    for (int i = 0; i < 16; i += 2) { /* within 128 bits: pairs of rows, then fours */
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    SIMD_UNROLL
    for (int i = 0; i < 16; i += 4)
        SIMD_UNROLL
        for (int k = 0; k < 2; k++) {
            __m512d a = _mm512_castps_pd(y[i + k]), b = _mm512_castps_pd(y[i + 2 + k]);
            x[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            x[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    SIMD_UNROLL
    for (int k = 0; k < 4; k++) { /* whole parts of 128 bits: row i + k of the four fours */
        v16 a = _mm512_shuffle_f32x4(x[k], x[4 + k], 0x88), b = _mm512_shuffle_f32x4(x[k], x[4 + k], 0xdd);
        v16 c = _mm512_shuffle_f32x4(x[8 + k], x[12 + k], 0x88), d = _mm512_shuffle_f32x4(x[8 + k], x[12 + k], 0xdd);
        y[k] = _mm512_shuffle_f32x4(a, c, 0x88);
        y[8 + k] = _mm512_shuffle_f32x4(a, c, 0xdd);
        y[4 + k] = _mm512_shuffle_f32x4(b, d, 0x88);
        y[12 + k] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    SIMD_UNROLL
    for (int i = 0; i < 16; i++)
        x[i] = y[i];
}
/* x = mantissa 2^exponent with mantissa in [sqrt(1/2), sqrt(2)), for normal positive x. */
SIMD_FN v16 v_split(v16 x, v16 *exponent)
{
    __m512i bits = _mm512_sub_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x3f3504f3));
    *exponent = _mm512_cvtepi32_ps(_mm512_srai_epi32(bits, 23));
    bits = _mm512_add_epi32(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffff)), _mm512_set1_epi32(0x3f3504f3));
    return _mm512_castsi512_ps(bits);
}

#elif SIMD == 256

typedef struct v16 {
    __m256 a, b;
} v16;
typedef v16 m16;

#define V_EACH1(f, x) ((v16){f((x).a), f((x).b)})
#define V_EACH2(f, x, y) ((v16){f((x).a, (y).a), f((x).b, (y).b)})
#define V_EACH3(f, x, y, z) ((v16){f((x).a, (y).a, (z).a), f((x).b, (y).b, (z).b)})

SIMD_FN v16 v_set(float x) { return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
SIMD_FN v16 v_load(const float *p) { return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
SIMD_FN void v_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
SIMD_FN v16 v_load_part(const float *p, size_t n)
{
    float all[16] = {0};
    for (size_t i = 0; i < n; i++)
        all[i] = p[i];
    return v_load(all);
}
SIMD_FN void v_store_part(float *p, v16 x, size_t n)
{
    float all[16];
    v_store(all, x);
    for (size_t i = 0; i < n; i++)
        p[i] = all[i];
}
SIMD_FN __m256 v_widen(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
SIMD_FN v16 v_load_bf16(const uint16_t *p)
{
    return (v16){v_widen(_mm_loadu_si128((const __m128i *)(const void *)p)),
                 v_widen(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}
SIMD_FN v16 v_load_bf16_part(const uint16_t *p, size_t n)
{
    uint16_t all[16] = {0};
    for (size_t i = 0; i < n; i++)
        all[i] = p[i];
    return v_load_bf16(all);
}
SIMD_FN __m256i v_narrow(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    rounded = _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)), nan);
    return _mm256_srli_epi32(rounded, 16);
}
SIMD_FN void v_store_bf16(uint16_t *p, v16 x)
{
    __m256i both = _mm256_packus_epi32(v_narrow(x.a), v_narrow(x.b));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permute4x64_epi64(both, 0xd8));
}
SIMD_FN void v_store_bf16_part(uint16_t *p, v16 x, size_t n)
{
    uint16_t all[16];
    v_store_bf16(all, x);
    for (size_t i = 0; i < n; i++)
        p[i] = all[i];
}
SIMD_FN v16 v_add(v16 a, v16 b) { return V_EACH2(_mm256_add_ps, a, b); }
SIMD_FN v16 v_sub(v16 a, v16 b) { return V_EACH2(_mm256_sub_ps, a, b); }
SIMD_FN v16 v_mul(v16 a, v16 b) { return V_EACH2(_mm256_mul_ps, a, b); }
SIMD_FN v16 v_div(v16 a, v16 b) { return V_EACH2(_mm256_div_ps, a, b); }
SIMD_FN v16 v_fma(v16 a, v16 b, v16 c) { return V_EACH3(_mm256_fmadd_ps, a, b, c); }
SIMD_FN v16 v_fnma(v16 a, v16 b, v16 c) { return V_EACH3(_mm256_fnmadd_ps, a, b, c); }
SIMD_FN v16 v_max(v16 a, v16 b) { return V_EACH2(_mm256_max_ps, a, b); }
SIMD_FN v16 v_min(v16 a, v16 b) { return V_EACH2(_mm256_min_ps, a, b); }
SIMD_FN v16 v_sqrt(v16 a) { return V_EACH1(_mm256_sqrt_ps, a); }
SIMD_FN v16 v_neg(v16 a)
{
    v16 sign = v_set(-0.0f);
    return V_EACH2(_mm256_xor_ps, a, sign);
}
SIMD_FN v16 v_abs(v16 a)
{
    v16 sign = v_set(-0.0f);
    return V_EACH2(_mm256_andnot_ps, sign, a);
}
SIMD_FN v16 v_sign_of(v16 a, v16 sign)
{
    v16 bit = v_set(-0.0f), m = v_abs(a), s = V_EACH2(_mm256_and_ps, sign, bit);
    return V_EACH2(_mm256_or_ps, m, s);
}
#define V_NEAREST(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define V_DOWN(x) _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
SIMD_FN v16 v_round(v16 a) { return V_EACH1(V_NEAREST, a); }
SIMD_FN v16 v_floor(v16 a) { return V_EACH1(V_DOWN, a); }
/* In two steps of half the exponent, so that a denormal result is rounded once. */
SIMD_FN __m256 v_scale2_half(__m256 x, __m256 n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    __m256i bias = _mm256_set1_epi32(127);
    x = _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}
SIMD_FN v16 v_scale2(v16 a, v16 n) { return V_EACH2(v_scale2_half, a, n); }
#define V_LT(x, y) _mm256_cmp_ps(x, y, _CMP_LT_OQ)
#define V_LE(x, y) _mm256_cmp_ps(x, y, _CMP_LE_OQ)
#define V_EQ(x, y) _mm256_cmp_ps(x, y, _CMP_EQ_OQ)
SIMD_FN m16 v_less(v16 a, v16 b) { return V_EACH2(V_LT, a, b); }
SIMD_FN m16 v_less_equal(v16 a, v16 b) { return V_EACH2(V_LE, a, b); }
SIMD_FN m16 v_equal(v16 a, v16 b) { return V_EACH2(V_EQ, a, b); }
SIMD_FN v16 v_select(m16 m, v16 a, v16 b) { return V_EACH3(_mm256_blendv_ps, b, a, m); }
SIMD_FN void v_store_mask(uint8_t *p, m16 m)
{
    __m256i words = _mm256_packs_epi32(_mm256_castps_si256(m.a), _mm256_castps_si256(m.b)); /* in each half: four of a, four of b */
    words = _mm256_permute4x64_epi64(words, 0xd8);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_and_si128(bytes, _mm_set1_epi8(1)));
}
SIMD_FN __m256 v_mask_half(__m128i bytes)
{
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_setzero_si256()));
}
SIMD_FN m16 v_load_mask(const uint8_t *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (m16){v_mask_half(bytes), v_mask_half(_mm_srli_si128(bytes, 8))};
}
SIMD_FN v16 v_load_bytes(const uint8_t *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                 _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}
SIMD_FN __m256 v_split_half(__m256 x, __m256 *exponent)
{
    __m256i bits = _mm256_sub_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(0x3f3504f3));
    *exponent = _mm256_cvtepi32_ps(_mm256_srai_epi32(bits, 23));
    bits = _mm256_add_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff)), _mm256_set1_epi32(0x3f3504f3));
    return _mm256_castsi256_ps(bits);
}
SIMD_FN v16 v_split(v16 x, v16 *exponent)
{
    return (v16){v_split_half(x.a, &exponent->a), v_split_half(x.b, &exponent->b)};
}

#else

typedef struct v16 {
    float f[16];
} v16;
typedef struct m16 {
    bool f[16];
} m16;

#define V_LANES(expression)                                                                                        \
    v16 r_;                                                                                                        \
    for (int i = 0; i < 16; i++)                                                                                   \
        r_.f[i] = (expression);                                                                                    \
    return r_
#define V_MASK(expression)                                                                                         \
    m16 r_;                                                                                                        \
    for (int i = 0; i < 16; i++)                                                                                   \
        r_.f[i] = (expression);                                                                                    \
    return r_

SIMD_FN float lane_power(int n) /* 2^n, -126 <= n <= 127 */
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
SIMD_FN float lane_scale2(float x, int n)
{
    int half = n >= 0 ? n / 2 : -((1 - n) / 2); /* rounded down */
    return x * lane_power(half) * lane_power(n - half);
}
SIMD_FN v16 v_set(float x) { V_LANES(x); }
SIMD_FN v16 v_load(const float *p) { V_LANES(p[i]); }
SIMD_FN void v_store(float *p, v16 x) { memcpy(p, x.f, sizeof x.f); }
SIMD_FN v16 v_load_part(const float *p, size_t n) { V_LANES((size_t)i < n ? p[i] : 0); }
SIMD_FN void v_store_part(float *p, v16 x, size_t n) { memcpy(p, x.f, n * sizeof *p); }
SIMD_FN v16 v_load_bf16(const uint16_t *p) { V_LANES(bf16_to_f32(p[i])); }
SIMD_FN v16 v_load_bf16_part(const uint16_t *p, size_t n) { V_LANES((size_t)i < n ? bf16_to_f32(p[i]) : 0); }
SIMD_FN void v_store_bf16_part(uint16_t *p, v16 x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = bf16_from_f32(x.f[i]);
}
SIMD_FN void v_store_bf16(uint16_t *p, v16 x) { v_store_bf16_part(p, x, 16); }
SIMD_FN v16 v_add(v16 a, v16 b) { V_LANES(a.f[i] + b.f[i]); }
SIMD_FN v16 v_sub(v16 a, v16 b) { V_LANES(a.f[i] - b.f[i]); }
SIMD_FN v16 v_mul(v16 a, v16 b) { V_LANES(a.f[i] * b.f[i]); }
SIMD_FN v16 v_div(v16 a, v16 b) { V_LANES(a.f[i] / b.f[i]); }
SIMD_FN v16 v_fma(v16 a, v16 b, v16 c) { V_LANES(fmaf(a.f[i], b.f[i], c.f[i])); }
SIMD_FN v16 v_fnma(v16 a, v16 b, v16 c) { V_LANES(fmaf(-a.f[i], b.f[i], c.f[i])); }
SIMD_FN v16 v_max(v16 a, v16 b) { V_LANES(a.f[i] > b.f[i] ? a.f[i] : b.f[i]); }
SIMD_FN v16 v_min(v16 a, v16 b) { V_LANES(a.f[i] < b.f[i] ? a.f[i] : b.f[i]); }
SIMD_FN v16 v_sqrt(v16 a) { V_LANES(sqrtf(a.f[i])); }
SIMD_FN v16 v_neg(v16 a) { V_LANES(-a.f[i]); }
SIMD_FN v16 v_abs(v16 a) { V_LANES(fabsf(a.f[i])); }
SIMD_FN v16 v_sign_of(v16 a, v16 sign) { V_LANES(copysignf(a.f[i], sign.f[i])); }
SIMD_FN v16 v_round(v16 a) { V_LANES(nearbyintf(a.f[i])); }
SIMD_FN v16 v_floor(v16 a) { V_LANES(floorf(a.f[i])); }
SIMD_FN v16 v_scale2(v16 a, v16 n) { V_LANES(isnan(n.f[i]) ? n.f[i] : lane_scale2(a.f[i], (int)n.f[i])); }
SIMD_FN m16 v_less(v16 a, v16 b) { V_MASK(a.f[i] < b.f[i]); }
SIMD_FN m16 v_less_equal(v16 a, v16 b) { V_MASK(a.f[i] <= b.f[i]); }
SIMD_FN m16 v_equal(v16 a, v16 b) { V_MASK(a.f[i] == b.f[i]); }
SIMD_FN v16 v_select(m16 m, v16 a, v16 b) { V_LANES(m.f[i] ? a.f[i] : b.f[i]); }
SIMD_FN void v_store_mask(uint8_t *p, m16 m)
{
    for (int i = 0; i < 16; i++)
        p[i] = m.f[i];
}
SIMD_FN m16 v_load_mask(const uint8_t *p) { V_MASK(p[i] != 0); }
SIMD_FN v16 v_load_bytes(const uint8_t *p) { V_LANES((float)p[i]); }
SIMD_FN v16 v_split(v16 x, v16 *exponent)
{
    v16 mantissa;
    for (int i = 0; i < 16; i++) {
        uint32_t bits;
        memcpy(&bits, &x.f[i], 4);
        bits -= 0x3f3504f3;
        exponent->f[i] = (float)((int32_t)bits >> 23);
        bits = (bits & 0x7fffff) + 0x3f3504f3;
        memcpy(&mantissa.f[i], &bits, 4);
    }
    return mantissa;
}

#endif

SIMD_FN v16 v_zero(void) { return v_set(0); }

/* Lane 0 to 15 as a tree: i with i + 8, then + 4, + 2, + 1. */
#if SIMD > 0
SIMD_FN float v_sum8(__m256 low, __m256 high)
{
    __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
SIMD_FN float v_highest8(__m256 low, __m256 high)
{
    __m256 eight = _mm256_max_ps(low, high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
#endif
#if SIMD == 512
SIMD_FN float v_sum(v16 x) { return v_sum8(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); }
SIMD_FN float v_highest(v16 x) { return v_highest8(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); }
#elif SIMD == 256
SIMD_FN float v_sum(v16 x) { return v_sum8(x.a, x.b); }
SIMD_FN float v_highest(v16 x) { return v_highest8(x.a, x.b); }
#else
SIMD_FN float v_sum(v16 x)
{
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++)
            x.f[i] += x.f[i + half];
    return x.f[0];
}
SIMD_FN float v_highest(v16 x)
{
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++)
            x.f[i] = x.f[i] > x.f[i + half] ? x.f[i] : x.f[i + half];
    return x.f[0];
}
#endif

/* Elements i .. i + 15 (or the first n of them) of an array of f32 or bf16. With a constant type the choice vanishes. */
SIMD_FN v16 v_get(kernel_type type, const void *x, size_t i)
{
    return type == KERNEL_BF16 ? v_load_bf16((const uint16_t *)x + i) : v_load((const float *)x + i);
}
SIMD_FN v16 v_get_part(kernel_type type, const void *x, size_t i, size_t n)
{
    return type == KERNEL_BF16 ? v_load_bf16_part((const uint16_t *)x + i, n) : v_load_part((const float *)x + i, n);
}
SIMD_FN void v_put(kernel_type type, void *x, size_t i, v16 value)
{
    if (type == KERNEL_BF16)
        v_store_bf16((uint16_t *)x + i, value);
    else
        v_store((float *)x + i, value);
}
SIMD_FN void v_put_part(kernel_type type, void *x, size_t i, v16 value, size_t n)
{
    if (type == KERNEL_BF16)
        v_store_bf16_part((uint16_t *)x + i, value, n);
    else
        v_store_part((float *)x + i, value, n);
}
/* The last, incomplete group of lanes and the whole ones in one call; n is the count that is left. */
SIMD_FN v16 v_get_up_to(kernel_type type, const void *x, size_t i, size_t n)
{
    return n >= LANES ? v_get(type, x, i) : v_get_part(type, x, i, n);
}
SIMD_FN void v_put_up_to(kernel_type type, void *x, size_t i, v16 value, size_t n)
{
    if (n >= LANES)
        v_put(type, x, i, value);
    else
        v_put_part(type, x, i, value, n);
}

#endif
