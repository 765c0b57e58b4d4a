/* cases_composite.h - the cases of graph/composite.h and graph/sparse.h; included by one test file only. A row here for every function there. */
#ifndef ASSAY_TESTS_GRAPH_CASES_COMPOSITE_H
#define ASSAY_TESTS_GRAPH_CASES_COMPOSITE_H

#include "graph/composite.h"
#include "graph/sparse.h"
#include "harness.h"

/* X(name, derivatives, tolerance f32, tolerance bf16): bf16 rounds at each step unless the header says otherwise. */
#define COMPOSITES(X)                                                                                              \
    X(relu, 1, 0, 0)                                                                                               \
    X(leaky_relu, 1, 1e-7, 4e-3)                                                                                   \
    X(gelu, 9, 1e-6, 2e-2)                                                                                         \
    X(gelu_tanh, 9, 1e-6, 4e-3)                                                                                    \
    X(softplus, 9, 1e-6, 4e-3)                                                                                     \
    X(log_sigmoid, 9, 1e-6, 4e-3)                                                                                  \
    X(clamp, 1, 1e-7, 4e-3)                                                                                        \
    X(huber, 2, 1e-6, 1e-2)                                                                                        \
    X(binary_cross_entropy, 9, 1e-6, 4e-3)                                                                         \
    X(logsumexp, 9, 1e-6, 4e-3)                                                                                    \
    X(logsumexp_signed, 9, 2e-5, 4e-3)                                                                             \
    X(batch_norm_frozen, 9, 1e-5, 4e-3)                                                                            \
    X(batch_norm_running, 0, 1e-6, 4e-3)                                                                           \
    X(norm, 9, 1e-6, 4e-3)                                                                                         \
    X(sort, 1, 0, 0)                                                                                               \
    X(top_k, 1, 0, 0)                                                                                              \
    X(permutation_parity, 0, 0, 0)                                                                                 \
    X(gather_along, 1, 0, 0)                                                                                       \
    X(scatter_along, 1, 1e-6, 4e-3)                                                                                \
    X(sum_by_index, 1, 1e-6, 4e-3)                                                                                 \
    X(sample_linear, 2, 1e-5, 4e-3)                                                                                \
    X(sample_bilinear, 9, 1e-5, 4e-3)                                                                              \
    X(flow, 2, 1e-5, 1e-5)                                                                                         \
    X(pair_distances, 9, 1e-5, 1e-2)                                                                               \
    X(cosine_similarity, 9, 1e-5, 4e-3)                                                                            \
    X(nt_xent, 9, 1e-5, 4e-3)                                                                                      \
    X(solve_positive, 9, 1e-5, 1e-5)                                                                               \
    X(log_determinant, 9, 1e-5, 1e-5)                                                                              \
    X(random_normal, 0, 1e-6, 4e-3)

enum {
#define X(name, ...) ROW_##name,
    COMPOSITES(X)
#undef X
        COMPOSITE_COUNT
};

static bool pointwise(test_case *c, int row, int variant)
{
    const shape shapes[] = {SHAPE(7), SHAPE_SCALAR, SHAPE(3, 5), SHAPE(0, 3), SHAPE(1), SHAPE(37, 129)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    node *x = real(c, shapes[variant], -3, 3);
    switch (row) {
    case ROW_relu:
        out(c, op_relu(x));
        break;
    case ROW_leaky_relu:
        out(c, op_leaky_relu(x, 0.1));
        break;
    case ROW_gelu:
        out(c, op_gelu(x));
        break;
    case ROW_gelu_tanh:
        out(c, op_gelu_tanh(x));
        break;
    case ROW_softplus:
        out(c, op_softplus(x));
        break;
    case ROW_log_sigmoid:
        out(c, op_log_sigmoid(x));
        break;
    case ROW_clamp:
        out(c, op_clamp(x, -1.25, 0.75));
        break;
    case ROW_huber:
        out(c, op_huber(x, 1.1));
        break;
    default:
        out(c, op_binary_cross_entropy(x, real(c, shapes[variant], 0, 1)));
    }
    return true;
}

static bool over_rows(test_case *c, int row, int variant)
{
    const shape shapes[] = {SHAPE(5), SHAPE(3, 7), SHAPE(2, 3, 4), SHAPE(4, 1), SHAPE(33, 65)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant];
    node *x = real(c, s, -2, 2), *sign, *index;
    if (row == ROW_logsumexp) {
        out(c, op_logsumexp(x));
    } else if (row == ROW_logsumexp_signed) {
        out(c, op_logsumexp_signed(x, op_sign(op_shift(graph_iota(c->g, c->type, s, -1), -1.5)), &sign));
        out(c, sign);
    } else if (row == ROW_batch_norm_frozen || row == ROW_batch_norm_running) {
        shape w = SHAPE(shape_last(s));
        node *mean = wide_real(c, w, -1, 1), *variance = wide_real(c, w, 0.2, 2);
        if (row == ROW_batch_norm_running) {
            op_batch_norm_running(&mean, &variance, wide_real(c, w, -1, 1), wide_real(c, w, 0, 1), 5, 0.1);
            out(c, mean);
            out(c, variance);
            return true;
        }
        node *weight = variant == 1 ? NULL : wide_real(c, w, 0.5, 2), *bias = variant < 2 ? NULL : wide_real(c, w, -1, 1);
        out(c, op_batch_norm_frozen(x, weight, bias, mean, variance, 0.1));
    } else if (row == ROW_norm) {
        out(c, op_norm(x));
    } else if (row == ROW_sort) {
        out(c, op_sort(x, variant % 2));
    } else if (row == ROW_top_k) {
        out(c, op_top_k(x, variant == 3 ? 1 : 3, &index));
        out(c, index);
    } else {
        out(c, op_permutation_parity(op_argsort(x, false), c->type));
    }
    return true;
}

static bool along(test_case *c, int row, int variant)
{
    static const int32_t index[24] = {2, 0, 4, -1, 2, 7, 1, 1, 3, 0, 2, 4, 4, 0, 1, 5, 3, 3, 2, 0, 9, 1, 4, 2};
    const shape x[] = {SHAPE(5), SHAPE(5, 3), SHAPE(2, 5, 4), SHAPE(2, 5, 0)};
    if (variant >= (int)COUNT_OF(x))
        return false;
    int axis = x[variant].rank == 3 ? 1 : 0;
    shape at = x[variant];
    at.size[axis] = 3;
    node *where = given(c, at, index);
    out(c, row == ROW_gather_along ? op_gather_along(real(c, x[variant], -1, 1), where, axis)
                                   : op_scatter_along(real(c, at, -1, 1), where, axis, 5));
    return true;
}

/* Some rows twice, some not counted, all of one index, none. */
static bool by_index(test_case *c, int row, int variant)
{
    (void)row;
    static const int32_t index[9] = {4, 1, -3, 4, 0, 1, 4, -1, 5}, same[3] = {2, 2, 2};
    const shape rows[] = {SHAPE(9), SHAPE(9, 3), SHAPE(3, 2, 67), SHAPE(0, 2), SHAPE(1, 4)};
    if (variant >= (int)COUNT_OF(rows))
        return false;
    node *distinct;
    out(c, op_sum_by_index(real(c, rows[variant], -1, 1), given(c, SHAPE(rows[variant].size[0]), variant == 2 ? same : index), &distinct));
    return true;
}

static bool sampled(test_case *c, int row, int variant)
{
    const shape x[] = {SHAPE(3, 5), SHAPE(2, 3, 4), SHAPE(1, 1), SHAPE(3, 2, 33)};
    const int64_t points[] = {4, 3, 2, 17};
    if (variant >= (int)COUNT_OF(x))
        return false;
    if (row == ROW_flow) {
        out(c, op_flow(wide_real(c, x[variant], -3, 3), variant));
        return true;
    }
    node *grid = real(c, x[variant], -1, 1);
    if (row == ROW_sample_linear) {
        out(c, op_sample_linear(grid, wide_real(c, shape_with_last(x[variant], points[variant]), -1, 5)));
        return true;
    }
    shape at = shape_with_last(shape_without_last(x[variant]), points[variant]);
    node *row_at = wide_real(c, at, -0.5, 3), *column_at = wide_real(c, at, -0.5, 4);
    out(c, op_sample_bilinear(grid, row_at, column_at));
    return true;
}

static bool geometry(test_case *c, int row, int variant)
{
    const shape r[] = {SHAPE(4, 3), SHAPE(2, 3, 2), SHAPE(1, 3), SHAPE(9, 2)};
    if (variant >= (int)COUNT_OF(r) || (row == ROW_cosine_similarity && r[variant].rank > 2))
        return false;
    if (row == ROW_pair_distances)
        out(c, op_pair_distances(real(c, r[variant], -1, 1)));
    else
        out(c, op_cosine_similarity(real(c, r[variant], 0.2, 1), real(c, SHAPE(3, r[variant].size[1]), -1, 1)));
    return true;
}

static bool contrasted(test_case *c, int row, int variant)
{
    (void)row;
    const shape z[] = {SHAPE(4, 3), SHAPE(2, 2), SHAPE(6, 2), SHAPE(18, 5)}; /* of rows of one number the derivative is 0 */
    if (variant >= (int)COUNT_OF(z))
        return false;
    out(c, op_nt_xent(real(c, z[variant], 0.2, 1), 0.5 + variant));
    return true;
}

static bool positive(test_case *c, int row, int variant)
{
    const int64_t sizes[] = {3, 1, 4, 0};
    if (variant >= (int)COUNT_OF(sizes))
        return false;
    int64_t n = sizes[variant];
    shape s = variant == 2 ? SHAPE(2, n, n) : SHAPE(n, n), b = s;
    b.size[b.rank - 1] = 2;
    node *eye = op_equal(graph_iota(c->g, TYPE_I32, SHAPE(n, n), 0), graph_iota(c->g, TYPE_I32, SHAPE(n, n), 1));
    node *half = wide_real(c, s, -0.7, 0.7), *a = op_add(op_matmul(half, half, false, true), op_cast(eye, wide_type(c->type)));
    out(c, row == ROW_solve_positive ? op_solve_positive(a, wide_real(c, b, -1, 1)) : op_log_determinant(a));
    return true;
}

static bool drawn(test_case *c, int row, int variant)
{
    (void)row;
    static const int32_t key[4] = {17, -3, 5, 9};
    const shape shapes[] = {SHAPE(7), SHAPE_SCALAR, SHAPE(3, 51), SHAPE(0, 2)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    out(c, op_random_normal(given(c, SHAPE(4), key), c->type, shapes[variant]));
    c->no_derivative = true;
    return true;
}

case_builder *case_of(int row)
{
    return row <= ROW_binary_cross_entropy ? pointwise
           : row <= ROW_permutation_parity ? over_rows
           : row <= ROW_scatter_along      ? along
           : row == ROW_sum_by_index       ? by_index
           : row <= ROW_flow               ? sampled
           : row <= ROW_cosine_similarity  ? geometry
           : row <= ROW_nt_xent            ? contrasted
           : row <= ROW_log_determinant    ? positive
                                           : drawn;
}

case_info case_info_of(int row)
{
    static const case_info rows[] = {
#define X(word, derivatives, tolerance32, tolerance16)                                                             \
    {.name = #word, .order = derivatives, .tolerance_f32 = tolerance32, .tolerance_bf16 = tolerance16},
        COMPOSITES(X)
#undef X
    };
    return rows[row];
}

int case_rows(void)
{
    return COMPOSITE_COUNT;
}

#endif
