/* Any bytes are annotations, or a header with the samples behind it (after a line of three dots), that can all be read, or are
 * refused with a message. */
#include "nn/wfdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void refused(const error *err)
{
    if (!err->message[0])
        BUG("refused without a word");
}

static void record(arena *a, slice header, slice samples)
{
    wfdb_record r;
    error err = {0};
    if (wfdb_header_parse(a, header, "fuzz.hea", &r, &err) != STATUS_OK) {
        refused(&err);
        return;
    }
    volatile double sum = 0;
    for (size_t i = 0; i < r.count;) {
        size_t first = i;
        if (wfdb_samples_parse(a, &r, i, samples, &i, &err) != STATUS_OK) {
            refused(&err);
            return;
        }
        for (; first < i; first++)
            for (size_t k = 0; k < r.signals[first].count; k++)
                sum += wfdb_value(&r.signals[first], k);
    }
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    slice all = {(const char *)bytes, length};
    arena *a = arena_new(NULL);
    size_t dots = slice_find(all, SLICE("...\n"), 0);
    if (dots != SIZE_MAX) {
        record(a, slice_sub(all, 0, dots), slice_sub(all, dots + 4, length));
    } else {
        wfdb_annotations x;
        error err = {0};
        volatile int64_t sum = 0;
        if (wfdb_annotations_parse(a, all, "fuzz.atr", &x, &err) != STATUS_OK)
            refused(&err);
        else
            for (size_t i = 0; i < x.count; i++) {
                sum += x.items[i].frame + (int64_t)x.items[i].text.length + wfdb_symbol(x.items[i].code)[0];
                for (size_t k = 0; k < x.items[i].text.length; k++)
                    sum += x.items[i].text.text[k];
            }
        (void)sum;
    }
    arena_free(a);
    return 0;
}
