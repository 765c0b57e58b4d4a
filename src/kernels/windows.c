/* Windows over images: copied out, added back, and their largest elements. Places of a window that lie in the image, and windows
 * over a place of the image, are grids, whose channels the vector routines take. */
#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <string.h>

/* Places first .. first + count - 1 of window o that lie in the image, and the input's row (or column) under the first. */
typedef struct span {
    size_t first, count, at;
} span;

static span inside(const kernel_windows *w, int axis, size_t o)
{
    size_t start = o * w->stride[axis], before = w->before[axis], d = w->dilation[axis], end = w->in[axis] + before;
    size_t first = start < before ? (before - start + d - 1) / d : 0;
    size_t past = start < end ? (end - start + d - 1) / d : 0; /* the first place beyond the image */
    past = past < w->kernel[axis] ? past : w->kernel[axis];
    if (first >= past)
        return (span){0, 0, 0};
    return (span){first, past - first, start + first * d - before};
}

typedef struct windows_job {
    const kernel_windows *w;
    kernel_type type;
    const char *from;
    char *to;
    const float *x, *y, *dy; /* pools */
    float *out;
} windows_job;

/* One row of one window's places: zeros, what lies in the image, zeros. */
static void copy_places(const kernel_windows *w, span s, const char *row, size_t bytes, char *to)
{
    memset(to, 0, s.first * bytes);
    to += s.first * bytes;
    if (w->dilation[1] == 1) {
        memcpy(to, row + s.at * bytes, s.count * bytes);
        to += s.count * bytes;
    } else {
        for (size_t j = 0; j < s.count; j++, to += bytes)
            memcpy(to, row + (s.at + j * w->dilation[1]) * bytes, bytes);
    }
    memset(to, 0, (w->kernel[1] - s.first - s.count) * bytes);
}

/* A row of windows. */
static void copy_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t image = task / w->out[0], bytes = w->channels * kernel_type_size(job->type), row = w->in[1] * bytes;
    size_t line = w->kernel[1] * bytes;
    const char *from = job->from + image * w->in[0] * row;
    char *to = job->to + task * w->out[1] * w->kernel[0] * line;
    span rows = inside(w, 0, task % w->out[0]);
    (void)worker;
    for (size_t column = 0; column < w->out[1]; column++) {
        span columns = inside(w, 1, column);
        for (size_t i = 0; i < w->kernel[0]; i++, to += line) {
            if (i < rows.first || i - rows.first >= rows.count)
                memset(to, 0, line);
            else
                copy_places(w, columns, from + (rows.at + (i - rows.first) * w->dilation[0]) * row, bytes, to);
        }
    }
}

void kernel_windows_copy(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *x, void *windows)
{
    windows_job job = {.w = w, .type = type, .from = x, .to = windows};
    thread_pool_run(pool, w->images * w->out[0], copy_task, &job);
}

/* Which windows lie over the input's row (or column) `at`, with which of their places: the first is window `o` with its place
 * `place`, and each next one is `o_step` windows back, `place_step` places on. */
typedef struct overlap {
    size_t o, place, count, o_step, place_step;
} overlap;

static size_t divisor(size_t a, size_t b)
{
    return b ? divisor(b, a % b) : a;
}

static overlap over(const kernel_windows *w, int axis, size_t at)
{
    size_t stride = w->stride[axis], d = w->dilation[axis], g = divisor(stride, d);
    overlap x = {.o_step = d / g, .place_step = stride / g};
    for (size_t place = 0; place < w->kernel[axis] && place * d <= at + w->before[axis]; place++) {
        size_t start = at + w->before[axis] - place * d;
        if (start % stride != 0 || start / stride >= w->out[axis])
            continue;
        x.o = start / stride;
        x.place = place;
        size_t windows = x.o / x.o_step, places = (w->kernel[axis] - 1 - place) / x.place_step;
        x.count = 1 + (windows < places ? windows : places);
        break;
    }
    return x;
}

/* A row of the image: each element is gathered from the windows over it, and rounded once. */
static void sum_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t image = task / w->in[0], size = kernel_type_size(job->type), places = w->kernel[0] * w->kernel[1];
    overlap rows = over(w, 0, task % w->in[0]);
    char *to = job->to + task * w->in[1] * w->channels * size;
    (void)worker;
    for (size_t column = 0; column < w->in[1]; column++, to += w->channels * size) {
        overlap columns = over(w, 1, column);
        size_t window = (image * w->out[0] + rows.o) * w->out[1] + columns.o;
        size_t place = rows.place * w->kernel[1] + columns.place;
        fast_patch p = {.rows = columns.count ? rows.count : 0, .columns = columns.count,
                        .row_step = ((ptrdiff_t)(rows.place_step * w->kernel[1]) - (ptrdiff_t)(rows.o_step * w->out[1] * places)) *
                                    (ptrdiff_t)w->channels,
                        .column_step = ((ptrdiff_t)columns.place_step - (ptrdiff_t)(columns.o_step * places)) * (ptrdiff_t)w->channels};
        const char *from = job->from + (p.rows ? (window * places + place) * w->channels * size : 0);
        if (job->type == KERNEL_F32 || job->type == KERNEL_BF16) {
            fast()->patch_sum(job->type, &p, w->channels, from, to);
            continue;
        }
        for (size_t c = 0; c < w->channels; c++) {
            double sum = 0;
            for (size_t i = 0; i < p.rows; i++)
                for (size_t j = 0; j < p.columns; j++)
                    sum += reference_get(job->type, from + PATCH_AT(&p, i, j) * (ptrdiff_t)size, c);
            reference_set(job->type, to, c, sum);
        }
    }
}

void kernel_windows_sum(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *windows, void *x)
{
    windows_job job = {.w = w, .type = type, .from = windows, .to = x};
    thread_pool_run(pool, w->images * w->in[0], sum_task, &job);
}

/* The places of a window that lie in an image; *at is the first one's offset in it. */
static fast_patch patch_of(const kernel_windows *w, span rows, size_t column, size_t *at)
{
    span columns = inside(w, 1, column);
    *at = rows.count && columns.count ? (rows.at * w->in[1] + columns.at) * w->channels : 0;
    return (fast_patch){.rows = columns.count ? rows.count : 0, .columns = columns.count,
                        .row_step = (ptrdiff_t)(w->dilation[0] * w->in[1] * w->channels),
                        .column_step = (ptrdiff_t)(w->dilation[1] * w->channels)};
}

static void pool_task(void *context, size_t task, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    const float *x = job->x + task / w->out[0] * w->in[0] * w->in[1] * w->channels;
    float *y = job->out + task * w->out[1] * w->channels;
    span rows = inside(w, 0, task % w->out[0]);
    (void)worker;
    for (size_t column = 0; column < w->out[1]; column++, y += w->channels) {
        size_t at;
        fast_patch p = patch_of(w, rows, column, &at);
        fast()->patch_highest(&p, w->channels, x + at, y);
    }
}

void kernel_max_pool(const kernel_windows *w, thread_pool *pool, const float *x, float *y)
{
    windows_job job = {.w = w, .x = x, .out = y};
    thread_pool_run(pool, w->images * w->out[0], pool_task, &job);
}

/* An image: its windows may overlap. */
static void pool_backward_task(void *context, size_t image, size_t worker)
{
    const windows_job *job = context;
    const kernel_windows *w = job->w;
    size_t size = w->in[0] * w->in[1] * w->channels, from = image * w->out[0] * w->out[1] * w->channels;
    const float *x = job->x + image * size, *y = job->y + from, *dy = job->dy + from;
    float *dx = job->out + image * size;
    (void)worker;
    memset(dx, 0, size * sizeof *dx);
    for (size_t row = 0; row < w->out[0]; row++) {
        span rows = inside(w, 0, row);
        for (size_t column = 0; column < w->out[1]; column++, y += w->channels, dy += w->channels) {
            size_t at;
            fast_patch p = patch_of(w, rows, column, &at);
            fast()->patch_share(&p, w->channels, x + at, y, dy, dx + at);
        }
    }
}

void kernel_max_pool_backward(const kernel_windows *w, thread_pool *pool, const float *x, const float *y, const float *dy,
                              float *dx)
{
    windows_job job = {.w = w, .x = x, .y = y, .dy = dy, .out = dx};
    thread_pool_run(pool, w->images, pool_backward_task, &job);
}
