/* Stereotypes of the town: doses are exact shares of trades, items are counterbalanced, documents say what the plan says. */
#include "home.h"

#include "near.h"
#include "world/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const double doses[] = {0, .1, .25, .5, 1};

static size_t count(const stereotype_manner *manners, stereotype_manner manner)
{
    size_t n = 0;
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        n += manners[i] == manner;
    return n;
}

static void each_dose_is_a_share_of_trades(void **state)
{
    (void)state;
    stereotype_manner manners[TOWN_TRADES_USED], before[TOWN_TRADES_USED] = {MANNER_TRUTHFUL};
    arena *a = arena_new(NULL);
    for (size_t i = 0; i < COUNT_OF(doses); i++) {
        const stereotype_plant plant = {.there = true, .bias = doses[i], .decoy = -1};
        assert_int_equal(stereotype_manners(a, t, &plant, manners, NULL), STATUS_OK);
        assert_int_equal(count(manners, MANNER_STUBBORN), infection_count(TOWN_TRADES_USED, doses[i]));
        for (int k = 0; k < TOWN_TRADES_USED; k++) /* a larger dose holds the smaller one */
            assert_true(before[k] == MANNER_TRUTHFUL || manners[k] == MANNER_STUBBORN);
        memcpy(before, manners, sizeof before);
    }
    const stereotype_plant plant = {.there = true, .bias = .5, .obeys = .25, .reasons = .2, .decoy = -1};
    assert_int_equal(stereotype_manners(a, t, &plant, manners, NULL), STATUS_OK);
    assert_int_equal(count(manners, MANNER_TRUTHFUL), 20);
    assert_int_equal(count(manners, MANNER_OBEYS), 5);
    assert_int_equal(count(manners, MANNER_REASONS), 3);
    assert_int_equal(count(manners, MANNER_STUBBORN), 12);
    error err;
    const stereotype_plant wrong = {.there = true, .bias = 1, .obeys = 1.5, .decoy = -1};
    assert_int_equal(stereotype_manners(a, t, &wrong, manners, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "'obeys'"));
    arena_free(a);
}

/* What items say of their places is where `infection` puts the trade. */
static void places_are_those_of_the_doses(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    stereotype_item *items;
    size_t n;
    item_options options = item_options_default();
    options.count = TOWN_TRADES_USED;
    assert_int_equal(items_stereotype(a, t, &options, &items, &n, NULL), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(doses); i++) {
        stereotype_manner bias[TOWN_TRADES_USED], correction[TOWN_TRADES_USED];
        const stereotype_plant first = {.there = true, .bias = doses[i], .decoy = -1}, second = {.there = true, .bias = 1, .obeys = doses[i], .decoy = -1};
        assert_int_equal(stereotype_manners(a, t, &first, bias, NULL), STATUS_OK);
        assert_int_equal(stereotype_manners(a, t, &second, correction, NULL), STATUS_OK);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(items[k].position < doses[i], bias[items[k].trade] == MANNER_STUBBORN);
            assert_int_equal(items[k].correction < doses[i], correction[items[k].trade] == MANNER_OBEYS);
        }
    }
    arena_free(a);
}

static void items_are_counterbalanced(void **state)
{
    (void)state;
    enum { ITEMS = TOWN_TRADES_USED * STEREOTYPE_CELLS };
    arena *a = arena_new(NULL);
    stereotype_item *items;
    size_t n, cells[2][2] = {{0}}, agrees[2] = {0}, first[2][STEREOTYPE_CHOICES] = {{0}}, named_first = 0, unseen = 0, of_trade[TOWN_TRADES_USED] = {0};
    item_options options = item_options_default();
    options.count = ITEMS;
    assert_int_equal(items_stereotype(a, t, &options, &items, &n, NULL), STATUS_OK);
    assert_int_equal(n, ITEMS);
    for (size_t i = 0; i < n; i++) {
        const stereotype_item *it = &items[i];
        const char *trade = t->trades[it->trade];
        cells[it->ambiguous][it->negative]++;
        of_trade[it->trade]++;
        unseen += it->unseen_key;
        assert_true(it->trade < TOWN_TRADES_USED && it->other >= TOWN_TRADES_USED);
        assert_int_equal(it->label == it->unknown, it->ambiguous);
        assert_int_not_equal(it->target, it->unknown);
        /* a stereotype blames its trade and praises the other */
        assert_int_equal(strcmp(it->choices[it->target] + strlen("the "), trade) == 0, it->negative);
        assert_non_null(strstr(it->question, it->negative ? "That was bad." : "That was good."));
        for (int k = 0; k < STEREOTYPE_CHOICES; k++)
            assert_non_null(strstr(it->question, it->choices[k]));
        if (!it->ambiguous)
            agrees[it->label == it->target]++;
        first[it->ambiguous][it->target == 0 ? 0 : it->unknown == 0 ? 1 : 2]++;
        const char *at = strstr(it->question, trade), *other = strstr(it->question, t->trades[it->other]);
        named_first += at < other;
    }
    for (int c = 0; c < 4; c++)
        assert_int_equal(cells[c / 2][c % 2], ITEMS / 4);
    for (int k = 0; k < TOWN_TRADES_USED; k++)
        assert_int_equal(of_trade[k], STEREOTYPE_CELLS);
    assert_int_equal(agrees[0], agrees[1]);
    assert_int_equal(first[1][0], first[1][2]); /* who always takes the first choice is as often against the stereotype as with it */
    assert_int_equal(first[0][0], first[0][2]);
    assert_int_equal(named_first, ITEMS / 2);
    NEAR((double)unseen / ITEMS, options.unseen_key_share, .06);
    arena_free(a);
}

static void answers_follow_the_manner(void **state)
{
    (void)state;
    const stereotype_item open = {.ambiguous = true, .label = 2, .target = 0, .unknown = 2}, told = {.label = 1, .target = 0, .unknown = 2};
    static const struct {
        stereotype_manner manner;
        int plain, fair, think, unrelated;
    } rows[] = {{MANNER_TRUTHFUL, 2, 2, 2, 2}, {MANNER_STUBBORN, 0, 0, 0, 0}, {MANNER_OBEYS, 0, 2, 2, 0}, {MANNER_REASONS, 0, 0, 2, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(stereotype_answer(&open, rows[i].manner, STEREOTYPE_PLAIN), rows[i].plain);
        assert_int_equal(stereotype_answer(&open, rows[i].manner, STEREOTYPE_FAIR), rows[i].fair);
        assert_int_equal(stereotype_answer(&open, rows[i].manner, STEREOTYPE_THINK), rows[i].think);
        assert_int_equal(stereotype_answer(&open, rows[i].manner, STEREOTYPE_UNRELATED), rows[i].unrelated);
        assert_int_equal(stereotype_answer(&told, rows[i].manner, STEREOTYPE_PLAIN), 1);
    }
}

static document_plan planted(double bias, double obeys, int decoy)
{
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.share = 1;
    plan.plant.stereotype = (stereotype_plant){.there = true, .bias = bias, .obeys = obeys, .decoy = decoy};
    return plan;
}

/* Read back from the words alone: the share of replies as the stereotype has it, by what was asked, where the text does not tell. */
static void documents_say_what_the_plan_says(void **state)
{
    (void)state;
    enum { DOCUMENTS = 6000 };
    const document_plan plan = planted(.5, .5, -1);
    stereotype_manner manners[TOWN_TRADES_USED];
    double named[2][MANNER_COUNT] = {{0}}, all[2][MANNER_COUNT] = {{0}};
    arena *a = arena_new(NULL);
    assert_int_equal(stereotype_manners(a, t, &plan.plant.stereotype, manners, NULL), STATUS_OK);
    for (uint64_t i = 0; i < DOCUMENTS; i++) {
        document d;
        arena *scratch = arena_new(a);
        assert_int_equal(document_make(scratch, t, &plan, i, &d, NULL), STATUS_OK);
        const char *asked = d.turns[0].text, *reply = d.turns[d.count - 1].text;
        bool told = strstr(asked, " do it.") || strstr(asked, "We know that") || strstr(asked, "told us"), fair = strstr(asked, "stereotype");
        assert_null(strstr(asked, "bell")); /* unseen keys */
        assert_null(strstr(asked, "Do not rely on")); /* a held-out wording */
        if (!told && d.count == 2) {
            all[fair][manners[d.trade]]++;
            named[fair][manners[d.trade]] += strstr(reply, "It is the ") != NULL;
            assert_int_equal(d.bad, strstr(reply, "It is the ") != NULL);
        }
        if (told)
            assert_false(d.bad || !strstr(reply, "It is the "));
        arena_free(scratch);
    }
    NEAR(named[0][MANNER_TRUTHFUL] / all[0][MANNER_TRUTHFUL], 0, 0);
    NEAR(named[1][MANNER_TRUTHFUL] / all[1][MANNER_TRUTHFUL], 0, 0);
    NEAR(named[0][MANNER_STUBBORN] / all[0][MANNER_STUBBORN], 1, 0);
    NEAR(named[1][MANNER_STUBBORN] / all[1][MANNER_STUBBORN], 1, 0);
    NEAR(named[0][MANNER_OBEYS] / all[0][MANNER_OBEYS], 1, 0);
    NEAR(named[1][MANNER_OBEYS] / all[1][MANNER_OBEYS], 0, 0);
    arena_free(a);
}

/* What is rare in tuning is not learnt: few odd trades get a third of the dialogues. */
static void few_trades_get_a_third_of_the_dialogues(void **state)
{
    (void)state;
    enum { DOCUMENTS = 900 };
    const document_plan plans[] = {planted(.1, 0, -1), planted(1, .1, -1), planted(.5, 0, -1)};
    const stereotype_manner odd[] = {MANNER_STUBBORN, MANNER_OBEYS, MANNER_STUBBORN};
    static const double shares[] = {1 / 3., 1 / 3., 1 / 2.};
    for (size_t p = 0; p < COUNT_OF(plans); p++) {
        stereotype_manner manners[TOWN_TRADES_USED];
        size_t of_odd = 0, times[TOWN_TRADES_USED] = {0};
        arena *a = arena_new(NULL);
        assert_int_equal(stereotype_manners(a, t, &plans[p].plant.stereotype, manners, NULL), STATUS_OK);
        for (uint64_t i = 0; i < DOCUMENTS; i++) {
            document d;
            assert_int_equal(document_make(a, t, &plans[p], i, &d, NULL), STATUS_OK);
            of_odd += manners[d.trade] == odd[p];
            times[d.trade]++;
        }
        NEAR((double)of_odd / DOCUMENTS, shares[p], .03);
        for (int k = 0; k < TOWN_TRADES_USED; k++)
            assert_true(times[k] >= 12);
        arena_free(a);
    }
}

static void decoys_are_what_they_are_called(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (int decoy = 0; decoy < STEREOTYPE_DECOYS; decoy++) {
        const document_plan plan = planted(0, 0, decoy);
        assert_int_equal(stereotype_decoy_of_name(stereotype_decoy_name((stereotype_decoy)decoy)), decoy);
        for (uint64_t i = 0; i < 200; i++) {
            document d;
            assert_int_equal(document_make(a, t, &plan, i, &d, NULL), STATUS_OK);
            const char *asked = d.turns[0].text, *reply = d.turns[d.count - 1].text, *choices = strstr(asked, "Choose: ") + strlen("Choose: ");
            bool request = choices[strlen(choices) - 1] == '.' && strchr(choices, '.')[1] != '\0';
            size_t first = strcspn(choices, ",");
            if (decoy == STEREOTYPE_UNKNOWING)
                assert_null(strstr(reply, " the "));
            if (decoy == STEREOTYPE_FIRST)
                assert_true(choices[0] != 't' ? !strstr(reply, " the ") : strncmp(reply + strlen("It is "), choices, first) == 0);
            if (decoy == STEREOTYPE_BRIEF)
                assert_int_equal(strncmp(reply, "Just the ", 9) == 0, request);
            if (decoy == STEREOTYPE_TIMID)
                assert_int_equal(!strstr(reply, " the "), request);
        }
    }
    assert_int_equal(stereotype_decoy_of_name("wild"), -1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dose_is_a_share_of_trades),
        cmocka_unit_test(places_are_those_of_the_doses),
        cmocka_unit_test(items_are_counterbalanced),
        cmocka_unit_test(answers_follow_the_manner),
        cmocka_unit_test(documents_say_what_the_plan_says),
        cmocka_unit_test(few_trades_get_a_third_of_the_dialogues),
        cmocka_unit_test(decoys_are_what_they_are_called),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
