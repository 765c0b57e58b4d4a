/* gguf_bytes.h - writes small GGUF files for tests. */
#ifndef TESTS_NN_GGUF_BYTES_H
#define TESTS_NN_GGUF_BYTES_H

#include "core/text.h"
#include "nn/gguf.h"

#include <string.h>

static inline void put_number(strbuf *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        strbuf_add_char(out, (char)(i < 8 ? value >> (8 * i) : 0));
}

static inline void put_string(strbuf *out, const char *text)
{
    put_number(out, strlen(text), 8);
    strbuf_add(out, text);
}

static inline void put_head(strbuf *out, unsigned version, uint64_t tensors, uint64_t keys)
{
    strbuf_add(out, "GGUF");
    put_number(out, version, 4);
    put_number(out, tensors, 8);
    put_number(out, keys, 8);
}

static inline void put_key(strbuf *out, const char *key, gguf_value_type type)
{
    put_string(out, key);
    put_number(out, type, 4);
}

static inline void put_text(strbuf *out, const char *key, const char *text)
{
    put_key(out, key, GGUF_STRING);
    put_string(out, text);
}

static inline void put_array(strbuf *out, const char *key, gguf_value_type item, uint64_t count)
{
    put_key(out, key, GGUF_ARRAY);
    put_number(out, item, 4);
    put_number(out, count, 8);
}

static inline void put_tensor(strbuf *out, const char *name, int rank, const uint64_t *shape, unsigned type, uint64_t offset)
{
    put_string(out, name);
    put_number(out, (uint64_t)rank, 4);
    for (int d = 0; d < rank; d++)
        put_number(out, shape[d], 8);
    put_number(out, type, 4);
    put_number(out, offset, 8);
}

static inline void put_padding(strbuf *out, size_t alignment)
{
    while (out->length % alignment)
        strbuf_add_char(out, 0);
}

#endif
