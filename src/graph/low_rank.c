/* Rewriting: low-rank changes of weights, added to the products that read them. */
#include "graph/backward.h"

typedef struct changing {
    const low_rank_edit *list;
    bool *used;
    size_t count;
    const node *refused; /* a reader of a changed weight that is no product */
    size_t refused_edit;
} changing;

/* The input behind casts, turns and names. */
static const node *root_of(const node *n)
{
    while (n->op == OP_CAST || n->op == OP_TRANSPOSE || n->op == OP_IDENTITY)
        n = n->sources[0];
    return n;
}

static bool passes_on(const node *n)
{
    return n->op == OP_CAST || n->op == OP_TRANSPOSE || n->op == OP_IDENTITY;
}

/* Of rows with the weight: x W^T, or x W. */
static bool is_product(const node *n)
{
    return n->op == OP_LINEAR || (n->op == OP_MATMUL && !(n->attributes->flags & 1) && n->sources[1]->shape.rank == 2);
}

/* Which edit is of this source of a node, or SIZE_MAX. */
static size_t edit_of(const changing *c, const node *source)
{
    const node *root = root_of(source);
    for (size_t i = 0; root->op == OP_INPUT && root->site && i < c->count; i++)
        if (strcmp(c->list[i].weight, root->site) == 0)
            return i;
    return SIZE_MAX;
}

/* In the type that meets x in a product: bf16 values take f32 weights as they are. */
static node *beside(node *weight, const node *x)
{
    bool master = weight && x->type == TYPE_BF16 && weight->type == TYPE_F32;
    return !weight || master || weight->type == x->type ? weight : op_cast(weight, node_type(x));
}

/* The sum is made in f32 (f64) and rounded once, to the type of the product. */
static node *changed(node *product, const low_rank_edit *e)
{
    node *x = product->sources[0], *a = beside(e->a, x), *b = beside(e->b, x);
    element_type wide = wide_type(node_type(product));
    node *change = op_scale(op_linear_as(op_linear(x, a), b, wide), e->scale);
    if (product->type == wide)
        return op_add(product, change);
    node *plain = product->op == OP_LINEAR
                      ? op_linear_as(x, product->sources[1], wide)
                      : op_matmul_as(x, product->sources[1], false, product->attributes->flags & 2, wide);
    return op_cast(op_add(plain, change), node_type(product));
}

static node *change_product(void *context, node *original, node *rebuilt)
{
    changing *c = context;
    for (int s = 0; s < original->source_count; s++) {
        size_t i = edit_of(c, original->sources[s]);
        if (i == SIZE_MAX || passes_on(original))
            continue;
        if (!is_product(original) || s != 1 || edit_of(c, original->sources[0]) != SIZE_MAX) {
            c->refused = original;
            c->refused_edit = i;
            return rebuilt;
        }
        c->used[i] = true;
        node *value = changed(rebuilt, &c->list[i]);
        if (value && original->site)
            value->site = original->site;
        return value;
    }
    /* Checkpoints stay together: a gradient takes nodes that stand beside each other. */
    bool apart = rebuilt == original && checkpoint_of(original) && !is_leaf(original);
    return apart ? node_with_sources(original, original->sources, true) : rebuilt;
}

status graph_low_rank(node *const *outputs, size_t count, const low_rank_edit *edits, size_t edit_count, node **rewritten,
                      error *err)
{
    arena *a = arena_new(NULL);
    changing c = {.list = edits, .used = ARENA_ARRAY(a, bool, edit_count + 1), .count = edit_count};
    status result = STATUS_OK;
    if (!c.used || !graph_rebuild(outputs, count, change_product, &c, rewritten)) {
        result = count ? graph_status(outputs[0]->graph, err) : STATUS_OK;
        result = result ? result : error_set(err, STATUS_MEMORY, "no memory to rewrite the graph");
    } else if (c.refused)
        result = error_set(err, STATUS_UNSUPPORTED, "%s is read by %s: only products of rows with a weight take a low-rank change",
                           edits[c.refused_edit].weight, op_info_of(c.refused->op)->name);
    for (size_t i = 0; result == STATUS_OK && i < edit_count; i++)
        if (!c.used[i])
            result = error_set(err, STATUS_NOT_FOUND, "the outputs depend on no weight '%s'", edits[i].weight);
    arena_free(a);
    return result;
}
