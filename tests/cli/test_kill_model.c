/* kill -9 of `assay run sycophancy` on the embedded base: the same command goes on, and its JSON is that of an undisturbed
 * run, byte for byte. test_kill_long.c does the same with twenty kills. */
#include "run/kill.h"

#ifndef KILLS
enum { KILLS = 6, LEAST_INSIDE = 1, ITEMS = 20 };
#endif

static pid_t start(const char *database, const char *out)
{
    char items[16];
    snprintf(items, sizeof items, "%d", ITEMS);
    pid_t child = fork();
    if (child == 0) {
        int file = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (file >= 0 && dup2(file, STDOUT_FILENO) >= 0)
            execl(ASSAY_BINARY, "assay", "run", "sycophancy", "-m", "base", "--seed", "3", "--items", items, "--in-flight", "4",
                  "--store", database, "--json", "-q", (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static void killed_runs_end_as_undisturbed_ones(void **state)
{
    (void)state;
    kill_and_compare(&(kill_plan){.start = start, .kills = KILLS, .least_inside = LEAST_INSIDE, .samples = 4 * ITEMS,
                                  .slow_commit = "2000"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_runs_end_as_undisturbed_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
