#include "lm/engine_prefix.h"

#include <string.h>

static prefix_node *new_node(prefix_tree *t)
{
    prefix_node *n = t->spare;
    if (!n)
        return ARENA_NEW(t->arena, prefix_node);
    t->spare = n->older;
    prefix_node **children = n->children;
    size_t capacity = n->child_capacity;
    *n = (prefix_node){.children = children, .child_capacity = capacity};
    return n;
}

static void drop_node(prefix_tree *t, prefix_node *n)
{
    n->older = t->spare;
    t->spare = n;
}

prefix_node *prefix_root(prefix_tree *t, uint64_t key)
{
    for (prefix_node *r = t->roots; r; r = r->older)
        if (r->key == key)
            return r;
    prefix_node *r = new_node(t);
    if (!r)
        return NULL;
    r->key = key;
    r->holders = 1;
    r->older = t->roots;
    t->roots = r;
    return r;
}

/* ---- the list of those that can go ---- */

static void list_add(prefix_tree *t, prefix_node *n)
{
    n->older = t->newest;
    n->newer = NULL;
    *(t->newest ? &t->newest->newer : &t->oldest) = n;
    t->newest = n;
    n->listed = true;
}

static void list_remove(prefix_tree *t, prefix_node *n)
{
    *(n->older ? &n->older->newer : &t->oldest) = n->newer;
    *(n->newer ? &n->newer->older : &t->newest) = n->older;
    n->older = n->newer = NULL;
    n->listed = false;
}

void prefix_hold(prefix_tree *t, prefix_node *n)
{
    if (n->holders++ > 0)
        return;
    t->idle--;
    if (n->listed)
        list_remove(t, n);
}

void prefix_release(prefix_tree *t, prefix_node *n)
{
    if (n->holders == 0)
        BUG("a prefix is let go of twice");
    if (--n->holders > 0)
        return;
    t->idle++;
    if (n->child_count == 0)
        list_add(t, n);
}

/* ---- children, in the order of their patches, then of their tokens ---- */

static size_t common(const int32_t *a, size_t a_count, const int32_t *b, size_t b_count)
{
    size_t i = 0, most = a_count < b_count ? a_count : b_count;
    while (i < most && a[i] == b[i])
        i++;
    return i;
}

static int compare(const prefix_patch *a, const prefix_patch *b)
{
    return memcmp(a->digest, b->digest, sizeof a->digest);
}

/* The place of the first child that is not before the tokens under the patch. */
static size_t place_of(const prefix_node *parent, const prefix_patch *patch, const int32_t *ids, size_t count)
{
    size_t low = 0, high = parent->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const prefix_node *c = parent->children[middle];
        int order = compare(&c->patch, patch);
        size_t same = common(c->ids, c->count, ids, count);
        bool before = same == c->count ? same < count : same < count && c->ids[same] < ids[same];
        if (order < 0 || (order == 0 && before))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child under exactly this patch that goes furthest. */
static prefix_node *furthest(const prefix_node *parent, const prefix_patch *patch, const int32_t *ids, size_t count, size_t *same)
{
    size_t at = place_of(parent, patch, ids, count < PAGE ? count : PAGE);
    prefix_node *best = NULL;
    *same = 0;
    for (size_t i = at > 0 ? at - 1 : 0; i <= at && i < parent->child_count; i++) { /* its neighbours share most */
        prefix_node *c = parent->children[i];
        size_t here = compare(&c->patch, patch) == 0 ? common(c->ids, c->count, ids, count) : 0;
        if (here > *same) {
            best = c;
            *same = here;
        }
    }
    return best;
}

prefix_node *prefix_match(const prefix_node *parent, const prefix_patch *patch, const int32_t *ids, size_t count, size_t *same)
{
    static const prefix_patch none = {.clean = PAGE};
    prefix_node *best = furthest(parent, patch, ids, count, same);
    size_t clean = count < patch->clean ? count : patch->clean, here;
    if (compare(patch, &none) == 0 || clean <= *same)
        return best;
    prefix_node *other = furthest(parent, &none, ids, clean, &here);
    if (here > *same) {
        *same = here;
        best = other;
    }
    return best;
}

static bool insert(prefix_node *parent, prefix_node *n)
{
    if (parent->child_count == parent->child_capacity) {
        size_t capacity = parent->child_capacity ? 2 * parent->child_capacity : 4;
        prefix_node **more = memory_alloc(capacity * sizeof(prefix_node *));
        if (!more)
            return false;
        if (parent->child_count)
            memcpy(more, parent->children, parent->child_count * sizeof(prefix_node *));
        memory_free(parent->children);
        parent->children = more;
        parent->child_capacity = capacity;
    }
    size_t at = place_of(parent, &n->patch, n->ids, n->count);
    memmove(parent->children + at + 1, parent->children + at, (parent->child_count - at) * sizeof(prefix_node *));
    parent->children[at] = n;
    parent->child_count++;
    n->parent = parent;
    return true;
}

static void detach(prefix_node *n)
{
    prefix_node *parent = n->parent;
    size_t i = 0;
    while (parent->children[i] != n)
        i++;
    parent->child_count--;
    memmove(parent->children + i, parent->children + i + 1, (parent->child_count - i) * sizeof(prefix_node *));
}

/* A node without holders and children goes; its page is free. */
static void evict(prefix_tree *t, prefix_node *n)
{
    prefix_node *parent = n->parent;
    list_remove(t, n);
    detach(n);
    t->idle--;
    pages_give(t->pages, n->page);
    drop_node(t, n);
    if (parent->holders == 0 && parent->child_count == 0)
        list_add(t, parent);
}

prefix_node *prefix_put(prefix_tree *t, prefix_node *parent, prefix_node *mine, const prefix_patch *patch, const int32_t *ids,
                        size_t count, int32_t page, bool *taken)
{
    size_t same;
    *taken = mine != NULL;
    if (mine && mine->count == count)
        return mine;
    if (mine)
        detach(mine);
    prefix_node *known = furthest(parent, patch, ids, count, &same);
    if (known && same == count) {
        if (mine)
            drop_node(t, mine);
        *taken = false;
        if (count < PAGE)
            return NULL;
        prefix_hold(t, known);
        return known;
    }
    if (known && same == known->count && known->listed) /* the beginning of this page, and nobody's */
        evict(t, known);
    prefix_node *n = mine ? mine : new_node(t);
    if (n) {
        n->count = count;
        n->page = page;
        n->holders = 1;
        n->patch = *patch;
        memcpy(n->ids, ids, count * sizeof *ids);
    }
    if (n && insert(parent, n)) {
        *taken = true;
        return n;
    }
    if (n)
        drop_node(t, n);
    *taken = false;
    return NULL;
}

size_t prefix_room(const prefix_tree *t)
{
    size_t all = t->pages->free_count + t->idle;
    return all > t->pages->reserved ? all - t->pages->reserved : 0;
}

int32_t prefix_page(prefix_tree *t)
{
    if (t->pages->free_count == 0 && t->oldest) {
        evict(t, t->oldest);
        t->evicted++;
    }
    return pages_take(t->pages);
}

void prefix_forget(prefix_tree *t)
{
    while (t->oldest)
        evict(t, t->oldest);
}

static void free_children(prefix_node *n)
{
    for (size_t i = 0; i < n->child_count; i++)
        free_children(n->children[i]);
    memory_free(n->children);
}

void prefix_free(prefix_tree *t)
{
    for (prefix_node *r = t->roots; r; r = r->older)
        free_children(r);
    for (prefix_node *n = t->spare; n; n = n->older)
        memory_free(n->children);
}
