#include "train/trainer.h"

#include "core/jsonio.h"
#include "graph/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGESTS = 10 }; /* hashes of the weights on the way through a stage */
/* Up to so many tokens packing what is frozen is worth remembering: it costs a step of 512 tokens 10 to 20 %, and one of 4,096 nothing
 * that could be measured. */
enum { FEW_TOKENS = 1024 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a stage of training");
}

/* ---- the log ---- */

static void release_lists(void *log)
{
    stage_log *l = log;
    json_decref(l->digests);
    json_decref(l->metrics);
    l->digests = l->metrics = NULL;
}

status stage_log_new(arena *a, const recipe_stage *stage, stage_log *out, error *err)
{
    size_t steps = (size_t)recipe_stage_steps(stage);
    *out = (stage_log){.firsts = ARENA_ARRAY(a, uint64_t, steps + 1), .losses = ARENA_ARRAY(a, float, steps + 1),
                       .seconds = ARENA_ARRAY(a, float, steps + 1), .digests = json_array(), .metrics = json_array()};
    bool kept = arena_on_free(a, release_lists, out);
    return kept && out->firsts && out->losses && out->seconds && out->digests && out->metrics ? STATUS_OK : no_memory(err);
}

json_t *stage_log_seconds(const stage_log *log)
{
    json_t *out = json_array();
    for (int64_t i = 0; i < log->steps; i++)
        json_array_append_new(out, jsonio_number((double)log->seconds[i]));
    return out;
}

json_t *stage_log_json(const stage_log *log)
{
    json_t *firsts = json_array(), *losses = json_array();
    for (int64_t i = 0; i < log->steps; i++) {
        json_array_append_new(firsts, json_integer((json_int_t)log->firsts[i]));
        json_array_append_new(losses, json_real((double)log->losses[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:O, s:O}", "steps", (json_int_t)log->steps, "place",
                     (json_int_t)log->place, "tokens", (json_int_t)log->tokens, "targets", (json_int_t)log->targets,
                     "firsts", firsts, "losses", losses, "seconds", stage_log_seconds(log), "digests", log->digests, "metrics", log->metrics);
}

status stage_log_read(const json_t *from, const recipe_stage *stage, stage_log *into, error *err)
{
    static const char *const what = "training checkpoint";
    int64_t steps, place, tokens, targets;
    const json_t *firsts, *losses, *digests, *metrics;
    TRY(jsonio_get_int(from, "steps", what, &steps, err));
    TRY(jsonio_get_int(from, "place", what, &place, err));
    TRY(jsonio_get_int(from, "tokens", what, &tokens, err));
    TRY(jsonio_get_int(from, "targets", what, &targets, err));
    TRY(jsonio_get_array(from, "firsts", what, &firsts, err));
    TRY(jsonio_get_array(from, "losses", what, &losses, err));
    TRY(jsonio_get_array(from, "digests", what, &digests, err));
    TRY(jsonio_get_array(from, "metrics", what, &metrics, err));
    if (steps < 0 || steps > recipe_stage_steps(stage) || json_array_size(firsts) != (size_t)steps ||
        json_array_size(losses) != (size_t)steps || place < 0)
        return error_set(err, STATUS_INVALID, "%s: expected at most %lld steps with as many losses, found %lld", what,
                         (long long)recipe_stage_steps(stage), (long long)steps);
    into->steps = steps;
    into->place = (uint64_t)place;
    into->tokens = (uint64_t)tokens;
    into->targets = (uint64_t)targets;
    for (size_t i = 0; i < (size_t)steps; i++) {
        into->firsts[i] = (uint64_t)json_integer_value(json_array_get(firsts, i));
        into->losses[i] = (float)json_number_value(json_array_get(losses, i));
        const json_t *seconds = json_array_get(json_object_get(from, "seconds"), i);
        into->seconds[i] = json_is_number(seconds) ? (float)json_number_value(seconds) : NAN;
    }
    json_decref(into->digests);
    json_decref(into->metrics);
    into->digests = json_deep_copy(digests);
    into->metrics = json_deep_copy(metrics);
    return into->digests && into->metrics ? STATUS_OK : no_memory(err);
}

static void add_digest(const stage_run *run, stage_log *log)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    parameters_digest(run->parameters, digest);
    sha256_hex(digest, hex);
    json_array_append_new(log->digests, json_pack("{s:I, s:s}", "step", (json_int_t)log->steps, "sha256", hex));
}

/* ---- the graph ---- */

step_options stage_step_options(const recipe_stage *s)
{
    return (step_options){s->optimiser, s->clip, s->batch_tokens / s->accumulate <= FEW_TOKENS};
}

static bool is_table(lm_weight_role role)
{
    return role == LM_WEIGHT_HEAD || role == LM_WEIGHT_EMBEDDING;
}

step_part *stage_parts(arena *a, const lm_config *config, freeze_kind freeze)
{
    size_t count = lm_weight_count(config);
    step_part *parts = ARENA_ARRAY(a, step_part, count);
    for (size_t i = 0; parts && i < count; i++) {
        lm_weight_role role = lm_weight_at(config, i).role;
        bool trained = freeze == FREEZE_NONE || (role != LM_WEIGHT_HEAD && (role != LM_WEIGHT_EMBEDDING || freeze == FREEZE_HEAD));
        parts[i] = !trained ? STEP_FROZEN : is_table(role) ? STEP_TABLE : STEP_TRAINED;
    }
    return parts;
}

/* The adapter's matrices stand behind the weights, and they alone are trained. */
static status add_adapter(arena *a, const adapter *low, stage_graph *out, error *err)
{
    size_t known = out->count, more = low->parameters->count;
    node **inputs, **all = ARENA_ARRAY(a, node *, known + more);
    out->parts = ARENA_ARRAY(a, step_part, known + more); /* zeros: frozen */
    if (!all || !out->parts)
        return no_memory(err);
    TRY(adapter_apply(a, low, &out->loss, 1, &inputs, &out->loss, err));
    memcpy(all, out->parameters, known * sizeof *all);
    memcpy(all + known, inputs, more * sizeof *all);
    for (size_t i = 0; i < more; i++)
        out->parts[known + i] = STEP_TRAINED;
    out->parameters = all;
    out->count = known + more;
    return STATUS_OK;
}

status stage_loss_build(arena *a, const lm_config *config, size_t tokens, element_type compute, freeze_kind freeze,
                        const adapter *low, stage_graph *out, error *err)
{
    transformer_types types = compute == TYPE_BF16 ? transformer_types_training() : transformer_types_all(compute);
    *out = (stage_graph){.graph = graph_new(a)};
    if (!out->graph)
        return no_memory(err);
    TRY(transformer_build(a, out->graph, config, types, (int64_t)tokens, &out->model, err));
    if (freeze == FREEZE_HEAD)
        out->model.head = op_stop_gradient(out->model.head);
    out->loss = transformer_loss(&out->model, &out->targets, &out->weights);
    out->parameters = out->model.weights;
    out->count = out->model.weight_count;
    TRY(graph_status(out->graph, err));
    if (low)
        return add_adapter(a, low, out, err);
    out->parts = stage_parts(a, config, freeze);
    return out->parts ? STATUS_OK : no_memory(err);
}

status stage_graph_build(arena *a, const lm_config *config, size_t tokens, element_type compute, freeze_kind freeze,
                         const step_options *options, stage_graph *out, error *err)
{
    TRY(stage_loss_build(a, config, tokens, compute, freeze, NULL, out, err));
    return step_build(a, out->loss, out->parameters, out->count, out->parts, options, &out->step, err);
}

status stage_parameters(arena *a, const lm_config *config, parameters **out, error *err)
{
    size_t count = lm_weight_count(config);
    const char **names = ARENA_ARRAY(a, const char *, count);
    shape *shapes = ARENA_ARRAY(a, shape, count);
    if (!names || !shapes)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        lm_weight w = lm_weight_at(config, i);
        shapes[i] = w.rank == 1 ? SHAPE(w.shape[0]) : SHAPE(w.shape[0], w.shape[1]);
        if (!(names[i] = arena_strdup(a, w.name)))
            return no_memory(err);
    }
    TRY(parameters_new(a, names, shapes, count, out, err));
    for (size_t i = 0; i < count; i++)
        (*out)->items[i].spread = lm_weight_at(config, i).deviation;
    return STATUS_OK;
}

/* ---- the loop of all kinds of stages ---- */

status stage_log_step(stage_log *log, uint64_t first, float loss, uint64_t tokens, uint64_t targets, error *err)
{
    if (!isfinite(loss)) {
        error_set(err, STATUS_INVALID, "the loss of step %lld is not a number", (long long)log->steps + 1);
        return error_hint(err, "the training has run away: lower 'learning_rate' or raise 'warmup' in the recipe");
    }
    log->firsts[log->steps] = first;
    log->losses[log->steps] = loss;
    log->tokens += tokens;
    log->targets += targets;
    log->steps++;
    return STATUS_OK;
}

/* For people: a moving mean of the loss, and the speed. */
typedef struct telling {
    progress *progress;
    double smooth, began;
    int64_t began_at;
    uint64_t tokens_at;
} telling;

static void tell(telling *t, const stage_log *log)
{
    double loss = (double)log->losses[log->steps - 1];
    t->smooth = log->steps - t->began_at == 1 ? loss : 0.95 * t->smooth + 0.05 * loss;
    double seconds = clock_seconds() - t->began;
    double rate = (double)(log->tokens - t->tokens_at) / (seconds > 0 ? seconds : 1e-9);
    progress_update(t->progress, (uint64_t)log->steps, "loss %.3f  %.1fk tokens/s", t->smooth, rate / 1e3);
}

static status run_steps(const stage_run *run, const stage_loop *loop, telling *t, stage_log *log, error *err)
{
    int64_t steps = recipe_stage_steps(run->stage), pause = (steps + DIGESTS - 1) / DIGESTS;
    double saved = clock_seconds();
    while (log->steps < steps) {
        double began = clock_seconds();
        TRY(loop->step(loop->work, log, err));
        log->seconds[log->steps - 1] = (float)(clock_seconds() - began);
        if (loop->tell)
            loop->tell(loop->work, log, t->progress);
        else
            tell(t, log);
        if (log->steps % pause == 0 || log->steps == steps)
            add_digest(run, log);
        bool stop = run->interrupted && atomic_load(run->interrupted);
        if (run->save && (stop || clock_seconds() - saved >= run->save_seconds)) {
            TRY(run->save(run->save_context, log, err));
            saved = clock_seconds();
        }
        if (stop)
            return error_set(err, STATUS_INTERRUPTED, "stopped after step %lld of %lld", (long long)log->steps,
                             (long long)steps);
    }
    return STATUS_OK;
}

status stage_run_loop(const stage_run *run, const stage_loop *loop, stage_log *log, error *err)
{
    telling t = {.began = clock_seconds(), .began_at = log->steps, .tokens_at = log->tokens};
    if (log->steps == 0)
        add_digest(run, log);
    t.progress = progress_new(run->title, (uint64_t)recipe_stage_steps(run->stage), run->progress);
    status result = run_steps(run, loop, &t, log, err);
    progress_free(t.progress);
    return result;
}

/* ---- stages of documents ---- */

typedef struct stage_work {
    const stage_run *run;
    stage_graph graph;
    plan *plan;                 /* of a step at once, */
    accumulation *accumulation; /* or of one in pieces */
    size_t room;                /* tokens of a piece */
    packing packing;
    packing_order order;
    packed_batch batch, piece;
    float rates[3];
} stage_work;

const parameter *stage_parameter_at(const stage_run *run, size_t i)
{
    size_t base = run->adapter ? run->adapter->base->count : 0;
    return i < base ? &run->adapter->base->items[i] : &run->parameters->items[i - base];
}

static void bind_batch(const stage_work *w, plan *p, const packed_batch *batch)
{
    plan_bind(p, w->graph.model.tokens, batch->tokens);
    plan_bind(p, w->graph.targets, batch->targets);
    plan_bind(p, w->graph.weights, batch->weights);
    plan_bind(p, w->graph.model.positions, batch->positions);
    plan_bind(p, w->graph.model.starts, batch->starts);
}

static void bind_all(stage_work *w)
{
    const training_step *s = w->accumulation ? &w->accumulation->update : &w->graph.step;
    for (size_t i = 0; i < w->graph.count; i++) {
        const parameter *p = stage_parameter_at(w->run, i);
        if (w->accumulation)
            accumulation_bind(w->accumulation, i, p->value, p->mean, p->square);
        else
            step_bind(w->plan, s, i, p->value, p->mean, p->square);
    }
    plan_bind(w->accumulation ? w->accumulation->step : w->plan, s->rates, w->rates);
    bind_batch(w, w->accumulation ? w->accumulation->piece : w->plan, w->accumulation ? &w->piece : &w->batch);
}

static status prepare_plans(arena *a, stage_work *w, error *err)
{
    const recipe_stage *s = w->run->stage;
    const stage_run *run = w->run;
    stage_graph *g = &w->graph;
    step_options options = stage_step_options(s);
    bool pieces = s->accumulate > 1;
    w->room = pieces ? packing_room(&w->packing, (size_t)s->accumulate) : (size_t)s->batch_tokens;
    TRY(stage_loss_build(a, run->config, w->room, run->compute, s->freeze, run->adapter, g, err));
    if (pieces) {
        TRY(packed_batch_new(a, w->room, &w->piece, err));
        return accumulation_new(a, g->loss, g->parameters, g->count, g->parts, &options, &w->accumulation, err);
    }
    TRY(step_build(a, g->loss, g->parameters, g->count, g->parts, &options, &g->step, err));
    return step_plan(a, &g->step, false, &w->plan, err);
}

static status prepare(arena *a, const stage_run *run, stage_work *w, error *err)
{
    const recipe_stage *s = run->stage;
    size_t tokens = (size_t)s->batch_tokens;
    *w = (stage_work){.run = run};
    w->packing = (packing){.documents = run->documents->documents, .count = run->documents->count, .tokens = tokens,
                           .longest = (size_t)s->sequence, .pad = TOKEN_PAD};
    TRY(packing_order_new(a, run->seed, run->documents->count, &w->order, err));
    w->order.made = s->order == ORDER_MADE;
    TRY(packed_batch_new(a, tokens, &w->batch, err));
    TRY(prepare_plans(a, w, err));
    bind_all(w);
    return STATUS_OK;
}

static status run_pieces(stage_work *w, error *err)
{
    const recipe_stage *s = w->run->stage;
    size_t pieces = (size_t)s->accumulate;
    accumulation_begin(w->accumulation);
    for (size_t k = 0; k < pieces; k++)
        if (packing_piece(&w->batch, (size_t)s->batch_tokens, pieces, k, TOKEN_PAD, w->room, &w->piece))
            TRY(plan_run(w->accumulation->piece, w->run->pool, err));
    return plan_run(w->accumulation->step, w->run->pool, err);
}

static status one_step(void *work, stage_log *log, error *err)
{
    stage_work *w = work;
    const recipe_stage *s = w->run->stage;
    TRY(packing_next(&w->packing, &w->order, &log->place, &w->batch, err));
    step_options options = stage_step_options(s);
    step_rates(&options, log->steps, recipe_stage_rate(s, log->steps), w->rates);
    TRY(w->accumulation ? run_pieces(w, err) : plan_run(w->plan, w->run->pool, err));
    float loss = *(const float *)plan_output(w->accumulation ? w->accumulation->step : w->plan, STEP_LOSS);
    return stage_log_step(log, w->batch.first, loss, w->batch.tokens_used, w->batch.targets_counted, err);
}

status stage_train(arena *a, const stage_run *run, stage_log *log, error *err)
{
    stage_work w = {0};
    if (log->steps == recipe_stage_steps(run->stage))
        return STATUS_OK;
    status result = prepare(a, run, &w, err);
    if (result == STATUS_OK)
        result = stage_run_loop(run, &(stage_loop){one_step, NULL, &w}, log, err);
    plan_free(w.plan);
    accumulation_free(w.accumulation);
    graph_free(w.graph.graph);
    return result;
}
