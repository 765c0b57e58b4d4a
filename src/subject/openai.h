/* openai.h - the halves of the OpenAI forms: openai_body.c writes requests, openai_reply.c reads answers (private to
 * src/subject). api.h says what each function is for. */
#ifndef ASSAY_SUBJECT_OPENAI_H
#define ASSAY_SUBJECT_OPENAI_H

#include "subject/api.h"

const char *openai_chat_unsupported(const api *s, const generate_request *q);
const char *openai_completions_unsupported(const api *s, const generate_request *q);
json_t *openai_chat_body(const api_call *c, arena *a);
json_t *openai_completions_body(const api_call *c, arena *a);

#endif
