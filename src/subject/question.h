/* question.h - questions and answers as JSON: what a plug-in sends to a role, and what it gets back (docs/plugins.md).
 *
 *     {"role": "subject", "messages": "Is it a cat?", "max_tokens": 32}
 *     {"role": "subject", "messages": [{"role": "user", "content": "..."}], "continuations": [" yes", " no"]}
 *
 *     question q;
 *     TRY(question_read(arena, ask, &q, err));
 *     ... generate or score ...
 *     json_t *answer = question_answer(&reply);          // {"text", "reason", "prompt_tokens", "completion_tokens", ...}
 */
#ifndef ASSAY_SUBJECT_QUESTION_H
#define ASSAY_SUBJECT_QUESTION_H

#include "subject/subject.h"

typedef struct question {
    const char *role; /* "subject" when none is named */
    const message *messages;
    size_t count;
    int max_tokens;      /* 0: not said */
    double temperature;  /* 0: greedy */
    const char *const *stops;
    size_t stop_count;
    bool logprobs;
    double position;     /* -1: none */
    const char *good, *bad; /* references for routers and oracles; NULL */
    const char *tools;      /* JSON text; NULL */
    const char *const *continuations;
    size_t continuation_count;
} question;

/* Everything is copied into `a`. STATUS_INVALID names the member that is wrong. `scores`: continuations are needed; else
 * they are refused. */
status question_read(arena *a, const json_t *ask, bool scores, question *out, error *err);
/* A message list of "role" and "content" (a text, or blocks as message_list_json writes them), or one text of the user. */
status question_read_messages(arena *a, const json_t *value, const message **out, size_t *count, error *err);
/* NULL when memory is out. */
json_t *question_answer(const generate_reply *reply);
json_t *question_scores(const score_reply *reply, size_t count);

#endif
