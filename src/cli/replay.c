/* assay replay RUN: asks all again and compares bit by bit. */
#include "cli/command.h"

#include "core/jsonio.h"
#include "report/load.h"
#include "run/run.h"
#include "studies/open.h"

static const command_argument arguments[] = {
    {.name = "RUN", .help = "number of a run, 'last', or a subject (its newest run)"},
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

static status replay(command_call *call, store *s, int64_t *id, run_replayed *r, error *err)
{
    store_run row;
    TRY(report_find_run(s, call->arena, call->arguments[0], id, err));
    TRY(store_run_get(s, call->arena, *id, &row, err));
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
        run_replay(call->arena, s, *id, st, &request, (uint64_t)param_int(call->options, "samples"), r, err);
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

static status run(command_call *call, error *err)
{
    store *s;
    int64_t id = 0;
    run_replayed r = {0};
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status result = replay(call, s, &id, &r, err);
    store_close(s, NULL);
    TRY(result);
    if (param_flag(call->options, "json"))
        TRY(print_json(call, id, &r, err));
    else
        print_text(call, id, &r);
    if (r.equal == r.compared)
        return STATUS_OK;
    /* The frame prints nothing on stdout for a failed command, and the differences are what was asked for. */
    fputs(call->out.text ? call->out.text : "", stderr);
    return error_set(err, STATUS_INVALID, "run %lld: %llu of %llu records differ", (long long)id,
                     (unsigned long long)(r.compared - r.equal), (unsigned long long)r.compared);
}

const command command_replay = {
    .name = "replay",
    .summary = "ask a stored run's samples again and compare the records bit by bit",
    .about = "Asks everything again without the answer cache and compares the records with the stored ones, byte by byte. "
             "A local model gives the same bits on the same kind of machine, for any number of threads and samples at "
             "once; an API need not. Nothing is stored. The exit code is 1 when a record differs.",
    .examples = "  assay replay last\n  assay replay 3 --samples 50 --in-flight 1\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
