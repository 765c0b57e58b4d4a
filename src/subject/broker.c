#include "subject/broker.h"

#include "core/progress.h"
#include "subject/answer_key.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

typedef enum pending_kind { PENDING_GENERATE, PENDING_SCORE } pending_kind;

/* One waiting request. It lies on the stack of its asker, who sleeps on `answered`; until then reply and arena are the
 * dispatcher's. */
typedef struct pending {
    struct pending *next;
    pending_kind kind;
    const void *request;
    void *reply;
    arena *arena;
    status failed; /* of the whole batch */
    error *err;
    double asked;
    sem_t answered;
} pending;

struct broker {
    subject *subject;
    broker_options options;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t dispatcher;
    bool dispatching, closing;
    pending *first, *last;
    size_t queued, entered, resting; /* resting: threads that wait for the budget, not for an answer */
    broker_counts counts;
    atomic_bool interrupted;
};

static status interrupted(error *err)
{
    return error_set(err, STATUS_INTERRUPTED, "interrupted before an answer came");
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

static void push(broker *b, pending *p)
{
    p->next = NULL;
    if (b->last)
        b->last->next = p;
    else
        b->first = p;
    b->last = p;
    b->queued++;
}

static bool batch_is_due(const broker *b)
{
    size_t full = b->subject->batch ? b->subject->batch : 1;
    return b->queued > 0 && (b->queued >= full || b->queued + b->resting >= b->entered || b->closing);
}

/* Takes the first requests of one kind, at most a batch. */
static size_t take(broker *b, pending **batch, size_t most)
{
    size_t count = 0;
    pending_kind kind = b->first->kind;
    pending **link = &b->first;
    b->last = NULL;
    while (*link) {
        pending *p = *link;
        if (p->kind == kind && count < most) {
            batch[count++] = p;
            *link = p->next;
        } else {
            b->last = p;
            link = &p->next;
        }
    }
    b->queued -= count;
    return count;
}

static void copy_blocks(arena *a, generate_reply *to)
{
    block *copies = to->block_count ? ARENA_ARRAY(a, block, to->block_count) : NULL;
    for (size_t i = 0; copies && i < to->block_count; i++)
        copies[i] = (block){.kind = to->blocks[i].kind, .text = arena_strdup(a, to->blocks[i].text),
                            .name = arena_strdup(a, to->blocks[i].name), .id = arena_strdup(a, to->blocks[i].id)};
    to->blocks = copies;
    to->block_count = copies ? to->block_count : 0;
}

static void finish_generate(arena *a, generate_reply *to, const generate_reply *from, double waited, double took)
{
    *to = *from;
    to->text = arena_strdup(a, from->text);
    to->problem = arena_strdup(a, from->problem);
    copy_blocks(a, to);
    to->seconds_waiting += waited;
    to->seconds_generating = fmax(0, took - to->seconds_retrying); /* the asker's time, the whole batch long */
    if ((from->text && !to->text) || (from->code != STATUS_OK && !to->problem))
        *to = (generate_reply){.code = STATUS_MEMORY, .problem = "out of memory while copying an answer"};
}

static void finish_score(arena *a, score_reply *to, const score_reply *from, size_t count, double waited, double took)
{
    *to = *from;
    to->seconds_waiting += waited;
    to->seconds_generating = fmax(0, took - to->seconds_retrying);
    to->problem = arena_strdup(a, from->problem);
    to->logprobs = from->logprobs ? arena_regrow(a, from->logprobs, count, count + 1, sizeof(double)) : NULL;
    to->token_counts = from->token_counts ? arena_regrow(a, from->token_counts, count, count + 1, sizeof(int)) : NULL;
    if (from->code == STATUS_OK && (!to->logprobs || !to->token_counts))
        *to = (score_reply){.code = STATUS_MEMORY, .problem = "out of memory while copying scores"};
}

static status call_generate(broker *b, arena *a, pending **batch, size_t count, error *err)
{
    const generate_request **requests = ARENA_ARRAY(a, const generate_request *, count);
    generate_reply *replies = ARENA_ARRAY(a, generate_reply, count);
    if (!requests || !replies)
        return error_set(err, STATUS_MEMORY, "out of memory while gathering a batch");
    for (size_t i = 0; i < count; i++) {
        requests[i] = batch[i]->request;
        replies[i].logprob = NAN;
    }
    double start = clock_seconds();
    TRY(b->subject->class->generate(b->subject, a, requests, replies, count, err));
    double took = clock_seconds() - start;
    for (size_t i = 0; i < count; i++)
        finish_generate(batch[i]->arena, batch[i]->reply, &replies[i], start - batch[i]->asked, took);
    return STATUS_OK;
}

static status call_score(broker *b, arena *a, pending **batch, size_t count, error *err)
{
    const score_request **requests = ARENA_ARRAY(a, const score_request *, count);
    score_reply *replies = ARENA_ARRAY(a, score_reply, count);
    if (!requests || !replies)
        return error_set(err, STATUS_MEMORY, "out of memory while gathering a batch");
    for (size_t i = 0; i < count; i++)
        requests[i] = batch[i]->request;
    double start = clock_seconds();
    TRY(b->subject->class->score(b->subject, a, requests, replies, count, err));
    double took = clock_seconds() - start;
    for (size_t i = 0; i < count; i++)
        finish_score(batch[i]->arena, batch[i]->reply, &replies[i], requests[i]->continuation_count, start - batch[i]->asked, took);
    return STATUS_OK;
}

static void run_batch(broker *b, pending **batch, size_t count)
{
    error err = {0};
    status failed;
    arena *a = arena_new(NULL);
    if (atomic_load(&b->interrupted))
        failed = interrupted(&err);
    else if (!a)
        failed = error_set(&err, STATUS_MEMORY, "out of memory while gathering a batch");
    else if (batch[0]->kind == PENDING_GENERATE)
        failed = call_generate(b, a, batch, count, &err);
    else
        failed = call_score(b, a, batch, count, &err);
    arena_free(a);
    for (size_t i = 0; i < count; i++) {
        batch[i]->failed = failed;
        if (failed != STATUS_OK && batch[i]->err)
            *batch[i]->err = err;
        sem_post(&batch[i]->answered); /* the pending is its asker's again */
    }
}

static void *dispatch(void *context)
{
    broker *b = context;
    size_t most = b->subject->batch ? b->subject->batch : 1;
    pending **batch = memory_alloc(most * sizeof *batch);
    pending *alone[1];
    if (!batch) { /* one at a time is slow, and better than not at all */
        batch = alone;
        most = 1;
    }
    pthread_mutex_lock(&b->lock);
    for (;;) {
        while (!batch_is_due(b) && !(b->closing && b->queued == 0))
            pthread_cond_wait(&b->work, &b->lock);
        if (b->queued == 0)
            break;
        size_t count = take(b, batch, most);
        b->counts.batches++;
        pthread_mutex_unlock(&b->lock);
        run_batch(b, batch, count);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    if (batch != alone)
        memory_free(batch);
    return NULL;
}

/* Hands one request to the dispatcher and sleeps until it is answered. */
static status wait_for(broker *b, pending_kind kind, arena *a, const void *request, void *reply, error *err)
{
    pending p = {.kind = kind, .request = request, .reply = reply, .arena = a, .err = err, .asked = clock_seconds()};
    sem_init(&p.answered, 0, 0);
    pthread_mutex_lock(&b->lock);
    push(b, &p);
    if (batch_is_due(b))
        pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
    while (sem_wait(&p.answered) != 0 && errno == EINTR)
        ;
    sem_destroy(&p.answered);
    return p.failed;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static status may_ask(broker *b, unsigned abilities, const char *what, error *err)
{
    if (atomic_load(&b->interrupted))
        return interrupted(err);
    if (!(b->subject->abilities & abilities))
        return error_set(err, STATUS_UNSUPPORTED, "%s cannot %s", b->subject->specification, what);
    return STATUS_OK;
}

/* A token holds at least a byte of text; templates add a few around each message, and images are reckoned dear. */
static int64_t prompt_bound(const message *messages, size_t count, const char *more)
{
    enum { AROUND_MESSAGE = 32, AROUND_ALL = 256, IMAGE = 8192 };
    int64_t bound = AROUND_ALL + AROUND_MESSAGE * (int64_t)count + (int64_t)(more ? strlen(more) : 0);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < messages[i].count; j++) {
            const block *k = &messages[i].blocks[j];
            bound += k->kind == BLOCK_IMAGE ? IMAGE
                                            : AROUND_MESSAGE * (j > 0) + (int64_t)(strlen(k->text ? k->text : "") +
                                                                                   strlen(k->name ? k->name : "") +
                                                                                   strlen(k->id ? k->id : ""));
        }
    return bound;
}

static const price *price_at(const broker *b, double position, bool *unpriced)
{
    const subject *who = b->subject;
    while (who->class->chosen)
        who = who->class->chosen(who, position);
    const price *p = who->billed ? prices_find(b->options.prices, who->billed) : NULL;
    *unpriced = who->billed && !p;
    return p;
}

static void rest(broker *b, bool begins)
{
    pthread_mutex_lock(&b->lock);
    b->resting += begins ? 1 : (size_t)-1;
    if (batch_is_due(b))
        pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

/* Sets aside what the request can take. Whoever waits for that must not hold up a batch. */
static status claim(broker *b, budget_claim *c, const price *p, int64_t prompt, int64_t completion, error *err)
{
    *c = (budget_claim){0};
    if (!b->options.budget)
        return STATUS_OK;
    rest(b, true);
    status result = budget_claim_open(b->options.budget, c, p, prompt, completion, &b->interrupted, err);
    rest(b, false);
    return result;
}

static const char *answerer(const broker *b, double position)
{
    const subject_class *class = b->subject->class;
    return class->answerer ? class->answerer(b->subject, position) : b->subject->identity;
}

static const broker_cache *cache_of(const broker *b)
{
    return b->subject->instant ? NULL : b->options.cache;
}

/* What is counted of a request, whatever was asked. */
typedef struct taken {
    bool cached, failed, unpriced;
    int retries, prompt_tokens, completion_tokens;
    double seconds_waiting, seconds_generating, seconds_retrying;
    int64_t picodollars;
} taken;

static void count(broker *b, const taken *t)
{
    pthread_mutex_lock(&b->lock);
    b->counts.requests++;
    b->counts.cached += t->cached;
    b->counts.failed += t->failed;
    b->counts.retries += (uint64_t)t->retries;
    b->counts.seconds_waiting += t->seconds_waiting;
    b->counts.seconds_generating += t->seconds_generating;
    b->counts.seconds_retrying += t->seconds_retrying;
    if (!t->cached) {
        b->counts.prompt_tokens += (uint64_t)t->prompt_tokens;
        b->counts.completion_tokens += (uint64_t)t->completion_tokens;
        b->counts.unpriced += t->unpriced;
        b->counts.picodollars += t->picodollars;
    }
    pthread_mutex_unlock(&b->lock);
}

static void count_generate(broker *b, const generate_reply *r, bool failed, bool unpriced, int64_t picodollars)
{
    count(b, &(taken){.cached = r->cached, .failed = failed, .unpriced = unpriced, .retries = r->retries,
                      .prompt_tokens = r->prompt_tokens, .completion_tokens = r->completion_tokens,
                      .seconds_waiting = r->seconds_waiting, .seconds_generating = r->seconds_generating,
                      .seconds_retrying = r->seconds_retrying, .picodollars = picodollars});
}

static void count_score(broker *b, const score_reply *r, bool failed, bool unpriced, int64_t picodollars)
{
    count(b, &(taken){.cached = r->cached, .failed = failed, .unpriced = unpriced, .retries = r->retries,
                      .prompt_tokens = r->prompt_tokens, .completion_tokens = r->completion_tokens,
                      .seconds_waiting = r->seconds_waiting, .seconds_generating = r->seconds_generating,
                      .seconds_retrying = r->seconds_retrying, .picodollars = picodollars});
}

static status call_or_wait(broker *b, arena *a, const generate_request *request, generate_reply *reply, error *err)
{
    if (!b->subject->concurrent)
        return wait_for(b, PENDING_GENERATE, a, request, reply, err);
    double start = clock_seconds();
    status result = b->subject->class->generate(b->subject, a, &request, reply, 1, err);
    if (reply->seconds_generating == 0 && reply->seconds_retrying == 0)
        reply->seconds_generating = clock_seconds() - start;
    return result;
}

static status ask(broker *b, arena *a, const generate_request *request, generate_reply *reply, error *err)
{
    bool unpriced;
    const price *p = price_at(b, request->position, &unpriced);
    budget_claim part;
    generate_request q = *request;
    q.claim = &part;
    TRY(claim(b, &part, p, prompt_bound(q.messages, q.count, q.tools), q.max_tokens, err));
    status result = call_or_wait(b, a, &q, reply, err);
    bool answered = result == STATUS_OK && reply->code == STATUS_OK;
    if (result == STATUS_OK && !answered)
        result = error_set(err, reply->code, "%s", reply->problem ? reply->problem : "the subject gave no answer");
    if (result == STATUS_LIMIT && b->options.budget)
        budget_exhausted(b->options.budget, err);
    const budget_usage usage = {.answered = answered, .uncounted = reply->uncounted, .prompt = reply->prompt_tokens,
                                .completion = reply->completion_tokens, .cached = reply->cached_tokens};
    budget_claim_close(&part, &usage);
    count_generate(b, reply, !answered, unpriced, answered ? budget_price_of(p, &usage) : 0);
    return result;
}

status broker_generate(broker *b, arena *a, const generate_request *request, generate_reply *reply, error *err)
{
    *reply = (generate_reply){.logprob = NAN};
    TRY(may_ask(b, SUBJECT_GENERATES, "generate", err));
    const broker_cache *cache = cache_of(b);
    char key[SHA256_HEX];
    const char *known = NULL;
    if (cache) {
        if (answer_key_generate(answerer(b, request->position), request, key) != STATUS_OK)
            return error_set(err, STATUS_MEMORY, "out of memory while looking for an answer in the cache");
        if (cache->find(cache->context, a, key, &known) && known && answer_read_generate(a, known, reply)) {
            reply->cached = true;
            count_generate(b, reply, false, false, 0);
            return STATUS_OK;
        }
        *reply = (generate_reply){.logprob = NAN};
    }
    TRY(ask(b, a, request, reply, err));
    const char *text = cache ? answer_write_generate(a, reply) : NULL;
    if (text)
        cache->keep(cache->context, key, text);
    return STATUS_OK;
}

/* Each continuation may be a request of its own, with the whole prompt in it and one token of answer. */
static int64_t score_bound(const score_request *q, int64_t *completion)
{
    int64_t prompt = prompt_bound(q->messages, q->count, NULL), all = prompt;
    for (size_t i = 0; i < q->continuation_count; i++)
        all += prompt + (int64_t)strlen(q->continuations[i]);
    *completion = (int64_t)q->continuation_count + 1;
    return all;
}

static status ask_scores(broker *b, arena *a, const score_request *request, score_reply *reply, error *err)
{
    bool unpriced;
    int64_t completion, prompt = score_bound(request, &completion);
    const price *p = price_at(b, request->position, &unpriced);
    budget_claim part;
    score_request q = *request;
    const score_request *one = &q;
    q.claim = &part;
    TRY(claim(b, &part, p, prompt, completion, err));
    status result = b->subject->concurrent ? b->subject->class->score(b->subject, a, &one, reply, 1, err)
                                           : wait_for(b, PENDING_SCORE, a, &q, reply, err);
    bool answered = result == STATUS_OK && reply->code == STATUS_OK;
    if (result == STATUS_OK && !answered)
        result = error_set(err, reply->code, "%s", reply->problem ? reply->problem : "the subject gave no scores");
    if (result == STATUS_LIMIT && b->options.budget)
        budget_exhausted(b->options.budget, err);
    bool counted = reply->prompt_tokens > 0 || reply->completion_tokens > 0;
    const budget_usage usage = {.answered = answered || counted, .uncounted = answered && (unpriced || p) && !counted,
                                .prompt = reply->prompt_tokens, .completion = reply->completion_tokens};
    budget_claim_close(&part, &usage);
    count_score(b, reply, !answered, unpriced, usage.answered ? budget_price_of(p, &usage) : 0);
    return result;
}

status broker_score(broker *b, arena *a, const score_request *request, score_reply *reply, error *err)
{
    *reply = (score_reply){0};
    TRY(may_ask(b, SUBJECT_SCORES | SUBJECT_CHOOSES | SUBJECT_REWARDS, "score given continuations", err));
    const broker_cache *cache = cache_of(b);
    size_t count = request->continuation_count;
    char key[SHA256_HEX];
    const char *known = NULL;
    if (cache) {
        if (answer_key_score(answerer(b, request->position), request, key) != STATUS_OK)
            return error_set(err, STATUS_MEMORY, "out of memory while looking for scores in the cache");
        if (cache->find(cache->context, a, key, &known) && known && answer_read_score(a, known, reply, count)) {
            reply->cached = true;
            count_score(b, reply, false, false, 0);
            return STATUS_OK;
        }
        *reply = (score_reply){0};
    }
    TRY(ask_scores(b, a, request, reply, err));
    const char *text = cache ? answer_write_score(a, reply, count) : NULL;
    if (text)
        cache->keep(cache->context, key, text);
    return STATUS_OK;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

status broker_new(subject *s, const broker_options *options, broker **out, error *err)
{
    *out = NULL;
    broker *b = memory_alloc(sizeof *b);
    if (!b)
        return error_set(err, STATUS_MEMORY, "out of memory while making a broker");
    *b = (broker){.subject = s, .options = *options};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    if (!s->concurrent) {
        int failed = pthread_create(&b->dispatcher, NULL, dispatch, b);
        if (failed) {
            memory_free(b);
            errno = failed;
            return error_system(err, "cannot start the thread that asks %s", s->specification);
        }
        b->dispatching = true;
    }
    *out = b;
    return STATUS_OK;
}

void broker_free(broker *b)
{
    if (!b)
        return;
    if (b->dispatching) {
        pthread_mutex_lock(&b->lock);
        b->closing = true;
        pthread_cond_signal(&b->work);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->dispatcher, NULL);
    }
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    memory_free(b);
}

void broker_enter(broker *b)
{
    if (!b->dispatching)
        return;
    pthread_mutex_lock(&b->lock);
    b->entered++;
    pthread_mutex_unlock(&b->lock);
}

void broker_leave(broker *b)
{
    if (!b->dispatching)
        return;
    pthread_mutex_lock(&b->lock);
    if (b->entered == 0)
        BUG("more threads leave the broker than entered it");
    b->entered--;
    if (batch_is_due(b))
        pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

void broker_interrupt(broker *b)
{
    if (atomic_exchange(&b->interrupted, true))
        return;
    if (b->subject->class->interrupt)
        b->subject->class->interrupt(b->subject);
    pthread_mutex_lock(&b->lock);
    pending *queue = b->first;
    b->first = b->last = NULL;
    b->queued = 0;
    pthread_mutex_unlock(&b->lock);
    while (queue) {
        pending *p = queue;
        queue = p->next; /* read before its asker may go */
        p->failed = interrupted(p->err);
        sem_post(&p->answered);
    }
}

broker_counts broker_count(const broker *b)
{
    pthread_mutex_lock((pthread_mutex_t *)&b->lock);
    broker_counts counts = b->counts;
    pthread_mutex_unlock((pthread_mutex_t *)&b->lock);
    return counts;
}
