/* Every allocation of the new statistics and solvers may fail, once: the answer is then "out of memory", and nothing is read or lost. */
#include "core/arena.h"
#include "solve/dense.h"
#include "solve/krylov.h"
#include "solve/lbfgs.h"
#include "stats/agreement.h"
#include "stats/elo.h"
#include "stats/forecast.h"
#include "stats/logit.h"
#include "stats/permutation.h"
#include "stats/power_law.h"
#include "stats/rank.h"
#include "stats/ratings.h"
#include "stats/roc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { N = 12 };

static const double x[N] = {1, 5, 2, 8, 3, 9, 4, 7, 6, 2, 11, 3}, y[N] = {2, 4, 1, 9, 5, 7, 4, 8, 3, 3, 12, 1};
static const bool kind[N] = {false, true, false, true, true, true, false, false, true, false, true, false};
static const game games[] = {{0, 1, 1}, {1, 2, 1}, {2, 0, 1}, {0, 2, .5}};

static status do_correlations(arena *a, error *err)
{
    rank_correlation c;
    (void)a;
    TRY(spearman(x, y, N, &c, err));
    return kendall(x, y, N, &c, err);
}

static status do_roc(arena *a, error *err)
{
    roc_area area;
    roc_difference d;
    (void)a;
    TRY(roc_area_of(x, kind, N, .95, &area, err));
    return roc_compare(x, y, kind, N, .95, &d, err);
}

static status do_permutation(arena *a, error *err)
{
    permutation_result r;
    (void)a;
    return permutation_two(x, N, y, N, &(permutation_options){.purpose = "test", .draws = 9}, &r, err);
}

static status do_agreement(arena *a, error *err)
{
    agreement r;
    (void)a;
    return krippendorff_alpha(&(agreement_data){x, 2, N / 2, AGREEMENT_ORDINAL}, &r, err);
}

static status do_isotonic(arena *a, error *err)
{
    isotonic m;
    return isotonic_fit(a, x, y, NULL, N, &m, err);
}

static status do_logit(arena *a, error *err)
{
    logit_result r;
    return logit_fit(a, &(logit_data){N, 1, x, kind, true}, &r, err);
}

static status do_ratings(arena *a, error *err)
{
    ratings r;
    double points[3];
    interval limits[3];
    TRY(bradley_terry_fit(a, games, COUNT_OF(games), 3, NULL, &r, err));
    return elo_limits(games, COUNT_OF(games), 3, &(elo_options){.purpose = "test", .resamples = 5}, points, limits, err);
}

static status do_power_laws(arena *a, error *err)
{
    power_law p;
    power_floor f;
    (void)a;
    TRY(power_law_fit(x, y, N, &p, err));
    return power_floor_fit(x, y, N, &(power_floor_options){.purpose = "test", .resamples = 1}, &f, err);
}

static status do_solvers(arena *a, error *err)
{
    double m[] = {2, 1, 1, 3}, copy[] = {2, 1, 1, 3}, b[] = {1, 2}, out[2];
    krylov_report r;
    linear_map map = {2, dense_product, &(dense_matrix){2, m}};
    (void)a;
    TRY(krylov_cg(&map, b, out, NULL, &r, err));
    TRY(krylov_minres(&map, b, out, NULL, &r, err));
    TRY(krylov_neumann(&map, b, .1, 5, out, NULL, err));
    TRY(dense_least_squares(2, 2, copy, b, -1, out, NULL, err));
    return dense_solve(2, m, 1, b, err);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        status (*work)(arena *a, error *err);
    } works[] = {{"correlations", do_correlations}, {"roc", do_roc},     {"permutation", do_permutation}, {"agreement", do_agreement},
                 {"isotonic", do_isotonic},         {"logit", do_logit}, {"ratings", do_ratings},         {"power laws", do_power_laws},
                 {"solvers", do_solvers}};
    for (size_t w = 0; w < COUNT_OF(works); w++) {
        size_t failed = 0;
        for (unsigned long n = 1; n < 2000; n++) {
            arena *a = arena_new(NULL);
            error err = {0};
            memory_fail_at(n);
            status s = works[w].work(a, &err);
            unsigned long made = memory_count();
            memory_fail_at(0);
            arena_free(a);
            if (made < n) { /* it was never reached */
                if (s != STATUS_OK)
                    fail_msg("%s: %s", works[w].name, err.message);
                break;
            }
            if (s != STATUS_MEMORY)
                fail_msg("%s: allocation %lu failed, found '%s' (%s)", works[w].name, n, status_word(s), err.message);
            failed++;
        }
        if (failed == 0)
            fail_msg("%s: no allocation was made to fail", works[w].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
