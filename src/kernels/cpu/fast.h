/* fast.h - the vector routines, one table for each instruction set (see simd.h).
 *
 * Every routine works on the rows or elements it is given, on the calling thread; threads are the business of the
 * public functions (rows.c, layers.c, ...). Types are f32 and bf16; f64 comes here for products alone, integers never.
 */
#ifndef ASSAY_KERNELS_CPU_FAST_H
#define ASSAY_KERNELS_CPU_FAST_H

#include "kernels/kernels.h"

/* Places that lie in a grid, `row_step` and `column_step` elements from each other; each has the channels of its place. */
typedef struct fast_patch {
    size_t rows, columns;
    ptrdiff_t row_step, column_step;
} fast_patch;
#define PATCH_AT(p, i, j) ((ptrdiff_t)(i) * (p)->row_step + (ptrdiff_t)(j) * (p)->column_step)

enum { FAST_PANEL_F64 = 16 };

/* A run of rows with what belongs to them; pointers are at the first row. */
typedef struct fast_table {
    /* NULL where the operation has no vector form. */
    void (*unary[KERNEL_UNARY_COUNT])(kernel_type type, size_t count, const void *x, void *y);
    void (*binary[KERNEL_BINARY_COUNT])(kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                                        size_t b_step, void *y);
    void (*compare[KERNEL_BINARY_COUNT])(kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                                         size_t b_step, uint8_t *y);
    void (*select_words)(size_t count, const uint8_t *mask, const void *a, size_t a_step, const void *b, size_t b_step, void *y);
    void (*widen_bytes)(kernel_type type, size_t count, const uint8_t *x, void *y);
    void (*widen)(size_t count, const uint16_t *x, float *y);
    void (*narrow)(size_t count, const float *x, uint16_t *y);

    float (*sum)(kernel_type type, size_t count, const void *x);
    float (*sum_squares)(kernel_type type, size_t count, const void *x);
    float (*highest)(kernel_type type, size_t count, const void *x);
    float (*logsumexp)(kernel_type type, size_t count, const void *x);
    void (*weigh)(size_t count, const float *x, float top, float factor, float *y);
    void (*block_sums)(size_t count, const float *x, double *sums);
    /* y[i] = the sum of element i of `count` rows of `inner` elements, in order, in f32, rounded to `out` at the end */
    void (*sum_rows)(kernel_type type, size_t count, size_t inner, const void *x, kernel_type out, void *y);
    /* The same in pieces, with the same bits. Of a row: 32 lanes that begin as zeros, 16 that begin as -inf; pieces are
     * multiples of these, but the last of a sum; what is left over of a maximum is given at the end. Of rows: `inner` floats. */
    void (*sum_onto)(kernel_type type, size_t count, const void *x, float *lanes);
    float (*sum_end)(const float *lanes);
    void (*highest_onto)(kernel_type type, size_t count, const void *x, float *lanes);
    float (*highest_end)(const float *lanes, size_t count, const float *rest);
    void (*sum_rows_onto)(kernel_type type, size_t count, size_t inner, const void *x, float *sums);
    void (*highest_rows_onto)(size_t count, size_t inner, const float *x, float *most);

    void (*softmax)(kernel_type type, size_t rows, size_t width, const void *x, void *y);
    void (*softmax_backward)(kernel_type type, size_t rows, size_t width, const void *y, const void *dy, void *dx);
    void (*rms_norm)(kernel_type type, kernel_type weight_type, size_t rows, size_t width, float epsilon, const void *x,
                     const void *weight, void *y, float *rstd);
    /* dweight [width] is added to. */
    void (*rms_norm_backward)(kernel_type type, kernel_type weight_type, size_t rows, size_t width, const void *x,
                              const void *weight, const float *rstd, const void *dy, const void *add, void *dx,
                              float *dweight);
    void (*cross_entropy)(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                          const int32_t *target, const float *weights, float *loss, float *lse);
    void (*cross_entropy_backward)(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                                   const int32_t *target, const float *weights, const float *lse, const float *dloss,
                                   size_t dloss_step, void *dlogits);

    void (*rotary)(kernel_type type, size_t rows, size_t heads, size_t head_size, const void *x, size_t x_stride,
                   const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward, void *y,
                   size_t y_stride);
    void (*gated_silu)(kernel_type type, size_t rows, size_t width, const void *gate, const void *up, size_t stride,
                       void *y);
    void (*gated_silu_backward)(kernel_type type, size_t rows, size_t width, const void *gate, const void *up,
                                size_t stride, const void *dy, void *dgate, void *dup);
    /* y += x (f32 += type) */
    void (*add_to)(kernel_type type, size_t count, const void *x, float *y);
    void (*adamw)(size_t count, const kernel_adamw *how, float *p, float *m, float *v, const float *gradient,
                  uint16_t *copy);

    /* y[rows][64] (row stride y_stride) = x[rows][k] w[k][64], summed over k in order. */
    void (*product)(size_t rows, size_t k, const float *x, size_t x_stride, const void *w, float *y, size_t y_stride);

    /* Normalisation, by channels and by rows; y and dx of rows may be NULL: body_normalise.h. */
    void (*channel_moments)(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares);
    void (*channel_scale)(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const float *scale,
                          const float *bias, void *y);
    void (*channel_sums)(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy, float *sum,
                         float *dot);
    void (*channel_backward)(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                             const float *weight, const float *scale, const float *shift, const float *slope, void *dx);

    void (*row_norm)(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                     const float *bias, void *y, float *mean, float *variance);
    /* dweight and dbias [width] are added to. */
    void (*row_norm_backward)(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                              const float *mean, const float *variance, const void *dy, void *dx, float *dweight, float *dbias);

    /* y = the largest of the places, channel by channel (-inf where there are none); dx of the places that hold it, y, += their
     * share of dy; y = the sum of the places, in order. Pointers are at the patch's first place. */
    void (*patch_highest)(const fast_patch *p, size_t channels, const float *x, float *y);
    void (*patch_share)(const fast_patch *p, size_t channels, const float *x, const float *y, const float *dy, float *dx);
    void (*patch_sum)(kernel_type type, const fast_patch *p, size_t channels, const void *x, void *y);

    /* Rows from .. to - 1 of one product of f64 with the bits of the reference. panel: FAST_PANEL_F64 times k elements to work in. */
    void (*gemm_f64)(const kernel_gemm_spec *s, size_t from, size_t to, const double *a, const double *b, double *c, double *panel);

    /* Attention: body_attention.h says what these mean. */
    void (*scaled_rows)(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const void *rows, size_t stride, float factor,
                        float *to);
    void (*put_rows)(kernel_type type, size_t tokens, size_t heads, size_t d, size_t dp, const float *rows, float factor, void *to,
                     size_t stride);
    void (*transposed_block)(size_t count, size_t d, size_t dp, const float *rows, float *to);
    void (*attend)(kernel_type type, size_t rows, size_t d, size_t dp, const float *q, const void *kt, const void *v,
                   size_t v_stride, float cap, const uint8_t *first, const uint8_t *seen, const uint64_t *sees, const void *ahead,
                   float *m, float *l, float *acc);
    void (*attend_end)(kernel_type type, size_t d, size_t dp, float m, float l, const float *acc, void *out, float *lse);
    void (*attend_backward)(size_t rows, size_t d, size_t dp, size_t keys, const float *q, const float *dout,
                            const float *kt, const float *vt, const float *k, float cap, const uint8_t *first,
                            const uint8_t *seen, const uint64_t *sees, const float *lse, const float *delta, float *p,
                            float *ds, float *dq, float *dk, float *dv);
    float (*dot)(kernel_type type, size_t count, const void *a, const void *b);
} fast_table;

extern const fast_table fast_portable, fast_avx2, fast_avx512;

/* The table of the instruction set in use. */
const fast_table *fast(void);

#endif
