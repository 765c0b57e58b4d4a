/* Reductions: as steps of their own, and how they are walked through in groups. */
#include "graph/groups.h"

/* Sums of rows longer than these into columns are made from memory: their states are read and written as often as the values. */
enum { LONG_ROW = 4 * GROUP_BLOCK, LONG_ROW_STORED = GROUP_BLOCK / 4 };
enum { LONG_TASK = GROUP_BLOCK * GROUP_BLOCKS_PER_TASK, MANY_TASKS = 16 };

/* Scratch is NULL where the halves are empty. */
void *reductions_to(const reductions *r, int32_t pass, void *out, void *scratch)
{
    if (pass + 1 == r->passes)
        return out;
    return pass % 2 && r->half ? (char *)scratch + r->half : scratch;
}

void *reductions_own(const reductions *r, void *scratch)
{
    return r->own ? (char *)scratch + (r->passes > 1 ? 2 * r->half : 0) : NULL;
}

size_t reductions_scratch_bytes(const reductions *r)
{
    return (r->passes > 1 ? 2 * r->half : 0) + r->own;
}

void reductions_run(const reductions *r, int32_t first, thread_pool *pool, const void *from, void *out, void *scratch)
{
    for (int32_t i = first; i < r->passes; i++) {
        const kernel_reduction *x = &r->pass[i];
        void *to = reductions_to(r, i, out, scratch);
        if (x->reference)
            kernel_reduction_rows(x, x->outer, from, to);
        else
            kernel_reduce(x->op, x->type, pool, x->outer, x->count, x->inner, from, to, reductions_own(r, scratch));
        from = to;
    }
}

void reductions_of(const node *n, bool reference, reductions *out)
{
    kernel_reduce_op op = n->op == OP_REDUCE_SUM ? KERNEL_REDUCE_SUM : KERNEL_REDUCE_HIGHEST;
    shape x = n->sources[0]->shape;
    const int64_t *reduced = n->attributes->a;
    *out = (reductions){0};
    for (int i = x.rank - 1; i >= 0; i--) {
        if (!reduced[i])
            continue;
        size_t outer = 1, count = 1, inner = 1;
        int first = i;
        while (first > 0 && reduced[first - 1])
            first--;
        for (int k = 0; k < x.rank; k++)
            *(k < first ? &outer : k <= i ? &count : &inner) *= (size_t)x.size[k];
        for (int k = first; k <= i; k++)
            x.size[k] = 1;
        kernel_reduction *pass = &out->pass[out->passes++];
        *pass = kernel_reduction_of(op, (kernel_type)n->type, outer, count, inner, reference);
        size_t bytes = outer * inner * element_size(node_type(n)), own = kernel_reduction_scratch_bytes(pass);
        bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        out->half = bytes > out->half ? bytes : out->half; /* the first pass's, but where a later one makes something of nothing */
        out->own = own > out->own ? own : out->own;
        i = first;
    }
}

/* ---- steps of their own ---- */
static void run_reduce(const step *s, const step_memory *m)
{
    reductions_run(s->data, 0, m->pool, m->in[0], m->out[0], m->scratch);
}

status prepare_reduce(plan_builder *b, step *s, error *err)
{
    reductions *r = ARENA_NEW(b->p->arena, reductions);
    if (!r)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    reductions_of(s->node, b->reference, r);
    s->scratch_bytes = reductions_scratch_bytes(r);
    s->run = run_reduce;
    s->data = r;
    return STATUS_OK;
}

/* ---- in groups ---- */
group_walk group_walk_of(const kernel_reduction *r)
{
    group_walk w = {.outer = r->outer, .count = r->count, .inner = r->inner, .part = r->part, .part_count = r->parts};
    size_t each = r->count * r->inner;
    if (each == 0)
        return w;
    w.parts = each > GROUP_BLOCK;
    size_t whole = !w.parts ? each : r->inner == 1 ? KERNEL_PIECE_ROWS : r->inner;
    w.block = whole > GROUP_BLOCK ? GROUP_BLOCK : GROUP_BLOCK / whole * whole;
    return w;
}

bool group_walk_is_good(const group_walk *w, bool stored)
{
    if (w->block == 0 || w->outer == 0)
        return false;
    if (w->parts && w->inner > 1 && w->inner > (stored ? LONG_ROW_STORED : LONG_ROW))
        return false;
    return !w->parts || w->part * w->inner <= LONG_TASK || group_walk_tasks(w) >= MANY_TASKS;
}

bool group_walk_equal(const group_walk *a, const group_walk *b)
{
    return a->outer == b->outer && a->count == b->count && a->inner == b->inner && (!a->parts || a->part == b->part);
}
