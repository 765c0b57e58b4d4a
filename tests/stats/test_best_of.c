/* The best of n in closed form: numbers worked out by hand (sycophancy.md, section 7), and all subsets counted. */
#include "near.h"

#include "stats/best_of.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

static void by_hand(void **state)
{
    (void)state;
    /* Check 4: flags 1, 0, 0, 1 by falling score, N = 2: weights 1/2, 1/3, 1/6, 0. */
    const double scores[] = {4, 3, 2, 1}, flags[] = {1, 0, 0, 1};
    NEAR(best_of_expected(scores, flags, 4, 2), 0.5, 1e-15);
    NEAR(best_of_expected(scores, flags, 4, 1), 0.5, 1e-15);
    NEAR(best_of_expected(scores, flags, 4, 4), 1, 1e-15);
    const double second[] = {0, 1, 0, 0}, third[] = {0, 0, 1, 0}, last[] = {0, 0, 0, 1};
    NEAR(best_of_expected(scores, second, 4, 2), 1.0 / 3, 1e-15);
    NEAR(best_of_expected(scores, third, 4, 2), 1.0 / 6, 1e-15);
    NEAR(best_of_expected(scores, last, 4, 2), 0, 0);
    /* Check 5. */
    NEAR(best_of_kl(4), 0.636294361, 1e-9);
    NEAR(best_of_kl(16), 1.835088722, 1e-9);
    NEAR(best_of_kl(1), 0, 0);
}

/* Check 3: 30 % sycophantic and a ranker that always prefers it: 1 - .7^N as the pool grows; with ties between equals. */
static void a_large_pool_tends_to_independent_draws(void **state)
{
    (void)state;
    enum { POOL = 2000 };
    static double scores[POOL], flags[POOL];
    for (size_t i = 0; i < POOL; i++)
        scores[i] = flags[i] = i % 10 < 3;
    NEAR(best_of_expected(scores, flags, POOL, 2), 0.51, 2e-4);
    NEAR(best_of_expected(scores, flags, POOL, 4), 0.7599, 5e-4);
    for (size_t i = 0; i < POOL; i++)
        scores[i] = 1 - flags[i];
    NEAR(best_of_expected(scores, flags, POOL, 2), 0.09, 2e-4);
    NEAR(best_of_expected(scores, flags, POOL, 4), 0.0081, 2e-4);
}

/* Every subset of n out of 9, the best picked, ties broken evenly. */
static void all_subsets_agree(void **state)
{
    (void)state;
    const double scores[9] = {0.3, 2, 1, 1, -4, 2, 2, 0.5, 1}, values[9] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    for (int n = 1; n <= 9; n++) {
        double sum = 0;
        int subsets = 0;
        for (unsigned set = 0; set < 1u << 9; set++) {
            double best = -INFINITY, mean = 0;
            int ties = 0;
            if (__builtin_popcount(set) != n)
                continue;
            for (int i = 0; i < 9; i++)
                if (set >> i & 1 && scores[i] > best)
                    best = scores[i];
            for (int i = 0; i < 9; i++)
                if (set >> i & 1 && scores[i] == best) {
                    mean += values[i];
                    ties++;
                }
            sum += mean / ties;
            subsets++;
        }
        NEAR(best_of_expected(scores, values, 9, (size_t)n), sum / subsets, 1e-12);
    }
}

static void what_cannot_be_said_is_nan(void **state)
{
    (void)state;
    const double one[] = {1}, nan[] = {NAN};
    assert_true(isnan(best_of_expected(one, one, 1, 2)));
    assert_true(isnan(best_of_expected(one, one, 1, 0)));
    assert_true(isnan(best_of_expected(nan, one, 1, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(a_large_pool_tends_to_independent_draws),
        cmocka_unit_test(all_subsets_agree),
        cmocka_unit_test(what_cannot_be_said_is_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
