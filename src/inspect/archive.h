/* archive.h - members of a ZIP as streams (private to src/inspect): stored, deflated (libzip), Zstandard (libzstd). */
#ifndef ASSAY_INSPECT_ARCHIVE_H
#define ASSAY_INSPECT_ARCHIVE_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct archive archive;
typedef struct archive_member archive_member;

/* STATUS_LIMIT when it says to unpack to more than 256 MiB and 1,000 times its own size, or to more than 1 TiB. */
status archive_open(const char *path, archive **out, error *err);
void archive_close(archive *z);
size_t archive_count(const archive *z);
const char *archive_name(const archive *z, size_t i); /* lives as long as the archive */
/* SIZE_MAX when there is none of this name. */
size_t archive_find(const archive *z, const char *name);

status archive_member_open(archive *z, size_t i, archive_member **out, error *err);
/* A jsonstream_fill (core/jsonstream.h) with a member as context. Checks length and sum at the end. */
status archive_member_read(void *member, char *bytes, size_t room, size_t *got, error *err);
void archive_member_close(archive_member *m);

#endif
