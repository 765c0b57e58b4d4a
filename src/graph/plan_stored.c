/* Inputs in storage formats: who may read their blocks, and the elements for plans whose steps read nothing else. */
#include "graph/plan_internal.h"

bool stored_expands(const plan_builder *b, const node *input)
{
    return input->format != QUANT_PLAIN && (b->reference || input->type == TYPE_F64 || shape_count(input->shape) == 0);
}

static bool reads_blocks(const node *n, int source)
{
    return (n->op == OP_LINEAR && source == 1) || (n->op == OP_GATHER_ROWS && source == 0);
}

static status refuse(const node *input, const char *reader, error *err)
{
    error_set(err, STATUS_UNSUPPORTED, "weight %s is stored as %s: only products and lookups of rows can read it, not %s",
              input->site, quant_name((quant_format)input->format), reader);
    return error_hint(err, "convert the weight to f32 or bf16 first");
}

status stored_check(const plan_builder *b, error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        const node *n = b->entries[i].n;
        for (int k = 0; k < n->source_count; k++) {
            const node *input = n->sources[k];
            if (input->format != QUANT_PLAIN && !stored_expands(b, input) && !reads_blocks(n, k))
                return refuse(input, op_info_of(n->op)->name, err);
        }
    }
    for (size_t i = 0; i < b->output_count; i++)
        if (b->outputs[i]->format != QUANT_PLAIN && !stored_expands(b, b->outputs[i]))
            return refuse(b->outputs[i], "an output of the plan", err);
    return STATUS_OK;
}

static void run_expand(const step *s, const step_memory *m)
{
    const node *n = s->node;
    quant_format f = (quant_format)n->format;
    size_t rows = (size_t)n->shape.size[0], width = (size_t)n->shape.size[1], row_bytes;
    quant_row_bytes(f, (int64_t)width, &row_bytes, NULL);
    for (size_t r = 0; r < rows; r++) {
        float *values = n->type == TYPE_F32 ? (float *)m->out[0] + r * width : m->scratch;
        quant_expand(f, width, (const char *)m->in[0] + r * row_bytes, values);
        if (n->type == TYPE_F64)
            kernel_cast(width, KERNEL_F32, values, KERNEL_F64, (double *)m->out[0] + r * width);
    }
}

status stored_expand(plan_builder *b, int32_t i, int32_t blocks, int32_t *home, error *err)
{
    const entry *e = &b->entries[i];
    size_t bytes = (size_t)shape_count(e->n->shape) * element_size(node_type(e->n));
    *home = new_place(b, e->once ? PLACE_KEPT : PLACE_SLAB, bytes);
    step *s = new_step(b, e->n, 1, 1);
    if (*home == NONE || !s)
        return error_set(err, STATUS_MEMORY, "no memory for a plan");
    s->run = run_expand;
    s->name = "expand";
    s->once = e->once;
    s->in[0] = (location){blocks, 0, node_bytes(e->n)};
    s->out[0] = (location){*home, 0, bytes};
    s->scratch_bytes = e->n->type == TYPE_F64 ? (size_t)e->n->shape.size[1] * sizeof(float) : 0;
    return STATUS_OK;
}
