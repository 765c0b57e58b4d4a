/* kill -9 at random moments, some of them inside a commit: the same command goes on, asks nothing finished again, and
 * ends with the JSON of an undisturbed run, byte for byte. The program starts itself as the command. */
#include "folder.h"
#include "toy.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 20, KILLS_IN_COMMIT = 8, SAMPLES = 150000 };

static const char *self;

/* ---- the command ------------------------------------------------------------------------------------------------ */

static status command(const char *database, const char *script, const char *out, error *err)
{
    arena *a = arena_new(NULL);
    store *s;
    param_values *params;
    run_outcome outcome = {0};
    run_role role = {.name = "subject", .specification = arena_printf(a, "script:%s", script)};
    TRY(param_values_new(a, toy_params, COUNT_OF(toy_params), &params, err));
    TRY(param_set(params, "items", arena_printf(a, "%d", SAMPLES), err));
    TRY(store_open(database, STORE_WRITE, &s, err));
    run_request request = {.study = &toy_study, .params = params, .seed = 3, .roles = &role, .role_count = 1, .store = s};
    status result = run_study(a, &request, &outcome, err);
    if (result == STATUS_OK)
        result = store_close(s, err);
    if (result == STATUS_OK)
        result = jsonio_write(out, outcome.json, 2, err);
    run_outcome_clear(&outcome);
    arena_free(a);
    return result;
}

static pid_t start(const char *database, const char *script, const char *out)
{
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "command", database, script, out, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

/* ---- the test --------------------------------------------------------------------------------------------------- */

static char phase_of(const char *path)
{
    char byte = '?';
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, &byte, 1) != 1)
            byte = '?';
        close(file);
    }
    return byte;
}

typedef enum moment { MOMENT_IN_COMMIT, MOMENT_ANY, MOMENT_AFTER_COMMIT } moment;

static bool alive(pid_t child)
{
    return waitpid(child, NULL, WNOHANG) == 0;
}

/* Waits for the chosen moment; false when the child ended before. */
static bool reach_moment(pid_t child, const char *phase, moment which, random_stream *draws)
{
    double share = random_uniform(draws), begun = clock_seconds();
    if (which == MOMENT_ANY) {
        usleep((useconds_t)(share * 500000));
        return alive(child);
    }
    while (phase_of(phase) != '1') {
        if (clock_seconds() - begun > 60 || !alive(child))
            return false;
        usleep(200);
    }
    if (which == MOMENT_IN_COMMIT) {
        usleep((useconds_t)(share * 40000)); /* somewhere among its writes */
        return true;
    }
    while (phase_of(phase) == '1' && clock_seconds() - begun < 60)
        usleep(200);
    usleep((useconds_t)(share * 100000));
    return alive(child);
}

static uint64_t stored_samples(const char *database)
{
    arena *a = arena_new(NULL);
    store *s;
    store_run *runs;
    size_t count = 0;
    uint64_t done = 0;
    if (store_open(database, STORE_READ, &s, NULL) == STATUS_OK) {
        if (store_run_list(s, a, 0, &runs, &count, NULL) == STATUS_OK && count > 0) {
            assert_int_equal(count, 1); /* always the same run */
            done = runs[0].done;
        }
        store_close(s, NULL);
    }
    arena_free(a);
    return done;
}

static const char *content(arena *a, const char *path)
{
    slice text;
    error err = {0};
    if (file_read(a, path, 1 << 20, &text, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return text.text;
}

static void killed_runs_end_as_undisturbed_ones(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *script = file_join(a, test_folder(), "s.yaml"), *phase = file_join(a, test_folder(), "phase");
    const char *calm_json = file_join(a, test_folder(), "calm.json"), *json = file_join(a, test_folder(), "killed.json");
    const char *database = file_join(a, test_folder(), "killed.db");
    random_stream draws = random_stream_at((uint64_t)getpid(), "kill", 0, 0, 0, 0);
    int how, kills = 0, inside = 0;
    assert_int_equal(file_write(script, slice_of(toy_script), NULL), STATUS_OK);
    waitpid(start(file_join(a, test_folder(), "calm.db"), script, calm_json), &how, 0);
    assert_int_equal(how, 0);
    setenv("ASSAY_TEST_SLOW_COMMIT", "600", 1);
    setenv("ASSAY_TEST_COMMIT_PHASE", phase, 1);
    uint64_t done = 0;
    for (; kills < KILLS || (done == 0 && kills < 4 * KILLS); kills++) {
        int file = open(phase, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        close(file);
        pid_t child = start(database, script, json);
        moment which = kills < KILLS_IN_COMMIT ? MOMENT_IN_COMMIT : kills % 4 ? MOMENT_ANY : MOMENT_AFTER_COMMIT;
        if (!reach_moment(child, phase, which, &draws))
            break;
        kill(child, SIGKILL);
        waitpid(child, &how, 0);
        assert_true(WIFSIGNALED(how));
        inside += phase_of(phase) == '1';
        uint64_t now = stored_samples(database);
        assert_true(now >= done); /* nothing committed is lost */
        done = now;
    }
    unsetenv("ASSAY_TEST_SLOW_COMMIT");
    unsetenv("ASSAY_TEST_COMMIT_PHASE");
    printf("%d kills, %d inside a commit, %llu of %d samples stored after them\n", kills, inside, (unsigned long long)done,
           SAMPLES);
    assert_true(kills >= KILLS);
    assert_true(inside >= 5);
    assert_true(done > 0 && done < SAMPLES);
    waitpid(start(database, script, json), &how, 0);
    assert_int_equal(how, 0);
    assert_int_equal(stored_samples(database), SAMPLES);
    assert_string_equal(content(a, json), content(a, calm_json));
    arena_free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_runs_end_as_undisturbed_ones)};
    self = argv[0];
    if (argc == 5) {
        error err = {0};
        if (command(argv[2], argv[3], argv[4], &err) == STATUS_OK)
            return 0;
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
