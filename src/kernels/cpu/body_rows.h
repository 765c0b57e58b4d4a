/* body_rows.h - reductions, softmax, normalisation, cross-entropy; included once for each instruction set.
 *
 * Sums along a row use two accumulators of 16 lanes in turn (elements 0-15 in the first, 16-31 in the second, ...),
 * added at the end: fixed, and twice as fast as one.
 */

/* Calls f for the type as a constant. */
#define TYPED(type, f, ...)                                                                                        \
    do {                                                                                                           \
        if ((type) == KERNEL_BF16)                                                                                 \
            f(KERNEL_BF16, __VA_ARGS__);                                                                           \
        else                                                                                                       \
            f(KERNEL_F32, __VA_ARGS__);                                                                            \
    } while (0)

/* The statement updates `s`, which is s0 and s1 in turn, from the lanes at i; n lanes of them count and the others are 0. */
#define SUM_ONTO(s0, s1, count, ...)                                                                               \
    {                                                                                                              \
        size_t i = 0, n = LANES;                                                                                   \
        for (; i + 2 * LANES <= (count); i += LANES) {                                                             \
            s = s0;                                                                                                \
            __VA_ARGS__;                                                                                           \
            s0 = s;                                                                                                \
            i += LANES;                                                                                            \
            s = s1;                                                                                                \
            __VA_ARGS__;                                                                                           \
            s1 = s;                                                                                                \
        }                                                                                                          \
        for (; i < (count); i += LANES) {                                                                          \
            n = (count) - i < LANES ? (count) - i : LANES;                                                         \
            s = s0;                                                                                                \
            __VA_ARGS__;                                                                                           \
            s0 = s1;                                                                                               \
            s1 = s;                                                                                                \
        }                                                                                                          \
    }

#define SUM_OVER(count, ...)                                                                                       \
    v16 s0 = v_zero(), s1 = v_zero(), s;                                                                           \
    SUM_ONTO(s0, s1, count, __VA_ARGS__)                                                                           \
    s = v_add(s0, s1)

SIMD_FN float sum_of(kernel_type type, size_t count, const void *x)
{
    SUM_OVER(count, s = v_add(s, v_get_up_to(type, x, i, n)));
    return v_sum(s);
}

static float sum(kernel_type type, size_t count, const void *x)
{
    return type == KERNEL_BF16 ? sum_of(KERNEL_BF16, count, x) : sum_of(KERNEL_F32, count, x);
}

/* The same in pieces of whole pairs of lanes (the last may end anywhere): onto the two accumulators, and their sum. */
SIMD_FN void sum_onto_of(kernel_type type, size_t count, const void *x, float lanes[2 * LANES])
{
    v16 s0 = v_load(lanes), s1 = v_load(lanes + LANES), s;
    SUM_ONTO(s0, s1, count, s = v_add(s, v_get_up_to(type, x, i, n)));
    v_store(lanes, s0);
    v_store(lanes + LANES, s1);
}

static void sum_onto(kernel_type type, size_t count, const void *x, float lanes[2 * LANES])
{
    TYPED(type, sum_onto_of, count, x, lanes);
}

static float sum_end(const float lanes[2 * LANES])
{
    return v_sum(v_add(v_load(lanes), v_load(lanes + LANES)));
}

SIMD_FN float sum_squares_of(kernel_type type, size_t count, const void *x)
{
    SUM_OVER(count, {
        v16 a = v_get_up_to(type, x, i, n);
        s = v_fma(a, a, s);
    });
    return v_sum(s);
}

static float sum_squares(kernel_type type, size_t count, const void *x)
{
    return type == KERNEL_BF16 ? sum_squares_of(KERNEL_BF16, count, x) : sum_squares_of(KERNEL_F32, count, x);
}

SIMD_FN float highest_of(kernel_type type, size_t count, const void *x)
{
    v16 m = v_set(-INFINITY);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        m = v_max(v_get(type, x, i), m);
    float most = v_highest(m);
    for (; i < count; i++) {
        float v = type == KERNEL_BF16 ? bf16_to_f32(((const uint16_t *)x)[i]) : ((const float *)x)[i];
        most = v > most ? v : most;
    }
    return most;
}

static float highest(kernel_type type, size_t count, const void *x)
{
    return type == KERNEL_BF16 ? highest_of(KERNEL_BF16, count, x) : highest_of(KERNEL_F32, count, x);
}

/* The same in pieces: whole lanes here, what is left over at the end. */
SIMD_FN void highest_onto_of(kernel_type type, size_t count, const void *x, float lanes[LANES])
{
    v16 m = v_load(lanes);
    for (size_t i = 0; i + LANES <= count; i += LANES)
        m = v_max(v_get(type, x, i), m);
    v_store(lanes, m);
}

static void highest_onto(kernel_type type, size_t count, const void *x, float lanes[LANES])
{
    TYPED(type, highest_onto_of, count, x, lanes);
}

static float highest_end(const float lanes[LANES], size_t count, const float *rest)
{
    float most = v_highest(v_load(lanes));
    for (size_t i = 0; i < count; i++)
        most = rest[i] > most ? rest[i] : most;
    return most;
}

/* Lanes that hold no element get exp(-inf) = 0. */
SIMD_FN v16 exp_part(v16 x, float most, size_t n)
{
    v16 e = v_exp(v_sub(x, v_set(most)));
    if (n < LANES) {
        float f[LANES];
        v_store(f, e);
        e = v_load_part(f, n);
    }
    return e;
}

SIMD_FN float sum_exp_of(kernel_type type, size_t count, const void *x, float most)
{
    SUM_OVER(count, s = v_add(s, exp_part(v_get_up_to(type, x, i, n), most, n)));
    return v_sum(s);
}

SIMD_FN float log_of(float x)
{
    float f[LANES];
    v_store(f, v_log(v_set(x)));
    return f[0];
}

SIMD_FN float logsumexp_of(kernel_type type, size_t count, const void *x)
{
    float most = highest_of(type, count, x);
    if (isinf(most))
        return most;
    return most + log_of(sum_exp_of(type, count, x, most));
}

static float logsumexp(kernel_type type, size_t count, const void *x)
{
    return type == KERNEL_BF16 ? logsumexp_of(KERNEL_BF16, count, x) : logsumexp_of(KERNEL_F32, count, x);
}

/* Columns i .. i + 16 `vectors` - 1 (or up to n of them, n < 16, where `vectors` is 1) of all rows, from the first row on;
 * `onto` (or NULL: zeros) holds the sums of rows that came before. */
SIMD_FN void sum_columns(kernel_type type, kernel_type out, size_t count, size_t inner, const void *x, const float *onto, void *y,
                         size_t i, size_t vectors, size_t n)
{
    v16 s[4];
    for (size_t k = 0; k < vectors; k++)
        s[k] = onto ? v_get_up_to(KERNEL_F32, onto, i + k * LANES, n) : v_zero();
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < vectors; k++)
            s[k] = v_add(s[k], v_get_up_to(type, x, r * inner + i + k * LANES, n));
    for (size_t k = 0; k < vectors; k++)
        v_put_up_to(out, y, i + k * LANES, s[k], n);
}

SIMD_FN void sum_rows_of(kernel_type type, kernel_type out, size_t count, size_t inner, const void *x, const float *onto, void *y)
{
    size_t i = 0;
    for (; i + 4 * LANES <= inner; i += 4 * LANES)
        sum_columns(type, out, count, inner, x, onto, y, i, 4, LANES);
    for (; i + 2 * LANES <= inner; i += 2 * LANES)
        sum_columns(type, out, count, inner, x, onto, y, i, 2, LANES);
    for (; i < inner; i += LANES)
        sum_columns(type, out, count, inner, x, onto, y, i, 1, inner - i);
}

static void sum_rows(kernel_type type, size_t count, size_t inner, const void *x, kernel_type out, void *y)
{
    if (out == KERNEL_BF16)
        TYPED(type, sum_rows_of, KERNEL_BF16, count, inner, x, NULL, y);
    else
        TYPED(type, sum_rows_of, KERNEL_F32, count, inner, x, NULL, y);
}

static void sum_rows_onto(kernel_type type, size_t count, size_t inner, const void *x, float *sums)
{
    TYPED(type, sum_rows_of, KERNEL_F32, count, inner, x, sums, sums);
}

/* In this order a NaN is passed over, as patch_highest does it. */
static void highest_rows_onto(size_t count, size_t inner, const float *x, float *most)
{
    for (size_t i = 0; i < inner; i += LANES) {
        size_t n = inner - i;
        v16 m = v_get_up_to(KERNEL_F32, most, i, n);
        for (size_t r = 0; r < count; r++)
            m = v_max(v_get_up_to(KERNEL_F32, x, r * inner + i, n), m);
        v_put_up_to(KERNEL_F32, most, i, m, n);
    }
}

SIMD_FN void softmax_of(kernel_type type, size_t rows, size_t width, const void *x, void *y)
{
    for (size_t r = 0; r < rows; r++) {
        const char *from = (const char *)x + r * width * kernel_type_size(type);
        char *to = (char *)y + r * width * kernel_type_size(type);
        float most = highest_of(type, width, from);
        float scale = 1 / sum_exp_of(type, width, from, most);
        for (size_t i = 0; i < width; i += LANES) {
            v16 e = v_exp(v_sub(v_get_up_to(type, from, i, width - i), v_set(most)));
            v_put_up_to(type, to, i, v_mul(e, v_set(scale)), width - i);
        }
    }
}

static void softmax(kernel_type type, size_t rows, size_t width, const void *x, void *y)
{
    TYPED(type, softmax_of, rows, width, x, y);
}

SIMD_FN void softmax_backward_of(kernel_type type, size_t rows, size_t width, const void *y, const void *dy, void *dx)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * width;
        SUM_OVER(width, s = v_fma(v_get_up_to(type, y, at + i, n), v_get_up_to(type, dy, at + i, n), s));
        v16 dot = v_set(v_sum(s));
        for (size_t i = 0; i < width; i += LANES) {
            v16 d = v_sub(v_get_up_to(type, dy, at + i, width - i), dot);
            v_put_up_to(type, dx, at + i, v_mul(v_get_up_to(type, y, at + i, width - i), d), width - i);
        }
    }
}

static void softmax_backward(kernel_type type, size_t rows, size_t width, const void *y, const void *dy, void *dx)
{
    TYPED(type, softmax_backward_of, rows, width, y, dy, dx);
}

SIMD_FN void rms_norm_of(kernel_type type, kernel_type weight_type, size_t rows, size_t width, float epsilon,
                         const void *x, const void *weight, void *y, float *rstd)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * width;
        SUM_OVER(width, {
            v16 a = v_get_up_to(type, x, at + i, n);
            s = v_fma(a, a, s);
        });
        float scale = 1 / sqrtf(v_sum(s) / (float)width + epsilon);
        if (rstd)
            rstd[r] = scale;
        for (size_t i = 0; i < width; i += LANES) {
            v16 a = v_mul(v_get_up_to(type, x, at + i, width - i), v_set(scale));
            v_put_up_to(type, y, at + i, v_mul(a, v_get_up_to(weight_type, weight, i, width - i)), width - i);
        }
    }
}

static void rms_norm(kernel_type type, kernel_type weight_type, size_t rows, size_t width, float epsilon, const void *x,
                     const void *weight, void *y, float *rstd)
{
    if (weight_type == KERNEL_BF16)
        TYPED(type, rms_norm_of, KERNEL_BF16, rows, width, epsilon, x, weight, y, rstd);
    else
        TYPED(type, rms_norm_of, KERNEL_F32, rows, width, epsilon, x, weight, y, rstd);
}

/* h = x rstd, g = dy weight: dx = rstd (g - h mean(g h)) (+ add), dweight += dy h. */
SIMD_FN void rms_norm_backward_of(kernel_type type, kernel_type weight_type, size_t rows, size_t width, const void *x,
                                  const void *weight, const float *rstd, const void *dy, const void *add, void *dx,
                                  float *dweight)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * width;
        v16 scale = v_set(rstd[r]);
        SUM_OVER(width, {
            v16 h = v_mul(v_get_up_to(type, x, at + i, n), scale), d = v_get_up_to(type, dy, at + i, n);
            s = v_fma(v_mul(d, h), v_get_up_to(weight_type, weight, i, n), s);
            if (dweight)
                v_put_up_to(KERNEL_F32, dweight, i, v_fma(d, h, v_get_up_to(KERNEL_F32, dweight, i, n)), n);
        });
        v16 mean = v_set(v_sum(s) / (float)width);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            v16 h = v_mul(v_get_up_to(type, x, at + i, n), scale);
            v16 g = v_mul(v_get_up_to(type, dy, at + i, n), v_get_up_to(weight_type, weight, i, n));
            v16 d = v_mul(scale, v_fnma(h, mean, g));
            v_put_up_to(type, dx, at + i, add ? v_add(v_get_up_to(type, add, at + i, n), d) : d, n);
        }
    }
}

static void rms_norm_backward(kernel_type type, kernel_type weight_type, size_t rows, size_t width, const void *x,
                              const void *weight, const float *rstd, const void *dy, const void *add, void *dx,
                              float *dweight)
{
    if (weight_type == KERNEL_BF16)
        TYPED(type, rms_norm_backward_of, KERNEL_BF16, rows, width, x, weight, rstd, dy, add, dx, dweight);
    else
        TYPED(type, rms_norm_backward_of, KERNEL_F32, rows, width, x, weight, rstd, dy, add, dx, dweight);
}

SIMD_FN void cross_entropy_of(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                              const int32_t *target, const float *weights, float *loss, float *lse)
{
    for (size_t r = 0; r < rows; r++) {
        const char *row = (const char *)logits + r * stride * kernel_type_size(type);
        float weight = weights ? weights[r] : 1;
        lse[r] = logsumexp_of(type, width, row);
        loss[r] = 0;
        if (target[r] < 0 || (size_t)target[r] >= width || weight == 0)
            continue;
        size_t t = (size_t)target[r];
        float own = type == KERNEL_BF16 ? bf16_to_f32(((const uint16_t *)(const void *)row)[t])
                                        : ((const float *)(const void *)row)[t];
        loss[r] = weight * (lse[r] - own);
    }
}

static void cross_entropy(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                          const int32_t *target, const float *weights, float *loss, float *lse)
{
    TYPED(type, cross_entropy_of, rows, width, logits, stride, target, weights, loss, lse);
}

SIMD_FN void cross_entropy_backward_of(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                                       const int32_t *target, const float *weights, const float *lse,
                                       const float *dloss, size_t dloss_step, void *dlogits)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * stride;
        float scale = (weights ? weights[r] : 1) * dloss[r * dloss_step];
        bool counts = target[r] >= 0 && (size_t)target[r] < width && !(weights && weights[r] == 0);
        size_t t = counts ? (size_t)target[r] : 0;
        v16 own = v_get_up_to(type, logits, at + t, 1);
        for (size_t i = 0; i < width; i += LANES) {
            v16 p = v_zero();
            if (counts)
                p = v_mul(v_exp(v_sub(v_get_up_to(type, logits, at + i, width - i), v_set(lse[r]))), v_set(scale));
            v_put_up_to(type, dlogits, at + i, p, width - i);
        }
        if (counts) { /* the target's own: (p - 1) scale, not rounded in between */
            own = v_mul(v_sub(v_exp(v_sub(own, v_set(lse[r]))), v_set(1)), v_set(scale));
            v_put_up_to(type, dlogits, at + t, own, 1);
        }
    }
}

static void cross_entropy_backward(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                                   const int32_t *target, const float *weights, const float *lse, const float *dloss,
                                   size_t dloss_step, void *dlogits)
{
    TYPED(type, cross_entropy_backward_of, rows, width, logits, stride, target, weights, lse, dloss, dloss_step, dlogits);
}

#define ROWS_FIELDS                                                                                                \
    .select_words = select_words, .widen_bytes = widen_bytes, .widen = widen, .narrow = narrow, .add_to = add_to, .sum = sum, .sum_squares = sum_squares, .highest = highest, \
    .sum_onto = sum_onto, .sum_end = sum_end, .highest_onto = highest_onto, .highest_end = highest_end,              \
    .sum_rows_onto = sum_rows_onto, .highest_rows_onto = highest_rows_onto,                                        \
    .logsumexp = logsumexp, .sum_rows = sum_rows, .softmax = softmax, .softmax_backward = softmax_backward,        \
    .rms_norm = rms_norm, .rms_norm_backward = rms_norm_backward, .cross_entropy = cross_entropy,                  \
    .cross_entropy_backward = cross_entropy_backward
