/* kernels.h - the numerical routines that a plan calls.
 *
 * Pure functions on pointers and sizes. Nothing here allocates while it runs (objects are made beforehand, scratch is
 * the caller's and a function says how much), nothing keeps state except the choice of instruction set. Matrices are
 * row-major. A `stride` counts elements from one row to the next. Wherever a `thread_pool *` is taken, NULL means the
 * calling thread alone, and the bits of the result do not depend on it.
 *
 *     kernel_matmul *m;                                                         // y = x W^T, W as Hugging Face stores it
 *     TRY(kernel_matmul_new(arena, &(kernel_matmul_spec){.type = KERNEL_BF16, .out = KERNEL_BF16, .k = 256, .n = 704,
 *                                                        .transposed = true}, thread_pool_size(pool), &m, err));
 *     void *packed = arena_alloc(arena, kernel_matmul_packed_bytes(m));
 *     void *scratch = arena_alloc(arena, kernel_matmul_scratch_bytes(m));
 *     kernel_matmul_pack(m, pool, weight, packed);                              // once per value of the weight
 *     kernel_matmul_run(m, pool, rows, x, 256, packed, y, 704, scratch);        // any number of rows
 *
 * Types. Storage is f64, f32 or bf16 (a uint16_t); bf16 inputs are widened, arithmetic is f32, and a bf16 result is
 * rounded once, to nearest even, at the end. f64 is computed in f64, with the bits of the reference routines.
 *
 * Same bits. A result depends on its inputs only, never on threads, on how many other rows there are, or on where in
 * the batch a row lies. Sums over a row run in 16 lanes (element i into lane i mod 16) that are added as a fixed tree,
 * whatever the width of the machine's vectors: AVX-512, AVX2 and plain C compute the same formula with fused
 * multiply-adds, and agree bit for bit in all routines except products (oneDNN chooses its own order there; it is the
 * same on one kind of CPU and one version of the library).
 *
 * All scratch and packed memory must be 64-byte aligned (memory_alloc and arena pieces are).
 */
#ifndef ASSAY_KERNELS_KERNELS_H
#define ASSAY_KERNELS_KERNELS_H

#include "core/arena.h"
#include "core/element.h"
#include "core/error.h"
#include "core/threads.h"
#include "kernels/quant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- element types --------------------------------------------------------------------------------------------- */

/* Those of core/element.h. */
typedef element_type kernel_type;
#define KERNEL_F64 TYPE_F64
#define KERNEL_F32 TYPE_F32
#define KERNEL_BF16 TYPE_BF16
#define KERNEL_I32 TYPE_I32
#define KERNEL_U8 TYPE_U8

size_t kernel_type_size(kernel_type type);
const char *kernel_type_name(kernel_type type); /* "f64", "f32", "bf16", "i32", "u8" */

float kernel_bf16_to_f32(uint16_t x);
uint16_t kernel_bf16_from_f32(float x); /* nearest even; a NaN stays a (quiet) NaN */

/* --- instruction sets ------------------------------------------------------------------------------------------ */

typedef enum kernel_isa { KERNEL_PORTABLE, KERNEL_AVX2, KERNEL_AVX512 } kernel_isa;

/* What the routines of this library use on this machine (AVX2 includes FMA and F16C; AVX-512 is F, BW, DQ, VL). */
kernel_isa kernel_isa_used(void);
/* Use no more than `most` from now on: for tests and for comparing machines. Call it before any work is running. */
void kernel_isa_limit(kernel_isa most);
const char *kernel_isa_name(kernel_isa isa);
/* What decides the bits of a result beside our own code, for the records of runs: "avx512, oneDNN 2.6.3". */
const char *kernel_description(void);

/* --- products with a packed weight ------------------------------------------------------------------------------ */

typedef struct kernel_matmul kernel_matmul;

typedef struct kernel_matmul_spec {
    kernel_type type; /* of the rows x and of the weight: KERNEL_BF16 or KERNEL_F32 */
    kernel_type out;  /* of the result: KERNEL_F32, or KERNEL_BF16 where `type` is KERNEL_BF16 */
    size_t k, n;      /* x is [rows][k], y is [rows][n]; both at least 1 */
    bool transposed;  /* the weight is stored [n][k] (y = x W^T); else [k][n] (y = x W) */
    quant_format format; /* of the weight, which is then `transposed` and has whole blocks in a row; PLAIN: `type` */
} kernel_matmul_spec;

/* With a format the rows are quantised too, in blocks of 32 to integers of 8 bits, and every instruction set gives the same
 * bits (kernels/quant_product.h says which). F16 is not: rows and sums are f32 there. */

enum { KERNEL_ROW_TILE = 32 }; /* rows that one call of oneDNN computes; the last tile is padded with zeros */

/* Makes the oneDNN primitives (one for each width of column panel) and memory objects; they are released with the
 * arena. `threads`: the size of the largest pool that the object is run with (for all three kinds of product).
 * STATUS_UNSUPPORTED when oneDNN offers only a reference implementation, or the types are not products'. */
status kernel_matmul_new(arena *a, const kernel_matmul_spec *spec, size_t threads, kernel_matmul **out, error *err);
/* The implementations that oneDNN chose, such as "brg:avx512_core_bf16". */
const char *kernel_matmul_implementation(const kernel_matmul *m);
/* Whether our own routines, which give the same bits, take the place of those implementations. */
bool kernel_matmul_is_direct(const kernel_matmul *m);
size_t kernel_matmul_packed_bytes(const kernel_matmul *m);
size_t kernel_matmul_scratch_bytes(const kernel_matmul *m);
/* Brings the weight into the layout of the primitives; `weight` has stride k (transposed) or n. */
void kernel_matmul_pack(const kernel_matmul *m, thread_pool *pool, const void *weight, void *packed);
/* y[rows][n] = x[rows][k] times the packed weight. One object may be used by one thread (with its pool) at a time.
 * Strides of at least k and n elements. x and y must not overlap. */
void kernel_matmul_run(const kernel_matmul *m, thread_pool *pool, size_t rows, const void *x, size_t x_stride,
                       const void *packed, void *y, size_t y_stride, void *scratch);

/* --- gradients of weights --------------------------------------------------------------------------------------- */

/* w[m][n] = sum over tokens t of a[t][m] b[t][n], in f32 from bf16 or f32 inputs. For y = x W^T (W [n_out][k_in]) take
 * a = dy, b = x and get dW as W is stored; for y = x W (W [k_in][n_out]) take a = x, b = dy. Tokens are summed in blocks
 * of KERNEL_TOKEN_BLOCK, in order. (The gradient of the rows, dx = dy W, is a kernel_matmul with the other
 * `transposed`.) */
typedef struct kernel_outer kernel_outer;

typedef struct kernel_outer_spec {
    kernel_type type; /* of a and b: KERNEL_BF16 or KERNEL_F32 */
    size_t m, n;      /* columns of a and of b, at least 1 */
    size_t a_stride, b_stride; /* 0: m, n */
} kernel_outer_spec;

enum { KERNEL_TOKEN_BLOCK = 512 };

status kernel_outer_new(arena *a, const kernel_outer_spec *spec, size_t threads, kernel_outer **out, error *err);
const char *kernel_outer_implementation(const kernel_outer *o);
size_t kernel_outer_scratch_bytes(const kernel_outer *o, size_t tokens); /* less where tokens are whole blocks; never 0 */
/* `accumulate`: add to what w holds, else overwrite it. w has stride n, f32. */
void kernel_outer_run(const kernel_outer *o, thread_pool *pool, size_t tokens, const void *a, const void *b, float *w,
                      bool accumulate, void *scratch);

/* --- convolutions and windows -------------------------------------------------------------------------------------- */

/* Images lie as [image][row][column][channel], weights as [output][channel of the group][row][column] (the order of
 * checkpoints). A window's row i and column j of output place (y, x) is the input's row y * stride[0] + i * dilation[0] -
 * before[0], and so for columns; outside of the image it is zero. */
typedef struct kernel_windows {
    size_t images, in[2], out[2], channels; /* [0]: rows, [1]: columns */
    size_t kernel[2], stride[2], dilation[2], before[2];
} kernel_windows;

/* Copies all windows: [image][out row][out column][row][column][channel]. Any type. */
void kernel_windows_copy(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *x, void *windows);
/* The transpose of it: adds each window's elements where they came from, in the order of the places in the window. */
void kernel_windows_sum(const kernel_windows *w, kernel_type type, thread_pool *pool, const void *windows, void *x);
/* The largest of each window (outside of the image there is nothing), f32; and the gradient: dy goes to the places that hold
 * the largest, in equal shares. A window without any place in the image gives minus infinity. */
void kernel_max_pool(const kernel_windows *w, thread_pool *pool, const float *x, float *y);
void kernel_max_pool_backward(const kernel_windows *w, thread_pool *pool, const float *x, const float *y, const float *dy,
                              float *dx);

typedef enum kernel_conv_kind {
    KERNEL_CONV_FORWARD,    /* (x, weight) -> y */
    KERNEL_CONV_INPUT_GRAD, /* (dy, weight) -> dx */
    KERNEL_CONV_WEIGHT_GRAD /* (x, dy) -> dweight */
} kernel_conv_kind;

typedef struct kernel_conv_spec {
    kernel_conv_kind kind;
    kernel_type type; /* of all three: KERNEL_F32 or KERNEL_BF16 (summed in f32, rounded once) */
    kernel_windows at;
    size_t outputs, groups; /* groups divides channels and outputs */
} kernel_conv_spec;

/* Convolutions by oneDNN, an image at a time (gradients of weights: KERNEL_CONV_IMAGES, whose sums are added in order), so
 * that an image's results have the same bits in any batch and for any threads. STATUS_UNSUPPORTED where oneDNN has
 * only a reference. */
typedef struct kernel_conv kernel_conv;
enum { KERNEL_CONV_IMAGES = 16 };

status kernel_conv_new(arena *a, const kernel_conv_spec *spec, size_t threads, kernel_conv **out, error *err);
const char *kernel_conv_implementation(const kernel_conv *c);
size_t kernel_conv_scratch_bytes(const kernel_conv *c);
void kernel_conv_run(const kernel_conv *c, thread_pool *pool, const void *a, const void *b, void *result, void *scratch);

/* --- batched products of any operands --------------------------------------------------------------------------- */

/* c[i] = op(a[i]) op(b[i]) for i in 0 .. batch-1: the product of the primitives, for shapes and types that have no
 * packed weight. op(a) is [m][k], op(b) is [k][n]; with transpose_a the stored matrix is [k][m], and so on. Types f64
 * and f32 (and bf16: widened to f32, result rounded). The sum runs over k in order with fused multiply-adds in the
 * portable version; big f32 products go to oneDNN in row tiles. */
typedef struct kernel_gemm kernel_gemm;

typedef struct kernel_gemm_spec {
    kernel_type type, out;
    size_t batch, m, n, k;
    bool transpose_a, transpose_b;
    size_t a_step, b_step; /* elements from one matrix of the batch to the next; 0: the same for all */
} kernel_gemm_spec;

status kernel_gemm_new(arena *a, const kernel_gemm_spec *spec, size_t threads, kernel_gemm **out, error *err);
const char *kernel_gemm_implementation(const kernel_gemm *g);
size_t kernel_gemm_scratch_bytes(const kernel_gemm *g);
void kernel_gemm_run(const kernel_gemm *g, thread_pool *pool, const void *a, const void *b, void *c, void *scratch);

/* --- elementwise, on one contiguous block ------------------------------------------------------------------------ */

/* A block is worked on by the calling thread; the planner cuts arrays into blocks. Inputs may equal the output.
 * NAME(enumerator, word). Errors of exp, log, tanh and what stands on them: kernels/cpu/mathvec.h. */
#define KERNEL_UNARY_TABLE(X)                                                                                      \
    X(COPY, "copy") X(NEG, "neg") X(ABS, "abs") X(SIGN, "sign") X(SQUARE, "square") X(SQRT, "sqrt")                 \
    X(RSQRT, "rsqrt") X(RECIPROCAL, "reciprocal") X(EXP, "exp") X(LOG, "log") X(TANH, "tanh")                       \
    X(SIGMOID, "sigmoid") X(SILU, "silu") X(RELU, "relu") X(SOFTPLUS, "softplus") X(GELU, "gelu")                   \
    X(SIN, "sin") X(COS, "cos") X(ERF, "erf") X(FLOOR, "floor") X(LOG1P, "log1p") X(EXPM1, "expm1")
/* Comparisons give 1 or 0 in the type of the operands. */
#define KERNEL_BINARY_TABLE(X)                                                                                     \
    X(ADD, "add") X(SUB, "sub") X(MUL, "mul") X(DIV, "div") X(MAX, "max") X(MIN, "min") X(POW, "pow")               \
    X(EQUAL, "equal") X(LESS, "less") X(LESS_EQUAL, "less_equal") X(GREATER, "greater")

typedef enum kernel_unary_op {
#define X(name, word) KERNEL_##name,
    KERNEL_UNARY_TABLE(X)
#undef X
    KERNEL_UNARY_COUNT
} kernel_unary_op;

typedef enum kernel_binary_op {
#define X(name, word) KERNEL_##name,
    KERNEL_BINARY_TABLE(X)
#undef X
    KERNEL_BINARY_COUNT
} kernel_binary_op;

/* GELU is the exact one (erf). COPY, NEG, ABS, SIGN, SQUARE, RELU also for i32. SIN, COS, ERF, LOG1P, EXPM1, POW call
 * libm. */
void kernel_unary(kernel_unary_op op, kernel_type type, size_t count, const void *x, void *y);
/* Steps are 1, or 0 for an operand that is one value repeated. POW is not for i32; i32 DIV truncates, and division by
 * zero gives 0 there. MAX and MIN return the other operand when one is a NaN. */
void kernel_binary(kernel_binary_op op, kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                   size_t b_step, void *y);
/* EQUAL, LESS, LESS_EQUAL and GREATER as bytes, 1 or 0, of elements of any type. */
void kernel_compare(kernel_binary_op op, kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                    size_t b_step, uint8_t *y);
/* y = mask ? a : b, mask u8 (0 or not). */
void kernel_select(kernel_type type, size_t count, const uint8_t *mask, size_t mask_step, const void *a, size_t a_step,
                   const void *b, size_t b_step, void *y);
/* Between any two types. Floats to integers truncate towards zero and saturate; NaN gives 0. Inputs must not overlap
 * the output unless they are the same block of the same type. */
void kernel_cast(size_t count, kernel_type from, const void *x, kernel_type to, void *y);
void kernel_fill(kernel_type type, size_t count, double value, void *y);
/* Copies elements between two arrays of equal shape and any strides (in elements, 0 repeats): transposition, slices,
 * broadcasting. Rank 0 to 8. `size` is the bytes of an element (1, 2, 4, 8). */
void kernel_copy_strided(thread_pool *pool, size_t rank, const size_t *shape, size_t size, const void *x,
                         const size_t *x_strides, void *y, const size_t *y_strides);

/* --- reductions -------------------------------------------------------------------------------------------------- */

/* NAME(enumerator, word). ARGMAX writes i32, the first of equals. */
#define KERNEL_REDUCE_TABLE(X)                                                                                     \
    X(SUM, "sum") X(HIGHEST, "max") X(LOWEST, "min") X(PRODUCT, "prod") X(ARGMAX, "argmax") X(LOGSUMEXP, "logsumexp")

typedef enum kernel_reduce_op {
#define X(name, word) KERNEL_REDUCE_##name,
    KERNEL_REDUCE_TABLE(X)
#undef X
    KERNEL_REDUCE_COUNT
} kernel_reduce_op;

/* x is [outer][count][inner], y is [outer][inner]; types f64, f32, bf16, i32. Empty sums are 0, empty maxima -inf. Long sums of
 * f32 and bf16 are made in parts of about 16,384 elements, added in order. */
size_t kernel_reduce_scratch_bytes(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner);
void kernel_reduce(kernel_reduce_op op, kernel_type type, thread_pool *pool, size_t outer, size_t count, size_t inner,
                   const void *x, void *y, void *scratch);

/* The same, of an x that is made piece by piece and never held, with the bits of kernel_reduce (SUM and HIGHEST alone). Either rows
 * of it are there whole (where there is one part): kernel_reduction_rows. Or each part of each of the `outer`, and of it any
 * columns `width` of `inner`, is done on its own, by any thread, in a state of its own:
 *
 *     kernel_reduction r = kernel_reduction_of(KERNEL_REDUCE_SUM, KERNEL_F32, outer, count, inner, false);
 *     kernel_reduction_begin(&r, width, state);
 *     for (pieces of the part's rows, in order)
 *         kernel_reduction_add(&r, rows, width, piece, state);       // [rows][width]
 *     kernel_reduction_end(&r, o, part, column, width, state, scratch, y);
 *     ...
 *     kernel_reduction_finish(&r, scratch, y);                       // once all are done
 *
 * Where inner is 1, all pieces but the last of a part have a multiple of KERNEL_PIECE_ROWS rows. */
enum { KERNEL_PIECE_ROWS = 32 };
typedef struct kernel_reduction {
    kernel_reduce_op op;
    kernel_type type;
    size_t outer, count, inner;
    size_t part, parts; /* rows of `count` in a part (the last may have fewer), parts */
    bool reference;     /* with the bits of the portable reference */
} kernel_reduction;
kernel_reduction kernel_reduction_of(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner, bool reference);
size_t kernel_reduction_scratch_bytes(const kernel_reduction *r); /* 0 where there is one part */
void kernel_reduction_rows(const kernel_reduction *r, size_t outer, const void *x, void *y);
size_t kernel_reduction_state_bytes(const kernel_reduction *r, size_t width);
void kernel_reduction_begin(const kernel_reduction *r, size_t width, void *state);
void kernel_reduction_add(const kernel_reduction *r, size_t rows, size_t width, const void *x, void *state);
void kernel_reduction_end(const kernel_reduction *r, size_t outer, size_t part, size_t column, size_t width, const void *state,
                          void *scratch, void *y);
void kernel_reduction_finish(const kernel_reduction *r, const void *scratch, void *y);
/* Sum of squares in f64: 16 lanes in f32 over blocks of KERNEL_SQUARES_BLOCK elements, blocks added in order in f64. Scratch:
 * kernel_sum_squares_scratch_bytes(count). */
enum { KERNEL_SQUARES_BLOCK = 4096 };
size_t kernel_sum_squares_scratch_bytes(size_t count);
double kernel_sum_squares(kernel_type type, thread_pool *pool, size_t count, const void *x, void *scratch);

/* --- distributions over tokens, on the calling thread ---------------------------------------------------------------- */

enum { KERNEL_SUM_BLOCK = 64 };

/* The largest of x; NaN is passed over (-inf where there is nothing else). */
float kernel_highest(size_t count, const float *x);
/* y[i] = exp((x[i] - top) * factor); 0 where x[i] is NaN. x may equal y. */
void kernel_weigh(size_t count, const float *x, float top, float factor, float *y);
/* Sums in f64 of the blocks of KERNEL_SUM_BLOCK elements, the last one shorter: sums [ceil(count / KERNEL_SUM_BLOCK)]. */
void kernel_block_sums(size_t count, const float *x, double *sums);

/* --- rows: softmax, normalisation, cross-entropy ------------------------------------------------------------------ */

/* y = softmax of each row of `width`. x may equal y. */
void kernel_softmax(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *x, void *y);
/* dx = y * (dy - sum(y * dy)). dx may equal dy. */
void kernel_softmax_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *y,
                             const void *dy, void *dx);

/* y = x * r * weight, r = 1 / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019, eq. 4). `weight` [width] has type
 * `weight_type` (f64 for f64, else f32 or bf16). r, one per row in f32 (f64 for f64), is stored where `rstd` is not NULL. */
void kernel_rms_norm(kernel_type type, kernel_type weight_type, thread_pool *pool, size_t rows, size_t width,
                     double epsilon, const void *x, const void *weight, void *y, void *rstd);
/* dx and, where not NULL, dweight (f32; f64 for f64; overwritten). dx may equal dy. With `add` not NULL, dx = add +
 * that (the residual stream's gradient, saves a pass; same type; may equal dx). */
size_t kernel_rms_norm_backward_scratch_bytes(kernel_type type, size_t rows, size_t width);
void kernel_rms_norm_backward(kernel_type type, kernel_type weight_type, thread_pool *pool, size_t rows, size_t width,
                              const void *x, const void *weight, const void *rstd, const void *dy, const void *add,
                              void *dx, void *dweight, void *scratch);

/* Normalisation: x [outer][count][inner] is `outer` times `count` rows of `inner` channels; `share` neighbouring channels (a divisor
 * of inner) are a group. Each group of each outer has its own mean and variance (over all count * share elements of it), and y =
 * (x - mean) / sqrt(variance + epsilon) * weight + bias. Batch normalisation (Ioffe and Szegedy 2015, algorithm 1): outer 1,
 * share 1; instance normalisation: outer images; group normalisation (Wu and He 2018): larger shares; layer normalisation:
 * outer rows, count 1, share inner. Types f32 and bf16; all sizes at least 1. weight and bias [inner] of weight_type; mean and
 * variance [outer][inner / share]. y may be NULL, and be x. The gradients: dx (may be NULL, and be dy), dweight and dbias [inner]
 * over everything (may be NULL). */
typedef struct kernel_norm {
    kernel_type type, weight_type;
    size_t outer, count, inner, share;
    double epsilon;
} kernel_norm;
size_t kernel_norm_scratch_bytes(const kernel_norm *b);
void kernel_norm_forward(const kernel_norm *b, thread_pool *pool, const void *x, const void *weight, const void *bias, void *y,
                         float *mean, float *variance, void *scratch);
void kernel_norm_backward(const kernel_norm *b, thread_pool *pool, const void *x, const void *weight, const float *mean,
                          const float *variance, const void *dy, void *dx, float *dweight, float *dbias, void *scratch);

/* loss[r] = weights[r] * (logsumexp(logits[r]) - logits[r][target[r]]); lse[r] = logsumexp(logits[r]). Rows with weight
 * 0 or a target outside of 0 .. width - 1 give loss 0 (their lse is still right). weights NULL: all 1. loss, lse, weights are f32 (f64 for f64).
 * `stride` is that of logits. */
void kernel_cross_entropy(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *logits,
                          size_t stride, const int32_t *target, const void *weights, void *loss, void *lse);
/* dlogits[r] = (softmax(logits[r]) - onehot(target[r])) * weights[r] * dloss[r * dloss_step]; step 0 or 1.
 * dlogits (stride too) may equal logits. */
void kernel_cross_entropy_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *logits,
                                   size_t stride, const int32_t *target, const void *weights, const void *lse,
                                   const void *dloss, size_t dloss_step, void *dlogits);

/* --- layers of a transformer --------------------------------------------------------------------------------------- */

/* inverse[i] = 1 / theta^(2 i / head_size), i < head_size / 2, in f32 as `transformers` computes it. */
void kernel_rotary_frequencies(size_t head_size, double theta, float *inverse);
/* cosine and sine [positions][head_size / 2] of position * inverse[i], in f32; the first row is of position `first`. */
void kernel_rotary_table(size_t first, size_t positions, size_t head_size, const float *inverse, float *cosine,
                         float *sine);
/* Rotary positions, half-split: element i is paired with i + head_size / 2 (Su et al. 2021, in the order of Hugging
 * Face's Llama). x and y are [rows][heads][head_size] with row strides; position[row] indexes the tables of `positions` rows (for f64
 * too); outside of them y is 0.
 * `backward` turns the other way: the gradient of a rotation. x may equal y. */
void kernel_rotary(kernel_type type, thread_pool *pool, size_t rows, size_t heads, size_t head_size, const void *x,
                   size_t x_stride, const int32_t *position, size_t positions, const float *cosine, const float *sine,
                   bool backward, void *y, size_t y_stride);

/* y = silu(gate) * up, silu(x) = x / (1 + exp(-x)) (Shazeer 2020). gate and up have row stride `stride` (2 * width
 * where they are the halves of one matrix), y has `width`. */
void kernel_gated_silu(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *gate, const void *up,
                       size_t stride, void *y);
/* dgate and dup have row stride `stride` too; they may equal gate and up. */
void kernel_gated_silu_backward(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *gate,
                                const void *up, size_t stride, const void *dy, void *dgate, void *dup);

/* out[r] = table[ids[r]]. Ids must be in range: checked by whoever takes them from outside. */
void kernel_gather(kernel_type type, thread_pool *pool, size_t rows, size_t width, const void *table,
                   const int32_t *ids, void *out);
/* dtable[v] = sum of dy[r] over rows r with ids[r] = v, in order of r; dtable is f32 (f64 for f64) [entries][width].
 * `accumulate`: add to what is there. */
size_t kernel_scatter_add_scratch_bytes(size_t rows, size_t entries);
void kernel_scatter_add(kernel_type type, thread_pool *pool, size_t rows, size_t width, size_t entries, const void *dy,
                        const int32_t *ids, void *dtable, bool accumulate, void *scratch);

/* --- attention ------------------------------------------------------------------------------------------------------ */

/* Causal attention among packed tokens: token t sees the tokens from start[t] (the first of its sequence) to t.
 * q and out are [tokens][query_heads][head_size], k and v [tokens][key_heads][head_size], each with a row stride in
 * elements (so that they can be parts of one matrix); query head h reads key head h / (query_heads / key_heads).
 * Scores are never stored: keys are visited in blocks of KERNEL_KEY_BLOCK counted from the start of the sequence, in
 * order, with a running maximum and sum (Dao et al. 2022, "FlashAttention", algorithm 1). So a query's bits depend on its
 * own sequence up to itself alone, and attention over the cache gives the same. */
enum { KERNEL_KEY_BLOCK = 64 };

/* What becomes of the product of a query and a key, and which keys a query sees. */
typedef struct kernel_scores {
    double scale;  /* the product is multiplied by this: usually 1 / sqrt(head_size) */
    double cap;    /* 0: none; else a score becomes cap * tanh(score / cap) (Gemma 2, arXiv 2408.00118, section 2) */
    size_t window; /* 0: none; else key j counts for query t iff t - j < window (Mistral, arXiv 2310.06825, section 2) */
    bool both_ways; /* later tokens of the sequence count too (with a window: |t - j| < window); not in the cache */
} kernel_scores;

typedef struct kernel_attention {
    kernel_type type; /* of q, k, v, out and their gradients: f64, f32, bf16 */
    size_t tokens, query_heads, key_heads, head_size;
    kernel_scores scores;
    const int32_t *start; /* [tokens]; tokens of a sequence are neighbours */
    size_t q_stride, k_stride, v_stride, out_stride; /* the gradients have the strides of what they belong to */
    /* NULL, or [tokens][mask_width]: of the keys that the scores let it see, token t sees key start[t] + i where mask[t][i] is not 0,
     * and none beyond mask_width. A token that sees nothing gets zeros, and an lse of 0. */
    const uint8_t *mask;
    size_t mask_width;
} kernel_attention;

size_t kernel_attention_scratch_bytes(const kernel_attention *a, size_t threads);
/* lse [tokens][query_heads] (f32; f64 for f64): log of the sum of exp(score); NULL when no backward will follow. */
void kernel_attention_forward(const kernel_attention *a, thread_pool *pool, const void *q, const void *k,
                              const void *v, void *out, void *lse, void *scratch);
size_t kernel_attention_backward_scratch_bytes(const kernel_attention *a, size_t threads);
void kernel_attention_backward(const kernel_attention *a, thread_pool *pool, const void *q, const void *k,
                               const void *v, const void *out, const void *lse, const void *dout, void *dq, void *dk,
                               void *dv, void *scratch);

/* The cache of keys and values of sequences under generation. Positions come in pages of KERNEL_KEY_BLOCK; `capacity` is a
 * multiple of it. A page of keys is laid out [key_heads][head_size][KERNEL_KEY_BLOCK] (transposed, so that a block's
 * scores are computed with neighbouring keys in neighbouring lanes), a page of values [key_heads][KERNEL_KEY_BLOCK]
 * [head_size]. Page p of slot s is number pages[s * capacity / KERNEL_KEY_BLOCK + p], or that index itself where `pages`
 * is NULL. A buffer of n pages has the elements of a tensor [n][KERNEL_KEY_BLOCK][key_heads][head_size]; only the order
 * inside is this file's. Positions not yet appended are never read. */
typedef struct kernel_cache {
    kernel_type type; /* f64, f32, bf16 */
    size_t slots, capacity, key_heads, head_size;
    const int32_t *pages; /* NULL, or [slots][capacity / KERNEL_KEY_BLOCK] */
    void *k, *v;
} kernel_cache;

/* Writes rows k, v [rows][key_heads][head_size] (type of the cache) at (slot[r], position[r]). */
void kernel_cache_append(const kernel_cache *c, thread_pool *pool, size_t rows, const int32_t *slot,
                         const int32_t *position, const void *k, size_t k_stride, const void *v, size_t v_stride);
/* Attention of the rows q [rows][query_heads][head_size] (type of the cache), row r at (slot[r], position[r]) seeing
 * positions 0 .. position[r] of its slot, or those of them in the window, its own included: append first. Rows of one slot with rising positions are
 * fastest as neighbours (prefill); any order gives the same bits, which are those of kernel_attention_forward. A row
 * with slot -1 is idle and gives zeros. */
size_t kernel_cache_attention_scratch_bytes(const kernel_cache *c, size_t rows, size_t query_heads, size_t threads);
void kernel_cache_attention(const kernel_cache *c, thread_pool *pool, size_t rows, size_t query_heads,
                            kernel_scores scores, const int32_t *slot, const int32_t *position, const void *q,
                            size_t q_stride, void *out, size_t out_stride, void *scratch);
/* Copies page number `from` to page number `to` (where a prefix that is shared ends inside of a page). */
void kernel_cache_copy(const kernel_cache *c, size_t from, size_t to);

/* --- optimiser ------------------------------------------------------------------------------------------------------- */

/* One step of AdamW (Loshchilov and Hutter 2019, algorithm 2; the arithmetic of torch.optim.AdamW):
 *     p *= 1 - rate * decay;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;
 *     p -= rate / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
 * with g = gradient * gradient_scale. */
typedef struct kernel_adamw {
    double rate, beta1, beta2, epsilon, decay;
    double gradient_scale; /* clipping factor, 1 for none */
    int64_t step;          /* from 1 */
    double correction1, correction2; /* 1 - beta1^step and 1 - beta2^step where given; 0: worked out from step */
} kernel_adamw;

/* p, m, v and the gradient: f32, or f64 for tests (`type`). Where `copy` is not NULL it gets p rounded to bf16. */
void kernel_adamw_step(kernel_type type, thread_pool *pool, size_t count, const kernel_adamw *how, void *p, void *m,
                       void *v, const void *gradient, uint16_t *copy);

/* A table [entries][width] that is zero but for some rows: row i of `rows` [count][width] is its row index[i]. Indices rise, and
 * behind them may stand any number of -1, which count nothing (nor do those from `entries` on). */
typedef struct kernel_sparse {
    kernel_type type; /* f32 or bf16 */
    size_t entries, width, count;
    const int32_t *index;
    const void *rows;
} kernel_sparse;

/* The same values, bit for bit, as the dense ones of the whole table, which is made a block at a time. Scratch:
 * kernel_sum_squares_scratch_bytes(entries * width). */
double kernel_sparse_sum_squares(const kernel_sparse *x, thread_pool *pool, void *scratch);
/* Every row of p, m and v takes its step, those without a gradient too. All in f32. */
void kernel_sparse_adamw_step(const kernel_sparse *gradient, thread_pool *pool, const kernel_adamw *how, float *p, float *m, float *v);

#endif
