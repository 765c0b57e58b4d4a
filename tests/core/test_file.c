/* Mapped files whose memory is given back. */
#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

enum { SIZE = 4 << 20 };

/* Bytes of the mapping at `start` that are in memory now, as the system tells; -1 where it does not. */
static long resident(const char *start)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    long kilobytes = -1;
    bool mine = false;
    while (f && kilobytes < 0 && fgets(line, sizeof line, f)) {
        char *end;
        uintptr_t first = (uintptr_t)strtoull(line, &end, 16);
        if (*end == '-')
            mine = first == (uintptr_t)start;
        else if (mine && strncmp(line, "Rss:", 4) == 0)
            kilobytes = strtol(line + 4, NULL, 10);
    }
    if (f)
        fclose(f);
    return kilobytes < 0 ? -1 : kilobytes * 1024;
}

static unsigned sum_of(slice s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.length; i++)
        sum += (unsigned char)s.text[i];
    return sum;
}

static void pages_go_and_come_back(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err;
    char *path = arena_printf(a, "/tmp/assay-test-file-%d", (int)getpid()), *bytes = arena_alloc(a, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    assert_int_equal(file_write(path, (slice){bytes, SIZE}, &err), STATUS_OK);
    slice mapped;
    assert_int_equal(file_map(a, path, &mapped, &err), STATUS_OK);
    unlink(path);
    unsigned sum = sum_of((slice){bytes, SIZE});
    assert_int_equal(sum_of(mapped), sum);
    long before = resident(mapped.text);
    if (before < 0) {
        print_message("skipped: this system does not tell what is in memory\n");
    } else {
        assert_int_equal(before, SIZE);
        file_give_back(mapped.text + 100, 1 << 20); /* the pages inside, and others where the system has joined them */
        long page = sysconf(_SC_PAGESIZE);
        assert_true(resident(mapped.text) <= SIZE - (1 << 20) + page);
        file_give_back(mapped.text, SIZE);
        assert_int_equal(resident(mapped.text), 0);
    }
    assert_int_equal(sum_of(mapped), sum);
    file_give_back(bytes, SIZE); /* no file's: stays */
    assert_int_equal(sum_of((slice){bytes, SIZE}), sum);
    file_give_back(NULL, 0);
    arena_free(a);
    file_give_back(mapped.text, SIZE); /* no longer one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_go_and_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
