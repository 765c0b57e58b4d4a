#include "nn/gguf_write.h"

#include "core/file.h"

#include <string.h>

enum { ALIGNMENT = 32, VERSION = 3 };
#define TEXT_MOST ((size_t)1 << 30)

typedef struct put_tensor {
    size_t bytes;
} put_tensor;

struct gguf_writer {
    arena *arena;
    strbuf keys, infos;
    size_t key_count;
    put_tensor *tensors;
    size_t tensor_count, capacity;
    uint64_t end; /* of the data so far, padded */
    bool failed;
};

status gguf_writer_new(arena *a, gguf_writer **out, error *err)
{
    gguf_writer *w = ARENA_NEW(a, gguf_writer);
    *out = w;
    if (!w)
        return error_set(err, STATUS_MEMORY, "out of memory for a GGUF file");
    *w = (gguf_writer){.arena = a, .keys = strbuf_new(a, TEXT_MOST), .infos = strbuf_new(a, TEXT_MOST)};
    return STATUS_OK;
}

static void put_little(strbuf *out, uint64_t value, size_t bytes)
{
    char text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i));
    strbuf_add_bytes(out, text, bytes);
}

static void put_string(strbuf *out, slice text)
{
    put_little(out, text.length, 8);
    strbuf_add_bytes(out, text.text, text.length);
}

static strbuf *begin(gguf_writer *w, const char *key, gguf_value_type type)
{
    w->key_count++;
    put_string(&w->keys, slice_of(key));
    put_little(&w->keys, type, 4);
    return &w->keys;
}

static strbuf *begin_array(gguf_writer *w, const char *key, gguf_value_type item, uint64_t count)
{
    strbuf *out = begin(w, key, GGUF_ARRAY);
    put_little(out, item, 4);
    put_little(out, count, 8);
    return out;
}

void gguf_put_text(gguf_writer *w, const char *key, slice text)
{
    put_string(begin(w, key, GGUF_STRING), text);
}

void gguf_put_int(gguf_writer *w, const char *key, uint32_t value)
{
    put_little(begin(w, key, GGUF_U32), value, 4);
}

void gguf_put_number(gguf_writer *w, const char *key, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    put_little(begin(w, key, GGUF_F32), bits, 4);
}

void gguf_put_flag(gguf_writer *w, const char *key, bool value)
{
    put_little(begin(w, key, GGUF_BOOL), value, 1);
}

void gguf_put_texts(gguf_writer *w, const char *key, const slice *texts, size_t count)
{
    strbuf *out = begin_array(w, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        put_string(out, texts[i]);
}

void gguf_put_ints(gguf_writer *w, const char *key, const int32_t *values, size_t count)
{
    strbuf *out = begin_array(w, key, GGUF_I32, count);
    for (size_t i = 0; i < count; i++)
        put_little(out, (uint32_t)values[i], 4);
}

void gguf_put_flags(gguf_writer *w, const char *key, const bool *values, size_t count)
{
    strbuf *out = begin_array(w, key, GGUF_BOOL, count);
    for (size_t i = 0; i < count; i++)
        put_little(out, values[i], 1);
}

void gguf_put_value(gguf_writer *w, const gguf_value *v)
{
    strbuf *out = v->type == GGUF_ARRAY ? begin_array(w, v->key, v->item, v->count) : begin(w, v->key, v->type);
    if (v->type == GGUF_STRING)
        put_little(out, v->bytes.length, 8);
    strbuf_add_slice(out, v->bytes);
}

void gguf_put_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int rank, const int64_t *shape)
{
    unsigned elements, bytes;
    if (!gguf_tensor_block(type, &elements, &bytes) || rank < 1 || rank > GGUF_RANK || shape[0] % elements)
        BUG("the tensor %s is no whole number of blocks of %s", name, gguf_tensor_type_name(type));
    if (w->tensor_count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 256;
        w->tensors = arena_regrow(w->arena, w->tensors, w->tensor_count, capacity, sizeof *w->tensors);
        w->capacity = capacity;
        w->failed = w->failed || !w->tensors;
    }
    if (w->failed)
        return;
    put_tensor *t = &w->tensors[w->tensor_count++];
    t->bytes = (size_t)shape[0] / elements * bytes;
    put_string(&w->infos, slice_of(name));
    put_little(&w->infos, (uint64_t)rank, 4);
    for (int d = 0; d < rank; d++) {
        put_little(&w->infos, (uint64_t)shape[d], 8);
        t->bytes *= d ? (size_t)shape[d] : 1;
    }
    put_little(&w->infos, type, 4);
    put_little(&w->infos, w->end, 8);
    w->end += (t->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t gguf_put_tensor_bytes(const gguf_writer *w, size_t i)
{
    return w->tensors[i].bytes;
}

size_t gguf_put_bytes(const gguf_writer *w)
{
    size_t sum = 0;
    for (size_t i = 0; i < w->tensor_count; i++)
        sum += w->tensors[i].bytes;
    return sum;
}

static void add_padding(file_writer *file, size_t length)
{
    static const char zeros[ALIGNMENT];
    file_writer_add(file, zeros, (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT);
}

static status add_data(const gguf_writer *w, file_writer *file, gguf_filler *fill, void *context, error *err)
{
    for (size_t i = 0; i < w->tensor_count; i++) {
        size_t bytes = w->tensors[i].bytes;
        void *data = memory_alloc(bytes + 1);
        status result = data ? fill(context, i, data, err) : error_set(err, STATUS_MEMORY, "out of memory for a tensor of %zu bytes", bytes);
        if (result == STATUS_OK) {
            file_writer_add(file, data, bytes);
            add_padding(file, bytes);
        }
        memory_free(data);
        TRY(result);
    }
    return STATUS_OK;
}

status gguf_write(const gguf_writer *w, const char *path, gguf_filler *fill, void *context, error *err)
{
    strbuf head = strbuf_new(w->arena, 64);
    file_writer file;
    strbuf_add(&head, "GGUF");
    put_little(&head, VERSION, 4);
    put_little(&head, w->tensor_count, 8);
    put_little(&head, w->key_count, 8);
    if (w->failed || head.failed || w->keys.failed || w->infos.failed)
        return error_set(err, STATUS_MEMORY, "%s: out of memory for the file's head", path);
    TRY(file_writer_open(&file, path, err));
    file_writer_add(&file, head.text, head.length);
    file_writer_add(&file, w->keys.text, w->keys.length);
    file_writer_add(&file, w->infos.text, w->infos.length);
    add_padding(&file, head.length + w->keys.length + w->infos.length);
    status result = add_data(w, &file, fill, context, err);
    if (result == STATUS_OK)
        return file_writer_commit(&file, err);
    file_writer_abandon(&file);
    return result;
}
