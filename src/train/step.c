#include "train/step.h"

#include "graph/ops.h"

#include <math.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for the graph of a training step");
}

/* Norm over all gradients, and the factor that clipping puts on them. */
static void clipping(node *const *gradients, size_t count, double clip, node **norm, node **factor)
{
    graph *g = gradients[0]->graph;
    node *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        node *one = op_sum_squares(gradients[i]);
        sum = i ? op_add(sum, one) : one;
    }
    *norm = op_sqrt(sum);
    node *one = graph_scalar(g, TYPE_F32, 1);
    *factor = clip > 0 ? op_min(one, op_div(graph_scalar(g, TYPE_F32, clip), op_shift(*norm, 1e-6))) : one;
}

static bool add_moments(const training_step *s, size_t i, arena *a)
{
    const node *p = s->parameters[i];
    char *mean = arena_printf(a, "mean:%s", p->site), *square = arena_printf(a, "square:%s", p->site);
    if (!mean || !square)
        return false;
    s->means[i] = graph_input(s->graph, mean, TYPE_F32, p->shape);
    s->squares[i] = graph_input(s->graph, square, TYPE_F32, p->shape);
    return s->means[i] && s->squares[i];
}

/* Adds the new value, mean and square of parameter i to the outputs. */
static bool add_update(training_step *s, size_t i, node *gradient, node *rates, const step_options *options)
{
    adamw_options o = {options->beta1, options->beta2, options->epsilon,
                       s->parameters[i]->shape.rank >= 2 ? options->decay : 0};
    node **to = s->outputs + s->output_count;
    s->output_count += 3;
    return op_adamw(s->parameters[i], s->means[i], s->squares[i], gradient, rates, o, &to[0], &to[1], &to[2]);
}

status step_build(arena *a, node *loss, node *const *parameters, size_t count, const bool *trained,
                  const step_options *options, training_step *out, error *err)
{
    if (!loss)
        return no_memory(err);
    training_step s = {.graph = loss->graph, .count = count, .output_count = STEP_FIRST};
    s.parameters = ARENA_ARRAY(a, node *, count);
    s.means = ARENA_ARRAY(a, node *, count);
    s.squares = ARENA_ARRAY(a, node *, count);
    s.outputs = ARENA_ARRAY(a, node *, STEP_FIRST + 3 * count);
    node **chosen = ARENA_ARRAY(a, node *, count), **gradients = ARENA_ARRAY(a, node *, count);
    if (!s.parameters || !s.means || !s.squares || !s.outputs || !chosen || !gradients)
        return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        s.parameters[i] = parameters[i];
        if (trained && !trained[i])
            continue;
        chosen[n++] = parameters[i];
        if (!add_moments(&s, i, a))
            return no_memory(err);
    }
    if (n == 0)
        BUG("a training step that trains nothing");
    if (!graph_value_and_grad(loss, chosen, n, &loss, gradients))
        return no_memory(err);
    node *norm, *factor;
    clipping(gradients, n, options->clip, &norm, &factor);
    s.rates = graph_input(s.graph, "rates", TYPE_F32, SHAPE(3));
    node *rates = op_concat((node *[]){s.rates, op_reshape(factor, SHAPE(1))}, 2, 0);
    s.outputs[STEP_LOSS] = loss;
    s.outputs[STEP_NORM] = norm;
    for (size_t i = 0, k = 0; i < count; i++)
        if (s.means[i] && !add_update(&s, i, gradients[k++], rates, options))
            return no_memory(err);
    *out = s;
    return graph_status(s.graph, err);
}

status step_watch(arena *a, training_step *s, node *value, size_t *at, error *err)
{
    node **outputs = arena_regrow(a, s->outputs, s->output_count, s->output_count + 1, sizeof *outputs);
    if (!outputs || !value)
        return no_memory(err);
    outputs[*at = s->output_count++] = value;
    s->outputs = outputs;
    return STATUS_OK;
}

status step_plan(arena *a, const training_step *s, bool profile, plan **out, error *err)
{
    plan_donation *donations = ARENA_ARRAY(a, plan_donation, 3 * s->count);
    node **frozen = ARENA_ARRAY(a, node *, s->count);
    size_t frozen_count = 0, donated = 0;
    if (!donations || !frozen)
        return no_memory(err);
    for (size_t i = 0; i < s->count; i++) {
        node *inputs[3] = {s->parameters[i], s->means[i], s->squares[i]};
        if (!s->means[i])
            frozen[frozen_count++] = s->parameters[i];
        for (size_t k = 0; k < 3 && s->means[i]; k++, donated++)
            donations[donated] = (plan_donation){inputs[k], STEP_FIRST + donated};
    }
    plan_options o = {.donations = donations, .donation_count = donated, .frozen = frozen, .frozen_count = frozen_count,
                      .profile = profile};
    return plan_new(s->graph, s->outputs, s->output_count, &o, out, err);
}

void step_bind(plan *p, const training_step *s, size_t i, float *value, float *mean, float *square)
{
    if (!s->means[i]) {
        plan_bind(p, s->parameters[i], value);
        return;
    }
    plan_bind_mutable(p, s->parameters[i], value);
    plan_bind_mutable(p, s->means[i], mean);
    plan_bind_mutable(p, s->squares[i], square);
}

void step_rates(const step_options *options, int64_t step, double learning_rate, float rates[3])
{
    double t = (double)(step + 1);
    rates[0] = (float)learning_rate;
    rates[1] = (float)(1 - pow(options->beta1, t));
    rates[2] = (float)(1 - pow(options->beta2, t));
}
