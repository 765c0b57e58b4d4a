/* conversation.h - a conversation with a subject, as `assay chat` leads it: what was said, how answers are drawn, and asking.
 *
 *     conversation c;
 *     conversation_open(&c, subject, seed);
 *     TRY(conversation_ask(&c, "Who sells bread?", print, NULL, &stop, err));     // prints as it comes, adds both to the history
 *     conversation_close(&c);
 */
#ifndef ASSAY_CLI_CONVERSATION_H
#define ASSAY_CLI_CONVERSATION_H

#include "subject/local.h"

#include <stdatomic.h>

typedef struct conversation {
    subject *subject;
    local_parts local; /* engine NULL: whole answers */
    arena *arena;      /* of what was said */
    const char *system; /* NULL: none */
    message *said;
    size_t count, capacity;
    double temperature;
    int max_tokens;
    uint64_t seed, attempt; /* the attempt: another draw for the same question */
} conversation;

typedef void conversation_print(void *context, slice text);

status conversation_open(conversation *c, subject *s, uint64_t seed, error *err);
void conversation_close(conversation *c);
/* Forgets what was said, but not the system message. */
status conversation_reset(conversation *c, error *err);
/* NULL or "": none. */
status conversation_set_system(conversation *c, const char *text, error *err);
/* Asks `question` (NULL: the last one again, with another draw) and adds it and the answer to what was said. The answer is
 * given to `print` in pieces, or whole by subjects that do not stream. When *stop turns true the answer ends there, and what
 * came so far is the answer; of an API nothing has come, and it is a failure (STATUS_INTERRUPTED). On failure nothing is added. */
status conversation_ask(conversation *c, const char *question, conversation_print *print, void *context, const atomic_bool *stop,
                        error *err);
/* {"messages": [...]}, as the chat API takes them. */
status conversation_save(const conversation *c, const char *path, error *err);
status conversation_load(conversation *c, const char *path, error *err);

#endif
