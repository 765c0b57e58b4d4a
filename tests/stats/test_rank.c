/* Correlations of ranks: by hand, and beside scipy (spearmanr, kendalltau, permutation_test over all pairings). */
#include "stats/rank.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

/* Intelligence against hours of television: the worked example that textbooks print for ten people. */
static const double iq[] = {106, 100, 86, 101, 99, 103, 97, 113, 112, 110}, hours[] = {7, 27, 2, 50, 28, 29, 20, 12, 6, 17};

static rank_correlation must(status (*f)(const double *, const double *, size_t, rank_correlation *, error *), const double *x, const double *y, size_t n)
{
    rank_correlation c;
    error err = {0};
    if (f(x, y, n, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return c;
}

static void ten_people(void **state)
{
    (void)state;
    rank_correlation s = must(spearman, iq, hours, 10), k = must(kendall, iq, hours, 10);
    NEAR(s.value, -29. / 165, 1e-12);
    NEAR(s.p, .6271883447764846, 1e-9);
    assert_false(s.exact);
    NEAR(k.value, -1. / 9, 1e-12);
    NEAR(k.p, .7274895282186948, 1e-12);
    assert_true(k.exact);
    s = must(spearman, iq, hours, 8);
    NEAR(s.value, .11904761904761905, 1e-12);
    NEAR(s.p, .7930059523809524, 1e-12); /* all 40,320 orders */
    assert_true(s.exact);
}

static void all_orders_by_hand(void **state)
{
    (void)state; /* three in a row: two of six orders lie as far out */
    const double up[] = {1, 2, 3}, tie[] = {1, 1, 2};
    NEAR(must(spearman, up, up, 3).p, 1. / 3, 1e-15);
    NEAR(must(kendall, up, up, 3).p, 1. / 3, 1e-15);
    NEAR(must(kendall, up, up, 3).value, 1, 0);
    rank_correlation c = must(kendall, tie, up, 3); /* (1,2), (1,3) up, (2,3) up, one tie: 2 / sqrt(2 3); orders of y: S = 2, 2, 0, 0, -2, -2 */
    NEAR(c.value, 2 / sqrt(6), 1e-12);
    NEAR(c.p, 4. / 6, 1e-15);
}

static void ties(void **state)
{
    (void)state;
    const double x[] = {1, 2, 2, 3, 4, 4, 5}, y[] = {2, 1, 3, 3, 5, 4, 5};
    rank_correlation s = must(spearman, x, y, 7), k = must(kendall, x, y, 7);
    NEAR(s.value, .8888888888888891, 1e-12);
    NEAR(s.p, .012698412698412698, 1e-12);
    NEAR(k.value, .7894736842105262, 1e-12);
    NEAR(k.p, .01904761904761905, 1e-12);
    double rising[14], some[] = {1, 0, 3, 2, 2, 5, 4, 6, 6, 9, 7, 8, 8, 10};
    for (size_t i = 0; i < 14; i++)
        rising[i] = (double)i;
    k = must(kendall, rising, some, 14);
    NEAR(k.value, .8269317890951973, 1e-12);
    NEAR(k.p, 4.712274607742108e-05, 1e-12);
    assert_false(k.exact);
    s = must(spearman, rising, some, 14);
    NEAR(s.value, .9481860025948877, 1e-12);
    NEAR(s.p, 2.497228561545544e-07, 1e-15);
    const double a[] = {0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 5, 5}, b[] = {0, 0, 0, 2, 1, 3, 2, 2, 4, 3, 5, 3}, c[] = {1, 0, 0, 2, 1, 3, 2, 2, 4, 3, 5, 3};
    k = must(kendall, a, c, 12);
    NEAR(k.value, .6837856599513579, 1e-12);
    NEAR(k.p, .0043260742268979606, 1e-12);
    assert_true(must(kendall, a, b, 12).value > k.value); /* a pair that is tied in both counts for neither */
    double ranks[5];
    assert_true(ranks_of((const double[]){3, 1, 3, -INFINITY, 3}, 5, ranks));
    assert_memory_equal(ranks, ((const double[]){4, 2, 4, 1, 4}), sizeof ranks);
}

/* Kendall's exact distribution against counting: among n = 4 things, 1, 3, 5, 6, 5, 3, 1 orders have 0 .. 6 inversions. With n = 10 and one
 * inversion p = 2 (1 + 9) / 10!; past the exact range the ends stay probabilities. */
static void kendalls_exact_tail(void **state)
{
    (void)state;
    double x[200], y[200];
    for (size_t i = 0; i < 200; i++)
        x[i] = y[i] = (double)i;
    y[0] = 1, y[1] = 0;
    rank_correlation c = must(kendall, x, y, 10);
    assert_true(c.exact);
    NEAR(c.p, 20. / 3628800, 1e-15);
    c = must(kendall, x, y, 200);
    assert_true(!c.exact && c.p >= 0 && c.p < 1e-80);
    NEAR(c.value, 1 - 4. / (200 * 199), 1e-12);
}

static void what_cannot_be_told(void **state)
{
    (void)state;
    const double flat[] = {2, 2, 2}, up[] = {1, 2, 3}, nan[] = {1, NAN, 3};
    rank_correlation c = must(spearman, flat, up, 3);
    assert_true(isnan(c.value) && isnan(c.p));
    c = must(kendall, up, flat, 3);
    assert_true(isnan(c.value) && isnan(c.p));
    assert_true(isnan(must(spearman, up, up, 1).value) && isnan(must(kendall, up, up, 1).p));
    assert_true(isnan(must(spearman, up, up, 0).value) && isnan(must(kendall, up, up, 0).value));
    error err = {0};
    assert_int_equal(spearman(up, nan, 3, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "pair 2"));
    assert_int_equal(kendall(nan, up, 3, &c, &err), STATUS_INVALID);
    const double x[] = {1, 2, 3, 4}, y[] = {2, 4, 5, 9}, same[] = {1, 1, 1, 1};
    NEAR(pearson(x, y, 4), 11. / sqrt(5 * 26), 1e-12);
    assert_true(isnan(pearson(x, same, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_people), cmocka_unit_test(all_orders_by_hand), cmocka_unit_test(ties), cmocka_unit_test(kendalls_exact_tail),
        cmocka_unit_test(what_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
