/* Which knots a rank function can do without: the one first whose loss changes it least, by a heap. */
#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>

enum { NOWHERE = UINT32_MAX };

/* Two ways to save words at a knot: delete it, or keep it and give up the step at it. */
typedef enum saving { SAVE_NOTHING, SAVE_KNOT, SAVE_STEP } saving;

typedef struct reducer {
    curve *c;
    const uint32_t *fresh; /* values of the batch below each knot; NULL: no batch */
    double batch;
    double heaviest; /* a segment may weigh */
    uint32_t *previous, *next, *heap, *where;
    double *cost;
    uint8_t *way;
    size_t waiting; /* in the heap */
    size_t count, extra;
} reducer;

/* ---- the heap ------------------------------------------------------------------------------------------------------ */

static void place(reducer *r, size_t at, uint32_t knot)
{
    r->heap[at] = knot;
    r->where[knot] = (uint32_t)at;
}

static void settle(reducer *r, size_t at)
{
    uint32_t knot = r->heap[at];
    while (at > 0 && r->cost[r->heap[(at - 1) / 2]] > r->cost[knot]) {
        place(r, at, r->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= r->waiting)
            break;
        if (child + 1 < r->waiting && r->cost[r->heap[child + 1]] < r->cost[r->heap[child]])
            child++;
        if (r->cost[r->heap[child]] >= r->cost[knot])
            break;
        place(r, at, r->heap[child]);
        at = child;
    }
    place(r, at, knot);
}

static void leave(reducer *r, uint32_t knot)
{
    size_t at = r->where[knot];
    uint32_t last = r->heap[--r->waiting];
    r->where[knot] = NOWHERE;
    if (last != knot) {
        place(r, at, last);
        settle(r, at);
    }
}

/* ---- costs --------------------------------------------------------------------------------------------------------- */

static size_t or_none(uint32_t knot)
{
    return knot == NOWHERE ? SIZE_MAX : knot;
}

/* How far the function at knot j moves when it is gone. */
static double loss(const reducer *r, uint32_t j)
{
    const curve *c = r->c;
    uint32_t p = r->previous[j], q = r->next[j];
    double a = c->high[p], b = c->low[q], left;
    if (c->cubic)
        left = curve_cubic_at(c, or_none(r->previous[p]), p, q, or_none(r->next[q]), c->v[j]);
    else
        left = a + (b - a) * curve_place(c->v[p], c->v[q], c->v[j], c->scaled);
    return fmax(fabs(left - c->low[j]), fabs(left - c->high[j]));
}

/* Where the stream is now, an error is inherited by all that comes: a batch that falls into one place (a stream that closes in on a point) would
 * find the function moved there a little with every batch, in the same direction. So knots beside many values of the batch cost more, and
 * those go first that the stream has left behind. A batch that is spread as the function is changes next to nothing. */
static double presence(const reducer *r, uint32_t p, uint32_t q)
{
    static const double weight = 30; /* of 10 to 100 that were tried on streams that close in: no matter */
    double share = r->fresh ? (r->fresh[q] - r->fresh[p]) / r->batch : 0;
    return 1 + weight * share * share;
}

static void price(reducer *r, uint32_t j)
{
    const curve *c = r->c;
    uint32_t p = r->previous[j], q = r->next[j];
    r->cost[j] = INFINITY;
    r->way[j] = SAVE_NOTHING;
    if (p == NOWHERE || q == NOWHERE || !isfinite(c->v[j]))
        return;
    bool beside_infinity = !isfinite(c->v[p]) || !isfinite(c->v[q]);
    if (!beside_infinity && c->low[q] - c->high[p] <= r->heaviest) {
        r->cost[j] = loss(r, j) * presence(r, p, q);
        r->way[j] = SAVE_KNOT;
    }
    if (knot_shape(c->high[p], c->low[j], c->high[j]) == KNOT_BOTH && c->high[j] - c->high[p] <= r->heaviest) {
        double cost = .5 * (c->high[j] - c->low[j]);
        if (cost < r->cost[j]) {
            r->cost[j] = cost;
            r->way[j] = SAVE_STEP;
        }
    }
}

static void price_again(reducer *r, uint32_t j)
{
    if (j == NOWHERE || r->where[j] == NOWHERE)
        return;
    price(r, j);
    settle(r, r->where[j]);
}

/* ---- reducing ------------------------------------------------------------------------------------------------------ */

static bool has_extra(const reducer *r, uint32_t j)
{
    uint32_t p = r->previous[j];
    return knot_shape(p == NOWHERE ? 0 : r->c->high[p], r->c->low[j], r->c->high[j]) == KNOT_BOTH;
}

static void save(reducer *r, uint32_t j, saving way)
{
    uint32_t p = r->previous[j], q = r->next[j];
    r->extra -= (size_t)has_extra(r, j) + (size_t)has_extra(r, q);
    if (way == SAVE_STEP) {
        r->c->low[j] = r->c->high[j];
        r->extra += has_extra(r, j);
    } else {
        r->next[p] = q;
        r->previous[q] = p;
        r->count--;
        leave(r, j);
    }
    r->extra += has_extra(r, q);
    if (way == SAVE_STEP)
        price_again(r, j);
    price_again(r, p);
    price_again(r, q);
    if (r->c->cubic) {
        price_again(r, r->previous[p]);
        price_again(r, r->next[q]);
    }
}

/* The knot between the lightest neighbours, whatever the guard says. */
static uint32_t lightest(const reducer *r)
{
    uint32_t best = NOWHERE;
    double least = INFINITY;
    for (uint32_t j = r->next[0]; j != NOWHERE && r->next[j] != NOWHERE; j = r->next[j]) {
        double weight = r->c->low[r->next[j]] - r->c->high[r->previous[j]];
        if (weight < least) {
            least = weight;
            best = j;
        }
    }
    return best;
}

static void gather(reducer *r)
{
    curve *c = r->c;
    size_t to = 0;
    for (uint32_t j = 0; j != NOWHERE; j = r->next[j], to++) {
        c->v[to] = c->v[j];
        c->low[to] = c->low[j];
        c->high[to] = c->high[j];
    }
    c->count = to;
    curve_prepare(c);
}

static void fill(reducer *r)
{
    size_t n = r->c->count;
    for (uint32_t j = 0; j < n; j++) {
        r->previous[j] = j ? j - 1 : NOWHERE;
        r->next[j] = j + 1 < n ? j + 1 : NOWHERE;
    }
    for (uint32_t j = 0; j < n; j++) {
        price(r, j);
        r->extra += has_extra(r, j);
        place(r, j, j);
        r->waiting = j + 1;
        settle(r, j);
    }
    r->count = n;
}

status knots_reduce(curve *c, const knots_limits *l, bool *fits, uint64_t *forced, error *err)
{
    size_t n = c->count;
    *fits = true;
    if (n < 3)
        return STATUS_OK;
    reducer r = {.c = c, .fresh = l->fresh, .batch = (double)l->batch, .heaviest = l->guard * l->total};
    r.cost = memory_alloc(n * sizeof *r.cost);
    r.previous = memory_alloc(4 * n * sizeof *r.previous);
    r.way = memory_alloc(n);
    if (r.cost && r.previous && r.way) {
        r.next = r.previous + n;
        r.heap = r.next + n;
        r.where = r.heap + n;
        fill(&r);
        while (*fits && knots_room_for(r.count, r.extra) > l->room && r.count > 2) {
            uint32_t j = r.heap[0];
            if (isfinite(r.cost[j])) {
                save(&r, j, (saving)r.way[j]);
            } else if (l->force && (j = lightest(&r)) != NOWHERE) {
                save(&r, j, SAVE_KNOT);
                ++*forced;
            } else {
                *fits = false;
            }
        }
        gather(&r);
    }
    bool good = r.cost && r.previous && r.way;
    memory_free(r.cost);
    memory_free(r.previous);
    memory_free(r.way);
    return good ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for %zu knots", n);
}
