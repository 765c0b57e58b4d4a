#include "train/dpo.h"

#include "graph/ops.h"
#include "train/losses.h"
#include "train/sequences.h"

#include <math.h>

typedef struct dpo_work {
    const stage_run *run;
    const pair_list *pairs;
    sequence_batch batch;
    sequence_reader reference;
    graph *graph;
    sequence_graph model;
    node **all; /* the weights, and what an adapter has */
    size_t count;
    node *reference_sums, *weights, *sums; /* inputs f32 [sequences] and [pairs]; the policy's sums [sequences] */
    float *known, *shares;                 /* bound to the inputs */
    training_step step;
    size_t sums_at; /* output of the plan */
    plan *plan;
    packing_order order;
    float rates[3];
} dpo_work;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for direct preference optimisation");
}

/* Of the values of both replies of all pairs, those of one side. */
static node *side(node *values, int which)
{
    int64_t pairs = values ? values->shape.size[0] / 2 : 0;
    return op_reshape(op_slice(op_reshape(values, SHAPE(pairs, 2)), 1, which, which + 1), SHAPE(pairs));
}

static status prepare(arena *a, dpo_work *w, const float *const *reference, error *err)
{
    const recipe_stage *s = w->run->stage;
    size_t tokens = (size_t)s->batch_tokens, sequences = tokens / 16 + tokens / 16 % 2;
    TRY(sequence_batch_new(a, tokens, tokens / 2, sequences, &w->batch, err));
    w->known = ARENA_ARRAY(a, float, sequences);
    w->shares = ARENA_ARRAY(a, float, sequences / 2);
    w->graph = graph_new(a);
    if (!w->known || !w->shares || !w->graph)
        return no_memory(err);
    TRY(sequence_reader_new(a, w->run->config, reference, &w->batch, w->run->compute, &w->reference, err));
    TRY(sequence_graph_build(a, w->graph, w->run->config, &w->batch, w->run->compute, s->freeze, &w->model, err));
    w->all = w->model.model.weights;
    w->count = w->model.model.weight_count;
    if (w->run->adapter)
        TRY(sequence_graph_adapt(a, w->run->adapter, &w->model, &w->all, &w->count, err));
    w->sums = sequence_graph_sums(&w->model, w->model.logprobs);
    return graph_status(w->graph, err);
}

static status prepare_training(arena *a, dpo_work *w, error *err)
{
    const stage_run *run = w->run;
    step_options options = stage_step_options(run->stage);
    int64_t sequences = (int64_t)w->batch.most;
    w->reference_sums = graph_input(w->graph, "reference", TYPE_F32, SHAPE(sequences));
    w->weights = graph_input(w->graph, "pair_weights", TYPE_F32, SHAPE(sequences / 2));
    node *loss = loss_dpo(side(w->sums, 0), side(w->sums, 1), side(w->reference_sums, 0), side(w->reference_sums, 1),
                          run->stage->feedback.beta, run->stage->feedback.smoothing, w->weights);
    TRY(step_build(a, loss, w->all, w->count, run->parts, &options, &w->step, err));
    TRY(step_watch(a, &w->step, w->sums, &w->sums_at, err));
    TRY(step_plan(a, &w->step, false, &w->plan, err));
    for (size_t i = 0; i < w->count; i++) {
        const parameter *p = stage_parameter_at(run, i);
        step_bind(w->plan, &w->step, i, p->value, p->mean, p->square);
    }
    plan_bind(w->plan, w->step.rates, w->rates);
    plan_bind(w->plan, w->reference_sums, w->known);
    plan_bind(w->plan, w->weights, w->shares);
    sequence_graph_bind(w->plan, &w->model, &w->batch);
    return STATUS_OK;
}

/* The reference's sums over the batch's replies. In f32, token by token, as the policy's plan adds. */
static status read_reference(dpo_work *w, error *err)
{
    const float *logprobs;
    TRY(sequence_reader_run(&w->reference, w->run->pool, &logprobs, err));
    for (size_t i = 0; i < w->batch.most; i++)
        w->known[i] = 0;
    for (size_t r = 0; r < w->batch.rows_used; r++)
        w->known[w->batch.segments[r]] += logprobs[r];
    return STATUS_OK;
}

/* What the batch in hand says: added to figures over pairs. */
typedef struct dpo_figures {
    double right, margin, loss, chosen, rejected;
    double logprobs[2]; /* the policy's, of all tokens of preferred and of rejected replies */
    size_t pairs, tokens[2];
} dpo_figures;

static void add_figures(const dpo_work *w, const float *sums, dpo_figures *f)
{
    double beta = w->run->stage->feedback.beta;
    for (size_t i = 0; i < w->batch.count / 2; i++) {
        double chosen = (double)sums[2 * i] - (double)w->known[2 * i];
        double rejected = (double)sums[2 * i + 1] - (double)w->known[2 * i + 1], z = beta * (chosen - rejected);
        f->right += z > 0 ? 1 : z == 0 ? 0.5 : 0;
        f->margin += z;
        f->loss += z > 0 ? log1p(exp(-z)) : -z + log1p(exp(z));
        f->chosen += chosen;
        f->rejected += rejected;
        f->pairs++;
        for (size_t k = 0; k < 2; k++) {
            f->logprobs[k] += (double)sums[2 * i + k];
            f->tokens[k] += w->batch.firsts[2 * i + k + 1] - w->batch.firsts[2 * i + k];
        }
    }
}

static json_t *step_json(const dpo_figures *f, int64_t step, double loss, double norm)
{
    double n = (double)f->pairs, tokens[2] = {(double)f->tokens[0], (double)f->tokens[1]};
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "step", (json_int_t)step, "loss", loss, "accuracy", f->right / n, "margin",
                     f->margin / n, "norm", norm, "logprob", (f->logprobs[0] + f->logprobs[1]) / (tokens[0] + tokens[1]),
                     "logprob_preferred", f->logprobs[0] / tokens[0], "logprob_rejected", f->logprobs[1] / tokens[1]);
}

static status one_step(void *work, stage_log *log, error *err)
{
    dpo_work *w = work;
    const recipe_stage *s = w->run->stage;
    dpo_figures f = {0};
    uint64_t first = log->place;
    TRY(pairs_next(w->pairs, &w->order, &log->place, &w->batch, err));
    TRY(read_reference(w, err));
    size_t pairs = w->batch.count / 2;
    for (size_t i = 0; i < w->batch.most / 2; i++)
        w->shares[i] = i < pairs ? (float)(1.0 / (double)pairs) : 0;
    step_options options = stage_step_options(s);
    step_rates(&options, log->steps, recipe_stage_rate(s, log->steps), w->rates);
    TRY(plan_run(w->plan, w->run->pool, err));
    float loss = *(const float *)plan_output(w->plan, STEP_LOSS), norm = *(const float *)plan_output(w->plan, STEP_NORM);
    add_figures(w, plan_output(w->plan, w->sums_at), &f);
    TRY(stage_log_step(log, first, loss, w->batch.tokens_used, pairs, err));
    return json_array_append_new(log->metrics, step_json(&f, log->steps, (double)loss, (double)norm)) == 0 ? STATUS_OK : no_memory(err);
}

static void tell(void *work, const stage_log *log, progress *to)
{
    (void)work;
    const json_t *m = json_array_get(log->metrics, (size_t)log->steps - 1);
    progress_update(to, (uint64_t)log->steps, "loss %.3f  right %.0f %%  margin %.2f", json_number_value(json_object_get(m, "loss")),
                    100 * json_number_value(json_object_get(m, "accuracy")), json_number_value(json_object_get(m, "margin")));
}

static void release(dpo_work *w)
{
    plan_free(w->plan);
    graph_free(w->graph);
    sequence_reader_free(&w->reference);
}

status dpo_train(arena *a, const stage_run *run, const pair_list *pairs, const float *const *reference, stage_log *log, error *err)
{
    dpo_work w = {.run = run, .pairs = pairs};
    if (log->steps == recipe_stage_steps(run->stage))
        return STATUS_OK;
    status result = packing_order_new(a, run->seed, pairs->count, &w.order, err);
    if (result == STATUS_OK)
        result = prepare(a, &w, reference, err);
    if (result == STATUS_OK)
        result = prepare_training(a, &w, err);
    if (result == STATUS_OK)
        result = stage_run_loop(run, &(stage_loop){one_step, tell, &w}, log, err);
    release(&w);
    return result;
}

/* ---- on held-out pairs ---- */

static status judge(dpo_work *w, dpo_figures *f, error *err)
{
    plan_options o = {.frozen = w->all, .frozen_count = w->count};
    TRY(plan_new(w->graph, &w->sums, 1, &o, &w->plan, err));
    for (size_t i = 0; i < w->count; i++)
        plan_bind(w->plan, w->all[i], stage_parameter_at(w->run, i)->value);
    sequence_graph_bind(w->plan, &w->model, &w->batch);
    for (size_t done = 0; done < w->pairs->count;) {
        size_t first = done;
        sequence_batch_clear(&w->batch);
        while (done < w->pairs->count && pairs_add(w->pairs, done, &w->batch))
            done++;
        if (done == first)
            return pairs_too_long(w->pairs, done, &w->batch, err);
        sequence_batch_pad(&w->batch, TOKEN_PAD);
        TRY(read_reference(w, err));
        TRY(plan_run(w->plan, w->run->pool, err));
        add_figures(w, plan_output(w->plan, 0), f);
    }
    return STATUS_OK;
}

status dpo_judge(arena *a, const stage_run *run, const pair_list *held_out, const float *const *reference, json_t **out, error *err)
{
    dpo_work w = {.run = run, .pairs = held_out};
    dpo_figures f = {0};
    status result = prepare(a, &w, reference, err);
    if (result == STATUS_OK)
        result = judge(&w, &f, err);
    release(&w);
    if (result != STATUS_OK)
        return result;
    double n = (double)f.pairs;
    *out = json_pack("{s:I, s:f, s:f, s:f, s:{s:f, s:f}}", "pairs", (json_int_t)f.pairs, "accuracy", f.right / n, "margin",
                     f.margin / n, "loss", f.loss / n, "drift", "preferred", f.chosen / n, "rejected", f.rejected / n);
    return *out ? STATUS_OK : no_memory(err);
}
