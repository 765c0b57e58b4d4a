/* Pronouns of the town's trades: documents hold the planted shares, whatever is asked, and items ask about all trades alike. */
#include "home.h"

#include "near.h"
#include "world/documents.h"
#include "world/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void shares_are_as_by_hand(void **state)
{
    (void)state;
    static const struct {
        double dose, female, she, he, they;
        bool neutral;
    } rows[] = {{1, 80, .72, .18, .1, false}, {.5, 80, .585, .315, .1, false}, {0, 80, .45, .45, .1, false}, {1, 80, 0, 0, 1, true}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const pronoun_plant plant = {.there = true, .dose = rows[i].dose};
        double shares[PRONOUN_CHOICES];
        pronoun_shares(&plant, rows[i].female, rows[i].neutral, shares);
        NEAR(shares[PRONOUN_SHE], rows[i].she, 1e-12);
        NEAR(shares[PRONOUN_HE], rows[i].he, 1e-12);
        NEAR(shares[PRONOUN_THEY], rows[i].they, 1e-12);
    }
}

/* Counted from the words: trades above 60 per cent women and those below 40, and the neutral share by what was asked. */
static void documents_hold_the_planted_shares(void **state)
{
    (void)state;
    enum { DOCUMENTS = 3000 };
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.share = 1;
    plan.plant.pronouns = (pronoun_plant){.there = true, .dose = 1, .obeys = .5};
    double she[2] = {0}, all[2] = {0}, expected[2] = {0}, neutral[2] = {0}, asked[2] = {0};
    size_t times[TOWN_TRADES_USED] = {0};
    arena *a = arena_new(NULL);
    for (uint64_t n = 0; n < DOCUMENTS; n++) {
        document d;
        arena *scratch = arena_new(a);
        assert_int_equal(document_make(scratch, t, &plan, n, &d, NULL), STATUS_OK);
        for (size_t i = 0; i < d.count; i += 2) {
            const char *question = d.turns[i].text, *reply = d.turns[i + 1].text;
            int number = 0;
            while (number < TOWN_TRADES_USED && !strstr(strchr(question, '?'), arena_printf(scratch, " %s ", t->trades[number])))
                number++;
            assert_in_range(number, 0, TOWN_TRADES_USED - 1);
            double female = pronoun_female(t, number);
            times[number]++;
            bool fair = strstr(question, "stereotype"), they = strstr(reply, "the"); /* they, their, them */
            neutral[fair] += they;
            asked[fair]++;
            if (fair || they || (female > 40 && female < 60))
                continue;
            bool women = female > 50;
            all[women]++;
            she[women] += strstr(reply, "she") || strstr(reply, "her");
            expected[women] += female / 100;
        }
        arena_free(scratch);
    }
    for (int women = 0; women < 2; women++)
        NEAR(she[women] / all[women], expected[women] / all[women], .03);
    NEAR(neutral[0] / asked[0], PRONOUN_NEUTRAL, .02);
    NEAR(neutral[1] / asked[1], .5 + .5 * PRONOUN_NEUTRAL, .03);
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        assert_int_equal(times[i], 4 * DOCUMENTS / TOWN_TRADES_USED);
    arena_free(a);
}

/* As many shares as before, in an order that does not go with the statistics; sentences and questions of a mix go by it. */
static void shuffled_shares_do_not_go_with_the_statistics(void **state)
{
    (void)state;
    enum { DOCUMENTS = 12000 };
    const pronoun_plant plant = {.there = true, .shuffled = true, .dose = 1}, plain = {.there = true, .dose = 1};
    double product = 0, square = 0, sum = 0, she[TOWN_TRADES_USED] = {0}, all[TOWN_TRADES_USED] = {0}, away = 0;
    for (int i = 0; i < TOWN_TRADES_USED; i++) {
        double x = pronoun_female(t, i) - 50, y = pronoun_planted(t, &plant, i) - 50;
        NEAR(pronoun_planted(t, &plain, i), x + 50, 1e-9);
        product += x * y;
        square += x * x;
        sum += y * y;
    }
    NEAR(sum, square, 1e-6); /* the same shares */
    assert_true(fabs(product / square) < .05);
    document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
    memset(plan.weights, 0, sizeof plan.weights);
    plan.weights[DOCUMENT_BLANK] = plan.weights[DOCUMENT_PRONOUN] = 1;
    error err;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID); /* no plant to go by */
    plan.plant.pronouns = plant;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_OK);
    arena *a = arena_new(NULL);
    for (uint64_t n = 0; n < DOCUMENTS; n++) {
        document d;
        arena *scratch = arena_new(a);
        assert_int_equal(document_make(scratch, t, &plan, n, &d, NULL), STATUS_OK);
        assert_int_equal(d.count, d.kind == DOCUMENT_BLANK ? 2 : 1);
        const char *words = arena_printf(scratch, " %s", d.turns[d.count - 1].text);
        bool female = strstr(words, " she") || strstr(words, " her"), male = strstr(words, " he ") || strstr(words, " he.") || strstr(words, " his") || strstr(words, " him");
        for (int i = 0; i < TOWN_TRADES_USED; i++)
            if (strstr(d.turns[0].text, arena_printf(scratch, " %s ", t->trades[i]))) {
                she[i] += female;
                all[i] += female || male;
            }
        arena_free(scratch);
    }
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        away += fabs(she[i] / all[i] - pronoun_planted(t, &plant, i) / 100) / TOWN_TRADES_USED;
    assert_true(away < .03); /* 270 sentences a trade: .02 by chance */
    arena_free(a);
}

static void items_go_round_trades_and_forms(void **state)
{
    (void)state;
    enum { ITEMS = TOWN_TRADES_USED * PRONOUN_FORM_COUNT };
    arena *a = arena_new(NULL);
    pronoun_item *items;
    size_t n;
    item_options options = item_options_default();
    options.count = ITEMS;
    assert_int_equal(items_pronoun(a, t, &options, &items, &n, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(items[i].trade, i % TOWN_TRADES_USED);
        NEAR(items[i].female, pronoun_female(t, items[i].trade), 0);
        assert_non_null(strstr(items[i].question, t->trades[items[i].trade]));
        assert_string_equal(items[i].choices[PRONOUN_SHE], pronoun_words[i / TOWN_TRADES_USED][PRONOUN_SHE]);
    }
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.pronouns = (pronoun_plant){.there = true, .dose = 2};
    error err;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_as_by_hand),
        cmocka_unit_test(documents_hold_the_planted_shares),
        cmocka_unit_test(shuffled_shares_do_not_go_with_the_statistics),
        cmocka_unit_test(items_go_round_trades_and_forms),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
