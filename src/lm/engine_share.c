/* A sequence's pages: taken from the tree of prefixes, filled, made known, given back. */
#include "lm/engine_internal.h"

#include <string.h>

static int32_t *row_of(const engine *e, const sequence *s)
{
    return e->page_table + (size_t)s->slot * e->slot_pages;
}

static prefix_node *last_node(const engine *e, const sequence *s)
{
    return s->attached ? s->nodes[s->attached - 1] : e->root;
}

/* What is changed in the page behind the attached ones. */
static const prefix_patch *patch_behind(const sequence *s)
{
    return engine_patch_of_page(s, s->attached);
}

/* Takes full pages as they are while the tree goes on with the prompt. */
static void attach(engine *e, sequence *s)
{
    for (;;) {
        size_t at = s->attached * PAGE, same;
        if (at + PAGE > s->first_want)
            return;
        prefix_node *n = prefix_match(last_node(e, s), patch_behind(s), s->ids + at, PAGE, &same);
        if (!n || same < PAGE)
            return;
        prefix_hold(&e->tree, n);
        s->nodes[s->attached++] = n;
    }
}

bool engine_reserve(engine *e, sequence *s)
{
    size_t last = s->budget ? s->request.prompt_count + s->budget - 1 : s->read_to; /* positions, at most */
    size_t needed = (last + PAGE - 1) / PAGE;
    attach(e, s);
    needed -= s->attached;
    if (needed > prefix_room(&e->tree)) {
        while (s->attached)
            prefix_release(&e->tree, s->nodes[--s->attached]);
        return false;
    }
    s->reserved = needed;
    e->pages.reserved += needed;
    return true;
}

static int32_t own_page(engine *e, sequence *s)
{
    int32_t page = prefix_page(&e->tree);
    if (page < 0 || s->reserved == 0)
        BUG("a sequence needs a page that was not promised");
    s->reserved--;
    e->pages.reserved--;
    return page;
}

size_t engine_known(const engine *e, const sequence *s)
{
    size_t at = s->attached * PAGE, left = s->first_want - at, same = 0;
    if (left > 0 && !prefix_match(last_node(e, s), patch_behind(s), s->ids + at, left < PAGE ? left : PAGE, &same))
        same = 0;
    return at + (same < LEAST_SHARED ? 0 : same);
}

/* A copy of the page that goes furthest with the rest of the prompt. */
static void copy_part(engine *e, sequence *s)
{
    size_t at = s->attached * PAGE, left = s->first_want - at, same;
    prefix_node *n = prefix_match(last_node(e, s), patch_behind(s), s->ids + at, left < PAGE ? left : PAGE, &same);
    if (!n || same < LEAST_SHARED)
        return;
    prefix_hold(&e->tree, n); /* it must not be the page that goes */
    if (e->pages.free_count + e->tree.idle > 0) {
        int32_t page = own_page(e, s);
        pages_copy(&e->pages, n->page, page);
        row_of(e, s)[s->page_count++] = page;
        s->computed = at + same;
    }
    prefix_release(&e->tree, n);
}

void engine_start(engine *e, sequence *s)
{
    size_t before = s->attached;
    attach(e, s);
    s->reserved -= s->attached - before; /* what others have made known meanwhile */
    e->pages.reserved -= s->attached - before;
    for (; s->page_count < s->attached; s->page_count++)
        row_of(e, s)[s->page_count] = s->nodes[s->page_count]->page;
    s->computed = s->attached * PAGE;
    if (s->computed < s->first_want)
        copy_part(e, s);
    s->reused = s->filled = s->computed;
    s->started = true;
}

void engine_cover(engine *e, sequence *s, size_t position)
{
    while (s->page_count * PAGE <= position)
        row_of(e, s)[s->page_count++] = own_page(e, s);
}

/* Makes the page behind the attached ones known with `count` tokens. */
static prefix_node *put(engine *e, sequence *s, size_t count, bool *taken)
{
    int32_t page = row_of(e, s)[s->attached];
    prefix_node *n = prefix_put(&e->tree, last_node(e, s), s->tail, patch_behind(s), s->ids + s->attached * PAGE, count, page,
                                taken);
    s->tail = NULL;
    return n;
}

void engine_publish(engine *e, sequence *s, bool part)
{
    bool taken;
    while ((s->attached + 1) * PAGE <= s->computed) {
        prefix_node *n = put(e, s, PAGE, &taken);
        if (!n)
            return; /* no memory: the page stays its own */
        if (!taken) { /* another sequence computed the same */
            pages_give(&e->pages, row_of(e, s)[s->attached]);
            row_of(e, s)[s->attached] = n->page;
        }
        s->nodes[s->attached++] = n;
    }
    size_t rest = s->computed - s->attached * PAGE;
    if (part && rest > 0)
        s->tail = put(e, s, rest, &taken);
}

void engine_let_go(engine *e, sequence *s)
{
    if (s->slot < 0)
        return;
    if (s->started)
        engine_publish(e, s, true);
    for (size_t i = s->attached + (s->tail ? 1 : 0); i < s->page_count; i++)
        pages_give(&e->pages, row_of(e, s)[i]);
    if (s->tail)
        prefix_release(&e->tree, s->tail);
    for (size_t i = s->attached; i-- > 0;)
        prefix_release(&e->tree, s->nodes[i]);
    e->pages.reserved -= s->reserved;
    s->reserved = 0;
    memset(row_of(e, s), 0, e->slot_pages * sizeof(int32_t));
    e->slot_used[s->slot] = false;
    s->slot = -1;
}
