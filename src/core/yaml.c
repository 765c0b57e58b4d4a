#include "core/yaml.h"

#include "core/file.h"

#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_LIMIT = 64, FILE_LIMIT = 16 << 20 };

typedef struct conversion {
    arena *arena;
    const char *file;
    error *err;
} conversion;

static status out_of_memory(const conversion *c)
{
    return error_set(c->err, STATUS_MEMORY, "%s: out of memory", c->file);
}

static const struct fy_mark *first_mark(struct fy_node *node);
static status convert(const conversion *c, struct fy_node *from, const struct fy_mark *beside, int depth, const yaml_node **out);

/* The words of a scalar, in the arena; NULL: none, or no memory. Read in pieces, as fy_node_get_scalar of libfyaml 0.7 loses
 * memory on words of many lines. */
static const char *words_of(const conversion *c, struct fy_node *scalar)
{
    struct fy_token_iter *pieces = fy_token_iter_create(fy_node_get_scalar_token(scalar));
    strbuf text = strbuf_new(c->arena, FILE_LIMIT + 1);
    int failed = 0;
    strbuf_add(&text, "");
    for (const struct fy_iter_chunk *p = NULL; pieces && (p = fy_token_iter_chunk_next(pieces, p, &failed));)
        strbuf_add_bytes(&text, p->str, p->len);
    bool whole = pieces && !failed && !text.failed;
    fy_token_iter_destroy(pieces);
    return whole ? text.text : NULL;
}

static status convert_scalar(const conversion *c, struct fy_node *from, yaml_node *to)
{
    struct fy_token *token = fy_node_get_scalar_token(from);
    enum fy_scalar_style style = token ? fy_scalar_token_get_style(token) : FYSS_PLAIN;
    to->quoted = style != FYSS_PLAIN;
    to->text = token ? words_of(c, from) : "";
    return to->text ? STATUS_OK : out_of_memory(c);
}

static status convert_list(const conversion *c, struct fy_node *from, const struct fy_mark *beside, int depth, yaml_node *to)
{
    int count = fy_node_sequence_item_count(from);
    to->count = count > 0 ? (size_t)count : 0;
    to->items = ARENA_ARRAY(c->arena, const yaml_node *, to->count + 1);
    if (!to->items)
        return out_of_memory(c);
    for (size_t i = 0; i < to->count; i++)
        TRY(convert(c, fy_node_sequence_get_by_index(from, (int)i), beside, depth + 1, &to->items[i]));
    return STATUS_OK;
}

static status convert_map(const conversion *c, struct fy_node *from, int depth, yaml_node *to)
{
    int count = fy_node_mapping_item_count(from);
    to->count = count > 0 ? (size_t)count : 0;
    to->items = ARENA_ARRAY(c->arena, const yaml_node *, to->count + 1);
    to->keys = ARENA_ARRAY(c->arena, const char *, to->count + 1);
    if (!to->items || !to->keys)
        return out_of_memory(c);
    for (size_t i = 0; i < to->count; i++) {
        struct fy_node_pair *pair = fy_node_mapping_get_by_index(from, (int)i);
        struct fy_node *key = fy_node_pair_key(pair);
        if (!key || !fy_node_is_scalar(key) || !fy_node_get_scalar_token(key))
            return yaml_error(to, c->err, "expected keys that are words");
        if (!(to->keys[i] = words_of(c, key)))
            return out_of_memory(c);
        TRY(convert(c, fy_node_pair_value(pair), first_mark(key), depth + 1, &to->items[i]));
        for (size_t j = 0; j < i; j++)
            if (strcmp(to->keys[i], to->keys[j]) == 0)
                return yaml_error(to->items[i], c->err, "the key '%s' stands twice", to->keys[i]);
    }
    return STATUS_OK;
}

/* Where a node stands: its first scalar's place (NULL for empty collections). */
static const struct fy_mark *first_mark(struct fy_node *node)
{
    while (node && !fy_node_is_scalar(node))
        node = fy_node_is_sequence(node) ? fy_node_sequence_get_by_index(node, 0)
                                         : fy_node_pair_key(fy_node_mapping_get_by_index(node, 0));
    struct fy_token *token = node ? fy_node_get_scalar_token(node) : NULL;
    return token ? fy_token_start_mark(token) : NULL;
}

/* beside: the place of what has none of its own, that of the key or of the list around it. */
static status convert(const conversion *c, struct fy_node *from, const struct fy_mark *beside, int depth, const yaml_node **out)
{
    yaml_node *to = ARENA_NEW(c->arena, yaml_node);
    if (!to)
        return out_of_memory(c);
    *out = to;
    to->file = c->file;
    to->line = to->column = 1;
    if (depth > DEPTH_LIMIT)
        return error_set(c->err, STATUS_INVALID, "%s: nested more than %d deep", c->file, DEPTH_LIMIT);
    const struct fy_mark *own = from ? first_mark(from) : NULL, *mark = own ? own : beside;
    if (mark) {
        to->line = mark->line + 1;
        to->column = mark->column + 1;
    }
    if (!from) { /* "key:" with nothing behind it */
        to->text = "";
        return STATUS_OK;
    }
    if (fy_node_is_scalar(from))
        return convert_scalar(c, from, to);
    to->kind = fy_node_is_sequence(from) ? YAML_LIST : YAML_MAP;
    return to->kind == YAML_LIST ? convert_list(c, from, mark, depth, to) : convert_map(c, from, depth, to);
}

/* The first error that libfyaml collected, in our words. */
static status parse_failed(struct fy_diag *diag, const char *name, error *err)
{
    void *previous = NULL;
    struct fy_diag_error *first = fy_diag_errors_iterate(diag, &previous);
    if (!first)
        return error_set(err, STATUS_INVALID, "%s: not valid YAML", name);
    return error_set(err, STATUS_INVALID, "%s:%d:%d: not valid YAML: %s", name, first->line + 1, first->column + 1,
                     first->msg);
}

/* What libfyaml 0.7 does not survive is refused beforehand: bytes that are not UTF-8, and directives, at which its
 * scanner can run for ever. */
static status check_text(slice text, const char *name, error *err)
{
    if (slice_find(text, (slice){"", 1}, 0) != SIZE_MAX || !utf8_valid(text))
        return error_set(err, STATUS_INVALID, "%s: expected text in UTF-8", name);
    slice rest = text, line;
    for (int number = 1; slice_cut(&rest, '\n', &line); number++)
        if (line.length && line.text[0] == '%')
            return error_set(err, STATUS_INVALID, "%s:%d:1: YAML directives (lines that begin with %%) are not taken",
                             name, number);
    return STATUS_OK;
}

status yaml_parse(arena *a, slice text, const char *name, const yaml_node **out, error *err)
{
    TRY(check_text(text, name, err));
    conversion c = {a, arena_strdup(a, name), err};
    if (!c.file)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = NULL;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    if (!diag)
        return out_of_memory(&c);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_RESOLVE_DOCUMENT, .diag = diag};
    struct fy_document *document = fy_document_build_from_string(&config, text.text, text.length);
    status result;
    if (!document)
        result = parse_failed(diag, name, err);
    else {
        result = convert(&c, fy_document_root(document), NULL, 0, out);
        fy_document_destroy(document);
    }
    fy_diag_destroy(diag);
    return result;
}

status yaml_read(arena *a, const char *path, const yaml_node **out, error *err)
{
    slice text;
    TRY(file_read(a, path, FILE_LIMIT, &text, err));
    return yaml_parse(a, text, path, out, err);
}

const yaml_node *yaml_get(const yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

status yaml_error(const yaml_node *at, error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(err, STATUS_INVALID, format, args);
    va_end(args);
    error_context(err, "%s:%d:%d", at->file, at->line, at->column);
    return STATUS_INVALID;
}

status yaml_check_keys(const yaml_node *map, const char *const *keys, size_t count, error *err)
{
    if (map->kind != YAML_MAP)
        return yaml_error(map, err, "expected keys and values, found a %s", map->kind == YAML_LIST ? "list" : "single value");
    for (size_t i = 0; i < map->count; i++) {
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(map->keys[i], keys[k]) == 0;
        if (known)
            continue;
        char list[320] = "";
        for (size_t k = 0, used = 0; k < count && used < sizeof list; k++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", keys[k]);
        int nearest = text_nearest(map->keys[i], keys, count);
        yaml_error(map->items[i], err, "unknown key '%s'", map->keys[i]);
        if (nearest >= 0)
            error_hint(err, "did you mean '%s'? The keys here are %s", keys[nearest], list);
        else
            error_hint(err, "the keys here are %s", list);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* The scalar at `key`; NULL in *out when the key is absent. */
static status get_scalar(const yaml_node *map, const char *key, const char *expected, const yaml_node **out, error *err)
{
    *out = yaml_get(map, key);
    if (*out && (*out)->kind != YAML_SCALAR)
        return yaml_error(*out, err, "expected %s at '%s', found a %s", expected, key,
                          (*out)->kind == YAML_LIST ? "list" : "group of keys");
    return STATUS_OK;
}

status yaml_get_double(const yaml_node *map, const char *key, double least, double most, double *out, error *err)
{
    const yaml_node *node;
    TRY(get_scalar(map, key, "a number", &node, err));
    if (!node)
        return STATUS_OK;
    double value;
    if (node->quoted || !slice_to_double(slice_of(node->text), &value))
        return yaml_error(node, err, "expected a number at '%s', found '%s'", key, node->text);
    if (!(value >= least && value <= most))
        return yaml_error(node, err, "expected %.15g to %.15g at '%s', found %s", least, most, key, node->text);
    *out = value;
    return STATUS_OK;
}

status yaml_get_int(const yaml_node *map, const char *key, int64_t least, int64_t most, int64_t *out, error *err)
{
    const yaml_node *node;
    TRY(get_scalar(map, key, "a whole number", &node, err));
    if (!node)
        return STATUS_OK;
    int64_t value;
    if (node->quoted || !slice_to_int(slice_of(node->text), &value))
        return yaml_error(node, err, "expected a whole number at '%s', found '%s'", key, node->text);
    if (value < least || value > most)
        return yaml_error(node, err, "expected %lld to %lld at '%s', found %s", (long long)least, (long long)most, key,
                          node->text);
    *out = value;
    return STATUS_OK;
}

status yaml_get_bool(const yaml_node *map, const char *key, bool *out, error *err)
{
    const yaml_node *node;
    TRY(get_scalar(map, key, "true or false", &node, err));
    if (!node)
        return STATUS_OK;
    bool is_true = strcmp(node->text, "true") == 0;
    if (node->quoted || (!is_true && strcmp(node->text, "false") != 0))
        return yaml_error(node, err, "expected true or false at '%s', found '%s'", key, node->text);
    *out = is_true;
    return STATUS_OK;
}

status yaml_get_string(const yaml_node *map, const char *key, const char **out, error *err)
{
    const yaml_node *node;
    TRY(get_scalar(map, key, "text", &node, err));
    if (node)
        *out = node->text;
    return STATUS_OK;
}

status yaml_get_list(const yaml_node *map, const char *key, const yaml_node **out, error *err)
{
    const yaml_node *node = yaml_get(map, key);
    if (!node)
        return STATUS_OK;
    if (node->kind != YAML_LIST)
        return yaml_error(node, err, "expected a list at '%s'", key);
    *out = node;
    return STATUS_OK;
}

status yaml_get_choice(const yaml_node *map, const char *key, const char *const *words, size_t count, int *out, error *err)
{
    const yaml_node *node;
    TRY(get_scalar(map, key, "a word", &node, err));
    if (!node)
        return STATUS_OK;
    for (size_t i = 0; i < count; i++)
        if (strcmp(node->text, words[i]) == 0) {
            *out = (int)i;
            return STATUS_OK;
        }
    char list[320] = "";
    for (size_t i = 0, used = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", words[i]);
    return yaml_error(node, err, "expected one of %s at '%s', found '%s'", list, key, node->text);
}
