/* Trends over size: the fits against hand-computed ones, the classes on planted series, and how often a series without a
 * trend is taken for one that has. */
#include "near.h"

#include "core/random.h"
#include "stats/trend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { SIZES = 5, EXAMPLES = 600 };

static const double sizes[SIZES] = {1e5, 3e5, 1e6, 3e6, 5e6}; /* 1.7 decades */

static trend must_find(arena *a, const trend_data *d)
{
    trend t;
    error err = {0};
    if (trend_find(a, d, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return t;
}

/* Scores with exactly these means, and the same spread about each: the weights are equal. */
static double *scores_around(arena *a, const double *m, size_t models, size_t examples)
{
    double *scores = ARENA_ARRAY(a, double, models * examples);
    for (size_t k = 0; k < models; k++)
        for (size_t i = 0; i < examples; i++)
            scores[k * examples + i] = m[k] + ((i * (2 * k + 3) + k) % examples < examples / 2 ? .1 : -.1);
    return scores;
}

static void a_falling_line_is_inverse(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const double z[] = {6, 6.5, 7, 7.5}, m[] = {.9, .8, .7, .6};
    trend_fit f;
    assert_int_equal(trend_fit_points(z, m, NULL, 4, &f, NULL), STATUS_OK);
    NEAR(f.slope, -.2, 1e-12);
    NEAR(f.c2, 0, 1e-12);
    double size[4];
    for (size_t i = 0; i < 4; i++)
        size[i] = pow(10, z[i]);
    trend_data d = {.sizes = size, .models = 4, .scores = scores_around(a, m, 4, EXAMPLES), .examples = EXAMPLES, .baseline = .5,
                    .seed = 1, .purpose = "test"};
    trend t = must_find(a, &d);
    assert_int_equal(t.class, TREND_INVERSE);
    assert_true(t.monotone && t.reversals == 0 && t.spearman == -1);
    NEAR(t.fit.slope, -.2, 1e-9);
    NEAR(t.effect, -.3, 1e-9);
    NEAR(t.above_baseline, .1, 1e-9); /* inverse, and still above chance */
    assert_true(t.slope_limits.low < -.2 && t.slope_limits.high > -.2 && t.slope_sure.low < t.slope_limits.low);
    assert_true(t.effect_limits.low < -.3 && t.effect_limits.high > -.3);
    NEAR(t.sem[0], .1 / sqrt(EXAMPLES), 1e-9);
    arena_free(a);
}

static void a_valley_is_u_shaped(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const double z[] = {6, 6.5, 7, 7.5, 8}, m[] = {.5, .35, .25, .4, .7};
    double turned[5], size[5];
    trend_fit f;
    assert_int_equal(trend_fit_points(z, m, NULL, 5, &f, NULL), STATUS_OK);
    NEAR(f.centre, 7, 1e-12);
    NEAR(f.c0, .275714, 1e-6);
    NEAR(f.c1, .09, 1e-9);
    NEAR(f.c2, .328571, 1e-6);
    NEAR(f.vertex, 6.863043, 1e-6);
    for (size_t i = 0; i < 5; i++) {
        size[i] = pow(10, z[i]);
        turned[i] = -m[i];
    }
    trend_data d = {.sizes = size, .models = 5, .scores = scores_around(a, m, 5, EXAMPLES), .examples = EXAMPLES, .baseline = NAN,
                    .seed = 1, .purpose = "test"};
    trend t = must_find(a, &d);
    assert_int_equal(t.class, TREND_U_SHAPED);
    assert_true(!t.monotone && t.reversals == 1 && isnan(t.above_baseline));
    d.scores = scores_around(a, turned, 5, EXAMPLES);
    assert_int_equal(must_find(a, &d).class, TREND_INVERTED_U);
    arena_free(a);
}

/* Weights: against numpy.polyfit(z - zbar, m, 2, w=sqrt(w)). */
static void weights_count(void **state)
{
    (void)state;
    const double z[] = {5, 5.5, 6, 7}, m[] = {.2, .5, .4, .9}, w[] = {1, 4, 2, 1};
    trend_fit f;
    assert_int_equal(trend_fit_points(z, m, w, 4, &f, NULL), STATUS_OK);
    NEAR(f.centre, 5.75, 1e-12);
    NEAR(f.slope, .27, 1e-8);
    NEAR(f.c0, .467613636, 1e-8);
    NEAR(f.c1, .231818182, 1e-8);
    NEAR(f.c2, .063636364, 1e-8);
    assert_int_equal(trend_fit_points(z, m, w, 1, &f, NULL), STATUS_INVALID);
    assert_int_equal(trend_fit_points(z, m, w, 2, &f, NULL), STATUS_OK);
    assert_true(isnan(f.c2) && isnan(f.vertex));
}

/* What cannot be classed says why; a series of two models still has its effect. */
static void short_series_are_not_classed(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const double m[] = {.9, .8, .7, .6, .5}, close[] = {1e6, 2e6, 3e6, 4e6, 9e6};
    trend_data d = {.sizes = sizes, .models = 3, .scores = scores_around(a, m, 5, EXAMPLES), .examples = EXAMPLES, .baseline = NAN,
                    .seed = 1, .purpose = "test"};
    trend t = must_find(a, &d);
    assert_int_equal(t.class, TREND_UNCLASSED);
    assert_non_null(strstr(t.reason, "fewer than 4"));
    NEAR(t.effect, -.2, 1e-9);
    assert_true(t.effect_limits.low < -.2 && t.effect_limits.high > -.2);
    d.models = 5;
    d.sizes = close;
    assert_non_null(strstr(must_find(a, &d).reason, "factor of 10"));
    d.sizes = sizes;
    assert_int_equal(must_find(a, &d).class, TREND_INVERSE);
    d.models = 1;
    assert_int_equal(must_find(a, &d).class, TREND_UNCLASSED);
    arena_free(a);
}

static void what_is_no_data_is_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const double m[] = {.9, .8, .7, .6, .5}, wrong[] = {1e5, 3e5, 0, 3e6, 5e6};
    size_t *clusters = ARENA_ARRAY(a, size_t, EXAMPLES);
    double *scores = scores_around(a, m, 5, EXAMPLES);
    trend t;
    trend_data d = {.sizes = wrong, .models = 5, .scores = scores, .examples = EXAMPLES, .baseline = NAN, .seed = 1, .purpose = "test"};
    assert_int_equal(trend_find(a, &d, &t, NULL), STATUS_INVALID);
    d.sizes = sizes;
    d.examples = 0;
    assert_int_equal(trend_find(a, &d, &t, NULL), STATUS_INVALID);
    d.examples = EXAMPLES;
    clusters[3] = EXAMPLES;
    d.clusters = clusters;
    assert_int_equal(trend_find(a, &d, &t, NULL), STATUS_INVALID);
    d.clusters = NULL;
    for (size_t i = 0; i < EXAMPLES; i++)
        scores[2 * EXAMPLES + i] = NAN;
    assert_int_equal(trend_find(a, &d, &t, NULL), STATUS_INVALID);
    arena_free(a);
}

/* ---- simulated series ------------------------------------------------------------------------------------------- */

typedef struct simulation {
    size_t seeds, last_seeds; /* models of each size, of the largest */
    size_t examples;
    double easy;              /* share of easy items; the chances of easy and of hard ones are below */
    double between;           /* deviation of a model's own accuracy, the same for all items */
    const double *shift;      /* by size, added to every chance; NULL: none, no trend */
} simulation;

/* Models of one kind agree on most items: easy ones that nearly all answer, hard ones that few do. */
static double chance_of_item(random_stream *r, double easy)
{
    return random_uniform(r) < easy ? .95 : .25;
}

static trend simulate(arena *a, const simulation *s, uint64_t number)
{
    size_t models = (SIZES - 1) * s->seeds + s->last_seeds;
    double *scores = ARENA_ARRAY(a, double, models * s->examples), *size = ARENA_ARRAY(a, double, models);
    double *own = ARENA_ARRAY(a, double, models);
    random_stream r = random_stream_at(7, "trend/simulation", number, s->seeds, s->examples, 0);
    for (size_t k = 0; k < models; k++) {
        size[k] = sizes[k / s->seeds < SIZES ? k / s->seeds : SIZES - 1];
        own[k] = s->between * random_normal(&r) + (s->shift ? s->shift[k / s->seeds < SIZES ? k / s->seeds : SIZES - 1] : 0);
    }
    for (size_t i = 0; i < s->examples; i++) {
        double chance = chance_of_item(&r, s->easy);
        for (size_t k = 0; k < models; k++)
            scores[k * s->examples + i] = random_uniform(&r) < chance + own[k];
    }
    trend_data d = {.sizes = size, .models = models, .scores = scores, .examples = s->examples, .baseline = NAN, .seed = number,
                    .purpose = "simulation"};
    return must_find(a, &d);
}

static void count_classes(const simulation *s, size_t series, size_t counts[TREND_CLASS_COUNT])
{
    memset(counts, 0, TREND_CLASS_COUNT * sizeof *counts);
    for (uint64_t n = 0; n < series; n++) {
        arena *a = arena_new(NULL);
        counts[simulate(a, s, n).class]++;
        arena_free(a);
    }
}

static size_t claims(const size_t *counts)
{
    return counts[TREND_STANDARD] + counts[TREND_INVERSE] + counts[TREND_U_SHAPED] + counts[TREND_INVERTED_U];
}

/* 1,000 examples, as the contest recommends, three seeds of each size and one of the largest. */
static void a_null_ladder_is_flat(void **state)
{
    (void)state;
    size_t counts[TREND_CLASS_COUNT];
    const simulation s = {.seeds = 3, .last_seeds = 1, .examples = 1000, .easy = .8};
    count_classes(&s, 200, counts);
    print_message("of 200 series without a trend: %zu flat, %zu unclear, %zu claims\n", counts[TREND_FLAT], counts[TREND_UNCLEAR], claims(counts));
    assert_true(200 - counts[TREND_FLAT] <= 10);
}

/* Too few examples, one seed: mostly unclear, but no trend is claimed where there is none. */
static void a_small_null_ladder_claims_no_trend(void **state)
{
    (void)state;
    size_t counts[TREND_CLASS_COUNT];
    const simulation one = {.seeds = 1, .last_seeds = 1, .examples = 300, .easy = .5};
    const simulation noisy = {.seeds = 3, .last_seeds = 1, .examples = 400, .easy = .8, .between = .01};
    count_classes(&one, 200, counts);
    print_message("300 examples, one seed: %zu flat, %zu unclear, %zu claims\n", counts[TREND_FLAT], counts[TREND_UNCLEAR], claims(counts));
    assert_true(claims(counts) <= 10);
    count_classes(&noisy, 200, counts);
    print_message("seeds that differ: %zu flat, %zu unclear, %zu claims\n", counts[TREND_FLAT], counts[TREND_UNCLEAR], claims(counts));
    assert_true(claims(counts) <= 10);
}

static void planted_trends_are_found(void **state)
{
    (void)state;
    static const double up[SIZES] = {-.10, -.06, 0, .05, .08}, down[SIZES] = {.10, .06, 0, -.05, -.08},
                        valley[SIZES] = {.12, 0, -.08, 0, .10}, hill[SIZES] = {-.12, 0, .08, 0, -.10};
    static const struct {
        const double *shift;
        trend_class class;
    } cases[] = {{up, TREND_STANDARD}, {down, TREND_INVERSE}, {valley, TREND_U_SHAPED}, {hill, TREND_INVERTED_U}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        size_t counts[TREND_CLASS_COUNT];
        const simulation s = {.seeds = 3, .last_seeds = 1, .examples = 400, .easy = .5, .between = .005, .shift = cases[c].shift};
        count_classes(&s, 20, counts);
        if (counts[cases[c].class] < 19)
            fail_msg("%s: found in %zu of 20", trend_word(cases[c].class), counts[cases[c].class]);
    }
}

/* Whole clusters are drawn: with examples that all come in copies of ten the limits are as wide as for a tenth of them. */
static void clusters_widen_the_limits(void **state)
{
    (void)state;
    enum { GROUPS = 60, COPIES = 10 };
    arena *a = arena_new(NULL);
    double *few = ARENA_ARRAY(a, double, SIZES * GROUPS), *many = ARENA_ARRAY(a, double, SIZES * GROUPS * COPIES);
    size_t *clusters = ARENA_ARRAY(a, size_t, GROUPS * COPIES);
    random_stream r = random_stream_at(3, "trend/clusters", 0, 0, 0, 0);
    for (size_t k = 0; k < SIZES; k++)
        for (size_t i = 0; i < GROUPS; i++) {
            few[k * GROUPS + i] = random_uniform(&r) < .5;
            for (size_t c = 0; c < COPIES; c++) {
                many[k * GROUPS * COPIES + i * COPIES + c] = few[k * GROUPS + i];
                clusters[i * COPIES + c] = i;
            }
        }
    trend_data d = {.sizes = sizes, .models = SIZES, .scores = few, .examples = GROUPS, .baseline = NAN, .seed = 1, .purpose = "test"};
    trend plain = must_find(a, &d);
    d.scores = many;
    d.examples = GROUPS * COPIES;
    trend blind = must_find(a, &d);
    d.clusters = clusters;
    trend grouped = must_find(a, &d);
    double width = plain.slope_limits.high - plain.slope_limits.low;
    NEAR((grouped.slope_limits.high - grouped.slope_limits.low) / width, 1, .05);
    assert_true((blind.slope_limits.high - blind.slope_limits.low) / width < .5);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_falling_line_is_inverse),
        cmocka_unit_test(a_valley_is_u_shaped),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(short_series_are_not_classed),
        cmocka_unit_test(what_is_no_data_is_refused),
        cmocka_unit_test(a_null_ladder_is_flat),
        cmocka_unit_test(a_small_null_ladder_claims_no_trend),
        cmocka_unit_test(planted_trends_are_found),
        cmocka_unit_test(clusters_widen_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
