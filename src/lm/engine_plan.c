/* Plans of steps, by their size and by the sites that are open in them. */
#include "lm/engine_internal.h"

#include "core/progress.h"
#include "graph/ops.h"
#include "lm/sites.h"

#include <stdlib.h>
#include <string.h>

/* Sites are opened for what waits too, up to this many, so that a batch of many patches is planned once. */
enum { OPEN_AHEAD = 64 };

/* ---- made ---- */

static node *as_site(node *x, const node *site, int64_t width)
{
    shape s = site->shape;
    for (int i = 1; i < s.rank && width == 1; i++)
        s.size[i] = 1;
    return op_reshape(x, s);
}

/* Puts the opening's interventions into the outputs, and its readings behind them. */
static status open_sites(const engine *e, engine_opening *o, engine_variant *v, node **outputs, size_t count, node **inputs,
                         error *err)
{
    static const site_action actions[] = {[PATCH_REPLACE] = SITE_REPLACE, [PATCH_SCALE] = SITE_SCALE, [PATCH_ADD] = SITE_ADD};
    site_edit *edits = ARENA_ARRAY(o->arena, site_edit, o->count + 1);
    lm_site *sites = ARENA_ARRAY(o->arena, lm_site, o->count + 1);
    size_t edit_count = 0;
    int64_t rows = (int64_t)v->rows;
    if (!edits || !sites)
        return engine_out_of_memory(e, err);
    for (size_t k = 0; k < o->count; k++) {
        patch_kind kind = (patch_kind)(o->codes[k] % PATCH_KINDS);
        sites[k] = lm_site_at(&e->checkpoint->config, o->codes[k] / PATCH_KINDS);
        const node *site = graph_find(outputs, count, sites[k].name);
        if (!site) /* the graph has them all */
            return engine_out_of_memory(e, err);
        if (kind == PATCH_READ)
            continue;
        int64_t width = (int64_t)sites[k].width;
        char name[32];
        snprintf(name, sizeof name, "patch.%zu.mask", k);
        inputs[2 * k] = graph_input(v->graph, name, TYPE_U8, SHAPE(rows));
        snprintf(name, sizeof name, "patch.%zu.value", k);
        inputs[2 * k + 1] = graph_input(v->graph, name, TYPE_F32, SHAPE(rows, width));
        node *value = op_cast(as_site(inputs[2 * k + 1], site, width), (element_type)site->type);
        edits[edit_count++] = (site_edit){sites[k].name, actions[kind], value, as_site(inputs[2 * k], site, 1)};
    }
    TRY(graph_rewrite(outputs, count, edits, edit_count, outputs, err));
    for (size_t k = 0; k < o->count; k++)
        if (!o->masks[k] && !(outputs[o->outputs[k]] = op_cast(graph_find(outputs, count, sites[k].name), TYPE_F32)))
            return engine_out_of_memory(e, err);
    return graph_status(v->graph, err);
}

/* Outputs: the logits, then the new caches, which are written over the old ones, then what is read. */
static status make_graph(engine *e, engine_opening *o, engine_variant *v, node **outputs, node **inputs, error *err)
{
    size_t layers = (size_t)e->checkpoint->config.layers;
    transformer_cache cache = {(int64_t)e->pages.count, (int64_t)e->slots, (int64_t)e->slot_pages};
    TRY(transformer_build_cached(o->arena, v->graph, &e->checkpoint->config, e->types, (int64_t)v->rows, (int64_t)v->logits,
                                 &cache, &v->model, err));
    outputs[0] = v->model.logits;
    for (size_t i = 0; i < layers; i++) {
        outputs[1 + 2 * i] = v->model.new_k_caches[i];
        outputs[2 + 2 * i] = v->model.new_v_caches[i];
    }
    return o->count ? open_sites(e, o, v, outputs, 1 + 2 * layers, inputs, err) : STATUS_OK;
}

static void bind(const engine *e, const engine_opening *o, engine_variant *v, node *const *inputs)
{
    for (size_t i = 0; i < v->model.weight_count; i++)
        plan_bind(v->plan, v->model.weights[i], e->weights[i]);
    for (size_t i = 0; i < (size_t)e->checkpoint->config.layers; i++) {
        plan_bind_mutable(v->plan, v->model.k_caches[i], e->pages.k[i]);
        plan_bind_mutable(v->plan, v->model.v_caches[i], e->pages.v[i]);
    }
    plan_bind(v->plan, v->model.tokens, e->tokens);
    plan_bind(v->plan, v->model.positions, e->positions);
    plan_bind(v->plan, v->model.pages, e->page_table);
    plan_bind(v->plan, v->model.slots, e->slots_of);
    plan_bind(v->plan, v->model.rows, e->rows);
    for (int local = 0; local < 2; local++) {
        if (!v->model.cosine[local])
            continue;
        plan_bind(v->plan, v->model.cosine[local], e->cosine[local]);
        plan_bind(v->plan, v->model.sine[local], e->sine[local]);
    }
    for (size_t k = 0; k < o->count; k++) {
        if (!o->masks[k])
            continue;
        plan_bind(v->plan, inputs[2 * k], o->masks[k]);
        plan_bind(v->plan, inputs[2 * k + 1], o->values[k]);
    }
}

static status make_plan(engine *e, engine_opening *o, engine_variant *v, error *err)
{
    size_t layers = (size_t)e->checkpoint->config.layers, outputs = 1 + 2 * layers, used = engine_memory(e);
    node **nodes = ARENA_ARRAY(o->arena, node *, outputs + o->count), **inputs = ARENA_ARRAY(o->arena, node *, 2 * o->count + 1);
    plan_donation *donations = ARENA_ARRAY(o->arena, plan_donation, 2 * layers);
    v->graph = graph_new(o->arena);
    if (!nodes || !inputs || !donations || !v->graph)
        return engine_out_of_memory(e, err);
    TRY(make_graph(e, o, v, nodes, inputs, err));
    for (size_t i = 0; i < layers; i++) {
        donations[2 * i] = (plan_donation){v->model.k_caches[i], 1 + 2 * i};
        donations[2 * i + 1] = (plan_donation){v->model.v_caches[i], 2 + 2 * i};
    }
    for (size_t k = 0; k < o->count; k++)
        outputs += !o->masks[k];
    plan_options how = {.memory_limit = e->limit > used ? e->limit - used : 1, .threads = thread_pool_size(e->pool),
                        .donations = donations, .donation_count = 2 * layers, .frozen = v->model.weights,
                        .frozen_count = v->model.weight_count, .packs = e->packs, .profile = e->can_profile};
    TRY(plan_new(v->graph, nodes, outputs, &how, &v->plan, err));
    o->memory += plan_peak_bytes(v->plan);
    e->memory += plan_peak_bytes(v->plan);
    bind(e, o, v, inputs);
    return STATUS_OK;
}

static void free_plans(engine_opening *o)
{
    for (size_t i = 0; i < VARIANTS; i++) {
        plan_free(o->variants[i].plan);
        graph_free(o->variants[i].graph);
    }
}

static void close_opening(engine *e, size_t i)
{
    engine_opening *o = e->opened[i];
    e->opened[i] = NULL;
    if (e->profiled >= o->variants && e->profiled < o->variants + VARIANTS)
        e->profiled = NULL;
    e->memory -= o->memory;
    free_plans(o);
    arena_free(o->arena);
}

void engine_plans_free(engine *e)
{
    free_plans(&e->plain);
    for (size_t i = 0; i < OPENINGS; i++)
        if (e->opened[i])
            close_opening(e, i);
}

/* ---- which sites ---- */

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool has_all(const engine_opening *o, const uint32_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!bsearch(&codes[i], o->codes, o->count, sizeof *codes, by_number))
            return false;
    return true;
}

typedef struct code_set {
    arena *arena;
    uint32_t *codes; /* in order */
    size_t count;
} code_set;

/* Adds a sequence's codes; where that makes more than `most`, nothing. False: memory is out. */
static bool set_add(code_set *set, const sequence *s, size_t most)
{
    if (!s->patch || s->over)
        return true;
    size_t total = set->count + s->patch->code_count, count = 0;
    uint32_t *all = ARENA_ARRAY(set->arena, uint32_t, total + 1);
    if (!all)
        return false;
    if (set->count)
        memcpy(all, set->codes, set->count * sizeof *all);
    if (s->patch->code_count)
        memcpy(all + set->count, s->patch->codes, s->patch->code_count * sizeof *all);
    qsort(all, total, sizeof *all, by_number);
    for (size_t i = 0; i < total; i++)
        if (i == 0 || all[i] != all[i - 1])
            all[count++] = all[i];
    if (count <= most) {
        set->codes = all;
        set->count = count;
    }
    return true;
}

static status make_opening(engine *e, const code_set *set, engine_opening **out, error *err)
{
    arena *a = arena_new(NULL);
    engine_opening *o = ARENA_NEW(a, engine_opening);
    if (o)
        *o = (engine_opening){.arena = a, .count = set->count, .codes = ARENA_ARRAY(a, uint32_t, set->count),
                              .masks = ARENA_ARRAY(a, uint8_t *, set->count), .values = ARENA_ARRAY(a, float *, set->count),
                              .outputs = ARENA_ARRAY(a, size_t, set->count)};
    size_t output = 1 + 2 * (size_t)e->checkpoint->config.layers;
    bool good = o && o->codes && o->masks && o->values && o->outputs;
    for (size_t k = 0; good && k < set->count; k++) {
        o->codes[k] = set->codes[k];
        if (o->codes[k] % PATCH_KINDS == PATCH_READ) {
            o->outputs[k] = output++;
            continue;
        }
        size_t width = lm_site_at(&e->checkpoint->config, o->codes[k] / PATCH_KINDS).width;
        o->masks[k] = ARENA_ARRAY(a, uint8_t, CHUNK_ROWS);
        o->values[k] = ARENA_ARRAY(a, float, CHUNK_ROWS * width);
        good = o->masks[k] && o->values[k];
        o->memory += CHUNK_ROWS * (1 + width * sizeof(float));
    }
    status result = good ? STATUS_OK : engine_out_of_memory(e, err);
    if (good && engine_memory(e) + o->memory > e->limit)
        result = error_set(err, STATUS_LIMIT, "%s: %zu interventions and readings at sites take %zu KiB beside the %zu KiB in use; the limit is %zu KiB",
                           e->checkpoint->name, set->count, o->memory >> 10, engine_memory(e) >> 10, e->limit >> 10);
    if (result != STATUS_OK) {
        arena_free(a);
        return result;
    }
    engine_plan_sizes(o);
    e->memory += o->memory;
    *out = o;
    return STATUS_OK;
}

/* The opening with the fewest sites that has those of the step; else a new one, in the place of the one that was used least
 * recently. */
static status find_opening(engine *e, code_set *set, error *err)
{
    size_t place = 0;
    for (size_t i = 0; i < e->active_count; i++)
        if (e->active[i]->filled > e->active[i]->computed && !set_add(set, e->active[i], SIZE_MAX))
            return engine_out_of_memory(e, err);
    e->opening = set->count ? NULL : &e->plain;
    for (size_t i = 0; i < OPENINGS && set->count; i++) {
        engine_opening *o = e->opened[i];
        if (o && has_all(o, set->codes, set->count) && (!e->opening || o->count < e->opening->count))
            e->opening = o;
        if (e->opened[place] && (!o || o->used < e->opened[place]->used))
            place = i;
    }
    if (e->opening)
        return STATUS_OK;
    for (size_t i = 0; i < e->active_count; i++)
        if (!set_add(set, e->active[i], OPEN_AHEAD))
            return engine_out_of_memory(e, err);
    for (const sequence *s = e->waiting; s; s = s->next)
        if (!set_add(set, s, OPEN_AHEAD))
            return engine_out_of_memory(e, err);
    if (e->opened[place])
        close_opening(e, place);
    TRY(make_opening(e, set, &e->opened[place], err));
    e->opening = e->opened[place];
    return STATUS_OK;
}

/* A plan of an opening for which there is no memory: the other openings go first, and then it is tried once more. */
static status make_room_and_plan(engine *e, engine_opening *o, engine_variant *v, error *err)
{
    status result = make_plan(e, o, v, err);
    if (result == STATUS_OK || o == &e->plain)
        return result;
    size_t own = 0;
    for (size_t i = 0; i < OPENINGS; i++) {
        if (e->opened[i] == o)
            own = i;
        else if (e->opened[i])
            close_opening(e, i);
    }
    graph_free(v->graph);
    v->graph = NULL;
    result = result == STATUS_LIMIT ? make_plan(e, o, v, err) : result;
    if (result != STATUS_OK)
        close_opening(e, own);
    return result;
}

status engine_plan_choose(engine *e, error *err)
{
    bool patched = false;
    for (size_t i = 0; i < e->active_count; i++)
        patched = patched || (e->active[i]->patch && e->active[i]->filled > e->active[i]->computed);
    e->opening = &e->plain;
    if (patched) {
        code_set set = {.arena = arena_new(NULL)};
        status result = set.arena ? find_opening(e, &set, err) : engine_out_of_memory(e, err);
        arena_free(set.arena);
        if (result != STATUS_OK)
            return result;
    }
    engine_variant *v = e->opening->variants;
    while (v->rows < e->row_count || v->logits < e->want_count)
        v++;
    e->variant = v;
    e->opening->used = e->times.steps;
    return v->plan ? STATUS_OK : make_room_and_plan(e, e->opening, v, err);
}
