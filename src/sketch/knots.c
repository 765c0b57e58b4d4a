/* The compactor at the top as a piecewise linear (or cubic) rank function, with compactors below it. */
#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

/* ---- shape and packing ------------------------------------------------------------------------------------------- */

enum { OWN_WORDS = 10, LEAST_WIDTH = 8 };

size_t knots_room_for(size_t count, size_t extra)
{
    return 2 * count + extra + (count + 7) / 8;
}

status knots_init(knots *s, const sketch_options *o, error *err)
{
    size_t buffers = (size_t)(o->buffer * (double)o->words) / (o->lower + 1) & ~(size_t)1;
    *s = (knots){.width = buffers < LEAST_WIDTH ? LEAST_WIDTH : buffers, .cubic = o->kind == SKETCH_SPLINE, .lower = o->lower,
                 .height = o->height, .coins = coins_new(o->seed)};
    size_t below = s->width * (o->lower + 1) + OWN_WORDS;
    if (below + 24 > o->words)
        return error_set(err, STATUS_USAGE, "%zu words hold no knots above %u levels of %zu values each", o->words, o->lower + 1, s->width);
    s->room = o->words - below;
    s->guard = o->unguarded ? INFINITY : o->guard * 2 / (double)s->room;
    for (unsigned i = 0; i <= s->lower; i++)
        if (!(s->level[i] = memory_alloc(s->width * sizeof *s->level[i]))) {
            knots_free(s);
            return error_set(err, STATUS_MEMORY, "out of memory for a sketch of %zu words", o->words);
        }
    return STATUS_OK;
}

void knots_free(knots *s)
{
    for (unsigned i = 0; i <= SKETCH_MOST_LOWER; i++)
        memory_free(s->level[i]);
    memory_free(s->packed);
    memory_free(s->shape);
    *s = (knots){0};
}

size_t knots_words(const knots *s)
{
    return s->room + s->width * (s->lower + 1) + OWN_WORDS;
}

double knots_weight(const knots *s)
{
    double sum = s->total;
    for (unsigned i = 0; i <= s->lower; i++)
        sum += ldexp((double)s->fill[i], (int)i);
    return sum;
}

status knots_unpack(const knots *s, curve *out, error *err)
{
    TRY(curve_reserve(out, s->count + 1, err));
    out->count = 0;
    out->cubic = s->cubic;
    if (s->count == 0)
        return STATUS_OK;
    const double *high = s->packed + s->count, *low = high + s->count;
    out->count = s->count;
    for (size_t i = 0, extra = 0; i < s->count; i++) {
        out->v[i] = s->packed[i];
        out->high[i] = high[i];
        out->low[i] = s->shape[i] == KNOT_RAMP ? high[i] : s->shape[i] == KNOT_JUMP ? (i ? high[i - 1] : 0) : low[extra++];
    }
    curve_prepare(out);
    return STATUS_OK;
}

status knots_pack(knots *s, const curve *c, error *err)
{
    size_t extra = 0, n = c->count;
    for (size_t i = 0; i < n; i++)
        extra += knot_shape(i ? c->high[i - 1] : 0, c->low[i], c->high[i]) == KNOT_BOTH;
    double *packed = memory_alloc((2 * n + extra + 1) * sizeof *packed);
    uint8_t *shape = memory_alloc(n + 1);
    if (!packed || !shape) {
        memory_free(packed);
        memory_free(shape);
        return error_set(err, STATUS_MEMORY, "out of memory for %zu knots", n);
    }
    double *low = packed + 2 * n;
    for (size_t i = 0; i < n; i++) {
        packed[i] = c->v[i];
        packed[n + i] = c->high[i];
        shape[i] = (uint8_t)knot_shape(i ? c->high[i - 1] : 0, c->low[i], c->high[i]);
        if (shape[i] == KNOT_BOTH)
            *low++ = c->low[i];
    }
    memory_free(s->packed);
    memory_free(s->shape);
    s->packed = packed;
    s->shape = shape;
    s->count = n;
    s->extra = extra;
    return STATUS_OK;
}

/* ---- adding -------------------------------------------------------------------------------------------------------- */

static void put(curve *c, double v, double low, double high)
{
    c->v[c->count] = v;
    c->low[c->count] = low;
    c->high[c->count++] = high;
}

/* Rank at x strictly between knots j and j + 1. A knot without a step stands in the middle of one value's weight, half of which lies at the
 * knot and not beside it. */
static double rank_between(const curve *c, size_t j, double x)
{
    double a = c->high[j], b = c->low[j + 1], weight = b - a, rank = curve_between(c, j, x);
    double begin = c->low[j] == a ? .5 : 0, end = c->high[j + 1] == b ? .5 : 0;
    if (weight <= begin + end)
        return weight > 0 ? a + weight * (begin + end > 0 ? begin / (begin + end) : .5) : a;
    return a + begin + (rank - a) * (weight - begin - end) / weight;
}

/* Ranks of `old`, whose total weight is `total`, just below x and at x; j knots are at or below x. With `again` x has come a second time: where it
 * stood alone, in the middle of its weight, that turns out to be a step. */
static void ranks_at(const curve *old, size_t j, double x, double total, bool again, double *low, double *high)
{
    if (j && old->v[j - 1] == x) {
        *low = old->low[j - 1];
        *high = old->high[j - 1];
        if (again && *low == *high && j > 1 && j < old->count) {
            double room_below = *low - old->high[j - 2], room_above = old->low[j] - *high;
            *low -= fmin(.5, room_below);
            *high += fmin(.5, room_above);
        }
    } else {
        *low = *high = j == 0 ? 0 : j == old->count ? total : rank_between(old, j - 1, x);
    }
}

/* The rising batch, each value of `weight`: knots that are there count what lies below them exactly; a new value takes its rank from the
 * function and the batch. `fresh` (or NULL): twice the values of the batch below each knot of
 * `out`, half of those at it counted. */
static void add_batch(const curve *old, double total, const double *batch, size_t count, double weight, curve *out, uint32_t *fresh)
{
    size_t i = 0, b = 0;
    out->count = 0;
    out->cubic = old->cubic;
    while (i < old->count || b < count) {
        double x = b == count || (i < old->count && old->v[i] <= batch[b]) ? old->v[i] : batch[b], low, high;
        bool known = i < old->count && old->v[i] == x;
        size_t copies = 0;
        i += known;
        ranks_at(old, i, x, total, b < count && batch[b] == x, &low, &high);
        double below = (double)b * weight;
        size_t first_copy = b;
        for (; b < count && batch[b] == x; b++)
            copies++;
        if (fresh)
            fresh[out->count] = (uint32_t)(first_copy + b);
        low += below;
        high += below + (double)copies * weight;
        bool first = out->count == 0, last = i == old->count && b == count;
        if (!first && !last && isfinite(x) && (known ? copies == 0 && high - low <= weight : copies == 1))
            low = high = .5 * (low + high); /* it stood, or stands, alone: no step, so that its neighbours to come find no bias */
        put(out, x, first ? 0 : low, last ? total + (double)count * weight : high);
    }
    curve_prepare(out);
}

static void add_curve(const curve *a, double a_total, const curve *b, double b_total, curve *out)
{
    size_t i = 0, j = 0;
    out->count = 0;
    out->cubic = a->cubic;
    while (i < a->count || j < b->count) {
        bool first = j == b->count || (i < a->count && a->v[i] <= b->v[j]);
        double x = first ? a->v[i] : b->v[j], low, high, low_b, high_b;
        bool in_a = i < a->count && a->v[i] == x, in_b = j < b->count && b->v[j] == x;
        i += in_a;
        j += in_b;
        ranks_at(a, i, x, a_total, in_b, &low, &high);
        ranks_at(b, j, x, b_total, in_a, &low_b, &high_b);
        put(out, x, low + low_b, high + high_b);
    }
    curve_prepare(out);
}

/* One attempt to take the batch in; *fits is false, and nothing changed, where the guard turns it away. */
static status try_batch(knots *s, const double *batch, size_t count, double weight, bool force, bool *fits, error *err)
{
    curve old = {0}, sum = {0};
    double total = s->total + (double)count * weight;
    status result = knots_unpack(s, &old, err);
    if (result == STATUS_OK)
        result = curve_reserve(&sum, old.count + count + 1, err);
    uint32_t *fresh = memory_alloc((old.count + count + 1) * sizeof *fresh);
    if (!fresh && result == STATUS_OK)
        result = error_set(err, STATUS_MEMORY, "out of memory for %zu values", count);
    *fits = true;
    if (result == STATUS_OK) {
        add_batch(&old, s->total, batch, count, weight, &sum, fresh);
        knots_limits l = {.room = s->room, .guard = s->guard, .total = total, .force = force, .fresh = fresh, .batch = count,
                          .draws = &s->coins.stream};
        result = knots_reduce(&sum, &l, fits, &s->counts.forced, err);
    }
    if (result == STATUS_OK && *fits)
        result = knots_pack(s, &sum, err);
    if (result == STATUS_OK && *fits)
        s->total = total;
    memory_free(fresh);
    curve_free(&old);
    curve_free(&sum);
    return result;
}

/* A batch that is turned away goes through a compaction and comes back with half as many values of twice the weight; a single value is
 * taken in any case. `batch` is spoilt. */
static status take_batch(knots *s, double *batch, size_t count, double weight, error *err)
{
    while (count > 0) {
        bool fits;
        TRY(try_batch(s, batch, count, weight, count == 1, &fits, err));
        if (fits)
            return STATUS_OK;
        s->counts.refused++;
        if (count & 1)
            TRY(try_batch(s, &batch[--count], 1, weight, true, &fits, err));
        unsigned o = coin(&s->coins);
        for (size_t i = 0; i < count / 2; i++)
            batch[i] = batch[2 * i + o];
        count /= 2;
        weight *= 2;
    }
    return STATUS_OK;
}

/* ---- the levels below ---------------------------------------------------------------------------------------------- */

/* With a height the knots see a bounded number of batches of the present weight: then a level grows below them. */
static status raise(knots *s, error *err)
{
    s->batches++;
    if (s->height == 0 || s->batches < (uint64_t)1 << s->height || s->lower == SKETCH_MOST_LOWER)
        return STATUS_OK;
    s->level[s->lower + 1] = memory_alloc(s->width * sizeof(double));
    if (!s->level[s->lower + 1])
        return error_set(err, STATUS_MEMORY, "out of memory for one more level");
    s->fill[++s->lower] = 0;
    s->batches /= 2;
    return STATUS_OK;
}

/* Empties a full level: into the one above, or as a batch into the function. */
static status empty(knots *s, unsigned level, error *err)
{
    double *x = s->level[level];
    size_t count = s->fill[level];
    TRY(sketch_sort(x, count, err));
    if (level == s->lower) {
        TRY(take_batch(s, x, count, ldexp(1, (int)level), err));
        s->fill[level] = 0;
        return raise(s, err);
    }
    unsigned o = coin(&s->coins);
    if (s->width - s->fill[level + 1] < count / 2)
        TRY(empty(s, level + 1, err));
    double *above = s->level[level + 1] + s->fill[level + 1];
    for (size_t i = 0; i < count / 2; i++)
        above[i] = x[2 * i + o];
    s->fill[level + 1] += count / 2;
    x[0] = x[count - 1];
    s->fill[level] = count & 1;
    return STATUS_OK;
}

static status push_to(knots *s, unsigned level, const double *x, size_t count, error *err)
{
    while (count) {
        size_t room = s->width - s->fill[level], part = count < room ? count : room;
        memcpy(s->level[level] + s->fill[level], x, part * sizeof *x);
        s->fill[level] += part;
        x += part;
        count -= part;
        if (s->fill[level] == s->width)
            TRY(empty(s, level, err));
    }
    return STATUS_OK;
}

status knots_push_many(knots *s, const double *x, size_t count, error *err)
{
    return push_to(s, 0, x, count, err);
}

/* ---- merging and queries ------------------------------------------------------------------------------------------- */

static status merge_functions(knots *into, const knots *from, error *err)
{
    curve a = {0}, b = {0}, sum = {0};
    double total = into->total + from->total;
    bool fits = true;
    status result = knots_unpack(into, &a, err);
    if (result == STATUS_OK)
        result = knots_unpack(from, &b, err);
    if (result == STATUS_OK)
        result = curve_reserve(&sum, a.count + b.count + 1, err);
    if (result == STATUS_OK) {
        add_curve(&a, into->total, &b, from->total, &sum);
        knots_limits l = {.room = into->room, .guard = into->guard, .total = total, .force = true, .draws = &into->coins.stream};
        result = knots_reduce(&sum, &l, &fits, &into->counts.forced, err);
    }
    if (result == STATUS_OK)
        result = knots_pack(into, &sum, err);
    if (result == STATUS_OK)
        into->total = total;
    curve_free(&a);
    curve_free(&b);
    curve_free(&sum);
    return result;
}

status knots_merge(knots *into, const knots *from, error *err)
{
    if (from->count)
        TRY(merge_functions(into, from, err));
    for (unsigned i = 0; i <= from->lower; i++) {
        if (i <= into->lower) {
            TRY(push_to(into, i, from->level[i], from->fill[i], err));
        } else if (from->fill[i]) {
            double *batch = memory_alloc(from->fill[i] * sizeof *batch);
            if (!batch)
                return error_set(err, STATUS_MEMORY, "out of memory for merging sketches");
            memcpy(batch, from->level[i], from->fill[i] * sizeof *batch);
            status result = sketch_sort(batch, from->fill[i], err);
            if (result == STATUS_OK)
                result = take_batch(into, batch, from->fill[i], ldexp(1, (int)i), err);
            memory_free(batch);
            TRY(result);
        }
    }
    return STATUS_OK;
}

/* The function and what waits below it, as one curve. */
static status gather(const knots *s, curve *out, error *err)
{
    curve sum = {0};
    double total = s->total, *batch = memory_alloc(s->width * sizeof *batch);
    status result = batch ? knots_unpack(s, out, err) : error_set(err, STATUS_MEMORY, "out of memory for a query");
    for (unsigned i = 0; i <= s->lower && result == STATUS_OK; i++) {
        if (s->fill[i] == 0)
            continue;
        memcpy(batch, s->level[i], s->fill[i] * sizeof *batch);
        result = sketch_sort(batch, s->fill[i], err);
        if (result == STATUS_OK)
            result = curve_reserve(&sum, out->count + s->fill[i] + 1, err);
        if (result != STATUS_OK)
            break;
        add_batch(out, total, batch, s->fill[i], ldexp(1, (int)i), &sum, NULL);
        total += ldexp((double)s->fill[i], (int)i);
        curve kept = *out;
        *out = sum;
        sum = kept;
    }
    memory_free(batch);
    curve_free(&sum);
    return result;
}

status knots_curve(const knots *s, double least, double most, curve *out, error *err)
{
    TRY(gather(s, out, err));
    TRY(curve_reserve(out, out->count + 2, err));
    double n = knots_weight(s);
    if (out->count == 0)
        return STATUS_OK;
    if (out->v[0] > least) { /* a compaction below dropped the ends */
        memmove(out->v + 1, out->v, out->count * sizeof *out->v);
        memmove(out->low + 1, out->low, out->count * sizeof *out->low);
        memmove(out->high + 1, out->high, out->count * sizeof *out->high);
        out->v[0] = least;
        out->low[0] = 0;
        out->high[0] = 1;
        out->low[1] = fmax(1, out->low[1]);
        out->high[1] = fmax(out->low[1], out->high[1]);
        out->count++;
    }
    size_t last = out->count - 1;
    if (out->v[last] < most) {
        out->high[last] = fmax(out->low[last], fmin(out->high[last], n - 1));
        put(out, most, fmax(n - 1, out->high[last]), n);
    }
    curve_prepare(out);
    return STATUS_OK;
}
