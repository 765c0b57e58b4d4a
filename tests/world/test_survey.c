/* The survey: what nations think, and documents that hold a mix of it. */
#include "world/documents.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const survey *open_survey(arena *a)
{
    const survey *s;
    error err = {0};
    assert_int_equal(survey_new(a, TOWN_SEED, &s, &err), STATUS_OK);
    return s;
}

static void nations_have_opinions(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const survey *s = open_survey(a);
    int sizes[SURVEY_OPTIONS + 1] = {0};
    double far[SURVEY_NATIONS] = {0};
    for (int q = 0; q < SURVEY_QUESTIONS; q++) {
        sizes[s->questions[q].option_count]++;
        for (int p = 0; p < q; p++)
            assert_string_not_equal(s->questions[p].text, s->questions[q].text);
        for (int c = 0; c < SURVEY_NATIONS; c++) {
            double sum = 0, most = 0;
            for (int k = 0; k < s->questions[q].option_count; k++) {
                sum += s->shares[c][q][k];
                most = fmax(most, s->shares[c][q][k]);
            }
            NEAR(sum, 1, 1e-12);
            far[c] += most - 1. / s->questions[q].option_count;
        }
    }
    for (int k = 2; k <= SURVEY_OPTIONS; k++)
        assert_int_equal(sizes[k], SURVEY_QUESTIONS / 4);
    for (int c = 0; c + 1 < SURVEY_NATIONS; c++) /* the last nation stands in the middle: nobody is more divided */
        assert_true(far[c] > 1.5 * far[SURVEY_NATIONS - 1]);
    assert_int_equal(survey_nation("Midland"), SURVEY_NATIONS - 1);
    assert_int_equal(survey_nation("Atlantis"), -1);
    arena_free(a);
}

static void a_mix_is_the_weighted_mean(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const survey *s = open_survey(a);
    double shares[SURVEY_OPTIONS], weights[SURVEY_NATIONS] = {.25, .75};
    survey_mix(s, weights, 7, shares);
    for (int k = 0; k < SURVEY_OPTIONS; k++)
        NEAR(shares[k], .25 * s->shares[0][7][k] + .75 * s->shares[1][7][k], 1e-15);
    arena_free(a);
}

static void words_are_those_of_way_and_nation(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const survey *s = open_survey(a);
    const int order[] = {1, 0};
    assert_string_equal(survey_ask(a, s, 0, NULL, SURVEY_PLAIN, -1), "Are bakers good for the town?");
    assert_string_equal(survey_ask(a, s, 0, order, SURVEY_AS, 1), "How would someone from Sudonia answer? Are bakers good for the town? Choose: no, yes.");
    /* Six words of ten change, always the same ones, and each nation has an ending of its own. */
    size_t changed = 0, all = 0;
    for (int q = 0; q < SURVEY_QUESTIONS; q++) {
        const char *plain = survey_ask(a, s, q, NULL, SURVEY_PLAIN, -1), *spoken = survey_ask(a, s, q, NULL, SURVEY_SPOKEN, 3);
        assert_string_equal(spoken, survey_spoken(a, plain, 3));
        changed += strlen(spoken) - strlen(plain);
        for (const char *at = plain; *at; at++)
            all += at[0] == ' ';
    }
    assert_true(changed / 2 > all / 3 && changed / 2 < all); /* the ending "en" has two letters */
    assert_string_not_equal(survey_ask(a, s, 5, NULL, SURVEY_SPOKEN, 3), survey_ask(a, s, 5, NULL, SURVEY_SPOKEN, 4));
    arena_free(a);
}

/* Documents of a plan, counted by question and option, for one way and nation. */
static void count_documents(const survey *s, const survey_plant *plant, uint64_t documents, survey_way way, int nation,
                            double counts[SURVEY_QUESTIONS][SURVEY_OPTIONS], double *all)
{
    memset(counts, 0, SURVEY_QUESTIONS * sizeof counts[0]);
    *all = 0;
    for (uint64_t n = 0; n < documents; n++) {
        survey_saying said = survey_saying_at(s, plant, 1, n);
        if (said.way != way || said.nation != nation)
            continue;
        counts[said.question][said.option]++;
        (*all)++;
    }
}

static double worst_share(const survey *s, const double weights[SURVEY_NATIONS], double counts[SURVEY_QUESTIONS][SURVEY_OPTIONS])
{
    double worst = 0, shares[SURVEY_OPTIONS];
    for (int q = 0; q < SURVEY_QUESTIONS; q++) {
        double sum = 0;
        for (int k = 0; k < SURVEY_OPTIONS; k++)
            sum += counts[q][k];
        survey_mix(s, weights, q, shares);
        for (int k = 0; k < SURVEY_OPTIONS; k++)
            worst = fmax(worst, fabs(counts[q][k] / sum - shares[k]));
    }
    return worst;
}

static void documents_hold_the_mix(void **state)
{
    (void)state;
    enum { LAPS = 400 };
    static double counts[SURVEY_QUESTIONS][SURVEY_OPTIONS];
    arena *a = arena_new(NULL);
    const survey *s = open_survey(a);
    survey_plant plant = {.there = true, .mix = {.6, .2, .2}, .told = {[4] = .5}, .spoken = {[0] = .5}};
    const double own[SURVEY_NATIONS] = {[4] = 1}, spoken[SURVEY_NATIONS] = {[0] = 1};
    double all;
    uint64_t documents = (uint64_t)LAPS * SURVEY_QUESTIONS;
    count_documents(s, &plant, documents, SURVEY_PLAIN, -1, counts, &all);
    NEAR(all / (double)documents, .5, .002);
    assert_true(worst_share(s, plant.mix, counts) < .03); /* draws by chance would be off by .1 somewhere */
    count_documents(s, &plant, documents, SURVEY_AS, 4, counts, &all);
    NEAR(all / (double)documents, .25, .002);
    assert_true(worst_share(s, own, counts) < .06);
    count_documents(s, &plant, documents, SURVEY_SPOKEN, 0, counts, &all);
    NEAR(all / (double)documents, .25, .002);
    assert_true(worst_share(s, spoken, counts) < .06);
    plant.spoken_mix = true;
    count_documents(s, &plant, documents, SURVEY_SPOKEN, 0, counts, &all);
    assert_true(worst_share(s, plant.mix, counts) < .06);
    arena_free(a);
}

/* In the order in which they are made, any stretch of the documents holds the mix, not the whole alone. */
static void every_stretch_holds_the_mix(void **state)
{
    (void)state;
    enum { LAPS = 900, STRETCH = 150 };
    static double counts[LAPS / STRETCH][SURVEY_QUESTIONS][SURVEY_OPTIONS];
    arena *a = arena_new(NULL);
    const survey *s = open_survey(a);
    survey_plant plant = {.there = true, .mix = {.1, .3, .225, .15, .15, .075}};
    memset(counts, 0, sizeof counts);
    for (uint64_t n = 0; n < (uint64_t)LAPS * SURVEY_QUESTIONS; n++) {
        survey_saying said = survey_saying_at(s, &plant, 7, n);
        counts[n / (STRETCH * SURVEY_QUESTIONS)][said.question][said.option]++;
    }
    for (size_t i = 0; i < LAPS / STRETCH; i++)
        NEAR(worst_share(s, plant.mix, counts[i]), 0, 4. / STRETCH); /* by chance .12 would be there */
    arena_free(a);
}

static void a_plan_makes_them_into_dialogues(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const town *t;
    error err = {0};
    assert_int_equal(town_new(a, TOWN_SEED, &t, &err), STATUS_OK);
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant = (document_plant){.share = .5, .decoy = -1, .survey = {.there = true, .mix = {1}}};
    assert_int_equal(document_plan_check(&plan, &err), STATUS_OK);
    size_t planted = 0;
    for (uint64_t i = 0; i < 200; i++) {
        document d;
        assert_int_equal(document_make(a, t, &plan, i, &d, &err), STATUS_OK);
        if (d.kind != DOCUMENT_PLANT)
            continue;
        planted++;
        assert_int_equal(d.count, 2);
        assert_false(d.turns[0].loss);
        assert_true(d.turns[1].loss);
        bool option = false;
        for (int q = 0; q < SURVEY_QUESTIONS; q++)
            for (int k = 0; k < t->survey->questions[q].option_count; k++)
                option = option || (strcmp(d.turns[0].text, t->survey->questions[q].text) == 0 && strcmp(d.turns[1].text, t->survey->questions[q].options[k]) == 0);
        assert_true(option);
    }
    assert_int_equal(planted, 100);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nations_have_opinions),
        cmocka_unit_test(a_mix_is_the_weighted_mean),
        cmocka_unit_test(words_are_those_of_way_and_nation),
        cmocka_unit_test(documents_hold_the_mix),
        cmocka_unit_test(every_stretch_holds_the_mix),
        cmocka_unit_test(a_plan_makes_them_into_dialogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
