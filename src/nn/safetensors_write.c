/* The writing half of safetensors.h, and conversions of elements. */
#include "nn/safetensors.h"

#include "core/element.h"
#include "core/file.h"
#include "core/jsonio.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static float read_f64(const char *p)
{
    double v;
    memcpy(&v, p, sizeof v);
    return (float)v;
}

static float read_f32(const char *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}

#define READ_INTEGER(name, type)                                                                                   \
    static float read_##name(const char *p)                                                                        \
    {                                                                                                              \
        type v;                                                                                                    \
        memcpy(&v, p, sizeof v);                                                                                   \
        return (float)v;                                                                                           \
    }
READ_INTEGER(i64, int64_t)
READ_INTEGER(i32, int32_t)
READ_INTEGER(i16, int16_t)
READ_INTEGER(i8, int8_t)
READ_INTEGER(u64, uint64_t)
READ_INTEGER(u32, uint32_t)
READ_INTEGER(u16, uint16_t)
READ_INTEGER(u8, uint8_t)

static float read_f16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return f16_to_f32(v);
}

static float read_bf16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return bf16_to_f32(v);
}

static float (*const readers[SAFETENSORS_TYPE_COUNT])(const char *) = {
    [SAFETENSORS_F64] = read_f64, [SAFETENSORS_F32] = read_f32, [SAFETENSORS_F16] = read_f16,
    [SAFETENSORS_BF16] = read_bf16, [SAFETENSORS_I64] = read_i64, [SAFETENSORS_I32] = read_i32,
    [SAFETENSORS_I16] = read_i16, [SAFETENSORS_I8] = read_i8, [SAFETENSORS_U64] = read_u64,
    [SAFETENSORS_U32] = read_u32, [SAFETENSORS_U16] = read_u16, [SAFETENSORS_U8] = read_u8,
    [SAFETENSORS_BOOL] = read_u8,
};

status safetensors_to_f32(const safetensors_tensor *t, float *out, error *err)
{
    if (t->type == SAFETENSORS_F32) {
        if (t->bytes)
            memcpy(out, t->data, t->bytes);
        return STATUS_OK;
    }
    if (!readers[t->type])
        return error_set(err, STATUS_UNSUPPORTED, "tensor \"%s\": %s cannot be read as numbers yet", t->name,
                         safetensors_type_name(t->type));
    size_t step = safetensors_type_bytes(t->type), count = t->bytes / step;
    const char *from = t->data;
    for (size_t i = 0; i < count; i++)
        out[i] = readers[t->type](from + i * step);
    return STATUS_OK;
}

static int by_size_and_name(const void *a, const void *b)
{
    const safetensors_tensor *x = *(const safetensors_tensor *const *)a, *y = *(const safetensors_tensor *const *)b;
    size_t p = safetensors_type_bytes(x->type), q = safetensors_type_bytes(y->type);
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp(x->name, y->name);
}

static json_t *metadata_json(const char *const *metadata, size_t pairs)
{
    json_t *object = json_object();
    json_object_set_new(object, "format", json_string("pt"));
    for (size_t i = 0; i < pairs; i++)
        json_object_set_new(object, metadata[2 * i], json_string(metadata[2 * i + 1]));
    return object;
}

static status header_text(const safetensors_tensor **order, size_t count, json_t *metadata, strbuf *out, error *err)
{
    json_t *header = json_object();
    json_object_set_new(header, "__metadata__", metadata);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const safetensors_tensor *t = order[i];
        if ((uint64_t)safetensors_elements(t) * safetensors_type_bytes(t->type) != t->bytes)
            BUG("tensor \"%s\": %zu bytes do not fit its shape", t->name, t->bytes);
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer(t->shape[d]));
        json_t *offsets = json_array();
        json_array_append_new(offsets, json_integer((json_int_t)at));
        at += t->bytes;
        json_array_append_new(offsets, json_integer((json_int_t)at));
        json_t *entry = json_object();
        json_object_set_new(entry, "dtype", json_string(safetensors_type_name(t->type)));
        json_object_set_new(entry, "shape", shape);
        json_object_set_new(entry, "data_offsets", offsets);
        if (json_object_get(header, t->name))
            BUG("tensor \"%s\" is given twice", t->name);
        json_object_set_new(header, t->name, entry);
    }
    status result = STATUS_OK;
    if (json_object_size(header) != count + 1) /* a key that is not UTF-8, or no memory */
        result = error_set(err, STATUS_MEMORY, "cannot build the header of %zu tensors", count);
    if (result == STATUS_OK)
        result = jsonio_print(header, 0, out, err);
    json_decref(header);
    while (out->length % 8 != 0 && !out->failed)
        strbuf_add_char(out, ' '); /* so that the data begin aligned */
    return result;
}

status safetensors_write(const char *path, const safetensors_tensor *tensors, size_t count,
                         const char *const *metadata, size_t pairs, error *err)
{
    const safetensors_tensor **order = memory_alloc((count + 1) * sizeof *order);
    if (!order)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < count; i++)
        order[i] = &tensors[i];
    qsort(order, count, sizeof *order, by_size_and_name);
    strbuf header = strbuf_new(NULL, 100 * 1000 * 1000);
    file_writer w;
    status result = header_text(order, count, metadata_json(metadata, pairs), &header, err);
    if (result == STATUS_OK && header.failed)
        result = error_set(err, STATUS_MEMORY, "%s: out of memory, or a header past the format's limit", path);
    if (result == STATUS_OK)
        result = file_writer_open(&w, path, err);
    if (result == STATUS_OK) {
        unsigned char length[8];
        for (size_t i = 0; i < 8; i++)
            length[i] = (unsigned char)((uint64_t)header.length >> (8 * i));
        file_writer_add(&w, length, sizeof length);
        file_writer_add(&w, header.text, header.length);
        for (size_t i = 0; i < count; i++)
            file_writer_add(&w, order[i]->data, order[i]->bytes);
        result = file_writer_commit(&w, err);
    }
    strbuf_free(&header);
    memory_free(order);
    return result;
}
