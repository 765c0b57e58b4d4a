/* The tasks inside the program: the build writes the list and an assembly file with the bytes (cmake/embed.cmake). */
#include "studies/task/library.h"

#include "studies/task_files.inc"

#define X(symbol, name) extern const char symbol##_start[], symbol##_end[];
TASK_FILES(X)
#undef X

static const struct {
    const char *name, *start, *end;
} files[] = {
#define X(symbol, name) {"tasks/" name, symbol##_start, symbol##_end},
    TASK_FILES(X)
#undef X
};

size_t task_embedded_count(void)
{
    return COUNT_OF(files);
}

task_file task_embedded(size_t i)
{
    return (task_file){files[i].name, {files[i].start, (size_t)(files[i].end - files[i].start)}};
}
