/* The audit before a run: a prompt whose beginning-of-text token is doubled or missing is refused before it is sent. */
#include "folder.h"
#include "toy.h"

#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

enum { BOS = 1 };

/* A subject whose prompts become these tokens, and that counts what it is asked. */
typedef struct tokened {
    int32_t ids[4], bos;
    int asked, audited;
} tokened;

static status answer(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                     size_t count, error *err)
{
    (void)a, (void)requests, (void)err;
    ((tokened *)self->state)->asked += (int)count;
    for (size_t i = 0; i < count; i++)
        replies[i] = (generate_reply){.text = "hm", .reason = STOP_END, .logprob = NAN};
    return STATUS_OK;
}

static status show_tokens(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    (void)a, (void)messages, (void)count, (void)err;
    tokened *t = self->state;
    t->audited++;
    *out = (subject_audit){.ids = t->ids, .count = COUNT_OF(t->ids), .bos = t->bos};
    return STATUS_OK;
}

static status find_tokens(void *context, double at, const char *kind, const char *detail, error *err)
{
    (void)at, (void)err;
    if (strcmp(kind, "tokens") == 0)
        *(bool *)context = strstr(detail, "\"ids\"") && strstr(detail, "\"subject\"");
    return STATUS_OK;
}

static status run_on(tokened *t, bool *kept, error *err)
{
    static const subject_class class = {.name = "tokened", .generate = answer, .audit = show_tokens};
    static int n;
    arena *a = arena_new(NULL);
    subject s = {.class = &class, .specification = "tokened", .identity = "tokened", .abilities = SUBJECT_GENERATES,
                 .batch = 4, .state = t};
    run_role role = {.name = "subject", .specification = "tokened", .subject = &s};
    param_values *params;
    store *db;
    run_outcome outcome = {0};
    *kept = false;
    assert_int_equal(param_values_new(a, toy_params, COUNT_OF(toy_params), &params, NULL), STATUS_OK);
    assert_int_equal(param_set(params, "items", "40", NULL), STATUS_OK);
    assert_int_equal(store_open(arena_printf(a, "%s/%d.db", test_folder(), ++n), STORE_WRITE, &db, NULL), STATUS_OK);
    run_request request = {.study = &toy_study, .params = params, .seed = 3, .roles = &role, .role_count = 1, .store = db,
                           .in_flight = 8};
    status result = run_study(a, &request, &outcome, err);
    run_outcome_clear(&outcome);
    assert_int_equal(store_event_each(db, 1, find_tokens, kept, NULL), STATUS_OK);
    assert_int_equal(store_close(db, NULL), STATUS_OK);
    arena_free(a);
    return result;
}

static void a_doubled_or_missing_beginning_is_refused(void **state)
{
    (void)state;
    static const struct {
        tokened t;
        const char *words; /* NULL: all is well */
    } cases[] = {
        {{{BOS, 7, 8, 9}, BOS, 0, 0}, NULL},
        {{{BOS, 7, BOS, 9}, BOS, 0, 0}, NULL}, /* within the text it is somebody's own */
        {{{BOS, BOS, 7, 8}, BOS, 0, 0}, "begins with 2 tokens 1"},
        {{{BOS, BOS, BOS, BOS}, BOS, 0, 0}, "begins with 4 tokens 1"},
        {{{7, BOS, 8, 9}, BOS, 0, 0}, "begins with 0 tokens"},
        {{{7, 7, 8, 9}, -1, 0, 0}, NULL}, /* a model without such a token */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tokened t = cases[i].t;
        error err = {0};
        bool kept;
        status result = run_on(&t, &kept, &err);
        assert_true(kept); /* the tokens are shown either way */
        if (!cases[i].words) {
            assert_int_equal(result, STATUS_OK);
            assert_int_equal(t.asked, 40);
            assert_int_equal(t.audited, 1); /* the first prompt alone */
            continue;
        }
        assert_int_equal(result, STATUS_REFUSED);
        if (!strstr(err.message, cases[i].words) || !strstr(err.message, "tokened"))
            fail_msg("expected \"%s\" in \"%s\"", cases[i].words, err.message);
        assert_non_null(strstr(err.hint, "add_bos_token"));
        assert_int_equal(t.asked, 0); /* nothing was spent */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_doubled_or_missing_beginning_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
