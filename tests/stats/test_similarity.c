/* Similarity of distributions, effects in tables with gaps, mixtures: against figures by hand (global_opinions.md, section 7). */
#include "stats/mixture.h"
#include "stats/similarity.h"
#include "stats/two_way.h"

#include "near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void similarities_as_by_hand(void **state)
{
    (void)state;
    static const struct {
        double p[4], q[4];
        size_t count;
        double divergence, similarity;
    } cases[] = {
        {{1, 0}, {0, 1}, 2, 1, 0},
        {{.3, .7}, {.3, .7}, 2, 0, 1},
        {{.5, .5}, {1, 0}, 2, .311278, .442077},
        {{.7, .2, .1}, {.4, .4, .2}, 3, .066654, .741826},
        {{.9, .1}, {.6, .4}, 2, NAN, .697833},
        {{.6, .4}, {.5, .5}, 2, NAN, .914565},
        {{.25, .25, .25, .25}, {1, 0, 0, 0}, 4, NAN, .259193},
        {{.65, .35}, {.8, .2}, 2, NAN, .856647},
        {{.65, .35}, {.2, .8}, 2, NAN, .605399},
        {{.5, .5}, {.8, .2}, 2, NAN, .729622},
        {{.54, .46}, {.9, .1}, 2, NAN, .648911}, /* a nation without weight is the nearest */
        {{.54, .46}, {.1, .9}, 2, NAN, .585037},
        {{.54, .46}, {.5, .5}, 2, NAN, .965995},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        NEAR(similarity(cases[i].p, cases[i].q, cases[i].count), cases[i].similarity, 5e-7);
        NEAR(similarity(cases[i].q, cases[i].p, cases[i].count), cases[i].similarity, 5e-7);
        if (!isnan(cases[i].divergence))
            NEAR(divergence_js(cases[i].p, cases[i].q, cases[i].count), cases[i].divergence, 5e-7);
    }
    NEAR(1 - similarity_natural((double[]){.5, .5}, (double[]){1, 0}, 2), .464501, 5e-7);
    NEAR(1 - similarity_natural((double[]){0, 1}, (double[]){1, 0}, 2), .832555, 5e-7);
    NEAR(similarity((double[]){.1, .7, .2}, (double[]){.2, .4, .4}, 3), .741826, 5e-7); /* options in another order */
    NEAR(wasserstein_steps((double[]){1, 0, 0}, (double[]){0, 0, 1}, 3), 1, 1e-12);
    NEAR(wasserstein_steps((double[]){.5, .5, 0}, (double[]){0, .5, .5}, 3), .5, 1e-12);
    NEAR(entropy_ratio((double[]){.25, .25, .25, .25}, 4), 1, 1e-12);
    NEAR(entropy_ratio((double[]){1, 0}, 2), 0, 1e-12);
}

static void shares_are_made_to_sum_to_one_or_refused(void **state)
{
    (void)state;
    double per_cent[] = {50, 30, 20}, nothing[] = {0, 0}, negative[] = {2, -1}, none[] = {NAN, 1};
    assert_true(shares_normalise(per_cent, 3));
    NEAR(per_cent[1], .3, 1e-12);
    assert_false(shares_normalise(nothing, 2));
    assert_false(shares_normalise(negative, 2));
    assert_false(shares_normalise(none, 2));
}

static void draws_cost_similarity(void **state)
{
    (void)state;
    const double even[] = {.5, .5}, three[] = {.5, .3, .2};
    NEAR(similarity_of_draws(even, even, 2, 100, 0, NULL), .966101, 5e-7);
    /* Simulated and exact agree: a third option that nobody takes leaves the two. */
    const double padded[] = {.5, .5, 0};
    random_stream r = random_stream_at(1, "test", 0, 0, 0, 0);
    NEAR(similarity_of_draws(padded, padded, 3, 100, 4000, &r), .966101, 2e-3);
    assert_true(similarity_of_draws(three, three, 3, 10, 500, &r) < similarity_of_draws(three, three, 3, 1000, 500, &r));
    assert_true(isnan(similarity_of_draws(three, three, 3, 0, 10, &r)));
    double drawn[3];
    shares_draw(three, 3, 20000, &r, drawn);
    NEAR(drawn[0], .5, .02);
    NEAR(drawn[0] + drawn[1] + drawn[2], 1, 1e-9);
}

/* ---- effects ---- */

static void effects_of_columns_need_shared_rows(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    two_way *t;
    error err = {0};
    double effects[3], levels[3];
    const two_way_cell turned[] = {{0, 0, .9}, {1, 0, .5}, {0, 1, .8}};
    assert_int_equal(two_way_new(a, turned, 3, 2, 3, &t, &err), STATUS_OK);
    two_way_fit(t, NULL, effects, levels);
    NEAR(effects[1] - effects[0], -.1, 1e-12);      /* the plain means are .7 and .8: the order turns */
    NEAR(2 * effects[0] + effects[1], 0, 1e-12);
    NEAR(levels[0], 2.2 / 3, 1e-12);
    assert_true(isnan(effects[2]));
    assert_true(two_way_block(t, 2) == SIZE_MAX);
    two_way_fit(t, (const double[]){0, 1}, effects, levels); /* without the shared row nothing is compared */
    NEAR(effects[0], 0, 1e-12);
    assert_true(isnan(effects[1]));
    /* Two blocks, the larger one first. */
    const two_way_cell apart[] = {{0, 0, .1}, {1, 1, .2}, {1, 2, .4}};
    assert_int_equal(two_way_new(a, apart, 3, 2, 3, &t, &err), STATUS_OK);
    two_way_fit(t, NULL, effects, levels);
    assert_int_equal(two_way_block(t, 1), 0);
    assert_int_equal(two_way_block(t, 2), 0);
    assert_int_equal(two_way_block(t, 0), 1);
    NEAR(effects[2] - effects[1], .2, 1e-12);
    NEAR(levels[0], .1, 1e-12);
    assert_int_equal(two_way_new(a, (const two_way_cell[]){{0, 3, 1}}, 1, 1, 3, &t, &err), STATUS_INVALID);
    arena_free(a);
}

/* Values that are sums of effects are found again, whatever is missing, and whole weights equal repeated rows. */
static void effects_are_recovered(void **state)
{
    (void)state;
    enum { ROWS = 40, COLUMNS = 7 };
    arena *a = arena_new(NULL);
    random_stream r = random_stream_at(3, "test", 0, 0, 0, 0);
    two_way_cell cells[ROWS * COLUMNS], twice[2 * ROWS * COLUMNS];
    double column[COLUMNS], weights[ROWS], effects[COLUMNS], again[COLUMNS], levels[COLUMNS];
    size_t count = 0, more = 0;
    two_way *t;
    error err = {0};
    for (size_t c = 0; c < COLUMNS; c++)
        column[c] = random_normal(&r);
    for (size_t q = 0; q < ROWS; q++) {
        double row = random_normal(&r);
        weights[q] = q % 2 ? 2 : 1;
        for (size_t c = 0; c < COLUMNS; c++)
            if (random_uniform(&r) < .4)
                cells[count++] = (two_way_cell){q, c, row + column[c]};
    }
    assert_int_equal(two_way_new(a, cells, count, ROWS, COLUMNS, &t, &err), STATUS_OK);
    two_way_fit(t, NULL, effects, levels);
    for (size_t c = 1; c < COLUMNS; c++)
        NEAR(effects[c] - effects[0], column[c] - column[0], 1e-10);
    for (size_t i = 0; i < count; i++) { /* noise, so that weights matter */
        cells[i].value += random_normal(&r);
        twice[more++] = cells[i];
        if (cells[i].row % 2)
            twice[more++] = (two_way_cell){ROWS + cells[i].row, cells[i].column, cells[i].value};
    }
    assert_int_equal(two_way_new(a, cells, count, ROWS, COLUMNS, &t, &err), STATUS_OK);
    two_way_fit(t, weights, effects, levels);
    assert_int_equal(two_way_new(a, twice, more, 2 * ROWS, COLUMNS, &t, &err), STATUS_OK);
    two_way_fit(t, NULL, again, NULL);
    for (size_t c = 0; c < COLUMNS; c++)
        NEAR(effects[c], again[c], 1e-10);
    /* Other values under the same weights: what a new table of them gives. */
    double values[2 * ROWS * COLUMNS];
    for (size_t i = 0; i < more; i++)
        values[i] = twice[i].value = random_normal(&r);
    two_way_set(t, values);
    two_way_again(t, again, levels);
    assert_int_equal(two_way_new(a, twice, more, 2 * ROWS, COLUMNS, &t, &err), STATUS_OK);
    two_way_fit(t, NULL, effects, NULL);
    for (size_t c = 0; c < COLUMNS; c++)
        NEAR(effects[c], again[c], 1e-12);
    arena_free(a);
}

/* ---- mixtures ---- */

static void a_mixture_has_its_closed_form(void **state)
{
    (void)state;
    mixture_fit_report report;
    double w[3];
    /* Nothing in common: the shares themselves. */
    const double first[] = {1, 0, 0}, second[] = {0, .5, .5}, measured[] = {.3, .5, .2}, *apart[] = {first, second};
    mixture_fit(measured, apart, 2, 3, NULL, 0, w, &report);
    NEAR(w[0], .3, 1e-9);
    NEAR(w[1], .7, 1e-9);
    NEAR(report.divergence, .5 * log(.5 / .35) + .2 * log(.2 / .35), 1e-9);
    NEAR(mixture_condition(apart, 2, 3), sqrt(2), 1e-9);
    /* Two options: the mix must give .54, so w .9 + (1 - w) .1 = .54. */
    const double a[] = {.9, .1}, b[] = {.1, .9}, mix[] = {.54, .46}, *two[] = {a, b};
    mixture_fit(mix, two, 2, 2, NULL, 0, w, &report);
    NEAR(w[0], .55, 1e-7);
    NEAR(report.divergence, 0, 1e-9);
    /* Outside of what can be mixed: the nearest corner. */
    mixture_fit((const double[]){.95, .05}, two, 2, 2, NULL, 0, w, &report);
    NEAR(w[0], 1, 1e-6);
    /* What no part has is left out, and said. */
    const double only[] = {1, 0}, *one[] = {only};
    mixture_fit((const double[]){.25, .75}, one, 1, 2, NULL, 0, w, &report);
    NEAR(w[0], 1, 1e-12);
    NEAR(report.missing, .75, 1e-12);
    mixture_fit((const double[]){0, 1}, one, 1, 2, NULL, 0, w, &report);
    assert_true(isnan(w[0]));
    /* Equal parts cannot be told apart. */
    const double *same[] = {a, a};
    assert_true(isinf(mixture_condition(same, 2, 2)));
}

/* Ten parts over 120 questions, as nations are: what was mixed is found to the last digits, parts that have no share and stand in the
 * middle of the others included, and any start leads there. */
static void exact_mixes_are_found_exactly(void **state)
{
    (void)state;
    enum { PARTS = 10, QUESTIONS = 120, OPTIONS = 4, CELLS = QUESTIONS * OPTIONS };
    static double part[PARTS][CELLS], mixed[CELLS];
    const double *parts[PARTS];
    random_stream r = random_stream_at(5, "test", 0, 0, 0, 0);
    for (size_t c = 0; c < PARTS; c++) {
        parts[c] = part[c];
        for (size_t i = 0; i < CELLS; i++) {
            part[c][i] = exp(1.5 * random_normal(&r));
            for (size_t e = 0; c == PARTS - 1 && e < c; e++) /* the last one: the geometric mean of the others */
                part[c][i] = (e ? part[c][i] : 1) * pow(part[e][i], 1. / (PARTS - 1));
        }
    }
    for (size_t c = 0; c < PARTS; c++)
        for (size_t q = 0; q < QUESTIONS; q++)
            shares_normalise(part[c] + q * OPTIONS, OPTIONS);
    static const double planted[][PARTS] = {{.1, .3, .225, .15, .15, .075}, {.7, .1, .075, .05, .05, .025}, {0, 0, 0, .25, 0, 0, 0, 0, 0, .75},
                                            {.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, {0, 0, 1}};
    for (size_t k = 0; k < sizeof planted / sizeof planted[0]; k++) {
        double weights[PARTS];
        mixture_fit_report report;
        for (size_t i = 0; i < CELLS; i++) {
            mixed[i] = 0;
            for (size_t c = 0; c < PARTS; c++)
                mixed[i] += planted[k][c] * part[c][i];
        }
        const double skewed[PARTS] = {1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1}, *const starts[] = {NULL, skewed};
        for (size_t s = 0; s < 2; s++) {
            mixture_fit(mixed, parts, PARTS, CELLS, starts[s], 0, weights, &report);
            for (size_t c = 0; c < PARTS; c++)
                NEAR(weights[c], planted[k][c], 1e-5);
            NEAR(report.divergence, 0, 1e-8);
            assert_true(report.steps < 50);
        }
    }
    /* A part without a share at the start stays so; equal parts share what is theirs. */
    double weights[PARTS], sum = 0;
    const double without[PARTS] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    mixture_fit(part[0], parts, PARTS, CELLS, without, 0, weights, NULL);
    NEAR(weights[0], 0, 0);
    for (size_t c = 0; c < PARTS; c++)
        sum += weights[c];
    NEAR(sum, 1, 1e-12);
    const double *twins[] = {part[0], part[0], part[1]};
    for (size_t i = 0; i < CELLS; i++)
        mixed[i] = .4 * part[0][i] + .6 * part[1][i];
    mixture_fit(mixed, twins, 3, CELLS, NULL, 0, weights, NULL);
    NEAR(weights[0] + weights[1], .4, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(similarities_as_by_hand),
        cmocka_unit_test(shares_are_made_to_sum_to_one_or_refused),
        cmocka_unit_test(draws_cost_similarity),
        cmocka_unit_test(effects_of_columns_need_shared_rows),
        cmocka_unit_test(effects_are_recovered),
        cmocka_unit_test(a_mixture_has_its_closed_form),
        cmocka_unit_test(exact_mixes_are_found_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
