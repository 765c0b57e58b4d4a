#include "run/engine.h"

#include "core/jsonio.h"
#include "core/progress.h"
#include "core/threads.h"

#include <errno.h>
#include <unistd.h>

enum {
    STACK_BYTES = 512 * 1024,
    MOST_IN_FLIGHT = 1024,
    HOPELESS_FAILURES = 20, /* so many, and not one success: the rest would only cost time */
    POLL_MILLISECONDS = 100,
};

bool engine_is_final(status code)
{
    return code == STATUS_LIMIT || code == STATUS_INTERRUPTED || code == STATUS_MEMORY || code == STATUS_REFUSED;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static const study_role *declared(const study *s, const char *name)
{
    for (size_t i = 0; i < s->role_count; i++)
        if (strcmp(s->roles[i].name, name) == 0)
            return &s->roles[i];
    return NULL;
}

static status no_role(const study *s, const char *name, error *err)
{
    error_set(err, STATUS_USAGE, "the study %s has no role \"%s\"", s->name, name);
    return error_hint(err, "`assay run %s --help` lists its roles", s->name);
}

static status check_roles(const study *s, const run_role *roles, size_t count, error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!declared(s, roles[i].name))
            return no_role(s, roles[i].name, err);
    for (size_t k = 0; k < s->role_count; k++) {
        size_t filled = 0;
        for (size_t i = 0; i < count; i++)
            filled += strcmp(roles[i].name, s->roles[k].name) == 0;
        if (filled > 1)
            return error_set(err, STATUS_USAGE, "the role %s is given %zu times", s->roles[k].name, filled);
        if (filled == 0 && !s->roles[k].optional) {
            error_set(err, STATUS_USAGE, "the study %s needs somebody in the role %s: %s", s->name, s->roles[k].name,
                      s->roles[k].help);
            if (strcmp(s->roles[k].name, "subject") == 0)
                error_hint(err, "give it with -m SUBJECT");
            else
                error_hint(err, "give it with --role %s=SUBJECT", s->roles[k].name);
            return STATUS_USAGE;
        }
    }
    return STATUS_OK;
}

/* One subject may fill several roles. */
static unsigned all_needs(const study *s)
{
    unsigned needs = 0;
    for (size_t i = 0; i < s->role_count; i++)
        needs |= s->roles[i].needs;
    return needs;
}

static size_t chosen_in_flight(const subject *s, size_t wanted, size_t least)
{
    if (wanted == 0) {
        wanted = s->instant ? 2 * thread_processors() : s->concurrent ? s->batch : 2 * s->batch;
        wanted = wanted < least ? least : wanted;
    }
    return wanted < 1 ? 1 : wanted > MOST_IN_FLIGHT ? MOST_IN_FLIGHT : wanted;
}

/* Of a study that asks nobody: its samples compute, one on each processor. */
static size_t own_in_flight(size_t wanted, size_t least)
{
    wanted = wanted ? wanted : thread_processors();
    wanted = wanted < least ? least : wanted;
    return wanted > MOST_IN_FLIGHT ? MOST_IN_FLIGHT : wanted;
}

/* Everybody who costs money needs a price when money is limited, both sides of a router too. */
static status check_price(const subject *s, const engine_options *o, error *err)
{
    if (!o->cost_limited)
        return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(s->parts); i++)
        if (s->parts[i])
            TRY(check_price(s->parts[i], o, err));
    if (!s->billed || prices_find(o->prices, s->billed))
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "a limit of cost cannot be kept for %s: nobody knows the price of %s", s->specification,
              s->billed);
    if (o->prices && o->prices->path)
        error_hint(err, "add it to %s: `- model: \"%s\"` with input, output and date", o->prices->path, s->billed);
    else
        error_hint(err, "name a file of prices with --prices; docs/subjects.md says how one is written");
    return STATUS_USAGE;
}

/* What a look at a backend takes comes out of the budget like any request. */
static const price *dearest(const subject *s, const price_list *prices)
{
    const price *p = s->billed ? prices_find(prices, s->billed) : NULL;
    for (size_t i = 0; i < COUNT_OF(s->parts); i++) {
        const price *q = s->parts[i] ? dearest(s->parts[i], prices) : NULL;
        p = q && (!p || q->input > p->input) ? q : p;
    }
    return p;
}

static status look(engine *e, engine_role *r, arena *a, unsigned needs, error *err)
{
    enum { PROMPT_BOUND = 512, COMPLETION_BOUND = 32 };
    int64_t most = 2 * (1 + (needs & SUBJECT_SEEDS ? 3 : 0) + (needs & SUBJECT_SCORES ? 1 : 0) + (needs & SUBJECT_CHOOSES ? 1 : 0));
    budget_claim claim = {0};
    if (!r->subject->class->probe)
        return STATUS_OK;
    if (e->budget)
        TRY(budget_claim_open(e->budget, &claim, dearest(r->subject, e->options.prices), most * PROMPT_BOUND,
                              most * COMPLETION_BOUND, NULL, err));
    status result = subject_look(r->subject, a, needs, e->options.cache, &r->probe, err);
    budget_claim_close(&claim, &(budget_usage){.answered = true, .prompt = r->probe.prompt_tokens,
                                               .completion = r->probe.completion_tokens});
    return result;
}

static status require(const study *s, const engine_role *r, error *err)
{
    char who[160];
    snprintf(who, sizeof who, "the role %s of the study %s", r->name, s->name);
    return subject_require(r->subject, declared(s, r->name)->needs, who, err);
}

static const char *key_of(const engine *e, const char *role)
{
    for (size_t i = 0; i < e->options.key_count; i++)
        if (strcmp(e->options.keys[i].role, role) == 0)
            return e->options.keys[i].variable;
    return e->options.subjects ? e->options.subjects->api_key_variable : NULL;
}

static bool same_key(const engine *e, const char *role, const char *other)
{
    const char *a = key_of(e, role), *b = key_of(e, other);
    return a == b || (a && b && strcmp(a, b) == 0);
}

static status open_role(engine *e, arena *a, const study *s, const run_role *role, error *err)
{
    engine_role *r = &e->roles[e->role_count];
    *r = (engine_role){.name = role->name, .judging = strcmp(role->name, "subject") != 0};
    for (size_t i = 0; i < e->role_count && !r->subject; i++)
        if (strcmp(e->roles[i].subject->specification, role->specification) == 0 && same_key(e, e->roles[i].name, role->name))
            r->subject = e->roles[i].subject;
    if (!r->subject)
        r->subject = role->subject;
    if (!r->subject) {
        subject_options options = e->options.subjects ? *e->options.subjects : (subject_options){0};
        options.api_key_variable = key_of(e, role->name);
        TRY(subject_open(a, role->specification, &options, &r->subject, err));
        r->own = true;
    }
    e->role_count++;
    TRY(check_price(r->subject, &e->options, err));
    return r->subject->class->probe ? STATUS_OK : require(s, r, err);
}

status engine_open(engine *e, arena *a, const study *s, const run_role *roles, size_t role_count,
                   const engine_options *options, error *err)
{
    e->role_count = 0;
    e->options = *options;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->audit_lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    status result = check_roles(s, roles, role_count, err);
    if (result == STATUS_OK && role_count > RUN_MOST_ROLES)
        result = error_set(err, STATUS_USAGE, "at most %d roles can be filled", RUN_MOST_ROLES);
    for (size_t i = 0; i < options->key_count && result == STATUS_OK; i++)
        if (!declared(s, options->keys[i].role))
            result = no_role(s, options->keys[i].role, err);
    for (size_t i = 0; i < role_count && result == STATUS_OK; i++)
        result = open_role(e, a, s, &roles[i], err);
    if (result != STATUS_OK)
        engine_close(e);
    return result;
}

status engine_look(engine *e, arena *a, const study *s, budget *b, error *err)
{
    e->budget = b;
    e->in_flight = e->role_count ? chosen_in_flight(e->roles[0].subject, e->options.in_flight, s->in_flight)
                                 : own_in_flight(e->options.in_flight, s->in_flight);
    for (size_t i = 0; i < e->role_count; i++) {
        engine_role *r = &e->roles[i];
        for (size_t k = 0; k < i && !r->broker; k++)
            if (e->roles[k].subject == r->subject)
                r->broker = e->roles[k].broker;
        if (!r->broker) {
            TRY(look(e, r, a, all_needs(s), err));
            TRY(broker_new(r->subject,
                           &(broker_options){.askers = e->in_flight, .cache = e->options.cache, .budget = b,
                                             .prices = e->options.prices},
                           &r->broker, err));
        }
        TRY(require(s, r, err));
    }
    return STATUS_OK;
}

bool engine_first_with_broker(const engine *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (e->roles[k].broker == e->roles[i].broker)
            return false;
    return e->roles[i].broker != NULL;
}

void engine_close(engine *e)
{
    for (size_t i = 0; i < e->role_count; i++)
        if (engine_first_with_broker(e, i))
            broker_free(e->roles[i].broker);
    for (size_t i = 0; i < e->role_count; i++)
        if (e->roles[i].own)
            subject_close(e->roles[i].subject);
    e->role_count = 0;
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->audit_lock);
    pthread_cond_destroy(&e->changed);
}

broker_counts engine_count(const engine *e)
{
    broker_counts all = {0};
    for (size_t i = 0; i < e->role_count; i++) {
        if (!engine_first_with_broker(e, i))
            continue;
        broker_counts c = broker_count(e->roles[i].broker);
        all.requests += c.requests;
        all.cached += c.cached;
        all.retries += c.retries;
        all.failed += c.failed;
        all.batches += c.batches;
        all.prompt_tokens += c.prompt_tokens;
        all.completion_tokens += c.completion_tokens;
        all.unpriced += c.unpriced;
        all.picodollars += c.picodollars;
        all.seconds_generating += c.seconds_generating;
        all.seconds_waiting += c.seconds_waiting;
        all.seconds_retrying += c.seconds_retrying;
    }
    return all;
}

/* ---- one sample ------------------------------------------------------------------------------------------------- */

static void stop(engine *e, status code, const error *err)
{
    pthread_mutex_lock(&e->lock);
    if (e->stopped == STATUS_OK) {
        e->stopped = code;
        e->stop_error = *err;
    }
    pthread_mutex_unlock(&e->lock);
    atomic_store(&e->stopping, true);
}

static void count_failure(engine *e, const error *err)
{
    uint64_t failed = atomic_fetch_add(&e->failed, 1) + 1;
    if (failed < HOPELESS_FAILURES || atomic_load(&e->succeeded) > 0)
        return;
    error hopeless = *err;
    error_context(&hopeless, "the first %llu samples all failed, and the run was stopped; the last one",
                  (unsigned long long)failed);
    stop(e, hopeless.code, &hopeless);
}

static status finish_sample(engine_worker *w, study_sample *s, status code, error *err)
{
    store_sample *x = &w->sample;
    x->transcript = transcript_end(w);
    x->code = code;
    if (code == STATUS_OK) {
        strbuf_clear(&w->record);
        TRY(jsonio_print(s->record, 0, &w->record, err));
        x->record = w->record.text;
    } else {
        x->problem = err->message;
    }
    if (!x->transcript)
        return error_set(err, STATUS_MEMORY, "out of memory while writing a transcript");
    return STATUS_OK;
}

static void run_sample(engine_worker *w, uint64_t index)
{
    engine *e = w->engine;
    error err = {0}, failure = {0};
    study_sample s = {.run = e->run, .index = (size_t)index, .arena = w->arena, .record = json_object(), .engine = w, .position = -1};
    w->sample = (store_sample){.index = index};
    transcript_start(w);
    double start = clock_seconds();
    status code = s.record ? e->run->study->run_sample(&s, &err) : error_set(&err, STATUS_MEMORY, "out of memory");
    w->sample.seconds = clock_seconds() - start;
    if (code != STATUS_OK && err.code == STATUS_OK)
        error_set(&err, code, "the sample failed (%s)", status_word(code));
    failure = err;
    if (engine_is_final(code)) {
        stop(e, code, &err);
    } else {
        status stored = finish_sample(w, &s, code, &err);
        if (stored == STATUS_OK)
            stored = e->finished(e->context, &w->sample, &err);
        if (stored != STATUS_OK) {
            stop(e, stored, &err);
        } else {
            if (code == STATUS_OK)
                atomic_fetch_add(&e->succeeded, 1);
            atomic_fetch_add(&e->done, 1);
            if (code != STATUS_OK)
                count_failure(e, &failure);
        }
    }
    w->sample.problem = NULL; /* it lay in `err` */
    json_decref(s.record);
    arena_reset(w->arena);
}

static void *work(void *context)
{
    engine *e = context;
    engine_worker w = {.engine = e, .arena = arena_new(NULL), .record = strbuf_new(NULL, (size_t)1 << 28)};
    error err = {0};
    if (!w.arena)
        stop(e, error_set(&err, STATUS_MEMORY, "out of memory while starting a sample"), &err);
    for (size_t i = 0; i < e->role_count; i++)
        if (engine_first_with_broker(e, i))
            broker_enter(e->roles[i].broker);
    while (!atomic_load_explicit(&e->stopping, memory_order_relaxed)) {
        uint64_t index = atomic_fetch_add(&e->next, 1);
        if (index >= e->limit)
            break;
        if (!e->skip || !e->skip[index])
            run_sample(&w, index);
    }
    for (size_t i = 0; i < e->role_count; i++)
        if (engine_first_with_broker(e, i))
            broker_leave(e->roles[i].broker);
    strbuf_free(&w.record);
    strbuf_free(&w.transcript);
    arena_free(w.arena);
    pthread_mutex_lock(&e->lock);
    e->working--;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static void report_progress(engine *e)
{
    if (!e->on_progress)
        return;
    broker_counts c = engine_count(e);
    run_progress p = e->progress;
    p.done += atomic_load(&e->done);
    p.failed += atomic_load(&e->failed);
    p.cached = c.cached;
    p.retries = c.retries;
    p.tokens = c.prompt_tokens + c.completion_tokens;
    e->on_progress(e->progress_context, &p);
}

/* Ctrl-C, and the end of the time that the run may take. */
static void look_at_the_clock(engine *e)
{
    error err = {0};
    if (e->interrupt && atomic_load(e->interrupt)) {
        error_set(&err, STATUS_INTERRUPTED, "interrupted; what is finished is stored");
        error_hint(&err, "the same command goes on");
        stop(e, STATUS_INTERRUPTED, &err);
    } else if (!atomic_load(&e->stopping) && e->budget && budget_time_is_up(e->budget)) {
        stop(e, budget_exhausted(e->budget, &err), &err);
    }
}

/* Whether those who wait for answers are to be woken: a budget of tokens or money that is spent asks for nothing more,
 * and what is on its way is paid for and worth waiting for. */
static bool must_wake(engine *e)
{
    if (!atomic_load(&e->stopping))
        return false;
    pthread_mutex_lock(&e->lock);
    bool spent = e->stopped == STATUS_LIMIT;
    pthread_mutex_unlock(&e->lock);
    return !spent || (e->interrupt && atomic_load(e->interrupt)) || (e->budget && budget_time_is_up(e->budget));
}

/* Polls for Ctrl-C and shows progress until all threads are through. */
static void watch(engine *e)
{
    bool woken = false;
    pthread_mutex_lock(&e->lock);
    while (e->working > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += POLL_MILLISECONDS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&e->changed, &e->lock, &until);
        pthread_mutex_unlock(&e->lock);
        look_at_the_clock(e);
        if (!woken && must_wake(e)) {
            for (size_t i = 0; i < e->role_count; i++)
                if (engine_first_with_broker(e, i))
                    broker_interrupt(e->roles[i].broker);
            if (e->run->study->interrupt)
                e->run->study->interrupt(e->run);
            woken = true;
        }
        report_progress(e);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

static status start_threads(engine *e, pthread_t *ids, size_t wanted, size_t *started, error *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&e->lock);
    for (*started = 0; *started < wanted; (*started)++) {
        errno = pthread_create(&ids[*started], &attributes, work, e);
        if (errno)
            break;
        e->working++;
    }
    pthread_mutex_unlock(&e->lock);
    pthread_attr_destroy(&attributes);
    return *started > 0 ? STATUS_OK : error_system(err, "cannot start a thread for a sample");
}

static uint64_t wanted_samples(const engine *e)
{
    uint64_t wanted = 0;
    for (uint64_t i = 0; i < e->limit; i++)
        wanted += !e->skip || !e->skip[i];
    return wanted;
}

status engine_run(engine *e, error *err)
{
    uint64_t wanted = wanted_samples(e);
    size_t threads = wanted < e->in_flight ? (size_t)wanted : e->in_flight, started = 0;
    if (threads == 0)
        return STATUS_OK;
    pthread_t *ids = memory_alloc(threads * sizeof *ids);
    if (!ids)
        return error_set(err, STATUS_MEMORY, "out of memory while starting %zu threads", threads);
    status result = start_threads(e, ids, threads, &started, err);
    watch(e);
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    memory_free(ids);
    if (result == STATUS_OK && e->stopped != STATUS_OK) {
        result = e->stopped;
        if (err)
            *err = e->stop_error;
    }
    return result;
}
