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
