#include "lm/config.h"

#include "core/jsonio.h"
#include "lm/families.h"
#include "lm/tokenizer.h"

#include <math.h>
#include <string.h>

lm_config lm_config_base(int vocabulary)
{
    return (lm_config){.family = lm_family_find("LlamaForCausalLM", NULL), .vocabulary = vocabulary, .hidden = 256,
                       .intermediate = 704, .layers = 4, .heads = 4, .kv_heads = 2, .head_size = 64, .context = 1024,
                       .rope_theta = 10000, .rotary_share = 1, .norm_epsilon = 1e-5, .init_range = 0.02, .tied = true,
                       .type = TYPE_BF16, .bos = TOKEN_BEGIN, .pad = TOKEN_PAD, .eos = {TOKEN_END}, .eos_count = 1};
}

/* Several words of config.json mean one activation; the first is the one that is written. */
static const struct {
    const char *word;
    lm_activation activation;
} activations[] = {
    {"silu", LM_SILU}, {"swish", LM_SILU}, {"gelu", LM_GELU}, {"gelu_python", LM_GELU},
    {"gelu_pytorch_tanh", LM_GELU_TANH}, {"gelu_new", LM_GELU_TANH}, {"gelu_fast", LM_GELU_TANH}, {"relu", LM_RELU},
};

/* What a key's value lies in. */
static int *int_at(const lm_config *c, const lm_key *k)
{
    return (int *)(void *)((char *)(uintptr_t)c + k->offset);
}

static double *double_at(const lm_config *c, const lm_key *k)
{
    return (double *)(void *)((char *)(uintptr_t)c + k->offset);
}

static bool *bool_at(const lm_config *c, const lm_key *k)
{
    return (bool *)(void *)((char *)(uintptr_t)c + k->offset);
}

static lm_activation *activation_at(const lm_config *c, const lm_key *k)
{
    return (lm_activation *)(void *)((char *)(uintptr_t)c + k->offset);
}

static bool present(const json_t *value)
{
    return value && !json_is_null(value);
}

/* ---- one function for reading and one for writing each kind of key ---- */

static status read_size(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    int64_t number = 0;
    if (k->needed || present(json_object_get(root, k->name))) {
        TRY(jsonio_get_int(root, k->name, name, &number, err));
        if ((double)number < k->least || (double)number > k->most)
            return error_set(err, STATUS_INVALID, "%s: %s is %lld; expected %.0f to %.0f", name, k->name, (long long)number,
                             k->least, k->most);
    }
    *int_at(c, k) = (int)number;
    return STATUS_OK;
}

static status read_number(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    const json_t *value = json_object_get(root, k->name);
    *double_at(c, k) = value ? 0 : k->fallback;
    return present(value) ? jsonio_get_number(root, k->name, name, double_at(c, k), err) : STATUS_OK;
}

static status read_flag(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    const json_t *value = json_object_get(root, k->name);
    if (present(value) && !json_is_boolean(value))
        return error_set(err, STATUS_INVALID, "%s: %s: expected true or false", name, k->name);
    bool inverse = k->kind == LM_KEY_FLAG_NOT;
    *bool_at(c, k) = present(value) ? json_is_true(value) != inverse : k->fallback != 0;
    return STATUS_OK;
}

static status read_activation(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    const json_t *value = json_object_get(root, k->name);
    const char *word = json_string_value(value);
    *activation_at(c, k) = (lm_activation)k->fallback;
    if (!present(value))
        return STATUS_OK;
    for (size_t i = 0; word && i < COUNT_OF(activations); i++)
        if (strcmp(activations[i].word, word) == 0) {
            *activation_at(c, k) = activations[i].activation;
            return STATUS_OK;
        }
    if (!word)
        return error_set(err, STATUS_INVALID, "%s: %s: expected a text", name, k->name);
    error_set(err, STATUS_UNSUPPORTED, "%s: the activation %s (%s) is not supported", name, word, k->name);
    return error_hint(err, "silu, gelu, gelu_new, gelu_pytorch_tanh and relu are");
}

static status read_refused(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    (void)c;
    if (!json_is_true(json_object_get(root, k->name)))
        return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "%s: a model with %s is not supported", name, k->name);
}

static status read_none(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    (void)root, (void)name, (void)k, (void)c, (void)err;
    return STATUS_OK;
}

static status number_in(const json_t *object, const char *key, const char *name, double *out, error *err)
{
    return present(json_object_get(object, key)) ? jsonio_get_number(object, key, name, out, err) : STATUS_OK;
}

/* New files nest everything in "rope_parameters", some by kind of layer; old ones have keys of the root and "rope_scaling"
 * (which may be there as well as the new object: the new one counts). */
static status read_rope(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    (void)k;
    const lm_family *f = c->family;
    const json_t *all = json_object_get(root, "rope_parameters"), *scaled = all, *local = NULL;
    c->rope_theta = f->rope_theta;
    c->rope_local_theta = f->rope_local_theta;
    c->rotary_share = f->rotary_share;
    TRY(number_in(root, f->theta_key, name, &c->rope_theta, err));
    TRY(number_in(root, f->share_key, name, &c->rotary_share, err));
    if (f->rope_local_theta > 0)
        TRY(number_in(root, "rope_local_base_freq", name, &c->rope_local_theta, err));
    if (!json_is_object(all))
        scaled = json_object_get(root, "rope_scaling");
    if (json_object_get(all, "full_attention") || json_object_get(all, "sliding_attention")) {
        scaled = json_object_get(all, "full_attention");
        local = json_object_get(all, "sliding_attention");
        if (f->rope_local_theta == 0)
            return error_set(err, STATUS_UNSUPPORTED, "%s: rope_parameters by kind of layer are not supported for %s", name,
                             f->architecture);
    }
    TRY(number_in(scaled, "rope_theta", name, &c->rope_theta, err));
    TRY(number_in(scaled, "partial_rotary_factor", name, &c->rotary_share, err));
    if (json_is_object(local)) {
        lm_rope plain;
        TRY(number_in(local, "rope_theta", name, &c->rope_local_theta, err));
        TRY(lm_rope_parse(local, name, c->context, 0, &plain, err));
        if (plain.kind != LM_ROPE_DEFAULT)
            return error_set(err, STATUS_UNSUPPORTED, "%s: scaled rotary positions of layers with a window are not supported",
                             name);
    }
    if (!present(scaled))
        return STATUS_OK;
    double original = 0;
    TRY(number_in(root, "original_max_position_embeddings", name, &original, err));
    TRY(lm_rope_parse(scaled, name, c->context, original, &c->rope, err));
    if (c->rope.kind == LM_ROPE_LONG && c->rope.original < c->context)
        c->context = (int)c->rope.original; /* said in lm/rope.h */
    return STATUS_OK;
}

static void set_window(lm_config *c, int layer)
{
    c->windowed[layer / 64] |= 1ull << layer % 64;
}

static status read_layer_types(const json_t *list, const char *name, lm_config *c, error *err)
{
    if (!json_is_array(list) || json_array_size(list) != (size_t)c->layers)
        return error_set(err, STATUS_INVALID, "%s: layer_types: expected a list of %d kinds, one for each layer", name, c->layers);
    for (int i = 0; i < c->layers; i++) {
        const char *word = json_string_value(json_array_get(list, (size_t)i));
        if (word && strcmp(word, "sliding_attention") == 0)
            set_window(c, i);
        else if (!word || strcmp(word, "full_attention") != 0)
            return error_set(err, STATUS_UNSUPPORTED, "%s: layer_types: layer %d has the kind %s; expected full_attention or "
                             "sliding_attention", name, i, word ? word : "(not a text)");
    }
    return STATUS_OK;
}

static status read_windows(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err)
{
    const lm_family *f = c->family;
    const json_t *types = json_object_get(root, "layer_types");
    lm_key size = {.name = k->name, .offset = k->offset, .least = 1, .most = 1 << 24};
    int64_t first = f->windows == LM_WINDOWS_UPPER ? 28 : 0, cycle = f->window_cycle;
    if (f->windows == LM_WINDOWS_UPPER && !json_is_true(json_object_get(root, "use_sliding_window")))
        return STATUS_OK; /* sliding_window is given and not in force */
    TRY(read_size(root, name, &size, c, err));
    if (f->windows == LM_WINDOWS_CYCLE && c->window == 0 && !json_object_get(root, k->name))
        c->window = 4096; /* Gemma's, where the key is left out */
    if (c->window == 0)
        return STATUS_OK;
    if (present(types) && f->windows != LM_WINDOWS_ALL)
        return read_layer_types(types, name, c, err);
    if (present(json_object_get(root, "max_window_layers")))
        TRY(jsonio_get_int(root, "max_window_layers", name, &first, err));
    if (present(json_object_get(root, "sliding_window_pattern")))
        TRY(jsonio_get_int(root, "sliding_window_pattern", name, &cycle, err));
    if (f->windows == LM_WINDOWS_CYCLE && cycle < 1)
        return error_set(err, STATUS_INVALID, "%s: sliding_window_pattern is %lld; expected at least 1", name, (long long)cycle);
    for (int i = 0; i < c->layers; i++)
        if (f->windows == LM_WINDOWS_ALL || (f->windows == LM_WINDOWS_UPPER && i >= first) ||
            (f->windows == LM_WINDOWS_CYCLE && (i + 1) % cycle != 0))
            set_window(c, i);
    return STATUS_OK;
}

static void write_size(json_t *root, const lm_key *k, const lm_config *c)
{
    json_object_set_new(root, k->name, json_integer(*int_at(c, k)));
}

static void write_number(json_t *root, const lm_key *k, const lm_config *c)
{
    bool none = *double_at(c, k) == 0 && k->least == 0;
    json_object_set_new(root, k->name, none ? json_null() : json_real(*double_at(c, k)));
}

static void write_flag(json_t *root, const lm_key *k, const lm_config *c)
{
    json_object_set_new(root, k->name, json_boolean(*bool_at(c, k) != (k->kind == LM_KEY_FLAG_NOT)));
}

static void write_activation(json_t *root, const lm_key *k, const lm_config *c)
{
    size_t i = 0;
    while (activations[i].activation != *activation_at(c, k))
        i++;
    json_object_set_new(root, k->name, json_string(activations[i].word));
}

static void write_rope(json_t *root, const lm_key *k, const lm_config *c)
{
    (void)k;
    const lm_family *f = c->family;
    json_t *scaled = json_object();
    json_object_set_new(root, f->theta_key, json_real(c->rope_theta));
    lm_rope_write(&c->rope, scaled);
    json_object_set_new(scaled, "rope_theta", json_real(c->rope_theta));
    if (c->rotary_share != 1)
        json_object_set_new(scaled, "partial_rotary_factor", json_real(c->rotary_share));
    if (c->rope_local_theta > 0) {
        json_t *local = json_pack("{s:s, s:f}", "rope_type", "default", "rope_theta", c->rope_local_theta);
        scaled = json_pack("{s:o, s:o}", "full_attention", scaled, "sliding_attention", local);
    }
    json_object_set_new(root, "rope_parameters", scaled);
}

static void write_windows(json_t *root, const lm_key *k, const lm_config *c)
{
    lm_windows kind = c->family->windows;
    json_object_set_new(root, k->name, c->window ? json_integer(c->window) : json_null());
    if (kind == LM_WINDOWS_UPPER)
        json_object_set_new(root, "use_sliding_window", json_boolean(c->window > 0));
    if (kind == LM_WINDOWS_ALL)
        return;
    json_t *types = json_array();
    for (int i = 0; i < c->layers; i++)
        json_array_append_new(types, json_string(lm_config_window(c, i) ? "sliding_attention" : "full_attention"));
    json_object_set_new(root, "layer_types", types);
}

static void write_false(json_t *root, const lm_key *k, const lm_config *c)
{
    (void)c;
    json_object_set_new(root, k->name, json_false());
}

static void write_zero(json_t *root, const lm_key *k, const lm_config *c)
{
    (void)c;
    json_object_set_new(root, k->name, json_real(0));
}

static const struct {
    status (*read)(const json_t *root, const char *name, const lm_key *k, lm_config *c, error *err);
    void (*write)(json_t *root, const lm_key *k, const lm_config *c);
} kinds[] = {
    [LM_KEY_SIZE] = {read_size, write_size},
    [LM_KEY_NUMBER] = {read_number, write_number},
    [LM_KEY_FLAG] = {read_flag, write_flag},
    [LM_KEY_FLAG_NOT] = {read_flag, write_flag},
    [LM_KEY_ACTIVATION] = {read_activation, write_activation},
    [LM_KEY_ROPE] = {read_rope, write_rope},
    [LM_KEY_WINDOWS] = {read_windows, write_windows},
    [LM_KEY_REFUSED] = {read_refused, write_false},
    [LM_KEY_ZERO] = {read_none, write_zero},
};

/* ---- what must hold ---- */

static status check_key(const lm_config *c, const lm_key *k, const char *name, error *err)
{
    double value = k->kind == LM_KEY_SIZE ? *int_at(c, k) : *double_at(c, k);
    if (value >= k->least && value <= k->most)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s: %s is %g; expected %g to %g", name, k->name, value, k->least, k->most);
}

static status check_rope(const lm_config *c, const char *name, error *err)
{
    if (!c->family->theta_key)
        return STATUS_OK;
    if (c->head_size % 2 != 0)
        return error_set(err, STATUS_INVALID, "%s: head_dim is %d; rotary positions need an even number", name, c->head_size);
    if (!(c->rope_theta > 1e-6) || !(c->rope_local_theta >= 0) || c->rope_theta > 1e30 || c->rope_local_theta > 1e30)
        return error_set(err, STATUS_INVALID, "%s: rope_theta is %g; expected a number above 0", name, c->rope_theta);
    int turning = lm_config_rotary_size(c);
    if (!(c->rotary_share > 0 && c->rotary_share <= 1) || turning < 2 || turning % 2 != 0)
        return error_set(err, STATUS_INVALID, "%s: %s is %g: of %d elements of a head %d turn; expected an even number",
                         name, c->family->share_key, c->rotary_share, c->head_size, turning);
    if (c->rope.kind == LM_ROPE_LONG && c->rope.divisor_count != turning / 2)
        return error_set(err, STATUS_INVALID, "%s: short_factor has %d numbers, and %d pairs of elements turn", name,
                         c->rope.divisor_count, turning / 2);
    return STATUS_OK;
}

status lm_config_check(const lm_config *c, const char *name, error *err)
{
    for (size_t i = 0; i < c->family->key_count; i++) {
        const lm_key *k = &c->family->keys[i];
        if (k->kind == LM_KEY_SIZE || k->kind == LM_KEY_NUMBER)
            TRY(check_key(c, k, name, err));
    }
    if (c->heads % c->kv_heads != 0)
        return error_set(err, STATUS_INVALID, "%s: %d attention heads are not a multiple of %d key-value heads", name,
                         c->heads, c->kv_heads);
    if (c->head_size < 1 || c->head_size > 1024)
        return error_set(err, STATUS_INVALID, "%s: the size of a head is %d; expected 1 to 1024", name, c->head_size);
    TRY(check_rope(c, name, err));
    if (c->likelihood && (!c->tied || c->labels != 1))
        return error_set(err, STATUS_UNSUPPORTED, "%s: a preference model that reads the likelihood of a reply (reads_likelihood) has one label, and "
                                                  "its embedding as head of words (tie_word_embeddings)", name);
    if (c->type != TYPE_BF16 && c->type != TYPE_F32)
        return error_set(err, STATUS_UNSUPPORTED, "%s: weights of type %s are not supported; expected bf16 or f32", name,
                         element_word(c->type));
    return STATUS_OK;
}

/* ---- the whole ---- */

/* What models for sequences are called in place of "...ForCausalLM". */
#define LANGUAGE "ForCausalLM"
#define SEQUENCE "ForSequenceClassification"

static bool is_for_sequences(const json_t *root)
{
    const char *first = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    return first && slice_ends(slice_of(first), SLICE(SEQUENCE));
}

/* The family of "XForSequenceClassification" is that of "XForCausalLM". */
static const lm_family *family_of(const char *architecture, const char *type)
{
    char name[96];
    slice s = slice_of(architecture ? architecture : "");
    if (!slice_ends(s, SLICE(SEQUENCE)) || s.length >= sizeof name)
        return lm_family_find(architecture, type);
    snprintf(name, sizeof name, "%.*s" LANGUAGE, (int)(s.length - strlen(SEQUENCE)), s.text);
    return lm_family_find(name, type);
}

/* As `transformers` counts them: the names in id2label, else num_labels, else 2. */
static status read_labels(const json_t *root, const char *name, lm_config *c, error *err)
{
    enum { MOST = 1 << 16 };
    int64_t count = 2;
    if (!is_for_sequences(root))
        return STATUS_OK;
    if (json_is_object(json_object_get(root, "id2label")))
        count = (int64_t)json_object_size(json_object_get(root, "id2label"));
    else if (present(json_object_get(root, "num_labels")))
        TRY(jsonio_get_int(root, "num_labels", name, &count, err));
    if (count < 1 || count > MOST)
        return error_set(err, STATUS_INVALID, "%s: expected 1 to %d labels, found %lld", name, MOST, (long long)count);
    c->labels = (int)count;
    c->likelihood = json_is_true(json_object_get(root, "reads_likelihood"));
    return STATUS_OK;
}

static void write_labels(const lm_config *c, json_t *root)
{
    json_t *names = json_object(), *ids = json_object();
    for (int i = 0; i < c->labels; i++) {
        char id[16], label[32];
        snprintf(id, sizeof id, "%d", i);
        snprintf(label, sizeof label, "LABEL_%d", i);
        json_object_set_new(names, id, json_string(label));
        json_object_set_new(ids, label, json_integer(i));
    }
    json_object_set_new(root, "id2label", names);
    json_object_set_new(root, "label2id", ids);
    if (c->likelihood)
        json_object_set_new(root, "reads_likelihood", json_true());
}

static status read_architecture(const json_t *root, const char *name, const lm_family **family, error *err)
{
    const json_t *list = json_object_get(root, "architectures");
    const char *first = json_string_value(json_array_get(list, 0));
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!first && !type)
        return error_set(err, STATUS_INVALID, "%s: neither \"architectures\" nor \"model_type\" says what the model is", name);
    *family = family_of(first, type);
    if (*family)
        return STATUS_OK;
    strbuf known = strbuf_new(NULL, 1 << 12);
    lm_family_list(&known);
    error_set(err, STATUS_UNSUPPORTED, "%s: the architecture %s is not supported", name, first ? first : type);
    error_hint(err, "these are: %s", known.text ? known.text : "");
    strbuf_free(&known);
    return STATUS_UNSUPPORTED;
}

/* What files leave out because it follows from the rest. */
static status derive_sizes(const char *name, lm_config *c, error *err)
{
    if (c->kv_heads == 0)
        c->kv_heads = c->heads;
    if (c->intermediate == 0)
        c->intermediate = 4 * c->hidden;
    if (c->head_size == 0) {
        if (c->hidden % c->heads != 0)
            return error_set(err, STATUS_INVALID, "%s: the hidden size %d is not a multiple of %d heads, and head_dim is missing",
                             name, c->hidden, c->heads);
        c->head_size = c->hidden / c->heads;
    }
    return STATUS_OK;
}

static int token_id(const json_t *value)
{
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    return id >= 0 && id < INT32_MAX ? (int)id : -1;
}

static void read_tokens(const json_t *root, lm_config *c)
{
    const json_t *eos = json_object_get(root, "eos_token_id");
    c->bos = token_id(json_object_get(root, "bos_token_id"));
    c->pad = token_id(json_object_get(root, "pad_token_id"));
    c->eos_count = 0;
    size_t count = json_is_array(eos) ? json_array_size(eos) : 1;
    for (size_t i = 0; i < count && c->eos_count < LM_EOS_MAX; i++) {
        int id = token_id(json_is_array(eos) ? json_array_get(eos, i) : eos);
        if (id >= 0)
            c->eos[c->eos_count++] = id;
    }
}

status lm_config_parse(const json_t *root, const char *name, lm_config *out, error *err)
{
    const lm_family *family = NULL;
    if (!json_is_object(root))
        return error_set(err, STATUS_INVALID, "%s: expected a JSON object", name);
    TRY(read_architecture(root, name, &family, err));
    return lm_config_parse_as(family, root, name, out, err);
}

status lm_config_parse_as(const lm_family *family, const json_t *root, const char *name, lm_config *out, error *err)
{
    lm_config c = {.family = family, .type = TYPE_F32};
    if (present(json_object_get(root, "quantization_config"))) {
        const char *method = json_string_value(json_object_get(json_object_get(root, "quantization_config"), "quant_method"));
        return error_set(err, STATUS_UNSUPPORTED, "%s: weights quantised by %s (quantization_config) are not supported", name,
                         method ? method : "an unknown method");
    }
    for (size_t i = 0; i < c.family->key_count; i++) {
        const lm_key *k = &c.family->keys[i];
        TRY(kinds[k->kind].read(root, name, k, &c, err));
    }
    TRY(derive_sizes(name, &c, err));
    TRY(read_labels(root, name, &c, err));
    const char *type = json_string_value(json_object_get(root, "dtype"));
    if (!type)
        type = json_string_value(json_object_get(root, "torch_dtype"));
    if (type && strcmp(type, "bfloat16") == 0)
        c.type = TYPE_BF16;
    read_tokens(root, &c);
    TRY(lm_config_check(&c, name, err));
    *out = c;
    return STATUS_OK;
}

status lm_config_read(const char *path, lm_config *out, error *err)
{
    json_t *root;
    TRY(jsonio_read(path, 16 << 20, &root, err));
    status result = lm_config_parse(root, path, out, err);
    json_decref(root);
    return result;
}

json_t *lm_config_json(const lm_config *c)
{
    json_t *root = json_object(), *eos = json_array();
    slice stem = slice_of(c->family->architecture);
    if (c->labels && slice_ends(stem, SLICE(LANGUAGE)))
        json_object_set_new(root, "architectures",
                            json_pack("[o]", json_sprintf("%.*s" SEQUENCE, (int)(stem.length - strlen(LANGUAGE)), stem.text)));
    else
        json_object_set_new(root, "architectures", json_pack("[s]", c->family->architecture));
    if (c->labels)
        write_labels(c, root);
    json_object_set_new(root, "model_type", json_string(c->family->model_type));
    for (size_t i = 0; i < c->family->key_count; i++)
        kinds[c->family->keys[i].kind].write(root, &c->family->keys[i], c);
    json_object_set_new(root, "dtype", json_string(c->type == TYPE_BF16 ? "bfloat16" : "float32"));
    json_object_set_new(root, "use_cache", json_true());
    for (int i = 0; i < c->eos_count; i++)
        json_array_append_new(eos, json_integer(c->eos[i]));
    json_object_set_new(root, "bos_token_id", c->bos >= 0 ? json_integer(c->bos) : json_null());
    json_object_set_new(root, "pad_token_id", c->pad >= 0 ? json_integer(c->pad) : json_null());
    if (c->eos_count == 1)
        json_object_set(root, "eos_token_id", json_array_get(eos, 0));
    else
        json_object_set(root, "eos_token_id", eos);
    json_decref(eos);
    return root;
}

void lm_config_describe(const lm_config *c, strbuf *out)
{
    strbuf_printf(out, "rope_theta=%.17g norm_epsilon=%.17g\n", c->rope_theta, c->norm_epsilon);
    lm_config plain = lm_config_base(c->vocabulary);
    bool scaled = c->rope.kind != LM_ROPE_DEFAULT;
    if (c->family == plain.family && !scaled && c->activation == plain.activation && c->rotary_share == 1)
        return; /* the rest of a plain Llama shows in its weights; its identity is older than the other families */
    json_t *all = lm_config_json(c);
    static const char *const inessential[] = {"dtype", "use_cache", "initializer_range", "bos_token_id", "eos_token_id",
                                              "pad_token_id", "max_position_embeddings", "n_positions"};
    for (size_t i = 0; i < COUNT_OF(inessential); i++)
        json_object_del(all, inessential[i]);
    jsonio_canonical(all, out, NULL);
    strbuf_add_char(out, '\n');
    json_decref(all);
}

/* ---- what layers have ---- */

int lm_config_window(const lm_config *c, int layer)
{
    return c->windowed[layer / 64] >> layer % 64 & 1 ? c->window : 0;
}

double lm_config_scale(const lm_config *c, int layer)
{
    double scale = c->unscaled_scores ? 1 : 1 / sqrt(c->query_scalar > 0 ? c->query_scalar : c->head_size);
    return c->scores_by_layer ? scale / (layer + 1) : scale;
}

int lm_config_rotary_size(const lm_config *c)
{
    return (int)(c->head_size * c->rotary_share);
}
