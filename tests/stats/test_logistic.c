/* Hamiltonian Monte Carlo, what chains are worth, and Bayesian logistic regression on comparisons. */
#include "stats/chains.h"
#include "stats/hmc.h"
#include "stats/logistic.h"

#include "core/random.h"
#include "near.h"
#include "stats/distribution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* ---- chains ---- */

enum { DRAWS = 1000 };

/* Four first-order autoregressions with variance 1; the last may be shifted or stretched. */
static void autoregress(double rho, double shift, double stretch, double *values)
{
    for (size_t c = 0; c < 4; c++) {
        random_stream r = random_stream_at(3, "test/chains", c, 0, 0, 0);
        double x = random_normal(&r);
        for (size_t i = 0; i < DRAWS; i++) {
            x = rho * x + sqrt(1 - rho * rho) * random_normal(&r);
            values[c * DRAWS + i] = c == 3 ? stretch * x + shift : x;
        }
    }
}

static chains_diagnosis diagnose(double rho, double shift, double stretch)
{
    static double values[4 * DRAWS];
    chains_diagnosis d;
    autoregress(rho, shift, stretch, values);
    assert_int_equal(chains_diagnose(&(chains){4, DRAWS, 1, values}, 0, &d, NULL), STATUS_OK);
    return d;
}

static void autocorrelated_draws_are_worth_less(void **state)
{
    (void)state;
    chains_diagnosis d = diagnose(0, 0, 1);
    NEAR(d.ess / 4000, 1, .1);
    NEAR(d.r_hat, 1, .003);
    NEAR(diagnose(.5, 0, 1).ess / 4000, 1. / 3, .05);
    NEAR(diagnose(.9, 0, 1).ess / 4000, .1 / 1.9, .012);
}

static void chains_that_disagree_are_seen(void **state)
{
    (void)state;
    assert_true(diagnose(0, 1, 1).r_hat > 1.05);
    assert_true(diagnose(0, 0, 2).r_hat > 1.03); /* the same centre, another width: only the folded ranks show it */
    assert_true(diagnose(0, 3, 1).ess < 100);
}

/* Against ArviZ 0.23.4 (rhat and ess, method "rank" and "bulk") on the same numbers. */
static void as_arviz_has_it(void **state)
{
    (void)state;
    double values[3 * 100];
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 100; i++)
            values[c * 100 + i] = sin(.7 * (double)(i * i) + (double)c) + .5 * sin(.2 * (double)i + (double)c);
    chains_diagnosis d;
    assert_int_equal(chains_diagnose(&(chains){3, 100, 1, values}, 0, &d, NULL), STATUS_OK);
    NEAR(d.r_hat, 1.000118276575054, 1e-9);
    NEAR(d.ess, 134.34849473126584, 1e-6);
}

static void few_draws_are_refused(void **state)
{
    (void)state;
    double values[14] = {0};
    chains_diagnosis d;
    assert_int_equal(chains_diagnose(&(chains){2, 7, 1, values}, 0, &d, NULL), STATUS_INVALID);
    double still[16] = {0}; /* nothing moves: nothing can be said */
    assert_int_equal(chains_diagnose(&(chains){2, 8, 1, still}, 0, &d, NULL), STATUS_OK);
    assert_true(isnan(d.r_hat) && isnan(d.ess));
    still[3] = NAN;
    assert_int_equal(chains_diagnose(&(chains){2, 8, 1, still}, 0, &d, NULL), STATUS_INVALID);
}

/* ---- the sampler ---- */

/* Normal with deviations 1 and 20 and correlation .9, and a Laplace of scale .5 beside it. */
static double slanted(const void *context, const double *x, double *gradient)
{
    (void)context;
    double u = x[0], v = x[1] / 20, f = 1 / (1 - .81);
    gradient[0] = -f * (u - .9 * v);
    gradient[1] = -f * (v - .9 * u) / 20;
    gradient[2] = x[2] > 0 ? -2 : 2;
    return -f / 2 * (u * u - 1.8 * u * v + v * v) - 2 * fabs(x[2]);
}

static void draws_have_the_moments_of_the_density(void **state)
{
    (void)state;
    enum { N = 4 * 4000 };
    double *draws = malloc(N * 3 * sizeof *draws), uu = 0, uv = 0, vv = 0, w = 0, ww = 0;
    hmc_report report;
    assert_non_null(draws);
    hmc_options o = {.seed = 1, .purpose = "test", .draws = 4000};
    assert_int_equal(hmc_draw(slanted, NULL, 3, &o, draws, &report, NULL), STATUS_OK);
    for (size_t i = 0; i < N; i++) {
        const double *x = draws + 3 * i;
        uu += x[0] * x[0] / N;
        uv += x[0] * x[1] / 20 / N;
        vv += x[1] * x[1] / 400 / N;
        w += x[2] / N;
        ww += x[2] * x[2] / N;
    }
    NEAR(uu, 1, .08);
    NEAR(vv, 1, .08);
    NEAR(uv, .9, .08);
    NEAR(w, 0, .03);
    NEAR(ww, .5, .05);
    NEAR(report.acceptance, .8, .12);
    free(draws);
}

static double nowhere(const void *context, const double *x, double *gradient)
{
    (void)context, (void)x;
    gradient[0] = 0;
    return -INFINITY;
}

static void a_density_without_a_place_is_refused(void **state)
{
    (void)state;
    double draws[4];
    hmc_report report;
    hmc_options o = {.seed = 1, .purpose = "test", .chains = 1, .warmup = 1, .draws = 1};
    assert_int_equal(hmc_draw(nowhere, NULL, 1, &o, draws, &report, NULL), STATUS_INVALID);
}

/* ---- regression ---- */

enum { FEATURES = 4 };

typedef struct made {
    logistic_data d;
    double *x;
    bool *chosen;
} made;

/* Features of -1, 0 and 1, the second going with the first a little. */
static made make(size_t pairs, const double *beta, uint64_t seed)
{
    made m = {.x = malloc(pairs * FEATURES * sizeof(double)), .chosen = malloc(pairs)};
    random_stream r = random_stream_at(seed, "test/pairs", 0, 0, 0, 0);
    for (size_t i = 0; i < pairs; i++) {
        double z = 0, *x = m.x + i * FEATURES;
        for (size_t k = 0; k < FEATURES; k++) {
            x[k] = (double)random_below(&r, 3) - 1;
            if (k == 1 && random_uniform(&r) < .3)
                x[1] = -x[0];
            z += beta[k] * x[k];
        }
        m.chosen[i] = random_uniform(&r) < sigmoid(z);
    }
    m.d = (logistic_data){pairs, FEATURES, m.x, m.chosen};
    return m;
}

static void drop(made *m)
{
    free(m->x);
    free(m->chosen);
}

static logistic_posterior fit(arena *a, const made *m, double scale, uint64_t seed, size_t draws)
{
    logistic_posterior p;
    logistic_options o = {.scale = scale, .seed = seed, .purpose = "test", .draws = draws};
    assert_int_equal(logistic_fit(a, &m->d, &o, &p, NULL), STATUS_OK);
    return p;
}

/* 1.96 standard errors to each side, by the information at beta, turned round by elimination. */
static void wald_widths(const made *m, const double *beta, double *widths)
{
    double a[FEATURES][2 * FEATURES] = {0};
    for (size_t i = 0; i < m->d.pairs; i++) {
        const double *x = m->x + i * FEATURES;
        double z = 0;
        for (size_t k = 0; k < FEATURES; k++)
            z += beta[k] * x[k];
        double w = sigmoid(z) * sigmoid(-z);
        for (size_t j = 0; j < FEATURES; j++)
            for (size_t k = 0; k < FEATURES; k++)
                a[j][k] += w * x[j] * x[k];
    }
    for (size_t j = 0; j < FEATURES; j++)
        a[j][FEATURES + j] = 1;
    for (size_t j = 0; j < FEATURES; j++)
        for (size_t i = 0; i < FEATURES; i++) {
            double f = i == j ? 1 - 1 / a[j][j] : a[i][j] / a[j][j];
            for (size_t k = 0; k < 2 * FEATURES; k++)
                a[i][k] -= f * a[j][k];
        }
    for (size_t j = 0; j < FEATURES; j++)
        widths[j] = 2 * 1.959964 * sqrt(a[j][FEATURES + j]);
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void intervals_cover_and_are_no_wider_than_need_be(void **state)
{
    (void)state;
    enum { SETS = 100 };
    const double truth[FEATURES] = {1, .5, -.3, 0};
    size_t covered[FEATURES] = {0};
    double ratios[FEATURES][SETS];
    for (size_t i = 0; i < SETS; i++) {
        arena *a = arena_new(NULL);
        made m = make(1000, truth, i);
        logistic_posterior p = fit(a, &m, 1, i, 0);
        double widths[FEATURES], mean[FEATURES];
        for (size_t k = 0; k < FEATURES; k++)
            mean[k] = p.weights[k].mean;
        wald_widths(&m, mean, widths);
        for (size_t k = 0; k < FEATURES; k++) {
            const logistic_weight *w = &p.weights[k];
            covered[k] += w->low <= truth[k] && truth[k] <= w->high;
            ratios[k][i] = (w->high - w->low) / widths[k];
            assert_true(w->r_hat < 1.01 && w->ess > 400);
        }
        drop(&m);
        arena_free(a);
    }
    for (size_t k = 0; k < FEATURES; k++) {
        qsort(ratios[k], SETS, sizeof(double), by_value);
        print_message("weight %.1f: %zu of 100 cover; median width %.3f of Wald's\n", truth[k], covered[k], ratios[k][SETS / 2]);
        assert_in_range(covered[k], 88, 99);
        assert_true(ratios[k][SETS / 2] <= 1.15 && ratios[k][SETS / 2] > .8);
    }
}

/* Talts et al., arXiv 1804.06788: with truths drawn from the prior, their ranks among independent draws are uniform. */
static void ranks_are_uniform(void **state)
{
    (void)state;
    enum { SETS = 320, KEPT = 31, BINS = 8 };
    const double scale = .5;
    size_t bins[FEATURES][BINS] = {{0}};
    for (size_t i = 0; i < SETS; i++) {
        double truth[FEATURES];
        random_stream r = random_stream_at(9, "test/prior", i, 0, 0, 0);
        for (size_t k = 0; k < FEATURES; k++) {
            double u = random_uniform(&r) - .5;
            truth[k] = (u < 0 ? 1 : -1) * scale * log1p(-2 * fabs(u));
        }
        arena *a = arena_new(NULL);
        made m = make(60, truth, 1000 + i);
        logistic_posterior p;
        logistic_options o = {.scale = scale, .seed = i, .purpose = "test", .chains = 1, .draws = 10 * KEPT};
        assert_int_equal(logistic_fit(a, &m.d, &o, &p, NULL), STATUS_OK);
        for (size_t k = 0; k < FEATURES; k++) {
            size_t rank = 0;
            for (size_t j = 0; j < KEPT; j++) /* every tenth */
                rank += p.values[10 * j * FEATURES + k] < truth[k];
            bins[k][rank * BINS / (KEPT + 1)]++;
        }
        drop(&m);
        arena_free(a);
    }
    for (size_t k = 0; k < FEATURES; k++) {
        double chi = 0, expected = (double)SETS / BINS;
        for (size_t b = 0; b < BINS; b++)
            chi += ((double)bins[k][b] - expected) * ((double)bins[k][b] - expected) / expected;
        print_message("feature %zu: chi-square %.2f, p %.3f\n", k, chi, chi_square_above(chi, BINS - 1));
        assert_true(chi_square_above(chi, BINS - 1) > .01);
    }
}

static void turning_pairs_round_changes_nothing(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const double truth[FEATURES] = {.7, -.2, .4, 0};
    made m = make(300, truth, 4), turned = make(300, truth, 4);
    for (size_t i = 0; i < 300; i++) {
        turned.chosen[i] = !turned.chosen[i];
        for (size_t k = 0; k < FEATURES; k++)
            turned.x[i * FEATURES + k] *= -1;
    }
    logistic_posterior p = fit(a, &m, 1, 1, 200), q = fit(a, &turned, 1, 1, 200);
    assert_memory_equal(p.values, q.values, p.chains * p.draws * FEATURES * sizeof(double));
    drop(&m);
    drop(&turned);
    arena_free(a);
}

static void hand_checks(void **state)
{
    (void)state;
    NEAR(sigmoid(.25), .562177, 1e-6);
    arena *a = arena_new(NULL);
    /* A posterior of one draw at (1, .5): what shows the truth against what agrees. */
    double values[] = {1, .5}, x[] = {1, -1, -1, 1, 0, 0};
    bool chosen[] = {true, false, true};
    logistic_weight weights[2] = {{.mean = 1}, {.mean = .5}};
    logistic_posterior p = {.features = 2, .chains = 1, .draws = 1, .weights = weights, .values = values};
    logistic_data d = {3, 2, x, chosen};
    double score;
    assert_int_equal(logistic_log_score(&p, &d, &score, NULL), STATUS_OK);
    NEAR(score, (2 * log(.622459) + log(.5)) / 3, 1e-6);
    NEAR(logistic_accuracy(&p, &d), 2.5 / 3, 1e-12);
    arena_free(a);
}

static void the_scale_is_chosen_by_what_was_not_seen(void **state)
{
    (void)state;
    const double scales[] = {.01, 2};
    double best, scores[2], narrow = 0;
    const double strong[FEATURES] = {1, -1, .8, 1}, none[FEATURES] = {0};
    logistic_options o = {.seed = 2, .purpose = "test"};
    made m = make(400, strong, 6);
    assert_int_equal(logistic_choose_scale(&m.d, scales, 2, 5, &o, &best, scores, NULL), STATUS_OK);
    assert_true(best == 2 && scores[1] > scores[0]);
    assert_int_equal(logistic_choose_scale(&m.d, scales, 2, 401, &o, &best, NULL, NULL), STATUS_INVALID);
    drop(&m);
    for (uint64_t i = 0; i < 10; i++) { /* where nothing is to be found, a wide prior finds something that is not there */
        m = make(60, none, i);
        assert_int_equal(logistic_choose_scale(&m.d, scales, 2, 5, &o, &best, scores, NULL), STATUS_OK);
        narrow += scores[0] - scores[1];
        drop(&m);
    }
    assert_true(narrow / 10 > .01);
}

static void features_that_go_together_are_named(void **state)
{
    (void)state;
    const double truth[FEATURES] = {0};
    made m = make(2000, truth, 8);
    size_t first, second;
    double r = logistic_confounding(&m.d, &first, &second);
    NEAR(r, .3, .06);
    assert_true(first == 0 && second == 1);
    drop(&m);
}

static void bad_data_are_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    logistic_posterior p;
    error err;
    double x[] = {1, NAN};
    bool chosen[] = {true, false};
    logistic_options o = {.scale = 1, .seed = 1, .purpose = "test"};
    assert_int_equal(logistic_fit(a, &(logistic_data){2, 1, x, chosen}, &o, &p, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "feature 1 of pair 2"));
    assert_int_equal(logistic_fit(a, &(logistic_data){0, 1, x, chosen}, &o, &p, &err), STATUS_INVALID);
    o.scale = 0;
    assert_int_equal(logistic_fit(a, &(logistic_data){1, 1, x, chosen}, &o, &p, &err), STATUS_INVALID);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(autocorrelated_draws_are_worth_less),
        cmocka_unit_test(chains_that_disagree_are_seen),
        cmocka_unit_test(as_arviz_has_it),
        cmocka_unit_test(few_draws_are_refused),
        cmocka_unit_test(draws_have_the_moments_of_the_density),
        cmocka_unit_test(a_density_without_a_place_is_refused),
        cmocka_unit_test(intervals_cover_and_are_no_wider_than_need_be),
        cmocka_unit_test(ranks_are_uniform),
        cmocka_unit_test(turning_pairs_round_changes_nothing),
        cmocka_unit_test(hand_checks),
        cmocka_unit_test(the_scale_is_chosen_by_what_was_not_seen),
        cmocka_unit_test(features_that_go_together_are_named),
        cmocka_unit_test(bad_data_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
