/* Automata made deterministic as they are needed, and the sets of tokens that may come. */
#include "lm/constrain_internal.h"

#include <stdlib.h>
#include <string.h>

enum { UNKNOWN = -2, STATES_MOST = 1 << 16, MASK_BYTES_MOST = 64 << 20, FAR = INT32_MAX };

struct constraint_vocabulary {
    const tokenizer *tokenizer;
    size_t size;        /* ids */
    int32_t *order;     /* tokens that can be written, by their bytes */
    uint16_t *shared;   /* bytes shared with the one before */
    size_t count;
    const int32_t *ends;
    size_t end_count;
};

/* A set of states of the form, without those that have only skips. */
typedef struct state {
    int32_t *members;
    size_t count;
    int32_t next[256]; /* UNKNOWN, CONSTRAINT_DEAD, or a state */
    int32_t shortest;  /* bytes to the nearest end */
    bool complete;
    uint64_t *mask;    /* NULL: not made */
    int32_t widest;    /* the largest `shortest` behind a token of the mask */
} state;

struct constraint {
    arena *arena;
    const constraint_vocabulary *words;
    form form;
    int32_t *distance;   /* by state of the form: bytes to the end */
    uint32_t *stamp, now; /* marks while a set is made */
    int32_t *stack, *gathered;
    state **states;
    size_t count, capacity;
    int32_t *table; /* by hash of members */
    size_t table_size;
    size_t mask_bytes;
    bool failed;
};

/* ---- the vocabulary ---- */

static int by_bytes(const void *x, const void *y, void *context)
{
    const tokenizer *t = context;
    slice a = tokenizer_bytes(t, *(const int32_t *)x), b = tokenizer_bytes(t, *(const int32_t *)y);
    int c = memcmp(a.text, b.text, a.length < b.length ? a.length : b.length);
    if (c)
        return c;
    return a.length != b.length ? (a.length < b.length ? -1 : 1) : *(const int32_t *)x - *(const int32_t *)y;
}

status constraint_vocabulary_new(arena *a, const tokenizer *t, const int32_t *ends, size_t end_count,
                                 constraint_vocabulary **out, error *err)
{
    constraint_vocabulary *v = *out = ARENA_NEW(a, constraint_vocabulary);
    size_t size = tokenizer_size(t);
    int32_t *order = ARENA_ARRAY(a, int32_t, size + 1), *own = ARENA_ARRAY(a, int32_t, end_count + 1);
    uint16_t *shared = ARENA_ARRAY(a, uint16_t, size + 1);
    if (!v || !order || !shared || !own)
        return error_set(err, STATUS_MEMORY, "out of memory for a vocabulary of %zu tokens", size);
    *v = (constraint_vocabulary){t, size, order, shared, 0, own, end_count};
    for (size_t i = 0; i < end_count; i++)
        own[i] = ends[i];
    for (int32_t i = 0; i < (int32_t)size; i++)
        if (!tokenizer_is_special(t, i) && tokenizer_bytes(t, i).length > 0)
            order[v->count++] = i;
    union {
        const tokenizer *from;
        void *to;
    } context = {.from = t}; /* only read */
    qsort_r(order, v->count, sizeof *order, by_bytes, context.to);
    for (size_t i = 1; i < v->count; i++) {
        slice x = tokenizer_bytes(t, order[i - 1]), y = tokenizer_bytes(t, order[i]);
        size_t same = 0;
        while (same < x.length && same < y.length && same < UINT16_MAX && x.text[same] == y.text[same])
            same++;
        shared[i] = (uint16_t)same;
    }
    return STATUS_OK;
}

/* ---- sets of states ---- */

static bool has_bytes(const form *f, int32_t s)
{
    for (int32_t e = f->first[s]; e >= 0; e = f->edges[e].next)
        if (f->edges[e].low >= 0)
            return true;
    return s == 1;
}

/* Adds what can be reached from s without a byte to the set in the making, but for what leads to no end. */
static size_t gather(constraint *c, int32_t s, size_t count)
{
    size_t depth = 0;
    if (c->stamp[s] == c->now || c->distance[s] == FAR)
        return count;
    c->stamp[s] = c->now;
    c->stack[depth++] = s;
    while (depth) {
        int32_t at = c->stack[--depth];
        if (has_bytes(&c->form, at))
            c->gathered[count++] = at;
        for (int32_t e = c->form.first[at]; e >= 0; e = c->form.edges[e].next) {
            int32_t to = c->form.edges[e].to;
            if (c->form.edges[e].low >= 0 || c->stamp[to] == c->now || c->distance[to] == FAR)
                continue;
            c->stamp[to] = c->now;
            c->stack[depth++] = to;
        }
    }
    return count;
}

static int ascending(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

static uint64_t hash_of(const int32_t *members, size_t count)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < count; i++)
        h = (h ^ (uint64_t)(uint32_t)members[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static bool enlarge(constraint *c)
{
    size_t size = c->table_size ? 2 * c->table_size : 1024;
    int32_t *table = ARENA_ARRAY(c->arena, int32_t, size);
    state **states = arena_regrow(c->arena, c->states, c->count, size / 2, sizeof *states);
    if (!table || !states)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        size_t at = hash_of(states[i]->members, states[i]->count) % size;
        while (table[at])
            at = (at + 1) % size;
        table[at] = (int32_t)i + 1;
    }
    c->table = table;
    c->states = states;
    c->table_size = size;
    c->capacity = size / 2;
    return true;
}

/* The state of the gathered set; CONSTRAINT_DEAD for an empty one, or when memory is out (`failed`). */
static int32_t state_of(constraint *c, size_t count)
{
    if (count == 0 || c->failed)
        return CONSTRAINT_DEAD;
    qsort(c->gathered, count, sizeof *c->gathered, ascending);
    size_t at = hash_of(c->gathered, count) % c->table_size;
    for (; c->table[at]; at = (at + 1) % c->table_size) {
        const state *s = c->states[c->table[at] - 1];
        if (s->count == count && memcmp(s->members, c->gathered, count * sizeof *c->gathered) == 0)
            return c->table[at] - 1;
    }
    state *s = ARENA_NEW(c->arena, state);
    int32_t *members = ARENA_ARRAY(c->arena, int32_t, count);
    if (!s || !members || c->count >= STATES_MOST || (c->count + 1 >= c->capacity && !enlarge(c))) {
        c->failed = true;
        return CONSTRAINT_DEAD;
    }
    memcpy(members, c->gathered, count * sizeof *members);
    *s = (state){.members = members, .count = count, .shortest = FAR};
    for (size_t i = 0; i < 256; i++)
        s->next[i] = UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        s->complete = s->complete || members[i] == 1;
        s->shortest = c->distance[members[i]] < s->shortest ? c->distance[members[i]] : s->shortest;
    }
    at = hash_of(members, count) % c->table_size; /* the table may be a new one */
    while (c->table[at])
        at = (at + 1) % c->table_size;
    c->table[at] = (int32_t)c->count + 1;
    c->states[c->count] = s;
    return (int32_t)c->count++;
}

static int32_t step(constraint *c, int32_t from, unsigned char byte)
{
    state *s = c->states[from];
    if (s->next[byte] != UNKNOWN)
        return s->next[byte];
    size_t count = 0;
    c->now++;
    for (size_t i = 0; i < s->count; i++)
        for (int32_t e = c->form.first[s->members[i]]; e >= 0; e = c->form.edges[e].next)
            if (c->form.edges[e].low <= byte && byte <= c->form.edges[e].high)
                count = gather(c, c->form.edges[e].to, count);
    int32_t to = state_of(c, count);
    if (!c->failed)
        s->next[byte] = to;
    return to;
}

/* ---- from a form to a constraint ---- */

/* Bytes from every state to the end: a search backwards, skips first. */
static bool find_distances(constraint *c)
{
    const form *f = &c->form;
    size_t n = f->states, m = f->edge_count;
    arena *a = arena_new(NULL);
    int32_t *start = ARENA_ARRAY(a, int32_t, n + 2), *back = ARENA_ARRAY(a, int32_t, m + 1);
    int32_t *from = ARENA_ARRAY(a, int32_t, m + 1), *queue = ARENA_ARRAY(a, int32_t, 4 * (n + m) + 4);
    bool good = start && back && from && queue;
    for (size_t s = 0; good && s < n; s++)
        for (int32_t e = f->first[s]; e >= 0; e = f->edges[e].next) {
            from[e] = (int32_t)s;
            start[f->edges[e].to + 1]++;
        }
    for (size_t s = 0; good && s < n; s++)
        start[s + 1] += start[s];
    for (size_t e = m; good && e-- > 0;)
        back[--start[f->edges[e].to + 1]] = (int32_t)e; /* start[s + 1] now is where s begins */
    for (size_t s = 0; good && s < n; s++)
        c->distance[s] = FAR;
    size_t head = 2 * (n + m), tail = head;
    if (good) {
        c->distance[1] = 0;
        queue[tail++] = 1;
    }
    while (good && head < tail) {
        int32_t s = queue[head++];
        size_t end = (size_t)s + 2 <= n ? (size_t)start[s + 2] : m;
        for (size_t k = (size_t)start[s + 1]; k < end; k++) {
            const form_edge *e = &f->edges[back[k]];
            int32_t d = c->distance[s] + (e->low >= 0), origin = from[back[k]];
            if (d >= c->distance[origin])
                continue;
            c->distance[origin] = d;
            if (e->low < 0)
                queue[--head] = origin;
            else
                queue[tail++] = origin;
        }
    }
    arena_free(a);
    return good;
}

static void free_masks(void *context)
{
    constraint *c = context;
    for (size_t i = 0; i < c->count; i++)
        memory_free(c->states[i]->mask);
}

status form_finish(form *f, const constraint_vocabulary *v, constraint **out, error *err)
{
    if (f->failed == STATUS_LIMIT) {
        error_set(err, STATUS_LIMIT, "the form of the answer needs more than %d states or %d edges", FORM_STATES, FORM_EDGES);
        error_hint(err, "lower maxLength, minLength, maxItems or minItems");
        return STATUS_LIMIT;
    }
    constraint *c = ARENA_NEW(f->arena, constraint);
    if (f->failed != STATUS_OK || !c)
        return error_set(err, STATUS_MEMORY, "out of memory for the form of an answer");
    *c = (constraint){.arena = f->arena, .words = v, .form = *f};
    c->distance = ARENA_ARRAY(c->arena, int32_t, f->states);
    c->stamp = ARENA_ARRAY(c->arena, uint32_t, f->states);
    c->stack = ARENA_ARRAY(c->arena, int32_t, f->states);
    c->gathered = ARENA_ARRAY(c->arena, int32_t, f->states);
    if (!c->distance || !c->stamp || !c->stack || !c->gathered || !enlarge(c) || !find_distances(c) ||
        !arena_on_free(c->arena, free_masks, c))
        return error_set(err, STATUS_MEMORY, "out of memory for the form of an answer");
    if (c->distance[0] == FAR)
        return error_set(err, STATUS_INVALID, "nothing has the form asked for: a $ref needs itself without an end");
    c->now = 1;
    if (state_of(c, gather(c, 0, 0)) != CONSTRAINT_START)
        return error_set(err, STATUS_MEMORY, "out of memory for the form of an answer");
    *out = c;
    return STATUS_OK;
}

/* ---- use ---- */

static bool is_end(const constraint_vocabulary *v, int32_t token)
{
    for (size_t i = 0; i < v->end_count; i++)
        if (v->ends[i] == token)
            return true;
    return false;
}

int32_t constraint_next(constraint *c, int32_t at, int32_t token)
{
    if (is_end(c->words, token))
        return c->states[at]->complete ? at : CONSTRAINT_DEAD;
    slice bytes = tokenizer_bytes(c->words->tokenizer, token);
    for (size_t i = 0; i < bytes.length && at != CONSTRAINT_DEAD; i++)
        at = step(c, at, (unsigned char)bytes.text[i]);
    return bytes.length ? at : CONSTRAINT_DEAD;
}

bool constraint_complete(const constraint *c, int32_t at)
{
    return c->states[at]->complete;
}

bool constraint_is_over(constraint *c, int32_t at)
{
    const state *s = c->states[at];
    return s->complete && s->count == 1; /* the end alone, from which nothing leads */
}

size_t constraint_shortest(const constraint *c, int32_t at)
{
    return (size_t)c->states[at]->shortest;
}

size_t constraint_mask_words(const constraint *c)
{
    return (c->words->size + 63) / 64;
}

/* Sets the bits of the tokens that lead to a state at most `most` bytes from an end; returns the largest such distance. */
static int32_t fill(constraint *c, int32_t at, int32_t most, uint64_t *mask)
{
    enum { DEEPEST = 512 };
    const constraint_vocabulary *v = c->words;
    int32_t path[DEEPEST + 1], widest = 0;
    size_t known = 0; /* path[0 .. known] are the states along the token before */
    path[0] = at;
    memset(mask, 0, constraint_mask_words(c) * sizeof *mask);
    for (size_t i = 0; i < v->count; i++) {
        slice bytes = tokenizer_bytes(v->tokenizer, v->order[i]);
        known = v->shared[i] < known ? v->shared[i] : known;
        if (bytes.length > DEEPEST || (known < v->shared[i] && path[known] == CONSTRAINT_DEAD))
            continue; /* it begins with what may not come */
        while (known < bytes.length && path[known] != CONSTRAINT_DEAD) {
            path[known + 1] = step(c, path[known], (unsigned char)bytes.text[known]);
            known++;
        }
        int32_t end = path[known];
        if (end == CONSTRAINT_DEAD || known < bytes.length || c->states[end]->shortest > most)
            continue;
        mask[(size_t)v->order[i] / 64] |= (uint64_t)1 << v->order[i] % 64;
        widest = c->states[end]->shortest > widest ? c->states[end]->shortest : widest;
    }
    for (size_t i = 0; c->states[at]->complete && i < v->end_count; i++)
        mask[(size_t)v->ends[i] / 64] |= (uint64_t)1 << v->ends[i] % 64;
    return widest;
}

const uint64_t *constraint_mask(constraint *c, int32_t at, size_t left, uint64_t *scratch)
{
    state *s = c->states[at];
    if (!s->mask) {
        uint64_t *mask = memory_alloc(constraint_mask_words(c) * sizeof *mask);
        if (!mask)
            return NULL;
        s->widest = fill(c, at, FAR - 1, mask);
        s->mask = mask;
        c->mask_bytes += constraint_mask_words(c) * sizeof *mask;
    }
    if (!c->failed && (size_t)s->widest >= left)
        fill(c, at, left ? (int32_t)left - 1 : 0, scratch);
    return c->failed ? NULL : (size_t)s->widest >= left ? scratch : s->mask;
}

void constraint_trim(constraint *c)
{
    if (c->mask_bytes <= MASK_BYTES_MOST)
        return;
    for (size_t i = 0; i < c->count; i++) {
        memory_free(c->states[i]->mask);
        c->states[i]->mask = NULL;
    }
    c->mask_bytes = 0;
}
