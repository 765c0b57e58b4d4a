#include "train/rl.h"

#include "train/rl_inside.h"

#include <math.h>
#include <string.h>

typedef struct rl_work {
    const stage_run *run;
    const rl_data *data;
    sequence_batch batch;
    rl_rows rows;
    sequence_reader reference;
    rl_graph graph;
    rollout_reply *replies; /* [prompts * group] */
} rl_work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for policy gradients");
}

status rl_parameters(arena *a, const parameters *policy, const lm_config *config, const recipe_stage *s, parameters **out, error *err)
{
    const char *const name = "value.weight";
    parameters *p = ARENA_NEW(a, parameters), *head;
    if (!p || !(p->items = ARENA_ARRAY(a, parameter, policy->count + 1)))
        return no_memory(err);
    memcpy(p->items, policy->items, policy->count * sizeof *p->items);
    p->count = policy->count;
    p->elements = policy->elements;
    *out = p;
    if (s->feedback.method != RL_PPO)
        return STATUS_OK;
    TRY(parameters_new(a, &name, &SHAPE(config->hidden), 1, &head, err));
    TRY(parameters_train(head, (step_part[]){STEP_TABLE}, &s->optimiser, err));
    p->items[p->count++] = head->items[0];
    p->elements += head->items[0].elements;
    return STATUS_OK;
}

/* ---- figures of a step ---- */

typedef struct rl_step {
    double reward, deviation, utility, features[RATER_FEATURE_COUNT], false_agreement, kl;
    double first_ratio, ratio, clip_share, drift, entropy, logprob, value_loss, loss, norm;
    size_t groups;
} rl_step;

static void look_at_replies(const rater_taste *taste, const rollout_reply *replies, size_t count, rl_step *s)
{
    double n = (double)count, squares = 0;
    for (size_t i = 0; i < count; i++) {
        s->reward += replies[i].reward / n;
        s->utility += rater_utility(taste, replies[i].features) / n;
        for (int f = 0; f < RATER_FEATURE_COUNT; f++)
            s->features[f] += replies[i].features[f] / n;
        s->false_agreement += (replies[i].features[RATER_AGREES] > 0 && replies[i].features[RATER_TRUE] == 0) / n;
    }
    for (size_t i = 0; i < count; i++)
        squares += (replies[i].reward - s->reward) * (replies[i].reward - s->reward);
    s->deviation = count > 1 ? sqrt(squares / (n - 1)) : 0;
}

/* What the step's plan has seen: before the weights changed. */
static void look_at_epoch(const rl_work *w, bool first, rl_step *s)
{
    const float *logprobs = plan_output(w->graph.plan, w->graph.logprobs_at);
    const float *entropies = plan_output(w->graph.plan, w->graph.entropies_at);
    double n = (double)w->batch.rows_used, clip = w->run->stage->feedback.clip_ratio;
    s->ratio = s->clip_share = s->drift = 0;
    for (size_t r = 0; r < w->batch.rows_used; r++) {
        double ratio = exp((double)logprobs[r] - (double)w->rows.old[r]), d = (double)w->rows.reference[r] - (double)logprobs[r];
        s->ratio += ratio;
        s->clip_share += fabs(ratio - 1) > clip;
        s->drift += (exp(d) - d - 1) / n;
        if (first && fabs(ratio - 1) > s->first_ratio)
            s->first_ratio = fabs(ratio - 1);
        if (first) {
            s->entropy += (double)entropies[r] / n;
            s->logprob += (double)logprobs[r] / n;
        }
    }
    s->ratio /= n;
    s->clip_share /= n;
    s->loss = (double)*(const float *)plan_output(w->graph.plan, STEP_LOSS);
    s->norm = (double)*(const float *)plan_output(w->graph.plan, STEP_NORM);
}

static json_t *step_json(const rl_work *w, const rl_step *s, int64_t step)
{
    const recipe_feedback *o = &w->run->stage->feedback;
    json_t *out = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "step", (json_int_t)step, "reward", s->reward,
                            "reward_deviation", s->deviation, "utility", s->utility, "true", s->features[RATER_TRUE], "agrees", s->features[RATER_AGREES],
                            "false_agreement", s->false_agreement, "kl", s->kl, "drift", s->drift);
    json_t *rest = json_pack("{s:f, s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:I, s:I}", "first_ratio", s->first_ratio, "ratio", s->ratio,
                             "clip_share", s->clip_share, "entropy", s->entropy, "logprob", s->logprob, "value_loss",
                             o->method == RL_PPO ? json_real(s->value_loss) : json_null(), "loss", s->loss, "norm", s->norm, "tokens",
                             (json_int_t)w->batch.rows_used, "left_out", (json_int_t)((size_t)o->prompts - s->groups));
    json_object_update(out, rest);
    json_decref(rest);
    return out;
}

/* ---- a step ---- */

static status read_reference(rl_work *w, error *err)
{
    const float *logprobs;
    TRY(sequence_reader_run(&w->reference, w->run->pool, &logprobs, err));
    memcpy(w->rows.reference, logprobs, w->batch.rows_most * sizeof(float));
    return STATUS_OK;
}

static status read_values(rl_work *w, error *err)
{
    TRY(plan_run(w->graph.look, w->run->pool, err));
    memcpy(w->rows.old_values, plan_output(w->graph.look, 0), w->batch.rows_most * sizeof(float));
    return STATUS_OK;
}

/* Replies, their worth, and the batch that they make. */
static status collect(rl_work *w, arena *a, int64_t step, rl_step *s, error *err)
{
    const stage_run *run = w->run;
    const recipe_feedback *o = &run->stage->feedback;
    const rl_data *d = w->data;
    size_t prompts = (size_t)o->prompts, group = (size_t)o->group, first = (size_t)step * prompts;
    rollout_sampler sampler = {.config = run->config, .parameters = run->parameters, .tokenizer = d->tokenizer, .pool = run->pool,
                               .compute = run->compute, .longest = (size_t)run->stage->sequence, .seed = d->seed, .stage = d->stage};
    TRY(rollout_sample(a, &sampler, d->prompts + first, prompts, group, (size_t)o->max_tokens, first, w->replies, err));
    TRY(rollout_rewards(d->judge, d->taste, d->prompts + first, group, w->replies, prompts * group, err));
    look_at_replies(d->taste, w->replies, prompts * group, s);
    s->groups = rl_pack(w->replies, prompts, group, &w->batch, &w->rows);
    if (s->groups == 0) {
        error_set(err, STATUS_INVALID, "the %zu replies to one prompt do not fit into a batch of %zu tokens", group,
                  w->batch.tokens_most);
        return error_hint(err, "raise the stage's 'batch_tokens', or lower 'group'");
    }
    TRY(read_reference(w, err));
    if (o->method == RL_PPO)
        TRY(read_values(w, err));
    TRY(rl_advantages(a, o, w->replies, &w->batch, &w->rows, &s->kl, err));
    for (size_t r = 0; r < w->batch.rows_used && o->method == RL_PPO; r++) {
        double e = (double)w->rows.old_values[r] - (double)w->rows.returns[r];
        s->value_loss += 0.5 * e * e / (double)w->batch.rows_used;
    }
    return STATUS_OK;
}

static status one_step(void *work, stage_log *log, error *err)
{
    rl_work *w = work;
    const recipe_stage *stage = w->run->stage;
    step_options options = stage_step_options(stage);
    int64_t step = log->steps, epochs = stage->feedback.epochs;
    rl_step s = {0};
    arena *a = arena_new(NULL);
    status result = a ? collect(w, a, step, &s, err) : no_memory(err);
    for (int64_t e = 0; e < epochs && result == STATUS_OK; e++) {
        step_rates(&options, step * epochs + e, recipe_stage_rate(stage, step), w->graph.rates);
        result = plan_run(w->graph.plan, w->run->pool, err);
        if (result == STATUS_OK)
            look_at_epoch(w, e == 0, &s);
    }
    arena_free(a);
    TRY(result);
    log->place += (uint64_t)stage->feedback.prompts;
    TRY(stage_log_step(log, (uint64_t)step * (uint64_t)stage->feedback.prompts, (float)s.loss, w->batch.tokens_used,
                       w->batch.rows_used, err));
    json_array_append_new(log->metrics, step_json(w, &s, log->steps));
    if (w->data->keep && stage->feedback.keep && log->steps % stage->feedback.keep == 0)
        return w->data->keep(w->data->keep_context, log->steps, err);
    return STATUS_OK;
}

static double metric(const json_t *m, const char *key)
{
    return json_number_value(json_object_get(m, key));
}

static void tell(void *work, const stage_log *log, progress *to)
{
    (void)work;
    const json_t *m = json_array_get(log->metrics, (size_t)log->steps - 1);
    progress_update(to, (uint64_t)log->steps, "reward %.3f  kl %.3f  true %.0f %%  falsely agreeing %.0f %%  clipped %.1f %%",
                    metric(m, "reward"), metric(m, "kl"), 100 * metric(m, "true"), 100 * metric(m, "false_agreement"),
                    100 * metric(m, "clip_share"));
}

static status prepare(arena *a, rl_work *w, const float *const *reference, error *err)
{
    const recipe_stage *s = w->run->stage;
    size_t tokens = (size_t)s->batch_tokens, sequences = (size_t)(s->feedback.prompts * s->feedback.group);
    w->replies = ARENA_ARRAY(a, rollout_reply, sequences);
    if (!w->replies)
        return no_memory(err);
    TRY(sequence_batch_new(a, tokens, tokens / 2, sequences, &w->batch, err));
    sequence_batch_pad(&w->batch, TOKEN_PAD);
    TRY(rl_rows_new(a, w->batch.rows_most, &w->rows, err));
    TRY(sequence_reader_new(a, w->run->config, reference, &w->batch, w->run->compute, &w->reference, err));
    return rl_graph_new(a, w->run, &w->batch, &w->rows, &w->graph, err);
}

status rl_train(arena *a, const stage_run *run, const rl_data *data, const float *const *reference, stage_log *log, error *err)
{
    rl_work w = {.run = run, .data = data};
    if (log->steps == recipe_stage_steps(run->stage))
        return STATUS_OK;
    status result = prepare(a, &w, reference, err);
    if (result == STATUS_OK)
        result = stage_run_loop(run, &(stage_loop){one_step, tell, &w}, log, err);
    rl_graph_free(&w.graph);
    sequence_reader_free(&w.reference);
    return result;
}

/* ---- figures of a stage ---- */

static json_t *means(const json_t *metrics, size_t from, size_t to)
{
    static const char *const keys[] = {"reward", "utility", "kl", "drift", "true", "agrees", "false_agreement", "entropy"};
    json_t *out = json_object();
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        double sum = 0;
        for (size_t i = from; i < to; i++)
            sum += metric(json_array_get(metrics, i), keys[k]);
        json_object_set_new(out, keys[k], json_real(sum / (double)(to - from)));
    }
    return out;
}

json_t *rl_figures(const stage_log *log)
{
    size_t count = json_array_size(log->metrics), few = count / 10 ? count / 10 : 1;
    double first_ratio = 0;
    for (size_t i = 0; i < count; i++)
        first_ratio = fmax(first_ratio, metric(json_array_get(log->metrics, i), "first_ratio"));
    return json_pack("{s:I, s:f, s:o, s:o}", "steps", (json_int_t)count, "first_ratio", first_ratio, "first",
                     means(log->metrics, 0, few), "last", means(log->metrics, count - few, count));
}
