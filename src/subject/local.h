/* local.h - what a checkpoint on this machine is made of, for those who speak to its engine themselves (serve, chat).
 *
 *     local_parts parts;
 *     if (subject_local_parts(subject, &parts)) ... parts.engine
 */
#ifndef ASSAY_SUBJECT_LOCAL_H
#define ASSAY_SUBJECT_LOCAL_H

#include "lm/chat.h"
#include "lm/engine.h"
#include "subject/subject.h"

typedef struct local_parts {
    engine *engine; /* NULL: the subject is something else */
    const checkpoint *checkpoint;
    const chat_format *format; /* NULL: texts are put as they are */
} local_parts;

/* False where the subject is no checkpoint on this machine. The parts stay the subject's; whoever uses the engine is its one
 * thread, and asks the subject itself nothing meanwhile. */
bool subject_local_parts(const subject *s, local_parts *out);
/* Appends the ids of a conversation as the subject would put it, with the start of an answer behind it. From any thread. */
status subject_local_prompt(subject *s, arena *a, const message *messages, size_t count, token_list *out, error *err);

#endif
