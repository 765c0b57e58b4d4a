/* assay tokenize TEXT: how a model or a tokenizer's file cuts a text. */
#include "cli/command.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "report/report.h"

#include <string.h>

enum { TEXT_LIMIT = 64 << 20 };

static const command_argument arguments[] = {
    {.name = "TEXT", .help = "the text, or - for standard input", .optional = true},
};
static const param_spec options[] = {
    {.name = "model", .letter = 'm', .type = PARAM_STRING, .fallback = "base", .value = "SUBJECT",
     .help = "base, a checkpoint folder, tokenizer.json, a SentencePiece model, tiktoken's ranks, tokenizer.bin or a GGUF file"},
    {.name = "plain", .type = PARAM_FLAG, .help = "special tokens that the text writes out are plain letters"},
    {.name = "template", .type = PARAM_FLAG, .help = "add what the tokenizer's file puts around a text, such as its beginning"},
    OPTION_JSON,
};

static status open_tokenizer(arena *a, const char *model, tokenizer **out, error *err)
{
    checkpoint *base;
    if (strcmp(model, "base") != 0 || file_exists(model))
        return tokenizer_open(a, model, out, err);
    TRY(checkpoint_open_base(a, &base, err));
    *out = base->tokenizer;
    return STATUS_OK;
}

static status read_text(command_call *call, slice *text, error *err)
{
    const char *word = call->argument_count ? call->arguments[0] : "-";
    if (strcmp(word, "-") == 0)
        return file_read(call->arena, "-", TEXT_LIMIT, text, err);
    *text = slice_of(word);
    return STATUS_OK;
}

/* The bytes of a token as a JSON text; of half a character as U+FFFD. */
static json_t *text_json(arena *a, slice bytes)
{
    strbuf text = strbuf_new(a, 1 << 24);
    for (size_t at = 0; at < bytes.length;)
        strbuf_add_utf8(&text, utf8_next(bytes, &at));
    return json_stringn(text.text ? text.text : "", text.length);
}

static json_t *token_rows(arena *a, const tokenizer *t, const token_list *ids)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < ids->count; i++) {
        strbuf piece = strbuf_new(a, 1 << 24);
        tokenizer_piece(t, ids->ids[i], &piece);
        json_array_append_new(rows, json_pack("{s:i, s:o, s:o, s:b}", "id", ids->ids[i], "piece", text_json(a, strbuf_slice(&piece)),
                                              "text", text_json(a, tokenizer_bytes(t, ids->ids[i])), "special",
                                              (int)tokenizer_is_special(t, ids->ids[i])));
    }
    return rows;
}

static status run(command_call *call, error *err)
{
    tokenizer *t;
    slice text;
    token_list ids = {.arena = call->arena};
    unsigned flags = (param_flag(call->options, "plain") ? 0u : TOKENIZER_SPECIALS) |
                     (param_flag(call->options, "template") ? TOKENIZER_TEMPLATE : 0u);
    TRY(open_tokenizer(call->arena, param_string(call->options, "model"), &t, err));
    TRY(read_text(call, &text, err));
    TRY(tokenizer_encode(t, text, flags, &ids, err));
    json_t *rows = token_rows(call->arena, t, &ids), *all;
    if (param_flag(call->options, "json")) {
        all = json_pack("{s:I, s:I, s:o}", "bytes", (json_int_t)text.length, "count", (json_int_t)ids.count, "tokens", rows);
        status result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
        strbuf_add_char(&call->out, '\n');
        json_decref(all);
        return result;
    }
    all = json_pack("{s:[{s:s, s:s}, {s:s}], s:o}", "columns", "key", "id", "kind", "count", "key", "piece", "rows", rows);
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory");
    report_print_table(all, cli_colours(), &call->out);
    strbuf_printf(&call->out, "%zu tokens for %zu bytes\n", ids.count, text.length);
    json_decref(all);
    return STATUS_OK;
}

const command command_tokenize = {
    .name = "tokenize",
    .summary = "the tokens of a text, with their ids",
    .about = "Shows how a model's tokenizer, or any tokenizer's file, cuts a text. A piece is a token as its file writes it: "
             "\xc4\xa0 stands for a space in byte-level vocabularies, \xe2\x96\x81 in those of SentencePiece.",
    .examples = "  assay tokenize 'Ada sells 12 loaves.'\n  assay tokenize -m tokenizer.json --json - < letter.txt\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
