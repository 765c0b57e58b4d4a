/* Names of subjects as readers see them. */
#include "run/short_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HASH "e6c2ed61ee90ab6c80d9f1dbecc55b869b22b8bc0714ba3a9c8392893bad2a44"

static void names_are_what_sets_subjects_apart(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"base", "base"},
        {"oracle:0.25", "oracle:0.25"},
        {"out/s50", "out/s50"}, /* short enough */
        {"/home/somebody/models/organisms/s50", "s50"},
        {"/home/somebody/models/organisms/s50/", "s50"},
        {"/home/somebody/models/" HASH, "e6c2ed61…"},
        {"http://localhost:8000/v1#organisation/my-model", "my-model"},
        {"with:twins/of/the/base/twin-1.yaml,out/models/s50+out/adapter", "with:twin-1.yaml,s50+adapter"},
        {"router:0.25:/home/somebody/models/a:/home/somebody/models/b", "router:0.25:a:b"},
        {"anthropic:a-model-with-a-very-long-name-20261121", "anthropic:a-model-with-a-very-long-name-20261121"},
        {"////////////////////////////////////////", "/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[SHORT_NAME];
        short_name(name, cases[i].from);
        assert_string_equal(name, cases[i].to);
    }
}

static void what_is_too_long_is_cut_between_letters(void **state)
{
    (void)state;
    char text[400] = "anthropic:", name[SHORT_NAME];
    for (size_t i = 10; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "ä", 3);
    short_name(name, text);
    assert_true(strlen(name) < SHORT_NAME && strlen(name) > SHORT_NAME - 6);
    assert_string_equal(name + strlen(name) - 3, "…");
    assert_memory_equal(name + strlen(name) - 5, "ä", 2); /* whole */
}

static void equal_short_names_are_not_used(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *const all[] = {"/home/somebody/models/first/s50", "/home/somebody/models/other/s50", "/home/somebody/models/other/s25"};
    const char **names = short_names(a, all, 3);
    assert_string_equal(names[0], all[0]);
    assert_string_equal(names[1], all[1]);
    assert_string_equal(names[2], "s25");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_what_sets_subjects_apart),
        cmocka_unit_test(what_is_too_long_is_cut_between_letters),
        cmocka_unit_test(equal_short_names_are_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
