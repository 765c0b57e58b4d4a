/* datasets.h - the public data sets that the program knows by name: those of the file that ASSAY_DATASETS names, where there is
 * one, and then those of tasks/datasets.yaml, which lies in the program. */
#ifndef ASSAY_HUB_DATASETS_H
#define ASSAY_HUB_DATASETS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <stdint.h>

typedef struct dataset_file {
    const char *path;   /* in the repository */
    int64_t size;       /* -1: not known */
    const char *sha256; /* NULL: not known */
} dataset_file;

typedef struct dataset {
    const char *name, *title, *licence;
    const char *repository, *commit; /* of GitHub: "OWNER/NAME" */
    const dataset_file *files;
    size_t file_count;
} dataset;

/* Reads a list of data sets; `name` is that of the file, for messages. */
status datasets_parse(arena *a, slice text, const char *name, const dataset **out, size_t *count, error *err);
/* All that are known; a name of the user's own goes before. */
status datasets_read(arena *a, const dataset **out, size_t *count, error *err);
/* STATUS_NOT_FOUND, with the nearest name as a hint. */
status datasets_find(arena *a, const char *name, const dataset **out, error *err);

#endif
