/* local_prompt.h - what a checkpoint on this machine is asked, as tokens (private to src/subject).
 *
 * A request's messages become turns of its chat template (lm/chat.h), or plain texts where the user wants no template:
 *     text         the turn's content
 *     reasoning    reasoning_content (and thinking): whether it is written again is the template's business
 *     tool call    tool_calls of an assistant's turn
 *     tool result  a turn of the role tool
 *     prefill      the start of the answer, behind the text of the last message
 * Tools (as generate_request has them, parsed; NULL: none) are shown as `transformers` shows them.
 * Images are refused, and so is whatever the template does not take.
 */
#ifndef ASSAY_SUBJECT_LOCAL_PROMPT_H
#define ASSAY_SUBJECT_LOCAL_PROMPT_H

#include "lm/chat.h"
#include "subject/subject.h"

/* How prompts are written. */
typedef struct local_style {
    const chat_format *format; /* NULL: plain texts */
    const tokenizer *tokenizer;
    int32_t bos;
} local_style;

typedef struct local_prompt {
    jinja_output rendered; /* with a format */
    chat_turn *turns;      /* plain: */
    size_t count;
    slice prefill;
} local_prompt;

/* Reads and renders. STATUS_UNSUPPORTED, STATUS_INVALID: this request alone cannot be asked. */
status local_prompt_make(const local_style *style, arena *a, const message *messages, size_t count, const json_t *tools,
                         local_prompt *out, error *err);
/* The same for a conversation that is whole, the reply to its last message included. STATUS_UNSUPPORTED where texts are plain. */
status local_prompt_make_whole(const local_style *style, arena *a, const message *messages, size_t count, const char *reply,
                               local_prompt *out, error *err);
/* Appends the ids, with those of the words `behind` (an answer that is scored). */
status local_prompt_tokens(const local_style *style, const local_prompt *prompt, slice behind, token_list *out, error *err);

#endif
