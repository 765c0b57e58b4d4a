/* Any bytes as a recipe, as a series of sizes and as a file of families are read or refused with a message. */
#include "run/family.h"
#include "train/series.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(status result, const error *err)
{
    if (result != STATUS_OK && !err->message[0])
        BUG("refused without a word");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const recipe_changes sized = {.size = "1M", .has_seed = true, .seed = 2};
    arena *a = arena_new(NULL);
    slice text = {(const char *)bytes, length};
    recipe *r;
    series *s;
    family f;
    char path[64], key[SHA256_HEX];
    error err = {0};
    status result = recipe_parse(a, text, "fuzz", NULL, &r, &err);
    check(result, &err);
    if (result == STATUS_OK)
        check(recipe_key(r, "", key, &err), &err);
    check(recipe_parse(a, text, "fuzz", &sized, &r, &err), &err);
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file >= 0 && write(file, bytes, length) == (ssize_t)length) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        check(series_read(a, path, &s, &err), &err);
        check(family_read(a, path, "family:f@size=*", &f, &err), &err);
        check(family_read(a, path, "family:f", &f, &err), &err);
    }
    if (file >= 0)
        close(file);
    arena_free(a);
    return 0;
}
