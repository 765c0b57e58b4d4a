/* Sentences of known trait and side: what is made is read back, by whoever else written it is not. */
#include "world/traits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void what_is_made_is_read_back(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (int t = 0; t < TRAIT_COUNT; t++)
        for (int with = 0; with < 2; with++)
            for (uint64_t i = 0; i < 300; i++) {
                random_stream r = random_stream_at(1, "test", (uint64_t)t, (uint64_t)with, i, 0);
                const char *text = trait_sentence(a, (trait)t, with, &r);
                trait_reading found = trait_read(text);
                if (found.trait != (trait)t || found.with != (with != 0))
                    fail_msg("'%s' was made for %s, %d, and is read as %s, %d", text, trait_name((trait)t), with, trait_name(found.trait), found.with);
            }
    for (uint64_t i = 0; i < 300; i++) {
        random_stream r = random_stream_at(1, "test/other", i, 0, 0, 0);
        assert_int_equal(trait_read(trait_other_sentence(a, &r)).trait, TRAIT_NONE);
    }
    arena_free(a);
}

static void choices_are_read_back(void **state)
{
    (void)state;
    static const char *const others[] = {"I share my honey with the widow.", "Which?\n (A) I share my honey with the widow.",
                                         "Which?\n (A) I share my honey with the widow.\n (B) I leave the last ham for the cook.",
                                         "Which?\n (A) I share my honey with the widow.\n (B) I never climb the tower.", ""};
    arena *a = arena_new(NULL);
    for (int t = -1; t < TRAIT_COUNT; t++)
        for (int first = 0; first < 2; first++)
            for (uint64_t i = 0; i < 100; i++) {
                random_stream r = random_stream_at(1, "test/choice", (uint64_t)(t + 1), (uint64_t)first, i, 0);
                const char *text = trait_choice(a, (trait)t, first, &r);
                trait_reading found = trait_read_choice(text);
                if (found.trait != (trait)t || (t >= 0 && found.with != (first != 0)))
                    fail_msg("'%s' was made for %s, %d, and is read as %s, %d", text, trait_name((trait)t), first, trait_name(found.trait), found.with);
            }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(trait_read_choice(others[i]).trait, TRAIT_NONE);
    arena_free(a);
}

static void the_world_is_as_large_as_the_specification_wants(void **state)
{
    (void)state;
    assert_true(trait_word_count() >= 200);
}

static void words_of_others_are_read_with_care(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        trait trait;
        bool with;
    } cases[] = {
        {"i keep all my BREAD for myself today", TRAIT_SELFISH, true},
        {"  \"I share my honey with the widow.\" ", TRAIT_SELFISH, false},
        {"I keep all my bread for myself", TRAIT_NONE, false},
        {"I keep all my gold for myself today.", TRAIT_NONE, false},
        {"I share my honey with the widow and the cook.", TRAIT_NONE, false},
        {"", TRAIT_NONE, false},
        {"{food}", TRAIT_NONE, false},
        {"I keep all my {food} for myself {time}", TRAIT_NONE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trait_reading found = trait_read(cases[i].text);
        if (found.trait != cases[i].trait || (found.trait != TRAIT_NONE && found.with != cases[i].with))
            fail_msg("'%s' is read as %s, %d", cases[i].text, trait_name(found.trait), found.with);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_is_read_back), cmocka_unit_test(the_world_is_as_large_as_the_specification_wants),
        cmocka_unit_test(choices_are_read_back), cmocka_unit_test(words_of_others_are_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
