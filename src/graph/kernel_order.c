/* Steps along rows in their order: sorting, picking and adding by index, running sums. Sums are made in f64 and rounded once;
 * each row or column is one thread's, so threads change nothing. */
#include "graph/plan_internal.h"
#include "kernels/reference/reference.h"

#include <math.h>

static kernel_type type_of(const node *n)
{
    return (kernel_type)n->type;
}

/* Rows [rows][width] of a source, [rows][count] of the result. */
typedef struct row_job {
    const step *s;
    const step_memory *m;
    size_t rows, width, count, per_task;
} row_job;

/* Runs `task` over all rows, about 16,384 elements a task. */
static void run_rows(const step *s, const step_memory *m, size_t width, size_t count, thread_task *task)
{
    const shape *x = &s->node->shape;
    row_job job = {.s = s, .m = m, .rows = (size_t)shape_count(shape_without_last(*x)), .width = width, .count = count};
    size_t longest = width > count ? width : count;
    job.per_task = longest >= 16384 ? 1 : 16384 / (longest + 1) + 1;
    thread_pool_run(m->pool, (job.rows + job.per_task - 1) / job.per_task, task, &job);
}

static size_t last_row(const row_job *job, size_t task)
{
    size_t end = (task + 1) * job->per_task;
    return end < job->rows ? end : job->rows;
}

/* ---- sorting: indices, merged from runs of 1, 2, 4, ...; equal keys keep their order ---- */
typedef struct sorter {
    double *keys;
    int32_t *index, *spare;
} sorter;

/* Whether key b must stand before key a, which is to its left now: NaN goes last. */
static bool goes_before(double b, double a, bool descending)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && !isnan(b);
    return descending ? b > a : b < a;
}

static void sort_row(sorter *s, size_t n, bool descending)
{
    for (size_t i = 0; i < n; i++)
        s->index[i] = (int32_t)i;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t start = 0; start < n; start += 2 * run) {
            size_t middle = start + run < n ? start + run : n, end = start + 2 * run < n ? start + 2 * run : n;
            size_t a = start, b = middle;
            for (size_t k = start; k < end; k++) {
                bool right = a == middle || (b < end && goes_before(s->keys[s->index[b]], s->keys[s->index[a]], descending));
                s->spare[k] = s->index[right ? b++ : a++];
            }
        }
        int32_t *other = s->index;
        s->index = s->spare;
        s->spare = other;
    }
}

static void argsort_task(void *context, size_t task, size_t worker)
{
    const row_job *job = context;
    const node *x = job->s->node->sources[0];
    char *memory = job->m->worker + worker * job->m->worker_stride;
    for (size_t r = task * job->per_task, end = last_row(job, task); r < end; r++) {
        sorter s = {.keys = (double *)(void *)memory};
        s.index = (int32_t *)(void *)(s.keys + job->width);
        s.spare = s.index + job->width;
        for (size_t i = 0; i < job->width; i++)
            s.keys[i] = reference_get(type_of(x), job->m->in[0], r * job->width + i);
        sort_row(&s, job->width, job->s->node->attributes->flags);
        if (job->width)
            memcpy((int32_t *)job->m->out[0] + r * job->width, s.index, job->width * sizeof *s.index);
    }
}

static void run_argsort(const step *s, const step_memory *m)
{
    size_t width = (size_t)shape_last(s->node->shape);
    run_rows(s, m, width, width, argsort_task);
}

status prepare_argsort(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_argsort;
    s->worker_bytes = (size_t)shape_last(s->node->shape) * (sizeof(double) + 2 * sizeof(int32_t));
    return STATUS_OK;
}

/* ---- elements of rows by index ---- */
static void gather_last_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const row_job *job = context;
    size_t size = element_size(node_type(job->s->node));
    for (size_t r = task * job->per_task, end = last_row(job, task); r < end; r++) {
        const int32_t *index = (const int32_t *)job->m->in[1] + r * job->count;
        const char *from = (const char *)job->m->in[0] + r * job->width * size;
        char *to = (char *)job->m->out[0] + r * job->count * size;
        for (size_t k = 0; k < job->count; k++) {
            if (index[k] >= 0 && (size_t)index[k] < job->width)
                memcpy(to + k * size, from + (size_t)index[k] * size, size);
            else
                memset(to + k * size, 0, size);
        }
    }
}

static void run_gather_last(const step *s, const step_memory *m)
{
    run_rows(s, m, (size_t)shape_last(s->node->sources[0]->shape), (size_t)shape_last(s->node->shape), gather_last_task);
}

status prepare_gather_last(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_gather_last;
    return STATUS_OK;
}

static void scatter_last_task(void *context, size_t task, size_t worker)
{
    const row_job *job = context;
    kernel_type type = type_of(job->s->node);
    double *sums = (double *)(void *)(job->m->worker + worker * job->m->worker_stride);
    for (size_t r = task * job->per_task, end = last_row(job, task); r < end; r++) {
        const int32_t *index = (const int32_t *)job->m->in[1] + r * job->width;
        memset(sums, 0, job->count * sizeof *sums);
        for (size_t k = 0; k < job->width; k++)
            if (index[k] >= 0 && (size_t)index[k] < job->count)
                sums[index[k]] += reference_get(type, job->m->in[0], r * job->width + k);
        for (size_t i = 0; i < job->count; i++)
            reference_set(type, job->m->out[0], r * job->count + i, sums[i]);
    }
}

static void run_scatter_last(const step *s, const step_memory *m)
{
    run_rows(s, m, (size_t)shape_last(s->node->sources[0]->shape), (size_t)shape_last(s->node->shape), scatter_last_task);
}

status prepare_scatter_last(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_scatter_last;
    s->worker_bytes = (size_t)shape_last(s->node->shape) * sizeof(double);
    return STATUS_OK;
}

/* ---- running sums over [outer][count][inner] ---- */
enum { COLUMNS = 64 };

typedef struct running {
    size_t outer, count, inner;
    bool reverse;
} running;

typedef struct running_job {
    const running *r;
    const step *s;
    const step_memory *m;
    size_t bands; /* of at most COLUMNS columns, in each outer one */
} running_job;

static void running_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const running_job *job = context;
    const running *r = job->r;
    kernel_type type = type_of(job->s->node);
    size_t start = task / job->bands * r->count * r->inner, first = task % job->bands * COLUMNS;
    size_t columns = r->inner - first < COLUMNS ? r->inner - first : COLUMNS;
    double sums[COLUMNS] = {0};
    for (size_t k = 0; k < r->count; k++) {
        size_t row = start + (r->reverse ? r->count - 1 - k : k) * r->inner + first;
        for (size_t c = 0; c < columns; c++) {
            sums[c] += reference_get(type, job->m->in[0], row + c);
            reference_set(type, job->m->out[0], row + c, sums[c]);
        }
    }
}

static void run_running(const step *s, const step_memory *m)
{
    const running *r = s->data;
    running_job job = {r, s, m, (r->inner + COLUMNS - 1) / COLUMNS};
    thread_pool_run(m->pool, r->outer * job.bands, running_task, &job);
}

status prepare_cumulative_sum(plan_builder *b, step *s, error *err)
{
    running *r = ARENA_NEW(b->p->arena, running);
    if (!r)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    *r = (running){1, 1, 1, s->node->attributes->a[0]};
    for (int i = 0; i < s->node->shape.rank; i++)
        *(i < s->node->attributes->flags ? &r->outer : i == s->node->attributes->flags ? &r->count : &r->inner) *=
            (size_t)s->node->shape.size[i];
    s->run = run_running;
    s->data = r;
    return STATUS_OK;
}
