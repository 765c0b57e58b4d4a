/* Groups of elementwise nodes as one step: a small program, run on blocks that stay in the cache.
 *
 * A broadcast whose elements come again after a short period (a bias over the last axis) is read once for each task: blocks
 * are whole periods long, so that the register that holds it is right for all of them.
 *
 * Every value keeps its own element type in a block, so a grouped node rounds exactly as one on its own. A value
 * that is needed outside is written to its place directly; where that place is also a source (a donated buffer), it
 * is kept in a register until the block's end. */
#include "graph/plan_internal.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

enum { BLOCK = 2048, BLOCKS_PER_TASK = 16, REGISTER_BYTES = BLOCK * 8 };

#define X(name, word, bytes) _Static_assert((int)TYPE_##name == (int)KERNEL_##name, "types agree with the kernels'");
ELEMENT_TYPES(X)
#undef X

typedef enum instruction_kind { DO_LOAD, DO_UNARY, DO_BINARY, DO_COMPARE, DO_SELECT, DO_CAST } instruction_kind;

static const struct {
    instruction_kind kind;
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
};

/* A value of the program: where a block of it is found. */
typedef struct value {
    enum { IN_REGISTER, IN_SOURCE, IN_SCALAR, IN_NUMBER } where;
    int32_t which; /* register, or source */
    int32_t out;   /* result it is written to, or NONE */
    uint8_t size;  /* bytes of an element */
    double number[1];
} value;

typedef struct instruction {
    instruction_kind kind;
    int code, type;  /* type of the operands (of a cast: of its source) */
    int result_type;
    int32_t operand[3], result; /* values */
    int rank;                   /* DO_LOAD: sizes and strides (in elements), outermost first */
    int64_t size[RANK_MAX], stride[RANK_MAX];
    bool steady;                /* DO_LOAD: the same for every block */
} instruction;

typedef struct program {
    int64_t count, block; /* elements; of a block: at most BLOCK */
    int32_t instruction_count, value_count, register_count, out_count;
    instruction *instructions;
    value *values;
    bool reference;
} program;

/* ---- compiling ---- */
typedef struct compiler {
    plan_builder *b;
    program *g;
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

static int32_t add_value(compiler *c, value v)
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
static void broadcast_strides(const node *n, instruction *x)
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
    value v = {.size = (uint8_t)element_size(node_type(n)), .out = NONE};
    int32_t result;
    if (n->op == OP_FILL) {
        v.where = IN_NUMBER;
        reference_set((kernel_type)n->type, v.number, 0, n->attributes->x[0]);
        result = add_value(c, v);
    } else if (n->op == OP_BROADCAST) {
        instruction load = {.kind = DO_LOAD};
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
static int64_t period_of(const instruction *x)
{
    int64_t period = 1;
    for (int i = 1; i < x->rank; i++)
        period *= x->size[i];
    return x->rank > 1 && x->stride[0] == 0 ? period : 0;
}

/* Blocks of whole periods, of as many loads as have room. */
static void choose_block(program *g)
{
    int64_t whole = 1;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        instruction *x = &g->instructions[i];
        int64_t period = x->kind == DO_LOAD ? period_of(x) : 0, a = whole, b = period;
        if (period == 0 || period > BLOCK)
            continue;
        while (b) { /* Euclid */
            int64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (whole / a * period > BLOCK)
            continue;
        whole = whole / a * period;
        x->steady = true;
    }
    g->block = BLOCK / whole * whole;
}

/* Registers by last use; values that leave keep theirs to the end (they may have to wait there), steady ones for ever. */
static bool assign_registers(compiler *c)
{
    program *g = c->g;
    int32_t *last = ARENA_ARRAY(c->b->scratch, int32_t, (size_t)g->value_count + 1), *owner;
    owner = ARENA_ARRAY(c->b->scratch, int32_t, (size_t)g->value_count + 1); /* of each register: value + 1 */
    if (!last || !owner)
        return false;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const instruction *x = &g->instructions[i];
        last[x->result] = i;
        for (int k = 0; x->kind != DO_LOAD && k < op_info_of(OP_SELECT)->sources; k++)
            if (x->operand[k] != NONE)
                last[x->operand[k]] = i;
    }
    for (int32_t i = 0; i < g->instruction_count; i++)
        if (g->instructions[i].steady)
            g->values[g->instructions[i].result].which = g->register_count++;
    int32_t free = g->register_count; /* those before are taken */
    for (int32_t i = 0; i < g->instruction_count; i++) {
        int32_t r = free, result = g->instructions[i].result;
        if (g->instructions[i].steady)
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
    program *g = c->g;
    instruction x = {.kind = codes[n->op].kind, .code = codes[n->op].code, .result_type = n->type,
                     .operand = {NONE, NONE, NONE}};
    for (int k = 0; k < n->source_count; k++)
        x.operand[k] = operand_value(c, n->sources[k]);
    x.type = n->op == OP_SELECT ? n->type : n->sources[0]->type;
    value v = {.where = IN_REGISTER, .out = NONE, .size = (uint8_t)element_size(node_type(n))};
    if (c->b->entries[i].escapes) {
        v.out = g->out_count;
        c->s->out[g->out_count++] = (location){c->b->entries[i].place, 0, node_bytes(n)};
    }
    x.result = add_value(c, v);
    remember(c, i, x.result);
    g->instructions[g->instruction_count++] = x;
}

static step_run run_group;

status prepare_group(plan_builder *b, step *s, const int32_t *members, int32_t count, error *err)
{
    arena *a = b->p->arena, *scratch = b->scratch;
    program *g = ARENA_NEW(a, program);
    compiler c = {.b = b, .g = g, .s = s, .value_of = b->value_of,
                  .touched = ARENA_ARRAY(scratch, int32_t, 4 * (size_t)count)};
    instruction *instructions = ARENA_ARRAY(scratch, instruction, 4 * (size_t)count);
    value *values = ARENA_ARRAY(scratch, value, 4 * (size_t)count);
    if (!g || !c.touched || !instructions || !values)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    g->instructions = instructions;
    g->values = values;
    g->count = shape_count(b->entries[members[0]].n->shape);
    g->reference = b->reference;
    for (int32_t m = 0; m < count; m++)
        compile_member(&c, members[m]);
    for (int32_t i = 0; i < c.touched_count; i++)
        c.value_of[c.touched[i]] = 0;
    s->in_count = c.in_count;
    s->out_count = g->out_count;
    choose_block(g);
    if (!assign_registers(&c))
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    g->instructions = ARENA_ARRAY(a, instruction, (size_t)g->instruction_count);
    g->values = ARENA_ARRAY(a, value, (size_t)g->value_count);
    if (!g->instructions || !g->values)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    memcpy(g->instructions, instructions, (size_t)g->instruction_count * sizeof *instructions);
    memcpy(g->values, values, (size_t)g->value_count * sizeof *values);
    s->run = run_group;
    s->data = g;
    s->worker_bytes = (size_t)(g->register_count + 1) * REGISTER_BYTES + (size_t)g->value_count * sizeof(void *);
    return STATUS_OK;
}

/* ---- running ---- */
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

static void repeat_first(size_t size, size_t n, char *y)
{
    for (size_t done = size, all = n * size; done < all; done *= 2)
        memcpy(y + done, y, done <= all - done ? done : all - done);
}

/* Elements start .. start + n - 1 of a broadcast, in the order of its result: where they are, which is `to` unless they lie
 * next to each other in the source. */
static const void *load_block(const instruction *x, const char *from, size_t size, int64_t start, int64_t n, char *to)
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
    const program *g;
    const step_memory *m;
    bool deferred; /* a result lies over a source: stores wait for the block's end */
} group_job;

static void do_unary(const program *g, const instruction *x, size_t n, const void *a, size_t step_a, void *y)
{
    size_t count = step_a ? n : 1, size = element_size((element_type)x->result_type);
    if (x->kind == DO_CAST) {
        (g->reference ? reference_cast : kernel_cast)(count, (kernel_type)x->type, a, (kernel_type)x->result_type, y);
    } else {
        (g->reference ? reference_unary : kernel_unary)((kernel_unary_op)x->code, (kernel_type)x->type, count, a, y);
    }
    if (count < n)
        repeat_first(size, n, y);
}

static void do_compare(const program *g, const instruction *x, size_t n, const void *a, size_t step_a, const void *b,
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

static void run_block(const group_job *job, char *registers, const void **at, int64_t start, size_t n)
{
    const program *g = job->g;
    void *spare = registers + (size_t)g->register_count * REGISTER_BYTES;
    for (int32_t v = 0; v < g->value_count; v++) {
        const value *x = &g->values[v];
        if (x->where == IN_SOURCE)
            at[v] = (const char *)job->m->in[x->which] + (size_t)start * x->size;
        else if (x->where == IN_SCALAR)
            at[v] = job->m->in[x->which];
        else if (x->where == IN_NUMBER)
            at[v] = x->number;
    }
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const instruction *x = &g->instructions[i];
        const value *result = &g->values[x->result];
        char *y = registers + (size_t)result->which * REGISTER_BYTES;
        if (result->out != NONE && !job->deferred)
            y = (char *)job->m->out[result->out] + (size_t)start * result->size;
        if (x->kind == DO_LOAD) {
            if (!x->steady)
                at[x->result] = load_block(x, job->m->in[x->operand[0]], result->size, start, (int64_t)n, y);
            continue;
        }
        at[x->result] = y;
        const void *a[3] = {NULL};
        size_t steps[3] = {0};
        for (int k = 0; k < 3 && x->operand[k] != NONE; k++) {
            a[k] = at[x->operand[k]];
            steps[k] = g->values[x->operand[k]].where <= IN_SOURCE;
        }
        if (x->kind == DO_UNARY || x->kind == DO_CAST)
            do_unary(g, x, n, a[0], steps[0], y);
        else if (x->kind == DO_BINARY)
            (g->reference ? reference_binary : kernel_binary)((kernel_binary_op)x->code, (kernel_type)x->type, n, a[0],
                                                              steps[0], a[1], steps[1], y);
        else if (x->kind == DO_COMPARE)
            do_compare(g, x, n, a[0], steps[0], a[1], steps[1], y, spare);
        else
            kernel_select((kernel_type)x->type, n, a[0], steps[0], a[1], steps[1], a[2], steps[2], y);
    }
    for (int32_t v = 0; job->deferred && v < g->value_count; v++)
        if (g->values[v].out != NONE)
            memcpy((char *)job->m->out[g->values[v].out] + (size_t)start * g->values[v].size, at[v], n * g->values[v].size);
}

/* What is the same for every block of a task. */
static void load_steady(const group_job *job, char *registers, const void **at, int64_t n)
{
    const program *g = job->g;
    for (int32_t i = 0; i < g->instruction_count; i++) {
        const instruction *x = &g->instructions[i];
        const value *result = &g->values[x->result];
        if (x->steady)
            at[x->result] = load_block(x, job->m->in[x->operand[0]], result->size, 0, n,
                                       registers + (size_t)result->which * REGISTER_BYTES);
    }
}

static void group_task(void *context, size_t task, size_t worker)
{
    const group_job *job = context;
    char *registers = job->m->worker + worker * job->m->worker_stride;
    const void **at = (const void **)(void *)(registers + (size_t)(job->g->register_count + 1) * REGISTER_BYTES);
    int64_t block = job->g->block, start = (int64_t)task * block * BLOCKS_PER_TASK, end = start + block * BLOCKS_PER_TASK;
    if (end > job->g->count)
        end = job->g->count;
    load_steady(job, registers, at, end - start < block ? end - start : block);
    for (; start < end; start += block)
        run_block(job, registers, at, start, (size_t)(end - start < block ? end - start : block));
}

static void run_group(const step *s, const step_memory *m)
{
    const program *g = s->data;
    group_job job = {.g = g, .m = m};
    for (int32_t i = 0; i < s->in_count; i++)
        for (int32_t o = 0; o < s->out_count; o++)
            job.deferred = job.deferred || m->in[i] == m->out[o];
    int64_t task = g->block * BLOCKS_PER_TASK;
    thread_pool_run(m->pool, (size_t)((g->count + task - 1) / task), group_task, &job);
}
