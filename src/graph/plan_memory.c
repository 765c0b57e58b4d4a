/* Last pass: outputs, donation, lifetimes, and offsets in one slab. */
#include "core/machine.h"
#include "graph/plan_internal.h"

#include <stdio.h>

static void use(plan *p, location at, int32_t step_number)
{
    if (at.place == NONE)
        return;
    place *x = &p->places[at.place];
    if (step_number < x->first)
        x->first = step_number;
    if (step_number > x->last)
        x->last = step_number;
}

static void find_lifetimes(plan *p)
{
    for (int32_t i = 0; i < (int32_t)p->step_count; i++) {
        const step *s = p->steps[i];
        for (int k = 0; k < s->in_count; k++)
            use(p, s->in[k], i);
        for (int k = 0; k < s->out_count; k++)
            use(p, s->out[k], i);
        use(p, s->scratch, i);
    }
}

static status copy_step(plan_builder *b, const node *n, location from, location to, error *err)
{
    step *s = new_step(b, n, 1, 1);
    size_t *bytes = ARENA_NEW(b->p->arena, size_t);
    if (!s || !bytes)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    *bytes = (size_t)shape_count(n->shape) * element_size(node_type(n));
    s->name = "copy";
    s->run = run_copy;
    s->data = bytes;
    s->in[0] = from;
    s->out[0] = to;
    return STATUS_OK;
}

/* Whether the value at place r may be written over the input: nobody reads the input later, and the step that writes
 * reads it, if at all, element by element. */
static bool can_write_over(const plan *p, int32_t r, int32_t input_place)
{
    if (input_place == NONE)
        return true;
    const place *in = &p->places[input_place], *out = &p->places[r];
    if (in->bytes != out->bytes || in->last > out->first)
        return false;
    if (in->last < out->first)
        return true;
    const step *s = p->steps[out->first];
    for (int k = 0; k < s->out_count; k++)
        if (s->out[k].place == r && s->apart[k])
            return false;
    for (int k = 0; k < s->in_count; k++) {
        if (s->in[k].place != input_place)
            continue;
        if (!s->linear[k] || s->in[k].offset != 0)
            return false;
        if (!is_elementwise(s->node) && s->out[k].place != r)
            return false; /* of a call with parts, a part may only overwrite its own source */
    }
    return true;
}

/* Where the input is read; NONE: nobody reads it. */
static int32_t place_of_input(const plan_builder *b, int32_t input)
{
    return (size_t)input < b->p->sorted_inputs ? b->entries[b->index[b->p->inputs[input].n->id]].place : NONE;
}

static bool owns_place(const plan *p, const plan_result *r)
{
    const place *x = &p->places[r->at.place];
    return x->kind == PLACE_SLAB && r->at.offset == 0 && x->bytes == r->bytes;
}

/* Copies for outputs that are inputs, constants, parts of something, or another output too. */
static status copy_shared_outputs(plan_builder *b, error *err)
{
    plan *p = b->p;
    for (size_t o = 0; o < p->result_count; o++) {
        plan_result *r = &p->results[o];
        r->at = location_of(b, b->outputs[o]);
        if (owns_place(p, r) && p->places[r->at.place].result == NONE) {
            p->places[r->at.place].result = (int32_t)o;
            continue;
        }
        int32_t home = new_place(b, PLACE_KEPT, r->bytes);
        if (home == NONE)
            return error_set(err, STATUS_MEMORY, "no memory for a plan");
        p->places[home].result = (int32_t)o;
        TRY(copy_step(b, b->outputs[o], r->at, (location){home, 0, r->bytes}, err));
        r->at = (location){home, 0, r->bytes};
    }
    return STATUS_OK;
}

/* The place that the step which makes place r writes over (a part of a call over its own source), where nothing else reads that any
 * more; else NONE. */
static int32_t written_over(const plan *p, int32_t r)
{
    const step *s = p->steps[p->places[r].first];
    int32_t found = NONE;
    for (int k = 0; k < s->out_count && k < s->in_count && !is_elementwise(s->node); k++)
        if (s->out[k].place == r && s->linear[k] && s->in[k].offset == 0)
            found = s->in[k].place;
    if (found == NONE || found == r)
        return NONE;
    const place *from = &p->places[found];
    int readers = 0;
    for (int k = 0; k < s->in_count; k++)
        readers += s->in[k].place == found;
    bool own = from->kind == PLACE_SLAB && from->bytes == p->places[r].bytes && from->result == NONE;
    return own && readers == 1 && from->last == p->places[r].first ? found : NONE;
}

/* What the output at place r, which lies in the donor's buffer, is written over lies there too, and so on back: rows put into what became
 * of a table need no copy of it. */
static void donate_back(plan *p, int32_t r, int32_t donor, int32_t input_place)
{
    for (int32_t at = written_over(p, r); at != NONE && can_write_over(p, at, input_place); at = written_over(p, at)) {
        p->places[at].kind = PLACE_INPUT;
        p->places[at].input = donor;
    }
}

/* Gives every output a home: the donor's buffer, or a kept place. */
static status settle_outputs(plan_builder *b, error *err)
{
    plan *p = b->p;
    TRY(copy_shared_outputs(b, err));
    find_lifetimes(p);
    for (size_t o = 0; o < p->result_count; o++) {
        plan_result *r = &p->results[o];
        place *x = &p->places[r->at.place];
        if (x->kind != PLACE_SLAB)
            continue;
        x->kind = PLACE_KEPT;
        if (r->donor != NONE && can_write_over(p, r->at.place, place_of_input(b, r->donor))) {
            x->kind = PLACE_INPUT;
            x->input = r->donor;
            r->in_place = true;
            donate_back(p, r->at.place, r->donor, place_of_input(b, r->donor));
        }
    }
    return STATUS_OK;
}

/* ---- offsets ---- */
typedef struct hole {
    size_t offset, bytes;
} hole;

typedef struct slab {
    hole *holes; /* by offset, apart from each other */
    size_t count, capacity, end;
    arena *arena;
} slab;

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The end behind so many bytes more. Sizes of single values are far from overflowing, sums of many need not be: from 2^62 on, which
 * is refused, the end stays where it is. */
static size_t further(size_t end, size_t bytes)
{
    return end > SIZE_MAX >> 2 ? end : end + bytes;
}

/* The smallest hole that fits, else the end. */
static size_t slab_take(slab *s, size_t bytes)
{
    size_t best = s->count;
    for (size_t i = 0; i < s->count; i++)
        if (s->holes[i].bytes >= bytes && (best == s->count || s->holes[i].bytes < s->holes[best].bytes))
            best = i;
    if (best < s->count) {
        size_t at = s->holes[best].offset;
        s->holes[best].offset += bytes;
        s->holes[best].bytes -= bytes;
        if (s->holes[best].bytes == 0)
            memmove(&s->holes[best], &s->holes[best + 1], (--s->count - best) * sizeof *s->holes);
        return at;
    }
    size_t at = s->end;
    if (s->count && s->holes[s->count - 1].offset + s->holes[s->count - 1].bytes == s->end)
        at = s->holes[--s->count].offset; /* grow the last hole */
    s->end = further(at, bytes);
    return at;
}

static bool slab_give(slab *s, size_t offset, size_t bytes)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->holes[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    bool left = low > 0 && s->holes[low - 1].offset + s->holes[low - 1].bytes == offset;
    bool right = low < s->count && offset + bytes == s->holes[low].offset;
    if (left) {
        s->holes[low - 1].bytes += bytes;
        if (right) {
            s->holes[low - 1].bytes += s->holes[low].bytes;
            memmove(&s->holes[low], &s->holes[low + 1], (--s->count - low) * sizeof *s->holes);
        }
        return true;
    }
    if (right) {
        s->holes[low].offset = offset;
        s->holes[low].bytes += bytes;
        return true;
    }
    if (s->count == s->capacity) {
        hole *grown = arena_regrow(s->arena, s->holes, s->count, 2 * s->capacity + 64, sizeof *grown);
        if (!grown)
            return false;
        s->holes = grown;
        s->capacity = 2 * s->capacity + 64;
    }
    memmove(&s->holes[low + 1], &s->holes[low], (s->count - low) * sizeof *s->holes);
    s->holes[low] = (hole){offset, bytes};
    s->count++;
    return true;
}

static status give_scratch(plan_builder *b, error *err)
{
    plan *p = b->p;
    for (int32_t i = 0; i < (int32_t)p->step_count; i++) {
        step *s = p->steps[i];
        if (rounded(s->worker_bytes) > p->worker_stride)
            p->worker_stride = rounded(s->worker_bytes);
        if (s->scratch_bytes == 0)
            continue;
        int32_t at = new_place(b, PLACE_SLAB, s->scratch_bytes);
        if (at == NONE)
            return error_set(err, STATUS_MEMORY, "no memory for a plan");
        s->scratch = (location){at, 0, s->scratch_bytes};
    }
    return STATUS_OK;
}

/* Lists of places that begin, and that end, at each step: counting sort by `key`. */
static int32_t *order_by_step(const plan *p, arena *a, bool by_end, int32_t **starts)
{
    int32_t *begin = ARENA_ARRAY(a, int32_t, p->step_count + 2), *list = ARENA_ARRAY(a, int32_t, p->place_count + 1);
    if (!begin || !list)
        return NULL;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < p->place_count; i++) {
            const place *x = &p->places[i];
            if (x->kind != PLACE_SLAB || x->last == NONE)
                continue;
            int32_t key = by_end ? x->last : x->first;
            if (pass == 0)
                begin[key + 1]++;
            else
                list[begin[key]++] = (int32_t)i;
        }
        for (size_t s = 1; pass == 0 && s < p->step_count + 2; s++)
            begin[s] += begin[s - 1];
    }
    *starts = begin; /* after the second pass begin[key] is the end of key's run, which starts where key - 1 ends */
    return list;
}

static status lay_slab(plan_builder *b, error *err)
{
    plan *p = b->p;
    int32_t *births, *deaths;
    int32_t *born = order_by_step(p, b->scratch, false, &births), *dead = order_by_step(p, b->scratch, true, &deaths);
    slab s = {.arena = b->scratch};
    bool good = born && dead;
    for (size_t i = 0; good && i < p->step_count; i++) {
        for (int32_t k = i ? births[i - 1] : 0; k < births[i]; k++)
            p->places[born[k]].offset = slab_take(&s, rounded(p->places[born[k]].bytes));
        for (int32_t k = i ? deaths[i - 1] : 0; good && k < deaths[i]; k++)
            if (p->places[dead[k]].bytes)
                good = slab_give(&s, p->places[dead[k]].offset, rounded(p->places[dead[k]].bytes));
    }
    if (!good)
        return error_set(err, STATUS_MEMORY, "no memory to lay out a plan");
    p->slab_bytes = s.end;
    for (size_t i = 0; i < p->place_count; i++)
        if (p->places[i].kind == PLACE_KEPT) {
            p->places[i].offset = p->kept_bytes;
            p->kept_bytes = further(p->kept_bytes, rounded(p->places[i].bytes));
        }
    return STATUS_OK;
}

/* ---- too large ---- */
enum { LARGEST = 3, ASK_FROM = 32 << 20 /* bytes from which on it is worth asking what the machine has */ };

typedef struct large {
    size_t bytes;
    const node *n;
    bool scratch; /* of the node's step */
} large;

static void note_large(large list[LARGEST], large x)
{
    for (int i = 0; i < LARGEST; i++)
        if (x.bytes > list[i].bytes) {
            large next = list[i];
            list[i] = x;
            x = next;
        }
}

/* The largest things that the plan holds, in words. */
static const char *largest_values(const plan_builder *b, char *text, size_t room)
{
    large list[LARGEST] = {{0}};
    const plan *p = b->p;
    for (size_t i = 0; i < b->n; i++) {
        int32_t at = b->entries[i].place;
        if (b->entries[i].same == (int32_t)i && b->entries[i].root == (int32_t)i && at != NONE &&
            (p->places[at].kind == PLACE_SLAB || p->places[at].kind == PLACE_KEPT))
            note_large(list, (large){p->places[at].bytes, b->entries[i].n, false});
    }
    for (size_t i = 0; i < p->step_count; i++)
        note_large(list, (large){p->steps[i]->scratch_bytes, p->steps[i]->node, true});
    size_t at = 0;
    char name[NODE_TEXT];
    text[0] = 0;
    for (int i = 0; i < LARGEST && list[i].n && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%zu bytes of %s%s", i ? ", " : "", list[i].bytes,
                               list[i].scratch ? "scratch for " : "", node_text(list[i].n, name));
    return text;
}

/* Refuses what is above the limit, or more than the machine has left, before any of it is allocated. */
static status check_size(const plan_builder *b, size_t limit, error *err)
{
    size_t peak = plan_peak_bytes(b->p), left = peak < ASK_FROM ? SIZE_MAX : machine_memory_left();
    bool limited = limit && peak > limit;
    char largest[480];
    if (!limited && peak <= left)
        return STATUS_OK;
    largest_values(b, largest, sizeof largest);
    if (limited)
        error_set(err, STATUS_LIMIT, "the plan needs %zu bytes of memory, more than the limit of %zu; its largest values are %s", peak,
                  limit, largest);
    else
        error_set(err, STATUS_MEMORY, "the plan needs %zu bytes of memory, and %zu are left for this process; its largest values are %s",
                  peak, left, largest);
    return error_hint(err, limited ? "use a smaller batch or a shorter context, or raise the limit"
                                   : "use a smaller batch, a shorter context, or a machine with more memory");
}

status plan_lay_out(plan_builder *b, const plan_options *o, error *err)
{
    plan *p = b->p;
    TRY(settle_outputs(b, err));
    TRY(give_scratch(b, err));
    find_lifetimes(p);
    TRY(lay_slab(b, err));
    return check_size(b, o->memory_limit, err);
}
