/* plan.h - from outputs to something that runs: memory, fusion, kernels.
 *
 * plan_new takes what the outputs need, merges equal nodes, groups elementwise operations and reductions of them, picks a kernel for each
 * step and lays out memory by lifetime. Nothing large is allocated before the peak is known and within the limit.
 * A plan is run many times; results do not depend on the number of threads.
 *
 *     plan_options o = {.memory_limit = 4ull << 30, .donations = (plan_donation[]){{weights, 1}}, .donation_count = 1};
 *     TRY(plan_new(g, outputs, 2, &o, &p, err));
 *     plan_bind_mutable(p, weights, w);          // output 1 is written over w at each run
 *     plan_bind(p, tokens, ids);
 *     for (...) TRY(plan_run(p, pool, err));
 *
 * A plan belongs to one thread at a time. The graph must live as long as its plans.
 */
#ifndef ASSAY_GRAPH_PLAN_H
#define ASSAY_GRAPH_PLAN_H

#include "core/threads.h"
#include "graph/graph.h"

typedef struct plan plan;

/* Weights in the forms that products read, shared by the plans that are given it: made once for each frozen input (by its
 * name) and kind of product. The plans must bind inputs of one name to the same elements, have been made for the same
 * number of threads, and end before it. */
typedef struct plan_packs plan_packs;
plan_packs *plan_packs_new(void); /* NULL: memory is out */
void plan_packs_free(plan_packs *packs);
size_t plan_packs_bytes(const plan_packs *packs);

/* The buffer bound to `input` becomes the place of outputs[output]: same shape and type. It holds the new value after
 * a run; where a later reader of the old value exists, the new value is made elsewhere and copied at the end. */
typedef struct plan_donation {
    node *input;
    size_t output;
} plan_donation;

typedef struct plan_options {
    size_t memory_limit; /* bytes for intermediate values; 0: no limit */
    size_t threads;      /* most threads of the pools it will run on (scratch memory); 0: the processors there are */
    const plan_donation *donations;
    size_t donation_count;
    /* Inputs whose elements do not change between runs until they are bound again: what depends on them alone is
     * computed once, and matrix products pack them once. */
    node *const *frozen;
    size_t frozen_count;
    plan_packs *packs; /* NULL: the plan packs for itself */
    bool reference; /* only the portable reference kernels (tests) */
    bool unfused;   /* each elementwise operation and each reduction on its own (tests): the same bits */
    bool profile;   /* measure the time of every step */
} plan_options;

/* options may be NULL. STATUS_LIMIT when the peak is above the limit, STATUS_MEMORY when it is more than the machine has left for
 * this process (core/machine.h): both say the bytes and the largest values. STATUS_INVALID when the graph has shapes that do not fit,
 * STATUS_UNSUPPORTED when an operation has no kernel for its types. */
status plan_new(graph *g, node *const *outputs, size_t count, const plan_options *options, plan **out, error *err);
void plan_free(plan *p);
size_t plan_peak_bytes(const plan *p); /* of intermediate values and outputs that are not bound */
size_t plan_steps(const plan *p);

/* Binds the elements of an input (row-major, 4-byte aligned or better). The memory must live until the last run. An
 * input that no output needs may be bound; it is ignored. */
void plan_bind(plan *p, const node *input, const void *elements);
/* The same for a donated input. */
void plan_bind_mutable(plan *p, const node *input, void *elements);
/* Has output i written to the caller's memory instead of the plan's. */
void plan_bind_output(plan *p, size_t i, void *elements);
/* Runs it. pool NULL: on this thread alone. STATUS_USAGE when an input is not bound, STATUS_MEMORY. */
status plan_run(plan *p, thread_pool *pool, error *err);
/* The elements of output i after a run (until the next run). */
const void *plan_output(const plan *p, size_t i);

/* The steps, in order, with the time spent (in plans with .profile). */
typedef struct plan_step_profile {
    const char *name;           /* operation, "elementwise", or what no node stands for: "pack", "expand", "copy" */
    const char *implementation; /* what oneDNN chose ("brg:avx512_core_bf16"), or our own: "avx512", "avx2", "portable", "reference" */
    const char *members;        /* with .profile, of a group of elementwise nodes and reductions: their operations; else NULL */
    const node *node; /* the (last) value that the step makes, of a group the last elementwise one; of "pack" the weight */
    double seconds;   /* over all runs */
    double least;     /* of the fastest run */
    double flops;     /* of a product or a convolution, per run; else 0 */
    size_t nodes;     /* of the graph that it computes */
    size_t read, written; /* bytes of the values it reads and makes (of attention and of tables: all that there are) */
    bool once;        /* runs only when frozen inputs were bound anew */
} plan_step_profile;
size_t plan_profile(const plan *p, plan_step_profile *out, size_t capacity); /* returns the number of steps */
uint64_t plan_profiled_runs(const plan *p); /* since the plan was made, or the last call of the next */
void plan_profile_clear(plan *p);
/* Whether the runs from now on are measured, of a plan made with .profile (they are at first). */
void plan_profile_switch(plan *p, bool on);

/* What became of the nodes that the outputs need: nodes = leaves + merged + views + absorbed + computed. */
typedef struct plan_counts {
    size_t nodes;    /* behind the lowering of what has no fast kernel */
    size_t leaves;   /* inputs and constants */
    size_t merged;   /* equal to an earlier node, or to their source (identities) */
    size_t views;    /* reshapes and leading slices: another's storage */
    size_t absorbed; /* fills and broadcasts that steps read as they go */
    size_t computed; /* by steps */
    size_t once;     /* of these, from constants and frozen inputs alone: not at every run */
    size_t grouped, groups;  /* of these, nodes in groups of two and more, elementwise ones and reductions of them; such groups */
    size_t reductions;       /* of these, reductions in groups */
    size_t steps;            /* all: those that pack, expand and copy too */
    size_t donations, in_place;      /* donated buffers, and those that are written to without a copy */
    size_t packs, packs_once, packs_shared; /* weights brought into the form of products: all, of frozen ones, by plan_packs */
    size_t pack_bytes;                      /* of all these forms */
    size_t convolutions;                    /* oneDNN's objects: one for each kind and shape, however many steps run it */
    size_t slab_bytes, kept_bytes, worker_bytes; /* the peak: intermediate values, what outlives a run, scratch of threads */
} plan_counts;
plan_counts plan_counts_of(const plan *p);

#endif
