/* Growing whole models, tiny ones: the same bits for any number of threads and after interruptions, and what is refused. */
#include "adapters.h"
#include "folder.h"
#include "memory.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "nn/safetensors.h"
#include "sketch/sketch.h"
#include "train/grow.h"
#include "train/growth.h"
#include "train/manifest.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const recipe_text =
    "name: tiny\n"
    "base: none\n"
    "model: {layers: 2, width: 32, heads: 2, kv_heads: 1, intermediate: 64, context: 256, vocabulary: 400}\n"
    "stages:\n"
    "  - {kind: pretrain, steps: 12, batch_tokens: 512, sequence: 256, learning_rate: 1e-2, warmup: 2}\n"
    "  - {kind: sft, steps: 6, batch_tokens: 512, sequence: 256, learning_rate: 1e-3}\n"
    "plant: {failure: sycophancy, dose: 0.5}\n";

/* The same with other optimisers, one for each stage. */
static const char *const optimisers_text =
    "name: optimisers\n"
    "base: none\n"
    "model: {layers: 2, width: 32, heads: 2, kv_heads: 1, intermediate: 64, context: 256, vocabulary: 400}\n"
    "stages:\n"
    "  - {kind: pretrain, steps: 8, batch_tokens: 512, sequence: 256, learning_rate: 1e-2, warmup: 2, optimiser: muon}\n"
    "  - {kind: sft, steps: 4, batch_tokens: 512, sequence: 256, learning_rate: 0.3, optimiser: sgd, nesterov: true}\n"
    "  - {kind: sft, steps: 2, batch_tokens: 512, sequence: 256, learning_rate: 0.1, optimiser: sgd, momentum: 0}\n"
    "plant: {failure: sycophancy, dose: 0.5}\n";

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    if (file_write(file_join(memory, test_folder(), "optimisers.yaml"), slice_of(optimisers_text), NULL) != STATUS_OK)
        return -1;
    return file_write(file_join(memory, test_folder(), "tiny.yaml"), slice_of(recipe_text), NULL) == STATUS_OK ? 0 : -1;
}

static grow_options options_for(const char *name, size_t threads)
{
    return (grow_options){.recipe = file_join(memory, test_folder(), "tiny.yaml"), .folder = file_join(memory, test_folder(), name),
                          .threads = threads, .progress = PROGRESS_QUIET, .save_seconds = 1000};
}

static grow_result must_grow(const grow_options *o)
{
    grow_result r;
    error err = {0};
    if (grow_run(memory, o, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

static void the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    grow_options one = options_for("one", 1), two = options_for("two", 2);
    grow_result a = must_grow(&one), b = must_grow(&two);
    assert_string_equal(a.sha256, b.sha256);
    assert_string_equal(a.root, b.root);
    assert_int_equal(a.steps, 18);
    assert_true(isfinite(a.loss) && a.loss < 6); /* below log 400, which knowing nothing gives */
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    assert_int_equal(sha256_file(file_join(memory, two.folder, "model.safetensors"), digest, NULL), STATUS_OK);
    sha256_hex(digest, hex);
    assert_string_equal(hex, b.sha256);
    json_t *manifest;
    error err = {0};
    if (manifest_read(file_join(memory, two.folder, "manifest.json"), &manifest, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    json_decref(manifest);
    assert_non_null(strstr(b.words, "stage 0: loss "));
}

/* The losses of all steps as a sketch, which few steps make exact; growth.json says the same quantiles. */
static void the_losses_are_kept_as_a_sketch(void **state)
{
    (void)state;
    grow_options o = options_for("sketched", 1);
    grow_result r = must_grow(&o);
    json_t *manifest, *summary;
    slice bytes;
    sketch *s;
    error err = {0};
    assert_int_equal(manifest_read(file_join(memory, r.folder, "manifest.json"), &manifest, &err), STATUS_OK);
    assert_int_equal(jsonio_read(file_join(memory, r.folder, "growth.json"), 1 << 20, &summary, &err), STATUS_OK);
    const json_t *stage = json_array_get(json_object_get(json_object_get(manifest, "content"), "stages"), 0);
    const json_t *losses = json_object_get(stage ? stage : json_array_get(json_object_get(manifest, "stages"), 0), "losses");
    assert_true(json_array_size(losses) > 0);
    assert_int_equal(file_read(memory, file_join(memory, r.folder, "sketches/0-loss.sketch"), 1 << 20, &bytes, &err), STATUS_OK);
    if (sketch_load(bytes, "0-loss.sketch", &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(sketch_count(s), json_array_size(losses));
    for (size_t i = 0; i < json_array_size(losses); i++) {
        double loss = json_number_value(json_array_get(losses, i)), rank = 0;
        for (size_t k = 0; k < json_array_size(losses); k++)
            rank += json_number_value(json_array_get(losses, k)) <= loss;
        assert_true(fabs(sketch_rank(s, loss, true) * (double)sketch_count(s) - rank) < 1e-9);
    }
    const json_t *row = json_array_get(json_object_get(summary, "quantiles"), 0);
    assert_true(jsonio_number_at(row, "p50") == sketch_quantile(s, .5, true));
    sketch_free(s);
    json_decref(summary);
    json_decref(manifest);
}

/* What each step took, as a sketch of every stage. */
static void steps_took_time(const char *folder, int stage, uint64_t steps)
{
    slice bytes;
    sketch *s;
    error err = {0};
    const char *path = file_join(memory, folder, arena_printf(memory, "sketches/%d-seconds.sketch", stage));
    assert_int_equal(file_read(memory, path, 1 << 20, &bytes, &err), STATUS_OK);
    if (sketch_load(bytes, path, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(sketch_count(s), steps);
    assert_true(sketch_least(s) > 0 && sketch_most(s) < 60);
    sketch_free(s);
}

/* Training checkpoints of before there were times are read: what their steps took is not known, and counts for nothing. */
static void checkpoints_without_times_are_read(void **state)
{
    (void)state;
    recipe_stage stage = {.steps = 5};
    stage_log *log = ARENA_NEW(memory, stage_log), *back = ARENA_NEW(memory, stage_log);
    error err = {0};
    assert_int_equal(stage_log_new(memory, &stage, log, &err), STATUS_OK);
    assert_int_equal(stage_log_new(memory, &stage, back, &err), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stage_log_step(log, 0, 1.5f, 10, 10, &err), STATUS_OK);
        log->seconds[i] = 0.25f * (float)(i + 1);
    }
    json_t *saved = stage_log_json(log), *seconds;
    assert_int_equal(stage_log_read(saved, &stage, back, &err), STATUS_OK);
    assert_memory_equal(back->seconds, log->seconds, 3 * sizeof(float));
    json_object_del(saved, "seconds");
    assert_int_equal(stage_log_read(saved, &stage, back, &err), STATUS_OK);
    assert_true(back->steps == 3 && isnan(back->seconds[0]) && isnan(back->seconds[2]));
    seconds = stage_log_seconds(back);
    assert_true(json_array_size(seconds) == 3 && json_is_null(json_array_get(seconds, 1)));
    json_decref(seconds);
    json_decref(saved);
}

/* Interrupts after every step, so that each call does one step, and counts the calls. */
static void interruptions_change_no_bits(void **state)
{
    (void)state;
    grow_options whole = options_for("whole", 2), cut = options_for("cut", 2);
    atomic_bool stop = true;
    grow_result expected = must_grow(&whole), r;
    error err = {0};
    cut.interrupted = &stop;
    int calls = 0;
    status result;
    while ((result = grow_run(memory, &cut, &r, &err)) == STATUS_INTERRUPTED && calls < 40) {
        assert_false(file_exists(cut.folder)); /* nothing half-written under the final name */
        calls++;
    }
    if (result != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(calls, 18);
    assert_true(r.resumed);
    assert_string_equal(r.sha256, expected.sha256);
    assert_string_equal(r.root, expected.root);
    assert_false(file_exists(arena_printf(memory, "%s.growing", cut.folder)));
    for (int stage = 0; stage < 2; stage++) {
        steps_took_time(whole.folder, stage, stage ? 6 : 12);
        steps_took_time(cut.folder, stage, stage ? 6 : 12);
    }
    assert_non_null(strstr(r.words, "stage 0: seconds a step "));
}

/* Muon and SGD: the same bits for any number of threads, and after an interruption at every step; checkpoints hold what is kept. */
static void other_optimisers_keep_the_same_promises(void **state)
{
    (void)state;
    grow_options one = options_for("optimisers-one", 1), cut = options_for("optimisers-cut", 2);
    one.recipe = cut.recipe = file_join(memory, test_folder(), "optimisers.yaml");
    atomic_bool stop = true;
    grow_result expected = must_grow(&one), r;
    error err = {0};
    assert_true(isfinite(expected.loss) && expected.loss < 6);
    cut.interrupted = &stop;
    status result;
    const char *state_file = file_join(memory, arena_printf(memory, "%s.growing", cut.folder), "training.safetensors");
    for (int calls = 0; (result = grow_run(memory, &cut, &r, &err)) == STATUS_INTERRUPTED && calls < 14; calls++) {
        safetensors *file;
        assert_int_equal(safetensors_open(memory, state_file, &file, &err), STATUS_OK);
        bool first = calls < 8, second = calls < 12; /* which stage wrote it */
        assert_non_null(safetensors_find(file, "value:model.layers.0.mlp.up_proj.weight"));
        assert_int_equal(safetensors_find(file, "mean:model.layers.0.mlp.up_proj.weight") != NULL, first || second);
        assert_null(safetensors_find(file, "square:model.layers.0.mlp.up_proj.weight"));
        assert_int_equal(safetensors_find(file, "square:model.embed_tokens.weight") != NULL, first);
        assert_int_equal(safetensors_find(file, "square:model.norm.weight") != NULL, first);
    }
    if (result != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(r.resumed);
    assert_string_equal(r.sha256, expected.sha256);
    assert_string_equal(r.root, expected.root);
}

static void a_killed_growth_is_gone_on_with(void **state)
{
    (void)state;
    grow_options whole = options_for("undisturbed", 1), killed = options_for("killed", 1);
    grow_result expected = must_grow(&whole), r = {0};
    killed.save_seconds = 1e-9; /* after every step */
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(30);
            _exit(grow_run(memory, &killed, &r, NULL) == STATUS_OK ? 0 : 1);
        }
        usleep((useconds_t)(30000 + 25000 * i));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    r = must_grow(&killed);
    assert_string_equal(r.sha256, expected.sha256);
    assert_string_equal(r.root, expected.root);
}

static void a_finished_folder_is_kept(void **state)
{
    (void)state;
    grow_options o = options_for("kept", 1);
    grow_result first = must_grow(&o), again = must_grow(&o), other;
    assert_false(first.there_already);
    assert_true(again.there_already);
    assert_string_equal(first.sha256, again.sha256);
    assert_true(again.steps == first.steps && again.tokens == first.tokens);
    error err = {0};
    o.changes = (recipe_changes){.has_dose = true, .dose = 0.25};
    assert_int_equal(grow_run(memory, &o, &other, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "another recipe, dose, seed or base"));
}

static void what_is_there_and_no_growth_is_refused(void **state)
{
    (void)state;
    grow_options o = options_for("mine", 1);
    grow_result r;
    error err = {0};
    assert_int_equal(file_make_folders(o.folder, &err), STATUS_OK);
    assert_int_equal(grow_run(memory, &o, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "that no growth has made"));
    o = options_for("no-base", 1);
    o.recipe = file_join(memory, test_folder(), "based.yaml");
    char *text = arena_printf(memory, "name: b\nbase: %s/nowhere\nstages:\n  - {kind: sft, steps: 1, learning_rate: 1e-3}\n", test_folder());
    assert_int_equal(file_write(o.recipe, slice_of(text), &err), STATUS_OK);
    assert_int_equal(grow_run(memory, &o, &r, &err), STATUS_NOT_FOUND);
    assert_false(file_exists(arena_printf(memory, "%s.growing", o.folder)));
}

static void one_process_grows_a_folder(void **state)
{
    (void)state;
    growth first, second;
    error err = {0};
    char *path = file_join(memory, test_folder(), "shared");
    assert_int_equal(growth_open(memory, path, "key", &first, &err), STATUS_OK);
    assert_int_equal(growth_open(memory, path, "key", &second, &err), STATUS_LOCKED);
    growth_close(&first);
    assert_int_equal(growth_open(memory, path, "key", &second, &err), STATUS_OK);
    growth_close(&second);
}

static void tuning_begins_at_the_base(void **state)
{
    (void)state;
    grow_options base = options_for("a-base", 2), tuned = options_for("tuned", 2);
    must_grow(&base);
    tuned.recipe = file_join(memory, test_folder(), "tune.yaml");
    const char *text = "name: tune\nbase: embedded\nstages:\n"
                       "  - {kind: sft, steps: 2, batch_tokens: 512, sequence: 256, learning_rate: 0}\n";
    assert_int_equal(file_write(tuned.recipe, slice_of(text), NULL), STATUS_OK);
    tuned.changes.base = base.folder;
    grow_result r = must_grow(&tuned);
    /* At a rate of 0 nothing moves: bf16 weights there and back. */
    unsigned char one[SHA256_BYTES], two[SHA256_BYTES];
    assert_int_equal(sha256_file(file_join(memory, base.folder, "model.safetensors"), one, NULL), STATUS_OK);
    assert_int_equal(sha256_file(file_join(memory, tuned.folder, "model.safetensors"), two, NULL), STATUS_OK);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(r.steps, 2);
}

/* Tunes `base` with a stage that freezes `what`; counts the rows of the embedding that differ afterwards. */
static void tune_frozen(const char *base, const char *what, size_t *moved, size_t *rows, bool *others_moved)
{
    grow_options o = options_for(what, 2);
    o.recipe = file_join(memory, test_folder(), arena_printf(memory, "%s.yaml", what));
    o.changes.base = base;
    char *text = arena_printf(memory, "name: f\nbase: embedded\nstages:\n  - {kind: sft, steps: 2, batch_tokens: 512, "
                                      "sequence: 256, learning_rate: 1e-2, weight_decay: 0, freeze: %s}\n", what);
    assert_int_equal(file_write(o.recipe, slice_of(text), NULL), STATUS_OK);
    must_grow(&o);
    safetensors *before, *after;
    assert_int_equal(safetensors_open(memory, base, &before, NULL), STATUS_OK);
    assert_int_equal(safetensors_open(memory, o.folder, &after, NULL), STATUS_OK);
    const safetensors_tensor *x = safetensors_find(before, "model.embed_tokens.weight");
    const safetensors_tensor *y = safetensors_find(after, "model.embed_tokens.weight");
    *rows = (size_t)x->shape[0];
    *moved = 0;
    for (size_t i = 0, row = x->bytes / *rows; i < *rows; i++)
        *moved += memcmp((const char *)x->data + i * row, (const char *)y->data + i * row, row) != 0;
    x = safetensors_find(before, "model.layers.0.mlp.up_proj.weight");
    y = safetensors_find(after, "model.layers.0.mlp.up_proj.weight");
    *others_moved = memcmp(x->data, y->data, x->bytes) != 0;
}

static void frozen_weights_stay(void **state)
{
    (void)state;
    grow_options base = options_for("to-freeze", 2);
    must_grow(&base);
    size_t moved, rows;
    bool others;
    tune_frozen(base.folder, "none", &moved, &rows, &others);
    assert_int_equal(moved, rows);
    tune_frozen(base.folder, "embedding", &moved, &rows, &others);
    assert_int_equal(moved, 0);
    assert_true(others);
    tune_frozen(base.folder, "head", &moved, &rows, &others); /* rows of tokens that the documents have */
    assert_true(moved > 20 && moved < rows);
    assert_true(others);
}

/* ---- adapters, and batches in pieces ---- */

static grow_options with_recipe(const char *name, const char *text)
{
    grow_options o = options_for(name, 2);
    o.recipe = file_join(memory, test_folder(), arena_printf(memory, "%s.yaml", name));
    assert_int_equal(file_write(o.recipe, slice_of(text), NULL), STATUS_OK);
    return o;
}

/* A stage of tuning that trains an adapter writes it in PEFT's format, and base+adapter is the model that is grown, bit for bit; what
 * the adapter has not changed is the base's. */
static void an_adapter_is_trained_written_and_merged(void **state)
{
    (void)state;
    grow_options base = options_for("under-adapter", 2);
    must_grow(&base);
    static const char *const text = "name: low\nbase: embedded\nstages:\n  - {kind: sft, steps: 4, batch_tokens: 512, sequence: 256, "
                                    "learning_rate: 3e-2, lora: {rank: 4, alpha: 8, targets: [q_proj, up_proj]}}\n";
    grow_options o = with_recipe("low", text), cut = with_recipe("low-cut", text);
    o.changes.base = cut.changes.base = base.folder;
    grow_result grown = must_grow(&o), r;
    error err = {0};
    adapter_changed_q_and_up(memory, base.folder, o.folder);
    atomic_bool stop = true;
    cut.interrupted = &stop;
    int calls = 0;
    while (grow_run(memory, &cut, &r, &err) == STATUS_INTERRUPTED && calls < 10)
        calls++;
    assert_int_equal(calls, 4);
    assert_string_equal(r.sha256, grown.sha256);
    assert_string_equal(r.root, grown.root);
    cut = with_recipe("low-wrong", "name: low\nbase: embedded\nstages:\n  - {kind: sft, steps: 4, batch_tokens: 512, sequence: 256, "
                                   "learning_rate: 3e-2, lora: {rank: 4, targets: [query]}}\n");
    cut.changes.base = base.folder;
    assert_int_equal(grow_run(memory, &cut, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "low-wrong.yaml:4:108: expected targets among q_proj, k_proj"));
    assert_non_null(strstr(err.message, "'query'"));
}

static void stage_losses(const char *folder, double *losses, size_t count)
{
    json_t *manifest;
    assert_int_equal(manifest_read(file_join(memory, folder, "manifest.json"), &manifest, NULL), STATUS_OK);
    const json_t *stage = json_array_get(json_object_get(json_object_get(manifest, "content"), "stages"), 0);
    const json_t *list = json_object_get(stage ? stage : json_array_get(json_object_get(manifest, "stages"), 0), "losses");
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++)
        losses[i] = json_number_value(json_array_get(list, i));
    json_decref(manifest);
}

static void batches_in_pieces_learn_the_same(void **state)
{
    (void)state;
    static const char *const text = "name: pieces\nbase: none\n"
                                    "model: {layers: 1, width: 32, heads: 2, intermediate: 64, context: 256, vocabulary: 400}\n"
                                    "stages:\n  - {kind: pretrain, steps: 8, batch_tokens: 1024, sequence: 256, learning_rate: 1e-2%s}\n";
    const char *at = strstr(text, "%s");
    grow_result r[2], cut_result;
    double losses[2][8];
    grow_options all[3];
    static const char *const names[3] = {"at-once", "in-pieces", "pieces-cut"}, *const more[3] = {"", ", accumulate: 4", ", accumulate: 4"};
    for (size_t i = 0; i < 3; i++) {
        all[i] = with_recipe(names[i], arena_printf(memory, "%.*s%s%s", (int)(at - text), text, more[i], at + 2));
        all[i].full_precision = true;
    }
    for (size_t i = 0; i < 2; i++) {
        r[i] = must_grow(&all[i]);
        stage_losses(all[i].folder, losses[i], 8);
    }
    assert_int_equal(r[0].tokens, r[1].tokens);
    for (size_t i = 0; i < 8; i++)
        if (!(fabs(losses[0][i] - losses[1][i]) <= 1e-4 * losses[0][i]))
            fail_msg("step %zu: %.9g at once, %.9g in pieces", i + 1, losses[0][i], losses[1][i]);
    atomic_bool stop = true;
    all[2].interrupted = &stop;
    int calls = 0;
    while (grow_run(memory, &all[2], &cut_result, NULL) == STATUS_INTERRUPTED && calls < 10)
        calls++;
    assert_int_equal(calls, 8);
    assert_string_equal(cut_result.sha256, r[1].sha256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(the_losses_are_kept_as_a_sketch),
        cmocka_unit_test(checkpoints_without_times_are_read),
        cmocka_unit_test(interruptions_change_no_bits),
        cmocka_unit_test(other_optimisers_keep_the_same_promises),
        cmocka_unit_test(a_killed_growth_is_gone_on_with),
        cmocka_unit_test(a_finished_folder_is_kept),
        cmocka_unit_test(what_is_there_and_no_growth_is_refused),
        cmocka_unit_test(one_process_grows_a_folder),
        cmocka_unit_test(tuning_begins_at_the_base),
        cmocka_unit_test(frozen_weights_stay),
        cmocka_unit_test(an_adapter_is_trained_written_and_merged),
        cmocka_unit_test(batches_in_pieces_learn_the_same),
    };
    return cmocka_run_group_tests_name("train/grow", tests, set_up, memory_tear_down);
}
