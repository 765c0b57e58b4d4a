/* Groups of elementwise nodes as one step: a small program, run on blocks (group_run.c) that stay in the cache.
 *
 * A broadcast whose elements come again after a short period (a bias over the last axis) is read once for each task: blocks
 * are whole periods long, so that the register that holds it is right for all of them. Where reductions say how long blocks
 * are, the register holds a period more, and a block begins in it where its own first element stands.
 *
 * A reduction (groups.h) is an instruction that takes the elements of its operand in the block.
 *
 * Every value keeps its own element type in a block, so a grouped node rounds exactly as one on its own. A value
 * that is needed outside is written to its place directly; where that place is also a source (a donated buffer), it
 * is kept in a register until the block's end. */
#include "graph/groups.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#define X(name, word, bytes) _Static_assert((int)TYPE_##name == (int)KERNEL_##name, "types agree with the kernels'");
ELEMENT_TYPES(X)
#undef X

static const struct {
    group_instruction_kind kind;
    int code;
} codes[OP_COUNT] = {
    [OP_CAST] = {DO_CAST, 0},
    [OP_NEG] = {DO_UNARY, KERNEL_NEG},
    [OP_ABS] = {DO_UNARY, KERNEL_ABS},
    [OP_SIGN] = {DO_UNARY, KERNEL_SIGN},
    [OP_FLOOR] = {DO_UNARY, KERNEL_FLOOR},
    [OP_EXP] = {DO_UNARY, KERNEL_EXP},
    [OP_LOG] = {DO_UNARY, KERNEL_LOG},
    [OP_SQRT] = {DO_UNARY, KERNEL_SQRT},
    [OP_RSQRT] = {DO_UNARY, KERNEL_RSQRT},
    [OP_RECIPROCAL] = {DO_UNARY, KERNEL_RECIPROCAL},
    [OP_TANH] = {DO_UNARY, KERNEL_TANH},
    [OP_SIGMOID] = {DO_UNARY, KERNEL_SIGMOID},
    [OP_SIN] = {DO_UNARY, KERNEL_SIN},
    [OP_COS] = {DO_UNARY, KERNEL_COS},
    [OP_ERF] = {DO_UNARY, KERNEL_ERF},
    [OP_ADD] = {DO_BINARY, KERNEL_ADD},
    [OP_SUB] = {DO_BINARY, KERNEL_SUB},
    [OP_MUL] = {DO_BINARY, KERNEL_MUL},
    [OP_DIV] = {DO_BINARY, KERNEL_DIV},
    [OP_POW] = {DO_BINARY, KERNEL_POW},
    [OP_MAX] = {DO_BINARY, KERNEL_MAX},
    [OP_MIN] = {DO_BINARY, KERNEL_MIN},
    [OP_EQUAL] = {DO_COMPARE, KERNEL_EQUAL},
    [OP_LESS] = {DO_COMPARE, KERNEL_LESS},
    [OP_LESS_EQUAL] = {DO_COMPARE, KERNEL_LESS_EQUAL},
    [OP_SELECT] = {DO_SELECT, 0},
    [OP_REDUCE_SUM] = {DO_REDUCE, 0},
    [OP_REDUCE_MAX] = {DO_REDUCE, 0},
};

/* ---- compiling ---- */
static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

typedef struct compiler {
    plan_builder *b;
    group_program *g;
    step *s;
    int32_t in_count;
    int32_t *value_of; /* by entry, + 1; all 0 between groups */
    int32_t *touched, touched_count;
} compiler;

static void remember(compiler *c, int32_t key, int32_t which)
{
    c->value_of[key] = which + 1;
    c->touched[c->touched_count++] = key;
}

static int32_t add_value(compiler *c, group_value v)
{
    c->g->values[c->g->value_count] = v;
    return c->g->value_count++;
}

static int32_t add_source(compiler *c, const node *n, bool linear)
{
    location at = location_of(c->b, n);
    for (int32_t i = 0; i < c->in_count; i++)
        if (c->s->in[i].place == at.place && c->s->in[i].offset == at.offset) {
            c->s->linear[i] = c->s->linear[i] && linear;
            c->s->in[i].bytes = at.bytes > c->s->in[i].bytes ? at.bytes : c->s->in[i].bytes;
            return i;
        }
    c->s->in[c->in_count] = at;
    c->s->linear[c->in_count] = linear;
    return c->in_count++;
}

/* The sizes and strides of a broadcast read in the order of its result, neighbours joined where they can be. */
static void broadcast_strides(const node *n, group_instruction *x)
{
    int64_t stride = 1, strides[RANK_MAX];
    const shape *from = &n->sources[0]->shape;
    for (int i = n->shape.rank - 1; i >= 0; i--) {
        strides[i] = from->size[i] == 1 ? 0 : stride;
        stride *= from->size[i];
    }
    for (int i = 0; i < n->shape.rank; i++) {
        if (n->shape.size[i] == 1)
            continue;
        int last = x->rank - 1;
        if (last >= 0 && x->stride[last] == strides[i] * n->shape.size[i]) {
            x->size[last] *= n->shape.size[i];
            x->stride[last] = strides[i];
            continue;
        }
        x->size[x->rank] = n->shape.size[i];
        x->stride[x->rank++] = strides[i];
    }
}

static int32_t operand_value(compiler *c, const node *source)
{
    int32_t e = entry_of(c->b, source);
    const entry *from = &c->b->entries[e];
    const node *n = from->n;
    int32_t key = n->op == OP_FILL || n->op == OP_BROADCAST || from->offset ? e : from->root;
    if (c->value_of[key])
        return c->value_of[key] - 1;
    group_value v = {.size = (uint8_t)element_size(node_type(n)), .out = NONE};
    int32_t result;
    if (n->op == OP_FILL) {
        v.where = IN_NUMBER;
        reference_set((kernel_type)n->type, v.number, 0, n->attributes->x[0]);
        result = add_value(c, v);
    } else if (n->op == OP_BROADCAST) {
        group_instruction load = {.kind = DO_LOAD};
        broadcast_strides(n, &load);
        int32_t in = add_source(c, n->sources[0], false);
        if (load.rank == 0 || (load.rank == 1 && load.stride[0] == 0)) {
            v.where = IN_SCALAR;
            v.which = in;
            result = add_value(c, v);
        } else {
            v.where = IN_REGISTER;
            load.operand[0] = in;
            load.result = result = add_value(c, v);
            c->g->instructions[c->g->instruction_count++] = load;
        }
    } else {
        v.where = IN_SOURCE;
        v.which = add_source(c, source, true);
        result = add_value(c, v);
    }
    remember(c, key, result);
    return result;
}

/* Elements after which a broadcast's come again; 0: never. */
static int64_t period_of(const group_instruction *x)
{
    int64_t period = 1;
    for (int i = 1; i < x->rank; i++)
        period *= x->size[i];
    return x->rank > 1 && x->stride[0] == 0 ? period : 0;
}

/* Blocks of whole periods, of as many loads as have room. */
static void choose_block(group_program *g)
{
    int64_t whole = 1;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        group_instruction *x = &g->instructions[i];
        int64_t period = x->kind == DO_LOAD ? period_of(x) : 0, a = whole, b = period;
        if (period == 0 || period > GROUP_BLOCK)
            continue;
        while (b) { /* Euclid */
            int64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (whole / a * period > GROUP_BLOCK)
            continue;
        whole = whole / a * period;
        x->period = period;
    }
    g->block = GROUP_BLOCK / whole * whole;
}

/* The same where reductions say how long blocks are: a steady register has a period more. */
static void choose_loads(group_program *g)
{
    g->block = (int64_t)g->walk.block;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        group_instruction *x = &g->instructions[i];
        int64_t period = x->kind == DO_LOAD ? period_of(x) : 0;
        if (period <= GROUP_BLOCK && (period + g->block) * g->values[x->result].size <= GROUP_REGISTER_BYTES)
            x->period = period;
    }
}

/* Registers by last use; values that leave keep theirs to the end (they may have to wait there), steady ones for ever. */
static bool assign_registers(compiler *c)
{
    group_program *g = c->g;
    int32_t *last = ARENA_ARRAY(c->b->scratch, int32_t, (size_t)g->value_count + 1), *owner;
    owner = ARENA_ARRAY(c->b->scratch, int32_t, (size_t)g->value_count + 1); /* of each register: value + 1 */
    if (!last || !owner)
        return false;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const group_instruction *x = &g->instructions[i];
        last[x->result] = i;
        for (int k = 0; x->kind != DO_LOAD && k < op_info_of(OP_SELECT)->sources; k++)
            if (x->operand[k] != NONE)
                last[x->operand[k]] = i;
    }
    for (int32_t i = 0; i < g->instruction_count; i++)
        if (g->instructions[i].period)
            g->values[g->instructions[i].result].which = g->register_count++;
    int32_t free = g->register_count; /* those before are taken */
    for (int32_t i = 0; i < g->instruction_count; i++) {
        int32_t r = free, result = g->instructions[i].result;
        if (g->instructions[i].period || g->instructions[i].kind == DO_REDUCE)
            continue;
        while (r < g->register_count && owner[r] &&
               (g->values[owner[r] - 1].out != NONE || last[owner[r] - 1] >= i))
            r++;
        if (r == g->register_count)
            g->register_count++;
        owner[r] = result + 1;
        g->values[result].which = r;
    }
    return true;
}

static void compile_member(compiler *c, int32_t i)
{
    const node *n = c->b->entries[i].n;
    group_program *g = c->g;
    group_instruction x = {.kind = codes[n->op].kind, .code = codes[n->op].code, .result_type = n->type,
                     .operand = {NONE, NONE, NONE}};
    for (int k = 0; k < n->source_count; k++)
        x.operand[k] = operand_value(c, n->sources[k]);
    x.type = n->op == OP_SELECT ? n->type : n->sources[0]->type;
    group_value v = {.where = IN_REGISTER, .out = NONE, .size = (uint8_t)element_size(node_type(n))};
    if (c->b->entries[i].escapes) {
        v.out = g->out_count;
        c->s->out[g->out_count++] = (location){c->b->entries[i].place, 0, node_bytes(n)};
    }
    x.result = add_value(c, v);
    remember(c, i, x.result);
    g->instructions[g->instruction_count++] = x;
}

/* A reduction that is made as the elements of its source pass. */
static void compile_reduction(compiler *c, int32_t i)
{
    const node *n = c->b->entries[i].n;
    group_program *g = c->g;
    step *s = c->s;
    group_instruction x = {.kind = DO_REDUCE, .code = g->reduction_count, .type = n->type, .result_type = n->type,
                     .operand = {operand_value(c, n->sources[0]), NONE, NONE}};
    group_reduction *r = &g->reductions[g->reduction_count++];
    reductions_of(n, c->b->reference, &r->r);
    g->walk = group_walk_of(&r->r.pass[0]);
    r->out = g->out_count;
    s->apart[g->out_count] = true;
    s->out[g->out_count++] = (location){c->b->entries[i].place, 0, node_bytes(n)};
    s->reductions++;
    r->scratch = s->scratch_bytes;
    s->scratch_bytes += aligned(reductions_scratch_bytes(&r->r));
    r->state = s->worker_bytes; /* which holds states alone until there are registers */
    s->worker_bytes += g->walk.parts ? aligned(kernel_reduction_state_bytes(&r->r.pass[0], g->walk.inner)) : 0;
    x.result = add_value(c, (group_value){.where = IN_RESULT, .out = NONE});
    g->instructions[g->instruction_count++] = x;
}

status prepare_group(plan_builder *b, step *s, const int32_t *members, int32_t count, error *err)
{
    arena *a = b->p->arena, *scratch = b->scratch;
    group_program *g = ARENA_NEW(a, group_program);
    compiler c = {.b = b, .g = g, .s = s, .value_of = b->value_of,
                  .touched = ARENA_ARRAY(scratch, int32_t, 4 * (size_t)count)};
    group_instruction *instructions = ARENA_ARRAY(scratch, group_instruction, 4 * (size_t)count);
    group_value *values = ARENA_ARRAY(scratch, group_value, 4 * (size_t)count);
    int32_t reduced = 0;
    for (int32_t m = 0; m < count; m++)
        reduced += !is_elementwise(b->entries[members[m]].n);
    if (g)
        g->reductions = ARENA_ARRAY(a, group_reduction, (size_t)reduced + 1);
    if (!g || !g->reductions || !c.touched || !instructions || !values)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    g->instructions = instructions;
    g->values = values;
    g->count = shape_count(b->entries[members[0]].n->shape);
    g->reference = b->reference;
    for (int32_t m = 0; m < count; m++)
        (is_elementwise(b->entries[members[m]].n) ? compile_member : compile_reduction)(&c, members[m]);
    for (int32_t i = 0; i < c.touched_count; i++)
        c.value_of[c.touched[i]] = 0;
    s->in_count = c.in_count;
    s->out_count = g->out_count;
    (reduced ? choose_loads : choose_block)(g);
    if (!assign_registers(&c))
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    g->instructions = ARENA_ARRAY(a, group_instruction, (size_t)g->instruction_count);
    g->values = ARENA_ARRAY(a, group_value, (size_t)g->value_count);
    if (!g->instructions || !g->values)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    memcpy(g->instructions, instructions, (size_t)g->instruction_count * sizeof *instructions);
    memcpy(g->values, values, (size_t)g->value_count * sizeof *values);
    s->run = run_group;
    s->data = g;
    g->states = (size_t)(g->register_count + 1) * GROUP_REGISTER_BYTES + aligned((size_t)g->value_count * sizeof(void *));
    s->worker_bytes += g->states;
    return STATUS_OK;
}
