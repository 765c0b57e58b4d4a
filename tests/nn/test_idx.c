/* IDX files: a small one is read as what it is; every way of breaking one is refused with the reason. */
#include "nn/idx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char good[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255};

static void bytes_are_read_in_order(void **state)
{
    (void)state;
    idx_array x;
    assert_int_equal(idx_parse((slice){(const char *)good, sizeof good}, "good", &x, NULL), STATUS_OK);
    assert_true(shape_equal(x.shape, SHAPE(2, 3)));
    assert_int_equal(x.elements[0], 1);
    assert_int_equal(x.elements[5], 255);
}

static void broken_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        size_t at, length; /* the byte changed, and what is left of the file */
        unsigned char byte;
        status code;
        const char *word;
    } cases[] = {
        {0, sizeof good, 1, STATUS_INVALID, "no IDX file"},        {0, 3, 0, STATUS_INVALID, "no IDX file"},
        {2, sizeof good, 0x0d, STATUS_UNSUPPORTED, "type 0x0d"},   {3, sizeof good, 0, STATUS_INVALID, "0 axes"},
        {3, sizeof good, 9, STATUS_INVALID, "9 axes"},             {3, 10, 2, STATUS_INVALID, "within its header"},
        {7, sizeof good, 3, STATUS_INVALID, "its header says 9"},  {0, sizeof good - 1, 0, STATUS_INVALID, "holds 5 elements"},
        {4, sizeof good, 255, STATUS_LIMIT, "more than 4 GiB"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned char bytes[sizeof good];
        memcpy(bytes, good, sizeof good);
        bytes[cases[i].at] = cases[i].byte;
        error err = {0};
        idx_array x;
        assert_int_equal(idx_parse((slice){(const char *)bytes, cases[i].length}, "broken", &x, &err), cases[i].code);
        if (!strstr(err.message, cases[i].word))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].word, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_read_in_order),
        cmocka_unit_test(broken_files_are_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
