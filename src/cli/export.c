/* assay export RUN...: runs as JSON, CSV, text, one HTML page, or logs of Inspect. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "inspect/log.h"
#include "report/load.h"
#include "report/report.h"
#include "run/run.h"
#include "studies/open.h"
#include "suite/suite.h"

static const char *const formats[] = {"text", "json", "csv", "html", "inspect", "files", NULL};
enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV, FORMAT_HTML, FORMAT_INSPECT, FORMAT_FILES };

static const command_argument arguments[] = {
    {.name = "RUN", .help = "number of a run, 'last', or a subject (its newest run); several make one report; or suite:NAME", .optional = true,
     .repeats = true},
};
static const param_spec options[] = {
    {.name = "format", .letter = 'f', .type = PARAM_CHOICE, .choices = formats, .fallback = "text", .value = "FORMAT",
     .help = "what to write"},
    OPTION_OUTPUT("file to write; stdout when it is not given; with inspect: a .json or .eval file, or a folder for logs; with files: a folder"),
    {.name = "samples", .type = PARAM_FLAG, .help = "with csv: one line for each sample instead of each form"},
    {.name = "certificate", .type = PARAM_STRING, .value = "FILE",
     .help = "certificate.json of `assay calibrate`, for the report; without runs it is shown alone"},
    OPTION_STORE,
};

static report_load wanted(const command_call *call)
{
    switch ((enum format)param_choice(call->options, "format")) {
    case FORMAT_JSON:
        return REPORT_LOAD_ALL;
    case FORMAT_HTML:
        return REPORT_LOAD_CHOSEN;
    case FORMAT_CSV:
        return param_flag(call->options, "samples") ? REPORT_LOAD_RECORDS : REPORT_LOAD_SUMMARY;
    case FORMAT_TEXT:
        return call->argument_count > 1 || (call->argument_count == 1 && suite_named(call->arguments[0])) ? REPORT_LOAD_SCORES : REPORT_LOAD_SUMMARY;
    case FORMAT_INSPECT:
    case FORMAT_FILES:
        break;
    }
    return REPORT_LOAD_SUMMARY;
}

static status load_one(command_call *call, store *s, int64_t id, json_t *runs, error *err)
{
    json_t *run = NULL;
    TRY(report_load_run(s, id, wanted(call), &run, err));
    json_array_append_new(runs, run);
    return STATUS_OK;
}

/* "suite:NAME": all runs of its newest call; *whole is what was kept of that. */
static status load_suite(command_call *call, store *s, const char *word, json_t *runs, json_t **whole, error *err)
{
    size_t i;
    json_t *id;
    if (call->argument_count > 1)
        return error_set(err, STATUS_USAGE, "a suite stands alone, found %s among %zu words", word, call->argument_count);
    TRY(suite_last_call(s, call->arena, word, whole, err));
    json_array_foreach(json_object_get(*whole, "runs"), i, id)
        TRY(load_one(call, s, json_integer_value(id), runs, err));
    return STATUS_OK;
}

static status load_runs(command_call *call, json_t *runs, json_t **whole, error *err)
{
    store *s = NULL;
    if (call->argument_count == 0 && param_string(call->options, "certificate"))
        return STATUS_OK;
    if (call->argument_count == 0)
        return error_set(err, STATUS_USAGE, "expected a run's number, 'last' or a subject, found none");
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status outcome = STATUS_OK;
    for (size_t i = 0; outcome == STATUS_OK && i < call->argument_count; i++) {
        int64_t id = 0;
        if (suite_named(call->arguments[i])) {
            outcome = load_suite(call, s, call->arguments[i], runs, whole, err);
            continue;
        }
        outcome = report_find_run(s, call->arena, call->arguments[i], &id, err);
        if (outcome == STATUS_OK)
            outcome = load_one(call, s, id, runs, err);
    }
    status closed = store_close(s, outcome == STATUS_OK ? err : NULL);
    return outcome != STATUS_OK ? outcome : closed;
}

/* Every figure of the document on the terminal: those over all runs, and those of a single one. */
static void print_text(const json_t *document, strbuf *out)
{
    bool bold = cli_colours();
    const json_t *runs = json_object_get(document, "runs");
    if (json_object_get(document, "sections")) {
        report_print_suite(document, bold, out);
        return;
    }
    strbuf_printf(out, "%s\n\n", json_string_value(json_object_get(document, "title")));
    report_print_figures(document, bold, out);
    if (json_array_size(runs) == 1)
        report_print_figures(json_object_get(json_array_get(runs, 0), "figures"), bold, out);
}

static status write_document(command_call *call, const json_t *runs, const json_t *whole, strbuf *out, error *err)
{
    const char *path = param_string(call->options, "certificate");
    json_t *certificate = NULL, *document = NULL;
    if (path)
        TRY(jsonio_read(path, 1 << 26, &certificate, err));
    const char *made = cli_today(call->arena);
    status outcome = !made ? error_set(err, STATUS_MEMORY, "out of memory")
                     : whole ? report_suite(runs, whole, made, &document, err)
                             : report_document(runs, certificate, made, &document, err);
    if (outcome == STATUS_OK && param_choice(call->options, "format") == FORMAT_HTML)
        outcome = report_html_text(document, out, err);
    else if (outcome == STATUS_OK)
        print_text(document, out);
    json_decref(document);
    json_decref(certificate);
    return outcome;
}

static status write_format(command_call *call, const json_t *runs, const json_t *whole, strbuf *out, error *err)
{
    switch ((enum format)param_choice(call->options, "format")) {
    case FORMAT_JSON:
        TRY(jsonio_print(json_array_size(runs) == 1 ? json_array_get(runs, 0) : runs, 2, out, err));
        strbuf_add_char(out, '\n');
        return STATUS_OK;
    case FORMAT_CSV:
        return param_flag(call->options, "samples") ? report_csv_samples(runs, out, err) : report_csv(runs, out, err);
    case FORMAT_TEXT:
    case FORMAT_HTML:
    case FORMAT_INSPECT:
    case FORMAT_FILES:
        break;
    }
    return write_document(call, runs, whole, out, err);
}

/* ---- logs of Inspect -------------------------------------------------------------------------------------------- */

/* -o names a log, or a folder; without it logs go where Inspect puts its own. */
static status log_path(command_call *call, store *s, int64_t id, const char **path, inspect_form *form, error *err)
{
    const char *wanted = param_string(call->options, "output"), *folder = wanted, *form_wanted = getenv("INSPECT_LOG_FORMAT");
    if (wanted && !file_is_folder(wanted) && inspect_form_of(wanted, form)) {
        *path = wanted;
        return call->argument_count == 1 ? STATUS_OK
                                         : error_set(err, STATUS_USAGE, "a log holds one run, and %zu are to go into %s",
                                                     call->argument_count, wanted);
    }
    if (!folder)
        folder = getenv("INSPECT_LOG_DIR");
    if (!folder || !folder[0])
        folder = "logs";
    *form = form_wanted && strcmp(form_wanted, "json") == 0 ? INSPECT_JSON : INSPECT_EVAL;
    TRY(file_make_folders(folder, err));
    return inspect_log_name(s, id, folder, *form, call->arena, path, err);
}

static status write_logs(command_call *call, error *err)
{
    store *s = NULL;
    if (call->argument_count == 0)
        return error_set(err, STATUS_USAGE, "expected a run's number, 'last' or a subject, found none");
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status outcome = STATUS_OK;
    for (size_t i = 0; outcome == STATUS_OK && i < call->argument_count; i++) {
        const char *path = NULL;
        inspect_form form = INSPECT_EVAL;
        int64_t id = 0;
        outcome = report_find_run(s, call->arena, call->arguments[i], &id, err);
        if (outcome == STATUS_OK)
            outcome = log_path(call, s, id, &path, &form, err);
        if (outcome == STATUS_OK)
            outcome = inspect_export(s, id, path, form, err);
        if (outcome == STATUS_OK)
            strbuf_printf(&call->out, "%s\n", path);
    }
    status closed = store_close(s, outcome == STATUS_OK ? err : NULL);
    return outcome != STATUS_OK ? outcome : closed;
}

/* ---- what a study makes for others ------------------------------------------------------------------------------ */

static status write_files(command_call *call, error *err)
{
    const char *folder = param_string(call->options, "output");
    store *s = NULL;
    store_run row;
    const study *st;
    int64_t id;
    if (!folder || call->argument_count != 1)
        return error_set(err, STATUS_USAGE, "--format files wants one run, and with -o the folder for what it made");
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status outcome = report_find_run(s, call->arena, call->arguments[0], &id, err);
    if (outcome == STATUS_OK)
        outcome = store_run_get(s, call->arena, id, &row, err);
    if (outcome == STATUS_OK)
        outcome = study_open(call->arena, row.study, &st, err);
    if (outcome == STATUS_OK)
        outcome = run_write_files(call->arena, s, id, st, folder, &call->out, err);
    status closed = store_close(s, outcome == STATUS_OK ? err : NULL);
    return outcome != STATUS_OK ? outcome : closed;
}

static status run(command_call *call, error *err)
{
    if (param_choice(call->options, "format") == FORMAT_FILES)
        return write_files(call, err);
    if (param_choice(call->options, "format") == FORMAT_INSPECT)
        return write_logs(call, err);
    const char *path = param_string(call->options, "output");
    json_t *runs = json_array(), *whole = NULL;
    status outcome = runs ? load_runs(call, runs, &whole, err) : error_set(err, STATUS_MEMORY, "out of memory");
    if (outcome == STATUS_OK)
        outcome = write_format(call, runs, whole, &call->out, err);
    json_decref(runs);
    json_decref(whole);
    if (outcome != STATUS_OK || !path)
        return outcome;
    TRY(file_write(path, strbuf_slice(&call->out), err));
    strbuf_clear(&call->out);
    return STATUS_OK;
}

const command command_export = {
    .name = "export",
    .summary = "write runs as text, JSON, CSV, a report that is one HTML file, or a log of Inspect",
    .about = "Several runs of one study make one report: where the doses planted in the subjects are known, a dose-response "
             "picture over them, else a comparison. Runs of several studies make one too, with what they claim tested together; "
             "suite:NAME is all of the newest `assay run suite:NAME` that came to its end.\n\n"
             "inspect writes one log a run, which `inspect view` and inspect_ai.log.read_eval_log read: the file that -o names, "
             "or a file in the folder that -o or INSPECT_LOG_DIR names, else in logs/; it prints the paths.\n\n"
             "files writes what a study made for others to use: of model-written the items as a task, and a form for people.",
    .examples = "  assay export last --format html -o report.html\n"
                "  assay export out/s0 out/s50 out/s100 --format html -o doses.html\n"
                "  assay export suite:behaviours --format html -o behaviours.html\n"
                "  assay export 3 --format csv --samples\n"
                "  assay export last --format inspect -o last.eval\n"
                "  assay export last --format files -o written\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
