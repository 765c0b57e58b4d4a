/* How each weight of a checkpoint is given to the engine's graphs. */
#include "lm/engine_internal.h"

#include "lm/families.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A weight as the graph gets it. */
typedef struct given {
    quant_format format; /* QUANT_PLAIN: elements of `type` */
    element_type type;
} given;

/* Blocks are read as they are by products in bf16, which round rows to 8 bits where the format is one of integers; who asks
 * for f32 gets it. A product can do so only with a matrix that lies as [outputs, inputs]. */
static bool takes_blocks(const engine *e, const lm_weight *w, const lm_tensor *t)
{
    bool turned = (e->checkpoint->config.family->traits & LM_CONV1D) && w->layer >= 0;
    return t->format != QUANT_PLAIN && w->rank == 2 && !turned && e->types.compute == TYPE_BF16;
}

/* f16 becomes bf16 where nothing but a product in bf16 reads it, which would round it so; else f32, like all else. */
static given given_as(const engine *e, const lm_weight *w, const lm_tensor *t)
{
    if (takes_blocks(e, w, t))
        return (given){t->format, TYPE_F32};
    bool table = w->role == LM_WEIGHT_EMBEDDING;
    bool halves = t->format == QUANT_PLAIN &&
                  (t->type == SAFETENSORS_BF16 ||
                   (t->type == SAFETENSORS_F16 && w->rank == 2 && !table && e->types.compute == TYPE_BF16));
    return (given){QUANT_PLAIN, halves ? TYPE_BF16 : TYPE_F32};
}

static status copy_weight(const lm_tensor *t, element_type type, void *copy, error *err)
{
    size_t count = (size_t)lm_tensor_elements(t);
    if (type == TYPE_F32)
        return lm_tensor_to_f32(t, copy, err);
    if (t->type == SAFETENSORS_BF16) {
        memcpy(copy, t->data, t->bytes);
        return STATUS_OK;
    }
    enum { PIECE = 4096 };
    float values[PIECE];
    size_t step = t->bytes / (count ? count : 1);
    for (size_t at = 0; at < count; at += PIECE) {
        lm_tensor piece = *t;
        size_t n = count - at < PIECE ? count - at : PIECE;
        piece.rank = 1;
        piece.shape[0] = (int64_t)n;
        piece.data = (const char *)t->data + at * step;
        piece.bytes = n * step;
        TRY(lm_tensor_to_f32(&piece, values, err));
        for (size_t i = 0; i < n; i++)
            ((bf16 *)copy)[at + i] = bf16_from_f32(values[i]);
    }
    return STATUS_OK;
}

/* Whether the pages of the file go when the weight is packed: products read the packed form alone, and the rows of a tied
 * embedding that are looked up come back page by page. */
static bool goes_back(const engine *e, size_t i)
{
    const lm_config *c = &e->checkpoint->config;
    lm_weight w = lm_weight_at(c, i);
    bool product = w.rank == 2 && w.role != LM_WEIGHT_EMBEDDING;
    return e->checkpoint->weights[i].mapped && (product || (w.part == LM_EMBEDDING && c->tied));
}

status engine_bind_weights(engine *e, error *err)
{
    const lm_config *c = &e->checkpoint->config;
    size_t count = lm_weight_count(c);
    uint8_t *formats = ARENA_ARRAY(e->arena, uint8_t, count), *elements = ARENA_ARRAY(e->arena, uint8_t, count);
    e->weights = ARENA_ARRAY(e->arena, const void *, count);
    if (!formats || !elements || !e->weights)
        return engine_out_of_memory(e, err);
    e->types.formats = formats;
    e->types.elements = elements;
    for (size_t i = 0; i < count; i++) {
        const lm_tensor *t = &e->checkpoint->weights[i];
        lm_weight w = lm_weight_at(c, i);
        given g = given_as(e, &w, t);
        formats[i] = (uint8_t)g.format;
        elements[i] = (uint8_t)g.type;
        bool same = t->format == QUANT_PLAIN && t->type == (g.type == TYPE_BF16 ? SAFETENSORS_BF16 : SAFETENSORS_F32);
        size_t bytes = g.format != QUANT_PLAIN ? t->bytes : (size_t)w.count * element_size(g.type);
        e->memory += goes_back(e, i) ? 0 : bytes;
        e->weights[i] = t->data;
        if (g.format != QUANT_PLAIN || (same && (uintptr_t)t->data % 4 == 0))
            continue;
        void *copy = arena_alloc(e->arena, bytes);
        if (!copy)
            return engine_out_of_memory(e, err);
        e->memory += goes_back(e, i) ? bytes : 0;
        TRY(copy_weight(t, g.type, copy, err));
        e->weights[i] = copy;
    }
    return STATUS_OK;
}

size_t engine_packed_bytes(const engine *e)
{
    const lm_config *c = &e->checkpoint->config;
    size_t packed = 0;
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        lm_weight w = lm_weight_at(c, i);
        bool used = w.rank == 2 && (w.role != LM_WEIGHT_EMBEDDING || c->tied);
        bool blocks = e->types.formats && e->types.formats[i] != QUANT_PLAIN;
        size_t bytes = e->checkpoint->weights[i].bytes;
        if (used)
            packed += blocks ? bytes + bytes / 32 : (size_t)w.count * element_size(e->types.compute);
    }
    return packed;
}

void engine_give_back(const engine *e)
{
    const lm_config *c = &e->checkpoint->config;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        const lm_tensor *t = &e->checkpoint->weights[i];
        if (!goes_back(e, i))
            continue;
        uintptr_t from = ((uintptr_t)t->data + page - 1) / page * page, to = ((uintptr_t)t->data + t->bytes) / page * page;
        if (from < to)
            madvise((void *)from, to - from, MADV_DONTNEED); /* advice: nothing depends on it */
    }
}
