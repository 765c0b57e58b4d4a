/* Requests are copied into sequences; results and everything else of a sequence go with it. */
#include "lm/engine_internal.h"

#include <math.h>
#include <string.h>

bool engine_reads(const sequence *s)
{
    return s->computed < s->read_to;
}

bool engine_is_done(const sequence *s)
{
    return s->budget == 0 && !engine_reads(s);
}

void engine_fail(sequence *s, status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->code = code;
    s->problem = arena_vprintf(s->arena, format, args);
    if (!s->problem)
        s->problem = "out of memory";
    s->over = true;
    va_end(args);
}

status engine_check_prompt(const engine *e, arena *a, const int32_t *ids, size_t count, size_t more, const char **problem)
{
    status code = STATUS_OK;
    if (count == 0) {
        *problem = "the prompt is empty; expected at least one token";
        return STATUS_INVALID;
    }
    if (count + more > (size_t)e->context) {
        *problem = arena_printf(a, "the prompt has %zu tokens%s, and the context holds %d", count + more,
                                more > 0 ? " with what is to be scored" : "", e->context);
        code = STATUS_INVALID;
    }
    for (size_t i = 0; i < count && code == STATUS_OK; i++)
        if (ids[i] < 0 || ids[i] >= e->checkpoint->config.vocabulary) {
            *problem = arena_printf(a, "token %zu of the prompt is %d; the vocabulary has %d entries", i, ids[i],
                                    e->checkpoint->config.vocabulary);
            code = STATUS_INVALID;
        }
    return code;
}

/* What is wrong with the request, if anything. */
static void check(const engine *e, sequence *s)
{
    const engine_request *r = &s->request;
    const char *problem = NULL;
    status code = engine_check_prompt(e, s->arena, r->prompt, r->prompt_count, 0, &problem);
    bool asks = r->prompt_logprobs || r->candidate_count > 0 || r->reading_count > 0;
    if (code != STATUS_OK) {
        engine_fail(s, code, "%s", problem ? problem : "out of memory");
        return;
    }
    if (e->checkpoint->config.labels && (r->prompt_logprobs || r->candidate_count > 0 || r->max_tokens > 0)) {
        engine_fail(s, STATUS_UNSUPPORTED, "%s gives texts rewards, and neither words nor their probabilities", e->checkpoint->name);
        return;
    }
    if (r->candidates_after > r->prompt_count)
        engine_fail(s, STATUS_INVALID, "candidates are asked for behind %zu tokens of a prompt of %zu", r->candidates_after, r->prompt_count);
    for (size_t i = 0; i < r->candidate_count; i++)
        if (r->candidates[i] < 0 || r->candidates[i] >= e->checkpoint->config.vocabulary)
            engine_fail(s, STATUS_INVALID, "candidate %zu is token %d; the vocabulary has %d entries", i, r->candidates[i],
                        e->checkpoint->config.vocabulary);
    if (r->max_tokens < (asks ? 0 : 1))
        engine_fail(s, STATUS_INVALID, "max_tokens is %d; expected at least %d", r->max_tokens, asks ? 0 : 1);
    else if (r->top < 0 || r->top > ENGINE_TOP_MAX)
        engine_fail(s, STATUS_INVALID, "top is %d; expected 0 to %d", r->top, ENGINE_TOP_MAX);
    else if (r->constraint && s->budget < constraint_shortest(r->constraint, CONSTRAINT_START))
        engine_fail(s, STATUS_INVALID, "the shortest answer of the form asked for takes up to %zu tokens, and %zu may be written",
                    constraint_shortest(r->constraint, CONSTRAINT_START), s->budget);
}

/* The parts of the request that are pointers become the sequence's own. */
static bool copy_request(sequence *s, const engine_request *r)
{
    engine_request *own = &s->request;
    *own = *r;
    slice *stops = ARENA_ARRAY(s->arena, slice, r->stop_count + 1);
    int32_t *candidates = ARENA_ARRAY(s->arena, int32_t, r->candidate_count + 1);
    s->ids = ARENA_ARRAY(s->arena, int32_t, r->prompt_count + s->budget + 1);
    if (!stops || !candidates || !s->ids)
        return false;
    for (size_t i = 0; i < r->stop_count; i++) {
        stops[i] = (slice){slice_copy(s->arena, r->stops[i]), r->stops[i].length};
        if (!stops[i].text)
            return false;
    }
    if (r->candidate_count)
        memcpy(candidates, r->candidates, r->candidate_count * sizeof *candidates);
    if (r->prompt_count)
        memcpy(s->ids, r->prompt, r->prompt_count * sizeof *s->ids);
    own->stops = stops;
    own->candidates = candidates;
    own->candidates_after = r->candidates_after ? r->candidates_after : r->prompt_count;
    own->prompt = s->ids;
    return true;
}

static engine_top *no_top(arena *a, size_t count)
{
    engine_top *top = ARENA_ARRAY(a, engine_top, count + 1);
    for (size_t i = 0; top && i < count; i++)
        top[i] = (engine_top){-1, NAN};
    return top;
}

static bool make_room(const engine *e, sequence *s)
{
    const engine_request *r = &s->request;
    size_t top = r->top > 0 ? (size_t)r->top : 0, prompt = r->prompt_logprobs ? r->prompt_count : 0;
    s->logprobs = ARENA_ARRAY(s->arena, float, s->budget + 1);
    s->top = no_top(s->arena, top * s->budget);
    s->prompt_logprobs = ARENA_ARRAY(s->arena, float, prompt + 1);
    s->prompt_top = no_top(s->arena, top * prompt);
    s->candidates = ARENA_ARRAY(s->arena, float, r->candidate_count + 1);
    s->nodes = ARENA_ARRAY(s->arena, prefix_node *, e->slot_pages);
    s->mask = r->constraint ? ARENA_ARRAY(s->arena, uint64_t, constraint_mask_words(r->constraint)) : NULL;
    s->text = strbuf_new(s->arena, (size_t)1 << 30);
    for (size_t i = 0; s->prompt_logprobs && i < prompt; i++)
        s->prompt_logprobs[i] = NAN;
    return s->logprobs && s->top && s->prompt_logprobs && s->prompt_top && s->candidates && s->nodes &&
           (s->mask || !r->constraint);
}

status engine_submit(engine *e, const engine_request *r, const engine_events *events, uint64_t *ticket, error *err)
{
    arena *a = arena_new(NULL);
    sequence *s = ARENA_NEW(a, sequence);
    if (s) {
        size_t context = (size_t)e->context, left = r->prompt_count < context ? context - r->prompt_count : 1;
        s->arena = a;
        s->slot = -1;
        s->budget = r->max_tokens > 0 ? ((size_t)r->max_tokens < left ? (size_t)r->max_tokens : left) : 0;
    }
    if (!s || !copy_request(s, r)) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for a request");
    }
    check(e, s);
    if (s->code == STATUS_OK && (!make_room(e, s) || engine_patch_take(e, s) != STATUS_OK)) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for a request");
    }
    size_t read = engine_patch_first_read(s), candidates = r->candidate_count ? s->request.candidates_after - 1 : SIZE_MAX;
    bool at_end = s->budget > 0 || candidates == r->prompt_count - 1 || read != SIZE_MAX; /* something of the last token is wanted */
    size_t scored = r->prompt_logprobs ? (r->prompt_from > 1 ? r->prompt_from - 1 : 0) : SIZE_MAX;
    s->events = events ? *events : (engine_events){0};
    s->known = r->prompt_count;
    s->read_to = at_end || r->prompt_count == 0 ? r->prompt_count : r->prompt_count - 1;
    s->first_want = at_end ? r->prompt_count - 1 : s->read_to;
    s->first_want = scored < s->first_want ? scored : s->first_want;
    s->first_want = read < s->first_want ? read : s->first_want;
    s->first_want = candidates < s->first_want ? candidates : s->first_want;
    s->reason = ENGINE_STOP_LENGTH;
    s->end_logprob = NAN;
    s->ticket = *ticket = ++e->tickets;
    *e->waiting_end = s;
    e->waiting_end = &s->next;
    e->in_flight++;
    return STATUS_OK;
}

void engine_cancel(engine *e, uint64_t ticket)
{
    sequence *s = e->waiting;
    while (s && s->ticket != ticket)
        s = s->next;
    for (size_t i = 0; !s && i < e->active_count; i++)
        s = e->active[i] && e->active[i]->ticket == ticket ? e->active[i] : NULL;
    if (s && !s->over)
        engine_fail(s, STATUS_INTERRUPTED, "cancelled");
}

static engine_result result_of(const sequence *s)
{
    const engine_request *r = &s->request;
    if (s->code != STATUS_OK)
        return (engine_result){.code = s->code, .problem = s->problem, .text = ""};
    return (engine_result){.ids = s->ids + r->prompt_count, .count = s->count, .text = s->text.text ? s->text.text : "",
                           .reason = s->reason, .logprobs = s->logprobs, .logprob = s->sum, .end_logprob = s->end_logprob, .top = s->top,
                           .prompt_logprobs = s->prompt_logprobs, .prompt_top = s->prompt_top,
                           .candidate_logprobs = s->candidates, .readings = s->patch ? s->patch->activations : NULL,
                           .reused = s->reused};
}

void engine_finish(engine *e, sequence *s)
{
    if (s->code == STATUS_OK) {
        token_stream_end(&s->stream, &s->text);
        if (s->text.failed)
            engine_fail(s, STATUS_MEMORY, "out of memory for the text of an answer");
        else
            engine_flush(s);
        e->cache.prompt_tokens += s->request.prompt_count;
        e->cache.reused_tokens += s->reused;
    }
    engine_let_go(e, s);
    e->in_flight--;
    engine_result result = result_of(s);
    if (s->events.done)
        s->events.done(s->events.context, &result);
    arena_free(s->arena);
}
