/* profile.h - where the time of a plan goes, on stderr: the tables of `assay doctor --graph`. */
#ifndef ASSAY_BENCH_PROFILE_H
#define ASSAY_BENCH_PROFILE_H

#include "graph/account.h"

#include <stdio.h>

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
