/* mathvec.h - exp, log, tanh and what stands on them, on sixteen lanes.
 *
 * Errors against the exact value, in units of the last place, largest over all floats (tests/kernels/test_math_long.c
 * visits every one of them; test_math.c samples):
 *     exp 1.02 (denormal results too)   log 0.84   tanh 1.34   sigmoid 2.41   softplus 2.00
 *     silu 3.20 where the result is at least 2e-36 in magnitude (below, its sigmoid is denormal and has lost digits)
 * Special values are those of C: exp(-inf) = 0, exp of more than 88.72 = inf, log(0) = -inf, log of less than 0 = NaN,
 * NaN stays NaN. Polynomials are minimax fits (Remez) of our own to the functions named beside them.
 */
#ifndef ASSAY_KERNELS_CPU_MATHVEC_H
#define ASSAY_KERNELS_CPU_MATHVEC_H

#include "kernels/cpu/simd.h"

/* x = n ln 2 + r; exp(r) = 1 + r + r^2 q(r). */
SIMD_FN v16 v_exp(v16 x)
{
    v16 bounded = v_max(v_set(-104.0f), v_min(v_set(89.0f), x)); /* in this order a NaN passes */
    v16 n = v_round(v_mul(bounded, v_set(1.44269504f)));
    v16 r = v_fnma(n, v_set(6.9314575195e-01f), bounded);
    r = v_fnma(n, v_set(1.4286067653e-06f), r);
    v16 q = v_set(1.381446724e-03f);
    q = v_fma(q, r, v_set(8.368780836e-03f));
    q = v_fma(q, r, v_set(4.166839272e-02f));
    q = v_fma(q, r, v_set(1.666651964e-01f));
    q = v_fma(q, r, v_set(4.999999404e-01f));
    v16 p = v_add(v_fma(v_mul(r, r), q, r), v_set(1));
    return v_scale2(p, n);
}

/* x = m 2^e, f = m - 1; log(1 + f) = f - f^2 / 2 + f^3 p(f). */
SIMD_FN v16 v_log(v16 x)
{
    m16 tiny = v_less(x, v_set(1.17549435e-38f));
    v16 scaled = v_select(tiny, v_mul(x, v_set(8388608.0f)), x), e;
    v16 f = v_sub(v_split(scaled, &e), v_set(1));
    e = v_select(tiny, v_sub(e, v_set(23)), e);
    v16 p = v_set(6.747732311e-02f);
    p = v_fma(p, f, v_set(-1.167751625e-01f));
    p = v_fma(p, f, v_set(1.188869625e-01f));
    p = v_fma(p, f, v_set(-1.240534037e-01f));
    p = v_fma(p, f, v_set(1.421945244e-01f));
    p = v_fma(p, f, v_set(-1.666800529e-01f));
    p = v_fma(p, f, v_set(2.000212371e-01f));
    p = v_fma(p, f, v_set(-2.500000894e-01f));
    p = v_fma(p, f, v_set(3.333331347e-01f));
    v16 square = v_mul(f, f);
    v16 low = v_fma(v_mul(square, f), p, v_mul(e, v_set(1.4286067653e-06f)));
    low = v_fnma(v_set(0.5f), square, low);
    v16 result = v_fma(e, v_set(6.9314575195e-01f), v_add(f, low));
    result = v_select(v_equal(x, v_set(INFINITY)), x, result);
    result = v_select(v_equal(x, v_zero()), v_set(-INFINITY), result);
    return v_select(v_less_equal(v_zero(), x), result, v_set(NAN));
}

/* x + x^3 p(x^2) for small x, else 1 - 2 / (exp(2 |x|) + 1). */
SIMD_FN v16 v_tanh(v16 x)
{
    v16 size = v_abs(x), square = v_mul(x, x);
    v16 p = v_set(2.139612800e-03f);
    p = v_fma(p, square, v_set(-8.173850365e-03f));
    p = v_fma(p, square, v_set(2.169931680e-02f));
    p = v_fma(p, square, v_set(-5.394651741e-02f));
    p = v_fma(p, square, v_set(1.333320439e-01f));
    p = v_fma(p, square, v_set(-3.333333135e-01f));
    v16 small = v_fma(v_mul(square, x), p, x);
    v16 large = v_sub(v_set(1), v_div(v_set(2), v_add(v_exp(v_add(size, size)), v_set(1))));
    return v_select(v_less(size, v_set(0.625f)), small, v_sign_of(large, x));
}

/* 1 / (1 + exp(-x)), written so that neither side overflows: e = exp(-|x|). */
SIMD_FN v16 v_sigmoid(v16 x)
{
    v16 e = v_exp(v_neg(v_abs(x)));
    return v_div(v_select(v_less(x, v_zero()), e, v_set(1)), v_add(e, v_set(1)));
}

SIMD_FN v16 v_silu(v16 x)
{
    return v_mul(x, v_sigmoid(x));
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); log(1 + e) = log(u) + (e - (u - 1)) / u with u = 1 + e rounded. */
SIMD_FN v16 v_softplus(v16 x)
{
    v16 e = v_exp(v_neg(v_abs(x))), u = v_add(e, v_set(1));
    v16 tail = v_add(v_log(u), v_div(v_sub(e, v_sub(u, v_set(1))), u));
    v16 y = v_add(v_max(x, v_zero()), tail);
    return v_select(v_equal(x, x), y, x);
}

#endif
