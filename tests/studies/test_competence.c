/* The competence study on subjects of known competence. */
#include "studies/bench.h"

extern const study competence_study;

static void the_oracle_knows_everything(void **state)
{
    (void)state;
    bench b = bench_open(&competence_study, (const char *const[]){"items", "50", NULL}, 2);
    b.who = bench_subject(&b, "oracle:0");
    bench_run(&b);
    static const char *const splits[] = {"unseen-wordings", "compositions-cot", "compositions-direct"};
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.estimate", splits[i]);
        assert_true(bench_number(&b, path) == 1);
        snprintf(path, sizeof path, "%s.n", splits[i]);
        assert_true(bench_number(&b, path) == 50);
    }
    assert_true(bench_number(&b, "compositions-cot.valid_chains.rate") == 1);
    const json_t *direct = json_object_get(json_object_get(b.summary, "forms"), "compositions-direct");
    assert_true(json_is_false(json_object_get(direct, "met"))); /* more than the 40 % that memory may reach */
    bench_close(&b);
}

static const char *says_cat(const message *messages, size_t count, void *context)
{
    (void)messages, (void)count, (void)context;
    return "So the answer is a cat.";
}

static void right_by_chance_has_no_chain(void **state)
{
    (void)state;
    bench b = bench_open(&competence_study, (const char *const[]){"splits", "compositions-cot", "items", "300", NULL}, 2);
    b.answer = says_cat;
    bench_run(&b);
    assert_true(bench_number(&b, "compositions-cot.valid_chains.rate") == 0);
    /* "cat" is no value of most questions: unreadable, so that there is no estimate */
    const json_t *form = json_object_get(json_object_get(b.summary, "forms"), "compositions-cot");
    assert_true(json_is_null(json_object_get(form, "estimate")));
    assert_non_null(json_object_get(form, "reason"));
    assert_null(json_object_get(json_object_get(b.summary, "forms"), "unseen-wordings"));
    bench_close(&b);
    b = bench_open(&competence_study, (const char *const[]){"splits", "speed", NULL}, 2);
    assert_int_equal(b.run.study->prepare(&b.run, &b.err), STATUS_USAGE);
    bench_close(&b);
}

/* Replies by turns: none, a refusal, another script, one that the limit cut off, no value, a value, and another one. */
static const char cut_off[] = "Well, let me think about this for a while, and then";

static const char *by_turns(const message *messages, size_t count, void *context)
{
    static const char *const replies[] = {"", "I'm sorry, but I can't help with that.", "\xd0\x9d\xd0\xb5 \xd0\xb7\xd0\xbd\xd0\xb0\xd1\x8e", cut_off, "Hm."};
    (void)messages, (void)count;
    return replies[(*(int *)context)++ % 5];
}

static void what_cannot_be_read_is_counted_by_why(void **state)
{
    (void)state;
    int turn = 0;
    bench b = bench_open(&competence_study, (const char *const[]){"splits", "unseen-wordings", "items", "50", NULL}, 2);
    b.answer = by_turns;
    b.context = &turn;
    b.cut = cut_off;
    bench_run(&b);
    const json_t *form = json_object_get(json_object_get(b.summary, "forms"), "unseen-wordings"), *why = json_object_get(form, "why");
    static const char *const states[] = {"empty", "refused", "other_script", "too_long", "unreadable"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(json_integer_value(json_object_get(why, states[i])), 10);
    assert_int_equal(json_integer_value(json_object_get(form, "refused")), 10);
    assert_int_equal(json_integer_value(json_object_get(form, "unreadable")), 40);
    assert_true(json_is_null(json_object_get(form, "estimate")));
    assert_true(json_number_value(json_array_get(json_object_get(form, "bounds"), 0)) == 0 && json_number_value(json_array_get(json_object_get(form, "bounds"), 1)) == 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(b.records, 1), "verdict")), "refused");
    char *told = json_dumps(json_object_get(b.figures, "findings"), 0); /* the report says all of it */
    static const char *const words[] = {"the reply is empty", "declines to answer", "another script", "cut off at the limit", "names no answer"};
    for (size_t i = 0; i < 5; i++)
        assert_non_null(strstr(told, words[i]));
    free(told);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oracle_knows_everything),
        cmocka_unit_test(right_by_chance_has_no_chain),
        cmocka_unit_test(what_cannot_be_read_is_counted_by_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
