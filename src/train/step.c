#include "train/step.h"

#include "graph/ops.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for the graph of a training step");
}

/* Why the graph has no such nodes. */
static status failed(const graph *g, error *err)
{
    TRY(graph_status(g, err));
    return no_memory(err);
}

/* A gradient as its node, or as the rows of it that are not zero. */
typedef struct slope {
    node *whole;
    sparse_rows sparse; /* rows NULL: not so */
} slope;

/* Norm over all gradients, and the factor that clipping puts on them. */
static void clipping(const slope *gradients, size_t count, double clip, node **norm, node **factor)
{
    graph *g = gradients[0].whole->graph;
    node *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        const sparse_rows *s = &gradients[i].sparse;
        node *one = s->rows ? op_sparse_sum_squares(s->rows, s->index, s->entries) : op_sum_squares(gradients[i].whole);
        sum = i ? op_add(sum, one) : one;
    }
    *norm = op_sqrt(sum);
    node *one = graph_scalar(g, TYPE_F32, 1);
    *factor = clip > 0 ? op_min(one, op_div(graph_scalar(g, TYPE_F32, clip), op_shift(*norm, 1e-6))) : one;
}

static bool is_matrix(step_part part, shape s)
{
    return part == STEP_TRAINED && optimiser_is_matrix(s);
}

size_t step_states(const optimiser *o, step_part part, shape s)
{
    return part == STEP_FROZEN ? 0 : optimiser_states(o, is_matrix(part, s));
}

static bool add_states(const training_step *s, size_t i, const optimiser *how, arena *a)
{
    static const char *const names[OPTIMISER_STATES] = {"mean", "square"};
    const node *p = s->parameters[i];
    for (size_t k = 0; k < step_states(how, s->parts[i], p->shape); k++) {
        char *name = arena_printf(a, "%s:%s", names[k], p->site);
        if (!name || !(s->states[OPTIMISER_STATES * i + k] = graph_input(s->graph, name, TYPE_F32, p->shape)))
            return false;
    }
    return true;
}

enum { LAZY_ROWS = INT32_MAX };

/* What is looked up in and read by nothing else keeps its gradient as rows: where they are fewer than the table's, or alone are moved. */
static slope slope_of(const training_step *s, size_t i, node *gradient, const optimiser *how)
{
    slope d = {.whole = gradient};
    bool matrix = how->kind == OPTIMISER_MUON && is_matrix(s->parts[i], s->parameters[i]->shape);
    if (s->parameters[i]->shape.rank >= 1 && !matrix)
        sparse_rows_of(gradient, how->lazy ? LAZY_ROWS : s->parameters[i]->shape.size[0] - 1, &d.sparse);
    return d;
}

/* Adds the new value of parameter i and what is kept of it to the outputs. */
static bool add_update(training_step *s, size_t i, const slope *d, node *rates, optimiser how)
{
    node **to = s->outputs + s->output_count, **states = s->states + OPTIMISER_STATES * i;
    bool matrix = is_matrix(s->parts[i], s->parameters[i]->shape);
    s->output_count += 1 + optimiser_states(&how, matrix);
    how.decay = s->parameters[i]->shape.rank >= 2 ? how.decay : 0;
    if (d->sparse.rows)
        return optimiser_update_sparse(&how, s->parameters[i], states, &d->sparse, rates, &to[0], &to[1]);
    return optimiser_update(&how, matrix, s->parameters[i], states, d->whole, rates, &to[0], &to[1]);
}

static status make_lists(arena *a, training_step *s, node *const *parameters, const step_part *parts, error *err)
{
    size_t count = s->count;
    s->parameters = ARENA_ARRAY(a, node *, count);
    s->parts = ARENA_ARRAY(a, step_part, count);
    s->states = ARENA_ARRAY(a, node *, OPTIMISER_STATES * count);
    s->outputs = ARENA_ARRAY(a, node *, STEP_FIRST + (1 + OPTIMISER_STATES) * count);
    if (!s->parameters || !s->parts || !s->states || !s->outputs)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        s->parameters[i] = parameters[i];
        s->parts[i] = parts ? parts[i] : STEP_TRAINED;
    }
    return STATUS_OK;
}

status step_build(arena *a, node *loss, node *const *parameters, size_t count, const step_part *parts,
                  const step_options *options, training_step *out, error *err)
{
    node **chosen = ARENA_ARRAY(a, node *, count), **gradients = ARENA_ARRAY(a, node *, count);
    size_t n = 0;
    if (!loss || !chosen || !gradients)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (!parts || parts[i] != STEP_FROZEN)
            chosen[n++] = parameters[i];
    const graph *g = loss->graph;
    if (!graph_value_and_grad(loss, chosen, n, &loss, gradients))
        return failed(g, err);
    return step_build_from(a, loss, gradients, parameters, count, parts, options, out, err);
}

static bool any_rows(const slope *d, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (d[i].sparse.rows)
            return true;
    return false;
}

static status nothing_lazy(error *err)
{
    error_set(err, STATUS_INVALID, "lazy steps are for tables that are only looked up in, and no gradient of this step is of lookups alone");
    return error_hint(err, "an embedding that is tied to its head needs 'freeze: head'; else leave 'lazy' out");
}

status step_build_from(arena *a, node *loss, node *const *gradients, node *const *parameters, size_t count, const step_part *parts,
                       const step_options *options, training_step *out, error *err)
{
    training_step s = {.graph = loss->graph, .count = count, .output_count = STEP_FIRST, .packed_once = options->packed_once};
    slope *slopes = ARENA_ARRAY(a, slope, count);
    TRY(slopes ? make_lists(a, &s, parameters, parts, err) : no_memory(err));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (s.parts[i] == STEP_FROZEN)
            continue;
        if (!gradients[n] || !add_states(&s, i, &options->optimiser, a))
            return failed(s.graph, err);
        slopes[n] = slope_of(&s, i, gradients[n], &options->optimiser);
        n++;
    }
    if (n == 0)
        BUG("a training step that trains nothing");
    if (options->optimiser.lazy && !any_rows(slopes, n))
        return nothing_lazy(err);
    node *norm, *factor;
    clipping(slopes, n, options->clip, &norm, &factor);
    s.rates = graph_input(s.graph, "rates", TYPE_F32, SHAPE(3));
    node *rates = op_concat((node *[]){s.rates, op_reshape(factor, SHAPE(1))}, 2, 0);
    s.outputs[STEP_LOSS] = loss;
    s.outputs[STEP_NORM] = norm;
    for (size_t i = 0, k = 0; i < count; i++)
        if (s.parts[i] != STEP_FROZEN && !add_update(&s, i, &slopes[k++], rates, options->optimiser))
            return failed(s.graph, err);
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
    plan_donation *donations = ARENA_ARRAY(a, plan_donation, (1 + OPTIMISER_STATES) * s->count);
    size_t donated = 0;
    if (!donations)
        return no_memory(err);
    for (size_t i = 0; i < s->count; i++) {
        if (s->parts[i] == STEP_FROZEN)
            continue;
        donations[donated] = (plan_donation){s->parameters[i], STEP_FIRST + donated};
        donated++;
        for (size_t k = 0; k < OPTIMISER_STATES; k++) {
            node *state = s->states[OPTIMISER_STATES * i + k];
            if (!state)
                continue;
            donations[donated] = (plan_donation){state, STEP_FIRST + donated};
            donated++;
        }
    }
    node **still = ARENA_ARRAY(a, node *, s->count + 1);
    size_t stays = 0;
    if (!still)
        return no_memory(err);
    for (size_t i = 0; i < s->count && s->packed_once; i++)
        if (s->parts[i] == STEP_FROZEN)
            still[stays++] = s->parameters[i];
    plan_options o = {.frozen = still, .frozen_count = stays, .donations = donations, .donation_count = donated, .profile = profile};
    return plan_new(s->graph, s->outputs, s->output_count, &o, out, err);
}

void step_bind(plan *p, const training_step *s, size_t i, float *value, float *mean, float *square)
{
    float *states[OPTIMISER_STATES] = {mean, square};
    if (s->parts[i] == STEP_FROZEN)
        plan_bind(p, s->parameters[i], value);
    else
        plan_bind_mutable(p, s->parameters[i], value);
    for (size_t k = 0; k < OPTIMISER_STATES; k++)
        if (s->states[OPTIMISER_STATES * i + k])
            plan_bind_mutable(p, s->states[OPTIMISER_STATES * i + k], states[k]);
}

void step_rates(const step_options *options, int64_t step, double learning_rate, float rates[3])
{
    double exact[3];
    optimiser_rates(&options->optimiser, step, learning_rate, exact);
    for (int i = 0; i < 3; i++)
        rates[i] = (float)exact[i];
}
