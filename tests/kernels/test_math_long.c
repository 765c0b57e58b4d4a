/* exp, log, tanh, sigmoid, silu at every float: error in units of the last place, as kernels/cpu/mathvec.h states it. */
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "ulp.h"

static void every_float_is_within_the_stated_error(void **state)
{
    (void)state;
    assert_true(ulp_all_within(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_float_is_within_the_stated_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
