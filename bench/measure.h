/* measure.h - what the programs of bench/ share: numbers from the command line, the time of matrix products alone, the rate at
 * which memory is read. */
#ifndef ASSAY_BENCH_MEASURE_H
#define ASSAY_BENCH_MEASURE_H

#include "core/progress.h"
#include "kernels/kernels.h"
#include "lm/config.h"

#include <string.h>
#include <time.h>

static inline int measure_number(char **words, int count, int i, int fallback)
{
    int64_t value = fallback;
    if (i < count && !slice_to_int(slice_of(words[i]), &value))
        value = fallback;
    return (int)value;
}

/* Processor time of the whole program: what a run costs on a machine that others use too. */
static inline double measure_processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Best seconds of `repeats` for one product of `rows` rows with a [n, k] weight in bf16. */
static inline status measure_product(thread_pool *pool, size_t rows, size_t k, size_t n, int repeats, double *best, error *err)
{
    arena *a = arena_new(NULL);
    kernel_matmul *m;
    kernel_matmul_spec spec = {.type = KERNEL_BF16, .out = KERNEL_BF16, .k = k, .n = n, .transposed = true};
    status result = kernel_matmul_new(a, &spec, thread_pool_size(pool), &m, err);
    if (result == STATUS_OK) {
        void *x = arena_alloc(a, rows * k * 2), *y = arena_alloc(a, rows * n * 2), *w = arena_alloc(a, n * k * 2);
        void *packed = arena_alloc(a, kernel_matmul_packed_bytes(m));
        void *scratch = arena_alloc(a, kernel_matmul_scratch_bytes(m));
        kernel_matmul_pack(m, pool, w, packed);
        *best = 1e9;
        for (int i = 0; i < repeats; i++) {
            double start = clock_seconds();
            kernel_matmul_run(m, pool, rows, x, k, packed, y, n, scratch);
            double seconds = clock_seconds() - start;
            *best = seconds < *best ? seconds : *best;
        }
    }
    arena_free(a);
    return result;
}

/* Whether a weight is one that products read. */
static inline bool measure_is_product(const lm_config *c, const lm_weight *w)
{
    return w->rank == 2 && (w->role != LM_WEIGHT_EMBEDDING || c->tied);
}

/* All products of one step of a model with `rows` rows, of which `logits` get logits; each shape is measured once. */
static inline status measure_products(const lm_config *c, thread_pool *pool, size_t rows, size_t logits, int repeats,
                                      double *seconds, error *err)
{
    enum { SHAPES = 16 };
    struct {
        size_t rows, k, n;
        double seconds;
    } known[SHAPES];
    size_t count = 0;
    *seconds = 0;
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        lm_weight w = lm_weight_at(c, i);
        bool head = w.role == LM_WEIGHT_HEAD || w.role == LM_WEIGHT_EMBEDDING;
        size_t height = head ? logits : rows, k = (size_t)w.shape[1], n = (size_t)w.shape[0], at = 0;
        if (!measure_is_product(c, &w) || height == 0)
            continue;
        while (at < count && (known[at].rows != height || known[at].k != k || known[at].n != n))
            at++;
        if (at == SHAPES)
            return error_set(err, STATUS_LIMIT, "more than %d shapes of products", SHAPES);
        if (at == count) {
            known[count].rows = height, known[count].k = k, known[count].n = n;
            TRY(measure_product(pool, height, k, n, repeats, &known[count++].seconds, err));
        }
        *seconds += known[at].seconds;
    }
    return STATUS_OK;
}

/* Least seconds that `body` takes, over several rounds. */
#define MEASURE_BEST(seconds, body)                                                                                \
    do {                                                                                                           \
        double spent_ = 0;                                                                                         \
        (seconds) = 1e30;                                                                                          \
        for (int round_ = 0; round_ < 5 || (spent_ < 0.4 && round_ < 200); round_++) {                             \
            double start_ = clock_seconds();                                                                       \
            body;                                                                                                  \
            double took_ = clock_seconds() - start_;                                                               \
            spent_ += took_;                                                                                       \
            (seconds) = took_ < (seconds) ? took_ : (seconds);                                                     \
        }                                                                                                          \
    } while (0)

enum { MEASURE_PIECE = 128 << 10 };

/* As fast as can be: in the widest registers, fetched ahead. */
#define MEASURE_READ_PIECE(name, bytes, attributes)                                                                        \
    attributes static inline void name(void *context, size_t task, size_t worker)                                         \
    {                                                                                                                      \
        typedef uint64_t lane __attribute__((vector_size(bytes)));                                                         \
        const lane *at = (const lane *)context + task * (MEASURE_PIECE / sizeof(lane));                                    \
        lane sums[4] = {{0}};                                                                                              \
        (void)worker;                                                                                                      \
        for (size_t i = 0; i < MEASURE_PIECE / sizeof(lane); i += 4) {                                                     \
            __builtin_prefetch((const char *)(at + i) + 4096);                                                             \
            __builtin_prefetch((const char *)(at + i + 1) + 4096);                                                         \
            __builtin_prefetch((const char *)(at + i + 2) + 4096);                                                         \
            __builtin_prefetch((const char *)(at + i + 3) + 4096);                                                         \
            sums[0] ^= at[i], sums[1] ^= at[i + 1], sums[2] ^= at[i + 2], sums[3] ^= at[i + 3];                            \
        }                                                                                                                  \
        sums[0] ^= sums[1] ^ sums[2] ^ sums[3];                                                                            \
        __asm__ volatile("" : : "r"(sums[0][0] ^ sums[0][1])); /* so that the reading is not left out */                   \
    }
MEASURE_READ_PIECE(measure_read_plain, 16, )
#if defined(__x86_64__)
MEASURE_READ_PIECE(measure_read_wide, 64, __attribute__((target("avx512f"))))
#else
MEASURE_READ_PIECE(measure_read_wide, 16, )
#endif

/* Bytes a second at which all threads of the pool read through memory (best of `repeats` passes; bytes a multiple of
 * MEASURE_PIECE). */
static inline double measure_read(thread_pool *pool, void *memory, size_t bytes, int repeats)
{
    double best = 1e9;
    thread_task *piece = kernel_isa_used() == KERNEL_AVX512 ? measure_read_wide : measure_read_plain;
    for (int i = 0; i < repeats; i++) {
        double start = clock_seconds();
        thread_pool_run(pool, bytes / MEASURE_PIECE, piece, memory);
        double seconds = clock_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    return (double)bytes / best;
}

#endif
