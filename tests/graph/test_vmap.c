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

/* Rows of attention, said beforehand: scores are made within them, with the same result as between all tokens. */
static void rows_of_attention(void **state)
{
    (void)state;
    enum { T = 12, H = 4, G = 2, D = 3, ROW = 4 };
    static const int32_t starts[T] = {0, 0, 2, 2, 4, 4, 4, 4, 8, 9, 9, 9};
    for (int variant = 0; variant < 3; variant++) {
        arena *a = arena_new(NULL);
        graph *g = graph_new(NULL);
        node *x[3], *start = graph_constant(g, TYPE_I32, SHAPE(T), starts), *outputs[8];
        for (int i = 0; i < 3; i++) {
            shape s = SHAPE(T, i ? G : H, D);
            x[i] = op_sin(op_shift(op_scale(op_reshape(graph_iota(g, TYPE_F64, SHAPE(shape_count(s)), 0), s), 1.7), i));
        }
        attention_options how = {.window = variant == 1 ? 2 : 0, .both_ways = variant == 2};
        for (int i = 0; i < 2; i++) {
            how.row = i ? ROW : 0;
            node **out = outputs + 4 * i;
            out[0] = op_attention(x[0], x[1], x[2], start, how);
            assert_true(graph_grad(op_sum_all(op_square(out[0])), x, 3, NULL, out + 1));
        }
        evaluation e = run_and_read(a, plan_for(g, outputs, 8, NULL), outputs, 8);
        for (size_t i = 0; i < e.count / 2; i++)
            assert_true(fabs(e.values[i] - e.values[e.count / 2 + i]) < 1e-14);
        graph_free(g);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_agree_with_a_loop),
        cmocka_unit_test(gradients_agree_with_a_loop),
        cmocka_unit_test(batches_of_batches),
        cmocka_unit_test(rows_of_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
