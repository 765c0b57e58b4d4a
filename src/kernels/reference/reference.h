/* reference.h - the meaning of every kernel in plain scalar C: slow, readable, computed in f64 and rounded once.
 *
 * The fast routines are tested against these, and f64 is always computed here. Same arguments as in kernels.h, without
 * pools and scratch.
 */
#ifndef ASSAY_KERNELS_REFERENCE_H
#define ASSAY_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

/* Element i of an array of the given type, as f64, and back (rounded once). */
double reference_get(kernel_type type, const void *x, size_t i);
void reference_set(kernel_type type, void *x, size_t i, double value);
uint16_t reference_bf16(double x); /* f64 to bf16 in one rounding */

void reference_matmul(const kernel_matmul_spec *spec, size_t rows, const void *x, size_t x_stride, const void *weight,
                      void *y, size_t y_stride);
void reference_outer(const kernel_outer_spec *spec, size_t tokens, const void *a, const void *b, float *w,
                     bool accumulate);
/* Rows `from` to `to` of matrix i of the batch. f64 sums with fma in order of k; other types sum in f64. */
void reference_gemm(const kernel_gemm_spec *spec, size_t i, size_t from, size_t to, const void *a, const void *b,
                    void *c);

double reference_unary_value(kernel_unary_op op, double x);
double reference_binary_value(kernel_binary_op op, double a, double b);
void reference_unary(kernel_unary_op op, kernel_type type, size_t count, const void *x, void *y);
void reference_binary(kernel_binary_op op, kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                      size_t b_step, void *y);
void reference_cast(size_t count, kernel_type from, const void *x, kernel_type to, void *y);
void reference_reduce(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner, const void *x,
                      void *y);
double reference_sum_squares(kernel_type type, size_t count, const void *x);

void reference_softmax(kernel_type type, size_t rows, size_t width, const void *x, void *y);
void reference_softmax_backward(kernel_type type, size_t rows, size_t width, const void *y, const void *dy, void *dx);
void reference_rms_norm(kernel_type type, kernel_type weight_type, size_t rows, size_t width, double epsilon,
                        const void *x, const void *weight, void *y, void *rstd);
void reference_rms_norm_backward(kernel_type type, kernel_type weight_type, size_t rows, size_t width, const void *x,
                                 const void *weight, const void *rstd, const void *dy, const void *add, void *dx,
                                 void *dweight);
void reference_cross_entropy(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                             const int32_t *target, const void *weights, void *loss, void *lse);
void reference_cross_entropy_backward(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                                      const int32_t *target, const void *weights, const void *lse, const void *dloss,
                                      size_t dloss_step, void *dlogits);

void reference_rotary(kernel_type type, size_t rows, size_t heads, size_t head_size, const void *x, size_t x_stride,
                      const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward, void *y,
                      size_t y_stride);
void reference_gated_silu(kernel_type type, size_t rows, size_t width, const void *gate, const void *up, size_t stride,
                          void *y);
void reference_gated_silu_backward(kernel_type type, size_t rows, size_t width, const void *gate, const void *up,
                                   size_t stride, const void *dy, void *dgate, void *dup);
void reference_scatter_add(kernel_type type, size_t rows, size_t width, size_t entries, const void *dy,
                           const int32_t *ids, void *dtable, bool accumulate);

void reference_attention_forward(const kernel_attention *a, const void *q, const void *k, const void *v, void *out,
                                 void *lse);
void reference_attention_backward(const kernel_attention *a, const void *q, const void *k, const void *v,
                                  const void *out, const void *lse, const void *dout, void *dq, void *dk, void *dv);
void reference_cache_attention(const kernel_cache *c, size_t rows, size_t query_heads, kernel_scores scores,
                               const int32_t *slot, const int32_t *position, const void *q, size_t q_stride, void *out,
                               size_t out_stride);
void reference_adamw_step(kernel_type type, size_t count, const kernel_adamw *how, void *p, void *m, void *v,
                          const void *gradient, uint16_t *copy);

#endif
