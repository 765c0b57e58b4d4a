/* The long checks of quantile_sketch.md, section 7 (5 and 6), the claims of real and adversarial streams, and long streams in bounded memory. */
#include "core/csv.h"
#include "core/file.h"
#include "near.h"
#include "shared.h"
#include "sketch/inside.h"
#include "streams.h"

#include <math.h>

/* Check 5: 2000 seeds, k = 200, n = 1e5, the median. Measured without pairs of coins, read one by one and in bulk; with pairs the spread is
 * about .0020. */
static void spread_of_the_median(void **state)
{
    (void)state;
    enum { N = 100000, SEEDS = 2000 };
    double *x = stream_make("uniform", N, 1), *sorted = stream_copy(x, N);
    stream_sort(sorted, N);
    for (int way = 0; way < 3; way++) {
        double sum = 0, squares = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            sketch *s = sketch_make((sketch_options){.k = 200, .paired = way == 2}, seed);
            if (way == 1)
                sketch_update_many(s, x, N, NULL);
            else
                for (size_t i = 0; i < N; i++)
                    sketch_update(s, x[i], NULL);
            double e = sketch_rank(s, sorted[N / 2 - 1], true) - .5;
            sum += e;
            squares += e * e;
            sketch_free(s);
        }
        double mean = sum / SEEDS, sd = sqrt((squares - sum * mean) / (SEEDS - 1));
        print_message("%s: mean error %.6f, spread %.6f\n", way == 0 ? "one by one" : way == 1 ? "in bulk" : "in pairs", mean, sd);
        assert_true(fabs(mean) < 3 * sd / sqrt(SEEDS));
        if (way < 2)
            assert_true(sd > .0024 && sd < .0029);
        else
            assert_true(sd > .0017 && sd < .0023);
    }
    memory_free(x);
    memory_free(sorted);
}

/* Check 6: the 99th percentile of the error at fixed ranks, 64 shards against one stream. */
static void merging_64_shards(void **state)
{
    (void)state;
    enum { N = 200000, SEEDS = 400, SHARDS = 64, AT = 9 };
    static const sketch_kind kinds[] = {SKETCH_KLL, SKETCH_LINEAR, SKETCH_KNOTS};
    double *x = stream_make("uniform", N, 2), *sorted = stream_copy(x, N);
    stream_sort(sorted, N);
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        double errors[2][SEEDS * AT], p99[2];
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            sketch_options o = {.kind = kinds[k], .k = 200};
            sketch *both[2] = {sketch_make(o, seed), sketch_make(o, seed + 100000)};
            sketch_update_many(both[0], x, N, NULL);
            for (size_t i = 0; i < SHARDS; i++) {
                sketch *shard = sketch_make(o, 1000 * seed + i);
                sketch_update_many(shard, x + N * i / SHARDS, N * (i + 1) / SHARDS - N * i / SHARDS, NULL);
                assert_int_equal(sketch_merge(both[1], shard, NULL), STATUS_OK);
                sketch_free(shard);
            }
            for (int b = 0; b < 2; b++) {
                for (size_t q = 0; q < AT; q++) {
                    size_t rank = N * (q + 1) / (AT + 1);
                    errors[b][(seed - 1) * AT + q] = fabs(sketch_rank(both[b], sorted[rank - 1], true) - (double)rank / N);
                }
                sketch_free(both[b]);
            }
        }
        for (int b = 0; b < 2; b++) {
            stream_sort(errors[b], SEEDS * AT);
            p99[b] = errors[b][SEEDS * AT * 99 / 100];
        }
        print_message("%s: p99 of one stream %.5f, of %d shards %.5f\n", sketch_kind_names[kinds[k]], p99[0], SHARDS, p99[1]);
        assert_true(p99[1] <= 1.1 * p99[0]);
    }
    memory_free(x);
    memory_free(sorted);
}

/* Mean errors of KLL and of knots at equal words, over seeds. */
static double ratio_at_equal_words(const double *x, size_t n, size_t words)
{
    enum { SEEDS = 20 };
    double *sorted = stream_copy(x, n), sum[2] = {0, 0};
    stream_sort(sorted, n);
    unsigned k = SKETCH_LEAST_K;
    for (;; k++) {
        sketch *s = sketch_make((sketch_options){.k = k + 1}, 1);
        sketch_update_many(s, x, n, NULL);
        size_t needs = sketch_words(s);
        sketch_free(s);
        if (needs > words)
            break;
    }
    for (uint64_t seed = 101; seed <= 100 + SEEDS; seed++) {
        sketch *both[2] = {sketch_make((sketch_options){.k = k}, seed), sketch_make((sketch_options){.kind = SKETCH_KNOTS, .words = words}, seed)};
        for (int b = 0; b < 2; b++) {
            sketch_update_many(both[b], x, n, NULL);
            sum[b] += stream_error(both[b], sorted, n, NULL);
            sketch_free(both[b]);
        }
    }
    memory_free(sorted);
    return sum[1] / sum[0];
}

static void adversarial_streams(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const char *const names[] = {"scales", "clusters", "nested", "closing", "one-sided"};
    static const size_t words[] = {150, 600};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            double *x = stream_make(names[i], N, 31 + i), ratio = ratio_at_equal_words(x, N, words[w]);
            print_message("%s, %zu words: %.3f\n", names[i], words[w], ratio);
            assert_true(ratio <= 1.2);
            memory_free(x);
        }
}

static double *column(arena *a, const char *path, size_t which, size_t *n)
{
    slice text;
    error err = {0};
    assert_int_equal(file_read_gz(a, path, 1 << 28, &text, &err), STATUS_OK);
    csv_reader reader = csv_open(text, ',', path);
    csv_record record;
    bool more;
    double *x = memory_alloc(200001 * sizeof *x);
    *n = 0;
    assert_int_equal(csv_next(&reader, a, &record, &more, &err), STATUS_OK);
    for (;;) {
        assert_int_equal(csv_next(&reader, a, &record, &more, &err), STATUS_OK);
        if (!more || *n == 200000)
            break;
        *n += slice_to_double(record.fields[which], &x[*n]);
    }
    return x;
}

static void real_streams(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t column;
    } rows[] = {{"streams/flights_200k.csv.gz", 0}, {"streams/flights_200k.csv.gz", 1}, {"streams/earthquakes.csv.gz", 0},
                {"streams/earthquakes.csv.gz", 1}, {"streams/earthquakes.csv.gz", 2}, {"streams/earthquakes.csv.gz", 4}};
    static const size_t words[] = {200, 600};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        arena *a = arena_new(NULL);
        const char *path = shared_data(a, rows[i].file);
        if (!path) {
            arena_free(a);
            skip();
        }
        size_t n;
        double *x = column(a, path, rows[i].column, &n);
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            double ratio = ratio_at_equal_words(x, n, words[w]);
            print_message("%s, column %zu, %zu numbers, %zu words: %.3f\n", rows[i].file, rows[i].column, n, words[w], ratio);
            assert_true(ratio <= .5);
        }
        memory_free(x);
        arena_free(a);
    }
}

/* 1e8 numbers: what is kept is what the widths of 27 levels say. */
static void a_long_stream(void **state)
{
    (void)state;
    enum { PART = 1 << 16 };
    static double part[PART];
    random_stream r = random_stream_at(1, "long", 0, 0, 0, 0);
    sketch *s = sketch_make((sketch_options){.k = 200}, 1), *sampled = sketch_make((sketch_options){.k = 200, .sampled = true}, 1);
    for (size_t i = 0; i < PART; i++)
        part[i] = random_uniform(&r);
    for (size_t left = 100000000; left > 0;) {
        size_t n = left < PART ? left : PART;
        assert_int_equal(sketch_update_many(s, part, n, NULL), STATUS_OK);
        assert_int_equal(sketch_update_many(sampled, part, n, NULL), STATUS_OK);
        left -= n;
    }
    assert_true(sketch_words(s) < 760 && sketch_words(sampled) < 640);
    assert_true(sketch_weight(s) == 1e8 && sketch_weight(sampled) == 1e8);
    NEAR(sketch_quantile(s, .5, true), .5, .02);
    NEAR(sketch_quantile(sampled, .5, true), .5, .02);
    sketch_free(s);
    sketch_free(sampled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_of_the_median),
        cmocka_unit_test(merging_64_shards),
        cmocka_unit_test(adversarial_streams),
        cmocka_unit_test(real_streams),
        cmocka_unit_test(a_long_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
