/* Bradley-Terry and Elo: two players in closed form, Agresti's baseball teams, and players who cannot be compared. */
#include "stats/elo.h"
#include "stats/ratings.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "near.h"

static void two_players(void **state)
{
    (void)state; /* 30 won, 10 lost: log 3, error sqrt(1/30 + 1/10); each stands half of the gap from the mean */
    game games[40];
    arena *a = arena_new(NULL);
    ratings r;
    for (size_t i = 0; i < 40; i++)
        games[i] = (game){0, 1, i < 30};
    assert_int_equal(bradley_terry_fit(a, games, 40, 2, NULL, &r, NULL), STATUS_OK);
    assert_int_equal(r.groups, 1);
    NEAR(r.strength[0], log(3) / 2, 1e-9);
    NEAR(r.strength[1], -log(3) / 2, 1e-9);
    rating_gap g = rating_difference(&r, 0, 1, .95);
    NEAR(g.gap, log(3), 1e-9);
    NEAR(g.error, sqrt(1. / 30 + 1. / 10), 1e-9);
    NEAR(g.limits.high, log(3) + 1.959963985 * sqrt(4. / 30), 1e-8);
    NEAR(g.chance, .75, 1e-9);
    NEAR(r.error[0], g.error / 2, 1e-9);
    NEAR(r.log_likelihood, 30 * log(.75) + 10 * log(.25), 1e-9);
    /* Draws are half a win of each. */
    for (size_t i = 0; i < 4; i++)
        games[i] = (game){0, 1, i < 2 ? 1 : .5};
    assert_int_equal(bradley_terry_fit(a, games, 4, 2, NULL, &r, NULL), STATUS_OK);
    NEAR(rating_difference(&r, 0, 1, .95).gap, log(3), 1e-9);
    arena_free(a);
}

/* Seven baseball teams, 1987, thirteen games of each two (Agresti, Categorical Data Analysis, 2002, table 10.10): estimates against
 * Baltimore 1.58, 1.44, 1.29, 1.25, 1.11, .68, errors .34 and .33; more digits by statsmodels. */
static const int won[7][7] = {{0, 7, 9, 7, 7, 9, 11}, {6, 0, 7, 5, 11, 9, 9}, {4, 6, 0, 7, 7, 8, 12}, {6, 8, 6, 0, 6, 7, 10},
                              {6, 2, 6, 7, 0, 7, 12}, {4, 4, 5, 6, 6, 0, 6},  {2, 4, 1, 3, 1, 7, 0}};

static size_t season(game *games)
{
    size_t count = 0;
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++)
            for (int k = 0; k < won[i][j]; k++)
                games[count++] = (game){i, j, 1};
    return count;
}

static void baseball(void **state)
{
    (void)state;
    static const double value[] = {1.58135588, 1.43640843, 1.29448512, 1.24761785, 1.10769771, .68385277};
    static const double sem[] = {.34325593, .33956846, .33666936, .33586088, .33387816, .33187663};
    game games[273];
    arena *a = arena_new(NULL);
    ratings r;
    size_t count = season(games);
    assert_int_equal(count, 273);
    assert_int_equal(bradley_terry_fit(a, games, count, 7, NULL, &r, NULL), STATUS_OK);
    double sum = 0;
    for (size_t i = 0; i < 6; i++) {
        rating_gap g = rating_difference(&r, i, 6, .95);
        NEAR(g.gap, value[i], 1e-7);
        NEAR(g.error, sem[i], 1e-7);
    }
    for (size_t i = 0; i < 7; i++) {
        double row = 0;
        sum += r.strength[i];
        for (size_t j = 0; j < 7; j++)
            row += r.covariance[i * 7 + j];
        NEAR(row, 0, 1e-12); /* the mean of all is known: it is 0 */
    }
    NEAR(sum, 0, 1e-12);
    /* A wide prior changes little, a narrow one shrinks. */
    ratings wide, narrow;
    assert_int_equal(bradley_terry_fit(a, games, count, 7, &(rating_options){.spread = 100}, &wide, NULL), STATUS_OK);
    NEAR(rating_difference(&wide, 0, 6, .95).gap, value[0], 1e-3);
    assert_int_equal(bradley_terry_fit(a, games, count, 7, &(rating_options){.spread = .1}, &narrow, NULL), STATUS_OK);
    assert_true(rating_difference(&narrow, 0, 6, .95).gap < .6);
    arena_free(a);
}

static void limits_cover(void **state)
{
    (void)state; /* four players, 40 games each two: their gap lies within the limits in about 95 % of seasons */
    static const double truth[] = {1, .3, -.2, -1.1};
    size_t inside = 0;
    arena *a = arena_new(NULL);
    for (uint64_t s = 0; s < 300; s++) {
        game games[240];
        size_t count = 0;
        ratings r;
        random_stream draw = random_stream_at(3, "test/ratings", s, 0, 0, 0);
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < i; j++)
                for (int k = 0; k < 40; k++)
                    games[count++] = (game){i, j, random_uniform(&draw) < 1 / (1 + exp(truth[j] - truth[i]))};
        assert_int_equal(bradley_terry_fit(a, games, count, 4, NULL, &r, NULL), STATUS_OK);
        rating_gap g = rating_difference(&r, 0, 3, .95);
        inside += g.limits.low <= 2.1 && 2.1 <= g.limits.high;
        arena_reset(a);
    }
    assert_in_range(inside, 272, 297);
    arena_free(a);
}

static void players_who_cannot_be_compared(void **state)
{
    (void)state;
    static const char *const names[] = {"ada", "bo", "cy", "di", "ed", "flo"};
    /* ada, bo and cy beat each other in a circle; di lost to ada and cy; ed and flo only met each other. */
    const game games[] = {{0, 1, 1}, {1, 2, 1}, {2, 0, 1}, {0, 3, 1}, {2, 3, 1}, {4, 5, 1}, {5, 4, 1}};
    arena *a = arena_new(NULL);
    ratings r;
    strbuf words = strbuf_new(a, 4096), more = strbuf_new(a, 4096);
    assert_int_equal(bradley_terry_fit(a, games, 7, 6, NULL, &r, NULL), STATUS_OK);
    assert_int_equal(r.groups, 3);
    static const size_t groups[] = {0, 0, 0, 2, 1, 1};
    assert_memory_equal(r.group, groups, sizeof groups);
    for (size_t i = 0; i < 3; i++)
        NEAR(r.strength[i], 0, 1e-9);
    assert_true(isnan(r.strength[3]) && isnan(r.limits[3].low));
    assert_true(isnan(rating_difference(&r, 0, 4, .95).gap) && isnan(rating_difference(&r, 0, 4, .95).chance));
    NEAR(rating_difference(&r, 4, 5, .95).chance, .5, 1e-9);
    ratings_explain(&r, names, &words);
    assert_string_equal(words.text, "ed, flo: never met the others\n"
                                             "di: lost every game against the others, so that no finite gap explains it\n");
    /* With a prior whoever is tied by games at all has a finite place. */
    assert_int_equal(bradley_terry_fit(a, games, 7, 6, &(rating_options){.spread = 1}, &r, NULL), STATUS_OK);
    assert_int_equal(r.groups, 2);
    assert_true(r.strength[3] < -.3 && rating_difference(&r, 0, 3, .95).chance > .5);
    /* Who beat one and lost to another only. */
    const game chain[] = {{0, 1, 1}, {1, 2, 1}};
    assert_int_equal(bradley_terry_fit(a, chain, 2, 3, NULL, &r, NULL), STATUS_OK);
    assert_int_equal(r.groups, 3);
    ratings_explain(&r, names, &more);
    assert_non_null(strstr(more.text, "bo: won every game against some of the others and lost every one against the rest"));
    arena_free(a);
}

/* Many players in one long chain: no recursion to run out of. */
static void a_long_chain(void **state)
{
    (void)state;
    enum { N = 2000 };
    arena *a = arena_new(NULL);
    game *games = ARENA_ARRAY(a, game, N);
    ratings r;
    for (size_t i = 0; i + 1 < N; i++)
        games[i] = (game){i, i + 1, 1};
    assert_int_equal(bradley_terry_fit(a, games, N - 1, N, NULL, &r, NULL), STATUS_OK);
    assert_int_equal(r.groups, N);
    arena_free(a);
}

static void bad_input(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    ratings r;
    error err = {0};
    assert_int_equal(bradley_terry_fit(a, NULL, 0, 3, NULL, &r, &err), STATUS_INVALID);
    assert_int_equal(bradley_terry_fit(a, (game[]){{0, 0, 1}}, 1, 2, NULL, &r, &err), STATUS_INVALID);
    assert_int_equal(bradley_terry_fit(a, (game[]){{0, 2, 1}}, 1, 2, NULL, &r, &err), STATUS_INVALID);
    assert_int_equal(bradley_terry_fit(a, (game[]){{0, 1, NAN}}, 1, 2, NULL, &r, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "game 1"));
    assert_int_equal(bradley_terry_fit(a, (game[]){{0, 1, 1}}, 1, 2, &(rating_options){.spread = NAN}, &r, &err), STATUS_INVALID);
    double points[2];
    assert_int_equal(elo_run((game[]){{0, 1, 2}}, 1, 2, &(elo_options){0}, points, &err), STATUS_INVALID);
    arena_free(a);
}

/* 1613 against 1609, 1477, 1388, 1586, 1720: the expectations of the worked example that encyclopaedias print, .51, .69, .79, .54, .35. */
static void elos_rule(void **state)
{
    (void)state;
    static const double others[] = {1609, 1477, 1388, 1586, 1720}, expected[] = {.506, .686, .785, .539, .351};
    for (size_t i = 0; i < 5; i++)
        NEAR(elo_expected(1613, others[i]), expected[i], 5e-4);
    NEAR(RATINGS_ELO * log(10), 400, 1e-9);
    double points[2];
    const game games[] = {{0, 1, 1}, {0, 1, .5}};
    assert_int_equal(elo_run(games, 2, 2, &(elo_options){0}, points, NULL), STATUS_OK);
    double after = 1516, back = 32 * (.5 - 1 / (1 + pow(10, -32. / 400)));
    NEAR(points[0], after + back, 1e-9);
    NEAR(points[0] + points[1], 3000, 1e-9);
    /* Over orders and resamples the stronger team stays ahead; the gap is about that of the fit. */
    game all[273];
    double mean[7];
    interval limits[7];
    size_t count = season(all);
    elo_options o = {.k = 4, .seed = 1, .purpose = "test"};
    assert_int_equal(elo_limits(all, count, 7, &o, mean, limits, NULL), STATUS_OK);
    assert_true(mean[0] > mean[5] && mean[5] > mean[6] && limits[0].low > limits[6].high);
    for (size_t i = 0; i < 7; i++)
        assert_true(limits[i].low < mean[i] && mean[i] < limits[i].high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_players), cmocka_unit_test(baseball), cmocka_unit_test(limits_cover),
        cmocka_unit_test(players_who_cannot_be_compared), cmocka_unit_test(a_long_chain), cmocka_unit_test(bad_input),
        cmocka_unit_test(elos_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
