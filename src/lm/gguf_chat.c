/* Chat templates and names of special tokens in GGUF files. */
#include "lm/gguf_model.h"

#include "core/file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool gguf_model_is(const char *path)
{
    char start[4] = {0};
    if (!path[0] || file_is_folder(path))
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is = file >= 0 && read(file, start, sizeof start) == (ssize_t)sizeof start && memcmp(start, "GGUF", sizeof start) == 0;
    if (file >= 0)
        close(file);
    return is;
}

static const char template_key[] = "tokenizer.chat_template";

/* "tokenizer.chat_template" is the default one, "tokenizer.chat_template.tool_use" one with a name. */
static bool is_template(const gguf_value *v, const char **name)
{
    size_t length = strlen(template_key);
    if (v->type != GGUF_STRING || strncmp(v->key, template_key, length) != 0 || (v->key[length] && v->key[length] != '.'))
        return false;
    *name = v->key[length] ? v->key + length + 1 : "default";
    return true;
}

static status add_text(arena *a, const gguf *g, chat_text *out, const char *name, slice text, error *err)
{
    if (!utf8_valid(text) || memchr(text.text, 0, text.length))
        return error_set(err, STATUS_INVALID, "%s: what it holds for \"%s\" is no plain text", gguf_name(g), name);
    out->name = arena_strdup(a, name);
    out->text = slice_copy(a, text);
    return out->name && out->text ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for a chat template");
}

static status add_specials(arena *a, const gguf *g, chat_text *out, size_t *count, error *err)
{
    static const struct {
        const char *key, *name;
    } specials[] = {
        {"tokenizer.ggml.bos_token_id", "bos_token"}, {"tokenizer.ggml.eos_token_id", "eos_token"},
        {"tokenizer.ggml.unknown_token_id", "unk_token"}, {"tokenizer.ggml.padding_token_id", "pad_token"},
    };
    slice *tokens;
    size_t all;
    arena *scratch = arena_new(NULL);
    status result = gguf_strings(g, scratch, "tokenizer.ggml.tokens", &tokens, &all, err);
    *count = 0;
    for (size_t i = 0; result == STATUS_OK && i < COUNT_OF(specials); i++) {
        int64_t id;
        result = gguf_int_or(g, specials[i].key, -1, &id, err);
        if (result == STATUS_OK && id >= 0 && (uint64_t)id < all)
            result = add_text(a, g, &out[(*count)++], specials[i].name, tokens[id], err);
    }
    arena_free(scratch);
    return result;
}

status gguf_model_chat(arena *a, const gguf *g, chat_files *out, error *err)
{
    enum { SPECIALS = 4 };
    size_t count = 0, specials;
    const char *name;
    for (size_t i = 0; i < gguf_key_count(g); i++)
        count += is_template(gguf_value_at(g, i), &name);
    chat_text *templates = ARENA_ARRAY(a, chat_text, count + SPECIALS), *texts = templates + count;
    if (!templates)
        return error_set(err, STATUS_MEMORY, "out of memory for a chat template");
    count = 0;
    for (size_t i = 0; i < gguf_key_count(g); i++)
        if (is_template(gguf_value_at(g, i), &name))
            TRY(add_text(a, g, &templates[count++], name, gguf_value_at(g, i)->bytes, err));
    TRY(add_specials(a, g, texts, &specials, err));
    *out = (chat_files){templates, count, texts, specials};
    return STATUS_OK;
}
