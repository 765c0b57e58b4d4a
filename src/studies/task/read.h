/* read.h - private to the task study: what a written reply says, and why nothing could be read where nothing was. */
#ifndef ASSAY_STUDIES_TASK_READ_H
#define ASSAY_STUDIES_TASK_READ_H

#include "studies/task/task.h"

/* name, what a report says */
#define REPLY_STATES(X)                                                                        \
    X(READ, "read", "could be read")                                                           \
    X(EMPTY, "empty", "the reply is empty")                                                    \
    X(REFUSED, "refused", "the reply declines to answer")                                      \
    X(OTHER_LETTER, "other_letter", "the reply names a letter that is none of the choices")    \
    X(OTHER_SCRIPT, "other_script", "the reply is in another script than the question")        \
    X(TOO_LONG, "too_long", "the reply was cut off at the limit before it gave an answer")     \
    X(UNREADABLE, "unreadable", "the reply names no answer")

typedef enum reply_state {
#define X(name, word, words) REPLY_##name,
    REPLY_STATES(X)
#undef X
    REPLY_STATE_COUNT
} reply_state;

extern const char *const reply_state_names[REPLY_STATE_COUNT];
extern const char *const reply_state_words[REPLY_STATE_COUNT];

/* Which choice a reply names: its letter where the choices are letters, else the choice that it begins with, that stands behind
 * "answer is", or the only one that it mentions. *index is -1 where the state is not REPLY_READ. */
reply_state task_read_choice(const task_item *item, const char *asked, const generate_reply *reply, int *index);
/* The last number of a text ("1,234.5" is one number, "$18." is 18); `first`: the first. */
bool task_read_number(slice text, bool first, double *out);
/* Why nothing could be read of a reply that says nothing we know. */
reply_state task_reply_unread(const char *asked, const generate_reply *reply);

#endif
