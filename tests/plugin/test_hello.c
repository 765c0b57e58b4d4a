/* What a plug-in says when it is greeted: declarations are taken as they are meant, and everything else is refused with words
 * that say what was expected. The plug-ins are small shell scripts, written by the tests. */
#include "folder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/file.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "plugin/host.h"
#include "plugin/spawn.h"

#include <sys/stat.h>

static const char *write_program(arena *a, const char *name, const char *text, mode_t mode)
{
    const char *path = file_join(a, test_folder(), name);
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* A script that answers its greeting with these members, and nothing else. */
static const char *answers(arena *a, const char *members)
{
    return write_program(a, "answers.sh",
                         arena_printf(a,
                                      "#!/bin/sh\n"
                                      "read -r line\n"
                                      "id=$(printf '%%s' \"$line\" | sed 's/.*\"id\": *\\([0-9]*\\).*/\\1/')\n"
                                      "cat <<END\n{\"id\": $id, %s}\nEND\n"
                                      "read -r line\n",
                                      members),
                         0755);
}

static status open_host(arena *a, const char *path, plugin_host **h, error *err)
{
    return plugin_host_open(a, path, &(plugin_host_options){.timeout_seconds = 5, .greeting_seconds = 2}, h, err);
}

static void assert_refused(const char *path, status code, const char *words)
{
    arena *a = arena_new(NULL);
    plugin_host *h;
    error err = {0};
    double start = clock_seconds();
    status result = open_host(a, path, &h, &err);
    if (result != code || !strstr(err.message, words))
        fail_msg("expected %s with \"%s\", found %s with \"%s\"", status_word(code), words, status_word(result), err.message);
    assert_null(h);
    arena_free(a);
    assert_true(clock_seconds() - start < 10);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing runs on, and nothing is left to be waited for */
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static void what_cannot_be_started_says_why(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *silent = "#!/bin/sh\nexec sleep 60\n";
    assert_refused("/nonexistent/study.py", STATUS_NOT_FOUND, "cannot find the plug-in /nonexistent/study.py");
    assert_refused(test_folder(), STATUS_USAGE, "found something that is no file");
    assert_refused(write_program(a, "plain", silent, 0644), STATUS_USAGE, "may not be executed");
    assert_refused(write_program(a, "text", "import json\n", 0755), STATUS_USAGE, "no first line that names its interpreter");
    assert_refused(write_program(a, "lost", "#!/nonexistent/python\n", 0755), STATUS_NOT_FOUND, "cannot start the plug-in");
    assert_refused(write_program(a, "silent", silent, 0755), STATUS_IO, "said nothing for 2 s");
    assert_refused(write_program(a, "gone", "#!/bin/sh\necho 'no such module: torch' >&2\nexit 3\n", 0755), STATUS_IO,
                   "ended with exit code 3; its last words: no such module: torch");
    assert_refused(write_program(a, "loud", "#!/bin/sh\necho hello\nsleep 60\n", 0755), STATUS_IO, "not JSON: \"hello\"");
    assert_refused(write_program(a, "closed", "#!/bin/sh\nexec >&-\nexec sleep 60\n", 0755), STATUS_IO, "closed its output");
    arena_free(a);
}

/* ---- declarations ----------------------------------------------------------------------------------------------- */

#define STUDY "\"protocol\": 1, \"kind\": \"study\", \"name\": \"x\""

static void a_bad_declaration_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        status code;
        const char *words;
    } cases[] = {
        {"\"kind\": \"study\"", STATUS_INVALID, "expected its first answer to hold \"protocol\": 1"},
        {"\"protocol\": \"1\"", STATUS_INVALID, "expected its first answer to hold \"protocol\": 1"},
        {"\"protocol\": 2, \"shape\": \"new\"", STATUS_UNSUPPORTED, "speaks version 2 of the plug-in protocol, and this program version 1"},
        {"\"protocol\": 1, \"name\": \"x\"", STATUS_INVALID, "expected a text at \"kind\""},
        {"\"protocol\": 1, \"kind\": \"poem\", \"name\": \"x\"", STATUS_INVALID, "one of study, scorer, tool, agent at \"kind\""},
        {"\"protocol\": 1, \"kind\": \"study\"", STATUS_INVALID, "expected a text at \"name\""},
        {"\"protocol\": 1, \"kind\": \"study\", \"name\": \"A b\"", STATUS_INVALID, "small letters, digits and '-'"},
        {STUDY ", \"titel\": \"y\"", STATUS_INVALID, "there is no member \"titel\""},
        {STUDY ", \"title\": \"a\\u001b[31m\"", STATUS_INVALID, "in one line at \"title\""},
        {STUDY ", \"title\": 5", STATUS_INVALID, "at \"title\""},
        {STUDY ", \"roles\": [{\"name\": \"judge\"}]", STATUS_INVALID, "the first of \"roles\" must be \"subject\""},
        {STUDY ", \"roles\": [{\"name\": \"subject\", \"needs\": [\"fly\"]}]", STATUS_INVALID, "\"generate\" or \"score\""},
        {STUDY ", \"roles\": [{\"name\": \"subject\"}, {\"name\": \"subject\"}]", STATUS_INVALID, "is declared twice"},
        {STUDY ", \"params\": {}", STATUS_INVALID, "expected a list"},
        {STUDY ", \"params\": [5]", STATUS_INVALID, "parameter 1: expected an object"},
        {STUDY ", \"params\": [{\"name\": \"n\", \"type\": \"whole\"}]", STATUS_INVALID, "at \"type\""},
        {STUDY ", \"params\": [{\"name\": \"n\", \"type\": \"int\", \"min\": 3, \"max\": 1}]", STATUS_INVALID, "in this order"},
        {STUDY ", \"params\": [{\"name\": \"n\", \"type\": \"int\", \"min\": 1, \"max\": 9, \"default\": 10}]", STATUS_INVALID,
         "expected 1 to 9, found 10"},
        {STUDY ", \"params\": [{\"name\": \"n\", \"type\": \"choice\"}]", STATUS_INVALID, "need each other"},
        {STUDY ", \"params\": [{\"name\": \"n\", \"type\": \"flag\"}, {\"name\": \"n\", \"type\": \"flag\"}]", STATUS_INVALID, "declared twice"},
        {STUDY ", \"counts\": \"ugly\"", STATUS_INVALID, "one of bad, good at \"counts\""},
        {"\"protocol\": 1, \"kind\": \"tool\", \"name\": \"x\"", STATUS_INVALID, "JSON schema at \"parameters\""},
        {"\"fail\": \"there is no torch here\"", STATUS_INVALID, "says: there is no torch here"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        assert_refused(answers(a, cases[i].members), cases[i].code, cases[i].words);
        arena_free(a);
    }
}

static void a_declaration_is_taken_as_it_is_meant(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    plugin_host *h;
    error err = {0};
    const char *path = answers(
        a, STUDY ", \"title\": \"T\", \"about\": \"A\", \"paper\": \"P\", \"counts\": \"good\", \"summarises\": true, \"roles\": [{\"name\": "
                 "\"subject\", \"needs\": [\"score\"]}, {\"name\": \"judge\", \"optional\": true, \"help\": \"H\"}], \"params\": [{\"name\": "
                 "\"n\", \"type\": \"int\", \"min\": 1, \"default\": 7, \"help\": \"N\"}, {\"name\": \"how\", \"type\": \"choice\", \"choices\": "
                 "[\"a\", \"b\"], \"default\": \"b\"}]");
    if (open_host(a, path, &h, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    const plugin_declaration *d = plugin_host_declaration(h);
    assert_int_equal(d->kind, PLUGIN_STUDY);
    assert_string_equal(d->title, "T");
    assert_string_equal(d->paper, "P");
    assert_string_equal(d->counts, "good");
    assert_true(d->summarises);
    assert_int_equal(d->role_count, 2);
    assert_true(d->roles[0].scores && !d->roles[0].generates && d->roles[1].generates && d->roles[1].optional);
    assert_int_equal(d->param_count, 2);
    param_values *values;
    assert_int_equal(param_values_new(a, d->params, d->param_count, &values, &err), STATUS_OK);
    assert_int_equal(param_int(values, "n"), 7);
    assert_int_equal(param_set(values, "n", "0", &err), STATUS_USAGE);
    assert_int_equal(param_set(values, "n", "100000", &err), STATUS_OK);
    assert_string_equal(param_string(values, "how"), "b");
    assert_int_equal(strlen(plugin_host_sha256(h)), 64);
    arena_free(a);
}

/* ---- the environment -------------------------------------------------------------------------------------------- */

static void secrets_are_not_passed_on(void **state)
{
    (void)state;
    static const char *const secret[] = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "github_token",
                                         "DB_PASSWORD",    "KEY",               "MY_KEYS",  "PASS_FILE"};
    static const char *const kept[] = {"PATH", "HOME", "KEYBOARD", "XDG_SESSION_ID", "MONKEY", "TOKENIZERS_PARALLELISM", "COMPASS_HOME"};
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        assert_true(spawn_is_secret(secret[i]));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_false(spawn_is_secret(kept[i]));
    arena *a = arena_new(NULL);
    plugin_host *h;
    error err = {0};
    setenv("SOME_API_KEY", "sesame", 1);
    setenv("SOME_HOME", "here", 1);
    const char *path = write_program(a, "tells.sh", "#!/bin/sh\necho \"key=$SOME_API_KEY home=$SOME_HOME hash=$PYTHONHASHSEED\" >&2\nexit 1\n", 0755);
    assert_int_equal(open_host(a, path, &h, &err), STATUS_IO);
    assert_non_null(strstr(err.message, "key= home=here hash=0"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(a_bad_declaration_is_refused),
        cmocka_unit_test(a_declaration_is_taken_as_it_is_meant),
        cmocka_unit_test(secrets_are_not_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
