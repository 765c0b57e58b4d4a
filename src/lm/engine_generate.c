/* The blocking call: everything is submitted, steps are made until it is answered. */
#include "lm/engine_internal.h"

#include <string.h>

typedef struct batch {
    arena *out;
    size_t left;
} batch;

typedef struct waiter {
    batch *batch;
    const engine_request *request;
    engine_result *result;
} waiter;

static void *copied(arena *a, const void *from, size_t count, size_t size)
{
    void *to = arena_array(a, count + 1, size);
    if (to && from && count)
        memcpy(to, from, count * size);
    return to;
}

static const engine_activation *kept_readings(arena *a, const engine_activation *from, size_t count)
{
    engine_activation *to = copied(a, from, count, sizeof *from);
    for (size_t i = 0; to && i < count; i++)
        if (!(to[i].values = copied(a, from[i].values, from[i].count * from[i].width, sizeof(float))))
            return NULL;
    return to;
}

/* The result with everything it points at in the arena. */
static engine_result kept(arena *a, const engine_request *r, const engine_result *from)
{
    engine_result to = *from;
    size_t top = r->top > 0 ? (size_t)r->top : 0, prompt = r->prompt_logprobs ? r->prompt_count : 0;
    to.problem = from->problem ? arena_strdup(a, from->problem) : NULL;
    to.text = arena_strdup(a, from->text);
    if (from->code == STATUS_OK) {
        to.ids = copied(a, from->ids, from->count, sizeof *from->ids);
        to.logprobs = copied(a, from->logprobs, from->count, sizeof *from->logprobs);
        to.top = copied(a, from->top, from->count * top, sizeof *from->top);
        to.prompt_logprobs = copied(a, from->prompt_logprobs, prompt, sizeof *from->prompt_logprobs);
        to.prompt_top = copied(a, from->prompt_top, prompt * top, sizeof *from->prompt_top);
        to.candidate_logprobs = copied(a, from->candidate_logprobs, r->candidate_count, sizeof *from->candidate_logprobs);
        to.readings = kept_readings(a, from->readings, r->reading_count);
    }
    bool good = to.text && (from->code == STATUS_OK ? to.ids && to.logprobs && to.top && to.prompt_logprobs && to.prompt_top &&
                                                          to.candidate_logprobs && to.readings
                                                    : to.problem != NULL);
    return good ? to : (engine_result){.code = STATUS_MEMORY, .problem = "out of memory for an answer", .text = ""};
}

static void keep(void *context, const engine_result *result)
{
    waiter *w = context;
    *w->result = kept(w->batch->out, w->request, result);
    w->batch->left--;
}

status engine_generate(engine *e, arena *a, const engine_request *requests, engine_result *results, size_t count,
                       error *err)
{
    arena *scratch = arena_new(NULL);
    waiter *waiters = ARENA_ARRAY(scratch, waiter, count + 1);
    uint64_t *tickets = ARENA_ARRAY(scratch, uint64_t, count + 1);
    batch all = {.out = a, .left = 0};
    status result = waiters && tickets ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while generating");
    size_t submitted = 0;
    for (; result == STATUS_OK && submitted < count; submitted++) {
        waiters[submitted] = (waiter){&all, &requests[submitted], &results[submitted]};
        result = engine_submit(e, &requests[submitted], &(engine_events){&waiters[submitted], NULL, keep}, &tickets[submitted],
                               err);
        all.left += result == STATUS_OK;
        if (result != STATUS_OK)
            break;
    }
    for (size_t i = 0; result != STATUS_OK && i < submitted; i++)
        engine_cancel(e, tickets[i]);
    while (all.left > 0) { /* a failed step ends them all */
        error own = {0};
        status stepped = engine_step(e, &own);
        if (stepped != STATUS_OK && result == STATUS_OK) {
            result = stepped;
            if (err)
                *err = own;
        }
    }
    arena_free(scratch);
    return result;
}
