/* shared.h - real data that lie beside the repository on some machines: ../shared/data. Tests that need them skip with a word.
 *
 *     const char *path = shared_data(a, "hh-rlhf/harmless-base-test.jsonl.gz");
 *     if (!path)
 *         skip();
 */
#ifndef ASSAY_TESTS_SHARED_H
#define ASSAY_TESTS_SHARED_H

#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A file or folder there; NULL, and a line that says so, where it is absent. */
static inline const char *shared_data(arena *a, const char *name)
{
    static const char *const places[] = {"../shared/data", "../../shared/data"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *path = file_join(a, places[i], name);
        if (path && (file_exists(path) || file_is_folder(path)))
            return path;
    }
    print_message("skipped: ../shared/data/%s is not there\n", name);
    return NULL;
}

#endif
