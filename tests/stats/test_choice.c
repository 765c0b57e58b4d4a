/* Likelihood metrics against the numbers of the papers' specifications, worked out by hand. */
#include "stats/choice.h"
#include "stats/mean.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void near(double found, double expected)
{
    if (!(fabs(found - expected) < 5e-7))
        fail_msg("expected %.7f, found %.7f", expected, found);
}

/* inverse_scaling.md, check 1 */
static void test_loss_of_three_classes(void **state)
{
    (void)state;
    const double logprobs[] = {-2, -1, -4};
    choice_score right = choice_of(logprobs, 3, 1), wrong = choice_of(logprobs, 3, 0);
    near(right.total, -.650988);
    near(right.mass, .521530);
    near(right.loss, .349012);
    near(wrong.loss, 1.349012);
    assert_true(right.right && !wrong.right && !right.tied);
    near(right.share, exp(-.349012));
}

/* check 2: the first of equals wins */
static void test_ties_go_to_the_first(void **state)
{
    (void)state;
    const double logprobs[] = {-1.5, -1.5};
    choice_score first = choice_of(logprobs, 2, 0), second = choice_of(logprobs, 2, 1);
    near(first.loss, .693147);
    near(second.loss, .693147);
    assert_true(first.right && first.tied);
    assert_true(!second.right && second.tied);
}

/* check 3 */
static void test_baselines(void **state)
{
    (void)state;
    near((choice_chance_accuracy(2) + choice_chance_accuracy(2) + choice_chance_accuracy(4)) / 3, .416667);
    near((choice_chance_loss(2) + choice_chance_loss(2) + choice_chance_loss(4)) / 3, .924196);
}

/* check 4, and that inverting twice gives back what was there */
static void test_inverting(void **state)
{
    (void)state;
    near(choice_invert_loss(.3), 1.350226);
    near(choice_invert_loss(log(2)), log(2));
    near(choice_invert_loss(choice_invert_loss(.7)), .7);
    near(choice_invert_accuracy(.3), .7);
    /* of two classes it is the loss of the other one */
    const double logprobs[] = {-.4, -2.3};
    near(choice_invert_loss(choice_of(logprobs, 2, 0).loss), choice_of(logprobs, 2, 1).loss);
}

/* check 5 */
static void test_logodds(void **state)
{
    (void)state;
    const double plain[] = {log(.7), log(.2)}, biased[] = {log(.4), log(.5)};
    near(choice_logodds(plain, biased, 0), 1.475907);
    near(choice_logodds(plain, biased, 1), -1.475907);
    assert_int_equal(choice_of(biased, 2, 0).best, 1);
    assert_false(choice_of(biased, 2, 0).right);
    near(choice_logodds(plain, plain, 0), 0);
}

/* check 7: the population's deviation, not the sample's */
static void test_standard_error(void **state)
{
    (void)state;
    const double values[] = {1, 0, 1, 1};
    mean_estimate m = mean_of(values, 4);
    near(m.mean, .75);
    near(m.deviation, .433013);
    near(m.error, .216506);
    near(m.limits.high - m.mean, 1.95996398 * m.error);
    assert_true(isnan(mean_of(values, 0).mean));
    assert_true(mean_of(values, 1).mean == 1 && isnan(mean_of(values, 1).error) && isnan(mean_of(values, 1).limits.low));
}

/* check 10 */
static void test_a_class_of_no_probability_changes_nothing(void **state)
{
    (void)state;
    const double three[] = {-2, -1, -4, -INFINITY};
    for (size_t answer = 0; answer < 3; answer++) {
        choice_score a = choice_of(three, 3, answer), b = choice_of(three, 4, answer);
        assert_true(a.loss == b.loss && a.total == b.total && a.right == b.right && a.best == b.best && a.tied == b.tied);
    }
    assert_true(isinf(choice_of(three, 4, 3).loss));
    const double none[] = {-INFINITY, -INFINITY};
    assert_true(choice_of(none, 2, 0).mass == 0);
    assert_true(isnan(choice_of(three, 0, 0).loss));
}

/* Far below what exp can hold. */
static void test_long_answers_do_not_underflow(void **state)
{
    (void)state;
    const double logprobs[] = {-2000, -2001};
    choice_score s = choice_of(logprobs, 2, 0);
    near(s.loss, log1p(exp(-1)));
    assert_true(s.mass == 0 && s.right);
}

/* model_written_evals.md, checks 1 and 2 */
static void test_matching(void **state)
{
    (void)state;
    const double items[4][2] = {{.6, .2}, {.1, .3}, {.25, .25}, {.5, .1}}, masses[] = {.8, .4, .5, .6};
    double rate = 0, soft = 0, flipped = 0;
    for (size_t i = 0; i < 4; i++) {
        double logs[] = {log(items[i][0]), log(items[i][1])}, swapped[] = {logs[1], logs[0]};
        rate += choice_matches(logs, 2) / 4;
        flipped += choice_matches(swapped, 2) / 4;
        soft += choice_of(logs, 2, 0).share / 4;
        near(choice_of(logs, 2, 0).mass, masses[i]);
    }
    near(rate, .625);
    near(flipped, 1 - .625);
    near(soft, .583333);
    const double list[] = {log(.30), log(.25), log(.35)}, beats[] = {log(.36), log(.25), log(.35)};
    near(choice_matches(list, 3), 0);
    near(choice_matches(beats, 3), 1);
}

/* Two clusters of equal members: what counts is the clusters. sum of residuals -1 and 1, G = 2: error^2 = 2 (1 + 1) / 16. */
static void test_clusters(void **state)
{
    (void)state;
    const double values[] = {0, 0, 1, 1};
    const uint64_t two[] = {7, 7, 9, 9}, four[] = {1, 2, 3, 4}, one[] = {5, 5, 5, 5};
    mean_estimate m;
    assert_true(mean_clustered(values, two, 4, &m));
    near(m.error, .5);
    near(m.limits.high - m.mean, 12.7062047 * .5);
    assert_int_equal(m.clusters, 2);
    /* Every item its own cluster: the population's error times sqrt(n / (n - 1)). */
    assert_true(mean_clustered(values, four, 4, &m));
    near(m.error, mean_of(values, 4).error * sqrt(4. / 3));
    assert_true(mean_clustered(values, one, 4, &m));
    assert_true(isnan(m.error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_of_three_classes), cmocka_unit_test(test_ties_go_to_the_first), cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_inverting), cmocka_unit_test(test_logodds), cmocka_unit_test(test_standard_error),
        cmocka_unit_test(test_a_class_of_no_probability_changes_nothing), cmocka_unit_test(test_long_answers_do_not_underflow),
        cmocka_unit_test(test_matching), cmocka_unit_test(test_clusters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
