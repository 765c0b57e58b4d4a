#include "run/run.h"

#include "core/jsonio.h"
#include "core/progress.h"
#include "run/describe.h"
#include "run/expected.h"
#include "run/plant.h"

#include <math.h>

enum { MOST_AUDIT_IDS = 1024 };

/* What one call of run_study works with. */
typedef struct session {
    const run_request *request;
    engine engine;
    study_run run;
    store *store;
    int64_t id;
    bool *skip;
    double started;
    double earlier_wall;
    spending spending;
    const char *description;
    char key[SHA256_HEX];
} session;

/* ---- records ---------------------------------------------------------------------------------------------------- */

typedef struct collected {
    json_t *records;
    arena *arena;
    run_outcome *out;
    uint64_t expected;
} collected;

static status collect_sample(void *context, const store_sample *x, error *err)
{
    collected *c = context;
    run_effort *e = &c->out->effort;
    e->generating += x->generating;
    e->waiting += x->waiting;
    e->retrying += x->retrying;
    e->judging += x->judging;
    e->other += fmax(0, x->seconds - x->generating - x->waiting - x->retrying - x->judging);
    e->prompt_tokens += (uint64_t)x->prompt_tokens;
    e->completion_tokens += (uint64_t)x->completion_tokens;
    e->retries += (uint64_t)x->retries;
    if (x->index >= c->expected)
        return error_set(err, STATUS_INVALID, "the store holds a sample %llu of a run of %llu",
                         (unsigned long long)x->index, (unsigned long long)c->expected);
    if (x->code != STATUS_OK) {
        c->out->failed++;
        if (!c->out->first_problem)
            c->out->first_problem = arena_strdup(c->arena, x->problem ? x->problem : status_word(x->code));
        return STATUS_OK;
    }
    c->out->done++;
    json_t *record;
    TRY(jsonio_parse(slice_of(x->record), "stored record", &record, err));
    return json_array_set_new(c->records, (size_t)x->index, record) == 0
               ? STATUS_OK
               : error_set(err, STATUS_MEMORY, "out of memory while reading records");
}

/* All records in order of their index, null where there is none; fills counts and effort of `out` as well. */
static status read_records(store *s, arena *a, int64_t id, uint64_t count, run_outcome *out, json_t **records, error *err)
{
    collected c = {.records = json_array(), .arena = a, .out = out, .expected = count};
    status result = STATUS_OK;
    for (uint64_t i = 0; i < count && result == STATUS_OK; i++)
        if (json_array_append_new(c.records, json_null()) != 0)
            result = error_set(err, STATUS_MEMORY, "out of memory while reading records");
    if (result == STATUS_OK)
        result = store_sample_each(s, id, false, collect_sample, &c, err);
    if (result != STATUS_OK) {
        json_decref(c.records);
        c.records = NULL;
    }
    *records = c.records;
    return result;
}

static json_t *effort_json(const run_effort *e)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "wall", e->wall,
                     "generating", e->generating, "waiting", e->waiting, "retrying", e->retrying, "judging", e->judging,
                     "other", e->other, "requests", (json_int_t)e->requests, "cached", (json_int_t)e->cached, "retries",
                     (json_int_t)e->retries, "prompt_tokens", (json_int_t)e->prompt_tokens, "completion_tokens",
                     (json_int_t)e->completion_tokens, "probes", (json_int_t)e->probes, "lost_tokens",
                     (json_int_t)e->lost_tokens, "unpriced", (json_int_t)e->unpriced, "dollars", e->dollars);
}

/* {"study", "subject", "seed", members of the summary...}; the seed as a number, which JSON readers keep to 2^53. */
static json_t *result_json(const char *study_name, const char *subject_name, uint64_t seed, json_t *summary)
{
    json_t *all = json_pack("{s:s, s:s, s:I}", "study", study_name, "subject", subject_name, "seed", (json_int_t)seed);
    if (json_object_update_missing(all, summary) == 0)
        return all;
    json_decref(all);
    return NULL;
}

static status summarise(session *s, arena *a, run_outcome *out, error *err)
{
    json_t *records;
    const study *st = s->run.study;
    TRY(read_records(s->store, a, s->id, s->run.sample_count, out, &records, err));
    status result = STATUS_OK;
    if (out->done == 0) {
        result = error_set(err, STATUS_NETWORK, "all %llu samples failed; the first: %s", (unsigned long long)out->failed,
                           out->first_problem ? out->first_problem : "there were none");
        error_hint(err, "`assay show %lld` lists them; the same command asks them again", (long long)s->id);
    }
    if (result == STATUS_OK)
        result = st->summarise(&s->run, records, &out->summary, err);
    json_decref(records);
    if (result == STATUS_OK && st->figures)
        result = st->figures(&s->run, out->summary, &out->figures, err);
    if (result != STATUS_OK)
        return result;
    out->json = result_json(st->name, s->run.subject_name, s->run.seed, out->summary);
    return out->json ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while writing the result");
}

/* ---- the session ------------------------------------------------------------------------------------------------ */

static status keep_sample(void *context, const store_sample *sample, error *err)
{
    session *s = context;
    store_sample x = *sample;
    x.run = s->id;
    return store_sample_add(s->store, &x, err);
}

static void keep_audit(void *context, const char *role, const subject_audit *audit)
{
    session *s = context;
    arena *a = arena_new(NULL);
    json_t *ids = json_array();
    for (size_t i = 0; i < audit->count && i < MOST_AUDIT_IDS; i++)
        json_array_append_new(ids, json_integer(audit->ids[i]));
    const char *text = describe_take(a, json_pack("{s:s, s:I, s:i, s:s?, s:o}", "role", role, "count",
                                                  (json_int_t)audit->count, "bos", (int)audit->bos, "template",
                                                  audit->template_hash, "ids", ids));
    if (text)
        store_event_add(s->store, s->id, "tokens", text, NULL); /* a failing store shows with the next sample */
    arena_free(a);
}

/* What the subject holds is noted while its folder is there; a report may be made much later. */
static void keep_plant(session *s)
{
    arena *a = arena_new(NULL);
    json_t *plant = run_plant_of(s->run.subject_name ? s->run.subject_name : "");
    const char *text = json_is_object(plant) ? describe_take(a, json_incref(plant)) : NULL;
    if (text)
        store_event_add(s->store, s->id, "planted", text, NULL); /* a failing store shows with the next sample */
    json_decref(plant);
    arena_free(a);
}

/* A study that is not of the catalogue is noted, so that the run can be read and replayed without being told where it is. */
static void keep_study(session *s)
{
    const study *st = s->run.study;
    arena *a = arena_new(NULL);
    const char *text = st->source ? describe_take(a, json_pack("{s:s, s:s*, s:s, s:s*, s:s*}", "source", st->source, "identity",
                                                               s->run.identity, "title", st->title, "paper", st->paper, "about",
                                                               st->about))
                                  : NULL;
    if (text)
        store_event_add(s->store, s->id, "study", text, NULL); /* a failing store shows with the next sample */
    arena_free(a);
}

static status mark_done(void *context, const store_sample *x, error *err)
{
    (void)err;
    session *s = context;
    if (x->code == STATUS_OK && x->index < s->run.sample_count)
        s->skip[x->index] = true;
    return STATUS_OK;
}

static status begin(session *s, arena *a, run_outcome *out, error *err)
{
    const char *machine = describe_machine(a, s->request->subjects.threads);
    store_run run;
    store_run wanted = {.key = s->key, .study = s->run.study->name, .subject = s->run.subject_name, .seed = s->run.seed,
                        .sample_count = s->run.sample_count, .description = s->description, .machine = machine ? machine : "{}"};
    TRY(store_run_begin(s->store, a, &wanted, &run, &out->resumed, err));
    s->id = out->id = run.id;
    s->skip = ARENA_ARRAY(a, bool, s->run.sample_count + 1);
    if (!s->skip)
        return error_set(err, STATUS_MEMORY, "out of memory while beginning the run");
    TRY(store_sample_each(s->store, s->id, false, mark_done, s, err));
    if (out->resumed && run.effort) {
        json_t *effort;
        TRY(jsonio_parse(slice_of(run.effort), "effort", &effort, err));
        s->earlier_wall = json_number_value(json_object_get(effort, "wall"));
        json_decref(effort);
    }
    s->engine.progress = (run_progress){.done = run.done, .total = s->run.sample_count};
    if (s->request->on_begin)
        s->request->on_begin(s->request->context, s->id, out->resumed, run.done, s->run.sample_count);
    if (!out->resumed)
        keep_plant(s);
    keep_study(s);
    bool elsewhere = out->resumed && strcmp(run.machine, wanted.machine) != 0;
    return store_event_add(s->store, s->id, out->resumed ? "resumed" : "begun", elsewhere ? wanted.machine : NULL, err);
}

static void fill_effort(session *s, run_outcome *out)
{
    broker_counts c = engine_count(&s->engine);
    out->effort.wall = s->earlier_wall + clock_seconds() - s->started;
    out->effort.requests = c.requests;
    out->effort.cached = c.cached;
    out->effort.unpriced = c.unpriced;
    for (size_t i = 0; i < s->engine.role_count; i++)
        out->effort.probes += (uint64_t)s->engine.roles[i].probe.requests;
    budget_state spent = spending_look(&s->spending);
    out->effort.lost_tokens = (uint64_t)spent.lost.tokens;
    out->effort.dollars = (double)spent.spent.picodollars / PICODOLLARS;
}

/* The run's row says how it ended; the first failure is the one that counts. */
static status end_badly(session *s, arena *a, run_outcome *out, status why, error *err)
{
    fill_effort(s, out);
    const char *effort = describe_take(a, effort_json(&out->effort));
    store_event_add(s->store, s->id, status_word(why), NULL, NULL);
    spending_close(&s->spending, false);
    store_run_finish(s->store, s->id, why == STATUS_INTERRUPTED ? "interrupted" : "failed", NULL, effort, NULL);
    (void)err;
    return why;
}

static status end_well(session *s, arena *a, run_outcome *out, error *err)
{
    TRY(store_flush(s->store, err));
    TRY(summarise(s, a, out, err));
    fill_effort(s, out);
    const char *summary = describe_take(a, json_incref(out->summary));
    const char *effort = describe_take(a, effort_json(&out->effort));
    if (!summary || !effort)
        return error_set(err, STATUS_MEMORY, "out of memory while ending the run");
    TRY(store_event_add(s->store, s->id, "ended", NULL, err));
    spending_close(&s->spending, out->failed == 0);
    return store_run_finish(s->store, s->id, out->failed ? "incomplete" : "finished", summary, effort, err);
}

static status go(session *s, arena *a, run_outcome *out, error *err)
{
    status result = begin(s, a, out, err);
    if (result != STATUS_OK)
        return s->id ? end_badly(s, a, out, result, err) : result;
    s->engine.skip = s->skip;
    result = engine_run(&s->engine, err);
    if (result == STATUS_OK)
        result = end_well(s, a, out, err);
    return result == STATUS_OK ? STATUS_OK : end_badly(s, a, out, result, err);
}

/* At the price of the subject: an upper estimate, as the plan's tokens are. */
static double planned_dollars(const session *s, const study_plan *plan)
{
    const subject *who = s->engine.role_count ? s->engine.roles[0].subject : NULL;
    const price *p = who && who->billed ? prices_find(s->request->prices, who->billed) : NULL;
    const budget_usage usage = {.prompt = (int64_t)plan->prompt_tokens, .completion = (int64_t)plan->completion_tokens};
    return p && plan->prompt_tokens + plan->completion_tokens > 0 ? (double)budget_price_of(p, &usage) / PICODOLLARS : NAN;
}

static status open_session(session *s, arena *a, error *err)
{
    const run_request *q = s->request;
    answer_cache *cache = ARENA_NEW(a, answer_cache);
    if (!cache)
        return error_set(err, STATUS_MEMORY, "out of memory while beginning the run");
    *cache = (answer_cache){store_answer_find, store_answer_keep, s->store};
    TRY(engine_open(&s->engine, a, q->study, q->roles, q->role_count,
                    &(engine_options){.subjects = &q->subjects,
                                      .keys = q->keys,
                                      .key_count = q->key_count,
                                      .cache = q->no_cache || !s->store ? NULL : cache,
                                      .in_flight = q->in_flight,
                                      .prices = q->prices,
                                      .cost_limited = q->limits.dollars > 0},
                    err));
    engine *e = &s->engine;
    e->run = &s->run;
    e->limit = s->run.sample_count;
    e->interrupt = q->interrupt;
    e->finished = keep_sample;
    e->audited = keep_audit;
    e->context = s;
    e->on_progress = q->on_progress;
    e->progress_context = q->context;
    return STATUS_OK;
}

/* ---- one of several runs ---------------------------------------------------------------------------------------- */

/* What the events of a run say of the command that made it. */
typedef struct several_events {
    bool member, gathered;
} several_events;

static status note_event(void *context, double at, const char *kind, const char *detail, error *err)
{
    several_events *e = context;
    (void)at, (void)detail, (void)err;
    e->member = e->member || strcmp(kind, "member") == 0;
    e->gathered = e->gathered || strcmp(kind, "gathered") == 0;
    return STATUS_OK;
}

/* The newest finished run of this description that its command has not gathered; 0: there is none. */
static status find_ungathered(session *s, arena *a, int64_t *id, error *err)
{
    store_run *runs;
    size_t count;
    *id = 0;
    TRY(store_run_list(s->store, a, 0, &runs, &count, err));
    for (size_t i = 0; i < count && *id == 0; i++) {
        several_events events = {false, false};
        if (strcmp(runs[i].key, s->key) != 0 || strcmp(runs[i].state, "finished") != 0)
            continue;
        TRY(store_event_each(s->store, runs[i].id, note_event, &events, err));
        *id = events.member && !events.gathered ? runs[i].id : 0;
        if (*id == 0)
            break;
    }
    return STATUS_OK;
}

/* True: the outcome is that of a run that is finished already. */
static status take_finished(session *s, arena *a, run_outcome *out, bool *taken, error *err)
{
    *taken = false;
    if (!s->request->of_several)
        return STATUS_OK;
    TRY(find_ungathered(s, a, &s->id, err));
    if (s->id == 0)
        return STATUS_OK;
    out->id = s->id;
    out->resumed = *taken = true;
    if (s->request->on_begin)
        s->request->on_begin(s->request->context, s->id, true, s->run.sample_count, s->run.sample_count);
    return summarise(s, a, out, err);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

/* Before anything is spent: what earlier sessions spent, and what the backends can do. */
static status look_around(session *s, arena *a, error *err)
{
    TRY(describe_run(a, &s->engine, s->request->params, &s->description, s->key, err));
    TRY(spending_open(&s->spending, s->store, s->key, &s->request->limits, s->request->whole, err));
    TRY(engine_look(&s->engine, a, s->request->study, s->spending.budget, err));
    for (size_t i = 0; i < s->engine.role_count; i++)
        if (s->engine.roles[i].probe.notes && s->request->on_note)
            s->request->on_note(s->request->context, s->engine.roles[i].probe.notes);
    return STATUS_OK;
}

static status plan_and_go(session *s, arena *a, run_outcome *out, error *err)
{
    const run_request *request = s->request;
    study_plan plan = {.detectable = NAN};
    if (request->study->plan)
        TRY(request->study->plan(&s->run, &plan, err));
    TRY(open_session(s, a, err));
    subject *who = s->engine.role_count ? s->engine.roles[0].subject : NULL; /* a study without roles asks nobody */
    plan.dollars = planned_dollars(s, &plan);
    plan.unpriced = who && isnan(plan.dollars) ? who->billed : NULL;
    plan.seconds = who && request->dry_run ? expected_seconds(who, &plan) : NAN;
    if (request->on_plan)
        request->on_plan(request->context, &s->run, &plan);
    status result = request->dry_run ? STATUS_OK : look_around(s, a, err);
    bool taken = false;
    if (result == STATUS_OK && !request->dry_run)
        result = take_finished(s, a, out, &taken, err);
    if (result == STATUS_OK && !request->dry_run && !taken)
        result = go(s, a, out, err);
    engine_close(&s->engine);
    return result;
}

status run_study(arena *a, const run_request *request, run_outcome *out, error *err)
{
    *out = (run_outcome){0};
    session *s = ARENA_NEW(a, session);
    if (!s)
        return error_set(err, STATUS_MEMORY, "out of memory while beginning the run");
    json_object_seed(0); /* before threads meet in it */
    *s = (session){.request = request, .store = request->store, .started = clock_seconds()};
    s->run = (study_run){.study = request->study, .seed = request->seed, .params = request->params, .arena = a,
                         .timeout_seconds = request->subjects.timeout_seconds, .interrupt = request->interrupt, .note = request->on_note,
                         .note_context = request->context};
    const char **filled = ARENA_ARRAY(a, const char *, request->role_count + 1);
    if (!filled)
        return error_set(err, STATUS_MEMORY, "out of memory while beginning the run");
    s->run.filled = filled;
    s->run.subject_name = request->study->role_count == 0 ? STUDY_WITHOUT_SUBJECT : NULL;
    for (size_t i = 0; i < request->role_count; i++) {
        filled[i] = request->roles[i].name;
        if (strcmp(request->roles[i].name, "subject") == 0)
            s->run.subject_name = request->roles[i].specification;
    }
    status result = request->study->prepare(&s->run, err);
    if (result == STATUS_OK)
        result = plan_and_go(s, a, out, err);
    if (request->study->finish)
        request->study->finish(&s->run);
    spending_free(&s->spending);
    if (result != STATUS_OK)
        run_outcome_clear(out);
    return result;
}

void run_outcome_clear(run_outcome *out)
{
    json_decref(out->json);
    json_decref(out->summary);
    json_decref(out->figures);
    out->json = out->summary = out->figures = NULL;
}

status run_result_json(store *s, arena *a, int64_t id, json_t **out, error *err)
{
    store_run run;
    json_t *summary;
    TRY(store_run_get(s, a, id, &run, err));
    if (!run.summary) {
        error_set(err, STATUS_NOT_FOUND, "run %lld has no summary yet (%s, %llu of %llu samples)", (long long)id, run.state,
                  (unsigned long long)run.done, (unsigned long long)run.sample_count);
        error_hint(err, "the command that began it goes on with it");
        return STATUS_NOT_FOUND;
    }
    TRY(jsonio_parse(slice_of(run.summary), "stored summary", &summary, err));
    *out = result_json(run.study, run.subject, run.seed, summary);
    json_decref(summary);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while writing the result");
}
