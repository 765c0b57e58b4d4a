#include "nn/idx.h"

#include "core/file.h"

enum { UNSIGNED_BYTES = 0x08, HEADER = 4 };

static const size_t limit = (size_t)4 << 30;

status idx_parse(slice bytes, const char *name, idx_array *out, error *err)
{
    const uint8_t *b = (const uint8_t *)bytes.text;
    if (bytes.length < HEADER || b[0] != 0 || b[1] != 0)
        return error_set(err, STATUS_INVALID, "%s is no IDX file: expected two zero bytes, a type and a number of axes", name);
    if (b[2] != UNSIGNED_BYTES)
        return error_set(err, STATUS_UNSUPPORTED, "%s holds elements of type 0x%02x: unsigned bytes (0x08) are read", name, b[2]);
    if (b[3] < 1 || b[3] > RANK_MAX)
        return error_set(err, STATUS_INVALID, "%s has %d axes: expected 1 to %d", name, b[3], RANK_MAX);
    size_t rank = b[3], at = HEADER + 4 * rank, count = 1;
    if (bytes.length < at)
        return error_set(err, STATUS_INVALID, "%s ends within its header", name);
    idx_array x = {.shape = {.rank = (int)rank}};
    for (size_t i = 0; i < rank; i++) {
        const uint8_t *s = b + HEADER + 4 * i;
        x.shape.size[i] = (int64_t)((uint32_t)s[0] << 24 | (uint32_t)s[1] << 16 | (uint32_t)s[2] << 8 | s[3]);
        if (x.shape.size[i] > 0 && count > limit / (size_t)x.shape.size[i])
            return error_set(err, STATUS_LIMIT, "%s says that it holds more than 4 GiB", name);
        count *= (size_t)x.shape.size[i];
    }
    if (bytes.length - at != count)
        return error_set(err, STATUS_INVALID, "%s holds %zu elements: its header says %zu", name, bytes.length - at, count);
    x.elements = b + at;
    *out = x;
    return STATUS_OK;
}

status idx_read(arena *a, const char *path, idx_array *out, error *err)
{
    slice bytes;
    TRY(file_read_gz(a, path, limit, &bytes, err));
    return idx_parse(bytes, path, out, err);
}
