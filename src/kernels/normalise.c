#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* Rows come in blocks of about BLOCK_ELEMENTS, which stay in the cache while their moments are made, and channels in chunks of
 * about CHUNK where the blocks are put together; how many there are follows from the sizes alone. */
enum { BLOCK_ELEMENTS = 16384, BLOCK_LEAST = 64, CHUNK = 64, BAND = 64, ALIGN = 16 /* floats */ };

/* Rows of one group each (layer normalisation) are whole in themselves: bands of them, not blocks. */
static bool row_by_row(const kernel_norm *b)
{
    return b->count == 1 && b->share == b->inner;
}

static size_t block_rows(const kernel_norm *b)
{
    return b->inner < BLOCK_ELEMENTS / BLOCK_LEAST ? BLOCK_ELEMENTS / b->inner : BLOCK_LEAST;
}

/* Of each outer. */
static size_t blocks(const kernel_norm *b)
{
    return (b->count + block_rows(b) - 1) / block_rows(b);
}

static size_t bands(const kernel_norm *b)
{
    return (b->outer + BAND - 1) / BAND;
}

static size_t aligned(size_t floats)
{
    return (floats + ALIGN - 1) / ALIGN * ALIGN;
}

/* Scratch: two rows for each block or band, then rows of what belongs to the channels of each outer. */
enum { WEIGHT, BIAS, MEAN, SCALE, SHIFT, SLOPE, CHANNEL_ROWS, ROW_BY_ROW_CHANNELS = MEAN };

static size_t block_floats(const kernel_norm *b)
{
    return (row_by_row(b) ? bands(b) : b->outer * blocks(b)) * b->inner;
}

static size_t channel_floats(const kernel_norm *b)
{
    return aligned(row_by_row(b) ? b->inner : b->outer * b->inner);
}

size_t kernel_norm_scratch_bytes(const kernel_norm *b)
{
    return (aligned(2 * block_floats(b)) + (row_by_row(b) ? ROW_BY_ROW_CHANNELS : CHANNEL_ROWS) * channel_floats(b)) * sizeof(float);
}

typedef struct norm_job {
    const kernel_norm *b;
    const char *x, *dy;
    char *y; /* or dx */
    float *mean, *variance; /* [outer][groups] */
    const float *given_mean, *given_variance;
    float *first, *second; /* [outer][blocks][inner] */
    float *channel[CHANNEL_ROWS]; /* [outer][inner]; WEIGHT and BIAS [inner] */
    float *dweight, *dbias;
} norm_job;

static norm_job job_of(const kernel_norm *b, const void *weight, const void *bias, void *scratch)
{
    norm_job job = {.b = b, .first = scratch, .second = (float *)scratch + block_floats(b)};
    for (size_t i = 0; i < (row_by_row(b) ? ROW_BY_ROW_CHANNELS : CHANNEL_ROWS); i++)
        job.channel[i] = job.first + aligned(2 * block_floats(b)) + i * channel_floats(b);
    kernel_cast(b->inner, b->weight_type, weight, KERNEL_F32, job.channel[WEIGHT]);
    if (bias)
        kernel_cast(b->inner, b->weight_type, bias, KERNEL_F32, job.channel[BIAS]);
    return job;
}

/* ---- blocks of rows ---- */
/* Block number `task`: its outer, its first byte, its rows. */
typedef struct block {
    size_t outer, at, rows;
} block;

static block block_at(const kernel_norm *b, size_t task)
{
    size_t outer = task / blocks(b), from = task % blocks(b) * block_rows(b), rest = b->count - from;
    return (block){outer, (outer * b->count + from) * b->inner * kernel_type_size(b->type), rest < block_rows(b) ? rest : block_rows(b)};
}

static void moments_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    size_t inner = job->b->inner;
    block k = block_at(job->b, task);
    (void)worker;
    fast()->channel_moments(job->b->type, k.rows, inner, job->x + k.at, job->first + task * inner, job->second + task * inner);
}

static void scale_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    block k = block_at(job->b, task);
    size_t at = k.outer * job->b->inner;
    (void)worker;
    fast()->channel_scale(job->b->type, k.rows, job->b->inner, job->x + k.at, job->channel[MEAN] + at, job->channel[SCALE] + at,
                          job->channel[BIAS], job->y + k.at);
}

static void sums_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    size_t inner = job->b->inner;
    block k = block_at(job->b, task);
    (void)worker;
    fast()->channel_sums(job->b->type, k.rows, inner, job->x + k.at, job->channel[MEAN] + k.outer * inner, job->dy + k.at,
                         job->first + task * inner, job->second + task * inner);
}

static void backward_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    block k = block_at(job->b, task);
    size_t at = k.outer * job->b->inner;
    (void)worker;
    fast()->channel_backward(job->b->type, k.rows, job->b->inner, job->x + k.at, job->channel[MEAN] + at, job->dy + k.at,
                             job->channel[WEIGHT], job->channel[SCALE] + at, job->channel[SHIFT] + at, job->channel[SLOPE] + at, job->y + k.at);
}

/* ---- blocks put together, a chunk of channels at a time; groups are never cut ---- */
static size_t chunk_of(const kernel_norm *b)
{
    return b->share >= CHUNK ? b->share : CHUNK / b->share * b->share;
}

static size_t chunks(const kernel_norm *b)
{
    return (b->inner + chunk_of(b) - 1) / chunk_of(b);
}

static size_t chunk_end(const kernel_norm *b, size_t chunk)
{
    size_t end = (chunk + 1) * chunk_of(b);
    return end < b->inner ? end : b->inner;
}

/* Mean and squared distances of two sets put together (Chan, Golub and LeVeque 1979, eq. 2.1). */
typedef struct moments {
    double seen, mean, squares;
} moments;

static void add_moments(moments *to, double seen, double mean, double squares)
{
    double d = mean - to->mean, share = seen / (to->seen + seen);
    to->squares += squares + d * d * to->seen * share;
    to->mean += d * share;
    to->seen += seen;
}

static float inverse_deviation(const kernel_norm *b, float variance)
{
    return (float)(1 / sqrt((double)variance + b->epsilon));
}

/* Channels from .. from + n - 1 of an outer, n at most CHUNK: the blocks in order. */
static void join_blocks(const norm_job *job, size_t outer, size_t from, size_t n, moments *of)
{
    const kernel_norm *b = job->b;
    memset(of, 0, n * sizeof *of);
    for (size_t task = outer * blocks(b); task < (outer + 1) * blocks(b); task++) {
        const float *mean = job->first + task * b->inner + from, *squares = job->second + task * b->inner + from;
        double rows = (double)block_at(b, task).rows, share = rows / (of[0].seen + rows);
        for (size_t i = 0; i < n; i++) {
            double d = (double)mean[i] - of[i].mean;
            of[i].squares += (double)squares[i] + d * d * of[i].seen * share;
            of[i].mean += d * share;
            of[i].seen += rows;
        }
    }
}

static void join_moments_task(void *context, size_t task, size_t worker)
{
    const norm_job *job = context;
    const kernel_norm *b = job->b;
    size_t outer = task / chunks(b), end = chunk_end(b, task % chunks(b));
    moments of[CHUNK], group = {0};
    (void)worker;
    for (size_t from = task % chunks(b) * chunk_of(b), n; from < end; from += n) {
        n = end - from < CHUNK ? end - from : CHUNK;
        join_blocks(job, outer, from, n, of);
        for (size_t c = from; c < from + n; c++) {
            if (c % b->share == 0)
                group = (moments){0};
            add_moments(&group, of[c - from].seen, of[c - from].mean, of[c - from].squares);
            if ((c + 1) % b->share != 0)
                continue;
            size_t at = outer * (b->inner / b->share) + c / b->share;
            job->mean[at] = (float)group.mean;
            job->variance[at] = (float)(group.squares / group.seen);
            float r = inverse_deviation(b, job->variance[at]);
            for (size_t k = c + 1 - b->share; k <= c; k++) {
                job->channel[MEAN][outer * b->inner + k] = job->mean[at];
                job->channel[SCALE][outer * b->inner + k] = r * job->channel[WEIGHT][k];
            }
        }
    }
}

/* What the gradients of a group's elements take: with h = (x - mean) r and g = dy weight, dx = r (g - mean(g) - h mean(g h)). */
static void group_gradient(const norm_job *job, size_t outer, size_t first, float r, double sum, double dot)
{
    const kernel_norm *b = job->b;
    double elements = (double)(b->count * b->share);
    for (size_t c = first; c < first + b->share; c++) {
        size_t at = outer * b->inner + c;
        job->channel[SCALE][at] = r;
        job->channel[SHIFT][at] = (float)(sum / elements);
        job->channel[SLOPE][at] = (float)((double)r * (double)r * dot / elements);
    }
}

/* A chunk of channels, over all outers in order. */
static void join_sums_task(void *context, size_t chunk, size_t worker)
{
    const norm_job *job = context;
    const kernel_norm *b = job->b;
    size_t begin = chunk * chunk_of(b), end = chunk_end(b, chunk);
    (void)worker;
    for (size_t c = begin; job->dweight && c < end; c++)
        job->dweight[c] = 0;
    for (size_t c = begin; job->dbias && c < end; c++)
        job->dbias[c] = 0;
    for (size_t o = 0; o < b->outer; o++) {
        double group_sum = 0, group_dot = 0;
        for (size_t c = begin; c < end; c++) {
            double sum = 0, dot = 0, w = (double)job->channel[WEIGHT][c];
            for (size_t k = o * blocks(b); k < (o + 1) * blocks(b); k++) {
                sum += (double)job->first[k * b->inner + c];
                dot += (double)job->second[k * b->inner + c];
            }
            float r = inverse_deviation(b, job->given_variance[o * (b->inner / b->share) + c / b->share]);
            group_sum = (c % b->share ? group_sum : 0) + w * sum;
            group_dot = (c % b->share ? group_dot : 0) + w * dot;
            if (job->dweight)
                job->dweight[c] += (float)((double)r * dot);
            if (job->dbias)
                job->dbias[c] += (float)sum;
            if ((c + 1) % b->share == 0)
                group_gradient(job, o, c + 1 - b->share, r, group_sum, group_dot);
        }
    }
}

/* ---- rows of one group ---- */
static size_t band_rows(const kernel_norm *b, size_t band)
{
    size_t rest = b->outer - band * BAND;
    return rest < BAND ? rest : BAND;
}

static void rows_task(void *context, size_t band, size_t worker)
{
    const norm_job *job = context;
    const kernel_norm *b = job->b;
    size_t at = band * BAND * b->inner * kernel_type_size(b->type);
    (void)worker;
    fast()->row_norm(b->type, band_rows(b, band), b->inner, (float)b->epsilon, job->x + at, job->channel[WEIGHT], job->channel[BIAS],
                     job->y ? job->y + at : NULL, job->mean + band * BAND, job->variance + band * BAND);
}

static void rows_backward_task(void *context, size_t band, size_t worker)
{
    const norm_job *job = context;
    const kernel_norm *b = job->b;
    size_t at = band * BAND * b->inner * kernel_type_size(b->type);
    float *dweight = job->first + band * b->inner, *dbias = job->second + band * b->inner;
    (void)worker;
    memset(dweight, 0, b->inner * sizeof *dweight);
    memset(dbias, 0, b->inner * sizeof *dbias);
    fast()->row_norm_backward(b->type, band_rows(b, band), b->inner, (float)b->epsilon, job->x + at, job->channel[WEIGHT],
                              job->given_mean + band * BAND, job->given_variance + band * BAND, job->dy + at,
                              job->y ? job->y + at : NULL, dweight, dbias);
}

/* ---- what others call ---- */
void kernel_norm_forward(const kernel_norm *b, thread_pool *pool, const void *x, const void *weight, const void *bias, void *y,
                         float *mean, float *variance, void *scratch)
{
    norm_job job = job_of(b, weight, bias, scratch);
    job.x = x;
    job.y = y;
    job.mean = mean;
    job.variance = variance;
    if (row_by_row(b)) {
        thread_pool_run(pool, bands(b), rows_task, &job);
        return;
    }
    thread_pool_run(pool, b->outer * blocks(b), moments_task, &job);
    thread_pool_run(pool, b->outer * chunks(b), join_moments_task, &job);
    if (y)
        thread_pool_run(pool, b->outer * blocks(b), scale_task, &job);
}

void kernel_norm_backward(const kernel_norm *b, thread_pool *pool, const void *x, const void *weight, const float *mean,
                          const float *variance, const void *dy, void *dx, float *dweight, float *dbias, void *scratch)
{
    norm_job job = job_of(b, weight, NULL, scratch);
    job.x = x;
    job.dy = dy;
    job.y = dx;
    job.given_mean = mean;
    job.given_variance = variance;
    job.dweight = dweight;
    job.dbias = dbias;
    if (row_by_row(b)) {
        thread_pool_run(pool, bands(b), rows_backward_task, &job);
        if (dweight)
            fast()->sum_rows(KERNEL_F32, bands(b), b->inner, job.first, KERNEL_F32, dweight);
        if (dbias)
            fast()->sum_rows(KERNEL_F32, bands(b), b->inner, job.second, KERNEL_F32, dbias);
        return;
    }
    for (size_t i = 0; i < b->outer * b->inner; i++)
        job.channel[MEAN][i] = mean[i / b->share];
    thread_pool_run(pool, b->outer * blocks(b), sums_task, &job);
    thread_pool_run(pool, chunks(b), join_sums_task, &job);
    if (dx)
        thread_pool_run(pool, b->outer * blocks(b), backward_task, &job);
}
