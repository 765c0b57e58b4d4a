/* memory.h - the arena of a test program: what its tests allocate lives until the group ends. Include it in the one file of
 * the program.
 *
 *     return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
 */
#ifndef ASSAY_TESTS_MEMORY_H
#define ASSAY_TESTS_MEMORY_H

#include "core/arena.h"

static arena *memory;

static inline int memory_set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    return memory ? 0 : -1;
}

static inline int memory_tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}

#endif
