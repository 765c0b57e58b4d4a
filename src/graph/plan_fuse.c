/* Second pass: groups of elementwise nodes with the same number of elements, each run as one step in blocks.
 *
 * A group runs where its last member stands. A node joins the groups of its elementwise sources as long as nobody
 * outside them has used one of their members (they are open); so moving a group to the new last member moves it
 * past no reader. One pass, nearly linear.
 *
 * A reduction of a member joins too, open or not: all that it reads is there where the group runs, which stays where it is.
 * Who reads its result is outside of the group, and closes it. The reductions of a group walk through it in one way. */
#include "graph/groups.h"

enum { GROUP_MOST = 48 }; /* members: keeps the working set of a block in the cache */

int32_t group_find(plan_builder *b, int32_t g)
{
    while (b->groups[g].parent != g) {
        b->groups[g].parent = b->groups[b->groups[g].parent].parent;
        g = b->groups[g].parent;
    }
    return g;
}

static void close_group_of(plan_builder *b, int32_t e)
{
    int32_t root = b->entries[e].root;
    if (b->entries[root].group != NONE)
        b->groups[group_find(b, b->entries[root].group)].open = false;
}

/* Whether elementwise node i may read source e from a register of the same group. */
static bool can_join(plan_builder *b, int32_t i, int32_t e)
{
    const entry *source = &b->entries[e], *me = &b->entries[i];
    int32_t root = source->root;
    if (b->unfused || b->entries[root].group == NONE || b->entries[root].once != me->once)
        return false;
    const group *g = &b->groups[group_find(b, b->entries[root].group)];
    return g->open && is_elementwise(b->entries[root].n) && source->offset == 0 && g->count == shape_count(me->n->shape) &&
           shape_count(source->n->shape) == g->count && g->size < GROUP_MOST;
}

static group_walk walk_of(const plan_builder *b, int32_t i)
{
    reductions r;
    reductions_of(b->entries[i].n, b->reference, &r);
    return group_walk_of(&r.pass[0]);
}

/* Whether the reductions x and y, if there are both, walk through a group in one way. */
static bool walk_together(const plan_builder *b, int32_t x, int32_t y)
{
    if (x == NONE || y == NONE)
        return true;
    group_walk w = walk_of(b, x), v = walk_of(b, y);
    return group_walk_equal(&w, &v);
}

static void join(plan_builder *b, int32_t g, int32_t i)
{
    b->next_member[i] = NONE;
    if (b->groups[g].first_member == NONE)
        b->groups[g].first_member = i;
    else
        b->next_member[b->last_member[g]] = i;
    b->last_member[g] = i;
    b->groups[g].size++;
    b->entries[i].group = g;
}

static int32_t unite(plan_builder *b, int32_t g, int32_t h)
{
    if (g == h)
        return g;
    group *x = &b->groups[g], *y = &b->groups[h];
    if (x->size + y->size >= GROUP_MOST || !walk_together(b, x->reduction, y->reduction)) {
        y->open = false; /* its values are read from memory */
        return g;
    }
    x->reduction = x->reduction == NONE ? y->reduction : x->reduction;
    b->next_member[b->last_member[g]] = b->groups[h].first_member;
    b->last_member[g] = b->last_member[h];
    x->size += y->size;
    y->parent = g;
    return g;
}

static void place_elementwise(plan_builder *b, int32_t i)
{
    const node *n = b->entries[i].n;
    bool joins[3] = {false};
    for (int s = 0; s < n->source_count; s++) {
        int32_t e = entry_of(b, n->sources[s]);
        joins[s] = can_join(b, i, e);
        if (!joins[s])
            close_group_of(b, e);
    }
    int32_t mine = NONE;
    for (int s = 0; s < n->source_count; s++) {
        int32_t e = entry_of(b, n->sources[s]);
        if (!joins[s] || !can_join(b, i, e))
            continue;
        int32_t g = group_find(b, b->entries[b->entries[e].root].group);
        mine = mine == NONE ? g : unite(b, mine, g);
    }
    if (mine == NONE) {
        mine = b->group_count++;
        b->groups[mine] = (group){.parent = mine, .first_member = NONE, .count = shape_count(n->shape), .open = true,
                                  .once = b->entries[i].once, .reduction = NONE};
    }
    join(b, mine, i);
    b->groups[mine].last = i;
}

/* Has reduction i made as the group of its source passes; false: it reads its source from memory. */
static bool place_reduction(plan_builder *b, int32_t i)
{
    const node *n = b->entries[i].n;
    if (b->unfused || (n->op != OP_REDUCE_SUM && n->op != OP_REDUCE_MAX))
        return false;
    const entry *source = &b->entries[entry_of(b, n->sources[0])], *root = &b->entries[source->root];
    if (root->group == NONE || !is_elementwise(root->n) || source->held || root->once != b->entries[i].once || source->offset != 0)
        return false;
    int32_t g = group_find(b, root->group);
    if (b->groups[g].count != shape_count(source->n->shape) || b->groups[g].size >= GROUP_MOST)
        return false;
    group_walk walk = walk_of(b, i);
    if (!group_walk_is_good(&walk, root->readers > 1) || !walk_together(b, b->groups[g].reduction, i))
        return false;
    join(b, g, i);
    b->groups[g].reduction = i;
    return true;
}

/* Marks values that need storage. Elementwise nodes read fills as immediates and broadcasts from their sources. */
static void mark_escapes(plan_builder *b)
{
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        const entry *e = &b->entries[i];
        if (e->same != i || e->root != i)
            continue;
        for (int s = 0; s < e->n->source_count; s++) {
            int32_t source = entry_of(b, e->n->sources[s]);
            const entry *from = &b->entries[source];
            bool inside = false;
            if (e->group != NONE) {
                int32_t g = b->entries[from->root].group;
                inside = (from->n->op == OP_FILL || from->n->op == OP_BROADCAST) ||
                         (g != NONE && group_find(b, g) == group_find(b, e->group));
            }
            if (!inside)
                b->entries[from->root].escapes = true;
        }
    }
    for (size_t o = 0; o < b->output_count; o++)
        b->entries[b->entries[entry_of(b, b->outputs[o])].root].escapes = true;
    /* a broadcast read by groups: its source needs storage even if the broadcast itself does not */
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        entry *e = &b->entries[i];
        if (e->group != NONE && !is_elementwise(e->n)) /* a reduction is written, even one that is a token of `after` and nothing else */
            e->escapes = true;
        if (e->same == i && e->n->op == OP_BROADCAST)
            b->entries[b->entries[entry_of(b, e->n->sources[0])].root].escapes = true;
    }
}

static void count_readers(plan_builder *b)
{
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        const entry *e = &b->entries[i];
        for (int s = 0; e->same == i && e->root == i && s < e->n->source_count; s++)
            b->entries[b->entries[entry_of(b, e->n->sources[s])].root].readers++;
    }
    for (size_t o = 0; o < b->output_count; o++)
        b->entries[b->entries[entry_of(b, b->outputs[o])].root].readers++;
}

void plan_fuse(plan_builder *b)
{
    count_readers(b);
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        const entry *e = &b->entries[i];
        if (e->same != i)
            continue;
        if (is_elementwise(e->n)) {
            place_elementwise(b, i);
        } else if (place_reduction(b, i)) {
            continue;
        } else if (e->root == i) {
            for (int s = 0; s < e->n->source_count; s++)
                close_group_of(b, entry_of(b, e->n->sources[s]));
        } else if (e->n->op == OP_AFTER) { /* what is computed again stands in a group of its own */
            close_group_of(b, entry_of(b, e->n->sources[0]));
        }
    }
    mark_escapes(b);
}
