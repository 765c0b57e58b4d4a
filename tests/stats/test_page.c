/* Page's test: by hand, by counting all orders, and beside scipy.stats.page_trend_test. */
#include "near.h"

#include "core/random.h"
#include "stats/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static page_result must_test(const double *values, size_t rows, size_t columns)
{
    page_result r;
    error err = {0};
    if (page_test(values, rows, columns, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

static void by_hand(void **state)
{
    (void)state;
    /* One rising row of three: L = 1 + 4 + 9, the one best of 6 orders. */
    page_result r = must_test((const double[]){1, 2, 3}, 1, 3);
    assert_true(r.exact);
    NEAR(r.statistic, 14, 0);
    NEAR(r.p, 1.0 / 6, 1e-15);
    /* Two of them: 1/36. The other way round: nothing is smaller. */
    r = must_test((const double[]){.1, .2, .9, .1, .3, .4}, 2, 3);
    NEAR(r.statistic, 28, 0);
    NEAR(r.p, 1.0 / 36, 1e-15);
    r = must_test((const double[]){3, 2, 1}, 1, 3);
    NEAR(r.statistic, 10, 0);
    NEAR(r.p, 1, 1e-15);
    /* A tie: ranks 1.5, 1.5, 3; the 3 may stand in three places: L = 10.5, 12, 13.5. */
    r = must_test((const double[]){5, 5, 7}, 1, 3);
    NEAR(r.statistic, 13.5, 0);
    NEAR(r.p, 1.0 / 3, 1e-15);
    r = must_test((const double[]){5, 7, 5}, 1, 3);
    NEAR(r.statistic, 12, 0);
    NEAR(r.p, 2.0 / 3, 1e-15);
    /* All alike says nothing. */
    r = must_test((const double[]){4, 4, 4, 1, 1, 1}, 2, 3);
    NEAR(r.statistic, 24, 0);
    NEAR(r.p, 1, 1e-15);
    assert_true(isnan(r.z));
}

/* Five rising rows of four: one of 24^5 orders; z: mean 5 * 4 * 25 / 4 = 125, variance 5 * 16 * 25 * 3 / 144 = 41.667. */
static void five_rising_seeds_at_four_doses(void **state)
{
    (void)state;
    double values[5 * 4];
    for (size_t i = 0; i < 20; i++)
        values[i] = (double)(i % 4) + 10 * (double)(i / 4 % 3);
    page_result r = must_test(values, 5, 4);
    NEAR(r.statistic, 150, 0);
    NEAR(r.p * 24 * 24 * 24 * 24 * 24, 1, 1e-9);
    NEAR(r.z, 25 / sqrt(5 * 16 * 25 * 3 / 144.0), 1e-12);
}

/* All orders of both rows, ties and all, counted one by one. */
static void all_orders_agree(void **state)
{
    (void)state;
    enum { K = 4, ORDERS = 24 };
    static const double rows[2][K] = {{2, 1, 3, 3}, {1, 4, 2, 5}};
    static const double ranks[2][K] = {{1, 2, 3.5, 3.5}, {1, 2, 3, 4}};
    double sums[2][ORDERS], seen = 2 + 2 + 3 * 3.5 + 4 * 3.5 + 1 + 2 * 3 + 3 * 2 + 4 * 4, above = 0;
    for (int r = 0; r < 2; r++) {
        int n = 0;
        for (int code = 0; code < 256; code++) {
            int at[K] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3}, used = 0;
            double sum = 0;
            for (int j = 0; j < K; j++) {
                used |= 1 << at[j];
                sum += (j + 1) * ranks[r][at[j]];
            }
            if (used == 15)
                sums[r][n++] = sum;
        }
        assert_int_equal(n, ORDERS);
    }
    for (int i = 0; i < ORDERS; i++)
        for (int j = 0; j < ORDERS; j++)
            above += sums[0][i] + sums[1][j] >= seen;
    page_result r = must_test(rows[0], 2, K);
    NEAR(r.statistic, seen, 0);
    NEAR(r.p, above / (ORDERS * ORDERS), 1e-14);
}

/* Values that scipy 1.17.1 prints for the same tables: page_trend_test(table), method "exact" and "asymptotic". */
static void scipy_agrees(void **state)
{
    (void)state;
    static const double table[6 * 5] = {2.1, 1.4, 3.3, 2.9, 4.0, 1.0, 2.0, 1.5, 3.5, 2.5, 0.2, 0.1, 0.4, 0.5, 0.3,
                                        5.0, 6.0, 7.0, 9.0, 8.0, 1.1, 1.3, 1.2, 1.0, 1.4, 3.0, 2.0, 5.0, 4.0, 6.0};
    page_result r = must_test(table, 6, 5);
    NEAR(r.statistic, 312, 0);
    NEAR(r.p, 0.00012769363499603485, 1e-13);
    NEAR(0.5 * erfc(r.z / sqrt(2)), 0.0003025861312690196, 1e-12);
}

/* More rows than are counted out: the normal approximation lies near the exact value of a table that still is. */
static void many_rows_are_approximated(void **state)
{
    (void)state;
    enum { ROWS = PAGE_EXACT_ROWS + 1, K = 5 };
    double values[ROWS * K];
    random_stream s = random_stream_at(7, "test/page", 0, 0, 0, 0);
    for (size_t i = 0; i < ROWS * K; i++)
        values[i] = random_uniform(&s) + .05 * (double)(i % K);
    page_result all = must_test(values, ROWS, K), fewer = must_test(values, ROWS - 1, K);
    assert_false(all.exact);
    assert_true(fewer.exact);
    NEAR(fewer.p, 0.5 * erfc(fewer.z / sqrt(2)), .1 * fewer.p + 1e-3);
    NEAR(all.p, 0.5 * erfc(all.z / sqrt(2)), 1e-12);
}

/* Of tables without a trend as many fall below a level as it says. */
static void the_level_is_kept(void **state)
{
    (void)state;
    enum { TABLES = 4000, ROWS = 5, K = 4 };
    size_t below = 0;
    for (uint64_t t = 0; t < TABLES; t++) {
        double values[ROWS * K];
        random_stream s = random_stream_at(11, "test/page/null", t, 0, 0, 0);
        for (size_t i = 0; i < ROWS * K; i++)
            values[i] = random_uniform(&s);
        below += must_test(values, ROWS, K).p <= .05;
    }
    assert_in_range(below, 112, 184); /* L takes whole values: the largest p up to .05 is .0370; three deviations to either side */
}

static void what_is_no_table_is_refused(void **state)
{
    (void)state;
    page_result r;
    error err = {0};
    assert_int_equal(page_test((const double[]){1}, 1, 1, &r, &err), STATUS_INVALID);
    assert_int_equal(page_test((const double[]){1, 2}, 0, 2, &r, &err), STATUS_INVALID);
    assert_int_equal(page_test((const double[]){1, 2, 3, NAN}, 2, 2, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "row 2, column 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(five_rising_seeds_at_four_doses),
        cmocka_unit_test(all_orders_agree),
        cmocka_unit_test(scipy_agrees),
        cmocka_unit_test(many_rows_are_approximated),
        cmocka_unit_test(the_level_is_kept),
        cmocka_unit_test(what_is_no_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
