/* What feedback teaches by: closed forms on toys, and numbers worked out by hand. */
#include "near.h"

#include "core/random.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "train/losses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { MOST = 8 };

/* One loss of named inputs of `count` elements, in f64, with the gradient in the first. */
typedef struct toy {
    graph *graph;
    node *inputs[MOST];
    double values[MOST][MOST];
    size_t inputs_used, count;
    plan *plan;
} toy;

static toy toy_new(size_t inputs, size_t count)
{
    toy t = {.graph = graph_new(NULL), .inputs_used = inputs, .count = count};
    for (size_t i = 0; i < inputs; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%zu", i);
        t.inputs[i] = graph_input(t.graph, name, TYPE_F64, SHAPE((int64_t)count));
    }
    return t;
}

static void toy_plan(toy *t, node *loss)
{
    node *gradient;
    error err = {0};
    assert_true(graph_grad(loss, &t->inputs[0], 1, NULL, &gradient));
    if (plan_new(t->graph, (node *[]){loss, gradient}, 2, NULL, &t->plan, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < t->inputs_used; i++)
        plan_bind(t->plan, t->inputs[i], t->values[i]);
}

static double toy_loss(toy *t)
{
    assert_int_equal(plan_run(t->plan, NULL, NULL), STATUS_OK);
    return *(const double *)plan_output(t->plan, 0);
}

static const double *toy_gradient(toy *t)
{
    assert_int_equal(plan_run(t->plan, NULL, NULL), STATUS_OK);
    return plan_output(t->plan, 1);
}

/* Central differences of the loss against the graph's gradient, in every element of the first input. */
static void gradients_are_differences(toy *t)
{
    double kept[MOST];
    memcpy(kept, toy_gradient(t), t->count * sizeof *kept);
    for (size_t i = 0; i < t->count; i++) {
        double x = t->values[0][i], h = 1e-6;
        t->values[0][i] = x + h;
        double up = toy_loss(t);
        t->values[0][i] = x - h;
        double down = toy_loss(t);
        t->values[0][i] = x;
        NEAR((up - down) / (2 * h), kept[i], 1e-7);
    }
}

static void toy_free(toy *t)
{
    plan_free(t->plan);
    graph_free(t->graph);
}

static void fill(double *to, size_t count, const double *from)
{
    memcpy(to, from, count * sizeof *to);
}

/* Two items, of which the first won 3 of 4 comparisons: r_1 - r_2 = log 3 (Bradley and Terry 1952). */
static void bradley_terry_with_two_items(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *r = graph_input(g, "r", TYPE_F64, SHAPE(2)), *gradient;
    node *first = op_slice(r, 0, 0, 1), *second = op_slice(r, 0, 1, 2);
    double share[] = {0.75}, rest[] = {0.25}, values[2] = {0, 0};
    node *loss = op_add(loss_preference(first, second, graph_constant(g, TYPE_F64, SHAPE(1), share)),
                        loss_preference(second, first, graph_constant(g, TYPE_F64, SHAPE(1), rest)));
    plan *p;
    assert_true(graph_grad(loss, &r, 1, NULL, &gradient));
    assert_int_equal(plan_new(g, (node *[]){loss, gradient}, 2, NULL, &p, NULL), STATUS_OK);
    plan_bind(p, r, values);
    for (int step = 0; step < 400; step++) {
        assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
        const double *d = plan_output(p, 1);
        if (step == 0) /* at 0 the gradient is the excess of defeats: -(3/4 - 1/2) */
            NEAR(d[0], -0.25, 1e-15);
        for (int i = 0; i < 2; i++)
            values[i] -= d[i];
    }
    NEAR(values[0] - values[1], log(3), 1e-9);
    NEAR(*(const double *)plan_output(p, 0), -0.75 * log(0.75) - 0.25 * log(0.25), 1e-12);
    plan_free(p);
    graph_free(g);
}

static void preference_loss_by_hand(void **state)
{
    (void)state;
    toy t = toy_new(3, 3);
    fill(t.values[0], 3, (double[]){0.5, -1, 40});
    fill(t.values[1], 3, (double[]){0, 1, 0});
    fill(t.values[2], 3, (double[]){0.25, 0.5, 0.25});
    toy_plan(&t, loss_preference(t.inputs[0], t.inputs[1], t.inputs[2]));
    NEAR(toy_loss(&t), 0.25 * 0.474076984180107 + 0.5 * 2.126928011042972, 1e-12); /* log(1 + e^-.5), log(1 + e^2) */
    gradients_are_differences(&t);
    toy_free(&t);
}

/* log softmax of two logits. */
static node *log_policy(node *logits, int action)
{
    return op_slice(op_log_softmax(logits), 0, action, action + 1);
}

/* A bandit with rewards 1 and .2, a reference that prefers the second 3 : 1, beta .5. Preferences of Bradley-Terry raters
 * with these rewards make DPO's optimum pi_ref exp(r / beta) / Z (Rafailov et al., arXiv 2305.18290, eq. 4). */
static void dpo_converges_to_the_tilted_reference(void **state)
{
    (void)state;
    const double reward[2] = {1, 0.2}, reference[2] = {0.25, 0.75}, beta = 0.5;
    double tilt[2] = {reference[0] * exp(reward[0] / beta), reference[1] * exp(reward[1] / beta)};
    double p = 1 / (1 + exp(reward[1] - reward[0])), logs[2] = {log(reference[0]), log(reference[1])}, values[2] = {0, 0};
    graph *g = graph_new(NULL);
    node *logits = graph_input(g, "logits", TYPE_F64, SHAPE(2)), *gradient;
    node *a = log_policy(logits, 0), *b = log_policy(logits, 1);
    node *ra = graph_constant(g, TYPE_F64, SHAPE(1), &logs[0]), *rb = graph_constant(g, TYPE_F64, SHAPE(1), &logs[1]);
    double won[] = {p}, lost[] = {1 - p};
    node *loss = op_add(loss_dpo(a, b, ra, rb, beta, 0, graph_constant(g, TYPE_F64, SHAPE(1), won)),
                        loss_dpo(b, a, rb, ra, beta, 0, graph_constant(g, TYPE_F64, SHAPE(1), lost)));
    plan *run;
    assert_true(graph_grad(loss, &logits, 1, NULL, &gradient));
    assert_int_equal(plan_new(g, &gradient, 1, NULL, &run, NULL), STATUS_OK);
    plan_bind(run, logits, values);
    for (int step = 0; step < 2000; step++) {
        assert_int_equal(plan_run(run, NULL, NULL), STATUS_OK);
        for (int i = 0; i < 2; i++)
            values[i] -= ((const double *)plan_output(run, 0))[i];
    }
    NEAR(1 / (1 + exp(values[1] - values[0])), tilt[0] / (tilt[0] + tilt[1]), 1e-9);
    plan_free(run);
    graph_free(g);
}

static void dpo_by_hand(void **state)
{
    (void)state;
    toy t = toy_new(5, 1);
    t.values[0][0] = -2, t.values[1][0] = -3, t.values[2][0] = -2.5, t.values[3][0] = -2, t.values[4][0] = 1;
    /* z = .4 ((-2 + 2.5) - (-3 + 2)) = .6 */
    toy_plan(&t, loss_dpo(t.inputs[0], t.inputs[1], t.inputs[2], t.inputs[3], 0.4, 0, t.inputs[4]));
    NEAR(toy_loss(&t), 0.437487950485886, 1e-12);
    NEAR(toy_gradient(&t)[0], -0.4 * 0.354343693774205, 1e-12); /* -beta sigmoid(-z) */
    gradients_are_differences(&t);
    toy_free(&t);
    t = toy_new(5, 1);
    t.values[0][0] = -2, t.values[1][0] = -3, t.values[2][0] = -2.5, t.values[3][0] = -2, t.values[4][0] = 1;
    toy_plan(&t, loss_dpo(t.inputs[0], t.inputs[1], t.inputs[2], t.inputs[3], 0.4, 0.1, t.inputs[4]));
    NEAR(toy_loss(&t), 0.9 * log1p(exp(-0.6)) + 0.1 * log1p(exp(0.6)), 1e-12);
    gradients_are_differences(&t);
    toy_free(&t);
    t = toy_new(5, 1); /* the policy is the reference: ln 2, and beta / 2 on either side (autodiff_needs.md, check 11) */
    t.values[0][0] = t.values[2][0] = -2, t.values[1][0] = t.values[3][0] = -3, t.values[4][0] = 1;
    toy_plan(&t, loss_dpo(t.inputs[0], t.inputs[1], t.inputs[2], t.inputs[3], 0.1, 0, t.inputs[4]));
    NEAR(toy_loss(&t), 0.693147180559945, 1e-12);
    NEAR(toy_gradient(&t)[0], -0.05, 1e-12);
    toy_free(&t);
    t = toy_new(5, 1); /* the same with the gradient in the reply that lost */
    t.values[0][0] = t.values[2][0] = -3, t.values[1][0] = t.values[3][0] = -2, t.values[4][0] = 1;
    toy_plan(&t, loss_dpo(t.inputs[1], t.inputs[0], t.inputs[3], t.inputs[2], 0.1, 0, t.inputs[4]));
    NEAR(toy_loss(&t), 0.693147180559945, 1e-12);
    NEAR(toy_gradient(&t)[0], 0.05, 1e-12);
    toy_free(&t);
}

/* The bandit above: the exact gradient of E[r] - beta KL(pi || reference) (both actions, weighted with the policy that draws,
 * rewards less the penalty) ends at pi_ref exp(r / beta) / Z as well. */
static void policy_gradient_with_kl_converges_to_the_same(void **state)
{
    (void)state;
    const double reward[2] = {1, 0.2}, reference[2] = {0.25, 0.75}, beta = 0.5;
    double tilt[2] = {reference[0] * exp(reward[0] / beta), reference[1] * exp(reward[1] / beta)};
    double values[2] = {0, 0}, old[2], advantages[2], weights[2];
    graph *g = graph_new(NULL);
    node *logits = graph_input(g, "logits", TYPE_F64, SHAPE(2)), *gradient;
    node *o = graph_input(g, "old", TYPE_F64, SHAPE(2)), *a = graph_input(g, "advantages", TYPE_F64, SHAPE(2));
    node *w = graph_input(g, "weights", TYPE_F64, SHAPE(2)), *loss = loss_policy(op_log_softmax(logits), o, a, 0, w);
    plan *run;
    assert_true(graph_grad(loss, &logits, 1, NULL, &gradient));
    assert_int_equal(plan_new(g, &gradient, 1, NULL, &run, NULL), STATUS_OK);
    plan_bind(run, logits, values);
    plan_bind(run, o, old);
    plan_bind(run, a, advantages);
    plan_bind(run, w, weights);
    for (int step = 0; step < 4000; step++) {
        double z = exp(values[0]) + exp(values[1]);
        for (int i = 0; i < 2; i++) {
            weights[i] = exp(values[i]) / z;
            old[i] = log(weights[i]);
            advantages[i] = reward[i] - beta * (old[i] - log(reference[i]));
        }
        assert_int_equal(plan_run(run, NULL, NULL), STATUS_OK);
        for (int i = 0; i < 2; i++)
            values[i] -= ((const double *)plan_output(run, 0))[i];
    }
    NEAR(1 / (1 + exp(values[1] - values[0])), tilt[0] / (tilt[0] + tilt[1]), 1e-9);
    plan_free(run);
    graph_free(g);
}

static void clipping_by_hand(void **state)
{
    (void)state;
    /* Ratios 1.5 and .5, advantages of both signs, clip .2: min(r A, clamp(r) A) = 1.2, -1.5, .5, -.8. */
    toy t = toy_new(4, 4);
    fill(t.values[0], 4, (double[]){log(1.5), log(1.5), log(0.5), log(0.5)});
    fill(t.values[1], 4, (double[]){0, 0, 0, 0});
    fill(t.values[2], 4, (double[]){1, -1, 1, -1});
    fill(t.values[3], 4, (double[]){1, 1, 1, 1});
    toy_plan(&t, loss_policy(t.inputs[0], t.inputs[1], t.inputs[2], 0.2, t.inputs[3]));
    NEAR(toy_loss(&t), -(1.2 - 1.5 + 0.5 - 0.8), 1e-12);
    const double *d = toy_gradient(&t);
    NEAR(d[0], 0, 1e-15); /* beyond the clip nothing is gained */
    NEAR(d[1], 1.5, 1e-12);
    NEAR(d[2], -0.5, 1e-12);
    NEAR(d[3], 0, 1e-15);
    gradients_are_differences(&t);
    toy_free(&t);
}

/* Where old and new are equal the gradient is that of REINFORCE, clipped or not: -A. */
static void at_ratio_one_every_method_is_reinforce(void **state)
{
    (void)state;
    for (int clipped = 0; clipped < 2; clipped++) {
        toy t = toy_new(4, 2);
        fill(t.values[0], 2, (double[]){-1.25, -0.5});
        fill(t.values[1], 2, (double[]){-1.25, -0.5});
        fill(t.values[2], 2, (double[]){2, -3});
        fill(t.values[3], 2, (double[]){1, 1});
        toy_plan(&t, loss_policy(t.inputs[0], t.inputs[1], t.inputs[2], clipped ? 0.2 : 0, t.inputs[3]));
        NEAR(toy_gradient(&t)[0], -2, 1e-12);
        NEAR(toy_gradient(&t)[1], 3, 1e-12);
        toy_free(&t);
    }
}

static void kl_estimate_by_hand(void **state)
{
    (void)state;
    toy t = toy_new(3, 2);
    fill(t.values[0], 2, (double[]){-1, -2});
    fill(t.values[1], 2, (double[]){-1.5, -2});
    fill(t.values[2], 2, (double[]){1, 1});
    toy_plan(&t, loss_kl(t.inputs[0], t.inputs[1], t.inputs[2]));
    NEAR(toy_loss(&t), exp(-0.5) + 0.5 - 1, 1e-12); /* .106531; equal ones give 0 */
    gradients_are_differences(&t);
    toy_free(&t);
}

static void value_loss_by_hand(void **state)
{
    (void)state;
    /* v 1.0, old .5, R 2, clip .2: the clipped value is .7, and 1.3^2 / 2 is more than 1 / 2. */
    toy t = toy_new(4, 2);
    fill(t.values[0], 2, (double[]){1, 0.6});
    fill(t.values[1], 2, (double[]){0.5, 0.5});
    fill(t.values[2], 2, (double[]){2, 2});
    fill(t.values[3], 2, (double[]){1, 1});
    toy_plan(&t, loss_value(t.inputs[0], t.inputs[1], t.inputs[2], 0.2, t.inputs[3]));
    NEAR(toy_loss(&t), 0.845 + 0.98, 1e-12);
    NEAR(toy_gradient(&t)[0], 0, 1e-15);
    NEAR(toy_gradient(&t)[1], -1.4, 1e-12);
    toy_free(&t);
}

static void entropies_by_hand(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *logits = graph_input(g, "logits", TYPE_F64, SHAPE(2, 4)), *h = loss_entropies(logits);
    double values[8] = {0, 0, 0, 0, log(8), log(4), log(2), log(2)};
    plan *p;
    assert_int_equal(plan_new(g, &h, 1, NULL, &p, NULL), STATUS_OK);
    plan_bind(p, logits, values);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    const double *found = plan_output(p, 0);
    NEAR(found[0], log(4), 1e-12);
    NEAR(found[1], 1.75 * log(2), 1e-12); /* 1/2, 1/4, 1/8, 1/8 */
    plan_free(p);
    graph_free(g);
}

static void group_advantages_by_hand(void **state)
{
    (void)state;
    double out[4], rewards[4] = {1, 3, 2, 2};
    advantages_group(rewards, 4, 2, out);
    NEAR(out[0], -1 / (sqrt(2) + 1e-4), 1e-12);
    NEAR(out[1], 1 / (sqrt(2) + 1e-4), 1e-12);
    NEAR(out[2], 0, 0); /* equal replies teach nothing */
    NEAR(out[3], 0, 0);
    advantages_leave_one_out((double[]){1, 2, 6}, 3, 3, out);
    NEAR(out[0], -3, 1e-12);
    NEAR(out[1], -1.5, 1e-12);
    NEAR(out[2], 4.5, 1e-12);
}

/* r = 0, 0, 1; v = .5, .6, .7; discount .9, lambda .8: delta = .04, .03, .3; A_2 = .3, A_1 = .03 + .72 .3 = .246,
 * A_0 = .04 + .72 .246 = .21712. */
static void gae_by_hand(void **state)
{
    (void)state;
    double a[3], returns[3];
    advantages_gae((double[]){0, 0, 1}, (float[]){0.5f, 0.6f, 0.7f}, 3, 0.9, 0.8, a, returns);
    NEAR(a[2], 0.3, 1e-6);
    NEAR(a[1], 0.246, 1e-6);
    NEAR(a[0], 0.21712, 1e-6);
    NEAR(returns[1], 0.846, 1e-6);
    /* lambda 1, discount 1: the return is the sum of what comes. */
    advantages_gae((double[]){1, 2, 3}, (float[]){0.5f, 0.6f, 0.7f}, 3, 1, 1, a, returns);
    NEAR(returns[0], 6, 1e-6);
    NEAR(returns[1], 5, 1e-6);
    double w[3] = {1, 2, 3};
    advantages_whiten(w, 3);
    NEAR(w[0], -1, 1e-7);
    NEAR(w[1], 0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bradley_terry_with_two_items),
        cmocka_unit_test(preference_loss_by_hand),
        cmocka_unit_test(dpo_converges_to_the_tilted_reference),
        cmocka_unit_test(dpo_by_hand),
        cmocka_unit_test(policy_gradient_with_kl_converges_to_the_same),
        cmocka_unit_test(clipping_by_hand),
        cmocka_unit_test(at_ratio_one_every_method_is_reinforce),
        cmocka_unit_test(kl_estimate_by_hand),
        cmocka_unit_test(value_loss_by_hand),
        cmocka_unit_test(entropies_by_hand),
        cmocka_unit_test(group_advantages_by_hand),
        cmocka_unit_test(gae_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
