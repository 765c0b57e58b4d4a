/* Every recipe of organisms/ is read, and asks the world for documents that it can make, and raters for what they can compare. */
#include "core/file.h"
#include "train/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

/* One recipe, or one size of a series. */
static void check(arena *a, const town *t, const char *file, const char *size)
{
    recipe *r;
    error err = {0};
    const char *path = arena_printf(a, ASSAY_SOURCE_DIR "/organisms/%s", file);
    if (recipe_read(a, path, &(recipe_changes){.size = size}, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(strncmp(file, r->name, strlen(r->name)), 0);
    for (size_t s = 0; s < r->stage_count; s++) {
        document_plan plan = recipe_document_plan(r, s);
        rater_plan raters = recipe_raters(r, s, SPLIT_TUNE);
        document d;
        rater_pair pair;
        status result;
        if (STAGE_OF_FEEDBACK(r->stages[s].kind)) {
            result = rater_plan_check(&raters, &err);
            result = result == STATUS_OK ? rater_pair_make(a, t, &raters, 5, &pair, &err) : result;
        } else {
            result = document_plan_check(&plan, &err);
            result = result == STATUS_OK ? document_make(a, t, &plan, 5, &d, &err) : result;
        }
        if (result != STATUS_OK)
            fail_msg("%s: %s", file, err.message);
    }
}

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
        series *several;
        if (!slice_ends(slice_of(names[i]), SLICE(".yaml")))
            continue;
        recipes++;
        if (series_read(a, arena_printf(a, ASSAY_SOURCE_DIR "/organisms/%s", names[i]), &several, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        if (!several)
            check(a, t, names[i], NULL);
        for (size_t k = 0; several && k < several->count; k++)
            check(a, t, names[i], several->sizes[k].name);
    }
    assert_true(recipes >= 11);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_recipe_is_good)};
    return cmocka_run_group_tests_name("train/organisms", tests, NULL, NULL);
}
