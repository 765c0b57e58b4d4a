#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* Rows come in blocks of about this many elements, which stay in the cache while their moments are made; how many there are
 * follows from the sizes alone. */
enum { BLOCK_ELEMENTS = 16384, ALIGN = 16 /* floats */ };

static size_t block_rows(const kernel_batch_norm *b)
{
    return b->inner < BLOCK_ELEMENTS / 16 ? BLOCK_ELEMENTS / b->inner : 16;
}

static size_t blocks(const kernel_batch_norm *b)
{
    return (b->count + block_rows(b) - 1) / block_rows(b);
}

/* Scratch: two rows for each block, then rows of what belongs to the channels of each group. */
enum { WEIGHT, BIAS, SCALE, SHIFT, SLOPE, CHANNEL_ROWS };

static size_t aligned(size_t floats)
{
    return (floats + ALIGN - 1) / ALIGN * ALIGN;
}

size_t kernel_batch_norm_scratch_bytes(const kernel_batch_norm *b)
{
    return (aligned(2 * b->outer * blocks(b) * b->inner) + CHANNEL_ROWS * aligned(b->outer * b->inner)) * sizeof(float);
}

typedef struct norm_job {
    const kernel_batch_norm *b;
    const char *x, *dy;
    const float *mean;
    char *y;
    float *first, *second; /* [outer][blocks][inner] */
    float *channel[CHANNEL_ROWS]; /* [outer][inner]; WEIGHT and BIAS [inner] */
} norm_job;

static norm_job job_of(const kernel_batch_norm *b, void *scratch)
{
    norm_job job = {.b = b, .first = scratch};
    size_t all = b->outer * blocks(b) * b->inner;
    job.second = job.first + all;
    for (int i = 0; i < CHANNEL_ROWS; i++)
        job.channel[i] = job.first + aligned(2 * all) + (size_t)i * aligned(b->outer * b->inner);
    return job;
}

/* Block number `task`: its group, its first element, its rows. */
typedef struct block {
    size_t group, at, rows;
} block;

static block block_at(const norm_job *job, size_t task)
{
    const kernel_batch_norm *b = job->b;
    size_t group = task / blocks(b), from = task % blocks(b) * block_rows(b), rest = b->count - from;
    return (block){group, (group * b->count + from) * b->inner * kernel_type_size(b->type), rest < block_rows(b) ? rest : block_rows(b)};
}

static void over_blocks(const norm_job *job, thread_pool *pool, thread_task *task)
{
    union { /* tasks only read it */
        const norm_job *from;
        void *to;
    } context = {.from = job};
    thread_pool_run(pool, job->b->outer * blocks(job->b), task, context.to);
}

static void moments_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    size_t inner = job->b->inner;
    block k = block_at(job, task);
    (void)worker;
    fast()->channel_moments(job->b->type, k.rows, inner, job->x + k.at, job->first + task * inner, job->second + task * inner);
}

/* The moments of the blocks of a group put together in order (Chan, Golub and LeVeque 1979, eq. 2.1). */
static void join_moments(const norm_job *job, size_t group, float *mean, float *variance)
{
    const kernel_batch_norm *b = job->b;
    for (size_t c = 0; c < b->inner; c++) {
        double seen = 0, m = 0, squares = 0;
        for (size_t k = 0; k < blocks(b); k++) {
            size_t task = group * blocks(b) + k;
            double rows = (double)block_at(job, task).rows, d = (double)job->first[task * b->inner + c] - m;
            squares += (double)job->second[task * b->inner + c] + d * d * seen * rows / (seen + rows);
            m += d * rows / (seen + rows);
            seen += rows;
        }
        mean[c] = (float)m;
        variance[c] = (float)(squares / seen);
    }
}

static void scale_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    block k = block_at(job, task);
    size_t at = k.group * job->b->inner;
    (void)worker;
    fast()->channel_scale(job->b->type, k.rows, job->b->inner, job->x + k.at, job->mean + at, job->channel[SCALE] + at,
                          job->channel[BIAS], job->y + k.at);
}

static float inverse_deviation(const kernel_batch_norm *b, float variance)
{
    return (float)(1 / sqrt((double)variance + b->epsilon));
}

void kernel_batch_norm_forward(const kernel_batch_norm *b, thread_pool *pool, const void *x, const void *weight, const void *bias,
                               void *y, float *mean, float *variance, void *scratch)
{
    norm_job job = job_of(b, scratch);
    job.x = x;
    job.y = y;
    job.mean = mean;
    over_blocks(&job, pool, moments_task);
    for (size_t o = 0; o < b->outer; o++)
        join_moments(&job, o, mean + o * b->inner, variance + o * b->inner);
    if (!y)
        return;
    kernel_cast(b->inner, b->weight_type, weight, KERNEL_F32, job.channel[WEIGHT]);
    kernel_cast(b->inner, b->weight_type, bias, KERNEL_F32, job.channel[BIAS]);
    for (size_t i = 0; i < b->outer * b->inner; i++)
        job.channel[SCALE][i] = inverse_deviation(b, variance[i]) * job.channel[WEIGHT][i % b->inner];
    over_blocks(&job, pool, scale_task);
}

static void sums_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    size_t inner = job->b->inner;
    block k = block_at(job, task);
    (void)worker;
    fast()->channel_sums(job->b->type, k.rows, inner, job->x + k.at, job->mean + k.group * inner, job->dy + k.at,
                         job->first + task * inner, job->second + task * inner);
}

static void backward_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    block k = block_at(job, task);
    size_t at = k.group * job->b->inner;
    (void)worker;
    fast()->channel_backward(job->b->type, k.rows, job->b->inner, job->x + k.at, job->mean + at, job->dy + k.at,
                             job->channel[SCALE] + at, job->channel[SHIFT] + at, job->channel[SLOPE] + at, job->y + k.at);
}

/* From the blocks' sums: what a group's gradient takes, and its share of the weight's and the bias's. */
static void join_sums(const norm_job *job, size_t group, const float *variance, float *dweight, float *dbias)
{
    const kernel_batch_norm *b = job->b;
    for (size_t c = 0; c < b->inner; c++) {
        double sum = 0, dot = 0, count = (double)b->count;
        for (size_t k = group * blocks(b); k < (group + 1) * blocks(b); k++) {
            sum += (double)job->first[k * b->inner + c];
            dot += (double)job->second[k * b->inner + c];
        }
        size_t at = group * b->inner + c;
        double r = (double)inverse_deviation(b, variance[at]);
        job->channel[SCALE][at] = (float)r * job->channel[WEIGHT][c];
        job->channel[SHIFT][at] = (float)(sum / count);
        job->channel[SLOPE][at] = (float)(r * r * dot / count);
        if (dweight)
            dweight[c] += (float)(r * dot);
        if (dbias)
            dbias[c] += (float)sum;
    }
}

void kernel_batch_norm_backward(const kernel_batch_norm *b, thread_pool *pool, const void *x, const void *weight, const float *mean,
                                const float *variance, const void *dy, void *dx, float *dweight, float *dbias, void *scratch)
{
    norm_job job = job_of(b, scratch);
    job.x = x;
    job.dy = dy;
    job.mean = mean;
    job.y = dx;
    over_blocks(&job, pool, sums_task);
    kernel_cast(b->inner, b->weight_type, weight, KERNEL_F32, job.channel[WEIGHT]);
    if (dweight)
        memset(dweight, 0, b->inner * sizeof *dweight);
    if (dbias)
        memset(dbias, 0, b->inner * sizeof *dbias);
    for (size_t o = 0; o < b->outer; o++)
        join_sums(&job, o, variance, dweight, dbias);
    if (dx)
        over_blocks(&job, pool, backward_task);
}
