#include "train/accumulate.h"

#include "graph/sparse.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for the sums of a batch in pieces");
}

/* Why the graph has no such nodes. */
static status failed(const graph *g, error *err)
{
    TRY(graph_status(g, err));
    return no_memory(err);
}

void accumulation_free(accumulation *s)
{
    if (!s)
        return;
    plan_free(s->piece);
    plan_free(s->step);
    graph_free(s->update.graph);
    *s = (accumulation){0};
}

/* What a sum becomes with a piece's gradient; of a table that is only looked up in, rows of it alone are touched. */
static node *added(node *sum, node *gradient)
{
    sparse_rows s;
    if (!sum || !gradient)
        return NULL;
    if (sum->shape.rank < 1 || !sparse_rows_of(gradient, sum->shape.size[0] - 1, &s))
        return op_add(sum, gradient);
    return op_put_rows(sum, s.index, op_add(op_gather_rows(sum, s.index), s.rows));
}

/* The plan that adds a piece's loss and gradients to the sums, in place. */
static status plan_piece(arena *a, node *loss, const step_part *parts, bool packed_once, accumulation *s, error *err)
{
    size_t count = s->trained + 1;
    node **chosen = ARENA_ARRAY(a, node *, s->count), **outputs = ARENA_ARRAY(a, node *, count);
    plan_donation *donations = ARENA_ARRAY(a, plan_donation, count);
    node **still = ARENA_ARRAY(a, node *, s->count + 1);
    size_t stays = 0;
    if (!chosen || !outputs || !donations || !still)
        return no_memory(err);
    for (size_t i = 0, n = 0; i < s->count; i++)
        if (!parts || parts[i] != STEP_FROZEN)
            chosen[n++] = s->parameters[i];
    if (!graph_value_and_grad(loss, chosen, s->trained, &outputs[0], outputs + 1))
        return failed(loss->graph, err);
    for (size_t i = 0; i < count; i++) {
        const char *name = arena_printf(a, "sum:%s", i ? chosen[i - 1]->site : "loss");
        s->inputs[i] = name ? graph_input(loss->graph, name, TYPE_F32, outputs[i] ? outputs[i]->shape : SHAPE_SCALAR) : NULL;
        outputs[i] = added(s->inputs[i], outputs[i]);
        donations[i] = (plan_donation){s->inputs[i], i};
        if (!outputs[i])
            return failed(loss->graph, err);
        s->bytes[i] = (size_t)shape_count(outputs[i]->shape) * sizeof(float);
    }
    for (size_t i = 0; i < s->count && packed_once; i++)
        if (parts && parts[i] == STEP_FROZEN)
            still[stays++] = s->parameters[i];
    plan_options o = {.frozen = still, .frozen_count = stays, .donations = donations, .donation_count = count};
    TRY(plan_new(loss->graph, outputs, count, &o, &s->piece, err)); /* says what it needs before the sums are there */
    for (size_t i = 0; i < count; i++) {
        if (!(s->sums[i] = arena_alloc(a, s->bytes[i] + 1)))
            return no_memory(err);
        plan_bind_mutable(s->piece, s->inputs[i], s->sums[i]);
    }
    return STATUS_OK;
}

/* The plan of the step, from the sums: the same update as that of a step at once. */
static status plan_update(arena *a, const step_part *parts, const step_options *options, accumulation *s, error *err)
{
    graph *g = s->update.graph = graph_new(a);
    node **parameters = ARENA_ARRAY(a, node *, s->count), **gradients = ARENA_ARRAY(a, node *, s->trained);
    if (!g || !parameters || !gradients)
        return no_memory(err);
    node *loss = graph_input(g, "loss", TYPE_F32, SHAPE_SCALAR);
    for (size_t i = 0, k = 0; i < s->count; i++) {
        const node *p = s->parameters[i];
        parameters[i] = graph_input(g, p->site, (element_type)p->type, p->shape);
        if (parts && parts[i] == STEP_FROZEN)
            continue;
        gradients[k] = graph_input(g, s->inputs[k + 1]->site, TYPE_F32, p->shape);
        k++;
    }
    TRY(graph_status(g, err));
    TRY(step_build_from(a, loss, gradients, parameters, s->count, parts, options, &s->update, err));
    TRY(step_plan(a, &s->update, false, &s->step, err));
    plan_bind(s->step, loss, s->sums[0]);
    for (size_t k = 0; k < s->trained; k++)
        plan_bind(s->step, gradients[k], s->sums[k + 1]);
    return STATUS_OK;
}

status accumulation_new(arena *a, node *loss, node *const *parameters, size_t count, const step_part *parts,
                        const step_options *options, accumulation **out, error *err)
{
    accumulation *s = ARENA_NEW(a, accumulation);
    if (!s || !loss)
        return no_memory(err);
    *s = (accumulation){.parameters = parameters, .count = count};
    for (size_t i = 0; i < count; i++)
        s->trained += !parts || parts[i] != STEP_FROZEN;
    s->sums = ARENA_ARRAY(a, float *, s->trained + 1);
    s->inputs = ARENA_ARRAY(a, node *, s->trained + 1);
    s->bytes = ARENA_ARRAY(a, size_t, s->trained + 1);
    if (!s->sums || !s->inputs || !s->bytes)
        return no_memory(err);
    *out = s;
    TRY(plan_piece(a, loss, parts, options->packed_once, s, err));
    return plan_update(a, parts, options, s, err);
}

void accumulation_bind(accumulation *s, size_t i, float *value, float *mean, float *square)
{
    plan_bind(s->piece, s->parameters[i], value);
    step_bind(s->step, &s->update, i, value, mean, square);
}

void accumulation_begin(accumulation *s)
{
    for (size_t i = 0; i < s->trained + 1; i++)
        memset(s->sums[i], 0, s->bytes[i]);
}
