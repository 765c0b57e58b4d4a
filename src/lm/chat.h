/* chat.h - conversations as tokens, by the chat template of the model.
 *
 * A checkpoint brings a template (jinja/jinja.h) that says how a conversation is written for it. It is rendered as
 * `transformers` renders it, and the text becomes ids with no token added: what the template writes is all.
 *
 *     chat_format *f;
 *     TRY(chat_format_open(arena, "model", &checkpoint->chat, tokenizer, NULL, &f, err));
 *     chat_turn turns[] = {{.role = "user", .text = SLICE("Who sells bread?")}};
 *     jinja_output prompt;
 *     TRY(chat_render(f, arena, turns, 1, CHAT_ANSWER, NULL, &prompt, err));
 *     token_list ids = {.arena = arena};
 *     TRY(chat_tokens(f, &prompt, (slice){0}, &ids, err));
 *
 * **Nobody forges the end of a message.** A special token in the text counts where the template (or the model's own
 * bos_token and the like) wrote it; one that stands in a turn's words is plain letters. That also holds for added
 * tokens that are not special by name but that the template writes itself, such as <think> or <tool_call>.
 * `transformers` turns special tokens in a user's words into their ids unless it is told otherwise; where such words
 * occur, ids differ from its default, on purpose.
 *
 * **The start of an answer** is written as an assistant's turn that the template does not get to close: the text is cut
 * where the given words end (continue_final_message in `transformers`). Without one the template is asked for the
 * beginning of an answer (add_generation_prompt).
 *
 * **The date.** A template may write today's date. So that a run can be repeated it gets the date of the options, and
 * without one it is refused: when it is opened, if it writes the date into a question with or without a system message.
 *
 * Our own models read <|begin|>, then for each message <|ROLE|> content <|end|>; where an answer is wanted <|assistant|>
 * follows. chat_template says so in Jinja, in the files that `assay grow` writes. A plain document is <|begin|> text
 * <|end|>.
 */
#ifndef ASSAY_LM_CHAT_H
#define ASSAY_LM_CHAT_H

#include "core/hash.h"
#include "jinja/jinja.h"
#include "lm/tokenizer.h"

typedef struct chat_call {
    slice id, name, arguments; /* arguments: JSON */
} chat_call;

typedef struct chat_turn {
    const char *role; /* "system", "user", "assistant", "tool" */
    slice text;
    slice reasoning;        /* hidden reasoning of an assistant's turn; NULL text: none */
    const chat_call *calls; /* tools that an assistant's turn calls */
    size_t call_count;
    slice call_id, name; /* of a tool's turn: what it answers; NULL text: not said */
} chat_turn;

/* The template of our own models. */
extern const char chat_template[];

/* ---- what a checkpoint's files say ---- */

typedef struct chat_text {
    const char *name, *text;
} chat_text;

typedef struct chat_files {
    const chat_text *templates; /* "default", "tool_use", ...; one without a name of its own is "default" */
    size_t template_count;
    const chat_text *specials; /* by the names that templates give them: "bos_token" is "<s>" */
    size_t special_count;
} chat_files;

/* Reads one file of the checkpoint: its whole text, NULL text where it has none of that name; *path is for messages. */
typedef status chat_reader(void *context, const char *file, const char **path, slice *text, error *err);
/* chat_template.jinja and chat_templates/tool_use.jinja, else chat_template.json, else "chat_template" (a text, or a list
 * with names) in tokenizer_config.json; special tokens from there, else from special_tokens_map.json. */
status chat_files_read(arena *a, chat_reader *read, void *context, chat_files *out, error *err);

/* ---- a format, opened ---- */

typedef struct chat_options {
    const char *template;         /* a file, or the name of one of the checkpoint's templates; NULL: "default" */
    const char *const *arguments; /* "NAME=JSON": further variables, such as enable_thinking=false */
    size_t argument_count;
    const char *date;             /* "2026-11-21" or "2026-11-21T14:05:09"; NULL: none */
} chat_options;

typedef struct chat_format chat_format;

/* `name` is the model's, for messages; `options` may be NULL. The tokenizer must outlive the format, and several threads
 * may use it at once. STATUS_UNSUPPORTED: the checkpoint has no template, or one that this version cannot run (with the
 * reason); STATUS_USAGE: an option that cannot be read, or a template that writes today's date into an ordinary
 * conversation while none is given. */
status chat_format_open(arena *a, const char *name, const chat_files *files, const tokenizer *t,
                        const chat_options *options, chat_format **out, error *err);
/* The template itself; whether it names a variable, or writes some words (jinja/jinja.h). */
const char *chat_format_text(const chat_format *f);
bool chat_format_names(const chat_format *f, const char *variable);
bool chat_format_writes(const chat_format *f, slice words);
/* SHA-256 of the template, in hexadecimal digits. */
const char *chat_format_hash(const chat_format *f);
/* What tells prompts of this format from those of our own template without options: "" for that, else a text that begins
 * with a space and names template, arguments and date. */
const char *chat_format_identity(const chat_format *f);
/* Whether the template writes the token for the beginning of a text. */
bool chat_format_writes_bos(const chat_format *f, int32_t bos);

enum {
    CHAT_ANSWER = 1,   /* an answer of the assistant is wanted */
    CHAT_CONTINUE = 2, /* the last turn is the start of an answer, which goes on behind its text */
};

/* The text of a conversation, in the arena. `tools`: JSON schemas of the tools that may be called, or NULL. STATUS_UNSUPPORTED: the template does not take such a conversation
 * (its words are in the message); STATUS_INVALID: it fails on it, or words are not UTF-8. The spans of
 * out->generation are the assistant's words, where a template marks them with {% generation %}. */
status chat_render(const chat_format *f, arena *a, const chat_turn *turns, size_t count, unsigned flags,
                   const json_t *tools, jinja_output *out, error *err);
/* Appends the ids of a rendered conversation, and of the words `behind` it (an answer that is scored). */
status chat_tokens(const chat_format *f, const jinja_output *prompt, slice behind, token_list *out, error *err);

/* ---- without a template ---- */

/* Appends <|begin|> text <|end|>. */
status chat_encode_document(const tokenizer *t, slice text, token_list *out, error *err);
/* For models without a template of their own: `bos` (where it is not negative), then the texts, one a line, without
 * roles, and a line break before the answer; `prefill` behind it. */
status chat_encode_plain(const tokenizer *t, const chat_turn *turns, size_t count, int32_t bos, slice prefill,
                         token_list *out, error *err);
/* Whether the ids of the special tokens are ours. */
bool chat_tokenizer_fits(const tokenizer *t);

#endif
