/* derivatives.h - derivatives of one value by one node; whatever fails ends the test. */
#ifndef ASSAY_TESTS_GRAPH_DERIVATIVES_H
#define ASSAY_TESTS_GRAPH_DERIVATIVES_H

#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static inline node *gradient(node *y, node *x)
{
    node *d;
    assert_true(graph_grad(y, &x, 1, NULL, &d));
    return d;
}

/* The derivative of y as x moves along `direction`. */
static inline node *along(node *y, node *x, node *direction)
{
    node *d;
    assert_true(graph_jvp(&y, 1, &x, &direction, 1, &d));
    return d;
}

#endif
