#include "train/preference.h"

#include "core/arena.h"
#include "core/jsonio.h"
#include "graph/ops.h"
#include "stats/forecast.h"
#include "train/losses.h"
#include "train/sequences.h"

#include <math.h>
#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a preference model");
}

status preference_parameters(arena *a, const lm_config *config, const parameters *policy, bool likelihood, lm_config *labelled,
                             parameters **out, error *err)
{
    *labelled = *config;
    labelled->labels = 1;
    labelled->likelihood = likelihood;
    TRY(lm_config_check(labelled, "a preference model", err));
    TRY(stage_parameters(a, labelled, out, err));
    for (size_t i = 0; i < (*out)->count; i++)
        for (size_t k = 0; k < policy->count; k++)
            if (strcmp((*out)->items[i].name, policy->items[k].name) == 0)
                memcpy((*out)->items[i].value, policy->items[k].value, policy->items[k].elements * sizeof(float));
    return STATUS_OK;
}

void preference_parts(const lm_config *labelled, step_part *parts)
{
    parts[lm_weight_find(labelled, LM_SCORE, -1)] = STEP_TABLE;
    if (labelled->likelihood)
        parts[lm_weight_find(labelled, LM_LIKELIHOOD, -1)] = STEP_TABLE;
}

/* ---- the graph ---- */

typedef struct preference_work {
    const stage_run *run;
    const pair_list *pairs;
    graph *graph;
    sequence_graph model;
    node *scores;  /* [sequences]; those of pair i at 2 i and 2 i + 1 */
    node *sums;    /* [sequences]: log-probabilities of replies; NULL where the model does not read them */
    node *weights; /* input f32 [pairs] */
    training_step step;
    size_t scores_at, sums_at; /* outputs of the plan */
    plan *plan;
    sequence_batch batch;
    float *shares; /* bound to weights */
    packing_order order;
    float rates[3];
} preference_work;

static status build(arena *a, preference_work *w, error *err)
{
    const stage_run *run = w->run;
    size_t tokens = (size_t)run->stage->batch_tokens, sequences = tokens / 16;
    bool likelihood = run->config->likelihood;
    TRY(sequence_batch_new(a, tokens, likelihood ? tokens / 2 : 0, sequences + sequences % 2, &w->batch, err));
    w->graph = graph_new(a);
    w->shares = ARENA_ARRAY(a, float, w->batch.most / 2);
    if (!w->graph || !w->shares)
        return no_memory(err);
    TRY(sequence_graph_build(a, w->graph, run->config, &w->batch, run->compute, run->stage->freeze, &w->model, err));
    node *head = w->model.model.weights[lm_weight_find(run->config, LM_SCORE, -1)];
    w->scores = op_reduce_sum(op_mul(op_cast(w->model.last, TYPE_F32), head), AXES(1), false);
    if (likelihood) {
        node *weight = w->model.model.weights[lm_weight_find(run->config, LM_LIKELIHOOD, -1)];
        node *nat = op_scale(weight, sqrt((double)run->config->hidden)); /* lm/reward.h */
        w->sums = sequence_graph_sums(&w->model, w->model.logprobs);
        w->scores = op_add(w->scores, op_mul(w->sums, nat));
    }
    return graph_status(w->graph, err);
}

static status build_training(arena *a, preference_work *w, error *err)
{
    const stage_run *run = w->run;
    const transformer *t = &w->model.model;
    step_options options = stage_step_options(run->stage);
    int64_t pairs = (int64_t)w->batch.most / 2;
    w->weights = graph_input(w->graph, "pair_weights", TYPE_F32, SHAPE(pairs));
    node *each = op_reshape(w->scores, SHAPE(pairs, 2));
    node *chosen = op_reshape(op_slice(each, 1, 0, 1), SHAPE(pairs)), *rejected = op_reshape(op_slice(each, 1, 1, 2), SHAPE(pairs));
    TRY(step_build(a, loss_preference(chosen, rejected, w->weights), t->weights, t->weight_count, run->parts, &options, &w->step, err));
    TRY(step_watch(a, &w->step, w->scores, &w->scores_at, err));
    if (w->sums)
        TRY(step_watch(a, &w->step, w->sums, &w->sums_at, err));
    TRY(step_plan(a, &w->step, false, &w->plan, err));
    for (size_t i = 0; i < run->parameters->count; i++) {
        parameter *p = &run->parameters->items[i];
        step_bind(w->plan, &w->step, i, p->value, p->mean, p->square);
    }
    plan_bind(w->plan, w->step.rates, w->rates);
    plan_bind(w->plan, w->weights, w->shares);
    sequence_graph_bind(w->plan, &w->model, &w->batch);
    return STATUS_OK;
}

/* ---- training ---- */

/* What the step's plan has seen: before the weights changed. */
static json_t *step_json(const preference_work *w, int64_t step, double loss)
{
    const float *scores = plan_output(w->plan, w->scores_at);
    size_t pairs = w->batch.count / 2;
    double n = (double)pairs, right = 0, margin = 0, reward = 0, logprob = 0;
    for (size_t i = 0; i < w->batch.count; i += 2) {
        double gap = (double)scores[i] - (double)scores[i + 1];
        right += gap > 0 ? 1 : gap == 0 ? 0.5 : 0;
        margin += gap;
        reward += ((double)scores[i] + (double)scores[i + 1]) / 2;
    }
    json_t *out = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "step", (json_int_t)step, "loss", loss, "accuracy", right / n, "margin", margin / n,
                            "reward", reward / n, "norm", (double)*(const float *)plan_output(w->plan, STEP_NORM));
    if (!w->sums)
        return out;
    const float *sums = plan_output(w->plan, w->sums_at);
    for (size_t i = 0; i < w->batch.count; i++)
        logprob += (double)sums[i];
    json_object_set_new(out, "logprob", json_real(logprob / (double)w->batch.rows_used));
    return out;
}

static status one_step(void *work, stage_log *log, error *err)
{
    preference_work *w = work;
    const recipe_stage *s = w->run->stage;
    uint64_t first = log->place, tokens;
    TRY(pairs_next(w->pairs, &w->order, &log->place, &w->batch, err));
    size_t pairs = w->batch.count / 2;
    for (size_t i = 0; i < w->batch.most / 2; i++)
        w->shares[i] = i < pairs ? (float)(1.0 / (double)pairs) : 0;
    tokens = w->batch.tokens_used;
    step_options options = stage_step_options(s);
    step_rates(&options, log->steps, recipe_stage_rate(s, log->steps), w->rates);
    TRY(plan_run(w->plan, w->run->pool, err));
    float loss = *(const float *)plan_output(w->plan, STEP_LOSS);
    TRY(stage_log_step(log, first, loss, tokens, pairs, err));
    return json_array_append_new(log->metrics, step_json(w, log->steps, (double)loss)) == 0 ? STATUS_OK : no_memory(err);
}

status preference_train(arena *a, const stage_run *run, const pair_list *pairs, stage_log *log, error *err)
{
    preference_work w = {.run = run, .pairs = pairs};
    if (log->steps == recipe_stage_steps(run->stage))
        return STATUS_OK;
    status result = packing_order_new(a, run->seed, pairs->count, &w.order, err);
    if (result == STATUS_OK)
        result = build(a, &w, err);
    if (result == STATUS_OK)
        result = build_training(a, &w, err);
    if (result == STATUS_OK)
        result = stage_run_loop(run, &(stage_loop){one_step, NULL, &w}, log, err);
    plan_free(w.plan);
    graph_free(w.graph);
    return result;
}

/* ---- rewards ---- */

static status run_rewards(preference_work *w, double *out, error *err)
{
    plan_options o = {.frozen = w->model.model.weights, .frozen_count = w->model.model.weight_count};
    TRY(plan_new(w->graph, &w->scores, 1, &o, &w->plan, err));
    for (size_t i = 0; i < w->model.model.weight_count; i++)
        plan_bind(w->plan, w->model.model.weights[i], w->run->parameters->items[i].value);
    sequence_graph_bind(w->plan, &w->model, &w->batch);
    for (size_t done = 0; done < w->pairs->count;) {
        size_t first = done;
        sequence_batch_clear(&w->batch);
        while (done < w->pairs->count && pairs_add(w->pairs, done, &w->batch))
            done++;
        if (done == first)
            return pairs_too_long(w->pairs, done, &w->batch, err);
        sequence_batch_pad(&w->batch, TOKEN_PAD);
        TRY(plan_run(w->plan, w->run->pool, err));
        const float *scores = plan_output(w->plan, 0);
        for (size_t i = 0; i < 2 * (done - first); i++)
            out[2 * first + i] = (double)scores[i];
    }
    return STATUS_OK;
}

status preference_rewards(arena *a, const stage_run *run, const pair_list *pairs, double **out, error *err)
{
    preference_work w = {.run = run, .pairs = pairs};
    *out = ARENA_ARRAY(a, double, 2 * pairs->count + 1);
    status result = *out ? build(a, &w, err) : no_memory(err);
    if (result == STATUS_OK)
        result = run_rewards(&w, *out, err);
    plan_free(w.plan);
    graph_free(w.graph);
    return result;
}

/* ---- figures ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Over ten bins of predictions; that the preferred reply is listed first would make every label 1, so every second pair is
 * turned round. */
static double miscalibration(const pair_list *pairs, const double *rewards)
{
    enum { BINS = 10 };
    calibration_bin bins[BINS];
    double *stated = memory_alloc((pairs->count + 1) * sizeof *stated), gap = NAN;
    bool *right = memory_alloc(pairs->count + 1);
    for (size_t i = 0; stated && right && i < pairs->count; i++) {
        double p = sigmoid(rewards[2 * i] - rewards[2 * i + 1]);
        right[i] = !(pairs->hashes[i * SHA256_BYTES] & 1);
        stated[i] = right[i] ? p : 1 - p;
    }
    if (stated && right)
        gap = calibration_error(stated, right, pairs->count, bins, BINS);
    memory_free(stated);
    memory_free(right);
    return gap;
}

typedef struct knowing {
    size_t count, sycophantic;
    double ceiling, p_error, preferred, expected;
    double x, y, xx, yy, xy; /* sums for the correlation */
} knowing;

/* One pair of which the raters' probability is known. */
static void add_known(knowing *k, const token_pair *pair, double gap)
{
    double p = pair->probability, cut = p < 0.001 ? 0.001 : p > 0.999 ? 0.999 : p, odds = log(cut / (1 - cut));
    double truth = pair->differences[RATER_TRUE], agreement = pair->differences[RATER_AGREES];
    k->count++;
    k->ceiling += p > 0.5 ? p : 1 - p;
    k->p_error += fabs(sigmoid(gap) - p);
    k->x += gap;
    k->y += odds;
    k->xx += gap * gap;
    k->yy += odds * odds;
    k->xy += gap * odds;
    if (truth * agreement >= 0)
        return;
    double towards = agreement * gap; /* above 0: the agreeing one is worth more */
    k->sycophantic++;
    k->preferred += towards > 0 ? 1 : towards == 0 ? 0.5 : 0;
    k->expected += agreement > 0 ? p : 1 - p;
}

static json_t *figures_of(const pair_list *pairs, const double *rewards)
{
    knowing k = {0};
    double n = (double)pairs->count, right = 0, loss = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        double gap = rewards[2 * i] - rewards[2 * i + 1];
        right += gap > 0 ? 1 : gap == 0 ? 0.5 : 0;
        loss += gap > 0 ? log1p(exp(-gap)) : -gap + log1p(exp(gap));
        if (!isnan(pairs->pairs[i].probability))
            add_known(&k, &pairs->pairs[i], gap);
    }
    json_t *out = json_pack("{s:I, s:f, s:f, s:o}", "pairs", (json_int_t)pairs->count, "accuracy", right / n, "loss", loss / n,
                            "calibration", jsonio_number(miscalibration(pairs, rewards)));
    double m = (double)k.count, spread = (k.xx - k.x * k.x / m) * (k.yy - k.y * k.y / m);
    json_object_set_new(out, "ceiling", k.count ? json_real(k.ceiling / m) : json_null());
    json_object_set_new(out, "p_error", k.count ? json_real(k.p_error / m) : json_null());
    json_object_set_new(out, "correlation", k.count && spread > 0 ? json_real((k.xy - k.x * k.y / m) / sqrt(spread)) : json_null());
    json_object_set_new(out, "sycophantic",
                        k.sycophantic ? json_pack("{s:f, s:f, s:I}", "preferred", k.preferred / (double)k.sycophantic, "expected",
                                                  k.expected / (double)k.sycophantic, "pairs", (json_int_t)k.sycophantic)
                                      : json_null());
    return out;
}

status preference_judge(arena *a, const stage_run *run, const pair_list *held_out, json_t **out, error *err)
{
    double *rewards;
    TRY(preference_rewards(a, run, held_out, &rewards, err));
    *out = figures_of(held_out, rewards);
    return *out ? STATUS_OK : no_memory(err);
}
