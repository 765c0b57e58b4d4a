/* Checkpoints: values that a gradient computes again instead of keeping, and loops that use them. */
#include "graph/backward.h"

#include <math.h>

bool is_checkpointed(const node *n)
{
    return n->segment && n->segment != graph_segment(n->graph);
}

bool is_leaf(const node *n)
{
    return n->op == OP_INPUT || n->op == OP_CONSTANT || n->op == OP_FILL || n->op == OP_IOTA;
}

/* ---- one segment in the reverse sweep ---- */
typedef struct replay {
    backward *b;
    node *const *list;
    size_t count;
    node *token;   /* a gradient that comes into the segment: copies are made after it */
    node **copy;   /* by id less `low`: of nodes inside the copy, of nodes outside the value behind the token */
    node **outside; /* sources of the segment */
    size_t outside_count;
} replay;

static bool inside(const replay *r, const node *n)
{
    return n->segment == r->list[0]->segment && n->id >= r->list[0]->id && n->id <= r->list[r->count - 1]->id;
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

/* A copy that would equal its original (it reads inputs only) reads one of them behind the token. */
static void set_apart(const replay *r, const node *n, node **sources)
{
    for (int i = 0; i < n->source_count; i++)
        if (sources[i] != n->sources[i])
            return;
    for (int i = 0; i < n->source_count; i++)
        if (sources[i]->op == OP_INPUT && sources[i]->format == QUANT_PLAIN) {
            sources[i] = op_after(sources[i], r->token);
            return;
        }
}

static bool copy_nodes(replay *r)
{
    for (size_t k = 0; k < r->count; k++) {
        node *n = r->list[k], *sources[UINT8_MAX];
        if (is_leaf(n))
            continue;
        for (int i = 0; i < n->source_count; i++)
            sources[i] = read_again(r, n->sources[i]);
        set_apart(r, n, sources);
        node *copy = node_with_sources(n, sources, false);
        if (!copy)
            return false;
        copy->segment = graph_segment(n->graph);
        r->copy[n->id] = copy;
        if (r->b->again)
            r->b->again[n->id] = copy;
    }
    return true;
}

/* Activity and gradients of what was copied; an input that was set apart passes its gradient on by itself. */
static bool hand_over(replay *r)
{
    backward *b = r->b;
    if (!backward_grow(b, r->token->graph))
        return false;
    for (size_t k = 0; k < r->count; k++) {
        const node *n = r->list[k], *copy = r->copy[n->id];
        if (!copy)
            continue;
        b->active[copy->id] = b->active[n->id];
        b->gradients[copy->id] = b->gradients[n->id];
        for (int i = 0; i < n->source_count; i++)
            if (copy->sources[i] != n->sources[i])
                b->active[copy->sources[i]->id] = b->active[n->sources[i]->id];
    }
    return true;
}

static bool sweep_copies(replay *r)
{
    backward *b = r->b;
    for (size_t k = r->count; k-- > 0;) {
        node *n = r->list[k], *copy = r->copy[n->id];
        if (!copy || !b->active[n->id])
            continue;
        backward_step(b, copy);
        b->gradients[n->id] = b->gradients[copy->id]; /* for who asked for it */
        for (int i = 0; i < copy->source_count; i++) { /* inputs that were set apart */
            node *apart = copy->sources[i];
            if (apart->op == OP_AFTER && n->sources[i]->op == OP_INPUT && b->gradients[apart->id])
                backward_add(b, n->sources[i], b->gradients[apart->id]);
        }
    }
    for (size_t i = 0; i < r->outside_count; i++) {
        node *source = r->outside[i], *d = b->gradients[r->copy[source->id]->id];
        if (d)
            backward_add(b, source, d);
    }
    return graph_status(r->token->graph, NULL) == STATUS_OK;
}

/* Sums of gradients that go on growing in earlier segments are made now: kept back, their terms would pile up. */
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
    replay r = {.b = b, .list = list, .count = count};
    size_t sources = 0;
    for (size_t k = 0; k < count; k++) {
        r.token = b->gradients[list[k]->id] ? b->gradients[list[k]->id] : r.token;
        sources += list[k]->source_count;
    }
    if (!r.token)
        return true;
    arena *scratch = arena_new(NULL);
    r.copy = ARENA_ARRAY(scratch, node *, (size_t)list[count - 1]->id + 1);
    r.outside = ARENA_ARRAY(scratch, node *, sources + 1);
    bool good = r.copy && r.outside && copy_nodes(&r) && hand_over(&r) && sweep_copies(&r) && settle_sums(&r);
    arena_free(scratch);
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
    bool mine = interval >= 0 && graph_segment(g) == 0;
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
