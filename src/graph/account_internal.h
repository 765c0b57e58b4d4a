/* account_internal.h - private to src/graph: the measuring part of account.h (account_measure.c). */
#ifndef ASSAY_GRAPH_ACCOUNT_INTERNAL_H
#define ASSAY_GRAPH_ACCOUNT_INTERNAL_H

#include "graph/account.h"

/* Fills in the limits of all rows, and the times of products alone in the totals. */
status account_measure(plan_account *account, thread_pool *pool, error *err);

#endif
