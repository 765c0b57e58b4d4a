/* graph_laplacian: value, Jacobian and Laplacian forward through the graph together ("forward Laplacian", Li et al. 2024,
 * arXiv:2307.08214), from the forward rules, the batching rules, and second partial derivatives made from the first. */
#include "graph/backward.h"

typedef struct coordinates {
    graph *g;
    arena *arena;
    int64_t n;       /* coordinates */
    node **jacobian; /* by id: [n, shape], NULL where the coordinates do not matter */
    node **laplacian; /* by id: NULL for zero */
} coordinates;

/* A node that stands for a value of this shape until it is replaced. */
static node *stand_in(const node *like)
{
    return op_identity(node_zeros(like));
}

static bool is_number(const node *n, double value)
{
    return n->op == OP_FILL && n->attributes->x[0] == value;
}

static node *add_term(node *sum, node *term)
{
    return sum ? op_add(sum, term) : term;
}

/* The tangent of m under the Jacobians of its sources, all coordinates at once. */
static node *jacobian_of(const coordinates *c, node *m)
{
    node *tangents[UINT8_MAX] = {NULL}, *moved[UINT8_MAX], *along[UINT8_MAX], *result = NULL;
    size_t first = graph_size(c->g), count = 0;
    for (int i = 0; i < m->source_count; i++) {
        node *j = c->jacobian[m->sources[i]->id];
        if (!j)
            continue;
        tangents[i] = moved[count] = stand_in(m->sources[i]);
        along[count++] = j;
    }
    node *one = rule_jvp(m->op)(m, tangents);
    return one && graph_vmap_from(&one, 1, moved, along, count, first, &result) ? result : NULL;
}

/* What the Laplacians of its sources bring; *good false when memory is out. */
static node *linear_part(const coordinates *c, node *m, bool *good)
{
    node *tangents[UINT8_MAX] = {NULL};
    bool any = false;
    for (int i = 0; i < m->source_count; i++)
        any = (tangents[i] = c->laplacian[m->sources[i]->id]) != NULL || any;
    node *l = any ? rule_jvp(m->op)(m, tangents) : NULL;
    *good = *good && (l || !any);
    return l;
}

/* d^2 m / d source[i] d source[j] of an elementwise operation, as a node. */
static node *second_partial(node *m, int i, int j)
{
    node *from[UINT8_MAX], *to[UINT8_MAX], *result = NULL;
    for (int s = 0; s < m->source_count; s++) {
        from[s] = stand_in(m->sources[s]);
        to[s] = m->sources[s];
    }
    node *alone = node_with_sources(m, from, false), *first = alone ? rule_partial(m->op)(alone, i) : NULL;
    from[m->source_count] = alone;
    to[m->source_count] = m;
    node *one = graph_fill(m->graph, node_type(m), m->shape, 1);
    if (!first || !graph_jvp(&first, 1, &from[j], &one, 1, &result) || is_number(result, 0))
        return result;
    return graph_substitute(&result, 1, from, to, (size_t)m->source_count + 1, &result) ? result : NULL;
}

/* Sum over coordinates of f'' J J for an elementwise m. */
static node *curvature_elementwise(const coordinates *c, node *m, bool *good)
{
    node *sum = NULL;
    for (int i = 0; i < m->source_count; i++)
        for (int j = i; j < m->source_count; j++) {
            node *left = c->jacobian[m->sources[i]->id], *right = c->jacobian[m->sources[j]->id];
            if (!left || !right)
                continue;
            node *partial = second_partial(m, i, j);
            if (!partial) {
                *good = false;
                return NULL;
            }
            if (is_number(partial, 0))
                continue;
            node *products = op_reduce_sum(op_mul(left, right), AXES(0), false);
            if (i != j)
                products = op_scale(products, 2);
            sum = add_term(sum, is_number(partial, 1) ? products : op_mul(partial, products));
            *good = *good && sum;
        }
    return sum;
}

/* Twice the sum over coordinates of the product of the two Jacobians. */
static node *curvature_product(const coordinates *c, node *m, bool *good)
{
    node *both[2] = {c->jacobian[m->sources[0]->id], c->jacobian[m->sources[1]->id]};
    if (!both[0] || !both[1])
        return NULL;
    node *products = rule_batch(m->op)(m, both, (bool[]){true, true}, c->n);
    node *sum = op_scale(op_reduce_sum(products, AXES(0), false), 2);
    *good = *good && sum;
    return sum;
}

/* The same for any other operation, from its forward rule taken twice along each coordinate. */
static node *curvature_any(const coordinates *c, node *m, bool *good)
{
    node *from[UINT8_MAX], *to[UINT8_MAX], *tangents[UINT8_MAX] = {NULL}, *wrt[UINT8_MAX], *moved[UINT8_MAX], *along[UINT8_MAX];
    size_t first = graph_size(c->g), count = 0;
    for (int i = 0; i < m->source_count; i++) {
        from[i] = stand_in(m->sources[i]);
        to[i] = m->sources[i];
        if (!c->jacobian[m->sources[i]->id])
            continue;
        wrt[count] = from[i];
        tangents[i] = moved[count] = stand_in(m->sources[i]);
        along[count++] = c->jacobian[m->sources[i]->id];
    }
    node *alone = node_with_sources(m, from, false), *once = alone ? rule_jvp(m->op)(alone, tangents) : NULL, *twice = NULL;
    from[m->source_count] = alone;
    to[m->source_count] = m;
    *good = *good && once && graph_jvp(&once, 1, wrt, moved, count, &twice) &&
            graph_substitute(&twice, 1, from, to, (size_t)m->source_count + 1, &twice) &&
            graph_vmap_from(&twice, 1, moved, along, count, first, &twice);
    node *sum = *good ? op_reduce_sum(twice, AXES(0), false) : NULL;
    *good = *good && sum;
    return sum;
}

static bool sweep_node(coordinates *c, node *m)
{
    bool moved = false, good = true;
    for (int i = 0; i < m->source_count; i++)
        moved = moved || c->jacobian[m->sources[i]->id];
    if (!moved || c->jacobian[m->id] || !node_is_float(m) || op_info_of(m->op)->order == 0)
        return true;
    if (!node_takes_axis(m, "Laplacian"))
        return false;
    c->jacobian[m->id] = jacobian_of(c, m);
    node *l = linear_part(c, m, &good), *bent = NULL;
    if (rule_partial(m->op) && op_info_of(m->op)->order > 1)
        bent = curvature_elementwise(c, m, &good);
    else if (rule_jvp(m->op) == jvp_bilinear)
        bent = curvature_product(c, m, &good);
    else if (!rule_partial(m->op) && m->op != OP_SELECT && op_info_of(m->op)->order > 1)
        bent = curvature_any(c, m, &good);
    if (bent)
        l = add_term(l, bent);
    c->laplacian[m->id] = l;
    return good && c->jacobian[m->id] && graph_status(c->g, NULL) == STATUS_OK;
}

/* The derivative of x in its own elements: ones where element and coordinate are the same. */
static node *own_jacobian(const node *x, int64_t n)
{
    graph *g = x->graph;
    node *same = op_equal(graph_iota(g, TYPE_I32, SHAPE(n, n), 0), graph_iota(g, TYPE_I32, SHAPE(n, n), 1));
    return same ? op_reshape(op_cast(same, node_type(x)), shape_insert(x->shape, 0, n)) : NULL;
}

static bool sweep_all(coordinates *c, node *const *outputs, size_t count, node *x)
{
    size_t n;
    node **list = graph_reach(c->arena, outputs, count, &n);
    if (!list)
        return false;
    size_t ids = (size_t)list[n - 1]->id + 1 > (size_t)x->id + 1 ? (size_t)list[n - 1]->id + 1 : (size_t)x->id + 1;
    c->jacobian = ARENA_ARRAY(c->arena, node *, ids);
    c->laplacian = ARENA_ARRAY(c->arena, node *, ids);
    if (!c->jacobian || !c->laplacian || !(c->jacobian[x->id] = own_jacobian(x, c->n)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!sweep_node(c, list[i]))
            return false;
    return true;
}

bool graph_laplacian(node *const *outputs, size_t count, node *x, node **jacobians, node **laplacians)
{
    if (!x || count == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!outputs[i])
            return false;
    char text[NODE_TEXT];
    if (!node_is_float(x)) {
        graph_refuse(x->graph, "no derivative in %s: its elements are not floats", node_text(x, text));
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!node_takes_axis(x, "Laplacian") || !node_takes_axis(outputs[i], "Laplacian"))
            return false;
    coordinates c = {.g = x->graph, .arena = arena_new(NULL), .n = shape_count(x->shape)};
    node **lowered = ARENA_ARRAY(c.arena, node *, count);
    bool good = lowered != NULL;
    if (good) {
        memcpy(lowered, outputs, count * sizeof *lowered);
        good = graph_lower_active(c.arena, lowered, count, &x, 1, false) && sweep_all(&c, lowered, count, x);
    }
    for (size_t i = 0; good && i < count; i++) {
        node *j = c.jacobian[lowered[i]->id], *l = c.laplacian[lowered[i]->id];
        if (jacobians)
            jacobians[i] = j ? j : graph_fill(c.g, node_type(outputs[i]), shape_insert(outputs[i]->shape, 0, c.n), 0);
        if (laplacians)
            laplacians[i] = l ? l : node_zeros(outputs[i]);
        good = (!jacobians || jacobians[i]) && (!laplacians || laplacians[i]);
    }
    arena_free(c.arena);
    if (!good)
        graph_fail(x->graph);
    return good;
}
