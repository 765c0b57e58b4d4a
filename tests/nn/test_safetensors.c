/* Safetensors: what is written is read back; files that break the format are refused with the reason. */
#include "folder.h"
#include "memory.h"

#include "core/arena.h"
#include "core/element.h"
#include "core/file.h"
#include "core/random.h"
#include "nn/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file in memory: header length, header, `data` zero bytes. `claimed` < 0 gives the true length. */
static slice make(const char *header, size_t data, int64_t claimed)
{
    size_t length = strlen(header);
    char *bytes = arena_alloc(memory, 8 + length + data + 1);
    uint64_t n = claimed < 0 ? length : (uint64_t)claimed;
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (char)(n >> (8 * i));
    memcpy(bytes + 8, header, length);
    return (slice){bytes, 8 + length + data};
}

static void bad_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        int64_t claimed;
        status code;
        const char *word;
    } cases[] = {
        {"", 0, 5, STATUS_INVALID, "the file ends after 0"},
        {"{}", 0, 1000000000, STATUS_INVALID, "more than the format's"},
        {"{}", 0, -2, STATUS_INVALID, "does not begin"}, /* see below: claimed length 0 */
        {"[]", 0, -1, STATUS_INVALID, "does not begin"},
        {"{\"a\":", 0, -1, STATUS_INVALID, "not valid JSON"},
        {"{\"a\":1}", 0, -1, STATUS_INVALID, "expected an object"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, -1, STATUS_INVALID, "duplicate"},
        {"{\"a\":{\"dtype\":\"Q3\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, -1, STATUS_UNSUPPORTED, "Q3"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, -1, STATUS_INVALID, "not a size"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, -1, STATUS_INVALID, "not a size"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, -1, STATUS_UNSUPPORTED,
         "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, -1, STATUS_INVALID,
         "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, -1, STATUS_INVALID, "needs 8 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, -1, STATUS_INVALID, "holds 3 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, -1, STATUS_INVALID, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, -1, STATUS_INVALID, "two integers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, -1, STATUS_INVALID, "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, -1, STATUS_INVALID, "holds 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, -1, STATUS_INVALID, "no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, -1, STATUS_INVALID, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, -1, STATUS_INVALID, "keys"},
        {"{\"__metadata__\":{\"format\":1}}", 0, -1, STATUS_INVALID, "not a text"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        safetensors *s;
        error err = {0};
        slice bytes = make(cases[i].header, cases[i].data, cases[i].claimed == -2 ? 0 : cases[i].claimed);
        status code = safetensors_from_bytes(memory, bytes, "bad.safetensors", &s, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word) || s)
            fail_msg("case %zu: status %s, \"%s\"", i, status_word(code), err.message);
    }
    safetensors *s;
    assert_int_equal(safetensors_from_bytes(memory, (slice){"abc", 3}, "short", &s, NULL), STATUS_INVALID);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    slice whole = make("{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}", 12, -1);
    safetensors *s;
    assert_int_equal(safetensors_from_bytes(memory, whole, "whole", &s, NULL), STATUS_OK);
    for (size_t n = 0; n < whole.length; n++)
        assert_int_equal(safetensors_from_bytes(memory, (slice){whole.text, n}, "cut", &s, NULL), STATUS_INVALID);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const float f32[] = {1.5f, -2, 3e30f};
    static const uint16_t halves[] = {0x3f80, 0xc000};
    static const int64_t i64[] = {-7};
    safetensors_tensor tensors[] = {
        {"b.weight", SAFETENSORS_BF16, 2, {1, 2}, halves, sizeof halves},
        {"a.weight", SAFETENSORS_F32, 1, {3}, f32, sizeof f32},
        {"empty", SAFETENSORS_F32, 2, {0, 4}, NULL, 0},
        {"scalar", SAFETENSORS_I64, 0, {0}, i64, sizeof i64},
    };
    const char *metadata[] = {"made by", "a test"};
    char *path = file_join(memory, test_folder(), "model.safetensors");
    error err;
    assert_int_equal(safetensors_write(path, tensors, COUNT_OF(tensors), metadata, 1, &err), STATUS_OK);
    safetensors *s;
    assert_int_equal(safetensors_open(memory, test_folder(), &s, &err), STATUS_OK);
    assert_int_equal(safetensors_count(s), COUNT_OF(tensors));
    assert_string_equal(safetensors_metadata(s, "format"), "pt");
    assert_string_equal(safetensors_metadata(s, "made by"), "a test");
    assert_null(safetensors_metadata(s, "absent"));
    assert_string_equal(safetensors_at(s, 0)->name, "a.weight");
    assert_null(safetensors_find(s, "c.weight"));
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        const safetensors_tensor *t;
        assert_int_equal(safetensors_expect(s, tensors[i].name, tensors[i].shape, tensors[i].rank, &t, &err), STATUS_OK);
        assert_int_equal(t->type, tensors[i].type);
        assert_int_equal(t->bytes, tensors[i].bytes);
        if (t->bytes)
            assert_memory_equal(t->data, tensors[i].data, t->bytes);
    }
    const safetensors_tensor *t;
    assert_int_equal(safetensors_expect(s, "a.weight", (int64_t[]){4}, 1, &t, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "[3], expected [4]"));
    assert_int_equal(safetensors_expect(s, "z", (int64_t[]){4}, 1, &t, &err), STATUS_INVALID);
    float values[2];
    assert_int_equal(safetensors_to_f32(safetensors_find(s, "b.weight"), values, &err), STATUS_OK);
    assert_true(values[0] == 1 && values[1] == -2);
    assert_int_equal(safetensors_to_f32(safetensors_find(s, "scalar"), values, &err), STATUS_OK);
    assert_true(values[0] == -7);
    /* The first 8 bytes and the padding: data begin at a multiple of 8. */
    slice bytes;
    assert_int_equal(file_read(memory, path, 1 << 20, &bytes, &err), STATUS_OK);
    assert_int_equal((unsigned char)bytes.text[0] % 8, 0);
}

static void write_text(const char *name, const char *text)
{
    assert_int_equal(file_write(file_join(memory, test_folder(), name), slice_of(text), NULL), STATUS_OK);
}

static void shards_and_their_index_must_agree(void **state)
{
    (void)state;
    static const float one[] = {1}, two[] = {2};
    safetensors_tensor a = {"a", SAFETENSORS_F32, 1, {1}, one, 4}, b = {"b", SAFETENSORS_F32, 1, {1}, two, 4};
    unlink(file_join(memory, test_folder(), "model.safetensors"));
    safetensors *s;
    error err;
    assert_int_equal(safetensors_open(memory, test_folder(), &s, &err), STATUS_NOT_FOUND);
    assert_int_equal(safetensors_write(file_join(memory, test_folder(), "m1"), &a, 1, NULL, 0, &err), STATUS_OK);
    assert_int_equal(safetensors_write(file_join(memory, test_folder(), "m2"), &b, 1, NULL, 0, &err), STATUS_OK);
    const char *index = "model.safetensors.index.json";
    write_text(index, "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"m1\",\"b\":\"m2\"}}");
    assert_int_equal(safetensors_open(memory, test_folder(), &s, &err), STATUS_OK);
    assert_int_equal(safetensors_count(s), 2);
    float value;
    assert_int_equal(safetensors_to_f32(safetensors_find(s, "b"), &value, &err), STATUS_OK);
    assert_true(value == 2);
    static const struct {
        const char *index, *word;
    } bad[] = {
        {"{\"weight_map\":{\"a\":\"m1\",\"b\":\"m1\"}}", "\"b\""},
        {"{\"weight_map\":{\"a\":\"m2\",\"b\":\"m1\"}}", "another file"},
        {"{\"weight_map\":{\"a\":\"../m1\"}}", "../m1"},
        {"{\"weight_map\":{\"a\":\"m3\"}}", "m3"},
        {"{\"weight_map\":{\"a\":7}}", "\"a\""},
        {"{\"map\":{}}", "weight_map"},
        {"{\"weight_map\":{\"a\":\"m1\",\"b\":\"m2\",\"c\":\"m2\"}}", "\"c\""},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_text(index, bad[i].index);
        err.message[0] = '\0';
        assert_int_not_equal(safetensors_open(memory, test_folder(), &s, &err), STATUS_OK);
        if (!strstr(err.message, bad[i].word))
            fail_msg("case %zu: \"%s\" does not name %s", i, err.message, bad[i].word);
    }
    write_text(index, "{\"weight_map\":{\"a\":\"m1\",\"b\":\"m2\"}}");
    slice whole;
    const char *second = file_join(memory, test_folder(), "m2");
    assert_int_equal(file_read(memory, second, 1 << 20, &whole, NULL), STATUS_OK);
    for (size_t left = 0; left < whole.length; left++) { /* a shard that was not fetched whole */
        assert_int_equal(truncate(second, (off_t)left), 0);
        assert_int_equal(safetensors_open(memory, test_folder(), &s, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "m2"));
        assert_int_equal(file_write(second, whole, NULL), STATUS_OK);
    }
    unlink(file_join(memory, test_folder(), index));
}

/* Every half-precision number, against its definition: sign, 5 bits of exponent, 10 of fraction. */
static void all_half_precision_values_are_those_of_the_definition(void **state)
{
    (void)state;
    enum { ALL = 1 << 16 };
    static uint16_t bits[ALL];
    static float values[ALL];
    for (int i = 0; i < ALL; i++)
        bits[i] = (uint16_t)i;
    safetensors_tensor t = {"h", SAFETENSORS_F16, 1, {ALL}, bits, sizeof bits};
    assert_int_equal(safetensors_to_f32(&t, values, NULL), STATUS_OK);
    for (int i = 0; i < ALL; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
        if (exponent == 31 && fraction)
            assert_true(isnan(values[i]));
        else
            assert_true((double)values[i] == (i >> 15 ? -1 : 1) * (exponent == 31 ? (double)INFINITY : size));
        assert_true(isnan(values[i]) || !!signbit(values[i]) == i >> 15);
    }
}

static void half_precision_values_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        float value;
    } cases[] = {{0x0001, 0x1p-24f}, {0x03ff, 1023 * 0x1p-24f}, {0x0400, 0x1p-14f}, {0x3c00, 1},
                 {0xc000, -2},       {0x7bff, 65504},           {0x7c00, INFINITY}, {0x8000, -0.0f}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        safetensors_tensor t = {"h", SAFETENSORS_F16, 1, {1}, &cases[i].bits, 2};
        float value;
        assert_int_equal(safetensors_to_f32(&t, &value, NULL), STATUS_OK);
        assert_memory_equal(&value, &cases[i].value, sizeof value);
    }
    assert_int_equal(bf16_from_f32(1 + 0x1p-8f), 0x3f80);          /* a tie goes to even */
    assert_int_equal(bf16_from_f32(1 + 3 * 0x1p-8f), 0x3f82);
    assert_int_equal(bf16_from_f32(1 + 0x1p-8f + 0x1p-20f), 0x3f81);
    assert_int_equal(bf16_from_f32(3.4e38f), 0x7f80);              /* beyond the largest: infinity */
    assert_true(isnan(bf16_to_f32(bf16_from_f32(NAN))));
    random_stream r = random_stream_at(1, "test/bf16", 0, 0, 0, 0);
    for (int i = 0; i < 1000; i++) {
        uint16_t bits = (uint16_t)random_u64(&r);
        if ((bits & 0x7fff) <= 0x7f80)
            assert_int_equal(bf16_from_f32(bf16_to_f32(bits)), bits);
    }
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    static const float one[] = {1};
    safetensors_tensor a = {"a", SAFETENSORS_F32, 1, {1}, one, 4};
    error err;
    assert_int_not_equal(safetensors_write("/nonexistent-folder/m", &a, 1, NULL, 0, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "/nonexistent-folder/m"));
}

static void no_allocation_failure_crashes(void **state)
{
    (void)state;
    slice whole = make("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"__metadata__\":{\"k\":\"v\"}}",
                       4, -1);
    for (unsigned long n = 1; n < 200; n++) {
        arena *a = arena_new(NULL);
        safetensors *s;
        memory_fail_at(n);
        status code = safetensors_from_bytes(a, whole, "torture", &s, NULL);
        memory_fail_at(0);
        assert_true(code == STATUS_OK || code == STATUS_MEMORY);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_are_refused_with_the_reason),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(shards_and_their_index_must_agree),
        cmocka_unit_test(half_precision_values_are_exact),
        cmocka_unit_test(all_half_precision_values_are_those_of_the_definition),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(no_allocation_failure_crashes),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
