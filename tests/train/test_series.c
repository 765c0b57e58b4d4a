/* Series of sizes: what is read and refused, that all models of a series see the same documents, and growing a tiny one. */
#include "folder.h"
#include "memory.h"

#include "core/file.h"
#include "run/family.h"
#include "train/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const char text[] = "name: mini\n"
                           "base: none\n"
                           "world: {seed: 1, documents: 7}\n"
                           "model: {context: 256, vocabulary: 400, heads: 2, layers: 1}\n"
                           "series:\n"
                           "  8k: {width: 16, intermediate: 32, seeds: [1, 2], learning_rate: 2e-2}\n"
                           "  20k: {layers: 2, width: 32, intermediate: 64}\n"
                           "stages:\n"
                           "  - {kind: pretrain, steps: 8, batch_tokens: 512, sequence: 256, learning_rate: 1e-2, warmup: 2}\n";

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    return file_write(file_join(memory, test_folder(), "mini.yaml"), slice_of(text), NULL) == STATUS_OK ? 0 : -1;
}

static const char *recipe_path(void)
{
    return file_join(memory, test_folder(), "mini.yaml");
}

static series *must_read(void)
{
    series *s;
    error err = {0};
    if (series_read(memory, recipe_path(), &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static recipe *rung(const char *size, int64_t seed)
{
    recipe *r;
    error err = {0};
    if (recipe_read(memory, recipe_path(), &(recipe_changes){.size = size, .has_seed = true, .seed = seed}, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

static void sizes_are_read_and_fill_in_the_recipe(void **state)
{
    (void)state;
    series *s = must_read();
    assert_string_equal(s->name, "mini");
    assert_int_equal(s->count, 2);
    assert_int_equal(s->sizes[0].seed_count, 2);
    assert_int_equal(s->sizes[0].seeds[1], 2);
    assert_int_equal(s->sizes[1].seed_count, 1);
    assert_int_equal(s->sizes[1].seeds[0], 1);
    recipe *small = rung("8k", 2), *large = rung("20k", 1);
    assert_true(small->model.layers == 1 && small->model.width == 16 && small->model.context == 256);
    assert_true(large->model.layers == 2 && large->model.width == 32 && large->model.intermediate == 64); /* its own before the shared */
    assert_true(small->stages[0].learning_rate == 2e-2 && large->stages[0].learning_rate == 1e-2);
    assert_true(small->seed == 2 && small->document_seed == 7);
    /* The documents are those of the seed of documents alone. */
    assert_true(recipe_document_plan(small, 0).seed == recipe_document_plan(large, 0).seed);
    char one[SHA256_HEX], two[SHA256_HEX];
    assert_int_equal(recipe_key(small, "", one, NULL), STATUS_OK);
    assert_int_equal(recipe_key(rung("8k", 1), "", two, NULL), STATUS_OK);
    assert_string_not_equal(one, two);
    assert_int_equal(series_read(memory, ASSAY_SOURCE_DIR "/organisms/base.yaml", &s, NULL), STATUS_OK);
    assert_null(s);
}

static void slips_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"8k: {width: 16,", "8k: {widht: 16,", "widht"},
        {"seeds: [1, 2]", "seeds: [1, 1]", "stands twice"},
        {"seeds: [1, 2]", "seeds: []", "expected 1 to"},
        {"seeds: [1, 2]", "seeds: [x]", "expected a seed"},
        {"  8k:", "  a/b:", "expected a shape under a name"},
        {"  8k:", "  'a: [':", "expected a shape under a name"},
        {"name: mini", "name: '../x'", "expected a series to have a name"},
        {", documents: 7", "", "`documents`"},
        {"20k: {layers: 2, width: 32, intermediate: 64}", "20k: 7", "expected a shape"},
        {"intermediate: 64}", "seeds: [1]}", "intermediate"},
    };
    series *s;
    recipe *r;
    const char *path = file_join(memory, test_folder(), "bad.yaml");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        error err = {0};
        const char *at = strstr(text, cases[i].from);
        assert_non_null(at);
        char *bad = arena_printf(memory, "%.*s%s%s", (int)(at - text), text, cases[i].to, at + strlen(cases[i].from));
        assert_int_equal(file_write(path, slice_of(bad), NULL), STATUS_OK);
        if (series_read(memory, path, &s, &err) == STATUS_OK || !strstr(err.message, cases[i].words))
            fail_msg("%s: %s", cases[i].to, err.message);
    }
    error err = {0};
    assert_int_equal(recipe_read(memory, recipe_path(), NULL, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.hint, "8k, 20k"));
    assert_int_equal(recipe_read(memory, recipe_path(), &(recipe_changes){.size = "9k"}, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "no size \"9k\""));
    assert_int_equal(recipe_read(memory, ASSAY_SOURCE_DIR "/organisms/base.yaml", &(recipe_changes){.size = "9k"}, &r, &err), STATUS_USAGE);
    grow_options o = {.recipe = recipe_path(), .folder = file_join(memory, test_folder(), "no"), .changes = {.has_seed = true}};
    series_result result;
    assert_int_equal(series_grow(memory, must_read(), &o, NULL, NULL, &result, &err), STATUS_USAGE);
}

static slice contents(const char *folder, const char *name)
{
    slice bytes;
    error err = {0};
    if (file_read(memory, file_join(memory, folder, name), 1 << 24, &bytes, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static void count_calls(void *context, const series_member *next, size_t at, size_t of)
{
    (void)next, (void)at;
    assert_int_equal(of, 3);
    ++*(int *)context;
}

/* Interrupted after every step, it ends as an undisturbed one does, and then does nothing more. */
static void a_series_is_grown_once(void **state)
{
    (void)state;
    series *s = must_read();
    grow_options o = {.recipe = recipe_path(), .folder = file_join(memory, test_folder(), "whole"), .threads = 1, .progress = PROGRESS_QUIET,
                      .save_seconds = 1000};
    series_result whole, cut, again;
    error err = {0};
    int calls = 0;
    if (series_grow(memory, s, &o, count_calls, &calls, &whole, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(whole.count == 3 && calls == 3 && !whole.there_already);
    slice first = contents(whole.members[0].folder, "tokenizer.json");
    for (size_t i = 1; i < 3; i++)
        assert_true(slice_equal(first, contents(whole.members[i].folder, "tokenizer.json")));
    assert_string_not_equal(whole.members[0].result.sha256, whole.members[1].result.sha256);

    atomic_bool stop = true;
    grow_options stopped = o;
    stopped.folder = file_join(memory, test_folder(), "cut");
    stopped.interrupted = &stop;
    status result;
    for (calls = 0; (result = series_grow(memory, s, &stopped, NULL, NULL, &cut, &err)) == STATUS_INTERRUPTED && calls < 60; calls++)
        assert_non_null(strstr(err.message, "size "));
    if (result != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(calls, 24);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(cut.members[i].result.sha256, whole.members[i].result.sha256);

    if (series_grow(memory, s, &o, NULL, NULL, &again, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(again.there_already);

    /* Its file of families names its members, and no others. */
    family f;
    const char *name = arena_printf(memory, "series:%s", o.folder);
    if (family_read_series(memory, name, &f, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(f.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(f.members[i].specification, arena_printf(memory, "%s/%s/seed%d", o.folder, i < 2 ? "8k" : "20k", i == 1 ? 2 : 1));
    assert_int_equal(family_measure(memory, &f, &err), STATUS_OK);
    assert_true(f.members[0].parameters == f.members[1].parameters && f.members[2].parameters > f.members[0].parameters);
    assert_true(f.members[0].tokens == (double)whole.members[0].result.tokens && f.members[0].flops == 6 * f.members[0].parameters * f.members[0].tokens);
    assert_string_equal(f.members[0].tokenizer, f.members[2].tokenizer);
    assert_int_equal(family_read_series(memory, arena_printf(memory, "%s@size=20k,seed=2", name), &f, &err), STATUS_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_and_fill_in_the_recipe),
        cmocka_unit_test(slips_are_named),
        cmocka_unit_test(a_series_is_grown_once),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
