#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { WRITE_BUFFER = 1 << 16 };

static status too_long(const char *path, size_t limit, error *err)
{
    return error_set(err, STATUS_LIMIT, "%s: expected at most %zu bytes, found more", path, limit);
}

/* Reads through `next` until it returns 0; negative means failed. */
static status read_all(arena *a, const char *path, size_t limit, int (*next)(void *source, void *to, unsigned n),
                       void *source, slice *out, error *err)
{
    strbuf all = strbuf_new(NULL, limit);
    char chunk[1 << 15];
    int n;
    status result = STATUS_OK;
    while ((n = next(source, chunk, sizeof chunk)) > 0) {
        strbuf_add_bytes(&all, chunk, (size_t)n);
        if (all.failed)
            break;
    }
    if (n < 0)
        result = error_set(err, STATUS_IO, "cannot read %s", path);
    else if (all.failed && (size_t)n > limit - all.length)
        result = too_long(path, limit, err);
    else if (all.failed)
        result = error_set(err, STATUS_MEMORY, "%s: out of memory", path);
    else {
        char *copy = arena_alloc(a, all.length + 1);
        if (!copy)
            result = error_set(err, STATUS_MEMORY, "%s: no memory for %zu bytes", path, all.length);
        else {
            if (all.length)
                memcpy(copy, all.text, all.length);
            *out = (slice){copy, all.length};
        }
    }
    strbuf_free(&all);
    return result;
}

static int next_plain(void *source, void *to, unsigned n)
{
    FILE *file = source;
    size_t got = fread(to, 1, n, file);
    return got == 0 && ferror(file) ? -1 : (int)got;
}

static int next_gz(void *source, void *to, unsigned n)
{
    return gzread(source, to, n);
}

status file_read(arena *a, const char *path, size_t limit, slice *out, error *err)
{
    bool standard = strcmp(path, "-") == 0;
    if (!standard && file_is_folder(path))
        return error_set(err, STATUS_INVALID, "%s: expected a file, found a folder", path);
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file)
        return error_system(err, "cannot read %s", path);
    status result = read_all(a, path, limit, next_plain, file, out, err);
    if (!standard)
        fclose(file);
    return result;
}

status file_read_gz(arena *a, const char *path, size_t limit, slice *out, error *err)
{
    if (file_is_folder(path))
        return error_set(err, STATUS_INVALID, "%s: expected a file, found a folder", path);
    gzFile file = gzopen(path, "rb");
    if (!file)
        return error_system(err, "cannot read %s", path);
    status result = read_all(a, path, limit, next_gz, file, out, err);
    if (gzclose(file) != Z_OK && result == STATUS_OK)
        result = error_set(err, STATUS_INVALID, "%s: the gzip stream is cut short or damaged", path);
    return result;
}

typedef struct mapping {
    char *start;
    size_t length;
    struct mapping *next;
} mapping;

/* All mappings, so that only their memory is given back: elsewhere that would lose what is there. */
static mapping *mappings;
static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(mapping *m)
{
    pthread_mutex_lock(&mappings_lock);
    m->next = mappings;
    mappings = m;
    pthread_mutex_unlock(&mappings_lock);
}

static void unmap(void *context)
{
    mapping *m = context;
    pthread_mutex_lock(&mappings_lock);
    for (mapping **at = &mappings; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    munmap(m->start, m->length);
    pthread_mutex_unlock(&mappings_lock);
}

void file_give_back(const void *bytes, size_t length)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)bytes, to = from + length;
    pthread_mutex_lock(&mappings_lock);
    for (const mapping *m = mappings; m; m = m->next) {
        uintptr_t start = (uintptr_t)m->start, first = from > start ? from : start;
        uintptr_t last = to < start + m->length ? to : start + m->length;
        first = (first + page - 1) / page * page; /* whole pages alone */
        last = last / page * page;
        if (first < last)
            madvise(m->start + (first - start), last - first, MADV_DONTNEED);
    }
    pthread_mutex_unlock(&mappings_lock);
}

status file_map(arena *a, const char *path, slice *out, error *err)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_system(err, "cannot read %s", path);
    struct stat info;
    status result = STATUS_OK;
    mapping *m = ARENA_NEW(a, mapping);
    if (!m)
        result = error_set(err, STATUS_MEMORY, "%s: out of memory", path);
    else if (fstat(descriptor, &info) != 0)
        result = error_system(err, "cannot read %s", path);
    else if (!S_ISREG(info.st_mode))
        result = error_set(err, STATUS_INVALID, "%s: expected a regular file", path);
    else if (info.st_size == 0)
        *out = (slice){"", 0};
    else {
        m->length = (size_t)info.st_size;
        void *start = mmap(NULL, m->length, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (start == MAP_FAILED) {
            result = error_system(err, "cannot map %s", path);
        } else {
            m->start = start;
            remember(m);
            if (arena_on_free(a, unmap, m)) /* when it fails, it has been called */
                *out = (slice){start, m->length};
            else
                result = error_set(err, STATUS_MEMORY, "%s: out of memory", path);
        }
    }
    close(descriptor);
    return result;
}

status file_write(const char *path, slice content, error *err)
{
    file_writer w;
    TRY(file_writer_open(&w, path, err));
    file_writer_add(&w, content.text, content.length);
    return file_writer_commit(&w, err);
}

status file_writer_open(file_writer *w, const char *path, error *err)
{
    static atomic_uint number;
    *w = (file_writer){.descriptor = -1, .arena = arena_new(NULL)};
    w->path = arena_strdup(w->arena, path);
    w->temporary = arena_printf(w->arena, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&number, 1));
    w->buffer = arena_alloc(w->arena, WRITE_BUFFER);
    if (!w->path || !w->temporary || !w->buffer) {
        file_writer_abandon(w);
        return error_set(err, STATUS_MEMORY, "cannot write %s: out of memory", path);
    }
    w->descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->descriptor < 0) {
        status result = error_system(err, "cannot write %s", path);
        file_writer_abandon(w);
        return result;
    }
    return STATUS_OK;
}

static void write_out(file_writer *w, const char *bytes, size_t length)
{
    while (length && w->failed == STATUS_OK) {
        ssize_t n = write(w->descriptor, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w->failed = STATUS_IO;
            w->failed_errno = errno;
            return;
        }
        bytes += n;
        length -= (size_t)n;
    }
}

void file_writer_add(file_writer *w, const void *bytes, size_t length)
{
    if (length >= WRITE_BUFFER - w->used) {
        write_out(w, w->buffer, w->used);
        w->used = 0;
    }
    if (length >= WRITE_BUFFER)
        write_out(w, bytes, length);
    else if (length) {
        memcpy(w->buffer + w->used, bytes, length);
        w->used += length;
    }
}

/* The rename itself must survive a power cut: the folder is synced too. */
static void sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 1;
    if (length >= sizeof folder)
        return;
    memcpy(folder, slash ? path : ".", length);
    folder[length] = '\0';
    int descriptor = open(length ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
}

status file_writer_commit(file_writer *w, error *err)
{
    write_out(w, w->buffer, w->used);
    if (w->failed == STATUS_OK && fsync(w->descriptor) != 0 && errno != EINVAL && errno != EROFS) {
        w->failed = STATUS_IO;
        w->failed_errno = errno;
    }
    if (close(w->descriptor) != 0 && w->failed == STATUS_OK) {
        w->failed = STATUS_IO;
        w->failed_errno = errno;
    }
    w->descriptor = -1;
    if (w->failed == STATUS_OK && rename(w->temporary, w->path) != 0) {
        w->failed = STATUS_IO;
        w->failed_errno = errno;
    }
    status result = w->failed;
    if (result != STATUS_OK) {
        errno = w->failed_errno;
        error_system(err, "cannot write %s", w->path);
        if (w->failed_errno == ENOSPC)
            error_hint(err, "the disk is full: free some space or write elsewhere");
    } else
        sync_folder(w->path);
    file_writer_abandon(w);
    return result;
}

void file_writer_abandon(file_writer *w)
{
    if (w->descriptor >= 0)
        close(w->descriptor);
    if (w->temporary)
        unlink(w->temporary); /* gone already when committed */
    arena_free(w->arena);
    *w = (file_writer){.descriptor = -1};
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

status file_make_folders(const char *path, error *err)
{
    char partial[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof partial)
        return error_set(err, STATUS_INVALID, "cannot make the folder '%s': the name is %s", path,
                         length ? "too long" : "empty");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            return error_system(err, "cannot make the folder %s", partial);
    }
    if (!file_is_folder(path))
        return error_set(err, STATUS_IO, "cannot make the folder %s: a file of that name is there", path);
    return STATUS_OK;
}

char *file_join(arena *a, const char *folder, const char *name)
{
    if (!folder || !*folder)
        return arena_strdup(a, name);
    return arena_printf(a, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

status file_list(arena *a, const char *folder, char ***names, size_t *count, error *err)
{
    DIR *handle = opendir(folder);
    if (!handle)
        return error_system(err, "cannot read the folder %s", folder);
    size_t n = 0, capacity = 0;
    char **list = NULL;
    bool full = false;
    for (struct dirent *entry; !full && (entry = readdir(handle));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            list = arena_regrow(a, list, n, capacity, sizeof *list);
        }
        full = !list || !(list[n++] = arena_strdup(a, entry->d_name));
    }
    closedir(handle);
    if (full)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", folder);
    if (n)
        qsort(list, n, sizeof *list, by_name);
    *names = list;
    *count = n;
    return STATUS_OK;
}
