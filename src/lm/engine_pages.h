/* engine_pages.h - the memory of keys and values, in pages of 64 positions of all layers.
 *
 * Pages are taken, given back and copied; which sequence or prefix has which page is not known here. `reserved` counts the
 * pages promised to sequences in flight: whoever promises sees to it that so many can be had (engine_prefix.h).
 */
#ifndef ASSAY_LM_ENGINE_PAGES_H
#define ASSAY_LM_ENGINE_PAGES_H

#include "core/arena.h"
#include "kernels/kernels.h"
#include "lm/config.h"

enum { PAGE = KERNEL_KEY_BLOCK };

typedef struct engine_pages {
    size_t count, layers;
    kernel_cache shape; /* of a layer, without buffers */
    void **k, **v;      /* [layers] */
    int32_t *free;      /* a stack; low numbers are taken first, so that memory is touched only as it is needed */
    size_t free_count, reserved;
} engine_pages;

/* Zeroed memory that takes space only as it is used: a cache is mostly empty. NULL: memory is out. */
void *lazy_memory(arena *a, size_t bytes);

/* Bytes of one page in all layers, keys and values. */
size_t pages_bytes(const lm_config *c, element_type type);
/* false: memory is out. The memory is zeroed, and takes space only as it is used. */
bool pages_make(engine_pages *p, arena *a, const lm_config *c, element_type type, size_t count);
int32_t pages_take(engine_pages *p); /* -1: none is free */
void pages_give(engine_pages *p, int32_t page);
void pages_copy(const engine_pages *p, int32_t from, int32_t to);

#endif
