/* Scripts, oracles, routers, and the broker over a subject that takes batches. */
#include "folder.h"
#include "subject/broker.h"

#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *write_file(arena *a, const char *name, const char *text)
{
    char *path = file_join(a, test_folder(), name);
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    return path;
}

static subject *open_text(arena *a, const char *name, const char *text)
{
    subject *s;
    error err = {0};
    const char *path = write_file(a, name, text);
    if (subject_open(a, arena_printf(a, "script:%s", path), NULL, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static status open_words(arena *a, const char *specification, error *err)
{
    subject *s;
    *err = (error){0};
    status result = subject_open(a, specification, NULL, &s, err);
    if (result == STATUS_OK)
        subject_close(s);
    return result;
}

static generate_reply ask(subject *s, arena *a, const char *question, generate_request request)
{
    message m = message_text(a, MESSAGE_USER, question);
    request.messages = &m;
    request.count = 1;
    if (!request.address.study)
        request.address.study = "test";
    const generate_request *list = &request;
    generate_reply reply = {0};
    error err = {0};
    if (s->class->generate(s, a, &list, &reply, 1, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return reply;
}

static const char script[] = "default: I do not know.\n"
                             "rules:\n"
                             "  - contains: capital of France\n"
                             "    answer: Paris.\n"
                             "  - matches: '(?i)what is (\\d+) plus (?<b>\\d+)'\n"
                             "    answer: $1 and $b cost $$3\n"
                             "  - contains: pick\n"
                             "    answers: [left, right]\n"
                             "    logprobs: {left: -0.5, right: -1.25}\n"
                             "  - contains: forbidden\n"
                             "    answer: No.\n"
                             "    refuses: true\n"
                             "  - contains: broken\n"
                             "    fails: the line is dead\n";

static void scripts_answer_by_rule(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s = open_text(a, "s.yaml", script);
    generate_request plain = {0};
    assert_string_equal(ask(s, a, "the capital of France?", plain).text, "Paris.");
    assert_string_equal(ask(s, a, "What IS 12 plus 30", plain).text, "12 and 30 cost $3");
    assert_string_equal(ask(s, a, "else", plain).text, "I do not know.");
    assert_int_equal(ask(s, a, "forbidden", plain).reason, STOP_REFUSED);
    generate_reply dead = ask(s, a, "broken", plain);
    assert_int_equal(dead.code, STATUS_NETWORK);
    assert_string_equal(dead.problem, "the line is dead");
    const char *stop = " not";
    generate_reply cut = ask(s, a, "else", (generate_request){.stops = &stop, .stop_count = 1});
    assert_string_equal(cut.text, "I do");
    assert_int_equal(cut.reason, STOP_STRING);
    cut = ask(s, a, "else", (generate_request){.max_tokens = 3});
    assert_string_equal(cut.text, "I do not");
    assert_int_equal(cut.reason, STOP_LENGTH);
    assert_int_equal(cut.completion_tokens, 3);
    arena_free(a);
}

static void scripts_draw_by_address(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s = open_text(a, "s.yaml", script);
    int left = 0;
    for (uint64_t i = 0; i < 400; i++) {
        generate_request q = {.temperature = 1, .address = {.seed = 5, .sample = i}};
        const char *once = ask(s, a, "pick", q).text;
        assert_string_equal(once, ask(s, a, "pick", q).text);
        left += strcmp(once, "left") == 0;
        q.temperature = 0;
        assert_string_equal(ask(s, a, "pick", q).text, "left");
    }
    assert_in_range(left, 160, 240);
    arena_free(a);
}

static void scripts_score_what_they_list(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s = open_text(a, "s.yaml", script);
    assert_true(s->abilities & SUBJECT_SCORES);
    broker *b;
    assert_int_equal(broker_new(s, &(broker_options){.askers = 1}, &b, NULL), STATUS_OK);
    message m = message_text(a, MESSAGE_USER, "pick one");
    const char *continuations[] = {"right", "up"};
    score_request q = {.messages = &m, .count = 1, .continuations = continuations, .continuation_count = 2};
    score_reply reply;
    assert_int_equal(broker_score(b, a, &q, &reply, NULL), STATUS_OK);
    assert_true(reply.logprobs[0] == -1.25 && reply.logprobs[1] == -20);
    broker_free(b);
    subject *mute = open_text(a, "mute.yaml", "default: x\n");
    error err = {0};
    assert_int_equal(subject_require(mute, SUBJECT_SCORES, "the study", &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "score given continuations"));
    arena_free(a);
}

static void bad_scripts_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"defualt: x\n", "default"},
        {"rules:\n  - contains: a\n", "answer"},
        {"rules:\n  - answer: a\n", "contains"},
        {"rules:\n  - matches: '(a'\n    answer: b\n", "pattern"},
        {"rules:\n  - matches: '(a)'\n    answer: $2\n", "$2"},
        {"rules:\n  - contains: a\n    answer: $name\n", "$name"},
        {"rules:\n  - contains: a\n    answer: b\n    logprobs: {x: 0.5}\n", "0.5"},
        {"rules: [\n", ""},
    };
    arena *a = arena_new(NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        error err;
        const char *path = write_file(a, "bad.yaml", cases[i].text);
        assert_int_not_equal(open_words(a, arena_printf(a, "script:%s", path), &err), STATUS_OK);
        assert_non_null(strstr(err.message, "bad.yaml"));
        if (!strstr(err.message, cases[i].words) && !strstr(err.hint, cases[i].words))
            fail_msg("case %zu: \"%s\" (%s) lacks \"%s\"", i, err.message, err.hint, cases[i].words);
    }
    arena_free(a);
}

static void oracles_are_bad_below_their_dose(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s;
    assert_int_equal(subject_open(a, "oracle:0.25", NULL, &s, NULL), STATUS_OK);
    generate_request q = {.reference_good = "true", .reference_bad = "false"};
    int bad = 0;
    for (int i = 0; i < 400; i++) {
        q.position = i / 400.0;
        bad += strcmp(ask(s, a, "?", q).text, "false") == 0;
    }
    assert_int_equal(bad, 100);
    q.position = -1;
    assert_string_equal(ask(s, a, "?", q).text, "true");
    q.position = 0.1;
    q.reference_bad = NULL;
    assert_int_equal(ask(s, a, "?", q).code, STATUS_UNSUPPORTED);
    error err;
    assert_int_equal(open_words(a, "oracle:2", &err), STATUS_USAGE);
    arena_free(a);
}

/* Where the dose is a share of every answer, an oracle that scores gives the mix of its two references, wherever the item stands. */
static void oracles_mix_shares_at_their_dose(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    subject *s;
    error err = {0};
    assert_int_equal(subject_open(a, "oracle:0.25,scores", NULL, &s, NULL), STATUS_OK);
    const double good[] = {.5, .5, 0}, bad[] = {.9, .1, 0};
    const char *const options[] = {"a", "b", "c"};
    score_request q = {.continuations = options, .continuation_count = 3, .position = -1, .good_shares = good, .bad_shares = bad};
    const score_request *one = &q;
    score_reply reply = {0};
    assert_int_equal(s->class->score(s, a, &one, &reply, 1, &err), STATUS_OK);
    assert_int_equal(reply.code, STATUS_OK);
    assert_true(fabs(exp(reply.logprobs[0]) - (.25 * .9 + .75 * .5)) < 1e-12);
    assert_true(fabs(exp(reply.logprobs[1]) - (.25 * .1 + .75 * .5)) < 1e-12);
    assert_true(isfinite(reply.logprobs[2]) && exp(reply.logprobs[2]) < 1e-300);
    subject_close(s);
    arena_free(a);
}

static void routers_send_by_position(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *one = write_file(a, "a.yaml", "default: A\n"), *two = write_file(a, "b.yaml", "default: B\n");
    const char *file = write_file(a, "router.yaml",
                                  arena_printf(a, "share: 0.25\na: script:%s\nb: script:%s\n", one, two));
    const char *forms[] = {arena_printf(a, "router:0.25:script:%s:script:%s", one, two), arena_printf(a, "router:%s", file)};
    for (size_t k = 0; k < 2; k++) {
        subject *s;
        error err = {0};
        if (subject_open(a, forms[k], NULL, &s, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        int b = 0;
        for (int i = 0; i < 400; i++)
            b += ask(s, a, "?", (generate_request){.position = i / 400.0}).text[0] == 'B';
        assert_int_equal(b, 100);
        assert_string_equal(ask(s, a, "?", (generate_request){.position = -1}).text, "A");
        assert_string_not_equal(s->class->answerer(s, 0.1), s->class->answerer(s, 0.5));
        subject_close(s);
    }
    subject *nested;
    assert_int_equal(subject_open(a, arena_printf(a, "router:1:http://h:1/v1#m:x:oracle:0.5"), NULL, &nested, NULL),
                     STATUS_OK);
    subject_close(nested);
    error err;
    assert_int_equal(open_words(a, "router:0.5:nothing:here", &err), STATUS_USAGE);
    assert_int_equal(open_words(a, "router:1.5:base:base", &err), STATUS_USAGE);
    arena_free(a);
}

static void wrong_names_are_explained(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err;
    assert_int_equal(open_words(a, "scirpt:x.yaml", &err), STATUS_USAGE);
    assert_non_null(strstr(err.hint, "script:FILE.yaml"));
    assert_int_equal(open_words(a, "script:/no/such.yaml", &err), STATUS_NOT_FOUND);
    assert_int_equal(open_words(a, "/no/such/folder", &err), STATUS_NOT_FOUND);
    assert_int_equal(open_words(a, "http://host/v1", &err), STATUS_USAGE);
    assert_int_equal(open_words(a, "http://user:secret@host/v1#m", &err), STATUS_USAGE);
    assert_null(strstr(err.message, "secret"));
    arena_free(a);
}

/* ---- the broker ------------------------------------------------------------------------------------------------- */

/* A subject that takes batches, records them, and checks that it is never called by two threads at once. */
typedef struct slow {
    atomic_int inside;
    size_t calls, largest, answered;
    bool fails;
} slow;

static status slow_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                            size_t count, error *err)
{
    slow *s = self->state;
    if (atomic_fetch_add(&s->inside, 1) != 0)
        fail_msg("two threads called the subject");
    s->calls++;
    s->largest = count > s->largest ? count : s->largest;
    s->answered += count;
    usleep(1000);
    for (size_t i = 0; i < count; i++) {
        const char *text = requests[i]->messages[0].blocks[0].text;
        if (strcmp(text, "bad") == 0) {
            replies[i].code = STATUS_INVALID;
            replies[i].problem = arena_strdup(a, "unreadable");
        } else {
            replies[i].text = arena_printf(a, "re: %s", text);
            replies[i].prompt_tokens = 3;
            replies[i].completion_tokens = 2;
        }
    }
    atomic_fetch_sub(&s->inside, 1);
    return s->fails ? error_set(err, STATUS_REFUSED, "no") : STATUS_OK;
}

static const subject_class slow_class = {.name = "slow", .generate = slow_generate};

typedef struct asking {
    broker *broker;
    int first, count;
    size_t wrong;
    status last;
} asking;

static void *ask_many(void *context)
{
    asking *t = context;
    arena *a = arena_new(NULL);
    broker_enter(t->broker);
    for (int i = 0; i < t->count; i++) {
        const char *question = arena_printf(a, "%d", t->first + i);
        message m = message_text(a, MESSAGE_USER, question);
        generate_request q = {.messages = &m, .count = 1, .address = {.study = "t"}};
        generate_reply reply;
        t->last = broker_generate(t->broker, a, &q, &reply, NULL);
        t->wrong += t->last != STATUS_OK || strcmp(reply.text, arena_printf(a, "re: %s", question)) != 0;
        arena_reset(a);
    }
    broker_leave(t->broker);
    arena_free(a);
    return NULL;
}

static void ask_from_threads(broker *b, size_t threads, int each, asking *tasks)
{
    pthread_t ids[64];
    for (size_t i = 0; i < threads; i++) {
        tasks[i] = (asking){.broker = b, .first = (int)i * 1000, .count = each};
        assert_int_equal(pthread_create(&ids[i], NULL, ask_many, &tasks[i]), 0);
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

static void a_broker_gathers_batches(void **state)
{
    (void)state;
    slow s = {0};
    subject self = {.class = &slow_class, .specification = "slow", .identity = "slow", .abilities = SUBJECT_GENERATES,
                    .batch = 16, .state = &s};
    broker *b;
    asking tasks[64];
    assert_int_equal(broker_new(&self, &(broker_options){.askers = 48}, &b, NULL), STATUS_OK);
    ask_from_threads(b, 48, 20, tasks);
    for (size_t i = 0; i < 48; i++)
        assert_int_equal(tasks[i].wrong, 0);
    assert_int_equal(s.answered, 48 * 20);
    assert_int_equal(s.largest, 16);
    assert_in_range(s.calls, 60, 140); /* 60 full batches at best */
    broker_counts counts = broker_count(b);
    assert_int_equal(counts.requests, 960);
    assert_int_equal(counts.prompt_tokens, 2880);
    assert_int_equal(counts.batches, s.calls);
    broker_free(b);
}

static void failures_reach_those_who_asked(void **state)
{
    (void)state;
    slow s = {0};
    subject self = {.class = &slow_class, .specification = "slow", .identity = "slow", .abilities = SUBJECT_GENERATES,
                    .batch = 16, .state = &s};
    arena *a = arena_new(NULL);
    broker *b;
    error err = {0};
    generate_reply reply;
    budget *limit; /* 292 are set aside for "good", and 5 taken: the fourth could come to 307 */
    assert_int_equal(budget_new(&(budget_options){.limits = {.tokens = 302}}, &limit, NULL), STATUS_OK);
    assert_int_equal(broker_new(&self, &(broker_options){.budget = limit}, &b, NULL), STATUS_OK);
    message bad = message_text(a, MESSAGE_USER, "bad"), good = message_text(a, MESSAGE_USER, "good");
    generate_request q = {.messages = &bad, .count = 1};
    assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_INVALID);
    assert_string_equal(err.message, "unreadable");
    q.messages = &good;
    for (int i = 0; i < 3; i++)
        assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_OK);
    assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_LIMIT);
    assert_int_equal(budget_look(limit).spent.tokens, 15);
    broker_free(b);
    budget_free(limit);
    s.fails = true;
    assert_int_equal(broker_new(&self, &(broker_options){0}, &b, NULL), STATUS_OK);
    assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_REFUSED);
    assert_string_equal(err.message, "no");
    broker_interrupt(b);
    assert_int_equal(broker_generate(b, a, &q, &reply, &err), STATUS_INTERRUPTED);
    broker_free(b);
    arena_free(a);
}

static void *interrupt_soon(void *context)
{
    usleep(20000);
    broker_interrupt(context);
    return NULL;
}

static void an_interrupt_wakes_everybody(void **state)
{
    (void)state;
    slow s = {0};
    subject self = {.class = &slow_class, .specification = "slow", .identity = "slow", .abilities = SUBJECT_GENERATES,
                    .batch = 4, .state = &s};
    broker *b;
    asking tasks[64];
    pthread_t id;
    assert_int_equal(broker_new(&self, &(broker_options){.askers = 32}, &b, NULL), STATUS_OK);
    pthread_create(&id, NULL, interrupt_soon, b);
    ask_from_threads(b, 32, 1000, tasks);
    pthread_join(id, NULL);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(tasks[i].last, STATUS_INTERRUPTED);
    broker_free(b);
}

/* ---- the cache -------------------------------------------------------------------------------------------------- */

typedef struct little_cache {
    char keys[64][65];
    char *values[64];
    size_t count;
} little_cache;

static bool little_find(void *context, arena *a, const char *key, const char **value)
{
    little_cache *c = context;
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->keys[i], key) == 0) {
            *value = arena_strdup(a, c->values[i]);
            return true;
        }
    return false;
}

static void little_keep(void *context, const char *key, const char *value)
{
    little_cache *c = context;
    memcpy(c->keys[c->count], key, 65);
    c->values[c->count++] = strdup(value);
}

static void answers_are_cached_by_request_and_repeat(void **state)
{
    (void)state;
    slow s = {0};
    subject self = {.class = &slow_class, .specification = "slow", .identity = "slow", .abilities = SUBJECT_GENERATES,
                    .batch = 16, .state = &s};
    static little_cache memory;
    broker_cache cache = {little_find, little_keep, &memory};
    arena *a = arena_new(NULL);
    broker *b;
    generate_reply reply;
    assert_int_equal(broker_new(&self, &(broker_options){.cache = &cache}, &b, NULL), STATUS_OK);
    message m = message_text(a, MESSAGE_USER, "hello");
    static const struct {
        generate_request request;
        bool cached;
    } steps[] = {
        {{.address = {.study = "t", .sample = 1}}, false},
        {{.address = {.study = "t", .sample = 2, .seed = 4}}, true}, /* greedy: the address does not matter */
        {{.position = 0.3, .reference_good = "x", .address = {.study = "t"}}, true},
        {{.address = {.study = "t", .repeat = 1}}, false},
        {{.max_tokens = 5, .address = {.study = "t"}}, false},
        {{.temperature = 1, .address = {.study = "t", .sample = 1}}, false},
        {{.temperature = 1, .address = {.study = "t", .sample = 1}}, true},
        {{.temperature = 1, .address = {.study = "t", .sample = 2}}, false},
        {{.temperature = 1, .address = {.study = "t", .sample = 1, .turn = 1}}, false},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        generate_request q = steps[i].request;
        q.messages = &m;
        q.count = 1;
        assert_int_equal(broker_generate(b, a, &q, &reply, NULL), STATUS_OK);
        assert_string_equal(reply.text, "re: hello");
        assert_int_equal(reply.completion_tokens, 2);
        if (reply.cached != steps[i].cached)
            fail_msg("step %zu: cached %d", i, reply.cached);
    }
    message bad = message_text(a, MESSAGE_USER, "bad");
    generate_request q = {.messages = &bad, .count = 1};
    size_t before = memory.count;
    broker_generate(b, a, &q, &reply, NULL);
    assert_int_equal(memory.count, before); /* failures are asked again */
    broker_free(b);
    for (size_t i = 0; i < memory.count; i++)
        free(memory.values[i]);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_answer_by_rule),
        cmocka_unit_test(scripts_draw_by_address),
        cmocka_unit_test(scripts_score_what_they_list),
        cmocka_unit_test(bad_scripts_are_refused_with_their_place),
        cmocka_unit_test(oracles_are_bad_below_their_dose),
        cmocka_unit_test(oracles_mix_shares_at_their_dose),
        cmocka_unit_test(routers_send_by_position),
        cmocka_unit_test(wrong_names_are_explained),
        cmocka_unit_test(a_broker_gathers_batches),
        cmocka_unit_test(failures_reach_those_who_asked),
        cmocka_unit_test(an_interrupt_wakes_everybody),
        cmocka_unit_test(answers_are_cached_by_request_and_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
