/* ONNX files, protocol buffers whose fields are (number: meaning)
 *   model     7 graph, 8 operation sets {1 domain, 2 version}
 *   graph     1 nodes, 5 tensors, 11 inputs and 12 outputs {1 name, 2 type {1 tensor {1 element type, 2 shape {1 axis {1 size}}}}}
 *   node      1 inputs, 2 outputs, 3 name, 4 operation, 5 attributes, 7 domain
 *   attribute 1 name, 2 number, 3 integer, 4 text, 5 tensor, 7 numbers, 8 integers
 *   tensor    1 sizes, 2 type, 4 floats, 5 small integers, 7 integers, 8 name, 9 raw bytes (little-endian),
 *             14 where they lie (1: in another file) */
#include "nn/onnx.h"

#include "core/file.h"
#include "core/wire.h"

#include <string.h>

static const size_t limit = (size_t)2 << 30; /* protocol buffers end there */

typedef struct reader {
    arena *arena;
    const char *name;
    error *err;
} reader;

static status broken_file(const reader *r, const char *what)
{
    return error_set(r->err, STATUS_INVALID, "%s: %s breaks off or is no protocol buffer: expected an ONNX file", r->name, what);
}

static status no_memory(const reader *r)
{
    return error_set(r->err, STATUS_MEMORY, "no memory to read %s", r->name);
}

/* How many fields of this number and kind a message has; the whole message is looked through. */
static status count_fields(const reader *r, slice message, uint64_t number, unsigned kind, size_t *count)
{
    wire_field f;
    bool broken;
    *count = 0;
    while (wire_next(&message, &f, &broken))
        *count += f.number == number && f.kind == kind;
    return broken ? broken_file(r, "a part") : STATUS_OK;
}

/* A list of integers, packed or one a field. */
static status read_integers(const reader *r, slice message, uint64_t number, const int64_t **out, size_t *count)
{
    int64_t *list = NULL;
    for (int pass = 0; pass < 2; pass++) {
        slice rest = message;
        wire_field f;
        bool broken;
        size_t n = 0;
        while (wire_next(&rest, &f, &broken)) {
            if (f.number != number)
                continue;
            uint64_t value = f.value;
            while (f.kind == WIRE_VARINT || (f.bytes.length && wire_varint(&f.bytes, &value))) {
                if (list)
                    list[n] = (int64_t)value;
                n++;
                if (f.kind == WIRE_VARINT)
                    break;
            }
        }
        if (broken)
            return broken_file(r, "a list");
        *count = n;
        if (pass == 0 && !(list = ARENA_ARRAY(r->arena, int64_t, n + 1)))
            return no_memory(r);
    }
    *out = list;
    return STATUS_OK;
}

/* A list of numbers, packed or one a field. */
static status read_floats(const reader *r, slice message, uint64_t number, const float **out, size_t *count)
{
    wire_field f;
    bool broken;
    slice rest = message;
    size_t bytes = 0;
    while (wire_next(&rest, &f, &broken))
        bytes += f.number == number ? f.bytes.length : 0;
    if (bytes % 4 != 0)
        return broken_file(r, "a list of numbers");
    char *list = arena_alloc(r->arena, bytes + 4);
    if (!list)
        return no_memory(r);
    *count = bytes / 4;
    bytes = 0;
    while (wire_next(&message, &f, &broken))
        if (f.number == number && f.bytes.length) {
            memcpy(list + bytes, f.bytes.text, f.bytes.length);
            bytes += f.bytes.length;
        }
    *out = (const float *)(const void *)list;
    return STATUS_OK;
}

static status widen(const reader *r, slice raw, size_t size, onnx_tensor *t)
{
    size_t count = raw.length / size;
    int64_t *list = ARENA_ARRAY(r->arena, int64_t, count + 1);
    if (!list)
        return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        int32_t word = (unsigned char)raw.text[i * size];
        if (size == 4)
            memcpy(&word, raw.text + 4 * i, sizeof word);
        list[i] = word;
    }
    t->integers = list;
    return STATUS_OK;
}

/* Raw bytes take the place of lists; they may lie anywhere, so they are copied. */
static status read_raw(const reader *r, slice raw, onnx_tensor *t, size_t *count)
{
    size_t size = t->type == ONNX_INT64 ? 8 : t->type == ONNX_BOOL ? 1 : 4;
    if (raw.length % size != 0)
        return broken_file(r, "a tensor's bytes");
    *count = raw.length / size;
    if (t->type == ONNX_INT32 || t->type == ONNX_BOOL)
        return widen(r, raw, size, t);
    char *copy = arena_alloc(r->arena, raw.length + 8);
    if (!copy)
        return no_memory(r);
    memcpy(copy, raw.text, raw.length);
    if (t->type == ONNX_FLOAT)
        t->floats = (const float *)(const void *)copy;
    else
        t->integers = (const int64_t *)(const void *)copy;
    return STATUS_OK;
}

static status set_shape(const reader *r, const int64_t *sizes, size_t rank, onnx_tensor *t, size_t count)
{
    int64_t elements = 1;
    if (rank > RANK_MAX)
        return error_set(r->err, STATUS_UNSUPPORTED, "%s: tensor '%.*s' has %zu axes: at most %d are read", r->name,
                         (int)t->name.length, t->name.text, rank, RANK_MAX);
    t->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        t->shape.size[i] = sizes[i];
        bool fits = sizes[i] >= 0 && (sizes[i] == 0 || elements <= (int64_t)count / sizes[i]);
        elements = fits ? elements * sizes[i] : -1;
        if (!fits)
            break;
    }
    if (elements != (int64_t)count)
        return error_set(r->err, STATUS_INVALID, "%s: tensor '%.*s' holds %zu elements, which its sizes do not say", r->name,
                         (int)t->name.length, t->name.text, count);
    return STATUS_OK;
}

static status read_tensor(const reader *r, slice message, onnx_tensor *t)
{
    slice rest = message, raw = {"", 0};
    wire_field f;
    bool broken, is_raw = false, elsewhere = false;
    *t = (onnx_tensor){.name = {"", 0}};
    while (wire_next(&rest, &f, &broken)) {
        if (f.number == 2 && f.kind == WIRE_VARINT)
            t->type = (int)(f.value & 0xff);
        else if (f.number == 8 && f.kind == WIRE_BYTES)
            t->name = f.bytes;
        else if (f.number == 9 && f.kind == WIRE_BYTES)
            raw = f.bytes, is_raw = true;
        else if (f.number == 14 && f.kind == WIRE_VARINT)
            elsewhere = f.value == 1;
    }
    if (broken)
        return broken_file(r, "a tensor");
    if (elsewhere)
        return error_set(r->err, STATUS_UNSUPPORTED, "%s: the elements of tensor '%.*s' lie in another file: expected all in one", r->name,
                         (int)t->name.length, t->name.text);
    if (t->type != ONNX_FLOAT && t->type != ONNX_INT32 && t->type != ONNX_INT64 && t->type != ONNX_BOOL)
        return error_set(r->err, STATUS_UNSUPPORTED, "%s: tensor '%.*s' is of type %d: f32 (1), i32 (6), i64 (7) and bool (9) are read", r->name,
                         (int)t->name.length, t->name.text, t->type);
    const int64_t *sizes;
    size_t rank, count = 0;
    TRY(read_integers(r, message, 1, &sizes, &rank));
    if (is_raw)
        TRY(read_raw(r, raw, t, &count));
    else if (t->type == ONNX_FLOAT)
        TRY(read_floats(r, message, 4, &t->floats, &count));
    else
        TRY(read_integers(r, message, t->type == ONNX_INT64 ? 7 : 5, &t->integers, &count));
    return set_shape(r, sizes, rank, t, count);
}

static status read_attribute(const reader *r, slice message, onnx_attribute *a)
{
    slice rest = message;
    wire_field f;
    bool broken;
    *a = (onnx_attribute){.name = {"", 0}, .text = {"", 0}};
    while (wire_next(&rest, &f, &broken)) {
        if (f.number == 1 && f.kind == WIRE_BYTES)
            a->name = f.bytes;
        else if (f.number == 2)
            a->number = wire_float(&f);
        else if (f.number == 3 && f.kind == WIRE_VARINT)
            a->integer = (int64_t)f.value;
        else if (f.number == 4 && f.kind == WIRE_BYTES)
            a->text = f.bytes;
        else if (f.number == 5 && f.kind == WIRE_BYTES)
            TRY(read_tensor(r, f.bytes, &a->tensor));
    }
    if (broken)
        return broken_file(r, "an attribute");
    TRY(read_floats(r, message, 7, &a->floats, &a->float_count));
    return read_integers(r, message, 8, &a->integers, &a->count);
}

static status read_node(const reader *r, slice message, onnx_node *n)
{
    TRY(count_fields(r, message, 1, WIRE_BYTES, &n->input_count));
    TRY(count_fields(r, message, 2, WIRE_BYTES, &n->output_count));
    TRY(count_fields(r, message, 5, WIRE_BYTES, &n->attribute_count));
    n->inputs = ARENA_ARRAY(r->arena, slice, n->input_count + 1);
    n->outputs = ARENA_ARRAY(r->arena, slice, n->output_count + 1);
    n->attributes = ARENA_ARRAY(r->arena, onnx_attribute, n->attribute_count + 1);
    if (!n->inputs || !n->outputs || !n->attributes)
        return no_memory(r);
    size_t at[3] = {0, 0, 0};
    wire_field f;
    bool broken;
    while (wire_next(&message, &f, &broken)) {
        if (f.kind != WIRE_BYTES)
            continue;
        if (f.number == 1)
            n->inputs[at[0]++] = f.bytes;
        else if (f.number == 2)
            n->outputs[at[1]++] = f.bytes;
        else if (f.number == 3)
            n->name = f.bytes;
        else if (f.number == 4)
            n->operation = f.bytes;
        else if (f.number == 5)
            TRY(read_attribute(r, f.bytes, &n->attributes[at[2]++]));
        else if (f.number == 7)
            n->domain = f.bytes;
    }
    return STATUS_OK;
}

/* The message in field `number` of a message; empty when there is none. */
static slice inner(slice message, uint64_t number)
{
    wire_field f;
    bool broken;
    while (wire_next(&message, &f, &broken))
        if (f.number == number && f.kind == WIRE_BYTES)
            return f.bytes;
    return (slice){"", 0};
}

static status read_input_shape(const reader *r, slice value, shape *out)
{
    slice sizes = inner(inner(inner(value, 2), 1), 2);
    wire_field axis, f;
    bool broken, inside;
    *out = (shape){0};
    while (wire_next(&sizes, &axis, &broken)) {
        if (axis.number != 1 || axis.kind != WIRE_BYTES)
            continue;
        if (out->rank == RANK_MAX)
            return error_set(r->err, STATUS_UNSUPPORTED, "%s: an input of more than %d axes", r->name, RANK_MAX);
        int64_t size = -1;
        while (wire_next(&axis.bytes, &f, &inside))
            if (f.number == 1 && f.kind == WIRE_VARINT && f.value < (uint64_t)1 << 31)
                size = (int64_t)f.value;
        out->size[out->rank++] = size;
    }
    return STATUS_OK;
}

static bool is_tensor(const onnx_model *m, slice name)
{
    for (size_t i = 0; i < m->tensor_count; i++)
        if (slice_equal(m->tensors[i].name, name))
            return true;
    return false;
}

static status read_graph(const reader *r, slice message, onnx_model *m)
{
    TRY(count_fields(r, message, 1, WIRE_BYTES, &m->node_count));
    TRY(count_fields(r, message, 5, WIRE_BYTES, &m->tensor_count));
    size_t nodes = 0, tensors = 0;
    m->nodes = ARENA_ARRAY(r->arena, onnx_node, m->node_count + 1);
    m->tensors = ARENA_ARRAY(r->arena, onnx_tensor, m->tensor_count + 1);
    if (!m->nodes || !m->tensors)
        return no_memory(r);
    wire_field f;
    bool broken;
    for (slice rest = message; wire_next(&rest, &f, &broken);)
        if (f.number == 1 && f.kind == WIRE_BYTES)
            TRY(read_node(r, f.bytes, &m->nodes[nodes++]));
        else if (f.number == 5 && f.kind == WIRE_BYTES)
            TRY(read_tensor(r, f.bytes, &m->tensors[tensors++]));
    while (wire_next(&message, &f, &broken)) {
        if (f.kind != WIRE_BYTES || (f.number != 11 && f.number != 12))
            continue;
        slice name = inner(f.bytes, 1);
        if (f.number == 12 && !m->output.length)
            m->output = name;
        if (f.number != 11 || is_tensor(m, name))
            continue;
        if (m->input.length)
            return error_set(r->err, STATUS_UNSUPPORTED, "%s has several inputs ('%.*s', '%.*s'): networks of one are read", r->name,
                             (int)m->input.length, m->input.text, (int)name.length, name.text);
        m->input = name;
        TRY(read_input_shape(r, f.bytes, &m->input_shape));
    }
    if (!m->input.length || !m->output.length || !m->node_count)
        return error_set(r->err, STATUS_INVALID, "%s: expected a network with an input, an output and operations", r->name);
    return STATUS_OK;
}

status onnx_parse(arena *a, slice bytes, const char *name, onnx_model **out, error *err)
{
    reader r = {a, name, err};
    onnx_model *m = ARENA_NEW(a, onnx_model);
    if (!m || !(m->name = arena_printf(a, "%s", name)))
        return no_memory(&r);
    wire_field f;
    bool broken;
    slice network = {"", 0};
    while (wire_next(&bytes, &f, &broken)) {
        wire_field v;
        bool inside;
        if (f.number == 7 && f.kind == WIRE_BYTES)
            network = f.bytes;
        if (f.number == 8 && f.kind == WIRE_BYTES && !inner(f.bytes, 1).length)
            while (wire_next(&f.bytes, &v, &inside))
                m->opset = v.number == 2 && v.kind == WIRE_VARINT ? (int64_t)(v.value & 0xffff) : m->opset;
    }
    if (broken)
        return broken_file(&r, "the file");
    TRY(read_graph(&r, network, m));
    *out = m;
    return STATUS_OK;
}

status onnx_read(arena *a, const char *path, onnx_model **out, error *err)
{
    slice bytes;
    TRY(file_read(a, path, limit, &bytes, err));
    return onnx_parse(a, bytes, path, out, err);
}
