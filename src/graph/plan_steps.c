/* Third pass: steps in order. Each node that is computed on its own, each group, each call with parts is one step; the
 * table below says who prepares which. */
#include "core/text.h"
#include "graph/plan_internal.h"

static step_prepare *const preparers[OP_COUNT] = {
    [OP_FILL] = prepare_fill,
    [OP_IOTA] = prepare_iota,
    [OP_RANDOM_UNIFORM] = prepare_random_uniform,
    [OP_REDUCE_SUM] = prepare_reduce,
    [OP_REDUCE_MAX] = prepare_reduce,
    [OP_BROADCAST] = prepare_broadcast,
    [OP_TRANSPOSE] = prepare_transpose,
    [OP_SLICE] = prepare_slice,
    [OP_PAD] = prepare_pad,
    [OP_CONCAT] = prepare_concat,
    [OP_GATHER_ROWS] = prepare_gather_rows,
    [OP_SCATTER_ROWS] = prepare_scatter_rows,
    [OP_PUT_ROWS] = prepare_put_rows,
    [OP_TAKE_LAST] = prepare_take_last,
    [OP_GATHER_LAST] = prepare_gather_last,
    [OP_SCATTER_LAST] = prepare_scatter_last,
    [OP_CUMULATIVE_SUM] = prepare_cumulative_sum,
    [OP_ARGSORT] = prepare_argsort,
    [OP_WINDOWS] = prepare_windows,
    [OP_WINDOWS_SUM] = prepare_windows,
    [OP_CHOLESKY] = prepare_cholesky,
    [OP_TRIANGULAR_SOLVE] = prepare_triangular_solve,
    [OP_MATMUL] = prepare_matmul,
    [OP_LINEAR] = prepare_linear,
    [OP_SOFTMAX] = prepare_softmax,
    [OP_SOFTMAX_GRAD] = prepare_softmax_grad,
    [OP_LOG_SOFTMAX] = prepare_log_softmax,
    [OP_RMS_NORM] = prepare_rms_norm,
    [OP_RMS_NORM_GRAD] = prepare_rms_norm_grad,
    [OP_SILU_MUL] = prepare_silu_mul,
    [OP_SILU_MUL_GRAD] = prepare_silu_mul_grad,
    [OP_ROTARY] = prepare_rotary,
    [OP_ATTENTION] = prepare_attention,
    [OP_ATTENTION_GRAD] = prepare_attention_grad,
    [OP_MASKED_ATTENTION] = prepare_attention,
    [OP_MASKED_ATTENTION_GRAD] = prepare_attention_grad,
    [OP_CROSS_ENTROPY] = prepare_cross_entropy,
    [OP_CROSS_ENTROPY_GRAD] = prepare_cross_entropy_grad,
    [OP_CONV] = prepare_conv,
    [OP_CONV_INPUT_GRAD] = prepare_conv,
    [OP_CONV_WEIGHT_GRAD] = prepare_conv,
    [OP_MAX_POOL] = prepare_max_pool,
    [OP_MAX_POOL_GRAD] = prepare_max_pool_grad,
    [OP_NORMALISE] = prepare_normalise,
    [OP_NORMALISE_GRAD] = prepare_normalise_grad,
    [OP_SUM_SQUARES] = prepare_sum_squares,
    [OP_SPARSE_SUM_SQUARES] = prepare_sparse_sum_squares,
    [OP_ADAMW] = prepare_adamw,
    [OP_SPARSE_ADAMW] = prepare_sparse_adamw,
    [OP_CACHE_APPEND] = prepare_cache_append,
    [OP_CACHE_ATTENTION] = prepare_cache_attention,
};

/* Fused operations whose part p may be written over source p. */
static bool writes_over_sources(const node *n)
{
    return n->op == OP_ADAMW || n->op == OP_SPARSE_ADAMW || n->op == OP_CACHE_APPEND || n->op == OP_PUT_ROWS;
}

int32_t new_place(plan_builder *b, place_kind kind, size_t bytes)
{
    plan *p = b->p;
    if (p->place_count == b->place_capacity) {
        size_t capacity = 2 * b->place_capacity + 64;
        place *grown = arena_regrow(p->arena, p->places, p->place_count, capacity, sizeof *grown);
        if (!grown)
            return NONE;
        p->places = grown;
        b->place_capacity = capacity;
    }
    p->places[p->place_count] = (place){.kind = kind, .bytes = bytes, .first = INT32_MAX, .last = NONE, .input = NONE,
                                        .result = NONE};
    return (int32_t)p->place_count++;
}

step *new_step(plan_builder *b, const node *n, int32_t ins, int32_t outs)
{
    plan *p = b->p;
    if (p->step_count == b->step_capacity) {
        size_t capacity = 2 * b->step_capacity + 64;
        step **grown = arena_regrow(p->arena, p->steps, p->step_count, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        p->steps = grown;
        b->step_capacity = capacity;
    }
    step *s = ARENA_NEW(p->arena, step);
    if (!s)
        return NULL;
    s->in = ARENA_ARRAY(p->arena, location, (size_t)ins + 1);
    s->out = ARENA_ARRAY(p->arena, location, (size_t)outs + 1);
    s->linear = ARENA_ARRAY(p->arena, bool, (size_t)ins + 1);
    s->apart = ARENA_ARRAY(p->arena, bool, (size_t)outs + 1);
    if (!s->in || !s->out || !s->linear || !s->apart)
        return NULL;
    s->in_count = ins;
    s->out_count = outs;
    s->node = n;
    s->name = op_info_of(n->op)->name;
    s->implementation = IMPLEMENTED_PLAINLY;
    s->scratch.place = NONE;
    p->steps[p->step_count++] = s;
    return s;
}

location location_of(plan_builder *b, const node *n)
{
    const entry *e = &b->entries[entry_of(b, n)];
    int32_t at = b->entries[e->root].place;
    if (at == NONE)
        BUG("%s (node %u) has no storage", op_info_of(n->op)->name, n->id);
    return (location){at, e->offset, node_bytes(n)};
}

static bool give_place(plan_builder *b, int32_t i)
{
    entry *e = &b->entries[i];
    e->place = new_place(b, e->once ? PLACE_KEPT : PLACE_SLAB, node_bytes(e->n));
    return e->place != NONE;
}

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a plan");
}

/* Steps that have no kernels for an instruction set move bytes, or compute one element after another. */
static bool is_plain(const node *n)
{
    static const bool plain[OP_COUNT] = {
        [OP_FILL] = true,         [OP_IOTA] = true,         [OP_RANDOM_UNIFORM] = true, [OP_BROADCAST] = true,
        [OP_TRANSPOSE] = true,    [OP_SLICE] = true,        [OP_PAD] = true,            [OP_CONCAT] = true,
        [OP_GATHER_ROWS] = true,  [OP_PUT_ROWS] = true,     [OP_TAKE_LAST] = true,      [OP_GATHER_LAST] = true,
        [OP_SCATTER_LAST] = true, [OP_CUMULATIVE_SUM] = true, [OP_ARGSORT] = true,      [OP_WINDOWS] = true,
        [OP_CHOLESKY] = true,     [OP_TRIANGULAR_SOLVE] = true,
    };
    return plain[n->op] || n->type == TYPE_F64 || n->type == TYPE_I32;
}

static const char *own_implementation(const plan_builder *b, const node *n)
{
    return b->reference ? "reference" : is_plain(n) ? IMPLEMENTED_PLAINLY : kernel_isa_name(kernel_isa_used());
}

/* The operations of a group in order: "mul add tanh". */
static const char *member_names(plan_builder *b, const int32_t *members, int32_t count)
{
    strbuf text = strbuf_new(b->p->arena, 4096);
    for (int32_t i = 0; i < count; i++)
        strbuf_printf(&text, "%s%s", i ? " " : "", op_info_of(b->entries[members[i]].n->op)->name);
    return text.failed ? NULL : text.text;
}

/* A step for one node, or for all wanted parts of its call. */
static status node_step(plan_builder *b, int32_t i, error *err)
{
    const node *n = b->entries[i].n;
    int parts = op_info_of(n->op)->parts;
    if (!preparers[n->op])
        BUG("%s cannot be run on its own", op_info_of(n->op)->name);
    for (int k = 0; k < parts; k++)
        if ((parts == 1 || b->entries[i].parts[k] != NONE) && !give_place(b, parts == 1 ? i : b->entries[i].parts[k]))
            return no_memory(err);
    step *s = new_step(b, n, n->source_count, parts);
    if (!s)
        return no_memory(err);
    s->once = b->entries[i].once;
    s->nodes = 0;
    for (int k = 0; k < n->source_count; k++) {
        s->in[k] = location_of(b, n->sources[k]);
        s->linear[k] = writes_over_sources(n) && k < parts;
    }
    for (int k = 0; k < parts; k++) {
        int32_t part = parts == 1 ? i : b->entries[i].parts[k];
        s->out[k] = part == NONE ? (location){NONE, 0, 0} : (location){b->entries[part].place, 0, node_bytes(b->entries[part].n)};
        s->nodes += part != NONE;
    }
    s->implementation = own_implementation(b, n);
    return preparers[n->op](b, s, err);
}

static status group_step(plan_builder *b, int32_t g, error *err)
{
    const group *all = &b->groups[g];
    int32_t *members = ARENA_ARRAY(b->scratch, int32_t, (size_t)all->size), count = 0;
    const node *last = NULL; /* of the elementwise ones, which say what the step walks through */
    if (!members)
        return no_memory(err);
    for (int32_t m = all->first_member; m != NONE; m = b->next_member[m]) {
        members[count++] = m;
        last = is_elementwise(b->entries[m].n) ? b->entries[m].n : last;
        if (b->entries[m].escapes && !give_place(b, m))
            return no_memory(err);
    }
    step *s = new_step(b, last, 3 * count, count);
    if (!s)
        return no_memory(err);
    s->once = all->once;
    s->name = count == 1 ? op_info_of(last->op)->name : "elementwise";
    s->implementation = own_implementation(b, last);
    s->nodes = (size_t)count;
    if (b->p->profile && count > 1 && !(s->members = member_names(b, members, count)))
        return no_memory(err);
    return prepare_group(b, s, members, count, err);
}

static status leaf(plan_builder *b, int32_t i, error *err)
{
    entry *e = &b->entries[i];
    e->place = new_place(b, e->n->op == OP_INPUT ? PLACE_INPUT : PLACE_CONSTANT, node_bytes(e->n));
    if (e->place == NONE)
        return no_memory(err);
    place *at = &b->p->places[e->place];
    at->constant = e->n->data;
    if (e->n->op == OP_INPUT) {
        at->input = e->input;
        b->p->inputs[e->input].needed = true;
    }
    if (stored_expands(b, e->n))
        return stored_expand(b, i, e->place, &e->place, err);
    return STATUS_OK;
}

status plan_make_steps(plan_builder *b, error *err)
{
    plan_counts *counts = &b->p->counts;
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        const entry *e = &b->entries[i];
        counts->merged += e->same != i;
        counts->views += e->same == i && e->root != i;
        if (e->same != i || e->root != i)
            continue;
        if (e->n->op == OP_INPUT || e->n->op == OP_CONSTANT) {
            counts->leaves++;
            TRY(leaf(b, i, err));
        } else if (e->group != NONE) {
            int32_t g = group_find(b, e->group);
            if (b->groups[g].last == i)
                TRY(group_step(b, g, err));
        } else if (e->first_part == i && (e->escapes || op_info_of(e->n->op)->parts > 1)) {
            TRY(node_step(b, i, err));
        } else if (e->first_part == i) {
            counts->absorbed++;
        }
    }
    return STATUS_OK;
}
