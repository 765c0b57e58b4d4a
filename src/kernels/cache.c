#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "kernels/window.h"

#include <math.h>
#include <string.h>

/* Index of the first element of (slot, page of `position`). */
static size_t page_start(const kernel_cache *c, int32_t slot, size_t position)
{
    size_t index = (size_t)slot * (c->capacity / KERNEL_KEY_BLOCK) + position / KERNEL_KEY_BLOCK;
    size_t page = c->pages ? (size_t)c->pages[index] : index;
    return page * KERNEL_KEY_BLOCK * c->key_heads * c->head_size;
}

/* ---- writing ---- */

enum { BAND = 32 /* rows in a task */, FEW = 8 /* rows that are not worth waking anybody for */ };

typedef struct append_job {
    const kernel_cache *c;
    size_t rows, k_stride, v_stride;
    const int32_t *slot, *position;
    const void *k, *v;
} append_job;

/* Keys of neighbouring positions lie side by side, for each element of a head. */
#define SPREAD(element)                                                                                            \
    do {                                                                                                           \
        const element *from = (const element *)job->k + row * job->k_stride + head * c->head_size;                 \
        element *to = (element *)c->k + start;                                                                     \
        for (size_t i = 0; i < c->head_size; i++, to += KERNEL_KEY_BLOCK, from++)                                  \
            for (size_t r = 0; r < count; r++)                                                                     \
                to[r] = from[r * job->k_stride];                                                                   \
    } while (0)

/* One head of `count` rows at neighbouring positions of one page. */
static void append_run(const append_job *job, size_t row, size_t count, size_t head)
{
    const kernel_cache *c = job->c;
    size_t d = c->head_size, size = kernel_type_size(c->type), at = (size_t)job->position[row] % KERNEL_KEY_BLOCK;
    size_t page = page_start(c, job->slot[row], (size_t)job->position[row]) + head * KERNEL_KEY_BLOCK * d;
    size_t start = page + at;
    if (size == 2)
        SPREAD(uint16_t);
    else if (size == 4)
        SPREAD(uint32_t);
    else
        SPREAD(uint64_t);
    for (size_t r = 0; r < count; r++)
        memcpy((char *)c->v + (page + (at + r) * d) * size, (const char *)job->v + ((row + r) * job->v_stride + head * d) * size,
               d * size);
}

static void append_task(void *context, size_t task, size_t worker)
{
    const append_job *job = context;
    size_t head = task % job->c->key_heads, row = task / job->c->key_heads * BAND, next;
    size_t end = row + BAND < job->rows ? row + BAND : job->rows;
    (void)worker;
    for (; row < end; row = next) {
        next = row + 1;
        if (job->slot[row] < 0)
            continue;
        while (next < end && job->slot[next] == job->slot[row] && job->position[next] == job->position[next - 1] + 1 &&
               job->position[next] % KERNEL_KEY_BLOCK != 0)
            next++;
        append_run(job, row, next - row, head);
    }
}

void kernel_cache_append(const kernel_cache *c, thread_pool *pool, size_t rows, const int32_t *slot,
                         const int32_t *position, const void *k, size_t k_stride, const void *v, size_t v_stride)
{
    append_job job = {c, rows, k_stride, v_stride, slot, position, k, v};
    thread_pool_run(rows > FEW ? pool : NULL, (rows + BAND - 1) / BAND * c->key_heads, append_task, &job);
}

void kernel_cache_copy(const kernel_cache *c, size_t from, size_t to)
{
    size_t bytes = KERNEL_KEY_BLOCK * c->key_heads * c->head_size * kernel_type_size(c->type);
    if (from == to)
        return;
    memcpy((char *)c->k + to * bytes, (const char *)c->k + from * bytes, bytes);
    memcpy((char *)c->v + to * bytes, (const char *)c->v + from * bytes, bytes);
}

/* ---- attention over the cache ---- */

/* A task is (a run of rows of one slot at neighbouring positions, a key head). */
enum { RUN = 16, KEYS = KERNEL_KEY_BLOCK };

typedef struct run {
    uint32_t from, to; /* rows */
} run;

typedef struct cache_job {
    const kernel_cache *c;
    size_t query_heads, q_stride, out_stride;
    kernel_scores scores;
    const int32_t *slot, *position;
    const void *q;
    void *out;
    const run *runs;
    char *scratch;
    size_t worker_bytes;
} cache_job;

typedef struct cache_space {
    float *q, *acc, *m, *l, *kt, *v;
    uint8_t *first, *seen;
} cache_space;

static size_t padded(size_t d)
{
    return (d + 15) / 16 * 16;
}

static size_t cache_carve(const kernel_cache *c, size_t query_heads, char *at, cache_space *s)
{
    size_t dp = padded(c->head_size), rows = RUN * (query_heads / c->key_heads), used = 0;
    const size_t counts[] = {rows * dp, rows * dp, rows, rows, KEYS * dp, KEYS * dp, rows};
    float **parts[] = {&s->q, &s->acc, &s->m, &s->l, &s->kt, &s->v};
    for (size_t i = 0; i < COUNT_OF(parts); used += (counts[i++] * sizeof(float) + 63) / 64 * 64)
        *parts[i] = at ? (float *)(void *)(at + used) : NULL;
    s->first = at ? (uint8_t *)at + used : NULL;
    s->seen = at ? (uint8_t *)at + used + rows : NULL;
    return used + (2 * rows + 63) / 64 * 64;
}

static size_t runs_bytes(size_t rows)
{
    return ((rows + 1) * sizeof(run) + 63) / 64 * 64;
}

size_t kernel_cache_attention_scratch_bytes(const kernel_cache *c, size_t rows, size_t query_heads, size_t threads)
{
    cache_space s;
    return runs_bytes(rows) + threads * cache_carve(c, query_heads, NULL, &s);
}

static size_t list_runs(size_t rows, const int32_t *slot, const int32_t *position, run *runs)
{
    size_t count = 0;
    for (size_t r = 0, end; r < rows; r = end) {
        for (end = r + 1; end < rows && end - r < RUN && slot[end] == slot[r] && position[end] == position[end - 1] + 1;)
            end++;
        runs[count++] = (run){(uint32_t)r, (uint32_t)end};
    }
    return count;
}

/* One page for all rows: read where it lies, or, when a head is not a multiple of 16 wide, through a padded copy. */
static void attend_page(const cache_job *job, size_t start, size_t skip, size_t rows, const cache_space *s, const void *ahead)
{
    const kernel_cache *c = job->c;
    size_t d = c->head_size, dp = padded(d), size = kernel_type_size(c->type);
    const char *k = (const char *)c->k + start * size, *v = (const char *)c->v + start * size;
    kernel_type type = c->type;
    size_t stride = d;
    if (d != dp) {
        kernel_cast(d * KEYS, type, k, KERNEL_F32, s->kt);
        fast()->scaled_rows(type, s->seen[rows - 1], 1, d, dp, v, d, 1, s->v);
        k = (const char *)s->kt;
        v = (const char *)s->v;
        type = KERNEL_F32;
        stride = dp;
    }
    fast()->attend(type, rows - skip, d, dp, s->q + skip * dp, k, v, stride, (float)job->scores.cap,
                   job->scores.window ? s->first + skip : NULL, s->seen + skip, NULL, ahead, s->m + skip, s->l + skip,
                   s->acc + skip * dp);
}

/* Goes through the pages that the rows of the run see. */
static void attend_run(const cache_job *job, run r, size_t head, const cache_space *s)
{
    const kernel_cache *c = job->c;
    size_t group = job->query_heads / c->key_heads, size = kernel_type_size(c->type), window = job->scores.window;
    size_t inside = head * KEYS * c->head_size;
    int32_t slot = job->slot[r.from];
    size_t first = (size_t)job->position[r.from], end = (size_t)job->position[r.to - 1] + 1;
    for (size_t key = window_block(window, 0, first); key < end; key += KEYS) {
        size_t skip = key > first ? (key - first) * group : 0, rows = (window_end(window, key, end) - first) * group;
        for (size_t i = skip; i < rows; i++) {
            size_t t = first + i / group, seen = t + 1 - key;
            s->seen[i] = (uint8_t)(seen < KEYS ? seen : KEYS);
            s->first[i] = (uint8_t)(window_first(window, key, t) - key);
        }
        const char *ahead = NULL;
        if (key + KEYS < end)
            ahead = (const char *)c->k + (page_start(c, slot, key + KEYS) + inside) * size;
        attend_page(job, page_start(c, slot, key) + inside, skip, rows, s, ahead);
    }
}

static void cache_task(void *context, size_t task, size_t worker)
{
    const cache_job *job = context;
    const kernel_cache *c = job->c;
    run r = job->runs[task / c->key_heads];
    size_t head = task % c->key_heads, group = job->query_heads / c->key_heads, d = c->head_size, dp = padded(d);
    size_t rows = (r.to - r.from) * group, size = kernel_type_size(c->type);
    cache_space s;
    cache_carve(c, job->query_heads, job->scratch + worker * job->worker_bytes, &s);
    if (job->slot[r.from] < 0) {
        for (size_t t = r.from; t < r.to; t++)
            memset((char *)job->out + (t * job->out_stride + head * group * d) * size, 0, group * d * size);
        return;
    }
    memset(s.acc, 0, rows * dp * sizeof(float));
    fast()->scaled_rows(c->type, r.to - r.from, group, d, dp, (const char *)job->q + (r.from * job->q_stride + head * group * d) * size,
                        job->q_stride, (float)job->scores.scale, s.q);
    for (size_t i = 0; i < rows; i++) {
        s.m[i] = -INFINITY;
        s.l[i] = 0;
    }
    attend_run(job, r, head, &s);
    for (size_t i = 0; i < rows; i++) {
        size_t at = (r.from + i / group) * job->out_stride + (head * group + i % group) * d;
        fast()->attend_end(c->type, d, dp, s.m[i], s.l[i], s.acc + i * dp, (char *)job->out + at * size, NULL);
    }
}

void kernel_cache_attention(const kernel_cache *c, thread_pool *pool, size_t rows, size_t query_heads,
                            kernel_scores scores, const int32_t *slot, const int32_t *position, const void *q,
                            size_t q_stride, void *out, size_t out_stride, void *scratch)
{
    if (c->type == KERNEL_F64) {
        reference_cache_attention(c, rows, query_heads, scores, slot, position, q, q_stride, out, out_stride);
        return;
    }
    cache_space s;
    cache_job job = {c, query_heads, q_stride, out_stride, scores, slot, position, q, out, scratch,
                     (char *)scratch + runs_bytes(rows), cache_carve(c, query_heads, NULL, &s)};
    thread_pool_run(pool, list_runs(rows, slot, position, scratch) * c->key_heads, cache_task, &job);
}
