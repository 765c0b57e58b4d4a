/* assay convert MODEL: a model in another format into a checkpoint folder. */
#include "cli/command.h"

#include "core/file.h"
#include "lm/llama2c.h"

#include <string.h>

static const command_argument arguments[] = {
    {.name = "MODEL", .help = "a model of llama2.c (.bin, version 0, 1 or 2)", .word = WORD_FILE},
};

static const param_spec options[] = {
    OPTION_OUTPUT("folder for the checkpoint; needed"),
    {.name = "tokenizer", .type = PARAM_STRING, .value = "FILE",
     .help = "its tokenizer; tokenizer.bin beside the model when it is not given"},
};

/* tokenizer.bin in the model's folder. */
static const char *beside(arena *a, const char *model)
{
    const char *slash = strrchr(model, '/');
    return file_join(a, slash ? arena_strndup(a, model, (size_t)(slash - model) + (slash == model)) : NULL, "tokenizer.bin");
}

static status run(command_call *call, error *err)
{
    const char *model = call->arguments[0], *folder = param_string(call->options, "output");
    const char *words = param_string(call->options, "tokenizer");
    if (!folder) {
        error_set(err, STATUS_USAGE, "the folder to write is not given");
        return error_hint(err, "assay convert %s -o FOLDER", model);
    }
    if (!words && !(words = beside(call->arena, model)))
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (file_exists(model) && !file_exists(words)) {
        error_set(err, STATUS_NOT_FOUND, "%s: no such file; a model needs its tokenizer", words);
        return error_hint(err, "name it with --tokenizer FILE");
    }
    llama2c_summary done;
    TRY(llama2c_convert(model, words, folder, &done, err));
    strbuf_printf(&call->out, "%s: from llama2.c's version %d: %d layers of %d, %.3f M parameters, vocabulary %d, context %d\n",
                  folder, done.version, done.config.layers, done.config.hidden,
                  (double)lm_parameter_count(&done.config) / 1e6, done.config.vocabulary, done.config.context);
    return STATUS_OK;
}

const command command_convert = {
    .name = "convert",
    .summary = "turn a model of another format into a checkpoint folder",
    .about = "Models of llama2.c (.bin files of version 0, 1 and 2, the last with 8-bit weights) become Hugging Face folders with "
             "weights in f32, which every other command and other programs read.\n\n"
             "The files do not say with which arithmetic a model was trained; a variant of Llama's converts, and answers badly.",
    .examples = "assay convert stories15M.bin -o out/stories\n"
                "assay convert stories260K.bin --tokenizer tok512.bin -o out/stories\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
