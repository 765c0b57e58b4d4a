/* Any bytes are either a sketch that answers, goes on and merges, or refused with a message. The checksum of our own files is put right
 * first, so that what lies behind it is reached. */
#include "core/hash.h"
#include "sketch/sketch.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void use(sketch *s)
{
    const double x[] = {-1e300, -1, 0, .5, 7, 1e9, INFINITY}, phi[] = {0, .01, .3, .5, .99, 1};
    double out[8];
    error err = {0};
    if (sketch_weight(s) != (double)sketch_count(s))
        BUG("weight %g, count %llu", sketch_weight(s), (unsigned long long)sketch_count(s));
    if (sketch_count(s) > 0) {
        if (sketch_ranks(s, x, COUNT_OF(x), true, out, &err) != STATUS_OK)
            BUG("%s", err.message);
        for (size_t i = 0; i < COUNT_OF(x); i++)
            if (!(out[i] >= 0 && out[i] <= 1 && (i == 0 || out[i] >= out[i - 1])))
                BUG("a rank of %g", out[i]);
        if (sketch_quantiles(s, phi, COUNT_OF(phi), true, out, &err) != STATUS_OK)
            BUG("%s", err.message);
        for (size_t i = 0; i < COUNT_OF(phi); i++)
            if (!(out[i] >= sketch_least(s) && out[i] <= sketch_most(s)))
                BUG("a quantile of %g", out[i]);
    }
    if (sketch_count(s) < (uint64_t)1 << 50)
        for (int i = 0; i < 200; i++)
            if (sketch_update(s, (double)(i % 17), &err) != STATUS_OK)
                BUG("%s", err.message);
    sketch *other;
    if (sketch_new(sketch_options_of(s), &other, &err) == STATUS_OK) {
        if (sketch_merge(other, s, &err) == STATUS_OK && sketch_weight(other) != (double)sketch_count(s))
            BUG("merged weight %g, count %llu", sketch_weight(other), (unsigned long long)sketch_count(s));
        sketch_free(other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sketch *s;
    error err = {0};
    arena *a = arena_new(NULL);
    char *copy = arena_alloc(a, length + 1);
    memcpy(copy, bytes, length);
    slice text = {copy, length};
    if (sketch_is_saved(text) && length > 16) {
        uint64_t sum = hash64(copy, length - 8, 0x736b65746368);
        for (size_t i = 0; i < 8; i++)
            copy[length - 8 + i] = (char)(sum >> (8 * i) & 255);
    }
    if (sketch_load(text, "fuzz", &s, &err) == STATUS_OK) {
        use(s);
        sketch_free(s);
    } else if (!err.message[0]) {
        BUG("refused without a word");
    }
    arena_free(a);
    return 0;
}
