/* JSON Schema into automata. */
#include "lm/constrain_internal.h"

#include "core/jsonio.h"

#include <string.h>

/* LEVELS: how often a $ref may be met inside of what it stands for, where that much is not too large; ANY_DEPTH: how deep
 * objects and lists of any JSON are nested. */
enum { DEEPEST = 64, PATH = 512, LEVELS = 8, ANY_DEPTH = 8 };

/* A $ref that is being followed, and how many objects and lists were open when it was met. */
typedef struct followed {
    const json_t *target;
    int inside;
} followed;

typedef struct reader {
    form *form;
    const json_t *root;
    error *err;
    int depth, inside;
    followed open[DEEPEST + 1]; /* the first: the whole schema */
    int open_count, levels; /* levels: of LEVELS, as many as fit */
    bool recursive, too_deep;
    size_t work;
} reader;

/* Adds what fits the schema between the two states. `path` says where the schema stands, for messages. */
static status value(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to);

/* ---- pieces of JSON ---- */

static void between(form *f, int32_t from, int low, int high, int32_t to)
{
    form_edge_add(f, from, low, high, to);
}

static void any_of(form *f, int32_t from, const char *bytes, int32_t to)
{
    for (; *bytes; bytes++)
        between(f, from, (unsigned char)*bytes, (unsigned char)*bytes, to);
}

/* One character inside of a string: UTF-8 as RFC 3629 has it (section 4), but for quotation marks, backslashes and control
 * characters, or a short escape. */
static void character(form *f, int32_t from, int32_t to)
{
    int32_t one = form_state(f), two = form_state(f), escape = form_state(f), e0 = form_state(f), ed = form_state(f);
    int32_t three = form_state(f), f0 = form_state(f), f4 = form_state(f);
    between(f, from, 0x20, 0x21, to);
    between(f, from, 0x23, 0x5b, to);
    between(f, from, 0x5d, 0x7f, to);
    between(f, from, '\\', '\\', escape);
    any_of(f, escape, "\"\\/bfnrt", to);
    between(f, from, 0xc2, 0xdf, one);
    between(f, from, 0xe0, 0xe0, e0);
    between(f, from, 0xe1, 0xec, two);
    between(f, from, 0xed, 0xed, ed);
    between(f, from, 0xee, 0xef, two);
    between(f, from, 0xf0, 0xf0, f0);
    between(f, from, 0xf1, 0xf3, three);
    between(f, from, 0xf4, 0xf4, f4);
    between(f, one, 0x80, 0xbf, to);
    between(f, two, 0x80, 0xbf, one);
    between(f, e0, 0xa0, 0xbf, one);
    between(f, ed, 0x80, 0x9f, one);
    between(f, three, 0x80, 0xbf, two);
    between(f, f0, 0x90, 0xbf, two);
    between(f, f4, 0x80, 0x8f, two);
}

/* Between `least` and `most` digits; most 0: exactly `least`. */
static void digits(form *f, int32_t from, int least, int most, int32_t to)
{
    for (int i = 1; i <= most; i++) {
        int32_t next = form_state(f);
        between(f, from, '0', '9', next);
        if (i >= least)
            form_skip(f, next, to);
        from = next;
    }
}

static void number(form *f, bool whole, int32_t from, int32_t to)
{
    int32_t sign = form_state(f), first = form_state(f), end = form_state(f), point = form_state(f);
    int32_t fraction = form_state(f), e = form_state(f), signed_e = form_state(f);
    form_skip(f, from, sign);
    between(f, from, '-', '-', sign);
    between(f, sign, '0', '0', end);
    between(f, sign, '1', '9', first);
    form_skip(f, first, end);
    digits(f, first, 1, 14, end);
    form_skip(f, end, to);
    if (whole)
        return;
    between(f, end, '.', '.', point);
    digits(f, point, 1, 15, fraction);
    form_skip(f, fraction, to);
    any_of(f, end, "eE", e);
    any_of(f, fraction, "eE", e);
    form_skip(f, e, signed_e);
    any_of(f, e, "+-", signed_e);
    digits(f, signed_e, 1, 2, to);
}

/* A value as it is. */
static status literal(reader *r, const json_t *v, int32_t from, int32_t to)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        return error_set(r->err, STATUS_MEMORY, "out of memory for a schema");
    form_skip(r->form, form_bytes(r->form, from, slice_of(text)), to);
    free(text);
    return STATUS_OK;
}

/* A comma or a colon, and perhaps a blank. */
static int32_t mark(form *f, int32_t from, char c)
{
    int32_t after = form_state(f), to = form_state(f);
    between(f, from, c, c, after);
    form_skip(f, after, to);
    between(f, after, ' ', ' ', to);
    return to;
}

/* ---- keys of a schema ---- */

typedef enum key_use { ALWAYS, OBJECTS, ARRAYS, STRINGS, SAYS_NOTHING } key_use;
static const struct {
    const char *name;
    key_use use;
} known_keys[] = {
    {"type", ALWAYS}, {"enum", ALWAYS}, {"const", ALWAYS}, {"anyOf", ALWAYS}, {"$ref", ALWAYS}, {"$defs", ALWAYS},
    {"definitions", ALWAYS}, {"properties", OBJECTS}, {"required", OBJECTS}, {"additionalProperties", OBJECTS},
    {"items", ARRAYS}, {"minItems", ARRAYS}, {"maxItems", ARRAYS}, {"minLength", STRINGS}, {"maxLength", STRINGS},
    {"title", SAYS_NOTHING}, {"description", SAYS_NOTHING}, {"default", SAYS_NOTHING}, {"examples", SAYS_NOTHING},
    {"$schema", SAYS_NOTHING}, {"$id", SAYS_NOTHING}, {"$comment", SAYS_NOTHING}, {"deprecated", SAYS_NOTHING},
};

static key_use use_of(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(known_keys); i++)
        if (strcmp(known_keys[i].name, key) == 0)
            return known_keys[i].use;
    return SAYS_NOTHING;
}

static status check_keys(const reader *r, const json_t *schema, const char *path)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)schema, key, member) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(known_keys); i++)
            known = known || strcmp(known_keys[i].name, key) == 0;
        if (!known)
            return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: the key \"%.80s\" is not built", path, key);
    }
    return STATUS_OK;
}

/* Where one of enum, const, anyOf and $ref says the form, other keys that say something would have to hold as well. */
static status check_alone(const reader *r, const json_t *schema, const char *path, const char *chosen)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)schema, key, member) {
        bool type_beside = strcmp(key, "type") == 0 && (strcmp(chosen, "enum") == 0 || strcmp(chosen, "const") == 0);
        if (use_of(key) != SAYS_NOTHING && strcmp(key, chosen) != 0 && strcmp(key, "$defs") != 0 &&
            strcmp(key, "definitions") != 0 && !type_beside)
            return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: \"%s\" beside \"%s\" is not built", path, key, chosen);
    }
    return STATUS_OK;
}

/* A count such as maxItems; `fallback` where it is not given. */
static status count_of(const reader *r, const json_t *schema, const char *path, const char *key, int64_t fallback, int64_t *out)
{
    const json_t *v = json_object_get(schema, key);
    *out = fallback;
    if (!v)
        return STATUS_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return error_set(r->err, STATUS_INVALID, "schema%s: %s must be a whole number from 0 on", path, key);
    *out = json_integer_value(v) < FORM_STATES ? json_integer_value(v) : FORM_STATES;
    return STATUS_OK;
}

static status limits(const reader *r, const json_t *schema, const char *path, const char *least_key, const char *most_key,
                     int64_t *least, int64_t *most)
{
    TRY(count_of(r, schema, path, least_key, 0, least));
    TRY(count_of(r, schema, path, most_key, -1, most));
    if (*most >= 0 && *least > *most)
        return error_set(r->err, STATUS_INVALID, "schema%s: %s is above %s", path, least_key, most_key);
    return STATUS_OK;
}

/* ---- the types ---- */

static status string_value(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    form *f = r->form;
    int64_t least, most;
    TRY(limits(r, schema, path, "minLength", "maxLength", &least, &most));
    int32_t at = form_state(f), end = form_state(f);
    between(f, from, '"', '"', at);
    for (int64_t i = 0; (i < least || i < most) && f->failed == STATUS_OK; i++) {
        int32_t next = form_state(f);
        if (i >= least)
            form_skip(f, at, end);
        character(f, at, next);
        at = next;
    }
    if (most < 0)
        character(f, at, at);
    form_skip(f, at, end);
    between(f, end, '"', '"', to);
    return STATUS_OK;
}

static status array_value(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    form *f = r->form;
    const json_t *items = json_object_get(schema, "items");
    char below[PATH];
    int64_t least, most;
    TRY(limits(r, schema, path, "minItems", "maxItems", &least, &most));
    if (!json_is_object(items))
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: an array needs \"items\", a schema", path);
    snprintf(below, sizeof below, "%s/items", path);
    int32_t begin = form_state(f), end = form_state(f), at = begin;
    between(f, from, '[', '[', begin);
    between(f, end, ']', ']', to);
    if (least == 0)
        form_skip(f, begin, end);
    r->inside++;
    for (int64_t i = 0; most < 0 ? i < least || i == 0 : i < most; i++) { /* at the i-th item, or past the last one */
        int32_t item = i ? mark(f, at, ',') : form_state(f), after = form_state(f);
        if (i == 0)
            form_skip(f, begin, item);
        TRY(value(r, items, below, item, after));
        if (f->failed != STATUS_OK)
            break; /* said at the end */
        if (i + 1 >= least)
            form_skip(f, after, end);
        if (most < 0 && (i + 1 >= least)) /* any number of further items */
            form_skip(f, mark(f, after, ','), item);
        at = after;
    }
    r->inside--;
    return STATUS_OK;
}

static bool is_required(const json_t *required, const char *name)
{
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *text = json_string_value(json_array_get(required, i));
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static status check_object(const reader *r, const json_t *schema, const json_t *properties, const char *path)
{
    const json_t *required = json_object_get(schema, "required"), *more = json_object_get(schema, "additionalProperties");
    if (properties && !json_is_object(properties))
        return error_set(r->err, STATUS_INVALID, "schema%s: \"properties\" must be an object", path);
    if (more && !json_is_boolean(more))
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: \"additionalProperties\" may be true or false here", path);
    if (required && !json_is_array(required))
        return error_set(r->err, STATUS_INVALID, "schema%s: \"required\" must be a list of names", path);
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name || !json_object_get(properties, name))
            return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: \"%.80s\" is required, but is no property", path,
                             name ? name : "(no name)");
    }
    return STATUS_OK;
}

/* Properties in order. Two tracks: nothing is written yet, or something is and a comma must come first. */
static status object_value(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    form *f = r->form;
    const json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const char *name;
    json_t *property;
    TRY(check_object(r, schema, properties, path));
    int32_t fresh = form_state(f), written = form_state(f);
    between(f, from, '{', '{', fresh);
    r->inside++;
    json_object_foreach((json_t *)(uintptr_t)properties, name, property) {
        char below[PATH];
        snprintf(below, sizeof below, "%s/properties/%.100s", path, name);
        int32_t next_fresh = form_state(f), next_written = form_state(f), named = mark(f, written, ','), quoted = form_state(f);
        form_skip(f, fresh, named);
        json_t *text = json_string(name);
        status result = text ? literal(r, text, named, quoted) : error_set(r->err, STATUS_MEMORY, "out of memory for a schema");
        json_decref(text);
        TRY(result);
        TRY(value(r, property, below, mark(f, quoted, ':'), next_written));
        if (!is_required(required, name)) {
            form_skip(f, fresh, next_fresh);
            form_skip(f, written, next_written);
        }
        fresh = next_fresh;
        written = next_written;
    }
    r->inside--;
    between(f, fresh, '}', '}', to);
    between(f, written, '}', '}', to);
    return STATUS_OK;
}

static const struct {
    const char *name;
    key_use keys; /* that go with it */
} types[] = {{"object", OBJECTS}, {"array", ARRAYS}, {"string", STRINGS}, {"number", ALWAYS}, {"integer", ALWAYS},
             {"boolean", ALWAYS}, {"null", ALWAYS}};

static status typed_value(reader *r, const json_t *schema, const char *type, const char *path, int32_t from, int32_t to)
{
    size_t i = 0;
    while (i < COUNT_OF(types) && strcmp(types[i].name, type) != 0)
        i++;
    if (i == COUNT_OF(types))
        return error_set(r->err, STATUS_INVALID, "schema%s: \"%.80s\" is no type of JSON", path, type);
    if (types[i].keys == OBJECTS)
        return object_value(r, schema, path, from, to);
    if (types[i].keys == ARRAYS)
        return array_value(r, schema, path, from, to);
    if (types[i].keys == STRINGS)
        return string_value(r, schema, path, from, to);
    if (strcmp(type, "null") == 0)
        form_skip(r->form, form_bytes(r->form, from, SLICE("null")), to);
    else if (strcmp(type, "boolean") == 0) {
        form_skip(r->form, form_bytes(r->form, from, SLICE("true")), to);
        form_skip(r->form, form_bytes(r->form, from, SLICE("false")), to);
    } else
        number(r->form, strcmp(type, "integer") == 0, from, to);
    return STATUS_OK;
}

/* What a $ref "#" or "#/$defs/NAME" means. */
static const json_t *referred(const reader *r, const char *reference)
{
    static const char *const lists[] = {"$defs", "definitions"};
    slice rest = slice_of(reference), part;
    if (!slice_cut(&rest, '/', &part) || !slice_is(part, "#"))
        return NULL;
    if (!rest.text)
        return r->root;
    if (!slice_cut(&rest, '/', &part) || !rest.text)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (slice_is(part, lists[i]))
            return json_object_getn(json_object_get(r->root, lists[i]), rest.text, rest.length);
    return NULL;
}

static bool type_fits(const char *type, const json_t *v)
{
    return strcmp(type, "object") == 0    ? json_is_object(v)
           : strcmp(type, "array") == 0   ? json_is_array(v)
           : strcmp(type, "string") == 0  ? json_is_string(v)
           : strcmp(type, "number") == 0  ? json_is_number(v)
           : strcmp(type, "integer") == 0 ? json_is_integer(v)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
                                          : strcmp(type, "null") == 0 && json_is_null(v);
}

/* Values of an enum or const that the type beside it lets through. */
static status listed_values(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    const json_t *one = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    const char *type = json_string_value(json_object_get(schema, "type"));
    size_t count = one ? 1 : json_array_size(list), used = 0;
    TRY(check_alone(r, schema, path, one ? "const" : "enum"));
    if (json_object_get(schema, "type") && !type)
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: a list of types beside an enum is not built", path);
    for (size_t i = 0; i < count; i++) {
        const json_t *v = one ? one : json_array_get(list, i);
        if (type && !type_fits(type, v))
            continue;
        TRY(literal(r, v, from, to));
        used++;
    }
    return used ? STATUS_OK : error_set(r->err, STATUS_INVALID, "schema%s: no value is allowed", path);
}

static status alternatives(reader *r, const json_t *list, const char *path, int32_t from, int32_t to)
{
    if (json_array_size(list) == 0)
        return error_set(r->err, STATUS_INVALID, "schema%s: \"anyOf\" must be a list of schemas", path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char below[PATH];
        snprintf(below, sizeof below, "%s/anyOf/%zu", path, i);
        TRY(value(r, json_array_get(list, i), below, from, to));
    }
    return STATUS_OK;
}

static status by_type(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type))
        return typed_value(r, schema, json_string_value(type), path, from, to);
    if (!json_is_array(type) || json_array_size(type) == 0)
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: expected \"type\", \"enum\", \"const\", \"anyOf\" or \"$ref\"", path);
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        TRY(typed_value(r, schema, name ? name : "(no name)", path, from, to));
    }
    return STATUS_OK;
}

/* What a $ref stands for. Inside of itself it is written out as often as fits; from there on nothing is written, and what
 * would need it cannot be. */
static status reference_value(reader *r, const json_t *schema, const char *reference, const char *path, int32_t from, int32_t to)
{
    const json_t *target = referred(r, reference);
    char below[PATH];
    int same = 0;
    TRY(check_alone(r, schema, path, "$ref"));
    if (!target)
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%s: \"$ref\" %.80s leads nowhere; expected # or #/$defs/NAME", path, reference);
    for (int i = 0; i < r->open_count; i++) {
        if (r->open[i].target != target)
            continue;
        if (r->open[i].inside == r->inside)
            return error_set(r->err, STATUS_UNSUPPORTED, "schema%.200s: the $ref %.80s leads to itself", path, reference);
        same++;
    }
    r->recursive = r->recursive || same > 0;
    if (same > r->levels)
        return STATUS_OK;
    snprintf(below, sizeof below, "%.300s/%.100s", path, reference);
    r->open[r->open_count++] = (followed){target, r->inside};
    status result = value(r, target, below, from, to);
    r->open_count--;
    return result;
}

static status value(reader *r, const json_t *schema, const char *path, int32_t from, int32_t to)
{
    status result;
    if (!json_is_object(schema))
        return error_set(r->err, STATUS_INVALID, "schema%s: expected an object", path);
    r->too_deep = r->too_deep || r->depth >= DEEPEST;
    if (r->depth >= DEEPEST)
        return error_set(r->err, STATUS_UNSUPPORTED, "schema%.200s: nested more than %d deep", path, DEEPEST);
    if (r->work++ >= FORM_STATES && r->form->failed == STATUS_OK)
        r->form->failed = STATUS_LIMIT;
    if (r->form->failed != STATUS_OK)
        return STATUS_OK; /* said at the end */
    TRY(check_keys(r, schema, path));
    r->depth++;
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (reference) {
        result = reference_value(r, schema, reference, path, from, to);
    } else if (json_object_get(schema, "const") || json_object_get(schema, "enum")) {
        result = listed_values(r, schema, path, from, to);
    } else if (json_object_get(schema, "anyOf")) {
        result = check_alone(r, schema, path, "anyOf");
        if (result == STATUS_OK)
            result = alternatives(r, json_object_get(schema, "anyOf"), path, from, to);
    } else {
        result = by_type(r, schema, path, from, to);
    }
    r->depth--;
    return result;
}

status constraint_json(arena *a, const constraint_vocabulary *v, const json_t *schema, constraint **out, error *err)
{
    *out = NULL;
    for (int levels = LEVELS;; levels--) {
        form f;
        error own = {0};
        reader r = {.form = &f, .root = schema, .err = &own, .open = {{schema, 0}}, .open_count = 1, .levels = levels};
        arena *attempt = arena_new(a);
        if (!form_begin(&f, attempt))
            return error_set(err, STATUS_MEMORY, "out of memory for a schema");
        status result = value(&r, schema, "", 0, 1);
        bool too_large = r.too_deep || (result == STATUS_OK && f.failed == STATUS_LIMIT);
        if (too_large && r.recursive && levels > 1) {
            arena_free(attempt);
            continue;
        }
        if (result == STATUS_OK)
            return form_finish(&f, v, out, err);
        if (err)
            *err = own;
        return result;
    }
}

/* ---- any JSON ---- */

static void any_string(form *f, int32_t from, int32_t to)
{
    int32_t inside = form_state(f);
    between(f, from, '"', '"', inside);
    character(f, inside, inside);
    between(f, inside, '"', '"', to);
}

static void any_value(form *f, int depth, int32_t from, int32_t to);

static void any_object(form *f, int depth, int32_t from, int32_t to)
{
    int32_t begin = form_state(f), name = form_state(f), named = form_state(f), after = form_state(f);
    between(f, from, '{', '{', begin);
    between(f, begin, '}', '}', to);
    form_skip(f, begin, name);
    any_string(f, name, named);
    any_value(f, depth - 1, mark(f, named, ':'), after);
    form_skip(f, mark(f, after, ','), name);
    between(f, after, '}', '}', to);
}

static void any_value(form *f, int depth, int32_t from, int32_t to)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        form_skip(f, form_bytes(f, from, slice_of(words[i])), to);
    any_string(f, from, to);
    number(f, false, from, to);
    if (depth == 0 || f->failed != STATUS_OK)
        return;
    int32_t begin = form_state(f), item = form_state(f), after = form_state(f);
    between(f, from, '[', '[', begin);
    between(f, begin, ']', ']', to);
    form_skip(f, begin, item);
    any_value(f, depth - 1, item, after);
    form_skip(f, mark(f, after, ','), item);
    between(f, after, ']', ']', to);
    any_object(f, depth, from, to);
}

status constraint_json_object(arena *a, const constraint_vocabulary *v, constraint **out, error *err)
{
    form f;
    *out = NULL;
    if (!form_begin(&f, a))
        return error_set(err, STATUS_MEMORY, "out of memory for the form of an answer");
    any_object(&f, ANY_DEPTH, 0, 1);
    return form_finish(&f, v, out, err);
}
