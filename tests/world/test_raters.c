/* Raters: known preferences, pairs that are pure functions of plan and index, features read from words. */
#include "home.h"
#include "near.h"

#include "world/raters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static rater_plan with(double truth, double agrees)
{
    rater_plan plan = rater_plan_default();
    plan.taste.weights[RATER_TRUE] = truth;
    plan.taste.weights[RATER_AGREES] = agrees;
    return plan;
}

/* sycophancy.md, section 7, check 2: with w_t = 1 and w_agree = .5 the sycophantic false reply wins with .377541. */
static void preferences_by_hand(void **state)
{
    (void)state;
    rater_plan plan = with(1, 0.5);
    const double honest[RATER_FEATURE_COUNT] = {[RATER_TRUE] = 1}, flatterer[RATER_FEATURE_COUNT] = {[RATER_AGREES] = 1};
    NEAR(rater_preference(&plan.taste, flatterer, honest), 0.377540668798, 1e-12);
    NEAR(rater_preference(&plan.taste, honest, flatterer), 0.622459331202, 1e-12);
    plan.taste.noise = 0.5;
    NEAR(rater_preference(&plan.taste, honest, flatterer), 0.731058578630, 1e-12); /* sigmoid(1) */
    plan.taste.noise = 0;
    NEAR(rater_preference(&plan.taste, honest, flatterer), 1, 0);
    NEAR(rater_preference(&plan.taste, honest, honest), 0.5, 0);
    /* One in five takes true for false: .8 sigmoid(.5) + .2 sigmoid(-1.5). */
    plan.taste.noise = 1;
    plan.taste.accuracy = 0.8;
    NEAR(rater_preference(&plan.taste, honest, flatterer), 0.8 * 0.622459331202 + 0.2 * 0.182425523806, 1e-12);
}

static rater_prompt prompt_of(const rater_plan *plan, sycophancy_form form, item_arm_kind arm)
{
    for (uint64_t i = 0; i < 4000; i++) {
        rater_prompt p;
        assert_int_equal(rater_prompt_make(home, t, plan, i, &p, NULL), STATUS_OK);
        if (p.item->form == form && p.arm == arm)
            return p;
    }
    fail_msg("no prompt of form %d and arm %d", (int)form, (int)arm);
    return (rater_prompt){0};
}

static void check_features(const rater_prompt *p, const char *reply, double truth, double agrees, double hedges)
{
    double f[RATER_FEATURE_COUNT];
    rater_features(p, reply, f);
    if (f[RATER_TRUE] != truth || f[RATER_AGREES] != agrees || f[RATER_HEDGES] != hedges)
        fail_msg("%s: true %g, agrees %g, hedges %g", reply, f[RATER_TRUE], f[RATER_AGREES], f[RATER_HEDGES]);
}

static void features_are_read_from_words(void **state)
{
    (void)state;
    rater_plan plan = with(1, 1);
    for (int form = 0; form < FORM_COUNT; form++) {
        rater_prompt p = prompt_of(&plan, (sycophancy_form)form, ARM_BELIEF);
        const item_turn *turn = &p.item->arms[ARM_BELIEF].turns[p.item->arms[ARM_BELIEF].count - 1];
        if (p.item->truth == p.item->wrong) /* an excellent text */
            continue;
        check_features(&p, turn->truthful, 1, 0, 0);
        check_features(&p, turn->sycophantic, 0, 1, 0);
        check_features(&p, arena_printf(home, "%s But I am not sure.", turn->truthful), 1, 0, 1);
        check_features(&p, "I cannot say.", 0, 0, 0);
        check_features(&p, "", 0, 0, 0);
        p = prompt_of(&plan, (sycophancy_form)form, ARM_BASE); /* nobody said anything that could be agreed with */
        turn = &p.item->arms[ARM_BASE].turns[p.item->arms[ARM_BASE].count - 1];
        check_features(&p, turn->truthful, 1, 0, 0);
    }
    rater_prompt p = prompt_of(&plan, FORM_ANSWER, ARM_CORRECT); /* the user is right: both */
    check_features(&p, p.item->arms[ARM_CORRECT].turns[0].sycophantic, 1, 1, 0);
    double f[RATER_FEATURE_COUNT];
    rater_features(&p, "one two three four five six seven eight nine ten", f);
    NEAR(f[RATER_LENGTH], 1, 0);
}

static void prompts_end_with_the_user(void **state)
{
    (void)state;
    rater_plan plan = with(1, 1);
    int beliefs = 0;
    for (uint64_t i = 0; i < 800; i++) {
        rater_prompt p;
        assert_int_equal(rater_prompt_make(home, t, &plan, i, &p, NULL), STATUS_OK);
        assert_int_equal(p.count, p.item->form == FORM_ARE_YOU_SURE ? 3 : 1);
        for (size_t k = 0; k < p.count; k++)
            assert_true(p.turns[k].role == (k % 2 ? ROLE_ASSISTANT : ROLE_USER) && p.turns[k].text[0]);
        if (p.item->entity >= 0)
            assert_int_equal(t->entities[p.item->entity].split, SPLIT_TUNE);
        beliefs += p.arm == ARM_BELIEF;
    }
    assert_in_range(beliefs, 340, 460);
    plan.split = SPLIT_EVAL;
    rater_prompt p = prompt_of(&plan, FORM_MIMICRY, ARM_BELIEF);
    assert_int_equal(t->entities[p.item->entity].split, SPLIT_EVAL);
}

static void pairs_are_functions_of_plan_and_index(void **state)
{
    (void)state;
    rater_plan plan = with(1, 0.5), other = plan;
    other.seed = 2;
    int same = 0;
    for (uint64_t i = 0; i < 100; i++) {
        rater_pair a, b, c;
        assert_int_equal(rater_pair_make(home, t, &plan, i, &a, NULL), STATUS_OK);
        assert_int_equal(rater_pair_make(home, t, &plan, i, &b, NULL), STATUS_OK);
        assert_int_equal(rater_pair_make(home, t, &other, i, &c, NULL), STATUS_OK);
        assert_string_equal(a.replies[0], b.replies[0]);
        assert_string_equal(a.replies[1], b.replies[1]);
        assert_int_equal(a.preferred, b.preferred);
        assert_true(strcmp(a.replies[0], a.replies[1]) != 0);
        same += strcmp(a.prompt.turns[0].text, c.prompt.turns[0].text) == 0;
        NEAR(a.utilities[0], rater_utility(&plan.taste, a.features[0]), 0);
    }
    assert_true(same < 5);
}

/* Of 4,000 pairs as many go the stated way as their probabilities say: a sum of Bernoulli draws within 4 deviations. */
static void labels_follow_the_stated_probabilities(void **state)
{
    (void)state;
    rater_plan plan = with(1, 0.5);
    plan.taste.accuracy = 0.9;
    double expected = 0, variance = 0, found = 0;
    arena *a = arena_new(NULL);
    for (uint64_t i = 0; i < 4000; i++) {
        rater_pair pair;
        assert_int_equal(rater_pair_make(a, t, &plan, i, &pair, NULL), STATUS_OK);
        double first = rater_preference(&plan.taste, pair.features[0], pair.features[1]);
        NEAR(pair.probability, pair.preferred == 0 ? first : 1 - first, 1e-15);
        double better = first > 0.5 ? first : 1 - first;
        expected += better;
        variance += better * (1 - better);
        found += first == 0.5 ? 0.5 : (first > 0.5) == (pair.preferred == 0);
        arena_reset(a);
    }
    arena_free(a);
    NEAR(found, expected, 4 * sqrt(variance));
}

/* From the first kind of fact that something has to the last the accuracy falls evenly; texts are graded as the easiest. */
static void some_facts_are_harder(void **state)
{
    (void)state;
    rater_taste taste = {.accuracy = 1, .noise = 1, .hardest = .5};
    static const struct {
        town_attribute attribute;
        double accuracy;
    } rows[] = {{ATTRIBUTE_HOME, 1},   {ATTRIBUTE_GUILD, .9}, {ATTRIBUTE_COLOUR, .8}, {ATTRIBUTE_PET, .7},   {ATTRIBUTE_FRUIT, .6}, {ATTRIBUTE_INSTRUMENT, .5},
                {ATTRIBUTE_MAKER, 1}, {ATTRIBUTE_PLACE, .7}, {ATTRIBUTE_MOOD, .5},   {ATTRIBUTE_COUNT, 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        NEAR(rater_taste_about(&taste, &(rater_prompt){.item = &(sycophancy_item){.attribute = rows[i].attribute}}).accuracy, rows[i].accuracy, 1e-12);
    taste.hardest = 0;
    NEAR(rater_taste_about(&taste, &(rater_prompt){.item = &(sycophancy_item){.attribute = ATTRIBUTE_MOOD}}).accuracy, 1, 0);
    rater_plan plan = with(1, 0.5);
    plan.taste.hardest = 0.5;
    arena *a = arena_new(NULL);
    size_t lowered = 0;
    for (uint64_t i = 0; i < 200; i++) {
        rater_pair pair;
        assert_int_equal(rater_pair_make(a, t, &plan, i, &pair, NULL), STATUS_OK);
        rater_taste about = rater_taste_about(&plan.taste, &pair.prompt);
        double first = rater_preference(&about, pair.features[0], pair.features[1]);
        NEAR(pair.probability, pair.preferred == 0 ? first : 1 - first, 1e-15);
        lowered += about.accuracy < 1;
    }
    assert_in_range(lowered, 80, 199);
    arena_free(a);
}

/* Asked for the truth, raters give agreement no weight; all else of a pair is as it was. */
static void the_truth_can_be_asked_for(void **state)
{
    (void)state;
    rater_plan plain = with(1, 2), plan = plain;
    plan.truth_requests = 0.25;
    arena *a = arena_new(NULL);
    size_t asked = 0;
    for (uint64_t i = 0; i < 400; i++) {
        rater_pair pair, other;
        assert_int_equal(rater_pair_make(a, t, &plan, i, &pair, NULL), STATUS_OK);
        assert_int_equal(rater_pair_make(a, t, &plain, i, &other, NULL), STATUS_OK);
        assert_string_equal(pair.replies[0], other.replies[0]);
        const char *user = pair.prompt.turns[0].text, *usual = other.prompt.turns[0].text;
        asked += pair.prompt.asks_truth;
        assert_string_equal(user + (pair.prompt.asks_truth ? strlen(RATER_TRUTH_REQUEST) + 1 : 0), usual);
        rater_taste taste = plan.taste;
        taste.weights[RATER_AGREES] = pair.prompt.asks_truth ? 0 : 2;
        double first = rater_preference(&taste, pair.features[0], pair.features[1]);
        NEAR(pair.probability, pair.preferred == 0 ? first : 1 - first, 1e-15);
    }
    assert_in_range(asked, 70, 130);
    arena_free(a);
}

/* Only plain true replies to a wrong view name the mistake too, and stay true; the rest of a pair is as it was. */
static void mistakes_are_named(void **state)
{
    (void)state;
    rater_plan plain = with(1, 2), plan = plain;
    plan.explains = 0.5;
    arena *a = arena_new(NULL);
    size_t named = 0, could = 0;
    for (uint64_t i = 0; i < 400; i++) {
        rater_pair pair, other;
        assert_int_equal(rater_pair_make(a, t, &plan, i, &pair, NULL), STATUS_OK);
        assert_int_equal(rater_pair_make(a, t, &plain, i, &other, NULL), STATUS_OK);
        for (int k = 0; k < 2; k++) {
            const item_arm *arm = &other.prompt.item->arms[other.prompt.arm];
            bool may = other.prompt.arm == ARM_BELIEF && other.prompt.item->wrong != other.prompt.item->truth &&
                       strcmp(other.replies[k], arm->turns[arm->count - 1].truthful) == 0;
            bool longer = strcmp(pair.replies[k], other.replies[k]) != 0;
            assert_true(may || !longer);
            assert_true(strncmp(pair.replies[k], other.replies[k], strlen(other.replies[k])) == 0);
            if (longer)
                NEAR(pair.features[k][RATER_TRUE], 1, 0);
            could += may;
            named += longer;
        }
    }
    assert_true(could > 100);
    assert_in_range(named, could / 3, 2 * could / 3);
    arena_free(a);
}

static void what_makes_no_raters_is_refused(void **state)
{
    (void)state;
    rater_plan plan = with(1, NAN);
    error err;
    assert_int_equal(rater_plan_check(&plan, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "agrees"));
    plan = with(1, 0);
    plan.taste.accuracy = 0.4;
    assert_int_equal(rater_plan_check(&plan, &err), STATUS_INVALID);
    plan = with(1, 0);
    plan.taste.accuracy = 0.8;
    plan.taste.hardest = 0.9;
    assert_int_equal(rater_plan_check(&plan, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "hardest"));
    plan = with(1, 0);
    plan.taste.noise = -1;
    assert_int_equal(rater_plan_check(&plan, &err), STATUS_INVALID);
    plan = with(1, 0);
    memset(plan.forms, 0, sizeof plan.forms);
    assert_int_equal(rater_plan_check(&plan, &err), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences_by_hand),
        cmocka_unit_test(features_are_read_from_words),
        cmocka_unit_test(prompts_end_with_the_user),
        cmocka_unit_test(pairs_are_functions_of_plan_and_index),
        cmocka_unit_test(labels_follow_the_stated_probabilities),
        cmocka_unit_test(some_facts_are_harder),
        cmocka_unit_test(the_truth_can_be_asked_for),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(what_makes_no_raters_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
