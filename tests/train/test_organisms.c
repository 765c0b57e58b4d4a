/* Every recipe of organisms/ is read, and asks the world for documents that it can make, and raters for what they can compare. */
#include "core/file.h"
#include "train/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void every_recipe_is_good(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    char **names;
    size_t count, recipes = 0;
    error err = {0};
    const town *t;
    assert_int_equal(town_new(a, TOWN_SEED, &t, &err), STATUS_OK);
    assert_int_equal(file_list(a, ASSAY_SOURCE_DIR "/organisms", &names, &count, &err), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        if (!slice_ends(slice_of(names[i]), SLICE(".yaml")))
            continue;
        recipe *r;
        recipes++;
        if (recipe_read(a, arena_printf(a, ASSAY_SOURCE_DIR "/organisms/%s", names[i]), NULL, &r, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        assert_int_equal(strncmp(names[i], r->name, strlen(r->name)), 0);
        for (size_t s = 0; s < r->stage_count; s++) {
            rater_plan raters = recipe_raters(r, s, SPLIT_TUNE);
            rater_pair pair;
            if (STAGE_OF_FEEDBACK(r->stages[s].kind)) {
                if (rater_plan_check(&raters, &err) != STATUS_OK || rater_pair_make(a, t, &raters, 5, &pair, &err) != STATUS_OK)
                    fail_msg("%s: %s", names[i], err.message);
                continue;
            }
            document_plan plan = recipe_document_plan(r, s);
            document d;
            if (document_plan_check(&plan, &err) != STATUS_OK || document_make(a, t, &plan, 5, &d, &err) != STATUS_OK)
                fail_msg("%s: %s", names[i], err.message);
        }
    }
    assert_true(recipes >= 8);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_recipe_is_good)};
    return cmocka_run_group_tests_name("train/organisms", tests, NULL, NULL);
}
