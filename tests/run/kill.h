/* kill.h - kill -9 of a command that goes on where it was: at moments spread over its work, some inside a commit.
 *
 *     kill_plan p = {.start = start, .kills = 20, .least_inside = 5, .samples = 160, .slow_commit = "600"};
 *     kill_and_compare(&p);
 *
 * Moments are counted in processor time of the command, of which an undisturbed run took so much: they lie alike on slow
 * machines, under load and under sanitizers. Two of five aim at commits, which the store's variables for tests
 * (store/phase.c) then slow down, so that a good part is hit.
 */
#ifndef ASSAY_TESTS_RUN_KILL_H
#define ASSAY_TESTS_RUN_KILL_H

#include "folder.h"

#include "core/file.h"
#include "core/progress.h"
#include "core/random.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

typedef struct kill_plan {
    pid_t (*start)(const char *database, const char *out); /* the command; its JSON goes to the file `out` */
    int kills, least_inside; /* in all, and how many must have hit a commit */
    uint64_t samples;        /* of the whole run */
    const char *slow_commit; /* microseconds before each write of a commit */
} kill_plan;

/* How a process ended, and the processor time that it took. */
static int kill_wait(pid_t child, double *seconds)
{
    int how;
    struct rusage use;
    assert_true(wait4(child, &how, 0, &use) == child);
    if (seconds)
        *seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                   1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    return how;
}

static double kill_processor_seconds(pid_t child)
{
    clockid_t clock;
    struct timespec now;
    if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &now) != 0)
        return INFINITY; /* it is gone */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool kill_alive(pid_t child)
{
    siginfo_t about = {0};
    return waitid(P_PID, (id_t)child, &about, WEXITED | WNOHANG | WNOWAIT) == 0 && about.si_pid == 0;
}

static char kill_phase(const char *path)
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

/* Samples of the one run in the database that are committed, and whether the run is marked as finished. */
static uint64_t kill_stored(const char *database, bool *finished)
{
    arena *a = arena_new(NULL);
    store *s;
    store_run *runs;
    size_t count = 0;
    uint64_t done = 0;
    *finished = false;
    if (store_open(database, STORE_READ, &s, NULL) == STATUS_OK) {
        if (store_run_list(s, a, 0, &runs, &count, NULL) == STATUS_OK && count > 0) {
            assert_int_equal(count, 1); /* always the same run */
            done = runs[0].done;
            *finished = strcmp(runs[0].state, "finished") == 0;
        }
        store_close(s, NULL);
    }
    arena_free(a);
    return done;
}

/* Waits until the command has taken `seconds` more of processor time, and then, where a commit is aimed at, for the next
 * one and for somewhere among its writes. False when the command ended before. */
static bool kill_reach(pid_t child, const char *phase, bool commit, double seconds, useconds_t into_commit)
{
    double until = kill_processor_seconds(child) + seconds;
    while (kill_alive(child) && (kill_processor_seconds(child) < until || (commit && kill_phase(phase) != '1')))
        usleep(200);
    if (commit)
        usleep(into_commit);
    return kill_alive(child);
}

static const char *kill_content(arena *a, const char *path)
{
    slice text;
    error err = {0};
    if (file_read(a, path, 1 << 24, &text, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(text.length > 0);
    return text.text;
}

static void kill_and_compare(const kill_plan *p)
{
    arena *a = arena_new(NULL);
    const char *folder = test_folder(), *phase = file_join(a, folder, "phase");
    const char *calm_json = file_join(a, folder, "calm.json"), *json = file_join(a, folder, "killed.json");
    const char *database = file_join(a, folder, "killed-0.db");
    random_stream draws = random_stream_at((uint64_t)getpid(), "kill", 0, 0, 0, 0);
    double calm;
    bool complete;
    assert_int_equal(kill_wait(p->start(file_join(a, folder, "calm.db"), calm_json), &calm), 0);
    assert_int_equal(kill_stored(file_join(a, folder, "calm.db"), &complete), p->samples);
    setenv("ASSAY_TEST_COMMIT_PHASE", phase, 1);
    uint64_t done = 0;
    int kills = 0, inside = 0, later = 0, finished = 0;
    while (kills < p->kills || (inside < p->least_inside && kills < 3 * p->kills)) { /* more, until enough hit a commit */
        assert_int_equal(file_write(phase, SLICE("0"), NULL), STATUS_OK);
        bool commit = kills % 5 < 2 || kills >= p->kills;
        if (commit)
            setenv("ASSAY_TEST_SLOW_COMMIT", p->slow_commit, 1);
        else
            unsetenv("ASSAY_TEST_SLOW_COMMIT");
        pid_t child = p->start(database, json);
        bool ended = !kill_reach(child, phase, commit, random_uniform(&draws) * calm * (commit ? .3 : .6),
                            (useconds_t)(random_uniform(&draws) * 20 * strtod(p->slow_commit, NULL)));
        if (!ended)
            kill(child, SIGKILL);
        int how = kill_wait(child, NULL);
        if (!WIFSIGNALED(how)) { /* it was quicker: what it says holds as well, and another run begins */
            assert_int_equal(how, 0);
            assert_string_equal(kill_content(a, json), kill_content(a, calm_json));
            database = arena_printf(a, "%s/killed-%d.db", folder, ++finished);
            done = 0;
            continue;
        }
        kills++;
        inside += kill_phase(phase) == '1';
        uint64_t now = kill_stored(database, &complete);
        assert_true(now >= done); /* nothing committed is lost */
        later += now > 0;
        done = now;
        if (complete) { /* killed on its way out: the command would begin a second run now */
            database = arena_printf(a, "%s/killed-%d.db", folder, ++finished);
            done = 0;
        }
    }
    unsetenv("ASSAY_TEST_SLOW_COMMIT");
    unsetenv("ASSAY_TEST_COMMIT_PHASE");
    printf("draws of %d: %d kills, %d inside a commit, %d with samples stored, %d runs ended between them; %llu of %llu "
           "samples at the last one; an undisturbed run takes %.1f s of processor time\n",
           (int)getpid(), kills, inside, later, finished, (unsigned long long)done, (unsigned long long)p->samples, calm);
    assert_true(inside >= p->least_inside);
    assert_true(later > 0);
    assert_int_equal(kill_wait(p->start(database, json), NULL), 0);
    assert_int_equal(kill_stored(database, &complete), p->samples);
    assert_string_equal(kill_content(a, json), kill_content(a, calm_json));
    arena_free(a);
}

#endif
