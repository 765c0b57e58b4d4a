/* Low-rank changes of weights as rewriting: values, gradients, bits, memory, and what is refused. */
#include "plans.h"

#include "core/random.h"
#include "graph/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 6, IN = 10, OUT = 7, RANK = 3, MOST = 128 };
static const double SCALE = 0.75;

static double draw(const char *name, size_t i)
{
    random_stream r = random_stream_at(7, name, 0, 0, 0, 0);
    return random_normal_at(&r, i);
}

/* A product of x [ROWS, IN] with the input "w" in one of the ways in which models write it. */
typedef enum way { LINEAR, NAMED, TURNED, PLAIN_MATMUL, TURNED_MATMUL, WAYS } way;

typedef struct product {
    graph *g;
    node *x, *w, *a, *b, *y;
} product;

static product make(way how, element_type type, element_type weights, int64_t rows)
{
    product p = {.g = graph_new(NULL)};
    bool turned = how == TURNED || how == PLAIN_MATMUL;
    p.x = graph_input(p.g, "x", type, SHAPE(rows, IN));
    p.w = graph_input(p.g, "w", weights, turned ? SHAPE(IN, OUT) : SHAPE(OUT, IN));
    p.a = graph_input(p.g, "a", weights, SHAPE(RANK, IN));
    p.b = graph_input(p.g, "b", weights, SHAPE(OUT, RANK));
    switch (how) {
    case TURNED:
        p.y = op_linear(p.x, op_transpose(p.w, AXES(1, 0)));
        break;
    case PLAIN_MATMUL:
        p.y = op_matmul(p.x, p.w, false, false);
        break;
    case TURNED_MATMUL:
        p.y = op_matmul(p.x, p.w, false, true);
        break;
    case NAMED:
        p.y = graph_name(op_linear(p.x, graph_name(p.w, "weight")), "product");
        break;
    default:
        p.y = op_linear(p.x, p.w);
    }
    return p;
}

static node *changed(const product *p)
{
    node *y;
    error err = {0};
    low_rank_edit edit = {"w", p->a, p->b, SCALE};
    if (graph_low_rank(&p->y, 1, &edit, 1, &y, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return y;
}

static void bind_doubles(plan *p, node *n, double values[MOST])
{
    for (int64_t i = 0; i < shape_count(n->shape); i++)
        values[i] = draw(n->site, (size_t)i);
    plan_bind(p, n, values);
}

static void values_and_gradients_are_those_of_the_changed_weight(void **state)
{
    (void)state;
    for (int how = 0; how < WAYS; how++) {
        static double values[4][MOST];
        product p = make((way)how, TYPE_F64, TYPE_F64, ROWS);
        node *y = changed(&p);
        bool turned = how == TURNED || how == PLAIN_MATMUL;
        node *change = op_scale(op_matmul(p.b, p.a, false, false), SCALE);
        node *sum = op_add(p.w, turned ? op_transpose(change, AXES(1, 0)) : change), *merged;
        assert_true(graph_substitute(&p.y, 1, &p.w, &sum, 1, &merged));
        node *wrt[3] = {p.x, p.a, p.b}, *outputs[8] = {y, merged};
        assert_true(graph_grad(op_sum_all(op_sin(y)), wrt, 3, NULL, outputs + 2));
        assert_true(graph_grad(op_sum_all(op_sin(merged)), wrt, 3, NULL, outputs + 5));
        plan *run_both = plan_of(p.g, outputs, 8, NULL);
        node *inputs[4] = {p.x, p.w, p.a, p.b};
        for (int i = 0; i < 4; i++)
            bind_doubles(run_both, inputs[i], values[i]);
        run(run_both);
        static const int pairs[4][2] = {{0, 1}, {2, 5}, {3, 6}, {4, 7}};
        for (int k = 0; k < 4; k++) {
            const double *one = plan_output(run_both, (size_t)pairs[k][0]), *two = plan_output(run_both, (size_t)pairs[k][1]);
            for (int64_t i = 0; i < shape_count(outputs[pairs[k][0]]->shape); i++)
                if (!(fabs(one[i] - two[i]) <= 1e-13 * (1 + fabs(two[i]))))
                    fail_msg("way %d, value %d of pair %d: %.17g, merged %.17g", how, (int)i, k, one[i], two[i]);
        }
        if (how == NAMED) {
            assert_ptr_equal(graph_find(&y, 1, "product"), y);
            assert_ptr_not_equal(y, p.y);
        }
        plan_free(run_both);
        graph_free(p.g);
    }
}

/* With B = 0, in f32 and in bf16 with f32 masters: the bytes of the product without a change. */
static void nothing_added_changes_no_bits(void **state)
{
    (void)state;
    enum { TALL = 37 };
    static const element_type types[][2] = {{TYPE_F32, TYPE_F32}, {TYPE_BF16, TYPE_F32}, {TYPE_BF16, TYPE_BF16}};
    for (size_t t = 0; t < COUNT_OF(types); t++)
        for (int how = 0; how < WAYS; how++) {
            if (types[t][0] != types[t][1] && how != LINEAR && how != NAMED)
                continue;
            product p = make((way)how, types[t][0], types[t][1], TALL);
            node *outputs[2] = {p.y, changed(&p)}, *inputs[4] = {p.x, p.w, p.a, p.b};
            plan *both = plan_of(p.g, outputs, 2, NULL);
            static float values[4][TALL * IN];
            static bf16 halves[4][TALL * IN];
            for (int i = 0; i < 4; i++) {
                for (int64_t k = 0; k < shape_count(inputs[i]->shape); k++) {
                    values[i][k] = i == 3 ? 0 : (float)draw(inputs[i]->site, (size_t)k);
                    halves[i][k] = bf16_from_f32(values[i][k]);
                }
                plan_bind(both, inputs[i], inputs[i]->type == TYPE_BF16 ? (const void *)halves[i] : values[i]);
            }
            run(both);
            size_t bytes = (size_t)TALL * OUT * (types[t][0] == TYPE_BF16 ? 2 : 4);
            assert_memory_equal(plan_output(both, 0), plan_output(both, 1), bytes);
            plan_free(both);
            graph_free(p.g);
        }
}

/* A gradient in A and B alone makes nothing of the weight's shape, and asks for less than the weight has. */
static void a_gradient_holds_nothing_of_the_base(void **state)
{
    (void)state;
    enum { WIDE = 512, FEW = 4, TOKENS = 64 };
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(TOKENS, WIDE)), *w = graph_input(g, "w", TYPE_F32, SHAPE(WIDE, WIDE));
    node *a = graph_input(g, "a", TYPE_F32, SHAPE(FEW, WIDE)), *b = graph_input(g, "b", TYPE_F32, SHAPE(WIDE, FEW));
    node *y = op_linear(op_tanh(op_linear(x, w)), w), *whole, *loss, *low[2], *wrt[2] = {a, b};
    assert_int_equal(graph_low_rank(&y, 1, &(low_rank_edit){"w", a, b, 1}, 1, &y, NULL), STATUS_OK);
    loss = op_sum_all(op_square(y));
    assert_true(graph_grad(loss, wrt, 2, NULL, low));
    assert_true(graph_grad(loss, &w, 1, NULL, &whole));
    plan *p = plan_of(g, low, 2, &(plan_options){.threads = 1, .profile = true}), *q = plan_of(g, &whole, 1, &(plan_options){.threads = 1});
    static plan_step_profile steps[256];
    size_t count = plan_profile(p, steps, COUNT_OF(steps));
    assert_true(count > 0 && count <= COUNT_OF(steps));
    for (size_t i = 0; i < count; i++)
        if (shape_equal(steps[i].node->shape, w->shape) && steps[i].node != w) /* which is packed */
            fail_msg("step %zu (%s) makes a value of the weight's shape", i, steps[i].name);
    print_message("gradient of rank %d: %zu bytes; of the weight: %zu\n", FEW, plan_peak_bytes(p), plan_peak_bytes(q));
    assert_true(plan_peak_bytes(p) + WIDE * WIDE * sizeof(float) <= plan_peak_bytes(q));
    plan_free(p);
    plan_free(q);
    graph_free(g);
}

static void what_is_no_product_is_refused_by_name(void **state)
{
    (void)state;
    product p = make(LINEAR, TYPE_F32, TYPE_F32, ROWS);
    node *out, *index = graph_fill(p.g, TYPE_I32, SHAPE(2), 1);
    node *both[2] = {p.y, op_gather_rows(p.w, index)}, *rewritten[2];
    error err = {0};
    assert_int_equal(graph_low_rank(both, 2, &(low_rank_edit){"w", p.a, p.b, 1}, 1, rewritten, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "gather_rows"));
    err = (error){0};
    assert_int_equal(graph_low_rank(&p.y, 1, &(low_rank_edit){"v", p.a, p.b, 1}, 1, &out, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "'v'"));
    graph_free(p.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_are_those_of_the_changed_weight),
        cmocka_unit_test(nothing_added_changes_no_bits),
        cmocka_unit_test(a_gradient_holds_nothing_of_the_base),
        cmocka_unit_test(what_is_no_product_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("graph/low_rank", tests, NULL, NULL);
}
