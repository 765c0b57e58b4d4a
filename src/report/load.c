#include "report/load.h"

#include "core/jsonio.h"
#include "report/report.h"
#include "run/scores.h"
#include "run/study.h"

#include <stdio.h>
#include <time.h>

enum { TEXT_LIMIT = 1 << 26 };

status report_find_run(store *s, arena *a, const char *word, int64_t *id, error *err)
{
    if (slice_to_int(slice_of(word), id)) {
        store_run run;
        return store_run_get(s, a, *id, &run, err);
    }
    store_run *runs;
    size_t count;
    TRY(store_run_list(s, a, 0, &runs, &count, err));
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, "last") == 0 || strcmp(runs[i].subject, word) == 0) {
            *id = runs[i].id;
            return STATUS_OK;
        }
    error_set(err, STATUS_NOT_FOUND, count ? "no run of the store has the number or the subject '%s'" : "the store holds no runs; '%s' names none",
              word);
    return error_hint(err, "'assay list runs' names them all");
}

/* JSON that the store holds is our own: what does not parse there is null. */
static json_t *parsed(const char *text)
{
    json_t *value = NULL;
    if (!text || jsonio_parse(slice_of(text), "store", &value, NULL) != STATUS_OK)
        return json_null();
    return value;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *date_of(double seconds)
{
    if (seconds <= 0)
        return json_null();
    time_t whole = (time_t)seconds;
    struct tm parts;
    char text[40];
    gmtime_r(&whole, &parts);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return json_string(text);
}

static json_t *facts_of(const store_run *run)
{
    json_t *facts = json_object();
    json_object_set_new(facts, "started", date_of(run->started));
    if (run->finished > run->started)
        json_object_set_new(facts, "seconds", json_real(run->finished - run->started));
    json_object_set_new(facts, "failed_samples", json_integer((json_int_t)run->failed));
    json_t *machine = parsed(run->machine), *effort = parsed(run->effort);
    if (json_is_object(machine))
        json_object_set(facts, "machine", machine);
    if (json_is_object(effort))
        json_object_set(facts, "effort", effort);
    json_object_set_new(facts, "description_sha256", json_string(run->key));
    json_decref(machine);
    json_decref(effort);
    return facts;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static const study *find_study(const char *name)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        if (strcmp(study_catalogue[i]->name, name) == 0)
            return study_catalogue[i];
    return NULL;
}

/* One value of a parameter as the command line would give it. */
static status set_param(param_values *params, const char *name, const json_t *value, error *err)
{
    if (json_is_null(value))
        return STATUS_OK;
    if (json_is_string(value))
        return param_set(params, name, json_string_value(value), err);
    strbuf text = strbuf_new(NULL, 1 << 12);
    status outcome = jsonio_print(value, 0, &text, err);
    if (outcome == STATUS_OK)
        outcome = param_set(params, name, text.text, err);
    strbuf_free(&text);
    return outcome;
}

static status set_params(const study *s, const json_t *values, arena *a, param_values **out, error *err)
{
    TRY(param_values_new(a, s->params, s->param_count, out, err));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, name, value)
    {
        if (!param_find(*out, name))
            continue; /* of another version */
        TRY(set_param(*out, name, value, err));
    }
    return STATUS_OK;
}

static status make_figures(const store_run *run, const json_t *parameters, const json_t *summary, arena *a, json_t **out,
                           error *err)
{
    const study *s = find_study(run->study);
    if (!s || !s->figures || !json_is_object(summary)) {
        /* A run that was imported has its figures in its summary. */
        json_t *kept = s ? NULL : json_object_get(summary, "figures");
        *out = json_is_object(kept) ? json_incref(kept) : json_object();
        return STATUS_OK;
    }
    param_values *params = NULL;
    TRY(set_params(s, parameters, a, &params, err));
    study_run again = {.study = s, .seed = run->seed, .params = params, .arena = a, .sample_count = (size_t)run->sample_count,
                       .subject_name = run->subject};
    return s->figures(&again, summary, out, err);
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

static status add_sample(void *list, const store_sample *sample, error *err)
{
    json_t *one = json_pack("{s:I, s:I, s:o, s:o}", "index", (json_int_t)sample->index, "repeat", (json_int_t)sample->repeat,
                            "record", parsed(sample->record), "problem", text_or_null(sample->problem));
    if (one && sample->transcript)
        json_object_set_new(one, "transcript", parsed(sample->transcript));
    if (!one || json_array_append_new(list, one) != 0)
        return error_set(err, STATUS_MEMORY, "out of memory for samples");
    return STATUS_OK;
}

/* All records are looked at without their transcripts, and then only the chosen ones are read whole. */
static status load_chosen(store *s, int64_t id, json_t *scores, json_t **samples, error *err)
{
    json_t *all = json_array(), *whole = json_array();
    status outcome = store_sample_each(s, id, false, add_sample, all, err);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        if (json_integer_value(json_object_get(one, "repeat")) == 0)
            scores_add(scores, (uint64_t)json_integer_value(json_object_get(one, "index")), json_object_get(one, "record"));
    }
    json_t *chosen = report_choose_samples(all, REPORT_SAMPLES);
    json_decref(all);
    for (size_t i = 0; outcome == STATUS_OK && i < json_array_size(chosen); i++) {
        const json_t *one = json_array_get(chosen, i);
        arena *a = arena_new(NULL);
        store_sample sample;
        outcome = store_sample_get(s, a, id, (uint64_t)json_integer_value(json_object_get(one, "index")),
                                   (uint64_t)json_integer_value(json_object_get(one, "repeat")), &sample, err);
        if (outcome == STATUS_OK)
            outcome = add_sample(whole, &sample, err);
        arena_free(a);
    }
    json_decref(chosen);
    *samples = whole;
    return outcome;
}

static status load_scores(store *s, int64_t id, json_t *scores, error *err)
{
    json_t *own;
    TRY(run_scores(s, id, &own, err));
    json_object_update(scores, own);
    json_decref(own);
    return STATUS_OK;
}

static status load_samples(store *s, int64_t id, report_load what, json_t *scores, json_t **samples, error *err)
{
    if (what == REPORT_LOAD_CHOSEN)
        return load_chosen(s, id, scores, samples, err);
    *samples = json_array();
    if (what == REPORT_LOAD_SCORES)
        return load_scores(s, id, scores, err);
    return what == REPORT_LOAD_SUMMARY ? STATUS_OK
                                       : store_sample_each(s, id, what == REPORT_LOAD_ALL, add_sample, *samples, err);
}

/* What events tell of a run. */
typedef struct told {
    json_t *audit, *plant, *member, *study;
} told;

static status keep_event(void *context, double at, const char *kind, const char *detail, error *err)
{
    (void)at;
    (void)err;
    told *t = context;
    json_t **place = strcmp(kind, "tokens") == 0    ? &t->audit
                     : strcmp(kind, "planted") == 0 ? &t->plant
                     : strcmp(kind, "member") == 0  ? &t->member
                     : strcmp(kind, "study") == 0   ? &t->study
                                                    : NULL;
    if (place && detail) {
        json_decref(*place);
        *place = parsed(detail);
    }
    return STATUS_OK;
}

static status load_into(store *s, const store_run *run, report_load what, arena *a, json_t *out, error *err)
{
    json_t *description = parsed(run->description), *summary = parsed(run->summary), *figures = NULL, *samples = NULL;
    json_t *parameters = json_object_get(description, "parameters");
    told t = {json_null(), json_null(), json_null(), json_null()};
    json_t *scores = json_object();
    status outcome = make_figures(run, parameters, summary, a, &figures, err);
    if (outcome == STATUS_OK)
        outcome = load_samples(s, run->id, what, scores, &samples, err);
    if (outcome == STATUS_OK)
        outcome = store_event_each(s, run->id, keep_event, &t, err);
    json_object_set_new(out, "run", json_integer(run->id));
    json_object_set_new(out, "study", json_string(run->study));
    json_object_set_new(out, "subject", json_string(run->subject));
    json_object_set_new(out, "seed", json_integer((json_int_t)run->seed));
    json_object_set_new(out, "state", json_string(run->state));
    json_object_set_new(out, "sample_count", json_integer((json_int_t)run->sample_count));
    json_object_set_new(out, "parameters", json_is_object(parameters) ? json_incref(parameters) : json_object());
    json_object_set_new(out, "plant", t.plant);
    json_object_set_new(out, "member", t.member);
    json_object_set_new(out, "about", t.study);
    if (json_object_size(scores) > 0)
        json_object_set(out, "scores", scores);
    json_decref(scores);
    json_object_set_new(out, "facts", facts_of(run));
    json_object_set_new(out, "audit", t.audit);
    json_object_set_new(out, "summary", summary);
    json_object_set_new(out, "figures", figures ? figures : json_object());
    json_object_set_new(out, "samples", samples ? samples : json_array());
    json_decref(description);
    return outcome;
}

status report_load_run(store *s, int64_t id, report_load what, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    json_t *run = json_object();
    store_run row;
    status outcome = store_run_get(s, a, id, &row, err);
    if (outcome == STATUS_OK)
        outcome = load_into(s, &row, what, a, run, err);
    if (outcome == STATUS_OK)
        *out = run;
    else
        json_decref(run);
    arena_free(a);
    return outcome;
}
