/* The checks of quantile_sketch.md, section 7, that need no long run, and what every kind must keep. */
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

/* Check 1. */
static void capacities_by_depth(void **state)
{
    (void)state;
    static const uint32_t widths[] = {200, 133, 89, 59, 40, 26, 18, 12, 8, 8, 8};
    for (unsigned d = 0; d < COUNT_OF(widths); d++)
        assert_int_equal(sketch_kll_capacity(200, d), widths[d]);
    assert_int_equal(sketch_kll_capacity(200, 60), 8);
    assert_int_equal(kll_total_capacity(200, 20), 673);
    assert_int_equal(kll_total_capacity(200, 17), 649);
    assert_int_equal(kll_total_capacity(200, 30), 753);
    assert_int_equal(sketch_kll_capacity(65535, 35), 8);
}

/* Check 2. */
static void errors_as_published(void **state)
{
    (void)state;
    static const unsigned k[] = {100, 200, 400, 800};
    static const double rank[] = {.026084, .013295, .006776, .003454}, mass[] = {.031758, .016516, .008589, .004467};
    for (size_t i = 0; i < 4; i++) {
        NEAR(sketch_kll_error(k[i], false), rank[i], 5e-7);
        NEAR(sketch_kll_error(k[i], true), mass[i], 5e-7);
    }
}

/* Check 3. */
static void weight_is_the_count(void **state)
{
    (void)state;
    double *x = stream_make("normal", 30000, 1);
    for (size_t c = 0; c < every_sketch_count; c++) {
        random_stream r = random_stream_at(5, "pieces", c, 0, 0, 0);
        sketch *s = sketch_make(every_sketch[c], 1), *t = sketch_make(every_sketch[c], 2);
        for (size_t at = 0; at < 30000;) {
            size_t part = 1 + (size_t)random_below(&r, at < 5000 ? 40 : 2500);
            part = part > 30000 - at ? 30000 - at : part;
            sketch *to = random_below(&r, 3) ? s : t;
            if (part < 5)
                for (size_t i = 0; i < part; i++)
                    assert_int_equal(sketch_update(to, x[at + i], NULL), STATUS_OK);
            else
                assert_int_equal(sketch_update_many(to, x + at, part, NULL), STATUS_OK);
            at += part;
            assert_true(sketch_weight(to) == (double)sketch_count(to));
            if (random_below(&r, 4) == 0) {
                sketch *other = to == s ? t : s;
                uint64_t sum = sketch_count(to) + sketch_count(other);
                assert_int_equal(sketch_merge(to, other, NULL), STATUS_OK);
                assert_int_equal(sketch_count(to), sum);
                assert_true(sketch_weight(to) == (double)sum);
                sketch_free(other);
                *(to == s ? &t : &s) = sketch_make(every_sketch[c], 3);
            }
        }
        sketch_free(s);
        sketch_free(t);
    }
    memory_free(x);
}

static void few_numbers_are_exact(void **state)
{
    (void)state;
    enum { N = 199 };
    double *x = stream_make("normal", N, 3), sorted[N];
    memcpy(sorted, x, sizeof sorted);
    stream_sort(sorted, N);
    for (size_t c = 0; c < every_sketch_count; c++) {
        if (every_sketch[c].kind > SKETCH_CUBIC)
            continue;
        sketch *s = sketch_make(every_sketch[c], 1);
        assert_int_equal(sketch_update_many(s, x, N, NULL), STATUS_OK);
        assert_true(sketch_error(s, false) == 0);
        for (size_t i = 0; i < N; i++) {
            NEAR(sketch_rank(s, sorted[i], true), (double)(i + 1) / N, 1e-15);
            NEAR(sketch_rank(s, sorted[i], false), (double)i / N, 1e-15);
            assert_true(sketch_quantile(s, (double)(i + 1) / N, true) == sorted[i]);
        }
        sketch_free(s);
    }
    memory_free(x);
}

/* Check 4: the mean over both coins is the true rank. */
static void one_compaction_is_unbiased(void **state)
{
    (void)state;
    bool seen[2] = {false, false};
    for (uint64_t seed = 1; !(seen[0] && seen[1]); seed++) {
        sketch *s;
        assert_true(seed < 100);
        assert_int_equal(sketch_new(&(sketch_options){.k = 8, .seed = seed}, &s, NULL), STATUS_OK);
        for (int i = 1; i <= 9; i++) /* the ninth makes room */
            assert_int_equal(sketch_update(s, i, NULL), STATUS_OK);
        int offset = sketch_rank(s, 1, true) == 0;
        seen[offset] = true;
        for (int q = 1; q <= 8; q++) {
            double kept = offset ? 2 * (q / 2) : 2 * ((q + 1) / 2);
            NEAR(9 * sketch_rank(s, q, true), kept, 1e-12); /* offset 0: rank(4) = 4, rank(5) = 6; offset 1: rank(5) = 4 */
        }
        NEAR(9 * sketch_rank(s, 9, true), 9, 1e-12);
        sketch_free(s);
    }
}

/* Check 5 for one rank that is cheap: no bias. test_sketch_long.c has the whole. */
static void no_bias_at_the_median(void **state)
{
    (void)state;
    enum { N = 20000, SEEDS = 100 };
    double *x = stream_make("uniform", N, 9), *sorted = stream_copy(x, N), sum = 0, squares = 0;
    stream_sort(sorted, N);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        sketch *s = sketch_make((sketch_options){.k = 200}, seed);
        assert_int_equal(sketch_update_many(s, x, N, NULL), STATUS_OK);
        double e = sketch_rank(s, sorted[N / 2 - 1], true) - .5;
        sum += e;
        squares += e * e;
        sketch_free(s);
    }
    double sd = sqrt(squares / SEEDS);
    assert_true(sd > .0015 && sd < .0035);
    assert_true(fabs(sum / SEEDS) < 4 * sd / sqrt(SEEDS));
    memory_free(x);
    memory_free(sorted);
}

/* Check 6, second half. */
static void merging_quotes_the_least_k(void **state)
{
    (void)state;
    double *x = stream_make("uniform", 5000, 1);
    sketch *a = sketch_make((sketch_options){.k = 200}, 1), *b = sketch_make((sketch_options){.k = 100}, 2);
    sketch_update_many(a, x, 5000, NULL);
    sketch_update_many(b, x, 5000, NULL);
    assert_int_equal(sketch_merge(a, b, NULL), STATUS_OK);
    NEAR(sketch_error(a, false), sketch_kll_error(100, false), 1e-15);
    sketch *t = sketch_make((sketch_options){.kind = SKETCH_TDIGEST}, 1);
    error err = {0};
    assert_int_equal(sketch_merge(a, t, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "kll"));
    assert_int_equal(sketch_merge(a, a, &err), STATUS_INVALID);
    sketch_free(a);
    sketch_free(b);
    sketch_free(t);
    memory_free(x);
}

/* Check 7 stands in test_format.c. Check 8. */
static void masses_of_scale_functions(void **state)
{
    (void)state;
    double k = sketch_scale_k(SKETCH_K1, 100, 1e6, .5);
    NEAR(sketch_scale_q(SKETCH_K1, 100, 1e6, k + .5) - sketch_scale_q(SKETCH_K1, 100, 1e6, k - .5), .031411, 5e-7);
    k = sketch_scale_k(SKETCH_K1, 100, 1e6, .01);
    NEAR(sketch_scale_q(SKETCH_K1, 100, 1e6, k + .5) - sketch_scale_q(SKETCH_K1, 100, 1e6, k - .5), .006251, 5e-7);
    NEAR(sketch_scale_q(SKETCH_K0, 100, 1e6, sketch_scale_k(SKETCH_K0, 100, 1e6, .3) + 1) - .3, .02, 1e-12);
    for (int scale = 0; scale < SKETCH_SCALE_COUNT; scale++)
        for (double q = .001; q < 1; q += .013) {
            sketch_scale f = (sketch_scale)scale;
            NEAR(sketch_scale_q(f, 80, 1e5, sketch_scale_k(f, 80, 1e5, q)), q, 1e-9);
        }
    /* Small clusters, of K2 and K3, against the table's first-order masses. */
    double z = 4 * log(1e5 / 1000) + 24, q = .2, step = 1;
    k = sketch_scale_k(SKETCH_K2, 1000, 1e5, q);
    NEAR((sketch_scale_q(SKETCH_K2, 1000, 1e5, k + step / 2) - sketch_scale_q(SKETCH_K2, 1000, 1e5, k - step / 2)) / (z * q * (1 - q) / 1000), 1, 1e-3);
    z = 4 * log(1e5 / 1000) + 21;
    k = sketch_scale_k(SKETCH_K3, 1000, 1e5, q);
    NEAR((sketch_scale_q(SKETCH_K3, 1000, 1e5, k + step / 2) - sketch_scale_q(SKETCH_K3, 1000, 1e5, k - step / 2)) / (z * q / 1000), 1, 1e-3);
}

/* t-digest keeps the masses that its scale function allows. */
static void clusters_are_legal(void **state)
{
    (void)state;
    double *x = stream_make("lognormal", 50000, 4);
    for (int scale = 0; scale < SKETCH_SCALE_COUNT; scale++) {
        sketch *s = sketch_make((sketch_options){.kind = SKETCH_TDIGEST, .scale = (sketch_scale)scale, .compression = 100}, 1);
        sketch_update_many(s, x, 50000, NULL);
        tdigest_flush(&s->tdigest, NULL);
        const tdigest *t = &s->tdigest;
        double before = 0, n = 50000;
        assert_true(t->count <= 110);
        for (size_t i = 0; i < t->count; i++) {
            double w = t->all[i].weight, q0 = before / n, q1 = (before + w) / n;
            double span = sketch_scale_k(t->scale, 100, n, fmin(1, q1)) - sketch_scale_k(t->scale, 100, n, q0);
            if (w > 1 && i > 0 && i + 1 < t->count)
                assert_true(span <= 1 + 1e-9);
            before += w;
        }
        sketch_free(s);
    }
    memory_free(x);
}

static void infinities_are_values(void **state)
{
    (void)state;
    double *x = stream_make("normal", 20000, 2);
    for (size_t i = 0; i < 20000; i += 10)
        x[i] = i % 20 ? INFINITY : -INFINITY;
    for (size_t c = 0; c < every_sketch_count; c++) {
        sketch *s = sketch_make(every_sketch[c], 1);
        assert_int_equal(sketch_update_many(s, x, 20000, NULL), STATUS_OK);
        assert_true(sketch_least(s) == -INFINITY && sketch_most(s) == INFINITY);
        NEAR(sketch_rank(s, -INFINITY, true), .05, .02);
        NEAR(sketch_rank(s, INFINITY, false), .95, .02);
        assert_true(sketch_quantile(s, .02, true) == -INFINITY);
        assert_true(sketch_quantile(s, .98, true) == INFINITY);
        NEAR(sketch_quantile(s, .5, true), 0, .15);
        sketch_free(s);
    }
    memory_free(x);
}

static void not_a_number_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t c = 0; c < every_sketch_count; c++) {
        double x[5000];
        error err = {0};
        for (size_t i = 0; i < 5000; i++)
            x[i] = (double)i;
        x[4500] = NAN;
        sketch *s = sketch_make(every_sketch[c], 1);
        assert_int_equal(sketch_update(s, 1, &err), STATUS_OK);
        assert_int_equal(sketch_update_many(s, x, 5000, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "number 4502 "));
        assert_int_equal(sketch_count(s), 4501);
        assert_true(sketch_weight(s) == 4501 && sketch_most(s) == 4499);
        assert_int_equal(sketch_update(s, NAN, &err), STATUS_INVALID);
        assert_int_equal(sketch_ranks(s, &x[4500], 1, true, x, &err), STATUS_INVALID);
        sketch_free(s);
    }
}

static void empty_sketches_say_so(void **state)
{
    (void)state;
    error err = {0};
    sketch *s = sketch_make((sketch_options){0}, 1);
    assert_true(isnan(sketch_rank(s, 1, true)) && isnan(sketch_quantile(s, .5, true)) && isnan(sketch_least(s)));
    double out[3], splits[2] = {2, 1};
    assert_int_equal(sketch_ranks(s, splits, 1, true, out, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "empty"));
    sketch_update(s, 1, NULL);
    assert_int_equal(sketch_cdf(s, splits, 2, true, out, &err), STATUS_INVALID);
    assert_int_equal(sketch_quantiles(s, splits, 1, true, out, &err), STATUS_INVALID);
    sketch_free(s);
    assert_int_equal(sketch_new(&(sketch_options){.k = 7}, &s, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "expected 8 to 65535, found 7"));
    assert_int_equal(sketch_new(&(sketch_options){.kind = SKETCH_KNOTS, .words = 100, .lower = 20}, &s, &err), STATUS_USAGE);
}

static void shares_of_splits(void **state)
{
    (void)state;
    sketch *s = sketch_make((sketch_options){0}, 1);
    double splits[] = {2, 4}, out[3];
    for (int i = 1; i <= 10; i++)
        sketch_update(s, i, NULL);
    assert_int_equal(sketch_cdf(s, splits, 2, true, out, NULL), STATUS_OK);
    NEAR(out[0], .2, 1e-15);
    NEAR(out[1], .4, 1e-15);
    NEAR(out[2], 1, 0);
    assert_int_equal(sketch_pmf(s, splits, 2, false, out, NULL), STATUS_OK);
    NEAR(out[0], .1, 1e-15);
    NEAR(out[1], .2, 1e-15);
    NEAR(out[2], .7, 1e-15);
    assert_true(sketch_quantile(s, .3, true) == 3 && sketch_quantile(s, .3, false) == 4);
    assert_true(sketch_quantile(s, 0, true) == 1 && sketch_quantile(s, 1, false) == 10);
    sketch_free(s);
}

/* Addresses of coins: the same calls give the same bits, another seed others. */
static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    double *x = stream_make("normal", 30000, 1);
    for (size_t c = 0; c < every_sketch_count; c++) {
        strbuf bytes[3];
        for (int i = 0; i < 3; i++) {
            sketch *s = sketch_make(every_sketch[c], i == 2 ? 8 : 7);
            bytes[i] = strbuf_new(NULL, 1 << 20);
            sketch_update_many(s, x, 30000, NULL);
            assert_int_equal(sketch_save(s, &bytes[i], NULL), STATUS_OK);
            sketch_free(s);
        }
        assert_true(slice_equal(strbuf_slice(&bytes[0]), strbuf_slice(&bytes[1])));
        assert_false(slice_equal(strbuf_slice(&bytes[0]), strbuf_slice(&bytes[2])));
        for (int i = 0; i < 3; i++)
            strbuf_free(&bytes[i]);
    }
    memory_free(x);
}

/* Runs of all lengths, in place as compactors merge them, with many equal values. */
static void merging_and_sorting_keep_everything(void **state)
{
    (void)state;
    random_stream r = random_stream_at(1, "runs", 0, 0, 0, 0);
    for (int t = 0; t < 3000; t++) {
        double x[500], y[500];
        size_t a = (size_t)random_below(&r, t % 3 ? 120 : 9), b = (size_t)random_below(&r, t % 2 ? 200 : 20);
        for (size_t i = 0; i < 2 * a + b; i++)
            x[i] = t % 5 ? random_normal(&r) : (double)random_below(&r, 6) - (t % 7 ? 0 : INFINITY);
        assert_int_equal(sketch_sort(x, a, NULL), STATUS_OK);
        assert_int_equal(sketch_sort(x + 2 * a, b, NULL), STATUS_OK);
        memcpy(y, x, a * sizeof *y);
        memcpy(y + a, x + 2 * a, b * sizeof *y);
        stream_sort(y, a + b);
        sketch_merge_runs(x, a, x + 2 * a, b, x + a);
        assert_memory_equal(x + a, y, (a + b) * sizeof *y);
    }
}

/* A block of values through several levels: what is left rises, ranks are right on the average, and off by no more than compactors of
 * these widths would be. */
static void blocks_stand_for_what_they_read(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 256; bits++) { /* a network that sorts all zeros and ones sorts everything */
        double x[8];
        for (unsigned i = 0; i < 8; i++)
            x[i] = bits >> i & 1;
        kll_sort8(x);
        for (unsigned i = 1; i < 8; i++)
            assert_true(x[i - 1] <= x[i]);
    }
    static const kll_pass passes[] = {
        {1, {8}, 8, 4}, {1, {32}, 32, 16}, {3, {8, 8, 8}, 32, 4}, {2, {16, 32}, 64, 16}, {4, {8, 16, 32, 32}, 256, 16},
        {7, {8, 16, 16, 32, 32, 32, 32}, 2048, 16}, {9, {8, 8, 8, 8, 8, 8, 8, 8, 8}, 2048, 4},
    };
    for (size_t p = 0; p < COUNT_OF(passes); p++)
        for (int paired = 0; paired < 2; paired++) {
            size_t n = passes[p].count, kept = passes[p].kept, levels = passes[p].levels;
            double x[KLL_BLOCK], out[KLL_BLOCK_WIDTH / 2], sum = 0, squares = 0, bound = 0;
            assert_int_equal(n, kept << levels);
            for (size_t i = 0; i < n; i++)
                x[i] = (double)i;
            for (size_t l = 0; l < levels; l++) /* a compactor moves a rank by its level's weight or not at all */
                bound += (double)(n / passes[p].widths[l] >> l) * ldexp(1, 2 * (int)l);
            random_stream r = random_stream_at(p, "blocks", (uint64_t)paired, 0, 0, 0);
            for (int t = 0; t < 400; t++) {
                uint64_t draws[KLL_BLOCK / 256];
                for (size_t i = 0; i < COUNT_OF(draws); i++)
                    draws[i] = random_u64(&r);
                random_shuffle(&r, x, n, sizeof *x);
                kll_block(x, &passes[p], draws, (unsigned)random_below(&r, 2), paired, out);
                double rank = 0;
                for (size_t i = 0; i < kept; i++) {
                    assert_true(i == 0 || out[i] > out[i - 1]);
                    rank += out[i] < (double)n / 2 ? (double)(n / kept) : 0;
                }
                sum += rank - (double)n / 2;
                squares += (rank - (double)n / 2) * (rank - (double)n / 2);
            }
            assert_true(fabs(sum / 400) < 4 * sqrt(bound) / 20);
            assert_true(squares / 400 < 1.2 * bound);
        }
}

/* The plain copy of a block's code is what other processors run. */
static void nothing_read_twice_or_never(void **state)
{
    (void)state;
    double *x = stream_make("uniform", 200000, 11);
    sketch *one = sketch_make((sketch_options){.k = 20}, 1), *many = sketch_make((sketch_options){.k = 20}, 1);
    for (size_t i = 0; i < 200000; i++)
        sketch_update(one, x[i], NULL);
    sketch_update_many(many, x, 200000, NULL);
    for (double q = .05; q < 1; q += .05) {
        NEAR(sketch_rank(one, q, true), q, 2 * sketch_kll_error(20, false));
        NEAR(sketch_rank(many, q, true), q, 2 * sketch_kll_error(20, false));
    }
    sketch_free(one);
    sketch_free(many);
    memory_free(x);
}

static void a_sampler_bounds_the_memory(void **state)
{
    (void)state;
    double *x = stream_make("uniform", 400000, 12);
    for (uint64_t seed = 1; seed <= 20; seed++) { /* whatever is half-way when the sampler takes a level over */
        sketch *small = sketch_make((sketch_options){.k = 8 + (unsigned)seed, .sampled = true}, seed), *other;
        other = sketch_make((sketch_options){.k = 20, .sampled = seed & 1}, seed);
        for (size_t i = 0; i < 400000; i += 1 + 977 * seed) {
            size_t part = 977 * seed < 400000 - i ? 977 * seed : 400000 - i;
            assert_int_equal(sketch_update_many(small, x + i, part, NULL), STATUS_OK);
            assert_true(sketch_weight(small) == (double)sketch_count(small));
            for (size_t k = 0; k < 50; k++)
                assert_int_equal(sketch_update(small, x[k], NULL), STATUS_OK);
            assert_true(sketch_weight(small) == (double)sketch_count(small));
            sketch_update_many(other, x, 300 * seed, NULL);
            assert_int_equal(sketch_merge(i % 2 ? small : other, i % 2 ? other : small, NULL), STATUS_OK);
            assert_true(sketch_weight(small) == (double)sketch_count(small) && sketch_weight(other) == (double)sketch_count(other));
            if (sketch_count(other) > 3000000)
                break;
        }
        sketch_free(small);
        sketch_free(other);
    }
    sketch *s = sketch_make((sketch_options){.k = 50, .sampled = true}, 1);
    sketch_update_many(s, x, 100000, NULL);
    size_t words = sketch_words(s);
    sketch_update_many(s, x + 100000, 300000, NULL);
    assert_int_equal(sketch_words(s), words);
    assert_true(s->kll.base > 0);
    double *sorted = stream_copy(x, 400000);
    stream_sort(sorted, 400000);
    for (size_t i = 20000; i < 400000; i += 20000)
        NEAR(sketch_rank(s, sorted[i - 1], true), (double)i / 400000, 2 * sketch_kll_error(50, false));
    memory_free(x);
    memory_free(sorted);
    sketch_free(s);
}

/* Values that repeat are steps wherever they came from: a first copy that a shard saw alone counts at its value once there are more. */
static void merged_ties_are_exact(void **state)
{
    (void)state;
    enum { N = 20000, SHARDS = 64 };
    random_stream r = random_stream_at(3, "ties", 0, 0, 0, 0);
    sketch *all = sketch_make((sketch_options){.kind = SKETCH_KNOTS, .words = 150}, 1);
    double at_most[10] = {0};
    for (size_t shard = 0; shard < SHARDS; shard++) {
        sketch *part = sketch_make((sketch_options){.kind = SKETCH_KNOTS, .words = 150}, 2 + shard);
        for (size_t i = N * shard / SHARDS; i < N * (shard + 1) / SHARDS; i++) {
            uint64_t value = random_below(&r, 10);
            assert_int_equal(sketch_update(part, (double)value, NULL), STATUS_OK);
            for (uint64_t v = value; v < 10; v++)
                at_most[v]++;
        }
        assert_int_equal(sketch_merge(all, part, NULL), STATUS_OK);
        sketch_free(part);
    }
    for (size_t v = 0; v < 10; v++) {
        NEAR(sketch_rank(all, (double)v, true) * N, at_most[v], 1e-6);
        NEAR(sketch_rank(all, (double)v, false) * N, v ? at_most[v - 1] : 0, 1e-6);
    }
    sketch_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacities_by_depth),
        cmocka_unit_test(errors_as_published),
        cmocka_unit_test(weight_is_the_count),
        cmocka_unit_test(few_numbers_are_exact),
        cmocka_unit_test(one_compaction_is_unbiased),
        cmocka_unit_test(no_bias_at_the_median),
        cmocka_unit_test(merging_quotes_the_least_k),
        cmocka_unit_test(masses_of_scale_functions),
        cmocka_unit_test(clusters_are_legal),
        cmocka_unit_test(infinities_are_values),
        cmocka_unit_test(not_a_number_is_refused_with_its_place),
        cmocka_unit_test(empty_sketches_say_so),
        cmocka_unit_test(shares_of_splits),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(merging_and_sorting_keep_everything),
        cmocka_unit_test(blocks_stand_for_what_they_read),
        cmocka_unit_test(nothing_read_twice_or_never),
        cmocka_unit_test(a_sampler_bounds_the_memory),
        cmocka_unit_test(merged_ties_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
