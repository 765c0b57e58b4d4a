#include "studies/task/library.h"

#include "core/file.h"
#include "hub/datasets.h"
#include "studies/sets.h"

#include <fnmatch.h>
#include <stdlib.h>

enum { YAML_LIMIT = 4 << 20, FOLDER_DEPTH = 8, MOST_FILES = 100000 };

/* A folder's files by their paths in it, without ".gz". */
typedef struct listing {
    const char *set, *folder; /* folder NULL: the set is not here */
    const char **names, **paths;
    size_t count, capacity;
    struct listing *next;
} listing;

typedef struct finder {
    arena *arena;
    const char *data;
    listing *listings;
    task_library *out;
    size_t capacity;
} finder;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the list of tasks");
}

/* ---- where data lie --------------------------------------------------------------------------------------------- */

static status walk(finder *f, listing *l, const char *folder, const char *inside, int depth, error *err)
{
    char **names;
    size_t count;
    TRY(file_list(f->arena, folder, &names, &count, err));
    for (size_t i = 0; i < count && depth < FOLDER_DEPTH; i++) {
        char *path = file_join(f->arena, folder, names[i]), *name = file_join(f->arena, inside, names[i]);
        if (!path || !name)
            return no_memory(err);
        if (file_is_folder(path)) {
            TRY(walk(f, l, path, name, depth + 1, err));
            continue;
        }
        if (l->count == l->capacity) {
            size_t capacity = l->capacity ? 2 * l->capacity : 64;
            l->names = arena_regrow(f->arena, l->names, l->count, capacity, sizeof *l->names);
            l->paths = arena_regrow(f->arena, l->paths, l->count, capacity, sizeof *l->paths);
            if (!l->names || !l->paths || capacity > MOST_FILES)
                return error_set(err, STATUS_INVALID, "%s: too many files for a data set", folder);
            l->capacity = capacity;
        }
        if (slice_ends(slice_of(name), SLICE(".gz")))
            name[strlen(name) - 3] = '\0';
        l->names[l->count] = name;
        l->paths[l->count++] = path;
    }
    return STATUS_OK;
}

static status list_set(finder *f, const char *set, const listing **out, error *err)
{
    for (listing *l = f->listings; l; l = l->next)
        if (strcmp(l->set, set) == 0) {
            *out = l;
            return STATUS_OK;
        }
    listing *l = ARENA_NEW(f->arena, listing);
    if (!l)
        return no_memory(err);
    *l = (listing){.set = set, .folder = study_set_folder(f->arena, f->data, set), .next = f->listings};
    f->listings = l;
    *out = l;
    return l->folder ? walk(f, l, l->folder, NULL, 0, err) : STATUS_OK;
}

typedef struct matches {
    const char **names, **paths; /* paths NULL: of a set that is not here */
    size_t count;
} matches;

static status match_set(finder *f, const task_data *d, const listing *l, matches *out, error *err)
{
    *out = (matches){ARENA_ARRAY(f->arena, const char *, l->count + 1), ARENA_ARRAY(f->arena, const char *, l->count + 1), 0};
    if (!out->names || !out->paths)
        return no_memory(err);
    for (size_t p = 0; p < d->pattern_count && out->count == 0; p++)
        for (size_t i = 0; i < l->count; i++)
            if (fnmatch(d->patterns[p], l->names[i], FNM_PATHNAME) == 0) {
                out->names[out->count] = l->names[i];
                out->paths[out->count++] = l->paths[i];
            }
    return STATUS_OK;
}

/* The names that the list of data sets knows, for a set that is not here. */
static status match_listed(finder *f, const task_data *d, matches *out, error *err)
{
    const dataset *set;
    status result = datasets_find(f->arena, d->set, &set, err);
    if (result == STATUS_NOT_FOUND) {
        char words[256];
        snprintf(words, sizeof words, "%s", err && err->hint[0] ? err->hint : "");
        yaml_error(d->at, err, "there is no data set '%s'", d->set);
        return error_hint(err, "%s; a file of your own is given as `path`", words);
    }
    TRY(result);
    *out = (matches){ARENA_ARRAY(f->arena, const char *, set->file_count + 1), NULL, 0};
    if (!out->names)
        return no_memory(err);
    for (size_t p = 0; p < d->pattern_count && out->count == 0; p++)
        for (size_t i = 0; i < set->file_count; i++) {
            slice path = slice_of(set->files[i].path);
            const char *name = slice_copy(f->arena, slice_ends(path, SLICE(".gz")) ? slice_sub(path, 0, path.length - 3) : path);
            if (!name)
                return no_memory(err);
            if (fnmatch(d->patterns[p], name, FNM_PATHNAME) == 0)
                out->names[out->count++] = name;
        }
    return STATUS_OK;
}

/* A path beside the YAML file; its last part may hold *. */
static status match_path(finder *f, const task_data *d, const char *yaml, matches *out, error *err)
{
    const char *slash = strrchr(yaml, '/'), *path = d->path;
    if (path[0] != '/' && slash)
        path = arena_printf(f->arena, "%.*s/%s", (int)(slash - yaml), yaml, d->path);
    *out = (matches){0};
    if (!path)
        return no_memory(err);
    const char *last = strrchr(path, '/');
    const char *pattern = last ? last + 1 : path;
    if (!strpbrk(pattern, "*?[")) {
        *out = (matches){ARENA_ARRAY(f->arena, const char *, 1), ARENA_ARRAY(f->arena, const char *, 1), file_exists(path)};
        if (!out->names || !out->paths)
            return no_memory(err);
        out->names[0] = out->paths[0] = path;
        return STATUS_OK;
    }
    const char *folder = last ? arena_strndup(f->arena, path, (size_t)(last - path)) : ".";
    char **names;
    size_t count;
    if (!folder || !file_is_folder(folder))
        return STATUS_OK;
    TRY(file_list(f->arena, folder, &names, &count, err));
    *out = (matches){ARENA_ARRAY(f->arena, const char *, count + 1), ARENA_ARRAY(f->arena, const char *, count + 1), 0};
    if (!out->names || !out->paths)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (fnmatch(pattern, names[i], 0) == 0) {
            out->names[out->count] = names[i];
            out->paths[out->count++] = file_join(f->arena, folder, names[i]);
        }
    return STATUS_OK;
}

/* *missing is NULL where the files are here. */
static status locate(finder *f, const task_data *d, const char *yaml, matches *out, const char **missing, error *err)
{
    *missing = NULL;
    if (d->path) {
        TRY(match_path(f, d, yaml, out, err));
        if (out->count == 0)
            *missing = arena_printf(f->arena, "%s: no such file", d->path);
        return STATUS_OK;
    }
    const listing *l = NULL;
    TRY(list_set(f, d->set, &l, err));
    if (l->folder) {
        TRY(match_set(f, d, l, out, err));
        if (out->count)
            return STATUS_OK;
    }
    *missing = l->folder ? arena_printf(f->arena, "%s holds no file %s", l->folder, d->patterns[0])
                         : arena_printf(f->arena, "the data set is not here: `assay pull data:%s` brings it, --data FOLDER says where it lies",
                                        d->set);
    return *missing ? match_listed(f, d, out, err) : no_memory(err);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* "mwe/persona/{file}" with a data file's name, without its folder and endings. */
static const char *fill_name(arena *a, const char *pattern, const char *file)
{
    const char *slash = strrchr(file, '/'), *start = slash ? slash + 1 : file, *place = strstr(pattern, "{file}");
    const char *dot = strchr(start, '.');
    int length = dot && dot != start ? (int)(dot - start) : (int)strlen(start);
    return place ? arena_printf(a, "%.*s%.*s%s", (int)(place - pattern), pattern, length, start, place + strlen("{file}"))
                 : arena_strdup(a, pattern);
}

static status add_task(finder *f, const task *t, error *err)
{
    task_library *l = f->out;
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->tasks[i].name, t->name) == 0) {
            if (l->tasks[i].spec->file == t->spec->file)
                return error_set(err, STATUS_INVALID, "%s: two tasks are called '%s'", t->spec->file, t->name);
            return STATUS_OK; /* the user's own go before */
        }
    if (l->count == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 256;
        task *grown = arena_regrow(f->arena, l->tasks, l->count, capacity, sizeof *grown);
        if (!grown)
            return no_memory(err);
        l->tasks = grown;
        f->capacity = capacity;
    }
    l->tasks[l->count++] = *t;
    return STATUS_OK;
}

static status add_spec(finder *f, const task_spec *s, error *err)
{
    matches m;
    const char *missing;
    TRY(locate(f, &s->data, s->file, &m, &missing, err));
    task t = {.spec = s, .name = s->name, .title = s->title, .files = missing ? NULL : m.paths, .file_count = missing ? 0 : m.count,
              .missing = missing};
    if (!strstr(s->name, "{file}"))
        return add_task(f, &t, err);
    for (size_t i = 0; i < m.count; i++) {
        t.name = fill_name(f->arena, s->name, m.names[i]);
        t.title = fill_name(f->arena, s->title, m.names[i]);
        if (!t.name || !t.title)
            return no_memory(err);
        if (!missing) {
            t.files = m.paths + i;
            t.file_count = 1;
        }
        TRY(add_task(f, &t, err));
    }
    return STATUS_OK;
}

static status add_file(finder *f, slice text, const char *path, error *err)
{
    task_spec *specs;
    size_t count;
    TRY(task_specs_read(f->arena, text, path, &specs, &count, err));
    for (size_t i = 0; i < count; i++)
        TRY(add_spec(f, &specs[i], err));
    return STATUS_OK;
}

static bool is_yaml(const char *name)
{
    return slice_ends(slice_of(name), SLICE(".yaml")) || slice_ends(slice_of(name), SLICE(".yml"));
}

static status add_own(finder *f, const char *path, int depth, error *err)
{
    slice text;
    if (!file_is_folder(path)) {
        TRY(file_read(f->arena, path, YAML_LIMIT, &text, err));
        return add_file(f, text, path, err);
    }
    char **names;
    size_t count;
    TRY(file_list(f->arena, path, &names, &count, err));
    for (size_t i = 0; i < count; i++) {
        const char *inner = file_join(f->arena, path, names[i]);
        if (!inner)
            return no_memory(err);
        bool descend = file_is_folder(inner) && depth < FOLDER_DEPTH;
        if (descend || (is_yaml(names[i]) && strcmp(names[i], "datasets.yaml") != 0))
            TRY(add_own(f, inner, depth + 1, err));
    }
    return STATUS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const task *)a)->name, ((const task *)b)->name);
}

status task_library_file(arena *a, const char *path, const char *data, task_library *out, error *err)
{
    finder f = {.arena = a, .data = data, .out = out};
    *out = (task_library){0};
    return add_own(&f, path, 0, err);
}

status task_library_read(arena *a, const char *own, const char *data, task_library *out, error *err)
{
    const char *set = getenv("ASSAY_TASKS");
    finder f = {.arena = a, .data = data, .out = out};
    *out = (task_library){0};
    if (own)
        TRY(add_own(&f, own, 0, err));
    else if (set && set[0])
        TRY(add_own(&f, set, 0, err));
    for (size_t i = 0; i < task_embedded_count(); i++)
        TRY(add_file(&f, task_embedded(i).text, task_embedded(i).name, err));
    if (out->count)
        qsort(out->tasks, out->count, sizeof *out->tasks, by_name);
    return STATUS_OK;
}

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static status nothing_called(const task_library *l, arena *a, const char *word, error *err)
{
    const char **names = ARENA_ARRAY(a, const char *, l->count + 1);
    for (size_t i = 0; names && i < l->count; i++)
        names[i] = l->tasks[i].name;
    int nearest = names ? text_nearest(word, names, l->count) : -1;
    error_set(err, STATUS_NOT_FOUND, strchr(word, '*') ? "no task fits '%s'" : "there is no task '%s'", word);
    return nearest >= 0 ? error_hint(err, "did you mean task:%s?", names[nearest])
                        : error_hint(err, "`assay list tasks` names them all; a file of your own is named by its path, ./mine.yaml");
}

static status add_word(finder *f, const task_library *all, const char *word, error *err)
{
    size_t before = f->out->count;
    if (is_yaml(word))
        return add_own(f, word, 0, err);
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(word, all->tasks[i].name) == 0 || fnmatch(word, all->tasks[i].name, 0) == 0) {
            bool there = false;
            for (size_t k = 0; k < before; k++)
                there = there || strcmp(f->out->tasks[k].name, all->tasks[i].name) == 0;
            if (!there)
                TRY(add_task(f, &all->tasks[i], err));
        }
    for (size_t i = 0; i < all->count && f->out->count == before; i++)
        if (fnmatch(word, all->tasks[i].name, 0) == 0)
            return STATUS_OK; /* named before */
    return f->out->count > before ? STATUS_OK : nothing_called(all, f->arena, word, err);
}

status task_library_find(arena *a, const char *words, const char *own, const char *data, task_library *out, error *err)
{
    task_library all = {0};
    finder f = {.arena = a, .data = data, .out = out};
    slice rest = slice_of(words), part;
    bool named = false;
    *out = (task_library){0};
    while (slice_cut(&rest, ',', &part)) {
        char *word = slice_copy(a, slice_trim(part));
        if (!word)
            return no_memory(err);
        if (!is_yaml(word) && !named) {
            TRY(task_library_read(a, own, data, &all, err));
            named = true;
        }
        if (word[0])
            TRY(add_word(&f, &all, word, err));
    }
    return out->count ? STATUS_OK : error_set(err, STATUS_USAGE, "expected the name of a task, found '%s'", words);
}

status task_library_locate(arena *a, const task_data *d, const char *yaml, const char *data, const char *const **files, size_t *count,
                           const char **missing, error *err)
{
    task_library nothing = {0};
    finder f = {.arena = a, .data = data, .out = &nothing};
    matches m;
    TRY(locate(&f, d, yaml, &m, missing, err));
    *files = *missing ? NULL : m.paths;
    *count = *missing ? 0 : m.count;
    return STATUS_OK;
}

static status count_row(void *context, const json_t *row, size_t line, error *err)
{
    (void)row, (void)line, (void)err;
    ++*(size_t *)context;
    return STATUS_OK;
}

status task_library_count(const task *t, size_t *out, error *err)
{
    *out = 0;
    for (size_t i = 0; i < t->file_count; i++) {
        arena *a = arena_new(NULL);
        slice text = {0};
        status result = a ? file_read_gz(a, t->files[i], (size_t)1 << 30, &text, err) : no_memory(err);
        bool lines = t->spec->data.where_count == 0 && (t->spec->data.format == FORMAT_JSONL ||
                     (t->spec->data.format == FORMAT_AUTO && strstr(t->files[i], ".jsonl")));
        slice rest = text, line;
        if (result == STATUS_OK && lines)
            while (slice_cut(&rest, '\n', &line))
                *out += slice_trim(line).length > 0;
        else if (result == STATUS_OK)
            result = task_data_each(&t->spec->data, t->files[i], text, count_row, out, NULL, err);
        arena_free(a);
        TRY(result);
    }
    return STATUS_OK;
}
