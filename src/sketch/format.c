/* Files of our own: "ASSAYSKT", a version, options, state, and SipHash over all of it. */
#include "sketch/inside.h"

#include "core/arena.h"
#include "core/hash.h"

#include <math.h>
#include <string.h>

enum { FORMAT_VERSION = 1, FLAG_PAIRED = 1, FLAG_SAMPLED = 2, FLAG_UNGUARDED = 4, CHECKSUM_BYTES = 8, MOST_BYTES = 1 << 28 };
static const char magic[8] = {'A', 'S', 'S', 'A', 'Y', 'S', 'K', 'T'};
static const uint64_t checksum_salt = 0x736b65746368;

bool sketch_is_saved(slice bytes)
{
    return bytes.length >= sizeof magic && memcmp(bytes.text, magic, sizeof magic) == 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void put(strbuf *out, uint64_t value, unsigned bytes)
{
    char text[8];
    for (unsigned i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i) & 255);
    strbuf_add_bytes(out, text, bytes);
}

static void put_real(strbuf *out, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    put(out, bits, 8);
}

static void put_reals(strbuf *out, const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_real(out, x[i]);
}

static void put_coins(strbuf *out, const coins *c)
{
    put(out, c->stream.index, 8);
    put(out, c->bits, 8);
    put(out, c->left, 1);
}

static void save_kll(const kll *s, strbuf *out)
{
    put_coins(out, &s->coins);
    put(out, s->least_k, 4);
    put(out, s->base, 1);
    put(out, s->sorted, 1);
    put(out, s->open, 8);
    put(out, s->last, 8);
    put_real(out, s->kept);
    put(out, s->seen, 8);
    put(out, s->next, 8);
    put(out, s->levels, 1);
    for (unsigned i = 0; i < s->levels; i++)
        put(out, s->at[i + 1] - s->at[i], 4);
    put_reals(out, s->items + s->at[0], s->at[s->levels] - s->at[0]);
}

static void save_knots(const knots *s, strbuf *out)
{
    put_coins(out, &s->coins);
    put(out, s->batches, 8);
    put(out, s->counts.refused, 8);
    put(out, s->counts.forced, 8);
    put(out, s->lower, 1);
    for (unsigned i = 0; i <= s->lower; i++) {
        put(out, s->fill[i], 4);
        put_reals(out, s->level[i], s->fill[i]);
    }
    put_real(out, s->total);
    put(out, s->count, 4);
    put(out, s->extra, 4);
    put_reals(out, s->packed, s->count ? 2 * s->count + s->extra : 0);
    strbuf_add_bytes(out, s->shape, s->count);
}

static void save_tdigest(const tdigest *s, strbuf *out)
{
    put_coins(out, &s->coins);
    put(out, s->backwards, 1);
    put(out, s->below, 8);
    put(out, s->above, 8);
    put(out, s->fill, 4);
    put_reals(out, s->buffer, s->fill);
    put(out, s->count, 4);
    for (size_t i = 0; i < s->count; i++) {
        put_real(out, s->all[i].mean);
        put_real(out, s->all[i].weight);
    }
}

status sketch_save(const sketch *s, strbuf *out, error *err)
{
    const sketch_options *o = &s->options;
    size_t from = out->length;
    strbuf_add_bytes(out, magic, sizeof magic);
    put(out, FORMAT_VERSION, 2);
    put(out, o->kind, 1);
    put(out, (o->paired ? FLAG_PAIRED : 0) | (o->sampled ? FLAG_SAMPLED : 0) | (o->unguarded ? FLAG_UNGUARDED : 0), 1);
    put(out, o->k, 4);
    put(out, o->seed, 8);
    put(out, o->words, 8);
    put_real(out, o->guard);
    put_real(out, o->buffer);
    put(out, o->lower, 4);
    put(out, o->height, 4);
    put(out, o->scale, 4);
    put_real(out, o->compression);
    put_real(out, o->points);
    put(out, s->n, 8);
    put_real(out, s->least);
    put_real(out, s->most);
    if (sketch_is_kll(s))
        save_kll(&s->kll, out);
    else if (sketch_is_knots(s))
        save_knots(&s->knots, out);
    else
        save_tdigest(&s->tdigest, out);
    if (!out->failed)
        put(out, hash64(out->text + from, out->length - from, checksum_salt), 8);
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory for a sketch's bytes") : STATUS_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* Reads on; once the bytes do not suffice it gives zeros and is `short_of`. */
typedef struct cursor {
    slice rest;
    bool short_of;
} cursor;

static uint64_t get(cursor *c, unsigned bytes)
{
    uint64_t value = 0;
    if (c->rest.length < bytes) {
        c->short_of = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)c->rest.text[i] << (8 * i);
    c->rest.text += bytes;
    c->rest.length -= bytes;
    return value;
}

static double get_real(cursor *c)
{
    uint64_t bits = get(c, 8);
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

/* Into a place for so many; false when the bytes end before. */
static bool get_reals(cursor *c, double *x, size_t count)
{
    if (c->rest.length / 8 < count) {
        c->short_of = true;
        return false;
    }
    for (size_t i = 0; i < count; i++)
        x[i] = get_real(c);
    return true;
}

static bool get_coins(cursor *c, coins *out)
{
    out->stream.index = get(c, 8);
    out->bits = get(c, 8);
    out->left = (unsigned)get(c, 1);
    return out->left <= 64;
}

/* What is wrong with a sketch, or NULL. */
typedef const char *complaint;

static bool rising(const double *x, size_t count, double least, double most)
{
    for (size_t i = 0; i < count; i++)
        if (!(x[i] >= least && x[i] <= most) || (i && x[i] < x[i - 1]))
            return false;
    return true;
}

static bool within(const double *x, size_t count, double least, double most)
{
    for (size_t i = 0; i < count; i++)
        if (!(x[i] >= least && x[i] <= most))
            return false;
    return true;
}

/* Numbers of values: sums of them are exact in any order. */
static bool whole_weight(double weight)
{
    return weight >= 0 && weight <= 0x1p60 && weight == floor(weight);
}

static complaint load_kll(cursor *c, sketch *s, error *err)
{
    uint32_t populations[KLL_LEVELS + 1];
    kll *k = &s->kll;
    uint64_t all = 0;
    bool coins_good = get_coins(c, &k->coins);
    k->least_k = (uint32_t)get(c, 4);
    k->base = (unsigned)get(c, 1);
    bool sorted = get(c, 1) != 0;
    k->open = get(c, 8);
    k->last = get(c, 8);
    k->kept = get_real(c);
    k->seen = get(c, 8);
    k->next = get(c, 8);
    unsigned levels = (unsigned)get(c, 1);
    if (!coins_good || k->least_k < SKETCH_LEAST_K || k->least_k > k->k || levels == 0 || levels + k->base > KLL_LEVELS ||
        (k->base > 0 && !k->sampled) || k->seen >= (uint64_t)1 << k->base || (k->seen && k->next <= k->seen))
        return "its levels or its sampler are out of range";
    for (unsigned i = 0; i < levels; i++) {
        populations[i] = (uint32_t)get(c, 4);
        if (populations[i] > (uint64_t)1 << 60 >> (k->base + i))
            return "a level weighs more than a sketch can";
        all += populations[i];
    }
    if (c->short_of || all > c->rest.length / 8 || all > kll_total_capacity(k->k, levels))
        return "its levels hold more than there is room for";
    if (kll_shape(k, levels, populations, err) != STATUS_OK)
        return "no memory";
    k->sorted = sorted;
    get_reals(c, k->items + k->at[0], all);
    if (kll_weight(k) != s->n)
        return "its values do not weigh as many as it says to have read";
    if (k->seen && !within(&k->kept, 1, s->least, s->most))
        return "its sampler holds a value out of range";
    for (unsigned i = 0; i < levels; i++)
        if (!(i > 0 || sorted ? rising : within)(k->items + k->at[i], populations[i], s->least, s->most))
            return "a level is not in order, or holds values out of range";
    return NULL;
}

static complaint load_function(cursor *c, sketch *s, error *err)
{
    knots *k = &s->knots;
    curve whole = {0};
    k->total = get_real(c);
    size_t count = (size_t)get(c, 4), extra = (size_t)get(c, 4);
    if (!whole_weight(k->total) || extra > count || (count > 2 && knots_room_for(count, extra) > k->room) ||
        c->rest.length / 16 < count)
        return "its weight is no number of values, or it has more knots than words";
    if (count == 0)
        return k->total == 0 ? NULL : "it has weight and no knots";
    k->packed = memory_alloc((2 * count + extra + 1) * sizeof *k->packed);
    k->shape = memory_alloc(count + 1);
    if (!k->packed || !k->shape)
        return error_set(err, STATUS_MEMORY, "out of memory for a sketch") ? "no memory" : NULL;
    if (!get_reals(c, k->packed, 2 * count + extra) || c->rest.length < count)
        return "it ends among its knots";
    memcpy(k->shape, c->rest.text, count);
    c->rest.text += count;
    c->rest.length -= count;
    size_t both = 0;
    for (size_t i = 0; i < count; i++) {
        if (k->shape[i] > KNOT_BOTH)
            return "a knot has no such shape";
        both += k->shape[i] == KNOT_BOTH;
        if (i && !(k->packed[i] > k->packed[i - 1]))
            return "its knots do not rise";
    }
    if (both != extra || !within(k->packed, count, s->least, s->most))
        return "its knots are out of range";
    k->count = count;
    k->extra = extra;
    if (knots_unpack(k, &whole, err) != STATUS_OK)
        return "no memory";
    double before = 0;
    complaint found = NULL;
    for (size_t i = 0; i < count && !found; i++) {
        if (!(whole.low[i] >= before && whole.high[i] >= whole.low[i] && whole.high[i] <= k->total))
            found = "its ranks do not rise";
        before = whole.high[i];
    }
    curve_free(&whole);
    return found ? found : before == k->total ? NULL : "its ranks end below its weight";
}

static complaint load_knots(cursor *c, sketch *s, error *err)
{
    knots *k = &s->knots;
    bool coins_good = get_coins(c, &k->coins);
    k->batches = get(c, 8);
    k->counts.refused = get(c, 8);
    k->counts.forced = get(c, 8);
    unsigned lower = (unsigned)get(c, 1);
    if (!coins_good || lower > SKETCH_MOST_LOWER || lower < k->lower || (lower > k->lower && k->height == 0) ||
        (uint64_t)k->width * lower > SKETCH_MOST_WORDS)
        return "its levels are out of range";
    for (; k->lower < lower; k->lower++)
        if (!(k->level[k->lower + 1] = memory_alloc(k->width * sizeof(double)))) {
            error_set(err, STATUS_MEMORY, "out of memory for a sketch");
            return "no memory";
        }
    for (unsigned i = 0; i <= lower; i++) {
        size_t fill = (size_t)get(c, 4);
        if (fill > k->width || !get_reals(c, k->level[i], fill))
            return "a level holds more than there is room for";
        k->fill[i] = fill;
        if (!within(k->level[i], fill, s->least, s->most))
            return "a level holds values out of range";
    }
    complaint found = load_function(c, s, err);
    return found ? found : knots_weight(k) == (double)s->n ? NULL : "its knots do not weigh as many as it says to have read";
}

static complaint load_tdigest(cursor *c, sketch *s, error *err)
{
    tdigest *t = &s->tdigest;
    bool coins_good = get_coins(c, &t->coins);
    t->backwards = get(c, 1) != 0;
    t->below = get(c, 8);
    t->above = get(c, 8);
    size_t fill = (size_t)get(c, 4);
    if (!coins_good || t->below > s->n || t->above > s->n || fill > t->room || !get_reals(c, t->buffer, fill))
        return "its buffer is out of range";
    t->fill = fill;
    size_t count = (size_t)get(c, 4);
    if (c->rest.length / 16 < count)
        return "it ends among its centroids";
    if (count > t->capacity) {
        memory_free(t->all);
        t->all = memory_alloc(count * sizeof *t->all);
        t->capacity = count;
        if (!t->all) {
            error_set(err, STATUS_MEMORY, "out of memory for a sketch");
            return "no memory";
        }
    }
    for (size_t i = 0; i < count; i++) {
        t->all[i].mean = get_real(c);
        t->all[i].weight = get_real(c);
        if (!isfinite(t->all[i].mean) || !within(&t->all[i].mean, 1, s->least, s->most) || !whole_weight(t->all[i].weight) ||
            t->all[i].weight == 0 || (i && t->all[i].mean < t->all[i - 1].mean))
            return "its centroids are not in order, or a weight is no number of values";
    }
    t->count = count;
    for (size_t i = 0; i < fill; i++)
        if (!isfinite(t->buffer[i]) || !within(&t->buffer[i], 1, s->least, s->most))
            return "its buffer holds values out of range";
    if ((t->below && s->least > -INFINITY) || (t->above && s->most < INFINITY))
        return "it counts infinities out of range";
    return tdigest_weight(t) == (double)s->n ? NULL : "its centroids do not weigh as many as it says to have read";
}

static status refuse(const char *name, complaint what, error *err)
{
    if (err && err->code == STATUS_MEMORY)
        return STATUS_MEMORY;
    return error_set(err, STATUS_INVALID, "%s: not a whole sketch: %s", name, what);
}

static sketch_options get_options(cursor *c)
{
    sketch_options o = {.kind = (sketch_kind)get(c, 1)};
    unsigned flags = (unsigned)get(c, 1);
    o.paired = flags & FLAG_PAIRED;
    o.sampled = flags & FLAG_SAMPLED;
    o.unguarded = flags & FLAG_UNGUARDED;
    o.k = (unsigned)get(c, 4);
    o.seed = get(c, 8);
    o.words = (size_t)get(c, 8);
    o.guard = get_real(c);
    o.buffer = get_real(c);
    o.lower = (unsigned)get(c, 4);
    o.height = (unsigned)get(c, 4);
    o.scale = (sketch_scale)get(c, 4);
    o.compression = get_real(c);
    o.points = get_real(c);
    return o;
}

static complaint load_state(cursor *c, sketch *s, error *err)
{
    s->n = get(c, 8);
    s->least = get_real(c);
    s->most = get_real(c);
    if (s->n > (uint64_t)1 << 60 || (s->n && !(s->least <= s->most)))
        return "its count or its range is none";
    complaint found = sketch_is_kll(s) ? load_kll(c, s, err) : sketch_is_knots(s) ? load_knots(c, s, err) : load_tdigest(c, s, err);
    return found ? found : c->short_of ? "it ends too early" : c->rest.length ? "something stands behind its end" : NULL;
}

static status load_own(slice bytes, const char *name, sketch **out, error *err)
{
    error local = {0};
    size_t head = sizeof magic + 2;
    if (bytes.length < head + CHECKSUM_BYTES || bytes.length > MOST_BYTES)
        return refuse(name, "it is too short, or larger than any", err);
    cursor end = {slice_sub(bytes, bytes.length - CHECKSUM_BYTES, bytes.length), false};
    if (hash64(bytes.text, bytes.length - CHECKSUM_BYTES, checksum_salt) != get(&end, 8))
        return refuse(name, "its checksum is another one (cut short, or changed on the way)", err);
    cursor c = {slice_sub(bytes, sizeof magic, bytes.length - CHECKSUM_BYTES), false};
    unsigned version = (unsigned)get(&c, 2);
    if (version != FORMAT_VERSION)
        return error_set(err, STATUS_UNSUPPORTED, "%s: a sketch of version %u; this program reads version %d", name, version, FORMAT_VERSION);
    sketch_options o = get_options(&c);
    sketch *s;
    if (c.short_of)
        return refuse(name, "it ends in its options", err);
    if (sketch_new(&o, &s, &local) != STATUS_OK) {
        if (err)
            *err = local;
        return local.code == STATUS_MEMORY ? STATUS_MEMORY : refuse(name, "its options are out of range", err);
    }
    complaint found = load_state(&c, s, &local);
    if (found) {
        sketch_free(s);
        if (err)
            *err = local;
        return refuse(name, found, err);
    }
    *out = s;
    return STATUS_OK;
}

status sketch_load(slice bytes, const char *name, sketch **out, error *err)
{
    return sketch_is_saved(bytes) ? load_own(bytes, name, out, err) : sketch_load_datasketches(bytes, name, 1, out, err);
}
