/* Rate limits: reading what servers say of them, and keeping them. No clock and no network. */
#include "subject/rate.h"

#include "core/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

static void spans_and_times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* NaN: none */
    } spans[] = {{"1s", 1}, {"6m0s", 360}, {"20ms", 0.02}, {"1h2m3.5s", 3723.5}, {"7", 7}, {" 0.25 ", 0.25}, {"120ms", 0.12},
                 {"1d", 86400}, {"", NAN}, {"soon", NAN}, {"-3", NAN}, {"3 s", NAN}, {"s", NAN}, {"1e999", NAN}, {"nan", NAN}};
    static const struct {
        const char *text;
        double seconds;
    } times[] = {{"1970-01-01T00:00:00Z", 0}, {"2025-08-21T12:41:00Z", 1755780060}, {"2025-08-21T14:41:00+02:00", 1755780060},
                 {"2025-08-21T12:41:00.5Z", 1755780060.5}, {"2025-08-21", NAN}, {"2025-08-21T12:41:00", NAN}, {"tomorrow", NAN}};
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        double x = NAN;
        bool good = rate_span(slice_of(spans[i].text), &x);
        if (good == isnan(spans[i].seconds) || (good && fabs(x - spans[i].seconds) > 1e-9))
            fail_msg("%s: %d %g", spans[i].text, good, x);
    }
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        double x = NAN;
        bool good = rate_time(slice_of(times[i].text), &x);
        if (good == isnan(times[i].seconds) || (good && fabs(x - times[i].seconds) > 1e-6))
            fail_msg("%s: %d %g", times[i].text, good, x);
    }
}

static void hear(rate_sight *s, const char *name, const char *value)
{
    rate_sight_header(s, slice_of(name), slice_of(value));
}

static const rate_cost one = {.of = {1, 100, 60, 40}};

static void requests_wait_for_the_reset_when_nothing_is_left(void **state)
{
    (void)state;
    rate_limits r = {0};
    rate_sight s = {0};
    assert_true(rate_limits_wait(&r, &one, 50) <= 50);
    rate_ticket t = rate_limits_send(&r, &one);
    hear(&s, "X-RateLimit-Limit-Requests", "3");
    hear(&s, "x-ratelimit-remaining-requests", "2");
    hear(&s, "x-ratelimit-reset-requests", "10s");
    rate_limits_learn(&r, &s, t, 50, 0);
    for (int i = 0; i < 2; i++) {
        assert_true(rate_limits_wait(&r, &one, 51) <= 51);
        rate_limits_send(&r, &one);
    }
    assert_true(rate_limits_wait(&r, &one, 51) == 60);
    assert_true(rate_limits_wait(&r, &one, 60) <= 60); /* full again, less the two that are under way */
    rate_limits_send(&r, &one);
    assert_true(rate_limits_wait(&r, &one, 60) == 70);
}

static void answers_that_overtake_each_other_give_the_lower_word(void **state)
{
    (void)state;
    rate_limits r = {0};
    rate_sight high = {0}, low = {0}, nothing = {0};
    rate_ticket first = rate_limits_send(&r, &one), second = rate_limits_send(&r, &one), third = rate_limits_send(&r, &one);
    hear(&low, "x-ratelimit-limit-tokens", "1000");
    hear(&low, "x-ratelimit-remaining-tokens", "250");
    hear(&low, "x-ratelimit-reset-tokens", "1m0s");
    hear(&high, "x-ratelimit-limit-tokens", "1000");
    hear(&high, "x-ratelimit-remaining-tokens", "350");
    hear(&high, "x-ratelimit-reset-tokens", "1m0s");
    rate_limits_learn(&r, &low, first, 10, 0);
    assert_true(r.limits[RATE_TOKENS].floor == 250 && r.open.of[RATE_TOKENS] == 200);
    assert_true(rate_limits_wait(&r, &one, 11) > 11); /* 50 may be left when the other two are counted */
    rate_limits_learn(&r, &high, second, 11, 0); /* the server counted it before the first */
    assert_true(r.limits[RATE_TOKENS].floor == 250);
    rate_limits_learn(&r, &nothing, third, 12, 0); /* broken off: it takes nothing any more */
    assert_true(rate_limits_wait(&r, &one, 12) <= 12);
    rate_ticket fourth = rate_limits_send(&r, &one);
    rate_limits_learn(&r, &high, fourth, 13, 0); /* sent after 250 was learnt: the server has refilled since */
    assert_true(r.limits[RATE_TOKENS].floor == 350);
    const rate_cost large = {.of = {1, 5000, 5000, 0}};
    assert_true(rate_limits_wait(&r, &large, 14) <= 14); /* larger than the limit: let the server say so */
    rate_limits_send(&r, &one);
    assert_true(rate_limits_wait(&r, &large, 14) > 14);
}

static void anthropic_limits_are_reckoned_from_the_servers_own_clock(void **state)
{
    (void)state;
    rate_limits r = {0};
    rate_sight s = {0};
    rate_ticket t = rate_limits_send(&r, &one);
    hear(&s, "Date", "Thu, 21 Aug 2025 12:41:00 GMT");
    hear(&s, "anthropic-ratelimit-output-tokens-limit", "16000");
    hear(&s, "anthropic-ratelimit-output-tokens-remaining", "30");
    hear(&s, "anthropic-ratelimit-output-tokens-reset", "2025-08-21T12:41:20Z");
    hear(&s, "anthropic-ratelimit-requests-remaining", "-1");
    hear(&s, "anthropic-ratelimit-requests-reset", "2025-08-21T12:41:20Z");
    rate_limits_learn(&r, &s, t, 100, 5); /* this machine's clock is decades off */
    assert_true(rate_limits_wait(&r, &one, 101) == 120);
    const rate_cost short_one = {.of = {1, 80, 60, 20}};
    assert_true(rate_limits_wait(&r, &short_one, 101) <= 101);
    rate_limits_close(&r, 130);
    assert_true(rate_limits_wait(&r, &short_one, 101) == 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_and_times_are_read),
        cmocka_unit_test(requests_wait_for_the_reset_when_nothing_is_left),
        cmocka_unit_test(answers_that_overtake_each_other_give_the_lower_word),
        cmocka_unit_test(anthropic_limits_are_reckoned_from_the_servers_own_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
