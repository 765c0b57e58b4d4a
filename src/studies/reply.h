/* reply.h - what studies read out of written replies, alike: which choice is named, and why nothing could be read where nothing was.
 *
 *     int index;
 *     if (reply_choice(choices, count, question, &reply, &index) == REPLY_READ)
 *         chosen[index]++;
 */
#ifndef ASSAY_STUDIES_REPLY_H
#define ASSAY_STUDIES_REPLY_H

#include "core/text.h"
#include "subject/subject.h"

/* The capital letter that a reply names as its answer: behind the last "answer is" (or "answer:"); else its own first letter
 * where it stands alone ("B", "(B) Oslo", "B. Oslo", not "I think"); else the last one in brackets; 0: none. */
char reply_letter(const char *reply);
/* Whether the words of a reply decline to answer. */
bool reply_declines(const char *reply);

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
/* {state: how many}, of those from `first` on that came. */
json_t *reply_states_json(const size_t counts[REPLY_STATE_COUNT], reply_state first);

/* Counts the member "why" of what a record says of an answer: the name of a state; nothing where it is absent. */
void reply_count_why(const json_t *answer, size_t counts[REPLY_STATE_COUNT]);
/* Adds to `findings`, for each state in {state: how many}: "Counted apart: in 3 answers to the form x, the reply is empty." `where`: "
 * to the form x", or "". */
void reply_say_unread(const json_t *why, const char *where, json_t *findings);

/* Which of `count` choices a reply to `asked` names: its letter where the choices are letters, else the choice that it begins with,
 * that stands behind "answer is", or the only one that it mentions. *index is -1 where the state is not REPLY_READ. */
reply_state reply_choice(const char *const *choices, size_t count, const char *asked, const generate_reply *reply, int *index);
/* Why nothing could be read of a reply that says nothing we know. */
reply_state reply_unread(const char *asked, const generate_reply *reply);

#endif
