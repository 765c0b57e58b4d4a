#include "graph/rules.h"

typedef struct op_row {
    op_info info;
    partial_rule *partial;
    grad_rule *grad;
    jvp_rule *jvp;
    lower_rule *lower;
    batch_rule *batch;
} op_row;

static const op_row rows[] = {
#define X(NAME, word, source_count, type_set, partial_, order_, tolerance32, tolerance16)                          \
    [OP_##NAME] = {.info = {#word, FAMILY_ELEMENTWISE, source_count, 1, order_, type_set, tolerance32, tolerance16},   \
                   .partial = partial_,                                                                            \
                   .batch = batch_elementwise},
    GRAPH_ELEMENTWISE_OPS(X)
#undef X
#define X(NAME, word, source_count, type_set, grad_, jvp_, batch_, order_, tolerance32, tolerance16)               \
    [OP_##NAME] = {.info = {#word, FAMILY_STRUCTURAL, source_count, 1, order_, type_set, tolerance32, tolerance16},    \
                   .grad = grad_,                                                                                  \
                   .jvp = jvp_,                                                                                    \
                   .batch = batch_},
    GRAPH_STRUCTURAL_OPS(X)
#undef X
#define X(NAME, word, source_count, part_count, grad_, lower_, batch_, order_, tolerance32, tolerance16)           \
    [OP_##NAME] = {.info = {#word, FAMILY_FUSED, source_count, part_count, order_, FLOATS, tolerance32, tolerance16},  \
                   .grad = grad_,                                                                                  \
                   .lower = lower_,                                                                                \
                   .batch = batch_},
    GRAPH_FUSED_OPS(X)
#undef X
};
_Static_assert(COUNT_OF(rows) == OP_COUNT, "a row for every operation");

static const op_row *row_of(op_code op)
{
    if (op >= OP_COUNT)
        BUG("no operation %d", (int)op);
    return &rows[op];
}

const op_info *op_info_of(op_code op)
{
    return &row_of(op)->info;
}

partial_rule *rule_partial(op_code op)
{
    return row_of(op)->partial;
}

grad_rule *rule_grad(op_code op)
{
    if (op == OP_CAST)
        return grad_cast;
    if (op == OP_SELECT)
        return grad_select;
    return row_of(op)->partial ? grad_elementwise : row_of(op)->grad;
}

jvp_rule *rule_jvp(op_code op)
{
    if (op == OP_CAST)
        return jvp_cast;
    if (op == OP_SELECT)
        return jvp_select;
    return row_of(op)->partial ? jvp_elementwise : row_of(op)->jvp;
}

lower_rule *rule_lower(op_code op)
{
    return row_of(op)->lower;
}

batch_rule *rule_batch(op_code op)
{
    return row_of(op)->batch;
}
