/* plans.h - plans that a test makes and runs; whatever fails ends the test with its message. */
#ifndef ASSAY_TESTS_GRAPH_PLANS_H
#define ASSAY_TESTS_GRAPH_PLANS_H

#include "graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static inline plan *plan_of(graph *g, node *const *outputs, size_t count, const plan_options *o)
{
    plan *p;
    error err = {0};
    if (plan_new(g, outputs, count, o, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

static inline void run(plan *p)
{
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

#endif
