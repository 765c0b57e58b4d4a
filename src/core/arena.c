#include "core/arena.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SPARSE_BYTES = 256 * 1024, BLOCK_BYTES = 16 * 1024, BIG_PIECE = 4 * 1024, BIG_PAGE = 2 << 20, ON_BIG_PAGES = 2 * BIG_PAGE };

typedef struct block {
    struct block *next;
    size_t size, used; /* of the bytes behind the header */
} block;

typedef struct cleanup {
    struct cleanup *next;
    void (*run)(void *context);
    void *context;
} cleanup;

struct arena {
    arena *parent, *first_child, *next_sibling, *previous_sibling;
    block *blocks; /* the first one is the one being filled */
    cleanup *cleanups;
    size_t bytes;
};

static atomic_ulong allocations, fail_at;

void memory_fail_at(unsigned long n)
{
    atomic_store(&allocations, 0);
    atomic_store(&fail_at, n);
}

unsigned long memory_count(void)
{
    return atomic_load(&allocations);
}

/* Whether the allocation at hand is the one that is to fail. */
static bool is_to_fail(void)
{
    return atomic_fetch_add(&allocations, 1) + 1 == atomic_load(&fail_at);
}

/* Weights are read from one end to the other for each token: on big pages this is faster by a sixth (measured), and they
 * are there sooner. Advice only: where the system has none, pages are small. */
static void *on_big_pages(size_t size)
{
    void *memory = aligned_alloc(BIG_PAGE, (size + BIG_PAGE - 1) / BIG_PAGE * BIG_PAGE);
#if defined(MADV_HUGEPAGE)
    if (memory)
        madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

void *memory_alloc(size_t size)
{
    if (is_to_fail() || size > PTRDIFF_MAX - BIG_PAGE)
        return NULL;
    if (size >= ON_BIG_PAGES)
        return on_big_pages(size);
    return aligned_alloc(64, (size + 63) / 64 * 64 + (size == 0 ? 64 : 0));
}

void memory_free(void *memory)
{
    free(memory);
}

arena *arena_new(arena *parent)
{
    arena *a = memory_alloc(sizeof *a);
    if (!a)
        return NULL;
    *a = (arena){.parent = parent};
    if (parent) {
        a->next_sibling = parent->first_child;
        if (a->next_sibling)
            a->next_sibling->previous_sibling = a;
        parent->first_child = a;
    }
    return a;
}

void arena_reset(arena *a)
{
    if (!a)
        return;
    while (a->first_child)
        arena_free(a->first_child);
    while (a->cleanups) {
        cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->run(c->context);
    }
    while (a->blocks) {
        block *b = a->blocks;
        a->blocks = b->next;
        memory_free(b);
    }
    a->bytes = 0;
}

void arena_free(arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    if (a->previous_sibling)
        a->previous_sibling->next_sibling = a->next_sibling;
    else if (a->parent)
        a->parent->first_child = a->next_sibling;
    if (a->next_sibling)
        a->next_sibling->previous_sibling = a->previous_sibling;
    memory_free(a);
}

static const size_t block_header = (sizeof(block) + 63) / 64 * 64;

static block *block_new(arena *a, size_t size)
{
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    block *b = memory_alloc(block_header + size);
    if (!b)
        return NULL;
    *b = (block){.size = size};
    a->bytes += size;
    return b;
}

void *arena_alloc(arena *a, size_t size)
{
    if (!a || size > PTRDIFF_MAX / 2)
        return NULL;
    if (atomic_load_explicit(&fail_at, memory_order_relaxed) && is_to_fail())
        return NULL; /* under test every piece may fail, not only the first of a block */
    size_t alignment = size >= 64 ? 64 : 16;
    block *b = a->blocks;
    size_t start = b ? (b->used + alignment - 1) / alignment * alignment : 0;
    if (!b || start > b->size || size > b->size - start) {
        b = block_new(a, size > BIG_PIECE ? size : BLOCK_BYTES);
        if (!b)
            return NULL;
        start = 0;
        if (size > BIG_PIECE && a->blocks) { /* a block of its own, behind the one being filled */
            b->next = a->blocks->next;
            a->blocks->next = b;
        } else {
            b->next = a->blocks;
            a->blocks = b;
        }
    }
    b->used = start + size;
    void *piece = (char *)b + block_header + start;
    memset(piece, 0, size);
    return piece;
}

void *arena_array(arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return arena_alloc(a, count * size);
}

void *arena_regrow(arena *a, const void *old, size_t old_count, size_t count, size_t size)
{
    void *piece = arena_array(a, count, size);
    if (piece && old_count)
        memcpy(piece, old, old_count * size);
    return piece;
}

char *arena_strndup(arena *a, const char *text, size_t length)
{
    char *copy = text ? arena_alloc(a, length + 1) : NULL;
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(arena *a, const char *text)
{
    return text ? arena_strndup(a, text, strlen(text)) : NULL;
}

char *arena_vprintf(arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

typedef struct mapping {
    void *memory;
    size_t size;
} mapping;

static void unmap(void *context)
{
    const mapping *m = context;
    munmap(m->memory, m->size);
}

void *arena_sparse(arena *a, size_t count, size_t size)
{
    if (size == 0 || count < SPARSE_BYTES / size)
        return arena_array(a, count, size);
    if (count > PTRDIFF_MAX / 2 / size)
        return NULL;
    mapping *m = ARENA_NEW(a, mapping);
    if (!m)
        return NULL;
    m->size = count * size;
    m->memory = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->memory == MAP_FAILED)
        return NULL;
#if defined(MADV_NOHUGEPAGE)
    madvise(m->memory, m->size, MADV_NOHUGEPAGE); /* a place that is touched costs one small page */
#endif
    return arena_on_free(a, unmap, m) ? m->memory : NULL;
}

int arena_on_free(arena *a, void (*run)(void *context), void *context)
{
    cleanup *c = ARENA_NEW(a, cleanup);
    if (!c) {
        run(context);
        return 0;
    }
    *c = (cleanup){a->cleanups, run, context};
    a->cleanups = c;
    return 1;
}

size_t arena_bytes(const arena *a)
{
    size_t total = a->bytes;
    for (const arena *child = a->first_child; child; child = child->next_sibling)
        total += arena_bytes(child);
    return total;
}
