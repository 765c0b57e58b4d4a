/* From the logits of a step to tokens, log-probabilities, text and stops. */
#include "lm/engine_internal.h"

#include "core/progress.h"

#include <string.h>

typedef struct sampling {
    engine *e;
    const float *logits;
} sampling;

static size_t vocabulary_of(const engine *e)
{
    return (size_t)e->checkpoint->config.vocabulary;
}

/* Whether the token of the prompt that stands behind the row gets its log-probability. */
static bool scores_prompt(const engine_want *w)
{
    const engine_request *r = &w->s->request;
    return r->prompt_logprobs && w->position + 1 < r->prompt_count && w->position + 1 >= r->prompt_from;
}

/* The last known token's row: what comes next is picked from it. */
static bool picks(const engine_want *w)
{
    return w->s->budget > 0 && w->position + 1 == w->s->known;
}

/* ---- on all threads ---- */

static void alternatives(const engine *e, engine_want *w, const float *logits, void *scratch)
{
    int32_t ids[ENGINE_TOP_MAX];
    float logprobs[ENGINE_TOP_MAX];
    size_t count = sampler_largest(logits, vocabulary_of(e), (size_t)w->s->request.top, ids);
    sampler_logprobs(logits, vocabulary_of(e), ids, count, scratch, logprobs);
    for (size_t i = 0; i < (size_t)w->s->request.top; i++)
        w->top[i] = i < count ? (engine_top){ids[i], logprobs[i]} : (engine_top){-1, 0};
}

/* What the loss of training is made of, by the routine that makes it. */
static float trained_logprob(const float *logits, size_t vocabulary, int32_t id)
{
    float loss, lse;
    kernel_cross_entropy(KERNEL_F32, NULL, 1, vocabulary, logits, vocabulary, &id, NULL, &loss, &lse);
    return -loss;
}

static void sample_one(void *context, size_t task, size_t worker)
{
    const sampling *x = context;
    engine *e = x->e;
    engine_want *w = &e->wants[task];
    sequence *s = w->s;
    const engine_request *r = &s->request;
    size_t vocabulary = vocabulary_of(e);
    const float *logits = x->logits + task * vocabulary;
    void *scratch = (char *)e->sampler_scratch + worker * e->sampler_bytes;
    if (s->over)
        return;
    if (w->position + 1 == r->candidates_after && r->candidate_count > 0)
        sampler_logprobs(logits, vocabulary, r->candidates, r->candidate_count, scratch, s->candidates);
    if (picks(w)) {
        double uniform = random_uniform_at(&r->random, s->count);
        w->id = w->allowed ? sampler_pick_among(logits, vocabulary, &r->rule, uniform, w->allowed, scratch, &w->logprob)
                           : sampler_pick(logits, vocabulary, &r->rule, uniform, scratch, &w->logprob);
        if (r->training_logprobs)
            w->logprob = trained_logprob(logits, vocabulary, w->id);
    } else if (scores_prompt(w)) {
        w->id = s->ids[w->position + 1];
        sampler_logprobs(logits, vocabulary, &w->id, 1, scratch, &w->logprob);
    } else {
        return;
    }
    if (r->top > 0)
        alternatives(e, w, logits, scratch);
}

/* ---- constraints, before ---- */

static void constrain(engine_want *w)
{
    sequence *s = w->s;
    constraint *c = s->request.constraint;
    bool some = false;
    w->allowed = NULL;
    if (!c || !picks(w) || s->over)
        return;
    w->allowed = constraint_mask(c, s->state, s->budget - s->count, s->mask);
    if (!w->allowed) {
        engine_fail(s, STATUS_MEMORY, "the form of the answer needs more memory than a constraint may take");
        return;
    }
    for (size_t i = 0; i < constraint_mask_words(c); i++)
        some = some || w->allowed[i];
    if (!some)
        engine_fail(s, STATUS_UNSUPPORTED, "no token of the vocabulary goes on in the form of the answer");
}

/* ---- text ---- */

/* Bytes at the end that may turn out to begin a stop string. */
static size_t held_back(const sequence *s)
{
    slice text = strbuf_slice(&s->text);
    size_t most = 0;
    for (size_t i = 0; i < s->request.stop_count; i++) {
        slice stop = s->request.stops[i];
        size_t n = stop.length > 0 ? stop.length - 1 : 0;
        for (n = n < text.length ? n : text.length; n > most; n--)
            if (memcmp(text.text + text.length - n, stop.text, n) == 0)
                most = n;
    }
    return most;
}

static void give_out(sequence *s, int32_t id, float logprob, const engine_top *top, size_t until)
{
    slice text = {"", 0};
    if (until > s->sent) {
        text = (slice){s->text.text + s->sent, until - s->sent};
        s->sent = until;
    }
    if (s->events.token)
        s->events.token(s->events.context, &(engine_token){id, logprob, top, text});
}

void engine_flush(sequence *s)
{
    if (s->text.length > s->sent)
        give_out(s, -1, 0, NULL, s->text.length);
}

/* Whether a stop string stands in the text; the text is cut in front of the first one. `from`: length before the last
 * token came. */
static bool cut_at_stop(sequence *s, size_t from)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; s->text.text && i < s->request.stop_count; i++) {
        slice stop = s->request.stops[i];
        if (stop.length == 0)
            continue;
        size_t at = slice_find(strbuf_slice(&s->text), stop, from >= stop.length ? from - stop.length + 1 : 0);
        first = at < first ? at : first;
    }
    if (first == SIZE_MAX)
        return false;
    s->text.length = first;
    s->text.text[first] = '\0';
    return true;
}

static bool is_end(const lm_config *c, int32_t id)
{
    for (int i = 0; i < c->eos_count; i++)
        if (c->eos[i] == id)
            return true;
    return false;
}

/* ---- in order, after ---- */

static void take_prompt(const engine_want *w)
{
    sequence *s = w->s;
    size_t top = (size_t)s->request.top, at = w->position + 1;
    s->prompt_logprobs[at] = w->logprob;
    for (size_t i = 0; i < top; i++)
        s->prompt_top[at * top + i] = w->top[i];
}

static void end(sequence *s, engine_stop reason)
{
    s->reason = reason;
    s->over = true;
}

/* Takes the picked token in. */
static void take(engine *e, const engine_want *w)
{
    sequence *s = w->s;
    constraint *form = s->request.constraint;
    size_t top = (size_t)s->request.top, before = s->text.length;
    s->sum += (double)w->logprob;
    if (is_end(&e->checkpoint->config, w->id)) {
        s->end_logprob = w->logprob;
        end(s, ENGINE_STOP_END);
        return;
    }
    if (form)
        s->state = constraint_next(form, s->state, w->id);
    if (form && s->state == CONSTRAINT_DEAD) {
        engine_fail(s, STATUS_MEMORY, "the form of the answer needs more memory than a constraint may take");
        return;
    }
    for (size_t i = 0; i < top; i++)
        s->top[s->count * top + i] = w->top[i];
    s->ids[s->known++] = w->id;
    s->logprobs[s->count++] = w->logprob;
    token_stream_add(&s->stream, e->checkpoint->tokenizer, w->id, &s->text);
    if (cut_at_stop(s, before)) {
        s->stream = (token_stream){0};
        end(s, ENGINE_STOP_STRING);
    } else if (form && constraint_is_over(form, s->state)) {
        end(s, ENGINE_STOP_END);
    } else if (s->count == s->budget) {
        end(s, form && constraint_complete(form, s->state) ? ENGINE_STOP_END : ENGINE_STOP_LENGTH);
    }
    give_out(s, w->id, w->logprob, s->top + (s->count - 1) * top, s->text.length - (s->over ? 0 : held_back(s)));
}

void engine_sample(engine *e, const float *logits)
{
    double start = clock_seconds();
    sampling x = {e, logits};
    for (size_t i = 0; i < e->want_count; i++)
        if (e->wants[i].s->request.constraint)
            constraint_trim(e->wants[i].s->request.constraint);
    for (size_t i = 0; i < e->want_count; i++)
        constrain(&e->wants[i]);
    thread_pool_run(e->pool, e->want_count, sample_one, &x);
    for (size_t i = 0; i < e->want_count; i++) {
        engine_want *w = &e->wants[i];
        if (w->s->over)
            continue;
        if (picks(w))
            take(e, w);
        else if (scores_prompt(w))
            take_prompt(w);
    }
    e->times.sampling += clock_seconds() - start;
}
