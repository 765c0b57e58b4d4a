/* Reverse and forward mode over any graph. Each is one sweep in order of ids, after what has no rule was lowered. */
#include "graph/backward.h"

bool backward_grow(backward *b, const graph *g)
{
    size_t ids = graph_size(g);
    if (ids <= b->capacity)
        return true;
    node **gradients = arena_regrow(b->arena, b->gradients, b->capacity, 2 * ids, sizeof *gradients);
    bool *active = arena_regrow(b->arena, b->active, b->capacity, 2 * ids, sizeof *active);
    uint32_t *origins = arena_regrow(b->arena, b->origins, b->capacity, 2 * ids, sizeof *origins);
    if (!gradients || !active || !origins)
        return false;
    b->origins = origins;
    b->gradients = gradients;
    b->active = active;
    b->capacity = 2 * ids;
    return true;
}

bool backward_wants(const backward *b, const node *source)
{
    return b->active[source->id];
}

void backward_add(backward *b, node *source, node *contribution)
{
    if (!b->active[source->id])
        return;
    if (!contribution)
        graph_fail(source->graph);
    node **slot = &b->gradients[source->id], *joined = *slot ? node_joined_pads(*slot, contribution) : NULL;
    *slot = joined ? joined : *slot ? op_add(*slot, contribution) : contribution;
}

/* ---- which nodes depend on the variables, smoothly ---- */
/* The first node that can matter: the first variable (nothing before it depends on one), or the first output, or where the
 * checkpoint begins in which that lies. So the gradient of a step of a loop does not cost more with every step before it. */
static uint32_t first_that_matters(node *const *outputs, size_t output_count, node *const *wrt, size_t count)
{
    uint32_t first = outputs[0]->id;
    for (size_t i = 0; i < output_count; i++)
        first = outputs[i]->id < first ? outputs[i]->id : first;
    for (size_t i = 0; i < count; i++)
        first = wrt[i]->id < first ? wrt[i]->id : first;
    const graph *g = outputs[0]->graph;
    for (uint32_t within = checkpoint_of(graph_node_at(g, first)); within && first > 0; first--)
        if (checkpoint_of(graph_node_at(g, first - 1)) != within)
            break;
    return first;
}

static bool *mark_active(arena *a, node *const *list, size_t n, node *const *wrt, size_t count)
{
    uint32_t last = list[n - 1]->id;
    for (size_t i = 0; i < count; i++)
        if (wrt[i]->id > last)
            last = wrt[i]->id;
    bool *active = ARENA_SPARSE(a, bool, (size_t)last + 1);
    if (!active)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        active[wrt[i]->id] = true;
    }
    for (size_t i = 0; i < n; i++) {
        const node *m = list[i];
        if (!node_is_float(m) || op_info_of(m->op)->order == 0)
            continue;
        for (int s = 0; s < m->source_count && !active[m->id]; s++)
            active[m->id] = active[m->sources[s]->id];
    }
    return active;
}

/* ---- lowering what has no rule ---- */
typedef struct lowering {
    const bool *active;
    node **wrt; /* replaced by what they become */
    node *const *originals;
    size_t count;
    bool *moving; /* by checkpoint_of: those with active nodes, which stay together when any of them changes */
    bool reverse;
} lowering;

static bool has_rule(const node *n, bool reverse)
{
    if (!reverse)
        return rule_jvp(n->op) != NULL;
    return rule_grad(n->op) && n->attributes->part == 0;
}

static bool is_variable(const lowering *l, const node *original)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->originals[i] == original)
            return true;
    return false;
}

static bool depends_on_variable(const lowering *l, const node *n)
{
    for (int s = 0; s < n->source_count; s++)
        if (l->active[n->sources[s]->id])
            return true;
    return false;
}

static node *lower_without_rule(void *context, node *original, node *rebuilt)
{
    lowering *l = context;
    node *result = rebuilt;
    uint32_t within = checkpoint_of(original);
    if (rebuilt == original && within && l->moving[within] && !is_leaf(original))
        rebuilt = result = node_with_sources(original, original->sources, true);
    if (!rebuilt)
        return NULL;
    if (l->active[original->id] && depends_on_variable(l, original) && !has_rule(original, l->reverse)) {
        if (!rule_lower(original->op))
            BUG("%s has neither a rule nor a lowering", op_info_of(original->op)->name);
        uint32_t before = graph_set_segment(original->graph, original->segment);
        result = rule_lower(original->op)(rebuilt);
        if (is_variable(l, original))
            result = op_identity(result); /* a value of its own, whatever it was lowered to */
        graph_set_segment(original->graph, before);
    }
    if (result != original)
        for (size_t i = 0; i < l->count; i++)
            if (l->originals[i] == original)
                l->wrt[i] = result;
    return result;
}

bool graph_lower_active(arena *a, node **outputs, size_t outputs_count, node **wrt, size_t count, bool reverse)
{
    for (;;) {
        size_t n;
        uint32_t first = first_that_matters(outputs, outputs_count, wrt, count);
        node **list = graph_reach_from(a, outputs, outputs_count, first, &n);
        node **originals = ARENA_ARRAY(a, node *, count);
        bool *active = list ? mark_active(a, list, n, wrt, count) : NULL;
        if (!active || !originals)
            return false;
        bool lacking = false;
        lowering l = {.active = active, .wrt = wrt, .originals = originals, .count = count, .reverse = reverse};
        uint32_t segments = 0;
        for (size_t i = 0; i < n; i++) {
            lacking = lacking || (active[list[i]->id] && depends_on_variable(&l, list[i]) && !has_rule(list[i], reverse));
            segments = checkpoint_of(list[i]) > segments ? checkpoint_of(list[i]) : segments;
        }
        if (!lacking)
            return true;
        if (!(l.moving = ARENA_ARRAY(a, bool, (size_t)segments + 1)))
            return false;
        for (size_t i = 0; i < n; i++)
            l.moving[checkpoint_of(list[i])] = l.moving[checkpoint_of(list[i])] || active[list[i]->id];
        if (count)
            memcpy(originals, wrt, count * sizeof *wrt);
        if (!graph_rebuild_from(outputs, outputs_count, first, lower_without_rule, &l, outputs))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!wrt[i])
                return false;
    }
}

static bool all_there(node *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!list[i])
            return false;
    return true;
}

/* Whether all can be differentiated in; noted where one cannot. */
static bool all_floats(node *const *list, size_t count)
{
    char text[NODE_TEXT];
    for (size_t i = 0; i < count; i++)
        if (!node_is_float(list[i])) {
            graph_refuse(list[i]->graph, "no derivative in %s: its elements are not floats", node_text(list[i], text));
            return false;
        }
    return true;
}

/* Whether x, a seed or a tangent, fits what it belongs to. */
static bool fits(const char *what, const node *x, const node *of)
{
    char left[NODE_TEXT], right[NODE_TEXT];
    if (x->type == of->type && shape_equal(x->shape, of->shape))
        return true;
    graph_refuse(of->graph, "%s %s does not have the shape and type of %s", what, node_text(x, left), node_text(of, right));
    return false;
}

void backward_step(backward *b, node *n)
{
    bool onward = false;
    for (int s = 0; s < n->source_count; s++)
        onward = onward || b->active[n->sources[s]->id];
    if (b->gradients[n->id] && onward && op_info_of(n->op)->order > 0)
        rule_grad(n->op)(b, n, b->gradients[n->id]);
}

bool backward_sweep(backward *b, node *const *list, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        uint32_t within = checkpoint_of(list[i]);
        size_t first = i;
        while (within && first > 0 && checkpoint_of(list[first - 1]) == within)
            first--;
        if (!within)
            backward_step(b, list[i]);
        else if (!backward_through_checkpoint(b, list + first, i - first + 1))
            return false;
        i = first;
    }
    return true;
}

static bool reverse_sweep(arena *a, node *y, node *const *wrt, size_t count, node *seed, node **gradients, node **again)
{
    size_t n;
    node **list = graph_reach_from(a, &y, 1, first_that_matters(&y, 1, wrt, count), &n);
    backward b = {.arena = a, .active = list ? mark_active(a, list, n, wrt, count) : NULL, .capacity = (size_t)y->id + 1,
                  .again = again, .again_count = (size_t)y->id + 1};
    b.gradients = b.active ? ARENA_SPARSE(a, node *, b.capacity) : NULL;
    b.origins = b.gradients ? ARENA_SPARSE(a, uint32_t, b.capacity) : NULL;
    if (!b.origins)
        return false;
    b.gradients[y->id] = b.active[y->id] ? seed : NULL;
    if (!backward_sweep(&b, list, n))
        return false;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        node *d = wrt[i]->id <= y->id ? b.gradients[wrt[i]->id] : NULL;
        gradients[i] = d ? d : node_zeros(wrt[i]);
        good = good && gradients[i];
    }
    return good && graph_status(y->graph, NULL) == STATUS_OK;
}

static node *read_copies(void *context, node *original, node *rebuilt)
{
    node *const *again = context;
    return again[original->id] ? again[original->id] : rebuilt;
}

/* graph_grad, and in *value (may be NULL) y by way of what gradients compute again. */
static bool gradients_of(node *y, node *const *wrt, size_t count, node *seed, node **gradients, node **value)
{
    if (!y || !all_there(wrt, count) || !all_floats(wrt, count) || !all_floats(&y, 1))
        return false;
    if (!seed)
        seed = graph_fill(y->graph, node_type(y), y->shape, 1);
    if (!seed || !fits("the seed of a gradient", seed, y))
        return false;
    arena *a = arena_new(NULL);
    node **variables = ARENA_ARRAY(a, node *, count + 1);
    bool good = variables != NULL;
    if (good && count)
        memcpy(variables, wrt, count * sizeof *wrt);
    good = good && graph_lower_active(a, &y, 1, variables, count, true);
    node **again = good ? ARENA_SPARSE(a, node *, (size_t)y->id + 1) : NULL;
    good = again && reverse_sweep(a, y, variables, count, seed, gradients, again) &&
           (!value || graph_rebuild(&y, 1, read_copies, again, value));
    if (!good)
        graph_fail(seed->graph);
    arena_free(a);
    return good;
}

bool graph_grad(node *y, node *const *wrt, size_t count, node *seed, node **gradients)
{
    return gradients_of(y, wrt, count, seed, gradients, NULL);
}

bool graph_value_and_grad(node *y, node *const *wrt, size_t count, node **value, node **gradients)
{
    return gradients_of(y, wrt, count, NULL, gradients, value);
}

static bool forward_sweep(arena *a, node *const *outputs, size_t output_count, node *const *wrt, node *const *tangents,
                          size_t count, node **output_tangents)
{
    size_t n;
    node **list = graph_reach_from(a, outputs, output_count, first_that_matters(outputs, output_count, wrt, count), &n);
    if (!list)
        return false;
    uint32_t last = list[n - 1]->id;
    node **moved = ARENA_SPARSE(a, node *, (size_t)last + 1);
    bool *fixed = ARENA_SPARSE(a, bool, (size_t)last + 1);
    if (!moved || !fixed)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (wrt[i]->id > last)
            continue;
        fixed[wrt[i]->id] = true;
        moved[wrt[i]->id] = tangents[i];
    }
    for (size_t i = 0; i < n; i++) {
        node *m = list[i], *of_sources[UINT8_MAX] = {NULL};
        bool any = false;
        for (int s = 0; s < m->source_count; s++)
            any = (of_sources[s] = moved[m->sources[s]->id]) != NULL || any;
        if (!any || fixed[m->id] || !node_is_float(m) || op_info_of(m->op)->order == 0)
            continue;
        graph_set_beside(m->graph, m);
        moved[m->id] = rule_jvp(m->op)(m, of_sources);
        graph_set_beside(m->graph, NULL);
        if (!moved[m->id])
            return false;
    }
    bool good = true;
    for (size_t i = 0; i < output_count; i++) {
        node *t = moved[outputs[i]->id];
        output_tangents[i] = t ? t : node_zeros(outputs[i]);
        good = good && output_tangents[i];
    }
    return good;
}

bool graph_jvp(node *const *outputs, size_t output_count, node *const *wrt, node *const *tangents, size_t count,
               node **output_tangents)
{
    if (!all_there(outputs, output_count) || !all_there(wrt, count) || output_count == 0 || !all_floats(wrt, count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (tangents[i] && !fits("the tangent", tangents[i], wrt[i]))
            return false;
    graph *g = outputs[0]->graph;
    arena *a = arena_new(NULL);
    node **variables = ARENA_ARRAY(a, node *, count + 1), **of = ARENA_ARRAY(a, node *, output_count);
    bool good = variables && of;
    if (good) {
        memcpy(of, outputs, output_count * sizeof *of);
        if (count)
            memcpy(variables, wrt, count * sizeof *wrt);
        good = graph_lower_active(a, of, output_count, variables, count, false) &&
               forward_sweep(a, of, output_count, variables, tangents, count, output_tangents);
    }
    if (!good)
        graph_fail(g);
    arena_free(a);
    return good;
}
