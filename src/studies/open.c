#include "studies/open.h"

#include "core/file.h"
#include "studies/plugin/plugin_study.h"

#include <sys/stat.h>
#include <unistd.h>

/* Studies that are named by a prefix, and what opens them. */
static const struct {
    const char *prefix;
    status (*open)(arena *a, const char *word, const study **out, error *err);
} kinds[] = {
    {"plugin:", plugin_study_open},
};

static bool is_program(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

static status add_folder(arena *a, const char *folder, const char ***paths, size_t *count, error *err)
{
    char **names;
    size_t n;
    if (!file_is_folder(folder))
        return STATUS_OK;
    TRY(file_list(a, folder, &names, &n, err));
    *paths = arena_regrow(a, *paths, *count, *count + n + 1, sizeof **paths);
    if (!*paths)
        return error_set(err, STATUS_MEMORY, "out of memory while looking for plug-ins");
    for (size_t i = 0; i < n; i++) {
        const char *path = file_join(a, folder, names[i]);
        if (!path)
            return error_set(err, STATUS_MEMORY, "out of memory while looking for plug-ins");
        if (is_program(path))
            (*paths)[(*count)++] = path;
    }
    return STATUS_OK;
}

status study_plugin_files(arena *a, const char ***paths, size_t *count, error *err)
{
    slice rest = slice_of(getenv("ASSAY_PLUGINS")), folder;
    *paths = NULL;
    *count = 0;
    while (slice_cut(&rest, ':', &folder)) {
        const char *path = folder.length ? slice_copy(a, folder) : NULL;
        if (path)
            TRY(add_folder(a, path, paths, count, err));
    }
    return STATUS_OK;
}

/* "order" names order and order.py, whatever stands behind the dot. */
static bool has_name(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    size_t length = strlen(name);
    return strncmp(file, name, length) == 0 && (file[length] == '\0' || (file[length] == '.' && length > 0));
}

static status unknown(arena *a, const char *word, error *err)
{
    const char **names = ARENA_ARRAY(a, const char *, study_catalogue_count + 1);
    if (!names)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < study_catalogue_count; i++)
        names[i] = study_catalogue[i]->name;
    int nearest = text_nearest(word, names, study_catalogue_count);
    error_set(err, STATUS_USAGE, "there is no study called '%s'", word);
    if (file_exists(word))
        error_hint(err, "there is a file of this name; a plug-in is named by its path: ./%s", word);
    else if (nearest >= 0)
        error_hint(err, "did you mean '%s'?", names[nearest]);
    else
        error_hint(err, "'assay list studies' names them all");
    return STATUS_USAGE;
}

status study_open(arena *a, const char *word, const study **out, error *err)
{
    const char **paths;
    size_t count;
    *out = NULL;
    for (size_t i = 0; i < study_catalogue_count; i++)
        if (strcmp(word, study_catalogue[i]->name) == 0) {
            *out = study_catalogue[i];
            return STATUS_OK;
        }
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strncmp(word, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].open(a, word, out, err);
    if (word[0] == '.' || word[0] == '/' || (strchr(word, '/') && file_exists(word)))
        return plugin_study_open(a, word, out, err);
    if (strchr(word, '/')) {
        error_set(err, STATUS_USAGE, "there is neither a study nor a file called '%s'", word);
        return error_hint(err, "a task is named by task:%s, a plug-in by its path", word);
    }
    TRY(study_plugin_files(a, &paths, &count, err));
    for (size_t i = 0; i < count; i++)
        if (has_name(paths[i], word))
            return plugin_study_open(a, paths[i], out, err);
    return unknown(a, word, err);
}
