/* What a request changes at sites and reads there: checked and taken over, keyed by pages, put into the rows of a step. */
#include "lm/engine_internal.h"

#include "core/hash.h"
#include "lm/sites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    patch_kind kind;
    const char *word;
} of_action[] = {
    [SITE_REPLACE] = {PATCH_REPLACE, "replace"}, [SITE_ADD] = {PATCH_ADD, "add to"}, [SITE_SCALE] = {PATCH_SCALE, "scale"},
};

/* ---- taking over ---- */

/* Which positions are meant. `limit`: how many the sequence can have. False: the sequence has been told what is wrong. */
static bool resolve(sequence *s, const char *what, size_t index, const engine_positions *at, size_t limit, size_t *from,
                    size_t *to)
{
    size_t prompt = s->request.prompt_count;
    *from = at->where == ENGINE_ANSWER ? prompt : at->where == ENGINE_SPAN ? at->from : 0;
    *to = at->where == ENGINE_PROMPT ? prompt : at->where == ENGINE_SPAN ? at->to : SIZE_MAX;
    if (at->where != ENGINE_SPAN || (*from < *to && *from < limit && (*to <= limit || *to == ENGINE_TO_END)))
        return true;
    if (*to == ENGINE_TO_END)
        engine_fail(s, STATUS_INVALID, "%s %zu is for positions from %zu on; the request has %zu (%zu of the prompt)", what, index,
                    *from, limit, prompt);
    else
        engine_fail(s, STATUS_INVALID, "%s %zu is for positions %zu to %zu (not included); expected some of 0 to %zu (%zu of the prompt)",
                    what, index, *from, *to, limit, prompt);
    return false;
}

static bool find_site(const engine *e, sequence *s, const char *what, size_t index, const char *name, size_t *site)
{
    const lm_config *c = &e->checkpoint->config;
    *site = name ? lm_site_find(c, name) : SIZE_MAX;
    if (*site == SIZE_MAX) {
        const char *names = lm_site_names(s->arena, c);
        engine_fail(s, STATUS_INVALID, "%s %zu is at '%s', which is no site of this model; there are %s", what, index,
                    name ? name : "", names ? names : "others");
    }
    return *site != SIZE_MAX;
}

static bool check_values(sequence *s, size_t index, const engine_intervention *v, const lm_site *site, size_t positions)
{
    if (v->width != site->width) {
        engine_fail(s, STATUS_INVALID, "intervention %zu has values of %zu elements, and %s has %zu", index, v->width, site->name,
                    site->width);
        return false;
    }
    if (!v->values || (v->rows != 1 && v->rows != positions)) {
        engine_fail(s, STATUS_INVALID, "intervention %zu at %s has %zu rows of values; expected 1, or %zu, one for each position",
                    index, site->name, v->values ? v->rows : 0, positions);
        return false;
    }
    for (size_t i = 0; i < v->rows * v->width; i++)
        if (!isfinite(v->values[i])) {
            engine_fail(s, STATUS_INVALID, "intervention %zu at %s: element %zu of row %zu is not a finite number", index,
                        site->name, i % v->width, i / v->width);
            return false;
        }
    return true;
}

/* Adding zeros or multiplying by ones changes nothing; x + 0 would turn -0 into 0. */
static bool can_change(patch_kind kind, const float *row, size_t width)
{
    float null = kind == PATCH_ADD ? 0 : 1;
    for (size_t i = 0; i < width; i++)
        if (kind == PATCH_REPLACE || row[i] != null)
            return true;
    return false;
}

/* Adds an intervention to the list, unless it changes nothing. */
static status take_edit(const engine *e, sequence *s, size_t index, size_t limit)
{
    const engine_intervention *v = &s->request.interventions[index];
    engine_patch *p = s->patch;
    size_t from, to, site;
    if ((size_t)v->what >= COUNT_OF(of_action)) {
        engine_fail(s, STATUS_INVALID, "intervention %zu does %d; expected to replace, add or scale", index, (int)v->what);
        return STATUS_OK;
    }
    if (!find_site(e, s, "intervention", index, v->site, &site) || !resolve(s, "intervention", index, &v->at, limit, &from, &to))
        return STATUS_OK;
    lm_site known = lm_site_at(&e->checkpoint->config, site);
    size_t end = to < limit ? to : limit, positions = end > from ? end - from : 0;
    if (!check_values(s, index, v, &known, positions))
        return STATUS_OK;
    patch_kind kind = of_action[v->what].kind;
    float *values = ARENA_ARRAY(s->arena, float, v->rows * v->width);
    bool *live = ARENA_ARRAY(s->arena, bool, v->rows), some = false;
    if (!values || !live)
        return STATUS_MEMORY;
    memcpy(values, v->values, v->rows * v->width * sizeof *values);
    for (size_t i = 0; i < v->rows; i++)
        some = (live[i] = can_change(kind, values + i * v->width, v->width)) || some;
    if (some && positions > 0)
        p->edits[p->edit_count++] = (patch_edit){(uint32_t)(PATCH_KINDS * site + kind), from, v->rows > 1 ? end : to, v->rows,
                                                 v->width, values, live}; /* rows end with the positions */
    return STATUS_OK;
}

static int by_code(const void *a, const void *b)
{
    const patch_edit *x = a, *y = b;
    return x->code != y->code ? (x->code < y->code ? -1 : 1) : (x->from > y->from) - (x->from < y->from);
}

/* Two of a kind may not meet. */
static void check_overlaps(const engine *e, sequence *s)
{
    const engine_patch *p = s->patch;
    for (size_t i = 1; i < p->edit_count; i++) {
        const patch_edit *a = &p->edits[i - 1], *b = &p->edits[i];
        if (a->code != b->code || a->to <= b->from)
            continue;
        const char *word = "";
        for (size_t k = 0; k < COUNT_OF(of_action); k++)
            word = of_action[k].kind == b->code % PATCH_KINDS ? of_action[k].word : word;
        engine_fail(s, STATUS_INVALID, "two interventions %s %s at position %zu; one of a kind may", word,
                    lm_site_at(&e->checkpoint->config, b->code / PATCH_KINDS).name, b->from);
        return;
    }
}

static void take_reading(const engine *e, sequence *s, size_t index, size_t limit)
{
    const engine_reading *r = &s->request.readings[index];
    patch_reading *to = &s->patch->readings[index];
    size_t site;
    if (!find_site(e, s, "reading", index, r->site, &site) || !resolve(s, "reading", index, &r->at, limit, &to->from, &to->to))
        return;
    to->width = lm_site_at(&e->checkpoint->config, site).width;
    to->code = (uint32_t)(PATCH_KINDS * site + PATCH_READ);
    s->patch->activations[index] = (engine_activation){.from = to->from, .width = to->width};
    s->patch->reading_count++;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void list_codes(engine_patch *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->edit_count; i++)
        p->codes[count++] = p->edits[i].code;
    for (size_t i = 0; i < p->reading_count; i++)
        p->codes[count++] = p->readings[i].code;
    qsort(p->codes, count, sizeof *p->codes, by_number);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || p->codes[i] != p->codes[i - 1])
            p->codes[p->code_count++] = p->codes[i];
}

/* ---- pages ---- */

static void digest_edit(sha256 *state, const patch_edit *x, size_t start, size_t from, size_t to)
{
    uint64_t words[4] = {x->code, from - start, to - start, x->rows > 1};
    if (x->rows > 1 && to - x->from > x->rows)
        BUG("an intervention's rows end before its positions");
    const float *row = x->values + (x->rows > 1 ? (from - x->from) * x->width : 0);
    sha256_add(state, words, sizeof words);
    sha256_add(state, row, (x->rows > 1 ? to - from : 1) * x->width * sizeof *row);
}

static prefix_patch page_patch(const engine_patch *p, size_t start)
{
    prefix_patch page = {.clean = PAGE};
    sha256 state;
    for (size_t i = 0; i < p->edit_count; i++) {
        const patch_edit *x = &p->edits[i];
        size_t from = x->from > start ? x->from : start, to = x->to < start + PAGE ? x->to : start + PAGE;
        if (from >= to)
            continue;
        if (page.clean == PAGE)
            sha256_start(&state);
        page.clean = from - start < page.clean ? from - start : page.clean;
        digest_edit(&state, x, start, from, to);
    }
    if (page.clean < PAGE)
        sha256_end(&state, page.digest);
    return page;
}

const prefix_patch *engine_patch_of_page(const sequence *s, size_t page)
{
    static const prefix_patch none = {.clean = PAGE};
    return s->patch ? &s->patch->pages[page] : &none;
}

size_t engine_patch_agree(const sequence *a, const sequence *s, size_t same)
{
    for (size_t page = 0; page * PAGE < same && (a->patch || s->patch); page++) {
        const prefix_patch *theirs = engine_patch_of_page(a, page), *own = engine_patch_of_page(s, page);
        if (memcmp(theirs->digest, own->digest, sizeof own->digest) == 0)
            continue;
        size_t clean = theirs->clean == PAGE ? own->clean : 0; /* what prefix_match finds */
        return same < page * PAGE + clean ? same : page * PAGE + clean;
    }
    return same;
}

status engine_patch_take(const engine *e, sequence *s)
{
    const engine_request *r = &s->request;
    size_t limit = r->prompt_count + s->budget, edits = r->intervention_count, pages = (limit + PAGE - 1) / PAGE;
    if (edits == 0 && r->reading_count == 0)
        return STATUS_OK;
    engine_patch *p = s->patch = ARENA_NEW(s->arena, engine_patch);
    if (!p)
        return STATUS_MEMORY;
    p->edits = ARENA_ARRAY(s->arena, patch_edit, edits + 1);
    p->readings = ARENA_ARRAY(s->arena, patch_reading, r->reading_count + 1);
    p->activations = ARENA_ARRAY(s->arena, engine_activation, r->reading_count + 1);
    p->codes = ARENA_ARRAY(s->arena, uint32_t, edits + r->reading_count);
    p->pages = ARENA_ARRAY(s->arena, prefix_patch, pages);
    if (!p->edits || !p->readings || !p->activations || !p->codes || !p->pages)
        return STATUS_MEMORY;
    for (size_t i = 0; s->code == STATUS_OK && i < edits; i++)
        if (take_edit(e, s, i, limit) != STATUS_OK)
            return STATUS_MEMORY;
    for (size_t i = 0; s->code == STATUS_OK && i < r->reading_count; i++)
        take_reading(e, s, i, limit);
    qsort(p->edits, p->edit_count, sizeof *p->edits, by_code);
    check_overlaps(e, s);
    list_codes(p);
    for (size_t i = 0; i < pages; i++)
        p->pages[i] = page_patch(p, i * PAGE);
    s->request.interventions = NULL; /* the caller's */
    s->request.readings = NULL;
    return STATUS_OK;
}

size_t engine_patch_first_read(const sequence *s)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; s->patch && i < s->patch->reading_count; i++)
        if (s->patch->readings[i].from < s->request.prompt_count && s->patch->readings[i].from < first)
            first = s->patch->readings[i].from;
    return first;
}

/* ---- the rows of a step ---- */

static size_t place_of(const engine_opening *o, uint32_t code)
{
    const uint32_t *found = bsearch(&code, o->codes, o->count, sizeof code, by_number);
    if (!found)
        BUG("site %u is not open", code / PATCH_KINDS);
    return (size_t)(found - o->codes);
}

void engine_patch_fill(engine *e)
{
    const engine_opening *o = e->opening;
    for (size_t k = 0; k < o->count; k++)
        if (o->masks[k])
            memset(o->masks[k], 0, e->variant->rows);
    for (size_t row = 0; row < e->row_count; row++) {
        const engine_patch *p = e->row_owners[row]->patch;
        size_t position = (size_t)e->positions[row];
        for (size_t i = 0; p && i < p->edit_count; i++) {
            const patch_edit *x = &p->edits[i];
            size_t from = x->rows > 1 ? position - x->from : 0;
            if (position < x->from || position >= x->to || !x->live[from])
                continue;
            size_t k = place_of(o, x->code);
            o->masks[k][row] = 1;
            memcpy(o->values[k] + row * x->width, x->values + from * x->width, x->width * sizeof(float));
        }
    }
}

static bool keep_row(sequence *s, patch_reading *r, const float *row)
{
    if (r->count == r->capacity) {
        size_t ahead = s->request.prompt_count > r->from ? s->request.prompt_count - r->from : 1;
        size_t capacity = r->capacity ? 2 * r->capacity : ahead;
        float *more = arena_regrow(s->arena, r->values, r->count * r->width, capacity * r->width, sizeof *more);
        if (!more)
            return false;
        r->values = more;
        r->capacity = capacity;
    }
    memcpy(r->values + r->count++ * r->width, row, r->width * sizeof *row);
    return true;
}

void engine_patch_read(engine *e)
{
    const engine_opening *o = e->opening;
    for (size_t row = 0; row < e->row_count; row++) {
        sequence *s = e->row_owners[row];
        engine_patch *p = s->patch;
        size_t position = (size_t)e->positions[row];
        for (size_t i = 0; p && !s->over && i < p->reading_count; i++) {
            patch_reading *r = &p->readings[i];
            if (position < r->from || position >= r->to)
                continue;
            const float *values = plan_output(e->variant->plan, o->outputs[place_of(o, r->code)]);
            if (!keep_row(s, r, values + row * r->width))
                engine_fail(s, STATUS_MEMORY, "out of memory for %zu activations of %zu elements", r->count + 1, r->width);
            p->activations[i].values = r->values;
            p->activations[i].count = r->count;
        }
    }
}

bool engine_patch_fail_all(engine *e, status code, const char *problem)
{
    bool some = false;
    for (size_t i = 0; i < e->active_count; i++) {
        sequence *s = e->active[i];
        if (!s->patch || s->over || s->filled == s->computed)
            continue;
        engine_fail(s, code, "%s", problem);
        some = true;
    }
    return some;
}
