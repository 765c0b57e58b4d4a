#include "kernels/cpu/onednn_conv.h"
#include "kernels/kernels.h"

#include <string.h>

/* A task is an image, or for gradients of weights a group of them, whose sum is its own; those sums are added in order, in
 * oneDNN's order of elements, which is brought back at the end. A last group that is not full gets images of zeros: another
 * primitive's order of elements might differ. Sums wait in a few places, so that memory does not grow with the batch. */
enum { WAVE = 32 /* groups whose sums are held */ };

struct kernel_conv {
    kernel_conv_spec spec;
    size_t threads, group, tasks;
    conv_tile *tile;
    size_t worker_bytes, packed_bytes;
    size_t a_task, b_task, result_task; /* bytes from one task's to the next one's, 0: the same for all */
};

static size_t round_up(size_t x)
{
    return (x + 63) / 64 * 64;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_weight_grad(const kernel_conv *c)
{
    return c->spec.kind == KERNEL_CONV_WEIGHT_GRAD;
}

status kernel_conv_new(arena *a, const kernel_conv_spec *spec, size_t threads, kernel_conv **out, error *err)
{
    const kernel_windows *w = &spec->at;
    if (spec->type != KERNEL_F32 && spec->type != KERNEL_BF16)
        return error_set(err, STATUS_UNSUPPORTED, "no convolution of %s: expected bf16 or f32", kernel_type_name(spec->type));
    if (w->images == 0 || w->channels == 0 || spec->outputs == 0)
        return error_set(err, STATUS_UNSUPPORTED, "a convolution of %zu images from %zu to %zu channels is empty", w->images,
                         w->channels, spec->outputs);
    kernel_conv *c = ARENA_NEW(a, kernel_conv);
    if (!c)
        return error_set(err, STATUS_MEMORY, "no memory for a convolution");
    c->spec = *spec;
    c->threads = threads;
    c->group = is_weight_grad(c) ? least(KERNEL_CONV_IMAGES, w->images) : 1;
    c->tasks = (w->images + c->group - 1) / c->group;
    kernel_conv_spec one = *spec;
    one.at.images = c->group;
    TRY(conv_tile_new(a, &one, threads, &c->tile, err));
    c->worker_bytes = conv_tile_scratch_bytes(c->tile);
    c->packed_bytes = round_up(conv_tile_weight_bytes(c->tile));
    size_t x = c->group * w->in[0] * w->in[1] * w->channels * kernel_type_size(spec->type);
    size_t y = c->group * w->out[0] * w->out[1] * spec->outputs * kernel_type_size(spec->type);
    c->a_task = spec->kind == KERNEL_CONV_INPUT_GRAD ? y : x;
    c->b_task = is_weight_grad(c) ? y : 0;
    c->result_task = spec->kind == KERNEL_CONV_FORWARD ? y : spec->kind == KERNEL_CONV_INPUT_GRAD ? x : c->packed_bytes;
    *out = c;
    return STATUS_OK;
}

const char *kernel_conv_implementation(const kernel_conv *c)
{
    return conv_tile_implementation(c->tile);
}

/* Packed weights, or sums of groups; then the workers' scratch; then the last group with zeros behind. */
static size_t weights_bytes(const kernel_conv *c)
{
    return c->packed_bytes * (is_weight_grad(c) ? 1 + least(WAVE, c->tasks) : 1);
}

size_t kernel_conv_scratch_bytes(const kernel_conv *c)
{
    size_t last = is_weight_grad(c) ? round_up(c->a_task) + round_up(c->b_task) : 0;
    size_t plain = c->spec.type == KERNEL_BF16 && is_weight_grad(c) ? c->packed_bytes : 0;
    return weights_bytes(c) + c->threads * c->worker_bytes + last + plain;
}

typedef struct conv_job {
    const kernel_conv *c;
    const char *a, *b;
    char *result, *scratch;
    size_t first; /* task */
} conv_job;

/* The images of a group that is not full, with zeros behind them. */
static const void *padded(const kernel_conv *c, const char *from, size_t task_bytes, char *to)
{
    size_t image = task_bytes / c->group, held = c->spec.at.images - (c->tasks - 1) * c->group;
    memcpy(to, from, held * image);
    memset(to + held * image, 0, (c->group - held) * image);
    return to;
}

static void conv_task(void *context, size_t task, size_t worker)
{
    const conv_job *job = context;
    const kernel_conv *c = job->c;
    size_t t = job->first + task;
    const void *a = job->a + t * c->a_task, *b = job->b + t * c->b_task;
    if (t + 1 == c->tasks && c->tasks * c->group > c->spec.at.images) {
        char *room = job->scratch + c->threads * c->worker_bytes;
        a = padded(c, a, c->a_task, room);
        b = padded(c, b, c->b_task, room + round_up(c->a_task));
    }
    conv_tile_run(c->tile, worker, a, b, job->result + task * c->result_task, job->scratch + worker * c->worker_bytes);
}

static void weight_grad(const kernel_conv *c, thread_pool *pool, conv_job *job, char *sums, void *result)
{
    size_t count = conv_tile_weight_bytes(c->tile) / sizeof(float);
    float *total = (float *)(void *)sums;
    job->result = sums + c->packed_bytes;
    memset(total, 0, c->packed_bytes);
    for (job->first = 0; job->first < c->tasks; job->first += WAVE) {
        size_t held = least(WAVE, c->tasks - job->first);
        thread_pool_run(pool, held, conv_task, job);
        for (size_t t = 0; t < held; t++) {
            const float *sum = (const float *)(const void *)(job->result + t * c->packed_bytes);
            for (size_t i = 0; i < count; i++)
                total[i] += sum[i];
        }
    }
    if (c->spec.type == KERNEL_F32) {
        conv_tile_unpack(c->tile, total, result);
        return;
    }
    const kernel_windows *w = &c->spec.at;
    size_t elements = c->spec.outputs * (w->channels / c->spec.groups) * w->kernel[0] * w->kernel[1];
    char *plain = job->scratch + c->threads * c->worker_bytes + round_up(c->a_task) + round_up(c->b_task);
    conv_tile_unpack(c->tile, total, plain);
    kernel_cast(elements, KERNEL_F32, plain, c->spec.type, result);
}

void kernel_conv_run(const kernel_conv *c, thread_pool *pool, const void *a, const void *b, void *result, void *scratch)
{
    conv_job job = {.c = c, .a = a, .b = b, .result = result, .scratch = (char *)scratch + weights_bytes(c)};
    if (is_weight_grad(c)) {
        weight_grad(c, pool, &job, scratch, result);
        return;
    }
    conv_tile_pack(c->tile, b, scratch);
    job.b = scratch;
    thread_pool_run(pool, c->tasks, conv_task, &job);
}
