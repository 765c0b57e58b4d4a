/* Tables of which few rows differ from zero: what the dense kernels make of them, a block at a time, so that the bits are theirs. */
#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"

#include <string.h>

/* Of AdamW; any number gives the same bits, as elements do not touch each other. */
enum { SPARSE_BLOCK = KERNEL_SQUARES_BLOCK };

/* The first place whose index is not below `entry`. As unsigned numbers -1, which stands behind the others, is above them. */
static size_t first_not_below(const kernel_sparse *x, size_t entry)
{
    size_t low = 0, high = x->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uint32_t)x->index[middle] < entry)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Elements from .. from + count - 1 of the table; false, and nothing written, where all are zero. */
static bool put_block(const kernel_sparse *x, size_t from, size_t count, char *to)
{
    size_t size = kernel_type_size(x->type), end = from + count;
    bool any = false;
    if (x->width == 0)
        return false;
    for (size_t i = first_not_below(x, from / x->width); i < x->count; i++) {
        size_t entry = (uint32_t)x->index[i], first = entry * x->width, last = first + x->width;
        if (entry >= x->entries || first >= end)
            break;
        if (last <= from)
            continue; /* what is not in order counts nothing */
        size_t begin = first < from ? from : first, stop = last < end ? last : end;
        if (!any)
            memset(to, 0, count * size);
        any = true;
        memcpy(to + (begin - from) * size, (const char *)x->rows + (i * x->width + begin - first) * size, (stop - begin) * size);
    }
    return any;
}

typedef struct sparse_job {
    const kernel_sparse *x;
    size_t elements;
    double *partial;
    const kernel_adamw *how;
    float *p, *m, *v;
} sparse_job;

static size_t elements_of(const kernel_sparse *x)
{
    return x->entries * x->width;
}

static size_t block_at(const sparse_job *job, size_t from)
{
    return job->elements - from < SPARSE_BLOCK ? job->elements - from : SPARSE_BLOCK;
}

static void squares_task(void *context, size_t task, size_t worker)
{
    const sparse_job *job = context;
    (void)worker;
    float block[SPARSE_BLOCK];
    size_t from = task * SPARSE_BLOCK, count = block_at(job, from);
    bool any = put_block(job->x, from, count, (char *)block);
    job->partial[task] = any ? (double)fast()->sum_squares(job->x->type, count, block) : 0;
}

double kernel_sparse_sum_squares(const kernel_sparse *x, thread_pool *pool, void *scratch)
{
    sparse_job job = {.x = x, .elements = elements_of(x), .partial = scratch};
    size_t blocks = (job.elements + SPARSE_BLOCK - 1) / SPARSE_BLOCK;
    double total = 0;
    thread_pool_run(pool, blocks, squares_task, &job);
    for (size_t i = 0; i < blocks; i++)
        total += job.partial[i];
    return total;
}

static void adamw_task(void *context, size_t task, size_t worker)
{
    static const float zeros[SPARSE_BLOCK] = {0};
    const sparse_job *job = context;
    (void)worker;
    float block[SPARSE_BLOCK];
    size_t from = task * SPARSE_BLOCK, count = block_at(job, from);
    bool any = put_block(job->x, from, count, (char *)block);
    fast()->adamw(count, job->how, job->p + from, job->m + from, job->v + from, any ? block : zeros, NULL);
}

void kernel_sparse_adamw_step(const kernel_sparse *gradient, thread_pool *pool, const kernel_adamw *how, float *p, float *m, float *v)
{
    sparse_job job = {.x = gradient, .elements = elements_of(gradient), .how = how, .p = p, .m = m, .v = v};
    thread_pool_run(pool, (job.elements + SPARSE_BLOCK - 1) / SPARSE_BLOCK, adamw_task, &job);
}
