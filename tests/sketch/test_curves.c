/* Ranks and quantiles between what a sketch keeps: curves that rise, keep lines, and step where values are heavy. */
#include "core/random.h"
#include "near.h"
#include "sketch/inside.h"
#include "sketch/sketch.h"
#include "streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

/* Check 9. */
static void curves_rise_and_keep_lines(void **state)
{
    (void)state;
    enum { N = 40000 };
    double *x = stream_make("lognormal", N, 6), *line = stream_make("sorted", N, 1), least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < N; i++) {
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    for (size_t c = 0; c < every_sketch_count; c++) {
        sketch *s = sketch_make(every_sketch[c], 1);
        sketch_update_many(s, x, N, NULL);
        if (every_sketch[c].kind != SKETCH_KLL) {
            assert_true(sketch_rank(s, least, true) * N >= 1 - 1e-9);
            assert_true(sketch_rank(s, most, true) == 1);
        }
        double before = 0, at = 0;
        for (double q = least; q <= most; q *= 1.01) {
            double r = sketch_rank(s, q, true);
            assert_true(r >= before);
            before = r;
        }
        before = -INFINITY;
        for (; at <= 1; at += .001) {
            double v = sketch_quantile(s, at, true);
            assert_true(v >= before && v >= least && v <= most);
            before = v;
        }
        sketch_free(s);
        if (every_sketch[c].kind == SKETCH_KNOTS && every_sketch[c].lower == 0 && every_sketch[c].height == 0 && every_sketch[c].guard == 0) { /* any M */
            s = sketch_make(every_sketch[c], 1);
            sketch_update_many(s, line, N, NULL);
            for (size_t i = 0; i < N; i += 7)
                NEAR(sketch_rank(s, line[i], true), (double)(i + 1) / N, 1e-12);
            sketch_free(s);
        }
    }
    for (unsigned words = SKETCH_LEAST_WORDS; words < 200; words += 8) /* whatever number of knots fits */
        for (int unguarded = 0; unguarded < 2; unguarded++) {
            sketch *s = sketch_make((sketch_options){.kind = SKETCH_KNOTS, .words = words, .unguarded = unguarded}, 1);
            sketch_update_many(s, line, N, NULL);
            /* A guarded sketch may keep a knot so near the exact least value that the half rank of a value alone shows beside it. */
            for (size_t i = 0; i < N; i += 7)
                NEAR(N * sketch_rank(s, line[i], true), (double)(i + 1), unguarded || i > N / 4 ? 1e-8 : .5);
            sketch_free(s);
        }
    memory_free(x);
    memory_free(line);
}

static void cubics_reproduce_lines(void **state)
{
    (void)state;
    curve c = {.cubic = true};
    assert_int_equal(curve_reserve(&c, 6, NULL), STATUS_OK);
    static const double v[] = {1, 2, 4, 4.5, 9, 10};
    for (size_t i = 0; i < 6; i++) {
        c.v[i] = v[i];
        c.low[i] = c.high[i] = 3 * v[i] - 1;
    }
    c.count = 6;
    curve_prepare(&c);
    for (double x = 1.05; x < 10; x += .1)
        NEAR(curve_rank(&c, x, true, 29), 3 * x - 1, 1e-12);
    /* Three knots, by hand. */
    static const double a[] = {0, 1, 3}, b[] = {0, 1, 9};
    for (size_t i = 0; i < 3; i++) {
        c.v[i] = a[i];
        c.low[i] = c.high[i] = b[i];
    }
    c.count = 3;
    curve_prepare(&c);
    /* slopes: ends 0 and 6, inside 9 / (5/1 + 4/4) = 1.5 */
    NEAR(curve_rank(&c, .5, true, 9), .5 + (0 - 1.5) / 8, 1e-12);
    NEAR(curve_rank(&c, 2, true, 9), 5 + 2 * (1.5 - 6) / 8, 1e-12);
    curve_free(&c);
}

/* Check 10. */
static void copies_of_one_value_are_a_step(void **state)
{
    (void)state;
    for (size_t c = 0; c < every_sketch_count; c++)
        for (size_t n = 1; n <= 100000; n *= 10) {
            sketch *s = sketch_make(every_sketch[c], 1);
            double sevens[1000];
            for (size_t i = 0; i < 1000; i++)
                sevens[i] = 7;
            for (size_t left = n; left > 0;) {
                size_t part = left < 1000 ? left : 1000;
                assert_int_equal(sketch_update_many(s, sevens, part, NULL), STATUS_OK);
                left -= part;
            }
            assert_true(sketch_rank(s, 7, true) == 1);
            assert_true(sketch_rank(s, 7, false) == 0);
            assert_true(sketch_rank(s, 6.999, true) == 0);
            assert_true(sketch_rank(s, 7.001, true) == 1);
            assert_true(sketch_quantile(s, .5, true) == 7);
            sketch_free(s);
        }
}

static void heavy_values_among_others_are_steps(void **state)
{
    (void)state;
    enum { N = 60000 };
    double *x = stream_make("normal", N, 8);
    random_stream r = random_stream_at(1, "heavy", 0, 0, 0, 0);
    for (size_t i = N / 2; i < N; i++) /* late, when it is no news any more that values differ */
        if (random_below(&r, 2))
            x[i] = .25;
    double *sorted = stream_copy(x, N);
    stream_sort(sorted, N);
    double below = 0, at = 0;
    for (size_t i = 0; i < N; i++) {
        below += sorted[i] < .25;
        at += sorted[i] <= .25;
    }
    for (size_t c = 0; c < every_sketch_count; c++) {
        if (every_sketch[c].kind == SKETCH_TDIGEST || every_sketch[c].lower)
            continue;
        sketch *s = sketch_make(every_sketch[c], 1);
        sketch_update_many(s, x, N, NULL);
        double tolerance = every_sketch[c].words == 100 || every_sketch[c].guard > 0 || every_sketch[c].height ? .04 : .0133;
        NEAR(sketch_rank(s, .25, true), at / N, tolerance);
        NEAR(sketch_rank(s, .2499, true), below / N, tolerance);
        assert_true(sketch_quantile(s, (below + (at - below) / 2) / N, true) == .25);
        sketch_free(s);
    }
    memory_free(x);
    memory_free(sorted);
}

/* Gaps of the least numbers there are: slopes beside them overflow (found by the fuzzer: a rank of NaN). */
static void the_least_gaps_have_ranks(void **state)
{
    (void)state;
    static const double at[] = {-262145, -1, -1e-312, 0, 1.3605e-312, 1e-300, .5, 1e9};
    for (size_t c = 0; c < every_sketch_count; c++) {
        sketch *s = sketch_make(every_sketch[c], 1);
        sketch_update(s, -262144, NULL);
        sketch_update(s, -1.36371e-312, NULL);
        for (int i = 0; i < 7; i++)
            sketch_update(s, 1.358e-312 + i * 4e-316, NULL);
        for (int i = 1; i < 42; i++)
            sketch_update(s, i, NULL);
        for (size_t i = 0; i < COUNT_OF(at); i++)
            assert_true(sketch_rank(s, at[i], true) >= (i ? sketch_rank(s, at[i - 1], true) : 0) && sketch_rank(s, at[i], true) <= 1);
        sketch_free(s);
    }
}

/* A knot that has no weight left, beside a flat stretch (found by the fuzzer: ranks fell behind it). */
static void a_knot_without_weight_is_no_bump(void **state)
{
    (void)state;
    curve c = {.centred = true};
    static const double v[] = {-1, 0, 1}, low[] = {0, 1, 1}, high[] = {1, 1, 3};
    assert_int_equal(curve_reserve(&c, 3, NULL), STATUS_OK);
    for (c.count = 0; c.count < 3; c.count++) {
        c.v[c.count] = v[c.count];
        c.low[c.count] = low[c.count];
        c.high[c.count] = high[c.count];
    }
    curve_prepare(&c);
    for (double x = -1.5, before = 0; x < 1.5; x += .25) {
        double rank = curve_rank(&c, x, true, 3);
        assert_true(rank >= before);
        before = rank;
    }
    curve_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_rise_and_keep_lines),
        cmocka_unit_test(cubics_reproduce_lines),
        cmocka_unit_test(copies_of_one_value_are_a_step),
        cmocka_unit_test(heavy_values_among_others_are_steps),
        cmocka_unit_test(the_least_gaps_have_ranks),
        cmocka_unit_test(a_knot_without_weight_is_no_bump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
