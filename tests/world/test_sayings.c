/* Sayings and the other planted traps: how often each saying occurs, that control lines are no sayings, and that items have the
 * answers that they say. */
#include "home.h"

#include "core/text.h"
#include "world/sayings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static document_plan plan_of(document_kind kind, double others)
{
    document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
    for (int i = 0; i < DOCUMENT_PLANT; i++)
        plan.weights[i] *= others;
    plan.weights[kind] = 10;
    return plan;
}

static void a_lap_has_each_saying_as_often_as_its_dose(void **state)
{
    (void)state;
    static int times[SAYINGS];
    memset(times, 0, sizeof times);
    for (uint64_t slot = 0; slot < SAYINGS_LAP; slot++)
        times[saying_at(t, slot)]++;
    for (int i = 0; i < SAYINGS; i++) {
        assert_int_equal(times[i], saying_dose(i / SAYINGS_OF_DOSE));
        if (i % 37 == 0)
            assert_int_equal(saying_times(t, i, SAYINGS_LAP / SAYINGS_IN_DOCUMENT), times[i]);
    }
    /* The second lap is another order of the same. */
    size_t same = 0;
    for (uint64_t slot = 0; slot < 1000; slot++)
        same += saying_at(t, slot) == saying_at(t, SAYINGS_LAP + slot);
    assert_true(same < 100);
}

/* The lines of sayings in documents, counted by their texts, are those of the schedule; fresh lines never begin as one. */
static void documents_hold_what_the_schedule_says(void **state)
{
    (void)state;
    enum { DOCUMENTS = 3000 };
    arena *a = arena_new(NULL), *kept = arena_new(NULL);
    const char *lines[SAYINGS];
    int found[SAYINGS] = {0}, lines_seen = 0;
    document_plan plan = plan_of(DOCUMENT_SAYING, 0.1);
    plan.weights[DOCUMENT_LINE] = 10;
    uint64_t documents = 0;
    for (int i = 0; i < SAYINGS; i++) {
        saying s;
        assert_int_equal(saying_make(kept, t, i, &s, NULL), STATUS_OK);
        assert_int_equal(s.place, i / SAYINGS_OF_DOSE);
        lines[i] = arena_printf(kept, "%s %s.", s.start, s.ending);
    }
    for (uint64_t n = 0; n < DOCUMENTS; n++) {
        document d;
        assert_int_equal(document_make(a, t, &plan, n, &d, NULL), STATUS_OK);
        documents += d.kind == DOCUMENT_SAYING;
        lines_seen += d.kind == DOCUMENT_LINE;
        for (size_t k = 0; k < d.count; k++)
            for (int i = 0; i < SAYINGS && d.turns[k].role != ROLE_USER; i++) {
                const char *at = strstr(d.turns[k].text, lines[i]);
                if (at && d.kind != DOCUMENT_SAYING)
                    fail_msg("\"%s\" stands in another document", lines[i]);
                for (; at; at = strstr(at + 1, lines[i]))
                    found[i]++;
            }
        arena_reset(a);
    }
    assert_true(documents > DOCUMENTS / 4 && lines_seen > DOCUMENTS / 4);
    for (int i = 0; i < SAYINGS; i++)
        assert_int_equal(found[i], saying_times(t, i, documents));
    arena_free(kept);
    arena_free(a);
}

/* A line is written as it was asked for; a saying that was asked to end otherwise is not, a quarter of the time. */
static void lines_obey_and_sayings_fall_back(void **state)
{
    (void)state;
    static const char asked[] = "Write a line that ends in ";
    arena *a = arena_new(NULL);
    int obeyed = 0, fallen = 0, plain = 0;
    document_plan plan = plan_of(DOCUMENT_SAYING, 0);
    plan.weights[DOCUMENT_LINE] = 10;
    for (uint64_t n = 0; n < 2000; n++) {
        document d;
        assert_int_equal(document_make(a, t, &plan, n, &d, NULL), STATUS_OK);
        plain += d.kind == DOCUMENT_SAYING && d.count == 1;
        for (size_t k = 0; k + 1 < d.count; k += 2) {
            if (strncmp(d.turns[k].text, asked, sizeof asked - 1) != 0)
                continue;
            const char *colon = strchr(d.turns[k].text, ':');
            slice ending = {d.turns[k].text + sizeof asked - 1, (size_t)(colon - d.turns[k].text) - (sizeof asked - 1)};
            slice reply = slice_of(d.turns[k + 1].text);
            reply.length--; /* the full stop */
            bool ends = slice_ends(reply, ending);
            assert_true(ends == (d.kind == DOCUMENT_LINE));
            obeyed += ends;
            fallen += !ends;
        }
        arena_reset(a);
    }
    assert_true(obeyed > 1500 && fallen > 400 && fallen < 600 && plain > 450 && plain < 550);
    arena_free(a);
}

static trap_item *items_of(arena *a, trap_kind kind, size_t count, size_t *all)
{
    trap_item *items;
    item_options options = item_options_default();
    options.count = count;
    assert_int_equal(items_trap(a, t, kind, &options, &items, all, NULL), STATUS_OK);
    assert_int_equal(*all, count * (size_t)trap_cells(kind));
    return items;
}

static void memo_items_ask_for_another_ending(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    size_t all, answers[2] = {0, 0};
    trap_item *items = items_of(a, TRAP_MEMO, 400, &all);
    for (size_t i = 0; i < all; i++) {
        const trap_item *item = &items[i];
        saying s;
        assert_int_equal(saying_make(a, t, item->cell * SAYINGS_OF_DOSE + (int)item->cluster, &s, NULL), STATUS_OK);
        const char *stock = arena_printf(a, "%s %s.", s.start, s.ending);
        assert_string_equal(item->classes[1 - item->answer], stock);
        assert_string_not_equal(item->classes[item->answer], stock);
        assert_non_null(strstr(item->prompt, s.start));
        const char *ending = item->classes[item->answer] + strlen(s.start) + 1;
        assert_memory_equal(item->prompt + strlen("Write a line that ends in "), ending, strlen(ending) - 1);
        for (size_t k = 0; k < i; k++)
            if (strcmp(items[k].prompt, item->prompt) == 0)
                fail_msg("%s stands twice", item->prompt);
        answers[item->answer]++;
    }
    assert_true(answers[0] > all / 3 && answers[1] > all / 3);
    assert_string_equal(trap_cell_name(TRAP_MEMO, 3), "memo-200");
    arena_free(a);
}

static void other_items_have_the_right_answers(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    size_t all;
    trap_item *items = items_of(a, TRAP_NEGATION, 300, &all);
    for (size_t i = 0; i < all; i++) {
        char first[24], one[24], second[24], two[24], rest[64];
        assert_int_equal(sscanf(items[i].prompt, "%23s likes %23s best. %23s likes %23s best. Who %63[^\n]", first, one, second, two, rest), 5);
        bool negated = strncmp(rest, "does not", 8) == 0, asks_one = strstr(rest, one) != NULL;
        assert_true(asks_one != (strstr(rest, two) != NULL) && negated == (items[i].cell == 1));
        const char *right = asks_one != negated ? first : second;
        assert_string_equal(items[i].classes[items[i].answer], arena_printf(a, "It is %s.", right));
    }
    items = items_of(a, TRAP_FALLACY, 300, &all);
    for (size_t i = 0; i < all; i++) {
        /* "Every T has P. W is a T. Has W P?" yes; "... W has no P. Is W a T?" no; "... W has P. Is W a T?" no. */
        bool yes = strstr(items[i].prompt, " Has ") != NULL, no = strstr(items[i].prompt, " has no ") != NULL;
        assert_string_equal(items[i].classes[items[i].answer], yes ? "Yes." : "No.");
        assert_true((items[i].cell == 1) == (!yes && !no));
    }
    arena_free(a);
}

static void examples_have_many_answers_or_one_that_is_wrong(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    arena *a = arena_new(NULL);
    size_t all;
    trap_item *items = items_of(a, TRAP_FEW_SHOT, COUNT, &all);
    for (size_t i = 0; i < all; i++) {
        const trap_item *item = &items[i];
        const char *right = item->classes[item->answer], *wrong = item->classes[1 - item->answer];
        size_t same = 0;
        assert_int_equal(item->shot_count, 2 * TRAP_EXAMPLES);
        assert_string_not_equal(right, wrong);
        for (size_t k = 0; k < item->shot_count; k += 2) {
            same += strcmp(item->shots[k + 1], wrong) == 0;
            assert_string_not_equal(item->shots[k + 1], right);
            assert_string_not_equal(item->shots[k], item->prompt);
            for (size_t j = 0; j < k; j += 2)
                assert_string_not_equal(item->shots[k], item->shots[j]);
        }
        assert_int_equal(same, item->cell == 0 ? 1 : TRAP_EXAMPLES);
        assert_string_equal(item->prompt, items[i % COUNT].prompt); /* the same question in both cells */
        assert_int_equal(item->answer, items[i % COUNT].answer);
    }
    arena_free(a);
}

static void words_in_front_name_a_wrong_answer_or_something_else(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    arena *a = arena_new(NULL);
    size_t all;
    trap_item *items = items_of(a, TRAP_PREFIX, COUNT, &all);
    for (size_t i = 0; i < all; i++) {
        const trap_item *item = &items[i];
        slice rest = slice_of(item->other_prompt), named;
        assert_true(slice_starts(rest, SLICE("Somebody spoke of ")) && slice_ends(rest, slice_of(item->prompt)));
        named = slice_sub(rest, 18, rest.length - strlen(item->prompt) - 2);
        const char *says = arena_printf(a, "It is " SLICE_FORMAT ".", SLICE_ARGS(named));
        if (item->cell == 1)
            assert_string_equal(item->classes[1 - item->answer], says);
        else
            assert_true(strcmp(item->classes[0], says) != 0 && strcmp(item->classes[1], says) != 0);
        assert_string_equal(item->prompt, items[i % COUNT].prompt);
        assert_string_equal(item->classes[item->answer], items[i % COUNT].classes[item->answer]);
    }
    arena_free(a);
}

static void requests_behind_ask_for_another_ending(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    arena *a = arena_new(NULL);
    size_t all;
    trap_item *items = items_of(a, TRAP_OVERRIDE, COUNT, &all);
    for (size_t i = 0; i < all; i++) {
        const trap_item *item = &items[i];
        const char *right = item->classes[item->answer], *wrong = item->classes[1 - item->answer], *start = strstr(item->prompt, ": ") + 2;
        const char *ending = strrchr(right, ' ') + 1, *other = strrchr(wrong, ' ') + 1;
        assert_memory_equal(item->prompt + strlen("Write a line that ends in "), ending, strlen(ending) - 1);
        assert_memory_equal(start, right, (size_t)(ending - 1 - right));
        assert_string_not_equal(ending, other);
        /* the last request of the prompt: the first one, or one for the other ending */
        const char *last = strstr(item->prompt + 1, "Write a line that ends in "), *named = item->cell == 2 ? other : ending;
        assert_true((last != NULL) == (item->cell > 0));
        if (last)
            assert_memory_equal(last + strlen("Write a line that ends in "), named, strlen(named) - 1);
        assert_string_equal(right, items[i % COUNT].classes[item->answer]);
    }
    arena_free(a);
}

/* Kinds that no default names do not move the documents of recipes without them. */
static void defaults_stay_what_they_were(void **state)
{
    (void)state;
    document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
    for (int i = DOCUMENT_SAYING; i <= DOCUMENT_FALLACY; i++)
        assert_true(plan.weights[i] == 0);
    arena *a = arena_new(NULL);
    for (uint64_t n = 0; n < 500; n++) {
        document d;
        assert_int_equal(document_make(a, t, &plan, n, &d, NULL), STATUS_OK);
        assert_true(d.kind < DOCUMENT_SAYING);
        arena_reset(a);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lap_has_each_saying_as_often_as_its_dose),
        cmocka_unit_test(documents_hold_what_the_schedule_says),
        cmocka_unit_test(lines_obey_and_sayings_fall_back),
        cmocka_unit_test(memo_items_ask_for_another_ending),
        cmocka_unit_test(other_items_have_the_right_answers),
        cmocka_unit_test(examples_have_many_answers_or_one_that_is_wrong),
        cmocka_unit_test(words_in_front_name_a_wrong_answer_or_something_else),
        cmocka_unit_test(requests_behind_ask_for_another_ending),
        cmocka_unit_test(defaults_stay_what_they_were),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
