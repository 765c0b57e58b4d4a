/* assay convert MODEL: a model in another format: into a checkpoint folder, or into a GGUF file. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/llama2c.h"
#include "run/conversion.h"

#include <math.h>
#include <string.h>

static const command_argument arguments[] = {
    {.name = "MODEL", .help = "base, a checkpoint folder, a GGUF file, or a model of llama2.c (.bin, version 0, 1 or 2)", .word = WORD_FILE},
};

/* Names of types, those with a shorter word of their own twice. */
static const struct {
    const char *word;
    gguf_tensor_type type;
} types[] = {
    {"q8_0", GGUF_TENSOR_Q8_0}, {"int8", GGUF_TENSOR_Q8_0}, {"q4_0", GGUF_TENSOR_Q4_0}, {"int4", GGUF_TENSOR_Q4_0},
    {"f16", GGUF_TENSOR_F16},   {"bf16", GGUF_TENSOR_BF16}, {"f32", GGUF_TENSOR_F32},
};
static const char *const type_words[] = {"q8_0", "int8", "q4_0", "int4", "f16", "bf16", "f32", NULL};
_Static_assert(COUNT_OF(type_words) == COUNT_OF(types) + 1, "a word for each type");

static const param_spec options[] = {
    OPTION_OUTPUT("the GGUF file (its name ends in .gguf), or the folder for llama2.c's model; needed"),
    {.name = "type", .type = PARAM_CHOICE, .choices = type_words, .fallback = "q8_0", .value = "TYPE",
     .help = "of the matrices in a GGUF file; int8 is q8_0, int4 is q4_0"},
    {.name = "text", .type = PARAM_STRING, .value = "FILE",
     .help = "the cost is measured on this text, not on documents of the town"},
    {.name = "tokens", .type = PARAM_INT, .least = 0, .most = 1e9, .fallback = "20000", .value = "N",
     .help = "about so many tokens are measured; 0: none"},
    {.name = "tokenizer", .type = PARAM_STRING, .value = "FILE",
     .help = "of llama2.c's model; tokenizer.bin beside it when it is not given"},
    OPTION_THREADS,
    OPTION_JSON,
};

/* ---- from llama2.c ---- */

/* tokenizer.bin in the model's folder. */
static const char *beside(arena *a, const char *model)
{
    const char *slash = strrchr(model, '/');
    return file_join(a, slash ? arena_strndup(a, model, (size_t)(slash - model) + (slash == model)) : NULL, "tokenizer.bin");
}

static status to_folder(command_call *call, const char *model, const char *folder, error *err)
{
    const char *words = param_string(call->options, "tokenizer");
    if (!words && !(words = beside(call->arena, model)))
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (file_exists(model) && !file_exists(words)) {
        error_set(err, STATUS_NOT_FOUND, "%s: no such file; a model needs its tokenizer", words);
        return error_hint(err, "name it with --tokenizer FILE");
    }
    llama2c_summary done;
    TRY(llama2c_convert(model, words, folder, &done, err));
    if (param_flag(call->options, "json")) {
        json_t *all = json_pack("{s:s, s:s, s:i, s:I}", "output", folder, "format", "folder", "llama2c_version", done.version, "parameters",
                                (json_int_t)lm_parameter_count(&done.config));
        status result = jsonio_print(all, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
        json_decref(all);
        return result;
    }
    strbuf_printf(&call->out, "%s: from llama2.c's version %d: %d layers of %d, %.3f M parameters, vocabulary %d, context %d\n",
                  folder, done.version, done.config.layers, done.config.hidden,
                  (double)lm_parameter_count(&done.config) / 1e6, done.config.vocabulary, done.config.context);
    return STATUS_OK;
}

/* ---- into GGUF ---- */

static json_t *cost_json(const conversion_report *r)
{
    if (!r->measured)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:[f, f]}", "texts", r->texts, "text_count", (json_int_t)r->text_count,
                     "tokens", (json_int_t)r->tokens, "perplexity_before", exp(r->cost.before), "perplexity_after", exp(r->cost.after),
                     "loss_before", r->cost.before, "loss_after", r->cost.after, "difference", r->cost.difference, "limits",
                     r->cost.limits.low, r->cost.limits.high);
}

static status print_json(command_call *call, const char *path, const char *type, const conversion_report *r, error *err)
{
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "output", path, "format", "gguf", "type", type,
                            "parameters", (json_int_t)lm_parameter_count(&r->config), "tensors", (json_int_t)r->saved.tensors, "stored",
                            (json_int_t)r->saved.stored, "others", (json_int_t)r->saved.others, "bytes_before", (json_int_t)r->bytes_before,
                            "bytes", (json_int_t)r->saved.bytes, "cost", cost_json(r));
    status result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    strbuf_add_char(&call->out, '\n');
    json_decref(all);
    return result;
}

static void print_words(command_call *call, const char *path, const char *type, const conversion_report *r)
{
    strbuf_printf(&call->out, "%s: %.3f M parameters in %zu tensors, %zu matrices as %s", path,
                  (double)lm_parameter_count(&r->config) / 1e6, r->saved.tensors, r->saved.stored, type);
    if (r->saved.others)
        strbuf_printf(&call->out, ", %zu others whose rows are not whole blocks of it", r->saved.others);
    strbuf_printf(&call->out, "; %.2f MB, before %.2f MB\n", (double)r->saved.bytes / 1e6, (double)r->bytes_before / 1e6);
    if (!r->measured) {
        strbuf_add(&call->out, "what this cost was not measured: give a text with --text FILE\n");
        return;
    }
    const perplexity_cost *c = &r->cost;
    strbuf_printf(&call->out, "perplexity %.4f, before %.4f, on %zu tokens of %zu texts (%s)\n", exp(c->after), exp(c->before), r->tokens,
                  r->text_count, r->texts);
    strbuf_printf(&call->out, "mean log-loss %+.6f nats a token, 95 %% interval %+.6f to %+.6f (paired, over texts)\n", c->difference,
                  c->limits.low, c->limits.high);
}

static status to_gguf(command_call *call, const char *model, const char *path, error *err)
{
    size_t type = (size_t)param_choice(call->options, "type");
    conversion_options o = {.model = model, .path = path, .type = types[type].type, .text = param_string(call->options, "text"),
                            .tokens = (size_t)param_int(call->options, "tokens"),
                            .threads = (size_t)param_int(call->options, "threads"), .interrupted = cli_interrupt_flag()};
    conversion_report r;
    const char *name = gguf_tensor_type_name(o.type);
    TRY(conversion_run(call->arena, &o, &r, err));
    if (param_flag(call->options, "json"))
        return print_json(call, path, name, &r, err);
    print_words(call, path, name, &r);
    return STATUS_OK;
}

static status run(command_call *call, error *err)
{
    const char *model = call->arguments[0], *output = param_string(call->options, "output");
    if (!output) {
        error_set(err, STATUS_USAGE, "what to write is not given");
        return error_hint(err, "assay convert %s -o FILE.gguf, or for a model of llama2.c -o FOLDER", model);
    }
    bool to_file = slice_ends(slice_of(output), SLICE(".gguf"));
    if (to_file)
        return to_gguf(call, model, output, err);
    if (file_exists(model) && (file_is_folder(model) || checkpoint_plausible(model))) {
        error_set(err, STATUS_USAGE, "%s: a model that is no llama2.c file becomes a GGUF file, whose name must end in .gguf", output);
        return error_hint(err, "assay convert %s -o %s.gguf", model, output);
    }
    return to_folder(call, model, output, err);
}

const command command_convert = {
    .name = "convert",
    .summary = "turn a model into a GGUF file, or one of llama2.c into a checkpoint folder",
    .about = "A model becomes a GGUF file, which llama.cpp loads as well, with 8-bit or 4-bit integers (q8_0, q4_0) or with "
             "floats for its matrices, its tokenizer and its chat template. Then it is measured what that cost: perplexity before and after, "
             "over the same tokens, and an interval for the difference of the mean log-losses. Models that know the town are measured on "
             "documents drawn apart from their training, others on a text of yours (--text).\n\n"
             "Models of llama2.c (.bin files of version 0, 1 and 2, the last with 8-bit weights) become Hugging Face folders with "
             "weights in f32, which every other command and other programs read. The files do not say with which arithmetic a model was "
             "trained; a variant of Llama's converts, and answers badly.",
    .examples = "assay convert base -o base-q8.gguf --type int8\n"
                "assay convert out/llama -o llama-q4.gguf --type int4 --text letters.txt\n"
                "assay convert stories15M.bin --tokenizer tokenizer.bin -o out/stories\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
