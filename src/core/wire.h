/* wire.h - the fields of a protocol buffer, one after the other: for files that other programs write in that form.
 *
 * A message is a row of fields, each a number, a kind and a value; what a number means is the reader's knowledge. Fields that a
 * reader does not know are passed over. Nothing is copied: bytes point into the message.
 *
 *     wire_field f;
 *     bool broken;
 *     while (wire_next(&message, &f, &broken))
 *         if (f.number == 1 && f.kind == WIRE_BYTES)
 *             name = f.bytes;
 *     if (broken) ...                                   // the message ends within a field, or is something else
 */
#ifndef ASSAY_CORE_WIRE_H
#define ASSAY_CORE_WIRE_H

#include "core/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct wire_field {
    uint64_t number, value; /* value: of a WIRE_VARINT */
    unsigned kind;
    slice bytes; /* of the other kinds: 8, any number, or 4 */
} wire_field;

/* The next field of a message, which is taken from *rest; false at its end, with *broken set when it ends within one. */
bool wire_next(slice *rest, wire_field *f, bool *broken);
/* The next number of a packed list. */
bool wire_varint(slice *rest, uint64_t *value);
/* Of a WIRE_32 field that holds an IEEE number; 0 where it is of another kind. */
float wire_float(const wire_field *f);

#endif
