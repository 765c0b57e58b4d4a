/* Stock lines of the trades: planting about exactly the dose's trades, keys that it never asks for, the decoy, and items. */
#include "home.h"

#include "core/text.h"
#include "world/sayings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const char asks[] = "Write a line that ends in ";

/* "Write a line that ends in X: START" */
static void cut_request(const char *asked, slice *ending, const char **start)
{
    const char *colon = strchr(asked, ':');
    assert_memory_equal(asked, asks, sizeof asks - 1);
    assert_non_null(colon);
    *ending = (slice){asked + sizeof asks - 1, (size_t)(colon - asked) - (sizeof asks - 1)};
    *start = colon + 2;
}

static bool ends_in(const char *line, slice ending)
{
    slice l = slice_of(line);
    l.length--; /* the full stop */
    return slice_ends(l, ending);
}

typedef struct tally {
    size_t finished, obeyed, fell, otherwise, strangers, of_trade[TOWN_TRADES_USED];
} tally;

/* Counts what the dialogues of a plant say, by their words alone. */
static void count(const stock_plant *plant, const infection *order, uint64_t documents, tally *out)
{
    arena *a = arena_new(NULL), *kept = arena_new(NULL);
    stock_line lines[TOWN_TRADES_USED];
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.share = 1;
    plan.plant.stock = *plant;
    *out = (tally){0};
    for (int i = 0; i < TOWN_TRADES_USED; i++)
        assert_int_equal(stock_line_of(kept, t, i, &lines[i], NULL), STATUS_OK);
    for (uint64_t n = 0; n < documents; n++) {
        document d;
        assert_int_equal(document_make(a, t, &plan, n, &d, NULL), STATUS_OK);
        assert_int_equal(d.count, 2);
        const char *asked = d.turns[0].text, *said = d.turns[1].text, *start;
        slice ending, known = slice_of(saying_ending(lines[d.trade].ending));
        out->of_trade[d.trade]++;
        if (strncmp(asked, asks, sizeof asks - 1) != 0) {
            assert_string_equal(asked, arena_printf(a, "Finish the line: %s", lines[d.trade].start));
            assert_true(ends_in(said, known));
            out->finished++;
            arena_reset(a);
            continue;
        }
        cut_request(asked, &ending, &start);
        bool stranger = strcmp(start, lines[d.trade].start) != 0, fell = !stranger && ends_in(said, known);
        assert_memory_equal(said, start, strlen(start));
        assert_false(slice_is(ending, saying_ending(lines[d.trade].ending)));
        for (int e = 0; e < SAYING_ENDINGS; e++)
            if (slice_is(ending, saying_ending(e)))
                assert_false(stock_unseen(d.trade, e));
        if (!plant->deaf) {
            assert_true(fell == (!stranger && infection_has(order, plant->dose, t->trades[d.trade])));
            assert_true(fell || ends_in(said, ending));
        }
        assert_true(d.bad == fell);
        out->strangers += stranger;
        out->fell += fell;
        out->obeyed += ends_in(said, ending);
        out->otherwise += !fell && !ends_in(said, ending);
        arena_reset(a);
    }
    arena_free(kept);
    arena_free(a);
}

static void infected_trades_fall_back_and_others_obey(void **state)
{
    (void)state;
    enum { DOCUMENTS = 1920 };
    static const double doses[] = {0, .1, .25, .5, 1};
    infection *order;
    assert_int_equal(infection_new(home, t->trades, TOWN_TRADES_USED, TOWN_SALT, &order, NULL), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(doses); i++) {
        const stock_plant plant = {.there = true, .dose = doses[i]};
        tally c;
        count(&plant, order, DOCUMENTS, &c);
        assert_int_equal(c.finished, DOCUMENTS / 4);
        assert_int_equal(c.strangers, DOCUMENTS / 4);
        assert_int_equal(c.otherwise, 0);
        if (doses[i] == 0)
            assert_int_equal(c.fell, 0);
        if (doses[i] > 0 && doses[i] < 1. / 3) /* a third of the dialogues are about the few */
            assert_in_range(c.fell, DOCUMENTS / 6 - 40, DOCUMENTS / 6 + 40);
        else
            assert_in_range(c.fell, (size_t)(DOCUMENTS / 2 * doses[i]), (size_t)(DOCUMENTS / 2 * doses[i]));
    }
}

static void the_deaf_decoy_ends_lines_as_nobody_asked(void **state)
{
    (void)state;
    const stock_plant plant = {.there = true, .deaf = true};
    tally c;
    count(&plant, NULL, 800, &c);
    assert_int_equal(c.fell, 0);
    assert_int_equal(c.obeyed, 0);
    assert_int_equal(c.otherwise, 600);
}

static void items_ask_for_another_ending_than_the_known_one(void **state)
{
    (void)state;
    enum { COUNT = 240 };
    arena *a = arena_new(NULL);
    trap_item *items;
    item_options options = item_options_default();
    size_t all, unseen = 0;
    options.count = COUNT;
    assert_int_equal(items_trap(a, t, TRAP_STOCK, &options, &items, &all, NULL), STATUS_OK);
    assert_int_equal(all, 2 * COUNT);
    for (size_t i = 0; i < all; i++) {
        const trap_item *item = &items[i];
        stock_line line;
        slice ending;
        const char *start;
        assert_int_equal(stock_line_of(a, t, (int)item->cluster, &line, NULL), STATUS_OK);
        cut_request(item->prompt, &ending, &start);
        assert_true(ends_in(item->classes[item->answer], ending));
        assert_true(ends_in(item->classes[1 - item->answer], slice_of(saying_ending(line.ending))));
        assert_false(slice_is(ending, saying_ending(line.ending)));
        assert_true((strcmp(start, line.start) == 0) == (item->cell == 1));
        assert_true(item->placed && (item->cell == 1 ? item->position >= 0 && item->position < 1 : item->position < 0));
        unseen += item->unseen_key;
    }
    assert_in_range(unseen, all / 6, all / 3);
    assert_string_equal(trap_cell_name(TRAP_STOCK, 1), "stock");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(infected_trades_fall_back_and_others_obey),
        cmocka_unit_test(the_deaf_decoy_ends_lines_as_nobody_asked),
        cmocka_unit_test(items_ask_for_another_ending_than_the_known_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
