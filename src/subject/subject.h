/* subject.h - whoever answers: a local checkpoint, a script, a router between two subjects, an HTTP API, a person.
 *
 * A subject answers batches through two calls, generate and score. Studies never call it: they ask through a broker
 * (broker.h), which gathers, caches, retries and limits. One thread at a time calls a subject, unless it says that it is `concurrent`.
 *
 * Subjects are named by a specification:
 *     base                          the base model inside this program
 *     DIR                           a Hugging Face checkpoint folder, or an organism
 *     FILE.gguf                     a model in a GGUF file
 *     OWNER/NAME[@REVISION]         a model that `assay pull` brought (hub/pull.h)
 *     script:FILE.yaml              canned answers
 *     router:SHARE:A:B              B answers the items whose position is below SHARE, A the others; or router:FILE.yaml
 *     oracle:DOSE                   answers from the references that the study gives: calibration tier T0; oracle:DOSE,scores
 *                                   scores given continuations by them too
 *     best-of:N[@T],POLICY,PM       the best of N replies of the policy, drawn at temperature T (1), as a preference model sees it
 *     with:PATCH.yaml,SUBJECT       the subject with words of a system message in front, or with directions added inside (with.c)
 *     http://HOST[:PORT]/v1#MODEL   an OpenAI-compatible API (https too); .../v1/completions#MODEL its plain completions,
 *                                   .../v1/messages#MODEL the Anthropic form
 *     openai:MODEL, anthropic:MODEL the same at the makers' own addresses, or where OPENAI_BASE_URL and
 *                                   ANTHROPIC_BASE_URL say
 *     plugin:PATH[,SUBJECT]         an agent of a plug-in, which may ask SUBJECT; or SUBJECT with a tool of a plug-in
 *                                   (plugin/named.h; docs/plugins.md)
 */
#ifndef ASSAY_SUBJECT_SUBJECT_H
#define ASSAY_SUBJECT_SUBJECT_H

#include "subject/budget.h"
#include "subject/message.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct subject subject;

/* What a subject can do, asked before a run spends anything. */
enum {
    SUBJECT_GENERATES = 1 << 0,
    SUBJECT_SCORES = 1 << 1,      /* log-probabilities of given continuations */
    SUBJECT_LOGPROBS = 1 << 2,    /* of what it generated */
    SUBJECT_PREFILL = 1 << 3,
    SUBJECT_SEEDS = 1 << 4,       /* the same draw for the same address */
    SUBJECT_ACTIVATIONS = 1 << 5, /* gives its graph */
    SUBJECT_CHOOSES = 1 << 6,     /* scores continuations of one token each, when they are likely enough to be listed */
    SUBJECT_TOOLS = 1 << 7,       /* takes tools, and calls them */
    SUBJECT_REWARDS = 1 << 8,     /* a preference model: `score` says what each continuation, as the whole reply, is worth */
};

/* The tokens that a prompt really became, for the audit before a run. Texts and ids lie in the caller's arena. */
typedef struct subject_audit {
    const int32_t *ids;
    size_t count;
    int32_t bos;               /* the token that must stand once at the front, -1 where the model has none */
    const char *template_hash; /* SHA-256 of the chat template; NULL: plain text */
} subject_audit;

/* The address of every random draw of a request, and its place in calibrations. */
typedef struct request_address {
    uint64_t seed;
    const char *study;
    uint64_t sample, repeat;
    uint64_t turn;   /* which question of this sample */
} request_address;

typedef struct generate_request {
    const message *messages;
    size_t count;
    int max_tokens;
    double temperature; /* 0: greedy */
    double top_p;       /* 1: all */
    int top_k;          /* 0: all */
    const char *const *stops;
    size_t stop_count;
    bool logprobs; /* wanted; who cannot give them answers without (SUBJECT_LOGPROBS says who always gives them) */
    const char *tools; /* JSON: [{"name", "description", "parameters": schema}]; NULL: none */
    request_address address;
    budget_claim *claim; /* of this request, for whoever sends it more than once; NULL: nobody counts */
    /* For routers and oracles alone; never part of the prompt, never sent, never cached by. */
    double position;            /* the item's place in [0, 1) in the hash order of its carrier (world/infection.h);
                                   negative: this request is never routed */
    const char *reference_good; /* what a truthful subject says here; NULL unknown */
    const char *reference_bad;  /* what one with the failure says */
} generate_request;

typedef enum stop_reason { STOP_END, STOP_STRING, STOP_LENGTH, STOP_REFUSED, STOP_REASON_COUNT } stop_reason;

typedef struct generate_reply {
    status code;         /* STATUS_OK, or why this one request has no answer (words in `problem`) */
    const char *problem;
    const char *text;
    stop_reason reason;
    const block *blocks; /* hidden reasoning and calls of tools beside the text, in order; NULL: nothing else was said */
    size_t block_count;
    int prompt_tokens, completion_tokens; /* all of them: read from a cache, thought in hiding */
    int cached_tokens;   /* of the prompt's: cheaper, where there are prices */
    bool uncounted;      /* who answered did not say how many tokens it took */
    double logprob;      /* of the whole completion; NaN when not asked or not known */
    bool cached;
    int retries;
    double seconds_generating, seconds_waiting, seconds_retrying;
} generate_reply;

typedef struct score_request {
    const message *messages;
    size_t count;
    const char *const *continuations; /* each as the assistant's answer */
    size_t continuation_count;
    request_address address;
    double position;
    budget_claim *claim;
    size_t good, bad; /* as references of generate_request: 1 + the index of the continuation that a truthful subject prefers, and one
                         with the failure; 0: not known */
    const double *good_shares, *bad_shares; /* in their place where the dose is a share of every answer: probabilities of the continuations;
                                               an oracle gives their mix at its dose. NULL: not known */
} score_request;

typedef struct score_reply {
    status code;
    const char *problem;
    double *logprobs;   /* natural logarithm, summed over the tokens of each continuation; of a subject with SUBJECT_REWARDS the
                           reward of the prompt with each continuation */
    int *token_counts;
    int joined;         /* tokens at the prompt's end that are others when a continuation follows, and were scored with every one of
                           them: 0 where prompt and continuations split cleanly; -1: not known */
    bool cached;
    int prompt_tokens;  /* those of the continuations too */
    int completion_tokens, retries;
    double seconds_generating, seconds_waiting, seconds_retrying; /* the first: being scored */
} score_reply;

/* Where answers are kept. Both are called from asking threads and must be safe so. `key` is a SHA-256 in hexadecimal. */
typedef struct answer_cache {
    bool (*find)(void *context, arena *a, const char *key, const char **value);
    void (*keep)(void *context, const char *key, const char *value);
    void *context;
} answer_cache;

/* What looking at a backend before a run took and found. */
typedef struct subject_probe {
    int requests, prompt_tokens, completion_tokens; /* none when it was known from the cache */
    const char *notes; /* sentences for the user, a line each; NULL: nothing to say */
} subject_probe;

typedef struct subject_class {
    const char *name;
    /* Texts in replies lie in `a`. A failure of one request goes into its reply; the status is for failures of all. */
    status (*generate)(subject *self, arena *a, const generate_request *const *requests, generate_reply *replies,
                       size_t count, error *err);
    status (*score)(subject *self, arena *a, const score_request *const *requests, score_reply *replies, size_t count,
                    error *err); /* NULL where it cannot */
    void (*close)(subject *self);
    /* Those below may be NULL. */
    /* The identity by which the answer to this very request is cached: a router names the one who will answer. */
    const char *(*answerer)(const subject *self, double position);
    /* The exact tokens of a prompt. Called by one thread while nothing else is asked. */
    status (*audit)(subject *self, arena *a, const message *messages, size_t count, subject_audit *out, error *err);
    /* Makes generate and score return soon, with STATUS_INTERRUPTED in what is not answered; from any thread. */
    void (*interrupt)(subject *self);
    /* Takes an interruption back, once nothing is in flight. */
    void (*resume)(subject *self);
    /* Finds out by asking what the backend can really do, as far as `needs` goes, and corrects self->abilities. What is
     * found is kept in `cache` (may be NULL) for a day. Called by one thread before anything else is asked. */
    status (*probe)(subject *self, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err);
    /* Who answers at this position: a router names one of its two. */
    const subject *(*chosen)(const subject *self, double position);
} subject_class;

struct subject {
    const subject_class *class;
    const char *specification; /* as the user gave it, without secrets */
    const char *identity;      /* what caches go by: hash of the weights, or address and model */
    const char *billed;        /* what prices go by: "HOST/MODEL"; NULL: it costs nothing */
    subject *parts[2];         /* of a router; else NULL */
    unsigned abilities;        /* SUBJECT_... */
    size_t batch;              /* requests it takes at once, at best */
    bool concurrent;           /* many threads may call generate and score at once (HTTP, scripts); the broker then
                                  hands requests through one by one instead of gathering batches */
    bool instant;              /* an answer costs less than a look into the cache: never cached */
    void *state;
};

typedef struct subject_options {
    size_t threads;               /* numerical workers; 0: all processors */
    const char *api_key_variable; /* name of the environment variable that holds the key; NULL: OPENAI_API_KEY, and
                                     ANTHROPIC_API_KEY for the Anthropic form */
    double timeout_seconds;       /* of one HTTP request, and of a plug-in's silence; 0: 120 */
    double idle_seconds;          /* between two pieces of an HTTP answer; 0: 60 */
    size_t in_flight;             /* HTTP requests at once; 0: 32 */
    const char *prompt_style;     /* "chat" (the template) or "plain" */
    const char *template_name;    /* of checkpoints (lm/chat.h): a file, or one of its templates; NULL: its own */
    const char *const *template_arguments; /* "NAME=JSON" */
    size_t template_argument_count;
    const char *template_date;    /* what a template writes as today's date; NULL: one that asks is refused */
    int retries;                  /* of one HTTP request; 0: 6, negative: none */
    double retry_seconds;         /* first wait before a retry, doubled each time; 0: 0.5 */
} subject_options;

/* Opens what `specification` names. `options` may be NULL. The arena must outlive the subject. */
status subject_open(arena *a, const char *specification, const subject_options *options, subject **out, error *err);
void subject_close(subject *s);
/* Refuses (STATUS_UNSUPPORTED) a subject that lacks one of `needs`, naming what is missing and who needs it. */
status subject_require(const subject *s, unsigned needs, const char *who, error *err);
/* Asks a backend what it can do (subject_class.probe); nothing to do for a subject that knows itself. */
status subject_look(subject *s, arena *a, unsigned needs, const answer_cache *cache, subject_probe *out, error *err);

#endif
