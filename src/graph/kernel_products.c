/* Steps of matrix products. Rows times a matrix that serves as a weight: packed (once when frozen, else at each run) and
 * multiplied in fixed row tiles; sums over tokens (gradients of weights): kernel_outer; all else: batched products. */
#include "graph/plan_internal.h"
#include "core/file.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a plan");
}

/* ---- any operands ---- */
typedef struct general {
    kernel_gemm_spec spec;
    kernel_gemm *fast; /* NULL: the reference */
} general;

static void run_general(const step *s, const step_memory *m)
{
    const general *g = s->data;
    if (g->fast)
        kernel_gemm_run(g->fast, m->pool, m->in[0], m->in[1], m->out[0], m->scratch);
    for (size_t i = 0; !g->fast && i < g->spec.batch; i++)
        reference_gemm(&g->spec, i, 0, g->spec.m, m->in[0], m->in[1], m->out[0]);
}

static status prepare_general(plan_builder *b, step *s, error *err)
{
    general *g = ARENA_NEW(b->p->arena, general);
    if (!g)
        return no_memory(err);
    const shape x = s->node->sources[0]->shape, y = s->node->sources[1]->shape, z = s->node->shape;
    kernel_gemm_spec *spec = &g->spec;
    *spec = (kernel_gemm_spec){.type = (kernel_type)s->node->sources[0]->type, .out = (kernel_type)s->node->type,
                               .batch = 1, .transpose_a = s->node->attributes->flags & 1,
                               .transpose_b = s->node->attributes->flags & 2};
    spec->m = (size_t)z.size[z.rank - 2];
    spec->n = (size_t)z.size[z.rank - 1];
    spec->k = (size_t)x.size[spec->transpose_a ? x.rank - 2 : x.rank - 1];
    for (int i = 0; i < z.rank - 2; i++)
        spec->batch *= (size_t)z.size[i];
    spec->a_step = x.rank > 2 ? spec->m * spec->k : 0;
    spec->b_step = y.rank > 2 ? spec->k * spec->n : 0;
    s->run = run_general;
    s->data = g;
    s->flops = 2.0 * (double)spec->batch * (double)spec->m * (double)spec->n * (double)spec->k;
    if (b->reference)
        return STATUS_OK;
    s->implementation = IMPLEMENTED_PLAINLY;
    status result = kernel_gemm_new(b->p->arena, spec, b->threads, &g->fast, err);
    if (result == STATUS_UNSUPPORTED && spec->batch * spec->m * spec->n * spec->k < 1u << 20) {
        g->fast = NULL; /* too little work to matter */
        return STATUS_OK;
    }
    if (result == STATUS_OK) {
        s->implementation = kernel_gemm_implementation(g->fast);
        s->scratch_bytes = kernel_gemm_scratch_bytes(g->fast);
    }
    return result;
}

/* ---- rows times a packed weight ---- */
typedef struct packing {
    kernel_matmul *matmul;
    kernel_type from, to; /* the weight's own type, and that of the product */
    size_t count;
    shared_pack *shared; /* NULL: the plan's own */
    size_t bytes;        /* of the weight as it is given */
} packing;

static void run_pack(const step *s, const step_memory *m)
{
    const packing *x = s->data;
    const void *weight = m->in[0];
    if (x->shared && x->shared->ready)
        return;
    if (x->from != x->to) {
        kernel_cast(x->count, x->from, weight, x->to, m->scratch);
        weight = m->scratch;
    }
    kernel_matmul_pack(x->matmul, m->pool, weight, m->out[0]);
    if (x->shared)
        x->shared->ready = true;
    if (s->once) /* who looks up rows of it reads those again */
        file_give_back(m->in[0], x->bytes);
}

typedef struct tall {
    kernel_matmul *matmul;
    size_t rows, k, n;
} tall;

static void run_tall(const step *s, const step_memory *m)
{
    const tall *t = s->data;
    kernel_matmul_run(t->matmul, m->pool, t->rows, m->in[0], t->k, m->in[1], m->out[0], t->n, m->scratch);
}

/* One object for each product of equal sizes and types. */
static status matmul_for(plan_builder *b, const kernel_matmul_spec *spec, kernel_matmul **out, error *err)
{
    for (matmul_object *o = b->matmuls; o; o = o->next)
        if (same_product(&o->spec, spec)) {
            *out = o->matmul;
            return STATUS_OK;
        }
    matmul_object *o = ARENA_NEW(b->scratch, matmul_object);
    if (!o)
        return no_memory(err);
    TRY(kernel_matmul_new(b->p->arena, spec, b->threads, &o->matmul, err));
    o->spec = *spec;
    o->next = b->matmuls;
    b->matmuls = o;
    *out = o->matmul;
    return STATUS_OK;
}

/* Where the packed weight lies: with other plans', kept, or made anew at each run. */
static int32_t pack_home(plan_builder *b, int32_t weight, const kernel_matmul_spec *spec, size_t bytes, shared_pack **shared)
{
    const entry *e = &b->entries[weight];
    *shared = NULL;
    if (!b->shared || !e->once || e->n->op != OP_INPUT)
        return new_place(b, e->once ? PLACE_KEPT : PLACE_SLAB, bytes);
    *shared = plan_packs_get(b->shared, e->n->site, spec, bytes);
    int32_t home = *shared ? new_place(b, PLACE_CONSTANT, bytes) : NONE;
    if (home != NONE)
        b->p->places[home].constant = (*shared)->memory;
    return home;
}

/* The place of the packed weight; adds the step that packs it in front of `s` when there is none yet. */
static status packed_weight(plan_builder *b, const step *s, const kernel_matmul_spec *spec, kernel_matmul *matmul,
                            int32_t *place_out, error *err)
{
    const node *weight = s->node->sources[1];
    int32_t e = entry_of(b, weight);
    packed *known = b->packs[e];
    for (; known; known = known->next)
        if (same_product(&known->spec, spec)) {
            *place_out = known->place;
            return STATUS_OK;
        }
    packed *mine = ARENA_NEW(b->scratch, packed);
    packing *x = ARENA_NEW(b->p->arena, packing);
    bool once = b->entries[e].once;
    shared_pack *shared;
    int32_t home = pack_home(b, e, spec, kernel_matmul_packed_bytes(matmul), &shared);
    step *pack = new_step(b, weight, 1, 1);
    if (!mine || !x || home == NONE || !pack)
        return no_memory(err);
    *x = (packing){matmul, (kernel_type)weight->type, spec->type, spec->k * spec->n, shared, node_bytes(weight)};
    if (spec->format != QUANT_PLAIN) /* blocks are packed as they are, for rows of any type */
        x->from = x->to;
    pack->run = run_pack;
    pack->data = x;
    pack->name = "pack";
    pack->once = once;
    pack->in[0] = location_of(b, weight);
    pack->out[0] = (location){home, 0, kernel_matmul_packed_bytes(matmul)};
    b->p->counts.packs++;
    b->p->counts.packs_once += once;
    b->p->counts.packs_shared += shared != NULL;
    b->p->counts.pack_bytes += kernel_matmul_packed_bytes(matmul);
    pack->scratch_bytes = x->from == x->to ? 0 : x->count * kernel_type_size(x->to);
    plan *p = b->p; /* the product itself is the step before: change places */
    step *product = p->steps[p->step_count - 2];
    p->steps[p->step_count - 2] = pack;
    p->steps[p->step_count - 1] = product;
    *mine = (packed){*spec, home, b->packs[e]};
    b->packs[e] = mine;
    *place_out = home;
    return STATUS_OK;
}

static status prepare_tall(plan_builder *b, step *s, size_t rows, const kernel_matmul_spec *spec, error *err)
{
    tall *t = ARENA_NEW(b->p->arena, tall);
    if (!t)
        return no_memory(err);
    *t = (tall){.rows = rows, .k = spec->k, .n = spec->n};
    int32_t home = NONE;
    TRY(matmul_for(b, spec, &t->matmul, err));
    TRY(packed_weight(b, s, spec, t->matmul, &home, err));
    s->in[1] = (location){home, 0, kernel_matmul_packed_bytes(t->matmul)};
    s->implementation = kernel_matmul_implementation(t->matmul);
    if (kernel_matmul_is_direct(t->matmul) && !(s->implementation = arena_printf(b->p->arena, "own, as %s", s->implementation)))
        return no_memory(err);
    s->run = run_tall;
    s->data = t;
    s->flops = 2.0 * (double)rows * (double)spec->k * (double)spec->n;
    s->scratch_bytes = kernel_matmul_scratch_bytes(t->matmul);
    return STATUS_OK;
}

status prepare_linear(plan_builder *b, step *s, error *err)
{
    const node *n = s->node;
    size_t k = (size_t)shape_last(n->sources[0]->shape), width = (size_t)shape_last(n->shape);
    size_t rows = (size_t)shape_count(shape_without_last(n->shape));
    return prepare_tall(b, s, rows, &(kernel_matmul_spec){.type = (kernel_type)n->sources[0]->type,
                                                          .out = (kernel_type)n->type, .k = k, .n = width,
                                                          .transposed = true,
                                                          .format = (quant_format)n->sources[1]->format}, err);
}

/* ---- sums over tokens ---- */
typedef struct outer {
    kernel_outer *outer;
    size_t tokens, m, n, sums; /* sums: bytes of the f32 result in scratch, 0 when it is the result */
} outer;

static void run_outer(const step *s, const step_memory *m)
{
    const outer *o = s->data;
    float *sums = o->sums ? m->scratch : m->out[0];
    kernel_outer_run(o->outer, m->pool, o->tokens, m->in[0], m->in[1], sums, false, (char *)m->scratch + o->sums);
    if (o->sums)
        kernel_cast(o->m * o->n, KERNEL_F32, sums, (kernel_type)s->node->type, m->out[0]);
}

static status prepare_outer(plan_builder *b, step *s, error *err)
{
    const node *n = s->node;
    outer *o = ARENA_NEW(b->p->arena, outer);
    if (!o)
        return no_memory(err);
    *o = (outer){.tokens = (size_t)n->sources[0]->shape.size[0], .m = (size_t)n->shape.size[0],
                 .n = (size_t)n->shape.size[1]};
    if (n->type != TYPE_F32)
        o->sums = (o->m * o->n * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    kernel_outer_spec spec = {.type = (kernel_type)n->sources[0]->type, .m = o->m, .n = o->n};
    TRY(kernel_outer_new(b->p->arena, &spec, b->threads, &o->outer, err));
    s->implementation = kernel_outer_implementation(o->outer);
    s->run = run_outer;
    s->data = o;
    s->flops = 2.0 * (double)o->tokens * (double)o->m * (double)o->n;
    s->scratch_bytes = o->sums + kernel_outer_scratch_bytes(o->outer, o->tokens);
    return STATUS_OK;
}

status prepare_matmul(plan_builder *b, step *s, error *err)
{
    const node *n = s->node, *x = n->sources[0], *y = n->sources[1];
    bool tx = n->attributes->flags & 1, ty = n->attributes->flags & 2;
    bool plain = n->shape.rank == 2 && !b->reference && x->type != TYPE_F64 && shape_count(x->shape) > 0 &&
                 shape_count(y->shape) > 0;
    if (plain && !tx) {
        kernel_matmul_spec spec = {.type = (kernel_type)x->type, .out = (kernel_type)n->type,
                                   .k = (size_t)x->shape.size[1], .n = (size_t)n->shape.size[1], .transposed = ty};
        return prepare_tall(b, s, (size_t)n->shape.size[0], &spec, err);
    }
    if (plain && !ty)
        return prepare_outer(b, s, err);
    return prepare_general(b, s, err);
}
