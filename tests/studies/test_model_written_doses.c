/* The study model-written: writers and subjects of known dose, the world's own items, and behaviours in the user's words. */
#include "studies/bench.h"
#include "studies/written.h"

#include "near.h"
#include "studies/model_written/inside.h"

#include <stdio.h>
#include <stdlib.h>

extern const study model_written_study;

/* ---- writers of known dose ---- */

/* The generator's share of bad requests is known, and counted exactly. */
static void the_share_of_wrong_labels_is_the_generators(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"behaviours", "bold", "items", "200", "lines", "5", NULL}, 1);
    b.generator = bench_subject(&b, "oracle:0.25");
    b.absent = "judge,filter";
    b.score = likes_yes;
    bench_run(&b);
    size_t right = 0, all = 0, i, k;
    const json_t *record, *item;
    json_array_foreach (b.records, i, record)
        json_array_foreach (json_object_get(record, "items"), k, item) {
            all++;
            right += strcmp(json_string_value(json_object_get(item, "truth")), "right") == 0;
        }
    assert_int_equal(all, 400);
    assert_int_equal(right, 300);
    bench_close(&b);
}

/* Questions with two choices have the same truth: an oracle's share of bad ones is counted exactly, half of them irrelevant. */
static void choices_are_known_too(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "choices", "behaviours", "bold", "items", "200", NULL}, 1);
    b.generator = bench_subject(&b, "oracle:0.25");
    b.absent = "judge,filter";
    b.score = likes_yes;
    bench_run(&b);
    size_t truths[3] = {0}, i, k;
    const json_t *record, *item;
    json_array_foreach (b.records, i, record)
        json_array_foreach (json_object_get(record, "items"), k, item) {
            const char *truth = json_string_value(json_object_get(item, "truth"));
            truths[strcmp(truth, "right") == 0 ? 0 : strcmp(truth, "wrong") == 0 ? 1 : 2]++;
        }
    assert_int_equal(truths[0], 300);
    assert_int_equal(truths[1] + truths[2], 100);
    assert_in_range(truths[1], 30, 70);
    bench_close(&b);
}

/* A behaviour in the user's words: both kinds of items are asked for in them, and a writer who does as told is read. */
static const char *asked_for[4];
static size_t asked_count;

static const char *obedient_writer(const message *messages, size_t count, void *context)
{
    static char reply[128];
    (void)count, (void)context;
    const char *text = messages[0].blocks[0].text;
    bool choice = strstr(text, "two choices") != NULL;
    asked_for[asked_count % COUNT_OF(asked_for)] = strstr(text, "hoards glue") ? "who" : strstr(text, "lends it") ? "opposite" : "neither";
    snprintf(reply, sizeof reply, choice ? "Do you lend number %zu?\n (A) No.\n (B) Yes." : "I have number %zu.", asked_count++);
    return reply;
}

static void a_description_is_enough(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"parts", "statements,choices", "who", "Somebody who hoards glue.", "opposite", "lends it",
                                                                       "items", "1", "lines", "1", NULL}, 1);
    asked_count = 0;
    b.answer = obedient_writer;
    b.answers = "generator";
    b.score = likes_yes;
    b.absent = "judge,filter";
    bench_run(&b);
    assert_int_equal(asked_count, 4);
    assert_string_equal(asked_for[0], "who");
    assert_string_equal(asked_for[1], "opposite");
    assert_string_equal(asked_for[2], "who"); /* of choices the letter is the side */
    assert_string_equal(asked_for[3], "who");
    assert_int_equal(count_at(&b, "sets.described.written"), 2);
    assert_int_equal(count_at(&b, "sets.described/choices.written"), 2);
    assert_int_equal(bench_number(&b, "described/choices.n"), 2);
    bench_close(&b);
}

/* ---- subjects of known dose ---- */

static void an_oracle_is_read_as_it_is(void **state)
{
    (void)state;
    static const char *const doses[] = {"0", "0.1", "0.25", "0.5", "1"};
    for (size_t i = 0; i < COUNT_OF(doses); i++) {
        char name[32];
        bench b = bench_open(&model_written_study, (const char *const[]){"ask", "reply", "items", "50", "parts", "statements,choices", NULL}, 1);
        snprintf(name, sizeof name, "oracle:%s", doses[i]);
        b.who = bench_subject(&b, name);
        b.absent = "generator,filter,judge";
        bench_run(&b);
        for (int t = 0; t < TRAIT_COUNT; t++) {
            char path[64];
            snprintf(path, sizeof path, "%s.estimate", trait_name((trait)t));
            NEAR(bench_number(&b, path), strtod(doses[i], NULL), 1e-12);
            snprintf(path, sizeof path, "%s/choices.estimate", trait_name((trait)t));
            NEAR(bench_number(&b, path), strtod(doses[i], NULL), 1e-12);
        }
        bench_close(&b);
    }
}

/* Somebody who always says yes shows no tendency. */
static void a_yes_sayer_has_no_tendency_but_an_inclination(void **state)
{
    (void)state;
    bench b = bench_open(&model_written_study, (const char *const[]){"items", "50", NULL}, 1);
    b.score = likes_yes;
    b.absent = "generator,filter,judge";
    bench_run(&b);
    NEAR(bench_number(&b, "curious.estimate"), .5, 1e-12);
    assert_true(bench_number(&b, "curious.yes") > .9);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_of_wrong_labels_is_the_generators),
        cmocka_unit_test(choices_are_known_too),
        cmocka_unit_test(a_description_is_enough),
        cmocka_unit_test(an_oracle_is_read_as_it_is),
        cmocka_unit_test(a_yes_sayer_has_no_tendency_but_an_inclination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
