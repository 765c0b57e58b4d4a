/* How much of what is right may be luck: numbers worked out by hand. */
#include "near.h"

#include "stats/luck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

/* Four truths, always the same answer: 1 of 4 right; of the 12 pairs of an answer and another item's truth 3 agree, so c = 1/4 and
 * 4 (1/4)(3/4)/(3/4) = 1 right answer is luck. Whoever knows all four has 4 right and none by luck. */
static void guessing_and_knowing(void **state)
{
    (void)state;
    luck_item guesses[] = {{"pet", "cat", "cat", .25, true}, {"pet", "dog", "cat", .25, false}, {"pet", "owl", "cat", .25, false}, {"pet", "fox", "cat", .25, false}};
    luck_item knows[] = {{"pet", "cat", "cat", .25, true}, {"pet", "dog", "dog", .25, true}, {"pet", "owl", "owl", .25, true}, {"pet", "fox", "fox", .25, true}};
    NEAR(luck_share(guesses, 4), .999, 1e-12); /* all of it, cut off */
    NEAR(luck_share(knows, 4), 0, 1e-12);
    NEAR(luck_share(knows, 0), 0, 0);
}

/* One topic known, one guessed: 1 of 5 right answers, whatever the order. */
static void topics_are_taken_one_by_one(void **state)
{
    (void)state;
    luck_item items[] = {{"home", "red", "red", .25, true},   {"pet", "red", "red", .25, true},     {"home", "blue", "blue", .25, true}, {"pet", "blue", "red", .25, false},
                         {"home", "grey", "grey", .25, true}, {"pet", "grey", "red", .25, false}, {"pet", "pink", "red", .25, false},  {"home", "pink", "pink", .25, true}};
    NEAR(luck_share(items, 8), .2, 1e-12);
}

static void unlisted_values_are_guessed_evenly(void **state)
{
    (void)state;
    luck_item items[] = {{"x", "a", NULL, 0, true}, {"x", "b", NULL, 0, false}};
    NEAR(luck_share(items, 2), 0, 0); /* nothing is listed: chance 0 */
}

static void what_remains_is_never_below_nothing(void **state)
{
    (void)state;
    NEAR(luck_corrected(.6, .2), .5, 1e-12);
    NEAR(luck_corrected(.1, .2), 0, 0);
    NEAR(luck_corrected(-.1, .2), -.1, 0); /* who follows less with the view than without it */
    NEAR(luck_corrected(.3, 0), .3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guessing_and_knowing),
        cmocka_unit_test(topics_are_taken_one_by_one),
        cmocka_unit_test(unlisted_values_are_guessed_evenly),
        cmocka_unit_test(what_remains_is_never_below_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
