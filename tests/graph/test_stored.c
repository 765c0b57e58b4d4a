/* Weights in storage formats as inputs of graphs: products and rows read blocks, nothing else does; the reference expands. */
#include "core/random.h"
#include "graph/ops.h"
#include "graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

enum { K = 256, N = 40, T = 9 };

typedef struct setting {
    arena *a;
    graph *g;
    uint8_t *blocks;
    float *values;   /* of the weight */
    float *x;
    uint16_t *half_x;
} setting;

static setting setting_of(quant_format f)
{
    setting s = {.a = arena_new(NULL)};
    size_t row;
    s.g = graph_new(s.a);
    assert_int_equal(quant_row_bytes(f, K, &row, NULL), STATUS_OK);
    s.blocks = arena_alloc(s.a, N * row);
    s.values = ARENA_ARRAY(s.a, float, N * K);
    s.x = ARENA_ARRAY(s.a, float, T * K);
    s.half_x = ARENA_ARRAY(s.a, uint16_t, T * K);
    random_stream r = random_stream_at(11, "test/stored", (uint64_t)f, 0, 0, 0);
    for (size_t i = 0; i < N * K; i++)
        s.values[i] = (float)random_normal(&r) * 0.1f;
    if (!quant_store(f, N * K, s.values, s.blocks)) /* formats that are only read: any bytes, with scales of about 2^-7 */
        for (size_t i = 0; i < N * row; i++)
            s.blocks[i] = i % row == 1 || i % row == 3 || i % row == 209 ? 0x20 : (uint8_t)random_u64(&r);
    quant_expand(f, N * K, s.blocks, s.values);
    for (size_t i = 0; i < T * K; i++) {
        s.half_x[i] = bf16_from_f32((float)random_normal(&r));
        s.x[i] = bf16_to_f32(s.half_x[i]);
    }
    return s;
}

static plan *plan_of(setting *s, node *y, const plan_options *o)
{
    plan *p;
    error err;
    if (plan_new(s->g, &y, 1, o, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

static void run(plan *p)
{
    error err;
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

/* Within the rounding of rows to 8 bits, of the exact product. */
static void assert_product(const setting *s, quant_format f, const float *y, double extra)
{
    for (size_t i = 0; i < T * N; i++) {
        double sum = 0, bound = 0, size = 0;
        for (size_t j = 0; j < K; j += 32) {
            double most = 0, weights = 0;
            for (size_t k = j; k < j + 32; k++) {
                double x = (double)s->x[i / N * K + k], w = (double)s->values[i % N * K + k];
                sum += x * w;
                size += fabs(x * w);
                most = fmax(most, fabs(x));
                weights += fabs(w);
            }
            bound += most / 254 * weights;
        }
        bound = (f == QUANT_F16 ? 0 : 1.001 * bound) + 1e-5 * size + extra * fabs(sum);
        if (!(fabs((double)y[i] - sum) <= bound))
            fail_msg("%s: element %zu is %g, not %g within %g", quant_name(f), i, (double)y[i], sum, bound);
    }
}

static void products_read_blocks(void **state)
{
    (void)state;
    for (int f = QUANT_PLAIN + 1; f < QUANT_COUNT; f++)
        for (int frozen = 0; frozen < 2; frozen++)
            for (int half = 0; half < 2; half++) {
                setting s = setting_of((quant_format)f);
                node *x = graph_input(s.g, "x", half ? TYPE_BF16 : TYPE_F32, SHAPE(T, K));
                node *w = graph_input_stored(s.g, "w", TYPE_F32, SHAPE(N, K), (quant_format)f);
                plan *p = plan_of(&s, op_linear_as(x, w, TYPE_F32), &(plan_options){.frozen = &w, .frozen_count = (size_t)frozen});
                plan_bind(p, x, half ? (const void *)s.half_x : s.x);
                plan_bind(p, w, s.blocks);
                run(p);
                run(p);
                assert_product(&s, (quant_format)f, plan_output(p, 0), 0);
                plan_free(p);
                arena_free(s.a);
            }
}

/* The table of tokens and the head of a model may be one weight. */
static void rows_and_products_share_a_weight(void **state)
{
    (void)state;
    static const int32_t index[T] = {0, 39, -1, 7, 40, 7, 12, 1 << 30, 3};
    for (int f = QUANT_PLAIN + 1; f < QUANT_COUNT; f++) {
        setting s = setting_of((quant_format)f);
        node *ids = graph_input(s.g, "ids", TYPE_I32, SHAPE(T)), *x = graph_input(s.g, "x", TYPE_F32, SHAPE(T, K));
        node *w = graph_input_stored(s.g, "w", TYPE_F32, SHAPE(N, K), (quant_format)f);
        node *outputs[] = {op_gather_rows(w, ids), op_linear(x, w)};
        plan_packs *packs = plan_packs_new();
        for (int reference = 0; reference < 2; reference++) {
            plan *p;
            error err;
            plan_options o = {.frozen = &w, .frozen_count = 1, .packs = packs, .reference = reference};
            if (plan_new(s.g, outputs, 2, &o, &p, &err) != STATUS_OK)
                fail_msg("%s", err.message);
            plan_bind(p, ids, index);
            plan_bind(p, x, s.x);
            plan_bind(p, w, s.blocks);
            run(p);
            const float *rows = plan_output(p, 0);
            for (size_t i = 0; i < T * K; i++) {
                int32_t row = index[i / K];
                assert_true(rows[i] == (row >= 0 && row < N ? s.values[(size_t)row * K + i % K] : 0));
            }
            assert_product(&s, reference ? QUANT_F16 : (quant_format)f, plan_output(p, 1), 0);
            plan_free(p);
        }
        plan_packs_free(packs);
        arena_free(s.a);
    }
}

/* In f64 nothing is rounded: the product of the expanded weight, to f64's precision. */
static void f64_plans_expand(void **state)
{
    (void)state;
    for (int f = QUANT_PLAIN + 1; f < QUANT_COUNT; f++) {
        setting s = setting_of((quant_format)f);
        node *x = graph_input(s.g, "x", TYPE_F64, SHAPE(T, K));
        node *w = graph_input_stored(s.g, "w", TYPE_F64, SHAPE(N, K), (quant_format)f);
        plan *p = plan_of(&s, op_linear(x, w), NULL);
        double *wide = ARENA_ARRAY(s.a, double, T * K);
        for (size_t i = 0; i < T * K; i++)
            wide[i] = (double)s.x[i];
        plan_bind(p, x, wide);
        plan_bind(p, w, s.blocks);
        run(p);
        const double *y = plan_output(p, 0);
        for (size_t i = 0; i < T * N; i++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < K; k++) {
                sum += wide[i / N * K + k] * (double)s.values[i % N * K + k];
                size += fabs(wide[i / N * K + k] * (double)s.values[i % N * K + k]);
            }
            assert_true(fabs(y[i] - sum) <= 1e-14 * size);
        }
        plan_free(p);
        arena_free(s.a);
    }
}

static void other_readers_are_refused(void **state)
{
    (void)state;
    setting s = setting_of(QUANT_Q8_0);
    node *w = graph_input_stored(s.g, "blocks.0.up", TYPE_F32, SHAPE(N, K), QUANT_Q8_0);
    node *x = graph_input(s.g, "x", TYPE_F32, SHAPE(T, K)), *dx;
    node *y = op_sum_all(op_linear(x, w));
    assert_true(graph_grad(y, &x, 1, NULL, &dx));
    node *readers[] = {op_add(w, w), op_transpose(w, AXES(1, 0)), op_reshape(w, SHAPE(K, N)), op_slice(w, 0, 0, 3), w,
                       op_matmul(x, w, false, true), op_cast(w, TYPE_BF16), dx, op_linear(w, w)};
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        error err;
        plan *p;
        assert_int_equal(plan_new(s.g, &readers[i], 1, NULL, &p, &err), STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, "blocks.0.up"));
        assert_non_null(strstr(err.message, "Q8_0"));
        assert_int_equal(plan_new(s.g, &readers[i], 1, &(plan_options){.reference = true}, &p, &err), STATUS_OK);
        plan_bind(p, w, s.blocks);
        plan_bind(p, x, s.x);
        run(p);
        if (i == 2 || i == 4) /* what the reference reads are the values */
            assert_memory_equal(plan_output(p, 0), s.values, N * K * sizeof(float));
        plan_free(p);
    }
    arena_free(s.a);
}

static void no_rows_and_empty_weights_are_fine(void **state)
{
    (void)state;
    setting s = setting_of(QUANT_Q4_K);
    node *x = graph_input(s.g, "x", TYPE_F32, SHAPE(0, K)), *z = graph_input(s.g, "z", TYPE_F32, SHAPE(T, K));
    node *w = graph_input_stored(s.g, "w", TYPE_F32, SHAPE(N, K), QUANT_Q4_K);
    node *empty = graph_input_stored(s.g, "empty", TYPE_F32, SHAPE(0, K), QUANT_Q4_K);
    plan *p = plan_of(&s, op_linear(x, w), NULL);
    plan_bind(p, w, s.blocks);
    run(p);
    plan_free(p);
    p = plan_of(&s, op_linear(z, empty), NULL);
    plan_bind(p, z, s.x);
    run(p);
    plan_free(p);
    arena_free(s.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_read_blocks),
        cmocka_unit_test(rows_and_products_share_a_weight),
        cmocka_unit_test(f64_plans_expand),
        cmocka_unit_test(other_readers_are_refused),
        cmocka_unit_test(no_rows_and_empty_weights_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
