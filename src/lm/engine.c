#include "lm/engine_internal.h"

#include "core/progress.h"

#include <string.h>

/* A step costs what the weights take to be read and what its rows take, idle ones too. Prompts are read in chunks of up to
 * CHUNK_ROWS; mostly nobody asks for logits in the middle of one, and where the vocabulary is large they would cost much. */
static const struct {
    size_t rows, logits;
} variant_sizes[VARIANTS] = {{1, 1}, {4, 4}, {16, 16}, {32, 32}, {64, 64}, {128, 64},
                            {CHUNK_ROWS, 4}, {CHUNK_ROWS, 64}, {CHUNK_ROWS, CHUNK_ROWS}};

void engine_plan_sizes(engine_opening *o)
{
    for (size_t i = 0; i < VARIANTS; i++) {
        o->variants[i].rows = variant_sizes[i].rows;
        o->variants[i].logits = variant_sizes[i].logits;
    }
}

status engine_out_of_memory(const engine *e, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory for the engine", e->checkpoint->name);
}

/* What weights in their packed forms and all plans will take, roughly: known before anything is made. */
static size_t other_bytes(const engine *e)
{
    const lm_config *c = &e->checkpoint->config;
    size_t rows = 0, logits = 0, width = (size_t)(8 * c->hidden + 4 * c->intermediate + 4 * c->heads * c->head_size);
    for (size_t i = 0; i < VARIANTS; i++) {
        rows += variant_sizes[i].rows;
        logits += variant_sizes[i].logits;
    }
    size_t tables = 2 * (size_t)e->context * (size_t)c->head_size * sizeof(float);
    return engine_packed_bytes(e) + sizeof(float) * (rows * width + logits * (size_t)c->vocabulary) + tables;
}

/* As many pages as the limits allow and sequences can use. A context that was not asked for shrinks to what fits. */
static status make_caches(engine *e, const engine_options *o, error *err)
{
    enum { LEAST = 8, MOST = 1 << 24 };
    const lm_config *c = &e->checkpoint->config;
    size_t others = e->memory + other_bytes(e), page = pages_bytes(c, e->types.compute);
    size_t room = e->limit > others ? e->limit - others : 0;
    room = o->cache_limit && o->cache_limit < room ? o->cache_limit : room;
    size_t count = room / page < MOST ? room / page : MOST, full = ((size_t)e->context + PAGE - 1) / PAGE;
    if (o->context <= 0 && count < full && count >= LEAST) {
        e->context = (int)(count * PAGE);
        full = count;
    }
    if (count < full) {
        if (o->cache_limit && o->cache_limit < full * page)
            error_set(err, STATUS_LIMIT, "%s: a sequence of %d positions needs %zu KiB of cache, and its limit is %zu KiB",
                      e->checkpoint->name, e->context, full * page >> 10, o->cache_limit >> 10);
        else
            error_set(err, STATUS_LIMIT,
                      "%s: weights and plans need %zu KiB, and the cache of a sequence of %d positions %zu KiB: %zu KiB in all, and "
                      "the limit is %zu KiB",
                      e->checkpoint->name, others >> 10, e->context, full * page >> 10, (others + full * page) >> 10,
                      e->limit >> 10);
        return error_hint(err, "allow more memory or a shorter context");
    }
    size_t useful = 2 * e->slots * full;
    count = !o->cache_limit && count > useful ? useful : count;
    size_t most = (room - room / 8) / page; /* the rest is for plans with open sites */
    if (!o->cache_limit && count > most)
        count = most > full ? most : full;
    e->slot_pages = full;
    e->memory += count * page;
    e->page_table = ARENA_ARRAY(e->arena, int32_t, e->slots * full);
    e->tree = (prefix_tree){.arena = e->arena, .pages = &e->pages};
    size_t turning = e->slot_pages * PAGE * (size_t)lm_config_rotary_size(c) / 2 * sizeof(float);
    for (int local = 0; local < 2; local++) {
        if (!transformer_has_rotary(c, local))
            continue;
        e->cosine[local] = lazy_memory(e->arena, turning);
        e->sine[local] = lazy_memory(e->arena, turning);
        if (!e->cosine[local] || !e->sine[local])
            return engine_out_of_memory(e, err);
    }
    if (!e->page_table || !pages_make(&e->pages, e->arena, c, e->types.compute, count) || !(e->root = prefix_root(&e->tree, 0)))
        return engine_out_of_memory(e, err);
    return STATUS_OK;
}

static status make_step(engine *e, error *err)
{
    size_t workers = thread_pool_size(e->pool);
    engine_plan_sizes(&e->plain);
    e->plain.arena = e->arena;
    e->waiting_end = &e->waiting;
    e->tokens = ARENA_ARRAY(e->arena, int32_t, CHUNK_ROWS);
    e->positions = ARENA_ARRAY(e->arena, int32_t, CHUNK_ROWS);
    e->slots_of = ARENA_ARRAY(e->arena, int32_t, CHUNK_ROWS);
    e->rows = ARENA_ARRAY(e->arena, int32_t, CHUNK_ROWS);
    e->active = ARENA_ARRAY(e->arena, sequence *, e->slots);
    e->slot_used = ARENA_ARRAY(e->arena, bool, e->slots);
    e->wants = ARENA_ARRAY(e->arena, engine_want, CHUNK_ROWS);
    e->row_owners = ARENA_ARRAY(e->arena, sequence *, CHUNK_ROWS);
    engine_top *tops = ARENA_ARRAY(e->arena, engine_top, CHUNK_ROWS * ENGINE_TOP_MAX);
    e->sampler_bytes = (sampler_scratch_bytes((size_t)e->checkpoint->config.vocabulary) + 63) / 64 * 64;
    e->sampler_scratch = arena_alloc(e->arena, e->sampler_bytes * workers);
    e->packs = plan_packs_new();
    for (size_t i = 0; tops && e->wants && i < CHUNK_ROWS; i++)
        e->wants[i].top = tops + i * ENGINE_TOP_MAX;
    return e->tokens && e->positions && e->slots_of && e->rows && e->active && e->slot_used && e->wants && e->row_owners &&
                   tops && e->sampler_scratch && e->packs
               ? STATUS_OK
               : engine_out_of_memory(e, err);
}

status engine_new(const checkpoint *c, const engine_options *options, thread_pool *pool, engine **out, error *err)
{
    static const engine_options defaults;
    const engine_options *o = options ? options : &defaults;
    arena *a = arena_new(NULL);
    engine *e = ARENA_NEW(a, engine);
    *out = NULL;
    if (!e) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "%s: out of memory for the engine", c->name);
    }
    e->arena = a;
    e->checkpoint = c;
    e->pool = pool;
    e->slots = o->sequences ? o->sequences : 64;
    e->slots = e->slots > CHUNK_ROWS ? CHUNK_ROWS : e->slots;
    e->context = o->context > 0 && o->context < c->config.context ? o->context : c->config.context;
    e->limit = o->memory_limit ? o->memory_limit : (size_t)8 << 30;
    e->can_profile = o->profile;
    e->types = transformer_types_training();
    e->types.compute = o->compute == TYPE_F32 ? TYPE_F32 : TYPE_BF16;
    status result = engine_bind_weights(e, err);
    if (result == STATUS_OK)
        result = make_caches(e, o, err);
    if (result == STATUS_OK)
        result = make_step(e, err);
    if (result == STATUS_OK)
        *out = e;
    else
        engine_free(e);
    return result;
}

void engine_free(engine *e)
{
    if (!e)
        return;
    engine_plans_free(e);
    for (size_t i = 0; i < e->active_count; i++)
        arena_free(e->active[i]->arena);
    for (sequence *s = e->waiting, *next; s; s = next) {
        next = s->next;
        arena_free(s->arena);
    }
    plan_packs_free(e->packs);
    prefix_free(&e->tree);
    arena_free(e->arena);
}

size_t engine_memory(const engine *e)
{
    return e->memory + plan_packs_bytes(e->packs);
}

int engine_context(const engine *e)
{
    return e->context;
}

size_t engine_sequences(const engine *e)
{
    return e->slots;
}

bool engine_busy(const engine *e)
{
    return e->in_flight > 0;
}

size_t engine_in_flight(const engine *e)
{
    return e->in_flight;
}

status engine_vocabulary(engine *e, const constraint_vocabulary **out, error *err)
{
    const lm_config *c = &e->checkpoint->config;
    if (!e->vocabulary)
        TRY(constraint_vocabulary_new(e->arena, e->checkpoint->tokenizer, c->eos, (size_t)c->eos_count, &e->vocabulary, err));
    *out = e->vocabulary;
    return STATUS_OK;
}

void engine_forget(engine *e)
{
    prefix_forget(&e->tree);
}

void engine_profile(engine *e, bool on)
{
    e->profiling = on && e->can_profile;
}

const plan *engine_profiled_plan(const engine *e)
{
    return e->profiled ? e->profiled->plan : NULL;
}

size_t engine_profiled_rows(const engine *e)
{
    return e->profiled ? e->profiled->rows : 0;
}

engine_cache engine_cache_of(const engine *e)
{
    engine_cache c = e->cache;
    c.pages = e->pages.count;
    c.pages_free = e->pages.free_count;
    c.pages_known = e->tree.idle;
    c.page_bytes = pages_bytes(&e->checkpoint->config, e->types.compute);
    c.evicted_pages = e->tree.evicted;
    return c;
}

void engine_interrupt(engine *e)
{
    atomic_store(&e->interrupted, true);
}

void engine_resume(engine *e)
{
    atomic_store(&e->interrupted, false);
}

engine_times engine_times_of(const engine *e)
{
    return e->times;
}

void engine_rows_begin(engine *e)
{
    e->row_count = e->want_count = 0;
}

size_t engine_rows_room(const engine *e)
{
    return CHUNK_ROWS - e->row_count;
}

void engine_row_add(engine *e, sequence *s, size_t position, bool logits)
{
    size_t row = e->row_count++;
    e->tokens[row] = s->ids[position];
    e->positions[row] = (int32_t)position;
    e->slots_of[row] = s->slot;
    e->row_owners[row] = s;
    if (!logits)
        return;
    engine_top *top = e->wants[e->want_count].top;
    e->rows[e->want_count] = (int32_t)row;
    e->wants[e->want_count++] = (engine_want){.s = s, .position = position, .top = top};
}

/* The tables of rotary positions grow with the positions that are used. */
static status extend_rotary(engine *e, error *err)
{
    enum { STEP = 1024 };
    const lm_config *c = &e->checkpoint->config;
    size_t end = 0, most = e->slot_pages * PAGE, half = (size_t)lm_config_rotary_size(c) / 2;
    for (size_t i = 0; i < e->row_count; i++)
        end = (size_t)e->positions[i] >= end ? (size_t)e->positions[i] + 1 : end;
    if (end <= e->turned)
        return STATUS_OK;
    end = (end + STEP - 1) / STEP * STEP;
    end = end < most ? end : most;
    for (int local = 0; local < 2; local++)
        if (e->cosine[local])
            TRY(transformer_rotary(c, local, e->turned, end - e->turned, e->cosine[local] + e->turned * half,
                                   e->sine[local] + e->turned * half, err));
    e->turned = end;
    return STATUS_OK;
}

status engine_rows_run(engine *e, const float **logits, error *err)
{
    double start = clock_seconds();
    engine_variant *v = e->variant;
    TRY(extend_rotary(e, err));
    for (size_t i = e->row_count; i < v->rows; i++) { /* idle rows */
        e->tokens[i] = e->positions[i] = 0;
        e->slots_of[i] = -1;
    }
    for (size_t i = e->want_count; i < v->logits; i++)
        e->rows[i] = -1; /* outside: zeros */
    engine_patch_fill(e);
    if (e->can_profile)
        plan_profile_switch(v->plan, e->profiling);
    TRY(plan_run(v->plan, e->pool, err));
    e->profiled = e->profiling ? v : e->profiled;
    engine_patch_read(e);
    if (!e->packed)
        engine_give_back(e); /* every plan reads all weights, and the first one packs them */
    e->packed = true;
    *logits = plan_output(v->plan, 0);
    e->times.computing += clock_seconds() - start;
    e->times.steps++;
    e->times.rows += e->row_count;
    e->times.idle_rows += v->rows - e->row_count;
    return STATUS_OK;
}

/* Finishes what is over; the others close up. */
static void sweep(engine *e)
{
    size_t kept = 0, count = e->active_count;
    for (size_t i = 0; i < count; i++) {
        sequence *s = e->active[i];
        if (!s->over) {
            e->active[kept++] = s;
            continue;
        }
        e->active[i] = NULL; /* callbacks may look through the list */
        engine_finish(e, s);
    }
    e->active_count = kept;
}

static void end_all(engine *e, status code, const char *problem)
{
    for (sequence *s = e->waiting; s; s = s->next)
        if (!s->over)
            engine_fail(s, code, "%s", problem);
    for (size_t i = 0; i < e->active_count; i++)
        engine_fail(e->active[i], code, "%s", problem);
    sweep(e);
    engine_admit(e); /* finishes those that wait */
}

status engine_step(engine *e, error *err)
{
    const float *logits = NULL;
    error own = {0};
    if (atomic_load(&e->interrupted)) {
        end_all(e, STATUS_INTERRUPTED, "interrupted");
        return STATUS_OK;
    }
    sweep(e); /* what was cancelled */
    engine_admit(e);
    engine_fill(e);
    status result = e->row_count ? engine_plan_choose(e, &own) : STATUS_OK;
    if (result != STATUS_OK && engine_patch_fail_all(e, result, own.message)) {
        sweep(e); /* the others go on in the next step */
        return STATUS_OK;
    }
    if (result == STATUS_OK && e->row_count)
        result = engine_rows_run(e, &logits, &own);
    if (result != STATUS_OK) {
        end_all(e, result, own.message);
        if (err)
            *err = own;
        return result;
    }
    for (size_t i = 0; i < e->active_count; i++) {
        sequence *s = e->active[i];
        bool read = engine_reads(s);
        s->computed = s->filled;
        engine_publish(e, s, read && !engine_reads(s));
    }
    engine_sample(e, logits);
    for (size_t i = 0; i < e->active_count; i++)
        e->active[i]->over = e->active[i]->over || engine_is_done(e->active[i]);
    sweep(e);
    return STATUS_OK;
}
