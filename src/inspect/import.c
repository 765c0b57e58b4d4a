/* A log into the store: once through to check it, once through to keep it. */
#include "inspect/import_log.h"

#include "core/hash.h"
#include "core/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

enum { SCHEMA_LEAST = 1, SCHEMA_MOST = 2, MOST_DESCRIPTION = 128 << 20 };

typedef struct importer {
    arena *arena;
    store *store;
    int64_t run;
    json_t *places; /* id as JSON text -> index */
    json_t *seen;   /* "index repeat" */
    const char *scorer;
    const json_t *assay; /* eval.metadata.assay of a log of ours; else NULL */
    import_figures *figures;
    uint64_t samples, failed, cut;
} importer;

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static status out_of_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while importing a log");
}

/* ---- the header ------------------------------------------------------------------------------------------------- */

static status check_header(const char *path, const json_t *header, error *err)
{
    const json_t *version = json_object_get(header, "version"), *eval = json_object_get(header, "eval");
    if (!version && !eval)
        return error_set(err, STATUS_INVALID, "%s: expected a log of Inspect, found JSON without \"version\" and \"eval\"", path);
    if (!json_is_integer(version) || json_integer_value(version) < SCHEMA_LEAST || json_integer_value(version) > SCHEMA_MOST) {
        error_set(err, STATUS_UNSUPPORTED, "%s: expected version 1 or 2 of Inspect's log schema, found %s%lld", path,
                  json_is_integer(version) ? "" : "no whole number; read as ", (long long)json_integer_value(version));
        return error_hint(err, "inspect_ai can write it anew: `inspect log convert`");
    }
    if (!text_at(eval, "task") || !text_at(eval, "model"))
        return error_set(err, STATUS_INVALID, "%s: its \"eval\" lacks \"task\" or \"model\"", path);
    return STATUS_OK;
}

/* What we put there ourselves; NULL where anything in it is not as we write it. */
static const json_t *assay_part(const json_t *header)
{
    const json_t *part = json_object_get(json_object_get(json_object_get(header, "eval"), "metadata"), "assay");
    bool whole = json_integer_value(json_object_get(part, "version")) == 1 && text_at(part, "study") && text_at(part, "subject") &&
                 text_at(part, "seed") && text_at(part, "key") && text_at(part, "state") &&
                 json_is_integer(json_object_get(part, "sample_count")) && json_is_object(json_object_get(part, "description")) &&
                 json_is_object(json_object_get(part, "summary"));
    return whole ? part : NULL;
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

static status id_text(const json_t *id, strbuf *out, error *err)
{
    strbuf_clear(out);
    TRY(jsonio_canonical(id, out, err));
    return out->failed ? out_of_memory(err) : STATUS_OK;
}

/* Items are numbered in the order of the data set, then as they come. */
static status place_of(importer *m, const json_t *id, uint64_t *index, error *err)
{
    strbuf text = strbuf_new(NULL, IMPORT_SAMPLE);
    status result = id_text(id, &text, err);
    json_t *known = result == STATUS_OK ? json_object_get(m->places, text.text) : NULL;
    *index = known ? (uint64_t)json_integer_value(known) : json_object_size(m->places);
    if (result == STATUS_OK && !known && json_object_set_new(m->places, text.text, json_integer((json_int_t)*index)) != 0)
        result = out_of_memory(err);
    strbuf_free(&text);
    return result;
}

static status number_items(importer *m, const json_t *header, error *err)
{
    const json_t *ids = json_object_get(json_object_get(json_object_get(header, "eval"), "dataset"), "sample_ids");
    uint64_t index;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (json_is_string(id) || json_is_integer(id))
            TRY(place_of(m, id, &index, err));
    }
    return STATUS_OK;
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

static double number_at(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return isfinite(value) ? value : 0;
}

static int64_t usage_at(const json_t *sample, const char *key)
{
    int64_t total = 0;
    const char *model;
    json_t *usage;
    json_object_foreach(json_object_get(sample, "model_usage"), model, usage)
    {
        int64_t n = json_integer_value(json_object_get(usage, key));
        total = n > 0 && total < INT64_MAX / 2 && n < INT64_MAX / 2 ? total + n : total;
    }
    return total;
}

static const char *problem_of(importer *m, const json_t *sample)
{
    const json_t *problem = json_object_get(sample, "error");
    const char *words = json_is_object(problem) ? text_at(problem, "message") : NULL;
    return json_is_object(problem) ? arena_strdup(m->arena, words && words[0] ? words : "the log gives no words for the error") : NULL;
}

/* A sample of a run of ours as it was. */
static status restore_columns(const json_t *sample, store_sample *x, error *err)
{
    const json_t *own = json_object_get(json_object_get(sample, "store"), "assay");
    json_int_t index = json_integer_value(json_object_get(own, "index")), code = json_integer_value(json_object_get(own, "code"));
    json_int_t repeat = json_integer_value(json_object_get(own, "repeat"));
    if (!own || index < 0 || index >= (json_int_t)1 << 32 || repeat < 0 || repeat > 255 || code < 0 || code >= STATUS_COUNT)
        return error_set(err, STATUS_INVALID, "a sample of a run of Assay lacks its \"store.assay\", or it says what cannot be");
    x->index = (uint64_t)index;
    x->repeat = (uint64_t)repeat;
    x->code = (status)code;
    x->problem = text_at(own, "problem");
    x->seconds = number_at(own, "seconds");
    x->generating = number_at(own, "generating");
    x->waiting = number_at(own, "waiting");
    x->retrying = number_at(own, "retrying");
    x->judging = number_at(own, "judging");
    x->prompt_tokens = json_integer_value(json_object_get(own, "prompt_tokens"));
    x->completion_tokens = json_integer_value(json_object_get(own, "completion_tokens"));
    x->retries = json_integer_value(json_object_get(own, "retries"));
    return STATUS_OK;
}

static status foreign_columns(importer *m, const json_t *sample, store_sample *x, error *err)
{
    double total = number_at(sample, "total_time"), working = number_at(sample, "working_time");
    TRY(place_of(m, json_object_get(sample, "id"), &x->index, err));
    x->repeat = (uint64_t)json_integer_value(json_object_get(sample, "epoch")) - 1;
    x->problem = problem_of(m, sample);
    x->code = x->problem ? STATUS_INVALID : STATUS_OK;
    x->seconds = total;
    x->generating = working;
    x->waiting = total > working ? total - working : 0;
    x->prompt_tokens = usage_at(sample, "input_tokens");
    x->completion_tokens = usage_at(sample, "output_tokens");
    return STATUS_OK;
}

static status check_twice(importer *m, const store_sample *x, error *err)
{
    char key[64];
    snprintf(key, sizeof key, "%" PRIu64 " %" PRIu64, x->index, x->repeat);
    if (json_object_get(m->seen, key))
        return error_set(err, STATUS_INVALID, "the log has a sample twice (number %" PRIu64 ", epoch %" PRIu64 ")", x->index + 1, x->repeat + 1);
    return json_object_set_new(m->seen, key, json_true()) == 0 ? STATUS_OK : out_of_memory(err);
}

static status columns(importer *m, const json_t *sample, store_sample *x, error *err)
{
    TRY(m->assay ? restore_columns(sample, x, err) : foreign_columns(m, sample, x, err));
    m->samples++;
    m->failed += x->code != STATUS_OK;
    return check_twice(m, x, err);
}

/* The first reading: nothing is kept. */
static status check_sample(void *context, const json_t *sample, bool cut, error *err)
{
    importer *m = context;
    (void)cut;
    (void)sample;
    (void)err;
    m->samples++;
    return STATUS_OK;
}

static status keep_texts(importer *m, const json_t *sample, store_sample *x, json_t *record, strbuf *transcript, bool cut, error *err)
{
    strbuf text = strbuf_new(NULL, 2 * (size_t)IMPORT_SAMPLE);
    status result = record ? jsonio_print(record, 0, &text, err) : STATUS_OK;
    if (result == STATUS_OK && text.failed)
        result = error_set(err, STATUS_LIMIT, "the record of a sample has more than 128 MiB");
    x->record = record && result == STATUS_OK ? text.text : NULL;
    x->transcript = transcript->text;
    if (result == STATUS_OK && !m->assay)
        result = import_figures_add(m->figures, x->index, json_object_get(sample, "scores"), err);
    m->cut += cut;
    if (result == STATUS_OK)
        result = store_sample_add(m->store, x, err);
    strbuf_free(&text);
    return result;
}

/* The second reading. */
static status keep_sample(void *context, const json_t *sample, bool cut, error *err)
{
    importer *m = context;
    arena *outer = m->arena;
    store_sample x = {.run = m->run};
    strbuf transcript = {0};
    json_t *record = NULL;
    m->arena = arena_new(NULL);
    status result = columns(m, sample, &x, err);
    if (result == STATUS_OK)
        result = import_transcript(sample, &transcript, &cut, err);
    if (result == STATUS_OK && !m->assay)
        record = import_record(sample, m->scorer, cut);
    else if (result == STATUS_OK && json_is_true(json_object_get(json_object_get(json_object_get(sample, "store"), "assay"), "recorded")))
        record = json_incref(json_object_get(sample, "metadata"));
    if (result == STATUS_OK)
        result = keep_texts(m, sample, &x, record, &transcript, cut, err);
    json_decref(record);
    strbuf_free(&transcript);
    arena_free(m->arena);
    m->arena = outer;
    return result;
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static status print_value(arena *a, const json_t *value, bool canonical, const char **out, error *err)
{
    strbuf text = strbuf_new(a, MOST_DESCRIPTION);
    TRY(canonical ? jsonio_canonical(value, &text, err) : jsonio_print(value, 0, &text, err));
    *out = text.text;
    return text.failed ? out_of_memory(err) : STATUS_OK;
}

static json_t *foreign_description(const json_t *header)
{
    static const char *const kept[] = {"eval", "plan", "results", "stats", "status", "error", "tags"};
    json_t *own = json_object(), *eval = json_object_get(header, "eval");
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (json_object_get(header, kept[i]))
            json_object_set(own, kept[i], json_object_get(header, kept[i]));
    json_t *parameters = json_object_get(eval, "task_args");
    return json_pack("{s:o, s:o, s:{s:{s:s, s:s}}}", "inspect", own, "parameters",
                     json_is_object(parameters) ? json_incref(parameters) : json_object(), "roles", "subject", "specification", text_at(eval, "model"),
                     "identity", text_at(eval, "model"));
}

/* The key differs from that of the run that was exported: nobody goes on with an imported one. */
static status wanted_run(importer *m, const json_t *header, uint64_t samples, store_run *run, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char key[SHA256_HEX];
    json_t *description = m->assay ? json_incref(json_object_get(m->assay, "description")) : foreign_description(header);
    const json_t *eval = json_object_get(header, "eval");
    int64_t seed = 0;
    *run = (store_run){.sample_count = samples, .machine = "{}"};
    if (m->assay)
        slice_to_int(slice_of(text_at(m->assay, "seed")), &seed);
    run->seed = (uint64_t)seed;
    run->study = m->assay ? arena_strdup(m->arena, text_at(m->assay, "study")) : arena_printf(m->arena, "inspect/%s", text_at(eval, "task"));
    run->subject = arena_strdup(m->arena, m->assay ? text_at(m->assay, "subject") : text_at(eval, "model"));
    json_int_t count = json_integer_value(json_object_get(m->assay, "sample_count"));
    if (m->assay && count >= 0 && count <= (json_int_t)1 << 32)
        run->sample_count = (uint64_t)count;
    status result = print_value(m->arena, description, true, &run->description, err);
    json_decref(description);
    if (result == STATUS_OK && m->assay && json_is_object(json_object_get(m->assay, "machine")))
        result = print_value(m->arena, json_object_get(m->assay, "machine"), false, &run->machine, err);
    const char *named = result == STATUS_OK ? arena_printf(m->arena, "imported %s", run->description) : NULL;
    if (result != STATUS_OK || !named || !run->study || !run->subject)
        return result != STATUS_OK ? result : out_of_memory(err);
    sha256_of(named, strlen(named), digest);
    sha256_hex(digest, key);
    run->key = arena_strdup(m->arena, key);
    return run->key ? STATUS_OK : out_of_memory(err);
}

static const char *first_scorer(const json_t *header)
{
    const json_t *eval = json_object_get(header, "eval");
    const json_t *scores = json_object_get(json_object_get(header, "results"), "scores");
    const char *name = text_at(json_array_get(scores, 0), "scorer");
    return name ? name : text_at(json_array_get(json_object_get(eval, "scorers"), 0), "name");
}

static const char *state_of(const importer *m, const json_t *header)
{
    static const struct {
        const char *status, *state;
    } words[] = {{"success", "finished"}, {"started", "interrupted"}, {"cancelled", "interrupted"}, {"error", "failed"}};
    const char *status_text = text_at(header, "status");
    if (m->assay)
        return strcmp(text_at(m->assay, "state"), "running") == 0 ? "interrupted" : text_at(m->assay, "state");
    for (size_t i = 0; status_text && i < COUNT_OF(words); i++)
        if (strcmp(words[i].status, status_text) == 0)
            return words[i].state;
    return "interrupted";
}

static status add_events(importer *m, const char *path, const json_t *header, error *err)
{
    const json_t *told = json_object_get(m->assay, "events");
    const char *text;
    for (size_t i = 0; i < json_array_size(told); i++) {
        const json_t *one = json_array_get(told, i);
        if (!text_at(one, "kind") || !json_object_get(one, "detail"))
            continue;
        TRY(print_value(m->arena, json_object_get(one, "detail"), false, &text, err));
        TRY(store_event_add(m->store, m->run, text_at(one, "kind"), text, err));
    }
    json_t *detail = json_pack("{s:s, s:s?, s:s?}", "file", path, "created", text_at(json_object_get(header, "eval"), "created"),
                               "status", text_at(header, "status"));
    status result = detail ? print_value(m->arena, detail, false, &text, err) : out_of_memory(err);
    json_decref(detail);
    return result == STATUS_OK ? store_event_add(m->store, m->run, "imported", text, err) : result;
}

static status finish(importer *m, const json_t *header, const char *study, error *err)
{
    json_t *summary = m->assay ? json_incref(json_object_get(m->assay, "summary"))
                               : import_figures_summary(m->figures, study + strlen("inspect/"), json_object_get(header, "results"));
    const char *text = NULL, *effort = NULL;
    status result = summary ? print_value(m->arena, summary, false, &text, err) : out_of_memory(err);
    if (result == STATUS_OK && json_is_object(json_object_get(m->assay, "effort")))
        result = print_value(m->arena, json_object_get(m->assay, "effort"), false, &effort, err);
    if (result == STATUS_OK && m->assay && json_object_size(summary) == 0)
        text = NULL; /* it had none yet */
    json_decref(summary);
    return result == STATUS_OK ? store_run_finish(m->store, m->run, state_of(m, header), text, effort, err) : result;
}

static status keep_all(importer *m, import_walk *w, store_run *run, error *err)
{
    bool resumed;
    store_run begun;
    TRY(store_run_begin(m->store, m->arena, run, &begun, &resumed, err));
    m->run = begun.id;
    uint64_t expected = m->samples;
    m->samples = 0;
    w->each = keep_sample;
    status result = import_walk_log(w, err);
    if (result == STATUS_OK && m->samples != expected)
        result = error_set(err, STATUS_INVALID, "%s was changed while it was read", w->path);
    if (result == STATUS_OK)
        result = add_events(m, w->path, w->header, err);
    if (result == STATUS_OK)
        result = finish(m, w->header, run->study, err);
    if (result != STATUS_OK)
        store_run_remove(m->store, m->run, NULL);
    return result;
}

static status import_into(importer *m, import_walk *w, const char *store_path, inspect_imported *out, error *err)
{
    store_run run;
    m->assay = assay_part(w->header);
    m->scorer = first_scorer(w->header);
    TRY(number_items(m, w->header, err));
    TRY(wanted_run(m, w->header, m->samples, &run, err));
    TRY(store_open(store_path, STORE_WRITE, &m->store, err));
    status result = keep_all(m, w, &run, err), closed = store_close(m->store, result == STATUS_OK ? err : NULL);
    *out = (inspect_imported){.id = m->run, .samples = m->samples, .failed = m->failed, .cut = m->cut, .ours = m->assay != NULL,
                              .study = run.study, .subject = run.subject};
    return result != STATUS_OK ? result : closed;
}

status inspect_import(arena *a, const char *path, const char *store_path, const inspect_import_options *options,
                      inspect_imported *out, error *err)
{
    struct stat about;
    error local = {0};
    err = err ? err : &local;
    *out = (inspect_imported){0};
    if (stat(path, &about) != 0)
        return error_system(err, "cannot read %s", path);
    importer m = {.arena = a, .places = json_object(), .seen = json_object(), .figures = import_figures_new(a)};
    import_walk w = {.path = path, .options = options, .each = check_sample, .context = &m, .total = 2 * (uint64_t)about.st_size};
    status result = m.places && m.seen && m.figures ? import_walk_log(&w, err) : out_of_memory(err);
    if (result == STATUS_OK)
        result = check_header(path, w.header, err);
    if (result == STATUS_OK)
        result = import_into(&m, &w, store_path, out, err);
    json_decref(w.header);
    json_decref(m.places);
    json_decref(m.seen);
    return result;
}
