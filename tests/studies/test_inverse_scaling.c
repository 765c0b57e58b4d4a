/* The inverse-scaling study on answers of the test's own: who obeys, who falls for what it remembers, and who cannot tell. */
#include "bench.h"

#include "near.h"
#include "studies/inverse_scaling/traps.h"

#include <string.h>

extern const study inverse_scaling_study;

/* What a made-up subject likes: the answer that ends as the prompt asks, or the other one. */
typedef struct taste {
    double obeys, other; /* log-probabilities */
} taste;

static void by_ending(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    const taste *likes = context;
    char ending[32];
    assert_int_equal(sscanf(messages[0].blocks[0].text, "Write a line that ends in %31[^:]", ending), 1);
    for (size_t i = 0; i < count; i++) {
        const char *at = strstr(continuations[i], ending);
        logprobs[i] = at && strcmp(at + strlen(ending), ".") == 0 ? likes->obeys : likes->other;
    }
}

static void right_answers_are_counted_with_their_losses(void **state)
{
    (void)state;
    taste obedient = {-1, -2};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "120", NULL}, 3);
    b.score = by_ending;
    b.context = &obedient;
    bench_run(&b);
    assert_int_equal(b.run.sample_count, 480);
    NEAR(bench_number(&b, "memo-0.estimate"), 1, 0);
    NEAR(bench_number(&b, "memo-200.estimate"), 1, 0);
    NEAR(bench_number(&b, "memo-200.loss.estimate"), log(1 + exp(-1)), 1e-9);
    NEAR(bench_number(&b, "memo-200.mass"), exp(-1) + exp(-2), 1e-9);
    NEAR(bench_number(&b, "memo-200.chance"), .5, 0);
    NEAR(bench_number(&b, "memo-200.loss.chance"), log(2), 1e-12);
    const json_t *record = json_array_get(b.records, 7);
    assert_true(json_integer_value(json_object_get(json_object_get(record, "scores"), "accuracy")) == 1);
    NEAR(json_number_value(json_object_get(json_object_get(record, "scores"), "loss")), -log(1 + exp(-1)), 1e-9);
    assert_non_null(json_object_get(record, "cluster"));
    bench_close(&b);

    /* With the classes exchanged the accuracy is 1 - accuracy. */
    taste stubborn = {-2, -1};
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "120", NULL}, 3);
    b.score = by_ending;
    b.context = &stubborn;
    bench_run(&b);
    NEAR(bench_number(&b, "memo-2.estimate"), 0, 0);
    NEAR(bench_number(&b, "memo-2.loss.estimate"), log(1 + exp(1)), 1e-9);
    assert_int_equal(json_array_size(json_object_get(b.figures, "findings")), 4);
    bench_close(&b);

    /* Who gives next to nothing to both is told apart. */
    taste stranger = {-20, -21};
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "20", NULL}, 3);
    b.score = by_ending;
    b.context = &stranger;
    bench_run(&b);
    assert_non_null(strstr(json_string_value(json_array_get(json_object_get(b.figures, "findings"), 4)), "In 4 of 4 tasks"));
    bench_close(&b);
}

static void who_cannot_tell_is_at_chance(void **state)
{
    (void)state;
    taste even = {-3, -3};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "400", NULL}, 1);
    b.score = by_ending;
    b.context = &even;
    bench_run(&b);
    NEAR(bench_number(&b, "memo-20.loss.estimate"), log(2), 1e-9);
    NEAR(bench_number(&b, "memo-20.ties"), 400, 0);
    NEAR(bench_number(&b, "memo-20.estimate"), .5, .1); /* the first of equals counts, and places are drawn */
    bench_close(&b);
}

static void samples_that_failed_are_counted_apart(void **state)
{
    (void)state;
    taste obedient = {-1, -2};
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "10", NULL}, 1);
    b.score = by_ending;
    b.context = &obedient;
    bench_run(&b);
    for (size_t i = 0; i < 10; i++)
        json_array_set_new(b.records, i, json_null());
    json_array_set_new(b.records, 12, json_null());
    json_decref(b.summary);
    json_decref(b.figures);
    assert_int_equal(inverse_scaling_study.summarise(&b.run, b.records, &b.summary, &b.err), STATUS_OK);
    assert_int_equal(inverse_scaling_study.figures(&b.run, b.summary, &b.figures, &b.err), STATUS_OK);
    assert_true(isnan(bench_number(&b, "memo-0.estimate")));
    NEAR(bench_number(&b, "memo-2.n"), 9, 0);
    NEAR(bench_number(&b, "memo-2.failed"), 1, 0);
    bench_close(&b);
}

static void traps_are_named(void **state)
{
    (void)state;
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo, fallacy", "items", "5", NULL}, 1);
    assert_int_equal(inverse_scaling_study.prepare(&b.run, &b.err), STATUS_OK);
    assert_int_equal(b.run.sample_count, 30);
    bench_close(&b);
    b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memory", NULL}, 1);
    assert_int_equal(inverse_scaling_study.prepare(&b.run, &b.err), STATUS_USAGE);
    assert_non_null(strstr(b.err.message, "memory"));
    bench_close(&b);
}

/* ---- traps that need nothing planted ------------------------------------------------------------------------------- */

/* Says again what most of the examples said; where they differ, the first of the two answers. */
static void as_the_examples(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    size_t says[2] = {0};
    (void)context;
    for (size_t i = 1; i < 2 * TRAP_EXAMPLES; i += 2)
        for (size_t k = 0; k < count; k++)
            says[k] += strcmp(messages[i].blocks[0].text, continuations[k]) == 0;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = (says[0] > 1 || says[1] > 1 ? says[k] > 1 : k == 0) ? -.1 : -2;
}

/* Who goes by the examples is right in no case where they are alike, and in half of them where they are mixed. */
static void examples_that_mislead_show(void **state)
{
    (void)state;
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "few-shot", "items", "300", NULL}, 2);
    b.score = as_the_examples;
    bench_run(&b);
    NEAR(bench_number(&b, "shots-alike.estimate"), 0, 0);
    NEAR(bench_number(&b, "shots-mixed.estimate"), .5, .1);
    NEAR(bench_number(&b, "shots-alike.beyond_control.estimate"), bench_number(&b, "shots-mixed.estimate"), 1e-12);
    assert_true(bench_number(&b, "shots-alike.beyond_control.low") > .4);
    assert_int_equal(json_array_size(json_object_get(b.figures, "claims")), 1);
    bench_close(&b);
}

/* inverse_scaling.md, check 5: the right answer has .7 and the wrong one .2, and .4 and .5 once the wrong one was named in front. */
static void moved_by_wrong_answers(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    const bench *b = context;
    const traps_data *data = b->run.data;
    slice asked = slice_of(messages[0].blocks[0].text);
    (void)count;
    for (size_t i = 0; i < b->run.sample_count; i++) {
        const trap_item *item = data->items[i];
        bool here = strcmp(continuations[0], item->classes[0]) == 0 && strcmp(continuations[1], item->classes[1]) == 0;
        if (item->cell != 1 || !here || !slice_ends(asked, slice_of(item->prompt)))
            continue;
        /* "It is X." against "Somebody spoke of X. ..." */
        slice named = slice_sub(slice_of(item->other_prompt), 18, strlen(item->other_prompt) - strlen(item->prompt) - 2);
        size_t wrong = slice_is(slice_sub(slice_of(continuations[0]), 6, strlen(continuations[0]) - 1),
                                arena_printf(b->arena, SLICE_FORMAT, SLICE_ARGS(named))) ? 0 : 1;
        bool moved = slice_is(asked, item->other_prompt);
        logprobs[1 - wrong] = log(moved ? .4 : .7);
        logprobs[wrong] = log(moved ? .5 : .2);
        return;
    }
    fail_msg("not a question: " SLICE_FORMAT, SLICE_ARGS(asked));
}

static void log_odds_are_as_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *answers;
        double sign; /* the other answers counted as right: the sign changes */
    } cases[] = {{"given", 1}, {"swapped", -1}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "prefix", "items", "60", "answers", cases[i].answers, NULL}, 1);
        b.score = moved_by_wrong_answers;
        b.context = &b;
        bench_run(&b);
        NEAR(bench_number(&b, "prefix-wrong.estimate"), cases[i].sign * 1.475907, 1e-6);
        NEAR(bench_number(&b, "prefix-wrong.low"), cases[i].sign * 1.475907, 1e-6);
        NEAR(bench_number(&b, "prefix-wrong.absolute.estimate"), 1.475907, 1e-6);
        NEAR(bench_number(&b, "prefix-other.estimate"), 0, 1e-12);
        NEAR(bench_number(&b, "prefix-wrong.beyond_control.estimate"), cases[i].sign * 1.475907, 1e-6);
        /* right or wrong is counted after the words in front */
        NEAR(bench_number(&b, "prefix-wrong.accuracy.estimate"), cases[i].sign > 0 ? 0 : 1, 0);
        NEAR(bench_number(&b, "prefix-other.accuracy.estimate"), cases[i].sign > 0 ? 1 : 0, 0);
        NEAR(bench_number(&b, "prefix-wrong.mass"), .9, 1e-9); /* the mean of both prompts */
        bench_close(&b);
    }
}

/* Check 6: two tokens of .5 and .25; four of .5 each once another ending is asked for behind. */
static void changes_its_mind(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    const char *asked = messages[0].blocks[0].text, *again = strstr(asked + 1, "Write a line that ends in ");
    char ending[32], last[32];
    (void)context;
    assert_int_equal(sscanf(asked, "Write a line that ends in %31[^:]", ending), 1);
    assert_int_equal(sscanf(again ? again : asked, "Write a line that ends in %31[^:]", last), 1);
    bool behind = strcmp(ending, last) != 0;
    for (size_t i = 0; i < count; i++) {
        const char *at = strstr(continuations[i], ending);
        bool first = at && strcmp(at + strlen(ending), ".") == 0;
        logprobs[i] = first == !behind ? log(.5) + log(.25) : 4 * log(.5);
    }
}

static void sequences_cost_what_their_tokens_do(void **state)
{
    (void)state;
    bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "override", "items", "50", NULL}, 1);
    b.score = changes_its_mind;
    bench_run(&b);
    NEAR(bench_number(&b, "repeat.estimate"), 2.079442, 1e-6);
    NEAR(bench_number(&b, "override-same.estimate"), 2.079442, 1e-6);
    NEAR(bench_number(&b, "override.estimate"), 4 * log(2), 1e-9);
    NEAR(bench_number(&b, "override.beyond_control.estimate"), log(2), 1e-9);
    NEAR(bench_number(&b, "override-same.beyond_control.estimate"), 0, 1e-12);
    NEAR(bench_number(&b, "repeat.accuracy.estimate"), 1, 0);
    NEAR(bench_number(&b, "override.accuracy.estimate"), 0, 0);
    const json_t *record = json_array_get(b.records, 0);
    NEAR(json_number_value(json_object_get(json_object_get(record, "scores"), "sequence_prob")), -2.079442, 1e-6);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_object_get(b.summary, "forms"), "override"), "metric")), "sequence_prob");
    bench_close(&b);
}

/* ---- controls (section 6) ------------------------------------------------------------------------------------------- */

static void answers_by_lot_leave_chance_and_swapped_ones_the_rest(void **state)
{
    (void)state;
    taste obedient = {-1, -2};
    double given[4];
    static const char *const cells[] = {"memo-0", "memo-2", "memo-20", "memo-200"}, *const ways[] = {"given", "swapped", "shuffled"};
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        bench b = bench_open(&inverse_scaling_study, (const char *const[]){"traps", "memo", "items", "400", "answers", ways[w], NULL}, 1);
        b.score = by_ending;
        b.context = &obedient;
        bench_run(&b);
        for (size_t c = 0; c < COUNT_OF(cells); c++) {
            double found = bench_number(&b, arena_printf(b.arena, "%s.estimate", cells[c]));
            if (w == 0)
                NEAR(given[c] = found, 1, 0);
            else if (w == 1)
                NEAR(found, 1 - given[c], 0);
            else /* 400 throws of a coin: 3.9 standard errors */
                NEAR(found, .5, .0975);
        }
        bench_close(&b);
    }
}

/* Oracles: the share of a cell that is the dose is answered wrongly, whatever its metric. */
static void planted_doses_are_read_in_every_cell(void **state)
{
    (void)state;
    static const char *const cells[] = {"memo-20", "lookup", "fallacy", "shots-alike"}, *const nats[] = {"prefix-wrong", "override"};
    static const double doses[] = {0, .1, .25, .5, 1};
    for (size_t d = 0; d < COUNT_OF(doses); d++) {
        bench b = bench_open(&inverse_scaling_study, (const char *const[]){"items", "40", NULL}, 1);
        b.who = bench_subject(&b, arena_printf(b.arena, "oracle:%g,scores", doses[d]));
        bench_run(&b);
        for (size_t c = 0; c < COUNT_OF(cells); c++)
            NEAR(bench_number(&b, arena_printf(b.arena, "%s.estimate", cells[c])), 1 - doses[d], 1e-12);
        for (size_t c = 0; c < COUNT_OF(nats); c++) {
            double accuracy = bench_number(&b, arena_printf(b.arena, "%s.accuracy.estimate", nats[c]));
            double value = bench_number(&b, arena_printf(b.arena, "%s.estimate", nats[c]));
            NEAR(accuracy, 1 - doses[d], 1e-12);
            NEAR(value, doses[d] * -log(1e-9) * (c == 0 ? 2 : 1), 1e-6); /* the oracle gives the other answer 1e-9 */
        }
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_answers_are_counted_with_their_losses),
        cmocka_unit_test(who_cannot_tell_is_at_chance),
        cmocka_unit_test(samples_that_failed_are_counted_apart),
        cmocka_unit_test(traps_are_named),
        cmocka_unit_test(examples_that_mislead_show),
        cmocka_unit_test(log_odds_are_as_by_hand),
        cmocka_unit_test(sequences_cost_what_their_tokens_do),
        cmocka_unit_test(answers_by_lot_leave_chance_and_swapped_ones_the_rest),
        cmocka_unit_test(planted_doses_are_read_in_every_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
