/* Which knots a rank function can do without: the one first whose loss changes it least, by a heap. */
#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>

enum { NOWHERE = UINT32_MAX };

/* Ways to save words: delete a knot, or keep it and give up the step at it; or one knot of two goes, as a coin says. */
typedef enum saving { SAVE_NOTHING, SAVE_KNOT, SAVE_STEP, SAVE_PAIR } saving;

/* What may be done at knot j. A pair: with `chance` j stays and gets the rank `stays`, and the knot behind it goes; else that one stays, with the
 * rank `other`, and j goes. */
typedef struct option {
    saving way;
    double cost, chance, stays, other;
} option;

static const option no_option = {.way = SAVE_NOTHING, .cost = INFINITY};

typedef struct reducer {
    curve *c;
    const uint32_t *fresh; /* twice the values of the batch below each knot, half of those at it counted; NULL: no batch */
    double batch;
    double heaviest;       /* a segment may weigh */
    double fitting;        /* knots that fit */
    random_stream *draws;  /* NULL: no pairs */
    uint32_t *previous, *next, *heap, *where;
    double *cost;
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

/* What the function at knot j would be without it. */
static double left_at(const reducer *r, uint32_t j)
{
    const curve *c = r->c;
    uint32_t p = r->previous[j], q = r->next[j];
    double from = c->high[p], to = c->low[q];
    if (c->cubic)
        return curve_cubic_at(c, or_none(r->previous[p]), p, q, or_none(r->next[q]), c->v[j]);
    return from + (to - from) * curve_place(c->v[p], c->v[q], c->v[j], c->scaled);
}

static double loss(const reducer *r, uint32_t j)
{
    double left = left_at(r, j);
    return fmax(fabs(left - r->c->low[j]), fabs(left - r->c->high[j]));
}

/* Where the stream is now, an error is inherited by all that comes: a batch that falls into one place (a stream that closes in on a point) would
 * find the function moved there a little with every batch, in the same direction. So a knot costs more the more of the batch lies beside it,
 * measured by the share that it would have if the batch were spread evenly over the knots; and those go first that the stream has left behind. */
static double presence(const reducer *r, uint32_t p, uint32_t q)
{
    double share = r->fresh ? (r->fresh[q] - r->fresh[p]) / (2 * r->batch) : 0;
    return 1 + r->fitting * share;
}

/* 1: the function bends down at knot j (it rises less behind it), -1: up, 0: not at all, or j has a step. */
static int bend(const reducer *r, uint32_t j)
{
    if (r->previous[j] == NOWHERE || r->next[j] == NOWHERE || r->c->low[j] != r->c->high[j])
        return 0;
    double left = left_at(r, j);
    return left < r->c->low[j] ? 1 : left > r->c->low[j] ? -1 : 0;
}

/* Chance bends a function to and fro. Where it bends in one direction at three knots in a row, the middle one's loss will have the same sign in the
 * batches to come, and such losses add up where others cancel. */
static double steadiness(const reducer *r, uint32_t j)
{
    static const double weight = 5; /* of 1 to 30 that were tried on streams that close in from one side */
    int here = r->draws ? bend(r, j) : 0;
    return here && bend(r, r->previous[j]) == here && bend(r, r->next[j]) == here ? weight : 1;
}

static option knot_or_step(const reducer *r, uint32_t j)
{
    const curve *c = r->c;
    uint32_t p = r->previous[j], q = r->next[j];
    option best = no_option;
    bool beside_infinity = !isfinite(c->v[p]) || !isfinite(c->v[q]);
    if (!beside_infinity && c->low[q] - c->high[p] <= r->heaviest)
        best = (option){.way = SAVE_KNOT, .cost = loss(r, j) * presence(r, p, q) * steadiness(r, j)};
    if (knot_shape(c->high[p], c->low[j], c->high[j]) == KNOT_BOTH && c->high[j] - c->high[p] <= r->heaviest) {
        double cost = .5 * (c->high[j] - c->low[j]);
        if (cost < best.cost)
            best = (option){.way = SAVE_STEP, .cost = cost};
    }
    return best;
}

/* Knots j and k, next to each other, where the function bends in one direction: one goes, and the rank of the other is such that the mean over both
 * outcomes is the function as it is, so that these errors are without bias, as those of a compaction are. Over the line from p to q the
 * function is a sum of two tents, of height a with its tip at j and b with its tip at k; with chance a / (a + b) the tip at j stays, of height a + b.
 * The cost is the standard deviation. */
static option pair(const reducer *r, uint32_t j)
{
    const curve *c = r->c;
    uint32_t p = r->previous[j], k = r->next[j], q = r->next[k];
    if (q == NOWHERE || !isfinite(c->v[p]) || !isfinite(c->v[q]) || c->low[j] != c->high[j] || c->low[k] != c->high[k])
        return no_option;
    double low = c->high[p], high = c->low[q];
    double at_j = curve_place(c->v[p], c->v[q], c->v[j], c->scaled), at_k = curve_place(c->v[p], c->v[q], c->v[k], c->scaled);
    double line_j = low + at_j * (high - low), line_k = low + at_k * (high - low), over_j = c->low[j] - line_j, over_k = c->low[k] - line_k;
    double s = at_j / at_k, t = (1 - at_k) / (1 - at_j), rest = 1 - s * t; /* s: a tent at k has at j; t: a tent at j has at k */
    if (!(rest > 0))
        return no_option;
    double a = (over_j - s * over_k) / rest, b = (over_k - t * over_j) / rest;
    if (!(a * b >= 0))
        return no_option;
    option o = {.way = SAVE_PAIR, .chance = a + b != 0 ? a / (a + b) : 1};
    o.stays = line_j + a + b;
    o.other = line_k + a + b;
    if ((o.chance > 0 && !(o.stays >= low && o.stays <= high && high - o.stays <= r->heaviest)) ||
        (o.chance < 1 && !(o.other >= low && o.other <= high && o.other - low <= r->heaviest)))
        return no_option;
    double farther = fabs(a + b) * (1 - fmin(s, t)); /* apart the outcomes are */
    o.cost = sqrt(o.chance * (1 - o.chance)) * farther * presence(r, p, q);
    return o;
}

static option best_at(const reducer *r, uint32_t j)
{
    if (r->previous[j] == NOWHERE || r->next[j] == NOWHERE || !isfinite(r->c->v[j]))
        return no_option;
    option one = knot_or_step(r, j), two = r->draws ? pair(r, j) : no_option;
    return two.cost < one.cost ? two : one;
}

static void price_again(reducer *r, uint32_t j)
{
    if (j == NOWHERE || r->where[j] == NOWHERE)
        return;
    r->cost[j] = best_at(r, j).cost;
    settle(r, r->where[j]);
}

/* ---- reducing ------------------------------------------------------------------------------------------------------ */

static bool has_extra(const reducer *r, uint32_t j)
{
    uint32_t p = r->previous[j];
    return knot_shape(p == NOWHERE ? 0 : r->c->high[p], r->c->low[j], r->c->high[j]) == KNOT_BOTH;
}

static void drop(reducer *r, uint32_t j)
{
    uint32_t p = r->previous[j], q = r->next[j];
    r->next[p] = q;
    r->previous[q] = p;
    r->count--;
    leave(r, j);
}

static void save(reducer *r, uint32_t j, const option *o)
{
    curve *c = r->c;
    uint32_t p = r->previous[j], k = r->next[j], q = o->way == SAVE_PAIR ? r->next[k] : k;
    for (uint32_t i = j; i != NOWHERE; i = i == q ? NOWHERE : r->next[i])
        r->extra -= has_extra(r, i);
    if (o->way == SAVE_PAIR) {
        bool stays = random_uniform(r->draws) < o->chance;
        uint32_t kept = stays ? j : k;
        c->low[kept] = c->high[kept] = stays ? o->stays : o->other;
        drop(r, stays ? k : j);
    } else if (o->way == SAVE_STEP) {
        c->low[j] = c->high[j];
    } else {
        drop(r, j);
    }
    for (uint32_t i = r->next[p]; i != NOWHERE; i = i == q ? NOWHERE : r->next[i])
        r->extra += has_extra(r, i);
    uint32_t first = r->previous[p] != NOWHERE ? r->previous[p] : p, last = r->next[q] != NOWHERE ? r->next[q] : q;
    for (uint32_t i = first; i != NOWHERE; i = i == last ? NOWHERE : r->next[i])
        price_again(r, i);
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
        r->cost[j] = best_at(r, j).cost;
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
    reducer r = {.c = c, .fresh = l->fresh, .batch = (double)l->batch, .heaviest = l->guard * l->total, .fitting = .5 * (double)l->room,
                 .draws = c->cubic ? NULL : l->draws};
    r.cost = memory_alloc(n * sizeof *r.cost);
    r.previous = memory_alloc(4 * n * sizeof *r.previous);
    if (r.cost && r.previous) {
        r.next = r.previous + n;
        r.heap = r.next + n;
        r.where = r.heap + n;
        fill(&r);
        while (*fits && knots_room_for(r.count, r.extra) > l->room && r.count > 2) {
            uint32_t j = r.heap[0];
            option best = best_at(&r, j);
            if (best.way != SAVE_NOTHING) {
                save(&r, j, &best);
            } else if (l->force && (j = lightest(&r)) != NOWHERE) {
                save(&r, j, &(option){.way = SAVE_KNOT});
                ++*forced;
            } else {
                *fits = false;
            }
        }
        gather(&r);
    }
    bool good = r.cost && r.previous;
    memory_free(r.cost);
    memory_free(r.previous);
    return good ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for %zu knots", n);
}
