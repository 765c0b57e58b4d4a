/* assay import FILE...: logs of Inspect into the store, as runs. */
#include "cli/command.h"

#include "inspect/log.h"

static const command_argument arguments[] = {
    {.name = "FILE", .help = "a log of Inspect, .eval or .json", .repeats = true, .word = WORD_FILE},
};
static const param_spec options[] = {
    OPTION_STORE,
    OPTION_QUIET,
};

static void show_progress(void *context, uint64_t bytes, uint64_t total)
{
    (void)total; /* the archive's own bytes; what it unpacks to is not known before */
    progress_update(context, bytes >> 20, "MiB read");
}

static status run(command_call *call, error *err)
{
    for (size_t i = 0; i < call->argument_count; i++) {
        const char *path = call->arguments[i];
        inspect_imported done;
        progress *p = progress_new("import", 0, cli_progress_mode(call));
        inspect_import_options how = {.on_progress = show_progress, .context = p, .interrupt = cli_interrupt_flag()};
        status outcome = inspect_import(call->arena, path, param_string(call->options, "store"), &how, &done, err);
        progress_free(p);
        TRY(outcome);
        strbuf_printf(&call->out, "run %lld: %s, %s, %llu samples", (long long)done.id, done.study, done.subject,
                      (unsigned long long)done.samples);
        if (done.failed)
            strbuf_printf(&call->out, ", %llu failed", (unsigned long long)done.failed);
        if (done.cut)
            strbuf_printf(&call->out, ", %llu too large to keep whole", (unsigned long long)done.cut);
        strbuf_add(&call->out, "\n");
    }
    return STATUS_OK;
}

const command command_import = {
    .name = "import",
    .summary = "read logs of Inspect into the store, as runs",
    .about = "A log that `assay export --format inspect` wrote becomes the run that it was, with the same figures. Any other "
             "becomes a run of the study inspect/TASK, whose scores are counted anew; it can be listed, shown, compared and "
             "exported. Logs of any size are read as a stream. A damaged log leaves the store as it was.",
    .examples = "  assay import logs/*.eval\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
