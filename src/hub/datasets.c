#include "hub/datasets.h"

#include "core/file.h"
#include "core/text.h"
#include "core/yaml.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LIST = 16 << 20 };

__asm__(".section .rodata\n"
        ".local assay_datasets, assay_datasets_end\n"
        "assay_datasets:\n"
        ".incbin \"" ASSAY_DATASETS "\"\n"
        "assay_datasets_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char assay_datasets[] __attribute__((visibility("hidden")));
extern const char assay_datasets_end[] __attribute__((visibility("hidden")));

static status read_file(const yaml_node *node, dataset_file *out, error *err)
{
    static const char *const keys[] = {"path", "size", "sha256"};
    *out = (dataset_file){.size = -1};
    TRY(yaml_check_keys(node, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(node, "path", &out->path, err));
    TRY(yaml_get_int(node, "size", 0, (int64_t)1 << 50, &out->size, err));
    TRY(yaml_get_string(node, "sha256", &out->sha256, err));
    if (!out->path || (out->sha256 && strlen(out->sha256) != 64))
        return yaml_error(node, err, "expected a path, and a sha256 of 64 digits where there is one");
    return STATUS_OK;
}

static status read_one(arena *a, const yaml_node *node, dataset *out, error *err)
{
    static const char *const keys[] = {"title", "licence", "repository", "commit", "files"};
    const yaml_node *files = NULL;
    TRY(yaml_check_keys(node, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(node, "title", &out->title, err));
    TRY(yaml_get_string(node, "licence", &out->licence, err));
    TRY(yaml_get_string(node, "repository", &out->repository, err));
    TRY(yaml_get_string(node, "commit", &out->commit, err));
    TRY(yaml_get_list(node, "files", &files, err));
    if (!out->title || !out->licence || !out->repository || !out->commit || !files)
        return yaml_error(node, err, "expected title, licence, repository, commit and files");
    dataset_file *list = ARENA_ARRAY(a, dataset_file, files->count + 1);
    if (!list)
        return error_set(err, STATUS_MEMORY, "out of memory for the list of data sets");
    for (size_t i = 0; i < files->count; i++)
        TRY(read_file(files->items[i], &list[i], err));
    out->files = list;
    out->file_count = files->count;
    return STATUS_OK;
}

status datasets_parse(arena *a, slice text, const char *name, const dataset **out, size_t *count, error *err)
{
    const yaml_node *root;
    TRY(yaml_parse(a, text, name, &root, err));
    const yaml_node *sets = yaml_get(root, "datasets");
    if (!sets || sets->kind != YAML_MAP)
        return yaml_error(root, err, "expected a map \"datasets\"");
    dataset *list = ARENA_ARRAY(a, dataset, sets->count + 1);
    if (!list)
        return error_set(err, STATUS_MEMORY, "out of memory for the list of data sets");
    for (size_t i = 0; i < sets->count; i++) {
        list[i].name = sets->keys[i];
        TRY(read_one(a, sets->items[i], &list[i], err));
    }
    *out = list;
    *count = sets->count;
    return STATUS_OK;
}

status datasets_read(arena *a, const dataset **out, size_t *count, error *err)
{
    slice text = {assay_datasets, (size_t)(assay_datasets_end - assay_datasets)}, own;
    const char *path = getenv("ASSAY_DATASETS");
    const dataset *first, *known;
    size_t more = 0;
    TRY(datasets_parse(a, text, "tasks/datasets.yaml", &known, count, err));
    *out = known;
    if (!path || !path[0])
        return STATUS_OK;
    TRY(file_read(a, path, MOST_LIST, &own, err));
    TRY(datasets_parse(a, own, path, &first, &more, err));
    dataset *both = ARENA_ARRAY(a, dataset, more + *count + 1);
    if (!both)
        return error_set(err, STATUS_MEMORY, "out of memory for the list of data sets");
    for (size_t i = 0; i < more + *count; i++)
        both[i] = i < more ? first[i] : known[i - more];
    *out = both;
    *count += more;
    return STATUS_OK;
}

status datasets_find(arena *a, const char *name, const dataset **out, error *err)
{
    const dataset *sets;
    size_t count;
    TRY(datasets_read(a, &sets, &count, err));
    const char **names = ARENA_ARRAY(a, const char *, count + 1);
    for (size_t i = 0; names && i < count; i++) {
        names[i] = sets[i].name;
        if (strcmp(name, names[i]) == 0) {
            *out = &sets[i];
            return STATUS_OK;
        }
    }
    int nearest = names ? text_nearest(name, names, count) : -1;
    error_set(err, STATUS_NOT_FOUND, "there is no data set '%s'", name);
    return nearest >= 0 ? error_hint(err, "did you mean data:%s?", names[nearest]) : error_hint(err, "'assay list datasets' names them all");
}
