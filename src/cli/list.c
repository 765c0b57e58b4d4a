/* assay list WHAT: the studies of this build, the tasks, suites and data sets that it knows, or the runs of a store. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "hub/datasets.h"
#include "plugin/host.h"
#include "report/report.h"
#include "store/store.h"
#include "studies/open.h"
#include "studies/task/library.h"
#include "suite/suite.h"

#include <time.h>

static const char *const things[] = {"studies", "tasks", "suites", "runs", "datasets", NULL};
static const command_argument arguments[] = {
    {.name = "WHAT", .help = "studies, tasks, suites, runs or datasets", .word = WORD_CHOICE, .choices = things},
};
static const param_spec options[] = {
    OPTION_STORE,
    {.name = "most", .letter = 'n', .type = PARAM_INT, .least = 0, .most = 1e9, .fallback = "20", .value = "N",
     .help = "newest runs to list; 0: all"},
    {.name = "tasks", .type = PARAM_STRING, .value = "PATH", .help = "tasks of your own: a YAML file, or a folder of them (else ASSAY_TASKS)"},
    {.name = "data", .type = PARAM_STRING, .value = "FOLDER", .help = "where public data sets lie (else ASSAY_DATA, else what was pulled)"},
    OPTION_JSON,
};

static json_t *study_row(const study *s)
{
    json_t *params = json_array();
    for (size_t j = 0; j < s->param_count; j++)
        json_array_append_new(params, json_string(s->params[j].name));
    return json_pack("{s:s, s:s, s:s?, s:o}", "study", s->name, "title", s->title, "paper", s->paper, "parameters", params);
}

/* Each plug-in of ASSAY_PLUGINS is started and asked what it is; one that is broken is told about, and hides no other. */
static status plugin_rows(command_call *call, json_t *rows, error *err)
{
    const char **paths;
    size_t count;
    TRY(study_plugin_files(call->arena, &paths, &count, err));
    for (size_t i = 0; i < count; i++) {
        arena *a = arena_new(NULL);
        plugin_host *host;
        error problem = {0};
        status opened = plugin_host_open(a, paths[i], NULL, &host, &problem);
        const plugin_declaration *d = opened == STATUS_OK ? plugin_host_declaration(host) : NULL;
        if (!d)
            fprintf(stderr, "note: %s\n", problem.message);
        if (d && d->kind == PLUGIN_STUDY) {
            json_t *params = json_array();
            for (size_t j = 0; j < d->param_count; j++)
                json_array_append_new(params, json_string(d->params[j].name));
            json_array_append_new(rows, json_pack("{s:s, s:s, s:s?, s:o, s:s}", "study", d->name, "title", d->title, "paper", d->paper,
                                                  "parameters", params, "plugin", paths[i]));
        }
        arena_free(a);
    }
    return STATUS_OK;
}

static status study_rows(command_call *call, json_t *rows, error *err)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        json_array_append_new(rows, study_row(study_catalogue[i]));
    return plugin_rows(call, rows, err);
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

/* The items of a task whose data are here, or why they cannot be counted. */
static json_t *task_row_of(const task *t)
{
    size_t items = 0;
    error problem = {0};
    const char *state = t->files ? "here" : "absent", *why = t->missing;
    if (t->files && task_library_count(t, &items, &problem) != STATUS_OK) {
        state = "broken";
        why = problem.message;
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s?, s:s?, s:s, s:s?}", "task", t->name, "title", t->title, "metric", t->spec->metric->name,
                     "items", strcmp(state, "here") == 0 ? json_integer((json_int_t)items) : json_null(), "data", state, "set",
                     t->spec->data.set ? t->spec->data.set : t->spec->data.path, "paper", t->spec->paper, "file", t->spec->file, "why", why);
}

static status task_rows(command_call *call, json_t *rows, error *err)
{
    task_library all;
    TRY(task_library_read(call->arena, param_string(call->options, "tasks"), param_string(call->options, "data"), &all, err));
    for (size_t i = 0; i < all.count; i++)
        json_array_append_new(rows, task_row_of(&all.tasks[i]));
    return STATUS_OK;
}

static status suite_rows(command_call *call, json_t *rows, error *err)
{
    suite **all;
    size_t count;
    TRY(suite_list(call->arena, &all, &count, err));
    for (size_t i = 0; i < count; i++) {
        strbuf parts = strbuf_new(call->arena, 1 << 16);
        for (size_t k = 0; k < all[i]->part_count; k++)
            strbuf_printf(&parts, "%s%s", k ? ", " : "", all[i]->parts[k].name);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "suite", all[i]->name, "title", all[i]->title, "parts",
                                              parts.text ? parts.text : "", "file", all[i]->file));
    }
    return STATUS_OK;
}

/* What can be listed: its rows, and the columns of its table ("count" behind those that hold one). */
static const struct {
    const char *name;
    status (*rows)(command_call *call, json_t *rows, error *err);
    const char *columns[12];
} kinds[] = {
    {"studies", study_rows, {"study", "title", "paper"}},
    {"tasks", task_rows, {"task", "#items", "metric", "data", "set"}},
    {"suites", suite_rows, {"suite", "title", "parts"}},
    {"runs", run_rows, {"#run", "study", "subject", "#seed", "state", "#done", "#failed", "#samples", "started"}},
    {"datasets", dataset_rows, {"name", "#files", "#bytes", "licence"}},
};
_Static_assert(COUNT_OF(kinds) + 1 == COUNT_OF(things), "each word has its row");

static json_t *columns_of(size_t kind)
{
    json_t *columns = json_array();
    for (const char *const *c = kinds[kind].columns; *c; c++) {
        bool count = **c == '#';
        json_array_append_new(columns, json_pack("{s:s, s:s}", "key", *c + count, "kind", count ? "count" : "text"));
    }
    return columns;
}

static status print_rows(command_call *call, json_t *rows, size_t kind, error *err)
{
    bool json = param_flag(call->options, "json");
    json_t *all = json ? json_pack("{s:O}", kinds[kind].name, rows)
                       : json_pack("{s:o, s:O}", "columns", columns_of(kind), "rows", rows);
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
    size_t kind = 0;
    while (kind + 1 < COUNT_OF(kinds) && strcmp(call->arguments[0], kinds[kind].name) != 0)
        kind++;
    json_t *rows = json_array();
    status outcome = kinds[kind].rows(call, rows, err);
    if (outcome == STATUS_OK)
        outcome = print_rows(call, rows, kind, err);
    json_decref(rows);
    return outcome;
}

const command command_list = {
    .name = "list",
    .summary = "the studies of this build, the tasks, suites and data sets that it knows, or the runs of a store",
    .examples = "  assay list studies\n  assay list tasks --data ~/sets\n  assay list runs --store runs.db\n  assay list datasets\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
