/* Where checkpoints keep their chat templates and the names of their special tokens. */
#include "lm/chat.h"

#include "core/jsonio.h"

#include <string.h>

enum { TEXTS_MOST = 64 };

typedef struct texts {
    arena *arena;
    chat_text *items;
    size_t count;
} texts;

static status add(texts *t, const char *name, slice text, error *err)
{
    if (t->count == TEXTS_MOST)
        return STATUS_OK; /* more templates or tokens than anybody names */
    chat_text *x = &t->items[t->count];
    x->name = arena_strdup(t->arena, name);
    x->text = slice_copy(t->arena, text);
    if (!x->name || !x->text)
        return error_set(err, STATUS_MEMORY, "out of memory for a chat template");
    t->count++;
    return STATUS_OK;
}

static slice string_of(const json_t *value)
{
    return (slice){json_string_value(value), json_string_length(value)};
}

/* "chat_template": a text, or [{"name": ..., "template": ...}, ...]. */
static status add_templates(texts *t, const json_t *value, const char *path, error *err)
{
    if (json_is_string(value))
        return add(t, "default", string_of(value), err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const json_t *name = json_object_get(entry, "name"), *text = json_object_get(entry, "template");
        if (!json_is_string(name) || !json_is_string(text))
            return error_set(err, STATUS_INVALID, "%s: chat_template[%zu]: expected an object with the strings name and template",
                             path, i);
        TRY(add(t, json_string_value(name), string_of(text), err));
    }
    return STATUS_OK;
}

/* Members such as "bos_token", a text or an object with its content. */
static status add_specials(texts *t, const json_t *root, error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)root, key, value) {
        const json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
        if (slice_ends(slice_of(key), SLICE("_token")) && json_is_string(text))
            TRY(add(t, key, string_of(text), err));
    }
    return STATUS_OK;
}

typedef struct reading {
    chat_reader *read;
    void *context;
    texts templates, specials;
} reading;

/* A JSON file's templates and special tokens; absent is good. */
static status read_json(reading *r, const char *file, bool templates, bool specials, error *err)
{
    const char *path;
    slice text;
    json_t *root;
    TRY(r->read(r->context, file, &path, &text, err));
    if (!text.text)
        return STATUS_OK;
    TRY(jsonio_parse_real(text, path, &root, err));
    status result = STATUS_OK;
    if (templates)
        result = add_templates(&r->templates, json_object_get(root, "chat_template"), path, err);
    if (result == STATUS_OK && specials)
        result = add_specials(&r->specials, root, err);
    json_decref(root);
    return result;
}

static status read_text(reading *r, const char *file, const char *name, error *err)
{
    const char *path;
    slice text;
    TRY(r->read(r->context, file, &path, &text, err));
    return text.text ? add(&r->templates, name, text, err) : STATUS_OK;
}

status chat_files_read(arena *a, chat_reader *read, void *context, chat_files *out, error *err)
{
    reading r = {.read = read, .context = context, .templates = {.arena = a}, .specials = {.arena = a}};
    r.templates.items = ARENA_ARRAY(a, chat_text, TEXTS_MOST);
    r.specials.items = ARENA_ARRAY(a, chat_text, TEXTS_MOST);
    if (!r.templates.items || !r.specials.items)
        return error_set(err, STATUS_MEMORY, "out of memory for a chat template");
    TRY(read_text(&r, "chat_template.jinja", "default", err));
    TRY(read_text(&r, "chat_templates/tool_use.jinja", "tool_use", err));
    if (r.templates.count == 0)
        TRY(read_json(&r, "chat_template.json", true, false, err));
    TRY(read_json(&r, "tokenizer_config.json", r.templates.count == 0, true, err));
    if (r.specials.count == 0)
        TRY(read_json(&r, "special_tokens_map.json", false, true, err));
    *out = (chat_files){r.templates.items, r.templates.count, r.specials.items, r.specials.count};
    return STATUS_OK;
}
