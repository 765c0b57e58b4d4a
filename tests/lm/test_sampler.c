/* The sampler against distributions worked out by hand. */
#include "core/error.h"
#include "lm/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Probabilities 0.1, 0.4, 0.2, 0.3; counts of 1000 evenly spaced uniforms. */
static void count(sampler_rule rule, int counts[4])
{
    const float logits[] = {logf(0.1f) + 3, logf(0.4f) + 3, logf(0.2f) + 3, logf(0.3f) + 3}; /* any shift */
    const float logprobs[] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    char scratch[256] __attribute__((aligned(64)));
    assert_true(sampler_scratch_bytes(4) <= sizeof scratch);
    for (int i = 0; i < 4; i++)
        counts[i] = 0;
    for (int i = 0; i < 1000; i++) {
        float logprob;
        int32_t id = sampler_pick(logits, 4, &rule, (i + 0.5) / 1000, scratch, &logprob);
        counts[id]++;
        assert_true(fabsf(logprob - logprobs[id]) < 1e-6f); /* whatever the rule */
        float again;
        sampler_logprobs(logits, 4, &id, 1, scratch, &again);
        assert_true(logprob == again);
    }
}

static void expect(sampler_rule rule, double a, double b, double c, double d)
{
    int counts[4];
    double expected[] = {a, b, c, d};
    count(rule, counts);
    for (int i = 0; i < 4; i++)
        if (fabs(counts[i] - 1000 * expected[i]) > 1)
            fail_msg("token %d: %d of 1000, expected %g", i, counts[i], 1000 * expected[i]);
}

static void temperature_one_gives_the_distribution(void **state)
{
    (void)state;
    expect((sampler_rule){1, 1, 0}, 0.1, 0.4, 0.2, 0.3);
    expect((sampler_rule){1, 0, 0}, 0.1, 0.4, 0.2, 0.3);
}

static void greedy_takes_the_largest_and_the_first_of_equals(void **state)
{
    (void)state;
    expect((sampler_rule){0, 1, 0}, 0, 1, 0, 0);
    const float equal[] = {-2, -1, -1, NAN};
    sampler_rule greedy = {0};
    char scratch[256] __attribute__((aligned(64)));
    float logprob;
    assert_int_equal(sampler_pick(equal, 4, &greedy, 0.9, scratch, &logprob), 1);
    const float broken[] = {NAN, -5};
    assert_int_equal(sampler_pick(broken, 2, &greedy, 0, scratch, &logprob), 1);
}

static void temperature_sharpens(void **state)
{
    (void)state;
    double z = 0.01 + 0.16 + 0.04 + 0.09; /* squares at temperature 1/2 */
    expect((sampler_rule){0.5, 1, 0}, 0.01 / z, 0.16 / z, 0.04 / z, 0.09 / z);
    expect((sampler_rule){0.01, 1, 0}, 0, 1, 0, 0);
}

static void top_k_keeps_the_most_probable(void **state)
{
    (void)state;
    expect((sampler_rule){1, 1, 1}, 0, 1, 0, 0);
    expect((sampler_rule){1, 1, 2}, 0, 4.0 / 7, 0, 3.0 / 7);
    expect((sampler_rule){1, 1, 3}, 0, 4.0 / 9, 2.0 / 9, 3.0 / 9);
    expect((sampler_rule){1, 1, 4}, 0.1, 0.4, 0.2, 0.3);
    expect((sampler_rule){1, 1, 400}, 0.1, 0.4, 0.2, 0.3);
}

static void top_p_keeps_the_smallest_set_that_holds_it(void **state)
{
    (void)state;
    expect((sampler_rule){1, 0.3, 0}, 0, 1, 0, 0);
    expect((sampler_rule){1, 0.5, 0}, 0, 4.0 / 7, 0, 3.0 / 7);
    expect((sampler_rule){1, 0.8, 0}, 0, 4.0 / 9, 2.0 / 9, 3.0 / 9);
    expect((sampler_rule){1, 0.95, 0}, 0.1, 0.4, 0.2, 0.3);
    /* after top_k 3: shares 4/9, 3/9, 2/9 */
    expect((sampler_rule){1, 0.6, 3}, 0, 4.0 / 7, 0, 3.0 / 7);
}

/* Thousands of tokens, some broken: against sums in f64, taken one by one. */
static void large_vocabularies_are_searched_through(void **state)
{
    (void)state;
    enum { COUNT = 5003, BEST = 4100 };
    static float logits[COUNT];
    static char scratch[16 * COUNT] __attribute__((aligned(64)));
    double total = 0;
    assert_true(sampler_scratch_bytes(COUNT) <= sizeof scratch);
    for (int i = 0; i < COUNT; i++)
        logits[i] = i % 97 == 5 ? NAN : i % 89 == 7 ? -INFINITY : (float)sin(i * 1.7) * 3;
    logits[BEST] = logits[BEST + 60] = 3.5f;
    for (int i = 0; i < COUNT; i++)
        total += isnan(logits[i]) ? 0 : exp((double)logits[i]);
    sampler_rule plain = {1, 1, 0}, greedy = {0};
    float logprob;
    assert_int_equal(sampler_pick(logits, COUNT, &greedy, 0, scratch, &logprob), BEST);
    for (double uniform = 0.0004; uniform < 1; uniform += 0.0127) {
        double sum = 0, before = 0;
        int32_t id = sampler_pick(logits, COUNT, &plain, uniform, scratch, &logprob);
        for (int i = 0; i <= id; i++) {
            before = sum;
            sum += isnan(logits[i]) ? 0 : exp((double)logits[i]);
        }
        assert_true(before / total <= uniform + 1e-6 && sum / total >= uniform - 1e-6);
        assert_true(fabs((double)logprob - ((double)logits[id] - log(total))) < 2e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature_one_gives_the_distribution),
        cmocka_unit_test(greedy_takes_the_largest_and_the_first_of_equals),
        cmocka_unit_test(temperature_sharpens),
        cmocka_unit_test(top_k_keeps_the_most_probable),
        cmocka_unit_test(top_p_keeps_the_smallest_set_that_holds_it),
        cmocka_unit_test(large_vocabularies_are_searched_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
