/* Runs the programs of groups of elementwise nodes: in blocks, by tasks of several blocks or by parts of sums (groups.h). */
#include "graph/groups.h"
#include "kernels/reference/reference.h"

#define SPREAD(element)                                                                                            \
    do {                                                                                                           \
        const element *x = (const element *)(const void *)from;                                                    \
        element *y = (element *)(void *)to;                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                            \
            y[i] = x[i * stride];                                                                                  \
    } while (0)

/* n elements that lie `stride` apart, or one again and again. */
static void load_run(const char *from, int64_t stride, size_t size, int64_t n, char *to)
{
    if (stride == 1)
        memcpy(to, from, (size_t)n * size);
    else if (size == 4)
        SPREAD(uint32_t);
    else if (size == 2)
        SPREAD(uint16_t);
    else if (size == 8)
        SPREAD(uint64_t);
    else
        SPREAD(uint8_t);
}

/* Has the first `size` bytes come again until there are `all`. */
static void repeat_first(size_t size, size_t all, char *y)
{
    for (size_t done = size; done < all; done *= 2)
        memcpy(y + done, y, done <= all - done ? done : all - done);
}

/* Elements start .. start + n - 1 of a broadcast, in the order of its result: where they are, which is `to` unless they lie
 * next to each other in the source. */
static const void *load_block(const group_instruction *x, const char *from, size_t size, int64_t start, int64_t n, char *to)
{
    int64_t at[RANK_MAX], rest = start, offset = 0;
    for (int i = x->rank - 1; i >= 0; i--) {
        at[i] = rest % x->size[i];
        rest /= x->size[i];
        offset += at[i] * x->stride[i];
    }
    int inner = x->rank - 1;
    if (x->stride[inner] == 1 && x->size[inner] - at[inner] >= n)
        return from + (size_t)offset * size;
    const char *result = to;
    while (n > 0) {
        int64_t run = x->size[inner] - at[inner];
        if (run > n)
            run = n;
        load_run(from + (size_t)offset * size, x->stride[inner], size, run, to);
        to += (size_t)run * size;
        n -= run;
        offset -= at[inner] * x->stride[inner];
        at[inner] = 0;
        for (int i = inner - 1; i >= 0; i--) {
            offset += x->stride[i];
            if (++at[i] < x->size[i])
                break;
            offset -= at[i] * x->stride[i];
            at[i] = 0;
        }
    }
    return result;
}

typedef struct group_job {
    const group_program *g;
    const step_memory *m;
    bool deferred; /* a result lies over a source: stores wait for the block's end */
} group_job;

static void do_unary(const group_program *g, const group_instruction *x, size_t n, const void *a, size_t step_a, void *y)
{
    size_t count = step_a ? n : 1, size = element_size((element_type)x->result_type);
    if (x->kind == DO_CAST) {
        (g->reference ? reference_cast : kernel_cast)(count, (kernel_type)x->type, a, (kernel_type)x->result_type, y);
    } else {
        (g->reference ? reference_unary : kernel_unary)((kernel_unary_op)x->code, (kernel_type)x->type, count, a, y);
    }
    if (count < n)
        repeat_first(size, n * size, y);
}

static void do_compare(const group_program *g, const group_instruction *x, size_t n, const void *a, size_t step_a, const void *b,
                       size_t step_b, void *y, void *spare)
{
    kernel_binary_op op = (kernel_binary_op)x->code;
    kernel_type type = (kernel_type)x->type;
    if (g->reference) {
        reference_binary(op, type, n, a, step_a, b, step_b, spare);
        reference_cast(n, type, spare, KERNEL_U8, y);
    } else {
        kernel_compare(op, type, n, a, step_a, b, step_b, y);
    }
}

/* A worker's memory, and where its block stands. */
typedef struct block_place {
    char *registers, *states;
    const void **at; /* of each value */
    size_t column;   /* of a reduction: where the block begins in a row that is longer than a block; else 0 */
    int64_t start;
    size_t n;
} block_place;

static block_place place_of(const group_job *job, size_t worker)
{
    const group_program *g = job->g;
    char *registers = job->m->worker + worker * job->m->worker_stride;
    return (block_place){.registers = registers, .states = registers + g->states,
                         .at = (const void **)(void *)(registers + (size_t)(g->register_count + 1) * GROUP_REGISTER_BYTES)};
}

/* NULL where no reduction of the step wants any. */
static void *scratch_of(const step_memory *m, const group_reduction *r)
{
    return m->scratch ? (char *)m->scratch + r->scratch : NULL;
}

static void do_reduce(const group_job *job, const group_instruction *x, const block_place *p)
{
    const group_program *g = job->g;
    const group_reduction *r = &g->reductions[x->code];
    const kernel_reduction *pass = &r->r.pass[0];
    const void *from = p->at[x->operand[0]];
    if (g->walk.parts) {
        size_t width = p->n < pass->inner ? p->n : pass->inner, offset = p->column ? kernel_reduction_state_bytes(pass, p->column) : 0;
        kernel_reduction_add(pass, p->n / width, width, from, p->states + r->state + offset);
        return;
    }
    size_t each = pass->count * pass->inner;
    char *to = reductions_to(&r->r, 0, job->m->out[r->out], scratch_of(job->m, r));
    kernel_reduction_rows(pass, p->n / each, from,
                          to + (size_t)p->start / each * pass->inner * element_size((element_type)pass->type));
}

/* Where values are that no instruction of the block makes. */
static void place_values(const group_job *job, const block_place *p)
{
    const group_program *g = job->g;
    for (int32_t v = 0; v < g->value_count; v++) {
        const group_value *x = &g->values[v];
        if (x->where == IN_SOURCE)
            p->at[v] = (const char *)job->m->in[x->which] + (size_t)p->start * x->size;
        else if (x->where == IN_SCALAR)
            p->at[v] = job->m->in[x->which];
        else if (x->where == IN_NUMBER)
            p->at[v] = x->number;
    }
}

static void run_instruction(const group_job *job, const group_instruction *x, const block_place *p, char *y)
{
    const group_program *g = job->g;
    void *spare = p->registers + (size_t)g->register_count * GROUP_REGISTER_BYTES;
    const void *a[3] = {NULL};
    size_t steps[3] = {0}, n = p->n;
    for (int k = 0; k < 3 && x->operand[k] != NONE; k++) {
        a[k] = p->at[x->operand[k]];
        steps[k] = g->values[x->operand[k]].where <= IN_SOURCE;
    }
    if (x->kind == DO_UNARY || x->kind == DO_CAST)
        do_unary(g, x, n, a[0], steps[0], y);
    else if (x->kind == DO_BINARY)
        (g->reference ? reference_binary : kernel_binary)((kernel_binary_op)x->code, (kernel_type)x->type, n, a[0], steps[0],
                                                          a[1], steps[1], y);
    else if (x->kind == DO_COMPARE)
        do_compare(g, x, n, a[0], steps[0], a[1], steps[1], y, spare);
    else
        kernel_select((kernel_type)x->type, n, a[0], steps[0], a[1], steps[1], a[2], steps[2], y);
}

static void run_block(const group_job *job, const block_place *p)
{
    const group_program *g = job->g;
    size_t start = (size_t)p->start;
    place_values(job, p);
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const group_instruction *x = &g->instructions[i];
        const group_value *result = &g->values[x->result];
        if (x->kind == DO_REDUCE) {
            do_reduce(job, x, p);
            continue;
        }
        char *y = p->registers + (size_t)result->which * GROUP_REGISTER_BYTES;
        if (x->period) {
            p->at[x->result] = y + start % (size_t)x->period * result->size;
            continue;
        }
        if (result->out != NONE && !job->deferred)
            y = (char *)job->m->out[result->out] + start * result->size;
        if (x->kind == DO_LOAD) {
            p->at[x->result] = load_block(x, job->m->in[x->operand[0]], result->size, p->start, (int64_t)p->n, y);
            continue;
        }
        p->at[x->result] = y;
        run_instruction(job, x, p, y);
    }
    for (int32_t v = 0; job->deferred && v < g->value_count; v++)
        if (g->values[v].out != NONE)
            memcpy((char *)job->m->out[g->values[v].out] + start * g->values[v].size, p->at[v], p->n * g->values[v].size);
}

/* What is the same for every block of a task. */
static void load_steady(const group_job *job, const block_place *p)
{
    const group_program *g = job->g;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const group_instruction *x = &g->instructions[i];
        size_t size = g->values[x->result].size, period = (size_t)x->period;
        if (!period)
            continue;
        char *y = p->registers + (size_t)g->values[x->result].which * GROUP_REGISTER_BYTES;
        const void *from = load_block(x, job->m->in[x->operand[0]], size, 0, x->period, y);
        if (from != y)
            memcpy(y, from, period * size);
        repeat_first(period * size, ((size_t)g->block + (g->reduction_count ? period : 0)) * size, y);
    }
}

/* `blocks` blocks one after the other, or fewer at the group's end. */
static void group_task(void *context, size_t task, size_t worker)
{
    const group_job *job = context;
    block_place p = place_of(job, worker);
    int64_t block = job->g->block, end = ((int64_t)task + 1) * block * GROUP_BLOCKS_PER_TASK;
    if (end > job->g->count)
        end = job->g->count;
    load_steady(job, &p);
    for (p.start = (int64_t)task * block * GROUP_BLOCKS_PER_TASK; p.start < end; p.start += block) {
        p.n = (size_t)(end - p.start < block ? end - p.start : block);
        run_block(job, &p);
    }
}

/* One part of the sums. */
static void part_task(void *context, size_t task, size_t worker)
{
    const group_job *job = context;
    const group_program *g = job->g;
    const group_walk *w = &g->walk;
    block_place p = place_of(job, worker);
    size_t part = task % w->part_count, o = task / w->part_count, first = part * w->part;
    size_t rows = w->count - first < w->part ? w->count - first : w->part, start = (o * w->count + first) * w->inner;
    size_t stride = w->inner > w->block ? w->inner : w->block; /* whole rows: as many as a block has, or one in several blocks */
    load_steady(job, &p);
    for (int32_t i = 0; i < g->reduction_count; i++)
        kernel_reduction_begin(&g->reductions[i].r.pass[0], w->inner, p.states + g->reductions[i].state);
    for (size_t at = 0, all = rows * w->inner; at < all; at += stride) {
        size_t here = all - at < stride ? all - at : stride;
        for (p.column = 0; p.column < here; p.column += w->block) {
            p.start = (int64_t)(start + at + p.column);
            p.n = here - p.column < w->block ? here - p.column : w->block;
            run_block(job, &p);
        }
    }
    for (int32_t i = 0; i < g->reduction_count; i++) {
        const group_reduction *r = &g->reductions[i];
        void *scratch = scratch_of(job->m, r);
        kernel_reduction_end(&r->r.pass[0], o, part, 0, w->inner, p.states + r->state, reductions_own(&r->r, scratch),
                             reductions_to(&r->r, 0, job->m->out[r->out], scratch));
    }
}

void run_group(const step *s, const step_memory *m)
{
    const group_program *g = s->data;
    group_job job = {.g = g, .m = m};
    for (int32_t i = 0; i < s->in_count; i++)
        for (int32_t o = 0; o < s->out_count; o++)
            job.deferred = job.deferred || m->in[i] == m->out[o];
    int64_t task = g->block * GROUP_BLOCKS_PER_TASK;
    if (g->reduction_count && g->walk.parts)
        thread_pool_run(m->pool, group_walk_tasks(&g->walk), part_task, &job);
    else
        thread_pool_run(m->pool, (size_t)((g->count + task - 1) / task), group_task, &job);
    for (int32_t i = 0; i < g->reduction_count; i++) {
        const group_reduction *r = &g->reductions[i];
        void *scratch = scratch_of(m, r);
        void *to = reductions_to(&r->r, 0, m->out[r->out], scratch);
        kernel_reduction_finish(&r->r.pass[0], reductions_own(&r->r, scratch), to);
        reductions_run(&r->r, 1, m->pool, to, m->out[r->out], scratch);
    }
}
