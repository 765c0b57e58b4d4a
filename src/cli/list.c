/* assay list WHAT: the studies of this build, the data sets that it can pull, or the runs of a store. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "hub/datasets.h"
#include "report/report.h"
#include "store/store.h"

#include <time.h>

static const char *const things[] = {"studies", "runs", "datasets", NULL};
static const command_argument arguments[] = {
    {.name = "WHAT", .help = "studies, runs or datasets", .word = WORD_CHOICE, .choices = things},
};
static const param_spec options[] = {
    OPTION_STORE,
    {.name = "most", .letter = 'n', .type = PARAM_INT, .least = 0, .most = 1e9, .fallback = "20", .value = "N",
     .help = "newest runs to list; 0: all"},
    OPTION_JSON,
};

static json_t *study_rows(void)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < study_catalogue_count; i++) {
        const study *s = study_catalogue[i];
        json_t *params = json_array();
        for (size_t j = 0; j < s->param_count; j++)
            json_array_append_new(params, json_string(s->params[j].name));
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s?, s:o}", "study", s->name, "title", s->title, "paper", s->paper,
                                              "parameters", params));
    }
    return rows;
}

static json_t *run_row(const store_run *run)
{
    char started[40];
    time_t whole = (time_t)run->started;
    struct tm parts;
    localtime_r(&whole, &parts);
    strftime(started, sizeof started, "%Y-%m-%d %H:%M", &parts);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:s}", "run", (json_int_t)run->id, "study", run->study,
                     "subject", run->subject, "seed", (json_int_t)run->seed, "state", run->state, "done",
                     (json_int_t)run->done, "failed", (json_int_t)run->failed, "samples", (json_int_t)run->sample_count,
                     "started", started);
}

static status run_rows(command_call *call, json_t *rows, error *err)
{
    store *s = NULL;
    store_run *runs = NULL;
    size_t count = 0;
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status outcome = store_run_list(s, call->arena, (size_t)param_int(call->options, "most"), &runs, &count, err);
    for (size_t i = 0; outcome == STATUS_OK && i < count; i++)
        json_array_append_new(rows, run_row(&runs[i]));
    status closed = store_close(s, outcome == STATUS_OK ? err : NULL);
    return outcome != STATUS_OK ? outcome : closed;
}

static status dataset_rows(command_call *call, json_t *rows, error *err)
{
    const dataset *sets;
    size_t count;
    TRY(datasets_read(call->arena, &sets, &count, err));
    for (size_t i = 0; i < count; i++) {
        int64_t bytes = 0;
        for (size_t k = 0; k < sets[i].file_count; k++)
            bytes += sets[i].files[k].size > 0 ? sets[i].files[k].size : 0;
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "name", sets[i].name, "title", sets[i].title, "licence",
                                              sets[i].licence, "repository", sets[i].repository, "files",
                                              (json_int_t)sets[i].file_count, "bytes", (json_int_t)bytes));
    }
    return STATUS_OK;
}

static json_t *columns_of(const char *what)
{
    if (strcmp(what, "datasets") == 0)
        return json_pack("[{s:s}, {s:s, s:s}, {s:s, s:s}, {s:s}]", "key", "name", "key", "files", "kind", "count", "key", "bytes", "kind",
                         "count", "key", "licence");
    bool studies = strcmp(what, "studies") == 0;
    return studies ? json_pack("[{s:s}, {s:s}, {s:s}]", "key", "study", "key", "title", "key", "paper")
                   : json_pack("[{s:s, s:s}, {s:s}, {s:s}, {s:s, s:s}, {s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s}]", "key",
                               "run", "kind", "count", "key", "study", "key", "subject", "key", "seed", "kind", "count", "key",
                               "state", "key", "done", "kind", "count", "key", "failed", "kind", "count", "key", "samples",
                               "kind", "count", "key", "started");
}

static status print_rows(command_call *call, json_t *rows, const char *what, error *err)
{
    bool json = param_flag(call->options, "json");
    json_t *all = json ? json_pack("{s:O}", what, rows)
                       : json_pack("{s:o, s:O}", "columns", columns_of(what), "rows", rows);
    status outcome = all ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    if (all && json) {
        outcome = jsonio_print(all, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else if (all) {
        report_print_table(all, cli_colours(), &call->out);
    }
    json_decref(all);
    return outcome;
}

static status run(command_call *call, error *err)
{
    bool studies = strcmp(call->arguments[0], "studies") == 0;
    json_t *rows = studies ? study_rows() : json_array();
    bool sets = strcmp(call->arguments[0], "datasets") == 0;
    status outcome = studies ? STATUS_OK : sets ? dataset_rows(call, rows, err) : run_rows(call, rows, err);
    if (outcome == STATUS_OK)
        outcome = print_rows(call, rows, call->arguments[0], err);
    json_decref(rows);
    return outcome;
}

const command command_list = {
    .name = "list",
    .summary = "the studies of this build, the runs of a store, or the data sets that can be pulled",
    .examples = "  assay list studies\n  assay list runs --store runs.db\n  assay list datasets\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
