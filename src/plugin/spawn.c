#include "plugin/spawn.h"

#include "core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the environment -------------------------------------------------------------------------------------------- */

static const char *const secret_words[] = {"KEY",    "KEYS",     "TOKEN",  "TOKENS",     "SECRET",     "SECRETS",
                                           "PASS",   "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"};
/* What every plug-in gets, in place of what stands there. */
static const char *const given[] = {"PYTHONHASHSEED=0", "ASSAY_PLUGIN=1"};

static bool same_word(slice word, const char *other)
{
    return word.length == strlen(other) && slice_find_nocase(word, slice_of(other), 0) == 0;
}

bool spawn_is_secret(const char *name)
{
    slice rest = slice_of(name), word;
    while (slice_cut(&rest, '_', &word))
        for (size_t i = 0; i < COUNT_OF(secret_words); i++)
            if (same_word(word, secret_words[i]))
                return true;
    return false;
}

static bool is_given(slice name)
{
    for (size_t i = 0; i < COUNT_OF(given); i++)
        if (slice_starts(slice_of(given[i]), name) && given[i][name.length] == '=')
            return true;
    return false;
}

char **spawn_environment(arena *a, char *const *environment)
{
    size_t count = 0, kept = 0;
    while (environment[count])
        count++;
    char **out = ARENA_ARRAY(a, char *, count + COUNT_OF(given) + 1);
    for (size_t i = 0; out && i < count; i++) {
        slice rest = slice_of(environment[i]), name;
        slice_cut(&rest, '=', &name);
        char *copy = slice_copy(a, name);
        if (!copy)
            return NULL;
        if (!spawn_is_secret(copy) && !is_given(name))
            out[kept++] = environment[i];
    }
    for (size_t i = 0; out && i < COUNT_OF(given); i++)
        if (!(out[kept++] = arena_strdup(a, given[i])))
            return NULL;
    return out;
}

/* ---- starting --------------------------------------------------------------------------------------------------- */

enum { OURS, THEIRS, ENDS };

static void close_pipes(int pipes[3][ENDS])
{
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < ENDS; k++)
            if (pipes[i][k] >= 0)
                close(pipes[i][k]);
}

/* pipes[i]: of stream i of the program. Ends above the streams' own numbers, so that none is in the way of another. */
static status open_pipes(int pipes[3][ENDS], error *err)
{
    for (size_t i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return error_system(err, "cannot make a pipe to a plug-in");
        for (size_t k = 0; k < 2; k++) {
            int high = fcntl(ends[k], F_DUPFD_CLOEXEC, 3);
            close(ends[k]);
            bool ours = (i == 0) == (k == 1); /* we write to its input and read the others */
            pipes[i][ours ? OURS : THEIRS] = high;
            if (high < 0 || (ours && fcntl(high, F_SETFL, O_NONBLOCK) != 0)) {
                error_system(err, "cannot make a pipe to a plug-in");
                if (k == 0)
                    close(ends[1]);
                return err ? err->code : STATUS_IO;
            }
        }
    }
    return STATUS_OK;
}

status spawn_check(const char *path, error *err)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        error_system(err, "cannot find the plug-in %s", path);
        return error_hint(err, "a plug-in is named by its file: plugin:PATH, or a path with a '/' in it such as ./study.py");
    }
    if (!S_ISREG(about.st_mode))
        return error_set(err, STATUS_USAGE, "%s: expected a program, found something that is no file", path);
    if (access(path, X_OK) != 0) {
        error_set(err, STATUS_USAGE, "%s may not be executed", path);
        return error_hint(err, "make it executable: chmod +x %s", path);
    }
    return STATUS_OK;
}

static status spawn_failed(const char *path, int number, error *err)
{
    errno = number;
    if (number == ENOEXEC) {
        error_set(err, STATUS_USAGE, "%s is not a program: it has no first line that names its interpreter", path);
        return error_hint(err, "begin it with a line such as #!/usr/bin/env python3");
    }
    error_system(err, "cannot start the plug-in %s", path);
    if (number == ENOENT)
        error_hint(err, "the file is there: the interpreter that its first line names is not");
    return err ? err->code : STATUS_IO;
}

static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int pipes[3][ENDS])
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setpgroup(attributes, 0);
    failed = failed ? failed : posix_spawnattr_setsigmask(attributes, &none);
    failed = failed ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    failed = failed ? failed
                    : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (int i = 0; i < 3 && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(actions, pipes[i][THEIRS], i);
    return failed;
}

static status spawn_with(const char *path, int pipes[3][ENDS], spawned *s, error *err)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    arena *a = arena_new(NULL);
    char **environment = spawn_environment(a, environ), *words[] = {(char *)(uintptr_t)path, NULL};
    if (!environment) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory while starting the plug-in %s", path);
    }
    int failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = posix_spawn_file_actions_init(&actions);
        if (!failed) {
            failed = prepare(&attributes, &actions, pipes);
            failed = failed ? failed : posix_spawn(&s->pid, path, &actions, &attributes, words, environment);
            posix_spawn_file_actions_destroy(&actions);
        }
        posix_spawnattr_destroy(&attributes);
    }
    arena_free(a);
    return failed ? spawn_failed(path, failed, err) : STATUS_OK;
}

status spawn_program(const char *path, spawned *s, error *err)
{
    int pipes[3][ENDS] = {{-1, -1}, {-1, -1}, {-1, -1}};
    TRY(spawn_check(path, err));
    status result = open_pipes(pipes, err);
    if (result == STATUS_OK)
        result = spawn_with(path, pipes, s, err);
    if (result != STATUS_OK) {
        close_pipes(pipes);
        return result;
    }
    for (size_t i = 0; i < 3; i++)
        close(pipes[i][THEIRS]);
    s->in = pipes[0][OURS];
    s->out = pipes[1][OURS];
    s->err = pipes[2][OURS];
    return STATUS_OK;
}
