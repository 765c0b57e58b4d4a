/* The Winogender pipeline: what each stage lets through, by hand and by the grammar, and planted correlations. */
#include "studies/bench.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"
#include "folder.h"
#include "near.h"
#include "shared.h"
#include "studies/model_written/inside.h"

#include <stdio.h>
#include <stdlib.h>

extern const study model_written_study;

static void strings_are_looked_at_first(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sentence_fate fate;
    } cases[] = {
        {"The baker said that _ was late.", SENTENCE_KEPT},
        {"The BAKER's guest thanked _ .", SENTENCE_KEPT},
        {"The baker said that she was late.", SENTENCE_NO_BLANK},
        {"The baker said that _ was late and _ left.", SENTENCE_BLANKS},
        {"The baker said that _ was late, and he left.", SENTENCE_PRONOUN},
        {"The baker thought that they'd wait for _.", SENTENCE_PRONOUN},
        {"The potter said that _ was late.", SENTENCE_NO_JOB},
        {"The baker's theory is that _ was there.", SENTENCE_KEPT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (sentence_string_filter(cases[i].text, "baker") != cases[i].fate)
            fail_msg("'%s': %s", cases[i].text, sentence_fate_names[sentence_string_filter(cases[i].text, "baker")]);
    arena *a = arena_new(NULL);
    assert_string_equal(sentence_one_blank(a, "The ___ is _."), "The _ is _.");
    arena_free(a);
}

static const json_t *stage(const bench *b, size_t i)
{
    return json_array_get(json_object_get(json_object_get(b->summary, "winogender"), "stages"), i);
}

static double stage_number(const bench *b, size_t i, const char *key)
{
    return json_number_value(json_object_get(stage(b, i), key));
}

/* Check 11: 80 % of 100 candidates refer to the occupation. Two requests bring 50 lines each. */
static size_t halves;

static const char *fifty_lines(const message *messages, size_t count, void *context)
{
    (void)messages, (void)count, (void)context;
    static char text[8192];
    int first = halves++ % 2 ? 50 : 0;
    size_t used = 0;
    for (int i = first; i < first + 50; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "The tester number%d told the guest that _ had come%s.\n", i, i < 80 ? "" : " wrongly");
    return text;
}

static int accepted_right, accepted_wrong;

/* The reference filter says yes to so many of the 80, and of the 20. */
static void accepts_so_many(const message *messages, const char *const *options, size_t n, double *logprobs, void *context)
{
    const char *text = messages[0].blocks[0].text, *number = strstr(text, "number");
    int i = number ? (int)strtol(number + 6, NULL, 10) : -1;
    (void)options, (void)context;
    for (size_t k = 0; k < n; k++)
        logprobs[k] = log(.3);
    bool yes = n != 2 || !strstr(text, "Does the blank") || (i < 80 ? i < accepted_right : i - 80 < accepted_wrong);
    logprobs[0] = log(yes ? .6 : .1);
}

static void a_filter_of_known_skill(int right, int wrong, double precision, double loss)
{
    static const char table[] = "{\"title\": \"Testers\", \"occupation\": \"tester\", \"other_person\": \"guest\", \"percent_women\": 40}\n";
    error err = {0};
    arena *a = arena_new(NULL);
    const char *path = file_join(a, test_folder(), "testers.jsonl");
    assert_int_equal(file_write(path, slice_of(table), &err), STATUS_OK);
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "winogender", "occupations", path, "rounds", "2", "sentences", "50",
                                                                       "keep", "78", NULL}, 1);
    accepted_right = right;
    accepted_wrong = wrong;
    halves = 0;
    b.answer = fifty_lines;
    b.answers = "generator";
    b.score = accepts_so_many;
    b.absent = "judge";
    bench_run(&b);
    size_t kept[2] = {0, 0}, i;
    const json_t *sentence, *all = json_object_get(json_array_get(b.records, 0), "sentences");
    json_array_foreach (all, i, sentence) {
        const char *fate = json_string_value(json_object_get(sentence, "fate"));
        if (i < 100 && (strcmp(fate, "kept") == 0 || strcmp(fate, "not_best") == 0))
            kept[strstr(json_string_value(json_object_get(sentence, "text")), "wrongly") != NULL]++;
    }
    NEAR((double)kept[0] / (double)(kept[0] + kept[1]), precision, 1e-6);
    NEAR(1 - (double)(kept[0] + kept[1]) / 100, loss, 1e-12);
    bench_close(&b);
    arena_free(a);
}

static void the_reference_filter_as_by_hand(void **state)
{
    (void)state;
    a_filter_of_known_skill(72, 6, .923077, .22);
    a_filter_of_known_skill(40, 10, .8, .5);
}

/* ---- the invented jobs ---- */

static const job *job_named(const job jobs[JOBS], const char *text)
{
    for (size_t i = 0; i < JOBS; i++)
        if (strstr(text, jobs[i].name))
            return &jobs[i];
    fail_msg("no job in '%s'", text);
    return NULL;
}

static int shift;         /* the subject goes by the share of another job, this much farther */
static bool random_filter;
static size_t mixed[JOBS];

/* The filter knows the grammar, or nothing; the subject's pronouns go by the shares. */
static void by_the_grammar(const message *messages, const char *const *options, size_t n, double *logprobs, void *context)
{
    const bench *b = context;
    const char *text = messages[0].blocks[0].text;
    job jobs[JOBS];
    jobs_make(1, jobs);
    const job *j = job_named(jobs, text);
    random_stream r = random_stream_at(5, "test", hash64(text, strlen(text), 0), 0, 0, 0);
    (void)options;
    if (strcmp(b->role, "subject") == 0) {
        double share = jobs[shift ? mixed[j - jobs] : (size_t)(j - jobs)].female / 100;
        double noisy = 1 / (1 + exp(-(4 * (share - .5) + .5 * random_normal(&r))));
        logprobs[PRONOUN_SHE] = log(.8 * noisy);
        logprobs[PRONOUN_HE] = log(.8 * (1 - noisy));
        logprobs[PRONOUN_THEY] = log(.15);
        return;
    }
    char sentence[512];
    bool reference = strstr(text, "Does the blank") != NULL;
    snprintf(sentence, sizeof sentence, "%.*s", (int)strcspn(text, "\n"), text);
    /* The grammar question has its pronouns filled in: told by the word that follows. */
    bool yes = reference ? job_read(sentence, j->name, j->other) != JOB_OTHER
                         : !(strstr(sentence, " was ") || strstr(sentence, " wants ") || strstr(sentence, " has "));
    double p = random_filter ? random_uniform(&r) : 1 / (1 + exp(-((yes ? 2 : -2) + random_normal(&r))));
    logprobs[0] = log(p);
    logprobs[1] = n > 1 ? log(1 - p) : 0;
}

static bench run_jobs(const char *generator)
{
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "winogender", "rounds", "3", "sentences", "8", "keep", "6", NULL}, 1);
    b.generator = bench_subject(&b, generator);
    b.score = by_the_grammar;
    b.absent = "judge";
    return b;
}

static void losses_and_precision_stage_by_stage(void **state)
{
    (void)state;
    random_filter = false;
    shift = 0;
    bench b = run_jobs("oracle:0.3");
    b.context = &b;
    bench_run(&b);
    for (size_t i = 1; i < SENTENCE_STAGE_COUNT; i++)
        NEAR(stage_number(&b, i, "in"), stage_number(&b, i - 1, "out"), 0);
    for (size_t i = STAGE_STRING; i <= STAGE_GRAMMAR; i++)
        if (!(stage_number(&b, i, "right_out") > stage_number(&b, i, "right_in") + .02))
            fail_msg("stage %zu does not raise the share of right sentences: %g, %g", i, stage_number(&b, i, "right_in"), stage_number(&b, i, "right_out"));
    assert_true(stage_number(&b, STAGE_GRAMMAR, "right_out") > .95);
    assert_true(bench_number(&b, "winogender.estimate") > .9);
    assert_int_equal(bench_number(&b, "winogender.n"), JOBS);
    bench_close(&b);
}

static void a_random_filter_leaves_the_precision_where_it_was(void **state)
{
    (void)state;
    random_filter = true;
    shift = 0;
    bench b = run_jobs("oracle:0.3");
    b.context = &b;
    bench_run(&b);
    for (size_t i = STAGE_REFERENCE; i <= STAGE_GRAMMAR; i++) {
        double n = stage_number(&b, i, "out"), p = stage_number(&b, i, "right_in");
        NEAR(stage_number(&b, i, "right_out"), p, 3 * sqrt(p * (1 - p) / n));
        assert_true(stage_number(&b, i, "lost") > .4 * stage_number(&b, i, "in"));
    }
    bench_close(&b);
}

static void shuffled_pronouns_do_not_correlate(void **state)
{
    (void)state;
    random_stream r = random_stream_at(3, "test/shuffle", 0, 0, 0, 0);
    for (size_t i = 0; i < JOBS; i++)
        mixed[i] = i;
    random_shuffle(&r, mixed, JOBS, sizeof *mixed);
    random_filter = false;
    shift = 1;
    bench b = run_jobs("oracle:0");
    b.context = &b;
    bench_run(&b);
    assert_true(fabs(bench_number(&b, "winogender.estimate")) < .25);
    bench_close(&b);
}

/* ---- bad replies, and titles ---- */

static const char *answers_badly(const message *messages, size_t count, void *context)
{
    const char *text = messages[count - 1].blocks[0].text;
    (void)context;
    if (strstr(text, "Pottery workers"))
        return "A potter";
    if (strstr(text, "Whom does a potter"))
        return "the buyer";
    if (strstr(text, "about a potter"))
        return "The potter told the buyer that _ had come.\nThe potter saw _ and _.\nThe potter told the buyer that she had come.\nNo.\n";
    return "I cannot help with that.";
}

static void titles_and_lines_are_lost_where_they_are_lost(void **state)
{
    (void)state;
    error err = {0};
    static const char table[] = "title,percent_women\nPottery workers,30\n\"Sewing workers, all other\",60\nGlue workers,\nOpera workers,50\n";
    arena *a = arena_new(NULL);
    const char *path = file_join(a, test_folder(), "titles.csv");
    assert_int_equal(file_write(path, slice_of(table), &err), STATUS_OK);
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "winogender", "occupations", path, "rounds", "1", "keep", "2", NULL}, 1);
    b.answer = answers_badly;
    b.answers = "generator";
    b.absent = "filter,judge";
    b.score = accepts_so_many;
    bench_run(&b);
    const json_t *w = json_object_get(b.summary, "winogender"), *dropped = json_object_get(w, "dropped");
    assert_int_equal(json_integer_value(json_object_get(w, "titles")), 4);
    assert_int_equal(json_integer_value(json_object_get(w, "occupations")), 1);
    assert_int_equal(json_integer_value(json_object_get(dropped, "no_share")), 1);
    assert_int_equal(json_integer_value(json_object_get(dropped, "unspecific")), 1);
    assert_int_equal(json_integer_value(json_object_get(dropped, "no_name")), 1);
    assert_int_equal(json_integer_value(json_object_get(w, "requests")), 4); /* once, and three times again */
    assert_int_equal(json_integer_value(json_object_get(w, "short")), 1);
    const json_t *reasons = json_object_get(stage(&b, STAGE_STRING), "reasons");
    assert_int_equal(json_integer_value(json_object_get(reasons, "blanks")), 1);
    assert_int_equal(json_integer_value(json_object_get(reasons, "no_blank")), 1);
    assert_int_equal(json_integer_value(json_object_get(reasons, "malformed")), 4);
    assert_int_equal(json_integer_value(json_object_get(reasons, "repeated")), 9);
    bench_close(&b);
    arena_free(a);
}

/* ---- the published files ---- */

static void published_sentences_are_taken_by_occupation(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    char folder[256];
    const char *set = shared_data(a, "model-written-evals");
    snprintf(folder, sizeof folder, "%.*s", set ? (int)(strlen(set) - strlen("/model-written-evals")) : 0, set ? set : "");
    arena_free(a);
    if (!set)
        skip();
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "winogender", "occupations", "winogenerated", "data", folder, NULL}, 1);
    assert_int_equal(b.run.study->prepare(&b.run, &b.err), STATUS_OK);
    const occupations *all = ((written_data *)b.run.data)->occupations;
    double sum = 0;
    assert_int_equal(all->count, 299);
    for (size_t i = 0; i < all->count; i++) {
        assert_int_equal(all->list[i].given_count, 10);
        sum += all->list[i].female;
    }
    NEAR(sum / 299, 43.75, .005);
    bench_close(&b);
    b = bench_open(&model_written_study, (const char *const[]){"parts", "winogender", "occupations", "bls", "data", folder, NULL}, 1);
    assert_int_equal(b.run.study->prepare(&b.run, &b.err), STATUS_OK);
    assert_int_equal(((written_data *)b.run.data)->occupations->count, 299);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_looked_at_first),
        cmocka_unit_test(the_reference_filter_as_by_hand),
        cmocka_unit_test(losses_and_precision_stage_by_stage),
        cmocka_unit_test(a_random_filter_leaves_the_precision_where_it_was),
        cmocka_unit_test(shuffled_pronouns_do_not_correlate),
        cmocka_unit_test(titles_and_lines_are_lost_where_they_are_lost),
        cmocka_unit_test(published_sentences_are_taken_by_occupation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
