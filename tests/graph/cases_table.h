/* cases_table.h - the cases of operations; included by one test file only. */
#ifndef ASSAY_TESTS_GRAPH_CASES_TABLE_H
#define ASSAY_TESTS_GRAPH_CASES_TABLE_H

#include "harness.h"

/* ---- elementwise: operand shapes by variant, domains by operation ---- */
static const struct {
    double low, high;   /* of the first operand */
    double low2, high2; /* of the second */
} domains[OP_COUNT] = {
    [OP_IDENTITY] = {-2, 2, 0, 0},    [OP_CAST] = {-2, 2, 0, 0},         [OP_STOP_GRADIENT] = {-2, 2, 0, 0},
    [OP_NEG] = {-2, 2, 0, 0},         [OP_ABS] = {-2, 2, 0, 0},          [OP_SIGN] = {-2, 2, 0, 0},
    [OP_FLOOR] = {-3, 3, 0, 0},       [OP_EXP] = {-4, 3, 0, 0},          [OP_LOG] = {0.2, 9, 0, 0},
    [OP_SQRT] = {0.2, 5, 0, 0},       [OP_RSQRT] = {0.2, 5, 0, 0},       [OP_RECIPROCAL] = {0.3, 3, 0, 0},
    [OP_TANH] = {-3, 3, 0, 0},        [OP_SIGMOID] = {-5, 5, 0, 0},      [OP_SIN] = {-4, 4, 0, 0},
    [OP_COS] = {-4, 4, 0, 0},         [OP_ERF] = {-2, 2, 0, 0},          [OP_ADD] = {-2, 2, -2, 2},
    [OP_SUB] = {-2, 2, -2, 2},        [OP_MUL] = {-2, 2, -2, 2},         [OP_DIV] = {-2, 2, 0.4, 2},
    [OP_POW] = {0.3, 2, -2, 2},       [OP_MAX] = {-2, 2, -2, 2},         [OP_MIN] = {-2, 2, -2, 2},
    [OP_EQUAL] = {-2, 2, -2, 2},      [OP_LESS] = {-2, 2, -2, 2},        [OP_LESS_EQUAL] = {-2, 2, -2, 2},
    [OP_SELECT] = {-2, 2, -2, 2},
};

static bool elementwise_case(test_case *c, int op, int variant)
{
    const shape first[] = {SHAPE(7), SHAPE_SCALAR, SHAPE(3, 5), SHAPE(3, 1), SHAPE(2, 1, 5), SHAPE(0, 3), SHAPE(37, 129)};
    const shape second[] = {SHAPE(7), SHAPE(4), SHAPE(5), SHAPE(1, 4), SHAPE(3, 1), SHAPE(3), SHAPE(37, 1)};
    if (variant >= (int)COUNT_OF(first) || domains[op].low == domains[op].high)
        return false;
    node *a = real(c, first[variant], domains[op].low, domains[op].high);
    node *b = op_info_of((op_code)op)->sources > 1 ? real(c, second[variant], domains[op].low2, domains[op].high2) : NULL;
    if (op == OP_SELECT) {
        out(c, op_select(op_less(whole(c, second[variant], 0, 1), graph_scalar(c->g, TYPE_I32, 1)), a, b));
    } else if (op == OP_CAST) { /* there and back: rounds where the other type is narrower */
        element_type other = c->type == TYPE_BF16 ? TYPE_F32 : variant % 2 ? TYPE_F32 : TYPE_F64;
        out(c, op_cast(op_cast(a, c->type == TYPE_F64 ? TYPE_F64 : other), TYPE_F64));
    } else {
        node *sources[2] = {a, b};
        node *n = NULL;
        if (b) { /* the builder broadcasts; the operation follows */
            node *wide = op_less(a, b); /* for its shape */
            sources[0] = op_broadcast(a, wide->shape);
            sources[1] = op_broadcast(b, wide->shape);
        }
        bool compare = op == OP_EQUAL || op == OP_LESS || op == OP_LESS_EQUAL;
        n = node_new(c->g, (op_code)op, compare ? TYPE_U8 : c->type, sources[0]->shape, sources, b ? 2 : 1, NULL);
        out(c, n);
    }
    return true;
}

/* ---- structural ---- */
static bool leaf_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(5), SHAPE(2, 3, 4), SHAPE(0, 3), SHAPE(1)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant];
    node *a = real(c, s, -1, 1);
    static const double numbers[24] = {0.5, -1.25, 3, 0.75, 2};
    if (op == OP_FILL)
        a = op_mul(a, graph_fill(c->g, c->type, s, 1.5));
    else if (op == OP_IOTA)
        a = op_mul(a, graph_iota(c->g, c->type, s, -1));
    else if (op == OP_CONSTANT)
        a = op_mul(a, op_cast(graph_constant(c->g, TYPE_F64, s, numbers), c->type));
    out(c, a);
    return true;
}

static bool random_case(test_case *c, int op, int variant)
{
    (void)op;
    static const int32_t key[4] = {17, -3, 5, 9};
    const shape shapes[] = {SHAPE(7), SHAPE(3, 50), SHAPE(0, 2), SHAPE(1, 67)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    /* the same draws to 24 bits in both types */
    out(c, op_random_uniform(given(c, SHAPE(4), key), wide_type(c->type), shapes[variant]));
    c->no_derivative = true;
    return true;
}

static bool reduce_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(7), SHAPE(3, 5), SHAPE(3, 5), SHAPE(2, 3, 4, 5), SHAPE(2, 3, 4, 5), SHAPE(3, 1),
                            SHAPE(19, 301), SHAPE(4, 1, 2), SHAPE(2, 3, 0, 4, 5), SHAPE(0, 3)};
    const axes which[] = {AXES(0), AXES(0), AXES(1), AXES(0, 2), AXES(1, 2, 3), AXES(1), AXES(0, 1), AXES(0, 1, 2), AXES(0, 2, 4), AXES(1)};
    if (variant >= (int)COUNT_OF(shapes) - (op == OP_REDUCE_MAX ? 2 : 0)) /* the largest of no whole numbers is none of them */
        return false;
    node *a = real(c, shapes[variant], -1, 2);
    bool keep = variant % 2;
    out(c, op == OP_REDUCE_SUM ? op_reduce_sum(a, which[variant], keep) : op_reduce_max(a, which[variant], keep));
    return true;
}

static bool move_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(6), SHAPE(3, 4), SHAPE(2, 3, 4), SHAPE(1, 5, 1, 2), SHAPE(9, 65), SHAPE(0, 3), SHAPE(3, 0)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant];
    node *a = real(c, s, -1, 1);
    int axis = s.rank - 1 - variant % 2 >= 0 ? s.rank - 1 - variant % 2 : 0;
    if (op == OP_BROADCAST) {
        shape wide = shape_insert(s, 0, 3);
        for (int i = 1; i < wide.rank; i++)
            wide.size[i] = wide.size[i] == 1 ? 4 : wide.size[i];
        out(c, op_broadcast(a, wide));
    } else if (op == OP_RESHAPE) {
        out(c, op_reshape(op_transpose(a, s.rank == 2 ? AXES(1, 0) : s.rank == 3 ? AXES(2, 0, 1) : s.rank == 4
                                                                  ? AXES(3, 1, 0, 2) : AXES(0)), SHAPE(-1)));
    } else if (op == OP_TRANSPOSE) {
        axes order = {.count = s.rank};
        for (int i = 0; i < s.rank; i++)
            order.axis[i] = (i + 1 + variant) % s.rank;
        out(c, op_transpose(a, order));
    } else if (op == OP_SLICE) {
        out(c, op_slice(a, axis, s.size[axis] > 2 ? 1 : 0, s.size[axis] > 2 ? s.size[axis] - 1 : s.size[axis]));
        out(c, op_slice(a, 0, s.size[0] / 2, s.size[0]));
    } else {
        out(c, op_pad(a, axis, variant, 2));
    }
    return true;
}

static bool concat_case(test_case *c, int op, int variant)
{
    (void)op;
    if (variant > 3)
        return false;
    if (variant == 3) { /* one with nothing among them */
        node *some[3] = {real(c, SHAPE(2), -1, 1), real(c, SHAPE(0), -1, 1), real(c, SHAPE(5), -1, 1)};
        out(c, op_concat(some, 3, 0));
        return true;
    }
    node *parts[3] = {real(c, variant ? SHAPE(2, 3, 2) : SHAPE(2), -1, 1), real(c, variant ? SHAPE(2, 1, 2) : SHAPE(1), -1, 1),
                      real(c, variant ? SHAPE(2, 5, 2) : SHAPE(4), -1, 1)};
    if (variant == 2)
        for (int i = 0; i < 3; i++)
            parts[i] = op_transpose(parts[i], AXES(1, 0, 2));
    out(c, op_concat(parts, 3, variant == 2 ? 0 : variant));
    return true;
}

static bool rows_case(test_case *c, int op, int variant)
{
    static const int32_t index[6] = {2, 0, 4, -1, 2, 7}, distinct[4] = {3, -1, 0, 2};
    const shape rest[] = {SHAPE(6), SHAPE(6, 3), SHAPE(6, 2, 67), SHAPE(6, 0), SHAPE(6, 1)};
    if (variant >= (int)COUNT_OF(rest))
        return false;
    shape table = rest[variant], rows = rest[variant];
    table.size[0] = 5;
    if (op == OP_GATHER_ROWS) {
        node *at = given(c, variant == 1 ? SHAPE(2, 3) : SHAPE(6), index);
        out(c, op_gather_rows(real(c, table, -1, 1), at));
    } else if (op == OP_SCATTER_ROWS) {
        out(c, op_scatter_rows(real(c, rows, -1, 1), given(c, SHAPE(6), index), 5));
    } else if (op == OP_PUT_ROWS) {
        rows.size[0] = 4;
        out(c, op_put_rows(real(c, table, -1, 1), given(c, SHAPE(4), distinct), real(c, rows, -1, 1)));
    } else {
        shape x = variant > 2 ? rest[variant] : variant ? SHAPE(2, 3, 5) : SHAPE(6, 5);
        out(c, op_take_last(real(c, x, -1, 1), given(c, x.rank == 3 ? SHAPE(2, 3) : SHAPE(6), index)));
    }
    return true;
}

static bool last_case(test_case *c, int op, int variant)
{
    static const int32_t index[24] = {2, 0, 4, -1, 2, 7, 1, 1, 3, 0, 2, 4, 4, 0, 1, 5, 3, 3, 2, 0, 9, 1, 4, 2};
    const shape x[] = {SHAPE(5), SHAPE(3, 5), SHAPE(2, 3, 5), SHAPE(4, 1), SHAPE(3, 0)};
    const shape at[] = {SHAPE(6), SHAPE(3, 4), SHAPE(2, 3, 4), SHAPE(4, 2), SHAPE(3, 2)};
    if (variant >= (int)COUNT_OF(x))
        return false;
    node *where = given(c, at[variant], index);
    if (op == OP_GATHER_LAST)
        out(c, op_gather_last(real(c, x[variant], -1, 1), where));
    else
        out(c, op_scatter_last(real(c, at[variant], -1, 1), where, shape_last(x[variant])));
    return true;
}

static bool running_case(test_case *c, int op, int variant)
{
    (void)op;
    const shape shapes[] = {SHAPE(7), SHAPE(3, 5), SHAPE(3, 5), SHAPE(2, 3, 67), SHAPE(5, 130), SHAPE(1, 1), SHAPE(0, 4), SHAPE(2, 0)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    out(c, op_cumulative_sum(real(c, shapes[variant], -1, 1), variant % shapes[variant].rank, variant & 2));
    return true;
}

static bool argsort_case(test_case *c, int op, int variant)
{
    (void)op;
    const shape shapes[] = {SHAPE(7), SHAPE(3, 5), SHAPE(2, 1), SHAPE(4, 1000), SHAPE(2, 0)};
    if (variant >= 2 * (int)COUNT_OF(shapes))
        return false;
    out(c, op_argsort(real(c, shapes[variant / 2], -3, 3), variant % 2));
    return true;
}

static bool algebra_case(test_case *c, int op, int variant)
{
    const int64_t sizes[] = {3, 1, 4, 7, 0};
    if (variant >= (op == OP_CHOLESKY ? 1 : 2) * (int)COUNT_OF(sizes))
        return false;
    int64_t n = sizes[variant % (int)COUNT_OF(sizes)];
    shape s = variant % (int)COUNT_OF(sizes) == 2 ? SHAPE(2, n, n) : SHAPE(n, n);
    node *eye = op_equal(graph_iota(c->g, TYPE_I32, SHAPE(n, n), 0), graph_iota(c->g, TYPE_I32, SHAPE(n, n), 1));
    node *a = wide_real(c, s, -0.7, 0.7), *heavy = op_scale(op_cast(eye, wide_type(c->type)), 2);
    if (op == OP_CHOLESKY) {
        out(c, op_cholesky(op_add(op_matmul(a, a, false, true), heavy)));
    } else {
        shape b = s;
        b.size[b.rank - 1] = variant % 2 ? 3 : 1;
        out(c, op_triangular_solve(op_add(a, heavy), wide_real(c, b, -1, 1), variant >= (int)COUNT_OF(sizes)));
    }
    return true;
}

static bool after_case(test_case *c, int op, int variant)
{
    (void)op;
    const shape shapes[] = {SHAPE(4), SHAPE(3, 37), SHAPE(1, 0)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant];
    node *parts[2] = {real(c, s, -1, 1), real(c, s, -1, 1)}, *both = op_concat(parts, 2, 0);
    out(c, op_after(op_slice(both, 0, 1, s.size[0] + 1), op_slice(both, 0, 0, 1)));
    return true;
}

static bool matmul_case(test_case *c, int op, int variant)
{
    (void)op;
    if (variant == 14) { /* leading axes that stretch */
        out(c, op_matmul(real(c, SHAPE(2, 1, 3, 4), -1, 1), real(c, SHAPE(1, 3, 4, 2), -1, 1), false, false));
        return true;
    }
    if (variant > 14)
        return false;
    bool ta = variant & 1, tb = variant & 2;
    int size = variant >> 2;
    const int64_t m[] = {3, 1, 65, 40}, k[] = {5, 7, 33, 0}, n[] = {4, 1, 48, 3};
    int64_t M = m[size], K = k[size], N = n[size];
    shape a = ta ? SHAPE(K, M) : SHAPE(M, K), b = tb ? SHAPE(N, K) : SHAPE(K, N);
    if (size == 1) {
        a = shape_insert(shape_insert(a, 0, 3), 0, 2);
        b = variant == 5 ? b : shape_insert(shape_insert(b, 0, 3), 0, 2);
    }
    out(c, op_matmul(real(c, a, -1, 1), real(c, b, -1, 1), ta, tb));
    return true;
}

/* ---- windows and convolutions: odd sizes, strides, dilations, groups, places beyond the image ---- */
static const struct {
    int64_t image[4], kernel[2], outputs, groups;
    window_options o;
} window_cases[] = {
    {{2, 5, 4, 3}, {3, 2}, 5, 1, {.before = {1, 0}, .after = {1, 1}}},
    {{1, 1, 7, 1}, {1, 3}, 2, 1, {.stride = {1, 2}}},
    {{3, 6, 5, 4}, {2, 3}, 6, 2, {.stride = {2, 1}, .dilation = {1, 2}, .before = {1, 2}, .after = {0, 2}}},
    {{1, 4, 4, 2}, {1, 1}, 1, 1, {{0}, {0}, {0}, {0}}},
    {{17, 5, 4, 16}, {3, 3}, 33, 1, {.before = {1, 1}, .after = {1, 1}}},
    {{2, 6, 6, 5}, {3, 3}, 5, 5, {.before = {1, 1}, .after = {1, 1}}},
    {{0, 4, 4, 2}, {2, 2}, 3, 1, {{0}, {0}, {0}, {0}}},
    {{1, 5, 5, 1}, {5, 5}, 1, 1, {.stride = {3, 3}, .before = {4, 4}, .after = {0, 0}}},
};

static bool windows_case(test_case *c, int op, int variant)
{
    if (variant >= (int)COUNT_OF(window_cases))
        return false;
    const int64_t *s = window_cases[variant].image, *kernel = window_cases[variant].kernel;
    window_options o = window_cases[variant].o;
    shape images = SHAPE(s[0], s[1], s[2], s[3]);
    if (op == OP_WINDOWS) {
        out(c, op_windows(real(c, images, -1, 1), kernel, o));
    } else if (op == OP_MAX_POOL) {
        out(c, op_max_pool(real(c, images, -1, 1), kernel, o));
    } else { /* gradients: what the rules make */
        bool pool = op == OP_MAX_POOL_GRAD;
        node *x = pool ? real(c, images, -1, 1) : graph_fill(c->g, c->type, images, 0), *gradient;
        node *y = pool ? op_max_pool(x, kernel, o) : op_windows(x, kernel, o);
        if (!graph_grad(y, &x, 1, real(c, y->shape, -1, 1), &gradient))
            return false;
        out(c, gradient);
    }
    return true;
}

static bool conv_case(test_case *c, int op, int variant)
{
    if (variant >= (int)COUNT_OF(window_cases))
        return false;
    const int64_t *s = window_cases[variant].image, *kernel = window_cases[variant].kernel;
    int64_t groups = window_cases[variant].groups;
    shape images = SHAPE(s[0], s[1], s[2], s[3]);
    shape weights = SHAPE(window_cases[variant].outputs, s[3] / groups, kernel[0], kernel[1]);
    node *x = op == OP_CONV_INPUT_GRAD ? graph_fill(c->g, c->type, images, 0) : real(c, images, -1, 1);
    node *w = op == OP_CONV_WEIGHT_GRAD ? graph_fill(c->g, c->type, weights, 0) : real(c, weights, -1, 1);
    node *y = op_conv(x, w, groups, window_cases[variant].o);
    if (op != OP_CONV && !graph_grad(y, op == OP_CONV_INPUT_GRAD ? &x : &w, 1, real(c, y->shape, -1, 1), &y))
        return false;
    out(c, y);
    return true;
}

/* ---- fused ---- */
static bool linear_case(test_case *c, int op, int variant)
{
    (void)op;
    const shape xs[] = {SHAPE(3, 5), SHAPE(2, 3, 8), SHAPE(7), SHAPE(70, 32), SHAPE(1, 64), SHAPE(2, 9), SHAPE(0, 5), SHAPE(3, 0)};
    if (variant >= (int)COUNT_OF(xs))
        return false;
    node *x = real(c, xs[variant], -1, 1);
    shape w = SHAPE(variant == 3 ? 96 : 6, shape_last(xs[variant]));
    out(c, op_linear_as(x, variant % 2 ? wide_real(c, w, -1, 1) : real(c, w, -1, 1),
                        variant == 5 ? wide_type(c->type) : c->type));
    return true;
}

static bool row_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(5), SHAPE(3, 7), SHAPE(2, 3, 16), SHAPE(40, 129), SHAPE(4, 1), SHAPE(0, 4), SHAPE(3, 0)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    node *x = real(c, shapes[variant], -2, 2);
    out(c, op == OP_SOFTMAX ? op_softmax(x) : op == OP_LOG_SOFTMAX ? op_log_softmax(x)
           : op == OP_SOFTMAX_GRAD ? fused_softmax_grad(x, real(c, shapes[variant], -1, 1)) : op_sum_squares(x));
    return true;
}

static bool rms_norm_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(3, 8), SHAPE(5), SHAPE(2, 3, 7), SHAPE(65, 64), SHAPE(0, 4), SHAPE(1, 5)};
    if (variant >= 2 * (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant / 2], w = SHAPE(shape_last(s));
    node *x = real(c, s, -2, 2), *weight = variant % 2 ? wide_real(c, w, 0.5, 2) : real(c, w, 0.5, 2);
    node *rstd = fused_rms_norm_part(x, weight, 1e-5, 1);
    if (op == OP_RMS_NORM) {
        out(c, op_rms_norm(x, weight, 1e-5));
        out(c, rstd);
        return true;
    }
    node *dy = real(c, s, -1, 1);
    out(c, fused_rms_norm_grad(x, weight, rstd, dy, 1e-5, 0));
    out(c, fused_rms_norm_grad(x, weight, rstd, dy, 1e-5, 1));
    return true;
}

/* groups: -1: a batch's, 0: of rows. */
static bool normalise_case(test_case *c, int op, int variant)
{
    const struct {
        shape x;
        int64_t groups;
        bool mixed, without;
    } v[] = {{SHAPE(6, 3), -1, false, false},        {SHAPE(2, 3, 2, 5), -1, true, false}, {SHAPE(1, 2), -1, true, true},
             {SHAPE(2, 65, 133), -1, true, false},   {SHAPE(3, 4, 17), 17, true, false},
             {SHAPE(2, 3, 6), 3, false, false},      {SHAPE(3, 4), 1, true, true},         {SHAPE(1, 2, 3, 8), 8, true, false},
             {SHAPE(2, 5, 134), 2, true, false},     {SHAPE(3, 2, 4, 130), 1, true, false}, {SHAPE(5), 0, false, false},
             {SHAPE(3, 7), 0, true, true},           {SHAPE(2, 3, 4), 0, false, false},    {SHAPE(4, 1), 0, true, false},
             {SHAPE(133, 37), 0, true, false},      {SHAPE(0, 3), 0, false, false}};
    if (variant >= (int)COUNT_OF(v))
        return false;
    shape s = v[variant].x, w = SHAPE(shape_last(s));
    node *x = real(c, s, -2, 2), *parts[3] = {NULL}, *wrt[3] = {x}, *d[3], *weight = NULL, *bias = NULL;
    if (!v[variant].without) {
        weight = v[variant].mixed ? wide_real(c, w, 0.5, 2) : real(c, w, 0.5, 2);
        bias = v[variant].mixed ? wide_real(c, w, -1, 1) : real(c, w, -1, 1);
    }
    if (v[variant].groups < 0)
        parts[0] = op_batch_norm(x, weight, bias, 0.1, &parts[1], &parts[2]);
    else
        parts[0] = v[variant].groups == 0 ? op_layer_norm(x, weight, bias, 0.1)
                   : v[variant].groups == shape_last(s) ? op_instance_norm(x, weight, bias, 0.1)
                                                        : op_group_norm(x, v[variant].groups, weight, bias, 0.1);
    if (op == OP_NORMALISE) {
        for (int i = 0; i < 3 && parts[i]; i++)
            out(c, parts[i]);
        return true;
    }
    size_t count = weight ? 3 : 1;
    wrt[1] = weight;
    wrt[2] = bias;
    if (!graph_grad(parts[0], wrt, count, real(c, s, -1, 1), d))
        return false;
    for (size_t i = 0; i < count; i++)
        out(c, d[i]);
    return true;
}

static bool silu_case(test_case *c, int op, int variant)
{
    const shape shapes[] = {SHAPE(5), SHAPE(3, 7), SHAPE(2, 1, 16), SHAPE(33, 130), SHAPE(0, 4)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    node *gate = real(c, shapes[variant], -3, 3), *up = real(c, shapes[variant], -2, 2);
    if (op == OP_SILU_MUL) {
        out(c, op_silu_mul(gate, up));
        return true;
    }
    node *dy = real(c, shapes[variant], -1, 1);
    out(c, fused_silu_mul_grad(gate, up, dy, 0));
    out(c, fused_silu_mul_grad(gate, up, dy, 1));
    return true;
}

static bool rotary_case(test_case *c, int op, int variant)
{
    (void)op;
    if (variant > 3)
        return false;
    int64_t t = variant == 3 ? 0 : variant == 2 ? 9 : 3, d = variant ? 8 : 2;
    node *x = real(c, SHAPE(t, 1 + variant, d), -1, 1), *position = whole(c, SHAPE(t), -1, 7);
    node *angle = graph_iota(c->g, wide_type(c->type), SHAPE(6, d / 2), 0);
    out(c, fused_rotary(x, position, op_cos(angle), op_sin(angle), variant == 1));
    return true;
}

/* With a mask: drawn, as wide as the longest sequence or narrower. */
static bool attention_case(test_case *c, int op, int variant)
{
    static const int32_t starts[80] = {0, 0, 0, 3, 3, 5, 5, 5, 5, 5, 5}, one[80] = {0};
    static int32_t many[80];
    const struct {
        int64_t t, h, g, d;
        const int32_t *start;
        attention_options o;
    } v[] = {{1, 1, 1, 2, one, {.scale = 0}},
             {6, 2, 1, 4, starts, {.scale = 0.7}},
             {11, 4, 2, 8, starts, {.scale = 0.7, .window = 2}},
             {7, 2, 1, 4, one, {.soft_cap = 0.4}},
             {75, 4, 2, 16, one, {.scale = 0.7}},
             {75, 4, 2, 16, one, {.window = 20, .soft_cap = 1.5}},
             {80, 2, 2, 8, many, {.scale = 0.7}},
             {80, 2, 2, 8, one, {.scale = 0.7, .window = 70}},
             {70, 2, 2, 8, many, {.scale = 0.7, .window = 2}},
             {11, 4, 2, 8, starts, {.both_ways = true}},
             {80, 2, 2, 8, one, {.scale = 0.7, .both_ways = true}},
             {80, 4, 2, 8, many, {.scale = 0.7, .window = 3, .both_ways = true}},
             {80, 2, 1, 8, one, {.window = 9, .soft_cap = 1.5, .both_ways = true}},
             {0, 2, 1, 4, one, {.scale = 0.7}}};
    if (variant >= (int)COUNT_OF(v))
        return false;
    for (int i = 0; i < 80; i++)
        many[i] = i / 7 * 7;
    c->fixed_indices = c->may_be_zero = true;
    int64_t t = v[variant].t, d = v[variant].d;
    shape qs = SHAPE(t, v[variant].h, d), ks = SHAPE(t, v[variant].g, d);
    node *q = real(c, qs, -1, 1), *k = real(c, ks, -1, 1), *val = real(c, ks, -1, 1), *start = given(c, SHAPE(t), v[variant].start);
    node_attributes how = attention_attributes(q, v[variant].o);
    bool forward = op == OP_ATTENTION || op == OP_MASKED_ATTENTION, masked = op == OP_MASKED_ATTENTION || op == OP_MASKED_ATTENTION_GRAD;
    node *mask = masked ? add_input(c, TYPE_U8, SHAPE(t, variant == 3 ? 5 : t), 0, 1, NULL) : NULL;
    node *lse = fused_attention_part(q, k, val, start, mask, how, 1), *o = fused_attention_part(q, k, val, start, mask, how, 0);
    if (forward) {
        out(c, o);
        out(c, lse);
        return true;
    }
    node *sources[8] = {q, k, val, start, o, lse, real(c, qs, -1, 1), mask};
    for (int i = 0; i < 3; i++)
        out(c, fused_attention_grad(sources, how, i));
    return true;
}

static bool cross_entropy_case(test_case *c, int op, int variant)
{
    static const int32_t targets[70] = {2, 0, -1, 9, 1}; /* 9 lies in the largest of the tables alone */
    const shape shapes[] = {SHAPE(5, 6), SHAPE(1, 5), SHAPE(70, 300), SHAPE(0, 5)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape rows = SHAPE(shapes[variant].size[0]);
    node *x = real(c, shapes[variant], -3, 3), *target = given(c, rows, targets), *weight = wide_real(c, rows, 0.2, 2);
    node *lse = fused_cross_entropy_part(x, target, weight, 1);
    if (op == OP_CROSS_ENTROPY) {
        out(c, op_cross_entropy(x, target, weight));
        out(c, lse);
    } else {
        out(c, fused_cross_entropy_grad(x, target, weight, lse, wide_real(c, rows, -1, 1)));
    }
    return true;
}

static bool adamw_case(test_case *c, int op, int variant)
{
    (void)op;
    const shape shapes[] = {SHAPE(5), SHAPE(3, 7), SHAPE(129, 40), SHAPE(0, 3), SHAPE(1)};
    if (variant >= (int)COUNT_OF(shapes))
        return false;
    shape s = shapes[variant];
    node *value = wide_real(c, s, -1, 1), *mean = wide_real(c, s, -1, 1), *square = wide_real(c, s, 0.3, 1);
    node *d = wide_real(c, s, -1, 1), *rates = wide_real(c, SHAPE(4), 0.1, 0.9);
    op_adamw(value, mean, square, d, rates, (adamw_options){0.9, 0.99, 1e-6, 0.1}, &c->outputs[0], &c->outputs[1],
             &c->outputs[2]);
    c->output_count = 3;
    return true;
}

/* Tables of 5, 4 and 150 rows, of which some have a gradient; blocks of the kernels begin and end inside of rows. */
static bool sparse_case(test_case *c, int op, int variant)
{
    static const int32_t few[4] = {0, 2, 3, -1}, many[7] = {0, 58, 59, 60, 119, 149, -1}, none[2] = {-1, -1};
    const shape tables[] = {SHAPE(5), SHAPE(4, 7), SHAPE(150, 3, 23), SHAPE(3, 5), SHAPE(5, 0), SHAPE(4, 1), SHAPE(3, 2)};
    const int32_t *indices[] = {few, few, many, none, few, few, none};
    static const int64_t counts[] = {4, 4, 7, 2, 4, 4, 0};
    if (variant >= (int)COUNT_OF(tables))
        return false;
    c->fixed_indices = true;
    shape table = tables[variant], some = table;
    some.size[0] = counts[variant];
    node *index = given(c, SHAPE(counts[variant]), indices[variant]);
    if (op == OP_SPARSE_SUM_SQUARES) {
        out(c, op_sparse_sum_squares(real(c, some, -2, 2), index, table.size[0]));
        return true;
    }
    node *value = wide_real(c, table, -1, 1), *mean = wide_real(c, table, -1, 1), *square = wide_real(c, table, 0.3, 1);
    node *d = wide_real(c, some, -1, 1), *rates = wide_real(c, SHAPE(4), 0.1, 0.9);
    op_sparse_adamw(value, mean, square, d, index, rates, (adamw_options){0.9, 0.99, 1e-6, 0.1}, &c->outputs[0], &c->outputs[1],
                    &c->outputs[2]);
    c->output_count = 3;
    return true;
}

static bool cache_case(test_case *c, int op, int variant)
{
    static const int32_t slots[4] = {1, 0, -1, 1}, positions[4] = {3, 65, 0, 2}, first[1] = {0}, zero[1] = {0};
    static const int32_t table[4] = {2, 0, 4, 1};
    static const attention_options how[] = {{.scale = 0}, {.scale = 0.6}, {.scale = 0.6, .window = 3}, {.soft_cap = 0.5, .window = 63}, {.scale = 0}};
    if (variant >= (int)COUNT_OF(how))
        return false;
    c->fixed_indices = true;
    int64_t t = variant == 4 ? 0 : variant ? 4 : 1, heads = variant ? 2 : 1;
    shape cache = SHAPE(variant ? 5 : 1, 64, heads, 4), rows = SHAPE(t, heads, 4);
    node *k_cache = real(c, cache, -1, 1), *v_cache = real(c, cache, -1, 1);
    node *pages = given(c, variant ? SHAPE(2, 2) : SHAPE(1, 1), variant ? table : zero);
    node *slot = given(c, SHAPE(t), variant ? slots : zero), *position = given(c, SHAPE(t), variant ? positions : first);
    if (op == OP_CACHE_APPEND) {
        op_cache_append(k_cache, v_cache, real(c, rows, -1, 1), real(c, rows, -1, 1), pages, slot, position, &c->outputs[0],
                        &c->outputs[1]);
        c->output_count = 2;
    } else {
        out(c, op_cache_attention(real(c, SHAPE(t, 2 * heads, 4), -1, 1), k_cache, v_cache, pages, slot, position, how[variant]));
    }
    return true;
}

static case_builder *const structural_cases[OP_COUNT] = {
    [OP_INPUT] = leaf_case,
    [OP_CONSTANT] = leaf_case,
    [OP_FILL] = leaf_case,
    [OP_IOTA] = leaf_case,
    [OP_RANDOM_UNIFORM] = random_case,
    [OP_REDUCE_SUM] = reduce_case,
    [OP_REDUCE_MAX] = reduce_case,
    [OP_BROADCAST] = move_case,
    [OP_RESHAPE] = move_case,
    [OP_TRANSPOSE] = move_case,
    [OP_SLICE] = move_case,
    [OP_PAD] = move_case,
    [OP_CONCAT] = concat_case,
    [OP_GATHER_ROWS] = rows_case,
    [OP_SCATTER_ROWS] = rows_case,
    [OP_PUT_ROWS] = rows_case,
    [OP_TAKE_LAST] = rows_case,
    [OP_GATHER_LAST] = last_case,
    [OP_SCATTER_LAST] = last_case,
    [OP_CUMULATIVE_SUM] = running_case,
    [OP_ARGSORT] = argsort_case,
    [OP_AFTER] = after_case,
    [OP_WINDOWS] = windows_case,
    [OP_WINDOWS_SUM] = windows_case,
    [OP_CONV] = conv_case,
    [OP_CONV_INPUT_GRAD] = conv_case,
    [OP_CONV_WEIGHT_GRAD] = conv_case,
    [OP_MAX_POOL] = windows_case,
    [OP_MAX_POOL_GRAD] = windows_case,
    [OP_CHOLESKY] = algebra_case,
    [OP_TRIANGULAR_SOLVE] = algebra_case,
    [OP_MATMUL] = matmul_case,
    [OP_LINEAR] = linear_case,
    [OP_SOFTMAX] = row_case,
    [OP_SOFTMAX_GRAD] = row_case,
    [OP_LOG_SOFTMAX] = row_case,
    [OP_SUM_SQUARES] = row_case,
    [OP_RMS_NORM] = rms_norm_case,
    [OP_RMS_NORM_GRAD] = rms_norm_case,
    [OP_NORMALISE] = normalise_case,
    [OP_NORMALISE_GRAD] = normalise_case,
    [OP_SILU_MUL] = silu_case,
    [OP_SILU_MUL_GRAD] = silu_case,
    [OP_ROTARY] = rotary_case,
    [OP_ATTENTION] = attention_case,
    [OP_ATTENTION_GRAD] = attention_case,
    [OP_MASKED_ATTENTION] = attention_case,
    [OP_MASKED_ATTENTION_GRAD] = attention_case,
    [OP_CROSS_ENTROPY] = cross_entropy_case,
    [OP_CROSS_ENTROPY_GRAD] = cross_entropy_case,
    [OP_ADAMW] = adamw_case,
    [OP_SPARSE_SUM_SQUARES] = sparse_case,
    [OP_SPARSE_ADAMW] = sparse_case,
    [OP_CACHE_APPEND] = cache_case,
    [OP_CACHE_ATTENTION] = cache_case,
};

case_builder *case_of(int op)
{
    if (op_info_of((op_code)op)->family == FAMILY_ELEMENTWISE)
        return domains[op].low < domains[op].high ? elementwise_case : NULL;
    return structural_cases[op];
}

case_info case_info_of(int row)
{
    op_code op = (op_code)row, shown = op_info_of(op)->sources ? op : OP_MUL; /* leaves are shown through a product */
    const op_info *own = op_info_of(op), *info = op_info_of(shown);
    bool takes = own->sources != 0 && op != OP_CAST;
    return (case_info){.name = own->name, .order = own->sources == 0 ? 1 : own->order, .tolerance_f32 = info->tolerance_f32,
                       .tolerance_bf16 = info->tolerance_bf16, .integers = takes && own->types != FLOATS,
                       .bytes = takes && own->types == ANY_TYPE && op != OP_SELECT, .truncates = op == OP_DIV,
                       .constant = op == OP_STOP_GRADIENT};
}

int case_rows(void)
{
    return OP_COUNT;
}

#endif
