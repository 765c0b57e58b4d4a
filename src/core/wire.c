#include "core/wire.h"

#include <string.h>

bool wire_varint(slice *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; rest->length && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)rest->text[0];
        *rest = slice_sub(*rest, 1, rest->length);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool wire_next(slice *rest, wire_field *f, bool *broken)
{
    uint64_t key, length = 0;
    *broken = rest->length > 0;
    if (!rest->length || !wire_varint(rest, &key))
        return false;
    *f = (wire_field){.number = key >> 3, .kind = key & 7};
    if (f->kind == WIRE_VARINT) {
        *broken = !wire_varint(rest, &f->value);
        return !*broken;
    }
    if (f->kind == WIRE_BYTES ? !wire_varint(rest, &length) : f->kind != WIRE_32 && f->kind != WIRE_64)
        return false;
    if (f->kind != WIRE_BYTES)
        length = f->kind == WIRE_32 ? 4 : 8;
    if (length > rest->length)
        return false;
    f->bytes = slice_sub(*rest, 0, (size_t)length);
    *rest = slice_sub(*rest, (size_t)length, rest->length);
    *broken = false;
    return true;
}

float wire_float(const wire_field *f)
{
    float value = 0;
    if (f->bytes.length == 4)
        memcpy(&value, f->bytes.text, 4);
    return value;
}
