/* folder.h - the temporary folder of a test program. Include it in the one file of the program.
 *
 *     const char *path = file_join(a, test_folder(), "runs.db");
 *
 * It is made at the first call, below $TMPDIR or /tmp. A process that the first call starts removes it, with all that is
 * in it, when the program is gone: also where a test failed, crashed, or was killed.
 */
#ifndef ASSAY_TESTS_FOLDER_H
#define ASSAY_TESTS_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int test_folder_remove(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about, (void)kind, (void)at;
    return remove(path);
}

/* Removes a folder with all that is in it. */
static inline void test_folder_drop(const char *path)
{
    nftw(path, test_folder_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Waits for the end of the pipe, which this program holds open as long as it lives. In a session of its own, and without
 * the standard streams: whoever runs the tests neither waits for it nor ends it with them. */
static inline void test_folder_guard(const char *path)
{
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        setsid();
        if (fork() != 0)
            _exit(0);
        for (int stream = 0; stream < 3; stream++)
            close(stream);
        while (read(ends[0], &byte, 1) > 0)
            continue;
        test_folder_drop(path);
        _exit(0);
    }
    close(ends[0]);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC); /* stays open, here alone */
    waitpid(child, NULL, 0);
}

static inline const char *test_folder(void)
{
    static char path[512];
    if (path[0])
        return path;
    const char *below = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/assay-test-XXXXXX", below && *below ? below : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        abort();
    }
    test_folder_guard(path);
    return path;
}

#endif
