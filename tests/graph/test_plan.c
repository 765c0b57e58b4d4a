/* Plans: merging, donation, frozen inputs, limits, what goes wrong, and how long planning takes. */
#include "plans.h"

#include "core/progress.h"
#include "graph/ops.h"
#include "graph/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void equal_nodes_are_computed_once(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(4, 4));
    node *a = op_matmul(x, x, false, true), *b = op_matmul(op_identity(x), op_reshape(op_reshape(x, SHAPE(16)), SHAPE(4, 4)), false, true);
    node *sum = op_add(a, b);
    plan *p = plan_of(g, &sum, 1, NULL);
    plan *single = plan_of(g, &a, 1, NULL);
    assert_int_equal(plan_steps(p), plan_steps(single) + 1);
    plan_free(single);
    plan_free(p);
    graph_free(g);
}

/* A chain of elementwise operations is one step, whatever it broadcasts. */
static void chains_are_one_step(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(100, 50)), *row = graph_input(g, "row", TYPE_F32, SHAPE(50));
    node *column = graph_input(g, "column", TYPE_F32, SHAPE(100, 1));
    node *y = op_exp(op_add(op_mul(x, row), op_scale(column, 0.5)));
    y = op_select(op_less(y, x), op_square(y), op_tanh(op_shift(y, 1)));
    plan *p = plan_of(g, &y, 1, NULL);
    assert_int_equal(plan_steps(p), 2); /* the scaled column, which is smaller, stands alone */
    float xs[5000], rows[50], columns[100];
    for (int i = 0; i < 5000; i++)
        xs[i] = sinf((float)i);
    for (int i = 0; i < 50; i++)
        rows[i] = cosf((float)i);
    for (int i = 0; i < 100; i++)
        columns[i] = (float)i / 100;
    plan_bind(p, x, xs);
    plan_bind(p, row, rows);
    plan_bind(p, column, columns);
    run(p);
    for (int i = 0; i < 5000; i++) {
        double z = exp((double)xs[i] * (double)rows[i % 50] + (double)columns[i / 50] / 2);
        double expected = z < (double)xs[i] ? z * z : tanh(z + 1);
        if (fabs((double)((const float *)plan_output(p, 0))[i] - expected) > 1e-5)
            fail_msg("element %d", i);
    }
    plan_free(p);
    graph_free(g);
}

static void donated_buffers_hold_the_new_values(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(3)), *y = graph_input(g, "y", TYPE_F32, SHAPE(3));
    node *outputs[] = {op_scale(x, 2), op_add(y, x), op_reshape(op_reduce_sum(y, AXES(0), false), SHAPE(1))};
    plan_donation donations[] = {{x, 0}, {y, 1}};
    plan *p = plan_of(g, outputs, 3, &(plan_options){.donations = donations, .donation_count = 2});
    float xs[3] = {1, 2, 3}, ys[3] = {10, 20, 30};
    plan_bind_mutable(p, x, xs);
    plan_bind_mutable(p, y, ys);
    run(p);
    for (int i = 0; i < 3; i++) {
        assert_true(xs[i] == (float)(2 * (i + 1)));
        assert_true(ys[i] == (float)(11 * (i + 1)));
    }
    assert_ptr_equal(plan_output(p, 1), ys);
    assert_true(((const float *)plan_output(p, 2))[0] == 60); /* of the old y */
    run(p);
    assert_true(xs[1] == 8 && ys[1] == 26);
    plan_free(p);
    graph_free(g);
}

/* Outputs that are the inputs themselves, exchanged: each is saved before it is overwritten. */
static void donated_buffers_can_change_places(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_I32, SHAPE(2)), *y = graph_input(g, "y", TYPE_I32, SHAPE(2));
    node *outputs[] = {y, x};
    plan_donation donations[] = {{x, 0}, {y, 1}};
    plan *p = plan_of(g, outputs, 2, &(plan_options){.donations = donations, .donation_count = 2});
    int32_t xs[2] = {1, 2}, ys[2] = {3, 4};
    plan_bind_mutable(p, x, xs);
    plan_bind_mutable(p, y, ys);
    run(p);
    assert_true(xs[0] == 3 && xs[1] == 4 && ys[0] == 1 && ys[1] == 2);
    plan_free(p);
    graph_free(g);
}

/* The old value is read by position in the step that would overwrite it: it must not be. */
static void a_broadcast_reader_keeps_the_old_value(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(1, 4));
    node *y = op_add(x, op_broadcast(op_slice(x, 1, 0, 1), SHAPE(1, 4)));
    plan_donation donation = {x, 0};
    plan *p = plan_of(g, &y, 1, &(plan_options){.donations = &donation, .donation_count = 1});
    float xs[4] = {1, 2, 3, 4};
    plan_bind_mutable(p, x, xs);
    run(p);
    assert_true(xs[0] == 2 && xs[1] == 3 && xs[2] == 4 && xs[3] == 5);
    plan_free(p);
    graph_free(g);
}

static void frozen_inputs_are_used_once(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *w = graph_input(g, "w", TYPE_F32, SHAPE(8, 8)), *x = graph_input(g, "x", TYPE_F32, SHAPE(1, 8));
    node *y = op_linear(x, op_scale(w, 2));
    plan *p = plan_of(g, &y, 1, &(plan_options){.frozen = &w, .frozen_count = 1});
    float ws[64] = {0}, xs[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 8; i++)
        ws[9 * i] = 1;
    plan_bind(p, w, ws);
    plan_bind(p, x, xs);
    run(p);
    assert_true(((const float *)plan_output(p, 0))[2] == 6);
    ws[18] = 5; /* not said to the plan: it need not look */
    xs[2] = 10;
    run(p);
    assert_true(((const float *)plan_output(p, 0))[2] == 20);
    plan_bind(p, w, ws);
    run(p);
    assert_true(((const float *)plan_output(p, 0))[2] == 100);
    plan_free(p);
    graph_free(g);
}

static void limits_and_missing_inputs_are_refused(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(1024)), *y = op_reduce_sum(op_exp(x), AXES(0), false);
    plan *p;
    error err = {0};
    assert_int_equal(plan_new(g, &y, 1, &(plan_options){.memory_limit = 1000}, &p, &err), STATUS_LIMIT);
    assert_null(p);
    assert_non_null(strstr(err.message, "1000"));
    p = plan_of(g, &y, 1, &(plan_options){.memory_limit = 10 << 20, .threads = 1});
    assert_true(plan_peak_bytes(p) >= 4096);
    assert_int_equal(plan_run(p, NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "x"));
    float xs[1024] = {0};
    plan_bind(p, x, xs);
    run(p);
    assert_true(*(const float *)plan_output(p, 0) == 1024);
    float mine;
    plan_bind_output(p, 0, &mine);
    run(p);
    assert_true(mine == 1024);
    plan_free(p);
    graph_free(g);
}

/* Memory is used again: a long chain of products needs three matrices, not a thousand. */
static void memory_is_used_again(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F64, SHAPE(16, 16)), *y = x;
    for (int i = 0; i < 1000; i++)
        y = op_matmul(y, x, false, false);
    plan *p = plan_of(g, &y, 1, &(plan_options){.threads = 1});
    assert_true(plan_peak_bytes(p) <= 4 * 16 * 16 * 8 + 65536);
    plan_free(p);
    graph_free(g);
}

/* ---- sites ---- */
static void sites_are_read_and_changed(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(2, 3));
    node *h = graph_name(op_tanh(x), "blocks.%d.out", 1), *y = op_mul(h, h);
    assert_ptr_equal(graph_find(&y, 1, "blocks.1.out"), h);
    assert_null(graph_find(&y, 1, "blocks.2.out"));
    node *patch = graph_input(g, "patch", TYPE_F32, SHAPE(3)), *replaced, *moved, *scaled, *same, *both;
    error err = {0};
    site_edit replace = {"blocks.1.out", SITE_REPLACE, patch, NULL}, add = {"blocks.1.out", SITE_ADD, patch, NULL};
    site_edit scale = {"blocks.1.out", SITE_SCALE, graph_scalar(g, TYPE_F32, 3), NULL};
    site_edit null_patch = {"blocks.1.out", SITE_REPLACE, h, NULL}, two[2] = {scale, add};
    assert_int_equal(graph_rewrite(&y, 1, &replace, 1, &replaced, &err), STATUS_OK);
    assert_int_equal(graph_rewrite(&y, 1, &add, 1, &moved, &err), STATUS_OK);
    assert_int_equal(graph_rewrite(&y, 1, &scale, 1, &scaled, &err), STATUS_OK);
    assert_int_equal(graph_rewrite(&y, 1, &null_patch, 1, &same, &err), STATUS_OK);
    assert_int_equal(graph_rewrite(&y, 1, two, 2, &both, &err), STATUS_OK);
    assert_non_null(graph_find(&moved, 1, "blocks.1.out"));
    node *outputs[] = {y, replaced, moved, scaled, same, both, NULL};
    site_edit zero = {"blocks.1.out", SITE_ADD, graph_scalar(g, TYPE_F32, 0), NULL};
    assert_int_equal(graph_rewrite(&y, 1, &zero, 1, &outputs[6], &err), STATUS_OK);
    plan *p = plan_of(g, outputs, 7, NULL);
    float xs[6] = {0.1f, -0.2f, 0.3f, 1, -0.0f, -3}, patches[3] = {1, 2, 3};
    plan_bind(p, x, xs);
    plan_bind(p, patch, patches);
    run(p);
    assert_memory_equal(plan_output(p, 4), plan_output(p, 0), 6 * sizeof(float));
    assert_memory_equal(plan_output(p, 6), plan_output(p, 0), 6 * sizeof(float));
    for (int i = 0; i < 6; i++) {
        double t = tanh((double)xs[i]), v = patches[i % 3];
        double expected[] = {t * t, v * v, (t + v) * (t + v), 9 * t * t, t * t, (3 * t + v) * (3 * t + v)};
        for (int o = 0; o < 6; o++)
            assert_true(fabs((double)((const float *)plan_output(p, (size_t)o))[i] - expected[o]) < 1e-5);
    }
    plan_free(p);
    site_edit unknown = {"blocks.9.out", SITE_ADD, patch, NULL};
    assert_int_equal(graph_rewrite(&y, 1, &unknown, 1, &replaced, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "blocks.9.out"));
    graph_free(g);
}

/* Rows outside of the mask keep their bits, whatever the values there; a site edited twice is edited in order. */
static void masked_edits_hold_for_their_rows(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(3, 2)), *values = graph_input(g, "values", TYPE_F32, SHAPE(3, 2));
    node *masks[2] = {graph_input(g, "first", TYPE_U8, SHAPE(3, 1)), graph_input(g, "second", TYPE_U8, SHAPE(3, 1))};
    node *y = op_neg(graph_name(op_identity(x), "here")), *outputs[2] = {y, NULL};
    site_edit edits[] = {{"here", SITE_SCALE, values, masks[0]}, {"here", SITE_ADD, values, masks[1]}};
    assert_int_equal(graph_rewrite(&y, 1, edits, 2, &outputs[1], NULL), STATUS_OK);
    plan *p = plan_of(g, outputs, 2, NULL);
    plan_bind(p, x, (float[]){1, -0.0f, 2, 3, 4, 5});
    plan_bind(p, values, (float[]){NAN, INFINITY, 10, 20, 100, 200});
    plan_bind(p, masks[0], (uint8_t[]){0, 1, 1});
    plan_bind(p, masks[1], (uint8_t[]){0, 0, 1});
    run(p);
    const float *out = plan_output(p, 1), expected[] = {-20, -60, -500, -1200};
    assert_memory_equal(out, plan_output(p, 0), 2 * sizeof(float));
    assert_memory_equal(out + 2, expected, sizeof expected);
    plan_free(p);
    graph_free(g);
}

/* ---- optimisation in the graph ---- */
static void adamw_first_step_has_the_size_of_the_rate(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *w = graph_input(g, "w", TYPE_F32, SHAPE(3)), *m = graph_input(g, "m", TYPE_F32, SHAPE(3));
    node *v = graph_input(g, "v", TYPE_F32, SHAPE(3)), *rates = graph_input(g, "rates", TYPE_F32, SHAPE(4));
    node *loss = op_sum_all(op_mul(op_square(w), graph_constant(g, TYPE_F32, SHAPE(3), (float[]){0.01f, 1, 100}))), *d, *out[4] = {loss};
    assert_true(graph_grad(loss, &w, 1, NULL, &d));
    assert_true(op_adamw(w, m, v, d, rates, (adamw_options){0.9, 0.999, 1e-8, 0}, &out[1], &out[2], &out[3]));
    plan_donation donations[] = {{w, 1}, {m, 2}, {v, 3}};
    plan *p = plan_of(g, out, 4, &(plan_options){.donations = donations, .donation_count = 3});
    float ws[3] = {1, -1, 1}, ms[3] = {0}, vs[3] = {0}, r[4] = {1e-2f, 1 - 0.9f, 1 - 0.999f, 1};
    plan_bind_mutable(p, w, ws);
    plan_bind_mutable(p, m, ms);
    plan_bind_mutable(p, v, vs);
    plan_bind(p, rates, r);
    run(p);
    assert_ptr_equal(plan_output(p, 1), ws);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(fabs((double)ws[i]) - 0.99) < 1e-5);
    for (int t = 2; t < 600; t++) {
        r[1] = 1 - powf(0.9f, (float)t);
        r[2] = 1 - powf(0.999f, (float)t);
        run(p);
    }
    for (int i = 0; i < 3; i++)
        assert_true(fabs((double)ws[i]) < 0.05);
    plan_free(p);
    graph_free(g);
}

/* Two steps of gradient descent on h w^2 / 2 with rate a: dw2/dw0 = (1 - a h)^2, dw2/da = -2 h w0 (1 - a h). */
static void unrolled_descent_is_differentiable(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    double h = 3, w0 = 0.7, a0 = 0.1, values[2];
    node *w = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &w0), *a = graph_constant(g, TYPE_F64, SHAPE_SCALAR, &a0), *x = w;
    for (int i = 0; i < 2; i++) {
        node *loss = op_scale(op_square(x), h / 2), *d;
        assert_true(graph_grad(loss, &x, 1, NULL, &d));
        x = op_sub(x, op_mul(a, d));
    }
    node *wrt[2] = {w, a}, *d[2];
    assert_true(graph_grad(x, wrt, 2, NULL, d));
    plan *p = plan_of(g, d, 2, NULL);
    run(p);
    for (size_t i = 0; i < 2; i++)
        values[i] = *(const double *)plan_output(p, i);
    assert_true(fabs(values[0] - (1 - a0 * h) * (1 - a0 * h)) < 1e-12);
    assert_true(fabs(values[1] + 2 * h * w0 * (1 - a0 * h)) < 1e-12);
    plan_free(p);
    graph_free(g);
}

/* ---- size and failure ---- */
static void hundreds_of_thousands_of_nodes_are_planned(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(4, 4)), *y = x;
    for (int i = 0; i < 25000; i++) /* elementwise nodes, reductions, products, reuse of old values */
        y = i % 5 == 0 ? op_add(op_reduce_sum(y, AXES(0), true), op_tanh(y)) : i % 5 == 1 ? op_matmul(y, x, false, false)
                                                                             : op_mul(op_sin(op_add(y, x)), op_exp(y));
    node *outputs[2] = {y};
    assert_true(graph_grad(op_sum_all(y), &x, 1, NULL, &outputs[1]));
    assert_true(graph_size(g) > 100000);
    clock_t begin = clock();
    plan *p = plan_of(g, outputs, 2, &(plan_options){.reference = true});
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC * 1e5 / (double)graph_size(g);
    printf("%zu nodes: %.2f s of processor time for each 100,000\n", graph_size(g), seconds);
    plan_free(p);
    graph_free(g);
}

static status build_and_run(error *err)
{
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F64, SHAPE(2, 8)), *w = graph_constant(g, TYPE_F64, SHAPE(8, 8), (double[64]){1});
    node *y = op_softmax(op_linear(x, w)), *d = NULL, *loss = op_sum_all(op_mul(y, y));
    bool derived = graph_grad(loss, &x, 1, NULL, &d);
    node *outputs[2] = {loss, d}, *rewritten[2];
    site_edit edit = {"x", SITE_SCALE, g ? graph_scalar(g, TYPE_F64, 2) : NULL, NULL};
    status result = g ? graph_status(g, err) : error_set(err, STATUS_MEMORY, "no graph");
    plan *p = NULL;
    double xs[16] = {0.5};
    if (result == STATUS_OK && derived)
        result = graph_rewrite(outputs, 2, &edit, 1, rewritten, err);
    if (result == STATUS_OK)
        result = plan_new(g, rewritten, 2, &(plan_options){.threads = 1}, &p, err);
    if (result == STATUS_OK) {
        plan_bind(p, x, xs);
        result = plan_run(p, NULL, err);
    }
    plan_free(p);
    graph_free(g);
    return result;
}

/* The products that oneDNN runs, each of its kinds: rows times a weight, sums over tokens, any operands. */
static status build_and_run_products(error *err)
{
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_BF16, SHAPE(40, 64)), *w = graph_input(g, "w", TYPE_BF16, SHAPE(300, 64));
    node *z = graph_input(g, "z", TYPE_F32, SHAPE(2, 70, 16));
    node *y = op_linear(x, w), *squares = op_matmul(z, z, false, true);
    node *of[2] = {x, w}, *outputs[4] = {op_sum_all(op_mul(y, y)), op_sum_all(squares)};
    bool derived = graph_grad(outputs[0], of, 2, NULL, outputs + 2);
    status result = g ? graph_status(g, err) : error_set(err, STATUS_MEMORY, "no graph");
    plan *p = NULL;
    static uint16_t xs[40 * 64], ws[300 * 64];
    static float zs[2 * 70 * 16];
    if (result == STATUS_OK && derived)
        result = plan_new(g, outputs, 4, &(plan_options){.threads = 3}, &p, err);
    if (result == STATUS_OK) {
        plan_bind(p, x, xs);
        plan_bind(p, w, ws);
        plan_bind(p, z, zs);
        result = plan_run(p, NULL, err);
    }
    plan_free(p);
    graph_free(g);
    return result;
}

static bool descend(void *context, int64_t step, node *const *state, node **next)
{
    node *rate = context, *w = state[0], *dw;
    (void)step;
    if (!graph_grad(op_sum_all(op_log_softmax(op_tanh(w))), &w, 1, NULL, &dw))
        return false;
    next[0] = op_sub(w, op_mul(rate, dw));
    return next[0] != NULL;
}

/* A loop with checkpoints, its gradient for several examples, and a Laplacian. */
static status build_and_run_transforms(error *err)
{
    graph *g = graph_new(NULL);
    node *w = graph_input(g, "w", TYPE_F64, SHAPE(3)), *many = graph_input(g, "many", TYPE_F64, SHAPE(2, 3));
    node *rate = graph_scalar(g, TYPE_F64, 0.1), *end = NULL, *d = NULL, *outputs[2] = {NULL};
    bool good = graph_scan(g, 3, 2, descend, rate, &w, 1, &end) && graph_grad(op_sum_all(op_square(end)), &w, 1, NULL, &d) &&
                graph_vmap(&d, 1, &w, &many, 1, &outputs[0]) && graph_laplacian(&end, 1, w, NULL, &outputs[1]);
    status result = g ? graph_status(g, err) : error_set(err, STATUS_MEMORY, "no graph");
    plan *p = NULL;
    double ws[3] = {0.5, -1, 2}, manys[6] = {1, 2, 3, 4, 5, 6};
    if (result == STATUS_OK && !good)
        result = error_set(err, STATUS_USAGE, "a transform failed and the graph does not know");
    if (result == STATUS_OK)
        result = plan_new(g, outputs, 2, &(plan_options){.threads = 1}, &p, err);
    if (result == STATUS_OK) {
        plan_bind(p, w, ws);
        plan_bind(p, many, manys);
        result = plan_run(p, NULL, err);
    }
    plan_free(p);
    graph_free(g);
    return result;
}

static void each_allocation_fails(status (*build)(error *err))
{
    for (unsigned long n = 1; n < 100000; n++) {
        error err = {0};
        memory_fail_at(n);
        status result = build(&err);
        unsigned long used = memory_count();
        memory_fail_at(0);
        if (used < n) {
            assert_int_equal(result, STATUS_OK);
            assert_true(n > 5);
            return;
        }
        if (result != STATUS_MEMORY)
            fail_msg("allocation %lu failed: status %d, %s", n, (int)result, err.message);
    }
    fail_msg("it never ran");
}

static void every_failing_allocation_is_reported(void **state)
{
    (void)state;
    each_allocation_fails(build_and_run);
    each_allocation_fails(build_and_run_products);
    each_allocation_fails(build_and_run_transforms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_nodes_are_computed_once),
        cmocka_unit_test(chains_are_one_step),
        cmocka_unit_test(donated_buffers_hold_the_new_values),
        cmocka_unit_test(donated_buffers_can_change_places),
        cmocka_unit_test(a_broadcast_reader_keeps_the_old_value),
        cmocka_unit_test(frozen_inputs_are_used_once),
        cmocka_unit_test(limits_and_missing_inputs_are_refused),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(sites_are_read_and_changed),
        cmocka_unit_test(masked_edits_hold_for_their_rows),
        cmocka_unit_test(adamw_first_step_has_the_size_of_the_rate),
        cmocka_unit_test(unrolled_descent_is_differentiable),
        cmocka_unit_test(hundreds_of_thousands_of_nodes_are_planned),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
