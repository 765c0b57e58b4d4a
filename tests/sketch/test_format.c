/* Files: what is saved comes back and goes on as before; DataSketches' bytes; files cut short or changed are refused. */
#include "core/hash.h"
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

static strbuf saved(const sketch *s)
{
    strbuf bytes = strbuf_new(NULL, 1 << 22);
    assert_int_equal(sketch_save(s, &bytes, NULL), STATUS_OK);
    return bytes;
}

static void assert_same(sketch *a, sketch *b)
{
    strbuf x = saved(a), y = saved(b);
    assert_true(slice_equal(strbuf_slice(&x), strbuf_slice(&y)));
    strbuf_free(&x);
    strbuf_free(&y);
}

static void a_loaded_sketch_goes_on(void **state)
{
    (void)state;
    double *x = stream_make("normal", 60000, 1);
    x[5] = -INFINITY;
    static const size_t lengths[] = {0, 1, 2, 150, 5000, 30000};
    for (size_t c = 0; c < every_sketch_count; c++)
        for (size_t l = 0; l < COUNT_OF(lengths); l++) {
            sketch *s = sketch_make(every_sketch[c], 3), *t;
            error err = {0};
            assert_int_equal(sketch_update_many(s, x, lengths[l], NULL), STATUS_OK);
            strbuf bytes = saved(s);
            assert_true(sketch_is_saved(strbuf_slice(&bytes)));
            if (sketch_load(strbuf_slice(&bytes), "memory", &t, &err) != STATUS_OK)
                fail_msg("%s", err.message);
            assert_same(s, t);
            sketch_update_many(s, x + 30000, 30000, NULL);
            sketch_update_many(t, x + 30000, 30000, NULL);
            assert_same(s, t);
            strbuf_free(&bytes);
            sketch_free(s);
            sketch_free(t);
        }
    memory_free(x);
}

/* Every bit of a small file, and every length. */
static void changed_bytes_are_refused(void **state)
{
    (void)state;
    double *x = stream_make("normal", 3000, 2);
    for (size_t c = 0; c < every_sketch_count; c++) {
        sketch_options small = every_sketch[c];
        small.k = small.k ? 8 : 0;
        small.words = small.words ? 100 : 0;
        small.lower = 0;
        small.compression = 10;
        sketch *s = sketch_make(small, 3), *t;
        sketch_update_many(s, x, 3000, NULL);
        strbuf bytes = saved(s);
        error err = {0};
        for (size_t i = 0; i < bytes.length; i++) {
            assert_int_not_equal(sketch_load((slice){bytes.text, i}, "cut.sketch", &t, &err), STATUS_OK);
            assert_non_null(strstr(err.message, "cut.sketch"));
            char *copy = memory_alloc(bytes.length);
            for (int bit = 0; bit < 8; bit++) {
                memcpy(copy, bytes.text, bytes.length);
                copy[i] = (char)(copy[i] ^ 1 << bit);
                assert_int_not_equal(sketch_load((slice){copy, bytes.length}, "changed", &t, &err), STATUS_OK);
            }
            memory_free(copy);
        }
        strbuf_free(&bytes);
        sketch_free(s);
    }
    memory_free(x);
}

static strbuf theirs(const sketch *s, sketch_item item)
{
    strbuf bytes = strbuf_new(NULL, 1 << 22);
    assert_int_equal(sketch_save_datasketches(s, item, true, &bytes, NULL), STATUS_OK);
    return bytes;
}

/* Check 7, and the preamble by hand. */
static void bytes_of_datasketches(void **state)
{
    (void)state;
    sketch *s = sketch_make((sketch_options){.k = 200}, 1);
    strbuf bytes = theirs(s, SKETCH_FLOATS);
    static const unsigned char none[8] = {2, 1, 15, 1, 200, 0, 8, 0};
    assert_int_equal(bytes.length, 8);
    assert_memory_equal(bytes.text, none, 8);
    strbuf_free(&bytes);
    sketch_update(s, 1, NULL);
    bytes = theirs(s, SKETCH_FLOATS);
    static const unsigned char one[12] = {2, 2, 15, 4, 200, 0, 8, 0, 0, 0, 0x80, 0x3f};
    assert_int_equal(bytes.length, 12);
    assert_memory_equal(bytes.text, one, 12);
    strbuf_free(&bytes);
    bytes = theirs(s, SKETCH_DOUBLES);
    assert_int_equal(bytes.length, 16);
    strbuf_free(&bytes);
    sketch_update(s, 2, NULL);
    bytes = theirs(s, SKETCH_FLOATS);
    assert_int_equal(bytes.length, 20 + 4 + 4 * (2 + 2));
    static const unsigned char two[24] = {5, 1, 15, 0, 200, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 200, 0, 1, 0, 198, 0, 0, 0};
    assert_memory_equal(bytes.text, two, 24);
    strbuf_free(&bytes);
    sketch_free(s);
}

/* Sizes as the table of section 5 says of k = 200 and floats: never more than these. */
static void bytes_stay_below_the_published_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t n, most;
    } rows[] = {{100000, 2692}, {1000000, 2800}, {1000000000, 3160}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t levels = 1 + (size_t)floor(log2((double)rows[i].n)); /* 20 + 4 L + (all widths + 2) floats */
        assert_int_equal(20 + 4 * levels + 4 * (kll_total_capacity(200, (unsigned)levels) + 2), rows[i].most);
        if (rows[i].n > 1000000)
            continue;
        double *x = stream_make("uniform", rows[i].n, 1);
        sketch *s = sketch_make((sketch_options){.k = 200}, 1);
        sketch_update_many(s, x, rows[i].n, NULL);
        strbuf bytes = theirs(s, SKETCH_FLOATS);
        assert_int_equal(bytes.length, 20 + 4 * s->kll.levels + 4 * (sketch_retained(s) + 2)); /* what is kept and two ends, nothing else */
        if (bytes.length > rows[i].most || bytes.length < rows[i].most * 6 / 10)
            fail_msg("%zu bytes of %zu values", bytes.length, rows[i].n);
        strbuf_free(&bytes);
        sketch_free(s);
        memory_free(x);
    }
}

static void their_bytes_come_back(void **state)
{
    (void)state;
    double *x = stream_make("normal", 100000, 4);
    for (size_t i = 0; i < 100000; i++)
        x[i] = (double)(float)x[i];
    static const size_t lengths[] = {0, 1, 2, 199, 200, 201, 7000, 100000};
    for (size_t l = 0; l < COUNT_OF(lengths); l++)
        for (int item = 0; item < 2; item++) {
            sketch *s = sketch_make((sketch_options){.k = 200}, 1), *t;
            error err = {0};
            sketch_update_many(s, x, lengths[l], NULL);
            strbuf bytes = theirs(s, (sketch_item)item), again;
            if (sketch_load(strbuf_slice(&bytes), "memory", &t, &err) != STATUS_OK)
                fail_msg("%s", err.message);
            again = theirs(t, (sketch_item)item);
            assert_true(slice_equal(strbuf_slice(&bytes), strbuf_slice(&again)));
            assert_int_equal(sketch_count(t), lengths[l]);
            for (double q = -2; q < 2 && lengths[l]; q += .1)
                assert_true(sketch_rank(s, q, true) == sketch_rank(t, q, true));
            assert_int_equal(sketch_update_many(t, x, 100000, NULL), STATUS_OK);
            assert_true(sketch_weight(t) == (double)(lengths[l] + 100000));
            size_t items = lengths[l] < 2 ? lengths[l] : 2 + (bytes.length - 24) / 8 - 2; /* half of so many doubles have the length of floats */
            for (size_t cut = 0; cut < bytes.length && lengths[l] < 201; cut++)
                if ((item == SKETCH_FLOATS || cut != bytes.length - 4 * items) &&
                    sketch_load((slice){bytes.text, cut}, "cut", &(sketch *){NULL}, &err) == STATUS_OK)
                    fail_msg("%zu of %zu bytes were taken for a sketch", cut, bytes.length);
            strbuf_free(&bytes);
            strbuf_free(&again);
            sketch_free(s);
            sketch_free(t);
        }
    memory_free(x);
}

static void what_they_cannot_hold(void **state)
{
    (void)state;
    error err = {0};
    strbuf bytes = strbuf_new(NULL, 1 << 20);
    sketch *s = sketch_make((sketch_options){.kind = SKETCH_KNOTS}, 1);
    assert_int_equal(sketch_save_datasketches(s, SKETCH_DOUBLES, true, &bytes, &err), STATUS_UNSUPPORTED);
    sketch_free(s);
    s = sketch_make((sketch_options){.k = 200}, 1);
    sketch_update(s, .1, NULL);
    assert_int_equal(sketch_save_datasketches(s, SKETCH_FLOATS, false, &bytes, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "does not fit into a float"));
    sketch_free(s);
    strbuf_free(&bytes);
}

/* Whole bytes that say what cannot be. */
static void contradictions_are_refused(void **state)
{
    (void)state;
    double *x = stream_make("normal", 5000, 4);
    sketch *s = sketch_make((sketch_options){.k = 200}, 1), *t;
    sketch_update_many(s, x, 5000, NULL);
    strbuf bytes = theirs(s, SKETCH_DOUBLES);
    unsigned levels = (unsigned char)bytes.text[18];
    size_t items = 20 + 4 * levels;
    const double nan = NAN, low = -1e300;
    const struct {
        size_t at;
        const void *bytes;
        size_t length;
        const char *says;
    } rows[] = {
        {2, "\7", 1, "family"},       {6, "\1", 1, "m is not 8"},         {4, "\7\0", 2, "k is below 8"}, {8, "\1", 1, "weigh"},
        {18, "\377", 1, "levels"},    {18, "\0", 1, "levels"},            {16, "\377\0", 2, "least k"},  {items, &nan, 8, "NaN"},
        {items + 80, &nan, 8, "NaN"}, {items + 80, &low, 8, "outside"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        error err = {0};
        char *copy = memory_alloc(bytes.length);
        memcpy(copy, bytes.text, bytes.length);
        memcpy(copy + rows[i].at, rows[i].bytes, rows[i].length);
        assert_int_equal(sketch_load((slice){copy, bytes.length}, "x", &t, &err), STATUS_INVALID);
        if (!strstr(err.message, rows[i].says))
            fail_msg("expected '%s' in '%s'", rows[i].says, err.message);
        memory_free(copy);
    }
    strbuf_free(&bytes);
    sketch_free(s);
    memory_free(x);
}

/* Weights are numbers of values (found by the fuzzer: parts of values that made a whole number in one order and not in another). */
static void parts_of_values_are_refused(void **state)
{
    (void)state;
    sketch *s = sketch_make((sketch_options){.kind = SKETCH_TDIGEST}, 1), *t;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sketch_update(s, sqrt(i), NULL), STATUS_OK);
    strbuf bytes = strbuf_new(NULL, 1 << 20);
    assert_int_equal(sketch_save(s, &bytes, NULL), STATUS_OK);
    for (size_t back = 16; back <= 32; back += 16) { /* the weights of the last two centroids */
        double weight;
        char *at = (char *)bytes.text + bytes.length - back;
        memcpy(&weight, at, 8);
        weight += back == 16 ? .5 : -.5;
        memcpy(at, &weight, 8);
    }
    uint64_t sum = hash64(bytes.text, bytes.length - 8, 0x736b65746368);
    memcpy((char *)bytes.text + bytes.length - 8, &sum, 8);
    error err = {0};
    assert_int_equal(sketch_load((slice){bytes.text, bytes.length}, "half.sketch", &t, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "no number of values"));
    strbuf_free(&bytes);
    sketch_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_sketch_goes_on),
        cmocka_unit_test(changed_bytes_are_refused),
        cmocka_unit_test(bytes_of_datasketches),
        cmocka_unit_test(bytes_stay_below_the_published_sizes),
        cmocka_unit_test(their_bytes_come_back),
        cmocka_unit_test(what_they_cannot_hold),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(parts_of_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
