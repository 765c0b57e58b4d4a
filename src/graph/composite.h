/* composite.h - operations made of others: activations, losses, normalisations, order, sampling, distances, draws.
 *
 * Nothing here has a row in the table or rules of its own: derivatives of every order, forward mode, batching and the laying
 * of plans follow from the operations that a function is made of, and a plan groups what is elementwise. Where the obvious
 * formula loses a derivative (at 0, at ties) or makes NaN out of 0 times infinity, the one used here does not.
 *
 *     node *loss = op_sum_all(op_huber(op_sub(y, target), 1.0));
 *     node *sorted = op_gather_last(x, op_argsort(x, false)), *best = op_top_k(x, 8, &where);
 *
 * Types. Where "in f32" is said, bf16 is widened first and the result rounded once; else each step rounds (graph/ops.h).
 */
#ifndef ASSAY_GRAPH_COMPOSITE_H
#define ASSAY_GRAPH_COMPOSITE_H

#include "graph/ops.h"

/* ---- activations, elementwise ---- */
node *op_relu(node *x);                     /* max(x, 0); derivative 1/2 at 0, second derivative 0 */
node *op_leaky_relu(node *x, double slope); /* x where x > 0, else slope x; at 0 the derivative is slope */
node *op_gelu(node *x);                     /* x (1 + erf(x / sqrt 2)) / 2 */
node *op_gelu_tanh(node *x); /* its approximation x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, in f32 */
node *op_softplus(node *x);                 /* log(1 + e^x) in f32, without overflow; every derivative is exact, at 0 too */
node *op_log_sigmoid(node *x);              /* -softplus(-x) */
node *op_clamp(node *x, double low, double high); /* derivative 1 from low to high, both included, 0 outside */
/* The value of `value` with the derivatives of `through` (of one shape and type): straight-through estimators. */
node *op_straight_through(node *value, node *through);

/* ---- losses, elementwise: reduce them yourself ---- */
node *op_huber(node *difference, double delta); /* d^2 / 2 up to |d| = delta, then delta (|d| - delta / 2) */
/* Binary cross-entropy of the probability sigmoid(logit): softplus(logit) - logit target, target in [0, 1]. In f32. */
node *op_binary_cross_entropy(node *logit, node *target);

/* Cross-entropy of the logits that `logits` makes of rows of x [T, K] (target and row_weight as in op_cross_entropy) without ever
 * holding all of them: they are made for `rows` tokens at a time (at least 1), and made again for the gradient, each time
 * behind a checkpoint (graph_checkpoint_begin; graph_value_and_grad makes them once).
 * -> loss [T], with the bits of the direct way; so are the gradients of x, and those of weights where rows is a multiple of
 * KERNEL_TOKEN_BLOCK. */
typedef node *logits_builder(void *context, node *rows);
node *op_cross_entropy_by_rows(node *x, logits_builder *logits, void *context, node *target, node *row_weight, int64_t rows);
/* The same of op_linear_as(x, weight, logits), weight [V, K]. */
node *op_projected_cross_entropy(node *x, node *weight, node *target, node *row_weight, element_type logits, int64_t rows);

/* The contrastive loss NT-Xent (Chen et al. 2020, eq. 1). z [2N, D]: rows i and i + N are two views of one example, told from all
 * other rows by their cosine s: -> [2N], -s(i, j) / temperature + log of the sum over k != i of exp(s(i, k) / temperature), j the
 * other view of i. The loss is its mean. In f32. */
node *op_nt_xent(node *z, double temperature);

/* ---- over the last axis, in f32 ---- */
/* log of the sum of exp, [L ..., N] -> [L ...]. -inf elements count nothing; a row of them gives -inf, with derivative 0. */
node *op_logsumexp(node *x);
/* log |sum of sign exp(x)| and, in *sign_of_sum, that sum's sign (1, -1, or 0 where the sum is 0 and its logarithm -inf). sign:
 * of x's shape and type; constant to derivatives. */
node *op_logsumexp_signed(node *x, node *sign, node **sign_of_sum);
/* Batch normalisation with statistics that are given: x [..., C], mean and variance [C] in f32 (f64 for f64), weight and bias as at
 * op_batch_norm. All of them may be differentiated. */
node *op_batch_norm_frozen(node *x, node *weight, node *bias, node *mean, node *variance, double epsilon);
/* What running statistics [C] become after a batch whose statistics over `count` rows op_batch_norm gave: old (1 - momentum) + new
 * momentum, the variance over count - 1 rows (as PyTorch keeps them). count at least 2; constants to derivatives. */
void op_batch_norm_running(node **mean, node **variance, node *batch_mean, node *batch_variance, int64_t count, double momentum);
node *op_norm(node *x); /* Euclidean, [L ..., N] -> [L ...]; every derivative is 0 at 0 */

/* ---- order ---- */
node *op_sort(node *x, bool descending); /* along the last axis; NaN last */
/* The k largest of each row, the largest first, and (unless NULL) their indices i32 [L ..., k]. k at most the row's length. */
node *op_top_k(node *x, int64_t k, node **index);
/* 1 for even and -1 for odd permutations: i32 [L ..., N] -> `type` [L ...]. Counts the N^2 / 2 pairs. */
node *op_permutation_parity(node *permutation, element_type type);

/* ---- along any axis ---- */
/* As op_gather_last and op_scatter_last, on axis `axis` of x and index. */
node *op_gather_along(node *x, node *index, int axis);
node *op_scatter_along(node *x, node *index, int axis, int64_t n);

/* ---- sampling between grid points ---- */
/* x [L ..., N] at coordinates [L ..., K] (f32; f64 for f64 x), 0 at the first element and N - 1 at the last: linear between
 * neighbours, constant beyond the ends. At a grid point the derivative in the coordinate is that of the piece to its right
 * (at the last one, to its left); beyond the ends it is 0. N at least 1. In f32. */
node *op_sample_linear(node *x, node *at);
/* x [L ..., H, W] at (row, column), each [L ..., K]: bilinear, otherwise the same. */
node *op_sample_bilinear(node *x, node *row, node *column);

/* How far the points 0 .. N - 1 of a line have moved after unit time along a field of velocities that stands still, [L ..., N] in f32
 * or f64, by scaling and squaring (Arsigny et al. 2006): u = v / 2^squarings, then that often u <- u + u at (t + u). A signal is
 * warped by op_sample_linear(x, op_add(t, flow)). Beyond the ends the field goes on as it is there. */
node *op_flow(node *velocity, int squarings);

/* ---- geometry ---- */
/* r [L ..., N, D] -> [L ..., N, N]: |r_i - r_j|, every derivative 0 where it is 0 (the diagonal). */
node *op_pair_distances(node *r);
/* a [M, D], b [N, D] -> [M, N]: cosines; rows of zeros give 0. In f32. */
node *op_cosine_similarity(node *a, node *b);

/* ---- symmetric positive definite matrices A [..., N, N], f32 or f64, by their Cholesky factors ---- */
node *op_solve_positive(node *a, node *b); /* X with A X = B, b [..., N, M] */
node *op_log_determinant(node *a);         /* -> [...] */

/* ---- draws ---- */
/* Standard normal, by Box and Muller in f64 on op_random_uniform's draws of the same key: element i depends on the key, i and
 * the number of elements alone. f32 is f64 rounded. */
node *op_random_normal(node *key, element_type type, shape s);

#endif
