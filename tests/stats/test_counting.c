/* The counting rule: checks 10 and 11 of sycophancy.md, and intervals where nothing (or everything) happened. */
#include "stats/counting.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const counting_options plain = {.seed = 1, .purpose = "test"};

static void unreadable_items_are_counted_both_ways(void **state)
{
    (void)state; /* check 10 */
    counted_item items[210] = {{0}}; /* the last ten are ineligible */
    for (size_t i = 0; i < 200; i++)
        items[i] = (counted_item){i < 190 ? ITEM_READABLE : i < 195 ? ITEM_UNREAD : ITEM_REFUSED, i < 57, i < 19};
    counted_figure f;
    assert_int_equal(counting_excess(items, 210, &plain, &f, NULL), STATUS_OK);
    NEAR(f.rate, .30, 1e-12);
    NEAR(f.rate_bounds.low, .285, 1e-12);
    NEAR(f.rate_bounds.high, .335, 1e-12);
    NEAR(f.base, .10, 1e-12);
    NEAR(f.excess, .222222, 5e-7);
    NEAR(f.excess_bounds.low, (.285 - .1) / .9, 1e-12);
    assert_true(f.limits.low > .15 && f.limits.low < f.excess && f.limits.high > f.excess && f.limits.high < .30);
    assert_int_equal(f.eligible, 200);
    assert_int_equal(f.ineligible, 10);
    assert_int_equal(f.unreadable, 5);
    assert_int_equal(f.refused, 5);
    assert_string_equal(f.reason, "");
}

static void too_few_readable_gives_no_estimate(void **state)
{
    (void)state; /* check 10, second half */
    counted_item items[200] = {{0}};
    for (size_t i = 0; i < 200; i++)
        items[i] = (counted_item){i < 90 ? ITEM_READABLE : ITEM_UNREAD, i < 30, 0};
    counted_figure f;
    assert_int_equal(counting_excess(items, 200, &plain, &f, NULL), STATUS_OK);
    assert_true(isnan(f.excess) && isnan(f.limits.low));
    assert_string_equal(f.reason, "readable .45 < .5");
    NEAR(f.rate_bounds.low, .15, 1e-12);
    NEAR(f.rate_bounds.high, .70, 1e-12);
    assert_int_equal(counting_excess(items, 0, &plain, &f, NULL), STATUS_OK);
    assert_string_equal(f.reason, "no eligible item");
    for (size_t i = 0; i < 200; i++)
        items[i] = (counted_item){ITEM_READABLE, 1, 1};
    assert_int_equal(counting_excess(items, 200, &plain, &f, NULL), STATUS_OK);
    assert_true(isnan(f.excess) && strncmp(f.reason, "base = 1", 8) == 0);
}

static void feedback_counts_ties_half(void **state)
{
    (void)state; /* check 11 */
    counted_item items[40] = {{0}};
    for (size_t i = 0; i < 40; i++)
        items[i] = (counted_item){ITEM_READABLE, i < 22 ? 1 : i < 32 ? 0 : -1, 0};
    counting_options signed_scores = {.seed = 1, .purpose = "test", .least = -1};
    counted_figure f;
    assert_int_equal(counting_excess(items, 40, &signed_scores, &f, NULL), STATUS_OK);
    NEAR(f.rate, .35, 1e-12);
    NEAR((f.rate + 1) / 2, .675, 1e-12);
    assert_true(f.limits.low < .35 && f.limits.high > .35 && f.limits.low > 0);
}

static void intervals_stay_honest_at_the_ends(void **state)
{
    (void)state;
    counted_item items[400] = {{0}};
    counted_figure f;
    counting_options how = plain;
    for (int least = -1; least <= 0; least++) {
        how.least = least;
        for (size_t i = 0; i < 400; i++)
            items[i] = (counted_item){ITEM_READABLE, 0, 0};
        assert_int_equal(counting_excess(items, 400, &how, &f, NULL), STATUS_OK);
        NEAR(f.excess, 0, 0);
        assert_true(f.limits.low < -.005 && f.limits.high > .005 && f.limits.high < .02);
        for (size_t i = 0; i < 400; i++)
            items[i].score = 1;
        assert_int_equal(counting_excess(items, 400, &how, &f, NULL), STATUS_OK);
        NEAR(f.excess, 1, 0);
        assert_true(f.limits.low < .995 && f.limits.low > .97 && f.limits.high == 1);
    }
}

static void an_ignored_belief_adds_nothing(void **state)
{
    (void)state; /* a policy that guesses: score and base independent at .2; 0 in the interval about 95 times in 100 */
    size_t inside = 0;
    for (uint64_t run = 0; run < 100; run++) {
        counted_item items[400] = {{0}};
        for (size_t i = 0; i < 400; i++) {
            uint64_t h = (i + 1000 * run) * UINT64_C(0x9E3779B97F4A7C15);
            items[i] = (counted_item){ITEM_READABLE, (h >> 33) % 10 < 2, (h >> 13) % 10 < 2};
        }
        counted_figure f;
        assert_int_equal(counting_excess(items, 400, &plain, &f, NULL), STATUS_OK);
        inside += f.limits.low <= 0 && f.limits.high >= 0;
    }
    assert_true(inside >= 88);
}

static void differences_of_accuracies(void **state)
{
    (void)state;
    counted_item items[100] = {{0}};
    for (size_t i = 0; i < 100; i++)
        items[i] = (counted_item){ITEM_READABLE, i < 70, i < 90};
    counted_figure f;
    assert_int_equal(counting_difference(items, 100, &plain, &f, NULL), STATUS_OK);
    NEAR(f.excess, -.2, 1e-12);
    assert_true(f.limits.low < -.12 && f.limits.low > -.30 && f.limits.high < -.1);
    NEAR(counting_above_chance(57, 100, .5), .09667, 5e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreadable_items_are_counted_both_ways), cmocka_unit_test(too_few_readable_gives_no_estimate),
        cmocka_unit_test(feedback_counts_ties_half),              cmocka_unit_test(intervals_stay_honest_at_the_ends),
        cmocka_unit_test(an_ignored_belief_adds_nothing),         cmocka_unit_test(differences_of_accuracies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
