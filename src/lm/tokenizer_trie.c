/* Prefix trees over bytes. */
#include "lm/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
    const trie_key *x = a, *y = b;
    size_t shorter = x->text.length < y->text.length ? x->text.length : y->text.length;
    int order = memcmp(x->text.text, y->text.text, shorter);
    if (order)
        return order;
    if (x->text.length != y->text.length)
        return x->text.length < y->text.length ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* A node that waits for its children: the keys from `low` to before `high` go through it. */
typedef struct open_node {
    uint32_t low, high, depth;
} open_node;

static size_t nodes_needed(const trie_key *keys, size_t count)
{
    size_t needed = 1;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        if (i)
            while (same < keys[i].text.length && same < keys[i - 1].text.length &&
                   keys[i].text.text[same] == keys[i - 1].text.text[same])
                same++;
        needed += keys[i].text.length - same;
    }
    return needed;
}

/* Opens one node: its value, and a child for each byte that follows. */
static void open_children(trie *t, open_node *open, const trie_key *keys, uint32_t node)
{
    open_node o = open[node];
    trie_node *n = &t->nodes[node];
    n->value = -1;
    while (o.low < o.high && keys[o.low].text.length == o.depth)
        n->value = keys[o.low++].value;
    n->children = (uint32_t)t->count;
    while (o.low < o.high) {
        uint32_t end = o.low + 1;
        char byte = keys[o.low].text.text[o.depth];
        while (end < o.high && keys[end].text.text[o.depth] == byte)
            end++;
        open[t->count] = (open_node){o.low, end, o.depth + 1};
        t->nodes[t->count++].byte = (unsigned char)byte;
        n->count++;
        o.low = end;
    }
}

status trie_build(arena *a, trie_key *keys, size_t count, trie *out, error *err)
{
    if (count)
        qsort(keys, count, sizeof *keys, by_text);
    size_t needed = nodes_needed(keys, count);
    if (needed >= UINT32_MAX || count >= UINT32_MAX)
        return error_set(err, STATUS_UNSUPPORTED, "a vocabulary of %zu characters is too large", needed);
    open_node *open = memory_alloc(needed * sizeof *open);
    out->nodes = ARENA_ARRAY(a, trie_node, needed);
    if (!open || !out->nodes) {
        memory_free(open);
        return error_set(err, STATUS_MEMORY, "out of memory for a vocabulary of %zu characters", needed);
    }
    out->count = 1;
    open[0] = (open_node){0, (uint32_t)count, 0};
    for (uint32_t i = 0; i < out->count; i++) /* each node opened adds those behind it */
        open_children(out, open, keys, i);
    memory_free(open);
    for (size_t i = 0; i < count; i++)
        out->first[(unsigned char)keys[i].text.text[0]] = true;
    return STATUS_OK;
}

uint32_t trie_next(const trie *t, uint32_t node, unsigned char byte)
{
    uint32_t low = t->nodes[node].children, high = low + t->nodes[node].count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        unsigned char found = t->nodes[middle].byte;
        if (found == byte)
            return middle;
        if (found < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

int32_t trie_longest(const trie *t, slice text, size_t *length)
{
    int32_t value = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < text.length; i++) {
        node = trie_next(t, node, (unsigned char)text.text[i]);
        if (!node)
            break;
        if (t->nodes[node].value >= 0) {
            value = t->nodes[node].value;
            *length = i + 1;
        }
    }
    return value;
}
