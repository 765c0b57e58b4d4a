/* A plug-in that goes wrong at one sample costs that sample alone, with words that say what happened; it never hangs or
 * crashes the run, loses a finished sample, or leaves a process behind. tests/plugin/faulty.py does what FAULT says. */
#include "folder.h"
#include "marked.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/file.h"
#include "core/progress.h"
#include "run/run.h"
#include "studies/plugin/plugin_study.h"

#include <errno.h>

static const char *const script = "default: \"yes\"\n";

typedef struct outcome {
    status code;
    error err;
    uint64_t done, failed;
    char problem[1024], json[4096], notes[4096];
    double seconds;
    int noted;
} outcome;

static const char *in_folder(arena *a, const char *name)
{
    return file_join(a, test_folder(), name);
}

static bool no_python(void)
{
    return system("python3 -c 'import json' 2> /dev/null") != 0;
}

static void take_note(void *context, const char *line)
{
    outcome *o = context; /* one thread at a time says something */
    o->noted++;
    if (strlen(line) < 200) {
        size_t used = strlen(o->notes);
        snprintf(o->notes + used, sizeof o->notes - used, "%s\n", line);
    }
}

/* No child of this program is left: neither running nor a zombie. The folder's guard is not one. */
static void assert_no_children(void)
{
    siginfo_t about;
    assert_int_equal(waitid(P_ALL, 0, &about, WEXITED | WNOHANG | WNOWAIT), -1);
    assert_int_equal(errno, ECHILD);
}

typedef struct how {
    const char *fault;
    const char *items;
    size_t in_flight;
    double timeout;
    const char *store; /* NULL: a new one */
    const atomic_bool *interrupt;
} how;

static outcome run_with(const how *h)
{
    static int number;
    outcome o = {0};
    arena *a = arena_new(NULL);
    const char *starts = in_folder(a, arena_printf(a, "starts-%d", ++number));
    char mark[64];
    snprintf(mark, sizeof mark, "ASSAY_TEST_MARK=%d-%d", (int)getpid(), number);
    setenv("FAULT", h->fault, 1);
    setenv("STARTS", starts, 1);
    setenv("ASSAY_TEST_MARK", mark + strlen("ASSAY_TEST_MARK="), 1);
    const char *yaml = in_folder(a, "yes.yaml");
    assert_int_equal(file_write(yaml, slice_of(script), NULL), STATUS_OK);
    double start = clock_seconds();
    const study *s;
    store *st = NULL;
    param_values *params;
    run_outcome out = {0};
    o.code = plugin_study_open(a, ASSAY_SOURCE_DIR "/tests/plugin/faulty.py", &s, &o.err);
    if (o.code == STATUS_OK) {
        run_role role = {"subject", arena_printf(a, "script:%s", yaml), NULL};
        assert_int_equal(param_values_new(a, s->params, s->param_count, &params, NULL), STATUS_OK);
        if (h->items)
            assert_int_equal(param_set(params, "items", h->items, NULL), STATUS_OK);
        const char *path = h->store ? h->store : in_folder(a, arena_printf(a, "runs-%d.db", number));
        assert_int_equal(store_open(path, STORE_WRITE, &st, &o.err), STATUS_OK);
        run_request request = {.study = s, .params = params, .seed = 1, .roles = &role, .role_count = 1, .store = st,
                               .in_flight = h->in_flight, .subjects = {.timeout_seconds = h->timeout > 0 ? h->timeout : 20},
                               .interrupt = h->interrupt, .on_note = take_note, .context = &o};
        o.code = run_study(a, &request, &out, &o.err);
        o.done = out.done;
        o.failed = out.failed;
        snprintf(o.problem, sizeof o.problem, "%s", out.first_problem ? out.first_problem : "");
        char *json = out.json ? json_dumps(out.json, JSON_SORT_KEYS) : NULL;
        snprintf(o.json, sizeof o.json, "%s", json ? json : "");
        free(json);
        run_outcome_clear(&out);
        store_close(st, NULL);
    }
    arena_free(a);
    o.seconds = clock_seconds() - start;
    assert_no_children();
    for (int i = 0; i < 100 && processes_with(mark) > 0; i++) /* what is killed may take a moment to be gone */
        usleep(50000);
    assert_int_equal(processes_with(mark), 0);
    return o;
}

/* ---- one sample goes wrong -------------------------------------------------------------------------------------- */

static const struct {
    const char *fault, *words;
    double timeout;
} faults[] = {
    {"die", "ended with exit code 3", 0},
    {"crash", "was ended by signal 11", 0},
    {"hang", "said nothing for 2 s", 2},
    {"rubbish", "said something that is not JSON: \"Traceback: ?[31m this is no JSON\"", 0},
    {"number", "without a whole number \"id\": \"17\"", 0},
    {"no-id", "without a whole number \"id\"", 0},
    {"unknown-id", "which nobody gave it", 0},
    {"half-line", "in the middle of a line, after", 0},
    {"half-line-hang", "said nothing for 2 s", 2},
    {"long-line", "said a line longer than 16 MiB", 0},
    {"endless-line", "said a line longer than 16 MiB", 0},
    {"no-answer", "said nothing for 2 s", 2},
    {"list", "expected an object at \"record\"", 0},
    {"verdict", "expected good, bad, unreadable, refused or excluded at \"verdict\"", 0},
    {"group", "expected a text at \"group\"", 0},
    {"value", "expected a number at \"value\"", 0},
    {"other", "answered with \"answer\"; expected \"ask\", \"score\", \"fail\" or \"record\"", 0},
    {"nothing", "answered with \"nothing\"", 0},
    {"fail", "says: I have  enough", 0},
    {"role", "asks the role judge, which nobody fills", 0},
    {"messages", "expected system, user, assistant or tool at \"role\"", 0},
    {"slip", "did you mean \"max_tokens\"?", 0},
    {"talks", "said more than 64 things without waiting for an answer", 0},
    {"asks", "asks without end: 10000 questions", 0},
    {"close", "closed its output", 0},
    {"child-and-die", "ended with exit code 4", 0},
    {"deep", "said something that is not JSON", 0},
};

static void a_fault_costs_its_sample_alone(void **state)
{
    (void)state;
    if (no_python())
        skip();
    outcome calm = run_with(&(how){.fault = ""});
    assert_int_equal(calm.code, STATUS_OK);
    assert_int_equal(calm.done, 40);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        static const size_t in_flight[] = {1, 16};
        outcome o = run_with(&(how){.fault = faults[i].fault, .in_flight = in_flight[i % 2], .timeout = faults[i].timeout});
        if (o.code != STATUS_OK || o.done != 39 || o.failed != 1)
            fail_msg("%s: %llu done, %llu failed; %s", faults[i].fault, (unsigned long long)o.done, (unsigned long long)o.failed,
                     o.err.message);
        if (!strstr(o.problem, faults[i].words))
            fail_msg("%s: expected \"%s\", found \"%s\"", faults[i].fault, faults[i].words, o.problem);
        if (getenv("ASSAY_TEST_TIMES"))
            fprintf(stderr, "%s %.1f s\n", faults[i].fault, o.seconds);
        if (o.seconds > 60)
            fail_msg("%s took %.1f s", faults[i].fault, o.seconds);
    }
}

/* ---- nothing is wrong with the samples -------------------------------------------------------------------------- */

static void faults_that_cost_nothing(void **state)
{
    (void)state;
    if (no_python())
        skip();
    static const char *const harmless[] = {"twice", "stderr", "child", "stays", "dies-once"};
    outcome calm = run_with(&(how){.fault = ""});
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        outcome o = run_with(&(how){.fault = harmless[i], .in_flight = 8});
        if (o.code != STATUS_OK || o.failed > 0)
            fail_msg("%s: %llu failed; %s %s", harmless[i], (unsigned long long)o.failed, o.problem, o.err.message);
        assert_string_equal(o.json, calm.json);
        assert_true(o.seconds < 40);
        if (strcmp(harmless[i], "twice") == 0)
            assert_non_null(strstr(o.notes, "came after the end of their sample"));
        if (strcmp(harmless[i], "stderr") == 0)
            assert_true(o.noted == 200 && strstr(o.notes, "not shown"));
    }
}

static void other_items_after_a_restart_are_refused(void **state)
{
    (void)state;
    if (no_python())
        skip();
    outcome o = run_with(&(how){.fault = "drifts", .in_flight = 1});
    assert_int_equal(o.code, STATUS_OK);
    assert_int_equal(o.done, 7); /* those before; later ones would be of other items */
    assert_non_null(strstr(o.problem, "made other items"));
}

/* ---- going on --------------------------------------------------------------------------------------------------- */

static void what_failed_is_asked_again(void **state)
{
    (void)state;
    if (no_python())
        skip();
    arena *a = arena_new(NULL);
    const char *path = in_folder(a, "again.db");
    outcome calm = run_with(&(how){.fault = ""});
    outcome first = run_with(&(how){.fault = "crash", .in_flight = 8, .store = path});
    assert_int_equal(first.failed, 1);
    outcome second = run_with(&(how){.fault = "", .in_flight = 3, .store = path});
    assert_int_equal(second.code, STATUS_OK);
    assert_int_equal(second.done, 40);
    assert_string_equal(second.json, calm.json);
    arena_free(a);
}

static void an_interrupted_run_ends_at_once(void **state)
{
    (void)state;
    if (no_python())
        skip();
    static atomic_bool stop;
    atomic_store(&stop, true);
    arena *a = arena_new(NULL);
    const char *path = in_folder(a, "stopped.db");
    outcome o = run_with(&(how){.fault = "no-answer", .in_flight = 8, .timeout = 60, .interrupt = &stop, .store = path});
    assert_int_equal(o.code, STATUS_INTERRUPTED);
    assert_true(o.seconds < 30);
    outcome calm = run_with(&(how){.fault = ""}), rest = run_with(&(how){.fault = "", .store = path});
    assert_string_equal(rest.json, calm.json);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_costs_its_sample_alone),
        cmocka_unit_test(faults_that_cost_nothing),
        cmocka_unit_test(other_items_after_a_restart_are_refused),
        cmocka_unit_test(what_failed_is_asked_again),
        cmocka_unit_test(an_interrupted_run_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
