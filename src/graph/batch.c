/* graph_vmap: one sweep in order of ids; what has no batching rule (for these sources) is lowered, and what it was lowered to
 * is swept in its turn. */
#include "graph/backward.h"

typedef struct sweep {
    graph *g;
    arena *arena;
    size_t first;   /* earlier nodes have no new axis */
    node **batched; /* by id less `first`: the node with the new axis, NULL where it has none */
    size_t capacity;
    int64_t size;
    bool good;
} sweep;

static bool make_room(sweep *s)
{
    size_t ids = graph_size(s->g) - s->first;
    if (s->batched && ids <= s->capacity)
        return true;
    size_t capacity = 2 * ids + 16;
    node **grown = arena_regrow(s->arena, s->batched, s->capacity, capacity, sizeof *grown);
    if (!grown)
        return false;
    s->batched = grown;
    s->capacity = capacity;
    return true;
}

static node *batched_form(const sweep *s, const node *n)
{
    return n->id < s->first ? NULL : s->batched[n->id - s->first];
}

bool node_takes_axis(const node *n, const char *what)
{
    char text[NODE_TEXT];
    if (n->shape.rank < RANK_MAX)
        return true;
    graph_refuse(n->graph, "%s: %s has %d axes, and there is none for one more", what, node_text(n, text), RANK_MAX);
    return false;
}

static void sweep_node(sweep *s, node *n);

/* The nodes from id `first` on that `result` needs, in order; then its batched form becomes that of n. */
static void sweep_lowered(sweep *s, const node *n, node *result, size_t first)
{
    size_t end = graph_size(s->g);
    bool *needed = ARENA_ARRAY(s->arena, bool, end - first + 1);
    if (!needed || !make_room(s)) {
        s->good = false;
        return;
    }
    if (result->id >= first)
        needed[result->id - first] = true;
    for (size_t id = end; id-- > first;) {
        const node *m = graph_node_at(s->g, (uint32_t)id);
        for (int i = 0; needed[id - first] && i < m->source_count; i++)
            if (m->sources[i]->id >= first)
                needed[m->sources[i]->id - first] = true;
    }
    for (size_t id = first; id < end && s->good; id++) /* ids before s->first never get here */
        if (needed[id - first])
            sweep_node(s, graph_node_at(s->g, (uint32_t)id));
    if (s->good)
        s->batched[n->id - s->first] = batched_form(s, result);
}

static void sweep_node(sweep *s, node *n)
{
    node *sources[UINT8_MAX];
    bool batched[UINT8_MAX], any = false;
    for (int i = 0; i < n->source_count; i++) {
        node *form = batched_form(s, n->sources[i]);
        batched[i] = form != NULL;
        sources[i] = form ? form : n->sources[i];
        any = any || batched[i];
    }
    if (!any || batched_form(s, n))
        return;
    s->good = node_takes_axis(n, "vmap");
    for (int i = 0; i < n->source_count && s->good; i++)
        s->good = node_takes_axis(n->sources[i], "vmap");
    if (!s->good)
        return;
    uint32_t before = graph_set_segment(s->g, n->segment);
    node *result = rule_batch(n->op) ? rule_batch(n->op)(n, sources, batched, s->size) : NULL;
    if (!result && rule_lower(n->op)) {
        size_t first = graph_size(s->g);
        node *lowered = rule_lower(n->op)(n);
        s->good = lowered != NULL;
        if (lowered)
            sweep_lowered(s, n, lowered, first);
        result = batched_form(s, n);
    } else {
        s->good = result != NULL;
    }
    if (result && !shape_equal(result->shape, shape_insert(n->shape, 0, s->size)))
        BUG("the batching rule of %s made another shape", op_info_of(n->op)->name);
    if (result && n->site) {
        result = result->site ? op_identity(result) : result;
        if (result)
            result->site = n->site;
    }
    s->batched[n->id - s->first] = result;
    graph_set_segment(s->g, before);
}

static bool is_batch(const node *input, const node *batched, int64_t size)
{
    char one[NODE_TEXT], many[NODE_TEXT];
    if (input->shape.rank < RANK_MAX && batched->type == input->type && shape_equal(batched->shape, shape_insert(input->shape, 0, size)))
        return true;
    graph_refuse(input->graph, "vmap: %s cannot be %lld times %s", node_text(batched, many), (long long)size, node_text(input, one));
    return false;
}

bool graph_vmap_from(node *const *outputs, size_t count, node *const *inputs, node *const *batched, size_t input_count,
                     size_t first, node **batched_outputs)
{
    for (size_t i = 0; i < input_count; i++)
        if (!inputs[i] || !batched[i])
            return false;
    if (count == 0 || input_count == 0 || !outputs[0])
        return false;
    graph *g = outputs[0]->graph;
    sweep s = {.g = g, .arena = arena_new(NULL), .first = first, .good = true,
               .size = batched[0]->shape.rank ? batched[0]->shape.size[0] : 0};
    size_t end = graph_size(g);
    s.good = make_room(&s);
    for (size_t i = 0; s.good && i < input_count; i++) {
        s.good = is_batch(inputs[i], batched[i], s.size);
        s.batched[inputs[i]->id - first] = batched[i];
    }
    size_t n = 0;
    node **list = first == 0 && s.good ? graph_reach(s.arena, outputs, count, &n) : NULL;
    s.good = s.good && (list || first);
    for (size_t i = 0; s.good && i < n; i++)
        sweep_node(&s, list[i]);
    for (size_t id = first; s.good && first && id < end; id++)
        sweep_node(&s, graph_node_at(g, (uint32_t)id));
    for (size_t i = 0; s.good && i < count; i++) {
        node *y = batched_form(&s, outputs[i]);
        batched_outputs[i] = y ? y : !node_takes_axis(outputs[i], "vmap") ? NULL : op_broadcast(outputs[i], shape_insert(outputs[i]->shape, 0, s.size));
        s.good = batched_outputs[i] != NULL;
    }
    arena_free(s.arena);
    if (!s.good)
        graph_fail(g);
    return s.good;
}

bool graph_vmap(node *const *outputs, size_t count, node *const *inputs, node *const *batched, size_t input_count,
                node **batched_outputs)
{
    return graph_vmap_from(outputs, count, inputs, batched, input_count, 0, batched_outputs);
}
