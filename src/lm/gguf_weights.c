/* The weights of a model in a GGUF file: by what names, in what order of rows, in what types. */
#include "lm/gguf_model.h"

#include "kernels/quant.h"

#include <string.h>

/* Names by part; those of layers behind "blk.N.". */
static const char *const names[LM_PART_COUNT] = {
    [LM_EMBEDDING] = "token_embd.weight",
    [LM_POSITIONS] = "position_embd.weight",
    [LM_ATTENTION_NORM] = "attn_norm.weight",
    [LM_ATTENTION_NORM_BIAS] = "attn_norm.bias",
    [LM_Q] = "attn_q.weight",
    [LM_Q_BIAS] = "attn_q.bias",
    [LM_K] = "attn_k.weight",
    [LM_K_BIAS] = "attn_k.bias",
    [LM_V] = "attn_v.weight",
    [LM_V_BIAS] = "attn_v.bias",
    [LM_QKV] = "attn_qkv.weight",
    [LM_QKV_BIAS] = "attn_qkv.bias",
    [LM_Q_NORM] = "attn_q_norm.weight",
    [LM_K_NORM] = "attn_k_norm.weight",
    [LM_O] = "attn_output.weight",
    [LM_O_BIAS] = "attn_output.bias",
    [LM_ATTENTION_POST_NORM] = "post_attention_norm.weight",
    [LM_MLP_NORM] = "ffn_norm.weight",
    [LM_MLP_NORM_BIAS] = "ffn_norm.bias",
    [LM_GATE] = "ffn_gate.weight",
    [LM_GATE_BIAS] = "ffn_gate.bias",
    [LM_UP] = "ffn_up.weight",
    [LM_UP_BIAS] = "ffn_up.bias",
    [LM_GATE_UP] = "ffn_up.weight", /* gate first, as in folders */
    [LM_DOWN] = "ffn_down.weight",
    [LM_DOWN_BIAS] = "ffn_down.bias",
    [LM_MLP_POST_NORM] = "post_ffw_norm.weight",
    [LM_FINAL_NORM] = "output_norm.weight",
    [LM_FINAL_NORM_BIAS] = "output_norm.bias",
    [LM_HEAD] = "output.weight",
};

const char *gguf_model_name(const lm_weight *w, char out[64])
{
    if (!names[w->part])
        return NULL;
    if (w->layer >= 0)
        snprintf(out, 64, "blk.%d.%s", w->layer, names[w->part]);
    else
        snprintf(out, 64, "%s", names[w->part]);
    return out;
}

typedef struct loading {
    arena *arena;
    const gguf *file;
    const lm_gguf *row;
    const lm_config *config;
} loading;

static status no_memory(const loading *l, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory for the weights", gguf_name(l->file));
}

static status check_shape(const loading *l, const lm_weight *w, const gguf_tensor *t, error *err)
{
    int64_t columns = w->rank == 2 ? w->shape[1] : w->shape[0], rows = w->rank == 2 ? w->shape[0] : 1;
    if (t->shape[0] == columns && t->shape[1] == rows && t->shape[2] == 1 && t->shape[3] == 1)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" has rows of %lld elements and %lld of them, expected %lld and %lld by the "
                     "configuration", gguf_name(l->file), t->name, (long long)t->shape[0],
                     (long long)(t->shape[1] * t->shape[2] * t->shape[3]), (long long)columns, (long long)rows);
}

/* Rows 2i and 2i + 1 of a head turn together in the file; here i and i + half do. Rows move whole, in whatever type. */
static status order_rows(const loading *l, const lm_weight *w, lm_tensor *t, error *err)
{
    size_t size = (size_t)l->config->head_size, half = size / 2, rows = (size_t)w->shape[0], bytes = t->bytes / rows;
    char *ordered = arena_alloc(l->arena, t->bytes);
    if (!ordered)
        return no_memory(l, err);
    for (size_t row = 0; row < rows; row++) {
        size_t head = row / size, i = row % size;
        memcpy(ordered + (head * size + i / 2 + (i % 2) * half) * bytes, (const char *)t->data + row * bytes, bytes);
    }
    t->data = ordered;
    t->mapped = false;
    return STATUS_OK;
}

static bool turns(const loading *l, const lm_weight *w)
{
    return l->row->paired && (w->part == LM_Q || w->part == LM_K || w->part == LM_Q_BIAS || w->part == LM_K_BIAS);
}

static status load(const loading *l, const lm_weight *w, const gguf_tensor *from, lm_tensor *t, error *err)
{
    static const struct {
        gguf_tensor_type from;
        safetensors_type type;
    } plain[] = {{GGUF_TENSOR_F32, SAFETENSORS_F32}, {GGUF_TENSOR_F16, SAFETENSORS_F16}, {GGUF_TENSOR_BF16, SAFETENSORS_BF16}};
    size_t i = 0;
    TRY(check_shape(l, w, from, err));
    *t = (lm_tensor){.name = from->name, .type = SAFETENSORS_F32, .format = QUANT_PLAIN, .rank = w->rank,
                     .shape = {w->shape[0], w->shape[1]}, .data = from->data, .bytes = from->bytes,
                     .mapped = true};
    while (i < COUNT_OF(plain) && plain[i].from != from->type)
        i++;
    if (i < COUNT_OF(plain)) {
        t->type = plain[i].type;
    } else if (w->rank != 2 || !quant_find(gguf_tensor_type_name(from->type), &t->format)) {
        error_set(err, STATUS_UNSUPPORTED, "%s: the tensor \"%s\" is stored as %s, which is not supported", gguf_name(l->file), from->name,
                  gguf_tensor_type_name(from->type));
        return error_hint(err, "F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K and Q6_K are");
    }
    return turns(l, w) ? order_rows(l, w, t, err) : STATUS_OK;
}

/* Tensors that are read with the configuration, or that nobody needs. */
static bool known_otherwise(const char *name)
{
    static const char *const others[] = {"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return slice_ends(slice_of(name), SLICE(".attn_rot_embd"));
}

status gguf_model_weights(arena *a, const gguf *g, const lm_config *c, lm_tensor **out, error *err)
{
    loading l = {.arena = a, .file = g, .config = c};
    size_t count = lm_weight_count(c), all = gguf_tensor_count(g);
    lm_tensor *tensors = ARENA_ARRAY(a, lm_tensor, count);
    bool *used = ARENA_ARRAY(a, bool, all + 1);
    TRY(gguf_model_row(g, &l.row, err));
    if (!tensors || !used)
        return no_memory(&l, err);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        lm_weight w = lm_weight_at(c, i);
        if (!gguf_model_name(&w, name))
            BUG("part %d has no name in GGUF files", (int)w.part);
        const gguf_tensor *from = gguf_find_tensor(g, name);
        if (!from)
            return error_set(err, STATUS_INVALID, "%s: the tensor \"%s\" is missing", gguf_name(g), name);
        TRY(load(&l, &w, from, &tensors[i], err));
        used[from - gguf_tensor_at(g, 0)] = true;
    }
    for (size_t i = 0; i < all; i++)
        if (!used[i] && !known_otherwise(gguf_tensor_at(g, i)->name))
            return error_set(err, STATUS_UNSUPPORTED, "%s holds the tensor \"%s\", which a model of this configuration has not",
                             gguf_name(g), gguf_tensor_at(g, i)->name);
    *out = tensors;
    return STATUS_OK;
}
