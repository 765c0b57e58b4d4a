/* Compactors: how values come in and are halved. */
#include "sketch/inside.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

enum { ROOM_SHARE = 20 /* of the capacity, for values that wait in level 0 */, LAZY = 3 };

/* ---- coins and capacities ---------------------------------------------------------------------------------------- */

coins coins_new(uint64_t seed)
{
    return (coins){.stream = random_stream_at(seed, "sketch/coins", 0, 0, 0, 0)};
}

unsigned coin(coins *c)
{
    if (c->left == 0) {
        c->bits = random_u64(&c->stream);
        c->left = 64;
    }
    unsigned bit = (unsigned)(c->bits & 1);
    c->bits >>= 1;
    c->left--;
    return bit;
}

/* round(k (2/3)^depth) in integers, as DataSketches has it: in two halves where 3^depth would not fit. */
static uint64_t narrowed(uint64_t k, unsigned depth)
{
    if (depth > 30)
        return narrowed(narrowed(k, depth / 2), depth - depth / 2);
    uint64_t power = 1;
    for (unsigned i = 0; i < depth; i++)
        power *= 3;
    return (((k << 1) << depth) / power + 1) >> 1;
}

uint32_t sketch_kll_capacity(unsigned k, unsigned depth)
{
    uint64_t width = narrowed(k, depth);
    return width < KLL_M ? KLL_M : (uint32_t)width;
}

uint32_t kll_total_capacity(uint32_t k, unsigned levels)
{
    uint32_t sum = 0;
    for (unsigned depth = 0; depth < levels; depth++)
        sum += sketch_kll_capacity(k, depth);
    return sum;
}

/* ---- shape ------------------------------------------------------------------------------------------------------- */

status kll_init(kll *s, const sketch_options *o, error *err)
{
    *s = (kll){.k = o->k, .least_k = o->k, .paired = o->paired, .sampled = o->sampled, .levels = 1, .coins = coins_new(o->seed)};
    s->capacity = s->physical = kll_total_capacity(s->k, 1);
    for (; s->narrow < KLL_WIDTHS && sketch_kll_capacity(s->k, s->narrow) > KLL_M; s->narrow++)
        s->widths[s->narrow] = (uint16_t)sketch_kll_capacity(s->k, s->narrow);
    s->items = memory_alloc(s->physical * sizeof *s->items);
    if (!s->items)
        return error_set(err, STATUS_MEMORY, "out of memory for a sketch of %u values", s->physical);
    s->at[0] = s->at[1] = s->physical;
    return STATUS_OK;
}

void kll_free(kll *s)
{
    memory_free(s->items);
    s->items = NULL;
}

size_t kll_words(const kll *s)
{
    return s->physical + (s->levels + 2) / 2 + KLL_WIDTHS / 4 + 5 /* k, count, coins */ + 2 /* least, most */ + (s->sampled ? 3 : 0);
}

uint64_t kll_weight(const kll *s)
{
    uint64_t sum = s->seen;
    for (unsigned i = 0; i < s->levels; i++)
        sum += (uint64_t)(s->at[i + 1] - s->at[i]) << (s->base + i);
    return sum;
}

static uint32_t total(const kll *s)
{
    return s->at[s->levels] - s->at[0];
}

status kll_shape(kll *s, unsigned levels, const uint32_t *populations, error *err)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < levels; i++)
        all += populations[i];
    uint32_t capacity = kll_total_capacity(s->k, levels);
    uint32_t physical = all > capacity ? (uint32_t)all : capacity;
    double *items = memory_alloc(physical * sizeof *items);
    if (!items)
        return error_set(err, STATUS_MEMORY, "out of memory for a sketch of %u values", physical);
    memory_free(s->items);
    s->items = items;
    s->levels = levels;
    s->capacity = capacity;
    s->physical = physical;
    s->at[levels] = physical;
    for (unsigned i = levels; i-- > 0;)
        s->at[i] = s->at[i + 1] - populations[i];
    return STATUS_OK;
}

/* Moves everything to the end of an array of `physical` places. */
static status resize(kll *s, uint32_t physical, error *err)
{
    double *items = memory_alloc(physical * sizeof *items);
    if (!items)
        return error_set(err, STATUS_MEMORY, "out of memory for a sketch of %u values", physical);
    memcpy(items + physical - total(s), s->items + s->at[0], total(s) * sizeof *items);
    memory_free(s->items);
    s->items = items;
    for (unsigned i = 0; i <= s->levels; i++) /* unsigned differences come out right both ways */
        s->at[i] += physical - s->physical;
    s->physical = physical;
    return STATUS_OK;
}

/* ---- halving ------------------------------------------------------------------------------------------------------ */

/* The coin of a level: with pairs every second one is the opposite of the one before it. */
static unsigned level_coin(kll *s, unsigned level)
{
    uint64_t bit = (uint64_t)1 << ((s->base + level) & 63);
    if (!s->paired)
        return coin(&s->coins);
    if (s->open & bit) {
        s->open &= ~bit;
        return s->last & bit ? 0 : 1;
    }
    unsigned one = coin(&s->coins);
    s->open |= bit;
    s->last = one ? s->last | bit : s->last & ~bit;
    return one;
}

/* Halves a level that has one above it. An odd value stays behind: the first in storage. */
static status compact(kll *s, unsigned level, error *err)
{
    uint32_t begin = s->at[level], end = s->at[level + 1], odd = (end - begin) & 1;
    uint32_t from = begin + odd, half = (end - from) / 2, above = s->at[level + 2] - end;
    double *x = s->items;
    if (level == 0 && !s->sorted)
        TRY(sketch_sort(x + from, end - from, err));
    unsigned o = level_coin(s, level);
    if (above == 0) {
        for (uint32_t i = half; i-- > 0;) /* to the upper half, from its end */
            x[from + half + i] = x[from + 2 * i + o];
    } else {
        for (uint32_t i = 0; i < half; i++)
            x[from + i] = x[from + 2 * i + o];
        sketch_merge_runs(x + from, half, x + end, above, x + from + half);
    }
    s->at[level + 1] -= half;
    s->at[level] = s->at[level + 1] - odd;
    if (odd)
        x[s->at[level]] = x[begin];
    if (level > 0) {
        uint32_t below = begin - s->at[0];
        memmove(x + s->at[0] + half, x + s->at[0], below * sizeof *x);
        for (unsigned i = 0; i < level; i++)
            s->at[i] += half;
    }
    return STATUS_OK;
}

static status feed_sampler(kll *s, double x, uint64_t weight, error *err);

/* One level more at the top. With a sampler the number of levels stays as it is once all widths are there: the lowest one goes. */
static status grow(kll *s, error *err)
{
    if (s->base + s->levels >= KLL_LEVELS)
        return error_set(err, STATUS_LIMIT, "a sketch cannot hold more than 2^%d values", KLL_LEVELS);
    if (s->sampled && s->levels > s->narrow + 1) {
        double left = 0;
        TRY(compact(s, 0, err));
        uint32_t odd = s->at[1] - s->at[0];
        if (odd)
            left = s->items[s->at[0]];
        for (unsigned i = 0; i < s->levels; i++)
            s->at[i] = s->at[i + 1];
        s->base++;
        s->sorted = true; /* what was level 1 */
        return odd ? feed_sampler(s, left, (uint64_t)1 << (s->base - 1), err) : STATUS_OK;
    }
    uint32_t capacity = kll_total_capacity(s->k, s->levels + 1);
    if (capacity > s->physical)
        TRY(resize(s, capacity, err));
    s->capacity = capacity;
    s->levels++;
    s->at[s->levels] = s->at[s->levels - 1];
    return STATUS_OK;
}

/* The lowest level that is full, or `levels`. */
static unsigned lowest_full(const kll *s)
{
    for (unsigned i = 0; i < s->levels; i++) {
        unsigned depth = s->levels - 1 - i;
        if (s->at[i + 1] - s->at[i] >= (depth < s->narrow ? s->widths[depth] : KLL_M))
            return i;
    }
    return s->levels;
}

/* Compresses a full level once. */
static status compress(kll *s, unsigned level, error *err)
{
    if (level + 1 == s->levels) {
        unsigned base = s->base;
        TRY(grow(s, err));
        if (s->base != base) /* everything moved down by one, and there is room already */
            return STATUS_OK;
    }
    return compact(s, level, err);
}

/* ---- many levels at once ------------------------------------------------------------------------------------------ */

/* The largest block of at most `count` values, or false: compactors at least as wide as those of the levels that it passes. */
static bool plan_pass(const kll *s, size_t count, kll_pass *out)
{
    out->levels = 0;
    for (unsigned j = 0; j + 1 < s->levels && j < KLL_BLOCK_LEVELS; j++) {
        unsigned depth = s->levels - 1 - j, width = KLL_M;
        for (unsigned needed = depth < s->narrow ? s->widths[depth] : KLL_M; width < needed;)
            width *= 2;
        size_t takes = (size_t)width << j;
        if (width > KLL_BLOCK_WIDTH || takes > count || takes > KLL_BLOCK)
            break;
        out->widths[j] = (uint16_t)width;
        out->levels = j + 1;
        out->count = takes;
        out->kept = width / 2;
    }
    return out->levels > 0;
}

/* Rising values into a level; there is room. */
static void insert_run(kll *s, unsigned level, const double *values, uint32_t count)
{
    double *x = s->items;
    uint32_t below = s->at[level] - s->at[0], there = s->at[level + 1] - s->at[level];
    memmove(x + s->at[0] - count, x + s->at[0], below * sizeof *x);
    for (unsigned i = 0; i <= level; i++)
        s->at[i] -= count;
    sketch_merge_runs(values, count, x + s->at[level] + count, there, x + s->at[level]);
}

/* The values of a block, which count as items no more; there is room for what is left of them. */
static void take_block(kll *s, const double *x, const kll_pass *pass)
{
    uint64_t draws[KLL_BLOCK / 4 / 64];
    double kept[KLL_BLOCK_WIDTH / 2];
    for (size_t i = 0; i < (pass->count / 4 + 63) / 64; i++)
        draws[i] = random_u64(&s->coins.stream);
    kll_block(x, pass, draws, level_coin(s, pass->levels - 1), s->paired, kept);
    insert_run(s, pass->levels, kept, (uint32_t)pass->kept);
}

/* Compresses until there is so much room, or no level is full. The upper `lazy` ones wait until there is none at all: what they hold matters
 * most. */
static status make_free(kll *s, uint32_t room, unsigned lazy, error *err)
{
    while (s->capacity - total(s) < room) {
        unsigned full = lowest_full(s);
        if (full == s->levels || (full + lazy >= s->levels && total(s) < s->capacity))
            break;
        TRY(compress(s, full, err));
    }
    return STATUS_OK;
}

/* A part of the room is left to level 0, so that many values wait there and pass the narrow levels together. */
static status make_room(kll *s, error *err)
{
    kll_pass pass;
    while (plan_pass(s, s->at[1] - s->at[0], &pass)) {
        s->at[0] += (uint32_t)pass.count;
        take_block(s, s->items + s->at[0] - pass.count, &pass);
    }
    TRY(make_free(s, 1 + s->capacity / ROOM_SHARE, LAZY, err));
    if (total(s) >= s->capacity)
        BUG("a sketch of %u values for %u places has no full level", total(s), s->capacity);
    return STATUS_OK;
}

status kll_push(kll *s, double x, error *err)
{
    if (total(s) >= s->capacity) {
        unsigned base = s->base;
        TRY(make_room(s, err));
        if (s->base != base) /* the lowest level is heavier than the value now */
            return feed_sampler(s, x, (uint64_t)1 << base, err);
    }
    s->items[--s->at[0]] = x;
    s->sorted = false;
    return STATUS_OK;
}

/* ---- the sampler -------------------------------------------------------------------------------------------------- */

/* After p values the kept one stays until the t-th with probability p / t. */
static uint64_t next_change(kll *s)
{
    double u = 1 - random_uniform(&s->coins.stream), at = floor((double)s->seen / u) + 1;
    return at < 0x1p62 ? (uint64_t)at : (uint64_t)1 << 62;
}

/* `weight` values x in a row. */
static status feed_sampler(kll *s, double x, uint64_t weight, error *err)
{
    while (weight) {
        uint64_t room = ((uint64_t)1 << s->base) - s->seen, part = weight < room ? weight : room;
        bool takes = s->seen == 0 || s->next <= s->seen + part;
        s->seen += part;
        weight -= part;
        if (takes) {
            s->kept = x;
            s->next = next_change(s);
        }
        if (s->seen == (uint64_t)1 << s->base) {
            s->seen = 0;
            TRY(kll_push(s, s->kept, err));
        }
    }
    return STATUS_OK;
}

static status sample_many(kll *s, const double *x, size_t count, error *err)
{
    while (count) {
        uint64_t room = ((uint64_t)1 << s->base) - s->seen;
        size_t part = count < room ? count : (size_t)room;
        if (s->seen == 0) {
            part = 1;
        } else if (s->next <= s->seen + part) {
            part = (size_t)(s->next - s->seen);
        } else { /* nothing is taken of these */
            s->seen += part - 1;
            x += part - 1;
            count -= part - 1;
            part = 1;
            TRY(feed_sampler(s, x[0], 1, err));
            x++;
            count--;
            continue;
        }
        s->seen += part - 1;
        TRY(feed_sampler(s, x[part - 1], 1, err));
        x += part;
        count -= part;
    }
    return STATUS_OK;
}

/* ---- what merging needs -------------------------------------------------------------------------------------------- */

/* One value into a level that is there. */
static status insert_one(kll *s, unsigned level, double x, error *err)
{
    if (level == 0)
        return kll_push(s, x, err);
    while (total(s) >= s->capacity)
        TRY(compress(s, lowest_full(s), err));
    if (s->base > 0) /* there was no sampler before, and is one now */
        return feed_sampler(s, x, (uint64_t)1 << level, err);
    double *items = s->items;
    uint32_t below = s->at[level] - s->at[0];
    memmove(items + s->at[0] - 1, items + s->at[0], below * sizeof *items);
    for (unsigned i = 0; i <= level; i++)
        s->at[i]--;
    uint32_t to = s->at[level];
    for (; to + 1 < s->at[level + 1] && items[to + 1] < x; to++)
        items[to] = items[to + 1];
    items[to] = x;
    return STATUS_OK;
}

status kll_push_weighted(kll *s, double x, uint64_t weight, error *err)
{
    if (s->base > 0)
        return feed_sampler(s, x, weight, err);
    for (unsigned i = 0; i < s->levels; i++)
        if (weight >> i & 1)
            TRY(insert_one(s, i, x, err));
    return STATUS_OK;
}

status kll_squeeze(kll *s, error *err)
{
    while (total(s) > s->capacity)
        TRY(compress(s, lowest_full(s), err));
    return s->physical > s->capacity ? resize(s, s->capacity, err) : STATUS_OK;
}

/* ---- many at once ------------------------------------------------------------------------------------------------- */

status kll_push_many(kll *s, const double *x, size_t count, error *err)
{
    while (count) {
        kll_pass pass;
        if (s->base > 0)
            return sample_many(s, x, count, err);
        size_t part = s->capacity - total(s);
        if (plan_pass(s, count, &pass) && part < pass.kept) {
            TRY(make_free(s, KLL_BLOCK_WIDTH / 2, 1, err)); /* it may bring one level more */
            part = s->capacity - total(s);
            pass.levels = 0;
            if (s->base == 0)
                plan_pass(s, count, &pass);
        }
        if (s->base == 0 && pass.levels > 0 && part >= pass.kept) {
            take_block(s, x, &pass);
            x += pass.count;
            count -= pass.count;
        } else if (s->base == 0 && part > 0) {
            part = part < count ? part : count;
            s->at[0] -= (uint32_t)part;
            memcpy(s->items + s->at[0], x, part * sizeof *x);
            s->sorted = false;
            x += part;
            count -= part;
        } else if (s->base == 0) {
            TRY(make_room(s, err));
        }
    }
    return STATUS_OK;
}
