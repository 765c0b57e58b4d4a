/* GGUF files: what is read, and what is refused. */
#include "memory.h"
#include "nn/gguf_bytes.h"

#include "folder.h"

#include "core/file.h"
#include "nn/gguf_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A key of every type, two tensors, alignment 64. */
static slice whole_file(unsigned version)
{
    strbuf f = strbuf_new(memory, 1 << 16);
    float half = 0.5f;
    double third = -3.25;
    put_head(&f, version, 2, 13);
    put_text(&f, "general.architecture", "llama");
    put_key(&f, "general.alignment", GGUF_U32), put_number(&f, 64, 4);
    put_key(&f, "u8", GGUF_U8), put_number(&f, 200, 1);
    put_key(&f, "i8", GGUF_I8), put_number(&f, (uint64_t)-5, 1);
    put_key(&f, "u16", GGUF_U16), put_number(&f, 60000, 2);
    put_key(&f, "i16", GGUF_I16), put_number(&f, (uint64_t)-300, 2);
    put_key(&f, "i64", GGUF_I64), put_number(&f, (uint64_t)-7000000000, 8);
    put_key(&f, "f32", GGUF_F32), strbuf_add_bytes(&f, &half, 4);
    put_key(&f, "f64", GGUF_F64), strbuf_add_bytes(&f, &third, 8);
    put_key(&f, "yes", GGUF_BOOL), put_number(&f, 1, 1);
    put_array(&f, "words", GGUF_STRING, 3), put_string(&f, "a"), put_string(&f, ""), put_string(&f, "c\xc3\xa9");
    put_array(&f, "numbers", GGUF_I32, 2), put_number(&f, 7, 4), put_number(&f, (uint64_t)-7, 4);
    put_array(&f, "nested", GGUF_ARRAY, 2), put_number(&f, GGUF_U8, 4), put_number(&f, 3, 8), put_number(&f, 0x030201, 3);
    put_number(&f, GGUF_STRING, 4), put_number(&f, 1, 8), put_string(&f, "x");
    put_tensor(&f, "b.weight", 2, (uint64_t[]){32, 3}, GGUF_TENSOR_Q8_0, 64);
    put_tensor(&f, "a.weight", 1, (uint64_t[]){4}, GGUF_TENSOR_F32, 0);
    put_padding(&f, 64);
    for (int i = 0; i < 4; i++) {
        float value = (float)i;
        strbuf_add_bytes(&f, &value, 4);
    }
    put_padding(&f, 64);
    for (int i = 0; i < 3 * 34; i++)
        strbuf_add_char(&f, (char)i);
    return strbuf_slice(&f);
}

static status parse(slice bytes, gguf **g, error *err)
{
    return gguf_from_bytes(memory, bytes, "test.gguf", g, err);
}

static void every_type_of_value_is_read(void **state)
{
    (void)state;
    for (unsigned version = 2; version <= 3; version++) {
        gguf *g;
        error err = {0};
        slice text, *words;
        int64_t whole, *list;
        double number, *numbers;
        bool flag;
        size_t count;
        if (parse(whole_file(version), &g, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        assert_int_equal(gguf_key_count(g), 13);
        assert_int_equal(gguf_string(g, "general.architecture", &text, NULL), STATUS_OK);
        assert_true(slice_is(text, "llama"));
        static const struct {
            const char *key;
            int64_t value;
        } integers[] = {{"u8", 200}, {"i8", -5}, {"u16", 60000}, {"i16", -300}, {"i64", -7000000000}, {"general.alignment", 64}};
        for (size_t i = 0; i < COUNT_OF(integers); i++) {
            assert_int_equal(gguf_int(g, integers[i].key, &whole, NULL), STATUS_OK);
            assert_int_equal(whole, integers[i].value);
        }
        assert_int_equal(gguf_number(g, "f32", &number, NULL), STATUS_OK);
        assert_true(number == 0.5);
        assert_int_equal(gguf_number(g, "f64", &number, NULL), STATUS_OK);
        assert_true(number == -3.25);
        assert_int_equal(gguf_bool_or(g, "yes", false, &flag, NULL), STATUS_OK);
        assert_true(flag);
        assert_int_equal(gguf_bool_or(g, "no such key", true, &flag, NULL), STATUS_OK);
        assert_true(flag);
        assert_int_equal(gguf_strings(g, memory, "words", &words, &count, NULL), STATUS_OK);
        assert_int_equal(count, 3);
        assert_true(slice_is(words[0], "a") && slice_is(words[1], "") && slice_is(words[2], "c\xc3\xa9"));
        assert_int_equal(gguf_ints(g, memory, "numbers", &list, &count, NULL), STATUS_OK);
        assert_true(count == 2 && list[0] == 7 && list[1] == -7);
        assert_int_equal(gguf_numbers(g, memory, "numbers", &numbers, &count, NULL), STATUS_OK);
        assert_true(numbers[1] == -7);
        assert_int_equal(gguf_find(g, "nested")->count, 2);
    }
}

static void values_of_another_type_are_refused_by_key(void **state)
{
    (void)state;
    gguf *g;
    error err = {0};
    int64_t whole;
    slice text, *words;
    size_t count;
    assert_int_equal(parse(whole_file(3), &g, NULL), STATUS_OK);
    assert_int_equal(gguf_int(g, "f32", &whole, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "\"f32\" is not an integer"));
    assert_int_equal(gguf_int(g, "none", &whole, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "\"none\" is missing"));
    assert_int_equal(gguf_string(g, "u8", &text, &err), STATUS_INVALID);
    assert_int_equal(gguf_int(g, "numbers", &whole, &err), STATUS_INVALID);
    assert_int_equal(gguf_strings(g, memory, "numbers", &words, &count, &err), STATUS_INVALID);
}

static void tensors_lie_where_the_directory_says(void **state)
{
    (void)state;
    gguf *g;
    assert_int_equal(parse(whole_file(3), &g, NULL), STATUS_OK);
    assert_int_equal(gguf_tensor_count(g), 2);
    const gguf_tensor *a = gguf_find_tensor(g, "a.weight"), *b = gguf_find_tensor(g, "b.weight");
    assert_true(a && b && a == gguf_tensor_at(g, 0));
    assert_true(a->rank == 1 && a->shape[0] == 4 && a->bytes == 16);
    assert_true(((const float *)a->data)[3] == 3.0f);
    assert_true(b->rank == 2 && b->shape[0] == 32 && b->shape[1] == 3 && b->bytes == 3 * 34);
    assert_int_equal(((const unsigned char *)b->data)[101], 101);
    assert_string_equal(gguf_tensor_type_name(b->type), "Q8_0");
    assert_null(gguf_find_tensor(g, "c.weight"));
}

static void every_file_that_is_cut_short_is_refused(void **state)
{
    (void)state;
    slice all = whole_file(3);
    for (size_t length = 0; length < all.length; length++) {
        gguf *g;
        char *copy = memory_alloc(length); /* so that a sanitizer sees a read past the end */
        memcpy(copy, all.text, length);
        status code = parse((slice){copy, length}, &g, NULL);
        memory_free(copy);
        if (code != STATUS_INVALID && code != STATUS_UNSUPPORTED)
            fail_msg("%zu of %zu bytes: %s", length, all.length, status_word(code));
    }
}

static void broken_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const uint64_t row[] = {33}, huge[] = {(uint64_t)1 << 62, 4}, two[] = {8}, five[] = {1, 1, 1, 1, 1};
    for (int which = 0; which < 12; which++) {
        strbuf f = strbuf_new(memory, 1 << 16);
        const char *words = "";
        switch (which) {
        case 0: put_head(&f, 1, 0, 0), words = "version 1"; break;
        case 1: put_head(&f, 0x03000000, 0, 0), words = "big-endian"; break;
        case 2: put_head(&f, 3, (uint64_t)1 << 60, 0), words = "claims"; break;
        case 3: put_head(&f, 3, 0, (uint64_t)1 << 60), words = "claims"; break;
        case 4: put_head(&f, 3, 0, 2), put_text(&f, "a", "x"), put_text(&f, "a", "y"), words = "there twice"; break;
        case 5: put_head(&f, 3, 0, 1), put_array(&f, "a", GGUF_U64, (uint64_t)1 << 61), words = "does not fit"; break;
        case 6: put_head(&f, 3, 0, 1), put_key(&f, "a", (gguf_value_type)13), put_number(&f, 0, 8), words = "unknown type 13"; break;
        case 7: put_head(&f, 3, 0, 1), put_key(&f, "general.alignment", GGUF_U32), put_number(&f, 24, 4), words = "no power of two"; break;
        case 8: put_head(&f, 3, 1, 0), put_tensor(&f, "t", 1, row, GGUF_TENSOR_Q4_0, 0), words = "no blocks of 32"; break;
        case 9: put_head(&f, 3, 1, 0), put_tensor(&f, "t", 2, huge, GGUF_TENSOR_F32, 0), words = "overflows"; break;
        case 10: put_head(&f, 3, 1, 0), put_tensor(&f, "t", 5, five, GGUF_TENSOR_F32, 0), words = "5 dimensions"; break;
        case 11:
            put_head(&f, 3, 2, 0), put_tensor(&f, "t", 1, two, GGUF_TENSOR_F32, 0), put_tensor(&f, "u", 1, two, GGUF_TENSOR_F32, 0);
            put_padding(&f, 32), put_number(&f, 0, 32), words = "overlap";
            break;
        }
        gguf *g;
        error err = {0};
        status code = parse(strbuf_slice(&f), &g, &err);
        if (code == STATUS_OK || !strstr(err.message, words))
            fail_msg("case %d: %s, \"%s\", not \"%s\"", which, status_word(code), err.message, words);
    }
}

static status fill_with_index(void *context, size_t i, void *out, error *err)
{
    (void)err;
    memset(out, (int)i + 1, gguf_put_tensor_bytes(context, i));
    return STATUS_OK;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const char *path = file_join(memory, test_folder(), "written.gguf");
    gguf_writer *w;
    gguf *g;
    error err = {0};
    assert_int_equal(gguf_writer_new(memory, &w, &err), STATUS_OK);
    gguf_put_text(w, "text", SLICE("c\xc3\xa9"));
    gguf_put_int(w, "int", 4000000000u);
    gguf_put_number(w, "number", 0.1);
    gguf_put_flag(w, "flag", true);
    gguf_put_texts(w, "texts", (slice[]){SLICE("a"), SLICE("")}, 2);
    gguf_put_ints(w, "ints", (int32_t[]){7, -7}, 2);
    gguf_put_flags(w, "flags", (bool[]){true, false}, 2);
    gguf_put_tensor(w, "odd", GGUF_TENSOR_F16, 1, (int64_t[]){3});
    gguf_put_tensor(w, "blocks", GGUF_TENSOR_Q4_0, 2, (int64_t[]){64, 5});
    assert_int_equal(gguf_put_bytes(w), 6 + 2 * 18 * 5);
    if (gguf_write(w, path, fill_with_index, w, &err) != STATUS_OK || gguf_open(memory, path, &g, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    slice text, *texts;
    int64_t whole, *ints;
    double number;
    bool flag = false;
    size_t count;
    assert_true(gguf_string(g, "text", &text, NULL) == STATUS_OK && slice_is(text, "c\xc3\xa9"));
    assert_true(gguf_int(g, "int", &whole, NULL) == STATUS_OK && whole == 4000000000);
    assert_true(gguf_number(g, "number", &number, NULL) == STATUS_OK && number == (double)0.1f);
    assert_true(gguf_bool_or(g, "flag", false, &flag, NULL) == STATUS_OK && flag);
    assert_true(gguf_strings(g, memory, "texts", &texts, &count, NULL) == STATUS_OK && count == 2 && slice_is(texts[0], "a"));
    assert_true(gguf_ints(g, memory, "ints", &ints, &count, NULL) == STATUS_OK && ints[0] == 7 && ints[1] == -7);
    assert_memory_equal(gguf_find(g, "flags")->bytes.text, "\1\0", 2);
    const gguf_tensor *odd = gguf_find_tensor(g, "odd"), *blocks = gguf_find_tensor(g, "blocks");
    assert_true(odd->bytes == 6 && blocks->bytes == 180 && blocks->shape[0] == 64 && blocks->shape[1] == 5);
    for (size_t i = 0; i < blocks->bytes; i++)
        assert_int_equal(((const unsigned char *)blocks->data)[i], 2);
    assert_int_equal((uintptr_t)blocks->data % 32, 0);
}

static void values_of_another_file_are_copied_as_they_are(void **state)
{
    (void)state;
    const char *path = file_join(memory, test_folder(), "copied.gguf");
    gguf *from, *to;
    gguf_writer *w;
    assert_int_equal(parse(whole_file(3), &from, NULL), STATUS_OK);
    assert_int_equal(gguf_writer_new(memory, &w, NULL), STATUS_OK);
    for (size_t i = 0; i < gguf_key_count(from); i++)
        gguf_put_value(w, gguf_value_at(from, i));
    assert_int_equal(gguf_write(w, path, fill_with_index, w, NULL), STATUS_OK);
    assert_int_equal(gguf_open(memory, path, &to, NULL), STATUS_OK);
    assert_int_equal(gguf_key_count(to), gguf_key_count(from));
    for (size_t i = 0; i < gguf_key_count(from); i++) {
        const gguf_value *x = gguf_value_at(from, i), *y = gguf_value_at(to, i);
        assert_string_equal(x->key, y->key);
        assert_true(x->type == y->type && x->item == y->item && x->count == y->count && slice_equal(x->bytes, y->bytes));
    }
}

static status refuse_second(void *context, size_t i, void *out, error *err)
{
    return i ? error_set(err, STATUS_IO, "no more") : fill_with_index(context, i, out, err);
}

static void a_file_that_fails_half_way_does_not_appear(void **state)
{
    (void)state;
    const char *path = file_join(memory, test_folder(), "half.gguf");
    gguf_writer *w;
    char **names;
    size_t count;
    assert_int_equal(gguf_writer_new(memory, &w, NULL), STATUS_OK);
    gguf_put_tensor(w, "a", GGUF_TENSOR_F32, 1, (int64_t[]){100000});
    gguf_put_tensor(w, "b", GGUF_TENSOR_F32, 1, (int64_t[]){1});
    assert_int_equal(gguf_write(w, path, refuse_second, w, NULL), STATUS_IO);
    assert_int_equal(file_list(memory, test_folder(), &names, &count, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_null(strstr(names[i], "half"));
    assert_int_equal(gguf_write(w, "/proc/nowhere/x.gguf", fill_with_index, w, NULL), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_value_is_read),
        cmocka_unit_test(values_of_another_type_are_refused_by_key),
        cmocka_unit_test(tensors_lie_where_the_directory_says),
        cmocka_unit_test(every_file_that_is_cut_short_is_refused),
        cmocka_unit_test(broken_files_are_refused_with_the_reason),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(values_of_another_file_are_copied_as_they_are),
        cmocka_unit_test(a_file_that_fails_half_way_does_not_appear),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
