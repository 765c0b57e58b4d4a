/* Suites: their files, and what the command line changes of them. */
#include "suite/suite.h"

#include "core/file.h"
#include "core/yaml.h"
#include "studies/open.h"
#include "suite/suites_files.inc"

#include <stdlib.h>

enum { SUITE_BYTES = 1 << 20, MOST_PARTS = 256 };

const char suite_prefix[] = "suite:";

#define X(symbol, name) extern const char symbol##_start[], symbol##_end[];
SUITES_FILES(X)
#undef X

static const struct {
    const char *name, *start, *end;
} embedded[] = {
#define X(symbol, name) {"suites/" name, symbol##_start, symbol##_end},
    SUITES_FILES(X)
#undef X
};

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a suite");
}

bool suite_named(const char *word)
{
    return strncmp(word, suite_prefix, sizeof suite_prefix - 1) == 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static status read_params(arena *a, const yaml_node *node, suite_part *part, error *err)
{
    const yaml_node *params = yaml_get(node, "params");
    if (!params)
        return STATUS_OK;
    if (params->kind != YAML_MAP)
        return yaml_error(params, err, "expected a map of parameters");
    part->names = ARENA_ARRAY(a, const char *, params->count + 1);
    part->values = ARENA_ARRAY(a, const char *, params->count + 1);
    if (!part->names || !part->values)
        return no_memory(err);
    for (size_t i = 0; i < params->count; i++) {
        if (params->items[i]->kind != YAML_SCALAR)
            return yaml_error(params->items[i], err, "expected a value of the parameter '%s'", params->keys[i]);
        part->names[i] = params->keys[i];
        part->values[i] = params->items[i]->text;
    }
    part->count = params->count;
    return STATUS_OK;
}

static status read_part(arena *a, const yaml_node *node, suite *s, error *err)
{
    static const char *const keys[] = {"study", "as", "params", "optional"};
    suite_part *part = &s->parts[s->part_count];
    TRY(yaml_check_keys(node, keys, COUNT_OF(keys), err));
    *part = (suite_part){.file = node->file, .line = node->line};
    TRY(yaml_get_string(node, "study", &part->study, err));
    if (!part->study)
        return yaml_error(node, err, "a part of a suite needs `study`");
    part->name = part->study;
    TRY(yaml_get_string(node, "as", &part->name, err));
    TRY(yaml_get_bool(node, "optional", &part->optional, err));
    if (strpbrk(part->name, ".=,"))
        return yaml_error(node, err, "the name of a part may hold none of . = , (found '%s'): give it another with `as`", part->name);
    for (size_t i = 0; i < s->part_count; i++)
        if (strcmp(s->parts[i].name, part->name) == 0)
            return yaml_error(node, err, "two parts are called '%s': give one another name with `as`", part->name);
    TRY(read_params(a, node, part, err));
    s->part_count++;
    return STATUS_OK;
}

status suite_parse(arena *a, slice text, const char *file, suite **out, error *err)
{
    static const char *const keys[] = {"suite", "title", "about", "studies"};
    const yaml_node *root, *studies = NULL;
    suite *s = ARENA_NEW(a, suite);
    if (!s)
        return no_memory(err);
    *s = (suite){.file = file};
    TRY(yaml_parse(a, text, file, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(root, "suite", &s->name, err));
    TRY(yaml_get_string(root, "title", &s->title, err));
    TRY(yaml_get_string(root, "about", &s->about, err));
    TRY(yaml_get_list(root, "studies", &studies, err));
    if (!s->name || !studies || studies->count == 0 || studies->count > MOST_PARTS)
        return yaml_error(root, err, "a suite needs `suite` (its name) and `studies` with 1 to %d parts", MOST_PARTS);
    s->title = s->title ? s->title : s->name;
    s->parts = ARENA_ARRAY(a, suite_part, studies->count + 1);
    if (!s->parts)
        return no_memory(err);
    for (size_t i = 0; i < studies->count; i++)
        TRY(read_part(a, studies->items[i], s, err));
    *out = s;
    return STATUS_OK;
}

static status read_file(arena *a, const char *path, suite **out, error *err)
{
    slice text;
    TRY(file_read(a, path, SUITE_BYTES, &text, err));
    return suite_parse(a, text, arena_strdup(a, path), out, err);
}

/* Files of the folder ASSAY_SUITES that end in .yaml. */
static status own_files(arena *a, const char ***paths, size_t *count, error *err)
{
    const char *folder = getenv("ASSAY_SUITES");
    char **names;
    size_t n;
    *count = 0;
    if (!folder || !folder[0])
        return STATUS_OK;
    TRY(file_list(a, folder, &names, &n, err));
    *paths = ARENA_ARRAY(a, const char *, n + 1);
    if (!*paths)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (slice_ends(slice_of(names[i]), SLICE(".yaml"))) {
            (*paths)[*count] = file_join(a, folder, names[i]);
            if (!(*paths)[(*count)++])
                return no_memory(err);
        }
    return STATUS_OK;
}

status suite_list(arena *a, suite ***out, size_t *count, error *err)
{
    const char **paths = NULL;
    size_t own;
    *count = 0;
    TRY(own_files(a, &paths, &own, err));
    *out = ARENA_ARRAY(a, suite *, COUNT_OF(embedded) + own);
    if (!*out)
        return no_memory(err);
    for (size_t i = 0; i < COUNT_OF(embedded); i++) {
        slice text = {embedded[i].start, (size_t)(embedded[i].end - embedded[i].start)};
        TRY(suite_parse(a, text, embedded[i].name, &(*out)[(*count)++], err));
    }
    for (size_t i = 0; i < own; i++)
        TRY(read_file(a, paths[i], &(*out)[(*count)++], err));
    return STATUS_OK;
}

status suite_open(arena *a, const char *word, suite **out, error *err)
{
    const char *name = word + (suite_named(word) ? sizeof suite_prefix - 1 : 0);
    suite **all;
    size_t count;
    if (strchr(name, '/') || slice_ends(slice_of(name), SLICE(".yaml")))
        return read_file(a, name, out, err);
    TRY(suite_list(a, &all, &count, err));
    for (size_t i = count; i-- > 0;) /* the user's own go first */
        if (strcmp(all[i]->name, name) == 0) {
            *out = all[i];
            return STATUS_OK;
        }
    const char **names = ARENA_ARRAY(a, const char *, count + 1);
    if (!names)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        names[i] = all[i]->name;
    int nearest = text_nearest(name, names, count);
    error_set(err, STATUS_USAGE, "there is no suite called '%s'", name);
    if (nearest >= 0)
        return error_hint(err, "did you mean 'suite:%s'?", names[nearest]);
    return error_hint(err, "'assay list suites' names them; one of your own is suite:./FILE.yaml");
}

/* ---- making ready ----------------------------------------------------------------------------------------------- */

static status unknown_part(const suite *s, slice name, const char *where, error *err)
{
    strbuf names = strbuf_new(NULL, 1 << 14);
    for (size_t i = 0; i < s->part_count; i++)
        strbuf_printf(&names, "%s%s", i ? ", " : "", s->parts[i].name);
    error_set(err, STATUS_USAGE, "%s: the suite %s has no part '" SLICE_FORMAT "'", where, s->name, SLICE_ARGS(name));
    error_hint(err, "its parts are %s", names.text ? names.text : "");
    strbuf_free(&names);
    return STATUS_USAGE;
}

static const suite_part *find_part(const suite *s, slice name)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (slice_is(name, s->parts[i].name))
            return &s->parts[i];
    return NULL;
}

static status choose(const suite *s, const char *only, bool *wanted, error *err)
{
    slice rest = slice_of(only), part;
    for (size_t i = 0; i < s->part_count; i++)
        wanted[i] = only == NULL;
    while (only && slice_cut(&rest, ',', &part)) {
        const suite_part *found = find_part(s, slice_trim(part));
        if (!found)
            return unknown_part(s, slice_trim(part), "--only", err);
        wanted[found - s->parts] = true;
    }
    return STATUS_OK;
}

static status open_part(arena *a, const suite_part *part, suite_ready *out, error *err)
{
    *out = (suite_ready){.part = part};
    status result = study_open(a, part->study, &out->study, err);
    if (result == STATUS_USAGE && part->optional) {
        out->study = NULL;
        return STATUS_OK;
    }
    if (result != STATUS_OK)
        return error_context(err, "%s:%d", part->file, part->line);
    TRY(param_values_new(a, out->study->params, out->study->param_count, &out->params, err));
    for (size_t i = 0; i < part->count; i++)
        if (param_set(out->params, part->names[i], part->values[i], err) != STATUS_OK)
            return error_context(err, "%s:%d: %s", part->file, part->line, part->name);
    return STATUS_OK;
}

/* "PART.PARAM=VALUE" */
static status set(arena *a, const suite *s, const char *setting, suite_ready *all, size_t count, error *err)
{
    slice rest = slice_of(setting), part, name;
    slice_cut(&rest, '=', &name);
    slice value = rest, path = name;
    slice_cut(&path, '.', &part);
    const suite_part *found = value.text && path.text ? find_part(s, part) : NULL;
    if (!value.text || !path.text)
        return error_set(err, STATUS_USAGE, "--set: expected PART.PARAMETER=VALUE, found '%s'", setting);
    if (!found)
        return unknown_part(s, part, "--set", err);
    char *param = slice_copy(a, path);
    if (!param)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (all[i].part == found && all[i].study && param_set(all[i].params, param, value.text, err) != STATUS_OK)
            return error_context(err, "--set %s", setting);
    return STATUS_OK;
}

status suite_prepare(arena *a, const suite *s, const char *only, const char *const *settings, size_t setting_count, suite_ready **out,
                     size_t *count, error *err)
{
    bool *wanted = ARENA_ARRAY(a, bool, s->part_count + 1);
    *out = ARENA_ARRAY(a, suite_ready, s->part_count + 1);
    *count = 0;
    if (!wanted || !*out)
        return no_memory(err);
    TRY(choose(s, only, wanted, err));
    for (size_t i = 0; i < s->part_count; i++)
        if (wanted[i])
            TRY(open_part(a, &s->parts[i], &(*out)[(*count)++], err));
    for (size_t i = 0; i < setting_count; i++)
        TRY(set(a, s, settings[i], *out, *count, err));
    return STATUS_OK;
}
