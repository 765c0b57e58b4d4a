#include "core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPINS = 2000 };

/* The gate says, in one word, which job is on, whether it may be entered, and how many helpers are inside. The caller
 * shuts it when no task is left to claim and then waits only for those inside: a helper that comes late (the machine may
 * be busy) finds it shut and holds up no one. */
#define GATE_OPEN ((uint64_t)1 << 31)
#define GATE_INSIDE (GATE_OPEN - 1)
#define GATE_JOB(gate) ((gate) >> 32)

struct thread_pool {
    size_t size; /* workers, the caller among them */
    pthread_t threads[THREADS_MOST];
    pthread_mutex_t lock;
    pthread_cond_t start, finish;
    atomic_uint_fast64_t gate;
    atomic_size_t next; /* task to claim */
    size_t tasks;       /* this and the two below are written while nobody is inside */
    thread_task *task;
    void *context;
    atomic_bool stopping;
};

typedef struct worker_start {
    thread_pool *pool;
    size_t number;
} worker_start;

/* Tells the processor that this is a waiting loop. */
static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(thread_pool *pool, size_t worker)
{
    for (size_t task; (task = atomic_fetch_add(&pool->next, 1)) < pool->tasks;)
        pool->task(pool->context, task, worker);
}

/* Enters the job that is on; false when it is over. */
static bool enter(thread_pool *pool)
{
    uint_fast64_t gate = atomic_load(&pool->gate);
    while (gate & GATE_OPEN)
        if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1))
            return true;
    return false;
}

static void leave(thread_pool *pool)
{
    uint_fast64_t left = atomic_fetch_sub(&pool->gate, 1) - 1;
    if (left & (GATE_OPEN | GATE_INSIDE))
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->finish);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument)
{
    worker_start start = *(worker_start *)argument;
    memory_free(argument);
    thread_pool *pool = start.pool;
    uint_fast64_t done = 0;
    for (;;) {
        for (int i = 0; i < SPINS && GATE_JOB(atomic_load(&pool->gate)) == done && !atomic_load(&pool->stopping); i++)
            relax();
        if (GATE_JOB(atomic_load(&pool->gate)) == done) {
            pthread_mutex_lock(&pool->lock);
            while (GATE_JOB(atomic_load(&pool->gate)) == done && !atomic_load(&pool->stopping))
                pthread_cond_wait(&pool->start, &pool->lock);
            pthread_mutex_unlock(&pool->lock);
        }
        if (atomic_load(&pool->stopping))
            return NULL;
        done = GATE_JOB(atomic_load(&pool->gate));
        if (enter(pool)) {
            work(pool, start.number);
            leave(pool);
        }
    }
}

/* What the control group of a container allows, rounded up; 0: no limit. The file has "QUOTA PERIOD" or "max PERIOD". */
static size_t quota_processors(void)
{
    char line[64] = "", *end;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    unsigned long long quota = read ? strtoull(line, &end, 10) : 0, period = quota ? strtoull(end, NULL, 10) : 0;
    return period > 0 && quota <= SIZE_MAX - period ? (size_t)((quota + period - 1) / period) : 0;
}

size_t thread_processors(void)
{
    cpu_set_t set;
    size_t n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (size_t)CPU_COUNT(&set);
    size_t allowed = quota_processors();
    if (allowed >= 1 && allowed < n)
        n = allowed;
    return n < 1 ? 1 : n < THREADS_MOST ? n : THREADS_MOST;
}

status thread_pool_new(size_t threads, thread_pool **out, error *err)
{
    if (threads == 0)
        threads = thread_processors();
    if (threads > THREADS_MOST)
        return error_set(err, STATUS_USAGE, "expected at most %d threads, found %zu", THREADS_MOST, threads);
    thread_pool *pool = memory_alloc(sizeof *pool);
    if (!pool)
        return error_set(err, STATUS_MEMORY, "no memory for the thread pool");
    memset(pool, 0, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finish, NULL);
    pool->size = 1;
    while (pool->size < threads) {
        worker_start *start = memory_alloc(sizeof *start);
        if (start)
            *start = (worker_start){pool, pool->size};
        if (!start || pthread_create(&pool->threads[pool->size], NULL, worker_main, start) != 0) {
            memory_free(start);
            error_set(err, STATUS_MEMORY, "cannot start thread %zu of %zu", pool->size + 1, threads);
            thread_pool_free(pool);
            return STATUS_MEMORY;
        }
        pool->size++;
    }
    *out = pool;
    return STATUS_OK;
}

void thread_pool_free(thread_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 1; i < pool->size; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->finish);
    pthread_mutex_destroy(&pool->lock);
    memory_free(pool);
}

size_t thread_pool_size(const thread_pool *pool)
{
    return pool ? pool->size : 1;
}

void thread_pool_run(thread_pool *pool, size_t tasks, thread_task *task, void *context)
{
    if (!pool || pool->size == 1 || tasks <= 1) {
        for (size_t i = 0; i < tasks; i++)
            task(context, i, 0);
        return;
    }
    pool->tasks = tasks;
    pool->task = task;
    pool->context = context;
    atomic_store(&pool->next, 0);
    pthread_mutex_lock(&pool->lock); /* so that no helper misses it between looking and waiting */
    atomic_store(&pool->gate, (GATE_JOB(atomic_load(&pool->gate)) + 1) << 32 | GATE_OPEN);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    work(pool, 0);
    atomic_fetch_and(&pool->gate, ~GATE_OPEN);
    for (int i = 0; i < SPINS && (atomic_load(&pool->gate) & GATE_INSIDE); i++)
        relax();
    if (!(atomic_load(&pool->gate) & GATE_INSIDE))
        return;
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->gate) & GATE_INSIDE)
        pthread_cond_wait(&pool->finish, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
