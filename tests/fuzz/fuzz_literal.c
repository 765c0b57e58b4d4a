/* Any bytes are either a printed Python value, whose JSON prints and reads back as the same, or refused with a message. */
#include "core/jsonio.h"
#include "studies/global_opinions/literal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    json_t *value, *again;
    error err = {0};
    status result = literal_read((slice){(const char *)bytes, length}, "fuzz.csv", 1, &value, &err);
    if (result != STATUS_OK) {
        if (!err.message[0])
            BUG("refused without a word");
        return 0;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!text || jsonio_parse(slice_of(text), "printed", &again, &err) != STATUS_OK || !json_equal(value, again))
        BUG("does not come back from JSON: %s", text ? text : "");
    free(text);
    json_decref(value);
    json_decref(again);
    return 0;
}
