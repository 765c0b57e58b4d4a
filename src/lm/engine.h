/* engine.h - generation and scoring of many requests at once, over a shared cache of keys and values.
 *
 * Requests are submitted at any time. Each step computes one token of every sequence that is writing, and chunks of the
 * prompts that are being read; finished sequences leave and waiting ones enter. Keys and values lie in pages of 64
 * positions; what was computed stays in a tree of prefixes (lm/engine_prefix.h) until its pages are needed, and a request
 * that begins with it goes on from there. What a request gets depends on nothing but the request: the same bits alone and
 * among others, with any number of threads, however its prompt was cut into chunks, and whatever was known before.
 *
 *     engine *e;
 *     TRY(engine_new(checkpoint, NULL, pool, &e, err));
 *     engine_request r = {.prompt = ids.ids, .prompt_count = ids.count, .max_tokens = 64,
 *                         .rule = {.temperature = 0.7, .top_p = 1}, .random = random_stream_at(seed, "demo", 0, 0, 0, 0)};
 *
 * All answers at once:
 *
 *     engine_result out;
 *     TRY(engine_generate(e, arena, &r, &out, 1, err));
 *     puts(out.text);
 *
 * Token by token, as a server needs it:
 *
 *     uint64_t ticket;
 *     TRY(engine_submit(e, &r, &(engine_events){my_state, on_token, on_done}, &ticket, err));
 *     while (engine_busy(e))
 *         TRY(engine_step(e, err));                       // calls on_token and on_done; engine_submit may go between
 *
 * A request may change the model's values at named sites (lm/sites.h) as it is computed, and may ask for the values there.
 * What one prompt makes at a site can so be put into another:
 *
 *     engine_request source = {.prompt = a, .prompt_count = n, .readings = &(engine_reading){"blocks.2.resid_post"},
 *                              .reading_count = 1};                          // nothing is written
 *     TRY(engine_generate(e, arena, &source, &out, 1, err));
 *     const engine_activation *found = &out.readings[0];                     // values [n][width]
 *     engine_intervention put = {.site = "blocks.2.resid_post", .what = SITE_REPLACE, .at = {ENGINE_SPAN, 4, 5},
 *                                .values = found->values + 4 * found->width, .rows = 1, .width = found->width};
 *     engine_request patched = {.prompt = b, .prompt_count = n, .max_tokens = 8, .interventions = &put,
 *                               .intervention_count = 1};
 *
 * Patched and clean requests are computed together, and each gets the bits that it gets alone; an intervention that leaves
 * the values as they are changes no bits. Known prefixes are shared up to the first position that is changed, and behind
 * it among requests with equal interventions.
 *
 * One thread at a time calls an engine (but for engine_interrupt). The weights of an engine are one checkpoint with its
 * adapter merged; another adapter is another engine.
 */
#ifndef ASSAY_LM_ENGINE_H
#define ASSAY_LM_ENGINE_H

#include "core/random.h"
#include "core/threads.h"
#include "lm/checkpoint.h"
#include "lm/constrain.h"
#include "lm/sampler.h"
#include "lm/transformer.h"

typedef struct engine engine;

typedef struct engine_options {
    size_t sequences;     /* most in flight; 0: 64, at most 256 */
    int context;          /* positions of a sequence; 0: the model's */
    size_t memory_limit;  /* bytes of weights (packed; pages of a mapped file are given back), of intermediate values and of
                             the cache; 0: 8 GiB */
    size_t cache_limit;   /* bytes of the cache of keys and values; 0: twice what `sequences` of full length take, or seven
                             eighths of what the memory limit leaves (the rest is for plans with open sites) */
    element_type compute; /* TYPE_F64 (0): as trained, bf16; or TYPE_F32 */
    bool profile;         /* the time of every step of its plans can be measured (engine_profile) */
} engine_options;

/* options may be NULL. The checkpoint (and the arena in which it lies) and the pool (NULL: this thread alone) must
 * outlive the engine. STATUS_LIMIT when the memory needed for one sequence is above the limit, naming both. */
status engine_new(const checkpoint *c, const engine_options *options, thread_pool *pool, engine **out, error *err);
void engine_free(engine *e);
/* Bytes of the weights that are read where they lie, of the cache when it is full, of packed weights and plans made so far. */
size_t engine_memory(const engine *e);
int engine_context(const engine *e);
size_t engine_sequences(const engine *e);
/* For constraints on answers of this engine (lm/constrain.h); made at the first call. */
status engine_vocabulary(engine *e, const constraint_vocabulary **out, error *err);

typedef enum engine_stop { ENGINE_STOP_END, ENGINE_STOP_STRING, ENGINE_STOP_LENGTH } engine_stop;

enum { ENGINE_TOP_MAX = 20 };

/* Positions of a sequence, counted from the prompt's first token. The value at a position makes the logits of the token
 * behind it: the first token of an answer comes from the prompt's last position. */
typedef enum engine_where { ENGINE_ALL, ENGINE_PROMPT, ENGINE_ANSWER, ENGINE_SPAN } engine_where;
#define ENGINE_TO_END SIZE_MAX
typedef struct engine_positions {
    engine_where where;
    size_t from, to; /* ENGINE_SPAN: from .. to - 1; to ENGINE_TO_END: all that come */
} engine_positions;

/* A change of the value x at a site: values, x + values or x values, rounded to the type in which the site is computed
 * (bf16 or f32). At one position and site a replacement comes first, then scaling, then adding; two of a kind may not meet. */
typedef struct engine_intervention {
    const char *site;
    site_action what;
    engine_positions at;
    const float *values; /* [rows][width], finite */
    size_t rows;         /* 1: the same at every position; else one for each position of `at` that the request can have */
    size_t width;        /* the site's, lm/sites.h */
} engine_intervention;

/* Values wanted: as the model goes on with them, behind the interventions at the site. */
typedef struct engine_reading {
    const char *site;
    engine_positions at;
} engine_reading;

typedef struct engine_activation {
    size_t from, count, width; /* the positions from .. from + count - 1; the last token written has none */
    const float *values;       /* [count][width] */
} engine_activation;

typedef struct engine_request {
    const int32_t *prompt; /* at least one token */
    size_t prompt_count;
    int max_tokens;        /* 0: nothing is written; then something of the prompt must be asked for */
    sampler_rule rule;
    random_stream random;  /* token i is drawn with the number at index i */
    const slice *stops;
    size_t stop_count;
    constraint *constraint; /* NULL: free; made from this engine's vocabulary, and kept until the answer is there */
    bool training_logprobs; /* log-probabilities to the bit as a training graph of the same weights has them (op_cross_entropy):
                               the ratios of policy gradients then begin at exactly 1. Else by sums in f64 */
    int top;               /* alternatives given with each log-probability, at most ENGINE_TOP_MAX */
    bool prompt_logprobs;  /* of the prompt's tokens from index prompt_from on (the first token has none) */
    size_t prompt_from;
    const int32_t *candidates; /* tokens whose log-probabilities are wanted behind the prompt, or behind its first candidates_after */
    size_t candidate_count;
    size_t candidates_after; /* tokens of the prompt; 0: all of it */
    const engine_intervention *interventions;
    size_t intervention_count;
    const engine_reading *readings;
    size_t reading_count;
} engine_request;

/* A token and its log-probability: natural logarithm, by the model itself, before temperature, top_k, top_p and what a
 * constraint cuts off. */
typedef struct engine_top {
    int32_t id;
    float logprob;
} engine_top;

typedef struct engine_result {
    status code;         /* STATUS_OK, or why this request has no answer (words in `problem`) */
    const char *problem;
    const int32_t *ids;  /* without the end of text, with the tokens of a stop string */
    size_t count;
    const char *text;    /* whole characters, without the stop string */
    engine_stop reason;  /* a constrained answer that is complete ends with ENGINE_STOP_END */
    const float *logprobs; /* [count] */
    double logprob;      /* their sum, and that of the end of text where it was written */
    float end_logprob;     /* of the end of text alone; NaN where it was not written */
    const engine_top *top;  /* [count][request.top], most probable first; id -1 where there are no more */
    const float *prompt_logprobs;   /* [prompt_count], NaN where not asked for */
    const engine_top *prompt_top;   /* [prompt_count][request.top] */
    const float *candidate_logprobs; /* [candidate_count] */
    const engine_activation *readings; /* [reading_count] */
    size_t reused;       /* tokens of the prompt that did not have to be computed (the rest of the result does not depend on it) */
} engine_result;

/* What a token brings: the text holds whole characters, and nothing that may turn out to begin a stop string. */
typedef struct engine_token {
    int32_t id;    /* -1: no further token, but text that was held back, at the end */
    float logprob;
    const engine_top *top;
    slice text;    /* may be empty */
} engine_token;

/* Called from engine_step. They may submit and cancel, but not step. Either may be NULL. What they are given lives until
 * they return. done is called once for each ticket, also when it is cancelled (STATUS_INTERRUPTED). */
typedef struct engine_events {
    void *context;
    void (*token)(void *context, const engine_token *token);
    void (*done)(void *context, const engine_result *result);
} engine_events;

/* Everything but the constraint is copied. What is wrong with the request (an empty or too long prompt, an id outside of
 * the vocabulary, a site that there is not) is said in its result, at the next step. STATUS_MEMORY. */
status engine_submit(engine *e, const engine_request *r, const engine_events *events, uint64_t *ticket, error *err);
/* One step of all that is in flight. On failure every request is over, each told why. */
status engine_step(engine *e, error *err);
bool engine_busy(const engine *e);
size_t engine_in_flight(const engine *e); /* submitted and not done, waiting ones counted */
/* The request is over at the next step (its done is called then). A ticket that is done already is passed over. */
void engine_cancel(engine *e, uint64_t ticket);

/* Answers all requests; results lie in the arena. Other requests in flight go on beside them. */
status engine_generate(engine *e, arena *a, const engine_request *requests, engine_result *results, size_t count,
                       error *err);

typedef struct engine_score_request {
    const int32_t *prefix; /* at least one token; computed once for all continuations */
    size_t prefix_count;
    const token_list *continuations;
    size_t continuation_count;
    /* ENGINE_PROMPT is the prefix, ENGINE_ANSWER a continuation; rows, where there is more than one, count as for the
     * longest of them. */
    const engine_intervention *interventions;
    size_t intervention_count;
} engine_score_request;

typedef struct engine_score {
    status code;
    const char *problem;
    double *logprobs; /* [continuation_count]: the sum over the tokens of each, natural logarithm; 0 for an empty one */
} engine_score;

status engine_score_all(engine *e, arena *a, const engine_score_request *requests, engine_score *scores, size_t count,
                        error *err);

/* One of the continuations, drawn (or, at temperature 0, the most probable) with exactly the probability that the model
 * gives it among them: p(i) = exp(logprob(i) / temperature) / sum. Unlike a constrained draw, no answer gains by its first
 * token being the only one of its kind. probabilities [continuation_count] may be NULL. */
typedef struct engine_choice {
    status code;
    const char *problem;
    size_t picked;
    double *probabilities; /* [continuation_count], at the temperature (at 0: at 1) */
} engine_choice;
status engine_choose(engine *e, arena *a, const engine_score_request *request, double temperature, double uniform,
                     engine_choice *out, error *err);

/* Lets go of all prefixes that no request uses (for measurements). */
void engine_forget(engine *e);

/* Has the blocking calls at work return after the step they are in, and later ones at once, with STATUS_INTERRUPTED in
 * every result that is not finished; engine_step ends all requests that way. From any thread; also from a signal handler.
 * engine_resume takes it back. */
void engine_interrupt(engine *e);
void engine_resume(engine *e);

/* Where the time of steps went, in seconds since the engine was made. */
typedef struct engine_times {
    double computing; /* running the graph */
    double sampling;
    uint64_t steps, rows, idle_rows;
} engine_times;
engine_times engine_times_of(const engine *e);

/* Of an engine made with .profile: whether the steps from now on are measured, in the plans that they run (graph/account.h). Plans
 * are chosen by the number of rows that are computed and of those that get logits. */
void engine_profile(engine *e, bool on);
/* The plan of the last step that was measured, and its rows; NULL and 0: there was none. It lives as long as the engine. */
struct plan;
const struct plan *engine_profiled_plan(const engine *e);
size_t engine_profiled_rows(const engine *e);

typedef struct engine_cache {
    size_t pages, pages_free, page_bytes; /* free: without counting prefixes that could go */
    size_t pages_known;                   /* held by the tree alone */
    uint64_t prompt_tokens, reused_tokens, evicted_pages;
} engine_cache;
engine_cache engine_cache_of(const engine *e);

#endif
