/* The best of N replies: the embedded model's draws, as a preference model made of it with a head of fixed numbers sees them. */
#include "folder.h"
#include "memory.h"
#include "near.h"

#include "core/file.h"
#include "lm/checkpoint.h"
#include "lm/transformer.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "subject/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static const char *judge; /* folder of the preference model */
static const float **values;
static lm_config config;
static checkpoint *base;

static int set_up(void **state)
{
    memory_set_up(state);
    if (checkpoint_open_base(memory, &base, NULL) != STATUS_OK)
        return -1;
    config = base->config;
    config.labels = 1;
    size_t count = lm_weight_count(&config);
    values = ARENA_ARRAY(memory, const float *, count);
    for (size_t i = 0; i < count; i++) {
        lm_weight w = lm_weight_at(&config, i);
        float *v = ARENA_ARRAY(memory, float, (size_t)w.count);
        size_t from = lm_weight_find(&base->config, w.part, w.layer);
        if (w.part == LM_SCORE)
            for (int64_t k = 0; k < w.count; k++)
                v[k] = (float)((k * 37 % 19) - 9) / 16;
        else if (lm_tensor_to_f32(&base->weights[from], v, NULL) != STATUS_OK)
            return -1;
        values[i] = v;
    }
    judge = file_join(memory, test_folder(), "pm");
    return checkpoint_save(judge, &config, base->tokenizer, values, NULL) == STATUS_OK ? 0 : -1;
}

static subject *must_open(const char *specification)
{
    subject *s;
    error err = {0};
    if (subject_open(memory, specification, NULL, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static message question(size_t i)
{
    static const char *const texts[] = {"What is the favourite colour of Ada?", "Tell me about the town.", "Who are you?"};
    return message_text(memory, MESSAGE_USER, texts[i]);
}

static void ask(subject *s, const message *m, double temperature, const char *study, generate_reply *reply)
{
    generate_request r = {.messages = m, .count = 1, .max_tokens = 12, .temperature = temperature, .top_p = 1,
                          .address = {.seed = 3, .study = study}, .position = -1};
    const generate_request *list[] = {&r};
    assert_int_equal(s->class->generate(s, memory, list, reply, 1, NULL), STATUS_OK);
    assert_int_equal(reply->code, STATUS_OK);
}

static double worth(subject *s, const message *m, const char *text)
{
    score_request r = {.messages = m, .count = 1, .continuations = &text, .continuation_count = 1, .position = -1};
    const score_request *list[] = {&r};
    score_reply reply;
    assert_int_equal(s->class->score(s, memory, list, &reply, 1, NULL), STATUS_OK);
    assert_int_equal(reply.code, STATUS_OK);
    return reply.logprobs[0];
}

static void the_favourite_of_the_draws_is_given(void **state)
{
    (void)state;
    enum { DRAWS = 6 };
    subject *policy = must_open("base"), *pm = must_open(judge);
    subject *best = must_open(arena_printf(memory, "best-of:%d@1.2,base,%s", DRAWS, judge));
    assert_true(pm->abilities == SUBJECT_REWARDS && (best->abilities & SUBJECT_GENERATES));
    for (size_t i = 0; i < 3; i++) {
        message m = question(i);
        generate_reply reply, draw;
        const char *expected = NULL;
        double most = 0;
        for (int k = 0; k < DRAWS; k++) {
            ask(policy, &m, 1.2, arena_printf(memory, "t/best-of/%d", k), &draw);
            double w = worth(pm, &m, draw.text);
            if (!expected || w > most) {
                expected = draw.text;
                most = w;
            }
        }
        ask(best, &m, 0, "t", &reply); /* the request's own temperature is passed over */
        assert_string_equal(reply.text, expected);
    }
    subject_close(policy);
    subject_close(pm);
    subject_close(best);
}

static void one_draw_is_the_policy(void **state)
{
    (void)state;
    subject *policy = must_open("base"), *best = must_open(arena_printf(memory, "best-of:1,base,%s", judge));
    message m = question(0);
    generate_reply a, b;
    ask(best, &m, 1, "t", &a);
    ask(policy, &m, 1, "t/best-of/0", &b);
    assert_string_equal(a.text, b.text);
    subject_close(policy);
    subject_close(best);
}

/* The subject's reward against a graph of the same model in f32: the head times the last token's hidden state. The engine
 * computes in bf16. */
static void rewards_are_the_head_times_the_last_state(void **state)
{
    (void)state;
    subject *pm = must_open(judge);
    message m = question(0);
    const char *reply = "It is red.";
    token_list ids = {.arena = memory};
    const char *text = "<|begin|><|user|>What is the favourite colour of Ada?<|end|><|assistant|>It is red.<|end|>";
    assert_int_equal(tokenizer_encode(base->tokenizer, slice_of(text), TOKENIZER_SPECIALS, &ids, NULL), STATUS_OK);
    int32_t positions[64], starts[64] = {0};
    for (int32_t i = 0; i < 64; i++)
        positions[i] = i;
    graph *g = graph_new(memory);
    transformer t;
    plan *p;
    assert_int_equal(transformer_build(memory, g, &config, transformer_types_all(TYPE_F32), (int64_t)ids.count, &t, NULL), STATUS_OK);
    assert_int_equal(plan_new(g, &t.hidden, 1, NULL, &p, NULL), STATUS_OK);
    for (size_t i = 0; i < t.weight_count; i++)
        plan_bind(p, t.weights[i], values[i]);
    plan_bind(p, t.tokens, ids.ids);
    plan_bind(p, t.positions, positions);
    plan_bind(p, t.starts, starts);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    const float *last = (const float *)plan_output(p, 0) + (ids.count - 1) * (size_t)config.hidden;
    const float *head = values[lm_weight_find(&config, LM_SCORE, -1)];
    double sum = 0, size = 0;
    for (int i = 0; i < config.hidden; i++) {
        sum += (double)last[i] * (double)head[i];
        size += (double)last[i] * (double)head[i] * (double)last[i] * (double)head[i];
    }
    NEAR(worth(pm, &m, reply), sum, 0.05 * sqrt(size));
    plan_free(p);
    graph_free(g);
    subject_close(pm);
}

static void must_refuse(const char *specification, const char *words)
{
    subject *s;
    error err = {0};
    assert_true(subject_open(memory, specification, NULL, &s, &err) != STATUS_OK);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in: %s", words, err.message);
}

static void what_is_no_best_of_is_refused(void **state)
{
    (void)state;
    must_refuse(arena_printf(memory, "best-of:0,base,%s", judge), "N from 1");
    must_refuse(arena_printf(memory, "best-of:4@0,base,%s", judge), "temperature above 0");
    must_refuse("best-of:4,base,nowhere", "that exist");
    must_refuse("best-of:4,base,base", "say what a reply is worth");
    must_refuse(arena_printf(memory, "best-of:4,%s,%s", judge, judge), "cannot");
    subject *pm = must_open(judge);
    message m = question(0);
    generate_request r = {.messages = &m, .count = 1, .max_tokens = 4, .position = -1};
    const generate_request *list[] = {&r};
    generate_reply reply;
    assert_int_equal(pm->class->generate(pm, memory, list, &reply, 1, NULL), STATUS_OK);
    assert_int_equal(reply.code, STATUS_UNSUPPORTED); /* not a word comes out of a head of one number */
    subject_close(pm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_favourite_of_the_draws_is_given),
        cmocka_unit_test(one_draw_is_the_policy),
        cmocka_unit_test(rewards_are_the_head_times_the_last_state),
        cmocka_unit_test(what_is_no_best_of_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, memory_tear_down);
}
