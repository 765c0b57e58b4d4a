/* marked.h - whether a process that was started here is left: it inherits a variable that nobody else has. */
#ifndef ASSAY_TESTS_PLUGIN_MARKED_H
#define ASSAY_TESTS_PLUGIN_MARKED_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processes, other than this one, whose environment holds "NAME=VALUE". */
static inline int processes_with(const char *words)
{
    int found = 0;
    DIR *all = opendir("/proc");
    for (struct dirent *one; all && (one = readdir(all)) != NULL;) {
        char path[300], *whole = NULL;
        size_t room = 0;
        snprintf(path, sizeof path, "/proc/%s/environ", one->d_name);
        bool other = one->d_name[0] >= '1' && one->d_name[0] <= '9' && strtol(one->d_name, NULL, 10) != getpid();
        FILE *f = other ? fopen(path, "r") : NULL;
        ssize_t n = f ? getdelim(&whole, &room, EOF, f) : 0;
        for (ssize_t i = 0; i < n; i += (ssize_t)strlen(whole + i) + 1)
            found += strcmp(whole + i, words) == 0;
        free(whole);
        if (f)
            fclose(f);
    }
    if (all)
        closedir(all);
    return found;
}

#endif
