/* ulp.h - the largest error of a unary operation over a walk through all floats, against libm in f64. */
#ifndef ASSAY_TESTS_KERNELS_ULP_H
#define ASSAY_TESTS_KERNELS_ULP_H

#include "core/threads.h"

#include <math.h>
#include <string.h>

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

enum { ULP_PARTS = 1024, ULP_BLOCK = 4096 };

typedef struct ulp_walk {
    const ulp_limit *limit;
    uint32_t step;
    double most[ULP_PARTS];
    float where[ULP_PARTS];
} ulp_walk;

/* Every step-th float of one part of all. */
static inline void ulp_part(void *context, size_t part, size_t worker)
{
    (void)worker;
    ulp_walk *w = context;
    float x[ULP_BLOCK], y[ULP_BLOCK];
    uint64_t share = (1ull << 32) / ULP_PARTS, end = (part + 1) * share;
    uint64_t bits = (part * share + w->step - 1) / w->step * w->step;
    while (bits < end) {
        size_t count = 0;
        for (; count < ULP_BLOCK && bits < end; bits += w->step) {
            uint32_t low = (uint32_t)bits;
            memcpy(&x[count++], &low, 4);
        }
        kernel_unary(w->limit->op, KERNEL_F32, count, x, y);
        for (size_t i = 0; i < count; i++) {
            double exact = reference_unary_value(w->limit->op, (double)x[i]);
            double d = ulp_distance(y[i], exact);
            if (d > w->most[part] && !(fabs(exact) < w->limit->below)) {
                w->most[part] = d;
                w->where[part] = x[i];
            }
        }
    }
}

/* Whether every step-th float is within the limit; prints the largest error. */
static inline bool ulp_is_within(thread_pool *pool, const ulp_limit *limit, uint32_t step)
{
    static ulp_walk w;
    size_t worst = 0;
    w = (ulp_walk){.limit = limit, .step = step};
    thread_pool_run(pool, ULP_PARTS, ulp_part, &w);
    for (size_t i = 1; i < ULP_PARTS; i++)
        worst = w.most[i] > w.most[worst] ? i : worst;
    bool within = w.most[worst] <= limit->most;
    print_message("%s: %.3f ulp at %a%s\n", limit->name, w.most[worst], (double)w.where[worst], within ? "" : ", more than stated");
    return within;
}

/* All operations, on all processors. */
static inline bool ulp_all_within(uint32_t step)
{
    bool within = true;
    thread_pool *pool;
    assert_int_equal(thread_pool_new(0, &pool, NULL), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(ulp_limits); i++)
        within = ulp_is_within(pool, &ulp_limits[i], step) && within;
    thread_pool_free(pool);
    return within;
}

#endif
