/* exp, log, tanh and their kin at every 1,009th float, and the same bits from every instruction set. */
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "ulp.h"

static void floats_are_within_the_stated_error(void **state)
{
    (void)state;
    assert_true(ulp_all_within(1009));
}

static void special_values_are_those_of_c(void **state)
{
    (void)state;
    const float x[] = {0, -0.0f, INFINITY, -INFINITY, NAN, -1, 88.8f, 128, -104, -200, 1e-40f, 3e38f};
    float y[COUNT_OF(x)];
    static const kernel_unary_op ops[] = {KERNEL_EXP, KERNEL_LOG, KERNEL_TANH, KERNEL_SIGMOID, KERNEL_SOFTPLUS, KERNEL_RELU,
                                          KERNEL_SQRT, KERNEL_NEG, KERNEL_ABS, KERNEL_FLOOR, KERNEL_RECIPROCAL};
    for (size_t o = 0; o < COUNT_OF(ops); o++) {
        kernel_unary(ops[o], KERNEL_F32, COUNT_OF(x), x, y);
        for (size_t i = 0; i < COUNT_OF(x); i++)
            if (!(ulp_distance(y[i], reference_unary_value(ops[o], (double)x[i])) < 3))
                fail_msg("operation %d of %g gives %g", (int)ops[o], (double)x[i], (double)y[i]);
    }
}

/* Every operation on ugly values and odd lengths; NaN payloads are not compared. */
static void instruction_sets_agree_bit_for_bit(void **state)
{
    (void)state;
    enum { COUNT = 40003 };
    static uint32_t x[COUNT], y[COUNT], z[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        x[i] = i * 107371u;
    for (int op = 0; op < KERNEL_UNARY_COUNT; op++)
        for (int isa = KERNEL_PORTABLE; isa <= KERNEL_AVX512; isa++) {
            kernel_isa_limit((kernel_isa)isa);
            kernel_unary((kernel_unary_op)op, KERNEL_F32, COUNT, x, isa == KERNEL_PORTABLE ? y : z);
            kernel_isa_limit(KERNEL_AVX512);
            for (size_t i = 0; isa != KERNEL_PORTABLE && i < COUNT; i++) {
                float f;
                memcpy(&f, &y[i], 4);
                if (y[i] != z[i] && !isnan(f))
                    fail_msg("operation %d of %08x: %08x and %08x (%s)", op, x[i], y[i], z[i], kernel_isa_name((kernel_isa)isa));
            }
        }
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0xffff0000u; bits += 12289) {
        float f;
        uint16_t fast;
        memcpy(&f, &bits, 4);
        kernel_cast(1, KERNEL_F32, &f, KERNEL_BF16, &fast);
        assert_int_equal(fast, kernel_bf16_from_f32(f));
        float back = kernel_bf16_to_f32(fast);
        uint16_t above = (uint16_t)(fast + 1), below = (uint16_t)(fast - 1);
        if (isnan(f) || isinf(back) || (fast & 0x7fff) == 0)
            continue;
        double d = fabs((double)back - (double)f);
        assert_true(d <= fabs((double)kernel_bf16_to_f32(above) - (double)f));
        assert_true(d <= fabs((double)kernel_bf16_to_f32(below) - (double)f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_within_the_stated_error),
        cmocka_unit_test(special_values_are_those_of_c),
        cmocka_unit_test(instruction_sets_agree_bit_for_bit),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
