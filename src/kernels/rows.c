#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <math.h>
#include <string.h>

/* Rows are handed out in bands of about this many elements. */
enum { BAND_ELEMENTS = 16384, NORM_ROWS = 64 };

typedef struct row_job {
    void (*run)(const struct row_job *job, size_t from, size_t count);
    size_t rows, band;
    kernel_type type, weight_type;
    size_t width, stride;
    double epsilon;
    const void *x, *y, *dy, *add, *weight;
    const int32_t *target;
    const float *weights, *saved, *dloss;
    size_t dloss_step;
    void *out;
    float *out_rows, *out_lse;
} row_job;

static void row_task(void *context, size_t task, size_t worker)
{
    const row_job *job = context;
    (void)worker;
    size_t from = task * job->band, rest = job->rows - from;
    job->run(job, from, rest < job->band ? rest : job->band);
}

static void run_rows(thread_pool *pool, row_job *job)
{
    if (!job->band)
        job->band = job->width >= BAND_ELEMENTS || job->width == 0 ? 1 : BAND_ELEMENTS / job->width;
    thread_pool_run(pool, (job->rows + job->band - 1) / job->band, row_task, job);
}

static const void *at(const void *x, kernel_type type, size_t i)
{
    return x ? (const char *)x + i * kernel_type_size(type) : NULL;
}

static void *to(void *x, kernel_type type, size_t i)
{
    return x ? (char *)x + i * kernel_type_size(type) : NULL;
}

static bool narrow_float(kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_BF16;
}

/* Long sums are made in blocks, whose number follows from `count` and `inner` alone, and the blocks' sums added in order. */
typedef struct reduce_job {
    kernel_reduce_op op;
    kernel_type type;
    size_t outer, count, inner, band;
    size_t block, blocks; /* of `count`, of one sum */
    const void *x;
    void *y;
    float *partial; /* [outer][blocks][inner] */
} reduce_job;

static size_t block_of(size_t inner)
{
    return inner < BAND_ELEMENTS / 16 ? BAND_ELEMENTS / inner : 16;
}

static size_t blocks_of(kernel_reduce_op op, kernel_type type, size_t count, size_t inner)
{
    if (op != KERNEL_REDUCE_SUM || !narrow_float(type) || count == 0 || inner == 0)
        return 1;
    return (count + block_of(inner) - 1) / block_of(inner);
}

/* The elements [count][inner] at x, to one row. */
static void sum_some(kernel_type type, size_t count, size_t inner, const void *x, kernel_type out, void *y)
{
    if (inner == 1)
        reference_set(out, y, 0, (double)fast()->sum(type, count, x));
    else
        fast()->sum_rows(type, count, inner, x, out, y);
}

static void highest_some(kernel_type type, size_t count, size_t inner, const void *x, void *y)
{
    fast_patch p = {.rows = count, .columns = 1, .row_step = (ptrdiff_t)inner};
    if (inner == 1)
        reference_set(type, y, 0, (double)fast()->highest(type, count, x));
    else
        fast()->patch_highest(&p, inner, x, y);
}

/* In the order of the reference, a row at a time. */
static void sum_rows_f64(size_t count, size_t inner, const double *x, double *y)
{
    for (size_t j = 0; j < inner; j++)
        y[j] = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < inner; j++)
            y[j] += x[i * inner + j];
}

static void reduce_band(const reduce_job *job, size_t from, size_t outer)
{
    const void *x = at(job->x, job->type, from * job->count * job->inner);
    void *y = to(job->y, job->op == KERNEL_REDUCE_ARGMAX ? KERNEL_I32 : job->type, from * job->inner);
    bool one = job->inner == 1, sums = job->type == KERNEL_F64 && job->op == KERNEL_REDUCE_SUM && !one;
    bool known = narrow_float(job->type) || sums;
    for (size_t o = 0; known && o < outer; o++) {
        const void *row = at(x, job->type, o * job->count * job->inner);
        void *result = to(y, job->type, o * job->inner);
        if (sums)
            sum_rows_f64(job->count, job->inner, row, result);
        else if (job->op == KERNEL_REDUCE_SUM)
            sum_some(job->type, job->count, job->inner, row, job->type, result);
        else if (job->op == KERNEL_REDUCE_HIGHEST && (one || job->type == KERNEL_F32))
            highest_some(job->type, job->count, job->inner, row, result);
        else if (job->op == KERNEL_REDUCE_LOGSUMEXP && one)
            reference_set(job->type, result, 0, (double)fast()->logsumexp(job->type, job->count, row));
        else
            known = false;
    }
    if (!known)
        reference_reduce(job->op, job->type, outer, job->count, job->inner, x, y);
}

static void reduce_task(void *context, size_t task, size_t worker)
{
    const reduce_job *job = context;
    (void)worker;
    size_t from = task * job->band, rest = job->outer - from;
    reduce_band(job, from, rest < job->band ? rest : job->band);
}

static void block_task(void *context, size_t task, size_t worker)
{
    const reduce_job *job = context;
    size_t o = task / job->blocks, from = task % job->blocks * job->block, rest = job->count - from;
    (void)worker;
    sum_some(job->type, rest < job->block ? rest : job->block, job->inner,
             at(job->x, job->type, (o * job->count + from) * job->inner), KERNEL_F32, job->partial + task * job->inner);
}

size_t kernel_reduce_scratch_bytes(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner)
{
    size_t blocks = blocks_of(op, type, count, inner);
    return blocks > 1 ? outer * blocks * inner * sizeof(float) : 0;
}

void kernel_reduce(kernel_reduce_op op, kernel_type type, thread_pool *pool, size_t outer, size_t count, size_t inner,
                   const void *x, void *y, void *scratch)
{
    size_t each = count * inner;
    reduce_job job = {.op = op, .type = type, .outer = outer, .count = count, .inner = inner, .x = x, .y = y,
                      .band = each >= BAND_ELEMENTS || each == 0 ? 1 : BAND_ELEMENTS / each,
                      .blocks = blocks_of(op, type, count, inner), .partial = scratch};
    if (job.blocks == 1) {
        thread_pool_run(pool, (outer + job.band - 1) / job.band, reduce_task, &job);
        return;
    }
    job.block = block_of(inner);
    thread_pool_run(pool, outer * job.blocks, block_task, &job);
    for (size_t o = 0; o < outer; o++)
        fast()->sum_rows(KERNEL_F32, job.blocks, inner, job.partial + o * job.blocks * inner, type, to(y, type, o * inner));
}

typedef struct squares_job {
    kernel_type type;
    size_t count;
    const void *x;
    double *partial;
} squares_job;

static void squares_task(void *context, size_t task, size_t worker)
{
    const squares_job *job = context;
    (void)worker;
    size_t from = task * KERNEL_SQUARES_BLOCK, rest = job->count - from, count = rest < KERNEL_SQUARES_BLOCK ? rest : KERNEL_SQUARES_BLOCK;
    const void *x = at(job->x, job->type, from);
    job->partial[task] = narrow_float(job->type) ? (double)fast()->sum_squares(job->type, count, x)
                                                 : reference_sum_squares(job->type, count, x);
}

size_t kernel_sum_squares_scratch_bytes(size_t count)
{
    return (count / KERNEL_SQUARES_BLOCK + 1) * sizeof(double);
}

double kernel_sum_squares(kernel_type type, thread_pool *pool, size_t count, const void *x, void *scratch)
{
    squares_job job = {type, count, x, scratch};
    size_t blocks = (count + KERNEL_SQUARES_BLOCK - 1) / KERNEL_SQUARES_BLOCK;
    double total = 0;
    thread_pool_run(pool, blocks, squares_task, &job);
    for (size_t i = 0; i < blocks; i++)
        total += job.partial[i];
    return total;
}

static void softmax_band(const row_job *job, size_t from, size_t count)
{
    fast()->softmax(job->type, count, job->width, at(job->x, job->type, from * job->width),
                    to(job->out, job->type, from * job->width));
}

void kernel_softmax(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *x, void *y)
{
    row_job job = {.run = softmax_band, .rows = rows, .type = type, .width = width, .x = x, .out = y};
    if (narrow_float(type))
        run_rows(pool, &job);
    else
        reference_softmax(type, rows, width, x, y);
}

static void softmax_backward_band(const row_job *job, size_t from, size_t count)
{
    size_t i = from * job->width;
    fast()->softmax_backward(job->type, count, job->width, at(job->y, job->type, i), at(job->dy, job->type, i),
                             to(job->out, job->type, i));
}

void kernel_softmax_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *y,
                             const void *dy, void *dx)
{
    row_job job = {.run = softmax_backward_band, .rows = rows, .type = type, .width = width, .y = y, .dy = dy, .out = dx};
    if (narrow_float(type))
        run_rows(pool, &job);
    else
        reference_softmax_backward(type, rows, width, y, dy, dx);
}

static void rms_norm_band(const row_job *job, size_t from, size_t count)
{
    size_t i = from * job->width;
    fast()->rms_norm(job->type, job->weight_type, count, job->width, (float)job->epsilon, at(job->x, job->type, i),
                     job->weight, to(job->out, job->type, i), job->out_rows ? job->out_rows + from : NULL);
}

void kernel_rms_norm(kernel_type type, kernel_type weight_type, thread_pool *pool, size_t rows, size_t width,
                     double epsilon, const void *x, const void *weight, void *y, void *rstd)
{
    row_job job = {.run = rms_norm_band, .rows = rows, .type = type, .weight_type = weight_type, .width = width,
                   .epsilon = epsilon, .x = x, .weight = weight, .out = y, .out_rows = rstd};
    if (narrow_float(type))
        run_rows(pool, &job);
    else
        reference_rms_norm(type, weight_type, rows, width, epsilon, x, weight, y, rstd);
}

size_t kernel_rms_norm_backward_scratch_bytes(kernel_type type, size_t rows, size_t width)
{
    (void)type;
    return ((rows + NORM_ROWS - 1) / NORM_ROWS + 1) * width * sizeof(float);
}

/* dweight of each band of NORM_ROWS rows goes into a row of scratch; the rows are added in order afterwards. */
static void rms_norm_backward_band(const row_job *job, size_t from, size_t count)
{
    size_t i = from * job->width;
    float *dweight = job->out_rows ? job->out_rows + from / NORM_ROWS * job->width : NULL;
    if (dweight)
        memset(dweight, 0, job->width * sizeof *dweight);
    fast()->rms_norm_backward(job->type, job->weight_type, count, job->width, at(job->x, job->type, i), job->weight,
                              job->saved + from, at(job->dy, job->type, i), at(job->add, job->type, i),
                              to(job->out, job->type, i), dweight);
}

void kernel_rms_norm_backward(kernel_type type, kernel_type weight_type, thread_pool *pool, size_t rows, size_t width,
                              const void *x, const void *weight, const void *rstd, const void *dy, const void *add,
                              void *dx, void *dweight, void *scratch)
{
    if (!narrow_float(type)) {
        reference_rms_norm_backward(type, weight_type, rows, width, x, weight, rstd, dy, add, dx, dweight);
        return;
    }
    row_job job = {.run = rms_norm_backward_band, .rows = rows, .band = NORM_ROWS, .type = type,
                   .weight_type = weight_type, .width = width, .x = x, .weight = weight, .saved = rstd, .dy = dy,
                   .add = add, .out = dx, .out_rows = dweight ? scratch : NULL};
    run_rows(pool, &job);
    if (dweight)
        fast()->sum_rows(KERNEL_F32, (rows + NORM_ROWS - 1) / NORM_ROWS, width, scratch, KERNEL_F32, dweight);
}

static void cross_entropy_band(const row_job *job, size_t from, size_t count)
{
    fast()->cross_entropy(job->type, count, job->width, at(job->x, job->type, from * job->stride), job->stride,
                          job->target + from, job->weights ? job->weights + from : NULL, job->out_rows + from,
                          job->out_lse + from);
}

void kernel_cross_entropy(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *logits,
                          size_t stride, const int32_t *target, const void *weights, void *loss, void *lse)
{
    row_job job = {.run = cross_entropy_band, .rows = rows, .type = type, .width = width, .stride = stride, .x = logits,
                   .target = target, .weights = weights, .out_rows = loss, .out_lse = lse};
    if (narrow_float(type))
        run_rows(pool, &job);
    else
        reference_cross_entropy(type, rows, width, logits, stride, target, weights, loss, lse);
}

static void cross_entropy_backward_band(const row_job *job, size_t from, size_t count)
{
    fast()->cross_entropy_backward(job->type, count, job->width, at(job->x, job->type, from * job->stride), job->stride,
                                   job->target + from, job->weights ? job->weights + from : NULL, job->saved + from,
                                   job->dloss + from * job->dloss_step, job->dloss_step,
                                   to(job->out, job->type, from * job->stride));
}

void kernel_cross_entropy_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *logits,
                                   size_t stride, const int32_t *target, const void *weights, const void *lse,
                                   const void *dloss, size_t dloss_step, void *dlogits)
{
    row_job job = {.run = cross_entropy_backward_band, .rows = rows, .type = type, .width = width, .stride = stride,
                   .x = logits, .target = target, .weights = weights, .saved = lse, .dloss = dloss,
                   .dloss_step = dloss_step, .out = dlogits};
    if (narrow_float(type))
        run_rows(pool, &job);
    else
        reference_cross_entropy_backward(type, rows, width, logits, stride, target, weights, lse, dloss, dloss_step,
                                         dlogits);
}

float kernel_highest(size_t count, const float *x)
{
    return fast()->highest(KERNEL_F32, count, x);
}

void kernel_weigh(size_t count, const float *x, float top, float factor, float *y)
{
    fast()->weigh(count, x, top, factor, y);
}

void kernel_block_sums(size_t count, const float *x, double *sums)
{
    fast()->block_sums(count, x, sums);
}
