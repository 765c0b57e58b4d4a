/* account.h - what a plan costs, step by step, beside the best that this machine was seen to do with the same work.
 *
 * A plan with .profile that has run is taken apart into rows: who computes which nodes, how (the implementation that was
 * chosen), the bytes and floating-point operations of a run, the time, and a limit that is measured here and now with the
 * same threads:
 *
 *     product   a product or convolution: the same shape by itself in a plan of its own, its sources in the cache if they fit
 *     rate      attention: its operations at the rate of the plan's best product of that type, or the copy, whichever takes longer
 *     copy      all else moves memory: a plain copy that reads and writes as many bytes, again and again in one place
 *
 * An account outlives its plan and graph (but for the nodes of its rows). A share of the limit above 1 is no mistake: a step may find its sources in the cache where a copy of that size does not, or
 * read what it wrote.
 *
 *     plan_options o = {.profile = true};
 *     TRY(plan_new(g, outputs, count, &o, &p, err));
 *     TRY(plan_run(p, pool, err));                       // frozen inputs are packed, memory is touched
 *     plan_profile_clear(p);
 *     for (int i = 0; i < 10; i++)
 *         TRY(plan_run(p, pool, err));
 *     plan_account account;
 *     TRY(plan_account_make(arena, p, pool, &account, err));
 *     plan_account_text(&account, 20, &out);             // a table, the longest first
 */
#ifndef ASSAY_GRAPH_ACCOUNT_H
#define ASSAY_GRAPH_ACCOUNT_H

#include "core/text.h"
#include "core/threads.h"
#include "graph/plan.h"

#include <jansson.h>

typedef enum account_limit { ACCOUNT_NO_LIMIT, ACCOUNT_PRODUCT, ACCOUNT_RATE, ACCOUNT_COPY } account_limit;

typedef struct account_row {
    plan_step_profile step; /* as plan_profile gives it, over all runs; its words are the account's own, its node is the graph's */
    size_t number;          /* of the step in the plan */
    element_type type;      /* of the (last) value that it makes, and its shape */
    shape shape;
    const char *where;      /* the name of its value, or of the nearest named one that it is computed from; "" */
    double seconds, least;  /* of a run: the mean, and the fastest */
    double flops;           /* of a run; of attention those that the starts or positions of the last run ask for */
    double bytes;           /* read and written in a run, each value once; of tables, caches and what is written in place the part
                               that is touched */
    account_limit limit;
    double limit_seconds;   /* 0: no limit was measured (too little work: its fastest run took less than 2 microseconds) */
} account_row;

typedef struct plan_account {
    account_row *rows; /* of the steps that ran, the longest first */
    size_t count;
    uint64_t runs;
    size_t threads;
    plan_counts counts;
    size_t peak_bytes;        /* of the plan */
    size_t process_bytes, process_peak; /* of the process, when the account was begun: now, and at most since it started */
    double seconds, least;    /* of all rows together, per run */
    double limit_seconds;     /* likewise, of rows with a limit */
    double limited_seconds;   /* the fastest runs of these rows */
    double flops, bytes;
    /* Of products and convolutions: their own operations, the fastest runs inside, alone, and alone with their weights packed
     * at each run. */
    double product_flops, product_seconds, product_alone, product_packed_alone;
} plan_account;

/* Measures the limits: takes some 20 ms for each shape and size that occurs. STATUS_USAGE when the plan is not profiled or has not run. */
status plan_account_make(arena *a, const plan *p, thread_pool *pool, plan_account *out, error *err);

const char *account_limit_name(account_limit limit); /* "product", "rate", "copy", "" */

/* Rows of one operation taken together, the longest first. */
typedef struct account_kind {
    const char *name;
    size_t steps, nodes;
    double seconds, least, limit_seconds, flops, bytes;
} account_kind;
size_t plan_account_kinds(arena *a, const plan_account *account, account_kind **out); /* 0: memory is out, or no rows */

/* The totals in words, and a table of the `top` longest steps (0: all); what is left out is summed in a last row. */
void plan_account_text(const plan_account *account, size_t top, strbuf *out);
/* A table of operations. */
void plan_account_kinds_text(arena *a, const plan_account *account, strbuf *out);
/* All of it; NULL: memory is out. */
json_t *plan_account_json(const plan_account *account);

#endif
