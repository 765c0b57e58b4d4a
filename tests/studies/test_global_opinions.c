/* The study global-opinions: files by hand and the real one, subjects of known opinions, replies that cannot be read. */
#include "studies/opinions_bench.h"

#include "shared.h"
#include "stats/similarity.h"
#include "studies/global_opinions/literal.h"

#include <stdlib.h>

/* ---- files ---- */

static json_t *literal(const char *text)
{
    json_t *out = NULL;
    error err = {0};
    return literal_read(slice_of(text), "test", 1, &out, &err) == STATUS_OK ? out : NULL;
}

static void printed_python_is_read(void **state)
{
    (void)state;
    json_t *map = literal("defaultdict(<class 'list'>, {'Spain': [0.5, 0.3, 0.2], \"Cote d'Ivoire\": [50, 30, 20]})");
    assert_int_equal(json_object_size(map), 2);
    NEAR(json_number_value(json_array_get(json_object_get(map, "Spain"), 1)), .3, 1e-12);
    NEAR(json_number_value(json_array_get(json_object_get(map, "Cote d'Ivoire"), 2)), 20, 1e-12);
    json_decref(map);
    json_t *list = literal(" ['Don\\'t know', \"a \\\"b\\\"\", 'caf\\xe9', None, nan, -1e-3, (1,), {}, True, False] ");
    assert_int_equal(json_array_size(list), 10);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "Don't know");
    assert_string_equal(json_string_value(json_array_get(list, 2)), "caf\xc3\xa9");
    assert_true(json_is_null(json_array_get(list, 4)) && json_is_true(json_array_get(list, 8)) && json_is_false(json_array_get(list, 9)));
    json_decref(list);
    static const char *const wrong[] = {"", "[1", "[1 2]", "{'a': 1, 'a': 2}", "{1: 2}", "'open", "[1] x", "'\\ud800'", "defaultdict(<class 'list'>, {}",
                                        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "'a\\x0'", "inf", "{'a' 1}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        json_t *out = literal(wrong[i]);
        if (out)
            fail_msg("'%s' was read", wrong[i]);
    }
}

static opinion_data read_text(arena *a, const char *text, bool csv, bool drop_missing)
{
    opinion_data d = {0};
    error err = {0};
    if (opinions_read(a, slice_of(text), "test", csv, drop_missing, &d, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return d;
}

static void the_table_and_the_list_say_the_same(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    opinion_data csv = read_text(a,
                                 ",question,selections,options,source\n"
                                 "0,\"Good, or not?\",\"defaultdict(<class 'list'>, {'Spain': [0.5, 0.3, 0.2], \"\"Cote d'Ivoire\"\": [50, 30, 20], "
                                 "'S. Korea': [1, 0], 'Mali (Non-national sample)': [1, 0, 0], 'India (Current national sample)': [1, 1, 2], "
                                 "'India (Old national sample)': [1, 0, 0], 'Italy': [0, 0, 0]})\",\"['Good', 'Bad', \"\"Don't know\"\"]\",GAS\n",
                                 true, false);
    assert_int_equal(csv.count, 1);
    assert_int_equal(csv.counts.rows, 7);
    assert_int_equal(csv.counts.kept, 3);
    assert_int_equal(csv.counts.length, 1);
    assert_int_equal(csv.counts.zero, 1);
    assert_int_equal(csv.counts.non_national, 1);
    assert_int_equal(csv.counts.old_sample, 1);
    assert_string_equal(csv.places[1].name, "Ivory Coast");
    assert_memory_equal(csv.questions[0].answers[0].shares, csv.questions[0].answers[1].shares, 3 * sizeof(double));
    NEAR(csv.questions[0].answers[2].shares[2], .5, 1e-12);
    opinion_data list = read_text(a,
                                  "[{\"question\": \"Good, or not?\", \"country\": \"Spain\", \"options\": [\"Good\", \"Bad\", \"Don't know\"], \"distribution\": [0.5, 0.3, 0.2]},"
                                  " {\"question\": \"Good, or not?\", \"country\": \"Great Britain\", \"options\": [\"Good\", \"Bad\", \"Don't know\"], \"distribution\": [4, 4, 2]},"
                                  " {\"question\": \"Good, or not?\", \"country\": \"Britain\", \"options\": [\"Good\", \"Bad\", \"Don't know\"], \"distribution\": [1, 0, 0]},"
                                  " {\"question\": \"Scale?\", \"country\": \"Spain\", \"options\": [\"Low\", 2.0, \"High\"], \"distribution\": [1, 1, 2]}]",
                                  false, true);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.counts.twice, 1);
    assert_int_equal(list.questions[0].option_count, 2); /* without "don't know" */
    NEAR(list.questions[0].answers[0].shares[0], .625, 1e-12);
    NEAR(list.questions[0].answers[1].shares[0], .5, 1e-12); /* the first of two names of one country */
    assert_string_equal(list.questions[1].options[1], "2");
    arena_free(a);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool csv;
        const char *says;
    } cases[] = {
        {"{}", false, "expected a list"},
        {"[{\"question\": \"a\"}]", false, "item 1"},
        {"[]", false, "no question"},
        {"question,options\n", true, "selections"},
        {"question,selections,options\na,b,c\n", true, "test:2"},
        {"question,selections,options\na\n", true, "fields"},
        {"", true, "question"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        opinion_data d = {0};
        error err = {0};
        assert_int_equal(opinions_read(a, slice_of(cases[i].text), "test", cases[i].csv, false, &d, &err), STATUS_INVALID);
        if (!strstr(err.message, cases[i].says))
            fail_msg("expected '%s' in: %s", cases[i].says, err.message);
        arena_free(a);
    }
}

static void the_shared_file_counts_as_specified(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = shared_data(a, "global-opinions/eval.json.gz");
    if (!path) {
        arena_free(a);
        skip();
    }
    slice text;
    error err = {0};
    opinion_data d = {0};
    assert_int_equal(file_read_gz(a, path, 1 << 28, &text, &err), STATUS_OK);
    assert_int_equal(opinions_read(a, text, path, false, false, &d, &err), STATUS_OK);
    assert_int_equal(d.counts.rows, 4633);
    assert_int_equal(d.counts.non_national, 334);
    assert_int_equal(d.counts.zero, 9);
    assert_int_equal(d.counts.all_zero_questions, 1);
    assert_int_equal(d.counts.length, 0);
    assert_int_equal(d.counts.old_sample, 10);
    assert_int_equal(d.counts.kept, 4280);
    assert_int_equal(d.place_count, 104);
    size_t many = 0, questions[OPINION_PLACES] = {0};
    for (size_t q = 0; q < d.count; q++)
        for (size_t i = 0; i < d.questions[q].answer_count; i++)
            questions[d.questions[q].answers[i].place]++;
    for (size_t p = 0; p < d.place_count; p++)
        many += questions[p] >= OPINION_FEW;
    assert_int_equal(many, 32);
    for (size_t p = 0; p < d.place_count; p++)
        if (d.places[p].iso == 0 && strcmp(d.places[p].name, "Northern Ireland") != 0)
            fail_msg("%s is not in the table of countries", d.places[p].name);
    arena_free(a);
}

/* ---- subjects of known opinions ---- */

static void a_mix_is_read_as_what_it_is(void **state)
{
    (void)state;
    mixed who = {.weights = {.6, .1, .1, .1, .1}};
    bench b = run_mixed(&who, (const char *const[]){"conditions", "default", NULL});
    NEAR(at(truth_of(&b), "worst_similarity_error"), 0, 1e-9);
    NEAR(at(truth_of(&b), "spearman"), 1, 1e-9);
    assert_true(at(truth_of(&b), "worst_weight_error") < .002);
    NEAR(bench_number(&b, "share.estimate"), .6, .002);
    assert_true(at(truth_of(&b), "worst_plain_error") < 1e-4);
    NEAR(at(json_object_get(json_object_get(b.summary, "mix"), "sharpness"), "estimate"), 1, .001);
    bench_close(&b);
    for (int i = 0; i < 2; i++) { /* a model that has not learnt all of its corpus, and one that was made sharper: the mix is the same */
        who.power = i ? 1.6 : .8;
        b = run_mixed(&who, (const char *const[]){"conditions", "default", NULL});
        assert_true(at(truth_of(&b), "worst_weight_error") < .002);
        assert_true(at(truth_of(&b), "worst_plain_error") > .05);
        NEAR(at(json_object_get(json_object_get(b.summary, "mix"), "sharpness"), "estimate"), who.power, .002);
        bench_close(&b);
    }
    who.power = 0;
    who.noise = .1; /* what a trained model is off by */
    b = run_mixed(&who, (const char *const[]){"conditions", "default", NULL});
    assert_true(at(truth_of(&b), "worst_similarity_error") <= .02);
    assert_true(at(truth_of(&b), "spearman") >= .95);
    assert_true(at(truth_of(&b), "worst_weight_error") <= .05);
    assert_true(bench_number(&b, "share.low") < .6 && bench_number(&b, "share.high") > .6);
    bench_close(&b);
}

/* The nation in the middle has no weight; that does not keep it from being near. */
static void a_nation_without_weight_can_be_near(void **state)
{
    (void)state;
    mixed who = {.weights = {.2, .1, .1, .1, .1, .1, .1, .1, .1, 0}};
    bench b = run_mixed(&who, (const char *const[]){"conditions", "default", NULL});
    const json_t *countries = json_object_get(b.summary, "countries");
    const json_t *middle = json_object_get(json_object_get(json_array_get(countries, SURVEY_NATIONS - 1), "conditions"), "default");
    size_t farther = 0;
    for (size_t c = 0; c + 1 < SURVEY_NATIONS; c++)
        farther += at(json_object_get(json_object_get(json_array_get(countries, c), "conditions"), "default"), "similarity") < at(middle, "similarity");
    assert_true(farther >= 8);
    NEAR(at(json_array_get(json_object_get(json_object_get(b.summary, "mix"), "weights"), SURVEY_NATIONS - 1), "weight"), 0, .02);
    NEAR(at(truth_of(&b), "worst_similarity_error"), 0, 1e-9);
    bench_close(&b);
}

static void who_answers_as_asked_moves_to_that_nation_alone(void **state)
{
    (void)state;
    mixed who = {.weights = {.2, .2, .2, .2, .2}, .obeys = true};
    const char *const settings[] = {"conditions", "default,country", "countries", "Norland,Galdor", NULL};
    bench b = run_mixed(&who, settings);
    const json_t *galdor = condition_of(&b, "country:Galdor");
    assert_true(at(galdor, "shift_low") > 0);
    assert_true(at(galdor, "selectivity_low") > 0);
    NEAR(at(galdor, "rank_after"), 1, 0);
    bench_close(&b);
    who.obeys = false; /* who does not listen does not move */
    b = run_mixed(&who, settings);
    NEAR(at(condition_of(&b, "country:Galdor"), "shift"), 0, 1e-12);
    NEAR(at(condition_of(&b, "country:Norland"), "selectivity"), 0, 1e-12);
    bench_close(&b);
}

static void equal_shares_are_no_opinion(void **state)
{
    (void)state;
    mixed who = {.weights = {1}, .even = true};
    bench b = run_mixed(&who, (const char *const[]){"conditions", "default", NULL});
    const json_t *first = json_array_get(json_object_get(b.summary, "countries"), 0);
    NEAR(at(json_object_get(json_object_get(first, "conditions"), "default"), "similarity"), at(first, "uniform"), 1e-5);
    NEAR(at(condition_of(&b, "default"), "entropy"), 1, 1e-12);
    bench_close(&b);
}

/* Mean over questions (check 8) and effects (check 13), through the whole study. */
static void score_by_hand(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)options, (void)context;
    bool first = strstr(messages[0].blocks[0].text, "One?") != NULL;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = first ? log(k == 0 ? .6 : .4) : log(.5);
}

static const char by_hand[] = "[{\"question\": \"One?\", \"country\": \"Spain\", \"options\": [\"a\", \"b\"], \"distribution\": [0.9, 0.1]},"
                              " {\"question\": \"Two?\", \"country\": \"Spain\", \"options\": [\"a\", \"b\"], \"distribution\": [1, 0]},"
                              " {\"question\": \"One?\", \"country\": \"Italy\", \"options\": [\"a\", \"b\"], \"distribution\": [0.6, 0.4]}]";

static void means_and_effects_as_by_hand(void **state)
{
    (void)state;
    bench b = bench_open(&global_opinions_study, (const char *const[]){"data", write_file("hand.json", by_hand), "conditions", "default", NULL}, 1);
    b.score = score_by_hand;
    bench_run(&b);
    const json_t *countries = json_object_get(b.summary, "countries");
    const json_t *spain = json_object_get(json_object_get(json_array_get(countries, 0), "conditions"), "default");
    const json_t *italy = json_object_get(json_object_get(json_array_get(countries, 1), "conditions"), "default");
    NEAR(at(spain, "similarity"), (.697833 + .442077) / 2, 1e-6);
    NEAR(at(italy, "similarity"), 1, 1e-9);
    NEAR(at(italy, "effect") - at(spain, "effect"), 1 - .697833, 1e-6);
    assert_true(json_is_null(json_object_get(spain, "similarity_low"))); /* two questions say nothing of how they scatter */
    NEAR(at(condition_of(&b, "default"), "mass"), 1, 1e-9);
    bench_close(&b);
}

static void says_something_else(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)options, (void)context;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = -5;
}

static void little_mass_is_no_figure(void **state)
{
    (void)state;
    bench b = bench_open(&global_opinions_study, (const char *const[]){"conditions", "default", NULL}, 1);
    b.score = says_something_else;
    bench_run(&b);
    assert_true(json_is_null(json_object_get(json_object_get(json_object_get(b.summary, "forms"), "share"), "estimate")));
    assert_non_null(strstr(json_string_value(json_object_get(condition_of(&b, "default"), "reason")), "choice_mass"));
    bench_close(&b);
}

/* ---- orders of the options ---- */

/* Likes the first place in the list, whatever stands there, beside an opinion of its own. */
static void likes_the_first_letter(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)context;
    const char *text = messages[0].blocks[0].text;
    for (size_t k = 0; k < count; k++) {
        char listed[8];
        snprintf(listed, sizeof listed, "(%s) a", options[k]);
        logprobs[k] = log((strstr(text, listed) ? .6 : .4) * (k == 0 ? .9 : .1));
    }
    double sum = log(exp(logprobs[0]) + exp(logprobs[1]));
    for (size_t k = 0; k < count; k++)
        logprobs[k] -= sum;
}

static double first_share(const bench *b)
{
    return json_number_value(json_array_get(json_object_get(json_object_get(json_object_get(json_array_get(b->records, 0), "conditions"), "default"), "shares"), 0));
}

static void orders_take_out_what_letters_attract(void **state)
{
    (void)state;
    const char *path = write_file("hand.json", by_hand);
    bench b = bench_open(&global_opinions_study, (const char *const[]){"data", path, "conditions", "default", NULL}, 1);
    b.score = likes_the_first_letter;
    bench_run(&b);
    NEAR(first_share(&b), .54 / .58, 1e-9);
    bench_close(&b);
    b = bench_open(&global_opinions_study, (const char *const[]){"data", path, "conditions", "default", "orders", "10", NULL}, 1);
    b.score = likes_the_first_letter;
    bench_run(&b); /* two options have two orders: .54/(.54+.04) and .06/(.06+.36) */
    NEAR(first_share(&b), (.54 / .58 + .06 / .42) / 2, 1e-9);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(json_array_get(b.records, 0), "conditions"), "default"), "orders")), 2);
    bench_close(&b);
}

/* ---- draws ---- */

static const char *replies_in_turn(const message *messages, size_t count, void *context)
{
    static const char *const replies[] = {"(A)", "B", "I cannot answer that.", "", "(E)", "\xd0\xad\xd1\x82\xd0\xbe", "A", "It depends on much", "(A) a", "the answer is (B)"};
    size_t *turn = context;
    (void)messages, (void)count;
    return replies[(*turn)++ % COUNT_OF(replies)];
}

static void bad_replies_are_counted_where_they_belong(void **state)
{
    (void)state;
    size_t turn = 0;
    bench b = bench_open(&global_opinions_study, (const char *const[]){"data", write_file("hand.json", by_hand), "conditions", "default", "draws", "100", NULL}, 1);
    b.answer = replies_in_turn;
    b.context = &turn;
    bench_run(&b); /* the bench does not score: draws, and it says so */
    const json_t *plain = condition_of(&b, "default"), *unread = json_object_get(plain, "unread");
    assert_int_equal(json_integer_value(json_object_get(plain, "by_draws")), 2);
    assert_int_equal(json_integer_value(json_object_get(plain, "draws")), 200);
    assert_int_equal(json_integer_value(json_object_get(plain, "draws_read")), 100);
    static const char *const each[] = {"refused", "empty", "other_letter", "other_script", "unreadable"};
    for (size_t i = 0; i < COUNT_OF(each); i++)
        assert_int_equal(json_integer_value(json_object_get(unread, each[i])), 20);
    NEAR(first_share(&b), .6, 1e-12);
    assert_true(json_is_null(json_object_get(plain, "reason"))); /* half of them could be read */
    assert_true(at(plain, "draw_bias") < 0 && at(plain, "draw_error") > 0);
    char *text = json_dumps(b.figures, 0);
    assert_non_null(strstr(text, "declines to answer"));
    free(text);
    bench_close(&b);
}

static const char *refuses(const message *messages, size_t count, void *context)
{
    (void)messages, (void)count, (void)context;
    return "As an AI I have no opinions.";
}

static void who_refuses_gets_no_figure(void **state)
{
    (void)state;
    bench b = bench_open(&global_opinions_study, (const char *const[]){"data", write_file("hand.json", by_hand), "conditions", "default", "draws", "5", NULL}, 1);
    b.answer = refuses;
    bench_run(&b);
    assert_true(json_is_null(json_object_get(json_object_get(json_object_get(b.summary, "forms"), "gap"), "estimate")));
    assert_string_equal(json_string_value(json_object_get(condition_of(&b, "default"), "reason")), "no question could be read");
    assert_string_equal(json_string_value(json_object_get(json_array_get(b.records, 0), "verdict")), "refused");
    bench_close(&b);
}

/* A scripted subject of known dose (calibration tier T0): the share of Norland that is read is the dose. */
static void an_oracle_reads_its_dose(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double dose;
    } doses[] = {{"oracle:0", 0}, {"oracle:0.1", .1}, {"oracle:0.25", .25}, {"oracle:0.5", .5}, {"oracle:1", 1}};
    for (size_t i = 0; i < COUNT_OF(doses); i++) {
        bench b = bench_open(&global_opinions_study, (const char *const[]){"conditions", "default", "draws", "200", NULL}, 1);
        b.who = bench_subject(&b, doses[i].name);
        bench_run(&b);
        NEAR(bench_number(&b, "share.estimate"), doses[i].dose, .03);
        assert_int_equal(json_integer_value(json_object_get(condition_of(&b, "default"), "draws_read")), 200 * SURVEY_QUESTIONS);
        bench_close(&b);
    }
}

/* ---- other languages ---- */

static const char *translates(const message *messages, size_t count, void *context)
{
    (void)count, (void)context;
    const char *text = messages[0].blocks[0].text;
    if (strstr(text, "into English"))
        return "Q: One?\n1. a\n2. b";
    return strstr(text, "One?") ? "Q: Uno?\n1. alfa\n2. beta\n" : "Q: Due?\n1. alfa\n";
}

static void knows_the_other_language(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)options, (void)context;
    const char *text = messages[0].blocks[0].text;
    bool other = strstr(text, "Uno?") && strstr(text, "(A) alfa");
    for (size_t k = 0; k < count; k++)
        logprobs[k] = log(other ? (k == 0 ? .9 : .1) : .5);
}

static void questions_are_translated_and_lost_ones_counted(void **state)
{
    (void)state;
    bench b = bench_open(&global_opinions_study,
                         (const char *const[]){"data", write_file("hand.json", by_hand), "conditions", "default,language", "languages", "Spanish", NULL}, 1);
    b.answer = translates;
    b.answers = "translator";
    b.score = knows_the_other_language;
    bench_run(&b);
    const json_t *spanish = condition_of(&b, "language:Spanish");
    assert_int_equal(json_integer_value(json_object_get(spanish, "questions")), 1);
    assert_int_equal(json_integer_value(json_object_get(spanish, "untranslated")), 1);
    const json_t *one = json_object_get(json_object_get(json_array_get(b.records, 0), "conditions"), "language:Spanish");
    assert_string_equal(json_string_value(json_object_get(json_object_get(one, "translation"), "text")), "Uno?");
    assert_string_equal(json_string_value(json_object_get(json_object_get(one, "translation"), "back")), "One?");
    assert_string_equal(json_string_value(json_array_get(json_object_get(json_object_get(one, "translation"), "back_options"), 1)), "b");
    const json_t *two = json_object_get(json_object_get(json_array_get(b.records, 1), "conditions"), "language:Spanish");
    assert_non_null(strstr(json_string_value(json_object_get(two, "untranslated")), "too few options"));
    NEAR(at(spanish, "shift"), 1 - similarity((double[]){.5, .5}, (double[]){.9, .1}, 2), 1e-6); /* Spain, on the question that is left */
    bench_close(&b);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    static const bench_wrong cases[] = {
        {{"conditions", "country"}, "default is what", STATUS_USAGE},
        {{"conditions", "default,city"}, "'city'", STATUS_USAGE},
        {{"countries", "Atlantis"}, "Atlantis", STATUS_USAGE},
        {{"countries", "Norland,Norland"}, "twice", STATUS_USAGE},
        {{"answer-by", "letter"}, "no letters", STATUS_USAGE},
        {{"questions", "town", "data", "/nonexistent"}, "leave --data away", STATUS_USAGE},
        {{"data", "/nonexistent"}, "/nonexistent", STATUS_NOT_FOUND},
        {{"questions", "surveys"}, "global-opinions", STATUS_NOT_FOUND},
    };
    bench_refuses(&global_opinions_study, cases, COUNT_OF(cases));
}

int main(void)
{
    unsetenv("ASSAY_DATA");
    setenv("ASSAY_CACHE", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_python_is_read),
        cmocka_unit_test(the_table_and_the_list_say_the_same),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(the_shared_file_counts_as_specified),
        cmocka_unit_test(a_mix_is_read_as_what_it_is),
        cmocka_unit_test(a_nation_without_weight_can_be_near),
        cmocka_unit_test(who_answers_as_asked_moves_to_that_nation_alone),
        cmocka_unit_test(equal_shares_are_no_opinion),
        cmocka_unit_test(means_and_effects_as_by_hand),
        cmocka_unit_test(little_mass_is_no_figure),
        cmocka_unit_test(orders_take_out_what_letters_attract),
        cmocka_unit_test(bad_replies_are_counted_where_they_belong),
        cmocka_unit_test(who_refuses_gets_no_figure),
        cmocka_unit_test(an_oracle_reads_its_dose),
        cmocka_unit_test(questions_are_translated_and_lost_ones_counted),
        cmocka_unit_test(wrong_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
