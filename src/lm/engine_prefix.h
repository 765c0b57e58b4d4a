/* engine_prefix.h - prefixes that were computed before: a tree over pages of the cache.
 *
 * A node is one page: up to 64 tokens, and the keys and values of their positions. A path from a root is a text from its
 * beginning; only full pages have children, and siblings lie in the order of their tokens, so that the page that goes
 * furthest with given tokens is found by halving. A sequence that begins with the tokens of full pages uses them as they
 * are and holds them; where it parts from a page, it gets a copy of the page, of which it uses the positions they share.
 * What a page holds depends on the tokens up to each position and on what a request changes up to there (and on the root's
 * key), so reuse changes no bits. A node says what was changed in its page; siblings lie in the order of that first.
 *
 * Nodes that nobody holds stay until a page is needed: then those go that have no children, those first that were let go
 * of first. A holder holds the whole path, so all that nobody holds can go.
 */
#ifndef ASSAY_LM_ENGINE_PREFIX_H
#define ASSAY_LM_ENGINE_PREFIX_H

#include "lm/engine_pages.h"

/* What interventions do to the positions of one page: a digest of it, all zero for nothing, and how many positions come
 * before the first that they change (PAGE for nothing). */
typedef struct prefix_patch {
    unsigned char digest[32];
    size_t clean;
} prefix_patch;

typedef struct prefix_node prefix_node;
struct prefix_node {
    prefix_node *parent, **children;
    size_t child_count, child_capacity;
    prefix_node *older, *newer; /* in the list of those that can go, and in that of unused records */
    bool listed;
    uint32_t holders;
    uint64_t key; /* of a root: what of the model makes its keys and values (weights, adapter) */
    int32_t page;
    size_t count;
    prefix_patch patch;
    int32_t ids[PAGE];
};

typedef struct prefix_tree {
    arena *arena;
    engine_pages *pages;
    prefix_node *roots;           /* linked by `older` */
    prefix_node *oldest, *newest; /* without holders and children */
    prefix_node *spare;
    size_t idle;                  /* nodes without holders: pages that can be had */
    uint64_t evicted;             /* pages, so far */
} prefix_tree;

/* The root of texts under a key; NULL: memory is out. */
prefix_node *prefix_root(prefix_tree *t, uint64_t key);
/* The child that goes furthest with the tokens under the patch, or NULL; *same: how many positions they share. Where it is one
 * of an unpatched text, these are at most patch->clean. */
prefix_node *prefix_match(const prefix_node *parent, const prefix_patch *patch, const int32_t *ids, size_t count, size_t *same);
void prefix_hold(prefix_tree *t, prefix_node *n);
void prefix_release(prefix_tree *t, prefix_node *n);

/* Makes a page of `count` tokens known as a child of `parent`, which the caller holds. `mine`: the caller's node of the same
 * page with fewer tokens, or NULL. Returns the node, held by the caller; where another page with the same 64 tokens and patch is known,
 * that one, and the caller's page is its own again (*taken false). NULL with *taken false: there is nothing to add (another
 * page begins so, and this one is not full), or memory is out. */
prefix_node *prefix_put(prefix_tree *t, prefix_node *parent, prefix_node *mine, const prefix_patch *patch, const int32_t *ids,
                        size_t count, int32_t page, bool *taken);
/* Pages that can be had beside those reserved. */
size_t prefix_room(const prefix_tree *t);
/* A page: a free one, or the one whose turn it is to go. -1: there is none. */
int32_t prefix_page(prefix_tree *t);
/* Lets go of all that nobody holds. */
void prefix_forget(prefix_tree *t);
void prefix_free(prefix_tree *t); /* what lies outside of the arena */

#endif
