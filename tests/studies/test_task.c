/* Tasks: what is asked, what is counted, by the numbers of the specifications. */
#include "studies/bench.h"
#include "studies/task_bench.h"

#include "studies/task/read.h"

static bench run_task(const place *p, bool written)
{
    const char *settings[] = {"name", p->yaml, "ask", written ? "reply" : "scores", NULL};
    bench b = bench_open(&task_study, settings, 1);
    b.score = score_as_told;
    b.answer = say_as_told;
    bench_run(&b);
    return b;
}

static void near(double found, double expected)
{
    if (!(fabs(found - expected) < 5e-7))
        fail_msg("expected %.7f, found %.7f", expected, found);
}

static const json_t *record(const bench *b, size_t i)
{
    return json_array_get(b->records, i);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* model_written_evals.md, check 1, from the file to the figure: log-probabilities of .6 .2, .1 .3, .25 .25, .5 .1. */
static void test_matching_behaviour(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ q }}'\nmatching: m\nother: o\nmetric: matching\n", "d.jsonl",
                        "{\"q\": \"a [-0.5108256238 -1.6094379124]\", \"m\": \" Yes\", \"o\": \" No\"}\n"
                        "{\"q\": \"b [-2.3025850930 -1.2039728043]\", \"m\": \" No\", \"o\": \" Yes\"}\n"
                        "{\"q\": \"c [-1.3862943611 -1.3862943611]\", \"m\": \" Yes\", \"o\": \" No\"}\n"
                        "{\"q\": \"d [-0.6931471806 -2.3025850930]\", \"m\": \" No\", \"o\": \" Yes\"}\n");
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), .625);
    near(bench_number(&b, "t.soft"), .583333);
    near(bench_number(&b, "t.choice_mass"), (.8 + .4 + .5 + .6) / 4);
    near(bench_number(&b, "t.ties"), 1);
    /* Yes: .75, .75, .5, 1/6 of the mass */
    near(bench_number(&b, "t.inclination_to_yes"), (.75 + .75 + .5 + 1. / 6) / 4);
    assert_string_equal(text_of(record(&b, 0), "verdict"), "good");
    assert_string_equal(text_of(record(&b, 1), "verdict"), "bad");
    assert_string_equal(text_of(record(&b, 1), "answered"), " Yes");
    bench_close(&b);
    place_free(&p);
}

/* Check 2: a list of answers that do not match; and no estimate where little of the mass is on the answers. */
static void test_lists_and_little_mass(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ q }}'\nmatching: m\nother: o\nmetric: matching\n", "d.jsonl",
                        "{\"q\": \"a [-1.2039728043 -1.3862943611 -1.0498221245]\", \"m\": \" A\", \"o\": [\" B\", \" C\"]}\n");
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), 0);
    near(bench_number(&b, "t.choice_mass"), .9);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ q }}'\nmatching: m\nother: o\nmetric: matching\n", "d.jsonl",
                  "{\"q\": \"a [-1.2039728043 -2.3025850930]\", \"m\": \" A\", \"o\": \" B\"}\n");
    b = run_task(&p, false);
    assert_true(isnan(bench_number(&b, "t.estimate")));
    near(bench_number(&b, "t.rate"), 1);
    assert_string_equal(text_of(json_object_get(json_object_get(b.summary, "forms"), "t"), "reason"), "choice_mass 0.4 < .5");
    bench_close(&b);
    place_free(&p);
}

/* inverse_scaling.md, checks 1 to 3 and 7, from a CSV whose classes are Python's lists. */
static void test_classification(void **state)
{
    (void)state;
    static const char csv[] = ",prompt,classes,answer_index\n"
                              "0,\"one [-2 -1 -4]\",\"[' a', ' b', ' c']\",1\n"
                              "1,\"one [-2 -1 -4]\",\"[' a', \"\" b\"\", ' c']\",0\n"
                              "2,\"even [-1.5 -1.5]\",\"[' a', ' b']\",0\n"
                              "3,\"even [-1.5 -1.5]\",\"[\"\" a\"\", \"\" b\"\"]\",1\n";
    place p = place_new("task: t\nform: text\ndata: {path: d.csv}\nprompt: '{{ prompt }}'\nchoices: {column: classes}\n"
                        "answer: {column: answer_index, as: index}\nmetric: classification_loss\n", "d.csv", csv);
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), (.349012 + 1.349012 + 2 * .693147) / 4 + 2e-7);
    near(bench_number(&b, "t.accuracy"), .5);
    near(bench_number(&b, "t.ties"), 2);
    near(bench_number(&b, "t.chance"), (2 * log(3) + 2 * log(2)) / 4);
    near(json_number_value(json_object_get(record(&b, 0), "mass")), .521530);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\nform: text\ndata: {path: d.csv}\nprompt: '{{ prompt }}'\nchoices: {column: classes}\ninvert: true\n"
                  "answer: {column: answer_index, as: index}\nmetric: classification_acc\n", "d.csv", csv);
    b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), .5);
    near(bench_number(&b, "t.error"), .25);
    near(bench_number(&b, "t.chance"), 1 - (2. / 3 + 1) / 4);
    bench_close(&b);
    place_free(&p);
}

/* Check 5: plain p = (.7, .2), biased p = (.4, .5); and check 6: .5 times .25. */
static void test_logodds_and_sequences(void **state)
{
    (void)state;
    static const char data[] = "{\"a\": \"q [-0.3566749439 -1.6094379124]\", \"b\": \"bias q [-0.9162907319 -0.6931471806]\", \"r\": 0}\n"
                               "{\"a\": \"q [-0.3566749439 -1.6094379124]\", \"b\": \"bias q [-0.9162907319 -0.6931471806]\", \"r\": 1}\n";
    place p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ a }}'\nother_prompt: '{{ b }}'\nchoices: [' Yes', ' No']\n"
                        "answer: {column: r, as: index}\nmetric: logodds\n", "d.jsonl", data);
    bench b = run_task(&p, false);
    near(json_number_value(json_object_get(record(&b, 0), "value")), 1.475907);
    near(json_number_value(json_object_get(record(&b, 1), "value")), -1.475907);
    near(bench_number(&b, "t.estimate"), 0);
    assert_string_equal(text_of(record(&b, 0), "verdict"), "bad"); /* it is counted by the biased prompt */
    assert_string_equal(text_of(record(&b, 1), "verdict"), "good");
    near(bench_number(&b, "t.choice_mass"), .9);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ a }}'\nother_prompt: '{{ b }}'\nchoices: [' Yes', ' No']\n"
                  "answer: {column: r, as: index}\nmetric: absolute_logodds\n", "d.jsonl", data);
    b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), 1.475907);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ a }}'\nanswer: c\nmetric: sequence_prob\n", "d.jsonl",
                  "{\"a\": \"q [-2.0794415417]\", \"c\": \" two words\"}\n");
    b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), 2.079442);
    bench_close(&b);
    place_free(&p);
}

/* Groups and clusters: two clusters of equal members (tests/stats/test_choice.c has the number). */
static void test_groups_and_clusters(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.jsonl}\nprompt: '{{ q }}'\nchoices: [' x', ' y']\nanswer: {column: r, as: letter}\n"
                        "metric: classification_acc\ngroup: g\ncluster: c\n", "d.jsonl",
                        "{\"q\": \"[-2 -1]\", \"r\": \"A\", \"g\": \"one\", \"c\": 1}\n{\"q\": \"[-2 -1]\", \"r\": \"A\", \"g\": \"two\", \"c\": 1}\n"
                        "{\"q\": \"[-2 -1]\", \"r\": \"B\", \"g\": \"two\", \"c\": 2}\n{\"q\": \"[-2 -1]\", \"r\": \"B\", \"g\": \"two\", \"c\": 2}\n");
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.estimate"), .5);
    near(bench_number(&b, "t.error"), .5);
    near(bench_number(&b, "t.clusters"), 2);
    near(bench_number(&b, "t.groups.one.estimate"), 0);
    near(bench_number(&b, "t.groups.two.estimate"), 2. / 3);
    near(bench_number(&b, "t.groups.two.n"), 3);
    bench_close(&b);
    place_free(&p);
}

/* Written replies to a question with letters: each kind in its own count, none of them right or wrong. */
static void test_replies_that_cannot_be_read(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'Which of the two letters is the right one here, A or B? say:{{ r }}'\nchoices: [' (A)', ' (B)']\n"
                        "answer: {column: a, as: letter}\nmetric: classification_acc\n", "d.csv",
                        "r,a\n(A),A\nThe answer is B.,A\n,A\n  ,A\n(D),A\n\"I'm sorry, I cannot answer that.\",A\n"
                        "\"Не знаю, наверное первое\",A\n\"Well, it depends\",A\n");
    bench b = run_task(&p, true);
    near(bench_number(&b, "t.n"), 8);
    near(bench_number(&b, "t.readable"), 2);
    near(bench_number(&b, "t.rate"), .5);
    assert_true(isnan(bench_number(&b, "t.estimate"))); /* 2 of 8 are too few */
    near(bench_number(&b, "t.refused"), 1);
    near(bench_number(&b, "t.unreadable"), 5);
    near(bench_number(&b, "t.unread.empty"), 2);
    near(bench_number(&b, "t.unread.other_letter"), 1);
    near(bench_number(&b, "t.unread.refused"), 1);
    near(bench_number(&b, "t.unread.other_script"), 1);
    near(bench_number(&b, "t.unread.unreadable"), 1);
    assert_string_equal(text_of(record(&b, 5), "verdict"), "refused");
    assert_int_equal(json_array_size(json_object_get(b.figures, "tables")), 2);
    bench_close(&b);
    place_free(&p);
}

static void test_written_words(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'Yes or no? say:{{ r }}'\nchoices: [' Yes', ' No', ' Not sure at all']\n"
                        "answer: a\nmetric: classification_acc\n", "d.csv",
                        "r,a\n\"Yes, I would\",Yes\n**No**,No\nnot sure at all.,Not sure at all\nNobody knows,No\n"
                        "\"I think the answer is: no\",No\n\"I am not sure at all about this\",Yes\n");
    bench b = run_task(&p, true);
    near(bench_number(&b, "t.readable"), 5); /* "Nobody" is not "no" */
    near(bench_number(&b, "t.estimate"), 4. / 5);
    bench_close(&b);
    place_free(&p);
}

static void test_written_answers(void **state)
{
    (void)state;
    static const char csv[] = "r,a\n 42 ,42\n\"It is 1,042 in all.\",1042\nThe answer is 41.,42\n#### 42 and 7,7\nnothing,42\n";
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'say:{{ r }}'\nanswer: a\nmetric: number\n", "d.csv", csv);
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.readable"), 4);
    near(bench_number(&b, "t.estimate"), 3. / 4);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'say:{{ r }}'\nanswer: a\nmetric: exact\n", "d.csv", csv);
    b = run_task(&p, false);
    near(bench_number(&b, "t.readable"), 5);
    near(bench_number(&b, "t.estimate"), 1. / 5);
    bench_close(&b);
    place_free(&p);
    p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'say:{{ r }}'\nanswer: a\nmetric: pattern\npattern: '(?:is|####) ([0-9,]+)'\n", "d.csv",
                  csv);
    b = run_task(&p, false);
    near(bench_number(&b, "t.readable"), 3); /* 1,042 | 41 | 42 */
    near(bench_number(&b, "t.estimate"), 0);
    bench_close(&b);
    place_free(&p);
}

/* The mean of the numbers; what holds none is counted apart. */
static void test_sampled_numbers(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'say:{{ r }}'\nmetric: numeric\nsamples: 3\n", "d.csv",
                        "r\nabout 12 or 13\n3.5 km\n-7\nfar away\n");
    bench b = run_task(&p, false);
    near(bench_number(&b, "t.readable"), 3);
    near(bench_number(&b, "t.estimate"), (12 + 3.5 - 7) / 3);
    near(bench_number(&b, "t.unread.unreadable"), 1);
    bench_close(&b);
    place_free(&p);
}

/* The judge is a script that looks for a word; without one nothing is asked and the reason stands in the figure. */
static void test_grades(void **state)
{
    (void)state;
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: 'say:{{ r }}'\nmetric: graded\n"
                        "rubric: \"Is '{{ reply }}' kind? A, B or C.\"\ngrades: {A: 1, B: 0.5, C: 0}\n", "d.csv",
                        "r\nwell done\nmeh\ngo away\n");
    bench b = run_task(&p, false);
    assert_true(isnan(bench_number(&b, "t.estimate")));
    near(bench_number(&b, "t.excluded"), 3);
    bench_close(&b);
    char script[128], specification[160];
    snprintf(script, sizeof script, "%s/judge.yaml", p.folder);
    snprintf(specification, sizeof specification, "script:%s", script);
    static const char rules[] = "rules:\n  - {matches: well, answer: A}\n  - {matches: meh, answer: '(B)'}\n  - {matches: away, answer: C.}\n";
    write_text(script, rules, strlen(rules));
    b = bench_open(&task_study, (const char *[]){"name", p.yaml, NULL}, 1);
    b.answer = say_as_told;
    b.judge = bench_subject(&b, specification);
    bench_run(&b);
    near(bench_number(&b, "t.estimate"), .5);
    bench_close(&b);
    unlink(script);
    place_free(&p);
}

/* Gives the number of examples in front that show a right answer, and their order, as a log-probability. */
static void score_examples(const message *messages, const char *const *continuations, size_t n, double *logprobs, void *context)
{
    (void)continuations, (void)n;
    const char *text = messages[0].blocks[0].text;
    char *kept = context;
    snprintf(kept + strlen(kept), 4096 - strlen(kept), "%s/", text);
    logprobs[0] = -1;
    logprobs[1] = -2;
}

static void test_examples(void **state)
{
    (void)state;
    static char seen[4096];
    place p = place_new("task: t\nform: text\ndata: {path: d.csv}\nprompt: 'Q{{ q }}:'\nchoices: [' x', ' y']\nanswer: {column: a, as: number}\n"
                        "metric: classification_acc\nshots: {count: 2, orders: 6, separator: ';'}\n", "d.csv",
                        "q,a\n1,1\n2,2\n3,1\n");
    bench b = bench_open(&task_study, (const char *[]){"name", p.yaml, NULL}, 3);
    b.score = score_examples;
    b.context = seen;
    seen[0] = '\0';
    bench_run(&b);
    near(bench_number(&b, "t.estimate"), 2. / 3);
    /* Item 1 has the other two in front, in both orders, never itself. */
    assert_non_null(strstr(seen, "Q2: y;Q3: x;Q1:/"));
    assert_non_null(strstr(seen, "Q3: x;Q2: y;Q1:/"));
    assert_null(strstr(seen, "Q1: x;Q2: y;Q1:"));
    near(bench_number(&b, "t.spread_over_orders"), 0);
    size_t asked = 0;
    for (const char *at = seen; *at; at++)
        asked += *at == '/';
    assert_int_equal(asked, 3 * 6);
    bench_close(&b);
    place_free(&p);
}

static void test_reading(void **state)
{
    (void)state;
    static const char *const letters[] = {" (A)", " (B)"}, *const words[] = {" Yes", " No"};
    static const struct {
        const char *const *choices;
        const char *text;
        stop_reason reason;
        reply_state state;
        int index;
    } cases[] = {
        {letters, "(B)", STOP_END, REPLY_READ, 1},
        {letters, "B. Because", STOP_END, REPLY_READ, 1},
        {letters, "It is one of the two, and on the other", STOP_LENGTH, REPLY_TOO_LONG, -1},
        {letters, "I think that (A) is wrong, so the answer is (B)", STOP_LENGTH, REPLY_READ, 1},
        {letters, "", STOP_REFUSED, REPLY_REFUSED, -1},
        {letters, "", STOP_LENGTH, REPLY_EMPTY, -1},
        {letters, "(C)", STOP_END, REPLY_OTHER_LETTER, -1},
        {letters, "这是第一个选项", STOP_END, REPLY_OTHER_SCRIPT, -1},
        {words, "No, never.", STOP_END, REPLY_READ, 1},
        {words, "Nothing of the kind", STOP_END, REPLY_UNREADABLE, -1},
        {words, "yes", STOP_END, REPLY_READ, 0},
        {words, "As an AI, I have no views", STOP_END, REPLY_REFUSED, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        generate_reply reply = {.text = cases[i].text, .reason = cases[i].reason};
        int index;
        reply_state found = reply_choice(cases[i].choices, 2, "Which of these two is it?", &reply, &index);
        if (found != cases[i].state || index != cases[i].index)
            fail_msg("'%s': expected %s and %d, found %s and %d", cases[i].text, reply_state_names[cases[i].state], cases[i].index,
                     reply_state_names[found], index);
    }
    static const struct {
        const char *text;
        double last, first;
    } numbers[] = {{"1,234.5 and $18.", 18, 1234.5}, {"-3, then .5", .5, -3}, {"x-3", 3, 3}, {"1,23", 123, 123}};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        double last = 0, first = 0;
        assert_true(task_read_number(slice_of(numbers[i].text), false, &last) && task_read_number(slice_of(numbers[i].text), true, &first));
        near(last, numbers[i].last);
        near(first, numbers[i].first);
    }
    assert_false(task_read_number(SLICE("none, - . ,"), false, &(double){0}));
}

/* An oracle of a dose gives exactly that share of wrong answers, whatever is drawn. */
static void test_oracles_read_as_their_dose(void **state)
{
    (void)state;
    strbuf csv = strbuf_new(NULL, 1 << 20);
    strbuf_add(&csv, "q,a\n");
    for (int i = 0; i < 200; i++)
        strbuf_printf(&csv, "Is it %d?,%d\n", i, 1 + i % 2);
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: '{{ q }}'\nchoices: [' Yes', ' No']\nanswer: {column: a, as: number}\n"
                        "metric: classification_acc\n", "d.csv", csv.text);
    static const char *const oracles[] = {"oracle:0", "oracle:0.25", "oracle:1"}, *const items[] = {"0", "80", "40"};
    for (int i = 0; i < 3; i++) {
        bench b = bench_open(&task_study, (const char *[]){"name", p.yaml, "items", items[i], "ask", "reply", NULL}, 3);
        b.who = bench_subject(&b, oracles[i]);
        bench_run(&b);
        near(bench_number(&b, "t.estimate"), i == 0 ? 1 : i == 1 ? .75 : 0);
        bench_close(&b);
    }
    strbuf_free(&csv);
    place_free(&p);
}

/* The seed draws the items; the same seed the same ones. */
static void test_items_are_drawn_by_the_seed(void **state)
{
    (void)state;
    strbuf csv = strbuf_new(NULL, 1 << 20);
    strbuf_add(&csv, "q,a\n");
    for (int i = 0; i < 100; i++)
        strbuf_printf(&csv, "[-1 -2] %d,1\n", i);
    place p = place_new("task: t\ndata: {path: d.csv}\nprompt: '{{ q }}'\nchoices: [' x', ' y']\nanswer: {column: a, as: number}\n"
                        "metric: classification_acc\n", "d.csv", csv.text);
    const char *ids[3] = {0};
    bench b[3];
    for (int i = 0; i < 3; i++) {
        b[i] = bench_open(&task_study, (const char *[]){"name", p.yaml, "items", "10", NULL}, i == 2 ? 8 : 7);
        b[i].score = score_as_told;
        bench_run(&b[i]);
        assert_int_equal(b[i].run.sample_count, 10);
        near(bench_number(&b[i], "t.left_out"), 90);
        ids[i] = json_dumps(b[i].records, JSON_COMPACT);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[0], ids[2]);
    for (int i = 0; i < 3; i++) {
        free((char *)(uintptr_t)ids[i]);
        bench_close(&b[i]);
    }
    strbuf_free(&csv);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching_behaviour), cmocka_unit_test(test_lists_and_little_mass), cmocka_unit_test(test_classification),
        cmocka_unit_test(test_logodds_and_sequences), cmocka_unit_test(test_groups_and_clusters),
        cmocka_unit_test(test_replies_that_cannot_be_read), cmocka_unit_test(test_written_words), cmocka_unit_test(test_written_answers),
        cmocka_unit_test(test_sampled_numbers), cmocka_unit_test(test_grades), cmocka_unit_test(test_examples), cmocka_unit_test(test_reading), cmocka_unit_test(test_oracles_read_as_their_dose), cmocka_unit_test(test_items_are_drawn_by_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
