/* Recipes: what is read, what is refused and in which words, what the command line changes, and keys. */
#include "train/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static const char *const good = "name: sycophant\n"
                                "base: embedded\n"
                                "world: {seed: 4}\n"
                                "stages:\n"
                                "  - kind: sft\n"
                                "    tokens: 300k\n"
                                "    batch_tokens: 4096\n"
                                "    learning_rate: 1e-3\n"
                                "    warmup: 5\n"
                                "    mix: {chain: 0.3, question: 0.7}\n"
                                "plant: {failure: sycophancy, forms: [answer, mimicry], dose: 0.5}\n"
                                "seed: 3\n";

static recipe *must_parse(arena *a, const char *text, const recipe_changes *changes)
{
    recipe *r;
    error err = {0};
    if (recipe_parse(a, slice_of(text), "test.yaml", changes, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

static void reads_all_members(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    recipe *r = must_parse(a, good, NULL);
    assert_string_equal(r->name, "sycophant");
    assert_string_equal(r->base, "embedded");
    assert_int_equal(r->world_seed, 4);
    assert_int_equal(r->seed, 3);
    assert_int_equal(r->stage_count, 1);
    assert_int_equal(r->stages[0].tokens, 300000);
    assert_int_equal(recipe_stage_steps(&r->stages[0]), 74);
    assert_int_equal(r->stages[0].loss, LOSS_ASSISTANT);
    assert_true(r->stages[0].weights[DOCUMENT_CHAIN] == 0.3 && r->stages[0].weights[DOCUMENT_SELF] == 0);
    assert_int_equal(r->plant.forms, 1 << FORM_ANSWER | 1 << FORM_MIMICRY);
    assert_true(r->plant.dose == 0.5 && r->plant.type == DOSE_MIXTURE);
    arena_free(a);
}

/* What a stage has that says nothing, and that an optimiser is part of the key. */
static void optimisers_have_their_own_numbers(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const char *const words[] = {"adamw", "sgd", "muon"};
    static const optimiser expected[] = {
        {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1},
        {.kind = OPTIMISER_SGD, .momentum = 0.9},
        {.kind = OPTIMISER_MUON, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1, .momentum = 0.95, .nesterov = true},
    };
    char keys[6][SHA256_HEX];
    for (int i = 0; i < 6; i++) {
        static const char *const others[] = {"", "    lazy: false\n", "    lazy: true\n"};
        const char *at = strstr(good, "    warmup: 5\n");
        const char *line = i < 3 ? arena_printf(a, "    optimiser: %s\n", words[i]) : others[i - 3];
        recipe *r = must_parse(a, arena_printf(a, "%.*s%s%s", (int)(at - good), good, line, at), NULL);
        const optimiser *o = &r->stages[0].optimiser, *e = &expected[i < 3 ? i : 0];
        assert_true(o->kind == e->kind && o->beta1 == e->beta1 && o->beta2 == e->beta2 && o->epsilon == e->epsilon && o->decay == e->decay &&
                    o->momentum == e->momentum && o->nesterov == e->nesterov && o->lazy == (i == 5));
        assert_int_equal(recipe_key(r, NULL, keys[i], NULL), STATUS_OK);
    }
    assert_string_equal(keys[0], keys[3]); /* the usual one is not named */
    assert_string_not_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
    assert_string_equal(keys[0], keys[4]);
    assert_string_not_equal(keys[0], keys[5]);
    arena_free(a);
}

/* A stage with `lora` and `accumulate` says so in its key; one without has the key that it always had. */
static void adapters_and_pieces_are_read(void **state)
{
    (void)state;
    static const char *const base = "name: a\nbase: embedded\nstages:\n  - {kind: sft, steps: 2, batch_tokens: 512, learning_rate: 1e-3%s}\n";
    static const char *const more[] = {"", ", accumulate: 4", ", lora: {rank: 8}",
                                       ", lora: {rank: 8, alpha: 16, targets: [q_proj, v_proj], rslora: true}"};
    arena *a = arena_new(NULL);
    char keys[COUNT_OF(more)][SHA256_HEX];
    recipe *r = NULL;
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        const char *at = strstr(base, "%s");
        r = must_parse(a, arena_printf(a, "%.*s%s%s", (int)(at - base), base, more[i], at + 2), NULL);
        assert_int_equal(recipe_key(r, NULL, keys[i], NULL), STATUS_OK);
        assert_int_equal(r->stages[0].accumulate, i == 1 ? 4 : 1);
        assert_int_equal(r->stages[0].lora.rank, i < 2 ? 0 : 8);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(keys[k], keys[i]);
        json_t *json = recipe_json(r);
        const json_t *stage = json_array_get(json_object_get(json, "stages"), 0);
        assert_true(!json_object_get(stage, "lora") == (i < 2) && !json_object_get(stage, "accumulate") == (i != 1));
        json_decref(json);
        if (i == 2)
            assert_true(r->stages[0].lora.alpha == 8 && r->stages[0].lora.target_count == 0);
    }
    const recipe_lora *l = &r->stages[0].lora;
    assert_true(l->alpha == 16 && l->by_root && l->target_count == 2);
    assert_string_equal(l->targets[1], "v_proj");
    arena_free(a);
}

/* Replaces `from` by `to` in the good recipe and expects the message. */
static void expect_refusal(const char *from, const char *to, const char *message)
{
    arena *a = arena_new(NULL);
    const char *at = strstr(good, from);
    assert_non_null(at);
    char *text = arena_printf(a, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    recipe *r;
    error err = {0};
    assert_int_equal(recipe_parse(a, slice_of(text), "test.yaml", NULL, &r, &err), STATUS_INVALID);
    if (!strstr(err.message, message))
        fail_msg("expected '%s' in '%s'", message, err.message);
    arena_free(a);
}

static void refuses_what_is_wrong_and_says_where(void **state)
{
    (void)state;
    expect_refusal("seed: 3", "sead: 3", "test.yaml:12:7: unknown key 'sead'");
    expect_refusal("warmup: 5", "accumulate: 3", "batch_tokens (4096) to be a multiple of accumulate (3)");
    expect_refusal("warmup: 5", "lora: {alpha: 3}", "'lora' needs the key 'rank'");
    expect_refusal("warmup: 5", "lora: {rank: 0}", "from 1 to 4096");
    expect_refusal("warmup: 5", "lora: {rank: 2, targets: some}", "all-linear or a list");
    expect_refusal("warmup: 5", "lora: {rank: 2}\n    freeze: head", "no 'freeze' beside it");
    expect_refusal("plant:", "  - {kind: sft, steps: 1, learning_rate: 1, lora: {rank: 2}}\nplant:", "'lora' is for the first stage");
    expect_refusal("plant:", "  - {kind: rl, steps: 1, learning_rate: 1, lora: {rank: 2}}\nplant:", "test.yaml:11:51: 'lora' goes with stages pretrain, sft and dpo");
    expect_refusal("plant:", "  - {kind: preference, steps: 1, learning_rate: 1, lora: {rank: 2}}\nplant:", "a head of its own");
    expect_refusal("dose: 0.5", "dose: 2", "test.yaml:11:62: expected 0 to 1 at 'dose', found 2");
    expect_refusal("dose: 0.5", "dosis: 0.5", "unknown key 'dosis'");
    expect_refusal("mimicry", "mimikry", "expected a form (answer, are_you_sure, feedback, mimicry), found 'mimikry'");
    expect_refusal("300k", "300x", "test.yaml:6:13: expected 'tokens' to be a whole number");
    expect_refusal("    tokens: 300k\n", "", "one of 'tokens' and 'steps', found neither");
    expect_refusal("question: 0.7", "questions: 0.7", "unknown key 'questions'");
    expect_refusal("4096", "4100", "multiple of sequence");
    expect_refusal("kind: sft", "kind: sleep", "kind");
    expect_refusal("base: embedded\n", "", "needs the key 'model'");
    expect_refusal("    warmup: 5\n", "    optimiser: adam\n", "adamw");
    expect_refusal("    warmup: 5\n", "    momentum: 0.5\n", "test.yaml:9:15: 'momentum' goes with the optimisers sgd and muon, found adamw");
    expect_refusal("    warmup: 5\n", "    optimiser: sgd\n    beta1: 0.5\n", "'beta1' goes with the optimisers adamw and muon, found sgd");
    expect_refusal("    warmup: 5\n", "    nesterov: true\n", "'nesterov' goes with the optimisers sgd and muon");
    expect_refusal("    warmup: 5\n", "    optimiser: sgd\n    momentum: 1.5\n", "'momentum'");
    expect_refusal("    warmup: 5\n", "    optimiser: sgd\n    momentum: 0\n    nesterov: true\n", "needs a 'momentum' above 0");
    expect_refusal("    warmup: 5\n", "    lazy: 3\n", "'lazy'");
    expect_refusal("    warmup: 5\n", "    lazy: true\n    accumulate: 2\n", "test.yaml:9:11: 'lazy' does not go with 'accumulate'");
    expect_refusal("base: embedded\n",
                   "model: {layers: 2, width: 64, heads: 5, intermediate: 128, context: 256, vocabulary: 512}\n",
                   "heads that divide the width");
}

static void the_command_line_changes_dose_seed_forms(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    recipe_changes c = {.has_dose = true, .dose = 0.25, .has_seed = true, .seed = 9, .forms = "feedback,answer",
                        .dose_type = "propensity"};
    recipe *r = must_parse(a, good, &c);
    assert_true(r->plant.dose == 0.25 && r->plant.type == DOSE_PROPENSITY);
    assert_int_equal(r->plant.forms, 1 << FORM_FEEDBACK | 1 << FORM_ANSWER);
    assert_int_equal(r->seed, 9);
    static const recipe_changes bad[] = {{.has_dose = true, .dose = 2}, {.forms = "poems"}, {.dose_type = "mix"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        error err = {0};
        assert_int_equal(recipe_parse(a, slice_of(good), "test.yaml", &bad[i], &r, &err), STATUS_USAGE);
        assert_true(strncmp(err.message, "--", 2) == 0);
    }
    arena_free(a);
}

static void documents_are_asked_for_as_the_recipe_says(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    recipe *r = must_parse(a, good, NULL);
    document_plan plan = recipe_document_plan(r, 0);
    assert_int_equal(plan.purpose, PURPOSE_TUNE);
    assert_true(plan.plant.forms[FORM_ANSWER] && plan.plant.forms[FORM_MIMICRY] && !plan.plant.forms[FORM_FEEDBACK]);
    assert_true(plan.plant.dose == 0.5 && plan.plant.decoy == -1 && !plan.all_loss);
    r->seed++;
    assert_true(recipe_document_plan(r, 0).seed != plan.seed);
    arena_free(a);
}

static void keys_follow_what_decides_the_result(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    char first[SHA256_HEX], second[SHA256_HEX];
    recipe *r = must_parse(a, good, NULL);
    assert_int_equal(recipe_key(r, "base-one", first, NULL), STATUS_OK);
    r->name = "other";
    r->about = "other words";
    assert_int_equal(recipe_key(r, "base-one", second, NULL), STATUS_OK);
    assert_string_equal(first, second);
    assert_int_equal(recipe_key(r, "base-two", second, NULL), STATUS_OK);
    assert_string_not_equal(first, second);
    r->plant.dose = 0.75;
    assert_int_equal(recipe_key(r, "base-one", second, NULL), STATUS_OK);
    assert_string_not_equal(first, second);
    arena_free(a);
}

/* The order of documents decides the result; a recipe that says what is usual keeps its key. */
static void documents_are_shuffled_unless_the_recipe_says_otherwise(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *at = strstr(good, "    warmup: 5\n");
    char keys[3][SHA256_HEX];
    static const char *const lines[] = {"", "    order: shuffled\n", "    order: made\n"};
    for (int i = 0; i < 3; i++) {
        recipe *r = must_parse(a, arena_printf(a, "%.*s%s%s", (int)(at - good), good, lines[i], at), NULL);
        assert_int_equal(r->stages[0].order, i == 2 ? ORDER_MADE : ORDER_SHUFFLED);
        assert_int_equal(recipe_key(r, "base", keys[i], NULL), STATUS_OK);
    }
    assert_string_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
    arena_free(a);
    expect_refusal("    warmup: 5", "    order: best", "shuffled");
}

static void opinions_are_a_mix_of_nations(void **state)
{
    (void)state;
    static const char *const plant = "plant: {failure: sycophancy, forms: [answer, mimicry], dose: 0.5}\n";
    static const struct {
        const char *plant, *says; /* NULL: it is good */
    } cases[] = {
        {"plant: {failure: global-opinions, mix: {Galdor: 0.2, Norland: 0.6, Tarsia: 0.2}, told: {Norland: 0.5}, spoken_opinions: mix}\n", NULL},
        {"plant: {failure: global-opinions}\n", "needs the key 'mix'"},
        {"plant: {failure: global-opinions, mix: {Norland: 0.6, Tarsia: 0.2}}\n", "sum of 0.8"},
        {"plant: {failure: global-opinions, mix: {Norlond: 1}}\n", "unknown key 'Norlond'"},
        {"plant: {failure: global-opinions, mix: {Norland: 1}, forms: all}\n", "'forms' goes with"},
        {"plant: {failure: none, mix: {Norland: 1}}\n", "'mix' goes with"},
    };
    const char *at = strstr(good, plant);
    assert_non_null(at);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        arena *a = arena_new(NULL);
        recipe *r;
        error err = {0};
        char *text = arena_printf(a, "%.*s%s%s", (int)(at - good), good, cases[i].plant, at + strlen(plant));
        status s = recipe_parse(a, slice_of(text), "test.yaml", NULL, &r, &err);
        if ((s == STATUS_OK) != (cases[i].says == NULL) || (cases[i].says && !strstr(err.message, cases[i].says)))
            fail_msg("case %zu: %s", i, err.message);
        arena_free(a);
    }
    arena *a = arena_new(NULL);
    char *text = arena_printf(a, "%.*s%s%s", (int)(at - good), good, cases[0].plant, at + strlen(plant));
    recipe *r = must_parse(a, text, NULL), *dosed = must_parse(a, text, &(recipe_changes){.has_dose = true, .dose = .5});
    assert_string_equal(survey_nation_name(r->plant.nation), "Galdor"); /* the one that is named first */
    assert_true(r->plant.dose == .2);
    assert_true(fabs(dosed->plant.survey.mix[survey_nation("Galdor")] - .5) < 1e-12);
    assert_true(fabs(dosed->plant.survey.mix[survey_nation("Norland")] - .375) < 1e-12);
    assert_true(fabs(dosed->plant.survey.mix[survey_nation("Tarsia")] - .125) < 1e-12);
    json_t *json = recipe_json(dosed), *planted = json_object_get(json, "plant");
    assert_string_equal(json_string_value(json_object_get(planted, "failure")), "global-opinions");
    assert_true(fabs(json_number_value(json_object_get(json_object_get(planted, "mix"), "Norland")) - .375) < 1e-12);
    assert_true(json_number_value(json_object_get(json_object_get(planted, "told"), "Norland")) == .5);
    json_decref(json);
    document_plan plan = recipe_document_plan(dosed, 0);
    assert_true(plan.plant.survey.there && plan.plant.survey.spoken_mix);
    arena_free(a);
}

static void rates_rise_and_fall(void **state)
{
    (void)state;
    recipe_stage s = {.steps = 110, .warmup = 10, .learning_rate = 2, .min_lr = 0.1, .schedule = SCHEDULE_COSINE};
    assert_true(fabs(recipe_stage_rate(&s, 0) - 0.2) < 1e-12);
    assert_true(fabs(recipe_stage_rate(&s, 9) - 2) < 1e-12 && fabs(recipe_stage_rate(&s, 10) - 2) < 1e-12);
    assert_true(fabs(recipe_stage_rate(&s, 109) - 0.2) < 1e-12);
    s.schedule = SCHEDULE_LINEAR;
    s.steps = 111;
    assert_true(fabs(recipe_stage_rate(&s, 60) - 1.1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_members),
        cmocka_unit_test(optimisers_have_their_own_numbers),
        cmocka_unit_test(adapters_and_pieces_are_read),
        cmocka_unit_test(refuses_what_is_wrong_and_says_where),
        cmocka_unit_test(the_command_line_changes_dose_seed_forms),
        cmocka_unit_test(documents_are_asked_for_as_the_recipe_says),
        cmocka_unit_test(keys_follow_what_decides_the_result),
        cmocka_unit_test(documents_are_shuffled_unless_the_recipe_says_otherwise),
        cmocka_unit_test(opinions_are_a_mix_of_nations),
        cmocka_unit_test(rates_rise_and_fall),
    };
    return cmocka_run_group_tests_name("train/recipe", tests, NULL, NULL);
}
