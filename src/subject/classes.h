/* classes.h - the kinds of subject, each behind one opening function (private to src/subject).
 *
 * `rest` is the specification behind the prefix that stands in the table of subject.c; `specification` is the whole.
 * An opening function allocates the subject in `a`, fills every field, and leaves nothing open when it fails.
 */
#ifndef ASSAY_SUBJECT_CLASSES_H
#define ASSAY_SUBJECT_CLASSES_H

#include "subject/subject.h"

typedef status subject_opener(arena *a, const char *specification, const char *rest, const subject_options *options,
                              subject **out, error *err);

subject_opener subject_open_script, subject_open_router, subject_open_oracle, subject_open_best_of, subject_open_with, subject_open_api, subject_open_local,
    subject_open_plugin;

/* Whether `specification` reads like something that can be opened (files are looked for, nothing is opened); routers
 * find the border between their two subjects by it. */
bool subject_plausible(const char *specification);

/* Cuts `text` at the first stop string and to `max_tokens` words (0: all), the way a model's answer would end; for
 * subjects that make no tokens of their own. Fills text, reason and completion_tokens of `reply`. */
status subject_finish_text(arena *a, const char *text, const generate_request *request, generate_reply *reply);
/* Words of the prompt: the token count of subjects without tokens. */
int subject_prompt_words(const generate_request *request);
/* The text of the last user message; "" when there is none. */
const char *subject_last_question(arena *a, const message *messages, size_t count);

#endif
