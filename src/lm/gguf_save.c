#include "lm/gguf_save.h"

#include "kernels/quant.h"
#include "lm/gguf_model.h"

#include <math.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 96 };

typedef struct saving {
    arena *arena;
    const checkpoint *model;
    const lm_config *config;
    const lm_gguf *row;
    gguf_writer *out;
    gguf_tensor_type type;
    gguf_tensor_type *types; /* [lm_weight_count] */
    const float *divisors;   /* of rotary positions, as tensors in front of the weights; NULL: none */
    size_t divisor_count, divisor_tensors;
} saving;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a GGUF file");
}

/* ---- keys ---- */

static const char *full_key(const saving *s, const char *key, char out[NAME_MAX_LENGTH])
{
    snprintf(out, NAME_MAX_LENGTH, "%s.%s", s->row->architecture, key);
    return out;
}

static void put_int(const saving *s, const char *key, int64_t value)
{
    char name[NAME_MAX_LENGTH];
    gguf_put_int(s->out, full_key(s, key, name), (uint32_t)value);
}

static void put_number(const saving *s, const char *key, double value)
{
    char name[NAME_MAX_LENGTH];
    gguf_put_number(s->out, full_key(s, key, name), value);
}

static void put_key(const saving *s, const gguf_model_key *k)
{
    char name[NAME_MAX_LENGTH];
    const lm_key *own = gguf_model_key_of(s->config->family, k);
    const char *at = (const char *)s->config + k->offset;
    if (!own)
        return;
    if (own->kind == LM_KEY_SIZE)
        put_int(s, k->key, *(const int *)(const void *)at);
    else if (own->kind == LM_KEY_FLAG)
        gguf_put_flag(s->out, full_key(s, k->key, name), *(const bool *)at);
    else if (*(const double *)(const void *)at != own->fallback || k->needed)
        put_number(s, k->key, *(const double *)(const void *)at);
}

/* ---- rotary positions ---- */

/* The divisors by which the plain angles become those of the model. */
static status find_divisors(saving *s, error *err)
{
    static const lm_rope plain;
    const lm_config *c = s->config;
    int size = lm_config_rotary_size(c);
    size_t half = (size_t)size / 2;
    float *from = ARENA_ARRAY(s->arena, float, half), *to = ARENA_ARRAY(s->arena, float, half);
    float *divisors = ARENA_ARRAY(s->arena, float, half);
    if (!from || !to || !divisors)
        return no_memory(err);
    lm_rope_frequencies(&plain, size, c->rope_theta, from);
    double amplitude = lm_rope_frequencies(&c->rope, size, c->rope_theta, to);
    for (size_t i = 0; i < half; i++)
        divisors[i] = c->rope.divisor_count ? c->rope.divisors[i] : from[i] / to[i];
    s->divisors = divisors;
    s->divisor_count = half;
    s->divisor_tensors = strcmp(s->row->architecture, "phi3") == 0 ? 2 : 1;
    if (s->divisor_tensors == 2) {
        put_int(s, "rope.scaling.original_context_length", (int64_t)c->rope.original);
        put_number(s, "rope.scaling.attn_factor", amplitude);
    } else if (fabs(amplitude - 1) > 1e-6) {
        return error_set(err, STATUS_UNSUPPORTED, "%s: rotary positions with an amplitude of %g have no place in a GGUF file of the "
                         "architecture %s", s->model->name, amplitude, s->row->architecture);
    }
    return STATUS_OK;
}

static status put_scaling(saving *s, error *err)
{
    const lm_rope *r = &s->config->rope;
    char name[NAME_MAX_LENGTH];
    switch (r->kind) {
    case LM_ROPE_DEFAULT:
    case LM_ROPE_DYNAMIC: /* changes nothing within the context */
    case LM_ROPE_KIND_COUNT:
        return STATUS_OK;
    case LM_ROPE_LLAMA3:
    case LM_ROPE_LONG:
        return find_divisors(s, err);
    case LM_ROPE_LINEAR:
    case LM_ROPE_YARN:
        break;
    }
    bool yarn = r->kind == LM_ROPE_YARN;
    gguf_put_text(s->out, full_key(s, "rope.scaling.type", name), yarn ? SLICE("yarn") : SLICE("linear"));
    put_number(s, "rope.scaling.factor", r->factor);
    if (!yarn)
        return STATUS_OK;
    put_int(s, "rope.scaling.original_context_length", (int64_t)r->original);
    put_number(s, "rope.scaling.yarn_beta_slow", r->low);
    put_number(s, "rope.scaling.yarn_beta_fast", r->high);
    if (r->attention_factor > 0)
        put_number(s, "rope.scaling.yarn_attn_factor", r->attention_factor);
    return STATUS_OK;
}

static status put_rope(saving *s, error *err)
{
    const lm_config *c = s->config;
    if (!c->family->theta_key)
        return STATUS_OK;
    put_number(s, "rope.freq_base", c->rope_theta);
    put_int(s, "rope.dimension_count", lm_config_rotary_size(c));
    if (c->rope_local_theta > 0)
        put_number(s, "rope.freq_base_swa", c->rope_local_theta);
    return put_scaling(s, err);
}

/* ---- windows, special tokens, chat templates ---- */

static void put_windows(const saving *s)
{
    const lm_config *c = s->config;
    const lm_family *f = c->family;
    char name[NAME_MAX_LENGTH];
    bool windowed[LM_LAYERS_MAX], usual = true;
    if (f->windows == LM_WINDOWS_NONE || f->windows == LM_WINDOWS_UPPER || (c->window == 0 && s->row->window == 0))
        return;
    put_int(s, "attention.sliding_window", c->window);
    if (f->windows != LM_WINDOWS_CYCLE || c->window == 0)
        return;
    for (int i = 0; i < c->layers; i++) {
        windowed[i] = lm_config_window(c, i) > 0;
        usual = usual && windowed[i] == ((i + 1) % f->window_cycle != 0);
    }
    if (!usual)
        gguf_put_flags(s->out, full_key(s, "attention.sliding_window_pattern", name), windowed, (size_t)c->layers);
}

static void put_tokens(const saving *s)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    const lm_config *c = s->config;
    if (c->bos >= 0)
        gguf_put_int(s->out, "tokenizer.ggml.bos_token_id", (uint32_t)c->bos);
    for (int i = 0; i < c->eos_count && i < (int)COUNT_OF(ends); i++)
        gguf_put_int(s->out, ends[i], (uint32_t)c->eos[i]);
    if (c->pad >= 0)
        gguf_put_int(s->out, "tokenizer.ggml.padding_token_id", (uint32_t)c->pad);
}

static status put_templates(const saving *s, error *err)
{
    const chat_files *chat = &s->model->chat;
    slice *names = ARENA_ARRAY(s->arena, slice, chat->template_count + 1);
    size_t count = 0;
    if (!names)
        return no_memory(err);
    for (size_t i = 0; i < chat->template_count; i++) {
        const chat_text *t = &chat->templates[i];
        bool usual = strcmp(t->name, "default") == 0;
        const char *key = usual ? "tokenizer.chat_template" : arena_printf(s->arena, "tokenizer.chat_template.%s", t->name);
        if (!key)
            return no_memory(err);
        if (!usual)
            names[count++] = slice_of(t->name);
        gguf_put_text(s->out, key, slice_of(t->text));
    }
    if (count)
        gguf_put_texts(s->out, "tokenizer.chat_templates", names, count);
    return STATUS_OK;
}

/* What the file of the model says of its tokenizer, as it is. */
static void copy_words(const saving *s, const gguf *from)
{
    for (size_t i = 0; i < gguf_key_count(from); i++)
        if (strncmp(gguf_value_at(from, i)->key, "tokenizer.", strlen("tokenizer.")) == 0)
            gguf_put_value(s->out, gguf_value_at(from, i));
}

static status put_words(const saving *s, error *err)
{
    const lm_config *c = s->config;
    if (s->model->gguf) {
        copy_words(s, s->model->gguf);
        return STATUS_OK;
    }
    TRY(tokenizer_put_gguf(s->model->tokenizer, (size_t)c->vocabulary, c->bos, c->eos_count ? c->eos[0] : -1, s->out, err));
    put_tokens(s);
    return put_templates(s, err);
}

/* ---- tensors ---- */

static const struct {
    gguf_tensor_type type;
    uint32_t number; /* general.file_type */
} file_types[] = {
    {GGUF_TENSOR_F32, 0}, {GGUF_TENSOR_F16, 1}, {GGUF_TENSOR_Q4_0, 2}, {GGUF_TENSOR_Q8_0, 7}, {GGUF_TENSOR_BF16, 32},
};

/* Rows and columns as the file has them. */
static void file_shape(const saving *s, const lm_weight *w, int64_t shape[2])
{
    bool turned = (s->config->family->traits & LM_CONV1D) && w->layer >= 0 && w->rank == 2;
    shape[0] = w->shape[turned ? 0 : w->rank - 1]; /* innermost first */
    shape[1] = w->rank == 1 ? 1 : w->shape[turned ? 1 : 0];
}

static gguf_tensor_type type_of(const saving *s, const lm_weight *w, int64_t columns)
{
    unsigned elements, bytes;
    if (w->rank == 1 || w->part == LM_POSITIONS)
        return GGUF_TENSOR_F32;
    if (gguf_tensor_block(s->type, &elements, &bytes) && columns % elements == 0)
        return s->type;
    return s->config->type == TYPE_BF16 ? GGUF_TENSOR_BF16 : GGUF_TENSOR_F16;
}

static status put_tensors(saving *s, gguf_saved *out, error *err)
{
    static const char *const divisor_names[2][2] = {{"rope_freqs.weight"}, {"rope_factors_long.weight", "rope_factors_short.weight"}};
    size_t count = lm_weight_count(s->config);
    if (!(s->types = ARENA_ARRAY(s->arena, gguf_tensor_type, count)))
        return no_memory(err);
    for (size_t i = 0; i < s->divisor_tensors; i++)
        gguf_put_tensor(s->out, divisor_names[s->divisor_tensors - 1][i], GGUF_TENSOR_F32, 1, (int64_t[]){(int64_t)s->divisor_count});
    for (size_t i = 0; i < count; i++) {
        char name[64];
        int64_t shape[2];
        lm_weight w = lm_weight_at(s->config, i);
        file_shape(s, &w, shape);
        s->types[i] = type_of(s, &w, shape[0]);
        gguf_put_tensor(s->out, gguf_model_name(&w, name), s->types[i], w.rank, shape);
        out->stored += w.rank == 2 && s->types[i] == s->type;
        out->others += w.rank == 2 && s->types[i] != s->type;
    }
    out->tensors = count + s->divisor_tensors;
    out->bytes = gguf_put_bytes(s->out);
    return STATUS_OK;
}

/* The values of a weight in the file's order: to [count]. */
static void arrange(const saving *s, const lm_weight *w, const float *from, float *to)
{
    unsigned own = s->config->family->traits, file = s->row->family->traits;
    size_t size = (size_t)s->config->head_size, count = (size_t)w->count, rows = (size_t)w->shape[0], columns = count / rows;
    bool queries = w->part == LM_Q || w->part == LM_Q_BIAS, keys = w->part == LM_K || w->part == LM_K_BIAS;
    bool fused = w->part == LM_QKV || w->part == LM_QKV_BIAS;
    memcpy(to, from, count * sizeof *to);
    if (w->role == LM_WEIGHT_NORM && (own & LM_NORM_PLUS_ONE) && !(file & LM_NORM_PLUS_ONE))
        for (size_t i = 0; i < count; i++)
            to[i] += 1;
    if ((own & LM_CONV1D) && !(file & LM_CONV1D) && w->rank == 2 && w->layer >= 0)
        for (size_t i = 0; i < count; i++)
            to[i % columns * rows + i / columns] = from[i];
    for (size_t row = 0; row < rows && s->row->paired && (queries || keys); row++) { /* half apart: neighbours */
        size_t i = row % size, place = row - i + i % (size / 2) * 2 + i / (size / 2);
        memcpy(to + place * columns, from + row * columns, columns * sizeof *to);
    }
    for (size_t row = 0; row < rows && fused && (own & LM_QKV_BY_HEAD) && !(file & LM_QKV_BY_HEAD); row++) {
        size_t head = row / (3 * size), which = row / size % 3;
        size_t place = (which * (size_t)s->config->heads + head) * size + row % size;
        memcpy(to + place * columns, from + row * columns, columns * sizeof *to);
    }
}

static status encode(const saving *s, const lm_weight *w, gguf_tensor_type type, const float *values, void *out, error *err)
{
    static const struct {
        gguf_tensor_type type;
        quant_format format;
    } formats[] = {{GGUF_TENSOR_F16, QUANT_F16}, {GGUF_TENSOR_Q8_0, QUANT_Q8_0}, {GGUF_TENSOR_Q4_0, QUANT_Q4_0}};
    size_t count = (size_t)w->count, i = 0;
    if (type == GGUF_TENSOR_F32) {
        memcpy(out, values, count * sizeof *values);
        return STATUS_OK;
    }
    if (type == GGUF_TENSOR_BF16) {
        for (size_t k = 0; k < count; k++)
            ((bf16 *)out)[k] = bf16_from_f32(values[k]);
        return STATUS_OK;
    }
    while (i < COUNT_OF(formats) && formats[i].type != type)
        i++;
    if (i == COUNT_OF(formats))
        BUG("no way to store %s", gguf_tensor_type_name(type));
    if (quant_store(formats[i].format, count, values, out))
        return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "%s: \"%s\" holds numbers that %s cannot store (too large, or none)", s->model->name, w->name,
                     gguf_tensor_type_name(type));
}

static status fill(void *context, size_t i, void *out, error *err)
{
    const saving *s = context;
    if (i < s->divisor_tensors) {
        memcpy(out, s->divisors, s->divisor_count * sizeof *s->divisors);
        return STATUS_OK;
    }
    i -= s->divisor_tensors;
    lm_weight w = lm_weight_at(s->config, i);
    float *values = memory_alloc(2 * (size_t)w.count * sizeof *values), *arranged = values + w.count;
    if (!values)
        return no_memory(err);
    status result = lm_tensor_to_f32(&s->model->weights[i], values, err);
    if (result == STATUS_OK) {
        arrange(s, &w, values, arranged);
        result = encode(s, &w, s->types[i], arranged, out, err);
    }
    memory_free(values);
    return result;
}

/* ---- the whole ---- */

static status find_row(saving *s, error *err)
{
    const lm_family *f = s->config->family;
    for (size_t i = 0; i < lm_gguf_count; i++)
        if (lm_ggufs[i].folder == f || lm_ggufs[i].family == f) {
            s->row = &lm_ggufs[i];
            return STATUS_OK;
        }
    return error_set(err, STATUS_UNSUPPORTED, "%s: models of the family %s have no form in GGUF files that is known", s->model->name,
                     f->architecture);
}

static status put_all(saving *s, gguf_saved *out, error *err)
{
    TRY(find_row(s, err));
    TRY(gguf_writer_new(s->arena, &s->out, err));
    gguf_put_text(s->out, "general.architecture", slice_of(s->row->architecture));
    gguf_put_text(s->out, "general.type", SLICE("model"));
    for (size_t i = 0; i < COUNT_OF(file_types); i++)
        if (file_types[i].type == s->type)
            gguf_put_int(s->out, "general.file_type", file_types[i].number);
    gguf_put_int(s->out, "general.quantization_version", 2);
    for (size_t i = 0; i < gguf_model_key_count; i++)
        put_key(s, &gguf_model_keys[i]);
    put_int(s, "attention.value_length", s->config->head_size);
    put_int(s, "vocab_size", s->config->vocabulary);
    TRY(put_rope(s, err));
    put_windows(s);
    TRY(put_words(s, err));
    return put_tensors(s, out, err);
}

status gguf_model_save(const char *path, const checkpoint *c, gguf_tensor_type type, gguf_saved *out, error *err)
{
    saving s = {.arena = arena_new(NULL), .model = c, .config = &c->config, .type = type};
    *out = (gguf_saved){0};
    status result = put_all(&s, out, err);
    if (result == STATUS_OK)
        result = gguf_write(s.out, path, fill, &s, err);
    arena_free(s.arena);
    return result;
}

/* ---- what a file that was written says ---- */

static bool alike(const json_t *a, const json_t *b)
{
    if (!b) /* a key that the file's family has not */
        return json_is_null(a) || json_is_false(a);
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return fabs(x - y) <= 1e-6 * fmax(fabs(x), fabs(y));
    }
    return json_equal(a, b);
}

static bool same_rotation(const lm_config *a, const lm_config *b)
{
    float x[LM_ROPE_DIVISORS * 8], y[LM_ROPE_DIVISORS * 8];
    int size = lm_config_rotary_size(a);
    if (size != lm_config_rotary_size(b) || size / 2 > (int)COUNT_OF(x))
        return false;
    double p = lm_rope_frequencies(&a->rope, size, a->rope_theta, x), q = lm_rope_frequencies(&b->rope, size, b->rope_theta, y);
    bool same = fabs(p - q) <= 1e-6 * p && fabs(a->rope_local_theta - b->rope_local_theta) <= 1e-6 * a->rope_local_theta;
    for (int i = 0; i < size / 2; i++)
        same = same && fabsf(x[i] - y[i]) <= 1e-6f * fabsf(x[i]);
    return same;
}

static bool ends_are_kept(const lm_config *a, const lm_config *b)
{
    bool all = true;
    for (int i = 0; i < a->eos_count; i++) {
        bool found = false;
        for (int k = 0; k < b->eos_count; k++)
            found = found || a->eos[i] == b->eos[k];
        all = all && found;
    }
    return all;
}

status gguf_model_check(const checkpoint *model, const checkpoint *written, error *err)
{
    static const char *const passed[] = {"architectures", "model_type", "dtype", "use_cache", "initializer_range", "rope_parameters", "rope_theta",
                                         "rotary_emb_base", "rotary_pct", "partial_rotary_factor", "bos_token_id", "eos_token_id",
                                         "pad_token_id"};
    const lm_config *a = &model->config, *b = &written->config;
    const char *lost = NULL, *key;
    json_t *from = lm_config_json(a), *to = lm_config_json(b), *value;
    json_object_foreach (from, key, value) {
        bool pass = false;
        for (size_t i = 0; i < COUNT_OF(passed); i++)
            pass = pass || strcmp(key, passed[i]) == 0;
        if (!lost && !pass && !alike(value, json_object_get(to, key)))
            lost = key;
    }
    if (!lost && a->family->theta_key && !same_rotation(a, b))
        lost = "rope_parameters";
    if (!lost && !ends_are_kept(a, b))
        lost = "eos_token_id";
    status result = lost ? error_set(err, STATUS_UNSUPPORTED, "%s: GGUF files cannot express \"%s\" of this model", model->name, lost)
                         : STATUS_OK;
    json_decref(from);
    json_decref(to);
    return result;
}
