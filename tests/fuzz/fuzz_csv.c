/* Any bytes are either records whose fields lie in order, or refused with a message. */
#include "core/csv.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char separators[] = ",\t;";
    arena *a = length ? arena_new(NULL) : NULL;
    if (!a)
        return 0;
    csv_reader r = csv_open((slice){(const char *)bytes + 1, length - 1}, separators[bytes[0] % 3], "fuzz");
    csv_record record;
    bool more = true;
    error err = {0};
    status result = STATUS_OK;
    size_t total = 0, line = 0;
    while (result == STATUS_OK && more) {
        result = csv_next(&r, a, &record, &more, &err);
        if (result != STATUS_OK || !more)
            break;
        if (record.count == 0 || record.line <= line)
            BUG("a record without a field, or lines that do not rise");
        line = record.line;
        for (size_t i = 0; i < record.count; i++) {
            if (!utf8_valid(record.fields[i]))
                BUG("a field that is not UTF-8");
            total += record.fields[i].length;
        }
    }
    if (total > length)
        BUG("more bytes in fields than in the text");
    if (result != STATUS_OK && !err.message[0])
        BUG("refused without a word");
    arena_free(a);
    return 0;
}
