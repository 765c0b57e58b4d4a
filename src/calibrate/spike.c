/* Asks the model and its twins, and puts the series together. */
#include "calibrate/spike.h"

#include "core/jsonio.h"
#include "run/several.h"
#include "stats/proportion.h"

#include <math.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a spike series");
}

static status check(const spike_options *o, error *err)
{
    bool good = o->dose_count >= 2 && o->dose_count <= SPIKE_MOST_DOSES && o->doses[0] == 0;
    for (size_t i = 1; i < o->dose_count; i++)
        good = good && o->doses[i] > o->doses[i - 1] && o->doses[i] < 1;
    if (!good)
        return error_set(err, STATUS_USAGE, "expected 2 to %d rising shares that begin with 0 and stay below 1", SPIKE_MOST_DOSES);
    if (o->twin_count == 0 || o->twin_count > SPIKE_MOST_TWINS) {
        error_set(err, STATUS_USAGE, "expected 1 to %d bad twins, found %zu", SPIKE_MOST_TWINS, o->twin_count);
        return error_hint(err, "a twin is the model under a system prompt, with an adapter or a direction added, or any other subject");
    }
    return STATUS_OK;
}

/* ---- records ------------------------------------------------------------------------------------------------------ */

static status take_record(void *context, const store_sample *sample, error *err)
{
    json_t *records = context, *record;
    if (sample->code != STATUS_OK || sample->repeat != 0)
        return STATUS_OK;
    TRY(jsonio_parse(slice_of(sample->record), "stored record", &record, err));
    while (json_array_size(records) <= sample->index)
        json_array_append_new(records, json_null());
    return json_array_set_new(records, (size_t)sample->index, record) == 0 ? STATUS_OK : no_memory(err);
}

/* Puts somebody through the study, and gives all records (null where a sample failed). */
static status ask(const spike_options *o, const study *st, const param_values *params, spending *whole, arena *parent, const char *who, int64_t *id,
                  json_t **records, error *err)
{
    arena *a = arena_new(parent);
    run_role role = {.name = "subject", .specification = who};
    run_request request = *o->request;
    run_outcome outcome = {0};
    request.study = st;
    request.params = params;
    request.roles = &role;
    request.role_count = 1;
    request.whole = whole;
    status result = a ? run_study(a, &request, &outcome, err) : no_memory(err);
    *id = outcome.id;
    run_outcome_clear(&outcome);
    arena_free(a);
    if (result != STATUS_OK || request.dry_run)
        return result;
    *records = json_array();
    return store_sample_each(request.store, *id, false, take_record, *records, err);
}

/* ---- unrelated items ---------------------------------------------------------------------------------------------- */

static bool graded(const json_t *record, bool *good)
{
    const char *word = json_string_value(json_object_get(record, "verdict"));
    *good = word && strcmp(word, "good") == 0;
    return word && (*good || strcmp(word, "bad") == 0 || strcmp(word, "unreadable") == 0 || strcmp(word, "refused") == 0);
}

/* What the twin loses in items that have nothing to do with the failure: share good of the model less the twin's. */
static json_t *loss_of(const json_t *own, const json_t *twin)
{
    double n = 0, model = 0, other = 0, both = 0;
    for (size_t i = 0; i < json_array_size(own); i++) {
        bool first, second;
        if (!graded(json_array_get(own, i), &first) || !graded(json_array_get(twin, i), &second))
            continue;
        n++;
        model += first;
        other += second;
        both += first && second;
    }
    if (n == 0)
        return json_null();
    interval limits = paired_difference(model, other, both, n, .95);
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "estimate", (model - other) / n, "low", limits.low, "high", limits.high, "model", model / n,
                     "twin", other / n, "n", n);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

typedef struct session {
    const spike_options *o;
    arena *arena;
    study_run run;      /* prepared, to summarise with */
    spending *whole;    /* the budget of all runs; NULL: nothing is asked */
    json_t *own, *unrelated, *twins;
    spike_draws draws[SPIKE_MOST_TWINS];
    int64_t own_run, unrelated_run;
} session;

/* The study as the model's own run had it, so that its summary can be made from any records. */
static status prepare(session *s, error *err)
{
    const spike_options *o = s->o;
    s->run = (study_run){.study = o->study, .seed = o->request->seed, .params = o->params, .arena = s->arena, .subject_name = o->model,
                         .timeout_seconds = o->request->subjects.timeout_seconds, .interrupt = o->request->interrupt};
    return o->study->prepare(&s->run, err);
}

static status add_twin(session *s, const char *who, error *err)
{
    const spike_options *o = s->o;
    json_t *records = NULL, *unrelated = NULL, *forms = NULL;
    int64_t id = 0, other = 0;
    status result = ask(o, o->study, o->params, s->whole, s->arena, who, &id, &records, err);
    if (result == STATUS_OK && o->unrelated)
        result = ask(o, o->unrelated, o->unrelated_params, s->whole, s->arena, who, &other, &unrelated, err);
    if (result == STATUS_OK && !o->request->dry_run)
        result = spike_forms(s->arena, o, &(spike_records){&s->run, s->own, records}, &forms, &s->draws[json_array_size(s->twins)], err);
    if (result == STATUS_OK && !o->request->dry_run)
        json_array_append_new(s->twins, json_pack("{s:s, s:I, s:o, s:o}", "twin", who, "run", (json_int_t)id, "unrelated",
                                                  o->unrelated ? loss_of(s->unrelated, unrelated) : json_null(), "forms", forms));
    json_decref(records);
    json_decref(unrelated);
    return result == STATUS_OK ? STATUS_OK : error_context(err, "the twin %s", who);
}

static status go(session *s, error *err)
{
    const spike_options *o = s->o;
    TRY(prepare(s, err));
    TRY(ask(o, o->study, o->params, s->whole, s->arena, o->model, &s->own_run, &s->own, err));
    if (o->unrelated)
        TRY(ask(o, o->unrelated, o->unrelated_params, s->whole, s->arena, o->model, &s->unrelated_run, &s->unrelated, err));
    for (size_t i = 0; i < o->twin_count; i++)
        TRY(add_twin(s, o->twins[i], err));
    return STATUS_OK;
}

/* [{"first", "second": numbers of twins from 1, "forms": {FORM: the difference of sensitivities}}] */
static json_t *agreements(const session *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(s->twins); i++)
        for (size_t k = i + 1; k < json_array_size(s->twins); k++)
            json_array_append_new(list, json_pack("{s:I, s:I, s:o}", "first", (json_int_t)i + 1, "second", (json_int_t)k + 1, "forms",
                                                  spike_agreement(&s->draws[i], &s->draws[k])));
    return list;
}

/* Limits are of all runs together. */
static status open_budget(const spike_options *o, spending *whole, error *err)
{
    json_t *twins = json_array();
    for (size_t i = 0; i < o->twin_count; i++)
        json_array_append_new(twins, json_string(o->twins[i]));
    json_t *what = json_pack("{s:o, s:o*, s:s, s:o, s:I, s:s}", "spike", several_study_json(o->study, o->params), "unrelated",
                             o->unrelated ? several_study_json(o->unrelated, o->unrelated_params) : NULL, "model", o->model, "twins", twins, "seed",
                             (json_int_t)o->request->seed, "assay", ASSAY_VERSION);
    return spending_open_call(whole, o->request->store, what, &o->request->limits, (o->twin_count + 1) * (o->unrelated ? 2 : 1), err);
}

status spike_run(arena *parent, const spike_options *o, json_t **out, error *err)
{
    session s = {.o = o, .arena = arena_new(parent), .twins = json_array()};
    *out = NULL;
    status result = check(o, err);
    spending whole = {0};
    if (result == STATUS_OK && (!s.arena || !s.twins))
        result = no_memory(err);
    if (result == STATUS_OK && !o->request->dry_run)
        result = open_budget(o, &whole, err);
    s.whole = whole.budget ? &whole : NULL;
    if (result == STATUS_OK)
        result = go(&s, err);
    spending_close(&whole, result == STATUS_OK);
    spending_free(&whole);
    if (s.run.study && o->study->finish)
        o->study->finish(&s.run);
    if (result == STATUS_OK && !o->request->dry_run) {
        json_t *doses = json_array();
        for (size_t i = 0; i < o->dose_count; i++)
            json_array_append_new(doses, json_real(o->doses[i]));
        *out = json_pack("{s:s, s:b, s:s, s:s, s:I, s:s, s:I, s:o, s:s?, s:b, s:O, s:o}", "study", o->study->name, "spike", true, "model", o->model, "protocol",
                         "spike", "seed", (json_int_t)o->request->seed, "version", ASSAY_VERSION, "run", (json_int_t)s.own_run, "doses", doses,
                         "unrelated_study", o->unrelated ? o->unrelated->name : NULL, "certificate", o->certificate != NULL, "twins", s.twins, "agreements", agreements(&s));
        result = *out ? STATUS_OK : no_memory(err);
    }
    if (result == STATUS_OK && *out)
        spike_page(o, *out);
    json_decref(s.own);
    json_decref(s.unrelated);
    json_decref(s.twins);
    arena_free(s.arena);
    return result;
}
