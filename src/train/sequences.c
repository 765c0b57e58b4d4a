#include "train/sequences.h"

#include "graph/ops.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a batch of sequences");
}

/* ---- batches ---- */

status sequence_batch_new(arena *a, size_t tokens, size_t rows, size_t sequences, sequence_batch *out, error *err)
{
    *out = (sequence_batch){.tokens = ARENA_ARRAY(a, int32_t, tokens), .positions = ARENA_ARRAY(a, int32_t, tokens),
                            .starts = ARENA_ARRAY(a, int32_t, tokens), .rows = ARENA_ARRAY(a, int32_t, rows),
                            .targets = ARENA_ARRAY(a, int32_t, rows), .segments = ARENA_ARRAY(a, int32_t, rows),
                            .ends = ARENA_ARRAY(a, int32_t, sequences), .firsts = ARENA_ARRAY(a, size_t, sequences + 1),
                            .tokens_most = tokens, .rows_most = rows, .most = sequences};
    return out->tokens && out->positions && out->starts && out->rows && out->targets && out->segments && out->ends && out->firsts
               ? STATUS_OK
               : no_memory(err);
}

void sequence_batch_clear(sequence_batch *b)
{
    b->tokens_used = b->rows_used = b->count = 0;
}

bool sequence_batch_add(sequence_batch *b, const int32_t *tokens, size_t count, size_t prompt)
{
    size_t reply = b->rows_most ? count - prompt : 0, at = b->tokens_used;
    if (prompt == 0 || prompt > count)
        BUG("a sequence of %zu tokens with a prompt of %zu", count, prompt);
    if (count > b->tokens_most - at || reply > b->rows_most - b->rows_used || b->count == b->most)
        return false;
    for (size_t i = 0; i < count; i++) {
        b->tokens[at + i] = tokens[i];
        b->positions[at + i] = (int32_t)i;
        b->starts[at + i] = (int32_t)at;
    }
    b->firsts[b->count] = b->rows_used;
    for (size_t i = count - reply; i < count; i++, b->rows_used++) {
        b->rows[b->rows_used] = (int32_t)(at + i - 1);
        b->targets[b->rows_used] = tokens[i];
        b->segments[b->rows_used] = (int32_t)b->count;
    }
    b->ends[b->count++] = (int32_t)(at + count - 1);
    b->firsts[b->count] = b->rows_used;
    b->tokens_used += count;
    return true;
}

void sequence_batch_pad(sequence_batch *b, int32_t pad)
{
    for (size_t i = b->tokens_used; i < b->tokens_most; i++) {
        b->tokens[i] = pad;
        b->positions[i] = 0;
        b->starts[i] = (int32_t)i;
    }
    for (size_t i = b->rows_used; i < b->rows_most; i++)
        b->rows[i] = b->targets[i] = b->segments[i] = -1;
    for (size_t i = b->count; i < b->most; i++)
        b->ends[i] = -1;
}

/* ---- graphs ---- */

status sequence_graph_build(arena *a, graph *g, const lm_config *config, const sequence_batch *sizes, element_type compute,
                            freeze_kind freeze, sequence_graph *out, error *err)
{
    transformer_types types = compute == TYPE_BF16 ? transformer_types_training() : transformer_types_all(compute);
    int64_t rows = (int64_t)sizes->rows_most, sequences = (int64_t)sizes->most;
    element_type wide = compute == TYPE_F64 ? TYPE_F64 : TYPE_F32;
    *out = (sequence_graph){0};
    TRY(transformer_build(a, g, config, types, (int64_t)sizes->tokens_most, &out->model, err));
    out->ends = graph_input(g, "ends", TYPE_I32, SHAPE(sequences));
    out->last = op_gather_rows(out->model.hidden, out->ends);
    if (rows > 0 && (config->labels == 0 || config->likelihood)) {
        transformer words = out->model;
        if (config->labels)
            words.head = out->model.weights[lm_weight_find(config, LM_EMBEDDING, -1)];
        if (freeze == FREEZE_HEAD)
            words.head = op_stop_gradient(words.head);
        out->rows = graph_input(g, "rows", TYPE_I32, SHAPE(rows));
        out->targets = graph_input(g, "targets", TYPE_I32, SHAPE(rows));
        out->segments = graph_input(g, "segments", TYPE_I32, SHAPE(rows));
        out->hidden = op_gather_rows(out->model.hidden, out->rows);
        out->logits = transformer_logits(&words, out->hidden);
        out->logprobs = op_neg(op_cross_entropy(out->logits, out->targets, graph_fill(g, wide, SHAPE(rows), 1)));
    }
    return graph_status(g, err);
}

status sequence_graph_adapt(arena *a, const adapter *low, sequence_graph *g, node ***all, size_t *count, error *err)
{
    node **places[] = {&g->last, &g->hidden, &g->logits, &g->logprobs}, *values[COUNT_OF(places)], *changed[COUNT_OF(places)], **inputs;
    size_t known = g->model.weight_count, more = low->parameters->count, n = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (*places[i])
            values[n++] = *places[i];
    TRY(adapter_apply(a, low, values, n, &inputs, changed, err));
    n = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (*places[i])
            *places[i] = changed[n++];
    if (!(*all = ARENA_ARRAY(a, node *, known + more)))
        return no_memory(err);
    memcpy(*all, g->model.weights, known * sizeof **all);
    memcpy(*all + known, inputs, more * sizeof **all);
    *count = known + more;
    return STATUS_OK;
}

void sequence_graph_bind(plan *p, const sequence_graph *g, const sequence_batch *b)
{
    const struct {
        const node *input;
        const int32_t *values;
    } all[] = {{g->model.tokens, b->tokens}, {g->model.positions, b->positions}, {g->model.starts, b->starts}, {g->ends, b->ends},
               {g->rows, b->rows}, {g->targets, b->targets}, {g->segments, b->segments}};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i].input)
            plan_bind(p, all[i].input, all[i].values);
}

node *sequence_graph_sums(const sequence_graph *g, node *values)
{
    return op_scatter_rows(values, g->segments, g->ends->shape.size[0]);
}

/* ---- readers ---- */

status sequence_reader_new(arena *a, const lm_config *config, const float *const *values, const sequence_batch *batch,
                           element_type compute, sequence_reader *out, error *err)
{
    *out = (sequence_reader){.graph = graph_new(a)};
    if (!out->graph)
        return no_memory(err);
    TRY(sequence_graph_build(a, out->graph, config, batch, compute, FREEZE_NONE, &out->model, err));
    const transformer *t = &out->model.model;
    plan_options o = {.frozen = t->weights, .frozen_count = t->weight_count};
    TRY(plan_new(out->graph, &out->model.logprobs, 1, &o, &out->plan, err));
    for (size_t i = 0; i < t->weight_count; i++)
        plan_bind(out->plan, t->weights[i], values[i]);
    sequence_graph_bind(out->plan, &out->model, batch);
    return STATUS_OK;
}

void sequence_reader_free(sequence_reader *r)
{
    plan_free(r->plan);
    graph_free(r->graph);
    *r = (sequence_reader){0};
}

status sequence_reader_run(sequence_reader *r, thread_pool *pool, const float **logprobs, error *err)
{
    TRY(plan_run(r->plan, pool, err));
    *logprobs = plan_output(r->plan, 0);
    return STATUS_OK;
}
