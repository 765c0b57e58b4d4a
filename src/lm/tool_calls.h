/* tool_calls.h - calls of tools in what a model writes.
 *
 * A chat template shows a model the tools that it may call, and how it writes a call of its own; each family has its form.
 * The form is known by the words of the template, and the model's text is read by it:
 *
 *     tool_form form = tool_form_of(format);                       // TOOL_FORM_NONE: this model's calls cannot be read
 *     tool_reading said;
 *     TRY(tool_calls_read(arena, form, tools, text, salt, &said, err));
 *     // said.text: what is no call; said.calls[i]: name, arguments (a JSON object), id
 *
 * Forms that are read (special tokens may be missing from the text, as an engine leaves them out):
 *     tagged   <tool_call>{"name": "f", "arguments": {...}}</tool_call>, any number (Hermes, Qwen 2.5 and 3)
 *     bare     {"name": "f", "parameters": {...}} as the whole text, several parted by ; or line breaks (Llama 3.1, 3.2, 3.3)
 *     listed   [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...] (Mistral), or [TOOL_CALLS]f{...} (its later ones)
 * Not read: calls as Python (Llama 4) or as XML (Qwen 3 Coder, GLM), harmony, and forms of other makers; their templates give
 * TOOL_FORM_NONE.
 *
 * Where a mark says that a call follows, its name may be any: a model may call what nobody offered. Without a mark the text
 * is a call only when its name is one of the tools; else it stays text. What cannot be read as a call stays text, whole.
 */
#ifndef ASSAY_LM_TOOL_CALLS_H
#define ASSAY_LM_TOOL_CALLS_H

#include "lm/chat.h"

typedef enum tool_form { TOOL_FORM_NONE, TOOL_FORM_TAGGED, TOOL_FORM_BARE, TOOL_FORM_LISTED } tool_form;

/* The form of the calls that a template teaches; TOOL_FORM_NONE where it shows no tools, or teaches another form. */
tool_form tool_form_of(const chat_format *f);

typedef struct tool_reading {
    slice text; /* trimmed where there are calls; else all of it */
    chat_call *calls;
    size_t count;
} tool_reading;

enum { TOOL_CALLS_MOST = 128, TOOL_ID_CHARACTERS = 9 };

/* `tools`: [{"name", ...}, ...]. Texts lie in the arena. An id is nine letters and digits (what templates of Mistral ask for)
 * and follows from text, place and `salt`. STATUS_MEMORY alone is a failure. */
status tool_calls_read(arena *a, tool_form form, const json_t *tools, slice text, uint64_t salt, tool_reading *out, error *err);

#endif
