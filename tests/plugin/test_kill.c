/* kill -9 of `assay run ./study.py` at random moments, some of them inside a commit: the start that `assay new study` writes ends
 * with the JSON of an undisturbed run, byte for byte, and no process of it is left behind. */
#include "../run/kill.h"
#include "marked.h"

enum { SAMPLES = 8000 };

static const char *program, *subject;

static pid_t start(const char *database, const char *out)
{
    pid_t child = fork();
    if (child == 0) {
        char count[16];
        snprintf(count, sizeof count, "%d", SAMPLES);
        int to = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (to < 0 || dup2(to, STDOUT_FILENO) < 0)
            _exit(126);
        execl(ASSAY_BINARY, ASSAY_BINARY, "run", program, "-m", subject, "--items", count, "--store", database, "--json", "-q", (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static void a_killed_run_of_a_plugin_ends_as_an_undisturbed_one(void **state)
{
    (void)state;
    if (system("python3 -c 'import json' 2> /dev/null") != 0)
        skip();
    arena *a = arena_new(NULL);
    const char *script = file_join(a, test_folder(), "s.yaml"), *mark = arena_printf(a, "ASSAY_TEST_MARK=kill-%d", (int)getpid());
    setenv("ASSAY_TEST_MARK", mark + strlen("ASSAY_TEST_MARK="), 1);
    assert_int_equal(file_write(script,
                                SLICE("rules:\n"
                                      "  - matches: 'of Mia (\\w+) or (\\w+)'\n"
                                      "    answer: 'It is $1.'\n"
                                      "    \n"
                                      "default: I do not know.\n"),
                                NULL),
                     STATUS_OK);
    subject = arena_printf(a, "script:%s", script);
    const char *make = arena_printf(a, "%s new study mine -o %s > /dev/null", ASSAY_BINARY, test_folder());
    assert_int_equal(system(make), 0);
    program = file_join(a, test_folder(), "mine.py");
    kill_and_compare(&(kill_plan){.start = start, .kills = 20, .least_inside = 4, .samples = SAMPLES, .slow_commit = "600"});
    double until = clock_seconds() + 10; /* the last one may still be on its way out */
    while (processes_with(mark) > 0 && clock_seconds() < until)
        usleep(50000);
    assert_int_equal(processes_with(mark), 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_run_of_a_plugin_ends_as_an_undisturbed_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
