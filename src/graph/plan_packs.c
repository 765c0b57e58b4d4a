/* Packed weights that plans share: found by the name of the input and the product they serve. */
#include "graph/plan_internal.h"

struct plan_packs {
    arena *arena;
    shared_pack *first;
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
    for (shared_pack *x = packs->first; x; x = x->next)
        memory_free(x->memory);
    arena_free(packs->arena);
}

size_t plan_packs_bytes(const plan_packs *packs)
{
    return packs ? packs->bytes : 0;
}

shared_pack *plan_packs_get(plan_packs *packs, const char *name, const kernel_matmul_spec *spec, size_t bytes)
{
    for (shared_pack *x = packs->first; x; x = x->next)
        if (strcmp(x->name, name) == 0 && memcmp(&x->spec, spec, sizeof *spec) == 0)
            return x;
    shared_pack *x = ARENA_NEW(packs->arena, shared_pack);
    if (!x || !(x->name = arena_strdup(packs->arena, name)) || !(x->memory = memory_alloc(bytes)))
        return NULL;
    memcpy(&x->spec, spec, sizeof *spec);
    x->next = packs->first;
    packs->first = x;
    packs->bytes += bytes;
    return x;
}
