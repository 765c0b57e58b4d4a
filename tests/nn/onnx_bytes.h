/* onnx_bytes.h - what the tests of ONNX files write such files with: protocol buffers, field by field (src/nn/onnx.c lists them). */
#ifndef ASSAY_TESTS_NN_ONNX_BYTES_H
#define ASSAY_TESTS_NN_ONNX_BYTES_H

#include "nn/onnx.h"

#include <stdint.h>
#include <string.h>

typedef struct message {
    char bytes[2048];
    size_t length;
} message;

static inline void put_varint(message *m, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        m->bytes[m->length++] = (char)(value | 0x80);
    m->bytes[m->length++] = (char)value;
}

static inline void put_number(message *m, unsigned field, uint64_t value)
{
    put_varint(m, field << 3);
    put_varint(m, value);
}

static inline void put_bytes(message *m, unsigned field, const void *bytes, size_t length)
{
    put_varint(m, field << 3 | 2);
    put_varint(m, length);
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static inline void put_text(message *m, unsigned field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

static inline void put_message(message *m, unsigned field, const message *inner)
{
    put_bytes(m, field, inner->bytes, inner->length);
}

#endif
