/* kill -9 at random moments, some of them inside a commit: the same command goes on, asks nothing finished again, and
 * ends with the JSON of an undisturbed run, byte for byte. The program starts itself as the command. */
#include "kill.h"
#include "toy.h"

#include "core/jsonio.h"

enum { SAMPLES = 150000 };

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

static const char *script;

static pid_t start(const char *database, const char *out)
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

static void killed_runs_end_as_undisturbed_ones(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    script = file_join(a, test_folder(), "s.yaml");
    assert_int_equal(file_write(script, slice_of(toy_script), NULL), STATUS_OK);
    kill_and_compare(&(kill_plan){.start = start, .kills = 20, .least_inside = 5, .samples = SAMPLES, .slow_commit = "600"});
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
