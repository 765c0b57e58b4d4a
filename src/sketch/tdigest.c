/* t-digest, merging form (Dunning and Ertl 2019). */
#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

/* ---- scale functions --------------------------------------------------------------------------------------------- */

static const double pi = 3.141592653589793238463;

const char *const sketch_scale_names[SKETCH_SCALE_COUNT + 1] = {"K0", "K1", "K2", "K3", NULL};

/* Z of K2 and K3, which keeps the number of centroids within delta. */
static double normaliser(sketch_scale scale, double delta, double n)
{
    return 4 * log(fmax(1, n / delta)) + (scale == SKETCH_K2 ? 24 : 21);
}

double sketch_scale_k(sketch_scale scale, double delta, double n, double q)
{
    double z = normaliser(scale, delta, n);
    switch (scale) {
    case SKETCH_K0:
        return delta * q / 2;
    case SKETCH_K1:
        return delta / (2 * pi) * asin(2 * q - 1);
    case SKETCH_K2:
        return delta / z * log(q / (1 - q));
    default:
        return delta / z * (q <= .5 ? log(2 * q) : -log(2 * (1 - q)));
    }
}

double sketch_scale_q(sketch_scale scale, double delta, double n, double k)
{
    double z = normaliser(scale, delta, n);
    switch (scale) {
    case SKETCH_K0:
        return fmin(1, 2 * k / delta);
    case SKETCH_K1:
        return k >= delta / 4 ? 1 : k <= -delta / 4 ? 0 : (sin(2 * pi * k / delta) + 1) / 2;
    case SKETCH_K2:
        return 1 / (1 + exp(-k * z / delta));
    default:
        return k <= 0 ? exp(k * z / delta) / 2 : 1 - exp(-k * z / delta) / 2;
    }
}

/* ---- shape ------------------------------------------------------------------------------------------------------- */

status tdigest_init(tdigest *s, const sketch_options *o, error *err)
{
    *s = (tdigest){.scale = o->scale, .delta = o->compression, .coins = coins_new(o->seed)};
    s->capacity = (size_t)ceil(o->compression) + 10;
    s->room = (size_t)ceil(o->points * o->compression);
    s->all = memory_alloc(s->capacity * sizeof *s->all);
    s->buffer = memory_alloc(s->room * sizeof *s->buffer);
    if (s->all && s->buffer)
        return STATUS_OK;
    tdigest_free(s);
    return error_set(err, STATUS_MEMORY, "out of memory for a t-digest of %zu centroids", s->capacity);
}

void tdigest_free(tdigest *s)
{
    memory_free(s->all);
    memory_free(s->buffer);
    s->all = NULL;
    s->buffer = NULL;
}

size_t tdigest_words(const tdigest *s)
{
    return 2 * s->capacity + s->room + 8;
}

double tdigest_weight(const tdigest *s)
{
    double sum = (double)s->fill + (double)s->below + (double)s->above;
    for (size_t i = 0; i < s->count; i++)
        sum += s->all[i].weight;
    return sum;
}

/* ---- the merge pass ----------------------------------------------------------------------------------------------- */

/* Equal means in an order that a coin says. */
static size_t interleave(tdigest *s, const centroid *a, size_t a_count, const centroid *b, size_t b_count, centroid *out)
{
    size_t i = 0, j = 0, k = 0;
    while (i < a_count || j < b_count) {
        bool first = j == b_count || (i < a_count && (a[i].mean < b[j].mean || (a[i].mean == b[j].mean && coin(&s->coins))));
        out[k++] = first ? a[i++] : b[j++];
    }
    return k;
}

static void reverse(centroid *x, size_t count)
{
    for (size_t i = 0; i + 1 < count - i; i++) {
        centroid kept = x[i];
        x[i] = x[count - 1 - i];
        x[count - 1 - i] = kept;
    }
}

/* From one end to the other: a cluster takes its neighbour while it spans at most one unit of k. */
static size_t sweep(const tdigest *s, centroid *x, size_t count)
{
    double all = 0, before = 0;
    size_t last = 0;
    for (size_t i = 0; i < count; i++)
        all += x[i].weight;
    double limit = all * sketch_scale_q(s->scale, s->delta, all, sketch_scale_k(s->scale, s->delta, all, 0) + 1);
    for (size_t i = 1; i < count; i++) {
        centroid *c = &x[last];
        if (before + c->weight + x[i].weight <= limit) {
            c->weight += x[i].weight;
            double mean = c->mean + (x[i].mean - c->mean) * (x[i].weight / c->weight);
            double low = fmin(c->mean, x[i].mean), high = fmax(c->mean, x[i].mean);
            c->mean = mean < low ? low : mean > high ? high : mean; /* rounding takes nothing out of order */
            continue;
        }
        before += c->weight;
        limit = all * sketch_scale_q(s->scale, s->delta, all, sketch_scale_k(s->scale, s->delta, all, before / all) + 1);
        x[++last] = x[i];
    }
    return count ? last + 1 : 0;
}

/* Takes in `more`, which is sorted. */
static status take(tdigest *s, const centroid *more, size_t count, error *err)
{
    centroid *all = memory_alloc((s->count + count + 1) * sizeof *all);
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory for a t-digest");
    size_t n = interleave(s, s->all, s->count, more, count, all);
    if (s->backwards)
        reverse(all, n);
    n = sweep(s, all, n);
    if (s->backwards)
        reverse(all, n);
    s->backwards = !s->backwards;
    if (n > s->capacity) {
        centroid *larger = memory_alloc(n * sizeof *larger);
        if (!larger) {
            memory_free(all);
            return error_set(err, STATUS_MEMORY, "out of memory for a t-digest of %zu centroids", n);
        }
        memory_free(s->all);
        s->all = larger;
        s->capacity = n;
    }
    memcpy(s->all, all, n * sizeof *all);
    s->count = n;
    memory_free(all);
    return STATUS_OK;
}

status tdigest_flush(tdigest *s, error *err)
{
    if (s->fill == 0)
        return STATUS_OK;
    TRY(sketch_sort(s->buffer, s->fill, err));
    centroid *more = memory_alloc(s->fill * sizeof *more);
    if (!more)
        return error_set(err, STATUS_MEMORY, "out of memory for a t-digest");
    for (size_t i = 0; i < s->fill; i++)
        more[i] = (centroid){s->buffer[i], 1};
    status result = take(s, more, s->fill, err);
    if (result == STATUS_OK)
        s->fill = 0;
    memory_free(more);
    return result;
}

status tdigest_push_many(tdigest *s, const double *x, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (isinf(x[i])) { /* they have no mean */
            s->below += x[i] < 0;
            s->above += x[i] > 0;
            continue;
        }
        if (s->fill == s->room)
            TRY(tdigest_flush(s, err));
        s->buffer[s->fill++] = x[i];
    }
    return STATUS_OK;
}

status tdigest_merge(tdigest *into, const tdigest *from, error *err)
{
    TRY(tdigest_flush(into, err));
    TRY(take(into, from->all, from->count, err));
    TRY(tdigest_push_many(into, from->buffer, from->fill, err));
    into->below += from->below;
    into->above += from->above;
    return STATUS_OK;
}

/* ---- queries ------------------------------------------------------------------------------------------------------ */

static void add(curve *c, double v, double low, double high)
{
    if (c->count && c->v[c->count - 1] == v) { /* the same value again: one step */
        c->high[c->count - 1] = high;
        return;
    }
    c->v[c->count] = v;
    c->low[c->count] = low;
    c->high[c->count++] = high;
}

/* Whether a centroid is one value: it holds one, or its neighbour has the same mean. */
static bool is_step(const tdigest *s, size_t i)
{
    return s->all[i].weight == 1 || (i && s->all[i - 1].mean == s->all[i].mean) || (i + 1 < s->count && s->all[i + 1].mean == s->all[i].mean);
}

status tdigest_curve(tdigest *s, double least, double most, curve *out, error *err)
{
    TRY(tdigest_flush(s, err));
    out->count = 0;
    TRY(curve_reserve(out, s->count + 4, err));
    double before = (double)s->below, n = tdigest_weight(s);
    if (s->below)
        add(out, -INFINITY, 0, before);
    for (size_t i = 0; i < s->count; i++) {
        const centroid *c = &s->all[i];
        bool step = is_step(s, i) || least == most;
        double middle = before + c->weight / 2;
        if (i == 0 && !s->below && c->mean > least)
            add(out, least, 0, 1);
        add(out, c->mean, step ? before : middle, step ? before + c->weight : middle);
        before += c->weight;
        if (i + 1 == s->count && !s->above && c->mean < most)
            add(out, most, n - 1, n);
    }
    if (s->above)
        add(out, INFINITY, before, n);
    if (out->count) {
        out->low[0] = 0;
        out->high[out->count - 1] = n;
    }
    for (size_t i = 1; i < out->count; i++) {
        out->low[i] = fmax(out->low[i], out->high[i - 1]);
        out->high[i] = fmax(out->high[i], out->low[i]);
    }
    return STATUS_OK;
}
