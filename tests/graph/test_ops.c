/* Generated from the table of operations: tests/graph/checks.h says what is checked. */
#include "cases_table.h"

#include "checks.h"

/* ---- the cases themselves ---- */
/* Sizes at which kernels go wrong are among the cases of every row: a value without elements, an axis of one, and a number of elements that
 * no vector divides. Of reduce_max no value of nothing is asked for: its result is
 * minus infinity, which has no differences, and in i32 the least number. */
static void cases_have_odd_shapes(void **state)
{
    (void)state;
    for (int op = 0; op < case_rows(); op++) {
        bool nothing = strcmp(case_info_of(op).name, "reduce_max") == 0, one = false, odd = false, derivative;
        for (int variant = 0; has_variant(op, variant, &derivative); variant++) {
            test_case c;
            make_case(&c, TYPE_F32, op, variant);
            for (int i = 0; i < c.input_count + c.output_count; i++) {
                shape s = (i < c.input_count ? c.inputs[i].n : c.outputs[i - c.input_count])->shape;
                nothing = nothing || shape_count(s) == 0;
                for (int k = 0; k < s.rank; k++)
                    one = one || s.size[k] == 1;
                one = one || s.rank == 0;
                odd = odd || shape_count(s) % 4 != 0;
            }
            graph_free(c.g);
        }
        if (!nothing || !one || !odd)
            fail_msg("%s has no case%s%s%s", case_info_of(op).name, nothing ? "" : " of no elements", one ? "" : " with an axis of one",
                     odd ? "" : " that no vector divides");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {GENERATED_CHECKS, cmocka_unit_test(cases_have_odd_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
