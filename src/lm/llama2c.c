#include "lm/llama2c.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "lm/families.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x616b3432, HEADER = 256, BOS = 1, EOS = 2 };

/* ---- models ---- */

/* The order of weights in each version: of a part of layers, all layers one behind another. */
static const lm_part order_0[] = {LM_EMBEDDING, LM_ATTENTION_NORM, LM_Q, LM_K, LM_V, LM_O, LM_MLP_NORM, LM_GATE,
                                  LM_DOWN, LM_UP, LM_FINAL_NORM, LM_POSITIONS /* tables of angles */, LM_HEAD};
static const lm_part order_1[] = {LM_ATTENTION_NORM, LM_MLP_NORM, LM_FINAL_NORM, LM_EMBEDDING, LM_Q, LM_K, LM_V, LM_O,
                                  LM_GATE, LM_DOWN, LM_UP, LM_HEAD};
static const struct {
    const lm_part *parts;
    size_t count;
} orders[] = {{order_0, COUNT_OF(order_0)}, {order_1, COUNT_OF(order_1)}, {order_1, COUNT_OF(order_1)}};

typedef struct reader {
    slice bytes;
    size_t at;
    const char *name;
    int64_t group; /* version 2: weights that share a scale */
} reader;

static int32_t int_at(const char *bytes)
{
    int32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static float float_at(const char *bytes)
{
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static status read_header(reader *r, llama2c_model *out, error *err)
{
    int32_t sizes[7];
    bool old = r->bytes.length < 4 || (uint32_t)int_at(r->bytes.text) != MAGIC;
    if (r->bytes.length < (old ? sizeof sizes : HEADER))
        return error_set(err, STATUS_INVALID, "%s: expected a llama2.c model; the file ends in its header, after %zu bytes",
                         r->name, r->bytes.length);
    out->version = old ? 0 : int_at(r->bytes.text + 4);
    if (out->version > 2 || (!old && out->version < 1))
        return error_set(err, STATUS_UNSUPPORTED, "%s: version %d of llama2.c's models is not supported; 0, 1 and 2 are", r->name,
                         out->version);
    memcpy(sizes, r->bytes.text + (old ? 0 : 8), sizeof sizes);
    bool tied = old ? sizes[5] > 0 : r->bytes.text[36] != 0;
    lm_config c = {.family = lm_family_find("LlamaForCausalLM", NULL), .hidden = sizes[0], .intermediate = sizes[1],
                   .layers = sizes[2], .heads = sizes[3], .kv_heads = sizes[4],
                   .vocabulary = sizes[5] < 0 && sizes[5] > -INT32_MAX ? -sizes[5] : sizes[5], .context = sizes[6],
                   .norm_epsilon = 1e-5, .init_range = 0.02, .tied = tied, .rope_theta = 10000, .rotary_share = 1,
                   .type = TYPE_F32, .bos = BOS, .pad = -1, .eos = {EOS, BOS}, .eos_count = 2}; /* stories end at BOS */
    if (c.heads < 1 || c.hidden % c.heads != 0)
        return error_set(err, STATUS_INVALID, "%s: expected a llama2.c model; its header says %d heads of a width of %d", r->name,
                         c.heads, c.hidden);
    c.head_size = c.hidden / c.heads;
    r->group = out->version == 2 ? int_at(r->bytes.text + 37) : 0;
    r->at = old ? sizeof sizes : HEADER;
    out->config = c;
    if (out->version == 2 && (r->group < 1 || r->group > 1 << 20))
        return error_set(err, STATUS_INVALID, "%s: groups of %lld weights; expected at least 1", r->name, (long long)r->group);
    return lm_config_check(&c, r->name, err);
}

static int64_t bytes_of(const reader *r, const lm_weight *w)
{
    return r->group && w->rank == 2 ? w->count + w->count / r->group * 4 : w->count * 4;
}

/* What the file must hold, by its header; -1: a weight is not made of whole groups. */
static int64_t bytes_needed(const reader *r, const llama2c_model *m)
{
    const lm_config *c = &m->config;
    int64_t sum = (int64_t)r->at + (m->version == 0 ? (int64_t)c->context * c->head_size * 4 : 0);
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        lm_weight w = lm_weight_at(c, i);
        if (r->group && w.rank == 2 && w.count % r->group != 0)
            return -1;
        sum += bytes_of(r, &w);
    }
    return sum;
}

static void read_values(reader *r, const lm_weight *w, float *out)
{
    const char *from = r->bytes.text + r->at, *scales = from + w->count;
    for (int64_t i = 0; i < w->count; i++)
        out[i] = r->group && w->rank == 2 ? (float)(signed char)from[i] * float_at(scales + 4 * (i / r->group))
                                          : float_at(from + 4 * i);
    r->at += (size_t)bytes_of(r, w);
}

/* Rows 2i and 2i + 1 of a head become rows i and i + half. */
static void reorder_rows(const lm_config *c, const lm_weight *w, const float *from, float *to)
{
    int64_t columns = w->shape[1], half = c->head_size / 2;
    for (int64_t row = 0; row < w->shape[0]; row++) {
        int64_t head = row / c->head_size, i = row % c->head_size;
        memcpy(to + (head * c->head_size + i / 2 + (i % 2) * half) * columns, from + row * columns,
               (size_t)columns * sizeof(float));
    }
}

static status read_part(arena *a, reader *r, llama2c_model *m, lm_part part, int layer, error *err)
{
    const lm_config *c = &m->config;
    size_t i = lm_weight_find(c, part, layer);
    lm_weight w = lm_weight_at(c, i);
    float *values = ARENA_ARRAY(a, float, (size_t)w.count), *ordered = values;
    if (values && (part == LM_Q || part == LM_K))
        ordered = ARENA_ARRAY(a, float, (size_t)w.count);
    if (!values || !ordered)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", r->name);
    read_values(r, &w, values);
    if (ordered != values)
        reorder_rows(c, &w, values, ordered);
    m->values[i] = ordered;
    return STATUS_OK;
}

status llama2c_parse(arena *a, slice bytes, const char *name, llama2c_model *out, error *err)
{
    reader r = {.bytes = bytes, .name = name};
    llama2c_model m = {.version = 0};
    TRY(read_header(&r, &m, err));
    int64_t needed = bytes_needed(&r, &m);
    if (needed < 0)
        return error_set(err, STATUS_INVALID, "%s: the weights are not made of whole groups of %lld", name, (long long)r.group);
    if ((size_t)needed != bytes.length)
        return error_set(err, STATUS_INVALID, "%s: a llama2.c model with this header has %lld bytes; the file has %zu", name,
                         (long long)needed, bytes.length);
    if (!(m.values = ARENA_ARRAY(a, float *, lm_weight_count(&m.config))))
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    for (size_t k = 0; k < orders[m.version].count; k++) {
        lm_part part = orders[m.version].parts[k];
        if (part == LM_POSITIONS) {
            r.at += (size_t)m.config.context * (size_t)m.config.head_size * 4;
        } else if (lm_weight_find(&m.config, part, 0) != SIZE_MAX) {
            bool layered = lm_weight_at(&m.config, lm_weight_find(&m.config, part, 0)).layer >= 0;
            for (int layer = 0; layer < (layered ? m.config.layers : 1); layer++)
                TRY(read_part(a, &r, &m, part, layer, err));
        }
    }
    if (r.at != bytes.length)
        BUG("%zu of %zu bytes of a llama2.c model read", r.at, bytes.length);
    *out = m;
    return STATUS_OK;
}

/* ---- the folder ---- */

typedef struct conversion {
    const llama2c_model *model;
    json_t *tokenizer;
} conversion;

static status write_json(arena *a, const char *folder, const char *file, json_t *value, error *err)
{
    const char *path = file_join(a, folder, file);
    status result = path && value ? jsonio_write(path, value, 2, err) : error_set(err, STATUS_MEMORY, "out of memory");
    json_decref(value);
    return result;
}

static status write_folder(const char *folder, void *context, error *err)
{
    const conversion *c = context;
    const lm_config *config = &c->model->config;
    arena *a = arena_new(NULL);
    json_t *generation = json_pack("{s:i, s:[i, i]}", "bos_token_id", BOS, "eos_token_id", EOS, BOS);
    json_t *setting = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:i}", "tokenizer_class", "PreTrainedTokenizerFast", "bos_token",
                                "<s>", "eos_token", "</s>", "unk_token", "<unk>", "add_bos_token", 1,
                                "clean_up_tokenization_spaces", 0, "model_max_length", config->context);
    status result = write_json(a, folder, "config.json", lm_config_json(config), err);
    if (result == STATUS_OK)
        result = write_json(a, folder, "generation_config.json", json_incref(generation), err);
    if (result == STATUS_OK)
        result = write_json(a, folder, "tokenizer_config.json", json_incref(setting), err);
    if (result == STATUS_OK)
        result = write_json(a, folder, "tokenizer.json", json_incref(c->tokenizer), err);
    if (result == STATUS_OK)
        result = checkpoint_write_weights(folder, config, (const float *const *)c->model->values, err);
    json_decref(generation);
    json_decref(setting);
    arena_free(a);
    return result;
}

status llama2c_convert(const char *model, const char *words, const char *folder, llama2c_summary *out, error *err)
{
    arena *a = arena_new(NULL);
    llama2c_model m;
    conversion c = {.model = &m};
    slice bytes;
    status result = file_map(a, model, &bytes, err);
    if (result == STATUS_OK)
        result = llama2c_parse(a, bytes, model, &m, err);
    if (result == STATUS_OK)
        result = file_map(a, words, &bytes, err);
    if (result == STATUS_OK)
        result = llama2c_tokenizer(bytes, words, (size_t)m.config.vocabulary, &c.tokenizer, err);
    if (result == STATUS_OK) {
        result = checkpoint_write_folder(folder, write_folder, &c, err);
        json_decref(c.tokenizer);
        *out = (llama2c_summary){m.version, m.config};
    }
    arena_free(a);
    return result;
}
