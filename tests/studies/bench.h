/* A study on a bench: runs every sample on a subject given by name, or on answers of the test's own, without a store.
 * Include in one file of a test program; it stands in for the run module's study_ask. */
#ifndef ASSAY_TESTS_STUDIES_BENCH_H
#define ASSAY_TESTS_STUDIES_BENCH_H

#include "run/study.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

typedef struct bench {
    arena *arena;
    study_run run;
    param_values *params;
    subject *who, *judge, *before; /* before: of the role of that name; NULL: `who` */
    const char *(*answer)(const message *messages, size_t count, void *context); /* instead of `who` */
    const char *cut;               /* an answer that is this very text was cut off at the limit */
    const char *answers;           /* the role for which `answer` does; NULL: "subject" */
    void (*score)(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context);
    void *context;
    subject *generator;            /* of the role of that name; NULL: `who` */
    const char *absent;            /* roles that nobody fills, with commas between them; the judge where `judge` is NULL too */
    const char *role;              /* whom the study asks just now, for `answer` and `score` */
    json_t *records, *summary, *figures;
    error err;
} bench;

static bench *bench_now; /* whose samples are being run */

static bench bench_open(const study *what, const char *const *settings, uint64_t seed)
{
    bench b = {.arena = arena_new(NULL)};
    assert_int_equal(param_values_new(b.arena, what->params, what->param_count, &b.params, &b.err), STATUS_OK);
    for (size_t i = 0; settings && settings[i]; i += 2)
        if (param_set(b.params, settings[i], settings[i + 1], &b.err) != STATUS_OK)
            fail_msg("%s", b.err.message);
    b.run = (study_run){.study = what, .seed = seed, .params = b.params, .arena = b.arena, .subject_name = "bench"};
    return b;
}

static inline subject *bench_subject(bench *b, const char *name)
{
    subject *s;
    subject_options options = {0};
    if (subject_open(b->arena, name, &options, &s, &b->err) != STATUS_OK)
        fail_msg("%s", b->err.message);
    return s;
}

void study_wait(study_sample *s, bool begins)
{
    (void)s, (void)begins;
}

bool study_has_role(const study_sample *s, const char *role)
{
    (void)s;
    slice rest = slice_of(bench_now->absent), one;
    while (slice_cut(&rest, ',', &one))
        if (slice_is(one, role))
            return false;
    return strcmp(role, "judge") != 0 || bench_now->judge || (bench_now->answers && strcmp(bench_now->answers, "judge") == 0);
}

bool study_role_can(const study_sample *s, const char *role, unsigned abilities)
{
    (void)s, (void)role;
    return !(abilities & SUBJECT_SCORES) || bench_now->score;
}

status study_ask(study_sample *s, const char *role, const message *messages, size_t count, const ask_options *options,
                 generate_reply *reply, error *err)
{
    bench *b = bench_now;
    *reply = (generate_reply){.logprob = NAN};
    b->role = role;
    if (b->answer && strcmp(role, b->answers ? b->answers : "subject") == 0) {
        reply->text = b->answer(messages, count, b->context);
        reply->reason = b->cut && reply->text && strcmp(reply->text, b->cut) == 0 ? STOP_LENGTH : STOP_END;
        return STATUS_OK;
    }
    generate_request q = {.messages = messages,
                          .count = count,
                          .max_tokens = options->max_tokens,
                          .temperature = options->temperature,
                          .top_p = 1,
                          .address = {s->run->seed, s->run->study->name, s->index, s->repeat, s->turn++},
                          .position = options->position,
                          .reference_good = options->reference_good,
                          .reference_bad = options->reference_bad};
    const generate_request *one = &q;
    subject *to = strcmp(role, "judge") == 0 ? b->judge : strcmp(role, "before") == 0 && b->before ? b->before
                  : strcmp(role, "generator") == 0 && b->generator ? b->generator : b->who;
    if (to->class->generate(to, s->arena, &one, reply, 1, err) != STATUS_OK)
        return err->code;
    return reply->code ? error_set(err, reply->code, "%s", reply->problem) : STATUS_OK;
}

status study_score(study_sample *s, const char *role, const message *messages, size_t count,
                   const char *const *continuations, size_t continuation_count, score_reply *reply, error *err)
{
    bench *b = bench_now;
    b->role = role;
    if (!b->score && b->who && b->who->abilities & SUBJECT_SCORES) {
        const score_request q = {.messages = messages, .count = count, .continuations = continuations, .continuation_count = continuation_count,
                                 .position = s->position, .good = s->scored_good, .bad = s->scored_bad,
                                 .good_shares = s->scored_good_shares, .bad_shares = s->scored_bad_shares}, *one = &q;
        if (b->who->class->score(b->who, s->arena, &one, reply, 1, err) != STATUS_OK)
            return err->code;
        return reply->code ? error_set(err, reply->code, "%s", reply->problem) : STATUS_OK;
    }
    if (!b->score)
        return error_set(err, STATUS_UNSUPPORTED, "the bench does not score");
    *reply = (score_reply){.logprobs = ARENA_ARRAY(s->arena, double, continuation_count), .token_counts = ARENA_ARRAY(s->arena, int, continuation_count)};
    for (size_t i = 0; i < continuation_count; i++)
        reply->token_counts[i] = 1;
    b->score(messages, continuations, continuation_count, reply->logprobs, b->context);
    return STATUS_OK;
}

static inline void bench_run(bench *b)
{
    bench_now = b;
    if (b->run.study->prepare(&b->run, &b->err) != STATUS_OK)
        fail_msg("%s", b->err.message);
    b->records = json_array();
    for (size_t i = 0; i < b->run.sample_count; i++) {
        study_sample s = {.run = &b->run, .index = i, .arena = arena_new(NULL), .record = json_object()};
        if (b->run.study->run_sample(&s, &b->err) != STATUS_OK)
            fail_msg("sample %zu: %s", i, b->err.message);
        json_array_append_new(b->records, s.record);
        arena_free(s.arena);
    }
    if (b->run.study->summarise(&b->run, b->records, &b->summary, &b->err) != STATUS_OK)
        fail_msg("%s", b->err.message);
    if (b->run.study->figures(&b->run, b->summary, &b->figures, &b->err) != STATUS_OK)
        fail_msg("%s", b->err.message);
}

static void bench_close(bench *b)
{
    json_decref(b->records);
    json_decref(b->summary);
    json_decref(b->figures);
    if (b->who)
        subject_close(b->who);
    if (b->judge)
        subject_close(b->judge);
    if (b->before)
        subject_close(b->before);
    if (b->generator)
        subject_close(b->generator);
    arena_free(b->arena);
}

/* Settings that a study must refuse before it asks anything, and words that its message must hold. */
typedef struct bench_wrong {
    const char *settings[7], *says;
    status code;
} bench_wrong;

static inline void bench_refuses(const study *what, const bench_wrong *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bench b = bench_open(what, cases[i].settings, 1);
        assert_int_equal(what->prepare(&b.run, &b.err), cases[i].code);
        if (!strstr(b.err.message, cases[i].says))
            fail_msg("expected '%s' in: %s", cases[i].says, b.err.message);
        bench_close(&b);
    }
}

/* A number by path: "answer.controls.other_entity.estimate"; NaN where it is null or absent. */
static inline double bench_number(const bench *b, const char *path)
{
    const json_t *at = json_object_get(b->summary, "forms");
    slice rest = slice_of(path), part;
    while (slice_cut(&rest, '.', &part)) {
        char key[64];
        snprintf(key, sizeof key, SLICE_FORMAT, SLICE_ARGS(part));
        at = json_object_get(at, key);
    }
    return json_is_number(at) ? json_number_value(at) : NAN;
}

#endif
