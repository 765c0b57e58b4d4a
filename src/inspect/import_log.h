/* import_log.h - walking through a log, whichever form it has (private to src/inspect). */
#ifndef ASSAY_INSPECT_IMPORT_LOG_H
#define ASSAY_INSPECT_IMPORT_LOG_H

#include "inspect/import.h"

typedef struct import_walk {
    const char *path;
    const inspect_import_options *options;
    uint64_t before, total;   /* bytes, for progress */
    json_t *header;           /* all of the log but its samples; filled where it is NULL at first */
    status (*each)(void *context, const json_t *sample, bool cut, error *err);
    void *context;
} import_walk;

/* Reads the log from its beginning to its end, and calls `each` for every sample. The caller owns walk->header. */
status import_walk_log(import_walk *w, error *err);

#endif
