#include "core/machine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The number behind `key` at the start of a line (an empty key: of the first line), or `otherwise`. */
static size_t number_in(const char *path, const char *key, size_t otherwise)
{
    FILE *file = fopen(path, "re");
    char line[256];
    size_t found = otherwise, length = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) != 0)
            continue;
        char *end;
        unsigned long long value = strtoull(line + length, &end, 10);
        if (end != line + length) /* "max" is no number */
            found = value > SIZE_MAX ? SIZE_MAX : (size_t)value;
        break;
    }
    if (file)
        fclose(file);
    return found;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t machine_left(void)
{
    size_t available = number_in("/proc/meminfo", "MemAvailable:", SIZE_MAX >> 10);
    return available == SIZE_MAX >> 10 ? SIZE_MAX : (available + number_in("/proc/meminfo", "SwapFree:", 0)) << 10;
}

/* What a folder of control groups leaves: its limit less what is used, but for cached files, which can go. */
static size_t group_left(const char *folder, const char *limit_name, const char *used_name)
{
    char path[640];
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    size_t limit = number_in(path, "", SIZE_MAX);
    if (limit > SIZE_MAX / 4) /* how the first version says that there is none */
        return SIZE_MAX;
    snprintf(path, sizeof path, "%s/%s", folder, used_name);
    size_t used = number_in(path, "", 0);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    size_t cached = number_in(path, "inactive_file ", 0);
    used -= least(cached, used);
    return limit > used ? limit - used : 0;
}

static size_t groups_left(void)
{
    size_t left = group_left("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes");
    char line[512], folder[544];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::", 3) != 0)
            continue;
        for (char *end = line + strlen(line); end; end = strrchr(line + 3, '/')) { /* this group and those above it */
            *end = 0;
            snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", line + 3);
            left = least(left, group_left(folder, "memory.max", "memory.current"));
        }
    }
    if (file)
        fclose(file);
    return left;
}

/* `field` of /proc/self/statm (counted from 0), in bytes. */
static size_t own_memory(int field)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;
    bool good = file != NULL;
    for (int i = 0; good && i <= field; i++)
        good = fscanf(file, "%20llu", &pages) == 1;
    if (file)
        fclose(file);
    return good ? (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static size_t limit_left(size_t most, int field)
{
    size_t used = most == SIZE_MAX ? 0 : own_memory(field);
    return most > used ? most - used : 0;
}

static size_t limits_left(void)
{
    struct rlimit space, data;
    size_t left = SIZE_MAX;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        left = limit_left((size_t)space.rlim_cur, 0);
    if (getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY)
        left = least(left, limit_left((size_t)data.rlim_cur, 5));
    return left;
}

size_t machine_memory_left(void)
{
    return least(least(machine_left(), groups_left()), limits_left());
}

size_t machine_process_memory(void)
{
    return number_in("/proc/self/status", "VmRSS:", 0) << 10;
}

size_t machine_process_peak(void)
{
    return number_in("/proc/self/status", "VmHWM:", 0) << 10;
}
