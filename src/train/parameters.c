#include "train/parameters.h"

#include "core/jsonio.h"

#include <string.h>

enum { STATE_LIMIT = 1 << 28 };
static const char *const part_names[3] = {"value", "mean", "square"};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for the weights under training");
}

static float *part_of(const parameter *p, size_t part)
{
    return part == 0 ? p->value : part == 1 ? p->mean : p->square;
}

status parameters_new(arena *a, const char *const *names, const shape *shapes, size_t count, parameters **out, error *err)
{
    parameters *p = ARENA_NEW(a, parameters);
    if (!p || !(p->items = ARENA_ARRAY(a, parameter, count)))
        return no_memory(err);
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t n = (size_t)shape_count(shapes[i]);
        parameter *item = &p->items[i];
        *item = (parameter){.name = arena_strdup(a, names[i]), .shape = shapes[i], .elements = n,
                            .value = ARENA_ARRAY(a, float, n)};
        if (!item->name || !item->value)
            return no_memory(err);
        p->elements += n;
    }
    p->home = a;
    *out = p;
    return STATUS_OK;
}

status parameters_train(parameters *p, const step_part *parts, const optimiser *o, error *err)
{
    arena_free(p->moments);
    p->moments = arena_new(p->home);
    for (size_t i = 0; i < p->count; i++) {
        parameter *item = &p->items[i];
        item->kept = step_states(o, parts ? parts[i] : STEP_TRAINED, item->shape);
        item->mean = item->kept > 0 ? ARENA_ARRAY(p->moments, float, item->elements) : NULL;
        item->square = item->kept > 1 ? ARENA_ARRAY(p->moments, float, item->elements) : NULL;
        if ((item->kept > 0 && !item->mean) || (item->kept > 1 && !item->square))
            return no_memory(err);
    }
    return STATUS_OK;
}

void parameters_initialise(parameters *p, order_stream *stream)
{
    for (size_t i = 0; i < p->count; i++) {
        parameter *item = &p->items[i];
        for (size_t k = 0; k < item->elements; k++)
            item->value[k] = item->spread > 0 ? (float)(item->spread * order_normal(stream)) : 1.0f;
    }
}

void parameters_digest(const parameters *p, unsigned char digest[SHA256_BYTES])
{
    sha256 state;
    sha256_start(&state);
    for (size_t i = 0; i < p->count; i++)
        sha256_add(&state, p->items[i].value, p->items[i].elements * sizeof(float));
    sha256_end(&state, digest);
}

static void describe(const parameter *p, const char *name, const float *data, safetensors_tensor *out)
{
    *out = (safetensors_tensor){.name = name, .type = SAFETENSORS_F32, .rank = p->shape.rank, .data = data,
                                .bytes = p->elements * sizeof(float)};
    memcpy(out->shape, p->shape.size, (size_t)p->shape.rank * sizeof out->shape[0]);
}

status parameters_save(const parameters *p, const char *path, const json_t *state, error *err)
{
    arena *a = arena_new(NULL);
    safetensors_tensor *list = ARENA_ARRAY(a, safetensors_tensor, 3 * p->count);
    strbuf text = strbuf_new(a, STATE_LIMIT);
    status result = list ? jsonio_print(state, 0, &text, err) : no_memory(err);
    size_t parts = 0;
    for (size_t i = 0; i < 3 * p->count && result == STATUS_OK; i++) {
        const parameter *item = &p->items[i / 3];
        if (i % 3 > item->kept)
            continue;
        char *name = arena_printf(a, "%s:%s", part_names[i % 3], item->name);
        if (!name)
            result = no_memory(err);
        else
            describe(item, name, part_of(item, i % 3), &list[parts++]);
    }
    if (result == STATUS_OK)
        result = safetensors_write(path, list, parts, (const char *const[]){"state", text.text}, 1, err);
    arena_free(a);
    return result;
}

/* Every `step`-th of the tensors of a training checkpoint: 1 all, 3 the values alone. */
static status read_parts(parameters *p, safetensors *file, arena *a, size_t step, error *err)
{
    for (size_t i = 0; i < 3 * p->count; i += step) {
        const parameter *item = &p->items[i / 3];
        const safetensors_tensor *t;
        if (i % 3 > item->kept)
            continue;
        char *name = arena_printf(a, "%s:%s", part_names[i % 3], item->name);
        if (!name)
            return no_memory(err);
        TRY(safetensors_expect(file, name, item->shape.size, item->shape.rank, &t, err));
        TRY(safetensors_to_f32(t, part_of(item, i % 3), err));
    }
    return STATUS_OK;
}

static status read_state(const safetensors *file, const char *path, json_t **state, error *err)
{
    const char *text = safetensors_metadata(file, "state");
    if (!text)
        return error_set(err, STATUS_INVALID, "%s: expected the metadata 'state'", path);
    return jsonio_parse(slice_of(text), path, state, err);
}

status parameters_restore(parameters *p, const char *path, json_t **state, error *err)
{
    arena *a = arena_new(NULL);
    safetensors *file;
    status result = safetensors_open(a, path, &file, err);
    if (result == STATUS_OK)
        result = read_parts(p, file, a, 1, err);
    if (result == STATUS_OK && state)
        result = read_state(file, path, state, err);
    arena_free(a);
    return result;
}

status parameters_state(const char *path, json_t **state, error *err)
{
    arena *a = arena_new(NULL);
    safetensors *file;
    status result = safetensors_open(a, path, &file, err);
    if (result == STATUS_OK)
        result = read_state(file, path, state, err);
    arena_free(a);
    return result;
}

status parameters_write_values(const parameters *p, const char *path, error *err)
{
    arena *a = arena_new(NULL);
    safetensors_tensor *list = ARENA_ARRAY(a, safetensors_tensor, p->count + 1);
    status result = list ? STATUS_OK : no_memory(err);
    for (size_t i = 0; i < p->count && result == STATUS_OK; i++) {
        char *name = arena_printf(a, "%s:%s", part_names[0], p->items[i].name);
        if (name)
            describe(&p->items[i], name, p->items[i].value, &list[i]);
        else
            result = no_memory(err);
    }
    if (result == STATUS_OK)
        result = safetensors_write(path, list, p->count, NULL, 0, err);
    arena_free(a);
    return result;
}

status parameters_read_values(parameters *p, const char *path, error *err)
{
    arena *a = arena_new(NULL);
    safetensors *file;
    status result = safetensors_open(a, path, &file, err);
    if (result == STATUS_OK)
        result = read_parts(p, file, a, 3, err);
    arena_free(a);
    return result;
}
