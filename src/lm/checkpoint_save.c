/* Writing checkpoints. */
#include "lm/checkpoint.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/chat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the small files ---- */

static const char *special_text(int id)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TOKEN_TABLE(X)
#undef X
    };
    return texts[id];
}

static json_t *generation_json(const lm_config *c, const tokenizer *t)
{
    (void)t;
    return json_pack("{s:i, s:i, s:i}", "bos_token_id", c->bos, "eos_token_id", c->eos[0], "pad_token_id", c->pad);
}

static json_t *tokenizer_config_json(const lm_config *c, const tokenizer *t)
{
    (void)t;
    json_t *decoder = json_object();
    for (int id = 0; id < TOKEN_SPECIAL_COUNT; id++) {
        char key[16];
        snprintf(key, sizeof key, "%d", id);
        json_object_set_new(decoder, key,
                            json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", special_text(id), "lstrip", 0,
                                      "normalized", 0, "rstrip", 0, "single_word", 0, "special", 1));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:s, s:o}", "tokenizer_class", "PreTrainedTokenizerFast",
                     "bos_token", special_text(TOKEN_BEGIN), "eos_token", special_text(TOKEN_END), "pad_token",
                     special_text(TOKEN_PAD), "clean_up_tokenization_spaces", 0, "add_prefix_space", 0,
                     "model_max_length", c->context, "chat_template", chat_template, "added_tokens_decoder", decoder);
}

static json_t *special_json(const lm_config *c, const tokenizer *t)
{
    (void)c, (void)t;
    return json_pack("{s:s, s:s, s:s}", "bos_token", special_text(TOKEN_BEGIN), "eos_token", special_text(TOKEN_END),
                     "pad_token", special_text(TOKEN_PAD));
}

static json_t *config_json(const lm_config *c, const tokenizer *t)
{
    (void)t;
    return lm_config_json(c);
}

static const struct {
    const char *name;
    json_t *(*make)(const lm_config *c, const tokenizer *t);
} settings[] = {
    {"config.json", config_json},
    {"generation_config.json", generation_json},
    {"tokenizer_config.json", tokenizer_config_json},
    {"special_tokens_map.json", special_json},
};

status checkpoint_write_setting(const char *folder, const lm_config *config, const tokenizer *t, error *err)
{
    TRY(lm_config_check(config, folder, err));
    if (!chat_tokenizer_fits(t))
        return error_set(err, STATUS_UNSUPPORTED, "cannot write %s: the tokenizer has other special tokens than ours", folder);
    if (tokenizer_size(t) > (size_t)config->vocabulary)
        return error_set(err, STATUS_INVALID, "cannot write %s: %zu tokens, but the vocabulary has %d entries", folder,
                         tokenizer_size(t), config->vocabulary);
    arena *a = arena_new(NULL);
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < COUNT_OF(settings); i++) {
        json_t *value = settings[i].make(config, t);
        const char *path = file_join(a, folder, settings[i].name);
        result = value && path ? jsonio_write(path, value, 2, err)
                               : error_set(err, STATUS_MEMORY, "cannot write %s: out of memory", folder);
        json_decref(value);
    }
    const char *path = file_join(a, folder, "tokenizer.json");
    if (result == STATUS_OK)
        result = path ? tokenizer_write(t, path, err) : error_set(err, STATUS_MEMORY, "cannot write %s: out of memory", folder);
    arena_free(a);
    return result;
}

status checkpoint_write_weights(const char *folder, const lm_config *config, const float *const *values, error *err)
{
    arena *a = arena_new(NULL);
    size_t count = lm_weight_count(config);
    bool halves = config->type == TYPE_BF16;
    safetensors_tensor *tensors = ARENA_ARRAY(a, safetensors_tensor, count);
    const char *path = file_join(a, folder, "model.safetensors");
    bool whole = tensors && path;
    for (size_t i = 0; whole && i < count; i++) {
        lm_weight w = lm_weight_at(config, i);
        safetensors_tensor *t = &tensors[i];
        *t = (safetensors_tensor){.name = arena_strdup(a, w.name), .rank = w.rank, .shape = {w.shape[0], w.shape[1]},
                                  .type = halves ? SAFETENSORS_BF16 : SAFETENSORS_F32, .data = values[i],
                                  .bytes = (size_t)w.count * (halves ? 2 : 4)};
        bf16 *rounded = halves ? ARENA_ARRAY(a, bf16, (size_t)w.count) : NULL;
        whole = t->name && (rounded || !halves);
        for (int64_t k = 0; rounded && k < w.count; k++)
            rounded[k] = bf16_from_f32(values[i][k]);
        if (halves)
            t->data = rounded;
    }
    status result = whole ? safetensors_write(path, tensors, count, NULL, 0, err)
                          : error_set(err, STATUS_MEMORY, "cannot write the weights in %s: out of memory", folder);
    arena_free(a);
    return result;
}

/* ---- the folder as a whole ---- */

/* Removes a folder and the files in it (it has no folders in it: we made it). */
static void remove_folder(const char *folder)
{
    arena *a = arena_new(NULL);
    char **names;
    size_t count;
    if (file_list(a, folder, &names, &count, NULL) == STATUS_OK)
        for (size_t i = 0; i < count; i++) {
            const char *path = file_join(a, folder, names[i]);
            if (path)
                unlink(path);
        }
    rmdir(folder);
    arena_free(a);
}

/* What stands in the way at the final name may be replaced if it is a checkpoint or an empty folder. */
static status check_target(arena *a, const char *folder, bool *exists, error *err)
{
    char **names;
    size_t count;
    *exists = file_exists(folder);
    if (!*exists)
        return STATUS_OK;
    if (!file_is_folder(folder))
        return error_set(err, STATUS_INVALID, "%s is a file; expected the name of a folder to write", folder);
    TRY(file_list(a, folder, &names, &count, err));
    const char *config = file_join(a, folder, "config.json");
    bool replaceable = count == 0 || (config && file_exists(config));
    for (size_t i = 0; i < count; i++) { /* only what remove_folder can remove */
        const char *path = file_join(a, folder, names[i]);
        replaceable = replaceable && path && !file_is_folder(path);
    }
    if (replaceable)
        return STATUS_OK;
    error_set(err, STATUS_INVALID, "%s is a folder that holds something else than a checkpoint", folder);
    return error_hint(err, "name another folder, or remove this one");
}

static status publish(arena *a, const char *work, const char *folder, bool exists, error *err)
{
    if (!exists)
        return rename(work, folder) == 0 ? STATUS_OK : error_system(err, "cannot write %s", folder);
    if (renameat2(AT_FDCWD, work, AT_FDCWD, folder, RENAME_EXCHANGE) == 0) {
        remove_folder(work); /* now the old one */
        return STATUS_OK;
    }
    /* A file system that cannot exchange: there is a moment without the folder, but never half a one. */
    const char *old = arena_printf(a, "%s.old-%ld", folder, (long)getpid());
    if (!old || rename(folder, old) != 0 || rename(work, folder) != 0)
        return error_system(err, "cannot replace %s", folder);
    remove_folder(old);
    return STATUS_OK;
}

status checkpoint_write_folder(const char *folder, checkpoint_writer *write, void *context, error *err)
{
    arena *a = arena_new(NULL);
    bool exists;
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    const char *target = arena_strndup(a, folder, length);
    const char *work = arena_printf(a, "%s.tmp-%ld", target ? target : "", (long)getpid());
    status result = target && work ? check_target(a, target, &exists, err)
                                   : error_set(err, STATUS_MEMORY, "cannot write %s: out of memory", folder);
    if (result == STATUS_OK)
        result = file_make_folders(work, err);
    if (result == STATUS_OK) {
        result = write(work, context, err);
        if (result == STATUS_OK)
            result = publish(a, work, target, exists, err);
        if (result != STATUS_OK)
            remove_folder(work);
    }
    arena_free(a);
    return result;
}

typedef struct saved {
    const lm_config *config;
    const tokenizer *tokenizer;
    const float *const *values;
} saved;

static status write_saved(const char *folder, void *context, error *err)
{
    const saved *s = context;
    TRY(checkpoint_write_setting(folder, s->config, s->tokenizer, err));
    return checkpoint_write_weights(folder, s->config, s->values, err);
}

status checkpoint_save(const char *folder, const lm_config *config, const tokenizer *t, const float *const *values,
                       error *err)
{
    return checkpoint_write_folder(folder, write_saved, &(saved){config, t, values}, err);
}
