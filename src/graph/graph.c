#include "graph/backward.h"
#include "graph/rules.h"

#include <stdarg.h>
#include <stdio.h>

struct graph {
    arena *arena;
    node **nodes; /* by id */
    size_t count, capacity;
    uint32_t segment, segments; /* the checkpoint that new nodes belong to; how many there were */
    uint32_t *around, segment_capacity; /* by checkpoint: the one that it stands in, 0: none */
    const node *beside;         /* where new nodes stand; NULL: in their own places */
    bool failed;
    error reason; /* STATUS_OK: memory was out */
};

graph *graph_new(arena *parent)
{
    arena *a = arena_new(parent);
    graph *g = ARENA_NEW(a, graph);
    if (!g) {
        arena_free(a);
        return NULL;
    }
    g->arena = a;
    return g;
}

void graph_free(graph *g)
{
    if (g)
        arena_free(g->arena);
}

status graph_status(const graph *g, error *err)
{
    if (!g || (g->failed && g->reason.code == STATUS_OK))
        return error_set(err, STATUS_MEMORY, "no memory for the graph (%zu nodes)", g ? g->count : 0);
    if (g->failed && err)
        *err = g->reason;
    return g->reason.code;
}

size_t graph_size(const graph *g)
{
    return g->count;
}

arena *graph_arena(graph *g)
{
    return g->arena;
}

node *graph_node_at(const graph *g, uint32_t id)
{
    return g->nodes[id];
}

void graph_fail(graph *g)
{
    if (g)
        g->failed = true;
}

node *graph_refuse(graph *g, const char *format, ...)
{
    if (!g->failed) {
        va_list args;
        va_start(args, format);
        error_setv(&g->reason, STATUS_INVALID, format, args);
        va_end(args);
    }
    g->failed = true;
    return NULL;
}

/* Adds to `text` the name of the node, or its operation and the named nodes that it comes from. */
static size_t add_name(const node *n, char *text, size_t at, size_t room, int depth)
{
    if (at >= room)
        return at;
    if (n->site)
        return at + (size_t)snprintf(text + at, room - at, "'%.60s'", n->site);
    at += (size_t)snprintf(text + at, room - at, "%s", op_info_of(n->op)->name);
    int shown = 0;
    for (int i = 0; i < n->source_count && depth > 0 && shown < 2 && at < room; i++) {
        if (n->sources[i]->op == OP_FILL || n->sources[i]->op == OP_IOTA)
            continue;
        at += (size_t)snprintf(text + at, room - at, shown++ ? ", " : " of ");
        at = add_name(n->sources[i], text, at, room, n->source_count == 1 ? depth : depth - 1);
    }
    return at;
}

const char *node_text(const node *n, char text[NODE_TEXT])
{
    enum { NAME = NODE_TEXT - 80 };
    char sizes[128];
    size_t at = add_name(n, text, 0, NAME, 2);
    if (at >= NAME)
        at = NAME - 1;
    snprintf(text + at, NODE_TEXT - at, " %s %.70s", element_word(node_type(n)), shape_text(n->shape, sizes));
    return text;
}

void graph_set_beside(graph *g, const node *n)
{
    g->beside = n;
}

uint32_t graph_segment(const graph *g)
{
    return g->segment;
}

uint32_t graph_set_segment(graph *g, uint32_t segment)
{
    uint32_t before = g->segment;
    g->segment = segment;
    return before;
}

uint32_t graph_segment_around(const graph *g, uint32_t segment)
{
    return g->around[segment];
}

uint32_t graph_new_segment(graph *g, uint32_t around)
{
    if (g->segments + 1 >= g->segment_capacity) {
        uint32_t capacity = 2 * g->segment_capacity + 64;
        uint32_t *grown = arena_regrow(g->arena, g->around, g->segment_capacity, capacity, sizeof *grown);
        if (!grown) {
            g->failed = true;
            return around;
        }
        g->around = grown;
        g->segment_capacity = capacity;
    }
    g->around[++g->segments] = around;
    return g->segments;
}

void graph_checkpoint_begin(graph *g)
{
    if (g)
        g->segment = graph_new_segment(g, g->segment);
}

void graph_checkpoint_end(graph *g)
{
    if (!g)
        return;
    if (!g->segment && !g->failed)
        BUG("no checkpoint is open");
    g->segment = g->segment ? g->around[g->segment] : 0;
}

/* Beside the node that the graph names, or behind the sources that come later; leaves, which can stand anywhere, come forward. */
static uint32_t place_of(const graph *g, const node *n)
{
    uint32_t place = g->beside->place;
    for (int i = 0; i < n->source_count; i++)
        if (n->sources[i]->source_count && n->sources[i]->place > place)
            place = n->sources[i]->place;
    for (int i = 0; i < n->source_count; i++)
        if (!n->sources[i]->source_count && n->sources[i]->place > place)
            n->sources[i]->place = place;
    return place;
}

static node *graph_add_node(graph *g, node *n)
{
    if (g->count == g->capacity) {
        size_t capacity = g->capacity ? 2 * g->capacity : 256;
        node **nodes = arena_regrow(g->arena, g->nodes, g->count, capacity, sizeof *nodes);
        if (!nodes || capacity > UINT32_MAX) {
            g->failed = true;
            return NULL;
        }
        g->nodes = nodes;
        g->capacity = capacity;
    }
    n->graph = g;
    n->id = (uint32_t)g->count;
    n->place = g->beside ? place_of(g, n) : n->id;
    g->nodes[g->count++] = n;
    return n;
}

node *node_new(graph *g, op_code op, element_type type, shape s, node *const *sources, int count,
               const node_attributes *attributes)
{
    static const node_attributes none;
    if (!g)
        return NULL;
    for (int i = 0; i < count; i++) {
        if (!sources[i]) {
            g->failed = true;
            return NULL;
        }
        if (sources[i]->graph != g)
            BUG("%s: source %d belongs to another graph", op_info_of(op)->name, i);
    }
    if (count > UINT8_MAX)
        return graph_refuse(g, "%s: expected at most 255 sources, found %d", op_info_of(op)->name, count);
    char text[128];
    if (!shape_countable(s))
        return graph_refuse(g, "%s: %s are more elements than there can be", op_info_of(op)->name, shape_text(s, text));
    node *n = ARENA_NEW(g->arena, node);
    node **copies = count ? ARENA_ARRAY(g->arena, node *, (size_t)count) : NULL;
    node_attributes *a = attributes ? ARENA_NEW(g->arena, node_attributes) : NULL;
    if (!n || (count && !copies) || (attributes && !a)) {
        g->failed = true;
        return NULL;
    }
    if (count)
        memcpy(copies, sources, (size_t)count * sizeof *copies);
    if (attributes)
        *a = *attributes;
    *n = (node){.op = (uint16_t)op, .type = (uint8_t)type, .source_count = (uint8_t)count, .sources = copies, .shape = s,
                .attributes = a ? a : &none, .segment = g->segment};
    return graph_add_node(g, n);
}

node *node_with_sources(const node *n, node *const *sources, bool keep_name)
{
    node *copy = node_new(n->graph, (op_code)n->op, (element_type)n->type, n->shape, sources, n->source_count,
                          n->attributes);
    if (copy) {
        copy->data = n->data;
        copy->segment = n->segment;
        if (keep_name)
            copy->site = n->site;
    }
    return copy;
}

element_type node_type(const node *n)
{
    return (element_type)n->type;
}

bool node_is_float(const node *n)
{
    return element_is_float(node_type(n));
}

node *graph_input(graph *g, const char *name, element_type type, shape s)
{
    node *n = node_new(g, OP_INPUT, type, s, NULL, 0, NULL);
    if (n && !(n->site = arena_strdup(g->arena, name)))
        graph_fail(g);
    return n;
}

node *graph_input_stored(graph *g, const char *name, element_type type, shape s, quant_format format)
{
    size_t bytes;
    if (format == QUANT_PLAIN)
        return graph_input(g, name, type, s);
    char text[128];
    if (s.rank != 2 || (type != TYPE_F32 && type != TYPE_F64) || quant_row_bytes(format, s.size[1], &bytes, NULL) != STATUS_OK)
        return g ? graph_refuse(g, "input '%s': expected a matrix in f32 or f64 whose rows are whole blocks of %s, found %s %s", name,
                                quant_name(format), element_word(type), shape_text(s, text))
                 : NULL;
    node *n = graph_input(g, name, type, s);
    if (n)
        n->format = (uint8_t)format;
    return n;
}

node *graph_constant(graph *g, element_type type, shape s, const void *elements)
{
    node *n = node_new(g, OP_CONSTANT, type, s, NULL, 0, NULL);
    if (!n)
        return NULL;
    size_t bytes = (size_t)shape_count(s) * element_size(type);
    void *copy = arena_alloc(g->arena, bytes ? bytes : 1);
    if (!copy) {
        graph_fail(g);
        return NULL;
    }
    if (bytes)
        memcpy(copy, elements, bytes);
    n->data = copy;
    return n;
}

node *graph_fill(graph *g, element_type type, shape s, double value)
{
    return node_new(g, OP_FILL, type, s, NULL, 0, &(node_attributes){.x = {value}});
}

node *graph_scalar(graph *g, element_type type, double value)
{
    return graph_fill(g, type, SHAPE_SCALAR, value);
}

node *node_zeros(const node *like)
{
    return graph_fill(like->graph, node_type(like), like->shape, 0);
}

node *graph_iota(graph *g, element_type type, shape s, int axis)
{
    if (axis < 0)
        axis += s.rank;
    char text[128];
    if (g && (axis < 0 || axis >= s.rank || type == TYPE_U8))
        return graph_refuse(g, "iota: no numbers of type %s along axis %d of %s", element_word(type), axis, shape_text(s, text));
    return node_new(g, OP_IOTA, type, s, NULL, 0, &(node_attributes){.flags = axis});
}

node *graph_name(node *n, const char *format, ...)
{
    if (!n)
        return NULL;
    node *named = n->site ? op_identity(n) : n;
    va_list args;
    va_start(args, format);
    const char *name = arena_vprintf(n->graph->arena, format, args);
    va_end(args);
    if (!named || !name) {
        graph_fail(n->graph);
        return NULL;
    }
    named->site = name;
    return named;
}

node **graph_reach(arena *a, node *const *outputs, size_t count, size_t *found)
{
    return graph_reach_from(a, outputs, count, 0, found);
}

node **graph_reach_from(arena *a, node *const *outputs, size_t count, uint32_t first, size_t *found)
{
    *found = 0;
    if (count == 0 || !outputs[0])
        return NULL;
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (!outputs[i])
            return NULL;
        if (outputs[i]->id > last)
            last = outputs[i]->id;
    }
    const graph *g = outputs[0]->graph;
    unsigned char *seen = ARENA_SPARSE(a, unsigned char, (size_t)last + 1);
    if (!seen)
        return NULL;
    for (size_t i = 0; i < count; i++)
        seen[outputs[i]->id] = 1;
    size_t n = 0;
    for (size_t id = (size_t)last + 1; id-- > first;) {
        if (!seen[id])
            continue;
        n++;
        for (int s = 0; s < g->nodes[id]->source_count; s++)
            seen[g->nodes[id]->sources[s]->id] = 1;
    }
    node **list = ARENA_ARRAY(a, node *, n);
    if (!list)
        return NULL;
    for (size_t id = first; id <= last; id++)
        if (seen[id])
            list[(*found)++] = g->nodes[id];
    return list;
}

node **graph_reach_places(arena *a, node *const *outputs, size_t count, size_t *found, uint32_t *last)
{
    node **list = graph_reach(a, outputs, count, found);
    size_t n = *found;
    *last = list && n ? list[n - 1]->id : 0;
    size_t *starts = list ? ARENA_ARRAY(a, size_t, (size_t)*last + 2) : NULL;
    node **ordered = starts ? ARENA_ARRAY(a, node *, n + 1) : NULL;
    if (!ordered)
        return NULL;
    for (size_t i = 0; i < n; i++)
        starts[list[i]->place + 1]++;
    for (size_t i = 0; i <= *last; i++)
        starts[i + 1] += starts[i];
    for (size_t i = 0; i < n; i++)
        ordered[starts[list[i]->place]++] = list[i];
    return ordered;
}

node *graph_find(node *const *outputs, size_t count, const char *name)
{
    arena *scratch = arena_new(NULL);
    size_t n;
    node **list = graph_reach(scratch, outputs, count, &n), *found = NULL;
    for (size_t i = 0; list && i < n; i++)
        if (list[i]->site && strcmp(list[i]->site, name) == 0)
            found = list[i];
    arena_free(scratch);
    return found;
}
