/* sets.h - where a public data set lies on this machine.
 *
 *     const char *folder = study_set_folder(arena, param_string(run->params, "data"), "bbq");
 *     if (!folder)
 *         return study_set_missing("bbq", err);
 */
#ifndef ASSAY_STUDIES_SETS_H
#define ASSAY_STUDIES_SETS_H

#include "core/arena.h"
#include "core/error.h"

/* FOLDER/SET of `data` (may be NULL), else of ASSAY_DATA, else of the cache that `assay pull data:SET` fills; NULL: nowhere. */
const char *study_set_folder(arena *a, const char *data, const char *set);
/* STATUS_NOT_FOUND, with how to get it. */
status study_set_missing(const char *set, error *err);

#endif
