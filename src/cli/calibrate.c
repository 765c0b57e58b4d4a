/* assay calibrate STUDY: how far the study's own figures can be trusted. */
#include "cli/command.h"

#include "calibrate/engine.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "report/report.h"

#include <stdio.h>

static const command_argument arguments[] = {
    {.name = "STUDY", .help = "a study that organisms or scripts are there for: sycophancy, feedback-failures, "
                             "moral-self-correction[:correction], global-opinions, model-written, inverse-scaling[:stock]", .word = WORD_STUDY},
};

static const param_spec options[] = {
    {.name = "quick", .type = PARAM_FLAG, .help = "15 organisms and their endpoints: provisional figures (the default)"},
    {.name = "certify", .type = PARAM_FLAG, .help = "the full protocol: hours; can be stopped and gone on with"},
    {.name = "dry-run", .letter = 'n', .type = PARAM_FLAG, .help = "say what is missing and how long it would take, and stop"},
    {.name = "items", .type = PARAM_STRING, .value = "N", .help = "items per form instead of the study's default"},
    {.name = "seeds", .type = PARAM_INT, .least = 3, .most = 100, .fallback = "3", .value = "N",
     .help = "trained organisms at each dose of the quick protocol"},
    {.name = "first-seed", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "1", .value = "N",
     .help = "first seed of the organisms of the quick protocol: fresh ones, on which nothing was chosen, begin above 3"},
    {.name = "bases", .type = PARAM_INT, .least = 0, .most = 60, .fallback = "0", .value = "N",
     .help = "base models, grown from seeds 1 to N, that these are tuned from in turn; 0: the embedded one"},
    OPTION_SEED,
    {.name = "recipes", .type = PARAM_STRING, .fallback = "organisms", .value = "FOLDER",
     .help = "folder with the recipes of base model, organisms and decoys"},
    {.name = "base", .letter = 'b', .type = PARAM_STRING, .value = "FOLDER",
     .help = "base model to tune instead of the embedded one"},
    {.name = "read", .type = PARAM_NUMBER, .least = -1, .most = 1, .value = "EXCESS",
     .help = "say what this reading means by the certificate in the output folder, and stop"},
    OPTION_OUTPUT("folder for readings, records and certificate (calibration-STUDY when it is not given)"),
    OPTION_THREADS,
    OPTION_QUIET,
    OPTION_JSON,
};

typedef struct teller {
    progress *progress;
} teller;

static void tell(void *context, size_t done, size_t all, const char *what)
{
    (void)all;
    progress_update(((teller *)context)->progress, done, "%s", what);
}

static void print_estimate(const calibrate_estimate *e)
{
    fprintf(stderr, "%zu readings, of which %zu are missing; %zu organisms and %zu base models are to be grown\n", e->readings,
            e->readings_missing, e->organisms_missing, e->bases_missing);
    fprintf(stderr, "time: about %.1f h (%.0f min), %s; stop and go on at will\n", e->seconds / 3600, e->seconds / 60,
            e->measured ? "readings as measured so far, 30 s an organism, 5 min a base"
                        : "assuming 15 s a reading, 30 s an organism, 5 min a base on 2 cores");
}

static status print(command_call *call, const json_t *certificate, const char *folder, error *err)
{
    if (param_flag(call->options, "json")) {
        TRY(jsonio_print(certificate, 2, &call->out, err));
        strbuf_add_char(&call->out, '\n');
        return STATUS_OK;
    }
    json_t *figures = json_pack("{s:O, s:O}", "findings", json_object_get(certificate, "statements"), "tables",
                                json_object_get(certificate, "tables"));
    if (!figures)
        return error_set(err, STATUS_MEMORY, "out of memory");
    report_print_figures(figures, cli_colours(), &call->out);
    json_decref(figures);
    strbuf_printf(&call->out, "\nverdict: %s\nrecords and certificate: %s\n",
                  json_string_value(json_object_get(certificate, "verdict")), folder);
    return STATUS_OK;
}

static status calibrate(command_call *call, calibrate_options *o, const calibrate_estimate *estimate, error *err)
{
    json_t *certificate;
    teller t = {progress_new("calibrate", estimate->readings, cli_progress_mode(call))};
    o->tell = tell;
    o->tell_context = &t;
    status result = calibrate_run(call->arena, o, &certificate, err);
    progress_free(t.progress);
    if (result != STATUS_OK)
        return result;
    result = print(call, certificate, o->folder, err);
    json_decref(certificate);
    return result;
}

/* What a reading means, form by form. */
static status read_unknown(command_call *call, const char *folder, double excess, error *err)
{
    json_t *certificate, *rows = json_array();
    const char *path = file_join(call->arena, folder, "certificate.json"), *form;
    json_t *metric;
    if (!path || !rows)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(jsonio_read(path, (size_t)1 << 28, &certificate, err));
    status result = STATUS_OK;
    json_object_foreach(json_object_get(certificate, "metrics"), form, metric) {
        calibrate_reading r;
        if (result == STATUS_OK && (result = calibrate_read(certificate, form, excess, &r, err)) == STATUS_OK) {
            char dose[96];
            snprintf(dose, sizeof dose, "%.3f (%.3f to %.3f)", r.dose, r.low, r.high);
            if (strcmp(r.words, "not detected") == 0)
                snprintf(dose, sizeof dose, "below %.3f, the limit of detection", r.lod);
            json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "form", form, "result", r.words, "dose", dose));
        }
    }
    json_t *table = json_pack("{s:[{s:s}, {s:s}, {s:s}], s:O}", "columns", "key", "form", "key", "result", "key", "dose",
                              "rows", rows);
    if (result == STATUS_OK && param_flag(call->options, "json")) {
        result = jsonio_print(rows, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else if (result == STATUS_OK) {
        report_print_table(table, cli_colours(), &call->out);
    }
    json_decref(table);
    json_decref(rows);
    json_decref(certificate);
    return result;
}

static status run(command_call *call, error *err)
{
    const param_values *p = call->options;
    const char *folder = param_string(p, "output");
    if (param_flag(p, "quick") && param_flag(p, "certify"))
        return error_set(err, STATUS_USAGE, "--quick and --certify exclude each other");
    if (!folder) {
        char *own = arena_printf(call->arena, "calibration-%s", call->arguments[0]);
        for (char *at = own; at && *at; at++)
            *at = *at == ':' ? '-' : *at;
        folder = own;
    }
    if (folder && param_given(p, "read"))
        return read_unknown(call, folder, param_number(p, "read"), err);
    const char *runs = folder ? file_join(call->arena, folder, "runs.db") : NULL;
    const char *base_recipe = file_join(call->arena, param_string(p, "recipes"), "base.yaml");
    if (!runs || !base_recipe)
        return error_set(err, STATUS_MEMORY, "out of memory");
    calibrate_house house = {.threads = (size_t)param_int(p, "threads"), .progress = PROGRESS_QUIET,
                             .interrupted = cli_interrupt_flag(), .base_recipe = base_recipe,
                             .embedded = param_string(p, "base")};
    calibrate_options o = {.study = call->arguments[0],
                           .protocol = param_flag(p, "certify") ? PROTOCOL_CERTIFY : PROTOCOL_QUICK,
                           .folder = folder,
                           .recipes = param_string(p, "recipes"),
                           .items = param_string(p, "items"),
                           .seeds = (int)param_int(p, "seeds"),
                           .first_seed = (int)param_int(p, "first-seed"),
                           .bases = (int)param_int(p, "bases"),
                           .seed = (uint64_t)param_int(p, "seed"),
                           .engine = calibrate_engine_of(&house),
                           .interrupted = cli_interrupt_flag()};
    calibrate_estimate estimate;
    TRY(calibrate_plan(call->arena, &o, &estimate, err));
    if (cli_progress_mode(call) != PROGRESS_QUIET || param_flag(p, "dry-run"))
        print_estimate(&estimate);
    if (param_flag(p, "dry-run"))
        return STATUS_OK;
    TRY(file_make_folders(folder, err));
    TRY(store_open(runs, STORE_WRITE, &house.store, err));
    status result = calibrate(call, &o, &estimate, err);
    status closed = store_close(house.store, result == STATUS_OK ? err : NULL);
    return result != STATUS_OK ? result : closed;
}

const command command_calibrate = {
    .name = "calibrate",
    .summary = "find out how far a study's own figures can be trusted",
    .about = "Reference organisms, small networks with the failure planted at known doses, are grown and read by the study. "
             "From the readings come the dose-response with intervals, limits of detection and quantification, false "
             "positives, repeatability, and how often harmless decoys are flagged.\n\n"
             "Organisms lie in the cache of grown models, readings in the output folder: the same command goes on after any "
             "interruption. A quick run gives provisional figures; only --certify writes a certificate that can say \"valid "
             "for use\".",
    .examples = "assay calibrate sycophancy --quick\n"
                "assay calibrate sycophancy --quick --bases 3 -o calibration-3-bases\n"
                "assay calibrate moral-self-correction:correction --quick\n"
                "assay calibrate sycophancy --certify --dry-run\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
