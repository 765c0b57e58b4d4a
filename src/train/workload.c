#include "train/workload.h"

#include "core/random.h"
#include "lm/engine.h"
#include "train/trainer.h"

#include <string.h>

enum { WARM = 2, RUNS = 10 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory to measure what a model is run for");
}

static size_t runs_of(const workload_options *o)
{
    return o->runs ? o->runs : RUNS;
}

static int32_t *drawn_tokens(arena *a, const checkpoint *c, size_t count, uint64_t which)
{
    int32_t *ids = ARENA_ARRAY(a, int32_t, count + 1);
    random_stream r = random_stream_at(1, "train/workload", which, 0, 0, 0);
    for (size_t i = 0; ids && i < count; i++)
        ids[i] = (int32_t)random_below(&r, (uint64_t)c->config.vocabulary);
    return ids;
}

static const char *compute_name(const workload_options *o)
{
    return o->compute == TYPE_F32 ? "f32" : "bf16";
}

static status finish(arena *a, const plan *p, thread_pool *pool, workload *out, error *err)
{
    TRY(plan_account_make(a, p, pool, &out->account, err));
    for (size_t i = 0; i < out->account.count; i++)
        out->account.rows[i].step.node = NULL;
    return out->title ? STATUS_OK : no_memory(err);
}

/* ---- training ---- */

typedef struct training {
    stage_graph graph;
    parameters *parameters;
    plan *plan;
    float rates[3];
} training;

/* Documents of `row` tokens, all of whose losses count. */
static status bind_training(arena *a, const checkpoint *c, training *t, size_t tokens, size_t row, error *err)
{
    int32_t *positions = ARENA_ARRAY(a, int32_t, tokens), *starts = ARENA_ARRAY(a, int32_t, tokens);
    float *weights = ARENA_ARRAY(a, float, tokens);
    int32_t *ids = drawn_tokens(a, c, tokens, 0), *targets = drawn_tokens(a, c, tokens, 1);
    if (!positions || !starts || !weights || !ids || !targets)
        return no_memory(err);
    for (size_t i = 0; i < tokens; i++) {
        positions[i] = (int32_t)(i % row);
        starts[i] = (int32_t)(i - i % row);
        weights[i] = 1.0F / (float)tokens;
    }
    plan_bind(t->plan, t->graph.model.tokens, ids);
    plan_bind(t->plan, t->graph.model.positions, positions);
    plan_bind(t->plan, t->graph.model.starts, starts);
    plan_bind(t->plan, t->graph.targets, targets);
    plan_bind(t->plan, t->graph.weights, weights);
    for (size_t i = 0; i < t->parameters->count; i++) {
        parameter *x = &t->parameters->items[i];
        step_bind(t->plan, &t->graph.step, i, x->value, x->mean, x->square);
    }
    plan_bind(t->plan, t->graph.step.rates, t->rates);
    return STATUS_OK;
}

static status run_training(arena *a, const checkpoint *c, const workload_options *o, training *t, thread_pool *pool, workload *out,
                           error *err)
{
    step_options options = {.optimiser = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}, .clip = 1};
    size_t row = o->row ? o->row : (size_t)c->config.context;
    row = row < o->tokens ? row : o->tokens;
    TRY(stage_graph_build(a, &c->config, o->tokens, o->compute, FREEZE_NONE, &options, &t->graph, err));
    TRY(step_plan(a, &t->graph.step, true, &t->plan, err)); /* says what it needs before the weights are there */
    TRY(stage_parameters(a, &c->config, &t->parameters, err));
    order_stream init = order_stream_at((unsigned char[SHA256_BYTES]){1}, "workload");
    parameters_initialise(t->parameters, &init);
    TRY(parameters_train(t->parameters, NULL, &options.optimiser, err));
    step_rates(&options, 0, 1e-4, t->rates);
    TRY(bind_training(a, c, t, o->tokens, row, err));
    for (size_t i = 0; i < WARM + runs_of(o); i++) {
        if (i == WARM)
            plan_profile_clear(t->plan);
        TRY(plan_run(t->plan, pool, err));
    }
    out->title = arena_printf(a, "training step of %s: %zu tokens in documents of %zu, %s, AdamW, fresh weights", c->name, o->tokens, row,
                              compute_name(o));
    return finish(a, t->plan, pool, out, err);
}

static status measure_training(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err)
{
    training t = {.plan = NULL};
    if (o->row > (size_t)c->config.context)
        return error_set(err, STATUS_USAGE, "documents of %zu tokens are more than the %d that %s reads", o->row, c->config.context, c->name);
    arena *own = arena_new(a); /* graph and weights */
    status result = own ? run_training(own, c, o, &t, pool, out, err) : no_memory(err);
    plan_free(t.plan);
    return result;
}

/* ---- the engine ---- */

/* An engine over a model whose texts never end by themselves. */
typedef struct serving {
    arena *arena;
    checkpoint model;
    engine *engine;
    size_t written; /* sequences that have written something */
} serving;

static void on_token(void *context, const engine_token *token)
{
    serving *s = context;
    s->written += token->id >= 0;
}

static status open_engine(arena *a, const checkpoint *c, const workload_options *o, size_t sequences, thread_pool *pool, serving *s,
                          error *err)
{
    *s = (serving){.arena = a, .model = *c};
    s->model.config.eos_count = 0;
    engine_options options = {.sequences = sequences, .compute = o->compute, .profile = true};
    return engine_new(&s->model, &options, pool, &s->engine, err);
}

static status submit(serving *s, engine_request request, uint64_t which, error *err)
{
    uint64_t ticket;
    request.prompt = drawn_tokens(s->arena, &s->model, request.prompt_count, which);
    request.rule = (sampler_rule){1, 1, 0};
    request.random = random_stream_at(1, "train/workload/draw", which, 0, 0, 0);
    if (!request.prompt)
        return no_memory(err);
    return engine_submit(s->engine, &request, &(engine_events){.context = s, .token = on_token}, &ticket, err);
}

static status check_context(const checkpoint *c, size_t tokens, size_t more, error *err)
{
    if (tokens + more > (size_t)c->config.context)
        return error_set(err, STATUS_USAGE, "%zu tokens and %zu behind them are more than the %d that %s reads", tokens, more,
                         c->config.context, c->name);
    return STATUS_OK;
}

/* Reads `runs` prompts after one that shows how many steps it takes; the last step of each is measured. */
static status read_prompts(serving *s, engine_request request, size_t runs, error *err)
{
    size_t steps = 0;
    for (size_t r = 0; r <= runs; r++) {
        engine_forget(s->engine);
        engine_profile(s->engine, false);
        s->written = 0;
        TRY(submit(s, request, r, err));
        for (size_t i = 1; engine_busy(s->engine); i++) {
            engine_profile(s->engine, r > 0 && i == steps);
            TRY(engine_step(s->engine, err));
            steps = r == 0 ? i : steps;
        }
    }
    return STATUS_OK;
}

static status measure_prompts(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, bool score, workload *out,
                              error *err)
{
    serving s = {0};
    engine_request request = {.prompt_count = o->tokens, .max_tokens = score ? 0 : 1, .prompt_logprobs = score};
    TRY(check_context(c, o->tokens, 1, err));
    if (score && o->tokens < 2)
        return error_set(err, STATUS_USAGE, "a prompt of 1 token has no token behind another that could be scored: expected 2 or more");
    status result = open_engine(a, c, o, 1, pool, &s, err);
    if (result == STATUS_OK)
        result = read_prompts(&s, request, runs_of(o), err);
    const plan *p = result == STATUS_OK ? engine_profiled_plan(s.engine) : NULL;
    size_t rows = p ? engine_profiled_rows(s.engine) : 0;
    out->title = arena_printf(a, "last step of %s a prompt of %zu tokens with %s: %zu rows, %s", score ? "scoring" : "reading", o->tokens,
                              c->name, rows, compute_name(o));
    if (result == STATUS_OK)
        result = p ? finish(a, p, pool, out, err) : error_set(err, STATUS_INVALID, "%s: the prompt was not read", c->name);
    engine_free(s.engine);
    return result;
}

static status measure_prefill(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err)
{
    return measure_prompts(a, c, o, pool, false, out, err);
}

static status measure_score(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err)
{
    return measure_prompts(a, c, o, pool, true, out, err);
}

/* All sequences write before a step is measured. */
static status write_tokens(serving *s, size_t tokens, size_t sequences, size_t runs, error *err)
{
    engine_request request = {.prompt_count = tokens, .max_tokens = (int)(runs + WARM + sequences + 64)};
    for (size_t k = 0; k < sequences; k++)
        TRY(submit(s, request, k, err));
    engine_profile(s->engine, false);
    for (size_t before = s->written; engine_busy(s->engine); before = s->written) {
        TRY(engine_step(s->engine, err));
        if (s->written - before == sequences)
            break;
    }
    for (size_t i = 0; i < WARM + runs && engine_busy(s->engine); i++) {
        engine_profile(s->engine, i >= WARM);
        TRY(engine_step(s->engine, err));
    }
    return STATUS_OK;
}

static status measure_decoding(arena *a, const checkpoint *c, const workload_options *o, thread_pool *pool, workload *out, error *err)
{
    size_t sequences = o->sequences ? o->sequences : 1;
    serving s = {0};
    TRY(check_context(c, o->tokens, runs_of(o) + WARM + sequences + 64, err));
    status result = open_engine(a, c, o, sequences, pool, &s, err);
    if (result == STATUS_OK && engine_sequences(s.engine) < sequences)
        result = error_set(err, STATUS_USAGE, "expected at most %zu sequences at once, found %zu", engine_sequences(s.engine), sequences);
    if (result == STATUS_OK)
        result = write_tokens(&s, o->tokens, sequences, runs_of(o), err);
    const plan *p = result == STATUS_OK ? engine_profiled_plan(s.engine) : NULL;
    out->title = arena_printf(a, "one token of %zu sequence%s behind %zu tokens with %s: %zu rows, %s", sequences, sequences == 1 ? "" : "s",
                              o->tokens, c->name, p ? engine_profiled_rows(s.engine) : 0, compute_name(o));
    if (result == STATUS_OK)
        result = p ? finish(a, p, pool, out, err) : error_set(err, STATUS_INVALID, "%s: nothing was written", c->name);
    engine_free(s.engine);
    return result;
}

/* ---- the table ---- */

const workload_kind workload_kinds[] = {
    {"train", "a training step: loss, gradients, clipping, AdamW", 1024, measure_training},
    {"decode", "a step of the engine that writes one token of each sequence", 128, measure_decoding},
    {"prefill", "the last step of reading a prompt", 256, measure_prefill},
    {"score", "the same, with log-probabilities of all its tokens", 256, measure_score},
};
const size_t workload_kind_count = COUNT_OF(workload_kinds);
const char *const workload_names[] = {"train", "decode", "prefill", "score", NULL};
_Static_assert(COUNT_OF(workload_names) == COUNT_OF(workload_kinds) + 1, "a name for each kind");

status workload_measure(arena *a, const checkpoint *c, const workload_options *options, thread_pool *pool, workload *out, error *err)
{
    workload_options o = *options;
    const workload_kind *kind = NULL;
    for (size_t i = 0; i < workload_kind_count && !kind; i++)
        if (!o.what || strcmp(workload_kinds[i].name, o.what) == 0)
            kind = &workload_kinds[i];
    *out = (workload){0};
    if (!kind)
        return error_set(err, STATUS_USAGE, "expected train, decode, prefill or score, found '%s'", o.what);
    o.compute = o.compute == TYPE_F32 ? TYPE_F32 : TYPE_BF16;
    if (!o.tokens) {
        size_t fits = (size_t)c->config.context / 2;
        o.tokens = kind->measure == measure_training || kind->tokens < fits ? kind->tokens : fits;
    }
    return kind->measure(a, c, &o, pool, out, err);
}
