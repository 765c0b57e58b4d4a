/* First pass of a plan: nodes with equal meaning become one, reshapes and leading slices become views, and what depends
 * on constants and frozen inputs alone is marked. */
#include "graph/plan_internal.h"

int32_t entry_of(const plan_builder *b, const node *n)
{
    return b->entries[b->index[n->id]].same;
}

size_t node_bytes(const node *n)
{
    size_t count = (size_t)shape_count(n->shape);
    if (n->format == QUANT_PLAIN)
        return count * element_size(node_type(n));
    return count / quant_block_elements((quant_format)n->format) * quant_block_bytes((quant_format)n->format);
}

bool is_elementwise(const node *n)
{
    return op_info_of(n->op)->family == FAMILY_ELEMENTWISE;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

/* Hash and equality over operation, type, shape, attributes and merged sources; with_part false leaves `part` out. */
static uint64_t hash_node(const plan_builder *b, const node *n, bool with_part)
{
    uint64_t h = mix(n->op, with_part ? n->type : 0); /* parts may differ in type */
    for (int i = 0; with_part && i < n->shape.rank; i++)
        h = mix(h, (uint64_t)n->shape.size[i]);
    for (int i = 0; i < n->source_count; i++)
        h = mix(h, (uint64_t)entry_of(b, n->sources[i]));
    node_attributes a = *n->attributes;
    if (!with_part)
        a.part = 0;
    uint64_t words[sizeof a / sizeof(uint64_t)];
    memcpy(words, &a, sizeof words);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        h = mix(h, words[i]);
    return h;
}

static bool nodes_equal(const plan_builder *b, const node *x, const node *y, bool with_part)
{
    if (x->op != y->op || x->source_count != y->source_count)
        return false;
    if (with_part && (x->type != y->type || !shape_equal(x->shape, y->shape)))
        return false;
    for (int i = 0; i < x->source_count; i++)
        if (entry_of(b, x->sources[i]) != entry_of(b, y->sources[i]))
            return false;
    node_attributes u = *x->attributes, v = *y->attributes;
    if (!with_part)
        u.part = v.part = 0;
    if (memcmp(&u, &v, sizeof u) != 0)
        return false;
    if (x->op == OP_CONSTANT)
        return node_bytes(x) <= 64 && memcmp(x->data, y->data, node_bytes(x)) == 0;
    return true;
}

typedef struct node_table {
    int32_t *slots; /* entry + 1, 0 when empty */
    size_t mask;
} node_table;

/* The entry already there that equals entry i, or i itself, which is put there. */
static int32_t table_merge(plan_builder *b, node_table *t, int32_t i, bool with_part)
{
    const node *n = b->entries[i].n;
    for (size_t at = (size_t)hash_node(b, n, with_part) & t->mask;; at = (at + 1) & t->mask) {
        if (t->slots[at] == 0) {
            t->slots[at] = i + 1;
            return i;
        }
        int32_t other = t->slots[at] - 1;
        if (nodes_equal(b, n, b->entries[other].n, with_part))
            return other;
    }
}

/* Whether the axes before the sliced one have size 1, so that the slice is one piece of its source. */
static bool is_leading_slice(const node *n)
{
    for (int i = 0; i < n->attributes->flags; i++)
        if (n->shape.size[i] != 1)
            return false;
    return true;
}

static void set_root(plan_builder *b, int32_t i)
{
    entry *e = &b->entries[i];
    e->root = i;
    bool view = e->n->op == OP_RESHAPE || e->n->op == OP_AFTER || (e->n->op == OP_SLICE && is_leading_slice(e->n));
    if (!view)
        return;
    const entry *of = &b->entries[entry_of(b, e->n->sources[0])];
    e->root = of->root;
    e->offset = of->offset;
    e->held = of->held || e->n->op == OP_AFTER;
    if (e->n->op == OP_SLICE) {
        int64_t stride = 1;
        for (int a = e->n->attributes->flags + 1; a < e->n->shape.rank; a++)
            stride *= e->n->shape.size[a];
        e->offset += (size_t)(stride * e->n->attributes->a[0]) * element_size(node_type(e->n));
    }
}

static bool is_once(const plan_builder *b, const entry *e)
{
    const node *n = e->n;
    if (n->op == OP_INPUT)
        return b->p->inputs[e->input].frozen;
    for (int i = 0; i < n->source_count; i++)
        if (!b->entries[entry_of(b, n->sources[i])].once)
            return false;
    return true;
}

status plan_reduce(plan_builder *b, error *err)
{
    size_t capacity = 16;
    while (capacity < 2 * b->n)
        capacity *= 2;
    node_table all = {ARENA_ARRAY(b->scratch, int32_t, capacity), capacity - 1};
    node_table calls = {ARENA_ARRAY(b->scratch, int32_t, capacity), capacity - 1};
    if (!all.slots || !calls.slots)
        return error_set(err, STATUS_MEMORY, "no memory to plan %zu nodes", b->n);
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        entry *e = &b->entries[i];
        node *n = e->n;
        e->group = e->step = e->place = NONE;
        if (n->op == OP_IDENTITY || n->op == OP_STOP_GRADIENT)
            e->same = entry_of(b, n->sources[0]);
        else
            e->same = n->op == OP_INPUT ? i : table_merge(b, &all, i, true);
        if (e->same != i)
            continue;
        e->first_part = op_info_of(n->op)->parts > 1 ? table_merge(b, &calls, i, false) : i;
        for (int k = 0; k < PARTS_MAX && e->first_part == i; k++)
            e->parts[k] = NONE;
        b->entries[e->first_part].parts[n->attributes->part] = i;
        e->once = is_once(b, e);
        set_root(b, i);
    }
    return STATUS_OK;
}
