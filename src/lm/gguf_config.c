/* The configuration of a model in a GGUF file: its keys become those of the family's config.json. */
#include "lm/gguf_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is read: the file, the row of its architecture, what config.json would be. */
typedef struct reading {
    const gguf *file;
    const lm_gguf *row;
    json_t *root;
} reading;

enum { KEY_MAX = 96 };
const gguf_model_key gguf_model_keys[] = {
#define AT(field) offsetof(lm_config, field)
    {"context_length", AT(context), true, ANY_NORM},
    {"embedding_length", AT(hidden), true, ANY_NORM},
    {"block_count", AT(layers), true, ANY_NORM},
    {"feed_forward_length", AT(intermediate), true, ANY_NORM},
    {"attention.head_count", AT(heads), true, ANY_NORM},
    {"attention.head_count_kv", AT(kv_heads), false, ANY_NORM},
    {"attention.key_length", AT(head_size), false, ANY_NORM},
    {"attention.layer_norm_rms_epsilon", AT(norm_epsilon), true, RMS_NORM},
    {"attention.layer_norm_epsilon", AT(norm_epsilon), true, LAYER_NORM},
    {"attn_logit_softcapping", AT(attention_cap), false, ANY_NORM},
    {"final_logit_softcapping", AT(logit_cap), false, ANY_NORM},
    {"use_parallel_residual", AT(parallel), false, ANY_NORM},
#undef AT
};
const size_t gguf_model_key_count = COUNT_OF(gguf_model_keys);

/* Keys that change what a model computes and that the builder does not follow. */
static const struct {
    const char *key;
    double harmless;
} refused[] = {
    {"expert_count", 0}, {"attention.clamp_kqv", 0}, {"attention.max_alibi_bias", 0}, {"attention.scale", 0}, {"logit_scale", 1},
    {"embedding_scale", 1}, {"residual_scale", 1}, {"attention.causal", 1}, {"rope.scaling.yarn_log_multiplier", 0},
    {"attention.shared_kv_layers", 0}, {"nextn_predict_layers", 0},
};

static const char *full_key(const reading *r, const char *key, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%s.%s", r->row->architecture, key);
    return out;
}

/* The shortest number whose nearest f32 is the value: 1e-05 where a file holds 9.99999974e-06, as config.json has it. */
static double shortest(double value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value)
            return strtod(text, NULL);
    }
    return value;
}

/* A number or a flag; an array whose items are all the same counts as one of them. */
static status read_number(const reading *r, const char *key, bool *there, double *out, error *err)
{
    char name[KEY_MAX];
    const gguf_value *v = gguf_find(r->file, full_key(r, key, name));
    double *items;
    size_t count;
    *there = v != NULL;
    if (!v)
        return STATUS_OK;
    if (v->type == GGUF_BOOL) {
        *out = v->bytes.text[0] != 0;
        return STATUS_OK;
    }
    if (v->type != GGUF_ARRAY) {
        TRY(gguf_number(r->file, name, out, err));
        *out = v->type == GGUF_F32 ? shortest(*out) : *out;
        return isfinite(*out) ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: \"%s\" is no number", gguf_name(r->file), name);
    }
    arena *a = arena_new(NULL);
    status result = gguf_numbers(r->file, a, name, &items, &count, err);
    for (size_t i = 1; result == STATUS_OK && i < count; i++)
        if (!(items[i] == items[0]))
            result = error_set(err, STATUS_UNSUPPORTED, "%s: \"%s\" differs from layer to layer, which is not supported",
                               gguf_name(r->file), name);
    if (result == STATUS_OK && (count == 0 || !isfinite(items[0])))
        result = error_set(err, STATUS_INVALID, "%s: \"%s\" holds no number", gguf_name(r->file), name);
    if (result == STATUS_OK)
        *out = items[0];
    arena_free(a);
    return result;
}

static status read_number_or(const reading *r, const char *key, double fallback, double *out, error *err)
{
    bool there;
    *out = fallback;
    return read_number(r, key, &there, out, err);
}

/* ---- sizes, numbers, flags ---- */

/* The family's own key for a field, or NULL. */
static const lm_key *key_of(const lm_family *f, size_t offset)
{
    for (size_t i = 0; i < f->key_count; i++)
        if (f->keys[i].offset == offset && f->keys[i].kind <= LM_KEY_FLAG)
            return &f->keys[i];
    return NULL;
}

const lm_key *gguf_model_key_of(const lm_family *f, const gguf_model_key *k)
{
    bool layer_norm = f->traits & LM_LAYER_NORM;
    return k->norm == ANY_NORM || (k->norm == LAYER_NORM) == layer_norm ? key_of(f, k->offset) : NULL;
}

static status wrong_number(const reading *r, const char *key, double value, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: \"%s.%s\" is %g, which is out of range", gguf_name(r->file), r->row->architecture, key,
                     value);
}

static status add_key(const reading *r, const gguf_model_key *from, error *err)
{
    bool there;
    double value;
    const lm_key *k = gguf_model_key_of(r->row->family, from);
    if (!k)
        return STATUS_OK;
    TRY(read_number(r, from->key, &there, &value, err));
    if (!there && from->needed)
        return error_set(err, STATUS_INVALID, "%s: the key \"%s.%s\" is missing", gguf_name(r->file), r->row->architecture, from->key);
    if (!there)
        return STATUS_OK;
    if (!(value >= k->least && value <= k->most) || (k->kind == LM_KEY_SIZE && value != floor(value)))
        return wrong_number(r, from->key, value, err);
    json_object_set_new(r->root, k->name, k->kind == LM_KEY_SIZE   ? json_integer((json_int_t)value)
                                          : k->kind == LM_KEY_FLAG ? json_boolean(value != 0)
                                                                   : json_real(value));
    return STATUS_OK;
}

static status refuse_others(const reading *r, error *err)
{
    int64_t parts;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        double value;
        TRY(read_number_or(r, refused[i].key, refused[i].harmless, &value, err));
        if (value != refused[i].harmless)
            return error_set(err, STATUS_UNSUPPORTED, "%s: \"%s.%s\" is %g; models with that are not supported", gguf_name(r->file),
                             r->row->architecture, refused[i].key, value);
    }
    TRY(gguf_int_or(r->file, "split.count", 1, &parts, err));
    if (parts <= 1)
        return STATUS_OK;
    error_set(err, STATUS_UNSUPPORTED, "%s: this is one of the %lld files of a model, which is not supported", gguf_name(r->file),
              (long long)parts);
    return error_hint(err, "join them to one file, for instance with llama-gguf-split --merge");
}

/* ---- what follows from the tensors ---- */

static bool has(const reading *r, const char *tensor)
{
    return gguf_find_tensor(r->file, tensor) != NULL;
}

static status add_shape(const reading *r, error *err)
{
    const lm_family *f = r->row->family;
    const gguf_tensor *embedding = gguf_find_tensor(r->file, "token_embd.weight");
    double key, value, hidden = json_number_value(json_object_get(r->root, key_of(f, offsetof(lm_config, hidden))->name));
    double heads = json_number_value(json_object_get(r->root, key_of(f, offsetof(lm_config, heads))->name));
    double layers = json_number_value(json_object_get(r->root, key_of(f, offsetof(lm_config, layers))->name));
    if (!embedding)
        return error_set(err, STATUS_INVALID, "%s: the tensor \"token_embd.weight\" is missing", gguf_name(r->file));
    json_object_set_new(r->root, "vocab_size", json_integer(embedding->shape[1]));
    json_object_set_new(r->root, "tie_word_embeddings", json_boolean(!has(r, "output.weight")));
    json_object_set_new(r->root, "attention_bias", json_boolean(has(r, "blk.0.attn_q.bias") || has(r, "blk.0.attn_qkv.bias")));
    json_object_set_new(r->root, "mlp_bias", json_boolean(has(r, "blk.0.ffn_gate.bias")));
    TRY(read_number_or(r, "attention.key_length", hidden / heads, &key, err));
    TRY(read_number_or(r, "attention.value_length", key, &value, err));
    if (key != value)
        return error_set(err, STATUS_UNSUPPORTED, "%s: keys of %g elements and values of %g are not supported: they must be alike",
                         gguf_name(r->file), key, value);
    bool wide = r->row->wide_layers && layers == r->row->wide_layers;
    json_object_set_new(r->root, "query_pre_attn_scalar", json_real(wide ? hidden / heads : key));
    return STATUS_OK;
}

/* ---- rotary positions ---- */

/* Divisors of the angles, as short_factor. */
static status add_divisors(const reading *r, json_t *scaling, const gguf_tensor *t, error *err)
{
    if (t->type != GGUF_TENSOR_F32 || t->rank != 1 || t->shape[0] < 1 || t->shape[0] > LM_ROPE_DIVISORS)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the tensor \"%s\" is no list of 1 to %d numbers in F32", gguf_name(r->file), t->name,
                         LM_ROPE_DIVISORS);
    json_t *list = json_array();
    for (int64_t i = 0; i < t->shape[0]; i++) {
        float value;
        memcpy(&value, (const char *)t->data + 4 * i, 4);
        json_array_append_new(list, json_real(isfinite(value) ? (double)value : 0));
    }
    json_object_set_new(scaling, "short_factor", list);
    return STATUS_OK;
}

/* Numbers of scaled positions: 0 counts as not given. */
static status add_scaling_numbers(const reading *r, json_t *scaling, error *err)
{
    static const struct {
        const char *key, *name;
    } numbers[] = {
        {"rope.scale_linear", "factor"}, {"rope.scaling.factor", "factor"},
        {"rope.scaling.original_context_length", "original_max_position_embeddings"},
        {"rope.scaling.yarn_beta_fast", "beta_fast"}, {"rope.scaling.yarn_beta_slow", "beta_slow"},
        {"rope.scaling.attn_factor", "attention_factor"}, {"rope.scaling.yarn_attn_factor", "attention_factor"},
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        double value;
        TRY(read_number_or(r, numbers[i].key, 0, &value, err));
        if (value != 0)
            json_object_set_new(scaling, numbers[i].name, json_real(value));
    }
    return STATUS_OK;
}

static status read_scaling(const reading *r, json_t *scaling, error *err)
{
    char name[KEY_MAX];
    slice type = {0};
    const gguf_tensor *every = gguf_find_tensor(r->file, "rope_freqs.weight");
    const gguf_tensor *within = gguf_find_tensor(r->file, "rope_factors_short.weight");
    TRY(add_scaling_numbers(r, scaling, err));
    if (gguf_find(r->file, full_key(r, "rope.scaling.type", name)))
        TRY(gguf_string(r->file, name, &type, err));
    if (every || within)
        type = SLICE("longrope");
    if (!type.text)
        type = json_object_get(scaling, "factor") ? SLICE("linear") : SLICE("none");
    if (slice_is(type, "none"))
        type = SLICE("default");
    json_object_set_new(scaling, "rope_type", json_stringn(type.text, type.length));
    if (every) { /* for all lengths of text, without a change of amplitude */
        json_object_set_new(scaling, "factor", json_real(1));
        json_object_set_new(scaling, "attention_factor", json_real(1));
        json_object_del(scaling, "original_max_position_embeddings");
    }
    return every || within ? add_divisors(r, scaling, every ? every : within, err) : STATUS_OK;
}

/* The share of a head of which `turning` of `size` elements turn, so that lm_config_rotary_size finds them again. */
static double share_of(double turning, double size)
{
    double share = turning / size;
    return floor(share * size) < turning ? nextafter(share, 2) : share;
}

static status add_rope(const reading *r, error *err)
{
    const lm_family *f = r->row->family;
    double theta, local, turning, size, hidden_per_head;
    if (!f->theta_key)
        return STATUS_OK;
    hidden_per_head = json_number_value(json_object_get(r->root, key_of(f, offsetof(lm_config, hidden))->name)) /
                      json_number_value(json_object_get(r->root, key_of(f, offsetof(lm_config, heads))->name));
    TRY(read_number_or(r, "attention.key_length", hidden_per_head, &size, err));
    TRY(read_number_or(r, "rope.dimension_count", size, &turning, err));
    TRY(read_number_or(r, "rope.freq_base", 10000, &theta, err));
    TRY(read_number_or(r, "rope.freq_base_swa", 10000, &local, err));
    if (!(size >= 1 && turning >= 1 && turning <= size))
        return wrong_number(r, "rope.dimension_count", turning, err);
    json_object_set_new(r->root, f->theta_key, json_real(theta));
    json_object_set_new(r->root, f->share_key, json_real(share_of(turning, size)));
    if (f->rope_local_theta > 0)
        json_object_set_new(r->root, "rope_local_base_freq", json_real(local));
    json_t *scaling = json_object();
    json_object_set_new(r->root, "rope_scaling", scaling);
    return read_scaling(r, scaling, err);
}

/* ---- windows ---- */

/* "attention.sliding_window_pattern": every how many layers one sees everything, or for each whether it has the window. */
static status add_pattern(const reading *r, error *err)
{
    char name[KEY_MAX];
    const gguf_value *v = gguf_find(r->file, full_key(r, "attention.sliding_window_pattern", name));
    int64_t cycle;
    if (!v)
        return STATUS_OK;
    if (v->type != GGUF_ARRAY) {
        TRY(gguf_int(r->file, name, &cycle, err));
        json_object_set_new(r->root, "sliding_window_pattern", json_integer(cycle));
        return STATUS_OK;
    }
    json_t *types = json_array();
    json_object_set_new(r->root, "layer_types", types);
    size_t size = v->count ? v->bytes.length / v->count : 0;
    for (size_t i = 0; i < v->count && i <= LM_LAYERS_MAX; i++) {
        bool windowed = false;
        for (size_t k = 0; k < size; k++)
            windowed = windowed || v->bytes.text[i * size + k];
        json_array_append_new(types, json_string(windowed ? "sliding_attention" : "full_attention"));
    }
    return STATUS_OK;
}

/* A window where the architecture's first row has none: another row may (Mistral's is Llama's with one). */
static status add_windows(reading *r, error *err)
{
    double window;
    TRY(read_number_or(r, "attention.sliding_window", r->row->window, &window, err));
    lm_windows kind = r->row->family->windows;
    if (window > 0 && (kind == LM_WINDOWS_NONE || kind == LM_WINDOWS_UPPER)) {
        const lm_gguf *row = r->row + 1, *end = lm_ggufs + lm_gguf_count;
        if (row == end || strcmp(row->architecture, r->row->architecture) != 0)
            return error_set(err, STATUS_UNSUPPORTED, "%s: \"%s.attention.sliding_window\" is %g; windows are not supported for this "
                             "architecture", gguf_name(r->file), r->row->architecture, window);
        r->row = row;
    }
    if (window != floor(window) || window < 0 || window > 1 << 24)
        return wrong_number(r, "attention.sliding_window", window, err);
    json_object_set_new(r->root, "sliding_window", window > 0 ? json_integer((json_int_t)window) : json_null());
    return add_pattern(r, err);
}

/* ---- special tokens ---- */

/* Tokens that end an answer by what they are called: files of chat models often name another one as eos_token_id. */
static const char *const endings[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
                                      "<|eom_id|>", "<EOT>"};

static void add_end(json_t *list, int64_t id)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == id)
            return;
    if (id >= 0)
        json_array_append_new(list, json_integer(id));
}

/* Tokens with such names that are control tokens (3). */
static status add_named_ends(const reading *r, json_t *list, error *err)
{
    slice *tokens;
    int64_t *types;
    size_t count, type_count;
    if (!gguf_find(r->file, "tokenizer.ggml.tokens") || !gguf_find(r->file, "tokenizer.ggml.token_type"))
        return STATUS_OK;
    arena *a = arena_new(NULL);
    status result = gguf_strings(r->file, a, "tokenizer.ggml.tokens", &tokens, &count, err);
    if (result == STATUS_OK)
        result = gguf_ints(r->file, a, "tokenizer.ggml.token_type", &types, &type_count, err);
    for (size_t i = 0; result == STATUS_OK && i < count && i < type_count; i++)
        for (size_t k = 0; types[i] == 3 && k < COUNT_OF(endings); k++)
            if (slice_is(tokens[i], endings[k]))
                add_end(list, (int64_t)i);
    arena_free(a);
    return result;
}

static status add_tokens(const reading *r, error *err)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    int64_t id;
    json_t *list = json_array();
    json_object_set_new(r->root, "eos_token_id", list);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        TRY(gguf_int_or(r->file, ends[i], -1, &id, err));
        add_end(list, id);
    }
    TRY(add_named_ends(r, list, err));
    TRY(gguf_int_or(r->file, "tokenizer.ggml.bos_token_id", -1, &id, err));
    json_object_set_new(r->root, "bos_token_id", json_integer(id));
    TRY(gguf_int_or(r->file, "tokenizer.ggml.padding_token_id", -1, &id, err));
    json_object_set_new(r->root, "pad_token_id", json_integer(id));
    return STATUS_OK;
}

/* ---- the whole ---- */

status gguf_model_row(const gguf *g, const lm_gguf **out, error *err)
{
    slice architecture;
    TRY(gguf_string(g, "general.architecture", &architecture, err));
    for (size_t i = 0; i < lm_gguf_count; i++)
        if (slice_is(architecture, lm_ggufs[i].architecture)) {
            *out = &lm_ggufs[i];
            return STATUS_OK;
        }
    strbuf known = strbuf_new(NULL, 1 << 12);
    for (size_t i = 0; i < lm_gguf_count; i++)
        if (i == 0 || strcmp(lm_ggufs[i].architecture, lm_ggufs[i - 1].architecture) != 0)
            strbuf_printf(&known, "%s%s", i ? ", " : "", lm_ggufs[i].architecture);
    size_t shown = architecture.length < 64 ? architecture.length : 64;
    error_set(err, STATUS_UNSUPPORTED, "%s: the architecture \"%.*s\" is not supported", gguf_name(g), (int)shown, architecture.text);
    error_hint(err, "these are: %s", known.text ? known.text : "");
    strbuf_free(&known);
    return STATUS_UNSUPPORTED;
}

static status fill(reading *r, error *err)
{
    TRY(refuse_others(r, err));
    for (size_t i = 0; i < gguf_model_key_count; i++)
        TRY(add_key(r, &gguf_model_keys[i], err));
    TRY(add_shape(r, err));
    TRY(add_rope(r, err));
    TRY(add_windows(r, err));
    return add_tokens(r, err);
}

status gguf_model_config(const gguf *g, lm_config *out, error *err)
{
    reading r = {.file = g, .root = json_object()};
    status result = gguf_model_row(g, &r.row, err);
    if (result == STATUS_OK)
        result = fill(&r, err);
    if (result == STATUS_OK)
        result = lm_config_parse_as(r.row->family, r.root, gguf_name(g), out, err);
    json_decref(r.root);
    return result;
}
