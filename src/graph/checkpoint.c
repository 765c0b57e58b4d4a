/* Checkpoints: values that a gradient computes again instead of keeping, and loops that use them. */
#include "graph/backward.h"

#include <math.h>

static bool is_open(const graph *g, uint32_t segment)
{
    for (uint32_t s = graph_segment(g); s; s = graph_segment_around(g, s))
        if (s == segment)
            return true;
    return false;
}

uint32_t checkpoint_of(const node *n)
{
    uint32_t outermost = 0;
    for (uint32_t s = n->segment; s && !is_open(n->graph, s); s = graph_segment_around(n->graph, s))
        outermost = s;
    return outermost;
}

bool is_leaf(const node *n)
{
    return n->op == OP_INPUT || n->op == OP_CONSTANT || n->op == OP_FILL || n->op == OP_IOTA;
}

/* ---- one checkpoint in the reverse sweep ---- */
typedef struct again {
    uint32_t of, is;
} again;

typedef struct replay {
    arena *scratch;
    backward *b;
    node *const *list;
    size_t count;
    uint32_t checkpoint;
    node *token;    /* a gradient that comes into the checkpoint: copies are made after it */
    node **copy;    /* by id: of nodes inside the copy, of nodes outside the value behind the token */
    node **outside; /* sources of the checkpoint */
    size_t outside_count;
    node **made;    /* the copies, and the inputs that were set apart for them, in order of ids */
    size_t made_count;
    again *inner;    /* checkpoints inside of this one, and those of their copies */
    size_t inner_count, inner_capacity;
} replay;

static bool inside(const replay *r, const node *n)
{
    return n->id >= r->list[0]->id && n->id <= r->list[r->count - 1]->id && checkpoint_of(n) == r->checkpoint;
}

/* What a copy reads instead of `source`. Leaves stay as they are: they are there anyway, and packed weights are found by them. */
static node *read_again(replay *r, node *source)
{
    bool leaf = is_leaf(source) || (source->op == OP_STOP_GRADIENT && is_leaf(source->sources[0]));
    if (inside(r, source) || leaf)
        return r->copy[source->id] ? r->copy[source->id] : source;
    if (!r->copy[source->id]) {
        r->copy[source->id] = op_after(source, r->token);
        r->outside[r->outside_count++] = source;
    }
    return r->copy[source->id];
}

/* The same for source i of a node inside. What stands behind a token from outside stands behind this one's instead. */
static node *source_again(replay *r, const node *n, int i)
{
    bool token = n->op == OP_AFTER && i == 1 && !inside(r, n->sources[1]);
    return token ? r->token : read_again(r, n->sources[i]);
}

/* The checkpoint of the copies of what is in `segment`: for this one the one that is being built, for one inside a new one. */
static uint32_t segment_again(replay *r, uint32_t segment)
{
    graph *g = r->token->graph;
    if (segment == r->checkpoint)
        return graph_segment(g);
    for (size_t i = r->inner_count; i-- > 0;)
        if (r->inner[i].of == segment)
            return r->inner[i].is;
    uint32_t around = segment_again(r, graph_segment_around(g, segment));
    if (r->inner_count == r->inner_capacity) {
        size_t capacity = 2 * r->inner_capacity + 16;
        again *grown = arena_regrow(r->scratch, r->inner, r->inner_count, capacity, sizeof *grown);
        if (!grown) {
            graph_fail(g);
            return around;
        }
        r->inner = grown;
        r->inner_capacity = capacity;
    }
    r->inner[r->inner_count] = (again){segment, graph_new_segment(g, around)};
    return r->inner[r->inner_count++].is;
}

/* A copy that would equal its original (it reads inputs only) reads one of them behind the token: that, or NULL. */
static node *set_apart(const replay *r, const node *n, node **sources)
{
    for (int i = 0; i < n->source_count; i++)
        if (sources[i] != n->sources[i])
            return NULL;
    for (int i = 0; i < n->source_count; i++)
        if (sources[i]->op == OP_INPUT && sources[i]->format == QUANT_PLAIN)
            return sources[i] = op_after(sources[i], r->token);
    return NULL;
}

static bool copy_nodes(replay *r)
{
    for (size_t k = 0; k < r->count; k++) /* what is outside first, so that copies stand beside each other */
        for (int i = 0; i < r->list[k]->source_count; i++)
            if (!inside(r, r->list[k]->sources[i]))
                source_again(r, r->list[k], i);
    for (size_t k = 0; k < r->count; k++) {
        node *n = r->list[k], *sources[UINT8_MAX];
        if (is_leaf(n))
            continue;
        for (int i = 0; i < n->source_count; i++)
            sources[i] = source_again(r, n, i);
        node *apart = set_apart(r, n, sources), *copy = node_with_sources(n, sources, false);
        if (!copy)
            return false;
        copy->segment = segment_again(r, n->segment);
        if (apart) {
            apart->segment = copy->segment;
            r->made[r->made_count++] = apart;
        }
        r->made[r->made_count++] = copy;
        r->copy[n->id] = copy;
    }
    return true;
}

/* Activity and gradients of what was copied. */
static bool hand_over(replay *r)
{
    backward *b = r->b;
    if (!backward_grow(b, r->token->graph))
        return false;
    for (size_t k = 0; k < r->count; k++) {
        const node *n = r->list[k];
        node *copy = r->copy[n->id];
        if (!copy)
            continue;
        uint32_t origin = b->origins[n->id] ? b->origins[n->id] : n->id + 1;
        b->origins[copy->id] = origin;
        if (b->again && origin <= b->again_count)
            b->again[origin - 1] = copy;
        b->active[copy->id] = b->active[n->id];
        b->gradients[copy->id] = b->gradients[n->id];
        for (int i = 0; i < n->source_count; i++)
            if (copy->sources[i] != n->sources[i] && copy->sources[i] != r->token)
                b->active[copy->sources[i]->id] = b->active[n->sources[i]->id];
    }
    return true;
}

static bool sweep_copies(replay *r)
{
    backward *b = r->b;
    if (!backward_sweep(b, r->made, r->made_count))
        return false;
    for (size_t k = 0; k < r->count; k++) {
        const node *n = r->list[k], *copy = r->copy[n->id];
        if (copy && b->active[n->id])
            b->gradients[n->id] = b->gradients[copy->id]; /* for who asked for it */
    }
    for (size_t i = 0; i < r->outside_count; i++) {
        node *source = r->outside[i], *d = b->gradients[r->copy[source->id]->id];
        if (d)
            backward_add(b, source, d);
    }
    return graph_status(r->token->graph, NULL) == STATUS_OK;
}

/* Sums of gradients that go on growing in earlier checkpoints are made now: kept back, their terms would pile up. */
static bool settle_sums(const replay *r)
{
    backward *b = r->b;
    for (size_t k = 0; k < r->count; k++)
        for (int i = 0; i < r->list[k]->source_count; i++) {
            const node *source = r->list[k]->sources[i];
            node **sum = &b->gradients[source->id];
            if (inside(r, source) || !*sum || (*sum)->op == OP_AFTER || (*sum)->op == OP_PAD || (*sum)->op == OP_CONCAT)
                continue; /* parts that lie beside each other are held anyway */
            if (!(*sum = op_after(*sum, *sum)))
                return false;
        }
    return true;
}

bool backward_through_checkpoint(backward *b, node *const *list, size_t count)
{
    replay r = {.b = b, .list = list, .count = count, .checkpoint = checkpoint_of(list[0])};
    size_t sources = 0;
    for (size_t k = 0; k < count; k++) {
        r.token = b->gradients[list[k]->id] ? b->gradients[list[k]->id] : r.token;
        sources += list[k]->source_count;
    }
    if (!r.token)
        return true;
    r.scratch = arena_new(NULL);
    r.copy = ARENA_SPARSE(r.scratch, node *, (size_t)list[count - 1]->id + 1);
    r.outside = ARENA_ARRAY(r.scratch, node *, sources + 1);
    r.made = ARENA_ARRAY(r.scratch, node *, 2 * count);
    bool good = r.copy && r.outside && r.made && copy_nodes(&r) && hand_over(&r) && sweep_copies(&r) && settle_sums(&r);
    arena_free(r.scratch);
    return good;
}

/* ---- loops ---- */
static bool refuse_change(size_t i, const node *first, const node *last)
{
    char before[NODE_TEXT], after[NODE_TEXT];
    graph_refuse(first->graph, "scan: value %zu begins as %s and becomes %s: shapes and types stay the same", i,
                 node_text(first, before), node_text(last, after));
    return false;
}

bool graph_scan(graph *g, int64_t steps, int64_t interval, graph_scan_body *body, void *context, node *const *first,
                size_t count, node **last)
{
    if (!g)
        return false;
    bool mine = interval >= 0;
    if (interval == 0)
        interval = (int64_t)ceil(sqrt((double)(steps > 0 ? steps : 1)));
    arena *scratch = arena_new(NULL);
    node **state = ARENA_ARRAY(scratch, node *, count + 1);
    bool good = state != NULL;
    for (size_t i = 0; good && i < count; i++) {
        state[i] = last[i] = first[i];
        good = first[i] != NULL;
    }
    for (int64_t k = 0; good && k < steps; k++) {
        if (mine && k % interval == 0)
            graph_checkpoint_begin(g);
        good = body(context, k, state, last);
        for (size_t i = 0; good && i < count; i++) {
            good = last[i] != NULL;
            if (good && (last[i]->type != first[i]->type || !shape_equal(last[i]->shape, first[i]->shape)))
                good = refuse_change(i, first[i], last[i]);
            state[i] = last[i];
        }
        if (mine && (!good || (k + 1) % interval == 0 || k + 1 == steps))
            graph_checkpoint_end(g);
    }
    arena_free(scratch);
    if (!good)
        graph_fail(g);
    return good;
}
