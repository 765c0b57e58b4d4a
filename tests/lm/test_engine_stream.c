/* Requests submitted one by one: tokens as they come, cancelling, submitting from callbacks. */
#include "lm/engine_fixture.h"

typedef struct listener {
    engine *e;
    strbuf text;
    int32_t ids[256];
    size_t count, pieces;
    uint64_t ticket;
    size_t cancel_after;           /* tokens; 0: never */
    const engine_request *another; /* submitted when this one is done */
    struct listener *other;
    status code;
    engine_stop reason;
    bool done;
    char final[4096];
} listener;

static void on_done(void *context, const engine_result *r);

static void on_token(void *context, const engine_token *t)
{
    listener *l = context;
    assert_true(utf8_valid(t->text)); /* whole characters */
    strbuf_add_slice(&l->text, t->text);
    l->pieces += t->text.length > 0;
    if (t->id >= 0)
        l->ids[l->count++] = t->id;
    if (l->cancel_after && l->count == l->cancel_after)
        engine_cancel(l->e, l->ticket);
}

static void submit(engine *e, const engine_request *r, listener *l)
{
    l->e = e;
    l->text = strbuf_new(memory, 1 << 20);
    strbuf_add(&l->text, "");
    assert_int_equal(engine_submit(e, r, &(engine_events){l, on_token, on_done}, &l->ticket, NULL), STATUS_OK);
}

static void on_done(void *context, const engine_result *r)
{
    listener *l = context;
    assert_false(l->done); /* once */
    l->done = true;
    l->code = r->code;
    l->reason = r->reason;
    snprintf(l->final, sizeof l->final, "%s", r->text);
    if (l->another)
        submit(l->e, l->another, l->other);
}

static void run(engine *e)
{
    error err = {0};
    while (engine_busy(e))
        if (engine_step(e, &err) != STATUS_OK)
            fail_msg("%s", err.message);
}

static void pieces_are_the_answer(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, two);
    engine_result whole[REQUESTS];
    listener *l = ARENA_ARRAY(memory, listener, REQUESTS);
    slice stops[] = {SLICE("bread"), SLICE("e"), SLICE("\xef\xbf\xbd\xef\xbf\xbd")};
    for (size_t i = 0; i < REQUESTS; i++) {
        requests[i].stops = stops;
        requests[i].stop_count = i % 4 == 0 ? 3 : 0;
    }
    generate(e, requests, whole, REQUESTS);
    size_t stopped = 0, several = 0;
    for (size_t i = 0; i < REQUESTS; i++) { /* they come in while others are at work */
        submit(e, &requests[i], &l[i]);
        assert_int_equal(engine_step(e, NULL), STATUS_OK);
    }
    run(e);
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_true(l[i].done);
        assert_int_equal(l[i].code, STATUS_OK);
        assert_string_equal(l[i].text.text, whole[i].text);
        assert_string_equal(l[i].final, whole[i].text);
        assert_int_equal(l[i].count, whole[i].count);
        if (whole[i].count)
            assert_memory_equal(l[i].ids, whole[i].ids, whole[i].count * sizeof(int32_t));
        stopped += whole[i].reason == ENGINE_STOP_STRING;
        several += l[i].pieces > 1;
    }
    assert_true(stopped > 0 && several > REQUESTS / 2);
    engine_free(e);
}

static void the_cancelled_end_and_others_do_not_notice(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i].max_tokens = LONGEST;
    engine *e = make_engine(&(engine_options){.sequences = 8}, two), *calm = make_engine(NULL, NULL);
    engine_result whole[REQUESTS];
    listener *l = ARENA_ARRAY(memory, listener, REQUESTS);
    generate(calm, requests, whole, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        l[i].cancel_after = i % 3 == 1 ? 2 : 0;
        submit(e, &requests[i], &l[i]);
    }
    engine_cancel(e, l[0].ticket);  /* before anything */
    engine_cancel(e, l[62].ticket); /* far behind in the queue */
    engine_cancel(e, 123456);       /* nobody's */
    run(e);
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_true(l[i].done);
        if (i == 0 || i == 62 || (l[i].cancel_after && whole[i].count > 2)) {
            assert_int_equal(l[i].code, STATUS_INTERRUPTED);
            assert_true(l[i].count <= 2);
        } else {
            assert_int_equal(l[i].code, STATUS_OK);
            assert_string_equal(l[i].final, whole[i].text);
        }
    }
    engine_cache c = engine_cache_of(e);
    assert_int_equal(c.pages_free + c.pages_known, c.pages);
    engine_free(e);
    engine_free(calm);
}

static void callbacks_may_submit(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(NULL, NULL);
    engine_result whole;
    listener first = {0}, second = {0}, bad = {0}, after = {0};
    engine_request wrong = requests[2];
    wrong.prompt_count = 0;
    first.another = &requests[5];
    first.other = &second;
    bad.another = &requests[5];
    bad.other = &after;
    submit(e, &requests[3], &first);
    submit(e, &wrong, &bad);
    run(e);
    generate(e, &requests[5], &whole, 1);
    assert_int_equal(bad.code, STATUS_INVALID);
    assert_true(second.done && after.done);
    assert_string_equal(second.final, whole.text);
    assert_string_equal(after.final, whole.text);
    engine_free(e);
}

static void an_interrupt_ends_everything(void **state)
{
    (void)state;
    engine_request *requests = make_requests();
    engine *e = make_engine(&(engine_options){.sequences = 2}, NULL);
    engine_result results[REQUESTS];
    listener l[4] = {{0}};
    for (size_t i = 0; i < 4; i++)
        submit(e, &requests[i], &l[i]);
    assert_int_equal(engine_step(e, NULL), STATUS_OK);
    engine_interrupt(e);
    assert_int_equal(engine_step(e, NULL), STATUS_OK);
    for (size_t i = 0; i < 4; i++)
        assert_true(l[i].done);
    assert_int_equal(l[3].code, STATUS_INTERRUPTED);
    generate(e, requests, results, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++)
        assert_int_equal(results[i].code, STATUS_INTERRUPTED);
    engine_resume(e);
    generate(e, requests, results, 1);
    assert_int_equal(results[0].code, STATUS_OK);
    submit(e, &requests[1], &(listener){0});
    engine_free(e); /* with one still waiting */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_the_answer),
        cmocka_unit_test(the_cancelled_end_and_others_do_not_notice),
        cmocka_unit_test(callbacks_may_submit),
        cmocka_unit_test(an_interrupt_ends_everything),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
