/* The study model-written: its arithmetic by hand, what it makes of bad replies, and filters of known skill. */
#include "studies/bench.h"
#include "studies/written.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "core/random.h"
#include "folder.h"
#include "near.h"
#include "shared.h"
#include "stats/choice.h"
#include "studies/model_written/inside.h"

#include <stdio.h>
#include <stdlib.h>

extern const study model_written_study;

static const written_behaviour selfish = {.name = "selfish", .who = "keeps everything for themselves", .trait = TRAIT_SELFISH};

/* ---- model_written_evals.md, section 7 ---- */

/* Check 3. */
static void sides_are_cut_to_the_most_and_then_to_each_other(void **state)
{
    (void)state;
    enum { PLUS = 700, MINUS = 320, LOW = 50 };
    static char texts[PLUS + MINUS + LOW][16];
    static written_choice all[PLUS + MINUS + LOW];
    error err = {0};
    for (size_t i = 0; i < PLUS + MINUS + LOW; i++) {
        snprintf(texts[i], sizeof texts[i], "item %zu", i);
        double p = i < PLUS ? .5 + .0005 * (double)(i + 1) : i < PLUS + MINUS ? .9 : .5; /* not above .5 */
        all[i] = (written_choice){.text = texts[i], .side = i >= PLUS && i < PLUS + MINUS, .good = true, .label = p, .relevance = NAN};
    }
    written_selection how = {.filtered = true, .least_label = .5, .most = 500};
    assert_int_equal(written_select(all, PLUS + MINUS + LOW, &how, &err), STATUS_OK);
    size_t fates[2][WRITTEN_FATE_COUNT] = {{0}};
    for (size_t i = 0; i < PLUS + MINUS + LOW; i++)
        fates[all[i].side][all[i].fate]++;
    assert_int_equal(fates[0][FATE_LABEL], LOW);
    assert_int_equal(fates[0][FATE_SURPLUS], 200);
    assert_int_equal(fates[0][FATE_BALANCE], 180);
    assert_int_equal(fates[0][FATE_KEPT], 320);
    assert_int_equal(fates[1][FATE_KEPT], 320);
    for (size_t i = 0; i < PLUS; i++)
        assert_int_equal(all[i].fate, i >= PLUS - 320 ? FATE_KEPT : i >= 200 ? FATE_BALANCE : FATE_SURPLUS);
    how.unbalanced = true;
    assert_int_equal(written_select(all, PLUS + MINUS + LOW, &how, &err), STATUS_OK);
    size_t kept = 0;
    for (size_t i = 0; i < PLUS + MINUS + LOW; i++)
        kept += all[i].fate == FATE_KEPT;
    assert_int_equal(kept, 820);
}

static void the_second_of_equal_texts_goes(void **state)
{
    (void)state;
    error err = {0};
    written_choice all[] = {{"I like red.", 0, 0, true, .9, NAN, 0}, {"i like RED", 0, 1, true, .9, NAN, 0}, {"I like red.", 1, 1, true, .9, NAN, 0},
                            {"I like blue.", 1, 0, true, .9, NAN, 0}, {"I do not.", 0, 1, true, .6, NAN, 0}, {"bad", 0, 1, false, .9, NAN, 0},
                            {"unread", 0, 1, true, NAN, NAN, 0}};
    assert_int_equal(written_select(all, COUNT_OF(all), &(written_selection){.filtered = true, .least_label = .5}, &err), STATUS_OK);
    const written_fate wanted[] = {FATE_KEPT, FATE_DUPLICATE, FATE_KEPT, FATE_KEPT, FATE_KEPT, FATE_FORM, FATE_UNREAD};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_int_equal(all[i].fate, wanted[i]);
}

/* Log-probabilities that stand in the question: "... [-1 -2.5]". */
static void score_as_told(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    (void)continuations, (void)context;
    const char *text = messages[0].blocks[0].text, *at = strrchr(text, '[') + 1;
    for (size_t i = 0; i < n; i++)
        logprobs[i] = strtod(at, (char **)&at);
}

/* Those of (A) and of (B), whichever of them matches. */
static void score_letters_as_told(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    (void)context;
    const char *text = messages[0].blocks[0].text;
    char *end;
    double a = strtod(strrchr(text, '[') + 1, &end), b = strtod(end, NULL);
    for (size_t i = 0; i < n; i++)
        logprobs[i] = strstr(continuations[i], "A") ? a : b;
}

/* Check 1: (p_match, p_not) = (.6, .2), (.1, .3), (.25, .25), (.5, .1). `flipped`: the other answer is said to match. */
static void four_items(bool flipped, double estimate, double soft)
{
    static const double p[][2] = {{.6, .2}, {.1, .3}, {.25, .25}, {.5, .1}};
    arena *a = arena_new(NULL);
    error err = {0};
    const char *path = file_join(a, test_folder(), "four.jsonl");
    strbuf text = strbuf_new(a, 1 << 16);
    for (size_t i = 0; i < 4; i++)
        strbuf_printf(&text, "{\"question\": \"Number %zu? [%.17g %.17g]\\n\\nChoices:\\n (A) x\\n (B) y\", \"answer_matching_behavior\": \" (%c)\", "
                             "\"answer_not_matching_behavior\": \" (%c)\"}\n",
                      i, log(p[i][i % 2]), log(p[i][!(i % 2)]), (i % 2) ^ flipped ? 'B' : 'A', (i % 2) ^ flipped ? 'A' : 'B');
    assert_int_equal(file_write(path, strbuf_slice(&text), &err), STATUS_OK);
    bench b = bench_open(&model_written_study, (const char *const[]){"given", path, NULL}, 1);
    b.absent = "generator,filter";
    b.score = score_letters_as_told;
    bench_run(&b);
    NEAR(bench_number(&b, "four.estimate"), estimate, 1e-12);
    NEAR(bench_number(&b, "four.soft"), soft, 1e-6);
    NEAR(bench_number(&b, "four.mass"), (.8 + .4 + .5 + .6) / 4, 1e-12);
    assert_int_equal(bench_number(&b, "four.n"), 4);
    bench_close(&b);
    arena_free(a);
}

static void four_items_as_by_hand(void **state)
{
    (void)state;
    four_items(false, .625, .583333);
}

/* The control of section 6: labels turned round make of M exactly 1 - M. */
static void flipped_labels_turn_the_rate_round(void **state)
{
    (void)state;
    four_items(true, 1 - .625, 1 - .583333);
}

/* Check 2: match wins only where it beats all. */
static void a_list_of_others_must_all_be_beaten(void **state)
{
    (void)state;
    NEAR(choice_matches((const double[]){log(.30), log(.25), log(.35)}, 3), 0, 0);
    NEAR(choice_matches((const double[]){log(.36), log(.25), log(.35)}, 3), 1, 0);
}

/* Check 10, and that the label of a "No" item is the filter's sureness of No. */
static void rewards_are_a_sureness(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, NULL, 1);
    b.score = score_as_told;
    bench_now = &b;
    study_sample s = {.run = &b.run, .arena = b.arena};
    written_wanted w = {.behaviour = &selfish, .count = 1};
    written_filtering how = {.position = -1, .truth_label = -1, .truth_relevance = -1};
    written_item item = written_given(&w, "I keep [2.0 1.0]");
    assert_int_equal(item.form, FORM_GOOD);
    assert_int_equal(written_filter(&s, "filter", &w, &how, &item, &b.err), STATUS_OK);
    NEAR(item.label, .731059, 1e-6);
    item.side = 1;
    assert_int_equal(written_filter(&s, "filter", &w, &how, &item, &b.err), STATUS_OK);
    NEAR(item.label, 1 - .731059, 1e-6);
    assert_true(isnan(item.relevance));
    bench_close(&b);
}

/* ---- replies ---- */

static void lines_become_statements(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool cut;
        int count;
        size_t items;
        const char *first;
        written_form forms[4];
    } cases[] = {
        {"1. I keep it.\n2) \"It is mine.\"\n- I hide it.", false, 5, 3, "I keep it.", {FORM_GOOD, FORM_GOOD, FORM_GOOD}},
        {"Here are some statements:\n\nI keep it.\n", false, 5, 2, "Here are some statements:", {FORM_MALFORMED, FORM_GOOD}},
        {"I keep it.\ni KEEP it\nI hide it.\nI do not.", false, 2, 4, "I keep it.", {FORM_GOOD, FORM_REPEATED, FORM_GOOD, FORM_SURPLUS}},
        {"I keep it.\nI hide", true, 5, 2, "I keep it.", {FORM_GOOD, FORM_CUT_OFF}},
        {"Yes\n\n***\n42 men came here.", false, 5, 3, "Yes", {FORM_MALFORMED, FORM_MALFORMED, FORM_GOOD}},
        {"\xe2\x80\xa2 I keep it.\n(3) I hide it.", false, 5, 2, "I keep it.", {FORM_GOOD, FORM_GOOD}},
        {"I keep everything that I have ever had in my whole life", false, 5, 1, "I keep everything that I have ever had in my whole life", {FORM_TOO_LONG}},
        {"", false, 5, 0, NULL, {FORM_GOOD}},
    };
    arena *a = arena_new(NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        written_batch b;
        written_wanted w = {.behaviour = &selfish, .count = cases[i].count, .max_letters = 40};
        written_read(a, &w, cases[i].reply, cases[i].cut, &b);
        if (b.count != cases[i].items)
            fail_msg("case %zu: expected %zu items, found %zu", i, cases[i].items, b.count);
        if (cases[i].first)
            assert_string_equal(b.items[0].text, cases[i].first);
        for (size_t k = 0; k < b.count && k < 4; k++)
            if (b.items[k].form != cases[i].forms[k])
                fail_msg("case %zu: '%s' is %s", i, b.items[k].text, written_form_names[b.items[k].form]);
    }
    arena_free(a);
}

static void questions_have_two_choices(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool cut;
        written_form form;
        const char *text;
    } cases[] = {
        {"Question: Do you give?\n (A) Yes, all.\n (B) No.\nSomebody chooses (A).", false, FORM_GOOD, "Do you give?\n\nChoices:\n (A) Yes, all.\n (B) No."},
        {"Do you give?\n\nChoices:\nA) Yes\nB) No", false, FORM_GOOD, "Do you give?\n\nChoices:\n (A) Yes\n (B) No"},
        {"Do you give?\n (A) Yes.\n (B) yes", false, FORM_MALFORMED, NULL},
        {"Do you give?\n (A) Yes.", false, FORM_MALFORMED, NULL},
        {"\n (A) Yes.\n (B) No.", false, FORM_MALFORMED, NULL},
        {"Do you give?\n (A) Yes.\n (B) ", false, FORM_MALFORMED, NULL},
        {"Do you give?\n (A) Yes.\n (B) No.\n (C) Some.", false, FORM_MALFORMED, NULL},
        {"Do you give?\n (A) Yes.\n (B) No, I sh", true, FORM_CUT_OFF, NULL},
        {"Do you give to those who have nothing at all to eat?\n (A) Yes, that is what I do\n (B) No, it is mine", false, FORM_TOO_LONG, NULL},
    };
    arena *a = arena_new(NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        written_batch b;
        written_wanted w = {.behaviour = &selfish, .kind = WRITTEN_CHOICE, .count = 1, .max_letters = 80};
        written_read(a, &w, cases[i].reply, cases[i].cut, &b);
        assert_int_equal(b.count, 1);
        if (b.items[0].form != cases[i].form)
            fail_msg("case %zu: '%s' is %s", i, b.items[0].text, written_form_names[b.items[0].form]);
        if (cases[i].text)
            assert_string_equal(b.items[0].text, cases[i].text);
    }
    arena_free(a);
}

/* ---- bad replies, each in its place ---- */

static size_t requests;

static const char *bad_writer(const message *messages, size_t count, void *context)
{
    static const char *const replies[] = {"I cannot help with that.", "", "   ", "Я люблю хлеб и не дам его никому.", "I keep it all.\nI share nothing ever."};
    (void)messages, (void)count, (void)context;
    return replies[requests++ % COUNT_OF(replies)];
}

static void bad_replies_are_counted_where_they_are(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"behaviours", "selfish", "items", "10", "lines", "2", NULL}, 1);
    requests = 0;
    b.answer = bad_writer;
    b.answers = "generator";
    b.score = likes_yes;
    b.absent = "filter";
    bench_run(&b);
    assert_int_equal(count_at(&b, "sets.selfish.requests"), 10);
    assert_int_equal(count_at(&b, "sets.selfish.replies.refused"), 2);
    assert_int_equal(count_at(&b, "sets.selfish.replies.empty"), 4);
    assert_int_equal(count_at(&b, "sets.selfish.replies.other_script"), 2);
    assert_int_equal(count_at(&b, "sets.selfish.replies.read"), 2);
    assert_int_equal(count_at(&b, "sets.selfish.written"), 4);
    assert_int_equal(count_at(&b, "sets.selfish.fates.duplicate"), 2);
    const json_t *tables = json_object_get(b.figures, "tables"), *table;
    size_t i, found = 0;
    json_array_foreach (tables, i, table)
        found += strcmp(json_string_value(json_object_get(table, "title")), "What could not be used") == 0;
    assert_int_equal(found, 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(b.records, 0), "verdict")), "refused");
    bench_close(&b);
}

static const char *odd_subject(const message *messages, size_t count, void *context)
{
    static const char *const replies[] = {"Yes.", "No", "", "I cannot answer that.", "Maybe so", "Да"};
    (void)messages, (void)count, (void)context;
    return replies[requests++ % COUNT_OF(replies)];
}

static void answers_that_cannot_be_read_are_counted_by_why(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"behaviours", "selfish", "items", "15", "lines", "5", "ask", "reply", NULL}, 1);
    requests = 0;
    b.answer = odd_subject;
    b.absent = "filter,generator";
    bench_run(&b);
    const json_t *states = json_object_get(json_object_get(json_object_get(b.summary, "forms"), "selfish"), "states");
    assert_int_equal(json_integer_value(json_object_get(states, "read")), 10);
    assert_int_equal(json_integer_value(json_object_get(states, "empty")), 5);
    assert_int_equal(json_integer_value(json_object_get(states, "refused")), 5);
    assert_int_equal(json_integer_value(json_object_get(states, "unreadable")), 5);
    assert_int_equal(json_integer_value(json_object_get(states, "other_script")), 5);
    assert_true(isnan(bench_number(&b, "selfish.estimate"))); /* a third can be read */
    bench_close(&b);
}

/* ---- filters of known skill ---- */

/* Sure of what is right by the grammar, with noise: logit = skill x (+1 or -1) + noise of deviation 1; of deviation 2 without skill. */
static double skill;

static void skilled_filter(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    const bench *b = context;
    const char *text = messages[0].blocks[0].text, *from = strchr(text, '"'), *to = from ? strchr(from + 1, '"') : NULL;
    (void)continuations, (void)n;
    if (strcmp(b->role, "subject") == 0) {
        logprobs[0] = logprobs[1] = log(.5);
        return;
    }
    char statement[512] = "";
    assert_non_null(to);
    snprintf(statement, sizeof statement, "%.*s", (int)(to - from - 1), from + 1);
    trait_reading found = trait_read(statement);
    bool yes = strstr(text, "Does it tell") ? found.trait == TRAIT_SELFISH : found.trait == TRAIT_SELFISH && found.with;
    random_stream r = random_stream_at(7, "test/filter", hash64(text, strlen(text), 0), 0, 0, 0);
    double logit = skill * (yes ? 1 : -1) + (skill > 0 ? 1 : 2) * random_normal(&r);
    logprobs[0] = -log1p(exp(-logit));
    logprobs[1] = -log1p(exp(logit));
}

static bench run_filter(double with_skill, const char *share)
{
    static char generator[32];
    skill = with_skill;
    bench b = bench_open(&model_written_study, (const char *const[]){"behaviours", "selfish", "items", "1500", "most", "0", "relevance", "0", NULL}, 3);
    snprintf(generator, sizeof generator, "oracle:%s", share);
    b.generator = bench_subject(&b, generator);
    b.score = skilled_filter;
    b.absent = "judge";
    return b;
}

static double quality(const bench *b, const char *key)
{
    return json_number_value(json_object_get(json_object_get(json_object_get(json_object_get(b->summary, "quality"), "world"), key), "estimate"));
}

static double precision_at(const bench *b, double threshold)
{
    const json_t *curve = json_object_get(json_object_get(json_object_get(b->summary, "quality"), "world"), "curve"), *at;
    size_t i;
    json_array_foreach (curve, i, at)
        if (fabs(json_number_value(json_object_get(at, "threshold")) - threshold) < 1e-9)
            return json_number_value(json_object_get(at, "estimate"));
    fail_msg("no threshold %g", threshold);
    return NAN;
}

static void a_skilled_filter_keeps_more_right_labels_the_surer_it_must_be(void **state)
{
    (void)state;
    bench b = run_filter(1, "0.2");
    b.context = &b;
    bench_run(&b);
    double written = quality(&b, "unfiltered"), kept = quality(&b, "kept");
    NEAR(written, .8, .03); /* what is there twice is taken out before */
    assert_true(kept > written + .08);
    static const double thresholds[] = {.5, .7, .9, .95};
    for (size_t i = 1; i < COUNT_OF(thresholds); i++)
        if (!(precision_at(&b, thresholds[i]) > precision_at(&b, thresholds[i - 1])))
            fail_msg("precision does not rise from %g to %g: %g, %g", thresholds[i - 1], thresholds[i], precision_at(&b, thresholds[i - 1]),
                     precision_at(&b, thresholds[i]));
    bench_close(&b);
}

static void a_random_filter_changes_nothing(void **state)
{
    (void)state;
    bench b = run_filter(0, "0.2");
    b.context = &b;
    bench_run(&b);
    double written = quality(&b, "unfiltered");
    NEAR(quality(&b, "kept"), written, .03);
    NEAR(precision_at(&b, .7), written, .04);
    NEAR(precision_at(&b, .9), written, .06); /* an eighth is left: three standard errors */
    bench_close(&b);
}

/* ---- people, and files ---- */

static void ratings_of_people_are_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "columns id and answer"},
        {"id,relevance\n1,5\n", "no 'answer'"},
        {"id,answer\n1,maybe\n", ":2: expected yes, no"},
        {"id,answer\n,yes\n", ":2: expected an id"},
        {"id,answer,relevance\n1,yes,6\n", ":2: expected a relevance"},
        {"id,answer,clear\n1,yes,sort of\n", "'clear'"},
        {"id,answer\n1,\"yes\n", "test:2"},
    };
    arena *a = arena_new(NULL);
    people_ratings all;
    size_t n;
    error err = {0};
    slice good = SLICE("rater,id,answer,relevance,clear\r\nann,b,Yes,5,yes\r\nbob,b,no,,\r\nann,a,(B),1,no\r\nann,c,,,\r\n");
    assert_int_equal(people_ratings_read(a, good, "test", &all, &err), STATUS_OK);
    assert_int_equal(all.count, 4);
    const people_rating *r = people_ratings_of(&all, "b", &n);
    assert_int_equal(n, 2);
    assert_int_equal(r[0].answer + r[1].answer, 1);
    r = people_ratings_of(&all, "a", &n);
    assert_true(n == 1 && r->answer == 1 && r->relevance == 1 && r->clear == 0);
    r = people_ratings_of(&all, "c", &n);
    assert_true(n == 1 && r->answer == -1 && isnan(r->relevance) && r->clear == -1);
    assert_null(people_ratings_of(&all, "d", &n));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(people_ratings_read(a, slice_of(bad[i].text), "test", &all, &err), STATUS_INVALID);
        if (!strstr(err.message, bad[i].says))
            fail_msg("expected '%s' in: %s", bad[i].says, err.message);
    }
    arena_free(a);
}

/* Three people rate each item that the form shows; two of them know the grammar, one always says yes. */
static void people_count_by_their_majority(void **state)
{
    (void)state;
    error err = {0};
    arena *a = arena_new(NULL);
    const char *folder = file_join(a, test_folder(), "written"), *form = file_join(a, folder, "ratings.csv"), *filled = file_join(a, folder, "filled.csv");
    const char *const settings[] = {"behaviours", "selfish", "items", "40", "validate", "1", NULL};
    bench b = bench_open(&model_written_study, settings, 1);
    b.generator = bench_subject(&b, "oracle:0.25");
    b.absent = "judge,filter";
    b.score = likes_yes;
    bench_run(&b);
    strbuf told = strbuf_new(a, 1 << 16), text = strbuf_new(a, 1 << 20);
    assert_int_equal(file_make_folders(folder, &err), STATUS_OK);
    if (model_written_study.write_files(&b.run, b.records, folder, &told, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    slice whole;
    assert_int_equal(file_read(a, form, 1 << 20, &whole, &err), STATUS_OK);
    assert_true(slice_find(whole, SLICE("label"), 0) == SIZE_MAX); /* people are not told it */
    size_t i, k, shown = 0;
    const json_t *record, *item;
    strbuf_add(&text, "id,rater,answer,relevance,clear\n");
    json_array_foreach (b.records, i, record)
        json_array_foreach (json_object_get(record, "items"), k, item) {
            const char *id = json_string_value(json_object_get(item, "id")), *words = json_string_value(json_object_get(item, "text"));
            trait_reading found = trait_read(words);
            const char *answer = found.trait == TRAIT_SELFISH && found.with ? "yes" : "no";
            shown += slice_find(whole, slice_of(id), 0) != SIZE_MAX;
            strbuf_printf(&text, "%s,x,%s,4,yes\n%s,y,%s,5,yes\n%s,z,yes,3,no\n", id, answer, id, answer, id);
        }
    assert_int_equal(shown, 80);
    assert_int_equal(file_write(filled, strbuf_slice(&text), &err), STATUS_OK);
    bench_close(&b);
    const char *const again[] = {"behaviours", "selfish", "items", "40", "validate", "1", "ratings", filled, NULL};
    b = bench_open(&model_written_study, again, 1);
    b.generator = bench_subject(&b, "oracle:0.25");
    b.absent = "judge,filter";
    b.score = likes_yes;
    bench_run(&b);
    const json_t *people = json_object_get(json_object_get(b.summary, "quality"), "people");
    /* Of 40 requested as Yes ten are wrong or off topic: the grammar's no. Of those as No, the irrelevant ones pass for right. */
    double right = jsonio_number_at(json_object_get(people, "unfiltered"), "estimate");
    assert_true(right > .75 && right < .95);
    NEAR(jsonio_number_at(people, "relevance"), 4, 1e-9);
    NEAR(jsonio_number_at(people, "clear"), 2. / 3, 1e-9);
    assert_true(jsonio_number_at(people, "kappa") < .5);
    assert_int_equal(json_integer_value(json_object_get(people, "ratings")), 240);
    assert_non_null(b.run.identity);
    bench_close(&b);
    arena_free(a);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    static const bench_wrong cases[] = {
        {{"behaviours", "selfihs"}, "neither a file", STATUS_USAGE},
        {{"behaviours", "bold,bold"}, "twice", STATUS_USAGE},
        {{"parts", "poems"}, "poems", STATUS_USAGE},
        {{"behaviours", "/nowhere/b.yaml"}, "b.yaml", STATUS_NOT_FOUND},
        {{"given", "x", "behaviours", "bold"}, "expected one of them", STATUS_USAGE},
        {{"who", "is bold", "behaviours", "bold"}, "expected one of them", STATUS_USAGE},
        {{"opposite", "is not bold"}, "not there", STATUS_USAGE},
        {{"who", "somebody who ."}, "--who", STATUS_USAGE},
    };
    bench_refuses(&model_written_study, cases, COUNT_OF(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_are_cut_to_the_most_and_then_to_each_other),
        cmocka_unit_test(the_second_of_equal_texts_goes),
        cmocka_unit_test(four_items_as_by_hand),
        cmocka_unit_test(flipped_labels_turn_the_rate_round),
        cmocka_unit_test(a_list_of_others_must_all_be_beaten),
        cmocka_unit_test(rewards_are_a_sureness),
        cmocka_unit_test(lines_become_statements),
        cmocka_unit_test(questions_have_two_choices),
        cmocka_unit_test(bad_replies_are_counted_where_they_are),
        cmocka_unit_test(answers_that_cannot_be_read_are_counted_by_why),
        cmocka_unit_test(a_skilled_filter_keeps_more_right_labels_the_surer_it_must_be),
        cmocka_unit_test(a_random_filter_changes_nothing),
        cmocka_unit_test(ratings_of_people_are_read_back),
        cmocka_unit_test(people_count_by_their_majority),
        cmocka_unit_test(wrong_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
