/* Storage formats of weights: values as the `gguf` package of llama.cpp computes them, error bounds, hostile sizes. */
#include "kernels/quant.h"

#include "core/element.h"
#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

enum { COUNT = 2048 };

static uint64_t fnv(const void *bytes, size_t count)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return h;
}

/* Blocks for 2048 elements out of a linear congruential generator; the exponents of f16 scales are set to one of four
 * ordinary ones, those of plain f16 below 1. */
static size_t made_blocks(quant_format f, uint8_t *out)
{
    static const int scales[QUANT_COUNT][2] = {[QUANT_Q4_K] = {0, 2}, [QUANT_Q5_K] = {0, 2}, [QUANT_Q6_K] = {208, 208}};
    size_t block = quant_block_bytes(f), count = COUNT / quant_block_elements(f) * block;
    uint64_t s = 7;
    for (size_t i = 0; i < count; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(s >> 33);
    }
    for (size_t at = 0; at < count; at += block)
        for (int k = 0; k < 2; k++) {
            uint8_t *high = out + at + scales[f][k] + 1;
            *high = f == QUANT_F16 ? *high & 0xbf : (*high & 0x83) | 0x2c;
        }
    return count;
}

/* Computed by gguf.quants (gguf 0.19) on the same bytes: a hash of the bits of all 2048 values, and seven of them. */
static void values_are_those_of_the_gguf_package(void **state)
{
    (void)state;
    static const struct {
        quant_format format;
        uint64_t hash;
        float values[7];
    } expected[] = {
        {QUANT_F16, 0x30717d9bd8fd368f, {0x1.d78p+0f, -0x1.4c4p-11f, 0x1.0ccp-2f, -0x1.7e4p-3f, -0x1.a74p-2f, 0x1.21cp-1f, -0x1.854p-6f}},
        {QUANT_Q8_0, 0xabba9616a44f70d5, {0x1.68fep+2f, -0x1.98e1p+3f, 0x1.4428p+0f, -0x1.02cp+3f, 0x1.7e98p+1f, -0x1.36de8p+3f, 0x1.e45p+1f}},
        {QUANT_Q4_0, 0xda45d0b8b05c218a, {-0x1.9c9p-1f, -0x1.9c9p-1f, -0x1.d78p-4f, 0x1.54bp-1f, 0x1.b8p-3f, -0x1.3bp-2f, 0x1.f32p-2f}},
        {QUANT_Q4_K, 0x45a0dd61ce6d7e73, {0x1.fc5c2p+5f, 0x1.059540p+4f, 0x1.1856p+1f, 0x1.7440cp+4f, 0x1.6d62p+2f, -0x1.dbafp+3f, 0x1.0c28p-1f}},
        {QUANT_Q5_K, 0x18206f963c2ef4ac, {0x1.5c927p+6f, 0x1.f3997p+6f, 0x1.e81fcp+4f, 0x1.2e798p+3f, 0x1.33efp+3f, 0x1.66318p+4f, -0x1.95e84p+7f}},
        {QUANT_Q6_K, 0x8f1909b0c24d2b82, {0x1.eb4p+0f, 0x1.eb4p-1f, 0x1.4c9ep+6f, 0x1.67cd6p+7f, 0x1.6634p+3f, -0x1.4382cp+5f, -0x1.dap+4f}},
    };
    static const int places[] = {0, 1, 31, 77, 255, 1023, 2047};
    static uint8_t blocks[COUNT * 4];
    static float y[COUNT];
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        made_blocks(expected[i].format, blocks);
        quant_expand(expected[i].format, COUNT, blocks, y);
        for (size_t k = 0; k < COUNT_OF(places); k++)
            if (y[places[k]] != expected[i].values[k])
                fail_msg("%s: element %d is %a, not %a", quant_name(expected[i].format), places[k],
                         (double)y[places[k]], (double)expected[i].values[k]);
        assert_int_equal(fnv(y, sizeof y), expected[i].hash);
    }
    assert_int_equal(COUNT_OF(expected), QUANT_COUNT - 1);
}

static void storing_gives_the_bytes_of_the_gguf_package(void **state)
{
    (void)state;
    static const struct {
        quant_format format;
        uint64_t hash;
    } expected[] = {{QUANT_Q8_0, 0x268fff84608370a8}, {QUANT_Q4_0, 0xc61c5d59d22e5b89}, {QUANT_F16, 0x4486a7a5ed7c5fff}};
    static float x[COUNT];
    static uint8_t blocks[COUNT * 4];
    for (int i = 0; i < COUNT; i++)
        x[i] = i / 32 == 2 ? 0 : ((float)((i * 7919 + 13) % 2003) - 1001) / 512;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        size_t bytes;
        assert_int_equal(quant_row_bytes(expected[i].format, COUNT, &bytes, NULL), STATUS_OK);
        assert_true(quant_store(expected[i].format, COUNT, x, blocks));
        assert_int_equal(fnv(blocks, bytes), expected[i].hash);
    }
}

/* Half a step of the scale, which f16 rounds by 2^-11 (2^-25 where it is subnormal); an end of Q4_0's range (7 of -8 .. 7) is a whole step off. */
static void what_is_stored_comes_back_within_a_step(void **state)
{
    (void)state;
    static float x[COUNT], y[COUNT];
    static uint8_t blocks[COUNT * 4];
    random_stream r = random_stream_at(3, "test/quant", 0, 0, 0, 0);
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(random_normal(&r) * exp(4 * random_normal_at(&r, (uint64_t)(100000 + i / 32))));
    static const struct {
        quant_format format;
        float steps, range; /* the bound is steps * largest / range */
    } bounds[] = {{QUANT_Q8_0, 0.5f, 127}, {QUANT_Q4_0, 1, 8}};
    for (size_t k = 0; k < COUNT_OF(bounds); k++) {
        assert_true(quant_store(bounds[k].format, COUNT, x, blocks));
        quant_expand(bounds[k].format, COUNT, blocks, y);
        for (int at = 0; at < COUNT; at += 32) {
            float most = 0;
            for (int i = at; i < at + 32; i++)
                most = fmaxf(most, fabsf(x[i]));
            float bound = most * (bounds[k].steps / bounds[k].range + 1.0f / 1024) + bounds[k].range * 0x1p-25f;
            for (int i = at; i < at + 32; i++)
                assert_true(fabsf(x[i] - y[i]) <= bound);
        }
    }
}

static void what_cannot_be_stored_is_refused(void **state)
{
    (void)state;
    uint8_t blocks[64];
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    static const quant_format formats[] = {QUANT_Q8_0, QUANT_Q4_0, QUANT_F16};
    for (size_t f = 0; f < COUNT_OF(formats); f++)
        for (size_t i = 0; i < COUNT_OF(bad); i++) {
            float x[32] = {1, 2, [17] = bad[i]};
            assert_false(quant_store(formats[f], 32, x, blocks));
            x[17] = 1e-42f; /* subnormal values are stored (as 0) */
            x[0] = x[1] = 0;
            float y[32];
            assert_true(quant_store(formats[f], 32, x, blocks));
            quant_expand(formats[f], 32, blocks, y);
            assert_true(fabsf(y[17]) < 1e-7f);
        }
    assert_false(quant_can_store(QUANT_Q4_K));
    assert_false(quant_store(QUANT_Q4_K, 256, (float[256]){0}, (uint8_t[144]){0}));
}

static void sizes_are_checked(void **state)
{
    (void)state;
    error err;
    size_t bytes;
    assert_int_equal(quant_row_bytes(QUANT_Q4_0, 64, &bytes, &err), STATUS_OK);
    assert_int_equal(bytes, 36);
    assert_int_equal(quant_row_bytes(QUANT_Q6_K, 512, &bytes, &err), STATUS_OK);
    assert_int_equal(bytes, 420);
    assert_int_equal(quant_row_bytes(QUANT_Q5_K, 0, &bytes, &err), STATUS_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(quant_row_bytes(QUANT_Q4_0, 33, &bytes, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "Q4_0"));
    assert_int_equal(quant_row_bytes(QUANT_Q4_0, -32, &bytes, &err), STATUS_INVALID);
    assert_int_equal(quant_row_bytes(QUANT_F16, INT64_MAX, &bytes, &err), STATUS_INVALID);
    assert_int_equal(quant_row_bytes(QUANT_Q8_0, INT64_MAX / 32 * 32, &bytes, &err), STATUS_INVALID);
    assert_int_equal(quant_row_bytes(QUANT_PLAIN, 32, &bytes, &err), STATUS_INVALID);
    assert_int_equal(quant_row_bytes((quant_format)99, 32, &bytes, &err), STATUS_INVALID);
}

static void formats_are_found_by_name(void **state)
{
    (void)state;
    quant_format f;
    for (int i = QUANT_PLAIN + 1; i < QUANT_COUNT; i++) {
        assert_true(quant_find(quant_name((quant_format)i), &f));
        assert_int_equal(f, i);
    }
    assert_true(quant_find("q4_k", &f));
    assert_int_equal(f, QUANT_Q4_K);
    assert_false(quant_find("plain", &f));
    assert_false(quant_find("Q3_K", &f));
    assert_false(quant_find(NULL, &f));
}

static void halves_go_to_and_fro(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) { /* each half comes back as it was (NaN as some NaN) */
        float x = f16_to_f32((uint16_t)bits);
        uint16_t back = f16_from_f32(x);
        assert_true(isnan(x) ? isnan(f16_to_f32(back)) : back == bits);
    }
    for (uint32_t bits = 0; bits < 0x7c00; bits++) { /* between neighbours: to the nearest, to the even one in the middle */
        float low = f16_to_f32((uint16_t)bits), high = bits + 1 < 0x7c00 ? f16_to_f32((uint16_t)(bits + 1)) : 65536;
        float middle = low + (high - low) / 2;
        assert_int_equal(f16_from_f32(nextafterf(middle, 0)), bits);
        assert_int_equal(f16_from_f32(nextafterf(middle, INFINITY)), bits + 1);
        assert_int_equal(f16_from_f32(middle), bits % 2 ? bits + 1 : bits);
        assert_int_equal(f16_from_f32(-middle), 0x8000 | (bits % 2 ? bits + 1 : bits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_gguf_package),
        cmocka_unit_test(storing_gives_the_bytes_of_the_gguf_package),
        cmocka_unit_test(what_is_stored_comes_back_within_a_step),
        cmocka_unit_test(what_cannot_be_stored_is_refused),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(formats_are_found_by_name),
        cmocka_unit_test(halves_go_to_and_fro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
