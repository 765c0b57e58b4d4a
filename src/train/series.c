#include "train/series.h"

#include "core/file.h"
#include "train/growth.h"

#include <stdlib.h>

enum { SERIES_LIMIT = 1 << 20 };

/* What a size may say beside its shape. */
static const char *const own_keys[] = {"learning_rate", "seeds"};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a series of models");
}

/* ---- trees ------------------------------------------------------------------------------------------------------ */

static bool is_own(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(own_keys); i++)
        if (strcmp(key, own_keys[i]) == 0)
            return true;
    return false;
}

static yaml_node *new_map(arena *a, const yaml_node *like, size_t room)
{
    yaml_node *n = ARENA_NEW(a, yaml_node);
    if (!n)
        return NULL;
    *n = (yaml_node){.kind = YAML_MAP, .line = like->line, .column = like->column, .file = like->file};
    n->keys = ARENA_ARRAY(a, const char *, room + 1);
    n->items = ARENA_ARRAY(a, const yaml_node *, room + 1);
    return n->keys && n->items ? n : NULL;
}

/* Keys that are there already are left as they are. */
static void add(yaml_node *map, const char *key, const yaml_node *value)
{
    if (yaml_get(map, key))
        return;
    map->keys[map->count] = key;
    map->items[map->count++] = value;
}

/* What the size says of the shape, then what all share. */
static status make_model(arena *a, const yaml_node *shared, const yaml_node *size, const yaml_node **out, error *err)
{
    size_t room = size->count + (shared && shared->kind == YAML_MAP ? shared->count : 0);
    yaml_node *model = new_map(a, size, room);
    if (!model)
        return no_memory(err);
    for (size_t i = 0; i < size->count; i++)
        if (!is_own(size->keys[i]))
            add(model, size->keys[i], size->items[i]);
    for (size_t i = size->count; i < room; i++)
        add(model, shared->keys[i - size->count], shared->items[i - size->count]);
    *out = model;
    return STATUS_OK;
}

/* Every stage with the learning rate of the size, where it has one. */
static status make_stages(arena *a, const yaml_node *stages, const yaml_node *size, const yaml_node **out, error *err)
{
    const yaml_node *rate = yaml_get(size, "learning_rate");
    *out = stages;
    if (!rate || !stages || stages->kind != YAML_LIST)
        return STATUS_OK;
    yaml_node *list = new_map(a, stages, stages->count);
    if (!list)
        return no_memory(err);
    list->kind = YAML_LIST;
    for (size_t i = 0; i < stages->count; i++) {
        const yaml_node *from = stages->items[i];
        yaml_node *stage = from->kind == YAML_MAP ? new_map(a, from, from->count + 1) : NULL;
        if (from->kind == YAML_MAP && !stage)
            return no_memory(err);
        if (stage)
            add(stage, "learning_rate", rate);
        for (size_t k = 0; stage && k < from->count; k++)
            add(stage, from->keys[k], from->items[k]);
        list->items[list->count++] = stage ? stage : from;
    }
    *out = list;
    return STATUS_OK;
}

static status no_size(const yaml_node *sizes, const char *named, error *err)
{
    char list[256] = "";
    for (size_t i = 0, used = 0; i < sizes->count && used + strlen(sizes->keys[i]) + 4 < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", sizes->keys[i]);
    if (named)
        error_set(err, STATUS_USAGE, "%s: the series has no size \"%s\"", sizes->file, named);
    else
        error_set(err, STATUS_USAGE, "%s is a series of models: expected one of its sizes", sizes->file);
    return error_hint(err, "its sizes are %s", list);
}

status series_rung(arena *a, const yaml_node *root, const char *size, const yaml_node **out, error *err)
{
    const yaml_node *sizes = yaml_get(root, "series"), *chosen = NULL, *model = NULL, *stages = NULL;
    *out = root;
    if (!sizes && size)
        return error_set(err, STATUS_USAGE, "--size: %s is a recipe of one model, not a series", root->file);
    if (!sizes)
        return STATUS_OK;
    if (sizes->kind != YAML_MAP || sizes->count == 0 || sizes->count > SERIES_MOST_SIZES)
        return yaml_error(sizes, err, "expected 1 to %d sizes by name", SERIES_MOST_SIZES);
    if (size)
        chosen = yaml_get(sizes, size);
    if (!chosen)
        return no_size(sizes, size, err);
    if (chosen->kind != YAML_MAP)
        return yaml_error(chosen, err, "expected the shape of the size %s", size);
    TRY(make_model(a, yaml_get(root, "model"), chosen, &model, err));
    TRY(make_stages(a, yaml_get(root, "stages"), chosen, &stages, err));
    yaml_node *tree = new_map(a, root, root->count + 2);
    if (!tree)
        return no_memory(err);
    add(tree, "model", model);
    if (stages)
        add(tree, "stages", stages);
    for (size_t i = 0; i < root->count; i++)
        if (strcmp(root->keys[i], "series") != 0)
            add(tree, root->keys[i], root->items[i]);
    *out = tree;
    return STATUS_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static status read_seeds(arena *a, const yaml_node *size, series_size *out, error *err)
{
    const yaml_node *list = NULL;
    TRY(yaml_get_list(size, "seeds", &list, err));
    size_t count = list ? list->count : 1;
    int64_t *seeds = ARENA_ARRAY(a, int64_t, count + 1);
    if (!seeds)
        return no_memory(err);
    if (count == 0 || count > SERIES_MOST_SEEDS)
        return yaml_error(list, err, "expected 1 to %d seeds", SERIES_MOST_SEEDS);
    seeds[0] = 1;
    for (size_t i = 0; list && i < count; i++) {
        const yaml_node *item = list->items[i];
        if (item->kind != YAML_SCALAR || !slice_to_int(slice_of(item->text), &seeds[i]) || seeds[i] < 0)
            return yaml_error(item, err, "expected a seed, a whole number from 0 on");
        for (size_t k = 0; k < i; k++)
            if (seeds[k] == seeds[i])
                return yaml_error(item, err, "the seed %lld stands twice", (long long)seeds[i]);
    }
    out->seeds = seeds;
    out->seed_count = count;
    return STATUS_OK;
}

/* Names become folders and words of families.yaml. */
static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[0] && text[0] != '.' && text[0] != '-' && text[strspn(text, letters)] == '\0';
}

/* Every size is read as a recipe, so that what is wrong with the last one is not found after hours. */
static status check_sizes(arena *a, const series *s, error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        recipe *r;
        TRY(recipe_read(a, s->path, &(recipe_changes){.size = s->sizes[i].name}, &r, err));
        if (r->base)
            return error_set(err, STATUS_USAGE, "%s: a series begins from nothing, expected `base: none`, found %s", s->path, r->base);
        if (r->document_seed < 0)
            return error_set(err, STATUS_USAGE, "%s: a series needs `documents` under `world`: the seed of the documents that all its models share", s->path);
    }
    return STATUS_OK;
}

status series_read(arena *a, const char *path, series **out, error *err)
{
    slice text;
    const yaml_node *root, *sizes;
    *out = NULL;
    TRY(file_read(a, path, SERIES_LIMIT, &text, err));
    TRY(yaml_parse(a, text, path, &root, err));
    sizes = yaml_get(root, "series");
    if (!sizes)
        return STATUS_OK;
    if (sizes->kind != YAML_MAP || sizes->count == 0 || sizes->count > SERIES_MOST_SIZES)
        return yaml_error(sizes, err, "expected 1 to %d sizes by name", SERIES_MOST_SIZES);
    series *s = ARENA_NEW(a, series);
    if (s)
        *s = (series){.path = arena_strdup(a, path), .name = "series", .sizes = ARENA_ARRAY(a, series_size, sizes->count + 1)};
    if (!s || !s->path || !s->sizes)
        return no_memory(err);
    TRY(yaml_get_string(root, "name", &s->name, err));
    if (!is_name(s->name))
        return yaml_error(yaml_get(root, "name"), err, "expected a series to have a name of letters, digits, '.', '_' and '-', found '%s'", s->name);
    for (size_t i = 0; i < sizes->count; i++) {
        series_size *size = &s->sizes[s->count++];
        size->name = sizes->keys[i];
        if (sizes->items[i]->kind != YAML_MAP || !is_name(size->name))
            return yaml_error(sizes->items[i], err, "expected a shape under a name of letters, digits, '.', '_' and '-', found '%s'", size->name);
        TRY(read_seeds(a, sizes->items[i], size, err));
    }
    TRY(check_sizes(a, s, err));
    *out = s;
    return STATUS_OK;
}

/* ---- growing ---------------------------------------------------------------------------------------------------- */

/* All sizes by all seeds that occur; `without` names the pairs that the series does not have. */
static status write_families(arena *a, const series *s, const char *path, error *err)
{
    strbuf b = strbuf_new(a, 1 << 20);
    int64_t seeds[SERIES_MOST_SIZES * SERIES_MOST_SEEDS];
    size_t seed_count = 0;
    strbuf_printf(&b, "# Written by `assay grow %s`.\nmodels: .\nfamilies:\n  %s:\n    folder: \"{size}/seed{seed}\"\n    axes:\n      size: [", s->path,
                  s->name);
    for (size_t i = 0; i < s->count; i++) {
        strbuf_printf(&b, "%s%s", i ? ", " : "", s->sizes[i].name);
        for (size_t k = 0; k < s->sizes[i].seed_count; k++) {
            size_t at = 0;
            while (at < seed_count && seeds[at] != s->sizes[i].seeds[k])
                at++;
            if (at == seed_count)
                seeds[seed_count++] = s->sizes[i].seeds[k];
        }
    }
    strbuf_add(&b, "]\n      seed: [");
    for (size_t k = 0; k < seed_count; k++)
        strbuf_printf(&b, "%s%lld", k ? ", " : "", (long long)seeds[k]);
    strbuf_add(&b, "]\n    default: {size: \"*\", seed: \"*\"}\n");
    bool first = true;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < seed_count; k++) {
            size_t at = 0;
            while (at < s->sizes[i].seed_count && s->sizes[i].seeds[at] != seeds[k])
                at++;
            if (at < s->sizes[i].seed_count)
                continue;
            strbuf_printf(&b, "%s      - {size: %s, seed: %lld}\n", first ? "    without:\n" : "", s->sizes[i].name, (long long)seeds[k]);
            first = false;
        }
    return b.failed ? no_memory(err) : file_write(path, strbuf_slice(&b), err);
}

/* In the cache a series lies under the hash of its models' keys. */
static status choose_folder(arena *a, const series *s, const char **folder, error *err)
{
    sha256 state;
    unsigned char digest[SHA256_BYTES];
    char key[SHA256_HEX];
    const char *cache;
    sha256_start(&state);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->sizes[i].seed_count; k++) {
            recipe *r;
            TRY(recipe_read(a, s->path, &(recipe_changes){.size = s->sizes[i].name, .has_seed = true, .seed = s->sizes[i].seeds[k]}, &r, err));
            TRY(recipe_key(r, "", key, err));
            sha256_add(&state, key, sizeof key);
        }
    sha256_end(&state, digest);
    sha256_hex(digest, key);
    TRY(growth_cache(a, &cache, err));
    *folder = arena_printf(a, "%s/%s-%.16s", cache, s->name, key);
    return *folder ? STATUS_OK : no_memory(err);
}

static status list_members(arena *a, const series *s, series_result *out, error *err)
{
    for (size_t i = 0; i < s->count; i++)
        out->count += s->sizes[i].seed_count;
    out->members = ARENA_ARRAY(a, series_member, out->count + 1);
    if (!out->members)
        return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->sizes[i].seed_count; k++) {
            series_member *m = &out->members[n++];
            *m = (series_member){.size = s->sizes[i].name, .seed = s->sizes[i].seeds[k]};
            m->folder = arena_printf(a, "%s/%s/seed%lld", out->folder, m->size, (long long)m->seed);
            if (!m->folder)
                return no_memory(err);
        }
    return STATUS_OK;
}

/* The order of growing: the first seeds of all sizes, then the second ones. */
static size_t *growing_order(arena *a, const series *s, const series_result *r)
{
    size_t *order = ARENA_ARRAY(a, size_t, r->count + 1), n = 0;
    for (size_t round = 0; order && n < r->count; round++)
        for (size_t i = 0, at = 0; i < s->count; at += s->sizes[i++].seed_count)
            if (round < s->sizes[i].seed_count)
                order[n++] = at + round;
    return order;
}

status series_grow(arena *a, const series *s, const grow_options *options, void (*each)(void *context, const series_member *next, size_t at, size_t of),
                   void *context, series_result *out, error *err)
{
    const recipe_changes *c = &options->changes;
    *out = (series_result){.folder = options->folder, .there_already = true};
    if (c->has_seed || c->size || c->base)
        return error_set(err, STATUS_USAGE, "%s is a series: its sizes say which seeds are grown, from nothing", s->path);
    if (!out->folder)
        TRY(choose_folder(a, s, &out->folder, err));
    TRY(file_make_folders(out->folder, err));
    out->families = file_join(a, out->folder, "families.yaml");
    if (!out->families)
        return no_memory(err);
    TRY(list_members(a, s, out, err));
    TRY(write_families(a, s, out->families, err));
    const size_t *order = growing_order(a, s, out);
    for (size_t i = 0; order && i < out->count; i++) {
        series_member *m = &out->members[order[i]];
        grow_options one = *options;
        one.recipe = s->path;
        one.folder = m->folder;
        one.changes.size = m->size;
        one.changes.has_seed = true;
        one.changes.seed = m->seed;
        if (each)
            each(context, m, i, out->count);
        status result = grow_run(a, &one, &m->result, err);
        if (result != STATUS_OK)
            return error_context(err, "size %s, seed %lld", m->size, (long long)m->seed);
        out->there_already = out->there_already && m->result.there_already;
    }
    return order ? STATUS_OK : no_memory(err);
}
