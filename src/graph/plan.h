/* plan.h - from outputs to something that runs: memory, fusion, kernels.
 *
 * plan_new takes what the outputs need, merges equal nodes, groups elementwise operations, picks a kernel for each
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
    bool unfused;   /* each elementwise operation on its own (tests): the same bits */
    bool profile;   /* measure the time of every step */
} plan_options;

/* options may be NULL. STATUS_LIMIT when the peak is above the limit, STATUS_MEMORY, STATUS_UNSUPPORTED when an
 * operation has no kernel for its types. */
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

/* What ran, in order, with the time spent (plans with .profile). */
typedef struct plan_step_profile {
    const char *name; /* operation, or "elementwise" */
    const char *implementation; /* that the library of products and convolutions chose ("jit:avx512_core"), or NULL */
    const node *node; /* the (last) value that the step makes */
    double seconds;   /* over all runs */
    double flops;     /* of a matrix product, per run; else 0 */
    size_t nodes;     /* grouped in the step */
} plan_step_profile;
size_t plan_profile(const plan *p, plan_step_profile *out, size_t capacity); /* returns the number of steps */

#endif
