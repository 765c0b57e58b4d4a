/* Reductions in groups of elementwise nodes: the bits of reductions from memory, over types, shapes, threads and in reference
 * plans; that they are there at all (counted); and that groups with reductions move past no reader and overwrite no source. */
#include "graph/composite.h"
#include "graph/ops.h"
#include "plans.h"

#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUTS = 6 };

static thread_pool *two;

/* Numbers of both signs with zeros of both signs; some infinite or none at all where `odd`. */
static node *numbers(graph *g, element_type type, shape s, uint64_t seed, bool odd)
{
    random_stream r = random_stream_at(seed, "tests/group_sums", 0, 0, 0, 0);
    size_t n = (size_t)shape_count(s);
    float *values = malloc((n + 1) * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++) {
        double u = random_uniform(&r);
        values[i] = u < 0.05 ? -0.0F : u < 0.1 ? 0 : (float)(4 * u - 2);
        if (odd && i % 997 == 500)
            values[i] = i % 2 ? NAN : -INFINITY;
    }
    node *x = op_cast(graph_constant(g, TYPE_F32, s, values), type);
    free(values);
    return x;
}

static size_t bytes_of(const node *n)
{
    return (size_t)shape_count(n->shape) * element_size((element_type)n->type);
}

static void copy_outputs(plan *p, thread_pool *pool, node *const *outputs, size_t count, unsigned char *bytes)
{
    error err = {0};
    for (int i = 0; i < 2; i++) /* the second must not depend on what the first left behind */
        if (plan_run(p, pool, &err) != STATUS_OK)
            fail_msg("%s", err.message);
    for (size_t o = 0; o < count; o++) {
        size_t n = bytes_of(outputs[o]);
        if (n)
            memcpy(bytes, plan_output(p, o), n);
        bytes += n;
    }
}

/* Demands equal bytes of the plan with groups and of that without, on one thread and on two; returns the reductions in groups. */
static size_t same_bits(graph *g, node *const *outputs, size_t count, bool reference, const char *what)
{
    size_t bytes = 0, found = 0;
    for (size_t o = 0; o < count; o++)
        bytes += bytes_of(outputs[o]);
    unsigned char *expected = calloc(bytes + 1, 1), *seen = calloc(bytes + 1, 1);
    assert_true(expected && seen);
    for (int way = 0; way < 3; way++) { /* apart, on one thread, on two */
        plan *p = plan_of(g, outputs, count, &(plan_options){.threads = 2, .reference = reference, .unfused = way == 0});
        copy_outputs(p, way == 2 ? two : NULL, outputs, count, way ? seen : expected);
        plan_counts c = plan_counts_of(p);
        assert_int_equal(c.nodes, c.leaves + c.merged + c.views + c.absorbed + c.computed);
        assert_true(way || c.reductions == 0);
        found = c.reductions;
        plan_free(p);
        if (way && memcmp(seen, expected, bytes) != 0)
            fail_msg("%s%s: other bits in groups, on %d threads", what, reference ? ", reference" : "", way);
    }
    free(expected);
    free(seen);
    return found;
}

/* ---- shapes ---- */
typedef struct sum_case {
    shape s;
    axes reduced;
    shape wide; /* of what is stretched beside it; rank 0: a scalar */
    bool apart; /* the reductions are not made in a group */
} sum_case;

static const sum_case cases[] = {
    {{2, {1000, 50}}, {1, {1}}, {1, {50}}, false},            /* rows within a block */
    {{2, {300, 2048}}, {1, {1}}, {1, {2048}}, false},         /* .. as long as one */
    {{2, {40, 2049}}, {1, {1}}, {1, {2049}}, false},          /* .. and longer */
    {{2, {3, 5000}}, {1, {1}}, {2, {3, 1}}, false},
    {{2, {2, 40000}}, {1, {1}}, {1, {40000}}, false},         /* rows in parts */
    {{1, {100003}}, {1, {0}}, {0, {0}}, false},
    {{2, {10001, 10}}, {2, {0, 1}}, {1, {10}}, false},        /* a period that no block is a multiple of */
    {{3, {401, 5, 37}}, {3, {0, 1, 2}}, {2, {5, 37}}, false},
    {{2, {5000, 7}}, {1, {0}}, {1, {7}}, false},              /* columns */
    {{2, {70, 1500}}, {1, {0}}, {1, {1500}}, false},
    {{2, {10, 3001}}, {1, {0}}, {1, {3001}}, false},          /* .. more than a block has */
    {{2, {257, 2100}}, {1, {0}}, {2, {257, 1}}, false},
    {{2, {3, 9000}}, {1, {0}}, {2, {3, 1}}, true},            /* .. and than is worth it */
    {{3, {9, 300, 33}}, {1, {1}}, {2, {300, 33}}, false},
    {{4, {7, 11, 13, 17}}, {2, {1, 2}}, {1, {17}}, false},
    {{4, {7, 11, 13, 17}}, {2, {0, 2}}, {4, {7, 1, 13, 1}}, false}, /* two passes */
    {{4, {7, 11, 13, 17}}, {3, {0, 2, 3}}, {1, {17}}, false},
    {{4, {30, 2, 40, 11}}, {2, {1, 3}}, {1, {11}}, false},
    {{3, {4, 1, 6}}, {1, {1}}, {1, {6}}, false},              /* nothing to add */
    {{1, {1}}, {1, {0}}, {0, {0}}, false},
    {{2, {0, 5}}, {1, {0}}, {1, {5}}, true},                  /* sums of nothing */
    {{2, {5, 0}}, {1, {0}}, {1, {0}}, true},
};

/* Values alone in the group, values that others read too, and a second and third reduction beside the first. */
static size_t build_case(graph *g, const sum_case *c, element_type type, int way, bool odd, node **outputs)
{
    node *x = numbers(g, type, c->s, 1, odd), *wide = numbers(g, type, c->wide, 2, false), *t = numbers(g, type, c->s, 3, false);
    node *y = op_mul(op_add(x, wide), op_sub(x, t));
    size_t count = 0;
    outputs[count++] = op_reduce_sum(y, c->reduced, way & 1);
    if (way & 1)
        outputs[count++] = op_reduce_max(op_mul(y, wide), c->reduced, false);
    if (way & 2) {
        outputs[count++] = y;
        outputs[count++] = op_reduce_sum(op_reshape(op_neg(y), c->s), c->reduced, false);
    }
    return count;
}

static void sums_have_the_bits_of_sums_from_memory(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++)
        for (element_type type = TYPE_F64; type <= TYPE_BF16; type++)
            for (int way = 0; way < 8; way++) {
                graph *g = graph_new(NULL);
                node *outputs[OUTPUTS];
                char what[80];
                size_t count = build_case(g, &cases[k], type, way & 3, way & 4, outputs);
                snprintf(what, sizeof what, "case %zu, %s, way %d", k, element_word(type), way);
                size_t found = same_bits(g, outputs, count, false, what);
                /* The inputs are constants, so that all is computed once, but in groups too; way 1 has readers that may prevent it. */
                if (type == TYPE_F32 && (way & 3) != 1 && (found == 0) != cases[k].apart)
                    fail_msg("%s: %zu reductions in groups", what, found);
                if (shape_count(cases[k].s) < 20000 && way < 4)
                    same_bits(g, outputs, count, true, what);
                graph_free(g);
            }
}

static void integers_are_summed_in_groups(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{300, 7}, {3, 7000}, {10, 3000}};
    for (size_t k = 0; k < COUNT_OF(sizes); k++)
        for (int axis = 0; axis < 2; axis++) {
            graph *g = graph_new(NULL);
            shape s = SHAPE(sizes[k][0], sizes[k][1]);
            node *x = op_cast(op_scale(numbers(g, TYPE_F32, s, 4, false), 1000), TYPE_I32), *y = op_mul(x, op_add(x, x));
            node *outputs[] = {op_reduce_sum(y, AXES(axis), false), op_reduce_max(op_mul(x, x), AXES(axis), false)};
            assert_int_equal(same_bits(g, outputs, 2, false, "integers"), 2);
            graph_free(g);
        }
}

/* Against a plain loop; whole numbers, whose sums are exact. */
static void sums_are_right(void **state)
{
    (void)state;
    enum { ROWS = 700, COLUMNS = 31 };
    static float xs[ROWS * COLUMNS], bias[COLUMNS];
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(ROWS, COLUMNS)), *b = graph_input(g, "b", TYPE_F32, SHAPE(COLUMNS));
    node *outputs[3], *y;
    for (int k = 0; k < 3; k++) {
        y = op_sub(op_scale(x, k + 2), b); /* each of its own, so that each is reduced in one group */
        outputs[k] = op_reduce_sum(y, k == 0 ? AXES(0) : k == 1 ? AXES(1) : AXES(0, 1), false);
    }
    for (int i = 0; i < ROWS * COLUMNS; i++)
        xs[i] = (float)(i * 31 % 13 - 4);
    for (int j = 0; j < COLUMNS; j++)
        bias[j] = (float)(j % 5);
    plan *p = plan_of(g, outputs, 3, NULL);
    assert_int_equal(plan_counts_of(p).reductions, 3);
    plan_bind(p, x, xs);
    plan_bind(p, b, bias);
    run(p);
    double columns[COLUMNS] = {0}, all = 0;
    for (int i = 0; i < ROWS; i++) {
        double row = 0;
        for (int j = 0; j < COLUMNS; j++) {
            double v = (double)xs[i * COLUMNS + j], w = (double)bias[j];
            columns[j] += 2 * v - w;
            row += 3 * v - w;
            all += 4 * v - w;
        }
        assert_true((double)((const float *)plan_output(p, 1))[i] == row);
    }
    for (int j = 0; j < COLUMNS; j++)
        assert_true((double)((const float *)plan_output(p, 0))[j] == columns[j]);
    assert_true((double)*(const float *)plan_output(p, 2) == all);
    plan_free(p);
    graph_free(g);
}

/* ---- counts ---- */

/* A loss over a million elements: one step, and nothing of that size is stored. */
static void a_loss_stores_no_intermediate(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    enum { N = 1 << 20 };
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(N)), *t = graph_input(g, "t", TYPE_F32, SHAPE(N));
    node *loss = op_reduce_mean(op_square(op_sub(op_tanh(x), t)), AXES(0), false);
    plan *p = plan_of(g, &loss, 1, &(plan_options){.threads = 2});
    plan *apart = plan_of(g, &loss, 1, &(plan_options){.threads = 2, .unfused = true});
    plan_counts c = plan_counts_of(p), d = plan_counts_of(apart);
    assert_int_equal(c.steps, 2); /* the sum, and its quotient */
    assert_int_equal(c.reductions, 1);
    assert_true(c.slab_bytes < 4096);
    assert_true(d.slab_bytes >= N * sizeof(float));
    assert_true(plan_peak_bytes(p) < N * sizeof(float) / 4);
    plan_free(p);
    plan_free(apart);
    graph_free(g);
}

/* Mean and variance of rows, with gains: x is read where it lies, and only the result is stored. */
static void a_normalisation_of_rows_stores_no_squares(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    enum { ROWS = 512, WIDTH = 256 };
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(ROWS, WIDTH));
    node *mean = op_reduce_mean(op_scale(x, 2), AXES(1), true), *c = op_sub(op_scale(x, 2), mean);
    node *y = op_mul(c, op_rsqrt(op_shift(op_reduce_mean(op_square(c), AXES(1), true), 1e-5)));
    plan *p = plan_of(g, &y, 1, &(plan_options){.threads = 1});
    plan *apart = plan_of(g, &y, 1, &(plan_options){.threads = 1, .unfused = true});
    plan_counts counts = plan_counts_of(p);
    assert_int_equal(counts.reductions, 2);
    assert_int_equal(counts.steps, 5); /* sums; means; squares summed; their roots; the result */
    /* The scaled x and the centred one are read by later groups; the squares are not. */
    assert_true(counts.slab_bytes < 2 * ROWS * WIDTH * sizeof(float) + 4 * ROWS * sizeof(float) + 1024);
    assert_true(plan_counts_of(apart).slab_bytes >= 3 * ROWS * WIDTH * sizeof(float) || plan_steps(apart) > plan_steps(p) + 3);
    plan_free(p);
    plan_free(apart);
    graph_free(g);
}

/* A product reads the values before the sum does: the sum is made where they are, and reads nothing from memory. */
static void sums_join_groups_that_others_have_read(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = numbers(g, TYPE_F32, SHAPE(200, 64), 5, false), *w = graph_input(g, "w", TYPE_F32, SHAPE(32, 64));
    node *y = op_tanh(op_mul(x, graph_input(g, "s", TYPE_F32, SHAPE(64))));
    node *outputs[2] = {op_linear(y, w)};
    outputs[1] = op_reduce_sum(y, AXES(0), false);
    plan *p = plan_of(g, outputs, 2, &(plan_options){.threads = 1, .profile = true});
    plan_step_profile steps[16];
    size_t count = plan_profile(p, steps, COUNT_OF(steps)), with = 0;
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(steps[i].name, "reduce_sum");
        if (!steps[i].members)
            continue;
        with++;
        assert_string_equal(steps[i].members, "mul tanh reduce_sum");
        assert_int_equal(steps[i].read, (200 * 64 + 64) * sizeof(float));
        assert_int_equal(steps[i].written, (200 * 64 + 64) * sizeof(float)); /* the product reads y */
    }
    assert_int_equal(with, 1);
    plan_free(p);
    graph_free(g);
}

/* Sums of long rows into columns join where that saves the storing; where others read the values too, it would cost more. */
static void wide_columns_join_where_nobody_else_reads(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++)
        for (int64_t width = 512; width <= 2048; width *= 4) {
            graph *g = graph_new(NULL);
            node *y = op_tanh(numbers(g, TYPE_F32, SHAPE(272, width), 9, false));
            node *outputs[] = {op_reduce_sum(y, AXES(0), false), y};
            assert_int_equal(same_bits(g, outputs, kept ? 2 : 1, false, "columns"), !kept || width == 512);
            graph_free(g);
        }
}

/* ---- what may not be ---- */

/* A sum lies over the input whose elements the group still reads behind it. */
static void a_sum_overwrites_no_source_of_its_group(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    enum { N = 5000 };
    static float xs[N];
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(N, 1)), *y = op_neg(x);
    node *outputs[2] = {op_reduce_sum(y, AXES(1), true)};
    outputs[1] = op_add(y, op_scale(x, 3)); /* which is read behind the sum */
    plan_donation donation = {x, 0};
    plan *p = plan_of(g, outputs, 2, &(plan_options){.threads = 1, .donations = &donation, .donation_count = 1});
    assert_int_equal(plan_counts_of(p).reductions, 1);
    for (int i = 0; i < N; i++)
        xs[i] = (float)(i % 100);
    plan_bind_mutable(p, x, xs);
    run(p);
    for (int i = 0; i < N; i++) {
        float v = (float)(i % 100);
        assert_true(xs[i] == -v);
        assert_true(((const float *)plan_output(p, 1))[i] == 2 * v);
    }
    plan_free(p);
    graph_free(g);
}

/* The values of a group over a donated source, and their sum beside them. */
static void values_over_a_source_are_summed(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    enum { N = 50000 };
    static float xs[N];
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(N)), *outputs[2] = {op_shift(op_scale(x, 2), 1)};
    outputs[1] = op_reduce_sum(op_sub(outputs[0], x), AXES(0), false); /* x + 1 */
    plan_donation donation = {x, 0};
    plan *p = plan_of(g, outputs, 2, &(plan_options){.threads = 2, .donations = &donation, .donation_count = 1});
    plan_counts c = plan_counts_of(p);
    assert_int_equal(c.reductions, 1);
    assert_int_equal(c.in_place, 1);
    double sum = 0;
    for (int i = 0; i < N; i++) {
        xs[i] = (float)(i % 10);
        sum += i % 10 + 1;
    }
    plan_bind_mutable(p, x, xs);
    run(p);
    assert_true((double)*(const float *)plan_output(p, 1) == sum);
    for (int i = 0; i < N; i++)
        assert_true(xs[i] == (float)(2 * (i % 10) + 1));
    plan_free(p);
    graph_free(g);
}

/* A sum along an axis of one place has as many elements as its source, and still stands outside of the group. */
static void a_sum_of_as_many_elements_is_read_from_outside(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *y = op_neg(numbers(g, TYPE_F32, SHAPE(3000, 1), 6, false)), *sum = op_reduce_sum(y, AXES(1), true);
    node *outputs[] = {op_add(op_tanh(sum), y), op_reduce_sum(op_exp(sum), AXES(0), false)};
    assert_int_equal(same_bits(g, outputs, 2, false, "an axis of one place"), 2);
    graph_free(g);
}

/* Groups whose sums go different ways stay apart, whoever reads both; those whose sums go one way become one. */
static void groups_with_sums_meet(void **state)
{
    (void)state;
    for (int axis = 0; axis < 2; axis++) {
        graph *g = graph_new(NULL);
        node *a = op_tanh(numbers(g, TYPE_F32, SHAPE(90, 110), 7, false)), *b = op_exp(numbers(g, TYPE_F32, SHAPE(90, 110), 8, false));
        node *outputs[] = {op_reduce_sum(a, AXES(0), false), op_reduce_sum(b, AXES(axis), false), op_mul(a, b)};
        assert_int_equal(same_bits(g, outputs, 3, false, "two groups with sums"), 2);
        plan *p = plan_of(g, outputs, 3, NULL);
        assert_int_equal(plan_counts_of(p).groups, axis ? 2 : 1);
        plan_free(p);
        graph_free(g);
    }
}

/* What is held back by a token is not summed before its time, though its values were there. */
static void sums_wait_for_their_token(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(100, 4)), *y = op_tanh(x), *token = op_linear(y, graph_input(g, "w", TYPE_F32, SHAPE(4, 4)));
    node *outputs[2] = {token, op_reduce_sum(op_reshape(op_after(y, token), SHAPE(400)), AXES(0), false)};
    plan *p = plan_of(g, outputs, 2, &(plan_options){.threads = 1, .profile = true});
    plan_step_profile steps[8];
    size_t count = plan_profile(p, steps, COUNT_OF(steps));
    assert_int_equal(plan_counts_of(p).reductions, 0);
    assert_string_equal(steps[count - 1].name, "reduce_sum");
    plan_free(p);
    graph_free(g);
}

/* A sum that is a token and that nobody reads. */
static void sums_may_be_tokens_alone(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = numbers(g, TYPE_F32, SHAPE(30, 40), 7, false), *y = op_tanh(op_add(x, op_exp(x)));
    node *outputs[2] = {y, op_neg(op_after(x, op_reduce_sum(y, AXES(0, 1), false)))};
    plan *p = plan_of(g, outputs, 2, &(plan_options){.threads = 1});
    run(p);
    plan_free(p);
    graph_free(g);
}

/* ---- graphs by lot ---- */
enum { ROWS = 37, COLUMNS = 70, VALUES = 28 };

static node *drawn_node(random_stream *r, node **values, size_t count)
{
    node *a = values[random_below(r, count)], *b = values[random_below(r, count)];
    shape s = a->shape, flat = SHAPE(s.size[0] * s.size[1]);
    switch (random_below(r, 9)) {
    case 0:
        return op_add(a, b);
    case 1:
        return op_mul(op_tanh(a), b);
    case 2:
        return op_sub(a, op_reduce_sum(op_scale(a, 0.01), AXES(0), true));
    case 3:
        return op_sub(a, op_reduce_max(b, AXES(1), true));
    case 4:
        return op_add(a, op_reshape(op_reduce_mean(op_reshape(b, flat), AXES(0), false), SHAPE(1, 1)));
    case 5:
        return op_scale(op_matmul(op_matmul(a, b, false, true), a, false, false), 0.01);
    case 6:
        return op_mul(b, op_reduce_sum(op_mul(a, a), AXES(0, 1), true));
    case 7:
        return op_after(op_neg(a), b);
    default:
        return op_tanh(op_sub(a, b));
    }
}

static void graphs_by_lot_keep_their_bits(void **state)
{
    (void)state;
    size_t found = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_stream r = random_stream_at(seed, "tests/group_sums/graphs", 0, 0, 0, 0);
        graph *g = graph_new(NULL);
        node *values[VALUES], *outputs[OUTPUTS];
        size_t count = 2;
        for (size_t i = 0; i < count; i++)
            values[i] = numbers(g, TYPE_F32, SHAPE(ROWS, COLUMNS), 2 * seed + i, false);
        while (count < VALUES) {
            values[count] = op_tanh(drawn_node(&r, values, count));
            assert_non_null(values[count]);
            count++;
        }
        for (size_t o = 0; o < OUTPUTS; o++) {
            node *y = values[count - 1 - random_below(&r, count)];
            outputs[o] = o % 2 ? op_reduce_sum(y, o % 3 ? AXES(0) : AXES(1), false) : y;
        }
        char what[32];
        snprintf(what, sizeof what, "graph %d", (int)seed);
        found += same_bits(g, outputs, OUTPUTS, seed % 4 == 0, what);
        graph_free(g);
    }
    assert_true(found > 1000);
}

static int make_pool(void **state)
{
    (void)state;
    return thread_pool_new(2, &two, NULL) == STATUS_OK ? 0 : -1;
}

static int free_pool(void **state)
{
    (void)state;
    thread_pool_free(two);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_have_the_bits_of_sums_from_memory),
        cmocka_unit_test(integers_are_summed_in_groups),
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(a_loss_stores_no_intermediate),
        cmocka_unit_test(a_normalisation_of_rows_stores_no_squares),
        cmocka_unit_test(sums_join_groups_that_others_have_read),
        cmocka_unit_test(wide_columns_join_where_nobody_else_reads),
        cmocka_unit_test(a_sum_overwrites_no_source_of_its_group),
        cmocka_unit_test(values_over_a_source_are_summed),
        cmocka_unit_test(a_sum_of_as_many_elements_is_read_from_outside),
        cmocka_unit_test(groups_with_sums_meet),
        cmocka_unit_test(sums_wait_for_their_token),
        cmocka_unit_test(sums_may_be_tokens_alone),
        cmocka_unit_test(graphs_by_lot_keep_their_bits),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
