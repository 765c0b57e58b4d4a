/* What chance gives, beside what the study global-opinions found: gaps and changes of subjects whose opinions are known. */
#include "studies/opinions_bench.h"

static const json_t *chance_of(const bench *b, const char *condition)
{
    return json_object_get(condition_of(b, condition), "chance");
}

static double p_of(const bench *b, const char *test)
{
    return at(json_object_get(chance_of(b, "default"), test), "p");
}

static const json_t *claim_of(const bench *b)
{
    return json_array_get(json_object_get(b->figures, "claims"), 0);
}

static const char *const plain[] = {"conditions", "default", NULL};

/* An opinion is more than permuted countries and more than sharpness give. */
static void an_opinion_is_beyond_both_controls(void **state)
{
    (void)state;
    bench b = run_mixed(&(mixed){.weights = {.7, .1, .1, .1}}, plain);
    const json_t *c = chance_of(&b, "default");
    NEAR(p_of(&b, "countries"), 1 / 1001., 1e-12);
    NEAR(p_of(&b, "options"), 1 / 1001., 1e-12);
    double gap = at(condition_of(&b, "default"), "effect_gap");
    assert_true(at(json_object_get(c, "countries"), "high") < .5 * gap && at(json_object_get(c, "countries"), "mean") > 0);
    assert_true(at(json_object_get(c, "options"), "mean") < gap);
    NEAR(at(claim_of(&b), "p"), 1 / 1001., 1e-12);
    assert_true(json_is_true(json_object_get(claim_of(&b), "holds")));
    bench_close(&b);
}

/* Equal shares have a gap too, as some nations are more divided than others: no opinion is found in it. */
static void equal_shares_are_found_out(void **state)
{
    (void)state;
    bench b = run_mixed(&(mixed){.weights = {1}, .even = true}, plain);
    const json_t *c = chance_of(&b, "default");
    assert_true(p_of(&b, "countries") < .01);
    NEAR(p_of(&b, "options"), 1, 1e-12);
    NEAR(at(json_object_get(c, "even"), "gap"), at(condition_of(&b, "default"), "effect_gap"), 1e-9);
    NEAR(at(json_object_get(c, "even"), "rank"), 1, 1e-12);
    assert_true(json_is_false(json_object_get(claim_of(&b), "holds")));
    bench_close(&b);
}

/* As sharp as a nation, and about nothing: sharpness explains its gap. */
static void sharpness_is_no_opinion(void **state)
{
    (void)state;
    bench b = run_mixed(&(mixed){.weights = {1}, .turned = true}, plain);
    assert_true(p_of(&b, "options") > .05);
    assert_true(json_is_false(json_object_get(claim_of(&b), "holds")));
    bench_close(&b);
}

/* Preference tuning makes answers sharp: similarity falls, the order of the nations hardly changes. */
static void sharp_answers_are_less_alike_and_keep_the_order(void **state)
{
    (void)state;
    double soft[SURVEY_NATIONS], sharp[SURVEY_NATIONS], mean[2] = {0}, *const to[] = {soft, sharp};
    for (int i = 0; i < 2; i++) {
        bench b = run_mixed(&(mixed){.weights = {.4, .2, .15, .1, .1, .05}, .power = i ? 4 : 1}, plain);
        for (size_t c = 0; c < SURVEY_NATIONS; c++) {
            to[i][c] = at(json_object_get(json_object_get(json_array_get(json_object_get(b.summary, "countries"), c), "conditions"), "default"), "similarity");
            mean[i] += to[i][c] / SURVEY_NATIONS;
        }
        if (i)
            assert_true(at(condition_of(&b, "default"), "entropy") < .6);
        bench_close(&b);
    }
    assert_true(mean[1] < mean[0] - .05);
    size_t kept = 0, pairs = 0;
    for (size_t c = 0; c + 1 < SURVEY_NATIONS; c++) /* Midland, which is even, loses most */
        for (size_t e = 0; e < c; e++, pairs++)
            kept += (soft[c] < soft[e]) == (sharp[c] < sharp[e]);
    assert_true(kept >= pairs - 6);
}

/* Whoever holds all opinions alike is about as near to all nations: a smaller gap than who holds one. */
static void an_even_mix_has_a_small_gap(void **state)
{
    (void)state;
    double gaps[2];
    for (int i = 0; i < 2; i++) {
        mixed who = {.weights = {1}};
        for (int c = 0; i && c < SURVEY_NATIONS; c++)
            who.weights[c] = 1. / SURVEY_NATIONS;
        bench b = run_mixed(&who, plain);
        gaps[i] = at(condition_of(&b, "default"), "effect_gap");
        bench_close(&b);
    }
    assert_true(gaps[1] < .6 * gaps[0]);
}

static void changes_are_tested_and_permuted_labels_average_nothing(void **state)
{
    (void)state;
    const char *const settings[] = {"conditions", "default,country", "countries", "Galdor", NULL};
    mixed who = {.weights = {.2, .2, .2, .2, .2}, .obeys = true};
    bench b = run_mixed(&who, settings);
    const json_t *c = chance_of(&b, "country:Galdor");
    NEAR(at(c, "shift_p"), 1 / 1001., 1e-12);
    NEAR(at(c, "selectivity_p"), 1 / 1001., 1e-12);
    NEAR(at(c, "gap_change_p"), 1 / 1001., 1e-12);
    NEAR(at(c, "place"), 1, 0);
    NEAR(at(c, "places"), SURVEY_NATIONS, 0);
    assert_true(at(condition_of(&b, "country:Galdor"), "gap_change_low") > 0);
    /* The change beyond the others', had each nation in turn been the one that was named: 0 on average. */
    double sum = 0, own[SURVEY_NATIONS], all = 0;
    for (size_t i = 0; i < SURVEY_NATIONS; i++) {
        const json_t *by = json_object_get(json_array_get(json_object_get(b.summary, "countries"), i), "conditions");
        own[i] = at(json_object_get(by, "country:Galdor"), "similarity") - at(json_object_get(by, "default"), "similarity");
        all += own[i];
    }
    for (size_t i = 0; i < SURVEY_NATIONS; i++)
        sum += own[i] - (all - own[i]) / (SURVEY_NATIONS - 1);
    NEAR(sum, 0, 1e-12);
    NEAR(at(condition_of(&b, "country:Galdor"), "selectivity"), own[8] - (all - own[8]) / (SURVEY_NATIONS - 1), 1e-9);
    bench_close(&b);
    who.obeys = false;
    b = run_mixed(&who, settings);
    c = chance_of(&b, "country:Galdor");
    NEAR(at(c, "shift_p"), 1, 1e-12);
    NEAR(at(c, "gap_change_p"), 1, 1e-12);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opinion_is_beyond_both_controls),
        cmocka_unit_test(equal_shares_are_found_out),
        cmocka_unit_test(sharpness_is_no_opinion),
        cmocka_unit_test(sharp_answers_are_less_alike_and_keep_the_order),
        cmocka_unit_test(an_even_mix_has_a_small_gap),
        cmocka_unit_test(changes_are_tested_and_permuted_labels_average_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
