#include "nn/gguf.h"

#include "core/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING = 4, LEAST_KEY = 13, LEAST_TENSOR = 24, ALIGNMENT = 32 };

struct gguf {
    const char *name;
    gguf_value *values; /* sorted by key */
    size_t value_count;
    gguf_tensor *tensors; /* sorted by name */
    size_t tensor_count;
};

/* Reads from the front of the file; `failed` once something did not fit. */
typedef struct cursor {
    slice file;
    size_t at;
    bool failed;
} cursor;

static const struct {
    const char *name;
    unsigned number;
    unsigned elements, bytes;
} tensor_types[] = {
#define X(name, number, elements, bytes) {#name, number, elements, bytes},
    GGUF_TENSOR_TYPES(X)
#undef X
};

static size_t value_bytes(uint64_t type, bool *known)
{
    *known = true;
    switch (type) {
#define X(name, number, bytes)                                                                                     \
    case number:                                                                                                   \
        return bytes;
        GGUF_VALUE_TYPES(X)
#undef X
    }
    *known = false;
    return 0;
}

static uint64_t little(const char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

static slice take(cursor *c, uint64_t count)
{
    if (c->failed || count > c->file.length - c->at) {
        c->failed = true;
        return (slice){"", 0};
    }
    slice s = slice_sub(c->file, c->at, c->at + (size_t)count);
    c->at += (size_t)count;
    return s;
}

static uint64_t take_number(cursor *c, size_t count)
{
    slice s = take(c, count);
    return s.length == count ? little(s.text, count) : 0;
}

static status cut_short(const char *name, const cursor *c, const char *what, error *err)
{
    error_set(err, STATUS_INVALID, "%s: %s at byte %zu does not fit in the file's %zu bytes", name, what, c->at, c->file.length);
    return error_hint(err, "the file is truncated or damaged; fetch or write it again");
}

static status out_of_memory(const char *name, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
}

/* A name with a NUL behind it. */
static status take_name(arena *a, cursor *c, const char *file, const char *what, const char **out, error *err)
{
    slice text = take(c, take_number(c, 8));
    if (c->failed)
        return cut_short(file, c, what, err);
    if (memchr(text.text, 0, text.length) || !utf8_valid(text))
        return error_set(err, STATUS_INVALID, "%s: %s that ends at byte %zu is no plain text", file, what, c->at);
    *out = arena_strndup(a, text.text, text.length);
    return *out ? STATUS_OK : out_of_memory(file, err);
}

static status skip_items(cursor *c, const char *file, const gguf_value *v, uint64_t item, uint64_t count, int depth, error *err);

static status skip_array(cursor *c, const char *file, const gguf_value *v, int depth, error *err)
{
    uint64_t item = take_number(c, 4), count = take_number(c, 8);
    return c->failed ? cut_short(file, c, v->key, err) : skip_items(c, file, v, item, count, depth, err);
}

/* Walks over the items of an array, each of which takes at least a byte, so that the file's length bounds the walk. */
static status skip_items(cursor *c, const char *file, const gguf_value *v, uint64_t item, uint64_t count, int depth, error *err)
{
    bool known;
    size_t size = value_bytes(item, &known);
    if (!known)
        return error_set(err, STATUS_INVALID, "%s: \"%s\" holds items of the unknown type %" PRIu64, file, v->key, item);
    if (size) {
        if (count > (c->file.length - c->at) / size)
            return cut_short(file, c, v->key, err);
        take(c, count * size);
        return STATUS_OK;
    }
    if (item == GGUF_ARRAY && depth >= NESTING)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the arrays at \"%s\" are nested more than %d deep", file, v->key, NESTING);
    for (uint64_t i = 0; i < count; i++) {
        if (item == GGUF_ARRAY)
            TRY(skip_array(c, file, v, depth + 1, err));
        else
            take(c, take_number(c, 8));
        if (c->failed)
            return cut_short(file, c, v->key, err);
    }
    return STATUS_OK;
}

static status read_value(arena *a, cursor *c, const char *file, gguf_value *v, error *err)
{
    TRY(take_name(a, c, file, "a key", &v->key, err));
    bool known;
    uint64_t type = take_number(c, 4);
    size_t size = value_bytes(type, &known);
    if (!c->failed && !known)
        return error_set(err, STATUS_INVALID, "%s: \"%s\" is of the unknown type %" PRIu64, file, v->key, type);
    v->type = v->item = (gguf_value_type)type;
    v->count = 1;
    if (type == GGUF_STRING)
        size = take_number(c, 8);
    if (type != GGUF_ARRAY) {
        v->bytes = take(c, size);
        return c->failed ? cut_short(file, c, v->key, err) : STATUS_OK;
    }
    uint64_t item = take_number(c, 4);
    v->count = take_number(c, 8);
    if (c->failed)
        return cut_short(file, c, v->key, err);
    size_t start = c->at;
    TRY(skip_items(c, file, v, item, v->count, 1, err));
    v->item = (gguf_value_type)item;
    v->bytes = slice_sub(c->file, start, c->at);
    return STATUS_OK;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const gguf_value *)a)->key, ((const gguf_value *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const gguf_tensor *)a)->name, ((const gguf_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const gguf_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static status read_values(arena *a, cursor *c, gguf *g, uint64_t count, error *err)
{
    if (count > (c->file.length - c->at) / LEAST_KEY)
        return error_set(err, STATUS_INVALID, "%s: claims %" PRIu64 " keys in %zu bytes", g->name, count, c->file.length);
    g->values = ARENA_ARRAY(a, gguf_value, (size_t)count + 1);
    if (!g->values)
        return out_of_memory(g->name, err);
    for (; g->value_count < count; g->value_count++)
        TRY(read_value(a, c, g->name, &g->values[g->value_count], err));
    if (g->value_count)
        qsort(g->values, g->value_count, sizeof *g->values, by_key);
    for (size_t i = 1; i < g->value_count; i++)
        if (by_key(&g->values[i - 1], &g->values[i]) == 0)
            return error_set(err, STATUS_INVALID, "%s: the key \"%s\" is there twice", g->name, g->values[i].key);
    return STATUS_OK;
}

/* Bytes that the shape needs in blocks of its type. */
static status tensor_bytes(const gguf *g, gguf_tensor *t, uint64_t type, error *err)
{
    size_t row = 0;
    while (row < COUNT_OF(tensor_types) && tensor_types[row].number != type)
        row++;
    if (row == COUNT_OF(tensor_types))
        return error_set(err, STATUS_UNSUPPORTED, "%s: the tensor \"%s\" is of the unknown type %" PRIu64, g->name, t->name, type);
    t->type = (gguf_tensor_type)type;
    if (t->shape[0] % tensor_types[row].elements)
        return error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" has rows of %" PRId64 " elements, which are no blocks of %u (%s)",
                         g->name, t->name, t->shape[0], tensor_types[row].elements, tensor_types[row].name);
    uint64_t bytes = (uint64_t)t->shape[0] / tensor_types[row].elements;
    bool fits = !__builtin_mul_overflow(bytes, (uint64_t)tensor_types[row].bytes, &bytes);
    for (int d = 1; d < GGUF_RANK; d++)
        fits = fits && !__builtin_mul_overflow(bytes, (uint64_t)t->shape[d], &bytes) && bytes <= INT64_MAX;
    if (!fits)
        return error_set(err, STATUS_INVALID, "%s: the shape of the tensor \"%s\" overflows 64 bits", g->name, t->name);
    t->bytes = (size_t)bytes;
    return STATUS_OK;
}

/* The place is an offset until the data's start is known. */
static status read_tensor(arena *a, cursor *c, const gguf *g, gguf_tensor *t, uint64_t *offset, error *err)
{
    TRY(take_name(a, c, g->name, "a tensor's name", &t->name, err));
    uint64_t rank = take_number(c, 4);
    if (rank > GGUF_RANK)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the tensor \"%s\" has %" PRIu64 " dimensions; at most %d are supported",
                         g->name, t->name, rank, GGUF_RANK);
    t->rank = (int)rank;
    for (int d = 0; d < GGUF_RANK; d++) {
        uint64_t size = d < t->rank ? take_number(c, 8) : 1;
        if (size > INT64_MAX)
            return error_set(err, STATUS_INVALID, "%s: dimension %d of the tensor \"%s\" is no size", g->name, d, t->name);
        t->shape[d] = (int64_t)size;
    }
    uint64_t type = take_number(c, 4);
    *offset = take_number(c, 8);
    return c->failed ? cut_short(g->name, c, t->name, err) : tensor_bytes(g, t, type, err);
}

static status place_tensors(gguf *g, const uint64_t *offsets, slice data, uint64_t alignment, error *err)
{
    for (size_t i = 0; i < g->tensor_count; i++) {
        gguf_tensor *t = &g->tensors[i];
        if (offsets[i] % alignment)
            return error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" lies at %" PRIu64 ", no multiple of %" PRIu64, g->name,
                             t->name, offsets[i], alignment);
        if (offsets[i] > data.length || t->bytes > data.length - offsets[i]) {
            error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" takes bytes %" PRIu64 " to %" PRIu64 " of the data, but there are %zu",
                      g->name, t->name, offsets[i], offsets[i] + t->bytes, data.length);
            return error_hint(err, "the file is truncated or damaged; fetch or write it again");
        }
        t->data = data.text + offsets[i];
    }
    if (g->tensor_count)
        qsort(g->tensors, g->tensor_count, sizeof *g->tensors, by_place);
    for (size_t i = 1; i < g->tensor_count; i++)
        if ((const char *)g->tensors[i - 1].data + g->tensors[i - 1].bytes > (const char *)g->tensors[i].data)
            return error_set(err, STATUS_INVALID, "%s: the tensors \"%s\" and \"%s\" overlap", g->name, g->tensors[i - 1].name,
                             g->tensors[i].name);
    if (g->tensor_count)
        qsort(g->tensors, g->tensor_count, sizeof *g->tensors, by_name);
    for (size_t i = 1; i < g->tensor_count; i++)
        if (by_name(&g->tensors[i - 1], &g->tensors[i]) == 0)
            return error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" is there twice", g->name, g->tensors[i].name);
    return STATUS_OK;
}

static status read_tensors(arena *a, cursor *c, gguf *g, uint64_t count, error *err)
{
    if (count > (c->file.length - c->at) / LEAST_TENSOR)
        return error_set(err, STATUS_INVALID, "%s: claims %" PRIu64 " tensors in %zu bytes", g->name, count, c->file.length);
    int64_t alignment;
    TRY(gguf_int_or(g, "general.alignment", ALIGNMENT, &alignment, err));
    if (alignment <= 0 || alignment > 1 << 20 || (alignment & (alignment - 1)))
        return error_set(err, STATUS_INVALID, "%s: the alignment is %" PRId64 ", no power of two up to 2^20", g->name, alignment);
    g->tensors = ARENA_ARRAY(a, gguf_tensor, (size_t)count + 1);
    uint64_t *offsets = ARENA_ARRAY(a, uint64_t, (size_t)count + 1);
    if (!g->tensors || !offsets)
        return out_of_memory(g->name, err);
    for (; g->tensor_count < count; g->tensor_count++)
        TRY(read_tensor(a, c, g, &g->tensors[g->tensor_count], &offsets[g->tensor_count], err));
    size_t start = (c->at + (size_t)alignment - 1) / (size_t)alignment * (size_t)alignment;
    slice data = start < c->file.length ? slice_sub(c->file, start, c->file.length) : (slice){"", 0};
    return place_tensors(g, offsets, data, (uint64_t)alignment, err);
}

status gguf_from_bytes(arena *a, slice bytes, const char *name, gguf **out, error *err)
{
    *out = NULL;
    gguf *g = ARENA_NEW(a, gguf);
    if (!g || !(g->name = arena_strdup(a, name)))
        return out_of_memory(name, err);
    cursor c = {.file = bytes};
    if (!slice_is(take(&c, 4), "GGUF"))
        return error_set(err, STATUS_INVALID, "%s: expected a file that begins with \"GGUF\"", name);
    uint64_t version = take_number(&c, 4), tensors = take_number(&c, 8), keys = take_number(&c, 8);
    if (c.failed)
        return cut_short(name, &c, "the head", err);
    if (version != 2 && version != 3)
        return error_set(err, STATUS_UNSUPPORTED, "%s: %s; versions 2 and 3, little-endian, are supported", name,
                         version >> 24 ? "a file in big-endian order" : version == 1 ? "version 1" : "an unknown version");
    TRY(read_values(a, &c, g, keys, err));
    TRY(read_tensors(a, &c, g, tensors, err));
    *out = g;
    return STATUS_OK;
}

status gguf_open(arena *a, const char *path, gguf **out, error *err)
{
    slice bytes;
    *out = NULL;
    TRY(file_map(a, path, &bytes, err));
    return gguf_from_bytes(a, bytes, path, out, err);
}

const char *gguf_name(const gguf *g)
{
    return g->name;
}

size_t gguf_key_count(const gguf *g)
{
    return g->value_count;
}

const gguf_value *gguf_value_at(const gguf *g, size_t i)
{
    return &g->values[i];
}

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    gguf_value wanted = {.key = key};
    return g->value_count ? bsearch(&wanted, g->values, g->value_count, sizeof wanted, by_key) : NULL;
}

size_t gguf_tensor_count(const gguf *g)
{
    return g->tensor_count;
}

const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i)
{
    return &g->tensors[i];
}

const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name)
{
    gguf_tensor wanted = {.name = name};
    return g->tensor_count ? bsearch(&wanted, g->tensors, g->tensor_count, sizeof wanted, by_name) : NULL;
}

const char *gguf_tensor_type_name(gguf_tensor_type type)
{
    for (size_t i = 0; i < COUNT_OF(tensor_types); i++)
        if (tensor_types[i].number == (unsigned)type)
            return tensor_types[i].name;
    return "unknown";
}

bool gguf_tensor_block(gguf_tensor_type type, unsigned *elements, unsigned *bytes)
{
    for (size_t i = 0; i < COUNT_OF(tensor_types); i++)
        if (tensor_types[i].number == (unsigned)type) {
            *elements = tensor_types[i].elements;
            *bytes = tensor_types[i].bytes;
            return true;
        }
    return false;
}

/* ---- values ---- */

static status wrong_type(const gguf *g, const char *key, const char *expected, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: \"%s\" %s %s", g->name, key, gguf_find(g, key) ? "is not" : "is missing; expected",
                     expected);
}

/* Integer i of the value; false when it is of another type or too large. */
static bool integer_at(const gguf_value *v, size_t i, int64_t *out)
{
    bool known, is_signed = v->item == GGUF_I8 || v->item == GGUF_I16 || v->item == GGUF_I32 || v->item == GGUF_I64;
    bool is_unsigned = v->item == GGUF_U8 || v->item == GGUF_U16 || v->item == GGUF_U32 || v->item == GGUF_U64;
    size_t size = value_bytes(v->item, &known);
    if (!is_signed && !is_unsigned)
        return false;
    uint64_t bits = little(v->bytes.text + i * size, size);
    if (is_signed && size < 8 && bits >> (8 * size - 1))
        bits |= ~(uint64_t)0 << (8 * size);
    *out = (int64_t)bits;
    return is_signed || bits <= INT64_MAX;
}

static bool number_at(const gguf_value *v, size_t i, double *out)
{
    int64_t whole;
    if (v->item == GGUF_F32) {
        float value;
        memcpy(&value, v->bytes.text + 4 * i, 4);
        *out = (double)value;
        return true;
    }
    if (v->item == GGUF_F64) {
        memcpy(out, v->bytes.text + 8 * i, 8);
        return true;
    }
    if (!integer_at(v, i, &whole))
        return false;
    *out = (double)whole;
    return true;
}

status gguf_string(const gguf *g, const char *key, slice *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v || v->type != GGUF_STRING)
        return wrong_type(g, key, "a text", err);
    *out = v->bytes;
    return STATUS_OK;
}

status gguf_int(const gguf *g, const char *key, int64_t *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    return v && v->type != GGUF_ARRAY && integer_at(v, 0, out) ? STATUS_OK : wrong_type(g, key, "an integer", err);
}

status gguf_number(const gguf *g, const char *key, double *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    return v && v->type != GGUF_ARRAY && number_at(v, 0, out) ? STATUS_OK : wrong_type(g, key, "a number", err);
}

status gguf_int_or(const gguf *g, const char *key, int64_t fallback, int64_t *out, error *err)
{
    *out = fallback;
    return gguf_find(g, key) ? gguf_int(g, key, out, err) : STATUS_OK;
}

status gguf_bool_or(const gguf *g, const char *key, bool fallback, bool *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    *out = fallback;
    if (!v)
        return STATUS_OK;
    if (v->type != GGUF_BOOL)
        return wrong_type(g, key, "true or false", err);
    *out = v->bytes.text[0] != 0;
    return STATUS_OK;
}

/* The array at `key` and room for its items, which take at least `least` bytes each in the file. */
static status find_array(const gguf *g, const char *key, const char *expected, const gguf_value **v, error *err)
{
    *v = gguf_find(g, key);
    return *v && (*v)->type == GGUF_ARRAY ? STATUS_OK : wrong_type(g, key, expected, err);
}

status gguf_strings(const gguf *g, arena *a, const char *key, slice **out, size_t *count, error *err)
{
    const gguf_value *v;
    TRY(find_array(g, key, "an array of texts", &v, err));
    if (v->item != GGUF_STRING)
        return wrong_type(g, key, "an array of texts", err);
    *count = (size_t)v->count;
    *out = ARENA_ARRAY(a, slice, *count + 1);
    if (!*out)
        return out_of_memory(g->name, err);
    cursor c = {.file = v->bytes};
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = take(&c, take_number(&c, 8));
    return STATUS_OK;
}

status gguf_ints(const gguf *g, arena *a, const char *key, int64_t **out, size_t *count, error *err)
{
    const gguf_value *v;
    TRY(find_array(g, key, "an array of integers", &v, err));
    *count = (size_t)v->count;
    *out = ARENA_ARRAY(a, int64_t, *count + 1);
    if (!*out)
        return out_of_memory(g->name, err);
    for (size_t i = 0; i < *count; i++)
        if (!integer_at(v, i, &(*out)[i]))
            return wrong_type(g, key, "an array of integers", err);
    return STATUS_OK;
}

status gguf_numbers(const gguf *g, arena *a, const char *key, double **out, size_t *count, error *err)
{
    const gguf_value *v;
    TRY(find_array(g, key, "an array of numbers", &v, err));
    *count = (size_t)v->count;
    *out = ARENA_ARRAY(a, double, *count + 1);
    if (!*out)
        return out_of_memory(g->name, err);
    for (size_t i = 0; i < *count; i++)
        if (!number_at(v, i, &(*out)[i]))
            return wrong_type(g, key, "an array of numbers", err);
    return STATUS_OK;
}
