/* cases.h - what the generated tests run: for each row of a table (of operations, or of composites) small graphs of several
 * shapes. A test program includes one table of cases and the checks it wants. */
#ifndef ASSAY_TESTS_GRAPH_CASES_H
#define ASSAY_TESTS_GRAPH_CASES_H

#include "graph/rules.h"

enum { CASE_INPUTS = 8, CASE_OUTPUTS = 3 };

typedef struct test_input {
    node *n;
    double low, high;     /* drawn uniformly; i32: both ends can be drawn */
    const int32_t *given; /* or these */
} test_input;

/* A graph under test: inputs of its own, and outputs of the operation (all its parts). */
typedef struct test_case {
    graph *g;
    element_type type; /* f64, f32 or bf16: of the main operands */
    test_input inputs[CASE_INPUTS];
    int input_count;
    node *outputs[CASE_OUTPUTS];
    int output_count;
    bool no_derivative; /* of this variant, though the operation has one */
    bool fixed_indices; /* given indices are meant as they are, in this order ... */
    bool may_be_zero;   /* ... or all 0 */
} test_case;

/* Builds variant number `variant` of an operation; false when there are no more. */
typedef bool case_builder(test_case *c, int op, int variant);
/* NULL for a row without a case. */
case_builder *case_of(int op);

/* What the checks must know about a row. */
typedef struct case_info {
    const char *name;
    int order;                            /* of derivatives, 0: none */
    double tolerance_f32, tolerance_bf16; /* of its values, relative to the largest */
    bool integers, bytes;                 /* takes i32, u8 too */
    bool truncates;                       /* i32: values are those of f64, truncated */
    bool constant;                        /* differences see a derivative that is 0 by definition */
} case_info;
case_info case_info_of(int row);
int case_rows(void);

#endif
