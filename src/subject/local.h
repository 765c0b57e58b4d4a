/* local.h - what a checkpoint on this machine is made of, for those who speak to its engine themselves (serve, chat).
 *
 *     local_parts parts;
 *     if (subject_local_parts(subject, &parts)) ... parts.engine
 */
#ifndef ASSAY_SUBJECT_LOCAL_H
#define ASSAY_SUBJECT_LOCAL_H

#include "lm/chat.h"
#include "lm/engine.h"
#include "lm/tool_calls.h"
#include "subject/subject.h"

typedef struct local_parts {
    engine *engine; /* NULL: the subject is something else */
    const checkpoint *checkpoint;
    const chat_format *format; /* NULL: texts are put as they are */
    tool_form tools;           /* how calls of tools are read; TOOL_FORM_NONE: it is offered none */
} local_parts;

/* False where the subject is no checkpoint on this machine. The parts stay the subject's; whoever uses the engine is its one
 * thread, and asks the subject itself nothing meanwhile. */
bool subject_local_parts(const subject *s, local_parts *out);
/* Every answer and every score from now on is computed with these changes of the model (lm/engine.h), which must outlive the subject.
 * The subject's identity is the caller's affair. */
void subject_local_steer(subject *s, const engine_intervention *interventions, size_t count);
/* Appends the ids of a conversation as the subject would put it, with the start of an answer behind it. `tools` as
 * generate_request has them; NULL: none. From any thread. */
status subject_local_prompt(subject *s, arena *a, const message *messages, size_t count, const char *tools, token_list *out,
                            error *err);
/* What an answer says beside calls of tools, and the calls, as blocks of a reply: *text and *blocks (none: *count 0). From any
 * thread. */
status subject_local_calls(const subject *s, arena *a, const char *tools, size_t message_count, slice answer, const char **text,
                           const block **blocks, size_t *count, error *err);

#endif
