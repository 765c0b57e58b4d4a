/* Who enters, who waits for whom, and which rows a step has. The order of work changes no result. */
#include "lm/engine_internal.h"

static void enter(engine *e, sequence *s)
{
    s->slot = 0;
    while (e->slot_used[s->slot])
        s->slot++;
    e->slot_used[s->slot] = true;
    e->active[e->active_count++] = s;
    s->entered = e->times.steps;
}

static size_t common(const sequence *a, const sequence *b)
{
    size_t most = a->read_to < b->first_want ? a->read_to : b->first_want, i = 0;
    while (i < most && a->ids[i] == b->ids[i])
        i++;
    return engine_patch_agree(a, b, i);
}

/* Of two sequences that have not begun, the one that entered earlier reads first (it may have read by the time the other
 * would let it); of two that entered together the longer one, so that the shorter finds all it needs. */
static bool goes_before(const sequence *a, const sequence *b)
{
    if (a->started || b->started)
        return a->started && !b->started;
    if (a->entered != b->entered)
        return a->entered < b->entered;
    return a->read_to != b->read_to ? a->read_to > b->read_to : a->ticket < b->ticket;
}

/* A sequence that begins as one that is about to be read waits until that much is computed. Of those that share as much with
 * it, it waits for the one that reads first: they would all wait for that one, and behind each other they would go through
 * one by one. Who waits for whom follows an order, so nobody waits for himself. */
static void choose_leader(engine *e, sequence *s)
{
    size_t known = engine_known(e, s), best = 0;
    const sequence *leader = NULL;
    for (size_t i = 0; i < e->active_count; i++) {
        const sequence *a = e->active[i];
        if (a == s || !engine_reads(a) || a->over || !goes_before(a, s))
            continue;
        size_t same = common(a, s);
        if (same < known + LEAST_SHARED || same < best || (same == best && !goes_before(a, leader)))
            continue;
        best = same;
        leader = a;
    }
    s->leader = leader ? leader->ticket : 0;
    s->shared = best;
}

void engine_admit(engine *e)
{
    size_t before = e->active_count;
    while (e->waiting && (e->waiting->over || (e->active_count < e->slots && engine_reserve(e, e->waiting)))) {
        sequence *s = e->waiting;
        e->waiting = s->next;
        if (!e->waiting)
            e->waiting_end = &e->waiting;
        if (s->over)
            engine_finish(e, s);
        else
            enter(e, s);
    }
    for (size_t i = before; i < e->active_count; i++)
        choose_leader(e, e->active[i]);
}

/* Whether the one it waits for is not there yet. A page that is not full becomes known only when its prompt is read. */
static bool must_wait(const engine *e, const sequence *s)
{
    if (s->started || s->leader == 0)
        return false;
    for (size_t i = 0; i < e->active_count; i++) {
        const sequence *a = e->active[i];
        if (a->ticket == s->leader)
            return engine_reads(a) && !a->over && a->computed < (s->shared + PAGE - 1) / PAGE * PAGE;
    }
    return false;
}

/* Reading a short prompt makes a step of few rows much dearer, so prompts wait until several can be read together. */
static bool reading_pays(const engine *e, size_t writing)
{
    size_t tokens = 0, readers = 0;
    for (size_t i = 0; i < e->active_count; i++) {
        const sequence *s = e->active[i];
        if (!engine_reads(s) || must_wait(e, s))
            continue;
        tokens += s->read_to - s->computed;
        readers++;
    }
    return readers > 0 && (writing == 0 || tokens + writing >= CHUNK_ROWS || 4 * readers >= e->slots || !e->waiting);
}

/* Whether the logits behind a position of the prompt are wanted. */
static bool is_wanted(const sequence *s, size_t position)
{
    const engine_request *r = &s->request;
    if (position + 1 == r->candidates_after && r->candidate_count > 0)
        return true;
    if (position + 1 == r->prompt_count)
        return s->budget > 0;
    return r->prompt_logprobs && position + 1 >= r->prompt_from;
}

static void add(engine *e, sequence *s, size_t position, bool wanted)
{
    engine_cover(e, s, position);
    engine_row_add(e, s, position, wanted);
    s->filled = position + 1;
}

static void read_on(engine *e, sequence *s)
{
    if (!s->started)
        engine_start(e, s);
    for (size_t p = s->computed; p < s->read_to && engine_rows_room(e) > 0; p++)
        add(e, s, p, is_wanted(s, p));
}

void engine_fill(engine *e)
{
    size_t writing = 0;
    engine_rows_begin(e);
    for (size_t i = 0; i < e->active_count; i++) {
        sequence *s = e->active[i];
        s->filled = s->computed;
        if (s->over || engine_reads(s))
            continue;
        if (engine_is_done(s)) { /* there was nothing to compute */
            s->over = true;
            continue;
        }
        add(e, s, s->computed, true);
        writing++;
    }
    if (!reading_pays(e, writing))
        return;
    for (size_t i = 0; i < e->active_count && engine_rows_room(e) > 0; i++) {
        sequence *s = e->active[i];
        if (engine_reads(s) && !s->over && !must_wait(e, s))
            read_on(e, s);
    }
}
