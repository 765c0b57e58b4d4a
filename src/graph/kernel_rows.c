/* Steps that pick and place rows by index. Indices outside the table count as said in graph/ops.h. */
#include "graph/plan_internal.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

enum { ROWS_PER_TASK = 64 };

typedef struct rows {
    int64_t entries, count; /* rows of the table; indices */
    size_t bytes;           /* of a row */
    int64_t width;          /* elements of a row */
    kernel_type type;
    quant_format format;    /* of the table: blocks, expanded row by row into f32 */
    size_t block_row;       /* bytes of a row of blocks */
} rows;

typedef struct rows_job {
    const rows *r;
    const step_memory *m;
} rows_job;

static status prepare_rows(plan_builder *b, step *s, const node *table, const node *index, step_run *run, error *err)
{
    rows *r = ARENA_NEW(b->p->arena, rows);
    if (!r)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    r->entries = table->shape.size[0];
    r->count = shape_count(index->shape);
    r->width = 1;
    for (int i = 1; i < table->shape.rank; i++)
        r->width *= table->shape.size[i];
    r->type = (kernel_type)table->type;
    r->bytes = (size_t)r->width * element_size(node_type(table));
    s->run = run;
    s->data = r;
    if (table->format == QUANT_PLAIN || stored_expands(b, table))
        return STATUS_OK;
    r->format = (quant_format)table->format;
    return quant_row_bytes(r->format, r->width, &r->block_row, err);
}

static void gather_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const rows_job *job = context;
    const rows *r = job->r;
    const int32_t *index = job->m->in[1];
    int64_t end = ((int64_t)task + 1) * ROWS_PER_TASK;
    for (int64_t i = (int64_t)task * ROWS_PER_TASK; i < end && i < r->count; i++) {
        char *to = (char *)job->m->out[0] + (size_t)i * r->bytes;
        bool inside = index[i] >= 0 && index[i] < r->entries;
        if (inside && r->format != QUANT_PLAIN)
            quant_expand(r->format, (size_t)r->width, (const char *)job->m->in[0] + (size_t)index[i] * r->block_row, (float *)(void *)to);
        else if (inside)
            memcpy(to, (const char *)job->m->in[0] + (size_t)index[i] * r->bytes, r->bytes);
        else
            memset(to, 0, r->bytes);
    }
}

static void run_gather_rows(const step *s, const step_memory *m)
{
    const rows *r = s->data;
    thread_pool_run(m->pool, (size_t)((r->count + ROWS_PER_TASK - 1) / ROWS_PER_TASK), gather_task, &(rows_job){r, m});
}

status prepare_gather_rows(plan_builder *b, step *s, error *err)
{
    return prepare_rows(b, s, s->node->sources[0], s->node->sources[1], run_gather_rows, err);
}

static void run_put_rows(const step *s, const step_memory *m)
{
    const rows *r = s->data;
    const int32_t *index = m->in[1];
    if (m->out[0] != m->in[0])
        memcpy(m->out[0], m->in[0], (size_t)r->entries * r->bytes);
    for (int64_t i = 0; i < r->count; i++)
        if (index[i] >= 0 && index[i] < r->entries)
            memcpy((char *)m->out[0] + (size_t)index[i] * r->bytes, (const char *)m->in[2] + (size_t)i * r->bytes, r->bytes);
}

status prepare_put_rows(plan_builder *b, step *s, error *err)
{
    return prepare_rows(b, s, s->node, s->node->sources[1], run_put_rows, err);
}

/* ---- rows added at their index: accumulated in f32 (f64 for f64 and i32), in the order of the rows ---- */
enum { COLUMNS_PER_TASK = 64 };

static void scatter_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const rows_job *job = context;
    const rows *r = job->r;
    const int32_t *index = job->m->in[1];
    int64_t first = (int64_t)task * COLUMNS_PER_TASK, last = first + COLUMNS_PER_TASK;
    if (last > r->width)
        last = r->width;
    if (r->type == KERNEL_F32) {
        float *sum = job->m->out[0];
        const float *x = job->m->in[0];
        for (int64_t e = 0; e < r->entries; e++)
            memset(sum + e * r->width + first, 0, (size_t)(last - first) * sizeof *sum);
        for (int64_t i = 0; i < r->count; i++)
            for (int64_t c = first; index[i] >= 0 && index[i] < r->entries && c < last; c++)
                sum[index[i] * r->width + c] += x[i * r->width + c];
        return;
    }
    double *sum = job->m->scratch;
    for (int64_t e = 0; e < r->entries; e++)
        memset(sum + e * r->width + first, 0, (size_t)(last - first) * sizeof *sum);
    for (int64_t i = 0; i < r->count; i++)
        for (int64_t c = first; index[i] >= 0 && index[i] < r->entries && c < last; c++)
            sum[index[i] * r->width + c] += reference_get(r->type, job->m->in[0], (size_t)(i * r->width + c));
    for (int64_t e = 0; e < r->entries; e++)
        for (int64_t c = first; c < last; c++)
            reference_set(r->type, job->m->out[0], (size_t)(e * r->width + c), sum[e * r->width + c]);
}

static void run_scatter_rows(const step *s, const step_memory *m)
{
    const rows *r = s->data;
    thread_pool_run(m->pool, (size_t)((r->width + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK), scatter_task,
                    &(rows_job){r, m});
}

status prepare_scatter_rows(plan_builder *b, step *s, error *err)
{
    if (s->node->type != TYPE_F32)
        s->scratch_bytes = (size_t)shape_count(s->node->shape) * sizeof(double);
    return prepare_rows(b, s, s->node, s->node->sources[1], run_scatter_rows, err);
}

/* ---- one element of each row ---- */
static void run_take_last(const step *s, const step_memory *m)
{
    int64_t n = shape_count(s->node->shape), width = shape_last(s->node->sources[0]->shape);
    size_t size = element_size(node_type(s->node));
    const int32_t *index = m->in[1];
    for (int64_t i = 0; i < n; i++) {
        char *to = (char *)m->out[0] + (size_t)i * size;
        if (index[i] >= 0 && index[i] < width)
            memcpy(to, (const char *)m->in[0] + (size_t)(i * width + index[i]) * size, size);
        else
            memset(to, 0, size);
    }
}

status prepare_take_last(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    s->run = run_take_last;
    return STATUS_OK;
}
