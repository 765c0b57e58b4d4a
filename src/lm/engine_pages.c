#include "lm/engine_pages.h"

#include <sys/mman.h>

typedef struct lazy_block {
    void *start;
    size_t bytes;
} lazy_block;

static void lazy_free(void *context)
{
    lazy_block *m = context;
    munmap(m->start, m->bytes);
}

void *lazy_memory(arena *a, size_t bytes)
{
    lazy_block *m = ARENA_NEW(a, lazy_block);
    if (!m)
        return NULL;
    m->bytes = bytes;
    m->start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->start == MAP_FAILED)
        return NULL;
    madvise(m->start, bytes, MADV_HUGEPAGE); /* attention streams through it; measured: a tenth of all time */
    return arena_on_free(a, lazy_free, m) ? m->start : NULL;
}

static size_t layer_bytes(const lm_config *c, element_type type)
{
    return (size_t)PAGE * (size_t)c->kv_heads * (size_t)c->head_size * element_size(type);
}

size_t pages_bytes(const lm_config *c, element_type type)
{
    return 2 * (size_t)c->layers * layer_bytes(c, type);
}

bool pages_make(engine_pages *p, arena *a, const lm_config *c, element_type type, size_t count)
{
    *p = (engine_pages){.count = count, .layers = (size_t)c->layers, .free_count = count};
    p->shape = (kernel_cache){.type = (kernel_type)type, .key_heads = (size_t)c->kv_heads, .head_size = (size_t)c->head_size};
    p->k = ARENA_ARRAY(a, void *, p->layers);
    p->v = ARENA_ARRAY(a, void *, p->layers);
    p->free = ARENA_ARRAY(a, int32_t, count);
    if (!p->k || !p->v || !p->free)
        return false;
    for (size_t i = 0; i < p->layers; i++)
        if (!(p->k[i] = lazy_memory(a, count * layer_bytes(c, type))) || !(p->v[i] = lazy_memory(a, count * layer_bytes(c, type))))
            return false;
    for (size_t i = 0; i < count; i++)
        p->free[i] = (int32_t)(count - 1 - i);
    return true;
}

int32_t pages_take(engine_pages *p)
{
    return p->free_count ? p->free[--p->free_count] : -1;
}

void pages_give(engine_pages *p, int32_t page)
{
    if (p->free_count == p->count || page < 0)
        BUG("page %d is given back twice", page);
    p->free[p->free_count++] = page;
}

void pages_copy(const engine_pages *p, int32_t from, int32_t to)
{
    for (size_t i = 0; i < p->layers; i++) {
        kernel_cache layer = p->shape;
        layer.k = p->k[i];
        layer.v = p->v[i];
        kernel_cache_copy(&layer, (size_t)from, (size_t)to);
    }
}
