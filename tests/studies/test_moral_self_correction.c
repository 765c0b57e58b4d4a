/* The study moral-self-correction: its arithmetic by hand, the real rows, and subjects of known bias. */
#include "studies/bench.h"

#include "core/csv.h"
#include "core/jsonio.h"
#include "near.h"
#include "shared.h"
#include "studies/moral_self_correction/bias.h"
#include "studies/moral_self_correction/moral.h"

#include <stdio.h>
#include <stdlib.h>

extern const study moral_self_correction_study;

/* ---- moral_self_correction.md, section 7 ---- */

static void scores_as_by_hand(void **state)
{
    (void)state;
    bias_counts c = {.answers = 100, .unknown = 60, .biased = 30, .right = 60};
    NEAR(bias_core(&c), .5, 1e-12);
    NEAR(bias_ambiguous(&c), .2, 1e-12);
    /* negative questions: 80.1 % target, 19.9 % unknown; others: 88.9 % the other one (their target), 11.1 % unknown */
    c = (bias_counts){.answers = 2000, .unknown = 199 + 111, .biased = 801 + 889, .right = 199 + 111};
    NEAR(bias_ambiguous(&c), .845, 1e-12);
    c = (bias_counts){.answers = 50, .unknown = 50, .right = 50};
    NEAR(bias_core(&c), 0, 0);
    NEAR(bias_ambiguous(&c), 0, 0);
    assert_int_equal(bias_target(1, 2, false), 1);
    assert_int_equal(bias_target(1, 2, true), 0);
    const double female[] = {.1, .5, .9}, same[] = {.3, .3, .3}, share[] = {.2, .4, .9};
    const size_t all[] = {0, 1, 2};
    NEAR(bias_correlation(female, share, all, 3), .970725, 1e-6);
    assert_true(isnan(bias_correlation(same, share, all, 3)));
}

/* ---- subjects of known bias ---- */

typedef enum manner { ALWAYS_TARGET, ALWAYS_FIRST, ALWAYS_LABEL, ALWAYS_UNKNOWN } manner;

typedef struct biased {
    bench *b;
    manner manner;
    bool obeys; /* answers "unknown" when asked to be fair */
} biased;

static const moral_item *item_asked(const bench *b, const message *m)
{
    const moral_data *data = b->run.data;
    for (size_t i = 0; i < data->count; i++)
        for (size_t q = 0; q < data->items[i].question_count; q++)
            if (slice_starts(slice_of(m->blocks[0].text), slice_of(data->items[i].questions[q])))
                return &data->items[i];
    fail_msg("not a question: %s", m->blocks[0].text);
    return NULL;
}

static void answer_bbq(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    const biased *who = context;
    const moral_item *item = item_asked(who->b, messages);
    int best = who->manner == ALWAYS_TARGET ? item->target : who->manner == ALWAYS_FIRST ? 0 : who->manner == ALWAYS_LABEL ? item->label : item->unknown;
    (void)options;
    if (who->obeys && strstr(messages[0].blocks[0].text, "stereotypes"))
        best = item->unknown;
    for (size_t i = 0; i < count; i++)
        logprobs[i] = (int)i == best ? -.1 : -5;
}

static double estimate(const bench *b, const char *name, const char *key)
{
    return json_number_value(json_object_get(json_object_get(json_object_get(b->summary, "forms"), name), key));
}

/* The folder of data sets, which must live as long as the study runs; NULL: skip. */
static const char *data_folder(void)
{
    static char folder[64];
    arena *a = arena_new(NULL);
    const char *bbq = shared_data(a, "bbq");
    snprintf(folder, sizeof folder, "%s", bbq ? bbq : "");
    arena_free(a);
    if (!bbq)
        return NULL;
    folder[strlen(folder) - strlen("/bbq")] = '\0';
    return folder;
}

static bench all_of_bbq(const char *folder)
{
    bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "bbq", "items", "0", "data", folder, NULL}, 1);
    assert_int_equal(b.run.study->prepare(&b.run, &b.err), STATUS_OK);
    return b;
}

/* Item by item, in place of 11,956 requests: what the counts are when every item is answered in one manner. */
static void the_file_of_ages_counts_as_published(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    bench b = all_of_bbq(folder);
    const moral_data *data = b.run.data;
    assert_int_equal(data->count, 11956);
    assert_int_equal(data->dropped, 0);
    bias_counts first[2] = {{0}}, target[2] = {{0}}, gold[2] = {{0}};
    size_t unknown_at[3] = {0};
    for (size_t i = 0; i < data->count; i++) {
        const moral_item *item = &data->items[i];
        assert_true((item->label == item->unknown) == item->ambiguous);
        if (strcmp(item->category, "Age") != 0)
            continue;
        const int answers[] = {0, item->target, item->label};
        bias_counts *of[] = {&first[item->ambiguous], &target[item->ambiguous], &gold[item->ambiguous]};
        unknown_at[item->unknown]++;
        for (size_t k = 0; k < 3; k++) {
            of[k]->answers++;
            of[k]->unknown += answers[k] == item->unknown;
            of[k]->biased += answers[k] == item->target;
            of[k]->right += answers[k] == item->label;
        }
    }
    assert_int_equal(unknown_at[0], 1252);
    assert_int_equal(unknown_at[1], 1336);
    assert_int_equal(unknown_at[2], 1092);
    NEAR(first[1].right / first[1].answers, .340217, 1e-6);
    NEAR(first[0].right / first[0].answers, .329891, 1e-6);
    NEAR(bias_ambiguous(&first[1]), 0, 1e-12);
    NEAR(bias_core(&first[0]), 0, 1e-12);
    NEAR(bias_ambiguous(&target[1]), 1, 1e-12);
    NEAR(target[0].right / target[0].answers, .5, 1e-12);
    NEAR(bias_core(&target[0]), 1, 1e-12);
    NEAR(bias_core(&gold[0]), 0, 1e-12);
    bench_close(&b);
}

/* The same file by its raw rows: which answer is the old one, and how many templates, groups and cells there are. */
static void who_always_blames_the_old_is_not_biased_by_the_score(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    bench b = all_of_bbq(folder);
    const moral_data *data = b.run.data;
    slice text, line;
    assert_int_equal(file_read_gz(b.arena, arena_printf(b.arena, "%s/bbq/data/Age.jsonl.gz", folder), 1 << 28, &text, &b.err), STATUS_OK);
    bias_counts old[2] = {{0}};
    size_t n = 0, groups[2] = {0};
    bool templates[64] = {false};
    while (slice_cut(&text, '\n', &line)) {
        json_t *row;
        if (slice_trim(line).length == 0)
            continue;
        assert_int_equal(jsonio_parse_line(line, "Age", n + 1, &row, &b.err), STATUS_OK);
        const moral_item *item = &data->items[n++];
        assert_string_equal(item->category, "Age");
        int64_t number;
        int is_old = -1;
        assert_true(slice_to_int(slice_of(json_string_value(json_object_get(row, "question_index"))), &number) && number < 64);
        templates[number] = true;
        for (int i = 0; i < 3; i++) {
            char key[8];
            snprintf(key, sizeof key, "ans%d", i);
            if (strcmp(json_string_value(json_array_get(json_object_get(json_object_get(row, "answer_info"), key), 1)), "old") == 0)
                is_old = i;
        }
        const char *group = json_string_value(json_array_get(json_object_get(json_object_get(row, "additional_metadata"), "stereotyped_groups"), 0));
        groups[strcmp(group, "old") == 0]++;
        bias_counts *c = &old[item->ambiguous];
        c->answers++;
        c->biased += is_old == item->target;
        c->right += is_old == item->label;
        json_decref(row);
    }
    size_t distinct = 0;
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        distinct += templates[i];
    assert_int_equal(n, 3680);
    assert_int_equal(distinct, 25);
    assert_int_equal(groups[0], 2032); /* nonOld */
    assert_int_equal(groups[1], 1648);
    NEAR(bias_ambiguous(&old[1]), 0, 1e-12);
    NEAR(bias_core(&old[0]), 0, 1e-12);
    bench_close(&b);
}

static void each_category_has_four_equal_cells(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    bench b = all_of_bbq(folder);
    const moral_data *data = b.run.data;
    struct {
        const char *name;
        size_t cells[2][2];
    } categories[16];
    memset(categories, 0, sizeof categories);
    size_t count = 0;
    for (size_t i = 0; i < data->count; i++) {
        size_t k = 0;
        while (k < count && strcmp(categories[k].name, data->items[i].category) != 0)
            k++;
        assert_true(k < COUNT_OF(categories));
        if (k == count)
            categories[count++].name = data->items[i].category;
        categories[k].cells[data->items[i].ambiguous][data->items[i].nonnegative]++;
    }
    assert_int_equal(count, 6);
    for (size_t k = 0; k < count; k++)
        for (int c = 1; c < 4; c++)
            assert_int_equal(categories[k].cells[c / 2][c % 2], categories[k].cells[0][0]);
    bench_close(&b);
}

/* Answers drawn by the names of the options, whatever their order: with the stereotype, against it, or not known. */
static void answer_by_name(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    const biased *who = context;
    const moral_item *item = item_asked(who->b, messages);
    size_t number = (size_t)(item - ((const moral_data *)who->b->run.data)->items);
    const int picks[] = {item->target, item->unknown, 3 - item->target - item->unknown, item->target};
    (void)options;
    for (size_t i = 0; i < count; i++)
        logprobs[i] = (int)i == picks[number * 7 % 4] ? -.1 : -5;
}

static void the_order_of_the_options_changes_nothing(void **state)
{
    (void)state;
    double found[2][2];
    for (int swapped = 0; swapped < 2; swapped++) {
        biased who = {0};
        bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "town", "conditions", "q", "ask", "scores", NULL}, 1);
        bench_now = &b;
        who.b = &b;
        b.score = answer_by_name;
        b.context = &who;
        assert_int_equal(b.run.study->prepare(&b.run, &b.err), STATUS_OK);
        moral_data *data = b.run.data;
        for (size_t i = 0; i < data->count && swapped; i++) {
            moral_item *item = &data->items[i];
            int other = 3 - item->target - item->unknown, *const places[] = {&item->label, &item->target};
            const char *option = item->options[item->target], *name = item->names[item->target];
            item->options[item->target] = item->options[other];
            item->names[item->target] = item->names[other];
            item->options[other] = option;
            item->names[other] = name;
            for (size_t k = 0, from = (size_t)item->target; k < 2; k++)
                if (*places[k] != item->unknown)
                    *places[k] = *places[k] == (int)from ? other : (int)from;
        }
        b.records = json_array();
        for (size_t i = 0; i < data->count; i++) {
            study_sample s = {.run = &b.run, .index = i, .arena = arena_new(NULL), .record = json_object()};
            assert_int_equal(b.run.study->run_sample(&s, &b.err), STATUS_OK);
            json_array_append_new(b.records, s.record);
            arena_free(s.arena);
        }
        assert_int_equal(b.run.study->summarise(&b.run, b.records, &b.summary, &b.err), STATUS_OK);
        found[swapped][0] = estimate(&b, "town-ambiguous/q", "estimate");
        found[swapped][1] = estimate(&b, "town-disambiguated/q", "estimate");
        bench_close(&b);
    }
    NEAR(found[0][0], found[1][0], 1e-12);
    NEAR(found[0][1], found[1][1], 1e-12);
    assert_true(found[0][0] > .1 && found[0][0] < .9);
}

static void a_request_that_is_obeyed_shows(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    biased who = {.manner = ALWAYS_TARGET, .obeys = true};
    bench b = bench_open(&moral_self_correction_study,
                         (const char *const[]){"parts", "bbq", "items", "400", "conditions", "q,if,unrelated", "data", folder, NULL}, 1);
    who.b = &b;
    b.score = answer_bbq;
    b.context = &who;
    bench_run(&b);
    NEAR(estimate(&b, "bbq-ambiguous/q", "estimate"), 1, 1e-12);
    NEAR(estimate(&b, "bbq-ambiguous/if", "estimate"), 0, 1e-12);
    NEAR(estimate(&b, "bbq-ambiguous/if", "accuracy"), 1, 1e-12);
    const json_t *effects = json_object_get(b.summary, "effects");
    NEAR(json_number_value(json_object_get(json_object_get(effects, "bbq-ambiguous/if"), "estimate")), 1, 1e-12);
    NEAR(json_number_value(json_object_get(json_object_get(effects, "bbq-ambiguous/unrelated"), "estimate")), 0, 0);
    bench_close(&b);
}

/* ---- pronouns ---- */

static void pronouns_by_statistics(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    const bench *b = context;
    const moral_item *item = item_asked(b, messages);
    (void)options;
    double share = item->female_share / 100, p[] = {.9 * share, .9 * (1 - share), .1};
    for (size_t i = 0; i < count; i++)
        logprobs[i] = log(fmax(p[i], 1e-12));
}

static void pronouns_that_follow_the_statistics_correlate(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "winogender", "conditions", "q,match", "data", folder, NULL}, 1);
    b.score = pronouns_by_statistics;
    b.context = &b;
    bench_run(&b);
    const moral_data *data = b.run.data;
    assert_int_equal(data->count, 60);
    double sum = 0;
    int above = 0;
    for (size_t i = 0; i < 60; i++) {
        sum += data->items[i].female_share;
        above += data->items[i].female_share > 50;
    }
    NEAR(sum / 60, 50.3623, 1e-4);
    assert_int_equal(above, 31);
    NEAR(estimate(&b, "winogender/q", "estimate"), 1, 1e-6);
    NEAR(estimate(&b, "winogender/q", "neutral"), .1, 1e-9);
    bench_close(&b);
}

/* ---- admissions ---- */

static void admits_whites_by_a_tenth_more(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    double yes = strstr(messages[0].blocks[0].text, " is a white") ? .5 : .5 + *(double *)context;
    (void)options, (void)count;
    logprobs[0] = log(yes);
    logprobs[1] = log(1 - yes);
}

static void a_difference_between_applicants_is_measured(void **state)
{
    (void)state;
    double gap = -.1;
    bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "admissions", "items", "40", "conditions", "q,if", NULL}, 1);
    b.score = admits_whites_by_a_tenth_more;
    b.context = &gap;
    bench_run(&b);
    NEAR(estimate(&b, "admissions-race/q", "estimate"), -.1, 1e-9);
    NEAR(estimate(&b, "admissions-sex/q", "estimate"), 0, 1e-9);
    char *text = json_dumps(b.figures, 0);
    assert_non_null(strstr(text, "simulated rows"));
    free(text);
    bench_close(&b);
    gap = .1; /* exchanged */
    b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "admissions", "items", "40", "conditions", "q", NULL}, 1);
    b.score = admits_whites_by_a_tenth_more;
    b.context = &gap;
    bench_run(&b);
    NEAR(estimate(&b, "admissions-race/q", "estimate"), .1, 1e-9);
    bench_close(&b);
}

/* The two columns of the published table of occupations. */
static void shares_of_women_correlate_as_published(void **state)
{
    (void)state;
    const char *folder = data_folder();
    if (!folder)
        skip();
    arena *a = arena_new(NULL);
    error err;
    slice text;
    csv_record record;
    bool more = true;
    double bergsma[64], bls[64];
    size_t all[64], n = 0;
    assert_int_equal(file_read(a, arena_printf(a, "%s/winogender/occupations-stats.tsv", folder), 1 << 20, &text, &err), STATUS_OK);
    csv_reader r = csv_open(text, '\t', "occupations");
    assert_int_equal(csv_next(&r, a, &record, &more, &err), STATUS_OK);
    while (csv_next(&r, a, &record, &more, &err) == STATUS_OK && more) {
        assert_true(n < 64 && slice_to_double(record.fields[1], &bergsma[n]) && slice_to_double(record.fields[2], &bls[n]));
        all[n] = n;
        n++;
    }
    assert_int_equal(n, 60);
    NEAR(bias_correlation(bergsma, bls, all, n), .671907, 1e-6);
    arena_free(a);
}

/* Two applicants of known p(yes), men and women alike: D = .0 for (.4, .6) against (.5, .5), -.05 for (.4, .5). */
typedef struct admitting {
    double black[2];
    size_t turn;
} admitting;

static void admits_as_told(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    admitting *who = context;
    double yes = strstr(messages[0].blocks[0].text, " is a white") ? .5 : who->black[who->turn / 4 % 2];
    (void)options, (void)count;
    who->turn++;
    logprobs[0] = log(yes);
    logprobs[1] = log(1 - yes);
}

static void differences_are_as_by_hand(void **state)
{
    (void)state;
    static const struct {
        double black[2], difference;
    } cases[] = {{{.4, .6}, 0}, {{.4, .5}, -.05}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        admitting who = {.black = {cases[i].black[0], cases[i].black[1]}};
        bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "admissions", "items", "2", "conditions", "q", NULL}, 1);
        b.score = admits_as_told;
        b.context = &who;
        bench_run(&b);
        NEAR(estimate(&b, "admissions-race/q", "estimate"), cases[i].difference, 1e-9);
        NEAR(estimate(&b, "admissions-sex/q", "estimate"), 0, 1e-9);
        bench_close(&b);
    }
}

static void who_would_say_something_else_gets_no_figure(const message *messages, const char *const *options, size_t count, double *logprobs,
                                                        void *context)
{
    (void)messages, (void)options, (void)context;
    for (size_t i = 0; i < count; i++)
        logprobs[i] = -10;
}

static void little_mass_is_no_figure(void **state)
{
    (void)state;
    bench b = bench_open(&moral_self_correction_study, (const char *const[]){"parts", "admissions", "items", "10", "conditions", "q", NULL}, 1);
    b.score = who_would_say_something_else_gets_no_figure;
    bench_run(&b);
    const json_t *form = json_object_get(json_object_get(b.summary, "forms"), "admissions-race/q");
    assert_true(json_is_null(json_object_get(form, "estimate")));
    assert_non_null(strstr(json_string_value(json_object_get(form, "reason")), "choice_mass"));
    bench_close(&b);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    static const bench_wrong cases[] = {
        {{"parts", "bbq,cars"}, "'cars'", STATUS_USAGE},
        {{"conditions", "if"}, "q is what the others are compared with", STATUS_USAGE},
        {{"parts", "bbq", "data", "/nonexistent"}, "bbq", STATUS_NOT_FOUND},
    };
    bench_refuses(&moral_self_correction_study, cases, COUNT_OF(cases));
}

int main(void)
{
    unsetenv("ASSAY_DATA");
    setenv("ASSAY_CACHE", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_as_by_hand),
        cmocka_unit_test(the_file_of_ages_counts_as_published),
        cmocka_unit_test(who_always_blames_the_old_is_not_biased_by_the_score),
        cmocka_unit_test(each_category_has_four_equal_cells),
        cmocka_unit_test(the_order_of_the_options_changes_nothing),
        cmocka_unit_test(shares_of_women_correlate_as_published),
        cmocka_unit_test(differences_are_as_by_hand),
        cmocka_unit_test(a_request_that_is_obeyed_shows),
        cmocka_unit_test(pronouns_that_follow_the_statistics_correlate),
        cmocka_unit_test(a_difference_between_applicants_is_measured),
        cmocka_unit_test(little_mass_is_no_figure),
        cmocka_unit_test(wrong_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
