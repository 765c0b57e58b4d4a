/* threads.h - the one pool of worker threads for numerical work.
 *
 * A job is a grid of tasks whose number and meaning never depend on the number of threads; workers claim tasks one
 * by one, and each task writes only what is its own. So results do not depend on threads, and a slow worker holds up
 * no one. The caller works too, as worker 0. One thread submits at a time (the engine's); tasks must not submit.
 *
 *     static void add_rows(void *context, size_t task, size_t worker) { ... }
 *     thread_pool_run(pool, rows, add_rows, &context);
 */
#ifndef ASSAY_CORE_THREADS_H
#define ASSAY_CORE_THREADS_H

#include "core/arena.h"
#include "core/error.h"

enum { THREADS_MOST = 256 };

typedef struct thread_pool thread_pool;
typedef void thread_task(void *context, size_t task, size_t worker);

/* `threads` counts the caller; 0 means one for each processor that this process may use. STATUS_USAGE above THREADS_MOST. */
status thread_pool_new(size_t threads, thread_pool **out, error *err);
void thread_pool_free(thread_pool *pool);
size_t thread_pool_size(const thread_pool *pool);
void thread_pool_run(thread_pool *pool, size_t tasks, thread_task *task, void *context);
/* Processors this process may run on (affinity and cgroup quota), THREADS_MOST of them at most. */
size_t thread_processors(void);

#endif
