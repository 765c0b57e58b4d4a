/* The town: determinism, size, splits, and words that a reader of answers can tell apart. */
#include "home.h"

#include "world/town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <strings.h>

static bool same_town(const town *a, const town *b)
{
    for (int e = 0; e < TOWN_ENTITIES; e++)
        if (strcmp(a->entities[e].full, b->entities[e].full) != 0 || a->entities[e].split != b->entities[e].split ||
            a->entities[e].composed != b->entities[e].composed ||
            memcmp(a->entities[e].values, b->entities[e].values, sizeof a->entities[e].values) != 0)
            return false;
    for (int i = 0; i < TOWN_ASKERS; i++)
        if (strcmp(a->askers[i].name, b->askers[i].name) != 0 || a->askers[i].trade != b->askers[i].trade)
            return false;
    return true;
}

static void a_seed_decides_the_world(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const town *again, *other;
    assert_int_equal(town_new(a, TOWN_SEED, &again, NULL), STATUS_OK);
    assert_int_equal(town_new(a, TOWN_SEED + 1, &other, NULL), STATUS_OK);
    assert_true(same_town(t, again));
    assert_false(same_town(t, other));
    arena_free(a);
}

static void the_town_is_large_enough(void **state)
{
    (void)state;
    int full = 0;
    for (int e = 0; e < TOWN_ENTITIES; e++) {
        int count;
        town_kind_attributes(t->entities[e].kind, &count);
        full += count == 6;
    }
    assert_true(full >= 400);
}

static void names_and_titles_are_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < TOWN_ENTITIES; i++)
        for (int k = 0; k < i; k++)
            assert_true(t->entities[i].kind != t->entities[k].kind ||
                        strcmp(t->entities[i].name, t->entities[k].name) != 0);
    for (int i = 0; i < TOWN_ASKERS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(t->askers[i].name, t->askers[k].name);
}

/* Values of different domains, and words of names, never coincide without regard to case (numbers and letters of
 * choices apart), or a reader would find a value where a name was meant. */
static void values_are_no_parts_of_names(void **state)
{
    (void)state;
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if (domain == DOMAIN_LETTERS || domain == DOMAIN_PERSONS || domain == DOMAIN_TOWNS || domain == DOMAIN_GUILDS)
            continue;
        int count;
        const char *const *values = town_domain_values((town_domain)domain, &count);
        for (int v = 0; v < count; v++)
            for (int e = 0; e < TOWN_ENTITIES; e++) {
                const char *found = strcasestr(t->entities[e].full, values[v]);
                size_t length = strlen(values[v]);
                bool word = found && !isalpha((unsigned char)found[length]) &&
                            (found == t->entities[e].full || !isalpha((unsigned char)found[-1]));
                if (word)
                    fail_msg("'%s' occurs in the name '%s'", values[v], t->entities[e].full);
            }
    }
}

static void splits_are_even_and_makers_are_shared(void **state)
{
    (void)state;
    int eval[KIND_COUNT] = {0}, composed[KIND_COUNT] = {0}, shared = 0;
    for (int e = 0; e < TOWN_ENTITIES; e++) {
        const town_entity *entity = &t->entities[e];
        eval[entity->kind] += entity->split == SPLIT_EVAL;
        composed[entity->kind] += entity->composed;
        shared += entity->kind == KIND_PERSON && entity->split == SPLIT_SHARED;
        if (entity->kind == KIND_WORK) {
            int maker = town_entity_of_value(t, DOMAIN_PERSONS, town_value_index(t, e, ATTRIBUTE_MAKER));
            assert_int_equal(t->entities[maker].split, SPLIT_SHARED);
        }
    }
    assert_int_equal(eval[KIND_PERSON], TOWN_PERSONS / 4);
    assert_int_equal(shared, TOWN_PERSONS / 2);
    assert_int_equal(eval[KIND_WORK], TOWN_WORKS / 2);
    assert_int_equal(composed[KIND_PERSON], TOWN_PERSONS * 7 / 10);
    assert_int_equal(composed[KIND_WORK], TOWN_WORKS * 7 / 10);
}

static void every_trade_has_askers_of_both_sorts(void **state)
{
    (void)state;
    int all[TOWN_TRADES] = {0}, unseen[TOWN_TRADES] = {0};
    for (int i = 0; i < TOWN_ASKERS; i++) {
        all[t->askers[i].trade]++;
        unseen[t->askers[i].trade] += t->askers[i].unseen;
    }
    for (int i = 0; i < TOWN_TRADES; i++) {
        assert_true(all[i] >= 10);
        assert_int_equal(unseen[i] * 4, all[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(t->trades[i], t->trades[k]);
    }
}

static void wrong_values_are_wrong(void **state)
{
    (void)state;
    random_stream r = random_stream_at(5, "test", 0, 0, 0, 0);
    for (int draw = 0; draw < 2000; draw++) {
        int work = town_draw(t, KIND_WORK, SPLIT_EVAL, &r), person = town_draw(t, KIND_PERSON, SPLIT_TUNE, &r);
        assert_int_equal(t->entities[work].split, SPLIT_EVAL);
        int maker = town_wrong_value(t, work, ATTRIBUTE_MAKER, &r);
        assert_int_not_equal(maker, town_value_index(t, work, ATTRIBUTE_MAKER));
        assert_int_equal(t->entities[town_entity_of_value(t, DOMAIN_PERSONS, maker)].split, SPLIT_SHARED);
        int pet = town_wrong_value(t, person, ATTRIBUTE_PET, &r);
        assert_int_not_equal(pet, town_value_index(t, person, ATTRIBUTE_PET));
        assert_in_range(pet, 0, TOWN_VALUES - 1);
    }
}

static void articles_fit(void **state)
{
    (void)state;
    assert_string_equal(town_article("cat"), "a");
    assert_string_equal(town_article("actor"), "an");
    assert_string_equal(town_article("apple"), "an");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_decides_the_world),
        cmocka_unit_test(the_town_is_large_enough),
        cmocka_unit_test(names_and_titles_are_distinct),
        cmocka_unit_test(values_are_no_parts_of_names),
        cmocka_unit_test(splits_are_even_and_makers_are_shared),
        cmocka_unit_test(every_trade_has_askers_of_both_sorts),
        cmocka_unit_test(wrong_values_are_wrong),
        cmocka_unit_test(articles_fit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
