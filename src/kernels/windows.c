/* Windows over images: copied out, added back, and their largest elements. Plain loops: they move memory. */
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <math.h>
#include <string.h>

/* The input's row (or column) under place k of window o, or -1 outside of the image. */
static int64_t under(const kernel_windows *w, int axis, size_t o, size_t k)
{
    int64_t at = (int64_t)(o * w->stride[axis] + k * w->dilation[axis]) - (int64_t)w->before[axis];
    return at >= 0 && at < (int64_t)w->in[axis] ? at : -1;
}

typedef struct windows_job {
    const kernel_windows *w;
    kernel_type type;
    const char *from;
    char *to;
    const float *x, *y, *dy; /* pools */
    float *out;
} windows_job;

/* A row of windows. */
static void copy_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t image = task / w->out[0], row = task % w->out[0], bytes = w->channels * kernel_type_size(job->type);
    const char *from = job->from + image * w->in[0] * w->in[1] * bytes;
    char *to = job->to + task * w->out[1] * w->kernel[0] * w->kernel[1] * bytes;
    (void)worker;
    for (size_t column = 0; column < w->out[1]; column++)
        for (size_t i = 0; i < w->kernel[0]; i++) {
            int64_t y = under(w, 0, row, i);
            for (size_t j = 0; j < w->kernel[1]; j++, to += bytes) {
                int64_t x = under(w, 1, column, j);
                if (y < 0 || x < 0)
                    memset(to, 0, bytes);
                else
                    memcpy(to, from + ((size_t)y * w->in[1] + (size_t)x) * bytes, bytes);
            }
        }
}

void kernel_windows_copy(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *x, void *windows)
{
    windows_job job = {.w = w, .type = type, .from = x, .to = windows};
    thread_pool_run(pool, w->images * w->out[0], copy_task, &job);
}

/* The window whose place k lies on the input's row (or column) `at`, or -1. */
static int64_t window_over(const kernel_windows *w, int axis, size_t at, size_t k)
{
    int64_t o = (int64_t)(at + w->before[axis]) - (int64_t)(k * w->dilation[axis]), stride = (int64_t)w->stride[axis];
    return o >= 0 && o % stride == 0 && o / stride < (int64_t)w->out[axis] ? o / stride : -1;
}

/* A row of the image: each element is gathered from the windows over it, and rounded once. */
static void sum_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t image = task / w->in[0], row = task % w->in[0], places = w->kernel[0] * w->kernel[1];
    (void)worker;
    for (size_t column = 0; column < w->in[1]; column++)
        for (size_t c = 0; c < w->channels; c++) {
            double sum = 0;
            for (size_t place = 0; place < places; place++) {
                int64_t y = window_over(w, 0, row, place / w->kernel[1]), x = window_over(w, 1, column, place % w->kernel[1]);
                if (y < 0 || x < 0)
                    continue;
                size_t window = (image * w->out[0] + (size_t)y) * w->out[1] + (size_t)x;
                sum += reference_get(job->type, job->from, (window * places + place) * w->channels + c);
            }
            reference_set(job->type, job->to, (task * w->in[1] + column) * w->channels + c, sum);
        }
}

void kernel_windows_sum(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *windows, void *x)
{
    windows_job job = {.w = w, .type = type, .from = windows, .to = x};
    thread_pool_run(pool, w->images * w->in[0], sum_task, &job);
}

static void pool_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t image = task / w->out[0], row = task % w->out[0], channels = w->channels;
    (void)worker;
    for (size_t column = 0; column < w->out[1]; column++) {
        float *y = job->out + (task * w->out[1] + column) * channels;
        for (size_t c = 0; c < channels; c++)
            y[c] = -INFINITY;
        for (size_t place = 0; place < w->kernel[0] * w->kernel[1]; place++) {
            int64_t i = under(w, 0, row, place / w->kernel[1]), j = under(w, 1, column, place % w->kernel[1]);
            if (i < 0 || j < 0)
                continue;
            const float *x = job->x + ((image * w->in[0] + (size_t)i) * w->in[1] + (size_t)j) * channels;
            for (size_t c = 0; c < channels; c++)
                y[c] = x[c] > y[c] ? x[c] : y[c];
        }
    }
}

void kernel_max_pool(const kernel_windows *w, thread_pool *pool, const float *x, float *y)
{
    windows_job job = {.w = w, .x = x, .out = y};
    thread_pool_run(pool, w->images * w->out[0], pool_task, &job);
}

/* One window and channel: the places with its largest element share dy. */
static void share(const kernel_windows *w, const float *x, float largest, float dy, size_t row, size_t column, size_t c,
                  float *dx)
{
    size_t places = w->kernel[0] * w->kernel[1], ties = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t place = 0; place < places; place++) {
            int64_t i = under(w, 0, row, place / w->kernel[1]), j = under(w, 1, column, place % w->kernel[1]);
            size_t at = i < 0 || j < 0 ? 0 : ((size_t)i * w->in[1] + (size_t)j) * w->channels + c;
            if (i < 0 || j < 0 || x[at] != largest)
                continue;
            if (pass == 0)
                ties++;
            else
                dx[at] += dy / (float)ties;
        }
}

static void pool_backward_task(void *context, size_t image, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t size = w->in[0] * w->in[1] * w->channels, at = image * w->out[0] * w->out[1] * w->channels;
    float *dx = job->out + image * size;
    (void)worker;
    memset(dx, 0, size * sizeof *dx);
    for (size_t row = 0; row < w->out[0]; row++)
        for (size_t column = 0; column < w->out[1]; column++)
            for (size_t c = 0; c < w->channels; c++, at++)
                if (job->dy[at] != 0)
                    share(w, job->x + image * size, job->y[at], job->dy[at], row, column, c, dx);
}

void kernel_max_pool_backward(const kernel_windows *w, thread_pool *pool, const float *x, const float *y, const float *dy,
                              float *dx)
{
    windows_job job = {.w = w, .x = x, .y = y, .dy = dy, .out = dx};
    thread_pool_run(pool, w->images, pool_backward_task, &job);
}
