/* compare.h - inputs from a seed and comparison with a reference, shared by the tests of kernels. */
#ifndef ASSAY_TESTS_KERNELS_COMPARE_H
#define ASSAY_TESTS_KERNELS_COMPARE_H

#include "core/random.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

/* `count` normal numbers (rounded to the type), the same for the same seed. One element is spare: count may be 0. */
static inline void *filled(arena *a, kernel_type type, size_t count, uint64_t seed)
{
    random_stream r = random_stream_at(seed, "test/kernels", 0, 0, 0, 0);
    char *x = arena_alloc(a, (count + 1) * kernel_type_size(type));
    for (size_t i = 0; i < count; i++)
        reference_set(type, x, i, random_normal(&r));
    return x;
}

static inline void *copied(arena *a, kernel_type type, size_t count, const void *x)
{
    char *y = arena_alloc(a, (count + 1) * kernel_type_size(type));
    memcpy(y, x, count * kernel_type_size(type));
    return y;
}

/* The same numbers in f64. */
static inline double *widened(arena *a, kernel_type type, size_t count, const void *x)
{
    double *y = arena_alloc(a, (count + 1) * sizeof *y);
    reference_cast(count, type, x, KERNEL_F64, y);
    return y;
}

/* Fails when x (of `type`) is further than `tolerance` from `expected` (of `expected_type`), in units of the largest
 * magnitude expected (0.1 where it is smaller: inputs are of size 1). */
static inline void assert_near(const char *what, kernel_type type, size_t count, const void *x,
                               kernel_type expected_type, const void *expected, double tolerance)
{
    double most = 0, scale = 0.1;
    for (size_t i = 0; i < count; i++) {
        double e = reference_get(expected_type, expected, i), d = fabs(reference_get(type, x, i) - e);
        if (isinf(e) && reference_get(type, x, i) == e)
            continue;
        scale = fmax(scale, fabs(e));
        most = fmax(most, isnan(d) ? INFINITY : d);
    }
    if (!(most / scale <= tolerance))
        fail_msg("%s (%s, %zu): off by %g, at most %g expected", what, kernel_type_name(type), count, most / scale,
                 tolerance);
}

static inline double tolerance_of(kernel_type type)
{
    return type == KERNEL_F64 ? 1e-12 : type == KERNEL_F32 ? 3e-6 : 5e-3;
}

static const kernel_type float_types[] = {KERNEL_F64, KERNEL_F32, KERNEL_BF16};

/* Runs `body` with the portable routines on one thread, then with each instruction set on two threads: the bytes at `y`
 * must agree. A test names its pool `pool` and its arena `a`. */
#define SAME_BITS(y, bytes, body)                                                                                  \
    do {                                                                                                           \
        thread_pool *use = NULL;                                                                                   \
        kernel_isa_limit(KERNEL_PORTABLE);                                                                         \
        body;                                                                                                      \
        char *kept_ = arena_alloc(a, (bytes) + 1);                                                                 \
        memcpy(kept_, (y), (bytes));                                                                               \
        use = pool;                                                                                                \
        (void)use;                                                                                                 \
        for (int isa_ = KERNEL_PORTABLE; isa_ <= KERNEL_AVX512; isa_++) {                                          \
            kernel_isa_limit((kernel_isa)isa_);                                                                    \
            memset((y), 0, (bytes));                                                                               \
            body;                                                                                                  \
            assert_memory_equal(kept_, (y), (bytes));                                                              \
        }                                                                                                          \
    } while (0)

#endif
