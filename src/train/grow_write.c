/* The finished folder of a growth: weights, manifest, summary; and what it says of itself later. */
#include "train/grow_inside.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "train/feedback.h"
#include "train/manifest.h"
#include "train/quantiles.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while growing a model");
}

static json_t *content_of(const growing *g, const char *weights_sha256, const char *tokenizer_sha256)
{
    return json_pack("{s:{s:s, s:o}, s:{s:s}, s:{s:s}, s:{s:s}, s:O}", "recipe", "key", g->growth.key, "values",
                     recipe_json(g->recipe), "base", "identity", g->base_identity, "tokenizer", "sha256", tokenizer_sha256,
                     "weights", "sha256", weights_sha256, "stages", g->stages);
}

static status file_hex(arena *a, const char *folder, const char *name, char hex[SHA256_HEX], error *err)
{
    unsigned char digest[SHA256_BYTES];
    char *path = file_join(a, folder, name);
    if (!path)
        return no_memory(err);
    TRY(sha256_file(path, digest, err));
    sha256_hex(digest, hex);
    return STATUS_OK;
}

static status write_model(growing *g, const char *folder, error *err)
{
    const parameters *p = g->parameters;
    const float **values = ARENA_ARRAY(g->arena, const float *, p->count);
    if (!values)
        return no_memory(err);
    for (size_t i = 0; i < p->count; i++)
        values[i] = p->items[i].value;
    TRY(checkpoint_write_setting(folder, &g->config, g->tokenizer, err));
    return checkpoint_write_weights(folder, &g->config, values, err);
}

/* What stages of feedback found, as JSON and in words: {"figures": [...]} of `stages`. */
static json_t *figures_of(const json_t *stages)
{
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *stage = json_array_get(stages, i);
        json_t *figures = json_object_get(stage, "figures");
        if (figures)
            json_array_append_new(all, json_pack("{s:I, s:O, s:O}", "stage", (json_int_t)i, "kind", json_object_get(stage, "kind"),
                                                 "figures", figures));
    }
    return all;
}

static status tell_figures(growing *g, const json_t *records, const json_t *quantiles, grow_result *out, error *err)
{
    strbuf words = strbuf_new(g->arena, 1 << 20);
    quantiles_describe(quantiles, &words);
    for (size_t i = 0; i < json_array_size(records); i++)
        feedback_describe(json_array_get(records, i), &words);
    out->words = words.failed ? NULL : words.text ? words.text : "";
    return out->words ? STATUS_OK : no_memory(err);
}

/* growth.json: what the folder says of itself. */
static status write_summary(const growing *g, const char *path, const grow_result *out, const json_t *quantiles, error *err)
{
    json_t *whole = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:f}", "key", g->growth.key, "sha256", out->sha256, "root", out->root,
                              "recipe", recipe_json(g->recipe), "base", g->base_identity, "steps", (json_int_t)out->steps, "tokens",
                              (json_int_t)out->tokens, "loss", out->loss);
    json_object_set_new(whole, "figures", figures_of(g->stages));
    json_object_set_new(whole, "quantiles", json_deep_copy(quantiles));
    status result = whole ? jsonio_write(path, whole, 1, err) : no_memory(err);
    json_decref(whole);
    return result;
}

static status write_all(growing *g, grow_result *out, json_t **quantiles, error *err)
{
    const char *work = g->growth.work;
    char tokenizer_hex[SHA256_HEX];
    char *manifest = file_join(g->arena, work, "manifest.json"), *summary = file_join(g->arena, work, "growth.json");
    if (!manifest || !summary)
        return no_memory(err);
    TRY(write_model(g, work, err));
    TRY(feedback_write_metrics(work, g->stages, err));
    TRY(quantiles_write(work, g->stages, g->seconds, quantiles, err));
    TRY(tell_figures(g, g->stages, *quantiles, out, err));
    TRY(file_hex(g->arena, work, "model.safetensors", out->sha256, err));
    TRY(file_hex(g->arena, work, "tokenizer.json", tokenizer_hex, err));
    json_t *content = content_of(g, out->sha256, tokenizer_hex);
    json_t *machine = manifest_machine(thread_pool_size(g->pool));
    status result = content && machine ? manifest_write(manifest, content, machine, out->root, err) : no_memory(err);
    json_decref(content);
    json_decref(machine);
    return result == STATUS_OK ? write_summary(g, summary, out, *quantiles, err) : result;
}

status grow_write(growing *g, grow_result *out, error *err)
{
    json_t *quantiles = NULL;
    status result = write_all(g, out, &quantiles, err);
    json_decref(quantiles);
    return result;
}

/* What a finished folder says of itself. */
status grow_read(growing *g, grow_result *out, error *err)
{
    char *path = file_join(g->arena, g->growth.folder, "growth.json");
    json_t *whole;
    if (!path)
        return no_memory(err);
    TRY(jsonio_read(path, 1 << 20, &whole, err));
    const char *sha = NULL, *root = NULL;
    status result = jsonio_get_string(whole, "sha256", path, &sha, err);
    if (result == STATUS_OK)
        result = jsonio_get_string(whole, "root", path, &root, err);
    if (result == STATUS_OK)
        result = jsonio_get_int(whole, "steps", path, &out->steps, err);
    if (result == STATUS_OK)
        result = jsonio_get_number(whole, "loss", path, &out->loss, err);
    if (result == STATUS_OK) {
        snprintf(out->sha256, sizeof out->sha256, "%s", sha);
        snprintf(out->root, sizeof out->root, "%s", root);
        out->tokens = (uint64_t)json_integer_value(json_object_get(whole, "tokens"));
        result = tell_figures(g, json_object_get(whole, "figures"), json_object_get(whole, "quantiles"), out, err);
    }
    json_decref(whole);
    return result;
}
