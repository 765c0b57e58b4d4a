#include "run/family.h"

#include "core/file.h"
#include "core/yaml.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "run/size.h"

#include <math.h>

enum { MOST_VALUES = 4096 };

typedef struct axis {
    const char *name;
    const char **names, **texts; /* of its values: as they are chosen, and as templates have them */
    size_t count;
    const char *chosen; /* "a|b", "*", one value */
} axis;

/* One family being read. */
typedef struct reading {
    arena *arena;
    const yaml_node *node;
    const char *models; /* folder */
    const char *folder, *subject, *repository, *revision; /* templates */
    axis axes[FAMILY_MOST_AXES];
    size_t axis_count;
} reading;

static const char family_prefix[] = "family:", series_prefix[] = "series:";

bool family_named(const char *specification)
{
    return strncmp(specification, family_prefix, sizeof family_prefix - 1) == 0;
}

bool series_named(const char *specification)
{
    return strncmp(specification, series_prefix, sizeof series_prefix - 1) == 0;
}

static status memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while reading a family");
}

/* ---- the axes --------------------------------------------------------------------------------------------------- */

static status add_value(reading *r, axis *x, const yaml_node *at, const char *name, const char *text, error *err)
{
    if (x->count == MOST_VALUES)
        return yaml_error(at, err, "more than %d values on an axis", MOST_VALUES);
    for (size_t i = 0; i < x->count; i++)
        if (name && strcmp(x->names[i], name) == 0)
            return yaml_error(at, err, "the value %s stands twice on the axis %s", name, x->name);
    if (name && strpbrk(name, "|,=@*"))
        return yaml_error(at, err, "a value may hold none of | , = @ *");
    x->names[x->count] = name;
    x->texts[x->count++] = text;
    (void)r;
    return name && text ? STATUS_OK : memory(err);
}

/* "1000..143000/1000" */
static bool is_range(const char *text, int64_t *from, int64_t *to, int64_t *step)
{
    slice rest = slice_of(text), part;
    size_t dots = slice_find(rest, SLICE(".."), 0);
    *step = 1;
    if (dots == SIZE_MAX || !slice_to_int(slice_sub(rest, 0, dots), from))
        return false;
    rest = slice_sub(rest, dots + 2, rest.length);
    slice_cut(&rest, '/', &part);
    return slice_to_int(part, to) && (!rest.text || slice_to_int(rest, step)) && *step > 0 && *from >= 0 && *to >= *from;
}

static status read_values(reading *r, axis *x, const yaml_node *list, error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const yaml_node *item = list->items[i];
        int64_t from, to, step;
        if (item->kind != YAML_SCALAR)
            return yaml_error(item, err, "expected a value of the axis %s", x->name);
        if (list->kind == YAML_MAP)
            TRY(add_value(r, x, item, list->keys[i], item->text, err));
        else if (!is_range(item->text, &from, &to, &step))
            TRY(add_value(r, x, item, item->text, item->text, err));
        else
            for (int64_t n = from; n >= from && n <= to; n = n > to - step ? -1 : n + step) {
                const char *text = arena_printf(r->arena, "%lld", (long long)n);
                TRY(add_value(r, x, item, text, text, err));
            }
    }
    return STATUS_OK;
}

static status read_axes(reading *r, error *err)
{
    const yaml_node *axes = yaml_get(r->node, "axes"), *fallback = yaml_get(r->node, "default");
    if (!axes || axes->kind != YAML_MAP || axes->count == 0 || axes->count > FAMILY_MOST_AXES)
        return yaml_error(r->node, err, "a family needs `axes` with 1 to %d of them", FAMILY_MOST_AXES);
    for (size_t i = 0; i < axes->count; i++) {
        axis *x = &r->axes[r->axis_count++];
        x->name = axes->keys[i];
        x->names = ARENA_ARRAY(r->arena, const char *, MOST_VALUES);
        x->texts = ARENA_ARRAY(r->arena, const char *, MOST_VALUES);
        if (!x->names || !x->texts)
            return memory(err);
        if (axes->items[i]->kind == YAML_SCALAR || axes->items[i]->count == 0)
            return yaml_error(axes->items[i], err, "expected a list or a map of values of the axis %s", x->name);
        TRY(read_values(r, x, axes->items[i], err));
        if (fallback)
            TRY(yaml_get_string(fallback, x->name, &x->chosen, err));
    }
    return STATUS_OK;
}

static status read_templates(reading *r, error *err)
{
    static const char *const keys[] = {"title", "repository", "revision", "folder", "subject", "axes", "default", "without"};
    TRY(yaml_check_keys(r->node, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(r->node, "repository", &r->repository, err));
    TRY(yaml_get_string(r->node, "revision", &r->revision, err));
    TRY(yaml_get_string(r->node, "folder", &r->folder, err));
    TRY(yaml_get_string(r->node, "subject", &r->subject, err));
    if (!r->folder == !r->subject)
        return yaml_error(r->node, err, "a family needs one of `folder` and `subject`");
    return STATUS_OK;
}

/* Pairs of axes and choices that no member has. */
static status check_without(const reading *r, error *err)
{
    const yaml_node *list = NULL;
    TRY(yaml_get_list(r->node, "without", &list, err));
    for (size_t i = 0; list && i < list->count; i++) {
        const char *names[FAMILY_MOST_AXES];
        const yaml_node *item = list->items[i];
        for (size_t k = 0; k < r->axis_count; k++)
            names[k] = r->axes[k].name;
        TRY(yaml_check_keys(item, names, r->axis_count, err));
        for (size_t k = 0; k < item->count; k++)
            if (item->items[k]->kind != YAML_SCALAR)
                return yaml_error(item->items[k], err, "expected values of the axis %s, several with | between them", item->keys[k]);
        if (item->count == 0)
            return yaml_error(item, err, "expected an axis and its values");
    }
    return STATUS_OK;
}

/* ---- what was chosen -------------------------------------------------------------------------------------------- */

static axis *axis_named(reading *r, slice name)
{
    for (size_t i = 0; i < r->axis_count; i++)
        if (slice_is(name, r->axes[i].name))
            return &r->axes[i];
    return NULL;
}

static status no_such_value(const axis *x, slice value, error *err)
{
    char some[256] = "";
    for (size_t i = 0, used = 0; i < x->count && used + strlen(x->names[i]) + 8 < sizeof some; i++)
        used += (size_t)snprintf(some + used, sizeof some - used, "%s%s", i ? ", " : "", x->names[i]);
    error_set(err, STATUS_USAGE, "the axis %s has no value \"" SLICE_FORMAT "\"", x->name, SLICE_ARGS(value));
    return error_hint(err, "it has %zu: %s%s", x->count, some, x->count > 12 ? " ..." : "");
}

/* Whether the choice "a|b" or "*" takes a value. */
static bool takes(const char *chosen, const char *value)
{
    slice rest = slice_of(chosen), part;
    while (slice_cut(&rest, '|', &part))
        if (slice_is(part, "*") || slice_is(part, value))
            return true;
    return false;
}

static status check_choice(const axis *x, error *err)
{
    slice rest = slice_of(x->chosen), part;
    while (slice_cut(&rest, '|', &part)) {
        bool known = slice_is(part, "*");
        for (size_t i = 0; i < x->count; i++)
            known |= slice_is(part, x->names[i]);
        if (!known)
            return no_such_value(x, part, err);
    }
    return STATUS_OK;
}

/* "size=70m,stage=*" */
static status read_choices(reading *r, const char *text, error *err)
{
    slice rest = slice_of(text), part, name;
    while (text && slice_cut(&rest, ',', &part)) {
        slice value = part;
        slice_cut(&value, '=', &name);
        axis *x = axis_named(r, name);
        if (!value.text || value.length == 0)
            return error_set(err, STATUS_USAGE, "expected AXIS=VALUE, found \"" SLICE_FORMAT "\"", SLICE_ARGS(part));
        if (!x)
            return error_set(err, STATUS_USAGE, "the family has no axis \"" SLICE_FORMAT "\"", SLICE_ARGS(name));
        x->chosen = arena_strndup(r->arena, value.text, value.length);
        if (!x->chosen)
            return memory(err);
    }
    for (size_t i = 0; i < r->axis_count; i++) {
        if (!r->axes[i].chosen) {
            error_set(err, STATUS_USAGE, "the axis %s of the family has no default: say which of it", r->axes[i].name);
            return error_hint(err, "%s=* takes all %zu values", r->axes[i].name, r->axes[i].count);
        }
        TRY(check_choice(&r->axes[i], err));
    }
    return STATUS_OK;
}

/* ---- the members ------------------------------------------------------------------------------------------------ */

/* "{size}" becomes the text of the member's value. */
static status fill(const reading *r, const char *template, const size_t *at, const char **out, error *err)
{
    strbuf b = strbuf_new(r->arena, 1 << 16);
    *out = NULL;
    if (!template)
        return STATUS_OK;
    for (const char *p = template; *p;) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        size_t i = 0;
        if (!end) {
            strbuf_add_char(&b, *p++);
            continue;
        }
        while (i < r->axis_count && !slice_is((slice){p + 1, (size_t)(end - p - 1)}, r->axes[i].name))
            i++;
        if (i == r->axis_count)
            return yaml_error(r->node, err, "\"%s\" names an axis that the family does not have", template);
        strbuf_add(&b, r->axes[i].texts[at[i]]);
        p = end + 1;
    }
    *out = b.text ? b.text : "";
    return b.failed ? memory(err) : STATUS_OK;
}

/* "70m" is 70 million, "1.4b" 1.4 billion, "512" itself; what is no number stands at its place in the list. */
static double position_of(const axis *x, size_t at)
{
    static const struct {
        char letter;
        double times;
    } units[] = {{'k', 1e3}, {'K', 1e3}, {'m', 1e6}, {'M', 1e6}, {'b', 1e9}, {'B', 1e9}, {'t', 1e12}, {'T', 1e12}};
    slice name = slice_of(x->names[at]);
    double value;
    if (slice_to_double(name, &value))
        return value;
    for (size_t i = 0; i < COUNT_OF(units) && name.length > 1; i++)
        if (name.text[name.length - 1] == units[i].letter && slice_to_double(slice_sub(name, 0, name.length - 1), &value))
            return value * units[i].times;
    return (double)at;
}

/* Whether the file says that there is no such member. */
static bool is_without(const reading *r, const size_t *at)
{
    const yaml_node *list = yaml_get(r->node, "without");
    for (size_t i = 0; list && i < list->count; i++) {
        const yaml_node *item = list->items[i];
        bool all = true;
        for (size_t k = 0; k < item->count && all; k++) {
            size_t x = 0;
            while (x < r->axis_count && strcmp(r->axes[x].name, item->keys[k]) != 0)
                x++;
            all = x < r->axis_count && takes(item->items[k]->text, r->axes[x].names[at[x]]);
        }
        if (all)
            return true;
    }
    return false;
}

static status add_member(const reading *r, const size_t *at, family *f, error *err)
{
    family_member *m = &f->members[f->count];
    const char *folder;
    if (is_without(r, at))
        return STATUS_OK;
    if (f->count == FAMILY_MOST_MEMBERS)
        return error_set(err, STATUS_USAGE, "more than %d members are chosen", FAMILY_MOST_MEMBERS);
    for (size_t i = 0; i < r->axis_count; i++)
        m->values[i] = r->axes[i].names[at[i]];
    m->x = position_of(&r->axes[f->curve], at[f->curve]);
    TRY(fill(r, r->repository, at, &m->repository, err));
    TRY(fill(r, r->revision, at, &m->revision, err));
    TRY(fill(r, r->subject, at, &m->specification, err));
    TRY(fill(r, r->folder, at, &folder, err));
    if (folder)
        m->specification = folder[0] == '/' ? folder : file_join(r->arena, r->models, folder);
    f->count++;
    return m->specification ? STATUS_OK : memory(err);
}

/* All combinations of chosen values, the last axis running fastest. */
static status add_members(const reading *r, size_t depth, size_t *at, family *f, error *err)
{
    if (depth == r->axis_count)
        return add_member(r, at, f, err);
    for (at[depth] = 0; at[depth] < r->axes[depth].count; at[depth]++)
        if (takes(r->axes[depth].chosen, r->axes[depth].names[at[depth]]))
            TRY(add_members(r, depth + 1, at, f, err));
    return STATUS_OK;
}

static status check_folders(const reading *r, const family *f, error *err)
{
    size_t missing = 0, first = 0;
    for (size_t i = 0; r->folder && i < f->count; i++)
        if (!checkpoint_plausible(f->members[i].specification)) {
            first = missing++ ? first : i;
        }
    if (missing == 0)
        return STATUS_OK;
    const family_member *m = &f->members[first];
    error_set(err, STATUS_NOT_FOUND, "%zu of %zu members of the family %s are not on this machine; the first: %s", missing, f->count,
              f->name, m->specification);
    if (m->repository)
        error_hint(err, "huggingface-cli download %s%s%s --local-dir %s", m->repository, m->revision ? " --revision " : "",
                   m->revision ? m->revision : "", m->specification);
    else
        error_hint(err, "`folder` in the file of families, and `models` at its top, say where members lie");
    return STATUS_NOT_FOUND;
}

/* `models` of the file, from the file's own folder; else ASSAY_MODELS; else the user's cache. */
static const char *models_folder(arena *a, const char *path, const char *named)
{
    const char *variable = getenv("ASSAY_MODELS"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *slash = strrchr(path, '/');
    if (named && named[0] == '~' && named[1] == '/' && home)
        return file_join(a, home, named + 2);
    const char *own = named && slash ? arena_strndup(a, path, (size_t)(slash - path)) : NULL;
    if (named && strcmp(named, ".") == 0 && own)
        return own;
    if (named)
        return named[0] == '/' || !slash ? named : file_join(a, own, named);
    if (variable && variable[0])
        return variable;
    if (cache && cache[0])
        return file_join(a, cache, "assay/models");
    return home ? file_join(a, home, ".cache/assay/models") : "models";
}

status family_read(arena *a, const char *path, const char *specification, family *out, error *err)
{
    static const char *const keys[] = {"models", "families"};
    const char *name = specification + strlen("family:"), *at_sign = strchr(name, '@'), *models = NULL;
    const yaml_node *root, *families;
    size_t place[FAMILY_MOST_AXES] = {0};
    *out = (family){.name = arena_strndup(a, name, at_sign ? (size_t)(at_sign - name) : strlen(name))};
    TRY(yaml_read(a, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(root, "models", &models, err));
    reading *r = ARENA_NEW(a, reading);
    out->members = ARENA_ARRAY(a, family_member, FAMILY_MOST_MEMBERS);
    if (!r || !out->members || !out->name)
        return memory(err);
    families = yaml_get(root, "families");
    *r = (reading){.arena = a, .models = models_folder(a, path, models), .node = families ? yaml_get(families, out->name) : NULL};
    if (!r->node) {
        int nearest = families && families->kind == YAML_MAP ? text_nearest(out->name, families->keys, families->count) : -1;
        error_set(err, STATUS_USAGE, "%s has no family \"%s\"", path, out->name);
        return nearest >= 0 ? error_hint(err, "did you mean %s?", families->keys[nearest]) : err ? err->code : STATUS_USAGE;
    }
    TRY(read_templates(r, err));
    TRY(read_axes(r, err));
    TRY(check_without(r, err));
    TRY(read_choices(r, at_sign ? at_sign + 1 : NULL, err));
    out->axis_count = r->axis_count;
    for (size_t i = r->axis_count; i-- > 0;) {
        out->axes[i] = r->axes[i].name;
        if (strcmp(r->axes[i].chosen, "*") == 0 || strchr(r->axes[i].chosen, '|'))
            out->curve = i;
    }
    TRY(add_members(r, 0, place, out, err));
    if (out->count == 0)
        return error_set(err, STATUS_USAGE, "%s: the family has no such member", specification);
    return check_folders(r, out, err);
}

/* ---- series of our own growing, and lists ----------------------------------------------------------------------- */

status family_read_series(arena *a, const char *specification, family *out, error *err)
{
    const char *folder = specification + sizeof series_prefix - 1, *at_sign = strchr(folder, '@');
    const char *path = file_join(a, arena_strndup(a, folder, at_sign ? (size_t)(at_sign - folder) : strlen(folder)), "families.yaml");
    const yaml_node *root, *families;
    if (!path)
        return memory(err);
    if (!file_exists(path)) {
        error_set(err, STATUS_NOT_FOUND, "%s: expected the folder of a series, found no %s", specification, path);
        return error_hint(err, "`assay grow organisms/ladder.yaml -o DIR` makes one");
    }
    TRY(yaml_read(a, path, &root, err));
    families = yaml_get(root, "families");
    if (!families || families->kind != YAML_MAP || families->count != 1)
        return error_set(err, STATUS_INVALID, "%s: expected the one family of a series", path);
    const char *name = arena_printf(a, "%s%s%s", family_prefix, families->keys[0], at_sign ? at_sign : "");
    return name ? family_read(a, path, name, out, err) : memory(err);
}

status family_of_subjects(arena *a, const char *const *specifications, size_t count, family *out, error *err)
{
    *out = (family){.name = "subjects", .axes = {"subject"}, .axis_count = 1, .count = count};
    if (count > FAMILY_MOST_MEMBERS)
        return error_set(err, STATUS_USAGE, "more than %d subjects are named", FAMILY_MOST_MEMBERS);
    out->members = ARENA_ARRAY(a, family_member, count + 1);
    if (!out->members)
        return memory(err);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(specifications[i], specifications[k]) == 0)
                return error_set(err, STATUS_USAGE, "the subject %s is named twice", specifications[i]);
        out->members[i] = (family_member){.values = {specifications[i]}, .specification = specifications[i], .x = (double)i};
    }
    return STATUS_OK;
}

status family_measure(arena *a, family *f, error *err)
{
    size_t known = 0;
    for (size_t i = 0; i < f->count; i++) {
        family_member *m = &f->members[i];
        json_t *size = run_size_of(m->specification);
        if (!size)
            return memory(err);
        const char *known_as = json_string_value(json_object_get(size, "tokenizer"));
        m->parameters = json_number_value(json_object_get(size, "parameters"));
        m->tokens = json_number_value(json_object_get(size, "tokens"));
        m->flops = json_number_value(json_object_get(size, "flops"));
        m->tokenizer = known_as ? arena_strdup(a, known_as) : NULL;
        json_decref(size);
        if (known_as && !m->tokenizer)
            return memory(err);
        known += m->parameters > 0;
    }
    for (size_t i = 0; i < f->count && known == f->count && strcmp(f->axes[f->curve], "subject") == 0; i++)
        f->members[i].x = f->members[i].parameters;
    return STATUS_OK;
}
