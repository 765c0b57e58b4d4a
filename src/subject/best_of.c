/* The best of N replies of one subject, as another sees it:
 *
 *     best-of:16,POLICY,PM            16 draws at temperature 1
 *     best-of:16@0.7,POLICY,PM        at .7
 *
 * The policy draws N replies to a request at that temperature, whatever the request says of it, and the preference model (a
 * subject with SUBJECT_REWARDS) says what each is worth; the reply is the one that is worth most, the first among equals. Draw
 * k of a request has its address with "/best-of/k" behind the study, so that replies do not depend on what else is asked, and
 * the first n draws of N are those of n. */
#include "subject/classes.h"

#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS_MOST = 4096 };

typedef struct best_of {
    size_t draws;
    double temperature;
    subject *policy, *judge;
} best_of;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the best of several replies");
}

/* Request i's draws: [draws] requests that differ in their address. */
static status list_draws(const best_of *b, arena *a, const generate_request *r, generate_request *out, const generate_request **list,
                         error *err)
{
    for (size_t k = 0; k < b->draws; k++) {
        out[k] = *r;
        out[k].temperature = b->temperature;
        out[k].claim = NULL;
        out[k].address.study = arena_printf(a, "%s/best-of/%zu", r->address.study ? r->address.study : "", k);
        if (!out[k].address.study)
            return no_memory(err);
        list[k] = &out[k];
    }
    return STATUS_OK;
}

/* The draws of one request that have a text, as continuations to be judged; which[j]: the draw of the j-th. */
static size_t texts_of(const best_of *b, const generate_reply *draws, const char **texts, size_t *which)
{
    size_t count = 0;
    for (size_t k = 0; k < b->draws; k++)
        if (draws[k].code == STATUS_OK && draws[k].text) {
            which[count] = k;
            texts[count++] = draws[k].text;
        }
    return count;
}

/* The draw that is worth most, with the tokens of all. */
static void pick(const best_of *b, arena *a, const generate_reply *draws, const score_reply *worth, const size_t *which, size_t count,
                 generate_reply *reply)
{
    size_t best = 0;
    if (count == 0 || worth->code != STATUS_OK) {
        *reply = count == 0 ? draws[0] : (generate_reply){.code = worth->code, .problem = worth->problem, .logprob = NAN};
        return;
    }
    for (size_t j = 1; j < count; j++)
        if (worth->logprobs[j] > worth->logprobs[best])
            best = j;
    *reply = draws[which[best]];
    reply->text = arena_strdup(a, reply->text);
    reply->completion_tokens = 0;
    reply->seconds_generating = worth->seconds_generating;
    for (size_t k = 0; k < b->draws; k++) {
        reply->completion_tokens += draws[k].completion_tokens;
        reply->seconds_generating += draws[k].seconds_generating;
    }
    if (!reply->text)
        *reply = (generate_reply){.code = STATUS_MEMORY, .problem = "out of memory", .logprob = NAN};
}

static status generate_all(const best_of *b, arena *a, arena *s, const generate_request *const *requests, generate_reply *replies,
                           size_t count, error *err)
{
    size_t all = count * b->draws;
    generate_request *asked = ARENA_ARRAY(s, generate_request, all);
    const generate_request **list = ARENA_ARRAY(s, const generate_request *, all);
    generate_reply *draws = ARENA_ARRAY(s, generate_reply, all);
    score_request *judged = ARENA_ARRAY(s, score_request, count);
    const score_request **judged_list = ARENA_ARRAY(s, const score_request *, count);
    score_reply *worth = ARENA_ARRAY(s, score_reply, count);
    size_t *which = ARENA_ARRAY(s, size_t, all);
    const char **texts = ARENA_ARRAY(s, const char *, all);
    if (!asked || !list || !draws || !judged || !judged_list || !worth || !which || !texts)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        TRY(list_draws(b, s, requests[i], asked + i * b->draws, list + i * b->draws, err));
    TRY(b->policy->class->generate(b->policy, s, list, draws, all, err));
    for (size_t i = 0; i < count; i++) {
        size_t at = i * b->draws;
        judged[i] = (score_request){.messages = requests[i]->messages, .count = requests[i]->count, .continuations = texts + at,
                                    .continuation_count = texts_of(b, draws + at, texts + at, which + at),
                                    .address = requests[i]->address, .position = requests[i]->position};
        judged_list[i] = &judged[i];
    }
    TRY(b->judge->class->score(b->judge, s, judged_list, worth, count, err));
    for (size_t i = 0; i < count; i++) {
        pick(b, a, draws + i * b->draws, &worth[i], which + i * b->draws, judged[i].continuation_count, &replies[i]);
        replies[i].problem = replies[i].problem ? arena_strdup(a, replies[i].problem) : NULL;
    }
    return STATUS_OK;
}

static status best_generate(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies, size_t count,
                            error *err)
{
    arena *scratch = arena_new(NULL);
    status result = scratch ? generate_all(self->state, a, scratch, requests, replies, count, err) : no_memory(err);
    arena_free(scratch);
    return result;
}

static void best_close(subject *self)
{
    best_of *b = self->state;
    subject_close(b->policy);
    subject_close(b->judge);
}

static status best_audit(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err)
{
    subject *policy = ((best_of *)self->state)->policy;
    return policy->class->audit ? policy->class->audit(policy, a, messages, count, out, err) : STATUS_OK;
}

static void each(subject *self, bool interrupts)
{
    best_of *b = self->state;
    subject *both[] = {b->policy, b->judge};
    for (size_t i = 0; i < 2; i++) {
        void (*call)(subject *) = interrupts ? both[i]->class->interrupt : both[i]->class->resume;
        if (call)
            call(both[i]);
    }
}

static void best_interrupt(subject *self)
{
    each(self, true);
}

static void best_resume(subject *self)
{
    each(self, false);
}

/* "16,A,B" or "16@0.7,A,B": number, temperature, and the comma that leaves two things that can be opened. */
static status split(arena *a, const char *specification, const char *rest, best_of *b, const char **policy, const char **judge,
                    error *err)
{
    char *end;
    long draws = strtol(rest, &end, 10);
    b->temperature = 1;
    if (*end == '@')
        b->temperature = strtod(end + 1, &end);
    if (end == rest || *end != ',' || draws < 1 || draws > DRAWS_MOST || !(b->temperature > 0 && b->temperature <= 100)) {
        error_set(err, STATUS_USAGE, "%s: expected best-of:N[@TEMPERATURE],POLICY,PM with N from 1 to %d and a temperature above 0",
                  specification, DRAWS_MOST);
        return error_hint(err, "for example best-of:16,base,out/pm");
    }
    b->draws = (size_t)draws;
    size_t found = 0;
    for (const char *comma = strchr(end + 1, ','); comma; comma = strchr(comma + 1, ',')) {
        const char *left = arena_strndup(a, end + 1, (size_t)(comma - end - 1));
        if (!left)
            return no_memory(err);
        if (subject_plausible(left) && subject_plausible(comma + 1)) {
            *policy = left;
            *judge = comma + 1;
            found++;
        }
    }
    if (found == 1)
        return STATUS_OK;
    return error_set(err, STATUS_USAGE,
                     found ? "%s: more than one way to read this as a policy and a preference model"
                           : "%s: expected best-of:N,POLICY,PM with a subject and a preference model that exist",
                     specification);
}

static status open_both(arena *a, const char *specification, const char *rest, const subject_options *options, best_of *b, error *err)
{
    const char *policy = NULL, *judge = NULL;
    TRY(split(a, specification, rest, b, &policy, &judge, err));
    if (subject_open(a, policy, options, &b->policy, err) != STATUS_OK)
        return error_context(err, "the policy of best-of");
    if (subject_open(a, judge, options, &b->judge, err) != STATUS_OK)
        return error_context(err, "the preference model of best-of");
    TRY(subject_require(b->policy, SUBJECT_GENERATES | SUBJECT_SEEDS, "best-of", err));
    if (b->policy->billed || b->judge->billed)
        return error_set(err, STATUS_UNSUPPORTED, "%s: budgets count one reply to a request, and this would pay for %zu", specification,
                         b->draws);
    return subject_require(b->judge, SUBJECT_REWARDS, "best-of", err);
}

status subject_open_best_of(arena *a, const char *specification, const char *rest, const subject_options *options, subject **out,
                            error *err)
{
    static const subject_class class = {.name = "best-of", .generate = best_generate, .close = best_close, .audit = best_audit,
                                        .interrupt = best_interrupt, .resume = best_resume};
    best_of *b = ARENA_NEW(a, best_of);
    subject *s = ARENA_NEW(a, subject);
    char *name = arena_strdup(a, specification);
    if (!b || !s || !name)
        return no_memory(err);
    status result = open_both(a, specification, rest, options, b, err);
    const char *identity = result == STATUS_OK ? arena_printf(a, "best-of %zu %.17g (%s) (%s)", b->draws, b->temperature,
                                                              b->policy->identity, b->judge->identity)
                                               : NULL;
    if (result == STATUS_OK && !identity)
        result = no_memory(err);
    if (result != STATUS_OK) {
        subject_close(b->policy);
        subject_close(b->judge);
        return result;
    }
    size_t batch = b->policy->batch / b->draws;
    *s = (subject){.class = &class, .specification = name, .identity = identity, .abilities = SUBJECT_GENERATES | SUBJECT_SEEDS,
                   .batch = batch ? batch : 1, .state = b};
    *out = s;
    return STATUS_OK;
}
