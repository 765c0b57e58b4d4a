/* Reductions [outer][count][inner] -> [outer][inner], of values in memory and of values made piece by piece.
 *
 * Long sums are made in parts, whose number follows from `count` and `inner` alone, and the parts' sums are added in order.
 * Both ways run the same steps in the same order: the piecewise one keeps the accumulators of a part in a state between
 * its pieces. */
#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <math.h>
#include <string.h>

enum { PART_ELEMENTS = 16384, SUM_LANES = 32, HIGHEST_LANES = 16 };

static bool narrow_float(kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_BF16;
}

static const void *at(const void *x, kernel_type type, size_t i)
{
    return x ? (const char *)x + i * kernel_type_size(type) : NULL;
}

static void *to(void *x, kernel_type type, size_t i)
{
    return x ? (char *)x + i * kernel_type_size(type) : NULL;
}

kernel_reduction kernel_reduction_of(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner, bool reference)
{
    kernel_reduction r = {.op = op, .type = type, .outer = outer, .count = count, .inner = inner, .part = count, .parts = 1,
                          .reference = reference};
    if (op != KERNEL_REDUCE_SUM || !narrow_float(type) || reference || count == 0 || inner == 0)
        return r;
    size_t part = inner < PART_ELEMENTS / 16 ? PART_ELEMENTS / inner : 16;
    r.parts = (count + part - 1) / part;
    r.part = r.parts > 1 ? part : count;
    return r;
}

size_t kernel_reduction_scratch_bytes(const kernel_reduction *r)
{
    return r->parts > 1 ? r->outer * r->parts * r->inner * sizeof(float) : 0;
}

/* ---- in memory ---- */

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
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < inner; j++)
            y[j] += x[i * inner + j];
}

void kernel_reduction_rows(const kernel_reduction *r, size_t outer, const void *x, void *y)
{
    bool one = r->inner == 1, sums = r->type == KERNEL_F64 && r->op == KERNEL_REDUCE_SUM && !one;
    bool known = !r->reference && (narrow_float(r->type) || sums);
    for (size_t i = 0; sums && known && i < outer * r->inner; i++)
        ((double *)y)[i] = 0;
    for (size_t o = 0; known && o < outer; o++) {
        const void *row = at(x, r->type, o * r->count * r->inner);
        void *result = to(y, r->type, o * r->inner);
        if (sums)
            sum_rows_f64(r->count, r->inner, row, result);
        else if (r->op == KERNEL_REDUCE_SUM)
            sum_some(r->type, r->count, r->inner, row, r->type, result);
        else if (r->op == KERNEL_REDUCE_HIGHEST && (one || r->type == KERNEL_F32))
            highest_some(r->type, r->count, r->inner, row, result);
        else if (r->op == KERNEL_REDUCE_LOGSUMEXP && one)
            reference_set(r->type, result, 0, (double)fast()->logsumexp(r->type, r->count, row));
        else
            known = false;
    }
    if (!known)
        reference_reduce(r->op, r->type, outer, r->count, r->inner, x, y);
}

typedef struct reduce_job {
    const kernel_reduction *r;
    size_t band; /* of outer, in one task */
    const void *x;
    void *y;
    float *partial; /* [outer][parts][inner] */
} reduce_job;

static void reduce_task(void *context, size_t task, size_t worker)
{
    const reduce_job *job = context;
    const kernel_reduction *r = job->r;
    (void)worker;
    size_t from = task * job->band, rest = r->outer - from;
    kernel_reduction_rows(r, rest < job->band ? rest : job->band, at(job->x, r->type, from * r->count * r->inner),
                          to(job->y, r->op == KERNEL_REDUCE_ARGMAX ? KERNEL_I32 : r->type, from * r->inner));
}

static void part_task(void *context, size_t task, size_t worker)
{
    const reduce_job *job = context;
    const kernel_reduction *r = job->r;
    size_t o = task / r->parts, from = task % r->parts * r->part, rest = r->count - from;
    (void)worker;
    sum_some(r->type, rest < r->part ? rest : r->part, r->inner, at(job->x, r->type, (o * r->count + from) * r->inner), KERNEL_F32,
             job->partial + task * r->inner);
}

void kernel_reduction_finish(const kernel_reduction *r, const void *scratch, void *y)
{
    const float *partial = scratch;
    for (size_t o = 0; r->parts > 1 && o < r->outer; o++)
        fast()->sum_rows(KERNEL_F32, r->parts, r->inner, partial + o * r->parts * r->inner, r->type, to(y, r->type, o * r->inner));
}

size_t kernel_reduce_scratch_bytes(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner)
{
    kernel_reduction r = kernel_reduction_of(op, type, outer, count, inner, false);
    return kernel_reduction_scratch_bytes(&r);
}

void kernel_reduce(kernel_reduce_op op, kernel_type type, thread_pool *pool, size_t outer, size_t count, size_t inner,
                   const void *x, void *y, void *scratch)
{
    size_t each = count * inner;
    kernel_reduction r = kernel_reduction_of(op, type, outer, count, inner, false);
    reduce_job job = {.r = &r, .x = x, .y = y, .band = each >= PART_ELEMENTS || each == 0 ? 1 : PART_ELEMENTS / each,
                      .partial = scratch};
    if (r.parts == 1) {
        thread_pool_run(pool, (outer + job.band - 1) / job.band, reduce_task, &job);
        return;
    }
    thread_pool_run(pool, outer * r.parts, part_task, &job);
    kernel_reduction_finish(&r, scratch, y);
}

/* ---- in pieces ---- */
typedef enum state_kind { STATE_LANES, STATE_COLUMNS, STATE_PLAIN } state_kind; /* of one row; floats; doubles */

typedef struct lanes_state {
    float lanes[SUM_LANES], rest[HIGHEST_LANES];
    size_t rest_count;
} lanes_state;

static state_kind kind_of(const kernel_reduction *r)
{
    if (r->reference || !narrow_float(r->type))
        return STATE_PLAIN;
    if (r->inner == 1)
        return STATE_LANES;
    return r->op == KERNEL_REDUCE_SUM || r->type == KERNEL_F32 ? STATE_COLUMNS : STATE_PLAIN;
}

size_t kernel_reduction_state_bytes(const kernel_reduction *r, size_t width)
{
    state_kind kind = kind_of(r);
    return kind == STATE_LANES ? sizeof(lanes_state) : width * (kind == STATE_COLUMNS ? sizeof(float) : sizeof(double));
}

void kernel_reduction_begin(const kernel_reduction *r, size_t width, void *state)
{
    bool sum = r->op == KERNEL_REDUCE_SUM;
    state_kind kind = kind_of(r);
    float *lanes = state;
    double *plain = state;
    if (kind == STATE_PLAIN) {
        for (size_t i = 0; i < width; i++)
            plain[i] = sum ? 0 : -INFINITY;
        return;
    }
    for (size_t i = 0, n = kind == STATE_LANES ? SUM_LANES : width; i < n; i++)
        lanes[i] = sum ? 0 : -INFINITY;
    if (kind == STATE_LANES)
        ((lanes_state *)state)->rest_count = 0;
}

static void add_to_lanes(const kernel_reduction *r, size_t count, const void *x, lanes_state *s)
{
    if (r->op == KERNEL_REDUCE_SUM) {
        fast()->sum_onto(r->type, count, x, s->lanes);
        return;
    }
    fast()->highest_onto(r->type, count, x, s->lanes);
    for (size_t i = count / HIGHEST_LANES * HIGHEST_LANES; i < count; i++)
        s->rest[s->rest_count++] = (float)reference_get(r->type, x, i);
}

/* As the reference does it for each place, and sum_rows_f64. */
static void add_plainly(const kernel_reduction *r, size_t rows, size_t width, const void *x, double *y)
{
    if (r->type == KERNEL_F64 && r->op == KERNEL_REDUCE_SUM) {
        sum_rows_f64(rows, width, x, y);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j++) {
            double v = reference_get(r->type, x, i * width + j);
            if (r->op == KERNEL_REDUCE_SUM)
                y[j] += v;
            else if (v > y[j])
                y[j] = v;
        }
}

void kernel_reduction_add(const kernel_reduction *r, size_t rows, size_t width, const void *x, void *state)
{
    state_kind kind = kind_of(r);
    if (kind == STATE_LANES)
        add_to_lanes(r, rows, x, state);
    else if (kind == STATE_PLAIN)
        add_plainly(r, rows, width, x, state);
    else if (r->op == KERNEL_REDUCE_SUM)
        fast()->sum_rows_onto(r->type, rows, width, x, state);
    else
        fast()->highest_rows_onto(rows, width, x, state);
}

void kernel_reduction_end(const kernel_reduction *r, size_t outer, size_t part, size_t column, size_t width, const void *state,
                          void *scratch, void *y)
{
    bool sum = r->op == KERNEL_REDUCE_SUM;
    kernel_type type = r->parts > 1 ? KERNEL_F32 : r->type;
    void *result = to(r->parts > 1 ? scratch : y, type, (outer * r->parts + part) * r->inner + column);
    const lanes_state *lanes = state;
    switch (kind_of(r)) {
    case STATE_LANES:
        reference_set(type, result, 0, (double)(sum ? fast()->sum_end(lanes->lanes)
                                                    : fast()->highest_end(lanes->lanes, lanes->rest_count, lanes->rest)));
        break;
    case STATE_COLUMNS:
        if (type == KERNEL_F32)
            memcpy(result, state, width * sizeof(float));
        else /* rounded as sum_rows rounds; sums that began as 0 are never -0, so that adding 0 changes none */
            fast()->sum_rows(KERNEL_F32, 1, width, state, type, result);
        break;
    case STATE_PLAIN:
        for (size_t i = 0; i < width; i++)
            reference_set(type, result, i, ((const double *)state)[i]);
        break;
    }
}
