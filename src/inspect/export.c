/* The header of a log: what was run, on what, with what result. */
#include "inspect/export.h"

#include "core/hash.h"
#include "core/jsonio.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { SCHEMA_VERSION = 2 };

const char *export_time(arena *a, double seconds)
{
    char text[40];
    time_t whole = (time_t)(seconds > 0 ? seconds : 0);
    struct tm parts;
    gmtime_r(&whole, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &parts);
    return arena_strdup(a, text);
}

const char *export_id(const export_run *r, arena *a, const char *purpose, uint64_t index, uint64_t repeat)
{
    static const char letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"; /* without lookalikes */
    unsigned char digest[SHA256_BYTES];
    char id[23];
    const char *words = arena_printf(a, "%s %lld %s %llu %llu", r->row.key, (long long)r->row.id, purpose,
                                     (unsigned long long)index, (unsigned long long)repeat);
    if (!words)
        return NULL;
    sha256_of(words, strlen(words), digest);
    for (size_t i = 0; i < sizeof id - 1; i++)
        id[i] = letters[digest[i] % (sizeof letters - 1)];
    id[sizeof id - 1] = '\0';
    return arena_strdup(a, id);
}

static json_t *parsed(const char *text)
{
    json_t *value = NULL;
    if (!text || jsonio_parse(slice_of(text), "store", &value, NULL) != STATUS_OK)
        return json_object();
    return value;
}

/* ---- looking a run through -------------------------------------------------------------------------------------- */

static status look(void *context, const store_sample *x, error *err)
{
    export_run *r = context;
    if (r->count == r->capacity) {
        size_t more = r->capacity * 2 + 256;
        r->places = arena_regrow(r->arena, r->places, r->count, more, sizeof *r->places);
        r->capacity = r->places ? more : 0;
    }
    json_t *summary = r->places ? export_sample_summary(r, x) : NULL;
    if (!summary || json_array_append_new(r->summaries, summary) != 0)
        return error_set(err, STATUS_MEMORY, "out of memory while looking a run through");
    r->places[r->count++] = (struct export_place){x->index, x->repeat};
    if (x->repeat + 1 > r->repeats)
        r->repeats = x->repeat + 1;
    r->completed += x->code == STATUS_OK;
    r->prompt_tokens += (uint64_t)x->prompt_tokens;
    r->completion_tokens += (uint64_t)x->completion_tokens;
    return STATUS_OK;
}

status export_run_open(store *s, arena *a, int64_t id, export_run *out, error *err)
{
    *out = (export_run){.store = s, .arena = a, .repeats = 1};
    TRY(store_run_get(s, a, id, &out->row, err));
    out->description = parsed(out->row.description);
    out->summary = parsed(out->row.summary);
    out->summaries = json_array();
    bool imported = strncmp(out->row.study, "inspect/", 8) == 0;
    out->model = imported ? out->row.subject : arena_printf(a, "assay/%s", out->row.subject);
    out->task = imported ? out->row.study + 8 : out->row.study;
    out->time = export_time(a, out->row.started);
    if (!out->description || !out->summary || !out->summaries || !out->model || !out->time)
        return error_set(err, STATUS_MEMORY, "out of memory while preparing a log");
    return store_sample_each(s, id, false, look, out, err);
}

void export_run_close(export_run *r)
{
    json_decref(r->description);
    json_decref(r->summary);
    json_decref(r->summaries);
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static json_t *sample_ids(const export_run *r)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < json_array_size(r->summaries); i++)
        if (r->places[i].repeat == 0)
            json_array_append(ids, json_object_get(json_array_get(r->summaries, i), "id"));
    return ids;
}

static status add_told(void *context, double at, const char *kind, const char *detail, error *err)
{
    json_t *one = json_pack("{s:f, s:s, s:o}", "at", at, "kind", kind, "detail", parsed(detail));
    return json_array_append_new(context, one) == 0 ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for events");
}

/* What makes the run ours again when the log is read back. */
static json_t *assay_part(const export_run *r)
{
    json_t *told = json_array();
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)r->row.seed);
    store_event_each(r->store, r->row.id, add_told, told, NULL); /* without them the run is whole all the same */
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:s, s:O, s:o, s:o, s:O, s:o, s:f, s:f}", "version", 1, "study", r->row.study,
                     "subject", r->row.subject, "seed", seed, "key", r->row.key, "sample_count", (json_int_t)r->row.sample_count,
                     "state", r->row.state, "description", r->description, "machine", parsed(r->row.machine), "effort",
                     parsed(r->row.effort), "summary", r->summary, "events", told, "started", r->row.started, "finished",
                     r->row.finished);
}

static const json_t *imported_part(const export_run *r, const char *key)
{
    return json_object_get(json_object_get(r->description, "inspect"), key);
}

/* The caller owns it. */
static json_t *parameters_of(const export_run *r)
{
    json_t *parameters = json_object_get(r->description, "parameters");
    return json_is_object(parameters) ? json_incref(parameters) : json_object();
}

static json_t *eval_part(const export_run *r)
{
    arena *a = r->arena;
    json_t *parameters = parameters_of(r);
    json_t *ids = sample_ids(r);
    json_t *dataset = json_pack("{s:s, s:I, s:O, s:b}", "name", r->task, "samples", (json_int_t)json_array_size(ids), "sample_ids",
                                ids, "shuffled", 0);
    const json_t *kept = imported_part(r, "eval");
    json_t *eval = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:O, s:s, s:{s:I}, s:O, s:{s:s}}", "eval_id", export_id(r, a, "eval", 0, 0), "run_id",
        export_id(r, a, "run", 0, 0), "created", r->time, "task", r->task, "task_id", export_id(r, a, "task", 0, 0),
        "task_version", 0, "dataset", dataset, "model", r->model, "config", "epochs", (json_int_t)r->repeats, "task_args",
        parameters, "packages", "assay", ASSAY_VERSION);
    json_decref(ids);
    if (json_is_object(kept)) {
        json_object_update(eval, (json_t *)(uintptr_t)kept);
        json_object_set(eval, "dataset", dataset);
    } else {
        json_object_set_new(eval, "metadata", json_pack("{s:o}", "assay", assay_part(r)));
    }
    json_decref(dataset);
    json_decref(parameters);
    return eval;
}

static json_t *metric(const char *name, const json_t *value)
{
    return json_pack("{s:s, s:O, s:{}}", "name", name, "value", value, "params");
}

/* Of each form of the summary the members that are figures, as metrics "FORM MEMBER". */
static json_t *metrics_of(const export_run *r)
{
    static const char *const members[] = {"estimate", "low", "high", "rate", "base", "n", "unreadable"};
    json_t *metrics = json_object();
    const char *form;
    json_t *values;
    json_object_foreach(json_object_get(r->summary, "forms"), form, values)
        for (size_t i = 0; i < COUNT_OF(members); i++) {
            const json_t *value = json_object_get(values, members[i]);
            const char *name = arena_printf(r->arena, i ? "%s %s" : "%s", form, members[i]);
            if (name && json_is_number(value) && isfinite(json_number_value(value)))
                json_object_set_new(metrics, name, metric(name, value));
        }
    return metrics;
}

static json_t *results_part(const export_run *r)
{
    const json_t *kept = imported_part(r, "results");
    if (json_is_object(kept))
        return json_deep_copy(kept);
    size_t scored = 0;
    for (size_t i = 0; i < json_array_size(r->summaries); i++)
        scored += json_object_size(json_object_get(json_array_get(r->summaries, i), "scores")) > 0;
    return json_pack("{s:I, s:I, s:[{s:s, s:s, s:I, s:I, s:{}, s:o}]}", "total_samples", (json_int_t)r->count, "completed_samples",
                     (json_int_t)r->completed, "scores", "name", r->row.study, "scorer", r->row.study, "scored_samples",
                     (json_int_t)scored, "unscored_samples", (json_int_t)(r->count - scored), "params", "metrics", metrics_of(r));
}

static const char *log_status(const char *state)
{
    static const struct {
        const char *state, *status;
    } words[] = {{"finished", "success"}, {"running", "started"}, {"interrupted", "cancelled"}, {"failed", "error"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i].state, state) == 0)
            return words[i].status;
    return "error";
}

json_t *export_header(const export_run *r, bool start)
{
    json_t *eval = eval_part(r);
    const json_t *plan = imported_part(r, "plan");
    json_t *header = json_pack("{s:i, s:s, s:o}", "version", SCHEMA_VERSION, "status", start ? "started" : log_status(r->row.state),
                               "eval", eval);
    json_object_set_new(header, "plan",
                        plan ? json_deep_copy(plan)
                             : json_pack("{s:s, s:[{s:s, s:o}], s:{}}", "name", "plan", "steps", "solver", r->row.study, "params",
                                         parameters_of(r), "config"));
    if (start)
        return header;
    json_int_t input = (json_int_t)r->prompt_tokens, output = (json_int_t)r->completion_tokens;
    json_object_set_new(header, "results", results_part(r));
    json_object_set_new(header, "stats", json_pack("{s:s, s:s, s:{s:{s:I, s:I, s:I}}}", "started_at", r->time, "completed_at",
                                                   r->row.finished > 0 ? export_time(r->arena, r->row.finished) : "",
                                                   "model_usage", r->model, "input_tokens", input, "output_tokens", output,
                                                   "total_tokens", input + output));
    if (strcmp(log_status(r->row.state), "error") == 0)
        json_object_set_new(header, "error", json_pack("{s:s, s:s, s:s}", "message", "the run failed", "traceback", "",
                                                       "traceback_ansi", ""));
    return header;
}
