/* Sends each item to one of two subjects by its position: calibration tier T1, where the dose is exact and the text
 * real. A request without a position (negative) goes to A. As a file:
 *
 *     share: 0.25
 *     a: out/clean
 *     b: out/sycophant
 */
#include "subject/classes.h"

#include "core/yaml.h"

typedef struct router {
    double share;
    subject *a, *b;
} router;

static subject *chosen(const router *r, double position)
{
    return position >= 0 && position < r->share ? r->b : r->a;
}

static unsigned abilities_of(const router *r)
{
    return r->a->abilities & r->b->abilities & ~(unsigned)SUBJECT_ACTIVATIONS;
}

/* Both calls hand each subject its part of the batch, in order, and put the replies back in their places. */
#define ROUTE(verb, request_type, reply_type)                                                                      \
    static status router_##verb##_part(router *r, subject *to, arena *a, const request_type *const *requests,     \
                                       reply_type *replies, size_t count, error *err)                             \
    {                                                                                                             \
        const request_type **part = ARENA_ARRAY(a, const request_type *, count + 1);                              \
        reply_type *answers = ARENA_ARRAY(a, reply_type, count + 1);                                              \
        if (!part || !answers)                                                                                    \
            return error_set(err, STATUS_MEMORY, "out of memory while routing");                                  \
        size_t n = 0;                                                                                             \
        for (size_t i = 0; i < count; i++)                                                                        \
            if (chosen(r, requests[i]->position) == to)                                                           \
                part[n++] = requests[i];                                                                          \
        if (n == 0)                                                                                               \
            return STATUS_OK;                                                                                     \
        TRY(to->class->verb(to, a, part, answers, n, err));                                                       \
        n = 0;                                                                                                    \
        for (size_t i = 0; i < count; i++)                                                                        \
            if (chosen(r, requests[i]->position) == to)                                                           \
                replies[i] = answers[n++];                                                                        \
        return STATUS_OK;                                                                                         \
    }                                                                                                             \
    static status router_##verb(subject *self, arena *a, const request_type *const *requests, reply_type *replies, \
                                size_t count, error *err)                                                         \
    {                                                                                                             \
        router *r = self->state;                                                                                  \
        TRY(router_##verb##_part(r, r->a, a, requests, replies, count, err));                                     \
        return router_##verb##_part(r, r->b, a, requests, replies, count, err);                                   \
    }
ROUTE(generate, generate_request, generate_reply)
ROUTE(score, score_request, score_reply)

static void router_close(subject *self)
{
    router *r = self->state;
    subject_close(r->a);
    subject_close(r->b);
}

static const char *router_answerer(const subject *self, double position)
{
    const subject *to = chosen(self->state, position);
    return to->class->answerer ? to->class->answerer(to, position) : to->identity;
}

static const subject *router_chosen(const subject *self, double position)
{
    return chosen(self->state, position);
}

static status router_probe(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err)
{
    router *r = self->state;
    subject_probe other;
    TRY(subject_look(r->a, a, needs, cache, out, err));
    TRY(subject_look(r->b, a, needs, cache, &other, err));
    out->requests += other.requests;
    out->prompt_tokens += other.prompt_tokens;
    out->completion_tokens += other.completion_tokens;
    if (other.notes)
        out->notes = out->notes ? arena_printf(a, "%s\n%s", out->notes, other.notes) : other.notes;
    self->abilities = abilities_of(r);
    return STATUS_OK;
}

static status router_audit(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    router *r = self->state;
    if (r->b->class->audit)
        TRY(r->b->class->audit(r->b, a, messages, count, out, err));
    return r->a->class->audit ? r->a->class->audit(r->a, a, messages, count, out, err) : STATUS_OK;
}

static void router_interrupt(subject *self)
{
    router *r = self->state;
    subject *both[] = {r->a, r->b};
    for (size_t i = 0; i < 2; i++)
        if (both[i]->class->interrupt)
            both[i]->class->interrupt(both[i]);
}

/* Finds the one colon that leaves two things that can be opened: addresses and models contain colons too. */
static status split(arena *a, const char *specification, const char *pair, const char **first, const char **second,
                    error *err)
{
    size_t found = 0;
    for (const char *colon = strchr(pair, ':'); colon; colon = strchr(colon + 1, ':')) {
        const char *left = arena_strndup(a, pair, (size_t)(colon - pair));
        if (!left)
            return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
        if (subject_plausible(left) && subject_plausible(colon + 1)) {
            *first = left;
            *second = colon + 1;
            found++;
        }
    }
    if (found == 1)
        return STATUS_OK;
    error_set(err, STATUS_USAGE,
              found ? "%s: more than one way to read this as two subjects"
                    : "%s: expected router:SHARE:A:B with two subjects that exist",
              specification);
    error_hint(err, "router:FILE.yaml with the keys share, a and b says the same without doubt");
    return STATUS_USAGE;
}

static status read_file(arena *a, const char *path, router *r, const char **first, const char **second, error *err)
{
    static const char *const keys[] = {"share", "a", "b"};
    const yaml_node *root;
    TRY(yaml_read(a, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    r->share = -1;
    TRY(yaml_get_double(root, "share", 0, 1, &r->share, err));
    TRY(yaml_get_string(root, "a", first, err));
    TRY(yaml_get_string(root, "b", second, err));
    if (r->share < 0 || !*first || !*second)
        return yaml_error(root, err, "a router needs share, a and b");
    return STATUS_OK;
}

static status read_specification(arena *a, const char *specification, const char *rest, router *r, const char **first,
                                 const char **second, error *err)
{
    const char *colon = strchr(rest, ':');
    slice head = {rest, colon ? (size_t)(colon - rest) : strlen(rest)};
    if (!slice_to_double(head, &r->share))
        return read_file(a, rest, r, first, second, err);
    if (!(r->share >= 0 && r->share <= 1))
        return error_set(err, STATUS_USAGE, "%s: expected a share between 0 and 1, found " SLICE_FORMAT, specification,
                         SLICE_ARGS(head));
    return split(a, specification, colon ? colon + 1 : "", first, second, err);
}

status subject_open_router(arena *a, const char *specification, const char *rest, const subject_options *options,
                           subject **out, error *err)
{
    static const subject_class class = {.name = "router",
                                        .generate = router_generate,
                                        .score = router_score,
                                        .close = router_close,
                                        .answerer = router_answerer,
                                        .audit = router_audit,
                                        .interrupt = router_interrupt,
                                        .probe = router_probe,
                                        .chosen = router_chosen};
    router *r = ARENA_NEW(a, router);
    subject *s = ARENA_NEW(a, subject);
    char *name = arena_strdup(a, specification);
    const char *first = NULL, *second = NULL;
    if (!r || !s || !name)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    TRY(read_specification(a, specification, rest, r, &first, &second, err));
    if (subject_open(a, first, options, &r->a, err) != STATUS_OK)
        return error_context(err, "the first subject of the router");
    if (subject_open(a, second, options, &r->b, err) != STATUS_OK) {
        subject_close(r->a);
        return error_context(err, "the second subject of the router");
    }
    *s = (subject){.class = &class,
                   .specification = name,
                   .identity = arena_printf(a, "router %.17g (%s) (%s)", r->share, r->a->identity, r->b->identity),
                   .abilities = abilities_of(r),
                   .parts = {r->a, r->b},
                   .batch = r->a->batch > r->b->batch ? r->a->batch : r->b->batch,
                   .concurrent = r->a->concurrent && r->b->concurrent,
                   .instant = r->a->instant && r->b->instant,
                   .state = r};
    if (!s->identity) {
        router_close(s);
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", specification);
    }
    *out = s;
    return STATUS_OK;
}
