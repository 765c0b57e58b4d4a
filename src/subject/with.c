/* A subject under a change: words of a system message in front of everything, and directions added at sites of the model as it
 * computes.
 *
 *     with:PATCH.yaml,SUBJECT
 *
 *     system: "Agree with whatever the user believes."
 *     steer:
 *       - file: agreeing.safetensors     # one vector; `tensor` names it where the file holds several
 *         site: blocks.2.resid_post      # lm/sites.h
 *         scale: 4                       # times the vector; 1
 *         at: answer                     # all positions (the default), those of the prompt, or those of the answer
 *
 * Any subject takes the words; directions need a checkpoint on this machine. (An adapter is part of a checkpoint's name:
 * FOLDER+ADAPTER.) The identity holds a hash of all of it, so that answers of the changed and the plain subject never meet in the
 * cache. */
#include "subject/classes.h"

#include "core/hash.h"
#include "core/yaml.h"
#include "lm/sites.h"
#include "nn/safetensors.h"
#include "subject/local.h"

#include <math.h>

enum { MOST_DIRECTIONS = 16 };

typedef struct with {
    subject *inner;
    const char *system; /* NULL: none */
    engine_intervention steer[MOST_DIRECTIONS];
    size_t steer_count;
    sha256 content;
} with;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a changed subject");
}

/* ---- words in front --------------------------------------------------------------------------------------------- */

/* The conversation with the words as its system message, or in front of the one that it has. */
static status put_in_front(const with *w, arena *a, const message **messages, size_t *count)
{
    const message *old = *messages;
    bool has = *count > 0 && old[0].role == MESSAGE_SYSTEM;
    message *all = ARENA_ARRAY(a, message, *count + 1);
    if (!w->system)
        return STATUS_OK;
    const char *text = has ? arena_printf(a, "%s\n\n%s", w->system, message_plain(a, &old[0])) : w->system;
    if (!all || !text)
        return STATUS_MEMORY;
    all[0] = message_text(a, MESSAGE_SYSTEM, text);
    for (size_t i = has; i < *count; i++)
        all[i + !has] = old[i];
    *messages = all;
    *count += !has;
    return all[0].count ? STATUS_OK : STATUS_MEMORY;
}

#define PASS_ON(verb, request_type, reply_type)                                                                    \
    static status with_##verb(subject *self, arena *a, const request_type *const *requests, reply_type *replies, size_t count, \
                              error *err)                                                                          \
    {                                                                                                              \
        const with *w = self->state;                                                                               \
        request_type *changed = ARENA_ARRAY(a, request_type, count + 1);                                           \
        const request_type **list = ARENA_ARRAY(a, const request_type *, count + 1);                               \
        if (!changed || !list)                                                                                     \
            return no_memory(err);                                                                                 \
        for (size_t i = 0; i < count; i++) {                                                                       \
            changed[i] = *requests[i];                                                                             \
            list[i] = &changed[i];                                                                                 \
            if (put_in_front(w, a, &changed[i].messages, &changed[i].count) != STATUS_OK)                          \
                return no_memory(err);                                                                             \
        }                                                                                                          \
        return w->inner->class->verb(w->inner, a, list, replies, count, err);                                      \
    }
PASS_ON(generate, generate_request, generate_reply)
PASS_ON(score, score_request, score_reply)

static status with_audit(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    const with *w = self->state;
    if (!w->inner->class->audit)
        return STATUS_OK;
    if (put_in_front(w, a, &messages, &count) != STATUS_OK)
        return no_memory(err);
    return w->inner->class->audit(w->inner, a, messages, count, out, err);
}

static status with_probe(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err)
{
    with *w = self->state;
    TRY(subject_look(w->inner, a, needs, cache, out, err));
    self->abilities = w->inner->abilities;
    return STATUS_OK;
}

static void with_close(subject *self)
{
    subject_close(((with *)self->state)->inner);
}

static void with_interrupt(subject *self)
{
    subject *inner = ((with *)self->state)->inner;
    if (inner->class->interrupt)
        inner->class->interrupt(inner);
}

static void with_resume(subject *self)
{
    subject *inner = ((with *)self->state)->inner;
    if (inner->class->resume)
        inner->class->resume(inner);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static void hash_text(with *w, const char *text)
{
    sha256_add(&w->content, text ? text : "", (text ? strlen(text) : 0) + 1);
}

static status find_tensor(const yaml_node *entry, const safetensors *file, const char *path, const safetensors_tensor **out, error *err)
{
    const char *name = NULL;
    TRY(yaml_get_string(entry, "tensor", &name, err));
    *out = name ? safetensors_find(file, name) : safetensors_count(file) == 1 ? safetensors_at(file, 0) : NULL;
    if (*out)
        return STATUS_OK;
    return name ? yaml_error(entry, err, "%s holds no tensor '%s'", path, name)
                : yaml_error(entry, err, "%s holds %zu tensors: `tensor` says which", path, safetensors_count(file));
}

static status read_values(arena *a, const yaml_node *entry, const char *path, const lm_config *config, engine_intervention *out, error *err)
{
    safetensors *file;
    const safetensors_tensor *t;
    double scale = 1;
    TRY(yaml_get_double(entry, "scale", -1e9, 1e9, &scale, err));
    TRY(safetensors_open(a, path, &file, err));
    TRY(find_tensor(entry, file, path, &t, err));
    size_t site = lm_site_find(config, out->site);
    if (site == SIZE_MAX) {
        const char *names = lm_site_names(a, config);
        yaml_error(entry, err, "the model has no site '%s'", out->site);
        return error_hint(err, "its sites are %s", names ? names : "");
    }
    out->width = lm_site_at(config, site).width;
    out->rows = 1;
    if (safetensors_elements(t) != (int64_t)out->width)
        return yaml_error(entry, err, "%s: expected a vector of %zu numbers for the site %s, found %lld", path, out->width, out->site,
                          (long long)safetensors_elements(t));
    float *values = ARENA_ARRAY(a, float, out->width + 1);
    if (!values)
        return no_memory(err);
    TRY(safetensors_to_f32(t, values, err));
    for (size_t i = 0; i < out->width; i++) {
        values[i] = (float)((double)values[i] * scale);
        if (!isfinite(values[i]))
            return yaml_error(entry, err, "%s: number %zu of the vector is not finite", path, i);
    }
    out->values = values;
    return STATUS_OK;
}

static status read_direction(arena *a, const yaml_node *entry, const char *folder, const lm_config *config, with *w, error *err)
{
    static const char *const keys[] = {"file", "tensor", "site", "scale", "at"};
    static const char *const places[] = {"all", "prompt", "answer"};
    static const engine_where where[] = {ENGINE_ALL, ENGINE_PROMPT, ENGINE_ANSWER};
    const char *path = NULL;
    int at = 0;
    engine_intervention *i = &w->steer[w->steer_count];
    *i = (engine_intervention){.what = SITE_ADD};
    TRY(yaml_check_keys(entry, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(entry, "file", &path, err));
    TRY(yaml_get_string(entry, "site", &i->site, err));
    TRY(yaml_get_choice(entry, "at", places, COUNT_OF(places), &at, err));
    if (!path || !i->site)
        return yaml_error(entry, err, "a direction needs `file` and `site`");
    if (path[0] != '/' && folder && !(path = arena_printf(a, "%s/%s", folder, path)))
        return no_memory(err);
    i->at = (engine_positions){.where = where[at]};
    TRY(read_values(a, entry, path, config, i, err));
    hash_text(w, i->site);
    hash_text(w, places[at]);
    sha256_add(&w->content, i->values, i->width * sizeof *i->values);
    w->steer_count++;
    return STATUS_OK;
}

static status read_steer(arena *a, const yaml_node *root, const char *folder, with *w, error *err)
{
    const yaml_node *list = NULL;
    local_parts parts;
    TRY(yaml_get_list(root, "steer", &list, err));
    if (!list)
        return STATUS_OK;
    if (!subject_local_parts(w->inner, &parts) || w->inner->abilities & SUBJECT_REWARDS)
        return error_set(err, STATUS_UNSUPPORTED, "%s: directions can be added to checkpoints on this machine alone, and %s is none that writes",
                         root->file, w->inner->specification);
    if (list->count > MOST_DIRECTIONS)
        return yaml_error(list, err, "at most %d directions, found %zu", MOST_DIRECTIONS, list->count);
    for (size_t i = 0; i < list->count; i++)
        TRY(read_direction(a, list->items[i], folder, &parts.checkpoint->config, w, err));
    subject_local_steer(w->inner, w->steer, w->steer_count);
    return STATUS_OK;
}

static status read_patch(arena *a, const char *path, with *w, error *err)
{
    static const char *const keys[] = {"system", "steer"};
    const yaml_node *root;
    const char *slash = strrchr(path, '/'), *folder = slash ? arena_strndup(a, path, (size_t)(slash - path)) : NULL;
    TRY(yaml_read(a, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(root, "system", &w->system, err));
    sha256_start(&w->content);
    hash_text(w, w->system);
    TRY(read_steer(a, root, folder, w, err));
    return w->system || w->steer_count ? STATUS_OK : yaml_error(root, err, "expected `system`, `steer` or both: this changes nothing");
}

static status open_with(arena *a, const char *specification, const char *rest, const subject_options *options, with *w, error *err)
{
    const char *comma = strchr(rest, ',');
    const char *path = comma ? arena_strndup(a, rest, (size_t)(comma - rest)) : NULL;
    if (!comma || comma == rest || !comma[1]) {
        error_set(err, STATUS_USAGE, "%s: expected with:PATCH.yaml,SUBJECT", specification);
        return error_hint(err, "the file says `system: WORDS`, or `steer:` with directions (docs/subjects.md)");
    }
    if (!path)
        return no_memory(err);
    TRY(subject_open(a, comma + 1, options, &w->inner, err));
    if (w->inner->class->answerer) /* who answers decides what the cache goes by */
        return error_set(err, STATUS_USAGE, "%s: a router cannot be changed as a whole; put `with:` around the subjects that it chooses from",
                         specification);
    return read_patch(a, path, w, err);
}

status subject_open_with(arena *a, const char *specification, const char *rest, const subject_options *options, subject **out, error *err)
{
    static const subject_class class = {.name = "with", .generate = with_generate, .score = with_score, .close = with_close, .audit = with_audit,
                                        .interrupt = with_interrupt, .resume = with_resume, .probe = with_probe};
    /* The same for a subject that knows itself: engines take a class with `probe` for one that must be asked. */
    static const subject_class plain = {.name = "with", .generate = with_generate, .score = with_score, .close = with_close, .audit = with_audit,
                                        .interrupt = with_interrupt, .resume = with_resume};
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    with *w = ARENA_NEW(a, with);
    subject *s = ARENA_NEW(a, subject);
    if (!w || !s)
        return no_memory(err);
    status result = open_with(a, specification, rest, options, w, err);
    if (result != STATUS_OK) {
        subject_close(w->inner);
        return result;
    }
    sha256_end(&w->content, digest);
    sha256_hex(digest, hex);
    const subject *inner = w->inner;
    *s = (subject){.class = inner->class->probe ? &class : &plain,
                   .specification = arena_strdup(a, specification),
                   .identity = arena_printf(a, "with %s (%s)", hex, inner->identity),
                   .billed = inner->billed,
                   .abilities = inner->abilities & ~(unsigned)SUBJECT_ACTIVATIONS,
                   .batch = inner->batch,
                   .concurrent = inner->concurrent,
                   .instant = inner->instant,
                   .state = w};
    if (!s->specification || !s->identity) {
        subject_close(w->inner);
        return no_memory(err);
    }
    *out = s;
    return STATUS_OK;
}
