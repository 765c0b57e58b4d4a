/* Checks by hand of global_opinions.md, section 7, and a control of section 6, that need the whole study. */
#include "studies/opinions_bench.h"

#include "stats/similarity.h"

#include <stdlib.h>

static const json_t *figures_of(const bench *b, size_t country)
{
    return json_object_get(json_object_get(json_array_get(json_object_get(b->summary, "countries"), country), "conditions"), "default");
}

/* Log-probabilities that sum to less than 1: other words have the rest. */
static void logits_two_one_none(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)options, (void)context;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = 2 - (double)k - 3;
}

static void shares_are_those_of_the_listed_options(void **state) /* check 7 */
{
    (void)state;
    static const char file[] = "[{\"question\": \"Three?\", \"country\": \"Spain\", \"options\": [\"a\", \"b\", \"c\"], \"distribution\": [1, 1, 1]}]";
    bench b = bench_open(&global_opinions_study, (const char *const[]){"data", write_file("three.json", file), "conditions", "default", NULL}, 1);
    b.score = logits_two_one_none;
    bench_run(&b);
    const json_t *one = json_object_get(json_object_get(json_array_get(b.records, 0), "conditions"), "default");
    static const double expected[] = {.665241, .244728, .090031};
    for (size_t k = 0; k < 3; k++)
        NEAR(json_number_value(json_array_get(json_object_get(one, "shares"), k)), expected[k], 5e-7);
    NEAR(at(one, "mass"), exp(-1) + exp(-2) + exp(-3), 1e-12);
    bench_close(&b);
}

/* The share of the first of two options by which people are so similar to who gives it all. */
static double share_for(double wanted)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(similarity((double[]){1, 0}, (double[]){middle, 1 - middle}, 2) < wanted ? &low : &high) = middle;
    }
    return low;
}

static void gives_all_to_the_first(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)options, (void)context;
    for (size_t k = 0; k < count; k++)
        logprobs[k] = k ? -80 : 0;
}

static void the_order_turns_where_countries_answered_other_questions(void **state) /* checks 8 and 13 */
{
    (void)state;
    static const struct {
        const char *question, *country;
        double similarity;
    } rows[] = {{"One?", "Spain", .9}, {"Two?", "Spain", .5}, {"One?", "Italy", .8}};
    bench b = {.arena = arena_new(NULL)};
    strbuf text = strbuf_new(b.arena, 1 << 12);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double share = share_for(rows[i].similarity);
        strbuf_printf(&text, "%s{\"question\": \"%s\", \"country\": \"%s\", \"options\": [\"a\", \"b\"], \"distribution\": [%.17g, %.17g]}", i ? ", " : "[",
                      rows[i].question, rows[i].country, share, 1 - share);
    }
    strbuf_add_char(&text, ']');
    const char *path = write_file("turned.json", text.text);
    arena_free(b.arena);
    b = bench_open(&global_opinions_study, (const char *const[]){"data", path, "conditions", "default", NULL}, 1);
    b.score = gives_all_to_the_first;
    bench_run(&b);
    NEAR(at(figures_of(&b, 0), "similarity"), .7, 1e-9);
    NEAR(at(figures_of(&b, 1), "similarity"), .8, 1e-9);
    NEAR(at(figures_of(&b, 1), "effect") - at(figures_of(&b, 0), "effect"), -.1, 1e-9);
    bench_close(&b);
}

/* Has an opinion about texts, and likes the first letter more. */
static void likes_the_first_letter_too(const message *messages, const char *const *options, size_t count, double *logprobs, void *context)
{
    (void)context;
    static const double worth[] = {.5, .3, .2};
    const char *text = messages[0].blocks[0].text;
    double sum = 0;
    for (size_t k = 0; k < count; k++) {
        logprobs[k] = 0;
        for (int o = 0; o < 3; o++) {
            char listed[16];
            snprintf(listed, sizeof listed, "(%s) %c\n", options[k], 'x' + o);
            if (strstr(text, listed))
                logprobs[k] = worth[o] * (k == 0 ? 3 : 1);
        }
        assert_true(logprobs[k] > 0);
        sum += logprobs[k];
    }
    for (size_t k = 0; k < count; k++)
        logprobs[k] = log(logprobs[k] / sum);
}

/* Control of section 6: options shuffled in the file leave similarities alone where the model's liking of places is averaged out. */
static void shuffled_options_change_nothing_over_all_orders(void **state)
{
    (void)state;
    static const char *const files[] = {"[{\"question\": \"Three?\", \"country\": \"Spain\", \"options\": [\"x\", \"y\", \"z\"], \"distribution\": [0.6, 0.3, 0.1]}]",
                                        "[{\"question\": \"Three?\", \"country\": \"Spain\", \"options\": [\"z\", \"x\", \"y\"], \"distribution\": [0.1, 0.6, 0.3]}]"};
    static const char *const orders[] = {"1", "10"};
    double found[2][2];
    for (int f = 0; f < 2; f++)
        for (int o = 0; o < 2; o++) {
            bench b = bench_open(&global_opinions_study,
                                 (const char *const[]){"data", write_file("shuffled.json", files[f]), "conditions", "default", "orders", orders[o], NULL}, 1);
            b.score = likes_the_first_letter_too;
            bench_run(&b);
            found[f][o] = at(figures_of(&b, 0), "similarity");
            bench_close(&b);
        }
    assert_true(fabs(found[0][0] - found[1][0]) > .05); /* one order alone: the letter is taken for an opinion */
    NEAR(found[0][1], found[1][1], 1e-9);
}

int main(void)
{
    unsetenv("ASSAY_DATA");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_the_listed_options),
        cmocka_unit_test(the_order_turns_where_countries_answered_other_questions),
        cmocka_unit_test(shuffled_options_change_nothing_over_all_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
