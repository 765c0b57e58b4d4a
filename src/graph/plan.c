#include "graph/plan_internal.h"

#include "core/progress.h"

static bool must_lower(plan_builder *b, const node *n)
{
    return rule_lower(n->op) && (b->reference || !has_fast_kernel(b, n));
}

static node *lower_slow(void *context, node *original, node *rebuilt)
{
    plan_builder *b = context;
    (void)original;
    while (rebuilt && must_lower(b, rebuilt))
        rebuilt = rule_lower(rebuilt->op)(rebuilt);
    return rebuilt;
}

/* Lowers what has no fast kernel (for these types), until nothing such is left. */
static bool lower_for_plan(plan_builder *b)
{
    for (;;) {
        size_t n;
        node **list = graph_reach(b->scratch, b->outputs, b->output_count, &n);
        bool found = false;
        for (size_t i = 0; list && i < n && !found; i++)
            found = must_lower(b, list[i]);
        if (!list || !found)
            return list || b->output_count == 0;
        if (!graph_rebuild_places(b->outputs, b->output_count, lower_slow, b, b->outputs))
            return false;
    }
}

int32_t input_number(const plan *p, const node *input)
{
    size_t low = 0, high = p->sorted_inputs;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->inputs[middle].n->id < input->id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < p->sorted_inputs && p->inputs[low].n == input)
        return (int32_t)low;
    for (size_t i = p->sorted_inputs; i < p->input_count; i++)
        if (p->inputs[i].n == input)
            return (int32_t)i;
    return NONE;
}

static int by_id(const void *x, const void *y)
{
    const plan_input *a = x, *b = y;
    return a->n->id < b->n->id ? -1 : a->n->id > b->n->id;
}

/* Entries of what the outputs need, the table of inputs, the table of results. */
static status list_nodes(plan_builder *b, const plan_options *o, error *err)
{
    plan *p = b->p;
    uint32_t last;
    node **list = graph_reach_places(b->scratch, b->outputs, b->output_count, &b->n, &last);
    b->entries = ARENA_ARRAY(b->scratch, entry, b->n + 1);
    b->index = ARENA_ARRAY(b->scratch, int32_t, (size_t)last + 1);
    b->groups = ARENA_ARRAY(b->scratch, group, b->n + 1);
    b->next_member = ARENA_ARRAY(b->scratch, int32_t, b->n + 1);
    b->last_member = ARENA_ARRAY(b->scratch, int32_t, b->n + 1);
    b->packs = ARENA_ARRAY(b->scratch, packed *, b->n + 1);
    b->value_of = ARENA_ARRAY(b->scratch, int32_t, b->n + 1);
    size_t inputs = 0;
    for (size_t i = 0; list && i < b->n; i++)
        inputs += list[i]->op == OP_INPUT;
    p->inputs = ARENA_ARRAY(p->arena, plan_input, inputs + o->donation_count + 1);
    if ((!list && b->output_count) || !b->entries || !b->index || !b->groups || !b->next_member || !b->last_member || !b->packs || !b->value_of || !p->inputs)
        return error_set(err, STATUS_MEMORY, "no memory to plan");
    for (size_t i = 0; i < b->n; i++) {
        b->entries[i].n = list[i];
        b->index[list[i]->id] = (int32_t)i;
        if (list[i]->op == OP_INPUT)
            p->inputs[p->input_count++] = (plan_input){.n = list[i], .donated_to = NONE};
    }
    if (p->input_count)
        qsort(p->inputs, p->input_count, sizeof *p->inputs, by_id); /* nodes come by place, inputs are looked up by id */
    p->sorted_inputs = p->input_count;
    for (size_t i = 0; i < b->n; i++)
        if (list[i]->op == OP_INPUT)
            b->entries[i].input = input_number(p, list[i]);
    for (size_t i = 0; i < o->frozen_count; i++) {
        int32_t k = input_number(p, o->frozen[i]);
        if (k != NONE)
            p->inputs[k].frozen = true;
    }
    return STATUS_OK;
}

static status take_donations(plan_builder *b, const plan_options *o, error *err)
{
    plan *p = b->p;
    char left[NODE_TEXT], right[NODE_TEXT];
    for (size_t d = 0; d < o->donation_count; d++) {
        const node *in = o->donations[d].input;
        size_t out = o->donations[d].output;
        if (out >= b->output_count)
            BUG("input %s is donated to output %zu, which does not exist", in->site, out);
        if (!shape_equal(in->shape, b->outputs[out]->shape) || in->type != b->outputs[out]->type || in->format != QUANT_PLAIN)
            return error_set(err, STATUS_INVALID, "the buffer of input %s cannot hold output %zu, %s", node_text(in, left), out,
                             node_text(b->outputs[out], right));
        int32_t k = input_number(p, in);
        if (k == NONE) { /* no output reads it: it is only a place to write to */
            k = (int32_t)p->input_count;
            p->inputs[p->input_count++] = (plan_input){.n = in, .donated_to = NONE, .needed = true};
        }
        if (p->inputs[k].donated_to != NONE || p->results[out].donor != NONE || p->inputs[k].frozen)
            BUG("input %s or output %zu is donated twice, or frozen", in->site, out);
        p->inputs[k].donated_to = (int32_t)out;
        p->inputs[k].needed = true;
        p->results[out].donor = k;
    }
    return STATUS_OK;
}

static status build(plan_builder *b, const plan_options *o, error *err)
{
    plan *p = b->p;
    b->reference = o->reference;
    b->unfused = o->unfused;
    b->shared = o->packs;
    p->profile = o->profile;
    b->threads = p->threads;
    p->results = ARENA_ARRAY(p->arena, plan_result, b->output_count + 1);
    if (!p->results || !lower_for_plan(b))
        return error_set(err, STATUS_MEMORY, "no memory to plan");
    p->result_count = b->output_count;
    for (size_t i = 0; i < b->output_count; i++)
        p->results[i] = (plan_result){.n = b->outputs[i], .donor = NONE,
                                       .bytes = (size_t)shape_count(b->outputs[i]->shape) * element_size(node_type(b->outputs[i]))};
    TRY(list_nodes(b, o, err));
    p->counts.nodes = b->n;
    TRY(stored_check(b, err));
    TRY(take_donations(b, o, err));
    TRY(plan_reduce(b, err));
    plan_fuse(b);
    TRY(plan_make_steps(b, err));
    TRY(plan_lay_out(b, o, err));
    int32_t most = 1;
    for (size_t i = 0; i < p->step_count; i++) {
        most = p->steps[i]->in_count > most ? p->steps[i]->in_count : most;
        most = p->steps[i]->out_count > most ? p->steps[i]->out_count : most;
    }
    p->in = ARENA_ARRAY(p->arena, const void *, (size_t)most);
    p->out = ARENA_ARRAY(p->arena, void *, (size_t)most);
    p->base = ARENA_ARRAY(p->arena, char *, p->place_count + 1);
    return p->in && p->out && p->base ? STATUS_OK : error_set(err, STATUS_MEMORY, "no memory to plan");
}

status plan_new(graph *g, node *const *outputs, size_t count, const plan_options *options, plan **out, error *err)
{
    static const plan_options defaults;
    const plan_options *o = options ? options : &defaults;
    *out = NULL;
    TRY(graph_status(g, err));
    arena *a = arena_new(NULL), *scratch = arena_new(NULL);
    plan *p = ARENA_NEW(a, plan);
    plan_builder b = {.p = p, .scratch = scratch, .output_count = count,
                      .outputs = ARENA_ARRAY(scratch, node *, count + 1)};
    status result = STATUS_MEMORY;
    if (!p || !b.outputs) {
        error_set(err, STATUS_MEMORY, "no memory to plan");
        goto done;
    }
    p->arena = a;
    p->dirty = true;
    p->threads = o->threads ? o->threads : thread_processors();
    for (size_t i = 0; i < count; i++) {
        if (!outputs[i] || outputs[i]->graph != g)
            BUG("output %zu is missing or belongs to another graph", i);
        b.outputs[i] = outputs[i];
    }
    result = build(&b, o, err);
    if (result == STATUS_MEMORY && graph_status(g, NULL) == STATUS_INVALID) /* what an operation means has shapes that do not fit */
        result = graph_status(g, err);
done:
    arena_free(scratch);
    if (result == STATUS_OK)
        *out = p;
    else
        arena_free(a);
    return result;
}

void plan_free(plan *p)
{
    if (!p)
        return;
    memory_free(p->slab);
    memory_free(p->kept);
    memory_free(p->workers);
    arena_free(p->arena);
}

size_t plan_peak_bytes(const plan *p)
{
    return p->slab_bytes + p->kept_bytes + p->threads * p->worker_stride;
}

size_t plan_steps(const plan *p)
{
    return p->step_count;
}

void plan_bind_mutable(plan *p, const node *input, void *elements)
{
    if (!input || input->op != OP_INPUT)
        BUG("only inputs can be bound");
    int32_t i = input_number(p, input);
    if (i == NONE)
        return;
    p->inputs[i].bound = elements;
    p->dirty = p->dirty || p->inputs[i].frozen;
}

void plan_bind(plan *p, const node *input, const void *elements)
{
    int32_t i = input && input->op == OP_INPUT ? input_number(p, input) : NONE;
    if (i != NONE && p->inputs[i].donated_to != NONE)
        BUG("input %s is donated: bind it with plan_bind_mutable", input->site);
    union { /* read only: nothing is written through it */
        const void *from;
        void *to;
    } u = {.from = elements};
    plan_bind_mutable(p, input, u.to);
}

void plan_bind_output(plan *p, size_t i, void *elements)
{
    if (i >= p->result_count || p->results[i].donor != NONE)
        BUG("output %zu does not exist or has a donated buffer", i);
    p->results[i].bound = elements;
}

static status allocate(plan *p, error *err)
{
    if (!p->slab)
        p->slab = memory_alloc(p->slab_bytes + ALIGNMENT);
    if (!p->kept)
        p->kept = memory_alloc(p->kept_bytes + ALIGNMENT);
    if (!p->workers)
        p->workers = memory_alloc(p->threads * p->worker_stride + ALIGNMENT);
    if (!p->slab || !p->kept || !p->workers)
        return error_set(err, STATUS_MEMORY, "no memory for a plan of %zu bytes", plan_peak_bytes(p));
    return STATUS_OK;
}

static status resolve_places(plan *p, error *err)
{
    for (size_t i = 0; i < p->input_count; i++)
        if (p->inputs[i].needed && !p->inputs[i].bound && shape_count(p->inputs[i].n->shape) > 0)
            return error_set(err, STATUS_USAGE, "input %s of a plan is not bound", p->inputs[i].n->site);
    for (size_t i = 0; i < p->place_count; i++) {
        const place *x = &p->places[i];
        union {
            const void *from;
            char *to;
        } constant = {.from = x->constant};
        switch (x->kind) {
        case PLACE_INPUT:
            p->base[i] = p->inputs[x->input].bound;
            break;
        case PLACE_CONSTANT:
            p->base[i] = constant.to;
            break;
        case PLACE_SLAB:
            p->base[i] = p->slab + x->offset;
            break;
        case PLACE_KEPT:
            p->base[i] = p->kept + x->offset;
            if (x->result != NONE && p->results[x->result].bound)
                p->base[i] = p->results[x->result].bound;
            break;
        }
    }
    return STATUS_OK;
}

static void *address(const plan *p, location at)
{
    char *base = at.place == NONE ? NULL : p->base[at.place];
    return base ? base + at.offset : NULL; /* NULL: an input or a result without elements */
}

static void note_time(step *s, double seconds)
{
    s->least = s->seconds == 0 || seconds < s->least ? seconds : s->least;
    s->seconds += seconds;
}

status plan_run(plan *p, thread_pool *pool, error *err)
{
    if (thread_pool_size(pool) > p->threads)
        return error_set(err, STATUS_USAGE, "the plan was made for %zu threads, the pool has %zu", p->threads,
                         thread_pool_size(pool));
    TRY(allocate(p, err));
    TRY(resolve_places(p, err));
    step_memory m = {.pool = pool, .in = p->in, .out = p->out, .worker = p->workers, .worker_stride = p->worker_stride};
    for (size_t i = 0; i < p->step_count; i++) {
        step *s = p->steps[i];
        if (s->once && !p->dirty)
            continue;
        for (int k = 0; k < s->in_count; k++)
            p->in[k] = address(p, s->in[k]);
        for (int k = 0; k < s->out_count; k++)
            p->out[k] = address(p, s->out[k]);
        m.scratch = address(p, s->scratch);
        double begin = p->profile ? clock_seconds() : 0;
        s->run(s, &m);
        if (p->profile)
            note_time(s, clock_seconds() - begin);
    }
    p->dirty = false;
    p->profiled += p->profile;
    for (size_t i = 0; i < p->result_count; i++) {
        const plan_result *r = &p->results[i];
        if (r->donor != NONE && !r->in_place && r->bytes)
            memcpy(p->inputs[r->donor].bound, address(p, r->at), r->bytes);
    }
    return STATUS_OK;
}

const void *plan_output(const plan *p, size_t i)
{
    if (i >= p->result_count)
        BUG("no output %zu", i);
    const plan_result *r = &p->results[i];
    return r->donor != NONE ? p->inputs[r->donor].bound : address(p, r->at);
}

size_t plan_profile(const plan *p, plan_step_profile *out, size_t capacity)
{
    for (size_t i = 0; i < p->step_count && i < capacity; i++) {
        const step *s = p->steps[i];
        out[i] = (plan_step_profile){.name = s->name, .implementation = s->implementation, .members = s->members, .node = s->node,
                                     .seconds = s->seconds, .least = s->least, .flops = s->flops, .nodes = s->nodes, .once = s->once};
        for (int k = 0; k < s->in_count; k++)
            out[i].read += s->in[k].bytes;
        for (int k = 0; k < s->out_count; k++)
            out[i].written += s->out[k].place == NONE ? 0 : s->out[k].bytes;
    }
    return p->step_count;
}

uint64_t plan_profiled_runs(const plan *p)
{
    return p->profiled;
}

void plan_profile_clear(plan *p)
{
    p->profiled = 0;
    for (size_t i = 0; i < p->step_count; i++)
        p->steps[i]->seconds = p->steps[i]->least = 0;
}

void plan_profile_switch(plan *p, bool on)
{
    p->profile = on;
}

plan_counts plan_counts_of(const plan *p)
{
    plan_counts c = p->counts;
    c.steps = p->step_count;
    c.slab_bytes = p->slab_bytes;
    c.kept_bytes = p->kept_bytes;
    c.worker_bytes = p->threads * p->worker_stride;
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = p->steps[i];
        bool grouped = strcmp(s->name, "elementwise") == 0;
        c.computed += s->nodes;
        c.once += s->once ? s->nodes : 0;
        c.grouped += grouped ? s->nodes : 0;
        c.groups += grouped;
        c.reductions += s->reductions;
    }
    for (size_t i = 0; i < p->result_count; i++) {
        c.donations += p->results[i].donor != NONE;
        c.in_place += p->results[i].in_place;
    }
    return c;
}
