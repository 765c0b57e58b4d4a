/* Any bytes are either a list of data sets, each with all that `assay pull` needs of it, or refused with a message. */
#include "hub/datasets.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const dataset *d)
{
    if (!d->name || !d->title || !d->licence || !d->repository || !d->commit)
        BUG("a data set without all that it needs");
    for (size_t i = 0; i < d->file_count; i++)
        if (!d->files[i].path || d->files[i].size < -1 || (d->files[i].sha256 && strlen(d->files[i].sha256) != 64))
            BUG("%s: file %zu", d->name, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    const dataset *sets;
    size_t count;
    error err = {0};
    status result = datasets_parse(a, (slice){(const char *)bytes, length}, "fuzz", &sets, &count, &err);
    if (result == STATUS_OK)
        for (size_t i = 0; i < count; i++)
            check(&sets[i]);
    else if (!err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
