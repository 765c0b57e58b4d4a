#include "studies/sets.h"

#include "core/file.h"
#include "hub/pull.h"

#include <stdlib.h>

const char *study_set_folder(arena *a, const char *data, const char *set)
{
    const char *places[] = {data, getenv("ASSAY_DATA")};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *folder = places[i] && places[i][0] ? file_join(a, places[i], set) : NULL;
        if (folder && file_is_folder(folder))
            return folder;
    }
    const char *name = arena_printf(a, "data:%s", set);
    return name ? pull_find(a, name) : NULL;
}

status study_set_missing(const char *set, error *err)
{
    error_set(err, STATUS_NOT_FOUND, "the data set %s is not here", set);
    return error_hint(err, "`assay pull data:%s` brings it, --data FOLDER says where it lies", set);
}
