#include "plugin/declare.h"

#include "core/jsonio.h"
#include "core/text.h"

static const double no_limit = 1e15;
enum { MOST_NAME = 48, MOST_LINE = 300, MOST_TEXT = 4000, MOST_CHOICES = 64, MOST_SCHEMA = 1 << 20 };

static const char *const kinds[] = {"study", "scorer", "tool", "agent"};
_Static_assert(COUNT_OF(kinds) == PLUGIN_KIND_COUNT, "one name a kind");

const char *plugin_kind_name(plugin_kind kind)
{
    return kinds[kind];
}

/* What is being read, for messages: "./order.py: parameter 2". */
typedef struct place {
    arena *arena;
    const char *name;
} place;

/* ---- checked members -------------------------------------------------------------------------------------------- */

static bool printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return false;
    return true;
}

/* An absent or null member leaves *out alone. */
static status read_text(const place *p, const json_t *o, const char *key, size_t most, const char **out, error *err)
{
    const json_t *value = json_object_get(o, key);
    if (!value || json_is_null(value))
        return STATUS_OK;
    if (!json_is_string(value) || json_string_length(value) > most || strlen(json_string_value(value)) != json_string_length(value) ||
        !printable(json_string_value(value)))
        return error_set(err, STATUS_INVALID, "%s: expected a text of at most %zu bytes in one line at \"%s\"", p->name, most, key);
    *out = arena_strdup(p->arena, json_string_value(value));
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while reading %s", p->name);
}

static status need_text(const place *p, const json_t *o, const char *key, size_t most, const char **out, error *err)
{
    *out = NULL;
    TRY(read_text(p, o, key, most, out, err));
    return *out && **out ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: expected a text at \"%s\"", p->name, key);
}

/* Names become options, words of files and addresses of draws. */
static status need_name(const place *p, const json_t *o, const char **out, error *err)
{
    TRY(need_text(p, o, "name", MOST_NAME, out, err));
    const char *n = *out;
    if (n[0] >= 'a' && n[0] <= 'z' && strspn(n, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(n))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s: expected small letters, digits and '-' at \"name\", found \"%s\"", p->name, n);
}

static status read_bool(const place *p, const json_t *o, const char *key, bool *out, error *err)
{
    const json_t *value = json_object_get(o, key);
    if (value && !json_is_boolean(value))
        return error_set(err, STATUS_INVALID, "%s: expected true or false at \"%s\"", p->name, key);
    *out = json_is_true(value);
    return STATUS_OK;
}

static status read_number(const place *p, const json_t *o, const char *key, double *out, bool *there, error *err)
{
    const json_t *value = json_object_get(o, key);
    *there = value != NULL;
    if (value && !json_is_number(value))
        return error_set(err, STATUS_INVALID, "%s: expected a number at \"%s\"", p->name, key);
    *out = json_number_value(value);
    return STATUS_OK;
}

static status read_count(const place *p, const json_t *o, const char *key, double *out, error *err)
{
    bool there;
    TRY(read_number(p, o, key, out, &there, err));
    return !there || (*out >= 0 && *out <= 1e6)
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "%s: expected a number from 0 to 1000000 at \"%s\"", p->name, key);
}

static status read_list(const place *p, const json_t *o, const char *key, size_t most, const json_t **out, error *err)
{
    *out = json_object_get(o, key);
    if (*out && (!json_is_array(*out) || json_array_size(*out) > most))
        return error_set(err, STATUS_INVALID, "%s: expected a list of at most %zu at \"%s\"", p->name, most, key);
    return STATUS_OK;
}

static status read_choice(const place *p, const json_t *o, const char *key, const char *const *words, size_t count, int *out,
                          error *err)
{
    const char *word = NULL;
    char list[160] = "";
    TRY(need_text(p, o, key, MOST_NAME, &word, err));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = (int)i;
            return STATUS_OK;
        }
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", words[i]);
    }
    return error_set(err, STATUS_INVALID, "%s: expected one of %s at \"%s\", found \"%s\"", p->name, list, key, word);
}

/* A slip in a name would otherwise be a member that is quietly not there. */
static status check_keys(const place *p, const json_t *o, const char *const *keys, size_t count, error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(o))
        return error_set(err, STATUS_INVALID, "%s: expected an object", p->name);
    json_object_foreach((json_t *)(uintptr_t)o, key, value) {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= strcmp(keys[i], key) == 0;
        if (known)
            continue;
        int nearest = text_nearest(key, keys, count);
        error_set(err, STATUS_INVALID, "%s: there is no member \"%.40s\"", p->name, printable(key) ? key : "?");
        if (nearest >= 0)
            error_hint(err, "did you mean \"%s\"?", keys[nearest]);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* ---- roles and parameters --------------------------------------------------------------------------------------- */

static status read_role(const place *p, const json_t *o, plugin_role *r, error *err)
{
    static const char *const keys[] = {"name", "help", "needs", "optional"};
    const json_t *needs;
    TRY(check_keys(p, o, keys, COUNT_OF(keys), err));
    TRY(need_name(p, o, &r->name, err));
    r->help = "";
    TRY(read_text(p, o, "help", MOST_LINE, &r->help, err));
    TRY(read_bool(p, o, "optional", &r->optional, err));
    TRY(read_list(p, o, "needs", 2, &needs, err));
    r->generates = !needs;
    for (size_t i = 0; i < json_array_size(needs); i++) {
        const char *word = json_string_value(json_array_get(needs, i));
        bool generates = word && strcmp(word, "generate") == 0, scores = word && strcmp(word, "score") == 0;
        if (!generates && !scores)
            return error_set(err, STATUS_INVALID, "%s: expected \"generate\" or \"score\" at \"needs\"", p->name);
        r->generates |= generates;
        r->scores |= scores;
    }
    return STATUS_OK;
}

static status read_roles(const place *p, const json_t *hello, plugin_declaration *d, error *err)
{
    static const plugin_role subject = {.name = "subject", .help = "who answers", .generates = true};
    const json_t *list;
    TRY(read_list(p, hello, "roles", PLUGIN_MOST_ROLES, &list, err));
    size_t count = list ? json_array_size(list) : 1;
    plugin_role *roles = ARENA_ARRAY(p->arena, plugin_role, count + 1);
    if (!roles)
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", p->name);
    if (!list)
        roles[0] = subject;
    for (size_t i = 0; list && i < count; i++) {
        const place at = {p->arena, arena_printf(p->arena, "%s: role %zu", p->name, i + 1)};
        TRY(read_role(&at, json_array_get(list, i), &roles[i], err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(roles[k].name, roles[i].name) == 0)
                return error_set(err, STATUS_INVALID, "%s: the role %s is declared twice", p->name, roles[i].name);
    }
    if (count == 0 || strcmp(roles[0].name, "subject") != 0 || roles[0].optional)
        return error_set(err, STATUS_INVALID, "%s: the first of \"roles\" must be \"subject\", and not optional", p->name);
    d->roles = roles;
    d->role_count = count;
    return STATUS_OK;
}

static status read_choices(const place *p, const json_t *o, param_spec *s, error *err)
{
    const json_t *list;
    TRY(read_list(p, o, "choices", MOST_CHOICES, &list, err));
    if ((s->type == PARAM_CHOICE) != (json_array_size(list) > 0))
        return error_set(err, STATUS_INVALID, "%s: \"choices\" and the type \"choice\" need each other", p->name);
    const char **choices = ARENA_ARRAY(p->arena, const char *, json_array_size(list) + 1);
    if (!choices)
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", p->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (!word || !*word || strlen(word) > MOST_NAME || !printable(word))
            return error_set(err, STATUS_INVALID, "%s: expected short texts at \"choices\"", p->name);
        if (!(choices[i] = arena_strdup(p->arena, word)))
            return error_set(err, STATUS_MEMORY, "out of memory while reading %s", p->name);
    }
    s->choices = list ? choices : NULL;
    return STATUS_OK;
}

/* The default as the command line would give it. */
static status read_default(const place *p, const json_t *o, param_spec *s, error *err)
{
    const json_t *value = json_object_get(o, "default");
    if (!value || json_is_null(value))
        return STATUS_OK;
    if (json_is_string(value))
        return read_text(p, o, "default", MOST_TEXT, &s->fallback, err);
    if (json_is_array(value) || json_is_object(value))
        return error_set(err, STATUS_INVALID, "%s: expected a plain value at \"default\"", p->name);
    strbuf text = strbuf_new(p->arena, 256);
    TRY(jsonio_print(value, 0, &text, err));
    s->fallback = text.text;
    return STATUS_OK;
}

static status check_default(const place *p, const param_spec *s, error *err)
{
    param_spec bare = *s;
    param_values *values;
    error wrong = {0};
    bare.fallback = NULL;
    TRY(param_values_new(p->arena, &bare, 1, &values, err));
    if (s->fallback && param_set(values, s->name, s->fallback, &wrong) != STATUS_OK)
        return error_set(err, STATUS_INVALID, "%s: the default: %s", p->name, wrong.message);
    return STATUS_OK;
}

static status read_param(const place *p, const json_t *o, param_spec *s, error *err)
{
    static const char *const keys[] = {"name", "type", "min", "max", "default", "choices", "value", "help"};
    static const char *const types[] = {"flag", "int", "number", "string", "choice"};
    static const char *const values[] = {NULL, "N", "X", "TEXT", "WORD"};
    int type = 0;
    bool least, most;
    TRY(check_keys(p, o, keys, COUNT_OF(keys), err));
    TRY(need_name(p, o, &s->name, err));
    TRY(read_choice(p, o, "type", types, COUNT_OF(types), &type, err));
    s->type = (param_type)type;
    s->value = values[type];
    s->help = "";
    TRY(read_text(p, o, "value", MOST_NAME, &s->value, err));
    TRY(read_text(p, o, "help", MOST_LINE, &s->help, err));
    TRY(read_number(p, o, "min", &s->least, &least, err));
    TRY(read_number(p, o, "max", &s->most, &most, err));
    if (least && !most)
        s->most = no_limit;
    if (most && !least)
        s->least = -no_limit;
    if (s->least > s->most || ((least || most) && s->type != PARAM_INT && s->type != PARAM_NUMBER))
        return error_set(err, STATUS_INVALID, "%s: \"min\" and \"max\" are for numbers, in this order", p->name);
    TRY(read_choices(p, o, s, err));
    TRY(read_default(p, o, s, err));
    return check_default(p, s, err);
}

static status read_params(const place *p, const json_t *hello, plugin_declaration *d, error *err)
{
    const json_t *list;
    TRY(read_list(p, hello, "params", PLUGIN_MOST_PARAMS, &list, err));
    d->param_count = json_array_size(list);
    param_spec *params = ARENA_ARRAY(p->arena, param_spec, d->param_count + 1);
    if (!params)
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", p->name);
    for (size_t i = 0; i < d->param_count; i++) {
        const place at = {p->arena, arena_printf(p->arena, "%s: parameter %zu", p->name, i + 1)};
        TRY(read_param(&at, json_array_get(list, i), &params[i], err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(params[k].name, params[i].name) == 0)
                return error_set(err, STATUS_INVALID, "%s: the parameter %s is declared twice", p->name, params[i].name);
    }
    d->params = params;
    return STATUS_OK;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static status check_protocol(const place *p, const json_t *hello, error *err)
{
    const json_t *protocol = json_object_get(hello, "protocol");
    const char *refused = json_string_value(json_object_get(hello, "fail"));
    if (refused)
        return error_set(err, STATUS_INVALID, "%s says: %.300s", p->name, printable(refused) ? refused : "(unprintable)");
    if (!json_is_integer(protocol) || json_integer_value(protocol) < 1)
        return error_set(err, STATUS_INVALID, "%s: expected its first answer to hold \"protocol\": %d", p->name, PLUGIN_PROTOCOL);
    if (json_integer_value(protocol) <= PLUGIN_PROTOCOL)
        return STATUS_OK;
    error_set(err, STATUS_UNSUPPORTED, "%s speaks version %lld of the plug-in protocol, and this program version %d", p->name,
              (long long)json_integer_value(protocol), PLUGIN_PROTOCOL);
    return error_hint(err, "use a newer Assay, or an older version of the plug-in");
}

static status read_kind(const place *p, const json_t *hello, plugin_declaration *d, error *err)
{
    static const char *const counted[] = {"bad", "good"};
    int counts = 0;
    const json_t *schema = json_object_get(hello, "parameters");
    TRY(read_text(p, hello, "what", MOST_LINE, &d->what, err));
    TRY(read_bool(p, hello, "summarises", &d->summarises, err));
    TRY(read_count(p, hello, "requests", &d->requests, err));
    TRY(read_count(p, hello, "answer_tokens", &d->answer_tokens, err));
    TRY(read_bool(p, hello, "seeds", &d->seeds, err));
    if (json_object_get(hello, "counts"))
        TRY(read_choice(p, hello, "counts", counted, COUNT_OF(counted), &counts, err));
    d->counts = counted[counts];
    if (d->kind != PLUGIN_TOOL)
        return STATUS_OK;
    if (!json_is_object(schema))
        return error_set(err, STATUS_INVALID, "%s: a tool declares its arguments as a JSON schema at \"parameters\"", p->name);
    strbuf text = strbuf_new(p->arena, MOST_SCHEMA);
    TRY(jsonio_print(schema, 0, &text, err));
    d->schema = text.text;
    return STATUS_OK;
}

status plugin_declaration_read(arena *a, const char *path, const json_t *hello, plugin_declaration *out, error *err)
{
    static const char *const keys[] = {"protocol", "kind",   "name",       "title", "about",      "paper", "roles",
                                       "params",   "counts", "summarises", "what",  "parameters", "seeds",
                                       "requests", "answer_tokens"};
    const place p = {a, path};
    int kind = 0;
    *out = (plugin_declaration){0};
    TRY(check_protocol(&p, hello, err));
    TRY(check_keys(&p, hello, keys, COUNT_OF(keys), err));
    TRY(read_choice(&p, hello, "kind", kinds, COUNT_OF(kinds), &kind, err));
    out->kind = (plugin_kind)kind;
    TRY(need_name(&p, hello, &out->name, err));
    out->title = out->name;
    TRY(read_text(&p, hello, "title", MOST_LINE, &out->title, err));
    TRY(read_text(&p, hello, "about", MOST_TEXT, &out->about, err));
    TRY(read_text(&p, hello, "paper", MOST_TEXT, &out->paper, err));
    TRY(read_roles(&p, hello, out, err));
    TRY(read_params(&p, hello, out, err));
    return read_kind(&p, hello, out, err);
}
