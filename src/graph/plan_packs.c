/* Packed weights that plans share: found by the name of the input and the product they serve. */
#include "graph/plan_internal.h"

/* Small weights share regions, so that they too lie on big pages (core/arena.h). */
enum { REGION = 16 << 20 };

typedef struct region {
    struct region *next;
    char *memory;
    size_t size, used;
} region;

struct plan_packs {
    arena *arena;
    shared_pack *first;
    region *regions; /* the first one is the one being filled */
    size_t bytes;
};

plan_packs *plan_packs_new(void)
{
    arena *a = arena_new(NULL);
    plan_packs *packs = ARENA_NEW(a, plan_packs);
    if (!packs) {
        arena_free(a);
        return NULL;
    }
    packs->arena = a;
    return packs;
}

void plan_packs_free(plan_packs *packs)
{
    if (!packs)
        return;
    for (region *r = packs->regions; r; r = r->next)
        memory_free(r->memory);
    arena_free(packs->arena);
}

size_t plan_packs_bytes(const plan_packs *packs)
{
    return packs ? packs->bytes : 0;
}

static void *take(plan_packs *packs, size_t bytes)
{
    region *r = packs->regions;
    size_t size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!r || size > r->size - r->used) {
        if (!(r = ARENA_NEW(packs->arena, region)))
            return NULL;
        r->size = size > REGION ? size : REGION;
        if (!(r->memory = memory_alloc(r->size)))
            return NULL;
        r->next = packs->regions;
        packs->regions = r;
    }
    r->used += size;
    return r->memory + r->used - size;
}

bool same_product(const kernel_matmul_spec *a, const kernel_matmul_spec *b)
{
    return a->type == b->type && a->out == b->out && a->k == b->k && a->n == b->n && a->transposed == b->transposed &&
           a->format == b->format;
}

shared_pack *plan_packs_get(plan_packs *packs, const char *name, const kernel_matmul_spec *spec, size_t bytes)
{
    for (shared_pack *x = packs->first; x; x = x->next)
        if (strcmp(x->name, name) == 0 && same_product(&x->spec, spec))
            return x;
    shared_pack *x = ARENA_NEW(packs->arena, shared_pack);
    if (!x || !(x->name = arena_strdup(packs->arena, name)) || !(x->memory = take(packs, bytes)))
        return NULL;
    x->spec = *spec;
    x->next = packs->first;
    packs->first = x;
    packs->bytes += bytes;
    return x;
}
