/* ops.h - the table of operations, and the builders that make nodes of them.
 *
 * Three families. *Elementwise* operations carry their partial derivatives, from which both modes follow. *Structural*
 * primitives move, reduce and multiply; each has a reverse and a forward rule written in primitives. *Fused*
 * operations exist for speed: `lower` states what they mean in primitives, and a reverse rule may use other fused
 * operations; forward mode and higher orders go through the lowering.
 *
 * Element types. Sources of one operation have one type unless its builder says otherwise. Arithmetic on bf16 is done
 * in f32 and every node's value is rounded to its type, whether nodes are grouped in a plan or not; a fused
 * operation rounds once, at its end, unless said otherwise. f64 is computed in f64 throughout.
 *
 * To add an operation: a row here, a builder, its rule(s) (rules_*.c), its lowering if fused (lower_*.c), its entry in
 * the kernels (kernel_*.c), its batching rule (rules_batch.c), and a case in tests/graph (which fails until every row has one).
 */
#ifndef ASSAY_GRAPH_OPS_H
#define ASSAY_GRAPH_OPS_H

#include "graph/graph.h"

/* Which element types an operation takes. */
typedef enum op_types { FLOATS, NUMBERS, ANY_TYPE } op_types; /* NUMBERS: floats and i32 */

/* order: how many times it can be differentiated before everything is zero (0: no derivative, 9: any number).
 * The tolerances are relative to the largest magnitude of the result: fast kernel against the reference in f64 on the
 * same inputs, for f32 and bf16. bf16 has 8 bits, so rounding a result once costs at most 2^-8 of the largest: 4e-3, and
 * no more where the arithmetic is f32. The gradients of attention read the output o, rounded already: an error 2^-9 |o|
 * of it moves dO o, and with it dq by scale |dO| |o| |sum P k| 2^-9, as much again where that is the size of dq. */

/* X(NAME, name, sources, types, partial rule or NULL, order, tolerance f32, tolerance bf16) */
#define GRAPH_ELEMENTWISE_OPS(X)                                                                                   \
    X(IDENTITY, identity, 1, ANY_TYPE, partial_identity, 1, 0, 0)                                                  \
    X(CAST, cast, 1, ANY_TYPE, NULL, 1, 1e-7, 4e-3)                                                                \
    X(STOP_GRADIENT, stop_gradient, 1, ANY_TYPE, NULL, 0, 0, 0)                                                    \
    X(NEG, neg, 1, NUMBERS, partial_neg, 1, 0, 0)                                                                  \
    X(ABS, abs, 1, NUMBERS, partial_abs, 1, 0, 0)                                                                  \
    X(SIGN, sign, 1, NUMBERS, NULL, 0, 0, 0)                                                                       \
    X(FLOOR, floor, 1, FLOATS, NULL, 0, 0, 0)                                                                      \
    X(EXP, exp, 1, FLOATS, partial_exp, 9, 1e-6, 4e-3)                                                             \
    X(LOG, log, 1, FLOATS, partial_log, 9, 1e-6, 4e-3)                                                             \
    X(SQRT, sqrt, 1, FLOATS, partial_sqrt, 9, 1e-6, 4e-3)                                                          \
    X(RSQRT, rsqrt, 1, FLOATS, partial_rsqrt, 9, 1e-6, 4e-3)                                                       \
    X(RECIPROCAL, reciprocal, 1, FLOATS, partial_reciprocal, 9, 1e-6, 4e-3)                                        \
    X(TANH, tanh, 1, FLOATS, partial_tanh, 9, 1e-6, 4e-3)                                                          \
    X(SIGMOID, sigmoid, 1, FLOATS, partial_sigmoid, 9, 1e-6, 4e-3)                                                 \
    X(SIN, sin, 1, FLOATS, partial_sin, 9, 1e-6, 4e-3)                                                             \
    X(COS, cos, 1, FLOATS, partial_cos, 9, 1e-6, 4e-3)                                                             \
    X(ERF, erf, 1, FLOATS, partial_erf, 9, 1e-6, 4e-3)                                                             \
    X(ADD, add, 2, NUMBERS, partial_add, 1, 1e-7, 4e-3)                                                            \
    X(SUB, sub, 2, NUMBERS, partial_sub, 1, 1e-7, 4e-3)                                                            \
    X(MUL, mul, 2, NUMBERS, partial_mul, 2, 1e-7, 4e-3)                                                            \
    X(DIV, div, 2, NUMBERS, partial_div, 9, 1e-6, 4e-3)                                                            \
    X(POW, pow, 2, FLOATS, partial_pow, 9, 1e-6, 4e-3)                                                             \
    X(MAX, max, 2, NUMBERS, partial_max, 1, 0, 0)                                                                  \
    X(MIN, min, 2, NUMBERS, partial_min, 1, 0, 0)                                                                  \
    X(EQUAL, equal, 2, NUMBERS, NULL, 0, 0, 0)                                                                     \
    X(LESS, less, 2, NUMBERS, NULL, 0, 0, 0)                                                                       \
    X(LESS_EQUAL, less_equal, 2, NUMBERS, NULL, 0, 0, 0)                                                           \
    X(SELECT, select, 3, ANY_TYPE, NULL, 1, 0, 0)

/* X(NAME, name, sources (-1: any number), types, reverse rule, forward rule, batching rule, order, tolerance f32, bf16) */
#define GRAPH_STRUCTURAL_OPS(X)                                                                                    \
    X(INPUT, input, 0, ANY_TYPE, NULL, NULL, NULL, 0, 0, 0)                                                        \
    X(CONSTANT, constant, 0, ANY_TYPE, NULL, NULL, NULL, 0, 0, 0)                                                  \
    X(FILL, fill, 0, ANY_TYPE, NULL, NULL, NULL, 0, 0, 0)                                                          \
    X(IOTA, iota, 0, NUMBERS, NULL, NULL, NULL, 0, 0, 0)                                                           \
    X(RANDOM_UNIFORM, random_uniform, 1, FLOATS, NULL, NULL, batch_random, 0, 1e-7, 1e-7)                          \
    X(REDUCE_SUM, reduce_sum, 1, NUMBERS, grad_reduce_sum, jvp_linear, batch_reduce, 1, 1e-5, 4e-3)                \
    X(REDUCE_MAX, reduce_max, 1, NUMBERS, grad_reduce_max, jvp_reduce_max, batch_reduce, 1, 0, 0)                  \
    X(BROADCAST, broadcast, 1, ANY_TYPE, grad_broadcast, jvp_linear, batch_broadcast, 1, 0, 0)                     \
    X(RESHAPE, reshape, 1, ANY_TYPE, grad_reshape, jvp_linear, batch_reshape, 1, 0, 0)                             \
    X(TRANSPOSE, transpose, 1, ANY_TYPE, grad_transpose, jvp_linear, batch_transpose, 1, 0, 0)                     \
    X(SLICE, slice, 1, ANY_TYPE, grad_slice, jvp_linear, batch_axis, 1, 0, 0)                                      \
    X(PAD, pad, 1, ANY_TYPE, grad_pad, jvp_linear, batch_axis, 1, 0, 0)                                            \
    X(CONCAT, concat, -1, ANY_TYPE, grad_concat, jvp_linear, batch_axis, 1, 0, 0)                                  \
    X(GATHER_ROWS, gather_rows, 2, ANY_TYPE, grad_gather_rows, jvp_linear, batch_gather_rows, 1, 0, 0)             \
    X(SCATTER_ROWS, scatter_rows, 2, NUMBERS, grad_scatter_rows, jvp_linear, batch_scatter_rows, 1, 1e-5, 4e-3)    \
    X(PUT_ROWS, put_rows, 3, ANY_TYPE, grad_put_rows, jvp_linear, batch_put_rows, 1, 0, 0)                         \
    X(TAKE_LAST, take_last, 2, ANY_TYPE, grad_take_last, jvp_linear, batch_leading, 1, 0, 0)                       \
    X(GATHER_LAST, gather_last, 2, ANY_TYPE, grad_gather_last, jvp_linear, batch_leading, 1, 0, 0)                 \
    X(SCATTER_LAST, scatter_last, 2, NUMBERS, grad_scatter_last, jvp_linear, batch_leading, 1, 1e-5, 4e-3)         \
    X(CUMULATIVE_SUM, cumulative_sum, 1, NUMBERS, grad_cumulative_sum, jvp_linear, batch_axis, 1, 1e-5, 4e-3)      \
    X(ARGSORT, argsort, 1, NUMBERS, NULL, NULL, batch_leading, 0, 0, 0)                                            \
    X(AFTER, after, 2, ANY_TYPE, grad_after, jvp_after, batch_after, 1, 0, 0)                                      \
    X(WINDOWS, windows, 1, FLOATS, grad_windows, jvp_linear, batch_images, 1, 0, 0)                                \
    X(WINDOWS_SUM, windows_sum, 1, FLOATS, grad_windows_sum, jvp_linear, batch_images, 1, 1e-6, 4e-3)              \
    X(CHOLESKY, cholesky, 1, FLOATS, grad_cholesky, jvp_cholesky, batch_leading, 9, 1e-5, 1e-5)                    \
    X(TRIANGULAR_SOLVE, triangular_solve, 2, FLOATS, grad_triangular_solve, jvp_triangular_solve, batch_leading, 9, 1e-5, 1e-5)\
    X(MATMUL, matmul, 2, FLOATS, grad_matmul, jvp_bilinear, batch_matmul, 2, 1e-5, 4e-3)

/* X(NAME, name, sources, parts, reverse rule or NULL, lower, batching rule or NULL, order, tolerance f32, bf16) */
#define GRAPH_FUSED_OPS(X)                                                                                         \
    X(LINEAR, linear, 2, 1, grad_linear, lower_linear, batch_linear, 2, 1e-5, 4e-3)                                \
    X(SOFTMAX, softmax, 1, 1, grad_softmax, lower_softmax, batch_leading, 9, 1e-6, 4e-3)                           \
    X(SOFTMAX_GRAD, softmax_grad, 2, 1, NULL, lower_softmax_grad, batch_leading, 9, 1e-5, 4e-3)                    \
    X(LOG_SOFTMAX, log_softmax, 1, 1, NULL, lower_log_softmax, batch_leading, 9, 1e-6, 4e-3)                       \
    X(RMS_NORM, rms_norm, 2, 2, grad_rms_norm, lower_rms_norm, batch_rms_norm, 9, 1e-5, 4e-3)                      \
    X(RMS_NORM_GRAD, rms_norm_grad, 4, 2, NULL, lower_rms_norm_grad, batch_rms_norm, 9, 1e-5, 4e-3)                \
    X(SILU_MUL, silu_mul, 2, 1, grad_silu_mul, lower_silu_mul, batch_leading, 9, 1e-6, 4e-3)                       \
    X(SILU_MUL_GRAD, silu_mul_grad, 3, 2, NULL, lower_silu_mul_grad, batch_leading, 9, 1e-5, 4e-3)                 \
    X(ROTARY, rotary, 4, 1, grad_rotary, lower_rotary, batch_rotary, 1, 1e-6, 4e-3)                                \
    X(ATTENTION, attention, 4, 2, grad_attention, lower_attention, batch_attention, 9, 1e-5, 4e-3)                 \
    X(ATTENTION_GRAD, attention_grad, 7, 3, NULL, lower_attention_grad, batch_attention, 9, 1e-4, 8e-3)            \
    X(MASKED_ATTENTION, masked_attention, 5, 2, grad_attention, lower_attention, batch_attention, 9, 1e-5, 4e-3)   \
    X(MASKED_ATTENTION_GRAD, masked_attention_grad, 8, 3, NULL, lower_attention_grad, batch_attention, 9, 1e-4, 8e-3)\
    X(CROSS_ENTROPY, cross_entropy, 3, 2, grad_cross_entropy, lower_cross_entropy, batch_cross_entropy, 9, 1e-5, 1e-5)\
    X(CROSS_ENTROPY_GRAD, cross_entropy_grad, 5, 1, NULL, lower_cross_entropy_grad, batch_cross_entropy, 9, 1e-5, 4e-3)\
    X(CONV, conv, 2, 1, grad_conv, lower_conv, batch_conv, 2, 1e-5, 4e-3)                                          \
    X(CONV_INPUT_GRAD, conv_input_grad, 2, 1, grad_conv_input_grad, lower_conv_input_grad, batch_conv, 2, 1e-5, 4e-3)\
    X(CONV_WEIGHT_GRAD, conv_weight_grad, 2, 1, grad_conv_weight_grad, lower_conv_weight_grad, NULL, 2, 1e-5, 4e-3)\
    X(MAX_POOL, max_pool, 1, 1, grad_max_pool, lower_max_pool, batch_images, 1, 0, 0)                              \
    X(MAX_POOL_GRAD, max_pool_grad, 3, 1, NULL, lower_max_pool_grad, batch_images, 1, 1e-6, 4e-3)                  \
    X(NORMALISE, normalise, 3, 3, grad_normalise, lower_normalise, batch_normalise, 9, 1e-5, 4e-3)                 \
    X(NORMALISE_GRAD, normalise_grad, 5, 3, NULL, lower_normalise_grad, batch_normalise, 9, 1e-5, 4e-3)            \
    X(SUM_SQUARES, sum_squares, 1, 1, grad_sum_squares, lower_sum_squares, NULL, 2, 1e-5, 1e-5)                    \
    X(SPARSE_SUM_SQUARES, sparse_sum_squares, 2, 1, NULL, lower_sparse_sum_squares, NULL, 2, 1e-5, 1e-5)           \
    X(ADAMW, adamw, 5, 3, NULL, lower_adamw, NULL, 9, 1e-5, 1e-5)                                                  \
    X(SPARSE_ADAMW, sparse_adamw, 6, 3, NULL, lower_sparse_adamw, NULL, 9, 1e-5, 1e-5)                             \
    X(CACHE_APPEND, cache_append, 7, 2, NULL, lower_cache_append, NULL, 1, 0, 0)                                   \
    X(CACHE_ATTENTION, cache_attention, 6, 1, NULL, lower_cache_attention, NULL, 9, 1e-5, 4e-3)

typedef enum op_code {
#define X(NAME, ...) OP_##NAME,
    GRAPH_ELEMENTWISE_OPS(X) GRAPH_STRUCTURAL_OPS(X) GRAPH_FUSED_OPS(X)
#undef X
    OP_COUNT
} op_code;

typedef enum op_family { FAMILY_ELEMENTWISE, FAMILY_STRUCTURAL, FAMILY_FUSED } op_family;

typedef struct op_info {
    const char *name;
    op_family family;
    int sources; /* -1: any number */
    int parts;   /* results */
    int order;
    op_types types;
    double tolerance_f32, tolerance_bf16;
} op_info;

const op_info *op_info_of(op_code op);

/* ---- elementwise. Operands of the binary ones broadcast: sizes are aligned from the last axis, 1 stretches. ---- */
node *op_identity(node *x);
node *op_stop_gradient(node *x); /* the value; a constant to derivatives */
node *op_cast(node *x, element_type type); /* floats to integers truncate towards zero and saturate */
node *op_neg(node *x);
node *op_abs(node *x);  /* derivative 0 at 0 */
node *op_sign(node *x);
node *op_floor(node *x);
node *op_exp(node *x);
node *op_log(node *x);
node *op_sqrt(node *x); /* derivative 0 at 0 */
node *op_rsqrt(node *x);
node *op_reciprocal(node *x);
node *op_tanh(node *x);
node *op_sigmoid(node *x);
node *op_sin(node *x);
node *op_cos(node *x);
node *op_erf(node *x);
node *op_add(node *a, node *b);
node *op_sub(node *a, node *b);
node *op_mul(node *a, node *b);
node *op_div(node *a, node *b); /* i32: truncates, and division by zero gives 0 */
node *op_pow(node *a, node *b); /* derivative in b is 0 where a <= 0 */
node *op_max(node *a, node *b); /* ties: half the derivative to each */
node *op_min(node *a, node *b);
node *op_equal(node *a, node *b); /* comparisons give u8: 1 or 0 */
node *op_less(node *a, node *b);
node *op_less_equal(node *a, node *b);
node *op_select(node *mask, node *a, node *b); /* mask (u8) not 0: a, else b; all three broadcast */
/* Compositions: x times a number, plus a number, squared, x sigmoid(x). Many more: graph/composite.h. */
node *op_scale(node *x, double factor);
node *op_shift(node *x, double amount);
node *op_square(node *x);
node *op_silu(node *x);

/* ---- structural ---- */
/* Sums are made in a fixed order (f32 and bf16: f32 lanes, blocks added in order). keep: reduced axes stay as 1. */
node *op_reduce_sum(node *x, axes which, bool keep);
node *op_reduce_max(node *x, axes which, bool keep); /* ties share the derivative; empty: minus infinity */
node *op_reduce_mean(node *x, axes which, bool keep);
node *op_sum_all(node *x); /* to a scalar */
node *op_broadcast(node *x, shape s);
node *op_reshape(node *x, shape s); /* one size may be -1 */
node *op_transpose(node *x, axes order); /* result axis i is source axis order[i]; all axes named */
node *op_slice(node *x, int axis, int64_t start, int64_t end);
node *op_pad(node *x, int axis, int64_t before, int64_t after); /* with zeros */
node *op_concat(node *const *parts, size_t count, int axis);
/* table [N, ...], index i32 [I ...] -> [I ..., ...]; an index outside 0..N-1 gives zeros. */
node *op_gather_rows(node *table, node *index);
/* rows [I ..., ...], index i32 [I ...] -> [N, ...]: rows added at their index, in order; others ignored. Segment sums,
 * messages of a graph's edges to its nodes, gradients of lookups. */
node *op_scatter_rows(node *rows, node *index, int64_t n);
/* table with the rows at `index` replaced (distinct indices; those outside are ignored). Donate the table's buffer to
 * make it cost only the rows. */
node *op_put_rows(node *table, node *index, node *rows);
/* x [..., V], index i32 [...] -> [...]: the element at the index, or 0 outside. */
node *op_take_last(node *x, node *index);
/* x [L ..., V], index i32 [L ..., K] -> [L ..., K]: the elements of each row at its indices, 0 for those outside. Its reverse:
 * x [L ..., K] -> [L ..., n], each element added at its index, in order (sums in f64, rounded once); others ignored. */
node *op_gather_last(node *x, node *index);
node *op_scatter_last(node *x, node *index, int64_t n);
/* Sums of the elements up to and including each one (reverse: from each one on) along an axis, made in f64. */
node *op_cumulative_sum(node *x, int axis, bool reverse);
/* For each row of the last axis the indices (i32) that sort it: op_gather_last(x, op_argsort(x, false)) ascends. Equal elements
 * keep their order; NaN comes last both ways. Derivatives go through the gather: the order is a constant to them. */
node *op_argsort(node *x, bool descending);
/* x, but what is computed from this node is computed after `token` was, and never shared with what is computed from x
 * itself: how a value is computed again instead of kept (graph_checkpoint_begin). Costs nothing when it runs. */
node *op_after(node *x, node *token);
/* [..., M, K] times [..., K, N]; leading axes equal, 1 in one operand (stretched), or absent in one. transposed: the last two axes are stored
 * the other way round. out: the result's type, that of the operands or f32 for bf16 operands (accumulated in f32). */
node *op_matmul_as(node *a, node *b, bool transpose_a, bool transpose_b, element_type out);
node *op_matmul(node *a, node *b, bool transpose_a, bool transpose_b);
/* L, lower triangular, with L L^T = (A + A^T) / 2 for A [..., N, N] in f32 or f64; all NaN where that is not positive definite. */
node *op_cholesky(node *a);
/* X with L X = B (or L^T X = B) for the lower triangles of l [..., N, N] and b [..., N, M]. */
node *op_triangular_solve(node *l, node *b, bool transpose);
/* Uniform on [0, 1) in f32 (24 bits) or f64 (53), Philox4x32-10: key i32 [4] = the two key words and the upper two counter
 * words; element i is at counter i. */
node *op_random_uniform(node *key, element_type type, shape s);

/* How windows lie on images [N, H, W, C] (channels last); all 0: next to each other's start, within the image. [0] is for rows,
 * [1] for columns. */
typedef struct window_options {
    int64_t stride[2], dilation[2]; /* 0: 1 */
    int64_t before[2], after[2];    /* places beyond the image, which hold zeros (nothing, to a pool) */
} window_options;
/* All windows of kernel[0] x kernel[1] places: [N, H, W, C] -> [N, H', W', kernel[0], kernel[1], C]. A caller must check before
 * that a window fits: H' = (H + before + after - dilation (kernel - 1) - 1) / stride + 1, rounded down, at least 1. */
node *op_windows(node *x, const int64_t kernel[2], window_options o);
/* The mean of each window; places beyond the image count as zeros. */
node *op_average_pool(node *x, const int64_t kernel[2], window_options o);

/* ---- fused ---- */
/* x [..., K] times weight [N, K] transposed -> [..., N]. x bf16 may meet a weight in f32: the weight is rounded to bf16
 * first, and its gradient is f32, never rounded. out as in op_matmul_as. */
node *op_linear_as(node *x, node *weight, element_type out);
node *op_linear(node *x, node *weight);
node *op_softmax(node *x);     /* over the last axis, in f32, rounded once */
node *op_log_softmax(node *x);
/* x / sqrt(mean(x^2) + epsilon) * weight over the last axis. weight [K] of x's type, or f32 where x is bf16. */
node *op_rms_norm(node *x, node *weight, double epsilon);
node *op_silu_mul(node *gate, node *up); /* silu(gate) * up */
/* x [T, H, D], position i32 [T], cosine and sine [P, D/2] (f32; f64 for f64 x: kernels/kernels.h, kernel_rotary_table):
 * element i of a head turns with element i + D/2. A position outside of the tables gives zeros. Derivatives are taken in x only. */
node *op_rotary(node *x, node *position, node *cosine, node *sine);
/* How scores of attention are made; all 0 is the usual way. */
typedef struct attention_options {
    double scale;    /* of the products; 0: 1 / sqrt(D) */
    double soft_cap; /* 0: none; else a score becomes soft_cap * tanh(score / soft_cap) */
    int64_t window;  /* 0: none; else query t sees key j iff t - j < window (and j <= t) */
    bool both_ways;  /* later keys of the sequence are seen too; with a window those with |t - j| < window */
    int64_t row;     /* 0: none; else T is a multiple of it, and no sequence crosses one: where attention is lowered, as forward mode
                        does, the scores of one row are made with themselves alone. graph_vmap knows it of its examples */
} attention_options;
/* Attention among packed tokens, causal unless said otherwise: q [T, H, D], k and v [T, G, D], H a multiple of G; start i32 [T]: the first token
 * of each token's sequence (start[t] <= t, the same within a sequence). Query t sees keys start[t] .. t, and with a window
 * only those less than `window` tokens before it. Scores are never stored. */
node *op_attention(node *q, node *k, node *v, node *start, attention_options o);
/* The same with holes: of the keys that the options let query t see, it sees key start[t] + i where mask[t, i] is not 0; mask u8
 * [T, L] for all heads, with L the longest sequence (keys beyond L are not seen). A query that sees nothing gives zeros. Blocks of 64
 * tokens by 64 keys without any seen key cost nothing but the look. */
node *op_masked_attention(node *q, node *k, node *v, node *start, node *mask, attention_options o);
/* logits [T, V], target i32 [T] (outside of 0 .. V - 1: ignored), weight [T] (f32; f64 for f64) -> loss [T] in the weight's type:
 * weight * (logsumexp(logits) - logits[target]). Sum it for the loss. */
node *op_cross_entropy(node *logits, node *target, node *weight);
/* Convolution (without the mirror, as in every network): x [N, H, W, C], weight [O, C / groups, rows, columns] of one type ->
 * [N, H', W', O], H' as at op_windows. groups divides C and O: output channel o sees the channels of its group alone. */
node *op_conv(node *x, node *weight, int64_t groups, window_options o);
/* The same along one axis: x [N, L, C], weight [O, C / groups, K] -> [N, L', O]; the options at [0] count. */
node *op_conv_1d(node *x, node *weight, int64_t groups, window_options o);
/* The largest element of each window; ties share the derivative. */
node *op_max_pool(node *x, const int64_t kernel[2], window_options o);
/* Normalisations: (x - mean) / sqrt(variance + epsilon) * weight + bias, x [..., C], weight and bias [C] of x's type, or f32 where x
 * is bf16, or NULL (1 and 0). They differ in what mean and variance (over the elements, not one fewer) are taken of. Arithmetic in
 * f32, rounded once.
 *
 * Batch normalisation (Ioffe and Szegedy 2015): each channel over all other axes. The statistics [C], in f32 (f64 for f64), go to
 * *mean and *variance unless these are NULL. For trained networks: op_batch_norm_frozen (graph/composite.h). */
node *op_batch_norm(node *x, node *weight, node *bias, double epsilon, node **mean, node **variance);
/* Each channel of each element of the first axis (Ulyanov, Vedaldi and Lempitsky 2016). x [N, ..., C]. */
node *op_instance_norm(node *x, node *weight, node *bias, double epsilon);
/* The same for groups of neighbouring channels together (Wu and He 2018); `groups` divides C. */
node *op_group_norm(node *x, int64_t groups, node *weight, node *bias, double epsilon);
/* Each row of the last axis (Ba, Kiros and Hinton 2016, eq. 4). */
node *op_layer_norm(node *x, node *weight, node *bias, double epsilon);
node *op_sum_squares(node *x); /* scalar, f32 (f64 for f64) */

/* AdamW with decoupled decay (Loshchilov and Hutter 2019): value, mean and square (m and v), gradient of one float type
 * (f32 or f64) and shape; rates [4] of that type: learning rate, 1 - beta1^step, 1 - beta2^step, and the factor put on
 * the gradient first (clipping; 1 for none). decay may be 0. */
typedef struct adamw_options {
    double beta1, beta2, epsilon, decay;
} adamw_options;
bool op_adamw(node *value, node *mean, node *square, node *gradient, node *rates, adamw_options o, node **new_value,
              node **new_mean, node **new_square);

/* Two of these for a gradient that is zero but for some rows (graph/sparse.h, which makes them): rows [I, ...] and index i32 [I], rising,
 * behind that any number of -1. Values and bits are those of the whole op_scatter_rows(rows, index, n), which is never made. */
node *op_sparse_sum_squares(node *rows, node *index, int64_t n);
/* Every row of the table [N, ...] takes its step: one without a gradient decays, and moves on by its mean. */
bool op_sparse_adamw(node *value, node *mean, node *square, node *rows, node *index, node *rates, adamw_options o, node **new_value,
                     node **new_mean, node **new_square);

/* Keys and values of sequences under generation, in pages of 64 positions: k_cache and v_cache [P, 64, G, D] (the order
 * inside is the kernels': fill with zeros, touch only through these); pages i32 [S, M]: which page holds positions 64 m ..
 * 64 m + 63 of the sequence in slot s. Several slots may name the same page. Append writes rows k, v [T, G, D] at position[t]
 * of slot[t]; attention lets row t of q [T, H, D] see positions 0..position[t] of its slot, or those in the window. slot -1:
 * an idle row, which writes nothing and reads zeros. Donate both caches. No derivatives by rule (lowering gives them). */
bool op_cache_append(node *k_cache, node *v_cache, node *k, node *v, node *pages, node *slot, node *position, node **new_k,
                     node **new_v);
node *op_cache_attention(node *q, node *k_cache, node *v_cache, node *pages, node *slot, node *position,
                         attention_options o);

#endif
