/* Lowering and rewriting: the same outputs with some nodes replaced. */
#include "graph/rules.h"

/* The nodes of the list, whose ids go from `first` to `last`. */
static bool rebuild(arena *a, node *const *list, size_t n, uint32_t first, uint32_t last, node *const *outputs, size_t count,
                    node_change *change, void *context, node **rebuilt)
{
    node **map = list && n ? ARENA_SPARSE(a, node *, (size_t)last + 1) : NULL;
    bool good = map != NULL;
    for (size_t i = 0; good && i < n; i++) {
        node *m = list[i], *sources[UINT8_MAX];
        char old[NODE_TEXT], new[NODE_TEXT];
        bool same = true;
        for (int s = 0; s < m->source_count; s++) {
            sources[s] = m->sources[s]->id < first ? m->sources[s] : map[m->sources[s]->id];
            same = same && sources[s] == m->sources[s];
        }
        node *copy = same ? m : node_with_sources(m, sources, true);
        node *result = copy ? change(context, m, copy) : NULL;
        if (result && (result->type != m->type || !shape_equal(result->shape, m->shape)))
            result = graph_refuse(m->graph, "%s cannot be put in the place of %s: shape and type must be the same",
                                  node_text(result, new), node_text(m, old));
        map[m->id] = result;
        good = result != NULL;
    }
    for (size_t i = 0; good && i < count; i++)
        rebuilt[i] = map[outputs[i]->id];
    arena_free(a);
    return good;
}

bool graph_rebuild(node *const *outputs, size_t count, node_change *change, void *context, node **rebuilt)
{
    return graph_rebuild_from(outputs, count, 0, change, context, rebuilt);
}

bool graph_rebuild_from(node *const *outputs, size_t count, uint32_t first, node_change *change, void *context, node **rebuilt)
{
    arena *a = arena_new(NULL);
    size_t n;
    node **list = graph_reach_from(a, outputs, count, first, &n);
    return rebuild(a, list, n, first, list && n ? list[n - 1]->id : 0, outputs, count, change, context, rebuilt);
}

bool graph_rebuild_places(node *const *outputs, size_t count, node_change *change, void *context, node **rebuilt)
{
    arena *a = arena_new(NULL);
    size_t n;
    uint32_t last;
    node **list = graph_reach_places(a, outputs, count, &n, &last);
    return rebuild(a, list, n, 0, last, outputs, count, change, context, rebuilt);
}

node *graph_lower(node *n)
{
    while (n && rule_lower(n->op))
        n = rule_lower(n->op)(n);
    return n;
}

static node *lower_every(void *context, node *original, node *rebuilt)
{
    if (!rule_lower(original->op))
        return rebuilt;
    *(bool *)context = true;
    node *lowered = rule_lower(original->op)(rebuilt);
    if (lowered && rebuilt->site) {
        lowered = op_identity(lowered);
        if (lowered)
            lowered->site = rebuilt->site;
    }
    return lowered;
}

bool graph_lower_all(node *const *outputs, size_t count, node **lowered)
{
    if (count)
        memmove(lowered, outputs, count * sizeof *lowered);
    for (bool changed = true; changed;) {
        changed = false;
        if (count && !graph_rebuild(lowered, count, lower_every, &changed, lowered))
            return false;
    }
    return true;
}

typedef struct substitution {
    node *const *from, *const *to;
    size_t count;
} substitution;

static node *substitute(void *context, node *original, node *rebuilt)
{
    const substitution *s = context;
    for (size_t i = 0; i < s->count; i++)
        if (s->from[i] == original)
            return s->to[i];
    return rebuilt;
}

bool graph_substitute(node *const *outputs, size_t count, node *const *from, node *const *to, size_t edits,
                      node **rewritten)
{
    return graph_rebuild(outputs, count, substitute, &(substitution){from, to, edits}, rewritten);
}

typedef struct edits {
    const site_edit *list;
    bool *used;
    size_t count;
} edits;

/* Adding zeros or multiplying by ones leaves every bit alone (x + 0 would turn -0 into 0). */
static bool changes_nothing(const site_edit *e)
{
    return e->action != SITE_REPLACE && e->value && e->value->op == OP_FILL &&
           e->value->attributes->x[0] == (e->action == SITE_ADD ? 0 : 1);
}

static node *edited_everywhere(node *x, const site_edit *e)
{
    switch (e->action) {
    case SITE_REPLACE:
        return op_identity(op_broadcast(e->value, x->shape));
    case SITE_ADD:
        return op_add(x, op_broadcast(e->value, x->shape));
    case SITE_SCALE:
        return op_mul(x, op_broadcast(e->value, x->shape));
    }
    BUG("unknown action %d at a site", (int)e->action);
}

static node *edited(node *x, const site_edit *e)
{
    if (changes_nothing(e))
        return op_identity(x);
    node *changed = edited_everywhere(x, e);
    return e->mask ? op_select(e->mask, changed, x) : changed;
}

static node *edit_site(void *context, node *original, node *rebuilt)
{
    edits *all = context;
    node *value = rebuilt;
    for (size_t i = 0; original->site && value && i < all->count; i++) {
        if (strcmp(all->list[i].site, original->site) != 0)
            continue;
        all->used[i] = true;
        value = edited(value, &all->list[i]);
        if (value)
            value->site = original->site;
    }
    return value;
}

status graph_rewrite(node *const *outputs, size_t count, const site_edit *list, size_t edit_count, node **rewritten,
                     error *err)
{
    arena *a = arena_new(NULL);
    edits all = {list, ARENA_ARRAY(a, bool, edit_count + 1), edit_count};
    status result = STATUS_OK;
    if (!all.used || !graph_rebuild(outputs, count, edit_site, &all, rewritten)) {
        result = count && outputs[0] ? graph_status(outputs[0]->graph, err) : STATUS_OK;
        if (result == STATUS_OK)
            result = error_set(err, STATUS_MEMORY, "no memory to rewrite the graph");
    }
    for (size_t i = 0; result == STATUS_OK && i < edit_count; i++)
        if (!all.used[i])
            result = error_set(err, STATUS_NOT_FOUND, "the graph has no site '%s' that its outputs depend on", list[i].site);
    arena_free(a);
    return result;
}
