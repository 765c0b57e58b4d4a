/* assay replay RUN: asks all again and compares bit by bit. */
#include "cli/command.h"

#include "core/jsonio.h"
#include "report/load.h"
#include "run/run.h"
#include "studies/open.h"
#include "suite/suite.h"

static const command_argument arguments[] = {
    {.name = "RUN", .help = "number of a run, 'last', a subject (its newest run), or suite:NAME (all runs of its newest call)"},
};
static const param_spec options[] = {
    OPTION_STORE,
    {.name = "samples", .letter = 'n', .type = PARAM_INT, .least = 0, .most = 4294967295.0, .fallback = "0", .value = "N",
     .help = "only the first N; 0: all"},
    {.name = "in-flight", .type = PARAM_INT, .least = 0, .most = 1024, .fallback = "0", .value = "N",
     .help = "samples at once; 0: what suits the subject"},
    {.name = "study", .type = PARAM_STRING, .value = "STUDY", .help = "where the study is now, if it is a plug-in that was moved"},
    OPTION_ROLE_KEYS,
    OPTIONS_PROMPT,
    OPTION_THREADS,
    OPTION_QUIET,
    OPTION_JSON,
};

/* Where a study that is not of the catalogue was. */
static status keep_source(void *context, double at, const char *kind, const char *detail, error *err)
{
    (void)at, (void)err;
    command_call *call = ((void **)context)[0];
    const char **source = ((void **)context)[1];
    json_t *told = NULL;
    if (strcmp(kind, "study") == 0 && detail && jsonio_parse(slice_of(detail), "event", &told, NULL) == STATUS_OK)
        *source = arena_strdup(call->arena, json_string_value(json_object_get(told, "source")));
    json_decref(told);
    return STATUS_OK;
}

static status find_study(command_call *call, store *s, const store_run *row, const study **out, error *err)
{
    const char *source = param_string(call->options, "study");
    void *context[] = {call, &source};
    if (!source)
        TRY(store_event_each(s, row->id, keep_source, context, err));
    if (study_open(call->arena, source ? source : row->study, out, err) == STATUS_OK)
        return STATUS_OK;
    if (!source)
        return error_set(err, STATUS_UNSUPPORTED, "run %lld is of the study %s, which this build does not have", (long long)row->id,
                         row->study);
    error_context(err, "run %lld is of a plug-in", (long long)row->id);
    return error_hint(err, "--study PATH says where it is now");
}

static void on_progress(void *context, const run_progress *p)
{
    progress_update(context, p->done, "%llu tokens", (unsigned long long)p->tokens);
}

static status replay(command_call *call, store *s, int64_t id, run_replayed *r, error *err)
{
    store_run row;
    TRY(store_run_get(s, call->arena, id, &row, err));
    const study *st;
    TRY(find_study(call, s, &row, &st, err));
    run_request request = {
        .subjects = {.threads = (size_t)param_int(call->options, "threads")},
        .in_flight = (size_t)param_int(call->options, "in-flight"),
        .interrupt = cli_interrupt_flag(),
        .on_progress = on_progress,
    };
    TRY(cli_prompt_options(call, &request.subjects, err));
    TRY(cli_role_keys(call, &request, err));
    request.context = progress_new("replay", row.sample_count, cli_progress_mode(call));
    status result =
        run_replay(call->arena, s, id, st, &request, (uint64_t)param_int(call->options, "samples"), r, err);
    progress_free(request.context);
    return result;
}

static status print_json(command_call *call, int64_t id, const run_replayed *r, error *err)
{
    json_t *differences = json_array();
    for (size_t i = 0; i < r->difference_count; i++)
        json_array_append_new(differences, json_pack("{s:I, s:s?, s:s?}", "index", (json_int_t)r->differences[i].index,
                                                     "stored", r->differences[i].stored, "replayed",
                                                     r->differences[i].replayed));
    json_t *all = json_pack("{s:I, s:I, s:I, s:o}", "run", (json_int_t)id, "compared", (json_int_t)r->compared, "equal",
                            (json_int_t)r->equal, "differences", differences);
    status result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    strbuf_add_char(&call->out, '\n');
    json_decref(all);
    return result;
}

static void print_text(command_call *call, int64_t id, const run_replayed *r)
{
    strbuf_printf(&call->out, "run %lld: %llu of %llu records are the same to the byte\n", (long long)id,
                  (unsigned long long)r->equal, (unsigned long long)r->compared);
    for (size_t i = 0; i < r->difference_count && i < 5; i++)
        strbuf_printf(&call->out, "sample %llu\n  stored    %s\n  replayed  %s\n",
                      (unsigned long long)r->differences[i].index, r->differences[i].stored, r->differences[i].replayed);
}

/* The runs that are meant: one, or all of a suite's newest call. */
static status find_runs(command_call *call, store *s, int64_t **ids, size_t *count, error *err)
{
    json_t *whole = NULL, *list, *id;
    size_t i;
    if (suite_named(call->arguments[0]))
        TRY(suite_last_call(s, call->arena, call->arguments[0], &whole, err));
    list = json_object_get(whole, "runs");
    *count = whole ? json_array_size(list) : 1;
    *ids = ARENA_ARRAY(call->arena, int64_t, *count + 1);
    if (*ids)
        json_array_foreach(list, i, id)
            (*ids)[i] = json_integer_value(id);
    json_decref(whole);
    if (!*ids)
        return error_set(err, STATUS_MEMORY, "out of memory");
    return whole ? STATUS_OK : report_find_run(s, call->arena, call->arguments[0], *ids, err);
}

static status replay_each(command_call *call, store *s, uint64_t *differing, uint64_t *compared, error *err)
{
    int64_t *ids;
    size_t count;
    TRY(find_runs(call, s, &ids, &count, err));
    bool json = param_flag(call->options, "json"), list = json && suite_named(call->arguments[0]);
    for (size_t i = 0; i < count; i++) {
        run_replayed r = {0};
        TRY(replay(call, s, ids[i], &r, err));
        strbuf_add(&call->out, !list ? "" : i ? ",\n" : "[\n");
        if (json)
            TRY(print_json(call, ids[i], &r, err));
        else
            print_text(call, ids[i], &r);
        *differing += r.compared - r.equal;
        *compared += r.compared;
    }
    strbuf_add(&call->out, list ? "]\n" : "");
    return STATUS_OK;
}

static status run(command_call *call, error *err)
{
    store *s;
    uint64_t differing = 0, compared = 0;
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status result = replay_each(call, s, &differing, &compared, err);
    store_close(s, NULL);
    TRY(result);
    if (differing == 0)
        return STATUS_OK;
    /* The frame prints nothing on stdout for a failed command, and the differences are what was asked for. */
    fputs(call->out.text ? call->out.text : "", stderr);
    return error_set(err, STATUS_INVALID, "%s: %llu of %llu records differ", call->arguments[0], (unsigned long long)differing,
                     (unsigned long long)compared);
}

const command command_replay = {
    .name = "replay",
    .summary = "ask a stored run's samples again and compare the records bit by bit",
    .about = "Asks everything again without the answer cache and compares the records with the stored ones, byte by byte. "
             "A local model gives the same bits on the same kind of machine, for any number of threads and samples at "
             "once; an API need not. Nothing is stored. The exit code is 1 when a record differs.",
    .examples = "  assay replay last\n  assay replay 3 --samples 50 --in-flight 1\n  assay replay suite:behaviours\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
