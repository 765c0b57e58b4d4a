/* pool.h - two threads for the tests of a program. Include it in the one file of the program.
 *
 *     return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
 */
#ifndef ASSAY_TESTS_POOL_H
#define ASSAY_TESTS_POOL_H

#include "core/threads.h"

static thread_pool *pool;

static inline int pool_set_up(void **state)
{
    (void)state;
    return thread_pool_new(2, &pool, NULL) == STATUS_OK ? 0 : -1;
}

static inline int pool_tear_down(void **state)
{
    (void)state;
    thread_pool_free(pool);
    return 0;
}

#endif
