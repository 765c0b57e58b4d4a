/* Any bytes are an IDX array whose elements can all be read, or are refused with a message. */
#include "nn/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    idx_array x;
    error err = {0};
    if (idx_parse((slice){(const char *)bytes, length}, "fuzz.idx", &x, &err) != STATUS_OK) {
        if (!err.message[0])
            BUG("refused without a word");
        return 0;
    }
    volatile unsigned sum = 0;
    for (int64_t i = 0; i < shape_count(x.shape); i++)
        sum += x.elements[i];
    (void)sum;
    return 0;
}
