/* open.h - a study by the word that names it.
 *
 *     const study *s;
 *     TRY(study_open(arena, "sycophancy", &s, err));        // of the catalogue
 *     TRY(study_open(arena, "./order.py", &s, err));        // a plug-in: a path with a '/' in it
 *     TRY(study_open(arena, "plugin:order.py", &s, err));   // the same, for any path
 *     TRY(study_open(arena, "order", &s, err));             // order or order.* in a folder of ASSAY_PLUGINS
 *
 * A plug-in is started to ask what it declares; it ends with the arena. */
#ifndef ASSAY_STUDIES_OPEN_H
#define ASSAY_STUDIES_OPEN_H

#include "run/study.h"

/* STATUS_USAGE when no study has this name. */
status study_open(arena *a, const char *word, const study **out, error *err);
/* Files of the folders that ASSAY_PLUGINS names (separated by ':'), those that may be executed, in order. */
status study_plugin_files(arena *a, const char ***paths, size_t *count, error *err);

#endif
