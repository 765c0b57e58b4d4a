#include "train/rl_inside.h"

#include "graph/ops.h"
#include "train/losses.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a policy gradient");
}

static node *row_input(rl_graph *g, const char *name)
{
    return graph_input(g->graph, name, TYPE_F32, SHAPE(g->model.rows->shape.size[0]));
}

/* Inputs that a method does not read are made all the same. */
node *rl_loss(const rl_graph *g, const recipe_feedback *o)
{
    bool clipped = o->method != RL_REINFORCE;
    node *loss = loss_policy(g->model.logprobs, g->old, g->advantages, clipped ? o->clip_ratio : 0, g->weights);
    if (o->method == RL_GRPO && o->beta > 0)
        loss = op_add(loss, op_scale(loss_kl(g->model.logprobs, g->reference, g->weights), o->beta));
    if (o->method == RL_PPO)
        loss = op_add(loss, op_scale(loss_value(g->values, g->old_values, g->returns, o->clip_value, g->weights), o->value_weight));
    if (o->entropy_weight > 0)
        loss = op_sub(loss, op_scale(op_sum_all(op_mul(g->entropies, g->weights)), o->entropy_weight));
    return loss;
}

static void bind(plan *p, const rl_graph *g, const sequence_batch *batch, const rl_rows *rows)
{
    const struct {
        const node *input;
        const float *values;
    } all[] = {{g->old, rows->old}, {g->reference, rows->reference}, {g->advantages, rows->advantages}, {g->weights, rows->weights},
               {g->old_values, rows->old_values}, {g->returns, rows->returns}};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        plan_bind(p, all[i].input, all[i].values);
    sequence_graph_bind(p, &g->model, batch);
}

static status plan_step(arena *a, const stage_run *run, const sequence_batch *batch, const rl_rows *rows, node *const *all,
                        size_t count, rl_graph *g, error *err)
{
    step_options options = stage_step_options(run->stage);
    TRY(step_build(a, rl_loss(g, &run->stage->feedback), all, count, run->parts, &options, &g->step, err));
    TRY(step_watch(a, &g->step, g->model.logprobs, &g->logprobs_at, err));
    TRY(step_watch(a, &g->step, g->entropies, &g->entropies_at, err));
    TRY(step_plan(a, &g->step, false, &g->plan, err));
    for (size_t i = 0; i < count; i++) {
        parameter *p = &run->parameters->items[i];
        step_bind(g->plan, &g->step, i, p->value, p->mean, p->square);
    }
    plan_bind(g->plan, g->step.rates, g->rates);
    bind(g->plan, g, batch, rows);
    return STATUS_OK;
}

static status plan_look(const stage_run *run, const sequence_batch *batch, const rl_rows *rows, node *const *all, size_t count,
                        rl_graph *g, error *err)
{
    TRY(plan_new(g->graph, &g->values, 1, NULL, &g->look, err));
    for (size_t i = 0; i < count; i++)
        plan_bind(g->look, all[i], run->parameters->items[i].value);
    bind(g->look, g, batch, rows);
    return STATUS_OK;
}

status rl_graph_new(arena *a, const stage_run *run, const sequence_batch *batch, const rl_rows *rows, rl_graph *out, error *err)
{
    const recipe_feedback *o = &run->stage->feedback;
    size_t known = lm_weight_count(run->config), count = run->parameters->count;
    node **all = ARENA_ARRAY(a, node *, count);
    *out = (rl_graph){.graph = graph_new(a)};
    if (!all || !out->graph)
        return no_memory(err);
    TRY(sequence_graph_build(a, out->graph, run->config, batch, run->compute, run->stage->freeze, &out->model, err));
    for (size_t i = 0; i < known; i++)
        all[i] = out->model.model.weights[i];
    for (size_t i = known; i < count; i++)
        all[i] = graph_input(out->graph, run->parameters->items[i].name, TYPE_F32, run->parameters->items[i].shape);
    out->old = row_input(out, "old");
    out->reference = row_input(out, "reference");
    out->advantages = row_input(out, "advantages");
    out->weights = row_input(out, "row_weights");
    out->old_values = row_input(out, "old_values");
    out->returns = row_input(out, "returns");
    out->entropies = loss_entropies(out->model.logits);
    if (count > known)
        out->values = op_reduce_sum(op_mul(op_cast(out->model.hidden, TYPE_F32), all[known]), AXES(1), false);
    TRY(plan_step(a, run, batch, rows, all, count, out, err));
    return o->method == RL_PPO ? plan_look(run, batch, rows, all, count, out, err) : STATUS_OK;
}

void rl_graph_free(rl_graph *g)
{
    plan_free(g->plan);
    plan_free(g->look);
    graph_free(g->graph);
    *g = (rl_graph){0};
}
