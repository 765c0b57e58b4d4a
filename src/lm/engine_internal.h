/* engine_internal.h - inside of the engine: its state, its sequences, and what its files do for each other.
 *
 *     engine.c           made and freed, running a step's rows
 *     engine_plan.c      plans, by the sites that are open    engine_patch.c   a request's interventions and readings
 *     engine_pages.c     memory of keys and values          engine_prefix.c   the tree of known prefixes
 *     engine_sequence.c  requests copied, results given     engine_share.c    a sequence's pages: found, made known, given back
 *     engine_schedule.c  who enters, who waits for whom, which rows a step has
 *     engine_sample.c    from logits to tokens, text and stops
 *     engine_generate.c, engine_score.c   the blocking calls
 */
#ifndef ASSAY_LM_ENGINE_INTERNAL_H
#define ASSAY_LM_ENGINE_INTERNAL_H

#include "graph/plan.h"
#include "kernels/kernels.h"
#include "lm/engine.h"
#include "lm/engine_prefix.h"

#include <stdatomic.h>

/* LEAST_SHARED: tokens of a page; to share fewer is worth neither a copy of it nor waiting for it. */
enum { VARIANTS = 9, CHUNK_ROWS = 256, OPENINGS = 4, LEAST_SHARED = 8 };

/* A plan for a number of rows and of logits, made when it is first needed. */
typedef struct engine_variant {
    size_t rows, logits;
    graph *graph;
    transformer model;
    plan *plan;
} engine_variant;

/* Something to be done at a site, by a number: 4 site + kind. Kinds come one behind the other in this order. */
typedef enum patch_kind { PATCH_REPLACE, PATCH_SCALE, PATCH_ADD, PATCH_READ, PATCH_KINDS } patch_kind;

/* Plans in which sites are open: for each code a mask and values for every row of a step, or an output. */
typedef struct engine_opening {
    arena *arena;
    uint32_t *codes; /* in order */
    size_t count;
    uint8_t **masks; /* [count] of [CHUNK_ROWS]; NULL for readings */
    float **values;  /* [count] of [CHUNK_ROWS][width] */
    size_t *outputs; /* [count]: of readings, the output of the plans, [rows][width] */
    engine_variant variants[VARIANTS];
    size_t memory;   /* what all this has added to the engine's */
    uint64_t used;   /* the last step */
} engine_opening;

/* An intervention or a reading at its positions. */
typedef struct patch_edit {
    uint32_t code;
    size_t from, to; /* to SIZE_MAX: all that come */
    size_t rows, width;
    const float *values;
    const bool *live; /* [rows]: whether the row can change a bit */
} patch_edit;

typedef struct patch_reading {
    uint32_t code;
    size_t from, to, width, count, capacity;
    float *values;
} patch_reading;

/* What a request changes and reads; engine_patch.c. */
typedef struct engine_patch {
    patch_edit *edits; /* in the order of their codes, then positions */
    patch_reading *readings; /* in the order of the request */
    size_t edit_count, reading_count;
    uint32_t *codes; /* of both, in order, each once */
    size_t code_count;
    prefix_patch *pages; /* for each page of the sequence */
    engine_activation *activations;
} engine_patch;

/* A request in the engine. Positions 0 .. computed - 1 have their keys and values in pages 0 .. page_count - 1 of its row of
 * the page table: the first `attached` pages are full nodes of the tree, which it holds; the one behind them may be a node
 * that only it adds to (`tail`); the rest are its own. */
typedef struct sequence {
    struct sequence *next; /* among those that wait */
    uint64_t ticket;
    arena *arena;
    engine_request request;
    engine_events events;
    status code;         /* not STATUS_OK: there is no answer */
    const char *problem;
    bool over;           /* to be finished */
    engine_stop reason;
    int32_t *ids;        /* [prompt_count + budget]: the prompt, then what is written */
    size_t known;        /* tokens in ids */
    size_t computed, filled; /* filled: with the rows of the step in the making */
    size_t budget;       /* tokens that may be written */
    size_t read_to;      /* positions of the prompt that must be computed */
    size_t first_want;   /* positions before it may come from the tree: nobody asks for their logits */
    int32_t slot;
    prefix_node **nodes;
    prefix_node *tail;
    size_t attached, page_count, reserved, reused;
    uint64_t entered;    /* steps that had been made */
    bool started;        /* reading has begun */
    uint64_t leader;     /* ticket of the sequence that computes what this one begins with; 0: none */
    size_t shared;       /* how much of it */
    size_t count;        /* tokens written */
    float *logprobs, *prompt_logprobs, *candidates;
    engine_top *top, *prompt_top;
    double sum;
    float end_logprob;
    token_stream stream;
    strbuf text;
    size_t sent;         /* bytes of the text given out */
    int32_t state;       /* of the constraint */
    uint64_t *mask;      /* scratch of the constraint */
    engine_patch *patch; /* NULL: nothing is changed or read */
} sequence;

/* A row whose logits are wanted, and what came of them. */
typedef struct engine_want {
    sequence *s;
    size_t position;
    const uint64_t *allowed;
    int32_t id; /* picked behind the position, or the prompt's */
    float logprob;
    engine_top *top; /* [ENGINE_TOP_MAX] */
} engine_want;

struct engine {
    arena *arena;
    const checkpoint *checkpoint;
    thread_pool *pool;
    transformer_types types;
    size_t slots, slot_pages;
    int context;
    size_t memory, limit;
    const void **weights; /* by lm_weight_at, 4-byte aligned but for blocks, as types.formats and types.elements say */
    plan_packs *packs;
    engine_pages pages;
    prefix_tree tree;
    prefix_node *root;
    int32_t *page_table;  /* [slots][slot_pages] */
    engine_opening plain, *opened[OPENINGS];
    float *cosine[2], *sine[2]; /* as the transformer's inputs; filled for positions before `turned` */
    size_t turned;
    bool packed; /* products have made their forms of the weights */
    sequence *waiting, **waiting_end;
    sequence **active;    /* [slots], in the order in which they entered */
    size_t active_count, in_flight;
    bool *slot_used;
    uint64_t tickets;
    /* the step in the making */
    int32_t *tokens, *positions, *slots_of, *rows;
    sequence **row_owners;
    engine_opening *opening; /* the plan that it runs */
    engine_variant *variant;
    size_t row_count, want_count;
    engine_want *wants;
    void *sampler_scratch; /* one piece for each worker */
    size_t sampler_bytes;
    constraint_vocabulary *vocabulary;
    engine_times times;
    engine_cache cache;
    bool can_profile, profiling;
    const engine_variant *profiled; /* of the last step that was measured */
    atomic_bool interrupted;
};

/* engine_weights.c */
/* Each weight with the type in which graphs get it: as it lies in the file where its type and place allow that, else a copy. */
status engine_bind_weights(engine *e, error *err);
/* What they take, packed for products. */
size_t engine_packed_bytes(const engine *e);
/* Lets go of the pages of the file whose weights are packed; they come back from it if anything reads them. */
void engine_give_back(const engine *e);

/* engine.c */
status engine_out_of_memory(const engine *e, error *err);
void engine_rows_begin(engine *e);
size_t engine_rows_room(const engine *e);
void engine_row_add(engine *e, sequence *s, size_t position, bool logits);
/* *logits is [want_count][vocabulary] until the next step. engine_plan_choose comes first. */
status engine_rows_run(engine *e, const float **logits, error *err);

/* engine_plan.c */
/* The sizes of the variants. */
void engine_plan_sizes(engine_opening *o);
/* The plan for the step's rows, in which all sites are open that they need: made when there is none. */
status engine_plan_choose(engine *e, error *err);
void engine_plans_free(engine *e);

/* engine_patch.c */
/* Takes the request's interventions and readings over; what is wrong with them ends the sequence. STATUS_MEMORY. */
status engine_patch_take(const engine *e, sequence *s);
/* The first position of the prompt whose value is to be read; SIZE_MAX: none. */
size_t engine_patch_first_read(const sequence *s);
/* What is changed in a page of the sequence. */
const prefix_patch *engine_patch_of_page(const sequence *s, size_t page);
/* Of the first `same` positions, whose tokens are the same, those whose keys and values s can take over from a. */
size_t engine_patch_agree(const sequence *a, const sequence *s, size_t same);
/* Masks and values of the step's rows, before it runs; values that are read, after it. */
void engine_patch_fill(engine *e);
void engine_patch_read(engine *e);
/* Ends all sequences in the step that change or read something; false when there are none. */
bool engine_patch_fail_all(engine *e, status code, const char *problem);

/* engine_sequence.c */
bool engine_reads(const sequence *s); /* its prompt is not computed yet */
bool engine_is_done(const sequence *s); /* it is, and nothing is to be written */
/* Ends it without an answer. */
void engine_fail(sequence *s, status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Tells it is done, gives back what it holds, frees it. */
void engine_finish(engine *e, sequence *s);
/* Checks ids and lengths; on failure sets *problem (in `a`) and returns the status. */
status engine_check_prompt(const engine *e, arena *a, const int32_t *ids, size_t count, size_t more, const char **problem);

/* engine_share.c */
/* Takes what is known of its prompt, and the promise of pages for the rest; false when there are not enough. */
bool engine_reserve(engine *e, sequence *s);
/* Positions of its prompt that the tree holds now, behind those that it took. */
size_t engine_known(const engine *e, const sequence *s);
/* Before its first row: what became known since then, and a copy of a page that it shares in part. */
void engine_start(engine *e, sequence *s);
/* Has a page for the position. */
void engine_cover(engine *e, sequence *s, size_t position);
/* Makes its full pages known; with `part` the one that is not full too. */
void engine_publish(engine *e, sequence *s, bool part);
void engine_let_go(engine *e, sequence *s);

/* engine_schedule.c */
void engine_admit(engine *e);
void engine_fill(engine *e);

/* engine_sample.c */
void engine_sample(engine *e, const float *logits);
/* Gives out what is left of the text. */
void engine_flush(sequence *s);

#endif
