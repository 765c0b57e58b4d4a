/* api.h - subjects that answer by HTTP: what the wire forms have in common, and what each of them brings (private to
 * src/subject).
 *
 *     api.c           opening, the class, asking
 *     api_address.c   from a specification to an address, a form and a key
 *     api_outcome.c   what stands, what is tried again, and the words for what failed
 *     api_probe.c     what a backend can really do
 *     api_score.c     log-probabilities of given continuations, by what the backend has
 *     openai_*.c      chat completions and completions; anthropic_*.c: messages
 *
 * A form is a row of functions (api_form). One request on its way is an api_call: it writes a body, which depends on
 * what the server has been found to want (its `habits`), and reads an answer. Nothing here trusts an answer: every
 * member is looked at before use, and what is not as documented makes the call malformed.
 */
#ifndef ASSAY_SUBJECT_API_H
#define ASSAY_SUBJECT_API_H

#include "subject/classes.h"
#include "subject/http.h"

#include <stdatomic.h>

enum { API_ANSWER_BYTES = 10 << 20, API_MOST_STOPS = 4, API_TOP = 20 };

/* What a server has been found to want, by its own complaints or by the probe. */
enum {
    API_NEWER_LIMIT = 1 << 0,    /* max_completion_tokens in the place of max_tokens */
    API_NO_LOGPROBS = 1 << 1,    /* refuses requests for log-probabilities */
    API_NO_SEED = 1 << 2,
    API_NO_TEMPERATURE = 1 << 3, /* draws as it likes */
    API_CONTINUES = 1 << 4,      /* takes continue_final_message (vLLM, SGLang) */
    API_PREFILLS = 1 << 5,       /* goes on with a last message of the assistant by itself (llama.cpp, Anthropic) */
    API_PROMPT_LOGPROBS = 1 << 6, /* vLLM's prompt_logprobs with chat */
    API_ECHOES = 1 << 7,         /* completions give log-probabilities of the prompt */
    API_LISTS_TOP = 1 << 8,      /* top_logprobs */
    API_TOP_K = 1 << 9,          /* takes top_k (vLLM, SGLang, llama.cpp, Anthropic) */
};

typedef struct api api;
typedef struct api_call api_call;

typedef struct api_form {
    const char *name;         /* part of the subject's identity */
    const char *path;         /* "/chat/completions" */
    const char *key_variable; /* where the key is, unless the user says otherwise */
    const char *key_header;   /* what stands before the key in its header */
    const char *header;       /* one more; NULL */
    unsigned abilities, habits; /* before anything is known of the server */
    /* Why a request cannot be put in this form; NULL when it can. */
    const char *(*unsupported)(const api *s, const generate_request *q);
    /* The body of a request, as the habits in c->habits say; NULL when it cannot be written. */
    json_t *(*body)(const api_call *c, arena *a);
    /* What is wrong with an answer; NULL when `read` can read it. */
    const char *(*malformed)(const json_t *answer);
    status (*read)(arena *a, const json_t *answer, const generate_request *q, generate_reply *reply);
} api_form;

struct api {
    const api_form *form;
    const char *base;  /* "https://host/v1" */
    const char *url, *model;
    const char *key_variable;
    char *key; /* NULL: none set; wiped at the end */
    http_client *client;
    atomic_uint habits;
};

struct api_call {
    api *api;
    const generate_request *request;
    const void *question; /* of calls that are no generate_request */
    const char *url;
    budget_claim *claim;
    json_t *(*write)(const api_call *c, arena *a); /* the form's, or another; NULL: a GET */
    const char *(*check)(const json_t *answer);
    http_exchange exchange;
    strbuf body;
    unsigned habits;       /* as sent */
    json_t *answer;        /* of an HTTP 200 that could be read */
    const char *malformed; /* what was wrong with it, else NULL */
    bool unpaid;           /* the budget left nothing for another try */
    bool looking;          /* a probe: who hangs is not asked again */
    status refused;        /* a request that cannot be put in this form */
    const char *refusal;
};

extern const api_form openai_chat_form, openai_completions_form, anthropic_form;

/* api_address.c: fills form, base, url, model, key_variable and key. */
status api_address(arena *a, const char *specification, const subject_options *options, api *s, error *err);

/* api.c: sends the calls whose refusal is NULL and waits until all are through. api_clear must follow. */
void api_send(arena *a, api_call *calls, size_t count);
void api_clear(api_call *calls, size_t count);

/* api_outcome.c. The judge runs on the client's thread. */
http_verdict api_judge(void *context, http_exchange *x);
/* Reads what came; false when it cannot be used and is to be asked once more. On the asker's thread: answers may be long,
 * and others wait for the client's. */
bool api_read(api_call *c);
/* How a call ended: STATUS_OK with *code and *problem, where *code is STATUS_OK if c->answer may be read; another
 * status when nobody's request would fare better. */
status api_outcome(arena *a, const api_call *c, status *code, const char **problem, error *err);
/* Writes the body (again). */
bool api_write(api_call *c, arena *a);

/* api_score.c */
status api_score(subject *self, arena *a, const score_request *const *requests, score_reply *replies, size_t count,
                 error *err);
/* api_probe.c */
status api_probe(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err);

/* openai_reply.c: log-probabilities of what was generated, in any of the forms that servers use; NaN when there are
 * none, or when a token carries no real value (-9999 stands for "too unlikely to say"). */
double openai_logprob(const json_t *answer);
/* The tokens that the server lists for the first place: the natural logarithm of the probability of the one that reads
 * `text`; NaN when it is not listed. */
double openai_top_logprob(const json_t *answer, const char *text);
/* Token counts of an answer; false when it has none. */
bool openai_usage(const json_t *answer, int *prompt, int *completion, int *cached);
/* openai_body.c: the messages as the chat form has them; NULL when out of memory or not UTF-8. */
json_t *openai_messages(arena *a, const message *messages, size_t count);
/* The server's seed: 31 bits drawn at the request's address. */
json_int_t api_seed(const request_address *at);
/* Sets the body's "tools" to the request's (JSON text; NULL: none), each as the form writes it. Not 0: a tool that cannot be
 * written. */
int api_set_tools(json_t *body, const char *text, json_t *(*tool)(json_t *tool));
/* A member of `usage` or the like as a count; 0 when it is none. */
int api_count(const json_t *object, const char *key);
/* The prompt of the completions form: texts, each with a line break, then what is prefilled. */
const char *openai_prompt(arena *a, const message *messages, size_t count);
/* Blocks of an answer, gathered. */
typedef struct api_blocks {
    block *items;
    size_t count, capacity;
    bool failed;
} api_blocks;
void api_blocks_add(arena *a, api_blocks *list, block b);

#endif
