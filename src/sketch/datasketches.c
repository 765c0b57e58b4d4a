/* Apache DataSketches' bytes of a KLL sketch of floats or doubles (quantile_sketch.md 3.5). */
#include "sketch/inside.h"

#include "core/arena.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    FAMILY = 15,
    SHORT_PREAMBLE = 2,
    FULL_PREAMBLE = 5,
    VERSION = 1,
    SINGLE_VERSION = 2,
    FLAG_EMPTY = 1,
    FLAG_SORTED = 2,
    FLAG_SINGLE = 4,
    SHORT_BYTES = 8,
    FULL_BYTES = 20
};

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void add_number(strbuf *out, uint64_t value, unsigned bytes)
{
    char text[8];
    for (unsigned i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i) & 255);
    strbuf_add_bytes(out, text, bytes);
}

static status add_item(strbuf *out, double x, sketch_item item, bool rounded, error *err)
{
    uint64_t bits = 0;
    if (item == SKETCH_DOUBLES) {
        memcpy(&bits, &x, 8);
        add_number(out, bits, 8);
        return STATUS_OK;
    }
    float f = x > FLT_MAX && isfinite(x) ? FLT_MAX : x < -FLT_MAX && isfinite(x) ? -FLT_MAX : (float)x;
    uint32_t half;
    if (!rounded && (double)f != x) {
        error_set(err, STATUS_UNSUPPORTED, "the value %.17g does not fit into a float", x);
        return error_hint(err, "write doubles, or allow rounding");
    }
    memcpy(&half, &f, 4);
    add_number(out, half, 4);
    return STATUS_OK;
}

static void add_preamble(strbuf *out, const sketch *s, unsigned ints, unsigned version, unsigned flags)
{
    add_number(out, ints, 1);
    add_number(out, version, 1);
    add_number(out, FAMILY, 1);
    add_number(out, flags, 1);
    add_number(out, s->kll.k, 2);
    add_number(out, KLL_M, 1);
    add_number(out, 0, 1);
}

status sketch_save_datasketches(const sketch *s, sketch_item item, bool rounded, strbuf *out, error *err)
{
    const kll *k = &s->kll;
    if (!sketch_is_kll(s) || k->base > 0 || k->seen > 0)
        return error_set(err, STATUS_UNSUPPORTED, "DataSketches' format holds KLL sketches without a sampler, not %s%s",
                         sketch_kind_names[s->options.kind], sketch_is_kll(s) ? " with one" : "");
    unsigned sorted = k->sorted ? FLAG_SORTED : 0;
    if (s->n <= 1) {
        bool empty = s->n == 0;
        add_preamble(out, s, SHORT_PREAMBLE, empty ? VERSION : SINGLE_VERSION, empty ? FLAG_EMPTY : FLAG_SINGLE);
        return empty ? STATUS_OK : add_item(out, k->items[k->at[0]], item, rounded, err);
    }
    add_preamble(out, s, FULL_PREAMBLE, VERSION, sorted);
    add_number(out, s->n, 8);
    add_number(out, k->least_k, 2);
    add_number(out, k->levels, 1);
    add_number(out, 0, 1);
    for (unsigned i = 0; i < k->levels; i++)
        add_number(out, k->at[i], 4);
    TRY(add_item(out, s->least, item, rounded, err));
    TRY(add_item(out, s->most, item, rounded, err));
    for (uint32_t i = k->at[0]; i < k->at[k->levels]; i++)
        TRY(add_item(out, k->items[i], item, rounded, err));
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory for a sketch's bytes") : STATUS_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct header {
    uint32_t k, least_k;
    unsigned flags, levels;
    uint64_t n;
    sketch_item item;
    uint32_t at[KLL_LEVELS + 1];
    size_t items; /* where minimum, maximum and values begin */
} header;

static uint64_t number_at(slice bytes, size_t at, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value |= (uint64_t)(unsigned char)bytes.text[at + i] << (8 * i);
    return value;
}

static double item_at(slice bytes, const header *h, size_t i)
{
    if (h->item == SKETCH_DOUBLES) {
        uint64_t bits = number_at(bytes, h->items + 8 * i, 8);
        double x;
        memcpy(&x, &bits, 8);
        return x;
    }
    uint32_t bits = (uint32_t)number_at(bytes, h->items + 4 * i, 4);
    float f;
    memcpy(&f, &bits, 4);
    return (double)f;
}

static status wrong(const char *name, const char *what, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: not a whole KLL sketch of DataSketches: %s", name, what);
}

/* Floats or doubles: what the length says. */
static status read_item(slice bytes, const char *name, size_t items, header *h, error *err)
{
    size_t left = bytes.length - h->items;
    if (left == 4 * items)
        h->item = SKETCH_FLOATS;
    else if (left == 8 * items)
        h->item = SKETCH_DOUBLES;
    else
        return error_set(err, STATUS_INVALID, "%s: a KLL sketch of DataSketches with %zu items: expected %zu or %zu bytes behind byte %zu, found %zu",
                         name, items, 4 * items, 8 * items, h->items, left);
    return STATUS_OK;
}

static status read_levels(slice bytes, const char *name, header *h, error *err)
{
    h->n = number_at(bytes, 8, 8);
    h->least_k = (uint32_t)number_at(bytes, 16, 2);
    h->levels = (unsigned)number_at(bytes, 18, 1);
    if (h->least_k < SKETCH_LEAST_K || h->least_k > h->k)
        return wrong(name, "its least k is out of range", err);
    if (h->levels == 0 || h->levels > KLL_LEVELS)
        return wrong(name, "its number of levels is out of range", err);
    h->items = FULL_BYTES + 4 * (size_t)h->levels;
    if (bytes.length < h->items)
        return wrong(name, "it ends in the table of levels", err);
    h->at[h->levels] = kll_total_capacity(h->k, h->levels);
    for (unsigned i = 0; i < h->levels; i++)
        h->at[i] = (uint32_t)number_at(bytes, FULL_BYTES + 4 * (size_t)i, 4);
    uint64_t weight = 0;
    for (unsigned i = 0; i < h->levels; i++) {
        if (h->at[i] > h->at[i + 1])
            return wrong(name, "its levels overlap", err);
        if (h->at[i + 1] - h->at[i] > (uint64_t)1 << 60 >> i)
            return wrong(name, "a level weighs more than a sketch can", err);
        weight += (uint64_t)(h->at[i + 1] - h->at[i]) << i;
    }
    if (weight != h->n)
        return wrong(name, "its values do not weigh as many as it says to have read", err);
    return read_item(bytes, name, 2 + (size_t)(h->at[h->levels] - h->at[0]), h, err);
}

static status read_header(slice bytes, const char *name, header *h, error *err)
{
    *h = (header){.items = SHORT_BYTES};
    if (bytes.length < SHORT_BYTES)
        return wrong(name, "fewer than 8 bytes", err);
    unsigned ints = (unsigned)number_at(bytes, 0, 1), version = (unsigned)number_at(bytes, 1, 1);
    h->flags = (unsigned)number_at(bytes, 3, 1);
    h->k = h->least_k = (uint32_t)number_at(bytes, 4, 2);
    if (number_at(bytes, 2, 1) != FAMILY)
        return wrong(name, "another family of sketches", err);
    if (h->k < SKETCH_LEAST_K)
        return wrong(name, "k is below 8", err);
    if (number_at(bytes, 6, 1) != KLL_M)
        return wrong(name, "m is not 8", err);
    if (h->flags & FLAG_EMPTY)
        return bytes.length == SHORT_BYTES && ints == SHORT_PREAMBLE ? STATUS_OK : wrong(name, "an empty one with something in it", err);
    if (h->flags & FLAG_SINGLE || version == SINGLE_VERSION) {
        h->n = 1;
        return ints == SHORT_PREAMBLE && version == SINGLE_VERSION ? read_item(bytes, name, 1, h, err)
                                                                   : wrong(name, "preamble and version do not fit a single value", err);
    }
    if (ints != FULL_PREAMBLE || version != VERSION)
        return wrong(name, "preamble or version are not those of KLL", err);
    if (bytes.length < FULL_BYTES)
        return wrong(name, "it ends in the preamble", err);
    return read_levels(bytes, name, h, err);
}

/* Values in range and in order where the format says so. */
static status check_items(const sketch *s, const char *name, error *err)
{
    const kll *k = &s->kll;
    if (!(s->least <= s->most))
        return wrong(name, "its least value is above its largest, or NaN", err);
    for (unsigned i = 0; i < k->levels; i++)
        for (uint32_t j = k->at[i]; j < k->at[i + 1]; j++) {
            if (!(k->items[j] >= s->least && k->items[j] <= s->most))
                return wrong(name, "a value lies outside of its least and largest, or is NaN", err);
            if (j > k->at[i] && (i > 0 || k->sorted) && k->items[j] < k->items[j - 1])
                return wrong(name, "a level is not in order", err);
        }
    return STATUS_OK;
}

static status fill(sketch *s, slice bytes, const header *h, const char *name, error *err)
{
    uint32_t populations[KLL_LEVELS + 1];
    kll *k = &s->kll;
    s->n = h->n;
    k->least_k = h->least_k;
    if (h->n == 0)
        return STATUS_OK;
    if (h->n == 1 && h->levels == 0) {
        double x = item_at(bytes, h, 0);
        if (x != x)
            return wrong(name, "its value is NaN", err);
        s->least = s->most = x;
        return kll_push(k, x, err);
    }
    for (unsigned i = 0; i < h->levels; i++)
        populations[i] = h->at[i + 1] - h->at[i];
    TRY(kll_shape(k, h->levels, populations, err));
    s->least = item_at(bytes, h, 0);
    s->most = item_at(bytes, h, 1);
    uint32_t first = k->at[0];
    for (uint32_t i = first; i < k->at[k->levels]; i++)
        k->items[i] = item_at(bytes, h, 2 + (size_t)(i - first));
    k->sorted = (h->flags & FLAG_SORTED) != 0;
    return check_items(s, name, err);
}

status sketch_load_datasketches(slice bytes, const char *name, uint64_t seed, sketch **out, error *err)
{
    header h;
    sketch *s;
    TRY(read_header(bytes, name, &h, err));
    TRY(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .k = h.k, .seed = seed}, &s, err));
    status result = fill(s, bytes, &h, name, err);
    if (result == STATUS_OK)
        *out = s;
    else
        sketch_free(s);
    return result;
}
