/* arena.h - memory by lifetime, and the one place where memory comes from.
 *
 * An arena hands out pieces that live until the arena is reset or freed; arenas form a tree (run, study, sample,
 * call), and freeing a parent frees its children and runs the clean-ups registered with them, last first. An arena
 * belongs to one thread at a time.
 *
 *     arena *call = arena_new(sample);
 *     char *name = arena_printf(call, "blocks.%d", i);
 *     ...
 *     arena_free(call);
 *
 * Every function returns NULL when memory is out (also NULL in, NULL out: a chain needs one check at its end).
 * Pieces are 64-byte aligned from 64 bytes on, 16-byte aligned below. Large buffers that change owner use
 * memory_alloc and memory_free.
 */
#ifndef ASSAY_CORE_ARENA_H
#define ASSAY_CORE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct arena arena;

arena *arena_new(arena *parent); /* parent may be NULL */
void arena_free(arena *a);       /* NULL is allowed */
void arena_reset(arena *a);      /* frees all pieces and children, keeps the arena */

void *arena_alloc(arena *a, size_t size); /* zeroed */
void *arena_array(arena *a, size_t count, size_t size); /* zeroed; NULL on overflow too */
/* Grows an array that lies in the arena: a new zeroed piece of `count` with the first `old_count` copied. */
void *arena_regrow(arena *a, const void *old, size_t old_count, size_t count, size_t size);
/* A zeroed array of which few places will be used: those that nobody touches cost nothing, however many they are. Not counted by
 * arena_bytes. */
void *arena_sparse(arena *a, size_t count, size_t size);
char *arena_strdup(arena *a, const char *text);
char *arena_strndup(arena *a, const char *text, size_t length);
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *format, va_list args);
/* Calls run(context) when the arena is reset or freed. Returns 0 (and runs it at once) when memory is out. */
int arena_on_free(arena *a, void (*run)(void *context), void *context);
size_t arena_bytes(const arena *a); /* of this arena and its children */

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_SPARSE(a, type, count) ((type *)arena_sparse((a), (count), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_array((a), (count), sizeof(type)))

/* 64-byte aligned, not zeroed; large pieces on big pages where the system has them. */
void *memory_alloc(size_t size);
void memory_free(void *memory);
/* Torture mode for tests: the n-th allocation from now (1 = the next) fails, once; 0 switches it off. While it is on,
 * each piece of an arena counts as an allocation too. */
void memory_fail_at(unsigned long n);
/* Allocations since memory_fail_at was last called (with 0: those of whole blocks alone). */
unsigned long memory_count(void);

#endif
