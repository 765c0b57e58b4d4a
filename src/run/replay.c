/* Asks a stored run again and compares. */
#include "run/run.h"

#include "core/jsonio.h"
#include "run/describe.h"

enum { MOST_DIFFERENCES = 100 };

typedef struct replay {
    engine engine;
    budget *budget;
    study_run run;
    arena *arena;
    store *store;
    int64_t id;
    pthread_mutex_t lock; /* around all below, and the arena */
    const char **stored;  /* by index: the record, or the problem */
    bool *skip;
    run_replayed *out;
} replay;

static status remember(void *context, const store_sample *x, error *err)
{
    replay *r = context;
    if (x->index >= r->engine.limit || x->code != STATUS_OK)
        return STATUS_OK;
    r->stored[x->index] = arena_strdup(r->arena, x->record);
    r->skip[x->index] = false;
    return r->stored[x->index] ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while reading records");
}

static status compare_sample(void *context, const store_sample *x, error *err)
{
    (void)err;
    replay *r = context;
    const char *now = x->record ? x->record : x->problem, *then = r->stored[x->index];
    pthread_mutex_lock(&r->lock);
    r->out->compared++;
    if (strcmp(now, then) == 0)
        r->out->equal++;
    else if (r->out->difference_count < MOST_DIFFERENCES)
        r->out->differences[r->out->difference_count++] = (run_difference){x->index, then, arena_strdup(r->arena, now)};
    pthread_mutex_unlock(&r->lock);
    return STATUS_OK;
}

static int by_index(const void *a, const void *b)
{
    const run_difference *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static const char *role_specification(const run_request *request, const char *name, const char *stored, subject **given)
{
    for (size_t i = 0; i < request->role_count; i++)
        if (strcmp(request->roles[i].name, name) == 0) {
            *given = request->roles[i].subject;
            return request->roles[i].specification;
        }
    return stored;
}

static status open_replay(replay *r, arena *a, const json_t *description, const run_request *request, error *err)
{
    run_role roles[RUN_MOST_ROLES];
    size_t count = 0;
    const char *name;
    json_t *value;
    if (r->run.study->role_count == 0)
        r->run.subject_name = STUDY_WITHOUT_SUBJECT;
    json_object_foreach((json_t *)json_object_get(description, "roles"), name, value) {
        const char *stored = json_string_value(json_object_get(value, "specification"));
        if (!stored || count == RUN_MOST_ROLES)
            return error_set(err, STATUS_INVALID, "the stored description of run %lld cannot be read", (long long)r->id);
        roles[count] = (run_role){.name = arena_strdup(a, name)};
        roles[count].specification = role_specification(request, name, arena_strdup(a, stored), &roles[count].subject);
        if (strcmp(name, "subject") == 0)
            r->run.subject_name = roles[count].specification;
        count++;
    }
    const engine_options options = {.subjects = &request->subjects, .keys = request->keys, .key_count = request->key_count,
                                    .in_flight = request->in_flight, .prices = request->prices,
                                    .cost_limited = request->limits.dollars > 0};
    TRY(engine_open(&r->engine, a, r->run.study, roles, count, &options, err));
    status result = budget_new(&(budget_options){.limits = request->limits}, &r->budget, err);
    if (result == STATUS_OK)
        result = engine_look(&r->engine, a, r->run.study, r->budget, err);
    if (result != STATUS_OK) {
        engine_close(&r->engine);
        budget_free(r->budget);
    }
    return result;
}

static status prepare_replay(replay *r, arena *a, const store_run *run, const json_t *description, uint64_t most, error *err)
{
    param_values *params;
    TRY(describe_params(a, r->run.study, description, &params, err));
    r->run.params = params;
    TRY(r->run.study->prepare(&r->run, err));
    const char *then = json_string_value(json_object_get(description, "identity")), *now = r->run.identity;
    if ((then || now) && (!then || !now || strcmp(then, now) != 0)) {
        error_set(err, STATUS_INVALID, "run %lld is of another version of the study %s", (long long)r->id, run->study);
        return error_hint(err, "the files that its items come from (a task and its data, or a plug-in) were edited");
    }
    if (r->run.sample_count != run->sample_count)
        return error_set(err, STATUS_INVALID, "run %lld has %llu samples, and the study now makes %zu", (long long)r->id,
                         (unsigned long long)run->sample_count, r->run.sample_count);
    r->engine.limit = most && most < run->sample_count ? most : run->sample_count;
    r->stored = ARENA_ARRAY(a, const char *, run->sample_count + 1);
    r->skip = ARENA_ARRAY(a, bool, run->sample_count + 1);
    r->out->differences = ARENA_ARRAY(a, run_difference, MOST_DIFFERENCES);
    if (!r->stored || !r->skip || !r->out->differences)
        return error_set(err, STATUS_MEMORY, "out of memory while reading run %lld", (long long)r->id);
    memset(r->skip, true, run->sample_count);
    return store_sample_each(r->store, r->id, false, remember, r, err);
}

static status replay_with(replay *r, arena *a, const store_run *run, const json_t *description, const run_request *request,
                          uint64_t most, error *err)
{
    TRY(prepare_replay(r, a, run, description, most, err));
    TRY(open_replay(r, a, description, request, err));
    r->engine.run = &r->run;
    r->engine.skip = r->skip;
    r->engine.interrupt = request->interrupt;
    r->engine.finished = compare_sample;
    r->engine.context = r;
    r->engine.on_progress = request->on_progress;
    r->engine.progress_context = request->context;
    r->engine.progress.total = r->engine.limit;
    status result = engine_run(&r->engine, err);
    engine_close(&r->engine);
    budget_free(r->budget);
    qsort(r->out->differences, r->out->difference_count, sizeof *r->out->differences, by_index);
    return result;
}

status run_replay(arena *a, store *s, int64_t id, const study *st, const run_request *request, uint64_t most,
                  run_replayed *out, error *err)
{
    store_run run;
    json_t *description;
    *out = (run_replayed){0};
    TRY(store_run_get(s, a, id, &run, err));
    TRY(jsonio_parse(slice_of(run.description), "stored description", &description, err));
    replay *r = ARENA_NEW(a, replay);
    status result = r ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while replaying run %lld", (long long)id);
    if (r) {
        json_object_seed(0);
        *r = (replay){.arena = a, .store = s, .id = id, .out = out};
        r->run = (study_run){.study = st, .seed = run.seed, .arena = a, .timeout_seconds = request->subjects.timeout_seconds,
                              .interrupt = request->interrupt};
        pthread_mutex_init(&r->lock, NULL);
        result = replay_with(r, a, &run, description, request, most, err);
        if (st->finish)
            st->finish(&r->run);
        pthread_mutex_destroy(&r->lock);
    }
    json_decref(description);
    return result;
}
