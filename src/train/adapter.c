#include "train/adapter.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/families.h"
#include "lm/lora.h"

#include <math.h>
#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a low-rank adapter");
}

/* ---- which weights ---- */

/* "model.layers.0.self_attn.q_proj" of "model.layers.0.self_attn.q_proj.weight". */
static slice module_of(const lm_weight *w)
{
    slice name = slice_of(w->name);
    return slice_ends(name, SLICE(".weight")) ? slice_sub(name, 0, name.length - strlen(".weight")) : name;
}

static slice last_word(slice module)
{
    size_t at = module.length;
    while (at > 0 && module.text[at - 1] != '.')
        at--;
    return slice_sub(module, at, module.length);
}

static bool can_change(const lm_weight *w)
{
    return w->layer >= 0 && w->rank == 2;
}

static bool is_target(const recipe_lora *o, const lm_weight *w)
{
    bool named = o->target_count == 0;
    for (size_t i = 0; i < o->target_count; i++)
        named = named || slice_is(last_word(module_of(w)), o->targets[i]);
    return named && can_change(w);
}

static status check_targets(const lm_config *c, const recipe_lora *o, error *err)
{
    for (size_t i = 0; i < o->target_count; i++) {
        size_t hits = 0;
        for (size_t k = 0; k < lm_weight_count(c); k++) {
            lm_weight w = lm_weight_at(c, k);
            hits += can_change(&w) && slice_is(last_word(module_of(&w)), o->targets[i]);
        }
        if (hits)
            continue;
        strbuf names = strbuf_new(NULL, 4096);
        for (size_t k = 0; k < lm_weight_count(c); k++) {
            lm_weight w = lm_weight_at(c, k);
            if (can_change(&w) && w.layer == 0)
                strbuf_printf(&names, "%s" SLICE_FORMAT, names.length ? ", " : "", SLICE_ARGS(last_word(module_of(&w))));
        }
        const char *known = names.text ? names.text : "the model's matrices";
        status result = o->at ? yaml_error(o->at->items[i], err, "expected targets among %s, found '%s'", known, o->targets[i])
                              : error_set(err, STATUS_INVALID, "lora: expected targets among %s, found '%s'", known, o->targets[i]);
        strbuf_free(&names);
        return result;
    }
    return STATUS_OK;
}

/* ---- the pairs ---- */

static status make_parameters(arena *a, adapter *l, error *err)
{
    size_t r = (size_t)l->options->rank;
    const char **names = ARENA_ARRAY(a, const char *, 2 * l->count);
    shape *shapes = ARENA_ARRAY(a, shape, 2 * l->count);
    if (!names || !shapes)
        return no_memory(err);
    for (size_t i = 0; i < l->count; i++) {
        lm_weight w = lm_weight_at(l->config, l->weights[i]);
        bool turned = l->config->family->traits & LM_CONV1D;
        for (size_t k = 0; k < 2; k++) {
            names[2 * i + k] = arena_printf(a, "base_model.model." SLICE_FORMAT ".lora_%c.weight", SLICE_ARGS(module_of(&w)), k ? 'B' : 'A');
            if (!names[2 * i + k])
                return no_memory(err);
        }
        shapes[2 * i] = SHAPE((int64_t)r, w.shape[!turned]);
        shapes[2 * i + 1] = SHAPE(w.shape[turned], (int64_t)r);
    }
    return parameters_new(a, names, shapes, 2 * l->count, &l->parameters, err);
}

status adapter_new(arena *a, const lm_config *config, const recipe_lora *options, const parameters *base, adapter **out, error *err)
{
    adapter *l = ARENA_NEW(a, adapter);
    if (!l || !(l->weights = ARENA_ARRAY(a, size_t, lm_weight_count(config))))
        return no_memory(err);
    *l = (adapter){.config = config, .options = options, .base = base, .weights = l->weights,
                   .scale = lora_scale(options->alpha, options->rank, options->by_root)};
    TRY(check_targets(config, options, err));
    for (size_t i = 0; i < lm_weight_count(config); i++) {
        lm_weight w = lm_weight_at(config, i);
        if (is_target(options, &w))
            l->weights[l->count++] = i;
    }
    *out = l;
    return make_parameters(a, l, err);
}

void adapter_initialise(adapter *l, order_stream *stream)
{
    for (size_t i = 0; i < l->parameters->count; i++) {
        parameter *p = &l->parameters->items[i];
        double spread = i % 2 ? 0 : 1 / sqrt(3 * (double)p->shape.size[1]);
        for (size_t k = 0; k < p->elements; k++)
            p->value[k] = spread > 0 ? (float)(spread * order_normal(stream)) : 0;
    }
}

status adapter_apply(arena *a, const adapter *l, node *const *values, size_t count, node ***inputs, node **changed, error *err)
{
    low_rank_edit *edits = ARENA_ARRAY(a, low_rank_edit, l->count);
    *inputs = ARENA_ARRAY(a, node *, 2 * l->count);
    if (!values[0] || !edits || !*inputs)
        return no_memory(err);
    for (size_t i = 0; i < 2 * l->count; i++) {
        const parameter *p = &l->parameters->items[i];
        (*inputs)[i] = graph_input(values[0]->graph, p->name, TYPE_F32, p->shape);
    }
    for (size_t i = 0; i < l->count; i++) {
        edits[i] = (low_rank_edit){.weight = l->base->items[l->weights[i]].name, .a = (*inputs)[2 * i], .b = (*inputs)[2 * i + 1],
                                   .scale = l->scale};
        if (!edits[i].a || !edits[i].b)
            return no_memory(err);
    }
    return graph_low_rank(values, count, edits, l->count, changed, err);
}

/* ---- what comes of it ---- */

status adapter_keep(const adapter *l, const char *folder, const char *name, parameters *base, error *err)
{
    TRY(adapter_write(l, folder, name, err));
    return adapter_merge(l, base, err);
}

status adapter_merge(const adapter *l, parameters *base, error *err)
{
    for (size_t i = 0; i < l->count; i++)
        TRY(lora_add(l->config, l->weights[i], (size_t)l->options->rank, l->scale, l->parameters->items[2 * i].value,
                     l->parameters->items[2 * i + 1].value, base->items[l->weights[i]].value, err));
    return STATUS_OK;
}

/* The last words of the changed modules, each once. */
static json_t *target_list(const adapter *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->count; i++) {
        lm_weight w = lm_weight_at(l->config, l->weights[i]);
        slice word = last_word(module_of(&w));
        bool there = false;
        for (size_t k = 0; k < json_array_size(list); k++)
            there = there || slice_is(word, json_string_value(json_array_get(list, k)));
        if (!there)
            json_array_append_new(list, json_stringn(word.text, word.length));
    }
    return list;
}

static status write_settings(const adapter *l, const char *path, const char *base, error *err)
{
    const recipe_lora *o = l->options;
    json_t *whole = json_pack("{s:s, s:s, s:s, s:I, s:f, s:b, s:o, s:s, s:f, s:b, s:b}", "peft_type", "LORA", "task_type",
                              "CAUSAL_LM", "base_model_name_or_path", base, "r", (json_int_t)o->rank, "lora_alpha", o->alpha,
                              "use_rslora", (int)o->by_root, "target_modules", target_list(l), "bias", "none", "lora_dropout", 0.0,
                              "fan_in_fan_out", (l->config->family->traits & LM_CONV1D) != 0, "inference_mode", 1);
    status result = whole ? jsonio_write(path, whole, 2, err) : no_memory(err);
    json_decref(whole);
    return result;
}

status adapter_write(const adapter *l, const char *folder, const char *base, error *err)
{
    arena *a = arena_new(NULL);
    safetensors_tensor *list = ARENA_ARRAY(a, safetensors_tensor, l->parameters->count);
    const char *settings = file_join(a, folder, "adapter_config.json"), *tensors = file_join(a, folder, "adapter_model.safetensors");
    status result = list && settings && tensors ? file_make_folders(folder, err) : no_memory(err);
    for (size_t i = 0; result == STATUS_OK && i < l->parameters->count; i++) {
        const parameter *p = &l->parameters->items[i];
        list[i] = (safetensors_tensor){.name = p->name, .type = SAFETENSORS_F32, .rank = 2, .data = p->value,
                                       .shape = {p->shape.size[0], p->shape.size[1]}, .bytes = p->elements * sizeof(float)};
    }
    if (result == STATUS_OK)
        result = safetensors_write(tensors, list, l->parameters->count, NULL, 0, err);
    if (result == STATUS_OK)
        result = write_settings(l, settings, base, err);
    arena_free(a);
    return result;
}
