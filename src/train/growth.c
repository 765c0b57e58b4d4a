#include "train/growth.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "train/feedback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { SMALL_FILE = 1 << 16, MANIFEST_LIMIT = 1 << 30 };

static status no_memory(const char *folder, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", folder);
}

const char *growth_key_of(arena *a, const char *folder)
{
    char *path = file_join(a, folder, "growth.json");
    json_t *whole;
    if (!path || !file_exists(path) || jsonio_read(path, SMALL_FILE, &whole, NULL) != STATUS_OK)
        return NULL;
    const char *key = json_string_value(json_object_get(whole, "key"));
    key = key ? arena_strdup(a, key) : NULL;
    json_decref(whole);
    return key;
}

static status check_folder(arena *a, growth *g, error *err)
{
    if (!file_exists(g->folder))
        return STATUS_OK;
    const char *key = file_is_folder(g->folder) ? growth_key_of(a, g->folder) : NULL;
    if (key && strcmp(key, g->key) == 0) {
        g->finished = true;
        return STATUS_OK;
    }
    if (key)
        error_set(err, STATUS_USAGE, "%s: a model grown by another recipe, dose, seed or base is there", g->folder);
    else
        error_set(err, STATUS_USAGE, "%s: expected a new folder, found a %s that no growth has made", g->folder,
                  file_is_folder(g->folder) ? "folder" : "file");
    return error_hint(err, "take another folder, or remove this one first");
}

/* One process at a time: a lock beside the folder that the system releases when the process ends, however it ends. */
static status take_lock(arena *a, growth *g, error *err)
{
    char *path = arena_printf(a, "%s.lock", g->work);
    if (!path)
        return no_memory(g->folder, err);
    g->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (g->lock < 0)
        return error_system(err, "cannot write %s", path);
    if (flock(g->lock, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    status result = errno == EWOULDBLOCK ? error_set(err, STATUS_LOCKED, "%s: another process is growing it", g->folder)
                                         : error_system(err, "cannot lock %s", path);
    close(g->lock);
    g->lock = -1;
    return result;
}

/* Links are removed, not followed. */
static void remove_files(arena *a, const char *folder)
{
    char **names;
    size_t count;
    if (file_list(a, folder, &names, &count, NULL) != STATUS_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char *path = file_join(a, folder, names[i]);
        if (path && unlink(path) != 0 && errno == EISDIR) {
            remove_files(a, path);
            rmdir(path);
        }
    }
}

/* Work of the same recipe is gone on with, any other is removed. */
static status open_work(arena *a, growth *g, error *err)
{
    char *path = file_join(a, g->work, "key");
    g->state = file_join(a, g->work, "training.safetensors");
    if (!path || !g->state)
        return no_memory(g->folder, err);
    slice text = {NULL, 0};
    bool same = file_is_folder(g->work) && file_read(a, path, SMALL_FILE, &text, NULL) == STATUS_OK &&
                slice_is(slice_trim(text), g->key);
    if (!same)
        remove_files(a, g->work);
    TRY(file_make_folders(g->work, err));
    if (!same)
        TRY(file_write(path, slice_of(g->key), err));
    g->resumes = same && file_exists(g->state);
    return STATUS_OK;
}

status growth_open(arena *a, const char *folder, const char *key, growth *out, error *err)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    *out = (growth){.lock = -1, .folder = arena_strndup(a, folder, length)};
    out->work = out->folder ? arena_printf(a, "%s.growing", out->folder) : NULL;
    if (!out->work)
        return no_memory(folder, err);
    snprintf(out->key, sizeof out->key, "%s", key);
    TRY(check_folder(a, out, err));
    if (out->finished)
        return STATUS_OK;
    const char *slash = strrchr(out->folder, '/');
    if (slash && slash != out->folder) {
        char *parent = arena_strndup(a, out->folder, (size_t)(slash - out->folder));
        if (!parent)
            return no_memory(folder, err);
        TRY(file_make_folders(parent, err));
    }
    TRY(take_lock(a, out, err));
    /* Between the first look and the lock another process may have finished. */
    status result = check_folder(a, out, err);
    if (result == STATUS_OK && !out->finished)
        result = open_work(a, out, err);
    if (result != STATUS_OK || out->finished)
        growth_close(out);
    return result;
}

status growth_finish(growth *g, error *err)
{
    arena *a = arena_new(NULL);
    char *key = file_join(a, g->work, "key"), *lock = arena_printf(a, "%s.lock", g->work);
    char *reference = file_join(a, g->work, FEEDBACK_REFERENCE);
    status result = STATUS_OK;
    if (!key || !reference || !lock)
        result = no_memory(g->folder, err);
    else if ((unlink(g->state) != 0 && errno != ENOENT) || (unlink(reference) != 0 && errno != ENOENT) || unlink(key) != 0 ||
             rename(g->work, g->folder) != 0)
        result = error_system(err, "cannot put the finished model at %s", g->folder);
    else
        unlink(lock);
    growth_close(g);
    arena_free(a);
    return result;
}

void growth_close(growth *g)
{
    if (g->lock >= 0)
        close(g->lock);
    g->lock = -1;
}

status growth_cache(arena *a, const char **out, error *err)
{
    const char *own = getenv("ASSAY_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = own && *own ? file_join(a, own, "models") : xdg && *xdg ? file_join(a, xdg, "assay/models") : NULL;
    if (!path && home && *home)
        path = file_join(a, home, ".cache/assay/models");
    if (!path) {
        error_set(err, STATUS_USAGE, "no place to keep grown models: neither ASSAY_CACHE nor HOME is set");
        return error_hint(err, "set ASSAY_CACHE to a folder");
    }
    *out = path;
    return STATUS_OK;
}
