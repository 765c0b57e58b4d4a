/* Compactors: two sketches into one, and what queries see of one. */
#include "sketch/inside.h"

#include "core/arena.h"

#include <string.h>

/* ---- views ------------------------------------------------------------------------------------------------------- */

size_t kll_kept(const kll *s)
{
    return s->at[s->levels] - s->at[0] + (s->seen > 0);
}

/* Values of one weight, or of many, in rising order. */
typedef struct run {
    double *values;
    uint64_t *weights;
    size_t count;
} run;

static void merge_weighted(const run *a, const double *b, size_t count, uint64_t weight, run *out)
{
    size_t i = 0, j = 0, k = 0;
    while (i < a->count || j < count) {
        bool first = j == count || (i < a->count && a->values[i] <= b[j]);
        out->values[k] = first ? a->values[i] : b[j];
        out->weights[k++] = first ? a->weights[i] : weight;
        i += first;
        j += !first;
    }
    out->count = k;
}

status kll_view(const kll *s, double *values, uint64_t *weights, error *err)
{
    size_t all = kll_kept(s), lowest = s->at[1] - s->at[0];
    double *spare = memory_alloc((all + lowest + 1) * sizeof *spare);
    uint64_t *spare_weights = memory_alloc((all + 1) * sizeof *spare_weights);
    status result = spare && spare_weights ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a query");
    if (result == STATUS_OK) {
        double *first = spare + all + 1; /* level 0, sorted */
        memcpy(first, s->items + s->at[0], lowest * sizeof *first);
        if (!s->sorted)
            result = sketch_sort(first, lowest, err);
        run a = {values, weights, 0}, b = {spare, spare_weights, 0};
        if (s->seen > 0) {
            a.values[0] = s->kept;
            a.weights[0] = s->seen;
            a.count = 1;
        }
        for (unsigned i = 0; i < s->levels; i++) {
            const double *level = i ? s->items + s->at[i] : first;
            merge_weighted(&a, level, s->at[i + 1] - s->at[i], (uint64_t)1 << (s->base + i), &b);
            run kept = a;
            a = b;
            b = kept;
        }
        if (a.values != values) {
            memcpy(values, a.values, a.count * sizeof *values);
            memcpy(weights, a.weights, a.count * sizeof *weights);
        }
    }
    memory_free(spare);
    memory_free(spare_weights);
    return result;
}

/* One distinct value: `before` is the weight below it. A value that stands for others is at its expected rank. */
static void add_knot(curve *c, double v, double before, uint64_t weight, size_t copies, bool lines)
{
    bool alone = lines && copies == 1 && weight > 1;
    double middle = before + .5 * ((double)weight + 1);
    c->v[c->count] = v;
    c->low[c->count] = alone ? middle : before;
    c->high[c->count++] = alone ? middle : before + (double)weight;
}

/* The ends of the stream are known: nothing lies below `least`, and all is at most `most`. */
static void pin_ends(curve *c, double n, double least, double most)
{
    if (c->v[0] > least) {
        memmove(c->v + 1, c->v, c->count * sizeof *c->v);
        memmove(c->low + 1, c->low, c->count * sizeof *c->low);
        memmove(c->high + 1, c->high, c->count * sizeof *c->high);
        c->v[0] = least;
        c->high[0] = 1;
        c->count++;
    } else if (c->high[0] < 1) {
        c->high[0] = 1;
    }
    c->low[0] = 0;
    size_t last = c->count - 1;
    if (c->v[last] < most) {
        last = c->count++;
        c->v[last] = most;
        c->low[last] = n - 1;
    } else if (c->low[last] > n - 1) {
        c->low[last] = last ? n - 1 : 0;
    }
    c->high[last] = n;
    for (size_t i = 1; i < c->count; i++) { /* what stands between them stays between them */
        double before = c->high[i - 1];
        c->low[i] = c->low[i] < before ? before : c->low[i] > n ? n : c->low[i];
        c->high[i] = c->high[i] < c->low[i] ? c->low[i] : c->high[i] > n ? n : c->high[i];
    }
}

status kll_curve(const kll *s, bool lines, uint64_t n, double least, double most, curve *out, error *err)
{
    size_t all = kll_kept(s);
    double *values = memory_alloc((all + 1) * sizeof *values);
    uint64_t *weights = memory_alloc((all + 1) * sizeof *weights);
    status result = values && weights ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a query");
    if (result == STATUS_OK)
        result = kll_view(s, values, weights, err);
    out->count = 0;
    if (result == STATUS_OK)
        result = curve_reserve(out, all + 2, err);
    uint64_t before = 0;
    for (size_t i = 0; i < all && result == STATUS_OK;) {
        uint64_t weight = 0;
        size_t j = i;
        for (; j < all && values[j] == values[i]; j++)
            weight += weights[j];
        add_knot(out, values[i], (double)before, weight, j - i, lines);
        before += weight;
        i = j;
    }
    memory_free(values);
    memory_free(weights);
    if (result == STATUS_OK && lines && out->count)
        pin_ends(out, (double)n, least, most);
    return result;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static size_t population(const kll *s, unsigned weight_log)
{
    if (weight_log < s->base || weight_log >= s->base + s->levels)
        return 0;
    return s->at[weight_log - s->base + 1] - s->at[weight_log - s->base];
}

static const double *level_of(const kll *s, unsigned weight_log)
{
    return s->items + s->at[weight_log - s->base];
}

/* A level of `from` in order, for a place where levels are sorted: its lowest one may not be. */
static status in_order(const kll *from, unsigned weight_log, double **copy, const double **out, error *err)
{
    size_t count = population(from, weight_log);
    *copy = NULL;
    *out = count ? level_of(from, weight_log) : NULL;
    if (count == 0 || weight_log > from->base || from->sorted)
        return STATUS_OK;
    *copy = memory_alloc(count * sizeof **copy);
    if (!*copy)
        return error_set(err, STATUS_MEMORY, "out of memory for merging sketches");
    memcpy(*copy, *out, count * sizeof **copy);
    *out = *copy;
    return sketch_sort(*copy, count, err);
}

static status join_level(kll *both, const kll *into, const kll *from, unsigned weight_log, error *err)
{
    size_t a = population(into, weight_log), b = population(from, weight_log);
    double *to = both->items + both->at[weight_log - both->base], *copy = NULL;
    const double *x = a ? level_of(into, weight_log) : NULL, *y = b ? level_of(from, weight_log) : NULL;
    status result = STATUS_OK;
    if (weight_log > both->base) {
        result = in_order(from, weight_log, &copy, &y, err);
        if (result == STATUS_OK)
            sketch_merge_runs(x, a, y, b, to);
    } else { /* the lowest level has no order */
        if (a)
            memcpy(to, x, a * sizeof *to);
        if (b)
            memcpy(to + a, y, b * sizeof *to);
        both->sorted = b == 0 && into->sorted;
    }
    memory_free(copy);
    return result;
}

/* Both sketches' levels from our lowest one up, one above the other: more values than there is room for. */
static status stack(kll *into, const kll *from, error *err)
{
    uint32_t populations[KLL_LEVELS + 1];
    unsigned top_into = into->base + into->levels, top_from = from->base + from->levels;
    unsigned top = top_into > top_from ? top_into : top_from;
    kll both = *into;
    both.items = NULL;
    for (unsigned h = into->base; h < top; h++)
        populations[h - into->base] = (uint32_t)(population(into, h) + population(from, h));
    status result = kll_shape(&both, top - into->base, populations, err);
    for (unsigned h = into->base; h < top && result == STATUS_OK; h++)
        result = join_level(&both, into, from, h, err);
    if (result == STATUS_OK) {
        memory_free(into->items);
        *into = both;
    } else {
        memory_free(both.items);
    }
    return result;
}

status kll_merge(kll *into, const kll *from, error *err)
{
    unsigned base = into->base; /* it may rise meanwhile */
    TRY(stack(into, from, err));
    TRY(kll_squeeze(into, err));
    for (unsigned h = from->base; h < from->base + from->levels && h < base; h++) {
        const double *x = level_of(from, h);
        for (size_t i = 0; i < population(from, h); i++)
            TRY(kll_push_weighted(into, x[i], (uint64_t)1 << h, err));
    }
    if (from->seen)
        TRY(kll_push_weighted(into, from->kept, from->seen, err));
    into->least_k = from->least_k < into->least_k ? from->least_k : into->least_k;
    return STATUS_OK;
}
