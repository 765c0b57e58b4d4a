/* ulp.h - the largest error of a unary operation over a walk through all floats, against libm in f64. */
#ifndef ASSAY_TESTS_KERNELS_ULP_H
#define ASSAY_TESTS_KERNELS_ULP_H

#include <math.h>

typedef struct ulp_limit {
    kernel_unary_op op;
    double most;
    double below; /* smaller results, which are or come from denormal ones, are left out */
    const char *name;
} ulp_limit;

static const ulp_limit ulp_limits[] = {
    {KERNEL_EXP, 1.02, 0, "exp"},         {KERNEL_LOG, 0.84, 0, "log"},        {KERNEL_TANH, 1.34, 0, "tanh"},
    {KERNEL_SIGMOID, 2.41, 0, "sigmoid"}, {KERNEL_SILU, 3.20, 2e-36, "silu"}, {KERNEL_SOFTPLUS, 2.00, 0, "softplus"},
};

/* Distance of f from the exact x in units of the last place of x as a float. */
static inline double ulp_distance(float f, double x)
{
    if (isnan(x) || isnan((double)f))
        return isnan(x) && isnan((double)f) ? 0 : INFINITY;
    if (isinf((float)x))
        return f == (float)x ? 0 : INFINITY;
    int exponent;
    frexp(x, &exponent);
    if (exponent < -125)
        exponent = -125;
    return fabs((double)f - x) / ldexp(1, exponent - 24);
}

/* Whether every step-th float is within the limit; prints the largest error. */
static inline bool ulp_within(const ulp_limit *limit, uint32_t step)
{
    enum { BLOCK = 4096 };
    static float x[BLOCK], y[BLOCK];
    double most = 0;
    float where = 0;
    for (uint64_t bits = 0; bits < 1ull << 32;) {
        for (size_t i = 0; i < BLOCK; i++, bits += step) {
            uint32_t low = (uint32_t)bits;
            memcpy(&x[i], &low, 4);
        }
        kernel_unary(limit->op, KERNEL_F32, BLOCK, x, y);
        for (size_t i = 0; i < BLOCK; i++) {
            double exact = reference_unary_value(limit->op, (double)x[i]);
            double d = ulp_distance(y[i], exact);
            if (d > most && !(fabs(exact) < limit->below)) {
                most = d;
                where = x[i];
            }
        }
    }
    bool within = most <= limit->most;
    print_message("%s: %.3f ulp at %a%s\n", limit->name, most, (double)where, within ? "" : ", more than stated");
    return within;
}

#endif
