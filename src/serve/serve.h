/* serve.h - a subject behind HTTP, in OpenAI's forms, so that other tools can use it.
 *
 *     server *s;
 *     TRY(serve_new(subject, &(serve_options){.port = 8000}, &s, err));
 *     puts(serve_address(s));                        // http://127.0.0.1:8000
 *     status result = serve_wait(s, &stop, err);     // until somebody sets `stop`
 *     serve_free(s);
 *
 * Routes: POST /v1/chat/completions, /v1/completions, /tokenize, /detokenize (also below /v1), GET /tokenizer_info, /v1/models, /health,
 * /metrics. docs/serving.md says what each takes. A checkpoint on this machine answers token by token, all requests in one
 * engine; any other subject (script, router, API) answers chats, whole.
 *
 * Threads: one for all connections, one for the engine, a few that read requests (for other subjects: that ask and wait).
 * None belongs to a connection. What waits costs no processor time.
 */
#ifndef ASSAY_SERVE_SERVE_H
#define ASSAY_SERVE_SERVE_H

#include "subject/subject.h"

#include <stdatomic.h>

typedef struct server server;

typedef struct serve_options {
    const char *host;         /* NULL: 127.0.0.1; a numeric address or "localhost" */
    int port;                 /* 0: any that is free */
    const char *key;          /* bearer token; NULL: none, on loopback addresses alone */
    const char *const *origins; /* web pages that may call (CORS); "*": all */
    size_t origin_count;
    const char *model;        /* the name in /v1/models; NULL: the subject's specification */
    uint64_t seed;            /* of draws for requests without a seed, together with their number */
    size_t body_bytes;        /* of one request; 0: 8 MiB */
    size_t connections;       /* at once; 0: 1024 */
    size_t queue;             /* requests that wait or are answered; 0: 1024 */
    double idle_seconds;      /* a connection on which nothing moves is closed; 0: 60 */
    double request_seconds;   /* of a request, from its first byte to the last of its answer; 0: 600 */
    double drain_seconds;     /* what a stop gives to requests in flight; 0: 10 */
} serve_options;

/* Listens from here on. The subject stays the caller's, must outlive the server, and must not be asked by anybody else.
 * STATUS_USAGE: an address that is not loopback and no key; STATUS_IO: the address cannot be had. */
status serve_new(subject *who, const serve_options *options, server **out, error *err);
/* "http://HOST:PORT" */
const char *serve_address(const server *s);
/* Serves until *stop; then takes no new request, gives those in flight some time, and cuts what is left. */
status serve_wait(server *s, const atomic_bool *stop, error *err);
/* Cuts everything at once, if serve_wait has not ended it. */
void serve_free(server *s);

#endif
