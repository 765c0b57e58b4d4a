/* Opening checkpoints. */
#include "lm/checkpoint.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/embedded.h"
#include "lm/families.h"
#include "lm/gguf_model.h"
#include "lm/lora.h"

#include <string.h>

static status out_of_memory(const char *name, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
}

/* Where the model comes from: a folder, a GGUF file, or this program (folder NULL). */
typedef struct source {
    arena *arena;
    const char *folder, *name; /* folder: the file, where it is one */
    bool is_gguf;
    const char *const *adapters;
    size_t adapter_count;
} source;

/* A file's content, or an empty slice where `optional` and absent. *path gets its name for messages. */
static status source_read(const source *s, const char *file, bool optional, const char **path, slice *out, error *err)
{
    *out = (slice){0};
    *path = file_join(s->arena, s->folder ? s->folder : s->name, file);
    if (!*path)
        return out_of_memory(s->name, err);
    if (!s->folder) {
        if (!embedded_file(file, out) && !optional)
            return error_set(err, STATUS_NOT_FOUND, "the base model in this program has no %s", file);
        return STATUS_OK;
    }
    if (!file_exists(*path)) {
        if (optional)
            return STATUS_OK;
        error_set(err, STATUS_NOT_FOUND, "%s is missing", *path);
        return error_hint(err, "expected a Hugging Face checkpoint folder, such as `assay grow` writes");
    }
    return file_map(s->arena, *path, out, err);
}

static status read_config(const source *s, checkpoint *c, error *err)
{
    const char *path;
    slice text;
    json_t *root;
    TRY(source_read(s, "config.json", false, &path, &text, err));
    TRY(jsonio_parse(text, path, &root, err));
    status result = lm_config_parse(root, path, &c->config, err);
    json_decref(root);
    return result;
}

/* More ends of text may stand in generation_config.json than in config.json; both count. */
static status read_generation(const source *s, checkpoint *c, error *err)
{
    const char *path;
    slice text;
    TRY(source_read(s, "generation_config.json", true, &path, &text, err));
    if (!text.text)
        return STATUS_OK;
    json_t *root;
    TRY(jsonio_parse(text, path, &root, err));
    const json_t *eos = json_object_get(root, "eos_token_id");
    for (size_t i = 0; i < (json_is_array(eos) ? json_array_size(eos) : 1); i++) {
        const json_t *value = json_is_array(eos) ? json_array_get(eos, i) : eos;
        bool known = !json_is_integer(value);
        for (int k = 0; k < c->config.eos_count; k++)
            known = known || c->config.eos[k] == json_integer_value(value);
        if (!known && c->config.eos_count < LM_EOS_MAX)
            c->config.eos[c->config.eos_count++] = (int)json_integer_value(value);
    }
    json_decref(root);
    return STATUS_OK;
}

static status check_vocabulary(const checkpoint *c, const char *path, error *err)
{
    /* Special tokens may lie beyond (Gemma 3's of images do); a prompt with one is refused when it comes. */
    for (size_t id = (size_t)c->config.vocabulary; id < tokenizer_size(c->tokenizer); id++)
        if (!tokenizer_is_special(c->tokenizer, (int32_t)id))
            return error_set(err, STATUS_INVALID, "%s has %zu tokens, but the model's vocabulary has %d entries", path,
                             tokenizer_size(c->tokenizer), c->config.vocabulary);
    return STATUS_OK;
}

static status read_tokenizer(const source *s, checkpoint *c, error *err)
{
    const char *path;
    slice text;
    TRY(source_read(s, "tokenizer.json", s->folder != NULL, &path, &text, err));
    if (text.text) {
        TRY(tokenizer_parse(s->arena, text, path, &c->tokenizer, err));
    } else { /* old folders have only tokenizer.model, or vocab.json and merges.txt */
        path = s->folder;
        TRY(tokenizer_open(s->arena, s->folder, &c->tokenizer, err));
    }
    return check_vocabulary(c, path, err);
}

static status read_chat_file(void *context, const char *file, const char **path, slice *text, error *err)
{
    return source_read(context, file, true, path, text, err);
}

/* Tensors that some writers add and the graph does not need: tables of angles, masks, a head that is the embedding. */
static bool harmless(const lm_config *c, const char *name)
{
    static const char *const endings[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                                          ".attention.masked_bias"};
    slice s = slice_of(name);
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (slice_ends(s, slice_of(endings[i])))
            return true;
    return c->tied && (slice_is(s, "lm_head.weight") || slice_is(s, "embed_out.weight"));
}

/* The name under which a weight stands in this file: its own, its other one, or (files of a bare model, such as GPT-2's
 * as published) its own without the prefix. The first where none does. */
static const char *name_in_file(const safetensors *file, const lm_config *c, const lm_weight *w)
{
    size_t prefix = strlen(c->family->base);
    if (safetensors_find(file, w->name))
        return w->name;
    if (w->other && safetensors_find(file, w->other))
        return w->other;
    if (strncmp(w->name, c->family->base, prefix) == 0 && safetensors_find(file, w->name + prefix))
        return w->name + prefix;
    return w->name;
}

static status merge_adapters(const source *s, checkpoint *c, lm_tensor *weights, error *err)
{
    for (size_t i = 0; i < s->adapter_count; i++)
        TRY(lora_merge(s->arena, s->adapters[i], &c->config, weights, err));
    c->weights = weights;
    return STATUS_OK;
}

static status find_weights(const source *s, const safetensors *file, checkpoint *c, error *err)
{
    size_t count = lm_weight_count(&c->config), all = safetensors_count(file);
    lm_tensor *weights = ARENA_ARRAY(s->arena, lm_tensor, count);
    bool *used = ARENA_ARRAY(s->arena, bool, all + 1);
    if (!weights || !used)
        return out_of_memory(s->name, err);
    for (size_t i = 0; i < count; i++) {
        const safetensors_tensor *t;
        lm_weight w = lm_weight_at(&c->config, i);
        TRY(safetensors_expect(file, name_in_file(file, &c->config, &w), w.shape, w.rank, &t, err));
        weights[i] = lm_tensor_of(t);
        weights[i].mapped = s->folder != NULL;
        used[t - safetensors_at(file, 0)] = true;
    }
    for (size_t i = 0; i < all; i++)
        if (!used[i] && !harmless(&c->config, safetensors_at(file, i)->name))
            return error_set(err, STATUS_UNSUPPORTED, "%s holds the tensor \"%s\", which a model of this configuration has not",
                             s->name, safetensors_at(file, i)->name);
    return merge_adapters(s, c, weights, err);
}

static status read_weights(const source *s, checkpoint *c, error *err)
{
    safetensors *file;
    const char *path;
    slice bytes;
    if (s->folder) {
        TRY(safetensors_open(s->arena, s->folder, &file, err));
    } else {
        TRY(source_read(s, "model.safetensors", false, &path, &bytes, err));
        TRY(safetensors_from_bytes(s->arena, bytes, path, &file, err));
    }
    return find_weights(s, file, c, err);
}

static status read_folder(const source *s, checkpoint *c, error *err)
{
    TRY(read_config(s, c, err));
    TRY(read_generation(s, c, err));
    TRY(read_tokenizer(s, c, err));
    TRY(chat_files_read(s->arena, read_chat_file, (void *)s, &c->chat, err));
    return read_weights(s, c, err);
}

static status read_gguf(const source *s, checkpoint *c, error *err)
{
    gguf *file;
    lm_tensor *weights;
    TRY(gguf_open(s->arena, s->folder, &file, err));
    TRY(gguf_model_config(file, &c->config, err));
    TRY(tokenizer_from_gguf(s->arena, file, &c->tokenizer, err));
    TRY(check_vocabulary(c, s->folder, err));
    TRY(gguf_model_chat(s->arena, file, &c->chat, err));
    TRY(gguf_model_weights(s->arena, file, &c->config, &weights, err));
    c->gguf = file;
    return merge_adapters(s, c, weights, err);
}

static status open_source(const source *s, checkpoint **out, error *err)
{
    *out = NULL;
    checkpoint *c = ARENA_NEW(s->arena, checkpoint);
    if (!c || !(c->name = arena_strdup(s->arena, s->name)))
        return out_of_memory(s->name, err);
    TRY(s->is_gguf ? read_gguf(s, c, err) : read_folder(s, c, err));
    *out = c;
    return STATUS_OK;
}

/* Cuts "MODEL+ADAPTER+ADAPTER" where what stands in front of a '+' is a folder (names may have one in them), or at the
 * beginning a GGUF file or the word for the base model. *rest gets what follows, NULL when nothing does. */
static const char *cut_folder(arena *a, const char *text, bool first, const char **rest)
{
    *rest = NULL;
    for (const char *plus = strchr(text, '+'); plus && !file_exists(text); plus = strchr(plus + 1, '+')) {
        const char *part = arena_strndup(a, text, (size_t)(plus - text));
        if (!part || (!file_is_folder(part) && !(first && (strcmp(part, CHECKPOINT_BASE) == 0 || gguf_model_is(part)))))
            continue;
        *rest = plus + 1;
        return part;
    }
    return text;
}

static status open_folder(source *s, checkpoint **out, error *err)
{
    if (strcmp(s->folder, CHECKPOINT_BASE) == 0 && s->adapter_count) {
        s->folder = NULL;
        return open_source(s, out, err);
    }
    if (!file_exists(s->folder))
        return error_set(err, STATUS_NOT_FOUND, "%s: no such folder or file", s->folder);
    s->is_gguf = !file_is_folder(s->folder);
    if (s->is_gguf && !gguf_model_is(s->folder)) {
        error_set(err, STATUS_INVALID, "%s is a file and not of GGUF; expected a checkpoint folder or a GGUF file", s->folder);
        return error_hint(err, "give the folder in which config.json and model.safetensors lie");
    }
    return open_source(s, out, err);
}

status checkpoint_open(arena *a, const char *folder, checkpoint **out, error *err)
{
    const char *adapters[CHECKPOINT_ADAPTERS], *rest;
    source s = {.arena = a, .name = folder, .adapters = adapters};
    *out = NULL;
    s.folder = cut_folder(a, folder, true, &rest);
    while (rest) {
        if (s.adapter_count == CHECKPOINT_ADAPTERS)
            return error_set(err, STATUS_USAGE, "%s: expected at most %d adapters", folder, CHECKPOINT_ADAPTERS);
        adapters[s.adapter_count++] = cut_folder(a, rest, false, &rest);
    }
    return open_folder(&s, out, err);
}

bool checkpoint_plausible(const char *folder)
{
    const char *rest;
    arena *a = arena_new(NULL);
    folder = cut_folder(a, folder, true, &rest);
    bool good = folder[0] && (file_is_folder(folder) || strcmp(folder, CHECKPOINT_BASE) == 0 || gguf_model_is(folder));
    while (good && rest) {
        folder = cut_folder(a, rest, false, &rest);
        good = file_is_folder(folder);
    }
    arena_free(a);
    return good;
}

status checkpoint_open_base(arena *a, checkpoint **out, error *err)
{
    slice any;
    *out = NULL;
    if (!embedded_file("model.safetensors", &any)) {
        error_set(err, STATUS_NOT_FOUND, "this program was built without a base model");
        return error_hint(err, "put one into models/base and build again, or name a checkpoint folder");
    }
    return open_source(&(source){.arena = a, .name = CHECKPOINT_BASE}, out, err);
}

status checkpoint_identity(const checkpoint *c, char hex[SHA256_HEX], error *err)
{
    sha256 state;
    unsigned char digest[SHA256_BYTES];
    strbuf text = strbuf_new(NULL, (size_t)1 << 30);
    lm_config_describe(&c->config, &text);
    status result = tokenizer_fingerprint(c->tokenizer, &text, err);
    if (result == STATUS_OK && text.failed)
        result = out_of_memory(c->name, err);
    sha256_start(&state);
    if (result == STATUS_OK)
        sha256_add(&state, text.text, text.length);
    for (size_t i = 0; result == STATUS_OK && i < lm_weight_count(&c->config); i++) {
        const lm_tensor *t = &c->weights[i];
        strbuf_clear(&text);
        strbuf_printf(&text, "%s %s", lm_weight_at(&c->config, i).name, lm_tensor_type_name(t));
        for (int d = 0; d < t->rank; d++)
            strbuf_printf(&text, " %lld", (long long)t->shape[d]);
        strbuf_add_char(&text, '\n');
        sha256_add(&state, text.text, text.length);
        sha256_add(&state, t->data, t->bytes);
    }
    sha256_end(&state, digest);
    sha256_hex(digest, hex);
    strbuf_free(&text);
    return result;
}
