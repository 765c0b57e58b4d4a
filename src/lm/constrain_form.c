/* Writing automata down, and choices. */
#include "lm/constrain_internal.h"

bool form_begin(form *f, arena *a)
{
    *f = (form){.arena = a};
    form_state(f);
    form_state(f);
    return f->failed == STATUS_OK;
}

/* Room for one more; the limit keeps a schema of a few bytes from asking for all memory. */
static void *grow(form *f, void *list, size_t count, size_t *capacity, size_t limit, size_t size)
{
    if (f->failed == STATUS_OK && count < *capacity)
        return list;
    size_t more = *capacity ? 2 * *capacity : 256;
    if (f->failed == STATUS_OK && count >= limit)
        f->failed = STATUS_LIMIT;
    void *larger = f->failed == STATUS_OK ? arena_regrow(f->arena, list, count, more, size) : NULL;
    if (!larger) {
        f->failed = f->failed == STATUS_OK ? STATUS_MEMORY : f->failed;
        return list;
    }
    *capacity = more;
    return larger;
}

int32_t form_state(form *f)
{
    f->first = grow(f, f->first, f->states, &f->state_capacity, FORM_STATES, sizeof *f->first);
    if (f->failed != STATUS_OK)
        return 0;
    f->first[f->states] = -1;
    return (int32_t)f->states++;
}

void form_edge_add(form *f, int32_t from, int low, int high, int32_t to)
{
    f->edges = grow(f, f->edges, f->edge_count, &f->edge_capacity, FORM_EDGES, sizeof *f->edges);
    if (f->failed != STATUS_OK)
        return;
    f->edges[f->edge_count] = (form_edge){to, f->first[from], (int16_t)low, (int16_t)high};
    f->first[from] = (int32_t)f->edge_count++;
}

void form_skip(form *f, int32_t from, int32_t to)
{
    form_edge_add(f, from, -1, -1, to);
}

int32_t form_bytes(form *f, int32_t from, slice bytes)
{
    for (size_t i = 0; i < bytes.length && f->failed == STATUS_OK; i++) {
        int32_t to = form_state(f);
        int byte = (unsigned char)bytes.text[i];
        form_edge_add(f, from, byte, byte, to);
        from = to;
    }
    return from;
}

status constraint_choice(arena *a, const constraint_vocabulary *v, const slice *choices, size_t count, constraint **out,
                         error *err)
{
    form f;
    *out = NULL;
    if (count == 0)
        return error_set(err, STATUS_INVALID, "a choice needs at least one string");
    if (!form_begin(&f, a))
        return error_set(err, STATUS_MEMORY, "out of memory for a choice");
    for (size_t i = 0; i < count; i++) {
        if (choices[i].length == 0)
            return error_set(err, STATUS_INVALID, "choice %zu is empty; expected at least one character", i);
        form_skip(&f, form_bytes(&f, 0, choices[i]), 1);
    }
    return form_finish(&f, v, out, err);
}
