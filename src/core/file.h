/* file.h - whole files in, whole files out: a file under its final name is always complete.
 *
 *     file_writer w;
 *     TRY(file_writer_open(&w, "out/model.safetensors", err));     // writes model.safetensors.tmp-<pid>-<n>
 *     file_writer_add(&w, bytes, length);
 *     TRY(file_writer_commit(&w, err));                            // fsync, rename; reports any earlier failure
 *
 * A writer that is not committed must be dropped with file_writer_abandon, which removes the temporary file.
 */
#ifndef ASSAY_CORE_FILE_H
#define ASSAY_CORE_FILE_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <stdbool.h>

/* Reads all of `path` ("-" is stdin) into the arena, with a NUL behind it; refuses more than `limit` bytes. */
status file_read(arena *a, const char *path, size_t limit, slice *out, error *err);
/* Reads it through gzip when the content says so (magic bytes), else as it is. `limit` counts plain bytes. */
status file_read_gz(arena *a, const char *path, size_t limit, slice *out, error *err);
/* Maps `path` read-only until the arena is freed. */
status file_map(arena *a, const char *path, slice *out, error *err);
/* Gives back the memory that holds these bytes of mapped files: they are not needed soon, and are read from the file again
 * when they are. Bytes that lie elsewhere are left alone. */
void file_give_back(const void *bytes, size_t length);
status file_write(const char *path, slice content, error *err);

typedef struct file_writer {
    char *path, *temporary;
    int descriptor;
    status failed; /* the first failure; later writes do nothing */
    int failed_errno;
    char *buffer;
    size_t used;
    arena *arena;
} file_writer;

status file_writer_open(file_writer *w, const char *path, error *err);
void file_writer_add(file_writer *w, const void *bytes, size_t length);
status file_writer_commit(file_writer *w, error *err);
void file_writer_abandon(file_writer *w);

bool file_exists(const char *path);
bool file_is_folder(const char *path);
/* Makes the folder and its parents. */
status file_make_folders(const char *path, error *err);
/* "folder/name" in the arena (name alone when folder is NULL or ""). */
char *file_join(arena *a, const char *folder, const char *name);
/* Names of the entries of a folder, sorted bytewise, without "." and "..". */
status file_list(arena *a, const char *folder, char ***names, size_t *count, error *err);

#endif
