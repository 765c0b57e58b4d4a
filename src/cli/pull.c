/* assay pull NAME...: models and data sets by name into the cache. */
#include "cli/command.h"

#include "hub/pull.h"

static const command_argument arguments[] = {
    {.name = "NAME", .help = "OWNER/NAME[@REVISION], hf:datasets/OWNER/NAME[@REVISION], data:NAME (see `assay list datasets`), or a URL", .repeats = true},
};
static const param_spec options[] = {
    {.name = "all", .type = PARAM_FLAG, .help = "every file of a model, not only what a checkpoint needs"},
    OPTION_OUTPUT("folder for the files instead of the cache"),
    OPTION_QUIET,
};

typedef struct shown {
    progress *line;
    char what[160];
} shown;

static void show_file(void *context, const char *path, size_t at, size_t count)
{
    shown *s = context;
    snprintf(s->what, sizeof s->what, "%zu/%zu %s", at + 1, count, path);
    progress_update(s->line, 0, "%s", s->what);
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    shown *s = context;
    progress_update(s->line, total ? done * 1000 / total : 0, "%s %.1f of %.1f MB", s->what, (double)done / 1e6, (double)total / 1e6);
}

static status run(command_call *call, error *err)
{
    for (size_t i = 0; i < call->argument_count; i++) {
        shown s = {.line = progress_new("pull", 1000, cli_progress_mode(call))};
        pull_done done;
        pull_request r = {.name = call->arguments[i], .folder = param_string(call->options, "output"), .all = param_flag(call->options, "all"),
                          .on_file = show_file, .on_progress = show_progress, .context = &s, .interrupt = cli_interrupt_flag()};
        status outcome = pull(call->arena, &r, &done, err);
        progress_free(s.line);
        TRY(outcome);
        strbuf_printf(&call->out, "%s\n  %s %s, %zu %s, %.1f MB\n", done.folder, strstr(r.name, "://") ? "sha256" : "commit", done.commit,
                      done.files, done.files == 1 ? "file" : "files", (double)done.bytes / 1e6);
    }
    return STATUS_OK;
}

const command command_pull = {
    .name = "pull",
    .summary = "fetch a model or a data set from the Hugging Face hub, or a file from a URL",
    .about = "What was cut off goes on where it stopped, and every file is checked against the hash that the hub lists before it "
             "gets its name. A model that was pulled is a subject by its name: -m OWNER/NAME.\n\n"
             "The cache is $ASSAY_CACHE/hub, else $XDG_CACHE_HOME/assay/hub, else ~/.cache/assay/hub. HF_ENDPOINT names another hub; "
             "HF_TOKEN is sent to the hub alone.",
    .examples = "  assay pull HuggingFaceTB/SmolLM2-135M\n"
                "  assay pull HuggingFaceTB/SmolLM2-135M@main --all\n"
                "  assay pull hf:datasets/meg-tong/sycophancy-eval\n"
                "  assay pull data:truthfulqa\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
