/* Gradients of each example through the whole model: graph_vmap over graph_grad against one run after the other. */
#include "lm/model_fixture.h"

#include "graph/ops.h"
#include "graph/plan.h"
#include "lm/transformer.h"

#include <math.h>

enum { TOKENS = 9, EXAMPLES = 3 };

typedef struct texts {
    int32_t tokens[EXAMPLES][TOKENS], targets[EXAMPLES][TOKENS], positions[TOKENS], starts[TOKENS];
    float weights[EXAMPLES][TOKENS];
} texts;

static void make_texts(texts *x, int64_t vocabulary)
{
    for (int b = 0; b < EXAMPLES; b++)
        for (int i = 0; i < TOKENS; i++) {
            x->tokens[b][i] = (int32_t)((17 * b + 31 * i + 3) % vocabulary);
            x->targets[b][i] = i == TOKENS - 1 ? -1 : (int32_t)((17 * b + 31 * (i + 1) + 3) % vocabulary);
            x->weights[b][i] = 1 + 0.25f * (float)b;
            x->positions[i] = i < 5 ? i : i - 5; /* two sequences */
            x->starts[i] = i < 5 ? 0 : 5;
        }
}

static plan *plan_of(arena *a, const transformer *t, const float *const *weights, const texts *x, node *const *outputs, size_t count)
{
    plan *p;
    error err = {0};
    (void)a;
    if (plan_new(t->graph, outputs, count, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < t->weight_count; i++)
        plan_bind(p, t->weights[i], weights[i]);
    plan_bind(p, t->positions, x->positions);
    plan_bind(p, t->starts, x->starts);
    return p;
}

static void run(plan *p)
{
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void compare(transformer_types types, double tolerance)
{
    arena *a = arena_new(NULL);
    lm_config config = fixture_config(fixture_tokenizer(a));
    const float *const *weights = fixture_weights(a, &config, 5);
    static texts x;
    make_texts(&x, config.vocabulary);
    graph *g = graph_new(a);
    transformer t;
    error err = {0};
    if (transformer_build(a, g, &config, types, TOKENS, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    node *target, *weight, *loss = transformer_loss(&t, &target, &weight);
    size_t n = t.weight_count;
    node **one = ARENA_ARRAY(a, node *, n), **each = ARENA_ARRAY(a, node *, n);
    assert_true(graph_grad(loss, t.weights, n, NULL, one));
    node *from[3] = {t.tokens, target, weight};
    node *to[3] = {graph_constant(g, TYPE_I32, SHAPE(EXAMPLES, TOKENS), x.tokens), graph_constant(g, TYPE_I32, SHAPE(EXAMPLES, TOKENS), x.targets),
                   graph_constant(g, TYPE_F32, SHAPE(EXAMPLES, TOKENS), x.weights)};
    assert_true(graph_vmap(one, n, from, to, 3, each));
    plan *single = plan_of(a, &t, weights, &x, one, n), *all = plan_of(a, &t, weights, &x, each, n);
    run(all);
    for (size_t b = 0; b < EXAMPLES; b++) {
        plan_bind(single, t.tokens, x.tokens[b]);
        plan_bind(single, target, x.targets[b]);
        plan_bind(single, weight, x.weights[b]);
        run(single);
        for (size_t i = 0; i < n; i++) {
            size_t count = (size_t)shape_count(t.weights[i]->shape);
            const float *expected = plan_output(single, i), *found = (const float *)plan_output(all, i) + b * count;
            double largest = 0;
            for (size_t k = 0; k < count; k++)
                largest = fmax(largest, fabs((double)expected[k]));
            assert_true(largest > 0);
            for (size_t k = 0; k < count; k++)
                if (!(fabs((double)found[k] - (double)expected[k]) <= tolerance * largest))
                    fail_msg("example %zu, %s, element %zu: %g, alone %g (largest %g)", b, t.weights[i]->site, k, (double)found[k],
                             (double)expected[k], largest);
        }
    }
    plan_free(single);
    plan_free(all);
    arena_free(a);
}

static void gradients_of_examples_in_f32(void **state)
{
    (void)state;
    compare(transformer_types_all(TYPE_F32), 1e-5);
}

static void gradients_of_examples_as_in_training(void **state)
{
    (void)state;
    compare(transformer_types_training(), 2e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_examples_in_f32),
        cmocka_unit_test(gradients_of_examples_as_in_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
