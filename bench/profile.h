/* profile.h - how long a plan takes, and where its time goes, on stderr: the tables of `assay doctor --graph`. */
#ifndef ASSAY_BENCH_PROFILE_H
#define ASSAY_BENCH_PROFILE_H

#include "core/progress.h"
#include "graph/account.h"

#include <stdio.h>

/* The least seconds of a run, of three or more and for `limit` seconds; the first one, which packs weights and touches memory, does not
 * count. */
static inline status profile_time(plan *p, thread_pool *pool, double limit, double *best, error *err)
{
    TRY(plan_run(p, pool, err));
    *best = 1e9;
    double begun = clock_seconds();
    for (int i = 0; i < 3 || clock_seconds() - begun < limit; i++) {
        double start = clock_seconds();
        TRY(plan_run(p, pool, err));
        double took = clock_seconds() - start;
        *best = took < *best ? took : *best;
    }
    return STATUS_OK;
}

/* Operations, then the `most` slowest steps, of a plan with .profile that has run. */
static inline status profile_print(arena *a, const plan *p, thread_pool *pool, size_t most, error *err)
{
    plan_account account;
    strbuf text = strbuf_new(a, 1 << 16);
    TRY(plan_account_make(a, p, pool, &account, err));
    plan_account_kinds_text(a, &account, &text);
    plan_account_text(&account, most, &text);
    fprintf(stderr, SLICE_FORMAT, SLICE_ARGS(strbuf_slice(&text)));
    return STATUS_OK;
}

#endif
