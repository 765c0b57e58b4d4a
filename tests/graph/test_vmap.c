/* graph_vmap over the table of operations (tests/graph/checks_vmap.h), and by hand. */
#include "cases_table.h"

#include "checks_vmap.h"

/* What does not depend on the batched inputs is repeated, and vmap goes into itself: a table of products. */
static void batches_of_batches(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F64, SHAPE_SCALAR), *y = graph_input(g, "y", TYPE_F64, SHAPE_SCALAR);
    node *xs = graph_constant(g, TYPE_F64, SHAPE(3), (double[]){1, 2, 3}), *ys = graph_constant(g, TYPE_F64, SHAPE(2), (double[]){5, 7});
    node *outputs[2] = {op_mul(x, y), op_exp(y)}, *rows[2], *table[2];
    assert_true(graph_vmap(outputs, 2, &x, &xs, 1, rows));
    assert_true(graph_vmap(rows, 2, &y, &ys, 1, table));
    plan *p = plan_for(g, table, 2, NULL);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            double yi = i ? 7 : 5;
            assert_true(((const double *)plan_output(p, 0))[3 * i + j] == yi * (j + 1));
            assert_true(fabs(((const double *)plan_output(p, 1))[3 * i + j] - exp(yi)) <= 1e-12 * exp(yi));
        }
    plan_free(p);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_agree_with_a_loop),
        cmocka_unit_test(gradients_agree_with_a_loop),
        cmocka_unit_test(batches_of_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
