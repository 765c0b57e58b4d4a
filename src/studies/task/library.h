/* library.h - the tasks that there are: those inside the program, and the user's own.
 *
 * A task is found by its name, several by a pattern with * (which stands for any letters, "/" too), several patterns with commas
 * between them, or by the path of a YAML file ("./mine.yaml"), whose tasks are all meant. The user's tasks are those of the
 * folder or file given with --tasks, or in ASSAY_TASKS; they go before those of the program that have the same name.
 *
 * Public sets are looked for in FOLDER/NAME (the study's --data, or ASSAY_DATA), then in the cache of `assay pull data:NAME`.
 * Files may be gzipped there, with or without the ending.
 */
#ifndef ASSAY_STUDIES_TASK_LIBRARY_H
#define ASSAY_STUDIES_TASK_LIBRARY_H

#include "studies/task/task.h"

typedef struct task_library {
    task *tasks; /* in the order of their names */
    size_t count;
} task_library;

/* `own` (may be NULL): the user's folder or file; `data` (may be NULL): the folder of public sets. */
status task_library_read(arena *a, const char *own, const char *data, task_library *out, error *err);
/* Of one file. */
status task_library_file(arena *a, const char *path, const char *data, task_library *out, error *err);
/* Those that the words name. STATUS_NOT_FOUND, with the nearest name, when one of the words names none. */
status task_library_find(arena *a, const char *words, const char *own, const char *data, task_library *out, error *err);
/* The files of a data section (of few-shot examples); NULL in *files with words in *missing where they are not here. */
status task_library_locate(arena *a, const task_data *d, const char *yaml, const char *data, const char *const **files, size_t *count,
                           const char **missing, error *err);
/* Items of a task whose data are here: counted, not made, where that is enough. */
status task_library_count(const task *t, size_t *out, error *err);

/* The YAML files inside the program. */
typedef struct task_file {
    const char *name;
    slice text;
} task_file;
size_t task_embedded_count(void);
task_file task_embedded(size_t i);

#endif
