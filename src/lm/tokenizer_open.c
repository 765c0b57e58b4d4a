/* Which kind of tokenizer lies there. */
#include "lm/tokenizer_internal.h"

#include "core/file.h"

#include <string.h>

static status open_folder(arena *a, const char *path, tokenizer **out, error *err)
{
    static const char *const names[] = {"tokenizer.json"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *file = file_join(a, path, names[i]);
        if (!file)
            return tokenizer_out_of_memory(path, err);
        if (file_exists(file))
            return tokenizer_open(a, file, out, err);
    }
    return error_set(err, STATUS_NOT_FOUND, "%s holds no tokenizer.json", path);
}

status tokenizer_open(arena *a, const char *path, tokenizer **out, error *err)
{
    *out = NULL;
    if (file_is_folder(path))
        return open_folder(a, path, out, err);
    return tokenizer_read(a, path, out, err);
}
