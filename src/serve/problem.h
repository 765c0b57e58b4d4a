/* problem.h - why a request is refused, in OpenAI's form (private to src/serve).
 *
 *     return problem_set(p, 400, "temperature", "temperature: expected a number from 0 to 100, found a string");
 *
 * becomes {"error": {"message": ..., "type": "invalid_request_error", "param": "temperature", "code": null}}.
 */
#ifndef ASSAY_SERVE_PROBLEM_H
#define ASSAY_SERVE_PROBLEM_H

#include "core/error.h"
#include "core/text.h"

typedef struct problem {
    int http;         /* 0: none */
    const char *code; /* a word for programs, or NULL */
    char param[64];   /* the parameter at fault, or "" */
    char message[1024];
} problem;

/* Returns false, so that it can stand in a return statement. Bytes that are not UTF-8 become U+FFFD when it is printed. */
bool problem_set(problem *p, int http, const char *param, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* From a failure below: wrong input is the client's (400), the rest ours. */
bool problem_from(problem *p, status code, const char *message);
/* The HTTP status that a failure below is worth. */
int problem_http(status code);
const char *problem_type(int http);
/* Adds the whole JSON object. */
void problem_print(const problem *p, strbuf *out);

#endif
