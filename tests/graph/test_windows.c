/* Convolutions and pools by hand: one dimension, the whole image, and what a batch or a thread must not change. */
#include "graph/ops.h"
#include "graph/plan.h"

#include "core/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The elements of one output in f32, made by so many threads. */
static const float *evaluate(plan **p, graph *g, node *y, size_t threads)
{
    thread_pool *pool;
    error err = {0};
    assert_int_equal(thread_pool_new(threads, &pool, &err), STATUS_OK);
    if (plan_new(g, &y, 1, &(plan_options){.threads = threads}, p, &err) != STATUS_OK || plan_run(*p, pool, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    thread_pool_free(pool);
    return plan_output(*p, 0);
}

static void expect(graph *g, node *y, const float *expected, size_t count)
{
    plan *p;
    const float *found = evaluate(&p, g, y, 1);
    assert_int_equal(shape_count(y->shape), count);
    for (size_t i = 0; i < count; i++)
        if (fabs((double)(found[i] - expected[i])) > 1e-5)
            fail_msg("element %zu: expected %g, found %g", i, (double)expected[i], (double)found[i]);
    plan_free(p);
}

static node *numbers(graph *g, shape s, const float *values)
{
    return graph_constant(g, TYPE_F32, s, values);
}

/* (1, 2, 3, 4) with (1, 0, -1): differences; with zeros around; every second; with holes. */
static void one_dimension_by_hand(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = numbers(g, SHAPE(1, 4, 1), (float[]){1, 2, 3, 4}), *w = numbers(g, SHAPE(1, 1, 3), (float[]){1, 0, -1});
    expect(g, op_conv_1d(x, w, 1, (window_options){{0}, {0}, {0}, {0}}), (float[]){-2, -2}, 2);
    expect(g, op_conv_1d(x, w, 1, (window_options){.before = {1}, .after = {1}}), (float[]){-2, -2, -2, 3}, 4);
    expect(g, op_conv_1d(x, w, 1, (window_options){.stride = {2}, .before = {1}, .after = {1}}), (float[]){-2, -2}, 2);
    expect(g, op_conv_1d(x, w, 1, (window_options){.dilation = {2}, .before = {2}, .after = {2}}), (float[]){-3, -4, 1, 2}, 4);
    graph_free(g);
}

/* A weight as large as the image is a scalar product; its gradient is the image, and the image's is the weight. */
static void a_window_as_large_as_the_image(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    static const float image[8] = {1, 10, 2, 20, 3, 30, 4, 40}; /* [1, 2, 2, 2]: channels last */
    static const float weight[8] = {1, 2, 3, 4, 5, 6, 7, 8};    /* [1, 2, 2, 2]: channels second */
    node *x = numbers(g, SHAPE(1, 2, 2, 2), image), *w = numbers(g, SHAPE(1, 2, 2, 2), weight), *d[2];
    node *y = op_conv(x, w, 1, (window_options){{0}, {0}, {0}, {0}});
    expect(g, y, (float[]){1 + 4 + 9 + 16 + 10 * (5 + 12 + 21 + 32)}, 1);
    assert_true(graph_grad(y, (node *[]){x, w}, 2, NULL, d));
    expect(g, d[0], (float[]){1, 5, 2, 6, 3, 7, 4, 8}, 8);
    expect(g, d[1], (float[]){1, 2, 3, 4, 10, 20, 30, 40}, 8);
    graph_free(g);
}

static void pools_by_hand(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    static const int64_t two[2] = {2, 2};
    node *x = numbers(g, SHAPE(1, 2, 3, 1), (float[]){1, 5, -2, 5, 3, -1}), *d;
    window_options wide = {.stride = {2, 2}, .after = {0, 1}};
    node *y = op_max_pool(x, two, wide);
    expect(g, y, (float[]){5, -1}, 2); /* what lies beyond the image is nothing, not 0 */
    assert_true(graph_grad(y, &x, 1, numbers(g, SHAPE(1, 1, 2, 1), (float[]){4, 7}), &d));
    expect(g, d, (float[]){0, 2, 0, 2, 0, 7}, 6); /* ties share */
    expect(g, op_average_pool(x, two, wide), (float[]){3.5F, -0.75F}, 2);
    graph_free(g);
}

static node *drawn(graph *g, shape s, uint64_t which)
{
    random_stream r = random_stream_at(3, "test/windows", which, 0, 0, 0);
    size_t n = (size_t)shape_count(s);
    float values[4096];
    assert_true(n <= COUNT_OF(values));
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(random_uniform(&r) * 2 - 1);
    return graph_constant(g, TYPE_F32, s, values);
}

/* Image 5 of 37 has the bits that it has alone; gradients of weights have the same bits for any threads. */
static void other_images_and_threads_change_no_bits(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = drawn(g, SHAPE(37, 6, 5, 3), 1), *w = drawn(g, SHAPE(7, 3, 3, 3), 2), *d;
    window_options o = {.before = {1, 1}, .after = {1, 1}};
    node *all = op_conv(x, w, 1, o), *alone = op_conv(op_slice(x, 0, 5, 6), w, 1, o);
    assert_true(graph_grad(all, &w, 1, NULL, &d));
    plan *p, *q;
    const float *many = evaluate(&p, g, all, 3), *one = evaluate(&q, g, alone, 1);
    assert_memory_equal(many + 5 * 6 * 5 * 7, one, 6 * 5 * 7 * sizeof(float));
    plan_free(p);
    plan_free(q);
    const float *first = evaluate(&p, g, d, 1), *second = evaluate(&q, g, d, 3);
    assert_memory_equal(first, second, 7 * 3 * 3 * 3 * sizeof(float));
    plan_free(p);
    plan_free(q);
    graph_free(g);
}

/* A convolution and its gradients are steps of their own, run by what oneDNN calls fast; and two of one shape share it. */
static void convolutions_are_onednns(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(4, 9, 9, 16)), *w = graph_input(g, "w", TYPE_F32, SHAPE(16, 16, 3, 3)), *outputs[3];
    window_options o = {.before = {1, 1}, .after = {1, 1}};
    outputs[0] = op_conv(op_conv(x, w, 1, o), w, 1, o);
    assert_true(graph_grad(outputs[0], (node *[]){x, w}, 2, NULL, outputs + 1));
    plan *p;
    error err = {0};
    if (plan_new(g, outputs, 3, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    plan_step_profile steps[64];
    size_t count = plan_profile(p, steps, COUNT_OF(steps)), found[3] = {0};
    static const char *const names[] = {"conv", "conv_input_grad", "conv_weight_grad"};
    const char *chosen[3] = {NULL};
    assert_in_range(count, 1, COUNT_OF(steps));
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(steps[i].name, "windows"); /* what a convolution is lowered to */
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            if (strcmp(steps[i].name, names[k]) != 0)
                continue;
            assert_non_null(steps[i].implementation);
            assert_true(strncmp(steps[i].implementation, "jit", 3) == 0 || strncmp(steps[i].implementation, "brg", 3) == 0 ||
                        strncmp(steps[i].implementation, "gemm", 4) == 0);
            assert_true(!chosen[k] || chosen[k] == steps[i].implementation);
            chosen[k] = steps[i].implementation;
            found[k]++;
        }
    }
    for (size_t k = 0; k < COUNT_OF(names); k++)
        assert_int_equal(found[k], 2);
    assert_int_equal(plan_counts_of(p).convolutions, 3); /* of six steps: none is made twice */
    plan_free(p);
    node *other = op_conv(op_scale(x, 2), w, 1, (window_options){.before = {1, 1}, .after = {1, 1}, .dilation = {2, 2}});
    if (plan_new(g, (node *[]){outputs[0], other}, 2, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(plan_counts_of(p).convolutions, 2); /* other windows are another one */
    plan_free(p);
    assert_int_equal(plan_new(g, outputs, 3, &(plan_options){.reference = true}, &p, &err), STATUS_OK);
    assert_int_equal(plan_counts_of(p).convolutions, 0);
    plan_free(p);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dimension_by_hand),
        cmocka_unit_test(a_window_as_large_as_the_image),
        cmocka_unit_test(pools_by_hand),
        cmocka_unit_test(other_images_and_threads_change_no_bits),
        cmocka_unit_test(convolutions_are_onednns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
