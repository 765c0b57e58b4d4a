/* inside.h - what the files of the server do for each other (private to src/serve).
 *
 *     serve.c     made, watched, stopped, freed        http.c      connections: requests gathered, answers sent
 *     guard.c     who may ask: host, key, page, type   routes.c    which route does what
 *     job.c       one request and its answer           work.c      threads that read requests
 *     engine.c    answers from the engine              ask.c       answers from any other subject
 *     answer.c    OpenAI's forms of answers            tokens.c    /tokenize, /detokenize, how tokens are shown
 *
 * A job belongs to the connection's side and to the answering side, a reference each. Its fields fall in three groups: those
 * set before it is handed over (never changed then), those of the answering side (one thread at a time: a worker, then the
 * engine's), and those under its lock.
 */
#ifndef ASSAY_SERVE_INSIDE_H
#define ASSAY_SERVE_INSIDE_H

#include "serve/metrics.h"
#include "serve/request.h"
#include "serve/serve.h"
#include "subject/broker.h"
#include "subject/local.h"

#include <microhttpd.h>
#include <pthread.h>

typedef struct job job;
typedef struct wire wire;

/* ---- routes ----------------------------------------------------------------------------------------------------- */

typedef struct route {
    const char *method, *path;
    request_kind kind;                       /* of a body that is read by a worker; 0: none */
    void (*answer)(server *s, job *j);       /* at once, on the thread of the connections */
    bool open;                               /* needs no key */
} route;

/* NULL, with *allowed the methods of that path ("" where there is no such path). */
const route *route_find(const char *method, const char *path, const char **allowed);
/* Adds " GET /health, POST /v1/completions, ..." */
void route_names(strbuf *out);

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

/* One answer of a job: of one prompt, the n-th choice. */
typedef struct part {
    job *job;
    size_t index;
    const int32_t *prompt;
    size_t prompt_count;
    slice prompt_text;   /* to be echoed */
    uint64_t ticket;
    bool done, spoke, introduced; /* a token came; a stream has said its role */
    size_t offset;       /* characters written so far, for text_offset */
    json_t *choice;      /* the answer, unless it is streamed */
} part;

struct job {
    server *server;
    const route *route;
    struct MHD_Connection *connection;
    wire *wire;
    atomic_int references;
    double received, gathered; /* its first byte, its last */
    strbuf body;
    size_t swallowed;    /* bytes of a body that is refused */
    problem problem;
    bool handed;         /* the answering side has it */
    const char *cors;    /* the page that may read the answer; NULL: none said */

    /* the answering side */
    arena *arena;
    request request;
    char id[40];
    long long created;
    part *parts;
    size_t part_count, parts_done;
    void *constraint;
    uint64_t prompt_tokens, completion_tokens, cached_tokens;
    json_t *prompt_logprobs; /* of a chat */
    bool begun;          /* a stream has its first piece */
    job *next;           /* in a queue, or among those in the engine */

    atomic_bool cancelled; /* nobody wants the answer any more, or its time is over */
    atomic_bool late;      /* its time is over */
    atomic_bool left;      /* it counts no more among those in flight */

    pthread_mutex_t lock;
    bool suspended, ready, streaming, finished, broken, gone;
    int http;
    const char *type;
    strbuf out;
    size_t sent;
};

/* A connection. */
struct wire {
    wire *next, **back;
    int socket;
    double since;   /* of the state it is in */
    job *job;       /* the request at work on it; NULL: none is gathered */
};

job *job_new(server *s, struct MHD_Connection *c);
void job_release(job *j);
/* The answering side has ended with it. */
void job_leave(job *j);
/* A heap buffer for an answer. */
strbuf job_text(void);
/* The whole answer, which is taken over; from any thread, once. Too late, it is dropped. */
void job_finish(job *j, int http, const char *type, strbuf *text);
void job_fail(job *j, const problem *p);
/* A piece of a stream; the first one settles that the answer is a stream. */
void job_stream(job *j, slice piece);
/* The end of a stream; `broken`: the connection is cut there. */
void job_stream_end(job *j, bool broken);
/* Its time is over: it is answered so at once, whatever the answering side does. */
void job_expire(job *j);
/* From any thread: it shall end soon. */
void job_cancel(job *j);
/* Why a job that was cancelled ends so. */
void job_cancel_problem(const job *j, problem *p);

/* ---- the server ------------------------------------------------------------------------------------------------- */

enum { SERVER_MOST_WORKERS = 32, SERVER_UNSENT_BYTES = 16 << 20 };

typedef struct job_queue {
    job *first, **end;
    size_t count;
} job_queue;

struct server {
    arena *arena;
    serve_options options;
    subject *subject;
    local_parts local;      /* engine NULL: not a checkpoint on this machine */
    broker *broker;         /* of any other subject */
    const char *address, *model;
    char fingerprint[24];
    bool loopback;
    struct MHD_Daemon *daemon;
    int listener;           /* after the daemon gave it back; -1 */
    metrics metrics;
    atomic_bool stopping;
    atomic_ullong numbers;  /* of requests */
    atomic_size_t in_flight; /* jobs whose answer is not there */
    atomic_size_t open;      /* requests whose answer is not sent */
    atomic_size_t body_bytes; /* of all bodies held */
    time_t started;

    pthread_mutex_t wires_lock;
    wire *wires;
    size_t wire_count;

    pthread_mutex_t lock;   /* the two queues */
    pthread_cond_t work, engine_work;
    job_queue queue, engine_queue;
    bool closing, speech_closing; /* the workers end; the engine's thread does */
    atomic_bool some_cancelled;
    pthread_t workers[SERVER_MOST_WORKERS], engine_thread;
    size_t worker_count;
    bool has_engine_thread;
};

void queue_put(job_queue *q, job *j);
job *queue_take(job_queue *q);

status http_start(server *s, error *err);
void http_stop(server *s);

/* Whether the request may be answered; else *p says why not. */
bool guard_request(server *s, job *j, const char *method, problem *p);
bool guard_host_is_loopback(const char *host);

status work_start(server *s, error *err);
void work_stop(server *s);
/* Hands a gathered request to a worker. */
void work_put(server *s, job *j);

/* speak.c: prepares on a worker, then answers on the engine's thread. */
status speak_start(server *s, error *err);
void speak_end(server *s);
void speak_answer(server *s, job *j);
/* ask.c: asks and waits, on a worker. */
void ask_answer(server *s, job *j);
/* tokens.c */
void tokens_answer(server *s, job *j);
/* What a client needs to know to use the tokenizer over HTTP, as vLLM says it. */
void tokens_describe(server *s, job *j);

/* ---- forms ------------------------------------------------------------------------------------------------------ */

/* One token as clients see it; top: alternatives, id -1 where there are no more. */
typedef struct shown_token {
    int32_t id;
    double logprob; /* NaN: none */
    const engine_top *top;
    size_t top_count;
} shown_token;

/* {"token", "logprob", "bytes", "top_logprobs"} */
json_t *token_entry(const tokenizer *t, const shown_token *token);
/* Adds to {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, which is made where *lists is NULL; moves *offset. */
bool token_append(const tokenizer *t, const shown_token *token, size_t *offset, json_t **lists);
/* vLLM's {"ID": {"logprob", "rank", "decoded_token"}, ...} */
json_t *token_ranked(const tokenizer *t, const shown_token *token);
/* A string of bytes that may end inside a character: U+FFFD for what is no character. */
json_t *json_text(slice bytes);

/* What an answer ends with: "stop", "length", "tool_calls", "content_filter". `logprobs` is taken over, may be NULL. */
json_t *answer_choice(const job *j, size_t index, slice text, const char *finish, json_t *logprobs);
/* The whole answer from all parts' choices. */
void answer_whole(job *j);
/* Pieces of a stream. finish NULL: it goes on. */
void answer_role(job *j, size_t index);
/* Adds what a reply says beside its text, calls of tools and reasoning, to a chat's choice. */
void answer_calls(json_t *choice, const block *blocks, size_t count);
/* The part's choice, whole, as a stream. */
void answer_at_once(job *j, size_t index);
void answer_piece(job *j, size_t index, slice text, const char *finish, json_t *logprobs);
void answer_end(job *j);
/* Ends a job in the right way: a body with the problem, or a last event of a stream. */
void answer_problem(job *j, const problem *p);
json_t *answer_usage(const job *j);

#endif
