/* The memory there is. */
#include "core/arena.h"
#include "core/machine.h"
#include "sanitized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void memory_is_known(void **state)
{
    (void)state;
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE), left = machine_memory_left();
    assert_true(left > 0 && left < SIZE_MAX);
    assert_true(left <= 64 * all); /* with swap */
    assert_true(machine_process_memory() > 100000 && machine_process_memory() <= all);
    assert_true(machine_process_peak() >= machine_process_memory() - machine_process_memory() / 8);
}

static void the_peak_stays(void **state)
{
    (void)state;
    enum { BYTES = 64 << 20 };
    size_t before = machine_process_memory();
    char *some = memory_alloc(BYTES);
    assert_non_null(some);
    memset(some, 1, BYTES);
    memory_free(some);
    assert_true(machine_process_peak() >= before + BYTES - BYTES / 8);
}

static void limits_on_the_process_count(void **state)
{
    (void)state;
#if SANITIZED
    skip(); /* their shadows are larger than any limit */
#else
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)1 << 40; /* more than this process takes, less than there is */
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    size_t wide = machine_memory_left();
    low.rlim_cur = 512 << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    size_t narrow = machine_memory_left();
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_true(narrow < 512 << 20);
    assert_true(narrow < wide);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_known),
        cmocka_unit_test(the_peak_stays),
        cmocka_unit_test(limits_on_the_process_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
